//! The node at work: the one place where a command gets it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::exchange::Daemon;
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::{Node, clock};
use tokio::runtime::{Builder, Runtime};

use crate::args::Global;
use crate::error::Error;
use crate::tables;

/// How long what still runs may take to end when all is said.
const END: Duration = Duration::from_secs(2);

/// A node at work in this process, without listening.
pub(crate) struct AtWork {
    pub(crate) daemon: Arc<Daemon>,
    /// Empty once it was dropped.
    runtime: Option<Runtime>,
}

impl AtWork {
    /// Opens the node of the home.
    pub(crate) fn open(tables: Option<&Path>, global: &Global) -> Result<Self, Error> {
        let canonicaliser = Canonicaliser::new(tables::public_suffixes(tables)?);
        let node = Node::open(&global.home()?)?;
        let daemon = Daemon::open(node, canonicaliser, Arc::new(clock::now))?;
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(format!("no threads: {error}")))?;
        Ok(Self {
            daemon: Arc::new(daemon),
            runtime: Some(runtime),
        })
    }

    /// What asks the peers.
    pub(crate) fn asker(&self) -> Asker {
        Asker::of(Arc::clone(&self.daemon))
    }

    /// Works until `work` is done.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let runtime = self.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| Error::new("the node is at work no longer"))?;
        Ok(runtime.block_on(work))
    }

    /// The occasion of what the user of this process asks.
    pub(crate) fn occasion(&self, case: Option<&str>) -> Occasion {
        let own = fs::metadata("/proc/self");
        Occasion {
            case: case.unwrap_or_default().to_owned(),
            operator: own.map_or_else(|_| String::new(), |own| format!("uid {}", own.uid())),
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END);
        }
    }
}
