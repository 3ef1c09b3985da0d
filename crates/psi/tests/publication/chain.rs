//! Many publications of one epoch against a model.

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_psi::publication::{
    Change, Epoch, LabelSeal, PUBLICATIONS, PublishError, Reservation, SEQUENCES, Wait, Waiting,
};

use crate::world::{QUERIES, Responder, domain, item, label};

/// What a view should hold, in the clear.
#[derive(Default)]
struct Model {
    /// Number of an item, and the sequence that brought it.
    view: BTreeMap<u64, u64>,
    left: BTreeSet<u64>,
}

impl Model {
    /// The rule of `spec/32 §6.3`, on plain numbers.
    fn change(
        &mut self,
        churn: u64,
        sequence: u64,
        removals: &[u64],
        additions: &[u64],
    ) -> BTreeMap<(bool, u64), Wait> {
        let mut waiting = BTreeMap::new();
        let (mut out, mut seen) = (Vec::new(), BTreeSet::new());
        for (order, number) in (0..).zip(removals) {
            if !seen.insert(number) || !self.view.contains_key(number) {
                waiting.insert((false, order), Wait::Nothing);
            } else if out.len() as u64 == churn {
                waiting.insert((false, order), Wait::NextPublication);
            } else {
                out.push(*number);
            }
        }
        let (mut brought, mut seen) = (Vec::new(), BTreeSet::new());
        for (order, number) in (0..).zip(additions) {
            if !seen.insert(number) {
                waiting.insert((true, order), Wait::Nothing);
            } else if self.view.contains_key(number) || self.left.contains(number) {
                waiting.insert((true, order), Wait::NextEpoch);
            } else if brought.len() as u64 == churn {
                waiting.insert((true, order), Wait::NextPublication);
            } else {
                brought.push(*number);
            }
        }
        for number in out {
            self.view.remove(&number);
            self.left.insert(number);
        }
        for number in brought {
            self.view.insert(number, sequence);
        }
        waiting
    }
}

fn reported(waiting: &[Waiting]) -> BTreeMap<(bool, u64), Wait> {
    let told: BTreeMap<_, _> = waiting
        .iter()
        .map(|told| match told.change {
            Change::Removal(order) => ((false, order), told.wait),
            Change::Addition(order) => ((true, order), told.wait),
        })
        .collect();
    assert_eq!(told.len(), waiting.len(), "told once each");
    told
}

#[test]
fn thirty_publications_follow_the_model() {
    let mut responder = Responder::publish(0..4_500);
    let entries = responder.published.edition.class().entries();
    let churn = 20;
    assert_eq!(entries, 256 * churn);
    let mut model = Model {
        view: (0..4_500).map(|number| (number, 100)).collect(),
        left: BTreeSet::new(),
    };
    let length = responder.file.len();
    let mut differences = BTreeSet::new();
    let mut next_item = 10_000;
    // A different mix every day: too much of either, nothing at all, repetitions, returns.
    for day in 1..=30 {
        let removed: usize = [0, 3, 20, 24, 1][day % 5];
        let added: u64 = [27, 0, 19, 2, 60][day * 2 % 5];
        let view: Vec<_> = model.view.keys().copied().collect();
        let stride = view.len() / (removed + 1);
        let mut removals: Vec<_> = view
            .iter()
            .copied()
            .step_by(stride.max(1))
            .take(removed)
            .collect();
        let mut additions: Vec<_> = (next_item..next_item + added).collect();
        next_item += added;
        if day % 3 == 0 {
            removals.extend([removals.first().copied().unwrap_or(0), 4_000_000]);
            additions.splice(0..0, view.first().copied());
            additions.extend(model.left.first().copied());
            additions.extend(additions.clone().first());
        }
        let outputs: Vec<_> = removals.iter().map(|number| item(*number)).collect();
        let labelled: Vec<_> = additions
            .iter()
            .map(|number| (item(*number), label(*number)))
            .collect();

        let step = responder.change(&outputs, &labelled).unwrap();
        let sequence = 100 + day as u64;
        let waiting = model.change(churn, sequence, &removals, &additions);
        assert_eq!(reported(&step.waiting), waiting, "day {day}");
        assert_eq!(step.published.items, model.view.len() as u64);
        assert_eq!(step.published.edition.sequence(), sequence);
        assert_eq!(responder.file.len(), length);
        differences.insert(step.difference.len());

        let publication = responder.publication();
        for (number, sequence) in &model.view {
            let found = publication.find(&item(*number)).unwrap().unwrap();
            assert_eq!(found.sequence, *sequence);
            let seal = LabelSeal::new(&domain(), found.sequence);
            let opened = seal.open(&item(*number), &found.sealed).unwrap();
            assert_eq!(*opened.as_bytes(), label(*number));
        }
        for number in &model.left {
            assert_eq!(publication.find(&item(*number)), Ok(None));
        }
        // The state survives a restart, and nothing but the state is needed.
        responder.epoch = Epoch::decode(&responder.epoch.encode()).unwrap();
    }
    assert_eq!(differences.len(), 1, "one length whatever changed");
    assert_eq!(
        differences.first().copied().map(|length| length as u64),
        Some(responder.published.edition.difference_length())
    );
}

