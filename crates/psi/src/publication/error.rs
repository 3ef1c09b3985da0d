//! What can be wrong: with a peer's file, with its manifest, with our own publication.

use std::{fmt, io};

use blindmatch_audit::codec::DecodeError;

/// What is wrong with a publication or a difference that somebody else made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// Not exactly as long as every file of its class.
    Length,
    /// The header is not of this kind and version, or says otherwise than the manifest.
    Header,
    /// The blocks do not lie one behind the other within their section.
    Index,
    /// A tag of more bits than the view's tags have, or an index of an entry beyond the last.
    Range,
    /// Tags that are not in strictly ascending order.
    Order,
    /// A code that ends before its end or that has a shorter form.
    Code,
    /// Fill bits or bytes that are not zero.
    Padding,
    /// An entry said to be brought by a publication that is not one of the epoch so far.
    Sequence,
    /// The root is not the manifest's.
    Root,
    /// The difference does not lead from this publication to that one.
    Succession,
    /// A difference that puts in what is already there.
    Present,
    /// A block or an audit path that is not of this tree.
    Path,
    /// Queries that are not in ascending order of their outputs.
    Unsorted,
    /// Reading or writing failed.
    Io(io::ErrorKind),
}

/// What is wrong with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not the canonical bytes of a manifest.
    Encoding(DecodeError),
    /// A tag length other than the rule gives.
    TagLength,
    /// Valid for no time at all.
    Validity,
    /// Not valid yet.
    NotYetValid,
    /// Not valid any more.
    Expired,
    /// Another view, epoch, key or parameter than the manifest before.
    OtherView,
    /// A sequence number that an earlier manifest of the view has.
    SequenceUsed,
}

/// Why a view is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// More items than the largest class holds.
    SetTooLarge,
    /// A budget of no queries, or of more than a tag can be long enough for.
    Budget,
    /// A domain with a name of more than 255 bytes.
    Domain,
    /// A sequence number that has sealed before, or is below one that has.
    SequenceUsed,
    /// A reservation, or changes, of another epoch, or from before this one's state was read.
    OtherEpoch,
    /// The epoch has had all its publications or sequence numbers: the next epoch must begin.
    EpochFull,
    /// The epoch's first publication was made already.
    AlreadyPublished,
    /// The epoch's first publication was not made yet.
    NotPublished,
    /// The stored state is not one that was encoded.
    State(DecodeError),
    /// The roll is not the one that the state describes.
    Roll,
    /// The working set is too small to sort in.
    WorkingSet,
    /// Two changes of one order, or one with the order of dummies.
    Order,
    /// Two items have one tag: the view cannot be published under this key.
    SameTag,
    /// A dummy fell on a tag that exists: publish again under another sequence.
    Collision,
    /// The publication to start from is not in order, or the new one cannot be coded.
    File(FileError),
    /// Reading or writing failed.
    Io(io::ErrorKind),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<io::Error> for PublishError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<FileError> for PublishError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(kind) => Self::Io(kind),
            other => Self::File(other),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "not of the length of its class",
            Self::Header => "a header that says otherwise than the manifest",
            Self::Index => "blocks that do not lie one behind the other",
            Self::Range => "a tag or an entry out of range",
            Self::Order => "tags that do not ascend",
            Self::Code => "a code that is cut short or not canonical",
            Self::Padding => "padding that is not zero",
            Self::Sequence => "an entry of a publication that is not of this epoch so far",
            Self::Root => "a root that is not the manifest's",
            Self::Succession => "a difference between other publications",
            Self::Present => "a difference that puts in what is there",
            Self::Path => "a block or path of another tree",
            Self::Unsorted => "queries that do not ascend",
            Self::Io(kind) => return write!(f, "reading or writing failed: {kind}"),
        })
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding(error) => return error.fmt(f),
            Self::TagLength => "a tag length other than the rule gives",
            Self::Validity => "an end of validity before its beginning",
            Self::NotYetValid => "not valid yet",
            Self::Expired => "expired",
            Self::OtherView => "another view, epoch, key or parameter than before",
            Self::SequenceUsed => "a sequence number used before",
        })
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetTooLarge => "more items than the largest class holds",
            Self::Budget => "a budget that no tag length fits",
            Self::Domain => "a name of more than 255 bytes",
            Self::SequenceUsed => "a sequence number used before",
            Self::OtherEpoch => "a reservation or changes of another epoch",
            Self::EpochFull => "no publication left in this epoch",
            Self::AlreadyPublished => "the epoch's first publication exists",
            Self::NotPublished => "the epoch's first publication does not exist yet",
            Self::State(error) => return error.fmt(f),
            Self::Roll => "a roll other than the state describes",
            Self::WorkingSet => "a working set too small to sort in",
            Self::Order => "two changes of one order",
            Self::SameTag => "two items of one tag",
            Self::Collision => "a dummy fell on a tag that exists",
            Self::File(error) => return error.fmt(f),
            Self::Io(kind) => return write!(f, "reading or writing failed: {kind}"),
        })
    }
}

impl std::error::Error for FileError {}
impl std::error::Error for ManifestError {}
impl std::error::Error for PublishError {}
