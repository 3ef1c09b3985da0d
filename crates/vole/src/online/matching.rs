//! Which of the receiver's items the sender has, from an answer that was verified.

use super::Tagged;
use crate::{Evaluations, Gf128};

/// An item of the receiver that the sender has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place among the receiver's items.
    pub place: u32,
    /// Its index among the evaluations, which give the key of its label.
    pub at: u32,
    /// The place of its tag, and of its label, in the answer.
    pub entry: u32,
}

/// The receiver's own tags, held against those of an answer one after the other.
pub struct Matching {
    own: Vec<Tagged>,
    /// The first of ours that is not below the tags so far.
    next: usize,
    /// The tags so far.
    seen: u32,
    hits: Vec<Hit>,
}

impl Matching {
    /// From evaluations, the placing hash of each, and its place; `None` where these are not
    /// equally many.
    pub fn new(evaluations: &Evaluations, xs: &[Gf128], places: &[u32]) -> Option<Self> {
        let tags = evaluations.tags(xs)?;
        (tags.len() == places.len()).then_some(())?;
        let mut own: Vec<_> = (0..)
            .zip(tags.into_iter().zip(places))
            .map(|(at, (tag, &place))| Tagged::new(tag, place, at))
            .collect();
        own.sort_unstable();
        Some(Self {
            own,
            next: 0,
            seen: 0,
            hits: Vec::new(),
        })
    }

    /// Takes the next tag of the answer.
    pub fn tag(&mut self, tag: u128) {
        let entry = self.seen;
        self.seen += 1;
        while let Some(own) = self.own.get(self.next)
            && own.tag() <= tag
        {
            if own.tag() == tag {
                let (place, at) = (own.place, own.at);
                self.hits.push(Hit { place, at, entry });
            }
            self.next += 1;
        }
    }

    /// What was found so far, in the order of the answer.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }
}
