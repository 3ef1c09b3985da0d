#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use blindmatch_feeds::{Options, Sieve};
use blindmatch_indicator::{PublicSuffixes, Reason};
use blindmatch_store::collection::{ImportPlan, Mode};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::import::import;

const NOW: u64 = 1_763_798_400;

const NO_EVIDENCE: Evidence = Evidence {
    minimum_reports: 0,
    reason_required: false,
};

struct World {
    _place: TempDir,
    collections: Collections,
    canonicaliser: Canonicaliser,
    exclusions: Exclusions,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::new(&place.path().join("home"));
        let home = Home::create(disk, &StorageKey::new(&[1; 32]), NOW).unwrap();
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        Self {
            _place: place,
            collections: Collections::open(&home).unwrap(),
            canonicaliser: Canonicaliser::new(PublicSuffixes::parse(list).unwrap()),
            exclusions: Exclusions::default(),
        }
    }

    fn import(&self, collection: &str, kind: CollectionKind, feed: &str) -> Contents {
        let plan = ImportPlan {
            collection: collection.parse().unwrap(),
            kind: Some(kind),
            source: "feed".parse().unwrap(),
            mode: Mode::Replace,
            now: NOW,
            ttl: Default::default(),
            allow_shrink: false,
            discard_damaged: false,
            payment_key: None,
        };
        let imported = import(
            &self.collections,
            plan,
            &self.canonicaliser,
            Sieve::new(&self.canonicaliser),
            |sink| {
                let options = Options::default();
                blindmatch_feeds::read(feed.as_bytes(), &options, &self.canonicaliser, sink)
            },
            &mut |_| {},
            &mut rand::rng(),
        );
        imported.unwrap().0.contents
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            collections: &self.collections,
            canonicaliser: &self.canonicaliser,
            exclusions: &self.exclusions,
            today: Day::from_unix_seconds(NOW.try_into().unwrap()).unwrap(),
        }
    }

    fn text(&self, key: &[u8]) -> String {
        self.canonicaliser
            .decode(key)
            .unwrap()
            .to_text()
            .to_string()
    }

    fn served(&self, kind: IndicatorType, evidence: Evidence) -> Vec<String> {
        let mut served = Vec::new();
        let read = self.reading().serve::<Error>(kind, evidence, |key, _| {
            served.push(self.text(key));
            Ok(())
        });
        read.unwrap();
        served
    }
}

#[test]
fn abuse_collections_are_served_as_one_set() {
    let world = World::new();
    world.import("one", CollectionKind::Abuse, "8.8.4.4\nann@example.com\n");
    world.import(
        "two",
        CollectionKind::Abuse,
        "8.8.4.4\n8.8.8.8\n1.2.3.0/23\n",
    );
    world.import(
        "own",
        CollectionKind::Customers,
        "9.9.9.9\nbob@example.com\n",
    );
    let served = |kind| world.served(kind, NO_EVIDENCE);
    assert_eq!(served(IndicatorType::Ip), ["8.8.4.4", "8.8.8.8"]);
    assert_eq!(served(IndicatorType::Email), ["ann@example.com"]);
    assert_eq!(served(IndicatorType::Phone), [""; 0]);
    // Of the feed's 1.2.2.0/23 and its two /24, only these are rungs.
    assert_eq!(
        served(IndicatorType::Network),
        [""; 0],
        "1.2.3.0/23 has host bits set"
    );
    world.import(
        "two",
        CollectionKind::Abuse,
        "8.8.4.4\n8.8.8.8\n1.2.2.0/23\n5.6.0.0/16\n",
    );
    assert_eq!(
        served(IndicatorType::Network),
        ["5.6.0.0/16", "1.2.2.0/24", "1.2.3.0/24"]
    );
}

