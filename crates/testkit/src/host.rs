use std::collections::{HashMap, HashSet, VecDeque};

use blindmatch_audit::Signature;
use blindmatch_oprf::SecretKey;
use blindmatch_psi::session::{Completion, KeyId, Keys, Record, Store, Work};
use ed25519_dalek::{Signer, SigningKey};
use rand::{Rng, RngExt};

use crate::{Scripted, scripted};

/// Keys by their ids.
#[derive(Default)]
pub struct Keyring {
    evaluation: HashMap<KeyId, SecretKey>,
    signing: HashMap<KeyId, SigningKey>,
}

impl Keyring {
    /// Adds or replaces the key of a view.
    pub fn insert_evaluation(&mut self, id: KeyId, key: SecretKey) {
        self.evaluation.insert(id, key);
    }

    /// Adds or replaces a signing key.
    pub fn insert_signing(&mut self, id: KeyId, key: SigningKey) {
        self.signing.insert(id, key);
    }
}

impl Keys for Keyring {
    fn evaluation_key(&self, id: &KeyId) -> Option<&SecretKey> {
        self.evaluation.get(id)
    }

    fn sign(&self, id: &KeyId, message: &[u8]) -> Option<Signature> {
        self.signing.get(id).map(|key| key.sign(message))
    }
}

/// What one side has besides its session: keys, randomness, a budget, and its durable records.
///
/// Work is done in a random order, records are stored in theirs.
pub struct Host {
    /// The keys.
    pub keys: Keyring,
    /// What was stored, in order: what a resumed session is given.
    pub journal: Vec<Record>,
    /// The evaluations that may still be charged.
    pub budget: u64,
    /// The setups that any run of this side has used.
    pub spent: HashSet<[u8; 32]>,
    /// How many records are stored before this side loses power, if it does.
    pub records_until_crash: Option<usize>,
    rng: Scripted,
    work: Vec<Work>,
    stores: VecDeque<Store>,
}

impl Host {
    /// A host with these keys and a budget without end, that draws from a seed.
    #[must_use]
    pub fn new(keys: Keyring, seed: u64) -> Self {
        Self {
            keys,
            journal: Vec::new(),
            budget: u64::MAX,
            spent: HashSet::new(),
            records_until_crash: None,
            rng: scripted(seed),
            work: Vec::new(),
            stores: VecDeque::new(),
        }
    }

    /// The evaluations charged so far.
    #[must_use]
    pub fn charged(&self) -> u64 {
        let evaluations = self.journal.iter().map(|record| match record {
            Record::Debit(debit) => debit.evaluations,
            Record::State(_) | Record::Spent { .. } | Record::Receipt(_) => 0,
        });
        evaluations.sum()
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.records_until_crash == Some(0)
    }

    pub(crate) const fn rng(&mut self) -> &mut Scripted {
        &mut self.rng
    }

    pub(crate) fn take_work(&mut self, work: Work) {
        self.work.push(work);
    }

    pub(crate) fn take_store(&mut self, store: Store) {
        self.stores.push_back(store);
    }

    /// Does one thing that is left to do, whichever.
    pub(crate) fn do_something(&mut self) -> Option<Completion> {
        let store_first = self.rng.next_u32() & 1 == 0;
        if (store_first || self.work.is_empty()) && !self.stores.is_empty() {
            return self.store_next();
        }
        if self.work.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..self.work.len());
        Some(self.work.swap_remove(index).run(&self.keys))
    }

    /// What was under way when a connection ended is lost.
    pub(crate) fn forget(&mut self) {
        self.work.clear();
        self.stores.clear();
    }

    fn store_next(&mut self) -> Option<Completion> {
        let store = self.stores.pop_front()?;
        let contradicts = |earlier| store.record().contradicts(earlier);
        if self.journal.iter().any(contradicts) {
            return Some(store.contradicted());
        }
        if let Record::Spent { setup } = store.record()
            && !self.spent.insert(*setup)
        {
            return Some(store.contradicted());
        }
        if let Record::Debit(debit) = store.record() {
            if self.journal.contains(store.record()) {
                return Some(store.stored().1);
            }
            let Some(rest) = self.budget.checked_sub(debit.evaluations) else {
                return Some(store.refused());
            };
            self.budget = rest;
        }
        let (record, completion) = store.stored();
        self.journal.push(record);
        if let Some(left) = &mut self.records_until_crash {
            *left -= 1;
        }
        Some(completion)
    }
}
