//! What is known of a node from what was acknowledged, and what must hold of its home whenever a
//! process died.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use blindmatch_audit::record::Event;
use blindmatch_node::doctor::{State, examine};
use blindmatch_node::store::backup;
use blindmatch_node::store::disk::Disk;
use blindmatch_node::{Node, NodeFiles};
use blindmatch_testkit::crash::{Counts, Workload, say};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::commands::{Command, around, canonicaliser, is_unmade, write};

/// Random commands, until killed.
pub(crate) struct Random;

/// What changes keys, delegations and rosters: the same each time.
pub(crate) struct Keys;

/// What puts right keys that were lost: the same each time.
pub(crate) struct Losses;

/// What changes all else, and a backup of it: the same each time.
pub(crate) struct Holdings;

/// The file in which the parent tells the next child what the one before it did not end.
const OPEN: &str = "open";

/// What was acknowledged, and what was begun.
#[derive(Default)]
pub(crate) struct Model {
    card: Option<String>,
    roster: u64,
    delegation: u64,
    policy: Option<u64>,
    payment: Option<String>,
    imported: Option<u64>,
    excluded: Option<bool>,
    backups: BTreeSet<u64>,
    /// What was begun, and neither acknowledged nor refused.
    open: Option<Command>,
    /// The secret of every key that was seen, by name.
    secrets: BTreeSet<(String, Vec<u8>)>,
}

impl Workload for Random {
    const NAME: &'static str = "commands";
    const SPAN: u64 = 250_000;
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        // First what the process before did not come to.
        let open = around(disk.root()).join(OPEN);
        let unfinished = fs::read_to_string(&open).ok();
        let unfinished = unfinished.map_or(Command::Init, |text| text.parse().unwrap());
        speak(unfinished, disk);
        let _ = fs::remove_file(open);
        let held = Node::on(disk.clone()).unwrap().held_roster();
        let mut held = held.map_or(0, |held| held.roster().number);
        say(format_args!("opened"));
        loop {
            let command = match rng.random_range(0..12) {
                0..2 if held == 0 => Command::Trust,
                0..2 => Command::Install(held + 1),
                2..4 => Command::Rotate,
                4 => Command::Revoke,
                5 => Command::Ceremony,
                6 => Command::Policy(rng.random_range(0..1_000_000)),
                7 => Command::Import(rng.random_range(1..500)),
                8 => [Command::Exclude, Command::Include][rng.random_range(0..2)],
                9 => Command::Payment,
                10 => [Command::Offline, Command::Export][rng.random_range(0..2)],
                _ => Command::Backup(rng.random()),
            };
            speak(command, disk);
            held += u64::from(matches!(command, Command::Trust | Command::Install(_)));
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        model.check(home, said, repair, counts)
    }
}

impl Workload for Keys {
    const NAME: &'static str = "keys and rosters";
    type Model = Model;

    fn work(disk: &Disk, _: u64) {
        for command in [
            Command::Init,
            Command::Trust,
            Command::Rotate,
            Command::Install(2),
            Command::Ceremony,
            Command::Offline,
            Command::Revoke,
        ] {
            speak(command, disk);
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        model.check(home, said, repair, counts)
    }
}

impl Workload for Losses {
    const NAME: &'static str = "losses";
    type Model = Model;

    fn work(disk: &Disk, _: u64) {
        for command in [
            Command::Init,
            Command::LoseKey,
            Command::Rotate,
            Command::Export,
            Command::Garble,
            Command::PutBack,
        ] {
            speak(command, disk);
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        model.check(home, said, repair, counts)
    }
}

impl Workload for Holdings {
    const NAME: &'static str = "holdings";
    type Model = Model;

