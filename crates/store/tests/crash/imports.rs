//! Imports into collections: replacing, appending and removing at random until killed, and a short
//! script for faults at each of its operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use blindmatch_indicator::{Day, IndicatorType, LabelFields};
use blindmatch_store::{
    collection::{
        CollectionError, CollectionKind, CollectionName, Collections, Contents, ImportPlan,
        Mention, Mode, Ttl,
    },
    disk::{ASIDE, Disk},
    home::Home,
    merge::Rows,
};
use libtest_mimic::Failed;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use zeroize::Zeroizing;

use crate::{
    NOW,
    harness::{Counts, Workload, say, seeded},
    open_home,
};

/// So small that every import spills runs.
const SORT_MEMORY: usize = 2_000;
/// The collections, with the sources that each has.
const PLACES: [(&str, &str); 3] = [("abusers", "own"), ("abusers", "feed"), ("clients", "crm")];

/// Random imports, until killed.
pub(crate) struct Imports;

/// A few imports of each kind: the same each time.
pub(crate) struct ImportScript;

/// What may be there: more than one state only while nobody looked since an import was cut short.
pub(crate) struct Model {
    possible: Vec<State>,
    /// The handles that were seen of indicators that were there ever since.
    handles: BTreeMap<(&'static str, Vec<u8>), [u8; 16]>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            possible: vec![State::new()],
            handles: BTreeMap::new(),
        }
    }
}

/// The values of each source.
type State = BTreeMap<(&'static str, &'static str), BTreeSet<u32>>;

/// One import.
struct Step {
    place: (&'static str, &'static str),
    mode: Mode,
    first: u32,
    behind: u32,
}

