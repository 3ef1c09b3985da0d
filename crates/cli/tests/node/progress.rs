//! How far a command has come that a node runs.

use std::error::Error;
use std::ffi::OsString;

use blindmatch_transport::control::Progress;
use blindmatch_transport::control::client::{Event, Node};

use crate::network::Network;
use crate::place::Test;

#[test]
fn how_far_a_command_has_come_is_told_to_who_sees_it() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let _node = net.serve("acme")?;
    let feed = "# So long that a bar is seen.\n".repeat(200_000) + "8.8.4.4\n";
    net.place.write("ips.txt", &feed)?;
    let told = |shows_progress| -> Result<Vec<Progress>, Box<dyn Error>> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        runtime.block_on(async {
            let node = Node::reach(&net.home("acme").join("control.sock")).await?;
            let words = "blindmatch import --collection fraud --kind abuse ips.txt";
            let words = words.split(' ').map(OsString::from);
            let here = net.place.path("");
            let mut running = node.run(words, &here, false, shows_progress).await?;
            let mut told = Vec::new();
            loop {
                match running.next().await? {
                    Event::Progress(progress) => told.push(progress),
                    Event::Exit(0) => return Ok(told),
                    Event::Exit(code) => return Err(format!("it ends with {code}").into()),
                    _ => {}
                }
            }
        })
    };
    let seen = told(true)?;
    let first = seen.first().ok_or("nothing is told")?;
    assert_eq!((first.of, first.bytes), (feed.len() as u64, true));
    assert_eq!(first.what, "ips.txt");
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert_eq!(told(false)?, []);
    Ok(())
}
