//! Files, differences, manifests and states that are not what they should be.

use std::io::{self, ErrorKind, Write};

use blindmatch_psi::publication::{
    BlockProof, Changes, Edition, Epoch, FileError, FirstPublication, InMemory, Manifest,
    ManifestError, Newest, Outputs, Publication, PublishError, Published, SetClass, TagLength,
    apply,
};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha512;

use crate::world::{Output, QUERIES, Responder, Step, WORKING_SET, domain, item, label};

// The layout of `spec/32 §5` for 1,024 entries and 73 bits.
const LABELS: usize = 83;
const INDEX: usize = LABELS + 1_024 * 40;
const INDEX_ENTRY: usize = 10 + 8;
const BODIES: usize = INDEX + 4 * INDEX_ENTRY;

fn refusal(responder: &Responder, file: &[u8]) -> Option<FileError> {
    let Published { edition, root, .. } = responder.published;
    Publication::verify(file, edition, root).err()
}

fn refusal_of_change(responder: &Responder, change: impl FnOnce(&mut Vec<u8>)) -> FileError {
    let mut file = responder.file.clone();
    change(&mut file);
    refusal(responder, &file).unwrap()
}

#[test]
fn the_layout_is_as_the_tests_have_it() {
    let responder = Responder::publish(0..900);
    let edition = responder.published.edition;
    assert_eq!(edition.tag_length().bits(), 73);
    assert_eq!(edition.labels_length(), 1_024 * 40);
    assert_eq!(edition.file_length(), responder.file.len() as u64);
    // The bodies: 1,024 + 6·31·4 + 4·7 bits of ages, and 1,020·64 + 1,023 + 4·7 of tags.
    let bodies = (1_024 + 744 + 28) / 8 + (65_280 + 1_023 + 28) / 8;
    assert_eq!(responder.file.len(), BODIES + bodies);
}

#[test]
fn files_that_are_no_such_publication() {
    let responder = Responder::publish(0..900);
    let refusal = |change: &dyn Fn(&mut Vec<u8>)| refusal_of_change(&responder, change);
    assert_eq!(refusal(&|file| file.truncate(0)), FileError::Length);
    assert_eq!(
        refusal(&|file| file.truncate(file.len() - 1)),
        FileError::Length
    );
    assert_eq!(refusal(&|file| file.push(0)), FileError::Length);
    // Context, class, tag length, sequences; behind them the salt.
    for at in 0..51 {
        assert_eq!(
            refusal(&|file| file[at] ^= 1),
            FileError::Header,
            "byte {at}"
        );
    }
    assert_eq!(refusal(&|file| file[51] ^= 1), FileError::Root);
    assert_eq!(refusal(&|file| file[LABELS] ^= 1), FileError::Root);
    assert_eq!(refusal(&|file| file[INDEX - 1] ^= 1), FileError::Root);
    assert_eq!(
        refusal(&|file| *file.last_mut().unwrap() = 1),
        FileError::Padding
    );
}

#[test]
fn an_index_that_claims_what_is_not_there() {
    let responder = Responder::publish(0..900);
    let claim = |block: usize, end: u64| {
        let at = INDEX + block * INDEX_ENTRY + 10;
        refusal_of_change(&responder, |file| {
            file[at..at + 8].copy_from_slice(&end.to_be_bytes());
        })
    };
    let mut end = [0; 8];
    end.copy_from_slice(&responder.file[INDEX + 10..][..8]);
    let end = u64::from_be_bytes(end);
    for claimed in [9_000, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(claim(0, claimed), FileError::Index);
        assert_eq!(claim(3, claimed), FileError::Index);
    }
    assert_eq!(claim(1, end - 1), FileError::Index);
    assert_eq!(claim(0, 0), FileError::Code);
    assert_eq!(claim(0, end - 1), FileError::Code);
    assert_eq!(claim(0, end + 1), FileError::Code);
}

