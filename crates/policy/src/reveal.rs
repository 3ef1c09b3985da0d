//! What a budget lets a peer find out, in plain words (`spec/50-policy.md` §6).

use std::fmt;

use blindmatch_indicator::IndicatorType;

use crate::budget::Budget;
use crate::words::Grouped;

/// Values that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What they are.
    pub name: &'static str,
    /// How many.
    pub values: u64,
}

/// What a peer can find out of a type within a budget, were it to ask for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The type.
    pub indicator_type: IndicatorType,
    /// The budget for the view.
    pub budget: Budget,
    /// What is left of it.
    pub left: Budget,
    /// Days of an epoch.
    pub epoch_days: u64,
}

/// What can be listed of a type: all of it, and a part that people know. Nothing of types whose values
/// cannot be listed.
#[must_use]
pub const fn spaces(indicator_type: IndicatorType) -> Option<[Space; 2]> {
    let (all, part) = match indicator_type {
        IndicatorType::Ip => (("all of IPv4", 1 << 32), ("a /8", 1 << 24)),
        // /16, /20, /22 and /24, the rungs that are no single address (`spec/10 §4.2`).
        IndicatorType::Network => (
            (
                "every IPv4 network",
                (1 << 16) + (1 << 20) + (1 << 22) + (1 << 24),
            ),
            (
                "those of a /8",
                (1 << 8) + (1 << 12) + (1 << 14) + (1 << 16),
            ),
        ),
        IndicatorType::Phone => (
            ("all numbers of ten digits in a country", 10_000_000_000),
            ("those behind a prefix of three", 10_000_000),
        ),
        // Six digits of the issuer, the last four, and an expiry within five years.
        IndicatorType::CardWeak => (
            ("every weak form of a card", 600_000_000_000),
            ("those of one issuer's six digits", 600_000),
        ),
        IndicatorType::Asn => (("all AS numbers", 1 << 32), ("those of 16 bits", 1 << 16)),
        _ => return None,
    };
    Some([
        Space {
            name: all.0,
            values: all.1,
        },
        Space {
            name: part.0,
            values: part.1,
        },
    ])
}

impl Reach {
    /// Days until so many values are asked for, from the beginning of an epoch on, by day and epoch
    /// together.
    #[must_use]
    pub const fn days(&self, values: u64) -> u64 {
        let (day, epoch) = (self.budget.day, self.budget.epoch);
        if day == 0 || epoch == 0 || values == 0 {
            return if values == 0 { 0 } else { u64::MAX };
        }
        // An epoch ends before its budget is spent where its days do not have it.
        let in_days = day.saturating_mul(self.epoch_days);
        let an_epoch = if in_days < epoch { in_days } else { epoch };
        if an_epoch == 0 {
            return u64::MAX;
        }
        let whole = (values - 1) / an_epoch;
        let rest = values - whole * an_epoch;
        whole
            .saturating_mul(self.epoch_days)
            .saturating_add(rest.div_ceil(day))
    }

    /// Days by the day's budget alone, as if epochs had none.
    #[must_use]
    pub const fn days_by_day(&self, values: u64) -> u64 {
        if self.budget.day == 0 {
            u64::MAX
        } else {
            values.div_ceil(self.budget.day)
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Budget { day, epoch } = self.budget;
        let Some(spaces) = spaces(self.indicator_type) else {
            return write!(
                f,
                "{} guesses a day, from a list of its own: the values of {} cannot be listed",
                Grouped(day),
                self.indicator_type
            );
        };
        write!(f, "{} evaluations a day:", Grouped(day))?;
        for (space, before) in spaces.iter().zip(["", ","]) {
            let days = self.days_by_day(space.values);
            write!(f, "{before} {} in {}", space.name, Days(days))?;
        }
        write!(f, "; with {} an epoch:", Grouped(epoch))?;
        for (space, before) in spaces.iter().zip(["", ","]) {
            write!(f, "{before} in {}", Days(self.days(space.values)))?;
        }
        let [all, part] = spaces;
        write!(
            f,
            "; what is left of this epoch, {}, tests {} of {} or {} of {}",
            Grouped(self.left.epoch),
            Percent(self.left.epoch, all.values),
            all.name,
            Percent(self.left.epoch, part.values),
            part.name
        )
    }
}

struct Days(u64);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 day"),
            u64::MAX => f.write_str("no number of days"),
            days => write!(f, "{} days", Grouped(days)),
        }
    }
}

