//! Importing a feed into a collection: feeds, exclusions, canonical forms and the store, joined.

use std::collections::BTreeSet;
use std::fmt;

use blindmatch_feeds::{Refused, Row, Sieve, Tally};
use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType, Refusal};
use blindmatch_store::collection::{
    CollectionError, CollectionName, Collections, Contents, ImportPlan, Mention, Mode, SourceName,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// What an import did.
#[derive(Debug)]
pub struct Report {
    /// What became of the values that were read: exact, by the sort. Of a removal, `accepted` is
    /// what was to be removed.
    pub tally: Tally,
    /// How many indicators the source has now that it did not have before.
    pub added: u64,
    /// How many it had before and has no more; all of them, where they could not be read.
    pub removed: u64,
    /// The damaged sources that a replacement did without.
    pub discarded: Vec<(SourceName, CollectionError)>,
    /// The collection as it is now.
    pub contents: Contents,
    /// Why the file that was replaced is not destroyed yet; the next import tries again.
    pub left_behind: Option<CollectionError>,
}

/// Why nothing was imported.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError<E> {
    /// The feed could not be read.
    Feed(E),
    /// It holds card numbers, and the consortium's payment key is not installed.
    PaymentKeyMissing,
    /// No value was of the type that was named; the type that most of them look like.
    WrongType(IndicatorType),
    /// Every value was refused, or of a kind that is not matched: such a feed is not an empty one, and
    /// empties no source.
    NothingLeft,
    /// `pan` and `card_weak` exclude each other in one node; a collection that has the other one, or
    /// none where the feed itself has both.
    CardsBesideCards(Option<CollectionName>),
    /// The store refuses or fails.
    Collection(CollectionError),
}

