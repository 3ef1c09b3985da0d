use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha512};

use super::{FixedBase, Points, Undecodable};
use crate::{Backend, NoBackend};

mod rfc9496;

fn encode(point: RistrettoPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// Compares all that can be asked of `points` with dalek, one at a time.
fn check(points: &Points, expected: &[RistrettoPoint], rng: &mut StdRng) {
    assert_eq!(points.len(), expected.len());
    let encodings: Vec<_> = expected.iter().copied().map(encode).collect();
    assert_eq!(points.encode(), encodings);
    let doubled: Vec<_> = expected.iter().map(|p| encode(p + p)).collect();
    assert_eq!(points.double_encode(), doubled);

    let scalar = Scalar::from_bytes_mod_order(rng.random());
    let products: Vec<_> = expected.iter().map(|p| encode(p * scalar)).collect();
    assert_eq!(points.multiply_encode(&scalar), products);

    let scalars: Vec<_> = expected
        .iter()
        .map(|_| Scalar::from_bytes_mod_order(rng.random()))
        .collect();
    let products: Vec<_> = expected
        .iter()
        .zip(&scalars)
        .map(|(p, k)| encode(p * k))
        .collect();
    assert_eq!(points.multiply_each_encode(&scalars), products);
}

/// Maps, decodes and multiplies `count` random elements in batches of `len`.
fn check_random(backend: Backend, seed: u64, count: usize, len: usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..count / len.max(1) {
        let uniform: Vec<[u8; 64]> = (0..len).map(|_| rng.random()).collect();
        let expected: Vec<_> = uniform
            .iter()
            .map(RistrettoPoint::from_uniform_bytes)
            .collect();
        check(
            &Points::from_uniform(backend, &uniform),
            &expected,
            &mut rng,
        );
        let encodings: Vec<_> = expected.iter().copied().map(encode).collect();
        check(
            &Points::decode(backend, &encodings).unwrap(),
            &expected,
            &mut rng,
        );
    }
}

#[test]
fn the_backend_that_was_asked_for_does_the_work() {
    let names: Vec<_> = Backend::available()
        .into_iter()
        .map(Backend::name)
        .collect();
    #[cfg(target_arch = "x86_64")]
    let vector = is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    let vector = false;
    assert_eq!(
        names,
        if vector {
            vec!["off", "avx512"]
        } else {
            vec!["off"]
        }
    );
    for backend in Backend::available() {
        assert_eq!(Backend::named(backend.name()), Ok(backend));
        assert_eq!(Points::from_uniform(backend, &[[1; 64]]).backend(), backend);
        let generator = rfc9496::bytes(rfc9496::MULTIPLES[1]);
        assert_eq!(
            Points::decode(backend, &[generator]).unwrap().backend(),
            backend
        );
    }
    assert_eq!(Backend::named("fast"), Err(NoBackend::Unknown));
    assert_eq!(Backend::named("AVX512"), Err(NoBackend::Unknown));
    assert_eq!(Backend::named(""), Err(NoBackend::Unknown));
    let forced = Backend::named("avx512");
    assert_eq!(forced.is_ok(), vector);
    assert!(vector || forced == Err(NoBackend::Lacking));
    #[cfg(target_arch = "x86_64")]
    let avx2 = is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let avx2 = false;
    let refused = Err(NoBackend::Lacking);
    let expected = if avx2 { Ok(Backend::SERIAL) } else { refused };
    assert_eq!(Backend::named("avx2"), expected);
}

#[test]
fn tails_of_every_length() {
    for backend in Backend::available() {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257] {
            check_random(backend, 1, len.max(1), len);
        }
    }
}

/// Small ones, large ones, single bits, and all digits of a kind.
fn edge_scalars() -> Vec<Scalar> {
    let minus_one = -Scalar::ONE;
    (0..20_u64)
        .flat_map(|k| [Scalar::from(k), minus_one - Scalar::from(k)])
        .chain((0..252).map(|bit| {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            Scalar::from_bytes_mod_order(bytes)
        }))
        .chain([[0x77; 32], [0x88; 32], [0xff; 32]].map(Scalar::from_bytes_mod_order))
        .collect()
}

