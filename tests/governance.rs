//! What `GOVERNANCE.md` says is tested is tested: every test that it names is there.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

/// Everything in the Rust files under a folder.
fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut code = String::new();
    read_all(&root.join("crates"), &mut code);
    let table = fs::read_to_string(root.join("GOVERNANCE.md")).unwrap();
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| R"))
        .collect();
    assert_eq!(rows.len(), 24);
    let mut named = 0;
    for row in rows {
        // Between the edge, the number, what is asked for, and what holds it.
        let tests = row.split('|').nth(4).unwrap();
        let gap = row.split('|').nth(5).unwrap();
        assert!(
            tests.contains('`') || !gap.trim().is_empty(),
            "neither a test nor a gap: {row}"
        );
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "{name}: {row}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}
