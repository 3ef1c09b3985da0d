//! Commands of a node as a process says them one after the other, each on a home that it opens anew.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use blindmatch_feeds::{Options, Sieve};
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_membership::{Digest, Draft, KeySet, Role, Roster, SignedRoster, Signer};
use blindmatch_node::collections::Wanted;
use blindmatch_node::exported::{Kind, put_back_storage_key};
use blindmatch_node::import::import;
use blindmatch_node::init::init_on;
use blindmatch_node::node_keys::sign_delegation;
use blindmatch_node::store::backup::BackupError;
use blindmatch_node::store::collection::{CollectionKind, Mode};
use blindmatch_node::store::disk::Disk;
use blindmatch_node::store::home::{Home, HomeError};
use blindmatch_node::{Error, Node, NodeFiles, clock, config, policy};

/// A list of exclusions that comes with the program.
const LIST: &str = "public-resolvers";

/// One command. What it makes is told from what others of its kind make by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Init,
    /// Trusts the first roster, and installs it.
    Trust,
    /// Installs the roster of this number.
    Install(u64),
    Rotate,
    Revoke,
    /// Not a command: the checkpoint key in use is lost, before the next one.
    LoseKey,
    /// The storage key is garbled, after it was exported.
    Garble,
    /// Puts the storage key back from its export.
    PutBack,
    /// The same as `Rotate`, with the identity key elsewhere: request, signature, adoption.
    Ceremony,
    /// Another policy, by whoever edits it, and a command under it.
    Policy(u64),
    /// So many addresses take the place of those before.
    Import(u64),
    Exclude,
    Include,
    Payment,
    /// Takes the identity key out of the home.
    Offline,
    /// Exports the storage key.
    Export,
    Backup(u64),
}

use Command::{
    Backup, Ceremony, Exclude, Export, Garble, Import, Include, Init, Install, LoseKey, Offline,
    Payment, Policy, PutBack, Revoke, Rotate, Trust,
};