#[test]
fn tags_that_do_not_ascend_or_are_too_large() {
    let responder = Responder::publish(0..900);
    let first = |block: usize, tag: [u8; 10]| {
        let at = INDEX + block * INDEX_ENTRY;
        refusal_of_change(&responder, |file| {
            file[at..at + 10].copy_from_slice(&tag);
        })
    };
    assert_eq!(first(1, [0; 10]), FileError::Order);
    // 2^73 itself, then just below it: the block's other tags are above.
    assert_eq!(first(0, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), FileError::Range);
    assert_eq!(
        first(0, [1, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
        FileError::Range
    );
    // The second half of the tag space for the first block: beyond the second block's.
    assert_eq!(first(0, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), FileError::Order);
}

#[test]
fn another_file_under_this_root() {
    let one = Responder::publish(0..900);
    let other = Responder::publish(0..899);
    assert_eq!(refusal(&one, &other.file), Some(FileError::Root));
    assert_eq!(refusal(&one, &one.file), None);
}

#[test]
fn one_block_proves_itself() {
    let responder = Responder::publish(0..900);
    let Published { edition, root, .. } = responder.published;
    let publication = responder.publication();
    for number in 0..4 {
        let proof = publication.prove(number).unwrap();
        assert_eq!(proof.verify(&edition, &root), Ok(()));
        let mut other = proof.clone();
        other.number = (number + 1) % 4;
        assert_eq!(other.verify(&edition, &root), Err(FileError::Path));
        other.number = 1 << 63;
        assert_eq!(other.verify(&edition, &root), Err(FileError::Path));
        assert_eq!(proof.verify(&edition, &[0; 32]), Err(FileError::Path));

        let bytes = proof.encode();
        assert_eq!(BlockProof::decode(&bytes).as_ref(), Ok(&proof));
        let tag = proof.first_tag().to_be_bytes();
        let at = bytes.windows(16).position(|window| window == tag).unwrap();
        let mut beyond = bytes.clone();
        beyond[at..at + 16].fill(0xff);
        let beyond = BlockProof::decode(&beyond).unwrap();
        assert_eq!(beyond.verify(&edition, &root), Err(FileError::Range));
        for length in 0..bytes.len() {
            assert!(BlockProof::decode(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let proves = |proof: BlockProof| proof.verify(&edition, &root).is_ok();
            assert!(!BlockProof::decode(&changed).is_ok_and(proves), "byte {at}");
        }
    }
    for number in [4, 1 << 63, u64::MAX] {
        assert_eq!(publication.prove(number), Err(FileError::Range));
    }
}

/// A responder after two publications, and the file and difference between them.
fn two_publications() -> (Responder, Vec<u8>, Published, Step) {
    let mut responder = Responder::publish(0..900);
    let (file, first) = (responder.file.clone(), responder.published);
    let additions = [(item(5_000), label(5_000)), (item(5_001), label(5_001))];
    let step = responder.change(&[item(1), item(2)], &additions).unwrap();
    (responder, file, first, step)
}

fn refusal_of_difference(
    (file, first): (&[u8], Published),
    difference: &[u8],
    to: &Published,
) -> Option<FileError> {
    let current = Publication::verify(file, first.edition, first.root).unwrap();
    let difference = &difference;
    let sink = io::sink();
    apply(&current, difference, to.edition, &to.root, &InMemory, sink).err()
}

#[test]
fn differences_that_lead_elsewhere() {
    let (responder, file, first, step) = two_publications();
    let difference = &step.difference;
    let from = (file.as_slice(), first);
    let to = &step.published;
    assert_eq!(refusal_of_difference(from, difference, to), None);
    assert_eq!(
        refusal_of_difference(from, &difference[1..], to),
        Some(FileError::Length)
    );
    let longer = [difference.as_slice(), &[0]].concat();
    assert_eq!(
        refusal_of_difference(from, &longer, to),
        Some(FileError::Length)
    );
    for at in 0..58 {
        let mut changed = difference.clone();
        changed[at] ^= 1;
        assert_eq!(
            refusal_of_difference(from, &changed, to),
            Some(FileError::Header)
        );
    }
    assert_eq!(
        refusal_of_difference(from, difference, &first),
        Some(FileError::Succession)
    );
    let other_class = Responder::publish(0..1_100).published;
    assert_eq!(
        refusal_of_difference(from, difference, &other_class),
        Some(FileError::Succession)
    );
    let mut other_root = *to;
    other_root.root[0] ^= 1;
    assert_eq!(
        refusal_of_difference(from, difference, &other_root),
        Some(FileError::Root)
    );

    // The same once more, as if it led on from there: its entries are there already.
    let mut again = difference.clone();
    again[49] += 1;
    again[57] += 1;
    let edition = to.edition;
    let edition = Edition::new(
        edition.class(),
        edition.tag_length(),
        edition.first_sequence(),
        edition.sequence() + 1,
    );
    let next = Published {
        edition: edition.unwrap(),
        ..*to
    };
    let from = (responder.file.as_slice(), *to);
    assert_eq!(
        refusal_of_difference(from, &again, &next),
        Some(FileError::Present)
    );
}

#[test]
fn no_changed_bit_of_a_difference_goes_through() {
    let (_, file, first, step) = two_publications();
    for at in (58..step.difference.len()).step_by(3) {
        let mut changed = step.difference.clone();
        changed[at] ^= 1 << (at % 8);
        let refused = refusal_of_difference((&file, first), &changed, &step.published);
        assert!(refused.is_some(), "byte {at}");
    }
}

#[test]
fn a_sequence_number_seals_once() {
    let mut epoch = Epoch::begin(domain(), QUERIES, 1).unwrap();
    let stored = epoch.reserve().unwrap();
    let after_crash = stored.state().to_vec();
    let reservation = stored.stored();
    let publish = |epoch: &mut Epoch, reservation| {
        let mut responder = Responder::publish([]);
        let first = FirstPublication::new(&InMemory, WORKING_SET).unwrap();
        let (seed, random) = (&responder.seed, &mut responder.random);
        first.publish(epoch, reservation, seed, random, io::sink(), io::sink())
    };
    // Nobody knows what the process that had this reservation did with it.
    let mut restarted = Epoch::decode(&after_crash).unwrap();
    assert_eq!(
        publish(&mut restarted, reservation),
        Err(PublishError::OtherEpoch)
    );
    let next = restarted.reserve().unwrap().stored();
    assert_eq!(next.sequence(), 2);
    // A reservation that a later one has overtaken.
    let later = restarted.reserve().unwrap().stored();
    assert_eq!(
        publish(&mut restarted, later).map(|made| made.edition.sequence()),
        Ok(3)
    );
    assert_eq!(
        publish(&mut restarted, next),
        Err(PublishError::AlreadyPublished)
    );
}

#[test]
fn an_overtaken_number_does_not_seal() {
    let mut responder = Responder::publish(0..10);
    let overtaken = responder.epoch.reserve().unwrap().stored();
    responder.change(&[], &[]).unwrap();
    let refused = responder.change_under(overtaken, &[], &[]).err();
    assert_eq!(refused, Some(PublishError::SequenceUsed));
}

#[test]
fn a_reservation_seals_in_its_own_epoch_only() {
    let mut one = Responder::publish(0..10);
    let mut other = Responder::publish(0..10);
    let reservation = one.epoch.reserve().unwrap().stored();
    // The number itself is one that the other epoch has reserved, and may seal under.
    let own = other.epoch.reserve().unwrap().stored();
    assert_eq!(own.sequence(), reservation.sequence());
    let refused = other.change_under(reservation, &[], &[]).err();
    assert_eq!(refused, Some(PublishError::OtherEpoch));
    assert!(other.change_under(own, &[], &[]).is_ok());
}

#[test]
fn changes_are_published_in_the_epoch_that_they_were_made_for() {
    let one = Responder::publish(0..10);
    let mut other = Responder::publish(0..10);
    let changes = Changes::new(&one.epoch, &InMemory, WORKING_SET).unwrap();
    let reservation = other.epoch.reserve().unwrap().stored();
    let Published { edition, root, .. } = other.published;
    let refused = changes.publish(
        &mut other.epoch,
        reservation,
        &other.seed,
        &mut other.random,
        &Newest {
            publication: &Publication::verify(other.file.as_slice(), edition, root).unwrap(),
            roll: &other.roll,
        },
        Outputs {
            file: &mut io::sink(),
            difference: &mut io::sink(),
            roll: &mut io::sink(),
        },
        &mut |_| {},
    );
    assert_eq!(refused, Err(PublishError::OtherEpoch));
}

#[test]
fn a_domain_that_no_state_could_hold_begins_no_epoch() {
    let mut long = domain();
    long.view = vec![0; 256];
    let refused = Epoch::begin(long.clone(), QUERIES, 1).err();
    assert_eq!(refused, Some(PublishError::Domain));
    long.view.pop();
    let epoch = Epoch::begin(long, QUERIES, 1).unwrap();
    let state = epoch.encode();
    assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
}

/// Another output whose first bits are the same.
fn of_the_same_tag(output: &Output, rest: u8) -> Output {
    let mut other = *output;
    other[16..].fill(rest);
    other
}

#[test]
fn two_items_of_one_tag_are_not_published() {
    let twin = of_the_same_tag(&item(1), 0);
    let mut first = FirstPublication::new(&InMemory, WORKING_SET).unwrap();
    first.push(&item(1), &label(1)).unwrap();
    first.push(&twin, &label(1)).unwrap();
    let mut epoch = Epoch::begin(domain(), QUERIES, 1).unwrap();
    let reservation = epoch.reserve().unwrap().stored();
    let mut responder = Responder::publish([]);
    let (seed, random) = (&responder.seed, &mut responder.random);
    let refused = first.publish(
        &mut epoch,
        reservation,
        seed,
        random,
        io::sink(),
        io::sink(),
    );
    assert_eq!(refused, Err(PublishError::SameTag));

    let additions = [(item(1), label(1)), (twin, label(1))];
    let refused = responder.change(&[], &additions).err();
    assert_eq!(refused, Some(PublishError::SameTag));
    // The same item twice is not that.
    let twice = [(item(1), label(1)), (item(1), label(2))];
    let step = responder.change(&[], &twice).unwrap();
    assert_eq!((step.published.items, step.waiting.len()), (1, 1));
}

#[test]
fn an_item_of_a_dummys_tag_is_not_taken_for_a_repetition() {
    // The first dummy of publication 101, whatever side of it the item sorts on.
    let mut mac = Hmac::<Sha512>::new_from_slice(&[3; 32]).unwrap();
    mac.update(b"\x13blindmatch dummy v1");
    mac.update(&101_u64.to_be_bytes());
    mac.update(&0_u64.to_be_bytes());
    let dummy: Output = mac.finalize().into_bytes().into();
    for rest in [0, 0xff] {
        let mut responder = Responder::publish(0..10);
        let item = of_the_same_tag(&dummy, rest);
        let refused = responder.change(&[], &[(item, label(0))]).err();
        assert_eq!(refused, Some(PublishError::Collision), "{rest}");
    }
}

#[test]
fn a_failed_publication_uses_its_sequence_number() {
    /// Takes so many bytes and no more.
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 83, 5_000, 40_000, BODIES - 1, BODIES + 100] {
        let mut responder = Responder::publish([]);
        let mut epoch = Epoch::begin(domain(), QUERIES, 1).unwrap();
        let reservation = epoch.reserve().unwrap().stored();
        let first = FirstPublication::new(&InMemory, WORKING_SET).unwrap();
        let (seed, random) = (&responder.seed, &mut responder.random);
        assert_eq!(
            first.publish(
                &mut epoch,
                reservation,
                seed,
                random,
                Full(room),
                io::sink()
            ),
            Err(PublishError::Io(ErrorKind::StorageFull))
        );
        assert_eq!(epoch.edition(), None);
        assert_eq!(epoch.reserve().unwrap().stored().sequence(), 2);
    }
}

#[test]
fn a_roll_or_publication_other_than_the_states() {
    let (mut responder, file, first, _) = two_publications();
    let roll = responder.roll.clone();
    let Published { edition, root, .. } = responder.published;
    let newest_file = responder.file.clone();
    let newest = Publication::verify(newest_file.as_slice(), edition, root).unwrap();
    let older = Publication::verify(file.as_slice(), first.edition, first.root).unwrap();
    let mut publish = |publication: &Publication<&[u8]>, roll: &Vec<u8>| {
        let changes = Changes::new(&responder.epoch, &InMemory, WORKING_SET).unwrap();
        let reservation = responder.epoch.reserve().unwrap().stored();
        changes.publish(
            &mut responder.epoch,
            reservation,
            &responder.seed,
            &mut responder.random,
            &Newest { publication, roll },
            Outputs {
                file: &mut io::sink(),
                difference: &mut io::sink(),
                roll: &mut io::sink(),
            },
            &mut |_| {},
        )
    };
    let succession = PublishError::File(FileError::Succession);
    assert_eq!(publish(&older, &roll), Err(succession));
    // A byte of each entry, and of each that left one and its tag.
    assert_eq!(roll.len(), 1_024 + 4 * 17);
    // Each attempt takes one of the epoch's 64 numbers.
    for (at, byte) in (0..).zip(&roll).step_by(61) {
        for changed in [(byte + 1) % 4, 0xff] {
            let mut other = roll.clone();
            other[at] = changed;
            let refused = publish(&newest, &other);
            assert_eq!(refused, Err(PublishError::Roll), "byte {at}");
        }
    }
    for length in [0, 17, roll.len() - 1] {
        let shorter = roll[..length].to_vec();
        assert_eq!(publish(&newest, &shorter), Err(PublishError::Roll));
    }
    let longer = [roll.as_slice(), &[1]].concat();
    assert_eq!(publish(&newest, &longer), Err(PublishError::Roll));
    assert!(publish(&newest, &roll).is_ok());
}

#[test]
fn a_state_that_knows_of_no_items() {
    let mut responder = Responder::publish(0..900);
    let mut state = responder.epoch.encode();
    // Before the dummies, the roll's length and its digest.
    let items = state.len() - 8 - 8 - 8 - 32;
    assert_eq!(state[items..items + 8], 900_u64.to_be_bytes());
    state[items..items + 8].fill(0);
    responder.epoch = Epoch::decode(&state).unwrap();
    let removed = responder.change(&[item(1)], &[]);
    assert_eq!(removed.err(), Some(PublishError::Roll));
    assert!(responder.change(&[], &[]).is_ok());
}

fn manifest() -> Manifest {
    let responder = Responder::publish(0..900);
    Manifest {
        domain: domain(),
        canonicalisation: 4,
        public_key: [8; 32],
        queries: QUERIES,
        edition: responder.published.edition,
        root: responder.published.root,
        valid_from: 1_000,
        expires: 2_000,
    }
}

#[test]
fn a_manifest_reads_as_it_was_written() {
    let manifest = manifest();
    let bytes = manifest.encode();
    assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&manifest));
    for length in 0..bytes.len() {
        assert!(matches!(
            Manifest::decode(&bytes[..length]),
            Err(ManifestError::Encoding(_))
        ));
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Manifest::decode(&changed) {
            assert_ne!(other, manifest);
            assert_eq!(other.encode(), changed);
            assert_ne!(other.digest(), manifest.digest());
        }
    }
    assert_eq!(manifest.check_time(999), Err(ManifestError::NotYetValid));
    assert_eq!(manifest.check_time(1_000), Ok(()));
    assert_eq!(manifest.check_time(1_999), Ok(()));
    assert_eq!(manifest.check_time(2_000), Err(ManifestError::Expired));
}

#[test]
fn a_manifest_that_contradicts_itself() {
    let with = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        Manifest::decode(&manifest.encode()).err()
    };
    assert_eq!(with(|m| m.queries += 1), Some(ManifestError::TagLength));
    assert_eq!(
        with(|m| m.queries = 1 << 63),
        Some(ManifestError::TagLength)
    );
    assert_eq!(with(|m| m.queries = 0), Some(ManifestError::TagLength));
    assert_eq!(
        with(|m| m.expires = m.valid_from),
        Some(ManifestError::Validity)
    );
    let long = with(|m| m.domain.view = vec![0; 256]);
    assert!(matches!(long, Some(ManifestError::Encoding(_))));

    // Claims in the place of the class: the bytes behind names, epoch, version, key and budget.
    let bytes = manifest().encode();
    let class = bytes
        .windows(8)
        .position(|eight| eight == 1_024_u64.to_be_bytes())
        .unwrap();
    for claimed in [0, 1_025, 1 << 35, 1 << 62, 1 << 63, u64::MAX] {
        let mut changed = bytes.clone();
        changed[class..class + 8].copy_from_slice(&u64::to_be_bytes(claimed));
        let refused = Manifest::decode(&changed);
        assert!(
            matches!(refused, Err(ManifestError::Encoding(_))),
            "{claimed}"
        );
    }
}

