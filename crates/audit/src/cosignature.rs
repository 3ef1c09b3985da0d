//! Cosignatures of witnesses under a checkpoint, in the form of C2SP tlog-cosignature
//! (<https://c2sp.org/tlog-cosignature>, `cosignature/v1`), and how many of them are asked for
//! (`spec/42-ledger.md` §4).

use std::{fmt, ops::RangeInclusive};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::{KeyName, NoteError, SignatureLine, key_text},
};

/// The type byte of a key that signs timestamped cosignatures with Ed25519.
const COSIGNATURE_V1: u8 = 0x04;

/// The times that a cosignature may name: 0 would be none.
const TIMES: RangeInclusive<u64> = 1..=(1 << 63) - 1;

/// A key of a witness, with the name that it cosigns under.
///
/// Its text form is that of C2SP: `NAME+HASH+BASE64`, with the type byte `0x04`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: KeyName,
    key: VerifyingKey,
}

/// Which witnesses there are, and how many of them must have cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    keys: Vec<WitnessKey>,
    needed: usize,
}

/// A witness that cosigned, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigner<'a> {
    /// The name of the witness.
    pub name: &'a KeyName,
    /// The time of its newest cosignature, in seconds since 1970-01-01 UTC.
    pub time: u64,
}

/// Why a quorum cannot be, or has not cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuorumError {
    /// More witnesses are needed than there are.
    Unreachable,
    /// One key under two names.
    SharedKey,
    /// A cosignature of a known witness that does not hold.
    Cosignature,
    /// Fewer witnesses cosigned than are needed.
    TooFew {
        /// How many cosigned.
        have: usize,
        /// How many must have.
        need: usize,
    },
}

