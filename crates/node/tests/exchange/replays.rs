//! Whatever was said once is said again: on the same connection, on another, and behind a restart of who
//! was told. Nobody gets anything by it, and each kind of message has one answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_audit::checkpoint::Continuation;
use blindmatch_audit::record::Event;
use blindmatch_audit::witness::Request;
use blindmatch_node::clock;
use blindmatch_node::exchange::{Frames as Driven, Journal, Lost, RunKeys, SIGNER, drive};
use blindmatch_psi::agreement::{Agreement, Protocol};
use blindmatch_psi::batch::setup::{PreparedQuerier, SetupSession, SetupTerms};
use blindmatch_psi::batch::{Labels, Querier, Terms};
use blindmatch_psi::lookup::Item;
use blindmatch_psi::session::{Connection, End, Keys, Record, UnixSeconds};
use blindmatch_transport::message::{Answer, FileRequest, ManifestRequest, Proposal};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Frames};
use bytes::Bytes;
use tokio::time::timeout;

use crate::{ASKED, Asking, Memory, SETS, World, view};

/// The smallest class of batch.
const CLASS: u32 = 1_024;
/// How often a captured message comes again.
const PLACES: [&str; 3] = ["the same connection", "another", "another behind a restart"];

/// Frames of a setup: of the querier, and of the responder.
const FLIGHTS: (usize, usize) = (3, 4);
/// No frame that a querier sends.
const MALFORMED: Said = Said::Abort(1);
const UNEXPECTED_FRAME: Said = Said::Abort(2);
const WRONG_CONNECTION: Said = Said::Abort(4);
const STALE_ATTACH: Said = Said::Abort(5);
const NOT_FOUND: Said = Said::Refused(Kind::NotFound);
/// A flight of another setup.
const OTHER_SETUP: Said = Said::Abort(3);
const SETUP_FLIGHT: &[u8] = b"\x20blindmatch batch setup flight v1";

/// What is said to frames on the stream of a run that somebody sends who has no session.
#[derive(Debug, PartialEq)]
enum Said {
    /// No frame: the call fails so.
    Refused(Kind),
    /// One frame: an abort of this code (`spec/30-session.md` §6), and the stream ends. Who makes a setup
    /// may have said its own first flight by then, which answers nothing.
    Abort(u8),
    Otherwise(Vec<Bytes>, Option<CallError>),
}

