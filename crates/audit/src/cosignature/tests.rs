#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::{
    checkpoint::{Origin, ledger_name, witness_name},
    note::Note,
};

const NOW: u64 = 1_800_000_000;

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: Origin::first(ledger_name("c", "alpha").unwrap()),
        size,
        root: [7; 32],
    }
}

fn signed(size: u64) -> SignedCheckpoint {
    checkpoint(size).sign(&SigningKey::from_bytes(&[1; 32]))
}

/// The witness `member` with the key from this seed.
fn witness(member: &str, seed: u8) -> (KeyName, SigningKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    (witness_name("c", member).unwrap(), key)
}

fn public((name, key): &(KeyName, SigningKey)) -> WitnessKey {
    WitnessKey::new(name.clone(), key.verifying_key())
}

fn line((name, key): &(KeyName, SigningKey), size: u64, time: u64) -> SignatureLine {
    cosign(&checkpoint(size), name, key, time).unwrap()
}

fn times(cosigners: &[Cosigner<'_>]) -> Vec<(String, u64)> {
    let pair = |c: &Cosigner<'_>| (c.name.as_str().to_owned(), c.time);
    cosigners.iter().map(pair).collect()
}

#[test]
fn what_is_signed_is_header_time_and_text() {
    let beta = witness("beta", 2);
    let line = line(&beta, 3, NOW);
    assert_eq!(line.signature[..8], NOW.to_be_bytes());
    let message = format!("cosignature/v1\ntime {NOW}\n{}", checkpoint(3));
    let signature = Signature::from_slice(&line.signature[8..]).unwrap();
    let key = beta.1.verifying_key();
    key.verify_strict(message.as_bytes(), &signature).unwrap();
    assert_eq!(SignatureLine::parse(&line.to_string()), Ok(line));
    for time in [0, 1 << 63, u64::MAX] {
        assert_eq!(cosign(&checkpoint(3), &beta.0, &beta.1, time), None);
    }
}

#[test]
fn keys_have_one_text() {
    let key = public(&witness("beta", 2));
    let text = key.to_string();
    assert!(text.starts_with("blindmatch/c/beta/witness+"));
    assert_eq!(WitnessKey::parse(&text), Ok(key));
    let log = crate::note::NoteKey::new(witness("beta", 2).0, witness("beta", 2).1.verifying_key());
    for other in [
        String::new(),
        "beta".to_owned(),
        "beta+00000000".to_owned(),
        log.to_string(),
        text.replace("witness", "witnesT"),
        text.to_uppercase(),
        format!("{text}\n"),
    ] {
        assert_eq!(WitnessKey::parse(&other), Err(NoteError::Key), "{other}");
    }
    assert_eq!(WitnessKey::parse(&format!("+{text}")), Err(NoteError::Name));
}

#[test]
fn each_witness_counts_once() {
    let (beta, gamma, delta) = (witness("beta", 2), witness("gamma", 3), witness("delta", 4));
    let renewed = witness("beta", 5);
    let keys = vec![
        public(&beta),
        public(&renewed),
        public(&gamma),
        public(&delta),
    ];
    let quorum = Quorum::majority(keys).unwrap();
    assert_eq!((quorum.needed(), quorum.witnesses().len()), (2, 3));
    let mut signed = signed(3);
    let too_few = |have| Err(QuorumError::TooFew { have, need: 2 });
    assert_eq!(quorum.verify(&signed), too_few(0));
    // Twice, and with both keys, it is still one witness; its newest time is told.
    for line in [
        line(&beta, 3, NOW + 5),
        line(&beta, 3, NOW),
        line(&renewed, 3, NOW + 1),
    ] {
        signed.add(&line).unwrap();
        assert_eq!(quorum.verify(&signed), too_few(1));
    }
    // One that nobody asked for says nothing.
    signed.add(&line(&witness("mallory", 9), 3, NOW)).unwrap();
    assert_eq!(quorum.verify(&signed), too_few(1));
    signed.add(&line(&delta, 3, NOW)).unwrap();
    let signed = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
    assert_eq!(
        times(&quorum.verify(&signed).unwrap()),
        [
            ("blindmatch/c/beta/witness".to_owned(), NOW + 5),
            ("blindmatch/c/delta/witness".to_owned(), NOW)
        ]
    );
}

#[test]
fn a_cosignature_that_does_not_hold_refuses_the_rest() {
    let (beta, gamma) = (witness("beta", 2), witness("gamma", 3));
    let quorum = Quorum::new(vec![public(&beta), public(&gamma)], 1).unwrap();
    let refused = |bad: &SignatureLine| {
        let mut signed = signed(3);
        signed.add(&line(&gamma, 3, NOW)).unwrap();
        assert_eq!(
            quorum.verify(&signed).map(|cosigners| cosigners.len()),
            Ok(1)
        );
        signed.add(bad).unwrap();
        assert_eq!(quorum.verify(&signed), Err(QuorumError::Cosignature));
    };
    // Of another checkpoint.
    refused(&line(&beta, 4, NOW));
    // At another time, or at one that does not exist.
    for time in [NOW + 1, 0, u64::MAX] {
        let mut moved = line(&beta, 3, NOW);
        moved.signature.splice(..8, time.to_be_bytes());
        refused(&moved);
    }
    // Signed over a time that no cosignature may name.
    for time in [0, 1 << 63] {
        let mut beyond = line(&beta, 3, NOW);
        let signature = beta.1.sign(signed_message(&checkpoint(3), time).as_bytes());
        beyond.signature = [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat();
        refused(&beyond);
    }
    for length in [1, 8, 71] {
        let mut short = line(&beta, 3, NOW);
        short.signature.truncate(length);
        refused(&short);
    }
}

#[test]
fn an_ordinary_signature_is_no_cosignature() {
    let beta = witness("beta", 2);
    let quorum = Quorum::new(vec![public(&beta)], 1).unwrap();
    let mut note = Note::new(&checkpoint(3).to_string()).unwrap();
    note.sign(&beta.0, &beta.1);
    let signed = SignedCheckpoint::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(
        quorum.verify(&signed),
        Err(QuorumError::TooFew { have: 0, need: 1 })
    );
}

#[test]
fn quorums_that_cannot_be() {
    let keys: Vec<WitnessKey> = (2..7)
        .map(|seed| public(&witness(&format!("m{seed}"), seed)))
        .collect();
    let needed: Vec<usize> = (0..=5)
        .map(|count| Quorum::majority(keys[..count].to_vec()).unwrap().needed())
        .collect();
    assert_eq!(needed, [0, 1, 2, 2, 3, 3]);
    assert!(Quorum::new(keys.clone(), 5).is_ok());
    assert_eq!(Quorum::new(keys.clone(), 6), Err(QuorumError::Unreachable));
    // One key of a witness listed twice is one key; one key of two witnesses is a second voice.
    let twice = vec![keys[0].clone(), keys[0].clone()];
    assert_eq!(Quorum::new(twice, 2), Err(QuorumError::Unreachable));
    let shared = vec![public(&witness("m1", 2)), public(&witness("m2", 2))];
    assert_eq!(Quorum::majority(shared), Err(QuorumError::SharedKey));
    // Nobody is asked for: a consortium of one.
    assert_eq!(
        Quorum::new(Vec::new(), 0).unwrap().verify(&signed(3)),
        Ok(Vec::new())
    );
}
