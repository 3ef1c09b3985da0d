#![no_main]
//! Certificates of peers: whatever is read is signed by its own key, so what was changed is refused.

use std::sync::LazyLock;

use blindmatch_audit::SigningKey;
use blindmatch_fuzz::edit::Edit;
use blindmatch_membership::{Delegation, Digest, HpkeKey, NodeKeys, Terms};
use blindmatch_transport::Credentials;
use blindmatch_transport::certificate::Shown;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

#[derive(Arbitrary, Debug)]
enum Input {
    Any(Vec<u8>),
    Changed(Vec<Edit>),
}

const NOW: u64 = 1_795_334_400;

/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

static HONEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (identity, receipts, checkpoints) = (key(3), key(4), key(5));
    let spki = [&ED25519_SPKI[..], key(6).verifying_key().as_bytes()].concat();
    let terms = Terms {
        consortium: "example".parse().expect("a name"),
        member: "kilo".parse().expect("a name"),
        number: 1,
        first_valid: 1,
        not_before: NOW,
        expires: NOW + 86_400,
        identity: identity.verifying_key(),
        keys: NodeKeys {
            tls: Digest::of(&spki),
            receipts: receipts.verifying_key(),
            checkpoints: checkpoints.verifying_key(),
            hpke: HpkeKey([8; 32]),
        },
    };
    let request = terms.request(&receipts, &checkpoints).expect("terms");
    let delegation = Delegation::sign(request.as_bytes(), &identity).expect("a delegation");
    let seed = Zeroizing::new([6; 32]);
    let credentials = Credentials::new(&seed, delegation).expect("the key");
    credentials.certificate(NOW).expect("a certificate")
});

fuzz_target!(|input: Input| match input {
    Input::Any(bytes) => {
        let _ = Shown::read(&bytes, NOW);
    }
    Input::Changed(edits) => {
        let mut bytes = HONEST.clone();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        assert_eq!(Shown::read(&bytes, NOW).is_ok(), bytes == *HONEST);
    }
});

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}
