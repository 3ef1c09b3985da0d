//! A cheater for every row of the reference's table that concerns the setup, a thousand runs of
//! each: caught by whom, where and as often as theory says. What passes ends with a correct VOLE.

use super::*;
use crate::kernels::power_sum;

/// Hooks into one run. An honest party changes nothing.
trait Cheat {
    fn f2(&mut self, _f2: &mut [u8], _rng: &mut StdRng) {}
    fn f4(&mut self, _f3: &[u8], _f4: &mut [u8], _own: &mut receiver::AwaitingF5) {}
    fn f5(&mut self, _f5: &mut [u8]) {}
    fn f7(&mut self, _own: &mut sender::AwaitingF6, _f6: &[u8], _f7: &mut Vec<u8>) {}
}

struct Honest;
impl Cheat for Honest {}

type Caught = Result<(sender::Checked, receiver::Checked), SetupError>;

/// One run over dealt base OTs, which make it cheap enough for many.
fn run(cheat: &mut dyn Cheat, rng: &mut StdRng) -> Caught {
    let context = Context {
        session: SESSION,
        dimensions: toy(),
    };
    let delta = Delta::random(rng);
    let (keys, pairs) = soft_spoken::tests::dealt(&delta, rng);
    let alphas = receiver::random_alphas(&context.dimensions, rng);
    let (receiver, mut f2) = receiver::extend(context, &[0; 32], &pairs, alphas, rng);
    cheat.f2(&mut f2, rng);
    let (_, corrections, bits) = sender::read_f2(&context.dimensions, &f2).unwrap();
    let (sender, f3) = sender::challenge(context, delta, &keys, &corrections, bits, rng);
    let (mut receiver, mut f4) = receiver.receive(&f3)?;
    cheat.f4(&f3, &mut f4, &mut receiver);
    let (mut sender, mut f5) = sender.receive(&f4, rng)?;
    cheat.f5(&mut f5);
    let (receiver, f6) = receiver.receive(&f5, rng)?;
    // As in `AwaitingF6::receive`, whose state the cheater still needs.
    let (challenge, sum) = {
        let mut reader = crate::wire::Reader::new(&f6, 32).unwrap();
        (reader.block().unwrap(), reader.block().unwrap())
    };
    let mut f7 = context.check(sender.check_value(challenge, sum)).to_vec();
    cheat.f7(&mut sender, &f6, &mut f7);
    let (sender, _) = sender.receive(&f6)?;
    Ok((sender, receiver.receive(&f7)?))
}

const RUNS: u32 = 1000;

/// Runs a cheat many times: the only error is `expected`, and the share that passes is `theory`.
fn assert_rate(name: &str, mut cheat: impl Cheat, expected: SetupError, theory: f64) {
    let mut rng = StdRng::seed_from_u64(0xc4ea7);
    let mut passed = 0;
    for _ in 0..RUNS {
        match run(&mut cheat, &mut rng) {
            Ok((sender, receiver)) => {
                passed += 1;
                assert_correlated(sender, receiver);
            }
            Err(error) => assert_eq!(error, expected, "{name}"),
        }
    }
    let rate = f64::from(passed) / f64::from(RUNS);
    let deviation = (theory * (1.0 - theory) / f64::from(RUNS)).sqrt();
    println!("{name}: passed {rate:.3}, theory {theory:.4}");
    assert!(
        (rate - theory).abs() <= 4.5 * deviation,
        "{name}: {rate}, not {theory}"
    );
}

/// Where F2 has the correction of one side at a level (from 1 on) of an OT tree.
fn correction(tree: usize, level: usize, side: usize) -> usize {
    32 + 32 * (4 * tree + level - 1) + 16 * side
}

/// Where F2 has the leaf checks of a tree.
fn leaf_check(tree: usize) -> usize {
    32 + 4096 + 64 * tree
}

/// Where F2 has the row of a tree but the first.
fn row(tree: usize) -> usize {
    32 + 4096 + 2048 + (tree - 1) * toy().row_bytes()
}

