//! The table of `spec/70-matches.md` §2 is the code's.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_matches::{Kind, State, Stays};

const SPEC: &str = include_str!("../../../spec/70-matches.md");

/// The cells of the table whose first heading is `first`.
fn table(first: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("| {first} |");
    let lines = SPEC.lines().skip_while(|line| !line.starts_with(&heading));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.map(cells).collect()
}

#[test]
fn table_of_transitions_is_the_codes() {
    let table = table("state");
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(table[0][1..], kinds);
    let rows = &table[2..];
    assert_eq!(rows.len(), State::ALL.len());
    for (row, state) in rows.iter().zip(State::ALL) {
        assert_eq!(row[0], state.name());
        for (cell, kind) in row[1..].iter().zip(Kind::ALL) {
            let after = State::named(cell).unwrap();
            assert_eq!(state.after(kind), after, "{state} {}", kind.name());
        }
    }
}

#[test]
fn table_of_what_stays_is_the_codes() {
    let table = table("reason");
    let words: Vec<_> = table[2..]
        .iter()
        .map(|row| row[0].trim_matches('`'))
        .collect();
    let known: Vec<_> = Stays::ALL.iter().map(|stays| stays.name()).collect();
    assert_eq!(words, known);
}
