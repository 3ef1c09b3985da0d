//! The link between all nodes: what is lost, late or cut, as a seed has it; and what passes, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use blindmatch_membership::Name;
use blindmatch_node::store::ledger::Ledger;
use blindmatch_node::transport::memory::{Connection, Fate, Link, Listener, Part, Passing};
use memchr::memmem;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::disk::NodeDisk;
use crate::tally::{Budget, Tally};

/// How an answer to a batch of a lookup begins (`spec/31 §3`).
const ANSWER: &[u8] = b"\x1bblindmatch lookup answer v1";
/// Within so long a member that was removed is cut off.
const CUT: Duration = Duration::from_secs(5);

/// How often something happens to what passes, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// It is lost, and the connection with it.
    pub(crate) lose: u32,
    /// It comes twice, where it is a call.
    pub(crate) twice: u32,
    /// It is late, by some milliseconds.
    pub(crate) delay: u32,
    /// It is late by minutes.
    pub(crate) hang: u32,
    /// Nobody answers a call.
    pub(crate) refuse: u32,
}

pub(crate) struct Net(Mutex<State>);

struct State {
    rng: StdRng,
    rates: Rates,
    budget: Budget,
    is_honest: bool,
    seats: BTreeMap<Name, Seat>,
    connections: Vec<Weak<Connection>>,
    /// So many more parts pass, then this node dies.
    doom: Option<(u64, Name)>,
    /// Who was removed by whom, and when.
    removed: BTreeMap<(Name, Name), Instant>,
    answered: BTreeMap<[u8; 32], BTreeSet<[u8; 32]>>,
    trace: Vec<String>,
    wrong: Vec<String>,
}

/// What the link knows of a node.
struct Seat {
    listener: Option<Listener>,
    disk: Option<Arc<NodeDisk>>,
    ledger: Weak<Ledger>,
    tally: Tally,
    /// Counts its deaths.
    deaths: watch::Sender<u64>,
}

impl Net {
    pub(crate) fn new(seed: u64, budget: Budget, is_honest: bool) -> Self {
        Self(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            rates: Rates::default(),
            budget,
            is_honest,
            seats: BTreeMap::new(),
            connections: Vec::new(),
            doom: None,
            removed: BTreeMap::new(),
            answered: BTreeMap::new(),
            trace: Vec::new(),
            wrong: Vec::new(),
        }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    /// A node dies once so many more parts of calls have passed, whoever's.
    pub(crate) fn doom(&self, doom: Option<(u64, Name)>) {
        self.state().doom = doom;
    }

    pub(crate) fn seat(&self, name: &Name, disk: Arc<NodeDisk>) {
        let seat = Seat {
            listener: None,
            disk: Some(disk),
            ledger: Weak::new(),
            tally: Tally::default(),
            deaths: watch::channel(0).0,
        };
        self.state().seats.insert(name.clone(), seat);
    }

    /// A node is there: it answers from now on.
    pub(crate) fn start(&self, name: &Name, ledger: &Arc<Ledger>, listener: Listener) {
        let mut state = self.state();
        let seat = state.seats.get_mut(name).unwrap();
        seat.ledger = Arc::downgrade(ledger);
        seat.listener = Some(listener);
    }

    /// A node answers no more, and nothing that it said arrives any more.
    pub(crate) fn stop(&self, name: &Name) {
        let mut state = self.state();
        state.seats.get_mut(name).unwrap().listener = None;
        let of_it =
            |connection: &Arc<Connection>| connection.from() == name || connection.to() == name;
        let connections = std::mem::take(&mut state.connections);
        for connection in connections.iter().filter_map(Weak::upgrade) {
            if of_it(&connection) {
                connection.cut();
            } else {
                state.connections.push(Arc::downgrade(&connection));
            }
        }
    }

    /// A node dies where it stands.
    pub(crate) fn die(&self, name: &Name) {
        self.stop(name);
        let state = self.state();
        let seat = state.seats.get(name).unwrap();
        seat.disk.as_ref().unwrap().die();
        seat.deaths.send_modify(|deaths| *deaths += 1);
        drop(state);
        self.say(format_args!("{name} dies"));
    }

    /// Says each time that a node dies.
    pub(crate) fn deaths(&self, name: &Name) -> watch::Receiver<u64> {
        self.state().seats.get(name).unwrap().deaths.subscribe()
    }

    /// Says a line of what happens.
    pub(crate) fn say(&self, line: std::fmt::Arguments<'_>) {
        self.state().trace.push(line.to_string());
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// From now on `by` knows that `gone` is no member.
    pub(crate) fn removed(&self, by: &Name, gone: &Name) {
        let key = (by.clone(), gone.clone());
        self.state().removed.entry(key).or_insert_with(Instant::now);
    }

    /// Holds what a node's ledger says against what was seen of it before, and against the budgets.
    pub(crate) fn audit(&self, name: &Name) -> Result<(), String> {
        let mut state = self.state();
        let (budget, is_honest) = (state.budget, state.is_honest);
        let seat = state.seats.get_mut(name).unwrap();
        let Some(ledger) = seat.ledger.upgrade() else {
            return Ok(());
        };
        let log = ledger.log();
        let read = seat.tally.catch_up(&log, budget, is_honest);
        read.map_err(|error| format!("the ledger of {name}: {error}"))
    }

    /// A node that knew of a removal was restored from before that.
    pub(crate) fn forgets_removals(&self, by: &Name) {
        self.state().removed.retain(|(knows, _), _| knows != by);
    }

    /// A node's ledger is there again as far as so many records, which a backup had.
    pub(crate) fn restored(&self, name: &Name, size: u64, ledger: &Ledger) -> Result<(), String> {
        let mut state = self.state();
        let tally = &mut state.seats.get_mut(name).unwrap().tally;
        tally.goes_on_from(size, &ledger.log())
    }

    /// Asks what a node charged.
    pub(crate) fn tallied<T>(&self, name: &Name, ask: impl FnOnce(&Tally) -> T) -> T {
        ask(&self.state().seats.get(name).unwrap().tally)
    }

    /// Notes what nobody may ever see.
    pub(crate) fn blame(&self, wrong: String) {
        self.state().wrong.push(wrong);
    }

    /// What went wrong on the way.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.state().wrong.first().cloned()
    }

    /// Evaluations that left nodes, and those that nodes charged.
    pub(crate) fn evaluations(&self) -> (u64, u64) {
        let state = self.state();
        let answered: usize = state.answered.values().map(BTreeSet::len).sum();
        let charged = state.seats.values().map(|seat| seat.tally.total()).sum();
        (u64::try_from(answered).unwrap(), charged)
    }
}

impl State {
    /// Counts the evaluations that are about to leave, which have to be charged by then.
    fn count(&mut self, from: &Name, to: &Name, mut bytes: &[u8]) {
        while let Some(at) = memmem::find(bytes, ANSWER) {
            let (_, answer) = bytes.split_at(at + ANSWER.len());
            bytes = answer;
            let (run, rest) = answer.split_first_chunk::<32>().unwrap();
            let (_, rest) = rest.split_first_chunk::<8>().unwrap();
            let (count, rest) = rest.split_first_chunk::<4>().unwrap();
            let count = usize::try_from(u32::from_be_bytes(*count)).unwrap();
            let (elements, _) = rest.as_chunks::<32>();
            let of_run = self.answered.entry(*run).or_default();
            of_run.extend(elements.iter().take(count));
            let answered = u64::try_from(of_run.len()).unwrap();
            let (budget, is_honest) = (self.budget, self.is_honest);
            let seat = self.seats.get_mut(from).unwrap();
            let Some(ledger) = seat.ledger.upgrade() else {
                self.wrong.push(format!("{from} answers and is not there"));
                return;
            };
            let log = ledger.log();
            if let Err(error) = seat.tally.catch_up(&log, budget, is_honest) {
                self.wrong.push(format!("the ledger of {from}: {error}"));
            }
            // Also who has another's run gets nothing of it.
            let charged = seat.tally.of_run(run, to.as_str());
            if answered > charged {
                self.wrong.push(format!(
                    "{from} answered {to} {answered} in a run that it charged it {charged} for"
                ));
            }
        }
    }

