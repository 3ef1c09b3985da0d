//! A month of operators: thirty nights of four nodes that serve, on a clock that is set, and what the
//! commands that they type print. Each night's reports are read, and held against what the sets of the
//! members say in the clear.
//!
//! `cargo test` plays some nights. The month, and its text for people to read:
//!
//! ```text
//! cargo test -p blindmatch-cli months_reports -- --ignored --nocapture
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use blindmatch_node::demo::{Consortium, Member, PURPOSE};
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::transport::control::client::{Event, Node as Socketed};
use blindmatch_transport::{Clock, Endpoint, Limits};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::output::time;

const DAY: u64 = 86_400;
/// Days of an epoch, less the last, in which the next one begins.
const EPOCH_DAYS: u64 = 27;
/// The smallest class of sets has room for so many changes of each kind.
const ROOM: usize = 4;
const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];
/// Who asks; the other one serves what it has, the same each night.
const ASKING: [&str; 3] = ["a", "b", "c"];

/// What `b` takes back that `a` found there.
const WITHDRAWN: u32 = 40;
/// What the operator of `a` disputes, and tells `b` so.
const DISPUTED: u32 = 41;

/// In which nights something happens, counted from 0.
struct Calendar {
    nights: u64,
    withdrawal: u64,
    dispute: u64,
    /// `c` is down in these.
    down: Range<u64>,
    /// `b` begins a new epoch.
    rotation: u64,
}

const MONTH: Calendar = Calendar {
    nights: 30,
    withdrawal: 8,
    dispute: 10,
    down: 13..16,
    rotation: 18,
};
const WEEK: Calendar = Calendar {
    nights: 7,
    withdrawal: 1,
    dispute: 2,
    down: 3..4,
    rotation: 5,
};

struct Up {
    service: Arc<Service>,
    endpoint: Endpoint,
    socket: Socket,
}

struct Month {
    place: TempDir,
    clock: Arc<AtomicU64>,
    addresses: BTreeMap<&'static str, SocketAddr>,
    up: BTreeMap<&'static str, Up>,
}

/// What a command ended with, and printed.
struct Typed {
    exit: u8,
    output: String,
}

/// A line of a batch's report, whichever form that has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    asked: u64,
    matches: u64,
    new: u64,
    gone: u64,
    changed: u64,
    status: String,
}

/// What the reports have to say, from the sets in the clear.
#[derive(Default)]
struct Oracle {
    sets: BTreeMap<&'static str, BTreeSet<u32>>,
    /// The epoch of each member's view, and the night in which that began.
    epochs: BTreeMap<&'static str, (u64, u64)>,
    /// What was asked of whom, by whom, in which epoch.
    asked: BTreeMap<(&'static str, &'static str, u64), BTreeSet<u32>>,
    /// What the last run found, and in which epoch.
    last: BTreeMap<(&'static str, &'static str), (BTreeSet<u32>, u64)>,
    /// Evaluations by whom for whom, in all.
    charged: BTreeMap<(&'static str, &'static str), u64>,
    /// The nights in which each member published.
    published: BTreeMap<&'static str, Vec<u64>>,
    /// In which night a pair ran last.
    ran: BTreeMap<(&'static str, &'static str), u64>,
    /// Bytes on the wire of every run: by whether the whole file was fetched, whether another one was
    /// before it in that night, and by the class of what was asked for. Nothing else shows in them.
    bytes: BTreeMap<(bool, bool, u64), u64>,
    /// How the matches of `a` stand, by peer.
    states: BTreeMap<(&'static str, u32), &'static str>,
}

fn canonicaliser() -> Canonicaliser {
    Canonicaliser::new(tables::public_suffixes(None).unwrap())
}

fn address(number: u32) -> String {
    Ipv4Addr::from(0x2d00_0000 + number * 3).to_string()
}

/// The smallest class that holds so many items of a query (`spec/32-publication.md` §1).
fn class(items: u64) -> u64 {
    let steps = (1..60).flat_map(|k| [4, 5, 6, 7].map(|step: u64| step << k));
    steps.into_iter().find(|class| *class >= items).unwrap()
}

impl Month {
    fn begin() -> Self {
        let place = tempfile::tempdir().unwrap();
        let names: Vec<Name> = MEMBERS.iter().map(|name| name.parse().unwrap()).collect();
        let suffixes = Digest(canonicaliser().suffixes().sha256().to_owned());
        let mut consortium = Consortium::found(place.path(), &names, suffixes).unwrap();
        let policy = consortium.policy();
        let policy = policy.replace("sweep = true\n", "sweep = true\nfeedback = true\n");
        let mut month = Self {
            place,
            clock: Arc::new(AtomicU64::new(clock::now())),
            addresses: BTreeMap::new(),
            up: BTreeMap::new(),
        };
        for name in MEMBERS {
            let member = consortium.members.remove(&name.parse().unwrap()).unwrap();
            fs::write(month.home(name).join("policy.toml"), &policy).unwrap();
            let address = member.listener.local_addr().unwrap();
            month.addresses.insert(name, address);
            month.start(name, member);
        }
        month
    }

