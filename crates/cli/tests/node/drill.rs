//! The deletion drill: what two nodes held, asked, found and decided is over, and nobody finds it any
//! more: not in a file of a home, not in a backup, not in the memory of the processes that served all the
//! time. The long tier reads the whole image of the disk that the homes are on, what is free of it
//! included; it mounts one, so it needs root:
//!
//! ```text
//! cargo test -p blindmatch-cli --test node -- --ignored --exact \
//!     drill::the_image_of_a_disk_has_nothing_of_what_is_over_long
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use blindmatch_indicator::IndicatorType;
use blindmatch_node::clock;
use blindmatch_node::store::disk::Disk;
use blindmatch_node::store::home::Home;
use blindmatch_node::store::views::Views;
use blindmatch_oprf::voprf::evaluate;
use serde_json::Value;

use crate::network::{MOST, Network, Serving};
use crate::peers::canonicaliser;
use crate::place::{Place, Test, files};

const MEMBERS: [&str; 2] = ["acme", "bolt"];
const DAY: u64 = 86_400;
/// How long memory may take to lose what is over: threads that idle end after ten seconds.
const SETTLES: Duration = Duration::from_secs(40);

/// What must not stand anywhere, with what it is.
type Wanted = BTreeMap<Vec<u8>, String>;

/// Values that both members have, or one of them.
fn values(whose: &str) -> Vec<(IndicatorType, String)> {
    let number = match whose {
        "both" => 1,
        "acme" => 2,
        _ => 3,
    };
    vec![
        (
            IndicatorType::Email,
            format!("zqdrill.{whose}{number}@zqmail{number}-evil.com"),
        ),
        (
            IndicatorType::Ip,
            format!("2a02:4780:bad{number}:7a71:9c5e:d00d:{number}f1e:beef"),
        ),
        (
            IndicatorType::Url,
            format!("https://zqhost{number}-evil.com/zqpath{number}?q=zqsecret{number}"),
        ),
    ]
}

/// Adds a value in each form in which it could stand.
fn mark(wanted: &mut Wanted, what: &str, value: &[u8]) {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        value.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    // What base64 makes of it depends on how much stands before; what holds bits of its neighbours is
    // left out.
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        let padded = [vec![0; before], value.to_vec()].concat();
        let text = Base64::encode_string(&padded);
        let text = text.trim_end_matches('=').as_bytes();
        let last = text.len() - usize::from(!padded.len().is_multiple_of(3));
        forms.extend(text.get(first..last).map(<[u8]>::to_vec));
    }
    for form in forms {
        wanted.insert(form, what.to_owned());
    }
}

/// The marked values, in each form that this program gives them.
fn marked() -> Result<Wanted, Box<dyn Error>> {
    let canonicaliser = canonicaliser()?;
    let mut wanted = Wanted::new();
    for text in [
        "zqdrill",
        "zqmail",
        "zqhost",
        "zqpath",
        "zqsecret",
        "ZQ-REF",
        "zq-case",
        "zq-reason",
    ] {
        mark(&mut wanted, text, text.as_bytes());
    }
    for whose in ["both", "acme", "bolt"] {
        for (kind, text) in values(whose) {
            let indicator = canonicaliser.parse(kind, &text)?;
            for bytes in [text.as_bytes(), indicator.as_bytes()] {
                mark(&mut wanted, &format!("{kind} of {whose}"), bytes);
            }
        }
    }
    Ok(wanted)
}

