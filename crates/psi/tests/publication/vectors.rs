//! The vectors of `spec/vectors/publication.json`, which another implementation computed.

use blindmatch_psi::publication::{
    Edition, LabelSeal, Manifest, Publication, QueryClass, SealedLabel, SetClass, TagLength,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::world::{QUERIES, Responder, domain, item, label};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/publication.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn sha256(file: &[u8]) -> Vec<u8> {
    Sha256::digest(file).to_vec()
}

#[test]
fn classes_and_forms() {
    let vectors = vectors();
    for pair in list(&vectors["set_classes"]) {
        let class = SetClass::holding(number(&pair[0])).map(SetClass::entries);
        assert_eq!(class, Ok(number(&pair[1])));
    }
    for pair in list(&vectors["query_classes"]) {
        let class = QueryClass::holding(number(&pair[0])).map(QueryClass::items);
        assert_eq!(class, Some(number(&pair[1])));
    }
    for form in list(&vectors["forms"]) {
        let class = SetClass::from_entries(number(&form["entries"])).unwrap();
        let length = TagLength::for_budget(number(&form["queries"]), class).unwrap();
        assert_eq!(u64::from(length.bits()), number(&form["tag_length"]));
        let edition = Edition::new(class, length, 1, 1).unwrap();
        assert_eq!(edition.file_length(), number(&form["file_length"]));
        assert_eq!(
            edition.difference_length(),
            number(&form["difference_length"])
        );
    }
}

#[test]
fn labels() {
    for (at, vector) in [0, 1, 0].into_iter().zip(list(&vectors()["labels"])) {
        assert_eq!(bytes(&vector["output"]), item(at));
        let seal = LabelSeal::new(&domain(), number(&vector["sequence"]));
        let sealed = SealedLabel(bytes(&vector["sealed"]).try_into().unwrap());
        let opened = seal.open(&item(at), &sealed).unwrap();
        assert_eq!(*opened.as_bytes(), label(at));
        assert_eq!(bytes(&vector["label"]), opened.as_bytes());
    }
}

#[test]
fn publication_difference_and_manifest() {
    let vectors = vectors();
    let mut responder = Responder::publish(0..900);
    let vector = &vectors["publication"];
    let (file, first) = (responder.file.clone(), responder.published);
    let length = usize::try_from(number(&vector["file_length"])).unwrap();
    assert_eq!(file.len(), length);
    assert!(file.starts_with(&bytes(&vector["header"])));
    let labels_end = 83 + 1_024 * 40;
    let behind_labels = [bytes(&vector["index"]), bytes(&vector["first_body"])].concat();
    assert!(file[labels_end..].starts_with(&behind_labels));
    assert!(file[83..].starts_with(&bytes(&vector["first_label"])));
    assert_eq!(first.root.to_vec(), bytes(&vector["root"]));
    assert_eq!(sha256(&file), bytes(&vector["file_sha256"]));

    let additions: Vec<_> = (5_000..5_003)
        .map(|number| (item(number), label(number)))
        .collect();
    let step = responder
        .change(&[item(1), item(2), item(3)], &additions)
        .unwrap();
    let vector = &vectors["difference"];
    assert_eq!(step.difference, bytes(&vector["bytes"]));
    assert_eq!(step.published.root.to_vec(), bytes(&vector["root"]));
    assert_eq!(sha256(&responder.file), bytes(&vector["file_sha256"]));
    assert!(step.waiting.is_empty());
    let root = step.published.root;
    Publication::verify(responder.file.as_slice(), step.published.edition, root).unwrap();

    let vector = &vectors["manifest"];
    let manifest = Manifest {
        domain: domain(),
        canonicalisation: 4,
        public_key: [8; 32],
        queries: QUERIES,
        edition: first.edition,
        root: first.root,
        valid_from: 1_000,
        expires: 2_000,
    };
    assert_eq!(manifest.encode(), bytes(&vector["bytes"]));
    assert_eq!(manifest.digest().to_vec(), bytes(&vector["digest"]));
    assert_eq!(Manifest::decode(&bytes(&vector["bytes"])), Ok(manifest));
}
