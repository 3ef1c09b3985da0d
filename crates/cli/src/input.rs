//! Opening feeds: files, standard input, MISP feed folders; with progress on long ones.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use blindmatch_feeds::{FeedError, Options, Row, Summary, read, read_misp_folder};
use blindmatch_indicator::Canonicaliser;

use crate::args::Global;
use crate::command_line::quoted;
use crate::error::Error;
use crate::progress::{Progress, Reading};

/// Shorter files are read before a bar could be seen.
const PROGRESS_FROM_BYTES: u64 = 4 << 20;

/// One thing on the command line that can be read as a feed.
pub(crate) struct Source<'g> {
    kind: Kind,
    global: &'g Global,
}

enum Kind {
    Stdin,
    File {
        path: PathBuf,
        file: File,
        bytes: u64,
    },
    MispFolder {
        path: PathBuf,
    },
}

impl<'g> Source<'g> {
    /// Opens `path`; `-` is standard input.
    pub(crate) fn open(path: &Path, global: &'g Global) -> Result<Self, Error> {
        let kind = Kind::of(path)?;
        Ok(Self { kind, global })
    }

    /// The name in reports.
    pub(crate) fn name(&self) -> String {
        match &self.kind {
            Kind::Stdin => "-".to_owned(),
            Kind::File { path, .. } | Kind::MispFolder { path } => {
                self.global.session.typed(path).display().to_string()
            }
        }
    }

    /// Reads it to the end, row by row into `sink`.
    pub(crate) fn read(
        self,
        options: &Options,
        canonicaliser: &Canonicaliser,
        sink: &mut dyn FnMut(&Row<'_>),
    ) -> Result<Summary, FeedError> {
        match self.kind {
            Kind::Stdin => read(self.global.session.input(), options, canonicaliser, sink),
            Kind::File { path, file, bytes } => {
                let progress = if bytes < PROGRESS_FROM_BYTES {
                    Progress::Nobody
                } else {
                    let name = path.file_name().unwrap_or_default();
                    let name = name.to_string_lossy().into_owned();
                    Progress::of_bytes(bytes, name, self.global)
                };
                let from = Reading {
                    from: file,
                    progress: &progress,
                };
                read(from, options, canonicaliser, sink)
            }
            Kind::MispFolder { path } => {
                let mut open = |name: &str| {
                    let file = File::open(path.join(name))?;
                    Ok(Box::new(file) as Box<dyn Read>)
                };
                read_misp_folder(&mut open, options, sink)
            }
        }
    }
}

impl Kind {
    fn of(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::Stdin);
        }
        let failed = |error| cannot_read(path, &error);
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_dir() {
            let file = File::open(path).map_err(failed)?;
            return Ok(Self::File {
                path: path.to_owned(),
                file,
                bytes: metadata.len(),
            });
        }
        if path.join(MANIFEST).is_file() {
            return Ok(Self::MispFolder {
                path: path.to_owned(),
            });
        }
        Err(Error::new(format!("{} is a folder", path.display()))
            .hint(format!(
                "name the files in it, e.g. {}/*",
                quoted(&path.to_string_lossy())
            ))
            .hint(format!(
                "a folder is read only as a MISP feed, which has a {MANIFEST}"
            )))
    }
}

const MANIFEST: &str = "manifest.json";

fn cannot_read(path: &Path, error: &io::Error) -> Error {
    let failure = Error::new(format!("cannot read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => failure.hint("check the spelling; `-` reads standard input"),
        io::ErrorKind::PermissionDenied => failure.hint(format!(
            "see who may: ls -l {}",
            quoted(&path.to_string_lossy())
        )),
        _ => failure,
    }
}
