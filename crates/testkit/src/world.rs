//! A consortium of two with one view between them, all of it from a seed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use blindmatch_audit::{VerifyingKey, receipt::Input};
use blindmatch_oprf::{SecretKey, additive::AuthenticatedKey, voprf};
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Role},
    conformance::Labelled,
    lookup::{Connection, Item, Querier, Responder, Terms, view_input},
    publication::{
        Domain, DummySeed, Epoch, FirstPublication, InMemory, Manifest, Publication,
        SMALLEST_WORKING_SET,
    },
    session::{KeyId, Record, Session, State, UnixSeconds},
    stop::Fault,
};
use ed25519_dalek::SigningKey;
use rand::Rng;

use crate::{Clock, Host, Keyring, Pumped, Scripted, link::Link, pump, scripted};

/// The id of the view's key.
pub const VIEW_KEY: KeyId = KeyId([1; 32]);
/// The id under which either side signs.
pub const SIGNER: KeyId = KeyId([2; 32]);
/// When it all happens.
pub const NOW: u64 = 1_800_000_000;
/// The most that may be asked of the view in its epoch.
pub const QUERIES: u64 = 1 << 23;

/// Everything about one lookup run but its sessions.
pub struct World {
    /// What was agreed, in one direction.
    pub agreement: Agreement,
    /// What describes the view.
    pub manifest: Manifest,
    /// The view's file, as the querier has it.
    pub file: Vec<u8>,
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
    /// The world of a seed, in which the querier asks for a class of `class` items and the
    /// responder serves nothing.
    #[must_use]
    pub fn new(seed: u64, class: u64) -> Self {
        // Attackers need thousands of these worlds, and their publication takes the most time.
        static EMPTY: Mutex<BTreeMap<u64, (Manifest, Vec<u8>)>> = Mutex::new(BTreeMap::new());
        let mut rng = scripted(seed);
        let secret = SecretKey::random(&mut rng);
        let mut empty = EMPTY.lock().expect("nobody panics while holding it");
        let (manifest, file) = empty
            .entry(seed)
            .or_insert_with(|| publish(&domain(), &domain(), &secret, &[], &mut rng))
            .clone();
        drop(empty);
        Self::around(seed, class, secret, manifest, file)
    }

    /// The world of a seed, in which the responder serves a set.
    #[must_use]
    pub fn serving(seed: u64, class: u64, set: &[Labelled]) -> Self {
        let mut rng = scripted(seed);
        let secret = SecretKey::random(&mut rng);
        let (manifest, file) = publish(&domain(), &domain(), &secret, set, &mut rng);
        Self::around(seed, class, secret, manifest, file)
    }

    /// The world of a seed, in which the responder serves a set whose labels do not open, since
    /// they are sealed for another epoch than the manifest says.
    #[must_use]
    pub fn planting(seed: u64, class: u64, set: &[Labelled]) -> Self {
        let mut rng = scripted(seed);
        let secret = SecretKey::random(&mut rng);
        let sealed_for = Domain {
            epoch: 2,
            ..domain()
        };
        let (manifest, file) = publish(&domain(), &sealed_for, &secret, set, &mut rng);
        Self::around(seed, class, secret, manifest, file)
    }

    fn around(seed: u64, class: u64, secret: SecretKey, manifest: Manifest, file: Vec<u8>) -> Self {
        let mut rng = scripted(seed ^ 1 << 63);
        let mut random = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let signing = [random(), random()].map(|secret| SigningKey::from_bytes(&secret));
        let [querier_key, responder_key] = signing.each_ref().map(SigningKey::verifying_key);
        let parties = [b"alpha".to_vec(), manifest.domain.responder.clone()];
        let parties = parties.map(|identity| Party {
            identity,
            nonce: random(),
        });
        let direction = Direction {
            querier: Role::First,
            view: manifest.domain.view.clone(),
            indicator_type: manifest.domain.indicator_type.clone(),
            canonicalisation: manifest.canonicalisation,
            purpose: b"fraud".to_vec(),
            querier_input: Input {
                commitment: random(),
                class,
            },
            responder_input: view_input(&manifest),
            payment_key: Vec::new(),
            setup: [0; 32],
        };
        let view_key = Arc::new(AuthenticatedKey::vouch(secret.public_key().clone()));
        let hosts = [1, 2].map(|side| seed.wrapping_mul(2).wrapping_add(side));
        let [mut querier, mut responder] = hosts.map(|seed| Host::new(Keyring::default(), seed));
        let [querier_signs, responder_signs] = signing;
        querier.keys.insert_signing(SIGNER, querier_signs);
        responder.keys.insert_signing(SIGNER, responder_signs);
        responder.keys.insert_evaluation(VIEW_KEY, secret);
        Self {
            agreement: Agreement {
                consortium: manifest.domain.consortium.clone(),
                roster: 1,
                protocol: Protocol::Lookup,
                parties,
                directions: vec![direction],
            },
            manifest,
            file,
            view_key,
            querier_key,
            responder_key,
            querier,
            responder,
            clock: Clock::at(NOW),
            seed,
        }
    }

    /// The view, verified.
    ///
    /// # Panics
    ///
    /// Where the file is not the manifest's.
    #[must_use]
    pub fn view(&self) -> Publication<&Vec<u8>> {
        Publication::verify(&self.file, self.manifest.edition, self.manifest.root)
            .expect("the file is the manifest's")
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
            &self.manifest,
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
            Record::Debit(_) | Record::Spent { .. } | Record::Receipt(_) => None,
        })
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// Publishes a set under a manifest for `domain`, with labels sealed for `sealed_for`.
fn publish(
    domain: &Domain,
    sealed_for: &Domain,
    key: &SecretKey,
    set: &[Labelled],
    rng: &mut Scripted,
) -> (Manifest, Vec<u8>) {
    let mut epoch = Epoch::begin(sealed_for.clone(), QUERIES, 1).expect("short names");
    let reservation = epoch.reserve().expect("the first").stored();
    let mut publication = FirstPublication::new(&InMemory, SMALLEST_WORKING_SET).expect("enough");
    let items: Vec<&Item> = set.iter().map(|(item, _)| item).collect();
    let items: Vec<&[u8]> = items.into_iter().map(|item| item.as_slice()).collect();
    let outputs = voprf::evaluate_batch(key, &items).expect("items can be hashed");
    for (output, (_, label)) in outputs.iter().zip(set) {
        let pushed = publication.push(output.as_bytes(), label);
        pushed.expect("memory takes it");
    }
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let seed = DummySeed::new(seed);
    let mut file = Vec::new();
    let published = publication
        .publish(
            &mut epoch,
            reservation,
            &seed,
            rng,
            &mut file,
            std::io::sink(),
        )
        .expect("nothing collides");
    let manifest = Manifest {
        domain: domain.clone(),
        canonicalisation: 1,
        public_key: *key.public_key().as_bytes(),
        queries: QUERIES,
        edition: published.edition,
        root: published.root,
        valid_from: NOW,
        expires: NOW + 3600,
    };
    (manifest, file)
}

fn domain() -> Domain {
    Domain {
        consortium: b"testing".to_vec(),
        responder: b"beta".to_vec(),
        view: b"abuse/ip/fraud".to_vec(),
        indicator_type: b"ip".to_vec(),
        epoch: 1,
    }
}

/// Items of these texts.
pub fn items<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<Item> {
    let items = texts
        .into_iter()
        .map(|text| Item::new(text.as_ref().to_vec()));
    items.collect()
}
