//! What of a ledger witnesses cosigned, and what only its node signed.

use std::error::Error;
use std::fs;

use blindmatch_node::audit::SigningKey;
use blindmatch_node::audit::checkpoint::{SignedCheckpoint, witness_name};
use blindmatch_node::audit::cosignature::{WitnessKey, cosign};
use blindmatch_node::membership::{Delegations, SignedRoster};
use blindmatch_node::{Node, clock};
use serde_json::{Value, json};

use crate::place::{Test, stderr};
use crate::roster::Consortium;

const ALONE: &str = "signed by the node only, no witness";
const BOTH: &str = "cosigned by blindmatch/cloudshield/bank/witness, \
                    blindmatch/cloudshield/shop/witness (quorum 2 of 2)";
const ONE: &str = "cosigned by blindmatch/cloudshield/bank/witness (no quorum: 2 of 2 have to)";

/// A consortium whose node acme has met the others.
fn met() -> Result<Consortium, Box<dyn Error>> {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let roster = SignedRoster::read(&fs::read(place.path("1.roster"))?)?;
    let mut delegations = Delegations::default();
    for member in ["bank", "shop"] {
        let delegation = fs::read(place.path(&format!("{member}/roster/delegation-1")))?;
        delegations.accept(roster.roster(), &delegation, clock::now())?;
    }
    place.write("acme/roster/peers", delegations.encode())?;
    Ok(consortium)
}

fn key(consortium: &Consortium, witness: &str) -> Result<SigningKey, Box<dyn Error>> {
    let node = Node::open(&consortium.place.path(witness))?;
    let seed = node.home().named_keys().load("checkpoints-1")?;
    let seed: &[u8] = &seed;
    Ok(SigningKey::from_bytes(seed.try_into()?))
}

/// The newest checkpoint of acme's, cosigned by these.
fn cosigned(consortium: &Consortium, witnesses: &[&str]) -> Result<String, Box<dyn Error>> {
    let head = consortium.place.ok("--home acme ledger checkpoint")?;
    let mut head = SignedCheckpoint::parse(head.as_bytes())?;
    for witness in witnesses {
        let (name, key) = (
            witness_name("cloudshield", witness)?,
            key(consortium, witness)?,
        );
        let line = cosign(head.unverified(), &name, &key, clock::now()).ok_or("a time")?;
        head.add(&line)?;
    }
    Ok(head.to_string())
}

/// Has acme keep this as its cosigned checkpoint.
fn keep(consortium: &Consortium, cosigned: &str) -> Test {
    let node = Node::open(&consortium.place.path("acme"))?;
    let cosigned = SignedCheckpoint::parse(cosigned.as_bytes())?;
    Ok(node.ledger()?.0.keep_cosigned(&cosigned)?)
}

fn options(consortium: &Consortium) -> Result<String, Box<dyn Error>> {
    let place = &consortium.place;
    let head = place.json("--home acme ledger checkpoint")?;
    let mut options = format!("--key {}", head["key"].as_str().unwrap_or_default());
    for witness in ["bank", "shop"] {
        let (name, key) = (
            witness_name("cloudshield", witness)?,
            key(consortium, witness)?,
        );
        let key = WitnessKey::new(name, key.verifying_key());
        options = format!("{options} --witness {key}");
    }
    Ok(options)
}

