//! What the README shows is so: its main job prints what stands there, and the commands of a node, of
//! two providers, and of a member that joins them (`JOINING.md`), work in the order in which they stand
//! there.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

type Test = Result<(), Box<dyn Error>>;

#[test]
fn the_main_job_ends_well() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let (arguments, _) = example(&readme)?;
    assert_eq!(arguments, "demo");
    let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
        .args(arguments.split(' '))
        .current_dir(root)
        .output()?;
    let stdout = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{stdout}");
    // All but the number of records, which is another each time.
    let steps = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let steps: Vec<_> = steps.filter(|line| line.contains("  ok  ")).collect();
    assert_eq!(steps.len(), 5);
    for step in steps {
        let said = step.split("all records").next().unwrap_or(step);
        assert!(stdout.contains(said), "{said} is not in\n{stdout}");
    }
    Ok(())
}

#[test]
fn a_feed_is_read_as_the_readme_shows() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md"))?;
    let (_, section) = readme.split_once("## Read a feed").ok_or("no section")?;
    let (arguments, behind) = example(section)?;
    let output = Command::new(env!("CARGO_BIN_EXE_blindmatch"))
        .args(arguments.split(' '))
        .current_dir(root)
        .output()?;
    let (_, shown) = behind.split_once("```text\n").ok_or("no output")?;
    let (shown, _) = shown.split_once("```").ok_or("no end")?;
    assert_eq!(String::from_utf8(output.stdout)?, shown);
    Ok(())
}

/// The arguments of the first command of a text, and what stands behind it.
fn example(text: &str) -> Result<(&str, &str), Box<dyn Error>> {
    let (_, command) = text.split_once("```sh\n").ok_or("no command")?;
    let (command, behind) = command.split_once("```").ok_or("no end")?;
    let arguments = command.trim().strip_prefix("cargo run --release -- ");
    Ok((arguments.ok_or("another command")?, behind))
}

#[test]
fn the_commands_of_a_node_work_in_their_order() -> Test {
    let mut shell = Shell::new()?;
    let mut count = 0;
    for command in commands(&section("## A node")?)? {
        shell.runs(command)?;
        count += 1;
    }
    assert!(count > 15, "{count} commands were found");
    Ok(())
}

#[test]
fn two_providers_find_what_both_have() -> Test {
    let mut shell = Shell::new()?;
    let text = of_free_ports(&section("## Two providers by hand")?)?;
    let walk = shell.walks(commands(&text)?)?;
    assert!(!walk.serving.is_empty(), "nobody serves");
    let queried = walk.shown_by(" query ").ok_or("nobody asks")?;
    assert!(queried.contains("held"), "{queried}");
    let found = fs::read_to_string(shell.path("matches.csv"))?;
    let [acme, bank] = ["acme", "bank"].map(|name| shell.list(name));
    assert_eq!(
        addresses(&found),
        acme?.intersection(&bank?).cloned().collect()
    );
    Ok(())
}

#[test]
fn a_new_member_finds_what_the_others_have() -> Test {
    let mut shell = Shell::new()?;
    let joining = fs::read_to_string(root()?.join("JOINING.md"))?;
    let text = section("## Two providers by hand")? + &joining;
    let text = of_free_ports(&text)?;
    let (before, joining) = text
        .split_once("# How a new member joins")
        .ok_or("no text")?;
    // Those that are members already, until they serve.
    let mut founding = commands(before)?;
    let serve = founding.iter().position(|line| line.contains(" serve"));
    founding.truncate(serve.ok_or("nobody serves")? + 1);
    let _founders = shell.walks(founding)?;

    let walk = shell.walks(commands(joining)?)?;
    assert!(!walk.serving.is_empty(), "the newcomer does not serve");
    let [acme, bank, cove] = ["acme", "bank", "cove"].map(|name| shell.list(name));
    let others: BTreeSet<_> = acme?.union(&bank?).cloned().collect();
    let shared: BTreeSet<_> = cove?.intersection(&others).cloned().collect();
    let found = walk.shown_by("cove matches list").ok_or("no list")?;
    assert_eq!(addresses(found), shared);
    let by_others = walk.shown_by("acme batch").ok_or("no batch")?;
    let at_cove = by_others.lines().find(|line| line.starts_with("cove "));
    assert!(
        at_cove.is_some_and(|line| line.ends_with("done")),
        "{by_others}"
    );
    Ok(())
}

/// The text with ports that are free, in the place of those that it names.
fn of_free_ports(text: &str) -> Result<String, Box<dyn Error>> {
    let free = [7443, 7444, 7445].map(|named| (named, TcpListener::bind("127.0.0.1:0")));
    let mut text = text.to_owned();
    for (named, free) in free {
        let free = free?.local_addr()?.to_string();
        text = text.replace(&format!("127.0.0.1:{named}"), &free);
    }
    Ok(text)
}