#[test]
fn small_and_large_scalars() {
    let scalars = edge_scalars();
    let point = RistrettoPoint::from_uniform_bytes(&[7; 64]);
    let expected: Vec<_> = scalars.iter().map(|k| encode(point * k)).collect();
    for backend in Backend::available() {
        let points = Points::decode(backend, &vec![encode(point); scalars.len()]).unwrap();
        assert_eq!(points.multiply_each_encode(&scalars), expected);
        for (scalar, expected) in scalars.iter().zip(&expected) {
            let points = Points::decode(backend, &[encode(point)]).unwrap();
            assert_eq!(points.multiply_encode(scalar), [*expected]);
        }
    }
}

#[test]
fn multiples_of_a_fixed_base() {
    let mut rng = StdRng::seed_from_u64(5);
    let (base, point) = (
        RistrettoPoint::from_uniform_bytes(&[8; 64]),
        RistrettoPoint::default(),
    );
    let mut scalars = edge_scalars();
    scalars.extend((0..1000).map(|_| Scalar::from_bytes_mod_order(rng.random())));
    let expected: Vec<_> = scalars.iter().map(|k| encode(base * k)).collect();
    for backend in Backend::available() {
        let table = FixedBase::decode(backend, &encode(base)).unwrap();
        let products = table.multiply(&scalars);
        assert_eq!(products.backend(), backend);
        assert_eq!(products.encode(), expected);
        for bad in [encode(point), rfc9496::bytes(rfc9496::BAD[0])] {
            assert_eq!(
                FixedBase::decode(backend, &bad).err(),
                Some(Undecodable { index: 0 })
            );
        }
    }
}

/// With r G added to each element and r K taken from what came back, 1/r is not needed.
#[test]
fn sums_of_elements() {
    let mut rng = StdRng::seed_from_u64(9);
    let key = Scalar::from_bytes_mod_order(rng.random());
    let generator = rfc9496::bytes(rfc9496::MULTIPLES[1]);
    for backend in Backend::available() {
        let uniform: Vec<[u8; 64]> = (0..100).map(|_| rng.random()).collect();
        let blinds: Vec<_> = (0..100)
            .map(|_| Scalar::from_bytes_mod_order(rng.random()))
            .collect();
        let minus_blinds: Vec<_> = blinds.iter().map(|blind| -blind).collect();
        let elements = Points::from_uniform(backend, &uniform);
        let public = Points::decode(backend, &[generator])
            .unwrap()
            .multiply_encode(&key);

        let generator = FixedBase::decode(backend, &generator).unwrap();
        let blinded = elements.add(&generator.multiply(&blinds)).encode();
        let evaluated = Points::decode(backend, &blinded)
            .unwrap()
            .multiply_encode(&key);
        let public = FixedBase::decode(backend, &public[0]).unwrap();
        let evaluated = Points::decode(backend, &evaluated).unwrap();
        let unblinded = evaluated.add(&public.multiply(&minus_blinds)).encode();
        assert_eq!(unblinded, elements.multiply_encode(&key));
        assert!(blinded.iter().all(|blinded| !unblinded.contains(blinded)));
    }
}

#[test]
fn weighted_sums() {
    let mut rng = StdRng::seed_from_u64(10);
    for len in [0, 1, 7, 8, 9, 63, 64, 65, 1000] {
        let uniform: Vec<[u8; 64]> = (0..len).map(|_| rng.random()).collect();
        let points: Vec<_> = uniform
            .iter()
            .map(RistrettoPoint::from_uniform_bytes)
            .collect();
        let mut weights: Vec<_> = (0..len)
            .map(|_| Scalar::from_bytes_mod_order(rng.random()))
            .collect();
        for (weight, edge) in weights.iter_mut().step_by(3).zip(edge_scalars()) {
            *weight = edge;
        }
        let sum = points
            .iter()
            .zip(&weights)
            .map(|(point, weight)| point * weight)
            .sum();
        for backend in Backend::available() {
            let points = Points::from_uniform(backend, &uniform);
            let ours = points.vartime_weighted_sum(&weights);
            assert_eq!(encode(ours), encode(sum), "{len}");
        }
    }
}

