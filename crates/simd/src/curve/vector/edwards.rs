//! Eight points of edwards25519 at once, one per lane, and the ristretto255 of RFC 9496 on them.
//!
//! Points are in extended coordinates (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z on
//! −x² + y² = 1 + d x² y². The formulas are complete, so no lane needs an exception.

use std::arch::x86_64::__mmask8;

use zeroize::{Zeroize, Zeroizing};

use super::LANES;
use super::field::{FieldElement, Limbs, ONE, SQRT_M1, ZERO, invert, sqrt_ratio};

/// Eight points.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Point {
    pub(super) x: FieldElement,
    pub(super) y: FieldElement,
    pub(super) z: FieldElement,
    pub(super) t: FieldElement,
}

/// Eight points without T, which a doubling does not read.
#[derive(Clone, Copy)]
pub(super) struct Projective {
    x: FieldElement,
    y: FieldElement,
    z: FieldElement,
}

/// Eight points in the form that an addition reads: Y + X, Y − X, 2 Z, 2 d T.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Cached {
    pub(super) y_plus_x: FieldElement,
    pub(super) y_minus_x: FieldElement,
    pub(super) z2: FieldElement,
    pub(super) t2d: FieldElement,
}

/// What doubling and addition come to before their last products: the result is
/// (E·F : G·H : F·G : E·H).
#[derive(Clone, Copy)]
pub(super) struct Completed {
    e: FieldElement,
    f: FieldElement,
    g: FieldElement,
    h: FieldElement,
}

// Constants of the curve (RFC 9496 §4.1).
const D: Limbs = [
    0x000b_4dca_1359_78a3,
    0x0004_d414_1d8a_b75e,
    0x0007_79e8_9800_700a,
    0x000f_e738_cc74_0797,
    0x0000_5203_6cee_2b6f,
];
const MINUS_D: Limbs = [
    0x0004_b235_eca6_874a,
    0x000b_2beb_e275_48a1,
    0x0008_8617_67ff_8ff5,
    0x0000_18c7_338b_f868,
    0x0000_2dfc_9311_d490,
];
const TWO_D: Limbs = [
    0x0006_9b94_26b2_f159,
    0x0009_a828_3b15_6ebd,
    0x000e_f3d1_3000_e014,
    0x000f_ce71_98e8_0f2e,
    0x0000_2406_d9dc_56df,
];
const SQRT_AD_MINUS_ONE: Limbs = [
    0x0007_f6a0_497b_2e1b,
    0x0000_c1b7_854b_d7e9,
    0x0001_f5d1_fdaf_9d8e,
    0x0004_8ac0_f3cf_cc93,
    0x0000_3769_31bf_2b83,
];
const INVSQRT_A_MINUS_D: Limbs = [
    0x0008_fdaa_805d_40ea,
    0x0001_75a4_172b_e99c,
    0x000e_01d8_409d_2f16,
    0x000f_ca21_6c27_b91f,
    0x0000_786c_8905_cfaf,
];
const ONE_MINUS_D_SQ: Limbs = [
    0x000c_09c1_945f_c176,
    0x0003_8cd5_e350_fe27,
    0x000e_70df_e42c_81a1,
    0x000e_0d79_994a_bddb,
    0x0000_0290_72a8_b2b3,
];
const D_MINUS_ONE_SQ: Limbs = [
    0x000d_5aaa_44ed_4d20,
    0x0002_cb01_e199_931a,
    0x0002_9b4e_ebd2_9e4a,
    0x0002_2414_cdcd_32f5,
    0x0000_5968_b37a_f66c,
];

impl Completed {
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn extended(&self) -> Point {
        Point {
            x: self.e.multiply(&self.f),
            y: self.g.multiply(&self.h),
            z: self.f.multiply(&self.g),
            t: self.e.multiply(&self.h),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn projective(&self) -> Projective {
        Projective {
            x: self.e.multiply(&self.f),
            y: self.g.multiply(&self.h),
            z: self.f.multiply(&self.g),
        }
    }
}

impl Projective {
    /// 2P. With E = 2XY a product takes the place of a square and saves carrying X + Y.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn double(&self) -> Completed {
        let xx = self.x.square_raised();
        let yy = self.y.square_wide();
        let zz = self.z.square_wide();
        let xy = self.x.multiply_wide(&self.y);
        let minus_g = xx.sub(&yy);
        Completed {
            e: xy.add(&xy).carry(),
            f: zz.add(&zz).add(&minus_g).carry(),
            g: minus_g.negate().carry(),
            h: xx.add(&yy).carry(),
        }
    }
}

impl Point {
    /// The neutral element in every lane.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn identity() -> Self {
        let (zero, one) = (FieldElement::splat(&ZERO), FieldElement::splat(&ONE));
        Self {
            x: zero,
            y: one,
            z: one,
            t: zero,
        }
    }

