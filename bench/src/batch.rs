//! `batch`: two nodes hold two large lists against each other, from the files to the written matches.
//!
//! Two processes, each a node of the demonstration's consortium with a home of its own: TLS between
//! members, policy, budgets, records that are durable before anything leaves, and receipts of both.
//! What needs no input is ahead: the consortium, the first publication of a view, and the setup.
//! Both files have the same number of addresses, of which half are the same.
//!
//! `run` is from the querier's first call to its matches in the home. `whole` is that behind the
//! longer of the two imports, which both nodes do at once.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow, bail, ensure};
use blindmatch_feeds::{Options, Row, read};
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_node::demo::{Consortium, Desk, Member, Outcome};
use blindmatch_node::exchange::ask::Asker;
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::{Daemon, Serving, listener};
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::rules::Protocol;
use blindmatch_node::transport::Limits;
use blindmatch_node::{Node, clock};
use serde::{Deserialize, Serialize};

use crate::Scale;
use crate::machine::{cpu_seconds, peak_memory_mib};
use crate::report::Report;

const QUERIER: &str = "alpha";
const RESPONDER: &str = "beta";
/// 1.0.0.0, from which on some ten million addresses are somebody's.
const FIRST_ADDRESS: u32 = 1 << 24;
/// Enough for a view to be there before the list is.
const BEFORE: &str = "1.0.0.0\n";
/// As far as a policy may go for addresses, of a day and of an epoch.
const BUDGET: (u64, u64) = (1 << 24, 1 << 26);

/// One side, in a process of its own.
#[derive(clap::Args)]
pub(crate) struct Side {
    home: PathBuf,
    list: PathBuf,
    /// Asks so many items, else serves.
    #[arg(long)]
    ask: Option<u64>,
}

/// What a side did with one command.
#[derive(Serialize, Deserialize)]
struct Done {
    seconds: f64,
    /// Of this command, on all threads.
    processor_seconds: f64,
    /// Until now.
    peak_memory_mib: Option<f64>,
    bytes: u64,
    matches: u64,
}

/// A side that takes commands.
struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let bits: &[u32] = match scale {
        Scale::Full => &[16, 18, 20],
        Scale::Small => &[14],
    };
    let mut report = Report::new("batch");
    for bits in bits {
        one(1 << bits, *bits, &mut report).with_context(|| format!("2^{bits} items"))?;
    }
    report.note("with labels of 24 bytes; consortium, publication and setup are ahead".to_owned());
    report.note("no peer was measured: ratios against spu need it on this machine".to_owned());
    report.ratio("batch_vs_spu_wall", None);
    report.ratio("batch_vs_spu_bytes", None);
    Ok(report)
}

fn one(items: u32, bits: u32, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let names = [QUERIER.parse()?, RESPONDER.parse()?];
    let consortium = Consortium::found(folder.path(), &names, Digest([7; 32]))?;
    let (day, epoch) = BUDGET;
    let policy = consortium.policy().replace(
        "protocols = [\"lookup\"]",
        "protocols = [\"lookup\", \"batch\"]",
    );
    let budget = format!("minimum_set_size = 1\nbudget = {{ day = {day}, epoch = {epoch} }}\n");
    let policy = policy.replace("minimum_set_size = 1\n", &budget);
    let policy = for_addresses_only(&policy)?;
    let homes = names.each_ref().map(|name| consortium.home(name));
    for home in &homes {
        std::fs::write(home.join("policy.toml"), &policy)?;
    }
    // In this process, so that the memory it takes is not a side's.
    publish(consortium)?;
    let lists = [0, items / 2].map(|first| {
        let list = folder.path().join(format!("{first}.txt"));
        write_list(&list, first..first + items).map(|()| list)
    });
    let [ours, theirs] = lists;
    let mut responder = Process::start(&homes[1], &theirs?, None)?;
    let mut querier = Process::start(&homes[0], &ours?, Some(items.into()))?;

    let setup = querier.command("setup")?;
    for side in [&mut responder, &mut querier] {
        writeln!(side.to, "import")?;
    }
    let imports = [responder.answer()?, querier.answer()?];
    let before = responder.command("say")?;
    let run = querier.command("run")?;
    let served = responder.command("say")?;
    ensure!(
        run.matches == u64::from(items / 2),
        "{} matches",
        run.matches
    );

    let import = imports[0].seconds.max(imports[1].seconds);
    let mut figure = |name: &str, value: f64| {
        report.figure(format!("{name}_2^{bits}"), value);
    };
    figure("setup_ahead_seconds", setup.seconds);
    figure("import_seconds", import);
    figure("run_wall_seconds", run.seconds);
    figure("whole_wall_seconds", import + run.seconds);
    let serving = served.processor_seconds - before.processor_seconds;
    figure("run_processor_seconds", run.processor_seconds + serving);
    figure("run_bytes", run.bytes as f64);
    figure("run_bytes_per_item", run.bytes as f64 / f64::from(items));
    for (name, peak) in [
        ("querier_peak_memory_mib", run.peak_memory_mib),
        ("responder_peak_memory_mib", served.peak_memory_mib),
    ] {
        if let Some(peak) = peak {
            figure(name, peak);
        }
    }
    querier.end()?;
    responder.end()
}

