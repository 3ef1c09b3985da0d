#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Keys, each once, ascending.
struct Keys {
    keys: Vec<Vec<u8>>,
    next: usize,
}

impl Keys {
    fn new(keys: &BTreeSet<Vec<u8>>) -> Self {
        let keys = keys.iter().cloned().collect();
        Self { keys, next: 0 }
    }
}

impl Rows for Keys {
    fn advance(&mut self) -> Result<bool, SealedError> {
        self.next += 1;
        Ok(self.next <= self.keys.len())
    }

    fn row(&self) -> Option<Row<'_>> {
        let key = self.keys.get(self.next.checked_sub(1)?)?;
        Some(Row {
            key,
            origin: Origin::default(),
            fields: LabelFields::default(),
            handle: Some([u8::try_from(key.len()).unwrap(); 16]),
            since: u32::from(key.first().copied().unwrap_or(0)),
            expires: None,
            references: crate::row::References::default(),
        })
    }
}

/// What is read, from the first row on or from one that is skipped to.
fn read(mut rows: impl Rows, from: &[u8]) -> Vec<(Vec<u8>, Option<[u8; 16]>, u32)> {
    let mut all = Vec::new();
    let mut more = rows.advance_to(from).unwrap();
    while let Some(row) = rows.row().filter(|_| more) {
        all.push((row.key.to_vec(), row.handle, row.since));
        more = rows.advance().unwrap();
    }
    all
}

proptest! {
    #[test]
    fn streams_of_distinct_keys_say_the_same_one_or_several(
        sets in prop::collection::vec(prop::collection::btree_set(
            prop::collection::vec(0..3_u8, 1..10), 0..20), 0..3),
        from in prop::collection::vec(0..3_u8, 0..4),
    ) {
        let streams = || sets.iter().map(Keys::new).collect();
        let merged = read(Union::new(streams()), &from);
        prop_assert_eq!(read(Union::of_distinct(streams()), &from), merged);
    }

    #[test]
    fn prefixes_order_as_keys_do(
        a in prop::collection::vec(0..2_u8, 0..12),
        b in prop::collection::vec(0..2_u8, 0..12),
    ) {
        let (x, y) = (prefix(&a), prefix(&b));
        if x == y && is_short(x) {
            prop_assert_eq!(a, b);
        } else if x != y {
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}
