//! A node that lost its home, and what its witnesses write out for it.

use std::error::Error;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network::{MOST, Network, Serving};
use crate::place::Test;

const WITNESSES: [&str; 2] = ["bolt", "core"];

/// Waits until both witnesses cosigned the ledger of acme in this incarnation, and so many records of it
/// at least.
fn cosigned(net: &Network, incarnation: u64, size: u64) -> Test {
    let begin = Instant::now();
    for witness in WITNESSES {
        loop {
            let line = net.line(witness, "ledger witnessed acme --output json");
            let output = net.place.run(&line)?;
            let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let origin = seen["origin"].as_str().unwrap_or_default();
            let is_of_it = origin.ends_with(&format!("/acme/ledger/{incarnation}"));
            if is_of_it && seen["size"].as_u64() >= Some(size) {
                break;
            }
            assert!(begin.elapsed() < MOST, "{witness}: {seen}");
            sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Types at each witness what writes out what it cosigned last, and gives the options of a restore.
fn witnessed(net: &Network) -> Result<String, Box<dyn Error>> {
    let mut options = String::new();
    for witness in WITNESSES {
        let file = format!("acme.{witness}");
        let line = net.line(witness, "ledger witnessed acme");
        net.place.save(&line, &file)?;
        options.push_str(&format!(" --witnessed {file}"));
    }
    Ok(options)
}

fn stop(node: Serving) -> Test {
    node.signal("TERM")?;
    let (status, log) = node.ended()?;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    Ok(())
}

#[test]
fn of_two_restores_witnesses_cosign_one_and_a_third_goes_on() -> Test {
    let net = Network::of(&["acme", "bolt", "core"])?;
    let place = &net.place;
    place.ok(&net.line("acme", "keys export storage --to storage"))?;
    place.ok(&net.line("acme", "backup old"))?;
    let _witnesses = [net.serve("bolt")?, net.serve("core")?];
    let acme = net.serve("acme")?;
    place.write("ips.txt", "8.8.4.4\n9.9.9.9\n")?;
    place.ok(&net.line("acme", "import --collection fraud --kind abuse ips.txt"))?;
    acme.said("published")?;
    let records = place.json(&net.line("acme", "ledger verify"))?["records"].as_u64();
    cosigned(&net, 1, records.ok_or("records")?)?;
    stop(acme)?;
    fs::remove_dir_all(net.home("acme"))?;

    // One backup, restored twice with what the witnesses write.
    let restore = format!("restore --storage-key storage{} old", witnessed(&net)?);
    let restored = place.json(&net.line("acme", &restore))?;
    assert_eq!(restored["incarnation"], 2);
    assert_eq!(restored["lost_incarnation"], 1);
    let told = place.ok(&format!("--home twin {restore}"))?;
    assert!(
        told.contains("witnesses cosign only one of the two"),
        "{told}"
    );
    // As a restore advises. What the witnesses have then, the twin knows no key of.
    place.ok(&net.line("acme", "keys rotate"))?;
    let acme = net.serve("acme")?;
    cosigned(&net, 2, 1)?;
    stop(acme)?;
    let twin = Serving::start(place, &place.path("twin"))?;
    // It is told why it waits for cosignatures in vain.
    twin.said_one_of(&[
        "has cosigned another ledger of this member",
        "not serving any more",
    ])?;
    stop(twin)?;

    // The way out that the help of `restore` names.
    place.save(&net.line("bolt", "roster delegation acme"), "rotated")?;
    let restore = format!(
        "restore --storage-key storage{} --delegation rotated old",
        witnessed(&net)?
    );
    let restored = place.json(&format!("--home third {restore}"))?;
    assert_eq!(restored["incarnation"], 3);
    assert_eq!(restored["lost_incarnation"], 2);
    let third = Serving::start(place, &place.path("third"))?;
    cosigned(&net, 3, 1)?;
    stop(third)
}
