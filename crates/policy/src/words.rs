//! Numbers and moments as people read them.

use std::fmt;

use jiff::Timestamp;

/// A number in groups of three digits: 2,097,152.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{},{:03}", Self(self.0 / 1_000), self.0 % 1_000)
        }
    }
}

/// Seconds since 1970 as an RFC 3339 time in UTC.
pub(crate) fn moment(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(
        || format!("second {seconds}"),
        |timestamp| timestamp.to_string(),
    )
}

/// The UTC day that ends at this midnight, as 2027-06-30.
pub(crate) fn day_before(midnight: u64) -> String {
    let text = moment(midnight.saturating_sub(1));
    text.split('T').next().unwrap_or(&text).to_owned()
}
