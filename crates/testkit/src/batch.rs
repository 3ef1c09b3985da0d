//! Two sides of a batch run with a setup between them, all of it from a seed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use blindmatch_audit::{VerifyingKey, receipt::Input};
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Role},
    batch::{
        Labels, Querier, Responder, Terms,
        setup::{PreparedQuerier, PreparedResponder, SetupSession, SetupTerms},
    },
    conformance::Labelled,
    lookup::Item,
    session::{Connection, End, Record, Session, State, UnixSeconds},
    stop::Fault,
};
use ed25519_dalek::SigningKey;
use rand::Rng;

use crate::{
    Clock, Host, Keyring, Pumped,
    link::{Faithful, Link},
    pump, scripted,
    world::{NOW, SIGNER},
};

/// Everything about one batch run but its sessions.
pub struct BatchWorld {
    /// What was agreed, in one direction.
    pub agreement: Agreement,
    /// What the setup is about.
    pub setup: SetupTerms,
    /// The querier's half of it, as it is sealed.
    pub prepared_querier: State,
    /// The responder's half of it, as it is sealed.
    pub prepared_responder: State,
    /// The key that the querier signs with.
    pub querier_key: VerifyingKey,
    /// The key that the responder signs with.
    pub responder_key: VerifyingKey,
    /// The querier's side.
    pub querier: Host,
    /// The responder's side.
    pub responder: Host,
    /// The time.
    pub clock: Clock,
}

/// What a setup is about, by its class and labels.
#[must_use]
pub fn setup_terms(class: u32, labels: Labels) -> SetupTerms {
    SetupTerms {
        consortium: b"testing".to_vec(),
        querier: b"alpha".to_vec(),
        responder: b"beta".to_vec(),
        class,
        labels,
        querier_nonce: [3; 32],
        responder_nonce: [4; 32],
    }
}

/// Both halves of a setup, the querier's first.
pub type Halves = (State, State);

/// Sets up over a link; both halves, where both sides have them in the end.
///
/// # Panics
///
/// On terms that cannot be set up for.
pub fn set_up(terms: &SetupTerms, seed: u64, link: &mut dyn Link) -> (Pumped, Option<Halves>) {
    let mut querier = SetupSession::querier(terms.clone()).expect("terms of a setup");
    let mut responder = SetupSession::responder(terms.clone()).expect("terms of a setup");
    let [mut ours, mut theirs] = [1, 2].map(|side| Host::new(Keyring::default(), seed ^ side));
    let pumped = pump(
        (&mut querier, &mut ours),
        (&mut responder, &mut theirs),
        link,
        &Clock::at(NOW),
    );
    let halves = querier
        .prepared_querier()
        .zip(responder.prepared_responder())
        .map(|(querier, responder)| (querier.to_state(), responder.to_state()));
    (pumped, halves)
}

impl BatchWorld {
    /// The world of a seed, in which classes of these sizes meet.
    ///
    /// The setup is made once for each class and handed to many worlds, which in life would be
    /// the end of it: tests need thousands of them.
    ///
    /// # Panics
    ///
    /// On classes that are none.
    #[must_use]
    pub fn new(seed: u64, class: u32, responder_class: u32, labels: Labels) -> Self {
        let setup = setup_terms(class, labels);
        let (prepared_querier, prepared_responder) = made(&setup);
        let mut rng = scripted(seed);
        let mut random = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let signing = [random(), random()].map(|secret| SigningKey::from_bytes(&secret));
        let [querier_key, responder_key] = signing.each_ref().map(SigningKey::verifying_key);
        let parties = [setup.querier.clone(), setup.responder.clone()].map(|identity| Party {
            identity,
            nonce: random(),
        });
        let mut input = |class: u32| Input {
            commitment: random(),
            class: class.into(),
        };
        let direction = Direction {
            querier: Role::First,
            view: b"abuse/ip/fraud".to_vec(),
            indicator_type: b"ip".to_vec(),
            canonicalisation: 1,
            purpose: b"fraud".to_vec(),
            querier_input: input(class),
            responder_input: input(responder_class),
            payment_key: Vec::new(),
            setup: setup.id().0,
        };
        let hosts = [1, 2].map(|side| seed.wrapping_mul(2).wrapping_add(side));
        let [mut querier, mut responder] = hosts.map(|seed| Host::new(Keyring::default(), seed));
        let [querier_signs, responder_signs] = signing;
        querier.keys.insert_signing(SIGNER, querier_signs);
        responder.keys.insert_signing(SIGNER, responder_signs);
        Self {
            agreement: Agreement {
                consortium: setup.consortium.clone(),
                roster: 1,
                protocol: Protocol::Batch,
                parties,
                directions: vec![direction],
            },
            setup,
            prepared_querier,
            prepared_responder,
            querier_key,
            responder_key,
            querier,
            responder,
            clock: Clock::at(NOW),
        }
    }

