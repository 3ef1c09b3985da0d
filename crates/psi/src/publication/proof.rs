//! Proves a single block of a publication, for who does not hold the file (`spec/32 §5.5`).

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use super::{
    block::{self, LONGEST_BODY},
    error::FileError,
    form::Edition,
    label::SEALED_LENGTH,
    merkle::{self, Hash},
    read::{Block, Publication},
    rice::GROUP,
    scratch::Stored,
    tag::Tag,
};

const CONTEXT: &str = "blindmatch block proof v1";

const LABELS_LENGTH: usize = GROUP * SEALED_LENGTH;

/// No tree of ours has as many as 2^32 leaves.
const LONGEST_PATH: usize = 32;

/// One block, with the audit path that leads from it to the manifest's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockProof {
    /// The number of the block, from 0.
    pub number: u64,
    /// Its first tag, body and sealed labels as they are hashed.
    first: Tag,
    body: Vec<u8>,
    labels: Vec<u8>,
    salt: [u8; 32],
    path: Vec<Hash>,
}

impl<F: Stored> Publication<F> {
    /// One block with its audit path, in one pass over the file.
    ///
    /// # Errors
    ///
    /// [`FileError::Range`] beyond the last block; otherwise as [`verify`](Self::verify).
    pub fn prove(&self, number: u64) -> Result<BlockProof, FileError> {
        if number >= self.edition().blocks() {
            return Err(FileError::Range);
        }
        let (root, path) = self.hash_all(Some(number + 1))?;
        if root != *self.root() {
            return Err(FileError::Root);
        }
        let mut block = Block::default();
        let place = self.place(number)?;
        self.read_block(place, &mut block)?;
        self.read_labels(number, &mut block)?;
        Ok(BlockProof {
            number,
            first: place.first,
            body: block.body,
            labels: block.labels,
            salt: self.salt,
            path,
        })
    }
}

impl BlockProof {
    /// The first tag of the block.
    #[must_use]
    pub const fn first_tag(&self) -> u128 {
        self.first.0
    }

    /// Checks that this block is one of the publication with this edition and root.
    ///
    /// # Errors
    ///
    /// [`FileError::Path`] where it is not, or what is wrong with the block.
    pub fn verify(&self, edition: &Edition, root: &Hash) -> Result<(), FileError> {
        if self.labels.len() != LABELS_LENGTH || self.number >= edition.blocks() {
            return Err(FileError::Path);
        }
        let (mut tags, mut ages) = (Vec::new(), Vec::new());
        block::decode(self.first, &self.body, edition, &mut tags, &mut ages)?;
        let leaf = block::leaf(
            &self.salt,
            self.number,
            self.first,
            &self.body,
            &self.labels,
        );
        let leaves = edition.blocks() + 1;
        if merkle::root_from_path(leaves, self.number + 1, leaf, &self.path) == Some(*root) {
            Ok(())
        } else {
            Err(FileError::Path)
        }
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer
            .u64(self.number)
            .fixed(&self.salt)
            .fixed(&self.first.0.to_be_bytes())
            .bytes(&self.body)
            .bytes(&self.labels)
            .bytes(self.path.as_flattened())
            .finish()
    }

    /// Reads canonical bytes; [`verify`](Self::verify) says whether they prove anything.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let number = reader.u64()?;
        let salt = reader.fixed()?;
        let first = Tag(u128::from_be_bytes(reader.fixed()?));
        let body = reader.bytes(LONGEST_BODY)?.to_vec();
        let labels = reader.bytes(LABELS_LENGTH)?.to_vec();
        let (path, rest) = reader.bytes(LONGEST_PATH * 32)?.as_chunks();
        reader.finish()?;
        if !rest.is_empty() {
            return Err(DecodeError::Field);
        }
        Ok(Self {
            number,
            first,
            body,
            labels,
            salt,
            path: path.to_vec(),
        })
    }
}
