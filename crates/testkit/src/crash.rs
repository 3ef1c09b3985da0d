//! What a crash leaves behind, against a model of what was acknowledged before it.
//!
//! A child process works on a home and says on stdout what was acknowledged to it. It is killed at
//! a random time, or a plan ends or fails one of its disk operations. The parent then reads the home
//! and holds it against all that was said. The test is a binary of its own: called with `child` as
//! its first argument, it hands the others to [`run_child`].
//!
//! `BLINDMATCH_SEED` repeats what was drawn.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use blindmatch_store::disk::Disk;
use libtest_mimic::Failed;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

mod faults;

pub use self::faults::Unsynced;
use self::faults::{KINDS, Plan, PowerCut, SYNC_FAILS};

/// What happened, by name; printed at the end.
pub type Counts = BTreeMap<&'static str, u64>;

/// Work on a home, and what must hold of it whenever the process dies.
pub trait Workload {
    /// What children are started by.
    const NAME: &'static str;

    /// Children are killed within so many microseconds of opening the home.
    const SPAN: u64 = 80_000;

    /// All that is known of a home from what its children said.
    type Model: Default;

    /// In the child: opens or creates the home, says `opened`, and works, until it is done or
    /// killed. What it [`say`]s before and behind each step is what the model knows.
    fn work(disk: &Disk, seed: u64);

    /// In the parent, before a child starts: may tear what a crash could have torn.
    fn prepare(_home: &Path, _rng: &mut StdRng) {}

