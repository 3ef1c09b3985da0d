//! Which rosters a node takes: one test for each way in which one may be wrong.

use blindmatch_audit::{
    codec::DecodeError,
    note::{KeyName, Note, NoteError},
};
use blindmatch_membership::{
    Acceptance, Authority, CLOCK_TOLERANCE, Changes, Draft, ReadError, Role, RosterError,
    SignedRoster, Trust, WitnessQuorum,
};

use crate::world::{
    DAY, HOUR, NOW, accepted, admin, card, first, holding, key_set, name, refused, roster, second,
    signed,
};

const fn too_few(have: usize, need: usize) -> RosterError {
    RosterError::TooFewSignatures { have, need }
}

#[test]
fn a_first_roster_needs_its_fingerprint() {
    let note = signed(&first(), &["alice", "bob"]);
    let mut trust = Trust::default();
    assert_eq!(refused(&trust, &note), RosterError::NotTrusted);
    assert_eq!(trust.roster_at(NOW), Err(RosterError::NotTrusted));

    let right = roster(&first()).fingerprint();
    let mut bytes = *right.as_bytes();
    // The first bits of byte 2 are in the second word.
    bytes[2] ^= 0x80;
    let wrong = blindmatch_membership::Fingerprint::from_bytes(bytes);
    trust.confirm(wrong);
    assert_eq!(
        refused(&trust, &note),
        RosterError::OtherFingerprint { word: 2 }
    );

    trust.confirm(right);
    let accepted = accepted(&trust, &note);
    assert_eq!(accepted.authority, Authority::Fingerprint);
    let everybody = ["kilo", "lima", "mike", "papa"].map(name).to_vec();
    let changes = Changes {
        added: everybody,
        ..Changes::default()
    };
    assert_eq!(accepted.changes, changes);
    assert_eq!(accepted.trust.confirmed(), None);
    assert_eq!(accepted.trust.roster_at(NOW).unwrap().number, 1);
}

#[test]
fn even_a_confirmed_roster_carries_its_own_signatures() {
    let mut trust = Trust::default();
    trust.confirm(roster(&first()).fingerprint());
    assert_eq!(
        refused(&trust, &signed(&first(), &["alice"])),
        too_few(1, 2)
    );
    assert_eq!(refused(&trust, &signed(&first(), &[])), too_few(0, 2));
}

#[test]
fn the_next_number_signed_by_enough_keys_is_taken() {
    for signers in [["alice", "bob"], ["carol", "alice"]] {
        let accepted = accepted(&holding(), &signed(&second(), &signers));
        assert_eq!(accepted.authority, Authority::Keys);
        assert_eq!(accepted.changes, Changes::default());
        assert_eq!(accepted.trust.held().unwrap().roster().number, 2);
    }
}

#[test]
fn the_same_roster_again_is_no_news() {
    for signers in [&["alice", "bob"][..], &["bob", "carol", "alice"]] {
        let again = holding().accept(signed(&first(), signers).as_bytes(), NOW);
        assert_eq!(again, Ok(Acceptance::AlreadyHeld));
    }
    let unsigned = signed(&first(), &["bob"]);
    assert_eq!(refused(&holding(), &unsigned), too_few(1, 2));
}

#[test]
fn an_older_number_is_refused() {
    let newer = accepted(&holding(), &signed(&second(), &["alice", "bob"])).trust;
    let older = RosterError::Older { held: 2, given: 1 };
    let note = signed(&first(), &["alice", "bob", "carol"]);
    assert_eq!(refused(&newer, &note), older);
    // Nor does a confirmed fingerprint take a node back.
    let mut newer = newer;
    newer.confirm(roster(&first()).fingerprint());
    assert_eq!(refused(&newer, &note), older);
}

#[test]
fn an_equal_number_with_other_content_is_a_fork() {
    let mut other = first();
    other.remove(&name("mike")).unwrap();
    let note = signed(&other, &["alice", "carol"]);
    assert_eq!(refused(&holding(), &note), RosterError::Fork { number: 1 });
    let mut trust = holding();
    trust.confirm(roster(&other).fingerprint());
    assert_eq!(refused(&trust, &note), RosterError::Fork { number: 1 });
    // Whoever has no keys cannot make it look as if there were a fork.
    assert_eq!(refused(&holding(), &signed(&other, &[])), too_few(0, 2));
    other.keys = key_set(1, &["zoe"]);
    assert_eq!(
        refused(&holding(), &signed(&other, &["zoe"])),
        too_few(0, 2)
    );
}

