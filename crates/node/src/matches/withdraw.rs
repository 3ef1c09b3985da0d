//! Taking back entries of one's own that peers may have matched (`spec/70-matches.md` §6).

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_feeds::{FeedError, Options, Sieve, read};
use blindmatch_indicator::IndicatorType;
use blindmatch_store::collection::{CollectionKind, CollectionName, Contents, Mode};
use blindmatch_store::merge::Rows;
use zeroize::Zeroizing;

use crate::collections::Wanted;
use crate::error::Error;
use crate::exchange::Daemon;
use crate::import::{ImportError, import};

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Entries that had one of the references.
    pub entries: u64,
    /// Of these, what is no longer in the collection.
    pub removed: u64,
    /// Of these, card numbers, which are kept as keyed hashes: their feed has to take them out.
    pub cards: u64,
}

/// Why entries are not taken back.
#[derive(Debug)]
pub enum WithdrawError {
    /// It holds customers, of which nothing is served.
    Customers(CollectionName),
    /// No entry has one of the references.
    Nothing,
    /// The store refuses or fails.
    Import(Box<ImportError<FeedError>>),
    /// A fault of this node's.
    Node(Error),
}

impl Daemon {
    /// Takes entries that have one of these references out of every source of an abuse collection. With its
    /// next publication this node serves them no longer, and tells the peers of the view. Reads all of the
    /// collection.
    ///
    /// # Errors
    ///
    /// [`WithdrawError`]; what was taken out of one source before stays out.
    pub fn withdraw(
        &self,
        name: CollectionName,
        references: &BTreeSet<String>,
    ) -> Result<Withdrawn, WithdrawError> {
        let contents = crate::collections::contents(self.collections(), name)?;
        if contents.kind != CollectionKind::Abuse {
            return Err(WithdrawError::Customers(contents.name));
        }
        let (mut withdrawn, values) = self.values_of(&contents, references)?;
        if withdrawn.entries == 0 {
            return Err(WithdrawError::Nothing);
        }
        let node = self.node();
        for (source, (kind, text)) in contents
            .sources
            .keys()
            .flat_map(|source| values.iter().map(move |of_type| (source, of_type)))
        {
            let plan = node.import_plan(Wanted {
                collection: contents.name.clone(),
                kind: None,
                source: source.clone(),
                mode: Mode::Remove,
                allow_shrink: true,
                discard_damaged: false,
            })?;
            let options = Options {
                indicator_type: Some(*kind),
                ..Options::default()
            };
            let (report, _) = import(
                self.collections(),
                plan,
                self.canonicaliser(),
                Sieve::new(self.canonicaliser()),
                |sink| read(text.as_bytes(), &options, self.canonicaliser(), sink),
                &mut |_| {},
                &mut rand::rng(),
            )
            .map_err(|error| WithdrawError::Import(Box::new(error)))?;
            withdrawn.removed += report.removed;
        }
        Ok(withdrawn)
    }

    /// What has one of these references, as lines by type.
    fn values_of(
        &self,
        contents: &Contents,
        references: &BTreeSet<String>,
    ) -> Result<(Withdrawn, BTreeMap<IndicatorType, Zeroizing<String>>), Error> {
        let damaged = |error| Error::Collection(contents.name.clone(), error);
        let today = self.reading()?.today;
        let mut rows = self.collections().rows(contents, today).map_err(damaged)?;
        let mut withdrawn = Withdrawn::default();
        let mut values: BTreeMap<_, Zeroizing<String>> = BTreeMap::new();
        while rows.advance().map_err(|error| damaged(error.into()))? {
            let Some(row) = rows.row() else { break };
            // What follows from a value goes with it.
            let is_one =
                row.origin.given && row.references.iter().any(|one| references.contains(one));
            if !is_one {
                continue;
            }
            withdrawn.entries += 1;
            match self.canonicaliser().decode(row.key) {
                Some(indicator) if indicator.indicator_type() != IndicatorType::Pan => {
                    let text = values.entry(indicator.indicator_type()).or_default();
                    text.push_str(indicator.to_text().as_ref());
                    text.push('\n');
                }
                _ => withdrawn.cards += 1,
            }
        }
        Ok((withdrawn, values))
    }
}

impl From<Error> for WithdrawError {
    fn from(error: Error) -> Self {
        Self::Node(error)
    }
}
