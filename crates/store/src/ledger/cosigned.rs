//! A cosigned checkpoint, as a file: the note, and a checksum over it. The node's own
//! signature does not cover the lines of the witnesses, and a witness whose key is not known any
//! more could not be told from one whose line was damaged (`spec/43-home.md` §5.1).

use std::io;

use blindmatch_audit::checkpoint::{CheckpointError, SignedCheckpoint};
use blindmatch_audit::note::{MAX_NOTE, NoteError};

use super::{COSIGNED, LedgerError};
use crate::disk::Disk;

/// What is before the checksum, on the line behind the note.
const LABEL: &str = "crc32 ";
/// The line: the label, eight hexadecimal digits, a newline.
const LINE: usize = LABEL.len() + 9;

/// The longest content.
pub const MAX_COSIGNED: u64 = (MAX_NOTE + LINE) as u64;

/// The file's content.
#[must_use]
pub fn encode(cosigned: &SignedCheckpoint) -> String {
    let note = cosigned.to_string();
    let line = line(note.as_bytes());
    note + &line
}

/// Reads the file, where there is one.
pub(super) fn read(disk: &Disk) -> Result<Option<SignedCheckpoint>, LedgerError> {
    let bytes = match disk.read(COSIGNED, MAX_COSIGNED) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let too_long = CheckpointError::Note(NoteError::TooLong);
            return Err(LedgerError::Cosigned(too_long));
        }
        bytes => bytes?,
    };
    decode(&bytes).map(Some)
}

/// Reads the content; the signatures are not verified by that.
///
/// # Errors
///
/// [`LedgerError::CosignedChecksum`], [`LedgerError::Cosigned`].
pub fn decode(bytes: &[u8]) -> Result<SignedCheckpoint, LedgerError> {
    let (note, last) = bytes.split_at(bytes.len().saturating_sub(LINE));
    if last != line(note).as_bytes() {
        return Err(LedgerError::CosignedChecksum);
    }
    SignedCheckpoint::parse(note).map_err(LedgerError::Cosigned)
}

fn line(note: &[u8]) -> String {
    format!("{LABEL}{:08x}\n", crc32fast::hash(note))
}
