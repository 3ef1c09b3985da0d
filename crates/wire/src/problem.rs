//! Why a call failed: one table from our reasons to gRPC's status codes and back
//! (`spec/60-transport.md` §5).

use std::fmt;

use bytes::Bytes;
use prost::Message;
use tonic::metadata::{BinaryMetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::{Malformed, exchange as wire, limits};

/// The metadata that a [`Problem`] travels in.
pub const METADATA: &str = "blindmatch-problem-bin";

/// Why a call failed, for both operators. It names no indicator, and nothing of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of reason it is.
    pub kind: Kind,
    /// Whose rule it is.
    pub side: Side,
    /// The name of the rule that refused, at most [`limits::RULE`] bytes; may be empty.
    pub rule: String,
    /// What both operators can quote to each other.
    pub reference: Option<Reference>,
}

/// What operators quote to each other: it displays as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(pub [u8; 8]);

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request is none that the service reads.
    Malformed,
    /// A policy refuses.
    NotAllowed,
    /// There is no such thing, or none for the one who asks.
    NotFound,
    /// A budget does not cover it.
    Budget,
    /// Too much at once: come back later.
    Busy,
    /// It cannot be done in the present state.
    NotNow,
    /// The epoch of the view's key has ended.
    EpochOver,
    /// No version in common.
    Version,
    /// It took too long.
    Timeout,
    /// The node is starting or ending, or cannot be reached.
    Unavailable,
    /// A fault of the node's own.
    Internal,
}

/// Whose rule a [`Problem`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Of the one that asks.
    Asking,
    /// Of the one that answers.
    Answering,
}

impl Problem {
    /// A problem of the side that answers, without a rule or a reference.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            side: Side::Answering,
            rule: String::new(),
            reference: None,
        }
    }

    /// The same, by a rule.
    #[must_use]
    pub fn by_rule(self, rule: impl Into<String>) -> Self {
        let mut rule = rule.into();
        rule.truncate(rule.floor_char_boundary(limits::RULE));
        Self { rule, ..self }
    }

    /// The same, with a reference to quote.
    #[must_use]
    pub fn with_reference(self, reference: Reference) -> Self {
        Self {
            reference: Some(reference),
            ..self
        }
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

impl From<Malformed> for Problem {
    fn from(_: Malformed) -> Self {
        Self {
            side: Side::Asking,
            ..Self::new(Kind::Malformed)
        }
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let message = wire::Problem {
            kind: wire::problem::Kind::from(problem.kind).into(),
            side: match problem.side {
                Side::Asking => wire::problem::Side::Asking,
                Side::Answering => wire::problem::Side::Answering,
            }
            .into(),
            rule: problem.rule,
            reference: problem
                .reference
                .map_or_else(Bytes::new, |Reference(id)| Bytes::copy_from_slice(&id)),
        };
        let mut metadata = MetadataMap::new();
        metadata.insert_bin(
            BinaryMetadataKey::from_static(METADATA),
            MetadataValue::from_bytes(&message.encode_to_vec()),
        );
        Self::with_metadata(problem.kind.code(), problem.kind.text(), metadata)
    }
}

/// What a status says. One without a [`Problem`] in it is not of the peer's handlers but of gRPC
/// itself, on either side; its code says what is known.
impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        read(status.metadata()).unwrap_or_else(|| {
            Self::new(match status.code() {
                Code::InvalidArgument | Code::OutOfRange => Kind::Malformed,
                Code::PermissionDenied | Code::Unauthenticated => Kind::NotAllowed,
                Code::NotFound => Kind::NotFound,
                Code::ResourceExhausted => Kind::Busy,
                Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => Kind::NotNow,
                Code::Unimplemented => Kind::Version,
                Code::DeadlineExceeded => Kind::Timeout,
                // Unknown is a connection that broke.
                Code::Unavailable | Code::Cancelled | Code::Unknown => Kind::Unavailable,
                Code::Ok | Code::Internal | Code::DataLoss => Kind::Internal,
            })
        })
    }
}

fn read(metadata: &MetadataMap) -> Option<Problem> {
    let bytes = metadata.get_bin(METADATA)?.to_bytes().ok()?;
    if bytes.len() > limits::PROBLEM {
        return None;
    }
    let message = wire::Problem::decode(bytes).ok()?;
    if message.rule.len() > limits::RULE || message.rule.chars().any(char::is_control) {
        return None;
    }
    Some(Problem {
        kind: Kind::read(message.kind())?,
        side: match message.side() {
            wire::problem::Side::Unspecified => return None,
            wire::problem::Side::Asking => Side::Asking,
            wire::problem::Side::Answering => Side::Answering,
        },
        reference: match &*message.reference {
            [] => None,
            id => Some(Reference(id.try_into().ok()?)),
        },
        rule: message.rule,
    })
}

impl Kind {
    /// The status code that gRPC knows it by.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed => Code::InvalidArgument,
            Self::NotAllowed => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Budget | Self::Busy => Code::ResourceExhausted,
            Self::NotNow | Self::EpochOver => Code::FailedPrecondition,
            Self::Version => Code::Unimplemented,
            Self::Timeout => Code::DeadlineExceeded,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// Its name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::NotFound => "not_found",
            Self::Budget => "budget",
            Self::Busy => "busy",
            Self::NotNow => "not_now",
            Self::EpochOver => "epoch_over",
            Self::Version => "version",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Malformed => "the request is malformed",
            Self::NotAllowed => "not allowed",
            Self::NotFound => "there is no such thing",
            Self::Budget => "the budget does not cover it",
            Self::Busy => "too much at once",
            Self::NotNow => "not in the present state",
            Self::EpochOver => "the epoch has ended",
            Self::Version => "no version in common",
            Self::Timeout => "it took too long",
            Self::Unavailable => "the node cannot be reached, or is starting or ending",
            Self::Internal => "a fault of the node's own",
        }
    }

    const fn read(kind: wire::problem::Kind) -> Option<Self> {
        use wire::problem::Kind as Wire;
        Some(match kind {
            Wire::Unspecified => return None,
            Wire::Malformed => Self::Malformed,
            Wire::NotAllowed => Self::NotAllowed,
            Wire::NotFound => Self::NotFound,
            Wire::Budget => Self::Budget,
            Wire::Busy => Self::Busy,
            Wire::NotNow => Self::NotNow,
            Wire::EpochOver => Self::EpochOver,
            Wire::Version => Self::Version,
            Wire::Timeout => Self::Timeout,
            Wire::Unavailable => Self::Unavailable,
            Wire::Internal => Self::Internal,
        })
    }
}

impl From<Kind> for wire::problem::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Malformed => Self::Malformed,
            Kind::NotAllowed => Self::NotAllowed,
            Kind::NotFound => Self::NotFound,
            Kind::Budget => Self::Budget,
            Kind::Busy => Self::Busy,
            Kind::NotNow => Self::NotNow,
            Kind::EpochOver => Self::EpochOver,
            Kind::Version => Self::Version,
            Kind::Timeout => Self::Timeout,
            Kind::Unavailable => Self::Unavailable,
            Kind::Internal => Self::Internal,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.side {
            Side::Asking => "the side that asks",
            Side::Answering => "the side that answers",
        };
        self.kind.fmt(f)?;
        if !self.rule.is_empty() {
            write!(f, ", by rule {} of {whose}", self.rule)?;
        }
        if let Some(reference) = self.reference {
            write!(f, " (reference {reference})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests;
