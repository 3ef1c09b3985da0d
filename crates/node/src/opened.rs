//! What is open of a home: once in a process, so that a command which runs inside a daemon works on
//! the same ledger, collections, index, views and runs as the daemon's services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use blindmatch_store::collection::Collections;
use blindmatch_store::home::Home;
use blindmatch_store::index::{AnyIndex, Doubt, Facts, FactsError};
use blindmatch_store::ledger::{Ledger, Log};
use blindmatch_store::runs::{Entries, Runs};
use blindmatch_store::views::{ViewError, Views};

use crate::error::Error;
use crate::node::Node;

/// A home, and what is open of it.
pub(crate) struct Opened {
    pub(crate) ledger: Shared<Ledger>,
    collections: Shared<Collections>,
    index: Shared<LedgerIndex>,
    views: Shared<OpenViews>,
    runs: Shared<Runs>,
    entries: Shared<Entries>,
    /// Held while a roster is accepted.
    rosters: Mutex<()>,
    /// Held while own programs are told of matches.
    notifying: tokio::sync::Mutex<()>,
    home: Home,
}

/// Something that is open once, for as long as anybody uses it.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

/// The index of what the ledger says, which is made again where there is any doubt about it.
pub(crate) struct LedgerIndex {
    /// Empty only while it is opened again: only one can have it open.
    facts: Mutex<Option<Facts<AnyIndex>>>,
}

/// The views, and what is wrong with those that do not read, which are as if they were not there.
pub(crate) struct OpenViews {
    pub(crate) views: Views,
    pub(crate) damaged: Vec<ViewError>,
}

impl Opened {
    pub(crate) fn new(home: Home) -> Self {
        Self {
            ledger: Shared::default(),
            collections: Shared::default(),
            index: Shared::default(),
            views: Shared::default(),
            runs: Shared::default(),
            entries: Shared::default(),
            rosters: Mutex::default(),
            notifying: Default::default(),
            home,
        }
    }

    pub(crate) fn taking_rosters(&self) -> MutexGuard<'_, ()> {
        lock(&self.rosters)
    }

    pub(crate) async fn notifying(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.notifying.lock().await
    }

    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }
}

impl Node {
    /// The collections of this node. What an interrupted import left behind is removed when they are
    /// opened.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`].
    pub fn collections(&self) -> Result<Arc<Collections>, Error> {
        let collections = &self.opened().collections;
        Ok(collections.share(|| Collections::open(self.home()))?)
    }

    pub(crate) fn index(&self, log: &Log) -> Result<Arc<LedgerIndex>, Error> {
        let index = &self.opened().index;
        index.share(|| {
            let facts = Mutex::new(Some(facts(self.home(), log)?));
            Ok(LedgerIndex { facts })
        })
    }

    pub(crate) fn views(&self) -> Result<Arc<OpenViews>, Error> {
        let views = &self.opened().views;
        views.share(|| {
            let (views, damaged) = Views::open(self.home()).map_err(Error::View)?;
            Ok(OpenViews { views, damaged })
        })
    }

    /// The runs of this node. What a crash interrupted is finished when they are opened.
    ///
    /// # Errors
    ///
    /// [`Error::Run`], and those of opening the ledger.
    pub fn runs(&self) -> Result<Arc<Runs>, Error> {
        let (ledger, _) = self.ledger()?;
        let runs = &self.opened().runs;
        let opened = runs.share(|| Runs::open(self.home(), ledger, &mut rand::rng()));
        opened.map_err(Error::Run)
    }
}

impl Node {
    /// What was decided about matches, and what members tell each other of them.
    ///
    /// # Errors
    ///
    /// [`Error::Run`].
    pub fn entries(&self) -> Result<Arc<Entries>, Error> {
        let entries = &self.opened().entries;
        let opened = entries.share(|| Entries::open(self.home()));
        opened.map_err(Error::Run)
    }
}

impl LedgerIndex {
    /// Asks what `log` says, the ledger of `home`. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Index`].
    pub(crate) fn ask<T>(
        &self,
        home: &Home,
        log: &Log,
        ask: impl Fn(&Facts<AnyIndex>) -> Result<T, Doubt>,
    ) -> Result<T, Error> {
        let mut slot = lock(&self.facts);
        if let Some(facts) = slot.as_mut()
            && facts.catch_up(log).is_ok()
            && let Ok(answer) = ask(facts)
        {
            return Ok(answer);
        }
        *slot = None;
        let facts = slot.insert(facts(home, log)?);
        Ok(ask(facts).map_err(FactsError::Doubt)?)
    }
}

/// What a ledger says, from the index of its home.
fn facts(home: &Home, log: &Log) -> Result<Facts<AnyIndex>, FactsError> {
    #[cfg(feature = "simulation")]
    if crate::simulation::is_on() {
        let index = AnyIndex::Memory(Default::default());
        return Ok(Facts::over(index, home.storage_key(), log)?.0);
    }
    Ok(Facts::open(home, log)?.0.into())
}

impl<T> Shared<T> {
    /// What is open already, else what `open` opens.
    pub(crate) fn share<E>(&self, open: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut shared = lock(&self.0);
        if let Some(opened) = shared.upgrade() {
            return Ok(opened);
        }
        let opened = Arc::new(open()?);
        *shared = Arc::downgrade(&opened);
        Ok(opened)
    }

    /// What is open, if it is.
    pub(crate) fn current(&self) -> Option<Arc<T>> {
        lock(&self.0).upgrade()
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::new(Weak::new()))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
