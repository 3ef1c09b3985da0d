//! What a node answers to its peers.

mod probe;
mod propose;
mod quoted;
mod served;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::slice;
use std::sync::{Arc, Mutex};

use blindmatch_audit::checkpoint::{Continuation, SignedCheckpoint};
use blindmatch_audit::receipt::Side;
use blindmatch_membership::Name;
use blindmatch_policy::Direction;
use blindmatch_psi::agreement::RunId;
use blindmatch_psi::publication::Stored;
use blindmatch_store::views::{OwnEpoch, OwnPublication};
use blindmatch_transport::message::{
    Answer, Cosigned, FileRequest, Greeting, Lost, Manifest, ManifestRequest, Proposal,
    RosterRequest, Told, View as ViewMessage, Views,
};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{ChunkSender, Exchange, Frames, Peer, Witness};
use blindmatch_wire::problem::Reference;
use blindmatch_wire::{Malformed, Problem};
use bytes::Bytes;
use tokio::sync::watch;
use tracing::{error, warn};

pub(super) use self::quoted::Quoted;
use super::daemon::{Daemon, lock};
use super::footing::Footing;
use super::publish::Offered;
use super::service::Counters;
use super::setups::UnderWay;
use super::telling::{NotKept, Taken};
use super::versions::Versions;
use super::view::{View, with};
use super::work::blocking;
use crate::error::Error;

/// So many bytes of a file are read at a time.
const READ: u64 = 1 << 19;
/// Peers are told this name of a rule where they show what no key known here signed.
pub(super) const UNKNOWN_KEY: &str = "unknown_key_of_ledger";

/// A node that answers. Clones are the same one.
#[derive(Clone)]
pub struct Serving(Arc<Inner>);

struct Inner {
    /// Replaced when what the operator's files say has changed; what is under way goes on by the one
    /// that it began with.
    daemon: Mutex<Arc<Daemon>>,
    reading: Mutex<()>,
    /// Held while a debit is held against the budget and recorded.
    charging: Mutex<()>,
    /// Setups that are agreed on or being made.
    setups: UnderWay,
    /// Held while it is decided whether to cosign.
    witnessing: Mutex<()>,
    /// The stream of each run that has one: a new one ends the one before.
    streams: Mutex<BTreeMap<RunId, watch::Sender<()>>>,
    /// Streams that peers opened, on which they can be asked to cosign.
    witnesses: Mutex<BTreeMap<Name, Witness>>,
    /// How many messages were taken of each peer, on which day.
    taken: Mutex<BTreeMap<Name, Arc<Mutex<Option<Taken>>>>>,
    /// Who said last that it has a newer roster.
    newer_rosters: watch::Sender<Option<Name>>,
    footing: Mutex<Footing>,
    counters: Counters,
}

impl Serving {
    /// Answers for `daemon`, which has one of these at most.
    #[must_use]
    pub fn new(daemon: Arc<Daemon>) -> Self {
        Self(Arc::new(Inner {
            footing: Mutex::new(Footing::at_start(&daemon)),
            daemon: Mutex::new(daemon),
            reading: Mutex::default(),
            charging: Mutex::default(),
            setups: UnderWay::default(),
            witnessing: Mutex::default(),
            streams: Mutex::default(),
            witnesses: Mutex::default(),
            taken: Mutex::default(),
            newer_rosters: watch::Sender::default(),
            counters: Counters::default(),
        }))
    }

    /// The node, as it is now.
    #[must_use]
    pub fn daemon(&self) -> Arc<Daemon> {
        Arc::clone(&lock(&self.0.daemon))
    }

    /// Goes from now on by what the operator's files, the roster and the keys are now. Connections of
    /// members that are none any more end. Reads the disk.
    ///
    /// # Errors
    ///
    /// As [`Daemon::open`]: nothing has changed then.
    pub fn read_again(&self) -> Result<(), Error> {
        // Whoever comes later reads later.
        let _reading = lock(&self.0.reading);
        let read = Arc::new(self.daemon().read_again()?);
        *lock(&self.0.daemon) = read;
        Ok(())
    }

