//! Rows: what a collection knows of one indicator, and how rows are merged (`spec/44-sealed.md` §2).

mod read;
mod write;

use blindmatch_indicator::{Day, IndicatorType, LabelFields};
use zeroize::Zeroizing;

pub use read::RowReader;
pub(crate) use read::{Attributes, Bytes};
pub use write::RowWriter;
pub(crate) use write::{head, write_attributes};

/// So many references are kept of one indicator: the smallest, byte by byte.
pub const MAX_REFERENCES: usize = 16;
/// A reference is cut to so many bytes.
pub const LONGEST_REFERENCE: usize = 512;

/// What a collection knows of one indicator. It has no `Debug`: it is somebody's personal data.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Type code ‖ canonicalisation version ‖ canonical bytes, as [`Indicator::encode`] gives
    /// them. Files are sorted by it.
    ///
    /// [`Indicator::encode`]: blindmatch_indicator::Indicator::encode
    pub key: &'a [u8],
    /// How the indicator came in.
    pub origin: Origin,
    /// What the source says about it.
    pub fields: LabelFields,
    /// Names it to members who match it. Customers have none, because they are never served.
    pub handle: Option<[u8; 16]>,
    /// The number of the import that brought the indicator into its source.
    pub since: u32,
    /// The first day on which it is no longer there.
    pub expires: Option<Day>,
    /// The owner's own ids of it.
    pub references: References<'a>,
}

/// How an indicator came into a source: by itself, or following from another one, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// A value of the source.
    pub given: bool,
    /// Follows from a value of the source.
    pub derived: bool,
}

/// The owner's own ids of an indicator: ascending, distinct, at most [`MAX_REFERENCES`].
#[derive(Clone, Copy, Default)]
pub struct References<'a> {
    /// Each with two bytes of length in front.
    encoded: &'a [u8],
    total: u32,
}

impl Row<'_> {
    /// The type of the indicator, where its code is known.
    #[must_use]
    pub fn indicator_type(&self) -> Option<IndicatorType> {
        IndicatorType::from_code(*self.key.first()?)
    }

    /// Whether the row is there on this day.
    #[must_use]
    pub fn is_live(&self, today: Day) -> bool {
        self.expires.is_none_or(|day| today < day)
    }
}

impl<'a> References<'a> {
    /// One reference, as [`append`] writes it, or none.
    pub(crate) fn one(encoded: &'a [u8]) -> Self {
        Self {
            encoded,
            total: u32::from(!encoded.is_empty()),
        }
    }

    /// The references that are kept.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut rest = self.encoded;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk()?;
            let (reference, behind) =
                behind.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = behind;
            Some(std::str::from_utf8(reference).unwrap_or_default())
        })
    }

    /// The reference, where there is one and no other.
    fn single(self) -> Option<&'a str> {
        self.iter().next().filter(|_| self.total == 1)
    }

    /// How many different ones there are, those that are not kept included. Where sources or imports
    /// were merged and some were not kept, it is the least that there can be.
    #[must_use]
    pub fn total(self) -> u32 {
        self.total
    }
}

/// References being gathered: a [`References`] that owns its bytes.
#[derive(Default)]
pub(crate) struct Gathered {
    encoded: Zeroizing<Vec<u8>>,
    scratch: Zeroizing<Vec<u8>>,
    kept: usize,
    total: u32,
    /// The last reference, while they have come one at a time and ascending: how mentions come out
    /// of a sort. Then `total` is exact however many there are.
    last: Option<Zeroizing<Vec<u8>>>,
}

impl Gathered {
    fn clear(&mut self) {
        self.encoded.clear();
        self.kept = 0;
        self.total = 0;
        self.last = None;
    }

