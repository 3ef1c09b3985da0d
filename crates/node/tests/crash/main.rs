//! What a crash leaves of a node's commands ([`harness`](blindmatch_testkit::crash)): of what was
//! acknowledged nothing is lost, what was cut short ends well when it is said again, no key of an
//! earlier delegation stays, and no crash is taken for an older ledger.
//!
//! `cargo test` runs a short tier. The long one, which prints its counts:
//!
//! ```text
//! cargo test --release -p blindmatch-node --test crash -- --include-ignored --test-threads 1
//! ```
//!
//! `BLINDMATCH_KILLS` and `BLINDMATCH_SEED` change its numbers.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod commands;
mod model;

use std::env;

use blindmatch_testkit::crash::{faults, kills, number, run_child};
use libtest_mimic::{Arguments, Trial};

use crate::model::{Holdings, Keys, Losses, Random};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [mode, workload, rest @ ..] = arguments.as_slice()
        && mode == "child"
    {
        return match workload.as_str() {
            "commands" => run_child::<Random>(rest),
            "keys and rosters" => run_child::<Keys>(rest),
            "losses" => run_child::<Losses>(rest),
            "holdings" => run_child::<Holdings>(rest),
            other => panic!("no workload {other}"),
        };
    }
    let wanted = number("KILLS", 2_000);
    let trials = [
        Trial::test("key_faults", || faults::<Keys>(47)),
        Trial::test("loss_faults", || faults::<Losses>(11)),
        Trial::test("holding_faults", || faults::<Holdings>(131)),
        Trial::test("command_kills", || kills::<Random>(20)),
        Trial::test("key_faults_long", || faults::<Keys>(1)).with_ignored_flag(true),
        Trial::test("loss_faults_long", || faults::<Losses>(1)).with_ignored_flag(true),
        Trial::test("holding_faults_long", || faults::<Holdings>(1)).with_ignored_flag(true),
        Trial::test("command_kills_long", move || kills::<Random>(wanted)).with_ignored_flag(true),
    ];
    let mut arguments = Arguments::from_args();
    // One after the other: between the fork and the exec of a child, it holds the locks of homes that
    // other threads have open.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials.into()).exit();
}
