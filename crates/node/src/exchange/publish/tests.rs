#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use blindmatch_feeds::Sieve;
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::Digest;
use blindmatch_oprf::voprf;
use blindmatch_psi::publication::Publication;
use blindmatch_store::collection::{CollectionKind, Mode};
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::collections::Wanted;
use crate::demo::{Consortium, PURPOSE};
use crate::import::import;
use crate::node::Node;

mod dying;

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn open(home: &Path) -> Daemon {
    let node = Node::open(home).unwrap();
    Daemon::open(node, canonicaliser(), Arc::new(clock::now)).unwrap()
}

fn view() -> View {
    View {
        indicator_type: IndicatorType::Ip,
        purpose: PURPOSE.to_owned(),
    }
}

/// The home of a node that has some addresses.
fn home(place: &TempDir) -> std::path::PathBuf {
    let names = ["a", "b"].map(|name| name.parse().unwrap());
    let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
    let (name, member) = consortium.members.pop_first().unwrap();
    let desk = member.desk(&canonicaliser()).unwrap();
    let imported = desk.import(
        "main".parse().unwrap(),
        |canonicaliser, sink| {
            let options = blindmatch_feeds::Options::default();
            blindmatch_feeds::read(
                "8.8.8.8\n9.9.9.9\n".as_bytes(),
                &options,
                canonicaliser,
                sink,
            )
        },
        &mut |_| {},
    );
    imported.unwrap();
    consortium.home(&name)
}

/// What the ledger says of the view: epochs that were opened, and publications by their numbers.
fn recorded(daemon: &Daemon) -> (Vec<u64>, Vec<u64>) {
    let (mut epochs, mut sequences) = (Vec::new(), Vec::new());
    for record in daemon.ledger().log().records(0..u64::MAX) {
        match record.unwrap().1.event {
            Event::EpochOpened {
                view: of, epoch, ..
            } if of.as_str() == view().to_string() => {
                epochs.push(epoch);
            }
            Event::Publication {
                view: of, sequence, ..
            } if of.as_str() == view().to_string() => sequences.push(sequence),
            _ => {}
        }
    }
    (epochs, sequences)
}

#[test]
fn a_view_is_published_once_and_is_there_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let home = home(&place);
    let daemon = open(&home);
    // The addresses, and no view in which there is nothing.
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert!(daemon.publish().unwrap().is_empty());
    drop(daemon);
    let daemon = open(&home);
    assert!(daemon.publish().unwrap().is_empty());
    assert_eq!(recorded(&daemon), (vec![1], vec![1]));

    // It holds what was evaluated under the key of the manifest.
    let epoch = daemon.own_epoch(&view()).unwrap();
    let newest = epoch.publications().first().cloned().unwrap();
    let Manifest { edition, root, .. } = newest.manifest;
    let file = epoch.file(&newest).unwrap();
    let publication = Publication::verify(file, edition, root).unwrap();
    for (address, held) in [("8.8.8.8", true), ("8.8.4.4", false)] {
        let item = canonicaliser().parse(IndicatorType::Ip, address).unwrap();
        let output = voprf::evaluate(&epoch.secret(), &item.encode()).unwrap();
        let mut found = 0;
        let looked_up = publication.lookup([output.as_bytes()], |_| found += 1);
        looked_up.unwrap();
        assert_eq!(found, u32::from(held), "{address}");
    }
}

#[test]
fn a_crash_before_the_record_publishes_the_same_again() {
    let place = tempfile::tempdir().unwrap();
    let home = home(&place);
    let daemon = open(&home);
    daemon.first_publication(&view()).unwrap();
    let epoch = daemon.own_epoch(&view()).unwrap();
    let root = epoch.publications().first().unwrap().manifest.root;
    drop((epoch, daemon));
    let daemon = open(&home);
    assert_eq!(recorded(&daemon), (vec![], vec![]));
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert_eq!(recorded(&daemon), (vec![1], vec![1]));
    let epoch = daemon.own_epoch(&view()).unwrap();
    assert_eq!(epoch.publications().first().unwrap().manifest.root, root);
}

