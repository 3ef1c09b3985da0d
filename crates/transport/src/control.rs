//! The socket by which commands reach the node that serves the same home (`spec/61-control.md`).

pub mod client;

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

pub use blindmatch_wire::control::Progress;
use blindmatch_wire::control::control_server::{Control, ControlServer};
use blindmatch_wire::control::run_request::Part as Asked;
use blindmatch_wire::control::run_response::Part as Answered;
use blindmatch_wire::control::{InputWanted, RunRequest, RunResponse};
use blindmatch_wire::limits;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Status, Streaming};

use crate::admin::REST;
use crate::tasks::Tied;

/// Messages of a stream that wait for the other side.
const QUEUE: usize = 16;
/// Output is sent in parts of at most so many bytes.
const PART: usize = 64 << 10;
/// The words of a command line together: what Linux takes, and more.
const WORDS: usize = limits::MESSAGE;

/// A command that somebody on this machine wants run.
pub struct Command {
    /// Whose process asks, by its user id.
    pub operator: u32,
    /// The words of its command line, the program's name first.
    pub words: Vec<OsString>,
    /// The directory that paths in them are relative to.
    pub directory: PathBuf,
    /// Whether its input is a terminal.
    pub input_is_terminal: bool,
    /// Whether somebody sees how far it has come.
    pub shows_progress: bool,
    /// Its input and output.
    pub streams: Streams,
}

/// The input and output of a command, for the thread that runs it: all of it blocks.
pub struct Streams {
    to: mpsc::Sender<Result<RunResponse, Status>>,
    from: Mutex<Inputs>,
}

struct Inputs {
    parts: mpsc::Receiver<Bytes>,
    /// What was got and not yet read.
    rest: Bytes,
    over: bool,
}

/// Says to whoever asked how far a command has come. Clones say it to the same.
#[derive(Clone)]
pub struct Teller(mpsc::Sender<Result<RunResponse, Status>>);

/// Takes commands on the socket of one home until it is drained or dropped; then the socket is gone.
pub struct Socket {
    path: PathBuf,
    drain: watch::Sender<bool>,
    accept: JoinHandle<()>,
    _ends_with_this: Tied,
}

/// Runs one command on a thread of its own, and gives its exit code.
pub type Run = Arc<dyn Fn(Command) -> u8 + Send + Sync>;

/// Who is refused, by user id.
pub type Refused = Arc<dyn Fn(u32) + Send + Sync>;

impl Socket {
    /// Takes commands at `path`, which nobody else listens at, from processes of this process's user
    /// and of root. Needs a runtime of tokio.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(path: &Path, run: Run, refused: Refused) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // The directory is its user's alone already.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let own = rustix::process::geteuid().as_raw();
        let (drain, draining) = watch::channel(false);
        let accept = tokio::spawn(async move {
            let (mut connections, mut drain) = (JoinSet::new(), draining.clone());
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = connections.join_next(), if !connections.is_empty() => continue,
                    _ = drain.wait_for(|drain| *drain) => break,
                };
                let Ok((stream, _)) = accepted else {
                    sleep(REST).await;
                    continue;
                };
                let Ok(operator) = stream.peer_cred().map(|peer| peer.uid()) else {
                    continue;
                };
                let is_allowed = operator == own || operator == 0;
                if !is_allowed {
                    refused(operator);
                }
                let commands = Commands {
                    operator,
                    is_allowed,
                    run: Arc::clone(&run),
                };
                connections.spawn(serve(stream, commands, draining.clone()));
            }
            drop(listener);
            while connections.join_next().await.is_some() {}
        });
        Ok(Self {
            path: path.to_owned(),
            drain,
            _ends_with_this: Tied::new(&accept),
            accept,
        })
    }

    /// Takes no more commands, and lets those that run end, for at most so long. Whether all had
    /// ended by then.
    pub async fn drain(mut self, most: Duration) -> bool {
        self.remove();
        self.drain.send_replace(true);
        timeout(most, &mut self.accept).await.is_ok()
    }

    fn remove(&self) {
        // One that stays is refused by nobody's listening there.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.remove();
    }
}

