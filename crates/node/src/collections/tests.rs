#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use blindmatch_audit::record::Event;
use blindmatch_indicator::{LabelFields, PublicSuffixes};
use blindmatch_membership::Address;
use blindmatch_store::collection::Mention;
use blindmatch_store::ledger::LedgerError;
use tempfile::TempDir;

use super::*;
use crate::{clock, config, init};

const DAY: u64 = 86_400;

struct World {
    _place: TempDir,
    node: Node,
    collections: Arc<Collections>,
    canonicaliser: Canonicaliser,
    /// When the first import was.
    began: u64,
}

impl World {
    /// A node with an address, kept for 90 days, in each of the collections `one` and `two`.
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let who = config::Node {
            member: "acme".parse().unwrap(),
            role: Role::Provider,
            consortium: "cloudshield".parse().unwrap(),
            address: "acme.example:7443".parse::<Address>().unwrap(),
        };
        let node = init::init(&place.path().join("home"), &who).unwrap();
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        let world = Self {
            _place: place,
            collections: node.collections().unwrap(),
            canonicaliser: Canonicaliser::new(PublicSuffixes::parse(list).unwrap()),
            began: clock::now(),
            node,
        };
        world.import("one", world.began);
        world.import("two", world.began);
        world
    }

    fn plan(&self, collection: &str, now: u64) -> ImportPlan {
        let wanted = Wanted {
            collection: collection.parse().unwrap(),
            kind: None,
            source: "feed".parse().unwrap(),
            mode: Mode::Replace,
            allow_shrink: false,
            discard_damaged: false,
        };
        ImportPlan {
            now,
            ..self.node.import_plan(wanted).unwrap()
        }
    }

    fn import(&self, collection: &str, now: u64) {
        let plan = self.plan(collection, now);
        let rng = &mut rand::rng();
        let mut import = self.collections.import(plan, rng).unwrap();
        let mention = Mention {
            key: &[1, 1, 8, 8, 8, 8],
            fields: LabelFields::default(),
            reference: None,
        };
        import.push(&mention).unwrap();
        import.finish(&|_| Vec::new(), rng).unwrap();
    }

    /// Has the node record something by a clock that shows this.
    fn record(&self, now: u64) {
        let node = self.node.clone().with_clock(Arc::new(move || now));
        let (ledger, _) = node.ledger().unwrap();
        ledger.append(vec![Event::Filler]).unwrap();
    }

    fn expire(&self, now: u64, after_pause: bool) -> Result<u64, Error> {
        let (collections, canonicaliser) = (&self.collections, &self.canonicaliser);
        let expired = self.node.expire(
            collections,
            canonicaliser,
            &Exclusions::default(),
            now,
            after_pause,
        )?;
        assert!(expired.left.is_empty());
        Ok(expired.values)
    }
}

#[test]
fn a_clock_that_is_ahead_destroys_nothing_unasked() {
    let world = World::new();
    let before = world.node.contents().unwrap();
    let ahead = world.began + 40_000_000;
    // However often.
    for _ in 0..2 {
        let error = world.expire(ahead, false).unwrap_err();
        let Error::Pause { newest, now } = error else {
            panic!("{error}");
        };
        assert!((world.began..world.began + DAY).contains(&newest));
        assert_eq!(now, ahead);
    }
    assert_eq!(world.node.contents().unwrap(), before);
    assert_eq!(world.expire(ahead, true).unwrap(), 2);
    // What is gone is not asked about again.
    assert_eq!(world.expire(ahead, false).unwrap(), 0);
}

#[test]
fn what_expires_while_the_node_is_in_use_needs_no_word() {
    let world = World::new();
    assert_eq!(world.expire(world.began + 89 * DAY, false).unwrap(), 0);
    world.import("two", world.began + 80 * DAY);
    assert_eq!(world.expire(world.began + 90 * DAY, false).unwrap(), 1);
}

#[test]
fn a_first_import_is_held_against_what_the_node_did() {
    let world = World::new();
    let hold = |collection: &str, now, after_pause| {
        let plan = world.plan(collection, now);
        let (collections, canonicaliser) = (&world.collections, &world.canonicaliser);
        let node = &world.node;
        node.before_import(
            collections,
            canonicaliser,
            &Exclusions::default(),
            &plan,
            after_pause,
        )
    };
    // Behind the newest record: `init` made one just before.
    for after_pause in [false, true] {
        let error = hold("three", world.began - 100, after_pause).unwrap_err();
        assert!(
            matches!(error, Error::Ledger(LedgerError::Time { .. })),
            "{error}"
        );
    }
    let ahead = world.began + PAUSE + 100;
    let error = hold("three", ahead, false).unwrap_err();
    assert!(
        matches!(error, Error::Pause { now, .. } if now == ahead),
        "{error}"
    );
    hold("three", ahead, true).unwrap();
    hold("three", world.began + PAUSE, false).unwrap();
    // A later import is the store's to judge.
    hold("two", ahead, false).unwrap();
    // But its advice is a new collection, and that would be refused.
    let error = hold("two", world.began - 100, false).unwrap_err();
    assert!(matches!(error, Error::Ledger(LedgerError::Time { .. })));
    world.import("four", world.began + 300);
    hold("four", world.began + 200, false).unwrap();
    // An import in between vouches for the clock.
    world.import("two", world.began + 10 * DAY);
    hold("three", ahead, false).unwrap();
}

#[test]
fn a_clock_that_is_ahead_is_not_borne_out_by_what_it_recorded() {
    let world = World::new();
    let (ahead, day) = (100, |day: u64| world.began + day * DAY);
    for recorded in [ahead, ahead + 1, ahead + 29] {
        world.record(day(recorded));
        let error = world.expire(day(recorded), false).unwrap_err();
        let Error::Pause { newest, .. } = error else {
            panic!("{error}");
        };
        assert!(newest <= day(1), "before the jump");
        let (collections, canonicaliser) = (&world.collections, &world.canonicaliser);
        let lists = Exclusions::default();
        let plan = world.plan("three", day(recorded));
        let node = &world.node;
        let held = node.before_import(collections, canonicaliser, &lists, &plan, false);
        assert!(matches!(held, Err(Error::Pause { .. })));
    }
    // It has gone on for as long without another jump.
    world.record(day(ahead + 31));
    assert_eq!(world.expire(day(ahead + 32), false).unwrap(), 2);
}

#[test]
fn what_is_damaged_keeps_nothing_else_from_expiring() {
    let world = World::new();
    let source = |collection: &str| {
        let contents = contents(&world.collections, collection.parse().unwrap()).unwrap();
        let source = contents.sources.values().next().unwrap().file_name();
        let root = world.node.disk().root();
        root.join("collections").join(collection).join(source)
    };
    let path = source("one");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let expire = || {
        let now = world.began + 100 * DAY;
        let canonicaliser = &world.canonicaliser;
        let expired = world.node.expire(
            &world.collections,
            canonicaliser,
            &Exclusions::default(),
            now,
            true,
        );
        expired.unwrap()
    };
    let expired = expire();
    assert_eq!((expired.values, expired.left.len()), (1, 1));
    assert!(expired.left[0].to_string().starts_with("collection one: "));
    std::fs::write(&path, whole).unwrap();
    assert_eq!(expire().values, 1);
}
