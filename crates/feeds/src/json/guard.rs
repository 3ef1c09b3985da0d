//! Bounds on a JSON document, kept byte by byte.

use std::io::{self, Read};

use crate::error::JsonFault;

/// Deepest nesting.
const DEEPEST: u32 = 128;
/// Longest string in bytes, as it is written: MISP events carry files in base64.
const LONGEST_STRING: u32 = 32 << 20;

/// A reader that fails where the document goes beyond the bounds, and knows how far it came.
pub(super) struct Guard<R> {
    input: R,
    /// What failed.
    pub(super) fault: Option<JsonFault>,
    /// Bytes read.
    pub(super) bytes: u64,
    /// The line of the last byte read, counted from 1.
    pub(super) line: u64,
    /// Its column in bytes, counted from 1.
    pub(super) column: u64,
    depth: u32,
    /// Inside a string: its length so far.
    string: Option<u32>,
    is_escaped: bool,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            fault: None,
            bytes: 0,
            line: 1,
            column: 0,
            depth: 0,
            string: None,
            is_escaped: false,
        }
    }

    fn pass(&mut self, byte: u8) -> Result<(), JsonFault> {
        self.bytes += 1;
        self.column += 1;
        if let Some(length) = &mut self.string {
            *length += 1;
            if *length > LONGEST_STRING {
                return Err(JsonFault::StringTooLong);
            }
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.string = None,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.string = Some(0),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b'\n' => {
                self.line += 1;
                self.column = 0;
            }
            _ => {}
        }
        if self.depth > DEEPEST {
            Err(JsonFault::TooDeep)
        } else {
            Ok(())
        }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        for &byte in buffer.get(..read).unwrap_or_default() {
            if let Err(fault) = self.pass(byte) {
                self.fault = Some(fault);
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(read)
    }
}
