//! `restore` from a backup that is older than what witnesses cosigned: the commands, and the witness
//! that is asked with what they wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use blindmatch_node::audit::SigningKey;
use blindmatch_node::audit::checkpoint::{Continuation, SignedCheckpoint, witness_name};
use blindmatch_node::audit::cosignature::{WitnessKey, cosign};
use blindmatch_node::audit::note::NoteKey;
use blindmatch_node::audit::proof::RecordProof;
use blindmatch_node::audit::witness::{Refusal, Request, decide};
use blindmatch_node::membership::Delegations;
use blindmatch_node::{NodeFiles, clock};
use serde_json::{Value, json};

use crate::place::{Place, Test, stderr};
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

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A node with a backup, which rotated its keys and recorded more behind it, until it was lost. The
/// files: `old`, the backup; `witnessed`, what a witness cosigned last; `delegation`, the one that
/// its key is of; `storage`.
fn lost() -> Result<(Consortium, SignedCheckpoint), Box<dyn std::error::Error>> {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("acme/policy.toml", POLICY)?;
    place.ok("--home acme keys export storage --to storage")?;
    fs::copy(
        place.path("acme/keys/hpke"),
        place.path("acme/keys/epoch-5"),
    )?;
    place.ok("--home acme backup old")?;
    place.ok("--home acme keys rotate")?;
    fs::copy(
        place.path("acme/roster/delegation-2"),
        place.path("delegation"),
    )?;
    let own = place.json("--home acme ledger checkpoint")?;
    place.write("witnessed", text(&own["checkpoint"]))?;
    place.write("lost.key", text(&own["key"]))?;
    let witnessed = SignedCheckpoint::parse(text(&own["checkpoint"]).as_bytes())?;
    fs::remove_dir_all(place.path("acme"))?;
    Ok((consortium, witnessed))
}

const RESTORE: &str = "--home acme restore --storage-key storage";

#[test]
fn an_old_backup_goes_on_from_what_witnesses_cosigned() -> Test {
    let (consortium, witnessed) = lost()?;
    let place = &consortium.place;
    let last = witnessed.unverified();
    // The key that signed it came behind the backup: the message names the command that works.
    place.fails(
        &format!("{RESTORE} --witnessed witnessed old"),
        1,
        &["witnessed: ", "--witnessed FILE --delegation FILE BACKUP"],
    )?;
    fs::copy(place.path("bank/roster/delegation-1"), place.path("banks"))?;
    for (delegation, says) in [("banks", "no delegation of this member"), ("old", "old: ")] {
        let line = format!("{RESTORE} --witnessed witnessed --delegation {delegation} old");
        place.fails(&line, 1, &[says])?;
    }
    assert!(!place.path("acme/version").exists());

    let line = format!("{RESTORE} --witnessed witnessed --delegation delegation old");
    let output = place.run(&format!("{line} --output json"))?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("keys rotate"),
        "{}",
        stderr(&output)
    );
    let restored: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (&restored["incarnation"], &restored["records"]),
        (&json!(2), &json!(last.size - 1))
    );
    assert_eq!(
        (&restored["lost_incarnation"], &restored["lost_records"]),
        (&json!(1), &json!(last.size))
    );

    // It verifies, and goes on from what the witness has.
    let own = place.json("--home acme ledger verify --known witnessed")?;
    // The incarnation, the loss, and the delegation that the backup did not have.
    assert_eq!(
        (&own["incarnation"], &own["records"]),
        (&json!(2), &json!(last.size + 2))
    );
    assert_eq!(own["origin"], "blindmatch/cloudshield/acme/ledger/2");
    let lost = json!([{ "record": last.size, "incarnation": 1, "records": last.size }]);
    assert_eq!(own["lost"], lost);
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    assert!(!place.path("acme/keys/epoch-5").exists());

    let csv = place.ok("--home acme ledger verify --output csv")?;
    assert!(csv.contains(&format!("lost,{0},{0}", last.size)), "{csv}");

    // No budget was refunded.
    let explain = "--home acme policy explain --type email --purpose abuse-prevention --peer bank \
                   --direction serve --protocol lookup --output json";
    let output = place.run(explain)?;
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let explained: Value = serde_json::from_slice(&output.stdout)?;
    let decision = &explained["decisions"][0];
    assert_eq!(decision["budget_day_left"], 0);
    let why = &decision["refusals"][0];
    assert!(
        text(&why["what"]).contains("restored from a backup"),
        "{why}"
    );
    assert!(
        text(&why["next"]).contains("a higher budget changes nothing"),
        "{why}"
    );
    assert!(!text(&why["next"]).contains("raise"), "{why}");

    // The next delegation takes the place of the one that was lost, and the ledger goes on.
    let rotated = place.json("--home acme keys rotate")?;
    assert!(rotated["number"].as_u64() > Some(2 << 32), "{rotated}");
    place.ok("--home acme ledger verify --known witnessed")?;
    place.ok("--home acme backup new")?;
    let line = "--home again restore --storage-key storage --witnessed witnessed new";
    let again = place.json(line)?;
    assert_eq!(
        (&again["incarnation"], &again["lost_records"]),
        (&json!(3), &Value::Null)
    );
    Ok(())
}

