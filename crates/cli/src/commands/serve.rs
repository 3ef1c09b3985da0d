//! `blindmatch serve`.

mod commands;
mod log;
#[cfg(test)]
mod month;

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use std::{process, thread};

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::config::Serve;
use blindmatch_node::exchange::{Daemon, Service, listener};
use blindmatch_node::transport::Admin;
use blindmatch_node::transport::control::Socket;
use blindmatch_node::{Node, clock};
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use self::commands::Commands;
use crate::args::Global;
use crate::args::serve::ServeArguments;
use crate::error::{Error, Exit};
use crate::forward::SOCKET;
use crate::tables;

/// How long work that nobody waits for any more may go on.
const LAST: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &ServeArguments, global: &Global) -> Result<Exit, Error> {
    let home = global.home()?;
    let node = Node::open(&home)?;
    let settings = node.config().serve.clone();
    log::begin(&settings)?;
    let folder = arguments.tables.tables.as_deref();
    let canonicaliser = Canonicaliser::new(tables::public_suffixes(folder)?);
    let listener = listener(node.config())?;
    // On a thread of its own: with its stack goes what was moved there, keys among it.
    let opening = move || Daemon::open(node, canonicaliser, Arc::new(clock::now));
    let opened = thread::spawn(opening).join();
    let daemon = opened.unwrap_or_else(|panic| resume_unwind(panic))?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(format!("cannot start: {error}")))?;
    let served = runtime.block_on(async {
        let service = Arc::new(Service::start(daemon, listener)?);
        let commands = Commands::of(&service);
        let path = home.join(SOCKET);
        let socket = Socket::open(&path, commands.runner(), Arc::new(commands::refused));
        let socket = socket.map_err(|error| {
            Error::new(format!("cannot listen on {}: {error}", path.display()))
                .hint("the path of a socket is at most 107 bytes long: a shorter one for the home")
        });
        serve(&service, socket?, &settings, global).await
    });
    runtime.shutdown_timeout(LAST);
    served
}

/// Serves until a signal says that it is enough.
async fn serve(
    service: &Arc<Service>,
    socket: Socket,
    settings: &Serve,
    global: &Global,
) -> Result<Exit, Error> {
    let failed = |error| Error::new(format!("cannot wait for signals: {error}"));
    let on = |kind| signal(kind).map_err(failed);
    let mut ends = Ends {
        terminate: on(SignalKind::terminate())?,
        interrupt: on(SignalKind::interrupt())?,
    };
    let mut hangup = on(SignalKind::hangup())?;
    let admin = match settings.admin {
        Some(address) => Some(probes(service, address).await?),
        None => None,
    };
    if let Some(admin) = &admin {
        global.tell(format_args!("probes and metrics on {}", admin.address()));
    }
    global.tell(format_args!("listening on {}", service.address()));
    // Without a supervisor there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            () = ends.next() => break,
            Some(()) = hangup.recv() => {
                let service = Arc::clone(service);
                match spawn_blocking(move || service.read_again()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => error!(%error, "not read again: it goes on as before"),
                    Err(_) => error!("not read again"),
                }
            }
        }
    }
    let most = Duration::from_secs(settings.drain_seconds.into());
    info!(
        most_seconds = most.as_secs(),
        "ending: what is under way may end"
    );
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tokio::spawn(async move {
        ends.next().await;
        warn!("ending at once");
        process::exit(Exit::Error as i32);
    });
    match tokio::join!(service.drain(most), socket.drain(most)) {
        (true, true) => info!("ended"),
        _ => warn!("ended; what was still under way is resumed later"),
    }
    Ok(Exit::Done)
}

/// Answers probes and shows metrics, to this machine.
async fn probes(service: &Service, address: SocketAddr) -> Result<Admin, Error> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| blindmatch_node::Error::Listen(address, error))?;
    Ok(Admin::start(listener, Arc::new(service.serving().clone())))
}

/// The signals that end a node.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
