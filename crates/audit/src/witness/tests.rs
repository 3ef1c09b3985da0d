#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ed25519_dalek::SigningKey;

use super::*;
use crate::{
    checkpoint::{Origin, ledger_name},
    record::{Event, Record},
    tree::{self, ProofError, leaf_hash},
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
    let origin = || ledger_name("c", "alpha").unwrap();
    vec![
        NoteKey::new(ledger_name("c", "beta").unwrap(), key(9).verifying_key()),
        NoteKey::new(origin(), key(1).verifying_key()),
        NoteKey::new(origin(), key(2).verifying_key()),
    ]
}

fn head(leaves: &[Hash], size: u64) -> Checkpoint {
    Checkpoint {
        origin: Origin::first(ledger_name("c", "alpha").unwrap()),
        size,
        root: tree::root(&leaves[..usize::try_from(size).unwrap()]),
    }
}

const fn inconsistent(error: ProofError) -> Refusal {
    Refusal::Inconsistent(SuccessionError::Proof(error))
}

fn request(leaves: &[Hash], old: u64, size: u64) -> Request {
    let first = &leaves[..usize::try_from(size).unwrap()];
    Request {
        old,
        incarnation: 1,
        how: Continuation::Kept(tree::consistency_proof(first, old).unwrap_or_default()),
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
                    if let Err(Refusal::Conflict { incarnation, size }) = decided {
                        assert_eq!((incarnation, size), (1, last_size));
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
    unknown.origin.ledger = ledger_name("c", "mallory").unwrap();
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
    let with = |hashes: Vec<Hash>| Request {
        how: Continuation::Kept(hashes),
        ..good.clone()
    };
    let proof = tree::consistency_proof(&ledger[..13], 6).unwrap();
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at][0] ^= 1;
        let expected = Err(inconsistent(ProofError::Root));
        assert_eq!(decided(&with(changed)), expected);
        let mut shorter = proof.clone();
        shorter.remove(at);
        let decided = decided(&with(shorter)).map_err(Refusal::status);
        assert_eq!(decided, Err(422));
    }
    // A first request with a proof, an empty ledger with a root, another ledger's head kept for
    // this one.
    let mut first = request(&ledger, 0, 5);
    first.how = Continuation::Kept(vec![[0; 32]]);
    let refused = decide(None, &logs(), &first).map_err(Refusal::status);
    assert_eq!(refused, Err(422));
    let mut empty = head(&ledger, 0);
    empty.root = [1; 32];
    let mut first = request(&ledger, 0, 0);
    assert!(decide(None, &logs(), &first).is_ok());
    first.checkpoint = empty.sign(&key(1));
    let fork = Refusal::Inconsistent(SuccessionError::Fork(0));
    assert_eq!(decide(None, &logs(), &first), Err(fork));
    let mut foreign = last.clone();
    foreign.origin.ledger = ledger_name("c", "beta").unwrap();
    assert_eq!(
        decide(Some(&foreign), &logs(), &good),
        Err(Refusal::Inconsistent(SuccessionError::OtherLedger))
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

/// A ledger that was restored from a backup of its first `backup` records, as incarnation `number`,
/// and names these states as lost.
struct Restored {
    number: u64,
    leaves: Vec<Hash>,
    records: Vec<Vec<u8>>,
}

impl Restored {
    fn new(number: u64, before: &[Hash], lost: &[&Checkpoint]) -> Self {
        let mut restored = Self {
            number,
            leaves: before.to_vec(),
            records: vec![Vec::new(); before.len()],
        };
        restored.append(Event::Incarnation {
            number,
            size: before.len() as u64,
            root: tree::root(before),
        });
        for lost in lost {
            restored.append(Event::Lost {
                incarnation: lost.origin.incarnation,
                size: lost.size,
                root: lost.root,
            });
        }
        restored.append(Event::Filler);
        restored
    }

    fn append(&mut self, event: Event) {
        let nonce = [u8::try_from(self.number).unwrap(); 32];
        let record = Record {
            time: 1,
            nonce,
            event,
        };
        self.leaves.push(record.leaf_hash());
        self.records.push(record.encode());
    }

    fn head(&self) -> Checkpoint {
        let mut head = head(&self.leaves, self.leaves.len() as u64);
        head.origin.incarnation = self.number;
        head
    }

    /// Asks a witness that is believed to have `old`, by this proof.
    fn request(&self, old: &Checkpoint, how: Continuation) -> Request {
        Request {
            old: old.size,
            incarnation: old.origin.incarnation,
            how,
            checkpoint: self.head().sign(&key(1)),
        }
    }

    fn kept(&self, old: u64) -> Continuation {
        Continuation::Kept(tree::consistency_proof(&self.leaves, old).unwrap_or_default())
    }

    fn lost(&self, index: usize) -> Continuation {
        Continuation::Lost {
            record: self.records[index].clone(),
            index: index as u64,
            path: tree::inclusion_proof(&self.leaves, index as u64).unwrap(),
        }
    }
}

/// What the witness says to a restored ledger, whatever of the old one it cosigned last.
#[test]
fn a_restored_ledger_keeps_or_names_what_was_cosigned() {
    let old = leaves(14);
    for backup in 1..14_u64 {
        for seen in 1..=14 {
            let last = head(&old, seen);
            let before = &old[..usize::try_from(backup).unwrap()];
            let lost = if seen > backup { vec![&last] } else { vec![] };
            let restored = Restored::new(2, before, &lost);
            let how = if seen > backup {
                restored.lost(before.len() + 1)
            } else {
                restored.kept(seen)
            };
            let asks = restored.request(&last, how);
            let text = asks.to_string();
            assert_eq!(Request::parse(text.as_bytes()).as_ref(), Ok(&asks));
            assert_eq!(decide(Some(&last), &logs(), &asks), Ok(restored.head()));
            // Whoever restores the backup and does not say what is lost finds no witness.
            let silent = Restored::new(2, before, &[]);
            let decided = decide(
                Some(&last),
                &logs(),
                &silent.request(&last, silent.kept(seen)),
            );
            let right = if seen > backup {
                Err(422)
            } else {
                Ok(silent.head())
            };
            assert_eq!(decided.map_err(Refusal::status), right);
        }
    }
}

#[test]
fn a_loss_that_is_not_the_witnesss_own_last_is_refused_and_named() {
    let (old, forked) = (leaves(14), leaves(9));
    let last = head(&old, 12);
    let refused = |restored: &Restored, how| {
        let decided = decide(Some(&last), &logs(), &restored.request(&last, how));
        decided.unwrap_err()
    };
    let named =
        |incarnation, size| Refusal::Inconsistent(SuccessionError::OtherLoss { incarnation, size });
    // Chained to less than was cosigned; to more; to another ledger of that size; to an incarnation
    // that nobody saw.
    for (lost, size) in [
        (head(&old, 11), 11),
        (head(&old, 13), 13),
        (head(&forked, 12), 12),
    ] {
        let restored = Restored::new(2, &old[..5], &[&lost]);
        assert_eq!(refused(&restored, restored.lost(6)), named(1, size));
    }
    let mut later = last.clone();
    later.origin.incarnation = 2;
    let restored = Restored::new(3, &old[..5], &[&later]);
    assert_eq!(refused(&restored, restored.lost(6)), named(2, 12));
    // A record that names no loss, one that is not in the tree, one of another place.
    let restored = Restored::new(2, &old[..5], &[&last]);
    let no_loss = Refusal::Inconsistent(SuccessionError::NoLoss);
    assert_eq!(refused(&restored, restored.lost(5)), no_loss);
    assert_eq!(refused(&restored, restored.lost(7)), no_loss);
    let other = Restored::new(2, &old[..4], &[&last]);
    let stolen = refused(&other, restored.lost(6));
    assert_eq!(stolen.status(), 422);
    let Continuation::Lost { record, path, .. } = restored.lost(6) else {
        unreachable!()
    };
    let index = 5;
    let moved = Continuation::Lost {
        record,
        index,
        path,
    };
    assert_eq!(refused(&restored, moved), inconsistent(ProofError::Root));
    // Another ledger's records, said to be kept.
    let restored = Restored::new(2, &forked[..13], &[]);
    assert_eq!(
        refused(&restored, restored.kept(12)),
        inconsistent(ProofError::Root)
    );
    // The next incarnation without the record that begins it.
    let mut renamed = Restored::new(2, &old[..5], &[]);
    renamed.leaves = old[..12].to_vec();
    let rollback = SuccessionError::Rollback { from: 12, to: 12 };
    assert_eq!(
        refused(&renamed, Continuation::Kept(Vec::new())),
        Refusal::Inconsistent(rollback)
    );
}

#[test]
fn nothing_is_lost_within_an_incarnation() {
    let old = leaves(14);
    let first = Restored::new(2, &old[..5], &[&head(&old, 9)]);
    let last = first.head();
    // Its own last state, named as lost by itself.
    let mut forked = Restored::new(2, &old[..5], &[&last]);
    forked.append(Event::Filler);
    let asks = forked.request(&last, forked.lost(6));
    let no_loss = Refusal::Inconsistent(SuccessionError::NoLoss);
    assert_eq!(decide(Some(&last), &logs(), &asks), Err(no_loss));
    // Nor can it be asked for.
    let parsed = Request::parse(asks.to_string().as_bytes());
    assert_eq!(parsed, Err(Refusal::Malformed));
}

#[test]
fn of_two_restores_one_is_cosigned_and_the_old_node_no_more() {
    let old = leaves(14);
    let last = head(&old, 12);
    let [first, mut second] = [7, 5].map(|at| Restored::new(2, &old[..at], &[&last]));
    let asks = first.request(&last, first.lost(8));
    let cosigned = decide(Some(&last), &logs(), &asks).unwrap();
    let decided = |request: &Request| decide(Some(&cosigned), &logs(), request).unwrap_err();
    let conflict = Refusal::Conflict {
        incarnation: 2,
        size: 10,
    };
    // By the right size of another incarnation.
    let mut asks = second.request(&last, second.lost(6));
    asks.old = cosigned.size;
    assert_eq!(decided(&asks), conflict);
    // The other restore, asking as the first did, then by what the witness has now.
    assert_eq!(decided(&second.request(&last, second.lost(6))), conflict);
    let smaller = second.request(&cosigned, second.kept(8));
    assert_eq!(decided(&smaller), Refusal::Malformed);
    second.append(Event::Filler);
    second.append(Event::Filler);
    let fork = Refusal::Inconsistent(SuccessionError::Fork(10));
    let asks = second.request(&cosigned, Continuation::Kept(Vec::new()));
    assert_eq!(decided(&asks), fork);
    second.append(Event::Filler);
    let asks = second.request(&cosigned, second.kept(10));
    assert_eq!(decided(&asks), inconsistent(ProofError::Root));
    // The node that was given up, which is still there.
    assert_eq!(decided(&request(&old, 12, 14)), conflict);
    let mut asks = request(&old, 12, 14);
    (asks.old, asks.incarnation) = (10, 2);
    let superseded = Refusal::Inconsistent(SuccessionError::Superseded { by: 2 });
    assert_eq!(decided(&asks), superseded);
    let parsed = Request::parse(asks.to_string().as_bytes());
    assert_eq!(parsed, Err(Refusal::Malformed));
    // A third incarnation from the oldest backup has to name the second.
    let third = Restored::new(3, &old[..5], &[&last]);
    let asks = third.request(&cosigned, third.lost(6));
    let other = SuccessionError::OtherLoss {
        incarnation: 1,
        size: 12,
    };
    assert_eq!(decided(&asks), Refusal::Inconsistent(other));
    let third = Restored::new(3, &old[..5], &[&last, &cosigned]);
    let asks = third.request(&cosigned, third.lost(7));
    let decided = decide(Some(&cosigned), &logs(), &asks);
    assert_eq!(decided, Ok(third.head()));
    // A witness that was away meanwhile finds what it saw last in the same ledger.
    let asks = third.request(&last, third.lost(6));
    assert_eq!(decide(Some(&last), &logs(), &asks), Ok(third.head()));
    // One that never saw the ledger takes it from there on, and is asked for the oldest in vain.
    let mut asks = third.request(&third.head(), Continuation::Kept(Vec::new()));
    asks.old = 0;
    assert_eq!(decide(None, &logs(), &asks), Ok(third.head()));
    let asks = third.request(&last, third.lost(6));
    let never = Refusal::Conflict {
        incarnation: 3,
        size: 0,
    };
    assert_eq!(decide(None, &logs(), &asks), Err(never));
}

#[test]
fn requests_of_a_restored_ledger_have_one_text() {
    let old = leaves(14);
    let last = head(&old, 12);
    let restored = Restored::new(3, &old[..5], &[&last]);
    let good = restored.request(&last, restored.lost(6)).to_string();
    assert!(good.starts_with("old 12\nincarnation 1\nlost 6 "), "{good}");
    assert!(Request::parse(good.as_bytes()).is_ok());
    let kept = restored
        .request(&head(&old, 4), restored.kept(4))
        .to_string();
    assert!(kept.starts_with("old 4\nincarnation 1\n"), "{kept}");
    assert!(Request::parse(kept.as_bytes()).is_ok());
    let lost = good.lines().nth(2).unwrap();
    for text in [
        good.replacen("incarnation 1", "incarnation 01", 1),
        good.replacen("incarnation 1", "incarnation 0", 1),
        good.replacen("incarnation 1", "incarnation 3", 1),
        good.replacen("incarnation 1", "incarnation 4", 1),
        good.replacen("incarnation 1\n", "", 1),
        good.replacen("incarnation 1\n", "incarnation 1\nincarnation 1\n", 1),
        good.replacen(lost, &format!("{lost}\n{lost}"), 1),
        good.replacen("lost 6 ", "lost 06 ", 1),
        good.replacen("lost 6 ", "lost 6  ", 1),
        good.replacen("lost 6 ", "lost ", 1),
        good.replacen(lost, &format!("lost 6 {}", "AAAA".repeat(342)), 1),
    ] {
        let parsed = Request::parse(text.as_bytes());
        assert_eq!(parsed, Err(Refusal::Malformed), "{text}");
    }
}
