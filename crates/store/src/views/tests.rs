#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use blindmatch_indicator::LabelFields;
use blindmatch_oprf::voprf;
use blindmatch_psi::{
    lookup,
    publication::{
        Changes, FirstPublication, InMemory, ManifestError, Published, SMALLEST_WORKING_SET,
        Stored, apply,
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    keys::StorageKey,
    merge::Rows,
    row::{Origin, References, Row},
};

const NOW: u64 = 1_763_798_400;

struct World {
    _place: tempfile::TempDir,
    root: PathBuf,
    rng: StdRng,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self {
            root: place.path().join("home"),
            _place: place,
            rng: StdRng::seed_from_u64(3),
        }
    }

    fn open(&self) -> (Home, Views) {
        let (home, views, damaged) = self.try_open();
        assert!(damaged.is_empty(), "{damaged:?}");
        (home, views)
    }

    fn try_open(&self) -> (Home, Views, Vec<ViewError>) {
        let disk = Disk::new(&self.root);
        let home = Home::open(disk.clone(), NOW)
            .or_else(|_| Home::create(disk, &StorageKey::new(&[1; 32]), NOW))
            .unwrap();
        let (views, damaged) = Views::open(&home).unwrap();
        (home, views, damaged)
    }

    /// Publishes these items: the epoch's first, or the next.
    fn publish(&mut self, views: &Views, own: &OwnEpoch, items: std::ops::Range<u32>) {
        let rng = &mut self.rng;
        let scratch = views.scratch(rng);
        let mut draft = own.draft(rng).unwrap();
        let published = if own.publications().is_empty() {
            let mut first = FirstPublication::new(&scratch, SMALLEST_WORKING_SET).unwrap();
            for item in items.clone() {
                first.push(&output(own, item), &[7; 24]).unwrap();
            }
            draft.first(first, rng).unwrap()
        } else {
            let mut changes =
                Changes::new(draft.state(), &scratch, 4 * SMALLEST_WORKING_SET).unwrap();
            let mut rows = own.rows().unwrap();
            let mut before = Vec::new();
            while rows.advance().unwrap() {
                before.push(rows.row().unwrap().key.to_vec());
            }
            for item in items.clone().filter(|item| !before.contains(&key(*item))) {
                let added = changes.add(item.into(), &output(own, item), &[8; 24]);
                added.unwrap();
            }
            draft.later(changes, rng, &mut |_| ()).unwrap()
        };
        for item in items {
            draft.row(&row(&key(item))).unwrap();
        }
        draft.publish(manifest(own, &published), rng).unwrap();
    }
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

fn manifest(own: &OwnEpoch, published: &Published) -> Manifest {
    Manifest {
        domain: own.domain().clone(),
        canonicalisation: 1,
        public_key: *own.secret().public_key().as_bytes(),
        queries: 1 << 20,
        edition: published.edition,
        root: published.root,
        valid_from: NOW,
        expires: NOW + 1,
    }
}

fn key(number: u32) -> Vec<u8> {
    [
        &[3, 1][..],
        format!("marked{number:06}@example.com").as_bytes(),
    ]
    .concat()
}

fn output(own: &OwnEpoch, number: u32) -> [u8; 64] {
    *voprf::evaluate(&own.secret(), &key(number))
        .unwrap()
        .as_bytes()
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

fn bytes(file: &impl Stored) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut plain): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    plain.extend(folders.iter().flat_map(|folder| files(folder)));
    plain
}

