//! What is offered of a view.

use std::sync::Arc;

use blindmatch_audit::checkpoint::SignedCheckpoint;
use blindmatch_store::views::{OwnEpoch, OwnPublication};

use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;

/// What is offered of a view.
pub(in crate::exchange) struct Offered {
    pub(in crate::exchange) epoch: Arc<OwnEpoch>,
    pub(in crate::exchange) publication: OwnPublication,
    /// Where its record stands in the ledger, and the checkpoint that covers it.
    pub(in crate::exchange) record: u64,
    pub(in crate::exchange) cosigned: SignedCheckpoint,
}

impl Daemon {
    /// What is offered of a view: the newest publication whose record witnesses have cosigned. So
    /// the one before stays in use until they have.
    pub(in crate::exchange) fn offered(&self, view: &View) -> Result<Option<Offered>, Error> {
        let epochs = self.own_epochs(view);
        let log = self.ledger().log();
        let cosigned = log.cosigned()?;
        let cosigned = cosigned.filter(|cosigned| cosigned.unverified().origin == log.origin());
        let Some(cosigned) = cosigned else {
            return Ok(None);
        };
        let name = view.to_string();
        let records = self.facts(|facts| {
            let before = facts.publication_before(&name)?;
            Ok([facts.publication(&name)?, before])
        })?;
        let size = cosigned.unverified().size;
        for record in records.into_iter().flatten() {
            let Some((_, digest)) = self.recorded(record)?.filter(|_| record < size) else {
                continue;
            };
            for epoch in &epochs {
                let publications = epoch.publications();
                let mut valid = publications
                    .iter()
                    .filter(|own| self.now() < own.manifest.expires);
                if let Some(own) = valid.find(|own| own.manifest.digest() == digest) {
                    return Ok(Some(Offered {
                        epoch: Arc::clone(epoch),
                        publication: own.clone(),
                        record,
                        cosigned,
                    }));
                }
            }
        }
        Ok(None)
    }
}
