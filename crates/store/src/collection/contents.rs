//! What a collection consists of: the sealed file `current`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::str::FromStr;

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use blindmatch_indicator::{Day, IndicatorType};
use sha2::{Digest, Sha256};

use super::names::{CollectionName, SourceName};
use crate::keys::{FileId, Key};
use crate::merge::Counts;
use crate::sealed::{BLOCK, Kind, SealedError, SealedReader, SealedWriter};

/// So many sources may one collection have.
pub(super) const MAX_SOURCES: usize = 4_096;
/// The longest list, far above what so many sources need.
const LONGEST: u64 = 8 << 20;
const CONTEXT: &str = "blindmatch collection v1";

/// What a collection is for. It never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CollectionKind {
    /// Only ever asked with, never served.
    #[default]
    Customers = 1,
    /// Served to members who ask.
    Abuse = 2,
}

/// A collection at one moment: a snapshot is nothing but this list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its name.
    pub name: CollectionName,
    /// What it is for.
    pub kind: CollectionKind,
    /// How many imports and clearings it has seen; rows carry the number that brought them.
    pub imports: u32,
    /// Its sources.
    pub sources: BTreeMap<SourceName, Source>,
}

/// One source of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// SHA-256 of its sealed file, by which the file is named.
    pub digest: [u8; 32],
    /// Names the key of the file.
    pub id: FileId,
    /// When it was imported, in seconds since 1970.
    pub imported: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// The first day on which one of its rows has expired.
    pub expires: Option<Day>,
    /// Names the payment key under which its card numbers are hashed, where it holds any.
    pub payment_key: Option<PaymentKeyId>,
    /// How many indicators it holds, those that expired since it was written included.
    pub counts: Counts,
}

/// The name of a payment key.
pub type PaymentKeyId = [u8; 16];

impl CollectionKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Customers, Self::Abuse];

    /// The name, as in options and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Abuse => "abuse",
        }
    }
}

