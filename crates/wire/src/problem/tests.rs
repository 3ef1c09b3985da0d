use super::*;

const KINDS: [Kind; 11] = [
    Kind::Malformed,
    Kind::NotAllowed,
    Kind::NotFound,
    Kind::Budget,
    Kind::Busy,
    Kind::NotNow,
    Kind::EpochOver,
    Kind::Version,
    Kind::Timeout,
    Kind::Unavailable,
    Kind::Internal,
];

#[test]
fn problems_travel_in_the_status() {
    for kind in KINDS {
        for side in [Side::Asking, Side::Answering] {
            let problem = Problem {
                side,
                ..Problem::new(kind)
                    .by_rule("é".repeat(limits::RULE))
                    .with_reference(Reference([0xff; 8]))
            };
            assert_eq!(problem.rule.len(), limits::RULE);
            let status = Status::from(problem.clone());
            assert_eq!(status.code(), kind.code());
            let length = status.metadata().get_bin(METADATA);
            assert!(length.is_some_and(|value| value.as_encoded_bytes().len() <= 340));
            assert_eq!(Problem::from(&status), problem);
        }
    }
}

#[test]
fn a_problem_that_is_none_is_what_the_code_says() {
    let status = |bytes: &[u8]| {
        let mut metadata = MetadataMap::new();
        let key = BinaryMetadataKey::from_static(METADATA);
        metadata.insert_bin(key, MetadataValue::from_bytes(bytes));
        Status::with_metadata(Code::NotFound, "none", metadata)
    };
    let message = |kind: i32, side: i32, rule: &str, reference: &'static [u8]| {
        let message = wire::Problem {
            kind,
            side,
            rule: rule.to_owned(),
            reference: Bytes::from_static(reference),
        };
        message.encode_to_vec()
    };
    let read = Problem::from(&status(&message(4, 2, "rule", b"12345678")));
    assert_eq!(read.kind, Kind::Budget);
    for wrong in [
        message(0, 2, "", b""),
        message(99, 2, "", b""),
        message(4, 0, "", b""),
        message(4, 2, "\u{1b}[2J", b""),
        message(4, 2, &"a".repeat(limits::RULE + 1), b""),
        message(4, 2, "", b"1234567"),
        vec![0xff; 4],
        vec![0; limits::PROBLEM + 1],
    ] {
        assert_eq!(Problem::from(&status(&wrong)), Kind::NotFound.into());
    }
    assert_eq!(
        Problem::from(&Status::unavailable("gone")),
        Kind::Unavailable.into()
    );
}

#[test]
fn a_problem_says_what_both_operators_need() {
    let problem = Problem::new(Kind::Budget)
        .by_rule("peers.acme.budget")
        .with_reference(Reference([1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(
        problem.to_string(),
        "the budget does not cover it, by rule peers.acme.budget of the side that answers \
         (reference 0102030405060708)"
    );
}
