//! What of a home goes into a backup: what is named here, and nothing else.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read},
};

use rand_core::CryptoRng;

use super::{BackupError, secrets};
use crate::{
    collection::{self, CollectionError, Collections, Contents},
    disk::DiskFile,
    home::Home,
    keys::{self, FileId, KEYS, KeyError},
    ledger::{self, COSIGNED, HEAD, LEDGER, Ledger},
    runs::{RECORDED, entry_paths, is_entry},
    sealed::claimed_id,
};

/// Files at the top of the home.
const FILES: [&str; 3] = ["blindmatch.toml", "policy.toml", "exclusions.added"];
/// Directories whose files all go in.
const DIRECTORIES: [&str; 2] = ["roster", "exclusions"];
/// A list of sources, and other files that are read at once.
const SMALL: u64 = 16 << 20;
/// How often a collection is looked at again that an import changed meanwhile.
const TRIES: u32 = 8;

/// Files by their paths, in the order in which they go in.
#[derive(Default)]
pub(super) struct Chosen(pub(super) BTreeMap<String, Member>);

pub(super) struct Member {
    pub(super) length: u64,
    pub(super) content: Box<dyn Read>,
}

/// Whether a file of this path may come out of a backup.
pub(super) fn is_ours(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match *parts {
        [file] => FILES.contains(&file),
        ["ledger", file] => {
            path == HEAD || path == COSIGNED || file.strip_suffix(".log").is_some_and(is_number)
        }
        ["keys", name] => keys::place(name).is_ok(),
        ["keys", "files", id] => FileId::parse(id).is_some(),
        ["collections", name, file] => is_name(name) && is_name(file),
        ["matches", _] => is_entry(path.strip_suffix(RECORDED).unwrap_or(path)),
        [directory, file] => DIRECTORIES.contains(&directory) && is_name(file),
        _ => false,
    }
}

impl Chosen {
    /// Opens all that goes in. From then on nothing that others do to the home changes it: files
    /// are replaced, never changed, and of the ledger it is what `ledger` holds now.
    pub(super) fn open(
        home: &Home,
        ledger: &Ledger,
        collections: &Collections,
        wanted: &dyn Fn(&str) -> bool,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, LedgerAt), BackupError> {
        let mut chosen = Self::default();
        let disk = home.disk();
        for file in FILES {
            chosen.file(home, file)?;
        }
        for directory in DIRECTORIES {
            if disk.exists(directory)? {
                for name in disk.list(directory)? {
                    chosen.file(home, &format!("{directory}/{name}"))?;
                }
            }
        }
        // Before the ledger: it has what a mark says that it has.
        chosen.entries(home, wanted)?;
        let at = chosen.ledger(home, ledger)?;
        for name in collections.names()? {
            if wanted(&collection::directory(&name)) {
                chosen.collection(home, collections, name.as_str())?;
            }
        }
        let names = home.named_keys().names();
        let unlisted = |error| BackupError::Key {
            name: String::new(),
            error,
        };
        for name in names.map_err(unlisted)? {
            if wanted(&format!("{KEYS}/{name}")) {
                let loaded =
                    keys::place(&name).and_then(|path| Ok((path, home.named_keys().load(&name)?)));
                let (path, secret) = loaded.map_err(|error| BackupError::Key { name, error })?;
                let sealed = secrets::seal(home.storage_key(), &path, &secret, rng)?;
                chosen.bytes(path, sealed);
            }
        }
        Ok((chosen, at))
    }

    fn ledger(&mut self, home: &Home, ledger: &Ledger) -> Result<LedgerAt, BackupError> {
        // First: what is cosigned later may be ahead of the records that go in.
        let cosigned = ledger.log().cosigned()?;
        let log = ledger.log();
        for (path, length) in log.extent()? {
            let content = home.disk().open(&path)?;
            self.add(path, length, content);
        }
        self.bytes(HEAD.to_owned(), log.head().to_string().into_bytes());
        if let Some(cosigned) = cosigned {
            self.bytes(
                COSIGNED.to_owned(),
                ledger::cosigned::encode(&cosigned).into_bytes(),
            );
        }
        Ok(LedgerAt {
            size: log.size(),
            root: log.root(),
        })
    }

