//! Requests and answers as plain values.
//!
//! What comes from a peer becomes one of these by `try_from`, which checks every length and number
//! and knows nothing else; what goes to a peer becomes a message of [`exchange`](crate::exchange) by
//! `from`.

use std::fmt;

use bytes::Bytes;

use crate::{exchange as wire, limits};

/// What both nodes speak and hold, of each to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The versions of the protocol that the node speaks, ascending.
    pub versions: Vec<u32>,
    /// The number of the roster that it holds.
    pub roster: u64,
    /// Its own signed delegations, the newest last.
    pub delegations: Vec<Bytes>,
}

/// Asks for a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterRequest {
    /// Its number, 0 for the newest.
    pub number: u64,
}

/// A view that the one who asks may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The type of its indicators.
    pub kind: String,
    /// The canonicalisation version of that type.
    pub canonicalisation: u32,
    /// The purpose class.
    pub purpose: String,
    /// The epoch.
    pub epoch: u64,
    /// The sequence number of the newest publication.
    pub sequence: u64,
}

/// The views of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Views(pub Vec<View>);

/// Asks for the manifest of a view's newest publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRequest {
    /// The view.
    pub view: String,
    /// The last checkpoint of the ledger that was accepted, as it was signed; empty for none.
    pub checkpoint: Bytes,
}

/// A manifest, and that it is in its owner's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The signed manifest.
    pub manifest: Bytes,
    /// The proof of the record, with the checkpoint and its cosignatures (`spec/42-ledger.md` §5).
    pub proof: Bytes,
    /// How the checkpoint goes on from the one that was named: the consistency proof, or the
    /// inclusion proof of `lost`.
    pub consistency: Vec<[u8; 32]>,
    /// What names that checkpoint as lost.
    pub lost: Option<Lost>,
}

/// A record that names a checkpoint as lost (`spec/42-ledger.md` §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its place in the ledger.
    pub index: u64,
    /// Its bytes.
    pub record: Bytes,
}

/// Asks for a publication or a difference, from some place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// The view.
    pub view: String,
    /// The sequence number of the publication.
    pub sequence: u64,
    /// That of the publication that a difference starts from; `None` asks for the whole file.
    pub since: Option<u64>,
    /// How many bytes the one who asks has.
    pub offset: u64,
}

/// A part of a file or a roster.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long the whole is, in bytes.
    pub total: u64,
    /// At least one byte.
    pub data: Bytes,
}

/// Proposes a run (`spec/30-session.md` §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal(pub Bytes);

/// The answer to a [`Proposal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The complete agreement.
    Agreement(Bytes),
    /// A refusal.
    Refusal(Bytes),
}

/// What a member tells another about matches (`spec/70-matches.md` §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told(pub Bytes);

/// A message on the stream of a run.
#[derive(Clone, PartialEq, Eq)]
pub enum RunMessage {
    /// The first of the one that opens the stream: the run id.
    Open([u8; 32]),
    /// A frame of the protocol.
    Frame(Bytes),
    /// How much the peer may have sent, from the beginning on (`spec/60-transport.md` §6).
    Credit(u64),
}

/// A message on a stream of cosigning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessMessage {
    /// What the one that asks calls its request.
    pub id: u32,
    /// The request, or the answer.
    pub content: Witness,
}

/// What a [`WitnessMessage`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A request to cosign.
    Request(Bytes),
    /// What the witness answers.
    Answer(Cosigned),
}

/// What a witness answers to a request to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The HTTP status that C2SP gives it, 200 for a cosignature.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// What is wrong with a message of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A part is missing.
    Missing,
    /// A name is empty or too long.
    Name,
    /// A byte string is empty, too long, or not as long as it has to be.
    Length,
    /// There are more of a kind than allowed.
    TooMany,
    /// A number is none of those that may stand there.
    Number,
    /// It has no place where it came.
    Order,
    /// More was sent than there was credit for, or credit was taken back.
    Credit,
}

impl From<Greeting> for wire::Greeting {
    fn from(greeting: Greeting) -> Self {
        Self {
            versions: greeting.versions,
            roster: greeting.roster,
            delegations: greeting.delegations,
        }
    }
}

impl TryFrom<Option<wire::Greeting>> for Greeting {
    type Error = Malformed;

    fn try_from(greeting: Option<wire::Greeting>) -> Result<Self, Malformed> {
        let wire::Greeting {
            versions,
            roster,
            delegations,
        } = greeting.ok_or(Malformed::Missing)?;
        at_most(limits::VERSIONS, &versions)?;
        if versions.is_empty() || !versions.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Number);
        }
        at_most(limits::DELEGATIONS, &delegations)?;
        for delegation in &delegations {
            filled(limits::DELEGATION, delegation)?;
        }
        Ok(Self {
            versions,
            roster,
            delegations,
        })
    }
}

impl From<RosterRequest> for wire::RosterRequest {
    fn from(request: RosterRequest) -> Self {
        Self {
            number: request.number,
        }
    }
}

impl From<wire::RosterRequest> for RosterRequest {
    fn from(request: wire::RosterRequest) -> Self {
        Self {
            number: request.number,
        }
    }
}

