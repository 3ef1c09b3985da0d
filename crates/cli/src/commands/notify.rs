//! `blindmatch notify`.

use blindmatch_node::matches::Kept;
use blindmatch_node::notify::{Delivered, NotifyFault};
use serde::Serialize;

use super::at_work::AtWork;
use crate::args::Global;
use crate::args::notify::{NotifyCommand, SecretArguments, SendArguments};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Side, Table, grouped, hex};

pub(crate) fn run(command: &NotifyCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        NotifyCommand::Send(arguments) => send(arguments, global),
        NotifyCommand::Secret(arguments) => secret(arguments, global),
    }
}

fn send(arguments: &SendArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let daemon = &work.daemon;
    let node = daemon.node().read_again()?;
    if node.config().notify.sinks().next().is_none() {
        return Err(Error::new("blindmatch.toml names nobody to tell").hint(
            "name a webhook, a spool or a syslog under [notify], as examples/blindmatch.toml shows",
        ));
    }
    let kept = Kept::of(daemon)?.without_excluded(daemon);
    let delivered = work.wait(node.notify(&kept, daemon.canonicaliser()))?;
    let sent = Sent {
        sinks: delivered.iter().map(Line::of).collect(),
    };
    output::show("notify_send", &sent, global)?;
    let failed = delivered.iter().filter(|sink| sink.fault.is_some());
    let is_far = |sink: &Delivered| matches!(sink.fault, Some(NotifyFault::Webhook(_)));
    let mut failed = failed.peekable();
    if failed.peek().is_some() {
        output::next(
            global,
            "what waits is told the next time: blindmatch notify send",
        );
    }
    Ok(match (failed.clone().count(), failed.any(is_far)) {
        (0, _) => Exit::Done,
        (count, _) if count < sent.sinks.len() => Exit::Partly,
        (_, true) => Exit::Unreachable,
        (_, false) => Exit::Error,
    })
}

fn secret(arguments: &SecretArguments, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    let secret = node.notify_secret(arguments.new, &mut rand::rng())?;
    output::print(&hex(secret.as_slice()), global)?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Sent {
    sinks: Vec<Line>,
}

#[derive(Clone, Serialize)]
struct Line {
    sink: &'static str,
    told: usize,
    waiting: usize,
    fault: Option<String>,
}

impl Line {
    fn of(delivered: &Delivered) -> Self {
        Self {
            sink: delivered.sink.name(),
            told: delivered.told,
            waiting: delivered.waiting,
            fault: delivered.fault.as_ref().map(ToString::to_string),
        }
    }
}

impl Report for Sent {
    fn table(&self) -> String {
        let mut table = Table::headed(&[
            ("to", Side::Left),
            ("told", Side::Right),
            ("waiting", Side::Right),
            ("", Side::Left),
        ]);
        for line in &self.sinks {
            let count = |count: usize| grouped(u64::try_from(count).unwrap_or(u64::MAX));
            let fault = line.fault.as_deref().unwrap_or("done");
            table.row(&[line.sink, &count(line.told), &count(line.waiting), fault]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.sinks.clone()
    }
}
