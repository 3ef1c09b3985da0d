#![no_main]
//! MISP feed folders: the first line is the manifest, the second every file that it names.

use std::io::{self, Read};

use blindmatch_feeds::{Intake, Options, Refused, Row, read_misp_folder};
use blindmatch_fuzz::CANONICALISER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cut = data
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(data.len());
    let (manifest, event) = (data[..cut].to_vec(), data[cut..].to_vec());
    let mut open = |name: &str| -> io::Result<Box<dyn Read>> {
        assert!(
            !name.contains(['/', '\\']) && !name.contains(".."),
            "a path left the folder"
        );
        let content = if name == "manifest.json" {
            manifest.clone()
        } else {
            event.clone()
        };
        Ok(Box::new(io::Cursor::new(content)))
    };
    let mut intake = Intake::new(&CANONICALISER, [7; 16]);
    let mut refused = |_: &Refused<'_>| {};
    let mut sink = |row: &Row<'_>| intake.take(row, &mut refused);
    let _ = read_misp_folder(&mut open, &Options::default(), &mut sink);
    blindmatch_fuzz::assert_sums(&intake.tally());
});