#[test]
fn an_export_says_what_it_has_and_what_it_leaves_out() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    let all = place.json("--home acme ledger export first.ledger")?;
    assert_eq!(
        (
            &all["size"],
            &all["left_out"],
            &all["signed"],
            &all["cosigned"]
        ),
        (&json!(4), &json!(0), &json!(ALONE), &json!(false))
    );
    keep(&consortium, &cosigned(&consortium, &["bank", "shop"])?)?;
    let before = options(&consortium)?;
    place.ok("--home acme keys rotate")?;

    let output = place.run("--home acme ledger export cosigned.ledger --output json")?;
    let exported: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (
            &exported["size"],
            &exported["ledger_records"],
            &exported["left_out"]
        ),
        (&json!(4), &json!(5), &json!(1))
    );
    assert_eq!(
        (&exported["signed"], &exported["cosigned"]),
        (&json!(BOTH), &json!(true))
    );
    let said = stderr(&output);
    for says in [
        "cosigned.ledger has 4 of the ledger's 5 records",
        "witnesses cosigned",
        "blindmatch --home acme ledger export --all FILE",
    ] {
        assert!(said.contains(says), "{said}");
    }
    let quiet = place.run("--home acme ledger export -q quiet.ledger")?;
    assert!(quiet.stderr.is_empty(), "{}", stderr(&quiet));

    // As the hint says.
    let output = place.run("--home acme ledger export --all all.ledger --output json")?;
    let all: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (&all["size"], &all["ledger_records"], &all["left_out"]),
        (&json!(5), &json!(5), &json!(0))
    );
    assert_eq!(
        (&all["signed"], &all["cosigned"]),
        (&json!(ALONE), &json!(false))
    );
    assert!(output.stderr.is_empty(), "{}", stderr(&output));

    // Whoever verifies them finds the same, at home and elsewhere.
    let after = options(&consortium)?;
    for (file, options, size, signed) in [
        ("cosigned.ledger", &before, 4, BOTH),
        ("all.ledger", &format!("{after} --quorum 0"), 5, ALONE),
    ] {
        let own = place.json(&format!("--home acme ledger verify {file}"))?;
        let others = place.json(&format!("ledger verify {options} {file}"))?;
        for verified in [own, others] {
            assert_eq!(
                (&verified["size"], &verified["signed"]),
                (&json!(size), &json!(signed))
            );
        }
        let shown = place.ok(&format!("--home acme ledger verify {file}"))?;
        assert!(shown.contains(signed), "{shown}");
    }
    place.fails(
        &format!("ledger verify {after} all.ledger"),
        1,
        &["0 of the 2 witnesses"],
    )?;
    // Who is given no witness's key cannot tell, and is not told that nobody cosigned.
    let unknown = before.split(" --witness").next().unwrap_or_default();
    let shown = place.json(&format!("ledger verify {unknown} cosigned.ledger"))?;
    assert_eq!(
        (&shown["cosigners"], &shown["unverified_cosignatures"]),
        (&json!([]), &json!(2))
    );
    let verify = format!("ledger verify {unknown} cosigned.ledger");
    let output = place.run(&verify)?;
    for says in [
        "2 of the cosignatures not verified",
        "--witness",
        "roster witnesses MEMBER",
    ] {
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let shown = String::from_utf8(output.stdout)?;
    assert!(
        shown.contains("signed by the node; cosignatures not verified: 2"),
        "{shown}"
    );
    let proof = place.json("--home acme ledger proof 3 3.proof")?;
    assert_eq!(proof["signed"], BOTH);
    let proof = place.json("--home acme ledger proof 4 4.proof")?;
    assert_eq!(proof["signed"], ALONE);
    Ok(())
}