/// A share in percent, no more than all, rounded up to hundredths.
struct Percent(u64, u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = u128::from(self.0) * 10_000;
        let hundredths = hundredths.div_ceil(u128::from(self.1.max(1))).min(10_000);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        if rest == 0 {
            write!(f, "{whole} %")
        } else {
            write!(f, "{whole}.{rest:02} %")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(indicator_type: IndicatorType, budget: Budget, left: u64) -> Reach {
        Reach {
            indicator_type,
            budget,
            left: Budget {
                day: left.min(budget.day),
                epoch: left,
            },
            epoch_days: 28,
        }
    }

    #[test]
    fn in_plain_words() {
        let ip = IndicatorType::Ip;
        let budget = Budget::default_of(ip.strength());
        assert_eq!(
            reach(ip, budget, 5_242_880).to_string(),
            "2,097,152 evaluations a day: all of IPv4 in 2,048 days, a /8 in 8 days; with 8,388,608 an \
             epoch: in 14,312 days, in 32 days; what is left of this epoch, 5,242,880, tests 0.13 % of \
             all of IPv4 or 31.25 % of a /8"
        );
        let email = IndicatorType::Email;
        assert_eq!(
            reach(email, Budget { day: 8, epoch: 8 }, 8).to_string(),
            "8 guesses a day, from a list of its own: the values of email cannot be listed"
        );
    }

    /// Days counted one by one.
    #[test]
    fn days_are_as_many_as_it_takes() {
        for (day, epoch) in [(8, 8), (8, 20), (10, 280), (10, 1_000), (7, 30)] {
            let reach = reach(IndicatorType::Ip, Budget { day, epoch }, 0);
            for values in 1..2_000 {
                let (mut asked, mut days) = (0, 0);
                while asked < values {
                    let of_epoch = days / 28;
                    let _ = of_epoch;
                    let in_epoch = (days % 28 * day).min(epoch);
                    asked += day.min(epoch - in_epoch);
                    days += 1;
                }
                assert_eq!(reach.days(values), days, "{values} of {day} {epoch}");
            }
        }
        for (day, epoch) in [(0, 8), (8, 0), (0, 0)] {
            let reach = reach(IndicatorType::Ip, Budget { day, epoch }, 0);
            assert_eq!((reach.days(0), reach.days(1)), (0, u64::MAX));
        }
        let by_day = |day| {
            let budget = Budget { day, epoch: 8 };
            reach(IndicatorType::Ip, budget, 0).days_by_day(17)
        };
        assert_eq!([by_day(0), by_day(8), by_day(17)], [u64::MAX, 3, 1]);
    }

    #[test]
    fn days_and_shares_in_words() {
        assert_eq!(Days(1).to_string(), "1 day");
        assert_eq!(Days(2_048).to_string(), "2,048 days");
        assert_eq!(Days(u64::MAX).to_string(), "no number of days");
        for (part, all, words) in [
            (0, 8, "0 %"),
            (1, 8, "12.50 %"),
            (1, 1_000_000, "0.01 %"),
            (2_001, 2_000_000, "0.11 %"),
            (8, 8, "100 %"),
            (9, 8, "100 %"),
            (1, 0, "100 %"),
        ] {
            assert_eq!(Percent(part, all).to_string(), words, "{part} of {all}");
        }
    }

    #[test]
    fn so_many_values_can_be_listed() {
        for (kind, all, part) in [
            (IndicatorType::Ip, 4_294_967_296, 16_777_216),
            (IndicatorType::Network, 22_085_632, 86_272),
            (IndicatorType::Phone, 10_000_000_000, 10_000_000),
            (IndicatorType::CardWeak, 600_000_000_000, 600_000),
            (IndicatorType::Asn, 4_294_967_296, 65_536),
        ] {
            let values = spaces(kind).map(|spaces| spaces.map(|space| space.values));
            assert_eq!(values, Some([all, part]), "{kind}");
        }
    }

    #[test]
    fn every_enumerable_type_and_no_other_can_be_listed() {
        for one in IndicatorType::ALL {
            let enumerable = one.strength() == blindmatch_indicator::Strength::Enumerable;
            assert_eq!(spaces(one).is_some(), enumerable, "{one}");
        }
    }
}
