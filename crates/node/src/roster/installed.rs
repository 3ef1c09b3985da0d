//! The roster that a node holds: first trust, and taking newer ones.

use std::path::Path;

use blindmatch_audit::note::MAX_NOTE;
use blindmatch_audit::record::Event;
use blindmatch_membership::{
    Acceptance, Accepted, Changes, Fingerprint, Roster, RosterError, SignedRoster,
};
use blindmatch_store::ledger::Ledger;

use crate::error::Error;
use crate::files;
use crate::node::{Node, NodeFiles};

/// What a roster means for a node.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The roster.
    pub roster: Roster,
    /// What it changes; nothing where the node holds it already.
    pub accepted: Option<Box<Accepted>>,
    /// Whether it lists this node, under the identity that this node has.
    pub lists_us: bool,
}

impl Node {
    /// Trusts the roster of this fingerprint.
    ///
    /// # Errors
    ///
    /// Those of reading and writing.
    pub fn trust_fingerprint(&self, fingerprint: Fingerprint) -> Result<(), Error> {
        let mut trust = self.trust()?;
        trust.confirm(fingerprint);
        self.keep_trust(&trust)
    }

    /// Accepts the roster in `file`: `ledger` says so before it counts.
    ///
    /// # Errors
    ///
    /// [`Error::RosterRefused`], [`Error::OtherConsortium`]; nothing has changed then.
    pub fn install_roster(&self, ledger: &Ledger, file: &Path) -> Result<Judged, Error> {
        let _one = self.opened().taking_rosters();
        let judged = self.judge_roster(file)?;
        if let Some(accepted) = &judged.accepted {
            let refused = |error| Error::RosterRefused(file.to_owned(), error);
            self.hold(ledger, &judged.roster, accepted, refused)?;
        }
        Ok(judged)
    }

    /// Accepts the roster that a peer gave; gives it where it is news.
    ///
    /// # Errors
    ///
    /// [`Error::PeersRoster`]; nothing has changed then.
    pub(crate) fn take_roster(
        &self,
        ledger: &Ledger,
        given: &[u8],
    ) -> Result<Option<Roster>, Error> {
        let _one = self.opened().taking_rosters();
        let judged = self.trust()?.accept(given, self.now());
        let Acceptance::New(accepted) = judged.map_err(Error::PeersRoster)? else {
            return Ok(None);
        };
        let Some(roster) = accepted.trust.held().map(|held| held.roster().clone()) else {
            return Ok(None);
        };
        self.hold(ledger, &roster, &accepted, Error::PeersRoster)?;
        Ok(Some(roster))
    }

    /// Records a roster, notes whom it removes, and holds it from then on.
    fn hold(
        &self,
        ledger: &Ledger,
        roster: &Roster,
        accepted: &Accepted,
        refused: impl FnOnce(RosterError) -> Error,
    ) -> Result<(), Error> {
        let (number, digest) = (roster.number, roster.digest().0);
        let recorded = self.recorded(&ledger.log())?;
        if !recorded.knows(number, digest).map_err(refused)? {
            ledger.append(vec![Event::Roster { number, digest }])?;
        }
        let Changes {
            removed, rekeyed, ..
        } = &accepted.changes;
        self.note_gone(removed.iter().chain(rekeyed))?;
        self.keep_trust(&accepted.trust)
    }
}

impl NodeFiles {
    /// The roster that this node holds, in force or not.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`].
    pub fn held_roster(&self) -> Result<SignedRoster, Error> {
        let trust = self.trust()?;
        let held = trust.held().cloned();
        held.ok_or(Error::NoRoster(RosterError::NotTrusted))
    }

    /// Says what would become of the roster in `file`.
    ///
    /// # Errors
    ///
    /// [`Error::RosterRefused`], [`Error::OtherConsortium`].
    pub fn judge_roster(&self, file: &Path) -> Result<Judged, Error> {
        let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
        let bytes = files::read(file, limit)?;
        let given = SignedRoster::read(&bytes);
        let given = given.map_err(|error| Error::Roster(file.to_owned(), error))?;
        let roster = given.roster().clone();
        let own = &self.config().node;
        if roster.consortium != own.consortium {
            return Err(Error::OtherConsortium {
                own: own.consortium.clone(),
                given: roster.consortium.clone(),
            });
        }
        let trust = self.trust()?;
        let accepted = match trust.accept(&bytes, self.now()) {
            Ok(Acceptance::New(accepted)) => Some(accepted),
            Ok(Acceptance::AlreadyHeld) => None,
            Err(error) => {
                let file = file.to_owned();
                let held = trust.held().map(|held| held.roster().number);
                return Err(match (error, held) {
                    // Its own keys did, so it is the other ones that are missing.
                    (RosterError::TooFewSignatures { have: 0, .. }, Some(held))
                        if given.check_own_signatures().is_ok() =>
                    {
                        Error::RosterOfOtherKeys { file, held }
                    }
                    _ => Error::RosterRefused(file, error),
                });
            }
        };
        let lists_us = self.is_listed_in(&roster)?;
        Ok(Judged {
            roster,
            accepted,
            lists_us,
        })
    }

    /// Whether a roster lists this node, under the identity that this node has.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn is_listed_in(&self, roster: &Roster) -> Result<bool, Error> {
        let identity = self.card()?.member().identity;
        let listed = roster.members.get(&self.config().node.member);
        Ok(listed.is_some_and(|member| member.identity == identity))
    }
}
