//! A peer that keeps every file and difference of an epoch, and what it learns (`spec/32 §10`).

use std::collections::BTreeMap;

use blindmatch_psi::publication::PUBLICATIONS;

use crate::world::{Responder, item, label};

/// All 1,024 entries come in with the first publication or 4 at a time.
const ENTRIES: usize = 1_024;
const CHURN: usize = 4;

/// An entry as who has no key tells it from others: by the sealed label.
type Seen = [u8; 40];

/// What the peer has seen of one epoch.
struct Peer {
    /// When each entry came, by publications from 0 on.
    came: BTreeMap<Seen, usize>,
    newest: Vec<Seen>,
    /// Of each publication, how many entries it has of each publication up to itself.
    counts: Vec<Vec<usize>>,
    /// Of entries that left, their places in the first file.
    places: Vec<usize>,
    first: Vec<Seen>,
    lengths: Vec<usize>,
}

impl Peer {
    fn new(responder: &Responder) -> Self {
        let first = labels(&responder.file);
        let mut peer = Self {
            came: BTreeMap::new(),
            newest: Vec::new(),
            counts: Vec::new(),
            places: Vec::new(),
            first,
            lengths: Vec::new(),
        };
        peer.see(responder);
        peer
    }

    fn see(&mut self, responder: &Responder) {
        let number = self.counts.len();
        let entries = labels(&responder.file);
        let mut counts = vec![0; number + 1];
        for entry in &entries {
            counts[*self.came.entry(*entry).or_insert(number)] += 1;
        }
        let gone = self.newest.iter().filter(|entry| !entries.contains(entry));
        let place = |gone: &Seen| self.first.iter().position(|entry| entry == gone);
        self.places.extend(gone.filter_map(place));
        self.newest = entries;
        self.counts.push(counts);
        self.lengths.push(responder.file.len());
    }

    /// How far the places of the entries that left are from uniform: χ² over eight parts.
    fn unevenness(&self) -> f64 {
        let mut parts = [0.0; 8];
        for place in &self.places {
            parts[place * 8 / ENTRIES] += 1.0;
        }
        let expected = self.places.len() as f64 / 8.0;
        let square = |count: f64| (count - expected).powi(2) / expected;
        parts.into_iter().map(square).sum()
    }
}

fn labels(file: &[u8]) -> Vec<Seen> {
    file[83..][..ENTRIES * 40].as_chunks().0.to_vec()
}

/// A whole epoch of a view of `items`, of which `removed` leave and to which `added` come each day.
fn epoch(items: u64, removed: u64, added: u64) -> Peer {
    let mut responder = Responder::publish(0..items);
    let mut peer = Peer::new(&responder);
    for day in 1..u64::from(PUBLICATIONS) {
        let removals: Vec<_> = (0..removed).map(|n| item(day * removed + n)).collect();
        let additions: Vec<_> = (0..added)
            .map(|n| 100_000 + day * added + n)
            .map(|number| (item(number), label(number)))
            .collect();
        let step = responder.change(&removals, &additions).unwrap();
        assert!(step.waiting.is_empty());
        peer.see(&responder);
    }
    peer
}

#[test]
fn all_differences_of_an_epoch_look_the_same_for_any_set_of_a_class() {
    let nothing = epoch(0, 0, 0);
    assert_eq!(nothing.counts.len(), usize::from(PUBLICATIONS));
    for (number, counts) in nothing.counts.iter().enumerate() {
        let mut expected = vec![CHURN; number + 1];
        expected[0] = ENTRIES - number * CHURN;
        assert_eq!(*counts, expected);
    }
    for (items, removed, added) in [(0, 0, 4), (10, 0, 1), (450, 4, 4), (900, 0, 4), (900, 3, 0)] {
        let view = epoch(items, removed, added);
        assert!(view.counts == nothing.counts, "{items} items");
        assert_eq!(view.lengths, nothing.lengths);
        // Which of the first entries leave says no more than how many: any are equally likely.
        // Of seven degrees of freedom, one in a thousand is above 24.3.
        let unevenness = view.unevenness();
        assert!(unevenness < 24.3, "{items} items: {unevenness}");
    }
}

#[test]
fn only_the_withdrawal_of_an_entry_of_the_epoch_itself_shows() {
    let withdraw = |items: u64| {
        let mut responder = Responder::publish(0..items);
        let mut peer = Peer::new(&responder);
        for (removals, additions) in [
            (vec![], vec![(item(5_000), label(5_000))]),
            (vec![item(5_000)], vec![]),
            (vec![], vec![]),
        ] {
            responder.change(&removals, &additions).unwrap();
            peer.see(&responder);
        }
        peer.counts
    };
    let counts = withdraw(20);
    assert_eq!(counts[1], [1_020, 4]);
    assert_eq!(counts[2], [1_017, 3, 4]);
    assert_eq!(counts[3], [1_013, 3, 4, 4]);
    assert_eq!(withdraw(900), counts);
}
