//! `roster`: the ceremonies of administrators, and what nodes make of them.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;

use blindmatch_node::Node;
use blindmatch_node::audit::record::{self, Event};
use serde_json::{Value, json};

use crate::place::{Place, Test, stderr};

/// Three providers and a liaison with the roster that two administrators signed.
pub(crate) struct Consortium {
    pub(crate) place: Place,
}

impl Consortium {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let place = Place::new()?;
        for name in ["ada", "bob", "eve"] {
            place.save(
                &format!("roster keygen --name {name} {name}.key"),
                &format!("{name}.pub"),
            )?;
        }
        for (member, role) in [
            ("acme", "provider"),
            ("bank", "provider"),
            ("shop", "provider"),
            ("gov", "liaison"),
        ] {
            place.init(member, role)?;
            place.save(&format!("--home {member} card"), &format!("{member}.card"))?;
        }
        let keys = "--key ada.pub --key bob.pub --threshold 2 --next-key eve.pub";
        place.ok(&format!(
            "roster new --consortium cloudshield {keys} 1.roster"
        ))?;
        place.ok("roster add 1.roster acme.card bank.card shop.card gov.card")?;
        let consortium = Self { place };
        consortium.sign("1.roster", &["ada", "bob"])?;
        for member in ["acme", "bank", "shop", "gov"] {
            let words = consortium.words("1.roster")?;
            consortium
                .place
                .ok(&format!("--home {member} roster trust {words}"))?;
            consortium.install(member, "1.roster")?;
        }
        Ok(consortium)
    }

    /// The roster behind another, signed, with a quorum of so many witnesses.
    pub(crate) fn next(&self, roster: &str, after: &str, quorum: u8) -> Test {
        self.place.ok(&format!(
            "roster new --after {after} --witness-quorum {quorum} {roster}"
        ))?;
        self.sign(roster, &["ada", "bob"])
    }

    #[track_caller]
    fn sign(&self, roster: &str, signers: &[&str]) -> Test {
        for signer in signers {
            self.place
                .ok(&format!("roster sign --key {signer}.key {roster}"))?;
        }
        Ok(())
    }

    /// What an administrator reads out.
    pub(crate) fn words(&self, roster: &str) -> Result<String, Box<dyn Error>> {
        let shown = self.place.json(&format!("roster show {roster}"))?;
        Ok(shown["fingerprint"].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn install(&self, member: &str, roster: &str) -> Result<Value, Box<dyn Error>> {
        self.place
            .json(&format!("--home {member} roster install {roster}"))
    }
}

#[test]
fn a_roster_from_the_first_key_to_the_next() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let shown = place.json("--home acme roster show")?;
    assert_eq!(shown["schema"], "blindmatch.roster_show.v1");
    assert_eq!(
        (&shown["number"], &shown["signatures"]),
        (&json!(1), &json!(2))
    );
    let members: Vec<_> = shown["members"].as_array().into_iter().flatten().collect();
    let names: Vec<_> = members.iter().map(|member| &member["member"]).collect();
    assert_eq!(names, ["acme", "bank", "gov", "shop"]);
    let witnesses: Vec<_> = members.iter().map(|member| &member["witness"]).collect();
    assert_eq!(
        witnesses,
        [&json!(true), &json!(true), &json!(false), &json!(true)]
    );

    // Shop leaves.
    place.ok("roster new --after 1.roster 2.roster")?;
    place.ok("roster remove 2.roster shop")?;
    consortium.sign("2.roster", &["ada", "bob"])?;
    let verified = place.json("--home acme roster verify 2.roster")?;
    assert_eq!(verified["removed"], json!(["shop"]));
    assert_eq!(
        place.json("--home acme roster show")?["number"],
        1,
        "verify installs nothing"
    );
    assert_eq!(consortium.install("acme", "2.roster")?["authority"], "keys");
    let left = consortium.install("shop", "2.roster")?;
    assert_eq!(left["lists_us"], false);

    // Ada and Bob lose their keys; Eve's, which roster 2 names, takes their place.
    place.save("roster keygen --name joe joe.key", "joe.pub")?;
    place.ok("roster new --after 2.roster --advance-keys --next-key joe.pub 3.roster")?;
    consortium.sign("3.roster", &["eve"])?;
    let third = consortium.install("acme", "3.roster")?;
    assert_eq!(third["authority"], "next_keys");
    assert_eq!(third["keys_changed"], true);
    assert_eq!(place.json("--home acme roster show")?["number"], 3);

    // From then on the keys of Ada and Bob count for nothing, however many of them sign.
    place.ok("roster new --after 2.roster old-keys.roster")?;
    consortium.sign("old-keys.roster", &["ada", "bob"])?;
    let says = ["keys of roster number 3", "were replaced", "roster trust"];
    for command in ["install", "verify"] {
        let line = format!("--home acme roster {command} old-keys.roster");
        place.fails(&line, 1, &says)?;
    }

    // Then Joe's takes the place of Eve's. A node that slept through roster 3 cannot know Joe.
    place.save("roster keygen --name kim kim.key", "kim.pub")?;
    place.ok("roster new --after 3.roster --advance-keys --next-key kim.pub 4.roster")?;
    consortium.sign("4.roster", &["joe"])?;
    let says = ["one between them is missing", "behind number 1"];
    place.fails("--home bank roster install 4.roster", 1, &says)?;
    assert_eq!(
        consortium.install("bank", "3.roster")?["authority"],
        "next_keys"
    );
    assert_eq!(
        consortium.install("bank", "4.roster")?["authority"],
        "next_keys"
    );

    // And nobody goes back.
    let says = ["number 4 is held", "never goes back"];
    place.fails("--home bank roster install 2.roster", 1, &says)
}

