#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::SigningKey;
use blindmatch_audit::checkpoint::{CheckpointError, Origin, ledger_name, witness_name};
use blindmatch_audit::cosignature::{QuorumError, WitnessKey, cosign};
use blindmatch_audit::record::{Class, Name, Record};
use blindmatch_audit::tree::{self, Hash};
use blindmatch_psi::publication::{Domain, Edition, SetClass, TagLength};

use super::*;

const NOW: u64 = 1_800_000_000;
const QUERIES: u64 = 1 << 20;

/// The ledger of a responder, and what its witness cosigns of it.
struct Responder {
    records: Vec<Record>,
    key: SigningKey,
    witness: SigningKey,
}

/// What a responder answers when its manifest is asked for.
struct Answer {
    manifest: Vec<u8>,
    proof: String,
    continuation: Continuation,
}

impl Responder {
    fn new() -> Self {
        let filler = Record {
            time: 1,
            nonce: [0; 32],
            event: Event::Filler,
        };
        Self {
            records: vec![filler; 3],
            key: SigningKey::from_bytes(&[1; 32]),
            witness: SigningKey::from_bytes(&[2; 32]),
        }
    }

    fn record(&mut self, manifest: &Manifest) {
        self.records.push(Record {
            time: NOW,
            nonce: [7; 32],
            event: Event::Publication {
                view: Name::new(str::from_utf8(&manifest.domain.view).unwrap()).unwrap(),
                sequence: manifest.edition.sequence(),
                manifest: manifest.digest(),
                root: manifest.root,
                class: Class::exactly(manifest.edition.class().entries()).unwrap(),
            },
        });
    }

    /// Shows a manifest by the last record, to who accepted the ledger at `old` records.
    fn show(&self, manifest: &Manifest, old: u64) -> Answer {
        let leaves: Vec<Hash> = self.records.iter().map(Record::leaf_hash).collect();
        let checkpoint = Checkpoint {
            origin: Origin::first(ledger_name("c", "beta").unwrap()),
            size: leaves.len() as u64,
            root: tree::root(&leaves),
        };
        let mut signed = checkpoint.clone().sign(&self.key);
        let name = witness_name("c", "gamma").unwrap();
        let cosigned = cosign(&checkpoint, &name, &self.witness, NOW).unwrap();
        signed.add(&cosigned).unwrap();
        let index = checkpoint.size - 1;
        let proof = RecordProof {
            record: self.records.last().unwrap().encode(),
            index,
            path: tree::inclusion_proof(&leaves, index).unwrap(),
            checkpoint: signed,
        };
        Answer {
            manifest: manifest.encode(),
            proof: proof.to_string(),
            continuation: Continuation::Kept(
                tree::consistency_proof(&leaves, old).unwrap_or_default(),
            ),
        }
    }

    /// Records a manifest and shows it.
    fn publish(&mut self, manifest: &Manifest, old: u64) -> Answer {
        self.record(manifest);
        self.show(manifest, old)
    }
}

fn manifest(epoch: u64, first: u64, sequence: u64) -> Manifest {
    let class = SetClass::from_entries(1024).unwrap();
    let tags = TagLength::for_budget(QUERIES, class).unwrap();
    Manifest {
        domain: Domain {
            consortium: b"c".to_vec(),
            responder: b"blindmatch://c/beta".to_vec(),
            view: b"abuse/ip/fraud".to_vec(),
            indicator_type: b"ip".to_vec(),
            epoch,
        },
        canonicalisation: 1,
        public_key: [u8::try_from(epoch).unwrap(); 32],
        queries: QUERIES,
        edition: Edition::new(class, tags, first, sequence).unwrap(),
        root: [u8::try_from(sequence).unwrap(); 32],
        valid_from: NOW - 10,
        expires: NOW + 10,
    }
}

fn decide(answer: &Answer, before: &Before, now: u64) -> Result<Accepted, NotAccepted> {
    let key = |seed, name| NoteKey::new(name, SigningKey::from_bytes(&[seed; 32]).verifying_key());
    // The newest key first, as after a rotation that this record is older than.
    let name = || ledger_name("c", "beta").unwrap();
    let ledger = [key(9, name()), key(1, name())];
    let witness = SigningKey::from_bytes(&[2; 32]).verifying_key();
    let witness = WitnessKey::new(witness_name("c", "gamma").unwrap(), witness);
    let expected = Expected {
        consortium: "c",
        responder: "blindmatch://c/beta",
        view: &"abuse/ip/fraud".parse().unwrap(),
        ledger: &ledger,
        quorum: &Quorum::new(vec![witness], 1).unwrap(),
    };
    let Answer {
        manifest,
        proof,
        continuation,
    } = answer;
    accept(
        manifest,
        proof.as_bytes(),
        continuation,
        &expected,
        before,
        now,
    )
}

/// What is known once `accepted` has been.
fn after(accepted: &Accepted) -> Before {
    Before {
        checkpoint: Some(accepted.checkpoint.clone()),
        manifest: Some(accepted.manifest.clone()),
    }
}

