//! What must not leak: keys, blinds and outputs.
//!
//! None of them is `Copy` or prints. They compare in constant time and are wiped on drop. A key
//! lives on the heap and is not moved from there; see `spec/20-oprf.md` §7 for what wiping
//! cannot reach.
//!
//! ```compile_fail,E0277
//! fn copies<T: Copy>() {}
//! copies::<blindmatch_oprf::SecretKey>();
//! ```
//! ```compile_fail,E0277
//! fn copies<T: Copy>() {}
//! copies::<blindmatch_oprf::Blind>();
//! ```
//! ```compile_fail,E0277
//! fn copies<T: Copy>() {}
//! copies::<blindmatch_oprf::Output>();
//! ```
//! ```compile_fail,E0277
//! fn prints<T: std::fmt::Display>() {}
//! prints::<blindmatch_oprf::SecretKey>();
//! ```
//! ```compile_fail,E0277
//! fn prints<T: std::fmt::Display>() {}
//! prints::<blindmatch_oprf::Blind>();
//! ```
//! ```compile_fail,E0277
//! fn prints<T: std::fmt::Display>() {}
//! prints::<blindmatch_oprf::Output>();
//! ```

use std::fmt;

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::element::Element;
use crate::hash::{Dst, Expander};
use crate::{Error, Malformed, PublicKey};

#[cfg(test)]
mod tests;

/// A server's key: a scalar that is not zero, and its public key.
pub struct SecretKey {
    secret: Box<Zeroizing<Scalar>>,
    public: PublicKey,
}

impl SecretKey {
    /// `GenerateKeyPair`, RFC 9497 §3.2, with the caller's randomness.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::new(&random_scalar(rng))
    }

    /// Decodes 32 bytes; refuses zero and what is not below the group's order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        decode_scalar(bytes).map(|scalar| Self::new(&scalar))
    }

    /// The encoding, to be sealed. It is wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.secret.as_bytes())
    }

    /// The public key of this key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// `DeriveKeyPair`, RFC 9497 §3.2.1; the tag is that of a mode.
    pub(crate) fn derive(seed: &[u8; 32], info: &[u8], dst: Dst) -> Result<Self, Error> {
        // deriveInput = seed || I2OSP(len(info), 2) || info
        let info_len = u16::try_from(info.len()).map_err(|_| Error::DeriveKeyPair)?;
        let expander = Expander::new(dst);
        // counter = 0, skS = 0; while skS == 0: if counter > 255: raise DeriveKeyPairError
        for counter in 0..=255u8 {
            // skS = G.HashToScalar(deriveInput || I2OSP(counter, 1),
            //                      DST = "DeriveKeyPair" || contextString)
            let parts: [&[u8]; 4] = [seed, &info_len.to_be_bytes(), info, &[counter]];
            let scalar = Zeroizing::new(expander.hash_to_scalar(&parts));
            if *scalar != Scalar::ZERO {
                return Ok(Self::new(&scalar));
            }
        }
        Err(Error::DeriveKeyPair)
    }

    /// The caller knows that the scalar is not zero.
    fn new(scalar: &Scalar) -> Self {
        // pkS = G.ScalarMultGen(skS)
        let public = PublicKey(Element::encode(RistrettoPoint::mul_base(scalar)));
        let secret = Box::new(Zeroizing::new(*scalar));
        Self { secret, public }
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.secret
    }
}

impl ConstantTimeEq for SecretKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.scalar().ct_eq(other.scalar())
    }
}

/// What hides one input: a scalar that is not zero. One blind serves one input, once.
#[derive(ZeroizeOnDrop)]
pub struct Blind(Scalar);

impl Blind {
    /// `RandomScalar`, RFC 9497 §4.1, with the caller's randomness.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(*random_scalar(rng))
    }

    /// Decodes 32 bytes; refuses zero and what is not below the group's order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        decode_scalar(bytes).map(|scalar| Self(*scalar))
    }

    /// The encoding, to be sealed until the run is over. It is wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.as_bytes())
    }

    pub(crate) const fn scalar(&self) -> &Scalar {
        &self.0
    }
}

impl ConstantTimeEq for Blind {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// F(k, x): 64 bytes that look random to who cannot evaluate under k.
#[derive(ZeroizeOnDrop)]
pub struct Output([u8; 64]);

impl Output {
    /// The 64 bytes. Copies of them are the caller's to wipe.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    pub(crate) const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn fill(&mut self, bytes: &[u8; 64]) {
        self.0.copy_from_slice(bytes);
    }
}

impl ConstantTimeEq for Output {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

macro_rules! secret {
    ($($name:ident)*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.ct_eq(other).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(<redacted>)"))
            }
        }
    )*};
}

secret!(SecretKey Blind Output);

/// A uniform scalar that is not zero, from 64 bytes of the caller's randomness.
fn random_scalar(rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Scalar> {
    let mut wide = Zeroizing::new([0; 64]);
    loop {
        rng.fill_bytes(&mut *wide);
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
        if *scalar != Scalar::ZERO {
            return scalar;
        }
    }
}

/// `DeserializeScalar`, RFC 9497 §4.1, and not zero.
pub(crate) fn decode_scalar(bytes: &[u8]) -> Result<Zeroizing<Scalar>, Malformed> {
    let mut canonical = Zeroizing::new([0; 32]);
    if bytes.len() != canonical.len() {
        return Err(Malformed::Length);
    }
    canonical.copy_from_slice(bytes);
    let scalar = Option::from(Scalar::from_canonical_bytes(*canonical));
    let scalar = Zeroizing::new(scalar.ok_or(Malformed::NotCanonical)?);
    if *scalar == Scalar::ZERO {
        return Err(Malformed::Zero);
    }
    Ok(scalar)
}