impl Command {
    /// Runs the command, and says what is acknowledged with it: the number of a delegation or a
    /// payment key's id.
    pub(crate) fn run(self, disk: &Disk) -> Result<String, Error> {
        let around = around(disk.root());
        let file = |name: &str| around.join(name);
        let mut rng = rand::rng();
        if self == Init {
            // What has all that a node needs was made.
            let made = matches!(Home::read_only(disk.root()), Ok(disk) if disk.exists(config::FILE).is_ok_and(|made| made));
            let node = if made {
                Node::on(disk.clone())?
            } else {
                init_on(disk.clone(), &who())?
            };
            return Ok(node.card()?.fingerprint().to_string());
        }
        match self {
            LoseKey => {
                lose_checkpoint_keys(disk.root());
                return Ok("done".to_owned());
            }
            Garble => {
                // In place, as a failing disk does.
                fs::write(disk.root().join("keys/storage"), "garbled").unwrap();
                return Ok("done".to_owned());
            }
            PutBack => {
                let from = file("storage");
                put_back_storage_key(disk, &from, &fs::read_to_string(&from).unwrap())?;
                return Ok("done".to_owned());
            }
            _ => {}
        }
        let node = Node::on(disk.clone())?;
        let identity = file("identity");
        let offline = identity.exists().then_some(identity.as_path());
        match self {
            Init | LoseKey | Garble | PutBack => {}
            Trust => {
                let roster = roster(&node, &around, 1);
                node.trust_fingerprint(read_roster(&roster).fingerprint())?;
                node.install_roster(&node.ledger()?.0, &roster)?;
            }
            Install(number) => {
                let roster = roster(&node, &around, number);
                node.install_roster(&node.ledger()?.0, &roster)?;
            }
            Rotate | Revoke => {
                let lost = node.is_checkpoint_key_lost()?;
                let ledger = if lost { None } else { Some(node.ledger()?.0) };
                let rotated =
                    node.rotate(ledger.as_deref(), offline, 30, self == Revoke, &mut rng)?;
                return Ok(rotated.number.to_string());
            }
            Ceremony => {
                node.export_to(Kind::Identity, &identity)?;
                let request = node.request_delegation(30, false, &mut rng)?;
                write(&file("request"), &request);
                let _ = fs::remove_file(file("delegation"));
                sign_delegation(&file("request"), &identity, &file("delegation"))?;
                let ledger = node.ledger()?.0;
                let adopted = node.adopt_delegation(Some(&ledger), &file("delegation"))?;
                return Ok(adopted.number.to_string());
            }
            Policy(number) => {
                let first = "# Nothing is allowed.\n";
                let path = disk.root().join(policy::FILE);
                write(&file("policy"), &format!("{first}# {number}\n"));
                fs::rename(file("policy"), path).unwrap();
                node.ledger()?;
            }
            Import(count) => take_in(&node, count)?,
            Exclude => {
                let none = Path::new("no such file");
                node.add_exclusions(&LIST.parse().unwrap(), none, &canonicaliser())?;
            }
            Include => {
                node.remove_exclusions(&LIST.parse().unwrap())?;
            }
            Payment => return Ok(node.new_payment_key(true, &mut rng)?.0.to_string()),
            Offline => {
                node.export_to(Kind::Identity, &identity)?;
                node.remove_identity(&identity)?;
            }
            Export => {
                node.export_to(Kind::Storage, &file("storage"))?;
                node.storage_key_was_exported()?;
            }
            Backup(number) => {
                let to = file(&format!("{number}.backup"));
                match node.backup(&node.ledger()?.0, &to, false) {
                    // It appears whole, and nothing is written over.
                    Ok(_) | Err(Error::Backup(_, BackupError::Exists(_))) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok("done".to_owned())
    }
}

fn who() -> config::Node {
    config::Node {
        member: "acme".parse().unwrap(),
        role: Role::Provider,
        consortium: "cloudshield".parse().unwrap(),
        address: "acme.example:7443".parse().unwrap(),
    }
}

pub(crate) fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

/// The folder beside the home, where an operator has his files.
pub(crate) fn around(home: &Path) -> PathBuf {
    home.parent().unwrap().to_owned()
}

/// Writes a file of the operator's, whole.
pub(crate) fn write(path: &Path, content: &str) {
    let part = path.with_extension("part");
    fs::write(&part, content).unwrap();
    fs::rename(part, path).unwrap();
}

/// The roster of this number, which names this node, and another digest of the one before than any
/// other roster does.
fn roster(node: &Node, around: &Path, number: u64) -> PathBuf {
    let path = around.join(format!("{number}.roster"));
    if path.exists() {
        return path;
    }
    let signer = |seed| Signer::new("ada", &[seed; 32]).unwrap();
    let keys = |seed| KeySet {
        threshold: 1,
        keys: vec![signer(seed).note_key()],
    };
    let now = clock::now();
    let in_force = (now, now + 100 * 86_400);
    let mut draft = Draft::first("cloudshield".parse().unwrap(), in_force, keys(1), keys(2));
    draft.number = number;
    draft.previous = (number > 1).then(|| {
        let before = roster(node, around, number - 1);
        Digest(read_roster(&before).digest().0)
    });
    // Not through the disk that fails.
    let card = NodeFiles::read(node.disk().root()).unwrap().card();
    draft.add(&card.unwrap(), true).unwrap();
    let mut signed = SignedRoster::unsigned(Roster::new(&draft).unwrap()).unwrap();
    signed.sign(&signer(1));
    write(&path, &signed.to_string());
    path
}

fn read_roster(path: &Path) -> Roster {
    let signed = SignedRoster::read(&fs::read(path).unwrap()).unwrap();
    signed.roster().clone()
}

fn take_in(node: &Node, count: u64) -> Result<(), Error> {
    let canonicaliser = canonicaliser();
    let collections = node.collections()?;
    let plan = node.import_plan(Wanted {
        collection: "clients".parse().unwrap(),
        kind: Some(CollectionKind::Customers),
        source: "own".parse().unwrap(),
        mode: Mode::Replace,
        allow_shrink: true,
        discard_damaged: false,
    })?;
    let exclusions = node.exclusions(&canonicaliser)?;
    node.expire(&collections, &canonicaliser, &exclusions, plan.now, false)?;
    let addresses = (0..count).map(|number| format!("8.8.{}.{}\n", number / 256, number % 256));
    let feed: String = addresses.collect();
    let collection = plan.collection.clone();
    let imported = import(
        &collections,
        plan,
        &canonicaliser,
        Sieve::new(&canonicaliser),
        |sink| blindmatch_feeds::read(feed.as_bytes(), &Options::default(), &canonicaliser, sink),
        &mut |_| {},
        &mut rand::rng(),
    );
    match imported {
        Ok(_) => Ok(()),
        Err(blindmatch_node::import::ImportError::Collection(error)) => {
            Err(Error::Collection(collection, error))
        }
        Err(error) => panic!("{error}"),
    }
}

fn lose_checkpoint_keys(home: &Path) {
    for entry in fs::read_dir(home.join("keys")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("checkpoints-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// Whether there is no home here, or one that is not finished.
pub(crate) fn is_unmade(error: &Error) -> bool {
    matches!(
        error,
        Error::Home(HomeError::NotAHome(_)) | Error::Unfinished(_)
    )
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Install(number) => write!(f, "install {number}"),
            Policy(number) => write!(f, "policy {number}"),
            Import(number) => write!(f, "import {number}"),
            Backup(number) => write!(f, "backup {number}"),
            Init => f.write_str("init 0"),
            Trust => f.write_str("trust 0"),
            Rotate => f.write_str("rotate 0"),
            Revoke => f.write_str("revoke 0"),
            Ceremony => f.write_str("ceremony 0"),
            Exclude => f.write_str("exclude 0"),
            Include => f.write_str("include 0"),
            Payment => f.write_str("payment 0"),
            LoseKey => f.write_str("lose-key 0"),
            Garble => f.write_str("garble 0"),
            PutBack => f.write_str("put-back 0"),
            Offline => f.write_str("offline 0"),
            Export => f.write_str("export 0"),
        }
    }
}

impl FromStr for Command {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, number) = text.split_once(' ').ok_or(())?;
        let number = number.parse().map_err(|_| ())?;
        let all = [
            Init,
            Trust,
            Install(number),
            Rotate,
            Revoke,
            Ceremony,
            Policy(number),
            Import(number),
            Exclude,
            Include,
            Payment,
            LoseKey,
            Garble,
            PutBack,
            Offline,
            Export,
            Backup(number),
        ];
        let named = |command: &Self| command.to_string().starts_with(&format!("{name} "));
        all.into_iter().find(named).ok_or(())
    }
}
