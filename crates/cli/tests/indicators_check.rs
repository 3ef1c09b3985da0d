//! `blindmatch indicators check` as a user meets it: results, and every error with its way out.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

type Test = Result<(), Box<dyn Error>>;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> std::io::Result<()> {
        fs::write(self.folder.path().join(name), content)
    }

    /// Runs `blindmatch indicators check ARGUMENTS` in the folder of the case.
    fn check(&self, arguments: &[&str]) -> std::io::Result<Output> {
        self.command(arguments).output()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindmatch"));
        command
            .args(["indicators", "check"])
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
        let output = self.check(&[arguments, &["--output", "json"]].concat())?;
        assert!(output.status.success(), "{}", stderr(&output));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts exit code 1, an empty stdout, and that stderr says all of `says`.
#[track_caller]
fn fails(output: &Output, says: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty(), "a result was printed");
    for text in says {
        assert!(stderr.contains(text), "`{text}` is not in: {stderr}");
    }
}

#[test]
fn counts_add_up_and_have_a_schema() -> Test {
    let case = Case::new()?;
    case.write(
        "feed.txt",
        "\u{feff}# a comment\r\n8.8.8.8\r\n\r\n8[.]8.8.8\n10.0.0.1\n1.0.0.0/23\n",
    )?;
    let report = case.json(&["feed.txt"])?;
    let expected = json!({
        "schema": "blindmatch.indicators_check.v1",
        "files": [{ "file": "feed.txt", "format": "plain", "rows": 4, "columns": [] }],
        "read": 4,
        "accepted": { "ip": 1, "network": 1 },
        "duplicates": 1,
        "refused": { "not_global": 1 },
        "not_matchable": {},
        "derived": { "network": 2 },
        "refanged": 1,
    });
    assert_eq!(report, expected);
    Ok(())
}

#[test]
fn lines_of_json_and_csv_have_the_same_facts() -> Test {
    let case = Case::new()?;
    case.write("feed.txt", "8.8.8.8\n8.8.8.8\n10.0.0.1\n")?;
    let csv = case.check(&["--output", "csv", "feed.txt"])?;
    let csv = String::from_utf8(csv.stdout)?;
    let expected = "fact,name,value\nread,,3\naccepted,ip,1\nduplicates,,1\n\
                    refused,not_global,1\nrefanged,,0\n";
    assert_eq!(csv, expected);
    let lines = case.check(&["--output", "ndjson", "feed.txt"])?;
    let lines: Vec<Value> = String::from_utf8(lines.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines.get(1),
        Some(&json!({ "fact": "accepted", "name": "ip", "value": "1" }))
    );
    Ok(())
}

#[test]
fn several_files_are_one_set() -> Test {
    let case = Case::new()?;
    case.write("a", "8.8.8.8\n8.8.4.4\n")?;
    case.write("b", "8.8.8.8\n")?;
    let report = case.json(&["a", "b"])?;
    assert_eq!(
        (&report["read"], &report["duplicates"]),
        (&json!(3), &json!(1))
    );
    Ok(())
}