/// Cosigns a checkpoint as the witness `name`, at `time` in seconds since 1970-01-01 UTC.
///
/// Says that no larger tree of this ledger was seen, and that this one goes on from all that were:
/// [`witness::decide`](crate::witness::decide) first, and store what it gives.
///
/// `None` at a time that no cosignature may name: 0, or beyond 2^63 − 1.
#[must_use]
pub fn cosign(
    checkpoint: &Checkpoint,
    name: &KeyName,
    key: &SigningKey,
    time: u64,
) -> Option<SignatureLine> {
    if !TIMES.contains(&time) {
        return None;
    }
    let signature = key.sign(signed_message(checkpoint, time).as_bytes());
    Some(SignatureLine {
        name: name.clone(),
        key_id: key_text::key_id(name, COSIGNATURE_V1, &key.verifying_key()),
        signature: [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat(),
    })
}

impl WitnessKey {
    /// The key `key` of the witness `name`.
    #[must_use]
    pub const fn new(name: KeyName, key: VerifyingKey) -> Self {
        Self { name, key }
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`] or [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, key) = key_text::read(text, COSIGNATURE_V1)?;
        Ok(Self::new(name, key))
    }

    /// The name of the witness.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    fn key_id(&self) -> [u8; 4] {
        key_text::key_id(&self.name, COSIGNATURE_V1, &self.key)
    }

    /// The newest time at which this key cosigned, or `None` where it did not.
    ///
    /// # Errors
    ///
    /// [`QuorumError::Cosignature`] where one of its signatures does not hold.
    fn cosigned(
        &self,
        checkpoint: &Checkpoint,
        lines: &[SignatureLine],
    ) -> Result<Option<u64>, QuorumError> {
        let id = self.key_id();
        let own = lines
            .iter()
            .filter(|l| l.name == self.name && l.key_id == id);
        own.map(|line| self.verify(checkpoint, line))
            .try_fold(None, |newest, time| Ok(newest.max(Some(time?))))
    }

    fn verify(&self, checkpoint: &Checkpoint, line: &SignatureLine) -> Result<u64, QuorumError> {
        let split = line.signature.split_first_chunk();
        let (time, signature) = split.ok_or(QuorumError::Cosignature)?;
        let time = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).map_err(|_| QuorumError::Cosignature)?;
        let message = signed_message(checkpoint, time);
        if !TIMES.contains(&time) {
            return Err(QuorumError::Cosignature);
        }
        self.key
            .verify_strict(message.as_bytes(), &signature)
            .map_err(|_| QuorumError::Cosignature)?;
        Ok(time)
    }
}

impl Quorum {
    /// At least `needed` of the witnesses that have these keys. A witness may have several keys,
    /// as while it changes them, and counts once.
    ///
    /// # Errors
    ///
    /// [`QuorumError::Unreachable`], or [`QuorumError::SharedKey`] where two names have one key,
    /// which would count twice.
    pub fn new(keys: Vec<WitnessKey>, needed: usize) -> Result<Self, QuorumError> {
        let quorum = Self { keys, needed };
        let keys = &quorum.keys;
        let shared = |a: &WitnessKey| keys.iter().any(|b| a.key == b.key && a.name != b.name);
        if keys.iter().any(shared) {
            Err(QuorumError::SharedKey)
        } else if needed > quorum.witnesses().len() {
            Err(QuorumError::Unreachable)
        } else {
            Ok(quorum)
        }
    }

    /// More than half of the witnesses that have these keys; nobody where there are none.
    ///
    /// # Errors
    ///
    /// [`QuorumError::SharedKey`].
    pub fn majority(keys: Vec<WitnessKey>) -> Result<Self, QuorumError> {
        let mut quorum = Self::new(keys, 0)?;
        let witnesses = quorum.witnesses().len();
        quorum.needed = if witnesses == 0 { 0 } else { witnesses / 2 + 1 };
        Ok(quorum)
    }

    /// How many witnesses must have cosigned.
    #[must_use]
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// The names of the witnesses, each once, in the order of their first keys.
    #[must_use]
    pub fn witnesses(&self) -> Vec<&KeyName> {
        let mut names = Vec::new();
        for key in &self.keys {
            if !names.contains(&&key.name) {
                names.push(&key.name);
            }
        }
        names
    }

    /// The witnesses that cosigned, in the order of [`Self::witnesses`]. Signatures of unknown keys are
    /// passed over.
    ///
    /// # Errors
    ///
    /// [`QuorumError::Cosignature`] where one of a known key does not hold.
    pub fn cosigners(&self, signed: &SignedCheckpoint) -> Result<Vec<Cosigner<'_>>, QuorumError> {
        let lines = signed.signatures();
        let mut cosigners: Vec<Cosigner<'_>> = Vec::new();
        for key in &self.keys {
            let Some(time) = key.cosigned(signed.unverified(), lines)? else {
                continue;
            };
            match cosigners.iter_mut().find(|c| *c.name == key.name) {
                Some(cosigner) => cosigner.time = cosigner.time.max(time),
                None => cosigners.push(Cosigner {
                    name: &key.name,
                    time,
                }),
            }
        }
        Ok(cosigners)
    }

    /// Verifies that enough witnesses cosigned, and says which.
    ///
    /// # Errors
    ///
    /// [`QuorumError::TooFew`] or [`QuorumError::Cosignature`].
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<Vec<Cosigner<'_>>, QuorumError> {
        let cosigners = self.cosigners(signed)?;
        if cosigners.len() < self.needed {
            Err(QuorumError::TooFew {
                have: cosigners.len(),
                need: self.needed,
            })
        } else {
            Ok(cosigners)
        }
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        key_text::write(f, &self.name, COSIGNATURE_V1, &self.key)
    }
}

impl fmt::Display for QuorumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("more witnesses are needed than there are"),
            Self::SharedKey => f.write_str("two witnesses have one key"),
            Self::Cosignature => f.write_str("a cosignature of a known witness does not hold"),
            Self::TooFew { have, need } => {
                write!(f, "{have} of the {need} witnesses that are needed cosigned")
            }
        }
    }
}

impl std::error::Error for QuorumError {}

/// What a witness signs.
fn signed_message(checkpoint: &Checkpoint, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{checkpoint}")
}

#[cfg(test)]
mod tests;
