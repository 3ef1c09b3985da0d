//! What tests of the whole have in common.

#![forbid(unsafe_code)]

use std::env;
use std::path::{Path, PathBuf};

/// The root of the checkout.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// The folder with real abuse feeds: the one that `BLINDMATCH_REAL_FEEDS` names, else
/// `shared/feeds` beside the checkout, where there is one. They are others' data and no part of the
/// project: without them, the tests on them are reported as ignored.
#[must_use]
pub fn real_feeds() -> Option<PathBuf> {
    let folder = match env::var_os("BLINDMATCH_REAL_FEEDS") {
        Some(named) => named.into(),
        None => root().parent()?.join("shared/feeds"),
    };
    folder.is_dir().then_some(folder)
}
