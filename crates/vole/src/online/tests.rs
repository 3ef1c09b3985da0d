#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::vole::tests::dealt;
use crate::{Item, ItemHasher, Okvs, SenderShare, SessionId, Shape};

const RUN: SessionId = SessionId::from_bytes([9; 32]);
const SETUP: SessionId = SessionId::from_bytes([10; 32]);

/// The toy of the reference's table: 40 items and tags, two bins.
fn shape() -> Shape {
    crate::okvs::tests::toy(2, 30, 1.6, 6)
}

fn form(label: usize) -> AnswerForm {
    AnswerForm {
        tags: TagCode::new(40).unwrap(),
        label,
    }
}

fn items(texts: &[&str]) -> Vec<Item> {
    let hasher = ItemHasher::new(&[5; 32], &RUN);
    texts
        .iter()
        .map(|text| hasher.hash(text.as_bytes()))
        .collect()
}

fn label_of(place: usize, length: usize) -> Vec<u8> {
    vec![u8::try_from(place + 1).unwrap(); length]
}

/// What the receiver found: places, and labels as far as they open.
type Found = Vec<(u32, Option<Vec<u8>>)>;

/// One run over a dealt VOLE, whose sender changes its F9.
fn run(
    ours: &[&str],
    theirs: &[&str],
    label: usize,
    cheat: impl FnOnce(&mut Vec<u8>, &mut StdRng),
    rng: &mut StdRng,
) -> Result<Found, AnswerError> {
    let (shape, form) = (shape(), form(label));
    let (sender, receiver) = dealt(shape.entries(), rng);
    let (xs, ys) = (items(ours), items(theirs));
    let (share, commitment) = SenderShare::commit(&SETUP, rng);

    // R: F8.
    let (opening, okvs, binned, vector) = loop {
        let opening = Opening {
            seed: rng.random(),
            share: Gf128::random(rng),
        };
        let okvs = Okvs::new(shape, &RUN, &opening.seed);
        let binned = Binned::new(&okvs, &xs);
        let encoded: Result<Vec<_>, _> = (0..shape.bins())
            .map(|bin| binned.bin(bin).encode(&okvs))
            .collect();
        if let Ok(vector) = encoded {
            break (opening, okvs, binned, vector);
        }
    };
    let mut f8 = opening.to_bytes().to_vec();
    let mut decoded = crate::Decoded::default();
    let (mut in_order, mut places) = (Vec::new(), Vec::new());
    let bins = receiver.into_bins(&shape, 0..shape.bins()).unwrap();
    for (bin, part) in bins.into_iter().zip(&vector) {
        let items = binned.bin(bin.bin());
        let (key, masked) = bin.mask(&shape, part).unwrap();
        f8.extend(masked);
        decoded.append(&key.decode(&okvs, items.xs).unwrap());
        in_order.extend(items.xs);
        places.extend(items.places);
    }
    assert_eq!(f8.len(), shape.f8_bytes());

    // S: F9.
    let (head, masked) = f8.split_first_chunk().unwrap();
    let opening = Opening::from_bytes(head);
    let okvs_s = Okvs::new(shape, &RUN, &opening.seed);
    let w = opening.share + share.share();
    let binned = Binned::new(&okvs_s, &ys);
    let mut answers = Answers::new(form);
    let bins = sender.into_bins(&shape, 0..shape.bins()).unwrap();
    for (bin, masked) in bins.into_iter().zip(masked.chunks(16 * shape.width())) {
        let items = binned.bin(bin.bin());
        let key = bin.unmask(&shape, masked).unwrap();
        let u = key.evaluate(&okvs_s, items.xs, items.vs, w).unwrap();
        let mut sealed = Vec::new();
        for (at, (&x, &place)) in items.xs.iter().zip(items.places).enumerate() {
            if label > 0 {
                let key = u.label_key(at, x).unwrap();
                seal(&key, &label_of(place as usize, label), &mut sealed);
            }
        }
        answers
            .add(items.places, &u.tags(items.xs).unwrap(), &sealed)
            .unwrap();
    }
    let answer = answers.finish(rng, |pairs| binned.are_equal(pairs));
    let answer = Arc::new(answer.unwrap());
    let mut f9: Vec<u8> = Arc::clone(&answer).pieces(&share, 100).flatten().collect();
    assert_eq!(f9.len(), form.bytes());
    // However it is cut, it is the same.
    for piece in [1, 48, 4096] {
        let again: Vec<Vec<u8>> = Arc::clone(&answer).pieces(&share, piece).collect();
        assert!(again.concat() == f9);
        assert!(again.iter().rev().skip(1).all(|bytes| bytes.len() == piece));
    }
    cheat(&mut f9, rng);

    // R reads it, whole, before it compares.
    let mut reader = AnswerReader::new(form, SETUP, commitment);
    let (mut tags, mut labels) = (Vec::new(), Vec::new());
    for piece in f9.chunks(77) {
        reader.feed(piece, |part| match part {
            Part::Tag { tag, .. } => tags.push(tag),
            Part::Label(label) => labels.push(label.to_vec()),
        })?;
    }
    reader.finish()?;
    let evaluations = decoded.evaluate(opening.share + reader.share().unwrap());
    let mut matching = Matching::new(&evaluations, &in_order, &places).unwrap();
    tags.iter().for_each(|&tag| matching.tag(tag));
    let mut found: Vec<_> = matching
        .hits()
        .iter()
        .map(|hit| {
            let key = evaluations.label_key(hit.at as usize, in_order[hit.at as usize]);
            let opened = labels.get_mut(hit.entry as usize).and_then(|sealed| {
                open(&key.unwrap(), &mut sealed.clone())
                    .ok()
                    .map(|label| label.to_vec())
            });
            (hit.place, opened)
        })
        .collect();
    found.sort();
    Ok(found)
}

