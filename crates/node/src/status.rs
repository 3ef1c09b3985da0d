//! How a node stands, for its operator.

use std::collections::BTreeMap;

use blindmatch_audit::receipt::Side;
use blindmatch_indicator::IndicatorType;
use blindmatch_membership::{Name, Role};
use blindmatch_policy::{Direction, Protocol, Severity};
use blindmatch_psi::publication::Manifest;
use blindmatch_store::runs::Outcome;

use crate::error::Error;
use crate::exchange::view::{self, View};
use crate::exchange::{Daemon, Standing};
use crate::expiry::Expiry;
use crate::ledger::shown::Shown;

mod reveal;

pub use reveal::{Held, Revealed};

/// How a node stands.
#[derive(Debug)]
pub struct Status {
    /// Its identity.
    pub id: String,
    /// The number of the roster in force.
    pub roster: u64,
    /// What expires, and when.
    pub expiries: Vec<Expiry>,
    /// When the newest backup was begun that this home made; nothing before the first.
    pub backup: Option<u64>,
    /// How much the ledger has.
    pub ledger: LedgerStatus,
    /// How many keys open files that are gone.
    pub gone: usize,
    /// By what the ledger is not the newest there is of this node's.
    pub behind: Option<Shown>,
    /// The rules of the policy, and what is the matter with them.
    pub policy: PolicyStatus,
    /// The views that this node serves.
    pub own: Vec<Epoch>,
    /// The views of peers that were accepted, by peer.
    pub peers_views: Vec<(String, Epoch)>,
    /// The other providers.
    pub peers: Vec<PeerStatus>,
    /// What peers were charged, where that is something.
    pub budgets: Vec<Spent>,
    /// What was revealed, to whom, of which views, by what the ledger says.
    pub revealed: Vec<Revealed>,
    /// Runs that are not over.
    pub unfinished: Vec<UnfinishedRun>,
    /// The lists of exclusions in force.
    pub exclusions: Vec<String>,
    /// Whether the storage key was exported, without which no backup can be read.
    pub storage_key_exported: bool,
    /// What is damaged of views, in words.
    pub damaged: Vec<String>,
    /// When this was, in seconds since 1970.
    pub now: u64,
}

/// How much a ledger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Records.
    pub size: u64,
    /// Records of the newest checkpoint that witnesses cosigned; nothing before the first.
    pub cosigned: Option<u64>,
    /// When the newest record was written.
    pub time: u64,
}

/// What a policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyStatus {
    /// Rules with the direction `ask`.
    pub ask: usize,
    /// Rules with the direction `serve`.
    pub serve: usize,
    /// What `policy check` finds.
    pub warnings: usize,
    /// Of these, what makes a rule useless.
    pub errors: usize,
}

/// A view in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Which view.
    pub view: String,
    /// The number of the epoch.
    pub epoch: u64,
    /// The sequence number of its newest publication.
    pub sequence: u64,
    /// From when on that is valid, in seconds since 1970.
    pub published: u64,
    /// When its key is no longer used.
    pub ends: u64,
    /// The class of its size.
    pub class: u64,
    /// The length of the file in bytes.
    pub bytes: u64,
}

/// How a peer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub peer: Name,
    /// The newest run of ours that ended with results, in seconds since 1970.
    pub last_success: Option<u64>,
    /// When it answered, and when it did not.
    pub standing: Standing,
    /// The record by which it equivocated, and is asked nothing.
    pub equivocation: Option<u64>,
    /// Whether we ask it for anything.
    pub asked: bool,
    /// Whether we serve it anything.
    pub served: bool,
}

/// What a peer was charged for a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The peer.
    pub peer: Name,
    /// The view.
    pub view: View,
    /// Evaluations today, and how many it may have.
    pub day: (u64, u64),
    /// The same in this epoch.
    pub epoch: (u64, u64),
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// The peer; nothing where it does not read.
    pub peer: Option<String>,
    /// The view.
    pub view: Option<String>,
    /// Whether we asked.
    pub ours: bool,
    /// When it was agreed on, in seconds since 1970.
    pub began: u64,
}

impl Status {
    /// How `daemon` stands now.
    ///
    /// # Errors
    ///
    /// Those of home, ledger and index.
    pub fn of(daemon: &Daemon) -> Result<Self, Error> {
        let node = daemon.node();
        let known = daemon.directory().known();
        let log = daemon.ledger().log();
        let cosigned = log.cosigned()?;
        let cosigned = cosigned.map(|cosigned| cosigned.unverified().size);
        let damaged = daemon.damaged().iter().map(ToString::to_string);
        Ok(Self {
            id: daemon.id().to_string(),
            roster: known.roster.number,
            expiries: daemon.expiries(),
            backup: node.last_backup()?,
            ledger: LedgerStatus {
                size: log.size(),
                cosigned,
                time: log.time(),
            },
            gone: node.files_gone()?,
            behind: daemon.shown()?,
            policy: policy(daemon)?,
            own: own_views(daemon),
            peers_views: peers_views(daemon),
            peers: peers(daemon)?,
            budgets: budgets(daemon)?,
            revealed: reveal::revealed(daemon)?,
            unfinished: unfinished(daemon),
            exclusions: exclusions(daemon),
            storage_key_exported: node.is_storage_key_exported()?,
            damaged: damaged.collect(),
            now: daemon.now(),
        })
    }
}

