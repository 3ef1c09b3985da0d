//! `blindmatch epoch`.

use blindmatch_node::status::{self, Epoch};
use serde::Serialize;

use super::at_work::AtWork;
use crate::args::Global;
use crate::args::collections::TablesArguments;
use crate::args::exchange::{EpochCommand, RotateEpochArguments};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Side, Table, grouped, time};

pub(crate) fn run(command: &EpochCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        EpochCommand::List(tables) => list(tables, global),
        EpochCommand::Rotate(arguments) => rotate(arguments, global),
    }
}

fn rotate(arguments: &RotateEpochArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let view = &arguments.view;
    let Some(epoch) = work.daemon.rotate(view)? else {
        return Err(Error::new(format!("{view} is no view of this node's"))
            .hint("see which there are: blindmatch epoch list"));
    };
    let rotated = Rotated {
        view: view.to_string(),
        epoch,
    };
    output::show("epoch_rotate", &rotated, global)?;
    if global.session.service().is_none() {
        let what = "peers get it once its witnesses cosigned, which a node that serves asks for: \
                    blindmatch serve";
        output::next(global, what);
    }
    Ok(Exit::Done)
}

fn list(tables: &TablesArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(tables.tables.as_deref(), global)?;
    let own = work.daemon.id().member().to_string();
    let of_us = status::own_views(&work.daemon).into_iter();
    let views = of_us
        .map(|epoch| View::of(&own, true, &epoch))
        .chain(
            status::peers_views(&work.daemon)
                .iter()
                .map(|(peer, epoch)| View::of(peer, false, epoch)),
        )
        .collect();
    output::show("epoch_list", &Epochs { views }, global)?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Rotated {
    view: String,
    /// The number of the epoch that has begun.
    epoch: u64,
}

impl Report for Rotated {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table.row(&["view", &self.view]);
        table.row(&["epoch", &self.epoch.to_string()]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Serialize)]
struct Epochs {
    views: Vec<View>,
}

/// A view in one epoch.
#[derive(Serialize)]
pub(crate) struct View {
    pub(crate) member: String,
    /// Whether this node serves it.
    pub(crate) own: bool,
    pub(crate) view: String,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    /// When its newest publication became valid.
    pub(crate) published: String,
    pub(crate) ends: String,
    /// The class of its size.
    pub(crate) class: u64,
    pub(crate) bytes: u64,
}

impl View {
    pub(crate) fn of(member: &str, own: bool, epoch: &Epoch) -> Self {
        Self {
            member: member.to_owned(),
            own,
            view: epoch.view.clone(),
            epoch: epoch.epoch,
            sequence: epoch.sequence,
            published: time(epoch.published),
            ends: time(epoch.ends),
            class: epoch.class,
            bytes: epoch.bytes,
        }
    }
}

impl Report for Epochs {
    fn table(&self) -> String {
        if self.views.is_empty() {
            return "there is no view yet, neither our own nor of a peer".to_owned();
        }
        let mut table = Table::headed(&[
            ("member", Side::Left),
            ("view", Side::Left),
            ("epoch", Side::Right),
            ("sequence", Side::Right),
            ("published", Side::Left),
            ("ends", Side::Left),
            ("class", Side::Right),
            ("bytes", Side::Right),
        ]);
        for view in &self.views {
            table.row(&[
                &view.member,
                &view.view,
                &view.epoch.to_string(),
                &view.sequence.to_string(),
                &view.published,
                &view.ends,
                &grouped(view.class),
                &grouped(view.bytes),
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.views.iter().collect()
    }
}
