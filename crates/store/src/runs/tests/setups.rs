//! Setups: kept, used up once, and gone.

use std::slice;

use blindmatch_psi::batch::Labels;
use blindmatch_testkit::batch::{BatchWorld, setup_terms};

use super::*;

/// A home, both halves of a setup, and heads of runs that would use it up.
struct Halves {
    world: World,
    querier: State,
    responder: State,
    terms: SetupTerms,
}

impl Halves {
    fn new() -> Self {
        let made = BatchWorld::new(1, 1024, 1024, Labels::Sealed);
        Self {
            world: World::new(),
            querier: made.prepared_querier,
            responder: made.prepared_responder,
            terms: setup_terms(1024, Labels::Sealed),
        }
    }

    fn keep(&mut self, runs: &Runs, side: Side) -> RunId {
        let half = match side {
            Side::Querier => &self.querier,
            Side::Responder => &self.responder,
        };
        let kept = runs.setups().keep(side, half, NOW, &mut self.world.rng);
        kept.unwrap()
    }

    fn begin(&mut self, runs: &Runs, side: Side, nonce: u8) -> Arc<Run> {
        let rng = &mut self.world.rng;
        let mut beginning = runs
            .begin(head_over(&self.terms, side, nonce), rng)
            .unwrap();
        beginning.over(&self.terms, rng).unwrap();
        let run = beginning.begin(rng).unwrap();
        run.agree(rng).unwrap();
        run
    }

    fn spent(&self) -> Record {
        let setup = self.terms.id().0;
        Record::Spent { setup }
    }
}

fn head_over(terms: &SetupTerms, side: Side, nonce: u8) -> Head {
    let mut head = head(side, nonce);
    head.agreement.protocol = Protocol::Batch;
    head.agreement.directions[0].setup = terms.id().0;
    head
}

#[test]
fn a_setup_is_used_up_by_one_run_and_never_again() {
    let mut halves = Halves::new();
    let (home, ledger, runs) = halves.world.open();
    let id = halves.keep(&runs, Side::Responder);
    let there = runs.setups().half(&id).unwrap().unwrap();
    assert_eq!(there, halves.responder);
    let kept = &runs.setups().all()[&id];
    assert_eq!((kept.side, kept.made), (Side::Responder, NOW));
    assert_eq!(kept.terms, halves.terms);

    let (one, other) = (
        halves.begin(&runs, Side::Responder, 1),
        halves.begin(&runs, Side::Responder, 2),
    );
    assert_eq!(all(&one), []);
    let spent = halves.spent();
    assert_eq!(halves.world.take(&one, &spent), Taken::Stored);
    assert_eq!(all(&one), slice::from_ref(&spent));
    // By another connection of this run, and by another run.
    assert_eq!(halves.world.take(&one, &spent), Taken::Contradicted);
    assert_eq!(halves.world.take(&other, &spent), Taken::Contradicted);
    assert_eq!(all(&other), slice::from_ref(&spent));
    assert!(runs.setups().half(&id).unwrap().is_none());

    let (one, other) = (one.id(), other.id());
    drop((runs, ledger, home));
    let (home, _ledger, runs) = halves.world.open();
    assert!(!runs.setups().has(&id));
    for id in [one, other] {
        let run = runs.run(&id).unwrap();
        assert_eq!(run.setup(), Some(&halves.terms));
        assert_eq!(all(&run), slice::from_ref(&spent));
        assert_eq!(halves.world.take(&run, &spent), Taken::Contradicted);
    }
    assert_eq!(setup_key_ids(&home).unwrap(), []);
}