/// The views that this node serves, each in every epoch whose key is here.
#[must_use]
pub fn own_views(daemon: &Daemon) -> Vec<Epoch> {
    let own = daemon.views().own().into_iter();
    let mut own: Vec<_> = own
        .filter_map(|own| Some(Epoch::of(&own.publications().first()?.manifest)))
        .collect();
    own.sort_by(|a, b| (&a.view, a.epoch).cmp(&(&b.view, b.epoch)));
    own
}

/// The views of peers that were accepted, by the name of the peer.
#[must_use]
pub fn peers_views(daemon: &Daemon) -> Vec<(String, Epoch)> {
    let peers = daemon.views().peers().into_iter();
    let mut peers: Vec<_> = peers
        .filter_map(|epoch| {
            let newest = epoch.publications().into_iter().next()?;
            let responder = String::from_utf8_lossy(&newest.manifest.domain.responder);
            let peer = responder.rsplit('/').next().unwrap_or_default().to_owned();
            Some((peer, Epoch::of(&newest.manifest)))
        })
        .collect();
    peers.sort_by(|(a, left), (b, right)| {
        (a, &left.view, left.epoch).cmp(&(b, &right.view, right.epoch))
    });
    peers
}

impl Epoch {
    fn of(manifest: &Manifest) -> Self {
        Self {
            view: String::from_utf8_lossy(&manifest.domain.view).into_owned(),
            epoch: manifest.domain.epoch,
            sequence: manifest.edition.sequence(),
            published: manifest.valid_from,
            ends: manifest.expires,
            class: manifest.edition.class().entries(),
            bytes: manifest.edition.file_length(),
        }
    }
}

fn policy(daemon: &Daemon) -> Result<PolicyStatus, Error> {
    let policy = daemon.policy();
    let findings = daemon.node().check_policy(policy)?;
    let errors = findings.iter();
    let errors = errors.filter(|finding| finding.severity() == Severity::Error);
    let errors = errors.count();
    let with = |direction| {
        let rules = policy.rules().iter();
        rules
            .filter(|rule| rule.directions.contains(&direction))
            .count()
    };
    Ok(PolicyStatus {
        ask: with(Direction::Ask),
        serve: with(Direction::Serve),
        warnings: findings.len() - errors,
        errors,
    })
}

pub(super) fn providers(daemon: &Daemon) -> Vec<Name> {
    let known = daemon.directory().known();
    let members = known.roster.members.values();
    let others = members
        .filter(|member| member.role == Role::Provider && member.name != *daemon.id().member());
    others.map(|member| member.name.clone()).collect()
}

fn peers(daemon: &Daemon) -> Result<Vec<PeerStatus>, Error> {
    let mut successes: BTreeMap<String, u64> = BTreeMap::new();
    for run in daemon.runs().ended()? {
        let Ok(end) = daemon.runs().end(&run) else {
            continue;
        };
        if end.head.side == Side::Querier && end.outcome != Outcome::GivenUp {
            let last = successes.entry(end.head.peer.as_str().to_owned());
            let last = last.or_default();
            *last = end.ended.max(*last);
        }
    }
    let standings = daemon.standings()?;
    let peers = providers(daemon).into_iter().map(|peer| {
        let has = |direction| !view::with(daemon.policy(), peer.as_str(), direction).is_empty();
        Ok(PeerStatus {
            equivocation: daemon.equivocation(&peer)?,
            last_success: successes.get(peer.as_str()).copied(),
            standing: standings.get(peer.as_str()).cloned().unwrap_or_default(),
            asked: has(Direction::Ask),
            served: has(Direction::Serve),
            peer,
        })
    });
    peers.collect()
}

fn budgets(daemon: &Daemon) -> Result<Vec<Spent>, Error> {
    let time = daemon.now().max(daemon.ledger().log().time());
    let mut budgets = Vec::new();
    for peer in providers(daemon) {
        for view in view::with(daemon.policy(), peer.as_str(), Direction::Serve) {
            let Some(epoch) = daemon.own_epoch(&view) else {
                continue;
            };
            let policy = daemon.policy();
            let kind: IndicatorType = view.indicator_type;
            let rule = policy.rule_serving(peer.as_str(), kind, &view.purpose, Protocol::Lookup);
            let Some(rule) = rule else {
                continue;
            };
            let budget = policy.budget(rule, kind);
            let number = epoch.domain().epoch;
            let name = view.to_string();
            let charged =
                daemon.facts(|facts| facts.charged(&name, peer.as_str(), number, time))?;
            if charged.day > 0 || charged.epoch > 0 {
                budgets.push(Spent {
                    peer: peer.clone(),
                    view,
                    day: (charged.day, budget.day),
                    epoch: (charged.epoch, budget.epoch),
                });
            }
        }
    }
    Ok(budgets)
}

fn unfinished(daemon: &Daemon) -> Vec<UnfinishedRun> {
    let runs = daemon.runs();
    let unfinished = runs.unfinished().into_iter();
    unfinished
        .map(|id| match runs.run(&id) {
            Ok(run) => {
                let head = run.head();
                UnfinishedRun {
                    peer: Some(head.peer.as_str().to_owned()),
                    view: head.view().map(|view| view.as_str().to_owned()),
                    ours: head.side == Side::Querier,
                    began: head.began,
                }
            }
            Err(_) => UnfinishedRun {
                peer: None,
                view: None,
                ours: false,
                began: 0,
            },
        })
        .collect()
}

fn exclusions(daemon: &Daemon) -> Vec<String> {
    let lists = daemon.exclusions().lists().iter();
    lists
        .map(|list| format!("{} (version {})", list.name, list.version))
        .collect()
}
