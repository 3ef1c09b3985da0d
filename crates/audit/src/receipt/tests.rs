#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ed25519_dalek::{Signer, SigningKey};

use super::*;

fn signed() -> (SignedReceipt, VerifyingKey, VerifyingKey) {
    let (querier, responder) = (
        SigningKey::from_bytes(&[1; 32]),
        SigningKey::from_bytes(&[2; 32]),
    );
    let receipt = Receipt {
        run: [7; 32],
        querier: b"blindmatch://c/alpha".to_vec(),
        responder: b"blindmatch://c/beta".to_vec(),
        querier_input: Input {
            commitment: [3; 32],
            class: 8,
        },
        responder_input: Input {
            commitment: [4; 32],
            class: 1024,
        },
        transcript: [5; 32],
    };
    let signed = SignedReceipt {
        querier: querier.sign(&receipt.signing_bytes(Side::Querier)),
        responder: Some(responder.sign(&receipt.signing_bytes(Side::Responder))),
        receipt,
    };
    (signed, querier.verifying_key(), responder.verifying_key())
}

#[test]
fn a_receipt_round_trips_and_verifies() {
    let (mut signed, querier, responder) = signed();
    let decoded = SignedReceipt::decode(&signed.encode()).unwrap();
    assert_eq!(decoded, signed);
    assert_eq!(decoded.verify(&querier, &responder), Ok(()));
    signed.responder = None;
    let decoded = SignedReceipt::decode(&signed.encode()).unwrap();
    assert_eq!(decoded, signed);
    assert_eq!(
        decoded.verify(&querier, &responder),
        Err(ReceiptError::Uncountersigned)
    );
}

#[test]
fn one_sides_signature_never_stands_for_the_others() {
    let (signed, querier, responder) = signed();
    let swapped = SignedReceipt {
        querier: signed.responder.unwrap(),
        responder: Some(signed.querier),
        ..signed.clone()
    };
    assert_eq!(
        swapped.verify(&querier, &responder),
        Err(ReceiptError::Signature(Side::Querier))
    );
    assert_eq!(
        swapped.verify(&responder, &querier),
        Err(ReceiptError::Signature(Side::Querier))
    );
    let twice = SignedReceipt {
        responder: Some(signed.querier),
        ..signed
    };
    assert_eq!(
        twice.verify(&querier, &querier),
        Err(ReceiptError::Signature(Side::Responder))
    );
}

/// Threat 35: no mutation of a signed receipt verifies.
#[test]
fn ten_thousand_mutations_are_refused() {
    let (signed, querier, responder) = signed();
    let bytes = signed.encode();
    let holds = |bytes: &[u8]| {
        SignedReceipt::decode(bytes).is_ok_and(|r| r.verify(&querier, &responder).is_ok())
    };
    assert!(holds(&bytes));
    let mut tried = 0;
    for index in 0..bytes.len() {
        for mask in 1..=255_u8 {
            let mut changed = bytes.clone();
            changed[index] ^= mask;
            assert!(!holds(&changed), "byte {index} ^ {mask:#x}");
            tried += 1;
        }
        assert!(!holds(&bytes[..index]), "cut at {index}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(SignedReceipt::decode(&longer), Err(DecodeError::Trailing));
    assert!(tried >= 10_000);
}

#[test]
fn claimed_lengths_are_refused_before_they_allocate() {
    let (signed, ..) = signed();
    let mut bytes = signed.receipt.encode();
    let length = 1 + RECEIPT.len() + 32;
    bytes[length..length + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Receipt::decode(&bytes), Err(DecodeError::TooLong));
}
