//! Two nodes that exchange day after day, over TLS and by a clock that is set, held against what
//! they share in the clear.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blindmatch_audit::checkpoint::Checkpoint;
use blindmatch_audit::proof::RecordProof;
use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::{Event, Level, Signal};
use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name, WitnessQuorum};
use blindmatch_node::backup::restore;
use blindmatch_node::demo::{Consortium, Desk, Member, Outcome, PURPOSE, PairResult, RowKey};
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, EPOCH, Footing, Serving, Tidied};
use blindmatch_node::exported::Kind;
use blindmatch_node::roster::ceremony::{self, Beginning, Terms};
use blindmatch_node::{Error, Node as Home, clock};
use blindmatch_store::ledger::Standing;
use blindmatch_store::ledger::cosigned::encode;
use blindmatch_transport::admin::Status;
use blindmatch_transport::{Clock, Endpoint, Exchange, Limits, Server};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

const DAY: u64 = 86_400;
/// The smallest class of sets has room for so many changes of each kind.
const ROOM: usize = 4;
const MEMBERS: [&str; 2] = ["a", "b"];

struct Node {
    daemon: Arc<Daemon>,
    serving: Serving,
    endpoint: Endpoint,
    desk: Desk,
    port: std::net::TcpListener,
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

fn row(number: u32) -> RowKey {
    let parsed = canonicaliser().parse(IndicatorType::Ip, &address(number));
    RowKey::from(parsed.unwrap().encode().as_slice())
}

impl World {
    fn new() -> Self {
        Self::of(&MEMBERS)
    }

    fn of(members: &[&'static str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names: Vec<Name> = members.iter().map(|name| name.parse().unwrap()).collect();
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        // Not before the roster holds.
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let mut world = Self {
            place,
            clock,
            nodes: BTreeMap::new(),
        };
        for &name in members {
            let key: Name = name.parse().unwrap();
            world.start(name, consortium.members.remove(&key).unwrap());
        }
        world
    }

    /// Opens a member's node, and serves.
    fn start(&mut self, name: &'static str, member: Member) {
        let desk = member.desk(&canonicaliser()).unwrap();
        let now = Arc::clone(&self.clock);
        let now: Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let daemon = Arc::new(Daemon::open(member.node, canonicaliser(), now).unwrap());
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = daemon.endpoint(Limits::default());
        let port = member.listener.try_clone().unwrap();
        member.listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(member.listener).unwrap();
        let server = endpoint.serve(listener, Arc::new(serving.clone()));
        let node = Node {
            daemon,
            serving,
            endpoint,
            desk,
            port,
            server,
        };
        self.nodes.insert(name, node);
    }

    /// Ends a member's node; gives the port that it listened on.
    async fn stop(&mut self, name: &str) -> std::net::TcpListener {
        let Node { server, port, .. } = self.nodes.remove(name).unwrap();
        server.drain(Duration::from_secs(3)).await;
        port
    }

    async fn gather(&self, member: &str) -> bool {
        let node = self.nodes.get(member).unwrap();
        node.serving.gather(&node.endpoint).await.unwrap()
    }

    fn folder(&self) -> &Path {
        self.place.path()
    }

    fn import(&self, member: &str, set: &BTreeSet<u32>) {
        let feed: String = set.iter().map(|n| address(*n) + "\n").collect();
        self.import_feed(member, &feed);
    }

    fn import_feed(&self, member: &str, feed: &str) {
        let read = |canonicaliser: &Canonicaliser,
                    sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
            blindmatch_feeds::read(feed.as_bytes(), &Options::default(), canonicaliser, sink)
        };
        let desk = &self.nodes.get(member).unwrap().desk;
        let imported = desk.import("main".parse().unwrap(), read, &mut |_| {});
        imported.unwrap();
    }

    /// All publish, and have it cosigned.
    async fn publish(&self) {
        for node in self.nodes.values() {
            let daemon = Arc::clone(&node.daemon);
            let published = tokio::task::spawn_blocking(move || daemon.publish());
            assert!(!published.await.unwrap().unwrap().is_empty());
        }
        for node in self.nodes.values() {
            assert!(node.serving.gather(&node.endpoint).await.unwrap());
        }
    }

    fn daemon(&self, member: &str) -> &Arc<Daemon> {
        &self.nodes.get(member).unwrap().daemon
    }

    /// Both have something, and `a` finds what they share.
    async fn first_night() -> Self {
        let world = Self::new();
        world.import("a", &(0..6).collect());
        world.import("b", &(3..9).collect());
        world.publish().await;
        world.finds_the_same().await;
        world
    }

    async fn finds_the_same(&self) {
        let pair = self.ask("a").await;
        assert_eq!(pair.outcome, Outcome::Done);
        assert_eq!(pair.found, (3..6).map(row).collect());
    }

    fn pass(&self, time: u64) {
        self.clock.fetch_add(time, Ordering::Relaxed);
    }

    fn tidy(&self, member: &str) -> Tidied {
        let daemon = self.daemon(member);
        daemon.tidy(daemon.now()).unwrap()
    }

    /// The epochs that a member says it closed.
    fn closed(&self, member: &str) -> Vec<u64> {
        let log = self.daemon(member).ledger().log();
        let records = log.records(0..u64::MAX);
        let closed = records.filter_map(|record| match record.unwrap().1.event {
            Event::EpochClosed { epoch, .. } => Some(epoch),
            _ => None,
        });
        closed.collect()
    }

