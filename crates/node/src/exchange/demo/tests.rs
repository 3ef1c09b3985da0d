#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use blindmatch_audit::record::Event;
use blindmatch_feeds::Options;
use blindmatch_indicator::{IndicatorType, PublicSuffixes};
use blindmatch_membership::Digest;
use blindmatch_psi::publication::QueryClass;

use super::*;
use crate::demo::{Expected, Outcome, differences};

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn found(folder: &Path, sets: &[(&str, &str)]) -> Consortium {
    let names: Vec<_> = sets.iter().map(|(member, _)| name(member)).collect();
    let consortium = Consortium::found(folder, &names, Digest([7; 32])).unwrap();
    for (member, feed) in sets {
        import(&consortium, member, feed);
    }
    consortium
}

fn import(consortium: &Consortium, member: &str, feed: &str) {
    let member = consortium.members.get(&name(member)).unwrap();
    let desk = member.desk(&canonicaliser()).unwrap();
    let imported = desk.import(
        "feed".parse().unwrap(),
        |canonicaliser, sink| {
            let options = Options::default();
            blindmatch_feeds::read(feed.as_bytes(), &options, canonicaliser, sink)
        },
        &mut |_| {},
    );
    imported.unwrap();
}

fn addresses(numbers: std::ops::Range<u32>) -> String {
    let mut feed = String::new();
    for n in numbers {
        let address = std::net::Ipv4Addr::from(0x2d00_0000 + n * 3);
        writeln!(feed, "{address}").unwrap();
    }
    feed
}

fn unwatched() -> Watch {
    Arc::new(|_| {})
}

/// The sum of all that a node charged.
fn charged(consortium: &Consortium, member: &str) -> u64 {
    let member = consortium.members.get(&name(member)).unwrap();
    let (log, _) = member.node.log().unwrap();
    let records = log.records(0..u64::MAX).map(|record| record.unwrap().1);
    let amounts = records.map(|record| match record.event {
        Event::Debit { amount, .. } => amount.count(),
        _ => 0,
    });
    amounts.sum()
}

#[test]
fn three_members_find_what_they_share_and_ask_for_it_once() {
    let place = tempfile::tempdir().unwrap();
    let mut sets = [
        ("a", addresses(0..40)),
        ("b", addresses(20..60)),
        ("c", addresses(30..80)),
    ];
    sets[2].1.push_str("45.0.0.0/24\n");
    let sets = sets.each_ref().map(|(member, feed)| (*member, &**feed));
    let mut consortium = found(place.path(), &sets);
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();
    assert!(expected.iter().count() >= 6);
    let question = expected.question();

    let first = exchange(&mut consortium, &canonicaliser(), question.as_ref()).unwrap();
    assert_eq!(differences(&expected, &first.pairs), []);
    let done = first.pairs.iter().all(|pair| pair.outcome == Outcome::Done);
    assert!(done, "{:?}", first.pairs);
    assert_eq!(first.steps.len(), 3);
    assert!(first.steps.iter().all(|step| step.ok), "{:?}", first.steps);
    let before = charged(&consortium, "b");

    // Nothing has changed, so each run asks for nothing, and looks like any small one.
    let second = exchange(&mut consortium, &canonicaliser(), None).unwrap();
    assert_eq!(differences(&expected, &second.pairs), []);
    let least = QueryClass::holding(1).unwrap().items();
    let at_b = second
        .pairs
        .iter()
        .filter(|pair| pair.responder == name("b"));
    let at_b = u64::try_from(at_b.count()).unwrap();
    assert_eq!(charged(&consortium, "b") - before, at_b * least);
}

#[test]
fn a_run_whose_responder_dies_is_resumed_and_paid_for_once() {
    let place = tempfile::tempdir().unwrap();
    let (asked, served) = (addresses(0..4_500), addresses(4_000..4_600));
    let sets = [("a", asked.as_str()), ("b", served.as_str())];
    let mut consortium = found(place.path(), &sets);
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();

    let mut daemons = BTreeMap::new();
    let mut listeners = BTreeMap::new();
    for (name, Member { node, listener }) in mem::take(&mut consortium.members) {
        listeners.insert(name.clone(), listener.try_clone().unwrap());
        let daemon = Daemon::open(node, canonicaliser(), Arc::new(clock::now)).unwrap();
        daemons.insert(name, (daemon, listener));
    }
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let pairs = runtime.block_on(async {
        let mut members = BTreeMap::new();
        for (name, (daemon, listener)) in daemons {
            members.insert(name, Working::start(daemon, listener).unwrap());
        }
        for working in members.values() {
            working.daemon.publish().unwrap();
        }
        for working in members.values() {
            assert!(working.serving.gather(&working.endpoint).await.unwrap());
        }
        let asker = members[&name("a")].asker();
        let Working {
            daemon,
            endpoint,
            server,
            ..
        } = members.remove(&name("b")).unwrap();
        let batch = tokio::spawn({
            let asker = asker.clone();
            async move { asker.batch(&Batch::default(), &unwatched()).await.unwrap() }
        });
        // Once it has charged something it dies.
        let is_charged = || {
            let log = daemon.ledger().log();
            let mut records = log.records(0..u64::MAX);
            records.any(|record| matches!(record.unwrap().1.event, Event::Debit { .. }))
        };
        while !is_charged() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(server);
        let pairs = batch.await.unwrap();
        let failed = |pair: &PairResult| pair.outcome.is_failure() && pair.found.is_empty();
        assert!(pairs.iter().any(failed), "{pairs:?}");
        let runs = asker.daemon.runs();
        assert_eq!(runs.unfinished().len(), 1);
        assert!(runs.ended().unwrap().is_empty(), "nothing of it shows");

        let listener = listeners[&name("b")].try_clone().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serving = Serving::new(Arc::clone(&daemon));
        let _server = endpoint.serve(listener, Arc::new(serving.clone()));
        // It answers once a witness has borne it out.
        assert!(serving.gather(&endpoint).await.unwrap());
        let pairs = asker.batch(&Batch::default(), &unwatched()).await.unwrap();
        assert!(runs.unfinished().is_empty());
        pairs
    });
    runtime.shutdown_timeout(DRAIN);
    let of_a = (&name("a"), &name("b"), IndicatorType::Ip);
    let found = pairs
        .iter()
        .find(|pair| pair.indicator_type == IndicatorType::Ip);
    assert_eq!(Some(&found.unwrap().found), expected.of(of_a));

    for (name, listener) in listeners {
        let node = Node::open(&consortium.home(&name)).unwrap();
        consortium.members.insert(name, Member { node, listener });
    }
    let class = |items| QueryClass::holding(items).unwrap().items();
    assert_eq!(charged(&consortium, "b"), class(4_500) + class(1));
}