#[test]
fn doctor_says_when_a_restored_delegation_is_not_the_last_word() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme keys export identity --to identity --remove")?;
    place.ok("--home acme backup old")?;
    let about_it = |home: &str| -> Result<Vec<Value>, Box<dyn std::error::Error>> {
        let output = place.run(&format!("--home {home} doctor --output json"))?;
        let doctor: Value = serde_json::from_slice(&output.stdout)?;
        let found = doctor["findings"].as_array().into_iter().flatten();
        let found: Vec<_> = found
            .filter(|one| one["about"] == "delegation")
            .cloned()
            .collect();
        assert_eq!(
            output.status.success(),
            found.iter().all(|one| one["state"] != "wrong")
        );
        Ok(found)
    };
    place.ok("--home acme keys rotate --identity identity")?;
    place.ok("--home acme keys revoke --yes --identity identity")?;
    for (home, given, state, says) in [
        ("a", "", "warning", "number 1 came with the backup"),
        (
            "b",
            "--delegation acme/roster/delegation-2",
            "warning",
            "the keys of number 2 are lost",
        ),
        (
            "c",
            "--delegation acme/roster/delegation-3",
            "wrong",
            "is revoked by number 3",
        ),
    ] {
        place.ok(&format!(
            "--home {home} restore --storage-key storage {given} old"
        ))?;
        let found = about_it(home)?;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["state"], state, "{found:?}");
        assert!(text(&found[0]["what"]).contains(says), "{found:?}");
        // The command that it names, with the file in its place, helps.
        let next = text(&found[0]["next"][0]);
        let next = next.strip_prefix("blindmatch ").unwrap_or_default();
        place.ok(&next.replace("FILE", "identity"))?;
        let found = about_it(home)?;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["state"], "ok", "{found:?}");
    }
    Ok(())
}

