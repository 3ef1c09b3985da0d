//! What is damaged of the runs of a home, found without changing anything, and destroyed on the
//! operator's word (`spec/46 §5`).

use std::{collections::BTreeMap, io};

use blindmatch_audit::{record::Event, tree::Hash};
use blindmatch_psi::agreement::RunId;
use rand_core::CryptoRng;

use super::{
    Recorded,
    end::{End, Outcome, Retention},
    error::RunError,
    place::{DISCARDED, END, Files, LOG},
    read_ledger,
    results::{self, Matches},
    run::Loaded,
};
use crate::{
    disk::DiskFile,
    home::Home,
    keys::FileId,
    ledger::{Ledger, Log},
    merge::Rows,
};

/// Reads every file of every run from its first byte to its last, and changes nothing: gives the runs
/// that do not read, or found other than `log`, the home's ledger, says. Results whose time is over
/// at `now` are as good as destroyed.
///
/// # Errors
///
/// [`RunError`] of disk and ledger.
pub fn examine(home: &Home, log: &Log, now: u64) -> Result<Vec<(RunId, RunError)>, RunError> {
    let files = Files::of(home);
    let said = said(&files, log)?;
    let mut damaged = Vec::new();
    for (id, recorded) in &said {
        match files.check(id, recorded, now) {
            Err(error) if error.is_damage() => damaged.push((*id, error)),
            checked => checked?,
        }
    }
    Ok(damaged)
}

/// Destroys what [`examine`] finds damaged, and gives it. Of results that do not read the run's end
/// is kept, and says that there are none; of a run whose log or end does not read only that is kept, and
/// it has ended without a receipt where the ledger has no end of it.
///
/// Nothing else may have the runs of this home open.
///
/// # Errors
///
/// [`RunError`]; the runs that come first are destroyed then.
pub fn discard_damaged(
    home: &Home,
    ledger: &Ledger,
    now: u64,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<(RunId, RunError)>, RunError> {
    let files = Files::of(home);
    let damaged = examine(home, &ledger.log(), now)?;
    let said = said(&files, &ledger.log())?;
    for (id, _) in &damaged {
        if let Some(recorded) = said.get(id) {
            files.discard(id, recorded, ledger, rng)?;
        }
    }
    Ok(damaged)
}

/// The names of all file keys that a run of this home has, or may have.
///
/// # Errors
///
/// [`RunError`] of the disk.
pub fn key_ids(home: &Home) -> Result<Vec<FileId>, RunError> {
    let runs = Files::of(home).list()?;
    let keys = |id: &RunId| [Files::state_key(id), Files::results_key(id)];
    Ok(runs.iter().flat_map(keys).collect())
}

/// What the ledger says of the runs that are here, and of those that are to be: which this incarnation
/// agreed on.
fn said(files: &Files, log: &Log) -> Result<BTreeMap<RunId, Recorded>, RunError> {
    let mut said = BTreeMap::new();
    said.extend(
        files
            .list()?
            .into_iter()
            .map(|id| (id, Recorded::default())),
    );
    for record in log.records(0..u64::MAX) {
        match record?.1.event {
            // No run outlives the home that had it.
            Event::Incarnation { .. } => said.retain(|_, recorded| !recorded.agreed),
            Event::RunAgreed { run, .. } => {
                said.entry(RunId(run)).or_insert_with(|| Recorded {
                    agreed: true,
                    ..Recorded::default()
                });
            }
            _ => {}
        }
    }
    if !said.is_empty() {
        read_ledger(log, 0, &mut said)?;
    }
    Ok(said)
}

impl Files {
    fn check(&self, id: &RunId, recorded: &Recorded, now: u64) -> Result<(), RunError> {
        let directory = Self::directory(id);
        let names = match self.disk.list(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        let has = |name: &str| names.iter().any(|found| found == name);
        let has_results = if has(DISCARDED) {
            false
        } else if has(END) {
            let results = self.read_end(id)?.results;
            results.is_some_and(|retention| !retention.is_expired(now))
        } else if has(LOG) {
            match self.check_unfinished(id) {
                // It never began: what is left of it goes when the home is opened.
                Err(error) if error.is_missing_key() && !recorded.agreed => return Ok(()),
                checked => checked?,
            }
            let found = Loaded::read(self, id)?.found;
            let in_log = found.and_then(|found| results::root(&found));
            // Where the log has them, they appear when the home is opened.
            recorded.ended.is_some() && recorded.root.is_some() && recorded.root != in_log
        } else if names.is_empty() && !recorded.agreed {
            false
        } else {
            let directory = self.path(&directory);
            return Err(RunError::Lost { directory });
        };
        if has_results {
            let (found, _) = self.check_results(id)?;
            if recorded.root.is_some_and(|root| root != found) {
                let file = self.path(&self.results(id));
                return Err(RunError::OtherResults { file });
            }
        }
        Ok(())
    }

    fn discard(
        &self,
        id: &RunId,
        recorded: &Recorded,
        ledger: &Ledger,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let directory = Self::directory(id);
        let end = if self.disk.exists(&self.end(id))? {
            self.read_end(id).ok()
        } else {
            let log = Loaded::read(self, id).ok();
            log.zip(recorded.ended).map(|(log, (ended, outcome))| End {
                ended,
                outcome,
                receipt: log
                    .receipt()
                    .filter(|_| outcome != Outcome::GivenUp)
                    .cloned(),
                head: log.head,
                results: None,
            })
        };
        if let Some(end) = end {
            let results = None;
            self.publish_end(id, &End { results, ..end }, rng)?;
            self.destroy_results(id)?;
            return self.destroy_log(id);
        }
        if recorded.agreed && recorded.ended.is_none() {
            ledger.append(vec![Event::RunUnreceipted { run: id.0 }])?;
        }
        self.destroy_log(id)?;
        self.destroy_results(id)?;
        if recorded.agreed {
            // That it was here stays, since that it is gone is damage.
            self.disk.create_directory(&directory)?;
            self.disk.aside()?.publish(&Self::discarded(id))?;
            return self.clear(id);
        }
        self.clear(id)?;
        Ok(self.disk.remove_directory(&directory)?)
    }

    pub(super) fn check_unfinished(&self, id: &RunId) -> Result<(), RunError> {
        // All frames but those of rows are opened by reading it.
        let mut asked = Loaded::read(self, id)?.asked(self, id)?;
        let path = self.log(id);
        let mut more = true;
        while more {
            let advanced = asked.advance();
            more = advanced.map_err(|error| self.in_file(&path, error))?;
        }
        Ok(())
    }

    pub(super) fn read_results(&self, id: &RunId) -> Result<Matches<DiskFile>, RunError> {
        let path = self.results(id);
        let key = self.keys.load(Self::results_key(id));
        let key = key.map_err(|error| self.key_error(&path, error))?;
        let file = self.disk.open(&path)?;
        Matches::open(file, &key).map_err(|error| self.in_file(&path, error))
    }

    /// Reads all results; gives what they commit to and how long they are kept.
    pub(super) fn check_results(&self, id: &RunId) -> Result<(Hash, Retention), RunError> {
        let path = self.results(id);
        let read = self.read_results(id)?.finish();
        let (trailer, committed) = read.map_err(|error| self.in_file(&path, error))?;
        let file = self.path(&path);
        if trailer.run != *id || trailer.commitment(&committed).is_none() {
            return Err(RunError::OtherResults { file });
        }
        let expires = trailer.expires;
        Ok((trailer.root, Retention { expires }))
    }
}
