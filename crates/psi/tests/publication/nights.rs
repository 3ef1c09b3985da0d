//! One element more or less between two nights: whoever sees the files, the differences and the frames
//! of runs cannot say which night had it. `cargo test` plays some hundreds of each; ten thousand:
//!
//! ```text
//! cargo test --release -p blindmatch-psi --test publication nights -- --ignored --nocapture
//! ```

use blindmatch_audit::receipt::Side;
use blindmatch_psi::publication::DummySeed;
use blindmatch_psi::session::End;
use blindmatch_testkit::guess::{Seen, guessed, is_chance};
use blindmatch_testkit::link::Recorder;
use blindmatch_testkit::scripted;
use blindmatch_testkit::world::{World, items};
use rand_core::Rng;

use crate::world::{Responder, Step, item, label, output};

const FEW: u64 = 100;
const MANY: u64 = 10_000;
/// Of a view of this class there come and go so many on a day.
const D: usize = 4;

/// What becomes of a set of a thousand numbers and more in a night: how many it has, how many leave, how
/// many come.
type Night = (u64, u64, u64);

/// Nights of which nobody knows which it was.
const ALIKE: [(&str, Night, Night); 6] = [
    ("nothing, or one withdrawn", (600, 0, 0), (600, 1, 0)),
    ("nothing, or one added", (600, 0, 0), (600, 0, 1)),
    ("one withdrawn, or two", (600, 1, 0), (600, 2, 0)),
    ("one replaced, or not", (600, 2, 1), (600, 3, 2)),
    ("all the room, or one less", (600, 4, 4), (600, 4, 3)),
    ("a set of one more", (600, 2, 2), (601, 2, 2)),
];
/// A night that shows: the next class.
const SHOWS: (Night, Night) = ((900, 0, 0), (901, 0, 0));

/// What a peer has of a night: the lengths of both files and of the difference, and the difference.
fn published(trial: u64, (size, leave, come): Night) -> (Vec<u64>, Vec<u8>) {
    let name = format!("trial {trial}");
    let number = |at: u64| (output(&name, at), label(at));
    let mut responder = Responder::begin_as(
        DummySeed::new(*output("seed", trial).first_chunk().unwrap()),
        trial,
        (0..size).map(number),
    );
    let before = responder.file.len();
    let removals: Vec<_> = (0..leave).map(|at| number(at).0).collect();
    let additions: Vec<_> = (size..size + come).map(number).collect();
    let Step { difference, .. } = responder.change(&removals, &additions).unwrap();
    let lengths = [before, responder.file.len(), difference.len()];
    (lengths.map(|length| length as u64).into(), difference)
}

/// The lengths, and all in the difference that is not a sealed label.
fn night(trial: u64, night: Night) -> Vec<u64> {
    let (mut seen, difference) = published(trial, night);
    let (_, rest) = difference.split_at(90);
    let (labels, codes) = rest.split_at(40 * D);
    let ones = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
    };
    seen.extend([ones(labels), ones(codes)]);
    // Places in C = 1,024 entries, Rice coded with parameter 8 in ⌊(10·D + 7)/8⌋ bytes.
    let (places, tags) = codes.split_at((10 * D).div_ceil(8));
    seen.extend(unpacked(places));
    let used = |bytes: &[u8]| {
        bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1)
    };
    seen.extend([places, tags].map(|bytes| used(bytes) as u64));
    seen.extend(
        tags.chunks_exact(8)
            .map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())),
    );
    seen
}

/// The entries that leave.
fn unpacked(places: &[u8]) -> Vec<u64> {
    let bits = places
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut bits = bits.map(u64::from);
    let (mut found, mut next) = (Vec::new(), 0);
    for _ in 0..D {
        let quotient = bits.by_ref().take_while(|bit| *bit == 1).count() as u64;
        let low = (0..8).fold(0, |low, _| low << 1 | bits.next().unwrap());
        next += quotient << 8 | low;
        found.push(next);
        next += 1;
    }
    found
}

