//! Backups made and restored, and killed meanwhile: each is there whole or not at all, and what
//! comes back is what went in, with every budget spent and nothing that must not be there twice.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Cursor, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, SignedCheckpoint},
    record::{Class, Event, Name, Record},
    witness::{Request, decide},
};
use blindmatch_indicator::LabelFields;
use blindmatch_store::{
    backup::{BackupError, Restoring, Summary, backup, verify},
    collection::{CollectionError, CollectionKind, Collections, ImportPlan, Mention, Mode, Ttl},
    disk::Disk,
    home::{Home, HomeError},
    index::{Charged, Facts},
    keys::StorageKey,
    ledger::{Ledger, LedgerError, Log, Settings},
};
use libtest_mimic::Failed;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say, seeded},
    ledger::{key, settings},
    open_home,
};

/// Makes backups beside appends and restores them, until killed.
pub(crate) struct Backups;

/// One backup and one restore: one thread, the same each time.
pub(crate) struct BackupScript;

/// Of the view of the debits.
const VIEW: &str = "abuse";
const PEER: &str = "b";
/// What must not come back, in files and keys.
const SPENT: &[u8] = b"an epoch's key or a run's state";

impl Workload for Backups {
    const NAME: &'static str = "backups";
    const SPAN: u64 = 400_000;
    type Model = ();

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        // What comes before is for others to kill.
        let (home, ledger, collections) = open(disk, &mut rng).unwrap();
        say(format_args!("started"));
        thread::scope(|scope| {
            scope.spawn(|| {
                for batch in 0.. {
                    ledger.append(vec![debit(batch, 5)]).unwrap();
                    thread::sleep(Duration::from_micros(300));
                }
            });
            for _ in 0_u64.. {
                round(disk, &home, &ledger, &collections, &mut rng).unwrap();
                say(format_args!("opened"));
            }
        });
    }

    fn check(
        (): &mut (),
        home: &Path,
        said: &[String],
        _repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(home, said, counts)
    }
}

impl Workload for BackupScript {
    const NAME: &'static str = "backup script";
    type Model = ();

    fn work(disk: &Disk, _: u64) {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..2 {
            // Whatever fails, the next round goes on with what is there.
            if let Ok((home, ledger, collections)) = open(disk, &mut rng) {
                let _ = round(disk, &home, &ledger, &collections, &mut rng);
            }
        }
    }

    fn check(
        (): &mut (),
        home: &Path,
        said: &[String],
        _repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(home, said, counts)
    }
}

fn round(
    disk: &Disk,
    home: &Home,
    ledger: &Ledger,
    collections: &Collections,
    rng: &mut StdRng,
) -> Result<(), BackupError> {
    let name = format!("{:016x}", rng.next_u64());
    let (to, into) = places(disk.root(), &name);
    backup(home, ledger, collections, &wanted, &to, NOW, rng)?;
    say(format_args!("made {name}"));
    // A witness cosigns more than the backup has.
    ledger.append(vec![debit(rng.random(), 5)])?;
    let witnessed = ledger.log().head().clone();
    let mut file = File::open(&to)?;
    let storage = StorageKey::new(&[1; 32]);
    let restoring = Restoring::begin(disk.elsewhere(&into), &storage, &mut file, NOW)?;
    restoring.finish(settings(), &[witnessed], &|_| true)?;
    say(format_args!("restored {name}"));
    Ok(())
}

fn places(home: &Path, name: &str) -> (PathBuf, PathBuf) {
    let around = home.parent().unwrap();
    let file = around.join(format!("{name}.backup"));
    (file, around.join(format!("{name}.restored")))
}

