//! Making a node.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use blindmatch_store::disk::Disk;
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::StorageKey;

use crate::config::{self, Config};
use crate::error::Error;
use crate::node::{Node, publish};
use crate::{clock, identity, policy};

/// Makes a node in the directory `home`, which is missing or empty: its keys, its card, its first
/// delegation, its ledger, a configuration, and a policy that allows nothing.
///
/// # Errors
///
/// [`Error::Home`], [`Error::Unfinished`] where an earlier attempt was cut short.
pub fn init(home: &Path, who: &config::Node) -> Result<Node, Error> {
    // Before anything is made that would have to be removed again.
    if let Ok(metadata) = fs::metadata(home)
        && metadata.mode() & 0o077 != 0
    {
        let path = home.to_owned();
        return Err(Error::Home(HomeError::Permissions { path, mode: 0o700 }));
    }
    match Home::read_only(home) {
        Err(HomeError::NotAHome(_)) => {}
        Err(error) => return Err(error.into()),
        Ok(_) if home.join(config::FILE).exists() => return Err(HomeError::Exists.into()),
        Ok(_) => return Err(Error::Unfinished(home.to_owned())),
    }
    let mut rng = rand::rng();
    let storage = StorageKey::random(&mut rng);
    let opened = Home::create(Disk::new(home), &storage, clock::now())?;
    identity::found(&opened, who, &mut rng)?;
    publish(&opened, policy::FILE, policy::FIRST.as_bytes())?;
    let config = who.first_file();
    let node = Node::new(
        opened,
        Config::read(&home.join(config::FILE), config.as_bytes())?,
    );
    node.begin_ledger()?;
    // Last: without it the node is not finished.
    node.publish(config::FILE, config.as_bytes())?;
    Ok(node)
}
