//! The tags of F9: a strictly ascending list of 128-bit numbers, each coded as what is left out
//! before it (Rice), in as many bytes as the class can need. `spec/33-vole.md` §13.3.
//!
//! Tags are public once they are sent, so nothing here is constant-time or wiped.

use std::fmt;

/// How the tags of a class are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagCode {
    /// n, the tags of a list.
    count: u32,
}

/// What is wrong with a list of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagError {
    /// More or fewer tags than the class has.
    Count,
    /// A tag that is not above the one before it.
    Order,
    /// A number beyond 128 bits.
    Range,
    /// The list ends within a tag.
    Truncated,
    /// Ones behind the last tag, or bytes beyond the class's.
    Padding,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "not as many tags as the class has",
            Self::Order => "tags do not ascend",
            Self::Range => "a tag beyond 128 bits",
            Self::Truncated => "the tags end within one",
            Self::Padding => "something stands behind the tags",
        })
    }
}

impl std::error::Error for TagError {}

impl TagCode {
    /// The code of lists of `count` tags, of which there is at least one.
    pub const fn new(count: u32) -> Option<Self> {
        if count == 0 {
            None
        } else {
            Some(Self { count })
        }
    }

    /// n, the tags of a list.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// k = 127 − ⌊log2 n⌋, the bits of a remainder.
    pub const fn remainder_bits(&self) -> u32 {
        127 - self.count.ilog2()
    }

    /// Bytes that n ascending 128-bit tags never exceed: n(k+1) bits of remainders and stops, and
    /// 2^(128−k) ones, since the quotients add up to at most that.
    pub const fn bytes(&self) -> usize {
        let k = self.remainder_bits();
        (self.count as usize * (k as usize + 1) + (1 << (128 - k))).div_ceil(8)
    }
}

/// Writes a list, tag by tag.
pub struct TagWriter {
    code: TagCode,
    bits: Bits,
    /// The least that the next tag may be; `None` behind the largest of all.
    least: Option<u128>,
    written: u32,
    /// Bytes that were taken out.
    taken: usize,
}

impl TagWriter {
    /// Begins a list.
    pub const fn new(code: TagCode) -> Self {
        Self {
            code,
            bits: Bits::new(),
            least: Some(0),
            written: 0,
            taken: 0,
        }
    }

    /// Appends a tag.
    ///
    /// # Errors
    /// [`TagError::Order`], [`TagError::Count`].
    pub fn push(&mut self, tag: u128) -> Result<(), TagError> {
        if self.written == self.code.count {
            return Err(TagError::Count);
        }
        let gap = self
            .least
            .and_then(|least| tag.checked_sub(least))
            .ok_or(TagError::Order)?;
        let k = self.code.remainder_bits();
        // At most 2n of them in all tags together.
        let mut quotient = gap >> k;
        while quotient >= 32 {
            self.bits.put(u128::from(u32::MAX), 32);
            quotient -= 32;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 32")]
        self.bits.put((1 << quotient) - 1, quotient as u32 + 1);
        self.bits.put(gap & ((1 << k) - 1), k);
        self.least = tag.checked_add(1);
        self.written += 1;
        Ok(())
    }

    /// The whole bytes that were written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.bits.bytes);
        self.taken += bytes.len();
        bytes
    }

    /// What is left to take, and zeros up to the bound.
    ///
    /// # Errors
    /// [`TagError::Count`] where tags are missing.
    pub fn finish(mut self) -> Result<Vec<u8>, TagError> {
        if self.written != self.code.count {
            return Err(TagError::Count);
        }
        self.bits.put(0, 7);
        let rest = self.code.bytes() - self.taken;
        let mut bytes = self.bits.bytes;
        bytes.resize(rest, 0);
        Ok(bytes)
    }
}

/// Reads a list from its bytes as they arrive.
pub struct TagReader {
    code: TagCode,
    bits: u128,
    /// How many of them count.
    held: u32,
    quotient: u128,
    /// Whether the quotient of the next tag is read.
    stopped: bool,
    remainder: u128,
    remainder_held: u32,
    least: Option<u128>,
    read: u32,
    /// Bytes of the list that have not arrived.
    missing: usize,
}

