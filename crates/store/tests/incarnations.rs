//! Restores of backups that are older than what witnesses cosigned: what is lost is named, budgets
//! stay spent, and of two nodes that go on from one ledger witnesses follow one
//! (`spec/45-index-backup.md` §4).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs::File, path::Path};

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, Continuation, SignedCheckpoint, SuccessionError},
    note::{KeyName, NoteKey},
    record::{Class, Event, Name},
    tree::ProofError,
    witness::{Refusal, Request, decide},
};
use blindmatch_store::{
    backup::{BackupError, Continued, Restoring, backup},
    collection::Collections,
    disk::Disk,
    home::Home,
    index::{Charged, Facts, MemoryIndex},
    keys::StorageKey,
    ledger::{Ledger, LedgerError, Log, SEGMENT, Settings, Standing},
};
use rand::rngs::StdRng;
use tempfile::TempDir;

const NOW: u64 = 1_763_798_400;
const DAY: u64 = 86_400;

fn name() -> KeyName {
    KeyName::new("blindmatch/test/a/ledger").unwrap()
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn keys() -> [NoteKey; 1] {
    [NoteKey::new(name(), signer().verifying_key())]
}

fn settings(now: u64) -> Settings {
    Settings {
        ledger: name(),
        key: signer(),
        earlier: Vec::new(),
        clock: Box::new(move || now),
        random: Box::new(rand::make_rng::<StdRng>()),
        segment: SEGMENT,
    }
}

fn storage() -> StorageKey {
    StorageKey::new(&[1; 32])
}

/// A node and the place of its backups.
struct World {
    place: TempDir,
    home: Home,
    ledger: Ledger,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::new(&place.path().join("home"));
        let home = Home::create(disk.clone(), &storage(), NOW).unwrap();
        let (ledger, _) = Ledger::create(&disk, settings(NOW)).unwrap();
        let world = Self {
            place,
            home,
            ledger,
        };
        world.ledger.append(vec![opened(5)]).unwrap();
        world.charge(3);
        world
    }

    fn charge(&self, times: u64) {
        for batch in 0..times {
            self.ledger.append(vec![debit(batch, 5)]).unwrap();
        }
    }

    fn head(&self) -> SignedCheckpoint {
        self.ledger.log().head().clone()
    }

    fn backup(&self, to: &str) {
        write_backup(&self.home, &self.ledger, &self.place.path().join(to));
    }

    fn restore(
        &self,
        from: &str,
        into: &str,
        witnessed: &[SignedCheckpoint],
    ) -> Result<(Home, Ledger, Continued), BackupError> {
        let mut file = File::open(self.place.path().join(from))?;
        let disk = Disk::new(&self.place.path().join(into));
        Restoring::begin(disk, &storage(), &mut file, NOW)?.finish(
            settings(NOW),
            witnessed,
            &|_| true,
        )
    }
}

fn write_backup(home: &Home, ledger: &Ledger, to: &Path) {
    let collections = Collections::open(home).unwrap();
    let mut rng = rand::make_rng::<StdRng>();
    backup(home, ledger, &collections, &|_| false, to, NOW, &mut rng).unwrap();
}

fn opened(epoch: u64) -> Event {
    Event::EpochOpened {
        view: Name::new("v").unwrap(),
        epoch,
        key: [3; 32],
    }
}

fn debit(batch: u64, epoch: u64) -> Event {
    Event::Debit {
        peer: Name::new("b").unwrap(),
        view: Name::new("v").unwrap(),
        epoch,
        run: [1; 32],
        batch,
        digest: [2; 32],
        amount: Class::exactly(8).unwrap(),
    }
}

/// What a witness says that cosigned `last` last, asked by what the ledger can show.
fn asks(last: &Checkpoint, log: &Log) -> Result<Checkpoint, Refusal> {
    let how = log.continuation(last);
    // Who can show nothing claims that all is there.
    let how = how.unwrap_or_else(|_| Continuation::Kept(Vec::new()));
    let request = Request {
        old: last.size,
        incarnation: last.origin.incarnation,
        how,
        checkpoint: log.head().clone(),
    };
    let text = request.to_string();
    assert_eq!(Request::parse(text.as_bytes()), Ok(request.clone()));
    decide(Some(last), &keys(), &request)
}

