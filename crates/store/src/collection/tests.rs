#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU16;
use std::slice;

use blindmatch_indicator::{Day, IndicatorType, LabelFields, Severity};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::disk::{Operation, Verdict};
use crate::keys::StorageKey;

const NOW: u64 = 1_763_798_400;
const A_DAY: u64 = 86_400;

/// A home, and the collections in it.
struct World {
    place: TempDir,
    home: Home,
    collections: Collections,
    rng: StdRng,
}

/// What a row says, as tests compare it.
type Seen = BTreeMap<Vec<u8>, (Origin, Option<[u8; 16]>, u32, Vec<String>)>;

use crate::row::Origin;

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::new(&place.path().join("home"));
        let home = Home::create(disk, &StorageKey::new(&[1; 32]), NOW).unwrap();
        Self {
            collections: Collections::open(&home).unwrap(),
            place,
            home,
            rng: StdRng::seed_from_u64(7),
        }
    }

    fn import(
        &mut self,
        plan: &ImportPlan,
        values: &[(Vec<u8>, Option<&str>)],
    ) -> Result<Imported, CollectionError> {
        let mut import = self.collections.import(plan.clone(), &mut self.rng)?;
        for (key, reference) in values {
            let mention = Mention {
                key,
                fields: LabelFields::default(),
                reference: *reference,
            };
            import.push(&mention)?;
            if plan.mode != Mode::Remove {
                for derived in derive(key) {
                    let mention = Mention {
                        key: &derived,
                        ..mention
                    };
                    import.push_derived(&mention, IndicatorType::Email)?;
                }
            }
        }
        import.finish(&derive, &mut self.rng)
    }

    fn rows(&self, today: u64) -> Seen {
        let contents = self.collections.contents(&name()).unwrap();
        let day = Day::from_unix_seconds(today.try_into().unwrap()).unwrap();
        let mut rows = self.collections.rows(&contents, day).unwrap();
        let mut seen = Seen::new();
        while rows.advance().unwrap() {
            let row = rows.row().unwrap();
            let references = row.references.iter().map(str::to_owned).collect();
            let says = (row.origin, row.handle, row.since, references);
            assert!(seen.insert(row.key.to_vec(), says).is_none());
        }
        seen
    }

    /// The files of the collection and the number of keys.
    fn files(&self) -> (Vec<String>, usize) {
        let files = self.home.disk().list("collections/abusers").unwrap();
        (files, self.home.file_keys().list().unwrap().len())
    }
}

fn name() -> CollectionName {
    "abusers".parse().unwrap()
}

fn plan(source: &str, mode: Mode) -> ImportPlan {
    ImportPlan {
        collection: name(),
        kind: Some(CollectionKind::Abuse),
        source: source.parse().unwrap(),
        mode,
        now: NOW,
        ttl: Ttl::default(),
        allow_shrink: false,
        discard_damaged: false,
        payment_key: None,
    }
}

/// A key of type `ip`.
fn ip(number: u32) -> Vec<u8> {
    [&[1, 1][..], &number.to_be_bytes()].concat()
}

fn email(name: &str) -> Vec<u8> {
    [&[3, 1][..], name.as_bytes()].concat()
}

fn folded(name: &str) -> Vec<u8> {
    [&[4, 1][..], name.as_bytes()].concat()
}

/// As addresses are folded: what stands behind a plus is cut off.
fn derive(key: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    match key {
        [3, 1, address @ ..] => {
            let name = address.split(|b| *b == b'+').next().unwrap();
            vec![Zeroizing::new([&[4, 1][..], name].concat())]
        }
        _ => Vec::new(),
    }
}

fn ips(range: std::ops::Range<u32>) -> Vec<(Vec<u8>, Option<&'static str>)> {
    range.map(|number| (ip(number), None)).collect()
}