fn check(root: &Path, said: &[String], counts: &mut Counts) -> Result<(), String> {
    let around = root.parent().unwrap();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(around).map_err(|e| e.to_string())? {
        let entry = entry.unwrap().file_name().into_string().unwrap();
        if let Some((name, _)) = entry.split_once('.') {
            names.insert(name.to_owned());
        }
    }
    for line in said {
        if let Some(("made" | "restored", name)) = line.split_once(' ')
            && !names.contains(name)
        {
            return Err(format!("lost: {name}"));
        }
    }
    for name in names {
        let (from, into) = places(root, &name);
        if !from.exists() {
            if into.exists() || said.contains(&format!("made {name}")) {
                return Err(format!("{name} was made, and is not there"));
            }
            *counts.entry("backups that did not appear").or_default() += 1;
            // What was written of it.
            let _ = fs::remove_file(from.with_extension("backup.part"));
            continue;
        }
        *counts.entry("backups, all whole").or_default() += 1;
        let storage = StorageKey::new(&[1; 32]);
        let mut file = File::open(&from).unwrap();
        verify(&mut file, Some(&storage)).map_err(|e| format!("half-visible: {e}"))?;
        let disk = Disk::new(&into);
        match Home::open(disk.clone(), NOW) {
            Ok(_) => *counts.entry("homes restored").or_default() += 1,
            Err(HomeError::NotAHome(_) | HomeError::Restoring(_))
                if !said.contains(&format!("restored {name}")) =>
            {
                // Restored again, over whatever is there.
                let begun = Restoring::begin(disk, &storage, &mut file, NOW);
                let (old, _) = Log::open(&Disk::read_only(root), &[key()]).unwrap();
                let witnessed = [old.head().clone()];
                let ended =
                    begun.and_then(|restoring| restoring.finish(settings(), &witnessed, &|_| true));
                ended.map_err(|e| format!("restored again: {e}"))?;
                *counts.entry("homes restored again").or_default() += 1;
            }
            Err(error) => return Err(error.to_string()),
        }
        let named = restored(root, &into)?;
        *counts.entry("homes that name what is lost").or_default() += u64::from(named);
        if !named && said.contains(&format!("restored {name}")) {
            return Err(format!("{name} does not say that records are lost"));
        }
        fs::remove_file(from).unwrap();
        fs::remove_dir_all(into).unwrap();
    }
    Ok(())
}

/// Holds a restored home against the one that it comes from; gives whether it names a state of that
/// one that is lost.
fn restored(root: &Path, into: &Path) -> Result<bool, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let (old, _) = Log::open(&Disk::read_only(root), &[key()]).map_err(|e| said(&e))?;
    let disk = Disk::new(into);
    let home = Home::open(disk.clone(), NOW).map_err(|e| said(&e))?;
    let (ledger, tail) = Ledger::open(&disk, settings()).map_err(|e| said(&e))?;
    let log = ledger.log();
    let begins = |record: &Record| matches!(record.event, Event::Incarnation { number: 2.., .. });
    let all: Vec<_> = log
        .records(0..u64::MAX)
        .collect::<Result<_, _>>()
        .map_err(|e| said(&e))?;
    let begun = all.iter().find(|(_, record)| begins(record));
    let size = begun.ok_or("no incarnation")?.0;
    let records = |log: &Log| log.records(0..size).collect::<Result<Vec<_>, _>>();
    let (before, after) = (records(&old), records(&log));
    if before.map_err(|e| said(&e))? != after.map_err(|e| said(&e))? || tail != Default::default() {
        return Err("the records are others".to_owned());
    }
    let root_before = old.root_at(size).map_err(|e| said(&e))?;
    let last = log.record(size).map_err(|e| said(&e))?.event;
    if !matches!(last, Event::Incarnation { number: 2, size: s, root: r } if (s, r) == (size, root_before))
    {
        return Err(format!("{last:?} does not go on from what was backed up"));
    }
    let origin = log.origin();
    if origin.incarnation != 2 || *log.head().verify(&key()).map_err(|e| said(&e))? != head(&log) {
        return Err(format!("{:?} is not the head", log.head()));
    }
    let named = log.size() > size + 1;
    if named {
        let last = all.last().map(|(_, record)| record.event.clone());
        let Some(Event::Lost {
            incarnation: 1,
            size: seen,
            root,
        }) = last
        else {
            return Err(format!("{last:?} is no loss"));
        };
        if seen <= size || old.root_at(seen).map_err(|e| said(&e))? != root {
            return Err(format!("nobody cosigned {seen} records"));
        }
        cosigned(&old, seen, &log)?;
    }
    // Whatever any witness cosigned before, or nothing.
    for seen in [1, size] {
        cosigned(&old, seen, &log)?;
    }

    let (facts, _) = Facts::open(&home, &log).map_err(|e| format!("{e:?}"))?;
    let all = Charged {
        day: u64::MAX,
        epoch: u64::MAX,
    };
    for peer in [PEER, "never seen"] {
        for epoch in 0..8 {
            if facts.charged(VIEW, peer, epoch, NOW) != Ok(all) {
                return Err(format!("{peer} got its budget back"));
            }
        }
    }

    let mut files = Vec::new();
    list(into, into, &mut files);
    let mut keys = 0;
    for path in files {
        let bytes = fs::read(into.join(&path)).unwrap();
        if bytes.windows(SPENT.len()).any(|window| window == SPENT) {
            return Err(format!("{path} came back"));
        }
        // The last may be left by a crash right behind the moment in which it became a home.
        let derived = ["index", "ledger", "home.lock", "restoring"];
        let top = path.split('/').next().unwrap();
        keys += u64::from(path.starts_with("keys/files/"));
        if !derived.contains(&top) && fs::read(root.join(&path)).ok() != Some(bytes) {
            return Err(format!("{path} is another"));
        }
    }
    let collections = Collections::open(&home).map_err(|e| said(&e))?;
    let names = collections.names().map_err(|e| said(&e))?;
    let mut sources = 0;
    for name in &names {
        let contents = collections.contents(name).map_err(|e| said(&e))?;
        sources += contents.sources.len() as u64;
        let day = blindmatch_indicator::Day::from_unix_seconds(NOW as i64).unwrap();
        let mut rows = collections.rows(&contents, day).map_err(|e| said(&e))?;
        let mut count = 0;
        while blindmatch_store::merge::Rows::advance(&mut rows).map_err(|e| said(&e))? {
            count += 1;
        }
        if count != 2 * ROWS {
            return Err(format!("{count} rows"));
        }
    }
    if names.len() == 1 && sources == 2 && keys == 2 {
        Ok(named)
    } else {
        Err(format!(
            "{} collections, {sources} sources, {keys} keys",
            names.len()
        ))
    }
}

