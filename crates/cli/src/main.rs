//! `blindmatch`: the one binary. Arguments become a plan, the plan runs, a printer shows what
//! came of it; results go to stdout, all else to stderr.

#![forbid(unsafe_code)]
// A command may run inside a node: it speaks by its session.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod command_line;
mod commands;
mod error;
mod feed_hints;
mod feed_report;
mod forward;
mod indicators;
mod input;
mod output;
mod progress;
mod reading;
mod refusals;
mod session;
mod tables;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::{exchange, kernels};
use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

use crate::args::indicators::IndicatorsCommand;
use crate::args::{Arguments, Command};
use crate::error::{Error, Exit, printable};
use crate::forward::forward;
use crate::session::Session;

/// Values, tags and keys pass through buffers of many crates, few of which wipe them: here each is wiped
/// when it is freed.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // clap itself ends the process with 2 on wrong usage and with 0 on --help and --version.
    let mut arguments = Arguments::parse();
    arguments.global.session = Session::own(env::args_os().collect());
    let forwarded = choose_kernels().and_then(|()| forward(&arguments));
    ExitCode::from(match forwarded {
        Ok(Some(exit)) => exit,
        Ok(None) => run(&arguments),
        Err(error) => told(&error, &arguments),
    })
}

/// Runs a command, and tells what is wrong where it fails; gives its exit code.
fn run(arguments: &Arguments) -> u8 {
    match run_command(arguments) {
        Ok(exit) => exit as u8,
        Err(error) => told(&error, arguments),
    }
}

fn told(error: &Error, arguments: &Arguments) -> u8 {
    error.print(&arguments.global);
    error.exit as u8
}

/// Takes the kernels that the environment names, for tests and measurements.
fn choose_kernels() -> Result<(), Error> {
    let Some(name) = env::var_os(kernels::VARIABLE) else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    kernels::choose(&name).map_err(|error| {
        Error::usage(format!(
            "{}={}: {error}",
            kernels::VARIABLE,
            printable(&name)
        ))
        .hint("without it the fastest kernels of this processor are taken")
    })
}

fn run_command(arguments: &Arguments) -> Result<Exit, Error> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Init(arguments) => commands::init::run(arguments, global),
        Command::Card(arguments) => commands::card::run(arguments, global),
        Command::Keys(command) => commands::keys::run(command, global),
        Command::Roster(command) => commands::roster::run(command, global),
        Command::Config(command) => commands::config::run(command, global),
        Command::Policy(command) => commands::policy::run(command, global),
        Command::Backup(arguments) => commands::backup::backup(arguments, global),
        Command::Restore(arguments) => commands::backup::restore(arguments, global),
        Command::Doctor(arguments) => commands::doctor::run(arguments, global),
        Command::Serve(arguments) => commands::serve::run(arguments, global),
        Command::Demo(arguments) => {
            let suffixes = tables::public_suffixes(arguments.tables.as_deref())?;
            let canonicaliser = Canonicaliser::new(suffixes);
            commands::demo::run(arguments, global, |consortium, question| {
                exchange::demo::exchange(consortium, &canonicaliser, question)
            })
        }
        Command::Batch(arguments) => commands::batch::run(arguments, global),
        Command::Query(arguments) => commands::query::run(arguments, global),
        Command::Epoch(command) => commands::epoch::run(command, global),
        Command::Status(arguments) => commands::status::run(arguments, global),
        Command::Matches(command) => commands::matches::run(command, global),
        Command::Notify(command) => commands::notify::run(command, global),
        Command::Evidence(arguments) => commands::evidence::run(arguments, global),
        Command::Ledger(command) => commands::ledger::run(command, global),
        Command::Import(arguments) => commands::import::run(arguments, global),
        Command::Collections(arguments) => commands::collections::run(arguments, global),
        Command::Exclusions(command) => commands::exclusions::run(command, global),
        Command::Completions(arguments) => commands::manual::completions(arguments, global),
        Command::Man(arguments) => commands::manual::man(arguments),
        Command::Indicators(IndicatorsCommand::Check(check)) => {
            indicators::check::run(check, global)
        }
    }
}