#[test]
fn an_import_replaces_its_source_and_keeps_handles() {
    let mut world = World::new();
    let imported = world
        .import(&plan("a", Mode::Replace), &ips(0..100))
        .unwrap();
    assert_eq!(
        imported.counts.given,
        BTreeMap::from([(IndicatorType::Ip, 100)])
    );
    assert_eq!((imported.added, imported.removed), (100, 0));
    let before = world.rows(NOW);
    let imported = world
        .import(&plan("a", Mode::Replace), &ips(20..110))
        .unwrap();
    assert_eq!((imported.added, imported.removed), (10, 20));
    let after = world.rows(NOW);
    assert_eq!(after.len(), 90);
    for (key, (_, handle, since, _)) in &after {
        match before.get(key) {
            Some((_, old, ..)) => assert_eq!((handle, *since), (old, 1)),
            None => assert_eq!(*since, 2),
        }
    }
    let handles: BTreeSet<_> = after.values().map(|row| row.1.unwrap()).collect();
    assert_eq!(handles.len(), 90);
    // One file and `current`, one key.
    assert_eq!((world.files().0.len(), world.files().1), (2, 1));
}

#[test]
fn sources_are_united_and_one_indicator_has_one_handle() {
    let mut world = World::new();
    let with = |range: std::ops::Range<u32>, reference| {
        range.map(|n| (ip(n), Some(reference))).collect::<Vec<_>>()
    };
    world
        .import(&plan("a", Mode::Replace), &with(0..100, "case 1"))
        .unwrap();
    let alone = world.rows(NOW);
    world
        .import(&plan("b", Mode::Replace), &with(50..150, "case 2"))
        .unwrap();
    let both = world.rows(NOW);
    assert_eq!(both.len(), 150);
    assert_eq!(both[&ip(0)].3, ["case 1"]);
    assert_eq!(both[&ip(70)].3, ["case 1", "case 2"]);
    assert_eq!(both[&ip(70)].1, alone[&ip(70)].1);
    assert_eq!(both[&ip(70)].2, 1);
    assert_eq!(world.files().1, 2);
    // The other source still knows the handle when the first forgets the indicator.
    let mut shrunk = plan("a", Mode::Replace);
    shrunk.allow_shrink = true;
    world.import(&shrunk, &with(0..10, "case 1")).unwrap();
    assert_eq!(world.rows(NOW)[&ip(70)].1, alone[&ip(70)].1);
}

#[test]
fn a_collection_whose_list_is_gone_loses_nothing_more() {
    let mut world = World::new();
    world
        .import(&plan("feed", Mode::Replace), &ips(0..3))
        .unwrap();
    let list = world
        .place
        .path()
        .join("home/collections")
        .join(name().as_str())
        .join(CURRENT);
    let aside = world.place.path().join("list");
    fs::rename(&list, &aside).unwrap();

    let opened = Collections::open(&world.home).unwrap();
    assert_eq!(opened.names().unwrap(), [name()]);
    let lost = opened.contents(&name()).unwrap_err();
    assert!(matches!(lost, CollectionError::ListLost { .. }), "{lost}");
    let refused = world.import(&plan("other", Mode::Replace), &ips(0..3));
    assert!(matches!(refused, Err(CollectionError::ListLost { .. })));

    fs::rename(&aside, &list).unwrap();
    assert_eq!(opened.contents(&name()).unwrap().sources.len(), 1);
    world
        .import(&plan("feed", Mode::Append), &ips(0..4))
        .unwrap();
}

#[test]
fn what_shrinks_by_more_than_thirty_percent_needs_a_word() {
    for (before, after, expected) in [
        (0, 0, false),
        (10, 7, false),
        (10, 6, true),
        (1_000_000, 700_000, false),
        (1_000_000, 699_999, true),
        (u64::MAX, u64::MAX, false),
    ] {
        assert_eq!(shrinks(before, after), expected, "{before} {after}");
    }
    let mut world = World::new();
    world
        .import(&plan("a", Mode::Replace), &ips(0..10))
        .unwrap();
    let files = world.files();
    let error = world
        .import(&plan("a", Mode::Replace), &ips(0..6))
        .unwrap_err();
    assert!(matches!(
        error,
        CollectionError::Shrinks {
            before: 10,
            after: 6
        }
    ));
    assert_eq!(world.rows(NOW).len(), 10);
    assert_eq!(world.files(), files);
    let mut allowed = plan("a", Mode::Replace);
    allowed.allow_shrink = true;
    world.import(&allowed, &ips(0..6)).unwrap();
    assert_eq!(world.rows(NOW).len(), 6);
}

