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
use blindmatch_membership::{DelegationError as NotListed, Digest, Name};
use blindmatch_node::backup::restore;
use blindmatch_node::clock;
use blindmatch_node::demo::{Consortium, Member, Outcome, PURPOSE, PairResult, RowKey};
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::batch::{Batch, Watch};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::exchange::view::View;
use blindmatch_node::exchange::{Daemon, Serving};
use blindmatch_node::exported::Kind;
use blindmatch_node::roster::ceremony::{self, Beginning, Terms};
use blindmatch_node::simulation::Simulated;
use blindmatch_node::store::disk::Disk;
use blindmatch_node::store::ledger::{Ledger, LedgerError};
use blindmatch_node::store::merge::Rows;
use blindmatch_node::{Error, Node};
use blindmatch_psi::agreement::RunId;
use blindmatch_transport::{Endpoint, Limits};
use tempfile::{NamedTempFile, TempDir};
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
const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Of members; the attackers' world has more of them than the others.
pub(crate) const FEW: usize = 3;
pub(crate) const ALL: usize = MEMBERS.len();
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
    /// By type and number.
    rows: BTreeMap<IndicatorType, Vec<RowKey>>,
}

/// Whether what nodes have is what it has to be.
pub(crate) type Checked<T = ()> = Result<T, String>;

/// What was backed up of a home.
pub(crate) struct Backup {
    file: PathBuf,
    /// The records of its ledger.
    size: u64,
    set: BTreeSet<u32>,
    has_removed: bool,
}

pub(crate) struct World {
    /// What addresses and numbers there are of.
    types: &'static [IndicatorType],
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
    /// The newest backup of this incarnation.
    pub(crate) backup: Option<Backup>,
    /// How many homes there were in this place.
    homes: u32,
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
         types = [\"ip\", \"phone\"]\n\
         directions = [\"ask\", \"serve\"]\n\
         purposes = [\"{PURPOSE}\"]\n\
         protocols = [\"lookup\"]\n\
         legal_basis = \"simulation\"\n\
         minimum_set_size = 1\n",
        budget.day, budget.epoch
    )
}

pub(crate) fn view() -> View {
    view_of(IndicatorType::Ip)
}

pub(crate) fn view_of(indicator_type: IndicatorType) -> View {
    View {
        indicator_type,
        purpose: PURPOSE.to_owned(),
    }
}

/// The value of a number.
fn value(kind: IndicatorType, number: u32) -> String {
    match kind {
        IndicatorType::Ip => Ipv4Addr::from(0x2d00_0000 + number * 3).to_string(),
        _ => format!("+4930{}", 2_000_000 + number),
    }
}

static SUFFIXES: LazyLock<Canonicaliser> = LazyLock::new(|| {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
});

