//! What nodes tell each other about matches, over connections that lose, double and delay it, and over
//! restarts; by a clock that is set.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use blindmatch_audit::record::Event;
use blindmatch_feeds::{Column, Options};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{Message, Says};
use blindmatch_matches::{Disposition, Feedback, State, Stays, Verdict, may_leave};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::demo::{Consortium, Member, Outcome, PURPOSE};
use blindmatch_node::exchange::ask::Asker;
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, Delivered, Serving};
use blindmatch_node::matches::trace::{Got, Trace};
use blindmatch_node::matches::{Kept, Match};
use blindmatch_node::{Error, Node as Home, clock};
use blindmatch_store::runs::{EntryId, Shelf};
use blindmatch_transport::message::{
    Answer, Cosigned, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RosterRequest,
    Told, Views,
};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{
    CallError, ChunkSender, Clock, Endpoint, Exchange, Frames, Limits, Peer, Server, Witness,
};
use blindmatch_wire::Problem;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;

const DAY: u64 = 86_400;

/// What becomes of what a node is told.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Way {
    Arrives,
    /// It never comes.
    Lost,
    /// It comes, and nobody learns that it did.
    Unanswered,
    /// It comes twice.
    Doubled,
}

/// A node that answers over a connection that loses some.
struct Lossy {
    serving: Serving,
    way: Arc<AtomicU8>,
}

impl Exchange for Lossy {
    async fn hello(&self, peer: &Peer, greeting: Greeting) -> Result<Greeting, Problem> {
        self.serving.hello(peer, greeting).await
    }

    async fn roster(&self, peer: &Peer, request: RosterRequest) -> Result<Bytes, Problem> {
        self.serving.roster(peer, request).await
    }

    async fn views(&self, peer: &Peer) -> Result<Views, Problem> {
        self.serving.views(peer).await
    }

    async fn manifest(&self, peer: &Peer, request: ManifestRequest) -> Result<Manifest, Problem> {
        self.serving.manifest(peer, request).await
    }

    async fn file(
        &self,
        peer: &Peer,
        request: FileRequest,
        to: ChunkSender,
    ) -> Result<(), Problem> {
        self.serving.file(peer, request, to).await
    }

    async fn propose(&self, peer: &Peer, proposal: Proposal) -> Result<Answer, Problem> {
        self.serving.propose(peer, proposal).await
    }

    async fn tell(&self, peer: &Peer, told: Told) -> Result<(), Problem> {
        let way = self.way.load(Ordering::Relaxed);
        let lost = || Err(Kind::Unavailable.into());
        if way == Way::Lost as u8 {
            return lost();
        }
        self.serving.tell(peer, told.clone()).await?;
        if way == Way::Doubled as u8 {
            self.serving.tell(peer, told).await?;
        }
        if way == Way::Unanswered as u8 {
            lost()
        } else {
            Ok(())
        }
    }

    async fn run(&self, peer: &Peer, frames: Frames) -> Result<(), Problem> {
        self.serving.run(peer, frames).await
    }

    async fn cosign(&self, peer: &Peer, request: Bytes) -> Cosigned {
        self.serving.cosign(peer, request).await
    }

    fn witness(&self, peer: &Peer, witness: Witness) {
        self.serving.witness(peer, witness);
    }
}

struct Node {
    daemon: Arc<Daemon>,
    serving: Serving,
    endpoint: Endpoint,
    desk: blindmatch_node::demo::Desk,
    port: std::net::TcpListener,
    way: Arc<AtomicU8>,
    server: Server,
}

struct World {
    place: TempDir,
    clock: Arc<AtomicU64>,
    nodes: BTreeMap<&'static str, Node>,
}

fn view() -> View {
    View {
        indicator_type: IndicatorType::Ip,
        purpose: PURPOSE.to_owned(),
    }
}

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn address(number: u32) -> String {
    Ipv4Addr::from(0x2d00_0000 + number * 3).to_string()
}