/// Makes the view of every member, and leaves their homes.
fn publish(consortium: Consortium) -> anyhow::Result<()> {
    let canonicaliser = canonicaliser()?;
    for member in consortium.members.into_values() {
        import(&member.desk(&canonicaliser)?, &mut BEFORE.as_bytes())?;
        let clock = Arc::new(clock::now);
        Daemon::open(member.node, canonicaliser.clone(), clock)?.publish()?;
    }
    Ok(())
}

/// Addresses need no table; the shortest list keeps its parsing out of the figures.
fn canonicaliser() -> anyhow::Result<Canonicaliser> {
    let suffixes = "// ===BEGIN ICANN DOMAINS===\ncom\n";
    Ok(Canonicaliser::new(PublicSuffixes::parse(suffixes)?))
}

fn import(desk: &Desk, feed: &mut dyn Read) -> anyhow::Result<()> {
    let options = Options::default();
    let rows = |canonicaliser: &Canonicaliser, sink: &mut dyn FnMut(&Row<'_>)| {
        read(feed, &options, canonicaliser, sink)
    };
    let imported = desk.import("main".parse()?, rows, &mut |_| {});
    imported.map(drop).map_err(|error| anyhow!("{error}"))
}

/// A rule for addresses alone: of what nobody has nothing is asked.
fn for_addresses_only(policy: &str) -> anyhow::Result<String> {
    let lines = policy
        .lines()
        .map(|line| match line.starts_with("types = ") {
            true => "types = [\"ip\"]",
            false => line,
        });
    let changed: Vec<_> = lines.collect();
    let changed = changed.join("\n") + "\n";
    ensure!(
        changed != policy,
        "the demonstration's policy has another form"
    );
    Ok(changed)
}

fn write_list(path: &Path, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for number in numbers {
        writeln!(file, "{}", Ipv4Addr::from(FIRST_ADDRESS + number))?;
    }
    Ok(file.flush()?)
}

impl Process {
    fn start(home: &Path, list: &Path, ask: Option<u64>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("batch-side").args([home, list]);
        if let Some(items) = ask {
            command.arg("--ask").arg(items.to_string());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut process = Self {
            child,
            to: to.context("a pipe")?,
            from: BufReader::new(from.context("a pipe")?),
        };
        // It says when it is there.
        process.answer()?;
        Ok(process)
    }

    fn command(&mut self, command: &str) -> anyhow::Result<Done> {
        writeln!(self.to, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Done> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        ensure!(!line.is_empty(), "a side has ended early");
        Ok(serde_json::from_str(&line)?)
    }

    fn end(mut self) -> anyhow::Result<()> {
        drop(self.to);
        let status = self.child.wait()?;
        ensure!(status.success(), "a side failed: {status}");
        Ok(())
    }
}

/// Works as one side until its input ends.
pub(crate) fn side(side: &Side) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let canonicaliser = canonicaliser()?;
        let node = Node::open(&side.home)?;
        let port = listener(node.config())?;
        let member = Member {
            node,
            listener: port,
        };
        let desk = member.desk(&canonicaliser)?;
        let daemon = Daemon::open(member.node, canonicaliser, Arc::new(clock::now))?;
        let daemon = Arc::new(daemon);
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = daemon.endpoint(Limits::default());
        member.listener.set_nonblocking(true)?;
        let port = tokio::net::TcpListener::from_std(member.listener)?;
        let _server = endpoint.serve(port, Arc::new(serving));
        let asker = Asker::new(Arc::clone(&daemon), endpoint);
        say(Instant::now(), 0.0, 0, 0)?;

        let mut line = String::new();
        loop {
            line.clear();
            let stdin = std::io::stdin();
            if tokio::task::block_in_place(|| stdin.lock().read_line(&mut line))? == 0 {
                return Ok(());
            }
            let (started, before) = (Instant::now(), cpu_seconds());
            let (mut bytes, mut matches) = (0, 0);
            match line.trim() {
                "import" => {
                    let mut file = std::fs::File::open(&side.list)?;
                    tokio::task::block_in_place(|| import(&desk, &mut file))?;
                }
                "setup" => {
                    let peer: Name = RESPONDER.parse()?;
                    let channel = asker.reach(&peer).await?;
                    asker.prepare_batch(&channel, side.ask.unwrap_or(0)).await?;
                }
                "run" => {
                    let batch = Batch {
                        protocol: Some(Protocol::Batch),
                        ..Batch::default()
                    };
                    let watch: Watch = Arc::new(|_| {});
                    for pair in asker.batch(&batch, &watch).await? {
                        ensure!(pair.outcome == Outcome::Done, "{:?}", pair.outcome);
                        ensure!(pair.receipted, "no receipt");
                        bytes += pair.bytes;
                        matches += u64::try_from(pair.found.len())?;
                    }
                }
                // What was used in all.
                "say" => {
                    say(started, 0.0, 0, 0)?;
                    continue;
                }
                other => bail!("no command {other}"),
            }
            say(started, before, bytes, matches)?;
        }
    })
}

fn say(started: Instant, before: f64, bytes: u64, matches: u64) -> anyhow::Result<()> {
    let done = Done {
        seconds: started.elapsed().as_secs_f64(),
        processor_seconds: cpu_seconds() - before,
        peak_memory_mib: peak_memory_mib(),
        bytes,
        matches,
    };
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}
