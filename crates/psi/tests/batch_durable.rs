//! What depends on a record leaves only once that record is durable (`spec/34-batch.md` §4).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::VecDeque;

use blindmatch_psi::{
    batch::Labels,
    session::{End, Record, Session, Step, Store},
};
use blindmatch_testkit::{Keyring, Scripted, batch::BatchWorld, scripted, world::items};

struct Side<'a> {
    name: &'static str,
    session: Box<dyn Session + 'a>,
    keys: &'a Keyring,
    rng: Scripted,
    waiting: VecDeque<Store>,
    ended: bool,
}

/// Lets both sides go on as far as they do without another record; gives what they sent.
fn rest(world: &BatchWorld, sides: &mut [Side<'_>; 2]) -> Vec<String> {
    let mut sent = Vec::new();
    let mut moved = true;
    while moved {
        moved = false;
        for index in 0..2 {
            let side = &mut sides[index];
            match side.session.poll(world.clock.now(), &mut side.rng) {
                Step::Send(frame) => {
                    sent.push(format!("{} sends {}", side.name, kind(&frame)));
                    sides[1 - index].session.receive(&frame);
                    moved = true;
                }
                Step::Work(work) => {
                    let completion = work.run(side.keys);
                    side.session.complete(completion);
                    moved = true;
                }
                Step::Store(store) => {
                    side.waiting.push_back(store);
                    moved = true;
                }
                Step::Wait => {}
                Step::Done(end) if !side.ended => {
                    assert_eq!(end, End::Concluded);
                    side.ended = true;
                    sent.push(format!("{} concludes", side.name));
                }
                Step::Done(_) => {}
            }
        }
    }
    sent
}

fn kind(bytes: &[u8]) -> String {
    let context = std::str::from_utf8(&bytes[1..=usize::from(bytes[0])]).unwrap();
    let kind = context.trim_start_matches("blindmatch ");
    kind.trim_end_matches(" v1").to_owned()
}

fn record_name(record: &Record) -> String {
    match record {
        Record::Debit(debit) => format!("debit {}", debit.batch),
        Record::Spent { .. } => "spent".to_owned(),
        Record::State(state) => kind(state.as_bytes()),
        Record::Receipt(signed) if signed.responder.is_none() => "its own signature".to_owned(),
        Record::Receipt(_) => "both signatures".to_owned(),
    }
}

#[test]
fn nothing_leaves_before_what_it_depends_on_is_durable() {
    // F8 of three pieces, F9 of two.
    let world = BatchWorld::new(41, 16_384, 16_384, Labels::None);
    let queries = items((0..100).map(|n| n.to_string()));
    let set = queries.iter().cloned().map(|item| (item, [0; 24]));
    let querier = world.querier_session(1, queries.clone()).unwrap();
    let responder = world.responder_session(1, set.collect()).unwrap();
    let side = |name, session, keys, seed| Side {
        name,
        session,
        keys,
        rng: scripted(seed),
        waiting: VecDeque::new(),
        ended: false,
    };
    let mut sides: [Side<'_>; 2] = [
        side("querier", Box::new(querier), &world.querier.keys, 1),
        side("responder", Box::new(responder), &world.responder.keys, 2),
    ];
    assert!(rest(&world, &mut sides).is_empty());
    const NOTHING: &[&str] = &[];
    let masked = "querier sends batch masked";
    let answer = "responder sends batch answer";
    // What each record lets happen, and nothing sooner.
    let expected: [(&str, &[&str]); 17] = [
        ("querier has attached state", &["querier sends attach"]),
        ("responder has attached state", &["responder sends attach"]),
        ("querier has batch sealed state", NOTHING),
        // All of F8 but its last piece.
        ("querier has spent", &[masked, masked]),
        ("querier has batch sent state", &[masked]),
        ("responder has debit 1", NOTHING),
        ("responder has spent", NOTHING),
        ("responder has batch answer state", NOTHING),
        ("responder has batch answer state", NOTHING),
        // Only when all of it is stored.
        ("responder has batch answered state", &[answer, answer]),
        ("querier has batch answer state", NOTHING),
        ("querier has batch answer state", NOTHING),
        ("querier has batch answered state", NOTHING),
        (
            "querier has its own signature",
            &["querier sends receipt frame"],
        ),
        (
            "responder has both signatures",
            &["responder sends countersignature", "responder concludes"],
        ),
        ("querier has both signatures", &["querier concludes"]),
        ("", NOTHING),
    ];
    for (record, consequences) in expected {
        let Some(side) = sides.iter_mut().find(|side| !side.waiting.is_empty()) else {
            assert_eq!(record, "");
            break;
        };
        let (stored, completion) = side.waiting.pop_front().unwrap().stored();
        assert_eq!(
            format!("{} has {}", side.name, record_name(&stored)),
            record
        );
        side.session.complete(completion);
        assert_eq!(rest(&world, &mut sides), consequences, "{record}");
    }
    assert!(sides.iter().all(|side| side.ended));
}
