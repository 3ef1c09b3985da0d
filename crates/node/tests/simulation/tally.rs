//! What a ledger says of budgets, read as it grows.

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_audit::record::Event;
use blindmatch_node::store::ledger::Log;

const DAY: u64 = 86_400;

/// What was charged, by the records that were read.
#[derive(Default)]
pub(crate) struct Tally {
    read: u64,
    root: [u8; 32],
    /// By run, who was charged, and how much.
    runs: BTreeMap<[u8; 32], (String, u64)>,
    batches: BTreeSet<([u8; 32], u64)>,
    days: BTreeMap<(String, String, u64), u64>,
    epochs: BTreeMap<(String, String, u64), u64>,
}

/// What a peer may be charged for a view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) day: u64,
    pub(crate) epoch: u64,
}

impl Tally {
    /// Reads what was appended, and that nothing before it is gone. `is_honest` is whether nobody
    /// has a batch of a run charged twice.
    pub(crate) fn catch_up(
        &mut self,
        log: &Log,
        budget: Budget,
        is_honest: bool,
    ) -> Result<(), String> {
        let is_here = |log: &Log| log.root_at(self.read).is_ok_and(|root| root == self.root);
        if self.read > 0 && !is_here(log) {
            return Err(format!(
                "records are lost: {} were acknowledged, {} are there",
                self.read,
                log.size()
            ));
        }
        for record in log.records(self.read..log.size()) {
            let (number, record) = record.map_err(|e| e.to_string())?;
            if let Event::Equivocation { peer, .. } = record.event {
                // Here nobody tells two stories, whatever was restored.
                return Err(format!("record {number}: {} is convicted", peer.as_str()));
            }
            let Event::Debit {
                peer,
                view,
                epoch,
                run,
                batch,
                amount,
                ..
            } = record.event
            else {
                continue;
            };
            if !self.batches.insert((run, batch)) && is_honest {
                return Err(format!("record {number}: a batch is charged twice"));
            }
            let amount = amount.count();
            let (view, peer) = (view.as_str().to_owned(), peer.as_str().to_owned());
            let of_run = self.runs.entry(run).or_insert_with(|| (peer.clone(), 0));
            if of_run.0 != peer {
                return Err(format!(
                    "record {number}: {peer} is charged in a run of {}",
                    of_run.0
                ));
            }
            of_run.1 += amount;
            let windows = [
                (&mut self.days, record.time / DAY, budget.day),
                (&mut self.epochs, epoch, budget.epoch),
            ];
            for (charged, window, most) in windows {
                let charged = charged.entry((view.clone(), peer.clone(), window));
                let charged = charged.or_default();
                *charged += amount;
                if *charged > most {
                    return Err(format!("record {number}: {charged} charged of {most}"));
                }
            }
        }
        self.read = log.size();
        self.root = log.root();
        Ok(())
    }

    /// Goes on behind so many records, which a backup had; what was charged in others stays charged.
    pub(crate) fn goes_on_from(&mut self, size: u64, log: &Log) -> Result<(), String> {
        self.root = log.root_at(size).map_err(|error| error.to_string())?;
        self.read = size;
        Ok(())
    }

    /// What a peer was charged in a run; nothing where it is the run of another.
    pub(crate) fn of_run(&self, run: &[u8; 32], peer: &str) -> u64 {
        let of_run = self.runs.get(run).filter(|(charged, _)| charged == peer);
        of_run.map_or(0, |(_, amount)| *amount)
    }

    /// What was charged in all.
    pub(crate) fn total(&self) -> u64 {
        self.runs.values().map(|(_, amount)| amount).sum()
    }
}