#[test]
fn no_number_of_a_delegation_is_given_out_twice() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme keys export identity --to identity")?;
    // A request that was open at the time of the backup.
    place.ok("--home acme keys rotate --request early")?;
    place.ok("keys sign --identity identity early early.delegation")?;
    place.ok("--home acme backup old")?;
    let rotated = place.json("--home acme keys rotate --delegation early.delegation")?;
    assert_eq!(rotated["number"], 2);
    assert_eq!(place.json("--home acme keys rotate")?["number"], 3);
    let peer = NodeFiles::read(&place.path("bank"))?;
    let roster = peer.roster()?;
    let mut known = Delegations::default();
    let mut publish = |number: u64| -> Result<bool, Box<dyn std::error::Error>> {
        let delegation = fs::read(place.path(&format!("acme/roster/delegation-{number}")))?;
        Ok(known.accept(&roster, &delegation, clock::now())?)
    };
    for number in 1..=3 {
        assert!(publish(number)?);
    }
    fs::remove_dir_all(place.path("acme"))?;

    // Whoever restores does not know of number 2 and 3, which every peer has.
    let before = clock::now();
    let output = place.run(&format!("{RESTORE} old --output json"))?;
    assert!(output.status.success(), "{}", stderr(&output));
    let next = "blindmatch --home acme keys rotate";
    assert!(stderr(&output).contains(next), "{}", stderr(&output));
    // What was requested before is not to be adopted now.
    assert!(!place.path("acme/keys/tls-2").exists());
    let early = "--home acme keys rotate --delegation early.delegation";
    place.fails(early, 1, &["requested last", "keys rotate --request"])?;
    let first = place.json("--home acme keys rotate")?;
    let least = first["number"].as_u64().ok_or("a number")?;
    assert!(((2 << 32) + before..=(2 << 32) + clock::now()).contains(&least));
    assert!(publish(least)?);
    place.ok("--home acme keys rotate --request next")?;
    // It waits for its delegation, whoever opens the ledger meanwhile.
    place.ok("--home acme ledger checkpoint")?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    place.ok("keys sign --identity identity next next.delegation")?;
    let adopted = place.json("--home acme keys rotate --delegation next.delegation")?;
    assert_eq!(adopted["number"], least + 1);
    assert!(publish(least + 1)?);
    assert_eq!(
        place.json("--home acme keys revoke --yes")?["number"],
        least + 2
    );
    assert!(publish(least + 2)?);

    place.ok("--home acme backup new")?;
    let mut numbers = Vec::new();
    for home in ["again", "once-more"] {
        // Two that know nothing of each other.
        thread::sleep(Duration::from_millis(1_100));
        place.ok(&format!("--home {home} restore --storage-key storage new"))?;
        let rotated = place.json(&format!("--home {home} keys rotate"))?;
        numbers.push(rotated["number"].as_u64().ok_or("a number")?);
    }
    assert!((3 << 32..numbers[1]).contains(&numbers[0]), "{numbers:?}");
    Ok(())
}

#[test]
fn a_witness_and_a_third_party_see_what_it_goes_on_from() -> Test {
    let (consortium, witnessed) = lost()?;
    let place = &consortium.place;
    let last = witnessed.unverified();
    place.ok(&format!(
        "{RESTORE} --witnessed witnessed --delegation delegation old"
    ))?;
    let own = place.json("--home acme ledger checkpoint")?;
    let keys = format!(
        "--key {} --key {}",
        text(&own["key"]),
        place.read("lost.key")?
    );
    let lost = last.size;
    place.ok(&format!("--home acme ledger proof {lost} lost.proof"))?;
    place.ok(&format!(
        "--home acme ledger proof {} begun.proof",
        lost - 1
    ))?;

    // The witness, asked with the proof.
    let proof = RecordProof::parse(place.read("lost.proof")?.as_bytes())?;
    let request = Request {
        old: last.size,
        incarnation: 1,
        how: Continuation::Lost {
            record: proof.record.clone(),
            index: proof.index,
            path: proof.path.clone(),
        },
        checkpoint: proof.checkpoint.clone(),
    };
    let logs = [NoteKey::parse(text(&own["key"]))?];
    let decided = decide(Some(last), &logs, &request).map_err(|error| error.to_string())?;
    assert_eq!(decided, *proof.checkpoint.unverified());
    let ahead = blindmatch_node::audit::checkpoint::Checkpoint {
        size: last.size + 1,
        ..last.clone()
    };
    let conflict = Refusal::Conflict {
        incarnation: 1,
        size: last.size + 1,
    };
    assert_eq!(decide(Some(&ahead), &logs, &request), Err(conflict));

    // Anybody else, offline, with the old checkpoint, the proof and the cosignature under it.
    let witness = SigningKey::from_bytes(&[7; 32]);
    let name = witness_name("cloudshield", "bank")?;
    let line = cosign(&decided, &name, &witness, 1_800_000_000).ok_or("a time")?;
    let mut cosigned = proof.clone();
    cosigned.checkpoint.add(&line)?;
    place.write("lost.proof", cosigned.to_string())?;
    let witness = WitnessKey::new(name, witness.verifying_key());
    let verify = format!("ledger verify {keys} --known witnessed");
    let shown = place.json(&format!("{verify} --witness {witness} lost.proof"))?;
    assert_eq!(shown["event"], "lost");
    assert_eq!(
        (&shown["fields"]["incarnation"], &shown["fields"]["size"]),
        (&json!(1), &json!(last.size))
    );
    assert_eq!(shown["cosigners"][0], "blindmatch/cloudshield/bank/witness");
    place.fails(
        &format!("{verify} begun.proof"),
        1,
        &["witnessed", "no record says that records were lost"],
    )?;
    place.ok("--home acme ledger export acme.ledger")?;
    let shown = place.json(&format!("{verify} acme.ledger"))?;
    assert_eq!(shown["origin"], "blindmatch/cloudshield/acme/ledger/2");
    assert_eq!(shown["size"], last.size + 2);
    // Without the record that names it, it is another ledger than that of its checkpoint.
    let exported = place.read("acme.ledger")?;
    let mut lines: Vec<_> = exported.lines().collect();
    lines.remove(lines.len() - 2);
    place.write("changed", lines.join("\n") + "\n")?;
    place.fails(&format!("{verify} changed"), 1, &["missing"])
}

