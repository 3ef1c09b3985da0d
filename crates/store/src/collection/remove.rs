//! Removing a whole collection, whether or not it reads (`spec/44-sealed.md` §5).

use std::collections::BTreeSet;
use std::io;

use super::{
    BEGUN, COLLECTIONS, CURRENT, CollectionError, CollectionName, Collections, begun, current,
    directory,
};
use crate::disk::Aside;
use crate::keys::FileId;
use crate::sealed::claimed_id;

impl Collections {
    /// Destroys a collection: the keys of all of its files, then the files. What does not read is
    /// destroyed too, but for a key that a damaged file no longer names, unless the list does.
    ///
    /// # Errors
    ///
    /// [`CollectionError::Missing`], [`CollectionError::Busy`], and those of disk and keys. Once the
    /// list is gone, the collection is: the rest is destroyed the next time.
    pub fn remove(&self, name: &CollectionName) -> Result<(), CollectionError> {
        let _occupied = self.occupy()?;
        let directory = directory(name);
        let listed = match self.contents(name) {
            Ok(contents) => contents
                .sources
                .into_values()
                .map(|source| source.id)
                .collect(),
            Err(CollectionError::Missing) if !self.disk.exists(&begun(name))? => {
                return Err(CollectionError::Missing);
            }
            Err(CollectionError::Disk(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error.into());
            }
            Err(_) => BTreeSet::new(),
        };
        let others = self.claimed_by_others(name)?;
        // From here on it is as a first import that was interrupted.
        let nothing = |_: &mut Aside| Ok::<_, io::Error>(());
        self.disk.publish(&begun(name), nothing)?;
        if self.disk.exists(&current(name))? {
            self.disk.remove_all(&current(name))?;
        }
        for id in listed {
            self.destroy_key(id, &directory)?;
        }
        for file in self.disk.list(&directory)? {
            if file == BEGUN {
                continue;
            }
            let path = format!("{directory}/{file}");
            match claimed_id(&mut self.disk.open(&path)?) {
                Ok(id) if !others.contains(&id) => self.discard(&path, id)?,
                _ => self.disk.remove_all(&path)?,
            }
        }
        self.disk.remove(&begun(name))?;
        Ok(self.disk.remove_directory(&directory)?)
    }

    /// The keys that other collections name, or that their files do where a list does not read: a
    /// damaged header must not name one of them.
    fn claimed_by_others(
        &self,
        name: &CollectionName,
    ) -> Result<BTreeSet<FileId>, CollectionError> {
        let mut claimed = BTreeSet::new();
        for other in self.disk.list(COLLECTIONS)? {
            let Ok(other) = other.parse::<CollectionName>() else {
                continue;
            };
            if other == *name {
                continue;
            }
            if let Ok(contents) = self.contents(&other) {
                claimed.extend(contents.sources.values().map(|source| source.id));
                continue;
            }
            let directory = directory(&other);
            for file in self.disk.list(&directory)? {
                if file != CURRENT && file != BEGUN {
                    claimed.extend(claimed_id(
                        &mut self.disk.open(&format!("{directory}/{file}"))?,
                    ));
                }
            }
        }
        Ok(claimed)
    }
}
