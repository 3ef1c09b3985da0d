//! A peer that breaks the protocol: it changes its own frames, one at a time.

use blindmatch_audit::receipt::Side;
use blindmatch_psi::{
    session::End,
    stop::{Abort, Blame, Stop},
};
use blindmatch_testkit::{
    Pumped,
    link::{Interceptor, Link},
    world::{World, items},
};

pub(super) const BATCH: &str = "blindmatch lookup batch v1";
pub(super) const ANSWER: &str = "blindmatch lookup answer v1";

/// Where the run's id and what follows it stand in a frame of this kind.
pub(super) const fn behind(context: &str) -> usize {
    1 + context.len()
}

pub(super) fn connect(world: &mut World, number: u8, link: &mut dyn Link) -> Pumped {
    let mut querier = world.querier_session(number, items(["a", "b"])).unwrap();
    let mut responder = world.responder_session(number).unwrap();
    world.pump(&mut querier, &mut responder, link)
}

/// Who broke off, and why; the other side was told the same.
pub(super) fn refusal(pumped: Pumped) -> (Side, Abort) {
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
pub(super) fn attack(
    side: Side,
    step: usize,
    change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
) -> (Side, Abort) {
    let mut link = Interceptor::new(side, step, change);
    let pumped = connect(&mut World::new(1, 8), 1, &mut link);
    assert!(link.acted());
    refusal(pumped)
}

/// The frames of either side: attach, batch or answer, receipt or countersignature.
pub(super) const STEPS: [(Side, usize); 6] = [
    (Side::Querier, 0),
    (Side::Querier, 1),
    (Side::Querier, 2),
    (Side::Responder, 0),
    (Side::Responder, 1),
    (Side::Responder, 2),
];

pub(super) fn other(side: Side) -> Side {
    match side {
        Side::Querier => Side::Responder,
        Side::Responder => Side::Querier,
    }
}

pub(super) fn elements(frame: &[u8], context: &str) -> Vec<[u8; 32]> {
    let start = behind(context) + 32 + 8 + 4;
    let (elements, _) = frame[start..start + 8 * 32].as_chunks();
    elements.to_vec()
}

/// A frame with other elements: numbers and all else as they were.
pub(super) fn with_elements(frame: &[u8], context: &str, elements: &[[u8; 32]]) -> Vec<u8> {
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
