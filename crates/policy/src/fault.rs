//! What is wrong with a policy file, where, and what would be right.

use std::fmt;

use blindmatch_indicator::{IndicatorType, Strength};

use crate::words::Grouped;

/// Something in a policy file that keeps it from being a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: FaultKind,
}

/// A place in a text, counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What is wrong. The texts in it are of the file, shortened and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Longer than 1 MiB.
    TooLong,
    /// Not TOML, in the words of the TOML reader.
    Toml(String),
    /// A key that has no meaning here.
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that have one, the nearest first if one is near.
        known: Suggestion,
    },
    /// A key that must be here.
    Missing(&'static str),
    /// A value of another kind.
    Kind {
        /// Its key.
        key: String,
        /// What is wanted.
        wanted: Wanted,
    },
    /// A number below what is compiled in.
    BelowFloor {
        /// Its key.
        key: &'static str,
        /// The least that may be.
        floor: u64,
    },
    /// A number above what is compiled in.
    AboveCeiling {
        /// Its key.
        key: &'static str,
        /// The most that may be.
        ceiling: u64,
        /// The strength of types that sets it, if one does.
        strength: Option<Strength>,
    },
    /// A budget for a day that is larger than the one for an epoch.
    DayAboveEpoch,
    /// Levels of which a graver one begins earlier.
    LevelsOutOfOrder,
    /// A name that nothing has.
    UnknownName {
        /// What it should name.
        of: NameOf,
        /// The name.
        name: String,
        /// The names that there are.
        known: Suggestion,
    },
    /// Not a name: see [`NameOf`] for what one is.
    BadName(NameOf),
    /// A list that names nothing.
    Nothing(&'static str),
    /// A name that comes twice in a list.
    Twice {
        /// The list's key.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// `*` beside names.
    EveryAndNamed,
    /// Not a day from 1970 to 9998, alone, as 2027-06-30.
    NotADay,
    /// A key that only means something where the rule has this direction.
    NeedsDirection {
        /// The key.
        key: &'static str,
        /// `ask` or `serve`.
        direction: &'static str,
    },
    /// A node holds whole card numbers or weak forms of cards, never both.
    PanAndCardWeak,
    /// More than there may be.
    TooMany {
        /// Of what.
        key: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// The names that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The nearest, if one is near.
    pub nearest: Option<String>,
    /// All.
    pub all: Vec<String>,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A text that is not empty.
    Text,
    /// A list of texts.
    Texts,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A table.
    Table,
    /// A list of tables.
    Tables,
}

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOf {
    /// A member: 1 to 255 bytes without white space.
    Member,
    /// A type of indicator.
    Type,
    /// A direction.
    Direction,
    /// A protocol.
    Protocol,
    /// A purpose: 1 to 64 ASCII letters, digits, `-` and `_`.
    Purpose,
    /// A legal basis: as for purposes.
    LegalBasis,
}

/// The longest name or key for which a nearest one is looked for, and the most that is shown.
const LONGEST_SHOWN: usize = 64;

impl Suggestion {
    /// The known names, with the nearest to `name` if one is near.
    pub(crate) fn new<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<String> = known.into_iter().map(str::to_owned).collect();
        let length = name.chars().count();
        // One slip in three characters may be one; anything further is another word.
        let most = (length / 3).max(1);
        let lowercase = name.to_lowercase();
        let nearest = all
            .iter()
            .filter(|_| length <= LONGEST_SHOWN)
            .map(|known| (strsim::damerau_levenshtein(known, &lowercase), known))
            .filter(|(distance, known)| {
                let starts = length >= 4 && known.starts_with(&lowercase);
                *distance <= most || starts
            })
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known.clone());
        Self { nearest, all }
    }
}

/// Text of the file, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(LONGEST_SHOWN)
        .collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.place.line, self.place.column, self.kind
        )
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("a policy has at most 1 MiB"),
            Self::Toml(message) => write!(f, "not TOML: {message}"),
            Self::UnknownKey { key, known } => write!(f, "unknown key `{key}`; {known}"),
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Kind { key, wanted } => write!(f, "`{key}` must be {wanted}"),
            Self::BelowFloor { key, floor } => {
                write!(f, "`{key}` must be at least {}", Grouped(*floor))?;
                if *key == "day" || *key == "epoch" {
                    f.write_str(", one padded query; to allow nothing, remove the rule")?;
                }
                Ok(())
            }
            Self::AboveCeiling {
                key,
                ceiling,
                strength,
            } => {
                write!(f, "`{key}` must be at most {}", Grouped(*ceiling))?;
                match strength {
                    Some(strength) => write!(
                        f,
                        ", the ceiling for {} types ({})",
                        strength.name(),
                        types_of(*strength)
                    ),
                    None => Ok(()),
                }
            }
            Self::LevelsOutOfOrder => {
                f.write_str("levels out of order: warn may not be above slow, nor slow above stop")
            }
            Self::DayAboveEpoch => {
                f.write_str("`day` is more than `epoch`, so it could never be used up")
            }
            Self::UnknownName { of, name, known } => write!(f, "no {of} `{name}`; {known}"),
            Self::BadName(of) => write!(f, "not a name of a {of}: {}", of.form()),
            Self::Nothing(key) => write!(f, "`{key}` names nothing; a rule needs one at least"),
            Self::Twice { key, name } => write!(f, "`{key}` names `{name}` twice"),
            Self::EveryAndNamed => {
                f.write_str("`*` is every provider of the roster, so no name may stand beside it")
            }
            Self::NotADay => f.write_str(
                "`valid_until` must be the last day on which the basis holds, as 2027-06-30 \
                 without quotes",
            ),
            Self::NeedsDirection { key, direction } => {
                write!(
                    f,
                    "`{key}` means something only where directions has \"{direction}\""
                )
            }
            Self::PanAndCardWeak => f.write_str(
                "`pan` and `card_weak` exclude each other: a node holds whole card numbers or \
                 their weak form, never both (PCI DSS)",
            ),
            Self::TooMany { key, most } => {
                write!(f, "more than {} of `{key}`", Grouped(*most as u64))
            }
        }
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nearest {
            Some(nearest) => write!(f, "did you mean `{nearest}`?"),
            None if self.all.is_empty() => f.write_str("none is defined in this file"),
            None => write!(f, "known here: {}", self.all.join(", ")),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text in quotes that is not empty",
            Self::Texts => "a list of texts, as [\"a\", \"b\"]",
            Self::Number => "a whole number",
            Self::Boolean => "true or false",
            Self::Table => "a table",
            Self::Tables => "a list of tables: write [[allow]] above each",
        })
    }
}

impl fmt::Display for NameOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Type => "type",
            Self::Direction => "direction",
            Self::Protocol => "protocol",
            Self::Purpose => "purpose",
            Self::LegalBasis => "legal basis",
        })
    }
}

impl NameOf {
    const fn form(self) -> &'static str {
        match self {
            Self::Member => "1 to 255 bytes without white space",
            _ => "1 to 64 ASCII letters, digits, - and _",
        }
    }
}

fn types_of(strength: Strength) -> String {
    let types = IndicatorType::ALL.into_iter();
    let names: Vec<_> = types
        .filter(|indicator_type| indicator_type.strength() == strength)
        .map(IndicatorType::name)
        .collect();
    names.join(" ")
}
