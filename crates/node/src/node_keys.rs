//! The keys that a node works with, and the delegations by which its identity lends them its name.
//!
//! A delegation is made in three steps, which may be on two machines: the node makes keys and a
//! request ([`Node::request_delegation`]), whoever has the identity key signs it
//! ([`sign_delegation`]), and the node adopts what was signed ([`Node::adopt_delegation`]).

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use blindmatch_audit::SigningKey;
use blindmatch_audit::checkpoint::CheckpointError;
use blindmatch_audit::note::NoteError;
use blindmatch_membership::delegation::MAX_DELEGATION_LIFETIME;
use blindmatch_membership::{Delegation, HpkeKey, NodeKeys, Terms, ed25519_spki};
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::{KEYS, KeyError, NamedKeys};
use blindmatch_store::ledger::{Ledger, LedgerError, Log};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::exported::{Exported, Kind};
use crate::identity::{HPKE, Offline, generate, load, store};
use crate::ledger::{check_clock, delegated, settings};
use crate::node::{Node, NodeFiles, publish};
use crate::payment::wrapped::{generate_recipient, recipient_of};
use crate::{clock, config, files};

/// Before the number of a delegation, in the name of its file.
const DELEGATION: &str = "delegation-";
/// A delegation is a note of a dozen lines.
const MAX_NOTE: u64 = 1 << 14;
/// Stands, with the number of a delegation behind it, among the keys until that is recorded, where the
/// checkpoint key of the one before is lost, which says so otherwise.
const UNRECORDED: &str = "unrecorded-";
const TLS: &str = "tls";
const RECEIPTS: &str = "receipts";
const CHECKPOINTS: &str = "checkpoints";
const NODE_HPKE: &str = "node-hpke";
/// The node keys of one delegation, each with its number behind it.
const NODE_KEYS: [&str; 4] = [TLS, RECEIPTS, CHECKPOINTS, NODE_HPKE];

/// Makes the first node keys, and delegates to them.
pub(crate) fn found(
    home: &Home,
    who: &config::Node,
    identity: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let now = clock::now();
    let secrets = NodeSecrets::generate(rng);
    let terms = Terms {
        consortium: who.consortium.clone(),
        member: who.member.clone(),
        number: 1,
        first_valid: 1,
        not_before: now,
        expires: now + MAX_DELEGATION_LIFETIME,
        identity: identity.verifying_key(),
        keys: secrets.public(),
    };
    let request = secrets.request(&home.named_keys(), &terms)?;
    let delegation = Delegation::sign(request.as_bytes(), identity).map_err(Error::OwnCard)?;
    keep(home, &delegation)
}

/// Signs the request in `request` with the exported identity key in `identity`, to a new file: on
/// the machine where that key is kept, which needs no node.
///
/// # Errors
///
/// [`Error::Delegation`] where it is no request, or of another identity; [`Error::NoSecret`],
/// [`Error::File`].
pub fn sign_delegation(request: &Path, identity: &Path, to: &Path) -> Result<Delegation, Error> {
    let identity = SigningKey::from_bytes(Exported::read(Kind::Identity, identity)?.key());
    let delegation = Delegation::sign(&files::read(request, MAX_NOTE)?, &identity)
        .map_err(|error| Error::Delegation(request.to_owned(), error))?;
    files::write_new(to, delegation.to_string().as_bytes())?;
    Ok(delegation)
}