impl Workload for Imports {
    const NAME: &'static str = "imports";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let home = open_home(disk).unwrap();
        let collections = open(&home).unwrap();
        say(format_args!("opened"));
        loop {
            let step = random_step(&mut rng);
            // A source that is not there yet has nothing to remove from.
            let _ = import(&collections, &step, &mut rng);
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

impl Workload for ImportScript {
    const NAME: &'static str = "import_script";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let steps = [
            (PLACES[0], Mode::Replace, 0, 120),
            (PLACES[1], Mode::Replace, 100, 160),
            (PLACES[0], Mode::Append, 110, 180),
            (PLACES[0], Mode::Remove, 0, 30),
            (PLACES[0], Mode::Replace, 20, 40),
        ];
        // Whatever fails, the script goes on with what can still be done.
        for (place, mode, first, behind) in steps {
            let Ok(home) = open_home(disk) else {
                continue;
            };
            let Ok(collections) = open(&home) else {
                continue;
            };
            let step = Step {
                place,
                mode,
                first,
                behind,
            };
            let _ = import(&collections, &step, &mut rng);
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

fn open(home: &Home) -> Result<Collections, CollectionError> {
    Ok(Collections::open(home)?.with_sort_memory(SORT_MEMORY))
}

fn random_step(rng: &mut StdRng) -> Step {
    let first = rng.random_range(0..600);
    Step {
        place: PLACES[rng.random_range(0..PLACES.len())],
        mode: [Mode::Replace, Mode::Append, Mode::Remove][rng.random_range(0..3)],
        first,
        behind: first + rng.random_range(0..400),
    }
}

/// So many random imports without any fault, compared after each.
pub(crate) fn undisturbed(imports: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let home = open_home(&Disk::new(&place.path().join("home")))?;
    let collections = open(&home)?;
    let (mut model, mut counts) = (Model::default(), Counts::new());
    for number in 0..imports {
        let step = random_step(&mut rng);
        let imported = push(&collections, &step, &mut rng);
        let outcome = if imported.is_ok() { "ack" } else { "refused" };
        model.take_in(&[step.said(), outcome.to_owned()], &mut counts);
        model
            .compare(&home, &collections, &mut counts)
            .map_err(|e| format!("seed {seed}, import {number}: {e}"))?;
    }
    println!("{imports} imports: {counts:?}");
    Ok(())
}

impl Step {
    fn said(&self) -> String {
        let (collection, source) = self.place;
        let mode = self.mode as u8;
        let Self { first, behind, .. } = self;
        format!("try {collection} {source} {mode} {first} {behind}")
    }
}

/// An address for every number, and for each pair of them one that both fold to.
fn key(number: u32) -> Vec<u8> {
    let name = format!("user{:04}+{}@example.com", number / 2, number % 2);
    [&[3, 1][..], name.as_bytes()].concat()
}

fn derive(key: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    if !key.starts_with(&[3]) {
        return Vec::new();
    }
    let plus = key.iter().position(|byte| *byte == b'+').unwrap();
    vec![Zeroizing::new([&[4, 1], &key[2..plus]].concat())]
}

fn import(collections: &Collections, step: &Step, rng: &mut StdRng) -> Result<(), CollectionError> {
    say(format_args!("{}", step.said()));
    let imported = push(collections, step, rng);
    match imported {
        Ok(()) => say(format_args!("ack")),
        Err(_) => say(format_args!("refused")),
    }
    imported
}

/// Two sources of some blocks each.
pub(crate) fn fill(collections: &Collections, rng: &mut StdRng) -> Result<(), CollectionError> {
    for (place, first, behind) in [(PLACES[0], 0, 3_000), (PLACES[1], 2_000, 4_000)] {
        let step = Step {
            place,
            mode: Mode::Replace,
            first,
            behind,
        };
        push(collections, &step, rng)?;
    }
    Ok(())
}

fn push(collections: &Collections, step: &Step, rng: &mut StdRng) -> Result<(), CollectionError> {
    let (collection, source) = step.place;
    let kind = if collection == "abusers" {
        CollectionKind::Abuse
    } else {
        CollectionKind::Customers
    };
    let plan = ImportPlan {
        collection: collection.parse().unwrap(),
        kind: Some(kind),
        source: source.parse().unwrap(),
        mode: step.mode,
        now: NOW,
        ttl: Ttl::default(),
        allow_shrink: true,
        discard_damaged: false,
        payment_key: None,
    };
    let mut import = collections.import(plan, rng)?;
    for number in step.first..step.behind {
        let key = key(number);
        let reference = format!("case {number}");
        let mention = Mention {
            key: &key,
            fields: LabelFields::default(),
            reference: Some(&reference),
        };
        import.push(&mention)?;
        if step.mode != Mode::Remove {
            let derived = derive(&key);
            let mention = Mention {
                key: &derived[0],
                ..mention
            };
            import.push_derived(&mention, IndicatorType::Email)?;
        }
    }
    import.finish(&derive, rng)?;
    Ok(())
}

fn check(
    model: &mut Model,
    root: &Path,
    said: &[String],
    repair: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    model.take_in(said, counts);
    // Whoever looks too seldom has too many states to think of.
    if !repair && model.possible.len() <= 4 {
        return Ok(());
    }
    let home = match open_home(&Disk::new(root)) {
        Err(error) => return Err(error.to_string()),
        Ok(home) => home,
    };
    let collections = Collections::open(&home).map_err(|e| e.to_string())?;
    model.compare(&home, &collections, counts)
}

impl Model {
    fn take_in(&mut self, said: &[String], counts: &mut Counts) {
        let mut tried = Vec::new();
        for line in said {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["try", collection, source, mode, first, behind] => {
                    let place = PLACES.into_iter().find(|p| *p == (collection, source));
                    let values = first.parse().unwrap()..behind.parse().unwrap();
                    tried = self.possible.clone();
                    for state in &mut tried {
                        change(state, place.unwrap(), mode, values.clone());
                    }
                }
                ["ack"] => {
                    *counts.entry("imports acknowledged").or_default() += 1;
                    self.possible = std::mem::take(&mut tried);
                    self.forget();
                }
                ["refused"] => {
                    *counts.entry("imports refused").or_default() += 1;
                    tried.clear();
                }
                _ => {}
            }
        }
        self.possible.append(&mut tried);
        // The first, which is what was acknowledged, keeps its place.
        if let Some((_, rest)) = self.possible.split_first_mut() {
            rest.sort();
        }
        self.possible.dedup();
        self.forget();
    }

    /// Forgets the handles of what may not be there: it may come back with another.
    fn forget(&mut self) {
        for collection in ["abusers", "clients"] {
            for state in &self.possible {
                let there = expected(state, collection);
                self.handles
                    .retain(|(other, key), _| *other != collection || there.contains_key(key));
            }
        }
    }

    fn compare(
        &mut self,
        home: &Home,
        collections: &Collections,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let (mut sources, mut lists) = (0, 0);
        let mut found = BTreeMap::new();
        for collection in ["abusers", "clients"] {
            let name: CollectionName = collection.parse().unwrap();
            let (rows, handles) = match collections.contents(&name) {
                Err(CollectionError::Missing) => Default::default(),
                Err(error) => return Err(error.to_string()),
                Ok(contents) => {
                    sources += contents.sources.len();
                    lists += 1;
                    read(collections, &contents).map_err(|e| e.to_string())?
                }
            };
            let listed = home.disk().list(&format!("collections/{collection}"));
            found.insert(
                collection,
                (rows, handles, listed.unwrap_or_default().len()),
            );
        }
        let listed: usize = found.values().map(|(.., listed)| listed).sum();
        if listed != sources + lists {
            return Err(format!("{listed} files of {sources} sources"));
        }
        let keys = home.file_keys().list().map_err(|e| e.to_string())?;
        if keys.len() != sources {
            return Err(format!("{} keys of {sources} sources", keys.len()));
        }
        let aside = home.disk().list(ASIDE).map_err(|e| e.to_string())?;
        if !aside.is_empty() {
            return Err(format!("half-visible: {aside:?}"));
        }

        let is = |state: &State| {
            let same = |(collection, (rows, ..)): (&&str, &(Shown, _, _))| {
                *rows == expected(state, collection)
            };
            found.iter().all(same)
        };
        let as_acknowledged = self.possible.first().is_some_and(is);
        // Two may show the same rows, and differ in which source has them.
        let possible: Vec<_> = self
            .possible
            .iter()
            .filter(|state| is(state))
            .cloned()
            .collect();
        if possible.is_empty() {
            let rows: Vec<_> = found.values().map(|(rows, ..)| rows.len()).collect();
            return Err(format!(
                "neither the state before nor the state after: {rows:?} rows"
            ));
        }
        *counts
            .entry(if as_acknowledged {
                "states as acknowledged"
            } else {
                "states with an unacknowledged import"
            })
            .or_default() += 1;
        self.possible = possible;
        self.forget();
        for (collection, (_, handles, _)) in found {
            for (key, handle) in handles {
                let known = *self.handles.entry((collection, key)).or_insert(handle);
                if known != handle {
                    return Err(format!("another handle in {collection}"));
                }
            }
        }
        Ok(())
    }
}

/// What an import makes of a state.
fn change(state: &mut State, place: (&'static str, &'static str), mode: &str, values: Range<u32>) {
    match mode {
        "0" => {
            state.insert(place, values.collect());
        }
        "1" => state.entry(place).or_default().extend(values),
        _ => {
            if let Some(there) = state.get_mut(&place) {
                there.retain(|value| !values.contains(value));
            }
        }
    }
}

/// Every key with its references.
pub(crate) type Shown = BTreeMap<Vec<u8>, Vec<String>>;
pub(crate) type Handles = Vec<(Vec<u8>, [u8; 16])>;

/// What the collection shows in this state.
fn expected(state: &State, collection: &str) -> Shown {
    let mut shown = Shown::new();
    let sources = state.iter().filter(|((name, _), _)| *name == collection);
    for number in sources.flat_map(|(_, values)| values) {
        let key = key(*number);
        let reference = format!("case {number}");
        for derived in derive(&key) {
            let references = shown.entry(derived.to_vec()).or_default();
            if !references.contains(&reference) {
                references.push(reference.clone());
            }
        }
        shown.insert(key, vec![reference]);
    }
    shown.values_mut().for_each(|references| references.sort());
    shown
}

pub(crate) fn read(
    collections: &Collections,
    contents: &Contents,
) -> Result<(Shown, Handles), CollectionError> {
    let mut shown = Shown::new();
    let handles = read_into(collections, contents, &mut shown)?;
    Ok((shown, handles))
}

/// Reads what can be read into `shown`.
pub(crate) fn read_into(
    collections: &Collections,
    contents: &Contents,
    shown: &mut Shown,
) -> Result<Handles, CollectionError> {
    let today = Day::from_unix_seconds(NOW as i64).unwrap();
    let mut rows = collections.rows(contents, today)?;
    let mut handles = Handles::new();
    while rows.advance()? {
        let row = rows.row().unwrap();
        let references = row.references.iter().map(str::to_owned).collect();
        shown.insert(row.key.to_vec(), references);
        handles.extend(row.handle.map(|handle| (row.key.to_vec(), handle)));
    }
    Ok(handles)
}