/// Imports what `read` hands out, as `plan` says: it is called once, with the sink for its rows.
///
/// Nothing has changed when this fails. `sieve` knows the canonicaliser and what is excluded, of the
/// values and of what follows from them; a removal takes out what is excluded too. `refused` is
/// told of each value that is refused.
///
/// # Errors
///
/// An [`ImportError`].
pub fn import<T, E>(
    collections: &Collections,
    plan: ImportPlan,
    canonicaliser: &Canonicaliser,
    mut sieve: Sieve<'_>,
    read: impl FnOnce(&mut dyn FnMut(&Row<'_>)) -> Result<T, E>,
    refused: &mut dyn FnMut(&Refused<'_>),
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Report, T), ImportError<E>> {
    let removes = plan.mode == Mode::Remove;
    let replaces = plan.mode == Mode::Replace;
    let holds_back = sieve.holds_back();
    if removes {
        sieve = sieve.excluding_nothing();
    }
    let is_excluded = |encoded: &[u8]| {
        let indicator = canonicaliser.decode(encoded);
        indicator.is_some_and(|indicator| holds_back(&indicator))
    };
    let mut import = collections.import(plan, rng)?.excluding(&is_excluded);
    let mut types = BTreeSet::new();
    let mut last_type = None;
    let mut failed = None;
    let mut key = Zeroizing::new(Vec::with_capacity(256));
    let mut sink = |row: &Row<'_>| {
        let mut accepted = |indicator: &Indicator| {
            if failed.is_some() {
                return;
            }
            let kind = indicator.indicator_type();
            if last_type.replace(kind) != Some(kind) {
                types.insert(kind);
            }
            encode(indicator, &mut key);
            let mut pushed = import.push(&mention(&key, row));
            if !removes {
                for derived in canonicaliser.derive(indicator) {
                    if holds_back(&derived) {
                        continue;
                    }
                    encode(&derived, &mut key);
                    let derived = mention(&key, row);
                    pushed = pushed.and_then(|()| import.push_derived(&derived, kind));
                }
            }
            failed = pushed.err();
        };
        sieve.take(row, &mut accepted, refused);
    };
    let summary = read(&mut sink).map_err(ImportError::Feed)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let looks_like = sieve.looks_like();
    let refusals = sieve.tally(Default::default(), Default::default()).refused;
    if refusals.contains_key(Refusal::PaymentKeyMissing.code()) {
        return Err(ImportError::PaymentKeyMissing);
    }
    if let (true, Some(found)) = (types.is_empty(), looks_like) {
        return Err(ImportError::WrongType(found));
    }
    if replaces && types.is_empty() {
        let tally = sieve.tally(Default::default(), Default::default());
        if tally.excluded.is_empty() && tally.read > 0 {
            return Err(ImportError::NothingLeft);
        }
    }
    if !removes {
        cards_apart(collections, &types)?;
    }
    let derive = |encoded: &[u8]| derived(canonicaliser, &holds_back, encoded);
    let imported = import.finish(&derive, rng)?;
    let report = Report {
        tally: sieve.tally(imported.counts.given, imported.counts.derived),
        added: imported.added,
        removed: imported.removed,
        discarded: imported.discarded,
        contents: imported.contents,
        left_behind: imported.left_behind,
    };
    Ok((report, summary))
}

/// What follows from the indicator that is encoded so, encoded likewise, without what `holds_back`:
/// what [`Collections::expire`] asks for.
#[must_use]
pub fn derived(
    canonicaliser: &Canonicaliser,
    holds_back: &dyn Fn(&Indicator) -> bool,
    encoded: &[u8],
) -> Vec<Zeroizing<Vec<u8>>> {
    let derives = |kind| {
        use IndicatorType::{Domain, Email, Network, Url};
        matches!(kind, Domain | Email | Network | Url)
    };
    let code = encoded.first().copied().unwrap_or_default();
    if !IndicatorType::from_code(code).is_some_and(derives) {
        return Vec::new();
    }
    let Some(indicator) = canonicaliser.decode(encoded) else {
        return Vec::new();
    };
    let mut derived = canonicaliser.derive(&indicator);
    derived.retain(|indicator| !holds_back(indicator));
    derived.iter().map(Indicator::encode).collect()
}

/// [`Indicator::encode`] into a buffer.
fn encode(indicator: &Indicator, key: &mut Vec<u8>) {
    key.clear();
    key.extend(indicator.prefix());
    key.extend_from_slice(indicator.as_bytes());
}

fn mention<'a>(key: &'a [u8], row: &Row<'a>) -> Mention<'a> {
    Mention {
        key,
        fields: row.label,
        reference: row.reference,
    }
}

/// PCI DSS 3.5.1.1: hashes of whole card numbers do not stand beside parts of the same numbers.
fn cards_apart<E>(
    collections: &Collections,
    types: &BTreeSet<IndicatorType>,
) -> Result<(), ImportError<E>> {
    use IndicatorType::{CardWeak, Pan};
    let other = match (types.contains(&Pan), types.contains(&CardWeak)) {
        (true, true) => return Err(ImportError::CardsBesideCards(None)),
        (true, false) => CardWeak,
        (false, true) => Pan,
        (false, false) => return Ok(()),
    };
    for name in collections.names()? {
        let contents = collections.contents(&name)?;
        let has_other = |source: &blindmatch_store::collection::Source| {
            source.counts.given.contains_key(&other)
        };
        if contents.sources.values().any(has_other) {
            return Err(ImportError::CardsBesideCards(Some(name)));
        }
    }
    Ok(())
}

impl<E> From<CollectionError> for ImportError<E> {
    fn from(error: CollectionError) -> Self {
        Self::Collection(error)
    }
}

impl<E: fmt::Display> fmt::Display for ImportError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feed(error) => error.fmt(f),
            Self::PaymentKeyMissing => f.write_str(
                "the feed holds card numbers, and the consortium's payment key is not installed: \
                 run `blindmatch keys payment install --from MEMBER FILE`, or in the first member that \
                 has one `blindmatch keys payment new`",
            ),
            Self::WrongType(found) => write!(
                f,
                "no value is of the type that was named; they look like {found}"
            ),
            Self::NothingLeft => {
                f.write_str("no value of the feed can be taken in: all are refused")
            }
            Self::CardsBesideCards(None) => {
                f.write_str("one node holds `pan` or `card_weak`, and the feed has both")
            }
            Self::CardsBesideCards(Some(name)) => write!(
                f,
                "one node holds `pan` or `card_weak`, and the collection {name} has the other one"
            ),
            Self::Collection(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ImportError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Feed(error) => Some(error),
            Self::Collection(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
