//! `batch` and `query`, against peers that answer.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Value, json};

use crate::peers::{HOME, Peers};
use crate::place::{Place, Test, stderr};

/// A policy that asks for and serves these types, each of its rules with what is `added`.
pub(crate) fn policy(asks: &[&str], serves: &[&str], added: &str) -> String {
    let mut policy = "[purpose.abuse-prevention]\ntext = \"Recognise returning abusers.\"\n\n\
                      [legal_basis.agreement]\ntext = \"Schedule B.\"\nvalid_until = 2099-12-31\n\n\
                      [evidence]\nminimum_reports = 0\nreason_required = false\n"
        .to_owned();
    for (direction, types) in [("ask", asks), ("serve", serves)] {
        if types.is_empty() {
            continue;
        }
        let added = if direction == "serve" { added } else { "" };
        let _ = write!(
            policy,
            "\n[[allow]]\npeers = [\"*\"]\ntypes = {types:?}\ndirections = [\"{direction}\"]\n\
             purposes = [\"abuse-prevention\"]\nprotocols = [\"lookup\"]\n\
             legal_basis = \"agreement\"\nminimum_set_size = 1\n{added}"
        );
    }
    policy
}

pub(crate) fn addresses(numbers: Range<u32>) -> String {
    let mut feed = String::new();
    for n in numbers {
        let address = std::net::Ipv4Addr::from(0x2d00_0000 + n * 3);
        let _ = writeln!(feed, "{address}");
    }
    feed
}

fn mails(numbers: Range<u32>) -> String {
    let mut feed = String::new();
    for n in numbers {
        let _ = writeln!(feed, "someone-{n}@mail-{n}.example.com");
    }
    feed
}

/// Customers with ids.
fn customers(numbers: Range<u32>) -> String {
    let mut csv = "ip,id\n".to_owned();
    for (n, address) in numbers.clone().zip(addresses(numbers).lines()) {
        let _ = writeln!(csv, "{address},customer-{n}");
    }
    csv
}

/// `a` asks for addresses and mails; `b` has 20 to 60 of the one and 0 to 10 of the other, `c` has 30
/// to 80 of the one.
pub(crate) fn three() -> Result<Peers, Box<dyn std::error::Error>> {
    let b = addresses(20..60) + &mails(0..10);
    let c = addresses(30..80);
    let asks = policy(&["ip", "email"], &[], "");
    let serves = policy(&["ip"], &["ip", "email"], "");
    Peers::new(
        &[("b", &b), ("c", &c)],
        &[("a", &asks), ("b", &serves), ("c", &serves)],
    )
}

pub(crate) fn import_customers(place: &Place, numbers: Range<u32>, how: &str) -> Test {
    place.write("customers.csv", customers(numbers))?;
    place.ok(&format!(
        "--home {HOME} import --collection accounts --map ip=ip --ref id {how} customers.csv"
    ))?;
    Ok(())
}

/// Runs a command that must end with `code`; its JSON and stderr, which shows no value.
pub(crate) fn ends(
    place: &Place,
    line: &str,
    code: i32,
) -> Result<Value, Box<dyn std::error::Error>> {
    let output = place.run(&format!("--home {HOME} {line} --output json"))?;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    for value in ["45.0.", "someone-", "mail-"] {
        assert!(!said.contains(value), "{line}: {said}");
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The pair of a peer and a type.
fn pair<'v>(batch: &'v Value, peer: &str, kind: &str) -> &'v Value {
    let pairs = batch["pairs"].as_array().into_iter().flatten();
    let mut pairs = pairs.filter(|pair| pair["responder"] == peer && pair["type"] == kind);
    pairs.next().unwrap_or(&Value::Null)
}

