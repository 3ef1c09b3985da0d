//! A view that this node serves, in one epoch (`spec/46 §7`).

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use blindmatch_oprf::SecretKey;
use blindmatch_psi::publication::{
    Changes, Domain, DummySeed, Epoch, FirstPublication, Manifest, Newest, Outputs, Publication,
    PublishError, Published, Reservation, Scratch, Waiting,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    error::ViewError,
    file::ViewFile,
    folder::{Folder, Writing, Written},
    rows::{self, EpochRows},
    state::{OwnPublication, OwnRows, OwnState, PUBLICATIONS, encode_own},
};
use crate::{
    disk::{Aside, DiskFile},
    keys::FileId,
    row::{Origin, Row, RowReader, RowWriter},
};

/// A view that this node serves, in one epoch. Any number of threads may have it.
pub struct OwnEpoch {
    folder: Folder,
    domain: Domain,
    secret: Arc<SecretKey>,
    seed: Zeroizing<[u8; 32]>,
    /// One publication at a time.
    writing: Mutex<Epoch>,
    publications: RwLock<Arc<[OwnPublication]>>,
}

/// A publication on its way. Dropped before its end, it leaves nothing but a used sequence number.
pub struct Draft<'e> {
    epoch: &'e OwnEpoch,
    writing: MutexGuard<'e, Epoch>,
    /// The durable state, in which the number is reserved.
    reserved: Vec<u8>,
    reservation: Option<Reservation>,
    rows: Option<(FileId, RowWriter<Aside>)>,
    settled: Option<Settled>,
    made: Option<Made>,
    published: bool,
}

/// The rows of a publication that goes on with those of the one before.
enum Settled {
    /// The same, and what changed of them.
    Changed(FileId, Written),
    /// All of them, written anew.
    Whole(Written),
}

struct Made {
    published: Published,
    file: Written,
    difference: Option<Written>,
    roll: Written,
}

impl OwnEpoch {
    pub(super) fn begin(
        folder: Folder,
        domain: Domain,
        queries: u64,
        next: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ViewError> {
        let epoch = Epoch::begin(domain.clone(), queries, next)?;
        let secret = SecretKey::random(rng);
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let state = encode_own(&domain, &secret, &seed, &epoch.encode(), &[]);
        folder.write_state(&state, rng)?;
        Ok(Self {
            folder,
            domain,
            secret: Arc::new(secret),
            seed,
            writing: Mutex::new(epoch),
            publications: RwLock::new(Arc::default()),
        })
    }

    /// Removes what a crash left.
    pub(super) fn open(folder: Folder) -> Result<Self, ViewError> {
        let epoch = Self::read(folder)?;
        let publications = epoch.publications();
        let files = publications.iter().flat_map(OwnPublication::files);
        epoch.folder.keep_only(&files.collect())?;
        Ok(epoch)
    }

    pub(super) fn read(folder: Folder) -> Result<Self, ViewError> {
        let state = folder.read_state(OwnState::decode)?;
        Ok(Self {
            folder,
            domain: state.domain,
            secret: Arc::new(state.secret),
            seed: state.seed,
            writing: Mutex::new(state.epoch),
            publications: RwLock::new(state.publications.into()),
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

    /// The key that evaluates.
    #[must_use]
    pub fn secret(&self) -> Arc<SecretKey> {
        Arc::clone(&self.secret)
    }

    /// What is published, the newest first: two at most.
    #[must_use]
    pub fn publications(&self) -> Arc<[OwnPublication]> {
        let publications = self.publications.read();
        Arc::clone(&publications.unwrap_or_else(PoisonError::into_inner))
    }

    /// The file of a publication.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn file(&self, publication: &OwnPublication) -> Result<ViewFile<DiskFile>, ViewError> {
        self.folder.file(publication.file)
    }

    /// What leads to a publication from the one before.
    ///
    /// # Errors
    ///
    /// [`ViewError::Missing`] of the first of an epoch, and others.
    pub fn difference(
        &self,
        publication: &OwnPublication,
    ) -> Result<ViewFile<DiskFile>, ViewError> {
        self.folder
            .file(publication.difference.ok_or(ViewError::Missing)?)
    }

    /// The rows beside the newest publication, as they were handed in.
    ///
    /// # Errors
    ///
    /// [`ViewError::Missing`] before the first publication, and others.
    pub fn rows(&self) -> Result<EpochRows, ViewError> {
        EpochRows::open(&self.folder, &self.newest_rows()?)
    }

    fn newest_rows(&self) -> Result<OwnRows, ViewError> {
        let publications = self.publications();
        let newest = publications.first().and_then(|newest| newest.rows);
        newest.ok_or(ViewError::Missing)
    }

    /// The lowest sequence number that the view's next epoch may begin with. Waits for a publication
    /// that is being made.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        let writing = self.writing.lock();
        writing
            .unwrap_or_else(PoisonError::into_inner)
            .next_number()
    }

    /// Begins a publication: reserves its sequence number, durably.
    ///
    /// # Errors
    ///
    /// [`ViewError::Publish`] where the epoch is full, and the disk's.
    pub fn draft(&self, rng: &mut dyn CryptoRng) -> Result<Draft<'_>, ViewError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let reserving = writing.reserve()?;
        self.write_state(reserving.state(), &self.publications(), rng)?;
        let Writing { id, file } = self.folder.write(rng)?;
        Ok(Draft {
            epoch: self,
            writing,
            reserved: reserving.state().to_vec(),
            reservation: Some(reserving.stored()),
            rows: Some((id, RowWriter::new(file))),
            settled: None,
            made: None,
            published: false,
        })
    }

    /// Reads every file from its first byte to its last.
    ///
    /// # Errors
    ///
    /// A [`ViewError`] that names the first that does not read.
    pub fn verify(&self) -> Result<(), ViewError> {
        self.folder.read_state(OwnState::decode)?;
        for publication in self.publications().iter() {
            for id in publication.files() {
                super::read_all(&self.folder, id)?;
            }
            let Manifest { edition, root, .. } = publication.manifest;
            Publication::verify(self.file(publication)?, edition, root)?;
        }
        Ok(())
    }

    fn write_state(
        &self,
        epoch: &[u8],
        publications: &[OwnPublication],
        rng: &mut dyn CryptoRng,
    ) -> io::Result<()> {
        let state = encode_own(&self.domain, &self.secret, &self.seed, epoch, publications);
        self.folder.write_state(&state, rng)
    }
}

impl Draft<'_> {
    /// The epoch's state, to begin [`Changes`] with.
    #[must_use]
    pub fn state(&self) -> &Epoch {
        &self.writing
    }