impl Template {
    /// Sets up homes, at the beginning of time.
    pub(crate) fn new(members: usize) -> Self {
        let _simulated = Simulated::by(Rc::new(Time::new(BEGIN, 0)));
        let place = tempfile::tempdir().unwrap();
        let members = MEMBERS.iter().take(members);
        let members: Vec<Name> = members.map(|name| name.parse().unwrap()).collect();
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
        ceremony::remove(&next, &members[members.len() - 1..]).unwrap();
        ceremony::sign(&next, &office.join("ada.key"), Some(&first)).unwrap();
        drop(consortium);
        let canonicaliser = SUFFIXES.clone();
        let rows = [IndicatorType::Ip, IndicatorType::Phone].map(|kind| {
            let row = |number| {
                let parsed = canonicaliser.parse(kind, &value(kind, number));
                RowKey::from(parsed.unwrap().encode().as_slice())
            };
            (kind, (0..NUMBERS).map(row).collect())
        });
        Self {
            rows: BTreeMap::from(rows),
            place,
            members,
            next_roster: next,
            port,
            canonicaliser,
        }
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
        types: &'static [IndicatorType],
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
                backup: None,
                homes: 0,
            };
            seats.insert(name.clone(), RefCell::new(seat));
        }
        Self {
            types,
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

    fn home(&self, name: &Name) -> PathBuf {
        self.place.path().join(name.as_str())
    }

    /// The type of a number.
    fn type_of(&self, number: u32) -> IndicatorType {
        self.types[usize::try_from(number).unwrap() % self.types.len()]
    }

    fn of_type(&self, kind: IndicatorType, set: &BTreeSet<u32>) -> BTreeSet<u32> {
        let set = set.iter().copied();
        set.filter(|number| self.type_of(*number) == kind).collect()
    }

    fn rows(&self, set: &BTreeSet<u32>) -> BTreeSet<RowKey> {
        let row = |number: &u32| {
            let of_type = &self.template.rows[&self.type_of(*number)];
            of_type[usize::try_from(*number).unwrap()].clone()
        };
        set.iter().map(row).collect()
    }

    fn node(&self, name: &Name) -> Result<Node, Error> {
        let disk = Arc::clone(&self.seat(name).borrow().disk);
        Node::on(Disk::with_faults(&self.home(name), disk))
    }

    fn open(&self, name: &Name) -> Result<Up, Error> {
        let node = self.node(name)?;
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
        let mut opened = self.open(name);
        if let Err(Error::NotListed(NotListed::Expired)) = opened {
            // Its operator does what he is told.
            if !self.renew_at_rest(name)? {
                return Ok(false);
            }
            opened = self.open(name);
        }
        let up = match opened {
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
        // One that begins while its node is down changes nothing.
        if self.up(name).is_some() && !self.seat(name).borrow().disk.is_dead() {
            self.seat(name).borrow_mut().maybe = Some(set.clone());
        }
        let value = |number: &u32| value(self.type_of(*number), *number) + "\n";
        let feed: String = set.iter().map(value).collect();
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
        if rows == self.rows(&seat.set) {
            return Ok(());
        }
        match maybe {
            Some(maybe) if rows == self.rows(&maybe) => {
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
            // Its operator is told that, and nobody is asked.
            Some(Ok(Err(Error::NotListed(NotListed::Expired)))) => Vec::new(),
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
                let set = self.of_type(pair.indicator_type, &set);
                self.is_whole(
                    name,
                    &pair.responder,
                    pair.indicator_type,
                    &set,
                    &pair.found,
                )?;
            }
        }
        Ok(Some(pairs))
    }

    /// Says what becomes of runs at a peer that are not over.
    pub(crate) async fn resumed(&self, name: &Name, peer: &Name) {
        let up = self.up(name).unwrap();
        let runs = up.daemon();
        let runs = runs.runs();
        for run in runs.unfinished() {
            let run = runs.run(&run).unwrap();
            let head = run.head();
            if head.side == Side::Querier && head.peer.as_str() == peer.as_str() {
                let said = match up.asker().reach(peer).await {
                    Ok(channel) => up.asker().resume(&channel, run).await.map(drop),
                    Err(error) => Err(error),
                };
                self.net
                    .say(format_args!("{name} {peer} goes on: {said:?}"));
            }
        }
    }

    /// Asks all peers whether they hold some addresses.
    pub(crate) async fn query(&self, name: &Name, numbers: &BTreeSet<u32>) -> Checked {
        let canonicaliser = &self.template.canonicaliser;
        let parse = |number| {
            let kind = self.type_of(number);
            canonicaliser.parse(kind, &value(kind, number)).unwrap()
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
            Some(Ok(Err(Error::NotListed(NotListed::Expired)))) => Vec::new(),
            Some(Ok(Err(error))) => return Err(format!("the query of {name}: {error}")),
            Some(Ok(Ok(answers))) => answers,
        };
        for answer in answers {
            let outcome = format!("{:?}", answer.outcome);
            self.net
                .say(format_args!("{name} queries {}: {outcome}", answer.peer));
            if answer.outcome == Outcome::Done {
                let found = answer.found.iter().map(|found| found.row.clone()).collect();
                let kind = answer.indicator_type;
                let numbers = self.of_type(kind, numbers);
                self.is_whole(name, &answer.peer, kind, &numbers, &found)?;
            }
        }
        Ok(())
    }

    /// Holds what was found of a set against what the peer holds too, in the clear.
    fn is_whole(
        &self,
        name: &Name,
        peer: &Name,
        kind: IndicatorType,
        set: &BTreeSet<u32>,
        found: &BTreeSet<RowKey>,
    ) -> Checked {
        let up = self.up(name).unwrap();
        let (of_peer, view) = (format!("/{peer}"), view_of(kind).to_string());
        let newest = up
            .daemon()
            .views()
            .peers()
            .into_iter()
            .filter(|epoch| epoch.domain().responder.ends_with(of_peer.as_bytes()))
            .filter(|epoch| epoch.domain().view == view.as_bytes());
        let newest = newest.filter_map(|epoch| epoch.publications().into_iter().next());
        let newest = newest.max_by_key(|accepted| accepted.manifest.edition.sequence());
        let newest = newest.ok_or("a run without a publication")?;
        let published = self.published.borrow();
        let theirs = published.get(&newest.manifest.digest());
        let theirs = theirs.ok_or("a publication that nobody published")?;
        let expected: BTreeSet<u32> = set.intersection(theirs).copied().collect();
        if *found == self.rows(&expected) {
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
                if !found.is_subset(&self.rows(&both)) {
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
            // What it cosigned of an earlier incarnation may be lost.
            if let Some(last) = last
                && last.incarnation == log.incarnation()
                && log.root_at(last.size).ok() != Some(last.root)
            {
                return Err(format!("{name} cosigned a fork of the ledger of {other}"));
            }
        }
        Ok(())
    }

    /// New keys for as long as a delegation lasts, and for a node at work at once.
    pub(crate) async fn renew(&self, name: &Name) -> Checked {
        if self.up(name).is_none() {
            return self.renew_at_rest(name).map(drop);
        }
        let renewed = self.living(name, async |up| {
            let daemon = up.daemon();
            let node = daemon.node();
            node.rotate(Some(daemon.ledger()), None, 30, false, &mut rand::rng())?;
            up.serving.read_again()
        });
        let renewed = renewed.await.transpose();
        renewed.map_err(|error| format!("{name} cannot renew its keys: {error}"))?;
        Ok(())
    }

    fn renew_at_rest(&self, name: &Name) -> Checked<bool> {
        let renew = || {
            let node = self.node(name)?;
            let (ledger, _) = node.ledger()?;
            node.rotate(Some(&ledger), None, 30, false, &mut rand::rng())
                .map(drop)
        };
        match renew() {
            Ok(()) => Ok(true),
            // The clock went back: this too is done when that has caught up.
            Err(Error::Ledger(LedgerError::Time { .. })) => Ok(false),
            Err(_) if self.seat(name).borrow().disk.is_dead() => Ok(false),
            Err(error) => Err(format!("{name} cannot renew its keys: {error}")),
        }
    }

    /// Whether anybody who is up knows the roster without the last member: who installed it may be
    /// restored to before that, and it comes back to him.
    pub(crate) fn has_heard_of_removal(&self) -> bool {
        self.template.members.iter().any(|name| {
            let up = self.up(name);
            up.is_some_and(|up| up.daemon().directory().known().roster.number > 1)
        })
    }

    /// Whether a node's delegation ends within so many seconds.
    pub(crate) fn is_expiring(&self, name: &Name, within: u64) -> bool {
        self.up(name).is_some_and(|up| {
            let delegation = up.daemon().node().delegation().unwrap();
            delegation.expires <= clock::now() + within
        })
    }

    pub(crate) async fn back_up(&self, name: &Name) -> Checked {
        let number = self.seat(name).borrow().homes;
        let key = self.place.path().join(format!("{name}-{number}.key"));
        let file = NamedTempFile::new_in(self.place.path())
            .unwrap()
            .path()
            .to_owned();
        let set = self.seat(name).borrow().set.clone();
        self.net.audit(name)?;
        let made = self.living(name, async |up| {
            let daemon = up.daemon();
            let size = daemon.ledger().log().size();
            if !key.exists() {
                daemon.node().export_to(Kind::Storage, &key)?;
            }
            daemon.node().backup(daemon.ledger(), &file, false)?;
            Ok::<_, Error>(size)
        });
        match made.await {
            None => Ok(()),
            Some(Err(error)) => Err(format!("{name} cannot be backed up: {error}")),
            Some(Ok(size)) => {
                let mut seat = self.seat(name).borrow_mut();
                // Of an import that was cut short nobody knows which rows it has.
                if seat.maybe.is_none() {
                    let has_removed = seat.has_removed;
                    seat.backup = Some(Backup {
                        file,
                        size,
                        set,
                        has_removed,
                    });
                }
                Ok(())
            }
        }
    }

    /// The machine is lost, and its newest backup stands in its place.
    pub(crate) async fn restore(&self, name: &Name) -> Checked {
        let Some(backup) = self.seat(name).borrow_mut().backup.take() else {
            return Ok(());
        };
        self.bury(name).await?;
        let (home, number) = (self.home(name), self.seat(name).borrow().homes);
        let lost = self.place.path().join(format!("{name}-lost-{number}"));
        fs::rename(&home, &lost).unwrap();
        let key = self.place.path().join(format!("{name}-{number}.key"));
        let none: [&Path; 0] = [];
        // Every other operator has kept his delegations.
        let kept = if number % 2 == 1 {
            delegations(&lost)
        } else {
            Vec::new()
        };
        let restored = restore(&home, &key, &backup.file, &none, &kept);
        let (node, _) = restored.map_err(|error| format!("{name} is not restored: {error}"))?;
        let (ledger, _) = node.ledger().map_err(|error| error.to_string())?;
        self.net.restored(name, backup.size, &ledger)?;
        drop((node, ledger));
        {
            let mut seat = self.seat(name).borrow_mut();
            seat.disk.replace(&home, u64::from(number));
            seat.homes += 1;
            seat.set = backup.set;
            seat.maybe = None;
            // Runs are in no backup.
            seat.results.clear();
            seat.has_removed = backup.has_removed;
        }
        if !backup.has_removed {
            self.net.forgets_removals(name);
        }
        self.net.say(format_args!("{name} is restored"));
        self.start(name).map(drop)
    }

    /// Installs the roster without the last member.
    pub(crate) async fn remove(&self, name: &Name) -> Checked {
        let gone = self.template.members.last().unwrap().clone();
        let removed = self.living(name, async |up| {
            let daemon = up.daemon();
            daemon
                .node()
                .install_roster(daemon.ledger(), &self.template.next_roster)?;
            match up.serving.read_again() {
                // The roster is in force all the same.
                Ok(()) | Err(Error::NotListed(NotListed::Expired)) => {}
                Err(error) => return Err(error),
            }
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

/// The files of the delegations in a home.
fn delegations(home: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(home.join("roster")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let is_one = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("delegation-")
    };
    files.filter(is_one).collect()
}