#[test]
fn what_the_ledger_has_and_the_home_has_not_is_published_under_new_numbers() {
    let place = tempfile::tempdir().unwrap();
    let home = home(&place);
    let daemon = open(&home);
    daemon.publish().unwrap();
    let epoch = daemon.own_epoch(&view()).unwrap();
    daemon.views().destroy(epoch.id()).unwrap();
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert_eq!(recorded(&daemon), (vec![1, 2], vec![1, 2]));
    // Another one in its place, by whatever mishap, is not taken for it.
    let epoch = daemon.own_epoch(&view()).unwrap();
    daemon.views().destroy(epoch.id()).unwrap();
    let domain = epoch.domain().clone();
    let rng = &mut rand::rng();
    let other = daemon.views().begin(domain, 1 << 20, 2, rng).unwrap();
    daemon.seal_all(&view(), &other, 1 << 20).unwrap();
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert_eq!(recorded(&daemon), (vec![1, 2, 3], vec![1, 2, 3]));
}

/// A node with addresses by their numbers, and a clock that is set.
struct Days {
    /// Where the home is, as long as it is needed.
    place: TempDir,
    clock: Arc<AtomicU64>,
    daemon: Daemon,
}

impl Days {
    fn new(addresses: impl IntoIterator<Item = u32>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = ["a", "b"].map(|name| name.parse().unwrap());
        let mut consortium = Consortium::found(place.path(), &names, Digest([7; 32])).unwrap();
        let (_, member) = consortium.members.pop_first().unwrap();
        let clock = Arc::new(AtomicU64::new(clock::now()));
        let now = Arc::clone(&clock);
        let now: blindmatch_transport::Clock = Arc::new(move || now.load(Ordering::Relaxed));
        let daemon = Daemon::open(member.node, canonicaliser(), now).unwrap();
        let days = Self {
            place,
            clock,
            daemon,
        };
        days.import(addresses);
        days
    }

    /// Replaces what the node has.
    fn import(&self, addresses: impl IntoIterator<Item = u32>) {
        self.read(Mode::Replace, addresses);
    }

    fn read(&self, mode: Mode, addresses: impl IntoIterator<Item = u32>) {
        let addresses = addresses.into_iter().map(address);
        let feed: String = addresses.map(|address| format!("{address}\n")).collect();
        let plan = self.daemon.node().import_plan(Wanted {
            collection: "feeds".parse().unwrap(),
            kind: Some(CollectionKind::Abuse),
            source: "main".parse().unwrap(),
            mode,
            allow_shrink: true,
            discard_damaged: false,
        });
        let canonicaliser = self.daemon.canonicaliser();
        let imported = import(
            self.daemon.collections(),
            plan.unwrap(),
            canonicaliser,
            Sieve::new(canonicaliser),
            |sink| {
                let options = blindmatch_feeds::Options::default();
                blindmatch_feeds::read(feed.as_bytes(), &options, canonicaliser, sink)
            },
            &mut |_| {},
            &mut rand::rng(),
        );
        imported.unwrap();
    }

    fn tomorrow(&self) {
        self.clock.fetch_add(DAY, Ordering::Relaxed);
    }

    fn publish(&self) {
        assert_eq!(self.daemon.publish().unwrap(), [view()]);
        assert_eq!(self.daemon.publish().unwrap(), [], "once a day");
    }

    /// What of the first thousand the newest publication has.
    fn held(&self) -> BTreeSet<u32> {
        let epoch = self.daemon.own_epoch(&view()).unwrap();
        let newest = epoch.publications().first().cloned().unwrap();
        let Manifest { edition, root, .. } = newest.manifest;
        let publication = Publication::verify(epoch.file(&newest).unwrap(), edition, root).unwrap();
        let held = (0..1_000).filter(|number| {
            let text = address(*number).to_string();
            let item = canonicaliser().parse(IndicatorType::Ip, &text).unwrap();
            let output = voprf::evaluate(&epoch.secret(), &item.encode()).unwrap();
            let mut found = 0;
            let looked_up = publication.lookup([output.as_bytes()], |_| found += 1);
            looked_up.unwrap();
            found == 1
        });
        held.collect()
    }
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x2d00_0000 + number * 3)
}

/// The smallest class lets so many in, and out, a day.
const ROOM: u32 = 4;

#[test]
fn a_day_has_one_publication_changed_or_not() {
    let days = Days::new(0..40);
    days.publish();
    days.tomorrow();
    days.publish();
    days.import((3..40).chain(200..204));
    assert_eq!(days.daemon.publish().unwrap(), []);
    assert_eq!(days.held(), (0..40).collect());
    days.tomorrow();
    days.publish();
    assert_eq!(days.held(), (3..40).chain(200..204).collect());
    assert_eq!(recorded(&days.daemon), (vec![1], vec![1, 2, 3]));
    // Whoever has the one before needs only what lies between.
    let epoch = days.daemon.own_epoch(&view()).unwrap();
    let publications = epoch.publications();
    assert!(epoch.difference(publications.first().unwrap()).is_ok());
}

