//! The README's main job prints what the README says.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn main_job_prints_what_the_readme_shows() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let block = |fence| Some(readme.split_once(fence)?.1.split_once("```")?.0);
    let command = block("```sh\n").ok_or("no command")?.trim();
    let arguments = command
        .strip_prefix("cargo run --release -- ")
        .ok_or("another command")?;
    let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
        .args(arguments.split(' '))
        .current_dir(root)
        .output()?;
    assert_eq!(
        Some(String::from_utf8(output.stdout)?.as_str()),
        block("```text\n")
    );
    Ok(())
}
