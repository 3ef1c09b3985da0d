//! The vectors of `spec/vectors/audit.json` and `receipt.json`, which another implementation
//! computed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::{
    Signature, SigningKey,
    commitment::{Opening, PARTS, Part, PartSalts, ResultCommitment, ShownRow},
    note::{KeyName, Note, NoteKey},
    receipt::{Input, Receipt, Side, SignedReceipt},
    tree::{self, Hash},
};
use ed25519_dalek::Signer;
use serde_json::Value;

fn audit() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/audit.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn hash(value: &Value) -> Hash {
    bytes(value).try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    list(value).iter().map(hash).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn trees_and_their_proofs() {
    let vector = &audit()["tree"];
    let leaves: Vec<Hash> = list(&vector["leaves"])
        .iter()
        .map(|leaf| tree::leaf_hash(&bytes(leaf)))
        .collect();
    assert_eq!(leaves, hashes(&vector["leaf_hashes"]));
    let roots = hashes(&vector["roots"]);
    let first = |size: u64| &leaves[..usize::try_from(size).unwrap()];
    let root = |size: u64| &roots[usize::try_from(size).unwrap()];
    for size in 0..roots.len() as u64 {
        assert_eq!(tree::root(first(size)), *root(size));
    }
    for proof in list(&vector["inclusion"]) {
        let (index, size) = (number(&proof["index"]), number(&proof["size"]));
        let hashes = hashes(&proof["proof"]);
        assert_eq!(
            tree::inclusion_proof(first(size), index).as_ref(),
            Some(&hashes)
        );
        let leaf = &leaves[usize::try_from(index).unwrap()];
        tree::verify_inclusion(leaf, index, size, &hashes, root(size)).unwrap();
    }
    for proof in list(&vector["consistency"]) {
        let (old, size) = (number(&proof["old"]), number(&proof["size"]));
        let hashes = hashes(&proof["proof"]);
        assert_eq!(
            tree::consistency_proof(first(size), old).as_ref(),
            Some(&hashes)
        );
        tree::verify_consistency(old, root(old), size, root(size), &hashes).unwrap();
    }
}

#[test]
fn notes() {
    let vector = &audit()["note"];
    let mut note = Note::new(vector["text"].as_str().unwrap()).unwrap();
    let mut keys = Vec::new();
    for (at, name) in list(&vector["names"]).iter().enumerate() {
        let name = KeyName::new(name.as_str().unwrap()).unwrap();
        let key = SigningKey::from_bytes(&hash(&vector["seeds"][at]));
        note.sign(&name, &key);
        let key = NoteKey::new(name, key.verifying_key());
        assert_eq!(key.to_string(), vector["keys"][at].as_str().unwrap());
        keys.push(key);
    }
    let text = vector["note"].as_str().unwrap();
    assert_eq!(note.to_string(), text);
    let note = Note::parse(text.as_bytes()).unwrap();
    assert_eq!(note.verify(&keys).unwrap().len(), keys.len());
}

#[test]
fn result_commitments() {
    let vector = &audit()["commitment"];
    let rows: Vec<Vec<u8>> = list(&vector["rows"]).iter().map(bytes).collect();
    let leaves = number(&vector["leaves"]);
    let commitment = ResultCommitment::new(&rows, leaves, hash(&vector["seed"])).unwrap();
    assert_eq!(commitment.root(), hash(&vector["root"]));
    let attempts = list(&vector["attempts"]).iter().map(number);
    assert_eq!(attempts.max(), Some(1), "a place that is taken is tried");
    for (number, vector) in (0..).zip(list(&vector["openings"])) {
        let row = bytes(&vector["row"]);
        let opening = commitment.open(number, &row).unwrap();
        assert_eq!(opening.encode(), bytes(&vector["bytes"]));
        let opening = Opening::decode(&bytes(&vector["bytes"])).unwrap();
        assert_eq!(
            (opening.index, opening.salt),
            (vector["index"].as_u64().unwrap(), hash(&vector["salt"]))
        );
        opening.verify(&row, &commitment.root()).unwrap();
    }
}

#[test]
fn parts_of_a_match() {
    let commitment = &audit()["commitment"];
    let vector = &commitment["parts"];
    let values: Vec<_> = list(&vector["values"]).iter().map(bytes).collect();
    let values: [&[u8]; PARTS] = std::array::from_fn(|at| values[at].as_slice());
    let salts = PartSalts::new(&hash(&commitment["seed"]));
    let at = number(&vector["number"]);
    assert_eq!(salts.row(at, values), bytes(&vector["row"]));
    let mut shown = salts.show(at, values);
    let is_shown = list(&vector["shown_parts"]);
    for part in Part::ALL {
        if !is_shown.iter().any(|one| number(one) == part as u64) {
            shown.hide(part);
        }
    }
    assert_eq!(*shown.encode(), bytes(&vector["shown"]));
    let read = ShownRow::decode(&bytes(&vector["shown"])).unwrap();
    assert_eq!(read.row(), bytes(&vector["row"]));
}

#[test]
fn receipts() {
    let vector: Value =
        serde_json::from_str(include_str!("../../../spec/vectors/receipt.json")).unwrap();
    let input = |value: &Value| Input {
        commitment: hash(&value["commitment"]),
        class: number(&value["class"]),
    };
    let receipt = Receipt {
        run: hash(&vector["run"]),
        querier: bytes(&vector["querier"]),
        responder: bytes(&vector["responder"]),
        querier_input: input(&vector["querier_input"]),
        responder_input: input(&vector["responder_input"]),
        transcript: hash(&vector["transcript"]),
    };
    assert_eq!(receipt.encode(), bytes(&vector["bytes"]));
    let [querier, responder] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    assert_eq!(
        querier.verifying_key().as_bytes()[..],
        bytes(&vector["querier_key"])
    );
    let signature = |key: &SigningKey, side, expected: &str| -> Signature {
        let signature = key.sign(&receipt.signing_bytes(side));
        assert_eq!(signature.to_bytes()[..], bytes(&vector[expected]));
        signature
    };
    let mut signed = SignedReceipt {
        querier: signature(&querier, Side::Querier, "querier_signature"),
        responder: None,
        receipt: receipt.clone(),
    };
    assert_eq!(signed.encode(), bytes(&vector["signed_by_querier"]));
    signed.responder = Some(signature(
        &responder,
        Side::Responder,
        "responder_signature",
    ));
    assert_eq!(signed.encode(), bytes(&vector["signed_by_both"]));
    let read = SignedReceipt::decode(&bytes(&vector["signed_by_both"])).unwrap();
    assert_eq!(
        read.verify(&querier.verifying_key(), &responder.verifying_key()),
        Ok(())
    );
}