impl NodeFiles {
    /// This node's delegations, ascending by number.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn delegations(&self) -> Result<Vec<Delegation>, Error> {
        let names = self.disk().list("roster").map_err(HomeError::Disk)?;
        let mut delegations = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(DELEGATION)) {
            let path = format!("roster/{name}");
            let bytes = self.disk().read(&path, MAX_NOTE).map_err(HomeError::Disk)?;
            let delegation = Delegation::read(&bytes);
            delegations
                .push(delegation.map_err(|_| Error::Damaged(self.disk().root().join(path)))?);
        }
        delegations.sort_by_key(|delegation| delegation.number);
        Ok(delegations)
    }

    /// The delegation that this node uses: the newest whose keys it has. Those of a later one were
    /// lost with the home that this one was restored from.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::DelegationMissing`].
    pub fn delegation(&self) -> Result<Delegation, Error> {
        for delegation in self.delegations()?.into_iter().rev() {
            let key = format!("keys/{}", checkpoint_key_name(delegation.number));
            if self.disk().exists(&key).map_err(HomeError::Disk)? {
                return Ok(delegation);
            }
        }
        let newest = self.newest_delegation()?;
        // Keys of a later one were requested, or its file is gone: then nobody here knows who signed the
        // ledger.
        if self.later_keys(newest.number)?.is_some()
            && let Err(missing @ Error::DelegationMissing(_)) = self.log()
        {
            return Err(missing);
        }
        Ok(newest)
    }

    /// Why the ledger does not open: maybe because the delegation of the keys that signed it is gone.
    pub(crate) fn unopened(&self, error: LedgerError) -> Error {
        let unsigned = CheckpointError::Note(NoteError::Unsigned);
        let newest = self.delegations().ok();
        let newest = newest.map(|all| all.last().map_or(0, |newest| newest.number));
        match (error, newest) {
            // Where there is no delegation at all, no key is known by which it could be unsigned.
            (LedgerError::Checkpoint(why), Some(newest)) if newest == 0 || why == unsigned => {
                match self.later_keys(newest) {
                    Ok(Some(number)) => self.missing_delegation(number),
                    _ => Error::Ledger(LedgerError::Checkpoint(why)),
                }
            }
            (error, _) => Error::Ledger(error),
        }
    }

    /// The highest number behind `number` of which there is a key that signs checkpoints.
    fn later_keys(&self, number: u64) -> Result<Option<u64>, Error> {
        let names = self.disk().list(KEYS).map_err(HomeError::Disk)?;
        let numbers = names.iter().filter_map(|name| {
            let (kind, number) = name.rsplit_once('-')?;
            let number = number.parse::<u64>().ok();
            number.filter(|_| kind == CHECKPOINTS)
        });
        Ok(numbers.filter(|found| *found > number).max())
    }

    fn missing_delegation(&self, number: u64) -> Error {
        let path = format!("roster/{DELEGATION}{number}");
        Error::DelegationMissing(self.disk().root().join(path))
    }

    /// The newest delegation that was made for this node, whether or not it has its keys.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::DelegationMissing`].
    pub fn newest_delegation(&self) -> Result<Delegation, Error> {
        match (self.delegations()?.pop(), self.later_keys(0)?) {
            (Some(newest), _) => Ok(newest),
            (None, Some(number)) => Err(self.missing_delegation(number)),
            (None, None) => Err(Error::Damaged(self.disk().root().join("roster"))),
        }
    }

    /// How it stands with the delegation that this node uses.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn standing(&self, own: &Delegation) -> Result<Standing, Error> {
        let delegations = self.delegations()?;
        let revoking = delegations.iter().find(|one| one.first_valid > own.number);
        let newer = delegations.last().filter(|last| last.number > own.number);
        Ok(match (revoking, newer) {
            (Some(revoking), _) => Standing::Revoked(revoking.number),
            (None, Some(newer)) => Standing::Superseded(newer.number),
            (None, None) if own.number < self.log()?.0.least_number() => Standing::Restored,
            (None, None) => Standing::Newest,
        })
    }

    /// Keeps a delegation of this member that was made after the backup: its keys are lost, but what
    /// they signed is known by them, and its number is not given out again.
    pub(crate) fn keep_lost_delegation(&self, file: &Path) -> Result<(), Error> {
        let delegation = Delegation::read(&files::read(file, MAX_NOTE)?)
            .map_err(|error| Error::Delegation(file.to_owned(), error))?;
        match self.lack(&delegation)? {
            Lack::Another => return Err(Error::AnothersDelegation(file.to_owned())),
            Lack::Known => {}
            Lack::Unknown => {
                let published = self.disk().publish(&path(&delegation), |file| {
                    file.write_all(delegation.to_string().as_bytes())
                });
                published.map_err(HomeError::Disk)?;
            }
        }
        Ok(())
    }

    /// Whether a delegation is of this node's identity, and here already.
    fn lack(&self, delegation: &Delegation) -> Result<Lack, Error> {
        let own = self.delegations()?;
        let ours = |own: &Delegation| {
            (&own.consortium, &own.member, own.identity)
                == (
                    &delegation.consortium,
                    &delegation.member,
                    delegation.identity,
                )
        };
        let twin = own.iter().find(|own| own.number == delegation.number);
        Ok(match twin {
            _ if !own.last().is_some_and(ours) => Lack::Another,
            Some(twin) if twin.digest() != delegation.digest() => Lack::Another,
            Some(_) => Lack::Known,
            None => Lack::Unknown,
        })
    }

    /// The key that signs this node's checkpoints, from the keys of its home.
    pub(crate) fn checkpoint_key(&self, keys: &NamedKeys) -> Result<SigningKey, Error> {
        signing_key(keys, &self.delegation()?)
    }
}

