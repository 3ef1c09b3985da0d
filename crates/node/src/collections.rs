//! What a node holds, and how it is taken in.

use std::num::NonZeroU16;

use blindmatch_indicator::{Canonicaliser, IndicatorType, PaymentKey};
use blindmatch_membership::Role;
use blindmatch_store::collection::{
    CollectionKind, CollectionName, Collections, Contents, ImportPlan, Mode, SourceName, Ttl,
};

use crate::clock;
use crate::error::Error;
use crate::import::derived;
use crate::node::Node;
use crate::payment::PaymentKeyId;

/// After so many seconds in which a node did nothing, its clock is believed only on the operator's
/// word: 30 days.
pub const PAUSE: u64 = 30 * 86_400;

/// What is to be imported where, as the operator says it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The collection.
    pub collection: CollectionName,
    /// The kind of a new one.
    pub kind: Option<CollectionKind>,
    /// The source.
    pub source: SourceName,
    /// What to do to it.
    pub mode: Mode,
    /// Whether it may shrink by more than 30 %.
    pub allow_shrink: bool,
}

impl Node {
    /// The collections of this node. What an interrupted import left behind is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`].
    pub fn collections(&self) -> Result<Collections, Error> {
        Ok(Collections::open(self.home())?)
    }

    /// All collections as they are now, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`], [`Error::Collection`].
    pub fn contents(&self) -> Result<Vec<Contents>, Error> {
        let collections = self.collections()?;
        let names = collections.names()?;
        let contents = names.into_iter().map(|name| contents(&collections, name));
        contents.collect()
    }

    /// `canonicaliser` with this node's payment key, where it has one.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn with_payment_key(&self, canonicaliser: Canonicaliser) -> Result<Canonicaliser, Error> {
        Ok(match self.payment_key()? {
            Some(key) => canonicaliser.with_payment_key(PaymentKey::new(key.as_bytes())),
            None => canonicaliser,
        })
    }

    /// The plan of an import that begins now. A liaison has none.
    ///
    /// # Errors
    ///
    /// [`Error::Liaison`], [`Error::Key`].
    pub fn import_plan(&self, wanted: Wanted) -> Result<ImportPlan, Error> {
        if self.config().node.role == Role::Liaison {
            return Err(Error::Liaison);
        }
        Ok(ImportPlan {
            collection: wanted.collection,
            kind: wanted.kind,
            source: wanted.source,
            mode: wanted.mode,
            now: clock::now(),
            ttl: self.ttl(),
            allow_shrink: wanted.allow_shrink,
            payment_key: self.payment_key()?.map(|key| *key.id().as_bytes()),
        })
    }

    /// Destroys what has expired by `now`, in every collection; gives the number of values that
    /// are gone.
    ///
    /// What is destroyed does not come back, and a clock that is ahead would destroy all. So where
    /// something has expired and the node has done nothing for [`PAUSE`], neither imported nor
    /// recorded, it asks first: `after_pause` is the operator's word that the clock is right.
    ///
    /// # Errors
    ///
    /// [`Error::Pause`]: then nothing is destroyed, and nothing should be imported by that clock
    /// either, as it would vouch for it the next time. [`Error::Collection`], [`Error::Ledger`].
    pub fn expire(
        &self,
        collections: &Collections,
        canonicaliser: &Canonicaliser,
        now: u64,
        after_pause: bool,
    ) -> Result<u64, Error> {
        let mut newest = 0;
        let mut due = Vec::new();
        for name in collections.names()? {
            let contents = contents(collections, name)?;
            newest = newest.max(contents.newest().unwrap_or(0));
            if contents.is_due(now) {
                due.push(contents.name);
            }
        }
        let is_pause = |newest: u64| now.saturating_sub(newest) > PAUSE;
        if !after_pause && !due.is_empty() && is_pause(newest) {
            newest = newest.max(self.log()?.0.time());
            if is_pause(newest) {
                return Err(Error::Pause { newest, now });
            }
        }
        let derive = |encoded: &[u8]| derived(canonicaliser, encoded);
        let mut expired = 0;
        for name in due {
            let gone = collections.expire(&name, now, &derive, &mut rand::rng());
            expired += gone.map_err(|error| Error::Collection(name, error))?;
        }
        Ok(expired)
    }

    fn ttl(&self) -> Ttl {
        let days = |kind: &IndicatorType| u16::try_from(self.config().keep_days(*kind)).ok();
        let days = |kind: &IndicatorType| Some((*kind, NonZeroU16::new(days(kind)?)?));
        Ttl(IndicatorType::ALL.iter().filter_map(days).collect())
    }
}

/// The sources whose card numbers are hashed under another payment key than `current`, which is that
/// of the node: none of them matches anybody's until all of the source is imported again.
pub fn under_other_key(
    contents: &Contents,
    current: Option<PaymentKeyId>,
) -> impl Iterator<Item = &SourceName> {
    let sources = contents.sources.iter();
    sources
        .filter(move |(_, source)| {
            let key = source.payment_key.map(PaymentKeyId::from_bytes);
            key.is_some() && key != current
        })
        .map(|(name, _)| name)
}

/// What a collection consists of now.
///
/// # Errors
///
/// [`Error::Collection`].
pub fn contents(collections: &Collections, name: CollectionName) -> Result<Contents, Error> {
    let contents = collections.contents(&name);
    contents.map_err(|error| Error::Collection(name, error))
}

#[cfg(test)]
mod tests;
