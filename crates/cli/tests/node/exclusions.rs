//! `exclusions`: values that imports leave out.

use serde_json::{Value, json};

use crate::place::{Place, Test, stderr};
use crate::roster::Consortium;

const OFFICES: &str = r#"{
    "name": "Our offices", "description": "Where we are.", "version": 1, "type": "cidr",
    "list": ["9.9.9.0/24", "nonsense"]
}"#;

/// The line of one list.
fn line(place: &Place, home: &str, list: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let listed = place.json(&format!("--home {home} exclusions list"))?;
    let lists = listed["lists"].as_array().cloned().unwrap_or_default();
    let found = lists.into_iter().find(|line| line["list"] == list);
    Ok(found.unwrap_or_default())
}

#[test]
fn a_list_applies_once_it_was_added() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.9\n")?;
    place.write("offices.json", OFFICES)?;
    let import = "--home acme import --collection c feed";
    assert_eq!(place.json(import)?["accepted"], json!({ "ip": 2 }));
    let added = place.json("--home acme exclusions add offices.json")?;
    assert_eq!(
        (&added["entries"], &added["unusable"]),
        (&json!(1), &json!(1))
    );
    let report = place.json(&format!("{import} --allow-shrink"))?;
    assert_eq!(report["accepted"], json!({ "ip": 2 }));
    assert_eq!(report["excluded"], json!({ "Our offices": 1 }));
    assert_eq!(
        (&report["read"], &report["removed"]),
        (&json!(2), &json!(1))
    );
    let offices = line(&place, "acme", "offices")?;
    assert_eq!(
        (&offices["in_force"], &offices["shipped"]),
        (&json!(true), &json!(false))
    );
    let add = "--home acme exclusions add offices.json";
    // The same again changes nothing; another of that name does not take its place.
    assert_eq!(place.json(add)?["entries"], 1);
    let changed = place.read("offices.json")?.replace("Our", "My");
    place.write("offices.json", changed)?;
    place.fails(add, 1, &["already", "remove offices"])?;
    place.ok("--home acme exclusions remove offices")?;
    assert_eq!(place.json(import)?["accepted"], json!({ "ip": 2 }));
    // Said again it is so already.
    let again = place.json("--home acme exclusions remove offices")?;
    assert_eq!(
        (&again["list"], &again["removed"]),
        (&json!("offices"), &json!(false))
    );
    let output = place.run("--home acme exclusions remove ofices")?;
    assert!(output.status.success());
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        stderr(&output)
    );
    assert!(
        said.contains("no such list was added") && said.contains("exclusions list"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_list_whose_file_is_gone_is_missed() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.9\n")?;
    place.write("offices.json", OFFICES)?;
    let import = "--home acme import --collection c feed";
    let says = [
        "list of exclusions offices was added",
        "its file is gone",
        "exclusions remove offices",
    ];
    let lists = place.path("acme/exclusions");
    for way_out in ["add --name offices offices.json", "remove offices"] {
        for all in [false, true] {
            place.ok("--home acme exclusions add offices.json")?;
            if all {
                std::fs::remove_dir_all(&lists)?;
            } else {
                let file = std::fs::read_dir(&lists)?.last().ok_or("a list")??.path();
                std::fs::remove_file(file)?;
            }
            place.fails(import, 1, &says)?;
            place.fails("--home acme exclusions list", 1, &says)?;
            let output = place.run("--home acme doctor --output json")?;
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stdout).contains(says[0]));
            place.ok(&format!("--home acme exclusions {way_out}"))?;
            place.ok(&format!("{import} --allow-shrink"))?;
        }
    }
    // One that was put there otherwise is none that was added.
    place.ok("--home acme exclusions add offices.json")?;
    std::fs::remove_file(place.path("acme/exclusions.added"))?;
    place.fails(
        import,
        1,
        &["is not the list that was added", "exclusions remove"],
    )?;
    place.ok("--home acme exclusions add offices.json")?;
    place.ok(&format!("{import} --allow-shrink"))?;
    // A restored node misses it too.
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup b")?;
    place.ok("--home new restore --storage-key storage b")?;
    std::fs::remove_dir_all(place.path("new/exclusions"))?;
    place.fails("--home new exclusions list", 1, &says)
}

#[test]
fn what_a_later_list_excludes_is_shown_with_the_reason() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.1\n9.9.9.9\n")?;
    place.ok("--home acme import --collection c feed")?;
    let show = "--home acme collections show c";
    assert_eq!(place.json(show)?["excluded"], json!([]));
    place.write("offices.json", OFFICES)?;
    place.ok("--home acme exclusions add offices.json")?;
    let reason = "lies in a block of `Our offices` (version 1)";
    let expected = json!([{ "list": "Our offices", "reason": reason, "rows": 2 }]);
    assert_eq!(place.json(show)?["excluded"], expected);
    let text = place.ok(show)?;
    assert!(
        text.contains("2 rows are excluded since the import"),
        "{text}"
    );
    assert!(text.contains(reason), "{text}");
    // What it says to do helps.
    place.ok("--home acme import --collection c feed")?;
    assert_eq!(place.json(show)?["excluded"], json!([]));
    Ok(())
}

