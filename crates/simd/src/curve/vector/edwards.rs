//! Eight points of edwards25519 at once, one per lane.
//!
//! Points are in extended coordinates (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z on
//! −x² + y² = 1 + d x² y². The formulas are complete, so no lane needs an exception.

use std::arch::x86_64::__mmask8;

use zeroize::Zeroize;

use super::constants::{ONE, TWO_D, ZERO};
use super::field::{FieldElement, Wide};

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

/// Eight points with Z = 1 in the form that an addition reads: y + x, y − x, 2 d xy.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) y_plus_x: FieldElement,
    pub(super) y_minus_x: FieldElement,
    pub(super) t2d: FieldElement,
}

/// What doubling and addition come to before their last products: the result is
/// (E·F : G·H : F·G : E·H).
#[derive(Clone, Copy)]
pub(super) struct Completed {
    pub(super) e: FieldElement,
    pub(super) f: FieldElement,
    pub(super) g: FieldElement,
    pub(super) h: FieldElement,
}

impl Cached {
    /// Y + X and Y − X exchanged in the lanes of `mask`: half of a negation, of which
    /// [`Point::add_signed`] does the other.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn exchanged(&self, mask: __mmask8) -> Self {
        Self {
            y_plus_x: self.y_plus_x.or_if(mask, &self.y_minus_x),
            y_minus_x: self.y_minus_x.or_if(mask, &self.y_plus_x),
            ..*self
        }
    }

    /// The point of one lane in all of them.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn broadcast(&self, lane: usize) -> Self {
        Self {
            y_plus_x: self.y_plus_x.broadcast(lane),
            y_minus_x: self.y_minus_x.broadcast(lane),
            z2: self.z2.broadcast(lane),
            t2d: self.t2d.broadcast(lane),
        }
    }
}

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

    /// P + Q, or P − Q in the lanes of `negative`, if Q comes [`Cached::exchanged`] there.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add_signed(&self, other: &Cached, negative: __mmask8) -> Completed {
        let d = self.z.multiply_raised(&other.z2);
        let Cached {
            y_plus_x,
            y_minus_x,
            t2d,
            ..
        } = *other;
        self.complete(
            &Affine {
                y_plus_x,
                y_minus_x,
                t2d,
            },
            &d,
            negative,
        )
    }

    /// [`Point::add_signed`] with Z = 1 in Q.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add_affine(&self, other: &Affine, negative: __mmask8) -> Completed {
        let z = self.z.wide();
        self.complete(other, &z.add(&z).raise(), negative)
    }

    /// `d` is 2 Z of both points multiplied, raised.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn complete(&self, other: &Affine, d: &Wide, negative: __mmask8) -> Completed {
        let a = self.y.sub(&self.x).multiply_wide(&other.y_minus_x);
        let b = self.y.add(&self.x).multiply_raised(&other.y_plus_x);
        let c = self.t.multiply_wide(&other.t2d);
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

    /// The point of one lane in all of them.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn broadcast(&self, lane: usize) -> Self {
        Self {
            x: self.x.broadcast(lane),
            y: self.y.broadcast(lane),
            z: self.z.broadcast(lane),
            t: self.t.broadcast(lane),
        }
    }
}
