//! Peers that break the lookup protocol, each with the exact refusal (threats 6, 9, 10, 12 to 14,
//! 17 and 35 of the threat table).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::{
    SigningKey,
    codec::Writer,
    receipt::{Receipt, Side},
};
use blindmatch_oprf::{SecretKey, voprf};
use blindmatch_psi::{
    attach::Attach,
    session::{End, Keys, MAX_FRAME, Record, Session, State, Step, Store, Work},
    stop::{Abort, Blame, Fault, Stop},
};
use blindmatch_testkit::{
    Host, Pumped,
    link::{Faithful, Interceptor, Link, Recorder},
    scripted,
    world::{SIGNER, VIEW_KEY, World, items},
};
use ed25519_dalek::Signer;
use rand::RngExt;

const BATCH: &str = "blindmatch lookup batch v1";
const ANSWER: &str = "blindmatch lookup answer v1";

/// Where the run's id and what follows it stand in a frame of this kind.
const fn behind(context: &str) -> usize {
    1 + context.len()
}

fn connect(world: &mut World, number: u8, link: &mut dyn Link) -> Pumped {
    let mut querier = world.querier_session(number, items(["a", "b"])).unwrap();
    let mut responder = world.responder_session(number).unwrap();
    world.pump(&mut querier, &mut responder, link)
}

/// Who broke off, and why; the other side was told the same.
fn refusal(pumped: Pumped) -> (Side, Abort) {
    let refusal = match (pumped.querier, pumped.responder) {
        (Some(End::Stopped(Stop::Abort(abort))), Some(End::Stopped(Stop::PeerAborted(told)))) => {
            assert_eq!(abort, told);
            (Side::Querier, abort)
        }
        (Some(End::Stopped(Stop::PeerAborted(told))), Some(End::Stopped(Stop::Abort(abort)))) => {
            assert_eq!(abort, told);
            (Side::Responder, abort)
        }
        // The responder was done already.
        (Some(End::Stopped(Stop::Abort(abort))), Some(End::Concluded)) => (Side::Querier, abort),
        other => panic!("no refusal: {other:?}"),
    };
    assert_eq!(Stop::Abort(refusal.1).blame(), Blame::Peer);
    assert_eq!(Stop::PeerAborted(refusal.1).blame(), Blame::Disputed);
    refusal
}

/// Runs a world in which `side` changes its frame number `step`.
fn attack(side: Side, step: usize, change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>) -> (Side, Abort) {
    attack_in(&mut World::new(1, 8), side, step, change)
}

fn attack_in(
    world: &mut World,
    side: Side,
    step: usize,
    change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
) -> (Side, Abort) {
    let mut link = Interceptor::new(side, step, change);
    let pumped = connect(world, 1, &mut link);
    assert!(link.acted());
    refusal(pumped)
}

/// The frames of either side: attach, batch or answer, receipt or countersignature.
const STEPS: [(Side, usize); 6] = [
    (Side::Querier, 0),
    (Side::Querier, 1),
    (Side::Querier, 2),
    (Side::Responder, 0),
    (Side::Responder, 1),
    (Side::Responder, 2),
];

fn other(side: Side) -> Side {
    match side {
        Side::Querier => Side::Responder,
        Side::Responder => Side::Querier,
    }
}

fn elements(frame: &[u8], context: &str) -> Vec<[u8; 32]> {
    let start = behind(context) + 32 + 8 + 4;
    let (elements, _) = frame[start..start + 8 * 32].as_chunks();
    elements.to_vec()
}

/// A frame with other elements: numbers and all else as they were.
fn with_elements(frame: &[u8], context: &str, elements: &[[u8; 32]]) -> Vec<u8> {
    let start = behind(context) + 32 + 8;
    let end = start + 4 + 8 * 32;
    let count = u32::try_from(elements.len()).unwrap().to_be_bytes();
    [
        &frame[..start],
        &count,
        elements.as_flattened(),
        &frame[end..],
    ]
    .concat()
}

