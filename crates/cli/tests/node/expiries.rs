//! What an operator is told in time: by `status`, and in the log of a node that serves.

use std::error::Error;
use std::fs;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::network::Network;
use crate::place::Test;

#[test]
fn what_expires_soon_is_told() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let file = net.home("acme").join("policy.toml");
    let policy = fs::read_to_string(&file)?;
    let (_, until) = policy.split_once("valid_until = ").ok_or("a legal basis")?;
    let until = until.lines().next().ok_or("a day")?;
    let soon = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let soon = soon.checked_add(Span::new().days(10))?.to_string();
    fs::write(&file, policy.replace(until, &soon))?;
    let status = |of: &str| -> Result<String, Box<dyn Error>> {
        Ok(net.place.json(&net.line("acme", "status"))?[of].to_string())
    };
    let node = net.serve("acme")?;
    let said = node.said("expires soon")?;
    assert!(said.contains("what=legal basis "), "{said}");
    assert!(said.contains("days_left=10"), "{said}");
    let warnings = status("warnings")?;
    assert!(
        warnings.contains("expires in 10 days, fewer than 14"),
        "{warnings}"
    );
    // That it ends soon, and that the minimum set size is small.
    assert!(warnings.contains("the policy has 2 warnings"), "{warnings}");
    assert!(warnings.contains("no backup was made yet"), "{warnings}");
    let bases = status("legal_bases")?;
    assert!(bases.contains("\"days_left\":10"), "{bases}");

    assert_eq!(status("last_backup")?, "null");
    net.place.ok(&net.line("acme", "backup 1.backup"))?;
    assert_eq!(status("backup_age_days")?, "0");
    let warnings = status("warnings")?;
    assert!(!warnings.contains("backup was made"), "{warnings}");
    // Of one eight days ago it is said.
    let before = Timestamp::now().as_second() - 8 * 86_400;
    fs::write(net.home("acme").join("last-backup"), format!("{before}\n"))?;
    let warnings = status("warnings")?;
    assert!(
        warnings.contains("the last backup is 8 days old"),
        "{warnings}"
    );
    Ok(())
}
