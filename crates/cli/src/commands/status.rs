//! `blindmatch status`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use blindmatch_node::Error as NodeError;
use blindmatch_node::NodeFiles;
use blindmatch_node::exchange::{Coverage as Covered, Footing};
use blindmatch_node::expiry::{Expiring as What, Expiry, days_left};
use blindmatch_node::ledger::shown::Shown as Behind;
use blindmatch_node::rules::Direction;
use blindmatch_node::status::{PeerStatus, PolicyStatus, Revealed, Spent, Status};
use serde::Serialize;

use super::at_work::AtWork;
use super::epoch::View;
use crate::args::Global;
use crate::args::collections::TablesArguments;
use crate::error::{Error, Exit, named};
use crate::output::{self, Fact, Report, Table, grouped, time};

pub(crate) fn run(arguments: &TablesArguments, global: &Global) -> Result<Exit, Error> {
    let home = global.home()?;
    let work = match AtWork::open(arguments.tables.as_deref(), global) {
        Ok(work) => work,
        Err(error) => {
            // A node that cannot work yet, or no longer, says so.
            let Ok(files) = NodeFiles::read(&home) else {
                return Err(error);
            };
            let own = &files.config().node;
            if !global.quiet {
                global.tell(format_args!(
                    "{} of {}: not at work",
                    own.member, own.consortium
                ));
            }
            return Err(error);
        }
    };
    let status = Status::of(&work.daemon)?;
    let shown = Shown::of(&status, &home.display().to_string(), global);
    output::show("status", &shown, global)?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Shown {
    home: String,
    member: String,
    roster: Expiring,
    delegation: Expiring,
    legal_bases: Vec<Expiring>,
    ledger: Ledger,
    policy: Policy,
    last_backup: Option<String>,
    /// Whole days since then.
    backup_age_days: Option<u64>,
    views: Vec<View>,
    peers: Vec<Peer>,
    budgets: Vec<Budget>,
    /// The leakage ledger: what was revealed to whom.
    revealed: Vec<Leak>,
    unfinished: Vec<Unfinished>,
    exclusions: Vec<String>,
    storage_key_exported: bool,
    /// What needs somebody's attention, most pressing first.
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Expiring {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    expires: String,
    days_left: Option<u64>,
}

#[derive(Serialize)]
struct Ledger {
    records: u64,
    cosigned: Option<u64>,
    newest: String,
}

#[derive(Serialize)]
struct Policy {
    ask_rules: usize,
    serve_rules: usize,
    warnings: usize,
    errors: usize,
}

#[derive(Serialize)]
struct Peer {
    peer: String,
    /// The record by which it told two stories, and is not asked.
    equivocation: Option<u64>,
    asked: bool,
    served: bool,
    last_success: Option<String>,
    last_answer: Option<String>,
    last_failure: Option<String>,
    failure: Option<String>,
    /// How much of collections of customers it was asked for in the epoch of the last batch.
    coverage: Vec<Coverage>,
}

#[derive(Serialize)]
struct Coverage {
    collection: String,
    r#type: String,
    purpose: String,
    known: u64,
    items: u64,
    percent: u64,
    at: String,
}

impl Coverage {
    fn of(one: &Covered) -> Self {
        let known = u128::from(one.known) * 100 / u128::from(one.items.max(1));
        Self {
            collection: one.collection.clone(),
            r#type: one.indicator_type.clone(),
            purpose: one.purpose.clone(),
            known: one.known,
            items: one.items,
            percent: u64::try_from(known).unwrap_or(100),
            at: time(one.at),
        }
    }
}

#[derive(Serialize)]
struct Budget {
    peer: String,
    view: String,
    day_charged: u64,
    day_budget: u64,
    day_percent: u64,
    epoch_charged: u64,
    epoch_budget: u64,
    epoch_percent: u64,
}

#[derive(Serialize)]
struct Leak {
    peer: String,
    view: String,
    /// Whether the peer was served, or asked.
    direction: &'static str,
    epoch: u64,
    evaluations_in_epoch: u64,
    evaluations_in_all: u64,
    /// Of the epoch's budget, of which the present one may have had nothing yet.
    epoch_percent: Option<u64>,
    /// What the budget lets the peer find out, in words.
    reach: Option<String>,
    runs_today: Option<u64>,
    stopped: Option<String>,
    slowed_days: Option<u64>,
    vouched_until: Option<String>,
}

#[derive(Serialize)]
struct Unfinished {
    peer: Option<String>,
    view: Option<String>,
    /// Whether this node asked.
    own: bool,
    since: String,
}

#[derive(Serialize)]
struct Warning {
    what: String,
    next: String,
}

/// From so many percent of a budget on it is said.
const BUDGET_PERCENT: u64 = 80;
/// A backup that is older than this is.
const BACKUP_DAYS: u64 = 7;

impl Shown {
    fn of(status: &Status, home: &str, global: &Global) -> Self {
        let own = status.id.rsplit('/').next().unwrap_or_default();
        let views = status.own.iter().map(|epoch| View::of(own, true, epoch));
        let peers_views = status.peers_views.iter();
        let peers_views = peers_views.map(|(peer, epoch)| View::of(peer, false, epoch));
        let of = |what: &What| status.expiries.iter().find(|expiry| expiry.what == *what);
        let expiring = |what| Expiring::of(of(&what), status.now);
        let bases = status
            .expiries
            .iter()
            .filter_map(|expiry| match &expiry.what {
                What::LegalBasis(id) => Some(Expiring {
                    id: Some(id.clone()),
                    ..Expiring::of(Some(expiry), status.now)
                }),
                What::Roster | What::Delegation => None,
            });
        let budgets: Vec<_> = status.budgets.iter().map(Budget::of).collect();
        let service = global.session.service();
        let behind = status.behind.clone();
        let footing = service.map_or_else(
            || behind.map_or(Footing::Firm, Footing::Behind),
            |service| service.serving().footing(),
        );
        Self {
            home: home.to_owned(),
            member: status.id.clone(),
            roster: Expiring {
                number: Some(status.roster),
                ..expiring(What::Roster)
            },
            delegation: expiring(What::Delegation),
            legal_bases: bases.collect(),
            ledger: Ledger {
                records: status.ledger.size,
                cosigned: status.ledger.cosigned,
                newest: time(status.ledger.time),
            },
            policy: Policy {
                ask_rules: status.policy.ask,
                serve_rules: status.policy.serve,
                warnings: status.policy.warnings,
                errors: status.policy.errors,
            },
            last_backup: status.backup.map(time),
            backup_age_days: backup_age(status),
            views: views.chain(peers_views).collect(),
            peers: status.peers.iter().map(Peer::of).collect(),
            warnings: warnings(status, &footing, &budgets, global),
            budgets,
            revealed: status.revealed.iter().map(Leak::of).collect(),
            unfinished: status
                .unfinished
                .iter()
                .map(|run| Unfinished {
                    peer: run.peer.clone(),
                    view: run.view.clone(),
                    own: run.ours,
                    since: time(run.began),
                })
                .collect(),
            exclusions: status.exclusions.clone(),
            storage_key_exported: status.storage_key_exported,
        }
    }
}

impl Expiring {
    /// Of something that there is not it is as if it had expired.
    fn of(expiry: Option<&Expiry>, now: u64) -> Self {
        let at = expiry.map_or(0, |expiry| expiry.at);
        Self {
            number: None,
            id: None,
            expires: time(at),
            days_left: days_left(at, now),
        }
    }

    fn in_words(&self) -> String {
        let number = self.number.map(|number| format!("number {number}, "));
        let left = match self.days_left {
            None => "expired".to_owned(),
            Some(1) => "1 day left".to_owned(),
            Some(days) => format!("{days} days left"),
        };
        format!(
            "{}{left}, until {}",
            number.unwrap_or_default(),
            self.expires
        )
    }
}

impl Peer {
    fn of(peer: &PeerStatus) -> Self {
        Self {
            peer: peer.peer.to_string(),
            equivocation: peer.equivocation,
            asked: peer.asked,
            served: peer.served,
            last_success: peer.last_success.map(time),
            last_answer: peer.standing.answered.map(time),
            last_failure: peer.standing.failed.map(time),
            failure: peer.standing.why.clone(),
            coverage: peer.standing.coverage.iter().map(Coverage::of).collect(),
        }
    }

    fn in_words(&self) -> String {
        let mut said = Vec::new();
        if let Some(record) = self.equivocation {
            said.push(format!(
                "told two stories (record {record}), not asked any more"
            ));
        }
        said.push(
            match (self.asked, self.served) {
                (true, true) => "asked and served",
                (true, false) => "asked",
                (false, true) => "served",
                (false, false) => "neither asked nor served",
            }
            .to_owned(),
        );
        if let Some(success) = &self.last_success {
            said.push(format!("last run {success}"));
        }
        if let Some(failure) = &self.last_failure
            && self
                .last_answer
                .as_ref()
                .is_none_or(|answer| answer < failure)
        {
            let why = self.failure.as_deref().unwrap_or_default();
            said.push(format!("failed {failure}: {why}"));
        }
        // What is whole needs no word.
        for one in self.coverage.iter().filter(|one| one.known < one.items) {
            let Coverage {
                collection,
                r#type,
                percent,
                known,
                items,
                ..
            } = one;
            let (known, items) = (grouped(*known), grouped(*items));
            said.push(format!(
                "asked for {percent} % of the {type} of {collection} in this epoch ({known} of {items})"
            ));
        }
        said.join("; ")
    }
}

impl Budget {
    fn of(spent: &Spent) -> Self {
        Self {
            peer: spent.peer.to_string(),
            view: spent.view.to_string(),
            day_charged: spent.day.0,
            day_budget: spent.day.1,
            day_percent: percent(spent.day),
            epoch_charged: spent.epoch.0,
            epoch_budget: spent.epoch.1,
            epoch_percent: percent(spent.epoch),
        }
    }
}

impl Leak {
    fn of(revealed: &Revealed) -> Self {
        let serves = revealed.direction == Direction::Serve;
        let held = Some(&revealed.held).filter(|_| serves);
        let of_budget = |reach: &blindmatch_node::rules::Reach| {
            let spent = reach.budget.epoch.saturating_sub(reach.left.epoch);
            percent((spent, reach.budget.epoch))
        };
        Self {
            peer: revealed.peer.clone(),
            view: revealed.view.clone(),
            direction: revealed.direction.name(),
            epoch: revealed.epoch,
            evaluations_in_epoch: revealed.in_epoch,
            evaluations_in_all: revealed.in_all,
            epoch_percent: revealed.reach.as_ref().map(of_budget),
            reach: revealed.reach.map(|reach| reach.to_string()),
            runs_today: held.map(|held| held.runs),
            stopped: held.and_then(|held| held.stopped.clone()),
            slowed_days: held.map(|held| held.slowed),
            vouched_until: held.and_then(|held| held.vouched).map(time),
        }
    }

    fn in_words(&self) -> String {
        let what = match self.direction {
            "serve" => "answered",
            _ => "asked by us",
        };
        let mut said = format!(
            "{} evaluations {what} in epoch {}, {} in all",
            grouped(self.evaluations_in_epoch),
            self.epoch,
            grouped(self.evaluations_in_all)
        );
        if let Some(percent) = self.epoch_percent {
            said.push_str(&format!("; {percent} % of the present epoch's budget"));
        }
        if let Some(why) = &self.stopped {
            said.push_str(&format!("; stopped: {why}"));
        }
        if let Some(until) = &self.vouched_until {
            said.push_str(&format!("; vouched for until {until}"));
        }
        said
    }
}

/// Rounded up, and no more than 100.
fn percent((charged, budget): (u64, u64)) -> u64 {
    let percent = u128::from(charged) * 100;
    let percent = percent.div_ceil(u128::from(budget.max(1)));
    u64::try_from(percent.min(100)).unwrap_or(100)
}

fn warnings(
    status: &Status,
    footing: &Footing,
    budgets: &[Budget],
    global: &Global,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |what: String, next: &str| {
        let next = named(next, global.named_home());
        warnings.push(Warning { what, next });
    };
    match footing {
        Footing::Firm => {}
        Footing::Open => warn(footing.to_string(), "see that a witness's node is reached"),
        Footing::Behind(_) => warn(footing.to_string(), Behind::NEXT),
    }
    if status.gone > 0 {
        warn(
            NodeError::FilesGone(status.gone).to_string(),
            "blindmatch doctor",
        );
    }
    for expiry in &status.expiries {
        if let Some(due) = expiry.due(status.now) {
            let (over, next) = what_then(&expiry.what);
            let said = match days_left(expiry.at, status.now) {
                None => format!("has expired: {over}"),
                Some(1) => format!("expires in 1 day, fewer than {due}"),
                Some(days) => format!("expires in {days} days, fewer than {due}"),
            };
            warn(format!("the {} {said}", expiry.what), next);
        }
    }
    if status.policy.ask + status.policy.serve == 0 {
        warn(
            "the policy has no rule: everything is refused".to_owned(),
            "blindmatch policy check",
        );
    } else if let Some(found) = found_in(status.policy) {
        warn(format!("the policy has {found}"), "blindmatch policy check");
    }
    for peer in &status.peers {
        if let Some(record) = peer.equivocation {
            let name = &peer.peer;
            warn(
                format!(
                    "{name} told two stories, by record {record} of the ledger: it is not asked"
                ),
                &format!(
                    "compare roster/equivocation-1-{name} and -2-{name} with what other members have, \
                     then: blindmatch roster readmit {name}"
                ),
            );
        }
    }
    for damage in &status.damaged {
        warn(damage.clone(), "blindmatch doctor");
    }
    for revealed in &status.revealed {
        if let Some(why) = &revealed.held.stopped {
            let (peer, view) = (&revealed.peer, &revealed.view);
            warn(
                format!("{peer} is stopped at {view}: {why}"),
                &format!(
                    "talk to its operator; if it is meant: blindmatch policy override --peer {peer} --days 7 \
                     --why TICKET"
                ),
            );
        }
    }
    for budget in budgets {
        let most = budget.day_percent.max(budget.epoch_percent);
        if most >= BUDGET_PERCENT {
            warn(
                format!("{} has spent {most} % of {}", budget.peer, budget.view),
                "see the budgets in policy.toml: blindmatch policy check",
            );
        }
    }
    let unfinished = status.unfinished.iter();
    let unfinished = unfinished.filter(|run| run.ours).count();
    if unfinished > 0 {
        warn(
            format!("{unfinished} runs of ours are not over"),
            "go on with them: blindmatch batch",
        );
    }
    if !status.storage_key_exported {
        warn(
            "the storage key was never exported: should this disk die, no backup can be read"
                .to_owned(),
            "blindmatch keys export storage --to FILE",
        );
    }
    let next = "blindmatch backup FILE";
    match backup_age(status) {
        None => warn("no backup was made yet".to_owned(), next),
        Some(days) if days >= BACKUP_DAYS => {
            warn(format!("the last backup is {days} days old"), next);
        }
        Some(_) => {}
    }
    warnings
}

/// What it means that something has expired, and what to do before.
const fn what_then(what: &What) -> (&'static str, &'static str) {
    match what {
        What::Roster => (
            "every run is refused",
            "ask an administrator for the next one, then: blindmatch roster install FILE",
        ),
        What::Delegation => ("no peer accepts this node", "blindmatch keys rotate"),
        What::LegalBasis(_) => (
            "runs of its rules are refused",
            "counsel renews it: its valid_until in policy.toml, then: blindmatch policy check",
        ),
    }
}

/// What `policy check` finds: what makes a rule useless is an error, all else a warning.
fn found_in(policy: PolicyStatus) -> Option<String> {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let found = [
        counted(policy.errors, "error"),
        counted(policy.warnings, "warning"),
    ];
    let found: Vec<_> = found.into_iter().flatten().collect();
    (!found.is_empty()).then(|| found.join(" and "))
}

/// Whole days since the last backup.
fn backup_age(status: &Status) -> Option<u64> {
    Some(status.now.saturating_sub(status.backup?) / 86_400)
}

/// A line for each member: how many views, and which epoch ends first.
fn views_in_words(views: &[View]) -> Vec<(&str, String)> {
    let mut of_members: BTreeMap<(bool, &str), Vec<&View>> = BTreeMap::new();
    for view in views {
        // Our own first.
        let of_member = of_members.entry((!view.own, &view.member));
        of_member.or_default().push(view);
    }
    let mut lines = Vec::new();
    for ((_, member), views) in of_members {
        let mut said = match views.len() {
            1 => "1 view".to_owned(),
            count => format!("{count} views"),
        };
        if let Some(View { view, ends, .. }) = views.iter().min_by_key(|view| &view.ends) {
            said.push_str(&format!(", the first epoch ends {ends} ({view})"));
        }
        lines.push((member, said));
    }
    lines
}

/// A line for each peer: what it spent most of.
fn budgets_in_words(budgets: &[Budget]) -> Vec<(&str, String)> {
    const SHOWN: usize = 5;
    let mut of_peers: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for budget in budgets {
        let most = budget.day_percent.max(budget.epoch_percent);
        let of_peer = of_peers.entry(&budget.peer).or_default();
        of_peer.push((most, &budget.view));
    }
    let mut lines = Vec::new();
    for (peer, mut spent) in of_peers {
        spent.sort_by_key(|(most, view)| (Reverse(*most), *view));
        let shown = spent.iter().take(SHOWN);
        let mut said: Vec<_> = shown
            .map(|(most, view)| format!("{view} {most} %"))
            .collect();
        if spent.len() > SHOWN {
            said.push(format!("{} more", spent.len() - SHOWN));
        }
        lines.push((peer, said.join(", ")));
    }
    lines
}

impl Report for Shown {
    fn table(&self) -> String {
        let ledger = match self.ledger.cosigned {
            None => "none of them cosigned yet".to_owned(),
            Some(cosigned) => format!("{} cosigned", grouped(cosigned)),
        };
        let exclusions = if self.exclusions.is_empty() {
            "no list".to_owned()
        } else {
            self.exclusions.join(", ")
        };
        let backup = match (&self.last_backup, self.backup_age_days) {
            (Some(time), Some(0)) => format!("today, {time}"),
            (Some(time), Some(1)) => format!("1 day ago, {time}"),
            (Some(time), Some(days)) => format!("{days} days ago, {time}"),
            _ => "none yet".to_owned(),
        };
        let mut fields = Table::of_fields();
        fields
            .row(&["member", &self.member])
            .row(&["home", &self.home])
            .row(&["roster", &self.roster.in_words()])
            .row(&["delegation", &self.delegation.in_words()]);
        for basis in &self.legal_bases {
            let id = basis.id.as_deref().unwrap_or_default();
            fields.row(&["legal basis", &format!("{id}, {}", basis.in_words())]);
        }
        fields
            .row(&[
                "ledger",
                &format!(
                    "{} records, {ledger}, the newest of {}",
                    grouped(self.ledger.records),
                    self.ledger.newest
                ),
            ])
            .row(&[
                "policy",
                &format!(
                    "{} rules to ask, {} to serve",
                    self.policy.ask_rules, self.policy.serve_rules
                ),
            ])
            .row(&["exclusions", &exclusions])
            .row(&["backup", &backup]);
        let mut text = fields.render();
        let mut section = |title: &str, table: Table, is_empty: bool| {
            if !is_empty {
                text.push_str(&format!("\n{title}\n{}", table.render()));
            }
        };
        let mut peers = Table::of_texts(2);
        for peer in &self.peers {
            peers.row(&[&peer.peer, &peer.in_words()]);
        }
        section("peers", peers, self.peers.is_empty());
        let mut views = Table::of_texts(2);
        for (member, said) in views_in_words(&self.views) {
            views.row(&[member, &said]);
        }
        section("views (each: epoch list)", views, self.views.is_empty());
        let mut budgets = Table::of_texts(2);
        for (peer, said) in budgets_in_words(&self.budgets) {
            budgets.row(&[peer, &said]);
        }
        section(
            "spent by peers, of a day or an epoch",
            budgets,
            self.budgets.is_empty(),
        );
        let mut leaks = Table::of_texts(3);
        for leak in &self.revealed {
            leaks.row(&[&leak.peer, &leak.view, &leak.in_words()]);
            // In words where values can be listed: what the rest of the budget lets the peer find out.
            if let Some(reach) = leak
                .reach
                .as_ref()
                .filter(|reach| !reach.contains("guesses"))
            {
                leaks.row(&["", "", reach]);
            }
        }
        section("revealed so far", leaks, self.revealed.is_empty());
        let mut unfinished = Table::of_texts(4);
        for run in &self.unfinished {
            unfinished.row(&[
                run.peer.as_deref().unwrap_or("not readable"),
                run.view.as_deref().unwrap_or_default(),
                if run.own { "ours" } else { "theirs" },
                &format!("since {}", run.since),
            ]);
        }
        section(
            "runs that are not over",
            unfinished,
            self.unfinished.is_empty(),
        );
        let mut warnings = Table::of_texts(1);
        for warning in &self.warnings {
            warnings.row(&[&warning.what]);
            warnings.row(&[&format!("  → {}", warning.next)]);
        }
        section("to be seen to", warnings, self.warnings.is_empty());
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut facts = vec![
            Fact::new("member", "", &self.member),
            Fact::new("roster_expires", "", &self.roster.expires),
            Fact::new("delegation_expires", "", &self.delegation.expires),
            Fact::new(
                "last_backup",
                "",
                self.last_backup.as_deref().unwrap_or_default(),
            ),
            Fact::new("ledger_records", "", self.ledger.records),
            Fact::new("ledger_cosigned", "", self.ledger.cosigned.unwrap_or(0)),
            Fact::new("runs_unfinished", "", self.unfinished.len()),
        ];
        for basis in &self.legal_bases {
            let id = basis.id.as_deref().unwrap_or_default();
            facts.push(Fact::new("legal_basis_expires", id, &basis.expires));
        }
        for peer in &self.peers {
            let last = peer.last_success.as_deref().unwrap_or_default();
            facts.push(Fact::new("last_success", &peer.peer, last));
        }
        for budget in &self.budgets {
            let of = format!("{} {}", budget.peer, budget.view);
            let most = budget.day_percent.max(budget.epoch_percent);
            facts.push(Fact::new("budget_percent", of, most));
        }
        for leak in &self.revealed {
            let of = format!("{} {} {}", leak.direction, leak.peer, leak.view);
            facts.push(Fact::new(
                "revealed_in_epoch",
                of,
                leak.evaluations_in_epoch,
            ));
        }
        for warning in &self.warnings {
            facts.push(Fact::new("warning", "", &warning.what));
        }
        facts
    }
}
