//! What this node knows of a member and others ask for.

use blindmatch_node::NodeFiles;
use blindmatch_node::membership::Name;
use serde::Serialize;

use crate::args::Global;
use crate::args::roster::DelegationArguments;
use crate::error::Error;
use crate::output::{self, Fact, Report, Table, time};

#[derive(Serialize)]
struct Witnesses {
    member: String,
    /// The keys of the ledger, the newest first.
    keys: Vec<String>,
    witness_keys: Vec<String>,
    /// How many witnesses have to cosign.
    quorum: usize,
    /// Of how many.
    witnesses: usize,
    /// Those of which no key is known here.
    unknown: Vec<String>,
}

pub(super) fn witnesses(member: Option<&Name>, global: &Global) -> Result<(), Error> {
    let files = NodeFiles::read(&global.home()?)?;
    let member = member.unwrap_or_else(|| &files.config().node.member);
    let known = files.ledger_keys_of(member)?;
    let shown = Witnesses {
        member: member.to_string(),
        keys: known.keys.iter().map(ToString::to_string).collect(),
        witness_keys: known.witnesses.iter().map(ToString::to_string).collect(),
        quorum: known.needed,
        witnesses: known.of,
        unknown: known.unknown.iter().map(ToString::to_string).collect(),
    };
    output::show("roster_witnesses", &shown, global)?;
    if !shown.unknown.is_empty() && !global.quiet {
        global.tell(format_args!(
            "note: no key of {} is known here; it comes when the nodes next meet",
            shown.unknown.join(", ")
        ));
    }
    if !shown.keys.is_empty() && !global.quiet {
        // A third party has no home, so this one is not named.
        global.tell(shown.verify());
    }
    Ok(())
}

impl Witnesses {
    /// What a third party types.
    fn verify(&self) -> String {
        let keys = self.keys.iter().map(|key| format!("--key {key} "));
        let witnesses = self.witness_keys.iter();
        let witnesses = witnesses.map(|key| format!("--witness {key} "));
        let mut options: String = keys.chain(witnesses).collect();
        if !self.witness_keys.is_empty() {
            options += &format!("--quorum {} ", self.quorum);
        }
        format!("next: whoever has a file of this ledger: blindmatch ledger verify {options}FILE")
    }
}

impl Report for Witnesses {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table.row(&["member", &self.member]);
        for key in &self.keys {
            table.row(&["key", key]);
        }
        for key in &self.witness_keys {
            table.row(&["witness", key]);
        }
        let quorum = format!("{} of {}", self.quorum, self.witnesses);
        table.row(&["quorum", &quorum]).render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let keys = self.keys.iter().map(|key| Fact::new("key", "", key));
        let witnesses = self.witness_keys.iter();
        let witnesses = witnesses.map(|key| Fact::new("witness", "", key));
        let mut facts = vec![Fact::new("member", "", &self.member)];
        facts.extend(keys.chain(witnesses));
        facts.push(Fact::new("quorum", "", self.quorum));
        facts.push(Fact::new("witnesses", "", self.witnesses));
        let unknown = self.unknown.iter();
        facts.extend(unknown.map(|name| Fact::new("unknown", name, "")));
        facts
    }
}

#[derive(Serialize)]
struct Shown {
    member: String,
    number: u64,
    expires: String,
    delegation: String,
    /// The numbers of all that are known here, the newest first.
    known: Vec<u64>,
}

/// The same on one line.
#[derive(Serialize)]
struct Row<'a> {
    member: &'a str,
    number: u64,
    expires: &'a str,
    delegation: &'a str,
}

pub(super) fn delegation(arguments: &DelegationArguments, global: &Global) -> Result<(), Error> {
    let files = NodeFiles::read(&global.home()?)?;
    let member = arguments.member.as_ref();
    let member = member.unwrap_or_else(|| &files.config().node.member);
    let known = files.delegations_of(member)?;
    let wanted = |number| arguments.number.is_none_or(|wanted| wanted == number);
    let delegation = known.iter().find(|one| wanted(one.number));
    let missing = || blindmatch_node::Error::NoDelegation(member.clone(), arguments.number);
    let delegation = delegation.ok_or_else(missing)?;
    let shown = Shown {
        member: member.to_string(),
        number: delegation.number,
        expires: time(delegation.expires),
        delegation: delegation.to_string(),
        known: known.iter().map(|one| one.number).collect(),
    };
    output::show("roster_delegation", &shown, global)
}

impl Report for Shown {
    /// The delegation alone, so that it can be written to a file.
    fn table(&self) -> String {
        self.delegation.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![Row {
            member: &self.member,
            number: self.number,
            expires: &self.expires,
            delegation: &self.delegation,
        }]
    }
}
