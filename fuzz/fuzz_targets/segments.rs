#![no_main]
//! Segments of the ledger: what is read is what was written, up to the first byte that changed.

use blindmatch_fuzz::edit::Edit;
use blindmatch_store::ledger::segment::{Frame, Segment, SegmentError, header, write};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Raw(Vec<u8>),
    /// Any bytes behind a header that holds.
    Headed(u64, Vec<u8>),
    Written(u64, Vec<(Vec<u8>, bool)>, Edit),
}

fuzz_target!(|input: Input| match input {
    Input::Raw(bytes) => {
        read(&bytes);
    }
    Input::Headed(first, bytes) => {
        read(&[header(first), bytes].concat());
    }
    Input::Written(first, records, edit) => {
        let mut bytes = header(first);
        let mut kept = Vec::new();
        for (record, last) in records {
            if write(&record, last, &mut bytes).is_ok() {
                kept.push((record, last));
            }
        }
        let mut changed = bytes.clone();
        edit.apply(&mut changed);
        let read = read(&changed);
        let same = bytes
            .iter()
            .zip(&changed)
            .take_while(|(a, b)| a == b)
            .count();
        for (number, frame) in read.iter().enumerate() {
            let end = frame.offset as usize + 8 + frame.record.len();
            // Only where whole records were put in is there another than those that were written.
            let put_in = matches!(edit, Edit::Overwrite(..) | Edit::Extend(_));
            if end <= same {
                assert_eq!(
                    (&frame.record, frame.last),
                    (&kept[number].0, kept[number].1)
                );
            } else {
                assert!(put_in, "a changed record was read");
            }
        }
        if changed == bytes {
            assert_eq!(read.len(), kept.len());
        }
    }
});

/// Reads a segment to its end or to its first flaw: what was read is its own encoding.
fn read(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let (mut segment, first) = match Segment::open(bytes) {
        Ok(opened) => opened,
        Err(SegmentError::Damaged(offset, _)) => {
            assert_eq!(offset, 0);
            return frames;
        }
        Err(error) => panic!("{error:?}"),
    };
    let mut encoded = header(first);
    loop {
        assert_eq!(segment.offset(), encoded.len() as u64);
        assert!(bytes.starts_with(&encoded));
        match segment.next_frame() {
            Ok(Some(frame)) => {
                write(&frame.record, frame.last, &mut encoded).expect("it was read");
                frames.push(frame);
            }
            Ok(None) => {
                assert_eq!(encoded, bytes);
                return frames;
            }
            Err(SegmentError::Damaged(offset, _)) => {
                assert_eq!(offset, encoded.len() as u64);
                return frames;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
