//! Whatever comes, in whichever order and however often: decisions of people stay, and what is over is over.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use blindmatch_indicator::{Day, IndicatorType};
use blindmatch_matches::corroboration::{Corroboration, needs_another};
use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{Message, Says};
use blindmatch_matches::sharing::{holders, is_shared};
use blindmatch_matches::windows::{Window, apart};
use blindmatch_matches::{
    Disposition, Event, EventId, Feedback, Happening, Kind, Life, State, Stays, Verdict, may_leave,
};
use proptest::prelude::*;

fn disposition(verdict: Verdict, at: u64) -> Disposition {
    Disposition {
        verdict,
        by: "uid 1000".to_owned(),
        at,
        case: "c-1".to_owned(),
        reason: "seen twice".to_owned(),
    }
}

fn decided(verdict: Verdict, at: u64) -> Happening {
    Happening::Decided(disposition(verdict, at))
}

fn happening(kind: Kind, time: u64) -> Happening {
    match kind {
        Kind::Found => Happening::Found,
        Kind::Missed => Happening::Missed,
        Kind::Confirmed => decided(Verdict::Confirmed, time),
        Kind::Disputed => decided(Verdict::Disputed, time),
        Kind::Withdrawn => Happening::Withdrawn,
        Kind::Feedback => Happening::Feedback(Feedback::Disagree),
        Kind::Apart => Happening::Apart,
        Kind::Rotated => Happening::Rotated,
        Kind::Over => Happening::Over,
    }
}

/// Events by the places of their kinds, each with an id of its own and later than the one before; the
/// first is that it was found.
fn events(places: &[usize]) -> Vec<Event> {
    let kinds = places.iter().map(|place| Kind::ALL.into_iter().nth(*place));
    let kinds = std::iter::once(Some(Kind::Found)).chain(kinds);
    let numbered = (1_u64..).zip(kinds);
    let event = |(time, kind): (u64, Option<Kind>)| {
        let mut id = [0; 32];
        id.first_chunk_mut::<8>()
            .unwrap()
            .copy_from_slice(&time.to_be_bytes());
        let what = happening(kind.unwrap(), time);
        Event {
            id: EventId(id),
            time,
            what,
        }
    };
    numbered.map(event).collect()
}

fn played(events: &[Event]) -> Life {
    let mut life = Life::default();
    events.iter().for_each(|event| life.apply(event));
    life
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_loses_a_disposition(places in prop::collection::vec(0_usize..9, 0..24)) {
        let events = events(&places);
        let until_over = events.iter().take_while(|event| event.what.kind() != Kind::Over);
        let last = until_over.filter_map(|event| match &event.what {
            Happening::Decided(disposition) => Some(disposition),
            _ => None,
        });
        let life = played(&events);
        prop_assert_eq!(life.disposition(), last.last());
        // Only a person, a withdrawal or the end takes the place of what a person said.
        if let (Some(decided), Some(state)) = (life.disposition(), life.state()) {
            let stands = match decided.verdict {
                Verdict::Confirmed => State::Confirmed,
                Verdict::Disputed => State::Disputed,
            };
            prop_assert!([stands, State::Withdrawn, State::Expired].contains(&state));
        }
    }

    #[test]
    fn expired_is_final(places in prop::collection::vec(0_usize..9, 0..24), at in 0_usize..24) {
        let mut events = events(&places);
        events.truncate(at + 1);
        let time = events.len() as u64 + 1;
        let end = Event { id: EventId([0xee; 32]), time, what: Happening::Over };
        let mut over = played(&events);
        over.apply(&end);
        prop_assert_eq!(over.state(), Some(State::Expired));
        let mut later = over.clone();
        for kind in Kind::ALL {
            let id = EventId([kind as u8; 32]);
            later.apply(&Event { id, time: time + 1, what: happening(kind, time + 1) });
            prop_assert_eq!(&later, &over);
        }
    }

    #[test]
    fn an_event_that_comes_again_changes_nothing(
        places in prop::collection::vec(0_usize..9, 1..24),
        again in prop::collection::vec((0_usize..24, 0_usize..24), 0..8),
    ) {
        let once = events(&places);
        // Each one again right behind itself, and some of them anywhere behind that.
        let mut often: Vec<Event> = once.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
        for (which, distance) in again {
            let at = which % once.len();
            let copy = once.get(at).unwrap().clone();
            let to = (2 * at + 2 + distance).min(often.len());
            // Behind its first, wherever copies have moved it.
            let first = often.iter().position(|event| *event == copy).unwrap();
            often.insert(to.max(first + 1), copy);
        }
        prop_assert_eq!(played(&often), played(&once));
    }

    #[test]
    fn the_order_in_which_events_are_read_does_not_matter(
        places in prop::collection::vec(0_usize..9, 0..16),
        seed in any::<u64>(),
    ) {
        let events = events(&places);
        let mut mixed = events.clone();
        mixed.sort_by_key(|event| event.time.wrapping_mul(seed | 1).rotate_left(17));
        prop_assert_eq!(Life::of(mixed), played(&events));
    }

    #[test]
    fn only_what_a_person_confirmed_leaves(places in prop::collection::vec(0_usize..9, 0..24)) {
        let events = events(&places);
        let life = played(&events);
        let people = events.iter().map(|event| event.what.kind()).filter(|kind| {
            matches!(kind, Kind::Confirmed | Kind::Disputed | Kind::Withdrawn | Kind::Over)
        });
        let people: Vec<_> = people.collect();
        let confirmed = people.last() == Some(&Kind::Confirmed) && !people.contains(&Kind::Over);
        prop_assert_eq!(may_leave(&life).is_ok(), confirmed);
    }
}

