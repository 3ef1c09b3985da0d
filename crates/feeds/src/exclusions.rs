//! Exclusions: well-known shared or benign values that say nothing about a customer, as public
//! resolvers do.
//!
//! Lists are in MISP's warninglist format, of three of its types:
//!
//! - `cidr`: an `ip` or `network` that lies inside one of the blocks. A network that only overlaps
//!   one is no exclusion.
//! - `hostname`: a `domain`, `registrable_domain` or `url_host` that is one of the names or lies
//!   below it.
//! - `string`: an indicator of any type but `pan` whose canonical form is that of one of the texts.
//!
//! `matching_attributes` narrows a list to the types that it names. A `url` is excluded only
//! where a list has that very URL: a page on a well-known host may well be somebody's. `substring`
//! and `regex` lists are refused, since canonical forms are compared as a whole and what a
//! pattern meets in them is an accident.

mod list;
mod ranges;
mod shipped;

use std::collections::HashMap;
use std::fmt;

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};

use list::{Entry, List};
use ranges::Ranges;

pub use shipped::SHIPPED;

/// Lists of exclusions, ready to be asked.
#[derive(Default)]
pub struct Exclusions {
    lists: Vec<ExclusionList>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    /// Canonical names, with what lies below them.
    names: HashMap<Box<[u8]>, usize>,
    /// Canonical bytes by type.
    values: HashMap<IndicatorType, HashMap<Box<[u8]>, usize>>,
}

/// What a list says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionList {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Its version; lists of MISP have the date as a number.
    pub version: u64,
    /// SHA-256 of its bytes, by which a roster names it.
    pub sha256: [u8; 32],
    /// Entries that exclude something.
    pub entries: u64,
    /// Entries that no indicator can meet: private addresses, names of one label, other kinds of
    /// text.
    pub unusable: u64,
}

/// Why an indicator is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excluded<'a> {
    /// By which list.
    pub list: &'a ExclusionList,
    /// How it meets the list.
    pub how: How,
}

/// How an indicator meets a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// It lies in one of the blocks.
    Inside,
    /// It is one of the names, or lies below one.
    Name,
    /// It is one of the texts.
    Value,
}

/// What is wrong with a list of exclusions as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExclusionError {
    /// Longer than 64 MiB.
    TooLong,
    /// Not JSON from this place on, counted from 1.
    NotJson {
        /// The line.
        line: usize,
        /// The column in bytes.
        column: usize,
    },
    /// JSON, but no warninglist, as this place shows: no object with `name`, `description`,
    /// `version`, `type` and `list`.
    NotAWarninglist {
        /// The line.
        line: usize,
        /// The column in bytes.
        column: usize,
    },
    /// A list of type `substring`.
    Substring,
    /// A list of type `regex`.
    Regex,
    /// A list of another type than MISP's.
    UnknownType,
    /// No entry excludes anything.
    NothingUsable,
}