#[test]
fn a_row_without_the_evidence_is_not_served() {
    let world = World::new();
    world.import("one", CollectionKind::Abuse, "8.8.4.4\n");
    for evidence in [
        Evidence::DEFAULT,
        Evidence {
            minimum_reports: 0,
            reason_required: true,
        },
    ] {
        assert!(evidence.holds(1, Reason::Unspecified).is_err());
        assert_eq!(world.served(IndicatorType::Ip, evidence), [""; 0]);
    }
}

#[test]
fn what_a_list_excludes_since_the_import_is_neither_served_nor_asked() {
    let mut world = World::new();
    let feed = "8.8.4.4\n8.8.8.8\n";
    let contents = world.import("one", CollectionKind::Abuse, feed);
    let list = br#"{"name": "resolvers", "description": "", "version": 1, "type": "cidr",
        "matching_attributes": ["ip-src"], "list": ["8.8.8.0/24"]}"#;
    world.exclusions = Exclusions::parse(list, &world.canonicaliser).unwrap();
    assert_eq!(world.served(IndicatorType::Ip, NO_EVIDENCE), ["8.8.4.4"]);
    let asked = world
        .reading()
        .ask(&contents, IndicatorType::Ip, None)
        .unwrap();
    let texts: Vec<_> = asked.iter().map(|item| world.text(item)).collect();
    assert_eq!(texts, ["8.8.4.4"]);
}

#[test]
fn addresses_and_networks_ask_for_every_rung_above_them() {
    let world = World::new();
    let contents = world.import(
        "own",
        CollectionKind::Customers,
        "8.8.4.4\n8.8.8.8\n8.8.8.0/23\nann@example.com\n",
    );
    let reading = world.reading();
    let asked = reading
        .ask(&contents, IndicatorType::Network, None)
        .unwrap();
    let texts: Vec<_> = asked.iter().map(|item| world.text(item)).collect();
    assert_eq!(
        texts,
        [
            "8.8.0.0/16",
            "8.8.0.0/20",
            "8.8.4.0/22",
            "8.8.8.0/22",
            "8.8.4.0/24",
            "8.8.8.0/24",
            "8.8.9.0/24",
            "8.8.4.4/32",
            "8.8.8.8/32",
        ]
    );
    let mut rows = Vec::new();
    let matched = &asked[1..4];
    let found = reading.holding(
        &contents,
        IndicatorType::Network,
        matched,
        &mut |row, at| {
            rows.push((world.text(row.key), at));
        },
    );
    found.unwrap();
    let rows: Vec<_> = rows.iter().map(|(text, at)| (text.as_str(), *at)).collect();
    assert_eq!(
        rows,
        [
            ("8.8.4.4", 0),
            ("8.8.4.4", 1),
            ("8.8.8.8", 0),
            ("8.8.8.8", 2),
            ("8.8.8.0/23", 0),
            ("8.8.8.0/23", 2),
        ]
    );

    // A network between two rungs lies inside what its parts lie in, all of them.
    let holds = |tokens: &[&str]| {
        let items: Vec<_> = asked
            .iter()
            .filter(|item| tokens.contains(&world.text(item).as_str()))
            .cloned()
            .collect();
        let mut found = false;
        let mut visit = |row: &Row<'_>, _| found |= world.text(row.key) == "8.8.8.0/23";
        let held = reading.holding(&contents, IndicatorType::Network, &items, &mut visit);
        held.unwrap();
        found
    };
    assert!(!holds(&["8.8.8.0/24"]));
    assert!(holds(&["8.8.8.0/24", "8.8.9.0/24"]));
    assert!(holds(&["8.8.8.0/22"]));
    let asked = reading.ask(&contents, IndicatorType::Ip, None).unwrap();
    let texts: Vec<_> = asked.iter().map(|item| world.text(item)).collect();
    assert_eq!(texts, ["8.8.4.4", "8.8.8.8"]);
}

