//! Reading and writing flights. Lengths are checked before anything is read.

use crate::Gf128;

/// A message from the peer.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The message, if it is exactly as long as it must be.
    pub(crate) fn new(message: &'a [u8], length: usize) -> Option<Self> {
        (message.len() == length).then_some(Self(message))
    }

    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    pub(crate) fn block(&mut self) -> Option<Gf128> {
        self.bytes().map(Gf128::from_bytes)
    }

    pub(crate) fn blocks(&mut self, count: usize) -> Option<Vec<Gf128>> {
        let blocks = self.slice(16 * count)?.as_chunks().0.iter();
        Some(blocks.map(|&block| Gf128::from_bytes(block)).collect())
    }

    /// Bits in words of 128, of which `bits` count; what pads the last byte is dropped.
    pub(crate) fn bits(&mut self, bits: usize) -> Option<Vec<u128>> {
        let chunks = self.slice(bits.div_ceil(8))?.chunks(16);
        let mut words: Vec<_> = chunks
            .map(|chunk| {
                let mut word = [0; 16];
                word.iter_mut()
                    .zip(chunk)
                    .for_each(|(word, &byte)| *word = byte);
                u128::from_le_bytes(word)
            })
            .collect();
        clear_padding(&mut words, bits);
        Some(words)
    }
}

/// Appends `bits` bits, the last byte padded with zeros.
pub(crate) fn put_bits(out: &mut Vec<u8>, words: &[u128], bits: usize) {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    out.extend(bytes.take(bits.div_ceil(8)));
}

/// Sets to zero what a bit string of `bits` does not use of its last word.
pub(crate) fn clear_padding(words: &mut [u128], bits: usize) {
    if let (Some(last), used @ 1..) = (words.get_mut(bits / 128), bits % 128) {
        *last &= (1 << used) - 1;
    }
}

/// Bit `at` of a string of words; zero past its end.
pub(crate) fn bit(words: &[u128], at: usize) -> u8 {
    words
        .get(at / 128)
        .map_or(0, |word| ((word >> (at % 128)) & 1) as u8)
}
