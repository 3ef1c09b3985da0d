//! `[[allow]]`.

use blindmatch_indicator::IndicatorType;

use crate::budget::Budget;
use crate::fault::{FaultKind, NameOf, Suggestion, shown};
use crate::policy::{Peers, Rule};
use crate::{Direction, Protocol};

use super::source::{At, Source, Table};
use super::{MOST_NAMES, MOST_RULES, bounded, budget, ids, tables};

const KEYS: [&str; 14] = [
    "peers",
    "types",
    "directions",
    "purposes",
    "protocols",
    "legal_basis",
    "minimum_set_size",
    "maximum_matches",
    "maximum_match_percent",
    "runs_a_day",
    "budget",
    "sweep",
    "feedback",
    "names",
];

/// What a set has at least where the rule says nothing.
const DEFAULT_SET_SIZE: u64 = 1_000;
/// The largest set that can be published (`spec/32-publication.md` §1).
const LARGEST_SET: u64 = 7 << 32;
/// Runs of a day where the rule says nothing, and at most.
const DEFAULT_RUNS: u64 = 256;
const MOST_RUNS: u64 = 1 << 16;

pub(super) fn read<'t>(source: &mut Source<'t>, file: Table<'_, 't>) -> Vec<Rule> {
    let Some(value) = file.entries.get("allow") else {
        return Vec::new();
    };
    let purposes = ids(file, "purpose");
    let legal_bases = ids(file, "legal_basis");
    let mut rules = Vec::new();
    // The form of card that came first.
    let mut cards: Option<IndicatorType> = None;
    let tables = tables(source, "allow", MOST_RULES, value);
    for (number, table) in (1..).zip(tables) {
        let rule = rule(source, number, table, &mut cards, &purposes, &legal_bases);
        rules.extend(rule);
    }
    rules
}

fn rule<'t>(
    source: &mut Source<'t>,
    number: usize,
    table: Table<'_, 't>,
    cards: &mut Option<IndicatorType>,
    purposes: &[&str],
    legal_bases: &[&str],
) -> Option<Rule> {
    source.only(table, &KEYS);
    let peers = peers(source, table);
    let types = types(source, table, cards);
    let directions = chosen(
        source,
        table,
        "directions",
        NameOf::Direction,
        &Direction::ALL.map(|one| (one.name(), one)),
    );
    let known: Vec<_> = purposes.iter().map(|id| (*id, (*id).to_owned())).collect();
    let purposes = chosen(source, table, "purposes", NameOf::Purpose, &known);
    let protocols = chosen(
        source,
        table,
        "protocols",
        NameOf::Protocol,
        &Protocol::ALL.map(|one| (one.name(), one)),
    );
    let legal_basis = legal_basis(source, table, legal_bases);
    let minimum_set_size = match table.entries.get("minimum_set_size") {
        None => Some(DEFAULT_SET_SIZE),
        Some(_) => bounded(source, table, "minimum_set_size", 1, LARGEST_SET),
    };
    let maximum_matches = bounded(source, table, "maximum_matches", 1, LARGEST_SET);
    let maximum_match_percent = bounded(source, table, "maximum_match_percent", 1, 100);
    let runs_a_day = bounded(source, table, "runs_a_day", 1, MOST_RUNS);
    let budget = own_budget(source, table, types.as_deref());
    let mut flag = |key| {
        let value = table.entries.get(key);
        value.and_then(|value| source.boolean(key, value))
    };
    let (sweep, feedback, names) = (flag("sweep"), flag("feedback"), flag("names"));
    if let Some(directions) = &directions {
        meaningless(source, table, directions);
    }
    Some(Rule {
        number,
        line: source.place(table.at).line,
        peers: peers?,
        types: types?,
        directions: directions?,
        purposes: purposes?,
        protocols: protocols?,
        minimum_set_size: minimum_set_size?,
        legal_basis: legal_basis?,
        budget,
        sweep: sweep.unwrap_or(false),
        feedback: feedback.unwrap_or(false),
        names: names.unwrap_or(true),
        maximum_matches,
        maximum_match_percent,
        runs_a_day: runs_a_day.unwrap_or(DEFAULT_RUNS),
    })
}

