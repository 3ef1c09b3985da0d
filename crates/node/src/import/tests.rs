#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use blindmatch_feeds::{FeedError, Intake, Options, Summary};
use blindmatch_indicator::{PaymentKey, PublicSuffixes};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;
use tempfile::TempDir;

use super::*;

type Outcome = Result<(Report, Summary), ImportError<FeedError>>;

const FEED: &str = "\
8.8.8.8
hxxp://evil[.]example[.]com/login
8.8.8.8
10.0.0.1
Ann.Smith+spam@gmail.com
annsmith@gmail.com
1.2.0.0/17
";

struct World {
    _place: TempDir,
    collections: Collections,
    canonicaliser: Canonicaliser,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::new(&place.path().join("home"));
        let home = Home::create(disk, &StorageKey::new(&[1; 32]), 1_763_798_400).unwrap();
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        Self {
            _place: place,
            collections: Collections::open(&home).unwrap(),
            canonicaliser: Canonicaliser::new(PublicSuffixes::parse(list).unwrap()),
        }
    }

    fn import(&self, collection: &str, mode: Mode, feed: &str) -> Outcome {
        self.import_through(
            Sieve::new(&self.canonicaliser),
            collection,
            mode,
            feed,
            None,
        )
    }

    fn import_through(
        &self,
        sieve: Sieve<'_>,
        collection: &str,
        mode: Mode,
        feed: &str,
        kind: Option<IndicatorType>,
    ) -> Outcome {
        let plan = ImportPlan {
            collection: collection.parse().unwrap(),
            kind: None,
            source: "feed".parse().unwrap(),
            mode,
            now: 1_763_798_400,
            ttl: Default::default(),
            allow_shrink: false,
            discard_damaged: false,
            payment_key: None,
        };
        let options = Options {
            indicator_type: kind,
            ..Options::default()
        };
        let read = |sink: &mut dyn FnMut(&Row<'_>)| {
            blindmatch_feeds::read(feed.as_bytes(), &options, &self.canonicaliser, sink)
        };
        import(
            &self.collections,
            plan,
            &self.canonicaliser,
            sieve,
            read,
            &mut |_| {},
            &mut rand::rng(),
        )
    }
}

#[test]
fn the_report_is_that_of_a_check() {
    let world = World::new();
    let (report, _) = world.import("abusers", Mode::Replace, FEED).unwrap();
    let mut intake = Intake::new(&world.canonicaliser, [7; 16]);
    let mut sink = |row: &Row<'_>| intake.take(row, &mut |_| {});
    let options = Options::default();
    blindmatch_feeds::read(FEED.as_bytes(), &options, &world.canonicaliser, &mut sink).unwrap();
    assert_eq!(report.tally, intake.tally());
    assert_eq!(report.tally.read, 7);
    assert_eq!(report.tally.accepted_total(), 5);
    assert_eq!(report.tally.duplicates, 1);
    // A second time nothing changes.
    let (again, _) = world.import("abusers", Mode::Replace, FEED).unwrap();
    assert_eq!(again.tally, report.tally);
    assert_eq!((again.added, again.removed), (0, 0));
}

#[test]
fn what_is_removed_is_gone_with_what_followed_from_it() {
    let world = World::new();
    let (full, _) = world.import("abusers", Mode::Replace, FEED).unwrap();
    let feed = "annsmith@gmail.com\n1.2.0.0/17\n9.9.9.9\n";
    let (report, _) = world.import("abusers", Mode::Remove, feed).unwrap();
    assert_eq!(report.tally.accepted_total(), 3);
    assert_eq!((report.added, report.removed), (0, 2));
    let [had, has] = [full, report].map(|report| {
        let source = report.contents.sources.into_values().next().unwrap();
        source.counts.derived
    });
    assert_eq!(had.get(&IndicatorType::EmailFolded), Some(&1));
    assert_eq!(has.get(&IndicatorType::EmailFolded), Some(&1));
    assert_eq!(had.get(&IndicatorType::Network), Some(&8));
    assert_eq!(has.get(&IndicatorType::Network), None);
}

