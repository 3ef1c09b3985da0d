//! The vectors of `spec/vectors/session.json`, which another implementation computed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use blindmatch_audit::{SigningKey, receipt::Input};
use blindmatch_oprf::{SecretKey, additive::AuthenticatedKey};
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Refusal, Role},
    lookup::{Connection, Item, Querier, Responder, Terms},
    publication::Manifest,
    session::{End, Record, Session, Step, UnixSeconds},
    stop::{Abort, Stop},
};
use blindmatch_testkit::{
    Clock, Keyring, Scripted, scripted,
    world::{SIGNER, VIEW_KEY, World},
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/session.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn bytes32(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn agreement(vector: &Value) -> Agreement {
    let input = |value: &Value| Input {
        commitment: bytes32(&value["commitment"]),
        class: value["class"].as_u64().unwrap(),
    };
    let direction = |value: &Value| Direction {
        querier: match value["querier"].as_u64() {
            Some(0) => Role::First,
            _ => Role::Second,
        },
        view: bytes(&value["view"]),
        indicator_type: bytes(&value["indicator_type"]),
        canonicalisation: u32::try_from(value["canonicalisation"].as_u64().unwrap()).unwrap(),
        purpose: bytes(&value["purpose"]),
        querier_input: input(&value["querier_input"]),
        responder_input: input(&value["responder_input"]),
        payment_key: bytes(&value["payment_key"]),
        setup: bytes32(&value["setup"]),
    };
    let party = |value: &Value| Party {
        identity: bytes(&value["identity"]),
        nonce: bytes32(&value["nonce"]),
    };
    let parties = list(&vector["parties"]);
    Agreement {
        consortium: bytes(&vector["consortium"]),
        roster: vector["roster"].as_u64().unwrap(),
        protocol: match vector["protocol"].as_str() {
            Some("lookup") => Protocol::Lookup,
            _ => Protocol::Batch,
        },
        parties: [party(&parties[0]), party(&parties[1])],
        directions: list(&vector["directions"]).iter().map(direction).collect(),
    }
}

#[test]
fn agreements_and_run_ids() {
    for vector in list(&vectors()["agreements"]) {
        let agreement = agreement(vector);
        assert_eq!(agreement.encode(), bytes(&vector["bytes"]));
        assert_eq!(
            Agreement::decode(&bytes(&vector["bytes"])),
            Ok(agreement.clone())
        );
        let run_ids = agreement.directions.iter().map(|d| agreement.run_id(d).0);
        assert!(run_ids.eq(list(&vector["run_ids"]).iter().map(bytes32)));
    }
}

#[test]
fn refusals() {
    let vector = &vectors()["refusal"];
    let proposal = Agreement::decode(&bytes(&vector["proposal"])).unwrap();
    let rule = String::from_utf8(bytes(&vector["rule"])).unwrap();
    let refusal = Refusal::new(&proposal, &rule);
    assert_eq!(refusal.encode(), bytes(&vector["bytes"]));
}

/// One side of the run of the vectors: work is done and records are stored at once.
struct Lone<S> {
    session: S,
    keys: Keyring,
    rng: Scripted,
    records: Vec<Record>,
}

impl<S: Session> Lone<S> {
    /// The frames that it sends until it waits.
    fn run(&mut self, clock: &Clock) -> (Vec<Vec<u8>>, Option<End>) {
        let mut sent = Vec::new();
        loop {
            match self.session.poll(clock.now(), &mut self.rng) {
                Step::Send(frame) => sent.push(frame),
                Step::Work(work) => self.session.complete(work.run(&self.keys)),
                Step::Store(store) => {
                    let (record, stored) = store.stored();
                    self.records.push(record);
                    self.session.complete(stored);
                }
                Step::Wait => return (sent, None),
                Step::Done(end) => return (sent, Some(end)),
            }
        }
    }
}

#[test]
fn a_whole_run() {
    let vectors = vectors();
    let vector = &vectors["lookup"];
    let agreement = agreement(&list(&vectors["agreements"])[1]);
    let manifest = Manifest::decode(&bytes(&vector["manifest"])).unwrap();
    let until = UnixSeconds(vector["until"].as_u64().unwrap());
    let terms = Terms::new(&agreement, &agreement.directions[0], &manifest, until).unwrap();
    let key = SecretKey::from_bytes(&bytes(&vector["secret_key"])).unwrap();
    let view_key = Arc::new(AuthenticatedKey::vouch(key.public_key().clone()));
    let signers = [[1; 32], [2; 32]].map(|seed| SigningKey::from_bytes(&seed));
    let verifiers = signers.each_ref().map(SigningKey::verifying_key);
    let connection = |peer: usize| Connection {
        exporter: bytes32(&vector["exporter"]),
        signer: SIGNER,
        peer: verifiers[peer],
    };
    let items: Vec<Item> = list(&vector["items"])
        .iter()
        .map(|item| Item::new(bytes(item)))
        .collect();
    let [querier_signs, responder_signs] = signers;
    let (mut querier_keys, mut responder_keys) = (Keyring::default(), Keyring::default());
    querier_keys.insert_signing(SIGNER, querier_signs);
    responder_keys.insert_signing(SIGNER, responder_signs);
    responder_keys.insert_evaluation(VIEW_KEY, key);
    let mut querier = Lone {
        session: Querier::new(terms.clone(), connection(1), view_key, items, []).unwrap(),
        keys: querier_keys,
        rng: scripted(vector["querier_seed"].as_u64().unwrap()),
        records: Vec::new(),
    };
    let mut responder = Lone {
        session: Responder::new(terms, connection(0), VIEW_KEY, []).unwrap(),
        keys: responder_keys,
        rng: scripted(vector["responder_seed"].as_u64().unwrap()),
        records: Vec::new(),
    };

    let clock = Clock::at(until.0);
    let mut expected = list(&vector["frames"]).iter();
    for _ in 0..3 {
        for from in ["querier", "responder"] {
            let (sent, _) = match from {
                "querier" => querier.run(&clock),
                _ => responder.run(&clock),
            };
            let frame = expected.next().unwrap();
            assert_eq!(frame["from"], from);
            assert_eq!(sent, [bytes(&frame["frame"])], "{from}");
            match from {
                "querier" => responder.session.receive(&sent[0]),
                _ => querier.session.receive(&sent[0]),
            }
        }
    }
    assert_eq!(querier.run(&clock), (Vec::new(), Some(End::Concluded)));
    assert_eq!(responder.run(&clock), (Vec::new(), Some(End::Concluded)));

    let debits: Vec<_> = responder
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Debit(debit) => Some(*debit),
            _ => None,
        })
        .collect();
    assert_eq!(debits.len(), 1);
    assert_eq!((debits[0].batch, debits[0].evaluations), (1, 8));
    assert_eq!(debits[0].digest, bytes32(&vector["batch_digest"]));
    let concluded = querier.session.concluded().unwrap();
    let transcript = concluded.receipt().receipt.transcript;
    assert_eq!(transcript, bytes32(&vector["transcript"][1]));
    let outputs: Vec<_> = World::states(&querier.records)
        .flat_map(|state| concluded.outputs(state).unwrap())
        .map(|(_, output)| output.to_vec())
        .collect();
    let expected: Vec<_> = list(&vector["outputs"]).iter().map(bytes).collect();
    assert_eq!(outputs, expected);
}

#[test]
fn abort_frames() {
    let vectors = vectors();
    let frames = list(&vectors["aborts"]);
    assert_eq!(frames.len(), 16);
    for (code, vector) in (1..).zip(frames) {
        let mut world = World::new(1, 8);
        world.agreement = agreement(&list(&vectors["agreements"])[1]);
        world.manifest = Manifest::decode(&bytes(&vectors["lookup"]["manifest"])).unwrap();
        let mut responder = world.responder_session(1).unwrap();
        responder.receive(&bytes(&vector["frame"]));
        let step = responder.poll(world.clock.now(), &mut scripted(0));
        let abort = Abort::from_code(code).unwrap();
        let Step::Done(end) = step else {
            panic!("{step:?}");
        };
        assert_eq!(end, End::Stopped(Stop::PeerAborted(abort)));
    }
}
