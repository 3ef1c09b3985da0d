//! Real abuse feeds as the sets of a demonstration: what has to be found in them equals the known
//! overlaps. Without the feeds the tests are reported as ignored.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::Path;

use blindmatch_feeds::Options;
use blindmatch_indicator::IndicatorType::{self, Domain, Eth, Ip, Network};
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_node::demo::{Consortium, Expected};
use blindmatch_node::membership::{Digest, Name};
use libtest_mimic::{Arguments, Failed, Trial};

const ADDRESSES: [&str; 2] = ["ipsum-ipv4-counts.txt", "sefinek-ips.txt"];
const DOMAINS: [&str; 2] = ["disposable-email-domains.txt", "burner-email-domains.txt"];
const WALLETS: [&str; 2] = ["forta-phishing-eth.csv", "forta-etherscan-eth.csv"];
const NETWORKS: &str = "bitwire-networks-cidr.txt";

type Test = fn(&Path) -> Result<(), Failed>;

fn main() {
    let trials: [(&str, Test); 5] = [
        ("addresses", |feeds| common(feeds, ADDRESSES, Ip, 5_205)),
        ("domains", |feeds| common(feeds, DOMAINS, Domain, 3_981)),
        ("wallets", |feeds| common(feeds, WALLETS, Eth, 6_191)),
        ("several_files_a_member", several_files_a_member),
        ("networks_around_addresses", networks_around_addresses),
    ];
    let feeds = blindmatch_tests::real_feeds();
    let trials = trials.map(|(name, test)| {
        let feeds = feeds.clone();
        let missing = feeds.is_none();
        let run = move || test(&feeds.ok_or("no feeds beside the checkout")?);
        Trial::test(name, run)
            .with_kind("real feeds")
            .with_ignored_flag(missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn common(
    feeds: &Path,
    [a, b]: [&str; 2],
    kind: IndicatorType,
    count: usize,
) -> Result<(), Failed> {
    let expected = expected(feeds, &[("a", a), ("b", b)])?;
    equal(&expected, "a", "b", kind, count)?;
    equal(&expected, "b", "a", kind, count)
}

fn several_files_a_member(feeds: &Path) -> Result<(), Failed> {
    let [ipsum, sefinek] = ADDRESSES;
    let [disposable, burner] = DOMAINS;
    let [phishing, etherscan] = WALLETS;
    let sets = [
        ("a", ipsum),
        ("a", disposable),
        ("a", phishing),
        ("b", sefinek),
        ("b", burner),
        ("b", etherscan),
        ("c", "ofac-eth.txt"),
        ("c", "amnesty-pegasus.stix2.json"),
    ];
    let expected = expected(feeds, &sets)?;
    for (querier, responder) in [("a", "b"), ("b", "a")] {
        equal(&expected, querier, responder, Ip, 5_205)?;
        equal(&expected, querier, responder, Domain, 3_981)?;
        equal(&expected, querier, responder, Eth, 6_191)?;
        equal(&expected, querier, responder, Network, 0)?;
    }
    equal(&expected, "a", "c", Eth, 0)?;
    equal(&expected, "c", "b", Eth, 0)
}

fn networks_around_addresses(feeds: &Path) -> Result<(), Failed> {
    let [ipsum, sefinek] = ADDRESSES;
    let sets = [("a", ipsum), ("b", sefinek), ("c", NETWORKS)];
    let expected = expected(feeds, &sets)?;
    equal(&expected, "a", "c", Network, 29_106)?;
    equal(&expected, "b", "c", Network, 15_081)?;
    // Who serves addresses alone has no networks to be inside of.
    equal(&expected, "c", "a", Network, 0)
}

fn expected(feeds: &Path, sets: &[(&str, &str)]) -> Result<Expected, Failed> {
    let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let list = blindmatch_tests::root().join("spec/tables").join(list);
    let suffixes = PublicSuffixes::parse(&fs::read_to_string(list)?)?;
    let digest = Digest(*suffixes.sha256());
    let canonicaliser = Canonicaliser::new(suffixes);
    let mut names = sets.iter().map(|(member, _)| member.parse());
    let names: Vec<Name> = names
        .by_ref()
        .collect::<Result<_, _>>()
        .map_err(|_| "a name")?;
    let place = tempfile::tempdir()?;
    let mut members = names.clone();
    members.dedup();
    let consortium = Consortium::found(place.path(), &members, digest)?;
    for (name, (_, file)) in names.iter().zip(sets) {
        let member = consortium.members.get(name).ok_or("a member")?;
        let open = File::open(feeds.join(file))?;
        member.desk(&canonicaliser)?.import(
            file.parse()?,
            |canonicaliser, sink| {
                blindmatch_feeds::read(open, &Options::default(), canonicaliser, sink)
            },
            &mut |_| {},
        )?;
    }
    Ok(Expected::of_all(&consortium, &canonicaliser)?)
}

fn equal(
    expected: &Expected,
    querier: &str,
    responder: &str,
    kind: IndicatorType,
    count: usize,
) -> Result<(), Failed> {
    let name = |text: &str| text.parse::<Name>().map_err(|_| "a name");
    let found = expected.count(&name(querier)?, &name(responder)?, kind);
    if found == count {
        Ok(())
    } else {
        Err(format!("{querier} at {responder}: {found} {kind}, not {count}").into())
    }
}
