//! Why a peer was not asked, or did not answer.

use std::fmt;

use blindmatch_audit::cosignature::QuorumError;
use blindmatch_audit::receipt::ReceiptError;
use blindmatch_policy as policy;
use blindmatch_psi::batch;
use blindmatch_psi::lookup::MatchError;
use blindmatch_psi::stop::{Abort, Fault, Stop};
use blindmatch_store::runs::RunError;
use blindmatch_store::views::ViewError;
use blindmatch_transport::problem::{Kind, Reference};
use blindmatch_transport::{CallError, DialError, PeerAlert, Refusal};

use crate::demo::Outcome;
use crate::error::Error;
use crate::exchange::accept::NotAccepted;
use crate::exchange::{footing, respond};

/// Why a peer was not asked, or did not answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskError {
    /// This node cannot: its home, its keys, its collections.
    Node(Error),
    /// The peer is not reached.
    Unreachable(DialError),
    /// The peer has no version of the protocol in common with this node; which each speaks.
    Version {
        /// This node.
        ours: String,
        /// The peer.
        theirs: String,
    },
    /// A call has no answer.
    Call(CallError),
    /// Too few witnesses are known to hold the peer's ledger against.
    Quorum(QuorumError),
    /// The peer's publication is not used.
    NotAccepted(NotAccepted),
    /// The peer has just shown what contradicts what was accepted of it before; it is recorded.
    Equivocation(NotAccepted),
    /// The peer equivocated before: the record that says so.
    Equivocated(u64),
    /// The own policy refuses.
    Policy(Box<policy::Explained>),
    /// The peer refuses, for a rule in its words, under a reference that stands in its log.
    Refused(String, Reference),
    /// What the peer answers to a proposal is neither its completion nor its refusal.
    Answer,
    /// There is more to ask for than a run may have.
    TooMuch,
    /// The peer's publication, of so many bytes, is on its way and was not waited for.
    Preparing(u64),
    /// The connection is gone, and so were those after it. The run goes on the next time.
    Lost,
    /// The run stopped.
    Stopped(Stop),
    /// The run cannot go on, and was ended.
    GivenUp,
    /// An earlier run at this view is not over, and the publication that it is about must stay.
    Unfinished,
    /// A fault of a session.
    Session(Fault),
    /// The receipt does not hold.
    Receipt(ReceiptError),
    /// What was paid for cannot be looked up.
    Matches(MatchError),
    /// What a run of batch stored cannot be compared.
    Whole(batch::MatchError),
    /// A part of this program broke down.
    Panicked,
}

impl AskError {
    /// Whether one side is no member any more, by the roster of the other.
    pub(in crate::exchange) const fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(
                DialError::UnknownMember | DialError::Refused(Refusal::Alert(PeerAlert::NoMember))
            )
        )
    }

    /// How a pair ended that ended so.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let reason = match self.next() {
            Some(next) => format!("{self}; {next}"),
            None => self.to_string(),
        };
        match self {
            Self::Preparing(bytes) => Outcome::Preparing(*bytes),
            Self::Policy(_) => Outcome::Refused(reason),
            Self::Refused(rule, _) if policy::Refusal::left_by(rule).is_some() => {
                Outcome::Budget(reason)
            }
            Self::Refused(..) => Outcome::Refused(reason),
            Self::Stopped(Stop::PeerAborted(Abort::Budget)) => Outcome::Budget(reason),
            Self::Call(CallError::Refused(problem)) => match problem.kind {
                Kind::NotAllowed => Outcome::Refused(reason),
                Kind::Budget => Outcome::Budget(reason),
                Kind::Timeout | Kind::Unavailable => Outcome::Unreachable(reason),
                _ => Outcome::Failed(reason),
            },
            Self::Unreachable(DialError::OwnCertificate) => Outcome::Failed(reason),
            error if error.is_removal() => Outcome::Refused(reason),
            Self::Equivocated(_) => Outcome::Refused(reason),
            Self::Unreachable(_) | Self::Lost | Self::Call(CallError::Failed(_)) => {
                Outcome::Unreachable(reason)
            }
            _ => Outcome::Failed(reason),
        }
    }
}

