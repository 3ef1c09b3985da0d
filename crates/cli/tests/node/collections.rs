//! `collections`: what is counted, what goes on beside one that is damaged, and how one is removed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::place::{Place, Test, files, stderr};

type Failing<T> = Result<T, Box<dyn std::error::Error>>;

fn flip(path: &Path) -> Test {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    Ok(fs::write(path, bytes)?)
}

/// The collections `c` and `d`, a source each.
fn with_two() -> Failing<Place> {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n8.8.4.4\n")?;
    for name in ["c", "d"] {
        place.ok(&format!("--home acme import --collection {name} feed"))?;
    }
    place.ok("--home acme keys export storage --to storage")?;
    Ok(place)
}

fn keys(place: &Place) -> Failing<Vec<PathBuf>> {
    let mut keys = files(&place.path("acme/keys/files"))?;
    keys.sort();
    Ok(keys)
}

fn names(listed: &Value) -> Vec<&str> {
    let listed = listed["collections"].as_array().into_iter().flatten();
    listed
        .filter_map(|line| line["collection"].as_str())
        .collect()
}

#[test]
fn what_several_sources_have_is_counted_once() -> Test {
    let place = Place::with_acme()?;
    place.write("a", "8.8.8.8\n8.8.4.4\nwww.example.com\n")?;
    place.write("b", "8.8.8.8\n9.9.9.9\nexample.com\n")?;
    let values = |place: &Place| -> Failing<Value> {
        Ok(place.json("--home acme collections")?["collections"][0]["values"].clone())
    };
    place.ok("--home acme import --collection c --source a a")?;
    assert_eq!(values(&place)?, 3);
    place.ok("--home acme import --collection c --source b b")?;
    assert_eq!(values(&place)?, 5);
    place.ok("--home acme import --collection c --source a2 a")?;
    assert_eq!(values(&place)?, 5);
    place.ok("--home acme import --collection c --source a --remove a")?;
    assert_eq!(values(&place)?, 5);
    Ok(())
}

#[test]
fn a_damaged_list_stops_nothing_but_its_collection() -> Test {
    let place = with_two()?;
    flip(&place.path("acme/collections/c/current"))?;
    let output = place.run("--home acme doctor --output json")?;
    let examined: Value = serde_json::from_slice(&output.stdout)?;
    let findings = examined["findings"].as_array().cloned().unwrap_or_default();
    let wrong: Vec<_> = findings
        .iter()
        .filter(|one| one["state"] == "wrong")
        .collect();
    let [wrong] = wrong.as_slice() else {
        return Err(format!("{wrong:?}").into());
    };
    assert!(
        wrong.to_string().contains("collections/c/current"),
        "{wrong}"
    );
    assert!(
        wrong.to_string().contains("collections remove c"),
        "{wrong}"
    );
    // A repair does what it can beside it.
    let output = place.run("--home acme doctor --repair")?;
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));

    let output = place.run("--home acme collections --output json")?;
    assert_eq!(output.status.code(), Some(1));
    let listed = serde_json::from_slice(&output.stdout)?;
    assert_eq!(names(&listed), ["d"]);
    assert!(
        listed["damaged"][0]
            .to_string()
            .contains("collections/c/current")
    );
    place.ok("--home acme import --collection d feed")?;

    let says = [
        "collections/c/current",
        "backup --without-damaged FILE",
        "collections remove",
    ];
    place.fails("--home acme backup b", 1, &says)?;
    assert!(!place.path("b").exists());
    let output = place.run("--home acme backup --without-damaged b --output json")?;
    assert_eq!(output.status.code(), Some(6));
    let written: Value = serde_json::from_slice(&output.stdout)?;
    assert!(
        written["left_out"][0]
            .to_string()
            .contains("collection c: "),
        "{written}"
    );
    assert!(stderr(&output).contains("collections/c/current"));
    place.ok("--home new restore --storage-key storage b")?;
    assert_eq!(names(&place.json("--home new collections")?), ["d"]);
    // Where nothing is damaged, the word changes nothing.
    let written = place.json("--home new backup --without-damaged b2")?;
    assert_eq!(written["left_out"], json!([]));
    place.ok("--home new backup b3 --output csv")?;
    Ok(())
}