    fn home(&self, member: &str) -> std::path::PathBuf {
        self.place.path().join("nodes").join(member)
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// What `blindmatch serve` does, by another clock.
    fn start(&mut self, name: &'static str, member: Member) {
        let Member { node, listener } = member;
        let now = Arc::clone(&self.clock);
        let now: Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let daemon = Daemon::open(node, canonicaliser(), now).unwrap();
        let endpoint = daemon.endpoint(Limits::default());
        let service = Arc::new(Service::start(daemon, listener).unwrap());
        let runner = Commands::of(&service).runner();
        let refused = Arc::new(commands::refused);
        let socket = Socket::open(&self.home(name).join(SOCKET), runner, refused).unwrap();
        let up = Up {
            service,
            endpoint,
            socket,
        };
        self.up.insert(name, up);
    }

    async fn stop(&mut self, name: &str) {
        let up = self.up.remove(name).unwrap();
        up.socket.drain(Duration::from_secs(9)).await;
        up.service.drain(Duration::from_secs(9)).await;
    }

    async fn restart(&mut self, name: &'static str) {
        let node = Node::open(&self.home(name)).unwrap();
        let listener = std::net::TcpListener::bind(self.addresses[name]).unwrap();
        self.start(name, Member { node, listener });
        // It answers nobody before a witness has answered it.
        self.cosigned(name).await;
    }

    /// Has the ledger of a member cosigned, as it does by itself within seconds.
    async fn cosigned(&self, name: &str) {
        let up = &self.up[name];
        let gathered = up.service.serving().gather(&up.endpoint).await;
        assert!(gathered.unwrap(), "{name}");
    }

    /// Publishes, and has that cosigned.
    async fn publish(&self, name: &str) {
        let daemon = self.up[name].service.serving().daemon();
        let published = spawn_blocking(move || daemon.publish()).await;
        published.unwrap().unwrap();
        self.cosigned(name).await;
    }

    /// Types a command beside the node of a member.
    async fn types(&self, member: &str, line: &str) -> Typed {
        let socket = Socketed::reach(&self.home(member).join(SOCKET)).await;
        let words = ["blindmatch"].into_iter().chain(line.split(' '));
        let words = words.map(Into::into);
        let running = socket.unwrap().run(words, self.place.path(), false, false);
        let mut running = running.await.unwrap();
        let (mut output, mut error) = (Vec::new(), Vec::new());
        loop {
            match running.next().await.unwrap() {
                Event::Output(bytes) => output.extend_from_slice(&bytes),
                Event::Error(bytes) => error.extend_from_slice(&bytes),
                Event::Exit(exit) => {
                    let [output, error] =
                        [output, error].map(|text| String::from_utf8(text).unwrap());
                    println!("{member}$ blindmatch {line}");
                    if !line.ends_with("json") {
                        print!("{output}");
                    }
                    print!("{error}");
                    return Typed { exit, output };
                }
                Event::InputWanted | Event::Progress(_) => {}
            }
        }
    }

    /// What a command says that must go well.
    async fn says(&self, member: &str, line: &str) -> String {
        let typed = self.types(member, line).await;
        assert_eq!(typed.exit, 0, "{line}: {}", typed.output);
        typed.output
    }

    async fn json(&self, member: &str, line: &str) -> Value {
        let said = self.says(member, &format!("{line} --output json")).await;
        serde_json::from_str(&said).unwrap()
    }

    /// The feed of a night: everything was seen on its day.
    async fn import(&self, member: &str, set: &BTreeSet<u32>) {
        let seen = time(self.now());
        let mut feed = "ip,id,seen\n".to_owned();
        for number in set {
            feed += &format!("{},{member}-{number},{seen}\n", address(*number));
        }
        let file = format!("{member}.csv");
        fs::write(self.place.path().join(&file), feed).unwrap();
        let line = format!(
            "import --quiet --collection fraud --kind abuse --map ip=ip --ref id --seen seen {file}"
        );
        self.says(member, &line).await;
    }

    /// The id of a match of a member, by its own reference.
    async fn match_of(&self, member: &str, peer: &str, reference: &str) -> Value {
        let list = self.json(member, "matches list --all").await;
        let list = list["matches"].as_array().unwrap().iter();
        let mut found = list.filter(|one| one["peer"] == peer && one["references"][0] == reference);
        found.next().unwrap().clone()
    }
}

/// The lines of a batch by peer, each with the bytes on the wire.
type Lines = BTreeMap<String, (Line, u64)>;

/// From what people read.
fn lines_of_table(text: &str) -> Lines {
    let mut lines = BTreeMap::new();
    for line in text.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |place: usize| words[place].replace(',', "").parse().unwrap();
        match words[..] {
            // What is not served is only counted.
            ["and", ..] => {}
            [peer, "all", _, status, ..] => {
                let status = status.trim_end_matches(':').to_owned();
                let none = Line {
                    asked: 0,
                    matches: 0,
                    new: 0,
                    gone: 0,
                    changed: 0,
                    status,
                };
                lines.insert(peer.to_owned(), (none, 0));
            }
            [peer, "fraud", "ip", PURPOSE, "lookup", ..] => {
                let line = Line {
                    asked: number(5),
                    matches: number(6),
                    new: number(7),
                    gone: number(8),
                    changed: number(9),
                    status: words[11].trim_end_matches(':').to_owned(),
                };
                let before = lines.insert(peer.to_owned(), (line, number(10)));
                assert!(before.is_none(), "{text}");
            }
            _ => panic!("a line that says nothing here: {line}"),
        }
    }
    lines
}

/// The same from what programs read.
fn lines_of_json(text: &str) -> Lines {
    let batch: Value = serde_json::from_str(text).unwrap();
    assert_eq!(batch["schema"], "blindmatch.batch.v1");
    assert_eq!(batch["verified"], true, "{text}");
    let mut lines = BTreeMap::new();
    for pair in batch["pairs"].as_array().unwrap() {
        if pair["status"] == "not_served" {
            assert_eq!(pair["type"], "network");
            continue;
        }
        let number = |field: &str| pair[field].as_u64().unwrap();
        let line = Line {
            asked: number("asked"),
            matches: number("matches"),
            new: number("new"),
            gone: number("gone"),
            changed: number("changed"),
            status: pair["status"].as_str().unwrap().to_owned(),
        };
        assert_eq!(pair["reason"].is_null(), line.status == "done");
        let charged = number("charged");
        let expected = if line.status == "done" {
            class(line.asked)
        } else {
            0
        };
        assert_eq!(charged, expected, "{pair}");
        let responder = pair["responder"].as_str().unwrap().to_owned();
        lines.insert(responder, (line, number("bytes")));
    }
    lines
}

impl Month {
    /// The batch of a night: of `a` as people read it, of the others as programs do.
    async fn batch(&self, who: &str) -> Option<Typed> {
        self.up.get(who)?;
        let line = match who {
            "a" => "batch --quiet",
            _ => "batch --quiet --output json",
        };
        Some(self.types(who, line).await)
    }
}

impl Oracle {
    /// What each member has at first.
    fn first() -> Self {
        let of = |ranges: &[Range<u32>]| ranges.iter().cloned().flatten().collect();
        Self {
            sets: BTreeMap::from([
                ("a", (0..60).collect()),
                ("b", (30..90).collect()),
                ("c", of(&[10..20, 50..100])),
                ("d", of(&[0..5, 40..45, 200..230])),
            ]),
            ..Self::default()
        }
    }

