//! The demonstration but for the exchange: a consortium on this machine, its sets, and what has to
//! be found in them.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use blindmatch_feeds::{FeedError, Options};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_membership::{Digest, Name, Witnesses};
use blindmatch_node::clock;
use blindmatch_node::demo::{
    COLLECTION, Consortium, Expected, Member, Outcome, PROVIDERS, PURPOSE, PairResult, differences,
    generate, overlap,
};
use blindmatch_node::import::{ImportError, Report};
use blindmatch_policy::{Peers, Protocol, Question};

fn suffixes() -> PublicSuffixes {
    let list = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
    PublicSuffixes::parse(&fs::read_to_string(tables.join(list)).unwrap()).unwrap()
}

fn canonicaliser() -> Canonicaliser {
    Canonicaliser::new(suffixes())
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn found(folder: &Path, names: &[&str]) -> Consortium {
    let names: Vec<_> = names.iter().map(|text| name(text)).collect();
    Consortium::found(folder, &names, Digest(*suffixes().sha256())).unwrap()
}

fn import(member: &Member, source: &str, feed: &str) -> Result<Report, ImportError<FeedError>> {
    let desk = member.desk(&canonicaliser()).unwrap();
    let imported = desk.import(
        source.parse().unwrap(),
        |canonicaliser, sink| {
            let options = Options::default();
            blindmatch_feeds::read(feed.as_bytes(), &options, canonicaliser, sink)
        },
        &mut |_| {},
    );
    imported.map(|(report, _)| report)
}

#[test]
fn members_are_enrolled_and_allow_each_other_everything() {
    let place = tempfile::tempdir().unwrap();
    let consortium = found(&place.path().join("new"), &["a", "b"]);
    let ports: BTreeSet<_> = consortium
        .members
        .values()
        .map(|member| member.listener.local_addr().unwrap())
        .collect();
    assert_eq!(ports.len(), 2);
    for (own, member) in &consortium.members {
        let node = &member.node;
        assert_eq!(node.roster().unwrap().digest(), consortium.roster.digest());
        assert!(node.is_listed_in(&consortium.roster).unwrap());
        let card = node.card().unwrap();
        let address = member.listener.local_addr().unwrap();
        assert_eq!(card.member().address.as_str(), address.to_string());
        assert!(TcpListener::bind(address).is_err(), "the port is kept");
        // The other one's cosignature is enough, and it can be verified.
        let at = clock::now();
        let witnesses = Witnesses::of(&consortium.roster, consortium.delegations(), own, at);
        assert_eq!(witnesses.needed, 1);
        witnesses.quorum().unwrap();

        let policy = node.policy().unwrap();
        let findings = node.check_policy(&policy).unwrap();
        // The rule about every provider, and that is how it is meant.
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(policy.rules().first().unwrap().peers, Peers::Every);
        let other = if own.as_str() == "a" { "b" } else { "a" };
        for kind in IndicatorType::ALL {
            let question = Question {
                peer: other,
                indicator_type: kind,
                purpose: PURPOSE,
                direction: None,
                protocol: Some(Protocol::Lookup),
                set_size: Some(1),
            };
            for explained in node.explain(&policy, &question).unwrap() {
                let allowed = explained.decision.is_ok();
                assert_eq!(allowed, kind != IndicatorType::Pan, "{kind}: {explained:?}");
            }
        }
    }
}

#[test]
fn a_payment_key_is_shared_where_there_are_card_numbers() {
    let place = tempfile::tempdir().unwrap();
    let mut consortium = found(place.path(), &["a", "b", "c"]);
    let cards = "pan\n4111 1111 1111 1111\n5555555555554444\n";
    let member = consortium.members.get(&name("b")).unwrap();
    let error = import(member, "cards", cards).unwrap_err();
    assert!(matches!(error, ImportError::PaymentKeyMissing), "{error}");
    consortium.share_payment_key().unwrap();
    for member in consortium.members.values() {
        import(member, "cards", cards).unwrap();
    }
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();
    let count = |a, b| expected.count(&name(a), &name(b), IndicatorType::Pan);
    assert_eq!([count("a", "b"), count("b", "c"), count("c", "a")], [2; 3]);
    let policy = consortium.policy();
    assert!(
        policy.contains("\"pan\"") && !policy.contains("\"card_weak\""),
        "{policy}"
    );
}

#[test]
fn generated_sets_overlap_in_the_collections_as_they_are_said_to() {
    let place = tempfile::tempdir().unwrap();
    let consortium = found(place.path(), &PROVIDERS);
    for set in generate(&canonicaliser(), 7, clock::now()) {
        let member = consortium.members.get(&name(set.provider)).unwrap();
        let source = set.indicator_type.name();
        let report = import(member, source, &set.csv).unwrap();
        let accepted = report.tally.accepted.get(&set.indicator_type).copied();
        let lines = u64::try_from(set.csv.lines().count()).unwrap();
        assert_eq!(accepted, Some(lines - 1), "{source}");
    }
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();
    let mut pairs = 0;
    for querier in PROVIDERS.map(name) {
        for responder in PROVIDERS
            .map(name)
            .iter()
            .filter(|other| **other != querier)
        {
            for kind in IndicatorType::ALL {
                let count = expected.count(&querier, responder, kind);
                assert_eq!(count, overlap(kind), "{querier} at {responder}: {kind}");
                pairs += usize::from(count > 0);
            }
        }
    }
    assert_eq!(pairs, 6 * 13, "thirteen types for every ordered pair");

    // Everybody else holds what all three have.
    let question = expected.question().unwrap();
    assert_eq!(question.holders.len(), 2);
    for holder in &question.holders {
        let kind = question.row.indicator_type().unwrap();
        let rows = expected.of((&question.querier, holder, kind)).unwrap();
        assert!(rows.contains(&question.row));
    }
}

#[test]
fn whatever_the_exchange_does_not_find_is_said() {
    let place = tempfile::tempdir().unwrap();
    let consortium = found(place.path(), &["a", "b"]);
    let feeds = [
        ("a", "ip", "ip\n45.1.2.3\n45.1.3.3\n45.9.9.9\n"),
        ("b", "ip", "ip\n45.1.2.3\n"),
        ("b", "network", "network\n45.1.2.0/23\n"),
    ];
    for (member, source, feed) in feeds {
        import(consortium.members.get(&name(member)).unwrap(), source, feed).unwrap();
    }
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();
    let exact: Vec<_> = expected
        .iter()
        .map(|((querier, responder, indicator_type), rows)| PairResult {
            querier: querier.clone(),
            responder: responder.clone(),
            collection: COLLECTION.parse().unwrap(),
            indicator_type,
            purpose: PURPOSE.to_owned(),
            protocol: Protocol::Lookup,
            outcome: Outcome::Done,
            items: 3,
            asked: 0,
            charged: 0,
            left_out: 0,
            covered: None,
            receipted: true,
            unopened: 0,
            fresh: 0,
            gone: 0,
            changed: 0,
            found: rows.clone(),
            took: Duration::ZERO,
            bytes: 0,
        })
        .collect();
    let sizes: BTreeMap<_, _> = exact
        .iter()
        .map(|pair| {
            let of = (pair.querier.as_str(), pair.indicator_type.name());
            (of, pair.found.len())
        })
        .collect();
    let wanted = [(("a", "ip"), 1), (("a", "network"), 2), (("b", "ip"), 1)];
    assert_eq!(sizes, BTreeMap::from(wanted));
    assert_eq!(differences(&expected, &exact), []);

    let one = |change: &dyn Fn(&mut Vec<PairResult>)| {
        let mut changed = exact.clone();
        change(&mut changed);
        let differences = differences(&expected, &changed);
        assert_eq!(differences.len(), 1, "{differences:?}");
        differences.first().unwrap().to_string()
    };
    let network = |pairs: &mut Vec<PairResult>| {
        let of = |pair: &PairResult| pair.indicator_type == IndicatorType::Network;
        pairs.iter().position(of).unwrap()
    };
    let lost = one(&|pairs| {
        let at = network(pairs);
        pairs.get_mut(at).unwrap().found.pop_last();
    });
    assert_eq!(lost, "a at b, network: of 2 to find, 1 missing");
    // As many as there are, and not the same ones.
    let wrong = one(&|pairs| {
        let at = network(pairs);
        let found = &mut pairs.get_mut(at).unwrap().found;
        found.pop_last();
        found.insert([1, 1, 45, 9, 9, 9].as_slice().into());
    });
    let told = "a at b, network: of 2 to find, 1 missing, and 1 found that are none";
    assert_eq!(wrong, told);
    let refused = one(&|pairs| {
        let at = network(pairs);
        let pair = pairs.get_mut(at).unwrap();
        pair.found.clear();
        pair.outcome = Outcome::Refused("the day's budget is spent".to_owned());
    });
    let told = "a at b, network: of 2 to find, 2 missing (refused: the day's budget is spent)";
    assert_eq!(refused, told);
    let never = one(&|pairs| {
        let at = network(pairs);
        pairs.remove(at);
    });
    assert_eq!(
        never,
        "a at b, network: of 2 to find, 2 missing (nobody asked)"
    );
    // What has nothing to find may be refused.
    let mut changed = exact.clone();
    let mut nothing = exact.first().unwrap().clone();
    nothing.indicator_type = IndicatorType::Lei;
    nothing.found.clear();
    nothing.outcome = Outcome::Refused("the set is too small".to_owned());
    changed.push(nothing);
    assert_eq!(differences(&expected, &changed), []);
}
