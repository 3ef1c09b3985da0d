//! Sums of public points with public weights, by Pippenger's buckets with a window in each lane.
//!
//! Which buckets are touched depends on the weights, so nothing secret may come here.

use std::arch::x86_64::{__m512i, __mmask8, _mm512_setzero_si512};

use curve25519_dalek::Scalar;

use super::LANES;
use super::edwards::{Augend, Completed, Niels, Point};
use super::field::FieldElement;
use crate::lanes::transpose;

/// A weight has 32 windows of eight bits. Lane l of group g has window 4 l + g, so that the sums
/// of the groups combine lane by lane.
const GROUPS: usize = 4;
/// The doublings from one group to the next, and from one lane to the next.
const GROUP_BITS: usize = 8;
const LANE_BITS: usize = GROUP_BITS * GROUPS;

/// Bucket 0 takes the points that do not count.
const BUCKETS: usize = 129;

/// A weight's windows as digits in −128..=127.
struct Digits([i16; GROUPS * LANES]);

impl Digits {
    fn of(weight: &Scalar) -> Self {
        let mut carry = 0;
        Self(weight.to_bytes().map(|byte| {
            let digit = i16::from(byte) + carry;
            carry = (digit + 128) >> 8;
            digit - (carry << 8)
        }))
    }

    fn step(&self, group: usize) -> Step {
        let lanes: [i16; LANES] = std::array::from_fn(|lane| self.0[lane * GROUPS + group]);
        let mut negative = 0;
        for (lane, digit) in lanes.iter().enumerate() {
            negative |= __mmask8::from(*digit < 0) << lane;
        }
        let numbers = lanes.map(|digit| usize::from(digit.unsigned_abs()));
        Step { numbers, negative }
    }
}

/// Where a point goes in one group.
struct Step {
    /// The bucket of each lane.
    numbers: [usize; LANES],
    /// The lanes in which the point is subtracted.
    negative: __mmask8,
}

/// A bucket in each lane: the twenty limbs of a point one after the other, so that a bucket is
/// three cache lines and not twenty.
struct Buckets(Vec<[[__m512i; 3]; LANES]>);

impl Buckets {
    #[target_feature(enable = "avx512ifma")]
    fn empty() -> Self {
        let mut buckets = Self(vec![[[_mm512_setzero_si512(); 3]; LANES]; BUCKETS]);
        for bucket in 0..BUCKETS {
            buckets.store([bucket; LANES], &Augend::identity());
        }
        buckets
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn load(&self, numbers: [usize; LANES]) -> Augend {
        let rows = std::array::from_fn(|lane| &self.0[numbers[lane]][lane]);
        let (a, b, c) = (columns::<0>(rows), columns::<1>(rows), columns::<2>(rows));
        Augend {
            y_plus_x: FieldElement([a[0], a[1], a[2], a[3], a[4]]),
            y_minus_x: FieldElement([a[5], a[6], a[7], b[0], b[1]]),
            z: FieldElement([b[2], b[3], b[4], b[5], b[6]]),
            t: FieldElement([b[7], c[0], c[1], c[2], c[3]]),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn add(&self, step: &Step, point: &Niels) -> Completed {
        let sum = self.load(step.numbers);
        sum.add_niels(&point.exchanged(step.negative), step.negative)
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn store(&mut self, numbers: [usize; LANES], sum: &Augend) {
        let zero = _mm512_setzero_si512();
        let (x, y, z, t) = (sum.y_plus_x.0, sum.y_minus_x.0, sum.z.0, sum.t.0);
        let a = transpose([x[0], x[1], x[2], x[3], x[4], y[0], y[1], y[2]]);
        let b = transpose([y[3], y[4], z[0], z[1], z[2], z[3], z[4], t[0]]);
        let c = transpose([t[1], t[2], t[3], t[4], zero, zero, zero, zero]);
        for lane in 0..LANES {
            self.0[numbers[lane]][lane] = [a[lane], b[lane], c[lane]];
        }
    }

    /// The sum over all buckets of their points times their numbers, in each lane.
    #[target_feature(enable = "avx512ifma")]
    fn total(&self) -> Point {
        let (mut running, mut total) = (Point::identity(), Point::identity());
        for bucket in (1..BUCKETS).rev() {
            let next = self.load([bucket; LANES]).add(&running.cached(), 0);
            running = next.extended();
            total = total.add(&running);
        }
        total
    }
}

/// One part of eight buckets, a limb in each vector.
#[inline]
#[target_feature(enable = "avx512ifma")]
fn columns<const PART: usize>(rows: [&[__m512i; 3]; LANES]) -> [__m512i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    transpose([
        r0[PART], r1[PART], r2[PART], r3[PART], r4[PART], r5[PART], r6[PART], r7[PART],
    ])
}

/// The sum of the first `weights.len()` points times their weights, in every lane.
#[target_feature(enable = "avx512ifma")]
pub(super) fn vartime_weighted_sum(blocks: &[Point], weights: &[Scalar]) -> Point {
    let points = Niels::normalise(blocks);
    let digits: Vec<Digits> = weights.iter().map(Digits::of).collect();
    let mut sum = Point::identity();
    // Two groups at a time, since one addition alone leaves the processor waiting.
    for pair in [[3, 2], [1, 0]] {
        let (mut high, mut low) = (Buckets::empty(), Buckets::empty());
        for (index, digits) in digits.iter().enumerate() {
            let point = points[index / LANES].broadcast(index % LANES);
            let (high_step, low_step) = (digits.step(pair[0]), digits.step(pair[1]));
            let high_sum = high.add(&high_step, &point);
            let low_sum = low.add(&low_step, &point);
            high.store(high_step.numbers, &high_sum.augend());
            low.store(low_step.numbers, &low_sum.augend());
        }
        for buckets in [high, low] {
            sum = shift(&sum, GROUP_BITS).add(&buckets.total());
        }
    }
    let mut total = Point::identity();
    for lane in (0..LANES).rev() {
        total = shift(&total, LANE_BITS).add(&sum.broadcast(lane));
    }
    total
}

/// 2^bits P.
#[target_feature(enable = "avx512ifma")]
fn shift(point: &Point, bits: usize) -> Point {
    let mut doubled = point.projective();
    for _ in 1..bits {
        doubled = doubled.double().projective();
    }
    doubled.double().extended()
}