#[test]
fn publications_are_accepted_one_after_the_other() {
    let mut beta = Responder::new();
    let first = manifest(1, 5, 5);
    let answer = beta.publish(&first, 0);
    let accepted = decide(&answer, &Before::default(), NOW).unwrap();
    assert_eq!((&accepted.manifest, accepted.checkpoint.size), (&first, 4));
    let mut before = after(&accepted);
    assert_eq!(
        decide(&beta.show(&first, 4), &before, NOW),
        Ok(accepted),
        "once more"
    );
    for next in [manifest(1, 5, 6), manifest(1, 5, 9), manifest(2, 10, 10)] {
        let size = before.checkpoint.as_ref().unwrap().size;
        let accepted = decide(&beta.publish(&next, size), &before, NOW).unwrap();
        before = after(&accepted);
        assert_eq!(before.manifest.as_ref(), Some(&next));
    }
}

#[test]
fn a_manifest_of_its_own_for_one_querier_is_refused() {
    // Recorded is another one than the one that is shown.
    let mut beta = Responder::new();
    let shown = Manifest {
        public_key: [66; 32],
        ..manifest(1, 5, 5)
    };
    beta.record(&manifest(1, 5, 5));
    let refused = decide(&beta.show(&shown, 0), &Before::default(), NOW);
    assert_eq!(refused, Err(NotAccepted::Record));
    // It stands in a ledger that no witness knows.
    let mut alone = Responder::new();
    alone.witness = SigningKey::from_bytes(&[3; 32]);
    let refused = decide(&alone.publish(&shown, 0), &Before::default(), NOW);
    let missing = QuorumError::TooFew { have: 0, need: 1 };
    assert_eq!(
        refused,
        Err(NotAccepted::Proof(RecordProofError::Quorum(missing)))
    );
    // Or one that somebody else signed.
    let mut foreign = Responder::new();
    foreign.key = SigningKey::from_bytes(&[3; 32]);
    let refused = decide(&foreign.publish(&shown, 0), &Before::default(), NOW);
    assert!(
        matches!(
            refused,
            Err(NotAccepted::Proof(RecordProofError::Checkpoint(
                CheckpointError::Note(_)
            )))
        ),
        "{refused:?}"
    );
}

#[test]
fn a_ledger_that_tells_two_stories_is_named() {
    let mut beta = Responder::new();
    let first = manifest(1, 5, 5);
    let accepted = decide(&beta.publish(&first, 0), &Before::default(), NOW).unwrap();
    let before = after(&accepted);

    // Of one size, with other records.
    let mut other = Responder::new();
    other.records[0].nonce = [1; 32];
    let fork = decide(&other.publish(&first, 4), &before, NOW).unwrap_err();
    assert_eq!(fork, NotAccepted::Ledger(SuccessionError::Fork(4)));
    assert!(fork.is_equivocation());
    // Longer, with other records before.
    let fork = decide(&other.publish(&manifest(1, 5, 6), 4), &before, NOW).unwrap_err();
    assert!(
        matches!(fork, NotAccepted::Ledger(SuccessionError::Proof(_))),
        "{fork:?}"
    );
    assert!(fork.is_equivocation());
    // Shorter.
    let mut short = Responder::new();
    short.records.truncate(1);
    let rollback = decide(&short.publish(&first, 2), &before, NOW).unwrap_err();
    let (from, to) = (4, 2);
    assert_eq!(
        rollback,
        NotAccepted::Ledger(SuccessionError::Rollback { from, to })
    );

    // One ledger, in which an epoch changes its key, a number is used twice, or an epoch goes back.
    let changed = Manifest {
        public_key: [66; 32],
        ..manifest(1, 5, 6)
    };
    let twice = Manifest {
        root: [66; 32],
        ..first.clone()
    };
    for (wrong, error) in [
        (changed, ManifestError::OtherView),
        (twice, ManifestError::SequenceUsed),
        (manifest(2, 5, 5), ManifestError::SequenceUsed),
        (manifest(0, 6, 6), ManifestError::OtherView),
    ] {
        let refused = decide(&beta.publish(&wrong, 4), &before, NOW).unwrap_err();
        assert_eq!(refused, NotAccepted::Manifest(error));
        assert!(refused.is_equivocation());
    }
}

#[test]
fn a_manifest_of_something_else_or_another_time_is_refused() {
    let mut beta = Responder::new();
    let good = manifest(1, 5, 5);
    let domain = |change: &dyn Fn(&mut Domain)| {
        let mut other = good.clone();
        change(&mut other.domain);
        other
    };
    for other in [
        domain(&|domain| domain.consortium = b"d".to_vec()),
        domain(&|domain| domain.responder = b"blindmatch://c/gamma".to_vec()),
        domain(&|domain| domain.view = b"abuse/ip/other".to_vec()),
        domain(&|domain| domain.indicator_type = b"asn".to_vec()),
    ] {
        let refused = decide(&beta.publish(&other, 0), &Before::default(), NOW);
        assert_eq!(refused, Err(NotAccepted::Other));
    }
    let answer = beta.publish(&good, 0);
    for (now, error) in [
        (NOW - 11, ManifestError::NotYetValid),
        (NOW + 10, ManifestError::Expired),
    ] {
        let refused = decide(&answer, &Before::default(), now);
        assert_eq!(refused, Err(NotAccepted::Manifest(error)));
        assert!(!refused.unwrap_err().is_equivocation());
    }
    // A byte of the answer changed, whichever.
    for at in 0..answer.manifest.len() {
        let mut manifest = answer.manifest.clone();
        manifest[at] ^= 1;
        let Answer {
            proof,
            continuation,
            ..
        } = beta.show(&good, 0);
        let answer = Answer {
            manifest,
            proof,
            continuation,
        };
        assert!(
            decide(&answer, &Before::default(), NOW).is_err(),
            "byte {at}"
        );
    }
}