#[test]
fn multiples_of_the_generator() {
    let multiples = rfc9496::MULTIPLES.map(rfc9496::bytes);
    for backend in Backend::available() {
        let generator = Points::decode(backend, &[multiples[1]; 16]).unwrap();
        let scalars: [_; 16] = std::array::from_fn(|k| Scalar::from(k as u64));
        assert_eq!(generator.multiply_each_encode(&scalars), multiples);
        let points = Points::decode(backend, &multiples[1..]).unwrap();
        assert_eq!(points.multiply_encode(&Scalar::ONE), multiples[1..]);
        assert_eq!(
            points.double_encode()[..7],
            [2, 4, 6, 8, 10, 12, 14].map(|k| multiples[k])
        );
    }
}

/// Each kind at each place of batches on either side of 32: from there on, groups of eight are
/// decoded four at a time.
#[test]
fn bad_encodings_are_refused_and_named() {
    let good = rfc9496::bytes(rfc9496::MULTIPLES[3]);
    let bad = rfc9496::BAD.map(rfc9496::bytes);
    let kinds = [
        &bad[..4],
        &bad[4..12],
        &bad[12..20],
        &bad[20..28],
        &bad[28..],
        &[[0; 32]],
    ];
    for backend in Backend::available() {
        for len in [31, 32, 33, 64, 70] {
            assert!(Points::decode(backend, &vec![good; len]).is_ok());
            for index in 0..len {
                for bad in kinds.map(|kind| kind[index % kind.len()]) {
                    let mut batch = vec![good; len];
                    batch[index] = bad;
                    let refused = Points::decode(backend, &batch).err();
                    assert_eq!(refused, Some(Undecodable { index }), "{len} {bad:x?}");
                }
                // The first one is named.
                let mut batch = vec![bad[0]; len];
                batch[..index].fill(good);
                let refused = Points::decode(backend, &batch).err();
                assert_eq!(refused, Some(Undecodable { index }), "{len}");
            }
        }
    }
}

#[test]
fn uniform_bytes_become_the_elements_of_the_rfc() {
    for backend in Backend::available() {
        let (labels, elements): (Vec<_>, Vec<_>) = rfc9496::HASHED.into_iter().unzip();
        let uniform: Vec<[u8; 64]> = labels
            .iter()
            .map(|label| Sha512::digest(label).into())
            .collect();
        let points = Points::from_uniform(backend, &uniform);
        let elements: Vec<_> = elements.into_iter().map(rfc9496::bytes).collect();
        assert_eq!(points.multiply_encode(&Scalar::ONE), elements);
    }
}

/// Field elements at the edges: as encodings, and as halves of uniform bytes.
#[test]
fn edges_of_the_field() {
    let p_minus = |k: u8| {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed_u8.wrapping_sub(k);
        bytes[31] = 0x7f;
        bytes
    };
    let small = |k: u8| {
        let mut bytes = [0; 32];
        bytes[0] = k;
        bytes
    };
    let mut edges: Vec<[u8; 32]> = (0..40).flat_map(|k| [p_minus(k), small(k)]).collect();
    // p + k, and the high bit.
    edges.extend((1..=18).map(|k| p_minus(0_u8.wrapping_sub(k))));
    edges.extend(edges.clone().into_iter().map(|mut bytes| {
        bytes[31] |= 0x80;
        bytes
    }));
    // ±√−1, where the map has a denominator of zero.
    let root = rfc9496::bytes("b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b");
    edges.push(root);
    edges.push(rfc9496::bytes(
        "3d5ff1b5d8e4113b871bd052f9e7bcd0582804c266ffb2d4f4203eb07fdb7c54",
    ));

    for backend in Backend::available() {
        for edge in &edges {
            let expected = CompressedRistretto(*edge)
                .decompress()
                .filter(|_| *edge != [0; 32]);
            match Points::decode(backend, &[*edge]) {
                Ok(points) => {
                    assert_eq!(
                        points.multiply_encode(&Scalar::ONE),
                        [encode(expected.unwrap())]
                    );
                }
                Err(_) => assert_eq!(expected, None, "{edge:x?}"),
            }
        }
        let pairs: Vec<[u8; 64]> = edges
            .iter()
            .flat_map(|a| {
                edges.iter().map(|b| {
                    let mut pair = [0; 64];
                    pair[..32].copy_from_slice(a);
                    pair[32..].copy_from_slice(b);
                    pair
                })
            })
            .collect();
        let expected = pairs
            .iter()
            .map(|pair| encode(RistrettoPoint::from_uniform_bytes(pair)));
        let points = Points::from_uniform(backend, &pairs);
        assert_eq!(
            points.multiply_encode(&Scalar::ONE),
            expected.collect::<Vec<_>>()
        );
    }
}

