//! Who a node is: the identity that the roster names, its card, and the node keys that it
//! delegates to.
//!
//! The identity key belongs offline. While it is in the home it is used from there; once it was
//! exported and removed, whoever signs names the file ([`Offline`]).

use std::path::Path;

use blindmatch_audit::SigningKey;
use blindmatch_membership::delegation::MAX_DELEGATION_LIFETIME;
use blindmatch_membership::{Card, Delegation, Digest, HpkeKey, Member, NodeKeys, Terms};
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::{KeyError, NamedKeys};
use blindmatch_store::ledger::Ledger;
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::clock;
use crate::config;
use crate::error::Error;
use crate::exported::{Exported, Kind};
use crate::ledger::delegated;
use crate::node::{Node, NodeFiles, publish};
use crate::payment::wrapped::generate_recipient;

/// The exported identity key, where it is no longer in the home.
pub type Offline<'a> = Option<&'a Path>;

const CARD: &str = "roster/card";
const DELEGATION: &str = "delegation-";
/// A card or delegation is a note of a dozen lines.
const MAX_NOTE: u64 = 1 << 14;

const IDENTITY: &str = "identity";
const HPKE: &str = "hpke";
/// Stands beside the keys once the storage key was exported.
const STORAGE_EXPORTED: &str = "storage-exported";
/// The node keys of one delegation, each with its number behind it.
const NODE_KEYS: [&str; 4] = ["tls", "receipts", "checkpoints", "node-hpke"];

/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Makes the keys, the card and the first delegation of a new node.
pub(crate) fn found(
    home: &Home,
    who: &config::Node,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let identity = generate(rng);
    let (secret, public) = generate_recipient(rng);
    let member = Member {
        name: who.member.clone(),
        role: who.role,
        witness: false,
        address: who.address.clone(),
        identity: identity.verifying_key(),
        hpke: HpkeKey(public),
    };
    let keys = home.named_keys();
    store(&keys, IDENTITY, identity.as_bytes())?;
    store(&keys, HPKE, &secret)?;
    let card = Card::sign(&member, &identity).map_err(Error::OwnCard)?;
    publish(home, CARD, card.to_string().as_bytes())?;
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
    delegate(home, &terms, &secrets, &identity)?;
    Ok(())
}

impl NodeFiles {
    /// The card as it was signed last.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn card(&self) -> Result<Card, Error> {
        let bytes = self.disk().read(CARD, MAX_NOTE).map_err(HomeError::Disk)?;
        Card::read(&bytes).map_err(|_| Error::Damaged(self.disk().root().join(CARD)))
    }

    /// Whether the card says what is configured.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn card_is_current(&self) -> Result<bool, Error> {
        let card = self.card()?;
        Ok(*card.member() == self.configured_member(card.member()))
    }

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

    /// The delegation that this node uses.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn delegation(&self) -> Result<Delegation, Error> {
        let newest = self.delegations()?.pop();
        newest.ok_or_else(|| Error::Damaged(self.disk().root().join("roster")))
    }

    /// The key that signs this node's checkpoints, from the keys of its home.
    pub(crate) fn checkpoint_key(&self, keys: &NamedKeys) -> Result<SigningKey, Error> {
        let [_, _, checkpoints, _] = NODE_KEYS;
        let name = format!("{checkpoints}-{}", self.delegation()?.number);
        let seed = load(keys, &name)?;
        Ok(SigningKey::from_bytes(&seed))
    }

    fn configured_member(&self, member: &Member) -> Member {
        let config::Node {
            member: name,
            role,
            address,
            ..
        } = &self.config().node;
        Member {
            name: name.clone(),
            role: *role,
            address: address.clone(),
            ..member.clone()
        }
    }
}

impl Node {
    /// Signs the card anew, with what is configured now.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`], [`Error::OtherIdentity`], those of reading and writing.
    pub fn sign_card(&self, offline: Offline<'_>) -> Result<Card, Error> {
        let member = self.configured_member(self.card()?.member());
        let card = Card::sign(&member, &self.identity(offline)?).map_err(Error::OwnCard)?;
        self.publish(CARD, card.to_string().as_bytes())?;
        Ok(card)
    }

    /// The identity key.
    pub(crate) fn identity(&self, offline: Offline<'_>) -> Result<SigningKey, Error> {
        let key = match offline {
            Some(path) => SigningKey::from_bytes(Exported::read(Kind::Identity, path)?.key()),
            None => match load(&self.home().named_keys(), IDENTITY) {
                Err(Error::Key(_, KeyError::Missing)) => return Err(Error::IdentityOffline),
                seed => SigningKey::from_bytes(&*seed?),
            },
        };
        if key.verifying_key() == self.card()?.member().identity {
            Ok(key)
        } else {
            Err(Error::OtherIdentity)
        }
    }