    /// The number of epochs whose keys a member has, own and accepted.
    fn epochs(&self, member: &str) -> (usize, usize) {
        let views = self.daemon(member).views();
        (views.own().len(), views.peers().len())
    }

    /// Where the wrapped key of the one epoch is that a member has of its own view.
    fn key(&self, member: &str) -> PathBuf {
        let daemon = self.daemon(member);
        let own = daemon.views().own().pop().unwrap();
        let home = daemon.node().disk().root();
        home.join(format!("keys/files/{}", own.id()))
    }

    /// The one result that a member has of the other.
    async fn ask(&self, member: &str) -> PairResult {
        let mut pairs = self.ask_all(member).await;
        // The other answers no networks.
        pairs.retain(|pair| pair.outcome.is_served());
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.pop().unwrap()
    }

    /// One of the results that a member has of `b`, of which all are alike.
    async fn ask_any(&self, member: &str) -> PairResult {
        let pairs = self.ask_all(member).await.into_iter();
        let mut pairs = pairs.filter(|pair| pair.responder.as_str() == "b");
        pairs.next().unwrap()
    }

    async fn ask_all(&self, member: &str) -> Vec<PairResult> {
        let node = self.nodes.get(member).unwrap();
        let asker = Asker::new(Arc::clone(&node.daemon), node.endpoint.clone());
        let watch: Watch = Arc::new(|_| {});
        asker.batch(&Batch::default(), &watch).await.unwrap()
    }