/// The keys of a home: of its views, of every sealed file, and the tags of what is marked under them.
fn keys_and_tags(home: &Path, member: &str, copy: &Path) -> Result<Wanted, Box<dyn Error>> {
    let copied = Command::new("cp").arg("-a").args([home, copy]).status()?;
    assert!(copied.success());
    let mut wanted = Wanted::new();
    let opened = Home::open(Disk::new(copy), clock::now())?;
    let keys = opened.file_keys();
    for id in keys.list()? {
        let key = keys.load(id)?;
        mark(
            &mut wanted,
            &format!("{member}: key of file {id}"),
            key.as_slice(),
        );
    }
    let named = opened.named_keys();
    for name in named.names()? {
        let key = named.load(&name)?;
        mark(&mut wanted, &format!("{member}: key {name}"), &key);
    }
    let (views, damaged) = Views::open(&opened)?;
    assert!(damaged.is_empty(), "{damaged:?}");
    let canonicaliser = canonicaliser()?;
    for own in views.own() {
        let view = String::from_utf8_lossy(&own.domain().view).into_owned();
        let secret = own.secret();
        let what = format!("{member}: key of {view}");
        mark(&mut wanted, &what, secret.to_bytes().as_slice());
        let length = own
            .publications()
            .first()
            .map(|newest| newest.manifest.edition.tag_length().bits());
        let length = length.ok_or("no publication")?;
        for whose in ["both", "acme", "bolt"] {
            for (kind, text) in values(whose) {
                let item = canonicaliser.parse(kind, &text)?;
                if !view.contains(kind.name()) {
                    continue;
                }
                let output = evaluate(&secret, &item.encode())?;
                let output: &[u8] = output.as_bytes();
                let first: [u8; 16] = output.first_chunk().copied().ok_or("no output")?;
                let tag = u128::from_be_bytes(first) >> (128 - u32::from(length));
                let bytes = usize::from(length).div_ceil(8);
                let what = format!("{member}: tag of {kind} of {whose}");
                mark(&mut wanted, &what, &first);
                mark(&mut wanted, &what, &tag.to_be_bytes()[16 - bytes..]);
                mark(&mut wanted, &what, &tag.to_le_bytes()[..bytes]);
                mark(&mut wanted, &what, &output[40..]);
            }
        }
    }
    Ok(wanted)
}

/// What of it stands in these bytes: by one pass, since there is much of both.
fn found_in(bytes: &[u8], place: &str, wanted: &Wanted) -> Vec<String> {
    let number = |first: &[u8; 3]| u32::from_be_bytes([0, first[0], first[1], first[2]]);
    let mut begins = vec![false; 1 << 24];
    for form in wanted.keys() {
        let first = form.first_chunk().expect("three bytes and more");
        begins[usize::try_from(number(first)).expect("24 bits")] = true;
    }
    let mut found = BTreeSet::new();
    for (at, first) in bytes.array_windows::<3>().enumerate() {
        if !begins[usize::try_from(number(first)).expect("24 bits")] {
            continue;
        }
        let rest = &bytes[at..];
        let forms = wanted.range(first.to_vec()..);
        let forms = forms.take_while(|(form, _)| form.starts_with(first));
        for (form, what) in forms.filter(|(form, _)| rest.starts_with(form)) {
            found.insert(format!("{what} in {place}, {} bytes", form.len()));
        }
    }
    found.into_iter().collect()
}

fn found_in_files(folder: &Path, wanted: &Wanted) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    for file in files(folder)? {
        let name = file.display().to_string();
        // A socket is none.
        if !file.metadata()?.is_file() {
            continue;
        }
        let mut bytes = fs::read(&file)?;
        bytes.extend_from_slice(name.as_bytes());
        found.extend(found_in(&bytes, &name, wanted));
    }
    Ok(found)
}

/// What stands in memory of a process that it may write, or its own program may have.
fn found_in_memory(process: u32, wanted: &Wanted) -> Result<Vec<String>, Box<dyn Error>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut memory = File::open(format!("/proc/{process}/mem"))?;
    let (mut found, mut read) = (Vec::new(), 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            continue;
        };
        let name = words.nth(3).unwrap_or("anonymous");
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').ok_or("a range")?;
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        let mut bytes = vec![0; usize::try_from(to - from)?];
        memory.seek(SeekFrom::Start(from))?;
        // What is gone by now, or was never touched.
        if memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        read += bytes.len();
        found.extend(found_in(&bytes, &format!("memory, {name}"), wanted));
    }
    assert!(read > 1 << 20, "nothing was read");
    Ok(found)
}

