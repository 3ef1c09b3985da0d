//! Bits that flip in a ledger: found, named, never served.

use std::{collections::BTreeMap, fs, path::PathBuf};

use blindmatch_audit::checkpoint::Checkpoint;
use blindmatch_store::{
    collection::{CollectionName, Collections},
    disk::Disk,
    ledger::{HEAD, Ledger, LedgerError, Log},
};
use libtest_mimic::Failed;
use rand::RngExt;

use crate::{
    harness::seeded,
    imports,
    ledger::{event, key, settings},
    open_home,
};

/// Flips so many bits, one at a time, in the segments and the checkpoint of a ledger.
pub(crate) fn ledger(flips: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let disk = Disk::new(place.path());
    let (mut ledger, _) = Ledger::create(&disk, settings())?;
    for number in 0..40 {
        // As behind a restore, with the loss that it names.
        if number == 30 {
            let lost = Checkpoint {
                size: 1_000,
                ..ledger.log().head().unverified().clone()
            };
            ledger.begin_incarnation(&[lost])?;
        }
        ledger.append((0..7).map(|nth| event(number, nth)).collect())?;
    }
    let served: Vec<_> = ledger
        .log()
        .records(0..u64::MAX)
        .collect::<Result<_, _>>()?;
    drop(ledger);

    let names = disk.list("ledger")?;
    let mut paths: Vec<_> = names.iter().map(|name| format!("ledger/{name}")).collect();
    let lengths = paths.iter().map(|path| disk.open(path)?.length());
    let lengths = lengths.collect::<Result<Vec<_>, std::io::Error>>()?;
    // Every file in proportion to its length, but of every tenth the checkpoint.
    let total: u64 = lengths.iter().sum();
    paths.sort_unstable();
    let mut named = [0; 3];
    for flip in 0..flips {
        let (path, at) = if flip % 10 == 0 {
            let length = disk.open(HEAD)?.length()?;
            (HEAD, rng.random_range(0..length))
        } else {
            let mut at = rng.random_range(0..total);
            let mut file = 0;
            while at >= lengths[file] {
                at -= lengths[file];
                file += 1;
            }
            (paths[file].as_str(), at)
        };
        let full: PathBuf = place.path().join(path);
        let whole = fs::read(&full)?;
        let mut flipped = whole.clone();
        flipped[at as usize] ^= 1 << rng.random_range(0..8);
        fs::write(&full, &flipped)?;
        let found = Log::open(&Disk::read_only(place.path()), &[key()]);
        let told = match &found {
            Err(
                error @ LedgerError::Damaged {
                    path: named,
                    offset,
                    record,
                    ..
                },
            ) => {
                // The record is the one whose bytes the flip is in.
                let begins = *offset <= at && named == path;
                let known = served.get(*record as usize).is_some();
                begins && known && error.to_string().starts_with(path)
            }
            Err(error @ LedgerError::Checkpoint(_)) => {
                path == HEAD && error.to_string().starts_with(HEAD)
            }
            _ => false,
        };
        if !told {
            let found = found.map(|(log, tail)| (log.size(), tail));
            return Err(format!("seed {seed}: byte {at} of {path}: {found:?}").into());
        }
        named[usize::from(path == HEAD)] += 1;
        if let Err(error) = Ledger::open(&disk, settings()) {
            // What refused to open was left as it was.
            named[2] += u64::from(matches!(error, LedgerError::Damaged { .. }));
            if fs::read(&full)? != flipped {
                return Err(format!("seed {seed}: {path} was changed").into());
            }
        } else {
            return Err(format!("seed {seed}: byte {at} of {path} was served").into());
        }
        fs::write(&full, whole)?;
    }
    let (log, _) = Log::open(&disk, &[key()])?;
    let again: Vec<_> = log.records(0..u64::MAX).collect::<Result<_, _>>()?;
    if again != served {
        return Err("the ledger is another".into());
    }
    println!(
        "flips: {flips}, of them {} in segments and {} in the checkpoint; all found and named, none served",
        named[0], named[1]
    );
    Ok(())
}

/// Flips so many bits, one at a time, in the sources and the list of a collection.
pub(crate) fn collection(flips: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let root = place.path().join("home");
    let home = open_home(&Disk::new(&root))?;
    let collections = Collections::open(&home)?;
    imports::fill(&collections, &mut rng)?;
    let name = "abusers".parse::<CollectionName>()?;
    let contents = collections.contents(&name)?;
    let (shown, handles) = imports::read(&collections, &contents)?;

    let paths = home.disk().list("collections/abusers")?;
    let mut named = BTreeMap::<&str, u64>::new();
    for flip in 0..flips {
        let path = &paths[flip as usize % paths.len()];
        let full = root.join("collections/abusers").join(path);
        let whole = fs::read(&full)?;
        let mut flipped = whole.clone();
        let at = rng.random_range(0..whole.len());
        flipped[at] ^= 1 << rng.random_range(0..8);
        fs::write(&full, &flipped)?;
        let mut served = BTreeMap::new();
        let error = collections
            .contents(&name)
            .and_then(|contents| imports::read_into(&collections, &contents, &mut served))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        if !error.contains(path.as_str()) {
            return Err(format!("seed {seed}: byte {at} of {path}: {error:?}").into());
        }
        // What was read before the damage was met is right.
        if !served
            .iter()
            .all(|(key, references)| shown.get(key) == Some(references))
        {
            return Err(format!("seed {seed}: byte {at} of {path} was served").into());
        }
        *named.entry(path).or_default() += 1;
        fs::write(&full, whole)?;
    }
    if imports::read(&collections, &contents)? != (shown, handles) {
        return Err("the collection is another".into());
    }
    println!("flips: {flips}; all found and named, none served: {named:?}");
    Ok(())
}