impl Node {
    /// The keys that a delegation of this node names: the seed of that for TLS, and those that sign
    /// receipts and checkpoints.
    pub(crate) fn signing_keys(&self, delegation: &Delegation) -> Result<SigningKeys, Error> {
        let keys = self.home().named_keys();
        let receipts = SigningKey::from_bytes(&*node_key(&keys, delegation, RECEIPTS)?);
        let tls = node_key(&keys, delegation, TLS)?;
        let checkpoints = signing_key(&keys, delegation)?;
        // What is moved leaves a copy behind, so from here on they stay where they are.
        Ok((tls, Arc::new(receipts), Arc::new(checkpoints)))
    }

    /// Loads every key by name of the home and every one that has to be there, and holds those that the
    /// delegation in use and the card name against these; gives their number, and an error for each
    /// that cannot be used.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn check_keys(&self) -> Result<(usize, Vec<Error>), Error> {
        let keys = self.home().named_keys();
        let mut others = self.key_names()?;
        others.retain(|name| name != HPKE);
        let mut count = 1;
        let mut refused: Vec<_> = self.check_card_key().err().into_iter().collect();
        match self.delegation() {
            Ok(own) => {
                others.retain(|name| {
                    NODE_KEYS
                        .iter()
                        .all(|kind| *name != node_key_name(kind, own.number))
                });
                count += NODE_KEYS.len();
                let named = NODE_KEYS.iter();
                refused.extend(named.filter_map(|kind| node_key(&keys, &own, kind).err()));
            }
            Err(error) => refused.push(error),
        }
        count += others.len();
        for name in others {
            if let Err(error) = keys.load(&name) {
                refused.push(Error::Key(name, error));
            }
        }
        Ok((count, refused))
    }

    /// Node keys that belong to no delegation in force: those that are to be destroyed, and the
    /// number of the delegation that was requested and is not here yet.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn idle_keys(&self) -> Result<(Vec<String>, Option<u64>), Error> {
        let idle = self.idle(&self.log()?.0)?;
        Ok((idle.stale, idle.requested))
    }

    fn idle(&self, log: &Log) -> Result<IdleKeys, Error> {
        let next = self.newest_delegation()?.next_number(log.least_number());
        Ok(node_keys(
            &self.key_names()?,
            self.delegation()?.number,
            next,
        ))
    }

    pub(crate) fn key_names(&self) -> Result<Vec<String>, Error> {
        let names = self.home().named_keys().names();
        names.map_err(|error| Error::Key(String::new(), error))
    }

    /// Destroys the node keys of delegations that are not in force, once the one that is stands in
    /// the ledger.
    pub(crate) fn destroy_stale_keys(&self, log: &Log) -> Result<(), Error> {
        let mut stale = self.idle(log)?.stale;
        let names = self.key_names()?.into_iter();
        stale.extend(names.filter(|name| name.starts_with(UNRECORDED)));
        self.destroy_keys(&stale)
    }

    pub(crate) fn destroy_keys(&self, names: &[String]) -> Result<(), Error> {
        let keys = self.home().named_keys();
        for name in names {
            match keys.destroy(name) {
                Ok(()) | Err(KeyError::Missing) => {}
                Err(error) => return Err(Error::Key(name.clone(), error)),
            }
        }
        Ok(())
    }

    /// Makes new node keys, delegates to them for `days` days and destroys the keys before. Where
    /// `revoke`, delegations before this one count no more for anybody.
    ///
    /// Without the ledger, because the key that signs its checkpoints is lost
    /// ([`is_checkpoint_key_lost`](Self::is_checkpoint_key_lost)), it is opened with the new one.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`], [`Error::OtherIdentity`], those of reading and writing.
    pub fn rotate(
        &self,
        ledger: Option<&Ledger>,
        offline: Offline<'_>,
        days: u8,
        revoke: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Delegation, Error> {
        let identity = self.identity(offline)?;
        let request = self.request_delegation(days, revoke, rng)?;
        let delegation = Delegation::sign(request.as_bytes(), &identity).map_err(Error::OwnCard)?;
        self.adopt(ledger, &delegation)?;
        Ok(delegation)
    }

    /// Makes new node keys and the request for a delegation to them, which nothing uses until it is
    /// signed and adopted. An earlier request counts no more.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`] where the clock is behind; those of reading and writing.
    pub fn request_delegation(
        &self,
        days: u8,
        revoke: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<String, Error> {
        let now = self.now();
        let in_force = (now, now + u64::from(days) * 86_400);
        let last = self.newest_delegation()?;
        let (log, _) = self.log()?;
        check_clock(&log, now)?;
        self.check_newest(&log)?;
        // After a restore it is above all that the lost home may have given out (`spec/41 §6.2`).
        let number = last.next_number(log.least_number());
        let idle = node_keys(&self.key_names()?, last.number, number);
        self.destroy_keys(&idle.newer)?;
        let secrets = NodeSecrets::generate(rng);
        let terms = last.succeed(number, secrets.public(), in_force, revoke);
        secrets.request(&self.home().named_keys(), &terms)
    }

    /// Works from now on with the keys of the delegation in `file`, and destroys those before; where
    /// it does so already, nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Delegation`] where it is none, [`Error::OtherDelegation`] where it is not the one
    /// that this node requested last, those of reading and writing.
    pub fn adopt_delegation(
        &self,
        ledger: Option<&Ledger>,
        file: &Path,
    ) -> Result<Delegation, Error> {
        let delegation = Delegation::read(&files::read(file, MAX_NOTE)?)
            .map_err(|error| Error::Delegation(file.to_owned(), error))?;
        let last = self.newest_delegation()?;
        if delegation == last {
            return Ok(last);
        }
        let keys = self.home().named_keys();
        let number = delegation.number;
        let (log, _) = self.log()?;
        let requested = last.next_number(log.least_number()) == number
            && delegation.member == last.member
            && delegation.consortium == last.consortium
            && delegation.identity == last.identity
            && signing_key(&keys, &delegation).is_ok();
        if !requested {
            return Err(Error::OtherDelegation(file.to_owned()));
        }
        self.adopt(ledger, &delegation)?;
        Ok(delegation)
    }

    /// Whether the key that signs checkpoints is damaged or gone, so that the ledger takes no record
    /// before there are new node keys.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn is_checkpoint_key_lost(&self) -> Result<bool, Error> {
        match self.checkpoint_key(&self.home().named_keys()) {
            Err(Error::Key(_, KeyError::Missing | KeyError::Damaged | KeyError::Foreign)) => {
                Ok(true)
            }
            key => key.map(|_| false),
        }
    }

    /// Keeps a delegation of this node that a peer has and that was lost with the home that this one was
    /// restored from, and records it: what its keys signed is known by them. Of any other one nothing is
    /// kept. Says whether it was lost.
    pub(crate) fn keep_given_back(&self, ledger: &Ledger, given: &[u8]) -> Result<bool, Error> {
        // What is none is a fault of the peer's, and changes nothing.
        let Ok(delegation) = Delegation::read(given) else {
            return Ok(false);
        };
        let lost = delegation.number < ledger.log().least_number();
        if !lost || self.lack(&delegation)? != Lack::Unknown {
            return Ok(false);
        }
        keep(self.home(), &delegation)?;
        ledger.append(vec![delegated(&delegation)?])?;
        Ok(true)
    }

    fn adopt(&self, ledger: Option<&Ledger>, delegation: &Delegation) -> Result<(), Error> {
        let keys = self.home().named_keys();
        let checkpoints = signing_key(&keys, delegation)?;
        match ledger {
            Some(ledger) => self.check_newest(&ledger.log())?,
            None => {
                // What else is wrong with it has to be known before anything changes.
                let (log, ..) = self.verify_ledger()?;
                check_clock(&log, self.now())?;
                self.check_newest(&log)?;
            }
        }
        let before = checkpoint_key_name(self.newest_delegation()?.number);
        if !self.key_names()?.contains(&before) {
            let name = unrecorded_name(delegation.number);
            let noted = keys.store(&name, b"yes\n");
            noted.map_err(|error| Error::Key(name, error))?;
        }
        keep(self.home(), delegation)?;
        let own = vec![delegated(delegation)?];
        let opened;
        let ledger = match ledger {
            Some(ledger) => {
                ledger.replace_key(checkpoints)?;
                ledger
            }
            // From here on it is opened with the key of this delegation, which the identity signed.
            None => {
                (opened, _) = Ledger::open(self.home().disk(), settings(self, &keys)?)?;
                &opened
            }
        };
        ledger.append(own)?;
        // Not before: that they are still here says that a record is missing and no more.
        self.destroy_stale_keys(&ledger.log())?;
        Ok(())
    }
}

