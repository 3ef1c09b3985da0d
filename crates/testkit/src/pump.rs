use blindmatch_audit::receipt::Side;
use blindmatch_psi::session::{End, Session, Step};

use crate::{Clock, Host, link::Link};

/// How a connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pumped {
    /// How the querier's session ended; `None` where it still waits, or its power is gone.
    pub querier: Option<End>,
    /// How the responder's did.
    pub responder: Option<End>,
}

/// Runs two sessions over a link until both are done, or neither can go on.
///
/// # Panics
///
/// On sessions that never come to rest.
pub fn pump<'a>(
    querier: (&'a mut dyn Session, &'a mut Host),
    responder: (&'a mut dyn Session, &'a mut Host),
    link: &mut dyn Link,
    clock: &Clock,
) -> Pumped {
    let mut sides = [
        (Side::Querier, querier, None),
        (Side::Responder, responder, None),
    ];
    for _ in 0..1_000_000 {
        let mut moved = false;
        for index in 0..2 {
            let (side, (session, host), end) = &mut sides[index];
            if host.crashed() {
                continue;
            }
            match session.poll(clock.now(), host.rng()) {
                Step::Send(frame) => {
                    let frames = link.carry(*side, frame);
                    let (_, (peer, peer_host), _) = &mut sides[1 - index];
                    if !peer_host.crashed() {
                        frames.iter().for_each(|frame| peer.receive(frame));
                    }
                    moved = true;
                }
                Step::Work(work) => {
                    host.take_work(work);
                    moved = true;
                }
                Step::Store(store) => {
                    host.take_store(store);
                    moved = true;
                }
                step @ (Step::Wait | Step::Done(_)) => {
                    if let Step::Done(done) = step {
                        *end = Some(done);
                    }
                    if let Some(completion) = host.do_something() {
                        session.complete(completion);
                        moved = true;
                    }
                }
            }
        }
        if moved {
            continue;
        }
        let late = link.quiet();
        if late.is_empty() {
            let [(_, (_, querier), ended), (_, (_, responder), also)] = &mut sides;
            querier.forget();
            responder.forget();
            return Pumped {
                querier: *ended,
                responder: *also,
            };
        }
        for (from, frame) in late {
            let to = usize::from(from == Side::Querier);
            sides[to].1.0.receive(&frame);
        }
    }
    panic!("the sessions never come to rest");
}
