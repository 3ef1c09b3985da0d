//! What a run found: one sealed file under a key of its own, which dies when its time is over
//! (`spec/46 §3`).

use std::{
    io::{self, Read, Seek, Write},
    mem,
};

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    commitment::{PARTS, PartSalts, ResultCommitment, ShownRow},
    tree::Hash,
};
use blindmatch_psi::{agreement::RunId, publication::LABEL_LENGTH};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::rows::{self, OwnedRow};
use crate::{
    disk::{Aside, Disk},
    keys::{FileId, FileKeys, Key},
    row::Row,
    sealed::{Kind, SealedError, SealedReader, SealedWriter},
};

const CONTEXT: &str = "blindmatch run results v2";
/// The most bytes of a member's name.
const MAX_NAME: usize = 255;
/// The most bytes of a match: a row with all its references, and a label.
const MAX_MATCH: usize = 24 << 10;
/// What the trailer has, context included, and some more.
const MAX_TRAILER: usize = 512;
/// Behind a label's handle: why, whose and how bad; when and how often (`spec/10 §5`).
const ASSESSMENT: std::ops::Range<usize> = 16..18;
const SEEN: std::ops::Range<usize> = 18..LABEL_LENGTH;

/// Something that both sides hold. It has no `Debug`: it is somebody's personal data.
#[derive(Clone, Copy)]
pub struct Match<'a> {
    /// Our own row, as it was when it was asked for.
    pub row: Row<'a>,
    /// What the other side says about it; nothing where its label does not open.
    pub label: Option<&'a [u8; LABEL_LENGTH]>,
}

/// A match that owns its bytes, wiped when dropped.
pub struct OwnedMatch {
    row: OwnedRow,
    label: Option<Zeroizing<[u8; LABEL_LENGTH]>>,
}

/// So many bytes of results are few: they become durable with the run's log.
const FEW: usize = 48 << 10;

/// Takes what a run found, in any order. What is dropped before the run ends is gone.
pub struct ResultWriter {
    /// What was written so far, as long as that is little.
    few: Zeroizing<Vec<u8>>,
    /// What it has gone to, once it was not.
    many: Option<SealedWriter<Aside>>,
    disk: Disk,
    key: Key,
    id: FileId,
    run: RunId,
    expires: Option<u64>,
    /// There are leaves for at least so many.
    least: u64,
    seed: Zeroizing<[u8; 32]>,
    /// The member at the other side.
    contributor: String,
    /// The match that is being written.
    bytes: Zeroizing<Vec<u8>>,
    salts: PartSalts,
    /// What the ledger commits to of each, in their order.
    rows: Vec<Vec<u8>>,
}

/// What the ledger commits to of a match, which has none of the owner's references.
pub(super) struct Committed {
    key: Zeroizing<Vec<u8>>,
    label: Option<Zeroizing<[u8; LABEL_LENGTH]>>,
}

/// Results that are complete, with no name yet.
pub(super) struct Finished {
    pub(super) found: Found,
    pub(super) trailer: Trailer,
}

/// The matches, and the trailer behind them.
pub(super) enum Found {
    /// As they are.
    Few(Zeroizing<Vec<u8>>),
    /// In a sealed file, with the name of its key and the key.
    Many(Aside, FileId, Key),
}

/// What stands behind the matches.
pub(super) struct Trailer {
    pub(super) run: RunId,
    pub(super) count: u64,
    pub(super) expires: Option<u64>,
    pub(super) leaves: u64,
    pub(super) root: Hash,
    seed: Zeroizing<[u8; 32]>,
    contributor: String,
}

/// Reads what a run found, one match at a time.
pub struct Matches<R> {
    sealed: SealedReader<R>,
    /// At the end, what stands there.
    trailer: Option<Trailer>,
}

impl Match<'_> {
    fn committed(&self) -> Committed {
        Committed {
            key: Zeroizing::new(self.row.key.to_vec()),
            label: self.label.map(|label| Zeroizing::new(*label)),
        }
    }
}

impl Committed {
    fn values<'a>(&'a self, contributor: &'a str) -> [&'a [u8]; PARTS] {
        values(&self.key, self.label.as_deref(), contributor)
    }
}

