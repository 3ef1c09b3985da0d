//! Every command that a hint, a report or a help text names is one that can be typed.

use std::fs;
use std::path::{Path, PathBuf};

use blindmatch_node::audit::SigningKey;
use blindmatch_node::audit::checkpoint::{ledger_name, witness_name};
use blindmatch_node::audit::cosignature::WitnessKey;
use blindmatch_node::audit::note::NoteKey;
use clap::CommandFactory;

use super::*;

const COMMAND: &str = "blindmatch ";

/// The sources whose texts reach a terminal.
fn sources() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                below(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["cli", "node", "store", "membership", "policy", "audit"] {
        below(&crates.join(name).join("src"), &mut found);
    }
    found
}

/// The string literals of a source, but for those of its tests.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in joined(source).lines() {
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once('"') {
            let mut text = String::new();
            let mut chars = behind.char_indices();
            let mut end = behind.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => match chars.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, c)) => text.push(c),
                        None => {}
                    },
                    c => text.push(c),
                }
            }
            found.push(text);
            rest = behind.get(end..).unwrap_or_default();
        }
    }
    found
}

/// A source without its comments and with each literal on one line.
fn joined(source: &str) -> String {
    let source = source.replace("'\"'", "' '");
    let lines = source.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.starts_with("//"));
    let mut joined = String::new();
    let mut inside = false;
    for line in lines {
        let quotes = line.replace("\\\\", "").replace("\\\"", "");
        inside ^= quotes.matches('"').count() % 2 == 1;
        match line.strip_suffix('\\') {
            Some(line) if inside => joined.push_str(line),
            _ => {
                joined.push_str(line);
                joined.push_str(if inside { "\\n" } else { "\n" });
            }
        }
    }
    joined
}

/// The commands in a text: in backticks, at the beginning of one of its lines, or behind a colon.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        for (at, _) in line.match_indices(COMMAND) {
            let (before, command) = line.split_at(at);
            let end = if before.ends_with('`') {
                command.find('`')
            } else if before.is_empty() || before.ends_with(": ") {
                command.find([',', ';', '('])
            } else {
                continue;
            };
            let command = command.get(..end.unwrap_or(command.len()));
            let command = command.unwrap_or_default().trim();
            // The names of forms that are hashed, signed or written are no commands.
            let is_form = [" v1", " v2"].iter().any(|version| command.ends_with(version))
                || command.starts_with("blindmatch home")
                // Words that come from elsewhere.
                || ["blindmatch {command}", "blindmatch --home {}"].contains(&command);
            if !is_form && command.starts_with(COMMAND) {
                found.push(command.to_owned());
            }
        }
    }
    found
}

/// The words of a command as somebody types them, with values in the place of placeholders.
fn typed(command: &str) -> Vec<String> {
    let command = command.split(" > ").next().unwrap_or_default();
    let command = command.split(" | ").next().unwrap_or_default();
    let command = command.split(" && ").next().unwrap_or_default();
    // What stands behind it in a list of examples.
    let command = command.split("   ").next().unwrap_or_default();
    let words = command.split_whitespace();
    let words = words.map(|word| word.trim_matches('\'').trim_end_matches('.'));
    let is_placeholder = |word: &str| {
        let plain = |c: char| c.is_ascii_uppercase() || c == '-' || c == '_';
        word.contains('{') || (!word.starts_with('-') && word.chars().all(plain))
    };
    let mut before = "";
    let verifies = command.contains("ledger verify");
    let words = words.map(|word| match (std::mem::replace(&mut before, word), word) {
        ("--key", _) if verifies => ledger_key(),
        ("--witness", _) => witness_key(),
        (_, "NUMBER" | "{number}") => "1".to_owned(),
        (_, "KIND") => "abuse".to_owned(),
        ("--type", word) if is_placeholder(word) => "email".to_owned(),
        (_, "ROLE") => "provider".to_owned(),
        (_, "{id}") => "0123456789012345".to_owned(),
        (_, "HOST:PORT") => "acme.example:7443".to_owned(),
        (_, word) if is_placeholder(word) => "word".to_owned(),
        (_, word) => word.to_owned(),
    });
    words.collect()
}

fn ledger_key() -> String {
    let name = ledger_name("cloudshield", "acme").unwrap();
    NoteKey::new(name, SigningKey::from_bytes(&[1; 32]).verifying_key()).to_string()
}

fn witness_key() -> String {
    let name = witness_name("cloudshield", "acme").unwrap();
    WitnessKey::new(name, SigningKey::from_bytes(&[1; 32]).verifying_key()).to_string()
}

#[test]
fn what_a_text_names_can_be_typed() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in sources() {
        let source = fs::read_to_string(&file).unwrap();
        for text in literals(&source) {
            for command in commands(&text) {
                let words = typed(&command);
                seen += 1;
                match Arguments::try_parse_from(&words) {
                    Ok(_) => {}
                    Err(error)
                        if matches!(
                            error.kind(),
                            clap::error::ErrorKind::DisplayHelp
                                | clap::error::ErrorKind::DisplayVersion
                        ) => {}
                    Err(error) => wrong.push(format!("{}: {command}: {error}", file.display())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // As many as there were: the search finds them.
    assert!(seen > 120, "{seen}");
}

#[test]
fn a_command_that_there_is_not_is_found() {
    for (text, wrong) in [
        ("see it: blindmatch doctor", 0),
        ("see it: blindmatch docter", 1),
        ("`blindmatch ledger export --everything FILE`", 1),
        ("blindmatch ledger proof FILE", 1),
        ("of blindmatch that the consortium uses", 0),
        (
            "blindmatch roster trust WORDS, then: blindmatch roster instal FILE",
            1,
        ),
    ] {
        let fails = |command: &String| Arguments::try_parse_from(typed(command)).is_err();
        assert_eq!(
            commands(text).iter().filter(|c| fails(c)).count(),
            wrong,
            "{text}"
        );
    }
    Arguments::command().debug_assert();
}
