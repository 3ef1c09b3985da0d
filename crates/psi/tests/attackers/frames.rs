//! Frames that are malformed, out of place, too long or of another run.

use blindmatch_audit::{codec::Writer, receipt::Side};
use blindmatch_psi::{
    attach::Attach,
    session::{End, MAX_FRAME, Session, Step},
    stop::{Abort, Stop},
};
use blindmatch_testkit::{
    link::{Link, Recorder},
    scripted,
    world::World,
};

use super::peer::{ANSWER, BATCH, STEPS, attack, behind, connect, elements, other, with_elements};

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

fn with_number(frame: &[u8], context: &str, number: u64) -> Vec<u8> {
    let start = behind(context) + 32;
    [&frame[..start], &number.to_be_bytes(), &frame[start + 8..]].concat()
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
    for unknown in [0, 19, 255] {
        assert_eq!(told(&code(&world, unknown)), malformed);
    }
    assert_eq!(told(&code(&World::new(2, 8), 12)), malformed);
    assert_eq!(told(b""), malformed);
}
