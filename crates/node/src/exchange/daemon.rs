//! A node at work: what its services and jobs share.

use std::sync::{Arc, Mutex};

use blindmatch_audit::{SigningKey, VerifyingKey};
use blindmatch_feeds::Exclusions;
use blindmatch_indicator::{Canonicaliser, Day};
use blindmatch_membership::{DelegationError, Delegations, MemberId};
use blindmatch_policy::Policy;
use blindmatch_store::collection::Collections;
use blindmatch_store::index::{AnyIndex, Doubt, Facts};
use blindmatch_store::ledger::Ledger;
use blindmatch_store::runs::{Entries, Runs};
use blindmatch_store::views::{ViewError, Views};
use blindmatch_transport::directory::Known;
use blindmatch_transport::{Clock, Credentials, Directory, Endpoint, Limits, Peer};

use super::ask;
use super::rows::Reading;
use super::versions::{self, Versions};
use crate::error::Error;
use crate::node::{Node, PEERS};
pub(super) use crate::opened::lock;
use crate::opened::{LedgerIndex, OpenViews};
use crate::payment::PaymentKeyId;

/// A node with everything that is open while it works. One process may have several, of several
/// members.
pub struct Daemon {
    node: Node,
    id: MemberId,
    canonicaliser: Canonicaliser,
    exclusions: Exclusions,
    payment_key: Option<PaymentKeyId>,
    policy: Policy,
    ledger: Arc<Ledger>,
    index: Arc<LedgerIndex>,
    collections: Arc<Collections>,
    views: Arc<OpenViews>,
    runs: Arc<Runs>,
    entries: Arc<Entries>,
    directory: Directory,
    /// The number of the roster by which this was read.
    roster: u64,
    /// The newest version of the protocol that this node speaks.
    version: u32,
    credentials: Credentials,
    /// When the delegation expires that these are of.
    expires: u64,
    receipts: Arc<SigningKey>,
    checkpoints: Arc<SigningKey>,
    /// What `roster/peers` holds.
    kept: Mutex<Delegations>,
    /// Held while a view is published, rotated or closed.
    publishing: Mutex<()>,
    /// Held while states are recorded as lost.
    naming: Mutex<()>,
    /// Held while entries of the entries are recorded.
    recording: Mutex<()>,
}

impl Daemon {
    /// Opens everything of a node, which reads indicators by `canonicaliser` and has the time, in
    /// seconds since 1970, from `clock`.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`] where none is in force, [`Error::NotListed`] where it does not list this
    /// node, and those of everything that is opened.
    pub fn open(node: Node, canonicaliser: Canonicaliser, clock: Clock) -> Result<Self, Error> {
        Self::over(node.with_clock(clock), canonicaliser, None)
    }

