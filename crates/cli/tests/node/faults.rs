//! What goes wrong around two nodes: each side says in one text what is wrong and what to do, nothing
//! is lost, and the next run is right.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use blindmatch_node::audit::record::Event;
use blindmatch_node::store::moment::Moment;
use blindmatch_node::{Node, NodeFiles, clock};
use serde_json::Value;

use crate::asking::{addresses, policy};
use crate::network::{MOST, Network, Serving, Then};
use crate::place::{Test, stderr};

/// Two providers, each the other's witness; `acme` asks.
struct Pair {
    net: Network,
    acme: Option<Serving>,
    bolt: Option<Serving>,
    /// Of how many addresses acme asks.
    known: u32,
}

/// `bolt` has so many addresses.
const HELD: u32 = 500;

impl Pair {
    /// Both serve, and acme has asked once.
    fn new() -> Result<Self, Box<dyn Error>> {
        Self::on(|_| Ok(()))
    }

    /// The same with homes that were prepared.
    fn on(prepare: impl FnOnce(&Network) -> Test) -> Result<Self, Box<dyn Error>> {
        let mut pair = Self::at_rest(Network::of(&["acme", "bolt"])?)?;
        prepare(&pair.net)?;
        pair.acme = Some(pair.net.serve("acme")?);
        pair.bolt = Some(pair.net.serve("bolt")?);
        pair.learn()?;
        pair.asks()?;
        Ok(pair)
    }

    /// Neither serves yet; acme has nothing to ask.
    fn at_rest(net: Network) -> Result<Self, Box<dyn Error>> {
        for member in ["acme", "bolt"] {
            let policy = policy(&["ip"], &["ip"], "");
            fs::write(net.home(member).join("policy.toml"), policy)?;
        }
        net.place.write("held.txt", addresses(0..HELD))?;
        let import = "import --collection held --kind abuse held.txt";
        net.place.ok(&net.line("bolt", import))?;
        Ok(Self {
            acme: None,
            bolt: None,
            net,
            known: 0,
        })
    }

    /// Imports addresses that acme did not have.
    fn learn(&mut self) -> Test {
        let numbers = self.known..self.known + 20;
        self.known = numbers.end;
        self.net.place.write("known.txt", addresses(numbers))?;
        let import = "import --collection known --kind abuse --append known.txt";
        self.net.place.ok(&self.net.line("acme", import))?;
        Ok(())
    }

    fn run(&self, member: &str, line: &str) -> Result<Output, Box<dyn Error>> {
        Ok(self.net.place.run(&self.net.line(member, line))?)
    }

    /// Asks, and is right: all that both have is found, and each address was charged once.
    fn asks(&self) -> Test {
        let begin = Instant::now();
        loop {
            let output = self.run("acme", "batch --output json")?;
            let batch: Value = serde_json::from_slice(&output.stdout)?;
            let done = batch["pairs"][0]["status"] == "done";
            if done && output.status.code() == Some(0) {
                break;
            }
            if begin.elapsed() > MOST {
                return Err(format!("{batch} {}", stderr(&output)).into());
            }
            sleep(Duration::from_millis(200));
        }
        let export = "matches export --format ndjson";
        let export = self.net.place.ok(&self.net.line("acme", export))?;
        let mut found = BTreeSet::new();
        for line in export.lines() {
            let line: Value = serde_json::from_str(line)?;
            found.insert(line["indicator"].as_str().unwrap_or_default().to_owned());
        }
        let common = addresses(0..self.known.min(HELD));
        assert_eq!(found, common.lines().map(str::to_owned).collect());
        for member in ["acme", "bolt"] {
            self.net.place.ok(&self.net.line(member, "ledger verify"))?;
        }
        Ok(())
    }

    /// How often bolt charged for more than nothing.
    fn charges(&self) -> Result<usize, Box<dyn Error>> {
        let log = NodeFiles::read(&self.net.home("bolt"))?.log()?.0;
        let mut charges = 0;
        for record in log.records(0..log.size()) {
            let is_one = matches!(record?.1.event,
                Event::Debit { amount, .. } if amount.count() > 8);
            charges += usize::from(is_one);
        }
        Ok(charges)
    }

    /// What acme is told by a batch that fails.
    fn fails(&self, code: i32, says: &[&str]) -> Test {
        self.fails_with(&[code], says)
    }