    fn decide(&mut self, passing: &Passing<'_>) -> (Fate, Duration) {
        let Passing {
            connection,
            path,
            part,
        } = passing;
        let (from, to) = (connection.from().clone(), connection.to().clone());
        if let Part::Response(bytes) = part {
            let removed = self.removed.get(&(to.clone(), from.clone()));
            if removed.is_some_and(|at| at.elapsed() > CUT) && !bytes.is_empty() {
                self.wrong
                    .push(format!("{to} answers {from}, which is no member: {path}"));
            }
            self.count(&to, &from, bytes);
        }
        let what = path.rsplit('/').next().unwrap_or_default();
        let part = match part {
            Part::Call => "call",
            Part::Request(_) => "request",
            Part::Answer => "answer",
            Part::Response(_) => "response",
        };
        let roll = self.rng.random_range(0..1000);
        let Rates {
            lose,
            twice,
            delay,
            hang,
            ..
        } = self.rates;
        let (fate, late) = if roll < lose {
            (Fate::Lost, Duration::ZERO)
        } else if roll < lose + twice {
            (Fate::Twice, Duration::ZERO)
        } else if roll < lose + twice + delay {
            (
                Fate::Arrives,
                Duration::from_millis(self.rng.random_range(1..500)),
            )
        } else if roll < lose + twice + delay + hang {
            (
                Fate::Arrives,
                Duration::from_secs(self.rng.random_range(10..200)),
            )
        } else {
            (Fate::Arrives, Duration::ZERO)
        };
        self.trace
            .push(format!("{from} {to} {what} {part} {fate:?} {late:?}"));
        (fate, late)
    }
}

impl Link for Net {
    fn call(
        &self,
        from: &Name,
        to: &Name,
    ) -> Pin<Box<dyn Future<Output = Option<Listener>> + Send>> {
        let mut state = self.state();
        let refused = state.rng.random_range(0..1000) < state.rates.refuse;
        let listener = state.seats.get(to).and_then(|seat| seat.listener.clone());
        // Who is dead calls nobody.
        let here = state
            .seats
            .get(from)
            .is_some_and(|seat| seat.listener.is_some());
        let listener = listener.filter(|_| here && !refused);
        let outcome = listener.is_some();
        state.trace.push(format!("{from} calls {to}: {outcome}"));
        Box::pin(ready(listener))
    }

    fn opened(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        state.connections.retain(|other| other.strong_count() > 0);
        state.connections.push(Arc::downgrade(connection));
    }

    fn pass(&self, passing: Passing<'_>) -> Pin<Box<dyn Future<Output = Fate> + Send>> {
        let mut state = self.state();
        let (fate, late) = state.decide(&passing);
        let mut dying = None;
        if let Some((left, name)) = state.doom.take() {
            match left.checked_sub(1) {
                Some(left) => state.doom = Some((left, name)),
                None => dying = Some(name),
            }
        }
        drop(state);
        if let Some(name) = dying {
            self.die(&name);
        }
        if late.is_zero() {
            return Box::pin(ready(fate));
        }
        Box::pin(async move {
            sleep(late).await;
            fate
        })
    }
}
