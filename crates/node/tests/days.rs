//! Two nodes that exchange day after day, over TLS and by a clock that is set, held against what
//! they share in the clear.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blindmatch_audit::record::Event;
use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::clock;
use blindmatch_node::demo::{Consortium, Desk, Outcome, PairResult, RowKey};
use blindmatch_node::exchange::ask::Asker;
use blindmatch_node::exchange::{Daemon, EPOCH, Serving};
use blindmatch_transport::{Clock, Endpoint, Limits, Server};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::net::TcpListener;

const DAY: u64 = 86_400;
/// The smallest class of sets has room for so many changes of each kind.
const ROOM: usize = 4;
const MEMBERS: [&str; 2] = ["a", "b"];

struct Node {
    daemon: Arc<Daemon>,
    serving: Serving,
    endpoint: Endpoint,
    desk: Desk,
    _server: Server,
}

struct World {
    _place: TempDir,
    clock: Arc<AtomicU64>,
    nodes: BTreeMap<&'static str, Node>,
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
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let names = MEMBERS.map(|name| name.parse().unwrap());
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        let mut nodes = BTreeMap::new();
        for name in MEMBERS {
            let key: Name = name.parse().unwrap();
            let member = consortium.members.remove(&key).unwrap();
            let desk = member.desk(&canonicaliser()).unwrap();
            let now = Arc::clone(&clock);
            let now: Clock = Arc::new(move || now.load(Ordering::Relaxed));
            let daemon = Arc::new(Daemon::open(member.node, canonicaliser(), now).unwrap());
            let serving = Serving::new(Arc::clone(&daemon));
            let endpoint = daemon.endpoint(Limits::default());
            member.listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(member.listener).unwrap();
            let server = endpoint.serve(listener, Arc::new(serving.clone()));
            let node = Node {
                daemon,
                serving,
                endpoint,
                desk,
                _server: server,
            };
            nodes.insert(name, node);
        }
        Self {
            _place: place,
            clock,
            nodes,
        }
    }

    fn import(&self, member: &str, set: &BTreeSet<u32>) {
        let feed: String = set.iter().map(|n| address(*n) + "\n").collect();
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

    /// The one result that a member has of the other.
    async fn ask(&self, member: &str) -> PairResult {
        let node = self.nodes.get(member).unwrap();
        let asker = Asker::new(Arc::clone(&node.daemon), node.endpoint.clone());
        let mut pairs = asker.batch().await.unwrap();
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.pop().unwrap()
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
