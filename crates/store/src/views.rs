//! Views: those that this node serves, and what it accepted of its peers' (`spec/46-runs-views.md`).
//!
//! `views/ID/` holds one view in one epoch: `state` says what it consists of, and each other file
//! is named there. Everything in it is sealed under one key, `keys/files/ID`; destroying that key
//! destroys the OPRF key, tags, labels and cached outputs of the epoch at once.

mod cache;
mod error;
mod file;
mod folder;
mod own;
mod peer;
mod rows;
mod state;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blindmatch_psi::publication::{Domain, Manifest};
use rand_core::CryptoRng;

pub use self::{
    cache::{CacheWriter, Cached, read_block},
    error::ViewError,
    file::{ScratchRun, ScratchWriter, SealedScratch, ViewFile},
    own::{Draft, OwnEpoch},
    peer::PeerEpoch,
    rows::{EpochRows, no_row},
    state::{Accepted, MAX_PROOF, OwnPublication, read_state},
};
use self::{
    folder::{Folder, STATE, VIEWS, VOID, directory},
    state::OwnState,
};
use crate::{
    disk::Disk,
    home::Home,
    keys::{FileId, FileKeys, KeyError},
};

/// The views of a home.
pub struct Views {
    disk: Disk,
    keys: FileKeys,
    epochs: Mutex<Epochs>,
}

#[derive(Default)]
struct Epochs {
    own: BTreeMap<FileId, Arc<OwnEpoch>>,
    peers: BTreeMap<FileId, Arc<PeerEpoch>>,
}

impl Views {
    /// The views of `home`. What a crash interrupted is removed. Also gives what is wrong with
    /// those that do not read, which are left as they are.
    ///
    /// # Errors
    ///
    /// [`ViewError`] of the disk.
    pub fn open(home: &Home) -> Result<(Self, Vec<ViewError>), ViewError> {
        let views = Self::of(home);
        let mut damaged = Vec::new();
        for id in Self::key_ids(home)? {
            match views.open_one(id) {
                Ok(()) => {}
                Err(ViewError::Disk(error)) => return Err(error.into()),
                Err(error) => damaged.push(error),
            }
        }
        Ok((views, damaged))
    }

    /// Reads every file of every view of `home` from its first byte to its last, and changes
    /// nothing: gives those that do not read.
    ///
    /// # Errors
    ///
    /// [`ViewError`] of the disk.
    pub fn examine(home: &Home) -> Result<Vec<(FileId, ViewError)>, ViewError> {
        let views = Self::of(home);
        let mut damaged = Vec::new();
        for id in Self::key_ids(home)? {
            match views.check(id) {
                Err(error) if error.is_damage() => damaged.push((id, error)),
                checked => checked?,
            }
        }
        Ok(damaged)
    }

    /// Destroys the views that [`examine`](Self::examine) finds damaged, and gives them: on the
    /// operator's word. A view of our own begins a new epoch then, and what was cached of a peer's
    /// is asked and charged again.
    ///
    /// Nothing else may have the views of this home open.
    ///
    /// # Errors
    ///
    /// [`ViewError`]; those that come first are destroyed then.
    pub fn discard_damaged(home: &Home) -> Result<Vec<(FileId, ViewError)>, ViewError> {
        let views = Self::of(home);
        let damaged = Self::examine(home)?;
        for (id, _) in &damaged {
            views.void(*id)?;
            views.clear(*id)?;
        }
        Ok(damaged)
    }

