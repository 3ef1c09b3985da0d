//! Moments in what people read.

use std::fmt;

use jiff::Timestamp;

/// A moment in seconds since 1970, shown as RFC 3339 has it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = i64::try_from(self.0).map(Timestamp::from_second);
        match moment {
            Ok(Ok(moment)) => moment.fmt(f),
            _ => write!(f, "@{}", self.0),
        }
    }
}
