//! Runs a session on a connection: frames in and out, work on all cores, records to disk.

use std::sync::Arc;

use blindmatch_psi::session::{Completion, End, Keys, Session, Step, Store, UnixSeconds, Work};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::work::{blocking, compute};

/// One connection of a run, as its session sees it.
pub trait Frames: Send {
    /// Sends a frame once the peer has room for it; `Err` where the connection is gone.
    fn send(&mut self, frame: Vec<u8>) -> impl Future<Output = Result<(), Lost>> + Send;

    /// The next frame of the peer; `Err` where no more will come. Nothing is lost when the future
    /// is dropped before it is done.
    fn receive(&mut self) -> impl Future<Output = Result<Vec<u8>, Lost>> + Send;
}

/// Where a session's records become durable.
pub trait Journal: Send + Sync + 'static {
    /// Stores the record durably, or says why not (`spec/30 §5`). Blocks.
    fn store(&self, store: Store) -> Completion;
}

/// The connection of a run is gone. The run goes on, on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Runs `session` until it ends or its connection does.
///
/// Records are stored one after the other, in the order of the session; work runs beside that on
/// the pool of the process.
///
/// # Errors
///
/// [`Lost`].
pub async fn drive(
    session: &mut dyn Session,
    frames: &mut impl Frames,
    keys: &Arc<dyn Keys + Send + Sync>,
    journal: &Arc<dyn Journal>,
    now: &(dyn Fn() -> UnixSeconds + Sync),
) -> Result<End, Lost> {
    let mut rng = StdRng::from_rng(&mut rand::rng());
    let (done, mut completions) = unbounded_channel();
    loop {
        match session.poll(now(), &mut rng) {
            Step::Send(frame) => frames.send(frame).await?,
            Step::Work(work) => begin(work, keys, &done),
            Step::Store(store) => {
                let journal = Arc::clone(journal);
                let stored = blocking(move || journal.store(store)).await;
                session.complete(stored.map_err(|_| Lost)?);
            }
            Step::Wait => tokio::select! {
                biased;
                // The sender lives as long as this loop, so there is always a next one.
                Some(completion) = completions.recv() => session.complete(completion),
                frame = frames.receive() => session.receive(&frame?),
            },
            Step::Done(end) => return Ok(end),
        }
    }
}

/// A window of batches bounds how much of it there is at once (`spec/31 §3`).
fn begin(work: Work, keys: &Arc<dyn Keys + Send + Sync>, done: &UnboundedSender<Completion>) {
    let (keys, done) = (Arc::clone(keys), done.clone());
    compute(move || {
        // Nobody waits for it where the connection is gone.
        let _ = done.send(work.run(&*keys));
    });
}

#[cfg(test)]
mod tests;