    /// What becomes of the members' sets in a night: what only some have, what several come to have, and
    /// what comes back in none.
    fn change(&mut self, night: u64, calendar: &Calendar, next: &mut u32, rng: &mut StdRng) {
        let fresh: Vec<u32> = (*next..*next + 6).collect();
        *next += 6;
        for member in ASKING {
            if member == "c" && calendar.down.contains(&night) {
                continue;
            }
            let set = self.sets.get_mut(member).unwrap();
            let mut gone: BTreeSet<u32> = BTreeSet::new();
            if member == "b" && night == calendar.withdrawal {
                gone.insert(WITHDRAWN);
            }
            let many = rng.random_range(0..ROOM);
            let others = set.iter().copied();
            let others = others.filter(|number| ![WITHDRAWN, DISPUTED].contains(number));
            gone.extend(others.sample(rng, many));
            set.retain(|number| !gone.contains(number));
            let came = rng.random_range(0..=ROOM);
            set.extend(fresh.iter().copied().sample(rng, came));
            // Who takes an entry back says so in the same night.
            for number in gone {
                let state = self.states.get_mut(&(member, number));
                if let Some(state) = state {
                    *state = "withdrawn";
                }
            }
        }
    }

    fn publishes(&mut self, member: &'static str, night: u64) {
        self.published.entry(member).or_default().push(night);
        let (epoch, since) = self.epochs.entry(member).or_insert((1, night));
        if night >= *since + EPOCH_DAYS {
            (*epoch, *since) = (*epoch + 1, night);
        }
    }

