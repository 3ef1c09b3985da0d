//! The batch protocol against what every protocol must do, and its own: one answer, stored before
//! it leaves, and a setup that is used once.
#![expect(clippy::unwrap_used, reason = "tests")]

use blindmatch_audit::receipt::Side;
use blindmatch_psi::{
    batch::{Labels, Matches, class_holding},
    conformance::{self, Conforming, Labelled, Observed},
    lookup::Item,
    session::End,
};
use blindmatch_testkit::{batch::BatchWorld, link::Recorder, scripted, world::items};

/// Batch over an honest link.
struct Batch;

impl Conforming for Batch {
    fn run(&mut self, queries: &[Item], set: &[Labelled], seed: u64) -> Observed {
        let class = class_holding(queries.len() as u64).unwrap();
        let responder_class = class_holding(set.len() as u64).unwrap();
        let mut world = BatchWorld::new(seed, class, responder_class, Labels::Sealed);
        let (matches, lengths) = run(&mut world, queries, set);
        Observed {
            matches: observed(&matches),
            lengths,
        }
    }

    fn query_class(&self, items: usize) -> usize {
        class_holding(items as u64).unwrap() as usize
    }

    fn set_class(&self, items: usize) -> usize {
        class_holding(items as u64).unwrap() as usize
    }
}

fn observed(matches: &Matches) -> Vec<(u64, Option<[u8; 24]>)> {
    let found = matches.found.iter();
    found
        .map(|found| (found.item, found.label.as_ref().map(|label| **label)))
        .collect()
}

fn run(
    world: &mut BatchWorld,
    queries: &[Item],
    set: &[Labelled],
) -> (Matches, Vec<(Side, usize)>) {
    let mut querier = world.querier_session(1, queries.to_vec()).unwrap();
    let mut responder = world.responder_session(1, set.to_vec()).unwrap();
    let mut link = Recorder::default();
    let pumped = world.pump(&mut querier, &mut responder, &mut link);
    assert_eq!(pumped.querier, Some(End::Concluded));
    assert_eq!(pumped.responder, Some(End::Concluded));
    let concluded = querier.concluded().unwrap();
    let states = BatchWorld::states(&world.querier.journal);
    let matches = concluded.matches(&world.terms(), states).unwrap();
    let mut lengths = Vec::new();
    for side in [Side::Querier, Side::Responder] {
        lengths.extend(link.sent_by(side).iter().map(|frame| (side, frame.len())));
    }
    (matches, lengths)
}

#[test]
fn random_sets_intersect_as_in_the_clear() {
    let mut rng = scripted(1);
    conformance::check_random_sets(&mut Batch, &mut rng, 10, 300).unwrap();
    conformance::check_random_sets(&mut Batch, &mut rng, 2, 5000).unwrap();
}

#[test]
fn sizes_on_either_side_of_a_class_boundary() {
    let mut rng = scripted(2);
    conformance::check_class_boundaries(&mut Batch, &mut rng, 2000).unwrap();
}

#[test]
fn duplicates_and_near_equal_items() {
    let mut rng = scripted(3);
    conformance::check_duplicates_and_neighbours(&mut Batch, &mut rng).unwrap();
}

#[test]
fn lengths_tell_no_two_sets_of_one_class_apart() {
    let mut rng = scripted(4);
    conformance::check_lengths(&mut Batch, &mut rng, 10, 1500).unwrap();
}

#[test]
fn a_run_without_labels_matches_without() {
    let mut world = BatchWorld::new(1, 1024, 1024, Labels::None);
    let set: Vec<Labelled> = items(["a", "b", "c"])
        .into_iter()
        .map(|item| (item, [7; 24]))
        .collect();
    let (matches, _) = run(&mut world, &items(["x", "c", "a"]), &set);
    assert_eq!(observed(&matches), [(1, None), (2, None)]);
}

/// Above 2^20 the sets go in chunks, each over a VOLE of its own.
#[test]
#[ignore = "minutes, unless optimised: two chunks"]
fn sets_of_two_chunks_intersect() {
    let class = 5 << 18;
    let query = |n: u32| Item::new(n.to_be_bytes().to_vec());
    let queries: Vec<Item> = (0..1_100_000).map(query).collect();
    let set: Vec<Labelled> = (1_000_000..2_200_000)
        .map(|n: u32| (query(n), [7; 24]))
        .collect();
    let mut world = BatchWorld::new(1, class, class, Labels::None);
    let (matches, _) = run(&mut world, &queries, &set);
    let found = matches.found.iter().map(|found| found.item);
    assert!(found.eq(1_000_000..1_100_000));
}