#[test]
fn a_third_party_types_what_a_member_shows() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    keep(&consortium, &cosigned(&consortium, &["bank", "shop"])?)?;
    place.ok("--home acme ledger export acme.ledger")?;
    // What bank knows: acme and shop, and that it is a witness itself.
    let roster = SignedRoster::read(&fs::read(place.path("1.roster"))?)?;
    let mut delegations = Delegations::default();
    for member in ["acme", "shop"] {
        let delegation = fs::read(place.path(&format!("{member}/roster/delegation-1")))?;
        delegations.accept(roster.roster(), &delegation, clock::now())?;
    }
    place.write("bank/roster/peers", delegations.encode())?;

    for line in [
        "--home acme roster witnesses",
        "--home bank roster witnesses acme",
    ] {
        let output = place.run(line)?;
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        let typed = said.split("blindmatch ").nth(1).ok_or("no command")?;
        let typed = typed.trim_end().replace(" FILE", " acme.ledger");
        assert!(typed.starts_with("ledger verify --key "), "{typed}");
        assert!(typed.ends_with("--quorum 2 acme.ledger"), "{typed}");
        assert_eq!(place.json(&typed)?["signed"], BOTH, "{line}");

        // The same from what scripts read.
        let shown = place.json(line)?;
        let keys = |of: &str, option: &str| -> String {
            let keys = shown[of].as_array().into_iter().flatten();
            keys.map(|key| format!("--{option} {} ", key.as_str().unwrap_or_default()))
                .collect()
        };
        let options = keys("keys", "key") + &keys("witness_keys", "witness");
        let typed = format!(
            "ledger verify {options}--quorum {} acme.ledger",
            shown["quorum"]
        );
        assert_eq!(place.json(&typed)?["signed"], BOTH);
    }
    // Where a witness is not known, that is said, and the quorum is what it was.
    fs::remove_file(place.path("acme/roster/peers"))?;
    let output = place.run("--home acme roster witnesses")?;
    assert!(
        stderr(&output).contains("no key of bank, shop"),
        "{}",
        stderr(&output)
    );
    let shown = place.json("--home acme roster witnesses")?;
    assert_eq!(
        (&shown["quorum"], &shown["witness_keys"]),
        (&json!(2), &json!([]))
    );
    place.fails(
        "--home acme roster witnesses nobody",
        1,
        &["nobody", "roster show"],
    )
}

#[test]
fn no_byte_of_the_first_line_of_an_export_changes_unnoticed() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    keep(&consortium, &cosigned(&consortium, &["bank", "shop"])?)?;
    place.ok("--home acme ledger export acme.ledger")?;
    let options = options(&consortium)?;
    let verify = format!("ledger verify {options} changed.ledger");
    let whole = place.read("acme.ledger")?;
    let (first, records) = whole.split_once('\n').ok_or("a line")?;
    for at in 0..first.len() {
        let mut changed = whole.clone().into_bytes();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        place.write("changed.ledger", changed)?;
        let output = place.run(&verify)?;
        assert_eq!(output.status.code(), Some(1), "byte {at} of {first}");
    }
    // Nor does it say anything else.
    let keys = first.replacen(
        '{',
        r#"{"keys":["blindmatch/cloudshield/acme/ledger/1+00000000+AAAA"],"#,
        1,
    );
    place.write("changed.ledger", format!("{keys}\n{records}"))?;
    place.fails(&verify, 1, &["line 1"])?;
    place.write("changed.ledger", whole)?;
    place.ok(&verify)?;
    Ok(())
}

#[test]
fn a_member_writes_out_anothers_delegations() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    place.save("--home acme roster delegation bank", "banks")?;
    assert_eq!(
        place.read("banks")?,
        place.read("bank/roster/delegation-1")?
    );
    place.ok("--home acme keys rotate")?;
    for (line, file) in [
        ("--home acme roster delegation", "delegation-2"),
        (
            "--home acme roster delegation --number 1 acme",
            "delegation-1",
        ),
    ] {
        assert_eq!(place.ok(line)?, place.read(&format!("acme/roster/{file}"))?);
    }
    let shown = place.json("--home acme roster delegation acme")?;
    assert_eq!(
        (&shown["number"], &shown["known"]),
        (&json!(2), &json!([2, 1]))
    );
    place.fails(
        "--home acme roster delegation --number 7 bank",
        1,
        &[
            "delegation 7 of bank",
            "roster delegation bank --output json",
        ],
    )?;
    place.fails(
        "--home shop roster delegation bank",
        1,
        &["no delegation of bank"],
    )
}