fn with_number(frame: &[u8], context: &str, number: u64) -> Vec<u8> {
    let start = behind(context) + 32;
    [&frame[..start], &number.to_be_bytes(), &frame[start + 8..]].concat()
}

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
    let vectors = include_str!("../../../spec/vectors/ristretto255.json");
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

#[test]
fn frames_sent_twice_are_refused() {
    let refusals = STEPS.map(|(side, step)| attack(side, step, |frame| vec![frame.clone(), frame]));
    assert_eq!(
        refusals,
        [
            (Side::Responder, Abort::UnexpectedFrame),
            (Side::Responder, Abort::BatchNumber),
            (Side::Responder, Abort::UnexpectedFrame),
            (Side::Querier, Abort::UnexpectedFrame),
            (Side::Querier, Abort::BatchNumber),
            (Side::Querier, Abort::UnexpectedFrame),
        ]
    );
}

/// Each frame in the place of each other one of its side.
#[test]
fn frames_out_of_order_are_refused() {
    let mut recorder = Recorder::default();
    connect(&mut World::new(1, 8), 1, &mut recorder);
    for (side, step) in STEPS {
        let frames = recorder.sent_by(side);
        for (instead, frame) in frames.iter().enumerate().filter(|(i, _)| *i != step) {
            let (refusing, abort) = attack(side, step, |_| vec![frame.clone()]);
            assert_eq!(refusing, other(side), "{side:?} {step}: {instead}");
            // An answer replayed in place of a countersignature is one out of place, and so on:
            // every frame has one place only.
            let expected = match (side, step, instead) {
                (Side::Querier, 2, 1) => Abort::BatchNumber,
                _ => Abort::UnexpectedFrame,
            };
            assert_eq!(abort, expected, "{side:?} {step}: {instead}");
        }
        // And the frames of the other side, sent back: of a kind that only the other side reads,
        // or, an attach frame, of its own side.
        for frame in recorder.sent_by(other(side)) {
            let (refusing, abort) = attack(side, step, |_| vec![frame.clone()]);
            assert_eq!(refusing, other(side), "{side:?} {step}");
            let expected = match Attach::decode(&frame) {
                Ok(_) => Abort::UnexpectedFrame,
                Err(_) => Abort::Malformed,
            };
            assert_eq!(abort, expected, "{side:?} {step}");
        }
    }
}

