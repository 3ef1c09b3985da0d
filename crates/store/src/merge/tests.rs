use proptest::prelude::*;

use super::*;

proptest! {
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
