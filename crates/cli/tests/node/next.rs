//! What a command that cannot go on says to type next, where something stands in its way: typed, it
//! helps.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::place::{Place, Test, stderr};
use crate::roster::Consortium;

/// Types the hint that begins so, as it stands, into a shell.
fn type_hint(place: &Place, said: &str, beginning: &str) -> Test {
    let hint = said.lines().find_map(|line| {
        let at = line.find(beginning)?;
        line.get(at..)
    });
    let hint = hint.ok_or_else(|| format!("no hint `{beginning}` in: {said}"))?;
    let status = Command::new("sh")
        .args(["-c", hint])
        .current_dir(place.path("."))
        .status()?;
    assert!(status.success(), "{hint}");
    Ok(())
}

/// A place with a collection `c` beside another, `whole`, and an exported storage key.
fn with_collections() -> Result<Place, Box<dyn std::error::Error>> {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.9\n")?;
    for name in ["c", "whole"] {
        place.ok(&format!("--home acme import --collection {name} feed"))?;
    }
    place.ok("--home acme keys export storage --to storage")?;
    Ok(place)
}

#[test]
fn what_is_gone_of_a_collection_or_no_file_is_damage() -> Test {
    for what in ["no list", "no source", "a directory", "a full directory"] {
        let place = with_collections()?;
        let folder = place.path("acme/collections/c");
        let current = folder.join("current");
        let mut entries = fs::read_dir(&folder)?.filter_map(Result::ok);
        let source = entries.find(|entry| entry.path() != current);
        let source = source.ok_or("a source")?.path();
        fs::remove_file(if what == "no source" {
            &source
        } else {
            &current
        })?;
        if what.ends_with("directory") {
            fs::create_dir(&current)?;
        }
        if what == "a full directory" {
            fs::create_dir(current.join("x"))?;
            fs::write(current.join("x/y"), "")?;
        }
        let backup = "blindmatch --home acme backup --without-damaged FILE";
        place.fails("--home acme backup b", 1, &["collections/c", backup])?;
        let output = place.run("--home acme backup --without-damaged b")?;
        assert_eq!(output.status.code(), Some(6), "{what}: {}", stderr(&output));
        if what != "no source" {
            let output = place.run("--home acme collections --output json")?;
            assert_eq!(output.status.code(), Some(1));
            let shown: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            assert_eq!(shown["collections"][0]["collection"], "whole", "{what}");
            let remove = "collections remove c";
            assert!(stderr(&output).contains(remove), "{}", stderr(&output));
        }
        place.ok("--home new restore --storage-key storage b")?;
        place.ok("--home acme collections remove --yes c")?;
        assert!(!folder.exists(), "{what}");
        assert_eq!(place.json("--home acme doctor")?["ok"], true, "{what}");
        place.ok("--home acme backup all")?;
    }
    Ok(())
}

#[test]
fn paths_with_spaces_can_be_typed() -> Test {
    let place = Place::with_acme()?;
    fs::rename(place.path("acme"), place.path("my acme"))?;
    let doctor = || {
        let words = ["--home", "my acme", "doctor", "--output", "json"];
        place.command(words).output()
    };
    for (path, mode, beginning) in [
        ("my acme", 0o755, "chmod 700"),
        ("my acme/keys/storage", 0o644, "chmod 600"),
    ] {
        fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode))?;
        let output = place
            .command(["--home", "my acme", "backup", "b"])
            .output()?;
        assert_eq!(output.status.code(), Some(1));
        type_hint(&place, &stderr(&output), beginning)?;
        assert!(doctor()?.status.success(), "{path}");
    }
    let policy = place.path("my acme/policy.toml");
    fs::set_permissions(policy, fs::Permissions::from_mode(0o644))?;
    let examined: serde_json::Value = serde_json::from_slice(&doctor()?.stdout)?;
    let next = examined["findings"][0]["next"][0].as_str();
    type_hint(&place, next.unwrap_or_default(), "chmod -R")?;
    let examined: serde_json::Value = serde_json::from_slice(&doctor()?.stdout)?;
    assert_eq!(examined["findings"][0]["state"], "ok");
    Ok(())
}