#[test]
fn what_is_appended_twice_is_there_once() {
    let mut world = World::new();
    let a = [(ip(1), Some("x")), (ip(2), None)];
    let b = [(ip(2), Some("y")), (ip(3), None)];
    world.import(&plan("a", Mode::Append), &a).unwrap();
    let imported = world.import(&plan("a", Mode::Append), &b).unwrap();
    assert_eq!(imported.counts.given_total(), 2);
    assert_eq!((imported.added, imported.removed), (1, 0));
    let once = world.rows(NOW);
    assert_eq!(once.len(), 3);
    assert_eq!(once[&ip(1)].3, ["x"]);
    assert_eq!(once[&ip(2)].3, ["y"]);
    let imported = world.import(&plan("a", Mode::Append), &b).unwrap();
    assert_eq!(imported.added, 0);
    assert_eq!(world.rows(NOW), once);
}

#[test]
fn what_is_removed_takes_along_what_followed_from_it_alone() {
    let mut world = World::new();
    let values = [
        (email("ann+1"), Some("1")),
        (email("ann+2"), Some("2")),
        (email("bob+1"), Some("3")),
    ];
    let imported = world.import(&plan("a", Mode::Replace), &values).unwrap();
    assert_eq!(imported.counts.given_total(), 3);
    assert_eq!(
        imported.counts.derived,
        BTreeMap::from([(IndicatorType::EmailFolded, 2)])
    );
    let before = world.rows(NOW);
    assert_eq!(before[&folded("ann")].3, ["1", "2"]);
    let gone = [
        (email("ann+1"), None),
        (email("bob+1"), None),
        (ip(1), None),
    ];
    let imported = world.import(&plan("a", Mode::Remove), &gone).unwrap();
    assert_eq!(imported.counts.given_total(), 3);
    assert_eq!((imported.added, imported.removed), (0, 2));
    let after = world.rows(NOW);
    let keys: Vec<_> = after.keys().cloned().collect();
    assert_eq!(keys, [email("ann+2"), folded("ann")]);
    assert_eq!(after[&folded("ann")].3, ["2"]);
    assert_eq!(after[&folded("ann")].1, before[&folded("ann")].1);
    let error = world.import(&plan("b", Mode::Remove), &gone).unwrap_err();
    assert!(matches!(error, CollectionError::NoSource));
}

#[test]
fn customers_have_no_handles_and_kinds_do_not_change() {
    let mut world = World::new();
    let mut customers = plan("a", Mode::Replace);
    customers.kind = None;
    world.import(&customers, &ips(0..3)).unwrap();
    let contents = world.collections.contents(&name()).unwrap();
    assert_eq!(contents.kind, CollectionKind::Customers);
    assert!(world.rows(NOW).values().all(|row| row.1.is_none()));
    let error = world
        .import(&plan("b", Mode::Replace), &ips(0..3))
        .unwrap_err();
    assert!(matches!(
        error,
        CollectionError::Kind(CollectionKind::Customers)
    ));
}

#[test]
fn one_import_at_a_time() {
    let mut world = World::new();
    let collections = world.collections.clone();
    let first = collections
        .import(plan("a", Mode::Replace), &mut world.rng)
        .unwrap();
    let second = world.import(&plan("b", Mode::Replace), &[]);
    assert!(matches!(second, Err(CollectionError::Busy)));
    drop(first);
    world.import(&plan("b", Mode::Replace), &ips(0..1)).unwrap();
}