/// How it stands with the delegation that a node uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No newer one is known here.
    Newest,
    /// That of this number revokes it.
    Revoked(u64),
    /// That of this number is newer, and its keys are lost.
    Superseded(u64),
    /// It is of before a restore: newer ones may have been made that nobody here knows of.
    Restored,
}

/// How a delegation stands to those that are here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// It is of another member or identity, or one of two with its number.
    Another,
    /// It is here.
    Known,
    /// It is not.
    Unknown,
}

/// The node keys of a home that are not those of the delegation in force.
struct IdleKeys {
    /// Those of earlier delegations, and those that were made in part: they are to be destroyed.
    stale: Vec<String>,
    /// The number of the next delegation, where all keys for it are here: it was requested.
    requested: Option<u64>,
    /// All of later numbers.
    newer: Vec<String>,
}

/// Which of these keys stand idle while the delegation of one number is in force, and that of another
/// is the next.
fn node_keys(names: &[String], in_force: u64, next: u64) -> IdleKeys {
    let number = |name: &str| {
        let (kind, number) = name.rsplit_once('-')?;
        let number = number.parse::<u64>().ok()?;
        NODE_KEYS.contains(&kind).then_some(number)
    };
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let names = names.iter();
        let names = names.filter(|name| number(name).is_some_and(wanted));
        names.cloned().collect::<Vec<_>>()
    };
    let requested = (of(&|number| number == next).len() == NODE_KEYS.len()).then_some(next);
    IdleKeys {
        stale: of(&|number| number != in_force && Some(number) != requested),
        requested,
        newer: of(&|number| number > in_force),
    }
}

