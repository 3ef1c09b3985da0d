//! `blindmatch evidence`: what an assessor asks for, without a value in it.

use std::collections::BTreeMap;

use blindmatch_node::NodeFiles;
use blindmatch_node::audit::record::Event;
use blindmatch_node::files;
use blindmatch_node::policy;
use blindmatch_node::store::ledger::Log;
use serde::Serialize;

use super::ledger::kind;
use crate::args::Global;
use crate::args::node::EvidenceArguments;
use crate::error::{Error, Exit};
use crate::output::{self, hex, time};

/// Of a home at one state of its ledger always the same.
#[derive(Serialize)]
struct Evidence {
    schema: &'static str,
    note: &'static str,
    member: String,
    role: String,
    consortium: String,
    /// Until when it speaks: the time of the newest record.
    until: String,
    ledger: LedgerState,
    roster: RosterState,
    /// The texts in force, as the operator wrote them.
    policy: String,
    /// When a policy or a configuration came into force, by the ledger, which has salted digests of them.
    policies_in_force: Vec<InForce>,
    rosters_accepted: Vec<Accepted>,
    /// Records by their kind.
    counters: BTreeMap<&'static str, u64>,
    /// What peers were charged for, by peer and view: the most that they can have found out.
    charged: Vec<Charged>,
    not_recorded: [&'static str; 2],
}

#[derive(Serialize)]
struct LedgerState {
    origin: String,
    records: u64,
    root: String,
    /// Every record was read, and the checkpoint holds over them.
    verified: bool,
    incarnation: u64,
    incarnations_lost: usize,
    checkpoint: String,
    cosigned_size: Option<u64>,
    cosigners: Vec<String>,
}

#[derive(Serialize)]
struct RosterState {
    number: u64,
    not_before: String,
    expires: String,
    fingerprint: String,
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    member: String,
    role: String,
    witness: bool,
}

#[derive(Serialize)]
struct InForce {
    record: u64,
    since: String,
    policy: String,
    configuration: String,
}

#[derive(Serialize)]
struct Accepted {
    record: u64,
    at: String,
    number: u64,
    digest: String,
}

#[derive(Serialize)]
struct Charged {
    peer: String,
    view: String,
    epochs: u64,
    batches: u64,
    evaluations: u64,
}

/// What the records say.
#[derive(Default)]
struct Told {
    policies: Vec<InForce>,
    rosters: Vec<Accepted>,
    counters: BTreeMap<&'static str, u64>,
    charged: BTreeMap<(String, String), Sum>,
}

#[derive(Default)]
struct Sum {
    epochs: std::collections::BTreeSet<u64>,
    batches: u64,
    evaluations: u64,
}

pub(crate) fn run(arguments: &EvidenceArguments, global: &Global) -> Result<Exit, Error> {
    let files_of_home = NodeFiles::read(&global.home()?)?;
    let evidence = Evidence::of(&files_of_home)?;
    let mut text = serde_json::to_string_pretty(&evidence)
        .map_err(|error| Error::new(format!("cannot write the evidence: {error}")))?;
    text.push('\n');
    match &arguments.file {
        None => output::print(&text, global)?,
        Some(file) => {
            files::write_new(file, text.as_bytes())?;
            let file = global.session.typed(file);
            output::next(
                global,
                &format!(
                    "to show the ledger itself too: blindmatch ledger export FILE; this is in {}",
                    file.display()
                ),
            );
        }
    }
    Ok(Exit::Done)
}

impl Evidence {
    fn of(files: &NodeFiles) -> Result<Self, Error> {
        let (log, _, _) = files.verify_ledger()?;
        let told = Told::of(&log)?;
        let head = log.head().unverified();
        let (cosigned, cosigners) = files.cosigned(&log)?.unzip();
        let trust = files.trust()?;
        let roster = trust
            .roster_at(files.now())
            .map_err(blindmatch_node::Error::NoRoster)?;
        let policy_file = files.disk().root().join(policy::FILE);
        let text = files::read(&policy_file, 2 << 20)?;
        let own = &files.config().node;
        let members = roster.members.values().map(|member| Member {
            member: member.name.to_string(),
            role: member.role.to_string(),
            witness: member.witness,
        });
        let charged = told.charged.into_iter();
        let charged = charged.map(|((peer, view), sum)| Charged {
            peer,
            view,
            epochs: u64::try_from(sum.epochs.len()).unwrap_or(u64::MAX),
            batches: sum.batches,
            evaluations: sum.evaluations,
        });
        Ok(Self {
            schema: "blindmatch.evidence.v1",
            note: "No indicator is in this. A match is a lead, and no decision may rest on it alone.",
            member: own.member.to_string(),
            role: own.role.to_string(),
            consortium: own.consortium.to_string(),
            until: time(log.time()),
            ledger: LedgerState {
                origin: head.origin.to_string(),
                records: log.size(),
                root: hex(&log.root()),
                verified: true,
                incarnation: log.incarnation(),
                incarnations_lost: log.lost().count(),
                checkpoint: log.head().to_string(),
                cosigned_size: cosigned.map(|cosigned| cosigned.unverified().size),
                cosigners: cosigners.map(|by| by.names).unwrap_or_default(),
            },
            roster: RosterState {
                number: roster.number,
                not_before: time(roster.not_before),
                expires: time(roster.expires),
                fingerprint: roster.fingerprint().to_string(),
                members: members.collect(),
            },
            policy: String::from_utf8_lossy(&text).into_owned(),
            policies_in_force: told.policies,
            rosters_accepted: told.rosters,
            counters: told.counters,
            charged: charged.collect(),
            not_recorded: [
                "matches: a ledger has commitments to them and not how many there are",
                "denials: the log and the metrics of the node have them, its ledger has not",
            ],
        })
    }
}

impl Told {
    fn of(log: &Log) -> Result<Self, Error> {
        let mut told = Self::default();
        for index in 0..log.size() {
            let record = log.record(index).map_err(blindmatch_node::Error::Ledger)?;
            *told.counters.entry(kind(&record.event)).or_default() += 1;
            match &record.event {
                Event::Policy { policy, config } => told.policies.push(InForce {
                    record: index,
                    since: time(record.time),
                    policy: hex(&policy.0),
                    configuration: hex(&config.0),
                }),
                Event::Roster { number, digest } => told.rosters.push(Accepted {
                    record: index,
                    at: time(record.time),
                    number: *number,
                    digest: hex(digest),
                }),
                Event::Debit {
                    peer,
                    view,
                    epoch,
                    amount,
                    ..
                } => {
                    let of = (peer.to_string(), view.to_string());
                    let sum = told.charged.entry(of).or_default();
                    sum.epochs.insert(*epoch);
                    sum.batches += 1;
                    sum.evaluations = sum.evaluations.saturating_add(amount.count());
                }
                _ => {}
            }
        }
        Ok(told)
    }
}
