use std::collections::BTreeMap;

use blindmatch_indicator::IndicatorType;
use proptest::prelude::*;

use super::*;

const DAY: u64 = 86_400;

/// DESIGN's table, by type.
#[test]
fn defaults_by_type() {
    for (names, day, epoch) in [
        ("ip network phone card_weak asn", 2_097_152, 8_388_608),
        (
            "account domain registrable_domain url_host ja4",
            4_194_304,
            33_554_432,
        ),
        (
            "email email_folded url pan iban btc eth tron ssh_key lei",
            8_388_608,
            67_108_864,
        ),
    ] {
        for name in names.split(' ') {
            let strength = name.parse::<IndicatorType>().unwrap().strength();
            assert_eq!(
                Budget::default_of(strength),
                Budget { day, epoch },
                "{name}"
            );
            let ceiling = Budget {
                day: day * 8,
                epoch: epoch * 8,
            };
            assert_eq!(Budget::ceiling_of(strength), ceiling, "{name}");
        }
    }
}

#[test]
fn days_are_utc_days_and_cross_epochs() {
    let budget = Budget { day: 10, epoch: 15 };
    let mut usage = Usage::default();
    let last_second = 20_000 * DAY - 1;
    assert!(usage.charge(budget, 10, 3, last_second).is_ok());
    let over = usage.charge(budget, 1, 3, last_second);
    assert_eq!(over, Err(Over::Day { left: 0 }));
    // A new epoch gives the day nothing back, and a new day the epoch neither.
    let over = usage.charge(budget, 1, 4, last_second);
    assert_eq!(over, Err(Over::Day { left: 0 }));
    let over = usage.charge(budget, 6, 3, last_second + 1);
    assert_eq!(over, Err(Over::Epoch { left: 5 }));
    assert!(usage.charge(budget, 5, 3, last_second + 1).is_ok());
    assert!(usage.charge(budget, 5, 4, last_second + 1).is_ok());
    // The previous epoch serves runs that were agreed in it, within its own budget.
    let over = usage.charge(budget, 1, 3, last_second + DAY + 1);
    assert_eq!(over, Err(Over::Epoch { left: 0 }));
}

#[test]
fn no_clock_and_no_old_epoch_gives_anything_back() {
    let budget = Budget {
        day: 10,
        epoch: 100,
    };
    let mut usage = Usage::default();
    assert!(usage.charge(budget, 10, 7, 5 * DAY).is_ok());
    for earlier in [0, 4 * DAY, 5 * DAY - 1] {
        let over = usage.charge(budget, 1, 7, earlier);
        assert_eq!(over, Err(Over::Day { left: 0 }), "{earlier}");
    }
    for epoch in [0, 5] {
        let over = usage.charge(budget, 1, epoch, 6 * DAY);
        assert_eq!(over, Err(Over::Epoch { left: 0 }), "{epoch}");
    }
    assert!(usage.charge(budget, 1, 6, 6 * DAY).is_ok());
}