/// The name of the key that signs checkpoints under the delegation of this number.
pub(crate) fn checkpoint_key_name(number: u64) -> String {
    node_key_name(CHECKPOINTS, number)
}

fn node_key_name(kind: &str, number: u64) -> String {
    format!("{kind}-{number}")
}

/// What stands among the keys while the delegation of this number is not recorded.
pub(crate) fn unrecorded_name(number: u64) -> String {
    format!("{UNRECORDED}{number}")
}

/// The seed of the key for TLS, and the keys that sign receipts and checkpoints.
pub(crate) type SigningKeys = (Zeroizing<[u8; 32]>, Arc<SigningKey>, Arc<SigningKey>);

/// The secret halves of the node keys.
struct NodeSecrets {
    tls: SigningKey,
    receipts: SigningKey,
    checkpoints: SigningKey,
    hpke: (Zeroizing<[u8; 32]>, [u8; 32]),
}

impl NodeSecrets {
    fn generate(rng: &mut impl CryptoRng) -> Self {
        Self {
            tls: generate(rng),
            receipts: generate(rng),
            checkpoints: generate(rng),
            hpke: generate_recipient(rng),
        }
    }

    /// Keeps the keys, and asks for a delegation to them.
    fn request(&self, keys: &NamedKeys, terms: &Terms) -> Result<String, Error> {
        let Self {
            tls,
            receipts,
            checkpoints,
            hpke: (hpke, _),
        } = self;
        let seeds = [
            tls.as_bytes(),
            receipts.as_bytes(),
            checkpoints.as_bytes(),
            &**hpke,
        ];
        for (name, seed) in NODE_KEYS.into_iter().zip(seeds) {
            store(keys, &node_key_name(name, terms.number), seed)?;
        }
        terms.request(receipts, checkpoints).map_err(Error::OwnCard)
    }

