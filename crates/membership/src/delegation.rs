//! Delegations: an identity, kept offline, lends its name to the keys of a node
//! (`spec/41-membership.md` §6).

use std::{
    fmt::{self, Write},
    ops::Deref,
};

use blindmatch_audit::{
    SigningKey, VerifyingKey,
    checkpoint::ledger_name,
    note::{KeyName, Note, NoteError, NoteKey},
};

use crate::{
    CLOCK_TOLERANCE,
    identity::MemberId,
    roster::{Roster, read_lifetime},
    text::{Fault, Field, Keys, LineError, Lines, ReadError},
    values::{Digest, HpkeKey, Name, PublicKey, Time},
};

const DELEGATION: &str = "blindmatch delegation v1";

/// The longest time that a delegation is in force, in seconds: 30 days.
pub const MAX_DELEGATION_LIFETIME: u64 = 30 * 86_400;

/// The most bytes of a delegation.
pub const MAX_DELEGATION: usize = 1 << 12;

/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The keys of a node, one for each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    /// The SHA-256 of the SubjectPublicKeyInfo in the node's certificates.
    pub tls: Digest,
    /// What signs receipts and manifests.
    pub receipts: VerifyingKey,
    /// What signs checkpoints, its own and as a witness.
    pub checkpoints: VerifyingKey,
    /// What is sealed to the node.
    pub hpke: HpkeKey,
}

/// What a delegation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The consortium.
    pub consortium: Name,
    /// The member.
    pub member: Name,
    /// Which delegation of this identity it is, from 1.
    pub number: u64,
    /// The lowest number that is not revoked.
    pub first_valid: u64,
    /// When it comes into force, in seconds of Unix time.
    pub not_before: u64,
    /// When it is no longer in force, in seconds of Unix time.
    pub expires: u64,
    /// The identity, which signs.
    pub identity: VerifyingKey,
    /// The keys.
    pub keys: NodeKeys,
}

/// A delegation whose signatures hold. Whether the roster names this identity is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    terms: Terms,
    note: Note,
}

/// Why a delegation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationError {
    /// It is none.
    Read(ReadError),
    /// It is of another consortium.
    OtherConsortium,
    /// The roster has no such member.
    UnknownMember,
    /// The roster names another identity for the member.
    OtherIdentity,
    /// A later one revokes it.
    Revoked,
    /// Two of one number were signed.
    Fork {
        /// The number.
        number: u64,
    },
    /// It comes into force later than now, by more than a clock may be off.
    NotYetValid,
    /// It is no longer in force.
    Expired,
}

impl Terms {
    /// The text, which is what is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{DELEGATION}\n");
        let mut line = |field: Field, value: &dyn fmt::Display| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {value}", field.name());
        };
        line(Field::Consortium, &self.consortium);
        line(Field::Member, &self.member);
        line(Field::Number, &self.number);
        line(Field::FirstValid, &self.first_valid);
        line(Field::NotBefore, &Time(self.not_before));
        line(Field::Expires, &Time(self.expires));
        line(Field::IdentityKey, &PublicKey(self.identity));
        line(Field::TlsKey, &self.keys.tls);
        line(Field::ReceiptKey, &PublicKey(self.keys.receipts));
        line(Field::CheckpointKey, &PublicKey(self.keys.checkpoints));
        line(Field::HpkeKey, &self.keys.hpke);
        text
    }

    /// The number of the terms that follow these: the next, or `least` where that is above it.
    #[must_use]
    pub fn next_number(&self, least: u64) -> u64 {
        // Behind the last number there is none: number 0 is refused.
        let next = self.number.checked_add(1);
        next.map_or(0, |next| next.max(least))
    }

    /// The terms that follow these, of this [number](Self::next_number), with other keys. Those
    /// before stay in force until they expire, unless `revoke` says that they do not.
    #[must_use]
    pub fn succeed(
        &self,
        number: u64,
        keys: NodeKeys,
        (not_before, expires): (u64, u64),
        revoke: bool,
    ) -> Self {
        Self {
            number,
            first_valid: if revoke { number } else { self.first_valid },
            not_before,
            expires,
            keys,
            ..self.clone()
        }
    }

    /// The key that verifies the checkpoints of this member's ledger.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`], of which no [`Name`] is the cause.
    pub fn ledger_key(&self) -> Result<NoteKey, NoteError> {
        let ledger = ledger_name(self.consortium.as_str(), self.member.as_str())?;
        Ok(NoteKey::new(ledger, self.keys.checkpoints))
    }

    /// These terms signed by the node's own keys, which shows that the node has them. The identity
    /// signs it where that is kept: [`Delegation::sign`].
    ///
    /// # Errors
    ///
    /// [`ReadError`] where the terms are such as no delegation can have, or the keys others.
    pub fn request(
        &self,
        receipts: &SigningKey,
        checkpoints: &SigningKey,
    ) -> Result<String, ReadError> {
        let mut note = Note::new(&self.text())?;
        note.sign(&self.key_name()?, receipts);
        note.sign(&self.key_name()?, checkpoints);
        Self::parse(note.text())?.check_possession(&note)?;
        Ok(note.to_string())
    }

    fn parse(text: &str) -> Result<Self, LineError> {
        let mut lines = Lines::new(DELEGATION, text)?;
        let mut seen = Keys::default();
        let consortium = lines.value(Field::Consortium)?;
        let member = lines.value(Field::Member)?;
        let number = lines.value(Field::Number)?;
        let first_valid = lines.value(Field::FirstValid)?;
        if !(1..=number).contains(&first_valid) {
            return Err(lines.error(Field::FirstValid, Fault::Value));
        }
        let (not_before, expires) = read_lifetime(&mut lines, MAX_DELEGATION_LIFETIME)?;
        let mut signing_key = |lines: &mut Lines<'_>, field| {
            let PublicKey(key) = lines.value(field)?;
            lines.signing_key(&mut seen, field, &key)?;
            Ok(key)
        };
        let identity = signing_key(&mut lines, Field::IdentityKey)?;
        let tls = lines.value(Field::TlsKey)?;
        let tls_line = lines.error(Field::TlsKey, Fault::KeyTwice);
        let receipts = signing_key(&mut lines, Field::ReceiptKey)?;
        let checkpoints = signing_key(&mut lines, Field::CheckpointKey)?;
        let hpke: HpkeKey = lines.value(Field::HpkeKey)?;
        lines.key(&mut seen, Field::HpkeKey, &hpke.0)?;
        // Of the TLS key there is a hash only, which still shows whether it is one of the others.
        let others = [&identity, &receipts, &checkpoints];
        if others.iter().any(|key| tls == ed25519_spki(key)) {
            return Err(tls_line);
        }
        lines.finish()?;
        Ok(Self {
            consortium,
            member,
            number,
            first_valid,
            not_before,
            expires,
            identity,
            keys: NodeKeys {
                tls,
                receipts,
                checkpoints,
                hpke,
            },
        })
    }

    fn key_name(&self) -> Result<KeyName, ReadError> {
        Ok(KeyName::new(self.member.as_str())?)
    }

    fn check_signature(&self, note: &Note, key: VerifyingKey) -> Result<(), ReadError> {
        note.verify(&[NoteKey::new(self.key_name()?, key)])?;
        Ok(())
    }

    /// Checks that the keys that can sign did: nobody gives out another's key as his own.
    fn check_possession(&self, note: &Note) -> Result<(), ReadError> {
        self.check_signature(note, self.keys.receipts)?;
        self.check_signature(note, self.keys.checkpoints)
    }
}

