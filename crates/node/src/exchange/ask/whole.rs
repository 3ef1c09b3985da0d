//! Runs of batch, by the side that asks: everything that a subject has of a type, against the whole of
//! a peer's view (`spec/34-batch.md` §3).
//!
//! Nothing of it lasts beyond its matches: no output is cached, and the next run asks for all again.

use std::sync::Arc;

use blindmatch_audit::receipt::{Input, Side, SignedReceipt};
use blindmatch_audit::record;
use blindmatch_membership::MemberId;
use blindmatch_policy::{self as policy, Request};
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Role};
use blindmatch_psi::batch::setup::{PreparedQuerier, SetupTerms};
use blindmatch_psi::batch::{Concluded, Own, Querier, Terms, class_holding};
use blindmatch_psi::lookup::Item;
use blindmatch_psi::session::{Connection, Record, UnixSeconds};
use blindmatch_psi::stop::Fault;
use blindmatch_store::runs::{Head, Run};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel};
use rand::RngExt;

use super::finish::{Ended, end, receipt_keys};
use super::plan::{allow, commit, payment_key, request};
use super::probe::look;
use super::subject::{asked, bare};
use super::{About, Answered, AskError, Asker, Going, Occasion, Subject, agree, blocking};
use crate::exchange::daemon::Daemon;
use crate::exchange::publish::DAY;
use crate::exchange::view::View;

/// What a run of batch is to ask for.
struct Plan {
    /// Ascending.
    items: Vec<Item>,
    class: u32,
    payment_key: Vec<u8>,
    sweep: bool,
}

impl Asker {
    /// Asks a view of the peer at the other end of `channel` for all of `subject` by batch: over a
    /// setup that is here, or one that is made for it.
    ///
    /// # Errors
    ///
    /// [`AskError`]. An unfinished run stays, to be [resumed](Self::resume).
    pub async fn ask_whole(
        &self,
        channel: &Channel,
        view: &View,
        subject: Subject,
        occasion: &Occasion,
    ) -> Result<Answered, AskError> {
        let channel = &self.open(channel).await?;
        let subject = Arc::new(subject);
        let plan = blocking({
            let (daemon, peer) = (Arc::clone(&self.daemon), channel.peer().id().clone());
            let (view, subject) = (view.clone(), Arc::clone(&subject));
            move || Plan::of(&daemon, &peer, &view, &subject)
        })
        .await?;
        let (setup, mut bytes) = self.setup(channel, plan.class).await?;
        let proposal = plan.proposal(&self.daemon, channel.peer().id(), view, &setup);
        let (setup, agreement) = match agree(channel, &proposal).await {
            // The peer has it no longer: then it is of no use here either.
            Err(AskError::Call(CallError::Refused(problem))) if problem.kind == Kind::NotFound => {
                let daemon = Arc::clone(&self.daemon);
                blocking(move || Ok(daemon.runs().setups().destroy(&setup.id())?)).await?;
                let (setup, again) = self.setup(channel, plan.class).await?;
                bytes += again;
                let proposal = plan.proposal(&self.daemon, channel.peer().id(), view, &setup);
                (setup, agree(channel, &proposal).await?)
            }
            agreed => (setup, agreed?),
        };
        let peer = channel.peer().id().clone();
        let (daemon, view) = (Arc::clone(&self.daemon), view.clone());
        let (of_subject, occasion) = (Arc::clone(&subject), occasion.clone());
        let run = blocking(move || {
            // What the peer names is held against our own policy too.
            let class = responder_class(&agreement).ok_or(AskError::Answer)?;
            plan.allow(&daemon, &peer, &view, class)?;
            let head = head(&daemon, &peer, agreement, &of_subject, &occasion)?;
            plan.begin(&daemon, head, &setup)
        })
        .await?;
        let about = About::Set;
        let answered = self.bring_home(channel, Going { run, about }, subject, None);
        let answered = answered.await?;
        Ok(Answered {
            bytes: answered.bytes.saturating_add(bytes),
            ..answered
        })
    }
}

impl Plan {
    /// Plans a run and holds it against the own policy.
    fn of(
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        subject: &Subject,
    ) -> Result<Self, AskError> {
        let kind = view.indicator_type;
        let items = subject.items(daemon, kind)?;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        look(daemon, peer.member().as_str(), view, &items)?;
        let plan = Self {
            items,
            class: class_holding(count).ok_or(AskError::TooMuch)?,
            payment_key: payment_key(daemon, kind),
            sweep: subject.collection().is_some_and(|asking| asking.sweep),
        };
        plan.allow(daemon, peer, view, u64::MAX)?;
        Ok(plan)
    }

    fn allow(
        &self,
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        set: u64,
    ) -> Result<(), AskError> {
        let roster = &daemon.directory().known().roster;
        let name = peer.member().as_str();
        let request = Request {
            protocol: policy::Protocol::Batch,
            query_class: self.class.into(),
            set_size: set,
            sweep: self.sweep,
            ..request(name, view, &self.payment_key, roster.number)
        };
        allow(daemon, roster, &request)
    }

    fn proposal(
        &self,
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        setup: &SetupTerms,
    ) -> Agreement {
        let mut rng = rand::rng();
        let kind = view.indicator_type;
        let unnamed = Input {
            commitment: [0; 32],
            class: 0,
        };
        let direction = Direction {
            querier: Role::First,
            view: view.to_string().into_bytes(),
            indicator_type: kind.name().as_bytes().to_vec(),
            canonicalisation: kind.canonicalisation_version().into(),
            purpose: view.purpose.as_bytes().to_vec(),
            querier_input: Input {
                commitment: commit(&rng.random(), &self.items).0,
                class: self.class.into(),
            },
            responder_input: unnamed,
            payment_key: self.payment_key.clone(),
            setup: setup.id().0,
        };
        let party = |id: &MemberId, nonce| Party {
            identity: id.to_string().into_bytes(),
            nonce,
        };
        Agreement {
            consortium: daemon.id().consortium().as_str().as_bytes().to_vec(),
            roster: daemon.directory().known().roster.number,
            protocol: Protocol::Batch,
            parties: [party(daemon.id(), rng.random()), party(peer, [0; 32])],
            directions: vec![direction],
        }
    }