    pub(crate) fn references(&self) -> References<'_> {
        References {
            encoded: &self.encoded,
            total: self.total,
        }
    }

    /// Takes over `references`, in place of what was there.
    pub(crate) fn set(&mut self, references: References<'_>) {
        self.clear();
        if references.total == 0 {
            return;
        }
        self.encoded.extend_from_slice(references.encoded);
        self.kept = references.iter().count();
        self.total = references.total;
        self.last = references.single().map(own);
    }

    /// Adds a reference that is greater than all before.
    pub(crate) fn push_ascending(&mut self, reference: &str) {
        self.total = self.total.saturating_add(1);
        if self.kept < MAX_REFERENCES {
            append(&mut self.encoded, reference);
            self.kept += 1;
        }
    }

    /// Adds those of another row of the same indicator.
    pub(crate) fn merge(&mut self, other: References<'_>) {
        if other.total == 0 {
            return;
        }
        if self.total == 0 {
            return self.set(other);
        }
        if let (Some(last), Some(next)) = (&self.last, other.single())
            && next.as_bytes() >= last.as_slice()
        {
            if next.as_bytes() > last.as_slice() {
                self.push_ascending(next);
                self.last = Some(own(next));
            }
            return;
        }
        self.last = None;
        let mut merged = std::mem::take(&mut self.scratch);
        merged.clear();
        let ours = References {
            encoded: &self.encoded,
            total: self.total,
        };
        let (mut kept, mut different) = (0, 0_u32);
        let mut ours = ours.iter().peekable();
        let mut theirs = other.iter().peekable();
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (Some(&a), Some(&b)) => {
                    if a <= b {
                        ours.next();
                    }
                    if b <= a {
                        theirs.next();
                    }
                    a.min(b)
                }
                (Some(&a), None) => {
                    ours.next();
                    a
                }
                (None, Some(&b)) => {
                    theirs.next();
                    b
                }
                (None, None) => break,
            };
            different += 1;
            if kept < MAX_REFERENCES {
                append(&mut merged, next);
                kept += 1;
            }
        }
        drop(ours);
        self.kept = kept;
        self.total = self.total.max(other.total).max(different);
        self.scratch = std::mem::replace(&mut self.encoded, merged);
    }
}

fn own(reference: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(reference.as_bytes().to_vec())
}

/// Appends one reference as [`References`] holds it, cut where it is too long.
pub(crate) fn append(encoded: &mut Vec<u8>, reference: &str) {
    let cut = cut(reference);
    // At most LONGEST_REFERENCE bytes.
    let length = u16::try_from(cut.len()).unwrap_or(u16::MAX);
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(cut.as_bytes());
}

/// What is kept of a reference.
pub(crate) fn cut(reference: &str) -> &str {
    if reference.len() <= LONGEST_REFERENCE {
        return reference;
    }
    let end = reference.floor_char_boundary(LONGEST_REFERENCE);
    reference.get(..end).unwrap_or_default()
}

/// What two rows of the same indicator say together.
///
/// The more severe word stands, whole: reason, severity and role of one row are not mixed with those
/// of the other. Times widen, counts do not add up. The order of rows and how often each comes
/// changes nothing, so neither does how an import was cut into runs.
#[must_use]
pub fn merge_fields(a: LabelFields, b: LabelFields) -> LabelFields {
    let word = |fields: &LabelFields| (fields.severity, fields.reason, fields.role);
    let (severity, reason, role) = word(&a).max(word(&b));
    LabelFields {
        reason,
        severity,
        role,
        first_seen: match (a.first_seen, b.first_seen) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        last_seen: a.last_seen.max(b.last_seen),
        count: a.count.max(b.count),
    }
}

/// When what two rows say is no longer there: when neither is.
#[must_use]
pub fn merge_expiry(a: Option<Day>, b: Option<Day>) -> Option<Day> {
    // Nothing is later than never.
    a.zip(b).map(|(a, b)| a.max(b))
}

impl Origin {
    /// What two rows say together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            given: self.given || other.given,
            derived: self.derived || other.derived,
        }
    }
}

#[cfg(test)]
mod tests;
