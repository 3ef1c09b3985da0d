//! What the README shows is so: its main job prints what stands there, and each command of a node
//! works in the order in which it stands there.

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

#[test]
fn the_commands_of_a_node_work_in_their_order() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    let (_, section) = readme.split_once("## A node").ok_or("no section")?;
    let (section, _) = section.split_once("\n## ").ok_or("no end")?;
    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink(root.join("examples"), folder.path().join("examples"))?;
    let binary = Path::new(env!("CARGO_BIN_EXE_blindmatch"));
    let path = std::env::join_paths(
        [binary.parent().ok_or("no folder")?.into()]
            .into_iter()
            .chain(std::env::split_paths(
                &std::env::var_os("PATH").unwrap_or_default(),
            )),
    )?;
    let mut words = String::new();
    let mut count = 0;
    for block in section.split("```sh\n").skip(1) {
        let (commands, _) = block.split_once("```").ok_or("no end of a block")?;
        for command in commands.lines() {
            let command = command.replace("WORDS", &words);
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(folder.path())
                .env("PATH", &path)
                .env("HOME", folder.path())
                .env_remove("BLINDMATCH_HOME")
                .output()?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command}: {stderr}");
            let stdout = String::from_utf8(output.stdout)?;
            let mut lines = stdout.lines();
            if let Some(found) = lines.find_map(|line| line.strip_prefix("fingerprint ")) {
                words = found.trim().to_owned();
            }
            count += 1;
        }
    }
    assert!(count > 15, "{count} commands were found");
    Ok(())
}
