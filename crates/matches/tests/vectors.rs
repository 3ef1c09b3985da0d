//! The vectors of `spec/vectors/matches.json`, which another implementation computed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{CLASSES, MOST, Message, Says, padded};
use blindmatch_matches::{Disposition, Feedback, Verdict};
use serde_json::Value;

fn vectors(of: &str) -> Vec<Value> {
    let text = include_str!("../../../spec/vectors/matches.json");
    let all: Value = serde_json::from_str(text).unwrap();
    all[of].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text(value).as_bytes().chunks(2).map(byte).collect()
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

#[test]
fn decisions() {
    for vector in vectors("decisions") {
        let verdicts = [Verdict::Confirmed, Verdict::Disputed];
        let verdict = verdicts
            .into_iter()
            .find(|verdict| verdict.name() == vector["verdict"]);
        let decision = Decision {
            about: fixed(&vector["match"]),
            disposition: Disposition {
                verdict: verdict.unwrap(),
                by: text(&vector["by"]),
                at: vector["at"].as_u64().unwrap(),
                case: text(&vector["case"]),
                reason: text(&vector["reason"]),
            },
        };
        assert_eq!(decision.encode(), bytes(&vector["bytes"]));
        assert!(decision.is_readable());
        let without_a_name = Disposition {
            by: String::new(),
            ..decision.disposition.clone()
        };
        let too_long = Disposition {
            reason: "r".repeat(256),
            ..decision.disposition
        };
        for disposition in [without_a_name, too_long] {
            assert!(
                !Decision {
                    about: decision.about,
                    disposition
                }
                .is_readable()
            );
        }
    }
}

#[test]
fn messages() {
    for vector in vectors("messages") {
        let says = match vector.get("withdrawn") {
            Some(handles) => {
                let handles = handles.as_array().unwrap().iter().map(fixed);
                Says::Withdrawn(handles.collect())
            }
            None => {
                let word = |word: &Feedback| word.name() == vector["feedback"];
                let feedback = Feedback::ALL.into_iter().find(word).unwrap();
                Says::Feedback(fixed(&vector["handle"]), feedback)
            }
        };
        let message = Message {
            id: fixed(&vector["id"]),
            from: text(&vector["from"]),
            to: text(&vector["to"]),
            view: text(&vector["view"]),
            time: vector["time"].as_u64().unwrap(),
            says,
        };
        assert_eq!(message.encode(), bytes(&vector["bytes"]));
        assert_eq!(Message::decode(&bytes(&vector["bytes"])), Ok(message));
    }
}

#[test]
fn what_is_refused() {
    for vector in vectors("refused") {
        assert!(
            Message::decode(&bytes(&vector["bytes"])).is_err(),
            "{}",
            vector["about"]
        );
    }
}

#[test]
fn a_notice_is_as_long_as_its_class() {
    let mut next = 0_u128;
    let mut random = || {
        next += 1;
        (next << 64).to_be_bytes()
    };
    let handles = |count: usize| {
        (0..count as u128)
            .map(u128::to_be_bytes)
            .collect::<BTreeSet<_>>()
    };
    for (count, class) in [
        (0, 64),
        (1, 64),
        (64, 64),
        (65, 256),
        (1_025, 4_096),
        (MOST, MOST),
    ] {
        let notice = padded(handles(count), &mut random).unwrap();
        assert_eq!(notice.len(), class);
        assert!(CLASSES.contains(&notice.len()) && notice.is_superset(&handles(count)));
    }
    assert!(padded(handles(MOST + 1), random).is_none());
}

fn message(says: Says) -> Message {
    Message {
        id: [1; 32],
        from: "bolt".to_owned(),
        to: "acme".to_owned(),
        view: "abuse/ip/x".to_owned(),
        time: 7,
        says,
    }
}

#[test]
fn the_longest_notice_is_read() {
    let handles = (0..MOST as u128).map(u128::to_be_bytes).collect();
    let longest = message(Says::Withdrawn(handles));
    assert_eq!(Message::decode(&longest.encode()), Ok(longest));
}

#[test]
fn a_name_that_is_none_is_refused() {
    let says = || Says::Feedback([2; 16], Feedback::Agree);
    for name in ["", "a\nb", "\u{7f}"] {
        let wrong = Message {
            to: name.to_owned(),
            ..message(says())
        };
        assert!(Message::decode(&wrong.encode()).is_err(), "{name:?}");
    }
}