#[test]
fn a_captured_session_replays_nowhere() {
    let mut world = World::new(1, 8);
    let mut recorder = Recorder::default();
    connect(&mut world, 1, &mut recorder);
    let attack = |world: &World, number, frames: &[Vec<u8>]| {
        let mut responder = world.responder_session(number).unwrap();
        for frame in frames {
            responder.receive(frame);
        }
        let told = responder.poll(world.clock.now(), &mut scripted(0));
        assert!(matches!(told, Step::Send(_)));
        responder.poll(world.clock.now(), &mut scripted(0))
    };
    let stopped = |step: Step| match step {
        Step::Done(End::Stopped(Stop::Abort(abort))) => abort,
        other => panic!("not stopped: {other:?}"),
    };
    let frames = recorder.sent_by(Side::Querier);
    // On a new connection, on the same one as if it were new, without its beginning.
    assert_eq!(stopped(attack(&world, 2, &frames)), Abort::WrongConnection);
    assert_eq!(stopped(attack(&world, 1, &frames)), Abort::StaleAttach);
    assert_eq!(
        stopped(attack(&world, 1, &frames[1..])),
        Abort::UnexpectedFrame
    );
    // In another run between the same two with all else equal.
    let mut rerun = World::new(1, 8);
    rerun.agreement.parties[0].nonce = [9; 32];
    assert_eq!(stopped(attack(&rerun, 1, &frames)), Abort::WrongRun);
    // From a querier that is somebody else.
    let mut stranger = World::new(1, 8);
    stranger.querier_key = World::new(2, 8).querier_key;
    assert_eq!(stopped(attack(&stranger, 1, &frames)), Abort::Signature);
    assert_eq!(world.responder.charged(), 8);

    // The responder's frames, played back to a querier that resumes.
    let mut querier = world.querier_session(1, items(["a", "b"])).unwrap();
    assert!(matches!(
        querier.poll(world.clock.now(), &mut scripted(0)),
        Step::Done(End::Concluded)
    ));
    world
        .querier
        .journal
        .retain(|record| !matches!(record, Record::Receipt(_)));
    let replayed = recorder.sent_by(Side::Responder);
    let mut play = Interceptor::new(Side::Responder, 0, |_| replayed[..1].to_vec());
    let pumped = connect(&mut world, 1, &mut play);
    assert_eq!(refusal(pumped), (Side::Querier, Abort::StaleAttach));
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

/// Two connections of one run, both alive: what the first has stored refuses other elements on the
/// second, and makes the same ones free.
#[test]
fn two_live_sessions_of_a_run_evaluate_one_batch_of_a_number() {
    let refused = End::Stopped(Stop::Abort(Abort::Transcript));
    for (seeds, end) in [([3, 4], refused), ([3, 3], End::Concluded)] {
        let mut world = World::new(1, 8);
        let sessions = [1, 2].map(|number| world.responder_session(number).unwrap());
        let mut ends = Vec::new();
        for ((number, mut responder), seed) in (1..).zip(sessions).zip(seeds) {
            // Without its records the querier begins anew, with counter 1 and these blinds.
            let keys = std::mem::take(&mut world.querier.keys);
            world.querier = Host::new(keys, seed);
            let mut querier = world.querier_session(number, items(["a"])).unwrap();
            let pumped = world.pump(&mut querier, &mut responder, &mut Faithful);
            ends.extend(pumped.responder);
        }
        assert_eq!(ends, [End::Concluded, end]);
        assert_eq!(world.responder.charged(), 8);
    }
}

/// A second session of the run that came as far as the receipt signs no other one.
#[test]
fn two_live_sessions_of_a_run_sign_one_receipt() {
    let mut whole = World::new(1, 8);
    connect(&mut whole, 1, &mut Faithful);
    let signed = whole.responder.journal.pop();
    let Some(Record::Receipt(mut signed)) = signed else {
        panic!("{signed:?}")
    };
    for same in [true, false] {
        let mut world = World::new(1, 8);
        let mut querier = world.querier_session(1, items(["a", "b"])).unwrap();
        let mut responder = world.responder_session(1).unwrap();
        // What another session of the run stores in the meantime.
        signed.receipt.transcript[0] ^= u8::from(!same);
        world
            .responder
            .journal
            .push(Record::Receipt(signed.clone()));
        let mut recorder = Recorder::default();
        let pumped = world.pump(&mut querier, &mut responder, &mut recorder);
        if same {
            assert_eq!(pumped.responder, Some(End::Concluded));
        } else {
            assert_eq!(refusal(pumped), (Side::Responder, Abort::Transcript));
            let sent = recorder.sent_by(Side::Responder);
            assert_eq!(sent.len(), 3, "attach, answer, abort; no countersignature");
        }
    }
}

#[test]
fn frames_of_another_run_are_refused() {
    for (side, step) in STEPS {
        let refused = attack(side, step, |mut frame| {
            let context = usize::from(frame[0]);
            frame[1 + context] ^= 1;
            vec![frame]
        });
        assert_eq!(refused, (other(side), Abort::WrongRun), "{side:?} {step}");
    }
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

#[test]
fn truncated_frames_are_refused_at_every_length() {
    for (side, step) in STEPS {
        let mut recorder = Recorder::default();
        connect(&mut World::new(1, 8), 1, &mut recorder);
        let length = recorder.sent_by(side)[step].len();
        for kept in 0..length {
            let (refusing, abort) = attack(side, step, |mut frame| {
                frame.truncate(kept);
                vec![frame]
            });
            assert_eq!(refusing, other(side));
            // Without the whole of its run's id, a frame is of no run.
            let expected = [Abort::Malformed, Abort::WrongRun];
            assert!(
                expected.contains(&abort),
                "{side:?} {step} {kept}: {abort:?}"
            );
        }
    }
}

#[test]
fn oversized_frames_are_refused() {
    for (side, step) in STEPS {
        for length in [1, MAX_FRAME] {
            let refused = attack(side, step, |mut frame| {
                frame.resize(frame.len() + length, 0);
                vec![frame]
            });
            assert_eq!(refused, (other(side), Abort::Malformed), "{side:?} {step}");
        }
    }
}

#[test]
fn claimed_counts_are_refused_before_they_allocate() {
    for (side, context) in [(Side::Querier, BATCH), (Side::Responder, ANSWER)] {
        let count = behind(context) + 32 + 8;
        for claimed in [4097, 1 << 16, 1 << 31, u32::MAX] {
            let refused = attack(side, 1, |mut frame| {
                frame[count..count + 4].copy_from_slice(&claimed.to_be_bytes());
                vec![frame]
            });
            assert_eq!(refused, (other(side), Abort::Malformed), "{claimed}");
        }
        // A count that the frame bears out, but that was not agreed.
        for agreed_not in [0, 1, 7, 9, 4096] {
            let refused = attack(side, 1, |frame| {
                let element = elements(&frame, context)[0];
                vec![with_elements(&frame, context, &vec![element; agreed_not])]
            });
            assert_eq!(refused, (other(side), Abort::BatchSize), "{agreed_not}");
        }
        for number in [0, 2, 1 << 31, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
            let refused = attack(side, 1, |frame| vec![with_number(&frame, context, number)]);
            assert_eq!(refused, (other(side), Abort::BatchNumber), "{number}");
        }
    }
}

/// The signature of one side of a world under an attach frame that it would not make.
fn forged_attach(
    world: &World,
    side: Side,
    change: impl Fn(&mut Attach),
) -> impl Fn(Vec<u8>) -> Vec<Vec<u8>> {
    let host = match side {
        Side::Querier => &world.querier,
        Side::Responder => &world.responder,
    };
    move |frame| {
        let (mut attach, _) = Attach::decode(&frame).unwrap();
        change(&mut attach);
        let signature = host.keys.sign(&SIGNER, &attach.signing_bytes()).unwrap();
        vec![attach.encode(&signature)]
    }
}

#[test]
fn dishonest_attach_frames_are_refused() {
    let keys = World::new(1, 8);
    for side in [Side::Querier, Side::Responder] {
        let with = |change: fn(&mut Attach)| {
            let (refusing, abort) = attack(side, 0, forged_attach(&keys, side, change));
            assert_eq!(refusing, other(side));
            abort
        };
        assert_eq!(with(|a| a.digest[0] ^= 1), Abort::Transcript);
        assert_eq!(with(|a| a.batch = 2), Abort::BatchNumber);
        assert_eq!(with(|a| a.batch = 1 << 63), Abort::BatchNumber);
        assert_eq!(with(|a| a.batch = u64::MAX), Abort::BatchNumber);
        assert_eq!(with(|a| a.counter = 0), Abort::StaleAttach);
        assert_eq!(with(|a| a.exporter[5] ^= 1), Abort::WrongConnection);
        assert_eq!(with(|a| a.run.0[5] ^= 1), Abort::WrongRun);
        // Signed by nobody, by somebody else, and by ourselves.
        let (refusing, abort) = attack(side, 0, |mut frame| {
            let end = frame.len();
            frame[end - 40] ^= 1;
            vec![frame]
        });
        assert_eq!((refusing, abort), (other(side), Abort::Signature));
        let strangers = World::new(2, 8);
        let refused = attack(side, 0, forged_attach(&strangers, side, |_| {}));
        assert_eq!(refused, (other(side), Abort::Signature));
        let refused = attack(
            side,
            0,
            forged_attach(&keys, other(side), |a| {
                a.side = other(a.side);
            }),
        );
        assert_eq!(refused, (other(side), Abort::UnexpectedFrame));
    }
    // Only the responder's word binds on the counter that the querier chose.
    let refused = attack(
        Side::Responder,
        0,
        forged_attach(&keys, Side::Responder, |a| a.counter += 1),
    );
    assert_eq!(refused, (Side::Querier, Abort::StaleAttach));
}

/// A run has one receipt: neither side goes back behind its signature under it.
#[test]
fn a_signed_run_is_not_run_again() {
    let keys = World::new(1, 8);
    let mut world = World::new(1, 8);
    connect(&mut world, 1, &mut Faithful);
    world.querier.journal.clear();
    let mut again = Interceptor::new(
        Side::Querier,
        0,
        forged_attach(&keys, Side::Querier, |a| a.counter = 2),
    );
    let pumped = connect(&mut world, 2, &mut again);
    assert_eq!(refusal(pumped), (Side::Responder, Abort::Transcript));
    assert_eq!(world.responder.charged(), 8);

    // The responder forgets; the querier has signed and cannot repeat what it signed.
    let mut world = World::new(1, 8);
    let mut mute = Interceptor::new(Side::Responder, 2, |_| Vec::new());
    connect(&mut world, 1, &mut mute);
    let blinds = |state: &State| {
        state
            .as_bytes()
            .starts_with(b"\x21blindmatch lookup blinds state v1")
    };
    let records = &mut world.querier.journal;
    let before = records.len();
    records.retain(|record| !matches!(record, Record::State(state) if blinds(state)));
    assert_eq!(records.len() + 1, before);
    world.responder.journal.clear();
    let pumped = connect(&mut world, 2, &mut Faithful);
    assert_eq!(refusal(pumped), (Side::Querier, Abort::Transcript));
}

#[test]
fn more_batches_than_the_window_holds_are_refused() {
    // Four batches and one more, sent without a poll in between.
    let mut world = World::new(1, 20_480);
    let mut recorder = Recorder::default();
    let mut querier = world.querier_session(1, Vec::new()).unwrap();
    let mut responder = world.responder_session(1).unwrap();
    world.pump(&mut querier, &mut responder, &mut OnlyAttach::default());
    let mut other = World::new(1, 20_480);
    let mut querier = other.querier_session(1, Vec::new()).unwrap();
    let mut honest = other.responder_session(1).unwrap();
    let pumped = other.pump(&mut querier, &mut honest, &mut recorder);
    assert_eq!(pumped.querier, Some(End::Concluded));
    let batches = &recorder.sent_by(Side::Querier)[1..6];
    let mut rng = scripted(0);
    for batch in batches {
        responder.receive(batch);
    }
    let now = world.clock.now();
    assert!(matches!(responder.poll(now, &mut rng), Step::Send(_)));
    let stop = responder.poll(now, &mut rng);
    assert!(
        matches!(stop, Step::Done(End::Stopped(Stop::Abort(Abort::Window)))),
        "{stop:?}"
    );
}

/// Carries the first frame of each side.
#[derive(Default)]
struct OnlyAttach {
    seen: Vec<Side>,
}

impl Link for OnlyAttach {
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        if self.seen.contains(&from) {
            return Vec::new();
        }
        self.seen.push(from);
        vec![frame]
    }
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

/// One bit of any frame flipped: the querier never ends as if nothing had been.
#[test]
fn no_bit_of_any_frame_is_idle() {
    let mut recorder = Recorder::default();
    connect(&mut World::new(1, 8), 1, &mut recorder);
    for (side, step) in STEPS {
        let bits = 8 * recorder.sent_by(side)[step].len();
        for bit in (0..bits).step_by(5) {
            let (_, abort) = attack(side, step, |mut frame| {
                frame[bit / 8] ^= 1 << (bit % 8);
                vec![frame]
            });
            assert_ne!(abort, Abort::Internal, "{side:?} {step} bit {bit}");
        }
    }
}

#[test]
fn an_abort_ends_this_run_only() {
    let code = |world: &World, code| {
        Writer::new("blindmatch abort v1")
            .fixed(&world.terms().run().0)
            .u8(code)
            .finish()
    };
    let world = World::new(1, 8);
    let told = |frame: &[u8]| {
        let mut responder = world.responder_session(1).unwrap();
        responder.receive(frame);
        loop {
            match responder.poll(world.clock.now(), &mut scripted(0)) {
                Step::Done(end) => return end,
                Step::Wait => panic!("not over"),
                _ => {}
            }
        }
    };
    let proof = End::Stopped(Stop::PeerAborted(Abort::Proof));
    assert_eq!(told(&code(&world, Abort::Proof.code())), proof);
    let malformed = End::Stopped(Stop::Abort(Abort::Malformed));
    for unknown in [0, 17, 255] {
        assert_eq!(told(&code(&world, unknown)), malformed);
    }
    assert_eq!(told(&code(&World::new(2, 8), 12)), malformed);
    assert_eq!(told(b""), malformed);
}

/// Frames of two runs, completions in any order, polls in between: a session always comes to an
/// end that it names, and concludes only where its receipt holds.
#[test]
fn sessions_take_any_operations_in_any_order() {
    let mut recorder = Recorder::default();
    connect(&mut World::new(1, 8), 1, &mut recorder);
    let mut frames: Vec<Vec<u8>> = recorder
        .frames
        .into_iter()
        .map(|(_, frame)| frame)
        .collect();
    let mut recorder = Recorder::default();
    connect(&mut World::new(2, 8), 1, &mut recorder);
    frames.extend(recorder.frames.into_iter().map(|(_, frame)| frame));
    let mut ends = std::collections::HashSet::new();
    for seed in 0..2000 {
        let mut rng = scripted(seed);
        let mut world = World::new(1, 8);
        let mut querier = world.querier_session(1, items(["a", "b"])).unwrap();
        let mut responder = world.responder_session(1).unwrap();
        let (session, host): (&mut dyn Session, _) = if rng.random() {
            (&mut querier, &mut world.querier)
        } else {
            (&mut responder, &mut world.responder)
        };
        let (mut work, mut stores) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            match rng.random_range(0..10) {
                0 => session.receive(&frames[rng.random_range(0..frames.len())]),
                1 => {
                    let mut frame = frames[rng.random_range(0..frames.len())].clone();
                    let index = rng.random_range(0..frame.len());
                    frame[index] = rng.random();
                    session.receive(&frame);
                }
                2 if !work.is_empty() => {
                    let next: Work = work.swap_remove(rng.random_range(0..work.len()));
                    session.complete(next.run(&host.keys));
                }
                3 if !stores.is_empty() => {
                    let next: Store = stores.swap_remove(rng.random_range(0..stores.len()));
                    session.complete(match rng.random_range(0..8) {
                        0 => next.refused(),
                        _ => next.stored().1,
                    });
                }
                // Mostly the frames that belong here, so that runs get somewhere.
                4 | 5 => session.receive(&frames[rng.random_range(0..6)]),
                _ => match session.poll(world.clock.now(), &mut rng) {
                    Step::Work(next) => work.push(next),
                    Step::Store(next) => stores.push(next),
                    Step::Done(end) => {
                        ends.insert(end);
                    }
                    Step::Send(frame) => assert!(frame.len() <= MAX_FRAME),
                    Step::Wait => {}
                },
            }
        }
    }
    let stopped = |stop| ends.contains(&End::Stopped(stop));
    assert!(stopped(Stop::Abort(Abort::UnexpectedFrame)), "{ends:?}");
    assert!(stopped(Stop::Abort(Abort::WrongRun)), "{ends:?}");
    assert!(stopped(Stop::Fault(Fault::Storage)), "{ends:?}");
    assert!(!stopped(Stop::Fault(Fault::Completion)), "{ends:?}");
}
