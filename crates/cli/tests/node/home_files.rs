//! Every file of a home: whatever changes in one, `doctor` names it, and its advice helps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{Place, Test, files};

type Failing<T> = Result<T, Box<dyn std::error::Error>>;

/// Files whose change says nothing, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("home.lock", "whoever opens the home writes it anew"),
    (
        "roster/standing",
        "when peers last answered, for `status` alone: what does not read is as if none had",
    ),
    (
        "index/",
        "derived: no entry is believed without its MAC, and all of it is made again from the ledger",
    ),
];

const HOME: &str = "made/nodes/a";

/// A place where the home of a node is that has everything a node can have: it has exchanged with
/// another.
fn place_of_a_full_home() -> Failing<Place> {
    let place = Place::new()?;
    place.write("a.txt", "8.8.8.8\n8.8.4.4\n1.1.1.1\na.example.com\n")?;
    place.write("b.txt", "8.8.8.8\n9.9.9.9\nb.example.com\n")?;
    place.ok("demo --dir made --set a=a.txt --set b=b.txt")?;
    place.write("own.txt", "8.8.8.8\n8.8.4.4\n")?;
    place.ok(&format!("--home {HOME} import --collection own own.txt"))?;
    place.ok(&format!("--home {HOME} exclusions add public-resolvers"))?;
    place.ok(&format!("--home {HOME} keys export storage --to storage"))?;
    place.run(&format!("--home {HOME} doctor --output json"))?;
    Ok(place)
}

/// Puts a key back whose file is gone.
fn put_a_key_back(place: &Place) -> Test {
    let keys = place.path(&format!("{HOME}/keys/files"));
    let import = format!("--home {HOME} import --collection own own.txt");
    let mut before = BTreeMap::new();
    for key in files(&keys)? {
        before.insert(key.clone(), fs::read(key)?);
    }
    place.ok(&import)?;
    before.retain(|key, _| !key.exists());
    let [(key, whole)] = before.iter().collect::<Vec<_>>()[..] else {
        return Err("an import destroys one key with its file".into());
    };
    fs::write(key, whole)?;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn examine(place: &Place) -> Failing<Value> {
    let output = place.run(&format!("--home {HOME} doctor --output json"))?;
    let mut found: Value = serde_json::from_slice(&output.stdout)?;
    // What is free on the disk is everybody's, and days pass.
    if let Some(findings) = found["findings"].as_array_mut() {
        findings.retain(|finding| finding["about"] != "disk");
        for finding in findings {
            let what = finding["what"].as_str().unwrap_or_default();
            if let Some((what, _)) = what
                .strip_suffix(" days left")
                .and_then(|w| w.rsplit_once(", "))
            {
                finding["what"] = what.into();
            }
        }
    }
    Ok(found)
}

fn flipped(path: &Path, at: usize) -> Failing<Vec<u8>> {
    let whole = fs::read(path)?;
    let mut changed = whole.clone();
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= 1;
    }
    fs::write(path, changed)?;
    Ok(whole)
}

/// The files below a folder of the home, relative to it.
fn below(place: &Place, folder: &str) -> Failing<Vec<String>> {
    let home = place.path(HOME);
    let mut found = Vec::new();
    for path in files(&home.join(folder))? {
        found.push(path.strip_prefix(&home)?.to_string_lossy().into_owned());
    }
    found.sort();
    Ok(found)
}

#[test]
fn no_byte_of_a_home_changes_unnoticed() -> Test {
    let place = place_of_a_full_home()?;
    put_a_key_back(&place)?;
    let home = place.path(HOME);
    let before = examine(&place)?;
    let mut unnoticed = Vec::new();
    let mut kinds = BTreeSet::new();
    let mut excepted = BTreeSet::new();
    for file in below(&place, "")? {
        if let Some((exception, _)) = EXCEPTIONS.iter().find(|(e, _)| file.starts_with(e)) {
            excepted.insert(*exception);
            continue;
        }
        let path: PathBuf = home.join(&file);
        let length = fs::read(&path)?.len();
        assert!(length > 0, "{file} is empty");
        for at in BTreeSet::from([0, length / 3, length / 2, length - 1]) {
            let whole = flipped(&path, at)?;
            let examined = examine(&place)?;
            let said = examined.to_string();
            if examined == before || !said.contains(&file) {
                unnoticed.push(format!("{file}, byte {at} of {length}"));
            }
            fs::write(&path, whole)?;
        }
        kinds.insert(file.split('/').next().unwrap_or_default().to_owned());
    }
    assert_eq!(unnoticed, Vec::<String>::new());
    assert_eq!(examine(&place)?, before, "put back, all is as it was");
    for kind in [
        "version",
        "blindmatch.toml",
        "policy.toml",
        "keys",
        "roster",
        "exclusions",
        "ledger",
        "collections",
        "views",
        "runs",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "{excepted:?}");
    Ok(())
}