fn head(log: &Log) -> Checkpoint {
    Checkpoint {
        origin: log.origin(),
        size: log.size(),
        root: log.root(),
    }
}

/// Asks a witness that cosigned the first records of the old ledger last to cosign the restored one.
fn cosigned(old: &Log, seen: u64, log: &Log) -> Result<(), String> {
    let last = Checkpoint {
        origin: old.origin(),
        size: seen,
        root: old.root_at(seen).map_err(|e| e.to_string())?,
    };
    let how = log.continuation(&last);
    let request = Request {
        old: seen,
        incarnation: last.origin.incarnation,
        how: how.map_err(|e| format!("{seen} records: {e}"))?,
        checkpoint: log.head().clone(),
    };
    let decided = decide(Some(&last), &[key()], &request);
    if decided == Ok(head(log)) {
        Ok(())
    } else {
        Err(format!("a witness of {seen} records: {decided:?}"))
    }
}

fn list(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            let path = path.strip_prefix(root).unwrap();
            files.push(path.to_str().unwrap().to_owned());
        }
    }
}

const ROWS: u32 = 500;

fn wanted(path: &str) -> bool {
    path.starts_with("keys/checkpoints-") || path.starts_with("collections/")
}

/// A home with something of everything in it.
fn open(disk: &Disk, rng: &mut StdRng) -> Result<(Home, Ledger, Collections), BackupError> {
    let home = open_home(disk)?;
    let opened = match Ledger::open(disk, settings()) {
        Err(LedgerError::NoCheckpoint) => Ledger::create(disk, settings()),
        opened => opened,
    };
    let (ledger, _) = opened?;
    if ledger.log().size() < 12 {
        let opened = Event::EpochOpened {
            view: Name::new(VIEW).unwrap(),
            epoch: 5,
            key: [5; 32],
        };
        ledger.append(vec![opened])?;
        for batch in 0..10 {
            ledger.append(vec![debit(batch, 5)])?;
        }
    }
    let collections = Collections::open(&home)?;
    let name = "abusers".parse().unwrap();
    let there = match collections.contents(&name) {
        Err(CollectionError::Missing) => 0,
        contents => contents?.sources.len(),
    };
    for source in ["first", "second"].into_iter().skip(there) {
        import(&collections, source, rng)?;
    }
    home.named_keys()
        .store("checkpoints-1", &SPENT[..4])
        .map_err(HomeError::from)?;
    home.named_keys()
        .store("epoch-5", SPENT)
        .map_err(HomeError::from)?;
    let file = home.file_keys().create(rng).map_err(HomeError::from)?.0;
    let spent = format!("views/{file}");
    for path in ["blindmatch.toml", "policy.toml", "roster/card"] {
        disk.publish(path, |file| file.write_all(path.as_bytes()))?;
    }
    for path in [spent.as_str(), "runs/state"] {
        disk.publish(path, |file| file.write_all(SPENT))?;
    }
    Ok((home, ledger, collections))
}

