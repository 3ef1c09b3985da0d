//! Two nodes that hold whole sets against each other by batch, over TLS, on connections that break
//! and with askers that die, held against what they share in the clear.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::Event;
use blindmatch_feeds::Options;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::clock;
use blindmatch_node::demo::{Consortium, Desk, Member, Outcome, PURPOSE, PairResult, RowKey};
use blindmatch_node::exchange::ask::Asker;
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, Frames as Driven, Journal, Lost, RunKeys, Serving, drive};
use blindmatch_node::rules::Protocol;
use blindmatch_psi::batch::Labels;
use blindmatch_psi::batch::setup::{SetupSession, SetupTerms};
use blindmatch_psi::session::{Completion, End, Keys, Store, UnixSeconds};
use blindmatch_psi::stop::{Abort, Stop};
use blindmatch_transport::message::{Answer, Proposal};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Clock, Endpoint, Frames, Limits, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const DAY: u64 = 86_400;
const MEMBERS: [&str; 2] = ["a", "b"];
/// What `a` has and what `b` has: a class of 1,280 and one of 2,560.
const OURS: std::ops::Range<u32> = 0..1_200;
const THEIRS: std::ops::Range<u32> = 1_000..3_500;

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
    wire: Arc<Wire>,
}

/// The way from `a` to `b`, cut once it has brought so many bytes of `b`, and whole behind that.
struct Wire {
    brought: AtomicU64,
    cut_at: AtomicU64,
    cut: Notify,
}

fn address(number: u32) -> String {
    Ipv4Addr::from(0x2d00_0000 + number * 3).to_string()
}

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn rows(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<RowKey> {
    let canonicaliser = canonicaliser();
    let row = |number| {
        let parsed = canonicaliser.parse(IndicatorType::Ip, &address(number));
        RowKey::from(parsed.unwrap().encode().as_slice())
    };
    numbers.into_iter().map(row).collect()
}

impl World {
    /// Both sets imported and published, under a policy that `change` changes for one of the two.
    async fn new(change: impl Fn(&str, &str) -> String) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = MEMBERS.map(|name| name.parse().unwrap());
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        let policy = consortium.policy().to_owned();
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let wire = Arc::new(Wire {
            brought: AtomicU64::new(0),
            cut_at: AtomicU64::new(u64::MAX),
            cut: Notify::new(),
        });
        let mut nodes = BTreeMap::new();
        for name in MEMBERS {
            let key: Name = name.parse().unwrap();
            let member = consortium.members.remove(&key).unwrap();
            let home = member.node.disk().root().to_owned();
            fs::write(home.join("policy.toml"), change(name, &policy)).unwrap();
            let over = (name == "b").then(|| Arc::clone(&wire));
            nodes.insert(name, start(member, Arc::clone(&clock), over).await);
        }
        let world = Self {
            _place: place,
            clock,
            nodes,
            wire,
        };
        world.import("a", OURS);
        world.import("b", THEIRS);
        world.publish().await;
        world
    }

    /// Both sides allow both protocols.
    async fn of_both() -> Self {
        Self::new(|_, policy| both(policy)).await
    }

    fn node(&self, member: &str) -> &Node {
        self.nodes.get(member).unwrap()
    }

    fn import(&self, member: &str, set: impl IntoIterator<Item = u32>) {
        let feed: String = set.into_iter().map(|n| address(n) + "\n").collect();
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
            let published = tokio::task::spawn_blocking(move || daemon.publish());
            published.await.unwrap().unwrap();
        }
        for node in self.nodes.values() {
            assert!(node.serving.gather(&node.endpoint).await.unwrap());
        }
    }

    async fn ask(&self, protocol: Option<Protocol>) -> PairResult {
        let node = self.node("a");
        let asker = Asker::new(Arc::clone(&node.daemon), node.endpoint.clone());
        let watch: Watch = Arc::new(|_| {});
        let batch = Batch {
            protocol,
            ..Batch::default()
        };
        let mut pairs = asker.batch(&batch, &watch).await.unwrap();
        // Of networks there are none.
        pairs.retain(|pair| pair.indicator_type == IndicatorType::Ip);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.pop().unwrap()
    }

    /// What `b` charged, one by one.
    fn debits(&self) -> Vec<u64> {
        let log = self.node("b").daemon.ledger().log();
        let records = log.records(0..u64::MAX).map(Result::unwrap);
        let debits = records.filter_map(|(_, record)| match record.event {
            Event::Debit { amount, .. } => Some(amount.count()),
            _ => None,
        });
        debits.collect()
    }

    fn setups(&self) -> [usize; 2] {
        MEMBERS.map(|name| self.node(name).daemon.runs().setups().all().len())
    }
}

