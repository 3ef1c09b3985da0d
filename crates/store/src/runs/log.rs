//! The log of a run that is not over: sealed frames, one behind the other (`spec/46 §2`).
//!
//! At most one frame at a time is written and not yet acknowledged, and it is the last. So what a
//! crash tore is the last frame; anything else that does not read is damage.

use std::io::{self, Read, Seek, SeekFrom, Write};

use blindmatch_audit::{codec::Writer, receipt::SignedReceipt};
use blindmatch_psi::{
    agreement::RunId,
    session::{Record, State},
};
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keys::Key;

/// What a file of this kind begins with, filled up with zeros.
const CONTEXT: &str = "blindmatch run log v1";
pub(super) const HEADER: usize = 32;
const FRAME: &str = "blindmatch run log frame v1";
/// Kind, length, CRC, nonce.
const PREFIX: usize = 32;
const TAG: usize = 16;
/// Ends every frame, so that a frame that zeros end was not written to its end.
const END: [u8; 16] = [0xff; 16];
/// Frames are a multiple of this, and so no sector holds a shorter part of one.
const UNIT: usize = 16;
/// The most bytes of a record: more than any that a session stores, of which the longest is a
/// querier's half of the largest setup.
pub(super) const MAX_CONTENT: usize = 1 << 23;
const MAX_SEALED: usize = MAX_CONTENT + 64;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FrameKind {
    /// What the run is about.
    Head = 1,
    /// Rows that it asks for.
    Asked = 2,
    /// How many rows that were: the beginning is complete.
    Begun = 3,
    /// A state of the session.
    State = 4,
    /// A receipt.
    Receipt = 5,
    /// The terms of the setup that it uses up.
    Setup = 6,
    /// States and receipts that were stored at once.
    Several = 7,
    /// What the run found, as its results are to have it.
    Found = 8,
}

impl FrameKind {
    const ALL: [Self; 8] = [
        Self::Head,
        Self::Asked,
        Self::Begun,
        Self::State,
        Self::Receipt,
        Self::Setup,
        Self::Several,
        Self::Found,
    ];
}

/// Seals and opens the frames of one run.
pub(super) struct Frames {
    run: RunId,
    cipher: XChaCha20Poly1305,
}

/// A frame on disk, not opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) kind: FrameKind,
    /// Its number, from 0.
    pub(super) number: u64,
    /// Where it begins.
    pub(super) at: u64,
    /// All of its bytes.
    length: usize,
}

/// What stands at a place of a log.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame, as far as its prefix says.
    Frame(Place),
    /// The end of the file.
    End,
    /// The last frame, which was not written to its end.
    Torn,
}

/// Why a log does not read.
#[derive(Debug)]
pub(super) enum LogError {
    /// It does not begin as one does.
    Header,
    /// The frame that begins there.
    Damaged {
        /// Where.
        at: u64,
    },
    /// The disk's.
    Disk(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// The first bytes of a log.
pub(super) fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let context = Writer::new(CONTEXT).finish();
    header.iter_mut().zip(context).for_each(|(to, b)| *to = b);
    header
}

impl Frames {
    pub(super) fn new(run: RunId, key: &Key) -> Self {
        let cipher = XChaCha20Poly1305::new((&**key).into());
        Self { run, cipher }
    }