fn import(collections: &Collections, source: &str, rng: &mut StdRng) -> Result<(), BackupError> {
    let plan = ImportPlan {
        collection: "abusers".parse().unwrap(),
        kind: Some(CollectionKind::Abuse),
        source: source.parse().unwrap(),
        mode: Mode::Replace,
        now: NOW,
        ttl: Ttl::default(),
        allow_shrink: false,
        discard_damaged: false,
        payment_key: None,
    };
    let mut import = collections.import(plan, rng)?;
    let first = if source == "first" { 0 } else { ROWS };
    for number in first..first + ROWS {
        let key = [&[1, 1][..], &number.to_be_bytes()].concat();
        import.push(&Mention {
            key: &key,
            fields: LabelFields::default(),
            reference: None,
        })?;
    }
    import.finish(&|_: &[u8]| Vec::new(), rng)?;
    Ok(())
}

fn debit(batch: u64, epoch: u64) -> Event {
    Event::Debit {
        peer: Name::new(PEER).unwrap(),
        view: Name::new(VIEW).unwrap(),
        epoch,
        run: [1; 32],
        batch,
        digest: [2; 32],
        amount: Class::exactly(8).unwrap(),
    }
}

/// What a restore must show, one after the other.
pub(crate) fn restores() -> Result<(), Failed> {
    let (_, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let disk = Disk::new(&place.path().join("home"));
    let (home, ledger, collections) = open(&disk, &mut rng)?;
    let first = ledger.log().head().clone();
    ledger.append(vec![debit(20, 5)])?;
    ledger.keep_cosigned(ledger.log().head())?;
    let cosigned = ledger.log().head().clone();
    ledger.append(vec![debit(21, 5)])?;
    let to = place.path().join("backup");
    let made = backup(&home, &ledger, &collections, &wanted, &to, NOW, &mut rng)?;
    let head = ledger.log().head().clone();
    let old = ledger.log();
    ledger.append(vec![debit(22, 5)])?;
    let ahead = ledger.log().head().clone();
    let again = backup(&home, &ledger, &collections, &wanted, &to, NOW, &mut rng);
    expect(
        matches!(again, Err(BackupError::Exists(_))),
        "a backup in place of another",
    )?;

    let storage = StorageKey::new(&[1; 32]);
    let mut file = File::open(&to)?;
    let start = |name: &str, key: u8, file: &mut File| {
        let disk = Disk::new(&place.path().join(name));
        Restoring::begin(disk, &StorageKey::new(&[key; 32]), file, NOW)
    };
    let other = start("a", 2, &mut file);
    expect(
        matches!(other, Err(BackupError::OtherKey)),
        "another storage key",
    )?;
    expect(
        !place.path().join("a").exists(),
        "nothing is written before all is checked",
    )?;
    let occupied = Restoring::begin(disk.clone(), &storage, &mut file, NOW);
    expect(
        matches!(occupied, Err(BackupError::Home(HomeError::Exists))),
        "over a home",
    )?;
    fs::create_dir(place.path().join("b"))?;
    fs::write(place.path().join("b/file"), "")?;
    let occupied = start("b", 1, &mut file);
    expect(
        matches!(occupied, Err(BackupError::Home(HomeError::Occupied(_)))),
        "over something else",
    )?;

    // What a witness has decides whether the ledger may go on.
    let fork = Checkpoint {
        root: [3; 32],
        ..cosigned.unverified().clone()
    };
    let forked =
        start("c", 1, &mut file)?.finish(settings(), &[fork.clone().sign(&signer())], &|_| true);
    expect(matches!(forked, Err(BackupError::Forked { .. })), "a fork")?;
    // Behind the backup it shows by another witness only.
    let other = Checkpoint {
        root: [3; 32],
        ..ahead.unverified().clone()
    };
    let both = [ahead.clone(), other.sign(&signer())];
    let forked = start("c", 1, &mut file)?.finish(settings(), &both, &|_| true);
    expect(
        matches!(forked, Err(BackupError::Forked { .. })),
        "a fork of what is lost",
    )?;
    let foreign = fork.sign(&SigningKey::from_bytes(&[9; 32]));
    let foreign = start("c", 1, &mut file)?.finish(settings(), &[foreign], &|_| true);
    expect(
        matches!(foreign, Err(BackupError::Witnessed)),
        "another's checkpoint",
    )?;
    let unfinished = Home::open(Disk::new(&place.path().join("c")), NOW);
    expect(
        matches!(unfinished, Err(HomeError::Restoring(_))),
        "no home yet",
    )?;
    let unfinished = Home::create(Disk::new(&place.path().join("c")), &storage, NOW);
    expect(
        matches!(unfinished, Err(HomeError::Occupied(_))),
        "an unfinished restore",
    )?;

    // The newest cosigned checkpoint of all is kept, and the ledger goes on from it.
    let witnessed: [SignedCheckpoint; 2] = [head.clone(), first];
    let restoring = start("c", 1, &mut file)?;
    expect(
        **restoring.named_keys().load("checkpoints-1")? == SPENT[..4],
        "a key by name",
    )?;
    let (restored_home, ledger, continued) = restoring.finish(settings(), &witnessed, &|_| true)?;
    let size = head.unverified().size;
    let right = (made, size, Some(size), (2, None));
    let found = (
        continued.backup,
        continued.size,
        continued.cosigned,
        (continued.incarnation, continued.lost),
    );
    expect(found == right, "what it goes on from")?;
    expect(
        ledger.log().cosigned()? == Some(head.clone()),
        "the cosigned checkpoint",
    )?;
    self::cosigned(&old, size, &ledger.log())?;
    drop((restored_home, ledger));
    let into = place.path().join("c");
    restored(disk.root(), &into)?;

    // A new epoch has its own budget from the day after on; the old ones stay spent.
    let later = NOW + 2 * 86_400;
    let (ledger, _) = Ledger::open(
        &Disk::new(&into),
        Settings {
            clock: Box::new(move || later),
            ..settings()
        },
    )?;
    let restored_home = Home::open(Disk::new(&into), later)?;
    ledger.append(vec![
        Event::EpochOpened {
            view: Name::new(VIEW).unwrap(),
            epoch: 6,
            key: [6; 32],
        },
        debit(1, 6),
    ])?;
    let (facts, _) = Facts::open(&restored_home, &ledger.log()).map_err(|e| format!("{e:?}"))?;
    let charged = |epoch, time| facts.charged(VIEW, PEER, epoch, time).unwrap();
    expect(
        charged(6, later) == Charged { day: 8, epoch: 8 },
        "a new epoch",
    )?;
    expect(charged(6, NOW).day == u64::MAX, "the day of the restore")?;
    let old = Charged {
        day: 8,
        epoch: u64::MAX,
    };
    expect(charged(5, later) == old, "an old epoch")?;
    expect(
        facts.charged_in_all(VIEW, 5) == Ok(u64::MAX),
        "an old epoch in all",
    )?;
    expect(facts.charged_in_all(VIEW, 6) == Ok(8), "a new epoch in all")?;
    expect(
        facts.is_epoch_lost(VIEW, 5) == Ok(true),
        "the old epoch's key is gone",
    )?;
    Ok(())
}

/// Flips so many bits of a backup, one at a time, and cuts it.
pub(crate) fn flips(times: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let (home, ledger, collections) = open(&Disk::new(&place.path().join("home")), &mut rng)?;
    let to = place.path().join("backup");
    let made = backup(&home, &ledger, &collections, &wanted, &to, NOW, &mut rng)?;
    let bytes = fs::read(&to)?;
    let storage = StorageKey::new(&[1; 32]);
    let whole = |bytes: &[u8], key: Option<&StorageKey>| -> Result<Summary, BackupError> {
        verify(&mut Cursor::new(bytes), key)
    };
    expect(whole(&bytes, Some(&storage))? == made, "whole")?;
    let mut flaws = Counts::new();
    for time in 0..times {
        let mut damaged = bytes.clone();
        let at = rng.random_range(0..bytes.len());
        let cut = time % 10 == 0;
        if cut {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1 << rng.random_range(0..8);
        }
        // Only the MAC is beyond who has no key.
        let plain = whole(&damaged, None);
        let keyless = plain.is_err() || at + 32 >= bytes.len();
        match whole(&damaged, Some(&storage)) {
            Err(BackupError::Damaged { offset, flaw, .. }) if offset <= at as u64 && keyless => {
                let name: &'static str = Box::leak(format!("{flaw:?}").into_boxed_str());
                *flaws.entry(name).or_default() += 1;
            }
            other => return Err(format!("seed {seed}: byte {at}: {other:?}, {plain:?}").into()),
        }
        if time % 100 == 0 {
            let into = place.path().join("into");
            let mut damaged = Cursor::new(damaged);
            let begun = Restoring::begin(Disk::new(&into), &storage, &mut damaged, NOW);
            expect(
                begun.is_err() && !into.exists(),
                "restored from a damaged backup",
            )?;
        }
    }
    println!(
        "backup: {times} flips and cuts of {} bytes, all found and named:",
        bytes.len()
    );
    for (flaw, count) in flaws {
        println!("  {count:8} {flaw}");
    }
    Ok(())
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn expect(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.into()) }
}
