#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use curve25519_dalek::Scalar;

use crate::support::rng;
use crate::{Blind, Error, Malformed, SecretKey, oprf, voprf};

/// The group's order ℓ, little-endian (RFC 9496 §4).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn scalars_are_canonical_and_not_zero() {
    let mut above = ORDER;
    above[0] += 1;
    let mut high_bit = [0; 32];
    (high_bit[0], high_bit[31]) = (1, 0x80);
    for (bytes, offence) in [
        (&[][..], Malformed::Length),
        (&ORDER[..31], Malformed::Length),
        (&[1; 33], Malformed::Length),
        (&[0; 32], Malformed::Zero),
        (&ORDER, Malformed::NotCanonical),
        (&above, Malformed::NotCanonical),
        (&high_bit, Malformed::NotCanonical),
        (&[0xff; 32], Malformed::NotCanonical),
    ] {
        assert_eq!(
            SecretKey::from_bytes(bytes).err(),
            Some(offence),
            "{bytes:?}"
        );
        assert_eq!(Blind::from_bytes(bytes).err(), Some(offence), "{bytes:?}");
    }
    let mut largest = ORDER;
    largest[0] -= 1;
    assert_eq!(
        SecretKey::from_bytes(&largest).unwrap().scalar(),
        &-Scalar::ONE
    );
}

#[test]
fn bytes_go_there_and_back() {
    let rng = &mut rng(1);
    let (key, blind) = (SecretKey::random(rng), Blind::random(rng));
    let again = SecretKey::from_bytes(&*key.to_bytes()).unwrap();
    assert_eq!(again, key);
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(Blind::from_bytes(&*blind.to_bytes()).unwrap(), blind);
    assert_ne!(SecretKey::random(rng), key);
    assert_ne!(Blind::random(rng), blind);
}

#[test]
fn secrets_print_redacted() {
    let rng = &mut rng(2);
    let key = SecretKey::random(rng);
    assert_eq!(format!("{key:?}"), "SecretKey(<redacted>)");
    assert_eq!(format!("{:#?}", Blind::random(rng)), "Blind(<redacted>)");
    let output = oprf::evaluate(&key, b"x").unwrap();
    assert_eq!(format!("{output:?}"), "Output(<redacted>)");
    // Of a batch too: what is made of them prints no more than they do.
    let blinded = crate::additive::Blinded::new(&["x"], vec![Blind::random(rng)]).unwrap();
    assert!(format!("{blinded:?}").starts_with("Blinded { blinds: [Blind(<redacted>)]"));
}

#[test]
fn derived_keys_differ_by_seed_info_and_mode() {
    let key = voprf::derive_key_pair(&[1; 32], b"info").unwrap();
    assert_eq!(key, voprf::derive_key_pair(&[1; 32], b"info").unwrap());
    assert_ne!(key, voprf::derive_key_pair(&[2; 32], b"info").unwrap());
    assert_ne!(key, voprf::derive_key_pair(&[1; 32], b"other").unwrap());
    assert_ne!(key, oprf::derive_key_pair(&[1; 32], b"info").unwrap());
    assert!(voprf::derive_key_pair(&[1; 32], &[0; 65_535]).is_ok());
    let too_long = voprf::derive_key_pair(&[1; 32], &[0; 65_536]);
    assert_eq!(too_long, Err(Error::DeriveKeyPair));
}
