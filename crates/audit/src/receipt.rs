//! The receipt: what both sides of a run sign at its end (`spec/40-audit.md` §4).
//!
//! It names the run, both sides, what each put in (a salted commitment and a size class) and the
//! transcript. It holds no indicator and no number of matches, of which the responder learns
//! nothing.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::codec::{DecodeError, Reader, Writer};

/// The most bytes of an identity.
pub const MAX_IDENTITY: usize = 255;

const RECEIPT: &str = "blindmatch receipt v1";
const SIGNATURE: &str = "blindmatch receipt signature v1";
const SIGNED: &str = "blindmatch signed receipt v1";

/// A side of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Learns the matches.
    Querier,
    /// Serves its set.
    Responder,
}

/// What one side put into a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// A salted commitment to the set.
    pub commitment: [u8; 32],
    /// The class of its size.
    pub class: u64,
}

/// The account of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The run's id, which binds all that was agreed.
    pub run: [u8; 32],
    /// The querier's identity, at most [`MAX_IDENTITY`] bytes.
    pub querier: Vec<u8>,
    /// The responder's identity, at most [`MAX_IDENTITY`] bytes.
    pub responder: Vec<u8>,
    /// What the querier put in.
    pub querier_input: Input,
    /// What the responder put in.
    pub responder_input: Input,
    /// The digest of the exchange.
    pub transcript: [u8; 32],
}

/// A receipt with the querier's signature, and the responder's once it has countersigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    /// What was signed.
    pub receipt: Receipt,
    /// The querier's signature.
    pub querier: Signature,
    /// The responder's signature; a run without it is recorded as unreceipted.
    pub responder: Option<Signature>,
}

/// A receipt that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The signature of this side does not hold.
    Signature(Side),
    /// The responder has not signed.
    Uncountersigned,
}

impl Receipt {
    /// The canonical bytes.
    ///
    /// # Panics
    ///
    /// On an identity of more than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(RECEIPT)
            .fixed(&self.run)
            .bytes(&self.querier)
            .bytes(&self.responder)
            .fixed(&self.querier_input.commitment)
            .u64(self.querier_input.class)
            .fixed(&self.responder_input.commitment)
            .u64(self.responder_input.class)
            .fixed(&self.transcript)
            .finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(RECEIPT, bytes)?;
        let receipt = Self {
            run: reader.fixed()?,
            querier: reader.bytes(MAX_IDENTITY)?.to_vec(),
            responder: reader.bytes(MAX_IDENTITY)?.to_vec(),
            querier_input: Input {
                commitment: reader.fixed()?,
                class: reader.u64()?,
            },
            responder_input: Input {
                commitment: reader.fixed()?,
                class: reader.u64()?,
            },
            transcript: reader.fixed()?,
        };
        reader.finish()?;
        Ok(receipt)
    }

    /// What `side` signs: its side and the canonical bytes, so that no signature of one side can
    /// stand for the other's.
    ///
    /// # Panics
    ///
    /// As [`Self::encode`].
    #[must_use]
    pub fn signing_bytes(&self, side: Side) -> Vec<u8> {
        Writer::new(SIGNATURE)
            .u8(side.code())
            .bytes(&self.encode())
            .finish()
    }

    /// Verifies the signature of `side`.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Signature`].
    pub fn verify(
        &self,
        side: Side,
        key: &VerifyingKey,
        signature: &Signature,
    ) -> Result<(), ReceiptError> {
        key.verify_strict(&self.signing_bytes(side), signature)
            .map_err(|_| ReceiptError::Signature(side))
    }
}

impl SignedReceipt {
    /// The canonical bytes: the receipt, the number of signatures, and the signatures.
    ///
    /// # Panics
    ///
    /// As [`Receipt::encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(SIGNED);
        writer
            .bytes(&self.receipt.encode())
            .u8(1 + u8::from(self.responder.is_some()))
            .fixed(&self.querier.to_bytes());
        if let Some(responder) = &self.responder {
            writer.fixed(&responder.to_bytes());
        }
        writer.finish()
    }

    /// Reads the canonical bytes; verifies nothing yet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(SIGNED, bytes)?;
        let receipt = Receipt::decode(reader.bytes(MAX_RECEIPT)?)?;
        let signatures = reader.u8()?;
        let signed = Self {
            receipt,
            querier: Signature::from_bytes(&reader.fixed()?),
            responder: match signatures {
                1 => None,
                2 => Some(Signature::from_bytes(&reader.fixed()?)),
                _ => return Err(DecodeError::Field),
            },
        };
        reader.finish()?;
        Ok(signed)
    }

    /// Verifies both signatures.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`]; a receipt without the responder's signature is refused as such.
    pub fn verify(
        &self,
        querier: &VerifyingKey,
        responder: &VerifyingKey,
    ) -> Result<(), ReceiptError> {
        self.receipt.verify(Side::Querier, querier, &self.querier)?;
        let countersigned = self.responder.ok_or(ReceiptError::Uncountersigned)?;
        self.receipt
            .verify(Side::Responder, responder, &countersigned)
    }
}

impl Side {
    /// The byte that stands for this side: 0 querier, 1 responder.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Querier => 0,
            Self::Responder => 1,
        }
    }

    /// The side of a byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Field`] where it stands for none.
    pub const fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            0 => Ok(Self::Querier),
            1 => Ok(Self::Responder),
            _ => Err(DecodeError::Field),
        }
    }
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature(Side::Querier) => "the querier's signature does not hold",
            Self::Signature(Side::Responder) => "the responder's signature does not hold",
            Self::Uncountersigned => "the responder has not signed the receipt",
        })
    }
}

impl std::error::Error for ReceiptError {}

/// More bytes than any receipt has.
const MAX_RECEIPT: usize = 1024;

#[cfg(test)]
mod tests;