#[test]
fn a_backup_that_is_behind_its_witnesses_begins_a_ledger_that_they_accept() {
    let world = World::new();
    let early = world.head();
    world.backup("backup");
    let size = world.ledger.log().size();
    // Behind it an epoch begins, and peers are charged for both; three witnesses see more or less
    // of that.
    world.charge(2);
    let less = world.head();
    world.ledger.append(vec![opened(6), debit(9, 6)]).unwrap();
    let most = world.head();
    world.charge(4);

    let witnessed = [early.clone(), most.clone(), less.clone(), most.clone()];
    let (home, ledger, continued) = world.restore("backup", "restored", &witnessed).unwrap();
    let newest = most.unverified().size;
    assert_eq!((continued.size, continued.incarnation), (size, 2));
    assert_eq!(continued.lost, Some((1, newest)));
    assert_eq!(continued.cosigned, Some(early.unverified().size));
    let log = ledger.log();
    assert_eq!(log.size(), size + 3);
    assert_eq!(
        log.head().unverified().origin.to_string(),
        "blindmatch/test/a/ledger/2"
    );
    for seen in [&early, &less, &most] {
        let head = log.head().unverified();
        assert_eq!(asks(seen.unverified(), &log).as_ref(), Ok(head));
    }
    let standing = |seen: &SignedCheckpoint| log.standing(seen.unverified()).unwrap();
    assert_eq!(standing(&early), Standing::Holds);
    assert_eq!([&less, &most].map(standing), [Standing::Named; 2]);

    // No budget comes back: neither of the epoch that the backup knows, nor of the one that it does
    // not, nor of the day.
    let facts = |log: &Log| {
        let facts = Facts::over(MemoryIndex::default(), &storage(), log);
        facts.unwrap().0
    };
    let all = Charged {
        day: u64::MAX,
        epoch: u64::MAX,
    };
    for epoch in [5, 6, 7] {
        assert_eq!(facts(&log).charged("v", "b", epoch, NOW), Ok(all));
        assert_eq!(facts(&log).is_epoch_lost("v", epoch), Ok(true));
    }
    // The next epoch's number is none that the lost records may have given out.
    let next = facts(&log).least_number().unwrap();
    assert!(next > 6);
    drop((log, ledger));
    let restored = Disk::new(&world.place.path().join("restored"));
    let (ledger, tail) = Ledger::open(&restored, settings(NOW + DAY)).unwrap();
    assert_eq!(tail.uncovered, 0);
    ledger.append(vec![opened(next), debit(1, next)]).unwrap();
    let fresh = facts(&ledger.log()).charged("v", "b", next, NOW + DAY);
    assert_eq!(fresh, Ok(Charged { day: 8, epoch: 8 }));
    let old = facts(&ledger.log()).charged("v", "b", 6, NOW + DAY);
    assert_eq!(old.unwrap().epoch, u64::MAX);
    // Opened as its owner does, and by others; what was kept of cosignatures still holds.
    let (log, _) = Log::open(&restored, &keys()).unwrap();
    assert_eq!(log.cosigned().unwrap(), Some(early));
    drop(home);
}

#[test]
fn who_restores_and_hides_what_is_lost_finds_no_witness() {
    let world = World::new();
    world.backup("backup");
    world.charge(2);
    let seen = world.head();
    let last = seen.unverified();
    // Without a word, or with an older state in its place.
    let (_, silent, continued) = world.restore("backup", "silent", &[]).unwrap();
    assert_eq!((continued.incarnation, continued.lost), (2, None));
    assert_eq!(silent.log().standing(last).unwrap(), Standing::Behind);
    let refused = asks(last, &silent.log()).unwrap_err();
    assert_eq!(refused.status(), 422);
    // It grows past what was cosigned, and still does not go on from it.
    for batch in 0..9 {
        silent.append(vec![debit(batch, 5)]).unwrap();
    }
    assert_eq!(silent.log().standing(last).unwrap(), Standing::Behind);
    let refused = asks(last, &silent.log());
    let no_proof = Refusal::Inconsistent(SuccessionError::Proof(ProofError::Length));
    assert_eq!(refused, Err(no_proof));
    // A witness that shows up later is named then.
    silent.name_lost(std::slice::from_ref(last)).unwrap();
    assert!(asks(last, &silent.log()).is_ok());
    let own = silent.log().head().unverified().clone();
    let refused = silent.name_lost(&[own]);
    assert!(matches!(refused, Err(LedgerError::Events)));
    let unnamed = silent.append(vec![Event::Lost {
        incarnation: 1,
        size: 2,
        root: [1; 32],
    }]);
    assert!(matches!(unnamed, Err(LedgerError::Events)));
}

