#![no_main]
//! Records, checkpoints, cosignatures, proofs and requests to witnesses: what is read is its own
//! text, and nothing that was changed verifies as something else.

use std::sync::LazyLock;

use blindmatch_audit::SigningKey;
use blindmatch_audit::checkpoint::{
    Checkpoint, Continuation, Origin, SignedCheckpoint, ledger_name, witness_name,
};
use blindmatch_audit::codec::Writer;
use blindmatch_audit::cosignature::{Quorum, WitnessKey, cosign};
use blindmatch_audit::note::{NoteKey, SignatureLine};
use blindmatch_audit::proof::RecordProof;
use blindmatch_audit::record::{Event, MAX_RECORD, Record};
use blindmatch_audit::replay::Replay;
use blindmatch_audit::tree::{self, Hash};
use blindmatch_audit::witness::{self, Request};
use blindmatch_fuzz::edit::Edit;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    /// What stands behind the context of a record.
    Record(Vec<u8>),
    Texts(Vec<u8>),
    Proof(Vec<Edit>),
    Request(Vec<Edit>),
    Ledger(Vec<(u8, Vec<Edit>)>),
}

struct World {
    records: Vec<Vec<u8>>,
    last: Checkpoint,
    head: Checkpoint,
    log: NoteKey,
    quorum: Quorum,
    proof: RecordProof,
    request: Request,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let records: Vec<Vec<u8>> = (0..9).map(record).collect();
    let leaves: Vec<Hash> = records.iter().map(|r| tree::leaf_hash(r)).collect();
    let key = SigningKey::from_bytes(&[1; 32]);
    let ledger = ledger_name("consortium", "alpha").expect("names");
    let head = |size: usize| Checkpoint {
        origin: Origin::first(ledger.clone()),
        size: size as u64,
        root: tree::root(&leaves[..size]),
    };
    let name = witness_name("consortium", "beta").expect("names");
    let witness = SigningKey::from_bytes(&[2; 32]);
    let line = cosign(&head(9), &name, &witness, 1_800_000_000).expect("a time");
    let mut cosigned = head(9).sign(&key);
    cosigned.add(&line).expect("a few signatures");
    let witness = WitnessKey::new(name, witness.verifying_key());
    World {
        log: NoteKey::new(ledger.clone(), key.verifying_key()),
        quorum: Quorum::majority(vec![witness]).expect("one key"),
        proof: RecordProof {
            record: records[4].clone(),
            index: 4,
            path: tree::inclusion_proof(&leaves, 4).expect("a leaf"),
            checkpoint: cosigned,
        },
        request: Request {
            old: 5,
            incarnation: 1,
            how: Continuation::Kept(tree::consistency_proof(&leaves, 5).expect("a smaller tree")),
            checkpoint: head(9).sign(&key),
        },
        last: head(5),
        head: head(9),
        records,
    }
});

fuzz_target!(|input: Input| match input {
    Input::Record(rest) => {
        let context = Writer::new("blindmatch ledger record v1").finish();
        reads_record(&[context, rest].concat());
    }
    Input::Texts(bytes) => reads_texts(&bytes),
    Input::Proof(edits) => {
        let bytes = edited(WORLD.proof.to_string().into_bytes(), &edits);
        reads_texts(&bytes);
        if let Ok(proof) = RecordProof::parse(&bytes)
            && let Ok(proven) = proof.verify(std::slice::from_ref(&WORLD.log), &WORLD.quorum)
        {
            assert_eq!((proven.index, &proven.checkpoint), (4, &WORLD.head));
            assert_eq!(proof.record, WORLD.records[4]);
        }
    }
    Input::Request(edits) => {
        let bytes = edited(WORLD.request.to_string().into_bytes(), &edits);
        reads_texts(&bytes);
        if let Ok(request) = Request::parse(&bytes) {
            let logs = std::slice::from_ref(&WORLD.log);
            let decided = witness::decide(Some(&WORLD.last), logs, &request);
            assert!(decided.is_err() || decided.as_ref() == Ok(&WORLD.head));
        }
    }
    Input::Ledger(records) => replays(records),
});

fn record(index: u8) -> Vec<u8> {
    let event = if index == 0 {
        Event::Incarnation {
            number: 1,
            size: 0,
            root: tree::root(&[]),
        }
    } else {
        Event::RunUnreceipted { run: [index; 32] }
    };
    let record = Record {
        time: index.into(),
        nonce: [index; 32],
        event,
    };
    record.encode()
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

fn reads_record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
        assert!(bytes.len() <= MAX_RECORD);
    }
}

fn reads_texts(bytes: &[u8]) {
    if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
        assert_eq!(checkpoint.to_string().as_bytes(), bytes);
        let _ = WORLD.quorum.verify(&checkpoint);
    }
    if let Ok(proof) = RecordProof::parse(bytes) {
        assert_eq!(proof.to_string().as_bytes(), bytes);
    }
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
    }
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok(line) = SignatureLine::parse(text) {
        assert_eq!(line.to_string(), text);
    }
    if let Ok(key) = WitnessKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
}

/// Only the ledger itself is the ledger, or one that goes on from it.
fn replays(records: Vec<(u8, Vec<Edit>)>) {
    let mut replay = Replay::new(vec![WORLD.last.clone(), WORLD.head.clone()]);
    let mut taken = Vec::new();
    for (index, edits) in records {
        let bytes = edited(record(index), &edits);
        if replay.record(index.into(), &bytes).is_err() {
            return;
        }
        taken.push(bytes);
    }
    if replay.finish().is_ok() {
        assert!(taken.starts_with(&WORLD.records));
    }
}
