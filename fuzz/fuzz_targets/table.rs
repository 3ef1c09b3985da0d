#![no_main]
//! Feeds read as `csv`, and as `tsv`.

use blindmatch_feeds::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    blindmatch_fuzz::sums_hold(data, Some(Format::Csv));
    blindmatch_fuzz::sums_hold(data, Some(Format::Tsv));
});