fn both(policy: &str) -> String {
    let both = policy.replace(
        "protocols = [\"lookup\"]",
        "protocols = [\"lookup\", \"batch\"]",
    );
    assert_ne!(both, policy);
    both
}

/// Opens a member's node and serves, over a wire or directly.
async fn start(member: Member, clock: Arc<AtomicU64>, wire: Option<Arc<Wire>>) -> Node {
    let desk = member.desk(&canonicaliser()).unwrap();
    let now: Clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let daemon = Arc::new(Daemon::open(member.node, canonicaliser(), now).unwrap());
    let serving = Serving::new(Arc::clone(&daemon));
    let endpoint = daemon.endpoint(Limits::default());
    member.listener.set_nonblocking(true).unwrap();
    let mut listener = TcpListener::from_std(member.listener).unwrap();
    if let Some(wire) = wire {
        let behind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let to = behind.local_addr().unwrap();
        tokio::spawn(carry(std::mem::replace(&mut listener, behind), to, wire));
    }
    let server = endpoint.serve(listener, Arc::new(serving.clone()));
    Node {
        daemon,
        serving,
        endpoint,
        desk,
        _server: server,
    }
}

async fn carry(from: TcpListener, to: SocketAddr, wire: Arc<Wire>) {
    loop {
        let (mut near, _) = from.accept().await.unwrap();
        let wire = Arc::clone(&wire);
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            let (mut far_read, mut far_write) = far.split();
            let (mut near_read, mut near_write) = near.split();
            let answers = async {
                let mut buffer = vec![0; 1 << 12];
                while let Ok(count @ 1..) = far_read.read(&mut buffer).await {
                    let (part, _) = buffer.split_at(count);
                    if near_write.write_all(part).await.is_err() {
                        return;
                    }
                    let count = u64::try_from(count).unwrap();
                    let brought = wire.brought.fetch_add(count, Ordering::Relaxed) + count;
                    if brought >= wire.cut_at.load(Ordering::Relaxed) {
                        wire.cut_at.store(u64::MAX, Ordering::Relaxed);
                        wire.cut.notify_one();
                        return;
                    }
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
async fn whole_sets_meet_as_in_the_clear_each_time_over_another_setup() {
    let world = World::of_both().await;
    let pair = world.ask(Some(Protocol::Batch)).await;
    assert_eq!(pair.outcome, Outcome::Done);
    assert_eq!(pair.found, rows(1_000..1_200));
    assert_eq!((pair.protocol, pair.asked), (Protocol::Batch, 1_200));
    assert_eq!((pair.charged, pair.fresh), (2 * 1_280, 200));
    assert!(pair.receipted && pair.bytes > 100_000);
    assert_eq!(world.debits(), [2 * 1_280]);
    assert_eq!(world.setups(), [0, 0], "used up on both sides");
    // Both sides have the receipt, and `a` what was found.
    let ended = |member: &str| world.node(member).daemon.runs().ended().unwrap();
    assert_eq!((ended("a").len(), ended("a")), (1, ended("b")));
    let a = &world.node("a").daemon;
    let end = a.runs().end(ended("a").first().unwrap()).unwrap();
    let signed = end.receipt.unwrap();
    assert_eq!(end.head.side, Side::Querier);
    let input = signed.receipt.responder_input;
    assert_eq!((input.class, signed.responder.is_some()), (2_560, true));

    // The next night anew, with what has come and gone on both sides since.
    world.clock.fetch_add(DAY, Ordering::Relaxed);
    world.import("a", 100..1_250);
    world.import("b", 1_100..3_600);
    let pair = world.ask(Some(Protocol::Batch)).await;
    assert_eq!(pair.outcome, Outcome::Done);
    assert_eq!((pair.found, pair.fresh), (rows(1_100..1_250), 50));
    assert_eq!(world.debits(), [2 * 1_280, 2 * 1_280]);
    assert_eq!(world.setups(), [0, 0]);
    // And by lookup, which needs none of it.
    let pair = world.ask(Some(Protocol::Lookup)).await;
    assert_eq!(
        (pair.outcome, pair.protocol),
        (Outcome::Done, Protocol::Lookup)
    );
    assert_eq!(world.debits().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_policy_has_lookup_only_it_is_lookup_without_a_word() {
    for restricted in MEMBERS {
        let world = World::new(|member, policy| match member == restricted {
            true => policy.to_owned(),
            false => both(policy),
        });
        let world = world.await;
        let pair = world.ask(Some(Protocol::Batch)).await;
        assert!(matches!(pair.outcome, Outcome::Refused(_)), "{pair:?}");
        assert_eq!((world.debits().len(), world.setups()), (0, [0, 0]));
        let pair = world.ask(None).await;
        assert_eq!(
            (pair.outcome, pair.protocol),
            (Outcome::Done, Protocol::Lookup)
        );
        assert_eq!(pair.found, rows(1_000..1_200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn setups_are_destroyed_with_their_time_and_no_run_takes_another_s() {
    // What the budget does not cover is refused when the run is proposed, with the setup made.
    let world = World::new(|_, policy| {
        let budget = "minimum_set_size = 1\nbudget = { day = 2560, epoch = 5120 }\n";
        both(policy).replace("minimum_set_size = 1\n", budget)
    });
    let world = world.await;
    assert_eq!(
        world.ask(Some(Protocol::Batch)).await.outcome,
        Outcome::Done
    );
    let pair = world.ask(Some(Protocol::Batch)).await;
    assert!(matches!(pair.outcome, Outcome::Budget(_)), "{pair:?}");
    assert_eq!(world.setups(), [1, 1]);
    // It waits for a day on which there is something left, and is used then.
    let pair = world.ask(Some(Protocol::Batch)).await;
    assert!(matches!(pair.outcome, Outcome::Budget(_)), "{pair:?}");
    assert_eq!(world.setups(), [1, 1], "no second one is made");
    let tidy = |member: &str| {
        let daemon = &world.node(member).daemon;
        daemon.tidy(daemon.now()).unwrap();
    };
    let week = 7 * DAY;
    world.clock.fetch_add(week - 1, Ordering::Relaxed);
    MEMBERS.into_iter().for_each(tidy);
    assert_eq!(world.setups(), [1, 1]);
    world.clock.fetch_add(1, Ordering::Relaxed);
    MEMBERS.into_iter().for_each(tidy);
    assert_eq!(world.setups(), [0, 1]);
    world.clock.fetch_add(week, Ordering::Relaxed);
    MEMBERS.into_iter().for_each(tidy);
    assert_eq!(world.setups(), [0, 0]);
}

/// Cuts the way at so many places; the asker dies there, or goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_anywhere_ends_right_and_no_setup_is_used_twice() {
    let world = World::of_both().await;
    // How much there is to cut; of the first night also what both say to each other once.
    for _ in 0..2 {
        world.wire.brought.store(0, Ordering::Relaxed);
        assert_eq!(
            world.ask(Some(Protocol::Batch)).await.outcome,
            Outcome::Done
        );
    }
    let all = world.wire.brought.load(Ordering::Relaxed);
    assert!(all > 150_000, "{all}");
    let (mut resumed, mut anew) = (0, 0);
    // More of them towards the end, where the answer comes.
    let places = [1, 5, 20, 40, 50, 60, 65, 70, 75, 80, 85, 90, 95, 98];
    for (number, place) in places.into_iter().enumerate() {
        world.clock.fetch_add(DAY, Ordering::Relaxed);
        let before = world.debits().len();
        world.wire.brought.store(0, Ordering::Relaxed);
        world
            .wire
            .cut_at
            .store(all * place / 100, Ordering::Relaxed);
        let asked = world.ask(Some(Protocol::Batch));
        let first = if number % 2 == 0 {
            Some(asked.await)
        } else {
            // The asker dies when the way is cut.
            tokio::select! {
                pair = asked => Some(pair),
                () = world.wire.cut.notified() => None,
            }
        };
        if let Some(first) = &first
            && first.outcome == Outcome::Done
        {
            assert_eq!(first.found, rows(1_000..1_200), "cut at {place} of 100");
        }
        world.wire.cut_at.store(u64::MAX, Ordering::Relaxed);
        let setups = || MEMBERS.map(|name| world.node(name).daemon.runs().setups().all());
        // What died may still be storing.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let between = world.node("a").daemon.runs().unfinished().len();
        let charged = world.debits().len() - before;
        let last = world.ask(Some(Protocol::Batch)).await;
        assert_eq!(
            last.outcome,
            Outcome::Done,
            "cut at {place} of 100: {first:?}"
        );
        assert_eq!(last.found, rows(1_000..1_200), "cut at {place} of 100");
        assert_eq!(world.node("a").daemon.runs().unfinished(), []);
        // The second run is always another one, over another setup, and charged.
        let charges = world.debits().len() - before;
        assert!((1..=3).contains(&charges), "{charges}");
        resumed += usize::from(charged == 1 && (between == 1 || first.is_some()));
        anew += usize::from(charged == 0);
        // Nobody keeps what was used: at most halves of setups that broke off.
        assert!(setups().iter().all(|kept| kept.len() <= 8));
    }
    assert!(resumed > 0 && anew > 0, "{resumed} resumed, {anew} anew");
    // Every run that ended has been charged once, or never.
    let log = world.node("b").daemon.ledger().log();
    let mut charged = BTreeSet::new();
    for record in log.records(0..u64::MAX) {
        if let Event::Debit { run, .. } = record.unwrap().1.event {
            assert!(charged.insert(run), "a run was charged twice");
        }
    }
}

/// A querier whose flight number four is wrong in its last bit, as one that guesses at the secret.
struct Guessing {
    frames: Frames,
    sent: usize,
}

impl Driven for Guessing {
    async fn send(&mut self, mut frame: Vec<u8>) -> Result<(), Lost> {
        self.sent += 1;
        if self.sent == 2
            && let Some(last) = frame.last_mut()
        {
            *last ^= 1;
        }
        Driven::send(&mut self.frames, frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        Driven::receive(&mut self.frames).await
    }
}

struct Nowhere;

impl Journal for Nowhere {
    fn store(&self, store: Store) -> Completion {
        store.stored().1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_the_secret_of_setups_makes_none_any_more() {
    let world = World::of_both().await;
    let node = world.node("a");
    let asker = Asker::new(Arc::clone(&node.daemon), node.endpoint.clone());
    let channel = asker.reach(&"b".parse().unwrap()).await.unwrap();
    let propose = async |nonce| {
        let proposal = SetupTerms {
            consortium: b"demo".to_vec(),
            querier: node.daemon.id().to_string().into_bytes(),
            responder: channel.peer().id().to_string().into_bytes(),
            class: 1_024,
            labels: Labels::Sealed,
            querier_nonce: [nonce; 32],
            responder_nonce: [0; 32],
        };
        let answer = channel.propose(Proposal(proposal.encode().into())).await?;
        let Answer::Agreement(terms) = answer else {
            panic!("no agreement");
        };
        Ok::<_, CallError>(SetupTerms::decode(&terms).unwrap())
    };
    // As many as suspend a peer.
    for guess in 1..=3 {
        let terms = propose(guess).await.unwrap();
        let frames = channel.run(terms.id().0).await.unwrap();
        let mut guessing = Guessing { frames, sent: 0 };
        let mut session = SetupSession::querier(terms).unwrap();
        let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
            signer: node.daemon.receipts().clone(),
            evaluation: None,
        });
        let journal: Arc<dyn Journal> = Arc::new(Nowhere);
        let now = || UnixSeconds(node.daemon.now());
        let end = drive(&mut session, &mut guessing, &keys, &journal, &now).await;
        assert_eq!(end, Ok(End::Stopped(Stop::PeerAborted(Abort::Check))));
        let _ = guessing.frames.finish().await;
        assert_eq!(world.setups(), [0, 0]);
    }
    let refused = propose(4).await;
    let refused =
        matches!(&refused, Err(CallError::Refused(problem)) if problem.kind == Kind::NotAllowed);
    assert!(refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_batch_are_those_of_lookup() {
    let world = World::of_both().await;
    let view = View {
        indicator_type: IndicatorType::Ip,
        purpose: PURPOSE.to_owned(),
    };
    let facts = |world: &World| {
        let b = &world.node("b").daemon;
        let epoch = b.own_epoch(&view).unwrap().domain().epoch;
        let charged = b.facts(|facts| facts.charged(&view.to_string(), "a", epoch, b.now()));
        charged.unwrap().epoch
    };
    assert_eq!(
        world.ask(Some(Protocol::Batch)).await.outcome,
        Outcome::Done
    );
    assert_eq!(facts(&world), 2 * 1_280);
    let pair = world.ask(Some(Protocol::Lookup)).await;
    assert_eq!((pair.outcome, pair.charged), (Outcome::Done, 1_280));
    assert_eq!(facts(&world), 3 * 1_280, "one budget");
    // All of it is known now: it is looked up, for the least that there is.
    let pair = world.ask(None).await;
    assert_eq!((pair.protocol, pair.charged), (Protocol::Lookup, 8));
    assert_eq!(pair.found, rows(1_000..1_200));
}
