//! `[probe]` and `[caps]`.

use crate::fault::FaultKind;
use crate::policy::Caps;
use crate::probe::{Levels, Probe};

use super::source::{Source, Table};
use super::{bounded, section};

pub(super) fn probe<'t>(source: &mut Source<'t>, file: Table<'_, 't>) -> Probe {
    let mut probe = Probe::DEFAULT;
    if let Some(table) = section(source, file, "probe") {
        source.only(
            table,
            &["growth", "week", "runs", "dense", "misses", "slow_days"],
        );
        let mut read = |key, own: &mut Levels, floor, ceiling| {
            *own = levels(source, table, key, *own, floor, ceiling);
        };
        read("growth", &mut probe.growth, 2, 1_000_000);
        // Of seven days 700 % are never exceeded.
        read("week", &mut probe.week, 50, 701);
        read("runs", &mut probe.runs, 2, 1 << 16);
        read("dense", &mut probe.dense, 1, 1 << 24);
        if let Some(misses) = bounded(source, table, "misses", 2, 1 << 40) {
            probe.misses = misses;
        }
        if let Some(days) = bounded(source, table, "slow_days", 1, 29) {
            probe.slow_days = days;
        }
    }
    probe
}

/// Levels of the file; what it does not name is as before.
fn levels<'t>(
    source: &mut Source<'t>,
    table: Table<'_, 't>,
    key: &'static str,
    before: Levels,
    floor: u64,
    ceiling: u64,
) -> Levels {
    let Some(own) = section(source, table, key) else {
        return before;
    };
    source.only(own, &["warn", "slow", "stop"]);
    let mut number = |key, before| bounded(source, own, key, floor, ceiling).unwrap_or(before);
    let levels = Levels {
        warn: number("warn", before.warn),
        slow: number("slow", before.slow),
        stop: number("stop", before.stop),
    };
    if levels.warn > levels.slow || levels.slow > levels.stop {
        source.fault(own.at, FaultKind::LevelsOutOfOrder);
    }
    levels
}

pub(super) fn caps<'t>(source: &mut Source<'t>, file: Table<'_, 't>) -> Caps {
    let mut caps = Caps::DEFAULT;
    if let Some(table) = section(source, file, "caps") {
        let key = "evaluations_per_key";
        source.only(table, &[key]);
        if let Some(evaluations) = bounded(source, table, key, 8, 1 << 36) {
            caps.evaluations_per_key = evaluations;
        }
    }
    caps
}