#[test]
fn what_has_expired_is_not_shown_and_then_destroyed() {
    let mut world = World::new();
    let mut with_ttl = plan("a", Mode::Replace);
    with_ttl.ttl = Ttl(BTreeMap::from([(
        IndicatorType::Email,
        NonZeroU16::new(30).unwrap(),
    )]));
    let mut values = ips(0..5);
    values.push((email("ann+1"), Some("1")));
    world.import(&with_ttl, &values).unwrap();
    // Ten days later one more, which follows from the same.
    with_ttl.now = NOW + 10 * A_DAY;
    with_ttl.mode = Mode::Append;
    world
        .import(&with_ttl, &[(email("ann+2"), Some("2"))])
        .unwrap();

    assert_eq!(world.rows(NOW + 29 * A_DAY).len(), 8);
    let shown = world.rows(NOW + 30 * A_DAY);
    assert!(!shown.contains_key(&email("ann+1")));
    assert!(shown.contains_key(&folded("ann")));
    let rng = &mut StdRng::seed_from_u64(1);
    let expire = |days, rng: &mut StdRng| {
        let now = NOW + days * A_DAY;
        world
            .collections
            .expire(&name(), now, &derive, rng)
            .unwrap()
    };
    assert_eq!(expire(29, rng), 0);
    let old = world.collections.contents(&name()).unwrap();
    assert_eq!(expire(30, rng), 1);
    let after = world.rows(NOW);
    assert_eq!(after.len(), 7);
    assert_eq!(after[&folded("ann")].3, ["2"]);
    // The old key is gone, and with it every copy of the old file.
    let old_id = old.sources.values().next().unwrap().id;
    assert!(matches!(
        world.home.file_keys().load(old_id),
        Err(KeyError::Missing)
    ));
    assert_eq!(expire(30, rng), 0);
    assert_eq!(expire(40, rng), 1);
    assert_eq!(world.rows(NOW).len(), 5);
}

#[test]
fn time_does_not_run_backwards() {
    let mut world = World::new();
    world.import(&plan("a", Mode::Replace), &ips(0..3)).unwrap();
    let before = world.collections.contents(&name()).unwrap();
    assert_eq!(before.newest(), Some(NOW));
    let is_refused = |error: &CollectionError, now| matches!(error, CollectionError::Time { newest: NOW, now: shown } if *shown == now);
    // Neither this source nor another.
    for (source, mode) in [
        ("a", Mode::Replace),
        ("a", Mode::Remove),
        ("b", Mode::Append),
    ] {
        for now in [NOW - 1, NOW - 3_600, 0] {
            let late = ImportPlan {
                now,
                ..plan(source, mode)
            };
            let error = world.import(&late, &ips(0..4)).unwrap_err();
            assert!(is_refused(&error, now), "{error}");
        }
    }
    let rng = &mut StdRng::seed_from_u64(1);
    let expired = world.collections.expire(&name(), NOW - 1, &derive, rng);
    let error = expired.unwrap_err();
    assert!(is_refused(&error, NOW - 1));
    assert_eq!(
        error.to_string(),
        "the clock shows 2025-11-22T07:59:59Z, and the newest import was at 2025-11-22T08:00:00Z: \
         time does not run backwards"
    );
    assert_eq!(world.collections.contents(&name()).unwrap(), before);
    world.import(&plan("a", Mode::Replace), &ips(0..4)).unwrap();
}

#[test]
fn card_numbers_of_two_payment_keys_do_not_mix() {
    let card = |number: u8| (vec![11, 1, number], None);
    let under = |key: u8, mode| ImportPlan {
        payment_key: Some([key; 16]),
        ..plan("cards", mode)
    };
    let mut world = World::new();
    let key = |world: &World| {
        let contents = world.collections.contents(&name()).unwrap();
        contents.sources.values().next().unwrap().payment_key
    };
    world.import(&under(1, Mode::Replace), &ips(0..3)).unwrap();
    assert_eq!(key(&world), None);
    let (two, four) = ([card(1), card(2)], [card(1), card(2), card(3), card(4)]);
    world.import(&under(1, Mode::Append), &two).unwrap();
    world.import(&under(1, Mode::Append), &four).unwrap();
    assert_eq!(key(&world), Some([1; 16]));
    let before = world.rows(NOW);
    for mode in [Mode::Append, Mode::Remove] {
        for other in [under(2, mode), plan("cards", mode)] {
            let error = world.import(&other, &two).unwrap_err();
            assert!(matches!(error, CollectionError::PaymentKey), "{error}");
        }
        // Other types have nothing to do with it.
        world.import(&under(2, mode), &ips(7..9)).unwrap();
        assert_eq!(key(&world), Some([1; 16]));
    }
    assert_eq!(world.rows(NOW), before);
    world.import(&under(2, Mode::Replace), &four).unwrap_err();
    let all: Vec<_> = ips(0..3).into_iter().chain(four).collect();
    world.import(&under(2, Mode::Replace), &all).unwrap();
    assert_eq!(key(&world), Some([2; 16]));
    // Without cards there is no key.
    world.import(&under(2, Mode::Remove), &all[3..]).unwrap();
    assert_eq!(key(&world), None);
}

