//! `policy` and `config`: what is read, what is wrong with it, what is decided.

use serde_json::{Value, json};

use crate::place::{Place, Test};
use crate::roster::Consortium;

const POLICY: &str = r#"
[purpose.abuse-prevention]
text = "Recognise returning abusers."

[legal_basis.agreement]
text = "Consortium agreement, schedule B."
valid_until = 2099-12-31

[[allow]]
peers = ["bank"]
types = ["email"]
directions = ["serve"]
purposes = ["abuse-prevention"]
protocols = ["lookup"]
legal_basis = "agreement"
minimum_set_size = 1_000
"#;

/// Codes of what `policy check` found.
fn codes(checked: &Value) -> Vec<&str> {
    let findings = checked["findings"].as_array().into_iter().flatten();
    findings
        .filter_map(|finding| finding["code"].as_str())
        .collect()
}

#[test]
fn a_new_node_allows_nothing() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let checked = place.json("--home acme policy check")?;
    assert_eq!(codes(&checked), ["no_rules"]);
    let line = "--home acme policy explain --peer bank --type email --purpose abuse-prevention";
    let output = place.run(&format!("{line} --output json"))?;
    assert_eq!(output.status.code(), Some(3));
    let explained: Value = serde_json::from_slice(&output.stdout)?;
    let decisions = explained["decisions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(decisions.len(), 4, "two directions, two protocols");
    assert!(
        decisions
            .iter()
            .all(|decision| decision["refused"] == "no_rule")
    );
    Ok(())
}

#[test]
fn what_is_allowed_is_explained_with_its_conditions() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    let line = "--home acme policy explain --type email --purpose abuse-prevention";
    let explained = place.json(&format!(
        "{line} --peer bank --direction serve --protocol lookup"
    ))?;
    let decision = &explained["decisions"][0];
    assert_eq!(
        (&decision["allowed"], &decision["rule"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(decision["budget_day_left"], 1 << 23);
    let text = place.ok(&format!("{line} --peer bank"))?;
    assert!(
        text.contains("serve email to bank for abuse-prevention by lookup: allowed"),
        "{text}"
    );
    for (added, code, refused) in [
        (
            "--peer bank --direction serve --set-size 999",
            3,
            "set_too_small",
        ),
        ("--peer bank --direction ask", 3, "no_rule"),
        ("--peer nobody --direction serve", 3, "not_enrolled"),
        ("--peer gov --direction serve", 3, "liaison"),
    ] {
        let output = place.run(&format!("{line} {added} --output json"))?;
        assert_eq!(output.status.code(), Some(code), "{added}");
        let explained: Value = serde_json::from_slice(&output.stdout)?;
        let decision = &explained["decisions"][0];
        assert_eq!(decision["refused"], refused, "{added}");
        let next = decision["refusals"][0]["next"].as_str().unwrap_or_default();
        assert!(!next.is_empty(), "{added}");
    }
    place.fails(
        &format!("{line} --peer acme"),
        2,
        &[
            "acme is this node itself",
            "blindmatch --home acme roster show",
        ],
    )
}

#[test]
fn a_decision_is_explained_beside_whoever_owns_the_home() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    let line = "--home acme policy explain --type email --purpose abuse-prevention --peer bank \
                --direction serve";
    let alone = place.json(line)?;
    assert!(place.path("acme/index").exists());
    // An import that waits for its feed.
    let mut child = place
        .command("--home acme import --collection c -".split(' '))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let pid = format!("{} ", child.id());
    while !place.read("acme/home.lock")?.starts_with(&pid) {
        std::thread::yield_now();
    }
    let beside = place.json(line);
    place.fails("--home acme keys rotate", 1, &["has this home open"])?;
    drop(child.stdin.take());
    child.wait()?;
    assert_eq!(beside?, alone);
    // An index that is no more is made again.
    std::fs::remove_dir_all(place.path("acme/index"))?;
    assert_eq!(place.json(line)?, alone);
    Ok(())
}

#[test]
fn a_decision_needs_a_roster() -> Test {
    let place = Place::with_acme()?;
    let line = "--home acme policy explain --peer bank --type email --purpose x";
    place.fails(line, 1, &["no roster", "roster trust"])
}

#[test]
fn every_fault_of_a_policy_is_named_with_its_place() -> Test {
    let place = Place::with_acme()?;
    let broken = POLICY.replace("serve", "serv").replace("1_000", "\"many\"");
    place.write("acme/policy.toml", &broken)?;
    let says = [
        "policy.toml is no policy",
        "line 12, column 15",
        "did you mean `serve`",
        "line 16",
    ];
    place.fails("--home acme policy check", 1, &says)?;
    place.write("policy.toml", POLICY)?;
    // One that is not in force yet, without a home too.
    assert_eq!(place.json("policy check policy.toml")?["rules"], 1);
    place.write("broken.toml", broken)?;
    place.fails("policy check broken.toml", 1, &["broken.toml"])
}

#[test]
fn names_are_held_against_the_roster() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY.replace("bank", "bnak"))?;
    let checked = place.json("--home acme policy check")?;
    assert!(codes(&checked).contains(&"unknown_peer"), "{checked}");
    // A rule that can never hold is an error.
    place.write("acme/policy.toml", POLICY.replace("bank", "gov"))?;
    let output = place.run("--home acme policy check --output json")?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[test]