    /// The names of all views that have a directory, which are those of their keys too.
    ///
    /// # Errors
    ///
    /// [`ViewError`] of the disk.
    pub fn key_ids(home: &Home) -> Result<Vec<FileId>, ViewError> {
        let names = match home.disk().list(VIEWS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        Ok(names
            .iter()
            .filter_map(|name| FileId::parse(name))
            .collect())
    }

    /// The views that this node serves.
    #[must_use]
    pub fn own(&self) -> Vec<Arc<OwnEpoch>> {
        self.lock().own.values().cloned().collect()
    }

    /// The peers' views that were accepted.
    #[must_use]
    pub fn peers(&self) -> Vec<Arc<PeerEpoch>> {
        self.lock().peers.values().cloned().collect()
    }

    /// Begins an epoch of a view of our own, with a new key. Its record in the ledger comes behind
    /// this.
    ///
    /// `queries` is the most that all peers together may ask in the epoch, `next` is above every
    /// sequence number of the view's earlier epochs.
    ///
    /// # Errors
    ///
    /// [`ViewError::Exists`], [`ViewError::Publish`] for a name that is too long, and the disk's.
    pub fn begin(
        &self,
        domain: Domain,
        queries: u64,
        next: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Arc<OwnEpoch>, ViewError> {
        if self.own().iter().any(|own| *own.domain() == domain) {
            return Err(ViewError::Exists);
        }
        let folder = Folder::begin(&self.disk, &self.keys, rng)?;
        let id = folder.id;
        let begun = OwnEpoch::begin(folder, domain, queries, next, rng);
        let epoch = Arc::new(self.begun(id, begun)?);
        self.lock().own.insert(id, Arc::clone(&epoch));
        Ok(epoch)
    }

    /// Accepts the first publication that is read of an epoch of a peer's view; `write` writes its
    /// file. Later ones are [accepted](PeerEpoch::accept) by the epoch.
    ///
    /// Whether the manifest is recorded and cosigned is for the caller to check; `proof` is kept.
    ///
    /// # Errors
    ///
    /// As [`PeerEpoch::accept`]; [`ViewError::Exists`] where the epoch is there, and
    /// [`ViewError::Manifest`] where it does not follow a later one that is.
    pub fn accept(
        &self,
        manifest: &Manifest,
        proof: &[u8],
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Arc<PeerEpoch>, ViewError> {
        for peer in self.peers() {
            let (known, new) = (peer.domain(), &manifest.domain);
            if known == new {
                return Err(ViewError::Exists);
            }
            let epoch = known.epoch;
            if *known
                == (Domain {
                    epoch,
                    ..new.clone()
                })
                && let Some(newest) = peer.publications().first()
            {
                manifest.check_next_epoch(&newest.manifest)?;
            }
        }
        let folder = Folder::begin(&self.disk, &self.keys, rng)?;
        let id = folder.id;
        let begun = PeerEpoch::begin(folder, manifest, proof, write, rng);
        let epoch = Arc::new(self.begun(id, begun)?);
        self.lock().peers.insert(id, Arc::clone(&epoch));
        Ok(epoch)
    }

    /// Destroys an epoch of a view, its key first: OPRF key, seed, tags, labels, cached outputs.
    /// Where it was our own, its record in the ledger comes behind this. What other threads still
    /// hold of it is theirs to drop.
    ///
    /// # Errors
    ///
    /// [`ViewError::Missing`], and the disk's: then it is gone once the home is opened again.
    pub fn destroy(&self, id: FileId) -> Result<(), ViewError> {
        let mut epochs = self.lock();
        let own = epochs.own.remove(&id).is_some();
        let peer = epochs.peers.remove(&id).is_some();
        drop(epochs);
        if !own && !peer {
            return Err(ViewError::Missing);
        }
        self.void(id)?;
        self.clear(id)
    }

    /// Where a publication's items wait while it is made.
    #[must_use]
    pub fn scratch(&self, rng: &mut dyn CryptoRng) -> SealedScratch {
        SealedScratch::new(self.disk.clone(), rng)
    }

    fn of(home: &Home) -> Self {
        Self {
            disk: home.disk().clone(),
            keys: home.file_keys(),
            epochs: Mutex::default(),
        }
    }

    /// Marks a folder as one of which everything may go.
    fn void(&self, id: FileId) -> io::Result<()> {
        let void = format!("{}/{VOID}", directory(id));
        self.disk.publish(&void, |_| Ok(()))
    }

    fn check(&self, id: FileId) -> Result<(), ViewError> {
        match self.folder(id)? {
            None => Ok(()),
            Some((folder, true)) => OwnEpoch::read(folder)?.verify(),
            Some((folder, false)) => PeerEpoch::read(folder)?.verify(),
        }
    }

    /// Opens a folder, and tells whether it is of a view of our own; none where all of it may go.
    fn folder(&self, id: FileId) -> Result<Option<(Folder, bool)>, ViewError> {
        let names = self.disk.list(&directory(id))?;
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        // One that began or ended has no key while it is empty: what had one was moved away.
        let is_bare = || matches!(self.keys.load(id), Err(KeyError::Missing));
        if has(VOID) || (names.is_empty() && is_bare()) {
            return Ok(None);
        }
        if !has(STATE) {
            let directory = self.disk.root().join(directory(id));
            return Err(ViewError::StateLost { directory });
        }
        let folder = Folder::open(&self.disk, &self.keys, id)?;
        let own = folder.read_state(|bytes| Ok::<_, ()>(OwnState::decode(bytes).is_ok()))?;
        Ok(Some((folder, own)))
    }

    fn open_one(&self, id: FileId) -> Result<(), ViewError> {
        match self.folder(id)? {
            None => return self.clear(id),
            Some((folder, true)) => {
                let epoch = Arc::new(OwnEpoch::open(folder)?);
                self.lock().own.insert(id, epoch);
            }
            Some((folder, false)) => {
                let epoch = Arc::new(PeerEpoch::open(folder)?);
                self.lock().peers.insert(id, epoch);
            }
        }
        Ok(())
    }

    /// Ends the beginning of a folder, or takes it back.
    fn begun<T>(&self, id: FileId, begun: Result<T, ViewError>) -> Result<T, ViewError> {
        let void = format!("{}/{VOID}", directory(id));
        let begun = begun.and_then(|begun| {
            self.disk.remove(&void)?;
            Ok(begun)
        });
        if begun.is_err() {
            // What cannot be removed now is when the home is opened again.
            let _ = self.clear(id);
        }
        begun
    }

    /// Destroys a folder's key and removes all of it; the mark that says so last.
    fn clear(&self, id: FileId) -> Result<(), ViewError> {
        match self.keys.destroy(id) {
            Ok(()) | Err(KeyError::Missing) => {}
            Err(KeyError::Disk(error)) => return Err(error.into()),
            Err(error) => {
                let file = self.disk.root().join(directory(id));
                return Err(ViewError::Key { file, error });
            }
        }
        let directory = directory(id);
        let mut names = self.disk.list(&directory)?;
        names.sort_by_key(|name| name == VOID);
        for name in names {
            self.disk.remove(&format!("{directory}/{name}"))?;
        }
        Ok(self.disk.remove_directory(&directory)?)
    }

    fn lock(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a file of a folder from its first byte to its last.
fn read_all(folder: &Folder, id: FileId) -> Result<(), ViewError> {
    let mut sealed = folder.sealed(id)?;
    let path = folder.full(id);
    for number in 0..sealed.blocks() {
        let block = sealed.block(number);
        block.map_err(|error| error.in_file(path.clone()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
