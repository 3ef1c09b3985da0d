//! What can be refused, and where in a batch.

use std::fmt;

/// What is wrong with the bytes of an element, a scalar or a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not as long as the encoding is.
    Length,
    /// Not the canonical encoding of any element, or a scalar not below the group's order.
    NotCanonical,
    /// The identity element, which says nothing of the key or the input.
    Identity,
    /// The scalar zero, which sends every element to the identity.
    Zero,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "wrong length",
            Self::NotCanonical => "not a canonical encoding",
            Self::Identity => "the identity element",
            Self::Zero => "the scalar zero",
        })
    }
}

impl std::error::Error for Malformed {}

/// Why an operation was refused. Indices count from the start of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A blinded element does not decode (RFC 9497 `DeserializeError`).
    BlindedElement {
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        offence: Malformed,
    },
    /// An evaluated element does not decode (RFC 9497 `DeserializeError`).
    EvaluationElement {
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        offence: Malformed,
    },
    /// The proof does not hold for the key and the batch (RFC 9497 `VerifyError`).
    Verify,
    /// An input is longer than 65,535 bytes.
    InputTooLong {
        /// Its place in the batch.
        index: usize,
    },
    /// An input leads to the identity element (RFC 9497 `InvalidInputError`).
    InvalidInput {
        /// Its place in the batch.
        index: usize,
    },
    /// A batch of no element, or of more than [`MAX_BATCH`](crate::MAX_BATCH).
    BatchSize {
        /// How many elements it has.
        len: usize,
    },
    /// Slices that must go in step have different lengths.
    LengthsDiffer,
    /// No key derives: the info is longer than 65,535 bytes (RFC 9497 `DeriveKeyPairError`).
    DeriveKeyPair,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlindedElement { index, offence } => {
                write!(f, "blinded element {index}: {offence}")
            }
            Self::EvaluationElement { index, offence } => {
                write!(f, "evaluated element {index}: {offence}")
            }
            Self::Verify => f.write_str("the proof does not hold for this key and batch"),
            Self::InputTooLong { index } => write!(f, "input {index} is longer than 65,535 bytes"),
            Self::InvalidInput { index } => write!(f, "input {index} leads to the identity"),
            Self::BatchSize { len } => {
                write!(f, "a batch of {len}, not of 1 to {}", crate::MAX_BATCH)
            }
            Self::LengthsDiffer => f.write_str("slices of different lengths"),
            Self::DeriveKeyPair => f.write_str("no key derives from this seed and info"),
        }
    }
}

impl std::error::Error for Error {}
