//! Real abuse feeds: every published count and every known overlap, reproduced exactly.
//!
//! The counts were made by others with a plain script over canonical forms. Every feed is both
//! checked and imported, and both must come to the same. Without the feeds the tests are reported
//! as ignored.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};

use blindmatch_feeds::{
    Canonical, FeedError, Finding, Intake, Lead, Options, Publisher, Refused, Row, Sieve, Tally,
    Tlp, canonical, read,
};
use blindmatch_indicator::IndicatorType::{self, Btc, Domain, Email, Eth, Ip, Network, Tron};
use blindmatch_indicator::{Canonicaliser, Day, Indicator, LabelFields, PublicSuffixes, ladder};
use blindmatch_node::import::{ImportError, Report, import};
use blindmatch_store::collection::{
    CollectionError, CollectionKind, CollectionName, Collections, ImportPlan, Mode, SourceName, Ttl,
};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;
use blindmatch_store::merge::Rows;
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Any time will do.
const NOW: u64 = 1_763_798_400;

/// What a feed must show.
type Test = fn(&Feeds) -> Result<(), Failed>;

fn main() {
    let trials: [(&str, Test); 15] = [
        ("ipsum", |feeds| {
            feeds.expect("ipsum-ipv4-counts.txt", &[(Ip, 120_430)], 0, 0)
        }),
        ("sefinek", |feeds| {
            feeds.expect("sefinek-ips.txt", &[(Ip, 213_900 + 5_327)], 0, 0)
        }),
        ("bitwire", bitwire),
        ("disposable", |feeds| {
            feeds.expect("disposable-email-domains.txt", &[(Domain, 8_335)], 0, 0)
        }),
        ("burner", |feeds| {
            feeds.expect("burner-email-domains.txt", &[(Domain, 27_277)], 0, 0)
        }),
        ("forta", forta),
        ("ofac", ofac),
        ("amnesty_pegasus", |feeds| {
            let accepted = [(Domain, 1_438), (Email, 29)];
            feeds.expect("amnesty-pegasus.stix2.json", &accepted, 0, 82)
        }),
        ("amnesty_cytrox", |feeds| {
            feeds.expect("amnesty-cytrox.stix2.json", &[(Domain, 336)], 0, 7)
        }),
        ("eset", eset),
        ("overlaps", overlaps),
        ("networks_around_addresses", networks_around_addresses),
        ("sums", sums),
        ("collections", collections),
        ("written_and_read_again", written_and_read_again),
    ];
    let feeds = blindmatch_tests::real_feeds();
    let trials = trials.map(|(name, test)| {
        let feeds = feeds.clone();
        let missing = feeds.is_none();
        let run = move || {
            test(&Feeds::in_folder(
                feeds.ok_or("no feeds beside the checkout")?,
            )?)
        };
        Trial::test(name, run)
            .with_kind("real feeds")
            .with_ignored_flag(missing)
    });
    if feeds.is_none() {
        println!("skipped: no real feeds beside this checkout");
    }
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

struct Feeds {
    folder: std::path::PathBuf,
    canonicaliser: Canonicaliser,
}

impl Feeds {
    fn in_folder(folder: std::path::PathBuf) -> Result<Self, Failed> {
        Ok(Self {
            folder,
            canonicaliser: Canonicaliser::new(public_suffixes()?),
        })
    }

    fn open(&self, file: &str) -> Result<File, Failed> {
        Ok(File::open(self.folder.join(file))?)
    }

    fn tally(&self, file: &str) -> Result<Tally, Failed> {
        let mut intake = Intake::new(&self.canonicaliser, [7; 16]);
        let mut refused = |_: &Refused<'_>| {};
        let mut sink = |row: &Row<'_>| intake.take(row, &mut refused);
        read(
            self.open(file)?,
            &Options::default(),
            &self.canonicaliser,
            &mut sink,
        )?;
        let tally = intake.tally();
        println!("{file}: {tally:?}");
        let imported = World::new()?.import(self, file, "feed", Mode::Replace)?;
        equal(&imported.tally, &tally, "imported")?;
        equal(&imported.added, &tally.accepted_total(), "added")?;
        Ok(tally)
    }

    fn expect(
        &self,
        file: &str,
        accepted: &[(IndicatorType, u64)],
        refused: u64,
        not_matchable: u64,
    ) -> Result<(), Failed> {
        let tally = self.tally(file)?;
        equal(
            &tally.accepted,
            &accepted.iter().copied().collect(),
            "accepted",
        )?;
        equal(&tally.refused_total(), &refused, "refused")?;
        equal(
            &tally.not_matchable_total(),
            &not_matchable,
            "not matchable",
        )
    }

    /// The canonical set of a file, in the clear.
    fn set(&self, file: &str) -> Result<HashSet<Indicator>, Failed> {
        let mut set = HashSet::new();
        let mut sink = |row: &Row<'_>| {
            for value in row.values {
                if let Canonical::Indicator(indicator) = canonical(&self.canonicaliser, value) {
                    set.insert(indicator);
                }
            }
        };
        read(
            self.open(file)?,
            &Options::default(),
            &self.canonicaliser,
            &mut sink,
        )?;
        Ok(set)
    }
}

