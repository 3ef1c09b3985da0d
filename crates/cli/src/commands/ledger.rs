//! `blindmatch ledger`.

mod event;
mod witnessed;

use std::path::Path;
use std::sync::Arc;

use blindmatch_node::audit::cosignature::Quorum;
use blindmatch_node::ledger::cosigners::Cosigners;
use blindmatch_node::ledger::{self, Based, Contents, Verified};
use blindmatch_node::store::ledger::{Ledger, Tail};
use blindmatch_node::{Node, NodeFiles};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Global;
use crate::args::ledger::{LedgerCommand, VerifyArguments};
use crate::error::{Error, Exit};
use crate::output::{self, Fact, Report, Table, grouped, hex, time};

pub(crate) fn run(command: &LedgerCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        LedgerCommand::Verify(arguments) => match &arguments.file {
            None => verify_own(arguments, global)?,
            Some(file) => verify_file(file, arguments, global)?,
        },
        LedgerCommand::Proof(arguments) => {
            let files = NodeFiles::read(&global.home()?)?;
            let based = files.prove(arguments.record, &arguments.file)?;
            let written = Written::new(&arguments.file, Some(arguments.record), &based);
            output::show("ledger_proof", &written, global)?;
        }
        LedgerCommand::Checkpoint => checkpoint(global)?,
        LedgerCommand::Export(arguments) => {
            let files = NodeFiles::read(&global.home()?)?;
            let based = files.export_ledger(&arguments.file, arguments.all)?;
            let written = Written::new(&arguments.file, None, &based);
            output::show("ledger_export", &written, global)?;
            tell_left_out(&written, global);
        }
        LedgerCommand::Witnessed(arguments) => witnessed::run(&arguments.member, global)?,
    }
    Ok(Exit::Done)
}

/// The kind of an event.
pub(super) fn kind(event: &blindmatch_node::audit::record::Event) -> &'static str {
    event::kind_and_fields(event).0
}

/// Opens the ledger of a node to write it, and tells what a crash left.
pub(crate) fn open(node: &Node, global: &Global) -> Result<Arc<Ledger>, Error> {
    let (ledger, tail) = node.ledger()?;
    if !global.quiet {
        tell(&tail, "were cut off", global);
    }
    Ok(ledger)
}

fn tell(tail: &Tail, becomes: &str, global: &Global) {
    if let Some(torn) = &tail.torn {
        global.tell(format_args!(
            "note: a crash left {} bytes of an append that nobody was told of behind record {}; \
             they {becomes} ({} at byte {})",
            grouped(torn.bytes),
            torn.record.saturating_sub(1),
            torn.path,
            torn.offset
        ));
    }
}

/// Says why an export has not all records that there are.
fn tell_left_out(written: &Written, global: &Global) {
    if written.left_out == 0 || global.quiet {
        return;
    }
    let [size, records] = [written.size, written.ledger_records].map(grouped);
    let (why, next) = if written.newest {
        (
            "up to its newest checkpoint; what is behind that a crash left there",
            "cover it, then export again: blindmatch doctor --repair",
        )
    } else {
        (
            "up to the newest checkpoint that witnesses cosigned",
            "to export all, under a checkpoint that no witness cosigned: blindmatch ledger export \
             --all FILE",
        )
    };
    global.tell(format_args!(
        "note: {} has {size} of the ledger's {records} records, {why}",
        written.file
    ));
    output::next(global, next);
}

/// The witnesses under a checkpoint.
#[derive(Serialize)]
struct Signed {
    /// What is to be said of it.
    signed: String,
    cosigners: Vec<String>,
    /// How many have to cosign.
    quorum: usize,
    /// Of how many.
    witnesses: usize,
    /// Cosignatures that were not verified: no key that is known here or was named is theirs.
    unverified_cosignatures: usize,
}

impl Signed {
    fn new(cosigners: Cosigners) -> Self {
        Self {
            signed: cosigners.to_string(),
            cosigners: cosigners.names,
            quorum: cosigners.needed,
            witnesses: cosigners.witnesses,
            unverified_cosignatures: cosigners.unverified,
        }
    }

    fn facts(&self) -> impl Iterator<Item = Fact> {
        let names = self.cosigners.iter();
        let said = Fact::new("signed", "", &self.signed);
        [said]
            .into_iter()
            .chain(names.map(|name| Fact::new("cosigner", name, "")))
    }
}

#[derive(Serialize)]
struct Own {
    origin: String,
    records: u64,
    root: String,
    checkpoint_size: u64,
    incarnation: u64,
    /// States of earlier incarnations whose records are not all here.
    lost: Vec<Lost>,
    last_record: String,
    /// The newest state that witnesses cosigned, as far as it is known here.
    cosigned_size: Option<u64>,
    cosigned: Option<Signed>,
    /// Whole records behind the checkpoint, which a crash left there.
    uncovered: u64,
    torn_bytes: u64,
}

