#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

pub(in crate::online) fn write(code: TagCode, tags: &[u128]) -> Result<Vec<u8>, TagError> {
    let mut writer = TagWriter::new(code);
    let mut bytes = Vec::new();
    for &tag in tags {
        writer.push(tag)?;
        bytes.extend(writer.take());
    }
    bytes.extend(writer.finish()?);
    Ok(bytes)
}

/// Reads in pieces of some length.
fn read(code: TagCode, bytes: &[u8], piece: usize) -> Result<Vec<u128>, TagError> {
    let mut reader = TagReader::new(code);
    let mut tags = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.feed(piece, |tag| tags.push(tag))?;
    }
    assert_eq!(reader.missing(), 0);
    Ok(tags)
}

fn random(count: u32, rng: &mut StdRng) -> Vec<u128> {
    let mut tags: Vec<u128> = (0..count).map(|_| rng.random()).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn any_ascending_list_comes_back_in_the_class_bound() {
    let mut rng = StdRng::seed_from_u64(1);
    for count in [1, 2, 3, 5, 64, 100, 1024, 5120] {
        let code = TagCode::new(count).unwrap();
        let small: Vec<u128> = (0..u128::from(count)).collect();
        let large: Vec<u128> = small.iter().rev().map(|n| u128::MAX - n).collect();
        // The longest code: as many ones as there can be.
        let mut wide: Vec<_> = small.clone();
        *wide.last_mut().unwrap() = u128::MAX;
        for tags in [random(count, &mut rng), small, large, wide] {
            let bytes = write(code, &tags).unwrap();
            assert_eq!(bytes.len(), code.bytes());
            for piece in [1, 7, 16, 1000, bytes.len()] {
                assert!(
                    read(code, &bytes, piece).as_ref() == Ok(&tags),
                    "{count} {piece}"
                );
            }
        }
    }
    assert_eq!(TagCode::new(0), None);
}

#[test]
fn what_does_not_ascend_or_does_not_fit_is_not_written() {
    let code = TagCode::new(3).unwrap();
    assert_eq!(write(code, &[1, 1, 2]), Err(TagError::Order));
    assert_eq!(write(code, &[u128::MAX, 0, 1]), Err(TagError::Order));
    assert_eq!(write(code, &[1, 2]), Err(TagError::Count));
    assert_eq!(write(code, &[1, 2, 3, 4]), Err(TagError::Count));
}

#[test]
fn every_other_list_is_refused() {
    let code = TagCode::new(50).unwrap();
    // The shortest code there is, so that much is padded.
    let tags: Vec<u128> = (0..50).map(|tag| tag + (1 << 100)).collect();
    let bytes = write(code, &tags).unwrap();
    // Ones to the end: a quotient beyond 128 bits.
    assert_eq!(
        read(code, &vec![0xff; bytes.len()], 64),
        Err(TagError::Range)
    );
    // Ones behind the last tag. Every quotient is zero, so each tag takes k + 1 bits.
    let end = 50 * (code.remainder_bits() as usize + 1);
    assert!(8 * bytes.len() > end + 8, "there is padding");
    for bit in end..8 * bytes.len() {
        let mut wrong = bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(code, &wrong, 9), Err(TagError::Padding));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(read(code, &longer, 64), Err(TagError::Padding));
}

/// One list has one encoding: what is read is written the same again.
#[test]
fn any_bytes_are_refused_or_canonical() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut read_back = 0;
    for count in [1, 3, 20] {
        let code = TagCode::new(count).unwrap();
        for case in 0..2000 {
            let mut bytes = write(code, &random(count, &mut rng)).unwrap();
            for _ in 0..case % 4 {
                let bit = rng.random_range(0..8 * bytes.len());
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            if let Ok(tags) = read(code, &bytes, 5) {
                read_back += 1;
                assert!(write(code, &tags).as_ref() == Ok(&bytes));
                assert!(tags.is_sorted_by(|a, b| a < b));
            }
        }
    }
    assert!(read_back > 2000);
}
