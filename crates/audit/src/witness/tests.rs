#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ed25519_dalek::SigningKey;

use super::*;
use crate::{
    checkpoint::ledger_origin,
    tree::{self, leaf_hash},
};

fn leaves(fork: u8) -> Vec<Hash> {
    (0..14_u8)
        .map(|i| leaf_hash(&[u8::from(i >= fork), i]))
        .collect()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn logs() -> Vec<NoteKey> {
    let origin = || ledger_origin("c", "alpha").unwrap();
    vec![
        NoteKey::new(ledger_origin("c", "beta").unwrap(), key(9).verifying_key()),
        NoteKey::new(origin(), key(1).verifying_key()),
        NoteKey::new(origin(), key(2).verifying_key()),
    ]
}

fn head(leaves: &[Hash], size: u64) -> Checkpoint {
    Checkpoint {
        origin: ledger_origin("c", "alpha").unwrap(),
        size,
        root: tree::root(&leaves[..usize::try_from(size).unwrap()]),
    }
}

fn request(leaves: &[Hash], old: u64, size: u64) -> Request {
    let first = &leaves[..usize::try_from(size).unwrap()];
    Request {
        old,
        proof: tree::consistency_proof(first, old).unwrap_or_default(),
        checkpoint: head(leaves, size).sign(&key(1)),
    }
}

/// Every last size, old size and new size of an honest ledger and of one that forks.
#[test]
fn decisions_are_those_of_the_specification() {
    let honest = leaves(14);
    for fork in [0, 5, 8, 13, 14] {
        let ledger = leaves(fork);
        for last_size in 0..=14 {
            let last = (last_size > 0).then(|| head(&honest, last_size));
            for old in 0..=14 {
                for size in 0..=14 {
                    let request = request(&ledger, old, size);
                    let expected = if old > size {
                        Err(400)
                    } else if old != last_size {
                        Err(409)
                    } else if last_size > fork.into() {
                        Err(422)
                    } else {
                        Ok(head(&ledger, size))
                    };
                    let decided = decide(last.as_ref(), &logs(), &request);
                    if let Err(Refusal::Conflict(size)) = decided {
                        assert_eq!(size, last_size);
                    }
                    assert_eq!(decided.map_err(Refusal::status), expected);
                }
            }
        }
    }
}

#[test]
fn who_signed_comes_first() {
    let ledger = leaves(14);
    let status = |request: &Request| decide(None, &logs(), request).map_err(Refusal::status);
    let mut wrong = request(&ledger, 9, 5);
    wrong.checkpoint = head(&ledger, 5).sign(&key(3));
    assert_eq!(status(&wrong), Err(403));
    let mut unknown = head(&ledger, 5);
    unknown.origin = ledger_origin("c", "mallory").unwrap();
    wrong.checkpoint = unknown.sign(&key(1));
    assert_eq!(status(&wrong), Err(404));
    // Another ledger's key does not sign for this one, even under its name.
    wrong.checkpoint = head(&ledger, 5).sign(&key(9));
    assert_eq!(status(&wrong), Err(403));
    // Either key of the ledger will do, and both; one that does not hold will not.
    let mut both = request(&ledger, 0, 5);
    both.checkpoint = head(&ledger, 5).sign(&key(2));
    assert!(status(&both).is_ok());
    let first = head(&ledger, 5).sign(&key(1));
    both.checkpoint.add(&first.signatures()[0]).unwrap();
    assert!(status(&both).is_ok());
    let other = head(&ledger, 6).sign(&key(1));
    both.checkpoint = head(&ledger, 5).sign(&key(2));
    both.checkpoint.add(&other.signatures()[0]).unwrap();
    assert_eq!(status(&both), Err(403));
}

#[test]
fn proofs_that_do_not_hold_are_inconsistent() {
    let ledger = leaves(14);
    let last = head(&ledger, 6);
    let good = request(&ledger, 6, 13);
    let decided = |request: &Request| decide(Some(&last), &logs(), request);
    assert_eq!(decided(&good), Ok(head(&ledger, 13)));
    for at in 0..good.proof.len() {
        let mut changed = good.clone();
        changed.proof[at][0] ^= 1;
        assert_eq!(decided(&changed), Err(Refusal::Inconsistent));
        let mut shorter = good.clone();
        shorter.proof.remove(at);
        assert_eq!(decided(&shorter), Err(Refusal::Inconsistent));
    }
    // A first request with a proof, an empty ledger with a root, another ledger's head kept for
    // this one.
    let mut first = request(&ledger, 0, 5);
    first.proof.push([0; 32]);
    assert_eq!(decide(None, &logs(), &first), Err(Refusal::Inconsistent));
    let mut empty = head(&ledger, 0);
    empty.root = [1; 32];
    let mut first = request(&ledger, 0, 0);
    assert!(decide(None, &logs(), &first).is_ok());
    first.checkpoint = empty.sign(&key(1));
    assert_eq!(decide(None, &logs(), &first), Err(Refusal::Inconsistent));
    let mut foreign = last.clone();
    foreign.origin = ledger_origin("c", "beta").unwrap();
    assert_eq!(
        decide(Some(&foreign), &logs(), &good),
        Err(Refusal::Inconsistent)
    );
}

#[test]
fn requests_have_one_text() {
    let good = request(&leaves(14), 6, 13);
    let text = good.to_string();
    assert!(text.starts_with("old 6\n"));
    assert_eq!(Request::parse(text.as_bytes()), Ok(good));
    let hash = text.lines().nth(1).unwrap();
    let note = text.split_once("\n\n").unwrap().1;
    let many = |count| format!("old 6\n{}\n{note}", format!("{hash}\n").repeat(count));
    assert!(Request::parse(many(63).as_bytes()).is_ok());
    for text in [
        String::new(),
        many(64),
        text.replacen("old 6", "old 06", 1),
        text.replacen("old 6", "old -6", 1),
        text.replacen("old 6\n", "", 1),
        text.replacen(hash, "", 1),
        text.replacen(hash, "AAAA", 1),
        text.replacen("\n\n", "\n", 1),
        text.trim_end().to_owned(),
        "a".repeat(MAX_NOTE + 1),
    ] {
        assert_eq!(
            Request::parse(text.as_bytes()),
            Err(Refusal::Malformed),
            "{text}"
        );
    }
}
