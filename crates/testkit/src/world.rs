//! A consortium of two with one view between them, all of it from a seed.

use std::sync::Arc;

use blindmatch_audit::{VerifyingKey, receipt::Input};
use blindmatch_oprf::{SecretKey, additive::AuthenticatedKey};
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Role},
    lookup::{Connection, Item, Querier, Responder, Terms},
    session::{KeyId, Record, Session, State, UnixSeconds},
    stop::Fault,
};
use ed25519_dalek::SigningKey;
use rand::Rng;

use crate::{Clock, Host, Keyring, Pumped, link::Link, pump, scripted};

/// The id of the view's key.
pub const VIEW_KEY: KeyId = KeyId([1; 32]);
/// The id under which either side signs.
pub const SIGNER: KeyId = KeyId([2; 32]);
/// When it all happens.
pub const NOW: u64 = 1_800_000_000;

/// Everything about one lookup run but its sessions.
pub struct World {
    /// What was agreed, in one direction.
    pub agreement: Agreement,
    /// The view's key as the querier accepted it.
    pub view_key: Arc<AuthenticatedKey>,
    /// The key that the querier signs with.
    pub querier_key: VerifyingKey,
    /// The key that the responder signs with.
    pub responder_key: VerifyingKey,
    /// The querier's side.
    pub querier: Host,
    /// The responder's side.
    pub responder: Host,
    /// The time, an hour before the view's key expires.
    pub clock: Clock,
    seed: u64,
}

impl World {
    /// The world of a seed, in which the querier asks for a class of `class` items.
    #[must_use]
    pub fn new(seed: u64, class: u64) -> Self {
        let mut rng = scripted(seed);
        let mut random = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let signing = [random(), random()].map(|secret| SigningKey::from_bytes(&secret));
        let [querier_key, responder_key] = signing.each_ref().map(SigningKey::verifying_key);
        let parties = [&b"alpha"[..], &b"beta"[..]].map(|identity| Party {
            identity: identity.to_vec(),
            nonce: random(),
        });
        let input = |commitment, class| Input { commitment, class };
        let direction = Direction {
            querier: Role::First,
            view: b"abuse/ip/fraud".to_vec(),
            indicator_type: b"ip".to_vec(),
            canonicalisation: 1,
            purpose: b"fraud".to_vec(),
            querier_input: input(random(), class),
            responder_input: input(random(), 1024),
            payment_key: Vec::new(),
            setup: [0; 32],
        };
        let secret = SecretKey::random(&mut rng);
        let view_key = Arc::new(AuthenticatedKey::vouch(secret.public_key().clone()));
        let [mut querier, mut responder] = [1, 2]
            .map(|side| Host::new(Keyring::default(), seed.wrapping_mul(2).wrapping_add(side)));
        let [querier_signs, responder_signs] = signing;
        querier.keys.insert_signing(SIGNER, querier_signs);
        responder.keys.insert_signing(SIGNER, responder_signs);
        responder.keys.insert_evaluation(VIEW_KEY, secret);
        Self {
            agreement: Agreement {
                consortium: b"testing".to_vec(),
                roster: 1,
                protocol: Protocol::Lookup,
                parties,
                directions: vec![direction],
            },
            view_key,
            querier_key,
            responder_key,
            querier,
            responder,
            clock: Clock::at(NOW),
            seed,
        }
    }

    /// The terms of the run.
    ///
    /// # Panics
    ///
    /// Where the class of the world is none.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms::new(
            &self.agreement,
            &self.agreement.directions[0],
            UnixSeconds(NOW + 3600),
        )
        .expect("the class is one")
    }

    /// The querier's end of connection number `number`.
    #[must_use]
    pub const fn querier_connection(&self, number: u8) -> Connection {
        Connection {
            exporter: [number; 32],
            signer: SIGNER,
            peer: self.responder_key,
        }
    }

    /// The responder's end of connection number `number`.
    #[must_use]
    pub const fn responder_connection(&self, number: u8) -> Connection {
        Connection {
            exporter: [number; 32],
            signer: SIGNER,
            peer: self.querier_key,
        }
    }

    /// The querier's session on connection number `number`, with all that it has stored.
    ///
    /// # Errors
    ///
    /// As [`Querier::new`].
    pub fn querier_session(
        &self,
        number: u8,
        items: Vec<Item>,
    ) -> Result<Querier<Vec<Item>>, Fault> {
        Querier::new(
            self.terms(),
            self.querier_connection(number),
            Arc::clone(&self.view_key),
            items,
            self.querier.journal.iter().cloned(),
        )
    }

    /// The responder's session on connection number `number`, with all that it has stored.
    ///
    /// # Errors
    ///
    /// As [`Responder::new`].
    pub fn responder_session(&self, number: u8) -> Result<Responder, Fault> {
        let records = self.responder.journal.iter().cloned();
        Responder::new(
            self.terms(),
            self.responder_connection(number),
            VIEW_KEY,
            records,
        )
    }

    /// Runs two sessions of this world over a link.
    pub fn pump(
        &mut self,
        querier: &mut dyn Session,
        responder: &mut dyn Session,
        link: &mut dyn Link,
    ) -> Pumped {
        pump(
            (querier, &mut self.querier),
            (responder, &mut self.responder),
            link,
            &self.clock,
        )
    }

    /// The states among records, for a lookup.
    pub fn states(records: &[Record]) -> impl Iterator<Item = &State> {
        records.iter().filter_map(|record| match record {
            Record::State(state) => Some(state),
            Record::Debit(_) | Record::Receipt(_) => None,
        })
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// Items of these texts.
pub fn items<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<Item> {
    let items = texts
        .into_iter()
        .map(|text| Item::new(text.as_ref().to_vec()));
    items.collect()
}
