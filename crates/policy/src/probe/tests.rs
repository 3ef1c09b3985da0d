use blindmatch_indicator::IndicatorType;

use super::*;
use crate::Protocol;

const REQUEST: Request<'static> = Request {
    peer: "fjord",
    direction: Direction::Serve,
    indicator_type: IndicatorType::Ip,
    canonicalisation: 1,
    purpose: "abuse",
    protocol: Protocol::Lookup,
    roster: 7,
    query_class: 4_096,
    set_size: 250_000,
    sweep: false,
    payment_key: &[],
};

const BUDGET: Budget = Budget::default_of(Strength::Enumerable);

/// Noon of some day.
const NOW: u64 = 1_795_348_800;

fn judged(request: &Request<'_>, ledger: &LedgerFacts) -> Option<(Level, Signal, u64)> {
    let policy = Policy::parse("").unwrap();
    let concern = concern(&policy, BUDGET, request, ledger, NOW)?;
    Some((concern.level, concern.signal, concern.counted))
}

fn asked(day: u64, activity: Activity) -> LedgerFacts {
    LedgerFacts {
        charged: Charged { day, epoch: day },
        activity,
        ..LedgerFacts::default()
    }
}

#[test]
fn a_day_like_those_before_is_none() {
    let activity = Activity {
        runs: 3,
        week: 100_000,
        largest: 50_000,
        days: 20,
        ..Activity::default()
    };
    assert_eq!(judged(&REQUEST, &asked(40_000, activity)), None);
    // Nor is anything that we ask.
    let asking = Request {
        direction: Direction::Ask,
        ..REQUEST
    };
    assert_eq!(judged(&asking, &asked(u64::MAX, activity)), None);
}

#[test]
fn growth_is_judged_of_much_by_one_that_is_known() {
    let email = Request {
        indicator_type: IndicatorType::Email,
        ..REQUEST
    };
    let grown = |day: u64, largest, days| {
        let activity = Activity {
            largest,
            days,
            ..Activity::default()
        };
        judged(&email, &asked(day - 4_096, activity))
    };
    assert_eq!(grown(65_535, 1, 3), None);
    assert_eq!(
        grown(65_536, 16_384, 3),
        Some((Level::Warn, Signal::Growth, 4))
    );
    assert_eq!(grown(65_536, 16_385, 3), None);
    assert_eq!(
        grown(65_536, 4_096, 3),
        Some((Level::Slow, Signal::Growth, 16))
    );
    assert_eq!(
        grown(65_536, 4_097, 3),
        Some((Level::Warn, Signal::Growth, 15))
    );
    assert_eq!(
        grown(65_536, 1_024, 3),
        Some((Level::Stop, Signal::Growth, 64))
    );
    assert_eq!(grown(65_536, 1_024, 2), None);
    assert_eq!(
        grown(65_536, 0, 3),
        Some((Level::Stop, Signal::Growth, 65_536))
    );
    // What was charged before a restore is not known, and no growth.
    let ledger = asked(
        Charged::UNKNOWN,
        Activity {
            days: 9,
            largest: 1,
            ..Activity::default()
        },
    );
    assert_eq!(judged(&email, &ledger), None);
    assert_eq!(judged(&REQUEST, &ledger), None);
}

#[test]
fn the_gravest_counts_and_of_several_the_first() {
    let activity = Activity {
        runs: 63,
        week: 3 * BUDGET.day,
        ..Activity::default()
    };
    let found = judged(&REQUEST, &asked(0, activity));
    assert_eq!(found, Some((Level::Stop, Signal::Week, 300)));
    let activity = Activity {
        week: BUDGET.day,
        ..activity
    };
    let found = judged(&REQUEST, &asked(0, activity));
    assert_eq!(found, Some((Level::Warn, Signal::Week, 100)));
    let activity = Activity {
        week: 0,
        ..activity
    };
    let found = judged(&REQUEST, &asked(0, activity));
    assert_eq!(found, Some((Level::Warn, Signal::Runs, 64)));
}

