//! `policy.toml`: what this member asks of others and serves to them, and the facts that a decision
//! rests on, from the roster and the ledger.

use std::io;
use std::path::Path;
use std::sync::Arc;

use blindmatch_membership as membership;
use blindmatch_policy::{
    Charged, Explanation, Finding, LedgerFacts, Member, Policy, Question, Role, RosterFacts, check,
    explain,
};
use blindmatch_store::home::Home;
use blindmatch_store::index::{self, Facts, FactsError, Index, MemoryIndex};
use blindmatch_store::keys::StorageKey;
use blindmatch_store::ledger::Log;

use crate::clock;
use crate::error::Error;
use crate::exchange::view::View;
use crate::files;
use crate::node::{Node, NodeFiles};
use crate::payment::{PaymentKey, payment_key};
use crate::probing::activity;

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
# `blindmatch policy check` reads it; what it decides says
# `blindmatch policy explain --peer MEMBER --type TYPE --purpose PURPOSE`.
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
    /// [`Error::Policy`] with every fault, [`Error::NoPolicy`], [`Error::File`].
    pub fn policy(&self) -> Result<Policy, Error> {
        read(&self.disk().root().join(FILE)).map_err(|error| match error {
            Error::File(path, error) if error.kind() == io::ErrorKind::NotFound => {
                Error::NoPolicy(path)
            }
            error => error,
        })
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
        Ok(check(policy, members.as_deref(), self.now()))
    }
}

/// The same of a policy where there is no node.
#[must_use]
pub fn check_alone(policy: &Policy) -> Vec<Finding> {
    check(policy, None, clock::now())
}

impl NodeFiles {
    /// What would be decided about runs with a peer, by direction and protocol, while another process
    /// may own the home: what the ledger says is read from all of it.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`], [`Error::NotListed`], [`Error::Ledger`], [`Error::Key`], [`Error::Index`].
    pub fn explain<'p>(
        &self,
        policy: &'p Policy,
        question: &Question<'p>,
    ) -> Result<Vec<Explanation<'p>>, Error> {
        let ledger = self.ledger_facts(question)?;
        let keys = Home::named_keys_read_only(self.disk())?;
        self.explained(policy, question, &ledger, payment_key(&keys)?)
    }

    fn ledger_facts(&self, question: &Question<'_>) -> Result<LedgerFacts, Error> {
        let (log, _) = self.log()?;
        // The index lives as long as this call, so any key will do.
        let key = StorageKey::random(&mut rand::rng());
        let (facts, _) = Facts::over(MemoryIndex::default(), &key, &log)?;
        let facts = ledger_facts(&facts, &log, question, self.now());
        Ok(facts.map_err(FactsError::Doubt)?)
    }

    fn explained<'p>(
        &self,
        policy: &'p Policy,
        question: &Question<'p>,
        ledger: &LedgerFacts,
        key: Option<PaymentKey>,
    ) -> Result<Vec<Explanation<'p>>, Error> {
        // Whether it is in force is part of the decision.
        let held = self.held_roster()?;
        let roster = held.roster();
        // No run begins without that, whatever the policy says.
        let own = self.delegation()?.check(roster, self.now());
        own.map_err(Error::NotListed)?;
        let key = key.map(|key| key.id());
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
        Ok(explain(&facts, policy, question, ledger, self.now()))
    }
}

impl Node {
    /// What would be decided about runs with a peer, by direction and protocol. What the ledger says
    /// comes from the index, which is made again where there is any doubt about it.
    ///
    /// # Errors
    ///
    /// As [`NodeFiles::explain`].
    pub fn explain<'p>(
        &self,
        policy: &'p Policy,
        question: &Question<'p>,
    ) -> Result<Vec<Explanation<'p>>, Error> {
        let ledger = self.ledger_facts(question)?;
        self.explained(policy, question, &ledger, self.payment_key()?)
    }

    fn ledger_facts(&self, question: &Question<'_>) -> Result<LedgerFacts, Error> {
        let log = match self.opened().ledger.current() {
            Some(ledger) => ledger.log(),
            None => Arc::new(self.log()?.0),
        };
        let index = self.index(&log)?;
        let now = self.now();
        index.ask(self.home(), &log, |facts| {
            ledger_facts(facts, &log, question, now)
        })
    }
}

/// What the ledger says about a peer: the most that any one view has charged it, the runs in a row that it
/// broke off, and what it asked of the view in question. Nothing is recorded before the newest record, so no clock that is behind
/// gives a day back.
fn ledger_facts<I: Index>(
    facts: &Facts<I>,
    log: &Log,
    question: &Question<'_>,
    now: u64,
) -> Result<LedgerFacts, index::Doubt> {
    let (peer, time) = (question.peer, now.max(log.time()));
    let view = View {
        indicator_type: question.indicator_type,
        purpose: question.purpose.to_owned(),
    };
    let charged = facts.charged_at_most(peer, time)?;
    let broken_off = facts.unreceipted_in_a_row(peer)?;
    Ok(LedgerFacts {
        charged: Charged {
            day: charged.day,
            epoch: charged.epoch,
        },
        one_sided_aborts: u32::try_from(broken_off).unwrap_or(u32::MAX),
        activity: activity(facts, &view.to_string(), peer, time)?,
    })
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Policy, Error> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        Error::File(file.to_owned(), error)
    })?;
    Policy::parse(text).map_err(|faults| Error::Policy(file.to_owned(), faults))
}

pub(crate) const fn role(role: membership::Role) -> Role {
    match role {
        membership::Role::Provider => Role::Provider,
        membership::Role::Liaison => Role::Liaison,
    }
}

#[cfg(test)]
mod tests;
