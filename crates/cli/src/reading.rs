//! How a feed is read, from what the command line says.

use std::path::PathBuf;

use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType};

use crate::args::indicators::Reading;
use crate::command_line::CommandLine;
use crate::error::Error;
use crate::tables;

/// The canonicaliser that was asked for, without a payment key.
pub(crate) fn canonicaliser(reading: &Reading) -> Result<Canonicaliser, Error> {
    let suffixes = tables::public_suffixes(reading.tables.as_deref())?;
    let mut canonicaliser = Canonicaliser::new(suffixes);
    if let Some(region) = reading.default_region {
        canonicaliser = canonicaliser.with_default_region(region);
    }
    if let Some(platform) = reading.default_platform.clone() {
        canonicaliser = canonicaliser.with_default_platform(platform);
    }
    Ok(canonicaliser)
}

pub(crate) fn options(reading: &Reading) -> Options {
    Options {
        format: reading.format,
        indicator_type: reading.indicator_type,
        column: reading.column.clone(),
        maps: reading.maps.clone(),
        reference: reading.reference.clone(),
        seen: reading.seen.clone(),
        time_zone: reading.timezone.clone(),
        now: Some(jiff::Timestamp::now()),
    }
}

/// Nothing was of the type that was named, and the values look like another one.
pub(crate) fn wrong_type(
    line: &CommandLine,
    files: &[PathBuf],
    wanted: IndicatorType,
    found: IndicatorType,
) -> Error {
    let file = files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let type_found = format!("--type {found}");
    Error::new(format!(
        "no value is of the type {wanted}; they look like {found}"
    ))
    .hint(line.retyped(&["--type"], &type_found, &file))
    .hint("without --type, each value shows its own type by its form")
}