impl World {
    /// These members, whose policies `change` makes.
    fn of(members: &[&'static str], change: impl Fn(&str) -> String) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names: Vec<Name> = members.iter().map(|name| name.parse().unwrap()).collect();
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        let policy = change(consortium.policy());
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let nodes = BTreeMap::new();
        let mut world = Self {
            place,
            clock,
            nodes,
        };
        for &name in members {
            let member = consortium.members.remove(&name.parse().unwrap()).unwrap();
            let home = member.node.disk().root().to_owned();
            fs::write(home.join("policy.toml"), &policy).unwrap();
            world.start(name, member);
        }
        world
    }

    /// `a` and `b`, who share 3, 4 and 5, which `a` has found at `b`.
    async fn found(change: impl Fn(&str) -> String) -> Self {
        let world = Self::of(&["a", "b"], change);
        world.import("a", &(0..6).collect());
        world.import("b", &(3..9).collect());
        world.publish().await;
        world.ask("a").await;
        world
    }

    fn start(&mut self, name: &'static str, member: Member) {
        let desk = member.desk(&canonicaliser()).unwrap();
        let now = Arc::clone(&self.clock);
        let now: Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let daemon = Arc::new(Daemon::open(member.node, canonicaliser(), now).unwrap());
        let serving = Serving::new(Arc::clone(&daemon));
        // What a day allows is reached before what a second does.
        let limits = Limits {
            rate: 800,
            burst: 1_600,
            ..Limits::default()
        };
        let endpoint = daemon.endpoint(limits);
        let port = member.listener.try_clone().unwrap();
        member.listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(member.listener).unwrap();
        let way = Arc::new(AtomicU8::new(Way::Arrives as u8));
        let lossy = Lossy {
            serving: serving.clone(),
            way: Arc::clone(&way),
        };
        let server = endpoint.serve(listener, Arc::new(lossy));
        let node = Node {
            daemon,
            serving,
            endpoint,
            desk,
            port,
            way,
            server,
        };
        self.nodes.insert(name, node);
    }

    /// Ends a member's node and starts it again.
    async fn restart(&mut self, name: &'static str) {
        let Node { server, port, .. } = self.nodes.remove(name).unwrap();
        server.drain(Duration::from_secs(3)).await;
        let node = Home::open(&self.place.path().join("nodes").join(name)).unwrap();
        self.start(
            name,
            Member {
                node,
                listener: port,
            },
        );
        self.gather().await;
    }

    async fn gather(&self) {
        for node in self.nodes.values() {
            assert!(node.serving.gather(&node.endpoint).await.unwrap());
        }
    }

    fn node(&self, member: &str) -> &Node {
        self.nodes.get(member).unwrap()
    }

    fn daemon(&self, member: &str) -> &Arc<Daemon> {
        &self.node(member).daemon
    }

    fn import(&self, member: &str, set: &BTreeSet<u32>) {
        let feed: String = set.iter().map(|n| address(*n) + "\n").collect();
        let read = |canonicaliser: &Canonicaliser,
                    sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
            blindmatch_feeds::read(feed.as_bytes(), &Options::default(), canonicaliser, sink)
        };
        let desk = &self.node(member).desk;
        desk.import("main".parse().unwrap(), read, &mut |_| {})
            .unwrap();
    }

    async fn publish(&self) {
        for node in self.nodes.values() {
            let daemon = Arc::clone(&node.daemon);
            tokio::task::spawn_blocking(move || daemon.publish())
                .await
                .unwrap()
                .unwrap();
        }
        self.gather().await;
    }

    /// A day later, all have published again.
    async fn next_day(&self) {
        self.clock.fetch_add(DAY, Ordering::Relaxed);
        self.publish().await;
    }

    fn asker(&self, member: &str) -> Asker {
        let node = self.node(member);
        Asker::new(Arc::clone(&node.daemon), node.endpoint.clone())
    }

    async fn ask(&self, member: &str) {
        let watch: Watch = Arc::new(|_| {});
        let pairs = self
            .asker(member)
            .batch(&Batch::default(), &watch)
            .await
            .unwrap();
        assert!(
            pairs.iter().any(|pair| pair.outcome == Outcome::Done),
            "{pairs:?}"
        );
    }

    async fn tell(&self, member: &str, way: Way) -> BTreeMap<String, Delivered> {
        for node in self.nodes.values() {
            node.way.store(way as u8, Ordering::Relaxed);
        }
        let told = self.asker(member).tell_peers().await.unwrap();
        for node in self.nodes.values() {
            node.way.store(Way::Arrives as u8, Ordering::Relaxed);
        }
        told
    }

    /// How the matches of a member stand, by their numbers.
    fn stand(&self, member: &str) -> BTreeMap<u32, State> {
        let kept = Kept::of(self.daemon(member)).unwrap().matches;
        kept.iter()
            .map(|found| (number(found), found.state()))
            .collect()
    }

