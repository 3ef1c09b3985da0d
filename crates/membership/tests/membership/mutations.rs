//! Random changes to what was right: every one is refused.
//!
//! What is changed carries no more signatures than it needs, so that none can be lost unnoticed.

use blindmatch_membership::{Card, Delegation, Delegations, Role, Trust};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::world::{
    NOW, card, delegation, delegations, first, holding, roster, second, signed, terms,
};

const CHANGES: usize = 6_000;

/// Makes `CHANGES` changes to `right`, each from the start, and asserts that `accepts` refuses
/// each that makes a difference. Returns how many those were.
fn all_refused(
    seed: u8,
    right: &[u8],
    others: &[Vec<u8>],
    accepts: impl Fn(&[u8]) -> bool,
) -> usize {
    assert!(accepts(right));
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut made = 0;
    while made < CHANGES {
        let mut changed = right.to_vec();
        for _ in 0..=below(&mut rng, 3) {
            change(&mut rng, &mut changed, others);
        }
        if changed != right && !only_repeats_signatures(right, &changed) {
            assert!(!accepts(&changed), "{}", String::from_utf8_lossy(&changed));
            made += 1;
        }
    }
    made
}

fn below(rng: &mut TestRng, limit: usize) -> usize {
    usize::try_from(rng.next_u32()).unwrap() % limit
}

fn change(rng: &mut TestRng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let at = below(rng, bytes.len());
    match below(rng, 9) {
        0 => bytes[at] ^= 1 << below(rng, 8),
        1 => bytes[at] = rng.next_u32().to_be_bytes()[0],
        // A character that could stand there.
        2 => bytes[at] = b"0123456789abcdefghijklmnopqrstuvwxyzAZ+/=:-. \n"[below(rng, 46)],
        3 => {
            bytes.remove(at);
        }
        4 => bytes.insert(at, rng.next_u32().to_be_bytes()[0]),
        5 => bytes.truncate(at),
        6 => {
            let other = below(rng, bytes.len());
            bytes.swap(at, other);
        }
        // Whole lines: one goes, or one comes from a text of the same kind.
        7 => {
            let mut lines = lines(bytes);
            lines.remove(below(rng, lines.len()));
            *bytes = lines.concat();
        }
        _ => {
            let other = lines(&others[below(rng, others.len())]);
            let mut lines = lines(bytes);
            let (to, from) = (below(rng, lines.len()), below(rng, other.len()));
            lines[to].clone_from(&other[from]);
            *bytes = lines.concat();
        }
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

/// Whether all that was changed is that signatures stand there twice or in another order, which
/// changes nothing.
fn only_repeats_signatures(right: &[u8], changed: &[u8]) -> bool {
    let unique = |bytes: &[u8]| {
        let mut lines = lines(bytes);
        let text = lines.iter().rposition(|line| line == b"\n").unwrap_or(0);
        lines[text..].sort();
        lines.dedup();
        lines
    };
    unique(right) == unique(changed)
}

#[test]
fn changed_rosters_are_refused() {
    let trust = holding();
    let right = signed(&second(), &["alice", "bob"]);
    let mut other = second();
    other.keys.threshold = 1;
    other.members.pop_first();
    let others = [
        signed(&first(), &["alice", "bob"]).into_bytes(),
        signed(&other, &["alice", "bob", "carol", "dora"]).into_bytes(),
        right.clone().into_bytes(),
    ];
    let made = all_refused(1, right.as_bytes(), &others, |roster| {
        trust.accept(roster, NOW).is_ok()
    });
    assert_eq!(made, CHANGES);
}

#[test]
fn changed_first_rosters_are_refused() {
    let mut trust = Trust::default();
    trust.confirm(roster(&first()).fingerprint());
    let right = signed(&first(), &["alice", "bob"]);
    let others = [signed(&second(), &["alice", "bob"]).into_bytes()];
    all_refused(2, right.as_bytes(), &others, |roster| {
        trust.accept(roster, NOW).is_ok()
    });
}

#[test]
fn changed_cards_are_refused() {
    let right = card("kilo", Role::Provider).to_string();
    let others = [
        card("lima", Role::Provider).to_string().into_bytes(),
        card("kilo", Role::Liaison).to_string().into_bytes(),
    ];
    all_refused(3, right.as_bytes(), &others, |card| {
        Card::read(card).is_ok()
    });
}

#[test]
fn changed_delegations_are_refused() {
    let roster = roster(&first());
    let right = delegation(&terms("kilo", 1, 1), 1).to_string();
    let others = [
        delegation(&terms("kilo", 2, 2), 2).to_string().into_bytes(),
        delegation(&terms("lima", 1, 1), 1).to_string().into_bytes(),
    ];
    all_refused(4, right.as_bytes(), &others, |note| {
        assert_eq!(
            Delegation::read(note).is_ok(),
            Delegations::default().accept(&roster, note, NOW).is_ok()
        );
        Delegation::read(note).is_ok()
    });
}

#[test]
fn no_other_bytes_mean_what_is_kept() {
    let trust = holding().encode();
    let mut both = holding();
    both.confirm(roster(&second()).fingerprint());
    // What decodes to something else is not refused here: files at home are not from anybody.
    all_refused(5, &trust, &[both.encode()], |bytes| {
        Trust::decode(bytes).is_ok_and(|trust| {
            assert_eq!(trust.encode(), bytes);
            trust.held() == holding().held() && trust.confirmed().is_none()
        })
    });
    let known = delegations().encode();
    all_refused(6, &known, std::slice::from_ref(&trust), |bytes| {
        Delegations::decode(bytes).is_ok_and(|known| {
            assert_eq!(known.encode(), bytes);
            known == delegations()
        })
    });
}
