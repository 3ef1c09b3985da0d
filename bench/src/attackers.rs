//! `attackers`: how long an honest member waits for an answer while others do to the same node what they
//! can, against the same with nobody else, in one run.
//!
//! The honest one greets on a new connection and asks about one indicator, in turns, with a pause between.
//! Attackers run on threads of their own in this process, so they take their share of the processors, and
//! of the memory, which is told of all of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use blindmatch_node::membership::Name;
use blindmatch_node::transport::problem::Kind;
use blindmatch_node::transport::{CallError, Endpoint, Limits};
use blindmatch_store::collection::CollectionKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::Scale;
use crate::machine::{forget_peak_memory, peak_memory_mib};
use crate::pair::{Number, Pair};
use crate::query::{Spread, ask};
use crate::report::Report;

/// Items that the node holds.
const ITEMS: Number = 20_000;
/// A peer takes a hundred calls a second of a member: the honest one stays below.
const PAUSE: Duration = Duration::from_millis(80);
/// Connections that begin a handshake and say nothing more.
const STALLED: usize = 1_000;
/// Connections that say a byte of their handshake at a time.
const SLOW: usize = 200;
/// Between two of these bytes.
const DRIP: Duration = Duration::from_millis(100);
/// Callers of one member, on as many connections as it may have.
const CALLERS: usize = 48;
const CONNECTIONS: usize = 4;
/// Each of them calls so often: some 2,000 a second in all, where 100 are taken.
const CALL: Duration = Duration::from_millis(24);
/// Who dials at once with a certificate that no member has.
const STRANGERS: usize = 8;
/// Until an attack has begun.
const BEGIN: Duration = Duration::from_secs(1);
/// The first bytes of a handshake that has 508 more.
const HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// What is done, by its name in the figures and in the two ratios.
const ATTACKS: [(Attack, &str, &str, &str, &str); 4] = [
    (
        Attack::Stall,
        "stalled",
        "stalled_greet_p99_vs_idle",
        "stalled_query_p99_vs_idle",
        "stalled_memory_vs_idle",
    ),
    (
        Attack::Flood,
        "flood",
        "flood_greet_p99_vs_idle",
        "flood_query_p99_vs_idle",
        "flood_memory_vs_idle",
    ),
    (
        Attack::Drip,
        "slow",
        "slow_greet_p99_vs_idle",
        "slow_query_p99_vs_idle",
        "slow_memory_vs_idle",
    ),
    (
        Attack::Strange,
        "strangers",
        "strangers_greet_p99_vs_idle",
        "strangers_query_p99_vs_idle",
        "strangers_memory_vs_idle",
    ),
];

#[derive(Clone, Copy)]
enum Attack {
    Stall,
    Flood,
    Drip,
    Strange,
}

/// Where they go, and what with.
struct Attackers {
    at: SocketAddr,
    victim: Name,
    member: Endpoint,
    stranger: Endpoint,
    /// What was begun, and what was refused of it.
    begun: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

/// What the honest one found.
struct Waited {
    greet: Spread,
    query: Spread,
    peak: f64,
}

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let rounds = if scale == Scale::Full { 100 } else { 12 };
    Runtime::new()?.block_on(measure(rounds))
}

async fn measure(rounds: Number) -> anyhow::Result<Report> {
    let (pair, attacker) = Pair::found_beside("c")?;
    // A member of another consortium, that says to be one of this.
    let others = Pair::found()?;
    let held: Vec<Number> = (0..ITEMS).collect();
    pair.import(&pair.b, CollectionKind::Abuse, &held)?;
    pair.publish().await?;
    pair.cosign().await?;
    let victim = pair.b.daemon.id().member().clone();
    let directory = pair.a.daemon.directory().clone();
    let at = directory.address(&victim).context("an address")?;
    let credentials = others.a.daemon.credentials().clone();
    let attackers = Attackers {
        at: at.as_str().parse()?,
        victim,
        member: attacker.endpoint.clone(),
        stranger: Endpoint::new(directory, credentials, Limits::default()),
        begun: Arc::default(),
        refused: Arc::default(),
    };
    // Fetches the publication.
    let mut next = 0;
    wait(&pair, &mut next, 2).await?;

    let mut report = Report::new("attackers");
    report.figure("rounds", f64::from(rounds));
    let idle = wait(&pair, &mut next, rounds).await?;
    idle.tell(&mut report, "idle");
    for (attack, name, greet, query, memory) in ATTACKS {
        let theirs = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let before = attackers.counts();
        attackers.begin(attack, &theirs);
        sleep(BEGIN).await;
        let began = Instant::now();
        let waited = wait(&pair, &mut next, rounds).await;
        let seconds = (began.elapsed() + BEGIN).as_secs_f64();
        theirs.shutdown_background();
        let waited = waited.with_context(|| format!("while {name}"))?;
        waited.tell(&mut report, name);
        let [begun, refused] = attackers.counts();
        let a_second = |now: u64, before: u64| (now - before) as f64 / seconds;
        report.figure(format!("{name}_begun_per_s"), a_second(begun, before[0]));
        report.figure(
            format!("{name}_refused_per_s"),
            a_second(refused, before[1]),
        );
        report.ratio(greet, Some(waited.greet.p99 / idle.greet.p99));
        report.ratio(query, Some(waited.query.p99 / idle.query.p99));
        report.ratio(memory, Some(waited.peak / idle.peak));
        // What was open is closed by then.
        sleep(BEGIN).await;
    }
    let place = pair.place().path().display();
    report.note(format!("homes on the file system of {place}"));
    Ok(report)
}

