//! Streams that nobody reads, or that take nothing: a command does what it does, and ends with a code.

use std::error::Error;
use std::fs::{self, File};
use std::io::pipe;
use std::process::Stdio;

use crate::place::{Place, Test};
use crate::roster::Consortium;

/// A stream whose reader is gone.
fn broken() -> Result<Stdio, Box<dyn Error>> {
    let (reader, writer) = pipe()?;
    drop(reader);
    Ok(writer.into())
}

/// A stream to a device that is full.
fn full() -> Result<Stdio, Box<dyn Error>> {
    Ok(File::options().write(true).open("/dev/full")?.into())
}

/// Lines that say something on stderr each in a way of its own, and how they end.
const LINES: [(&str, i32); 11] = [
    // A result, and what to do next.
    ("roster keygen --name zoe zoe.key", 0),
    ("--home bank keys payment new --replace", 0),
    ("--home bank card", 0),
    ("--home bank ledger verify", 0),
    ("roster new --after 1.roster 2.roster", 0),
    ("roster add --replace 2.roster acme.card", 0),
    ("-v indicators check feed", 0),
    // An error with hints, a question, wrong usage.
    ("--home bank roster install 2.roster", 1),
    ("--home bank keys export storage", 1),
    ("--home bank roster", 2),
    ("--home bank roster trust one two", 2),
];

fn consortium() -> Result<Consortium, Box<dyn Error>> {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("feed", "a@example.com\nnonsense nonsense\n")?;
    Ok(consortium)
}

/// Runs every line with these streams; `ended` maps the code that it ends with else.
fn run(
    place: &Place,
    stdout: fn() -> Result<Stdio, Box<dyn Error>>,
    stderr: fn() -> Result<Stdio, Box<dyn Error>>,
    ended: fn(i32) -> i32,
) -> Test {
    for (line, code) in LINES {
        for file in ["zoe.key", "2.roster"] {
            if line.ends_with(file) && code == 0 {
                let _ = fs::remove_file(place.path(file));
            }
        }
        let mut command = place.command(line.split_whitespace());
        command.stdin(Stdio::null()).stdout(stdout()?);
        let status = command.stderr(stderr()?).status()?;
        assert_eq!(status.code(), Some(ended(code)), "{line}");
    }
    Ok(())
}

#[test]
fn nobody_reads_stderr() -> Test {
    let consortium = consortium()?;
    for stderr in [broken, full] {
        run(&consortium.place, || Ok(Stdio::null()), stderr, |code| code)?;
    }
    Ok(())
}

#[test]
fn nobody_reads_stdout() -> Test {
    let consortium = consortium()?;
    let null = || Ok(Stdio::null());
    run(&consortium.place, broken, null, |code| code)?;
    run(&consortium.place, broken, broken, |code| code)?;
    // A result that cannot be written is an error.
    run(&consortium.place, full, null, |code| code.max(1))
}