#[test]
fn a_damaged_source_is_replaced_without_what_it_said() {
    let mut world = World::new();
    world
        .import(&plan("a", Mode::Replace), &ips(0..10))
        .unwrap();
    world
        .import(&plan("b", Mode::Replace), &ips(5..15))
        .unwrap();
    let before = world.rows(NOW);
    let path = |world: &World, source: &str| {
        let contents = world.collections.contents(&name()).unwrap();
        let source = &contents.sources[&source.parse().unwrap()];
        world.home.disk().root().join(source_path(&name(), source))
    };
    let damage = |world: &World, source: &str| {
        let path = path(world, source);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let discarding = |source: &str, mode| ImportPlan {
        discard_damaged: true,
        ..plan(source, mode)
    };
    damage(&world, "a");
    let (list, old) = (
        world.collections.contents(&name()).unwrap(),
        path(&world, "a"),
    );
    for refused in [
        plan("a", Mode::Replace),
        discarding("a", Mode::Append),
        discarding("a", Mode::Remove),
    ] {
        let error = world.import(&refused, &ips(0..10)).unwrap_err();
        assert!(error.is_damage() && !error.is_of_list(), "{error}");
    }
    assert_eq!(world.collections.contents(&name()).unwrap(), list);
    // A feed that lost most of its values is refused all the same.
    let error = world
        .import(&discarding("a", Mode::Replace), &ips(0..3))
        .unwrap_err();
    assert!(matches!(
        error,
        CollectionError::Shrinks {
            before: 10,
            after: 3
        }
    ));
    let imported = world
        .import(&discarding("a", Mode::Replace), &ips(0..10))
        .unwrap();
    assert!(matches!(&imported.discarded[..], [(source, _)] if source.as_str() == "a"));
    assert_eq!((imported.added, imported.removed), (10, 10));
    assert!(imported.left_behind.is_none() && !old.exists());
    assert_eq!(world.files().1, 2);
    let handle = |rows: &Seen, number| rows[&ip(number)].1.unwrap();
    let after = world.rows(NOW);
    assert_eq!(after.len(), before.len());
    for number in 0..15 {
        let same = handle(&before, number) == handle(&after, number);
        assert_eq!(same, number >= 5, "{number}");
    }

    // Both, and of one the key.
    damage(&world, "a");
    let contents = world.collections.contents(&name()).unwrap();
    let key = contents.sources[&"b".parse().unwrap()].id;
    world.home.file_keys().destroy(key).unwrap();
    let imported = world
        .import(&discarding("a", Mode::Replace), &ips(0..10))
        .unwrap();
    assert_eq!(imported.discarded.len(), 2);
    world
        .import(&plan("b", Mode::Replace), &ips(5..15))
        .unwrap_err();
    let imported = world
        .import(&discarding("b", Mode::Replace), &ips(5..15))
        .unwrap();
    assert_eq!(imported.discarded.len(), 1);
    assert!(imported.left_behind.is_none());
    let contents = world.collections.contents(&name()).unwrap();
    world.collections.verify(&contents).unwrap();
    assert_eq!(world.rows(NOW).len(), 15);
}

#[test]
fn two_states_differ_by_what_changed() {
    let mut world = World::new();
    world
        .import(&plan("a", Mode::Replace), &ips(0..100))
        .unwrap();
    let day = Day::from_unix_seconds(NOW.try_into().unwrap()).unwrap();
    let open = |world: &World| {
        let contents = world.collections.contents(&name()).unwrap();
        (
            contents.digest(),
            world.collections.rows(&contents, day).unwrap(),
        )
    };
    let (old_digest, mut old) = open(&world);
    let mut import = world
        .collections
        .import(plan("a", Mode::Replace), &mut world.rng)
        .unwrap();
    for (key, _) in ips(10..110) {
        let severity = Severity::new(if key == ip(50) { 9 } else { 0 }).unwrap();
        let fields = LabelFields {
            severity,
            ..LabelFields::default()
        };
        let mention = Mention {
            key: &key,
            fields,
            reference: None,
        };
        import.push(&mention).unwrap();
    }
    import.finish(&derive, &mut world.rng).unwrap();
    let (new_digest, mut new) = open(&world);
    assert_ne!(old_digest, new_digest);
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    difference(&mut old, &mut new, &mut |change| match change {
        Change::Added(row) => added.push(row.key.to_vec()),
        Change::Removed(row) => removed.push(row.key.to_vec()),
        Change::Changed { new, .. } => changed.push(new.key.to_vec()),
    })
    .unwrap();
    assert_eq!(added, (100..110).map(ip).collect::<Vec<_>>());
    assert_eq!(removed, (0..10).map(ip).collect::<Vec<_>>());
    assert_eq!(changed, [ip(50)]);
}

#[test]
fn rows_of_an_older_version_are_brought_to_the_one_in_force() {
    let mut world = World::new();
    let old = |name: &str| [&[3, 0][..], name.as_bytes()].concat();
    let values = [
        (old("Ann+1"), Some("1")),
        (old("?"), Some("2")),
        (email("bob"), Some("3")),
        (ip(7), None),
    ];
    world.import(&plan("a", Mode::Replace), &values).unwrap();
    let before = world.rows(NOW);
    let recode = |key: &[u8]| match key {
        [3, 0, b'?'] => Recoded::Lost,
        [3, 0, name @ ..] => {
            let lower = String::from_utf8(name.to_ascii_lowercase()).unwrap();
            Recoded::Now(Zeroizing::new(email(&lower)))
        }
        _ => Recoded::Current,
    };
    let rng = &mut StdRng::seed_from_u64(1);
    let lost = world
        .collections
        .recode(&name(), NOW, &recode, &derive, rng)
        .unwrap();
    assert_eq!(lost, BTreeMap::from([(IndicatorType::Email, 1)]));
    let after = world.rows(NOW);
    let keys: Vec<_> = after.keys().cloned().collect();
    let expected = [
        ip(7),
        old("?"),
        email("ann+1"),
        email("bob"),
        folded("ann"),
        folded("bob"),
    ];
    assert_eq!(keys, expected);
    // What it is called, since when and by which reference is as it was.
    assert_eq!(after[&email("ann+1")].1, before[&old("Ann+1")].1);
    assert_eq!(after[&email("ann+1")].2, 1);
    assert_eq!(after[&folded("ann")].3, ["1"]);
    assert_eq!(after[&ip(7)], before[&ip(7)]);
    let files = world.files();
    world
        .collections
        .recode(&name(), NOW, &recode, &derive, rng)
        .unwrap();
    assert_eq!(world.files(), files);
}

#[test]
fn keys_that_are_missing_or_foreign_are_named() {
    let mut world = World::new();
    world
        .import(&plan("a", Mode::Replace), &ips(0..10))
        .unwrap();
    let contents = world.collections.contents(&name()).unwrap();
    let source = contents.sources.values().next().unwrap();
    let day = Day::from_unix_seconds(NOW.try_into().unwrap()).unwrap();
    let key = world
        .place
        .path()
        .join(format!("home/keys/files/{}", source.id));
    let bytes = fs::read(&key).unwrap();
    let says = |world: &World| {
        let error = world.collections.rows(&contents, day).err().unwrap();
        assert!(matches!(error, CollectionError::Key { .. }));
        error.to_string()
    };
    fs::write(&key, [7; 72]).unwrap();
    assert!(says(&world).contains(&source.file_name()));
    fs::remove_file(&key).unwrap();
    assert!(says(&world).contains("the key is not there"));
    fs::write(&key, bytes).unwrap();
    world.collections.rows(&contents, day).unwrap();
    // The list of another home.
    let mut other = World::new();
    other.collections = {
        let storage = StorageKey::new(&[2; 32]);
        let disk = Disk::new(&other.place.path().join("other"));
        let home = Home::create(disk, &storage, NOW).unwrap();
        Collections::open(&home).unwrap()
    };
    other
        .import(&plan("a", Mode::Replace), &ips(0..10))
        .unwrap();
    let list = "collections/abusers/current";
    let foreign = other.place.path().join("other").join(list);
    fs::copy(foreign, world.place.path().join("home").join(list)).unwrap();
    let error = world.collections.contents(&name()).unwrap_err();
    assert!(matches!(error, CollectionError::File(_)));
    assert!(error.to_string().contains("abusers/current"), "{error}");
}

#[test]
fn a_source_is_verified_from_its_first_byte_to_its_last() {
    let mut world = World::new();
    world
        .import(&plan("a", Mode::Replace), &ips(0..20_000))
        .unwrap();
    let contents = world.collections.contents(&name()).unwrap();
    world.collections.verify(&contents).unwrap();
    let source = contents.sources.values().next().unwrap();
    let file = world.place.path().join("home/collections/abusers");
    let file = file.join(source.file_name());
    let whole = fs::read(&file).unwrap();
    assert!(whole.len() > 3 << 16);
    for at in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&file, flipped).unwrap();
        let error = world.collections.verify(&contents).unwrap_err();
        assert!(matches!(error, CollectionError::File(_)), "byte {at}");
        assert!(error.to_string().contains(&source.file_name()));
    }
}