struct Drill {
    net: Network,
    nodes: Vec<Serving>,
    clock: PathBuf,
    now: u64,
}

impl Drill {
    fn begin(place: Place) -> Result<Self, Box<dyn Error>> {
        let net = Network::founded(place, &MEMBERS)?;
        let mut drill = Self {
            clock: net.place.path("clock"),
            nodes: Vec::new(),
            net,
            now: clock::now(),
        };
        drill.pass(0)?;
        for member in MEMBERS {
            let config = drill.net.home(member).join("blindmatch.toml");
            let mut text = fs::read_to_string(&config)?;
            text.push_str("[keep_days]\n");
            for kind in [
                "ip",
                "network",
                "email",
                "email_folded",
                "url",
                "url_host",
                "domain",
                "registrable_domain",
            ] {
                text.push_str(&format!("{kind} = 2\n"));
            }
            fs::write(&config, text)?;
            let policy = drill.net.home(member).join("policy.toml");
            let text = fs::read_to_string(&policy)?;
            fs::write(
                policy,
                text.replace("sweep = true\n", "sweep = true\nfeedback = true\n"),
            )?;
            let node = drill.net.serve_by(member, &drill.clock)?;
            drill.nodes.push(node);
        }
        Ok(drill)
    }

    fn pass(&mut self, seconds: u64) -> Test {
        self.now += seconds;
        let next = self.net.place.path("clock.next");
        fs::write(&next, self.now.to_string())?;
        Ok(fs::rename(next, &self.clock)?)
    }

    fn says(&self, member: &str, line: &str) -> Result<String, Box<dyn Error>> {
        self.net.place.ok(&self.net.line(member, line))
    }

    fn json(&self, member: &str, line: &str) -> Result<Value, Box<dyn Error>> {
        self.net.place.json(&self.net.line(member, line))
    }

    /// Imports rows of one value of each type, in place of what there was.
    fn import(&self, member: &str, rows: &[Vec<String>]) -> Test {
        let mut feed = "email,ip,url,id\n".to_owned();
        for row in rows {
            feed.push_str(&format!("{}\n", row.join(",")));
        }
        let file = format!("{member}.csv");
        self.net.place.write(&file, feed)?;
        let line = format!(
            "import --collection known --kind abuse --ref id --map email=email --map ip=ip \
             --map url=url --allow-shrink {file}"
        );
        self.says(member, &line)?;
        Ok(fs::remove_file(self.net.place.path(&file))?)
    }

    fn import_marked(&self, member: &str) -> Test {
        let row = |whose: &str| -> Vec<String> {
            let values = values(whose).into_iter().map(|(_, text)| text);
            values.chain([format!("ZQ-REF-{whose}")]).collect()
        };
        self.import(member, &[row("both"), row(member)])
    }

    /// What nobody minds.
    fn import_plain(&self, member: &str) -> Test {
        let row = ["plain@plain.example", "45.9.9.9", "https://plain.example/"];
        let row = row.map(str::to_owned).into_iter();
        self.import(member, &[row.chain([format!("row-of-{member}")]).collect()])
    }