    fn one(&self, member: &str, wanted: u32) -> Match {
        let kept = Kept::of(self.daemon(member)).unwrap().matches;
        kept.into_iter()
            .find(|found| number(found) == wanted)
            .unwrap()
    }

    /// The messages that wait at a member.
    fn due(&self, member: &str) -> Vec<Message> {
        let due = self.daemon(member).entries().all(Shelf::Due).unwrap();
        due.iter()
            .map(|entry| Message::decode(&entry.content).unwrap())
            .collect()
    }

    /// Ids of messages in a member's ledger: due, delivered, received.
    fn recorded(&self, member: &str) -> [Vec<[u8; 32]>; 3] {
        let mut recorded = [Vec::new(), Vec::new(), Vec::new()];
        let [due, delivered, received] = &mut recorded;
        for record in self.daemon(member).ledger().log().records(0..u64::MAX) {
            match record.unwrap().1.event {
                Event::MessageDue { message, .. } => due.push(message),
                Event::MessageDelivered { message, .. } => delivered.push(message),
                Event::MessageReceived { message, .. } => received.push(message),
                _ => {}
            }
        }
        recorded
    }

    fn decide(&self, member: &str, about: &Match, verdict: Verdict, case: &str) {
        let daemon = self.daemon(member);
        let disposition = Disposition {
            verdict,
            by: "uid 1000".to_owned(),
            at: daemon.now(),
            case: case.to_owned(),
            reason: "looked at".to_owned(),
        };
        let about = *about.id.as_bytes();
        daemon.decide(&Decision { about, disposition }).unwrap();
    }
}

fn number(found: &Match) -> u32 {
    let bytes: [u8; 4] = *found.row.as_bytes().last_chunk().unwrap();
    (u32::from_be_bytes(bytes) - 0x2d00_0000) / 3
}

