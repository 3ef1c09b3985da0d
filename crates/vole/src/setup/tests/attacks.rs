//! Why the rules exist: the two attacks that the reference demonstrates, against the parties as
//! they are and, as a control, against parties without the rule.

use super::*;

/// A receiver whose path in tree 0 leaves the tree (α ≥ blk), as far as F6. What its code takes
/// for c at α then is U·Δ and the phantom that it lacks. `prune` takes the phantoms out of θ, as a
/// sender would that does not know of them.
fn steals(prune: bool, alpha: usize, rng: &mut StdRng) -> bool {
    let context = Context {
        session: SESSION,
        dimensions: toy(),
    };
    let delta = Delta::random(rng);
    let (keys, pairs) = soft_spoken::tests::dealt(&delta, rng);
    let mut alphas = receiver::random_alphas(&context.dimensions, rng);
    alphas[0] = alpha;
    let (receiver, f2) = receiver::extend(context, &[0; 32], &pairs, alphas, rng);
    let (_, corrections, bits) = sender::read_f2(&context.dimensions, &f2).unwrap();
    let (sender, f3) = sender::challenge(context, delta, &keys, &corrections, bits, rng);
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, mut f5) = sender.receive(&f4, rng).unwrap();
    if prune {
        let mut leaves = vec![Gf128::ZERO; context.dimensions.block()];
        let grown = context
            .ggm()
            .grow(context.tree(), sender.seeds.roots[0], &mut leaves);
        let theta = &mut f5[32 * context.dimensions.depth()..][..16];
        theta
            .iter_mut()
            .zip(grown.phantoms.to_bytes())
            .for_each(|(t, p)| *t ^= p);
    }
    let (receiver, f6) = receiver.receive(&f5, rng).unwrap();
    // The sender cannot tell: it answers.
    let (sender, _) = sender.receive(&f6).unwrap();
    let puncture = &receiver.punctures[0];
    puncture.leaf * puncture.value.invert() == sender.seeds.delta.value()
}

#[test]
fn a_path_out_of_the_tree_does_not_give_delta() {
    let mut rng = StdRng::seed_from_u64(80);
    assert_eq!((toy().block(), toy().depth()), (6, 3));
    for alpha in [6, 7] {
        for _ in 0..1000 {
            assert!(!steals(false, alpha, &mut rng));
        }
        // The control: without phantoms in θ the same receiver has Δ every time.
        for _ in 0..20 {
            assert!(steals(true, alpha, &mut rng));
        }
    }
}

/// A receiver with one inconsistent row whose hash is zero under a challenge that it foresees.
/// Whether the sender accepts F4.
fn passes(foresees: bool, rng: &mut StdRng) -> bool {
    let context = Context {
        session: SESSION,
        dimensions: toy(),
    };
    let dimensions = &context.dimensions;
    let delta = Delta::random(rng);
    let (keys, pairs) = soft_spoken::tests::dealt(&delta, rng);
    let alphas = receiver::random_alphas(dimensions, rng);
    let (receiver, f2) = receiver::extend(context, &[0; 32], &pairs, alphas, rng);
    let seed = rng.random();
    let mut challenges = StdRng::seed_from_u64(seed);
    let challenge = if foresees {
        Gf128::random(&mut StdRng::seed_from_u64(seed))
    } else {
        Gf128::ONE
    };

    // One bit in the last main block counts χ; the mask block takes that away.
    let mut error = vec![0u128; dimensions.columns().div_ceil(128)];
    let (last, positions) = (
        dimensions.positions().div_ceil(128) - 1,
        dimensions.positions(),
    );
    error[last] = 1;
    for bit in 0..128 {
        let at = positions + bit;
        error[at / 128] ^= (challenge.to_bits() >> bit & 1) << (at % 128);
    }
    let (_, mut corrections, bits) = sender::read_f2(dimensions, &f2).unwrap();
    corrections.rows[0]
        .iter_mut()
        .zip(&error)
        .for_each(|(word, error)| *word ^= error);
    let (sender, f3) =
        sender::challenge(context, delta, &keys, &corrections, bits, &mut challenges);
    let (_, f4) = receiver.receive(&f3).unwrap();
    sender.receive(&f4, rng).is_ok()
}

#[test]
fn a_challenge_known_before_f2_would_let_everything_pass() {
    let mut rng = StdRng::seed_from_u64(81);
    assert_eq!((0..20).filter(|_| passes(true, &mut rng)).count(), 20);
    // As it is, only a nibble of Δ that is zero lets it pass: 1/16.
    let passed = (0..1000).filter(|_| passes(false, &mut rng)).count();
    assert!((28..98).contains(&passed), "{passed}");
}
