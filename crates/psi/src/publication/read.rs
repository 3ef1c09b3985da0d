//! Reads a file that somebody else wrote (`spec/32 §5`).

use super::{
    block::{self, LONGEST_BODY},
    error::FileError,
    form::{Edition, HEADER_LENGTH},
    label::SEALED_LENGTH,
    merkle::{Hash, Tree},
    rice::GROUP,
    scratch::Stored,
    tag::Tag,
};

/// A file whose root was found to be the manifest's.
///
/// Nothing of it is held in memory; a block is read when it is needed.
#[derive(Debug)]
pub struct Publication<F> {
    pub(super) file: F,
    edition: Edition,
    root: Hash,
    pub(super) salt: [u8; 32],
}

/// A block in memory; reading the next one reuses its buffers.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) tags: Vec<u128>,
    pub(super) ages: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) labels: Vec<u8>,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) first: Tag,
    start: u64,
    end: u64,
}

impl<F: Stored> Publication<F> {
    /// Opens a file and checks every byte of it, in one pass, against its edition and root.
    ///
    /// # Errors
    ///
    /// A [`FileError`] that names the first offence found.
    pub fn verify(file: F, edition: Edition, root: Hash) -> Result<Self, FileError> {
        let publication = Self::verified_before(file, edition, root)?;
        let (found, _) = publication.hash_all(None)?;
        if found == root {
            Ok(publication)
        } else {
            Err(FileError::Root)
        }
    }

    /// Opens a file again that was verified before and kept where nobody else writes.
    ///
    /// # Errors
    ///
    /// [`FileError::Length`] or [`FileError::Header`] where it cannot be that file.
    pub fn verified_before(file: F, edition: Edition, root: Hash) -> Result<Self, FileError> {
        if file.length()? != edition.file_length() {
            return Err(FileError::Length);
        }
        let mut header = [0; HEADER_LENGTH];
        file.read_at(0, &mut header)?;
        let salt = edition.read_header(&header)?;
        Ok(Self {
            file,
            edition,
            root,
            salt,
        })
    }

    /// Which publication it is.
    pub const fn edition(&self) -> &Edition {
        &self.edition
    }

    /// The root that it has.
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// Where a block lies, which must be behind the one before.
    pub(super) fn place(&self, number: u64) -> Result<Place, FileError> {
        let (first, end) = self.index(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => self.index(before)?.1,
            None => 0,
        };
        let longest = LONGEST_BODY as u64;
        match end.checked_sub(start) {
            Some(length) if length <= longest && end <= self.edition.bodies_length() => {
                Ok(Place { first, start, end })
            }
            _ => Err(FileError::Index),
        }
    }

    /// Reads tags and ages of a block.
    pub(super) fn read_block(&self, place: Place, block: &mut Block) -> Result<(), FileError> {
        let length = usize::try_from(place.end - place.start).map_err(|_| FileError::Index)?;
        block.body.resize(length, 0);
        self.file
            .read_at(self.edition.bodies_at() + place.start, &mut block.body)?;
        block::decode(
            place.first,
            &block.body,
            &self.edition,
            &mut block.tags,
            &mut block.ages,
        )
    }

    /// The first tag of a block, and where its body ends.
    pub(super) fn index(&self, number: u64) -> Result<(Tag, u64), FileError> {
        let mut buffer = [0; 24];
        let length = self.edition.index_entry();
        let at = self.edition.index_at() + number * length as u64;
        let (_, entry) = buffer.split_at_mut(24 - length);
        self.file.read_at(at, entry)?;
        let (tag, end) = buffer.split_at(16);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u128::from(*byte));
        let tag = Tag(number(tag));
        if !self.edition.tag_length.holds(tag) {
            return Err(FileError::Range);
        }
        Ok((
            tag,
            u64::try_from(number(end)).map_err(|_| FileError::Index)?,
        ))
    }

    /// Reads the sealed labels of a block.
    pub(super) fn read_labels(&self, number: u64, block: &mut Block) -> Result<(), FileError> {
        const LENGTH: usize = GROUP * SEALED_LENGTH;
        block.labels.resize(LENGTH, 0);
        let at = self.edition.labels_at() + number * LENGTH as u64;
        Ok(self.file.read_at(at, &mut block.labels)?)
    }

    /// Checks the form of everything; the root, and the path of a leaf where one is wanted.
    pub(super) fn hash_all(&self, wanted: Option<u64>) -> Result<(Hash, Vec<Hash>), FileError> {
        let mut tree = wanted.map_or_else(Tree::default, Tree::with_path);
        tree.push(block::header_leaf(&self.edition.header(&self.salt)));
        let mut block = Block::default();
        let mut last = None;
        let mut end = 0;
        for number in 0..self.edition.blocks() {
            let place = self.place(number)?;
            self.read_block(place, &mut block)?;
            self.read_labels(number, &mut block)?;
            if last.is_some_and(|last| last >= place.first.0) {
                return Err(FileError::Order);
            }
            last = block.tags.last().copied();
            end = place.end;
            tree.push(block::leaf(
                &self.salt,
                number,
                place.first,
                &block.body,
                &block.labels,
            ));
        }
        let bodies = self.edition.bodies_at();
        check_zeros(
            &self.file,
            bodies + end,
            bodies + self.edition.bodies_length(),
        )?;
        Ok(tree.finish())
    }
}

/// Checks that a file holds zeros only between two places.
pub(super) fn check_zeros(file: &impl Stored, mut from: u64, to: u64) -> Result<(), FileError> {
    let mut buffer = [0; 4096];
    while from < to {
        let left = to - from;
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let (chunk, _) = buffer.split_at_mut(length);
        file.read_at(from, chunk)?;
        if chunk.iter().any(|byte| *byte != 0) {
            return Err(FileError::Padding);
        }
        from += length as u64;
    }
    Ok(())
}