fn with_feedback(policy: &str) -> String {
    policy.replace("sweep = true\n", "sweep = true\nfeedback = true\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_applied_once_whatever_is_lost_doubled_or_restarted() {
    let mut world = World::found(str::to_owned).await;
    assert_eq!(
        world.stand("a").into_values().collect::<Vec<_>>(),
        [State::New; 3]
    );
    let four = world.one("a", 4);
    world.decide("a", &four, Verdict::Confirmed, "c-1");
    assert_eq!(may_leave(&world.one("a", 4).life), Ok(()));

    // 4 is gone at `b`; what it says of that is kept before it is sent.
    world.import("b", &BTreeSet::from([3, 5, 6, 7, 8]));
    world.next_day().await;
    let due = world.due("b");
    assert_eq!(due.len(), 1);
    let lost = world.tell("b", Way::Lost).await;
    assert_eq!(
        lost.get("a"),
        Some(&Delivered {
            delivered: 0,
            waiting: 1
        })
    );
    assert_eq!(world.stand("a").get(&4), Some(&State::Confirmed));
    world.restart("b").await;
    assert_eq!(world.due("b"), due);
    // It comes, and `b` does not learn of it.
    world.tell("b", Way::Unanswered).await;
    assert_eq!(world.stand("a").get(&4), Some(&State::Withdrawn));
    world.restart("a").await;
    world.restart("b").await;
    assert_eq!(world.due("b"), due);
    let told = world.tell("b", Way::Doubled).await;
    assert_eq!(
        told.get("a"),
        Some(&Delivered {
            delivered: 1,
            waiting: 0
        })
    );
    assert!(world.due("b").is_empty());

    let id = due.first().unwrap().id;
    let (at_a, at_b) = (world.recorded("a"), world.recorded("b"));
    let of = |recorded: &[Vec<[u8; 32]>; 3]| {
        recorded
            .clone()
            .map(|ids| ids.iter().filter(|one| **one == id).count())
    };
    assert_eq!((of(&at_a), of(&at_b)), ([0, 0, 1], [1, 1, 0]));
    let expected = [(3, State::New), (4, State::Withdrawn), (5, State::New)];
    assert_eq!(world.stand("a"), BTreeMap::from(expected));
    // What a person said stays beside it, and 4 leaves no more before somebody looks again.
    let four = world.one("a", 4);
    assert_eq!(four.life.disposition().unwrap().verdict, Verdict::Confirmed);
    assert_eq!(may_leave(&four.life), Err(Stays::Withdrawn));
    world.clock.fetch_add(1, Ordering::Relaxed);
    world.decide("a", &four, Verdict::Confirmed, "c-2");
    assert_eq!(may_leave(&world.one("a", 4).life), Ok(()));
    // It does not come again with a later message that names it, or a run that still finds it.
    world.next_day().await;
    world.tell("b", Way::Arrives).await;
    world.ask("a").await;
    assert_eq!(world.stand("a").get(&4), Some(&State::Confirmed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_a_withdrawal_looks_like_one_without_to_who_did_not_match() {
    let world = World::of(&["a", "b", "c"], str::to_owned);
    for member in ["a", "c"] {
        world.import(member, &(100..103).collect());
    }
    world.import("b", &(3..9).collect());
    world.publish().await;
    assert!(world.due("b").is_empty(), "nothing was published before");
    let mut lengths = BTreeSet::new();
    for set in [3..9, 4..9, 4..9, 5..9] {
        world.import("b", &set.collect());
        world.next_day().await;
        let due = world.due("b");
        let to: BTreeSet<_> = due.iter().map(|message| message.to.as_str()).collect();
        assert_eq!(to, BTreeSet::from(["a", "c"]));
        let handles: BTreeSet<_> = due
            .iter()
            .map(|message| match &message.says {
                Says::Withdrawn(handles) => handles.clone(),
                Says::Feedback(..) => BTreeSet::new(),
            })
            .collect();
        assert_eq!(
            handles.len(),
            1,
            "two peers that compare learn which are nobody's"
        );
        lengths.extend(due.iter().map(|message| message.encode().len()));
        world.tell("b", Way::Arrives).await;
    }
    assert_eq!(lengths.len(), 1);
    // Nothing that `a` has is named by any of it.
    assert!(world.stand("a").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_reaches_the_contributor_where_policy_allows_it() {
    let world = World::found(str::to_owned).await;
    let four = world.one("a", 4);
    let handle = four.label.as_ref().unwrap().handle;
    let give = |world: &World| {
        let daemon = world.daemon("a");
        daemon.tell_feedback("b", &view(), handle, Feedback::FalsePositive)
    };
    assert!(matches!(give(&world), Err(Error::FeedbackNotAllowed(..))));
    assert!(world.due("a").is_empty());

    let mut world = World::found(with_feedback).await;
    let four = world.one("a", 4);
    world.decide("a", &four, Verdict::Disputed, "c-9");
    let handle = four.label.as_ref().unwrap().handle;
    let daemon = world.daemon("a");
    daemon
        .tell_feedback("b", &view(), handle, Feedback::FalsePositive)
        .unwrap();
    world.tell("a", Way::Unanswered).await;
    world.restart("a").await;
    world.restart("b").await;
    world.tell("a", Way::Doubled).await;
    let heard = world.daemon("b").feedback_heard().unwrap();
    let heard: Vec<_> = heard
        .iter()
        .map(|one| (one.peer.as_str(), one.feedback, one.entry.is_some()))
        .collect();
    assert_eq!(heard, [("a", Feedback::FalsePositive, true)]);
    assert_eq!(
        world.one("a", 4).life.feedback(),
        Some(Feedback::FalsePositive)
    );
    assert_eq!(world.one("a", 4).state(), State::Disputed);

    let trace = Trace::of(world.daemon("a"), "c-9").unwrap().got;
    let got: BTreeSet<_> = trace
        .iter()
        .map(|one| (one.who.as_str(), one.what))
        .collect();
    let expected = [
        ("b", Got::Contributed),
        ("b", Got::FeedbackGiven),
        ("uid 1000", Got::Decided),
    ];
    assert_eq!(got, BTreeSet::from(expected));
    assert!(
        Trace::of(world.daemon("a"), "another")
            .unwrap()
            .got
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_peers_to_say_is_refused() {
    let world = World::found(str::to_owned).await;
    let now = world.daemon("a").now();
    let handles = (0..64_u128).map(u128::to_be_bytes).collect();
    let good = Message {
        id: [1; 32],
        from: "b".to_owned(),
        to: "a".to_owned(),
        view: view().to_string(),
        time: now,
        says: Says::Withdrawn(handles),
    };
    let channel = world.asker("b").reach(&"a".parse().unwrap()).await.unwrap();
    let tell = async |message: &Message| {
        let told = channel.tell(Told(message.encode().into())).await;
        told.map_err(|error| match error {
            CallError::Refused(problem) => (problem.kind, problem.rule),
            error => panic!("{error}"),
        })
    };
    let received = || world.recorded("a")[2].len();
    let before = received();
    for (message, kind, rule) in [
        (
            Message {
                from: "a".to_owned(),
                ..good.clone()
            },
            Kind::Malformed,
            "",
        ),
        (
            Message {
                to: "b".to_owned(),
                ..good.clone()
            },
            Kind::Malformed,
            "",
        ),
        (
            Message {
                view: "abuse".to_owned(),
                ..good.clone()
            },
            Kind::Malformed,
            "",
        ),
        (
            Message {
                time: now - 61 * DAY,
                ..good.clone()
            },
            Kind::NotAllowed,
            "message_time",
        ),
        (
            Message {
                time: now + 2 * DAY,
                ..good.clone()
            },
            Kind::NotAllowed,
            "message_time",
        ),
        (
            Message {
                view: "abuse/ip/another-purpose".to_owned(),
                says: Says::Feedback([1; 16], Feedback::Agree),
                ..good.clone()
            },
            Kind::NotAllowed,
            "feedback",
        ),
    ] {
        assert_eq!(tell(&message).await, Err((kind, rule.to_owned())));
    }
    assert_eq!(received(), before);
    // As many as are taken on a day, and no more; those that came before may come again.
    for number in 0..256_u32 {
        let mut id = [0; 32];
        *id.first_chunk_mut().unwrap() = number.to_be_bytes();
        assert_eq!(
            tell(&Message { id, ..good.clone() }).await,
            Ok(()),
            "{number}"
        );
    }
    let one_more = Message {
        id: [9; 32],
        ..good.clone()
    };
    assert_eq!(tell(&one_more).await, Err((Kind::Busy, String::new())));
    assert_eq!(
        tell(&Message {
            id: [0; 32],
            ..good.clone()
        })
        .await,
        Ok(())
    );
    assert_eq!(received(), before + 256);
    world.clock.fetch_add(DAY, Ordering::Relaxed);
    assert_eq!(tell(&one_more).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_unrecorded_is_recorded_and_sent() {
    let mut world = World::found(with_feedback).await;
    let four = world.one("a", 4);
    let message = Message {
        id: [7; 32],
        from: "a".to_owned(),
        to: "b".to_owned(),
        view: view().to_string(),
        time: world.daemon("a").now(),
        says: Says::Feedback(four.label.as_ref().unwrap().handle, Feedback::Agree),
    };
    // It was kept, and the process died before it was recorded.
    let (id, content) = (EntryId(message.id), message.encode());
    let entries = world.daemon("a").entries();
    assert!(
        entries
            .keep(Shelf::Due, &id, &content, &mut rand::rng())
            .unwrap()
    );
    assert!(
        !entries
            .keep(Shelf::Due, &id, b"another", &mut rand::rng())
            .unwrap()
    );
    world.restart("a").await;
    assert_eq!(
        world.recorded("a")[0]
            .iter()
            .filter(|id| **id == message.id)
            .count(),
        0
    );
    world.tell("a", Way::Arrives).await;
    let count = |ids: &[[u8; 32]]| ids.iter().filter(|id| **id == message.id).count();
    assert_eq!(world.recorded("a").map(|ids| count(&ids)), [1, 1, 0]);
    assert_eq!(world.recorded("b").map(|ids| count(&ids)), [0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_match_goes_with_it() {
    let world = World::found(with_feedback).await;
    let four = world.one("a", 4);
    world.decide("a", &four, Verdict::Confirmed, "c-1");
    let handle = four.label.as_ref().unwrap().handle;
    world
        .daemon("a")
        .tell_feedback("b", &view(), handle, Feedback::Agree)
        .unwrap();
    world.import("b", &BTreeSet::from([3, 5, 6, 7, 8]));
    world.next_day().await;
    for member in ["a", "b"] {
        world.tell(member, Way::Arrives).await;
    }
    let left = |shelf| world.daemon("a").entries().all(shelf).unwrap().len();
    // The notice goes with its time, and that 4 was withdrawn stays.
    world.clock.fetch_add(62 * DAY, Ordering::Relaxed);
    let tidied = || world.daemon("a").tidy(world.daemon("a").now()).unwrap();
    tidied();
    assert_eq!(left(Shelf::Heard), 0);
    assert_eq!(
        [Shelf::Decided, Shelf::Told, Shelf::Recalled].map(left),
        [1, 1, 1]
    );
    assert_eq!(world.stand("a").get(&4), Some(&State::Withdrawn));
    // An address is kept for 90 days.
    world.clock.fetch_add(30 * DAY, Ordering::Relaxed);
    tidied();
    assert_eq!(
        [Shelf::Decided, Shelf::Told, Shelf::Recalled].map(left),
        [0, 0, 0]
    );
    let home = world.place.path().join("nodes/a/matches");
    assert_eq!(fs::read_dir(home).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_gives_no_day_back() {
    let mut world = World::found(str::to_owned).await;
    let tell = async |world: &World, number: u32| {
        let mut id = [0; 32];
        *id.first_chunk_mut().unwrap() = number.to_be_bytes();
        let message = Message {
            id,
            from: "b".to_owned(),
            to: "a".to_owned(),
            view: view().to_string(),
            time: world.daemon("a").now(),
            says: Says::Withdrawn((0..64_u128).map(u128::to_be_bytes).collect()),
        };
        let channel = world.asker("b").reach(&"a".parse().unwrap()).await.unwrap();
        let told = channel.tell(Told(message.encode().into())).await;
        told.map_err(|error| match error {
            CallError::Refused(problem) => problem.kind,
            error => panic!("{error}"),
        })
    };
    for number in 0..250 {
        tell(&world, number).await.unwrap();
    }
    for more in [250, 251, 252] {
        world.restart("a").await;
        tell(&world, more).await.unwrap();
    }
    world.restart("a").await;
    for number in 253..256 {
        tell(&world, number).await.unwrap();
    }
    assert_eq!(tell(&world, 256).await, Err(Kind::Busy));
    world.restart("a").await;
    assert_eq!(tell(&world, 256).await, Err(Kind::Busy));
    world.clock.fetch_add(DAY, Ordering::Relaxed);
    assert_eq!(tell(&world, 256).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_keeps_no_withdrawal_from_the_others() {
    let world = World::of(&["a", "b", "c"], str::to_owned);
    world.import("a", &(0..6).collect());
    world.import("b", &(3..9).collect());
    world.publish().await;
    world.ask("a").await;
    assert_eq!(world.stand("a").get(&4), Some(&State::New));
    // 4 is gone at `b`, which has not said so when `c` is removed and its key is destroyed.
    world.import("b", &BTreeSet::from([3, 5, 6, 7, 8]));
    world.clock.fetch_add(DAY, Ordering::Relaxed);
    let b = Arc::clone(world.daemon("b"));
    let gone = BTreeSet::from(["c".parse().unwrap()]);
    let rotated = tokio::task::spawn_blocking(move || b.remove_members(&gone).unwrap());
    assert_eq!(rotated.await.unwrap(), BTreeSet::from([view()]));
    world.gather().await;
    world.tell("b", Way::Arrives).await;
    let expected = [(3, State::New), (4, State::Withdrawn), (5, State::New)];
    assert_eq!(world.stand("a"), BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_takes_back_flags_what_was_found_of_it() {
    let world = World::of(&["a", "b"], str::to_owned);
    let feed = |from: u32| {
        let lines = (3..9).map(|n| format!("{},F-{n}\n", address(from + n)));
        format!("ip,id\n{}", lines.collect::<String>())
    };
    let options = Options {
        maps: vec![(IndicatorType::Ip, Column::Name("ip".to_owned()))],
        reference: Some(Column::Name("id".to_owned())),
        ..Options::default()
    };
    let text = feed(0);
    let read = |canonicaliser: &Canonicaliser, sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
        blindmatch_feeds::read(text.as_bytes(), &options, canonicaliser, sink)
    };
    let desk = &world.node("b").desk;
    desk.import("main".parse().unwrap(), read, &mut |_| {})
        .unwrap();
    world.import("a", &(0..6).collect());
    world.publish().await;
    world.ask("a").await;
    let collection = world.daemon("b").collections().names().unwrap();
    let taken = world
        .daemon("b")
        .withdraw(
            collection.first().unwrap().clone(),
            &BTreeSet::from(["F-4".to_owned()]),
        )
        .unwrap();
    assert_eq!((taken.entries, taken.removed, taken.cards), (1, 1, 0));
    world.next_day().await;
    world.tell("b", Way::Arrives).await;
    let expected = [(3, State::New), (4, State::Withdrawn), (5, State::New)];
    assert_eq!(world.stand("a"), BTreeMap::from(expected));
}