#[test]
fn a_roster_behind_another_history_is_a_fork() {
    let mut other = first();
    other.remove(&name("mike")).unwrap();
    let behind_other = Draft::after(&roster(&other), (NOW, NOW + DAY));
    let note = signed(&behind_other, &["alice", "bob"]);
    assert_eq!(refused(&holding(), &note), RosterError::Fork { number: 1 });
    // An operator who confirms its fingerprint decides for it.
    let mut trust = holding();
    trust.confirm(roster(&behind_other).fingerprint());
    assert_eq!(accepted(&trust, &note).authority, Authority::Fingerprint);
}

#[test]
fn too_few_signatures() {
    let trust = holding();
    assert_eq!(refused(&trust, &signed(&second(), &[])), too_few(0, 2));
    assert_eq!(
        refused(&trust, &signed(&second(), &["carol"])),
        too_few(1, 2)
    );
    // Of the next keys one would be enough, but the roster's own keys have to sign as well.
    let note = signed(&second(), &["carol", "dora"]);
    assert_eq!(refused(&trust, &note), too_few(1, 2));
}

#[test]
fn a_lower_threshold_needs_the_signatures_of_the_old_one() {
    let mut easier = second();
    easier.keys.threshold = 1;
    assert_eq!(
        refused(&holding(), &signed(&easier, &["bob"])),
        too_few(1, 2)
    );
    let accepted = accepted(&holding(), &signed(&easier, &["bob", "carol"]));
    assert!(accepted.changes.keys);
}

#[test]
fn a_signer_counts_once() {
    let mut note = Note::parse(signed(&second(), &["alice"]).as_bytes()).unwrap();
    let key = blindmatch_audit::SigningKey::from_bytes(&[b'a'; 32]);
    note.sign(&KeyName::new("alice").unwrap(), &key);
    let note = note.to_string();
    assert_eq!(note.matches("\u{2014} alice ").count(), 2);
    assert_eq!(refused(&holding(), &note), too_few(1, 2));
    // The same key under another name is an unknown key.
    let mut note = Note::parse(note.as_bytes()).unwrap();
    note.sign(&KeyName::new("bob").unwrap(), &key);
    assert_eq!(refused(&holding(), &note.to_string()), too_few(1, 2));
    // And to sign a second time is no use.
    let mut signed = SignedRoster::unsigned(roster(&second())).unwrap();
    assert!(signed.sign(&admin("alice")));
    assert!(!signed.sign(&admin("alice")));
}

#[test]
fn an_unknown_key_is_passed_over() {
    let trust = holding();
    assert_eq!(
        refused(&trust, &signed(&second(), &["zoe", "alice"])),
        too_few(1, 2)
    );
    accepted(&trust, &signed(&second(), &["zoe", "alice", "yann", "bob"]));
}

#[test]
fn a_signature_of_a_known_key_that_does_not_hold_refuses_all() {
    let other = signed(&first(), &["carol"]);
    let stolen = other.lines().last().unwrap();
    let note = format!("{}{stolen}\n", signed(&second(), &["alice", "bob"]));
    let error = RosterError::Read(ReadError::Note(NoteError::Signature));
    assert_eq!(refused(&holding(), &note), error);
}

#[test]
fn a_removed_member_is_named() {
    let mut draft = second();
    draft.remove(&name("lima")).unwrap();
    let accepted = accepted(&holding(), &signed(&draft, &["alice", "bob"]));
    let changes = Changes {
        removed: vec![name("lima")],
        ..Changes::default()
    };
    assert_eq!(accepted.changes, changes);
    let now = accepted.trust.roster_at(NOW).unwrap();
    assert_eq!(now.member_id(&name("lima")), None);
    assert!(now.member_id(&name("mike")).is_some());
}

#[test]
fn other_changes_are_named() {
    let mut draft = second();
    let mut kilo = crate::world::member("kilo", Role::Provider);
    kilo.hpke = crate::world::hpke("other");
    let kilo = blindmatch_membership::Card::sign(&kilo, &crate::world::identity("kilo")).unwrap();
    draft.replace(&kilo).unwrap();
    draft.set_witness(&name("lima"), false).unwrap();
    draft.add(&card("nova", Role::Provider), false).unwrap();
    draft.keys.threshold = 3;
    let changes = roster(&draft).changes_since(&roster(&first()));
    let expected = Changes {
        added: vec![name("nova")],
        removed: vec![],
        rekeyed: vec![name("kilo")],
        altered: vec![name("lima")],
        keys: true,
    };
    assert_eq!(changes, expected);
}

