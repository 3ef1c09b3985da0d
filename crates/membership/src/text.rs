//! Lines `field: value` in a fixed order, which is all that rosters, cards and delegations are made
//! of (`spec/41-membership.md` §1).

use std::{collections::BTreeSet, fmt, str::FromStr};

use blindmatch_audit::{VerifyingKey, note::NoteError};

/// A field of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The first line, which says what kind of text it is.
    Kind,
    /// The empty line before a member.
    Blank,
    /// Nothing: the text is over.
    End,
    /// `consortium`
    Consortium,
    /// `number`
    Number,
    /// `previous`
    Previous,
    /// `not-before`
    NotBefore,
    /// `expires`
    Expires,
    /// `signatures`
    Signatures,
    /// `roster-key`
    RosterKey,
    /// `next-signatures`
    NextSignatures,
    /// `next-key`
    NextKey,
    /// `witness-quorum`
    WitnessQuorum,
    /// `canonicalisation`
    Canonicalisation,
    /// `table`
    Table,
    /// `exclusions`
    Exclusions,
    /// `member`
    Member,
    /// `role`
    Role,
    /// `witness`
    Witness,
    /// `address`
    Address,
    /// `identity-key`
    IdentityKey,
    /// `hpke-key`
    HpkeKey,
    /// `first-valid`
    FirstValid,
    /// `tls-key`
    TlsKey,
    /// `receipt-key`
    ReceiptKey,
    /// `checkpoint-key`
    CheckpointKey,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The field does not stand there.
    Missing,
    /// The value is not in its form, or not in the one way in which it is written.
    Value,
    /// The lines of a list do not ascend, or one stands there twice.
    Order,
    /// The key stands elsewhere in the text already.
    KeyTwice,
    /// More of these than a text may have.
    TooMany,
    /// The end is not behind the beginning, or too far behind.
    Lifetime,
    /// More signatures asked for than there are keys, or not as many keys as said.
    Threshold,
    /// A witness that is no provider.
    Witness,
    /// A quorum that the owner of a ledger cannot reach with the other witnesses.
    Quorum,
}

/// A line of a text that is not as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// The field that stands there, or that should.
    pub field: Field,
    /// What is wrong.
    pub fault: Fault,
}

/// Why bytes are no roster, card or delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// They are no signed note, or the signature that they need does not hold.
    Note(NoteError),
    /// A line of the text.
    Line(LineError),
}

/// Reads lines, one field after another.
pub(crate) struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

/// The keys of a text, of which none stands there twice.
#[derive(Default)]
pub(crate) struct Keys(BTreeSet<[u8; 32]>);

impl<'a> Lines<'a> {
    /// The lines of a text whose first is `kind`.
    pub(crate) fn new(kind: &str, text: &'a str) -> Result<Self, LineError> {
        let mut lines = Lines {
            rest: text,
            line: 0,
        };
        match lines.take() {
            Some(line) if line == kind => Ok(lines),
            _ => Err(lines.error(Field::Kind, Fault::Missing)),
        }
    }

    /// The value of the next line, which is that of `field`, written as it displays.
    pub(crate) fn value<T: FromStr + fmt::Display>(
        &mut self,
        field: Field,
    ) -> Result<T, LineError> {
        let line = self.take();
        let value = line
            .and_then(|line| line.strip_prefix(field.name()))
            .and_then(|line| line.strip_prefix(": "))
            .ok_or_else(|| self.error(field, Fault::Missing))?;
        value
            .parse()
            .ok()
            .filter(|parsed: &T| parsed.to_string() == value)
            .ok_or_else(|| self.error(field, Fault::Value))
    }

    /// The value of the next line if that is one of `field`, of which there were `so_far` and may
    /// be `limit`.
    pub(crate) fn repeated<T: FromStr + fmt::Display>(
        &mut self,
        field: Field,
        so_far: usize,
        limit: usize,
    ) -> Result<Option<T>, LineError> {
        let follows = self
            .rest
            .strip_prefix(field.name())
            .is_some_and(|rest| rest.starts_with(':'));
        if !follows {
            return Ok(None);
        }
        let value = self.value(field)?;
        if so_far < limit {
            Ok(Some(value))
        } else {
            Err(self.error(field, Fault::TooMany))
        }
    }

    /// Whether the text is over.
    pub(crate) const fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes an empty line.
    pub(crate) fn blank(&mut self) -> Result<(), LineError> {
        match self.take() {
            Some("") => Ok(()),
            _ => Err(self.error(Field::Blank, Fault::Missing)),
        }
    }

    /// Ends the text.
    pub(crate) fn finish(mut self) -> Result<(), LineError> {
        match self.take() {
            None => Ok(()),
            Some(_) => Err(self.error(Field::End, Fault::Missing)),
        }
    }

    /// The number of the line that was read last.
    pub(crate) const fn number(&self) -> usize {
        self.line
    }

