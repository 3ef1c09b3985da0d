#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ed25519_dalek::SigningKey;

use super::*;
use crate::{
    checkpoint::{Origin, ledger_name, witness_name},
    cosignature::{WitnessKey, cosign},
    note::NoteError,
    record::Event,
};

fn records(count: u64) -> Vec<Record> {
    let record = |time: u64| Record {
        time,
        nonce: [u8::try_from(time).unwrap(); 32],
        event: Event::Filler,
    };
    (0..count).map(record).collect()
}

fn keys() -> (SigningKey, NoteKey) {
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = NoteKey::new(ledger_name("c", "alpha").unwrap(), key.verifying_key());
    (key, public)
}

fn quorum() -> Quorum {
    let name = witness_name("c", "beta").unwrap();
    let key = SigningKey::from_bytes(&[2; 32]).verifying_key();
    Quorum::new(vec![WitnessKey::new(name, key)], 1).unwrap()
}

fn proof(index: u64, size: u64) -> RecordProof {
    let records = records(size);
    let leaves: Vec<Hash> = records.iter().map(Record::leaf_hash).collect();
    let checkpoint = Checkpoint {
        origin: Origin::first(ledger_name("c", "alpha").unwrap()),
        size,
        root: tree::root(&leaves),
    };
    let mut signed = checkpoint.clone().sign(&keys().0);
    let name = witness_name("c", "beta").unwrap();
    let witness = SigningKey::from_bytes(&[2; 32]);
    signed
        .add(&cosign(&checkpoint, &name, &witness, 1_800_000_000).unwrap())
        .unwrap();
    RecordProof {
        record: records[usize::try_from(index).unwrap()].encode(),
        index,
        path: tree::inclusion_proof(&leaves, index).unwrap(),
        checkpoint: signed,
    }
}

#[test]
fn every_record_of_small_ledgers_is_proven_by_its_text() {
    for size in 1..=20 {
        for index in 0..size {
            let proof = proof(index, size);
            let text = proof.to_string();
            let read = RecordProof::parse(text.as_bytes()).unwrap();
            assert_eq!((&read, read.to_string()), (&proof, text));
            let proven = read.verify(&[keys().1], &quorum()).unwrap();
            assert_eq!((proven.index, proven.record.time), (index, index));
            assert_eq!(proven.checkpoint.size, size);
        }
    }
}

#[test]
fn what_does_not_hold_is_named() {
    let holds = |proof: &RecordProof| proof.verify(&[keys().1], &quorum()).map(|_| ());
    let good = proof(4, 11);
    assert_eq!(holds(&good), Ok(()));
    let mut other = good.clone();
    other.index = 5;
    assert_eq!(holds(&other), Err(RecordProofError::Path(ProofError::Root)));
    other.index = 11;
    assert_eq!(
        holds(&other),
        Err(RecordProofError::Path(ProofError::OutsideTree))
    );
    let mut other = good.clone();
    other.path.pop();
    assert_eq!(
        holds(&other),
        Err(RecordProofError::Path(ProofError::Length))
    );
    let mut other = good.clone();
    other.record = records(6)[5].encode();
    assert_eq!(holds(&other), Err(RecordProofError::Path(ProofError::Root)));
    let mut other = good.clone();
    other.checkpoint = good.checkpoint.unverified().clone().sign(&keys().0);
    assert_eq!(
        holds(&other),
        Err(RecordProofError::Quorum(QuorumError::TooFew {
            have: 0,
            need: 1
        }))
    );
    let stranger = SigningKey::from_bytes(&[3; 32]);
    other.checkpoint = good.checkpoint.unverified().clone().sign(&stranger);
    assert_eq!(
        holds(&other),
        Err(RecordProofError::Checkpoint(CheckpointError::Note(
            NoteError::Unsigned
        )))
    );
    // A log may hold what is no record of ours: it stands there, but says nothing.
    let leaves = [tree::leaf_hash(b"something else")];
    let mut checkpoint = good.checkpoint.unverified().clone();
    (checkpoint.size, checkpoint.root) = (1, tree::root(&leaves));
    let foreign = RecordProof {
        record: b"something else".to_vec(),
        index: 0,
        path: Vec::new(),
        checkpoint: checkpoint.sign(&keys().0),
    };
    let nobody = Quorum::new(Vec::new(), 0).unwrap();
    assert_eq!(
        foreign.verify(&[keys().1], &nobody),
        Err(RecordProofError::Record(DecodeError::Context))
    );
}

#[test]
fn malformed_texts_are_refused() {
    let text = proof(4, 11).to_string();
    let hash = text.lines().nth(3).unwrap();
    let note = text.split_once("\n\n").unwrap().1;
    let endless = format!(
        "{HEADER}\nextra AAAA\nindex 0\n{}\n{note}",
        format!("{hash}\n").repeat(65)
    );
    let huge = format!(
        "{HEADER}\nextra {}\nindex 0\n\n{note}",
        "AAAA".repeat(MAX_RECORD / 3 + 1)
    );
    for text in [
        String::new(),
        "\n\n".to_owned(),
        text.replacen("@v1", "@v2", 1),
        text.replacen("extra ", "", 1),
        text.replacen("extra ", "extra  ", 1),
        text.replacen("index 4", "index 04", 1),
        text.replacen("index 4", "index +4", 1),
        text.replacen("index 4\n", "", 1),
        text.replacen(hash, &hash.to_uppercase(), 1)
            .replacen("==", "=", 1),
        text.replacen(hash, "AAAA", 1),
        text.replacen('\n', "\r\n", 1),
        text.replacen("index 4\n", "index 4\n\n", 1),
        endless,
        huge,
    ] {
        assert!(RecordProof::parse(text.as_bytes()).is_err(), "{text}");
    }
    let long = "a".repeat(MAX_NOTE + 1);
    assert_eq!(
        RecordProof::parse(long.as_bytes()),
        Err(RecordProofError::Text)
    );
    assert_eq!(RecordProof::parse(b"\xff"), Err(RecordProofError::Text));
}

#[test]
fn the_record_is_not_shown() {
    let shown = format!("{:?}", proof(4, 11));
    assert!(!shown.contains("4, 4, 4"), "{shown}");
    assert!(shown.contains("index: 4"));
}
