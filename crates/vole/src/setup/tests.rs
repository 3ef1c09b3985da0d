#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::delta::Delta;
use crate::soft_spoken;

mod attacks;
mod cheaters;

const SESSION: SessionId = SessionId::from_bytes([7; 32]);

/// The toy size of the reference: 96 entries in 16 blocks of 6, so a tree of depth 3 that is not
/// full.
fn toy() -> Dimensions {
    Dimensions::with_trees(43, 16)
}

/// Every message of a setup over real base OTs, and what both sides have.
fn honest(dimensions: Dimensions, seed: u64) -> ([Vec<u8>; 7], sender::Checked, receiver::Checked) {
    let (mut s, mut r) = (StdRng::seed_from_u64(seed), StdRng::seed_from_u64(!seed));
    let (sender, f1) = sender::start(SESSION, dimensions, &mut s);
    let (receiver, f2) = receiver::start(SESSION, dimensions)
        .receive(&f1, &mut r)
        .unwrap();
    let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, f5) = sender.receive(&f4, &mut s).unwrap();
    let (receiver, f6) = receiver.receive(&f5, &mut r).unwrap();
    let (sender, f7) = sender.receive(&f6).unwrap();
    let receiver = receiver.receive(&f7).unwrap();
    ([f1, f2, f3, f4, f5, f6, f7], sender, receiver)
}

impl receiver::Checked {
    /// a.
    fn noise(&self) -> zeroize::Zeroizing<Vec<Gf128>> {
        pprf::sparse(&self.context, &self.punctures)
    }
}

/// B + C = A·Δ in every entry, before compression and after.
fn assert_correlated(sender: sender::Checked, receiver: receiver::Checked) {
    let holds = |b: &[Gf128], a: &[Gf128], c: &[Gf128], delta: Gf128| {
        assert!(b.len() == a.len() && b.len() == c.len());
        b.iter()
            .zip(a)
            .zip(c)
            .all(|((&b, &a), &c)| b + c == a * delta)
    };
    let delta = sender.seeds.delta.value();
    assert!(holds(&sender.b, &receiver.noise(), &receiver.c, delta));
    let (sender, receiver) = (sender.expand(), receiver.expand());
    assert!(holds(
        &sender.b,
        &receiver.a,
        &receiver.c,
        sender.delta.value()
    ));
}

#[test]
fn the_correlation_holds_in_every_entry() {
    let shape = crate::Shape::for_class(1024).unwrap();
    for (seed, dimensions) in [
        toy(),
        Dimensions::with_trees(40, 8),
        shape.dimensions(&(0..1)),
        Dimensions::new(20_000),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, sender, receiver) = honest(dimensions, seed as u64);
        assert_correlated(sender, receiver);
    }
}

#[test]
fn flights_are_as_long_as_computed_and_hide_nothing_in_their_length() {
    for dimensions in [toy(), Dimensions::new(1483), Dimensions::new(5435)] {
        for seed in 0..2 {
            let (flights, ..) = honest(dimensions, seed);
            let expected = [
                dimensions.f1_bytes(),
                dimensions.f2_bytes(),
                dimensions.f3_bytes(),
                dimensions.f4_bytes(),
                dimensions.f5_bytes(),
                dimensions.f6_bytes(),
                dimensions.f7_bytes(),
            ];
            assert_eq!(flights.map(|flight| flight.len()), expected);
        }
    }
}

#[test]
fn the_noise_is_regular() {
    let dimensions = Dimensions::new(1483);
    let (_, _, receiver) = honest(dimensions, 60);
    let mut values = Vec::new();
    for (tree, block) in receiver
        .noise()
        .chunks_exact(dimensions.block())
        .enumerate()
    {
        let places: Vec<_> = (0..block.len())
            .filter(|&at| block[at] != Gf128::ZERO)
            .collect();
        assert_eq!(
            places,
            [receiver.punctures[tree].alpha],
            "one place in each block"
        );
        values.push(block[places[0]].to_bits());
    }
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), dimensions.trees(), "values are independent");
}

#[test]
fn places_are_uniform_and_independent_of_each_other() {
    let mut rng = StdRng::seed_from_u64(61);
    for block in [12, 44, 5294] {
        let dimensions = Dimensions {
            block,
            ..Dimensions::new(1483)
        };
        let draws: Vec<_> = (0..400)
            .map(|_| receiver::random_alphas(&dimensions, &mut rng))
            .collect();
        // Twelve cells of equal (within a place) width: χ² with 11 degrees of freedom, alone and
        // for pairs of neighbouring trees with 143.
        let cell = |alpha: usize| alpha * 12 / block;
        let (mut single, mut pairs) = ([0f64; 12], [0f64; 144]);
        for alphas in &draws {
            assert!(alphas.iter().all(|&alpha| alpha < block));
            alphas.iter().for_each(|&alpha| single[cell(alpha)] += 1.0);
            alphas
                .windows(2)
                .for_each(|pair| pairs[cell(pair[0]) * 12 + cell(pair[1])] += 1.0);
        }
        // The exact share of each cell.
        let mut share = [0f64; 12];
        (0..block).for_each(|alpha| share[cell(alpha)] += 1.0 / block as f64);
        let chi = |counts: &[f64], share: &dyn Fn(usize) -> f64| {
            let total: f64 = counts.iter().sum();
            let term = |(i, &n): (usize, &f64)| (n - total * share(i)).powi(2) / (total * share(i));
            counts.iter().enumerate().map(term).sum::<f64>()
        };
        let (one, two) = (
            chi(&single, &|i| share[i]),
            chi(&pairs, &|i| share[i / 12] * share[i % 12]),
        );
        assert!(one < 40.0 && two < 225.0, "{block}: {one} {two}");
    }
}