/// Greets on a new connection and asks, so often.
async fn wait(pair: &Pair, next: &mut Number, rounds: Number) -> anyhow::Result<Waited> {
    forget_peak_memory();
    let asker = pair.a.asker();
    let member = pair.b.daemon.id().member();
    let (mut greets, mut queries) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        *next += 1;
        // Every other one is behind the last that is held.
        let is_held = next.is_multiple_of(2);
        let number = if is_held { *next } else { ITEMS + *next };
        sleep(PAUSE).await;
        let started = Instant::now();
        let channel = pair.a.endpoint.dial(member).await?;
        channel.hello(pair.a.daemon.greeting()?).await?;
        greets.push(started.elapsed());
        drop(channel);
        queries.push(ask(pair, &asker, number, is_held).await?.0);
    }
    Ok(Waited {
        greet: Spread::of(greets)?,
        query: Spread::of(queries)?,
        peak: peak_memory_mib().unwrap_or(f64::NAN),
    })
}

impl Waited {
    fn tell(&self, report: &mut Report, name: &str) {
        report.figure(format!("{name}_greet_p50_ms"), self.greet.p50);
        report.figure(format!("{name}_greet_p99_ms"), self.greet.p99);
        report.figure(format!("{name}_query_p50_ms"), self.query.p50);
        report.figure(format!("{name}_query_p99_ms"), self.query.p99);
        report.figure(format!("{name}_peak_mib"), self.peak);
    }
}

impl Attackers {
    fn counts(&self) -> [u64; 2] {
        [&self.begun, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }

    /// Begins an attack, which goes on until its threads end.
    fn begin(&self, attack: Attack, on: &Runtime) {
        let (at, begun, refused) = (self.at, &self.begun, &self.refused);
        match attack {
            Attack::Stall => {
                for _ in 0..STALLED {
                    on.spawn(stall(at, Arc::clone(begun)));
                }
            }
            Attack::Drip => {
                for _ in 0..SLOW {
                    on.spawn(drip(at, Arc::clone(begun)));
                }
            }
            Attack::Flood => {
                for _ in 0..CONNECTIONS {
                    let (member, victim) = (self.member.clone(), self.victim.clone());
                    on.spawn(flood(
                        member,
                        victim,
                        Arc::clone(begun),
                        Arc::clone(refused),
                    ));
                }
            }
            Attack::Strange => {
                for _ in 0..STRANGERS {
                    let (stranger, victim) = (self.stranger.clone(), self.victim.clone());
                    on.spawn(knock(
                        stranger,
                        victim,
                        Arc::clone(begun),
                        Arc::clone(refused),
                    ));
                }
            }
        }
    }
}

/// Says a little of a handshake, and waits for ever.
async fn stall(at: SocketAddr, begun: Arc<AtomicU64>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(at).await {
            begun.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(&HELLO).await;
            let _ = stream.read(&mut [0]).await;
        }
        sleep(DRIP).await;
    }
}

/// Says a handshake byte by byte.
async fn drip(at: SocketAddr, begun: Arc<AtomicU64>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(at).await {
            begun.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(&HELLO).await;
            while stream.write_all(&[0]).await.is_ok() {
                sleep(DRIP).await;
            }
        }
        sleep(DRIP).await;
    }
}

/// Calls on one connection as a member, far more often than it may.
async fn flood(member: Endpoint, victim: Name, begun: Arc<AtomicU64>, refused: Arc<AtomicU64>) {
    loop {
        let Ok(channel) = member.dial(&victim).await else {
            sleep(DRIP).await;
            continue;
        };
        let callers: Vec<_> = (0..CALLERS / CONNECTIONS)
            .map(|_| {
                let (channel, begun) = (channel.clone(), Arc::clone(&begun));
                let refused = Arc::clone(&refused);
                tokio::spawn(async move {
                    while !channel.is_closed() {
                        begun.fetch_add(1, Ordering::Relaxed);
                        let called = channel.views().await;
                        if matches!(called, Err(CallError::Refused(problem)) if problem.kind == Kind::Busy)
                        {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        sleep(CALL).await;
                    }
                })
            })
            .collect();
        for caller in callers {
            let _ = caller.await;
        }
    }
}

/// Comes again and again with a certificate that no member has.
async fn knock(stranger: Endpoint, victim: Name, begun: Arc<AtomicU64>, refused: Arc<AtomicU64>) {
    loop {
        begun.fetch_add(1, Ordering::Relaxed);
        let served = match stranger.dial(&victim).await {
            Ok(channel) => channel.views().await.is_ok(),
            Err(_) => false,
        };
        if !served {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}