#[test]
fn only_the_run_s_own_setup_is_used_up() {
    let mut halves = Halves::new();
    let (_home, _ledger, runs) = halves.world.open();
    let id = halves.keep(&runs, Side::Querier);
    let run = halves.begin(&runs, Side::Querier, 1);
    let other = Record::Spent { setup: [9; 32] };
    let lookup = halves.world.begin(&runs, Side::Querier, 2, &keys(3));
    let spent = halves.spent();
    for (run, record) in [(&run, &other), (&lookup, &spent)] {
        let taken = run.take(record, &mut |_| true, &mut halves.world.rng);
        assert!(matches!(taken, Err(RunError::Setup)), "{taken:?}");
    }
    assert!(runs.setups().has(&id));
    // Nor does a run say that it is over another one than it was agreed on.
    let rng = &mut halves.world.rng;
    let mut beginning = runs.begin(head(Side::Querier, 3), rng).unwrap();
    let over = beginning.over(&halves.terms, rng);
    assert!(matches!(over, Err(RunError::Setup)));
}

#[test]
fn what_is_no_half_or_is_here_already_is_not_kept() {
    let mut halves = Halves::new();
    let (_home, _ledger, runs) = halves.world.open();
    halves.keep(&runs, Side::Querier);
    let nothing = State::from(b"nothing".to_vec());
    let (querier, responder) = (halves.querier.clone(), halves.responder.clone());
    for (side, half) in [
        (Side::Querier, querier),
        (Side::Querier, responder),
        (Side::Responder, nothing),
    ] {
        let kept = runs.setups().keep(side, &half, NOW, &mut halves.world.rng);
        assert!(matches!(kept, Err(RunError::Setup)), "{kept:?}");
    }
    assert_eq!(runs.setups().all().len(), 1);
}

#[test]
fn a_setup_that_does_not_read_is_removed() {
    let mut halves = Halves::new();
    let (home, ledger, runs) = halves.world.open();
    let id = halves.keep(&runs, Side::Querier);
    drop((runs, ledger, home));
    let name: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = halves.world.root().join("setups").join(&name);
    let key = halves.world.root().join("keys/files").join(&name[..32]);
    let whole = fs::read(&file).unwrap();
    let wrapped = fs::read(&key).unwrap();
    for at in [0, 60, whole.len() - 1] {
        flip(&file, at);
        fs::write(&key, &wrapped).unwrap();
        drop(halves.world.open());
        assert!(!file.exists() && !key.exists(), "byte {at}");
        fs::write(&file, &whole).unwrap();
    }
    // Without its key nothing, and under the name of another one neither.
    drop(halves.world.open());
    assert!(!file.exists());
    let other = file.with_file_name(format!("00{}", &name[2..]));
    fs::write(&other, &whole).unwrap();
    fs::write(key.with_file_name(format!("00{}", &name[2..32])), &wrapped).unwrap();
    drop(halves.world.open());
    assert!(!other.exists());
}

#[test]
fn a_setup_is_not_readable_at_rest_and_in_no_backup() {
    use crate::{backup, collection::Collections};
    let mut halves = Halves::new();
    let (home, ledger, runs) = halves.world.open();
    halves.keep(&runs, Side::Responder);
    // The terms stand in it as they were agreed on.
    let terms = halves.terms.encode();
    for file in files(halves.world.root()) {
        let shown = |part: &[u8]| file.windows(part.len()).any(|found| found == part);
        assert!(!shown(&terms) && !shown(b"blindmatch batch prepared"));
    }
    let collections = Collections::open(&home).unwrap();
    let to = halves.world.root().with_extension("backup");
    let rng = &mut halves.world.rng;
    backup::backup(&home, &ledger, &collections, &|_| true, &to, NOW, rng).unwrap();
    let mut paths = Vec::new();
    let backup = fs::File::open(&to).unwrap();
    let mut note = |path: &str, _, content: &mut dyn io::Read| {
        paths.push(path.to_owned());
        io::copy(content, &mut io::sink())?;
        Ok(())
    };
    backup::read(backup, None, &mut note).unwrap();
    let of_it = |path: &String| path.starts_with("setups") || path.starts_with("keys");
    assert!(!paths.is_empty() && !paths.iter().any(of_it), "{paths:?}");
}
