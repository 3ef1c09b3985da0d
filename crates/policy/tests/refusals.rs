//! What a refusal says: to the peer no more than it has to know, to our operator who has to do something.

use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{
    Actor, Concern, Direction, Level, Misses, NearMiss, Policy, Protocol, Refusal, Request, Role,
    RosterFacts, Signal, Whose,
};

const SAMPLE: &str = include_str!("../../../examples/policy.toml");

const ROSTER: RosterFacts<'static> = RosterFacts {
    number: 7,
    not_before: 0,
    expires: u64::MAX,
    own_role: Role::Provider,
    peer_role: Some(Role::Provider),
    canonicalisation: 1,
    own_canonicalisation: 1,
    peer_canonicalisation: 1,
    payment_key: &[],
};

const REQUEST: Request<'static> = Request {
    peer: "fjord",
    direction: Direction::Serve,
    indicator_type: IndicatorType::Email,
    canonicalisation: 1,
    purpose: "abuse-prevention",
    protocol: Protocol::Lookup,
    roster: 7,
    query_class: 8_192,
    set_size: 10,
    sweep: false,
    payment_key: &[],
};

const PROBING: Concern = Concern {
    level: Level::Stop,
    signal: Signal::Growth,
    counted: 70,
    limit: 64,
};

const fn near(misses: Misses) -> Refusal {
    let nearest = Some(NearMiss { rule: 1, misses });
    Refusal::NoRule { nearest }
}

/// What the peer is told of each refusal that says more than its code.
#[test]
fn a_peer_is_told_what_it_can_go_by() {
    let misses = Misses {
        direction: true,
        protocol: true,
        ..Misses::default()
    };
    let newest = Refusal::Canonicalisation {
        whose: Whose::Roster,
        newest: 2,
        named: 3,
    };
    for (refusal, told) in [
        (
            near(misses),
            "no_rule: not allowed with this direction, protocol",
        ),
        (
            Refusal::NoRule { nearest: None },
            "no_rule: not allowed with this peer",
        ),
        (
            Refusal::RosterNumber { own: 8, named: 7 },
            "roster_number: roster 8 is in force here",
        ),
        (
            newest,
            "canonicalisation: the newest version of the roster is 2",
        ),
        (
            Refusal::Probing(PROBING),
            "probing: until our operator vouches for yours",
        ),
        (
            Refusal::RunsADay { rule: 1, runs: 24 },
            "runs_a_day: 24 runs until midnight UTC",
        ),
        (
            Refusal::DayBudget {
                charge: 64,
                left: 8,
            },
            "day_budget: 8 of 64 evaluations are left until midnight UTC",
        ),
        (
            Refusal::EpochBudget {
                charge: 64,
                left: 8,
            },
            "epoch_budget: 8 of 64 evaluations are left until the next epoch",
        ),
        (Refusal::RosterExpired, "roster_expired"),
        (Refusal::SetTooSmall { rule: 1, size: 9 }, "set_too_small"),
        (Refusal::Suspended { aborts: 3 }, "suspended"),
    ] {
        assert_eq!(refusal.for_peer(), told);
        let of_budget = told.contains("evaluations are left");
        assert_eq!(Refusal::left_by(told), of_budget.then_some(8), "{told}");
        assert_eq!(
            Refusal::is_of_epoch(told),
            told.starts_with("epoch"),
            "{told}"
        );
        let ends = of_budget || told.starts_with("runs_a_day");
        assert_eq!(refusal.is_budget(), ends, "{told}");
    }
}