#[test]
fn a_batch_finds_what_is_shared_and_asks_for_it_once() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;

    let foreseen = ends(place, "batch --dry-run", 0)?;
    let at_b = pair(&foreseen, "b", "ip");
    assert_eq!(
        (&at_b["ask"], &at_b["charged"], &at_b["fetch_bytes"]),
        (&json!(40), &json!(40), &Value::Null)
    );
    let first = ends(place, "batch", 0)?;
    assert_eq!(first["schema"], "blindmatch.batch.v1");
    assert_eq!(
        (&first["verified"], &first["ok"]),
        (&json!(true), &json!(true))
    );
    for (peer, shared) in [("b", 20), ("c", 10)] {
        let pair = pair(&first, peer, "ip");
        assert_eq!(pair["status"], "done");
        assert_eq!(
            (&pair["matches"], &pair["new"]),
            (&json!(shared), &json!(shared))
        );
        assert_eq!((&pair["asked"], &pair["charged"]), (&json!(40), &json!(40)));
    }

    let foreseen = ends(place, "batch --dry-run", 0)?;
    let at_b = pair(&foreseen, "b", "ip");
    assert_eq!((&at_b["ask"], &at_b["charged"]), (&json!(0), &json!(8)));
    assert!(at_b["fetch_bytes"].as_u64() > Some(0));
    let second = ends(place, "batch", 0)?;
    let at_b = pair(&second, "b", "ip");
    assert_eq!((&at_b["asked"], &at_b["charged"]), (&json!(0), &json!(8)));
    assert_eq!((&at_b["matches"], &at_b["new"]), (&json!(20), &json!(0)));

    // What came since, and no more; of one peer alone.
    import_customers(place, 40..45, "--append")?;
    let third = ends(place, "batch --peer b", 0)?;
    let at_b = pair(&third, "b", "ip");
    assert_eq!(
        (&at_b["asked"], &at_b["matches"], &at_b["new"]),
        (&json!(5), &json!(25), &json!(5))
    );
    assert!(pair(&third, "c", "ip").is_null());

    let table = place.ok(&format!("--home {HOME} batch"))?;
    assert!(table.contains("accounts"), "{table}");
    place.fails(
        &format!("--home {HOME} batch --peer nobody"),
        1,
        &["no member nobody"],
    )
}

#[test]
fn large_lists_go_by_batch_until_their_answers_are_here() -> Test {
    let both = |policy: String| policy.replace("[\"lookup\"]", "[\"lookup\", \"batch\"]");
    let asks =
        policy(&["ip"], &[], "").replace("minimum_set_size", "sweep = true\nminimum_set_size");
    let peers = Peers::new(
        &[("b", &addresses(11_900..24_000))],
        &[("a", &both(asks)), ("b", &both(policy(&[], &["ip"], "")))],
    )?;
    let place = &peers.place;
    import_customers(place, 0..12_000, "")?;

    let foreseen = ends(place, "batch --dry-run", 0)?;
    let at_b = pair(&foreseen, "b", "ip");
    assert_eq!(
        (&at_b["protocol"], &at_b["ask"]),
        (&json!("batch"), &json!(12_000))
    );
    assert_eq!(at_b["charged"], 2 * 12_288);
    assert_eq!(at_b["batch"]["charged"], 2 * 12_288);
    assert_eq!(at_b["lookup"]["charged"], 12_288);
    let seconds = |by: &str| at_b[by]["seconds"].as_f64();
    assert!(seconds("batch") < seconds("lookup"), "{at_b}");
    let foreseen = ends(place, "batch --dry-run --protocol lookup", 0)?;
    assert_eq!(pair(&foreseen, "b", "ip")["protocol"], "lookup");

    let first = ends(place, "batch", 0)?;
    let at_b = pair(&first, "b", "ip");
    assert_eq!(
        (&at_b["protocol"], &at_b["matches"]),
        (&json!("batch"), &json!(100))
    );
    assert_eq!(
        (&at_b["charged"], &first["verified"]),
        (&json!(2 * 12_288), &json!(true))
    );
    // Nothing of it is kept, so that all of it is asked for again.
    import_customers(place, 12_000..12_010, "--append")?;
    let second = ends(place, "batch", 0)?;
    let at_b = pair(&second, "b", "ip");
    assert_eq!(
        (&at_b["protocol"], &at_b["asked"]),
        (&json!("batch"), &json!(12_010))
    );
    assert_eq!((&at_b["matches"], &at_b["new"]), (&json!(110), &json!(10)));
    let kept = ends(place, "matches list --peer b", 0)?;
    assert_eq!(kept["matches"].as_array().map(Vec::len), Some(110));

    // What lookup was paid for is known from then on.
    let looked_up = ends(place, "batch --sweep --protocol lookup", 0)?;
    let at_b = pair(&looked_up, "b", "ip");
    assert_eq!(
        (&at_b["protocol"], &at_b["matches"]),
        (&json!("lookup"), &json!(110))
    );
    let last = ends(place, "batch", 0)?;
    let at_b = pair(&last, "b", "ip");
    assert_eq!(
        (&at_b["protocol"], &at_b["charged"]),
        (&json!("lookup"), &json!(8))
    );
    assert_eq!(
        (&at_b["matches"], &at_b["left_out"]),
        (&json!(110), &json!(0))
    );
    Ok(())
}

