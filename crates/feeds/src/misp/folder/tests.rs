use std::collections::BTreeMap;

use super::*;
use crate::testing::Taken;
use crate::{Options, Summary, read_misp_folder};

const A: &str = "5aa2e21b-79d8-4fd7-b15d-34670a016219";
const B: &str = "15ebb496-c51c-4f88-b60b-aba5f806db5f";
const EVENT: &str = r#"{"Event": {"Attribute": [{"type": "url", "value": "a"}]}}"#;

fn read(files: &[(String, String)]) -> (Result<Summary, FeedError>, Vec<String>) {
    let files: BTreeMap<_, _> = files.iter().cloned().collect();
    let mut rows = Vec::new();
    let mut open = |name: &str| -> io::Result<Box<dyn Read>> {
        let file = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(file.clone())))
    };
    let summary = read_misp_folder(&mut open, &Options::default(), &mut |row| {
        rows.extend(Taken::of(row).values);
    });
    (summary, rows)
}

fn manifest(text: &str) -> (String, String) {
    (MANIFEST.to_owned(), text.to_owned())
}

fn file(uuid: &str, text: &str) -> (String, String) {
    (format!("{uuid}.json"), text.to_owned())
}

#[test]
fn reads_the_events_of_the_manifest() {
    let hash: String = Sha256::digest(EVENT)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let listed = format!(r#"{{"{A}": {{"info": "x"}}, "{B}": {{"integrity:sha256": "{hash}"}}}}"#);
    let (summary, rows) = read(&[manifest(&listed), file(A, EVENT), file(B, EVENT)]);
    assert_eq!(summary.unwrap().reached.rows, 2);
    assert_eq!(
        rows,
        [
            format!("{A}.json, /Event/Attribute/0/value: url a"),
            format!("{B}.json, /Event/Attribute/0/value: url a"),
        ]
    );
    let in_b = |error| FeedError::InFile {
        file: format!("{B}.json"),
        error: Box::new(error),
    };
    let changed = EVENT.replace("\"a\"", "\"b\"");
    let (error, _) = read(&[manifest(&listed), file(A, EVENT), file(B, &changed)]);
    assert_eq!(error, Err(in_b(FeedError::Integrity)));
    let (error, _) = read(&[manifest(&listed), file(A, EVENT)]);
    let missing = FeedError::Io {
        kind: io::ErrorKind::NotFound,
        reached: Reached {
            rows: 1,
            ..Reached::default()
        },
    };
    assert_eq!(error, Err(in_b(missing)));
}

#[test]
fn opens_nothing_but_uuids() {
    for (entries, entry) in [
        (r#"{"../../etc/passwd": {}}"#.to_owned(), 1),
        (format!(r#"{{"{A}": {{}}, "{B}x": {{}}}}"#), 2),
        (format!(r#"{{"{A}": {{"integrity:sha256": "abc"}}}}"#), 1),
    ] {
        let (error, _) = read(&[manifest(&entries), file(A, EVENT)]);
        let error = match error {
            Err(FeedError::InFile { error, .. }) => *error,
            other => panic!("{other:?}"),
        };
        assert_eq!(error, FeedError::BadManifestEntry { entry });
    }
}
