//! Rosters as they are shown.

use blindmatch_node::membership::{Authority, KeySet, Member, Name, SignedRoster};
use blindmatch_node::roster::ceremony::signatures;
use blindmatch_node::roster::installed::Judged;
use serde::Serialize;

use crate::output::{Fact, Report, Side, Table, time};

/// A roster, signed or not.
#[derive(Serialize)]
pub(super) struct ShownRoster {
    consortium: String,
    number: u64,
    not_before: String,
    expires: String,
    keys: Keys,
    signatures: usize,
    next_keys: Keys,
    witness_quorum: String,
    fingerprint: String,
    members: Vec<ShownMember>,
}

#[derive(Serialize)]
struct Keys {
    threshold: usize,
    keys: Vec<String>,
}

#[derive(Serialize)]
struct ShownMember {
    member: String,
    role: String,
    witness: bool,
    address: String,
    fingerprint: String,
}

impl ShownRoster {
    pub(super) fn of(signed: &SignedRoster) -> Self {
        let roster = signed.roster();
        Self {
            consortium: roster.consortium.to_string(),
            number: roster.number,
            not_before: time(roster.not_before),
            expires: time(roster.expires),
            keys: Keys::of(&roster.keys),
            signatures: signatures(signed).have,
            next_keys: Keys::of(&roster.next_keys),
            witness_quorum: roster.witness_quorum.to_string(),
            fingerprint: roster.fingerprint().to_string(),
            members: roster.members.values().map(ShownMember::of).collect(),
        }
    }
}

impl Keys {
    fn of(set: &KeySet) -> Self {
        Self {
            threshold: set.threshold,
            keys: set.keys.iter().map(ToString::to_string).collect(),
        }
    }

    /// `2 of ada, bob`
    fn in_words(&self) -> String {
        let names: Vec<_> = self
            .keys
            .iter()
            .map(|key| key.split('+').next().unwrap_or_default())
            .collect();
        format!("{} of {}", self.threshold, names.join(", "))
    }
}

impl ShownMember {
    fn of(member: &Member) -> Self {
        Self {
            member: member.name.to_string(),
            role: member.role.to_string(),
            witness: member.witness,
            address: member.address.to_string(),
            fingerprint: member.fingerprint().to_string(),
        }
    }
}

impl Report for ShownRoster {
    fn table(&self) -> String {
        let mut fields = Table::of_fields();
        fields
            .row(&["consortium", &self.consortium])
            .row(&["number", &self.number.to_string()])
            .row(&[
                "in force",
                &format!("{} to {}", self.not_before, self.expires),
            ])
            .row(&["keys", &self.keys.in_words()])
            .row(&["signatures", &self.signatures.to_string()])
            .row(&["next keys", &self.next_keys.in_words()])
            .row(&["witnesses", &format!("{} cosign", self.witness_quorum)])
            .row(&["fingerprint", &self.fingerprint]);
        let mut members = Table::headed(&[
            ("member", Side::Left),
            ("role", Side::Left),
            ("witness", Side::Left),
            ("address", Side::Left),
        ]);
        for member in &self.members {
            let witness = if member.witness { "yes" } else { "no" };
            members.row(&[&member.member, &member.role, witness, &member.address]);
        }
        format!("{}\n{}", fields.render(), members.render())
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.members.iter().collect()
    }
}

/// What a roster means for a node.
#[derive(Serialize)]
pub(super) struct Changed {
    number: u64,
    expires: String,
    /// Nothing where the node holds it already.
    authority: Option<&'static str>,
    added: Vec<String>,
    removed: Vec<String>,
    rekeyed: Vec<String>,
    altered: Vec<String>,
    keys_changed: bool,
    lists_us: bool,
}

impl Changed {
    pub(super) fn of(judged: &Judged) -> Self {
        let changes = judged.accepted.as_ref().map(|new| new.changes.clone());
        let changes = changes.unwrap_or_default();
        let names = |names: Vec<Name>| names.iter().map(ToString::to_string).collect();
        Self {
            number: judged.roster.number,
            expires: time(judged.roster.expires),
            authority: judged.accepted.as_ref().map(|new| match new.authority {
                Authority::Fingerprint => "fingerprint",
                Authority::Keys => "keys",
                Authority::NextKeys => "next_keys",
            }),
            added: names(changes.added),
            removed: names(changes.removed),
            rekeyed: names(changes.rekeyed),
            altered: names(changes.altered),
            keys_changed: changes.keys,
            lists_us: judged.lists_us,
        }
    }
}

impl Report for Changed {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        let why = match self.authority {
            None => "held already",
            Some("fingerprint") => "trusted by its fingerprint",
            Some("keys") => "signed by the keys of the one before",
            Some(_) => "signed by the next keys that the one before names",
        };
        table
            .row(&["roster", &format!("{}, {why}", self.number)])
            .row(&["in force", &format!("until {}", self.expires)]);
        for (what, members) in [
            ("added", &self.added),
            ("removed", &self.removed),
            ("new keys", &self.rekeyed),
            ("changed", &self.altered),
        ] {
            if !members.is_empty() {
                table.row(&[what, &members.join(", ")]);
            }
        }
        if self.keys_changed {
            table.row(&["signers", "changed"]);
        }
        table.row(&[
            "this node",
            if self.lists_us {
                "listed"
            } else {
                "not listed"
            },
        ]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let changes = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("rekeyed", &self.rekeyed),
            ("altered", &self.altered),
        ];
        let fact = |(change, names): (&'static str, &Vec<String>)| {
            let facts = names.iter().map(move |name| Fact::new(change, name, ""));
            facts.collect::<Vec<_>>()
        };
        let mut facts = vec![Fact::new("number", "", self.number)];
        facts.extend(changes.into_iter().flat_map(fact));
        facts
    }
}