#[test]
fn a_backup_takes_nothing_in_that_is_damaged() -> Test {
    let place = place_of_a_full_home()?;
    let backup = format!("--home {HOME} backup b");
    let mut taken = below(&place, "roster")?;
    taken.extend(below(&place, "exclusions")?);
    taken.push("exclusions.added".to_owned());
    taken.retain(|file| EXCEPTIONS.iter().all(|(excepted, _)| file != excepted));
    for file in ["card", "trust", "peers", "delegation-1"] {
        assert!(taken.contains(&format!("roster/{file}")), "{taken:?}");
    }
    assert!(taken.len() > 5, "{taken:?}");
    for file in &taken {
        let path = place.path(&format!("{HOME}/{file}"));
        let whole = fs::read(&path)?;
        let mut damages = Vec::new();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1;
            }
            damages.push(flipped);
        }
        if !file.starts_with("exclusions.") {
            damages.push(Vec::new());
        }
        for damaged in damages {
            fs::write(&path, damaged)?;
            place.fails(&backup, 1, &[file, "hint: "])?;
        }
        fs::write(&path, &whole)?;
    }
    for list in below(&place, "exclusions")? {
        let path = place.path(&format!("{HOME}/{list}"));
        let whole = fs::read(&path)?;
        fs::remove_file(&path)?;
        let says = ["public-resolvers", "exclusions add --name public-resolvers"];
        place.fails(&backup, 1, &says)?;
        fs::write(&path, whole)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    assert!(!place.path("b").exists());
    place.ok(&backup)?;
    Ok(())
}

/// The files that `doctor` says something wrong of.
fn wrong(examined: &Value) -> Vec<String> {
    let findings = examined["findings"].as_array().into_iter().flatten();
    let wrong = findings.filter(|finding| finding["state"] == "wrong");
    wrong.map(ToString::to_string).collect()
}

#[test]
fn what_is_made_again_is_discarded_on_the_operator_s_word() -> Test {
    let place = place_of_a_full_home()?;
    put_a_key_back(&place)?;
    let repair = format!("--home {HOME} doctor --repair");
    // The key that opens nothing: what it opens may only be elsewhere.
    let keys = below(&place, "keys/files")?;
    assert_eq!(place.run(&repair)?.status.code(), Some(1));
    assert_eq!(below(&place, "keys/files")?, keys);
    let said = wrong(&examine(&place)?);
    assert!(
        said.len() == 1
            && said
                .concat()
                .contains("are gone that 1 of the keys here open"),
        "{said:?}"
    );
    let said = place
        .json(&format!("{repair} --discard-damaged"))?
        .to_string();
    assert!(said.contains("opened nothing; it is destroyed"), "{said}");
    assert_eq!(wrong(&examine(&place)?), Vec::<String>::new());

    let of_runs = below(&place, "runs")?;
    let ends = of_runs.iter().filter(|file| file.ends_with("/end"));
    let results = of_runs.iter().filter(|file| file.ends_with("/results"));
    let peers = "roster/peers".to_owned();
    let mut damaged: Vec<_> = ends.take(1).chain(results.take(1)).collect();
    let views = below(&place, "views")?;
    damaged.extend(&views);
    damaged.push(&peers);
    for file in &damaged {
        flipped(&place.path(&format!("{HOME}/{file}")), 60)?;
    }
    let examined = examine(&place)?;
    let said = wrong(&examined);
    assert!(said.len() > 4, "{said:?}");
    for finding in &said {
        assert!(
            finding.contains("doctor --repair --discard-damaged"),
            "{finding}"
        );
    }
    let without_the_word = place.run(&repair)?;
    assert_eq!(without_the_word.status.code(), Some(1));
    assert_eq!(below(&place, "views")?, views);
    place.fails(&format!("--home {HOME} doctor --discard-damaged"), 2, &[])?;
    let repaired = place.json(&format!("{repair} --discard-damaged"))?;
    assert_eq!(repaired["ok"], true, "{repaired}");
    let count = repaired["warnings"].as_u64().unwrap_or_default();
    assert!(count >= said.len() as u64, "what was destroyed is told");
    assert_eq!(below(&place, "views")?, Vec::<String>::new());
    assert_eq!(wrong(&examine(&place)?), Vec::<String>::new());
    place.ok(&format!("--home {HOME} ledger verify"))?;
    Ok(())
}