    fn work(disk: &Disk, _: u64) {
        for command in [
            Command::Init,
            Command::Policy(1),
            Command::Import(40),
            Command::Exclude,
            Command::Payment,
            Command::Backup(1),
            Command::Import(30),
            Command::Include,
            Command::Export,
            Command::Policy(2),
        ] {
            speak(command, disk);
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        model.check(home, said, repair, counts)
    }
}

/// Says a command; where it fails, once more, which has to end well.
fn speak(command: Command, disk: &Disk) {
    for again in [false, true] {
        say(format_args!("try {command}"));
        match command.run(disk) {
            Ok(made) => return say(format_args!("ack {made}")),
            Err(_) if !again => say(format_args!("refused")),
            Err(error) => say(format_args!("stuck {command}: {error}")),
        }
    }
}

impl Model {
    fn check(
        &mut self,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        self.take_in(said, counts)?;
        self.see_secrets(home);
        self.look(home)?;
        let open = around(home).join(OPEN);
        if !repair {
            if let Some(command) = self.open {
                write(&open, &command.to_string());
            }
            return Ok(());
        }
        let _ = fs::remove_file(open);
        self.examine(home, counts)?;
        if let Some(command) = self.open {
            let made = command
                .run(&Disk::new(home))
                .map_err(|e| format!("{command}, said again: {e}"))?;
            *counts.entry("commands said again").or_default() += 1;
            self.acknowledge(command, &made);
            self.open = None;
        }
        self.compare(home, counts)
    }