    /// The terms of the run.
    ///
    /// # Panics
    ///
    /// Where the classes of the world are none.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let direction = &self.agreement.directions[0];
        Terms::new(
            &self.agreement,
            direction,
            &self.setup,
            UnixSeconds(NOW + 3600),
        )
        .expect("the classes are some")
    }

    /// The querier's session on connection number `number`, with all that it has stored.
    ///
    /// # Errors
    ///
    /// As [`Querier::new`].
    ///
    /// # Panics
    ///
    /// Where the stored half of the setup is none.
    pub fn querier_session(
        &self,
        number: u8,
        items: Vec<Item>,
    ) -> Result<Querier<Vec<Item>>, Fault> {
        let connection = Connection {
            exporter: [number; 32],
            signer: SIGNER,
            peer: self.responder_key,
        };
        let setup = (!self.is_spent(&self.querier))
            .then(|| PreparedQuerier::from_state(&self.prepared_querier).expect("a half"));
        let records = self.querier.journal.iter().cloned();
        Querier::new(self.terms(), connection, setup, items, records)
    }

    /// The responder's session on connection number `number`, with all that it has stored.
    ///
    /// # Errors
    ///
    /// As [`Responder::new`].
    ///
    /// # Panics
    ///
    /// Where the stored half of the setup is none.
    pub fn responder_session(
        &self,
        number: u8,
        set: Vec<Labelled>,
    ) -> Result<Responder<Vec<Labelled>>, Fault> {
        let connection = Connection {
            exporter: [number; 32],
            signer: SIGNER,
            peer: self.querier_key,
        };
        let setup = (!self.is_spent(&self.responder))
            .then(|| PreparedResponder::from_state(&self.prepared_responder).expect("a half"));
        let records = self.responder.journal.iter().cloned();
        Responder::new(self.terms(), connection, setup, set, records)
    }

    /// A setup is destroyed as it is marked spent.
    fn is_spent(&self, host: &Host) -> bool {
        host.spent.contains(&self.setup.id().0)
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

    /// The states among records.
    pub fn states(records: &[Record]) -> impl Iterator<Item = &State> {
        crate::world::World::states(records)
    }
}

/// The setup for these terms, made the first time that it is asked for.
fn made(terms: &SetupTerms) -> Halves {
    static MADE: Mutex<BTreeMap<[u8; 32], Halves>> = Mutex::new(BTreeMap::new());
    let lock = || -> MutexGuard<'_, _> { MADE.lock().unwrap_or_else(PoisonError::into_inner) };
    let id = terms.id().0;
    let mut made = lock();
    made.entry(id)
        .or_insert_with(|| {
            let (pumped, halves) = set_up(terms, 7, &mut Faithful);
            assert_eq!(pumped.querier, Some(End::Concluded), "the querier's setup");
            halves.expect("both have their half")
        })
        .clone()
}