#[test]
fn what_only_the_node_signed_is_not_called_cosigned() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    for (witnesses, signed) in [
        (&[][..], None),
        (&["bank"], Some(ONE)),
        (&["bank", "shop"], Some(BOTH)),
    ] {
        keep(&consortium, &cosigned(&consortium, witnesses)?)?;
        let own = place.json("--home acme ledger verify")?;
        assert_eq!(own["cosigned"]["signed"], json!(signed));
        assert_eq!(own["cosigned_size"], json!(signed.map(|_| 4)));
        let shown = place.ok("--home acme ledger verify")?;
        assert!(
            shown.contains(signed.unwrap_or("by no witness yet")),
            "{shown}"
        );
    }
    // A cosignature that does not hold is nobody's.
    let text = cosigned(&consortium, &["bank"])?;
    let (note, line) = text.trim_end().rsplit_once(' ').ok_or("a line")?;
    let mut line = line.to_owned();
    line.replace_range(
        40..41,
        if line.get(40..41) == Some("A") {
            "B"
        } else {
            "A"
        },
    );
    keep(&consortium, &format!("{note} {line}\n"))?;
    let own = place.json("--home acme ledger verify")?;
    assert_eq!(own["cosigned"]["cosigners"], json!([]));
    assert_eq!(own["cosigned"]["unverified_cosignatures"], 1);
    Ok(())
}

#[test]
fn a_restore_keeps_as_cosigned_what_a_quorum_cosigned() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    place.ok("--home acme keys export storage --to storage")?;
    for (file, witnesses) in [
        ("none", &[][..]),
        ("one", &["bank"]),
        ("both", &["bank", "shop"]),
    ] {
        place.write(file, cosigned(&consortium, witnesses)?)?;
    }
    place.ok("--home acme backup backup")?;
    place.ok("--home acme keys rotate")?;
    fs::copy(
        place.path("acme/roster/delegation-2"),
        place.path("delegation"),
    )?;
    place.write("behind", cosigned(&consortium, &["bank"])?)?;
    for (file, kept) in [("none", None), ("one", None), ("both", Some(BOTH))] {
        let line =
            format!("--home {file}.home restore --storage-key storage --witnessed {file} backup");
        let output = place.run(&format!("{line} --output json"))?;
        assert!(output.status.success(), "{}", stderr(&output));
        let restored: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(
            (&restored["cosigned_size"], &restored["cosigned"]),
            (&json!(kept.map(|_| 4)), &json!(kept)),
            "{file}"
        );
        let told = stderr(&output).contains(&format!("none is {ALONE}"));
        assert_eq!(told, file == "none", "{}", stderr(&output));
        let exists = place.path(&format!("{file}.home/ledger/cosigned")).exists();
        assert_eq!(exists, kept.is_some());
        let own = place.json(&format!("--home {file}.home ledger verify"))?;
        assert_eq!(own["cosigned"]["signed"], json!(kept));
    }
    // What the backup lacks is lost, whoever signed it, and it is said who did.
    let line = "--home lost.home restore --storage-key storage --delegation delegation --witnessed \
                behind backup";
    let shown = place.ok(line)?;
    let says = format!("up to 5 records of incarnation 1, {ONE}");
    assert!(shown.contains(&says), "{shown}");
    Ok(())
}

#[test]
fn what_two_witnesses_wrote_of_one_checkpoint_counts_together() -> Test {
    let consortium = met()?;
    let place = &consortium.place;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup b")?;
    let mut options = String::new();
    for (home, witness) in [("one", "bank"), ("both", "shop")] {
        let file = format!("of.{witness}");
        place.write(&file, cosigned(&consortium, &[witness])?)?;
        options.push_str(&format!(" --witnessed {file}"));
        let restore = format!("--home {home} restore --storage-key storage{options} b");
        let restored = place.json(&restore)?;
        let counts = if home == "one" {
            Value::Null
        } else {
            json!(BOTH)
        };
        assert_eq!(restored["cosigned"], counts, "{restored}");
    }
    Ok(())
}
