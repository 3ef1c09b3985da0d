//! Finding the data files that canonical forms depend on.
//!
//! They are not compiled in: a consortium agrees on them by hash, and a node must be able to
//! carry the previous one as well (`spec/10-indicators.md` §3).

use std::fs;
use std::path::{Path, PathBuf};

use blindmatch_indicator::PublicSuffixes;

use crate::error::Error;
use crate::output::hex;

/// Reads the public suffix list from `folder`, or from where the program was installed or built.
pub(crate) fn public_suffixes(folder: Option<&Path>) -> Result<PublicSuffixes, Error> {
    let name = format!("public_suffix_list-{}.dat", PublicSuffixes::VERSION_1);
    let folders = folder.map_or_else(standard_folders, |folder| vec![folder.to_owned()]);
    let Some(path) = folders
        .iter()
        .map(|folder| folder.join(&name))
        .find(|path| path.exists())
    else {
        let looked = folders
            .iter()
            .map(|folder| format!("\n  {}", folder.display()));
        return Err(
            Error::new(format!("the public suffix list {name} is missing"))
                .hint("it comes with blindmatch, in spec/tables; name its folder with --tables DIR")
                .hint(format!("looked in:{}", looked.collect::<String>())),
        );
    };
    let text = fs::read_to_string(&path)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))?;
    let list = PublicSuffixes::parse(&text)
        .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
    if hex(list.sha256()) == PublicSuffixes::VERSION_1 {
        Ok(list)
    } else {
        Err(Error::new(format!(
            "{} is not the list that its name says",
            path.display()
        ))
        .hint("domains cut with another list match nobody's; restore the file from blindmatch"))
    }
}

/// `../share/blindmatch/tables` beside the program, where an installed one has them; else the
/// checkout that it was built from, which is right on the machine that built it.
fn standard_folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let prefix = program
        .as_deref()
        .and_then(|program| program.ancestors().nth(2));
    let installed = prefix.map(|prefix| prefix.join("share/blindmatch/tables"));
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tables");
    installed.into_iter().chain([checkout]).collect()
}
