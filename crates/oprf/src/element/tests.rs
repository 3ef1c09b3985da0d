#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use curve25519_dalek::{RistrettoPoint, Scalar};

use super::{BlindedElement, Element, Elements, EvaluationElement, PublicKey};
use crate::support::{array, arrays, ristretto255_vectors};
use crate::{Backend, Malformed};

#[test]
fn multiples_of_the_generator() {
    let multiples = arrays::<32>(&ristretto255_vectors()["multiples_of_generator"]);
    assert_eq!(multiples.len(), 16);
    assert_eq!(
        PublicKey::from_bytes(&multiples[0]).err(),
        Some(Malformed::Identity)
    );
    for (k, bytes) in (1u64..).zip(&multiples[1..]) {
        let element = PublicKey::from_bytes(bytes).unwrap();
        assert_eq!(element.as_bytes(), bytes);
        let point = RistrettoPoint::mul_base(&Scalar::from(k));
        assert_eq!(element.0.point, point);
        assert_eq!(Element::encode(point).bytes, *bytes);
    }
}

#[test]
fn invalid_encodings_are_refused() {
    let vectors = ristretto255_vectors();
    let invalid = vectors["invalid_encodings"].as_array().unwrap();
    assert_eq!(invalid.len(), 29);
    for vector in invalid {
        let bytes = array::<32>(&vector["encoding"]);
        let refused = Some(Malformed::NotCanonical);
        assert_eq!(
            PublicKey::from_bytes(&bytes).err(),
            refused,
            "{}",
            vector["offence"]
        );
        assert_eq!(BlindedElement::from_bytes(&bytes).err(), refused);
        assert_eq!(EvaluationElement::from_bytes(&bytes).err(), refused);
        for backend in Backend::available() {
            let batch = Elements::decode(backend, std::slice::from_ref(&bytes));
            assert_eq!(batch.err(), Some((0, Malformed::NotCanonical)));
        }
    }
}

#[test]
fn other_lengths_are_refused() {
    let generator = Element::encode(RistrettoPoint::mul_base(&Scalar::ONE)).bytes;
    let long = [&generator[..], &[0]].concat();
    for bytes in [&[], &generator[..31], &long[..]] {
        assert_eq!(PublicKey::from_bytes(bytes).err(), Some(Malformed::Length));
    }
}

#[test]
fn a_batch_names_its_first_bad_element() {
    let good = arrays::<32>(&ristretto255_vectors()["multiples_of_generator"])[1];
    for backend in Backend::available() {
        for bad in 0..5 {
            let mut batch = [good; 5];
            batch[4] = [0xff; 32];
            batch[bad] = [0; 32];
            assert_eq!(
                Elements::decode(backend, &batch).err(),
                Some((bad, Malformed::Identity))
            );
            batch[bad] = [0xff; 32];
            assert_eq!(
                Elements::decode(backend, &batch).err(),
                Some((bad, Malformed::NotCanonical))
            );
        }
    }
}

#[test]
fn public_values_print_their_bytes() {
    let key = PublicKey::from_bytes(&Element::encode(RistrettoPoint::mul_base(&Scalar::ONE)).bytes);
    assert_eq!(
        format!("{:?}", key.unwrap()),
        "PublicKey(e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76)",
    );
}
