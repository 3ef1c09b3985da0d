#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::Digest;
use blindmatch_psi::publication::Publication;
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::demo::{Consortium, PURPOSE};
use crate::node::Node;

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
    let epoch = daemon.first_publication(&view(), 1, 1).unwrap();
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
    daemon.first_publication(&view(), 2, 2).unwrap();
    assert_eq!(daemon.publish().unwrap(), [view()]);
    assert_eq!(recorded(&daemon), (vec![1, 2, 3], vec![1, 2, 3]));
}
