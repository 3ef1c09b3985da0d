//! The log of a node that serves, on the standard error.

use std::io::{self, IsTerminal};

use blindmatch_node::config::{Level, LogFormat, Serve};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::Error;

/// Logs from now on what the settings say. Of libraries only what does not work is logged: they do
/// not know what may be in a log.
pub(crate) fn begin(settings: &Serve) -> Result<(), Error> {
    let level = match settings.log {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let filter = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("blindmatch", level);
    let lines = layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|error| Error::new(format!("cannot log: {error}")))
}
