#![no_main]
//! Signed notes and the text form of keys: what parses, displays; what is displayed, parses to
//! the same; nothing that was not signed verifies.

use std::sync::LazyLock;

use blindmatch_audit::SigningKey;
use blindmatch_audit::note::{KeyName, Note, NoteKey};
use blindmatch_fuzz::edit::Edit;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Note(Vec<u8>),
    Key(String),
    /// Changes to a signed note.
    Signed(Vec<Edit>),
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static NAME: LazyLock<KeyName> = LazyLock::new(|| KeyName::new("example/log").expect("a name"));
static SIGNED: LazyLock<Note> = LazyLock::new(|| {
    let mut note = Note::new("example/log\n7\n\nroot\n").expect("a text");
    note.sign(&NAME, &KEY);
    note
});

fuzz_target!(|input: Input| match input {
    Input::Note(bytes) => {
        let _ = parse(&bytes);
    }
    Input::Key(text) => {
        if let Ok(key) = NoteKey::parse(&text) {
            assert_eq!(key.to_string(), text);
        }
    }
    Input::Signed(edits) => {
        let mut bytes = SIGNED.to_string().into_bytes();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        let keys = [NoteKey::new(NAME.clone(), KEY.verifying_key())];
        if let Some(note) = parse(&bytes)
            && note.verify(&keys).is_ok()
        {
            assert_eq!(note.text(), SIGNED.text());
        }
    }
});

fn parse(bytes: &[u8]) -> Option<Note> {
    let note = Note::parse(bytes).ok()?;
    assert_eq!(note.to_string().as_bytes(), bytes);
    Some(note)
}
