#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

/// The example of the Go package `golang.org/x/mod/sumdb/note`, from which the format comes.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key(seed: u8, name: &str) -> (KeyName, SigningKey, NoteKey) {
    let name = KeyName::new(name).unwrap();
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = NoteKey::new(name.clone(), key.verifying_key());
    (name, key, public)
}

#[test]
fn a_note_of_another_implementation_verifies() {
    let key = NoteKey::parse(GO_KEY).unwrap();
    let note = Note::parse(GO_NOTE.as_bytes()).unwrap();
    assert_eq!(key.to_string(), GO_KEY);
    assert_eq!(note.to_string(), GO_NOTE);
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
}

#[test]
fn several_keys_sign_one_note() {
    let (a, a_key, a_public) = key(1, "a.example");
    let (b, b_key, b_public) = key(2, "b.example");
    let (_, _, c_public) = key(3, "c.example");
    let mut note = Note::new("log.example\n7\n\n").unwrap();
    assert_eq!(
        note.verify(std::slice::from_ref(&a_public)),
        Err(NoteError::Unsigned)
    );
    note.sign(&a, &a_key);
    note.sign(&b, &b_key);
    let note = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(note.text(), "log.example\n7\n\n");
    let keys = [c_public, b_public, a_public];
    assert_eq!(note.verify(&keys), Ok(keys.iter().skip(1).collect()));
    assert_eq!(note.verify(&keys[..1]), Err(NoteError::Unsigned));
}

#[test]
fn a_bad_signature_of_a_known_key_refuses_the_note() {
    let (a, a_key, a_public) = key(1, "a.example");
    let (b, b_key, b_public) = key(2, "b.example");
    let mut note = Note::new("text\n").unwrap();
    note.sign(&a, &a_key);
    let mut other = Note::new("other\n").unwrap();
    other.sign(&b, &b_key);
    note.signatures.extend(other.signatures.clone());
    let keys = [a_public.clone(), b_public];
    assert_eq!(note.verify(&keys), Err(NoteError::Signature));
    // To who does not know the second key, that line says nothing.
    assert_eq!(note.verify(&keys[..1]), Ok(vec![&a_public]));
    // One name, another key: told apart by the hash.
    let (_, _, impostor) = key(9, "a.example");
    assert_eq!(note.verify(&[impostor]), Err(NoteError::Unsigned));
    note.signatures.truncate(1);
    note.signatures[0].signature.pop();
    assert_eq!(note.verify(&keys), Err(NoteError::Signature));
}

/// A quorum counts keys: no operator gains a second voice by a second name for one key.
#[test]
fn one_key_under_two_names_counts_once() {
    let (a, a_key, a_public) = key(1, "a.example");
    let (alias, _, alias_public) = key(1, "alias.example");
    let (b, b_key, b_public) = key(2, "b.example");
    let mut note = Note::new("text\n").unwrap();
    note.sign(&alias, &a_key);
    let keys = [a_public, alias_public, b_public];
    // Under the alias alone it counts as well as under any name.
    assert_eq!(note.verify(&keys), Ok(vec![&keys[1]]));
    note.sign(&a, &a_key);
    assert_eq!(note.verify(&keys), Ok(vec![&keys[0]]));
    note.sign(&b, &b_key);
    assert_eq!(note.verify(&keys), Ok(vec![&keys[0], &keys[2]]));
    // Nor by being listed twice.
    let twice = [keys[2].clone(), keys[2].clone()];
    assert_eq!(note.verify(&twice), Ok(vec![&twice[0]]));
    // What does not hold under the alias still refuses the note.
    note.signatures[0].signature[0] ^= 1;
    assert_eq!(note.verify(&keys), Err(NoteError::Signature));
}

#[test]
fn every_bit_of_a_note_counts() {
    let key = NoteKey::parse(GO_KEY).unwrap();
    for index in 0..GO_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = GO_NOTE.as_bytes().to_vec();
            bytes[index] ^= 1 << bit;
            let verified = Note::parse(&bytes)
                .and_then(|note| note.verify(std::slice::from_ref(&key)).map(|_| ()));
            assert!(verified.is_err(), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn malformed_notes_are_refused() {
    let line = GO_NOTE.split('\n').nth(3).unwrap();
    let cases = [
        ("text\n", NoteError::SignatureLine),
        ("text\n\n", NoteError::SignatureLine),
        ("text\n\n\n", NoteError::SignatureLine),
        ("te\txt\n\n\u{2014} a AAAAAAA=\n", NoteError::Text),
        ("text\n\n- a AAAAAAA=\n", NoteError::SignatureLine),
        ("text\n\n\u{2014} a+b AAAAAAA=\n", NoteError::SignatureLine),
        ("text\n\n\u{2014} a AAAAAA==\n", NoteError::SignatureLine),
        ("text\n\n\u{2014} a AAAAAAA\n", NoteError::SignatureLine),
        ("text\n\n\u{2014} a AAAAAAA=", NoteError::SignatureLine),
        ("text\n\n\u{2014} a  AAAAAAA=\n", NoteError::SignatureLine),
    ];
    for (note, error) in cases {
        assert_eq!(Note::parse(note.as_bytes()), Err(error), "{note:?}");
    }
    assert_eq!(
        Note::parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n"),
        Err(NoteError::Text)
    );
    assert_eq!(
        Note::parse(&vec![b'a'; MAX_NOTE + 1]),
        Err(NoteError::TooLong)
    );
    let many = format!("text\n\n{}", format!("{line}\n").repeat(MAX_SIGNATURES + 1));
    assert_eq!(
        Note::parse(many.as_bytes()),
        Err(NoteError::TooManySignatures)
    );
    assert_eq!(Note::new("no newline"), Err(NoteError::Text));
    assert_eq!(Note::new(""), Err(NoteError::Text));
}

#[test]
fn malformed_keys_are_refused() {
    let wrong_type = GO_KEY.replace("+ARpc", "+AhpC");
    for text in [
        "",
        "a",
        "a+b",
        "a+00000000+AQ==",
        &wrong_type,
        &GO_KEY.replace("c74f", "c74e"),
    ] {
        assert_eq!(NoteKey::parse(text), Err(NoteError::Key), "{text}");
    }
    assert_eq!(NoteKey::parse(&format!(" {GO_KEY}")), Err(NoteError::Name));
    assert_eq!(NoteKey::parse(&format!("+{GO_KEY}")), Err(NoteError::Name));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
        assert_eq!(KeyName::new(name), Err(NoteError::Name));
    }
}
