//! Which format a feed is in, by its first 64 KiB.

mod outline;

use blindmatch_indicator::Canonicaliser;

use crate::error::FeedError;
use crate::options::{Format, Options};
use crate::source::Source;
use crate::table::{Judge, Sample};

use outline::Outline;

/// The format that the options name, or else the one that the feed shows.
pub(crate) fn format(
    source: &Source<'_>,
    options: &Options,
    canonicaliser: &Canonicaliser,
) -> Result<Format, FeedError> {
    let judge = Judge {
        options,
        canonicaliser,
    };
    let format = match options.format {
        Some(format) => format,
        None => sniff(source.head(), source.head_is_whole(), judge)
            .map_err(|error| source.held_error().unwrap_or(error))?,
    };
    let has_columns = matches!(format, Format::Csv | Format::Tsv | Format::Jsonl);
    if options.columns().next().is_some() && !has_columns {
        return Err(FeedError::NoColumns(format));
    }
    Ok(format)
}

fn sniff(head: &[u8], whole: bool, judge: Judge<'_>) -> Result<Format, FeedError> {
    match Outline::of(head) {
        Some(outline) => json(&outline, head, whole),
        None => Ok(text(head, whole, judge)),
    }
}

fn json(outline: &Outline, head: &[u8], whole: bool) -> Result<Format, FeedError> {
    let has = |key: &str| outline.keys.iter().any(|k| k == key);
    let behind = outline.end.and_then(|end| head.get(end..));
    let is_one_line = outline.end.is_some_and(|end| {
        let object = head.get(..end).unwrap_or_default();
        memchr::memchr(b'\n', object.trim_ascii_start()).is_none()
    });
    let goes_on = behind.is_some_and(|behind| behind.trim_ascii_start().starts_with(b"{"));
    // The next line may be broken, which is a fault of that line alone.
    let has_lines = behind
        .and_then(|behind| behind.split_at_checked(memchr::memchr(b'\n', behind)?))
        .is_some_and(|(rest, lines)| {
            rest.trim_ascii().is_empty() && !lines.trim_ascii().is_empty()
        });
    let is_last = behind.is_some_and(|behind| whole && behind.trim_ascii().is_empty());
    if is_one_line && goes_on && !outline.is_array {
        Ok(Format::Jsonl)
    } else if has("Event") || has("response") || has("Attribute") {
        Ok(Format::Misp)
    } else if outline.is_array {
        Err(FeedError::UnknownJson)
    } else if outline.root_type.as_deref() == Some("bundle") || has("objects") {
        Ok(Format::Stix)
    } else if outline.keys.first().is_some_and(|key| is_uuid(key)) {
        Err(FeedError::ManifestAlone)
    } else if is_one_line && !outline.is_array && (has_lines || is_last) {
        Ok(Format::Jsonl)
    } else {
        Err(FeedError::UnknownJson)
    }
}

/// A table if its rows are split alike and more than a value and a number, else a list.
fn text(head: &[u8], whole: bool, judge: Judge<'_>) -> Format {
    let table = |sample: &Sample| match sample.delimiter {
        '\t' => Format::Tsv,
        _ => Format::Csv,
    };
    let wants_columns = judge.options.columns().next().is_some();
    if let Some(sample) = Sample::regular(head, whole, &['\t', ',', ';', '|'], judge) {
        let has_more = |(_, cells): &(u64, Vec<String>)| {
            let is_count = |cell: &String| cell.bytes().all(|b| b.is_ascii_digit());
            cells.len() > 2 || !cells.get(1).is_none_or(is_count)
        };
        if wants_columns || sample.header.is_some() || sample.rows.iter().any(has_more) {
            return table(&sample);
        }
    }
    // One column with a usual name above it, which no delimiter shows.
    let has_header = Sample::of(head, whole, ',', judge)
        .header
        .is_some_and(|h| h.cells.len() == 1);
    if wants_columns || has_header {
        Format::Csv
    } else {
        Format::Plain
    }
}

/// Whether `text` is a UUID as MISP names its events (RFC 9562 §4).
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
