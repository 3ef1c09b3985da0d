//! Tasks that end with what they belong to.

use std::pin::pin;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(crate) struct Tied(AbortHandle);

/// Runs what HTTP/2 wants run for one connection, for as long as the connection is there.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(watch::Receiver<()>);

impl Tied {
    pub(crate) fn new<T>(task: &JoinHandle<T>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tasks {
    /// The tasks end when the sender is dropped.
    pub(crate) fn new() -> (watch::Sender<()>, Self) {
        let (sender, receiver) = watch::channel(());
        (sender, Self(receiver))
    }
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut connection = self.0.clone();
        tokio::spawn(async move {
            let task = pin!(task);
            tokio::select! {
                _ = task => {}
                _ = connection.changed() => {}
            }
        });
    }
}
