//! Making a node.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use blindmatch_store::disk::Disk;
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::StorageKey;
use blindmatch_store::ledger::HEAD;

use crate::config::{self, Config};
use crate::error::Error;
use crate::node::Node;
use crate::{clock, identity, policy};

/// Makes a node in the directory `home`, which is missing or empty: its keys, its card, its first
/// delegation, its ledger, a configuration, and a policy that allows nothing. What an earlier
/// attempt left, that was cut short, is completed.
///
/// # Errors
///
/// [`Error::Home`], [`Error::BegunAs`] where an earlier attempt was for another member.
pub fn init(home: &Path, who: &config::Node) -> Result<Node, Error> {
    // Before anything is made that would have to be removed again.
    if let Ok(metadata) = fs::metadata(home)
        && metadata.mode() & 0o077 != 0
    {
        let path = home.to_owned();
        return Err(Error::Home(HomeError::Permissions { path, mode: 0o700 }));
    }
    init_on(Disk::new(home), who)
}

/// The same with these files.
///
/// # Errors
///
/// As [`init`].
pub fn init_on(disk: Disk, who: &config::Node) -> Result<Node, Error> {
    let mut rng = rand::rng();
    let place = disk.root().to_owned();
    let home = match Home::read_only(&place) {
        Err(HomeError::NotAHome(_)) => {
            let storage = StorageKey::random(&mut rng);
            Home::create(disk, &storage, clock::now())?
        }
        Err(error) => return Err(error.into()),
        Ok(_) if place.join(config::FILE).exists() => return Err(HomeError::Exists.into()),
        Ok(_) => Home::open(disk, clock::now())?,
    };
    let config = who.first_file();
    let read = Config::read(&place.join(config::FILE), config.as_bytes())?;
    let node = Node::new(home, read);
    // The first delegation is the last of what is founded.
    let founded = !node.delegations()?.is_empty();
    let has_ledger = node.disk().exists(HEAD).map_err(HomeError::Disk)?;
    match (founded, has_ledger) {
        (true, _) => check_begun(&node)?,
        (false, true) => return Err(Error::Damaged(place.join("roster"))),
        (false, false) => identity::found(node.home(), who, &mut rng)?,
    }
    if !node.disk().exists(policy::FILE).map_err(HomeError::Disk)? {
        node.publish(policy::FILE, policy::FIRST.as_bytes())?;
    }
    if has_ledger {
        node.ledger()?;
    } else {
        node.begin_ledger()?;
    }
    // Last: without it the node is not finished.
    node.publish(config::FILE, config.as_bytes())?;
    Ok(node)
}

/// Whether what was begun is this member's.
fn check_begun(node: &Node) -> Result<(), Error> {
    let consortium = node.delegation()?.consortium.clone();
    if consortium == node.config().node.consortium && node.card_is_current()? {
        return Ok(());
    }
    let member = node.card()?.member().name.clone();
    Err(Error::BegunAs {
        home: node.disk().root().to_owned(),
        member,
        consortium,
    })
}
