//! The form of a file: where everything lies follows from class and tag length (`spec/32 §5`).

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use super::{
    class::SetClass,
    error::FileError,
    label::SEALED_LENGTH,
    rice::{self, GROUP},
    tag::TagLength,
};

/// The publications that an epoch has at most, the first included.
pub const PUBLICATIONS: u8 = 32;

/// The publications behind the first: each takes dummies of the first out.
pub(super) const LATER: u64 = PUBLICATIONS as u64 - 1;

/// The sequence numbers that an epoch has at most, those included that were reserved and never
/// published.
pub const SEQUENCES: u64 = 64;

/// Bits that say by how much a later sequence number exceeds the epoch's first.
pub(super) const AGE_BITS: u32 = 6;

/// Which publication of a view a file holds, as the manifest and its own header say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The entries of the file.
    pub(super) class: SetClass,
    /// The bits of its tags.
    pub(super) tag_length: TagLength,
    /// The sequence number of the epoch's first publication.
    pub(super) first_sequence: u64,
    /// Its own sequence number, less than 64 behind that.
    pub(super) sequence: u64,
}

/// A file's header: the edition, and the salt of its block hashes.
pub(super) const HEADER_LENGTH: usize = 83;

const HEADER: &str = "blindmatch publication v1";

impl Edition {
    /// The edition of a publication, or nothing outside the bounds of `spec/32 §5.1`.
    #[must_use]
    pub fn new(
        class: SetClass,
        tag_length: TagLength,
        first_sequence: u64,
        sequence: u64,
    ) -> Option<Self> {
        // A tag has at least 40 bits more than the class (`spec/32 §2`).
        let wide = u32::from(tag_length.bits()) >= 40 + class.log2_ceiling();
        let later = sequence.checked_sub(first_sequence)?;
        (wide && later < SEQUENCES).then_some(Self {
            class,
            tag_length,
            first_sequence,
            sequence,
        })
    }

    /// The class of the set.
    #[must_use]
    pub const fn class(&self) -> SetClass {
        self.class
    }

    /// The length of the tags.
    #[must_use]
    pub const fn tag_length(&self) -> TagLength {
        self.tag_length
    }

    /// The sequence number of the epoch's first publication.
    #[must_use]
    pub const fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// The sequence number.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The length of the file in bytes, the same for every file of the class and tag length.
    #[must_use]
    pub const fn file_length(&self) -> u64 {
        self.bodies_at() + self.bodies_length()
    }

    /// The part of [`file_length`](Self::file_length) that is sealed labels.
    #[must_use]
    pub const fn labels_length(&self) -> u64 {
        self.class.entries() * SEALED_LENGTH as u64
    }

    /// Blocks of 256 entries. Every class is a multiple of 256.
    pub(super) const fn blocks(&self) -> u64 {
        self.class.entries() / GROUP as u64
    }

    /// The Rice parameter ⌊f⌋, with f = t − log2 of the class.
    pub(super) fn k(&self) -> u32 {
        rice_parameter(self.tag_length, self.class.log2_ceiling())
    }

    /// 2^t: tags are below it.
    pub(super) fn tag_limit(&self) -> u128 {
        1 << self.tag_length.bits()
    }

    /// The age of the entries that this publication brings: below 64.
    pub(super) const fn age(&self) -> u8 {
        (self.sequence - self.first_sequence).to_le_bytes()[0]
    }

    pub(super) const fn labels_at(&self) -> u64 {
        HEADER_LENGTH as u64
    }

    pub(super) const fn index_at(&self) -> u64 {
        self.labels_at() + self.labels_length()
    }

    pub(super) const fn bodies_at(&self) -> u64 {
        self.index_at() + self.blocks() * self.index_entry() as u64
    }

    /// First tag and end of a block.
    pub(super) const fn index_entry(&self) -> usize {
        self.tag_length.bytes() + 8
    }

    /// What the bodies of the blocks can take at most, whatever the tags are (`spec/32 §5.3`).
    pub(super) const fn bodies_length(&self) -> u64 {
        let (entries, blocks) = (self.class.entries(), self.blocks());
        let later = LATER * self.class.churn();
        let ages = (entries + AGE_BITS as u64 * later + 7 * blocks) / 8;
        let log2 = self.class.log2_ceiling();
        let k = rice_parameter(self.tag_length, log2);
        ages + rice::longest(entries - blocks, (1 << log2) - 1, k, blocks)
    }

    pub(super) fn header(&self, salt: &[u8; 32]) -> Vec<u8> {
        let mut writer = Writer::new(HEADER);
        self.write(&mut writer);
        writer.fixed(salt).finish()
    }

    /// Reads a header that must be of this edition; the salt.
    pub(super) fn read_header(&self, header: &[u8]) -> Result<[u8; 32], FileError> {
        let read = || {
            let mut reader = Reader::new(HEADER, header)?;
            let edition = Self::read(&mut reader)?;
            let salt = reader.fixed()?;
            reader.finish()?;
            Ok::<_, DecodeError>((edition, salt))
        };
        match read() {
            Ok((edition, salt)) if edition == *self => Ok(salt),
            _ => Err(FileError::Header),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer
            .u64(self.class.entries())
            .u8(self.tag_length.bits())
            .u64(self.first_sequence)
            .u64(self.sequence);
    }

    /// Reads what [`write`](Self::write) wrote and checks each field's own range.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let class = SetClass::from_entries(reader.u64()?);
        let tag_length = TagLength::from_bits(reader.u8()?);
        let (first_sequence, sequence) = (reader.u64()?, reader.u64()?);
        class
            .zip(tag_length)
            .and_then(|(class, length)| Self::new(class, length, first_sequence, sequence))
            .ok_or(DecodeError::Field)
    }
}

/// ⌊t − log2 n⌋ for n numbers below 2^t: then the quotients add up to less than 2^⌈log2 n⌉, and
/// a number costs at most k + 1 + 2^⌈log2 n⌉/n ≤ t − log2 n + 2 bits in the mean.
pub(super) const fn rice_parameter(tag_length: TagLength, log2_ceiling: u32) -> u32 {
    tag_length.bits() as u32 - log2_ceiling
}
