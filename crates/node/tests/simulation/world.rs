//! Whole nodes of one consortium, each in a home of its own, and what is known of them in the clear.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use blindmatch_audit::receipt::Side;
use blindmatch_indicator::{Canonicaliser, Day, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name};
use blindmatch_node::clock;
use blindmatch_node::demo::{Consortium, Member, Outcome, PURPOSE, PairResult, RowKey};
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, Serving};
use blindmatch_node::roster::ceremony::{self, Beginning, Terms};
use blindmatch_node::simulation::Simulated;
use blindmatch_node::store::disk::Disk;
use blindmatch_node::store::ledger::{Ledger, LedgerError};
use blindmatch_node::store::merge::Rows;
use blindmatch_node::{Error, Node};
use blindmatch_psi::agreement::RunId;
use blindmatch_transport::{Endpoint, Limits};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::around::Time;
use crate::disk::NodeDisk;
use crate::net::Net;
use crate::tally::Budget;

/// 17 March 2030, midnight.
pub(crate) const BEGIN: u64 = 1_899_936_000;
pub(crate) const DAY: u64 = 86_400;
/// The smallest class of sets has room for so many changes of each kind.
pub(crate) const ROOM: usize = 4;
const MEMBERS: [&str; 3] = ["a", "b", "c"];
/// Addresses that there are.
pub(crate) const NUMBERS: u32 = 600;
/// Whatever is asked ends within so long.
const PATIENCE: Duration = Duration::from_secs(40_000);
/// Whoever is dead is gone within so many steps.
const STEPS: u32 = 20_000;

/// Homes to begin with, as their operators set them up.
pub(crate) struct Template {
    place: TempDir,
    pub(crate) members: Vec<Name>,
    /// The roster without the last member.
    pub(crate) next_roster: PathBuf,
    /// Of nobody.
    port: TcpListener,
    canonicaliser: Canonicaliser,
    rows: Vec<RowKey>,
}

/// Whether what nodes have is what it has to be.
pub(crate) type Checked<T = ()> = Result<T, String>;

pub(crate) struct World {
    pub(crate) template: Rc<Template>,
    place: TempDir,
    pub(crate) net: Arc<Net>,
    pub(crate) time: Rc<Time>,
    pub(crate) seats: BTreeMap<Name, RefCell<Seat>>,
    /// What was published, by the digests of the manifests.
    published: RefCell<BTreeMap<[u8; 32], BTreeSet<u32>>>,
}

/// A member's place, whether or not its node is there.
pub(crate) struct Seat {
    pub(crate) disk: Arc<NodeDisk>,
    pub(crate) up: Option<Rc<Up>>,
    /// Of the node that was there before.
    left: Weak<Ledger>,
    /// What was imported, as far as that was acknowledged.
    pub(crate) set: BTreeSet<u32>,
    /// What an import that was cut short would have made of it.
    pub(crate) maybe: Option<BTreeSet<u32>>,
    /// What the newest publication holds.
    pub(crate) newest: BTreeSet<u32>,
    /// Whatever any publication held.
    pub(crate) held: BTreeSet<u32>,
    /// What runs found that ended.
    results: BTreeMap<RunId, BTreeSet<RowKey>>,
    /// Whether it has the roster without the last member.
    pub(crate) has_removed: bool,
}

/// A node at work.
pub(crate) struct Up {
    pub(crate) serving: Serving,
    pub(crate) endpoint: Endpoint,
}

impl Seat {
    /// Whether it has an address, or may have it.
    fn has(&self, number: u32) -> bool {
        let maybe = self.maybe.as_ref();
        self.set.contains(&number) || maybe.is_some_and(|maybe| maybe.contains(&number))
    }
}

impl Up {
    /// The node, by the roster that it has now.
    pub(crate) fn daemon(&self) -> Arc<Daemon> {
        self.serving.daemon()
    }

    fn asker(&self) -> Asker {
        Asker::new(self.daemon(), self.endpoint.clone())
    }
}

fn policy(budget: Budget) -> String {
    format!(
        "[purpose.{PURPOSE}]\n\
         text = \"Recognise customers whom another member knows for abuse.\"\n\
         [legal_basis.simulation]\n\
         text = \"Nobody is anybody.\"\n\
         valid_until = 2031-01-01\n\
         [budget.enumerable]\n\
         day = {}\n\
         epoch = {}\n\
         [evidence]\n\
         minimum_reports = 0\n\
         reason_required = false\n\
         [conduct]\n\
         suspend_after = 100\n\
         [[allow]]\n\
         peers = [\"*\"]\n\
         types = [\"ip\"]\n\
         directions = [\"ask\", \"serve\"]\n\
         purposes = [\"{PURPOSE}\"]\n\
         protocols = [\"lookup\"]\n\
         legal_basis = \"simulation\"\n\
         minimum_set_size = 1\n",
        budget.day, budget.epoch
    )
}

