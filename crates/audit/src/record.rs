//! The records of a node's ledger: one canonical form per event (`spec/42-ledger.md` §2).
//!
//! A record holds no indicator and no number of distinct items. What could be guessed stands in
//! it as a [`Salted`] digest; everything else is either public among the members or random.

use std::fmt;

use crate::{
    codec::DecodeError,
    receipt::Side,
    tree::{self, Hash},
};

mod field;
mod form;
mod probe;

pub use field::{Class, MAX_NAME, Name, Salted};
pub use probe::{Level, Signal};

/// More bytes than any record has.
pub const MAX_RECORD: usize = 1024;

/// One entry of a ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was recorded, in seconds since 1970-01-01 UTC. Never less than in the record
    /// before.
    pub time: u64,
    /// 32 fresh random bytes, so that a leaf hash says nothing about its leaf.
    pub nonce: [u8; 32],
    /// What happened.
    pub event: Event,
}

/// What a ledger records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Nothing: hides how many other events there were.
    Filler,
    /// A node began to write: the first time, or restored from a backup.
    Incarnation {
        /// 1 for the first.
        number: u64,
        /// The size of the ledger that it goes on from; 0 for the first.
        size: u64,
        /// The root of the ledger that it goes on from; that of the empty tree for the first.
        root: Hash,
    },
    /// A roster was accepted.
    Roster {
        /// The roster's number.
        number: u64,
        /// SHA-256 of the roster's text.
        digest: Hash,
    },
    /// A member's delegation was accepted.
    Delegation {
        /// Whose.
        member: Name,
        /// SHA-256 of the delegation's text.
        digest: Hash,
    },
    /// A policy came into force.
    Policy {
        /// Of the policy file.
        policy: Salted,
        /// Of the configuration.
        config: Salted,
    },
    /// The epoch of a view began.
    EpochOpened {
        /// Which view.
        view: Name,
        /// The epoch's number.
        epoch: u64,
        /// The public key of its OPRF key.
        key: [u8; 32],
    },
    /// The epoch of a view ended: its key and tags are destroyed.
    EpochClosed {
        /// Which view.
        view: Name,
        /// The epoch's number.
        epoch: u64,
    },
    /// A view was published (`spec/32-publication.md`).
    Publication {
        /// Which view.
        view: Name,
        /// The publication's sequence number.
        sequence: u64,
        /// SHA-256 of the manifest.
        manifest: Hash,
        /// The root of the published file.
        root: Hash,
        /// The class of its size.
        class: Class,
    },
    /// A peer was charged, before anything was evaluated for it.
    Debit {
        /// Who asks.
        peer: Name,
        /// The view whose budget is charged.
        view: Name,
        /// The view's epoch.
        epoch: u64,
        /// The run.
        run: [u8; 32],
        /// The number of the batch within the run, from 1.
        batch: u64,
        /// The digest of what is evaluated: the same run, number and digest are never charged
        /// twice (`spec/31-lookup.md` §3).
        digest: Hash,
        /// How much.
        amount: Class,
    },
    /// A run was agreed on.
    RunAgreed {
        /// The run.
        run: [u8; 32],
        /// With whom.
        peer: Name,
        /// The side of this node.
        side: Side,
        /// SHA-256 of the agreement.
        agreement: Hash,
    },
    /// A run ended with a receipt that both sides signed.
    RunConcluded {
        /// The run.
        run: [u8; 32],
        /// Of the signed receipt.
        receipt: Salted,
    },
    /// A run ended, or was given up, without a receipt of both sides.
    RunUnreceipted {
        /// The run.
        run: [u8; 32],
    },
    /// The results of an unreceipted run were opened once its time had passed.
    RunOpenedLate {
        /// The run.
        run: [u8; 32],
    },
    /// The owner of a run's matches committed to them (`spec/40-audit.md` §5).
    Results {
        /// The run.
        run: [u8; 32],
        /// The root of the commitment.
        root: Hash,
    },
    /// A VOLE was spent, before the first byte that depends on it left.
    VoleSpent {
        /// The id of its setup.
        setup: [u8; 32],
        /// The run that it went into.
        run: [u8; 32],
    },
    /// An operator proposed to show a match to the liaison.
    ReleaseProposed {
        /// The release, by a random id.
        release: [u8; 32],
        /// Of the release, under its own secret salt.
        content: Salted,
        /// The legal basis, by its id in the policy.
        basis: Name,
        /// Who proposed it.
        operator: Name,
    },
    /// A second operator approved a release.
    ReleaseApproved {
        /// The release.
        release: [u8; 32],
        /// Who approved it.
        operator: Name,
    },
    /// A release was revoked.
    ReleaseRevoked {
        /// The release.
        release: [u8; 32],
        /// Who revoked it.
        operator: Name,
    },
    /// A contributor consented to a release.
    Consent {
        /// The release.
        release: [u8; 32],
        /// Who consented.
        peer: Name,
        /// SHA-256 of the signed consent.
        digest: Hash,
    },
    /// The liaison read.
    LiaisonSync {
        /// Who read.
        reader: Name,
        /// Of the list of what was read.
        read: Salted,
    },
    /// This node cosigned another's ledger.
    Witnessed {
        /// The origin of that ledger.
        origin: Name,
        /// Its size.
        size: u64,
        /// Its root.
        root: Hash,
    },
    /// An operator overrode a rule.
    Override {
        /// Who.
        operator: Name,
        /// Of what was overridden, and why.
        what: Salted,
    },
    /// Records of an earlier incarnation are lost: of those that this state of the ledger covers, not
    /// all stand here.
    Lost {
        /// Its incarnation.
        incarnation: u64,
        /// Its size.
        size: u64,
        /// Its root.
        root: Hash,
    },
    /// A peer showed what contradicts what this node accepted from it, both recorded in its ledger and
    /// cosigned: two ledgers, or two publications of one number. It is not asked from then on.
    Equivocation {
        /// Which peer.
        peer: Name,
        /// SHA-256 of the proof of the record that was accepted.
        accepted: Hash,
        /// SHA-256 of the proof of the record that was shown later.
        shown: Hash,
    },
    /// An operator has a peer asked again that equivocated.
    Readmitted {
        /// Which peer.
        peer: Name,
        /// Who says so.
        operator: Name,
    },
    /// This node asked: recorded with its agreement to the run, before anything was sent.
    Asked {
        /// The run.
        run: [u8; 32],
        /// Whom.
        peer: Name,
        /// The view that is asked.
        view: Name,
        /// The view's epoch.
        epoch: u64,
        /// How many items, as a class.
        items: Class,
    },
    /// What was asked of a view, by a peer or by this node, looked like probing.
    Probing {
        /// The peer that asked, or was to be asked.
        peer: Name,
        /// The view.
        view: Name,
        /// The side of this node.
        side: Side,
        /// What follows from it.
        level: Level,
        /// What gave rise to it.
        signal: Signal,
        /// What was counted, with what was to be asked.
        counted: u64,
        /// From how much on it is of this level.
        limit: u64,
    },
    /// An operator vouches for a peer: until then no probing slows or stops it, or is slowed or stopped
    /// that asks it, and what it broke off is forgotten.
    Vouched {
        /// Which peer.
        peer: Name,
        /// Who says so.
        operator: Name,
        /// Until when, in seconds since 1970.
        until: u64,
        /// Why.
        why: Name,
    },
    /// An operator decided about a match (`spec/70-matches.md` §5).
    Decision {
        /// The decision, by a random id.
        decision: [u8; 32],
        /// Of the decision.
        content: Salted,
        /// Who decided.
        operator: Name,
    },
    /// A message about matches is kept for a peer until that has it (`spec/70-matches.md` §8).
    MessageDue {
        /// The message, by its random id.
        message: [u8; 32],
        /// For whom.
        peer: Name,
        /// The view that it is about.
        view: Name,
        /// Of the message.
        content: Salted,
    },
    /// A peer acknowledged a message.
    MessageDelivered {
        /// The message.
        message: [u8; 32],
        /// Who has it.
        peer: Name,
    },
    /// A message of a peer was kept, before it was acknowledged.
    MessageReceived {
        /// The message.
        message: [u8; 32],
        /// Whose.
        peer: Name,
        /// Of the message.
        content: Salted,
    },
}

impl Record {
    /// The canonical bytes: a leaf of the ledger's tree, at most [`MAX_RECORD`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        form::encode(self)
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        form::decode(bytes)
    }

    /// The hash of the record as a leaf.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        tree::leaf_hash(&self.encode())
    }
}

/// Shows what happened and when. The nonce stays hidden: the leaf hash and the salted digests rest
/// on it.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("time", &self.time)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