#[test]
fn a_damaged_source_is_left_out_with_its_collection() -> Test {
    let place = with_two()?;
    let source = files(&place.path("acme/collections/d"))?;
    let source = source.iter().find(|file| !file.ends_with("current"));
    flip(source.ok_or("a source")?)?;
    place.fails("--home acme backup b", 1, &["--without-damaged"])?;
    let output = place.run("--home acme backup --without-damaged b")?;
    assert_eq!(output.status.code(), Some(6));
    place.ok("--home new restore --storage-key storage b")?;
    assert_eq!(names(&place.json("--home new collections")?), ["c"]);
    Ok(())
}

#[test]
fn a_collection_is_destroyed_with_its_keys() -> Test {
    let place = with_two()?;
    let folder = place.path("acme/collections/c");
    let is_source = |file: &&PathBuf| !file.ends_with("current");
    let damages: [&dyn Fn() -> Test; 4] = [
        &|| Ok(()),
        &|| flip(&folder.join("current")),
        &|| Ok(fs::remove_file(folder.join("current"))?),
        &|| flip(files(&folder)?.iter().find(is_source).ok_or("a source")?),
    ];
    let before = keys(&place)?;
    assert_eq!(before.len(), 2);
    for damage in damages {
        damage()?;
        let remove = "--home acme collections remove";
        place.fails(&format!("{remove} c"), 1, &["not confirmed", "--yes"])?;
        assert!(folder.exists());
        place.ok(&format!("{remove} --yes c"))?;
        assert!(!folder.exists());
        let left = keys(&place)?;
        assert!(left.len() == 1 && before.contains(&left[0]), "{left:?}");
        assert_eq!(names(&place.json("--home acme collections")?), ["d"]);
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
        place.fails(&format!("{remove} --yes c"), 1, &["no such collection"])?;
        place.ok("--home acme import --collection c feed")?;
        fs::remove_file(place.path("b")).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        place.ok("--home acme backup b")?;
    }
    Ok(())
}

#[test]
fn no_key_of_another_collection_is_destroyed_with_one() -> Test {
    let place = with_two()?;
    // A copy of the source of `d` among the files of `c`, whose list does not read.
    let of_d = files(&place.path("acme/collections/d"))?;
    let of_d = of_d
        .iter()
        .find(|file| !file.ends_with("current"))
        .ok_or("a source")?;
    let name = of_d.file_name().ok_or("a name")?;
    fs::copy(of_d, place.path("acme/collections/c").join(name))?;
    flip(&place.path("acme/collections/c/current"))?;
    let list = place.path("acme/collections/d/current");
    let whole = fs::read(&list)?;
    // Not even where its own list does not read either.
    flip(&list)?;
    place.ok("--home acme collections remove --yes c")?;
    fs::write(&list, whole)?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    assert_eq!(keys(&place)?.len(), 1);
    Ok(())
}

#[test]
fn a_feed_that_is_refused_whole_empties_no_source() -> Test {
    let place = with_two()?;
    place.write("refused", "10.0.0.1\n192.168.0.1\n")?;
    place.write("empty", "")?;
    let import = "--home acme import --collection c --allow-shrink";
    let says = ["refused: no value", "all are refused", "indicators check"];
    place.fails(&format!("{import} refused"), 1, &says)?;
    place.fails("--home acme import --collection new refused", 1, &says)?;
    let values = |place: &Place| -> Failing<Value> {
        Ok(place.json("--home acme collections")?["collections"][0]["values"].clone())
    };
    assert_eq!(values(&place)?, 2);
    assert_eq!(names(&place.json("--home acme collections")?), ["c", "d"]);
    place.ok(&format!("{import} empty"))?;
    assert_eq!(values(&place)?, 0);
    Ok(())
}

#[test]
fn nothing_is_named_by_a_path() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    for (line, says) in [
        (
            "import --collection c --source ../x feed",
            "a source's name",
        ),
        ("import --collection c --source .. feed", "a source's name"),
        ("import --collection ../x feed", "a collection's name"),
        ("collections show ../x", "a collection's name"),
        ("collections remove --yes ../x", "a collection's name"),
        ("exclusions remove ../x", "../x"),
        ("exclusions add --name ../x feed", "../x"),
    ] {
        place.fails(&format!("--home acme {line}"), 2, &[says])?;
    }
    Ok(())
}
