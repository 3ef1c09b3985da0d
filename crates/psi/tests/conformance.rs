//! Lookup against what every protocol must do, from two sets to opened labels.
#![expect(clippy::unwrap_used, reason = "tests")]

use blindmatch_audit::receipt::Side;
use blindmatch_psi::{
    conformance::{self, Conforming, Labelled, Observed},
    lookup::{Concluded, Item, MatchError},
    publication::{FileError, Publication, QueryClass, SetClass},
    session::{End, Record, State},
};
use blindmatch_testkit::{
    link::{Interceptor, Recorder},
    scripted,
    world::{World, items},
};

/// Lookup over an honest link.
struct Lookup;

impl Conforming for Lookup {
    fn run(&mut self, queries: &[Item], set: &[Labelled], seed: u64) -> Observed {
        let class = self.query_class(queries.len()) as u64;
        let mut world = World::serving(seed, class, set);
        look_up(&mut world, queries).0
    }

    fn query_class(&self, items: usize) -> usize {
        let class = QueryClass::holding(items as u64).unwrap();
        usize::try_from(class.items()).unwrap()
    }

    fn set_class(&self, items: usize) -> usize {
        let class = SetClass::holding(items as u64).unwrap();
        usize::try_from(class.entries()).unwrap()
    }
}

/// What was found and how long everything was; also the items whose labels did not open.
fn look_up(world: &mut World, queries: &[Item]) -> (Observed, Vec<u64>) {
    let mut querier = world.querier_session(1, queries.to_vec()).unwrap();
    let mut responder = world.responder_session(1).unwrap();
    let mut link = Recorder::default();
    let pumped = world.pump(&mut querier, &mut responder, &mut link);
    assert_eq!(pumped.querier, Some(End::Concluded));
    assert_eq!(pumped.responder, Some(End::Concluded));
    let concluded = querier.concluded().unwrap();
    let states = World::states(&world.querier.journal);
    let matches = concluded
        .matches(states, &world.manifest, &world.view())
        .unwrap();
    let found = matches.found.iter();
    // The order in which frames of the two sides meet is the link's; each side's own is not.
    let mut lengths = vec![(Side::Responder, world.file.len())];
    for side in [Side::Querier, Side::Responder] {
        lengths.extend(link.sent_by(side).iter().map(|frame| (side, frame.len())));
    }
    let observed = Observed {
        matches: found
            .map(|found| (found.item, Some(*found.label.as_bytes())))
            .collect(),
        lengths,
    };
    (observed, matches.unopened)
}

#[test]
fn random_sets_intersect_as_in_the_clear() {
    let mut rng = scripted(1);
    conformance::check_random_sets(&mut Lookup, &mut rng, 20, 300).unwrap();
    conformance::check_random_sets(&mut Lookup, &mut rng, 2, 5000).unwrap();
}

#[test]
fn sizes_on_either_side_of_a_class_boundary() {
    let mut rng = scripted(2);
    conformance::check_class_boundaries(&mut Lookup, &mut rng, 2000).unwrap();
}

#[test]
fn duplicates_and_near_equal_items() {
    let mut rng = scripted(3);
    conformance::check_duplicates_and_neighbours(&mut Lookup, &mut rng).unwrap();
}

#[test]
fn lengths_tell_no_two_sets_of_one_class_apart() {
    let mut rng = scripted(4);
    conformance::check_lengths(&mut Lookup, &mut rng, 15, 1500).unwrap();
}

/// A check that cannot fail shows nothing.
#[test]
fn a_protocol_that_does_not_conform_is_found_out() {
    struct Wrong(fn(&mut Observed));
    impl Conforming for Wrong {
        fn run(&mut self, queries: &[Item], set: &[Labelled], seed: u64) -> Observed {
            let mut observed = Lookup.run(queries, set, seed);
            (self.0)(&mut observed);
            observed
        }
        fn query_class(&self, items: usize) -> usize {
            Lookup.query_class(items)
        }
        fn set_class(&self, items: usize) -> usize {
            Lookup.set_class(items)
        }
    }
    let check = |change| {
        let mut rng = scripted(5);
        conformance::check_random_sets(&mut Wrong(change), &mut rng, 3, 30).err()
    };
    let missing = check(|observed| {
        observed
            .matches
            .truncate(observed.matches.len().saturating_sub(1))
    })
    .unwrap();
    assert!(matches!(missing, conformance::Violation::Matches { .. }));
    let extra = check(|observed| observed.matches.push((1000, None))).unwrap();
    assert!(matches!(extra, conformance::Violation::Matches { .. }));
    let unopened = check(|observed| {
        if let Some((_, label)) = observed.matches.last_mut() {
            *label = None;
        }
    });
    let unopened = unopened.unwrap();
    assert!(matches!(unopened, conformance::Violation::Label { .. }));
    let mut rng = scripted(6);
    let mut telling = Wrong(|observed| {
        observed
            .lengths
            .push((Side::Querier, observed.matches.len()))
    });
    let told = conformance::check_lengths(&mut telling, &mut rng, 5, 100).unwrap_err();
    assert!(matches!(told, conformance::Violation::Lengths { .. }));
}