    fn take_in(&mut self, said: &[String], counts: &mut Counts) -> Result<(), String> {
        for line in said {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("try", command) => {
                    self.open = Some(command.parse().map_err(|()| line.clone())?);
                }
                ("ack", made) => {
                    *counts.entry("commands acknowledged").or_default() += 1;
                    let command = self.open.take().ok_or("acknowledged what nobody said")?;
                    self.acknowledge(command, made);
                }
                ("refused", _) => {
                    *counts.entry("commands refused").or_default() += 1;
                }
                ("stuck", _) => return Err(line.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, command: Command, made: &str) {
        let number = || made.parse::<u64>().unwrap();
        match command {
            Command::Init => {
                self.card = Some(made.to_owned());
                self.delegation = self.delegation.max(1);
            }
            Command::Trust => self.roster = 1,
            Command::Install(roster) => self.roster = roster,
            Command::Rotate | Command::Revoke | Command::Ceremony => self.delegation = number(),
            Command::Policy(policy) => self.policy = Some(policy),
            Command::Import(count) => self.imported = Some(count),
            Command::Exclude => self.excluded = Some(true),
            Command::Include => self.excluded = Some(false),
            Command::Payment => self.payment = Some(made.to_owned()),
            Command::Backup(number) => _ = self.backups.insert(number),
            Command::Offline
            | Command::Export
            | Command::LoseKey
            | Command::Garble
            | Command::PutBack => {}
        }
    }

    /// Remembers every secret that there ever was.
    fn see_secrets(&mut self, home: &Path) {
        let Ok(entries) = fs::read_dir(home.join("keys")) else {
            return;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if let Some(secret) = fs::read(entry.path())
                .ok()
                .as_ref()
                .and_then(|b| b.get(..32))
                && secret.iter().any(|byte| *byte != 0)
            {
                self.secrets.insert((name, secret.to_vec()));
            }
        }
    }

    /// Whoever only reads finds a whole node with a whole ledger, whatever died.
    fn look(&self, home: &Path) -> Result<(), String> {
        let files = match NodeFiles::read(home) {
            Err(error) if is_unmade(&error) && self.card.is_none() => return Ok(()),
            files => files.map_err(|e| e.to_string())?,
        };
        files.verify_ledger().map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Whatever is wrong with the home has a next command.
    fn examine(&self, home: &Path, counts: &mut Counts) -> Result<(), String> {
        if self.card.is_none() {
            return Ok(());
        }
        for finding in examine(Node::open(home), &canonicaliser()) {
            if finding.state == State::Wrong {
                *counts.entry("wrong, by doctor").or_default() += 1;
                if finding.next.is_empty() || self.open.is_none() {
                    return Err(format!("{finding:?}, behind {:?}", self.open));
                }
            }
        }
        Ok(())
    }

    fn compare(&self, home: &Path, counts: &mut Counts) -> Result<(), String> {
        *counts.entry("checks").or_default() += 1;
        let Some(card) = &self.card else {
            return Ok(());
        };
        let node = Node::open(home).map_err(|e| e.to_string())?;
        node.ledger().map_err(|e| e.to_string())?;
        let (log, _, half_done) = node.verify_ledger().map_err(|e| e.to_string())?;
        let idle = node.idle_keys().map_err(|e| e.to_string())?;
        let noted = node.disk().list("keys").map_err(|e| e.to_string())?;
        let noted = noted.iter().any(|name| name.starts_with("unrecorded-"));
        if noted || !half_done.is_empty() || !idle.0.is_empty() {
            return Err(format!("half done: {half_done:?}, {idle:?}"));
        }
        if node
            .card()
            .map_err(|e| e.to_string())?
            .fingerprint()
            .to_string()
            != *card
        {
            return Err("another card".to_owned());
        }

        let delegations = node.delegations().map_err(|e| e.to_string())?;
        let newest = delegations.last().unwrap().number;
        let held = node.held_roster().map_or(0, |held| held.roster().number);
        if newest != self.delegation || held != self.roster {
            return Err(format!(
                "delegation {newest} and roster {held}, after {} and {}",
                self.delegation, self.roster
            ));
        }
        // All of them recorded, each once, in their order.
        let (mut recorded, mut rosters) = (Vec::new(), Vec::new());
        for record in log.records(0..log.size()) {
            match record.map_err(|e| e.to_string())?.1.event {
                Event::Delegation { digest, .. } => recorded.push(digest),
                Event::Roster { number, .. } => rosters.push(number),
                _ => {}
            }
        }
        let expected: Vec<_> = delegations.iter().map(|one| one.digest().0).collect();
        if recorded != expected || rosters != (1..=held).collect::<Vec<_>>() {
            return Err(format!(
                "{} delegations and rosters {rosters:?} are recorded",
                recorded.len()
            ));
        }
        self.compare_policy(home)?;
        self.compare_secrets(home, newest)?;

        let payment = node.payment_key().map_err(|e| e.to_string())?;
        let payment = payment.map(|key| key.id().to_string());
        if payment != self.payment {
            return Err("another payment key".to_owned());
        }
        let contents = node.contents().map_err(|e| e.to_string())?;
        let counts_of = contents
            .iter()
            .flat_map(|contents| contents.sources.values());
        let imported: u64 = counts_of
            .flat_map(|source| source.counts.given.values())
            .sum();
        if imported != self.imported.unwrap_or(0) {
            return Err(format!("{imported} values, after {:?}", self.imported));
        }
        let lists = fs::read_dir(home.join("exclusions")).into_iter().flatten();
        let excluded = lists.count() == 1;
        if excluded != self.excluded.unwrap_or(false) {
            return Err("another list of exclusions".to_owned());
        }
        drop(node);
        let findings = examine(Node::open(home), &canonicaliser());
        if let Some(finding) = findings.iter().find(|one| one.state == State::Wrong) {
            return Err(format!("{finding:?}"));
        }
        self.compare_backups(home, counts)
    }

    fn compare_policy(&self, home: &Path) -> Result<(), String> {
        let Some(policy) = self.policy else {
            return Ok(());
        };
        let text = fs::read_to_string(home.join("policy.toml")).map_err(|e| e.to_string())?;
        if text.contains(&format!("# {policy}\n")) {
            Ok(())
        } else {
            Err("another policy".to_owned())
        }
    }

    /// Of the keys of earlier delegations nothing is left anywhere in the home.
    fn compare_secrets(&self, home: &Path, newest: u64) -> Result<(), String> {
        let kinds = ["tls", "receipts", "checkpoints", "node-hpke"];
        let gone = self.secrets.iter().filter(|(name, _)| {
            let number = name.rsplit_once('-');
            let number = number.filter(|(kind, _)| kinds.contains(kind));
            number.is_some_and(|(_, number)| number.parse::<u64>().unwrap() < newest)
        });
        let gone = gone.map(|(name, secret)| (secret.as_slice(), name));
        let gone: BTreeMap<_, _> = gone.collect();
        for path in files(home) {
            let bytes = fs::read(&path).map_err(|e| e.to_string())?;
            for part in bytes.windows(32) {
                if let Some(name) = gone.get(part) {
                    return Err(format!("{name} lives on in {}", path.display()));
                }
            }
        }
        Ok(())
    }

    fn compare_backups(&self, home: &Path, counts: &mut Counts) -> Result<(), String> {
        let mut there = BTreeSet::new();
        for path in files(&around(home)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let Some(number) = name.strip_suffix(".backup") else {
                continue;
            };
            let mut file = File::open(&path).map_err(|e| e.to_string())?;
            backup::verify(&mut file, None).map_err(|e| format!("half-visible: {e}"))?;
            *counts.entry("backups, all whole").or_default() += 1;
            there.insert(number.parse::<u64>().unwrap());
        }
        let mut lost = self.backups.difference(&there);
        match lost.next() {
            Some(number) => Err(format!("lost: backup {number}")),
            None => Ok(()),
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}
