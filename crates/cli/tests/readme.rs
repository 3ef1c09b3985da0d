//! What the README shows is so: its main job prints what stands there, and each command of a node
//! works in the order in which it stands there.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_main_job_ends_well() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let (arguments, _) = example(&readme)?;
    assert_eq!(arguments, "demo");
    let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
        .args(arguments.split(' '))
        .current_dir(root)
        .output()?;
    let stdout = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{stdout}");
    // All but the number of records, which is another each time.
    let steps = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let steps: Vec<_> = steps.filter(|line| line.contains("  ok  ")).collect();
    assert_eq!(steps.len(), 5);
    for step in steps {
        let said = step.split("all records").next().unwrap_or(step);
        assert!(stdout.contains(said), "{said} is not in\n{stdout}");
    }
    Ok(())
}

#[test]
fn a_feed_is_read_as_the_readme_shows() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let (_, section) = readme.split_once("## Read a feed").ok_or("no section")?;
    let (arguments, behind) = example(section)?;
    let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
        .args(arguments.split(' '))
        .current_dir(root)
        .output()?;
    let (_, shown) = behind.split_once("```text\n").ok_or("no output")?;
    let (shown, _) = shown.split_once("```").ok_or("no end")?;
    assert_eq!(String::from_utf8(output.stdout)?, shown);
    Ok(())
}

/// The arguments of the first command of a text, and what stands behind it.
fn example(text: &str) -> Result<(&str, &str), Box<dyn Error>> {
    let (_, command) = text.split_once("```sh\n").ok_or("no command")?;
    let (command, behind) = command.split_once("```").ok_or("no end")?;
    let arguments = command.trim().strip_prefix("cargo run --release -- ");
    Ok((arguments.ok_or("another command")?, behind))
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
