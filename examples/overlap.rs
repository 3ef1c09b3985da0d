//! The overlap of two feeds, in the clear: what the protocols compute without showing the rest.
//!
//! ```sh
//! cargo run -p blindmatch-examples --bin overlap -- LIST A B
//! ```
//!
//! LIST is the public suffix list in `spec/tables`; A and B are feeds of any format.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::env;
use std::fs::{self, File};

use anyhow::{Context, bail};
use blindmatch_feeds::{Canonical, Options, Row, canonical, read};
use blindmatch_indicator::{Canonicaliser, Indicator, PublicSuffixes};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [list, a, b] = arguments.as_slice() else {
        bail!("usage: overlap PUBLIC_SUFFIX_LIST FEED FEED");
    };
    let list = fs::read_to_string(list).with_context(|| format!("cannot read {list}"))?;
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(&list)?);
    let (a, b) = (
        indicators(a, &canonicaliser)?,
        indicators(b, &canonicaliser)?,
    );
    println!(
        "{} and {} indicators, {} in common",
        a.len(),
        b.len(),
        a.intersection(&b).count()
    );
    Ok(())
}

fn indicators(path: &str, canonicaliser: &Canonicaliser) -> anyhow::Result<HashSet<Indicator>> {
    let mut set = HashSet::new();
    let mut sink =
        |row: &Row<'_>| {
            set.extend(row.values.iter().filter_map(|value| {
                match canonical(canonicaliser, value) {
                    Canonical::Indicator(indicator) => Some(indicator),
                    Canonical::NotMatchable(_) | Canonical::Refused { .. } => None,
                }
            }));
        };
    let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
    read(file, &Options::default(), canonicaliser, &mut sink).with_context(|| path.to_owned())?;
    Ok(set)
}