impl TagReader {
    /// Begins a list.
    pub const fn new(code: TagCode) -> Self {
        Self {
            code,
            bits: 0,
            held: 0,
            quotient: 0,
            stopped: false,
            remainder: 0,
            remainder_held: 0,
            least: Some(0),
            read: 0,
            missing: code.bytes(),
        }
    }

    /// How many bytes have not been fed.
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// Takes the next bytes and hands out each tag that they complete, in order.
    ///
    /// # Errors
    /// Any [`TagError`] but `Count`. After one the list is over.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(u128)) -> Result<(), TagError> {
        self.missing = self
            .missing
            .checked_sub(bytes.len())
            .ok_or(TagError::Padding)?;
        let mut bytes = bytes.iter();
        loop {
            self.refill(&mut bytes);
            if self.read == self.code.count {
                if self.bits != 0 || bytes.any(|&byte| byte != 0) {
                    return Err(TagError::Padding);
                }
                self.held = 0;
                return Ok(());
            }
            match self.step()? {
                Some(tag) => each(tag),
                // As many bits as there are do not make a tag.
                None if bytes.len() == 0 => break,
                None => {}
            }
        }
        if self.missing == 0 {
            return Err(TagError::Truncated);
        }
        Ok(())
    }

    /// Fills the register with whole bytes.
    fn refill(&mut self, bytes: &mut std::slice::Iter<'_, u8>) {
        while self.held <= 120
            && let Some(&byte) = bytes.next()
        {
            self.bits |= u128::from(byte) << self.held;
            self.held += 8;
        }
    }

    /// The next tag, if the bits that are held complete it; otherwise it uses them all up.
    fn step(&mut self) -> Result<Option<u128>, TagError> {
        let k = self.code.remainder_bits();
        if !self.stopped {
            let ones = self.bits.trailing_ones().min(self.held);
            self.quotient += u128::from(ones);
            self.drop_bits(ones);
            if self.quotient > u128::MAX >> k {
                return Err(TagError::Range);
            }
            if self.held == 0 {
                return Ok(None);
            }
            self.drop_bits(1);
            self.stopped = true;
        }
        let taken = self.held.min(k - self.remainder_held);
        let bits = self.bits & ((1 << taken) - 1);
        self.remainder |= bits << self.remainder_held;
        self.remainder_held += taken;
        self.drop_bits(taken);
        if self.remainder_held < k {
            return Ok(None);
        }
        let gap = self.quotient << k | self.remainder;
        let tag = self
            .least
            .and_then(|least| least.checked_add(gap))
            .ok_or(TagError::Range)?;
        self.least = tag.checked_add(1);
        (self.quotient, self.stopped) = (0, false);
        (self.remainder, self.remainder_held) = (0, 0);
        self.read += 1;
        Ok(Some(tag))
    }

    const fn drop_bits(&mut self, bits: u32) {
        self.bits = match self.bits.checked_shr(bits) {
            Some(rest) => rest,
            None => 0,
        };
        self.held -= bits;
    }
}

/// Bits from the least significant of each byte on.
struct Bits {
    bytes: Vec<u8>,
    /// The bits of the byte that is not full.
    partial: u64,
    held: u32,
}

impl Bits {
    const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            partial: 0,
            held: 0,
        }
    }

    /// Appends the lowest `count` bits of `value`, above which there are none.
    #[expect(clippy::cast_possible_truncation, reason = "takes words and bytes")]
    fn put(&mut self, mut value: u128, mut count: u32) {
        while count > 0 {
            let bits = count.min(32);
            self.partial |= u64::from(value as u32) << self.held;
            self.held += bits;
            while self.held >= 8 {
                self.bytes.push(self.partial as u8);
                self.partial >>= 8;
                self.held -= 8;
            }
            value >>= 32;
            count -= bits;
        }
    }
}

#[cfg(test)]
mod tests;