    /// An error of the line that was read last.
    pub(crate) const fn error(&self, field: Field, fault: Fault) -> LineError {
        LineError {
            line: self.line,
            field,
            fault,
        }
    }

    /// Notes a key of the line that was read last.
    pub(crate) fn key(
        &self,
        keys: &mut Keys,
        field: Field,
        key: &[u8; 32],
    ) -> Result<(), LineError> {
        if keys.0.insert(*key) {
            Ok(())
        } else {
            Err(self.error(field, Fault::KeyTwice))
        }
    }

    /// Notes an Ed25519 key of the line that was read last, in both forms in which it could serve.
    pub(crate) fn signing_key(
        &self,
        keys: &mut Keys,
        field: Field,
        key: &VerifyingKey,
    ) -> Result<(), LineError> {
        self.key(keys, field, key.as_bytes())?;
        self.key(keys, field, key.to_montgomery().as_bytes())
    }

    /// The next line; only the end of a text has none.
    fn take(&mut self) -> Option<&'a str> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n')?;
        self.rest = rest;
        Some(line)
    }
}

impl Field {
    /// What stands before the colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Blank => "empty line",
            Self::End => "end",
            Self::Consortium => "consortium",
            Self::Number => "number",
            Self::Previous => "previous",
            Self::NotBefore => "not-before",
            Self::Expires => "expires",
            Self::Signatures => "signatures",
            Self::RosterKey => "roster-key",
            Self::NextSignatures => "next-signatures",
            Self::NextKey => "next-key",
            Self::WitnessQuorum => "witness-quorum",
            Self::Canonicalisation => "canonicalisation",
            Self::Table => "table",
            Self::Exclusions => "exclusions",
            Self::Member => "member",
            Self::Role => "role",
            Self::Witness => "witness",
            Self::Address => "address",
            Self::IdentityKey => "identity-key",
            Self::HpkeKey => "hpke-key",
            Self::FirstValid => "first-valid",
            Self::TlsKey => "tls-key",
            Self::ReceiptKey => "receipt-key",
            Self::CheckpointKey => "checkpoint-key",
        }
    }

    /// What its value looks like.
    #[must_use]
    pub const fn form(self) -> &'static str {
        match self {
            Self::Kind => "the kind and version of the text, e.g. `blindmatch roster v1`",
            Self::Blank => "an empty line and a member behind it",
            Self::End => "nothing more",
            Self::Consortium | Self::Member => {
                "a name of a-z, 0-9, `-` and `.`, of at most 63 characters"
            }
            Self::Number | Self::FirstValid => "a number from 1, `first-valid` at most `number`",
            Self::Previous => {
                "the SHA-256 of the text of the roster before in hexadecimal, or `none` in number 1"
            }
            Self::NotBefore | Self::Expires => "a time such as `2027-01-31T00:00:00Z`",
            Self::Signatures | Self::NextSignatures => "how many of how many keys, e.g. `2 of 3`",
            Self::RosterKey | Self::NextKey => {
                "a key as `blindmatch roster keygen --name NAME FILE` prints it"
            }
            Self::WitnessQuorum => "`more than half` or a number from 1",
            Self::Canonicalisation => "a type of indicator and a version from 1, e.g. `ip 1`",
            Self::Table | Self::Exclusions => "a name and a SHA-256 in hexadecimal",
            Self::Role => "`provider` or `liaison`",
            Self::Witness => "`yes` or `no`",
            Self::Address => "HOST:PORT, the host in lower case, an IPv6 address in brackets",
            Self::IdentityKey | Self::ReceiptKey | Self::CheckpointKey => {
                "an Ed25519 public key in base64"
            }
            Self::HpkeKey => "an X25519 public key in base64",
            Self::TlsKey => "the SHA-256 of a SubjectPublicKeyInfo in hexadecimal",
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, form) = (self.field.name(), self.field.form());
        write!(f, "line {}: ", self.line)?;
        match self.fault {
            Fault::Missing => match self.field {
                Field::Kind | Field::Blank | Field::End => write!(f, "expected {form}"),
                _ => write!(f, "expected `{name}: ` and {form}"),
            },
            Fault::Value => write!(f, "`{name}` must be {form}"),
            Fault::Order => write!(f, "`{name}` out of order, or twice"),
            Fault::KeyTwice => write!(f, "the key of `{name}` stands in the text already"),
            Fault::TooMany => write!(f, "too many lines `{name}`"),
            Fault::Lifetime => write!(
                f,
                "`{name}` is not after `not-before`, or too long after it"
            ),
            Fault::Threshold => write!(f, "`{name}` does not fit the number of keys below it"),
            Fault::Witness => f.write_str("only a provider can be a witness"),
            Fault::Quorum => f.write_str(
                "`witness-quorum` cannot be reached: the owner of a ledger does not count",
            ),
        }
    }
}

impl std::error::Error for LineError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Line(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<NoteError> for ReadError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl From<LineError> for ReadError {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}
