//! What can go wrong in a command, what to type next, and how the process ends.

mod hints;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use blindmatch_audit::checkpoint::{CheckpointError, SuccessionError};
use blindmatch_audit::codec::DecodeError;
use blindmatch_audit::note::NoteError;
use blindmatch_audit::proof::RecordProofError;
use blindmatch_feeds::ExclusionError;
use blindmatch_membership::{DelegationError, Digest, LineError, Name, ReadError, RosterError};
use blindmatch_policy::Fault;
use blindmatch_store::backup::BackupError;
use blindmatch_store::collection::{CollectionError, CollectionName};
use blindmatch_store::home::HomeError;
use blindmatch_store::index::FactsError;
use blindmatch_store::keys::KeyError;
use blindmatch_store::ledger::LedgerError;
use blindmatch_store::moment::Moment;
use blindmatch_store::runs::RunError;
use blindmatch_store::views::ViewError;
use blindmatch_transport::CredentialsError;

use crate::config::ConfigError;
use crate::exported::ExportFault;
use crate::ledger::exported::ExportedError;
use crate::ledger::shown::Shown;
use crate::payment::PaymentKeyId;
use crate::payment::wrapped::{Passage, WrapError};
use crate::recorded::Unknown;

/// Why a command ended without its result.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The home does not open.
    Home(HomeError),
    /// An `init` was cut short in this directory.
    Unfinished(PathBuf),
    /// An `init` of another member, or with another role or address, was cut short in this directory.
    BegunAs {
        /// The directory.
        home: PathBuf,
        /// Its member.
        member: Name,
        /// Its consortium.
        consortium: Name,
    },
    /// A file of the home is not what this program writes.
    Damaged(PathBuf),
    /// This node's card is damaged or gone.
    OwnCardLost(PathBuf),
    /// The roster that the node holds, or the fingerprint that it trusts, is damaged.
    Trust(PathBuf),
    /// What is known of the peers' delegations is damaged.
    Peers(PathBuf),
    /// What is known of the peers' delegations is gone.
    PeersLost(PathBuf),
    /// What this node cosigned last of a peer's ledger is gone.
    WitnessedLost(PathBuf),
    /// A key of the home, by name, cannot be read or written.
    Key(String, KeyError),
    /// A file outside the home, or one that the operator wrote, cannot be read or written.
    File(PathBuf, io::Error),
    /// Others than its owner can read a file with a secret; its permissions.
    SecretReadable(PathBuf, u32),
    /// A file that should hold a secret does not, or it was changed.
    NoSecret(PathBuf),
    /// The words in a file with an exported key are not those of one.
    Words(PathBuf, ExportFault),
    /// A file holds the storage key of another home.
    OtherStorageKey(PathBuf),
    /// The configuration is wrong.
    Config(PathBuf, ConfigError),
    /// The policy is wrong: every fault, in the order of the file.
    Policy(PathBuf, Vec<Fault>),
    /// The file of the policy is gone.
    NoPolicy(PathBuf),
    /// A name that no administrator's key can have.
    KeyName(String),
    /// A file that should hold a public key does not.
    PublicKey(PathBuf),
    /// A file is no card.
    Card(PathBuf, ReadError),
    /// A file is no request for a delegation, or no delegation.
    Delegation(PathBuf, ReadError),
    /// A delegation is not the one that this node requested last.
    OtherDelegation(PathBuf),
    /// A delegation is not one of this member, or another of a number that it has.
    AnothersDelegation(PathBuf),
    /// The delegation that names the keys which this node has is not in the home.
    DelegationMissing(PathBuf),
    /// A file is no roster.
    Roster(PathBuf, ReadError),
    /// What was asked for is no roster.
    Draft(LineError),
    /// The roster would be longer than a note may be.
    RosterTooLong,
    /// Somebody signed this roster, so it is never changed again.
    RosterSigned(PathBuf),
    /// The key, in the second file, is none that signs this roster.
    NotASigner(PathBuf, PathBuf),
    /// The key signed this roster before.
    SignedAlready(PathBuf),
    /// The collections cannot be opened.
    Collections(CollectionError),
    /// Something about this collection failed.
    Collection(CollectionName, CollectionError),
    /// Something has expired or is to be imported for the first time, by a clock that is far ahead
    /// of all that this node did.
    Pause {
        /// The newest import or record of the ledger, in seconds since 1970.
        newest: u64,
        /// What the clock shows.
        now: u64,
    },
    /// A list of exclusions is none.
    Exclusions(String, ExclusionError),
    /// The roster names a list of exclusions that this node lacks.
    ExclusionsMissing(Name, Digest),
    /// A list of exclusions that was added is not what was added.
    ExclusionsChanged(PathBuf),
    /// A list of exclusions was added, and its file is gone.
    ExclusionsLost(Name),
    /// There is a list of exclusions of this name.
    ExclusionsExist(Name),
    /// No list of exclusions of this name was added.
    NoExclusions(Name),
    /// The ledger does not open, or does not take a record.
    Ledger(LedgerError),
    /// The ledger is an older copy of itself: it does not know what this node has since recorded.
    LedgerOlder(Unknown),
    /// A witness showed that the ledger is not the newest there is of this node's.
    NotNewest(Box<Shown>),
    /// So many keys of files open nothing that is here: what they open is gone.
    FilesGone(usize),
    /// The index of the ledger cannot be made again.
    Index(FactsError),
    /// A backup cannot be written, read or restored.
    Backup(PathBuf, BackupError),
    /// A file is no checkpoint.
    Checkpoint(PathBuf, CheckpointError),
    /// The ledger does not go on from a checkpoint of it.
    Known(PathBuf, SuccessionError),
    /// An exported ledger cannot be written, or does not hold.
    Exported(PathBuf, ExportedError),
    /// A proof of a record does not hold.
    Proof(PathBuf, RecordProofError),
    /// There is no key to verify a ledger with.
    NoLedgerKey,
    /// A name that no key can have.
    Name(NoteError),
    /// A name that no record can hold.
    Record(DecodeError),
    /// The identity key is not in the home.
    IdentityOffline,
    /// The identity key is not the one of this node's card.
    OtherIdentity,
    /// What this node says of itself is no card or delegation.
    OwnCard(ReadError),
    /// There is no roster in force.
    NoRoster(RosterError),
    /// The file with the roster that this node holds is gone; the ledger recorded that of this number.
    RosterLost(PathBuf, u64),
    /// A roster is not accepted.
    RosterRefused(PathBuf, RosterError),
    /// There is no record that this member equivocated, or an operator had it asked again.
    NotEquivocated(Name),
    /// The reason for an override is none that may stand in the ledger in clear.
    Why,
    /// The roster that a peer gave is not accepted.
    PeersRoster(RosterError),
    /// Enough keys signed a roster, and none of them is one of the roster that this node holds.
    RosterOfOtherKeys {
        /// The file.
        file: PathBuf,
        /// The number of the roster that is held.
        held: u64,
    },
    /// The roster is of another consortium than this node.
    OtherConsortium {
        /// This node's.
        own: Name,
        /// The roster's.
        given: Name,
    },
    /// A liaison asks nothing and contributes nothing.
    Liaison,
    /// This node has no payment key.
    NoPaymentKey,
    /// This node has another payment key.
    PaymentKeyExists(PaymentKeyId),
    /// A wrapped payment key cannot be read or opened.
    PaymentKeyRefused(PathBuf, WrapError),
    /// A wrapped payment key is not signed by the custodian that was named.
    PaymentKeySignature(PathBuf, NoteError),
    /// A wrapped payment key is for somebody else, or from somebody else.
    PaymentKeyElsewhere(PathBuf, Passage),
    /// The roster has a member of this name.
    MemberExists(Name),
    /// The roster has no member of this name.
    NoMember(Name),
    /// The roster in this file has no member of this name.
    NotInRoster(PathBuf, Name),
    /// This node cosigned no checkpoint of this member's ledger, or the one that it cosigned last, of
    /// so many records, was not kept.
    NotWitnessed(Name, Option<u64>),
    /// A checkpoint that this node cosigned last of a peer's ledger is damaged.
    Witnessed(PathBuf),
    /// No delegation of this member is known here, or none of this number.
    NoDelegation(Name, Option<u64>),
    /// No port of this machine can be listened at.
    Port(io::Error),
    /// A node cannot listen where it is to.
    Listen(SocketAddr, io::Error),
    /// The roster in force does not list this node with the identity that it has.
    NotListed(DelegationError),
    /// The TLS key cannot be used.
    Credentials(CredentialsError),
    /// The clock shows no day on which there is anything to exchange.
    Clock,
    /// Something about a view failed.
    View(ViewError),
    /// Something about a run failed.
    Run(RunError),
    /// No rule lets this peer, the contributor of matches in this view, be told of one.
    FeedbackNotAllowed(String, String),
    /// What an operator wrote about a decision is too long, or has control characters.
    DecisionText,
}