/// Finds fault with keys that mean nothing where a rule lacks their direction.
fn meaningless<'t>(source: &mut Source<'t>, table: Table<'_, 't>, directions: &[Direction]) {
    for (key, direction) in [
        ("budget", Direction::Serve),
        ("sweep", Direction::Ask),
        ("feedback", Direction::Ask),
        ("names", Direction::Ask),
        ("maximum_matches", Direction::Ask),
        ("maximum_match_percent", Direction::Ask),
        ("runs_a_day", Direction::Serve),
    ] {
        if let Some((own, _)) = table.entries.get_key_value(key)
            && !directions.contains(&direction)
        {
            let direction = direction.name();
            let kind = FaultKind::NeedsDirection { key, direction };
            source.fault(own.span().start, kind);
        }
    }
}

fn peers<'t>(source: &mut Source<'t>, table: Table<'_, 't>) -> Option<Peers> {
    let names = list(source, table, "peers")?;
    if let [At { value: "*", .. }] = names.as_slice() {
        return Some(Peers::Every);
    }
    let mut sound = true;
    for name in &names {
        let is_of_name = |c: char| !c.is_whitespace() && !c.is_control();
        let kind = match name.value {
            "*" => FaultKind::EveryAndNamed,
            name if (1..=255).contains(&name.len()) && name.chars().all(is_of_name) => continue,
            _ => FaultKind::BadName(NameOf::Member),
        };
        source.fault(name.at, kind);
        sound = false;
    }
    let names = names.iter().map(|name| name.value.to_owned());
    sound.then(|| Peers::Named(names.collect()))
}

fn types<'t>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    cards: &mut Option<IndicatorType>,
) -> Option<Vec<IndicatorType>> {
    let all = IndicatorType::ALL.map(|one| (one.name(), one));
    let types = chosen(source, table, "types", NameOf::Type, &all)?;
    for &one in &types {
        if matches!(one, IndicatorType::Pan | IndicatorType::CardWeak)
            && *cards.get_or_insert(one) != one
        {
            let at = table.entries.get("types").map_or(0, |v| v.span().start);
            source.fault(at, FaultKind::PanAndCardWeak);
        }
    }
    Some(types)
}

fn legal_basis<'t>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    known: &[&str],
) -> Option<String> {
    let value = source.required(table, "legal_basis")?;
    let id = source.text("legal_basis", value)?;
    if known.contains(&id.value) {
        Some(id.value.to_owned())
    } else {
        unknown(source, id, NameOf::LegalBasis, known.iter().copied());
        None
    }
}

/// The rule's own budget, within the ceiling of the weakest of its types.
fn own_budget<'t>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    types: Option<&[IndicatorType]>,
) -> Option<Budget> {
    let value = table.entries.get("budget")?;
    let own = source.table("budget", value)?;
    // Without types that can be read there is a fault already, and no ceiling to speak of.
    let strength = types?.iter().map(|one| one.strength()).min()?;
    budget(source, own, strength)
}

/// The values that a list names.
fn chosen<'t, T: Clone>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    key: &'static str,
    of: NameOf,
    known: &[(&str, T)],
) -> Option<Vec<T>> {
    let names = list(source, table, key)?;
    let mut values = Vec::with_capacity(names.len());
    for &name in &names {
        match known.iter().find(|(known, _)| *known == name.value) {
            Some((_, value)) => values.push(value.clone()),
            None => unknown(source, name, of, known.iter().map(|(known, _)| *known)),
        }
    }
    (values.len() == names.len()).then_some(values)
}

fn unknown<'k>(
    source: &mut Source<'_>,
    name: At<&str>,
    of: NameOf,
    known: impl IntoIterator<Item = &'k str>,
) {
    if source.is_full() {
        return;
    }
    let kind = FaultKind::UnknownName {
        of,
        name: shown(name.value),
        known: Suggestion::new(name.value, known),
    };
    source.fault(name.at, kind);
}

fn list<'d, 't>(
    source: &mut Source<'t>,
    table: Table<'d, 't>,
    key: &'static str,
) -> Option<Vec<At<&'d str>>> {
    let value = source.required(table, key)?;
    source.texts(key, MOST_NAMES, value)
}
