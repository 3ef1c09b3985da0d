//! Batch against peers that break the protocol, connections that break, and machines that lose
//! power: nothing is evaluated or sent a second time, and what is refused names its offence.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_audit::receipt::Side;
use blindmatch_psi::{
    batch::{Concluded, Labels, Own, setup::SetupTerms},
    conformance::Labelled,
    lookup::Item,
    session::{End, MAX_FRAME, Record},
    stop::{Abort, Blame, Fault, Stop},
};
use blindmatch_testkit::{
    Pumped,
    batch::{BatchWorld, set_up, setup_terms},
    link::{Interceptor, Link, Recorder},
    world::items,
};

const MASKED: &str = "blindmatch batch masked v1";
const ANSWER: &str = "blindmatch batch answer v1";

fn queries() -> Vec<Item> {
    items(["a", "x", "c"])
}

fn set() -> Vec<Labelled> {
    let label = |item| (item, [7; 24]);
    items(["a", "b", "c"]).into_iter().map(label).collect()
}

fn world() -> BatchWorld {
    BatchWorld::new(1, 1024, 1024, Labels::Sealed)
}

/// F8 of three pieces, and F9 of seven.
fn large() -> BatchWorld {
    BatchWorld::new(1, 16_384, 16_384, Labels::Sealed)
}

fn connect(world: &mut BatchWorld, number: u8, link: &mut dyn Link) -> Pumped {
    let mut querier = world.querier_session(number, queries()).unwrap();
    let mut responder = world.responder_session(number, set()).unwrap();
    world.pump(&mut querier, &mut responder, link)
}

/// Who broke off, and why; the other side was told the same.
fn refusal(pumped: Pumped) -> (Side, Abort) {
    match (pumped.querier, pumped.responder) {
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
    }
}

fn attack(
    mut world: BatchWorld,
    side: Side,
    step: usize,
    change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
) -> (Side, Abort) {
    let mut link = Interceptor::new(side, step, change);
    let pumped = connect(&mut world, 1, &mut link);
    assert!(link.acted());
    let refusal = refusal(pumped);
    assert_eq!(Stop::Abort(refusal.1).blame(), Blame::Peer);
    refusal
}

const fn other(side: Side) -> Side {
    match side {
        Side::Querier => Side::Responder,
        Side::Responder => Side::Querier,
    }
}

/// Attach, F8 or F9, receipt or countersignature.
const STEPS: [(Side, usize); 6] = [
    (Side::Querier, 0),
    (Side::Querier, 1),
    (Side::Querier, 2),
    (Side::Responder, 0),
    (Side::Responder, 1),
    (Side::Responder, 2),
];

#[test]
fn frames_sent_twice_cut_or_too_long_are_refused() {
    for (side, step) in STEPS {
        let (refusing, abort) = attack(world(), side, step, |frame| vec![frame.clone(), frame]);
        assert_eq!(refusing, other(side), "{side:?} {step}");
        assert!(
            matches!(abort, Abort::UnexpectedFrame | Abort::BatchNumber),
            "{side:?} {step}: {abort:?}"
        );
        for kept in [0, 1, 40, 60, 80] {
            let cut = attack(world(), side, step, |mut frame| {
                frame.truncate(kept);
                vec![frame]
            });
            assert_eq!(cut.0, other(side));
            assert!(
                matches!(cut.1, Abort::Malformed | Abort::WrongRun),
                "{cut:?}"
            );
        }
        for length in [1, MAX_FRAME] {
            let longer = attack(world(), side, step, |mut frame| {
                frame.resize(frame.len() + length, 0);
                vec![frame]
            });
            assert_eq!(longer, (other(side), Abort::Malformed), "{side:?} {step}");
        }
        let wrong_run = attack(world(), side, step, |mut frame| {
            let context = usize::from(frame[0]);
            frame[1 + context] ^= 1;
            vec![frame]
        });
        assert_eq!(wrong_run, (other(side), Abort::WrongRun));
    }
}

