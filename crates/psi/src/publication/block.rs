//! Blocks of 256 entries: what is read, hashed and verified at a time (`spec/32 §5.2`).

use blindmatch_audit::codec::Writer;
use sha2::{Digest, Sha256};

use super::{
    bits::{BitReader, BitWriter},
    error::FileError,
    form::{AGE_BITS, Edition},
    label::{SEALED_LENGTH, SealedLabel},
    merkle::{self, Hash},
    rice::{self, GROUP},
    tag::Tag,
};

/// One entry of a file, real or dummy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: Tag,
    /// By how much the sequence number of the publication that brought it exceeds the epoch's
    /// first.
    pub(super) age: u8,
    pub(super) sealed: SealedLabel,
}

/// The longest body of a block in bytes.
pub(super) const LONGEST_BODY: usize = LONGEST_AGES + rice::LONGEST_GROUP;

/// A bit for each entry, and the age of those whose bit is set.
const LONGEST_AGES: usize = GROUP * (1 + AGE_BITS as usize) / 8;

/// The body of a block: everything of its entries but the first tag and the sealed labels.
pub(super) fn encode(entries: &[Entry], edition: &Edition) -> Result<Vec<u8>, FileError> {
    let mut ages = BitWriter::default();
    for entry in entries {
        ages.write((entry.age > 0).into(), 1);
    }
    for entry in entries.iter().filter(|entry| entry.age > 0) {
        ages.write(entry.age.into(), AGE_BITS);
    }
    let mut body = ages.finish();
    let mut tags = entries.iter().map(|entry| entry.tag.0);
    let first = tags.next();
    body.extend(rice::write(tags, first, edition.k())?);
    Ok(body)
}

/// The tags and ages of a block, which must fill its body exactly.
pub(super) fn decode(
    first: Tag,
    body: &[u8],
    edition: &Edition,
    tags: &mut Vec<u128>,
    ages: &mut Vec<u8>,
) -> Result<(), FileError> {
    tags.clear();
    ages.clear();
    let mut reader = BitReader::new(body);
    for _ in 0..GROUP {
        ages.push(u8::from(reader.read(1)? == 1));
    }
    for age in ages.iter_mut().filter(|age| **age > 0) {
        let value = reader.read(AGE_BITS)?;
        if value == 0 {
            return Err(FileError::Code);
        }
        *age = u8::try_from(value)
            .ok()
            .filter(|age| *age <= edition.age())
            .ok_or(FileError::Sequence)?;
    }
    let group = body.get(reader.align()?..).ok_or(FileError::Code)?;
    // The sums that follow it stay below 2^128 only from a tag of the edition's length.
    if !edition.tag_length().holds(first) {
        return Err(FileError::Range);
    }
    tags.push(first.0);
    let limit = edition.tag_limit();
    let length = rice::read(group, GROUP - 1, Some(first.0), edition.k(), limit, tags)?;
    if length == group.len() {
        Ok(())
    } else {
        Err(FileError::Code)
    }
}

/// The leaf hash of a file's header, which holds the salt itself.
pub(super) fn header_leaf(header: &[u8]) -> Hash {
    merkle::leaf().chain_update(header).finalize().into()
}

/// The salted leaf hash of a block.
///
/// `labels` are the 256 sealed labels, one behind the other.
pub(super) fn leaf(salt: &[u8; 32], number: u64, first: Tag, body: &[u8], labels: &[u8]) -> Hash {
    let start = Writer::new("blindmatch block v1")
        .fixed(salt)
        .u64(number)
        .fixed(&first.0.to_be_bytes())
        .bytes(body)
        .finish();
    let hash: Sha256 = merkle::leaf();
    hash.chain_update(start)
        .chain_update(labels)
        .finalize()
        .into()
}

/// One entry's label among those of its block.
pub(super) fn label(labels: &[u8], entry: usize) -> Option<SealedLabel> {
    let from = entry.checked_mul(SEALED_LENGTH)?;
    labels.get(from..)?.first_chunk().copied().map(SealedLabel)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::{super::class::SetClass, super::tag::TagLength, *};

    /// The eleventh publication of an epoch.
    fn edition() -> Edition {
        let class = SetClass::holding(0).unwrap();
        let length = TagLength::for_budget(1 << 23, class).unwrap();
        Edition::new(class, length, 5, 15).unwrap()
    }

    /// A block of tags 2^60 apart, with one entry of age 10 in it.
    fn entries() -> Vec<Entry> {
        let entry = |number: u128| Entry {
            tag: Tag(number << 60),
            age: if number == 7 { 10 } else { 0 },
            sealed: SealedLabel([0; SEALED_LENGTH]),
        };
        (1..=256).map(entry).collect()
    }

    fn refusal(body: &[u8]) -> Result<(), FileError> {
        decode(
            Tag(1 << 60),
            body,
            &edition(),
            &mut Vec::new(),
            &mut Vec::new(),
        )
    }

    #[test]
    fn a_body_is_ages_and_tags() {
        let entries = entries();
        let body = encode(&entries, &edition()).unwrap();
        // 256 bits of which the seventh is set, then 10 in 6 bits, then two bits of filling.
        assert_eq!(body[..2], [0b0000_0010, 0]);
        assert_eq!(body[32], 10 << 2);
        // The gap 2^60 − 1 is below 2^63: a 0, then 63 bits.
        assert_eq!(body[33..41], ((1_u64 << 60) - 1).to_be_bytes());
        assert_eq!(body.len(), 33 + 255 * 8);
        let (mut tags, mut ages) = (Vec::new(), Vec::new());
        decode(Tag(1 << 60), &body, &edition(), &mut tags, &mut ages).unwrap();
        let read = tags.into_iter().zip(ages);
        assert!(read.eq(entries.iter().map(|entry| (entry.tag.0, entry.age))));
    }

    #[test]
    fn refuses_each_departure_from_the_form() {
        let body = encode(&entries(), &edition()).unwrap();
        let change = |at: usize, byte: u8| {
            let mut changed = body.clone();
            changed[at] = byte;
            refusal(&changed)
        };
        assert_eq!(change(32, 11 << 2), Err(FileError::Sequence));
        assert_eq!(change(32, 0), Err(FileError::Code));
        assert_eq!(change(32, 10 << 2 | 1), Err(FileError::Padding));
        assert_eq!(refusal(&body[..body.len() - 1]), Err(FileError::Code));
        assert_eq!(
            refusal(&[body.as_slice(), &[0]].concat()),
            Err(FileError::Code)
        );
        assert_eq!(refusal(&[]), Err(FileError::Code));
        assert_eq!(refusal(&body[..32]), Err(FileError::Code));
        // A quotient of 1,560 leads beyond 2^73.
        let mut far = body.clone();
        far[100..300].fill(0xff);
        assert_eq!(refusal(&far), Err(FileError::Range));
    }

    #[test]
    fn a_leaf_depends_on_all_of_its_block() {
        let hash = |salt, number, first, body: &[u8], labels: &[u8]| {
            leaf(&[salt; 32], number, Tag(first), body, labels)
        };
        let leaves = [
            hash(0, 0, 0, &[1, 2], &[3]),
            hash(1, 0, 0, &[1, 2], &[3]),
            hash(0, 1, 0, &[1, 2], &[3]),
            hash(0, 0, 1, &[1, 2], &[3]),
            hash(0, 0, 0, &[1], &[2, 3]),
            hash(0, 0, 0, &[1, 2], &[4]),
        ];
        for (at, leaf) in leaves.iter().enumerate() {
            assert!(!leaves[..at].contains(leaf));
        }
    }
}