#[test]
fn rows_are_those_of_before_and_what_changed_of_them() {
    let mut world = World::new();
    let (_home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    let rng = &mut world.rng;
    let scratch = views.scratch(rng);
    let mut draft = own.draft(rng).unwrap();
    let first = FirstPublication::new(&scratch, SMALLEST_WORKING_SET).unwrap();
    let published = draft.first(first, rng).unwrap();
    for item in 0..6_000 {
        draft.row(&row(&key(item))).unwrap();
    }
    draft.publish(manifest(&own, &published), rng).unwrap();
    let mut expected: BTreeMap<_, _> = (0..6_000).map(|item| (key(item), 1)).collect();
    let (mut kept, mut anew) = (0, 0);
    for day in 2..16 {
        let rng = &mut world.rng;
        let scratch = views.scratch(rng);
        let mut draft = own.draft(rng).unwrap();
        let changes = Changes::new(draft.state(), &scratch, 4 * SMALLEST_WORKING_SET).unwrap();
        let published = draft.later(changes, rng, &mut |_| ()).unwrap();
        let most = if day % 5 == 0 { 9_000 } else { 30 };
        let changed: BTreeSet<u32> = (0..most).map(|_| rng.random_range(0..6_100)).collect();
        for &item in &changed {
            let key = key(item);
            // What settles it, and what says at once that there is none.
            if item % 3 == 0 {
                draft.row(&no_row(&key)).unwrap();
            } else {
                draft
                    .row(&Row {
                        since: day,
                        ..row(&key)
                    })
                    .unwrap();
            }
            match item % 3 {
                2 => expected.insert(key, day),
                _ => expected.remove(&key),
            };
        }
        let gone: BTreeSet<_> = changed.iter().filter(|item| *item % 3 == 1).collect();
        let gone: BTreeSet<_> = gone.into_iter().map(|item| key(*item)).collect();
        let mut settle = |row: &Row<'_>| (!gone.contains(row.key)).then_some(row.origin);
        draft.settle(&mut settle, rng).unwrap();
        draft.publish(manifest(&own, &published), rng).unwrap();
        match own.publications()[0].rows.unwrap().changed {
            Some(_) => kept += 1,
            None => anew += 1,
        }
        let mut rows = own.rows().unwrap();
        let mut read = BTreeMap::new();
        while rows.advance().unwrap() {
            let row = rows.row().unwrap();
            assert!(row.handle.is_some());
            assert!(read.insert(row.key.to_vec(), row.since).is_none());
        }
        assert!(rows.row().is_none());
        assert!(read == expected, "day {day}");
    }
    assert!(kept > 0 && anew > 0, "{kept} {anew}");
}

/// A responder's home and a querier's: what one publishes the other accepts and looks up in, over
/// two publications and any number of restarts.
#[test]
fn a_view_goes_from_one_home_to_another() {
    let (mut there, mut here) = (World::new(), World::new());
    let (home, views) = there.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut there.rng).unwrap();
    let again = views.begin(domain(1), 1 << 20, 1, &mut there.rng);
    assert!(matches!(again.err(), Some(ViewError::Exists)));
    there.publish(&views, &own, 0..300);
    let secret = own.secret().to_bytes();
    drop((own, views, home));
    let (_home, views) = there.open();
    let own = Arc::clone(&views.own()[0]);
    assert_eq!(*own.secret().to_bytes(), *secret);
    there.publish(&views, &own, 0..303);
    own.verify().unwrap();
    let [newest, before] = own.publications().to_vec().try_into().unwrap();
    assert_eq!(newest.manifest.edition.sequence(), 2);

    let (peer_home, peer_views) = here.open();
    let first = bytes(&own.file(&before).unwrap());
    let cut = first[1..].to_vec();
    for file in [&cut, &first] {
        let accepted = peer_views.accept(
            &before.manifest,
            b"proof",
            &mut |sink| sink.write_all(file),
            &mut here.rng,
        );
        assert_eq!(accepted.is_ok(), file.len() == first.len());
        assert_eq!(
            peer_home.file_keys().list().unwrap().len(),
            peer_views.peers().len()
        );
    }
    let peer = Arc::clone(&peer_views.peers()[0]);
    let difference = own.difference(&newest).unwrap();
    let accepted = peer.publications();
    let current = peer.publication(&accepted[0]).unwrap();
    let Manifest { edition, root, .. } = newest.manifest;
    let mut applied = |sink: &mut dyn Write| {
        let applied = apply(&current, &difference, edition, &root, &InMemory, sink);
        applied.map_err(|error| io::Error::other(error.to_string()))
    };
    peer.accept(&newest.manifest, b"newer", &mut applied, &mut here.rng)
        .unwrap();
    peer.verify().unwrap();
    let accepted = peer.publications();
    assert_eq!(accepted[0].proof, b"newer");
    assert_eq!(accepted.len(), 2);
    // Back is no way, and the same once more is nothing.
    let nothing = &mut |_: &mut dyn Write| panic!("not asked for");
    peer.accept(&newest.manifest, b"", nothing, &mut here.rng)
        .unwrap();
    let back = peer.accept(&before.manifest, b"", nothing, &mut here.rng);
    assert!(matches!(
        back,
        Err(ViewError::Manifest(ManifestError::SequenceUsed))
    ));

    // Outputs are cached in several files, more than may stay apart.
    for part in 0..20 {
        let mut cache = peer.cache(&mut here.rng).unwrap();
        for item in (0..2_000).filter(|item| item % 20 == part) {
            cache.push(&key(item), &output(&own, item)).unwrap();
        }
        peer.keep(cache, &mut here.rng).unwrap();
    }
    drop((current, peer, peer_views, peer_home));
    let (_peer_home, peer_views) = here.open();
    let peer = Arc::clone(&peer_views.peers()[0]);
    let mut cached = peer.cached().unwrap();
    for item in [0, 1, 1, 7, 300, 302, 1_999] {
        assert_eq!(
            *cached.find(&key(item)).unwrap().unwrap(),
            output(&own, item)
        );
    }
    assert!(cached.find(&key(2_000)).unwrap().is_none());
    let mut all = Vec::new();
    let mut cached = peer.cached().unwrap();
    while let Some((item, output)) = cached.next().unwrap() {
        all.push((item, output));
    }
    assert!(
        all.iter()
            .map(|(item, _)| item.to_vec())
            .eq((0..2_000).map(key))
    );
    let newest = &peer.publications()[0];
    let view = peer.publication(newest).unwrap();
    let outputs = (0..).zip(all.iter().map(|(_, output)| &**output));
    let matches = lookup::find(outputs, peer.domain(), &view).unwrap();
    let found: Vec<_> = matches.found.iter().map(|found| found.item).collect();
    assert_eq!(found, (0..303).collect::<Vec<_>>());
    assert!(matches.unopened.is_empty());
}