    /// The bytes of frame `number`.
    pub(super) fn seal(
        &self,
        kind: FrameKind,
        number: u64,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> io::Result<Vec<u8>> {
        if content.len() > MAX_CONTENT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let length = (4 + content.len()).next_multiple_of(UNIT);
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        let sealed = u32::try_from(length + TAG).unwrap_or(u32::MAX);
        let crc = crc(kind as u8, number, sealed);

        // Room for all of it, so that nothing plain is left behind by growing.
        let mut plain = Zeroizing::new(Vec::with_capacity(length + TAG));
        let content_length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        plain.extend_from_slice(&content_length.to_be_bytes());
        plain.extend_from_slice(content);
        plain.resize(length, 0);
        let tag = self.cipher.encrypt_inout_detached(
            &nonce,
            &self.associated(kind, number),
            plain.as_mut_slice().into(),
        );
        // Frames are far below the cipher's limit.
        let tag = tag.map_err(|_| io::ErrorKind::InvalidInput)?;

        let mut frame = Vec::with_capacity(PREFIX + length + TAG + END.len());
        // Kind in the first byte, length in the other three.
        frame.extend_from_slice(&(u32::from(kind as u8) << 24 | sealed).to_be_bytes());
        frame.extend_from_slice(&crc.to_be_bytes());
        frame.extend_from_slice(&nonce);
        frame.extend_from_slice(&plain);
        frame.extend_from_slice(&tag);
        frame.extend_from_slice(&END);
        Ok(frame)
    }

    /// What a frame holds.
    pub(super) fn open(
        &self,
        file: &mut (impl Read + Seek),
        place: &Place,
    ) -> Result<Zeroizing<Vec<u8>>, LogError> {
        let damaged = || LogError::Damaged { at: place.at };
        let mut frame = read(file, place.at, place.length)?;
        if frame.len() != place.length {
            return Err(damaged());
        }
        self.open_bytes(&mut frame, place).ok_or_else(damaged)
    }

    fn open_bytes(&self, frame: &mut [u8], place: &Place) -> Option<Zeroizing<Vec<u8>>> {
        let (prefix, rest) = frame.split_at_mut_checked(PREFIX)?;
        let (_, nonce) = prefix.split_last_chunk::<24>()?;
        let (rest, end) = rest.split_last_chunk_mut::<16>()?;
        let (plain, tag) = rest.split_last_chunk_mut::<TAG>()?;
        if *end != END {
            return None;
        }
        self.cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated(place.kind, place.number),
                (&mut *plain).into(),
                &Tag::from(*tag),
            )
            .ok()?;
        let opened = Zeroizing::new(plain.to_vec());
        plain.fill(0);
        let (length, content) = opened.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        content
            .get(..length)
            .map(|content| Zeroizing::new(content.to_vec()))
    }

    /// The frame that begins at `at`, or what is there in its place. Only the prefix is read where
    /// more frames follow; the last frame is opened, since a crash may have torn it.
    pub(super) fn next(
        &self,
        file: &mut (impl Read + Seek),
        length: u64,
        at: u64,
        number: u64,
    ) -> Result<Next, LogError> {
        let Some(left) = length.checked_sub(at).filter(|left| *left > 0) else {
            return Ok(Next::End);
        };
        let prefix = read(file, at, PREFIX)?;
        let place = place(&prefix, at, number);
        if let Some(place) = place
            && (place.length as u64) < left
        {
            return Ok(Next::Frame(place));
        }
        // The last, whatever it is.
        if left > (MAX_SEALED + PREFIX + END.len()) as u64 {
            return Err(LogError::Damaged { at });
        }
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let rest = read(file, at, left)?;
        let whole = place.filter(|place| place.length == rest.len());
        if let Some(place) = whole
            && self.open_bytes(&mut rest.clone(), &place).is_some()
        {
            return Ok(Next::Frame(place));
        }
        if is_torn(&rest, place.as_ref()) {
            Ok(Next::Torn)
        } else {
            Err(LogError::Damaged { at })
        }
    }

