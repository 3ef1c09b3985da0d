//! `cargo run --release -p blindmatch-bench -- NAME`: benchmarks that anyone can run.
//!
//! What counts is `ratios`: quotients of two figures of the same run on the same machine. The
//! absolute `figures` stand beside them and say nothing about another machine.

#![forbid(unsafe_code)]

mod attackers;
mod batch;
mod import;
mod ledger;
mod lookup;
mod machine;
mod night;
mod oprf;
mod pair;
mod query;
mod report;
mod vole;

use anyhow::Context;
use blindmatch_node::kernels;
use blindmatch_store::collection::CollectionKind;
use clap::{Parser, Subcommand, ValueEnum};

/// Measures blindmatch against what people use today, in one run.
#[derive(Parser)]
#[command(name = "blindmatch-bench", arg_required_else_help = true)]
struct Arguments {
    /// How to print the result.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    /// `small` ends within a minute; `full` is what claims are made of.
    #[arg(long, global = true, value_enum, default_value_t)]
    scale: Scale,
    #[command(subcommand)]
    name: Name,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Scale {
    #[default]
    Full,
    Small,
}

#[derive(Subcommand)]
enum Name {
    /// Canonicalise and de-duplicate IPv4 lines, against `sort -u` on the same file.
    Import,
    /// The batched OPRF, against the curve25519-dalek operations that it needs.
    Oprf,
    /// Durable appends to the ledger, against a bare write and fdatasync.
    Ledger,
    /// The stages of a batch run, with kernels and without, and a run of two sessions.
    Vole,
    /// Two nodes hold two lists against each other, from files to written matches.
    Batch,
    /// A view's file: built, stored, and looked up in.
    Lookup,
    /// Two nodes that ask each other for all they hold, and a day later for what changed.
    Night(night::Scenario),
    /// One indicator asked of one peer that holds many, against `fdatasync`.
    Query,
    /// How long an honest member waits while others attack the node that it asks.
    Attackers,
    /// One measured import in a process of its own, so that its peak memory is its own.
    #[command(hide = true)]
    ImportOnce {
        file: std::path::PathBuf,
        home: std::path::PathBuf,
        kind: Option<CollectionKind>,
    },
    /// Nothing but this work, for `bench/profile`.
    #[command(hide = true)]
    OprfOnce {
        work: oprf::threads::Work,
        items: usize,
    },
    /// One of the two nodes.
    #[command(hide = true)]
    BatchSide(batch::Side),
    /// One measured set in a process of its own, for the same reason.
    #[command(hide = true)]
    LookupOnce(lookup::Set),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    choose_kernels()?;
    let report = match arguments.name {
        Name::Import => import::run(arguments.scale)?,
        Name::Oprf => oprf::run(arguments.scale)?,
        Name::Ledger => ledger::run(arguments.scale)?,
        Name::Batch => batch::run(arguments.scale)?,
        Name::Lookup => lookup::run(arguments.scale)?,
        Name::Vole => vole::run(arguments.scale)?,
        Name::Night(scenario) => night::run(arguments.scale, scenario)?,
        Name::Query => query::run(arguments.scale)?,
        Name::Attackers => attackers::run(arguments.scale)?,
        Name::ImportOnce { file, home, kind } => return import::once(&file, &home, kind),
        Name::OprfOnce { work, items } => return oprf::threads::once(work, items),
        Name::BatchSide(side) => return batch::side(&side),
        Name::LookupOnce(set) => return lookup::once(set),
    };
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => print!("{report}"),
    }
    Ok(())
}

/// Takes the kernels that the environment names instead of the fastest.
fn choose_kernels() -> anyhow::Result<()> {
    let Some(name) = std::env::var_os(kernels::VARIABLE) else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    kernels::choose(&name).with_context(|| format!("{}={name}", kernels::VARIABLE))
}