#[test]
fn what_a_policy_refuses_names_the_home() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    for peer in ["bank", "nobody"] {
        let line = format!("--home acme policy explain --peer {peer} --type email --purpose x");
        for form in ["table", "json", "csv"] {
            let output = place.run(&format!("{line} --output {form}"))?;
            let said = String::from_utf8(output.stdout)?;
            assert!(said.contains("`blindmatch --home acme "), "{said}");
            assert!(!said.contains("`blindmatch roster"), "{said}");
            assert!(!said.contains("`blindmatch policy"), "{said}");
        }
    }
    Ok(())
}

#[test]
fn a_collection_that_is_made_again_is_of_its_kind() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok("--home acme import --collection c --kind abuse feed")?;
    place.write("acme/collections/c/current", "nothing")?;
    let hint = "blindmatch --home acme import --collection NEW --kind KIND FILE";
    let says = [hint, "customers or abuse"];
    place.fails("--home acme collections show c", 1, &says)?;
    place.ok("--home acme import --collection d --kind abuse feed")?;
    Ok(())
}

#[test]
fn a_backup_into_no_directory_says_how_to_make_it() -> Test {
    let place = Place::with_acme()?;
    let output = place
        .command(["--home", "acme", "backup", "no such/dir/b"])
        .output()?;
    assert_eq!(output.status.code(), Some(1));
    type_hint(&place, &stderr(&output), "mkdir -p")?;
    let mut again = place.command(["--home", "acme", "backup", "no such/dir/b"]);
    assert!(again.output()?.status.success());
    Ok(())
}

#[test]
fn a_storage_key_that_is_a_directory_is_put_back() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    let key = place.path("acme/keys/storage");
    fs::remove_file(&key)?;
    fs::create_dir(&key)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o700))?;
    let hint = "blindmatch --home acme keys import storage --from FILE";
    place.fails("--home acme collections", 1, &["keys/storage", hint])?;
    place.ok("--home acme keys import storage --from storage")?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    Ok(())
}

#[test]
fn an_import_whose_report_is_lost_is_said_to_be_done() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    let line = "--home acme import --collection c feed";
    let output = place
        .command(line.split(' '))
        .stdout(File::options().write(true).open("/dev/full")?)
        .output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("the command is done, but"), "{said}");
    let listed = place.json("--home acme collections")?;
    assert_eq!(listed["collections"][0]["values"], 1);
    Ok(())
}

#[test]
fn an_import_that_is_refused_leaves_nothing() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "10.0.0.1\n10.0.0.2\n")?;
    let import = "--home acme import --collection q --type ip";
    place.fails(&format!("{import} feed"), 1, &["all are refused"])?;
    assert!(!place.path("acme/collections/q").exists());
    // What it says shows why, of the same reading.
    let see = "see why: blindmatch --home acme indicators check --type ip feed";
    place.fails(&format!("{import} feed"), 1, &[see])?;
    let checked = place.json("indicators check --type ip feed")?;
    assert_eq!(checked["refused"]["not_global"], 2);
    let output = place
        .command(format!("{import} -").split(' '))
        .stdin(File::open(place.path("feed"))?)
        .output()?;
    let said = stderr(&output);
    assert!(said.contains("by standard input: blindmatch"), "{said}");
    assert!(said.contains("indicators check --type ip -"), "{said}");
    // One that was there stays.
    place.write("good", "8.8.8.8\n")?;
    place.ok(&format!("{import} good"))?;
    place.fails(&format!("{import} feed"), 1, &[])?;
    assert_eq!(
        place.json("--home acme collections")?["collections"][0]["values"],
        1
    );
    Ok(())
}

#[test]
fn a_node_that_was_just_made_recorded_no_policy_to_miss() -> Test {
    let place = Place::with_acme()?;
    let said = |place: &Place| place.ok("--home acme doctor");
    let unchanged = said(&place)?;
    assert!(!unchanged.contains("was it you"), "{unchanged}");
    // Once it is recorded, a change is told.
    place.ok("--home acme doctor --repair")?;
    assert!(!said(&place)?.contains("was it you"));
    let policy = place.read("acme/policy.toml")?;
    place.write("acme/policy.toml", format!("{policy}\n# changed\n"))?;
    assert!(said(&place)?.contains("was it you"));
    let help = place.ok("doctor --help")?;
    assert!(help.contains("but for those of `index/`"), "{help}");
    Ok(())
}