#[test]
fn a_peer_that_is_down_leaves_the_others_done() -> Test {
    let mut peers = three()?;
    import_customers(&peers.place, 0..40, "")?;
    ends(&peers.place, "batch", 0)?;
    peers.stop("c");
    import_customers(&peers.place, 40..50, "--append")?;
    let batch = ends(&peers.place, "batch", 6)?;
    assert_eq!(batch["ok"], false);
    assert_eq!(pair(&batch, "b", "ip")["matches"], 30);
    assert_eq!(pair(&batch, "c", "ip")["status"], "unreachable");
    ends(&peers.place, "batch --peer c", 5)?;
    peers.start("c")?;
    let batch = ends(&peers.place, "batch", 0)?;
    let at_c = pair(&batch, "c", "ip");
    assert_eq!((&at_c["asked"], &at_c["new"]), (&json!(10), &json!(10)));
    Ok(())
}

#[test]
fn unchanged_customers_are_asked_for_again_only_with_an_allowance() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;
    let refused = ends(place, "batch --sweep", 3)?;
    let reason = pair(&refused, "b", "ip")["reason"].to_string();
    assert!(reason.contains("does not allow a sweep"), "{reason}");
    assert!(reason.contains("takes one night"), "{reason}");
    // By the budget of our own policy.
    let budget = "\n[budget.enumerable]\nday = 8\nepoch = 80\n";
    place.write("nodes/a/policy.toml", policy(&["ip"], &[], "") + budget)?;
    import_customers(place, 40..80, "--append")?;
    let refused = ends(place, "batch --sweep --peer b", 3)?;
    let reason = pair(&refused, "b", "ip")["reason"].to_string();
    assert!(reason.contains("up to 40 items"), "{reason}");
    assert!(reason.contains("about 5 nights"), "{reason}");
    let foreseen = ends(place, "batch --sweep --dry-run --peer b", 3)?;
    assert_eq!(pair(&foreseen, "b", "ip")["nights"], 5);
    let allowed =
        policy(&["ip"], &[], "").replace("minimum_set_size", "sweep = true\nminimum_set_size");
    place.write("nodes/a/policy.toml", allowed)?;
    ends(place, "batch --sweep", 0)?;
    Ok(())
}

#[test]
fn in_a_new_epoch_customers_are_asked_for_as_they_change() -> Test {
    let mut peers = three()?;
    import_customers(&peers.place, 0..40, "")?;
    ends(&peers.place, "batch", 0)?;
    let covers = |place: &Place, percent: u64, known: u64| -> Test {
        let status = ends(place, "status", 0)?;
        let all = status["peers"].as_array().into_iter().flatten();
        let mut of_b = all.filter(|peer| peer["peer"] == "b");
        let covered = &of_b.next().ok_or("no b")?["coverage"][0];
        assert_eq!(covered["collection"], "accounts", "{status}");
        let found = (&covered["percent"], &covered["known"]);
        assert_eq!(found, (&json!(percent), &json!(known)), "{status}");
        Ok(())
    };
    covers(&peers.place, 100, 40)?;
    peers.renew("b")?;
    import_customers(&peers.place, 40..45, "--append")?;
    let place = &peers.place;
    let changed = ends(place, "batch --peer b", 0)?;
    let at_b = pair(&changed, "b", "ip");
    assert_eq!((&at_b["asked"], &at_b["left_out"]), (&json!(5), &json!(40)));
    assert_eq!((&at_b["matches"], &at_b["new"]), (&json!(5), &json!(5)));
    covers(place, 11, 5)?;
    // What was found before is kept, and said to be earlier.
    let kept = ends(place, "matches list --peer b", 0)?;
    let kept: Vec<_> = kept["matches"].as_array().into_iter().flatten().collect();
    assert_eq!(kept.len(), 25);
    let now = kept.iter().filter(|one| one["in_last_run"] == true);
    assert_eq!(now.count(), 5);

    let allowed = policy(&["ip"], &[], "");
    let allowed = allowed.replace("minimum_set_size", "sweep = true\nminimum_set_size");
    place.write("nodes/a/policy.toml", allowed)?;
    let swept = ends(place, "batch --peer b --sweep", 0)?;
    let at_b = pair(&swept, "b", "ip");
    assert_eq!((&at_b["asked"], &at_b["left_out"]), (&json!(40), &json!(0)));
    assert_eq!(at_b["matches"], 25);
    covers(place, 100, 45)
}