    /// Begins the run that was agreed on, durably.
    fn begin(&self, daemon: &Daemon, head: Head, setup: &SetupTerms) -> Result<Arc<Run>, AskError> {
        let mut rng = rand::rng();
        let mut beginning = daemon.runs().begin(head, &mut rng)?;
        beginning.over(setup, &mut rng)?;
        for item in &self.items {
            beginning.ask(&bare(item), &mut rng)?;
        }
        Ok(beginning.begin(&mut rng)?)
    }
}

fn responder_class(agreement: &Agreement) -> Option<u64> {
    let [direction] = agreement.directions.as_slice() else {
        return None;
    };
    let class = direction.responder_input.class;
    class_holding(class)
        .filter(|holding| u64::from(*holding) == class)
        .map(u64::from)
}

fn head(
    daemon: &Daemon,
    peer: &MemberId,
    agreement: Agreement,
    subject: &Subject,
    occasion: &Occasion,
) -> Result<Head, AskError> {
    let peer = record::Name::new(peer.member().as_str());
    let asking = subject.collection().map(|asking| &asking.contents);
    let now = daemon.now();
    Ok(Head {
        side: Side::Querier,
        peer: peer.map_err(|_| AskError::Answer)?,
        agreement,
        direction: 0,
        // It knows of none: what it is charged for counts at the peer.
        epoch: 0,
        until: now.saturating_add(DAY),
        began: now,
        collection: asking.map_or_else(String::new, |asking| asking.name.to_string()),
        imports: asking.map_or(0, |asking| asking.imports),
        case: occasion.case.clone(),
        operator: occasion.operator.clone(),
    })
}

fn terms(run: &Run) -> Result<Terms, AskError> {
    let head = run.head();
    let of_run = head.direction().zip(run.setup());
    let (direction, setup) = of_run.ok_or(AskError::Session(Fault::Terms))?;
    let until = UnixSeconds(head.until);
    Terms::new(&head.agreement, direction, setup, until).map_err(AskError::Session)
}

/// The session of a run, which goes on from its records. Reads the disk.
pub(super) fn session(
    daemon: &Daemon,
    run: &Run,
    connection: Connection,
    items: Vec<Item>,
    records: Vec<Record>,
) -> Result<Querier<Vec<Item>>, AskError> {
    let terms = terms(run)?;
    let id = run.setup().ok_or(AskError::Session(Fault::Terms))?.id();
    let half = daemon.runs().setups().half(&id)?;
    let half = half.map(|half| PreparedQuerier::from_state(&half));
    let half = half.transpose().map_err(AskError::Session)?;
    Querier::new(terms, connection, half, items, records).map_err(AskError::Session)
}

/// Compares what both sides sent, and ends the run with what was found.
///
/// `concluded` is of the session that sent our set, where that is the one that ended; else all of it is
/// computed again from what was sealed.
pub(super) fn finish(
    daemon: &Daemon,
    run: &Run,
    subject: &Subject,
    concluded: Option<Concluded>,
    late: bool,
) -> Result<Ended, AskError> {
    let terms = terms(run)?;
    let kind = run.head().direction().map(|one| &*one.indicator_type);
    let kind = kind.and_then(|kind| str::from_utf8(kind).ok()?.parse().ok());
    let kind = kind.ok_or(AskError::Session(Fault::Terms))?;
    let mut items = asked(run)?;
    let mut states = Vec::new();
    for record in run.records()? {
        if let Record::State(state) = record? {
            states.push(state);
        }
    }
    let concluded = match concluded {
        Some(concluded) if concluded.has_own() => concluded,
        // An earlier session sent them.
        _ => {
            let own = Own::restore(&terms, &mut items, &states).map_err(AskError::Session)?;
            restore(daemon, run, own)?
        }
    };
    let matches = concluded.matches(&terms, &states);
    let matches = matches.map_err(AskError::Whole)?;
    drop(states);
    let found = matches.found.into_iter();
    let found = found.map(|found| (found.item, found.label.map(|label| *label)));
    let unopened = matches.unopened.into_iter().map(|place| (place, None));
    let held = unopened.chain(found).collect();
    end(daemon, run, kind, subject, &items, &held, late)
}

/// What the states of a run hold, with whichever key the peer signs.
fn restore(daemon: &Daemon, run: &Run, own: Own) -> Result<Concluded, AskError> {
    let incomplete = || AskError::Whole(blindmatch_psi::batch::MatchError::Incomplete);
    let signed: SignedReceipt = run.receipt()?.ok_or_else(incomplete)?;
    let mut refused = AskError::Session(Fault::UnknownKey);
    for (mine, key) in receipt_keys(daemon, run.head().peer.as_str())? {
        let checked = match signed.responder {
            Some(_) => signed.verify(&mine, &key),
            None => signed.receipt.verify(Side::Querier, &mine, &signed.querier),
        };
        match checked {
            Ok(()) => {
                return Concluded::restore(signed, &mine, &key, own).map_err(AskError::Receipt);
            }
            Err(error) => refused = AskError::Receipt(error),
        }
    }
    Err(refused)
}