    fn rotates(&mut self, member: &'static str, night: u64) {
        let (epoch, since) = self.epochs.get_mut(member).unwrap();
        (*epoch, *since) = (*epoch + 1, night);
    }

    /// A batch said of each peer what it has to say.
    fn holds(&mut self, who: &'static str, typed: &Typed, up: &[&str], night: u64) {
        let lines = match who {
            "a" => lines_of_table(&typed.output),
            _ => lines_of_json(&typed.output),
        };
        let all_up = up.len() == MEMBERS.len();
        assert_eq!(typed.exit, if all_up { 0 } else { 6 }, "{}", typed.output);
        let (mut said, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for (peer, (line, bytes)) in lines {
            let peer = *peer_of(&peer);
            let (epoch, _) = self.epochs[peer];
            if line.status == "done" {
                let before = self.ran.insert((who, peer), night);
                let again = before == Some(night);
                // A difference is from one publication to the next: of who missed one, and with a new
                // epoch, it is the whole.
                let nights = self.published[peer].iter();
                let between = |one: &&u64| before.is_some_and(|last| last < **one) && **one < night;
                let is_new = !self.asked.contains_key(&(who, peer, epoch));
                let is_whole = is_new || nights.filter(between).count() > 0;
                let length = self.bytes.entry((is_whole, again, class(line.asked)));
                assert_eq!(
                    *length.or_insert(bytes),
                    bytes,
                    "night {night}, {who} {peer}"
                );
            }
            said.insert(peer, line);
        }
        for peer in MEMBERS.into_iter().filter(|peer| *peer != who) {
            expected.insert(peer, self.line(who, peer, up.contains(&peer)));
        }
        assert_eq!(said, expected, "night {night}, {who}: {}", typed.output);
    }

    /// What a member's batch has to say of a peer.
    fn line(&mut self, who: &'static str, peer: &'static str, is_up: bool) -> Line {
        if !is_up {
            return Line {
                asked: 0,
                matches: 0,
                new: 0,
                gone: 0,
                changed: 0,
                status: "unreachable".to_owned(),
            };
        }
        let count = |count: usize| u64::try_from(count).unwrap();
        let (epoch, _) = self.epochs[peer];
        let (own, theirs) = (&self.sets[who], &self.sets[peer]);
        let known = self.asked.entry((who, peer, epoch)).or_default();
        let asked = count(own.difference(known).count());
        known.extend(own);
        *self.charged.entry((who, peer)).or_default() += class(asked);
        let found: BTreeSet<u32> = own.intersection(theirs).copied().collect();
        let before = self.last.insert((who, peer), (found.clone(), epoch));
        let (before, earlier) = before.unwrap_or((BTreeSet::new(), epoch));
        // What the peer says of an entry is sealed with it for the epoch; the feeds say another day each
        // night.
        let changed = if earlier == epoch {
            0
        } else {
            before.intersection(&found).count()
        };
        if who == "a" {
            self.stand(peer, &before, &found);
        }
        Line {
            asked,
            matches: count(found.len()),
            new: count(found.difference(&before).count()),
            gone: count(before.difference(&found).count()),
            changed: count(changed),
            status: "done".to_owned(),
        }
    }

    /// How the matches of `a` stand behind a run.
    fn stand(&mut self, peer: &'static str, before: &BTreeSet<u32>, found: &BTreeSet<u32>) {
        for number in found {
            let state = self.states.entry((peer, *number));
            state
                .and_modify(|state| {
                    if *state == "new" {
                        *state = "seen";
                    }
                })
                .or_insert("new");
        }
        for number in before.difference(found) {
            if let Some(state @ &mut ("new" | "seen")) = self.states.get_mut(&(peer, *number)) {
                *state = "stale";
            }
        }
    }
}

/// Every match of `a` stands as it has to, and is listed once.
fn stands(list: &Value, oracle: &Oracle, night: u64) {
    let mut shown = BTreeMap::new();
    for one in list["matches"].as_array().unwrap() {
        let peer = one["peer"].as_str().unwrap().to_owned();
        let reference = one["references"][0].as_str().unwrap();
        let number: u32 = reference.strip_prefix("a-").unwrap().parse().unwrap();
        let state = one["state"].as_str().unwrap().to_owned();
        let last = oracle.last[&("a", *peer_of(&peer))].0.contains(&number);
        assert_eq!(one["in_last_run"], last, "{one}");
        let before = shown.insert((peer, number), state);
        assert_eq!(before, None, "night {night}: {one}");
    }
    let states = oracle.states.iter();
    let expected: BTreeMap<_, _> = states
        .map(|((peer, number), state)| (((*peer).to_owned(), *number), (*state).to_owned()))
        .collect();
    assert_eq!(shown, expected, "night {night}");
}

fn peer_of(name: &str) -> &'static &'static str {
    MEMBERS.iter().find(|member| **member == name).unwrap()
}

/// What was revealed, of whom by whom, by the status of a member.
fn revealed(status: &Value, direction: &str) -> BTreeMap<String, u64> {
    let revealed = status["revealed"].as_array().unwrap().iter();
    let revealed = revealed.filter(|one| one["direction"] == direction);
    let of = |one: &Value| {
        let evaluations = one["evaluations_in_all"].as_u64().unwrap();
        (one["peer"].as_str().unwrap().to_owned(), evaluations)
    };
    revealed.map(of).collect()
}

impl Month {
    /// The counters of what was revealed are what was asked, on both sides.
    async fn revealed(&self, oracle: &Oracle, before: &mut BTreeMap<String, u64>) {
        for (member, up) in MEMBERS.map(|member| (member, self.up.contains_key(member))) {
            if !up {
                continue;
            }
            let status = self.json(member, "status").await;
            for direction in ["ask", "serve"] {
                let shown = revealed(&status, direction);
                let charged = oracle.charged.iter();
                let expected: BTreeMap<_, _> = charged
                    .filter_map(|((who, whom), charged)| match direction {
                        "ask" if *who == member => Some(((*whom).to_owned(), *charged)),
                        "serve" if *whom == member => Some(((*who).to_owned(), *charged)),
                        _ => None,
                    })
                    .collect();
                assert_eq!(shown, expected, "{member} {direction}");
                for (peer, count) in shown {
                    let last = before.insert(format!("{member} {direction} {peer}"), count);
                    assert!(last.is_none_or(|last| last <= count));
                }
            }
        }
    }

