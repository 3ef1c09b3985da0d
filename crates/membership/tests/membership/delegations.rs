//! What a node takes and keeps of its peers' delegations, and who cosigns.

use blindmatch_audit::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint, ledger_name, witness_name},
    codec::DecodeError,
    cosignature::{QuorumError, cosign},
};
use blindmatch_membership::{
    Delegation, DelegationError, Delegations, Draft, NodeKeys, Terms, WitnessQuorum, Witnesses,
    delegations::MAX_DELEGATIONS,
};

use crate::world::{
    DAY, HOUR, NOW, delegation, delegations, first, identity, name, node_keys, roster, second,
    terms,
};

fn take(known: &mut Delegations, terms: &Terms, generation: u8) -> Result<bool, DelegationError> {
    let note = delegation(terms, generation).to_string();
    known.accept(&roster(&first()), note.as_bytes(), NOW)
}

fn numbers(known: &Delegations) -> Vec<u64> {
    let roster = roster(&first());
    known
        .in_force(&roster, &name("kilo"), NOW)
        .map(|delegation| delegation.number)
        .collect()
}

#[test]
fn a_delegation_is_taken_once() {
    let mut known = Delegations::default();
    assert_eq!(take(&mut known, &terms("kilo", 1, 1), 1), Ok(true));
    assert_eq!(take(&mut known, &terms("kilo", 1, 1), 1), Ok(false));
    assert_eq!(numbers(&known), [1]);
    assert_eq!(take(&mut known, &terms("kilo", 3, 3), 3), Ok(true));
    // Late, but not revoked.
    assert_eq!(take(&mut known, &terms("kilo", 2, 2), 2), Ok(true));
    assert_eq!(numbers(&known), [3, 2, 1]);
}

#[test]
fn two_of_one_number_are_a_fork() {
    let mut known = delegations();
    let before = known.clone();
    let fork = Err(DelegationError::Fork { number: 1 });
    assert_eq!(take(&mut known, &terms("kilo", 1, 2), 2), fork);
    assert_eq!(known, before);
}

#[test]
fn strangers_and_others_are_refused() {
    let mut known = Delegations::default();
    let mut accept = |terms: &Terms| take(&mut known, terms, 1);
    let nova = terms("nova", 1, 1);
    assert_eq!(accept(&nova), Err(DelegationError::UnknownMember));
    let mut other = terms("kilo", 1, 1);
    other.consortium = name("other");
    assert_eq!(accept(&other), Err(DelegationError::OtherConsortium));
    let mut stranger = terms("kilo", 1, 1);
    stranger.identity = identity("xenia").verifying_key();
    let [receipts, checkpoints] = node_keys("kilo", 1);
    let request = stranger.request(&receipts, &checkpoints).unwrap();
    let stranger = Delegation::sign(request.as_bytes(), &identity("xenia")).unwrap();
    let refused = known.accept(&roster(&first()), stranger.to_string().as_bytes(), NOW);
    assert_eq!(refused, Err(DelegationError::OtherIdentity));
    assert_eq!(known, Delegations::default());
}

#[test]
fn a_removed_member_delegates_nothing() {
    let mut draft = second();
    draft.remove(&name("kilo")).unwrap();
    let note = delegation(&terms("kilo", 1, 1), 1).to_string();
    let refused = Delegations::default().accept(&roster(&draft), note.as_bytes(), NOW);
    assert_eq!(refused, Err(DelegationError::UnknownMember));
}

#[test]
fn clocks_that_are_off() {
    let roster = roster(&first());
    let note = delegation(&terms("kilo", 1, 1), 1).to_string();
    let at = |now| Delegations::default().accept(&roster, note.as_bytes(), now);
    let (begin, end) = (NOW, NOW + 30 * DAY);
    let (early, late) = (
        Err(DelegationError::NotYetValid),
        Err(DelegationError::Expired),
    );
    assert_eq!(at(begin - HOUR), Ok(true));
    assert_eq!(at(begin + HOUR), Ok(true));
    assert_eq!(at(begin - HOUR - 1), early);
    assert_eq!(at(begin - DAY), early);
    assert_eq!(at(begin + DAY), Ok(true));
    assert_eq!(at(end - 1), Ok(true));
    assert_eq!(at(end), late);
    assert_eq!(at(end - HOUR), Ok(true));
    assert_eq!(at(end + HOUR), late);
    assert_eq!(at(end - DAY), Ok(true));
    assert_eq!(at(end + DAY), late);
    assert_eq!(at(u64::MAX), late);
}