/// Where F5 has the correction of one side at a level of a tree, or its θ past the last level.
fn pprf(tree: usize, level: usize, side: usize) -> usize {
    (32 * toy().depth() + 16) * tree + 32 * (level - 1) + 16 * side
}

/// Flips a bit at each of some places of F2 and F5.
#[derive(Default)]
struct Flips {
    f2: Vec<usize>,
    f4: Vec<usize>,
    f5: Vec<usize>,
    f7: bool,
}

impl Cheat for Flips {
    fn f2(&mut self, f2: &mut [u8], _rng: &mut StdRng) {
        self.f2.iter().for_each(|&at| f2[at] ^= 1);
    }
    fn f4(&mut self, _f3: &[u8], f4: &mut [u8], _own: &mut receiver::AwaitingF5) {
        self.f4.iter().for_each(|&at| f4[at] ^= 1);
    }
    fn f5(&mut self, f5: &mut [u8]) {
        self.f5.iter().for_each(|&at| f5[at] ^= 5);
    }
    fn f7(&mut self, _own: &mut sender::AwaitingF6, _f6: &[u8], f7: &mut Vec<u8>) {
        f7[0] ^= u8::from(self.f7);
    }
}

fn f2_flips(places: impl IntoIterator<Item = usize>) -> Flips {
    Flips {
        f2: places.into_iter().collect(),
        ..Flips::default()
    }
}

fn f5_flips(places: impl IntoIterator<Item = usize>) -> Flips {
    Flips {
        f5: places.into_iter().collect(),
        ..Flips::default()
    }
}

#[test]
fn wrong_corrections_of_the_ot_trees() {
    let caught = SetupError::Correlation;
    assert_rate(
        "one side, one tree",
        f2_flips([correction(0, 3, 0)]),
        caught,
        0.5,
    );
    let three = (0..3).map(|tree| correction(tree, 3, 0));
    assert_rate("one side, three trees", f2_flips(three), caught, 0.125);
    let both = (0..2).map(|side| correction(5, 2, side));
    assert_rate("both sides", f2_flips(both), caught, 0.0);
}

#[test]
fn wrong_leaf_checks() {
    assert_rate(
        "leaf total",
        f2_flips([leaf_check(7)]),
        SetupError::Correlation,
        0.0,
    );
    assert_rate(
        "leaf hash",
        f2_flips([leaf_check(7) + 32]),
        SetupError::Correlation,
        0.0,
    );
}

/// One row inconsistent by a random string, and a response that bets on the nibble of Δ.
#[derive(Default)]
struct Bet {
    error: Vec<u128>,
    guess: usize,
}

impl Bet {
    const TREE: usize = 9;
}

impl Cheat for Bet {
    fn f2(&mut self, f2: &mut [u8], rng: &mut StdRng) {
        let columns = toy().columns();
        self.error = (0..columns.div_ceil(128)).map(|_| rng.random()).collect();
        crate::wire::clear_padding(&mut self.error, columns);
        self.guess = rng.random_range(0..16);
        let mut bytes = Vec::new();
        crate::wire::put_bits(&mut bytes, &self.error, columns);
        f2[row(Self::TREE)..]
            .iter_mut()
            .zip(bytes)
            .for_each(|(byte, error)| *byte ^= error);
    }
    fn f4(&mut self, f3: &[u8], f4: &mut [u8], own: &mut receiver::AwaitingF5) {
        let challenge = Gf128::from_bytes(f3.try_into().unwrap());
        let hash = soft_spoken::consistency_hash(challenge, &self.error, toy().positions());
        for b in (0..4).filter(|b| self.guess >> b & 1 == 1) {
            let plane = 4 * Self::TREE + b;
            let response = f4[16 + 16 * plane..].iter_mut();
            response
                .zip(hash.to_bytes())
                .for_each(|(byte, hash)| *byte ^= hash);
            // With the right guess this makes τ fit q again.
            let plane = &mut own.extension.planes.0[plane];
            plane
                .iter_mut()
                .zip(&self.error)
                .for_each(|(word, error)| *word ^= error);
        }
    }
}

