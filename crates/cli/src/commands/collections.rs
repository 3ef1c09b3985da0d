//! `blindmatch collections`.

use std::collections::BTreeMap;

use blindmatch_indicator::{Canonicaliser, IndicatorType};
use blindmatch_node::Node;
use blindmatch_node::collections::{contents, under_other_key};
use blindmatch_node::payment::PaymentKeyId;
use blindmatch_node::rules::Lacks;
use blindmatch_node::store::collection::{CollectionName, Contents, Source};
use serde::Serialize;

use super::keys::confirm;
use crate::args::Global;
use crate::args::collections::{CollectionsArguments, CollectionsCommand};
use crate::error::{Error, Exit};
use crate::feed_report::{by_type, in_words};
use crate::output::{self, Report, Side, Table, grouped, hex, time};
use crate::tables::public_suffixes;

pub(crate) fn run(arguments: &CollectionsArguments, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    match &arguments.command {
        None => {
            let (contents, mut damaged) = node.readable_contents()?;
            let collections = node.collections()?;
            let mut list = List::default();
            for contents in &contents {
                match node.count_values(&collections, contents) {
                    Ok(values) => list.collections.push(Line::of(contents, values)),
                    Err(error) => damaged.push(error),
                }
            }
            list.damaged = damaged.iter().map(ToString::to_string).collect();
            output::show("collections", &list, global)?;
            let exit = if damaged.is_empty() {
                Exit::Done
            } else {
                Exit::Error
            };
            for error in damaged {
                Error::from(error).print(global);
            }
            if list.collections.is_empty() && exit == Exit::Done {
                output::next(global, "blindmatch import --collection NAME FILE");
            }
            return Ok(exit);
        }
        Some(CollectionsCommand::Show { name, tables }) => {
            let collections = node.collections()?;
            let contents = contents(&collections, name.clone())?;
            let mut sources = contents.sources.values();
            // Without card numbers the key is nobody's business here.
            let key = if sources.any(|source| source.payment_key.is_some()) {
                node.payment_key()?.map(|key| key.id())
            } else {
                None
            };
            let canonicaliser = Canonicaliser::new(public_suffixes(tables.tables.as_deref())?);
            let excluded = node.excluded(&collections, &contents, &canonicaliser)?;
            // Without a policy nothing is served anyhow.
            let held = match node.policy() {
                Ok(policy) => node.held_back(&collections, &contents, &policy)?,
                Err(_) => BTreeMap::new(),
            };
            let shown = Shown::of(&contents, key, excluded, &held);
            output::show("collections_show", &shown, global)?;
        }
        Some(CollectionsCommand::Remove { name, yes }) => remove(&node, name, *yes, global)?,
    }
    Ok(Exit::Done)
}

fn remove(node: &Node, name: &CollectionName, yes: bool, global: &Global) -> Result<(), Error> {
    let collections = node.collections()?;
    let holds = match contents(&collections, name.clone()) {
        Ok(contents) => {
            let values = contents.sources.values();
            let values: u64 = values.map(|source| source.counts.given_total()).sum();
            let sources = contents.sources.len();
            format!("{sources} sources with {} values", grouped(values))
        }
        Err(blindmatch_node::Error::Collection(_, error)) if error.is_damage() => {
            "it is damaged".to_owned()
        }
        Err(error) => return Err(error.into()),
    };
    let question = format!("Destroy the collection {name} ({holds}) for good?");
    confirm(&question, yes, global)?;
    node.remove_collection(name)?;
    let removed = Removed {
        collection: name.to_string(),
        held: holds,
    };
    output::show("collections_remove", &removed, global)
}

#[derive(Serialize)]
struct Removed {
    collection: String,
    /// What is destroyed, in words.
    held: String,
}

impl Report for Removed {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["destroyed", &self.collection])
            .row(&["it held", &self.held]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Default, Serialize)]