async fn serve(stream: UnixStream, commands: Commands, mut drain: watch::Receiver<bool>) {
    let server = ControlServer::new(commands)
        .max_decoding_message_size(WORDS)
        .max_encoding_message_size(limits::MESSAGE);
    let answer = |request: Request<Incoming>| {
        let mut server = server.clone();
        async move {
            let answered: Result<Response<Body>, Infallible> = server.call(request).await;
            answered
        }
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer));
    let mut connection = pin!(connection);
    // The command sees that whoever asked is gone when it reads or writes.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = drain.wait_for(|drain| *drain) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The service on one connection.
#[derive(Clone)]
struct Commands {
    operator: u32,
    is_allowed: bool,
    run: Run,
}

#[tonic::async_trait]
impl Control for Commands {
    type RunStream = ReceiverStream<Result<RunResponse, Status>>;

    async fn run(
        &self,
        request: tonic::Request<Streaming<RunRequest>>,
    ) -> Result<tonic::Response<Self::RunStream>, Status> {
        if !self.is_allowed {
            let what = "the node takes commands from its own user and from root alone";
            return Err(Status::permission_denied(what));
        }
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|first| first.part);
        let Some(Asked::Command(command)) = first else {
            return Err(Status::invalid_argument("no command"));
        };
        let (to, output) = mpsc::channel(QUEUE);
        let (inputs, parts) = mpsc::channel(1);
        let command = Command {
            operator: self.operator,
            words: command.words.into_iter().map(os_string).collect(),
            directory: os_string(command.directory).into(),
            input_is_terminal: command.input_is_terminal,
            shows_progress: command.shows_progress,
            streams: Streams {
                to: to.clone(),
                from: Mutex::new(Inputs {
                    parts,
                    rest: Bytes::new(),
                    over: false,
                }),
            },
        };
        tokio::spawn(async move {
            // Without an end the stream ends: whoever sent it is gone.
            while let Ok(Some(request)) = requests.message().await {
                let Some(Asked::Input(part)) = request.part else {
                    return;
                };
                if inputs.send(part).await.is_err() {
                    return;
                }
            }
        });
        let run = Arc::clone(&self.run);
        tokio::spawn(async move {
            let exit = spawn_blocking(move || run(command)).await;
            let last = match exit {
                Ok(exit) => Ok(response(Answered::Exit(exit.into()))),
                Err(_) => Err(Status::internal("the command ended in a panic")),
            };
            let _ = to.send(last).await;
        });
        Ok(tonic::Response::new(ReceiverStream::new(output)))
    }
}

impl Streams {
    /// Writes to the standard output of whoever asked.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] where it is gone.
    pub fn output(&self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes, Answered::Output)
    }

    /// Writes to its standard error.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub fn error(&self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes, Answered::Error)
    }

    /// What says how far the command has come.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller(self.to.clone())
    }

    /// Reads from its standard input; nothing at its end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ConnectionAborted`] where it is gone before its input has ended: what was
    /// read is not all.
    pub fn input(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inputs = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        if inputs.rest.is_empty() && !inputs.over {
            let wanted = response(Answered::InputWanted(InputWanted {}));
            let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
            self.to.blocking_send(Ok(wanted)).map_err(|_| gone())?;
            inputs.rest = inputs.parts.blocking_recv().ok_or_else(gone)?;
            inputs.over = inputs.rest.is_empty();
        }
        let count = buffer.len().min(inputs.rest.len());
        let part = inputs.rest.split_to(count);
        for (to, from) in buffer.iter_mut().zip(&part) {
            *to = *from;
        }
        Ok(count)
    }

    fn send(&self, bytes: &[u8], part: impl Fn(Bytes) -> Answered) -> io::Result<()> {
        for bytes in bytes.chunks(PART) {
            let response = response(part(Bytes::copy_from_slice(bytes)));
            let sent = self.to.blocking_send(Ok(response));
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(())
    }
}

impl Teller {
    /// Says how far it has come, unless whoever asked is behind in listening. Does not block.
    pub fn tell(&self, progress: Progress) {
        let _ = self.0.try_send(Ok(response(Answered::Progress(progress))));
    }
}

const fn response(part: Answered) -> RunResponse {
    RunResponse { part: Some(part) }
}

fn os_string(bytes: Bytes) -> OsString {
    OsString::from_vec(bytes.into())
}

fn bytes(text: &OsStr) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
