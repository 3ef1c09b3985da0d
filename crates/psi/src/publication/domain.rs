//! What a label is sealed for: one view of one responder in one epoch.

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

/// Consortium, responder, view, type and epoch: the scope of one OPRF key.
///
/// The four names are opaque here, of at most 255 bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The consortium's id.
    pub consortium: Vec<u8>,
    /// The member that serves the view.
    pub responder: Vec<u8>,
    /// The view's id.
    pub view: Vec<u8>,
    /// The type of its indicators.
    pub indicator_type: Vec<u8>,
    /// The number of the epoch.
    pub epoch: u64,
}

impl Domain {
    /// The longest name in bytes.
    const LONGEST: usize = 255;

    /// Whether [`read`](Self::read) reads what [`write`](Self::write) writes of it.
    pub(super) fn is_writable(&self) -> bool {
        self.names().iter().all(|name| name.len() <= Self::LONGEST)
    }

    /// Appends the four names and the epoch.
    pub(super) fn write(&self, writer: &mut Writer) {
        for name in self.names() {
            writer.bytes(name);
        }
        writer.u64(self.epoch);
    }

    const fn names(&self) -> [&Vec<u8>; 4] {
        [
            &self.consortium,
            &self.responder,
            &self.view,
            &self.indicator_type,
        ]
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut name = || reader.bytes(Self::LONGEST).map(<[u8]>::to_vec);
        Ok(Self {
            consortium: name()?,
            responder: name()?,
            view: name()?,
            indicator_type: name()?,
            epoch: reader.u64()?,
        })
    }
}
