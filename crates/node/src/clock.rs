//! Where the time enters.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 where the clock shows an earlier time.
#[must_use]
pub fn now() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::simulation::now() {
        return now;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