    /// What a member charged in all.
    fn charged(&self, member: &str) -> u64 {
        let log = self.nodes.get(member).unwrap().daemon.ledger().log();
        let records = log.records(0..u64::MAX);
        let amounts = records.map(|record| match record.unwrap().1.event {
            Event::Debit { amount, .. } => amount.count(),
            _ => 0,
        });
        amounts.sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_day_of_an_epoch_and_the_next_is_as_in_the_clear() {
    let seed = 5;
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new();
    let mut sets: BTreeMap<_, BTreeSet<u32>> =
        BTreeMap::from([("a", (0..60).collect()), ("b", (30..90).collect())]);
    let mut next = 100;
    let (mut epochs, began) = (0, world.clock.load(Ordering::Relaxed));
    let mut epoch_since = None;
    for day in 0..29 {
        world.clock.store(began + day * DAY, Ordering::Relaxed);
        if day > 0 {
            // What only one has, what both come to have, and what comes back on no day.
            let fresh: Vec<u32> = (next..next + 6).collect();
            next += 6;
            for set in sets.values_mut() {
                let gone = rng.random_range(0..=ROOM);
                for number in set.iter().copied().sample(&mut rng, gone) {
                    set.remove(&number);
                }
                let came = rng.random_range(0..=ROOM);
                set.extend(fresh.iter().copied().sample(&mut rng, came));
            }
        }
        for (member, set) in &sets {
            world.import(member, set);
        }
        world.publish().await;
        let begins = epoch_since.is_none_or(|since| day * DAY >= since + EPOCH - DAY);
        if begins {
            epoch_since = Some(day * DAY);
            epochs += 1;
        }
        for (querier, responder) in [("a", "b"), ("b", "a")] {
            let before = world.charged(responder);
            let pair = world.ask(querier).await;
            assert_eq!(pair.outcome, Outcome::Done, "day {day}");
            let shared = sets.get("a").unwrap().intersection(sets.get("b").unwrap());
            let shared: BTreeSet<RowKey> = shared.map(|number| row(*number)).collect();
            assert_eq!(pair.found, shared, "day {day}, seed {seed}");
            // A new epoch is asked for everything, from its whole file; any other day for what is
            // new, by the difference.
            let charged = world.charged(responder) - before;
            assert_eq!(charged > 8, begins, "day {day}: {charged}");
            assert_eq!(pair.bytes > 40_000, begins, "day {day}: {}", pair.bytes);
        }
    }
    assert_eq!(epochs, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_rotated_and_its_old_key_dies_a_day_later() {
    let world = World::first_night().await;
    let key = world.key("b");
    assert!(key.exists());
    let before = world.charged("b");
    assert_eq!(world.daemon("b").rotate(&view()).unwrap(), Some(2));
    // Nobody has cosigned it yet, so the one before is in use.
    world.finds_the_same().await;
    assert_eq!(world.charged("b"), before + 8);
    assert!(world.gather("b").await);
    world.finds_the_same().await;
    // Everything is asked anew under the new key, in a class of its own.
    assert_eq!(world.charged("b"), before + 16);
    assert_eq!((world.epochs("b"), world.epochs("a")), ((2, 0), (1, 2)));
    assert_eq!(world.tidy("b"), Tidied::default());
    assert_eq!(world.tidy("a"), Tidied::default());

    world.pass(DAY);
    let closed = Tidied {
        closed: 1,
        ..Tidied::default()
    };
    assert_eq!(world.tidy("b"), closed);
    assert!(!key.exists());
    assert_eq!(world.closed("b"), [1]);
    let forgotten = Tidied {
        forgotten: 1,
        ..Tidied::default()
    };
    assert_eq!(world.tidy("a"), forgotten);
    assert_eq!((world.epochs("b"), world.epochs("a")), ((1, 0), (1, 1)));
    world.publish().await;
    world.finds_the_same().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_have_the_time_of_the_clock_that_is_set() {
    let world = World::first_night().await;
    world.pass(3 * DAY);
    world.publish().await;
    let now = world.clock.load(Ordering::Relaxed);
    for member in MEMBERS {
        let log = world.daemon(member).ledger().log();
        assert_eq!(log.time(), now, "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_destroyed_on_both_sides() {
    let world = World::first_night().await;
    let results = |world: &World| world.daemon("a").runs().ended().unwrap().len();
    assert_eq!(results(&world), 1);
    world.pass(EPOCH - 1);
    assert_eq!((world.tidy("a"), world.tidy("b")), Default::default());
    world.pass(1);
    let over = Tidied {
        closed: 1,
        forgotten: 1,
        ..Tidied::default()
    };
    assert_eq!(world.tidy("a"), over);
    assert_eq!(world.epochs("a"), (0, 0));
    // Addresses are kept for 90 days, and so is what was found of them.
    world.pass(90 * DAY - EPOCH - 1);
    assert_eq!(world.tidy("a").results, 0);
    world.pass(1);
    assert_eq!(world.tidy("a").results, 1);
    let a = world.daemon("a");
    let id = a.runs().ended().unwrap().pop().unwrap();
    assert!(a.runs().matches(&id, a.now()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_a_removed_member_could_ask_are_rotated_at_once() {
    let world = World::first_night().await;
    let key = world.key("b");
    let gone = BTreeSet::from(["a".parse().unwrap()]);
    let rotated = world.daemon("b").remove_members(&gone).unwrap();
    assert_eq!(rotated, BTreeSet::from([view()]));
    assert!(!key.exists());
    assert_eq!(world.closed("b"), [1]);
    let own = world.daemon("b").views().own();
    let epochs: Vec<_> = own.iter().map(|own| own.domain().epoch).collect();
    assert_eq!(epochs, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_died_before_it_was_said_is_said_to_be_closed() {
    let world = World::first_night().await;
    let b = world.daemon("b");
    let id = b.views().own().pop().unwrap().id();
    b.views().destroy(id).unwrap();
    assert_eq!(world.tidy("b"), Tidied::default());
    assert_eq!(world.closed("b"), [1]);
    assert_eq!(world.tidy("b"), Tidied::default());
    assert_eq!(world.closed("b"), [1]);
}

impl World {
    /// Writes the backup of `b`, and what it takes to restore it.
    fn back_up(&self) -> [PathBuf; 2] {
        let [key, backup] = ["storage.key", "b.backup"].map(|file| self.folder().join(file));
        let b = self.daemon("b");
        b.node().export_to(Kind::Storage, &key).unwrap();
        b.node().backup(b.ledger(), &backup, false).unwrap();
        [key, backup]
    }

    /// Restores it in the place of `b`, and publishes.
    async fn put_back(&mut self, [key, backup]: &[PathBuf; 2], folder: &str) {
        let listener = self.stop("b").await;
        let none: [&Path; 0] = [];
        let home = self.folder().join(folder);
        let (node, continued) = restore(&home, key, backup, &none, &none).unwrap();
        assert_eq!((continued.incarnation, continued.lost), (2, None));
        self.start("b", Member { node, listener });
        let b = Arc::clone(self.daemon("b"));
        let published = tokio::task::spawn_blocking(move || b.publish());
        assert_eq!(published.await.unwrap().unwrap(), [view()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_member_goes_on_and_a_second_one_does_not() {
    let mut world = World::first_night().await;
    let files = world.back_up();
    world.pass(DAY);
    world.publish().await;
    world.finds_the_same().await;
    // What `a` accepted is not what it cosigned last, and neither is in the backup.
    assert!(world.gather("b").await);

    world.put_back(&files, "restored").await;
    let lost = |world: &World| world.daemon("b").ledger().log().lost().count();
    assert_eq!(lost(&world), 0);
    assert!(world.gather("b").await);
    assert_eq!(lost(&world), 1, "what the witness showed");
    let pair = world.ask("a").await;
    assert!(matches!(pair.outcome, Outcome::Failed(_)), "{pair:?}");
    assert_eq!(lost(&world), 2, "what the querier showed");
    assert!(world.gather("b").await);
    world.finds_the_same().await;
    assert_eq!(lost(&world), 2);
    let sequence = |world: &World| {
        let own = world.daemon("b").views().own().pop().unwrap();
        let newest = own.publications().first().cloned().unwrap();
        (
            newest.manifest.domain.epoch,
            newest.manifest.edition.sequence(),
        )
    };
    assert!(sequence(&world) >= (2 << 32, 2 << 32));
    world.pass(DAY);
    world.publish().await;
    world.finds_the_same().await;

    // Another one from the same backup has no witness, whatever it says.
    world.put_back(&files, "again").await;
    assert!(!world.gather("b").await);
    assert!(matches!(world.footing("b"), Footing::Behind(_)));
    let pair = world.ask_any("a").await;
    assert!(matches!(pair.outcome, Outcome::Failed(_)), "{pair:?}");
    assert_eq!(lost(&world), 0);
}

/// Its operator kept no delegation: the peers have them.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_two_rotations_of_keys_goes_on() {
    let mut world = World::first_night().await;
    let files = world.back_up();
    let numbers = |world: &World| {
        let all = world.daemon("b").node().delegations().unwrap();
        all.iter().map(|one| one.number).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let b = world.nodes.get("b").unwrap();
        let (mut rng, node) = (rand::rng(), b.daemon.node());
        node.rotate(Some(b.daemon.ledger()), None, 30, false, &mut rng)
            .unwrap();
        b.serving.read_again().unwrap();
        // `a` gets to know each, and accepts what it signed.
        world.pass(DAY);
        let daemon = b.serving.daemon();
        let published = tokio::task::spawn_blocking(move || daemon.publish());
        published.await.unwrap().unwrap();
        assert!(b.serving.gather(&b.endpoint).await.unwrap());
        world.finds_the_same().await;
    }
    // What `a` accepted is not what it cosigned last.
    assert!(world.gather("b").await);

    world.put_back(&files, "restored").await;
    assert_eq!(numbers(&world), [1]);
    assert!(world.gather("b").await);
    assert_eq!(numbers(&world), [1, 2, 3], "what `a` gave back");
    // It opens with what it was given, and every rotation behind that is above all.
    let b = world.daemon("b");
    b.node().verify_ledger().unwrap();
    let pair = world.ask("a").await;
    assert!(matches!(pair.outcome, Outcome::Failed(_)), "{pair:?}");
    assert!(world.gather("b").await);
    world.finds_the_same().await;
    let b = world.nodes.get("b").unwrap();
    let node = b.daemon.node();
    let rotated = node.rotate(Some(b.daemon.ledger()), None, 30, false, &mut rand::rng());
    assert!(rotated.unwrap().number >= 2 << 32);
    b.serving.read_again().unwrap();
    world.finds_the_same().await;
    let node = world.daemon("b").node();
    assert_eq!(node.verify_ledger().unwrap().2, []);
}

/// The connection that one has is of no use with new keys of either side.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_goes_on_when_either_side_has_new_keys() {
    let world = World::first_night().await;
    let a = world.nodes.get("a").unwrap();
    let mut asker = Asker::new(Arc::clone(&a.daemon), a.endpoint.clone());
    for member in ["b", "a", "b"] {
        let node = world.nodes.get(member).unwrap();
        let home = node.daemon.node();
        home.rotate(
            Some(node.daemon.ledger()),
            None,
            30,
            false,
            &mut rand::rng(),
        )
        .unwrap();
        node.serving.read_again().unwrap();
        asker = asker.with_daemon(a.serving.daemon());
        for _ in 0..2 {
            let watch: Watch = Arc::new(|_| {});
            let mut pairs = asker.batch(&Batch::default(), &watch).await.unwrap();
            pairs.retain(|pair| pair.outcome.is_served());
            assert_eq!(pairs.len(), 1, "{pairs:?}");
            assert_eq!(pairs.first().unwrap().outcome, Outcome::Done, "{member}");
        }
    }
}

impl World {
    /// Ends `b`, and copies a home to a folder of this name.
    async fn copy(&mut self, from: &str, to: &str) -> std::net::TcpListener {
        self.copy_of("b", from, to).await
    }

    async fn copy_of(&mut self, name: &str, from: &str, to: &str) -> std::net::TcpListener {
        let listener = self.stop(name).await;
        let [from, to] = [from, to].map(|name| self.folder().join(name));
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
        listener
    }

    fn start_from(&mut self, folder: &str, listener: std::net::TcpListener) {
        self.start_of("b", folder, listener);
    }

    fn start_of(&mut self, name: &'static str, folder: &str, listener: std::net::TcpListener) {
        let node = Home::open(&self.folder().join(folder)).unwrap();
        self.start(name, Member { node, listener });
    }

    /// All hold a roster by which one witness is enough.
    fn one_witness_is_enough(&self) {
        let office = self.folder().join("administrators");
        let (first, second) = (office.join("roster.txt"), office.join("roster-2.txt"));
        let now = self.clock.load(Ordering::Relaxed);
        let terms = Terms {
            in_force: (now, now + 100 * DAY),
            witness_quorum: Some(WitnessQuorum::Exactly(1)),
            tables: BTreeMap::new(),
            exclusions: BTreeMap::new(),
        };
        let after = Beginning::After {
            roster: &first,
            advance: None,
        };
        ceremony::begin(after, terms, &second).unwrap();
        ceremony::sign(&second, &office.join("ada.key"), Some(&first)).unwrap();
        let roster = std::fs::read(second).unwrap();
        for node in self.nodes.values() {
            assert!(node.daemon.take_roster(&roster).unwrap());
        }
    }

    /// Nobody listens any more where `name` did.
    async fn is_deaf(&mut self, name: &str) {
        let node = self.nodes.get_mut(name).unwrap();
        node.port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let other = node.port.try_clone().unwrap();
        other.set_nonblocking(true).unwrap();
        let other = TcpListener::from_std(other).unwrap();
        let server = node.endpoint.serve(other, Arc::new(node.serving.clone()));
        let before = std::mem::replace(&mut node.server, server);
        before.drain(Duration::from_secs(1)).await;
    }

    async fn publish_one(&self, name: &str) {
        let daemon = Arc::clone(self.daemon(name));
        let published = tokio::task::spawn_blocking(move || daemon.publish());
        assert!(!published.await.unwrap().unwrap().is_empty());
        assert!(self.gather(name).await);
    }

    /// The records of equivocations, and of who is asked again.
    fn equivocations(&self, name: &str) -> Vec<Event> {
        let log = self.daemon(name).ledger().log();
        let events = log
            .records(0..u64::MAX)
            .map(|record| record.unwrap().1.event);
        let about =
            |event: &Event| matches!(event, Event::Equivocation { .. } | Event::Readmitted { .. });
        events.filter(about).collect()
    }

    fn footing(&self, member: &str) -> Footing {
        self.nodes.get(member).unwrap().serving.footing()
    }

    /// A member asks nobody and begins nothing, and its doctor says why.
    async fn is_behind(&self, member: &str) {
        let node = self.nodes.get(member).unwrap();
        let (daemon, size) = (&node.daemon, node.daemon.ledger().log().size());
        let asker = Asker::new(Arc::clone(daemon), node.endpoint.clone());
        let watch: Watch = Arc::new(|_| {});
        let asked = asker.batch(&Batch::default(), &watch).await;
        assert!(matches!(asked, Err(Error::NotNewest(_))), "{asked:?}");
        let query = Query {
            indicators: Vec::new(),
            peers: BTreeSet::new(),
            purpose: None,
            occasion: Occasion::default(),
        };
        let asked = asker.query(query).await;
        assert!(matches!(asked, Err(Error::NotNewest(_))), "{asked:?}");
        let rotated = daemon.rotate(&view());
        assert!(matches!(rotated, Err(Error::NotNewest(_))), "{rotated:?}");
        // Another key of the same number would be taken for that of the newest copy.
        let mut rng = rand::rng();
        let request = daemon.node().request_delegation(30, false, &mut rng);
        assert!(matches!(request, Err(Error::NotNewest(_))), "{request:?}");
        assert_eq!(daemon.ledger().log().size(), size);
        let shown = daemon.node().shown(&daemon.ledger().log()).unwrap();
        assert_eq!(shown.unwrap().standing, Standing::Behind);
    }

    /// What a member's probe says.
    async fn readiness(&self, member: &str) -> String {
        let serving = &self.nodes.get(member).unwrap().serving;
        let ready = serving.ready().await;
        assert_eq!(ready.is_ok(), serving.is_serving());
        ready.err().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_a_home_does_not_serve() {
    let mut world = World::first_night().await;
    let listener = world.copy("nodes/b", "older").await;
    world.start_from("older", listener);
    let listener = world.copy("older", "newest").await;
    world.start_from("newest", listener);

    // It has been cosigned, so it waits for a witness.
    assert_eq!(world.footing("b"), Footing::Open);
    let why = world.readiness("b").await;
    assert!(why.contains("no witness has answered yet"), "{why}");
    let pair = world.ask_any("a").await;
    assert!(
        matches!(&pair.outcome, Outcome::Unreachable(why) if why.contains("no_witness_yet")),
        "{pair:?}"
    );
    assert!(world.gather("b").await);
    assert_eq!(world.footing("b"), Footing::Firm);
    assert_eq!(world.readiness("b").await, "");
    world.pass(DAY);
    world.publish().await;
    world.finds_the_same().await;
    assert!(world.gather("b").await);
    let size = world.daemon("b").ledger().log().size();

    // The disk of the day before.
    let listener = world.copy("older", "put-back").await;
    world.start_from("put-back", listener);
    let own = world.daemon("b").ledger().log().size();
    assert!(!world.gather("b").await);
    let Footing::Behind(shown) = world.footing("b") else {
        panic!("{:?}", world.footing("b"));
    };
    assert_eq!(
        (shown.witness.as_str(), shown.standing),
        ("a", Standing::Behind)
    );
    assert_eq!((shown.checkpoint.size, shown.own), (size, own));
    let why = world.readiness("b").await;
    assert!(why.contains("an older copy of itself"), "{why}");
    let pair = world.ask_any("a").await;
    assert!(
        matches!(&pair.outcome, Outcome::Failed(why)
            if why.contains("behind_its_witnesses") && why.contains("tell its operator")),
        "{pair:?}"
    );
    // It asks nobody either, and another start knows it without a witness.
    world.is_behind("b").await;
    let listener = world.stop("b").await;
    world.start_of("b", "put-back", listener);
    assert_eq!(world.footing("b"), Footing::Behind(shown));
    world.is_behind("b").await;

    // The same, which went on by itself for longer than the other.
    let listener = world.copy("older", "went-on").await;
    world.start_from("went-on", listener);
    let fillers = vec![Event::Filler; 100];
    world.daemon("b").ledger().append(fillers).unwrap();
    assert!(!world.gather("b").await);
    let Footing::Behind(shown) = world.footing("b") else {
        panic!("{:?}", world.footing("b"));
    };
    assert_eq!(shown.standing, Standing::Forked);

    // The newest there is serves again.
    let listener = world.copy("newest", "again").await;
    world.start_from("again", listener);
    assert!(world.gather("b").await);
    assert_eq!(world.footing("b"), Footing::Firm);
    world.finds_the_same().await;
}

/// A clock that is wrong ends nothing by itself: certificates of that day are nobody's, so that no witness
/// answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_ahead_ends_nothing_before_a_witness_answers() {
    let mut world = World::first_night().await;
    let believes = |world: &World| {
        let node = world.nodes.get("b").unwrap();
        node.serving.believes_its_clock().unwrap()
    };
    let listener = world.copy("nodes/b", "ahead").await;
    world.start_from("ahead", listener);
    assert_eq!(world.footing("b"), Footing::Open);
    assert!(believes(&world), "nothing speaks against it");
    world.pass(100 * DAY);
    assert!(!believes(&world));
    assert!(!world.gather("b").await);
    assert!(!believes(&world));
    world.clock.fetch_sub(100 * DAY, Ordering::Relaxed);
    assert!(world.gather("b").await);
    assert!(believes(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_lies_stops_nobody() {
    let mut world = World::first_night().await;
    let listener = world.copy("nodes/b", "again").await;
    world.start_from("again", listener);
    let b = world.daemon("b").ledger().log();
    // More than there is, of this ledger, and not signed by its key.
    let more = Checkpoint {
        size: b.size() + 1_000,
        ..b.head().unverified().clone()
    };
    let a = world.daemon("a");
    let kept = a.node().disk().root().join("roster/witnessed-b");
    assert!(kept.exists());
    std::fs::write(&kept, encode(&more.sign(a.receipts()))).unwrap();
    assert!(world.gather("b").await);
    assert_eq!(world.footing("b"), Footing::Firm);
}

/// An owner and the one witness that a careless roster wants, who are in it together, show two ledgers.
#[tokio::test(flavor = "multi_thread")]
async fn who_tells_two_stories_is_named_and_not_asked_again() {
    let mut world = World::of(&["a", "b", "c"]);
    world.one_witness_is_enough();
    world.is_deaf("a").await;
    world.import("a", &(0..6).collect());
    assert!(world.gather("b").await && world.gather("c").await);
    let mut ports = BTreeMap::new();
    for (name, home, stories) in [
        ("b", "nodes/b", ["b-1", "b-2"]),
        ("c", "nodes/c", ["c-1", "c-2"]),
    ] {
        let [one, other] = stories;
        let port = world.copy_of(name, home, one).await;
        world.start_of(name, one, port);
        ports.insert(name, world.copy_of(name, home, other).await);
    }
    for name in ["b", "c"] {
        let port = ports.remove(name).unwrap();
        world.start_of(name, if name == "b" { "b-1" } else { "c-1" }, port);
    }
    assert!(world.gather("c").await && world.gather("b").await);
    world.import("b", &(3..9).collect());
    world.publish_one("b").await;
    world.finds_the_same().await;

    // Another set under the same numbers, in another ledger that goes on from the same beginning.
    for (name, story) in [("b", "b-2"), ("c", "c-2")] {
        let port = world.stop(name).await;
        world.start_of(name, story, port);
    }
    assert!(world.gather("c").await && world.gather("b").await);
    world.import("b", &(50..56).collect());
    world.publish_one("b").await;
    let b = world.daemon("b");
    b.ledger().append(vec![Event::Filler; 20]).unwrap();
    assert!(world.gather("b").await);
    let pair = world.ask("a").await;
    assert!(
        matches!(&pair.outcome, Outcome::Failed(why) if why.contains("two stories")),
        "{pair:?}"
    );
    let equivocations = world.equivocations("a");
    let [
        Event::Equivocation {
            peer,
            accepted,
            shown,
        },
    ] = equivocations.as_slice()
    else {
        panic!("{equivocations:?}");
    };
    assert_eq!(peer.as_str(), "b");
    // What a third party judges by.
    let home = world.daemon("a").node().disk().root().to_owned();
    for (number, digest) in [(1, accepted), (2, shown)] {
        let proof = std::fs::read(home.join(format!("roster/equivocation-{number}-b"))).unwrap();
        assert_eq!(Digest::of(&proof).0, *digest);
        RecordProof::parse(&proof).unwrap();
    }

    let pair = world.ask_any("a").await;
    assert!(
        matches!(&pair.outcome, Outcome::Refused(why) if why.contains("roster readmit")),
        "{pair:?}"
    );
    assert_eq!(world.equivocations("a").len(), 1);
    // An operator may have it asked again; it tells the same again.
    let a = world.daemon("a");
    let b_name: Name = "b".parse().unwrap();
    let c_name: Name = "c".parse().unwrap();
    assert!(matches!(
        a.node().readmit(a.ledger(), &c_name, "ada"),
        Err(Error::NotEquivocated(_))
    ));
    a.node().readmit(a.ledger(), &b_name, "ada").unwrap();
    assert_eq!(a.equivocation(&b_name).unwrap(), None);
    let pair = world.ask("a").await;
    assert!(matches!(pair.outcome, Outcome::Failed(_)), "{pair:?}");
    assert_eq!(world.equivocations("a").len(), 3);
}

/// Lets so many bytes of each answer through, counts all, and cuts the connection.
async fn breaking(from: TcpListener, to: SocketAddr, limit: usize, passed: Arc<AtomicU64>) {
    loop {
        let (mut near, _) = from.accept().await.unwrap();
        let passed = Arc::clone(&passed);
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            let (mut far_read, mut far_write) = far.split();
            let (mut near_read, mut near_write) = near.split();
            let answers = async {
                let (mut left, mut buffer) = (limit, vec![0; 1 << 14]);
                while left > 0 {
                    let room = left.min(buffer.len());
                    let (part, _) = buffer.split_at_mut(room);
                    let Ok(count @ 1..) = far_read.read(part).await else {
                        return;
                    };
                    let (part, _) = part.split_at(count);
                    if near_write.write_all(part).await.is_err() {
                        return;
                    }
                    left -= count;
                    passed.fetch_add(u64::try_from(count).unwrap(), Ordering::Relaxed);
                }
            };
            tokio::select! {
                () = answers => {}
                _ = copy(&mut near_read, &mut far_write) => {}
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_its_connection_broke() {
    const LIMIT: usize = 400 << 10;
    let mut world = World::new();
    world.import("a", &(0..6).collect());
    world.import("b", &(3..20_000).collect());
    world.publish().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let behind = listener.local_addr().unwrap();
    let passed = Arc::new(AtomicU64::new(0));
    {
        let b = world.nodes.get_mut("b").unwrap();
        let server = b.endpoint.serve(listener, Arc::new(b.serving.clone()));
        let before = std::mem::replace(&mut b.server, server);
        before.drain(Duration::from_secs(1)).await;
        let port = TcpListener::from_std(b.port.try_clone().unwrap()).unwrap();
        tokio::spawn(breaking(port, behind, LIMIT, Arc::clone(&passed)));
    }
    let pair = world.ask("a").await;
    assert_eq!(pair.outcome, Outcome::Done);
    assert_eq!(pair.found, (3..6).map(row).collect());
    let own = world.daemon("b").views().own().pop().unwrap();
    let length = own
        .publications()
        .first()
        .unwrap()
        .manifest
        .edition
        .file_length();
    assert!(length > 2 * LIMIT as u64, "{length}");
    // Each time it broke a part of a chunk was lost, and never what came before.
    let passed = passed.load(Ordering::Relaxed);
    assert!(passed < length + length / 2, "{passed} of {length}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_yet_is_asked_when_it_is() {
    let mut world = World::first_night().await;
    let b = world.nodes.get("b").unwrap();
    let address = b.port.local_addr().unwrap();
    world.is_deaf("b").await;
    let b = world.nodes.get("b").unwrap();
    let (endpoint, serving) = (b.endpoint.clone(), b.serving.clone());
    let back = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        endpoint.serve(listener, Arc::new(serving))
    });
    world.finds_the_same().await;
    back.await.unwrap();
}

/// The one witness has new keys, and those under which it cosigned do not count any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_cosigned_by_a_delegation_that_has_ended_is_cosigned_again() {
    let world = World::first_night().await;
    assert!(world.gather("b").await);
    assert!(world.daemon("b").is_vouched_for().unwrap());
    // In the middle of the month both make new keys; then the first ones end.
    world.pass(20 * DAY);
    for node in world.nodes.values() {
        let (mut rng, own) = (rand::rng(), node.daemon.node());
        own.rotate(Some(node.daemon.ledger()), None, 30, false, &mut rng)
            .unwrap();
        node.serving.read_again().unwrap();
    }
    // `b` has had its newest record cosigned by the old key of `a` alone.
    let b = world.nodes.get("b").unwrap();
    assert!(b.serving.daemon().is_vouched_for().unwrap());
    world.pass(11 * DAY);
    let size = b.daemon.ledger().log().size();
    assert!(!b.serving.daemon().is_vouched_for().unwrap());
    assert!(world.gather("b").await);
    assert!(b.serving.daemon().is_vouched_for().unwrap());
    assert_eq!(b.daemon.ledger().log().size(), size, "no record was needed");
}

/// Whoever has published nothing has answered, and the night is not over with that.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_published_nothing_is_named() {
    let world = World::new();
    world.import("a", &(0..6).collect());
    for member in ["a", "b"] {
        assert!(world.gather(member).await);
    }
    let pairs = world.ask_all("a").await;
    assert!(!pairs.is_empty());
    for pair in &pairs {
        assert_eq!(pair.outcome, Outcome::Nothing);
        assert!(pair.outcome.reason().unwrap().contains("published nothing"));
    }
    let standing = world.daemon("a").standings().unwrap();
    let b = standing.get("b").unwrap();
    assert!(b.answered.is_some() && b.batch.is_none(), "{b:?}");

    world.import("b", &(3..9).collect());
    world.publish_one("b").await;
    world.finds_the_same().await;
    let standing = world.daemon("a").standings().unwrap();
    assert!(standing.get("b").unwrap().batch.is_some());
}

impl World {
    /// Changes a place of a member's policy, by which it goes from then on.
    fn change_policy(&self, member: &str, old: &str, new: &str) {
        let node = self.nodes.get(member).unwrap();
        let file = node.daemon.node().disk().root().join("policy.toml");
        let policy = std::fs::read_to_string(&file).unwrap();
        assert_eq!(policy.matches(old).count(), 1, "{policy}");
        std::fs::write(&file, policy.replace(old, new)).unwrap();
        node.serving.read_again().unwrap();
    }

    /// What a member that asks by what its policy is now has of the other.
    async fn ask_again(&self, member: &str) -> PairResult {
        let node = self.nodes.get(member).unwrap();
        let asker = Asker::new(node.serving.daemon(), node.endpoint.clone());
        let watch: Watch = Arc::new(|_| {});
        let mut pairs = asker.batch(&Batch::default(), &watch).await.unwrap();
        pairs.retain(|pair| pair.outcome != Outcome::NotServed);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.pop().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_too_often_is_stopped_until_an_operator_vouches_for_it() {
    let world = World::first_night().await;
    let b = world.nodes.get("b").unwrap();
    let runs = "runs = { warn = 2, slow = 2, stop = 3 }";
    world.change_policy("b", "runs = { slow = 65_536, stop = 65_536 }", runs);
    let probing = || -> Vec<Event> {
        let log = b.daemon.ledger().log();
        let events = log
            .records(0..u64::MAX)
            .map(|record| record.unwrap().1.event);
        events
            .filter(|event| matches!(event, Event::Probing { .. } | Event::Vouched { .. }))
            .collect()
    };
    let levels = || -> Vec<(Level, u64, u64)> {
        let levels = probing().into_iter().filter_map(|event| match event {
            Event::Probing {
                level,
                counted,
                limit,
                side: Side::Responder,
                ..
            } => Some((level, counted, limit)),
            _ => None,
        });
        levels.collect()
    };
    assert_eq!(levels(), []);
    // The second run is slowed, which leaves it an eighth of the runs; it is answered.
    world.finds_the_same().await;
    assert_eq!(levels(), [(Level::Slow, 2, 2)]);
    let charged = world.charged("b");
    for _ in 0..3 {
        let Outcome::Refused(why) = world.ask("a").await.outcome else {
            panic!("the third run is answered");
        };
        assert!(why.contains("probing: until our operator vouches"), "{why}");
        world.pass(DAY);
    }
    // Recorded once, on whichever day it comes back.
    assert_eq!(levels()[..2], [(Level::Slow, 2, 2), (Level::Stop, 3, 3)]);
    assert_eq!(world.charged("b"), charged);

    let status = blindmatch_node::status::Status::of(&b.serving.daemon()).unwrap();
    let served = |one: &&blindmatch_node::status::Revealed| one.in_all > 0 && one.peer == "a";
    let revealed = status.revealed.iter().find(served).unwrap();
    let total: u64 = status
        .revealed
        .iter()
        .filter(served)
        .map(|one| one.in_all)
        .sum();
    assert!(revealed.held.stopped.is_some());
    // What `a` was answered, and what `b` asked of it: nothing.
    assert_eq!(total, charged);

    let (a, operator) = ("a".parse().unwrap(), "uid 1000");
    let node = b.daemon.node();
    let refused = node.vouch(b.daemon.ledger(), &a, operator, 7, "bob@example.org");
    assert!(matches!(refused, Err(Error::Why)));
    let nobody = "nobody".parse().unwrap();
    let refused = node.vouch(b.daemon.ledger(), &nobody, operator, 7, "ticket 1");
    assert!(matches!(refused, Err(Error::NoMember(_))));
    let until = node.vouch(b.daemon.ledger(), &a, operator, 2, "ticket 1");
    assert_eq!(until.unwrap(), b.daemon.now() + 2 * DAY);
    for _ in 0..4 {
        world.finds_the_same().await;
    }
    let Some(Event::Vouched { why, operator, .. }) = probing()
        .into_iter()
        .find(|event| matches!(event, Event::Vouched { .. }))
    else {
        panic!("nobody vouched");
    };
    assert_eq!((why.as_str(), operator.as_str()), ("ticket 1", "uid 1000"));
    // Then it is as before.
    world.pass(2 * DAY);
    for _ in 0..2 {
        world.finds_the_same().await;
    }
    assert!(matches!(world.ask("a").await.outcome, Outcome::Refused(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_go_through_all_addresses_itself() {
    let world = World::first_night().await;
    // 20 blocks of neighbours and nothing else, which is no set of customers.
    let neighbours = (0..5_120).map(|n| format!("{}\n", Ipv4Addr::from(0x2d10_0000 + n)));
    world.import_feed("a", &neighbours.collect::<String>());
    let charged = world.charged("b");
    let (old, new) = (
        "dense = { slow = 16_777_216, stop = 16_777_216 }",
        "dense = {}",
    );
    world.change_policy("a", old, new);
    let Outcome::Refused(why) = world.ask_again("a").await.outcome else {
        panic!("it is asked");
    };
    assert!(
        why.contains("looks like going through all values of ip"),
        "{why}"
    );
    assert_eq!(world.charged("b"), charged);
    let a = world.daemon("a");
    let recorded = a.ledger().log().records(0..u64::MAX).any(|record| {
        matches!(
            record.unwrap().1.event,
            Event::Probing {
                side: Side::Querier,
                level: Level::Stop,
                signal: Signal::Dense,
                ..
            }
        )
    });
    assert!(recorded);
    let vouched = a
        .node()
        .vouch(a.ledger(), &"b".parse().unwrap(), "uid 0", 1, "ticket 2");
    vouched.unwrap();
    assert_eq!(world.ask_again("a").await.outcome, Outcome::Done);
}