/// Fails one operation, counted from when it is armed; syncs would end the process.
#[derive(Default)]
struct FailAt {
    left: std::sync::Mutex<Option<usize>>,
}

impl crate::disk::Faults for FailAt {
    fn before(&self, operation: Operation, _: &std::path::Path) -> Verdict {
        let mut left = self.left.lock().unwrap();
        let is_sync = matches!(operation, Operation::Sync | Operation::SyncDirectory);
        let fails = !is_sync && *left == Some(0);
        if !is_sync {
            *left = left.and_then(|left| left.checked_sub(1));
        }
        if fails {
            Verdict::Fail(io::ErrorKind::StorageFull.into())
        } else {
            Verdict::Proceed
        }
    }
}

#[test]
fn a_removal_that_fails_anywhere_leaves_all_or_nothing() {
    let other: CollectionName = "others".parse().unwrap();
    let (mut kept, mut gone) = (0, 0);
    for at in 0.. {
        let mut world = World::new();
        for (source, value) in [("a", 1), ("b", 2)] {
            let key = vec![IndicatorType::Ip.code(), 1, 8, 8, 8, value];
            world
                .import(&plan(source, Mode::Replace), &[(key, None)])
                .unwrap();
        }
        let mut of_other = plan("a", Mode::Replace);
        of_other.collection = other.clone();
        world.import(&of_other, &[]).unwrap();
        let root = world.place.path().join("home");
        let World {
            place: _place,
            home,
            collections,
            ..
        } = world;
        drop((collections, home));

        let faults = Arc::new(FailAt::default());
        let home = Home::open(Disk::with_faults(&root, faults.clone()), NOW).unwrap();
        let collections = Collections::open(&home).unwrap();
        *faults.left.lock().unwrap() = Some(at);
        let removed = collections.remove(&name());
        let armed = faults.left.lock().unwrap().take().is_some();
        drop((collections, home));

        let home = Home::open(Disk::new(&root), NOW).unwrap();
        let collections = Collections::open(&home).unwrap();
        collections
            .verify(&collections.contents(&other).unwrap())
            .unwrap();
        let keys = home.file_keys().list().unwrap().len();
        match collections.contents(&name()) {
            Ok(contents) => {
                collections.verify(&contents).unwrap();
                assert!(removed.is_err());
                assert_eq!((contents.sources.len(), keys), (2, 3));
                kept += 1;
            }
            Err(error) => {
                assert!(matches!(error, CollectionError::Missing), "{error}");
                assert_eq!(collections.names().unwrap(), slice::from_ref(&other));
                assert_eq!(keys, 1, "operation {at}");
                gone += 1;
            }
        }
        if armed {
            removed.unwrap();
            break;
        }
    }
    assert!(kept > 3 && gone > 8, "{kept} {gone}");
}