impl Exclusions {
    /// One list.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn parse(json: &[u8], canonicaliser: &Canonicaliser) -> Result<Self, ExclusionError> {
        let mut exclusions = Self::default();
        exclusions.add(json, canonicaliser)?;
        Ok(exclusions)
    }

    /// The lists that come with blindmatch.
    #[must_use]
    pub fn shipped(canonicaliser: &Canonicaliser) -> Self {
        let mut exclusions = Self::default();
        for (_, json) in SHIPPED {
            // A test reads each of them; the public suffix list cannot make one unusable.
            let _ = exclusions.add(json, canonicaliser);
        }
        exclusions
    }

    /// Adds one list. Where an indicator meets several lists, any of them may be named.
    ///
    /// # Errors
    ///
    /// An [`ExclusionError`]; then nothing of the list is added.
    pub fn add(
        &mut self,
        json: &[u8],
        canonicaliser: &Canonicaliser,
    ) -> Result<&ExclusionList, ExclusionError> {
        let List { about, entries } = list::parse(json, canonicaliser)?;
        let number = self.lists.len();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::V4(first, last) => v4.push((first, last)),
                Entry::V6(first, last) => v6.push((first, last)),
                Entry::Name(name) => {
                    self.names.entry(name).or_insert(number);
                }
                Entry::Value(indicator) => {
                    let values = self.values.entry(indicator.indicator_type()).or_default();
                    values.entry(indicator.as_bytes().into()).or_insert(number);
                }
            }
        }
        self.v4.add(v4, number);
        self.v6.add(v6, number);
        Ok(self.lists.push_mut(about))
    }

    /// The lists, in the order in which they were added.
    #[must_use]
    pub fn lists(&self) -> &[ExclusionList] {
        &self.lists
    }

    /// Why an indicator is excluded; nothing where no list has it.
    #[must_use]
    pub fn reason_for(&self, indicator: &Indicator) -> Option<Excluded<'_>> {
        let bytes = indicator.as_bytes();
        let by_kind = match indicator.indicator_type() {
            IndicatorType::Ip => self.block_around(bytes, None),
            IndicatorType::Network => {
                let (&length, address) = bytes.split_first()?;
                self.block_around(address, Some(length))
            }
            IndicatorType::Domain | IndicatorType::RegistrableDomain | IndicatorType::UrlHost => {
                self.name_above(bytes).map(|number| (number, How::Name))
            }
            _ => None,
        };
        let (number, how) = by_kind.or_else(|| {
            let values = self.values.get(&indicator.indicator_type())?;
            values.get(bytes).map(|&number| (number, How::Value))
        })?;
        let list = self.lists.get(number)?;
        Some(Excluded { list, how })
    }

    /// The list with a block around an address of 4 or 16 bytes, or around the network that it
    /// begins.
    fn block_around(&self, address: &[u8], length: Option<u8>) -> Option<(usize, How)> {
        let number = if let Ok(v4) = address.try_into() {
            let first = u32::from_be_bytes(v4);
            let host_bits =
                length.map_or(0, |length| u32::MAX.checked_shr(length.into()).unwrap_or(0));
            self.v4.around(first, first | host_bits)?
        } else {
            let first = u128::from_be_bytes(address.try_into().ok()?);
            let host_bits = length.map_or(0, |length| {
                u128::MAX.checked_shr(length.into()).unwrap_or(0)
            });
            self.v6.around(first, first | host_bits)?
        };
        Some((number, How::Inside))
    }

    /// The list with a canonical name or one above it.
    fn name_above(&self, name: &[u8]) -> Option<usize> {
        if self.names.is_empty() {
            return None;
        }
        let dots = name.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let parents = dots.filter_map(|(at, _)| name.get(at + 1..));
        std::iter::once(name)
            .chain(parents)
            .find_map(|name| self.names.get(name).copied())
    }
}

impl fmt::Debug for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exclusions").field(&self.lists).finish()
    }
}

impl fmt::Display for Excluded<'_> {
    /// The reason, without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Inside => "lies in a block of",
            How::Name => "is or lies below a name of",
            How::Value => "is on",
        };
        let ExclusionList { name, version, .. } = self.list;
        write!(f, "{how} `{name}` (version {version})")
    }
}

impl fmt::Display for ExclusionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("a list of exclusions has at most 64 MiB"),
            Self::NotJson { line, column } => {
                write!(f, "invalid JSON at line {line}, column {column}")
            }
            Self::NotAWarninglist { line, column } => write!(
                f,
                "no warninglist of MISP: it wants an object with the texts name, description and \
                 type, the number version and the list of texts list (line {line}, column {column})"
            ),
            Self::Substring => f.write_str(
                "a list of type substring: canonical forms are compared as a whole, use hostname, \
                 cidr or string",
            ),
            Self::Regex => f.write_str(
                "a list of type regex: canonical forms are compared as a whole, use hostname, cidr \
                 or string",
            ),
            Self::UnknownType => f.write_str("the type is none of cidr, hostname and string"),
            Self::NothingUsable => f.write_str("no entry excludes any indicator"),
        }
    }
}

impl std::error::Error for ExclusionError {}

#[cfg(test)]
mod tests;