#[test]
fn a_restored_node_counts_everything_as_spent() {
    let budget = Budget {
        day: u64::MAX,
        epoch: u64::MAX,
    };
    let mut usage = Usage::of([
        Debit {
            time: DAY,
            epoch: 1,
            amount: 5,
        },
        Debit::everything(DAY, 1),
    ]);
    assert!(usage.charge(budget, 1, 1, DAY).is_err());
    // Another epoch on the same day, the same epoch on another day: neither helps.
    assert_eq!(usage.charge(budget, 1, 2, DAY), Err(Over::Day { left: 0 }));
    let over = usage.charge(budget, 1, 1, 2 * DAY);
    assert_eq!(over, Err(Over::Epoch { left: 0 }));
    assert!(usage.charge(budget, 1, 2, 2 * DAY).is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Ask { amount: u64, epochs_back: u64 },
    Wait { seconds: u64 },
    ClockBack { seconds: u64 },
    NextEpoch,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![
        6 => 0..200_u64,
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ];
    prop_oneof![
        12 => (amount, 0..3_u64).prop_map(|(amount, epochs_back)| Step::Ask { amount, epochs_back }),
        3 => (0..2 * DAY).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..3 * DAY).prop_map(|seconds| Step::ClockBack { seconds }),
        1 => Just(Step::NextEpoch),
        2 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is asked, whenever, and however often the node restarts: what is answered in a day
    /// and in an epoch stays within the budget, and what would fit is not refused.
    #[test]
    fn answers_stay_within_the_budget(
        day in 8..1_000_u64,
        more in 0..5_000_u64,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let budget = Budget { day, epoch: day + more };
        let mut usage = Usage::default();
        let mut ledger: Vec<Debit> = Vec::new();
        let (mut now, mut newest_day, mut epoch) = (20_000 * DAY, 0, 5_u64);
        // The oracle: plain sums, in numbers that cannot overflow.
        let mut by_day: BTreeMap<u64, u128> = BTreeMap::new();
        let mut by_epoch: BTreeMap<u64, u128> = BTreeMap::new();
        let mut newest_epoch = 0;
        for step in steps {
            match step {
                Step::Wait { seconds } => now += seconds,
                Step::ClockBack { seconds } => now -= seconds,
                Step::NextEpoch => epoch += 1,
                Step::Restart => {
                    let again = Usage::of(ledger.iter().copied());
                    prop_assert_eq!(again, usage);
                    usage = again;
                }
                Step::Ask { amount, epochs_back } => {
                    let asked = epoch - epochs_back;
                    // A day that was seen is never left for an earlier one.
                    let today = newest_day.max(now / DAY);
                    let in_day = by_day.get(&today).copied().unwrap_or(0);
                    let in_epoch = by_epoch.get(&asked).copied().unwrap_or(0);
                    let fits = in_day + u128::from(amount) <= budget.day.into()
                        && in_epoch + u128::from(amount) <= budget.epoch.into();
                    let too_old = asked + 1 < newest_epoch;
                    match usage.charge(budget, amount, asked, now) {
                        Ok(debit) => {
                            prop_assert!(fits);
                            prop_assert!(!too_old || amount == 0);
                            prop_assert_eq!(debit.amount, amount);
                            ledger.push(debit);
                            newest_day = today;
                            newest_epoch = newest_epoch.max(asked);
                            *by_day.entry(today).or_default() += u128::from(amount);
                            *by_epoch.entry(asked).or_default() += u128::from(amount);
                        }
                        Err(_) => prop_assert!(!fits || too_old),
                    }
                }
            }
            prop_assert!(by_day.values().all(|sum| *sum <= budget.day.into()));
            prop_assert!(by_epoch.values().all(|sum| *sum <= budget.epoch.into()));
        }
    }

    /// Sums of any debits saturate: nothing wraps to a budget that is free again.
    #[test]
    fn no_debits_overflow(
        debits in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..40),
        now: u64,
        epoch: u64,
        amount: u64,
    ) {
        let mut usage = Usage::default();
        let mut day = 0;
        for (time, epoch, amount) in debits {
            let before = usage.charged(time, epoch);
            usage.record(Debit { time, epoch, amount });
            let after = usage.charged(time, epoch);
            prop_assert!(after.epoch >= before.epoch.max(amount) || after.epoch == u64::MAX);
            prop_assert!(after.day >= amount);
            prop_assert!(usage.day >= day);
            day = usage.day;
        }
        let budget = Budget { day: u64::MAX, epoch: u64::MAX };
        if let Ok(left) = budget.cover(usage.charged(now, epoch), amount) {
            prop_assert!(left.day <= u64::MAX - amount && left.epoch <= u64::MAX - amount);
        }
        prop_assert!(Protocol::Batch.charge(amount) >= amount);
        prop_assert!(u128::from(Protocol::Batch.charge(amount)) == (2 * u128::from(amount)).min(u64::MAX.into()));
    }
}
