//! Runs a session on a connection: frames in and out, work on all cores, records to disk.

use std::mem;
use std::sync::Arc;

use blindmatch_psi::session::{Completion, End, Keys, Session, Step, Store, UnixSeconds, Work};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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

    /// Stores records that a session asked for at once, in their order.
    fn store_all(&self, stores: Vec<Store>) -> Vec<Completion> {
        stores.into_iter().map(|store| self.store(store)).collect()
    }
}

/// The connection of a run is gone. The run goes on, on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What became of something that a session asked for.
type Done = Result<Completion, Lost>;

/// Runs `session` until it ends or its connection does.
///
/// Records are stored one after the other, in the order of the session; work and frames go on
/// beside that, as far as the session waits for neither. All are stored when this returns.
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
    let (done, mut completions) = unbounded_channel();
    let (records, waiting) = unbounded_channel();
    let storing = tokio::spawn(store(waiting, Arc::clone(journal), done.clone()));
    let around = Around {
        keys,
        records,
        done,
    };
    let ended = around.drive(session, frames, &mut completions, now).await;
    drop(around);
    storing.await.map_err(|_| Lost)?;
    ended
}

/// Stores what comes, in its order.
async fn store(
    mut waiting: UnboundedReceiver<Vec<Store>>,
    journal: Arc<dyn Journal>,
    done: UnboundedSender<Done>,
) {
    while let Some(mut stores) = waiting.recv().await {
        while let Ok(more) = waiting.try_recv() {
            stores.extend(more);
        }
        let journal = Arc::clone(&journal);
        let stored = blocking(move || journal.store_all(stores)).await;
        // Nobody waits for it where the session has ended. A thread that died while it stored ends the
        // connection, as if that had.
        match stored {
            Ok(stored) => stored.into_iter().for_each(|one| _ = done.send(Ok(one))),
            Err(_) => _ = done.send(Err(Lost)),
        }
    }
}

/// What a session has around it, but for its connection.
struct Around<'c> {
    keys: &'c Arc<dyn Keys + Send + Sync>,
    records: UnboundedSender<Vec<Store>>,
    done: UnboundedSender<Done>,
}

impl Around<'_> {
    async fn drive(
        &self,
        session: &mut dyn Session,
        frames: &mut impl Frames,
        completions: &mut UnboundedReceiver<Done>,
        now: &(dyn Fn() -> UnixSeconds + Sync),
    ) -> Result<End, Lost> {
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let mut stores = Vec::new();
        // What the peer said before it went may be all that was wanted of it.
        let (mut is_open, mut awaited) = (true, 0_usize);
        loop {
            let step = session.poll(now(), &mut rng);
            if let Step::Store(store) = step {
                stores.push(store);
                awaited += 1;
                continue;
            }
            if !stores.is_empty() {
                self.records
                    .send(mem::take(&mut stores))
                    .map_err(|_| Lost)?;
            }
            match step {
                // Whom nothing is heard of any more is told nothing: he might take it for the end.
                Step::Send(_) if !is_open => return Err(Lost),
                Step::Send(frame) => frames.send(frame).await?,
                Step::Work(work) => {
                    awaited += 1;
                    begin(work, self.keys, &self.done);
                }
                Step::Store(_) | Step::Wait if !is_open && awaited == 0 => return Err(Lost),
                Step::Store(_) | Step::Wait => tokio::select! {
                    biased;
                    // A sender lives as long as this loop, so there is always a next one.
                    Some(completion) = completions.recv() => {
                        awaited = awaited.saturating_sub(1);
                        session.complete(completion?);
                    }
                    frame = frames.receive(), if is_open => match frame {
                        Ok(frame) => session.receive(&frame),
                        Err(Lost) => is_open = false,
                    },
                },
                Step::Done(end) => return Ok(end),
            }
        }
    }
}

/// What takes less long than it takes to hand it to another thread: a signature, the smallest batch.
const LITTLE: usize = 8;

/// A window of batches bounds how much of it there is at once (`spec/31 §3`).
fn begin(work: Work, keys: &Arc<dyn Keys + Send + Sync>, done: &UnboundedSender<Done>) {
    if work.elements() <= LITTLE {
        let _ = done.send(Ok(work.run(&**keys)));
        return;
    }
    let (keys, done) = (Arc::clone(keys), done.clone());
    compute(move || {
        // Nobody waits for it where the connection is gone.
        let _ = done.send(Ok(work.run(&*keys)));
    });
}

#[cfg(test)]
mod tests;
