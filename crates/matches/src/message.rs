//! What members tell each other about matches (`spec/70-matches.md` §6 and §7).

use std::collections::BTreeSet;
use std::fmt;

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use crate::life::Feedback;

/// Names an entry between its contributor and who matched it. It is random.
pub type Handle = [u8; 16];

const CONTEXT: &str = "blindmatch message v1";
/// The most bytes of a name of a member or a view.
const MAX_NAME: usize = 255;

/// Numbers of handles that a notice may have.
pub const CLASSES: [usize; 4] = [64, 256, 1_024, 4_096];
/// The most handles of one notice: what is more goes into another one.
pub const MOST: usize = 4_096;

/// A message of one member to another.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its own id, random: what comes again is known by it.
    pub id: [u8; 32],
    /// Whose.
    pub from: String,
    /// For whom.
    pub to: String,
    /// The view of the contributor, by its name.
    pub view: String,
    /// When it was made, in seconds since 1970.
    pub time: u64,
    /// What it says.
    pub says: Says,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Says {
    /// These were withdrawn by who tells it; some are nobody's.
    Withdrawn(BTreeSet<Handle>),
    /// This one of who is told matched, and what the other holds of it.
    Feedback(Handle, Feedback),
}

/// Fills handles up to the least class that holds them, with random ones: every peer is told the same
/// ones, so that no two of them learn by comparing which are nobody's.
///
/// Of more than [`MOST`] it gives nothing.
pub fn padded(
    mut handles: BTreeSet<Handle>,
    mut random: impl FnMut() -> Handle,
) -> Option<BTreeSet<Handle>> {
    let class = CLASSES.into_iter().find(|class| handles.len() <= *class)?;
    while handles.len() < class {
        handles.insert(random());
    }
    Some(handles)
}

impl Message {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer.fixed(&self.id);
        for name in [&self.from, &self.to, &self.view] {
            writer.bytes(name.as_bytes());
        }
        writer.u64(self.time);
        match &self.says {
            Says::Withdrawn(handles) => {
                writer
                    .u8(1)
                    .bytes(handles.iter().copied().collect::<Vec<_>>().as_flattened());
            }
            Says::Feedback(handle, feedback) => {
                writer.u8(2).fixed(handle).u8(feedback.code());
            }
        }
        writer.finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: of a notice whose number of handles is no class, or whose handles do not ascend, as
    /// of every other field that is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let id = reader.fixed()?;
        let mut name = || {
            let bytes = reader.bytes(MAX_NAME)?;
            let name = str::from_utf8(bytes).map_err(|_| DecodeError::Field)?;
            match name.is_empty() || name.chars().any(char::is_control) {
                true => Err(DecodeError::Field),
                false => Ok(name.to_owned()),
            }
        };
        let (from, to, view) = (name()?, name()?, name()?);
        let time = reader.u64()?;
        let says = match reader.u8()? {
            1 => {
                let (handles, rest) = reader.bytes(16 * MOST)?.as_chunks::<16>();
                let ascends = handles.is_sorted_by(|a, b| a < b);
                if !rest.is_empty() || !ascends || !CLASSES.contains(&handles.len()) {
                    return Err(DecodeError::Field);
                }
                Says::Withdrawn(handles.iter().copied().collect())
            }
            2 => {
                let handle = reader.fixed()?;
                let feedback = Feedback::from_code(reader.u8()?);
                Says::Feedback(handle, feedback.ok_or(DecodeError::Field)?)
            }
            _ => return Err(DecodeError::Field),
        };
        reader.finish()?;
        Ok(Self {
            id,
            from,
            to,
            view,
            time,
            says,
        })
    }
}

/// Shows whose it is and what kind, not about what.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("view", &self.view)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
