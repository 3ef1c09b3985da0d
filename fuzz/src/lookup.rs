//! A lookup run whose link, disk, clock and peers do what a list of operations says.
//!
//! Between two operations both sides do all that they can do alone. What the querier shows must be
//! what the plaintext has, whatever happened; and no peer makes a side fail by its own fault.

use std::collections::VecDeque;
use std::sync::LazyLock;

use blindmatch_audit::codec::Writer;
use blindmatch_audit::receipt::Side;
use blindmatch_oprf::SecretKey;
use blindmatch_psi::attach::Attach;
use blindmatch_psi::conformance::{Labelled, in_the_clear};
use blindmatch_psi::lookup::{Concluded, Item, Matches, Querier, Responder, view_input};
use blindmatch_psi::publication::{Manifest, Publication};
use blindmatch_psi::session::{End, Keys, Record, Session, Step, Store};
use blindmatch_psi::stop::{Blame, Stop};
use blindmatch_testkit::world::{SIGNER, VIEW_KEY, World, items};
use blindmatch_testkit::{Host, Scripted, scripted};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use crate::edit::Edit;

const SEED: u64 = 1;
const CLASS: u64 = 8;
const BATCH: &str = "blindmatch lookup batch v1";

/// Another key than the one that was published.
static OTHER_KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::random(&mut scripted(99)));

/// The view of the world: its publication takes longer than a run.
static VIEW: LazyLock<(Manifest, Vec<u8>)> = LazyLock::new(|| {
    let world = World::serving(SEED, CLASS, &set());
    (world.manifest, world.file)
});

/// What happens next.
#[derive(Arbitrary, Debug)]
pub enum Operation {
    /// The next frame to a side arrives.
    Deliver(To),
    /// It is lost.
    Drop(To),
    /// It arrives twice.
    Duplicate(To),
    /// It arrives behind the one after it.
    Swap(To),
    /// It arrives changed.
    Change(To, Edit),
    /// A frame of earlier arrives, of whichever side.
    Replay(To, u8),
    /// A frame of a kind arrives that nobody sent.
    Forge(To, Kind, Vec<u8>),
    /// The peer attaches with its own signature and something else than the truth.
    Attach(To, Untrue),
    /// The responder evaluates under another key from here on, or under the right one again.
    ExchangeKey,
    /// What a side stores next is refused.
    Refuse(To),
    /// The power of a side goes before it stores its next record.
    Crash(To),
    /// The connection ends and another begins.
    Reconnect,
    /// So many seconds pass.
    Wait(u16),
}

/// The side that an operation is about, or that a frame goes to.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Querier,
    Responder,
}

/// The kinds of frames, or none of them.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Kind {
    Attach,
    Batch,
    Answer,
    Receipt,
    Countersignature,
    Abort,
    None,
}

/// What an attach frame says that its signer chose.
#[derive(Arbitrary, Debug)]
pub struct Untrue {
    counter: u64,
    batch: u64,
    digest: Option<[u8; 32]>,
}

/// A run and everything around it.
pub struct Run {
    world: World,
    rng: Scripted,
    querier: Querier<Vec<Item>>,
    responder: Responder,
    connection: u8,
    /// Frames under way to the querier, and to the responder.
    wire: [VecDeque<Vec<u8>>; 2],
    sent: Vec<Vec<u8>>,
    next_store: [Disk; 2],
    /// Sides that were refused something on this connection: they fail by their own fault.
    refused: [bool; 2],
    evaluated_elsewhere: bool,
    /// Whether a peer signed what is not true: then the run may be lost.
    signed_untruth: bool,
}

#[derive(Clone, Copy)]
enum Disk {
    Stores,
    Refuses,
    Fails,
}

impl Run {
    /// A run that has not begun.
    pub fn new() -> Self {
        let mut world = World::new(SEED, CLASS);
        (world.manifest, world.file) = VIEW.clone();
        world.agreement.directions[0].responder_input = view_input(&world.manifest);
        let (querier, responder) = sessions(&world, 1);
        let mut run = Self {
            world,
            rng: scripted(2),
            querier,
            responder,
            connection: 1,
            wire: Default::default(),
            sent: Vec::new(),
            next_store: [Disk::Stores; 2],
            refused: [false; 2],
            evaluated_elsewhere: false,
            signed_untruth: false,
        };
        run.settle();
        run
    }

