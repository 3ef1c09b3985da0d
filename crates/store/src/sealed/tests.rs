#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Cursor;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn key(seed: u8) -> Key {
    Zeroizing::new([seed; 32])
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let id = FileId([9; 16]);
    let mut writer = SealedWriter::new(Vec::new(), Kind::Source, id, &key(1)).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn open(bytes: &[u8], kind: Kind, key: &Key) -> Result<Vec<u8>, SealedError> {
    let mut reader = SealedReader::open(Cursor::new(bytes), kind, key)?;
    let mut plain = Vec::new();
    for number in 0..reader.blocks() {
        plain.extend_from_slice(reader.block(number)?);
    }
    let mut streamed = Vec::new();
    reader.read_to_end(&mut streamed)?;
    assert!(plain == streamed);
    Ok(plain)
}

#[test]
fn what_was_sealed_opens_at_every_length_around_the_blocks() {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 7] {
        let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
        let sealed = sealed(&plain);
        assert!(open(&sealed, Kind::Source, &key(1)).unwrap() == plain);
    }
}

#[test]
fn what_passes_is_hashed_and_counted() {
    /// Takes three bytes at a time.
    struct Slow(Vec<u8>);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(3)])
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing::new(Slow(Vec::new()));
    hashing.write_all(b"what passes").unwrap();
    hashing.write_all(b" is hashed").unwrap();
    let (Slow(sink), digest, length) = hashing.finish();
    assert_eq!(sink, b"what passes is hashed");
    assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&sink)));
    assert_eq!(length, sink.len() as u64);
}

#[test]
fn a_block_has_room_until_it_is_full() {
    let mut writer = SealedWriter::new(Vec::new(), Kind::Run, FileId([0; 16]), &key(1)).unwrap();
    assert_eq!(writer.room(), BLOCK);
    writer.write_all(&[1; 10]).unwrap();
    assert_eq!(writer.room(), BLOCK - 10);
    writer.write_all(&vec![1; BLOCK - 10]).unwrap();
    assert_eq!(writer.room(), BLOCK);
}

#[test]
fn another_key_kind_or_no_sealed_file_is_named() {
    let file = sealed(b"rows");
    let error = |bytes: &[u8], kind, seed| open(bytes, kind, &key(seed)).unwrap_err();
    assert!(matches!(
        error(&file, Kind::Source, 2),
        SealedError::Damaged { block: 0 }
    ));
    assert!(matches!(error(&file, Kind::Run, 1), SealedError::OtherKind));
    assert!(matches!(
        error(b"{}", Kind::Source, 1),
        SealedError::NotSealed
    ));
    assert!(matches!(
        error(&[0; 4096], Kind::Source, 1),
        SealedError::NotSealed
    ));
}

#[test]
fn a_file_that_was_cut_or_extended_anywhere_does_not_open() {
    let file = sealed(&vec![7; 2 * BLOCK + 100]);
    let whole = BLOCK + TAG;
    for length in [
        0,
        HEADER - 1,
        HEADER,
        HEADER + 15,
        HEADER + whole,
        HEADER + 2 * whole,
    ]
    .into_iter()
    .chain([file.len() - 1])
    {
        assert!(
            open(&file[..length], Kind::Source, &key(1)).is_err(),
            "{length}"
        );
    }
    for more in [1, 16, whole] {
        let mut longer = file.clone();
        longer.extend(vec![0; more]);
        assert!(open(&longer, Kind::Source, &key(1)).is_err(), "{more}");
    }
}

#[test]
fn blocks_do_not_change_places_or_files() {
    let file = sealed(&vec![7; 3 * BLOCK]);
    let whole = BLOCK + TAG;
    let mut swapped = file.clone();
    swapped[HEADER..HEADER + 2 * whole].rotate_left(whole);
    assert!(open(&swapped, Kind::Source, &key(1)).is_err());
    // The same key and kind, but another id.
    let id = FileId([8; 16]);
    let mut writer = SealedWriter::new(Vec::new(), Kind::Source, id, &key(1)).unwrap();
    writer.write_all(&vec![7; 3 * BLOCK]).unwrap();
    let mut other = writer.finish().unwrap();
    other[..HEADER].copy_from_slice(&file[..HEADER]);
    assert!(open(&other, Kind::Source, &key(1)).is_err());
}

#[test]
fn every_flipped_bit_is_found() {
    let file = sealed(&vec![7; BLOCK + 1000]);
    let mut rng = StdRng::seed_from_u64(44);
    for number in 0..2_000 + HEADER {
        // Each byte of the header, then any.
        let at = if number < HEADER {
            number
        } else {
            rng.random_range(0..file.len())
        };
        let mut flipped = file.clone();
        flipped[at] ^= 1 << rng.random_range(0..8);
        assert!(open(&flipped, Kind::Source, &key(1)).is_err(), "{at}");
    }
}
