//! MISP feed folders: `manifest.json` names the events, each in `UUID.json` (MISP feed format).

use std::io::{self, Read};

use serde::de::{IgnoredAny, MapAccess};
use sha2::{Digest, Sha256};

use super::read_file;
use crate::error::{FeedError, Reached};
use crate::json::{Node, Pick, Seed, read_document};
use crate::output::Output;
use crate::sniff::is_uuid;
use crate::source::{Source, unreadable};

const MANIFEST: &str = "manifest.json";

/// Most events of a feed.
const MOST_EVENTS: usize = 1 << 20;

/// Opens a file of the folder by its name.
type Open<'o> = dyn FnMut(&str) -> io::Result<Box<dyn Read>> + 'o;

pub(crate) fn read_folder(open: &mut Open<'_>, out: &mut Output<'_>) -> Result<Reached, FeedError> {
    let mut total = Reached::default();
    let events = open_file(open, MANIFEST)
        .and_then(|manifest| events(Source::open(manifest)?))
        .map_err(|error| in_file(MANIFEST, error, out))?;
    for event in events {
        let file = format!("{}.json", event.uuid);
        let reached = read_event(open, &file, event.sha256, out)
            .map_err(|error| in_file(&file, error, out))?;
        total.bytes += reached.bytes;
    }
    Ok(total)
}

fn in_file(file: &str, error: FeedError, out: &Output<'_>) -> FeedError {
    FeedError::InFile {
        file: file.to_owned(),
        error: Box::new(error.after(out.rows())),
    }
}

fn open_file(open: &mut Open<'_>, file: &str) -> Result<Box<dyn Read>, FeedError> {
    open(file).map_err(|error| unreadable(error.kind(), None, Reached::default()))
}

/// Reads an event file to its end, and compares its hash where the manifest gives one.
fn read_event(
    open: &mut Open<'_>,
    file: &str,
    sha256: Option<[u8; 32]>,
    out: &mut Output<'_>,
) -> Result<Reached, FeedError> {
    let mut hashing = Hashing {
        input: open_file(open, file)?,
        hash: Sha256::new(),
    };
    let reached = read_file(Source::open(&mut hashing)?, Some(file), out)?;
    if let Err(error) = io::copy(&mut hashing, &mut io::sink()) {
        return Err(unreadable(error.kind(), None, reached));
    }
    let found: [u8; 32] = hashing.hash.finalize().into();
    match sha256 {
        Some(expected) if expected != found => Err(FeedError::Integrity),
        _ => Ok(reached),
    }
}

/// A reader that hashes what passes.
struct Hashing {
    input: Box<dyn Read>,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// An event that the manifest names.
struct Event {
    uuid: String,
    sha256: Option<[u8; 32]>,
}

/// The events of a manifest, in its order.
fn events(manifest: Source<'_>) -> Result<Vec<Event>, FeedError> {
    let mut events = Vec::new();
    let mut bad = None;
    read_document(
        manifest,
        Manifest {
            events: &mut events,
            bad: &mut bad,
        },
    )?;
    match bad {
        Some(entry) => Err(FeedError::BadManifestEntry { entry }),
        None => Ok(events),
    }
}

struct Manifest<'m> {
    events: &'m mut Vec<Event>,
    /// The first entry that is none, counted from 1.
    bad: &'m mut Option<u64>,
}

impl<'de> Node<'de> for Manifest<'_> {
    type Value = ();

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        const HASH: &str = "integrity:sha256";
        let mut entry = 0;
        while let Some(uuid) = entries.next_key::<String>()? {
            entry += 1;
            if !is_uuid(&uuid) || self.events.len() == MOST_EVENTS {
                self.bad.get_or_insert(entry);
            }
            if self.bad.is_some() {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let fields = entries.next_value_seed(Seed(Pick(&[HASH])))?;
            let sha256 = fields.text(HASH).filter(|hash| !hash.is_empty());
            match sha256.map(unhex) {
                Some(None) => *self.bad = Some(entry),
                hash => self.events.push(Event {
                    uuid,
                    sha256: hash.flatten(),
                }),
            }
        }
        Ok(())
    }
}

/// 32 bytes in hexadecimal.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