#[test]
fn a_wrong_length_is_refused_by_whom_it_reaches() {
    let shorten = |flight: &[u8]| flight[..flight.len() - 1].to_vec();
    let lengthen = |flight: &[u8]| [flight, &[0]].concat();
    for change in [shorten as fn(&[u8]) -> Vec<u8>, lengthen, |_: &[u8]| {
        Vec::new()
    }] {
        let (mut s, mut r) = (StdRng::seed_from_u64(1), StdRng::seed_from_u64(2));
        let length = |flight| Some(SetupError::Length(flight));
        let start = |s: &mut StdRng| sender::start(SESSION, toy(), s);
        let (_, f1) = start(&mut s);
        let refused = receiver::start(SESSION, toy()).receive(&change(&f1), &mut r);
        assert_eq!(refused.err(), length(Flight::F1));

        let (sender, f1) = start(&mut s);
        let answer =
            |r: &mut StdRng, f1: &[u8]| receiver::start(SESSION, toy()).receive(f1, r).unwrap();
        let (_, f2) = answer(&mut r, &f1);
        assert_eq!(
            sender.receive(&change(&f2), &mut s).err(),
            length(Flight::F2)
        );

        let (receiver, f2) = answer(&mut r, &f1);
        let (sender, f1) = start(&mut s);
        assert_eq!(
            receiver.receive(&change(&[0; 16])).err(),
            length(Flight::F3)
        );
        drop((sender, f1, f2));

        let (sender, f1) = start(&mut s);
        let (receiver, f2) = answer(&mut r, &f1);
        let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
        let (_, f4) = receiver.receive(&f3).unwrap();
        assert_eq!(
            sender.receive(&change(&f4), &mut s).err(),
            length(Flight::F4)
        );

        let (sender, f1) = start(&mut s);
        let (receiver, f2) = answer(&mut r, &f1);
        let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
        let (receiver, f4) = receiver.receive(&f3).unwrap();
        let (sender, f5) = sender.receive(&f4, &mut s).unwrap();
        assert_eq!(
            receiver.receive(&change(&f5), &mut r).err(),
            length(Flight::F5)
        );
        assert_eq!(sender.receive(&change(&[1; 32])).err(), length(Flight::F6));

        let (sender, f1) = start(&mut s);
        let (receiver, f2) = answer(&mut r, &f1);
        let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
        let (receiver, f4) = receiver.receive(&f3).unwrap();
        let (sender, f5) = sender.receive(&f4, &mut s).unwrap();
        let (receiver, f6) = receiver.receive(&f5, &mut r).unwrap();
        let (_, f7) = sender.receive(&f6).unwrap();
        assert_eq!(receiver.receive(&change(&f7)).err(), length(Flight::F7));
    }
}

#[test]
fn flights_of_another_session_are_refused() {
    let (mut s, mut r) = (StdRng::seed_from_u64(1), StdRng::seed_from_u64(2));
    // F2 for another F1 (a replay), or by a receiver with another session id.
    for other in [SESSION, SESSION.chunk(0)] {
        let (sender, f1) = sender::start(SESSION, toy(), &mut s);
        let (_, replayed) = sender::start(SESSION, toy(), &mut s);
        let f1 = if other == SESSION { replayed } else { f1 };
        let (receiver, f2) = receiver::start(other, toy()).receive(&f1, &mut r).unwrap();
        let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
        let (_, f4) = receiver.receive(&f3).unwrap();
        assert_eq!(
            sender.receive(&f4, &mut s).err(),
            Some(SetupError::Correlation)
        );
    }
    // F5 and F7 of another setup with the same seed but one.
    let (flights, ..) = honest(toy(), 1);
    let (sender, f1) = sender::start(SESSION, toy(), &mut s);
    let (receiver, f2) = receiver::start(SESSION, toy())
        .receive(&f1, &mut r)
        .unwrap();
    let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, _) = sender.receive(&f4, &mut s).unwrap();
    let (receiver, f6) = receiver.receive(&flights[4], &mut r).unwrap();
    let (_, f7) = sender.receive(&f6).unwrap();
    assert_eq!(receiver.receive(&f7).err(), Some(SetupError::Check));
}

#[test]
fn a_stored_setup_comes_back_the_same() {
    for dimensions in [toy(), Dimensions::new(1483)] {
        let (_, sender, receiver) = honest(dimensions, 5);
        let (s, r) = (sender.to_bytes(), receiver.to_bytes());
        let sender_again = sender::Checked::from_bytes(SESSION, dimensions, &s).unwrap();
        let receiver_again = receiver::Checked::from_bytes(SESSION, dimensions, &r).unwrap();
        assert!(sender_again.b == sender.b && receiver_again.noise() == receiver.noise());
        assert!(receiver_again.c == receiver.c);
        assert_correlated(sender_again, receiver_again);

        assert!(sender::Checked::from_bytes(SESSION, dimensions, &s[1..]).is_none());
        assert!(receiver::Checked::from_bytes(SESSION, dimensions, &r[1..]).is_none());
        let mut beyond = r.to_vec();
        beyond[..8].copy_from_slice(&(dimensions.block() as u64).to_le_bytes());
        assert!(receiver::Checked::from_bytes(SESSION, dimensions, &beyond).is_none());
    }
}

#[test]
fn errors_name_the_flight() {
    for (error, flight) in [
        (SetupError::Length(Flight::F5), Flight::F5),
        (SetupError::GroupElement(Flight::F1), Flight::F1),
        (SetupError::Correlation, Flight::F4),
        (SetupError::Challenge, Flight::F6),
        (SetupError::Check, Flight::F7),
    ] {
        assert_eq!(error.flight(), flight);
    }
}