pub(crate) fn view() -> View {
    View {
        indicator_type: IndicatorType::Ip,
        purpose: PURPOSE.to_owned(),
    }
}

fn address(number: u32) -> String {
    Ipv4Addr::from(0x2d00_0000 + number * 3).to_string()
}

static SUFFIXES: LazyLock<Canonicaliser> = LazyLock::new(|| {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
});

impl Template {
    /// Sets up homes, at the beginning of time.
    pub(crate) fn new() -> Self {
        let _simulated = Simulated::by(Rc::new(Time::new(BEGIN, 0)));
        let place = tempfile::tempdir().unwrap();
        let members: Vec<Name> = MEMBERS.iter().map(|name| name.parse().unwrap()).collect();
        let suffixes = Digest([7; 32]);
        let mut consortium = Consortium::found(place.path(), &members, suffixes).unwrap();
        let port = consortium.members.pop_first().unwrap().1.listener;
        let office = place.path().join("administrators");
        let (first, next) = (office.join("roster.txt"), office.join("next.txt"));
        let after = Beginning::After {
            roster: &first,
            advance: None,
        };
        let terms = Terms {
            in_force: (BEGIN, BEGIN + 180 * DAY),
            witness_quorum: None,
            tables: consortium.roster.tables.clone(),
            exclusions: BTreeMap::new(),
        };
        ceremony::begin(after, terms, &next).unwrap();
        ceremony::remove(&next, &members[2..]).unwrap();
        ceremony::sign(&next, &office.join("ada.key"), Some(&first)).unwrap();
        drop(consortium);
        let canonicaliser = SUFFIXES.clone();
        let row = |number| {
            let parsed = canonicaliser.parse(IndicatorType::Ip, &address(number));
            RowKey::from(parsed.unwrap().encode().as_slice())
        };
        Self {
            rows: (0..NUMBERS).map(row).collect(),
            place,
            members,
            next_roster: next,
            port,
            canonicaliser,
        }
    }

