//! `demo`: a whole consortium on this machine.

use std::path::PathBuf;

use blindmatch_node::membership::Name;
use clap::Args;

use super::parse_name;

pub(crate) const EXAMPLES: &str = "\
Examples:
  blindmatch demo
  blindmatch demo --set a=addresses.txt --set a=wallets.csv --set b=feed.stix2.json --dir tried

Several nodes are made in a folder that is removed afterwards, each with its own keys, and exchange
over mutual TLS on this machine. What they find is compared with the intersection in the clear: the
exit code is 0 only where both are the same.";

#[derive(Args, Debug)]
pub(crate) struct DemoArguments {
    /// A provider, and a feed of abuse for it: any format and type that `import` reads. May be
    /// repeated, also for one provider. Without it there are three providers with invented sets.
    #[arg(long = "set", value_name = "MEMBER=FILE", value_parser = parse_set)]
    pub(crate) sets: Vec<(Name, PathBuf)>,
    /// Keep everything in this folder, which must be missing or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The folder with the public suffix list, otherwise found beside the program.
    #[arg(long, value_name = "DIR", env = "BLINDMATCH_TABLES")]
    pub(crate) tables: Option<PathBuf>,
}

fn parse_set(text: &str) -> Result<(Name, PathBuf), String> {
    let (member, file) = text
        .split_once('=')
        .filter(|(_, file)| !file.is_empty())
        .ok_or("write it as MEMBER=FILE, e.g. acme=feed.txt")?;
    Ok((parse_name(member)?, file.into()))
}