#[test]
fn what_is_revoked_does_not_come_back() {
    let mut known = delegations();
    let roster = roster(&first());
    let keys = |generation| terms("kilo", 1, generation).keys;
    // Number 2 revokes number 1 and is gone after a day, long before number 1 expires.
    let revoking = terms("kilo", 1, 1).succeed(2, keys(2), (NOW, NOW + DAY), true);
    assert_eq!((revoking.number, revoking.first_valid), (2, 2));
    assert_eq!(take(&mut known, &revoking, 2), Ok(true));
    assert_eq!(numbers(&known), [2]);
    let third = revoking.succeed(3, keys(3), (NOW, NOW + 30 * DAY), false);
    assert_eq!((third.number, third.first_valid), (3, 2));
    let later = NOW + 2 * DAY;
    let accept = |known: &mut Delegations, terms: &Terms, generation| {
        let note = delegation(terms, generation).to_string();
        known.accept(&roster, note.as_bytes(), later)
    };
    assert_eq!(accept(&mut known, &third, 3), Ok(true));
    assert_eq!(numbers(&known), [3]);
    let first = terms("kilo", 1, 1);
    assert_eq!(accept(&mut known, &first, 1), Err(DelegationError::Revoked));
    let mut known = Delegations::decode(&known.encode()).unwrap();
    assert_eq!(accept(&mut known, &first, 1), Err(DelegationError::Revoked));
    // A later one cannot take a revocation back.
    let mut fourth = third.succeed(4, keys(4), (NOW, NOW + 30 * DAY), false);
    fourth.first_valid = 1;
    assert_eq!(accept(&mut known, &fourth, 4), Ok(true));
    assert_eq!(accept(&mut known, &first, 1), Err(DelegationError::Revoked));
}

#[test]
fn numbers_go_on_and_leave_out_what_lost_records_may_have_given_out() {
    let numbered = |number| terms("kilo", number, 1);
    let restored = 2 << 32;
    assert_eq!(numbered(4).next_number(1), 5);
    assert_eq!(numbered(4).next_number(restored), restored);
    assert_eq!(numbered(restored).next_number(restored), restored + 1);
    assert_eq!(numbered(u64::MAX).next_number(restored), 0);

    // Number 2 was given out twice, once before a restore: that convicts. Behind it is room.
    let mut known = delegations();
    let next = |number, generation| {
        let keys = terms("kilo", 1, generation).keys;
        terms("kilo", 1, 1).succeed(number, keys, (NOW, NOW + DAY), false)
    };
    assert_eq!(take(&mut known, &next(2, 2), 2), Ok(true));
    let fork = Err(DelegationError::Fork { number: 2 });
    assert_eq!(take(&mut known, &next(2, 3), 3), fork);
    assert_eq!(take(&mut known, &next(restored, 3), 3), Ok(true));
    assert_eq!(numbers(&known), [restored, 2, 1]);
}

#[test]
fn no_more_than_a_few_are_kept() {
    let mut known = Delegations::default();
    for number in 1..=10 {
        let terms = terms("kilo", u64::from(number), number);
        assert_eq!(take(&mut known, &terms, number), Ok(true));
    }
    assert_eq!(numbers(&known).len(), MAX_DELEGATIONS);
    assert_eq!(numbers(&known).last(), Some(&3));
    let second = terms("kilo", 2, 2);
    assert_eq!(take(&mut known, &second, 2), Err(DelegationError::Revoked));
}

#[test]
fn another_identity_begins_anew() {
    let mut known = delegations();
    let mut draft = second();
    draft.members.get_mut(&name("kilo")).unwrap().identity = identity("xenia").verifying_key();
    let roster = roster(&draft);
    let mut anew = terms("kilo", 1, 2);
    anew.identity = identity("xenia").verifying_key();
    let [receipts, checkpoints] = node_keys("kilo", 2);
    let request = anew.request(&receipts, &checkpoints).unwrap();
    let anew = Delegation::sign(request.as_bytes(), &identity("xenia")).unwrap();
    let taken = known.accept(&roster, anew.to_string().as_bytes(), NOW);
    assert_eq!(taken, Ok(true));
    let in_force: Vec<_> = known.in_force(&roster, &name("kilo"), NOW).collect();
    assert_eq!(in_force, [&anew]);
}

#[test]
fn delegations_survive_on_disk() {
    let mut known = delegations();
    take(&mut known, &terms("kilo", 2, 2), 2).unwrap();
    assert_eq!(Delegations::decode(&known.encode()), Ok(known.clone()));
    let empty = Delegations::default();
    assert_eq!(Delegations::decode(&empty.encode()), Ok(empty));
    let bytes = known.encode();
    let shorter = &bytes[..bytes.len() - 1];
    assert_eq!(Delegations::decode(shorter), Err(DecodeError::Truncated));
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Delegations::decode(&longer), Err(DecodeError::Trailing));
}