    /// Who says that it has a newer roster.
    pub(super) fn newer_rosters(&self) -> watch::Receiver<Option<Name>> {
        self.0.newer_rosters.subscribe()
    }

    /// What is counted for metrics.
    pub(super) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(super) fn footing_cell(&self) -> &Mutex<Footing> {
        &self.0.footing
    }

    pub(super) fn setups(&self) -> &UnderWay {
        &self.0.setups
    }

    pub(super) fn witnessing(&self) -> &Mutex<()> {
        &self.0.witnessing
    }

    pub(super) fn witnesses(&self) -> &Mutex<BTreeMap<Name, Witness>> {
        &self.0.witnesses
    }

    /// Works on a thread that may block, to the end also where nobody waits for it any more.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let serving = self.clone();
        let worked = blocking(move || work(&serving)).await;
        worked.unwrap_or_else(|_| Err(panicked()))
    }

    /// A view by its name, where the policy serves it to this member.
    fn view_for(&self, member: &Name, name: &str) -> Result<View, Problem> {
        let view: View = name.parse().map_err(|_| Kind::NotFound)?;
        let served = with(self.daemon().policy(), member.as_str(), Direction::Serve);
        if served.contains(&view) {
            Ok(view)
        } else {
            Err(Kind::NotFound.into())
        }
    }

    fn offered(&self, view: &View) -> Result<Offered, Problem> {
        let daemon = self.daemon();
        let offered = daemon.offered(view).map_err(internal)?;
        let none = || match daemon.own_epoch(view) {
            Some(_) => Kind::NotNow,
            None => Kind::NotFound,
        };
        offered.ok_or_else(|| none().into())
    }

    fn known_views(&self, member: &Name) -> Views {
        let served: BTreeSet<View> =
            with(self.daemon().policy(), member.as_str(), Direction::Serve);
        let views = served.into_iter().filter_map(|view| {
            let epoch = self.daemon().own_epoch(&view)?;
            let newest = epoch.publications().first().cloned()?;
            Some(ViewMessage {
                name: view.to_string(),
                kind: view.indicator_type.name().to_owned(),
                canonicalisation: newest.manifest.canonicalisation,
                purpose: view.purpose,
                epoch: epoch.domain().epoch,
                sequence: newest.manifest.edition.sequence(),
            })
        });
        Views(views.collect())
    }

    /// The publication that is offered, with its proof, to who accepted the checkpoint `accepted`
    /// of this ledger last, or none.
    fn prove(&self, view: &View, accepted: &[u8]) -> Result<Manifest, Problem> {
        let Offered {
            publication,
            record,
            cosigned,
            ..
        } = self.offered(view)?;
        let log = self.daemon().ledger().log();
        let present = cosigned.unverified().size;
        let how = match accepted {
            [] => Continuation::Kept(Vec::new()),
            accepted => self.continuation(accepted, present)?,
        };
        let (consistency, lost) = match how {
            Continuation::Kept(proof) => (proof, None),
            Continuation::Lost {
                record,
                index,
                path,
            } => {
                let record = record.into();
                (path, Some(Lost { index, record }))
            }
        };
        let proof = log.prove(record, &cosigned).map_err(internal)?;
        Ok(Manifest {
            manifest: publication.manifest.encode().into(),
            proof: proof.to_string().into(),
            consistency,
            lost,
        })
    }

    /// How the ledger of `size` records goes on from a checkpoint of it that a peer accepted. One of
    /// an earlier incarnation that was lost is recorded as such, and covered by the next checkpoint
    /// that is cosigned.
    fn continuation(&self, accepted: &[u8], size: u64) -> Result<Continuation, Problem> {
        let daemon = self.daemon();
        let accepted = SignedCheckpoint::parse(accepted).map_err(|_| Malformed::Number)?;
        let keys = daemon.node().ledger_keys().map_err(internal)?;
        let signed = keys.iter().find_map(|key| accepted.verify(key).ok());
        let Some(old) = signed else {
            warn!(
                next = "restore once more, with --delegation FILE: see: blindmatch restore --help",
                "a peer shows a checkpoint of this ledger that no key known here signed: was it \
                 restored without the delegations that were made after the backup?"
            );
            return Err(Problem::new(Kind::NotNow).by_rule(UNKNOWN_KEY));
        };
        let log = daemon.ledger().log();
        if let Some(how) = log.continuation_at(old, size).map_err(internal)? {
            return Ok(how);
        }
        daemon.name_lost(slice::from_ref(old)).map_err(internal)?;
        // The one who asks has seen what is not here.
        Err(Kind::NotNow.into())
    }
}

