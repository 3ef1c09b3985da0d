//! `blindmatch completions` and `blindmatch man`.

use std::fs;
use std::io;

use clap::CommandFactory;

use crate::args::manual::{CompletionsArguments, ManArguments};
use crate::args::{Arguments, Global};
use crate::error::{Error, Exit};
use crate::output;

pub(crate) fn completions(
    arguments: &CompletionsArguments,
    global: &Global,
) -> Result<Exit, Error> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output::print_as_it_is(&script, global)?;
    Ok(Exit::Done)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<Exit, Error> {
    let folder = &arguments.dir;
    let failed = |error: io::Error| {
        Error::new(format!("cannot write to {}: {error}", folder.display())).hint(
            "name a folder that you may write to, e.g.: blindmatch man ~/.local/share/man/man1",
        )
    };
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
    Ok(Exit::Done)
}
