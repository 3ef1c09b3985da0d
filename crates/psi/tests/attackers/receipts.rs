//! Receipts and countersignatures about something else.

use blindmatch_audit::{
    SigningKey,
    codec::Writer,
    receipt::{Receipt, Side},
};
use blindmatch_psi::{session::Keys, stop::Abort};
use blindmatch_testkit::{
    link::{Interceptor, Recorder},
    world::{SIGNER, World, items},
};
use ed25519_dalek::Signer;

use super::peer::{attack, behind, connect, refusal};

#[test]
fn receipts_about_anything_else_are_refused() {
    let keys = World::new(1, 8);
    let sign = |message: &[u8]| keys.querier.keys.sign(&SIGNER, message).unwrap();
    let context = behind("blindmatch receipt frame v1");
    let read = |frame: &[u8]| Receipt::decode(&frame[context + 32 + 4..frame.len() - 64]).unwrap();
    let changes: [fn(&mut Receipt); 7] = [
        |r| r.transcript[0] ^= 1,
        |r| r.querier.push(0),
        |r| r.responder.clear(),
        |r| r.querier_input.class = 10,
        |r| r.querier_input.commitment[0] ^= 1,
        |r| r.responder_input.class = 2048,
        |r| r.responder_input.commitment[0] ^= 1,
    ];
    for change in changes {
        let refused = attack(Side::Querier, 2, |frame| {
            let mut receipt = read(&frame);
            change(&mut receipt);
            vec![receipt_frame(&receipt, &sign)]
        });
        assert_eq!(refused, (Side::Responder, Abort::Receipt));
    }
    // Another run's receipt in this run's frame.
    let refused = attack(Side::Querier, 2, |frame| {
        let mut receipt = read(&frame);
        receipt.run[0] ^= 1;
        let mut forged = receipt_frame(&receipt, &sign);
        forged[context] ^= 1;
        vec![forged]
    });
    assert_eq!(refused, (Side::Responder, Abort::Receipt));
    // Not signed by the querier.
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let refused = attack(Side::Querier, 2, |frame| {
        vec![receipt_frame(&read(&frame), &|message: &[u8]| {
            stranger.sign(message)
        })]
    });
    assert_eq!(refused, (Side::Responder, Abort::Signature));
    // Before everything was asked and answered.
    let mut recorder = Recorder::default();
    connect(&mut World::new(1, 8), 1, &mut recorder);
    let receipt = recorder.sent_by(Side::Querier)[2].clone();
    let refused = attack(Side::Querier, 1, |_| vec![receipt.clone()]);
    assert_eq!(refused, (Side::Responder, Abort::UnexpectedFrame));
}

fn receipt_frame(receipt: &Receipt, key: &impl Fn(&[u8]) -> ed25519_dalek::Signature) -> Vec<u8> {
    let signature = key(&receipt.signing_bytes(Side::Querier));
    Writer::new("blindmatch receipt frame v1")
        .fixed(&receipt.run)
        .bytes(&receipt.encode())
        .fixed(&signature.to_bytes())
        .finish()
}

#[test]
fn countersignatures_that_are_none_are_refused_and_nothing_opens() {
    let mut recorder = Recorder::default();
    connect(&mut World::new(1, 8), 1, &mut recorder);
    let receipt = recorder.sent_by(Side::Querier)[2].clone();
    let own = receipt[receipt.len() - 64..].to_vec();
    let forgeries = [
        |signature: &mut [u8], _: &[u8]| signature[0] ^= 1,
        |signature: &mut [u8], _: &[u8]| signature.fill(0),
        |signature: &mut [u8], own: &[u8]| signature.copy_from_slice(own),
    ];
    for forge in forgeries {
        let mut world = World::new(1, 8);
        let mut querier = world.querier_session(1, items(["a", "b"])).unwrap();
        let mut responder = world.responder_session(1).unwrap();
        let mut link = Interceptor::new(Side::Responder, 2, |mut frame: Vec<u8>| {
            let start = frame.len() - 64;
            forge(&mut frame[start..], &own);
            vec![frame]
        });
        let pumped = world.pump(&mut querier, &mut responder, &mut link);
        assert_eq!(refusal(pumped), (Side::Querier, Abort::Signature));
        assert!(querier.concluded().is_none());
    }
}
