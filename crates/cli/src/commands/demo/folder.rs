//! Where a demonstration happens: a folder that is kept, or one that is gone afterwards, whatever
//! ends the program.

use std::fs;
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
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
            eprintln!("error: left behind: {}", folder.display());
        }
        process::exit(INTERRUPTED);
    });
    Ok(())
}

fn left_behind(folder: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("cannot remove {}: {error}", folder.display()))
}
