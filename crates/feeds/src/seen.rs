//! When a row was seen.

use blindmatch_indicator::Day;
use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::TimeZone};

use crate::row::RowFault;

/// The UTC day of a time in RFC 3339, a space allowed for the `T` and ` UTC` for the `Z`.
///
/// A time without a zone is read in `zone`, or refused. A date alone has no zone to miss: a label
/// holds days, so it is that day.
pub(crate) fn day(text: &str, zone: Option<&TimeZone>) -> Result<Day, RowFault> {
    let seconds = seconds(text.trim_ascii(), zone)?;
    Day::from_unix_seconds(seconds).ok_or(RowFault::TimeOutOfRange)
}

fn seconds(text: &str, zone: Option<&TimeZone>) -> Result<i64, RowFault> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_second());
    }
    let (text, zone) = match text.strip_suffix(" UTC") {
        Some(text) => (text, Some(&TimeZone::UTC)),
        None => (text, zone),
    };
    let (local, zone) = if text.len() == "2000-01-01".len() {
        let date = text.parse::<Date>().map_err(|_| RowFault::NotATime)?;
        (
            date.to_datetime(jiff::civil::Time::midnight()),
            &TimeZone::UTC,
        )
    } else {
        let local = text.parse::<DateTime>().map_err(|_| RowFault::NotATime)?;
        (local, zone.ok_or(RowFault::TimeWithoutZone)?)
    };
    // In the hour that a zone repeats, the earlier one.
    zone.to_timestamp(local)
        .map(Timestamp::as_second)
        .map_err(|_| RowFault::TimeOutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str, zone: Option<&str>) -> Result<i64, RowFault> {
        let zone = zone.map(|name| TimeZone::get(name).unwrap());
        day(text, zone.as_ref()).map(Day::unix_seconds)
    }

    #[test]
    fn gives_the_utc_day() {
        const NEW_YEAR: i64 = 1_767_225_600;
        for (text, zone, expected) in [
            ("2026-01-01T00:00:00Z", None, NEW_YEAR),
            ("2026-01-01T23:59:59.999Z", None, NEW_YEAR),
            ("2026-01-01 12:00:00Z", None, NEW_YEAR),
            ("2026-01-01 12:00:00 UTC", None, NEW_YEAR),
            ("2026-01-01T23:00:00-05:00", None, NEW_YEAR + 86_400),
            (
                "2026-01-01T23:00:00",
                Some("America/New_York"),
                NEW_YEAR + 86_400,
            ),
            ("2026-01-01", None, NEW_YEAR),
            ("2026-01-01", Some("America/New_York"), NEW_YEAR),
        ] {
            assert_eq!(unix(text, zone), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_the_offence() {
        for (text, fault) in [
            ("2026-01-01T12:00:00", RowFault::TimeWithoutZone),
            ("2026-01-01 12:00", RowFault::TimeWithoutZone),
            ("1767225600", RowFault::NotATime),
            ("01/02/2026", RowFault::NotATime),
            ("2026-13-01", RowFault::NotATime),
            ("yesterday", RowFault::NotATime),
            ("1999-12-31T23:59:59Z", RowFault::TimeOutOfRange),
            ("2200-01-01", RowFault::TimeOutOfRange),
        ] {
            assert_eq!(unix(text, None), Err(fault), "{text}");
        }
    }
}
