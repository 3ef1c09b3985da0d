//! Random changes of everything that is signed, hashed or proven: all of them refused
//! (`spec/42-ledger.md` §9). The seeds are fixed; `BLINDMATCH_MUTATIONS` sets another number of
//! changes for each kind than the 10,000 that run by default.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, Continuation, Origin, SignedCheckpoint, ledger_name, witness_name},
    cosignature::{Quorum, WitnessKey, cosign},
    note::NoteKey,
    proof::RecordProof,
    receipt::{Input, Receipt, Side, SignedReceipt},
    record::{Class, Event, Name, Record, Salted},
    replay::Replay,
    tree::{self, Hash},
    witness::{self, Request},
};
use ed25519_dalek::Signer;
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};

const SIZE: u64 = 37;
const NOW: u64 = 1_800_000_000;

/// The ledger of alpha, which beta, gamma and delta witness.
struct World {
    records: Vec<Record>,
    leaves: Vec<Hash>,
    key: SigningKey,
    log: NoteKey,
    quorum: Quorum,
}

impl World {
    fn new() -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let ledger = ledger_name("consortium", "alpha").unwrap();
        let records: Vec<Record> = (0..SIZE).map(record).collect();
        let keys = witnesses().map(|(name, key)| WitnessKey::new(name, key.verifying_key()));
        Self {
            leaves: records.iter().map(Record::leaf_hash).collect(),
            records,
            log: NoteKey::new(ledger, key.verifying_key()),
            key,
            // All of them, so that none may be lost.
            quorum: Quorum::new(keys.collect(), 3).unwrap(),
        }
    }

    fn head(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: Origin::first(self.log.name().clone()),
            size,
            root: tree::root(&self.leaves[..usize::try_from(size).unwrap()]),
        }
    }

    fn cosigned(&self, size: u64) -> SignedCheckpoint {
        let head = self.head(size);
        let mut signed = head.clone().sign(&self.key);
        for (name, key) in witnesses() {
            let line = cosign(&head, &name, &key, NOW).unwrap();
            signed.add(&line).unwrap();
        }
        signed
    }

    fn proof(&self, index: u64) -> RecordProof {
        RecordProof {
            record: self.records[usize::try_from(index).unwrap()].encode(),
            index,
            path: tree::inclusion_proof(&self.leaves, index).unwrap(),
            checkpoint: self.cosigned(SIZE),
        }
    }
}

fn witnesses() -> impl Iterator<Item = (blindmatch_audit::note::KeyName, SigningKey)> {
    ["beta", "gamma", "delta"]
        .into_iter()
        .zip(2..)
        .map(|(member, seed)| {
            let name = witness_name("consortium", member).unwrap();
            (name, SigningKey::from_bytes(&[seed; 32]))
        })
}

/// The record at `index`: an incarnation, then debits, runs and publications.
fn record(index: u64) -> Record {
    let id = tree::leaf_hash(&index.to_le_bytes());
    let name = |text: &str| Name::new(text).unwrap();
    let event = match index % 4 {
        _ if index == 0 => Event::Incarnation {
            number: 1,
            size: 0,
            root: tree::root(&[]),
        },
        0 => Event::Filler,
        1 => Event::Debit {
            peer: name("beta"),
            view: name("abuse/ip/fraud"),
            epoch: 3,
            run: id,
            batch: 1,
            digest: id,
            amount: Class::exactly(8 << (index % 9)).unwrap(),
        },
        2 => Event::RunConcluded {
            run: id,
            receipt: Salted(id),
        },
        _ => Event::Publication {
            view: name("abuse/ip/fraud"),
            sequence: index,
            manifest: id,
            root: id,
            class: Class::exactly(1024).unwrap(),
        },
    };
    Record {
        time: NOW + index,
        nonce: tree::leaf_hash(&id),
        event,
    }
}

