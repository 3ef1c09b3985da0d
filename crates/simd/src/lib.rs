//! Kernels that work on several items at once, chosen at run time from what the processor has,
//! and scalar twins with byte-identical results.
//!
//! - [`Points`] and [`FixedBase`]: batches of ristretto255 elements (RFC 9496), on eight lanes of
//!   AVX-512 IFMA or one at a time on curve25519-dalek, whose [`Scalar`] both take.
//! - [`sha512`] and [`expand_message_xmd`] (RFC 9380): many short messages, on eight lanes of
//!   AVX-512 or one at a time on the `sha2` crate.
//! - [`aes`]: AES-128 under a key for every block, on VAES or on the `aes` crate.
//! - [`gf128`]: the field GF(2^128), four elements at a time on VPCLMULQDQ.
//!
//! It knows no protocol: `oprf` sits on it and has the suite's names, domain separation and
//! proofs. It reads no environment: who does hands a name to [`Backend::named`], and the result to
//! [`choose_backend`], which holds for every crate above.
//!
//! The only crate with `unsafe`, and that is transmutes between vectors and arrays of the same
//! size, and the calls into kernels that need processor features, which holding a [`Backend`]
//! proves to be there.
//!
//! Nothing branches on a secret or addresses memory by one: tables are read whole and masked, or
//! permuted in registers; which lanes are negative or not square stays in mask registers. What
//! says `vartime` does neither and is for public values. How many items there are, how long a
//! message is and whether an encoding is bad is public. Scalars, tables of multiples and elements
//! are wiped when they are dropped, and the part of the stack that a kernel used is written over
//! when it ends; copies in registers are not.
//!
//! ```
//! use blindmatch_simd::{Backend, Points, expand_message_xmd};
//! use curve25519_dalek::Scalar;
//!
//! let backend = Backend::detect();
//! let messages = [b"one".as_slice(), b"two"];
//! let uniform = expand_message_xmd(backend, b"a domain", messages.iter().map(|m| [*m]));
//! let elements = Points::from_uniform(backend, &uniform);
//!
//! let key = Scalar::from(7_u8);
//! let evaluated = elements.multiply_encode(&key);
//! let back = Points::decode(backend, &evaluated).expect("elements");
//! assert_eq!(back.multiply_encode(&key.invert()), elements.encode());
//! ```
//!
//! [`Scalar`]: curve25519_dalek::Scalar

#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![expect(unsafe_code, reason = "this is the crate that has it")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod aes;
mod backend;
mod choice;
mod curve;
pub mod gf128;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod sha512;
mod stack;
mod work;

pub use backend::{Backend, NoBackend};
pub use choice::{backend, choose_backend, with_backend};
pub use curve::{FixedBase, Points, Undecodable};
pub use sha512::{expand_message_xmd, sha512};
#[doc(hidden)]
pub use work::items_done;
