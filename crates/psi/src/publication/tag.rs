//! Tags: the part of an OPRF output that is published (`spec/32 §2`).

use super::{class::SetClass, error::PublishError};

/// What a lookup compares: the first bits of an OPRF output, as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tag(pub(super) u128);

/// The number of bits in the tags of a view, from the rule of `spec/32 §2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLength(u8);

impl TagLength {
    /// Of the 512 bits of an output so many may be shown; its label key needs the others.
    const LONGEST: u32 = 120;

    /// The shortest with `queries`·entries·2^-t ≤ 2^-40, where `queries` is the most that all
    /// queriers of the view may ask in an epoch.
    ///
    /// # Errors
    ///
    /// [`PublishError::Budget`] for no queries, or for so many that the tag would not fit.
    pub fn for_budget(queries: u64, class: SetClass) -> Result<Self, PublishError> {
        // Both factors are below 2^64.
        let pairs = u128::from(queries) * u128::from(class.entries());
        let bits = 40 + pairs.next_power_of_two().trailing_zeros();
        match u8::try_from(bits) {
            Ok(length) if queries > 0 && bits <= Self::LONGEST => Ok(Self(length)),
            _ => Err(PublishError::Budget),
        }
    }

    /// The length in bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// A length that was computed and stored earlier.
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        (bits > 40 && u32::from(bits) <= Self::LONGEST).then_some(Self(bits))
    }

    /// The tag of an output: its first bits, the first byte being the most significant.
    pub(super) fn tag(self, output: &[u8; 64]) -> Tag {
        self.tag_within(first_bits(output))
    }

    /// The tag within the [first bits](first_bits) of an output.
    pub(super) fn tag_within(self, first: u128) -> Tag {
        Tag(first >> (128 - u32::from(self.0)))
    }

    /// Bytes of a tag that is stored whole, big-endian.
    pub(super) const fn bytes(self) -> usize {
        (self.0 as usize).div_ceil(8)
    }

    /// Whether the tag is below 2^t.
    pub(super) const fn holds(self, tag: Tag) -> bool {
        tag.0 >> self.0 == 0
    }
}

/// The first 128 bits of an output: a tag of whatever length, and nearly always what tells it from
/// other outputs.
pub(crate) fn first_bits(output: &[u8; 64]) -> u128 {
    let first = output.first_chunk();
    first.map_or(0, |first| u128::from_be_bytes(*first))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn length(queries: u64, entries: u64) -> Result<u8, PublishError> {
        let class = SetClass::from_entries(entries).unwrap();
        TagLength::for_budget(queries, class).map(TagLength::bits)
    }

    #[test]
    fn the_length_is_the_shortest_that_the_rule_allows() {
        assert_eq!(length(1 << 23, 1 << 20), Ok(83));
        assert_eq!(length((1 << 23) + 1, 1 << 20), Ok(84));
        // 5·2^8 and 3·2^21 make 15·2^29: below 2^33.
        assert_eq!(length(3 << 21, 1_280), Ok(73));
        assert_eq!(length(1, 1_024), Ok(50));
        assert_eq!(length(1 << 29, 7 << 32), Ok(104));
    }

    #[test]
    fn refuses_a_budget_without_a_length() {
        assert_eq!(length(0, 1_024), Err(PublishError::Budget));
        assert_eq!(length(1 << 63, 1 << 20), Err(PublishError::Budget));
        assert_eq!(length(u64::MAX, 7 << 32), Err(PublishError::Budget));
    }

    #[test]
    fn a_tag_is_the_first_bits_of_the_output() {
        let mut output = [0xff; 64];
        output[0] = 0x80;
        output[10] = 0b1010_0000;
        let length = TagLength(83);
        assert_eq!(
            length.tag(&output).0,
            0x80ff_ffff_ffff_ffff_ffff << 3 | 0b101
        );
        assert!(length.holds(length.tag(&output)));
        assert!(!length.holds(Tag(1 << 83)));
        assert_eq!(length.bytes(), 11);
    }
}