    pub(crate) fn rows(&self, set: &BTreeSet<u32>) -> BTreeSet<RowKey> {
        let row = |number: &u32| self.rows[usize::try_from(*number).unwrap()].clone();
        set.iter().map(row).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl World {
    /// A world of a seed, in which no node is started yet.
    pub(crate) fn new(
        template: &Rc<Template>,
        time: &Rc<Time>,
        net: Arc<Net>,
        budget: Budget,
        seed: u64,
    ) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut seats = BTreeMap::new();
        for (name, number) in template.members.iter().zip(1..) {
            let home = place.path().join(name.as_str());
            let from = template.place.path().join("nodes").join(name.as_str());
            copy(&from, &home);
            fs::write(home.join("policy.toml"), policy(budget)).unwrap();
            let disk = NodeDisk::new(name, &net, &home, seed ^ (number << 56));
            let disk = Arc::new(disk);
            net.seat(name, Arc::clone(&disk));
            let seat = Seat {
                disk,
                up: None,
                left: Weak::new(),
                set: BTreeSet::new(),
                maybe: None,
                newest: BTreeSet::new(),
                held: BTreeSet::new(),
                results: BTreeMap::new(),
                has_removed: false,
            };
            seats.insert(name.clone(), RefCell::new(seat));
        }
        Self {
            template: Rc::clone(template),
            place,
            net,
            time: Rc::clone(time),
            seats,
            published: RefCell::default(),
        }
    }

    /// Lets go of everything.
    pub(crate) fn end(&self) {
        for (name, seat) in &self.seats {
            self.net.stop(name);
            seat.borrow_mut().up = None;
        }
    }

    pub(crate) fn seat(&self, name: &Name) -> &RefCell<Seat> {
        self.seats.get(name).unwrap()
    }

    pub(crate) fn up(&self, name: &Name) -> Option<Rc<Up>> {
        self.seat(name).borrow().up.clone()
    }

    fn open(&self, name: &Name) -> Result<Up, Error> {
        let disk = Arc::clone(&self.seat(name).borrow().disk);
        let disk = Disk::with_faults(&self.place.path().join(name.as_str()), disk);
        let node = Node::on(disk)?;
        let canonicaliser = self.template.canonicaliser.clone();
        let daemon = Arc::new(Daemon::open(node, canonicaliser, Arc::new(clock::now))?);
        let endpoint = daemon.endpoint(Limits::default());
        let endpoint = endpoint.with_link(self.net.clone());
        Ok(Up {
            serving: Serving::new(daemon),
            endpoint,
        })
    }

    /// Starts a node; says whether it is there.
    pub(crate) fn start(&self, name: &Name) -> Checked<bool> {
        let up = match self.open(name) {
            Ok(up) => Rc::new(up),
            // The clock went back: it opens again when that has caught up.
            Err(Error::Ledger(LedgerError::Time { .. })) => return Ok(false),
            Err(error) => return Err(format!("{name} does not start: {error}")),
        };
        let listener = up.endpoint.listen_in_memory(Arc::new(up.serving.clone()));
        self.net.start(name, up.daemon().ledger(), listener);
        if up.daemon().directory().known().roster.number > 1 {
            // It was cut short behind that.
            self.seat(name).borrow_mut().has_removed = true;
            self.net
                .removed(name, self.template.members.last().unwrap());
        }
        self.seat(name).borrow_mut().up = Some(up);
        self.net.say(format_args!("{name} starts"));
        self.hold_against_imports(name)?;
        self.check(name)?;
        Ok(true)
    }

    /// Takes a node away whose connections have ended, and waits until nothing of it is left.
    pub(crate) async fn bury(&self, name: &Name) -> Checked {
        self.net.stop(name);
        let up = self.seat(name).borrow_mut().up.take();
        if let Some(up) = up {
            let left = Arc::downgrade(up.daemon().ledger());
            self.seat(name).borrow_mut().left = left;
        }
        let left = self.seat(name).borrow().left.clone();
        for _ in 0..STEPS {
            if left.strong_count() == 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(format!("something of {name} goes on after its end"))
    }

    /// Runs something of a node, until that dies; nothing then.
    pub(crate) async fn living<T>(
        &self,
        name: &Name,
        work: impl AsyncFnOnce(Rc<Up>) -> T,
    ) -> Option<T> {
        let up = self.up(name)?;
        if self.seat(name).borrow().disk.is_dead() {
            return None;
        }
        let mut deaths = self.net.deaths(name);
        let before = *deaths.borrow_and_update();
        let done = tokio::select! {
            biased;
            _ = deaths.changed() => None,
            done = work(up) => Some(done),
        };
        // What it said as it died nobody heard.
        done.filter(|_| *deaths.borrow() == before)
    }

    pub(crate) async fn import(&self, name: &Name, set: BTreeSet<u32>) -> Checked {
        self.seat(name).borrow_mut().maybe = Some(set.clone());
        let feed: String = set.iter().map(|n| address(*n) + "\n").collect();
        let imported = self.living(name, async |up| {
            let member = Member {
                node: up.daemon().node().clone(),
                listener: self.template.port.try_clone().unwrap(),
            };
            let desk = member.desk(&self.template.canonicaliser).unwrap();
            let read = |canonicaliser: &Canonicaliser,
                        sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
                let options = blindmatch_feeds::Options::default();
                blindmatch_feeds::read(feed.as_bytes(), &options, canonicaliser, sink)
            };
            let imported = desk.import("main".parse().unwrap(), read, &mut |_| {});
            imported.map(drop).map_err(|error| error.to_string())
        });
        match imported.await {
            Some(Ok(())) => {
                let mut seat = self.seat(name).borrow_mut();
                seat.set = set;
                seat.maybe = None;
                Ok(())
            }
            Some(Err(error)) => Err(format!("{name} cannot import: {error}")),
            None => Ok(()),
        }
    }

    /// Holds a collection against what was imported: that, or what was about to be.
    fn hold_against_imports(&self, name: &Name) -> Checked {
        let up = self.up(name).unwrap();
        let mut rows = BTreeSet::new();
        let daemon = up.daemon();
        let collections = daemon.collections();
        for collection in collections.names().map_err(|e| e.to_string())? {
            let contents = collections
                .contents(&collection)
                .map_err(|e| e.to_string())?;
            let today = Day::from_unix_seconds(i64::try_from(clock::now()).unwrap()).unwrap();
            let mut all = collections
                .rows(&contents, today)
                .map_err(|e| e.to_string())?;
            while all.advance().map_err(|e| e.to_string())? {
                rows.insert(RowKey::from(all.row().unwrap().key));
            }
        }
        let mut seat = self.seat(name).borrow_mut();
        let maybe = seat.maybe.take();
        if rows == self.template.rows(&seat.set) {
            return Ok(());
        }
        match maybe {
            Some(maybe) if rows == self.template.rows(&maybe) => {
                seat.set = maybe;
                Ok(())
            }
            _ => Err(format!("{name} has other rows than were imported")),
        }
    }

    /// Publishes, and has it cosigned; says whether it was, where the node lives.
    pub(crate) async fn publish(&self, name: &Name) -> Checked<Option<bool>> {
        let published = self.living(name, async |up| {
            up.daemon().publish().map_err(|error| error.to_string())
        });
        if let Some(published) = published.await {
            published.map_err(|error| format!("{name} cannot publish: {error}"))?;
        }
        self.note_published(name);
        let gathered = self.living(name, async |up| up.serving.gather(&up.endpoint).await);
        let gathered = gathered.await.transpose();
        gathered.map_err(|error| format!("{name} cannot have its ledger cosigned: {error}"))
    }

    pub(crate) async fn batch(&self, name: &Name) -> Checked<Option<Vec<PairResult>>> {
        let asked = self.living(name, async |up| {
            let asker = up.asker();
            let watch: Watch = Arc::new(|_| {});
            // A batch that waits for ever is no batch.
            let batch = timeout(PATIENCE, async {
                asker.batch(&Batch::default(), &watch).await
            });
            batch.await
        });
        let pairs = match asked.await {
            None => return Ok(None),
            Some(Err(_)) => return Err(format!("the batch of {name} does not end")),
            Some(Ok(Err(error))) => return Err(format!("the batch of {name}: {error}")),
            Some(Ok(Ok(pairs))) => pairs,
        };
        for pair in &pairs {
            let outcome = format!("{:?}", pair.outcome);
            self.net.say(format_args!(
                "{} {}: {outcome}",
                pair.querier, pair.responder
            ));
            if pair.outcome == Outcome::Done {
                let set = self.seat(name).borrow().set.clone();
                self.is_whole(name, &pair.responder, &set, &pair.found)?;
            }
        }
        Ok(Some(pairs))
    }

    /// Asks all peers whether they hold some addresses.
    pub(crate) async fn query(&self, name: &Name, numbers: &BTreeSet<u32>) -> Checked {
        let canonicaliser = &self.template.canonicaliser;
        let parse = |number| {
            canonicaliser
                .parse(IndicatorType::Ip, &address(number))
                .unwrap()
        };
        let query = Query {
            indicators: numbers.iter().copied().map(parse).collect(),
            peers: BTreeSet::new(),
            purpose: None,
            occasion: Occasion::default(),
        };
        let asked = self.living(name, async |up| {
            timeout(PATIENCE, async { up.asker().query(query).await }).await
        });
        let answers = match asked.await {
            None => return Ok(()),
            Some(Err(_)) => return Err(format!("the query of {name} does not end")),
            Some(Ok(Err(error))) => return Err(format!("the query of {name}: {error}")),
            Some(Ok(Ok(answers))) => answers,
        };
        for answer in answers {
            let outcome = format!("{:?}", answer.outcome);
            self.net
                .say(format_args!("{name} queries {}: {outcome}", answer.peer));
            if answer.outcome == Outcome::Done {
                let found = answer.found.iter().map(|found| found.row.clone()).collect();
                self.is_whole(name, &answer.peer, numbers, &found)?;
            }
        }
        Ok(())
    }

    /// Holds what was found of a set against what the peer holds too, in the clear.
    fn is_whole(
        &self,
        name: &Name,
        peer: &Name,
        set: &BTreeSet<u32>,
        found: &BTreeSet<RowKey>,
    ) -> Checked {
        let up = self.up(name).unwrap();
        let of_peer = format!("/{peer}");
        let newest = up
            .daemon()
            .views()
            .peers()
            .into_iter()
            .filter(|epoch| epoch.domain().responder.ends_with(of_peer.as_bytes()));
        let newest = newest.filter_map(|epoch| epoch.publications().into_iter().next());
        let newest = newest.max_by_key(|accepted| accepted.manifest.edition.sequence());
        let newest = newest.ok_or("a run without a publication")?;
        let published = self.published.borrow();
        let theirs = published.get(&newest.manifest.digest());
        let theirs = theirs.ok_or("a publication that nobody published")?;
        let expected: BTreeSet<u32> = set.intersection(theirs).copied().collect();
        if *found == self.template.rows(&expected) {
            return Ok(());
        }
        Err(format!(
            "{name} found {} of {} that {peer} holds too",
            found.len(),
            expected.len(),
        ))
    }

    /// Notes what a node has published that was not known.
    fn note_published(&self, name: &Name) {
        let Some(up) = self.up(name) else {
            return;
        };
        let mut published = self.published.borrow_mut();
        for own in up.daemon().views().own() {
            for publication in own.publications().iter() {
                let digest = publication.manifest.digest();
                let mut seat = self.seat(name).borrow_mut();
                let set = seat.set.clone();
                published.entry(digest).or_insert_with(|| {
                    seat.held.extend(&set);
                    seat.newest.clone_from(&set);
                    set
                });
            }
        }
    }

    /// What must hold of a node whenever it is there.
    pub(crate) fn check(&self, name: &Name) -> Checked {
        self.net.audit(name)?;
        if let Some(wrong) = self.net.wrong() {
            return Err(wrong);
        }
        let Some(up) = self.up(name) else {
            return Ok(());
        };
        self.note_published(name);
        self.hold_results(name, &up)?;
        self.witnesses_agree(name, &up)
    }

    /// What ended runs found stays, and is in the clear what it has to be.
    fn hold_results(&self, name: &Name, up: &Up) -> Checked {
        let daemon = up.daemon();
        let runs = daemon.runs();
        let failed = |error: &dyn std::fmt::Display| format!("the runs of {name}: {error}");
        let ended = runs.ended().map_err(|e| failed(&e))?;
        let ended: BTreeSet<RunId> = ended.into_iter().collect();
        let mut seat = self.seat(name).borrow_mut();
        if let Some(gone) = seat.results.keys().find(|run| !ended.contains(run)) {
            return Err(format!("{name} lost a run that had ended: {gone:?}"));
        }
        for id in ended {
            if seat.results.contains_key(&id) {
                continue;
            }
            let end = runs.end(&id).map_err(|e| failed(&e))?;
            let mut found = BTreeSet::new();
            if end.head.side == Side::Querier && end.results.is_some() {
                if end.receipt.is_none() {
                    return Err(format!("{name} shows results without a receipt"));
                }
                let mut matches = runs.matches(&id, clock::now()).map_err(|e| failed(&e))?;
                while let Some(one) = matches.next().map_err(|e| failed(&e))? {
                    found.insert(RowKey::from(one.as_match().row.key));
                }
                let direction = end.head.direction().ok_or("a run without direction")?;
                let published = self.published.borrow();
                let theirs = published.get(&direction.responder_input.commitment);
                let theirs = theirs.ok_or("a run about what nobody published")?;
                let mut both = theirs.clone();
                // What is asked by the way is nowhere else.
                if !end.head.collection.is_empty() {
                    both.retain(|number| seat.has(*number));
                }
                if !found.is_subset(&self.template.rows(&both)) {
                    return Err(format!(
                        "{name} found what {} does not hold",
                        end.head.peer.as_str()
                    ));
                }
            }
            seat.results.insert(id, found);
        }
        Ok(())
    }

    /// What this node cosigned of others is a part of what they have.
    fn witnesses_agree(&self, name: &Name, up: &Up) -> Checked {
        for (other, seat) in &self.seats {
            let Some(owner) = seat.borrow().up.clone().filter(|_| other != name) else {
                continue;
            };
            let log = owner.daemon().ledger().log();
            let ledger = &log.head().unverified().origin.ledger;
            let last = up.daemon().facts(|facts| facts.witnessed(ledger.as_str()));
            let last = last.map_err(|error| format!("the facts of {name}: {error}"))?;
            if let Some(last) = last
                && log.root_at(last.size).ok() != Some(last.root)
            {
                return Err(format!("{name} cosigned a fork of the ledger of {other}"));
            }
        }
        Ok(())
    }

    /// Installs the roster without the last member.
    pub(crate) async fn remove(&self, name: &Name) -> Checked {
        let gone = self.template.members.last().unwrap().clone();
        let removed = self.living(name, async |up| {
            let daemon = up.daemon();
            daemon
                .node()
                .install_roster(daemon.ledger(), &self.template.next_roster)?;
            up.serving.read_again()?;
            self.net.removed(name, &gone);
            let members = BTreeSet::from([gone.clone()]);
            up.serving.daemon().remove_members(&members).map(drop)
        });
        match removed.await {
            Some(Err(error)) => Err(format!("{name} cannot remove {gone}: {error}")),
            Some(Ok(())) => {
                self.seat(name).borrow_mut().has_removed = true;
                self.note_published(name);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
