//! A run on one connection, by the side that serves.

use std::sync::Arc;

use blindmatch_membership::Name;
use blindmatch_oprf::SecretKey;
use blindmatch_policy::{Budget, Charged, Protocol};
use blindmatch_psi::agreement::{Direction, Protocol as AgreedProtocol};
use blindmatch_psi::lookup::{Responder, Terms};
use blindmatch_psi::session::{
    Completion, Connection, Debit, End, Keys, Record, Session, Store, UnixSeconds,
};
use blindmatch_store::runs::{Head, Run, RunError, Taken};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{Frames, Peer};
use blindmatch_wire::Problem;

use super::{Serving, fault, internal, panicked};
use crate::error::Error;
use crate::exchange::daemon::{Daemon, lock};
use crate::exchange::drive::{Frames as Driven, Journal, Lost, drive};
use crate::exchange::keys::{EVALUATION, RunKeys, SIGNER};
use crate::exchange::view::View;
use crate::exchange::work::blocking;

/// A run with everything that its session needs from here.
pub(super) struct Served {
    keys: Arc<dyn Keys + Send + Sync>,
    account: Arc<Account>,
}

/// Where the records of the run go, and what it may charge.
struct Account {
    serving: Serving,
    run: Arc<Run>,
    /// Of the peer for the view.
    budget: Budget,
    /// What all peers together may ask.
    total: u64,
}

impl Serving {
    /// The session of a run that this peer was agreed on, on the connection of this exporter.
    /// Blocks.
    pub(super) fn serve(
        &self,
        run: Arc<Run>,
        peer: &Peer,
        exporter: [u8; 32],
    ) -> Result<(Box<dyn Session>, Served), Problem> {
        if run.head().agreement.protocol == AgreedProtocol::Batch {
            return self.serve_whole(run, peer, exporter);
        }
        let daemon = self.daemon();
        let head = run.head();
        let (direction, view) = about(head)?;
        let (epoch, publication) = self.agreed(&view, direction)?;
        let manifest = &publication.manifest;
        if epoch.domain().epoch != head.epoch || daemon.now() >= head.until {
            return Err(Kind::EpochOver.into());
        }
        let budget = self
            .budget(peer.member(), &view, Protocol::Lookup)
            .ok_or(Kind::NotAllowed)?;
        let until = UnixSeconds(head.until);
        let terms = Terms::new(&head.agreement, direction, manifest, until);
        let terms = terms.map_err(|error| fault(&error))?;
        let connection = connection(&daemon, peer, exporter)?;
        let failed = |error: RunError| internal(error);
        let records = run.records().map_err(failed)?;
        let records: Result<Vec<_>, _> = records.collect();
        let session = Responder::new(terms, connection, EVALUATION, records.map_err(failed)?);
        let session = session.map_err(|error| fault(&error))?;
        let (key, total) = (epoch.secret(), manifest.queries);
        let served = Served::new(self, run, Some(key), budget, total);
        Ok((Box::new(session), served))
    }

    /// What the rule that serves a view to a peer allows now.
    pub(super) fn budget(&self, peer: &Name, view: &View, by: Protocol) -> Option<Budget> {
        let daemon = self.daemon();
        let policy = daemon.policy();
        let kind = view.indicator_type;
        let rule = policy.rule_serving(peer.as_str(), kind, &view.purpose, by)?;
        Some(policy.budget(rule, kind))
    }
}

/// The one direction of a run that is stored, and the view that it asks.
pub(super) fn about(head: &Head) -> Result<(&Direction, View), Problem> {
    let direction = head.direction().ok_or_else(unlike)?;
    let view = str::from_utf8(&direction.view).ok();
    let view = view.and_then(|view| view.parse().ok());
    Ok((direction, view.ok_or_else(unlike)?))
}

/// What a session knows of a connection to this peer.
pub(super) fn connection(
    daemon: &Daemon,
    peer: &Peer,
    exporter: [u8; 32],
) -> Result<Connection, Problem> {
    Ok(Connection {
        exporter,
        signer: SIGNER,
        peer: daemon.receipt_key(peer).ok_or(Kind::NotNow)?,
    })
}

/// What was agreed on is checked before it is stored.
pub(super) fn unlike() -> Problem {
    fault(&"a run is stored that is none of this program")
}

impl Served {
    /// A run that may charge within `budget`, and all peers' within `total`. In lookup `key`
    /// evaluates.
    pub(super) fn new(
        serving: &Serving,
        run: Arc<Run>,
        key: Option<Arc<SecretKey>>,
        budget: Budget,
        total: u64,
    ) -> Self {
        let keys = RunKeys {
            signer: Arc::clone(serving.daemon().receipts()),
            evaluation: key,
        };
        let account = Account {
            serving: serving.clone(),
            budget,
            total,
            run,
        };
        Self {
            keys: Arc::new(keys),
            account: Arc::new(account),
        }
    }

