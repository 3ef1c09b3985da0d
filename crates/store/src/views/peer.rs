//! A view of a peer, in one epoch: what was accepted of it, and what it need not be asked again
//! (`spec/46 §8`).

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blindmatch_psi::publication::{Domain, Manifest, Publication, apply};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    cache::{self, CacheWriter, Cached, Outputs},
    error::ViewError,
    file::{SealedScratch, ViewFile},
    folder::{Folder, Written},
    state::{Accepted, MAX_CACHES, MAX_PROOF, PUBLICATIONS, PeerState},
};
use crate::{disk::DiskFile, keys::FileId};

/// A file of cached outputs that is so many times as long as those behind it stays as it is.
const TIER: u64 = 4;

/// A view of a peer, in one epoch. Any number of threads may have it.
pub struct PeerEpoch {
    folder: Folder,
    domain: Domain,
    state: Mutex<PeerState>,
    /// Outputs that are to be kept, by the numbers under which they were remembered.
    ahead: Mutex<BTreeMap<u64, Arc<Outputs>>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl PeerEpoch {
    /// Accepts the first publication of an epoch that is read of it.
    pub(super) fn begin(
        folder: Folder,
        manifest: &Manifest,
        proof: &[u8],
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ViewError> {
        check_proof(proof)?;
        let accepted = name(
            &folder,
            manifest,
            proof,
            fetch(&folder, manifest, write, rng)?,
        )?;
        let state = PeerState {
            publications: vec![accepted],
            caches: Vec::new(),
        };
        folder.write_state(&state.encode(), rng)?;
        Ok(Self {
            folder,
            domain: manifest.domain.clone(),
            state: Mutex::new(state),
            ahead: Mutex::default(),
            changing: Mutex::new(()),
        })
    }

    /// Removes what a crash left.
    pub(super) fn open(folder: Folder) -> Result<Self, ViewError> {
        let epoch = Self::read(folder)?;
        let files = epoch.lock().files().collect();
        epoch.folder.keep_only(&files)?;
        Ok(epoch)
    }

    pub(super) fn read(folder: Folder) -> Result<Self, ViewError> {
        let state = folder.read_state(PeerState::decode)?;
        let newest = state.publications.first().ok_or(ViewError::Missing)?;
        Ok(Self {
            domain: newest.manifest.domain.clone(),
            folder,
            state: Mutex::new(state),
            ahead: Mutex::default(),
            changing: Mutex::new(()),
        })
    }

    /// Names the epoch in this home.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.folder.id
    }

    /// Which view, and which epoch.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What was accepted, the newest first: one or two.
    #[must_use]
    pub fn publications(&self) -> Vec<Accepted> {
        self.lock().publications.clone()
    }

    /// Accepts a later publication of the epoch, whose file `write` writes: as it was downloaded, or
    /// made from the one before by its difference. One that was accepted already is left as it is.
    ///
    /// Whether the manifest is recorded and cosigned is for the caller to check; `proof` is kept.
    ///
    /// # Errors
    ///
    /// [`ViewError::Manifest`] where it does not go on from the newest, [`ViewError::Publication`]
    /// where the file is not the manifest's, and what `write` and the disk have. Nothing is accepted
    /// then.
    pub fn accept(
        &self,
        manifest: &Manifest,
        proof: &[u8],
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ViewError> {
        let fetch = |rng: &mut dyn CryptoRng| fetch(&self.folder, manifest, write, rng);
        self.add(manifest, proof, fetch, rng)
    }

    /// The same by what leads to it from the newest that was accepted, which `write` writes.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_difference(
        &self,
        manifest: &Manifest,
        proof: &[u8],
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        scratch: &SealedScratch,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ViewError> {
        let newest = self.publications().into_iter().next();
        let newest = self.publication(&newest.ok_or(ViewError::Missing)?)?;
        let mut difference = self.folder.write(rng)?;
        write(&mut Bounded {
            file: &mut difference.file,
            left: manifest.edition.difference_length(),
        })?;
        let difference = self.folder.unpublished(&difference.finish()?)?;
        let (edition, root) = (manifest.edition, manifest.root);
        let applied = |rng: &mut dyn CryptoRng| {
            let mut file = self.folder.write(rng)?;
            // What it writes has the manifest's root, or it fails.
            apply(
                &newest,
                &difference,
                edition,
                &root,
                scratch,
                &mut file.file,
            )?;
            Ok(file.finish()?)
        };
        self.add(manifest, proof, applied, rng)
    }

    /// A publication that was accepted, to be looked up in.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn publication(
        &self,
        accepted: &Accepted,
    ) -> Result<Publication<ViewFile<DiskFile>>, ViewError> {
        let Manifest { edition, root, .. } = accepted.manifest;
        let file = self.folder.file(accepted.file)?;
        // It was verified before it got its name, and each block has a tag since.
        Ok(Publication::verified_before(file, edition, root)?)
    }

    /// What was asked in this epoch already.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn cached(&self) -> Result<Cached, ViewError> {
        // These first: what is kept meanwhile is in both.
        let ahead = self.lock_ahead().values().cloned().collect();
        let caches = self.lock().caches.clone();
        let open = |id: FileId| Ok::<_, ViewError>((self.folder.full(id), self.folder.sealed(id)?));
        let files = caches.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Cached::new(files, ahead))
    }

    /// Has outputs, which ascend by their items, among those that are [cached](Self::cached) from now on,
    /// for as long as this process lives or until they are [kept](Self::keep_remembered) by the number that this gives.
    pub fn remember<'i>(
        &self,
        outputs: impl IntoIterator<Item = (&'i [u8], Zeroizing<[u8; 64]>)>,
    ) -> u64 {
        let outputs = outputs.into_iter();
        let outputs = outputs.map(|(item, output)| (Zeroizing::new(item.to_vec()), output));
        let mut ahead = self.lock_ahead();
        let number = ahead.last_key_value().map_or(0, |(last, _)| last + 1);
        ahead.insert(number, Arc::new(outputs.collect()));
        number
    }

    /// [Keeps](Self::keep) outputs that were remembered.
    ///
    /// # Errors
    ///
    /// Those of the disk; they are remembered still.
    pub fn keep_remembered(&self, number: u64, rng: &mut dyn CryptoRng) -> Result<(), ViewError> {
        let outputs = self.lock_ahead().get(&number).cloned();
        let mut fresh = self.cache(rng)?;
        for (item, output) in outputs.iter().flat_map(|outputs| outputs.iter()) {
            fresh.push(item, output)?;
        }
        self.keep(fresh, rng)?;
        self.lock_ahead().remove(&number);
        Ok(())
    }

    /// Begins to take outputs to be cached.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn cache(&self, rng: &mut dyn CryptoRng) -> Result<CacheWriter, ViewError> {
        Ok(CacheWriter::new(self.folder.write(rng)?))
    }

    /// Adds outputs to those that are cached, durably. What is long is seldom written again.
    ///
    /// # Errors
    ///
    /// Those of the disk; nothing was added then.
    pub fn keep(&self, written: CacheWriter, rng: &mut dyn CryptoRng) -> Result<(), ViewError> {
        if written.count() == 0 {
            return Ok(());
        }
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock().clone();
        let mut new = written.writing.finish()?;
        let sealed = self.folder.reopen(&new)?;
        let mut length = sealed.length();
        let mut joined = vec![(self.folder.full(new.id), sealed)];
        while let Some(last) = state.caches.last() {
            let sealed = self.folder.sealed(*last)?;
            let is_long = sealed.length() >= length.saturating_mul(TIER);
            if is_long && state.caches.len() < MAX_CACHES {
                break;
            }
            length = length.saturating_add(sealed.length());
            joined.push((self.folder.full(*last), sealed));
            state.caches.pop();
        }
        if joined.len() > 1 {
            let mut all = CacheWriter::new(self.folder.write(rng)?);
            cache::copy(&mut Cached::new(joined, Vec::new()), &mut all)?;
            new = all.writing.finish()?;
        }
        state.caches.push(self.folder.publish(new)?);
        self.change(state, rng)
    }

    /// Reads every file from its first byte to its last.
    ///
    /// # Errors
    ///
    /// A [`ViewError`] that names the first that does not read.
    pub fn verify(&self) -> Result<(), ViewError> {
        self.folder.read_state(PeerState::decode)?;
        let state = self.lock().clone();
        for id in state.files() {
            super::read_all(&self.folder, id)?;
        }
        for accepted in &state.publications {
            let Manifest { edition, root, .. } = accepted.manifest;
            Publication::verify(self.folder.file(accepted.file)?, edition, root)?;
        }
        let mut cached = self.cached()?;
        while cached.next()?.is_some() {}
        Ok(())
    }

    /// Accepts a later publication, whose file `bring` brings as the manifest says it is.
    fn add(
        &self,
        manifest: &Manifest,
        proof: &[u8],
        bring: impl FnOnce(&mut dyn CryptoRng) -> Result<Written, ViewError>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ViewError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock().clone();
        if let Some(newest) = state.publications.first() {
            if newest.manifest == *manifest {
                return Ok(());
            }
            manifest.check_succession(&newest.manifest)?;
        }
        check_proof(proof)?;
        let accepted = name(&self.folder, manifest, proof, bring(rng)?)?;
        state.publications.insert(0, accepted);
        state.publications.truncate(PUBLICATIONS);
        self.change(state, rng)
    }

    fn change(&self, state: PeerState, rng: &mut dyn CryptoRng) -> Result<(), ViewError> {
        self.folder.write_state(&state.encode(), rng)?;
        let files: BTreeSet<_> = state.files().collect();
        *self.lock() = state;
        Ok(self.folder.keep_only(&files)?)
    }

    fn lock_ahead(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Outputs>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the file of a publication, and reads that it is what the manifest says.
fn fetch(
    folder: &Folder,
    manifest: &Manifest,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    rng: &mut dyn CryptoRng,
) -> Result<Written, ViewError> {
    let mut file = folder.write(rng)?;
    let length = manifest.edition.file_length();
    write(&mut Bounded {
        file: &mut file.file,
        left: length,
    })?;
    let written = file.finish()?;
    Publication::verify(
        folder.unpublished(&written)?,
        manifest.edition,
        manifest.root,
    )?;
    Ok(written)
}

fn check_proof(proof: &[u8]) -> Result<(), ViewError> {
    if proof.len() > MAX_PROOF {
        return Err(ViewError::OtherManifest);
    }
    Ok(())
}

/// Gives a file its name.
fn name(
    folder: &Folder,
    manifest: &Manifest,
    proof: &[u8],
    written: Written,
) -> Result<Accepted, ViewError> {
    Ok(Accepted {
        manifest: manifest.clone(),
        proof: proof.to_vec(),
        file: folder.publish(written)?,
    })
}

/// Takes no more than a file of its edition has: a peer must not fill the disk.
struct Bounded<'w, W> {
    file: &'w mut W,
    left: u64,
}

impl<W: Write> Write for Bounded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        if length > self.left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