#[test]
fn who_has_to_do_something() {
    let (asks, serves) = (Direction::Ask, Direction::Serve);
    let roster = |own, named| Refusal::RosterNumber { own, named };
    let small = Refusal::SetTooSmall { rule: 1, size: 9 };
    let unpadded = Refusal::NotASizeClass { items: 9 };
    for (refusal, direction, actor) in [
        (roster(7, 8), serves, Actor::Own),
        (roster(8, 7), serves, Actor::Peer),
        (roster(8, 8), serves, Actor::Peer),
        (small, serves, Actor::Own),
        (small, asks, Actor::Peer),
        (unpadded, asks, Actor::Own),
        (unpadded, serves, Actor::Peer),
        (Refusal::NotEnrolled, serves, Actor::Administrator),
        (Refusal::RunsADay { rule: 1, runs: 1 }, serves, Actor::Time),
        (Refusal::Probing(PROBING), serves, Actor::Own),
    ] {
        assert_eq!(refusal.actor(direction), actor, "{refusal:?}");
    }
    let names = [
        (Actor::Own, "own_operator"),
        (Actor::Peer, "peer_operator"),
        (Actor::Administrator, "administrator"),
        (Actor::Time, "time"),
    ];
    for (actor, name) in names {
        assert_eq!(actor.name(), name);
    }
}

#[test]
fn what_is_the_case_and_what_to_do() {
    let policy = Policy::parse(SAMPLE).unwrap_or_else(|faults| panic!("{}", faults[0]));
    let explained = |refusal: Refusal, request: &Request<'_>| {
        let explained = refusal.explain(&ROSTER, &policy, request);
        (explained.what, explained.next)
    };
    // Whoever has the older roster installs the newer one.
    for (own, named, who) in [
        (7, 8, "install the newer roster"),
        (8, 7, "fjord has to"),
        (8, 8, "fjord has to"),
    ] {
        let (what, next) = explained(Refusal::RosterNumber { own, named }, &REQUEST);
        assert!(
            what.contains(&format!("names roster {named}, and roster {own}")),
            "{what}"
        );
        assert!(next.starts_with(who), "{next}");
    }
    let all = Misses {
        peer: true,
        indicator_type: true,
        direction: true,
        purpose: true,
        protocol: true,
    };
    assert_eq!(all.count(), 5);
    let (what, _) = explained(near(all), &REQUEST);
    let parts =
        "the peer fjord, type email, direction serve, purpose abuse-prevention, protocol lookup";
    assert!(what.ends_with(parts), "{what}");

    // Rule 1 has 8,388,608 a day for e-mail.
    for (items, nights) in [(8_388_608, "one night"), (8_388_609, "about 2 nights")] {
        let sweep = Request {
            query_class: items,
            ..REQUEST
        };
        let (what, _) = explained(Refusal::Sweep { rule: 1 }, &sweep);
        assert!(
            what.contains(&format!("takes {nights} at a budget of 8,388,608 a day")),
            "{what}"
        );
    }
    // No rule has number 9: what names one that is gone says so.
    let (what, _) = explained(Refusal::Sweep { rule: 9 }, &REQUEST);
    assert!(
        what.starts_with("rule 9 does not allow") && what.contains("of 0 a day"),
        "{what}"
    );
    let (what, _) = explained(Refusal::LegalBasisExpired { rule: 2 }, &REQUEST);
    assert!(what.contains("`fraud-exception` of rule 2"), "{what}");
}

#[test]
fn every_concern_says_what_was_counted() {
    for (signal, words) in [
        (
            Signal::Growth,
            "70 times the evaluations of its largest day in 35 (limit 64)",
        ),
        (
            Signal::Week,
            "70 % of a day's budget within 7 days (limit 64 %)",
        ),
        (Signal::Runs, "70 runs in a day (limit 64)"),
        (Signal::Again, "slowed on 70 days of 28 (limit 64)"),
        (
            Signal::Dense,
            "70 blocks of 256 neighbouring values, half of each (limit 64)",
        ),
    ] {
        let concern = Concern { signal, ..PROBING };
        assert_eq!(concern.to_string(), words);
    }
    let levels = [Level::Warn, Level::Slow, Level::Stop];
    assert_eq!(levels.map(Level::name), ["warn", "slow", "stop"]);
}