/// All rows random.
struct RandomRows;
impl Cheat for RandomRows {
    fn f2(&mut self, f2: &mut [u8], rng: &mut StdRng) {
        f2[row(1)..row(32)]
            .iter_mut()
            .for_each(|byte| *byte = rng.random());
    }
}

#[test]
fn inconsistent_rows_of_the_ot_extension() {
    assert_rate(
        "a bet on a nibble",
        Bet::default(),
        SetupError::Correlation,
        1.0 / 16.0,
    );
    assert_rate("random rows", RandomRows, SetupError::Correlation, 0.0);
    for at in [0, 16, 16 * 128] {
        let response = Flips {
            f4: vec![at],
            ..Flips::default()
        };
        assert_rate("wrong response", response, SetupError::Correlation, 0.0);
    }
}

#[test]
fn wrong_corrections_of_the_pprf() {
    let caught = SetupError::Check;
    let depth = toy().depth();
    assert_rate(
        "one side, one tree",
        f5_flips([pprf(0, depth, 0)]),
        caught,
        0.5,
    );
    let three = (0..3).map(|tree| pprf(tree, depth, 0));
    assert_rate("one side, three trees", f5_flips(three), caught, 0.125);
    let both = (0..2).map(|side| pprf(1, depth - 1, side));
    assert_rate("both sides", f5_flips(both), caught, 0.0);
    assert_rate("wrong θ", f5_flips([pprf(0, depth + 1, 0)]), caught, 0.0);
    let wrong = Flips {
        f7: true,
        ..Flips::default()
    };
    assert_rate("wrong F7", wrong, caught, 0.0);
}

/// A wrong θ in tree 0, made up for in F7 as if α were known.
struct ThetaBet(StdRng);
impl Cheat for ThetaBet {
    fn f5(&mut self, f5: &mut [u8]) {
        f5[pprf(0, toy().depth() + 1, 0)] ^= 1;
    }
    fn f7(&mut self, own: &mut sender::AwaitingF6, f6: &[u8], f7: &mut Vec<u8>) {
        let [challenge, sum] =
            [0, 16].map(|at| Gf128::from_bytes(f6[at..at + 16].try_into().unwrap()));
        // With the right guess this makes b fit c again.
        own.b[self.0.random_range(0..toy().block())] += Gf128::ONE;
        let value = own.check_value(challenge, sum);
        *f7 = Context {
            session: SESSION,
            dimensions: toy(),
        }
        .check(value)
        .to_vec();
    }
}

#[test]
fn a_wrong_theta_that_bets_on_the_place_of_the_noise() {
    let theory = 1.0 / toy().block() as f64;
    assert_rate(
        "a bet on α",
        ThetaBet(StdRng::seed_from_u64(4)),
        SetupError::Check,
        theory,
    );
}

#[test]
fn elements_that_are_none() {
    let mut rng = StdRng::seed_from_u64(70);
    let dimensions = toy();
    let mut above = [0xff; 32];
    (above[0], above[31]) = (0xef, 0x7f);
    let (_, f1) = sender::start(SESSION, dimensions, &mut rng);
    for bad in [[0; 32], above] {
        for run in 0..1000 {
            // Near the front, so that the refusal comes soon.
            let at = 32 * rng.random_range(0..if run < 10 { 256 } else { 4 });
            let mut f1 = f1.clone();
            f1[at..at + 32].copy_from_slice(&bad);
            let refused = receiver::start(SESSION, dimensions).receive(&f1, &mut rng);
            assert_eq!(refused.err(), Some(SetupError::GroupElement(Flight::F1)));
        }
    }
    let (_, mut f2) = receiver::start(SESSION, dimensions)
        .receive(&f1, &mut rng)
        .unwrap();
    for bad in [[0; 32], above, [0xff; 32]] {
        f2[..32].copy_from_slice(&bad);
        for _ in 0..10 {
            let (sender, _) = sender::start(SESSION, dimensions, &mut rng);
            let refused = sender.receive(&f2, &mut rng);
            assert_eq!(refused.err(), Some(SetupError::GroupElement(Flight::F2)));
        }
    }
}