#[test]
fn frames_out_of_order_are_refused() {
    let mut recorder = Recorder::default();
    connect(&mut world(), 1, &mut recorder);
    for (side, step) in STEPS {
        let all = [recorder.sent_by(side), recorder.sent_by(other(side))];
        for (own, frames) in [true, false].into_iter().zip(all) {
            for (instead, frame) in frames.into_iter().enumerate() {
                if own && instead == step {
                    continue;
                }
                let (refusing, abort) = attack(world(), side, step, |_| vec![frame.clone()]);
                assert_eq!(refusing, other(side), "{side:?} {step}: {instead}");
                assert!(
                    matches!(
                        abort,
                        Abort::UnexpectedFrame | Abort::Malformed | Abort::BatchNumber
                    ),
                    "{side:?} {step}: {instead} {abort:?}"
                );
            }
        }
    }
}

/// Behind context and run: the number of a piece, its length, its bytes.
const fn piece(context: &str) -> usize {
    1 + context.len() + 32
}

#[test]
fn pieces_have_one_number_and_one_length() {
    for (side, context) in [(Side::Querier, MASKED), (Side::Responder, ANSWER)] {
        let start = piece(context);
        for number in [0_u64, 2, 1 << 32, u64::MAX] {
            let refused = attack(world(), side, 1, |mut frame| {
                frame[start..start + 8].copy_from_slice(&number.to_be_bytes());
                vec![frame]
            });
            assert_eq!(refused, (other(side), Abort::BatchNumber));
        }
        for change in [-16_i32, -1, 1, 16] {
            let refused = attack(world(), side, 1, |mut frame| {
                let length = frame.len() - start - 12;
                let length = length.checked_add_signed(change as isize).unwrap();
                frame.resize(start + 12 + length, 0);
                let length = u32::try_from(length).unwrap();
                frame[start + 8..start + 12].copy_from_slice(&length.to_be_bytes());
                vec![frame]
            });
            assert_eq!(
                refused,
                (other(side), Abort::BatchSize),
                "{side:?} {change}"
            );
        }
        let claimed = attack(world(), side, 1, |mut frame| {
            frame[start + 8..start + 12].copy_from_slice(&u32::MAX.to_be_bytes());
            vec![frame]
        });
        assert_eq!(claimed, (other(side), Abort::Malformed));
        // A piece that is missing, where there are several.
        let missing = attack(large(), side, 2, |_| Vec::new());
        assert_eq!(missing, (other(side), Abort::BatchNumber));
    }
}

/// What stands at a place of F9 may be changed by whoever sends it.
fn answer_with(change: impl Fn(&mut [u8])) -> (Pumped, Vec<Vec<u8>>) {
    let mut world = world();
    let start = piece(ANSWER) + 12;
    struct Changing<F>(F, Recorder, usize);
    impl<F: Fn(&mut [u8])> Link for Changing<F> {
        fn carry(&mut self, from: Side, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
            if from == Side::Responder && frame.len() > 10_000 {
                (self.0)(&mut frame[self.2..]);
            }
            self.1.carry(from, frame)
        }
    }
    let mut link = Changing(change, Recorder::default(), start);
    let pumped = connect(&mut world, 1, &mut link);
    let frames = link.1.sent_by(Side::Querier);
    (pumped, frames)
}

#[test]
fn an_answer_that_does_not_hold_is_refused_whatever_the_items_are() {
    let tags = 48..15_408;
    for (at, expected) in [
        (0, Abort::Check),
        (47, Abort::Check),
        (tags.end - 1, Abort::Malformed),
    ] {
        let (pumped, frames) = answer_with(|f9| f9[at] ^= 0x80);
        assert_eq!(refusal(pumped), (Side::Querier, expected), "{at}");
        // Attach, F8, abort: no receipt.
        assert_eq!(frames.len(), 3);
    }
    let (pumped, _) = answer_with(|f9| f9[tags.clone()].fill(0xff));
    assert_eq!(refusal(pumped), (Side::Querier, Abort::Malformed));
}

