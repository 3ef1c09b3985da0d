//! What a peer says of a match.

use blindmatch_indicator::{Day, Label};
use serde::Serialize;

use crate::output::{grouped, time};

/// The fields of a label, as columns.
#[derive(Serialize)]
pub(crate) struct Fields {
    /// Why the peer lists it.
    pub(crate) reason: &'static str,
    /// 0 (not said) to 10.
    pub(crate) severity: u8,
    /// Whose it is.
    pub(crate) role: &'static str,
    pub(crate) first_seen: Option<String>,
    pub(crate) last_seen: Option<String>,
    /// Whole days since it was last seen.
    pub(crate) age_days: Option<i64>,
    /// How often it was reported; 0: not said.
    pub(crate) reports: u16,
}

impl Fields {
    /// Those of a label, at a time in seconds since 1970.
    pub(crate) fn of(label: &Label, now: u64) -> Self {
        let fields = &label.fields;
        let age = |day: Day| {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            now.saturating_sub(day.unix_seconds())
                .div_euclid(86_400)
                .max(0)
        };
        Self {
            reason: fields.reason.name(),
            severity: fields.severity.value(),
            role: fields.role.name(),
            first_seen: fields.first_seen.map(day),
            last_seen: fields.last_seen.map(day),
            age_days: fields.last_seen.map(age),
            reports: fields.count,
        }
    }

    /// In a line, for people: what is not said is left out.
    pub(crate) fn in_words(&self) -> String {
        let mut words = Vec::new();
        if self.reason != "unspecified" {
            words.push(self.reason.replace('_', " "));
        }
        if self.severity > 0 {
            words.push(format!("severity {}", self.severity));
        }
        if self.role != "unknown" {
            words.push(self.role.to_owned());
        }
        if let (Some(last), Some(days)) = (&self.last_seen, self.age_days) {
            let ago = match days {
                0 => "today".to_owned(),
                1 => "1 day ago".to_owned(),
                days => format!("{days} days ago"),
            };
            words.push(format!("last seen {last} ({ago})"));
        }
        if self.reports > 0 {
            words.push(format!("{} reports", grouped(self.reports.into())));
        }
        words.join(", ")
    }
}

fn day(day: Day) -> String {
    let seconds = u64::try_from(day.unix_seconds()).unwrap_or(0);
    let time = time(seconds);
    time.split('T').next().unwrap_or_default().to_owned()
}
