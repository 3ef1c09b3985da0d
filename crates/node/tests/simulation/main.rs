//! Whole nodes on a virtual clock, over links and on disks that fail as a seed has it; and members
//! who try to get more answers than they have budget for.
//!
//! A seed decides everything that matters for the order of events, so it plays the same world each
//! time. `cargo test` plays some, and always those that once found a fault. Any number:
//!
//! ```text
//! BLINDMATCH_SEEDS=10000 cargo test --release -p blindmatch-node --test simulation -- --ignored --nocapture
//! ```
//!
//! `BLINDMATCH_SEED` is the first of them, and `BLINDMATCH_LINES` how much is said of one that fails.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_wrap,
    reason = "tests"
)]

mod around;
mod attackers;
mod disk;
mod net;
mod schedule;
mod tally;
mod world;

use std::num::NonZero;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Mutex;
use std::thread;

use blindmatch_testkit::crash::number;

use crate::schedule::Played;
use crate::world::{ALL, FEW, Template};

/// Seeds of worlds that once found a fault.
const KEPT: [u64; 8] = [
    // A run that the responder had no more kept its view from being asked.
    2, 30, 66, 77,
    // Of the world itself: who removed a member is restored to before that; a delegation ends and the
    // clock goes back; a set is handed to a node that is down; a key comes back with a loss of power.
    745, 1286, 1326, 1807,
];
/// The same of attackers.
const KEPT_ATTACKERS: [u64; 0] = [];

type Play = fn(&Rc<Template>, u64) -> Played;

/// A play, and how many members it has.
const WORLDS: (Play, usize) = (schedule::play, FEW);
const DEATHS: (Play, usize) = (schedule::play_death, FEW);
const ATTACKS: (Play, usize) = (attackers::play, ALL);

/// Sums of what happened.
#[derive(Debug, Default)]
struct Sums {
    worlds: u64,
    kills: usize,
    lines: usize,
    answered: u64,
    charged: u64,
}

/// Plays the worlds of seeds on all cores; gives what the first failed with that did.
fn play_all((play, members): (Play, usize), seeds: impl Iterator<Item = u64> + Send) {
    let seeds = Mutex::new(seeds);
    let (sums, failed) = (Mutex::new(Sums::default()), Mutex::new(Vec::new()));
    let next = || seeds.lock().unwrap().next();
    let work = || {
        let template = Rc::new(Template::new(members));
        while let Some(seed) = next() {
            let played = play(&template, seed);
            let mut sums = sums.lock().unwrap();
            sums.worlds += 1;
            sums.kills += played.kills;
            sums.lines += played.trace.len();
            sums.answered += played.evaluations.0;
            sums.charged += played.evaluations.1;
            if let Err(error) = played.outcome {
                let lines = usize::try_from(number("LINES", 40)).unwrap();
                let from = played.trace.len().saturating_sub(lines);
                println!("{}\nseed {seed}: {error}", played.trace[from..].join("\n"));
                failed.lock().unwrap().push(seed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    println!("{:?}", sums.into_inner().unwrap());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}

/// As many seeds as the environment says.
fn seeds(usual: u64) -> Range<u64> {
    let from = number("SEED", 0);
    from..from + number("SEEDS", usual)
}

#[test]
fn worlds() {
    play_all(WORLDS, KEPT.into_iter().chain(100..600));
}

/// Wherever in a batch somebody dies, the nights behind that are as if he had not.
#[test]
fn whoever_dies_at_any_message_is_not_stuck() {
    play_all(DEATHS, (0..160).step_by(5));
}

#[test]
#[ignore = "long"]
fn whoever_dies_at_any_message_is_not_stuck_long() {
    play_all(DEATHS, 0..160);
}

#[test]
#[ignore = "long"]
fn worlds_long() {
    play_all(WORLDS, seeds(10_000));
}

#[test]
fn budgets_hold_against_attackers() {
    play_all(ATTACKS, KEPT_ATTACKERS.into_iter().chain(0..200));
}

/// What `SECURITY.md` says of members who work together.
#[test]
fn colluders_get_what_each_of_them_may() {
    play_all((attackers::play_dictionary, ALL), 0..10);
}

#[test]
#[ignore = "long"]
fn budgets_hold_against_attackers_long() {
    play_all(ATTACKS, seeds(1_000));
}

#[test]
fn a_seed_replays() {
    for (play, members) in [WORLDS, ATTACKS] {
        for seed in seeds(6) {
            // Homes, keys and all that is drawn at random are others each time.
            let traces = [(); 2].map(|()| play(&Rc::new(Template::new(members)), seed).trace);
            let [first, second] = &traces;
            for (number, (first, second)) in first.iter().zip(second).enumerate() {
                assert_eq!(first, second, "seed {seed}, line {number}");
            }
            assert_eq!(first.len(), second.len(), "seed {seed}");
        }
    }
}