    fn fails_with(&self, codes: &[i32], says: &[&str]) -> Test {
        let output = self.run("acme", "batch")?;
        let said = [&*output.stdout, &*output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        println!("acme: {said}");
        let code = output.status.code().unwrap_or(-1);
        assert!(codes.contains(&code), "{code}: {said}");
        for text in says {
            assert!(said.contains(text), "`{text}` is not in: {said}");
        }
        Ok(())
    }
}

/// Waits for a line of a node's log with these texts.
fn said(node: Option<&Serving>, says: &[&str]) -> Test {
    let [first, others @ ..] = says else {
        return Ok(());
    };
    let line = node.ok_or("it does not serve")?.said(first)?;
    println!("a log: {line}");
    for text in others {
        assert!(line.contains(text), "`{text}` is not in: {line}");
    }
    Ok(())
}

/// A small disk at which a home is.
struct Disk(PathBuf);

impl Disk {
    /// Puts a home on a disk of its own; only root can, of a namespace at least.
    fn under(home: &Path) -> Test {
        let script = "cp -a \"$0\" \"$0.copy\" && mount -t tmpfs -o size=16m,mode=0700 tmpfs \"$0\" && \
                      cp -a \"$0.copy/.\" \"$0\" && rm -r \"$0.copy\"";
        let status = Command::new("sh").args(["-c", script]).arg(home).status()?;
        assert!(status.success());
        Ok(())
    }

    fn fill(&self) -> Test {
        let mut file = fs::File::create(self.0.join("filler"))?;
        for block in [1 << 16, 1 << 10, 1] {
            while file.write(&vec![1; block]).is_ok_and(|written| written > 0) {}
        }
        Ok(())
    }

    fn empty(&self) -> Test {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }

