//! Carries a run over connections that break, up to its receipt.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_oprf::PublicKey;
use blindmatch_oprf::additive::AuthenticatedKey;
use blindmatch_psi::batch;
use blindmatch_psi::lookup::{Connection, Item, Querier, Terms};
use blindmatch_psi::publication::Manifest;
use blindmatch_psi::session::{Completion, End, Keys, Record, Store, UnixSeconds};
use blindmatch_psi::stop::{Abort, Blame, Fault, Stop};
use blindmatch_store::runs::{Run, Taken};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, frames};
use blindmatch_wire::Problem;
use tokio::time::{sleep, timeout};

use super::subject::asked;
use super::{About, AskError, Asker, Going, blocking, whole};
use crate::exchange::daemon::Daemon;
use crate::exchange::drive::{Frames, Journal, Lost, drive};
use crate::exchange::keys::{RunKeys, SIGNER};
use crate::exchange::peers::{RECONNECTS, pause};

/// How long it is waited for why a stream has ended.
const WHY: Duration = Duration::from_secs(5);

/// What a run has come to.
pub(super) struct Carried {
    /// The responder did not sign in time.
    pub(super) late: bool,
    /// Bytes of frames, both ways.
    pub(super) bytes: u64,
    /// In batch, of the session that ended the run: what our tags are compared by.
    pub(super) concluded: Option<batch::Concluded>,
    /// To be ended in order once the run has ended here: from then on the responder does not go on with
    /// it either.
    pub(super) stream: Option<frames::Frames>,
}

/// Carries a run up to its receipt.
///
/// # Errors
///
/// [`AskError::Lost`], [`AskError::Stopped`], and those of the home. A run that cannot go on has
/// been given up then; any other is there still.
pub(super) async fn carry(
    asker: &Asker,
    channel: &Channel,
    going: &Going,
) -> Result<Carried, AskError> {
    let mut bytes = 0;
    let brought = |late, bytes| Carried {
        late,
        bytes,
        concluded: None,
        stream: None,
    };
    let mut channel = channel.clone();
    for attempt in 0..=RECONNECTS {
        let (daemon, run) = (Arc::clone(&asker.daemon), Arc::clone(&going.run));
        match blocking(move || standing(&daemon, &run)).await? {
            Standing::Receipted => return Ok(brought(false, bytes)),
            Standing::Late => return Ok(brought(true, bytes)),
            Standing::Open => {}
        }
        if let Some(earlier) = attempt.checked_sub(1) {
            sleep(pause(earlier)).await;
            match asker.reach(channel.peer().member()).await {
                Ok(again) => channel = again,
                // Nobody is there to go on with, or not for us.
                Err(error) if error.is_removal() => return Err(error),
                Err(_) => continue,
            }
        }
        let mut concluded = None;
        let connected = connect(asker, &channel, going, &mut bytes, &mut concluded);
        let ended = match connected.await {
            Ok(ended) => ended,
            Err(AskError::Call(CallError::Refused(problem))) => match problem.kind {
                Kind::Busy | Kind::NotNow | Kind::Timeout | Kind::Unavailable => Err(Lost),
                // The responder has no such run, or none any more.
                Kind::NotFound | Kind::EpochOver => {
                    let why = CallError::Refused(problem).into();
                    return give_up(&asker.daemon, going, why, bytes).await;
                }
                _ => return Err(CallError::Refused(problem).into()),
            },
            Err(AskError::Call(CallError::Failed(_))) => Err(Lost),
            Err(error) => return Err(error),
        };
        match ended {
            Ok((End::Concluded, stream)) => {
                return Ok(Carried {
                    concluded,
                    stream: Some(stream),
                    ..brought(false, bytes)
                });
            }
            Ok((End::Stopped(stop), stream)) => {
                // What was said last has to arrive.
                let _ = stream.finish().await;
                if goes_on(stop) {
                    return Err(AskError::Stopped(stop));
                }
                return give_up(&asker.daemon, going, AskError::Stopped(stop), bytes).await;
            }
            Err(Lost) => {}
        }
    }
    Err(AskError::Lost)
}