const OURS: [&str; 6] = ["a", "b", "c", "d", "b", "e"];
const THEIRS: [&str; 7] = ["x", "c", "b", "y", "c", "z", "b"];

#[test]
fn both_meet_in_what_both_have_and_the_first_label_counts() {
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..50 {
        let found = run(&OURS, &THEIRS, 24, |_, _| (), &mut rng).unwrap();
        let expected =
            [(1, 2), (2, 1), (4, 2)].map(|(ours, theirs)| (ours, Some(label_of(theirs, 24))));
        assert_eq!(found, expected);
        let bare = run(&OURS, &THEIRS, 0, |_, _| (), &mut rng).unwrap();
        assert_eq!(bare, [(1, None), (2, None), (4, None)]);
        assert_eq!(run(&[], &THEIRS, 24, |_, _| (), &mut rng), Ok(vec![]));
        assert_eq!(run(&OURS, &[], 24, |_, _| (), &mut rng), Ok(vec![]));
    }
}

/// Runs of each cheat.
const RUNS: usize = 1000;

fn assert_caught(cheat: impl Fn(&mut Vec<u8>, &mut StdRng), expected: AnswerError) {
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..RUNS {
        let outcome = run(&OURS, &THEIRS, 24, &cheat, &mut rng);
        assert_eq!(outcome, Err(expected));
        // The same where nothing would match: an error says nothing of the receiver's items.
        let outcome = run(&["f"], &THEIRS, 24, &cheat, &mut rng);
        assert_eq!(outcome, Err(expected));
    }
}

#[test]
fn a_share_other_than_the_committed_one() {
    assert_caught(
        |f9, rng| f9[rng.random_range(0..16)] ^= 1 << rng.random_range(0..8),
        AnswerError::Commitment,
    );
}

#[test]
fn another_opening() {
    assert_caught(
        |f9, rng| f9[rng.random_range(16..48)] ^= 1 << rng.random_range(0..8),
        AnswerError::Commitment,
    );
}

#[test]
fn tags_that_are_none() {
    let end = AnswerForm::HEAD + form(24).tags.bytes();
    assert_caught(
        |f9, _| f9[AnswerForm::HEAD..end].fill(0xff),
        AnswerError::Tags(TagError::Range),
    );
    assert_caught(
        |f9, _| f9[end - 1] |= 0x80,
        AnswerError::Tags(TagError::Padding),
    );
}

#[test]
fn an_answer_of_another_length() {
    assert_caught(|f9, _| f9.truncate(f9.len() - 1), AnswerError::Length);
    assert_caught(|f9, _| f9.push(0), AnswerError::Length);
    assert_caught(|f9, _| f9.truncate(f9.len() - 40), AnswerError::Length);
    assert_caught(|f9, _| f9.clear(), AnswerError::Length);
}

/// They are dropped, and nothing else changes.
#[test]
fn labels_that_were_altered() {
    let start = AnswerForm::HEAD + form(24).tags.bytes();
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..RUNS {
        let alter = |f9: &mut Vec<u8>, rng: &mut StdRng| {
            for sealed in f9[start..].chunks_mut(40) {
                sealed[rng.random_range(0..40)] ^= 1 << rng.random_range(0..8);
            }
        };
        let found = run(&OURS, &THEIRS, 24, alter, &mut rng);
        assert_eq!(found, Ok(vec![(1, None), (2, None), (4, None)]));
    }
}

#[test]
fn two_items_with_one_tag_end_the_run() {
    let mut rng = StdRng::seed_from_u64(4);
    let mut answers = Answers::new(form(0));
    answers.add(&[0, 1, 2], &[7, 9, 7], &[]).unwrap();
    assert_eq!(answers.finish(&mut rng, |_| false).err(), Some(EqualTags));
    let mut answers = Answers::new(form(0));
    answers.add(&[0, 1, 2], &[7, 9, 7], &[]).unwrap();
    assert!(answers.finish(&mut rng, |pairs| pairs == [(0, 2)]).is_ok());
}

#[test]
fn answers_that_do_not_fit_are_not_taken() {
    let mut answers = Answers::new(form(24));
    assert_eq!(answers.add(&[0], &[1, 2], &[0; 80]), None);
    assert_eq!(answers.add(&[0], &[1], &[0; 39]), None);
    let many: Vec<u32> = (0..41).collect();
    let tags: Vec<u128> = (0..41).collect();
    assert_eq!(answers.add(&many, &tags, &[0; 41 * 40]), None);
    assert_eq!(answers.add(&[0], &[1], &[0; 40]), Some(()));
}