    #[inline]
    pub(super) const fn projective(&self) -> Projective {
        Projective {
            x: self.x,
            y: self.y,
            z: self.z,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn cached(&self) -> Cached {
        Cached {
            y_plus_x: self.y.add(&self.x),
            y_minus_x: self.y.sub(&self.x),
            z2: self.z.add(&self.z),
            t2d: self.t.multiply(&FieldElement::splat(&TWO_D)),
        }
    }

    /// P + Q, or P − Q in the lanes of `negative`, if Q is given with Y + X and Y − X already
    /// exchanged there.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add_signed(&self, other: &Cached, negative: __mmask8) -> Completed {
        let a = self.y.sub(&self.x).multiply_wide(&other.y_minus_x);
        let b = self.y.add(&self.x).multiply_raised(&other.y_plus_x);
        let c = self.t.multiply_wide(&other.t2d);
        let d = self.z.multiply_raised(&other.z2);
        let difference = d.sub(&c).carry();
        let sum = d.add(&c).carry();
        // The sign of Q's T only decides which of the two is F and which is G.
        Completed {
            e: b.sub(&a).carry(),
            f: difference.or_if(negative, &sum),
            g: sum.or_if(negative, &difference),
            h: b.add(&a).carry(),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Cached) -> Completed {
        self.add_signed(other, 0)
    }

    /// The lanes that hold the neutral element of ristretto255: a point of order 1, 2 or 4 with
    /// XY = 0.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn is_identity(&self) -> __mmask8 {
        self.x.is_zero() | self.y.is_zero()
    }

    /// RFC 9496 §4.3.1 of each group of eight. The mask names the lanes whose bytes are the
    /// encoding of an element; the others hold no point of the curve. Zero, the encoding of the
    /// identity, is valid here.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn decode<const N: usize>(
        bytes: &[[&[u8; 32]; LANES]; N],
    ) -> ([Self; N], [__mmask8; N]) {
        let one = FieldElement::splat(&ONE);
        let read = bytes.map(|bytes| {
            let (s, canonical) = FieldElement::from_bytes(bytes);
            let ss = s.square();
            let u1 = one.sub(&ss);
            let u2 = one.add(&ss);
            let u2_sqr = u2.square();
            // v = −(D · u1²) − u2²
            let v = u1
                .square()
                .multiply(&FieldElement::splat(&MINUS_D))
                .sub(&u2_sqr);
            let valid = canonical & !s.is_negative();
            ((s, u1, u2, v, valid), v.multiply(&u2_sqr))
        });
        let (was_square, invsqrt) = sqrt_ratio(&[one; N], &read.map(|(_, product)| product));
        let mut valid = was_square;
        let points = std::array::from_fn(|n| {
            let (s, u1, u2, v, valid_bytes) = &read[n].0;
            let den_x = invsqrt[n].multiply(u2);
            let den_y = invsqrt[n].multiply(&den_x).multiply(v);
            let x = s.add(s).multiply(&den_x).absolute();
            let y = u1.multiply(&den_y);
            let t = x.multiply(&y);
            valid[n] &= valid_bytes & !t.is_negative() & !y.is_zero();
            Self { x, y, z: one, t }
        });
        (points, valid)
    }

    /// RFC 9496 §4.3.4: the element that 64 uniform bytes stand for, the sum of two maps.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn from_uniform(bytes: [&[u8; 64]; LANES]) -> Self {
        let halves = bytes.map(|bytes| {
            let (halves, _) = bytes.as_chunks::<32>();
            (&halves[0], &halves[1])
        });
        let [p, q] = elligator(&[
            FieldElement::from_bytes(halves.map(|(low, _)| low)).0,
            FieldElement::from_bytes(halves.map(|(_, high)| high)).0,
        ]);
        p.add(&q.cached()).extended()
    }
}

