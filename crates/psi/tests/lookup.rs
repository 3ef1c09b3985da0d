//! Whole lookup runs between honest sides: over good links, over bad ones, and after crashes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use blindmatch_audit::{
    codec::Reader,
    receipt::{ReceiptError, Side, SignedReceipt},
};
use blindmatch_oprf::voprf;
use blindmatch_psi::{
    agreement::{Agreement, Protocol},
    lookup::{Concluded, Item, Querier, Responder, Terms},
    publication::Manifest,
    session::{End, Keys, Record, Session, Step, UnixSeconds},
    stop::{Abort, Blame, Fault, Stop},
};
use blindmatch_testkit::{
    Host, Keyring, Pumped,
    link::{Faithful, Faulty, Interceptor, Link, Rates, Recorder},
    scripted,
    world::{NOW, VIEW_KEY, World, items},
};

const CONCLUDED: Pumped = Pumped {
    querier: Some(End::Concluded),
    responder: Some(End::Concluded),
};

fn numbered(count: usize) -> Vec<Item> {
    items((0..count).map(|i| format!("item {i}")))
}

/// Runs connection `number` of a world; gives how it went and what each side was left with.
fn connect(
    world: &mut World,
    number: u8,
    queries: &[Item],
    link: &mut dyn Link,
) -> (Pumped, Option<Concluded>, Option<SignedReceipt>) {
    let mut querier = world.querier_session(number, queries.to_vec()).unwrap();
    let mut responder = world.responder_session(number).unwrap();
    let pumped = world.pump(&mut querier, &mut responder, link);
    (pumped, querier.concluded(), responder.receipt())
}

/// The outputs that the querier holds after its run, checked against the responder's key.
fn check_outputs(world: &World, concluded: &Concluded, queries: &[Item]) {
    let key = world.responder.keys.evaluation_key(&VIEW_KEY);
    let expected = voprf::evaluate_batch(key.unwrap(), queries).unwrap();
    let mut found = BTreeMap::new();
    for state in World::states(&world.querier.journal) {
        for (place, output) in concluded.outputs(state).unwrap() {
            if let Some(other) = found.insert(place, *output) {
                assert_eq!(other, *output, "a batch that was answered twice");
            }
        }
    }
    assert_eq!(found.len(), queries.len());
    for (found, expected) in found.values().zip(&expected) {
        assert_eq!(found, expected.as_bytes());
    }
}

#[test]
fn a_run_ends_in_the_same_receipt_on_both_sides() {
    for (count, class) in [
        (0, 8),
        (1, 8),
        (8, 8),
        (9, 10),
        (4096, 4096),
        (9000, 10_240),
    ] {
        let mut world = World::new(count as u64, class);
        let queries = numbered(count);
        let (pumped, concluded, receipt) = connect(&mut world, 1, &queries, &mut Faithful);
        assert_eq!(pumped, CONCLUDED);
        let (concluded, receipt) = (concluded.unwrap(), receipt.unwrap());
        assert_eq!(*concluded.receipt(), receipt);
        assert_eq!(
            receipt.verify(&world.querier_key, &world.responder_key),
            Ok(())
        );
        assert_eq!(receipt.receipt.querier_input.class, class);
        assert_eq!(world.responder.charged(), class, "padding is charged too");
        check_outputs(&world, &concluded, &queries);
    }
}

#[test]
fn nothing_on_the_wire_tells_sets_of_one_class_apart() {
    let lengths = |seed, count| {
        let mut world = World::new(seed, 5120);
        let mut link = Recorder::default();
        let (pumped, ..) = connect(&mut world, 1, &numbered(count), &mut link);
        assert_eq!(pumped, CONCLUDED);
        let lengths = link.lengths();
        let of = |side| lengths.iter().filter(move |(from, _)| *from == side);
        (
            of(Side::Querier).copied().collect::<Vec<_>>(),
            of(Side::Responder).copied().collect::<Vec<_>>(),
        )
    };
    let first = lengths(1, 0);
    for (seed, count) in [(2, 1), (3, 4097), (4, 5120)] {
        assert_eq!(lengths(seed, count), first, "{count} items");
    }
}

