use super::*;

const FIRST: Outlook = Outlook {
    all: 1 << 20,
    ask: 1 << 20,
    left_out: 0,
    fetch: 45 << 20,
    set: Some(1 << 20),
};

#[test]
fn the_first_night_of_large_lists_is_batch_and_what_is_cached_is_looked_up() {
    assert_eq!(FIRST.choice(), Protocol::Batch);
    let cached = Outlook {
        ask: 500,
        fetch: 0,
        ..FIRST
    };
    assert_eq!(cached.choice(), Protocol::Lookup);
    // Nothing is known of what did not change, and lookup would not ask for it.
    let not_cached = Outlook {
        left_out: FIRST.all - 500,
        ..cached
    };
    assert_eq!(not_cached.choice(), Protocol::Batch);
}

#[test]
fn small_lists_are_looked_up_whatever_they_would_leave_out() {
    for left_out in [0, 100] {
        let small = Outlook {
            all: 900,
            ask: 900 - left_out,
            left_out,
            set: Some(1_024),
            fetch: 50_000,
        };
        assert_eq!(small.choice(), Protocol::Lookup);
    }
    // A few thousand against a view of many: its answer would be larger than what they cost.
    let few = Outlook {
        all: 5_000,
        ask: 5_000,
        fetch: 0,
        set: Some(1 << 23),
        ..FIRST
    };
    assert_eq!(few.choice(), Protocol::Lookup);
}

#[test]
fn estimates_charge_what_would_be_charged() {
    assert_eq!(FIRST.lookup().charge, 1 << 20);
    assert_eq!(FIRST.batch().map(|batch| batch.charge), Some(1 << 21));
    // A slow link is part of it: the longer of two files takes longer.
    let longer = Outlook {
        fetch: FIRST.fetch * 2,
        ..FIRST
    };
    let more = longer.lookup().time.checked_sub(FIRST.lookup().time);
    let seconds = Duration::from_micros(FIRST.fetch * 2 / 25);
    assert!(more.is_some_and(|more| more.abs_diff(seconds) < Duration::from_millis(1)));
    // No class holds more.
    let huge = Outlook {
        all: 1 << 27,
        ..FIRST
    };
    assert_eq!((huge.batch(), huge.choice()), (None, Protocol::Lookup));
}