#[test]
fn editions_outside_their_bounds() {
    let class = SetClass::from_entries(1_024).unwrap();
    let length = TagLength::for_budget(1, class).unwrap();
    assert!(Edition::new(class, length, 5, 5 + 63).is_some());
    assert_eq!(Edition::new(class, length, 5, 5 + 64), None);
    assert_eq!(Edition::new(class, length, 5, 4), None);
    assert_eq!(Edition::new(class, length, 0, u64::MAX), None);
    let larger = SetClass::from_entries(1_280).unwrap();
    assert_eq!(Edition::new(larger, length, 5, 5), None);
}

#[test]
fn a_manifest_that_does_not_follow() {
    let newest = manifest();
    let next = |sequence: u64| {
        let edition = newest.edition;
        let (class, length) = (edition.class(), edition.tag_length());
        let edition = Edition::new(class, length, edition.first_sequence(), sequence).unwrap();
        Manifest {
            edition,
            root: [1; 32],
            valid_from: 1_500,
            expires: 2_500,
            ..newest.clone()
        }
    };
    assert_eq!(next(101).check_succession(&newest), Ok(()));
    assert_eq!(next(110).check_succession(&newest), Ok(()));
    assert_eq!(
        next(100).check_succession(&newest),
        Err(ManifestError::SequenceUsed)
    );
    assert_eq!(
        newest.check_succession(&next(101)),
        Err(ManifestError::SequenceUsed)
    );
    for change in [
        |m: &mut Manifest| m.public_key[0] ^= 1,
        |m: &mut Manifest| m.domain.epoch += 1,
        |m: &mut Manifest| m.domain.view.push(0),
        |m: &mut Manifest| m.canonicalisation += 1,
        |m: &mut Manifest| m.queries -= 1,
    ] {
        let mut other = next(101);
        change(&mut other);
        assert_eq!(
            other.check_succession(&newest),
            Err(ManifestError::OtherView)
        );
    }

    let epoch = |epoch: u64, first: u64, key: u8| {
        let edition = newest.edition;
        let edition = Edition::new(edition.class(), edition.tag_length(), first, first);
        let mut manifest = Manifest {
            edition: edition.unwrap(),
            public_key: [key; 32],
            ..newest.clone()
        };
        manifest.domain.epoch = epoch;
        manifest.check_next_epoch(&newest)
    };
    assert_eq!(epoch(8, 101, 9), Ok(()));
    assert_eq!(epoch(8, 100, 9), Err(ManifestError::SequenceUsed));
    assert_eq!(epoch(7, 101, 9), Err(ManifestError::OtherView));
    assert_eq!(epoch(8, 101, 8), Err(ManifestError::OtherView));
}