/// Bundles and events go in, and what was found of them comes out: the same values, as STIX and as MISP.
fn written_and_read_again(feeds: &Feeds) -> Result<(), Failed> {
    let publisher = Publisher::new("acme", Zeroizing::new([7; 32]), Tlp::default());
    for file in [
        "amnesty-pegasus.stix2.json",
        "amnesty-cytrox.stix2.json",
        "eset-glupteba.misp.json",
        "eset-kryptocibule.misp.json",
        "eset-mozi.misp.json",
    ] {
        let set = feeds.set(file)?;
        let leads = set.iter().map(|indicator| Lead {
            indicator: indicator.clone(),
            findings: vec![Finding {
                id: "5f1c0a9be27d4433".to_owned(),
                label: LabelFields::default(),
                first_found: NOW,
                last_found: NOW,
            }],
        });
        for is_stix in [true, false] {
            let mut text = Vec::new();
            let written = match is_stix {
                true => publisher.stix(leads.clone(), &mut text)?,
                false => publisher.misp(leads.clone(), &mut text)?,
            };
            equal(&written.indicators, &u64::try_from(set.len())?, file)?;
            let mut again = HashSet::new();
            let mut sink = |row: &Row<'_>| {
                for value in row.values {
                    if let Canonical::Indicator(one) = canonical(&feeds.canonicaliser, value) {
                        again.insert(one);
                    }
                }
            };
            let options = Options::default();
            read(text.as_slice(), &options, &feeds.canonicaliser, &mut sink)?;
            println!("{file}: {} written and read again", again.len());
            equal(&(again == set), &true, file)?;
        }
    }
    Ok(())
}

/// A home with one collection.
struct World {
    collections: Collections,
    name: CollectionName,
    _home: Home,
    _place: TempDir,
}

impl World {
    fn new() -> Result<Self, Failed> {
        let place = tempfile::tempdir()?;
        let disk = Disk::new(&place.path().join("home"));
        let home = Home::create(disk, &StorageKey::random(&mut rand::rng()), NOW)?;
        Ok(Self {
            // So small that most feeds are spilled in several runs.
            collections: Collections::open(&home)?.with_sort_memory(1 << 20),
            name: "abusers".parse()?,
            _home: home,
            _place: place,
        })
    }

