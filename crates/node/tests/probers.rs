//! Attackers of a live node: what they are answered, over TLS and by a clock that is set, with the caps of
//! `spec/50-policy.md` §7 and §8 and without. `--nocapture` prints the figures.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blindmatch_audit::record::{Event, Level, Signal};
use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::clock;
use blindmatch_node::demo::{Consortium, Desk, Member, Outcome};
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::{Daemon, Serving};
use blindmatch_testkit::sizes::{Aim, Gained, infer};
use blindmatch_transport::{Clock, Endpoint, Limits, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const DAY: u64 = 86_400;

struct Node {
    daemon: Arc<Daemon>,
    serving: Serving,
    endpoint: Endpoint,
    desk: Desk,
    _server: Server,
}

/// `mallory`, who asks what she likes, and `b`, who holds to its policy.
struct World {
    runtime: Runtime,
    clock: Arc<AtomicU64>,
    mallory: Node,
    b: Node,
    _place: TempDir,
}

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn address(number: u32) -> Indicator {
    let text = Ipv4Addr::from(0x2d00_0000 + number).to_string();
    canonicaliser().parse(IndicatorType::Ip, &text).unwrap()
}

impl World {
    /// The policy of `b` is changed so from the most that one may allow; it holds these numbers.
    fn new(changes: &[(&str, &str)], holds: &BTreeSet<u32>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = ["b", "mallory"].map(|name| name.parse::<Name>().unwrap());
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        let mut policy = consortium.policy().to_owned();
        for (old, new) in changes {
            assert_eq!(policy.matches(old).count(), 1, "{old}: {policy}");
            policy = policy.replace(old, new);
        }
        std::fs::write(consortium.home(&names[0]).join("policy.toml"), policy).unwrap();
        let runtime = Runtime::new().unwrap();
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let [b, mallory] = names.map(|name| {
            let member = consortium.members.remove(&name).unwrap();
            let _inside = runtime.enter();
            Node::start(member, Arc::clone(&clock))
        });
        let world = Self {
            runtime,
            clock,
            mallory,
            b,
            _place: place,
        };
        let feed = holds
            .iter()
            .map(|n| format!("{}\n", *address(*n).to_text()));
        world.b.import(&feed.collect::<String>());
        world.mallory.import("45.255.0.1\n");
        world.publish();
        world
    }

    fn publish(&self) {
        for node in [&self.b, &self.mallory] {
            node.daemon.publish().unwrap();
        }
        for node in [&self.b, &self.mallory] {
            let gathered = self.runtime.block_on(node.serving.gather(&node.endpoint));
            assert!(gathered.unwrap());
        }
    }

    fn next_day(&self) {
        self.clock.fetch_add(DAY, Ordering::Relaxed);
        self.publish();
    }

    /// How many of these `b` holds, in a run of its own; nothing where it is refused.
    fn held(&self, numbers: impl Iterator<Item = u32>) -> Option<usize> {
        let query = Query {
            indicators: numbers.map(address).collect(),
            peers: BTreeSet::new(),
            purpose: None,
            occasion: Occasion::default(),
        };
        let asker = Asker::new(
            Arc::clone(&self.mallory.daemon),
            self.mallory.endpoint.clone(),
        );
        let answers = self.runtime.block_on(asker.query(query)).unwrap();
        let mut answers = answers.into_iter();
        let answer = answers
            .find(|answer| answer.indicator_type == IndicatorType::Ip)
            .unwrap();
        match answer.outcome {
            Outcome::Done => Some(answer.found.len()),
            Outcome::Refused(_) | Outcome::Budget(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Of what the ledger of `b` has: evaluations and runs of `mallory`, and by what it stopped her.
    fn recorded(&self) -> (u64, u64, Vec<Signal>) {
        let (mut evaluations, mut runs, mut stopped) = (0, BTreeSet::new(), Vec::new());
        let log = self.b.daemon.ledger().log();
        for record in log.records(0..u64::MAX) {
            match record.unwrap().1.event {
                Event::Debit { amount, run, .. } => {
                    evaluations += amount.count();
                    runs.insert(run);
                }
                Event::Probing {
                    level: Level::Stop,
                    signal,
                    ..
                } => stopped.push(signal),
                _ => {}
            }
        }
        let runs = u64::try_from(runs.len()).unwrap();
        (evaluations, runs, stopped)
    }
}

impl Node {
    fn start(member: Member, clock: Arc<AtomicU64>) -> Self {
        let desk = member.desk(&canonicaliser()).unwrap();
        let now: Clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let daemon = Arc::new(Daemon::open(member.node, canonicaliser(), now).unwrap());
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = daemon.endpoint(Limits::default());
        member.listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(member.listener).unwrap();
        let server = endpoint.serve(listener, Arc::new(serving.clone()));
        Self {
            daemon,
            serving,
            endpoint,
            desk,
            _server: server,
        }
    }

    fn import(&self, feed: &str) {
        let read = |canonicaliser: &Canonicaliser,
                    sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
            blindmatch_feeds::read(feed.as_bytes(), &Options::default(), canonicaliser, sink)
        };
        let imported = self.desk.import("main".parse().unwrap(), read, &mut |_| {});
        imported.unwrap();
    }
}

/// One of sixteen of the candidates is a member, and no two are neighbours.
const CANDIDATES: u32 = 256;
const SPREAD: u32 = 4_099;

/// What somebody who is told sizes alone learns of `b` in a day, and in how many runs.
fn sizes(changes: &[(&str, &str)]) -> (Gained, u64) {
    let members: BTreeSet<u32> = (0..CANDIDATES)
        .filter(|n| n.wrapping_mul(2_654_435_761) >> 28 == 0)
        .collect();
    let holds = members.iter().map(|n| n * SPREAD).collect();
    let world = World::new(changes, &holds);
    let mut size = |first: usize, count: usize| {
        let [first, count] = [first, count].map(|n| u32::try_from(n).unwrap());
        let asked = (first..first + count).map(|n| n * SPREAD);
        world.held(asked)
    };
    let gained = infer(
        usize::try_from(CANDIDATES).unwrap(),
        Aim::Decided,
        &mut size,
    );
    let (_, runs, _) = world.recorded();
    (gained, runs)
}

#[test]
fn the_intersection_size_attack_on_a_live_node_gains_less_the_fewer_runs_it_answers() {
    const RUNS: &str = "runs_a_day = 65_536";
    let cases = [
        ("without caps", RUNS),
        ("24 runs a day", "runs_a_day = 24"),
        ("8 runs a day", "runs_a_day = 8"),
    ];
    let gained = cases.map(|(name, rule)| {
        let (gained, runs) = sizes(&[(RUNS, rule)]);
        println!(
            "intersection sizes of a live node, {name}: of {CANDIDATES} candidates {} decided, {} members \
             found, in {runs} runs of a day",
            gained.certain, gained.members
        );
        (gained, runs)
    });
    let [(all, _), (day, runs), (few, fewer)] = gained;
    let count = usize::try_from(CANDIDATES).unwrap();
    assert_eq!(all.certain, count, "without caps all is known");
    assert_eq!((runs, fewer), (24, 8), "no run more is answered");
    assert!(
        day.certain < count && day.members * 2 < all.members,
        "{day:?}"
    );
    assert!(
        few.certain * 2 < count && few.members * 4 < all.members,
        "{few:?}"
    );
}

/// Who goes through a dense range is stopped where a day has 64 times as many answers as the largest before
/// it, and 65,536 at least: with the levels that hold where a policy says nothing.
#[test]
fn a_prober_of_a_dense_range_is_stopped_live_after_a_stated_number_of_answers() {
    // So many on each of the days that make her known, and then in each run.
    const USUAL: u32 = 1_024;
    const RUN: u32 = 16_384;
    const STOPS: u32 = 65_536;
    let changes = [(
        "growth = { slow = 1_000_000, stop = 1_000_000 }",
        "growth = {}",
    )];
    let world = World::new(&changes, &(0..200).map(|n| n * 300).collect());
    let (mut next, mut found) = (0, 0);
    for _ in 0..3 {
        found += world.held(next..next + USUAL).unwrap();
        next += USUAL;
        world.next_day();
    }
    while let Some(held) = world.held(next..next + RUN) {
        found += held;
        next += RUN;
        assert!(next <= 3 * USUAL + STOPS, "{next}");
    }
    let (evaluations, runs, stopped) = world.recorded();
    println!(
        "a dense IPv4 range of a live node: stopped after {evaluations} answers in {runs} runs of 4 days, {found} \
         of 200 found"
    );
    assert_eq!(evaluations, u64::from(next));
    assert_eq!((next, runs), (3 * USUAL + STOPS - RUN, 6));
    assert_eq!(found, (0..200).filter(|n| n * 300 < next).count());
    assert_eq!(stopped, [Signal::Growth]);
    // Nothing is answered from then on, on whatever day, in however small a run.
    for days in [0, 1] {
        for _ in 0..days {
            world.clock.fetch_add(DAY, Ordering::Relaxed);
        }
        assert_eq!(world.held(next..next + 8), None);
    }
    assert_eq!(world.recorded().0, evaluations);
}
