//! The project's canonical encoding (`spec/00-encoding.md`): what is signed, hashed or sent.
//!
//! One value has one encoding. Every message begins with a context, which names its kind and
//! version, so that bytes of one kind are never taken for another. Integers are big-endian and of
//! fixed width, byte strings carry a length in front, and there is nothing optional, nothing
//! unordered and nothing left over.

use std::fmt;

use zeroize::Zeroizing;

/// Writes one message.
///
/// The message may hold secrets. It does not print, and whatever of it a writer leaves behind in
/// memory is wiped: on growing, and when it is dropped unfinished.
pub struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// A message of the kind that `context` names, e.g. `blindmatch receipt v1`.
    #[must_use]
    pub fn new(context: &'static str) -> Self {
        let mut writer = Self {
            bytes: Zeroizing::new(Vec::with_capacity(128)),
        };
        // Contexts are constants of the code, all far shorter than 256 bytes.
        writer.u8(u8::try_from(context.len()).unwrap_or(u8::MAX));
        writer.fixed(context.as_bytes());
        writer
    }

    /// Makes room for so many more bytes at once, which saves a long message from being moved as
    /// it grows.
    pub fn reserve(&mut self, bytes: usize) -> &mut Self {
        let length = self.bytes.len().saturating_add(bytes);
        if length > self.bytes.capacity() {
            // A `Vec` that grows by itself frees its old memory as it is.
            let mut grown = Vec::with_capacity(length);
            grown.extend_from_slice(&self.bytes);
            self.bytes = Zeroizing::new(grown);
        }
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.fixed(&[value])
    }

    /// Appends a 16-bit integer.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends a 32-bit integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends a 64-bit integer.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Appends bytes whose number the kind of message fixes.
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.reserve(bytes.len().max(self.bytes.capacity()));
        }
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends a 32-bit length and the bytes.
    ///
    /// # Panics
    ///
    /// On more than 4 GiB, which no message of ours reaches.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        assert!(
            u32::try_from(bytes.len()).is_ok(),
            "a field of more than 4 GiB"
        );
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        self.u32(bytes.len() as u32).fixed(bytes)
    }

    /// The message, which is the caller's to wipe where it is secret.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer(<{} bytes>)", self.bytes.len())
    }
}

/// Reads one message; every length is checked before anything is allocated or copied.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// What is wrong with an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Another kind or version of message.
    Context,
    /// The message ends before its end.
    Truncated,
    /// A length or count above its limit.
    TooLong,
    /// Bytes behind the end.
    Trailing,
    /// A field out of its range or not in its canonical form.
    Field,
}

impl<'a> Reader<'a> {
    /// Begins to read a message of the kind that `context` names.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Context`] where it is of another kind.
    pub fn new(context: &'static str, message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader { rest: message };
        let found = reader.u8().and_then(|length| reader.take(length.into()));
        if found == Ok(context.as_bytes()) {
            Ok(reader)
        } else {
            Err(DecodeError::Context)
        }
    }

    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] at the end of the message, as in every method here.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.fixed().map(u8::from_be_bytes)
    }

    /// Reads a 16-bit integer.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Reads a 32-bit integer.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Reads a 64-bit integer.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// Reads bytes whose number the kind of message fixes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated)
    }

    /// Reads a 32-bit length, at most `limit`, and so many bytes, borrowed from the message.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] above the limit, [`DecodeError::Truncated`].
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.u32()?).map_err(|_| DecodeError::TooLong)?;
        if length > limit {
            Err(DecodeError::TooLong)
        } else {
            self.take(length)
        }
    }

    /// Reads a 32-bit count, at most `limit`, of items of `width` bytes each, all of which the
    /// message still holds.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] above the limit, [`DecodeError::Truncated`] where fewer are left.
    pub fn items(&mut self, limit: usize, width: usize) -> Result<&'a [u8], DecodeError> {
        let count = usize::try_from(self.u32()?).map_err(|_| DecodeError::TooLong)?;
        if count > limit {
            return Err(DecodeError::TooLong);
        }
        self.take(count.checked_mul(width).ok_or(DecodeError::TooLong)?)
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Trailing`] where bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Context => "another kind or version of message",
            Self::Truncated => "the message ends before its end",
            Self::TooLong => "a length or count above its limit",
            Self::Trailing => "bytes behind the end of the message",
            Self::Field => "a field out of its range",
        })
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_does_not_print_what_it_holds() {
        let mut writer = Writer::new("context");
        writer.fixed(b"secret");
        assert_eq!(format!("{writer:?}"), "Writer(<14 bytes>)");
    }

    #[test]
    fn a_message_is_the_same_however_it_grew() {
        let long: Vec<u8> = (0..10_000_u16).map(|i| i.to_be_bytes()[1]).collect();
        let mut whole = Writer::new("context");
        let mut grown = Writer::new("context");
        whole.reserve(long.len()).fixed(&long);
        long.chunks(7).for_each(|part| {
            grown.fixed(part);
        });
        let message = whole.finish();
        assert_eq!(message, grown.finish());
        assert_eq!(message.get(8..), Some(long.as_slice()));
    }
}
