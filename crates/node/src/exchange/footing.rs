//! Whether the ledger here is the newest there is of this node's, by what its witnesses cosigned last
//! (`spec/42-ledger.md` §6). Until that is known, and where it is not so, a node answers nothing but
//! requests to cosign: the records that it lacks may be debits.

use std::fmt;
use std::sync::Arc;

use blindmatch_audit::checkpoint::{Checkpoint, SignedCheckpoint};
use blindmatch_membership::Name;
use blindmatch_store::ledger::Standing;
use blindmatch_transport::problem::Kind;
use blindmatch_wire::Problem;
use tracing::{error, info};

use super::daemon::{Daemon, lock};
use super::respond::Serving;
use super::work::blocking;

/// Peers are told this name of a rule where no witness has answered yet.
const UNWITNESSED: &str = "no_witness_yet";
/// And this one where the ledger is not the newest.
const BEHIND: &str = "behind_its_witnesses";

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

/// What a witness showed: a checkpoint that this node signed and that its ledger does not go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The witness.
    pub witness: Name,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How the ledger stands to it.
    pub standing: Standing,
    /// The records of the ledger.
    pub own: u64,
}

impl Footing {
    /// That of a node which has just begun: a ledger that was never cosigned wants no witness.
    pub(super) fn at_start(daemon: &Daemon) -> Self {
        let was_cosigned = !matches!(daemon.ledger().log().cosigned(), Ok(None));
        if was_cosigned && !daemon.witnesses().keys.is_empty() {
            Self::Open
        } else {
            Self::Firm
        }
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

    /// A witness has cosigned the newest checkpoint.
    pub(super) fn is_borne_out(&self) {
        let mut footing = lock(self.footing_cell());
        if *footing == Footing::Open {
            info!("a witness has cosigned the newest record: peers are answered");
            *footing = Footing::Firm;
        }
    }

    /// A witness has shown what is not here. Only another start is looked at anew.
    pub(super) fn falls_behind(&self, shown: Shown) {
        error!(%shown, next = Shown::NEXT, "not serving any more");
        *lock(self.footing_cell()) = Footing::Behind(shown);
    }
}

impl Shown {
    /// What to do about it.
    pub const NEXT: &str = "stop this node, and put the newest copy of its home back, or restore it \
                            from a backup: blindmatch restore --help";

    /// What a witness shows with its answer, where this node signed it and its ledger does not go on
    /// from it. What an earlier incarnation signed is named as lost instead.
    pub(super) async fn by(daemon: &Arc<Daemon>, witness: &Name, note: &str) -> Option<Self> {
        let signed = SignedCheckpoint::parse(note.as_bytes()).ok()?;
        let (daemon, witness) = (Arc::clone(daemon), witness.clone());
        let held = blocking(move || {
            let mut keys = daemon.node().ledger_keys().unwrap_or_default();
            keys.extend(daemon.ledger_keys_of(daemon.id().member()));
            let checkpoint = keys.iter().find_map(|key| signed.verify(key).ok())?.clone();
            let log = daemon.ledger().log();
            let standing = log.standing(&checkpoint).ok()?;
            let holds = matches!(standing, Standing::Holds | Standing::Named);
            let earlier = checkpoint.origin.incarnation < log.incarnation();
            (!holds && !earlier).then(|| Self {
                witness,
                checkpoint,
                standing,
                own: log.size(),
            })
        });
        held.await.ok()?
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            witness,
            checkpoint,
            standing,
            own,
        } = self;
        write!(
            f,
            "witness {witness} shows {} records of incarnation {} of this node's ledger, which this \
             node signed, and here are {own}: ",
            checkpoint.size, checkpoint.origin.incarnation
        )?;
        f.write_str(match standing {
            Standing::Superseded => "another home was restored in the place of this one",
            Standing::Forked => "others than those; this home is an older copy that went on",
            _ => "this home is an older copy of itself",
        })
    }
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
