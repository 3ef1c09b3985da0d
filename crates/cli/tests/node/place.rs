//! A folder in which commands are typed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) type Test = Result<(), Box<dyn Error>>;

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// A place that is there already.
    pub(crate) const fn of(folder: tempfile::TempDir) -> Self {
        Self { folder }
    }

    /// A place with the home `acme` of a provider of the consortium `cloudshield`.
    pub(crate) fn with_acme() -> Result<Self, Box<dyn Error>> {
        let place = Self::new()?;
        place.init("acme", "provider")?;
        Ok(place)
    }

    pub(crate) fn init(&self, member: &str, role: &str) -> Test {
        self.ok(&format!(
            "--home {member} init --member {member} --role {role} --consortium cloudshield \
             --address {member}.example:7443"
        ))?;
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> std::io::Result<()> {
        fs::write(self.path(name), content)
    }

    pub(crate) fn read(&self, name: &str) -> std::io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// Runs `blindmatch LINE`; words are parted by spaces.
    pub(crate) fn run(&self, line: &str) -> std::io::Result<Output> {
        self.command(line.split_whitespace()).output()
    }

    pub(crate) fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindmatch"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("BLINDMATCH_HOME")
            .env_remove("BLINDMATCH_SIMD")
            .env("HOME", self.folder.path());
        command
    }

    /// Runs a command that must succeed; its stdout.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> Result<String, Box<dyn Error>> {
        let output = self.run(line)?;
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command that must succeed, with its stdout in a file.
    #[track_caller]
    pub(crate) fn save(&self, line: &str, name: &str) -> Test {
        let stdout = self.ok(line)?;
        Ok(self.write(name, stdout)?)
    }

    /// Runs a command that must succeed; its JSON.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Result<Value, Box<dyn Error>> {
        let stdout = self.ok(&format!("{line} --output json"))?;
        Ok(serde_json::from_str(&stdout)?)
    }

    /// Runs a command that must end with `code`, print no result, and say all of `says` on stderr.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, code: i32, says: &[&str]) -> Test {
        let output = self.run(line)?;
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert!(output.stdout.is_empty(), "{line}: a result was printed");
        for text in says {
            assert!(
                stderr.contains(text),
                "{line}: `{text}` is not in: {stderr}"
            );
        }
        Ok(())
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below `folder`.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