impl Delegation {
    /// Signs what [`Terms::request`] gave with the identity key.
    ///
    /// # Errors
    ///
    /// [`ReadError`] as in [`Self::read`], e.g. where `identity` is not the key of the terms.
    pub fn sign(request: &[u8], identity: &SigningKey) -> Result<Self, ReadError> {
        let mut note = Note::parse(request)?;
        let terms = Terms::parse(note.text())?;
        terms.check_possession(&note)?;
        note.sign(&terms.key_name()?, identity);
        Self::read(note.to_string().as_bytes())
    }

    /// Reads a delegation and checks the signatures of the identity and of the keys that sign.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with the line that is wrong or what is wrong with a signature.
    pub fn read(delegation: &[u8]) -> Result<Self, ReadError> {
        if delegation.len() > MAX_DELEGATION {
            return Err(NoteError::TooLong.into());
        }
        let note = Note::parse(delegation)?;
        let terms = Terms::parse(note.text())?;
        terms.check_signature(&note, terms.identity)?;
        terms.check_possession(&note)?;
        Ok(Self { terms, note })
    }

    /// What the ledger records of it: the SHA-256 of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.note.text().as_bytes())
    }

    /// Checks that this is, by `roster`, the delegation of a member, in force at a time in seconds
    /// of Unix time. Says nothing about revocation.
    ///
    /// # Errors
    ///
    /// [`DelegationError::OtherConsortium`], `UnknownMember`, `OtherIdentity`, `NotYetValid` or
    /// `Expired`, in this order.
    pub fn check(&self, roster: &Roster, at: u64) -> Result<MemberId, DelegationError> {
        if self.consortium != roster.consortium {
            return Err(DelegationError::OtherConsortium);
        }
        let member = roster.members.get(&self.member);
        let member = member.ok_or(DelegationError::UnknownMember)?;
        if member.identity != self.identity {
            Err(DelegationError::OtherIdentity)
        } else if self.not_before > at.saturating_add(CLOCK_TOLERANCE) {
            Err(DelegationError::NotYetValid)
        } else if at >= self.expires {
            Err(DelegationError::Expired)
        } else {
            Ok(MemberId::of(&roster.consortium, &member.name))
        }
    }
}

impl Deref for Delegation {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}

impl fmt::Display for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl From<ReadError> for DelegationError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for DelegationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::OtherConsortium => f.write_str("the delegation is of another consortium"),
            Self::UnknownMember => f.write_str("the delegation is of no member of the roster"),
            Self::OtherIdentity => {
                f.write_str("the delegation is signed by an identity that the roster does not name")
            }
            Self::Revoked => f.write_str("the delegation is revoked"),
            Self::Fork { number } => {
                write!(f, "two delegations of number {number} have been signed")
            }
            Self::NotYetValid => f.write_str("the delegation is not yet in force"),
            Self::Expired => f.write_str("the delegation has expired"),
        }
    }
}

impl std::error::Error for DelegationError {}

/// What a delegation names of a TLS key: the SHA-256 of its SubjectPublicKeyInfo (`spec/41` §6).
#[must_use]
pub fn ed25519_spki(key: &VerifyingKey) -> Digest {
    Digest::of(&[ED25519_SPKI.as_slice(), key.as_bytes()].concat())
}