    /// The same node by what the operator's files, the roster and the keys are now; what is open
    /// stays open. The directory and the credentials are shared, and changed at once.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(super) fn read_again(&self) -> Result<Self, Error> {
        let node = self.node.read_again()?;
        Self::over(node, self.canonicaliser.clone(), Some(self))
    }

    fn over(
        node: Node,
        canonicaliser: Canonicaliser,
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        let roster = node.roster()?;
        if let Some(before) = before {
            // Who is gone is cut off, whatever is wrong with the rest.
            before.directory.set_roster(roster.clone());
        }
        let delegation = node.delegation()?;
        let number = roster.number;
        let id = delegation.check(&roster, node.now());
        let id = id.map_err(Error::NotListed)?;
        let kept = node.peers()?;
        let (tls, receipts, checkpoints) = node.signing_keys(&delegation)?;
        let policy = node.policy()?;
        let canonicaliser = node.with_payment_key(canonicaliser)?;
        let exclusions = node.exclusions(&canonicaliser)?;
        let (ledger, _) = node.ledger()?;
        let index = node.index(&ledger.log())?;
        let (collections, views, runs) = (node.collections()?, node.views()?, node.runs()?);
        let entries = node.entries()?;
        let payment_key = node.payment_key()?.map(|key| key.id());

        let (signed, expires) = (delegation.to_string(), delegation.expires);
        let (directory, credentials) = match before {
            Some(Self {
                directory,
                credentials,
                ..
            }) => {
                let replaced = credentials.replace(&tls, delegation);
                replaced.map_err(Error::Credentials)?;
                (directory.clone(), credentials.clone())
            }
            None => {
                let credentials = Credentials::new(&tls, delegation);
                let credentials = credentials.map_err(Error::Credentials)?;
                (Directory::new(roster, kept.clone()), credentials)
            }
        };
        // This node is a witness of others' ledgers, which it verifies like anybody.
        let own = directory.adopt(signed.as_bytes(), node.now());
        own.map_err(Error::NotListed)?;
        let daemon = Self {
            id,
            exclusions,
            payment_key,
            policy,
            ledger,
            index,
            collections,
            views,
            runs,
            entries,
            directory,
            roster: number,
            version: before.map_or_else(versions::newest, |before| before.version),
            credentials,
            expires,
            receipts,
            checkpoints,
            kept: Mutex::new(kept),
            publishing: Mutex::default(),
            naming: Mutex::default(),
            recording: Mutex::default(),
            canonicaliser,
            node,
        };
        if before.is_none() {
            ask::keep_left(&daemon)?;
        }
        Ok(daemon)
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Who this is, as agreements and manifests name it.
    #[must_use]
    pub const fn id(&self) -> &MemberId {
        &self.id
    }

    /// The time, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.node.now()
    }

    /// What reads indicators, with the payment key where the node has it.
    #[must_use]
    pub const fn canonicaliser(&self) -> &Canonicaliser {
        &self.canonicaliser
    }

    /// What is neither served nor asked.
    #[must_use]
    pub const fn exclusions(&self) -> &Exclusions {
        &self.exclusions
    }

    /// The name of the payment key, where the node has one.
    #[must_use]
    pub const fn payment_key(&self) -> Option<PaymentKeyId> {
        self.payment_key
    }

    /// What this node serves and asks.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The collections.
    #[must_use]
    pub fn collections(&self) -> &Collections {
        &self.collections
    }

    /// The views, own and peers'.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views.views
    }

    /// What is wrong with views that do not read, which are as if they were not there.
    #[must_use]
    pub fn damaged(&self) -> &[ViewError] {
        &self.views.damaged
    }

    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What was decided about matches, and what members tell each other of them.
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Who is a member at present.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The same node as one of a release whose newest version of the protocol is another: for tests of
    /// upgrades.
    #[doc(hidden)]
    #[must_use]
    pub fn of_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The versions of the protocol that this node speaks.
    pub(super) fn versions(&self) -> Versions {
        Versions::up_to(self.version)
    }

    /// The number of the roster that policy, exclusions and keys were read by. The directory may have a
    /// newer one already.
    pub(super) const fn roster(&self) -> u64 {
        self.roster
    }

    /// Takes the roster that a peer gave, where it is news: it is recorded, held, and gone by on all
    /// connections from then on, so that those of who is no member any more end. Says whether it was
    /// news. Writes the disk.
    ///
    /// # Errors
    ///
    /// [`Error::PeersRoster`]; nothing has changed then.
    pub fn take_roster(&self, given: &[u8]) -> Result<bool, Error> {
        let taken = self.node.take_roster(&self.ledger, given)?;
        let news = taken.is_some();
        if let Some(roster) = taken {
            self.directory.set_roster(roster);
        }
        Ok(news)
    }

    /// One's own TLS key.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// That the own delegation is still in force, without which no peer takes a connection.
    ///
    /// # Errors
    ///
    /// [`Error::NotListed`].
    pub(super) fn check_delegation(&self) -> Result<(), Error> {
        let holds = self.now() < self.expires;
        let expired = DelegationError::Expired;
        holds.then_some(()).ok_or(Error::NotListed(expired))
    }

    /// The key that signs receipts.
    #[must_use]
    pub const fn receipts(&self) -> &Arc<SigningKey> {
        &self.receipts
    }

    /// The key that signs checkpoints: one's own, and those that this node cosigns.
    pub(super) fn checkpoints(&self) -> &SigningKey {
        &self.checkpoints
    }

    pub(super) const fn naming(&self) -> &Mutex<()> {
        &self.naming
    }

    pub(super) const fn recording(&self) -> &Mutex<()> {
        &self.recording
    }

    pub(super) const fn publishing(&self) -> &Mutex<()> {
        &self.publishing
    }

    /// The own side of all connections, within `limits`.
    #[must_use]
    pub fn endpoint(&self, limits: Limits) -> Endpoint {
        Endpoint::new(self.directory.clone(), self.credentials.clone(), limits)
            .with_clock(Arc::clone(self.node.clock()))
    }

    /// Asks what the ledger says, all records that it has included. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Index`], [`Error::Ledger`].
    pub fn facts<T>(&self, ask: impl Fn(&Facts<AnyIndex>) -> Result<T, Doubt>) -> Result<T, Error> {
        self.index.ask(self.node.home(), &self.ledger.log(), ask)
    }

    /// How rows are read today.
    ///
    /// # Errors
    ///
    /// [`Error::Clock`] where the clock shows no day that there are rows of.
    pub fn reading(&self) -> Result<Reading<'_>, Error> {
        let now = i64::try_from(self.now()).ok();
        let today = now.and_then(Day::from_unix_seconds).ok_or(Error::Clock)?;
        Ok(Reading {
            collections: &self.collections,
            canonicaliser: &self.canonicaliser,
            exclusions: &self.exclusions,
            today,
        })
    }

    /// Keeps what has become known of the peers' delegations. Writes the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Home`].
    pub fn keep_delegations(&self) -> Result<(), Error> {
        let mut kept = lock(&self.kept);
        let known = self.directory.known();
        if known.delegations != *kept {
            self.node.publish(PEERS, &known.delegations.encode())?;
            *kept = known.delegations.clone();
        }
        Ok(())
    }

    /// The key that a peer signs receipts with: that of the delegation of its connection, in force. Of newer
    /// ones it may have lost the keys.
    #[must_use]
    pub fn receipt_key(&self, peer: &Peer) -> Option<VerifyingKey> {
        let Known {
            roster,
            delegations,
        } = &*self.directory.known();
        let mut in_force = delegations.in_force(roster, peer.member(), self.now());
        let its = in_force.find(|delegation| peer.is_by(delegation));
        its.map(|its| its.keys.receipts)
    }
}
