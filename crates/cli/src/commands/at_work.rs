//! The node at work: the one place where a command gets it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::clock;
use blindmatch_node::exchange::Daemon;
use blindmatch_node::exchange::ask::{Asker, Occasion};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::args::Global;
use crate::error::Error;
use crate::tables;

/// How long what still runs may take to end when all is said.
const END: Duration = Duration::from_secs(2);

/// A node at work in this process: that which serves here, or one that does not listen.
pub(crate) struct AtWork {
    pub(crate) daemon: Arc<Daemon>,
    asker: Asker,
    /// Its own; none where the node serves.
    runtime: Option<Runtime>,
    operator: String,
}

impl AtWork {
    /// Opens the node of the home.
    pub(crate) fn open(tables: Option<&Path>, global: &Global) -> Result<Self, Error> {
        if let Some(service) = global.session.service() {
            return Ok(Self {
                daemon: service.serving().daemon(),
                asker: service.asker(),
                runtime: None,
                operator: operator(global.session.operator()),
            });
        }
        let canonicaliser = Canonicaliser::new(tables::public_suffixes(tables)?);
        let node = global.node()?;
        let daemon = Arc::new(Daemon::open(node, canonicaliser, Arc::new(clock::now))?);
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(format!("no threads: {error}")))?;
        let own = fs::metadata("/proc/self");
        Ok(Self {
            asker: Asker::of(Arc::clone(&daemon)),
            daemon,
            runtime: Some(runtime),
            operator: operator(own.ok().map(|own| own.uid())),
        })
    }

    /// What asks the peers.
    pub(crate) fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Works until `work` is done.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            // The command runs on a thread of the node's.
            None => Handle::current().block_on(work),
        }
    }

    /// The occasion of what the user who typed the command asks.
    pub(crate) fn occasion(&self, case: Option<&str>) -> Occasion {
        Occasion {
            case: case.unwrap_or_default().to_owned(),
            operator: self.operator.clone(),
        }
    }
}

/// Who gives a command: the user of whoever typed it.
pub(super) fn acting(global: &Global) -> String {
    let own = || fs::metadata("/proc/self").ok().map(|own| own.uid());
    match global.session.operator().or_else(own) {
        None => "unknown".to_owned(),
        user => operator(user),
    }
}

fn operator(user: Option<u32>) -> String {
    user.map_or_else(String::new, |user| format!("uid {user}"))
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END);
        }
    }
}
