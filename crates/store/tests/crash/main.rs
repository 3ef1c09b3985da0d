//! What a crash leaves behind of ledgers, imports, indexes and backups
//! ([`harness`](blindmatch_testkit::crash)). Nothing acknowledged may be lost, nothing be there
//! twice, no append or file be there in part.
//!
//! `cargo test` runs a short tier. The long one, which prints its counts:
//!
//! ```text
//! cargo test --release -p blindmatch-store --test crash -- --include-ignored --test-threads 1
//! ```
//!
//! `BLINDMATCH_KILLS`, `BLINDMATCH_CUTS`, `BLINDMATCH_FLIPS`, `BLINDMATCH_DAMAGES`,
//! `BLINDMATCH_INDEX_KILLS` and `BLINDMATCH_SEED` change its numbers. To add a workload: implement
//! [`harness::Workload`], and name it in `child` and in `main`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod backup;
mod flips;
mod imports;
mod index;
mod ledger;
mod runs;
mod setups;
mod views;

use std::env;

use blindmatch_store::{
    disk::Disk,
    home::{Home, HomeError},
    keys::StorageKey,
};
use blindmatch_testkit::crash as harness;
use libtest_mimic::{Arguments, Trial};

use crate::{
    backup::{BackupScript, Backups},
    harness::{number, run_child},
    imports::{ImportScript, Imports},
    index::Following,
    ledger::{Appends, Script},
    runs::RunScript,
    setups::{SetupScript, Setups},
    views::ViewScript,
};