#[test]
fn the_querier_sends_nothing_once_the_receipt_is_signed() {
    let mut world = World::new(7, 8);
    let mut link = Recorder::default();
    connect(&mut world, 1, &numbered(3), &mut link);
    let (from, last) = link.frames.last().unwrap();
    assert_eq!(*from, Side::Responder);
    assert!(Reader::new("blindmatch countersignature v1", last).is_ok());
    let sent = link.sent_by(Side::Querier);
    assert!(Reader::new("blindmatch receipt frame v1", sent.last().unwrap()).is_ok());
}

/// The querier's power goes after each of its records in turn, then the responder's.
#[test]
fn a_run_survives_a_crash_at_every_record() {
    let (queries, class) = (numbered(4100), 5120);
    let mut whole = World::new(3, class);
    connect(&mut whole, 1, &queries, &mut Faithful);
    let records = [whole.querier.journal.len(), whole.responder.journal.len()];
    for (side, records) in [Side::Querier, Side::Responder].into_iter().zip(records) {
        for crash in 1..=records {
            let mut world = World::new(3, class);
            let host = match side {
                Side::Querier => &mut world.querier,
                Side::Responder => &mut world.responder,
            };
            host.records_until_crash = Some(crash);
            connect(&mut world, 1, &queries, &mut Faithful);
            world.querier.records_until_crash = None;
            world.responder.records_until_crash = None;
            let (pumped, concluded, receipt) = connect(&mut world, 2, &queries, &mut Faithful);
            let concluded = concluded.unwrap_or_else(|| panic!("{side:?} {crash}: {pumped:?}"));
            assert_eq!(
                world.responder.charged(),
                class,
                "{side:?} {crash}: charged twice"
            );
            check_outputs(&world, &concluded, &queries);
            // Where the querier was done already, it has nothing to say to the responder.
            if let Some(receipt) = receipt {
                assert_eq!(*concluded.receipt(), receipt);
            }
        }
    }
}

/// Each frame of either side is lost in turn, and with it the connection.
#[test]
fn a_run_survives_a_cut_at_every_frame() {
    let (queries, class) = (numbered(4100), 5120);
    let mut recorder = Recorder::default();
    connect(&mut World::new(5, class), 1, &queries, &mut recorder);
    for side in [Side::Querier, Side::Responder] {
        for step in 0..recorder.sent_by(side).len() {
            let mut world = World::new(5, class);
            let mut cut = Cut { side, left: step };
            let (pumped, ..) = connect(&mut world, 1, &queries, &mut cut);
            assert_ne!(pumped.querier, Some(End::Concluded), "{side:?} {step}");
            let (pumped, concluded, _) = connect(&mut world, 2, &queries, &mut Faithful);
            assert_eq!(pumped, CONCLUDED, "{side:?} {step}");
            assert_eq!(
                world.responder.charged(),
                class,
                "{side:?} {step}: charged twice"
            );
            check_outputs(&world, &concluded.unwrap(), &queries);
        }
    }
}

/// Carries everything until one side has sent so many frames, then nothing.
struct Cut {
    side: Side,
    left: usize,
}

impl Link for Cut {
    fn carry(&mut self, from: Side, frame: Vec<u8>) -> Vec<Vec<u8>> {
        if self.left == 0 && from == self.side {
            self.left = usize::MAX;
        }
        match self.left {
            usize::MAX => Vec::new(),
            _ => {
                self.left -= usize::from(from == self.side);
                vec![frame]
            }
        }
    }
}

/// Connections on which everything goes wrong, one after the other, until one holds. Only a bit
/// that flips within a batch, which TLS does not let happen, makes it another one and ends the run.
#[test]
fn a_run_gets_through_a_bad_link_in_the_end() {
    let rates = Rates {
        drop: 60,
        duplicate: 60,
        reorder: 60,
        truncate: 60,
        flip: 60,
    };
    let (mut faults, mut lost) = (0, 0);
    for seed in 0..100 {
        // Once in a while a run of two batches.
        let (count, class) = if seed % 50 == 0 { (4100, 5120) } else { (5, 8) };
        let queries = numbered(count);
        let mut world = World::new(seed, class);
        let other_batch = End::Stopped(Stop::Abort(Abort::Transcript));
        let mut done = None;
        for number in 0..200 {
            let link_seed = seed * 1000 + u64::from(number);
            let mut link = Faulty::new(link_seed, rates);
            let (pumped, concluded, _) = connect(&mut world, number, &queries, &mut link);
            faults += link.faults;
            // A broken frame is never our fault, and never taken for a good one.
            for end in [pumped.querier, pumped.responder].into_iter().flatten() {
                if let End::Stopped(stop) = end {
                    assert!(!matches!(stop.blame(), Blame::Ourselves), "{stop:?}");
                }
            }
            done = concluded;
            if done.is_some() || pumped.responder == Some(other_batch) {
                break;
            }
        }
        assert!(world.responder.charged() <= class, "more than was agreed");
        match done {
            Some(concluded) => check_outputs(&world, &concluded, &queries),
            None => lost += 1,
        }
    }
    assert!(faults > 100, "{faults}");
    assert!((1..20).contains(&lost), "{lost}");
}

