//! Which lists of shared or benign values a node leaves out: those that the roster names by hash,
//! and its own.
//!
//! The roster names a list, so that all members leave out the same; a node has it because it comes
//! with the program or was added. Lists of its own it adds besides.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use blindmatch_feeds::{ExclusionList, Exclusions, SHIPPED};
use blindmatch_indicator::Canonicaliser;
use blindmatch_membership::{Digest, Name};
use blindmatch_store::home::HomeError;

pub mod today;

use crate::error::Error;
use crate::files;
use crate::node::{Node, NodeFiles};

/// Where a node's own lists are.
const OWN: &str = "exclusions";
/// Which they are, one a line as its file is called: one whose file is gone is missed
/// (`spec/43-home.md` §1).
const ADDED: &str = "exclusions.added";
/// More bytes than that has.
const MAX_ADDED: u64 = 1 << 20;
/// What `feeds` reads at most.
const MAX_LIST: u64 = 64 << 20;

/// A list that this node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is called here.
    pub name: String,
    /// What it says about itself.
    pub about: ExclusionList,
    /// Whether it comes with the program.
    pub shipped: bool,
    /// Whether it was added to this node.
    pub added: bool,
    /// Whether the roster names it.
    pub in_roster: bool,
}

impl Known {
    /// Whether imports leave out what it lists.
    #[must_use]
    pub const fn in_force(&self) -> bool {
        self.added || self.in_roster
    }
}

/// The lists that come with the program, by name, with their SHA-256: what a new roster names.
#[must_use]
pub fn shipped() -> BTreeMap<Name, Digest> {
    let lists = SHIPPED.iter();
    let named = |(file, json): &(&str, &[u8])| Some((bare(file).parse().ok()?, Digest::of(json)));
    lists.filter_map(named).collect()
}

impl NodeFiles {
    /// Every list that this node knows, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Exclusions`] where one is damaged, those of reading.
    pub fn known_exclusions(&self, canonicaliser: &Canonicaliser) -> Result<Vec<Known>, Error> {
        let in_roster = self.roster_exclusions()?;
        let shipped: Vec<_> = SHIPPED.iter().map(|(_, json)| Digest::of(json)).collect();
        let mut known: Vec<Known> = Vec::new();
        for (name, json, added) in self.lists()? {
            let parsed = Exclusions::parse(&json, canonicaliser);
            let parsed = parsed.map_err(|error| Error::Exclusions(name.clone(), error))?;
            let Some(about) = parsed.lists().first().cloned() else {
                continue;
            };
            // One that comes with the program and was added too is one list.
            if known.iter().any(|list| list.about.sha256 == about.sha256) {
                continue;
            }
            let digest = Digest(about.sha256);
            known.push(Known {
                name,
                about,
                shipped: shipped.contains(&digest),
                added,
                in_roster: in_roster.values().any(|named| *named == digest),
            });
        }
        known.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(known)
    }

    /// The lists in force, ready to be asked.
    ///
    /// # Errors
    ///
    /// [`Error::ExclusionsMissing`] where the roster names one that this node lacks,
    /// [`Error::ExclusionsChanged`], and those of reading.
    pub fn exclusions(&self, canonicaliser: &Canonicaliser) -> Result<Exclusions, Error> {
        let mut wanted = self.roster_exclusions()?;
        let mut exclusions = Exclusions::default();
        let mut taken = Vec::new();
        for (name, json, added) in self.lists()? {
            let digest = Digest::of(&json);
            let named = wanted.values().any(|wanted| *wanted == digest);
            wanted.retain(|_, wanted| *wanted != digest);
            if (added || named) && !taken.contains(&digest) {
                exclusions
                    .add(&json, canonicaliser)
                    .map_err(|error| Error::Exclusions(name, error))?;
                taken.push(digest);
            }
        }
        match wanted.pop_first() {
            Some((name, digest)) => Err(Error::ExclusionsMissing(name, digest)),
            None => Ok(exclusions),
        }
    }

    /// Whether the lists that the roster names are all here.
    ///
    /// # Errors
    ///
    /// [`Error::ExclusionsMissing`] with one that is not, and those of reading.
    pub fn check_exclusions(&self) -> Result<(), Error> {
        let mut wanted = self.roster_exclusions()?;
        for (_, json, _) in self.lists()? {
            let digest = Digest::of(&json);
            wanted.retain(|_, wanted| *wanted != digest);
        }
        match wanted.pop_first() {
            Some((name, digest)) => Err(Error::ExclusionsMissing(name, digest)),
            None => Ok(()),
        }
    }

    /// Whether the lists that were added are here as they were.
    ///
    /// # Errors
    ///
    /// [`Error::ExclusionsChanged`], [`Error::ExclusionsLost`], and those of reading.
    pub(crate) fn check_own_exclusions(&self) -> Result<(), Error> {
        self.lists().map(drop)
    }

    /// What the roster that is held names.
    fn roster_exclusions(&self) -> Result<BTreeMap<Name, Digest>, Error> {
        let trust = self.trust()?;
        let held = trust.held().map(|held| held.roster().exclusions.clone());
        Ok(held.unwrap_or_default())
    }