struct List {
    collections: Vec<Line>,
    /// What is wrong with others.
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct Line {
    collection: String,
    kind: &'static str,
    sources: usize,
    /// Values today; what several sources have is counted once.
    values: u64,
    bytes: u64,
    last_import: Option<String>,
}

impl Line {
    fn of(contents: &Contents, values: u64) -> Self {
        let sources = || contents.sources.values();
        Self {
            collection: contents.name.to_string(),
            kind: contents.kind.name(),
            sources: contents.sources.len(),
            values,
            bytes: sources().map(|source| source.bytes).sum(),
            last_import: sources().map(|source| source.imported).max().map(time),
        }
    }
}

impl Report for List {
    fn table(&self) -> String {
        if self.collections.is_empty() && self.damaged.is_empty() {
            return "there is no collection yet".to_owned();
        }
        let mut table = Table::headed(&[
            ("collection", Side::Left),
            ("kind", Side::Left),
            ("sources", Side::Right),
            ("values", Side::Right),
            ("bytes", Side::Right),
            ("last import", Side::Left),
        ]);
        for line in &self.collections {
            table.row(&[
                &line.collection,
                line.kind,
                &line.sources.to_string(),
                &grouped(line.values),
                &grouped(line.bytes),
                line.last_import.as_deref().unwrap_or_default(),
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.collections.iter().collect()
    }
}

#[derive(Serialize)]
struct Shown {
    collection: String,
    kind: &'static str,
    /// Names this state of it.
    snapshot: String,
    sources: Vec<ShownSource>,
    /// Sources whose card numbers are hashed under another payment key than the node's.
    under_other_payment_key: Vec<String>,
    /// What lists exclude that came after the imports: it is neither served nor asked with.
    excluded: Vec<ShownExcluded>,
    /// What lacks the evidence that the policy wants, and is not served.
    held_back: Vec<HeldBack>,
}

/// Rows that are not served, of one type and for one reason.
#[derive(Serialize)]
pub(super) struct HeldBack {
    r#type: &'static str,
    lacks: &'static str,
    /// The reports that a row needs, where that is what it lacks.
    minimum_reports: Option<u16>,
    pub(super) rows: u64,
}

impl HeldBack {
    pub(super) fn of(held: &BTreeMap<(IndicatorType, Lacks), u64>) -> Vec<Self> {
        let shown = held.iter().map(|((kind, lacks), rows)| Self {
            r#type: kind.name(),
            lacks: match lacks {
                Lacks::Reports(_) => "reports",
                Lacks::Reason => "reason",
            },
            minimum_reports: match lacks {
                Lacks::Reports(minimum) => Some(*minimum),
                Lacks::Reason => None,
            },
            rows: *rows,
        });
        shown.collect()
    }

    pub(super) fn in_words(&self) -> String {
        let why = match self.minimum_reports {
            Some(minimum) => format!("reported fewer than {minimum} times"),
            None => "without a reason".to_owned(),
        };
        format!("{} {} {why}", grouped(self.rows), self.r#type)
    }
}

#[derive(Serialize)]
struct ShownExcluded {
    list: String,
    reason: String,
    rows: u64,
}

#[derive(Serialize)]
struct ShownSource {
    source: String,
    imported: String,
    /// The first day on which a value of it has expired.
    expires: Option<String>,
    bytes: u64,
    /// Names the payment key of its card numbers.
    payment_key: Option<String>,
    values: BTreeMap<&'static str, u64>,
    derived: BTreeMap<&'static str, u64>,
}

impl Shown {
    fn of(
        contents: &Contents,
        key: Option<PaymentKeyId>,
        excluded: BTreeMap<(String, String), u64>,
        held: &BTreeMap<(IndicatorType, Lacks), u64>,
    ) -> Self {
        let excluded = excluded.into_iter();
        let sources = contents.sources.iter();
        Self {
            under_other_payment_key: under_other_key(contents, key)
                .map(ToString::to_string)
                .collect(),
            excluded: excluded
                .map(|((list, reason), rows)| ShownExcluded { list, reason, rows })
                .collect(),
            held_back: HeldBack::of(held),
            collection: contents.name.to_string(),
            kind: contents.kind.name(),
            snapshot: hex(&contents.digest()),
            sources: sources
                .map(|(name, source)| ShownSource::of(name.as_str(), source))
                .collect(),
        }
    }
}

impl ShownSource {
    fn of(name: &str, source: &Source) -> Self {
        let expires = source.expires.map(|day| day.unix_seconds());
        let expires = expires.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            source: name.to_owned(),
            imported: time(source.imported),
            expires: expires.map(time),
            bytes: source.bytes,
            payment_key: source
                .payment_key
                .map(|key| PaymentKeyId::from_bytes(key).to_string()),
            values: by_type(&source.counts.given),
            derived: by_type(&source.counts.derived),
        }
    }
}

/// One type in one source.
#[derive(Serialize)]
struct Row {
    source: String,
    r#type: &'static str,
    values: u64,
    derived: u64,
}

impl Report for Shown {
    fn table(&self) -> String {
        let mut fields = Table::of_fields();
        fields
            .row(&["collection", &self.collection])
            .row(&["kind", self.kind])
            .row(&["snapshot", &self.snapshot]);
        let mut sources = Table::headed(&[
            ("source", Side::Left),
            ("imported", Side::Left),
            ("expires from", Side::Left),
            ("bytes", Side::Right),
            ("values", Side::Left),
        ]);
        for source in &self.sources {
            let expires = source.expires.as_deref().unwrap_or("never");
            sources.row(&[
                &source.source,
                &source.imported,
                expires.split('T').next().unwrap_or(expires),
                &grouped(source.bytes),
                &in_words(&source.values),
            ]);
        }
        let mut shown = format!("{}\n{}", fields.render(), sources.render());
        for source in &self.under_other_payment_key {
            shown.push_str(&format!(
                "\nthe card numbers of {source} are hashed under another payment key than this \
                 node's, and match none: import all of {source} again"
            ));
        }
        let rows: u64 = self.excluded.iter().map(|excluded| excluded.rows).sum();
        if rows > 0 {
            let what = match rows {
                1 => "1 row is".to_owned(),
                _ => format!("{} rows are", grouped(rows)),
            };
            shown.push_str(&format!(
                "\n{what} excluded since the import, and neither served nor asked with; import the \
                 sources again to drop them:"
            ));
            for ShownExcluded { reason, rows, .. } in &self.excluded {
                shown.push_str(&format!("\n  {}: {reason}", grouped(*rows)));
            }
        }
        if !self.held_back.is_empty() {
            shown.push_str("\nheld back by [evidence] of policy.toml, and not served:");
            for held in &self.held_back {
                shown.push_str(&format!("\n  {}", held.in_words()));
            }
        }
        shown
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let rows = self.sources.iter().flat_map(|source| {
            let mut kinds: Vec<_> = source.values.keys().chain(source.derived.keys()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds.into_iter().map(|kind| Row {
                source: source.source.clone(),
                r#type: kind,
                values: source.values.get(kind).copied().unwrap_or(0),
                derived: source.derived.get(kind).copied().unwrap_or(0),
            })
        });
        rows.collect()
    }
}
