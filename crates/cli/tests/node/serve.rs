//! Nodes that serve, as processes: how they begin and end, and commands beside them.

use std::env::temp_dir;
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::network::{MOST, Network, Serving};
use crate::place::{Place, Test, stderr};

#[test]
fn three_nodes_serve_until_they_are_told_to_end() -> Test {
    let net = Network::of(&["acme", "bolt", "core"])?;
    let nodes: Result<Vec<_>, _> = net.members.iter().map(|m| net.serve(m.as_str())).collect();
    let nodes = nodes?;
    net.place
        .write("ips.txt", "192.0.2.1\n8.8.4.4\n9.9.9.9\n")?;
    let import = "import --collection fraud --kind abuse ips.txt";
    net.place.ok(&net.line("acme", import))?;
    nodes[0].said("command=\"import\"")?;
    nodes[0].said("published view=abuse/ip/")?;
    // The others are its witnesses, and nobody told anybody to go on.
    let begin = Instant::now();
    loop {
        let ledger = net.place.json(&net.line("acme", "ledger verify"))?;
        if ledger["cosigned_size"].is_u64() {
            break;
        }
        assert!(begin.elapsed() < MOST, "{ledger}");
        sleep(Duration::from_millis(100));
    }
    for node in nodes {
        node.signal("TERM")?;
        let (status, log) = node.ended()?;
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
    for member in &net.members {
        assert!(!net.home(member.as_str()).join("control.sock").exists());
    }
    Ok(())
}

#[test]
fn a_newer_roster_travels_and_cuts_off_who_is_gone() -> Test {
    let net = Network::of(&["acme", "bolt", "core"])?;
    let (acme, bolt) = (net.serve("acme")?, net.serve("bolt")?);
    let core = net.serve("core")?;
    net.place.write("ips.txt", "8.8.4.4\n9.9.9.9\n")?;
    for member in ["acme", "bolt"] {
        let import = "import --collection fraud --kind abuse ips.txt";
        net.place.ok(&net.line(member, import))?;
    }
    acme.said("published view=abuse/ip/")?;
    bolt.said("published view=abuse/ip/")?;
    let office = net.place.path("net/administrators");
    let office = office.display();
    net.place
        .ok(&format!("roster new --after {office}/roster.txt 2.roster"))?;
    net.place.ok("roster remove 2.roster core")?;
    net.place
        .ok(&format!("roster sign --key {office}/ada.key 2.roster"))?;
    net.place.ok(&net.line("acme", "roster install 2.roster"))?;
    acme.said("a member is gone, or has another identity member=core")?;
    acme.said("rotated: its key is destroyed view=abuse/ip/")?;
    // By the greeting of whoever has it.
    bolt.said("took a newer roster from a peer peer=acme number=2")?;
    bolt.said("rotated: its key is destroyed view=abuse/ip/")?;
    let shown = net.place.json(&net.line("bolt", "roster show"))?;
    assert_eq!(shown["number"], 2);
    assert!(
        !net.home("bolt")
            .join("roster/gone")
            .metadata()
            .is_ok_and(|file| file.len() > 0)
    );
    // Who is gone is told so.
    let query = net
        .place
        .run(&net.line("core", "query --value 9.9.9.9 --output json"))?;
    let said = String::from_utf8_lossy(&query.stdout).into_owned() + &stderr(&query);
    // The reason may be lost with the connection.
    let lost = said.contains("the connection ended before it was one");
    assert!(lost || said.contains("roster does not have us"), "{said}");
    drop(core);
    Ok(())
}

/// The reference in what a query says.
fn quoted(net: &Network, member: &str) -> Result<(String, String), Box<dyn Error>> {
    let query = net
        .place
        .run(&net.line(member, "query --value 9.9.9.9 --output json"))?;
    let said = String::from_utf8_lossy(&query.stdout).into_owned() + &stderr(&query);
    let (_, reference) = said.split_once("(reference ").ok_or_else(|| said.clone())?;
    Ok((reference.chars().take(16).collect(), said))
}

#[test]
fn a_refusal_is_quoted_and_its_cause_stands_in_the_log_alone() -> Test {
    let net = Network::of(&["acme", "bolt", "core"])?;
    let policy = net.home("acme").join("policy.toml");
    let lenient = fs::read_to_string(&policy)?;
    let strict = lenient.replace("minimum_set_size = 1\n", "minimum_set_size = 3\n");
    assert_ne!(lenient, strict);
    fs::write(&policy, strict)?;
    let acme = net.serve("acme")?;
    let _others = (net.serve("bolt")?, net.serve("core")?);
    net.place.write("ips.txt", "8.8.4.4\n9.9.9.9\n")?;
    net.place
        .ok(&net.line("acme", "import --collection fraud --kind abuse ips.txt"))?;
    acme.said("published view=abuse/ip/")?;
    // Until its publication is cosigned there is nothing to ask for.
    let begin = Instant::now();
    let (reference, said) = loop {
        match quoted(&net, "bolt") {
            Ok((reference, said)) if said.contains("set_too_small") => break (reference, said),
            other => assert!(begin.elapsed() < MOST, "{other:?}"),
        }
        sleep(Duration::from_millis(200));
    };
    assert!(said.contains("policy refuses"), "{said}");
    let logged = acme.said(&reference)?;
    for part in ["refused a run", "peer=bolt", "set_too_small"] {
        assert!(logged.contains(part), "{logged}");
    }

    // The peer is told nothing of a damaged disk.
    let mut damaged = 0;
    for view in fs::read_dir(net.home("acme").join("views"))? {
        for file in fs::read_dir(view?.path())? {
            let file = file?.path();
            if !file.ends_with("state") {
                fs::write(file, "not what was here")?;
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    let (reference, said) = quoted(&net, "core")?;
    assert!(said.contains("a fault of the node's own"), "{said}");
    acme.said(&reference)?;
    let log = acme.log.lock().unwrap();
    let logged: Vec<_> = log
        .iter()
        .filter(|line| line.contains(&reference))
        .collect();
    let [cause, call] = logged.as_slice() else {
        return Err(format!("{logged:?}").into());
    };
    assert!(
        cause.contains("a fault of this node's own") && cause.contains("error="),
        "{cause}"
    );
    assert!(call.contains("peer=core"), "{call}");
    assert!(
        !said.contains("damaged") && !said.contains("views/"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_node_that_was_killed_starts_again() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    for _ in 0..3 {
        let node = net.serve("acme")?;
        net.place.ok(&net.line("acme", "collections"))?;
        node.signal("KILL")?;
        let (status, _) = node.ended()?;
        assert_eq!(status.code(), None);
        // Its socket is there, and answers nobody.
        assert!(net.home("acme").join("control.sock").exists());
        net.place.ok(&net.line("acme", "collections"))?;
    }
    Ok(())
}

#[test]
fn a_home_is_served_once() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let node = net.serve("acme")?;
    let owner = format!("process {} has this home open", node.child.id());
    net.place.fails(&net.line("acme", "serve"), 1, &[&owner])?;
    let home = net.home("acme");
    let (home, said) = (home.display(), "there is a home here already");
    let again = format!(
        "--home {home} init --member acme --role provider --consortium demo --address a.example:1"
    );
    net.place.fails(&again, 1, &[said])?;
    // Without its socket it is as any process that has the home.
    fs::remove_file(net.home("acme").join("control.sock"))?;
    net.place
        .fails(&net.line("acme", "collections"), 1, &[&owner])
}

#[test]
fn a_second_signal_ends_a_node_at_once() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let node = net.serve("acme")?;
    // A command whose input does not come keeps it from ending.
    let home = net.home("acme");
    let home = home.to_str().ok_or("a path")?;
    let mut waiting = net
        .place
        .command(["--home", home, "import", "--collection", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    node.said("command=\"import\"")?;
    node.signal("TERM")?;
    node.said("ending: what is under way may end")?;
    node.signal("INT")?;
    let begin = Instant::now();
    let (status, _) = node.ended()?;
    assert_eq!(status.code(), Some(1));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(waiting.wait()?.code(), Some(1));
    // Nothing of it is there.
    assert_eq!(
        net.place.json(&net.line("acme", "collections"))?["collections"],
        serde_json::json!([])
    );
    Ok(())
}

#[test]
fn input_that_breaks_off_is_not_all_of_it() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let node = net.serve("acme")?;
    let home = net.home("acme");
    let home = home.to_str().ok_or("a path")?;
    let mut import = net
        .place
        .command(["--home", home, "import", "--collection", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = import.stdin.take().ok_or("a pipe")?;
    // More than one part of it is read before it breaks off.
    for number in 0..10_000 {
        writeln!(stdin, "user{number}@example.com")?;
    }
    // All of it is read by then, and more is wanted.
    sleep(Duration::from_millis(500));
    import.kill()?;
    import.wait()?;
    // Only one import runs at a time, so this one has waited for the end of the other.
    net.place.write("ips.txt", "9.9.9.9\n")?;
    let begin = Instant::now();
    let other = net.line("acme", "import --collection d ips.txt");
    while !net.place.run(&other)?.status.success() {
        assert!(begin.elapsed() < MOST);
        sleep(Duration::from_millis(20));
    }
    let collections = net
        .place
        .ok(&net.line("acme", "collections --output ndjson"))?;
    assert!(
        collections.contains("\"d\"") && !collections.contains("\"c\""),
        "{collections}"
    );
    drop(node);
    Ok(())
}

#[test]
fn what_is_read_again_goes_at_once() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let node = net.serve("acme")?;
    fs::write(net.home("acme").join("policy.toml"), "[[allow]]\n")?;
    node.signal("HUP")?;
    node.said("not read again: it goes on as before")?;
    fs::write(net.home("acme").join("policy.toml"), "")?;
    node.signal("HUP")?;
    node.said("read again: configuration, policy, roster, keys")?;
    net.place.ok(&net.line("acme", "keys rotate"))?;
    assert_eq!(node.count("read again: configuration"), 2);
    Ok(())
}

#[test]
fn another_user_gives_no_commands() -> Test {
    let id = Command::new("id").arg("-u").output()?;
    if id.stdout != b"0\n" {
        // Only root can be somebody else.
        return Ok(());
    }
    let net = Network::of(&["acme", "bolt"])?;
    let node = net.serve("acme")?;
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let home = net.home("acme");
    for folder in home
        .ancestors()
        .take_while(|at| at.starts_with(net.place.path("")))
    {
        open(folder, 0o755)?;
    }
    let socket = home.join("control.sock");
    assert_eq!(fs::metadata(&socket)?.permissions().mode() & 0o777, 0o600);
    let program = net.place.path("blindmatch");
    fs::copy(env!("CARGO_BIN_EXE_blindmatch"), &program)?;
    let nobody = || -> std::io::Result<Output> {
        Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args([&program, Path::new("--home"), &home])
            .arg("collections")
            .current_dir("/")
            .output()
    };
    // The file's own mode keeps him off; should it not, whose process it is does.
    assert!(!nobody()?.status.success());
    assert_eq!(node.count("commands refused"), 0);
    open(&socket, 0o666)?;
    let output = nobody()?;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = stderr(&output);
    assert!(
        said.contains("from its own user and from root alone"),
        "{said}"
    );
    node.said("commands refused: of another user operator=65534")?;
    assert_eq!(node.count("command=\"collections\""), 0);
    Ok(())
}

/// Every command that works on a node, in an order in which it makes sense, with whether a node that
/// serves runs it. `<` says what is on its standard input.
const COMMANDS: &[(&str, bool)] = &[
    ("card", true),
    ("config check", false),
    ("policy check", false),
    ("roster show", false),
    ("roster install ROSTER", true),
    ("roster readmit bolt", true),
    ("import --collection fraud --kind abuse ips.txt", true),
    (
        "import --collection fraud --source mail -<a@example.com\nb@example.com\n",
        true,
    ),
    (
        "import --collection clients --strict --refused refused.jsonl bad.txt",
        true,
    ),
    ("import --collection clients --type email ips.txt", true),
    ("import --collection clients missing.txt", true),
    ("collections", true),
    ("collections show fraud --output ndjson", true),
    ("collections show nothing", true),
    ("exclusions list", true),
    ("exclusions add public-resolvers", true),
    ("exclusions remove public-resolvers", true),
    ("exclusions remove public-resolvers", true),
    (
        "policy explain --peer bolt --type ip --purpose abuse-prevention",
        true,
    ),
    (
        "policy explain --peer nobody --type ip --purpose abuse-prevention --output csv",
        true,
    ),
    ("keys export storage --to storage.key", true),
    ("keys export identity", true),
    ("keys payment new", true),
    ("keys rotate", true),
    ("keys rotate --request request", true),
    ("keys revoke", true),
    ("keys revoke --yes", true),
    ("card --new-key --quiet", true),
    ("ledger checkpoint", false),
    ("ledger verify", false),
    ("ledger proof 1 proof", false),
    ("ledger export export", false),
    ("backup backup.bin", true),
    ("backup backup.bin", true),
    ("doctor --output json", true),
];

#[test]
fn commands_do_the_same_beside_a_node_as_by_themselves() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let copied = |to: &str| -> Result<(Place, PathBuf), Box<dyn Error>> {
        let place = Place::new()?;
        let home = place.path(to);
        let copied = Command::new("cp")
            .arg("-a")
            .arg(net.home("acme"))
            .arg(&home)
            .status()?;
        assert!(copied.success());
        place.write("ips.txt", "192.0.2.1\n8.8.4.4\n9.9.9.9\n")?;
        place.write("bad.txt", "9.9.9.9\nnothing at all\n")?;
        Ok((place, home))
    };
    let roster = net.place.path("net/administrators/roster.txt");
    let ((alone, _), (beside, served)) = (copied("home")?, copied("home")?);
    let node = Serving::start(&beside, &served)?;
    let mut forwarded = 0;
    for (line, is_forwarded) in COMMANDS {
        let line = line.replace("ROSTER", &roster.display().to_string());
        let (words, input) = line.split_once('<').unwrap_or((&line, ""));
        let run = |place: &Place| -> Result<Output, Box<dyn Error>> {
            let mut child = place
                .command(
                    ["--home", "home"]
                        .into_iter()
                        .chain(words.split_whitespace()),
                )
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let mut stdin = child.stdin.take().ok_or("a pipe")?;
            // One that reads nothing may be gone.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
            Ok(child.wait_with_output()?)
        };
        let (own, its) = (run(&alone)?, run(&beside)?);
        let shown = |output: &Output| {
            (
                output.status.code(),
                masked(&output.stdout),
                masked(&output.stderr),
            )
        };
        assert_eq!(shown(&own), shown(&its), "{line}");
        forwarded += usize::from(*is_forwarded);
        // Its line may be on the way.
        let begin = Instant::now();
        while node.count("command operator=") < forwarded && begin.elapsed() < MOST {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(node.count("command operator="), forwarded, "{line}");
    }
    node.signal("TERM")?;
    let (status, log) = node.ended()?;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    // Nothing is left half done.
    beside.ok("--home home doctor")?;
    Ok(())
}

/// What does not differ from one node or moment to the next: without numbers, keys and digests, and
/// without the folder.
fn masked(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+/=-_.:".contains(c);
    let mut masked = String::new();
    for line in text.lines() {
        let words = line.split_inclusive(|c| !is_word(c));
        for word in words {
            let bare = word.trim_end_matches(|c| !is_word(c));
            // A home that is named by its whole path, and by a part of it.
            let is_path = bare.starts_with("home/") || Path::new(bare).starts_with(temp_dir());
            let file = bare.rsplit('/').next().filter(|_| is_path);
            let bare = file.unwrap_or(bare);
            masked.push_str(
                if bare.len() >= 20 || bare.chars().any(|c| c.is_ascii_digit()) {
                    "#"
                } else {
                    bare
                },
            );
            masked.push(' ');
        }
        masked.push('\n');
    }
    masked
}

#[test]
fn probes_are_answered_to_this_machine() -> Test {
    let net = Network::of(&["acme", "bolt"])?;
    let config = net.home("acme").join("blindmatch.toml");
    let mut text = fs::read_to_string(&config)?;
    text.push_str("[serve]\nadmin = \"127.0.0.1:0\"\nlog_format = \"json\"\n");
    fs::write(&config, &text)?;
    let node = net.serve("acme")?;
    net.place.write("ips.txt", "8.8.4.4\n9.9.9.9\n")?;
    net.place
        .ok(&net.line("acme", "import --collection fraud --kind abuse ips.txt"))?;
    node.said("\"published\"")?;
    let said = node.said("probes and metrics on ")?;
    let address: SocketAddr = said.rsplit(' ').next().ok_or("an address")?.parse()?;
    assert!(address.ip().is_loopback());
    let ask = |path: &str| -> Result<(String, String), Box<dyn Error>> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: node\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer")?;
        let status = head.split(' ').nth(1).ok_or("a status")?;
        Ok((status.to_owned(), body.to_owned()))
    };
    assert_eq!(ask("/livez")?, ("200".to_owned(), "ok\n".to_owned()));
    assert_eq!(ask("/readyz")?, ("200".to_owned(), "ok\n".to_owned()));
    let (status, metrics) = ask("/metrics")?;
    assert_eq!(status, "200");
    assert!(metrics.contains("\nblindmatch_ready 1\n"), "{metrics}");
    // Nobody is missed before the first night.
    let success = "\nblindmatch_last_success_seconds{peer=\"bolt\"} ";
    assert!(!metrics.contains(success), "{metrics}");
    let _bolt = net.serve("bolt")?;
    // It has nothing yet: that is said, and no success.
    let nothing = net.place.run(&net.line("acme", "batch"))?;
    let said = String::from_utf8_lossy(&nothing.stdout);
    assert_eq!(nothing.status.code(), Some(6), "{said}");
    assert!(said.contains("published nothing"), "{said}");
    let (_, metrics) = ask("/metrics")?;
    assert!(!metrics.contains(success), "{metrics}");
    let never = "\nblindmatch_never_succeeded{peer=\"bolt\"} ";
    assert!(metrics.contains(&format!("{never}1\n")), "{metrics}");
    net.place
        .ok(&net.line("bolt", "import --collection fraud --kind abuse ips.txt"))?;
    let begin = Instant::now();
    while !net.place.run(&net.line("acme", "batch"))?.status.success() {
        assert!(begin.elapsed() < MOST, "nothing is published");
        sleep(Duration::from_millis(200));
    }
    let (_, metrics) = ask("/metrics")?;
    assert!(metrics.contains(success), "{metrics}");
    assert!(metrics.contains(&format!("{never}0\n")), "{metrics}");
    let budget = "blindmatch_budget_left_evaluations{view=\"abuse/ip/abuse-prevention\",peer=\"bolt\",span=\"day\"} ";
    assert!(metrics.contains(budget), "{metrics}");
    let records = metrics
        .lines()
        .find(|line| line.starts_with("blindmatch_ledger_records "));
    let records: u64 = records
        .ok_or_else(|| metrics.clone())?
        .rsplit(' ')
        .next()
        .ok_or("")?
        .parse()?;
    assert!(records > 1, "{metrics}");
    assert!(
        metrics.contains("blindmatch_expiry_seconds{what=\"roster\"}"),
        "{metrics}"
    );
    assert_eq!(ask("/")?.0, "404");
    // At other addresses of this machine nobody listens.
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
    assert!(TcpStream::connect(elsewhere).is_err());
    // Each line of the log is an object.
    net.place.ok(&net.line("acme", "collections"))?;
    let line = node.said("\"command\":\"collections\"")?;
    serde_json::from_str::<serde_json::Value>(&line)?;
    node.signal("TERM")?;
    node.ended()?;
    fs::write(&config, text.replace("127.0.0.1:0", "0.0.0.0:9443"))?;
    net.place
        .fails(&net.line("acme", "serve"), 1, &["loopback"])
}
