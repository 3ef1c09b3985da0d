//! Changes to bytes that were right before.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// One change.
#[derive(Arbitrary, Debug)]
pub enum Edit {
    /// Flips bits of the byte at a place.
    Flip(u32, u8),
    /// Writes over what begins at a place.
    Overwrite(u32, Vec<u8>),
    /// Cuts off the end.
    Truncate(u32),
    /// Adds to the end.
    Extend(Vec<u8>),
}

impl Edit {
    /// Makes the change; places beyond the end are counted from the beginning again.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &u32| (*at as usize).checked_rem(bytes.len()).unwrap_or(0);
        match self {
            Self::Flip(at, mask) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Self::Overwrite(at, with) => {
                let at = place(at);
                for (byte, with) in bytes[at..].iter_mut().zip(with) {
                    *byte = *with;
                }
            }
            Self::Truncate(at) => bytes.truncate(place(at)),
            Self::Extend(with) => bytes.extend_from_slice(with),
        }
    }
}