/// Any time will do.
const NOW: u64 = 1_763_798_400;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [mode, workload, rest @ ..] = arguments.as_slice()
        && mode == "child"
    {
        return child(workload, rest);
    }
    let (kills, cuts) = (number("KILLS", 2_000), number("CUTS", 1_000));
    let flips = number("FLIPS", 10_000);
    let (damages, index_kills) = (number("DAMAGES", 1_200), number("INDEX_KILLS", 300));
    let trials = [
        Trial::test("ledger_kills", || harness::kills::<Appends>(40)),
        Trial::test("ledger_faults", || harness::faults::<Script>(37)),
        Trial::test("ledger_power_cuts", || harness::power_cuts::<Script>(15)),
        Trial::test("ledger_flips", || flips::ledger(200)),
        Trial::test("imports", || imports::undisturbed(100)),
        Trial::test("import_kills", || harness::kills::<Imports>(20)),
        Trial::test("import_faults", || harness::faults::<ImportScript>(101)),
        Trial::test("import_power_cuts", || {
            harness::power_cuts::<ImportScript>(10)
        }),
        Trial::test("import_flips", || flips::collection(300)),
        Trial::test("import_kills_long", move || {
            harness::kills::<Imports>(kills)
        })
        .with_ignored_flag(true),
        Trial::test("import_faults_long", || harness::faults::<ImportScript>(1))
            .with_ignored_flag(true),
        Trial::test("import_power_cuts_long", move || {
            harness::power_cuts::<ImportScript>(cuts)
        })
        .with_ignored_flag(true),
        Trial::test("import_flips_long", move || flips::collection(flips)).with_ignored_flag(true),
        Trial::test("ledger_kills_long", move || {
            harness::kills::<Appends>(kills)
        })
        .with_ignored_flag(true),
        Trial::test("ledger_faults_long", || harness::faults::<Script>(1)).with_ignored_flag(true),
        Trial::test("ledger_power_cuts_long", move || {
            harness::power_cuts::<Script>(cuts)
        })
        .with_ignored_flag(true),
        Trial::test("index_parity", || index::parity(5)),
        Trial::test("index_damages", || index::damages(60)),
        Trial::test("index_kills", || harness::kills::<Following>(20)),
        Trial::test("backup_restores", backup::restores),
        Trial::test("backup_flips", || backup::flips(300)),
        Trial::test("backup_faults", || harness::faults::<BackupScript>(61)),
        Trial::test("backup_kills", || harness::kills::<Backups>(15)),
        Trial::test("backup_flips_long", move || backup::flips(flips)).with_ignored_flag(true),
        Trial::test("backup_faults_long", || harness::faults::<BackupScript>(1))
            .with_ignored_flag(true),
        Trial::test("backup_kills_long", move || {
            harness::kills::<Backups>(index_kills)
        })
        .with_ignored_flag(true),
        Trial::test("run_kills", || harness::kills::<runs::Random>(20)),
        Trial::test("run_faults", || harness::faults::<RunScript>(101)),
        Trial::test("run_power_cuts", || harness::power_cuts::<RunScript>(10)),
        Trial::test("run_flips", || runs::flips(300)),
        Trial::test("run_kills_long", move || {
            harness::kills::<runs::Random>(kills)
        })
        .with_ignored_flag(true),
        Trial::test("run_faults_long", || harness::faults::<RunScript>(1)).with_ignored_flag(true),
        Trial::test("run_power_cuts_long", move || {
            harness::power_cuts::<RunScript>(cuts)
        })
        .with_ignored_flag(true),
        Trial::test("run_flips_long", move || runs::flips(flips)).with_ignored_flag(true),
        Trial::test("setup_kills", || harness::kills::<Setups>(20)),
        Trial::test("setup_faults", || harness::faults::<SetupScript>(23)),
        Trial::test("setup_power_cuts", || {
            harness::power_cuts::<SetupScript>(10)
        }),
        Trial::test("setup_kills_long", move || harness::kills::<Setups>(kills))
            .with_ignored_flag(true),
        Trial::test("setup_faults_long", || harness::faults::<SetupScript>(1))
            .with_ignored_flag(true),
        Trial::test("setup_power_cuts_long", move || {
            harness::power_cuts::<SetupScript>(cuts)
        })
        .with_ignored_flag(true),
        Trial::test("view_kills", || harness::kills::<views::Random>(20)),
        Trial::test("view_faults", || harness::faults::<ViewScript>(101)),
        Trial::test("view_power_cuts", || harness::power_cuts::<ViewScript>(10)),
        Trial::test("view_flips", || views::flips(120)),
        Trial::test("view_kills_long", move || {
            harness::kills::<views::Random>(kills)
        })
        .with_ignored_flag(true),
        Trial::test("view_faults_long", || harness::faults::<ViewScript>(1))
            .with_ignored_flag(true),
        Trial::test("view_power_cuts_long", move || {
            harness::power_cuts::<ViewScript>(cuts)
        })
        .with_ignored_flag(true),
        Trial::test("view_flips_long", move || views::flips(flips)).with_ignored_flag(true),
        Trial::test("index_parity_long", || index::parity(200)).with_ignored_flag(true),
        Trial::test("index_damages_long", move || index::damages(damages)).with_ignored_flag(true),
        Trial::test("index_kills_long", move || {
            harness::kills::<Following>(index_kills)
        })
        .with_ignored_flag(true),
        Trial::test("ledger_flips_long", move || flips::ledger(flips)).with_ignored_flag(true),
    ];
    let mut arguments = Arguments::from_args();
    // One after the other: between the fork and the exec of a child, it holds the locks of homes that
    // other threads have open.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials.into()).exit();
}

fn child(workload: &str, rest: &[String]) {
    match workload {
        "appends" => run_child::<Appends>(rest),
        "backups" => run_child::<Backups>(rest),
        "backup script" => run_child::<BackupScript>(rest),
        "following" => run_child::<Following>(rest),
        "imports" => run_child::<Imports>(rest),
        "import_script" => run_child::<ImportScript>(rest),
        "run_script" => run_child::<RunScript>(rest),
        "runs" => run_child::<runs::Random>(rest),
        "script" => run_child::<Script>(rest),
        "setup_script" => run_child::<SetupScript>(rest),
        "setups" => run_child::<Setups>(rest),
        "view_script" => run_child::<ViewScript>(rest),
        "views" => run_child::<views::Random>(rest),
        other => panic!("no workload {other}"),
    }
}

fn open_home(disk: &Disk) -> Result<Home, HomeError> {
    match Home::open(disk.clone(), NOW) {
        Err(HomeError::NotAHome(_)) => Home::create(disk.clone(), &StorageKey::new(&[1; 32]), NOW),
        opened => opened,
    }
}
