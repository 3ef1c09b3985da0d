use std::io::{self, Read, Write};

use crate::testing::{error_of, rows_of, values_of};
use crate::{BinaryKind, Compression, FeedError, Options, Reached};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

fn list(lines: std::ops::Range<u32>) -> String {
    lines
        .map(|n| format!("{}.{}.7.7\n", 1 + n / 200, n % 200))
        .collect()
}

#[test]
fn undoes_compression_in_several_members() {
    let options = Options::default();
    let plain = values_of(list(0..20_000), &options);
    for compress in [gzip, zstd] {
        let mut feed = compress(&list(0..9_000));
        feed.extend(compress(&list(9_000..20_000)));
        assert_eq!(values_of(&feed, &options), plain);
    }
}

#[test]
fn data_cut_short_says_how_far_it_was_read() {
    for (compress, compression) in [
        (gzip as fn(&str) -> Vec<u8>, Compression::Gzip),
        (zstd, Compression::Zstd),
    ] {
        for lines in [20, 40_000] {
            let feed = compress(&list(0..lines));
            let cut = &feed[..feed.len() * 3 / 4];
            let (error, rows) = rows_of(cut, &Options::default());
            let Err(FeedError::Truncated {
                compression: found,
                reached,
            }) = error
            else {
                panic!("{error:?}");
            };
            assert_eq!(found, compression);
            assert_eq!(reached.rows, rows.len() as u64);
            assert!(lines == 20 || reached.rows > 10_000, "{reached}");
        }
    }
}

#[test]
fn damage_is_not_truncation() {
    let mut feed = gzip(&list(0..40_000));
    let middle = feed.len() / 2;
    feed[middle..middle + 64].fill(0x55);
    let error = error_of(&feed, &Options::default());
    assert!(
        matches!(
            error,
            FeedError::Corrupt {
                compression: Compression::Gzip,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn refuses_what_is_not_utf8_text() {
    let utf16: Vec<u8> = "8.8.8.8\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let binary = |looks_like| FeedError::Binary { looks_like };
    for (feed, expected) in [
        (vec![], FeedError::Empty),
        (b"\xef\xbb\xbf \r\n\n".to_vec(), FeedError::Empty),
        (gzip(""), FeedError::Empty),
        (utf16.clone(), FeedError::Utf16),
        ([b"\xff\xfe".to_vec(), utf16].concat(), FeedError::Utf16),
        (b"8.8.8.8\n\0\0\0".to_vec(), binary(None)),
        (
            b"PK\x03\x04\x14\0\0".to_vec(),
            binary(Some(BinaryKind::Zip)),
        ),
        (b"%PDF-1.7\nabc".to_vec(), binary(Some(BinaryKind::Pdf))),
        (
            b"SQLite format 3\0".to_vec(),
            binary(Some(BinaryKind::Sqlite)),
        ),
    ] {
        assert_eq!(error_of(&feed, &Options::default()), expected);
    }
    // Words may begin like a binary file.
    assert_eq!(values_of("BZh\n", &Options::default()), ["line 1: - BZh"]);
}

/// An input that fails, as a directory does.
struct Failing(&'static [u8]);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::IsADirectory.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn failing_inputs_keep_the_reason() {
    for (begin, rows, line) in [("", 0, 0), ("8.8.8.8\n1.1.1.1\n9.9", 2, 2)] {
        let (error, _) = rows_of(Failing(begin.as_bytes()), &Options::default());
        let reached = Reached {
            rows,
            line,
            bytes: begin.len() as u64,
        };
        let kind = io::ErrorKind::IsADirectory;
        assert_eq!(error, Err(FeedError::Io { kind, reached }));
    }
}
