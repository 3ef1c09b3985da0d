//! A consortium of three providers and a liaison, with keys from seeds.

use std::collections::BTreeMap;

use blindmatch_audit::SigningKey;
use blindmatch_membership::{
    Acceptance, Accepted, Card, Delegation, Delegations, Digest, Draft, HpkeKey, KeySet, Member,
    Name, NodeKeys, Role, Roster, RosterError, SignedRoster, Signer, Terms, Trust,
};

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 24 * HOUR;

/// 2026-11-22T08:00:00Z
pub(crate) const NOW: u64 = 1_795_334_400;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The administrator of this name, whose key is its first letter.
pub(crate) fn admin(name: &str) -> Signer {
    Signer::new(name, &[name.as_bytes()[0]; 32]).unwrap()
}

pub(crate) fn key_set(threshold: usize, names: &[&str]) -> KeySet {
    KeySet {
        threshold,
        keys: names.iter().map(|name| admin(name).note_key()).collect(),
    }
}

/// The identity of a member: its first letter in capitals.
pub(crate) fn identity(member: &str) -> SigningKey {
    SigningKey::from_bytes(&[member.as_bytes()[0].to_ascii_uppercase(); 32])
}

pub(crate) fn hpke(member: &str) -> HpkeKey {
    let mut key = [0x40; 32];
    key[0] = member.as_bytes()[0];
    HpkeKey(key)
}

pub(crate) fn member(name: &str, role: Role) -> Member {
    Member {
        name: name.parse().unwrap(),
        role,
        witness: false,
        address: format!("{name}.example:7443").parse().unwrap(),
        identity: identity(name).verifying_key(),
        hpke: hpke(name),
    }
}

pub(crate) fn card(name: &str, role: Role) -> Card {
    Card::sign(&member(name, role), &identity(name)).unwrap()
}

/// Number 1: alice, bob and carol sign by two, dora and emil are next by one.
pub(crate) fn first() -> Draft {
    let mut draft = Draft::first(
        name("example"),
        (NOW, NOW + 180 * DAY),
        key_set(2, &["alice", "bob", "carol"]),
        key_set(1, &["dora", "emil"]),
    );
    for provider in ["kilo", "lima", "mike"] {
        draft.add(&card(provider, Role::Provider), true).unwrap();
    }
    draft.add(&card("papa", Role::Liaison), false).unwrap();
    draft.canonicalisation = BTreeMap::from([("email".to_owned(), 1), ("ip".to_owned(), 2)]);
    draft.tables = BTreeMap::from([(name("public-suffix-list"), Digest([1; 32]))]);
    draft.exclusions = BTreeMap::from([(name("public-resolvers"), Digest([2; 32]))]);
    draft
}

pub(crate) fn roster(draft: &Draft) -> Roster {
    Roster::new(draft).unwrap()
}

pub(crate) fn signed(draft: &Draft, signers: &[&str]) -> String {
    let mut signed = SignedRoster::unsigned(roster(draft)).unwrap();
    for signer in signers {
        assert!(signed.sign(&admin(signer)));
    }
    signed.to_string()
}

/// A node that holds number 1.
pub(crate) fn holding() -> Trust {
    let mut trust = Trust::default();
    trust.confirm(roster(&first()).fingerprint());
    accepted(&trust, &signed(&first(), &["alice", "bob"])).trust
}

pub(crate) fn accepted(trust: &Trust, note: &str) -> Accepted {
    match trust.accept(note.as_bytes(), NOW).unwrap() {
        Acceptance::New(accepted) => *accepted,
        Acceptance::AlreadyHeld => panic!("not new"),
    }
}

pub(crate) fn refused(trust: &Trust, note: &str) -> RosterError {
    trust.accept(note.as_bytes(), NOW).unwrap_err()
}

/// The roster behind number 1, otherwise the same.
pub(crate) fn second() -> Draft {
    Draft::after(&roster(&first()), (NOW, NOW + 180 * DAY))
}

/// The SubjectPublicKeyInfo of the node that a member has in its so-many-th generation.
pub(crate) fn spki(member: &str, generation: u8) -> Vec<u8> {
    format!("spki of {member} {generation}").into_bytes()
}

/// The receipt key and the checkpoint key of that node.
pub(crate) fn node_keys(member: &str, generation: u8) -> [SigningKey; 2] {
    [1, 2].map(|use_of| {
        let mut seed = [member.as_bytes()[0]; 32];
        (seed[1], seed[2]) = (use_of, generation);
        SigningKey::from_bytes(&seed)
    })
}

pub(crate) fn terms(member: &str, number: u64, generation: u8) -> Terms {
    let [receipts, checkpoints] = node_keys(member, generation).map(|key| key.verifying_key());
    let mut hpke = hpke(member);
    (hpke.0[1], hpke.0[2]) = (3, generation);
    Terms {
        consortium: name("example"),
        member: name(member),
        number,
        first_valid: 1,
        not_before: NOW,
        expires: NOW + 30 * DAY,
        identity: identity(member).verifying_key(),
        keys: NodeKeys {
            tls: Digest::of(&spki(member, generation)),
            receipts,
            checkpoints,
            hpke,
        },
    }
}

/// Those terms, signed by the keys of that generation and by the identity.
pub(crate) fn delegation(terms: &Terms, generation: u8) -> Delegation {
    let member = terms.member.as_str();
    let [receipts, checkpoints] = node_keys(member, generation);
    let request = terms.request(&receipts, &checkpoints).unwrap();
    Delegation::sign(request.as_bytes(), &identity(member)).unwrap()
}

/// One delegation of each member.
pub(crate) fn delegations() -> Delegations {
    let roster = roster(&first());
    let mut known = Delegations::default();
    for name in roster.members.keys() {
        let delegation = delegation(&terms(name.as_str(), 1, 1), 1).to_string();
        known.accept(&roster, delegation.as_bytes(), NOW).unwrap();
    }
    known
}
