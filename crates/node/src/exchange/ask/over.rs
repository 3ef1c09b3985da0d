//! Runs of ours that end without the peer.

use std::sync::Arc;

use blindmatch_store::runs::Run;

use super::{AskError, Going, Subject, finish};
use crate::error::Error;
use crate::exchange::daemon::Daemon;

/// Whether what a run is about is here still.
pub(in crate::exchange) fn is_held(daemon: &Daemon, run: &Arc<Run>) -> bool {
    Going::of(daemon, run).is_some()
}

/// Ends a run that the peer does not go on with: with what was paid for, where we signed for that,
/// else without anything. Says whether it is over.
///
/// # Errors
///
/// Those of the home.
pub(in crate::exchange) fn end_without_peer(
    daemon: &Daemon,
    run: &Arc<Run>,
) -> Result<bool, Error> {
    let signed = run.receipt()?;
    let late = signed
        .as_ref()
        .is_none_or(|signed| signed.responder.is_none());
    match (signed, Going::of(daemon, run)) {
        (Some(_), Some(going)) => {
            let subject = Subject::of_run(daemon, run);
            let finished = subject.and_then(|subject| {
                let finished = finish::finish(daemon, &going, &subject, None, None, late)?;
                finish::settle(daemon, &going, finished.outputs)
            });
            match finished {
                Ok(()) => Ok(true),
                Err(AskError::Node(error)) => Err(error),
                // What was stored is not whole, or a key is not known: it stays to be looked at.
                Err(_) => Ok(false),
            }
        }
        // There is nothing left to look it up in, and nobody can say what was found.
        (Some(_), None) if !late => Ok(false),
        _ => {
            run.give_up(&mut rand::rng())?;
            Ok(true)
        }
    }
}
