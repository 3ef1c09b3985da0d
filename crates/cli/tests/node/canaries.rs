//! Marked indicators of every type go through all that two nodes do and fail at, and show up nowhere
//! but in the answers that are meant to name them: not in a log of any level, a metric, a report, an
//! error or a file of a home, in no form in which they could be written.
//!
//! CI runs the most talkative level, the long tier all of them:
//!
//! ```text
//! cargo test -p blindmatch-cli --test node -- --ignored --exact \
//!     canaries::no_level_of_a_log_names_an_indicator_long
//! ```

use std::error::Error;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PaymentKey};
use blindmatch_testkit::forms;
use serde_json::Value;

use crate::network::{MOST, Network, Serving};
use crate::peers::canonicaliser;
use crate::place::{Test, files};

const MEMBERS: [&str; 2] = ["acme", "bolt"];
/// In every value of words.
const MARK: &str = "zqcanary";
/// In every reference of a member's own.
const REFERENCE: &str = "REF-MARKED";
/// Whoever has a row: both members, or one of them.
const ROWS: [(&str, usize); 3] = [("both", 1), ("acme", 2), ("bolt", 3)];

/// Which form of card numbers a consortium has: its members hold the one or the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cards {
    Weak,
    Whole,
}

/// A value of each type, as row `number` has it.
fn values(number: usize, cards: Cards) -> Vec<(IndicatorType, String)> {
    use IndicatorType::{
        Account, Asn, Btc, CardWeak, Domain, Email, Eth, Iban, Ip, Ja4, Lei, Network, Pan, Phone,
        SshKey, Tron, Url,
    };
    let one_of = |three: [&str; 3]| three[number - 1].to_owned();
    let card = match cards {
        Cards::Weak => (
            CardWeak,
            one_of([
                "411111*1111 12/27",
                "555555*4444 12/27",
                "601111*1117 12/27",
            ]),
        ),
        Cards::Whole => (
            Pan,
            one_of([
                "4111 1111 1111 1111",
                "5555555555554444",
                "6011111111111117",
            ]),
        ),
    };
    let wire = [
        &b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..],
        &[0x50 + u8::try_from(number).unwrap_or(0); 32],
    ];
    vec![
        (Ip, format!("45.141.215.3{number}")),
        (Ip, format!("2a02:4780:BAD{number}::BEEF")),
        (
            Network,
            one_of(["185.220.100.0/22", "185.220.104.0/22", "185.220.108.0/22"]),
        ),
        (Email, format!("ZqCanary.{number}+tag@gmail.com")),
        (Phone, format!("+4420721930{number}7")),
        (Account, format!("github:ZqCanary-{number}")),
        (Domain, format!("zqcanary{number}-evil.com")),
        (
            Url,
            format!("https://zqcanary{number}-url.com/Path/zqcanary?q=Secret{number}"),
        ),
        card,
        (
            Iban,
            one_of([
                "DE89 3704 0044 0532 0130 00",
                "GB29NWBK60161331926819",
                "NL91ABNA0417164300",
            ]),
        ),
        (
            Btc,
            one_of([
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            ]),
        ),
        (
            Eth,
            one_of([
                "0x52908400098527886E0F7030069857D2E4169EE7",
                "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
                "0xde709f2102306220921060314715629080e2fb77",
            ]),
        ),
        (
            Tron,
            one_of([
                "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
                "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
                "TZJozAg1ruapycCicgz31GxvYJ1FraLjZa",
            ]),
        ),
        (
            SshKey,
            format!("ssh-ed25519 {}", Base64::encode_string(&wire.concat())),
        ),
        (Ja4, format!("t13d1516h2_8daaf6152771_02713d6af86{number}")),
        (Asn, format!("AS3947{number}1")),
        (
            Lei,
            one_of([
                "213800KUD8LAJWSQ9D15",
                "5493001KJTIIGC8Y1R12",
                "HWUPKR0MPOU8FGXBT394",
            ]),
        ),
    ]
}

/// What must not stand anywhere, with what it is of.
type Wanted = Vec<(String, Vec<u8>)>;