#[test]
fn who_is_slowed_again_and_again_is_stopped_until_somebody_vouches() {
    let activity = Activity {
        week: 2 * BUDGET.day,
        slowed: 1,
        ..Activity::default()
    };
    let found = judged(&REQUEST, &asked(0, activity));
    assert_eq!(found, Some((Level::Slow, Signal::Week, 200)));
    let again = Activity {
        slowed: 2,
        ..activity
    };
    let found = judged(&REQUEST, &asked(0, again));
    assert_eq!(found, Some((Level::Stop, Signal::Again, 3)));
    // A warning is none of it, however often it was slowed.
    let warned = Activity {
        week: BUDGET.day,
        slowed: 20,
        ..activity
    };
    let found = judged(&REQUEST, &asked(0, warned));
    assert_eq!(found, Some((Level::Warn, Signal::Week, 100)));

    // A stop stays one on a quiet day; an operator's word lifts it as long as it holds.
    let concern = Concern {
        level: Level::Stop,
        signal: Signal::Growth,
        counted: 99,
        limit: 64,
    };
    let stopped = Activity {
        stopped: Some(concern),
        ..Activity::default()
    };
    let found = judged(&REQUEST, &asked(0, stopped));
    assert_eq!(found, Some((Level::Stop, Signal::Growth, 99)));
    for (vouched, expected) in [(NOW, Level::Stop), (NOW + 1, Level::Warn)] {
        let again = Activity { vouched, ..again };
        let found = judged(&REQUEST, &asked(0, again));
        assert_eq!(found.map(|(level, ..)| level), Some(expected));
        let stopped = Activity { vouched, ..stopped };
        let found = judged(&REQUEST, &asked(0, stopped));
        assert_eq!(found.is_some(), expected == Level::Stop);
    }
}

#[test]
fn blocks_are_dense_from_half_of_their_values_on() {
    let blocks = |values: &mut dyn Iterator<Item = u128>| dense_blocks(values);
    assert_eq!(blocks(&mut (0..0)), 0);
    assert_eq!(blocks(&mut (0..127)), 0);
    assert_eq!(blocks(&mut (0..128)), 1);
    assert_eq!(blocks(&mut (0..65_536)), 256);
    // Every second one; every third one.
    assert_eq!(blocks(&mut (0..65_536).step_by(2)), 256);
    assert_eq!(blocks(&mut (0..65_536).step_by(3)), 0);
    // Half of it in each of two.
    assert_eq!(blocks(&mut (192..320)), 0);
    assert_eq!(blocks(&mut (0..100).flat_map(|n| [n, n])), 0);
    assert_eq!(blocks(&mut (u128::MAX - 127..=u128::MAX)), 1);
}

#[test]
fn density_has_levels_of_its_own() {
    let policy = Policy::parse("").unwrap();
    let level = |blocks, vouched| {
        let concern = concern_of_density(&policy, blocks, 8_192, vouched);
        concern.map(|concern| (concern.level, concern.limit))
    };
    assert_eq!(level(0, false), None);
    // One of 8,192 among many others is none; alone it is one.
    assert_eq!(level(15, false), None);
    for (blocks, expected) in [
        (1, (Level::Warn, 1)),
        (3, (Level::Warn, 1)),
        (4, (Level::Slow, 4)),
    ] {
        let concern = concern_of_density(&policy, blocks, blocks * 512, false);
        assert_eq!(
            concern.map(|concern| (concern.level, concern.limit)),
            Some(expected)
        );
        assert_eq!(
            concern_of_density(&policy, blocks, blocks * 512 + 1, false),
            None
        );
    }
    assert_eq!(level(16, false), Some((Level::Stop, 16)));
    assert_eq!(level(16, true), Some((Level::Warn, 16)));
}

/// A small budget that is spent every day is none: the budget is what holds the peer back.
#[test]
fn who_spends_a_small_budget_is_not_slowed() {
    let policy = Policy::parse("").unwrap();
    let small = Budget {
        day: 64,
        epoch: 1_792,
    };
    let large = Budget {
        day: 4 * BUDGET.day,
        ..BUDGET
    };
    let request = Request {
        query_class: 8,
        ..REQUEST
    };
    let week = |week| {
        asked(
            0,
            Activity {
                week,
                ..Activity::default()
            },
        )
    };
    assert_eq!(concern(&policy, small, &request, &week(6 * 64), NOW), None);
    let two_days = week(2 * BUDGET.day);
    assert!(concern(&policy, small, &request, &two_days, NOW).is_some());
    assert_eq!(concern(&policy, large, &request, &two_days, NOW), None);
}

#[test]
fn what_seldom_matches_is_a_warning_of_large_runs_of_enumerable_types() {
    let policy = Policy::parse("[probe]\nmisses = 1_000").unwrap();
    let of = |kind, asked, matched| {
        let concern = concern_of_misses(&policy, kind, asked, matched);
        concern.map(|concern| {
            (
                concern.level,
                concern.signal,
                concern.counted,
                concern.limit,
            )
        })
    };
    let warned = |counted| Some((Level::Warn, Signal::Misses, counted, 1_000));
    let (ip, email) = (IndicatorType::Ip, IndicatorType::Email);
    assert_eq!(of(ip, 65_536, 0), warned(65_536));
    assert_eq!(of(ip, 65_535, 0), None);
    assert_eq!(of(ip, 100_000, 100), warned(1_000));
    assert_eq!(of(ip, 100_000, 101), None);
    assert_eq!(of(email, 1 << 30, 0), None);
    let default = Policy::parse("").unwrap();
    assert_eq!(default.probe().misses, 16_384);
}