#[test]
fn what_is_excluded_is_counted_under_its_list() {
    let world = World::new();
    let resolver =
        |indicator: &Indicator| (*indicator.to_text() == "8.8.8.8").then_some("resolvers");
    let sieve = Sieve::new(&world.canonicaliser).excluding(&resolver, [7; 16]);
    let (report, _) = world
        .import_through(sieve, "abusers", Mode::Replace, FEED, None)
        .unwrap();
    // Twice in the feed, so one of them is a duplicate, as of any other value.
    let excluded = BTreeMap::from([("resolvers".to_owned(), 1)]);
    assert_eq!(report.tally.excluded, excluded);
    assert_eq!(report.tally.accepted.get(&IndicatorType::Ip), Some(&1));
    let source = report.contents.sources.into_values().next().unwrap();
    assert_eq!(source.counts.given.get(&IndicatorType::Ip), None);
    let sum = report.tally.accepted_total()
        + report.tally.duplicates
        + report.tally.refused_total()
        + report.tally.not_matchable_total();
    assert_eq!(report.tally.read, sum);
}

#[test]
fn what_follows_is_excluded_too_and_a_removal_takes_all() {
    let world = World::new();
    let url = "https://host.example.com/login\n";
    let host =
        |indicator: &Indicator| (*indicator.to_text() == "host.example.com").then_some("hosts");
    let excluding = || Sieve::new(&world.canonicaliser).excluding(&host, [7; 16]);
    let import = |sieve, mode, feed| world.import_through(sieve, "abusers", mode, feed, None);
    let derived = |outcome: Outcome| {
        let source = outcome.unwrap().0.contents.sources.into_values().next();
        source.unwrap().counts
    };
    // A page on a well-known host is somebody's; the host itself is not.
    let counts = derived(import(excluding(), Mode::Replace, url));
    assert_eq!(counts.given_total(), 1);
    assert!(counts.derived.is_empty());
    let counts = derived(import(Sieve::new(&world.canonicaliser), Mode::Replace, url));
    assert_eq!(counts.derived.len(), 1);
    // Nor does it follow from what a removal leaves.
    let two = format!("{url}host.example.com\n9.9.9.9\n");
    import(Sieve::new(&world.canonicaliser), Mode::Append, &two).unwrap();
    let counts = derived(import(excluding(), Mode::Remove, "9.9.9.9\n"));
    assert_eq!(counts.given_total(), 2);
    assert!(!counts.derived.contains_key(&IndicatorType::UrlHost));
    // Whoever takes a value out means it, whatever excludes it by now.
    let (report, _) = import(excluding(), Mode::Remove, "host.example.com\n").unwrap();
    assert_eq!((report.removed, report.tally.excluded.len()), (1, 0));
}

#[test]
fn card_numbers_need_the_key_and_keep_apart() {
    let mut world = World::new();
    let pan = Some(IndicatorType::Pan);
    let feed = "4111 1111 1111 1111\n";
    let take = |world: &World, name, feed, kind| {
        let sieve = Sieve::new(&world.canonicaliser);
        world.import_through(sieve, name, Mode::Replace, feed, kind)
    };
    let error = take(&world, "cards", feed, pan).unwrap_err();
    assert!(matches!(error, ImportError::PaymentKeyMissing));
    assert!(world.collections.names().unwrap().is_empty());

    let key = PaymentKey::new(&[3; 32]);
    world.canonicaliser = world.canonicaliser.clone().with_payment_key(key);
    take(&world, "cards", feed, pan).unwrap();
    let weak = Some(IndicatorType::CardWeak);
    let error = take(&world, "weak", "411111*1111 12/27\n", weak).unwrap_err();
    assert!(
        matches!(&error, ImportError::CardsBesideCards(Some(name)) if name.as_str() == "cards")
    );
}

#[test]
fn a_feed_of_another_type_changes_nothing() {
    let world = World::new();
    world.import("abusers", Mode::Replace, FEED).unwrap();
    let before = world
        .collections
        .contents(&"abusers".parse().unwrap())
        .unwrap();
    let sieve = Sieve::new(&world.canonicaliser);
    let iban = Some(IndicatorType::Iban);
    let error = world
        .import_through(sieve, "abusers", Mode::Replace, "8.8.8.8\n8.8.4.4\n", iban)
        .unwrap_err();
    assert!(matches!(error, ImportError::WrongType(IndicatorType::Ip)));
    let after = world
        .collections
        .contents(&"abusers".parse().unwrap())
        .unwrap();
    assert_eq!(before, after);
}
