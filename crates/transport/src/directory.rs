//! Who is a member at present.

use std::sync::Arc;

use blindmatch_membership::{
    Address, DelegationError, Delegations, IdentityError, MemberId, Name, Roster, identify,
};
use tokio::sync::watch;

/// The roster and the delegations that all connections of a node go by. Clones share them.
///
/// A change is seen by every connection at once: those of who is no longer a member, or whose key is
/// no longer its own, end.
#[derive(Clone, Debug)]
pub struct Directory(Arc<watch::Sender<Arc<Known>>>);

/// What a directory has at one moment.
#[derive(Clone, Debug)]
pub struct Known {
    /// The roster.
    pub roster: Arc<Roster>,
    /// The delegations of its members.
    pub delegations: Delegations,
}

impl Directory {
    /// A directory of a roster and what is known of its members.
    #[must_use]
    pub fn new(roster: Roster, delegations: Delegations) -> Self {
        let roster = Arc::new(roster);
        let known = Arc::new(Known {
            roster,
            delegations,
        });
        Self(Arc::new(watch::Sender::new(known)))
    }

    /// What it has now.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        self.0.borrow().clone()
    }

    /// Goes by another roster from now on, unless it has one of a higher number.
    pub fn set_roster(&self, roster: Roster) {
        let roster = Arc::new(roster);
        self.0.send_if_modified(|known| {
            let newer = known.roster.number <= roster.number;
            if newer {
                Arc::make_mut(known).roster = roster;
            }
            newer
        });
    }

    /// Waits for a roster of a higher number; gives its number.
    pub async fn newer_than(&self, number: u64) -> u64 {
        let mut known = self.watch();
        let newer = known.wait_for(|known| known.roster.number > number).await;
        // The sender lives as long as this does.
        newer.map_or(number, |known| known.roster.number)
    }

    /// Takes a delegation that came from anybody, at `now` in seconds of Unix time; says whether it
    /// is new.
    ///
    /// # Errors
    ///
    /// [`DelegationError`].
    pub fn adopt(&self, delegation: &[u8], now: u64) -> Result<bool, DelegationError> {
        let mut outcome = Ok(false);
        self.0.send_if_modified(|known| {
            let mut next = Known::clone(known);
            outcome = next.delegations.accept(&next.roster, delegation, now);
            let new = outcome == Ok(true);
            if new {
                *known = Arc::new(next);
            }
            new
        });
        outcome
    }

    /// Where a member listens.
    #[must_use]
    pub fn address(&self, member: &Name) -> Option<Address> {
        let known = self.known();
        known
            .roster
            .members
            .get(member)
            .map(|member| member.address.clone())
    }

    /// Sees every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Known>> {
        self.0.subscribe()
    }
}

impl Known {
    /// The member of a certificate with this one URI and key.
    pub(crate) fn identify(
        &self,
        uris: &[&str],
        spki: &[u8],
        now: u64,
    ) -> Result<MemberId, IdentityError> {
        identify(&self.roster, &self.delegations, uris, spki, now)
    }
}