#[test]
fn what_does_not_fit_waits_in_its_order() {
    let days = Days::new(0..40);
    days.publish();
    let goes_on = 10..40;
    days.import(goes_on.clone().chain(300..306));
    days.tomorrow();
    days.publish();
    let gone = |until| (until..40).collect::<BTreeSet<u32>>();
    let came = |to| (300..to).collect::<BTreeSet<u32>>();
    assert_eq!(days.held(), &gone(ROOM) | &came(300 + ROOM));
    // What came later waits longer, whatever its key; what came back before it left stays; what
    // went before it came does not come.
    days.import((9..40).chain(100..104).chain(300..305));
    days.tomorrow();
    days.publish();
    let first = BTreeSet::from([100, 101, 102]);
    assert_eq!(days.held(), &(&gone(2 * ROOM) | &came(305)) | &first);
    days.tomorrow();
    days.publish();
    let all: BTreeSet<u32> = (9..40).chain(100..104).chain(300..305).collect();
    assert_eq!(days.held(), all);
}

#[test]
fn what_left_comes_back_with_the_next_epoch() {
    let days = Days::new(0..40);
    days.publish();
    days.tomorrow();
    days.import(1..40);
    days.publish();
    days.import(0..40);
    for _ in 0..2 {
        days.tomorrow();
        days.publish();
        assert_eq!(days.held(), (1..40).collect());
    }
    // In its last day an epoch has its successor.
    days.clock.fetch_add(24 * DAY, Ordering::Relaxed);
    days.publish();
    assert_eq!(recorded(&days.daemon).0, [1, 2]);
    assert_eq!(days.held(), (0..40).collect());
}

#[test]
fn what_cannot_come_leaves_its_room_to_what_can() {
    let days = Days::new(0..60);
    days.publish();
    days.import(24..60);
    for _ in 0..6 {
        days.tomorrow();
        days.publish();
    }
    assert_eq!(days.held(), (24..60).collect());
    // More than are evaluated at first come back, before those that are new.
    days.import((0..60).chain(300..306));
    for came in [ROOM, 6] {
        days.tomorrow();
        days.publish();
        assert_eq!(days.held(), (24..60).chain(300..300 + came).collect());
    }
}

#[test]
fn what_is_withdrawn_goes_though_nothing_is_left() {
    let days = Days::new(0..2);
    days.publish();
    days.read(Mode::Remove, 0..2);
    days.tomorrow();
    days.publish();
    assert_eq!(days.held(), BTreeSet::new());
    // And no epoch begins with nothing.
    days.clock.fetch_add(EPOCH, Ordering::Relaxed);
    assert_eq!(days.daemon.publish().unwrap(), []);
}

#[test]
fn an_epoch_that_had_all_its_numbers_is_followed_by_another() {
    let days = Days::new(0..2);
    days.publish();
    let epoch = days.daemon.own_epoch(&view()).unwrap();
    // Numbers that crashes reserved.
    while epoch.draft(&mut rand::rng()).is_ok() {}
    days.tomorrow();
    days.publish();
    let (epochs, sequences) = recorded(&days.daemon);
    assert_eq!(epochs, [1, 2]);
    assert_eq!(sequences, [1, epoch.next_number()]);
}

#[test]
fn a_state_that_was_put_back_seals_no_number_twice() {
    let days = Days::new(0..2);
    days.publish();
    let home = days.daemon.node().disk().root().to_owned();
    let epoch = days.daemon.own_epoch(&view()).unwrap();
    let folder = home.join(format!("views/{}", epoch.id()));
    let kept: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let kept: Vec<_> = kept
        .iter()
        .map(|file| (file.path(), std::fs::read(file.path()).unwrap()))
        .collect();
    days.tomorrow();
    days.publish();
    let Days {
        place: _place,
        clock,
        daemon,
    } = days;
    drop((epoch, daemon));
    for (path, bytes) in kept {
        std::fs::write(path, bytes).unwrap();
    }
    clock.fetch_add(DAY, Ordering::Relaxed);
    let node = Node::open(&home).unwrap();
    let now = clock.load(Ordering::Relaxed);
    let daemon = Daemon::open(node, canonicaliser(), Arc::new(move || now)).unwrap();
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert_eq!(recorded(&daemon), (vec![1, 2], vec![1, 2, 3]));
}
