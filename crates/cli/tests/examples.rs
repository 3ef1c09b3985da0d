//! What `examples/` shows of running a node: units for systemd.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::civil::Date;

type Test = Result<(), Box<dyn Error>>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/systemd")
}

/// The units of this kind, by name.
fn units(kind: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut units = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == kind) {
            units.push(path);
        }
    }
    units.sort();
    assert!(!units.is_empty(), "{kind}");
    Ok(units)
}

/// The values of a setting of a unit.
fn settings<'t>(unit: &'t str, name: &str) -> Vec<&'t str> {
    let settings = unit.lines().filter_map(|line| line.split_once('='));
    let settings = settings.filter(|(found, _)| *found == name);
    settings.map(|(_, value)| value).collect()
}

/// `systemd-analyze`, where it is.
fn analyze() -> Option<Command> {
    let command = || Command::new("systemd-analyze");
    if command().arg("--version").output().is_err() {
        println!("skipped: there is no systemd-analyze here");
        return None;
    }
    Some(command())
}

#[test]
fn services_are_hardened() -> Test {
    for unit in units("service")? {
        let Some(mut analyze) = analyze() else {
            return Ok(());
        };
        // In tenths: an exposure of 2.5 of 10.
        let output = analyze
            .args(["security", "--offline=true", "--no-pager", "--threshold=25"])
            .arg(&unit)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        assert!(output.status.success(), "{}: {last}", unit.display());
        assert!(last.contains("Overall exposure level"), "{said}");
    }
    Ok(())
}

#[test]
fn services_run_commands_that_there_are() -> Test {
    let mut commands = 0;
    for unit in units("service")? {
        let text = fs::read_to_string(&unit)?;
        for command in settings(&text, "ExecStart") {
            let words = command.strip_prefix("/usr/local/bin/blindmatch ");
            let words = words.ok_or_else(|| command.to_owned())?;
            let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
                .args(words.split(' '))
                .arg("--help")
                .output()?;
            assert!(output.status.success(), "{command}");
            commands += 1;
        }
    }
    assert_eq!(commands, 2);
    Ok(())
}

#[test]
fn the_timer_begins_a_batch_every_night() -> Test {
    for unit in units("timer")? {
        assert!(unit.with_extension("service").exists());
        let text = fs::read_to_string(&unit)?;
        assert_eq!(settings(&text, "Persistent"), ["yes"]);
        let Some(mut analyze) = analyze() else {
            return Ok(());
        };
        let [when] = settings(&text, "OnCalendar")[..] else {
            return Err("it begins at one time".into());
        };
        let output = analyze
            .args(["calendar", "--iterations=3", when])
            .output()?;
        let said = String::from_utf8(output.stdout)?;
        let times = said.lines().filter(|line| {
            let line = line.trim_start();
            line.starts_with("Next elapse") || line.starts_with("Iter. #")
        });
        let days = times.filter_map(|line| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.parse::<Date>().ok())
        });
        let days: Vec<_> = days.collect();
        assert_eq!(days.len(), 3, "{said}");
        let mut nights = days.iter().zip(days.iter().skip(1));
        assert!(
            nights.all(|(one, next)| one.tomorrow().ok() == Some(*next)),
            "{said}"
        );
    }
    Ok(())
}
