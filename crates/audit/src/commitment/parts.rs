//! What of a match stands in the row that its owner commits to: each part by a salted hash of its own, so
//! that an opening of the row may show some and hide the others (`spec/40-audit.md` §5.1).

use std::fmt;

use hmac::Hmac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{MAX_ROW, derive, keyed};
use crate::{
    codec::{DecodeError, Reader, Writer},
    tree::Hash,
};

const ROW: &str = "blindmatch match v2";
const PART: &str = "blindmatch match part v1";
const SALT: &str = "blindmatch match part salt v1";
const SHOWN: &str = "blindmatch shown match v1";

/// The parts of a match.
pub const PARTS: usize = 4;

/// A part of a match. What stands in it: `spec/46-runs-views.md` §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The indicator.
    Indicator,
    /// The member whose label it is.
    Contributor,
    /// Why that member lists it, whose it is, and how bad.
    Assessment,
    /// When that member saw it, and how often it was reported.
    Seen,
}

/// The salts of the parts of all rows of a commitment. Secret, as its seed is.
pub struct PartSalts(Hmac<Sha256>);

/// A row with those of its parts that are shown. It may hold somebody's personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownRow([Shown; PARTS]);

#[derive(Clone, PartialEq, Eq)]
enum Shown {
    Hidden(Hash),
    Open {
        salt: [u8; 32],
        value: Zeroizing<Vec<u8>>,
    },
}

impl Part {
    /// All, in their order.
    pub const ALL: [Self; PARTS] = [
        Self::Indicator,
        Self::Contributor,
        Self::Assessment,
        Self::Seen,
    ];

    const fn number(self) -> u8 {
        self as u8
    }
}

impl PartSalts {
    /// Those of the commitment that is drawn from `seed`.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(keyed(seed))
    }

    /// What is committed to as the row at `number`, of these values in the order of [`Part::ALL`].
    ///
    /// # Panics
    ///
    /// On a value of more than 4 GiB.
    #[must_use]
    pub fn row(&self, number: u64, values: [&[u8]; PARTS]) -> Vec<u8> {
        let parts = Part::ALL.into_iter().zip(values);
        row(parts.map(|(part, value)| hash(part, &self.salt(number, part), value)))
    }

    /// The row at `number` with all of its parts, whose values are given in the order of [`Part::ALL`].
    #[must_use]
    pub fn show(&self, number: u64, values: [&[u8]; PARTS]) -> ShownRow {
        let mut parts = Part::ALL.into_iter().zip(values);
        ShownRow(std::array::from_fn(|_| match parts.next() {
            Some((part, value)) => Shown::Open {
                salt: *self.salt(number, part),
                value: Zeroizing::new(value.to_vec()),
            },
            // There are as many of both.
            None => Shown::Hidden([0; 32]),
        }))
    }

    fn salt(&self, number: u64, part: Part) -> Zeroizing<[u8; 32]> {
        let mut of = Writer::new(SALT);
        Zeroizing::new(derive(&self.0, of.u64(number).u8(part.number())))
    }
}

impl ShownRow {
    /// What is committed to: the same whichever parts are shown.
    ///
    /// # Panics
    ///
    /// On a value of more than 4 GiB.
    #[must_use]
    pub fn row(&self) -> Vec<u8> {
        let parts = Part::ALL.into_iter().zip(&self.0);
        row(parts.map(|(part, shown)| shown.hash(part)))
    }

    /// Shows this part no more.
    pub fn hide(&mut self, part: Part) {
        if let Some(shown) = self.0.get_mut(usize::from(part.number())) {
            *shown = Shown::Hidden(shown.hash(part));
        }
    }

    /// The value of a part, where it is shown.
    #[must_use]
    pub fn value(&self, part: Part) -> Option<&[u8]> {
        match self.0.get(usize::from(part.number()))? {
            Shown::Hidden(_) => None,
            Shown::Open { value, .. } => Some(value),
        }
    }

    /// The canonical bytes.
    ///
    /// # Panics
    ///
    /// On a value of more than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(SHOWN);
        // No copy of a value is left behind where it grows.
        writer.reserve(self.0.iter().map(Shown::length).sum());
        for shown in &self.0 {
            match shown {
                Shown::Hidden(hash) => writer.u8(0).fixed(hash),
                Shown::Open { salt, value } => writer.u8(1).fixed(salt).bytes(value),
            };
        }
        Zeroizing::new(writer.finish())
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(SHOWN, bytes)?;
        let mut shown = || match reader.u8()? {
            0 => Ok(Shown::Hidden(reader.fixed()?)),
            1 => Ok(Shown::Open {
                salt: reader.fixed()?,
                value: Zeroizing::new(reader.bytes(MAX_ROW)?.to_vec()),
            }),
            _ => Err(DecodeError::Field),
        };
        let parts = [shown()?, shown()?, shown()?, shown()?];
        reader.finish()?;
        Ok(Self(parts))
    }
}

impl Shown {
    fn hash(&self, part: Part) -> Hash {
        match self {
            Self::Hidden(hash) => *hash,
            Self::Open { salt, value } => hash(part, salt, value),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Hidden(_) => 33,
            Self::Open { value, .. } => 37 + value.len(),
        }
    }
}

fn row(parts: impl Iterator<Item = Hash>) -> Vec<u8> {
    let mut writer = Writer::new(ROW);
    writer.reserve(32 * PARTS);
    for hash in parts {
        writer.fixed(&hash);
    }
    writer.finish()
}

fn hash(part: Part, salt: &[u8; 32], value: &[u8]) -> Hash {
    let mut writer = Writer::new(PART);
    writer.reserve(1 + 32 + 4 + value.len());
    writer.u8(part.number()).fixed(salt).bytes(value);
    let bytes = Zeroizing::new(writer.finish());
    Sha256::digest(&*bytes).into()
}

/// Which parts are shown, and nothing of them.
impl fmt::Debug for ShownRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Part::ALL
            .into_iter()
            .filter(|part| self.value(*part).is_some());
        f.debug_set().entries(shown).finish()
    }
}
