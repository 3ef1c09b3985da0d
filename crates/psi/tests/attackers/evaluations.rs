//! Wrong keys, proofs and elements, and batches that change.

use blindmatch_audit::{codec::Writer, receipt::Side};
use blindmatch_oprf::{SecretKey, voprf};
use blindmatch_psi::{
    session::{End, Keys},
    stop::{Abort, Stop},
};
use blindmatch_testkit::{
    link::{Faithful, Link, Recorder},
    scripted,
    world::{VIEW_KEY, World},
};

use super::peer::{
    ANSWER, BATCH, attack, behind, connect, elements, other, refusal, with_elements,
};

#[test]
fn another_key_for_one_client_is_caught() {
    let mut world = World::new(1, 8);
    let other = SecretKey::random(&mut scripted(99));
    world.responder.keys.insert_evaluation(VIEW_KEY, other);
    let pumped = connect(&mut world, 1, &mut Faithful);
    assert_eq!(refusal(pumped), (Side::Querier, Abort::Proof));
}

#[test]
fn another_key_for_one_element_is_caught() {
    let other = SecretKey::random(&mut scripted(99));
    for index in 0..8 {
        let world = World::new(1, 8);
        let key = world.responder.keys.evaluation_key(&VIEW_KEY).unwrap();
        let key = SecretKey::from_bytes(&*key.to_bytes()).unwrap();
        let mut link = Recorder::default();
        connect(&mut World::new(1, 8), 1, &mut link);
        let blinded = elements(&link.sent_by(Side::Querier)[1], BATCH);
        let (wrong, _) = voprf::blind_evaluate_batch(&other, &blinded, &[0; 32]).unwrap();
        // With the proof of the right batch, and with that of the mixed one as far as there is one.
        let (_, foreign) = voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]).unwrap();
        for proof in [None, Some(foreign.to_bytes())] {
            let refused = attack(Side::Responder, 1, |frame| {
                let mut evaluated = elements(&frame, ANSWER);
                evaluated[index] = wrong[index];
                let mut frame = with_elements(&frame, ANSWER, &evaluated);
                if let Some(proof) = proof {
                    let end = frame.len() - 64;
                    frame[end..].copy_from_slice(&proof);
                }
                vec![frame]
            });
            assert_eq!(refused, (Side::Querier, Abort::Proof), "element {index}");
        }
    }
}

#[test]
fn wrong_proofs_are_caught() {
    let with_proof = |proof: fn(&mut [u8])| {
        attack(Side::Responder, 1, |mut frame| {
            let start = frame.len() - 64;
            proof(&mut frame[start..]);
            vec![frame]
        })
    };
    assert_eq!(with_proof(|p| p[0] ^= 1), (Side::Querier, Abort::Proof));
    assert_eq!(with_proof(|p| p[32] ^= 1), (Side::Querier, Abort::Proof));
    assert_eq!(
        with_proof(|p| p.rotate_left(32)),
        (Side::Querier, Abort::Proof)
    );
    // Not scalars: zero, and the group's order or above.
    assert_eq!(with_proof(|p| p.fill(0)), (Side::Querier, Abort::Element));
    assert_eq!(
        with_proof(|p| p[31] = 0xff),
        (Side::Querier, Abort::Element)
    );
    assert_eq!(
        with_proof(|p| p[63] = 0xff),
        (Side::Querier, Abort::Element)
    );
}

#[test]
fn swapped_elements_are_caught() {
    for (side, context) in [(Side::Querier, BATCH), (Side::Responder, ANSWER)] {
        let refused = attack(side, 1, |frame| {
            let mut swapped = elements(&frame, context);
            swapped.swap(0, 7);
            vec![with_elements(&frame, context, &swapped)]
        });
        assert_eq!(refused, (Side::Querier, Abort::Proof));
    }
}

