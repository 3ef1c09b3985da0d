#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use blindmatch_indicator::IndicatorType;
use blindmatch_node::demo::{COLLECTION, Outcome, PURPOSE, PairResult, RowKey};
use clap::Parser;

use super::*;
use crate::args::demo::EXAMPLES;

#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Typed {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    demo: DemoArguments,
}

fn typed(arguments: &[&str]) -> Typed {
    let words = ["demo", "--quiet"].iter().chain(arguments);
    Typed::try_parse_from(words).unwrap()
}

/// What an exchange gives that found `found` of each run.
fn results(
    consortium: &Consortium,
    of: &[(&str, &str, IndicatorType)],
    found: &[RowKey],
) -> Exchanged {
    assert!(consortium.members.len() > 1);
    let pairs = of
        .iter()
        .map(|(querier, responder, indicator_type)| PairResult {
            querier: querier.parse().unwrap(),
            responder: responder.parse().unwrap(),
            collection: COLLECTION.parse().unwrap(),
            indicator_type: *indicator_type,
            purpose: PURPOSE.to_owned(),
            protocol: blindmatch_node::rules::Protocol::Lookup,
            outcome: Outcome::Done,
            items: 3,
            asked: 3,
            charged: 8,
            left_out: 0,
            covered: None,
            receipted: true,
            unopened: 0,
            fresh: 0,
            gone: 0,
            changed: 0,
            found: found.iter().cloned().collect(),
            took: Duration::from_millis(20),
            bytes: 4_096,
        });
    Exchanged {
        pairs: pairs.collect(),
        steps: Vec::new(),
    }
}

#[test]
fn sets_are_named_for_their_members() {
    let arguments = typed(&["--set", "a=one=1.txt", "--set", "acme-pay=two.csv"]);
    let sets: Vec<_> = arguments.demo.sets.iter().collect();
    assert_eq!(sets.len(), 2);
    assert_eq!(sets.first().unwrap().1, Path::new("one=1.txt"));
    for wrong in ["feed.txt", "a=", "=feed.txt", "A=feed.txt"] {
        assert!(
            Typed::try_parse_from(["demo", "--set", wrong]).is_err(),
            "{wrong}"
        );
    }
    let error = members(&typed(&["--set", "a=1", "--set", "a=2"]).demo.sets).unwrap_err();
    assert_eq!(error.exit, Exit::Usage);
}

#[test]
fn what_differs_from_the_plain_intersection_ends_in_an_error() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = place.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let one = file("one.txt", "45.1.2.3\n45.9.9.9\nsomebody@mailbox.example\n");
    let two = file("two.txt", "45.1.2.3\n8.8.4.4\n");
    let (a, b) = (format!("a={one}"), format!("b={two}"));
    let both = [("a", "b", IndicatorType::Ip), ("b", "a", IndicatorType::Ip)];
    let right: RowKey = [1, 1, 45, 1, 2, 3].as_slice().into();
    let wrong: RowKey = [1, 1, 45, 9, 9, 9].as_slice().into();
    // Without cosignatures no ledger holds, so that even the right answer is not all.
    for (number, found) in [right, wrong].into_iter().enumerate() {
        let kept = place.path().join(format!("kept-{number}"));
        let dir = kept.display().to_string();
        let output = if number == 0 { "table" } else { "csv" };
        let arguments = ["--set", &a, "--set", &b, "--dir", &dir, "--output", output];
        let arguments = typed(&arguments);
        let mut asked = None;
        let exit = run(
            &arguments.demo,
            &arguments.global,
            |consortium, question| {
                asked = question.cloned();
                Ok(results(consortium, &both, std::slice::from_ref(&found)))
            },
        );
        assert_eq!(exit.unwrap(), Exit::Error);
        assert_eq!(asked.unwrap().row.as_bytes(), [1, 1, 45, 1, 2, 3]);
        assert!(kept.join("nodes/a/blindmatch.toml").exists());
        let error = run(&arguments.demo, &arguments.global, |_, _| {
            panic!("not empty")
        });
        assert!(error.is_err());
    }
}

#[test]
fn a_report_is_ok_where_everything_is() {
    let place = tempfile::tempdir().unwrap();
    let names = [("a"), ("b")].map(|name| name.parse().unwrap());
    let consortium = Consortium::found(place.path(), &names, Digest([0; 32])).unwrap();
    let of = [
        ("b", "a", IndicatorType::Ip),
        ("a", "b", IndicatorType::Eth),
    ];
    let exact = results(&consortium, &of, &[]);
    let expected = Expected::of_all(&consortium, &canonicaliser()).unwrap();
    let differences = differences(&expected, &exact.pairs);
    let report = Demonstrated::of(&exact, &differences, None);
    assert!(report.is_ok());
    let text = output::Report::table(&report);
    assert!(text.contains("and 2 runs that found nothing"), "{text}");
    assert!(text.contains("intersection  ok"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    let pair = json.pointer("/pairs/0").unwrap();
    for key in [
        "querier",
        "responder",
        "collection",
        "type",
        "purpose",
        "protocol",
        "status",
        "reason",
        "items",
        "matches",
        "seconds",
        "bytes",
    ] {
        assert!(pair.get(key).is_some(), "{key}");
    }
    assert_eq!(pair.pointer("/querier").unwrap(), "a");

    let mut failed = exact;
    failed.pairs.first_mut().unwrap().outcome = Outcome::Failed("cut off".to_owned());
    assert!(!Demonstrated::of(&failed, &[], None).is_ok());
}

#[test]
fn generated_sets_are_imported_whole_and_nothing_is_left_behind() {
    let arguments = typed(&[]);
    let mut folder = PathBuf::new();
    let error = run(
        &arguments.demo,
        &arguments.global,
        |consortium, question| {
            folder = consortium.folder().to_owned();
            assert_eq!(question.unwrap().holders.len(), 2);
            for member in consortium.members.values() {
                let contents = member.contents().unwrap().unwrap();
                let values = contents.sources.values();
                let values: u64 = values.map(|source| source.counts.given_total()).sum();
                assert!(values > 3_000, "{values}");
            }
            Err(blindmatch_node::Error::NoLedgerKey)
        },
    );
    assert!(error.is_err());
    assert!(
        folder.is_absolute() && !folder.exists(),
        "{}",
        folder.display()
    );
}

fn canonicaliser() -> Canonicaliser {
    Canonicaliser::new(tables::public_suffixes(None).unwrap())
}
