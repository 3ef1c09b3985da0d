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
    /// [`Error::Liaison`].
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
        })
    }

    /// Destroys what has expired, in every collection; gives the number of sources that held such.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn expire(
        &self,
        collections: &Collections,
        canonicaliser: &Canonicaliser,
    ) -> Result<usize, Error> {
        let derive = |encoded: &[u8]| derived(canonicaliser, encoded);
        let mut sources = 0;
        for name in collections.names()? {
            let expired = collections.expire(&name, clock::now(), &derive, &mut rand::rng());
            sources += expired.map_err(|error| Error::Collection(name, error))?;
        }
        Ok(sources)
    }

    fn ttl(&self) -> Ttl {
        let days = |kind: &IndicatorType| u16::try_from(self.config().keep_days(*kind)).ok();
        let days = |kind: &IndicatorType| Some((*kind, NonZeroU16::new(days(kind)?)?));
        Ttl(IndicatorType::ALL.iter().filter_map(days).collect())
    }
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