    /// Asks until every view has answered that has something in it.
    fn batch(&self, member: &str) -> Test {
        let begin = Instant::now();
        loop {
            let output = self
                .net
                .place
                .run(&self.net.line(member, "batch --output json"))?;
            let batch: Value = serde_json::from_slice(&output.stdout)?;
            let pairs = batch["pairs"].as_array().ok_or("no pairs")?;
            let done = pairs.iter().filter(|pair| pair["status"] == "done").count();
            // A view was published before the rows of today came, and has nothing in it.
            let is_empty = |pair: &Value| {
                let reason = pair["reason"].as_str().unwrap_or_default();
                pair["status"] == "refused" && reason.contains("set_too_small")
            };
            let has_answered = |pair: &Value| {
                let status = pair["status"].as_str().unwrap_or_default();
                ["done", "not_served"].contains(&status) || is_empty(pair)
            };
            if pairs.iter().all(has_answered) && done >= 3 {
                return Ok(());
            }
            if begin.elapsed() > MOST {
                return Err(format!("not everything is answered: {batch:#}").into());
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// What can be done with what is marked: asked, found, shown, decided, told, exported, backed up.
    fn live(&self) -> Test {
        for member in MEMBERS {
            self.import_marked(member)?;
        }
        for member in MEMBERS {
            self.batch(member)?;
        }
        let [(_, email), (_, ip), (_, url)] = values("both").try_into().map_err(|_| "three")?;
        let query = format!("query --value {email} --value {ip} --value {url} --case zq-case");
        assert!(self.says("acme", &query)?.contains("zqdrill"));
        for other in values("bolt") {
            self.says("acme", &format!("query --value {}", other.1))?;
        }
        for member in MEMBERS {
            let list = self.json(member, "matches list --all --values")?;
            let matches = list["matches"].as_array().ok_or("no matches")?;
            assert!(matches.len() > 3, "{list:#}");
            let mut shown = String::new();
            for found in matches {
                let id = found["id"].as_str().ok_or("an id")?;
                shown.push_str(&self.says(member, &format!("matches show {id}"))?);
                let said = "--case zq-case --reason zq-reason";
                self.says(member, &format!("matches confirm {id} {said}"))?;
                self.says(member, &format!("matches feedback {id} agree"))?;
            }
            assert!(
                shown.contains("ZQ-REF-both") && shown.contains("zqdrill"),
                "{shown}"
            );
            self.says(member, "matches export --format stix --out out.stix")?;
            self.says(
                member,
                "matches export --format ndjson --for enforcement --out out.json",
            )?;
            for file in ["out.stix", "out.json"] {
                fs::remove_file(self.net.place.path(file))?;
            }
            self.says(member, "matches trace zq-case")?;
            self.batch(member)?;
            self.says(member, &format!("backup {member}.early"))?;
        }
        self.says("bolt", "matches heard")?;
        Ok(())
    }

    /// Everything that was is over.
    fn end(&mut self) -> Test {
        for member in MEMBERS {
            let views = self.json(member, "epoch list")?;
            for view in views["views"].as_array().ok_or("no views")? {
                if view["own"] == true {
                    let name = view["view"].as_str().ok_or("a name")?;
                    self.says(member, &format!("epoch rotate {name}"))?;
                }
            }
            self.says(member, "keys rotate")?;
        }
        for days in [3, 2] {
            self.pass(days * DAY)?;
            for member in MEMBERS {
                self.import_plain(member)?;
            }
            for member in MEMBERS {
                self.batch(member)?;
            }
        }
        // The chores are done behind an import.
        for member in MEMBERS {
            self.import_plain(member)?;
            self.says(member, &format!("backup {member}.late"))?;
        }
        Ok(())
    }
}

/// Homes in `place` live through it; what of it is found where there must be nothing.
fn drill(place: Place) -> Result<(Drill, Wanted), Box<dyn Error>> {
    let mut drill = Drill::begin(place)?;
    drill.live()?;
    let mut wanted = marked()?;
    let copies = tempfile::tempdir()?;
    let mut before = Vec::new();
    for (member, node) in MEMBERS.iter().zip(&drill.nodes) {
        let copy = copies.path().join(member);
        before.push(keys_and_tags(&drill.net.home(member), member, &copy)?);
        // What is searched for is there as long as it may be.
        let found = found_in_memory(node.child.id(), before.last().ok_or("keys")?)?;
        assert!(
            found.iter().any(|found| found.contains("key of abuse/ip")),
            "{found:#?}"
        );
    }
    drill.end()?;
    // What is in use all the same is not over.
    for (member, before) in MEMBERS.iter().zip(before) {
        let copy = copies.path().join(format!("{member}-late"));
        let after = keys_and_tags(&drill.net.home(member), member, &copy)?;
        let over = before
            .into_iter()
            .filter(|(form, _)| !after.contains_key(form));
        let over: Wanted = over.collect();
        for what in [
            "key of file",
            "key of abuse/",
            "tag of ip",
            "key checkpoints",
        ] {
            assert!(
                over.values().any(|over| over.contains(what)),
                "{member}: {what}"
            );
        }
        wanted.extend(over);
    }
    Ok((drill, wanted))
}

/// Nothing of it is in a file of a home, or in a backup of before or behind.
fn is_in_no_file(drill: &Drill, wanted: &Wanted) -> Test {
    for member in MEMBERS {
        let found = found_in_files(&drill.net.home(member), wanted)?;
        assert_eq!(found, Vec::<String>::new());
        for backup in ["early", "late"] {
            let name = format!("{member}.{backup}");
            let backup = fs::read(drill.net.place.path(&name))?;
            assert_eq!(found_in(&backup, &name, wanted), Vec::<String>::new());
        }
    }
    Ok(())
}

#[test]
fn what_is_over_is_in_no_file_no_backup_and_no_memory() -> Test {
    let (drill, wanted) = drill(Place::new()?)?;
    is_in_no_file(&drill, &wanted)?;
    println!("{} forms are searched for", wanted.len());
    for node in &drill.nodes {
        let (begin, process) = (Instant::now(), node.child.id());
        loop {
            let found = found_in_memory(process, &wanted)?;
            if found.is_empty() {
                break;
            }
            assert!(begin.elapsed() < SETTLES, "{}: {found:#?}", found.len());
            sleep(Duration::from_secs(1));
        }
    }
    Ok(())
}

/// A file system of its own, in a file.
struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    fn mount(file: PathBuf, at: PathBuf) -> Result<Self, Box<dyn Error>> {
        File::create(&file)?.set_len(96 << 20)?;
        fs::create_dir(&at)?;
        let image = Self { file, at };
        image.runs("mkfs.ext4", &["-q", "-F"], &image.file, None)?;
        image.runs("mount", &["-o", "loop"], &image.file, Some(&image.at))?;
        Ok(image)
    }

    fn runs(&self, program: &str, words: &[&str], on: &Path, at: Option<&Path>) -> Test {
        let done = Command::new(program)
            .args(words)
            .arg(on)
            .args(at)
            .status()?;
        if done.success() {
            return Ok(());
        }
        Err(format!("{program}: {done}; this needs root, and loop devices").into())
    }

    /// All of it, as it lies on the disk.
    fn read(self) -> Result<Vec<u8>, Box<dyn Error>> {
        self.runs("umount", &[], &self.at, None)?;
        Ok(fs::read(&self.file)?)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = Command::new("umount")
            .args(["-q", "-l"])
            .arg(&self.at)
            .status();
    }
}

#[test]
#[ignore = "needs root"]
fn the_image_of_a_disk_has_nothing_of_what_is_over_long() -> Test {
    let (place, outside) = (Place::new()?, tempfile::tempdir()?);
    let image = Image::mount(outside.path().join("image"), place.path("net"))?;
    // What is removed and not destroyed is found in what is free.
    let planted = place.path("net").join("planted");
    fs::write(&planted, b"zq-planted-and-removed".repeat(1_000))?;
    File::open(&planted)?.sync_all()?;
    fs::remove_file(&planted)?;
    let (mut drill, mut wanted) = drill(place)?;
    is_in_no_file(&drill, &wanted)?;
    for node in drill.nodes.drain(..) {
        node.signal("TERM")?;
        node.ended()?;
    }
    mark(&mut wanted, "planted", b"zq-planted-and-removed");
    let bytes = image.read()?;
    let found = found_in(&bytes, "the image", &wanted);
    println!("{} forms in {} bytes", wanted.len(), bytes.len());
    assert_eq!(found, ["planted in the image, 22 bytes"]);
    Ok(())
}