#[test]
fn what_nobody_found_stays() {
    let mut life = Life::default();
    life.apply(&Event {
        id: EventId([1; 32]),
        time: 1,
        what: decided(Verdict::Confirmed, 1),
    });
    assert_eq!(life, Life::default());
    assert_eq!(may_leave(&life), Err(Stays::Unknown));
}

#[test]
fn a_decision_of_the_second_of_its_run_stands() {
    let event = |id: u8, what| Event {
        id: EventId([id; 32]),
        time: 1,
        what,
    };
    for id in [0, 9] {
        let events = [
            event(1, Happening::Found),
            event(2, Happening::Withdrawn),
            event(id, decided(Verdict::Confirmed, 1)),
        ];
        assert_eq!(may_leave(&Life::of(events.to_vec())), Ok(()));
    }
}

#[test]
fn a_withdrawal_flags_what_was_confirmed_until_somebody_decides_again() {
    let confirmed = Kind::ALL
        .iter()
        .position(|kind| *kind == Kind::Confirmed)
        .unwrap();
    let withdrawn = Kind::ALL
        .iter()
        .position(|kind| *kind == Kind::Withdrawn)
        .unwrap();
    let stays = |places: &[usize]| may_leave(&played(&events(places)));
    assert_eq!(stays(&[confirmed]), Ok(()));
    assert_eq!(stays(&[confirmed, withdrawn]), Err(Stays::Withdrawn));
    assert_eq!(stays(&[confirmed, withdrawn, confirmed]), Ok(()));
}

#[test]
fn a_decision_without_a_name_under_it_lets_nothing_leave() {
    let mut disposition = disposition(Verdict::Confirmed, 2);
    disposition.by.clear();
    let events = [Happening::Found, Happening::Decided(disposition)];
    let events = (1..).zip(events).map(|(time, what)| Event {
        id: EventId([u8::try_from(time).unwrap(); 32]),
        time,
        what,
    });
    let life = Life::of(events.collect());
    assert_eq!(life.state(), Some(State::Confirmed));
    assert_eq!(may_leave(&life), Err(Stays::Undecided));
}