#[test]
fn identity_and_non_canonical_elements_are_refused_by_either_side() {
    let vectors = include_str!("../../../../spec/vectors/ristretto255.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let bad = vectors["invalid_encodings"].as_array().unwrap();
    let bad = bad
        .iter()
        .map(|bad| unhex(bad["encoding"].as_str().unwrap()));
    for bad in bad.chain([[0; 32]]) {
        for (side, context) in [(Side::Querier, BATCH), (Side::Responder, ANSWER)] {
            for index in [0, 7] {
                let refused = attack(side, 1, |frame| {
                    let mut changed = elements(&frame, context);
                    changed[index] = bad;
                    vec![with_elements(&frame, context, &changed)]
                });
                assert_eq!(refused, (other(side), Abort::Element));
            }
        }
    }
}

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

/// An answer of the same view, but to somebody else's question.
#[test]
fn answers_of_another_run_are_refused() {
    let mut recorder = Recorder::default();
    let mut other = World::new(1, 8);
    other.agreement.parties[0].nonce = [9; 32];
    other.querier = World::new(3, 8).querier;
    other.querier.keys = World::new(1, 8).querier.keys;
    connect(&mut other, 1, &mut recorder);
    let theirs = recorder.sent_by(Side::Responder)[1].clone();
    let refused = attack(Side::Responder, 1, |_| vec![theirs.clone()]);
    assert_eq!(refused, (Side::Querier, Abort::WrongRun));
    let refused = attack(Side::Responder, 1, |frame| {
        let mut forged = theirs.clone();
        let run = behind(ANSWER)..behind(ANSWER) + 32;
        forged[run.clone()].copy_from_slice(&frame[run]);
        vec![forged]
    });
    assert_eq!(refused, (Side::Querier, Abort::Proof));
}

/// The receipt states what was evaluated: a run evaluates the batches that were agreed, each as it
/// was asked first, and nothing beyond.
#[test]
fn a_resent_batch_with_one_element_changed_is_refused() {
    let changes: [fn(&mut Vec<[u8; 32]>); 2] = [
        |elements| elements.swap(0, 1),
        |elements| {
            let key = SecretKey::random(&mut scripted(5));
            let (other, _) = voprf::blind_evaluate_batch(&key, &elements[..1], &[0; 32]).unwrap();
            elements[3] = other[0];
        },
    ];
    let mut world = World::new(1, 8);
    let mut number = 0;
    let mut with_batch = |world: &mut World, change: Option<fn(&mut Vec<[u8; 32]>)>| {
        number += 1;
        // No answer of any connection arrives.
        let mut mute = Mute(|frame: Vec<u8>| {
            let mut asked = elements(&frame, BATCH);
            change.inspect(|change| change(&mut asked));
            with_elements(&frame, BATCH, &asked)
        });
        connect(world, number, &mut mute)
    };
    for _ in 0..3 {
        // The same again is free, as often as it is asked.
        with_batch(&mut world, None);
        assert_eq!(world.responder.charged(), 8);
        for change in changes {
            let pumped = with_batch(&mut world, Some(change));
            let refused = End::Stopped(Stop::Abort(Abort::Transcript));
            assert_eq!(pumped.responder, Some(refused));
            assert_eq!(world.responder.charged(), 8);
        }
    }
    // What it was charged for, it still gets.
    let pumped = connect(&mut world, 100, &mut Faithful);
    assert_eq!(pumped.querier, Some(End::Concluded));
    assert_eq!(world.responder.charged(), 8);
}

/// Changes batches and loses answers.
struct Mute<F>(F);

impl<F: FnMut(Vec<u8>) -> Vec<u8>> Link for Mute<F> {
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        match from {
            Side::Querier if frame.starts_with(&Writer::new(BATCH).finish()) => {
                vec![(self.0)(frame)]
            }
            Side::Responder if frame.starts_with(&Writer::new(ANSWER).finish()) => Vec::new(),
            _ => vec![frame],
        }
    }
}