    /// In the parent, with no child alive: takes in what the last child said, and compares.
    /// `repair` is whether to open the home as its owner, or to read it only.
    fn check(
        model: &mut Self::Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String>;
}

/// Says a line, in the child.
pub fn say(line: fmt::Arguments<'_>) {
    // One write: a line is there whole or not at all.
    let line = format!("{line}\n");
    io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// A number that the environment may change.
pub fn number(name: &str, usual: u64) -> u64 {
    let name = format!("BLINDMATCH_{name}");
    env::var(name).map_or(usual, |value| value.parse().unwrap())
}

/// The randomness of a test, and the seed that `BLINDMATCH_SEED` repeats it by.
pub fn seeded() -> (u64, StdRng) {
    let seed = number("SEED", rand::rng().next_u64());
    (seed, StdRng::seed_from_u64(seed))
}

/// The child: `HOME SEED [fault AT KIND | cut AT]`.
pub fn run_child<W: Workload>(arguments: &[String]) {
    let home = Path::new(&arguments[0]);
    let seed = arguments[1].parse().unwrap();
    let faults = arguments[2..].iter().map(String::as_str);
    match *faults.collect::<Vec<_>>() {
        [] => W::work(&Disk::new(home), seed),
        ["fault", at, kind] => {
            let plan = Arc::new(Plan::new(at.parse().unwrap(), kind));
            W::work(&Disk::with_faults(home, plan.clone()), seed);
            say(format_args!("operations {}", plan.operations()));
        }
        ["cut", at] => {
            let cut = PowerCut::new(home, at.parse().unwrap(), seed);
            W::work(&Disk::with_faults(home, Arc::new(cut)), seed);
        }
        _ => panic!("{arguments:?}"),
    }
}

/// Kills children at random times, a quarter of them at least before they have opened the home.
pub fn kills<W: Workload>(wanted: u64) -> Result<(), Failed> {
    const KILLS_OF_A_HOME: u64 = 50;
    let (seed, mut rng) = seeded();
    let mut counts = Counts::new();
    let (mut kills, mut early) = (0, 0);
    while kills < wanted || early < wanted / 4 {
        let place = tempfile::tempdir()?;
        let home = place.path().join("home");
        let mut model = W::Model::default();
        for _ in 0..KILLS_OF_A_HOME.min(wanted) {
            if rng.random() {
                W::prepare(&home, &mut rng);
            }
            let mut child = start::<W>(&home, rng.random(), &[])?;
            let said = listen(&mut child);
            let ended = |_| format!("seed {seed}: a child ended by itself");
            let mut heard = vec![said.recv().map_err(ended)?];
            // Half of them while the home is being opened, the others behind that.
            let late = rng.random();
            while late && heard.last().is_some_and(|line| line != "opened") {
                heard.push(said.recv().map_err(ended)?);
            }
            let span = if late { W::SPAN } else { 15_000 };
            thread::sleep(Duration::from_micros(rng.random_range(0..span)));
            child.kill()?;
            let status = child.wait()?;
            let said: Vec<_> = heard.into_iter().chain(said).collect();
            if status.signal() != Some(9) {
                return Err(format!("seed {seed}: a child ended by itself, {status}").into());
            }
            kills += 1;
            early += u64::from(!said.iter().any(|line| line == "opened"));
            W::check(&mut model, &home, &said, rng.random(), &mut counts)
                .map_err(|e| format!("seed {seed}, kill {kills}: {e}"))?;
        }
    }
    counts.insert("kills", kills);
    counts.insert("kills while the home opened", early);
    report::<W>("random kills", &counts);
    Ok(())
}

/// Fails every disk operation of the work in turn, in each way; of all these only one in `every`.
pub fn faults<W: Workload>(every: usize) -> Result<(), Failed> {
    let mut counts = Counts::new();
    let operations = operations::<W>()?;
    let cases = (0..operations).flat_map(|at| KINDS.map(|kind| (at, kind)));
    for (at, kind) in cases.step_by(every) {
        let at_text = at.to_string();
        let case = run_whole::<W>(1, &["fault", &at_text, kind], &mut counts);
        case.map_err(|e| format!("{kind} at operation {at}: {e}"))?;
        *counts.entry(kind).or_default() += 1;
    }
    counts.insert("operations of the work", operations);
    report::<W>("injected faults", &counts);
    Ok(())
}

/// Cuts the power at random operations: what was not synced is lost, or partly there.
pub fn power_cuts<W: Workload>(wanted: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let mut counts = Counts::new();
    let operations = operations::<W>()?;
    for cut in 0..wanted {
        let at = rng.random_range(0..operations).to_string();
        let case = run_whole::<W>(rng.random(), &["cut", &at], &mut counts);
        case.map_err(|e| format!("seed {seed}, cut {cut} at operation {at}: {e}"))?;
    }
    counts.insert("power cuts", wanted);
    report::<W>("power cuts", &counts);
    Ok(())
}

/// How many disk operations the work has when none fails.
fn operations<W: Workload>() -> Result<u64, Failed> {
    let place = tempfile::tempdir()?;
    let never = u64::MAX.to_string();
    let mut child = start::<W>(&place.path().join("home"), 1, &["fault", &never, "kill"])?;
    let said = listen(&mut child);
    let last = said.iter().last().unwrap_or_default();
    let operations = last
        .strip_prefix("operations ")
        .and_then(|n| n.parse().ok());
    operations.ok_or_else(|| format!("the work did not end: {last}").into())
}

/// Lets one child work to its end, whatever that is, and checks twice: as it was left, and as it
/// is when it was opened again.
fn run_whole<W: Workload>(
    seed: u64,
    faults: &[&str],
    counts: &mut Counts,
) -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let home = place.path().join("home");
    let mut child = start::<W>(&home, seed, faults)?;
    let said: Vec<_> = listen(&mut child).iter().collect();
    let status = child.wait()?;
    // A sync that fails aborts, and so do the faults that end a process.
    if status.code() == Some(0) {
        *counts.entry("children that went on").or_default() += 1;
    } else if status.signal() == Some(6) {
        *counts.entry("children that died").or_default() += 1;
    } else {
        return Err(format!("the child ended with {status}").into());
    }
    if said.iter().any(|line| line == SYNC_FAILS) {
        if said.last().is_none_or(|line| line != SYNC_FAILS) || status.code().is_some() {
            return Err("a sync failed, and the child went on".into());
        }
        *counts
            .entry("syncs that failed and ended the child")
            .or_default() += 1;
    }
    let mut model = W::Model::default();
    W::check(&mut model, &home, &said, false, counts)?;
    Ok(W::check(&mut model, &home, &[], true, counts)?)
}

fn start<W: Workload>(home: &Path, seed: u64, faults: &[&str]) -> io::Result<Child> {
    // A failed sync is said there, again and again, where it is what is wanted.
    let stderr = if faults.is_empty() {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    Command::new(env::current_exe()?)
        .args(["child", W::NAME])
        .arg(home)
        .arg(seed.to_string())
        .args(faults)
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
}

/// What the child says, line by line; a line that it did not end is not said.
fn listen(child: &mut Child) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(whole) = line.strip_suffix('\n')
                && send.send(whole.to_owned()).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receive
}

fn report<W: Workload>(what: &str, counts: &Counts) {
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, n)| format!("  {n:8} {name}"))
        .collect();
    println!("{}, {what}:\n{}", W::NAME, counts.join("\n"));
}