/// Each night as often as the other, in an order that nobody can foresee.
fn played(trials: u64, seed: u64, mut see: impl FnMut(u64, bool) -> Vec<u64>) -> Vec<Seen> {
    let mut rng = scripted(seed);
    let trials = (0..trials).map(|trial| {
        let second = rng.next_u32() & 1 == 1;
        (second, see(trial, second))
    });
    trials.collect()
}

fn nights_are_alike(trials: u64) {
    for (seed, (name, one, other)) in (0..).zip(ALIKE) {
        let seen = played(trials, seed, |trial, second| {
            night(trial + (seed << 32), if second { other } else { one })
        });
        let (right, of) = guessed(&seen);
        println!("{name}: {right} of {of} guessed, {trials} nights seen");
        assert!(is_chance((right, of)), "{name}: {right} of {of}");
        let lengths = |numbers: &Vec<u64>| numbers[..3].to_vec();
        let first = lengths(&seen[0].1);
        assert!(seen.iter().all(|(_, numbers)| lengths(numbers) == first));
    }
}

#[test]
fn one_element_between_two_nights_is_not_seen() {
    nights_are_alike(FEW);
}

#[test]
#[ignore = "long"]
fn one_element_between_two_nights_is_not_seen_long() {
    nights_are_alike(MANY);
}

/// A guesser who cannot win shows nothing.
#[test]
fn what_shows_is_guessed() {
    let (one, other) = SHOWS;
    let seen = played(60, 1, |trial, second| {
        published(trial, if second { other } else { one }).0
    });
    assert_eq!(guessed(&seen), (30, 30));
    // Nor one that overlooks what is a little more frequent.
    let seen = played(4_000, 2, |trial, second| {
        let bits = u64::from_be_bytes(*item(trial).first_chunk().unwrap());
        vec![
            7,
            bits.count_ones().into(),
            (bits % 8).max(u64::from(second)),
        ]
    });
    let guessed = guessed(&seen);
    assert!(!is_chance(guessed), "{guessed:?}");
}

/// What the network sees of a run about a set of so many, of which so many are asked for: how many frames
/// there are of each side, and their lengths, those of the receipt among them.
fn run(trial: u64, served: usize, asked: usize) -> Vec<u64> {
    let named = |name: &str, count: usize| {
        let texts: Vec<_> = (0..count).map(|at| format!("{name}{at}-{trial}")).collect();
        items(&texts)
    };
    let set: Vec<_> = named("item", served)
        .into_iter()
        .map(|one| (one, [7; 24]))
        .collect();
    let mut world = World::serving(trial, 8, &set);
    let mut querier = world.querier_session(1, named("item", asked)).unwrap();
    let mut responder = world.responder_session(1).unwrap();
    let mut link = Recorder::default();
    let pumped = world.pump(&mut querier, &mut responder, &mut link);
    assert_eq!(pumped.querier, Some(End::Concluded));
    let mut seen = vec![world.file.len() as u64];
    for side in [Side::Querier, Side::Responder] {
        let frames = link.sent_by(side);
        seen.push(frames.len() as u64);
        seen.extend(frames.iter().map(|frame| frame.len() as u64));
    }
    seen
}

fn runs_are_alike(trials: u64) {
    let games = [
        ("one more is held", (20, 4), (21, 4)),
        ("one more is asked for, and found", (20, 4), (20, 5)),
        ("one less is found", (5, 5), (4, 5)),
    ];
    for (seed, (name, one, other)) in (10..).zip(games) {
        let seen = played(trials, seed, |trial, second| {
            let (served, asked) = if second { other } else { one };
            run(trial + (seed << 32), served, asked)
        });
        let (right, of) = guessed(&seen);
        println!("{name}: {right} of {of} guessed, {trials} runs seen");
        assert!(is_chance((right, of)), "{name}: {right} of {of}");
        // Frames and receipts of one class have one length.
        assert!(
            seen.iter().all(|(_, numbers)| *numbers == seen[0].1),
            "{name}"
        );
    }
}

#[test]
fn one_element_of_a_run_is_not_seen() {
    runs_are_alike(40);
}

#[test]
#[ignore = "long"]
fn one_element_of_a_run_is_not_seen_long() {
    runs_are_alike(MANY);
}