impl fmt::Display for CollectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Neither `customers` nor `abuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a collection holds `customers` or `abuse`")
    }
}

impl std::error::Error for UnknownKind {}

impl FromStr for CollectionKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or(UnknownKind)
    }
}

impl Source {
    /// The name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Contents {
    /// A collection without sources.
    pub(super) fn empty(name: CollectionName, kind: CollectionKind) -> Self {
        Self {
            name,
            kind,
            imports: 0,
            sources: BTreeMap::new(),
        }
    }

    /// What tells this state from any other: the hash of which files it consists of.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::new("blindmatch snapshot v1");
        writer.bytes(self.name.as_str().as_bytes());
        writer.u32(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        for source in self.sources.values() {
            writer.fixed(&source.digest);
        }
        Sha256::digest(writer.finish()).into()
    }

    /// When the newest import into one of its sources was, in seconds since 1970.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.sources.values().map(|source| source.imported).max()
    }

    /// Whether a row of it has expired by `now` and is not destroyed yet.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        let mut days = self.sources.values().filter_map(|source| source.expires);
        days.any(|day| unix_seconds(day) <= now)
    }

    pub(super) fn write(&self, file: impl Write, id: FileId, key: &Key) -> io::Result<()> {
        let mut sealed = SealedWriter::new(file, Kind::Collection, id, key)?;
        sealed.write_all(&self.encode())?;
        sealed.finish().map(drop)
    }

    pub(super) fn read(
        mut sealed: SealedReader<impl Read + Seek>,
        name: &CollectionName,
    ) -> Result<Self, SealedError> {
        let damaged = SealedError::Damaged { block: 0 };
        if sealed.blocks().saturating_mul(BLOCK as u64) > LONGEST {
            return Err(damaged);
        }
        let mut bytes = Vec::new();
        for number in 0..sealed.blocks() {
            bytes.extend_from_slice(sealed.block(number)?);
        }
        match Self::decode(&bytes) {
            // The list of another collection, put in its place.
            Ok(contents) if contents.name != *name => Err(damaged),
            Ok(contents) => Ok(contents),
            Err(_) => Err(damaged),
        }
    }

    /// The list as `spec/44-sealed.md` §4 has it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer.bytes(self.name.as_str().as_bytes());
        writer.u8(self.kind as u8).u32(self.imports);
        // At most MAX_SOURCES.
        writer.u32(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        for (name, source) in &self.sources {
            writer
                .bytes(name.as_str().as_bytes())
                .fixed(&source.digest)
                .fixed(&source.id.0)
                .u64(source.imported)
                .u64(source.bytes)
                .u64(source.expires.map_or(0, unix_seconds))
                .bytes(
                    source
                        .payment_key
                        .as_ref()
                        .map_or(&[], <[u8; 16]>::as_slice),
                );
            for counts in [&source.counts.given, &source.counts.derived] {
                // At most one for each type.
                writer.u8(u8::try_from(counts.len()).unwrap_or(u8::MAX));
                for (kind, count) in counts {
                    writer.u8(kind.code()).u64(*count);
                }
            }
        }
        writer.finish()
    }

    /// Reads a list.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let name = text(&mut reader, 64)?;
        let kind = reader.u8()?;
        let kind = CollectionKind::ALL
            .into_iter()
            .find(|known| *known as u8 == kind)
            .ok_or(DecodeError::Field)?;
        let imports = reader.u32()?;
        let count = reader.u32()?;
        if usize::try_from(count).map_or(true, |count| count > MAX_SOURCES) {
            return Err(DecodeError::TooLong);
        }
        let mut sources = BTreeMap::new();
        for _ in 0..count {
            let name = str::from_utf8(reader.bytes(SourceName::LONGEST)?);
            let name = name.ok().and_then(SourceName::listed);
            let name = name.ok_or(DecodeError::Field)?;
            if sources
                .last_key_value()
                .is_some_and(|(last, _)| *last >= name)
            {
                return Err(DecodeError::Field);
            }
            let source = Source {
                digest: reader.fixed()?,
                id: FileId(reader.fixed()?),
                imported: reader.u64()?,
                bytes: reader.u64()?,
                expires: day(reader.u64()?)?,
                payment_key: payment_key(reader.bytes(16)?)?,
                counts: Counts {
                    given: counts(&mut reader)?,
                    derived: counts(&mut reader)?,
                },
            };
            sources.insert(name, source);
        }
        reader.finish()?;
        Ok(Self {
            name,
            kind,
            imports,
            sources,
        })
    }
}

fn text<T: FromStr>(reader: &mut Reader<'_>, limit: usize) -> Result<T, DecodeError> {
    let text = std::str::from_utf8(reader.bytes(limit)?).map_err(|_| DecodeError::Field)?;
    text.parse().map_err(|_| DecodeError::Field)
}

fn unix_seconds(day: Day) -> u64 {
    // No day is before 2000.
    u64::try_from(day.unix_seconds()).unwrap_or(0)
}

/// The day that begins at this moment; none at 0.
fn day(seconds: u64) -> Result<Option<Day>, DecodeError> {
    if seconds == 0 {
        return Ok(None);
    }
    let moment = i64::try_from(seconds).map_err(|_| DecodeError::Field)?;
    let day = Day::from_unix_seconds(moment).ok_or(DecodeError::Field)?;
    if unix_seconds(day) == seconds {
        Ok(Some(day))
    } else {
        Err(DecodeError::Field)
    }
}

fn payment_key(bytes: &[u8]) -> Result<Option<PaymentKeyId>, DecodeError> {
    match bytes {
        [] => Ok(None),
        id => id.try_into().map(Some).map_err(|_| DecodeError::Field),
    }
}

fn counts(reader: &mut Reader<'_>) -> Result<BTreeMap<IndicatorType, u64>, DecodeError> {
    let mut counts = BTreeMap::new();
    for _ in 0..reader.u8()? {
        let kind = IndicatorType::from_code(reader.u8()?).ok_or(DecodeError::Field)?;
        if counts
            .last_key_value()
            .is_some_and(|(last, _)| *last >= kind)
        {
            return Err(DecodeError::Field);
        }
        counts.insert(kind, reader.u64()?);
    }
    Ok(counts)
}