    /// Does one thing, and lets both sides do what follows.
    pub fn does(&mut self, operation: &Operation) {
        match operation {
            Operation::Deliver(to) => self.arrive(*to, |frame| vec![frame]),
            Operation::Drop(to) => self.arrive(*to, |_| Vec::new()),
            Operation::Duplicate(to) => self.arrive(*to, |frame| vec![frame.clone(), frame]),
            Operation::Swap(to) => {
                let frames = &mut self.wire[*to as usize];
                if frames.len() > 1 {
                    frames.swap(0, 1);
                }
            }
            Operation::Change(to, edit) => self.arrive(*to, |mut frame| {
                edit.apply(&mut frame);
                vec![frame]
            }),
            Operation::Replay(to, which) => {
                let frame = self.sent.get(usize::from(*which)).cloned();
                frame.iter().for_each(|frame| self.receive(*to, frame));
            }
            Operation::Forge(to, kind, body) => self.receive(*to, &self.forged(*kind, body)),
            Operation::Attach(to, untrue) => {
                self.signed_untruth = true;
                let frame = self.attach(*to, untrue);
                self.receive(*to, &frame);
            }
            Operation::ExchangeKey => self.exchange_key(),
            Operation::Refuse(to) => self.next_store[*to as usize] = Disk::Refuses,
            Operation::Crash(to) => self.next_store[*to as usize] = Disk::Fails,
            Operation::Reconnect => self.reconnect(),
            Operation::Wait(seconds) => self.world.clock.advance(i64::from(*seconds)),
        }
        self.settle();
        self.check();
    }

    /// Puts everything right: then the run concludes, unless a peer has lied, or the responder was
    /// charged for a batch that the querier did not send.
    pub fn ends(mut self) {
        if self.evaluated_elsewhere {
            self.exchange_key();
        }
        let late = self.world.clock.now().0 - blindmatch_testkit::world::NOW;
        self.world
            .clock
            .advance(-i64::try_from(late).expect("operations are few"));
        self.next_store = [Disk::Stores; 2];
        self.reconnect();
        self.settle();
        while self.wire.iter().any(|frames| !frames.is_empty()) {
            for to in [To::Querier, To::Responder] {
                self.arrive(to, |frame| vec![frame]);
                self.settle();
            }
        }
        self.check();
        if self.signed_untruth || self.charged_for_another_batch() {
            return;
        }
        let concluded = self.querier.concluded();
        let concluded = concluded.expect("an honest connection concludes the run");
        let matches = matches(&self.world, &concluded);
        let found = matches.found.iter().map(|found| found.item);
        assert!(found.eq(in_the_clear(&queries(), &set_items())));
    }

    fn charged_for_another_batch(&self) -> bool {
        let digest = |frame: &Vec<u8>| {
            let digest = "blindmatch lookup batch digest v1";
            let rest = frame.strip_prefix(&*Writer::new(BATCH).finish())?;
            Some(sha256(&Writer::new(digest).fixed(rest).finish()))
        };
        let asked: Vec<_> = self.sent.iter().filter_map(digest).collect();
        let journal = &self.world.responder.journal;
        journal.iter().any(|record| match record {
            Record::Debit(debit) => !asked.contains(&debit.digest),
            Record::State(_) | Record::Spent { .. } | Record::Receipt(_) => false,
        })
    }

    /// Whatever receipt the querier has leads to nothing but matches.
    fn check(&self) {
        for record in &self.world.querier.journal {
            let Record::Receipt(signed) = record else {
                continue;
            };
            let World {
                querier_key,
                responder_key,
                ..
            } = &self.world;
            let signed = signed.as_ref().clone();
            let concluded = Concluded::restore(signed, querier_key, responder_key);
            let concluded = concluded.expect("what a session stores holds");
            let matches = matches(&self.world, &concluded);
            assert!(matches.unopened.is_empty());
            let (queries, set) = (queries(), set());
            for found in &matches.found {
                let query = &queries[usize::try_from(found.item).expect("a place")];
                let label = set.iter().find(|(item, _)| item == query);
                assert_eq!(label.map(|(_, label)| label), Some(found.label.as_bytes()));
            }
        }
    }

    /// Polls both sides until they wait for a frame or are done.
    fn settle(&mut self) {
        for to in [To::Querier, To::Responder] {
            loop {
                let now = self.world.clock.now();
                let session: &mut dyn Session = match to {
                    To::Querier => &mut self.querier,
                    To::Responder => &mut self.responder,
                };
                match session.poll(now, &mut self.rng) {
                    Step::Send(frame) => {
                        self.sent.push(frame.clone());
                        self.wire[1 - to as usize].push_back(frame);
                    }
                    Step::Work(work) => session.complete(work.run(&host(&mut self.world, to).keys)),
                    Step::Store(store) => {
                        if !self.store(to, store) {
                            // The connection ended, and with it what this side was about.
                            return self.settle();
                        }
                    }
                    Step::Wait => break,
                    Step::Done(end) => {
                        self.assert_blameless(to, end);
                        break;
                    }
                }
            }
        }
    }