/// How many rows ask is the same whether the list of a collection says it or the rows are read.
#[test]
fn rows_that_ask_are_counted_as_they_are_read() {
    let world = World::new();
    let feeds = [
        "8.8.8.8\n8.8.4.0/23\nsome-mail@example.com\n",
        "8.8.8.8\n8.8.4.4\n",
        "https://example.com/path\nexample.com\n",
        "example.com\n",
    ];
    for (number, feed) in feeds.into_iter().enumerate() {
        let contents = world.import(&format!("c{number}"), CollectionKind::Customers, feed);
        let (mut listed, mut read) = (0, 0);
        for kind in IndicatorType::ALL {
            let reading = world.reading();
            let mut walked = 0;
            let mut count = |_: &Row<'_>, _: &[Indicator]| walked += 1;
            reading.asking(&contents, kind, &mut count).unwrap();
            assert_eq!(
                reading.asking_rows(&contents, kind).unwrap(),
                walked,
                "{feed}: {kind}"
            );
            match reading.listed(&contents, kind) {
                Some(rows) => listed += u32::from(rows > 0),
                None => read += 1,
            }
        }
        assert!(listed > 0 || read > 0, "{feed}");
        // Behind its day the list no longer says what there is.
        let mut later = contents.clone();
        for source in later.sources.values_mut() {
            source.expires = Some(world.reading().today);
        }
        let by_list = IndicatorType::ALL.map(|kind| world.reading().listed(&later, kind));
        assert_eq!(by_list, [None; IndicatorType::ALL.len()]);
    }
}

/// What is served and asked meets where the sets do in the clear.
#[test]
fn members_of_a_demonstration_find_what_they_have_in_common() {
    use crate::demo::{Consortium, Expected, PROVIDERS, RowKey, generate};
    use std::collections::BTreeSet;

    let place = tempfile::tempdir().unwrap();
    let names = PROVIDERS.map(|name| name.parse().unwrap());
    let digest = blindmatch_membership::Digest([0; 32]);
    let consortium = Consortium::found(place.path(), &names, digest).unwrap();
    let canonicaliser = World::new().canonicaliser;
    for set in generate(&canonicaliser, 3, clock::now()) {
        let member = consortium.members.get(&set.provider.parse().unwrap());
        let source = set.indicator_type.name().parse().unwrap();
        let read = |canonicaliser: &Canonicaliser,
                    sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
            let options = Options::default();
            blindmatch_feeds::read(set.csv.as_bytes(), &options, canonicaliser, sink)
        };
        let desk = member.unwrap().desk(&canonicaliser).unwrap();
        desk.import(source, read, &mut |_| {}).unwrap();
    }
    let expected = Expected::of_all(&consortium, &canonicaliser).unwrap();
    let exclusions = Exclusions::default();
    let today = Day::from_unix_seconds(i64::try_from(clock::now()).unwrap()).unwrap();
    for (responder, theirs) in &consortium.members {
        for (querier, ours) in consortium
            .members
            .iter()
            .filter(|(name, _)| *name != responder)
        {
            let reading = |collections| Reading {
                collections,
                canonicaliser: &canonicaliser,
                exclusions: &exclusions,
                today,
            };
            let (own, other) = (
                ours.node.collections().unwrap(),
                theirs.node.collections().unwrap(),
            );
            let contents = ours.contents().unwrap().unwrap();
            for kind in IndicatorType::ALL {
                let mut served = BTreeSet::new();
                let serve = reading(&other).serve(kind, NO_EVIDENCE, |item, _| {
                    served.insert(item.to_vec());
                    Ok::<_, Error>(())
                });
                serve.unwrap();
                let mut items = reading(&own).ask(&contents, kind, None).unwrap();
                items.retain(|item| served.contains(item.as_slice()));
                let mut found = BTreeSet::<RowKey>::new();
                let held = reading(&own).holding(&contents, kind, &items, &mut |row, _| {
                    found.insert(row.key.into());
                });
                held.unwrap();
                let wanted = expected.of((querier, responder, kind)).cloned();
                assert_eq!(
                    found,
                    wanted.unwrap_or_default(),
                    "{querier} at {responder}: {kind}"
                );
            }
        }
    }
}