fn the_configuration_is_checked_with_the_place_of_a_fault() -> Test {
    let place = Place::with_acme()?;
    let checked = place.json("--home acme config check")?;
    assert_eq!(
        (&checked["member"], &checked["keep_days"]["ip"]),
        (&json!("acme"), &json!(90))
    );
    let config = place.read("acme/blindmatch.toml")?;
    place.write(
        "acme/blindmatch.toml",
        format!("{config}\n[keep_days]\nip = 0\n"),
    )?;
    let says = ["blindmatch.toml: line ", "column 1", "1 to 3660", "edit "];
    place.fails("--home acme config check", 1, &says)?;
    // Nothing works with a wrong configuration.
    place.fails("--home acme keys rotate", 1, &says)?;
    place.write("new.toml", config.replace("provider", "boss"))?;
    place.fails(
        "config check new.toml",
        1,
        &["new.toml", "provider or liaison"],
    )
}

#[test]
fn nothing_is_allowed_to_a_node_that_the_roster_does_not_list() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    let explain = "--home acme policy explain --type email --purpose abuse-prevention --peer bank \
                   --direction serve --protocol lookup";
    place.ok(explain)?;
    place.ok("roster new --after 1.roster 2.roster")?;
    place.ok("roster remove 2.roster acme")?;
    for key in ["ada", "bob"] {
        place.ok(&format!("roster sign --key {key}.key 2.roster"))?;
    }
    place.ok("--home acme roster install 2.roster")?;
    let says = [
        "this node is no member by the roster in force",
        "blindmatch --home acme card",
    ];
    place.fails(explain, 1, &says)
}

#[test]
fn an_operator_vouches_for_a_peer_by_a_record() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    let line = "--home acme policy override --days 7";
    let says = ["the reason stands in the ledger", "--why ticket-4711"];
    place.fails(
        &format!("{line} --peer bank --why bob@example.org"),
        1,
        &says,
    )?;
    place.fails(
        &format!("{line} --peer bnak --why INC-7"),
        1,
        &["no member bnak"],
    )?;
    place.fails(
        "--home acme policy override --days 367 --peer bank --why x",
        2,
        &["366"],
    )?;
    let vouched = place.json(&format!("{line} --peer bank --why INC-7"))?;
    assert_eq!(vouched["schema"], "blindmatch.policy_override.v1");
    assert_eq!(
        (&vouched["peer"], &vouched["why"]),
        (&json!("bank"), &json!("INC-7"))
    );
    // For whoever verifies the ledger: who, why and until when.
    let head = place.json("--home acme ledger checkpoint")?;
    let last = head["size"].as_u64().unwrap_or_default() - 1;
    place.ok(&format!("--home acme ledger proof {last} last.proof"))?;
    let proven = place.json("--home acme ledger verify last.proof")?;
    assert_eq!(proven["event"], "vouched");
    assert_eq!(proven["fields"]["why"], "INC-7");
    let operator = proven["fields"]["operator"].as_str().unwrap_or_default();
    assert!(operator.starts_with("uid "), "{proven}");
    Ok(())
}

#[test]
fn every_rule_is_marked_with_whom_it_binds() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    let line = "--home acme policy explain --type email --purpose abuse-prevention --peer bank";
    let explained = place.json(line)?;
    let decisions = explained["decisions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for decision in &decisions {
        let conditions = decision["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert_eq!(conditions.len(), 17, "{decision}");
        for condition in conditions {
            let binding = condition["binding"].as_str().unwrap_or_default();
            assert!(
                ["enforced", "honest-peer"].contains(&binding),
                "{condition}"
            );
        }
    }
    let serve = &decisions[2];
    assert_eq!(
        (&serve["runs_today"], &serve["runs_a_day"]),
        (&json!(0), &json!(256))
    );
    assert_eq!(serve["probing"], Value::Null);
    Ok(())
}

#[test]
fn what_lacks_evidence_is_said_to_be_held_back() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    place.write("feed", "one@shop.example.com\ntwo@shop.example.com\n")?;
    let imported = place.json("--home acme import --collection main --kind abuse feed")?;
    let of = |kind| json!({ "type": kind, "lacks": "reports", "minimum_reports": 2, "rows": 2 });
    let held = json!([of("email"), of("email_folded")]);
    assert_eq!(imported["held_back"], held);
    let shown = place.json("--home acme collections show main")?;
    assert_eq!(shown["held_back"], held);
    let text = place.ok("--home acme collections show main")?;
    assert!(
        text.contains("2 email reported fewer than 2 times"),
        "{text}"
    );
    // By the type's own threshold, or by none.
    let none = format!(
        "{POLICY}\n[evidence]\nreason_required = false\ntypes = {{ email = 0, email_folded = 0 }}\n"
    );
    place.write("acme/policy.toml", none)?;
    let shown = place.json("--home acme collections show main")?;
    assert_eq!(shown["held_back"], json!([]));
    Ok(())
}
