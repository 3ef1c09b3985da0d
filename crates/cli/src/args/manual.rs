//! `completions`, `man`: what this program says of its own command line.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  blindmatch completions bash > ~/.local/share/bash-completion/completions/blindmatch
  blindmatch completions zsh > ~/.zfunc/_blindmatch
  blindmatch completions fish > ~/.config/fish/completions/blindmatch.fish

Of zsh the folder has to be in `fpath`. The next shell that begins knows them.";

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

pub(crate) const MAN_EXAMPLES: &str = "\
Examples:
  blindmatch man ~/.local/share/man/man1
  blindmatch man /usr/local/share/man/man1

`man blindmatch` shows them then, and of a command e.g. `man blindmatch-roster-new`. Pages that are there
are written over.";

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// The folder to write them to, which is made where it is missing.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