#[test]
fn any_flipped_bit_aborts_or_does_no_harm() {
    struct Flip {
        flight: Flight,
        rng: StdRng,
    }
    impl Flip {
        fn flip(&mut self, flight: Flight, bytes: &mut [u8]) {
            if self.flight == flight {
                let at = self.rng.random_range(0..8 * bytes.len());
                bytes[at / 8] ^= 1 << (at % 8);
            }
        }
    }
    impl Cheat for Flip {
        fn f2(&mut self, f2: &mut [u8], _rng: &mut StdRng) {
            // The element of the base OTs, which are dealt here, is left out.
            self.flip(Flight::F2, &mut f2[32..]);
        }
        fn f4(&mut self, _f3: &[u8], f4: &mut [u8], _own: &mut receiver::AwaitingF5) {
            self.flip(Flight::F4, f4);
        }
        fn f5(&mut self, f5: &mut [u8]) {
            self.flip(Flight::F5, f5);
        }
        fn f7(&mut self, _own: &mut sender::AwaitingF6, _f6: &[u8], f7: &mut Vec<u8>) {
            self.flip(Flight::F7, f7);
        }
    }
    let mut rng = StdRng::seed_from_u64(71);
    for (flight, caught) in [
        (Flight::F2, [SetupError::Correlation, SetupError::Check]),
        (Flight::F4, [SetupError::Correlation; 2]),
        (Flight::F5, [SetupError::Check; 2]),
        (Flight::F7, [SetupError::Check; 2]),
    ] {
        let mut cheat = Flip {
            flight,
            rng: StdRng::seed_from_u64(72),
        };
        let mut aborts = 0;
        for _ in 0..200 {
            match run(&mut cheat, &mut rng) {
                Ok((sender, receiver)) => assert_correlated(sender, receiver),
                Err(error) => {
                    aborts += 1;
                    assert!(caught.contains(&error), "{flight:?}: {error}");
                }
            }
        }
        assert!(aborts >= 80, "{flight:?}: {aborts}");
    }
}

#[test]
fn a_challenge_of_zero_is_refused() {
    let (mut s, mut r) = (StdRng::seed_from_u64(1), StdRng::seed_from_u64(2));
    let (sender, f1) = sender::start(SESSION, toy(), &mut s);
    let (receiver, f2) = receiver::start(SESSION, toy())
        .receive(&f1, &mut r)
        .unwrap();
    let (sender, f3) = sender.receive(&f2, &mut s).unwrap();
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, f5) = sender.receive(&f4, &mut s).unwrap();
    let (_, mut f6) = receiver.receive(&f5, &mut r).unwrap();
    f6[..16].fill(0);
    assert_eq!(sender.receive(&f6).err(), Some(SetupError::Challenge));
}

#[test]
fn the_check_value_is_the_sum_of_the_reference() {
    // `power_sum` has its known answer in `gf128`; here: the receiver's view of the same value.
    let mut rng = StdRng::seed_from_u64(73);
    let (sender, receiver) = run(&mut Honest, &mut rng).unwrap_or_else(|_| unreachable!());
    let x = Gf128::random(&mut rng);
    let noise = receiver.noise();
    let noise = (0..).zip(noise.iter());
    let sum = noise.fold(Gf128::ZERO, |sum, (at, &a)| sum + x.power(at + 1) * a);
    let delta = sender.seeds.delta.value();
    assert!(power_sum(x, &sender.b) + power_sum(x, &receiver.c) == sum * delta);
}