impl Exchange for Serving {
    async fn hello(&self, peer: &Peer, greeting: Greeting) -> Result<Greeting, Problem> {
        let peer = peer.member().clone();
        let (ours, theirs) = (self.daemon().versions(), Versions::of(&greeting.versions));
        if ours.common(&theirs).is_none() {
            warn!(
                %peer, %ours, %theirs,
                "no version of the protocol in common: the older release has to be replaced"
            );
            return Err(Problem::new(Kind::Version).by_rule(ours.to_string()));
        }
        self.blocking(move |serving| {
            let daemon = serving.daemon();
            if greeting.roster > daemon.directory().known().roster.number {
                serving.0.newer_rosters.send_replace(Some(peer.clone()));
            }
            for delegation in &greeting.delegations {
                // One that does not count changes nothing.
                let _ = daemon.directory().adopt(delegation, daemon.now());
            }
            daemon.keep_delegations().map_err(internal)?;
            let mut answer = daemon.greeting().map_err(internal)?;
            let unnamed = daemon.unnamed(&peer, &greeting.delegations);
            answer.delegations.extend(unnamed);
            Ok(answer)
        })
        .await
    }

    async fn roster(&self, _: &Peer, request: RosterRequest) -> Result<Bytes, Problem> {
        self.blocking(move |serving| {
            let held = serving.daemon().node().held_roster().map_err(internal)?;
            if ![0, held.roster().number].contains(&request.number) {
                return Err(Kind::NotFound.into());
            }
            Ok(held.to_string().into())
        })
        .await
    }

    async fn views(&self, peer: &Peer) -> Result<Views, Problem> {
        self.firm()?;
        Ok(self.known_views(peer.member()))
    }

    async fn manifest(&self, peer: &Peer, request: ManifestRequest) -> Result<Manifest, Problem> {
        self.firm()?;
        let view = self.view_for(peer.member(), &request.view)?;
        self.blocking(move |serving| serving.prove(&view, &request.checkpoint))
            .await
    }

    async fn file(
        &self,
        peer: &Peer,
        request: FileRequest,
        to: ChunkSender,
    ) -> Result<(), Problem> {
        self.firm()?;
        let view = self.view_for(peer.member(), &request.view)?;
        let opened = self.blocking(move |serving| {
            let sequence = |publication: &OwnPublication| publication.manifest.edition.sequence();
            let has = |epoch: &Arc<OwnEpoch>| {
                let publications = epoch.publications();
                publications
                    .iter()
                    .map(sequence)
                    .any(|s| s == request.sequence)
            };
            let mut epochs = serving.daemon().own_epochs(&view).into_iter();
            let epoch = epochs.find(has).ok_or(Kind::NotFound)?;
            let publications = epoch.publications();
            let mut behind = publications
                .iter()
                .skip_while(|publication| sequence(publication) != request.sequence);
            let wanted = behind.next().ok_or(Kind::NotFound)?;
            let before = behind.next().map(sequence);
            let file = match request.since {
                None => epoch.file(wanted),
                since if since == before => epoch.difference(wanted),
                Some(_) => return Err(Kind::NotFound.into()),
            };
            let file = file.map_err(internal)?;
            let length = file.length().map_err(|error| fault(&error))?;
            Ok((Arc::new(file), length))
        });
        let (file, length) = opened.await?;
        let mut offset = request.offset;
        while offset < length {
            let (file, at) = (Arc::clone(&file), offset);
            let count = READ.min(length - offset);
            let data = self.blocking(move |_| {
                let mut data = vec![0; usize::try_from(count).map_err(|_| Kind::Internal)?];
                let read = file.read_at(at, &mut data);
                read.map_err(|error| fault(&error))?;
                Ok(data)
            });
            to.send(length, offset, data.await?.into()).await?;
            let labels = [("peer", peer.member().as_str()), ("what", "publication")];
            self.counters()
                .add("blindmatch_bytes_total", &labels, count);
            offset += count;
        }
        Ok(())
    }

