#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// One event of each kind, in the order of their codes.
fn events() -> Vec<Event> {
    let (view, peer, operator) = (name("abuse/ip/fraud"), name("beta"), name("uid 1000"));
    let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
    vec![
        Event::Filler,
        Event::Incarnation {
            number: 2,
            size: 9,
            root: a,
        },
        Event::Roster {
            number: 4,
            digest: a,
        },
        Event::Delegation {
            member: peer.clone(),
            digest: a,
        },
        Event::Policy {
            policy: Salted(a),
            config: Salted(b),
        },
        Event::EpochOpened {
            view: view.clone(),
            epoch: 7,
            key: a,
        },
        Event::EpochClosed {
            view: view.clone(),
            epoch: 7,
        },
        Event::Publication {
            view: view.clone(),
            sequence: 31,
            manifest: a,
            root: b,
            class: Class::exactly(1280).unwrap(),
        },
        Event::Debit {
            peer: peer.clone(),
            view: view.clone(),
            epoch: 7,
            run: a,
            batch: 1,
            digest: b,
            amount: Class::exactly(4096).unwrap(),
        },
        Event::RunAgreed {
            run: a,
            peer: peer.clone(),
            side: Side::Responder,
            agreement: b,
        },
        Event::RunConcluded {
            run: a,
            receipt: Salted(b),
        },
        Event::RunUnreceipted { run: a },
        Event::RunOpenedLate { run: a },
        Event::Results { run: a, root: b },
        Event::VoleSpent { setup: a, run: b },
        Event::ReleaseProposed {
            release: a,
            content: Salted(b),
            basis: name("dsa-16"),
            operator: operator.clone(),
        },
        Event::ReleaseApproved {
            release: a,
            operator: operator.clone(),
        },
        Event::ReleaseRevoked {
            release: a,
            operator: operator.clone(),
        },
        Event::Consent {
            release: a,
            peer: peer.clone(),
            digest: c,
        },
        Event::LiaisonSync {
            reader: name("liaison"),
            read: Salted(c),
        },
        Event::Witnessed {
            origin: name("blindmatch/c/beta/ledger/1"),
            size: 12,
            root: c,
        },
        Event::Override {
            operator: operator.clone(),
            what: Salted(c),
        },
        Event::Lost {
            incarnation: 1,
            size: 12,
            root: c,
        },
        Event::Equivocation {
            peer: peer.clone(),
            accepted: a,
            shown: b,
        },
        Event::Readmitted {
            peer: peer.clone(),
            operator: operator.clone(),
        },
        Event::Asked {
            run: a,
            peer: peer.clone(),
            view: view.clone(),
            epoch: 7,
            items: Class::exactly(4096).unwrap(),
        },
        Event::Probing {
            peer: peer.clone(),
            view: view.clone(),
            side: Side::Responder,
            level: Level::Slow,
            signal: Signal::Runs,
            counted: 300,
            limit: 192,
        },
        Event::Vouched {
            peer: peer.clone(),
            operator: operator.clone(),
            until: 1_800_600_000,
            why: name("ticket 4711"),
        },
        Event::Decision {
            decision: a,
            content: Salted(b),
            operator: operator.clone(),
        },
        Event::MessageDue {
            message: a,
            peer: peer.clone(),
            view: name("abuse/ip/fraud"),
            content: Salted(b),
        },
        Event::MessageDelivered {
            message: a,
            peer: peer.clone(),
        },
        Event::MessageReceived {
            message: a,
            peer,
            content: Salted(b),
        },
    ]
}

fn record(event: Event) -> Record {
    Record {
        time: 1_800_000_000,
        nonce: [0x5a; 32],
        event,
    }
}

/// Where the byte that says the kind stands.
const KIND: usize = 1 + "blindmatch ledger record v1".len() + 8 + 32;

#[test]
fn every_kind_round_trips_under_its_own_code() {
    let mut hashes = HashSet::new();
    for (code, event) in (0..).zip(events()) {
        let record = record(event);
        let bytes = record.encode();
        assert_eq!(bytes[KIND], code);
        assert_eq!(Record::decode(&bytes), Ok(record.clone()));
        assert!(bytes.len() <= MAX_RECORD);
        assert!(hashes.insert(record.leaf_hash()));
    }
    let mut unknown = record(Event::Filler).encode();
    for code in [u8::try_from(events().len()).unwrap(), 255] {
        unknown[KIND] = code;
        assert_eq!(Record::decode(&unknown), Err(DecodeError::Field));
    }
}