    /// Whether the identity key is in the home.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn has_identity(&self) -> Result<bool, Error> {
        match load(&self.home().named_keys(), IDENTITY) {
            Err(Error::Key(_, KeyError::Missing)) => Ok(false),
            seed => seed.map(|_| true),
        }
    }

    /// The identity key or the storage key, to be kept elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`].
    pub fn export(&self, kind: Kind) -> Result<Exported, Error> {
        let key = match kind {
            Kind::Storage => self.home().storage_key().export(),
            Kind::Identity => Zeroizing::new(self.identity(None)?.to_bytes()),
        };
        let config::Node {
            member, consortium, ..
        } = self.config().node.clone();
        Ok(Exported::new(kind, member, consortium, key))
    }

    /// Notes that the storage key is kept elsewhere, now that it is.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn storage_key_was_exported(&self) -> Result<(), Error> {
        let kept = self.home().named_keys().store(STORAGE_EXPORTED, b"yes\n");
        kept.map_err(|error| Error::Key(STORAGE_EXPORTED.to_owned(), error))
    }

    /// Whether the storage key was ever exported.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn is_storage_key_exported(&self) -> Result<bool, Error> {
        match self.home().named_keys().load(STORAGE_EXPORTED) {
            Ok(_) => Ok(true),
            Err(KeyError::Missing) => Ok(false),
            Err(error) => Err(Error::Key(STORAGE_EXPORTED.to_owned(), error)),
        }
    }

    /// Takes the identity key out of the home, once it is in the file `kept`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSecret`], [`Error::OtherIdentity`] where that file does not hold it.
    pub fn remove_identity(&self, kept: &Path) -> Result<(), Error> {
        self.identity(Some(kept))?;
        let removed = self.home().named_keys().destroy(IDENTITY);
        removed.map_err(|error| Error::Key(IDENTITY.to_owned(), error))
    }

    /// What is sealed to this member is opened with this.
    pub(crate) fn hpke_secret(&self) -> Result<Zeroizing<[u8; 32]>, Error> {
        load(&self.home().named_keys(), HPKE)
    }

    /// Makes new node keys, delegates to them for `days` days and destroys the keys before. Where
    /// `revoke`, delegations before this one count no more for anybody.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`], [`Error::OtherIdentity`], those of reading and writing.
    pub fn rotate(
        &self,
        ledger: &Ledger,
        offline: Offline<'_>,
        days: u8,
        revoke: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Delegation, Error> {
        let identity = self.identity(offline)?;
        let last = self.delegation()?;
        let now = clock::now();
        let in_force = (now, now + u64::from(days) * 86_400);
        let secrets = NodeSecrets::generate(rng);
        let terms = last.succeed(secrets.public(), in_force, revoke);
        let delegation = delegate(self.home(), &terms, &secrets, &identity)?;
        ledger.replace_key(secrets.checkpoints)?;
        ledger.append(vec![delegated(&delegation)?])?;
        let keys = self.home().named_keys();
        for name in NODE_KEYS {
            let name = format!("{name}-{}", last.number);
            match keys.destroy(&name) {
                Ok(()) | Err(KeyError::Missing) => {}
                Err(error) => return Err(Error::Key(name, error)),
            }
        }
        Ok(delegation)
    }
}

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

    fn public(&self) -> NodeKeys {
        let tls = self.tls.verifying_key();
        NodeKeys {
            tls: Digest::of(&[ED25519_SPKI.as_slice(), tls.as_bytes()].concat()),
            receipts: self.receipts.verifying_key(),
            checkpoints: self.checkpoints.verifying_key(),
            hpke: HpkeKey(self.hpke.1),
        }
    }
}

/// Keeps node keys, then the delegation that puts them to use.
fn delegate(
    home: &Home,
    terms: &Terms,
    secrets: &NodeSecrets,
    identity: &SigningKey,
) -> Result<Delegation, Error> {
    let request = terms.request(&secrets.receipts, &secrets.checkpoints);
    let delegation = Delegation::sign(request.map_err(Error::OwnCard)?.as_bytes(), identity)
        .map_err(Error::OwnCard)?;
    let keys = home.named_keys();
    let NodeSecrets {
        tls,
        receipts,
        checkpoints,
        hpke: (hpke, _),
    } = secrets;
    let seeds = [
        tls.as_bytes(),
        receipts.as_bytes(),
        checkpoints.as_bytes(),
        &**hpke,
    ];
    for (name, seed) in NODE_KEYS.into_iter().zip(seeds) {
        store(&keys, &format!("{name}-{}", terms.number), seed)?;
    }
    let path = format!("roster/{DELEGATION}{}", terms.number);
    publish(home, &path, delegation.to_string().as_bytes())?;
    Ok(delegation)
}

fn generate(rng: &mut impl CryptoRng) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    SigningKey::from_bytes(&seed)
}

fn store(keys: &NamedKeys, name: &str, key: &[u8; 32]) -> Result<(), Error> {
    keys.store(name, key)
        .map_err(|error| Error::Key(name.to_owned(), error))
}

fn load(keys: &NamedKeys, name: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let failed = |error| Error::Key(name.to_owned(), error);
    let bytes = keys.load(name).map_err(failed)?;
    let key = <[u8; 32]>::try_from(bytes.as_slice());
    key.map(Zeroizing::new)
        .map_err(|_| failed(KeyError::Foreign))
}