    async fn propose(&self, peer: &Peer, Proposal(proposal): Proposal) -> Result<Answer, Problem> {
        self.firm()?;
        let peer = peer.id().clone();
        self.blocking(move |serving| serving.answer(&peer, &proposal))
            .await
    }

    async fn tell(&self, peer: &Peer, Told(told): Told) -> Result<(), Problem> {
        self.firm()?;
        let peer = peer.member().clone();
        self.blocking(move |serving| {
            let of_peer = Arc::clone(lock(&serving.0.taken).entry(peer.clone()).or_default());
            let heard = serving.daemon().hear(&peer, &told, &mut lock(&of_peer));
            heard.map_err(|error| match error {
                NotKept::Refused(problem) => problem,
                NotKept::Failed(error) => internal(error),
            })
        })
        .await
    }

    async fn run(&self, peer: &Peer, frames: Frames) -> Result<(), Problem> {
        self.firm()?;
        let (peer, member) = (peer.clone(), peer.member().clone());
        let id = RunId(*frames.run());
        let exporter = *frames.exporter();
        if let Some(setup) = self.agreed_setup(&member, &id.0) {
            return self.set_up(&member, setup, frames).await;
        }
        let served = self.blocking(move |serving| {
            let run = serving.daemon().runs().run(&id);
            let run = run.map_err(|_| Kind::NotFound)?;
            let head = run.head();
            if head.side != Side::Responder || head.peer.as_str() != member.as_str() {
                return Err(Kind::NotFound.into());
            }
            serving.serve(run, &peer, exporter)
        });
        let (session, served) = served.await?;
        let (latest, mut superseded) = watch::channel(());
        {
            let mut streams = lock(&self.0.streams);
            streams.retain(|_, latest| !latest.is_closed());
            // Dropping the one before ends that stream.
            streams.insert(id, latest);
        }
        // On a task of its own: what a record makes true is followed to its end, also where the
        // peer is gone.
        let driven = tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = superseded.changed() => Ok(()),
                driven = served.drive(session, frames) => driven,
            }
        });
        driven.await.unwrap_or_else(|_| Err(panicked()))
    }

    async fn cosign(&self, _: &Peer, request: Bytes) -> Cosigned {
        let decided = self.blocking(move |serving| Ok(serving.decide_cosigning(&request)));
        decided.await.unwrap_or_else(|_| Cosigned {
            status: 500,
            body: Bytes::new(),
        })
    }

    fn is_serving(&self) -> bool {
        self.firm().is_ok()
    }

    fn witness(&self, peer: &Peer, witness: Witness) {
        lock(&self.0.witnesses).insert(peer.member().clone(), witness);
    }
}

impl Daemon {
    /// What this node says of itself to a peer. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn greeting(&self) -> Result<Greeting, Error> {
        let delegation = self.node().delegation()?;
        Ok(Greeting {
            versions: self.versions().as_slice().to_vec(),
            roster: self.directory().known().roster.number,
            delegations: vec![delegation.to_string().into()],
        })
    }
}

/// A fault of this node's own: its cause stands in the log alone, under the reference that the peer is
/// given to quote.
fn internal(error: impl Into<Error>) -> Problem {
    let (error, reference) = (error.into(), Reference(rand::random()));
    let next = error.hints().join("; ");
    error!(%reference, %error, next, "a fault of this node's own");
    Problem::new(Kind::Internal).with_reference(reference)
}

/// The same of what is no [`Error`].
pub(super) fn fault(cause: &dyn fmt::Display) -> Problem {
    let reference = Reference(rand::random());
    error!(%reference, error = %cause, "a fault of this node's own");
    Problem::new(Kind::Internal).with_reference(reference)
}

/// Where a task has panicked.
fn panicked() -> Problem {
    fault(&"a part of this program broke down")
}
