//! Matches as other programs take them: STIX 2.1 bundles and MISP events (`spec/47-export.md`).
//!
//! What is written is a lead and says so. It names the own member and no other, and no reference
//! of the owner's. A `pan` has no value to write, and a `card_weak` is not written in clear.

mod ids;
mod misp;
mod stix;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use blindmatch_indicator::{Indicator, IndicatorType, LabelFields};
use zeroize::Zeroizing;

use crate::terms::TYPE_TAG;

/// What everything that is exported says of itself.
const LEAD: &str = "A match is a lead: another member lists this identifier too. It proves nothing \
                    about a person, and no decision may rest on it alone.";

/// An indicator that others hold too.
///
/// It has no `Debug`, because its value is somebody's personal data.
#[derive(Clone)]
pub struct Lead {
    /// What is held.
    pub indicator: Indicator,
    /// Each finding of it: one a member that holds it. At least one.
    pub findings: Vec<Finding>,
}

/// That one other member holds an indicator. Who it is stays at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The owner's own id of the match.
    pub id: String,
    /// What the other member says of it.
    pub label: LabelFields,
    /// When it was first found, in seconds since 1970.
    pub first_found: u64,
    /// When it was last found; not before `first_found`.
    pub last_found: u64,
}

/// Who writes, under which ids, and who may read.
#[derive(Clone)]
pub struct Publisher {
    member: String,
    key: Zeroizing<[u8; 32]>,
    marking: Tlp,
}

/// To whom a file may go on: the labels of the Traffic Light Protocol 2.0 (FIRST, August 2022).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tlp {
    /// Those named alone.
    Red,
    /// The own organisation.
    #[default]
    AmberStrict,
    /// The own organisation and its clients.
    Amber,
    /// The community.
    Green,
    /// Anybody.
    Clear,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Indicators.
    pub indicators: u64,
    /// Findings of these.
    pub findings: u64,
    /// Indicators of types that are not written in clear.
    pub withheld: u64,
}

/// Names something in what is written: an id of STIX or MISP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExportId(uuid::Uuid);

/// Whether a value of this type is ever written.
#[must_use]
pub const fn is_exportable(indicator_type: IndicatorType) -> bool {
    !matches!(indicator_type, IndicatorType::Pan | IndicatorType::CardWeak)
}

impl Publisher {
    /// What `member` writes. The ids follow from `key`, which nobody else may have: whoever has it
    /// can find out by its id which indicator is meant.
    #[must_use]
    pub fn new(member: &str, key: Zeroizing<[u8; 32]>, marking: Tlp) -> Self {
        Self {
            member: member.to_owned(),
            key,
            marking,
        }
    }

    /// Writes a STIX 2.1 bundle, one object after the other.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn stix(
        &self,
        leads: impl Iterator<Item = Lead>,
        to: &mut dyn Write,
    ) -> io::Result<Written> {
        stix::write(self, leads, to)
    }

    /// Writes a MISP event, one attribute after the other; `leads` is gone through twice, because
    /// objects stand behind attributes.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn misp(
        &self,
        leads: impl Iterator<Item = Lead> + Clone,
        to: &mut dyn Write,
    ) -> io::Result<Written> {
        misp::write(self, leads, to)
    }

    /// The id under which an indicator is written, in STIX and MISP alike.
    #[must_use]
    pub fn indicator_id(&self, indicator: &Indicator) -> ExportId {
        ids::derive(&self.key, "indicator", &[&indicator.encode()])
    }

    /// The id under which a finding of it is written; `id` is the owner's own of the match.
    #[must_use]
    pub fn finding_id(&self, id: &str) -> ExportId {
        ids::derive(&self.key, "sighting", &[id.as_bytes()])
    }
}

impl ExportId {
    /// Reads a UUID.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // No other form than that of STIX and MISP.
        let uuid = uuid::Uuid::try_parse(text).ok();
        uuid.filter(|_| text.len() == 36).map(Self)
    }
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Tlp {
    /// Every label, the strictest first.
    pub const ALL: [Self; 5] = [
        Self::Red,
        Self::AmberStrict,
        Self::Amber,
        Self::Green,
        Self::Clear,
    ];

    /// The name, in lower case, as tags and STIX have it behind `tlp:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::AmberStrict => "amber+strict",
            Self::Amber => "amber",
            Self::Green => "green",
            Self::Clear => "clear",
        }
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No label of the Traffic Light Protocol 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTlp;

impl fmt::Display for UnknownTlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such label; TLP 2.0 has red, amber+strict, amber, green and clear")
    }
}

impl std::error::Error for UnknownTlp {}

impl FromStr for Tlp {
    type Err = UnknownTlp;

    fn from_str(name: &str) -> Result<Self, UnknownTlp> {
        let mut all = Self::ALL.into_iter();
        all.find(|label| label.name() == name).ok_or(UnknownTlp)
    }
}

impl Lead {
    fn first_found(&self) -> u64 {
        let first = self.findings.iter().map(|one| one.first_found).min();
        first.unwrap_or_default()
    }

    fn last_found(&self) -> u64 {
        let last = self.findings.iter().map(|one| one.last_found).max();
        last.unwrap_or_default()
    }
}

/// The value as it is written; nothing where it is not.
fn value(indicator: &Indicator) -> Option<Zeroizing<String>> {
    is_exportable(indicator.indicator_type()).then(|| indicator.to_text())
}

/// The type as a tag, for what several types of ours are one type of others.
fn type_tag(indicator_type: IndicatorType) -> String {
    format!("{TYPE_TAG}{}", indicator_type.name())
}

/// What the members say, as tags: what most is known of, first.
fn tags<'l>(labels: impl IntoIterator<Item = &'l LabelFields>) -> Vec<String> {
    let mut labels: Vec<_> = labels.into_iter().collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.severity));
    let mut tags = Vec::new();
    let mut add = |is_said: bool, tag: String| {
        if is_said && !tags.contains(&tag) {
            tags.push(tag);
        }
    };
    for label in labels {
        let (reason, role) = (label.reason.name(), label.role.name());
        add(
            reason != "unspecified",
            format!("blindmatch:reason={reason}"),
        );
        add(role != "unknown", format!("blindmatch:role={role}"));
        let severity = label.severity.value();
        add(severity > 0, format!("blindmatch:severity={severity}"));
        let reports = label.count;
        add(reports > 0, format!("blindmatch:reports={reports}"));
    }
    tags
}

/// A moment in RFC 3339, of milliseconds as STIX demands it.
fn moment(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
}

#[cfg(test)]
mod tests;