#[test]
fn the_largest_record_is_within_the_limit() {
    let longest = name(&"n".repeat(MAX_NAME));
    let record = record(Event::Debit {
        peer: longest.clone(),
        view: longest,
        epoch: u64::MAX,
        run: [0; 32],
        batch: u64::MAX,
        digest: [0; 32],
        amount: Class::exactly(7 << 61).unwrap(),
    });
    assert!(record.encode().len() <= MAX_RECORD);
    assert_eq!(Record::decode(&record.encode()), Ok(record));
    let longest = name(&"n".repeat(MAX_NAME));
    let record = self::record(Event::Vouched {
        peer: longest.clone(),
        operator: longest.clone(),
        until: u64::MAX,
        why: longest,
    });
    assert!(record.encode().len() <= MAX_RECORD);
}

#[test]
fn what_is_not_canonical_is_refused() {
    for event in events() {
        let bytes = record(event).encode();
        for end in 0..bytes.len() {
            assert!(Record::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Record::decode(&longer), Err(DecodeError::Trailing));
    }
    let replaced = |code: usize, old: &[u8], new: &[u8]| {
        let bytes = record(events()[code].clone()).encode();
        let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
        Record::decode(&[&bytes[..at], new, &bytes[at + old.len()..]].concat())
    };
    let class = |count: u64| replaced(8, &4096_u64.to_be_bytes(), &count.to_be_bytes());
    assert!(class(5120).is_ok());
    for count in [0, 7, 4095, 4097, 4608, u64::MAX] {
        assert_eq!(class(count), Err(DecodeError::Field), "{count}");
    }
    let run_and_peer = [[1; 32].as_slice(), b"\0\0\0\x04beta"].concat();
    let side = |code: u8| {
        let (old, new) = ([&run_and_peer[..], &[1]], [&run_and_peer[..], &[code]]);
        replaced(9, &old.concat(), &new.concat())
    };
    assert!(side(0).is_ok());
    assert_eq!(side(2), Err(DecodeError::Field));
    // The side, the level and the signal of what looked like probing.
    let probing = |codes: [u8; 3]| {
        let numbers = [300_u64.to_be_bytes(), 192_u64.to_be_bytes()].concat();
        let (old, new) = ([&[1, 2, 2], &*numbers], [&codes[..], &*numbers]);
        replaced(26, &old.concat(), &new.concat())
    };
    for level in Level::ALL {
        for signal in Signal::ALL {
            assert!(probing([0, level.code(), signal.code()]).is_ok());
        }
    }
    for codes in [[2, 1, 0], [0, 0, 0], [0, 4, 0], [0, 1, 6]] {
        assert_eq!(probing(codes), Err(DecodeError::Field), "{codes:?}");
    }
    let member = |length: u32, bytes: &[u8]| {
        replaced(
            3,
            b"\0\0\0\x04beta",
            &[&length.to_be_bytes(), bytes].concat(),
        )
    };
    assert!(member(3, b"eta").is_ok());
    assert_eq!(member(0, b""), Err(DecodeError::Field));
    assert_eq!(member(4, b"be\na"), Err(DecodeError::Field));
    assert_eq!(member(4, b"be\xffa"), Err(DecodeError::Field));
    assert_eq!(member(256, &[b'n'; 256]), Err(DecodeError::TooLong));
    assert_eq!(member(u32::MAX, b"beta"), Err(DecodeError::TooLong));
}

#[test]
fn classes_are_those_of_queries_and_sets() {
    let classes: Vec<u64> = (0..=56)
        .filter_map(|count| Class::exactly(count).map(Class::count))
        .collect();
    assert_eq!(classes, [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56]);
}

#[test]
fn salted_digests_depend_on_salt_and_content() {
    let digest = Salted::new(&[1; 32], b"policy");
    assert_eq!(digest, Salted::new(&[1; 32], b"policy"));
    assert_ne!(digest, Salted::new(&[2; 32], b"policy"));
    assert_ne!(digest, Salted::new(&[1; 32], b"polic"));
}

#[test]
fn the_nonce_is_not_shown() {
    for event in events() {
        let shown = format!("{:?}", record(event));
        assert!(!shown.contains("90, 90"), "{shown}");
        assert!(!shown.contains("5a5a"), "{shown}");
        assert!(shown.contains("1800000000"));
    }
}

#[test]
fn incarnations_are_numbered_from_1() {
    let (size, root) = (9, [1; 32]);
    let begun = |number| Event::Incarnation { number, size, root };
    let lost = |incarnation| Event::Lost {
        incarnation,
        size,
        root,
    };
    for (event, holds) in [
        (begun(1), true),
        (begun(0), false),
        (lost(1), true),
        (lost(0), false),
    ] {
        let record = Record {
            time: 1,
            nonce: [2; 32],
            event,
        };
        assert_eq!(
            Record::decode(&record.encode()).is_ok(),
            holds,
            "{record:?}"
        );
    }
}