#[test]
fn of_two_nodes_from_one_backup_witnesses_follow_the_first() {
    let world = World::new();
    world.backup("backup");
    world.charge(2);
    let seen = world.head();
    let witnessed = [seen.clone()];
    let (_, first, _) = world.restore("backup", "first", &witnessed).unwrap();
    let (_, second, _) = world.restore("backup", "second", &witnessed).unwrap();
    let cosigned = asks(seen.unverified(), &first.log()).unwrap();
    // The second, of the same size: another head of the same origin.
    assert_eq!(second.log().standing(&cosigned).unwrap(), Standing::Forked);
    let fork = Refusal::Inconsistent(SuccessionError::Fork(cosigned.size));
    assert_eq!(asks(&cosigned, &second.log()), Err(fork));
    second.append(vec![Event::Filler]).unwrap();
    assert_eq!(second.log().standing(&cosigned).unwrap(), Standing::Forked);
    assert_eq!(asks(&cosigned, &second.log()).unwrap_err().status(), 422);
    // The node that the backup is of lives on: it was given up.
    world.charge(1);
    let old = world.ledger.log();
    assert_eq!(old.standing(&cosigned).unwrap(), Standing::Superseded);
    let conflict = Refusal::Conflict {
        incarnation: 2,
        size: cosigned.size,
    };
    let last = seen.unverified();
    let request = Request {
        old: last.size,
        incarnation: 1,
        how: old.continuation(last).unwrap(),
        checkpoint: old.head().clone(),
    };
    assert_eq!(decide(Some(&cosigned), &keys(), &request), Err(conflict));
    // Restored once more from that backup, it names the incarnation that came between.
    let lost = [seen.clone(), first.log().head().clone()];
    let (_, third, continued) = world.restore("backup", "third", &lost).unwrap();
    assert_eq!(continued.incarnation, 3);
    assert_eq!(continued.lost, Some((2, cosigned.size)));
    assert!(asks(&cosigned, &third.log()).is_ok());
    assert!(asks(last, &third.log()).is_ok());
    let forked = [first, second].map(|ledger| ledger.log().head().clone());
    let sizes = forked.each_ref().map(|head| head.unverified().size);
    assert_ne!(sizes[0], sizes[1]);
}

#[test]
fn a_restored_node_is_backed_up_and_restored_again() {
    let world = World::new();
    world.backup("backup");
    world.charge(2);
    let lost = world.head();
    let witnessed = [lost.clone()];
    let (home, ledger, _) = world.restore("backup", "first", &witnessed).unwrap();
    ledger.append(vec![Event::Filler]).unwrap();
    let kept = ledger.log().head().clone();
    write_backup(&home, &ledger, &world.place.path().join("again"));
    // The witness that was named then still shows the same, or what it cosigned since.
    let witnessed = [lost.clone(), kept.clone()];
    let (_, ledger, continued) = world.restore("again", "second", &witnessed).unwrap();
    assert_eq!((continued.incarnation, continued.lost), (3, None));
    assert_eq!(continued.cosigned, Some(kept.unverified().size));
    for seen in [&lost, &kept] {
        assert!(asks(seen.unverified(), &ledger.log()).is_ok());
    }
    // What was named before is not kept as cosigned, for its records are not there.
    let (_, ledger, continued) = world.restore("again", "third", &[lost]).unwrap();
    assert_eq!((continued.cosigned, continued.lost), (None, None));
    assert_eq!(ledger.log().cosigned().unwrap(), None);
    // Of another ledger, or signed by nobody.
    let other = KeyName::new("blindmatch/test/b/ledger").unwrap();
    let mut foreign = kept.unverified().clone();
    foreign.origin.ledger = other;
    for (name, key) in [("x", 1), ("y", 2)] {
        let key = SigningKey::from_bytes(&[key; 32]);
        let head = if name == "x" {
            &foreign
        } else {
            kept.unverified()
        };
        let refused = world.restore("again", name, &[head.clone().sign(&key)]);
        assert!(matches!(refused, Err(BackupError::Witnessed)));
    }
}

/// Records of the new incarnation that a crash left behind the old one's checkpoint are covered under
/// their own origin.
#[test]
fn an_incarnation_that_no_checkpoint_covers_is_covered_as_itself() {
    let world = World::new();
    world.backup("backup");
    let old = world.head();
    world.charge(2);
    let seen = world.head();
    let witnessed = std::slice::from_ref(&seen);
    let (_, ledger, _) = world.restore("backup", "first", witnessed).unwrap();
    let head = ledger.log().head().unverified().clone();
    drop(ledger);
    let disk = Disk::new(&world.place.path().join("first"));
    std::fs::write(disk.root().join("ledger/checkpoint"), old.to_string()).unwrap();
    let (ledger, tail) = Ledger::open(&disk, settings(NOW)).unwrap();
    assert_eq!(tail.uncovered, 2);
    assert_eq!(*ledger.log().head().unverified(), head);
    assert!(asks(seen.unverified(), &ledger.log()).is_ok());
}

/// A checkpoint of the right records under another incarnation's origin does not pass for the
/// ledger's own.
#[test]
fn a_checkpoint_of_another_incarnation_is_not_the_head() {
    let world = World::new();
    world.backup("backup");
    let (_, ledger, _) = world.restore("backup", "first", &[]).unwrap();
    let head = ledger.log().head().unverified().clone();
    drop(ledger);
    let path = world.place.path().join("first/ledger/checkpoint");
    for incarnation in [1, 3] {
        let mut other = head.clone();
        other.origin.incarnation = incarnation;
        std::fs::write(&path, other.sign(&signer()).to_string()).unwrap();
        let disk = Disk::new(&world.place.path().join("first"));
        assert!(Ledger::open(&disk, settings(NOW)).is_err());
    }
    std::fs::write(&path, head.sign(&signer()).to_string()).unwrap();
    let disk = Disk::new(&world.place.path().join("first"));
    let (ledger, _) = Ledger::open(&disk, settings(NOW)).unwrap();
    assert_eq!(ledger.log().incarnation(), 2);
}