    fn public(&self) -> NodeKeys {
        NodeKeys {
            tls: ed25519_spki(&self.tls.verifying_key()),
            receipts: self.receipts.verifying_key(),
            checkpoints: self.checkpoints.verifying_key(),
            hpke: HpkeKey(self.hpke.1),
        }
    }
}

/// Keeps a delegation: from then on it is the one that the node uses.
fn keep(home: &Home, delegation: &Delegation) -> Result<(), Error> {
    publish(home, &path(delegation), delegation.to_string().as_bytes())
}

fn path(delegation: &Delegation) -> String {
    format!("roster/{DELEGATION}{}", delegation.number)
}

/// The key that signs checkpoints under this delegation.
fn signing_key(keys: &NamedKeys, delegation: &Delegation) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_bytes(&*node_key(
        keys,
        delegation,
        CHECKPOINTS,
    )?))
}

/// The secret half of the node key of one kind under this delegation, if it is the one that the
/// delegation names: a checkpoint of another key would take the place of the ledger's last good one.
fn node_key(
    keys: &NamedKeys,
    delegation: &Delegation,
    kind: &str,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let name = node_key_name(kind, delegation.number);
    let secret = load(keys, &name)?;
    let signer = || SigningKey::from_bytes(&secret).verifying_key();
    let named = &delegation.keys;
    let is_named = match kind {
        TLS => ed25519_spki(&signer()) == named.tls,
        RECEIPTS => signer() == named.receipts,
        CHECKPOINTS => signer() == named.checkpoints,
        _ => recipient_of(&secret) == Some(named.hpke.0),
    };
    if is_named {
        Ok(secret)
    } else {
        Err(Error::Key(name, KeyError::Damaged))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use blindmatch_membership::Role;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_checkpoint_key_that_is_not_the_delegations_signs_nothing() {
        let place = tempfile::tempdir().unwrap();
        let who = config::Node {
            member: "acme".parse().unwrap(),
            role: Role::Provider,
            consortium: "cloudshield".parse().unwrap(),
            address: "acme.example:7443".parse().unwrap(),
        };
        let node = crate::init::init(&place.path().join("acme"), &who).unwrap();
        let keys = node.home().named_keys();
        let checkpoint = || node.disk().read("ledger/checkpoint", MAX_NOTE).unwrap();
        let before = checkpoint();
        let own = load(&keys, "checkpoints-1").unwrap();
        let other = generate(&mut StdRng::seed_from_u64(1));
        store(&keys, "checkpoints-1", other.as_bytes()).unwrap();
        let refused =
            |error| matches!(error, Error::Key(name, KeyError::Damaged) if name == "checkpoints-1");
        assert!(refused(node.ledger().err().unwrap()));
        let (count, errors) = node.check_keys().unwrap();
        assert_eq!((count, errors.len()), (6, 1));
        assert!(errors.into_iter().all(refused));
        assert_eq!(checkpoint(), before);
        store(&keys, "checkpoints-1", &own).unwrap();
        node.ledger().unwrap();
        assert!(node.check_keys().unwrap().1.is_empty());
    }
}
