#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn direction(querier: Role) -> Direction {
    Direction {
        querier,
        view: b"view".to_vec(),
        indicator_type: b"ip".to_vec(),
        canonicalisation: 1,
        purpose: b"fraud".to_vec(),
        querier_input: Input {
            commitment: [1; 32],
            class: 8,
        },
        responder_input: Input {
            commitment: [2; 32],
            class: 1024,
        },
        payment_key: Vec::new(),
        setup: [0; 32],
    }
}

fn agreement() -> Agreement {
    let party = |identity: &[u8], nonce| Party {
        identity: identity.to_vec(),
        nonce: [nonce; 32],
    };
    Agreement {
        consortium: b"consortium".to_vec(),
        roster: 3,
        protocol: Protocol::Lookup,
        parties: [party(b"alpha", 1), party(b"beta", 2)],
        directions: vec![direction(Role::First), direction(Role::Second)],
    }
}

#[test]
fn agreements_round_trip() {
    for protocol in [Protocol::Lookup, Protocol::Batch] {
        let agreement = Agreement {
            protocol,
            ..agreement()
        };
        assert_eq!(Agreement::decode(&agreement.encode()), Ok(agreement));
    }
}

#[test]
fn a_refusal_tells_whole_characters() {
    // 255 bytes end in the middle of a character of two, of three and of four bytes.
    for (character, told) in [('x', 255), ('é', 254), ('語', 255), ('🜚', 252)] {
        let rule = character.to_string().repeat(300);
        let refusal = Refusal::new(&agreement(), &rule);
        assert_eq!(refusal.rule.len(), told);
        assert_eq!(Refusal::decode(&refusal.encode()), Ok(refusal));
    }
    let refusal = Refusal::new(&agreement(), "too large");
    assert_eq!(refusal.rule, "too large");
    let mut bytes = refusal.encode();
    *bytes.last_mut().unwrap() = 0xff;
    assert_eq!(Refusal::decode(&bytes), Err(DecodeError::Field));
}

#[test]
fn every_byte_of_an_agreement_changes_both_run_ids() {
    let agreed = agreement();
    let bytes = agreed.encode();
    let ids = |a: &Agreement| a.directions.iter().map(|d| a.run_id(d)).collect::<Vec<_>>();
    let own = ids(&agreed);
    assert_ne!(own[0], own[1], "swapped roles are another run");
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        if let Ok(changed) = Agreement::decode(&changed) {
            assert!(
                ids(&changed).iter().all(|id| !own.contains(id)),
                "byte {index}"
            );
        }
    }
}

#[test]
fn only_what_the_second_party_names_may_differ_from_the_proposal() {
    let agreed = agreement();
    let mut proposal = agreed.clone();
    proposal.parties[1].nonce = [0; 32];
    proposal.directions[1].querier_input = UNNAMED;
    assert!(agreed.completes(&proposal));
    assert!(!proposal.completes(&proposal), "no nonce");
    let changes: [fn(&mut Agreement); 9] = [
        |a| a.consortium.push(0),
        |a| a.roster += 1,
        |a| a.protocol = Protocol::Batch,
        |a| a.parties[0].nonce[0] ^= 1,
        |a| a.parties[1].identity.push(0),
        |a| a.directions[0].querier_input.class = 10,
        |a| a.directions[0].responder_input.commitment[0] ^= 1,
        |a| a.directions[1].responder_input.class = 1,
        |a| a.directions.truncate(1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = agreed.clone();
        change(&mut changed);
        assert!(!changed.completes(&proposal), "change {number}");
    }
}

#[test]
fn malformed_agreements_are_refused() {
    let refused = |change: fn(&mut Agreement)| {
        let mut agreement = agreement();
        change(&mut agreement);
        Agreement::decode(&agreement.encode()).unwrap_err()
    };
    assert_eq!(refused(|a| a.directions.clear()), DecodeError::Field);
    assert_eq!(
        refused(|a| a.directions[1].querier = Role::First),
        DecodeError::Field
    );
    assert_eq!(
        refused(|a| a.directions.push(direction(Role::First))),
        DecodeError::Field
    );
    assert_eq!(
        refused(|a| a.parties[0].identity.clear()),
        DecodeError::Field
    );
    assert_eq!(
        refused(|a| a.parties[1].identity = b"alpha".to_vec()),
        DecodeError::Field
    );
    assert_eq!(
        refused(|a| a.consortium = vec![0; 256]),
        DecodeError::TooLong
    );
    let bytes = agreement().encode();
    for length in 0..bytes.len() {
        assert!(Agreement::decode(&bytes[..length]).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Agreement::decode(&longer), Err(DecodeError::Trailing));
}