    /// Whether the side still has power.
    fn store(&mut self, to: To, store: Store) -> bool {
        let disk = std::mem::replace(&mut self.next_store[to as usize], Disk::Stores);
        let journal = &host(&mut self.world, to).journal;
        let contradicts = |earlier| store.record().contradicts(earlier);
        assert!(!journal.iter().any(contradicts), "sessions come one by one");
        let completion = match disk {
            Disk::Stores => {
                let (record, stored) = store.stored();
                host(&mut self.world, to).journal.push(record);
                stored
            }
            Disk::Refuses => {
                self.refused[to as usize] = true;
                store.refused()
            }
            Disk::Fails => {
                self.reconnect();
                return false;
            }
        };
        match to {
            To::Querier => self.querier.complete(completion),
            To::Responder => self.responder.complete(completion),
        }
        true
    }

    fn assert_blameless(&self, to: To, end: End) {
        if let End::Stopped(stop) = end
            && !self.refused[to as usize]
        {
            assert_ne!(stop.blame(), Blame::Ourselves, "{to:?}: {stop}");
            assert!(!matches!(stop, Stop::Fault(_)));
        }
    }

    fn arrive(&mut self, to: To, change: impl FnOnce(Vec<u8>) -> Vec<Vec<u8>>) {
        if let Some(frame) = self.wire[to as usize].pop_front() {
            for frame in change(frame) {
                self.receive(to, &frame);
                self.settle();
            }
        }
    }

    fn receive(&mut self, to: To, frame: &[u8]) {
        match to {
            To::Querier => self.querier.receive(frame),
            To::Responder => self.responder.receive(frame),
        }
    }

    fn reconnect(&mut self) {
        self.connection = self.connection.wrapping_add(1);
        (self.querier, self.responder) = sessions(&self.world, self.connection);
        self.wire = Default::default();
        self.refused = [false; 2];
    }

    fn exchange_key(&mut self) {
        let keys = &mut self.world.responder.keys;
        let other = if self.evaluated_elsewhere {
            let mut rng = scripted(SEED);
            SecretKey::random(&mut rng)
        } else {
            SecretKey::from_bytes(&*OTHER_KEY.to_bytes()).expect("a key")
        };
        keys.insert_evaluation(VIEW_KEY, other);
        self.evaluated_elsewhere = !self.evaluated_elsewhere;
    }

    fn forged(&self, kind: Kind, body: &[u8]) -> Vec<u8> {
        let context = match kind {
            Kind::Attach => "blindmatch attach v1",
            Kind::Batch => BATCH,
            Kind::Answer => "blindmatch lookup answer v1",
            Kind::Receipt => "blindmatch receipt frame v1",
            Kind::Countersignature => "blindmatch countersignature v1",
            Kind::Abort => "blindmatch abort v1",
            Kind::None => return body.to_vec(),
        };
        let run = self.world.terms().run();
        Writer::new(context).fixed(&run.0).fixed(body).finish()
    }

    fn attach(&self, to: To, untrue: &Untrue) -> Vec<u8> {
        let (side, signer) = match to {
            To::Querier => (Side::Responder, &self.world.responder),
            To::Responder => (Side::Querier, &self.world.querier),
        };
        let start = Writer::new("blindmatch transcript v1")
            .fixed(&self.world.terms().run().0)
            .finish();
        let attach = Attach {
            run: self.world.terms().run(),
            side,
            exporter: [self.connection; 32],
            counter: untrue.counter,
            batch: untrue.batch,
            digest: untrue.digest.unwrap_or_else(|| sha256(&start)),
        };
        let signature = signer.keys.sign(&SIGNER, &attach.signing_bytes());
        attach.encode(&signature.expect("both sides sign"))
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

fn sessions(world: &World, connection: u8) -> (Querier<Vec<Item>>, Responder) {
    let querier = world.querier_session(connection, queries());
    let responder = world.responder_session(connection);
    (
        querier.expect("a session goes on from what it stored"),
        responder.expect("a session goes on from what it stored"),
    )
}

fn host(world: &mut World, to: To) -> &mut Host {
    match to {
        To::Querier => &mut world.querier,
        To::Responder => &mut world.responder,
    }
}

fn matches(world: &World, concluded: &Concluded) -> Matches {
    let Manifest { edition, root, .. } = world.manifest;
    let view = Publication::verified_before(&world.file, edition, root).expect("our own file");
    let states = World::states(&world.querier.journal);
    let matches = concluded.matches(states, &world.manifest, &view);
    matches.expect("the states of a run are its own")
}

/// Items of which some are in the set, one twice.
fn queries() -> Vec<Item> {
    items(["a", "b", "c", "x", "a"])
}

fn set() -> Vec<Labelled> {
    let labelled = (1..).zip(items(["a", "c", "d", "e"]));
    labelled.map(|(n, item)| (item, [n; 24])).collect()
}

fn set_items() -> Vec<Item> {
    set().into_iter().map(|(item, _)| item).collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
