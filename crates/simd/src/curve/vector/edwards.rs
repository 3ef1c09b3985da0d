//! Eight points of edwards25519 at once, one per lane.
//!
//! Points are in extended coordinates (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z on
//! −x² + y² = 1 + d x² y². The formulas are complete, so no lane needs an exception.

use std::arch::x86_64::__mmask8;

use zeroize::Zeroize;

use super::constants::{ONE, TWO_D, ZERO};
use super::field::{FieldElement, Wide, invert};

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

/// Eight points in the form that something is added to: Y + X, Y − X, Z, T.
#[derive(Clone, Copy)]
pub(super) struct Augend {
    pub(super) y_plus_x: FieldElement,
    pub(super) y_minus_x: FieldElement,
    pub(super) z: FieldElement,
    pub(super) t: FieldElement,
}

/// Eight points with Z = 1 in the form that is added: Y + X, Y − X, 2 d T.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Niels {
    pub(super) y_plus_x: FieldElement,
    pub(super) y_minus_x: FieldElement,
    pub(super) t2d: FieldElement,
}

/// Eight points with any Z in the form that is added, with 2 Z beside the rest.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Cached {
    pub(super) niels: Niels,
    pub(super) z2: FieldElement,
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

impl Niels {
    /// Y + X and Y − X exchanged in the lanes of `mask`: half of a negation, of which
    /// [`Augend::add`] does the other.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn exchanged(&self, mask: __mmask8) -> Self {
        Self {
            y_plus_x: self.y_plus_x.or_if(mask, &self.y_minus_x),
            y_minus_x: self.y_minus_x.or_if(mask, &self.y_plus_x),
            t2d: self.t2d,
        }
    }

    /// The point of one lane in all of them.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn broadcast(&self, lane: usize) -> Self {
        Self {
            y_plus_x: self.y_plus_x.broadcast(lane),
            y_minus_x: self.y_minus_x.broadcast(lane),
            t2d: self.t2d.broadcast(lane),
        }
    }

    /// All of `points`, which share one inversion.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn normalise(points: &[Point]) -> Vec<Self> {
        // What stands before each Z; then, from the end, the inverse of what stands before it.
        let mut product = FieldElement::splat(&ONE);
        let mut before = Vec::with_capacity(points.len());
        for point in points {
            before.push(product);
            product = product.multiply(&point.z);
        }
        let [mut inverse] = invert(&[product]);
        let mut normalised = Vec::with_capacity(points.len());
        for (point, before) in points.iter().zip(&before).rev() {
            let z_inv = inverse.multiply(before);
            inverse = inverse.multiply(&point.z);
            let (x, y) = (point.x.multiply(&z_inv), point.y.multiply(&z_inv));
            normalised.push(Self {
                y_plus_x: y.add(&x),
                y_minus_x: y.sub(&x),
                t2d: x.multiply(&y).multiply(&FieldElement::splat(&TWO_D)),
            });
        }
        normalised.reverse();
        normalised
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

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn augend(&self) -> Augend {
        let x = self.e.multiply_wide(&self.f);
        let y = self.g.multiply_raised(&self.h);
        Augend {
            y_plus_x: y.add(&x).carry(),
            y_minus_x: y.sub(&x).carry(),
            z: self.f.multiply(&self.g),
            t: self.e.multiply(&self.h),
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
    pub(super) fn augend(&self) -> Augend {
        Augend {
            y_plus_x: self.y.add(&self.x),
            y_minus_x: self.y.sub(&self.x),
            z: self.z,
            t: self.t,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn cached(&self) -> Cached {
        let niels = Niels {
            y_plus_x: self.y.add(&self.x),
            y_minus_x: self.y.sub(&self.x),
            t2d: self.t.multiply(&FieldElement::splat(&TWO_D)),
        };
        Cached {
            niels,
            z2: self.z.add(&self.z),
        }
    }

    /// P + Q.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        self.augend().add(&other.cached(), 0).extended()
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

impl Augend {
    /// The neutral element in every lane.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn identity() -> Self {
        let (zero, one) = (FieldElement::splat(&ZERO), FieldElement::splat(&ONE));
        Self {
            y_plus_x: one,
            y_minus_x: one,
            z: one,
            t: zero,
        }
    }

    /// P + Q, or P − Q in the lanes of `negative`, if Q comes [`Niels::exchanged`] there.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Cached, negative: __mmask8) -> Completed {
        self.complete(&other.niels, &self.z.multiply_raised(&other.z2), negative)
    }

    /// [`Augend::add`] of a Q with Z = 1.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add_niels(&self, other: &Niels, negative: __mmask8) -> Completed {
        let z = self.z.wide();
        self.complete(other, &z.add(&z).raise(), negative)
    }

    /// `d` is twice the product of the two Z, raised.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn complete(&self, other: &Niels, d: &Wide, negative: __mmask8) -> Completed {
        let a = self.y_minus_x.multiply_wide(&other.y_minus_x);
        let b = self.y_plus_x.multiply_raised(&other.y_plus_x);
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
}