/// The parts of a match: the indicator and what the other side says of it (`spec/46 §3`). That of its label
/// which names the entry between the two is none.
fn values<'a>(
    key: &'a [u8],
    label: Option<&'a [u8; LABEL_LENGTH]>,
    contributor: &'a str,
) -> [&'a [u8]; PARTS] {
    let of_label = |range| label.and_then(|label| label.get(range)).unwrap_or_default();
    let (assessment, seen) = (of_label(ASSESSMENT), of_label(SEEN));
    [key, contributor.as_bytes(), assessment, seen]
}

impl OwnedMatch {
    /// The match.
    #[must_use]
    pub fn as_match(&self) -> Match<'_> {
        Match {
            row: self.row.row(),
            label: self.label.as_deref(),
        }
    }

    /// Reads a match as it is stored. Public for the fuzzer.
    #[doc(hidden)]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (flag, rest) = bytes.split_first()?;
        let (label, rest) = match flag {
            0 => (None, rest),
            1 => {
                let (label, rest) = rest.split_first_chunk::<LABEL_LENGTH>()?;
                (Some(Zeroizing::new(*label)), rest)
            }
            _ => return None,
        };
        let (row, end) = rows::read(rest, 0)?;
        (end == rest.len()).then_some(Self { row, label })
    }
}

impl ResultWriter {
    pub(super) fn new(
        disk: Disk,
        run: RunId,
        id: FileId,
        contributor: &str,
        expires: Option<u64>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        // Drawn for this attempt: one that dies leaves its key to nothing else.
        let (_, key) = FileKeys::draw(rng);
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self {
            few: Zeroizing::new(Vec::with_capacity(FEW)),
            many: None,
            disk,
            key,
            id,
            run,
            expires,
            least: 0,
            salts: PartSalts::new(&seed),
            seed,
            contributor: contributor.to_owned(),
            bytes: Zeroizing::new(Vec::with_capacity(MAX_MATCH)),
            rows: Vec::new(),
        }
    }

    /// Adds a match.
    ///
    /// # Errors
    ///
    /// Those of the disk; [`InvalidInput`](io::ErrorKind::InvalidInput) for an indicator that is
    /// longer than any.
    pub fn push(&mut self, found: &Match<'_>) -> io::Result<()> {
        self.bytes.clear();
        let bytes: &mut Vec<u8> = &mut self.bytes;
        bytes.push(found.label.is_some().into());
        if let Some(label) = found.label {
            bytes.extend_from_slice(label);
        }
        let written = rows::write(bytes, &found.row);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if written.is_none() || bytes.len() > MAX_MATCH {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let bytes = mem::take(&mut self.bytes);
        let written = self.write(&length.to_be_bytes());
        let written = written.and_then(|()| self.write(&bytes));
        self.bytes = bytes;
        written?;
        let values = values(found.row.key, found.label, &self.contributor);
        self.rows.push(self.salts.row(self.count(), values));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sealed = match self.many.take() {
            Some(sealed) => sealed,
            // It is never outgrown.
            None if self.few.len() + bytes.len() <= FEW => {
                self.few.extend_from_slice(bytes);
                return Ok(());
            }
            None => {
                let aside = self.disk.aside()?;
                let mut sealed = SealedWriter::new(aside, Kind::Results, self.id, &self.key)?;
                sealed.write_all(&self.few)?;
                self.few = Zeroizing::default();
                sealed
            }
        };
        sealed.write_all(bytes)?;
        self.many = Some(sealed);
        Ok(())
    }

    /// Commits to them among as many leaves as so many matches need, where there are fewer.
    pub const fn pad(&mut self, matches: u64) {
        self.least = matches;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) const fn run(&self) -> &RunId {
        &self.run
    }

    /// `None` where there are more matches than any commitment has leaves for.
    pub(super) fn finish(mut self) -> io::Result<Option<Finished>> {
        let leaves = ResultCommitment::leaves_for(self.least.max(self.count()));
        let commitment = ResultCommitment::new(&self.rows, leaves, *self.seed);
        let Some(commitment) = commitment else {
            return Ok(None);
        };
        let trailer = Trailer {
            run: self.run,
            count: self.count(),
            expires: self.expires,
            leaves,
            root: commitment.root(),
            seed: self.seed.clone(),
            contributor: mem::take(&mut self.contributor),
        };
        let bytes = Zeroizing::new(trailer.encode());
        self.write(&[0; 4])?;
        self.write(&bytes)?;
        let found = match self.many {
            Some(sealed) => Found::Many(sealed.finish()?, self.id, self.key),
            None => Found::Few(self.few),
        };
        Ok(Some(Finished { found, trailer }))
    }
}

/// The root of what stands in few results; nothing where they do not read.
pub(super) fn root(few: &[u8]) -> Option<Hash> {
    let (mut rest, mut committed) = (few, Vec::new());
    loop {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if length == 0 {
            let trailer = Trailer::decode(behind).ok()?;
            return Some(trailer.commitment(&committed)?.root());
        }
        let (found, behind) = behind.split_at_checked(length)?;
        let found = OwnedMatch::decode(found)?;
        committed.push(found.as_match().committed());
        rest = behind;
    }
}

impl Trailer {
    fn encode(&self) -> Vec<u8> {
        Writer::new(CONTEXT)
            .fixed(&self.run.0)
            .u64(self.count)
            .u64(self.expires.unwrap_or(0))
            .u64(self.leaves)
            .fixed(&self.root)
            .fixed(self.seed.as_slice())
            .bytes(self.contributor.as_bytes())
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let run = RunId(reader.fixed()?);
        let (count, expires, leaves) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (root, seed) = (reader.fixed()?, Zeroizing::new(reader.fixed()?));
        let contributor = str::from_utf8(reader.bytes(MAX_NAME)?);
        let contributor = contributor.map_err(|_| DecodeError::Field)?.to_owned();
        reader.finish()?;
        Ok(Self {
            run,
            count,
            expires: (expires != 0).then_some(expires),
            leaves,
            root,
            seed,
            contributor,
        })
    }

