//! Who a node is: the identity that the roster names, and its card.
//!
//! The identity key belongs offline. While it is in the home it is used from there; once it was
//! exported and removed, whoever signs names the file ([`Offline`]), or signs on another machine
//! ([`node_keys`]).

use std::io::ErrorKind;
use std::path::Path;

use blindmatch_audit::{SigningKey, VerifyingKey};
use blindmatch_membership::{Card, HpkeKey, Member};
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::{KeyError, NamedKeys};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::config;
use crate::error::Error;
use crate::exported::{Exported, Kind};
use crate::node::{Node, NodeFiles, publish};
use crate::payment::wrapped::{generate_recipient, recipient_of};
use crate::{files, node_keys};

/// The exported identity key, where it is no longer in the home.
pub type Offline<'a> = Option<&'a Path>;

const CARD: &str = "roster/card";
/// A card or delegation is a note of a dozen lines.
const MAX_NOTE: u64 = 1 << 14;

const IDENTITY: &str = "identity";
pub(crate) const HPKE: &str = "hpke";
/// Stands beside the keys once the storage key was exported.
const STORAGE_EXPORTED: &str = "storage-exported";
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
    node_keys::found(home, who, &identity, rng)
}

impl NodeFiles {
    /// The card as it was signed last.
    ///
    /// # Errors
    ///
    /// [`Error::OwnCardLost`].
    pub fn card(&self) -> Result<Card, Error> {
        let lost = || Error::OwnCardLost(self.disk().root().join(CARD));
        let bytes = match self.disk().read(CARD, MAX_NOTE) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => {
                return Err(lost());
            }
            bytes => bytes.map_err(HomeError::Disk)?,
        };
        Card::read(&bytes).map_err(|_| lost())
    }

    /// Whether the card says what is configured.
    ///
    /// # Errors
    ///
    /// [`Error::OwnCardLost`].
    pub fn card_is_current(&self) -> Result<bool, Error> {
        let card = self.card()?;
        let member = card.member();
        Ok(*member == self.configured_member(member.identity, member.hpke))
    }

    fn configured_member(&self, identity: VerifyingKey, hpke: HpkeKey) -> Member {
        let config::Node {
            member: name,
            role,
            address,
            ..
        } = &self.config().node;
        Member {
            name: name.clone(),
            role: *role,
            witness: false,
            address: address.clone(),
            identity,
            hpke,
        }
    }
}

impl Node {
    /// Signs the card anew, with what is configured now and the keys of this node; also where it is
    /// damaged or gone.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`], [`Error::OtherIdentity`], those of reading and writing.
    pub fn sign_card(&self, offline: Offline<'_>) -> Result<Card, Error> {
        let public = recipient_of(&*self.hpke_secret()?);
        let public = public.ok_or_else(|| Error::Key(HPKE.to_owned(), KeyError::Damaged))?;
        let card = self.configured_card(&self.identity(offline)?, public)?;
        self.publish(CARD, card.to_string().as_bytes())?;
        Ok(card)
    }

    fn configured_card(&self, identity: &SigningKey, hpke: [u8; 32]) -> Result<Card, Error> {
        let member = self.configured_member(identity.verifying_key(), HpkeKey(hpke));
        Card::sign(&member, identity).map_err(Error::OwnCard)
    }

    /// Makes a new key to which others seal what is for this member, in place of the one in the home,
    /// and signs the card with it. What was sealed to the one before opens no more.
    ///
    /// # Errors
    ///
    /// As [`sign_card`](Self::sign_card).
    pub fn renew_card_key(
        &self,
        offline: Offline<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Card, Error> {
        let (secret, public) = generate_recipient(rng);
        let card = self.configured_card(&self.identity(offline)?, public)?;
        store(&self.home().named_keys(), HPKE, &secret)?;
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
        let own = match self.card() {
            // Every delegation names it too.
            Err(Error::OwnCardLost(_)) => self.newest_delegation()?.identity,
            card => card?.member().identity,
        };
        if key.verifying_key() == own {
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

    /// Writes the identity key or the storage key to the file `to`, to be kept elsewhere. Where
    /// that file holds it already, also when it is in the home no more, nothing is written: so the
    /// same command, said again, ends what was cut short.
    ///
    /// # Errors
    ///
    /// [`Error::IdentityOffline`], [`Error::File`].
    pub fn export_to(&self, kind: Kind, to: &Path) -> Result<(), Error> {
        let kept = Exported::read(kind, to).ok();
        let is_ours = |kept: &Exported| match kind {
            Kind::Storage => *kept.key() == *self.home().storage_key().export(),
            Kind::Identity => self.identity(Some(to)).is_ok(),
        };
        if kept.is_some_and(|kept| is_ours(&kept)) {
            return Ok(());
        }
        files::write_secret(to, &self.export(kind)?.to_text())
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
        self.destroy_keys(&[IDENTITY.to_owned()])
    }

    /// Checks the key of the card: that it is there, and, where the card reads, the one that it names.
    pub(crate) fn check_card_key(&self) -> Result<(), Error> {
        let public = recipient_of(&*self.hpke_secret()?);
        match self.card() {
            Ok(card) if public != Some(card.member().hpke.0) => {
                Err(Error::Key(HPKE.to_owned(), KeyError::Damaged))
            }
            _ => Ok(()),
        }
    }

    /// What is sealed to this member is opened with this.
    pub(crate) fn hpke_secret(&self) -> Result<Zeroizing<[u8; 32]>, Error> {
        load(&self.home().named_keys(), HPKE)
    }
}

pub(crate) fn generate(rng: &mut impl CryptoRng) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    SigningKey::from_bytes(&seed)
}

pub(crate) fn store(keys: &NamedKeys, name: &str, key: &[u8; 32]) -> Result<(), Error> {
    keys.store(name, key)
        .map_err(|error| Error::Key(name.to_owned(), error))
}

pub(crate) fn load(keys: &NamedKeys, name: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let failed = |error| Error::Key(name.to_owned(), error);
    let bytes = keys.load(name).map_err(failed)?;
    let key = <[u8; 32]>::try_from(bytes.as_slice());
    key.map(Zeroizing::new)
        .map_err(|_| failed(KeyError::Foreign))
}
