//! Setups: kept, used up by runs and destroyed at random until killed, and a short script for faults
//! at each of its operations. A setup is used up once, whatever happens.

use std::{collections::BTreeMap, path::Path};

use blindmatch_audit::{codec::Writer, receipt::Side};
use blindmatch_psi::{
    agreement::{Protocol, RunId},
    batch::{Labels, setup::SetupTerms},
    session::{Record, State},
};
use blindmatch_store::{
    disk::{ASIDE, Disk},
    runs::{RunError, Runs, Taken},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say},
    runs::{answered, head, hex, open},
};

/// Random work on setups, until killed.
pub(crate) struct Setups;

/// Setups of both sides from their beginning to their end: the same each time.
pub(crate) struct SetupScript;

/// How each setup stands, by its id in hexadecimal.
#[derive(Default)]
pub(crate) struct Model(BTreeMap<String, Standing>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It is here, or nobody was told so.
    MayBeHere,
    Here,
    /// Somebody tried to use it up, or to destroy it, and was told nothing.
    MayBeGone,
    Gone,
}

impl Workload for Setups {
    const NAME: &'static str = "setups";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let (_home, runs) = open(disk, &mut rng).unwrap();
        say(format_args!("opened"));
        loop {
            let here: Vec<_> = runs.setups().all().into_keys().collect();
            if here.len() < 4 && rng.random_ratio(1, 2) {
                keep(&runs, &mut rng);
            } else if let Some(id) = here.first() {
                use_up(&runs, id, &mut rng);
            }
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(model, home, said, repair, counts)
    }
}

impl Workload for SetupScript {
    const NAME: &'static str = "setup_script";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        // Whatever fails, the script goes on with what can still be done.
        for _ in 0..3 {
            let Ok((_home, runs)) = open(disk, &mut rng) else {
                continue;
            };
            keep(&runs, &mut rng);
            keep(&runs, &mut rng);
            if let Some(id) = runs.setups().all().into_keys().next() {
                use_up(&runs, &id, &mut rng);
            }
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(model, home, said, repair, counts)
    }
}

/// Terms that nothing else has.
fn terms(rng: &mut StdRng) -> SetupTerms {
    SetupTerms {
        consortium: b"testing".to_vec(),
        querier: b"alpha".to_vec(),
        responder: b"beta".to_vec(),
        class: 1_024,
        labels: Labels::Sealed,
        querier_nonce: rng.random(),
        responder_nonce: rng.random(),
    }
}

/// A half in its stored form: here nobody looks into it.
fn half(side: Side, terms: &SetupTerms) -> State {
    let mut writer = Writer::new(match side {
        Side::Querier => "blindmatch batch prepared querier v1",
        Side::Responder => "blindmatch batch prepared responder v1",
    });
    writer.fixed(&[5; 32]).bytes(&terms.encode()).u32(1);
    State::from(writer.bytes(&[6; 70_000]).finish())
}

fn keep(runs: &Runs, rng: &mut StdRng) {
    let side = if rng.random() {
        Side::Querier
    } else {
        Side::Responder
    };
    let terms = terms(rng);
    say(format_args!("try keep {}", hex(&terms.id())));
    let kept = runs.setups().keep(side, &half(side, &terms), NOW, rng);
    answered(kept.as_ref());
}

/// By one of two runs that both want it, or by nobody.
fn use_up(runs: &Runs, id: &RunId, rng: &mut StdRng) {
    let Some(kept) = runs.setups().all().remove(id) else {
        return;
    };
    if rng.random_ratio(1, 4) {
        say(format_args!("try gone {}", hex(id)));
        answered(runs.setups().destroy(id).as_ref());
        return;
    }
    for _ in 0..2 {
        let mut head = head(kept.side, rng.random());
        head.agreement.protocol = Protocol::Batch;
        head.agreement.directions[0].setup = id.0;
        let begun = runs.begin(head, rng).and_then(|mut beginning| {
            beginning.over(&kept.terms, rng)?;
            beginning.begin(rng)
        });
        let Ok(run) = begun else {
            continue;
        };
        say(format_args!("try gone {}", hex(id)));
        let spent = Record::Spent { setup: id.0 };
        match run.take(&spent, &mut |_| true, rng) {
            Ok(Taken::Stored) => say(format_args!("ack used")),
            // Contradicted: also where an attempt before has failed and may have left it.
            _ => say(format_args!("failed")),
        }
        let _ = run.give_up(rng);
    }
}

fn check(
    model: &mut Model,
    root: &Path,
    said: &[String],
    repair: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    model.take_in(said, counts)?;
    if !repair {
        return Ok(());
    }
    let mut rng = StdRng::seed_from_u64(1);
    let disk = Disk::new(root);
    let (home, runs) = open(&disk, &mut rng).map_err(|error| error.to_string())?;
    let here = runs.setups().all();
    for (id, standing) in &mut model.0 {
        let is_here = here.keys().any(|other| hex(other) == *id);
        *standing = match (*standing, is_here) {
            (Standing::Gone, true) => return Err(format!("{id} was used up, and is here")),
            (Standing::Here, false) => return Err(format!("{id} is lost")),
            (_, true) => Standing::Here,
            (_, false) => Standing::Gone,
        };
        *counts.entry("setups compared").or_default() += 1;
    }
    for id in here.keys() {
        if !model.0.contains_key(&hex(id)) {
            return Err(format!("{id:?} is nobody's"));
        }
        let half = runs
            .setups()
            .half(id)
            .map_err(|e: RunError| e.to_string())?;
        half.ok_or("a half that is not there")?;
    }
    // Keys are those of setups, and of runs that are not over.
    let keys = home.file_keys().list().map_err(|e| e.to_string())?.len();
    let expected = here.len() + runs.unfinished().len();
    let files = match disk.list("setups") {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        names => names.map_err(|e| e.to_string())?.len(),
    };
    if (keys, files) != (expected, here.len()) {
        return Err(format!("{keys} keys of {expected}, {files} files"));
    }
    let aside = disk.list(ASIDE).map_err(|e| e.to_string())?;
    if !aside.is_empty() {
        return Err(format!("half-visible: {aside:?}"));
    }
    Ok(())
}

impl Model {
    fn take_in(&mut self, said: &[String], counts: &mut Counts) -> Result<(), String> {
        let mut tried: Option<&str> = None;
        for line in said.iter().map(String::as_str).chain(["failed"]) {
            match line {
                "ack" | "ack used" | "failed" => {
                    self.happened(tried.take(), line)?;
                    let acknowledged = u64::from(line != "failed");
                    *counts.entry("acknowledged").or_default() += acknowledged;
                }
                line if line.starts_with("try ") => tried = Some(line),
                _ => {}
            }
        }
        Ok(())
    }

    fn happened(&mut self, tried: Option<&str>, how: &str) -> Result<(), String> {
        let words: Vec<_> = tried.unwrap_or_default().split(' ').collect();
        let acknowledged = how != "failed";
        match *words {
            ["try", "keep", id] => {
                let standing = if acknowledged {
                    Standing::Here
                } else {
                    Standing::MayBeHere
                };
                self.0.insert(id.to_owned(), standing);
            }
            ["try", "gone", id] => {
                let standing = self.0.get_mut(id).ok_or("a setup that nobody kept")?;
                if how == "ack used" && *standing == Standing::Gone {
                    return Err(format!("{id} was used up twice"));
                }
                if acknowledged {
                    *standing = Standing::Gone;
                } else if *standing != Standing::Gone {
                    *standing = Standing::MayBeGone;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