#[test]
fn work_may_be_done_in_any_order() {
    // A window full of batches, done in another order for each seed: the same transcript.
    let queries = numbered(20_000);
    let mut frames = Vec::new();
    for seed in 0..3 {
        let mut world = World::new(11, 20_480);
        let keys = std::mem::take(&mut world.querier.keys);
        world.querier = Host::new(keys, seed);
        let mut link = Recorder::default();
        let (pumped, concluded, receipt) = connect(&mut world, 1, &queries, &mut link);
        assert_eq!(pumped, CONCLUDED);
        assert_eq!(*concluded.unwrap().receipt(), receipt.unwrap());
        frames.push(link.frames.len());
    }
    frames.dedup();
    assert_eq!(frames.len(), 1);
}

#[test]
fn results_without_the_responders_signature_open_as_unreceipted() {
    let mut world = World::new(12, 8);
    let queries = numbered(5);
    let mut mute = Interceptor::new(Side::Responder, 2, |_| Vec::new());
    let (pumped, concluded, _) = connect(&mut world, 1, &queries, &mut mute);
    assert_eq!((pumped.querier, concluded), (None, None));
    let signed = world
        .querier
        .journal
        .iter()
        .find_map(|record| match record {
            Record::Receipt(signed) => Some(signed.as_ref().clone()),
            _ => None,
        });
    let signed = signed.unwrap();
    let restored = Concluded::restore(signed.clone(), &world.querier_key, &world.responder_key);
    let restored = restored.unwrap();
    assert!(!restored.receipted());
    check_outputs(&world, &restored, &queries);
    let forged = Concluded::restore(signed, &world.responder_key, &world.querier_key);
    assert_eq!(forged, Err(ReceiptError::Signature(Side::Querier)));
    // Should the responder come back, the run still concludes.
    let (pumped, concluded, _) = connect(&mut world, 2, &queries, &mut Faithful);
    assert_eq!(pumped, CONCLUDED);
    assert!(concluded.unwrap().receipted());
}

/// The responder loses what it need not wait for, and the querier has signed: the lost batch is
/// sent again, free of charge, and the receipt is the one that was signed.
#[test]
fn a_signed_run_goes_on_where_the_responder_lost_its_last_digest() {
    let mut world = World::new(20, 8);
    let queries = numbered(5);
    let mut mute = Interceptor::new(Side::Responder, 2, |_| Vec::new());
    connect(&mut world, 1, &queries, &mut mute);
    let signed = |world: &World| -> Vec<SignedReceipt> {
        let receipts = world
            .querier
            .journal
            .iter()
            .filter_map(|record| match record {
                Record::Receipt(signed) => Some(signed.as_ref().clone()),
                _ => None,
            });
        receipts.collect()
    };
    let before = signed(&world);
    assert_eq!(before.len(), 1);
    // Attached, debit, then what is lost: the digest and the receipt.
    world.responder.journal.truncate(2);
    let (pumped, concluded, _) = connect(&mut world, 2, &queries, &mut Faithful);
    assert_eq!(pumped, CONCLUDED);
    assert_eq!(world.responder.charged(), 8);
    let concluded = concluded.unwrap();
    assert_eq!(concluded.receipt().receipt, before[0].receipt);
    assert!(
        signed(&world)
            .iter()
            .all(|signed| signed.receipt == before[0].receipt)
    );
    check_outputs(&world, &concluded, &queries);
}

