use blindmatch_indicator::IndicatorType;
use proptest::prelude::*;

use super::*;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is covered fits into both, and what fits is covered.
    #[test]
    fn a_charge_is_covered_by_the_day_and_the_epoch_or_not_at_all(
        budget: (u64, u64),
        charged: (u64, u64),
        amount: u64,
    ) {
        let budget = Budget { day: budget.0, epoch: budget.1 };
        let charged = Charged { day: charged.0, epoch: charged.1 };
        let left = |budget: u64, charged: u64| {
            u128::from(budget).checked_sub(u128::from(charged) + u128::from(amount))
        };
        let expected = (left(budget.day, charged.day), left(budget.epoch, charged.epoch));
        match budget.cover(charged, amount) {
            Ok(left) => prop_assert_eq!(expected, (Some(left.day.into()), Some(left.epoch.into()))),
            // Another day would not help.
            Err(Over::Epoch { left }) => {
                prop_assert!(expected.1.is_none());
                prop_assert_eq!(left, budget.epoch.saturating_sub(charged.epoch));
            }
            Err(Over::Day { left }) => {
                prop_assert!(expected.0.is_none() && expected.1.is_some());
                prop_assert_eq!(left, budget.day.saturating_sub(charged.day));
            }
        }
    }

    #[test]
    fn a_batch_costs_twice_and_never_wraps(amount: u64) {
        let twice = (2 * u128::from(amount)).min(u64::MAX.into());
        prop_assert_eq!(u128::from(Protocol::Batch.charge(amount)), twice);
        prop_assert_eq!(Protocol::Lookup.charge(amount), amount);
    }
}