/// How a process ends on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An error.
    Error,
    /// The policy refuses.
    Refused,
    /// The budget is exhausted.
    BudgetExhausted,
}

impl Error {
    /// How the process ends.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        match self {
            Self::FeedbackNotAllowed(..) => Ending::Refused,
            _ => Ending::Error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home(error) => error.fmt(f),
            Self::Unfinished(path) => {
                write!(f, "an earlier `init` did not finish in {}", path.display())
            }
            Self::BegunAs {
                home,
                member,
                consortium,
            } => write!(
                f,
                "an earlier `init` in {} was of {member} of {consortium}, or with another role or \
                 address",
                home.display()
            ),
            Self::Damaged(path) => write!(f, "{} is damaged", path.display()),
            Self::OwnCardLost(path) => {
                write!(f, "{} is damaged or gone: this node's card", path.display())
            }
            Self::Trust(path) => write!(
                f,
                "{} is damaged: the roster that this node holds, or trusts",
                path.display()
            ),
            Self::Peers(path) => write!(
                f,
                "{} is damaged: what is known of the peers' delegations",
                path.display()
            ),
            Self::PeersLost(path) => write!(
                f,
                "{} is gone: what is known of the peers' delegations, by which cosignatures are verified",
                path.display()
            ),
            Self::WitnessedLost(path) => write!(
                f,
                "{} is gone, or older than what this node cosigned last of that ledger",
                path.display()
            ),
            Self::Key(name, error) => write!(f, "keys/{name}: {error}"),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::SecretReadable(path, mode) => write!(
                f,
                "others can read the secret in {} (mode {mode:o})",
                path.display()
            ),
            Self::NoSecret(path) => write!(f, "{} holds no such key", path.display()),
            Self::Words(path, fault) => write!(f, "{}: {fault}", path.display()),
            Self::OtherStorageKey(path) => write!(
                f,
                "{} holds the storage key of another home: nothing was changed",
                path.display()
            ),
            Self::Config(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Policy(path, faults) => {
                write!(f, "{} is no policy", path.display())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
            Self::NoPolicy(path) => write!(f, "{} is gone: this node's policy", path.display()),
            Self::NotInRoster(path, name) => {
                write!(f, "{} has no member {name}", path.display())
            }
            Self::KeyName(name) => {
                write!(
                    f,
                    "`{name}` cannot name a key: it needs printable ASCII without `+`"
                )
            }
            Self::PublicKey(path) => write!(f, "{} holds no public key", path.display()),
            Self::Card(path, error) => write!(f, "{} is no card: {error}", path.display()),
            Self::Delegation(path, error) => write!(f, "{}: {error}", path.display()),
            Self::OtherDelegation(path) => write!(
                f,
                "{} is not the delegation that this node requested last",
                path.display()
            ),
            Self::AnothersDelegation(path) => write!(
                f,
                "{} is no delegation of this member, or another of a number that it has already",
                path.display()
            ),
            Self::DelegationMissing(path) => write!(
                f,
                "{} is missing: it names the keys that this node has, and that sign its ledger",
                path.display()
            ),
            Self::Known(path, error) => write!(
                f,
                "the ledger does not go on from {}: {error}",
                path.display()
            ),
            Self::Roster(path, error) => write!(f, "{} is no roster: {error}", path.display()),
            Self::Draft(error) => write!(f, "that would be no roster: {error}"),
            Self::RosterTooLong => f.write_str("the roster would be longer than 1 MiB"),
            Self::RosterSigned(path) => write!(
                f,
                "{} is signed, and a signed roster is never changed again",
                path.display()
            ),
            Self::NotASigner(roster, key) => write!(
                f,
                "{} is none of the keys that sign {}: its signature would count for nothing",
                key.display(),
                roster.display()
            ),
            Self::SignedAlready(path) => {
                write!(f, "this key signed {} already", path.display())
            }
            Self::Collections(error) => error.fmt(f),
            Self::Collection(name, error) => write!(f, "collection {name}: {error}"),
            Self::Pause { newest, now } => write!(
                f,
                "the clock shows {}, and the newest import or record of this node is of {}: what \
                 expired in between is not destroyed yet, and nothing is imported",
                Moment(*now),
                Moment(*newest)
            ),
            Self::Exclusions(name, error) => write!(f, "{name}: {error}"),
            Self::ExclusionsMissing(name, _) => write!(
                f,
                "the roster names the list of exclusions {name}, which this node lacks"
            ),
            Self::ExclusionsChanged(path) => write!(
                f,
                "{} is not the list that was added: its bytes have changed since, or it was put there \
                 otherwise",
                path.display()
            ),
            Self::ExclusionsLost(name) => write!(
                f,
                "exclusions.added says that the list of exclusions {name} was added, and its file is gone"
            ),
            Self::ExclusionsExist(name) => {
                write!(f, "there is a list of exclusions {name} already")
            }
            Self::NoExclusions(name) => write!(f, "no list of exclusions {name} was added"),
            Self::Ledger(error) => error.fmt(f),
            Self::LedgerOlder(unknown) => write!(
                f,
                "ledger: it does not know {unknown}, which this node recorded and has: it is an older \
                 copy of itself, and what else it lacks may be debits"
            ),
            Self::Index(FactsError::Doubt(doubt)) => {
                write!(f, "index: it was made again and is not believed: {doubt:?}")
            }
            Self::NotNewest(shown) => shown.fmt(f),
            Self::FilesGone(keys) => write!(
                f,
                "folders or files of collections/, views/, runs/ or setups/ are gone that {keys} of the keys \
                 here open"
            ),
            Self::Index(FactsError::Disk(io::ErrorKind::Other)) => {
                f.write_str("index: it cannot be made")
            }
            Self::Index(FactsError::Disk(kind)) => write!(f, "index: {kind}"),
            Self::Index(error) => write!(f, "index: {error:?}"),
            // Each names its file itself.
            Self::Backup(
                _,
                error @ (BackupError::Exists(_)
                | BackupError::Place(_)
                | BackupError::Inside(_)
                | BackupError::Stray(_)
                | BackupError::Collection(_)),
            ) => error.fmt(f),
            Self::Backup(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Checkpoint(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Exported(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Proof(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoLedgerKey => f.write_str("there is no key to verify this ledger with"),
            Self::Name(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::IdentityOffline => f.write_str("the identity key is not in the home"),
            Self::OtherIdentity => f.write_str("that is not the identity key of this node's card"),
            Self::OwnCard(error) => write!(f, "this node's own card or delegation: {error}"),
            Self::NoRoster(error) => error.fmt(f),
            Self::RosterLost(path, number) => write!(
                f,
                "{} is gone, and the ledger recorded that this node holds roster number {number}",
                path.display()
            ),
            Self::RosterRefused(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotEquivocated(name) => {
                write!(f, "no record keeps this node from asking {name}")
            }
            Self::Why => f.write_str(
                "the reason stands in the ledger in clear, and this one may hold an indicator, or is empty, \
                 or longer than 255 bytes",
            ),
            Self::PeersRoster(error) => write!(f, "the roster that a peer gave: {error}"),
            Self::RosterOfOtherKeys { file, held } => write!(
                f,
                "{}: none of the keys of roster number {held}, which this node holds, signed it: those that \
                 did were replaced, or are another's",
                file.display()
            ),
            Self::OtherConsortium { own, given } => write!(
                f,
                "the roster is that of {given}, and this node is of {own}"
            ),
            Self::Liaison => {
                f.write_str("a liaison asks nothing, contributes nothing and holds no payment key")
            }
            Self::NoPaymentKey => f.write_str("this node has no payment key"),
            Self::PaymentKeyExists(id) => write!(f, "this node has a payment key already: {id}"),
            Self::PaymentKeyRefused(path, error) => write!(f, "{}: {error}", path.display()),
            Self::PaymentKeySignature(path, error) => {
                write!(
                    f,
                    "{} is not signed by that member: {error}",
                    path.display()
                )
            }
            Self::PaymentKeyElsewhere(path, passage) => write!(
                f,
                "{} was wrapped by {} for {} of {}",
                path.display(),
                passage.from,
                passage.to,
                passage.consortium
            ),
            Self::MemberExists(name) => write!(f, "the roster has a member {name} already"),
            Self::NoMember(name) => write!(f, "the roster has no member {name}"),
            Self::NotWitnessed(member, None) => {
                write!(f, "this node cosigned no checkpoint of {member}'s ledger")
            }
            Self::NotWitnessed(member, Some(size)) => write!(
                f,
                "the checkpoint of {member}'s ledger that this node cosigned last, of {size} records, was \
                 not kept"
            ),
            Self::Witnessed(path) => write!(
                f,
                "{} is damaged: what this node cosigned last of a peer's ledger",
                path.display()
            ),
            Self::NoDelegation(member, None) => {
                write!(f, "no delegation of {member} is known here")
            }
            Self::NoDelegation(member, Some(number)) => {
                write!(f, "delegation {number} of {member} is not known here")
            }
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Port(error) => write!(f, "cannot listen on 127.0.0.1: {error}"),
            Self::NotListed(error) => {
                write!(f, "this node is no member by the roster in force: {error}")
            }
            Self::Credentials(error) => error.fmt(f),
            Self::Clock => f.write_str("the clock shows a time before 2000 or after 2179"),
            Self::View(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
            Self::FeedbackNotAllowed(peer, view) => write!(
                f,
                "no rule of the policy lets {peer} be told of a match in {view}: feedback shows that \
                 its entry matched"
            ),
            Self::DecisionText => {
                f.write_str("a case or a reason has at most 255 bytes, and no control characters")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Home(error) => Some(error),
            Self::Key(_, error) => Some(error),
            Self::File(_, error) => Some(error),
            Self::Config(_, error) => Some(error),
            Self::Card(_, error) | Self::Roster(_, error) => Some(error),
            Self::Draft(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CollectionError> for Error {
    fn from(error: CollectionError) -> Self {
        Self::Collections(error)
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<FactsError> for Error {
    fn from(error: FactsError) -> Self {
        match error {
            FactsError::Ledger(error) => Self::Ledger(error),
            error => Self::Index(error),
        }
    }
}

impl From<ViewError> for Error {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Ledger(error) => Self::Ledger(error),
            error => Self::Run(error),
        }
    }
}

impl From<HomeError> for Error {
    fn from(error: HomeError) -> Self {
        Self::Home(error)
    }
}
