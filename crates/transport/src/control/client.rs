//! The side of the command.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

pub use blindmatch_wire::control::Progress;
use blindmatch_wire::control::control_client::ControlClient;
use blindmatch_wire::control::run_request::Part as Asked;
use blindmatch_wire::control::run_response::Part as Answered;
use blindmatch_wire::control::{Command, RunRequest};
use blindmatch_wire::limits;
use bytes::Bytes;
use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::bytes;
use crate::channel::Sender;

/// A node that serves, to run a command by.
pub struct Node {
    client: ControlClient<Sender>,
}

/// What comes of a command while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// For the standard output.
    Output(Bytes),
    /// For the standard error.
    Error(Bytes),
    /// Part of the standard input is to be [given](Running::give).
    InputWanted,
    /// So far it has come.
    Progress(Progress),
    /// It has ended with this exit code.
    Exit(u8),
}

/// A command that runs.
pub struct Running {
    inputs: mpsc::Sender<RunRequest>,
    events: tonic::Streaming<blindmatch_wire::control::RunResponse>,
}

/// Why a command did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// The node takes no commands of this user.
    NotAllowed,
    /// The node ended before the command did.
    Lost,
    /// The node says what has no meaning here.
    Malformed,
}

impl Node {
    /// The node that listens at `path`. Needs a runtime of tokio.
    ///
    /// # Errors
    ///
    /// The system's, where none does.
    pub async fn reach(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        // How it ends shows in the calls.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let client =
            ControlClient::with_origin(Sender::Http2(sender), Uri::from_static("http://node/"))
                .max_decoding_message_size(limits::MESSAGE)
                .max_encoding_message_size(limits::MESSAGE);
        Ok(Self { client })
    }

    /// Runs the command of these words, whose paths are relative to `directory`; it says how far it has
    /// come where that `shows_progress`.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub async fn run(
        mut self,
        words: impl Iterator<Item = OsString>,
        directory: &Path,
        input_is_terminal: bool,
        shows_progress: bool,
    ) -> Result<Running, ControlError> {
        let command = Command {
            words: words.map(|word| bytes(&word)).collect(),
            directory: bytes(directory.as_os_str()),
            input_is_terminal,
            shows_progress,
        };
        let (inputs, requests) = mpsc::channel(1);
        let first = request(Asked::Command(command));
        inputs.send(first).await.map_err(|_| ControlError::Lost)?;
        let answered = self.client.run(ReceiverStream::new(requests)).await;
        let events = answered.map_err(|status| match status.code() {
            Code::PermissionDenied => ControlError::NotAllowed,
            _ => ControlError::Lost,
        })?;
        Ok(Running {
            inputs,
            events: events.into_inner(),
        })
    }
}

impl Running {
    /// What comes next.
    ///
    /// # Errors
    ///
    /// [`ControlError`].
    pub async fn next(&mut self) -> Result<Event, ControlError> {
        let response = self.events.message().await;
        let response = response.map_err(|_| ControlError::Lost)?;
        let part = response.ok_or(ControlError::Lost)?.part;
        Ok(match part.ok_or(ControlError::Malformed)? {
            Answered::Output(bytes) => Event::Output(bytes),
            Answered::Error(bytes) => Event::Error(bytes),
            Answered::InputWanted(_) => Event::InputWanted,
            Answered::Progress(progress) => Event::Progress(progress),
            Answered::Exit(code) => {
                Event::Exit(u8::try_from(code).map_err(|_| ControlError::Malformed)?)
            }
        })
    }

    /// Gives the part of the standard input that is wanted; nothing where none is left.
    ///
    /// # Errors
    ///
    /// [`ControlError::Lost`].
    pub async fn give(&mut self, input: Bytes) -> Result<(), ControlError> {
        let given = self.inputs.send(request(Asked::Input(input))).await;
        given.map_err(|_| ControlError::Lost)
    }
}

const fn request(part: Asked) -> RunRequest {
    RunRequest { part: Some(part) }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "the node takes commands from its own user and from root alone",
            Self::Lost => "the node ended before the command did",
            Self::Malformed => "the node speaks otherwise than this program",
        })
    }
}

impl std::error::Error for ControlError {}
