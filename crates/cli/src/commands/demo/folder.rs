//! Where a demonstration happens: a folder that is kept, or one that is gone afterwards, whatever
//! ends the program.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// As a shell has it for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

pub(super) enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    /// The folder `kept`, which must be missing or empty, or a temporary one.
    pub(super) fn make(kept: Option<&Path>) -> Result<Self, Error> {
        let Some(kept) = kept else {
            let folder = tempfile::Builder::new()
                .prefix("blindmatch-demo-")
                .tempdir();
            let folder =
                folder.map_err(|error| Error::new(format!("no temporary folder: {error}")))?;
            remove_when_interrupted(folder.path())?;
            return Ok(Self::Temporary(folder));
        };
        match fs::read_dir(kept).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(false) => {
                return Err(Error::new(format!("{} is not empty", kept.display()))
                    .hint("name a folder that does not exist yet with --dir DIR"));
            }
            Err(error) => return Err(Error::new(format!("{}: {error}", kept.display()))),
        }
        // Homes are named in what the user types next.
        let kept = std::path::absolute(kept).unwrap_or_else(|_| kept.to_owned());
        Ok(Self::Kept(kept))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Removes it, unless it is kept. Dropped, it is removed too, and no failure told.
    pub(super) fn remove(self) -> Result<(), Error> {
        match self {
            Self::Kept(_) => Ok(()),
            Self::Temporary(folder) => {
                let path = folder.path().to_owned();
                folder.close().map_err(|error| left_behind(&path, &error))
            }
        }
    }
}

/// Removes `folder` and ends the program, once it is told to end.
fn remove_when_interrupted(folder: &Path) -> Result<(), Error> {
    let failed = |error| Error::new(format!("cannot wait for Ctrl-C: {error}"));
    let runtime = runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(failed)?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let signal = |kind| signal(kind).map_err(failed);
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let folder = folder.to_owned();
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // Nodes may still be writing there.
        for _ in 0..20 {
            match fs::remove_dir_all(&folder) {
                Err(_) if folder.exists() => thread::sleep(Duration::from_millis(50)),
                _ => break,
            }
        }
        if folder.exists() {
            let _ = writeln!(io::stderr(), "error: left behind: {}", folder.display());
        }
        process::exit(INTERRUPTED);
    });
    Ok(())
}

fn left_behind(folder: &Path, error: &io::Error) -> Error {
    Error::new(format!("cannot remove {}: {error}", folder.display()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::env;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// Set where this program is started as the one to interrupt.
    const STARTED: &str = "BLINDMATCH_TEST_INTERRUPTED";

    #[test]
    #[ignore = "is what the next test interrupts"]
    fn waits_to_be_interrupted() {
        if env::var_os(STARTED).is_some() {
            let folder = Folder::make(None).unwrap();
            fs::write(folder.path().join("secret.key"), "secret").unwrap();
            let _ = writeln!(io::stderr(), "folder={}", folder.path().display());
            // Until its parent is gone.
            io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
        }
    }

    #[test]
    fn who_is_interrupted_leaves_nothing_behind() {
        for signal in ["-INT", "-TERM"] {
            let itself = "commands::demo::folder::tests::waits_to_be_interrupted";
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--ignored", "--exact", "--nocapture", itself])
                .env(STARTED, "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // It ends by itself once nobody holds this, which waiting for it would let go.
            let held = child.stdin.take();
            let lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut folders = lines.filter_map(|line| {
                let line = line.unwrap();
                line.strip_prefix("folder=").map(PathBuf::from)
            });
            let folder = folders.next().unwrap();
            assert!(folder.join("secret.key").exists());
            let mut kill = Command::new("kill");
            let kill = kill.args([signal, &child.id().to_string()]);
            assert!(kill.status().unwrap().success());
            assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
            drop(held);
            assert!(!folder.exists(), "{}", folder.display());
        }
    }
}
