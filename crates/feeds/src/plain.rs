//! Plain lists: one value a line.
//!
//! Lines that begin with `#`, `;` or `//` are comments, and so is what follows white space and
//! `#`. What follows a tab, a comma, a semicolon or white space is not part of the value, except
//! where such a character belongs into the value: see [`ends_at`]. A small integer behind tab or
//! white space is the number of reports. Of a line of a hosts file, `0.0.0.0 evil.com`, the value
//! is the name.

use blindmatch_indicator::{IndicatorType, LabelFields};

use crate::error::{FeedError, Reached};
use crate::lines::{LONGEST_LINE, Line, Lines};
use crate::options::Options;
use crate::output::Output;
use crate::refang::refang_into;
use crate::row::{Claim, Place, Row, Value};
use crate::source::Source;

pub(crate) fn read(
    source: Source<'_>,
    options: &Options,
    out: &mut Output<'_>,
) -> Result<Reached, FeedError> {
    let indicator_type = options.indicator_type;
    let claim = indicator_type.map_or(Claim::Untyped, Claim::Typed);
    let mut refanged = String::new();
    Lines::new(source, LONGEST_LINE).each(|Line { number, text }| {
        let place = Place::Line(number);
        let text = match text {
            Ok(text) => text.trim_ascii(),
            Err((fault, shown)) => return out.fault(place, fault, shown),
        };
        let Some(entry) = Entry::of(text, indicator_type) else {
            return;
        };
        let is_refanged = entry.may_be_defanged && refang_into(entry.value, &mut refanged);
        out.row(&Row {
            values: &[Value {
                place,
                text: if is_refanged { &refanged } else { entry.value },
                claim,
                refanged: is_refanged,
            }],
            reference: None,
            label: LabelFields {
                count: entry.count,
                ..LabelFields::default()
            },
        });
    })
}

/// What one line of a list says.
struct Entry<'a> {
    value: &'a str,
    /// How many reports, 0 for not said.
    count: u16,
    may_be_defanged: bool,
}

const SPACE: u8 = 1;
const SEPARATOR: u8 = 2;
const BRACKET: u8 = 4;

/// Whether a byte may make a line more than its value.
const fn class(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' => SPACE,
        b',' | b';' => SEPARATOR,
        b'[' | b'(' | b'{' => BRACKET,
        _ => 0,
    }
}

impl<'a> Entry<'a> {
    /// Reads a trimmed line; nothing for a blank one or a comment.
    fn of(text: &'a str, indicator_type: Option<IndicatorType>) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        if matches!(first, b'#' | b';') || text.starts_with("//") {
            return None;
        }
        // One pass over most lines finds that they are nothing but a value.
        let classes = text.bytes().fold(0, |seen, byte| seen | class(byte));
        let (value, count) = if classes & (SPACE | SEPARATOR) == 0 {
            (text, 0)
        } else {
            split(text, indicator_type)
        };
        Some(Self {
            value,
            count,
            may_be_defanged: classes & BRACKET != 0 || matches!(first, b'h' | b'H' | b'f' | b'F'),
        })
    }
}

/// The value and the number of reports of a line with more than a value on it.
fn split(text: &str, indicator_type: Option<IndicatorType>) -> (&str, u16) {
    let text = without_comment(text);
    let end = ends_at(text, indicator_type).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if matches!(value, "0.0.0.0" | "127.0.0.1" | "::1" | "::") {
        // A hosts file: where the name is sent is not the indicator.
        let name = rest.split_ascii_whitespace().next().unwrap_or_default();
        if name.contains(|c: char| c.is_alphabetic()) {
            return (name, 0);
        }
    }
    let count = if rest.starts_with([',', ';']) {
        // `8.8.8.8,443` is a port as often as a count.
        0
    } else {
        let mut fields = rest.split([' ', '\t', ',', ';']).filter(|f| !f.is_empty());
        fields.next().map_or(0, small_integer)
    };
    (value, count)
}

fn without_comment(text: &str) -> &str {
    let mark = memchr::memchr_iter(b'#', text.as_bytes()).find(|&at| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        matches!(before, Some(b' ' | b'\t'))
    });
    mark.and_then(|at| text.get(..at))
        .map_or(text, str::trim_ascii_end)
}

/// Where the value ends, if something follows it.
///
/// A tab always ends it. Types that are written in groups (and SSH keys, whose comment stands
/// behind white space) keep their spaces, and URLs their commas; without a type the first word
/// must look as if it were a whole value.
fn ends_at(text: &str, indicator_type: Option<IndicatorType>) -> Option<usize> {
    use IndicatorType::{Account, CardWeak, Iban, Lei, Pan, Phone, SshKey};
    let tab = text.find('\t');
    let text = tab.map_or(text, |at| text.get(..at).unwrap_or(text));
    let is_separator = |at: usize| matches!(text.as_bytes().get(at), Some(b',' | b';'));
    let is_last_of_word = |at: usize| {
        let next = text.as_bytes().get(at + 1);
        matches!(next, None | Some(b' '))
    };
    let mut marks = memchr::memchr3_iter(b' ', b',', b';', text.as_bytes());
    let keeps_spaces = match indicator_type {
        Some(Account | CardWeak | Iban | Lei | Pan | Phone | SshKey) => true,
        Some(_) => false,
        None => !is_whole(text.split([' ', ',', ';']).next().unwrap_or(text)),
    };
    let end = if keeps_spaces {
        marks.find(|&at| is_separator(at) && is_last_of_word(at))
    } else if text.contains("://") || text.contains("[:]") || text.contains("[://]") {
        marks.find(|&at| !is_separator(at) || is_last_of_word(at))
    } else {
        marks.next()
    };
    end.or(tab)
}

/// Whether a word looks like a value by itself, and not like the first group of one.
fn is_whole(word: &str) -> bool {
    let is_key_type = ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|key_type| word.starts_with(key_type));
    let digits = word.strip_prefix("AS").or_else(|| word.strip_prefix("as"));
    let is_asn = digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    !word.starts_with('+')
        && !is_key_type
        && (word.contains(['.', ':', '@', '[']) || word.len() >= 15 || is_asn)
}

fn small_integer(text: &str) -> u16 {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().unwrap_or(0)
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