#[test]
fn one_of_several_keys_is_lost_and_replaced_by_the_others() {
    let mut draft = second();
    draft.keys = key_set(2, &["alice", "bob", "frank"]);
    // carol's key is gone: alice and bob sign, and frank need not have.
    let accepted = accepted(&holding(), &signed(&draft, &["alice", "bob"]));
    assert_eq!(accepted.authority, Authority::Keys);
    assert!(accepted.changes.keys);
    let mut third = Draft::after(&roster(&draft), (NOW, NOW + DAY));
    third.remove(&name("mike")).unwrap();
    let by_carol = signed(&third, &["alice", "carol"]);
    assert_eq!(refused(&accepted.trust, &by_carol), too_few(1, 2));
    crate::world::accepted(&accepted.trust, &signed(&third, &["alice", "frank"]));
}

#[test]
fn lost_keys_are_replaced_by_the_next_ones() {
    // alice and bob have lost theirs: what is left of the keys is not enough.
    let mut draft = second();
    draft.advance_keys(key_set(1, &["george"]));
    assert_eq!(
        refused(&holding(), &signed(&draft, &["carol"])),
        too_few(0, 1)
    );
    let accepted = accepted(&holding(), &signed(&draft, &["emil"]));
    assert_eq!(accepted.authority, Authority::NextKeys);
    assert!(accepted.changes.keys);
    // From here on they are the keys, and the old ones are nobody's.
    let third = Draft::after(&roster(&draft), (NOW, NOW + DAY));
    let old = signed(&third, &["alice", "bob", "carol"]);
    assert_eq!(refused(&accepted.trust, &old), too_few(0, 1));
    crate::world::accepted(&accepted.trust, &signed(&third, &["dora"]));
}

#[test]
fn next_keys_cannot_name_keys_that_nobody_has() {
    let mut draft = second();
    draft.keys = key_set(1, &["zoe"]);
    draft.next_keys = key_set(1, &["george"]);
    assert_eq!(
        refused(&holding(), &signed(&draft, &["dora"])),
        too_few(0, 1)
    );
    let accepted = accepted(&holding(), &signed(&draft, &["dora", "zoe"]));
    assert_eq!(accepted.authority, Authority::NextKeys);
}

#[test]
fn a_number_may_be_skipped_unless_the_keys_changed_meanwhile() {
    let third = Draft::after(&roster(&second()), (NOW, NOW + DAY));
    let skipped = accepted(&holding(), &signed(&third, &["alice", "bob"]));
    assert_eq!(skipped.trust.held().unwrap().roster().number, 3);

    let mut second = second();
    second.keys = key_set(1, &["zoe"]);
    let third = Draft::after(&roster(&second), (NOW, NOW + DAY));
    let third = signed(&third, &["zoe"]);
    let gap = RosterError::Gap { held: 1, given: 3 };
    assert_eq!(refused(&holding(), &third), gap);
    let second = signed(&second, &["zoe", "alice", "bob"]);
    accepted(&accepted(&holding(), &second).trust, &third);
}

#[test]
fn when_all_keys_are_lost_a_fingerprint_begins_anew() {
    let mut draft = second();
    draft.keys = key_set(1, &["zoe"]);
    draft.next_keys = key_set(1, &["yann"]);
    let note = signed(&draft, &["zoe"]);
    let mut trust = holding();
    assert_eq!(refused(&trust, &note), too_few(0, 2));
    trust.confirm(roster(&draft).fingerprint());
    assert_eq!(accepted(&trust, &note).authority, Authority::Fingerprint);
    // A confirmed fingerprint does not stand in the way of a roster that is signed.
    accepted(&trust, &signed(&second(), &["alice", "bob"]));
}

#[test]
fn another_consortium_is_refused() {
    let mut other = second();
    other.consortium = name("other");
    let note = signed(&other, &["alice", "bob"]);
    assert_eq!(refused(&holding(), &note), RosterError::OtherConsortium);
    let mut trust = holding();
    trust.confirm(roster(&other).fingerprint());
    assert_eq!(refused(&trust, &note), RosterError::OtherConsortium);
}

