//! Two nodes of one consortium in this process, each with a home, a ledger and a listener, which meet
//! over mutual TLS on loopback and by a clock that is set.
//!
//! Homes lie in the directory for temporary files (`TMPDIR`), which should not be one in memory.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::future::Future;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use blindmatch_feeds::{Options, Sieve, read};
use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType, PublicSuffixes};
use blindmatch_node::clock;
use blindmatch_node::collections::Wanted;
use blindmatch_node::demo::{Consortium, Member, PURPOSE, RowKey};
use blindmatch_node::exchange::ask::Asker;
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, Serving};
use blindmatch_node::import::import;
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::transport::message::{
    Answer, Cosigned, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RosterRequest,
    Views,
};
use blindmatch_node::transport::problem::Problem;
use blindmatch_node::transport::{
    ChunkSender, Clock, Endpoint, Exchange, Frames, Limits, Peer, Server, Witness,
};
use blindmatch_store::collection::{CollectionKind, Mode};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// An item of a set: its address is 16.0.0.0 and so many odd steps within 16.0.0.0/4.
pub(crate) type Number = u32;

const FIRST: u32 = 16 << 24;
const ADDRESSES: u32 = 1 << 28;
/// Odd, so that no two numbers below [`ADDRESSES`] have one address; far from any power of two, so
/// that neighbours in a set are none in its order.
const STEP: u32 = 0x9e37_79b1;

/// A publication takes out one in so many of its entries, and puts as many in (`spec/32 §6.3`).
const CHURN: u64 = 256;

/// Two nodes.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
    clock: Arc<AtomicU64>,
    canonicaliser: Canonicaliser,
    place: TempDir,
}

/// One of them.
pub(crate) struct Node {
    pub(crate) daemon: Arc<Daemon>,
    serving: Serving,
    pub(crate) endpoint: Endpoint,
    /// When its peer last asked it for what.
    pub(crate) asked: Arc<Moments>,
    _server: Server,
}

/// When a call last came, or ended.
#[derive(Default)]
pub(crate) struct Moments(Mutex<[Option<Instant>; MOMENTS]>);

const MOMENTS: usize = 5;

/// What a querier asks for in a night, in this order.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Moment {
    /// The manifest is asked for.
    Manifest,
    /// The last byte of the publication, or of what leads to it, is sent.
    Sent,
    /// A run is proposed.
    Proposed,
    /// The run begins.
    Begun,
    /// The run's stream has ended, with the receipt of both.
    Ended,
}

impl Pair {
    /// Founds the consortium and lets both listen. Needs a runtime of tokio.
    pub(crate) fn found() -> anyhow::Result<Self> {
        Ok(Self::found_with(&[])?.0)
    }

    /// The same with a third member, which listens too.
    pub(crate) fn found_beside(third: &str) -> anyhow::Result<(Self, Node)> {
        let (pair, mut others) = Self::found_with(&[third.parse()?])?;
        Ok((pair, others.pop().context("a third member")?))
    }

    fn found_with(others: &[Name]) -> anyhow::Result<(Self, Vec<Node>)> {
        let place = tempfile::tempdir()?;
        let names: [Name; 2] = ["a".parse()?, "b".parse()?];
        let all = [&names, others].concat();
        let mut consortium = Consortium::found(place.path(), &all, Digest([7; 32]))?;
        // Addresses need no table; the shortest list keeps its parsing out of the figures.
        let suffixes = PublicSuffixes::parse("// ===BEGIN ICANN DOMAINS===\ncom\n")?;
        let canonicaliser = Canonicaliser::new(suffixes);
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let mut start = |name: &Name| {
            let member = consortium.members.remove(name).context("a member")?;
            Node::start(member, &canonicaliser, &clock)
        };
        let [a, b] = names.each_ref().map(&mut start);
        let others: anyhow::Result<_> = others.iter().map(start).collect();
        let pair = Self {
            a: a?,
            b: b?,
            clock,
            canonicaliser,
            place,
        };
        Ok((pair, others?))
    }

