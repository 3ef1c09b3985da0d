//! `blindmatch backup` and `blindmatch restore`.

use blindmatch_node::Node;
use blindmatch_node::backup::restore as restore_node;
use blindmatch_node::ledger::cosigners::joined;
use blindmatch_node::ledger::read_checkpoint;
use serde::Serialize;

use super::ledger;
use crate::args::Global;
use crate::args::node::{BackupArguments, RestoreArguments};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table, grouped, time};

#[derive(Serialize)]
struct Written {
    file: String,
    time: String,
    files: u64,
    bytes: u64,
    /// What is damaged or gone, and not in it.
    left_out: Vec<String>,
}

/// The same on one line.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    time: &'a str,
    files: u64,
    bytes: u64,
    left_out: String,
}

pub(crate) fn backup(arguments: &BackupArguments, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    let ledger = ledger::open(&node, global)?;
    let (summary, left_out) = node.backup(&ledger, &arguments.file, arguments.without_damaged)?;
    let written = Written {
        file: arguments.file.display().to_string(),
        time: time(summary.time),
        files: summary.members,
        bytes: summary.bytes,
        left_out: left_out.iter().map(ToString::to_string).collect(),
    };
    output::show("backup", &written, global)?;
    let exit = if left_out.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    };
    for error in left_out {
        Error::from(error).print(global);
    }
    if node.is_not_cosigned(&ledger.log())? {
        let what = "no checkpoint in it is cosigned; if one was before, ledger/cosigned is lost: blindmatch \
                    doctor";
        output::next(global, what);
    }
    if !node.is_storage_key_exported()? {
        let what = "without the storage key nobody can read it, and that was never exported: \
                    blindmatch keys export storage --to FILE";
        output::next(global, what);
    }
    Ok(exit)
}

impl Report for Written {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["written", &self.file])
            .row(&["files", &grouped(self.files)])
            .row(&["bytes", &grouped(self.bytes)]);
        for left_out in &self.left_out {
            table.row(&["left out", left_out]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![Row {
            file: &self.file,
            time: &self.time,
            files: self.files,
            bytes: self.bytes,
            left_out: self.left_out.join("; "),
        }]
    }
}

#[derive(Serialize)]
struct Restored {
    home: String,
    member: String,
    backup_time: String,
    files: u64,
    /// Records in the backup.
    records: u64,
    /// The newest size that witnesses cosigned, as far as it is known here.
    cosigned_size: Option<u64>,
    /// Who did.
    cosigned: Option<String>,
    incarnation: u64,
    /// The newest state that was given and that the backup lacks: its incarnation.
    lost_incarnation: Option<u64>,
    /// The records of that state.
    lost_records: Option<u64>,
    /// Who signed it.
    lost_signed: Option<String>,
}

pub(crate) fn restore(arguments: &RestoreArguments, global: &Global) -> Result<Exit, Error> {
    let home = global.home()?;
    let RestoreArguments {
        file,
        storage_key,
        witnessed,
        delegations,
    } = arguments;
    let (node, continued) = restore_node(&home, storage_key, file, witnessed, delegations)?;
    let (log, _) = node.log()?;
    let (cosigned, cosigners) = node.cosigned(&log)?.unzip();
    let mut alone = Vec::new();
    let mut given = Vec::new();
    for file in witnessed {
        let checkpoint = read_checkpoint(file)?;
        if node.cosigners(&checkpoint)?.is_none() {
            alone.push(file);
        }
        given.push(checkpoint);
    }
    let mut lost_signed = None;
    for checkpoint in joined(given) {
        let state = checkpoint.unverified();
        if continued.lost == Some((state.origin.incarnation, state.size)) {
            lost_signed = Some(node.cosigners(&checkpoint)?.to_string());
        }
    }
    let restored = Restored {
        home: home.display().to_string(),
        member: node.config().node.member.to_string(),
        backup_time: time(continued.backup.time),
        files: continued.backup.members,
        records: continued.size,
        cosigned_size: cosigned.map(|cosigned| cosigned.unverified().size),
        cosigned: cosigners.map(|cosigners| cosigners.to_string()),
        incarnation: continued.incarnation,
        lost_incarnation: continued.lost.map(|(incarnation, _)| incarnation),
        lost_records: continued.lost.map(|(_, records)| records),
        lost_signed,
    };
    output::show("restore", &restored, global)?;
    for file in alone {
        let what = format!(
            "{} is signed by the node only, no witness: ask the witnesses for what they have, which each \
             writes with `blindmatch ledger witnessed {} > FILE`",
            file.display(),
            restored.member
        );
        output::next(global, &what);
    }
    if node.newest_delegation()?.number > node.delegation()?.number {
        let what =
            "the keys of the newest delegation are lost; make others: blindmatch keys rotate";
        output::next(global, what);
    } else {
        let what = "the node keys may have been rotated or revoked since the backup; make others: \
                    blindmatch keys rotate";
        output::next(global, what);
    }
    if witnessed.is_empty() && has_witnesses(&node)? {
        let what = "a witness that cosigned records which this backup lacks cosigns no more before they \
                    are named as lost: restore with --witnessed FILE, once for each";
        output::next(global, what);
        let member = &restored.member;
        let what = format!(
            "a witness writes that file with `blindmatch ledger witnessed {member} > FILE`"
        );
        output::next(global, &what);
    }
    output::next(global, "see what is out of date: blindmatch doctor");
    Ok(Exit::Done)
}

/// Whether the roster that the node holds names witnesses of its ledger.
fn has_witnesses(node: &Node) -> Result<bool, Error> {
    let own = &node.config().node.member;
    let trust = node.trust()?;
    let members = trust.held().map(|held| &held.roster().members);
    Ok(members.is_some_and(|members| {
        let mut members = members.values();
        members.any(|member| member.witness && member.name != *own)
    }))
}

impl Report for Restored {
    fn table(&self) -> String {
        let cosigned = match (self.cosigned_size, &self.cosigned) {
            (Some(size), Some(by)) => format!("{} records, {by}", grouped(size)),
            _ => "none known here".to_owned(),
        };
        let incarnation = format!(
            "{0}; so would be another restore of this backup, and witnesses cosign only one of the two",
            self.incarnation
        );
        let mut table = Table::of_fields();
        table
            .row(&["home", &self.home])
            .row(&["member", &self.member])
            .row(&["backup of", &self.backup_time])
            .row(&["files", &grouped(self.files)])
            .row(&["ledger", &format!("{} records", grouped(self.records))])
            .row(&["cosigned", &cosigned])
            .row(&["incarnation", &incarnation]);
        if let (Some(incarnation), Some(records)) = (self.lost_incarnation, self.lost_records) {
            let signed = self.lost_signed.as_deref().unwrap_or_default();
            let what = format!(
                "up to {} records of incarnation {incarnation}, {signed}",
                grouped(records)
            );
            table.row(&["lost", &what]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
