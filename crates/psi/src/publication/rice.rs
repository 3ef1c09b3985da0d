//! Rice codes of ascending numbers in groups (`spec/32 §5.2`).

use super::{
    bits::{BitReader, BitWriter},
    error::FileError,
};

/// The numbers of one group, and the entries of one block.
pub(super) const GROUP: usize = 256;

/// The longest coded group in bytes. Uniform tags come nowhere near; it bounds what a reader
/// allocates before it has seen one code.
pub(super) const LONGEST_GROUP: usize = 8_192;

/// Codes ascending numbers that follow one another from `after` on.
///
/// Each is coded as the numbers left out before it: its quotient by 2^k in unary, then the k
/// bits of the remainder. `after` is −1 (`None`) before the first number of all.
pub(super) fn write(
    numbers: impl Iterator<Item = u128>,
    mut after: Option<u128>,
    k: u32,
) -> Result<Vec<u8>, FileError> {
    let mut writer = BitWriter::with_capacity(GROUP * (k as usize + 3) / 8);
    let mut longest = LONGEST_GROUP as u64 * 8;
    for number in numbers {
        let gap = number
            .checked_sub(after.map_or(0, |after| after + 1))
            .ok_or(FileError::Order)?;
        after = Some(number);
        let quotient = u64::try_from(gap >> k).map_err(|_| FileError::Code)?;
        // Before the bits are written, not after.
        longest = longest.checked_sub(quotient).ok_or(FileError::Code)?;
        writer.write_unary(quotient);
        writer.write(gap, k);
    }
    let group = writer.finish();
    if group.len() > LONGEST_GROUP {
        return Err(FileError::Code);
    }
    Ok(group)
}

/// Reads `count` numbers below `limit` that [`write`] coded, into `numbers`; the bytes read.
pub(super) fn read(
    group: &[u8],
    count: usize,
    mut after: Option<u128>,
    k: u32,
    limit: u128,
    numbers: &mut Vec<u128>,
) -> Result<usize, FileError> {
    let mut reader = BitReader::new(group);
    for _ in 0..count {
        let (quotient, remainder) = match reader.glance(k) {
            Some((quotient, remainder)) => (quotient.into(), remainder),
            None => (u128::from(reader.read_unary()?), reader.read(k)?),
        };
        // With this neither the shift nor the sums can overflow: limits are at most 2^120.
        if quotient > limit >> k {
            return Err(FileError::Range);
        }
        let number = (quotient << k | remainder) + after.map_or(0, |after| after + 1);
        if number >= limit {
            return Err(FileError::Range);
        }
        numbers.push(number);
        after = Some(number);
    }
    reader.align()
}

/// The most bytes that `count` numbers take whose quotients add up to `quotients` at most.
///
/// A number costs k + 1 bits and its quotient, a group ends in at most 7 bits of filling.
pub(super) const fn longest(count: u64, quotients: u64, k: u32, groups: u64) -> u64 {
    (count * (k as u64 + 1) + quotients + 7 * groups) / 8
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[u128], after: Option<u128>, k: u32, limit: u128) -> Vec<u8> {
        let group = write(numbers.iter().copied(), after, k).unwrap();
        let mut read_back = Vec::new();
        let length = read(&group, numbers.len(), after, k, limit, &mut read_back).unwrap();
        assert_eq!((length, read_back.as_slice()), (group.len(), numbers));
        group
    }

    #[test]
    fn codes_as_specified() {
        // Gaps 5 (1·4 + 1) and 0 (0·4 + 0): 10 01, 0 00, and one bit of filling.
        assert_eq!(round_trip(&[5, 6], None, 2, 8), [0b1001_0000]);
        // The same behind 9.
        assert_eq!(round_trip(&[15, 16], Some(9), 2, 17), [0b1001_0000]);
    }

    #[test]
    fn long_quotients_and_wide_remainders_survive() {
        for quotient in [31, 32, 33, 55, 56, 57, 63, 64, 65, 1_000, 60_000] {
            round_trip(&[quotient << 3, (quotient << 3) + 1], None, 3, 1 << 120);
        }
        let wide = (1 << 104) + (1 << 103) + 12_345;
        round_trip(&[0, wide, 3 << 104], None, 104, 1 << 120);
    }

    #[test]
    fn refuses_what_does_not_ascend_or_is_too_long() {
        assert_eq!(write([1, 1].into_iter(), None, 2), Err(FileError::Order));
        assert_eq!(write([1].into_iter(), Some(1), 2), Err(FileError::Order));
        assert_eq!(write([1 << 70].into_iter(), None, 2), Err(FileError::Code));
        assert_eq!(write([70_000].into_iter(), None, 0), Err(FileError::Code));
        assert_eq!(write([65_536].into_iter(), None, 0), Err(FileError::Code));
    }

    #[test]
    fn refuses_what_is_cut_short_or_not_canonical() {
        let read = |group: &[u8], limit| read(group, 2, None, 2, limit, &mut Vec::new());
        assert_eq!(read(&[0b1001_0000], 7), Ok(1));
        assert_eq!(read(&[0b1001_0000], 6), Err(FileError::Range));
        assert_eq!(read(&[0b1001_0001], 7), Err(FileError::Padding));
        assert_eq!(read(&[0b1001_1110], 100), Err(FileError::Code));
        assert_eq!(read(&[], 7), Err(FileError::Code));
        assert_eq!(read(&[0xff; 100], 1 << 100), Err(FileError::Code));
    }

    proptest! {
        #[test]
        fn any_ascending_numbers_survive(
            gaps in prop::collection::vec(0_u128..1 << 20, 0..GROUP),
            k in 14_u32..40,
            after in prop::option::of(0_u128..1 << 90),
        ) {
            let mut next = after.map_or(0, |after| after + 1);
            let numbers: Vec<_> = gaps.iter().map(|gap| { let n = next + gap; next = n + 1; n }).collect();
            let group = round_trip(&numbers, after, k, 1 << 120);
            let quotients = u64::try_from(gaps.iter().map(|gap| gap >> k).sum::<u128>()).unwrap();
            prop_assert!(group.len() as u64 <= longest(gaps.len() as u64, quotients, k, 1));
        }

        #[test]
        fn any_bytes_are_refused_or_canonical(
            group in prop::collection::vec(any::<u8>(), 0..200),
            count in 0_usize..20,
            k in 0_u32..50,
        ) {
            let mut numbers = Vec::new();
            if let Ok(length) = read(&group, count, None, k, 1 << 60, &mut numbers) {
                let again = write(numbers.into_iter(), None, k).unwrap();
                prop_assert_eq!(&again, &group[..length]);
            }
        }
    }
}