/// What is to be done about a run.
enum Standing {
    Open,
    /// Both sides have signed.
    Receipted,
    /// Its time is over, and we have signed.
    Late,
}

/// Ends a run whose time is over with nothing signed.
fn standing(daemon: &Daemon, run: &Run) -> Result<Standing, AskError> {
    let receipt = run.receipt()?;
    let in_time = daemon.now() <= run.head().until;
    match receipt {
        Some(signed) if signed.responder.is_some() => Ok(Standing::Receipted),
        _ if in_time => Ok(Standing::Open),
        Some(_) => Ok(Standing::Late),
        None => {
            run.give_up(&mut rand::rng())?;
            Err(AskError::GivenUp)
        }
    }
}

/// Ends a run that cannot go on. What we signed for already is opened once the responder has had the
/// time to sign that the policy gives it.
async fn give_up(
    daemon: &Daemon,
    going: &Going,
    why: AskError,
    bytes: u64,
) -> Result<Carried, AskError> {
    let hours = daemon.policy().conduct().open_unreceipted_after_hours;
    let overdue = going
        .run
        .head()
        .began
        .saturating_add(u64::from(hours) * 3_600);
    let is_overdue = daemon.now() >= overdue;
    let run = Arc::clone(&going.run);
    let opens = blocking(move || {
        if run.receipt()?.is_some() {
            return Ok(is_overdue);
        }
        run.give_up(&mut rand::rng())?;
        Ok(false)
    });
    if opens.await? {
        return Ok(Carried {
            late: true,
            bytes,
            concluded: None,
            stream: None,
        });
    }
    Err(why)
}

/// Whether the run can go on another time, though it stopped.
const fn goes_on(stop: Stop) -> bool {
    match stop {
        // The budget of another day, or a disk with room again.
        Stop::PeerAborted(Abort::Budget | Abort::Internal) => true,
        Stop::Fault(fault) => !matches!(fault, Fault::Terms | Fault::Items),
        stop => matches!(stop.blame(), Blame::Ourselves),
    }
}

/// Runs a session on one connection.
async fn connect(
    asker: &Asker,
    channel: &Channel,
    going: &Going,
    bytes: &mut u64,
    concluded: &mut Option<batch::Concluded>,
) -> Result<Result<(End, frames::Frames), Lost>, AskError> {
    let (daemon, run) = (Arc::clone(&asker.daemon), Arc::clone(&going.run));
    let (items, records) = blocking(move || {
        let records: Result<Vec<Record>, _> = run.records()?.collect();
        Ok((asked(&run)?, records?))
    })
    .await?;
    let stream = channel.run_ahead(going.run.id().0).await?;
    let peer = daemon.receipt_key(channel.peer());
    let connection = Connection {
        exporter: *stream.exporter(),
        signer: SIGNER,
        peer: peer.ok_or(AskError::Session(Fault::UnknownKey))?,
    };
    let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
        signer: Arc::clone(daemon.receipts()),
        evaluation: None,
    });
    let journal: Arc<dyn Journal> = Arc::new(Kept(Arc::clone(&going.run)));
    let mut frames = Counted {
        stream,
        bytes,
        refused: None,
    };
    let clock = Arc::clone(&daemon);
    let now = move || UnixSeconds(clock.now());
    let ended = match &going.about {
        About::Publication { accepted, .. } => {
            let mut session = session(&going.run, &accepted.manifest, connection, items, records)?;
            drive(&mut session, &mut frames, &keys, &journal, &now).await
        }
        About::Set => {
            let run = Arc::clone(&going.run);
            let session = move || whole::session(&daemon, &run, connection, items, records);
            let mut session = blocking(session).await?;
            let ended = drive(&mut session, &mut frames, &keys, &journal, &now).await;
            *concluded = session.concluded();
            ended
        }
    };
    match (ended, frames.refused) {
        (Ok(end), _) => Ok(Ok((end, frames.stream))),
        (Err(Lost), Some(problem)) => Err(CallError::Refused(problem).into()),
        (Err(Lost), None) => Ok(Err(Lost)),
    }
}