impl AskError {
    /// What to do about it, where that is more than to ask again another time.
    fn next(&self) -> Option<String> {
        let next = match self {
            Self::Node(error) => return error.hints().into_iter().next(),
            Self::Policy(explained) => return Some(explained.next.clone()),
            Self::NotAccepted(NotAccepted::Ledger(_)) => {
                "its ledger is an older copy, or is told differently to others: tell its operator and an \
                 administrator; nothing of it was used"
            }
            Self::NotAccepted(_) => "nothing of it was used: tell its operator",
            Self::Version { .. } => "the one with the older version installs the newer",
            Self::Call(CallError::Refused(problem)) => match problem.kind {
                Kind::NotNow if problem.rule == footing::BEHIND => {
                    "its ledger is an older copy, or was restored elsewhere: tell its operator"
                }
                Kind::NotNow if problem.rule == respond::UNKNOWN_KEY => {
                    "it was restored without a delegation that was made after the backup: tell its operator"
                }
                Kind::NotNow => {
                    "its newest publication waits for its witnesses: ask again in some minutes"
                }
                Kind::NotFound | Kind::EpochOver => "what it serves has changed: ask again",
                Kind::Busy => "ask again in some minutes",
                Kind::Internal => "its log has more, by the reference: tell its operator",
                _ => return None,
            },
            Self::Unreachable(error) => return unreachable_next(error).map(str::to_owned),
            Self::Quorum(_) => {
                "they are known once they were met: ask again when more of the members serve"
            }
            Self::Answer | Self::Session(_) | Self::Receipt(_) | Self::Matches(_) => {
                "nothing of it was used: tell its operator"
            }
            Self::Stopped(Stop::PeerAborted(Abort::Internal)) => {
                "its log has more: tell its operator; the run goes on the next time"
            }
            _ => return None,
        };
        Some(next.to_owned())
    }
}

/// What to do about a node that is not reached.
fn unreachable_next(error: &DialError) -> Option<&'static str> {
    let DialError::Refused(refusal) = error else {
        return match error {
            DialError::UnknownMember => Some("see who is one: blindmatch roster show"),
            DialError::Unreachable(_) | DialError::Timeout => {
                Some("does it serve, at the address in the roster? ask its operator")
            }
            DialError::OwnCertificate => Some("make new node keys: blindmatch keys rotate"),
            _ => None,
        };
    };
    match refusal {
        Refusal::Alert(PeerAlert::Expired) => Some(
            "is the clock right? see: date; else the delegation is over: blindmatch keys rotate",
        ),
        Refusal::Alert(PeerAlert::Revoked) => Some("make new node keys: blindmatch keys rotate"),
        Refusal::Alert(PeerAlert::NoMember) => Some(
            "ask an administrator for the newest roster, and install it: blindmatch roster install FILE",
        ),
        Refusal::Alert(PeerAlert::UnknownKey) => {
            Some("is the card in the roster this node's? see: blindmatch card")
        }
        Refusal::Ended => Some(
            "it refuses this node, or has no room for it: are roster, keys and clock right? see: \
             blindmatch status; its log says why: ask its operator",
        ),
        Refusal::Certificate(_) => Some(
            "install the newest roster: blindmatch roster install FILE; else tell its operator",
        ),
        _ => None,
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Unreachable(DialError::UnknownMember) => {
                f.write_str("the roster in force does not list it: it is no member any more")
            }
            Self::Unreachable(error) => error.fmt(f),
            Self::Version { ours, theirs } => write!(
                f,
                "no version of the protocol in common: we speak {ours}, the peer {theirs}; the older \
                 release has to be replaced"
            ),
            Self::Call(error) => error.fmt(f),
            Self::Quorum(error) => error.fmt(f),
            Self::NotAccepted(error) => error.fmt(f),
            Self::Equivocation(error) => write!(
                f,
                "the peer tells two stories: {error}; it is recorded, and the peer is asked nothing more \
                 before an operator says so"
            ),
            Self::Equivocated(record) => write!(
                f,
                "the peer told two stories, by record {record} of this node's ledger: it is asked \
                 nothing before an operator says so (blindmatch roster readmit)"
            ),
            Self::Policy(explained) => {
                write!(f, "our own policy refuses: {}", explained.what)
            }
            Self::Refused(rule, reference) => {
                write!(
                    f,
                    "the peer's policy refuses: {rule} (reference {reference})"
                )
            }
            Self::Preparing(bytes) => write!(f, "a publication of {bytes} bytes is on its way"),
            Self::Answer => f.write_str("the peer's answer is not one to what was proposed"),
            Self::TooMuch => f.write_str("more is asked for than one run may ask for"),
            Self::Lost => f.write_str("the connection broke off; the run goes on the next time"),
            Self::Stopped(stop) => write!(f, "the run stopped: {stop}"),
            Self::GivenUp => f.write_str("the run could not go on, and was given up"),
            Self::Unfinished => f.write_str("an earlier run at this view is not over yet"),
            Self::Session(fault) => fault.fmt(f),
            Self::Receipt(error) => error.fmt(f),
            Self::Matches(error) => error.fmt(f),
            Self::Whole(error) => error.fmt(f),
            Self::Panicked => f.write_str("a part of this program broke down"),
        }
    }
}

impl std::error::Error for AskError {}

impl From<Error> for AskError {
    fn from(error: Error) -> Self {
        Self::Node(error)
    }
}

impl From<RunError> for AskError {
    fn from(error: RunError) -> Self {
        Self::Node(error.into())
    }
}

impl From<ViewError> for AskError {
    fn from(error: ViewError) -> Self {
        Self::Node(error.into())
    }
}

impl From<CallError> for AskError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<DialError> for AskError {
    fn from(error: DialError) -> Self {
        Self::Unreachable(error)
    }
}

impl From<MatchError> for AskError {
    fn from(error: MatchError) -> Self {
        Self::Matches(error)
    }
}