    /// Adds a row of this publication; ascending by their keys.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let rows = self.rows.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
        rows.1.push(row)
    }

    /// Makes the first publication of the epoch.
    ///
    /// # Errors
    ///
    /// [`ViewError::Publish`], and the disk's.
    pub fn first<S: Scratch>(
        &mut self,
        first: FirstPublication<'_, S>,
        mut rng: &mut dyn CryptoRng,
    ) -> Result<Published, ViewError> {
        let reservation = self.reservation.take();
        let reservation = reservation.ok_or(PublishError::SequenceUsed)?;
        let folder = &self.epoch.folder;
        let (mut file, mut roll) = (folder.write(rng)?, folder.write(rng)?);
        let published = first.publish(
            &mut self.writing,
            reservation,
            &DummySeed::new(*self.epoch.seed),
            &mut rng,
            &mut file.file,
            &mut roll.file,
        )?;
        self.made = Some(Made {
            published,
            file: file.finish()?,
            difference: None,
            roll: roll.finish()?,
        });
        Ok(published)
    }

    /// Makes a later publication. `waiting` is told what is not in it.
    ///
    /// # Errors
    ///
    /// [`ViewError::Publish`], and the disk's.
    pub fn later<S: Scratch>(
        &mut self,
        changes: Changes<'_, S>,
        mut rng: &mut dyn CryptoRng,
        waiting: &mut dyn FnMut(Waiting),
    ) -> Result<Published, ViewError> {
        let reservation = self.reservation.take();
        let reservation = reservation.ok_or(PublishError::SequenceUsed)?;
        let epoch = self.epoch;
        let publications = epoch.publications();
        let newest = publications.first().ok_or(PublishError::NotPublished)?;
        let roll = newest.roll.ok_or(PublishError::Roll)?;
        let before = epoch.folder.file(roll)?;
        let Manifest { edition, root, .. } = newest.manifest;
        let publication = Publication::verified_before(epoch.file(newest)?, edition, root)?;
        let mut write = || epoch.folder.write(rng);
        let (mut file, mut difference, mut roll) = (write()?, write()?, write()?);
        let published = changes.publish(
            &mut self.writing,
            reservation,
            &DummySeed::new(*epoch.seed),
            &mut rng,
            &Newest {
                publication: &publication,
                roll: &before,
            },
            Outputs {
                file: &mut file.file,
                difference: &mut difference.file,
                roll: &mut roll.file,
            },
            waiting,
        )?;
        self.made = Some(Made {
            published,
            file: file.finish()?,
            difference: Some(difference.finish()?),
            roll: roll.finish()?,
        });
        Ok(published)
    }

    /// Takes the rows that were added for what changes of those beside the newest publication, each with
    /// the origin that `settle` gives it: what a row is may depend on what waits. Where it gives none, or
    /// the row has no handle, there is no such row any more. All others stay as they are.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn settle(
        &mut self,
        settle: &mut dyn FnMut(&Row<'_>) -> Option<Origin>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ViewError> {
        let folder = &self.epoch.folder;
        let before = self.epoch.newest_rows()?;
        let (id, rows) = self.rows.take().ok_or(ViewError::OtherManifest)?;
        let file = rows.finish()?;
        let now = RowReader::new(folder.reopen(&Written { id, file })?)?;
        let open = |id| Ok::<_, ViewError>(RowReader::new(folder.sealed(id)?)?);
        let earlier = before.changed.map(open).transpose()?;
        let Writing { id, file } = folder.write(rng)?;
        let mut rows = RowWriter::new(file);
        rows::write_changed(earlier, now, settle, &mut rows)?;
        let file = rows.finish()?;
        let changed = Written { id, file };
        let sealed = folder.reopen(&changed)?;
        let whole = folder.sealed(before.whole)?;
        self.settled = Some(if rows::are_many(sealed.length(), whole.length()) {
            let all = EpochRows::new(Some(RowReader::new(whole)?), Some(RowReader::new(sealed)?));
            let Writing { id, file } = folder.write(rng)?;
            let mut rows = RowWriter::new(file);
            rows::write_whole(all, &mut rows)?;
            let file = rows.finish()?;
            Settled::Whole(Written { id, file })
        } else {
            Settled::Changed(before.whole, changed)
        });
        Ok(())
    }

    /// Makes all of it durable: from here on it is the newest publication of the epoch. Its record
    /// in the ledger comes behind this.
    ///
    /// # Errors
    ///
    /// [`ViewError::OtherManifest`] where the manifest is not that of what was made, and the disk's.
    pub fn publish(mut self, manifest: Manifest, rng: &mut dyn CryptoRng) -> Result<(), ViewError> {
        let epoch = self.epoch;
        let made = self.made.take().ok_or(ViewError::OtherManifest)?;
        let same = manifest.domain == epoch.domain
            && manifest.public_key == *epoch.secret.public_key().as_bytes()
            && manifest.edition == made.published.edition
            && manifest.root == made.published.root;
        if !same {
            return Err(ViewError::OtherManifest);
        }
        let folder = &epoch.folder;
        let mut files = Vec::new();
        let mut keep = |written: Written| {
            let id = written.id;
            files.push(written);
            id
        };
        let rows = match (self.settled.take(), self.rows.take()) {
            (Some(Settled::Changed(whole, changed)), _) => OwnRows {
                whole,
                changed: Some(keep(changed)),
            },
            (Some(Settled::Whole(whole)), _) => OwnRows::of(keep(whole)),
            (None, Some((id, rows))) => {
                let file = rows.finish()?;
                OwnRows::of(keep(Written { id, file }))
            }
            (None, None) => return Err(ViewError::OtherManifest),
        };
        let newest = OwnPublication {
            manifest,
            items: made.published.items,
            file: keep(made.file),
            difference: made.difference.map(&mut keep),
            roll: Some(keep(made.roll)),
            rows: Some(rows),
        };
        folder.publish_together(files)?;
        let before = epoch.publications().first().cloned();
        let before = before.map(|before| OwnPublication {
            roll: None,
            rows: None,
            ..before
        });
        let mut publications: Vec<_> = [newest].into_iter().chain(before).collect();
        publications.truncate(PUBLICATIONS);
        epoch.write_state(&self.writing.encode(), &publications, rng)?;
        self.published = true;
        let files: BTreeSet<_> = publications
            .iter()
            .flat_map(OwnPublication::files)
            .collect();
        let published = epoch.publications.write();
        *published.unwrap_or_else(PoisonError::into_inner) = publications.into();
        Ok(folder.keep_only(&files)?)
    }
}

impl Drop for Draft<'_> {
    /// Goes back to what is on disk.
    fn drop(&mut self) {
        if !self.published
            && let Ok(epoch) = Epoch::decode(&self.reserved)
        {
            *self.writing = epoch;
        }
    }
}