#[test]
fn a_full_class_takes_additions_to_the_end_of_the_epoch() {
    // 900 items in 1,024 entries, D = 4: 124 dummies, all of which 31 publications take out.
    let mut responder = Responder::publish(0..900);
    let mut waiting: Vec<_> = (10_000..10_130)
        .map(|number| (item(number), label(number)))
        .collect();
    for published in 1..u64::from(PUBLICATIONS) {
        let step = responder.change(&[], &waiting).unwrap();
        assert_eq!(step.published.items, 900 + 4 * published);
        waiting.drain(..4);
        assert_eq!(step.waiting.len(), waiting.len());
        let state = responder.epoch.encode();
        assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
    }
    assert_eq!(responder.published.items, 1_024);
    let publication = responder.publication();
    for number in (0..900).chain(10_000..10_124) {
        assert!(publication.find(&item(number)).unwrap().is_some());
    }
}

#[test]
fn a_removal_and_an_addition_of_one_item_is_a_removal() {
    let mut responder = Responder::publish(0..10);
    let step = responder
        .change(&[item(3)], &[(item(3), label(4))])
        .unwrap();
    assert_eq!(
        step.waiting,
        [Waiting {
            change: Change::Addition(0),
            wait: Wait::NextEpoch,
        }]
    );
    assert_eq!(responder.publication().find(&item(3)), Ok(None));
}

#[test]
fn an_epoch_ends_after_its_last_publication() {
    let mut responder = Responder::publish(0..10);
    for _ in 1..PUBLICATIONS {
        responder.change(&[], &[]).unwrap();
    }
    let over = responder.change(&[], &[]).err();
    assert_eq!(over, Some(PublishError::EpochFull));
}

#[test]
fn reserved_sequence_numbers_run_out_too() {
    let mut responder = Responder::publish(0..10);
    for _ in 1..SEQUENCES - 1 {
        let _ = responder.epoch.reserve().unwrap();
    }
    // The oldest and the newest possible entry in one file.
    let step = responder.change(&[], &[(item(99), label(99))]).unwrap();
    assert_eq!(step.published.edition.sequence(), 100 + SEQUENCES - 1);
    let found = responder.publication().find(&item(99)).unwrap().unwrap();
    assert_eq!(found.sequence, 100 + SEQUENCES - 1);
    assert!(matches!(
        responder.epoch.reserve(),
        Err(PublishError::EpochFull)
    ));
}

#[test]
fn numbers_reserved_ahead_do_not_lengthen_an_epoch() {
    let mut responder = Responder::publish(0..10);
    let ahead: Vec<_> = (1..SEQUENCES)
        .map(|_| responder.epoch.reserve().unwrap().stored())
        .collect();
    let mut published = 1;
    for reservation in ahead {
        let made = responder.change_under(reservation, &[], &[]);
        published += u8::from(made.is_ok());
        if published == PUBLICATIONS && made.is_err() {
            assert_eq!(made.err(), Some(PublishError::EpochFull));
        }
        let state = responder.epoch.encode();
        assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
    }
    assert_eq!(published, PUBLICATIONS);
}

#[test]
fn numbers_reserved_before_the_first_publication_end_with_the_epoch_too() {
    let mut epoch = Epoch::begin(domain(), QUERIES, 100).unwrap();
    let mut ahead: Vec<_> = (0..SEQUENCES + 6)
        .map(|_| epoch.reserve().unwrap().stored())
        .collect();
    let first = ahead.remove(0);
    let mut responder = Responder::begin_under(epoch, first, []);
    let state = responder.epoch.encode();
    assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
    // 64 numbers behind the first there is no age for an entry.
    let mut take = |sequence| {
        let mut numbers = ahead.iter().map(Reservation::sequence);
        let at = numbers.position(|number| number == sequence).unwrap();
        ahead.remove(at)
    };
    let (beyond, last) = (take(100 + SEQUENCES), take(100 + SEQUENCES - 1));
    let refused = responder.change_under(beyond, &[], &[]).err();
    assert_eq!(refused, Some(PublishError::EpochFull));
    let step = responder.change_under(last, &[], &[]).unwrap();
    assert_eq!(step.published.edition.sequence(), 100 + SEQUENCES - 1);
    let state = responder.epoch.encode();
    assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
    let full = responder.epoch.reserve().err();
    assert_eq!(full, Some(PublishError::EpochFull));
}

#[test]
fn sequence_numbers_burnt_before_the_first_publication_cost_nothing() {
    let mut epoch = Epoch::begin(domain(), 1, 5).unwrap();
    for _ in 0..3 * SEQUENCES {
        let _ = epoch.reserve().unwrap();
    }
}