fn session(
    run: &Run,
    manifest: &Manifest,
    connection: Connection,
    items: Vec<Item>,
    records: Vec<Record>,
) -> Result<Querier<Vec<Item>>, AskError> {
    let head = run.head();
    let direction = head.direction().ok_or(AskError::Session(Fault::Terms))?;
    let until = UnixSeconds(head.until);
    let terms = Terms::new(&head.agreement, direction, manifest, until);
    let key = PublicKey::from_bytes(&manifest.public_key);
    let key = key.map_err(|_| AskError::Session(Fault::UnknownKey))?;
    // It stands in a ledger that a quorum of witnesses cosigned.
    let key = Arc::new(AuthenticatedKey::vouch(key));
    Querier::new(
        terms.map_err(AskError::Session)?,
        connection,
        key,
        items,
        records,
    )
    .map_err(AskError::Session)
}

/// The records of a run, on disk.
struct Kept(Arc<Run>);

impl Journal for Kept {
    fn store(&self, store: Store) -> Completion {
        // A querier is charged nothing by itself.
        let mut reserve = |_: &_| false;
        let taken = match store.record() {
            // Nobody is told of it before the run has ended, with which it becomes durable.
            Record::Receipt(signed) if signed.responder.is_some() => {
                self.0.take_ahead(store.record())
            }
            record => self.0.take(record, &mut reserve, &mut rand::rng()),
        };
        completion(store, taken.ok())
    }

    fn store_all(&self, stores: Vec<Store>) -> Vec<Completion> {
        if let [_] = stores.as_slice() {
            return stores.into_iter().map(|store| self.store(store)).collect();
        }
        let records: Vec<_> = stores.iter().map(Store::record).collect();
        let taken = self.0.take_states(&records, &mut rand::rng());
        match taken {
            Ok(Some(taken)) => {
                let stores = stores.into_iter().zip(taken);
                let completed = stores.map(|(store, taken)| completion(store, Some(taken)));
                completed.collect()
            }
            Ok(None) => stores.into_iter().map(|store| self.store(store)).collect(),
            Err(_) => stores.into_iter().map(Store::refused).collect(),
        }
    }
}

fn completion(store: Store, taken: Option<Taken>) -> Completion {
    match taken {
        Some(Taken::Stored) => store.stored().1,
        Some(Taken::Contradicted) => store.contradicted(),
        Some(Taken::Refused) | None => store.refused(),
    }
}

/// The stream of a run, with how much passed over it, and why the responder ended it.
pub(in crate::exchange) struct Counted<'b> {
    pub(in crate::exchange) stream: frames::Frames,
    pub(in crate::exchange) bytes: &'b mut u64,
    pub(in crate::exchange) refused: Option<Problem>,
}

impl Counted<'_> {
    fn count(&mut self, frame: &[u8]) {
        let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        *self.bytes = self.bytes.saturating_add(length);
    }
}

impl Frames for Counted<'_> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        self.count(&frame);
        if Frames::send(&mut self.stream, frame).await.is_err() {
            // Why, stands behind what came.
            let why = async { while self.receive().await.is_ok() {} };
            let _ = timeout(WHY, why).await;
            return Err(Lost);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        match self.stream.receive().await {
            Ok(Some(frame)) => {
                self.count(&frame);
                Ok(frame.into())
            }
            Err(CallError::Refused(problem)) => {
                self.refused = Some(problem);
                Err(Lost)
            }
            Ok(None) | Err(_) => Err(Lost),
        }
    }
}
