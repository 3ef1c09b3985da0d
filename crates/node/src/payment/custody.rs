//! Making the payment key, passing it on, taking it.

use std::path::Path;

use blindmatch_audit::note::{KeyName, MAX_NOTE, Note, NoteKey};
use blindmatch_membership::{Member, Name, Role};
use blindmatch_store::keys::{KeyError, NamedKeys};
use rand::CryptoRng;

use super::wrapped::{Passage, WrappedKey};
use super::{PaymentKey, PaymentKeyId};
use crate::error::Error;
use crate::files;
use crate::identity::Offline;
use crate::node::Node;

const PAYMENT: &str = "payment";

/// The payment key among these.
pub(crate) fn payment_key(keys: &NamedKeys) -> Result<Option<PaymentKey>, Error> {
    let failed = |error| Error::Key(PAYMENT.to_owned(), error);
    match keys.load(PAYMENT) {
        Err(KeyError::Missing) => Ok(None),
        bytes => PaymentKey::from_bytes(&bytes.map_err(failed)?)
            .map(Some)
            .ok_or_else(|| failed(KeyError::Foreign)),
    }
}

impl Node {
    /// The payment key, where this node has one: then it takes whole card numbers and refuses
    /// their weak forms.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn payment_key(&self) -> Result<Option<PaymentKey>, Error> {
        payment_key(&self.home().named_keys())
    }

    /// Makes the consortium's payment key, and says whether it did: where there is one and it is not to
    /// be replaced, that stays.
    ///
    /// # Errors
    ///
    /// [`Error::Liaison`], those of reading and writing.
    pub fn new_payment_key(
        &self,
        replace: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<(PaymentKeyId, bool), Error> {
        let key = PaymentKey::generate(rng);
        match self.keep_payment_key(&key, replace) {
            Ok(()) => Ok((key.id(), true)),
            Err(Error::PaymentKeyExists(id)) => Ok((id, false)),
            Err(error) => Err(error),
        }
    }

    /// Wraps the payment key for the member `to` in a new file, signed with the identity key.
    ///
    /// # Errors
    ///
    /// [`Error::NoPaymentKey`], [`Error::NoRoster`], [`Error::NoMember`], those of reading and
    /// writing.
    pub fn wrap_payment_key(
        &self,
        to: &Name,
        file: &Path,
        offline: Offline<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<PaymentKeyId, Error> {
        let key = self.payment_key()?.ok_or(Error::NoPaymentKey)?;
        let recipient = self.provider(to)?;
        let own = &self.config().node;
        let passage = Passage {
            consortium: own.consortium.to_string(),
            from: own.member.to_string(),
            to: to.to_string(),
            id: key.id(),
        };
        let refused = |error| Error::PaymentKeyRefused(file.to_owned(), error);
        let wrapped = WrappedKey::wrap(&key, passage, &recipient.hpke.0, rng).map_err(refused)?;
        let signature = |error| Error::PaymentKeySignature(file.to_owned(), error);
        let mut note = Note::new(&wrapped.text()).map_err(signature)?;
        let name = KeyName::new(own.member.as_str()).map_err(signature)?;
        note.sign(&name, &self.identity(offline)?);
        files::write_new(file, note.to_string().as_bytes())?;
        Ok(key.id())
    }

    /// Takes the payment key that the member `from` wrapped for this one.
    ///
    /// # Errors
    ///
    /// [`Error::PaymentKeySignature`] where `from` did not sign it, [`Error::PaymentKeyRefused`],
    /// [`Error::PaymentKeyElsewhere`], [`Error::PaymentKeyExists`], [`Error::NoRoster`],
    /// [`Error::NoMember`].
    pub fn install_payment_key(
        &self,
        from: &Name,
        file: &Path,
        replace: bool,
    ) -> Result<PaymentKeyId, Error> {
        let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
        let bytes = files::read(file, limit)?;
        let signature = |error| Error::PaymentKeySignature(file.to_owned(), error);
        let note = Note::parse(&bytes).map_err(signature)?;
        let refused = |error| Error::PaymentKeyRefused(file.to_owned(), error);
        // Any other note is not one that nobody signed.
        let wrapped = WrappedKey::parse(note.text()).map_err(refused)?;
        let custodian = self.provider(from)?;
        let name = KeyName::new(from.as_str()).map_err(signature)?;
        note.verify(&[NoteKey::new(name, custodian.identity)])
            .map_err(signature)?;
        let own = &self.config().node;
        let passage = &wrapped.passage;
        if passage.consortium != own.consortium.as_str()
            || passage.to != own.member.as_str()
            || passage.from != from.as_str()
        {
            return Err(Error::PaymentKeyElsewhere(file.to_owned(), passage.clone()));
        }
        let key = wrapped.open(&*self.hpke_secret()?).map_err(refused)?;
        self.keep_payment_key(&key, replace)?;
        Ok(key.id())
    }

    fn keep_payment_key(&self, key: &PaymentKey, replace: bool) -> Result<(), Error> {
        if self.config().node.role == Role::Liaison {
            return Err(Error::Liaison);
        }
        match self.payment_key() {
            // What is damaged is no key, but whoever replaces it says so.
            Err(Error::Key(_, KeyError::Damaged)) if replace => {}
            Err(error) => return Err(error),
            Ok(Some(held)) if held.id() == key.id() => return Ok(()),
            Ok(Some(held)) if !replace => return Err(Error::PaymentKeyExists(held.id())),
            Ok(_) => {}
        }
        let kept = self.home().named_keys().store(PAYMENT, key.as_bytes());
        kept.map_err(|error| Error::Key(PAYMENT.to_owned(), error))
    }

    /// A member of the roster in force that matches card numbers.
    fn provider(&self, name: &Name) -> Result<Member, Error> {
        let roster = self.roster()?;
        let member = roster.members.get(name);
        let member = member.ok_or_else(|| Error::NoMember(name.clone()))?;
        if member.role == Role::Liaison {
            return Err(Error::Liaison);
        }
        Ok(member.clone())
    }
}
