//! The encodings of ristretto255 (RFC 9496) on eight points at once.

use std::arch::x86_64::__mmask8;

use zeroize::{Zeroize, Zeroizing};

use super::LANES;
use super::constants::{
    D, D_MINUS_ONE_SQ, INVSQRT_A_MINUS_D, MINUS_D, ONE, ONE_MINUS_D_SQ, SQRT_AD_MINUS_ONE, SQRT_M1,
    ZERO,
};
use super::edwards::{Completed, Point};
use super::field::{FieldElement, invert, sqrt_ratio};

impl Point {
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
    pub(super) fn from_uniform(bytes: &[&[u8; 64]; LANES]) -> Self {
        let [p, q] = elligator(&halves(bytes));
        p.add(&q)
    }

    /// [`Point::from_uniform`] of two groups, whose four maps keep the processor busier than two.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn from_uniform_pair(bytes: &[[&[u8; 64]; LANES]; 2]) -> [Self; 2] {
        let ([t0, t1], [t2, t3]) = (halves(&bytes[0]), halves(&bytes[1]));
        let [p0, q0, p1, q1] = elligator(&[t0, t1, t2, t3]);
        [p0.add(&q0), p1.add(&q1)]
    }
}

/// The field elements of each half, without bit 255.
#[target_feature(enable = "avx512ifma")]
fn halves(bytes: &[&[u8; 64]; LANES]) -> [FieldElement; 2] {
    [0, 1]
        .map(|half| FieldElement::from_bytes(bytes.map(|bytes| &bytes.as_chunks::<32>().0[half])).0)
}

/// RFC 9496 §4.3.2 of each group of eight.
#[target_feature(enable = "avx512ifma")]
pub(super) fn encode<const N: usize>(points: &[Point; N]) -> [[[u8; 32]; LANES]; N] {
    let one = FieldElement::splat(&ONE);
    let sqrt_m1 = FieldElement::splat(&SQRT_M1);
    let u1 = points
        .each_ref()
        .map(|p| p.z.add(&p.y).multiply(&p.z.sub(&p.y)));
    let u2 = points.each_ref().map(|p| p.x.multiply(&p.y));
    let product = std::array::from_fn(|n| u1[n].multiply(&u2[n].square()));
    let (_, invsqrt) = sqrt_ratio(&[one; N], &product);
    std::array::from_fn(|n| {
        let Point { x, y, z, t } = &points[n];
        let den1 = invsqrt[n].multiply(&u1[n]);
        let den2 = invsqrt[n].multiply(&u2[n]);
        let z_inv = den1.multiply(&den2).multiply(t);
        let enchanted = den1.multiply(&FieldElement::splat(&INVSQRT_A_MINUS_D));
        let rotate = t.multiply(&z_inv).is_negative();
        let (ix, iy) = (x.multiply(&sqrt_m1), y.multiply(&sqrt_m1));
        let (x, y) = (x.or_if(rotate, &iy), y.or_if(rotate, &ix));
        let den_inv = den2.or_if(rotate, &enchanted);
        let y = y.negate_if(x.multiply(&z_inv).is_negative());
        den_inv.multiply(&z.sub(&y)).absolute().to_bytes()
    })
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