#[test]
fn a_life_says_when_and_what() {
    let what = [
        Happening::Found,
        Happening::Found,
        Happening::Found,
        Happening::Feedback(Feedback::FalsePositive),
        Happening::Withdrawn,
    ];
    let mut life = Life::default();
    let mut said = Vec::new();
    for (time, what) in (5..).zip(what) {
        life.apply(&Event {
            id: EventId([u8::try_from(time).unwrap(); 32]),
            time,
            what,
        });
        said.push((
            life.since(),
            life.found(),
            life.feedback(),
            life.withdrawn(),
        ));
    }
    // Since when it stands as it does, not when something was last heard of it.
    let told = Some(Feedback::FalsePositive);
    let expected = [
        (5, Some((5, 5)), None, None),
        (6, Some((5, 6)), None, None),
        (6, Some((5, 7)), None, None),
        (6, Some((5, 7)), told, None),
        (9, Some((5, 7)), told, Some(9)),
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_prints_says_what_was_decided_and_not_what_people_wrote() {
    let disposition = disposition(Verdict::Confirmed, 1);
    let decision = Decision {
        about: [0xab; 8],
        disposition: disposition.clone(),
    };
    for printed in [format!("{disposition:?}"), format!("{decision:?}")] {
        assert!(printed.contains("Confirmed"), "{printed}");
        for hidden in ["seen twice", "c-1", "171"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
    let message = Message {
        id: [1; 32],
        from: "bolt".to_owned(),
        to: "acme".to_owned(),
        view: "abuse/ip/x".to_owned(),
        time: 7,
        says: Says::Feedback([0xab; 16], Feedback::Agree),
    };
    let printed = format!("{message:?}");
    assert!(
        printed.contains("bolt") && !printed.contains("171"),
        "{printed}"
    );
}

#[test]
fn every_state_and_reason_has_words_of_its_own() {
    let states = State::ALL.map(|state| state.to_string());
    assert_eq!(states, State::ALL.map(State::name));
    let reasons: BTreeSet<_> = Stays::ALL.map(|stays| stays.to_string()).into();
    assert_eq!(reasons.len(), Stays::ALL.len());
    assert!(reasons.iter().all(|reason| reason.len() > 10));
}

fn day(number: i64) -> Day {
    Day::from_unix_seconds(1_700_000_000 + number * 86_400).unwrap()
}

#[test]
fn windows_30_days_apart_overlap_and_31_do_not() {
    let window = |first, last| Window::of(Some(day(first)), Some(day(last)));
    let ip = IndicatorType::Ip;
    for (ours, theirs, is_apart) in [
        (window(0, 10), window(5, 7), false),
        (window(0, 10), window(40, 50), false),
        (window(0, 10), window(41, 50), true),
        (window(41, 50), window(0, 10), true),
        (window(40, 50), window(0, 10), false),
        (window(0, 10), None, false),
        (None, None, false),
    ] {
        assert_eq!(apart(ip, ours, theirs), is_apart);
        assert!(!apart(IndicatorType::Email, ours, theirs));
    }
    assert_eq!(Window::of(Some(day(2)), Some(day(1))), None);
    assert_eq!(Window::of(Some(day(2)), None), None);
}

#[test]
fn an_address_of_many_references_is_shared() {
    assert!(!is_shared(IndicatorType::Ip, 10, 10));
    assert!(is_shared(IndicatorType::Ip, 11, 10));
    assert!(!is_shared(IndicatorType::Email, 11, 10));
}

#[test]
fn weak_types_show_beside_a_second_type_of_another_family() {
    use IndicatorType::{CardWeak, Domain, Email, EmailFolded, Ja4, RegistrableDomain};
    let mut found = Corroboration::default();
    found.add(CardWeak, ["r1"]);
    found.add(Domain, ["r2"]);
    found.add(RegistrableDomain, ["r2"]);
    assert!(!found.shows(CardWeak, ["r1"]));
    // One follows from the other.
    assert!(!found.shows(Domain, ["r2"]));
    assert!(!found.shows(Ja4, []));
    assert!(found.shows(Email, ["r9"]));
    found.add(Email, ["r1", "r2"]);
    found.add(EmailFolded, ["r3"]);
    assert!(found.shows(CardWeak, ["r0", "r1"]));
    assert!(found.shows(Domain, ["r2"]));
    assert!(!found.shows(CardWeak, ["r4"]));
    let weak: Vec<_> = IndicatorType::ALL
        .into_iter()
        .filter(|kind| needs_another(*kind))
        .collect();
    assert_eq!(weak.len(), 7, "{weak:?}");
}

#[test]
fn holders_are_counted_once_and_only_where_the_match_stands() {
    let of = [
        ("bolt", State::New),
        ("bolt", State::Confirmed),
        ("crag", State::Stale),
        ("dune", State::Withdrawn),
        ("elm", State::Disputed),
        ("fern", State::Expired),
    ];
    assert_eq!(holders(of), 2);
}