#[test]
fn reads_standard_input() -> Test {
    let case = Case::new()?;
    let mut child = case
        .command(&["--output", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no stdin")?
        .write_all(b"8.8.8.8\n")?;
    let output = child.wait_with_output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["accepted"], json!({ "ip": 1 }));
    Ok(())
}

#[test]
fn the_table_is_for_people() -> Test {
    let case = Case::new()?;
    case.write("feed.txt", "8.8.8.8\n10.0.0.1\n")?;
    let output = case.check(&["feed.txt"])?;
    let table = String::from_utf8(output.stdout.clone())?;
    assert!(table.contains("accepted       1  ip 1"), "{table}");
    assert!(stderr(&output).contains("--refused FILE"));
    Ok(())
}

#[test]
fn card_numbers_are_counted_and_never_shown() -> Test {
    let case = Case::new()?;
    case.write(
        "cards.csv",
        "id,pan\n1,4111 1111 1111 1111\n2,4111111111111111\n3,4111111111111112\n",
    )?;
    let arguments = ["--map", "pan=pan", "--refused", "refused", "cards.csv"];
    let output = case.check(&arguments)?;
    let shown = [
        output.stdout,
        output.stderr,
        fs::read(case.folder.path().join("refused"))?,
    ]
    .concat();
    let shown = String::from_utf8(shown)?;
    assert!(shown.contains("pan 1"), "{shown}");
    assert!(!shown.contains("4111"), "{shown}");
    Ok(())
}

#[test]
fn refused_values_are_reported_by_shape() -> Test {
    let case = Case::new()?;
    case.write("feed.txt", "8.8.8.8\n10.20.30.40\n")?;
    assert!(
        case.check(&["--refused", "refused.ndjson", "feed.txt"])?
            .status
            .success()
    );
    let report = fs::read_to_string(case.folder.path().join("refused.ndjson"))?;
    let line: Value = serde_json::from_str(&report)?;
    assert_eq!(line["file"], "feed.txt");
    assert_eq!(line["place"], "line 2");
    assert_eq!(line["reason"], "not_global");
    assert_eq!(line["shape"], "99.99.99.99");
    Ok(())
}

#[test]
fn strict_makes_a_refused_row_count() -> Test {
    let case = Case::new()?;
    case.write("feed.txt", "8.8.8.8\n10.20.30.40\n")?;
    assert_eq!(
        case.check(&["--strict", "feed.txt"])?.status.code(),
        Some(6)
    );
    case.write("clean.txt", "8.8.8.8\n")?;
    assert_eq!(
        case.check(&["--strict", "clean.txt"])?.status.code(),
        Some(0)
    );
    Ok(())
}

#[test]
fn a_closed_pipe_is_no_error() -> Test {
    let case = Case::new()?;
    case.write("feed.txt", "8.8.8.8\n")?;
    let mut child = case
        .command(&["feed.txt"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Ok(())
}

#[test]
fn wrong_column() -> Test {
    let case = Case::new()?;
    case.write("a.csv", "id,address\n1,8.8.8.8\n")?;
    let output = case.check(&["--column", "adress", "a.csv"])?;
    fails(
        &output,
        &["no column `adress`", "`address`", "--column address a.csv"],
    );
    let output = case.check(&["--column", "3", "a.csv"])?;
    fails(&output, &["no column `3`", "`address`"]);
    Ok(())
}

#[test]
fn ambiguous_column() -> Test {
    let case = Case::new()?;
    case.write("a.csv", "x,y\n8.8.8.8,1.1.1.1\n8.8.4.4,1.0.0.1\n")?;
    fails(
        &case.check(&["a.csv"])?,
        &["several columns", "--column x a.csv"],
    );
    Ok(())
}

#[test]
fn column_of_a_list() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "8.8.8.8\n")?;
    fails(
        &case.check(&["--column", "ip", "a.txt"])?,
        &[
            "no column `ip`",
            "the columns are 1 (ip)",
            "--column 1 a.txt",
        ],
    );
    Ok(())
}

#[test]
fn wrong_type() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "8.8.8.8\n8.8.4.4\n")?;
    let output = case.check(&["--type", "domain", "a.txt"])?;
    fails(
        &output,
        &[
            "no value is of the type domain",
            "look like ip",
            "check --type ip a.txt",
        ],
    );
    Ok(())
}

#[test]
fn unknown_type_and_format_are_usage() -> Test {
    let case = Case::new()?;
    for (arguments, says) in [
        (["--type", "ipv4", "a"], "registrable_domain"),
        (["--format", "xml", "a"], "misp"),
    ] {
        let output = case.check(&arguments)?;
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    Ok(())
}

#[test]
fn binary_file() -> Test {
    let case = Case::new()?;
    case.write("a.bin", [0, 1, 2, 3, 0, 255])?;
    fails(&case.check(&["a.bin"])?, &["a.bin: not text", "plain, csv"]);
    case.write("a.xlsx", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00")?;
    fails(&case.check(&["a.xlsx"])?, &["XLSX", "export it first"]);
    Ok(())
}

#[test]
fn utf_16() -> Test {
    let case = Case::new()?;
    let utf_16: Vec<u8> = "\u{feff}8.8.8.8\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    case.write("a.txt", utf_16)?;
    fails(
        &case.check(&["a.txt"])?,
        &["UTF-16", "iconv -f UTF-16 -t UTF-8 a.txt"],
    );
    Ok(())
}

#[test]
fn empty_file() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "")?;
    fails(&case.check(&["a.txt"])?, &["a.txt: empty"]);
    Ok(())
}

#[test]
fn folder() -> Test {
    let case = Case::new()?;
    fs::create_dir(case.folder.path().join("feeds"))?;
    fails(
        &case.check(&["feeds"])?,
        &["feeds is a folder", "feeds/*", "manifest.json"],
    );
    Ok(())
}

#[test]
fn missing_file() -> Test {
    let case = Case::new()?;
    fails(
        &case.check(&["nowhere.txt"])?,
        &["cannot read nowhere.txt", "check the spelling"],
    );
    Ok(())
}