#[derive(Serialize)]
struct Lost {
    /// The number of the record that says so.
    record: u64,
    incarnation: u64,
    records: u64,
}

fn verify_own(arguments: &VerifyArguments, global: &Global) -> Result<(), Error> {
    let files = NodeFiles::read(&global.home()?)?;
    let (log, tail, half_done) = files.verify_ledger()?;
    files.check_known(&log, &arguments.known)?;
    let head = log.head().unverified();
    let cosigned = files.cosigned(&log)?;
    let (cosigned, cosigners) = cosigned.unzip();
    let own = Own {
        origin: head.origin.to_string(),
        records: log.size(),
        root: hex(&log.root()),
        checkpoint_size: head.size,
        incarnation: log.incarnation(),
        lost: log
            .lost()
            .map(|(record, incarnation, records)| Lost {
                record,
                incarnation,
                records,
            })
            .collect(),
        last_record: time(log.time()),
        cosigned_size: cosigned.map(|cosigned| cosigned.unverified().size),
        cosigned: cosigners.map(Signed::new),
        uncovered: tail.uncovered,
        torn_bytes: tail.torn.as_ref().map_or(0, |torn| torn.bytes),
    };
    output::show("ledger_verify", &own, global)?;
    if !global.quiet {
        tell(&tail, "will be cut off when the node next writes", global);
        for half_done in half_done {
            global.tell(format_args!("note: {half_done}"));
            output::next(global, half_done.next());
        }
    }
    Ok(())
}