/// Changes `original` again and again, each time really, and asks whether that is refused.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is for who runs it to say"
)]
fn all_refused(what: &str, original: &[u8], mut refused: impl FnMut(&[u8]) -> bool) {
    let count =
        std::env::var("BLINDMATCH_MUTATIONS").map_or(10_000, |count| count.parse::<u64>().unwrap());
    let mut random = Mutator::new(what);
    let mut tried = 0;
    while tried < count {
        let mut changed = original.to_vec();
        for _ in 0..=random.below(3) {
            random.change(&mut changed);
        }
        if changed == original {
            continue;
        }
        let shown = String::from_utf8_lossy(&changed);
        assert!(
            refused(&changed),
            "{what}: change {tried} was accepted: {shown}"
        );
        tried += 1;
    }
    println!("{what}: {tried} changes, all refused");
}

struct Mutator(TestRng);

impl Mutator {
    fn new(what: &str) -> Self {
        let seed = tree::leaf_hash(what.as_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.0.next_u64() % bound).unwrap()
    }

    /// One change to bytes, or to lines where they are text.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return bytes.push(0);
        }
        let at = self.below(bytes.len());
        let to = at + self.below(bytes.len() - at) + 1;
        match self.below(9) {
            0..=2 => bytes[at] ^= 1 << self.below(8),
            3 => bytes[at] = self.0.next_u32().to_le_bytes()[0],
            4 => bytes.insert(at, self.0.next_u32().to_le_bytes()[0]),
            5 => {
                bytes.remove(at);
            }
            6 => bytes.truncate(at),
            7 => drop(bytes.drain(at..to.min(at + 40))),
            _ => {
                let piece = bytes[at..to.min(at + 40)].to_vec();
                let place = self.below(bytes.len());
                bytes.splice(place..place, piece);
            }
        }
    }
}

#[test]
fn records() {
    let world = World::new();
    let head = world.head(SIZE);
    for index in [1, 2, 3] {
        let at = usize::try_from(index).unwrap();
        let path = tree::inclusion_proof(&world.leaves, index).unwrap();
        let original = world.records[at].encode();
        let replays = |record: &[u8]| {
            let mut replay = Replay::new(vec![head.clone()]);
            let replayed = (0..).zip(&world.records).try_for_each(|(i, other)| {
                let bytes = if i == index {
                    record.to_vec()
                } else {
                    other.encode()
                };
                replay.record(i, &bytes).map(|_| ())
            });
            replayed.and_then(|()| replay.finish()).is_ok()
        };
        let is_included = |record: &[u8]| {
            let leaf = tree::leaf_hash(record);
            tree::verify_inclusion(&leaf, index, SIZE, &path, &head.root).is_ok()
        };
        assert!(replays(&original) && is_included(&original));
        all_refused(&format!("record {index}"), &original, |changed| {
            !is_included(changed) && !replays(changed)
        });
    }
}

#[test]
fn checkpoints() {
    let world = World::new();
    let original = world.head(SIZE).sign(&world.key).to_string();
    let verifies = |bytes: &[u8]| {
        SignedCheckpoint::parse(bytes).is_ok_and(|signed| signed.verify(&world.log).is_ok())
    };
    assert!(verifies(original.as_bytes()));
    all_refused("checkpoint", original.as_bytes(), |changed| {
        !verifies(changed)
    });
}

#[test]
fn cosignatures() {
    let world = World::new();
    let signed = world.cosigned(SIZE);
    let verifies = |bytes: &[u8]| {
        SignedCheckpoint::parse(bytes).is_ok_and(|signed| {
            world.quorum.verify(&signed).is_ok() && signed.verify(&world.log).is_ok()
        })
    };
    assert!(verifies(signed.to_string().as_bytes()));
    all_refused("cosignatures", signed.to_string().as_bytes(), |changed| {
        !verifies(changed)
    });
    let (name, key) = witnesses().next().unwrap();
    let quorum =
        Quorum::majority(vec![WitnessKey::new(name.clone(), key.verifying_key())]).unwrap();
    let line = cosign(&world.head(SIZE), &name, &key, NOW).unwrap();
    let cosigns = |line: &[u8]| {
        let bytes = [
            world.head(SIZE).sign(&world.key).to_string().as_bytes(),
            line,
        ]
        .concat();
        SignedCheckpoint::parse(&bytes).is_ok_and(|signed| quorum.verify(&signed).is_ok())
    };
    assert!(cosigns(line.to_string().as_bytes()));
    all_refused("cosignature", line.to_string().as_bytes(), |changed| {
        !cosigns(changed)
    });
}

