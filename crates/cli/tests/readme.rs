//! What the README shows is so: its main job prints what stands there, and the commands of a node, and
//! of two providers, work in the order in which they stand there.

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
    for block in blocks(&section("## A node")?)? {
        for command in block.lines() {
            shell.runs(command)?;
            count += 1;
        }
    }
    assert!(count > 15, "{count} commands were found");
    Ok(())
}

#[test]
fn two_providers_find_what_both_have() -> Test {
    let mut shell = Shell::new()?;
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0"));
    let ports = ports.map(|port| Some(port.ok()?.local_addr().ok()?.port()));
    let [Some(acme), Some(bank)] = ports else {
        return Err("no port is free".into());
    };
    let text = section("## Two providers by hand")?;
    let text = text.replace("127.0.0.1:7443", &format!("127.0.0.1:{acme}"));
    let text = text.replace("127.0.0.1:7444", &format!("127.0.0.1:{bank}"));
    let mut serving = None;
    let mut queried = String::new();
    for block in blocks(&text)? {
        for command in block.lines() {
            if command.contains(" serve") {
                serving = Some(shell.serves(command)?);
            } else if command.ends_with(" batch") {
                shell.runs_at_last(command)?;
            } else {
                let shown = shell.runs(command)?;
                if command.contains(" query ") {
                    queried = shown;
                }
            }
        }
    }
    drop(serving.ok_or("nobody serves")?);
    assert!(queried.contains("held"), "{queried}");
    let sets = ["acme", "bank"].map(|name| {
        let list = fs::read_to_string(shell.path(&format!("examples/two/{name}.txt")));
        list.map(|list| list.lines().map(str::to_owned).collect::<BTreeSet<_>>())
    });
    let [Ok(acme), Ok(bank)] = sets else {
        return Err("no lists".into());
    };
    let both: BTreeSet<_> = acme.intersection(&bank).cloned().collect();
    let found = fs::read_to_string(shell.path("matches.csv"))?;
    let found = found.lines().skip(1).filter_map(|line| {
        let value = line.split(',').find(|cell| cell.contains('@'));
        value.map(str::to_owned)
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), both);
    Ok(())
}

/// The text below a heading of the README.
fn section(heading: &str) -> Result<String, Box<dyn Error>> {
    let readme = fs::read_to_string(root()?.join("README.md"))?;
    let (_, section) = readme.split_once(heading).ok_or("no section")?;
    let (section, _) = section.split_once("\n## ").ok_or("no end")?;
    Ok(section.to_owned())
}

/// The blocks of commands in a text.
fn blocks(text: &str) -> Result<Vec<&str>, Box<dyn Error>> {
    let blocks = text.split("```sh\n").skip(1);
    let ends = blocks.map(|block| Some(block.split_once("```")?.0));
    ends.collect::<Option<_>>()
        .ok_or_else(|| "no end of a block".into())
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
        assert!(output.status.success(), "{line}: {stderr}");
        let stdout = String::from_utf8(output.stdout)?;
        let mut lines = stdout.lines();
        if let Some(found) = lines.find_map(|line| line.strip_prefix("fingerprint ")) {
            self.words = found.trim().to_owned();
        }
        Ok(stdout)
    }

    /// Runs a line until it ends well: what it needs takes some seconds to come.
    fn runs_at_last(&mut self, line: &str) -> Test {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if self.command(line).output()?.status.success() {
                return Ok(());
            }
            sleep(Duration::from_millis(200));
        }
        self.runs(line).map(drop)
    }

    fn serves(&self, line: &str) -> Result<Serves, Box<dyn Error>> {
        let mut command = self.command(line);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Serves(child.process_group(0).spawn()?))
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
