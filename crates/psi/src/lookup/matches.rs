//! Which items a view holds, and what their labels say (`spec/31-lookup.md` §4).
//!
//! All of this happens at the querier after its last frame: nothing of it shows on the wire.

use std::{collections::HashMap, fmt};

use crate::publication::{Domain, FileError, Label, LabelSeal, Publication, Stored, first_bits};

/// An item that both sides hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The item's place among those asked for.
    pub item: u64,
    /// The entry's place in the publication.
    pub entry: u64,
    /// What travels with the entry.
    pub label: Label,
}

/// What a view holds of the items asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// The matches, in the order of the items.
    pub found: Vec<Found>,
    /// Items whose entry has a label that does not open: a planted entry, or a damaged one
    /// (`spec/32 §3`). They stand apart from the matches, and the responder never learns of them.
    pub unopened: Vec<u64>,
}

/// Why matches could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchError {
    /// A state that is not this run's.
    State,
    /// States that are not all of the run's.
    Incomplete,
    /// Another view than the run was about.
    View,
    /// What is wrong with the view's file.
    File(FileError),
}

/// Looks up outputs in a publication of the view and epoch that `domain` names, and opens the
/// labels.
///
/// An item that occurs several times is found once for each.
///
/// # Errors
///
/// What has happened to the file since it was verified.
pub fn find<'a, F: Stored>(
    outputs: impl IntoIterator<Item = (u64, &'a [u8; 64])>,
    domain: &Domain,
    view: &Publication<F>,
) -> Result<Matches, FileError> {
    // By what stands beside each other in memory: to look at each output would take longer than all
    // the rest.
    let mut queries: Vec<_> = outputs
        .into_iter()
        .map(|(item, output)| (first_bits(output), item, output))
        .collect();
    queries.sort_unstable();
    queries.dedup();
    let mut matches = Matches::default();
    let mut seals = HashMap::new();
    view.lookup_within(queries.iter().map(|(first, ..)| *first), |found| {
        let query = usize::try_from(found.query).ok();
        let Some((_, item, output)) = query.and_then(|query| queries.get(query)) else {
            return;
        };
        let seal = seals
            .entry(found.sequence)
            .or_insert_with(|| LabelSeal::new(domain, found.sequence));
        match seal.open(output, &found.sealed) {
            Ok(label) => matches.found.push(Found {
                item: *item,
                entry: found.entry,
                label,
            }),
            Err(_) => matches.unopened.push(*item),
        }
    })?;
    matches.found.sort_unstable_by_key(|found| found.item);
    matches.unopened.sort_unstable();
    Ok(matches)
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("a state that is not this run's"),
            Self::Incomplete => f.write_str("states that are not all of the run's"),
            Self::View => f.write_str("another view than the run was about"),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MatchError {}
