//! What depends on a record leaves only once that record is durable (`spec/30-session.md` §5).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::VecDeque, mem};

use blindmatch_psi::{
    lookup::Item,
    session::{End, Record, Session, Step, Store},
};
use blindmatch_testkit::{
    Keyring, Scripted, scripted,
    world::{SIGNER, VIEW_KEY, World, items},
};

/// Two sessions whose work is done and whose frames arrive at once, but whose disks take their
/// time: nothing becomes durable before both sides have come to rest without it.
struct SlowDisks<'a> {
    world: &'a World,
    sides: [Side<'a>; 2],
}

struct Side<'a> {
    name: &'static str,
    session: Box<dyn Session + 'a>,
    keys: &'a Keyring,
    rng: Scripted,
    waiting: VecDeque<Store>,
    ended: bool,
}

impl<'a> SlowDisks<'a> {
    fn begin(world: &'a World, queries: Vec<Item>) -> Self {
        let side = |name, session, keys, seed| Side {
            name,
            session,
            keys,
            rng: scripted(seed),
            waiting: VecDeque::new(),
            ended: false,
        };
        let querier = world.querier_session(1, queries).unwrap();
        let responder = world.responder_session(1).unwrap();
        let sides = [
            side("querier", Box::new(querier), &world.querier.keys, 1),
            side("responder", Box::new(responder), &world.responder.keys, 2),
        ];
        Self { world, sides }
    }

    /// Makes the oldest record durable that waits, the querier's first; gives its name.
    fn store_one(&mut self) -> Option<String> {
        let side = self
            .sides
            .iter_mut()
            .find(|side| !side.waiting.is_empty())?;
        let (record, completion) = side.waiting.pop_front()?.stored();
        let name = format!("{} has {}", side.name, record_name(&record));
        side.session.complete(completion);
        Some(name)
    }

    /// Lets both sides go on as far as they do without another record; gives what they did.
    fn rest(&mut self) -> Vec<String> {
        let now = self.world.clock.now();
        let mut done = Vec::new();
        loop {
            let before = done.len();
            for index in 0..2 {
                let side = &mut self.sides[index];
                let name = side.name;
                loop {
                    match side.session.poll(now, &mut side.rng) {
                        Step::Send(frame) => {
                            done.push(format!("{name} sends {}", name_of(&frame)));
                            self.sides[1 - index].session.receive(&frame);
                            break;
                        }
                        Step::Work(work) => {
                            let what = match work.key() {
                                Some(SIGNER) => "signs",
                                Some(VIEW_KEY) => "evaluates",
                                _ => "computes",
                            };
                            done.push(format!("{name} {what} {}", work.elements()));
                            side.session.complete(work.run(side.keys));
                        }
                        Step::Store(store) => side.waiting.push_back(store),
                        Step::Done(end) => {
                            if !mem::replace(&mut side.ended, true) {
                                assert_eq!(end, End::Concluded, "{name}");
                                done.push(format!("{name} concludes"));
                            }
                            break;
                        }
                        Step::Wait => break,
                    }
                }
            }
            if done.len() == before {
                return done;
            }
        }
    }
}

fn record_name(record: &Record) -> String {
    match record {
        Record::Debit(debit) => format!("debit {}", debit.batch),
        Record::State(state) => name_of(state.as_bytes()),
        Record::Spent { .. } => "spent".to_owned(),
        Record::Receipt(signed) if signed.responder.is_none() => "its own signature".to_owned(),
        Record::Receipt(_) => "both signatures".to_owned(),
    }
}

/// The kind of a frame or state, with the number of its batch where it has one.
fn name_of(bytes: &[u8]) -> String {
    let (length, rest) = bytes.split_first().unwrap();
    let (context, rest) = rest.split_at(usize::from(*length));
    let context = std::str::from_utf8(context).unwrap();
    let kind = context
        .trim_start_matches("blindmatch ")
        .trim_end_matches(" v1");
    match kind.strip_prefix("lookup ") {
        // Behind the run.
        Some(kind) => format!("{kind} {}", rest.get(39).unwrap()),
        None => kind.to_owned(),
    }
}

#[test]
fn nothing_leaves_before_what_it_depends_on_is_durable() {
    let world = World::new(31, 5120);
    let queries = items((0..4100).map(|i| format!("item {i}")));
    let mut run = SlowDisks::begin(&world, queries);
    // Batches are made ready while the first of it is stored; what they are asks nothing of the peer.
    assert_eq!(
        run.rest(),
        ["querier computes 4096", "querier computes 1024"]
    );
    // What each record lets happen, and nothing sooner.
    let expected: [(&str, &[&str]); 13] = [
        (
            "querier has attached state",
            &["querier signs 1", "querier sends attach"],
        ),
        ("querier has blinds state 1", &[]),
        ("querier has blinds state 2", &[]),
        (
            "responder has attached state",
            &[
                "responder signs 1",
                "responder sends attach",
                "querier sends batch 1",
                "querier sends batch 2",
            ],
        ),
        (
            "responder has debit 1",
            &[
                "responder evaluates 4096",
                "responder sends answer 1",
                "querier computes 4096",
            ],
        ),
        ("querier has outputs state 1", &[]),
        (
            "responder has debit 2",
            &[
                "responder evaluates 1024",
                "responder sends answer 2",
                "querier computes 1024",
                // Signed while the outputs are being stored, and stored behind them.
                "querier signs 1",
            ],
        ),
        ("querier has outputs state 2", &[]),
        (
            "querier has its own signature",
            &["querier sends receipt frame", "responder signs 1"],
        ),
        // Nothing waits for these two.
        ("responder has answered state 1", &[]),
        ("responder has answered state 2", &[]),
        (
            "responder has both signatures",
            &["responder sends countersignature", "responder concludes"],
        ),
        ("querier has both signatures", &["querier concludes"]),
    ];
    for (record, consequences) in expected {
        assert_eq!(run.store_one().as_deref(), Some(record));
        assert_eq!(run.rest(), consequences, "{record}");
    }
    assert_eq!(run.store_one(), None);
}
