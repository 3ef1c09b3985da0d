//! Connections that are not what they claim, and runs that are run twice.

use blindmatch_audit::receipt::Side;
use blindmatch_psi::{
    attach::Attach,
    session::{End, Keys, MAX_FRAME, Record, Session, State, Step, Store, Work},
    stop::{Abort, Fault, Stop},
};
use blindmatch_testkit::{
    Host,
    link::{Faithful, Interceptor, Recorder},
    scripted,
    world::{SIGNER, World, items},
};
use rand::RngExt;

use super::peer::{attack, connect, other, refusal};

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

/// Two connections of one run, both alive: what the first has stored refuses other elements on the
/// second, and makes the same ones free.
#[test]
fn two_live_sessions_of_a_run_evaluate_one_batch_of_a_number() {
    let refused = End::Stopped(Stop::Abort(Abort::Transcript));
    for (seeds, end) in [([3, 4], refused), ([3, 3], End::Concluded)] {
        let mut world = World::new(1, 8);
        let sessions = [1, 2].map(|number| world.responder_session(number).unwrap());
        let mut ends = Vec::new();
        // A run that was begun before.
        let mut earlier = World::new(1, 8);
        connect(&mut earlier, 1, &mut Faithful);
        let mut attached = earlier.querier.journal.first().cloned();
        for ((number, mut responder), seed) in (1..).zip(sessions).zip(seeds) {
            // With no record but its counter the querier begins anew, with these blinds.
            let keys = std::mem::take(&mut world.querier.keys);
            world.querier = Host::new(keys, seed);
            world.querier.journal.extend(attached);
            let mut querier = world.querier_session(number, items(["a"])).unwrap();
            let pumped = world.pump(&mut querier, &mut responder, &mut Faithful);
            ends.extend(pumped.responder);
            attached = world.querier.journal.get(1).cloned();
        }
        assert_eq!(ends, [End::Concluded, end]);
        assert_eq!(world.responder.charged(), 8);
    }
}

/// A counter that one connection was begun under begins no other, on neither side.
#[test]
fn two_live_sessions_of_a_run_take_one_counter_once() {
    let mut world = World::new(1, 8);
    let mut sessions = [1, 2].map(|number| world.responder_session(number).unwrap());
    for (number, responder) in (1..).zip(&mut sessions) {
        // Without its records the querier begins anew, with counter 1.
        let keys = std::mem::take(&mut world.querier.keys);
        world.querier = Host::new(keys, 3);
        let mut querier = world.querier_session(number, items(["a"])).unwrap();
        let mut recorder = Recorder::default();
        let pumped = world.pump(&mut querier, responder, &mut recorder);
        if number == 1 {
            assert_eq!(pumped.responder, Some(End::Concluded));
        } else {
            assert_eq!(refusal(pumped), (Side::Responder, Abort::StaleAttach));
            let sent = recorder.sent_by(Side::Responder);
            assert_eq!(sent.len(), 1, "an abort, and no attach frame");
        }
    }

    let mut world = World::new(1, 8);
    let mut queriers = [1, 2].map(|number| world.querier_session(number, items(["a"])).unwrap());
    let mut ends = Vec::new();
    for (number, querier) in (1..).zip(&mut queriers) {
        let mut responder = world.responder_session(number).unwrap();
        let pumped = world.pump(querier, &mut responder, &mut Faithful);
        ends.extend(pumped.querier);
    }
    let refused = End::Stopped(Stop::Fault(Fault::Journal));
    assert_eq!(ends, [End::Concluded, refused]);
}

/// Whatever the order in which they are handed back.
#[test]
fn no_counter_up_to_the_largest_stored_is_taken() {
    let mut world = World::new(1, 8);
    let mut recorder = Recorder::default();
    connect(&mut world, 1, &mut recorder);
    let attach = &recorder.sent_by(Side::Querier)[0];
    let attached = world.responder.journal[0].clone();
    let Record::State(state) = &attached else {
        panic!("{attached:?}")
    };
    // The counter is at its end.
    let mut earlier = state.as_bytes().to_vec();
    assert_eq!(earlier.pop(), Some(1));
    earlier.push(0);
    let earlier = Record::State(State::from(earlier));
    for (journal, stale) in [
        (vec![earlier.clone()], false),
        (vec![earlier.clone(), attached.clone()], true),
        (vec![attached, earlier], true),
    ] {
        world.responder.journal = journal;
        let mut responder = world.responder_session(1).unwrap();
        responder.receive(attach);
        let mut poll = || responder.poll(world.clock.now(), &mut scripted(0));
        let first = poll();
        if stale {
            assert!(matches!(first, Step::Send(_)), "{first:?}");
            let Step::Done(end) = poll() else { panic!() };
            assert_eq!(end, End::Stopped(Stop::Abort(Abort::StaleAttach)));
        } else {
            assert!(matches!(first, Step::Store(_)), "{first:?}");
        }
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