/// Somebody who is not root reads a file that only root may read.
#[test]
#[cfg(unix)]
fn unreadable_file() -> Test {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new()?;
    case.write("secret.txt", "8.8.8.8\n")?;
    let path = case.folder.path().join("secret.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000))?;
    if fs::read(&path).is_err() {
        fails(
            &case.check(&["secret.txt"])?,
            &["cannot read secret.txt", "ls -l secret.txt"],
        );
        return Ok(());
    }
    // Root may read anything but the memory of a process at address 0.
    if Path::new("/proc/self/mem").exists() {
        fails(
            &case.check(&["/proc/self/mem"])?,
            &["/proc/self/mem: cannot be read", "nothing"],
        );
    }
    Ok(())
}

#[test]
fn broken_json_names_the_place_and_leaves_no_report() -> Test {
    let case = Case::new()?;
    let bundle = r#"{"type": "bundle", "id": "bundle--0", "objects": [
        {"type": "indicator", "pattern_type": "stix", "pattern": "[ipv4-addr:value = '10.0.0.1']"},
        {"type": "indicator", oops"#;
    case.write("a.json", bundle)?;
    let output = case.check(&["--refused", "refused.ndjson", "a.json"])?;
    fails(
        &output,
        &["a.json: invalid JSON at line 3", "nothing of it was kept"],
    );
    assert!(!case.folder.path().join("refused.ndjson").exists());
    Ok(())
}

#[test]
fn truncated_gzip_names_how_far_it_was_read() -> Test {
    let case = Case::new()?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    (0..100_000).try_for_each(|i| writeln!(gzip, "8.{}.{}.8", i / 250, i % 250))?;
    let whole = gzip.finish()?;
    case.write("a.txt.gz", &whole[..whole.len() / 2])?;
    fails(
        &case.check(&["a.txt.gz"])?,
        &["gzip data cut short", "byte", "gzip -t a.txt.gz"],
    );
    case.write("a.txt.gz", &whole)?;
    assert_eq!(case.json(&["a.txt.gz"])?["read"], json!(100_000));
    Ok(())
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_reading() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "8.8.8.8\n")?;
    let output = case.check(&["--refused", "nowhere/refused.ndjson", "a.txt"])?;
    fails(
        &output,
        &["cannot write the refusal report", "folder that exists"],
    );
    Ok(())
}

#[test]
fn a_missing_table_says_where_it_was_looked_for() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "8.8.8.8\n")?;
    let output = case.check(&["--tables", ".", "a.txt"])?;
    fails(
        &output,
        &["public suffix list", "--tables DIR", "looked in"],
    );
    Ok(())
}

/// A report replaces an earlier report and nothing else: no feed, no link, no device.
#[test]
#[cfg(unix)]
fn a_report_replaces_only_a_report() -> Test {
    let case = Case::new()?;
    case.write("a.txt", "8.8.8.8\n10.0.0.1\n")?;
    case.write("b.txt", "8.8.8.8\n")?;
    std::os::unix::fs::symlink("a.txt", case.folder.path().join("link"))?;
    for (report, file) in [
        ("a.txt", "a.txt"),
        ("a.txt", "b.txt"),
        ("link", "b.txt"),
        ("-", "b.txt"),
    ] {
        let output = case.check(&["--refused", report, file])?;
        fails(&output, &["--refused would replace", "does not exist yet"]);
    }
    fails(
        &case.check(&["--refused", "/dev/null", "a.txt"])?,
        &["--refused would replace /dev/null"],
    );
    assert_eq!(
        fs::read_to_string(case.folder.path().join("a.txt"))?,
        "8.8.8.8\n10.0.0.1\n"
    );
    for _ in 0..2 {
        assert!(
            case.check(&["--refused", "report", "a.txt"])?
                .status
                .success()
        );
    }
    Ok(())
}

#[test]
fn hints_keep_what_the_user_typed() -> Test {
    let case = Case::new()?;
    case.write("a b.csv", "key,mail\n1,jane@example.com\n")?;
    let output = case.check(&["--type", "email", "--ref", "kee", "a b.csv"])?;
    fails(
        &output,
        &[
            "no column `kee`",
            "blindmatch indicators check --type email --ref key 'a b.csv'",
        ],
    );
    case.write("list.txt", "8.8.8.8\n")?;
    let output = case.check(&["--format", "stix", "list.txt"])?;
    fails(
        &output,
        &[
            "let the content decide",
            "blindmatch indicators check list.txt",
        ],
    );
    Ok(())
}

#[test]
fn a_type_narrows_a_feed_that_types_its_own_values() -> Test {
    let case = Case::new()?;
    let indicator = |pattern: &str| format!(r#"{{"type": "indicator", "pattern": "[{pattern}]"}}"#);
    let [ip, domain] = [
        "ipv4-addr:value = '8.8.8.8'",
        "domain-name:value = 'a.example'",
    ]
    .map(indicator);
    let bundle = format!(r#"{{"type": "bundle", "id": "bundle--0", "objects": [{ip}, {domain}]}}"#);
    case.write("a.json", bundle)?;
    let report = case.json(&["--type", "ip", "a.json"])?;
    assert_eq!(report["accepted"], json!({ "ip": 1 }));
    assert_eq!(report["not_matchable"], json!({ "domain": 1 }));
    Ok(())
}

/// A table without a header whose cells are card numbers: none of them is taken for a name.
#[test]
fn values_are_never_shown_as_names() -> Test {
    let case = Case::new()?;
    case.write("p.csv", "4111111111111111,card\n5555555555554444,card\n")?;
    for arguments in [
        ["--type", "pan", "--column", "1"],
        ["--type", "pan", "--column", "nope"],
    ] {
        for output in ["json", "table"] {
            let output =
                case.check(&[&arguments[..], &["-v", "--output", output, "p.csv"]].concat())?;
            let shown = String::from_utf8([output.stdout, output.stderr].concat())?;
            assert!(!shown.contains("4111"), "{shown}");
        }
    }
    let report = case.json(&["--type", "pan", "--column", "1", "p.csv"])?;
    assert_eq!(report["accepted"], json!({ "pan": 2 }));
    Ok(())
}