/// RFC 9496 §4.3.4 `MAP` of each.
#[target_feature(enable = "avx512ifma")]
fn elligator<const N: usize>(t: &[FieldElement; N]) -> [Point; N] {
    let one = FieldElement::splat(&ONE);
    let d = FieldElement::splat(&D);
    let r = t.map(|t| t.square().multiply(&FieldElement::splat(&SQRT_M1)));
    let u = r.map(|r| r.add(&one).multiply(&FieldElement::splat(&ONE_MINUS_D_SQ)));
    let v = r.map(|r| one.add(&r.multiply(&d)).negate().multiply(&r.add(&d)));
    let (was_square, root) = sqrt_ratio(&u, &v);
    std::array::from_fn(|n| {
        let (was_square, r, v) = (was_square[n], &r[n], &v[n]);
        let s_prime = root[n].multiply(&t[n]).absolute().negate();
        let s = s_prime.or_if(was_square, &root[n]);
        let c = r.or_if(was_square, &one.negate());
        let n = c
            .multiply(&r.sub(&one))
            .multiply(&FieldElement::splat(&D_MINUS_ONE_SQ))
            .sub(v);
        let ss = s.square();
        // w0, w3, w1, w2
        Completed {
            e: s.add(&s).multiply(v),
            f: one.add(&ss),
            g: n.multiply(&FieldElement::splat(&SQRT_AD_MINUS_ONE)),
            h: one.sub(&ss),
        }
        .extended()
    })
}

/// The encodings of 2P for each group of eight points P.
///
/// The encoding of a double needs an inverse and no square root, and all groups share one
/// inversion.
#[target_feature(enable = "avx512ifma")]
pub(super) fn double_and_encode(points: &[Point], out: &mut [[[u8; 32]; LANES]]) {
    /// 2P is (e : g) over (f, h) in the sense of `Completed`, with eg and fh beside them.
    #[derive(Zeroize)]
    struct State {
        e: FieldElement,
        f: FieldElement,
        g: FieldElement,
        h: FieldElement,
        eg: FieldElement,
        fh: FieldElement,
        /// The product of all states before this one.
        before: FieldElement,
        zero: __mmask8,
    }
    let one = FieldElement::splat(&ONE);
    let mut product = one;
    let mut states = Zeroizing::new(Vec::with_capacity(points.len()));
    for point in points {
        let xy = point.x.multiply_wide(&point.y);
        let xx = point.x.square_wide();
        let yy = point.y.square_wide();
        let zz = point.z.square_raised();
        let dtt = point.t.square().multiply_wide(&FieldElement::splat(&D));
        let (e, g) = (xy.add(&xy).carry(), yy.add(&xx).carry());
        let (f, h) = (zz.add(&dtt).carry(), zz.sub(&dtt).carry());
        let (eg, fh) = (e.multiply(&g), f.multiply(&h));
        let all = eg.multiply(&fh);
        let zero = all.is_zero();
        states.push(State {
            e,
            f,
            g,
            h,
            eg,
            fh,
            before: product,
            zero,
        });
        product = product.multiply(&all.or_if(zero, &one));
    }
    let [mut inverse] = invert(&[product]);
    for (state, out) in states.iter().zip(out).rev() {
        let inv = inverse.multiply(&state.before);
        let all = state.eg.multiply(&state.fh).or_if(state.zero, &one);
        inverse = inverse.multiply(&all);
        let zero = FieldElement::splat(&ZERO);
        let inv = inv.or_if(state.zero, &zero);

        let z_inv = state.eg.multiply(&inv);
        let t_inv = state.fh.multiply(&inv);
        let rotate = state.eg.multiply(&z_inv).is_negative();
        let e = state.e.or_if(rotate, &state.g);
        let g = state.g.or_if(rotate, &state.e.negate());
        let h = state
            .h
            .or_if(rotate, &state.f.multiply(&FieldElement::splat(&SQRT_M1)));
        let magic =
            FieldElement::splat(&INVSQRT_A_MINUS_D).or_if(rotate, &FieldElement::splat(&SQRT_M1));
        let g = g.negate_if(h.multiply(&e).multiply(&z_inv).is_negative());
        let s = h.sub(&g).multiply(&magic.multiply(&g.multiply(&t_inv)));
        *out = s.absolute().to_bytes();
    }
}