#[test]
fn witnesses_are_the_others_and_more_than_half_of_them() {
    let roster = roster(&first());
    let known = delegations();
    let of = |owner: &str| Witnesses::of(&roster, &known, &name(owner), NOW);
    let kilo = of("kilo");
    assert_eq!(kilo.needed, 2);
    let names: Vec<&str> = kilo.keys.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["lima", "mike"]);
    let lima = terms("lima", 1, 1).keys.checkpoints;
    assert_eq!(kilo.keys[&name("lima")], [lima]);
    // The liaison is no witness, so three others cosign for it: two are enough.
    assert_eq!((of("papa").keys.len(), of("papa").needed), (3, 2));
}

#[test]
fn their_cosignatures_are_counted() {
    let roster = roster(&first());
    let mut known = delegations();
    take(&mut known, &terms("lima", 2, 2), 2).unwrap();
    let kilo = terms("kilo", 1, 1);
    let ledger = ledger_name("example", "kilo").unwrap();
    let [_, own] = node_keys("kilo", 1);
    let mut signed = Checkpoint::empty(Origin::first(ledger)).sign(&own);
    signed.verify(&kilo.ledger_key().unwrap()).unwrap();
    let quorum = Witnesses::of(&roster, &known, &name("kilo"), NOW).quorum();
    let quorum = quorum.unwrap();
    let cosigned = |signed: &mut SignedCheckpoint, witness: &str, generation| {
        let [_, key] = node_keys(witness, generation);
        let name = witness_name("example", witness).unwrap();
        let line = cosign(signed.unverified(), &name, &key, NOW).unwrap();
        signed.add(&line).unwrap();
        quorum.verify(signed).map(|cosigners| cosigners.len())
    };
    let too_few = |have| Err(QuorumError::TooFew { have, need: 2 });
    // Neither the owner nor the liaison counts, and lima counts once under two keys.
    assert_eq!(cosigned(&mut signed, "kilo", 1), too_few(0));
    assert_eq!(cosigned(&mut signed, "papa", 1), too_few(0));
    assert_eq!(cosigned(&mut signed, "lima", 1), too_few(1));
    assert_eq!(cosigned(&mut signed, "lima", 2), too_few(1));
    assert_eq!(cosigned(&mut signed, "mike", 1), Ok(2));
}

#[test]
fn a_witness_without_keys_still_counts_for_what_is_needed() {
    let roster = roster(&first());
    let known = delegations();
    let then = NOW + 30 * DAY;
    let witnesses = Witnesses::of(&roster, &known, &name("kilo"), then);
    assert_eq!(witnesses.needed, 2);
    assert!(witnesses.keys.values().all(Vec::is_empty));
    assert_eq!(witnesses.quorum(), Err(QuorumError::Unreachable));
}

#[test]
fn a_witness_has_all_its_keys_and_shares_none() {
    let roster = roster(&first());
    let mut known = delegations();
    take(&mut known, &terms("lima", 2, 2), 2).unwrap();
    let checkpoints = |generation| terms("lima", 1, generation).keys.checkpoints;
    // mike has lima's private key, so that what it delegates holds.
    let mut shared = terms("mike", 2, 2);
    shared.keys = NodeKeys {
        checkpoints: checkpoints(2),
        ..shared.keys
    };
    let [receipts, _] = node_keys("mike", 2);
    let [_, lima] = node_keys("lima", 2);
    let request = shared.request(&receipts, &lima).unwrap();
    let shared = Delegation::sign(request.as_bytes(), &identity("mike")).unwrap();
    known
        .accept(&roster, shared.to_string().as_bytes(), NOW)
        .unwrap();
    let witnesses = Witnesses::of(&roster, &known, &name("kilo"), NOW);
    let keys = |member: &str| witnesses.keys[&name(member)].clone();
    assert_eq!(keys("lima"), [checkpoints(2), checkpoints(1)]);
    assert_eq!(keys("mike"), [terms("mike", 1, 1).keys.checkpoints]);
    assert!(witnesses.quorum().is_ok());
}

#[test]
fn a_quorum_may_be_set() {
    let draft = Draft {
        witness_quorum: WitnessQuorum::Exactly(1),
        ..first()
    };
    let witnesses = Witnesses::of(&roster(&draft), &delegations(), &name("kilo"), NOW);
    assert_eq!(witnesses.needed, 1);
}