    /// The files of own lists.
    fn own_lists(&self) -> Result<Vec<String>, Error> {
        Ok(if self.disk().exists(OWN).map_err(HomeError::Disk)? {
            self.disk().list(OWN).map_err(HomeError::Disk)?
        } else {
            Vec::new()
        })
    }

    /// The files of own lists that were added and not removed since.
    fn added(&self) -> Result<BTreeSet<String>, Error> {
        let bytes = match self.disk().read(ADDED, MAX_ADDED) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.map_err(HomeError::Disk)?,
        };
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Error::Damaged(self.disk().root().join(ADDED)))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Own lists first, then those of the program: name, bytes, whether it was added. One of its own
    /// whose bytes changed since it was added is an error: it would leave out other values.
    fn lists(&self) -> Result<Vec<(String, Vec<u8>, bool)>, Error> {
        let mut lists = Vec::new();
        let (files, added) = (self.own_lists()?, self.added()?);
        if let Some(lost) = added.iter().find(|file| !files.contains(file)) {
            let name = named(lost).0.parse();
            // One of no name is no list.
            let damaged = |_| Error::Damaged(self.disk().root().join(ADDED));
            return Err(Error::ExclusionsLost(name.map_err(damaged)?));
        }
        for file in files {
            let path = format!("{OWN}/{file}");
            let json = self.disk().read(&path, MAX_LIST).map_err(HomeError::Disk)?;
            let (name, digest) = named(&file);
            if digest != Some(&Digest::of(&json).to_string()) || !added.contains(&file) {
                return Err(Error::ExclusionsChanged(self.disk().root().join(path)));
            }
            lists.push((name.to_owned(), json, true));
        }
        let shipped = SHIPPED.iter();
        lists.extend(shipped.map(|(file, json)| (bare(file).to_owned(), json.to_vec(), false)));
        Ok(lists)
    }
}

impl Node {
    /// Adds a list: the one in `file`, or, where there is no such file, the one of that name that
    /// comes with the program.
    ///
    /// # Errors
    ///
    /// [`Error::Exclusions`] where it is none, [`Error::ExclusionsExist`], [`Error::File`].
    pub fn add_exclusions(
        &self,
        name: &Name,
        file: &Path,
        canonicaliser: &Canonicaliser,
    ) -> Result<ExclusionList, Error> {
        let shipped = SHIPPED
            .iter()
            .find(|(shipped, _)| bare(shipped) == name.as_str());
        let json = match shipped {
            Some((_, json)) if !file.exists() => json.to_vec(),
            _ => files::read(file, MAX_LIST)?,
        };
        let parsed = Exclusions::parse(&json, canonicaliser);
        let parsed =
            parsed.map_err(|error| Error::Exclusions(file.display().to_string(), error))?;
        let file = format!("{name}.{}.json", Digest::of(&json));
        // The same again is what a command that was cut short has to come to.
        if self.own_file(name)?.is_some_and(|kept| kept != file) {
            return Err(Error::ExclusionsExist(name.clone()));
        }
        let made = self.home().disk().create_directory(OWN);
        made.map_err(HomeError::Disk)?;
        self.publish(&format!("{OWN}/{file}"), &json)?;
        let mut added = self.added()?;
        // One of this name whose file is gone is added again.
        added.retain(|file| named(file).0 != name.as_str());
        added.insert(file);
        self.publish_added(&added)?;
        parsed
            .lists()
            .first()
            .cloned()
            .ok_or_else(|| Error::NoExclusions(name.clone()))
    }

    /// Removes a list that was added, also where its file is gone; tells whether there was one.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn remove_exclusions(&self, name: &Name) -> Result<bool, Error> {
        let mut added = self.added()?;
        let count = added.len();
        added.retain(|file| named(file).0 != name.as_str());
        let was_added = added.len() < count;
        if was_added {
            self.publish_added(&added)?;
        }
        let file = self.own_file(name)?;
        if let Some(file) = &file {
            let removed = self.home().disk().remove(&format!("{OWN}/{file}"));
            removed.map_err(HomeError::Disk)?;
        }
        Ok(was_added || file.is_some())
    }

    fn publish_added(&self, added: &BTreeSet<String>) -> Result<(), Error> {
        let lines: String = added.iter().map(|file| format!("{file}\n")).collect();
        self.publish(ADDED, lines.as_bytes())
    }

    /// The file of the list that was added under a name, whatever is in it.
    fn own_file(&self, name: &Name) -> Result<Option<String>, Error> {
        let mut files = self.own_lists()?.into_iter();
        Ok(files.find(|file| named(file).0 == name.as_str()))
    }
}

/// The name of an own list and the digest of its bytes, from the name of its file (`spec/43-home.md`
/// §1).
fn named(file: &str) -> (&str, Option<&str>) {
    match bare(file).rsplit_once('.') {
        Some((name, digest)) if digest.len() == 64 => (name, Some(digest)),
        _ => (bare(file), None),
    }
}

/// The name of a list, from that of its file.
fn bare(file: &str) -> &str {
    file.strip_suffix(".json").unwrap_or(file)
}