#[test]
fn what_a_list_takes_from_a_source_is_no_shrinkage() -> Test {
    let place = Place::with_acme()?;
    let rows = |network: &str, count| -> String {
        (1..=count).map(|i| format!("{network}.{i}\n")).collect()
    };
    let feed = format!("{}{}", rows("8.8.8", 5), rows("9.9.9", 5));
    place.write("feed", &feed)?;
    place.ok("--home acme import --collection c feed")?;
    place.write("offices.json", OFFICES)?;
    place.ok("--home acme exclusions add offices.json")?;
    // What is left of the feed is held against what is left of the source.
    let cut = format!("{}{}", rows("8.8.8", 3), rows("9.9.9", 5));
    place.write("cut", cut)?;
    let import = "--home acme import --collection c";
    let says = ["from 5 values to 3", "--allow-shrink"];
    place.fails(&format!("{import} cut"), 1, &says)?;
    let report = place.json(&format!("{import} feed"))?;
    assert_eq!(
        (&report["added"], &report["removed"]),
        (&json!(0), &json!(5))
    );
    // Nor is it from then on, and what is excluded makes up for nothing.
    place.ok(&format!("{import} feed"))?;
    place.fails(&format!("{import} cut"), 1, &says)
}

#[test]
fn a_list_that_changed_on_disk_is_noticed() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.9\n")?;
    place.write("offices.json", OFFICES)?;
    place.ok("--home acme exclusions add offices.json")?;
    let entries = std::fs::read_dir(place.path("acme/exclusions"))?;
    let file = entries.last().ok_or("a list")??.path();
    // Another network, so that it is a list still.
    let changed = std::fs::read_to_string(&file)?.replace("9.9.9.0", "8.9.9.0");
    std::fs::write(&file, changed)?;
    let says = ["is not the list that was added", "exclusions remove"];
    place.fails("--home acme import --collection c feed", 1, &says)?;
    place.fails("--home acme exclusions list", 1, &says)?;
    let output = place.run("--home acme doctor --output json")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains(says[0]));
    place.ok("--home acme exclusions remove offices")?;
    place.ok("--home acme exclusions add offices.json")?;
    let report = place.json("--home acme import --collection c feed")?;
    assert_eq!(report["excluded"], json!({ "Our offices": 1 }));
    Ok(())
}

#[test]
fn lists_come_with_the_program_and_are_applied_by_name() -> Test {
    let place = Place::with_acme()?;
    assert_eq!(line(&place, "acme", "public-resolvers")?["in_force"], false);
    place.ok("--home acme exclusions add public-resolvers")?;
    assert_eq!(line(&place, "acme", "public-resolvers")?["in_force"], true);
    place.write("feed", "8.8.8.8\n")?;
    let report = place.json("--home acme import --collection c feed")?;
    assert_eq!(report["excluded"], json!({ "Public DNS resolvers": 1 }));
    Ok(())
}

#[test]
fn the_roster_names_lists_for_all_members() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let resolvers = line(place, "acme", "public-resolvers")?;
    assert_eq!(
        (&resolvers["in_roster"], &resolvers["added"]),
        (&json!(true), &json!(false))
    );
    place.write("feed", "8.8.8.8\n8.8.8.9\n")?;
    let report = place.json("--home acme import --collection c feed")?;
    assert_eq!(report["accepted"], json!({ "ip": 2 }));
    assert_eq!(report["excluded"], json!({ "Public DNS resolvers": 1 }));
    Ok(())
}

#[test]
fn what_is_no_list_is_refused() -> Test {
    let place = Place::with_acme()?;
    for (content, says) in [
        ("{", "invalid JSON"),
        ("{}", "no warninglist"),
        (&OFFICES.replace("cidr", "regex"), "regex"),
        (
            &OFFICES.replace("9.9.9.0/24", "more nonsense"),
            "excludes any",
        ),
    ] {
        place.write("list.json", content)?;
        place.fails(
            "--home acme exclusions add list.json",
            1,
            &["list.json", says],
        )?;
    }
    place.fails("--home acme exclusions add nothing", 1, &["nothing"])?;
    place.write("Our List.json", OFFICES)?;
    let words = ["--home", "acme", "exclusions", "add", "Our List.json"];
    let output = place.command(words).output()?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}