    fn remount(&self, how: &str) -> Test {
        let mut command = Command::new("mount");
        let command = command.args(["-o", &format!("remount,bind,{how}")]);
        assert!(command.arg(&self.0).status()?.success());
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether this user may mount anything; in a user namespace of its own, which makes it root, where `how`
/// says so.
fn can_mount(how: &str) -> bool {
    let mut command = Command::new("unshare");
    let command = command.args([how, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether this process may go on with a test that mounts. Who is not root has it run in a namespace, where
/// the system lets him; where it does not, the test says that it was left out.
fn may_mount(test: &str) -> Result<bool, Box<dyn Error>> {
    if can_mount("-m") {
        return Ok(true);
    }
    if !can_mount("-rm") {
        println!("LEFT OUT: {test} fills a disk, and this user may mount none");
        return Ok(false);
    }
    let mut command = Command::new("unshare");
    command.arg("-rm").arg(env::current_exe()?);
    let status = command.args(["--exact", "--nocapture", test]).status()?;
    assert!(status.success(), "{test}, in a user namespace");
    Ok(false)
}

#[test]
fn a_responder_without_room_says_so_and_goes_on_when_it_has_some() -> Test {
    if !may_mount("faults::a_responder_without_room_says_so_and_goes_on_when_it_has_some")? {
        return Ok(());
    }
    let mut pair = Pair::on(|net| Disk::under(&net.home("bolt")))?;
    let disk = Disk(pair.net.home("bolt"));
    pair.learn()?;
    let before = pair.charges()?;
    disk.fill()?;
    pair.fails(
        1,
        &["a fault of the node's own", "reference", "its operator"],
    )?;
    said(
        pair.bolt.as_ref(),
        &["a fault of this node's own", "disk is full", "reference"],
    )?;
    disk.empty()?;
    pair.asks()?;
    assert_eq!(pair.charges()?, before + 1);
    drop(pair.bolt.take());
    Ok(())
}

#[test]
fn one_that_asks_without_room_says_so_and_asks_for_nothing_twice() -> Test {
    if !may_mount("faults::one_that_asks_without_room_says_so_and_asks_for_nothing_twice")? {
        return Ok(());
    }
    let mut pair = Pair::on(|net| Disk::under(&net.home("acme")))?;
    let disk = Disk(pair.net.home("acme"));
    pair.learn()?;
    let before = pair.charges()?;
    // By the node that serves, and by the command itself.
    for serves in [true, false] {
        if !serves {
            drop(pair.acme.take());
        }
        disk.fill()?;
        // An index of sled does not always say why it cannot be opened.
        let room = if serves {
            "the disk is full; make room"
        } else {
            "room"
        };
        pair.fails(1, &[room])?;
        let import = pair.run("acme", "import --collection more known.txt")?;
        println!("acme: {}", stderr(&import));
        assert_eq!(import.status.code(), Some(1));
        assert!(stderr(&import).contains("the disk is full; make room"));
        disk.empty()?;
        pair.asks()?;
        assert_eq!(pair.charges()?, before + 1);
    }
    // A place that can be read alone.
    disk.remount("ro")?;
    pair.fails(1, &["mounted read-only", "findmnt"])?;
    let serve = pair.run("acme", "serve")?;
    println!("acme: {}", stderr(&serve));
    assert!(stderr(&serve).contains("mounted read-only"));
    disk.remount("rw")?;
    pair.learn()?;
    pair.asks()
}

impl Pair {
    /// The roster behind the newest, until this time, signed and installed by those who `take` it.
    fn next_roster(&self, number: u32, expires: u64, take: &[&str], change: &str) -> Test {
        self.next_roster_edited(number, expires, take, change, &str::to_owned)
    }

    /// The same, of which the text is edited before it is signed.
    fn next_roster_edited(
        &self,
        number: u32,
        expires: u64,
        take: &[&str],
        change: &str,
        edit: &dyn Fn(&str) -> String,
    ) -> Test {
        let place = &self.net.place;
        let office = |file: &str| format!("net/administrators/{file}");
        let before = match number {
            2 => office("roster.txt"),
            _ => format!("{}.roster", number - 1),
        };
        let (file, until) = (format!("{number}.roster"), Moment(expires));
        place.ok(&format!(
            "roster new --no-exclusions --after {before} --expires {until} {file}"
        ))?;
        if !change.is_empty() {
            place.ok(&change.replace("ROSTER", &file))?;
        }
        let text = edit(&place.read(&file)?);
        place.write(&file, text)?;
        place.ok(&format!("roster sign --key {} {file}", office("ada.key")))?;
        for member in take {
            place.ok(&self.net.line(member, &format!("roster install {file}")))?;
        }
        Ok(())
    }
}

#[test]
fn an_expired_roster_is_named_by_both_sides() -> Test {
    let mut pair = Pair::new()?;
    let expires = clock::now() + 4;
    pair.next_roster(2, expires, &["acme", "bolt"], "")?;
    pair.learn()?;
    while clock::now() <= expires {
        sleep(Duration::from_millis(100));
    }
    // The one that asks finds it out by itself; the one that is asked, where the other's clock is behind.
    pair.fails(3, &["roster", "expired", "blindmatch roster install"])?;
    let status = pair.run("bolt", "status")?;
    let status = String::from_utf8(status.stdout)?;
    println!("bolt: {status}");
    assert!(status.contains("expired"), "{status}");
    pair.next_roster(3, clock::now() + 86_400, &["acme", "bolt"], "")?;
    pair.asks()
}

#[test]
fn who_is_no_member_any_more_is_told_so() -> Test {
    let mut pair = Pair::new()?;
    pair.learn()?;
    let until = clock::now() + 86_400;
    pair.next_roster(2, until, &["bolt"], "roster remove ROSTER acme")?;
    // The reason may be lost with the connection; what to do is not.
    pair.fails_with(&[3, 5], &["roster", "ask"])?;
    let says = ["the certificate is of no member", "connection refused"];
    said(pair.bolt.as_ref(), &says)?;
    // Back again with the next one.
    let card = pair.net.place.path("net/administrators/acme.card");
    let add = format!("roster add ROSTER {}", card.display());
    pair.next_roster(3, until, &["bolt", "acme"], &add)?;
    pair.asks()
}

/// Gives a member whose ledger is a day old a delegation with so many seconds left.
fn delegate(net: &Network, member: &str, seconds: u64) -> Result<u64, Box<dyn Error>> {
    let expires = clock::now() + seconds;
    let _then = Then::at(expires - 86_400);
    let node = Node::open(&net.home(member))?;
    let ledger = node.ledger()?.0;
    let delegation = node.rotate(Some(&*ledger), None, 1, false, &mut rand::rng())?;
    assert_eq!(delegation.expires, expires);
    Ok(expires)
}

#[test]
fn an_expired_delegation_is_named_by_both_sides() -> Test {
    let net = Network::of_before(&["acme", "bolt"], 10 * 86_400)?;
    let mut pair = Pair::at_rest(net)?;
    pair.learn()?;
    pair.bolt = Some(pair.net.serve("bolt")?);
    let expires = delegate(&pair.net, "acme", 15)?;
    pair.acme = Some(pair.net.serve("acme")?);
    while clock::now() <= expires {
        sleep(Duration::from_millis(100));
    }
    let before = pair.charges()?;
    pair.fails_with(&[1, 3], &["the delegation has expired", "keys rotate"])?;
    let status = pair.run("acme", "status")?;
    let status = String::from_utf8(status.stdout)?;
    assert!(status.contains("no peer accepts this node"), "{status}");
    said(pair.acme.as_ref(), &["expires soon", "what=delegation"])?;
    // The other one, which asks it, is told whose it is.
    let asked = pair.run("bolt", "batch")?;
    let told = String::from_utf8(asked.stdout)?;
    println!("bolt: {told}");
    assert_eq!(asked.status.code(), Some(5), "{told}");
    assert!(told.contains("the delegation has expired"), "{told}");
    assert!(told.contains("tell its operator"), "{told}");
    assert_eq!(pair.charges()?, before);
    // What it cosigned as a witness is worth nothing any more; the next record is cosigned anew.
    pair.net.place.ok(&pair.net.line("acme", "keys rotate"))?;
    let rotate = "epoch rotate abuse/ip/abuse-prevention";
    pair.net.place.ok(&pair.net.line("bolt", rotate))?;
    pair.asks()?;
    assert_eq!(pair.charges()?, before + 1);
    Ok(())
}

#[test]
fn nodes_are_upgraded_one_by_one() -> Test {
    let mut pair = Pair::new()?;
    // Of this release is the older: the next speaks its version and a newer one.
    for (acme, bolt) in [(2, 1), (2, 2), (1, 2), (3, 2), (3, 3), (2, 3), (2, 1)] {
        pair.serve_as(acme, bolt)?;
        pair.learn()?;
        pair.asks()?;
    }
    let before = pair.charges()?;
    // Two releases lie between them: nothing is asked, and both say which has to be replaced.
    for (acme, bolt, says, logs) in [
        (
            3,
            1,
            "we speak 2 and 3, the peer 1",
            "ours=1 theirs=2 and 3",
        ),
        (
            1,
            3,
            "we speak 1, the peer 2 and 3",
            "ours=2 and 3 theirs=1",
        ),
    ] {
        pair.serve_as(acme, bolt)?;
        pair.learn()?;
        pair.fails(
            1,
            &[
                "no version of the protocol in common",
                says,
                "installs the newer",
            ],
        )?;
        let common = "no version of the protocol in common";
        said(pair.bolt.as_ref(), &[common, "has to be replaced", logs])?;
        assert_eq!(pair.charges()?, before);
    }
    // With that done all goes on, and what could not be asked is asked once.
    pair.serve_as(3, 3)?;
    pair.asks()?;
    assert_eq!(pair.charges()?, before + 1);
    Ok(())
}

impl Pair {
    /// Both are killed and serve again, as of releases of these versions of the protocol.
    fn serve_as(&mut self, acme: u32, bolt: u32) -> Test {
        drop((self.acme.take(), self.bolt.take()));
        self.acme = Some(self.net.serve_as("acme", acme)?);
        self.bolt = Some(self.net.serve_as("bolt", bolt)?);
        Ok(())
    }
}

#[test]
fn another_canonical_form_stops_nothing_but_its_type() -> Test {
    let mut pair = Pair::new()?;
    let before = pair.charges()?;
    let until = clock::now() + 86_400;
    // By two more than any release has.
    let raised = |text: &str| text.replace("canonicalisation: ip 1\n", "canonicalisation: ip 3\n");
    pair.next_roster_edited(2, until, &["acme", "bolt"], "", &raised)?;
    pair.learn()?;
    pair.fails(3, &["canonical"])?;
    assert_eq!(pair.charges()?, before);
    pair.next_roster(3, until, &["acme", "bolt"], "")?;
    pair.asks()?;
    assert_eq!(pair.charges()?, before + 1);
    Ok(())
}

#[test]
fn a_key_that_was_revoked_opens_nothing() -> Test {
    let mut pair = Pair::new()?;
    drop(pair.acme.take());
    let home = pair.net.home("acme");
    let stolen = pair.net.place.path("net/nodes/stolen");
    let copied = Command::new("cp")
        .arg("-a")
        .args([&home, &stolen])
        .status()?;
    assert!(copied.success());
    pair.net
        .place
        .ok(&pair.net.line("acme", "keys revoke --yes"))?;
    // The peer hears of it when the node next meets it. What was cosigned by the key that was revoked
    // counts no more, and the next record is cosigned by the new one.
    pair.learn()?;
    pair.acme = Some(pair.net.serve("acme")?);
    let rotate = "epoch rotate abuse/ip/abuse-prevention";
    pair.net.place.ok(&pair.net.line("bolt", rotate))?;
    pair.asks()?;
    let before = pair.charges()?;
    let thief = pair.net.line("stolen", "batch");
    let output = pair.net.place.run(&thief)?;
    let told = [&*output.stdout, &*output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    println!("the thief: {told}");
    assert_ne!(output.status.code(), Some(0));
    // The reason may be lost with the connection; what to do is not.
    let lost = told.contains("the connection ended before it was one");
    assert!(lost || told.contains("our delegation is revoked"), "{told}");
    assert!(lost || told.contains("keys rotate"), "{told}");
    let says = ["the delegation is revoked", "connection refused"];
    said(pair.bolt.as_ref(), &says)?;
    assert_eq!(pair.charges()?, before);
    pair.learn()?;
    pair.asks()
}

#[test]
fn an_older_copy_of_a_responder_is_found_out_and_a_restored_one_goes_on() -> Test {
    let mut pair = Pair::new()?;
    let place = &pair.net.place;
    let bolt = |line: &str| pair.net.line("bolt", line);
    place.ok(&bolt("keys export storage --to storage"))?;
    place.ok(&bolt("backup before"))?;
    drop(pair.bolt.take());
    let (home, copy) = (pair.net.home("bolt"), pair.net.home("copy"));
    let copied = Command::new("cp").arg("-a").args([&home, &copy]).status()?;
    assert!(copied.success());
    // It goes on, and its witness, which is the one that asks, cosigns that.
    pair.bolt = Some(pair.net.serve("bolt")?);
    pair.net.place.ok(&pair
        .net
        .line("bolt", "epoch rotate abuse/ip/abuse-prevention"))?;
    let begin = Instant::now();
    loop {
        let ledger = pair
            .net
            .place
            .json(&pair.net.line("bolt", "ledger verify"))?;
        if ledger["cosigned_size"] == ledger["records"] {
            break;
        }
        assert!(begin.elapsed() < MOST, "{ledger}");
        sleep(Duration::from_millis(100));
    }
    pair.learn()?;
    pair.asks()?;
    drop(pair.bolt.take());

    // Somebody puts the older copy in its place.
    fs::rename(&home, pair.net.home("newest"))?;
    fs::rename(&copy, &home)?;
    pair.bolt = Some(pair.net.serve("bolt")?);
    // Unless its witness has shown already that it is none to begin anything.
    let rotate = pair
        .net
        .line("bolt", "epoch rotate abuse/ip/abuse-prevention");
    let rotated = pair.net.place.run(&rotate)?;
    let why = String::from_utf8(rotated.stderr)?;
    assert!(
        rotated.status.success() || why.contains("an older copy"),
        "{why}"
    );
    said(
        pair.bolt.as_ref(),
        &[
            "not serving any more",
            "an older copy",
            "blindmatch restore",
        ],
    )?;
    pair.learn()?;
    pair.fails(1, &["an older copy", "tell its operator"])?;
    drop(pair.bolt.take());

    // What the witness has shows how far it was: the backup goes on from there.
    fs::remove_dir_all(&home)?;
    let witnessed = pair.net.line("acme", "ledger witnessed bolt");
    pair.net.place.save(&witnessed, "witnessed")?;
    let restore = "restore --storage-key storage --witnessed witnessed before";
    pair.net.place.ok(&pair.net.line("bolt", restore))?;
    pair.bolt = Some(pair.net.serve("bolt")?);
    // Nobody knows what was charged behind the backup, so today nothing more is.
    let begin = Instant::now();
    loop {
        let output = pair.run("acme", "batch")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(4) {
            println!("acme: {said}");
            assert!(said.contains("0 of"), "{said}");
            assert!(said.contains("until midnight UTC"), "{said}");
            return Ok(());
        }
        assert!(begin.elapsed() < MOST, "{said}");
        sleep(Duration::from_millis(200));
    }
}
