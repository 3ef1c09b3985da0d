#![no_main]
//! Every type of indicator: what parses, displays; what is displayed, parses to the same bytes.

use blindmatch_fuzz::CANONICALISER;
use blindmatch_indicator::{Indicator, IndicatorType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&selector, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let parsed = match IndicatorType::from_code(selector % 21) {
        Some(kind) => CANONICALISER.parse(kind, text),
        None => CANONICALISER.detect(text),
    };
    let Ok(indicator) = parsed else { return };
    is_canonical(&indicator);
    CANONICALISER
        .derive(&indicator)
        .iter()
        .for_each(is_canonical);
});

fn is_canonical(indicator: &Indicator) {
    // The text of a card number is its keyed hash, which is no input.
    if indicator.indicator_type() != IndicatorType::Pan {
        let again = CANONICALISER.parse(indicator.indicator_type(), &indicator.to_text());
        assert!(
            again.as_ref() == Ok(indicator),
            "{:?} {again:?}",
            indicator.indicator_type()
        );
    }
}