#[test]
fn nothing_in_a_home_is_for_others_to_read() -> Test {
    let place = place_of_a_full_home()?;
    let home = place.path(HOME);
    let mode =
        |path: &Path| -> Failing<u32> { Ok(fs::metadata(path)?.permissions().mode() & 0o777) };
    let index = below(&place, "index")?;
    assert!(!index.is_empty());
    for file in below(&place, "")? {
        let path = home.join(&file);
        assert_eq!(mode(&path)?, 0o600, "{file}");
        assert_eq!(mode(path.parent().ok_or("a folder")?)?, 0o700, "{file}");
    }
    let state = |examined: &Value| examined["findings"][0].to_string();
    assert!(state(&examine(&place)?).contains("\"ok\""));
    fs::set_permissions(home.join("index"), fs::Permissions::from_mode(0o755))?;
    let found = state(&examine(&place)?);
    assert!(
        found.contains("warning") && found.contains("a/index"),
        "{found}"
    );
    // What it says helps.
    let output = std::process::Command::new("chmod")
        .args(["-R", "go="])
        .arg(&home)
        .output()?;
    assert!(output.status.success());
    assert!(found.contains("chmod -R go= "), "{found}");
    assert!(state(&examine(&place)?).contains("\"ok\""));
    Ok(())
}

#[test]
fn a_version_that_is_lost_is_written_anew_with_the_storage_key() -> Test {
    let place = Place::with_acme()?;
    place.init("bank", "provider")?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home bank keys export storage --to others")?;
    let path = place.path("acme/version");
    let whole = fs::read(&path)?;
    // One digit of the mark is another.
    let mut other = whole.clone();
    let digit = other
        .iter()
        .rposition(u8::is_ascii_hexdigit)
        .ok_or("a digit")?;
    if let Some(digit) = other.get_mut(digit) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    for damaged in [
        None,
        Some(Vec::new()),
        Some(b"blindmatch home".to_vec()),
        Some(other),
    ] {
        fs::remove_file(&path)?;
        if let Some(damaged) = damaged {
            fs::write(&path, damaged)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        let next = "blindmatch --home acme keys import storage --from FILE";
        place.fails("--home acme backup b", 1, &["`version`", next])?;
        if !path.exists() {
            let init =
                "init --member acme --role provider --consortium cloudshield --address a.example:1";
            place.fails(&format!("--home acme {init}"), 1, &["`version`", next])?;
        }
        let foreign = "--home acme keys import storage --from others";
        place.fails(foreign, 1, &["of another home"])?;
        place.ok("--home acme keys import storage --from storage")?;
        assert_eq!(fs::read(&path)?, whole);
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
    }
    Ok(())
}

#[test]
fn no_file_of_a_home_goes_unnoticed() -> Test {
    let place = place_of_a_full_home()?;
    let home = place.path(HOME);
    let before = examine(&place)?;
    let backup = |name: &str| place.run(&format!("--home {HOME} backup {name}"));
    assert_eq!(backup("whole")?.status.code(), Some(0));
    let mut seen = BTreeSet::new();
    // The node that is asked has nothing of a run but how it ended.
    for node in ["a", "b"] {
        let runs = place.path(&format!("made/nodes/{node}/runs"));
        let of_node = |line: &str| place.run(&format!("--home made/nodes/{node} {line}"));
        for end in files(&runs)?.iter().filter(|file| file.ends_with("end")) {
            let whole = fs::read(end)?;
            fs::remove_file(end)?;
            let examined = String::from_utf8(of_node("doctor")?.stdout)?;
            let run = end.parent().and_then(Path::file_name).ok_or("a run")?;
            assert!(examined.contains(&*run.to_string_lossy()), "{examined}");
            fs::write(end, whole)?;
            fs::set_permissions(end, fs::Permissions::from_mode(0o600))?;
            seen.insert(node);
        }
    }
    assert_eq!(seen.len(), 2, "both have runs: {seen:?}");
    let mut kept = below(&place, "roster")?;
    kept.push("ledger/cosigned".to_owned());
    kept.retain(|file| EXCEPTIONS.iter().all(|(excepted, _)| file != excepted));
    for file in &kept {
        let path = home.join(file);
        let whole = fs::read(&path)?;
        fs::remove_file(&path)?;
        let examined = examine(&place)?;
        let said = backup("without")?.stderr;
        let said = String::from_utf8_lossy(&said);
        assert_ne!(examined, before, "{file}");
        assert!(examined.to_string().contains(file), "{file}: {examined}");
        assert!(said.contains(file), "{file}: {said}");
        fs::write(&path, whole)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let _ = fs::remove_file(place.path("without"));
    }
    assert_eq!(examine(&place)?, before, "put back, all is as it was");
    // What was kept of another's ledger, in the place of this one's.
    let kept = below(&place, "roster")?;
    let kept = kept.iter().find(|file| file.contains("witnessed-"));
    let kept = home.join(kept.ok_or("it cosigns")?);
    let other = kept.with_file_name("witnessed-other");
    fs::copy(&kept, &other)?;
    assert!(
        wrong(&examine(&place)?)
            .concat()
            .contains("witnessed-other")
    );
    Ok(())
}
