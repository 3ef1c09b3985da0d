//! `card_weak`: what is left of a card in most systems (`spec/10-indicators.md` §4.12).
//!
//! Canonical bytes: seven, packed decimal: six digits of the BIN, the last four digits, the
//! expiry as YYMM (the order of ISO/IEC 7813). Only the first six digits of a BIN count: one
//! member stores six and the other eight, and the two must match. A full PAN does not pass.

use zeroize::Zeroizing;

use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// No scheme issues shorter PANs, so as many visible digits may be one.
const SHORTEST_PAN: usize = 12;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let (card, expiry) = text
        .rsplit_once(|c: char| c.is_ascii_whitespace())
        .unwrap_or((text, ""));
    let card = card_digits(card.trim_ascii_end())?;
    let expiry = expiry_digits(expiry)?;
    let mut packed = Zeroizing::new([0; 7]);
    let pairs = card.chunks(2).chain(expiry.chunks(2));
    for (byte, pair) in packed.iter_mut().zip(pairs) {
        *byte = pair
            .iter()
            .fold(0, |high, digit| high << 4 | (digit - b'0'));
    }
    Ok(CanonicalBytes::new(&*packed))
}

/// Six digits of the BIN and the last four, from `BIN6*ENDING` or `BIN8*ENDING`. Nothing passes
/// without a mask, so that no grouping of a PAN's own digits can.
fn card_digits(card: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let refusal = match card.bytes().filter(u8::is_ascii_digit).count() {
        SHORTEST_PAN.. => Refusal::FullPan,
        _ => Refusal::NotAWeakCard,
    };
    let (bin, rest) = card.split_once(is_mask).ok_or(refusal)?;
    let ending = rest.trim_start_matches(|c| is_mask(c) || is_separator(c));
    let (bin, ending) = digits(bin).zip(digits(ending)).ok_or(refusal)?;
    match (bin.get(..6), bin.len(), ending.len()) {
        (Some(six), 6 | 8, 4) => Ok(Zeroizing::new([six, &ending].concat())),
        _ => Err(refusal),
    }
}

fn is_mask(c: char) -> bool {
    matches!(c, '*' | 'x' | 'X' | '•')
}

fn is_separator(c: char) -> bool {
    c == '-' || c.is_ascii_whitespace()
}

/// The ASCII digits of `text`, separators left out; nothing where it holds anything else.
fn digits(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for c in text.chars().filter(|&c| !is_separator(c)) {
        digits.push(u8::try_from(c).ok().filter(u8::is_ascii_digit)?);
    }
    Some(digits)
}

/// YYMM of `MM/YY`, `MM/YYYY` or `YYYY-MM` in the years 2000 to 2099.
fn expiry_digits(text: &str) -> Result<[u8; 4], Refusal> {
    match text.as_bytes() {
        &[m, n, b'/', y, z] | &[m, n, b'/', b'2', b'0', y, z] | &[b'2', b'0', y, z, b'-', m, n]
            if y.is_ascii_digit()
                && z.is_ascii_digit()
                && matches!([m, n], [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2']) =>
        {
            Ok([y, z, m, n])
        }
        _ => Err(Refusal::MalformedExpiry),
    }
}

/// `BIN6*ENDING YYYY-MM`.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let &[a, b, c, d, e, year, month] = bytes else {
        return None;
    };
    Some(format!(
        "{a:02x}{b:02x}{c:02x}*{d:02x}{e:02x} 20{year:02x}-{month:02x}"
    ))
}