fn wanted(cards: Cards) -> Result<Wanted, Box<dyn Error>> {
    let canonicaliser = canonicaliser()?.with_payment_key(PaymentKey::new(&[3; 32]));
    let mut wanted = Vec::new();
    let mut mark = |what: &str, value: &[u8]| {
        // Shorter ones stand in what is sealed by chance.
        let forms = forms(value).into_iter().filter(|form| form.len() >= 7);
        wanted.extend(forms.map(|form| (what.to_owned(), form)));
    };
    for marked in [MARK, "ZqCanary", REFERENCE, "not-an-indicator"] {
        mark(marked, marked.as_bytes());
    }
    for (row, number) in ROWS {
        for (kind, text) in values(number, cards) {
            let indicator = canonicaliser.parse(kind, &text)?;
            let what = format!("{kind} of {row}");
            let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            for text in [&text, &bare, &text.to_lowercase(), &text.to_uppercase()] {
                mark(&what, text.as_bytes());
            }
            // What a whole card number becomes depends on a key that this test does not have.
            if kind != IndicatorType::Pan {
                mark(&what, indicator.to_text().as_bytes());
                mark(&what, indicator.as_bytes());
                mark(&what, &indicator.encode());
                for derived in derived(&canonicaliser, &indicator) {
                    mark(&what, &derived);
                }
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    Ok(wanted)
}

fn derived(canonicaliser: &Canonicaliser, of: &blindmatch_indicator::Indicator) -> Vec<Vec<u8>> {
    let derived = canonicaliser.derive(of);
    // `com` and the like are of many.
    let derived = derived
        .iter()
        .filter(|one| one.indicator_type() != IndicatorType::Network);
    derived
        .map(|one| one.to_text().as_bytes().to_vec())
        .collect()
}

/// All that was said and written, by where.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn take(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// What of this stands where.
    fn found(&self, wanted: &[(String, Vec<u8>)]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in &self.0 {
            for (what, form) in wanted {
                // A list of matches is meant to name one's own references, and no values.
                let is_meant = what == REFERENCE && place.starts_with("stdout of matches list");
                if !is_meant && memchr::memmem::find(bytes, form).is_some() {
                    let form = String::from_utf8_lossy(form);
                    found.push(format!("{what}, as {form}, in {place}"));
                }
            }
        }
        found
    }
}

/// Two members that serve, what they are told, and what they say.
struct World {
    net: Network,
    nodes: Vec<Serving>,
    cards: Cards,
    seen: Seen,
}

impl World {
    fn new(level: &str, format: &str, cards: Cards) -> Result<Self, Box<dyn Error>> {
        let net = Network::of(&MEMBERS)?;
        for member in MEMBERS {
            let config = net.home(member).join("blindmatch.toml");
            let mut text = fs::read_to_string(&config)?;
            text.push_str(&format!(
                "[serve]\nadmin = \"127.0.0.1:0\"\nlog = \"{level}\"\nlog_format = \"{format}\"\n"
            ));
            fs::write(&config, text)?;
        }
        if cards == Cards::Whole {
            for (member, line) in [
                ("acme", "keys payment new"),
                ("acme", "keys payment wrap --to bolt bolt.payment"),
                ("bolt", "keys payment install --from acme bolt.payment"),
            ] {
                net.place.ok(&net.line(member, line))?;
            }
            for member in MEMBERS {
                let path = net.home(member).join("policy.toml");
                let policy = fs::read_to_string(&path)?;
                fs::write(&path, policy.replace("\"card_weak\"", "\"pan\""))?;
            }
        }
        Ok(Self {
            nodes: Vec::new(),
            seen: Seen::default(),
            net,
            cards,
        })
    }

    fn start(&mut self) -> Test {
        for member in MEMBERS {
            self.nodes.push(self.net.serve(member)?);
        }
        Ok(())
    }

    /// Asks the first nodes for their metrics, ends them, and keeps what they logged.
    fn stop(&mut self, count: usize) -> Test {
        for node in self.nodes.drain(..count) {
            let address = node.said("probes and metrics on ")?;
            let address: SocketAddr = address.rsplit(' ').next().ok_or("")?.parse()?;
            for path in ["metrics", "readyz", "livez"] {
                let mut stream = TcpStream::connect(address)?;
                write!(stream, "GET /{path} HTTP/1.1\r\nHost: node\r\n\r\n")?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer)?;
                self.seen.take(path, answer);
            }
            node.signal("TERM")?;
            let (_, log) = node.ended()?;
            assert!(log.len() > 2, "{log:?}");
            self.seen.take("a log", log.join("\n"));
        }
        Ok(())
    }

    /// Runs a command that ends with `code`; nothing that it says may name a value.
    fn says(&mut self, member: &str, code: i32, line: &str) -> Test {
        let output = self.net.place.run(&self.net.line(member, line))?;
        self.seen
            .take(format!("stdout of {line}"), output.stdout.clone());
        self.seen
            .take(format!("stderr of {line}"), output.stderr.clone());
        if output.status.code() == Some(code) {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Err(format!("{line} ended with {}: {said}", output.status).into())
    }

    /// The same of a command whose result is meant to name values, given its input, if any; the result.
    fn shows(&mut self, code: i32, line: &[&str], input: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let home = self.net.home("acme");
        let words = ["--home", home.to_str().ok_or("a path")?];
        let words = words.iter().chain(line);
        let mut child = self
            .net
            .place
            .command(words.copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("a pipe")?;
        // One that reads nothing may be gone.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        self.seen.take("stderr of a query", output.stderr);
        Ok(output.stdout)
    }

    fn import_all(&mut self) -> Test {
        for member in MEMBERS {
            let rows = ROWS
                .iter()
                .filter(|(whose, _)| ["both", member].contains(whose));
            let rows: Vec<_> = rows
                .map(|(_, number)| (*number, values(*number, self.cards)))
                .collect();
            let (_, first) = rows.first().ok_or("no row")?;
            let mut feed = String::from("id");
            let mut maps = String::new();
            for (at, (kind, _)) in first.iter().enumerate() {
                feed.push_str(&format!(",c{at}"));
                maps.push_str(&format!(" --map {kind}=c{at}"));
            }
            for (number, values) in &rows {
                feed.push_str(&format!("\n{REFERENCE}-{number}"));
                values
                    .iter()
                    .for_each(|(_, text)| feed.push_str(&format!(",{text}")));
            }
            feed.push('\n');
            let file = format!("{member}.csv");
            self.net.place.write(&file, feed)?;
            let import =
                format!("import --collection known --kind abuse --ref id{maps} --strict {file}");
            self.says(member, 0, &import)?;
            self.says(member, 0, &import)?;
        }
        Ok(())
    }

    /// Asks until everything has been answered: before all is published, a peer serves nothing, or not
    /// now.
    fn batch(&mut self, member: &str) -> Test {
        let begin = Instant::now();
        loop {
            let line = self.net.line(member, "batch --output json");
            let output = self.net.place.run(&line)?;
            let batch: Value = serde_json::from_slice(&output.stdout)?;
            let pairs = batch["pairs"].as_array().ok_or("no pairs")?;
            let done = pairs.iter().filter(|pair| pair["status"] == "done").count();
            self.seen.take("stdout of batch", output.stdout);
            self.seen.take("stderr of batch", output.stderr);
            if done >= values(1, self.cards).len() && output.status.success() {
                return self.says(member, 0, "batch");
            }
            if begin.elapsed() > MOST {
                return Err("not everything is answered".into());
            }
            sleep(Duration::from_millis(200));
        }
    }
}

/// Files that are no feeds, or not what they are called, with values in them, and how they are read.
const FAULTY: &[(&str, &str, &str)] = &[
    (
        "refused.txt",
        "zqcanary@@evil..com\nnot-an-indicator 45.141.215.31.9\n",
        "",
    ),
    (
        "mails.txt",
        "45.141.215.31\nzqcanary1-evil.com\n",
        "--type email",
    ),
    (
        "broken.jsonl",
        "{\"ip\": \"45.141.215.31\", \"x\": zqcanary\n",
        "--format jsonl --column ip",
    ),
    (
        "broken.csv",
        "ip,id\n\"45.141.215.31,zqcanary\n",
        "--format csv --column ip",
    ),
    (
        "column.csv",
        "zqcanary1-evil.com,45.141.215.31\n",
        "--format csv --column nowhere",
    ),
    (
        "broken.json",
        "{\"type\": \"bundle\", \"objects\": [\"45.141.215.31\", \"zqcanary\"]}",
        "--format stix",
    ),
    (
        "event.json",
        "{\"Event\": {\"Attribute\": \"zqcanary1-evil.com\"}}",
        "--format misp",
    ),
    ("broken.gz", "\u{1f}zqcanary 45.141.215.31", "--type ip"),
];

fn run(level: &str, format: &str, cards: Cards) -> Result<Seen, Box<dyn Error>> {
    let mut world = World::new(level, format, cards)?;
    world.start()?;
    world.import_all()?;
    for member in MEMBERS {
        world.batch(member)?;
    }
    world.says("acme", 0, "batch --dry-run")?;

    // Rows and files that are refused, by the node that serves.
    for (file, content, how) in FAULTY {
        world.net.place.write(file, content)?;
        let refused = format!("{file}.refused");
        let import = format!("import --collection other {how} --strict --refused {refused} {file}");
        let output = world.net.place.run(&world.net.line("acme", &import))?;
        world.seen.take(format!("stdout of {file}"), output.stdout);
        world.seen.take(format!("stderr of {file}"), output.stderr);
        if let Ok(report) = fs::read(world.net.place.path(&refused)) {
            world.seen.take(refused, report);
        }
    }

    // What is found and what is not; here the results are meant to name it.
    let all: Vec<_> = ROWS
        .iter()
        .flat_map(|(_, number)| values(*number, cards))
        .collect();
    let asked: String = all.iter().map(|(_, text)| format!("{text}\n")).collect();
    let answers = world.shows(0, &["query", "--case", "T-1", "-"], &asked)?;
    assert!(memchr::memmem::find(&answers, b"zqcanary1-evil.com").is_some());
    world.shows(
        0,
        &["query", "--value", "45.141.215.33", "--output", "json"],
        "",
    )?;
    let matches = world.shows(0, &["matches", "list", "--values"], "")?;
    assert!(memchr::memmem::find(&matches, b"zqcanary1-evil.com").is_some());
    // Queries that fail, of values that nobody has to see again.
    world.shows(
        1,
        &["query", "--type", "email", "--value", "zqcanary1-evil.com"],
        "",
    )?;
    world.shows(1, &["query", "--value", "not-an-indicator zqcanary"], "")?;
    world.shows(1, &["query", "--type", "ip", "-"], "zqcanary1-evil.com\n")?;
    world.shows(3, &["query", "--purpose", "nonsense", "-"], &asked)?;
    world.shows(1, &["query", "--peer", "nobody", "-"], &asked)?;

    for line in [
        "matches list",
        "matches list --output json",
        "status",
        "status --output json",
        "doctor",
        "epoch list",
        "collections",
        "collections show known --output json",
        "policy explain --peer bolt --type ip --purpose abuse-prevention --direction ask",
        "ledger verify",
        "ledger checkpoint",
        "ledger export --all all.ledger",
        "backup acme.backup",
    ] {
        world.says("acme", 0, line)?;
    }
    for file in ["all.ledger", "acme.backup"] {
        let bytes = fs::read(world.net.place.path(file))?;
        world.seen.take(file, bytes);
    }
    // A peer that allows nothing any more, and one that is gone.
    let policy = world.net.home("bolt").join("policy.toml");
    let allowed = fs::read_to_string(&policy)?;
    fs::write(&policy, "")?;
    world.nodes[1].signal("HUP")?;
    world.nodes[1].said("read again")?;
    world.shows(0, &["query", "--peer", "bolt", "-"], "45.141.215.38\n")?;
    fs::write(&policy, allowed)?;
    world.nodes[1].signal("HUP")?;
    world.stop(1)?;
    // No room on the disk, while the peer answers.
    world.net.place.write("more.txt", "zqcanary9-evil.com\n")?;
    world.says("acme", 0, "import --collection more --kind abuse more.txt")?;
    full(&mut world, "import --collection most more.txt")?;
    full(&mut world, "batch")?;
    world.stop(1)?;
    world.shows(5, &["query", "--peer", "bolt", "-"], "45.141.215.39\n")?;

    // A collection that is damaged.
    let home = world.net.home("acme");
    let collection = files(&home.join("collections"))?;
    let sealed = collection
        .iter()
        .max_by_key(|file| file.metadata().map_or(0, |of| of.len()));
    let sealed = sealed.ok_or("no collection")?;
    let mut bytes = fs::read(sealed)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(sealed, bytes)?;
    world.says("acme", 1, "doctor")?;
    world.says("acme", 1, "batch")?;
    world.says("acme", 1, "backup other.backup")?;
    world.start()?;
    world.says("acme", 1, "batch")?;
    world.stop(MEMBERS.len())?;

    for member in MEMBERS {
        for file in files(&world.net.home(member))? {
            let name = file.display().to_string();
            let mut bytes = fs::read(&file)?;
            bytes.extend_from_slice(name.as_bytes());
            world.seen.take(name, bytes);
        }
    }
    Ok(world.seen)
}

/// Runs a command of `acme` that may write no file of more than some bytes.
fn full(world: &mut World, line: &str) -> Test {
    let command = world.net.place.command([]);
    let program = command.get_program().to_owned();
    let line = world.net.line("acme", line);
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(program)
        .args(line.split_whitespace())
        .current_dir(world.net.place.path(""))
        .output()?;
    assert!(!output.status.success(), "{line}");
    world
        .seen
        .take(format!("stdout of {line}, without room"), output.stdout);
    world
        .seen
        .take(format!("stderr of {line}, without room"), output.stderr);
    Ok(())
}

#[test]
fn the_most_talkative_log_names_no_indicator() -> Test {
    let seen = run("debug", "text", Cards::Weak)?;
    let wanted = wanted(Cards::Weak)?;
    assert_eq!(seen.found(&wanted), Vec::<String>::new());

    // Each form is found where it stands.
    for (what, form) in &wanted {
        let planted = Seen(vec![(
            "a log".to_owned(),
            [b"x ", &form[..], b" y"].concat(),
        )]);
        assert!(!planted.found(&wanted).is_empty(), "{what}");
    }
    Ok(())
}

#[test]
#[ignore = "minutes; the command stands at the head of this file"]
fn no_level_of_a_log_names_an_indicator_long() -> Test {
    for level in ["error", "warn", "info", "debug"] {
        for (format, cards) in [("text", Cards::Whole), ("json", Cards::Weak)] {
            let seen = run(level, format, cards).map_err(|error| format!("{level}: {error}"))?;
            assert_eq!(seen.found(&wanted(cards)?), Vec::<String>::new(), "{level}");
        }
    }
    Ok(())
}