async fn say(channel: &Channel, run: [u8; 32], frames: &[Vec<u8>]) -> Said {
    let mut stream = channel.run(run).await.unwrap();
    let (to, from) = stream.split();
    for frame in frames {
        // It may have ended by then.
        let _ = to.send(frame.clone().into()).await;
    }
    let mut said = Vec::new();
    let error = loop {
        let next = timeout(Duration::from_secs(20), from.receive());
        match next.await.unwrap() {
            Ok(Some(frame)) => said.push(frame),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if matches!(said.as_slice(), [first, _] if first.starts_with(SETUP_FLIGHT)) {
        said.remove(0);
    }
    match (said.as_slice(), error) {
        ([], Some(CallError::Refused(problem))) => Said::Refused(problem.kind),
        ([frame], None) => {
            let abort = frame.strip_prefix(b"\x13blindmatch abort v1");
            let (code, of) = abort.unwrap().split_last().unwrap();
            assert_eq!(of, run);
            Said::Abort(*code)
        }
        (_, error) => Said::Otherwise(said, error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_once_gets_nothing_when_it_is_said_again() {
    let mut world = World::new(&SETS, str::to_owned).await;
    world.publish("b").await;
    let first = world.dial("a", "b").await;
    // One run that is over, and one that broke when it had its answers.
    let over = world.agree(&first, "a", "b", &ASKED).await.unwrap();
    let (end, _) = world.ask(&first, "a", &over).await.unwrap();
    assert_eq!(end, End::Concluded);
    let open = world.agree(&first, "a", "b", &ASKED).await.unwrap();
    let broken = world.ask_until(&first, "a", &open, 2).await;
    assert!(broken.is_err());
    let run_of = |asking: &Asking| {
        let direction = asking.agreement.directions.first().unwrap();
        asking.agreement.run_id(direction).0
    };
    let greeting = world.daemon("a").greeting().unwrap();
    let manifest = ManifestRequest {
        view: view().to_string(),
        checkpoint: Bytes::new(),
    };
    let file = FileRequest {
        view: view().to_string(),
        sequence: open.accepted.manifest.edition.sequence(),
        since: None,
        offset: 0,
    };
    let told = first.hello(greeting.clone()).await.unwrap();
    let shown = first.manifest(manifest.clone()).await.unwrap();
    let given = first.file(file.clone()).await.unwrap();
    let given = given.collect(1 << 24).await.unwrap();
    for place in PLACES {
        let (channel, attach) = match place {
            "the same connection" => (first.clone(), STALE_ATTACH),
            "another" => (world.dial("a", "b").await, WRONG_CONNECTION),
            _ => {
                world.restart("b").await;
                (world.dial("a", "b").await, WRONG_CONNECTION)
            }
        };
        let records = world.daemon("b").ledger().log().size();
        // What asks gets the same once more.
        assert_eq!(channel.hello(greeting.clone()).await, Ok(told.clone()));
        let again = channel.manifest(manifest.clone()).await.unwrap();
        assert_eq!(again.manifest, shown.manifest);
        let again = channel.file(file.clone()).await.unwrap();
        assert_eq!(again.collect(1 << 24).await.as_ref(), Ok(&given));
        // What proposes begins another run, which is charged nothing before it asks.
        let mut proposal = open.agreement.clone();
        for party in proposal.parties.iter_mut().skip(1) {
            party.nonce = [0; 32];
        }
        let answer = channel.propose(Proposal(proposal.encode().into())).await;
        let Ok(Answer::Agreement(agreed)) = answer else {
            panic!("{place}: {answer:?}");
        };
        assert_ne!(Agreement::decode(&agreed).unwrap(), open.agreement);
        // Of a run that is over nothing is left to say.
        let sent = over.sent.lock().unwrap().clone();
        assert_eq!(sent.len(), 3);
        for frames in sent.chunks(1).chain([sent.as_slice()]) {
            let said = say(&channel, run_of(&over), frames).await;
            assert_eq!(said, NOT_FOUND, "{place}");
        }
        // One that can go on does so with nobody who has only its frames.
        let sent = open.sent.lock().unwrap().clone();
        let [attached, asked] = sent.chunks(1).collect::<Vec<_>>().try_into().unwrap();
        for (frames, expected) in [
            (attached, &attach),
            (asked, &UNEXPECTED_FRAME),
            (sent.as_slice(), &attach),
        ] {
            let said = say(&channel, run_of(&open), frames).await;
            assert_eq!(said, *expected, "{place}");
        }
        // And not as another run.
        let said = say(&channel, run_of(&over), &sent).await;
        assert_eq!(said, NOT_FOUND, "{place}");
        // Nothing is charged or recorded, since in the other run that was agreed to nothing was said.
        assert_eq!(world.debits("b"), [8, 8], "{place}");
        let log = world.daemon("b").ledger().log();
        let recorded = log
            .records(records..u64::MAX)
            .map(|record| record.unwrap().1.event);
        let recorded: Vec<_> = recorded.collect();
        assert!(recorded.is_empty(), "{recorded:?}");
    }
    // Who has the session goes on with it.
    let channel = world.dial("a", "b").await;
    let ended = world.ask(&channel, "a", &open).await.unwrap();
    assert_eq!(ended, (End::Concluded, BTreeSet::from([1, 2])));
    assert_eq!(world.debits("b"), [8, 8]);
}

/// A connection of which all that went over it is kept, and that breaks when it has brought so many frames.
struct Taped {
    frames: Frames,
    sent: Vec<Vec<u8>>,
    came: Vec<Vec<u8>>,
    left: usize,
}

impl Driven for Taped {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        self.sent.push(frame.clone());
        Driven::send(&mut self.frames, frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        if self.came.len() == self.left {
            return Err(Lost);
        }
        // Who waits may give it up.
        let frame = Driven::receive(&mut self.frames).await?;
        self.came.push(frame.clone());
        Ok(frame)
    }
}

/// What went over the wire of a setup or of a run of batch, each side's frames in their order.
struct Tape {
    id: [u8; 32],
    sent: Vec<Vec<u8>>,
    came: Vec<Vec<u8>>,
}

impl World {
    fn keys(&self, member: &str) -> Arc<dyn Keys + Send + Sync> {
        Arc::new(RunKeys {
            signer: self.daemon(member).receipts().clone(),
            evaluation: None,
        })
    }

    /// Agrees on a setup between `a` and `b`.
    async fn agree_on_setup(&self, channel: &Channel, nonce: u8) -> SetupTerms {
        let identity = |member: &str| self.daemon(member).id().to_string().into_bytes();
        let proposal = SetupTerms {
            consortium: b"demo".to_vec(),
            querier: identity("a"),
            responder: identity("b"),
            class: CLASS,
            labels: Labels::Sealed,
            querier_nonce: [nonce; 32],
            responder_nonce: [0; 32],
        };
        let answer = channel.propose(Proposal(proposal.encode().into())).await;
        let Ok(Answer::Agreement(terms)) = answer else {
            panic!("{answer:?}");
        };
        SetupTerms::decode(&terms).unwrap()
    }

    /// Makes a setup; gives what was said, and our half.
    async fn set_up(&self, channel: &Channel, nonce: u8) -> (SetupTerms, Tape, PreparedQuerier) {
        let terms = self.agree_on_setup(channel, nonce).await;
        let frames = channel.run(terms.id().0).await.unwrap();
        let mut taped = Taped {
            frames,
            sent: Vec::new(),
            came: Vec::new(),
            left: usize::MAX,
        };
        let mut session = SetupSession::querier(terms.clone()).unwrap();
        let memory = Arc::new(Memory::default());
        let journal: Arc<dyn Journal> = memory.clone();
        let now = || UnixSeconds(clock::now());
        let keys = self.keys("a");
        let end = drive(&mut session, &mut taped, &keys, &journal, &now).await;
        assert_eq!(end, Ok(End::Concluded));
        taped.frames.finish().await.unwrap();
        let records = memory.0.lock().unwrap();
        let half = records.iter().find_map(|record| match record {
            Record::State(half) => Some(PreparedQuerier::from_state(half).unwrap()),
            _ => None,
        });
        let tape = Tape {
            id: terms.id().0,
            sent: taped.sent,
            came: taped.came,
        };
        (terms, tape, half.unwrap())
    }

    /// Runs over a setup on a connection that breaks when it has brought so many frames.
    async fn run_over(
        &self,
        channel: &Channel,
        (terms, half): (&SetupTerms, PreparedQuerier),
        left: usize,
    ) -> (Tape, Result<End, Lost>) {
        let accepted = self.manifest(channel, "a", "b").await;
        let mut proposal = self.proposal("a", "b", &accepted, 1);
        proposal.protocol = Protocol::Batch;
        let direction = proposal.directions.first_mut().unwrap();
        direction.querier_input.class = CLASS.into();
        direction.responder_input.commitment = [0; 32];
        direction.responder_input.class = 0;
        direction.setup = terms.id().0;
        let answer = channel.propose(Proposal(proposal.encode().into())).await;
        let Ok(Answer::Agreement(agreed)) = answer else {
            panic!("{answer:?}");
        };
        let agreement = Agreement::decode(&agreed).unwrap();
        let direction = agreement.directions.first().unwrap();
        let id = agreement.run_id(direction).0;
        let until = UnixSeconds(accepted.manifest.expires);
        let of_run = Terms::new(&agreement, direction, terms, until).unwrap();
        let frames = channel.run(id).await.unwrap();
        let connection = Connection {
            exporter: *frames.exporter(),
            signer: SIGNER,
            peer: self.daemon("a").receipt_key(channel.peer()).unwrap(),
        };
        let items: Vec<Item> = Vec::new();
        let mut querier = Querier::new(of_run, connection, Some(half), items, []).unwrap();
        let mut taped = Taped {
            frames,
            sent: Vec::new(),
            came: Vec::new(),
            left,
        };
        let journal: Arc<dyn Journal> = Arc::new(Memory::default());
        let now = || UnixSeconds(clock::now());
        let keys = self.keys("a");
        let end = drive(&mut querier, &mut taped, &keys, &journal, &now).await;
        if end.is_ok() {
            taped.frames.finish().await.unwrap();
        }
        let tape = Tape {
            id,
            sent: taped.sent,
            came: taped.came,
        };
        (tape, end)
    }

    /// The connection on which something comes again.
    async fn at(&mut self, place: &str, first: &Channel) -> Channel {
        if place == "the same connection" {
            return first.clone();
        }
        if place == "another behind a restart" {
            self.restart("b").await;
        }
        self.dial("a", "b").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_once_in_batch_gets_nothing_when_it_is_said_again() {
    let allow = |policy: &str| {
        policy.replace(
            "protocols = [\"lookup\"]",
            "protocols = [\"lookup\", \"batch\"]",
        )
    };
    let mut world = World::new(&SETS, allow).await;
    world.publish("b").await;
    let first = world.dial("a", "b").await;
    let (terms, setup, half) = world.set_up(&first, 1).await;
    assert_eq!((setup.sent.len(), setup.came.len()), FLIGHTS);
    // One run that is over, and one that broke when it was attached and its F8 sent.
    let (over, end) = world.run_over(&first, (&terms, half), usize::MAX).await;
    assert_eq!(end, Ok(End::Concluded));
    let (terms, other_setup, half) = world.set_up(&first, 2).await;
    let (open, end) = world.run_over(&first, (&terms, half), 2).await;
    assert_eq!(end, Err(Lost));
    let charged = world.debits("b");
    assert_eq!(charged, [u64::from(2 * CLASS); 2]);
    let halves = |world: &World| world.daemon("b").runs().setups().all().len();
    assert_eq!(halves(&world), 0, "both are used up");

    for place in PLACES {
        let channel = world.at(place, &first).await;
        let attach = match place {
            "the same connection" => STALE_ATTACH,
            _ => WRONG_CONNECTION,
        };
        let records = world.daemon("b").ledger().log().size();
        // Of a setup that was made nothing is left to say, nor of a run that is over: each frame of either
        // side, all of one side, and as each other.
        for id in [setup.id, other_setup.id, over.id] {
            for tape in [&setup, &over] {
                for side in [&tape.sent, &tape.came] {
                    for frames in side.chunks(1).chain([side.as_slice()]) {
                        let said = say(&channel, id, frames).await;
                        assert_eq!(said, NOT_FOUND, "{place}");
                    }
                }
            }
        }
        // As the beginning of another setup, flights of this one are those of another.
        let fresh = world.agree_on_setup(&channel, 3).await.id().0;
        let said = say(&channel, fresh, &setup.sent).await;
        assert_eq!(said, OTHER_SETUP, "{place}");
        // And that one is agreed on no more.
        let said = say(&channel, fresh, &setup.sent).await;
        assert_eq!(said, NOT_FOUND, "{place}");
        // A run that can go on does so with nobody who has only its frames: F8 comes behind an attach frame
        // of its connection alone, and what the responder said is for no responder.
        let [attached, asked, ..] = open.sent.chunks(1).collect::<Vec<_>>()[..] else {
            panic!("{} frames", open.sent.len());
        };
        for (frames, expected) in [
            (attached, &attach),
            (asked, &UNEXPECTED_FRAME),
            (open.sent.as_slice(), &attach),
            (over.came.get(1..).unwrap(), &MALFORMED),
        ] {
            let said = say(&channel, open.id, frames).await;
            assert_eq!(said, *expected, "{place}");
        }
        assert_eq!(world.debits("b"), charged, "{place}");
        assert_eq!(halves(&world), 0, "{place}");
        let log = world.daemon("b").ledger().log();
        assert_eq!(log.size(), records, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_cosign_that_comes_again_moves_nothing() {
    let mut world = World::new(&SETS, str::to_owned).await;
    let node = world.node("a");
    assert!(node.serving.gather(&node.endpoint).await.unwrap());
    // `b` has cosigned so much; `a` goes on.
    let log = world.daemon("a").ledger().log();
    let old = log.head().unverified().size;
    world.daemon("a").publish().unwrap();
    let log = world.daemon("a").ledger().log();
    let size = log.head().unverified().size;
    assert!(size > old);
    let request = |old: u64| {
        let proof = log.consistency_proof(old, size).unwrap();
        let request = Request {
            old,
            incarnation: 1,
            how: Continuation::Kept(proof),
            checkpoint: log.head().clone(),
        };
        Bytes::from(request.to_string())
    };
    let once = request(old);
    let first = world.dial("a", "b").await;
    let ask = async |world: &World, from: &str, channel: &Channel, body: &Bytes| {
        let serving = Arc::new(world.node(from).serving.clone());
        let witness = channel.witness(serving).await.unwrap();
        let answer = witness.ask(body.clone()).await.unwrap();
        (
            answer.status,
            String::from_utf8(answer.body.to_vec()).unwrap(),
        )
    };
    let (status, line) = ask(&world, "a", &first, &once).await;
    assert_eq!(status, 200, "{line}");
    for place in PLACES {
        let channel = world.at(place, &first).await;
        let records = world.daemon("b").ledger().log().size();
        // It begins from what is not the last any more: that is told, and nothing else.
        let told = (409, format!("{size}\n"));
        assert_eq!(ask(&world, "a", &channel, &once).await, told, "{place}");
        // Nor is it of use to somebody else who has it.
        let other = world.dial("c", "b").await;
        assert_eq!(ask(&world, "c", &other, &once).await, told, "{place}");
        let torn = once.slice(..once.len() - 3);
        let (status, _) = ask(&world, "c", &other, &torn).await;
        assert!([400, 403].contains(&status), "{place}: {status}");
        // Of the same checkpoint there may be another cosignature, and no other record.
        let (status, _) = ask(&world, "a", &channel, &request(size)).await;
        assert_eq!(status, 200, "{place}");
        let log = world.daemon("b").ledger().log();
        let news: Vec<_> = log
            .records(records..u64::MAX)
            .map(|record| record.unwrap().1.event)
            .collect();
        assert!(
            !news
                .iter()
                .any(|event| matches!(event, Event::Witnessed { .. })),
            "{place}: {news:?}"
        );
    }
}