    fn associated(&self, kind: FrameKind, number: u64) -> Vec<u8> {
        let mut writer = Writer::new(FRAME);
        writer.fixed(&self.run.0).u8(kind as u8).u64(number);
        writer.finish()
    }
}

/// Checks the beginning of a log.
pub(super) fn check_header(file: &mut (impl Read + Seek)) -> Result<(), LogError> {
    if read(file, 0, HEADER)? == header() {
        Ok(())
    } else {
        Err(LogError::Header)
    }
}

impl Place {
    /// Where the next one begins.
    pub(super) const fn behind(&self) -> u64 {
        self.at + self.length as u64
    }
}

/// Whether a last frame that does not open is one that a crash cut: its end is missing, or zeros
/// stand where it was not written. A bit that flips makes neither.
fn is_torn(rest: &[u8], place: Option<&Place>) -> bool {
    let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let hole = || rest.chunks(UNIT).any(zeros);
    match place {
        Some(place) if rest.len() < place.length => true,
        Some(_) => rest.last() == Some(&0) || hole(),
        None => {
            let (first, behind) = rest.split_at(rest.len().min(8));
            first.len() < 8 || zeros(behind) || rest.chunks(UNIT).next().is_some_and(zeros)
        }
    }
}

/// What a prefix says, where its CRC holds.
fn place(prefix: &[u8], at: u64, number: u64) -> Option<Place> {
    let (word, rest) = prefix.split_first_chunk::<4>()?;
    let (found, _) = rest.split_first_chunk::<4>()?;
    let word = u32::from_be_bytes(*word);
    let [code, ..] = word.to_be_bytes();
    let kind = FrameKind::ALL
        .into_iter()
        .find(|known| *known as u8 == code)?;
    let sealed = word & 0x00ff_ffff;
    let length = usize::try_from(sealed).ok()?;
    let fits = (TAG + UNIT..=MAX_SEALED).contains(&length) && length.is_multiple_of(UNIT);
    (fits && u32::from_be_bytes(*found) == crc(code, number, sealed)).then_some(Place {
        kind,
        number,
        at,
        length: PREFIX + length + END.len(),
    })
}

fn crc(kind: u8, number: u64, sealed: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&number.to_be_bytes());
    crc.update(&sealed.to_be_bytes());
    crc.finalize()
}

/// So many bytes from a place on, or as many as there are.
fn read(file: &mut (impl Read + Seek), at: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(length + 32);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a record behind those that are stored at once.
pub(super) fn join(content: &mut Zeroizing<Vec<u8>>, kind: FrameKind, record: &[u8]) {
    // Never outgrown while it is filled: it has secrets.
    let mut grown = Zeroizing::new(Vec::with_capacity(content.len() + 5 + record.len()));
    grown.extend_from_slice(content);
    grown.push(kind as u8);
    // One that is longer than that is too long for a frame.
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    grown.extend_from_slice(&length.to_be_bytes());
    grown.extend_from_slice(record);
    *content = grown;
}

/// What one frame holds of a session and of what was found.
#[derive(Default)]
pub(super) struct Several {
    pub(super) records: Vec<Record>,
    pub(super) found: Option<Zeroizing<Vec<u8>>>,
}

/// Reads a frame that holds several; nothing where it does not read.
pub(super) fn split(content: &[u8]) -> Option<Several> {
    let mut several = Several::default();
    let mut rest = content;
    while let Some((kind, behind)) = rest.split_first() {
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, behind) = behind.split_at_checked(length)?;
        let mut known = FrameKind::ALL.into_iter();
        match known.find(|known| *known as u8 == *kind)? {
            FrameKind::State => {
                let state = State::from_bytes(Zeroizing::new(part.to_vec()));
                several.records.push(Record::State(state));
            }
            FrameKind::Receipt => {
                let signed = SignedReceipt::decode(part).ok()?;
                several.records.push(Record::Receipt(Box::new(signed)));
            }
            FrameKind::Found => several.found = Some(Zeroizing::new(part.to_vec())),
            _ => return None,
        }
        rest = behind;
    }
    Some(several)
}

/// Writes a beginning: the header, then frames.
pub(super) struct Beginner<W> {
    file: W,
    frames: Frames,
    number: u64,
}

impl<W: Write> Beginner<W> {
    pub(super) fn new(mut file: W, frames: Frames) -> io::Result<Self> {
        file.write_all(&header())?;
        let number = 0;
        Ok(Self {
            file,
            frames,
            number,
        })
    }

    pub(super) fn push(
        &mut self,
        kind: FrameKind,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> io::Result<()> {
        let frame = self.frames.seal(kind, self.number, content, rng)?;
        self.file.write_all(&frame)?;
        self.number += 1;
        Ok(())
    }

    /// What was written.
    pub(super) fn finish(self) -> W {
        self.file
    }
}