#[test]
fn proofs_of_records() {
    let world = World::new();
    for index in [0, 11, 36] {
        let original = world.proof(index).to_string();
        let verifies = |bytes: &[u8]| {
            RecordProof::parse(bytes).is_ok_and(|proof| {
                proof
                    .verify(std::slice::from_ref(&world.log), &world.quorum)
                    .is_ok()
            })
        };
        assert!(verifies(original.as_bytes()));
        all_refused(
            &format!("proof of {index}"),
            original.as_bytes(),
            |changed| !verifies(changed),
        );
    }
}

#[test]
fn requests_to_cosign() {
    let world = World::new();
    let last = world.head(13);
    let request = Request {
        old: 13,
        incarnation: 1,
        how: Continuation::Kept(tree::consistency_proof(&world.leaves, 13).unwrap()),
        checkpoint: world.head(SIZE).sign(&world.key),
    };
    let logs = [world.log.clone()];
    // Restored without its last four records, of which the witness had seen one and more.
    let mut leaves = world.leaves[..9].to_vec();
    let begun = Event::Incarnation {
        number: 2,
        size: 9,
        root: tree::root(&leaves),
    };
    let lost = Event::Lost {
        incarnation: 1,
        size: 13,
        root: last.root,
    };
    let written = [begun, lost].map(|event| Record {
        time: NOW,
        nonce: [8; 32],
        event,
    });
    leaves.extend(written.iter().map(Record::leaf_hash));
    let [_, lost] = &written;
    let head = Checkpoint {
        origin: Origin {
            incarnation: 2,
            ..last.origin.clone()
        },
        size: 11,
        root: tree::root(&leaves),
    };
    let restored = Request {
        old: 13,
        incarnation: 1,
        how: Continuation::Lost {
            record: lost.encode(),
            index: 10,
            path: tree::inclusion_proof(&leaves, 10).unwrap(),
        },
        checkpoint: head.sign(&world.key),
    };
    for (what, request) in [("request to cosign", request), ("restored", restored)] {
        let cosigns = |bytes: &[u8]| {
            Request::parse(bytes)
                .and_then(|r| witness::decide(Some(&last), &logs, &r))
                .is_ok()
        };
        let original = request.to_string();
        assert!(cosigns(original.as_bytes()));
        all_refused(what, original.as_bytes(), |changed| !cosigns(changed));
    }
}

#[test]
fn receipts() {
    let [querier, responder] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let input = |byte, class| Input {
        commitment: [byte; 32],
        class,
    };
    let receipt = Receipt {
        run: [7; 32],
        querier: b"blindmatch://consortium/alpha".to_vec(),
        responder: b"blindmatch://consortium/beta".to_vec(),
        querier_input: input(3, 8),
        responder_input: input(4, 1024),
        transcript: [5; 32],
    };
    let signed = SignedReceipt {
        querier: querier.sign(&receipt.signing_bytes(Side::Querier)),
        responder: Some(responder.sign(&receipt.signing_bytes(Side::Responder))),
        receipt,
    };
    let (querier, responder) = (querier.verifying_key(), responder.verifying_key());
    let verifies = |bytes: &[u8]| {
        SignedReceipt::decode(bytes).is_ok_and(|signed| signed.verify(&querier, &responder).is_ok())
    };
    assert!(verifies(&signed.encode()));
    all_refused("receipt", &signed.encode(), |changed| !verifies(changed));
}