/// Outputs that nobody evaluated, of many blocks in files of many lengths.
#[test]
fn cached_outputs_are_found_at_any_distance_and_the_long_files_stay() {
    let mut world = World::new();
    let (_home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    world.publish(&views, &own, 0..3);
    let file = bytes(&own.file(&own.publications()[0]).unwrap());
    let manifest = &own.publications()[0].manifest;
    let write = &mut |sink: &mut dyn Write| sink.write_all(&file);
    let peer = views.accept(manifest, b"", write, &mut world.rng).unwrap();
    let output = |item: u32| {
        let mut output = [0; 64];
        output[..4].copy_from_slice(&item.to_be_bytes());
        output
    };
    let folder = world.root.join("views").join(peer.id().to_string());
    let names = || files(&folder);
    let mut keep = |items: &mut dyn Iterator<Item = u32>| {
        let mut cache = peer.cache(&mut world.rng).unwrap();
        for item in items {
            cache.push(&key(item), &output(item)).unwrap();
        }
        peer.keep(cache, &mut world.rng).unwrap();
    };
    // Even ones first, in one file of some 25 blocks; then a few odd ones a night.
    keep(&mut (0..20_000).map(|item| 2 * item));
    let first = names();
    for night in 0..20 {
        keep(&mut (0..100).map(|item| 2 * (100 * item + night) + 1));
        // State, publication, the long file, and what few are left of those behind it.
        assert!(first.iter().filter(|path| path.exists()).count() >= 2);
        assert!(names().len() <= 7, "{}", names().len());
    }
    let is_there = |item: u32| {
        item < 40_000 && (item.is_multiple_of(2) || (item / 2) % 100 < 20 && item < 20_000)
    };
    for step in [1, 2, 3, 7, 100, 1_501, 9_000, 39_998] {
        let mut cached = peer.cached().unwrap();
        for item in (step % 7..40_010).step_by(step as usize) {
            let found = cached.find(&key(item)).unwrap().map(|found| *found);
            assert_eq!(
                found,
                is_there(item).then(|| output(item)),
                "{item} by {step}"
            );
            // Once more where it stands.
            assert_eq!(cached.find(&key(item)).unwrap().is_some(), found.is_some());
        }
    }
    peer.verify().unwrap();
}

#[test]
fn an_epoch_is_destroyed_with_its_key() {
    let mut world = World::new();
    let (home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    world.publish(&views, &own, 0..3);
    let [newest] = own.publications().to_vec().try_into().unwrap();
    let file = bytes(&own.file(&newest).unwrap());
    let manifest = &newest.manifest;
    let write = &mut |sink: &mut dyn Write| sink.write_all(&file);
    let peer = views.accept(manifest, b"", write, &mut world.rng).unwrap();
    assert!(matches!(
        views.accept(manifest, b"", write, &mut world.rng).err(),
        Some(ViewError::Exists)
    ));
    let mut cache = peer.cache(&mut world.rng).unwrap();
    cache.push(&key(1), &output(&own, 1)).unwrap();
    assert!(matches!(
        cache.push(&key(1), &output(&own, 1)),
        Err(ViewError::Order)
    ));
    peer.keep(cache, &mut world.rng).unwrap();

    let copies: Vec<_> = files(&world.root.join("views"))
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    // State, publication, roll and rows; state, publication and outputs.
    assert_eq!(copies.len(), 7);
    assert_eq!(home.file_keys().list().unwrap().len(), 2);
    for id in [own.id(), peer.id()] {
        views.destroy(id).unwrap();
        assert!(matches!(views.destroy(id), Err(ViewError::Missing)));
    }
    assert!(home.file_keys().list().unwrap().is_empty());
    assert!(files(&world.root.join("views")).is_empty());
    assert!(views.own().is_empty() && views.peers().is_empty());
    drop((views, home));
    // Who kept copies of all files has lost their keys.
    for (bytes, path) in copies {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let (_home, views, damaged) = world.try_open();
    assert!(views.own().is_empty() && views.peers().is_empty());
    let missing = |error: &ViewError| {
        let error = matches!(
            error,
            ViewError::Key {
                error: KeyError::Missing,
                ..
            }
        );
        assert!(error);
    };
    damaged.iter().for_each(missing);
    assert_eq!(damaged.len(), 2);
}

/// A number that was reserved seals in one attempt, whatever becomes of that.
#[test]
fn what_is_moved_away_keeps_its_key() {
    let mut world = World::new();
    let (home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    world.publish(&views, &own, 0..3);
    let folder = world.root.join(directory(own.id()));
    let aside = world.root.join("moved");
    drop((own, views, home));
    fs::rename(&folder, &aside).unwrap();
    fs::create_dir(&folder).unwrap();
    let (home, views, damaged) = world.try_open();
    assert!(
        matches!(damaged.as_slice(), [ViewError::StateLost { .. }]),
        "{damaged:?}"
    );
    drop((views, home));
    fs::remove_dir(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    let (_home, views) = world.open();
    assert_eq!(views.own().len(), 1);
}

#[test]
fn a_draft_that_is_dropped_uses_its_number() {
    let mut world = World::new();
    let (home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 5, &mut world.rng).unwrap();
    let rng = &mut world.rng;
    drop(own.draft(rng).unwrap());
    // One that was made, and whose manifest is of something else.
    let mut draft = own.draft(rng).unwrap();
    let first = FirstPublication::new(&InMemory, SMALLEST_WORKING_SET).unwrap();
    let published = draft.first(first, rng).unwrap();
    assert_eq!(published.edition.sequence(), 6);
    let mut other = manifest(&own, &published);
    other.root = [9; 32];
    let refused = draft.publish(other, rng);
    assert!(matches!(refused, Err(ViewError::OtherManifest)));
    assert!(own.publications().is_empty());
    drop((own, views, home));
    let (_home, views) = world.open();
    let own = Arc::clone(&views.own()[0]);
    world.publish(&views, &own, 0..2);
    world.publish(&views, &own, 0..3);
    let sequences: Vec<_> = own
        .publications()
        .iter()
        .map(|publication| publication.manifest.edition.sequence())
        .collect();
    assert_eq!(sequences, [8, 7]);
    assert_eq!(files(&world.root.join("aside")).len(), 0);
}

#[test]
fn a_flipped_bit_is_named_and_never_served() {
    let mut world = World::new();
    let (home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    world.publish(&views, &own, 0..50);
    world.publish(&views, &own, 0..51);
    let newest = own.publications()[0].clone();
    let file = bytes(&own.file(&newest).unwrap());
    let write = &mut |sink: &mut dyn Write| sink.write_all(&file);
    let rng = &mut world.rng;
    let peer = views.accept(&newest.manifest, b"", write, rng).unwrap();
    let mut cache = peer.cache(rng).unwrap();
    for item in 0..50 {
        cache.push(&key(item), &output(&own, item)).unwrap();
    }
    peer.keep(cache, rng).unwrap();
    drop((own, peer, views, home));
    let files = files(&world.root.join("views"));
    assert_eq!(files.len(), 9);
    for flip in 0..120 {
        let path = &files[flip % files.len()];
        let whole = fs::read(path).unwrap();
        let mut flipped = whole.clone();
        let at = world.rng.random_range(0..whole.len());
        flipped[at] ^= 1 << (flip % 8);
        fs::write(path, &flipped).unwrap();
        let (home, views, damaged) = world.try_open();
        let own = views.own().into_iter().filter_map(|own| own.verify().err());
        let peers = views.peers();
        let peers = peers.iter().filter_map(|peer| peer.verify().err());
        let errors: Vec<_> = damaged.into_iter().chain(own).chain(peers).collect();
        let [error] = errors.as_slice() else {
            panic!("byte {at} of {}: {errors:?}", path.display());
        };
        let name = path.to_str().unwrap();
        assert!(error.to_string().starts_with(name), "{at}: {error}");
        drop(views);
        let examined = Views::examine(&home).unwrap();
        let [(_, examined)] = examined.as_slice() else {
            panic!("byte {at} of {}: {examined:?}", path.display());
        };
        assert_eq!(examined.to_string(), error.to_string());
        assert_eq!(fs::read(path).unwrap(), flipped);
        fs::write(path, whole).unwrap();
    }
    let (home, views) = world.open();
    views.own()[0].verify().unwrap();
    views.peers()[0].verify().unwrap();
    assert!(Views::examine(&home).unwrap().is_empty());

    // What is damaged is destroyed on the operator's word, and what is whole stays.
    let id = views.peers()[0].id();
    let own = views.own()[0].id();
    drop(views);
    let cached = files.iter().find(|path| {
        let state = path.ends_with("state");
        !state && path.to_str().unwrap().contains(&id.to_string())
    });
    let mut flipped = fs::read(cached.unwrap()).unwrap();
    flipped[70] ^= 1;
    fs::write(cached.unwrap(), flipped).unwrap();
    let discarded = Views::discard_damaged(&home).unwrap();
    assert!(matches!(discarded.as_slice(), [(found, _)] if *found == id));
    assert_eq!(Views::key_ids(&home).unwrap(), [own]);
    assert_eq!(home.file_keys().list().unwrap(), [own]);
    drop(home);
    let (_home, views) = world.open();
    assert_eq!((views.own().len(), views.peers().len()), (1, 0));
}

#[test]
fn nothing_of_a_view_is_readable_at_rest() {
    let mut world = World::new();
    let (_home, views) = world.open();
    let own = views.begin(domain(1), 1 << 20, 1, &mut world.rng).unwrap();
    world.publish(&views, &own, 0..5);
    let newest = own.publications()[0].clone();
    let file = bytes(&own.file(&newest).unwrap());
    let write = &mut |sink: &mut dyn Write| sink.write_all(&file);
    let rng = &mut world.rng;
    let peer = views.accept(&newest.manifest, b"", write, rng).unwrap();
    let mut cache = peer.cache(rng).unwrap();
    let mut wanted = vec![own.secret().to_bytes().to_vec(), b"abuse/email".to_vec()];
    for item in 0..5 {
        cache.push(&key(item), &output(&own, item)).unwrap();
        let value = key(item)[2..].to_vec();
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal: Vec<_> = value.iter().map(u8::to_string).collect();
        wanted.push(hex.to_uppercase().into_bytes());
        wanted.extend([hex.into_bytes(), decimal.join(", ").into_bytes(), value]);
        let output = output(&own, item);
        // The tag, and what its file would show in any order of bytes.
        wanted.extend([output[..8].to_vec(), output[8..24].to_vec()]);
    }
    peer.keep(cache, rng).unwrap();
    for path in files(&world.root.join("views")) {
        let bytes = fs::read(&path).unwrap();
        for form in &wanted {
            let found = bytes.windows(form.len()).any(|part| part == form);
            assert!(!found, "{}", path.display());
        }
    }
}