/// Points with Y = 0, (±√−1, 0): the neutral element too, but with a denominator of zero where it is
/// doubled. Only the map leads there.
///
/// The map's y is (1 − s²)/(1 + s²), so s² is 1. In the terms of RFC 9496 §4.3.4, with r = √−1·t²,
/// s² is u/v where that is a square: u = v, that is d·r² + 2r + (1 + d − d²) = 0. Elsewhere it is
/// r·u/v: r·u = v, that is (1 + d − d²)·r² + 2r + d = 0. Each has two roots, and each root gives
/// a t and −t. The map of 0 is (0, 1), so that t and 0 together are the map of t alone.
#[test]
fn points_whose_y_is_zero() {
    let mapped = [
        // u = v
        "068c5b499d860a72cba9a67991e93e203e07f2cecac35ff78ba286490a9d647f",
        "a2ce3011a78ef573098dfffa7c6319a2973184a23f8c7e4fb28a95abee32615f",
        // r·u = v
        "2a6382d98d9b4fe0526bf32f2e36b1c6fb594edaadaa30f35a29566c59adfe4c",
        "bced0d08ab13994b901f939d3d6f164d7d1f1b7860d5ccdbca27c4b705f23d02",
    ];
    let mapped = mapped.map(rfc9496::bytes);
    // With 0, with each other, and with what maps to no such point.
    let others = [[[0; 32], [5; 32]].as_slice(), &mapped].concat();
    let pairs = others.iter().flat_map(|a| others.iter().map(|b| [*a, *b]));
    let uniform: Vec<[u8; 64]> = pairs
        .map(|pair| pair.as_flattened().try_into().unwrap())
        .collect();
    let points: Vec<_> = uniform
        .iter()
        .map(RistrettoPoint::from_uniform_bytes)
        .collect();
    let neutral = points.iter().filter(|point| encode(**point) == [0; 32]);
    assert_eq!(neutral.count(), 1 + 4 + 4 + 16);
    let mut rng = StdRng::seed_from_u64(12);
    for backend in Backend::available() {
        let ours = Points::from_uniform(backend, &uniform);
        check(&ours, &points, &mut rng);
        let doubled: Vec<_> = points.iter().map(|p| p + p).collect();
        check(&ours.add(&ours), &doubled, &mut rng);
        for scalar in edge_scalars().into_iter().take(40) {
            let products: Vec<_> = points.iter().map(|p| encode(p * scalar)).collect();
            assert_eq!(ours.multiply_encode(&scalar), products, "{scalar:?}");
        }
        // Alone, so that nothing else stands in the shared inversion.
        for (uniform, point) in uniform.iter().zip(&points) {
            let one = Points::from_uniform(backend, &[*uniform]);
            assert_eq!(one.double_encode(), [encode(point + point)]);
        }
    }
}

#[test]
fn decoding_accepts_what_dalek_accepts() {
    let mut rng = StdRng::seed_from_u64(4);
    for backend in Backend::available() {
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..2000 {
            let mut encoding: [u8; 32] = rng.random();
            encoding[0] &= 0xfe;
            encoding[31] &= 0x7f;
            let expected = CompressedRistretto(encoding).decompress();
            match Points::decode(backend, &[encoding]) {
                Ok(points) => {
                    accepted += 1;
                    assert_eq!(
                        points.multiply_encode(&Scalar::ONE),
                        [encode(expected.unwrap())]
                    );
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error, Undecodable { index: 0 });
                    assert_eq!(expected, None);
                }
            }
        }
        assert!(accepted > 100 && refused > 100, "{accepted} {refused}");
    }
}