impl Report for Own {
    fn table(&self) -> String {
        let cosigned = match (self.cosigned_size, &self.cosigned) {
            (Some(size), Some(by)) => format!("{} records, {}", grouped(size), by.signed),
            _ => "by no witness yet".to_owned(),
        };
        let mut table = Table::of_fields();
        table
            .row(&["ledger", &self.origin])
            .row(&[
                "records",
                &format!("{}, all in order", grouped(self.records)),
            ])
            .row(&["root", &self.root])
            .row(&[
                "checkpoint",
                &format!("{} records", grouped(self.checkpoint_size)),
            ])
            .row(&["cosigned", &cosigned])
            .row(&["incarnation", &self.incarnation.to_string()])
            .row(&["last record", &self.last_record]);
        for Lost {
            record,
            incarnation,
            records,
        } in &self.lost
        {
            let what = format!(
                "up to {} records of incarnation {incarnation}; record {record} says so",
                grouped(*records)
            );
            table.row(&["lost", &what]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut facts = vec![
            Fact::new("origin", "", &self.origin),
            Fact::new("records", "", self.records),
            Fact::new("root", "", &self.root),
            Fact::new("checkpoint_size", "", self.checkpoint_size),
            Fact::new("incarnation", "", self.incarnation),
            Fact::new("last_record", "", &self.last_record),
            Fact::new("uncovered", "", self.uncovered),
            Fact::new("torn_bytes", "", self.torn_bytes),
        ];
        facts.extend(
            self.cosigned_size
                .map(|size| Fact::new("cosigned_size", "", size)),
        );
        facts.extend(self.cosigned.iter().flat_map(Signed::facts));
        let lost = self.lost.iter();
        facts.extend(lost.map(|lost| Fact::new("lost", lost.record.to_string(), lost.records)));
        facts
    }
}

#[derive(Serialize)]
struct Shown {
    origin: String,
    size: u64,
    root: String,
    /// The number of the record that is proven; nothing of a whole ledger.
    record: Option<u64>,
    time: Option<String>,
    event: Option<&'static str>,
    /// What it says, field by field.
    fields: Map<String, Value>,
    #[serde(flatten)]
    signed: Signed,
}

fn verify_file(file: &Path, arguments: &VerifyArguments, global: &Global) -> Result<(), Error> {
    let mut keys = arguments.keys.clone();
    let mut own = None;
    if keys.is_empty()
        && let Ok(files) = NodeFiles::read(&global.home()?)
    {
        keys = files.ledger_keys()?;
        own = Some(files);
    }
    let witnesses = arguments.witnesses.clone();
    let quorum = match arguments.quorum {
        Some(needed) => Quorum::new(witnesses, needed),
        None => Quorum::majority(witnesses),
    };
    let quorum = quorum.map_err(Error::usage)?;
    let Verified {
        checkpoint,
        cosigners,
        contents,
    } = ledger::verify_file(file, &keys, &quorum, &arguments.known)?;
    // The node knows its own witnesses.
    let cosigners = match own.filter(|_| arguments.witnesses.is_empty()) {
        Some(files) => files.cosigners(&checkpoint)?,
        None => cosigners,
    };
    let checkpoint = checkpoint.unverified();
    let record = match contents {
        Contents::Ledger => None,
        Contents::Record(index, record) => Some((index, record)),
    };
    let said = record.as_ref();
    let said = said.map(|(_, record)| event::kind_and_fields(&record.event));
    let (event, fields) = said.unzip();
    let shown = Shown {
        origin: checkpoint.origin.to_string(),
        size: checkpoint.size,
        root: hex(&checkpoint.root),
        time: record.as_ref().map(|(_, record)| time(record.time)),
        event,
        fields: match fields {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        },
        record: record.map(|(index, _)| index),
        signed: Signed::new(cosigners),
    };
    output::show("ledger_verify", &shown, global)?;
    if shown.signed.unverified_cosignatures > 0 && !global.quiet {
        global.tell(format_args!(
            "note: {} of the cosignatures not verified: who cosigned is not known (name the witnesses' \
             keys with --witness)",
            shown.signed.unverified_cosignatures
        ));
        let what = "a member shows them with `blindmatch roster witnesses MEMBER`";
        output::next(global, what);
    }
    Ok(())
}

impl Report for Shown {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["ledger", &self.origin])
            .row(&["records", &grouped(self.size)])
            .row(&["root", &self.root])
            .row(&["checkpoint", &self.signed.signed]);
        if let (Some(record), Some(time), Some(event)) = (self.record, &self.time, self.event) {
            table
                .row(&["record", &record.to_string()])
                .row(&["time", time])
                .row(&["event", &event.replace('_', " ")]);
            for (name, value) in &self.fields {
                table.row(&[&format!("  {name}"), &plain(value)]);
            }
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut facts = vec![
            Fact::new("origin", "", &self.origin),
            Fact::new("size", "", self.size),
            Fact::new("root", "", &self.root),
        ];
        facts.extend(self.record.map(|record| Fact::new("record", "", record)));
        facts.extend(self.time.as_ref().map(|time| Fact::new("time", "", time)));
        facts.extend(self.event.map(|event| Fact::new("event", "", event)));
        let fields = self.fields.iter();
        facts.extend(fields.map(|(name, value)| Fact::new("field", name, plain(value))));
        facts.extend(self.signed.facts());
        facts
    }
}

/// A field as it is written in a table.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[derive(Serialize)]
struct Written {
    file: String,
    record: Option<u64>,
    origin: String,
    /// The records that the checkpoint covers.
    size: u64,
    root: String,
    /// The records that the ledger has.
    ledger_records: u64,
    /// Those of them that the checkpoint does not cover.
    left_out: u64,
    /// Who signed the checkpoint.
    signed: String,
    /// Whether as many witnesses cosigned it as have to.
    cosigned: bool,
    /// Whether it is the newest checkpoint that there is.
    #[serde(skip)]
    newest: bool,
}

impl Written {
    fn new(file: &Path, record: Option<u64>, based: &Based) -> Self {
        let Based {
            checkpoint,
            cosigners,
            newest,
            records,
        } = based;
        let head = checkpoint.unverified();
        Self {
            file: file.display().to_string(),
            record,
            origin: head.origin.to_string(),
            size: head.size,
            root: hex(&head.root),
            ledger_records: *records,
            left_out: records.saturating_sub(head.size),
            signed: cosigners.to_string(),
            cosigned: cosigners.is_quorum(),
            newest: *newest,
        }
    }
}

impl Report for Written {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table.row(&["written", &self.file]);
        if let Some(record) = self.record {
            table.row(&["record", &record.to_string()]);
        }
        table
            .row(&["records", &grouped(self.size)])
            .row(&["root", &self.root])
            .row(&["checkpoint", &self.signed]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Serialize)]
struct Head {
    origin: String,
    size: u64,
    root: String,
    key: String,
    checkpoint: String,
}

fn checkpoint(global: &Global) -> Result<(), Error> {
    let files = NodeFiles::read(&global.home()?)?;
    let (signed, key) = files.checkpoint()?;
    let head = signed.unverified();
    let shown = Head {
        origin: head.origin.to_string(),
        size: head.size,
        root: hex(&head.root),
        key: key.to_string(),
        checkpoint: signed.to_string(),
    };
    output::show("ledger_checkpoint", &shown, global)
}

impl Report for Head {
    /// The checkpoint alone, so that it can be written to a file.
    fn table(&self) -> String {
        self.checkpoint.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