    /// What people decided about matches and members told each other, each with its key, and its mark
    /// where the ledger has it.
    fn entries(&mut self, home: &Home, wanted: &dyn Fn(&str) -> bool) -> Result<(), BackupError> {
        let (disk, keys) = (home.disk(), home.file_keys());
        for path in entry_paths(disk)? {
            if !wanted(&path) {
                continue;
            }
            let damaged = |error| BackupError::Key {
                name: path.clone(),
                error,
            };
            let (mut head, file) = match disk
                .open(&path)
                .and_then(|head| Ok((head, disk.open(&path)?)))
            {
                // It was destroyed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let id = claimed_id(&mut head).map_err(|_| damaged(KeyError::Damaged))?;
            let (wrapped, key) = match keys.wrapped(id) {
                Err(KeyError::Missing) => continue,
                wrapped => wrapped.map_err(damaged)?,
            };
            let mark = format!("{path}{RECORDED}");
            if disk.exists(&mark)? {
                self.bytes(mark, Vec::new());
            }
            self.bytes(wrapped, key);
            let length = file.length()?;
            self.add(path, length, file);
        }
        Ok(())
    }

    /// A collection as it was at one moment, with the keys of its files.
    fn collection(
        &mut self,
        home: &Home,
        collections: &Collections,
        name: &str,
    ) -> Result<(), BackupError> {
        let current = format!("collections/{name}/current");
        let parsed = name.parse().map_err(|_| CollectionError::Missing)?;
        let mut tries = 0;
        loop {
            let list = match home.disk().read(&current, SMALL) {
                Ok(list) => list,
                // Gone, or no file: a collection that is damaged.
                Err(error) => {
                    let damaged = collections.contents(&parsed).err();
                    return Err(damaged.map_or_else(|| error.into(), BackupError::from));
                }
            };
            let contents = collections.contents(&parsed);
            let opened = contents
                .map_err(BackupError::from)
                .and_then(|contents| open_sources(home, &contents));
            let changed = home.disk().read(&current, SMALL)? != list;
            tries += 1;
            match opened {
                Ok((files, wrapped)) if !changed => {
                    self.bytes(current, list);
                    for (path, file) in files {
                        let length = file.length()?;
                        self.add(path, length, file);
                    }
                    wrapped
                        .into_iter()
                        .for_each(|(path, key)| self.bytes(path, key));
                    return Ok(());
                }
                Err(error) if !changed || tries == TRIES => return Err(error),
                _ if tries == TRIES => return Err(CollectionError::Busy.into()),
                _ => {}
            }
        }
    }

    fn file(&mut self, home: &Home, path: &str) -> Result<(), BackupError> {
        let file = match home.disk().open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if !is_ours(path) {
            return Err(BackupError::Stray(home.disk().root().join(path)));
        }
        let length = file.length()?;
        self.add(path.to_owned(), length, file);
        Ok(())
    }

    fn bytes(&mut self, path: String, bytes: Vec<u8>) {
        self.add(path, bytes.len() as u64, Cursor::new(bytes));
    }

    fn add(&mut self, path: String, length: u64, content: impl Read + 'static) {
        let content = Box::new(content);
        self.0.insert(path, Member { length, content });
    }
}

/// The state of the ledger that goes in.
#[derive(Clone, Copy)]
pub(super) struct LedgerAt {
    pub(super) size: u64,
    pub(super) root: blindmatch_audit::tree::Hash,
}

type Files = Vec<(String, DiskFile)>;
type WrappedKeys = Vec<(String, Vec<u8>)>;

fn open_sources(home: &Home, contents: &Contents) -> Result<(Files, WrappedKeys), BackupError> {
    let keys = home.file_keys();
    let (mut files, mut wrapped) = (Vec::new(), Vec::new());
    for source in contents.sources.values() {
        let path = format!("collections/{}/{}", contents.name, source.file_name());
        let file = home.disk().open(&path).map_err(CollectionError::from)?;
        let key = keys.wrapped(source.id);
        wrapped.push(key.map_err(|error| CollectionError::Key {
            file: home.disk().root().join(&path),
            error,
        })?);
        files.push((path, file));
    }
    Ok((files, wrapped))
}

fn is_number(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    let length = 1..=255;
    length.contains(&name.len()) && !name.starts_with('.') && !name.chars().any(char::is_control)
}

/// The first record of the segment of this path, if it is one.
pub(super) fn segment(path: &str) -> Option<u64> {
    let name = path.strip_prefix(LEDGER)?.strip_prefix('/')?;
    name.strip_suffix(".log")?.parse().ok()
}