    /// Sets both clocks forward by so many seconds.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) const fn nodes(&self) -> [&Node; 2] {
        [&self.a, &self.b]
    }

    /// Where the homes are.
    pub(crate) const fn place(&self) -> &TempDir {
        &self.place
    }

    /// Imports these as the collection of a node, in place of what it had.
    pub(crate) fn import(
        &self,
        node: &Node,
        kind: CollectionKind,
        set: &[Number],
    ) -> anyhow::Result<()> {
        let feed = self.place.path().join("feed.txt");
        let mut lines = BufWriter::new(File::create(&feed)?);
        for number in set {
            writeln!(lines, "{}", address(*number))?;
        }
        lines.flush()?;
        let canonicaliser = node.daemon.canonicaliser();
        let plan = node.daemon.node().import_plan(Wanted {
            collection: "bench".parse()?,
            kind: Some(kind),
            source: "lines".parse()?,
            mode: Mode::Replace,
            allow_shrink: false,
            discard_damaged: false,
        })?;
        let feed = File::open(feed)?;
        let (report, _) = import(
            node.daemon.collections(),
            plan,
            canonicaliser,
            Sieve::new(canonicaliser),
            |sink| read(feed, &Options::default(), canonicaliser, sink),
            &mut |_| {},
            &mut rand::rng(),
        )?;
        let accepted = report.tally.accepted_total();
        ensure!(accepted == set.len() as u64, "{accepted} were imported");
        Ok(())
    }

    /// Both publish what they have; says whether either had anything to.
    pub(crate) async fn publish(&self) -> anyhow::Result<()> {
        let publishing = self.nodes().map(|node| {
            let daemon = Arc::clone(&node.daemon);
            spawn_blocking(move || daemon.publish())
        });
        for published in publishing {
            published.await??;
        }
        Ok(())
    }

    /// Each has its ledger cosigned by the other.
    pub(crate) async fn cosign(&self) -> anyhow::Result<()> {
        for node in self.nodes() {
            let cosigned = node.serving.gather(&node.endpoint).await?;
            ensure!(cosigned, "a ledger is not cosigned");
        }
        Ok(())
    }

    /// What a node serves that served `before` and holds `now`, by the room of its newest publication.
    pub(crate) fn served(
        &self,
        node: &Node,
        before: &[Number],
        now: &[Number],
    ) -> anyhow::Result<Vec<Number>> {
        let view = View {
            indicator_type: IndicatorType::Ip,
            purpose: PURPOSE.to_owned(),
        };
        let Some(epoch) = node.daemon.own_epoch(&view) else {
            // Who holds customers alone serves nothing.
            return Ok(Vec::new());
        };
        let newest = epoch.publications().first().cloned();
        let newest = newest.context("a publication")?.manifest.edition;
        let room = usize::try_from(newest.class().entries() / CHURN)?;
        // Of one day's changes those come first whose keys do.
        let only = |one: &[Number], other: &[Number]| {
            let other: HashSet<_> = other.iter().collect();
            let mut only: Vec<_> = one.iter().filter(|n| !other.contains(n)).copied().collect();
            only.sort_unstable_by_key(|number| address(*number));
            only.truncate(room);
            only
        };
        let gone: HashSet<_> = only(before, now).into_iter().collect();
        let stays = before.iter().filter(|number| !gone.contains(number));
        Ok(stays.copied().chain(only(now, before)).collect())
    }

    /// The indicator of an item.
    pub(crate) fn indicator(&self, number: Number) -> anyhow::Result<Indicator> {
        let text = address(number).to_string();
        Ok(self.canonicaliser.parse(IndicatorType::Ip, &text)?)
    }

    /// What two sets have in common, as the rows that a run finds.
    pub(crate) fn in_common(
        &self,
        one: &[Number],
        other: &[Number],
    ) -> anyhow::Result<BTreeSet<RowKey>> {
        let mut other = other.to_vec();
        other.sort_unstable();
        let shared = one.iter().filter(|n| other.binary_search(n).is_ok());
        let row = |n: &Number| Ok(RowKey::from(self.indicator(*n)?.encode().as_slice()));
        shared.map(row).collect()
    }
}

impl Node {
    fn start(
        member: Member,
        canonicaliser: &Canonicaliser,
        clock: &Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        let now = Arc::clone(clock);
        let now: Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let daemon = Arc::new(Daemon::open(member.node, canonicaliser.clone(), now)?);
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = daemon.endpoint(Limits::default());
        member.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(member.listener)?;
        let asked = Arc::new(Moments::default());
        let watched = Watched {
            serving: serving.clone(),
            asked: Arc::clone(&asked),
        };
        let _server = endpoint.serve(listener, Arc::new(watched));
        Ok(Self {
            daemon,
            serving,
            endpoint,
            asked,
            _server,
        })
    }

    pub(crate) fn asker(&self) -> Asker {
        Asker::new(Arc::clone(&self.daemon), self.endpoint.clone())
    }
}

impl Moments {
    fn now(&self, moment: Moment) {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moments[moment as usize] = Some(Instant::now());
    }

    /// The seconds from `began` to the first of these moments, between each and the next, and from
    /// the last to `ended`. One that never was is as the one before.
    pub(crate) fn stages(&self, began: Instant, ended: Instant) -> [f64; MOMENTS + 1] {
        let moments = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = began;
        let mut stages = [0.0; MOMENTS + 1];
        let moments = moments.into_iter().chain([Some(ended)]);
        for (stage, moment) in stages.iter_mut().zip(moments) {
            let moment = moment.filter(|moment| *moment > last).unwrap_or(last);
            *stage = (moment - last).as_secs_f64();
            last = moment;
        }
        stages
    }
}

fn address(number: Number) -> Ipv4Addr {
    Ipv4Addr::from(FIRST + number.wrapping_mul(STEP) % ADDRESSES)
}

/// A node that notes when it is asked for what.
struct Watched {
    serving: Serving,
    asked: Arc<Moments>,
}

impl Watched {
    async fn to<T>(&self, end: Moment, call: impl Future<Output = T>) -> T {
        let answer = call.await;
        self.asked.now(end);
        answer
    }
}

impl Exchange for Watched {
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
        self.asked.now(Moment::Manifest);
        self.serving.manifest(peer, request).await
    }

    async fn file(
        &self,
        peer: &Peer,
        request: FileRequest,
        to: ChunkSender,
    ) -> Result<(), Problem> {
        let sending = self.serving.file(peer, request, to);
        self.to(Moment::Sent, sending).await
    }

    async fn propose(&self, peer: &Peer, proposal: Proposal) -> Result<Answer, Problem> {
        self.asked.now(Moment::Proposed);
        self.serving.propose(peer, proposal).await
    }

    async fn run(&self, peer: &Peer, frames: Frames) -> Result<(), Problem> {
        self.asked.now(Moment::Begun);
        let running = self.serving.run(peer, frames);
        self.to(Moment::Ended, running).await
    }

    async fn cosign(&self, peer: &Peer, request: Bytes) -> Cosigned {
        self.serving.cosign(peer, request).await
    }

    fn witness(&self, peer: &Peer, witness: Witness) {
        self.serving.witness(peer, witness);
    }
}
