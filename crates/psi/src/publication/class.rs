//! Size classes: what a set or a query shows of its size (`spec/32 §1`).

use super::{error::PublishError, form::LATER};

/// The number of entries in every file of a class: {4, 5, 6, 7}·2^k, from 1,024 to 7·2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetClass(u64);

/// The number of items that a padded query has: {4, 5, 6, 7}·2^k, from 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryClass(u64);

impl SetClass {
    const SMALLEST: u64 = 1_024;
    const LARGEST: u64 = 7 << 32;

    /// The smallest class that holds `items` and as many dummies as can leave in an epoch: its own
    /// [churn](Self::churn) in each publication but the first.
    ///
    /// # Errors
    ///
    /// [`PublishError::SetTooLarge`] where no class does.
    pub const fn holding(items: u64) -> Result<Self, PublishError> {
        if items > Self::LARGEST {
            return Err(PublishError::SetTooLarge);
        }
        let mut class = Self(smallest_class(items, Self::SMALLEST));
        while class.0 - LATER * class.churn() < items {
            class = Self(smallest_class(class.0 + 1, Self::SMALLEST));
        }
        if class.0 > Self::LARGEST {
            Err(PublishError::SetTooLarge)
        } else {
            Ok(class)
        }
    }

    /// The class of this many entries, if there is one.
    #[must_use]
    pub const fn from_entries(entries: u64) -> Option<Self> {
        let in_range = entries >= Self::SMALLEST && entries <= Self::LARGEST;
        if in_range && smallest_class(entries, Self::SMALLEST) == entries {
            Some(Self(entries))
        } else {
            None
        }
    }

    /// Entries in a file, real ones and dummies.
    #[must_use]
    pub const fn entries(self) -> u64 {
        self.0
    }

    /// D: the entries that each later publication takes out, and those that it puts in.
    #[must_use]
    pub const fn churn(self) -> u64 {
        self.0 / 256
    }

    /// ⌈log2⌉ of the entries.
    pub(super) const fn log2_ceiling(self) -> u32 {
        self.0.next_power_of_two().trailing_zeros()
    }
}

impl QueryClass {
    const SMALLEST: u64 = 8;
    const LARGEST: u64 = 7 << 60;

    /// The smallest class that holds `items`; none above 7·2^60.
    #[must_use]
    pub const fn holding(items: u64) -> Option<Self> {
        if items > Self::LARGEST {
            None
        } else {
            Some(Self(smallest_class(items, Self::SMALLEST)))
        }
    }

    /// The largest class that is no larger than `items`; none below the smallest.
    #[must_use]
    pub const fn within(items: u64) -> Option<Self> {
        if items < Self::SMALLEST {
            return None;
        }
        if items > Self::LARGEST {
            return Some(Self(Self::LARGEST));
        }
        let step = 1 << (items.ilog2() - 2);
        Some(Self(items / step * step))
    }

    /// Items in a query, padding included.
    #[must_use]
    pub const fn items(self) -> u64 {
        self.0
    }
}

/// The smallest {4, 5, 6, 7}·2^k that is at least `smallest`, itself one, and `items`.
const fn smallest_class(items: u64, smallest: u64) -> u64 {
    if items <= smallest {
        return smallest;
    }
    // Of three significant bits: rounding up 7·2^k + 1 gives 8·2^k, which is 4·2^(k+1).
    let step = 1 << (items.ilog2() - 2);
    items.div_ceil(step) * step
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn classes_are_four_to_seven_times_a_power_of_two() {
        let mut class = 8;
        for expected in [8, 10, 12, 14, 16, 20, 24, 28, 32, 40] {
            assert_eq!(smallest_class(class, 8), expected);
            class = expected + 1;
        }
        assert_eq!(QueryClass::holding(0).map(QueryClass::items), Some(8));
        assert_eq!(
            QueryClass::holding(7 << 60).map(QueryClass::items),
            Some(7 << 60)
        );
        assert_eq!(QueryClass::holding((7 << 60) + 1), None);
        for items in 0..1_000 {
            let within = QueryClass::within(items);
            assert_eq!(within.is_none(), items < 8);
            let class = within.map_or(0, QueryClass::items);
            assert!(class <= items);
            // It is a class, and no larger one would do.
            assert_eq!(
                QueryClass::holding(class).map(QueryClass::items),
                Some(class.max(8))
            );
            let next = QueryClass::holding(class + 1).map(QueryClass::items);
            assert!(next > Some(items), "{items}");
        }
        assert_eq!(
            QueryClass::within(u64::MAX).map(QueryClass::items),
            Some(7 << 60)
        );
    }

    #[test]
    fn a_set_class_keeps_room_for_the_dummies_of_an_epoch() {
        // 1,024 − 31·4 = 900.
        for (items, entries) in [(0, 1_024), (900, 1_024), (901, 1_280), (1_125, 1_280)] {
            assert_eq!(SetClass::holding(items).map(SetClass::entries), Ok(entries));
        }
        let mut largest = 0;
        for items in 0..200_000 {
            let class = SetClass::holding(items).unwrap();
            assert!(class.entries() >= items + 31 * class.churn());
            assert!(class.entries() >= largest);
            assert_eq!(SetClass::from_entries(class.entries()), Some(class));
            // No smaller class would do.
            if class.entries() > largest && largest > 0 {
                assert!(largest - 31 * (largest / 256) < items);
            }
            largest = class.entries();
        }
    }

    #[test]
    fn refuses_what_is_not_a_class() {
        for entries in [0, 1, 512, 1_023, 1_025, 1_100, 9 << 10, 8 << 32, u64::MAX] {
            assert_eq!(SetClass::from_entries(entries), None, "{entries}");
        }
        for items in [7 << 32, (7 << 32) + 1, 1 << 63, u64::MAX] {
            assert_eq!(SetClass::holding(items), Err(PublishError::SetTooLarge));
        }
        let largest = (7 << 32) - 31 * ((7 << 32) / 256);
        assert_eq!(
            SetClass::holding(largest).map(SetClass::entries),
            Ok(7 << 32)
        );
    }
}