/// The querier signs for an answer whose labels are all bad as for any other; who sent it finds
/// nothing out by it.
#[test]
fn what_a_querier_sends_depends_on_no_label() {
    let lengths = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
    let (honest, ours) = answer_with(|_| ());
    assert_eq!(honest.querier, Some(End::Concluded));
    let (planted, theirs) = answer_with(|f9| f9[15_408..].iter_mut().for_each(|byte| *byte ^= 1));
    // Here the responder is honest, and knows of another answer than the querier's receipt does.
    assert_eq!(refusal(planted), (Side::Responder, Abort::Receipt));
    assert_eq!(lengths(&ours), lengths(&theirs));
    assert_eq!(ours[..2], theirs[..2]);
    // The same for items of which none matches.
    let mut world = world();
    let mut querier = world.querier_session(1, items(["p", "q", "r"])).unwrap();
    let mut responder = world.responder_session(1, set()).unwrap();
    let mut link = Recorder::default();
    world.pump(&mut querier, &mut responder, &mut link);
    assert_eq!(lengths(&link.sent_by(Side::Querier)), lengths(&ours));
}

fn of_kind(frames: &[Vec<u8>], context: &str) -> usize {
    let is = |frame: &&Vec<u8>| frame[1..].starts_with(context.as_bytes());
    frames.iter().filter(is).count()
}