    fn import(
        &self,
        feeds: &Feeds,
        file: &str,
        source: &str,
        mode: Mode,
    ) -> Result<Report, ImportError<FeedError>> {
        let plan = ImportPlan {
            collection: self.name.clone(),
            kind: Some(CollectionKind::Abuse),
            source: source.parse().expect("a name"),
            mode,
            now: NOW,
            ttl: Ttl::default(),
            allow_shrink: false,
            discard_damaged: false,
            payment_key: None,
        };
        let canonicaliser = &feeds.canonicaliser;
        let open = || feeds.open(file).expect("a feed");
        let (report, _) = import(
            &self.collections,
            plan,
            canonicaliser,
            Sieve::new(canonicaliser),
            |sink| read(open(), &Options::default(), canonicaliser, sink),
            &mut |_| {},
            &mut rand::rng(),
        )?;
        Ok(report)
    }

    /// How many different indicators the sources hold together.
    fn rows(&self) -> Result<u64, Failed> {
        let contents = self.collections.contents(&self.name)?;
        let today = Day::from_unix_seconds(i64::try_from(NOW)?).ok_or("a day")?;
        let mut rows = self.collections.rows(&contents, today)?;
        let mut given = 0;
        while rows.advance()? {
            given += u64::from(rows.row().is_some_and(|row| row.origin.given));
        }
        Ok(given)
    }
}