/// The e-mail addresses in a table or a file.
fn addresses(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    words
        .filter(|word| word.contains('@'))
        .map(str::to_owned)
        .collect()
}

/// The text below a heading of the README.
fn section(heading: &str) -> Result<String, Box<dyn Error>> {
    let readme = fs::read_to_string(root()?.join("README.md"))?;
    let (_, section) = readme.split_once(heading).ok_or("no section")?;
    let (section, _) = section.split_once("\n## ").ok_or("no end")?;
    Ok(section.to_owned())
}

/// The commands in the blocks of a text.
fn commands(text: &str) -> Result<Vec<&str>, Box<dyn Error>> {
    let blocks = text.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| Some(block.split_once("```")?.0));
    let blocks: Option<Vec<_>> = blocks.collect();
    let blocks = blocks.ok_or("no end of a block")?;
    Ok(blocks.into_iter().flat_map(str::lines).collect())
}

fn root() -> Result<PathBuf, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Ok(root.canonicalize()?)
}

/// A terminal in a folder of its own, with the program and the examples.
struct Shell {
    folder: TempDir,
    path: OsString,
    /// The words of the fingerprint that was shown last.
    words: String,
}

/// What serves until this is dropped.
struct Serves(Child);

/// What came of commands, one after the other.
#[derive(Default)]
struct Walk<'t> {
    serving: Vec<Serves>,
    /// Each, and what it showed.
    shown: Vec<(&'t str, String)>,
}

impl Walk<'_> {
    /// What the first command with this in it showed.
    fn shown_by(&self, command: &str) -> Option<&str> {
        let mut shown = self.shown.iter();
        let (_, shown) = shown.find(|(line, _)| line.contains(command))?;
        Some(shown)
    }
}

impl Shell {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        symlink(root()?.join("examples"), folder.path().join("examples"))?;
        let binary = Path::new(env!("CARGO_BIN_EXE_blindmatch"));
        let mut path = vec![binary.parent().ok_or("no folder")?.to_owned()];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        Ok(Self {
            folder,
            path: env::join_paths(path)?,
            words: String::new(),
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The list of a member of the examples.
    fn list(&self, member: &str) -> Result<BTreeSet<String>, Box<dyn Error>> {
        let list = fs::read_to_string(self.path(&format!("examples/two/{member}.txt")))?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// Runs lines in their order, those that serve beside the others.
    fn walks<'t>(&mut self, lines: Vec<&'t str>) -> Result<Walk<'t>, Box<dyn Error>> {
        let mut walk = Walk::default();
        for line in lines {
            if line.contains(" serve") {
                walk.serving.push(self.serves(line)?);
            } else if line.ends_with(" batch") {
                walk.shown.push((line, self.asks_at_last(line)?));
            } else {
                walk.shown.push((line, self.runs(line)?));
            }
        }
        Ok(walk)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &line.replace("WORDS", &self.words)])
            .current_dir(self.folder.path())
            .env("PATH", &self.path)
            .env("HOME", self.folder.path())
            .env_remove("BLINDMATCH_HOME");
        command
    }

    /// Runs a line, which has to end well; gives what it shows.
    fn runs(&mut self, line: &str) -> Result<String, Box<dyn Error>> {
        let output = self.command(line).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8(output.stdout)?;
        assert!(output.status.success(), "{line}: {stdout}{stderr}");
        let mut lines = stdout.lines();
        if let Some(found) = lines.find_map(|line| line.strip_prefix("fingerprint ")) {
            self.words = found.trim().to_owned();
        }
        Ok(stdout)
    }

    /// Runs a batch until it ends well and every peer serves: until each has published, and its ledger
    /// is cosigned, takes some seconds.
    fn asks_at_last(&mut self, line: &str) -> Result<String, Box<dyn Error>> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            let output = self.command(line).output()?;
            let stdout = String::from_utf8(output.stdout)?;
            let serve = !stdout.contains("nobody was asked") && !stdout.contains("do not serve");
            if output.status.success() && serve {
                return Ok(stdout);
            }
            sleep(Duration::from_millis(200));
        }
        self.runs(line)
    }

    /// Runs a line that serves, and waits until its nodes take commands.
    fn serves(&self, line: &str) -> Result<Serves, Box<dyn Error>> {
        let mut command = self.command(line);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null());
        let serves = Serves(child.process_group(0).spawn()?);
        let begin = Instant::now();
        for home in line.split("--home ").skip(1) {
            let home = home.split(' ').next().unwrap_or_default();
            while !self.path(home).join("control.sock").exists() {
                assert!(begin.elapsed() < Duration::from_secs(60), "{line}");
                sleep(Duration::from_millis(50));
            }
        }
        Ok(serves)
    }
}

impl Drop for Serves {
    fn drop(&mut self) {
        // All that the line began.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.0.wait();
    }
}
