//! The vectors of `spec/vectors/membership.json`, which another implementation computed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::SigningKey;
use blindmatch_membership::{
    Acceptance, Card, Delegation, Delegations, Fingerprint, LineError, ReadError, Roster,
    SignedRoster, Signer, Trust,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/membership.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text(value).as_bytes().chunks(2).map(byte).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The key whose seed the label names.
fn key(label: &str) -> SigningKey {
    let seed = blindmatch_membership::Digest::of(format!("seed {label}").as_bytes());
    SigningKey::from_bytes(&seed.0)
}

#[test]
fn fingerprints() {
    for vector in list(&vectors()["fingerprints"]) {
        let fingerprint = Fingerprint::of(text(&vector["text"]));
        assert_eq!(fingerprint.as_bytes()[..], bytes(&vector["bytes"]));
        assert_eq!(fingerprint.to_string(), text(&vector["words"]));
        assert_eq!(text(&vector["words"]).parse(), Ok(fingerprint));
    }
}

#[test]
fn administrators_keys() {
    let vector = &vectors()["signer"];
    let seed = bytes(&vector["seed"]).try_into().unwrap();
    let signer = Signer::new(text(&vector["name"]), &seed).unwrap();
    assert_eq!(signer.to_text().as_str(), text(&vector["private"]));
    assert_eq!(signer.note_key().to_string(), text(&vector["public"]));
}

#[test]
fn rosters() {
    let vector = &vectors()["roster"];
    let roster = Roster::parse(text(&vector["text"])).unwrap();
    assert_eq!(Roster::new(&roster).unwrap().text(), text(&vector["text"]));
    assert_eq!(roster.digest().to_string(), text(&vector["digest"]));
    let mut signed = SignedRoster::unsigned(roster).unwrap();
    for name in ["alice", "bob"] {
        let seed = key(&format!("{name} admin")).to_bytes();
        assert!(signed.sign(&Signer::new(name, &seed).unwrap()));
    }
    assert_eq!(signed.to_string(), text(&vector["note"]));
    let read = SignedRoster::read(text(&vector["note"]).as_bytes()).unwrap();
    assert_eq!(read, signed);
}

#[test]
fn cards() {
    let vector = &vectors()["card"];
    let card = Card::read(text(&vector["note"]).as_bytes()).unwrap();
    assert_eq!(card.fingerprint().to_string(), text(&vector["words"]));
    let signed = Card::sign(card.member(), &key("kilo identity")).unwrap();
    assert_eq!(signed.to_string(), text(&vector["note"]));
}

#[test]
fn delegations() {
    let vectors = vectors();
    let vector = &vectors["delegation"];
    let request = text(&vector["request"]);
    let signed = Delegation::sign(request.as_bytes(), &key("kilo identity")).unwrap();
    assert_eq!(signed.to_string(), text(&vector["note"]));
    assert_eq!(signed.digest().to_string(), text(&vector["digest"]));
    let own_request = signed.request(&key("kilo receipts 1"), &key("kilo checkpoints 1"));
    assert_eq!(own_request.unwrap(), request);

    let vector = &vectors["delegations"];
    let roster = SignedRoster::read(text(&vector["roster"]).as_bytes()).unwrap();
    let mut known = Delegations::default();
    for taken in list(&vector["taken"]) {
        let (time, note) = (taken[0].as_u64().unwrap(), text(&taken[1]));
        let new = known.accept(roster.roster(), note.as_bytes(), time);
        assert_eq!(new, Ok(true));
    }
    assert_eq!(known.encode(), bytes(&vector["bytes"]));
    assert_eq!(Delegations::decode(&bytes(&vector["bytes"])), Ok(known));
}

#[test]
fn what_a_node_knows() {
    for vector in list(&vectors()["trust"]) {
        let trust = Trust::decode(&bytes(&vector["bytes"])).unwrap();
        assert_eq!(trust.encode(), bytes(&vector["bytes"]));
        let confirmed = trust.confirmed().map(ToString::to_string);
        assert_eq!(confirmed.unwrap_or_default(), text(&vector["confirmed"]));
        let held = trust.held().map(ToString::to_string);
        assert_eq!(held.unwrap_or_default(), text(&vector["held"]));
    }
}

#[test]
fn malformed_texts_are_refused_and_the_line_is_named() {
    for vector in list(&vectors()["malformed"]) {
        let (why, text) = (&vector["why"], text(&vector["text"]));
        let error = match vector["kind"].as_str().unwrap() {
            "roster" => Roster::parse(text).unwrap_err(),
            // The text comes before the signatures.
            "card" => line_error(Card::read(unsigned(text).as_bytes()).unwrap_err()),
            "delegation" => line_error(Delegation::read(unsigned(text).as_bytes()).unwrap_err()),
            other => panic!("{other}"),
        };
        assert_eq!(error.line as u64, vector["line"].as_u64().unwrap(), "{why}");
    }
}

/// A note with a signature of nobody.
fn unsigned(text: &str) -> String {
    format!("{text}\n\u{2014} nobody AAAAAAA=\n")
}

fn line_error(error: ReadError) -> LineError {
    match error {
        ReadError::Line(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn rosters_are_judged() {
    let vectors = vectors();
    for vector in list(&vectors["judged"]) {
        let node = &vectors["nodes"][text(&vector["node"])];
        let trust = Trust::decode(&bytes(node)).unwrap();
        let given = text(&vector["given"]).as_bytes();
        let result = match trust.accept(given, vector["time"].as_u64().unwrap()) {
            Ok(Acceptance::AlreadyHeld) => "AlreadyHeld".to_owned(),
            Ok(Acceptance::New(accepted)) => format!("New {:?}", accepted.authority),
            Err(error) => {
                let error = format!("{error:?}");
                error.split(' ').next().unwrap().to_owned()
            }
        };
        assert_eq!(result, text(&vector["result"]), "{}", vector["why"]);
    }
}
