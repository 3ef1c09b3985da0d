//! The vectors of `spec/vectors/ledger.json`, which another implementation computed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    cosignature::{Quorum, WitnessKey, cosign},
    note::NoteKey,
    proof::RecordProof,
    receipt::Side,
    record::{Class, Event, Level, Name, Record, Salted, Signal},
    replay::Replay,
    tree::{self, Hash},
    witness::{self, Request},
};
use serde_json::Value;

fn vector() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/ledger.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text(value).as_bytes().chunks(2).map(byte).collect()
}

fn hash(value: &Value) -> Hash {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn roots() -> Vec<Hash> {
    list(&vector()["roots"]).iter().map(hash).collect()
}

fn signing_key(value: &Value) -> SigningKey {
    SigningKey::from_bytes(&hash(value))
}

/// The number of records of the second incarnation.
const SIZE: u64 = 24;

/// The ledger's key, named by the ledger.
fn key() -> NoteKey {
    NoteKey::parse(text(&vector()["keys"][0])).unwrap()
}

fn checkpoint(incarnation: u64, size: u64, root: Hash) -> Checkpoint {
    Checkpoint {
        origin: Origin {
            ledger: key().name().clone(),
            incarnation,
        },
        size,
        root,
    }
}

/// The ledger's checkpoint of this size.
fn head(size: u64) -> Checkpoint {
    let root = roots()[usize::try_from(size).unwrap()];
    checkpoint(if size > 22 { 2 } else { 1 }, size, root)
}

/// A state of the ledger that the vectors name.
fn state(value: &Value) -> Checkpoint {
    let n = |name: &str| number(&value[name]);
    checkpoint(n("incarnation"), n("size"), hash(&value["root"]))
}

fn event(kind: u64, fields: &Value) -> Event {
    let n = |name: &str| number(&fields[name]);
    let h = |name: &str| hash(&fields[name]);
    let salted = |name: &str| Salted(hash(&fields[name]));
    let name = |name: &str| Name::new(text(&fields[name])).unwrap();
    let class = |name: &str| Class::exactly(number(&fields[name])).unwrap();
    match kind {
        0 => Event::Filler,
        1 => Event::Incarnation {
            number: n("number"),
            size: n("size"),
            root: h("root"),
        },
        2 => Event::Roster {
            number: n("number"),
            digest: h("digest"),
        },
        3 => Event::Delegation {
            member: name("member"),
            digest: h("digest"),
        },
        4 => Event::Policy {
            policy: salted("policy"),
            config: salted("config"),
        },
        5 => Event::EpochOpened {
            view: name("view"),
            epoch: n("epoch"),
            key: h("key"),
        },
        6 => Event::EpochClosed {
            view: name("view"),
            epoch: n("epoch"),
        },
        7 => Event::Publication {
            view: name("view"),
            sequence: n("sequence"),
            manifest: h("manifest"),
            root: h("root"),
            class: class("class"),
        },
        8 => Event::Debit {
            peer: name("peer"),
            view: name("view"),
            epoch: n("epoch"),
            run: h("run"),
            batch: n("batch"),
            digest: h("digest"),
            amount: class("amount"),
        },
        9 => Event::RunAgreed {
            run: h("run"),
            peer: name("peer"),
            side: [Side::Querier, Side::Responder][usize::try_from(n("side")).unwrap()],
            agreement: h("agreement"),
        },
        10 => Event::RunConcluded {
            run: h("run"),
            receipt: salted("receipt"),
        },
        11 => Event::RunUnreceipted { run: h("run") },
        12 => Event::RunOpenedLate { run: h("run") },
        13 => Event::Results {
            run: h("run"),
            root: h("root"),
        },
        14 => Event::VoleSpent {
            setup: h("setup"),
            run: h("run"),
        },
        15 => Event::ReleaseProposed {
            release: h("release"),
            content: salted("content"),
            basis: name("basis"),
            operator: name("operator"),
        },
        16 => Event::ReleaseApproved {
            release: h("release"),
            operator: name("operator"),
        },
        17 => Event::ReleaseRevoked {
            release: h("release"),
            operator: name("operator"),
        },
        18 => Event::Consent {
            release: h("release"),
            peer: name("peer"),
            digest: h("digest"),
        },
        19 => Event::LiaisonSync {
            reader: name("reader"),
            read: salted("read"),
        },
        20 => Event::Witnessed {
            origin: name("origin"),
            size: n("size"),
            root: h("root"),
        },
        21 => Event::Override {
            operator: name("operator"),
            what: salted("what"),
        },
        22 => Event::Lost {
            incarnation: n("incarnation"),
            size: n("size"),
            root: h("root"),
        },
        23 => Event::Equivocation {
            peer: name("peer"),
            accepted: h("accepted"),
            shown: h("shown"),
        },
        24 => Event::Readmitted {
            peer: name("peer"),
            operator: name("operator"),
        },
        25 => Event::Asked {
            run: h("run"),
            peer: name("peer"),
            view: name("view"),
            epoch: n("epoch"),
            items: class("items"),
        },
        26 => Event::Probing {
            peer: name("peer"),
            view: name("view"),
            side: [Side::Querier, Side::Responder][usize::try_from(n("side")).unwrap()],
            level: Level::ALL[usize::try_from(n("level") - 1).unwrap()],
            signal: Signal::ALL[usize::try_from(n("signal")).unwrap()],
            counted: n("counted"),
            limit: n("limit"),
        },
        27 => Event::Vouched {
            peer: name("peer"),
            operator: name("operator"),
            until: n("until"),
            why: name("why"),
        },
        28 => Event::Decision {
            decision: h("decision"),
            content: salted("content"),
            operator: name("operator"),
        },
        29 => Event::MessageDue {
            message: h("message"),
            peer: name("peer"),
            view: name("view"),
            content: salted("content"),
        },
        30 => Event::MessageDelivered {
            message: h("message"),
            peer: name("peer"),
        },
        31 => Event::MessageReceived {
            message: h("message"),
            peer: name("peer"),
            content: salted("content"),
        },
        _ => panic!("kind {kind}"),
    }
}

#[test]
fn records_of_every_kind_make_the_ledger() {
    let vector = vector();
    let roots = roots();
    let size = u64::try_from(roots.len() - 1).unwrap();
    assert_eq!(size, SIZE);
    let heads = (0..=size).map(head);
    let heads = heads.chain([state(&vector["lost"])]);
    let mut replay = Replay::new(heads.collect());
    let mut kinds = Vec::new();
    let mut read = |vector: &Value| {
        let record = Record {
            time: number(&vector["time"]),
            nonce: hash(&vector["nonce"]),
            event: event(number(&vector["kind"]), &vector["fields"]),
        };
        let encoded = bytes(&vector["bytes"]);
        assert_eq!(record.encode(), encoded);
        assert_eq!(record.leaf_hash(), hash(&vector["leaf_hash"]));
        kinds.push(number(&vector["kind"]));
        (record, encoded)
    };
    for (index, vector) in (0..).zip(list(&vector["records"])) {
        let (record, encoded) = read(vector);
        assert_eq!(replay.record(index, &encoded), Ok(record));
    }
    assert_eq!(replay.finish().unwrap().root(), *roots.last().unwrap());
    // These are of no ledger of the vectors.
    for vector in list(&vector["other_records"]) {
        let (record, encoded) = read(vector);
        assert_eq!(Record::decode(&encoded), Ok(record));
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (0..32).collect::<Vec<_>>());
}

#[test]
fn salted_digests() {
    for vector in list(&vector()["salted"]) {
        let digest = Salted::new(&hash(&vector["salt"]), text(&vector["content"]).as_bytes());
        assert_eq!(digest, Salted(hash(&vector["digest"])));
    }
}

#[test]
fn checkpoints_and_cosignatures() {
    let vector = vector();
    let checkpoint = head(SIZE);
    let own = text(&vector["checkpoint"]);
    let mut signed = checkpoint.clone().sign(&signing_key(&vector["seed"]));
    assert_eq!(signed.to_string(), own);
    let mut keys = Vec::new();
    for vector in list(&vector["cosignatures"]) {
        let witness = WitnessKey::parse(text(&vector["key"])).unwrap();
        assert_eq!(witness.name().as_str(), text(&vector["name"]));
        let time = number(&vector["time"]);
        let line = cosign(
            &checkpoint,
            witness.name(),
            &signing_key(&vector["seed"]),
            time,
        );
        let line = line.unwrap();
        assert_eq!(line.to_string(), text(&vector["line"]));
        signed.add(&line).unwrap();
        keys.push(witness);
    }
    let all = text(&vector["cosigned_checkpoint"]);
    assert_eq!(signed.to_string(), all);
    let read = SignedCheckpoint::parse(all.as_bytes()).unwrap();
    for key in list(&vector["keys"]) {
        let key = NoteKey::parse(text(key)).unwrap();
        assert_eq!(read.verify(&key), Ok(&checkpoint));
    }
    let quorum = Quorum::new(keys, 3).unwrap();
    let cosigners = quorum.verify(&read).unwrap();
    for (cosigner, vector) in cosigners.iter().zip(list(&vector["cosignatures"])) {
        assert_eq!(cosigner.time, number(&vector["time"]));
    }
    let read = SignedCheckpoint::parse(own.as_bytes()).unwrap();
    assert!(quorum.verify(&read).is_err());
}

#[test]
fn proofs_of_records() {
    let vector = vector();
    let keys = list(&vector["cosignatures"]).iter();
    let keys = keys.map(|v| WitnessKey::parse(text(&v["key"])).unwrap());
    let quorum = Quorum::new(keys.collect(), 3).unwrap();
    let records: Vec<Vec<u8>> = list(&vector["records"])
        .iter()
        .map(|v| bytes(&v["bytes"]))
        .collect();
    let leaves: Vec<Hash> = records.iter().map(|r| tree::leaf_hash(r)).collect();
    for proof in list(&vector["proofs"]) {
        let (index, proof) = (number(&proof["index"]), text(&proof["text"]));
        let read = RecordProof::parse(proof.as_bytes()).unwrap();
        let made = RecordProof {
            record: records[usize::try_from(index).unwrap()].clone(),
            index,
            path: tree::inclusion_proof(&leaves, index).unwrap(),
            checkpoint: SignedCheckpoint::parse(text(&vector["cosigned_checkpoint"]).as_bytes())
                .unwrap(),
        };
        assert_eq!((made.to_string().as_str(), &made), (proof, &read));
        let proven = read.verify(&[key()], &quorum).unwrap();
        assert_eq!((proven.index, proven.checkpoint), (index, head(SIZE)));
    }
}

#[test]
fn answers_of_a_witness() {
    for vector in list(&vector()["requests"]) {
        let (about, last) = (text(&vector["about"]), state(&vector["last"]));
        let last = Some(last).filter(|last| last.size > 0);
        let status = Request::parse(text(&vector["body"]).as_bytes())
            .and_then(|request| witness::decide(last.as_ref(), &[key()], &request))
            .map_or_else(witness::Refusal::status, |_| 200);
        assert_eq!(u64::from(status), number(&vector["status"]), "{about}");
    }
}