#[test]
fn an_exhausted_budget_ends_the_run_before_anything_is_evaluated() {
    let mut world = World::new(13, 5120);
    world.responder.budget = 5119;
    let mut link = Recorder::default();
    let (pumped, ..) = connect(&mut world, 1, &numbered(5000), &mut link);
    assert_eq!(
        pumped.responder,
        Some(End::Stopped(Stop::Abort(Abort::Budget)))
    );
    assert_eq!(
        pumped.querier,
        Some(End::Stopped(Stop::PeerAborted(Abort::Budget)))
    );
    assert_eq!(Stop::PeerAborted(Abort::Budget).blame(), Blame::Nobody);
    assert_eq!(world.responder.charged(), 4096);
    // More budget, and what was charged is not charged again.
    world.responder.budget = 1024;
    let (pumped, ..) = connect(&mut world, 2, &numbered(5000), &mut Faithful);
    assert_eq!(pumped, CONCLUDED);
    assert_eq!(world.responder.charged(), 5120);
}

#[test]
fn a_run_across_the_end_of_the_epoch_stops_with_one_defined_reason() {
    let mut world = World::new(14, 8);
    let clock = world.clock.clone();
    clock.advance(3601);
    let (pumped, ..) = connect(&mut world, 1, &numbered(1), &mut Faithful);
    assert_eq!(
        pumped.querier,
        Some(End::Stopped(Stop::Abort(Abort::EpochOver)))
    );
    assert_eq!(
        pumped.responder,
        Some(End::Stopped(Stop::PeerAborted(Abort::EpochOver)))
    );
    assert_eq!(world.responder.charged(), 0);
    // The key expires while a batch is on its way.
    clock.advance(-3601);
    let mut late = Interceptor::new(Side::Querier, 1, |frame| {
        clock.advance(3601);
        vec![frame]
    });
    let (pumped, ..) = connect(&mut world, 2, &numbered(1), &mut late);
    assert_eq!(
        pumped.responder,
        Some(End::Stopped(Stop::Abort(Abort::EpochOver)))
    );
    assert_eq!(
        pumped.querier,
        Some(End::Stopped(Stop::PeerAborted(Abort::EpochOver)))
    );
}

#[test]
fn faults_of_our_own_are_told_apart() {
    let world = World::new(15, 8);
    assert_eq!(
        world.querier_session(1, numbered(9)).err(),
        Some(Fault::Items)
    );

    let mut world = World::new(15, 8);
    world.responder.keys = Keyring::default();
    let (pumped, ..) = connect(&mut world, 1, &numbered(1), &mut Faithful);
    let stop = Stop::Fault(Fault::UnknownKey);
    assert_eq!(pumped.responder, Some(End::Stopped(stop)));
    assert_eq!(stop.blame(), Blame::Ourselves);
    let told = Stop::PeerAborted(Abort::Internal);
    assert_eq!(pumped.querier, Some(End::Stopped(told)));
    assert_eq!(told.blame(), Blame::Peer);

    // Other items than those that the stored blinds are for.
    let mut world = World::new(15, 8);
    let mut cut = Cut {
        side: Side::Responder,
        left: 1,
    };
    connect(&mut world, 1, &numbered(3), &mut cut);
    let mut link = Recorder::default();
    let others = items(["item 0", "item 1", "item 3"]);
    let (pumped, ..) = connect(&mut world, 2, &others, &mut link);
    let stop = Stop::Fault(Fault::Items);
    assert_eq!(pumped.querier, Some(End::Stopped(stop)));
    let batch = |frame: &Vec<u8>| Reader::new("blindmatch lookup batch v1", frame).is_ok();
    assert!(!link.sent_by(Side::Querier).iter().any(batch));

    // Records of another run, of the other side, or with a gap.
    let mut other = World::new(16, 8);
    connect(&mut other, 1, &numbered(1), &mut Faithful);
    let mut world = World::new(15, 8);
    world.querier.journal = other.querier.journal.clone();
    assert_eq!(
        world.querier_session(1, numbered(1)).err(),
        Some(Fault::Journal)
    );
    // Two batches of one number: two accounts of one run.
    let mut records = other.responder.journal.clone();
    records.extend(records.clone());
    for record in records.iter_mut().rev() {
        if let Record::Debit(debit) = record {
            debit.digest[0] ^= 1;
            break;
        }
    }
    let [intact, crossed] = [&other.responder.journal, &records].map(|records| {
        let connection = other.responder_connection(2);
        Responder::new(other.terms(), connection, VIEW_KEY, records.iter().cloned()).err()
    });
    assert_eq!([intact, crossed], [None, Some(Fault::Journal)]);
    other.querier.journal = other.responder.journal.clone();
    assert_eq!(
        other.querier_session(2, numbered(1)).err(),
        Some(Fault::Journal)
    );
}

