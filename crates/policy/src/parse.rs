//! The policy file (`spec/50-policy.md` §2): TOML in which every key is known and every number
//! lies within what is compiled in.

mod probe;
mod rule;
mod source;

use std::collections::BTreeMap;

use blindmatch_indicator::{IndicatorType, Strength};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::budget::Budget;
use crate::fault::{Fault, FaultKind, NameOf, Wanted};
use crate::policy::{Conduct, Evidence, LegalBasis, Policy, Purpose, STRENGTHS};

use source::{Bounds, Source, Table};

const MOST_BYTES: usize = 1 << 20;
const MOST_RULES: usize = 1_000;
/// Of members, purposes or legal bases in a list.
const MOST_NAMES: usize = 1_000;

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// Every [`Fault`] in the order of the file, at least one and at most 100. A file with one fault
    /// is no policy.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut source = Source::new(text);
        match read(&mut source, text) {
            Some(policy) => match source.into_faults() {
                faults if faults.is_empty() => Ok(policy),
                faults => Err(faults),
            },
            None => Err(source.into_faults()),
        }
    }
}

/// Nothing where there are faults; there may be where it gives something.
fn read<'t>(source: &mut Source<'t>, text: &'t str) -> Option<Policy> {
    if text.len() > MOST_BYTES {
        source.fault(0, FaultKind::TooLong);
        return None;
    }
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().replace(char::is_control, " ");
        source.fault(at, FaultKind::Toml(message));
    });
    let document = document.ok()?;
    let file = Table {
        entries: document.get_ref(),
        at: 0,
    };
    source.only(
        file,
        &[
            "allow",
            "budget",
            "caps",
            "conduct",
            "evidence",
            "legal_basis",
            "probe",
            "purpose",
        ],
    );
    let purposes = named(source, file, "purpose", NameOf::Purpose, purpose);
    let legal_bases = named(source, file, "legal_basis", NameOf::LegalBasis, legal_basis);
    let budgets = budgets(source, file);
    let (evidence, reports) = evidence(source, file);
    let conduct = conduct(source, file);
    let probe = probe::probe(source, file);
    let caps = probe::caps(source, file);
    let rules = rule::read(source, file);
    Some(Policy {
        rules,
        purposes,
        legal_bases,
        budgets,
        evidence,
        reports,
        conduct,
        probe,
        caps,
    })
}

/// The tables `[key.ID]`, each read by `one`.
fn named<'d, 't, T>(
    source: &mut Source<'t>,
    file: Table<'d, 't>,
    key: &'static str,
    of: NameOf,
    one: impl Fn(&mut Source<'t>, &str, Table<'d, 't>) -> Option<T>,
) -> Vec<T> {
    let Some(table) = section(source, file, key) else {
        return Vec::new();
    };
    if table.entries.len() > MOST_NAMES {
        let most = MOST_NAMES;
        source.fault(table.at, FaultKind::TooMany { key, most });
        return Vec::new();
    }
    let mut all = Vec::new();
    for (id, value) in table.entries {
        if !is_id(id.get_ref()) {
            source.fault(id.span().start, FaultKind::BadName(of));
        } else if let Some(table) = source.table(id.get_ref(), value) {
            // A table by header begins at its header, and its key says where it is best.
            let at = id.span().start;
            all.extend(one(source, id.get_ref(), Table { at, ..table }));
        }
    }
    all
}

fn purpose<'t>(source: &mut Source<'t>, id: &str, table: Table<'_, 't>) -> Option<Purpose> {
    source.only(table, &["text"]);
    let text = source.required(table, "text")?;
    Some(Purpose {
        id: id.to_owned(),
        text: source.text("text", text)?.value.to_owned(),
    })
}

fn legal_basis<'t>(source: &mut Source<'t>, id: &str, table: Table<'_, 't>) -> Option<LegalBasis> {
    source.only(table, &["text", "valid_until"]);
    let text = source.required(table, "text");
    let text = text.and_then(|text| source.text("text", text));
    let until = source.required(table, "valid_until")?;
    let expires = end_of_day(until);
    if expires.is_none() {
        source.fault(until.span().start, FaultKind::NotADay);
    }
    Some(LegalBasis {
        id: id.to_owned(),
        text: text?.value.to_owned(),
        expires: expires?,
        line: source.place(table.at).line,
    })
}

/// Midnight UTC after the day, in seconds since 1970.
fn end_of_day(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    let DeValue::Datetime(datetime) = value.get_ref() else {
        return None;
    };
    let (Some(date), None, None) = (datetime.date, datetime.time, datetime.offset) else {
        return None;
    };
    let date = Date::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    );
    let next = date.ok()?.tomorrow().ok()?;
    let midnight = next.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(midnight.as_second()).ok()
}

/// Those of the file, and the defaults for what it does not name.
fn budgets<'t>(source: &mut Source<'t>, file: Table<'_, 't>) -> [Budget; 3] {
    let section = section(source, file, "budget");
    if let Some(table) = section {
        source.only(table, &STRENGTHS.map(Strength::name));
    }
    STRENGTHS.map(|strength| {
        let own = section.and_then(|table| table.entries.get(strength.name()));
        own.and_then(|own| source.table(strength.name(), own))
            .and_then(|own| budget(source, own, strength))
            .unwrap_or_else(|| Budget::default_of(strength))
    })
}

