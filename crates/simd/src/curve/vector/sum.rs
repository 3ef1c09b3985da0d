//! Sums of public points with public weights, by Pippenger's buckets with a window in each lane.
//!
//! Which buckets are touched depends on the weights, so nothing secret may come here.

use std::arch::x86_64::{__m512i, __mmask8, _mm512_setzero_si512};

use curve25519_dalek::Scalar;

use super::LANES;
use super::edwards::{Cached, Point};
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

    /// The buckets of one group's lanes, and the lanes in which the point is subtracted.
    fn lanes(&self, group: usize) -> ([usize; LANES], __mmask8) {
        let lanes: [i16; LANES] = std::array::from_fn(|lane| self.0[lane * GROUPS + group]);
        let mut negative = 0;
        for (lane, digit) in lanes.iter().enumerate() {
            negative |= __mmask8::from(*digit < 0) << lane;
        }
        (
            lanes.map(|digit| usize::from(digit.unsigned_abs())),
            negative,
        )
    }
}

/// A bucket in each lane: the twenty limbs of a point one after the other, so that a bucket is
/// three cache lines and not twenty.
struct Buckets(Vec<[[__m512i; 3]; LANES]>);

impl Buckets {
    #[target_feature(enable = "avx512ifma")]
    fn empty() -> Self {
        let mut buckets = Self(vec![[[_mm512_setzero_si512(); 3]; LANES]; BUCKETS]);
        for bucket in 0..BUCKETS {
            buckets.store([bucket; LANES], &Point::identity());
        }
        buckets
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn load(&self, numbers: [usize; LANES]) -> Point {
        let row = |lane: usize, part: usize| self.0[numbers[lane]][lane][part];
        let part = |part| transpose([0, 1, 2, 3, 4, 5, 6, 7].map(|lane| row(lane, part)));
        let [a, b, c] = [part(0), part(1), part(2)];
        Point {
            x: FieldElement([a[0], a[1], a[2], a[3], a[4]]),
            y: FieldElement([a[5], a[6], a[7], b[0], b[1]]),
            z: FieldElement([b[2], b[3], b[4], b[5], b[6]]),
            t: FieldElement([b[7], c[0], c[1], c[2], c[3]]),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn store(&mut self, numbers: [usize; LANES], point: &Point) {
        let zero = _mm512_setzero_si512();
        let Point { x, y, z, t } = point;
        let (x, y, z, t) = (x.0, y.0, z.0, t.0);
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
            running = running.add(&self.load([bucket; LANES]).cached()).extended();
            total = total.add(&running.cached()).extended();
        }
        total
    }
}

/// The sum of the first `weights.len()` points times their weights, in every lane.
#[target_feature(enable = "avx512ifma")]
pub(super) fn vartime_weighted_sum(blocks: &[Point], weights: &[Scalar]) -> Point {
    let cached: Vec<Cached> = blocks.iter().map(|block| block.cached()).collect();
    let digits: Vec<Digits> = weights.iter().map(Digits::of).collect();
    let mut sum = Point::identity();
    // Two groups at a time, since one addition alone leaves the processor waiting.
    for pair in [[3, 2], [1, 0]] {
        let (mut high, mut low) = (Buckets::empty(), Buckets::empty());
        for (index, digits) in digits.iter().enumerate() {
            let point = cached[index / LANES].broadcast(index % LANES);
            let (numbers_high, negative) = digits.lanes(pair[0]);
            let sum_high = high
                .load(numbers_high)
                .add_signed(&point.exchanged(negative), negative);
            let (numbers_low, negative) = digits.lanes(pair[1]);
            let sum_low = low
                .load(numbers_low)
                .add_signed(&point.exchanged(negative), negative);
            high.store(numbers_high, &sum_high.extended());
            low.store(numbers_low, &sum_low.extended());
        }
        for buckets in [high, low] {
            sum = shift(&sum, GROUP_BITS)
                .add(&buckets.total().cached())
                .extended();
        }
    }
    let mut total = Point::identity();
    for lane in (0..LANES).rev() {
        total = shift(&total, LANE_BITS)
            .add(&sum.broadcast(lane).cached())
            .extended();
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