/// Replaced, appended to, removed from, shrunk and united, by the known counts and overlaps.
fn collections(feeds: &Feeds) -> Result<(), Failed> {
    const IPSUM: u64 = 120_430;
    const SEFINEK: u64 = 213_900 + 5_327;
    const BOTH: u64 = 5_205;
    let (ipsum, sefinek) = ("ipsum-ipv4-counts.txt", "sefinek-ips.txt");
    let world = World::new()?;
    let import = |file, source, mode| world.import(feeds, file, source, mode);
    import(ipsum, "a", Mode::Replace)?;
    import(sefinek, "b", Mode::Replace)?;
    equal(&world.rows()?, &(IPSUM + SEFINEK - BOTH), "united")?;

    let again = import(ipsum, "a", Mode::Replace)?;
    equal(&(again.added, again.removed), &(0, 0), "replaced by itself")?;
    let appended = import(sefinek, "a", Mode::Append)?;
    equal(&appended.added, &(SEFINEK - BOTH), "appended")?;
    equal(
        &world.rows()?,
        &(IPSUM + SEFINEK - BOTH),
        "united after all",
    )?;
    let removed = import(ipsum, "a", Mode::Remove)?;
    equal(&removed.removed, &IPSUM, "removed")?;
    let held = |report: &Report| {
        let name: SourceName = "a".parse().expect("a name");
        report
            .contents
            .sources
            .get(&name)
            .map(|source| source.counts.given_total())
    };
    equal(&held(&removed), &Some(SEFINEK - BOTH), "left")?;

    match import("burner-email-domains.txt", "b", Mode::Replace) {
        Err(ImportError::Collection(CollectionError::Shrinks { before, after })) => {
            equal(&(before, after), &(SEFINEK, 27_277), "shrinks")?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    equal(&world.rows()?, &SEFINEK, "nothing changed")
}

fn bitwire(feeds: &Feeds) -> Result<(), Failed> {
    let tally = feeds.tally("bitwire-networks-cidr.txt")?;
    equal(
        &tally.accepted,
        &BTreeMap::from([(Network, 213_269)]),
        "accepted",
    )?;
    equal(
        &tally.refused,
        &BTreeMap::from([("not_global", 3), ("prefix_too_short", 16)]),
        "refused",
    )
}

fn forta(feeds: &Feeds) -> Result<(), Failed> {
    for (file, rows, distinct) in [
        ("forta-phishing-eth.csv", 6_726, 6_205),
        ("forta-etherscan-eth.csv", 7_780, 7_259),
    ] {
        let tally = feeds.tally(file)?;
        equal(&tally.read, &rows, "rows")?;
        equal(
            &tally.accepted,
            &BTreeMap::from([(Eth, distinct)]),
            "accepted",
        )?;
    }
    Ok(())
}

fn ofac(feeds: &Feeds) -> Result<(), Failed> {
    feeds.expect("ofac-eth.txt", &[(Eth, 152)], 0, 0)?;
    // One of the 435 wallets in the bitcoin list is a TRON address.
    feeds.expect("ofac-btc.txt", &[(Btc, 434), (Tron, 1)], 0, 0)?;
    feeds.expect("ofac-tron.txt", &[(Tron, 6)], 0, 0)
}

/// Nine values are published as bitcoin addresses; one of them is a Bitcoin Cash address.
fn eset(feeds: &Feeds) -> Result<(), Failed> {
    for file in ["eset-glupteba.misp.json", "eset-mozi.misp.json"] {
        let tally = feeds.tally(file)?;
        equal(&tally.refused_total(), &0, "refused")?;
        equal(&tally.accepted.get(&Btc), &None, "bitcoin addresses")?;
    }
    let tally = feeds.tally("eset-kryptocibule.misp.json")?;
    equal(&tally.accepted.get(&Btc), &Some(&8), "bitcoin addresses")?;
    equal(
        &tally.refused,
        &BTreeMap::from([("not_a_btc_address", 1)]),
        "refused",
    )
}

fn overlaps(feeds: &Feeds) -> Result<(), Failed> {
    let common = |a: &HashSet<Indicator>, b: &HashSet<Indicator>| a.intersection(b).count();
    let ipsum = feeds.set("ipsum-ipv4-counts.txt")?;
    equal(
        &common(&ipsum, &feeds.set("sefinek-ips.txt")?),
        &5_205,
        "ipsum, sefinek",
    )?;
    let disposable = feeds.set("disposable-email-domains.txt")?;
    let burner = feeds.set("burner-email-domains.txt")?;
    equal(&common(&disposable, &burner), &3_981, "disposable, burner")?;
    let phishing = feeds.set("forta-phishing-eth.csv")?;
    let etherscan = feeds.set("forta-etherscan-eth.csv")?;
    equal(&common(&phishing, &etherscan), &6_191, "forta lists")?;
    let ofac = feeds.set("ofac-eth.txt")?;
    equal(
        &(common(&ofac, &phishing) + common(&ofac, &etherscan)),
        &0,
        "ofac, forta",
    )
}

/// By the ladder: networks split to their rung, addresses asked for with all their ancestors.
fn networks_around_addresses(feeds: &Feeds) -> Result<(), Failed> {
    let networks = feeds.set("bitwire-networks-cidr.txt")?;
    let tokens: HashSet<Indicator> = networks.iter().flat_map(ladder::split).collect();
    for (file, expected) in [
        ("ipsum-ipv4-counts.txt", 29_106),
        ("sefinek-ips.txt", 15_081),
    ] {
        let inside = |address: &&Indicator| {
            address.as_bytes().len() == 4 && ladder::ancestors(address).any(|t| tokens.contains(&t))
        };
        equal(
            &feeds.set(file)?.iter().filter(inside).count(),
            &expected,
            file,
        )?;
    }
    Ok(())
}

/// read = accepted + duplicates + refused + not matchable, in every file.
fn sums(feeds: &Feeds) -> Result<(), Failed> {
    for entry in fs::read_dir(&feeds.folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if file == "README.md" {
            continue;
        }
        let tally = feeds.tally(&file)?;
        let parts = [
            tally.accepted_total(),
            tally.duplicates,
            tally.refused_total(),
            tally.not_matchable_total(),
        ];
        equal(&tally.read, &parts.iter().sum(), &file)?;
    }
    Ok(())
}

fn public_suffixes() -> Result<PublicSuffixes, Failed> {
    let name = format!(
        "spec/tables/public_suffix_list-{}.dat",
        PublicSuffixes::VERSION_1
    );
    let list = fs::read_to_string(blindmatch_tests::root().join(name))?;
    Ok(PublicSuffixes::parse(&list)?)
}

fn equal<T: PartialEq + std::fmt::Debug>(
    found: &T,
    expected: &T,
    what: &str,
) -> Result<(), Failed> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}").into())
    }
}
