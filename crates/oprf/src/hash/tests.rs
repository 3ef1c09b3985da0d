#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;

use super::{Dst, Expander};
use crate::support::{array, hex, json, ristretto255_vectors};

/// The tag of RFC 9380, Appendix K.3.
const DST: &str = "QUUX-V01-CS02-with-expander-SHA512-256";

fn expand<const N: usize>(vector: &Value) {
    let message = vector["message"].as_str().unwrap().as_bytes();
    let expander = Expander::new(Dst::new(DST));
    assert_eq!(
        expander.expand::<N>(&[message])[..],
        hex(&vector["uniform_bytes"])
    );
    // The parts of a message are one message.
    let (head, tail) = message.split_at(message.len() / 3);
    assert_eq!(
        expander.expand::<N>(&[head, &[], tail])[..],
        hex(&vector["uniform_bytes"])
    );
}

#[test]
fn expander_vectors() {
    let vectors = json(include_str!("../../../../spec/vectors/expander.json"));
    assert_eq!(vectors["dst"], DST);
    let expansions = vectors["expansions"].as_array().unwrap();
    assert_eq!(expansions.len(), 10);
    for vector in expansions {
        match vector["length"].as_u64() {
            Some(0x20) => expand::<0x20>(vector),
            Some(0x80) => expand::<0x80>(vector),
            other => panic!("a vector of length {other:?}"),
        }
    }
}

/// RFC 9496, Appendix A.3: the map that `hash_to_group` ends with.
#[test]
fn map_vectors() {
    let vectors = ristretto255_vectors();
    let vectors = vectors["from_uniform_bytes"].as_array().unwrap();
    assert_eq!(vectors.len(), 11);
    for vector in vectors {
        let uniform = array(&vector["uniform_bytes"]);
        let point = curve25519_dalek::RistrettoPoint::from_uniform_bytes(&uniform);
        assert_eq!(point.compress().to_bytes(), array(&vector["element"]));
    }
}