#[test]
fn who_does_not_say_what_is_lost_is_found_out() -> Test {
    let (consortium, _) = lost()?;
    let place = &consortium.place;
    let output = place.run(&format!(
        "{RESTORE} --delegation delegation old --output csv"
    ))?;
    assert!(output.status.success(), "{}", stderr(&output));
    place.fails(
        "--home acme ledger verify --known witnessed",
        1,
        &["does not go on from witnessed"],
    )?;
    place.ok("--home acme ledger export acme.ledger")?;
    let own = place.json("--home acme ledger checkpoint")?;
    let keys = format!(
        "--key {} --key {}",
        text(&own["key"]),
        place.read("lost.key")?
    );
    place.ok(&format!("ledger verify {keys} acme.ledger"))?;
    place.fails(
        &format!("ledger verify {keys} --known witnessed acme.ledger"),
        1,
        &["no record says that they are lost"],
    )
}

#[test]
fn a_backup_that_has_all_that_was_cosigned_loses_nothing() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme keys rotate")?;
    place.save("--home acme ledger checkpoint", "witnessed")?;
    place.ok("--home acme keys rotate")?;
    place.ok("--home acme backup new")?;
    let line = "--home y restore --storage-key storage --witnessed witnessed new";
    let restored = place.json(line)?;
    assert_eq!(
        (&restored["lost_records"], &restored["cosigned_size"]),
        (&Value::Null, &Value::Null)
    );
    place.ok("--home y ledger verify --known witnessed")?;
    // The node that was given up, once the restored one has gone on.
    place.save("--home y ledger checkpoint", "restored")?;
    place.fails(
        "--home acme ledger verify --known restored",
        1,
        &["restored since, as incarnation 2"],
    )
}

#[test]
fn nothing_is_written_into_a_directory_that_others_may_read() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup b")?;
    let open = place.path("open");
    fs::create_dir(&open)?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755))?;
    let init =
        "init --member bank --role provider --consortium cloudshield --address bank.example:1";
    for line in ["restore --storage-key storage b", init] {
        let output = place.run(&format!("--home open {line}"))?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: others may read open: "), "{said}");
        assert!(said.contains("hint: chmod 700 open"), "{said}");
        assert_eq!(fs::read_dir(&open)?.count(), 0);
    }
    // What is typed next works.
    fs::set_permissions(&open, fs::Permissions::from_mode(0o700))?;
    place.ok("--home open restore --storage-key storage b")?;
    // Of a restore that died in its last step.
    fs::write(open.join("restoring"), "")?;
    assert_eq!(place.json("--home open doctor")?["ok"], true);
    assert!(!open.join("restoring").exists());
    Ok(())
}