#[test]
fn a_state_reads_as_it_was_written() {
    let (responder, ..) = two_publications();
    let state = responder.epoch.encode();
    assert_eq!(Epoch::decode(&state).unwrap().encode(), state);
    for length in 0..state.len() {
        assert!(Epoch::decode(&state[..length]).is_err());
    }
}

proptest! {
    #[test]
    fn no_changed_bit_of_a_file_goes_through(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let responder = Responder::publish(0..900);
        let at = at.index(responder.file.len());
        let mut file = responder.file.clone();
        file[at] ^= 1 << bit;
        prop_assert!(refusal(&responder, &file).is_some());
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_are_refused(
        seed in prop::collection::vec(any::<u8>(), 1..5_000),
        from in LABELS..BODIES + 8_000,
    ) {
        let responder = Responder::publish(0..900);
        let mut file = responder.file.clone();
        for (to, from) in file[from..].iter_mut().zip(seed) {
            *to = from;
        }
        prop_assert!(file == responder.file || refusal(&responder, &file).is_some());
    }

    #[test]
    fn arbitrary_bytes_are_no_manifest_state_or_difference(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        from in any::<prop::sample::Index>(),
    ) {
        prop_assert!(Manifest::decode(&bytes).is_err());
        prop_assert!(Epoch::decode(&bytes).is_err());
        // Behind the context.
        let manifest = [b"\x16blindmatch manifest v1", bytes.as_slice()].concat();
        if let Ok(read) = Manifest::decode(&manifest) {
            prop_assert_eq!(read.encode(), manifest);
        }
        let state = [b"\x19blindmatch epoch state v1", bytes.as_slice()].concat();
        if let Ok(read) = Epoch::decode(&state) {
            prop_assert_eq!(read.encode(), state);
        }
        let (_, file, first, step) = two_publications();
        let mut difference = step.difference.clone();
        let from = 58 + from.index(difference.len() - 58);
        for (to, from) in difference[from..].iter_mut().zip(bytes) {
            *to = from;
        }
        let refused = refusal_of_difference((&file, first), &difference, &step.published);
        prop_assert!(difference == step.difference || refused.is_some());
    }
}

#[test]
fn no_two_changes_of_one_order() {
    let (mut responder, ..) = two_publications();
    let mut changes = Changes::new(&responder.epoch, &InMemory, WORKING_SET).unwrap();
    let refused = changes.remove(u64::MAX, &item(1));
    assert_eq!(refused, Err(PublishError::Order));
    let refused = changes.add(u64::MAX, &item(1), &[1; 24]);
    assert_eq!(refused, Err(PublishError::Order));
    // Both are possible, and the queue would let in one more than there is room for.
    changes.add(7, &item(70_001), &[1; 24]).unwrap();
    changes.add(7, &item(70_002), &[1; 24]).unwrap();
    let reservation = responder.epoch.reserve().unwrap().stored();
    let Published { edition, root, .. } = responder.published;
    let newest = Publication::verify(responder.file.as_slice(), edition, root).unwrap();
    let published = changes.publish(
        &mut responder.epoch,
        reservation,
        &responder.seed,
        &mut responder.random,
        &Newest {
            publication: &newest,
            roll: &responder.roll,
        },
        Outputs {
            file: &mut io::sink(),
            difference: &mut io::sink(),
            roll: &mut io::sink(),
        },
        &mut |_| {},
    );
    assert_eq!(published, Err(PublishError::Order));
}