    /// What the status of `a` says of `c` while that is down, and behind that.
    async fn says_who_is_down(&self, is_down: bool) {
        let status = self.json("a", "status").await;
        let peers = status["peers"].as_array().unwrap();
        let c = peers.iter().find(|peer| peer["peer"] == "c").unwrap();
        let (answer, failure) = (c["last_answer"].as_str(), c["last_failure"].as_str());
        let today = time(self.now());
        if is_down {
            assert_eq!(failure, Some(today.as_str()), "{c}");
            assert!(c["failure"].as_str().is_some(), "{c}");
            assert!(answer < failure, "{c}");
        } else {
            assert_eq!(answer, Some(today.as_str()), "{c}");
            assert!(failure < answer, "{c}");
        }
        let others = peers.iter().filter(|peer| peer["peer"] != "c");
        for other in others {
            assert_eq!(other["last_failure"], Value::Null, "{other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weeks_reports_say_what_happened() {
    play(&WEEK).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_months_reports_say_what_happened_long() {
    play(&MONTH).await;
}

async fn play(calendar: &Calendar) {
    let mut rng = StdRng::seed_from_u64(7);
    let mut month = Month::begin();
    let mut oracle = Oracle::first();
    let mut revealed_before = BTreeMap::new();
    let (began, mut next) = (month.now(), 1_000);
    for night in 0..calendar.nights {
        month.clock.store(began + night * DAY, Ordering::Relaxed);
        println!("\n== night {}, {}", night + 1, time(month.now()));
        if night == calendar.down.start {
            month.stop("c").await;
        }
        if night == calendar.down.end {
            month.restart("c").await;
        }
        let up: Vec<&'static str> = month.up.keys().copied().collect();
        if night > 0 {
            oracle.change(night, calendar, &mut next, &mut rng);
        }
        for member in &up {
            month.import(member, &oracle.sets[member]).await;
        }
        for member in &up {
            month.publish(member).await;
            oracle.publishes(member, night);
        }
        if night == calendar.rotation {
            let rotate = format!("epoch rotate abuse/ip/{PURPOSE}");
            month.says("b", &rotate).await;
            oracle.rotates("b", night);
            month.cosigned("b").await;
        }
        // What of a member's is due goes out with its batch, and every ten minutes.
        for member in up.iter().filter(|member| !ASKING.contains(*member)) {
            let told = month.up[member].service.asker().tell_peers().await;
            told.unwrap();
        }
        // Who waits for one that is down waits beside the others.
        let [a, b, c] = ASKING.map(|who| month.batch(who));
        let (a, b, c) = tokio::join!(a, b, c);
        for (who, typed) in ASKING.into_iter().zip([a, b, c]) {
            if let Some(typed) = typed {
                oracle.holds(who, &typed, &up, night);
            }
        }
        if night == calendar.dispute {
            let disputed = month.match_of("a", "b", &format!("a-{DISPUTED}")).await;
            let id = disputed["id"].as_str().unwrap();
            let dispute = format!("matches dispute {id} --case 2026-117 --reason shared-address");
            month.says("a", &dispute).await;
            let feedback = format!("matches feedback {id} false-positive");
            month.says("a", &feedback).await;
            oracle.states.insert(("b", DISPUTED), "disputed");
            // Typed again in one night it finds the same, and is charged the least there is.
            let again = month.batch("a").await.unwrap();
            oracle.holds("a", &again, &up, night);
        }
        let list = month.json("a", "matches list --all").await;
        stands(&list, &oracle, night);
        month.revealed(&oracle, &mut revealed_before).await;
        let is_down = calendar.down.contains(&night);
        month.says_who_is_down(is_down).await;
        if night == calendar.down.start {
            month.says("a", "status").await;
        }
    }
    both_sides_say_so(&month).await;
}

/// What `b` took back and what `a` disputed, as either of them is told.
async fn both_sides_say_so(month: &Month) {
    for (number, state) in [(WITHDRAWN, "withdrawn"), (DISPUTED, "disputed")] {
        let found = month.match_of("a", "b", &format!("a-{number}")).await;
        let id = found["id"].as_str().unwrap();
        let shown = month.says("a", &format!("matches show {id}")).await;
        assert!(shown.contains(&format!("{state} since ")), "{shown}");
        assert!(shown.contains(&format!("no: {state}")), "{shown}");
    }
    let heard = month.json("b", "matches heard").await;
    let heard = heard["heard"].as_array().unwrap();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["feedback"], "false_positive");
    assert_eq!(heard[0]["references"][0], "b-41");
    // What it holds no more it cannot find at `a` any more.
    let own = month.match_of("b", "a", "b-40").await;
    assert_eq!(own["state"], "stale");
    for line in ["matches list", "status"] {
        month.says("a", line).await;
    }
    month.says("b", "matches heard").await;
}
