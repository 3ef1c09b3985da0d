//! Nodes that serve, as processes of one consortium on this machine.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use blindmatch_indicator::PublicSuffixes;
use blindmatch_node::clock;
use blindmatch_node::demo::Consortium;
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::simulation::{Around, Simulated};

use crate::place::{Place, Test};

/// How long anything here may take.
pub(crate) const MOST: Duration = Duration::from_secs(60);

/// Members that found a consortium, each with a home at `nodes/NAME`.
pub(crate) struct Network {
    pub(crate) place: Place,
    pub(crate) members: Vec<Name>,
}

/// A process that serves a home.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Network {
    pub(crate) fn of(names: &[&str]) -> Result<Self, Box<dyn Error>> {
        Self::founded(Place::new()?, names)
    }

    /// The same in a place whose folder `net` may be there already.
    pub(crate) fn founded(place: Place, names: &[&str]) -> Result<Self, Box<dyn Error>> {
        let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
        let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
        let digest = Digest::of(&fs::read(tables.join(list))?);
        let members: Result<Vec<Name>, _> = names.iter().map(|name| name.parse()).collect();
        let members = members.map_err(|_| "a name")?;
        // What it listens at is free again behind this.
        Consortium::found(&place.path("net"), &members, digest)?;
        Ok(Self { place, members })
    }

    /// The same, founded so many seconds ago.
    pub(crate) fn of_before(names: &[&str], seconds: u64) -> Result<Self, Box<dyn Error>> {
        let _then = Then::at(clock::now().saturating_sub(seconds));
        Self::of(names)
    }

    pub(crate) fn home(&self, member: &str) -> PathBuf {
        self.place.path("net").join("nodes").join(member)
    }

    pub(crate) fn serve(&self, member: &str) -> Result<Serving, Box<dyn Error>> {
        Serving::start(&self.place, &self.home(member))
    }

    /// Starts it as the node of a release whose newest version of the protocol is this.
    pub(crate) fn serve_as(&self, member: &str, version: u32) -> Result<Serving, Box<dyn Error>> {
        let version = version.to_string();
        let environment = [("BLINDMATCH_TEST_VERSION", version.as_str())];
        Serving::start_with(&self.place, &self.home(member), &environment)
    }

    /// Starts it by the clock in a file.
    pub(crate) fn serve_by(&self, member: &str, clock: &Path) -> Result<Serving, Box<dyn Error>> {
        let clock = clock.to_str().ok_or("a path")?;
        let environment = [("BLINDMATCH_TEST_CLOCK", clock)];
        Serving::start_with(&self.place, &self.home(member), &environment)
    }

    pub(crate) fn line(&self, member: &str, line: &str) -> String {
        format!("--home {} {line}", self.home(member).display())
    }
}

/// A time of this thread that stands still.
pub(crate) struct Then(u64);

impl Then {
    /// For as long as what this gives is there, nodes in this thread have this time.
    pub(crate) fn at(seconds: u64) -> Simulated {
        Simulated::by(Rc::new(Self(seconds)))
    }
}

impl Around for Then {
    fn now(&self) -> u64 {
        self.0
    }

    fn pause(&self) -> Duration {
        Duration::ZERO
    }
}

impl Serving {
    /// Starts a node, and waits until it listens.
    pub(crate) fn start(place: &Place, home: &Path) -> Result<Self, Box<dyn Error>> {
        Self::start_with(place, home, &[])
    }

    fn start_with(
        place: &Place,
        home: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let begin = Instant::now();
        loop {
            let serving = Self::begin_with(place, home, environment)?;
            match serving.said("listening on ") {
                Ok(_) => return Ok(serving),
                // A connection of somebody else's goes out from its port.
                Err(_) if serving.count("in use") > 0 && begin.elapsed() < MOST => {
                    sleep(Duration::from_millis(500));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a node.
    pub(crate) fn begin(place: &Place, home: &Path) -> Result<Self, Box<dyn Error>> {
        Self::begin_with(place, home, &[])
    }

    fn begin_with(
        place: &Place,
        home: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let home = home.to_str().ok_or("a path")?;
        let mut child = place
            .command(["--home", home, "serve"])
            // Where commands are typed is another directory.
            .current_dir("/")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("a pipe")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lock().unwrap().push(line);
                }
            }
        });
        Ok(Self {
            child,
            log,
            reader: Some(reader),
        })
    }

    /// Waits until the log has a line with this in it, and gives the line.
    pub(crate) fn said(&self, what: &str) -> Result<String, Box<dyn Error>> {
        self.said_one_of(&[what])
    }

    pub(crate) fn said_one_of(&self, what: &[&str]) -> Result<String, Box<dyn Error>> {
        let begin = Instant::now();
        while begin.elapsed() < MOST {
            let log = self.log.lock().unwrap();
            let is_it = |line: &&String| what.iter().any(|what| line.contains(what));
            if let Some(line) = log.iter().find(is_it) {
                return Ok(line.clone());
            }
            drop(log);
            if self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            sleep(Duration::from_millis(20));
        }
        Err(format!("not said: {what:?}; but: {:#?}", self.log.lock().unwrap()).into())
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(what)).count()
    }

    pub(crate) fn signal(&self, name: &str) -> Test {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status()?;
        assert!(sent.success());
        Ok(())
    }

    pub(crate) fn ended(mut self) -> Result<(ExitStatus, Vec<String>), Box<dyn Error>> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                if let Some(reader) = self.reader.take() {
                    reader.join().map_err(|_| "the reader")?;
                }
                let log = self.log.lock().unwrap().clone();
                return Ok((status, log));
            }
            assert!(begin.elapsed() < MOST, "it does not end");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