#[test]
fn what_a_budget_does_not_cover_is_asked_for_another_night() -> Test {
    let b = addresses(20..60);
    let asks = policy(&["ip"], &[], "");
    let little = policy(&[], &["ip"], "budget = { day = 30, epoch = 30 }\n");
    let mut peers = Peers::new(
        &[("b", &b)],
        &[("a", &asks), ("b", &little), ("c", &little)],
    )?;
    import_customers(&peers.place, 0..40, "")?;
    // 28 is the largest class of 30.
    let first = ends(&peers.place, "batch --peer b", 4)?;
    let at_b = pair(&first, "b", "ip");
    assert_eq!(
        (&at_b["asked"], &at_b["status"]),
        (&json!(28), &json!("budget"))
    );
    let reason = at_b["reason"].to_string();
    assert!(
        reason.contains("12 items wait for the next epoch"),
        "{reason}"
    );
    let found = at_b["matches"].as_u64();
    let none = ends(&peers.place, "batch --peer b", 4)?;
    assert_eq!(pair(&none, "b", "ip")["asked"], 0);

    peers.stop("b");
    let more = policy(&[], &["ip"], "");
    peers.place.write("nodes/b/policy.toml", more)?;
    peers.start("b")?;
    let rest = ends(&peers.place, "batch --peer b", 0)?;
    let at_b = pair(&rest, "b", "ip");
    assert_eq!((&at_b["asked"], &at_b["matches"]), (&json!(12), &json!(20)));
    assert_eq!(at_b["new"].as_u64(), found.map(|found| 20 - found));
    Ok(())
}

#[test]
fn a_sweep_goes_on_night_by_night() -> Test {
    let b = addresses(0..40);
    let asks = policy(&["ip"], &[], "");
    let asks = asks.replace("minimum_set_size", "sweep = true\nminimum_set_size");
    let mut peers = Peers::new(
        &[("b", &b)],
        &[
            ("a", &asks),
            ("b", &policy(&[], &["ip"], "")),
            ("c", &policy(&[], &["ip"], "")),
        ],
    )?;
    import_customers(&peers.place, 0..40, "")?;
    ends(&peers.place, "batch --peer b", 0)?;
    // Under a new key nothing is known of them, and the peer has less to give.
    peers.renew("b")?;
    let serve = |peers: &mut Peers, day: u64| -> Test {
        peers.stop("b");
        let budget = format!("budget = {{ day = {day}, epoch = 400 }}\n");
        let policy = policy(&[], &["ip"], &budget);
        peers.place.write("nodes/b/policy.toml", policy)?;
        peers.start("b")
    };
    // 40 of the day are spent.
    serve(&mut peers, 56)?;
    import_customers(&peers.place, 40..44, "--append")?;

    // An eighth of the 16 is left, and 14 is the largest class of the rest. What is new comes first.
    let output = peers
        .place
        .run(&format!("--home {HOME} batch --peer b --sweep"))?;
    assert_eq!(output.status.code(), Some(4));
    let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("30 items wait, about 3 more nights"),
        "{said}"
    );
    assert!(said.contains("batch --sweep"), "{said}");
    let known = ends(&peers.place, "batch --peer b --dry-run", 0)?;
    let at_b = pair(&known, "b", "ip");
    assert_eq!((&at_b["ask"], &at_b["left_out"]), (&json!(0), &json!(30)));

    // The next night has another budget; it goes on where it stopped, and is over at last.
    for (day, asked, code) in [(70, 14, 4), (400, 16, 0), (400, 0, 0)] {
        serve(&mut peers, day)?;
        let night = ends(&peers.place, "batch --peer b --sweep", code)?;
        assert_eq!(pair(&night, "b", "ip")["asked"], asked, "{night}");
    }
    let whole = ends(&peers.place, "batch --peer b --dry-run", 0)?;
    let at_b = pair(&whole, "b", "ip");
    assert_eq!((&at_b["ask"], &at_b["left_out"]), (&json!(0), &json!(0)));
    Ok(())
}

