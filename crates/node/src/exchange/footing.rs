//! Whether the ledger here is the newest there is of this node's, by what its witnesses cosigned last
//! (`spec/42-ledger.md` §6). Until that is known, and where it is not so, a node answers nothing but
//! requests to cosign: the records that it lacks may be debits.

use std::fmt;
use std::sync::Arc;

use blindmatch_audit::checkpoint::SignedCheckpoint;
use blindmatch_membership::Name;
use blindmatch_transport::problem::Kind;
use blindmatch_wire::Problem;
use tracing::{error, info};

use super::daemon::{Daemon, lock};
use super::respond::Serving;
use super::work::blocking;
use crate::error::Error;
use crate::ledger::shown::Shown;

/// Peers are told this name of a rule where no witness has answered yet.
const UNWITNESSED: &str = "no_witness_yet";
/// And this one where the ledger is not the newest.
pub(super) const BEHIND: &str = "behind_its_witnesses";

/// How a node that serves stands with its witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Footing {
    /// No witness has borne out yet that its ledger is the newest.
    Open,
    /// One has, or there is nothing that one could know.
    Firm,
    /// It is not.
    Behind(Shown),
}

impl Footing {
    /// That of a node which has just begun: a ledger that was never cosigned wants no witness.
    pub(super) fn at_start(daemon: &Daemon) -> Self {
        if let Ok(Some(shown)) = daemon.shown() {
            error!(%shown, next = Shown::NEXT, "not serving");
            return Self::Behind(shown);
        }
        let was_cosigned = !matches!(daemon.ledger().log().cosigned(), Ok(None));
        if was_cosigned && !daemon.witnesses().keys.is_empty() {
            Self::Open
        } else {
            Self::Firm
        }
    }
}

impl Daemon {
    /// What a witness showed that the ledger does not go on from, now or at an earlier start.
    ///
    /// # Errors
    ///
    /// [`Error::Home`] of the disk.
    pub fn shown(&self) -> Result<Option<Shown>, Error> {
        self.node().shown(&self.ledger().log())
    }

    /// Refuses to ask, and to begin an epoch, by a ledger that is not the newest: what it recorded would
    /// have to be lost.
    pub(super) fn check_newest(&self) -> Result<(), Error> {
        self.node().check_newest(&self.ledger().log())
    }
}

impl Serving {
    /// How this node stands with its witnesses.
    #[must_use]
    pub fn footing(&self) -> Footing {
        lock(self.footing_cell()).clone()
    }

    /// Whether peers are answered.
    pub(super) fn firm(&self) -> Result<(), Problem> {
        let (kind, rule) = match &*lock(self.footing_cell()) {
            Footing::Firm => return Ok(()),
            Footing::Open => (Kind::Unavailable, UNWITNESSED),
            Footing::Behind(_) => (Kind::NotNow, BEHIND),
        };
        Err(Problem::new(kind).by_rule(rule))
    }

    /// Whether what is over by the clock may be ended: it does not come back. After a long pause the clock
    /// may be wrong, and a witness that answers bears it out, since certificates hold for a day. Reads the
    /// disk.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`].
    pub fn believes_its_clock(&self) -> Result<bool, Error> {
        let daemon = self.daemon();
        Ok(self.footing() == Footing::Firm
            || !daemon.node().is_after_pause(&daemon.ledger().log())?)
    }

    /// A witness has cosigned the newest checkpoint.
    pub(super) fn is_borne_out(&self) {
        let mut footing = lock(self.footing_cell());
        if *footing == Footing::Open {
            info!("a witness has cosigned the newest record: peers are answered");
            *footing = Footing::Firm;
        }
    }

    /// A witness has shown what is not here. Only another home, or another start of it, is looked at anew.
    pub(super) fn falls_behind(&self, shown: Shown) {
        error!(%shown, next = Shown::NEXT, "not serving any more");
        *lock(self.footing_cell()) = Footing::Behind(shown);
    }
}

/// What a witness shows with its answer, where this node signed it and its ledger does not go on
/// from it: kept for the next start.
pub(super) async fn shown(daemon: &Arc<Daemon>, witness: &Name, note: &str) -> Option<Shown> {
    let signed = SignedCheckpoint::parse(note.as_bytes()).ok()?;
    let (daemon, witness) = (Arc::clone(daemon), witness.clone());
    let held = blocking(move || {
        let mut keys = daemon.node().ledger_keys().unwrap_or_default();
        keys.extend(daemon.ledger_keys_of(daemon.id().member()));
        let checkpoint = keys.iter().find_map(|key| signed.verify(key).ok())?;
        let shown = Shown::of(&daemon.ledger().log(), &witness, checkpoint)?;
        if let Err(error) = daemon.node().keep_shown(&witness, &signed) {
            // This process knows it, and the witness shows it to the next.
            error!(%error, "cannot keep what a witness has shown");
        }
        Some(shown)
    });
    held.await.ok()?
}

/// What keeps a node from answering peers; nothing where nothing does.
impl fmt::Display for Footing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str(
                "no witness has answered yet since the start: peers get no answer before one does",
            ),
            Self::Firm => Ok(()),
            Self::Behind(shown) => write!(f, "not serving: {shown}"),
        }
    }
}
