//! What the fuzz targets have in common.

pub mod edit;
pub mod lookup;

use std::sync::LazyLock;

use blindmatch_feeds::{Format, Intake, Options, Refused, Row, Tally, read};
use blindmatch_indicator::{Canonicaliser, PaymentKey, Platform, PublicSuffixes, Region};

/// A canonicaliser with every default set, so that every branch of a parser can be reached.
pub static CANONICALISER: LazyLock<Canonicaliser> = LazyLock::new(|| {
    let list =
        "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n*.ck\n!www.ck\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).expect("a list"))
        .with_payment_key(PaymentKey::new(&[7; 32]))
        .with_default_region("US".parse::<Region>().expect("a region"))
        .with_default_platform("example".parse::<Platform>().expect("a platform"))
});

/// Reads `data` as `format`, or as what it shows itself to be, and asserts that the sums hold
/// whether or not the feed was read to its end.
pub fn sums_hold(data: &[u8], format: Option<Format>) {
    let mut intake = Intake::new(&CANONICALISER, [7; 16]);
    let mut refused = |_: &Refused<'_>| {};
    let options = Options {
        format,
        ..Options::default()
    };
    let _ = read(data, &options, &CANONICALISER, &mut |row: &Row<'_>| {
        intake.take(row, &mut refused)
    });
    assert_sums(&intake.tally());
}

/// read = accepted + duplicates + refused + not matchable
pub fn assert_sums(tally: &Tally) {
    let parts = tally.accepted_total()
        + tally.duplicates
        + tally.refused_total()
        + tally.not_matchable_total();
    assert_eq!(tally.read, parts);
}