impl From<View> for wire::View {
    fn from(view: View) -> Self {
        Self {
            name: view.name,
            r#type: view.kind,
            canonicalisation: view.canonicalisation,
            purpose: view.purpose,
            epoch: view.epoch,
            sequence: view.sequence,
        }
    }
}

impl TryFrom<wire::View> for View {
    type Error = Malformed;

    fn try_from(view: wire::View) -> Result<Self, Malformed> {
        Ok(Self {
            name: named(view.name)?,
            kind: named(view.r#type)?,
            canonicalisation: view.canonicalisation,
            purpose: named(view.purpose)?,
            epoch: view.epoch,
            sequence: view.sequence,
        })
    }
}

impl From<Views> for wire::ViewsResponse {
    fn from(Views(views): Views) -> Self {
        Self {
            views: views.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::ViewsResponse> for Views {
    type Error = Malformed;

    fn try_from(response: wire::ViewsResponse) -> Result<Self, Malformed> {
        at_most(limits::VIEWS, &response.views)?;
        let views = response.views.into_iter().map(TryInto::try_into);
        Ok(Self(views.collect::<Result<_, _>>()?))
    }
}

impl From<ManifestRequest> for wire::ManifestRequest {
    fn from(request: ManifestRequest) -> Self {
        Self {
            view: request.view,
            checkpoint: request.checkpoint,
        }
    }
}

impl TryFrom<wire::ManifestRequest> for ManifestRequest {
    type Error = Malformed;

    fn try_from(request: wire::ManifestRequest) -> Result<Self, Malformed> {
        if request.checkpoint.len() > limits::CHECKPOINT {
            return Err(Malformed::Length);
        }
        Ok(Self {
            view: named(request.view)?,
            checkpoint: request.checkpoint,
        })
    }
}

impl From<Manifest> for wire::ManifestResponse {
    fn from(manifest: Manifest) -> Self {
        let hashes = manifest.consistency.iter();
        Self {
            manifest: manifest.manifest,
            proof: manifest.proof,
            consistency: hashes.map(|hash| Bytes::copy_from_slice(hash)).collect(),
            lost: manifest
                .lost
                .map(|Lost { index, record }| wire::Lost { index, record }),
        }
    }
}

impl TryFrom<wire::ManifestResponse> for Manifest {
    type Error = Malformed;

    fn try_from(response: wire::ManifestResponse) -> Result<Self, Malformed> {
        filled(limits::MANIFEST, &response.manifest)?;
        filled(limits::PROOF, &response.proof)?;
        at_most(limits::CONSISTENCY, &response.consistency)?;
        let hashes = response.consistency.iter().map(|hash| fixed(hash));
        if let Some(lost) = &response.lost {
            filled(limits::RECORD, &lost.record)?;
        }
        Ok(Self {
            manifest: response.manifest,
            proof: response.proof,
            consistency: hashes.collect::<Result<_, _>>()?,
            lost: response
                .lost
                .map(|wire::Lost { index, record }| Lost { index, record }),
        })
    }
}

impl From<FileRequest> for wire::FileRequest {
    fn from(request: FileRequest) -> Self {
        Self {
            view: request.view,
            sequence: request.sequence,
            since: request.since.unwrap_or(0),
            offset: request.offset,
        }
    }
}

impl TryFrom<wire::FileRequest> for FileRequest {
    type Error = Malformed;

    fn try_from(request: wire::FileRequest) -> Result<Self, Malformed> {
        let since = (request.since != 0).then_some(request.since);
        if since.is_some_and(|since| since >= request.sequence) {
            return Err(Malformed::Number);
        }
        Ok(Self {
            view: named(request.view)?,
            sequence: request.sequence,
            since,
            offset: request.offset,
        })
    }
}

impl From<Chunk> for wire::Chunk {
    fn from(chunk: Chunk) -> Self {
        Self {
            offset: chunk.offset,
            total: chunk.total,
            data: chunk.data,
        }
    }
}

impl TryFrom<wire::Chunk> for Chunk {
    type Error = Malformed;

    fn try_from(chunk: wire::Chunk) -> Result<Self, Malformed> {
        filled(limits::CHUNK, &chunk.data)?;
        let length = u64::try_from(chunk.data.len()).map_err(|_| Malformed::Length)?;
        let end = chunk.offset.checked_add(length).ok_or(Malformed::Number)?;
        if end > chunk.total {
            return Err(Malformed::Number);
        }
        Ok(Self {
            offset: chunk.offset,
            total: chunk.total,
            data: chunk.data,
        })
    }
}

impl From<Proposal> for wire::ProposeRequest {
    fn from(Proposal(proposal): Proposal) -> Self {
        Self { proposal }
    }
}

impl TryFrom<wire::ProposeRequest> for Proposal {
    type Error = Malformed;

    fn try_from(request: wire::ProposeRequest) -> Result<Self, Malformed> {
        filled(limits::AGREEMENT, &request.proposal)?;
        Ok(Self(request.proposal))
    }
}

impl From<Told> for wire::TellRequest {
    fn from(Told(told): Told) -> Self {
        Self { told }
    }
}

impl TryFrom<wire::TellRequest> for Told {
    type Error = Malformed;

    fn try_from(request: wire::TellRequest) -> Result<Self, Malformed> {
        filled(limits::TOLD, &request.told)?;
        Ok(Self(request.told))
    }
}

impl From<Answer> for wire::ProposeResponse {
    fn from(answer: Answer) -> Self {
        use wire::propose_response::Answer as Wire;
        Self {
            answer: Some(match answer {
                Answer::Agreement(agreement) => Wire::Agreement(agreement),
                Answer::Refusal(refusal) => Wire::Refusal(refusal),
            }),
        }
    }
}

impl TryFrom<wire::ProposeResponse> for Answer {
    type Error = Malformed;

    fn try_from(response: wire::ProposeResponse) -> Result<Self, Malformed> {
        use wire::propose_response::Answer as Wire;
        let answer = match response.answer.ok_or(Malformed::Missing)? {
            Wire::Agreement(agreement) => Self::Agreement(agreement),
            Wire::Refusal(refusal) => Self::Refusal(refusal),
        };
        let (Self::Agreement(bytes) | Self::Refusal(bytes)) = &answer;
        filled(limits::AGREEMENT, bytes)?;
        Ok(answer)
    }
}

impl From<RunMessage> for wire::RunMessage {
    fn from(message: RunMessage) -> Self {
        use wire::run_message::Message as Wire;
        Self {
            message: Some(match message {
                RunMessage::Open(run) => Wire::Open(Bytes::copy_from_slice(&run)),
                RunMessage::Frame(frame) => Wire::Frame(frame),
                RunMessage::Credit(credit) => Wire::Credit(credit),
            }),
        }
    }
}

impl TryFrom<wire::RunMessage> for RunMessage {
    type Error = Malformed;

    fn try_from(message: wire::RunMessage) -> Result<Self, Malformed> {
        use wire::run_message::Message as Wire;
        Ok(match message.message.ok_or(Malformed::Missing)? {
            Wire::Open(run) => Self::Open(fixed(&run)?),
            Wire::Frame(frame) => {
                filled(limits::FRAME, &frame)?;
                Self::Frame(frame)
            }
            Wire::Credit(credit) => Self::Credit(credit),
        })
    }
}

impl From<WitnessMessage> for wire::WitnessMessage {
    fn from(message: WitnessMessage) -> Self {
        use wire::witness_message::Message as Wire;
        Self {
            id: message.id,
            message: Some(match message.content {
                Witness::Request(request) => Wire::Request(request),
                Witness::Answer(Cosigned { status, body }) => Wire::Answer(wire::WitnessAnswer {
                    status: status.into(),
                    body,
                }),
            }),
        }
    }
}

impl TryFrom<wire::WitnessMessage> for WitnessMessage {
    type Error = Malformed;

    fn try_from(message: wire::WitnessMessage) -> Result<Self, Malformed> {
        use wire::witness_message::Message as Wire;
        let content = match message.message.ok_or(Malformed::Missing)? {
            Wire::Request(request) => {
                filled(limits::COSIGNING, &request)?;
                Witness::Request(request)
            }
            Wire::Answer(wire::WitnessAnswer { status, body }) => {
                let status = u16::try_from(status).ok();
                let status = status.filter(|status| (100..600).contains(status));
                if body.len() > limits::COSIGNING {
                    return Err(Malformed::Length);
                }
                Witness::Answer(Cosigned {
                    status: status.ok_or(Malformed::Number)?,
                    body,
                })
            }
        };
        Ok(Self {
            id: message.id,
            content,
        })
    }
}

/// Without the data, which may be all of a member's set.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("offset", &self.offset)
            .field("total", &self.total)
            .field("bytes", &self.data.len())
            .finish()
    }
}

/// Frames by their length.
impl fmt::Debug for RunMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open"),
            Self::Frame(frame) => f.debug_tuple("Frame").field(&frame.len()).finish(),
            Self::Credit(credit) => f.debug_tuple("Credit").field(credit).finish(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a part of the message is missing",
            Self::Name => "a name is empty or too long",
            Self::Length => "a part of the message has a wrong length",
            Self::TooMany => "there are too many of a kind",
            Self::Number => "a number is out of its range",
            Self::Order => "the message has no place where it came",
            Self::Credit => "more was sent than there was credit for",
        })
    }
}

impl std::error::Error for Malformed {}

fn named(name: String) -> Result<String, Malformed> {
    if (1..=limits::NAME).contains(&name.len()) {
        Ok(name)
    } else {
        Err(Malformed::Name)
    }
}

fn filled(most: usize, bytes: &[u8]) -> Result<(), Malformed> {
    if (1..=most).contains(&bytes.len()) {
        Ok(())
    } else {
        Err(Malformed::Length)
    }
}

fn at_most<T>(most: usize, items: &[T]) -> Result<(), Malformed> {
    if items.len() > most {
        Err(Malformed::TooMany)
    } else {
        Ok(())
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Length)
}

#[cfg(test)]
mod tests;
