#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn bytes(first: u64, records: &[(Vec<u8>, bool)]) -> Vec<u8> {
    let mut bytes = header(first);
    for (record, last) in records {
        write(record, *last, &mut bytes).unwrap();
    }
    bytes
}

/// All that can be read, and how it ended.
fn read(bytes: &[u8]) -> (Vec<Frame>, Option<(u64, Flaw)>) {
    let mut frames = Vec::new();
    let mut segment = match Segment::open(bytes) {
        Ok((segment, _)) => segment,
        Err(SegmentError::Damaged(offset, flaw)) => return (frames, Some((offset, flaw))),
        Err(SegmentError::Disk(error)) => panic!("{error}"),
    };
    loop {
        match segment.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(SegmentError::Damaged(offset, flaw)) => return (frames, Some((offset, flaw))),
            Err(SegmentError::Disk(error)) => panic!("{error}"),
        }
    }
}

#[test]
fn the_form_is_that_of_the_specification() {
    // spec/43 §5, put together by hand; the checksums are zlib's.
    let mut expected = b"\x1cblindmatch ledger segment v1".to_vec();
    expected.extend(7u64.to_be_bytes());
    expected.extend(CRC_HEADER.to_be_bytes());
    expected.extend(*b"\x80\0\0\x03");
    expected.extend(CRC_ONE.to_be_bytes());
    expected.extend(b"one");
    expected.extend(*b"\0\0\0\x03");
    expected.extend(CRC_TWO.to_be_bytes());
    expected.extend(b"two");
    let records = [(b"one".to_vec(), false), (b"two".to_vec(), true)];
    assert_eq!(bytes(7, &records), expected);
    assert_eq!(header(7).len() as u64, HEADER_LENGTH);
}

const CRC_HEADER: u32 = 0x6710c1ba;
const CRC_ONE: u32 = 0x82e2c581;
const CRC_TWO: u32 = 0x615223e4;

#[test]
fn every_single_bit_that_flips_is_found_where_it_is() {
    let records = [
        (vec![1; 20], false),
        (vec![2; 30], true),
        (vec![3; 9], true),
    ];
    let whole = bytes(0, &records);
    let begins = [41, 69, 107];
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (frames, flaw) = read(&flipped);
        let (offset, _) = flaw.unwrap();
        let within = begins.iter().rposition(|begin| begin * 8 <= bit);
        let expected = within.map_or(0, |number| begins[number]);
        assert_eq!(offset, expected as u64, "bit {bit}");
        assert_eq!(frames.len(), within.unwrap_or(0), "bit {bit}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_whole_records_before() {
    let records = [(vec![1; 20], true), (vec![2; 30], true)];
    let whole = bytes(0, &records);
    for length in 0..=whole.len() {
        let (frames, flaw) = read(&whole[..length]);
        let expected = match length {
            ..41 => (0, Some((0, Flaw::Header))),
            41 => (0, None),
            42..69 => (0, Some((41, Flaw::Truncated))),
            69 => (1, None),
            70..107 => (1, Some((69, Flaw::Truncated))),
            _ => (2, None),
        };
        assert_eq!((frames.len(), flaw), expected, "{length}");
    }
}

#[test]
fn zeros_are_no_record() {
    let mut whole = bytes(0, &[(vec![1; 20], true)]);
    whole.extend([0; 4096]);
    assert_eq!(read(&whole).1, Some((69, Flaw::Length)));
}

#[test]
fn no_record_is_empty_or_longer_than_a_record() {
    for length in [0, MAX_RECORD + 1] {
        let written = write(&vec![0; length], true, &mut Vec::new());
        assert_eq!(written, Err(Flaw::Length));
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        first: u64,
        records in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..80), any::<bool>()), 0..20),
    ) {
        let bytes = bytes(first, &records);
        prop_assert_eq!(Segment::open(bytes.as_slice()).unwrap().1, first);
        let (frames, flaw) = read(&bytes);
        prop_assert_eq!(flaw, None);
        let read: Vec<_> = frames.into_iter().map(|frame| (frame.record, frame.last)).collect();
        prop_assert_eq!(read, records);
    }
}