/// A budget within the ceiling of a strength.
fn budget<'t>(source: &mut Source<'t>, table: Table<'_, 't>, strength: Strength) -> Option<Budget> {
    source.only(table, &["day", "epoch"]);
    let ceiling = Budget::ceiling_of(strength);
    let bounds = |ceiling| Bounds {
        floor: Budget::FLOOR,
        ceiling,
        strength: Some(strength),
    };
    let day = source.required(table, "day");
    let day = day.and_then(|day| source.number("day", bounds(ceiling.day), day));
    let epoch = source.required(table, "epoch")?;
    let epoch = source.number("epoch", bounds(ceiling.epoch), epoch);
    let budget = Budget {
        day: day?,
        epoch: epoch?,
    };
    if budget.day > budget.epoch {
        source.fault(table.at, FaultKind::DayAboveEpoch);
        return None;
    }
    Some(budget)
}

/// What all types need, and those that need another number of reports.
fn evidence<'t>(
    source: &mut Source<'t>,
    file: Table<'_, 't>,
) -> (Evidence, BTreeMap<IndicatorType, u16>) {
    let mut evidence = Evidence::DEFAULT;
    let mut reports = BTreeMap::new();
    if let Some(table) = section(source, file, "evidence") {
        source.only(table, &["minimum_reports", "reason_required", "types"]);
        let key = "minimum_reports";
        if let Some(reports) = bounded(source, table, key, 0, u16::MAX.into()) {
            evidence.minimum_reports = u16::try_from(reports).unwrap_or(u16::MAX);
        }
        if let Some(types) = section(source, table, "types") {
            source.only(types, &IndicatorType::ALL.map(IndicatorType::name));
            for one in IndicatorType::ALL {
                if let Some(own) = bounded(source, types, one.name(), 0, u16::MAX.into()) {
                    reports.insert(one, u16::try_from(own).unwrap_or(u16::MAX));
                }
            }
        }
        if let Some(value) = table.entries.get("reason_required") {
            let required = source.boolean("reason_required", value);
            evidence.reason_required = required.unwrap_or(true);
        }
    }
    (evidence, reports)
}

fn conduct<'t>(source: &mut Source<'t>, file: Table<'_, 't>) -> Conduct {
    let mut conduct = Conduct::DEFAULT;
    if let Some(table) = section(source, file, "conduct") {
        let (suspend, open) = ("suspend_after", "open_unreceipted_after_hours");
        source.only(table, &[suspend, open]);
        let number = |source: &mut _, key, most| {
            let number = bounded(source, table, key, 1, most)?;
            u32::try_from(number).ok()
        };
        if let Some(aborts) = number(source, suspend, 100) {
            conduct.suspend_after = aborts;
        }
        if let Some(hours) = number(source, open, 24 * 28) {
            conduct.open_unreceipted_after_hours = hours;
        }
    }
    conduct
}

fn bounded<'t>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    key: &'static str,
    floor: u64,
    ceiling: u64,
) -> Option<u64> {
    let bounds = Bounds {
        floor,
        ceiling,
        strength: None,
    };
    let value = table.entries.get(key)?;
    source.number(key, bounds, value)
}

fn section<'d, 't>(
    source: &mut Source<'t>,
    file: Table<'d, 't>,
    key: &'static str,
) -> Option<Table<'d, 't>> {
    let value = file.entries.get(key)?;
    source.table(key, value)
}

/// The ids under `[key.ID]`, also of those that have faults.
fn ids<'d>(file: Table<'d, '_>, key: &str) -> Vec<&'d str> {
    let section = file.entries.get(key).map(Spanned::get_ref);
    let keys = section.and_then(DeValue::as_table).map(DeTable::keys);
    let keys = keys.into_iter().flatten();
    keys.map(|id| id.get_ref().as_ref()).collect()
}

/// 1 to 64 ASCII letters, digits, `-` and `_`.
fn is_id(id: &str) -> bool {
    let is_of_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(is_of_id)
}

/// The tables of a list of tables.
fn tables<'d, 't>(
    source: &mut Source<'t>,
    key: &'static str,
    most: usize,
    value: &'d Spanned<DeValue<'t>>,
) -> Vec<Table<'d, 't>> {
    let at = value.span().start;
    let DeValue::Array(items) = value.get_ref() else {
        source.wrong::<()>(at, key, Wanted::Tables);
        return Vec::new();
    };
    if items.len() > most {
        source.fault(at, FaultKind::TooMany { key, most });
        return Vec::new();
    }
    let mut tables = Vec::new();
    for item in items.iter() {
        match item.get_ref() {
            DeValue::Table(entries) => tables.push(Table {
                entries,
                at: item.span().start,
            }),
            _ => {
                source.wrong::<()>(item.span().start, key, Wanted::Tables);
            }
        }
    }
    tables
}
