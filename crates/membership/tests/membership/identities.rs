//! From a certificate to a member.

use blindmatch_membership::{
    DelegationError, Delegations, Draft, IdentityError, MemberId, Roster, identify,
};

use crate::world::{
    DAY, HOUR, NOW, delegation, delegations, first, identity, name, roster, second, spki, terms,
};

const KILO: &str = "blindmatch://example/kilo";

fn kilo(roster: &Roster, known: &Delegations, now: u64) -> Result<MemberId, IdentityError> {
    identify(roster, known, &[KILO], &spki("kilo", 1), now)
}

#[test]
fn a_member_is_who_its_certificate_says() {
    let (roster, known) = (roster(&first()), delegations());
    let id = kilo(&roster, &known, NOW).unwrap();
    assert_eq!(id.to_string(), KILO);
    assert_eq!(Some(id), roster.member_id(&name("kilo")));
}

#[test]
fn exactly_one_uri() {
    let (roster, known) = (roster(&first()), delegations());
    let names = |uris: &[&str]| identify(&roster, &known, uris, &spki("kilo", 1), NOW);
    assert_eq!(names(&[]), Err(IdentityError::Names { found: 0 }));
    assert_eq!(names(&[KILO, KILO]), Err(IdentityError::Names { found: 2 }));
    let mixed = [KILO, "https://kilo.example/"];
    assert_eq!(names(&mixed), Err(IdentityError::Names { found: 2 }));
}

#[test]
fn a_uri_is_read_letter_by_letter() {
    let (roster, known) = (roster(&first()), delegations());
    for uri in [
        "",
        "blindmatch:",
        "blindmatch://",
        "blindmatch://example",
        "blindmatch://example/",
        "blindmatch:///kilo",
        "blindmatch://example//kilo",
        "blindmatch://example/kilo/",
        "blindmatch://example/kilo?",
        "blindmatch://example/kilo#a",
        "blindmatch://example/Kilo",
        "blindmatch://Example/kilo",
        "Blindmatch://example/kilo",
        "blindmatch://example/kil%6f",
        "blindmatch://example:443/kilo",
        "blindmatch://user@example/kilo",
        "blindmatch://example/../kilo",
        " blindmatch://example/kilo",
        "blindmatch://example/kilo\n",
        "blindmatch://example/kilo\0",
        "blindmatch:/example/kilo",
        "spiffe://example/kilo",
        "blindmatch://example/k\u{131}lo",
    ] {
        let id = identify(&roster, &known, &[uri], &spki("kilo", 1), NOW);
        assert_eq!(id, Err(IdentityError::Uri), "{uri:?}");
    }
}

#[test]
fn another_consortium_another_member_another_key() {
    let (roster, known) = (roster(&first()), delegations());
    let who = |uri: &str, spki: &[u8]| identify(&roster, &known, &[uri], spki, NOW);
    let key = spki("kilo", 1);
    assert_eq!(
        who("blindmatch://other/kilo", &key),
        Err(IdentityError::OtherConsortium)
    );
    assert_eq!(
        who("blindmatch://example/nova", &key),
        Err(IdentityError::UnknownMember)
    );
    // A member's key does not make it another member.
    assert_eq!(
        who("blindmatch://example/lima", &key),
        Err(IdentityError::UnknownKey)
    );
    assert_eq!(who(KILO, &spki("kilo", 2)), Err(IdentityError::UnknownKey));
    assert_eq!(who(KILO, &[]), Err(IdentityError::UnknownKey));
    let nobody = Delegations::default();
    assert_eq!(kilo(&roster, &nobody, NOW), Err(IdentityError::UnknownKey));
}

#[test]
fn a_removed_member_is_nobody() {
    let mut draft = second();
    draft.remove(&name("kilo")).unwrap();
    let id = kilo(&roster(&draft), &delegations(), NOW);
    assert_eq!(id, Err(IdentityError::UnknownMember));
}

#[test]
fn a_member_with_another_identity_needs_another_delegation() {
    let mut draft = second();
    draft.members.get_mut(&name("kilo")).unwrap().identity = identity("xenia").verifying_key();
    let id = kilo(&roster(&draft), &delegations(), NOW);
    let expected = IdentityError::Delegation(DelegationError::OtherIdentity);
    assert_eq!(id, Err(expected));
}

#[test]
fn clocks_that_are_off() {
    let (roster, known) = (roster(&first()), delegations());
    let (begin, end) = (NOW, NOW + 30 * DAY);
    let at = |now| kilo(&roster, &known, now).map(|id| id.member().as_str().to_owned());
    let known = Ok("kilo".to_owned());
    let early = Err(IdentityError::Delegation(DelegationError::NotYetValid));
    let late = Err(IdentityError::Delegation(DelegationError::Expired));
    assert_eq!(at(begin - HOUR), known);
    assert_eq!(at(begin + HOUR), known);
    assert_eq!(at(begin - HOUR - 1), early);
    assert_eq!(at(begin - DAY), early);
    assert_eq!(at(begin + DAY), known);
    assert_eq!(at(end - 1), known);
    assert_eq!(at(end), late);
    assert_eq!(at(end - HOUR), known);
    assert_eq!(at(end + HOUR), late);
    assert_eq!(at(end - DAY), known);
    assert_eq!(at(end + DAY), late);
}

#[test]
fn an_expired_roster_still_identifies() {
    let short = Draft {
        expires: NOW + DAY,
        ..first()
    };
    assert!(kilo(&roster(&short), &delegations(), NOW + 2 * DAY).is_ok());
}

#[test]
fn old_and_new_keys_count_until_the_old_are_revoked() {
    let roster = roster(&first());
    let mut known = delegations();
    let renewed = terms("kilo", 2, 2);
    let note = delegation(&renewed, 2).to_string();
    assert_eq!(known.accept(&roster, note.as_bytes(), NOW), Ok(true));
    let who = |known: &Delegations, generation| {
        identify(&roster, known, &[KILO], &spki("kilo", generation), NOW).is_ok()
    };
    assert!(who(&known, 1) && who(&known, 2));
    let revoking = renewed.succeed(3, terms("kilo", 3, 3).keys, (NOW, NOW + DAY), true);
    let note = delegation(&revoking, 3).to_string();
    assert_eq!(known.accept(&roster, note.as_bytes(), NOW), Ok(true));
    assert!(!who(&known, 1) && !who(&known, 2) && who(&known, 3));
}

#[test]
fn a_key_that_was_delegated_again_counts_by_whichever_counts() {
    let roster = roster(&first());
    let mut known = delegations();
    // The same keys, from later on.
    let mut renewed = terms("kilo", 2, 1);
    (renewed.not_before, renewed.expires) = (NOW + 20 * DAY, NOW + 50 * DAY);
    let note = delegation(&renewed, 1).to_string();
    let then = NOW + 25 * DAY;
    assert_eq!(known.accept(&roster, note.as_bytes(), then), Ok(true));
    assert!(kilo(&roster, &known, NOW).is_ok());
    assert!(kilo(&roster, &known, NOW + 40 * DAY).is_ok());
    assert!(kilo(&roster, &known, NOW + 50 * DAY).is_err());
}
