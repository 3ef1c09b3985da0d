//! The manual and the completions: every command is in them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

type Test = Result<(), Box<dyn Error>>;

const BINARY: &str = env!("CARGO_BIN_EXE_blindmatch");

/// The standard output of a command that has to end well.
fn output(program: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program).args(arguments).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The commands below `path`, as its help lists them.
fn listed(path: &[&str]) -> Result<Vec<String>, Box<dyn Error>> {
    let help = output(BINARY, &[path, &["--help"]].concat())?;
    let Some((_, commands)) = help.split_once("\nCommands:\n") else {
        return Ok(Vec::new());
    };
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // Further lines of a description stand deeper.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !["", "help"].contains(name));
    Ok(names.map(str::to_owned).collect())
}

/// The commands that are no groups of others, e.g. `roster new`.
fn commands() -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        let words: Vec<_> = path.split_whitespace().collect();
        let below = listed(&words)?;
        if below.is_empty() || path == "collections" {
            found.push(path.clone());
        }
        open.extend(
            below
                .iter()
                .map(|name| format!("{path} {name}").trim().to_owned()),
        );
    }
    assert!(found.len() > 50, "{found:?}");
    Ok(found)
}

#[test]
fn every_command_has_a_help_with_an_example() -> Test {
    for command in commands()? {
        let words: Vec<_> = command.split(' ').collect();
        let help = output(BINARY, &[&words[..], &["--help"]].concat())?;
        let (_, examples) = help.split_once("\nExample").unwrap_or_default();
        let typed = format!("blindmatch {command}");
        let typed_of_a_home = examples.lines().any(|line| {
            let line = line.trim();
            line.starts_with("blindmatch --home ") && line.contains(&format!(" {command}"))
        });
        assert!(
            examples.contains(&typed) || typed_of_a_home,
            "{command}: {help}"
        );
    }
    Ok(())
}

#[test]
fn every_command_has_a_page_of_the_manual() -> Test {
    let folder = tempfile::tempdir()?;
    let pages = folder.path().join("share/man1");
    let named = pages.to_str().ok_or("a path")?;
    // What is there is written over.
    output(BINARY, &["man", named])?;
    output(BINARY, &["man", named])?;
    for command in commands()? {
        let page = format!("blindmatch-{}.1", command.replace(' ', "-"));
        let text = fs::read_to_string(pages.join(&page)).map_err(|_| page.clone())?;
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
        assert!(text.contains("Example"), "{page}");
    }
    let index = fs::read_to_string(pages.join("blindmatch.1"))?;
    assert!(index.contains("blindmatch\\-roster(1)"), "{index}");

    let file = folder.path().join("file");
    fs::write(&file, "")?;
    let inside = file.join("man1");
    let failed = Command::new(BINARY).arg("man").arg(inside).output()?;
    let stderr = String::from_utf8(failed.stderr)?;
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr.contains("hint: name a folder"), "{stderr}");
    Ok(())
}

#[test]
fn the_readme_names_every_command() -> Test {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme)?;
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| "));
    let named: BTreeSet<_> = rows
        .filter_map(|row| row.split_once(" | "))
        .flat_map(|(commands, _)| commands.split('`').skip(1).step_by(2))
        .filter_map(|command| command.split(' ').next())
        .collect();
    for command in listed(&[])? {
        assert!(named.contains(command.as_str()), "{command}");
    }
    Ok(())
}

#[test]
fn shells_complete_every_command() -> Test {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = output(BINARY, &["completions", shell])?;
        for command in commands()? {
            let last = command.rsplit(' ').next().unwrap_or_default();
            assert!(script.contains(last), "{shell}: {command}");
        }
    }
    // As the shell itself asks.
    let asks = "source /dev/stdin; COMP_WORDS=(blindmatch roster \"\"); COMP_CWORD=2; \
                _blindmatch blindmatch \"\" roster; echo \"${COMPREPLY[*]}\"";
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script");
    fs::write(&script, output(BINARY, &["completions", "bash"])?)?;
    let script = script.to_str().ok_or("a path")?;
    let offered = output("bash", &["-c", &asks.replace("/dev/stdin", script)])?;
    let offered: BTreeSet<_> = offered.split_whitespace().collect();
    for command in listed(&["roster"])? {
        assert!(offered.contains(command.as_str()), "{command}: {offered:?}");
    }
    Ok(())
}
