//! What an administrator does to the next roster.

use blindmatch_membership::{Card, Draft, DraftError, Role, Roster};

use crate::world::{DAY, NOW, card, first, identity, key_set, member, name, roster};

#[test]
fn the_next_roster_is_the_same_one_number_on() {
    let old = roster(&first());
    let next = Draft::after(&old, (NOW + DAY, NOW + 2 * DAY));
    assert_eq!(next.number, 2);
    assert_eq!(next.previous, Some(old.digest()));
    let same = Draft {
        number: 1,
        previous: None,
        not_before: old.not_before,
        expires: old.expires,
        ..next.clone()
    };
    assert_eq!(same, first());
    assert_eq!(Roster::new(&next).unwrap().number, 2);
}

#[test]
fn behind_the_last_number_there_is_none() {
    let mut last = Draft::after(&roster(&first()), (NOW, NOW + DAY));
    last.number = u64::MAX;
    let behind = Draft::after(&roster(&last), (NOW, NOW + DAY));
    assert_eq!(Roster::new(&behind).unwrap_err().line, 3);
}

#[test]
fn members_come_change_and_go() {
    let mut draft = first();
    let nova = card("nova", Role::Provider);
    draft.add(&nova, false).unwrap();
    assert_eq!(draft.add(&nova, true), Err(DraftError::MemberExists));
    assert!(!roster(&draft).members[&name("nova")].witness);
    draft.set_witness(&name("nova"), true).unwrap();
    let mut moved = member("nova", Role::Provider);
    moved.address = "[2001:db8::7]:443".parse().unwrap();
    let moved = Card::sign(&moved, &identity("nova")).unwrap();
    draft.replace(&moved).unwrap();
    let put = &roster(&draft).members[&name("nova")];
    // What the consortium decided about it stands.
    assert!(put.witness);
    assert_eq!(put.address, moved.member().address);
    assert_eq!(draft.remove(&name("nova")).unwrap(), *put);
    assert_eq!(draft, first());
    for error in [
        draft.remove(&name("nova")).map(|_| ()),
        draft.replace(&nova),
        draft.set_witness(&name("nova"), true),
    ] {
        assert_eq!(error, Err(DraftError::NoMember));
    }
}

#[test]
fn next_keys_take_over() {
    let mut draft = first();
    let (_, next) = (draft.keys.clone(), draft.next_keys.clone());
    draft.advance_keys(key_set(1, &["george"]));
    assert_eq!(
        (&draft.keys, &draft.next_keys),
        (&next, &key_set(1, &["george"]))
    );
}

#[test]
fn the_order_in_which_keys_are_given_does_not_matter() {
    let mut draft = first();
    draft.keys = key_set(2, &["carol", "alice", "bob"]);
    assert_eq!(roster(&draft), roster(&first()));
}

#[test]
fn canonicalisation_of_now_and_before() {
    let roster = roster(&first());
    let allowed = |kind: &str| -> Vec<u8> {
        (0..=255)
            .filter(|&version| roster.allows_canonicalisation(kind, version))
            .collect()
    };
    assert_eq!(allowed("ip"), [1, 2]);
    assert_eq!(allowed("email"), [1]);
    assert_eq!(allowed("pan"), []);
}