#[test]
fn too_few_signatures_are_counted() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("roster new --after 1.roster 2.roster")?;
    let says = ["0 of 2 signatures", "roster sign --key KEY 2.roster"];
    place.fails("--home acme roster install 2.roster", 1, &says)?;
    consortium.sign("2.roster", &["ada"])?;
    place.fails(
        "--home acme roster install 2.roster",
        1,
        &["1 of 2 signatures"],
    )?;
    let says = ["signed 2.roster already", "roster show 2.roster"];
    place.fails("roster sign --key ada.key 2.roster", 1, &says)?;
    // A key whose signature would count for nothing does not sign.
    let before = place.read("2.roster")?;
    let says = ["none of the keys", "roster show 2.roster", "--after"];
    place.fails("roster sign --key eve.key 2.roster", 1, &says)?;
    place.save("roster keygen --name zoe zoe.key", "zoe.pub")?;
    place.fails(
        "roster sign --key zoe.key 2.roster --after 1.roster",
        1,
        &says,
    )?;
    assert_eq!(place.read("2.roster")?, before);
    // Those of the roster before may, where that is named.
    place.ok("roster sign --key eve.key 2.roster --after 1.roster")?;
    place.ok("roster sign --key bob.key 2.roster")?;
    consortium.install("acme", "2.roster")?;
    Ok(())
}

#[test]
fn a_roster_is_verified_where_there_is_no_node() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let verified = place.json("roster verify 1.roster")?;
    assert_eq!(
        (&verified["number"], &verified["signatures"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        verified["fingerprint"],
        json!(consortium.words("1.roster")?)
    );
    place.ok("roster new --after 1.roster 2.roster")?;
    consortium.sign("2.roster", &["ada"])?;
    place.fails("roster verify 2.roster", 1, &["1 of 2 signatures"])?;
    let changed = place
        .read("1.roster")?
        .replace("shop.example", "evil.example");
    place.write("changed.roster", changed)?;
    place.fails("roster verify changed.roster", 1, &["does not hold"])?;
    // A home that was named has to be there.
    place.fails("--home nowhere roster verify 1.roster", 1, &["nowhere"])
}

#[test]
fn a_signed_roster_is_never_changed() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let before = place.read("1.roster")?;
    let says = ["1.roster is signed", "roster new --after 1.roster"];
    place.fails("roster remove 1.roster shop", 1, &says)?;
    place.fails("roster add 1.roster acme.card", 1, &says)?;
    assert_eq!(place.read("1.roster")?, before);
    Ok(())
}

#[test]
fn a_quorum_that_cannot_be_reached_any_more_is_lowered() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("roster new --after 1.roster --witness-quorum 2 2.roster")?;
    let output = place.run("roster remove 2.roster shop")?;
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("is 1 from now on") && said.contains("reach 2"),
        "{said}"
    );
    let shown = place.json("roster show 2.roster")?;
    assert_eq!(shown["witness_quorum"], "1");
    place.ok("roster remove 2.roster bank")?;
    let shown = place.json("roster show 2.roster")?;
    assert_eq!(shown["witness_quorum"], "more than half");
    Ok(())
}

#[test]
fn two_rosters_of_one_number_are_a_fork() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    for (roster, leaves) in [("2.roster", "shop"), ("2b.roster", "bank")] {
        place.ok(&format!("roster new --after 1.roster {roster}"))?;
        place.ok(&format!("roster remove {roster} {leaves}"))?;
        consortium.sign(roster, &["ada", "bob"])?;
    }
    consortium.install("acme", "2.roster")?;
    place.fails(
        "--home acme roster install 2b.roster",
        1,
        &["two rosters of number 2"],
    )
}