    /// Runs the session until it or its connection ends, and ends the run with it.
    pub(super) async fn drive(
        self,
        mut session: Box<dyn Session>,
        frames: Frames,
    ) -> Result<(), Problem> {
        let Self { keys, account } = self;
        let mut frames = Counted {
            frames,
            account: Arc::clone(&account),
        };
        let journal: Arc<dyn Journal> = Arc::clone(&account) as Arc<dyn Journal>;
        let daemon = account.serving.daemon();
        let now = move || UnixSeconds(daemon.now());
        let end = drive(&mut *session, &mut frames, &keys, &journal, &now).await;
        // The peer has the receipt once it ends the stream in order. Until then, and where it was
        // told why not or is gone, the run can be resumed.
        let concluded =
            end == Ok(End::Concluded) && matches!(frames.frames.receive().await, Ok(None));
        account.count(concluded);
        // The peer, which waits for the end of the stream, waits for nothing of this.
        tokio::spawn(async move {
            let ended = blocking(move || {
                let rng = &mut rand::rng();
                if concluded {
                    account.run.conclude(None, rng)
                } else {
                    account.run.settle(rng)
                }
            });
            match ended.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => _ = internal(error),
                Err(_) => _ = panicked(),
            }
        });
        Ok(())
    }
}

/// The frames of a run, which are counted.
struct Counted {
    frames: Frames,
    account: Arc<Account>,
}

impl Counted {
    fn count(&self, frame: &[u8]) {
        let labels = [
            ("peer", self.account.run.head().peer.as_str()),
            ("what", "run"),
        ];
        let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        let counters = self.account.serving.counters();
        counters.add("blindmatch_bytes_total", &labels, bytes);
    }
}

impl Driven for Counted {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        self.count(&frame);
        Driven::send(&mut self.frames, frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        let frame = Driven::receive(&mut self.frames).await?;
        self.count(&frame);
        Ok(frame)
    }
}

impl Journal for Account {
    fn store(&self, store: Store) -> Completion {
        // From what was charged before to the record of this charge, nobody else charges.
        let _charging =
            matches!(store.record(), Record::Debit(_)).then(|| lock(&self.serving.0.charging));
        let mut reserve = |debit: &Debit| {
            let covers = self.covers(debit);
            covers.map_err(internal).unwrap_or(false)
        };
        let taken = if store.is_awaited() {
            let record = store.record();
            self.run.take(record, &mut reserve, &mut rand::rng())
        } else {
            self.run.take_ahead(store.record())
        };
        match taken {
            Ok(Taken::Stored) => {
                let by_lookup = self.run.setup().is_none();
                if let Record::Debit(debit) = store.record()
                    && by_lookup
                {
                    let counters = self.serving.counters();
                    counters.add("blindmatch_oprf_evaluations_total", &[], debit.evaluations);
                }
                store.stored().1
            }
            Ok(Taken::Contradicted) => store.contradicted(),
            Ok(Taken::Refused) => store.refused(),
            Err(error) => {
                // The peer is told by the session.
                internal(error);
                store.refused()
            }
        }
    }
}

impl Account {
    /// Counts a run, or a connection of it that broke.
    fn count(&self, concluded: bool) {
        let head = self.run.head();
        let kind = head.direction().map(|direction| &*direction.indicator_type);
        let kind = kind.and_then(|kind| str::from_utf8(kind).ok());
        let labels = [
            ("peer", head.peer.as_str()),
            ("type", kind.unwrap_or_default()),
            (
                "outcome",
                if concluded { "concluded" } else { "broken_off" },
            ),
        ];
        let counters = self.serving.counters();
        counters.add("blindmatch_runs_total", &labels, 1);
    }

    /// Whether the budgets cover a debit besides all that are in the ledger.
    fn covers(&self, debit: &Debit) -> Result<bool, Error> {
        let daemon = self.serving.daemon();
        let head = self.run.head();
        let Some(view) = head.view() else {
            return Ok(false);
        };
        let time = daemon.now().max(daemon.ledger().log().time());
        let (view, peer) = (view.as_str(), head.peer.as_str());
        let (charged, all) = daemon.facts(|facts| {
            let charged = facts.charged(view, peer, head.epoch, time)?;
            Ok((charged, facts.charged_in_all(view, head.epoch)?))
        })?;
        let charged = Charged {
            day: charged.day,
            epoch: charged.epoch,
        };
        let of_all = all.checked_add(debit.evaluations);
        Ok(self.budget.cover(charged, debit.evaluations).is_ok()
            && of_all.is_some_and(|all| all <= self.total))
    }
}