/// The answer of a peer about the only indicator.
fn answer<'v>(answers: &'v Value, peer: &str) -> &'v Value {
    let answers = answers["answers"].as_array().into_iter().flatten();
    let mut of_peer = answers.filter(|answer| answer["peer"] == peer);
    of_peer.next().unwrap_or(&Value::Null)
}

#[test]
fn a_query_tells_its_answers_apart() -> Test {
    let b = addresses(20..60) + &mails(0..10);
    let c = addresses(30..80);
    let asks = policy(&["ip", "email"], &[], "");
    // Two questions about mails, and no more.
    let mails_little = policy(&[], &["email"], "budget = { day = 16, epoch = 16 }\n");
    let (_, rule) = mails_little.split_once("\n[[allow]]").ok_or("no rule")?;
    let b_serves = format!("{}\n[[allow]]{rule}", policy(&[], &["ip"], ""));
    let c_serves = policy(&[], &["ip"], "");
    let mut peers = Peers::new(
        &[("b", &b), ("c", &c)],
        &[("a", &asks), ("b", &b_serves), ("c", &c_serves)],
    )?;
    let place = &peers.place;
    place.write("one.txt", addresses(20..21))?;
    let query = "query --purpose abuse-prevention --case T-1";

    let early = ends(place, &format!("{query} --wait 0 one.txt"), 6)?;
    assert_eq!(answer(&early, "b")["answer"], "preparing");
    let why = answer(&early, "b")["why"].to_string();
    assert!(why.contains(" MB"), "{why}");

    let answers = ends(place, &format!("{query} one.txt"), 0)?;
    assert_eq!(answers["schema"], "blindmatch.query.v1");
    assert_eq!(
        (&answers["case"], &answers["held"]),
        (&json!("T-1"), &json!(1))
    );
    assert_eq!(answer(&answers, "b")["answer"], "held");
    assert_eq!(answer(&answers, "b")["reason"], "unspecified");
    assert_eq!(answer(&answers, "c")["answer"], "not_held");
    ends(place, &format!("{query} --fail-on-match one.txt"), 10)?;

    // What our policy does not ask for.
    let refused = ends(place, "query --type domain --value bad.example.com", 3)?;
    assert_eq!(answer(&refused, "b")["answer"], "not_allowed");

    // One of ten that b holds, which c serves nothing of; asked from standard input.
    place.write("mail.txt", mails(3..4))?;
    let mail = format!("{query} --type email mail.txt");
    for _ in 0..2 {
        let held = ends(place, &mail, 0)?;
        assert_eq!(answer(&held, "b")["answer"], "held");
        assert_eq!(answer(&held, "c")["answer"], "not_served");
        // Asked again it is known, and one that asks for nothing looks like any other.
    }
    let spent = ends(place, &mail, 4)?;
    assert_eq!(answer(&spent, "b")["answer"], "budget_spent");

    peers.stop("c");
    let place = &peers.place;
    let partly = ends(place, &format!("{query} one.txt"), 6)?;
    assert_eq!(answer(&partly, "b")["answer"], "held");
    assert_eq!(answer(&partly, "c")["answer"], "unreachable");
    ends(place, &format!("{query} --peer c one.txt"), 5)?;
    place.fails(&format!("--home {HOME} query"), 2, &["FILE"])?;
    place.fails(
        &format!("--home {HOME} query --type ip --value nonsense-45.0.0"),
        1,
        &["no indicator"],
    )
}