#[test]
fn clocks_that_are_off() {
    let (begin, end) = (NOW, NOW + 10 * DAY);
    let draft = Draft::after(&roster(&first()), (begin, end));
    let note = signed(&draft, &["alice", "bob"]);
    let at = |now: u64| match holding().accept(note.as_bytes(), now) {
        Ok(Acceptance::New(accepted)) => {
            // What is taken is in force.
            accepted.trust.roster_at(now).map(|roster| roster.number)
        }
        Ok(Acceptance::AlreadyHeld) => panic!("not new"),
        Err(error) => Err(error),
    };
    let (taken, early, late) = (
        Ok(2),
        Err(RosterError::NotYetValid),
        Err(RosterError::Expired),
    );
    // At the beginning: right, an hour off, a second more, a day off.
    assert_eq!(at(begin), taken);
    assert_eq!(at(begin - HOUR), taken);
    assert_eq!(at(begin + HOUR), taken);
    assert_eq!(at(begin - HOUR - 1), early);
    assert_eq!(at(begin - DAY), early);
    assert_eq!(at(begin + DAY), taken);
    assert_eq!(at(0), early);
    // At the end.
    assert_eq!(at(end), late);
    assert_eq!(at(end - 1), taken);
    assert_eq!(at(end - HOUR), taken);
    assert_eq!(at(end + HOUR), late);
    assert_eq!(at(end - DAY), taken);
    assert_eq!(at(end + DAY), late);
    assert_eq!(at(u64::MAX), late);
    assert_eq!(CLOCK_TOLERANCE, HOUR);
}

#[test]
fn a_held_roster_expires_and_is_still_what_the_next_one_is_judged_by() {
    let trust = holding();
    let end = first().expires;
    assert_eq!(trust.roster_at(end - 1).unwrap().number, 1);
    assert_eq!(trust.roster_at(end), Err(RosterError::Expired));
    let early = trust.roster_at(NOW - HOUR - 1);
    assert_eq!(early, Err(RosterError::NotYetValid));
    let next = Draft::after(&roster(&first()), (end, end + DAY));
    let next = signed(&next, &["alice", "bob"]);
    let accepted = trust.accept(next.as_bytes(), end + HOUR).unwrap();
    assert!(matches!(accepted, Acceptance::New(_)));
}

#[test]
fn signatures_come_before_time_and_history() {
    let expired = Draft::after(&roster(&first()), (NOW - 10 * DAY, NOW - DAY));
    assert_eq!(
        refused(&holding(), &signed(&expired, &["bob"])),
        too_few(1, 2)
    );
    let note = signed(&expired, &["alice", "bob"]);
    assert_eq!(refused(&holding(), &note), RosterError::Expired);
    let mut fork = expired;
    fork.number = 1;
    fork.previous = None;
    let note = signed(&fork, &["alice", "bob"]);
    assert_eq!(refused(&holding(), &note), RosterError::Fork { number: 1 });
}

#[test]
fn what_a_node_knows_survives_on_disk() {
    let mut confirmed = Trust::default();
    confirmed.confirm(roster(&first()).fingerprint());
    let mut both = holding();
    both.confirm(roster(&second()).fingerprint());
    for trust in [Trust::default(), confirmed, holding(), both] {
        assert_eq!(Trust::decode(&trust.encode()), Ok(trust));
    }
}

#[test]
fn a_roster_without_its_own_signatures_is_not_taken_from_disk() {
    let good = holding().encode();
    let text = signed(&first(), &["alice", "bob"]);
    let bob = text.lines().last().unwrap();
    let without_bob = text.replace(&format!("{bob}\n"), "");
    let mut writer = blindmatch_audit::codec::Writer::new("blindmatch trust v1");
    let bad = writer.u32(0).bytes(without_bob.as_bytes()).finish();
    assert_eq!(Trust::decode(&bad), Err(DecodeError::Field));
    assert_eq!(
        Trust::decode(&good[..good.len() - 1]),
        Err(DecodeError::Truncated)
    );
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(Trust::decode(&longer), Err(DecodeError::Trailing));
}

#[test]
fn an_unsigned_roster_is_its_text_and_can_be_signed_in_turn() {
    let unsigned = signed(&first(), &[]);
    assert_eq!(unsigned, roster(&first()).text());
    let mut file = unsigned;
    for (at, signer) in ["alice", "bob", "carol"].into_iter().enumerate() {
        let mut read = SignedRoster::read(file.as_bytes()).unwrap();
        let own = read.check_own_signatures();
        assert_eq!(own, if at < 2 { Err(too_few(at, 2)) } else { Ok(()) });
        assert!(read.sign(&admin(signer)));
        file = read.to_string();
    }
    assert_eq!(file, signed(&first(), &["alice", "bob", "carol"]));
    // Without members there is no empty line in the text.
    let mut empty = first();
    empty.members.clear();
    empty.witness_quorum = WitnessQuorum::MoreThanHalf;
    let text = signed(&empty, &[]);
    assert_eq!(
        SignedRoster::read(text.as_bytes()).unwrap().to_string(),
        text
    );
}
