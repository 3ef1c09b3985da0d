//! Sealed files, rows and lists of collections: whatever is read, nothing panics, and a list that
//! reads is its own encoding.
#![no_main]

use std::io::{Cursor, Write};

use blindmatch_store::collection::Contents;
use blindmatch_store::keys::{FileId, Key};
use blindmatch_store::row::RowReader;
use blindmatch_store::sealed::{Kind, SealedReader, SealedWriter, claimed_id};
use libfuzzer_sys::fuzz_target;

fn read(file: &[u8], key: &Key) -> usize {
    let Ok(sealed) = SealedReader::open(Cursor::new(file), Kind::Source, key) else {
        return 0;
    };
    let Ok(mut rows) = RowReader::new(sealed) else {
        return 0;
    };
    let mut count = 0;
    while let Ok(true) = rows.advance() {
        let row = rows.row().expect("it advanced");
        let _ = (row.indicator_type(), row.references.iter().count());
        count += 1;
    }
    // From any key on, also behind damage.
    let _ = rows.advance_to(&[9, 1]);
    count
}

fuzz_target!(|bytes: &[u8]| {
    let key = Key::default();
    let _ = claimed_id(&mut Cursor::new(bytes));
    read(bytes, &key);

    let sealed = SealedWriter::new(Vec::new(), Kind::Source, FileId([0; 16]), &key);
    let mut sealed = sealed.expect("a Vec takes everything");
    sealed.write_all(bytes).expect("a Vec takes everything");
    read(&sealed.finish().expect("a Vec takes everything"), &key);

    if let Ok(contents) = Contents::decode(bytes) {
        assert_eq!(contents.encode(), bytes);
    }
});