/// Work and stores go back to the session that asked for them, and to no other: not to one of
/// another run, not to one of the same run on another connection.
#[test]
fn a_completion_of_another_session_is_told_apart() {
    let world = World::new(17, 8);
    let other = World::new(18, 8);
    let mut rng = scripted(0);
    let now = world.clock.now();
    let mut first_store = |session: &mut Querier<_>| match session.poll(now, &mut rng) {
        Step::Store(store) => store.stored().1,
        step => panic!("{step:?}"),
    };
    let session = |world: &World| world.querier_session(1, numbered(1)).unwrap();
    for mut stray in [session(&world), session(&other)] {
        let mut querier = session(&world);
        // What each asks first is the same: a store, under the same number.
        first_store(&mut querier);
        querier.complete(first_store(&mut stray));
        let mut rng = scripted(0);
        assert!(matches!(querier.poll(now, &mut rng), Step::Send(_)));
        let Step::Done(end) = querier.poll(now, &mut rng) else {
            panic!("it goes on with what another session asked for")
        };
        let stop = Stop::Fault(Fault::OtherSession);
        assert_eq!(end, End::Stopped(stop));
        assert_eq!(stop.blame(), Blame::Ourselves);
        // The other still waits for what it asked for, and says nothing before.
        loop {
            match stray.poll(now, &mut rng) {
                Step::Wait => break,
                Step::Work(_) | Step::Store(_) => {}
                step => panic!("{step:?}"),
            }
        }
    }
}

#[test]
fn terms_are_those_of_one_agreement_and_one_manifest() {
    let world = World::new(18, 8);
    let terms = |change: fn(&mut Agreement, &mut Manifest)| {
        let (mut agreement, mut manifest) = (world.agreement.clone(), world.manifest.clone());
        change(&mut agreement, &mut manifest);
        let until = UnixSeconds(NOW);
        Terms::new(&agreement, &agreement.directions[0], &manifest, until).map(|terms| terms.run())
    };
    assert_eq!(terms(|_, _| {}), Ok(world.terms().run()));
    let changes: [fn(&mut Agreement, &mut Manifest); 12] = [
        |a, _| a.protocol = Protocol::Batch,
        |a, _| a.consortium.push(0),
        |a, _| a.parties[1].identity.push(0),
        |a, _| a.directions[0].view.push(0),
        |a, _| a.directions[0].indicator_type.push(0),
        |a, _| a.directions[0].canonicalisation += 1,
        |a, _| a.directions[0].responder_input.class = 2048,
        // What the second party never answered, and a nonce that is none.
        |a, _| a.parties[1].nonce = [0; 32],
        |a, _| a.parties[0].nonce = [0; 32],
        |a, _| a.directions[0].setup[31] = 1,
        |_, m| m.root[0] ^= 1,
        |_, m| m.public_key[0] ^= 1,
    ];
    for change in changes {
        assert_eq!(terms(change), Err(Fault::Terms));
    }
    for class in [0, 1, 7, 9, 11, 13, 15, 17, 4097, 1 << 63, u64::MAX] {
        let mut agreement = world.agreement.clone();
        agreement.directions[0].querier_input.class = class;
        let direction = agreement.directions[0].clone();
        let terms = Terms::new(&agreement, &direction, &world.manifest, UnixSeconds(NOW));
        assert_eq!(terms.err(), Some(Fault::Terms), "{class}");
    }
    // A direction of another agreement, and another key than the manifest's.
    let foreign = World::new(19, 8);
    let direction = &foreign.agreement.directions[0];
    let terms = Terms::new(
        &world.agreement,
        direction,
        &foreign.manifest,
        UnixSeconds(NOW),
    );
    assert_eq!(terms, Err(Fault::Terms));
    let querier = Querier::new(
        world.terms(),
        world.querier_connection(1),
        foreign.view_key,
        numbered(1),
        [],
    );
    assert_eq!(querier.err(), Some(Fault::Terms));
}
