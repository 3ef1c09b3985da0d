//! The code in `src/generated` is what `proto/` gives.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

#[path = "../examples/generate/compile.rs"]
mod compile;

#[test]
fn the_committed_code_is_current() {
    let out = tempfile::tempdir().unwrap();
    compile::compile(out.path());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    for (package, _) in compile::PACKAGES {
        let file = format!("{package}.rs");
        assert!(
            fs::read(out.path().join(&file)).unwrap() == fs::read(committed.join(&file)).unwrap(),
            "{file} is not current: cargo run -p blindmatch-wire --example generate",
        );
    }
    assert_eq!(
        fs::read_dir(committed).unwrap().count(),
        compile::PACKAGES.len()
    );
}
