//! Views: epochs begun, published, accepted and destroyed at random until killed, and a short
//! script for faults at each of its operations.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, Write},
    path::Path,
};

use blindmatch_indicator::LabelFields;
use blindmatch_psi::publication::{
    Changes, Domain, FirstPublication, InMemory, Manifest, SMALLEST_WORKING_SET, Stored,
};
use blindmatch_store::{
    disk::{ASIDE, Disk},
    home::Home,
    merge::Rows,
    row::{Origin, References, Row},
    views::{OwnEpoch, PeerEpoch, ViewError, Views},
};
use libtest_mimic::Failed;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say, seeded},
    open_home,
};

/// Outputs that are cached at a time.
const PART: u32 = 10;

/// Random work on views, until killed.
pub(crate) struct Random;

/// An epoch of each kind from its beginning to its end: the same each time.
pub(crate) struct ViewScript;

/// What may be there: more than one state only while nobody looked since a step was cut short.
pub(crate) struct Model {
    possible: Vec<State>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            possible: vec![State::new()],
        }
    }
}

/// By whose and which epoch: the rows of the newest publication, none before the first; and how
/// often outputs were cached.
type State = BTreeMap<(Whose, u64), (Option<u32>, u32)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Whose {
    Own,
    Peer,
}

impl Workload for Random {
    const NAME: &'static str = "views";
    const SPAN: u64 = 400_000;
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let (_home, views) = open(disk).unwrap();
        say(format_args!("opened"));
        loop {
            let (own, peers) = (views.own(), views.peers());
            let epoch = own.get(rng.random_range(0..own.len().max(1)));
            let peer = peers.get(rng.random_range(0..peers.len().max(1)));
            match (rng.random_range(0..9), epoch, peer) {
                (0, _, _) if own.len() < 3 => begin(&views, &mut rng),
                (1, Some(own), _) => destroy(&views, Whose::Own, own.domain(), own.id()),
                (2, _, Some(peer)) => destroy(&views, Whose::Peer, peer.domain(), peer.id()),
                (3 | 4, Some(own), _) => accept(&views, own, &mut rng),
                (5 | 6, _, Some(peer)) => cache(peer, &mut rng),
                (_, Some(own), _) => publish(&views, own, &mut rng),
                _ => begin(&views, &mut rng),
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

impl Workload for ViewScript {
    const NAME: &'static str = "view_script";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        // Whatever fails, the script goes on with what can still be done.
        for round in 0..2 {
            let Ok((_home, views)) = open(disk) else {
                continue;
            };
            begin(&views, &mut rng);
            for own in views.own() {
                for _ in 0..3 - round {
                    publish(&views, &own, &mut rng);
                }
                accept(&views, &own, &mut rng);
                publish(&views, &own, &mut rng);
                accept(&views, &own, &mut rng);
            }
            for peer in views.peers() {
                cache(&peer, &mut rng);
                if round == 1 {
                    destroy(&views, Whose::Peer, peer.domain(), peer.id());
                }
            }
            for own in views.own().iter().skip(1) {
                destroy(&views, Whose::Own, own.domain(), own.id());
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

/// Flips so many bits, one at a time, in all files of a view of our own and of a peer's.
pub(crate) fn flips(flips: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let root = place.path().join("home");
    let disk = Disk::new(&root);
    let (home, views) = open(&disk)?;
    begin(&views, &mut rng);
    for own in views.own() {
        publish(&views, &own, &mut rng);
        accept(&views, &own, &mut rng);
        publish(&views, &own, &mut rng);
        accept(&views, &own, &mut rng);
    }
    for peer in views.peers() {
        cache(&peer, &mut rng);
    }
    let served = state(&views)?;
    drop((views, home));
    let mut files = Vec::new();
    for view in disk.list("views")? {
        let names = disk.list(&format!("views/{view}"))?;
        files.extend(names.into_iter().map(|name| format!("views/{view}/{name}")));
    }
    let mut named = BTreeMap::<&str, u64>::new();
    for flip in 0..flips {
        let path = &files[flip as usize % files.len()];
        let full = root.join(path);
        let whole = fs::read(&full)?;
        let mut flipped = whole.clone();
        let at = rng.random_range(0..whole.len());
        flipped[at] ^= 1 << rng.random_range(0..8);
        fs::write(&full, &flipped)?;
        let home = open_home(&disk)?;
        let (views, damaged) = Views::open(&home)?;
        let own = views.own().into_iter().filter_map(|own| own.verify().err());
        let peers = views.peers();
        let peers = peers.iter().filter_map(|peer| peer.verify().err());
        let errors = damaged.into_iter().chain(own).chain(peers);
        let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
        if errors.len() != 1 || !errors[0].contains(path.as_str()) {
            return Err(format!("seed {seed}: byte {at} of {path}: {errors:?}").into());
        }
        *named.entry(path).or_default() += 1;
        drop((views, home));
        if fs::read(&full)? != flipped {
            return Err(format!("seed {seed}: {path} was changed").into());
        }
        fs::write(&full, whole)?;
    }
    let (_home, views) = open(&disk)?;
    if state(&views)? != served {
        return Err("the views are others".into());
    }
    println!(
        "flips: {flips} in {} files; all found and named, none served",
        named.len()
    );
    Ok(())
}

fn open(disk: &Disk) -> Result<(Home, Views), Box<dyn Error>> {
    let home = open_home(disk)?;
    let (views, damaged) = Views::open(&home)?;
    match damaged.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok((home, views)),
    }
}

fn begin(views: &Views, rng: &mut StdRng) {
    let (own, peers) = (views.own(), views.peers());
    let epochs = own.iter().map(|own| own.domain().epoch);
    let last = epochs
        .chain(peers.iter().map(|peer| peer.domain().epoch))
        .max();
    let epoch = last.unwrap_or(0) + 1;
    say(format_args!("try begin {epoch}"));
    // Numbers of an epoch are above those of all before.
    let begun = views.begin(domain(epoch), 1 << 20, 1_000 * epoch, rng);
    answered(&begun);
}

fn publish(views: &Views, own: &OwnEpoch, rng: &mut StdRng) {
    let rows = rng.random_range(1..20);
    say(format_args!("try publish {} {rows}", own.domain().epoch));
    let scratch = views.scratch(rng);
    let mut make = || {
        let mut draft = own.draft(rng)?;
        let published = if own.publications().is_empty() {
            let first = FirstPublication::new(&scratch, SMALLEST_WORKING_SET)?;
            draft.first(first, rng)?
        } else {
            let changes = Changes::new(draft.state(), &InMemory, 4 * SMALLEST_WORKING_SET)?;
            draft.later(changes, rng, &mut |_| ())?
        };
        for number in 0..rows {
            draft.row(&row(&key(number)))?;
        }
        let manifest = Manifest {
            domain: own.domain().clone(),
            canonicalisation: 1,
            public_key: *own.secret().public_key().as_bytes(),
            queries: 1 << 20,
            edition: published.edition,
            root: published.root,
            valid_from: NOW,
            expires: NOW + 1,
        };
        draft.publish(manifest, rng)
    };
    let made: Result<(), ViewError> = make();
    answered(&made);
}

/// Lets a peer in the same home accept what is published.
fn accept(views: &Views, own: &OwnEpoch, rng: &mut StdRng) {
    let publications = own.publications();
    let Some(newest) = publications.first() else {
        return;
    };
    let epoch = own.domain().epoch;
    let Ok(rows) = rows(own) else {
        return;
    };
    let peers = views.peers();
    if peers.iter().any(|peer| peer.domain().epoch > epoch) {
        return;
    }
    say(format_args!("try accept {epoch}"));
    let mut write = |sink: &mut dyn Write| {
        let file = own.file(newest).map_err(io::Error::other)?;
        let mut bytes = vec![0; file.length()? as usize];
        file.read_at(0, &mut bytes)?;
        sink.write_all(&bytes)
    };
    let proof = rows.to_be_bytes();
    let peer = peers.iter().find(|peer| peer.domain().epoch == epoch);
    let accepted = match peer {
        Some(peer) => peer.accept(&newest.manifest, &proof, &mut write, rng),
        None => views
            .accept(&newest.manifest, &proof, &mut write, rng)
            .map(drop),
    };
    answered(&accepted);
}

fn cache(peer: &PeerEpoch, rng: &mut StdRng) {
    let epoch = peer.domain().epoch;
    let Ok(there) = cached(peer) else {
        return;
    };
    say(format_args!("try cache {epoch}"));
    let mut keep = || {
        let mut cache = peer.cache(rng)?;
        for number in 0..PART {
            cache.push(&key(there * PART + number), &[number as u8; 64])?;
        }
        peer.keep(cache, rng)
    };
    answered(&keep());
}

fn destroy(views: &Views, whose: Whose, domain: &Domain, id: blindmatch_store::keys::FileId) {
    say(format_args!("try destroy {whose:?} {}", domain.epoch));
    answered(&views.destroy(id));
}

fn answered<T>(outcome: &Result<T, ViewError>) {
    match outcome {
        Ok(_) => say(format_args!("ack")),
        Err(_) => say(format_args!("failed")),
    }
}

fn check(
    model: &mut Model,
    root: &Path,
    said: &[String],
    repair: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    model.take_in(said, counts);
    if !repair && model.possible.len() <= 4 {
        return Ok(());
    }
    let (home, views) = open(&Disk::new(root)).map_err(|e| e.to_string())?;
    let found = state(&views).map_err(|e| e.to_string())?;
    if !model.possible.contains(&found) {
        let possible = &model.possible;
        return Err(format!(
            "neither before nor after: {found:?} of {possible:?}"
        ));
    }
    model.possible = vec![found];
    *counts.entry("states compared").or_default() += 1;
    let keys = home.file_keys().list().map_err(|e| e.to_string())?.len();
    let (own, peers) = (views.own(), views.peers());
    if keys != own.len() + peers.len() {
        return Err(format!("{keys} keys"));
    }
    let listed = home.disk().list("views").map_err(|e| e.to_string())?;
    if listed.len() != keys {
        return Err(format!("{} directories of {keys}", listed.len()));
    }
    for own in own {
        let publications = own.publications();
        let differences = publications.iter().filter(|p| own.difference(p).is_ok());
        // State, file of each, roll and rows of the newest.
        let newest = if publications.is_empty() { 0 } else { 2 };
        let expected = 1 + publications.len() + differences.count() + newest;
        let files = home.disk().list(&format!("views/{}", own.id()));
        let files = files.map_err(|e| e.to_string())?;
        if files.len() != expected {
            return Err(format!("{} files of {expected}", files.len()));
        }
    }
    let aside = home.disk().list(ASIDE).map_err(|e| e.to_string())?;
    if aside.is_empty() {
        Ok(())
    } else {
        Err(format!("half-visible: {aside:?}"))
    }
}

impl Model {
    fn take_in(&mut self, said: &[String], counts: &mut Counts) {
        let mut tried: Option<Vec<State>> = None;
        for line in said {
            let words: Vec<_> = line.split(' ').collect();
            match *words {
                ["try", ..] => {
                    let mut states = self.possible.clone();
                    states.iter_mut().for_each(|state| change(state, &words));
                    tried = Some(states);
                }
                ["ack"] => {
                    *counts.entry("acknowledged").or_default() += 1;
                    self.possible = tried.take().unwrap_or_default();
                }
                ["failed"] => self.possible.append(&mut tried.take().unwrap_or_default()),
                _ => {}
            }
        }
        self.possible.append(&mut tried.unwrap_or_default());
        self.possible.sort();
        self.possible.dedup();
    }
}

/// What a step makes of a state.
fn change(state: &mut State, words: &[&str]) {
    let epoch = |at: usize| words[at].parse::<u64>().unwrap();
    match words[1] {
        "begin" => _ = state.insert((Whose::Own, epoch(2)), (None, 0)),
        "publish" => {
            if let Some(own) = state.get_mut(&(Whose::Own, epoch(2))) {
                own.0 = Some(words[3].parse().unwrap());
            }
        }
        "accept" => {
            let rows = state.get(&(Whose::Own, epoch(2))).and_then(|own| own.0);
            state.entry((Whose::Peer, epoch(2))).or_default().0 = rows;
        }
        "cache" => {
            if let Some(peer) = state.get_mut(&(Whose::Peer, epoch(2))) {
                peer.1 += 1;
            }
        }
        _ => {
            let whose = if words[2] == "Own" {
                Whose::Own
            } else {
                Whose::Peer
            };
            state.remove(&(whose, epoch(3)));
        }
    }
}

/// All that there is, read from its first byte to its last.
fn state(views: &Views) -> Result<State, Box<dyn Error>> {
    let mut state = State::new();
    for own in views.own() {
        own.verify()?;
        let rows = if own.publications().is_empty() {
            None
        } else {
            Some(rows(&own)?)
        };
        state.insert((Whose::Own, own.domain().epoch), (rows, 0));
    }
    for peer in views.peers() {
        peer.verify()?;
        let newest = &peer.publications()[0];
        peer.publication(newest)?;
        let rows = u32::from_be_bytes(newest.proof.as_slice().try_into()?);
        let key = (Whose::Peer, peer.domain().epoch);
        state.insert(key, (Some(rows), cached(&peer)?));
    }
    Ok(state)
}

fn rows(own: &OwnEpoch) -> Result<u32, Box<dyn Error>> {
    let mut rows = own.rows()?;
    let mut count = 0;
    while rows.advance()? {
        if rows.row().unwrap().key != key(count) {
            return Err("another row".into());
        }
        count += 1;
    }
    Ok(count)
}

/// How often outputs were cached.
fn cached(peer: &PeerEpoch) -> Result<u32, Box<dyn Error>> {
    let mut cached = peer.cached()?;
    let mut count = 0;
    while let Some((item, output)) = cached.next()? {
        if *item != key(count) || *output != [(count % PART) as u8; 64] {
            return Err("another output".into());
        }
        count += 1;
    }
    if !count.is_multiple_of(PART) {
        return Err("outputs in part".into());
    }
    Ok(count / PART)
}

fn domain(epoch: u64) -> Domain {
    Domain {
        consortium: b"testing".to_vec(),
        responder: b"beta".to_vec(),
        view: b"abuse/email/fraud".to_vec(),
        indicator_type: b"email".to_vec(),
        epoch,
    }
}

fn key(number: u32) -> Vec<u8> {
    [
        &[3, 1][..],
        format!("user{number:06}@example.com").as_bytes(),
    ]
    .concat()
}

fn row(key: &[u8]) -> Row<'_> {
    let origin = Origin {
        given: true,
        derived: false,
    };
    Row {
        key,
        origin,
        fields: LabelFields::default(),
        handle: Some([4; 16]),
        since: 1,
        expires: None,
        references: References::default(),
    }
}