/// Connects again after a first connection that broke: the run is concluded or over. Nothing of F8
/// is sent on both of them, and every F9 is the same.
fn recover(world: &mut BatchWorld, first: &Recorder) -> End {
    let answers = |recorder: &Recorder| -> Vec<Vec<u8>> {
        let frames = recorder.sent_by(Side::Responder).into_iter();
        frames
            .filter(|frame| frame[1..].starts_with(ANSWER.as_bytes()))
            .collect()
    };
    world.querier.records_until_crash = None;
    world.responder.records_until_crash = None;
    let mut querier = world.querier_session(2, queries()).unwrap();
    let mut responder = world.responder_session(2, set()).unwrap();
    let mut link = Recorder::default();
    let pumped = world.pump(&mut querier, &mut responder, &mut link);
    let masked = [first, &link].map(|link| of_kind(&link.sent_by(Side::Querier), MASKED));
    assert!(masked.contains(&0), "F8 was sent twice");
    let (earlier, later) = (answers(first), answers(&link));
    assert!(
        earlier.iter().zip(&later).all(|(a, b)| a == b),
        "another F9"
    );
    match (pumped.querier, pumped.responder) {
        (Some(End::Concluded), Some(End::Concluded)) => {
            let concluded = querier.concluded().unwrap();
            let states = || BatchWorld::states(&world.querier.journal);
            let terms = world.terms();
            let concluded = if concluded.has_own() {
                concluded
            } else {
                let own = Own::restore(&terms, &mut queries(), states()).unwrap();
                concluded.with_own(own)
            };
            let matches = concluded.matches(&terms, states()).unwrap();
            let found: Vec<_> = matches.found.iter().map(|found| found.item).collect();
            assert_eq!(found, [0, 2]);
            End::Concluded
        }
        (Some(end @ End::Stopped(Stop::Abort(Abort::Spent))), _)
        | (_, Some(end @ End::Stopped(Stop::Abort(Abort::Spent)))) => {
            assert_eq!(Stop::Abort(Abort::Spent).blame(), Blame::Nobody);
            end
        }
        // The querier had both signatures.
        (Some(End::Concluded), None) => End::Concluded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_that_loses_power_anywhere_never_uses_its_setup_twice() {
    for make in [world as fn() -> BatchWorld, large] {
        for side in [Side::Querier, Side::Responder] {
            let (mut concluded, mut spent) = (0, 0);
            for records in 1..30 {
                let mut world = make();
                let host = match side {
                    Side::Querier => &mut world.querier,
                    Side::Responder => &mut world.responder,
                };
                host.records_until_crash = Some(records);
                let mut link = Recorder::default();
                let pumped = connect(&mut world, 1, &mut link);
                if pumped.querier == Some(End::Concluded)
                    && pumped.responder == Some(End::Concluded)
                {
                    break;
                }
                match recover(&mut world, &link) {
                    End::Concluded => concluded += 1,
                    End::Stopped(_) => spent += 1,
                }
                let debits = world.responder.journal.iter();
                let debits = debits.filter(|record| matches!(record, Record::Debit(_)));
                assert!(debits.count() <= 1);
                assert_eq!(world.responder.charged() % 2048, 0);
            }
            assert!(concluded >= 3 && spent >= 2, "{side:?} {concluded} {spent}");
        }
    }
}

#[test]
fn a_connection_that_breaks_anywhere_never_uses_a_setup_twice() {
    struct Cut(Recorder, usize);
    impl Link for Cut {
        fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
            if self.0.frames.len() == self.1 {
                return Vec::new();
            }
            self.0.carry(from, frame)
        }
    }
    for make in [world as fn() -> BatchWorld, large] {
        let mut recorder = Recorder::default();
        connect(&mut make(), 1, &mut recorder);
        let (mut concluded, mut spent) = (0, 0);
        for frames in 0..recorder.frames.len() {
            let mut world = make();
            let mut link = Cut(Recorder::default(), frames);
            connect(&mut world, 1, &mut link);
            match recover(&mut world, &link.0) {
                End::Concluded => concluded += 1,
                End::Stopped(_) => spent += 1,
            }
        }
        assert!(concluded >= 4 && spent >= 1, "{concluded} {spent}");
    }
}

#[test]
fn a_setup_serves_one_run() {
    let mut first = world();
    connect(&mut first, 1, &mut Recorder::default());
    // Another run under the same setup, whose halves were not destroyed, at the same nodes.
    for (querier, responder) in [(true, false), (false, true), (true, true)] {
        let mut second = BatchWorld::new(2, 1024, 1024, Labels::Sealed);
        let mut ours = second.querier_session(1, queries()).unwrap();
        let mut theirs = second.responder_session(1, set()).unwrap();
        if querier {
            second.querier.spent.clone_from(&first.querier.spent);
        }
        if responder {
            second.responder.spent.clone_from(&first.responder.spent);
        }
        let mut link = Recorder::default();
        let pumped = second.pump(&mut ours, &mut theirs, &mut link);
        let refusing = if querier {
            Side::Querier
        } else {
            Side::Responder
        };
        assert_eq!(refusal(pumped), (refusing, Abort::Spent));
        let masked = of_kind(&link.sent_by(Side::Querier), MASKED);
        assert_eq!(masked, usize::from(!querier));
        assert_eq!(of_kind(&link.sent_by(Side::Responder), ANSWER), 0);
    }
}

#[test]
fn nothing_is_evaluated_beyond_the_budget() {
    let mut world = world();
    world.responder.budget = 2047;
    let mut link = Recorder::default();
    let pumped = connect(&mut world, 1, &mut link);
    assert_eq!(refusal(pumped), (Side::Responder, Abort::Budget));
    assert_eq!(of_kind(&link.sent_by(Side::Responder), ANSWER), 0);
    assert_eq!(world.responder.charged(), 0);
    let mut world = self::world();
    world.responder.budget = 2048;
    connect(&mut world, 1, &mut link);
    assert_eq!(
        (world.responder.charged(), world.responder.budget),
        (2048, 0)
    );
}

#[test]
fn other_items_than_those_that_were_sealed_are_refused() {
    let mut world = world();
    let mut querier = world.querier_session(1, queries()).unwrap();
    let mut responder = world.responder_session(1, set()).unwrap();
    world.pump(&mut querier, &mut responder, &mut Recorder::default());
    let terms = world.terms();
    let states = || BatchWorld::states(&world.querier.journal);
    let restore = |texts: &[&str]| Own::restore(&terms, &mut items(texts), states()).err();
    assert_eq!(restore(&["a", "x", "c"]), None);
    for texts in [
        &["a", "c", "x"][..],
        &["a", "x"],
        &["a", "x", "c", "d"],
        &[],
    ] {
        assert_eq!(restore(texts), Some(Fault::Items), "{texts:?}");
    }
    // And restored, they give the same matches.
    let signed = world
        .querier
        .journal
        .iter()
        .rev()
        .find_map(|record| match record {
            Record::Receipt(signed) => Some(signed.as_ref().clone()),
            _ => None,
        });
    let own = Own::restore(&terms, &mut queries(), states()).unwrap();
    let keys = (&world.querier_key, &world.responder_key);
    let again = Concluded::restore(signed.unwrap(), keys.0, keys.1, own).unwrap();
    let again = again.matches(&terms, states()).unwrap();
    let once = querier.concluded().unwrap();
    assert_eq!(again, once.matches(&terms, states()).unwrap());
}

#[test]
fn setups_are_refused_where_they_do_not_hold() {
    let terms = setup_terms(1024, Labels::None);
    let attack = |side, step, change: &dyn Fn(&mut Vec<u8>)| {
        let mut link = Interceptor::new(side, step, |mut frame| {
            change(&mut frame);
            vec![frame]
        });
        let (pumped, halves) = set_up(&terms, 5, &mut link);
        assert!(halves.is_none());
        refusal(pumped)
    };
    let context = 1 + "blindmatch batch setup flight v1".len() + 32;
    let body = context + 1 + 4 + 4;
    let flights = [
        (Side::Responder, 0),
        (Side::Querier, 0),
        (Side::Responder, 1),
        (Side::Querier, 1),
        (Side::Responder, 2),
        (Side::Querier, 2),
        (Side::Responder, 3),
    ];
    for (side, step) in flights {
        let cut = attack(side, step, &|frame| {
            frame.pop();
        });
        assert_eq!(cut, (other(side), Abort::Malformed), "{side:?} {step}");
        let number = attack(side, step, &|frame| frame[context] ^= 8);
        assert_eq!(number, (other(side), Abort::UnexpectedFrame));
        let chunk = attack(side, step, &|frame| frame[context + 4] ^= 1);
        assert_eq!(chunk, (other(side), Abort::UnexpectedFrame));
    }
    // An element that is none: in F1 behind the commitment, in F2 in front.
    for (side, at) in [(Side::Responder, body + 32), (Side::Querier, body)] {
        let refused = attack(side, 0, &|frame| frame[at..at + 32].fill(0xff));
        assert_eq!(refused, (other(side), Abort::Element));
    }
    // F4 (its first hash), F5 (the θ of a tree: caught at F7), F7.
    for (side, step, at, refusing) in [
        (Side::Querier, 1, body, Side::Responder),
        (Side::Responder, 2, body + 32 * 4, Side::Querier),
        (Side::Responder, 3, body, Side::Querier),
    ] {
        let refused = attack(side, step, &|frame| frame[at] ^= 1);
        assert_eq!(refused, (refusing, Abort::Check), "{side:?} {step}");
    }
}

#[test]
fn terms_that_do_not_fit_are_refused() {
    let world = world();
    let changes: [fn(&mut SetupTerms); 6] = [
        |terms| terms.class = 1280,
        |terms| terms.labels = Labels::None,
        |terms| terms.consortium.push(0),
        |terms| terms.querier.push(0),
        |terms| std::mem::swap(&mut terms.querier, &mut terms.responder),
        |terms| terms.querier_nonce[0] ^= 1,
    ];
    for change in changes {
        let mut setup = world.setup.clone();
        change(&mut setup);
        let mut other = BatchWorld::new(1, 1024, 1024, Labels::Sealed);
        // Another setup than the agreed one.
        other.setup = setup.clone();
        let direction = &other.agreement.directions[0];
        let until = blindmatch_psi::session::UnixSeconds(u64::MAX);
        let terms =
            |setup| blindmatch_psi::batch::Terms::new(&other.agreement, direction, setup, until);
        assert_eq!(terms(&setup).err(), Some(Fault::Terms));
        assert!(terms(&world.setup).is_ok());
        assert_ne!(setup.id(), world.setup.id());
    }
}
