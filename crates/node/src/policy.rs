//! `policy.toml`: what this member asks of others and serves to them, and the facts that a decision
//! rests on, from the roster and the ledger.

use std::collections::BTreeMap;
use std::path::Path;

use blindmatch_audit::record::Event;
use blindmatch_membership as membership;
use blindmatch_policy::{
    Charged, Debit, Explanation, Finding, LedgerFacts, Member, Policy, Question, Role, RosterFacts,
    Usage, check, explain,
};
use blindmatch_store::ledger::Log;

use crate::clock;
use crate::error::Error;
use crate::files;
use crate::node::{Node, NodeFiles};

/// What a policy file has at most, and a little more, so that the excess is seen.
pub(crate) const MAX_POLICY: u64 = 2 << 20;

/// The file's name in the home.
pub const FILE: &str = "policy.toml";

/// The policy of a new node, which allows nothing.
pub(crate) const FIRST: &str = "\
# What this member asks of others and serves to them. Whatever no rule allows is refused, so this
# file, which has none yet, refuses everything. An example to begin from:
#
# [purpose.abuse-prevention]
# text = \"Recognise, at sign-up and after, customers whom another member knows for abuse.\"
#
# [legal_basis.consortium-agreement]
# text = \"Consortium agreement, schedule B.\"
# valid_until = 2027-12-31
#
# [[allow]]
# peers = [\"*\"]
# types = [\"email\"]
# directions = [\"ask\", \"serve\"]
# purposes = [\"abuse-prevention\"]
# protocols = [\"lookup\"]
# legal_basis = \"consortium-agreement\"
#
# `blindmatch policy check` reads it, `blindmatch policy explain` says what it decides.
";

/// Reads the policy in `file`.
///
/// # Errors
///
/// [`Error::Policy`] with every fault, [`Error::File`].
pub fn read(file: &Path) -> Result<Policy, Error> {
    parse(file, &files::read(file, MAX_POLICY)?)
}

impl NodeFiles {
    /// The policy of this node.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] with every fault, [`Error::File`].
    pub fn policy(&self) -> Result<Policy, Error> {
        read(&self.disk().root().join(FILE))
    }

    /// What the author of a policy may not have meant, by the roster that this node holds.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn check_policy(&self, policy: &Policy) -> Result<Vec<Finding>, Error> {
        let trust = self.trust()?;
        let roster = trust.held().map(membership::SignedRoster::roster);
        let members: Option<Vec<_>> = roster.map(|roster| {
            let members = roster.members.values();
            members
                .map(|member| Member {
                    name: member.name.as_str(),
                    role: role(member.role),
                })
                .collect()
        });
        Ok(check(policy, members.as_deref(), clock::now()))
    }
}

/// The same of a policy where there is no node.
#[must_use]
pub fn check_alone(policy: &Policy) -> Vec<Finding> {
    check(policy, None, clock::now())
}

impl Node {
    /// What would be decided about runs with a peer, by direction and protocol.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`], [`Error::Ledger`], [`Error::Key`].
    pub fn explain<'p>(
        &self,
        policy: &'p Policy,
        question: &Question<'p>,
    ) -> Result<Vec<Explanation<'p>>, Error> {
        // Whether it is in force is part of the decision.
        let held = self.held_roster()?;
        let roster = held.roster();
        let now = clock::now();
        let (log, _) = self.log()?;
        let ledger = ledger_facts(&log, question.peer, now)?;
        let key = self.payment_key()?.map(|key| key.id());
        let kind = question.indicator_type;
        let version = u32::from(kind.canonicalisation_version());
        let in_force = roster.canonicalisation.get(kind.name());
        let in_force = in_force.map_or(0, |&version| u32::from(version));
        let peer = question.peer.parse().ok();
        let peer = peer.and_then(|name: membership::Name| roster.members.get(&name));
        let facts = RosterFacts {
            number: roster.number,
            not_before: roster.not_before,
            expires: roster.expires,
            own_role: role(self.config().node.role),
            peer_role: peer.map(|peer| role(peer.role)),
            canonicalisation: in_force,
            own_canonicalisation: version,
            // What the peer carries it says when a run is agreed on; until then, what it should.
            peer_canonicalisation: in_force,
            payment_key: key.as_ref().map_or(&[], |key| key.as_bytes().as_slice()),
        };
        Ok(explain(&facts, policy, question, &ledger, now))
    }
}

/// What the ledger says about a peer: the most that any one view has charged it, and the runs in a
/// row that it broke off.
fn ledger_facts(log: &Log, peer: &str, now: u64) -> Result<LedgerFacts, Error> {
    let mut views: BTreeMap<String, (Usage, u64)> = BTreeMap::new();
    let mut runs = Vec::new();
    let mut aborts = 0;
    for record in log.records(0..log.size()) {
        let (_, record) = record?;
        match record.event {
            Event::Debit {
                peer: who,
                view,
                epoch,
                amount,
                ..
            } if who.as_str() == peer => {
                let (usage, last) = views.entry(view.as_str().to_owned()).or_default();
                usage.record(Debit {
                    time: record.time,
                    epoch,
                    amount: amount.count(),
                });
                *last = epoch.max(*last);
            }
            // What was charged between the backup and the restore is not known: all of it counts as
            // spent, until a new epoch and another day.
            Event::Incarnation { number: 2.., .. } => {
                views.entry(String::new()).or_default();
                for (usage, epoch) in views.values_mut() {
                    usage.record(Debit::everything(record.time, *epoch));
                }
            }
            Event::EpochOpened { view, epoch, .. } => {
                views.remove("");
                views.entry(view.as_str().to_owned()).or_default().1 = epoch;
            }
            Event::RunAgreed { run, peer: who, .. } if who.as_str() == peer => runs.push(run),
            Event::RunUnreceipted { run } if runs.contains(&run) => aborts += 1,
            Event::RunConcluded { run, .. } if runs.contains(&run) => aborts = 0,
            _ => {}
        }
    }
    let charged = views
        .values()
        .map(|(usage, epoch)| usage.charged(now, *epoch));
    let charged = charged.fold(Charged::default(), |most, charged| Charged {
        day: most.day.max(charged.day),
        epoch: most.epoch.max(charged.epoch),
    });
    Ok(LedgerFacts {
        charged,
        one_sided_aborts: aborts,
    })
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Policy, Error> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        Error::File(file.to_owned(), error)
    })?;
    Policy::parse(text).map_err(|faults| Error::Policy(file.to_owned(), faults))
}

const fn role(role: membership::Role) -> Role {
    match role {
        membership::Role::Provider => Role::Provider,
        membership::Role::Liaison => Role::Liaison,
    }
}
