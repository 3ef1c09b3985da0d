//! Bit strings, the most significant bit of a byte first.

use super::error::FileError;

/// Appends numbers to a byte string bit by bit.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Fewer than 64 bits that are not written yet, at the low end.
    held: u128,
    count: u32,
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
}

impl BitWriter {
    /// One with room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Appends the lowest `width` bits of a number, at most 128.
    pub(super) fn write(&mut self, value: u128, width: u32) {
        let low = width.min(64);
        self.write_chunk(value >> low, width - low);
        self.write_chunk(value, low);
    }

    /// Appends `ones` one bits and a zero.
    pub(super) fn write_unary(&mut self, mut ones: u64) {
        while ones >= 32 {
            self.write_chunk(u128::MAX, 32);
            ones -= 32;
        }
        // ones < 32: that many ones and the zero.
        self.write_chunk(((1 << ones) - 1) << 1, u32::try_from(ones).unwrap_or(0) + 1);
    }

    /// The bytes, the last one filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let [_, _, _, _, _, _, _, _, last @ ..] = (self.held << (64 - self.count)).to_be_bytes();
        let bytes = self.count.div_ceil(8);
        self.bytes
            .extend(last.into_iter().zip(0..bytes).map(|(byte, _)| byte));
        self.bytes
    }

    /// Appends the lowest `width` bits of a number, at most 64.
    fn write_chunk(&mut self, value: u128, width: u32) {
        // At most 63 + 64 bits are held.
        self.held = self.held << width | (value & ((1 << width) - 1));
        self.count += width;
        if self.count >= 64 {
            self.count -= 64;
            let [_, _, _, _, _, _, _, _, full @ ..] = (self.held >> self.count).to_be_bytes();
            self.bytes.extend_from_slice(&full);
            self.held &= (1 << self.count) - 1;
        }
    }
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads one bits up to a zero, and behind it a number of `width` bits: nothing where that is more
    /// than one glance shows, or the end is near.
    pub(super) fn glance(&mut self, width: u32) -> Option<(u32, u128)> {
        let wide = self.bytes.get(self.at / 8..)?.first_chunk()?;
        // At least 121 bits of what follows, and zeros.
        let window = u128::from_be_bytes(*wide) << (self.at % 8);
        let ones = window.leading_ones();
        let length = ones + 1 + width;
        if length > 121 || width == 0 {
            return None;
        }
        self.at += length as usize;
        Some((ones, window << (ones + 1) >> (128 - width)))
    }

    /// Reads a number of `width` bits, at most 128.
    pub(super) fn read(&mut self, width: u32) -> Result<u128, FileError> {
        let mut value = 0;
        let mut left = width;
        while left > 0 {
            let chunk = left.min(32);
            left -= chunk;
            value = value << chunk | u128::from(self.window()? >> (64 - chunk));
            self.advance(chunk)?;
        }
        Ok(value)
    }

    /// Reads one bits up to a zero; the number of ones.
    pub(super) fn read_unary(&mut self) -> Result<u64, FileError> {
        let mut total = 0;
        loop {
            // A window holds 57 bits at least, and zeros beyond the end.
            let ones = self.window()?.leading_ones().min(56);
            total += u64::from(ones);
            if ones < 56 {
                self.advance(ones + 1)?;
                return Ok(total);
            }
            self.advance(ones)?;
        }
    }

    /// Goes on to the next whole byte; the bits in between must be zero. The bytes read so far.
    pub(super) fn align(&mut self) -> Result<usize, FileError> {
        let fill = (8 - self.at % 8) % 8;
        #[expect(clippy::cast_possible_truncation, reason = "below 8")]
        if self.read(fill as u32)? != 0 {
            return Err(FileError::Padding);
        }
        Ok(self.at / 8)
    }

    /// The next bits at the high end, at least 57 of them; zeros beyond the end.
    fn window(&self) -> Result<u64, FileError> {
        let rest = self.bytes.get(self.at / 8..).ok_or(FileError::Code)?;
        let eight = match rest.first_chunk() {
            Some(eight) => *eight,
            None => {
                let mut eight = [0; 8];
                for (to, from) in eight.iter_mut().zip(rest) {
                    *to = *from;
                }
                eight
            }
        };
        Ok(u64::from_be_bytes(eight) << (self.at % 8))
    }

    fn advance(&mut self, bits: u32) -> Result<(), FileError> {
        self.at += bits as usize;
        if self.at > self.bytes.len() * 8 {
            Err(FileError::Code)
        } else {
            Ok(())
        }
    }
}