#[test]
fn a_node_trusts_no_first_roster_by_itself() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.init("late", "provider")?;
    let says = [
        "no fingerprint",
        "roster show 1.roster",
        "roster trust WORDS",
    ];
    place.fails("--home late roster install 1.roster", 1, &says)?;
    // The words of another roster.
    place.ok("roster new --after 1.roster 2.roster")?;
    let words = consortium.words("2.roster")?;
    place.ok(&format!("--home late roster trust {words}"))?;
    let says = ["of the roster's fingerprint is not the confirmed one"];
    place.fails("--home late roster install 1.roster", 1, &says)?;
    // A typing error is told, and which word it is.
    let words = consortium.words("1.roster")?;
    let typo = words.replacen(' ', "x ", 1);
    place.fails(&format!("--home late roster trust {typo}"), 2, &["word 1"])?;
    place.fails("--home late roster trust one two", 2, &["12 words, not 2"])?;
    place.ok(&format!(
        "--home late roster trust {}",
        words.to_uppercase()
    ))?;
    assert_eq!(consortium.install("late", "1.roster")?["lists_us"], false);
    Ok(())
}

#[test]
fn a_roster_that_was_changed_on_its_way_is_refused() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("roster new --after 1.roster 2.roster")?;
    consortium.sign("2.roster", &["ada", "bob"])?;
    let changed = place
        .read("2.roster")?
        .replace("shop.example:7443", "evil.example:7443");
    place.write("changed.roster", changed)?;
    place.fails(
        "--home acme roster install changed.roster",
        1,
        &["does not hold"],
    )?;
    place.write("no.roster", "hello\n")?;
    place.fails(
        "--home acme roster install no.roster",
        1,
        &["no.roster is no roster: line 1"],
    )
}

#[test]
fn a_roster_of_another_consortium_is_refused() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let keys = "--key ada.pub --next-key eve.pub";
    place.ok(&format!(
        "roster new --consortium other {keys} other.roster"
    ))?;
    consortium.sign("other.roster", &["ada"])?;
    place.fails(
        "--home acme roster install other.roster",
        1,
        &["that of other", "cloudshield"],
    )
}

#[test]
fn a_member_gets_new_keys_by_a_new_card() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    fs::remove_dir_all(place.path("shop"))?;
    place.init("shop", "provider")?;
    place.save("--home shop card", "new.card")?;
    place.ok("roster new --after 1.roster 2.roster")?;
    place.fails(
        "roster add 2.roster new.card",
        1,
        &["shop already", "--replace"],
    )?;
    place.ok("roster add --replace 2.roster new.card")?;
    consortium.sign("2.roster", &["ada", "bob"])?;
    assert_eq!(
        consortium.install("acme", "2.roster")?["rekeyed"],
        json!(["shop"])
    );
    Ok(())
}

#[test]
fn keys_of_administrators_are_kept_apart_and_never_written_over() -> Test {
    let place = Place::new()?;
    let made = place.json("roster keygen --name ada ada.key")?;
    assert!(
        made["public_key"]
            .as_str()
            .is_some_and(|key| key.starts_with("ada+"))
    );
    assert_eq!(fs::metadata(place.path("ada.key"))?.mode() & 0o777, 0o600);
    place.fails("roster keygen --name ada ada.key", 1, &["exists"])?;
    let new = "roster new --consortium c --next-key ada.pub --key";
    place.fails(&format!("{new} nowhere 1.roster"), 1, &["nowhere"])?;
    place.fails(
        &format!("{new} ada.key 1.roster"),
        1,
        &["no public key", "keygen"],
    )?;
    let public = made["public_key"].as_str().unwrap_or_default();
    place.write("ada.pub", public)?;
    let says = ["that would be no roster"];
    place.fails(&format!("{new} {public} 1.roster"), 1, &says)
}

#[test]
fn a_peer_that_told_two_stories_is_shown_until_it_is_readmitted() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.fails(
        "--home acme roster readmit bank",
        1,
        &[
            "no record keeps this node from asking bank",
            "blindmatch --home acme status",
        ],
    )?;
    {
        let node = Node::open(&place.path("acme"))?;
        node.ledger()?.0.append(vec![Event::Equivocation {
            peer: record::Name::new("bank")?,
            accepted: [1; 32],
            shown: [2; 32],
        }])?;
    }
    let says = [
        "bank told two stories",
        "blindmatch --home acme roster readmit bank",
    ];
    let doctor = place.run("--home acme doctor")?;
    assert_eq!(doctor.status.code(), Some(1));
    let status = place.ok("--home acme status")?;
    for text in [String::from_utf8(doctor.stdout)?, status] {
        for says in says {
            assert!(text.contains(says), "{text}");
        }
    }
    place.ok("--home acme roster readmit bank")?;
    let status = place.json("--home acme status")?;
    let peers = status["peers"].as_array().ok_or("peers")?;
    assert!(
        peers.iter().all(|peer| peer["equivocation"].is_null()),
        "{status}"
    );
    Ok(())
}