    /// The commitment to these matches, where they are those that were committed to.
    pub(super) fn commitment(&self, committed: &[Committed]) -> Option<ResultCommitment> {
        let salts = PartSalts::new(&self.seed);
        let rows = (0..).zip(committed);
        let rows = rows.map(|(number, one)| salts.row(number, one.values(&self.contributor)));
        let rows: Vec<_> = rows.collect();
        let commitment = ResultCommitment::new(&rows, self.leaves, *self.seed)?;
        (commitment.root() == self.root).then_some(commitment)
    }

    /// A match as it was committed to, with all of its parts.
    pub(super) fn show(&self, number: u64, committed: &Committed) -> ShownRow {
        let salts = PartSalts::new(&self.seed);
        salts.show(number, committed.values(&self.contributor))
    }
}

impl<R: Read + Seek> Matches<R> {
    /// Reads the results of a run from `source`.
    pub(super) fn open(source: R, key: &Key) -> Result<Self, SealedError> {
        Ok(Self {
            sealed: SealedReader::open(source, Kind::Results, key)?,
            trailer: None,
        })
    }

    /// The next match, in the order in which they were handed in; none behind the last.
    ///
    /// # Errors
    ///
    /// A [`SealedError`]; what was handed out before is right.
    #[expect(clippy::should_implement_trait, reason = "it fails")]
    pub fn next(&mut self) -> Result<Option<OwnedMatch>, SealedError> {
        if self.trailer.is_some() {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.sealed.read_exact(&mut length).map_err(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 {
            let mut rest = Zeroizing::new(Vec::with_capacity(MAX_TRAILER));
            let mut trailer = (&mut self.sealed).take(MAX_TRAILER as u64);
            trailer.read_to_end(&mut rest).map_err(damaged)?;
            let trailer = Trailer::decode(&rest);
            self.trailer = Some(trailer.map_err(|_| SealedError::Damaged { block: 0 })?);
            return Ok(None);
        }
        if length > MAX_MATCH {
            return Err(SealedError::Damaged { block: 0 });
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        self.sealed.read_exact(&mut bytes).map_err(damaged)?;
        let found = OwnedMatch::decode(&bytes);
        Ok(Some(found.ok_or(SealedError::Damaged { block: 0 })?))
    }

    /// Reads to the end; what stands there, and what was committed to of each match.
    pub(super) fn finish(mut self) -> Result<(Trailer, Vec<Committed>), SealedError> {
        let mut committed = Vec::new();
        while let Some(found) = self.next()? {
            committed.push(found.as_match().committed());
        }
        let damaged = SealedError::Damaged { block: 0 };
        let trailer = self.trailer.ok_or(damaged)?;
        if trailer.count != committed.len() as u64 {
            return Err(SealedError::Damaged { block: 0 });
        }
        Ok((trailer, committed))
    }
}

/// A sealed file's error that came through its stream.
fn damaged(error: io::Error) -> SealedError {
    match error.downcast::<SealedError>() {
        Ok(sealed) => sealed,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            SealedError::Damaged { block: 0 }
        }
        Err(error) => SealedError::Io(error),
    }
}