/// The same for sets in which items repeat: whose label counts, and that they count at all.
#[test]
fn a_protocol_that_mistakes_repeated_items_is_found_out() {
    struct Mistaking(fn(&mut Vec<Labelled>));
    impl Conforming for Mistaking {
        fn run(&mut self, queries: &[Item], set: &[Labelled], seed: u64) -> Observed {
            let mut set = set.to_vec();
            (self.0)(&mut set);
            Lookup.run(queries, &set, seed)
        }
        fn query_class(&self, items: usize) -> usize {
            Lookup.query_class(items)
        }
        fn set_class(&self, items: usize) -> usize {
            Lookup.set_class(items)
        }
    }
    let violation = |change| {
        let mut protocol = Mistaking(change);
        conformance::check_random_sets(&mut protocol, &mut scripted(7), 3, 30).unwrap();
        conformance::check_duplicates_and_neighbours(&mut protocol, &mut scripted(7)).unwrap_err()
    };
    let last_label = violation(|set| set.reverse());
    assert!(matches!(last_label, conformance::Violation::Label { .. }));
    let lost = violation(|set| {
        let all = set.clone();
        set.retain(|(item, _)| all.iter().filter(|(other, _)| other == item).count() == 1);
    });
    assert!(matches!(lost, conformance::Violation::Matches { .. }));
}

fn labelled(texts: &[&str]) -> Vec<Labelled> {
    items(texts)
        .into_iter()
        .map(|item| (item, [7; 24]))
        .collect()
}

#[test]
fn a_planted_bad_label_changes_nothing_on_the_wire() {
    let (set, queries) = (labelled(&["a", "b", "c"]), items(["a", "x", "c"]));
    let (honest, unopened) = look_up(&mut World::serving(1, 8, &set), &queries);
    assert_eq!(honest.matches, [(0, Some([7; 24])), (2, Some([7; 24]))]);
    assert_eq!(unopened, []);
    let (planted, unopened) = look_up(&mut World::planting(1, 8, &set), &queries);
    assert_eq!(planted.matches, []);
    assert_eq!(unopened, [0, 2]);
    assert_eq!(planted.lengths, honest.lengths);
    let (nothing, _) = look_up(&mut World::serving(1, 8, &[]), &queries);
    assert_eq!(nothing.lengths, honest.lengths);
}

#[test]
fn swapped_sets_are_refused() {
    let mut world = World::serving(1, 8, &labelled(&["a"]));
    let queries = items(["a"]);
    let mut querier = world.querier_session(1, queries).unwrap();
    let mut responder = world.responder_session(1).unwrap();
    world.pump(&mut querier, &mut responder, &mut Recorder::default());
    let concluded = querier.concluded().unwrap();
    let states = || World::states(&world.querier.journal);
    let other = World::serving(1, 8, &labelled(&["b"]));
    // Another file under the agreed manifest, another file, another manifest.
    let swapped = Publication::verify(&other.file, world.manifest.edition, world.manifest.root);
    assert_eq!(swapped.err(), Some(FileError::Root));
    let view = concluded.matches(states(), &world.manifest, &other.view());
    assert_eq!(view, Err(MatchError::View));
    let manifest = concluded.matches(states(), &other.manifest, &other.view());
    assert_eq!(manifest, Err(MatchError::View));
    // States of another run.
    let mut stranger = World::serving(2, 8, &labelled(&["a"]));
    look_up(&mut stranger, &items(["a"]));
    let foreign = concluded.matches(
        World::states(&stranger.querier.journal),
        &world.manifest,
        &world.view(),
    );
    assert_eq!(foreign, Err(MatchError::State));
    let own = concluded.matches(states(), &world.manifest, &world.view());
    assert_eq!(own.unwrap().found.len(), 1);
}

/// Matches come from all that was asked, or not at all.
#[test]
fn states_that_are_not_all_of_the_runs_give_no_matches() {
    // Two batches with a match in each, over two connections.
    let queries = items((0..4100).map(|n| n.to_string()));
    let mut world = World::serving(1, 5120, &labelled(&["7", "4099"]));
    for (connection, cut) in [(1, 1), (2, 100)] {
        let mut querier = world.querier_session(connection, queries.clone()).unwrap();
        let mut responder = world.responder_session(connection).unwrap();
        let mut link = Interceptor::new(Side::Responder, cut, |_| Vec::new());
        world.pump(&mut querier, &mut responder, &mut link);
    }
    let journal = &world.querier.journal;
    let signed = journal.iter().rev().find_map(|record| match record {
        Record::Receipt(signed) => Some(signed.as_ref().clone()),
        _ => None,
    });
    let concluded = Concluded::restore(signed.unwrap(), &world.querier_key, &world.responder_key);
    let concluded = concluded.unwrap();
    let view = world.view();
    let matches = |states: &[&State]| {
        let states = states.iter().copied();
        let matches = concluded.matches(states, &world.manifest, &view);
        matches.map(|matches| {
            matches
                .found
                .iter()
                .map(|found| found.item)
                .collect::<Vec<_>>()
        })
    };
    let all: Vec<&State> = World::states(journal).collect();
    assert_eq!(matches(&all), Ok(vec![7, 4099]));
    let mut refused = 0;
    for missing in 0..all.len() {
        let mut states = all.clone();
        states.remove(missing);
        match matches(&states) {
            Err(MatchError::Incomplete) => refused += 1,
            complete => assert_eq!(complete, Ok(vec![7, 4099])),
        }
    }
    assert_eq!(refused, 2, "the outputs of either batch");
    assert_eq!(matches(&[]), Err(MatchError::Incomplete));
    // The responder's states are not the querier's.
    let theirs: Vec<&State> = World::states(&world.responder.journal).collect();
    assert_eq!(matches(&theirs), Err(MatchError::State));
}
