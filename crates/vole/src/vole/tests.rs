#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::setup::{receiver, sender};
use crate::{Dimensions, Item, ItemHasher, SenderShare, SessionId, verify_share};

const RUN: SessionId = SessionId::from_bytes([8; 32]);

/// A VOLE as a trusted third party would deal it.
pub(crate) fn dealt(entries: usize, rng: &mut StdRng) -> (SenderVole, ReceiverVole) {
    let delta = Delta::random(rng);
    let mut draw = || Zeroizing::new((0..entries).map(|_| Gf128::random(rng)).collect::<Vec<_>>());
    let (a, c) = (draw(), draw());
    let mut b = c.clone();
    add_scaled(&mut b, delta.value(), &a);
    (SenderVole { delta, b }, ReceiverVole { a, c })
}

/// A VOLE as two parties set it up.
fn set_up(dimensions: Dimensions, rng: &mut StdRng) -> (SenderVole, ReceiverVole) {
    let (sender, f1) = sender::start(RUN, dimensions, rng);
    let (receiver, f2) = receiver::start(RUN, dimensions).receive(&f1, rng).unwrap();
    let (sender, f3) = sender.receive(&f2, rng).unwrap();
    let (receiver, f4) = receiver.receive(&f3).unwrap();
    let (sender, f5) = sender.receive(&f4, rng).unwrap();
    let (receiver, f6) = receiver.receive(&f5, rng).unwrap();
    let (sender, f7) = sender.receive(&f6).unwrap();
    (sender.expand(), receiver.receive(&f7).unwrap().expand())
}

/// All bins in one chunk.
fn whole(shape: Shape) -> Vec<Range<u32>> {
    shape.chunks().collect()
}

fn items(hasher: &ItemHasher, numbers: impl Iterator<Item = usize>) -> Vec<Item> {
    numbers
        .map(|number| hasher.hash(format!("ip|{number}").as_bytes()))
        .collect()
}

/// Runs F8 and what follows over some VOLEs, one for each chunk of bins.
struct Online {
    okvs: Okvs,
    w: Gf128,
    senders: Vec<SenderKey>,
    receivers: Vec<ReceiverKey>,
    masked: Vec<u8>,
}

impl Online {
    fn new(
        shape: Shape,
        chunks: &[Range<u32>],
        voles: Vec<(SenderVole, ReceiverVole)>,
        xs: &[Item],
        rng: &mut StdRng,
    ) -> Self {
        let (share, commitment) = SenderShare::commit(&RUN, rng);
        let (seed, vector) = Okvs::encode_fresh(shape, &RUN, xs, rng).unwrap();
        let receiver_share = Gf128::random(rng);
        let opened = verify_share(&RUN, &commitment, &share.open()).unwrap();
        let (mut senders, mut receivers, mut all) = (vec![], vec![], vec![]);
        for (bins, (sender, receiver)) in chunks.iter().zip(voles) {
            let sender = sender.into_bins(&shape, bins.clone()).unwrap();
            let receiver = receiver.into_bins(&shape, bins.clone()).unwrap();
            for (sender, receiver) in sender.into_iter().zip(receiver) {
                let start = receiver.bin() as usize * shape.width();
                let part = &vector[start..start + shape.width()];
                let (key, masked) = receiver.mask(&shape, part).unwrap();
                receivers.push(key);
                senders.push(sender.unmask(&shape, &masked).unwrap());
                all.extend(masked);
            }
        }
        let okvs = Okvs::new(shape, &RUN, &seed);
        Self {
            okvs,
            w: opened + receiver_share,
            senders,
            receivers,
            masked: all,
        }
    }

    fn sender(&self, item: &Item) -> Evaluations {
        let each = |key: &SenderKey| key.evaluate(&self.okvs, &[item.x], &[item.v], self.w);
        self.senders.iter().find_map(each).unwrap()
    }

    fn receiver(&self, item: &Item) -> Evaluations {
        let each = |key: &ReceiverKey| key.decode(&self.okvs, &[item.x]);
        let decoded = self.receivers.iter().find_map(each).unwrap();
        decoded.evaluate(self.w)
    }

    fn sender_tag(&self, item: &Item) -> u128 {
        self.sender(item).tags(&[item.x]).unwrap()[0]
    }

    fn receiver_tag(&self, item: &Item) -> u128 {
        self.receiver(item).tags(&[item.x]).unwrap()[0]
    }

    fn matches(&self, xs: &[Item], ys: &[Item]) -> Vec<usize> {
        let tags: HashSet<_> = ys.iter().map(|y| self.sender_tag(y)).collect();
        assert_eq!(tags.len(), ys.len());
        let hit = |&i: &usize| tags.contains(&self.receiver_tag(&xs[i]));
        (0..xs.len()).filter(hit).collect()
    }
}

#[test]
fn tags_meet_exactly_on_what_both_have() {
    let mut rng = StdRng::seed_from_u64(100);
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = Shape::for_class(1024).unwrap();
    for common in [0, 300, 1024] {
        let vole = set_up(shape.dimensions(&(0..1)), &mut rng);
        let xs = items(&hasher, 0..1024);
        let ys = items(&hasher, 1024 - common..2048 - common);
        let online = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng);
        assert_eq!(online.masked.len() + 32, shape.f8_bytes());
        assert_eq!(
            online.matches(&xs, &ys),
            (1024 - common..1024).collect::<Vec<_>>()
        );
        // Label keys meet where tags do.
        let (x, y) = (&xs[1023], &ys[common.saturating_sub(1)]);
        let keys = (
            online.receiver(x).label_key(0, x.x),
            online.sender(y).label_key(0, y.x),
        );
        assert_eq!(keys.0 == keys.1, common > 0);
    }
}

#[test]
fn bins_may_lie_in_several_voles() {
    let mut rng = StdRng::seed_from_u64(101);
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = crate::okvs::tests::toy(5, 200, 1.5, 4);
    let chunks = [0..2, 2..4, 4..5];
    let voles = chunks
        .iter()
        .map(|bins| dealt(bins.len() * shape.width(), &mut rng))
        .collect();
    let (xs, ys) = (items(&hasher, 0..800), items(&hasher, 500..1300));
    let online = Online::new(shape, &chunks, voles, &xs, &mut rng);
    assert_eq!(online.matches(&xs, &ys), (500..800).collect::<Vec<_>>());
}

#[test]
fn any_sizes_meet_as_sets_do() {
    let mut rng = StdRng::seed_from_u64(107);
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = Shape::for_class(5120).unwrap();
    for case in 0..8 {
        let mut size = || rng.random_range(0..=5000);
        let (n_x, n_y) = (size(), size());
        let common = [0, 1, n_x][case % 3].min(n_x).min(n_y);
        let (xs, ys) = (
            items(&hasher, 0..n_x),
            items(&hasher, n_x - common..n_x - common + n_y),
        );
        let vole = dealt(shape.entries(), &mut rng);
        let online = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng);
        assert_eq!(
            online.matches(&xs, &ys),
            (n_x - common..n_x).collect::<Vec<_>>(),
            "{n_x} {n_y}"
        );
    }
}

#[test]
fn near_equal_items_do_not_match() {
    let mut rng = StdRng::seed_from_u64(102);
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = Shape::for_class(1024).unwrap();
    let xs = items(&hasher, 0..50);
    // The same x with another v, and another x with the same v.
    let mut ys = vec![
        Item::new(xs[0].x, xs[1].v),
        Item::new(xs[1].x + Gf128::ONE, xs[1].v),
    ];
    ys.push(xs[2].clone());
    let vole = dealt(shape.entries(), &mut rng);
    let online = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng);
    assert_eq!(online.matches(&xs, &ys), [2]);
}

/// χ² of the bytes of a string; 255 degrees of freedom, mean 255, deviation 22.6.
fn chi(bytes: &[u8]) -> f64 {
    let mut counts = [0f64; 256];
    bytes
        .iter()
        .for_each(|&byte| counts[usize::from(byte)] += 1.0);
    let expected = bytes.len() as f64 / 256.0;
    counts
        .iter()
        .map(|count| (count - expected).powi(2) / expected)
        .sum()
}

#[test]
fn what_is_sent_does_not_depend_on_the_items() {
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = Shape::for_class(4096).unwrap();
    let ys = items(&hasher, 0..4096);
    let mut seen = Vec::new();
    for xs in [
        items(&hasher, 0..4096),
        items(&hasher, 10_000..14_096),
        items(&hasher, 0..0),
    ] {
        let mut rng = StdRng::seed_from_u64(103);
        let vole = set_up(shape.dimensions(&(0..1)), &mut rng);
        let online = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng);
        assert!(
            (140.0..390.0).contains(&chi(&online.masked)),
            "F8: {}",
            chi(&online.masked)
        );
        // Tags of what the receiver does not have.
        let own: HashSet<_> = xs.iter().map(|x| x.x.to_bits()).collect();
        let others = ys.iter().filter(|y| !own.contains(&y.x.to_bits()));
        let tags: Vec<_> = others
            .flat_map(|y| online.sender_tag(y).to_le_bytes())
            .collect();
        assert!(
            tags.is_empty() || (140.0..390.0).contains(&chi(&tags)),
            "{}",
            chi(&tags)
        );
        seen.push(online.masked);
    }
    assert!(seen[0].len() == seen[1].len() && seen[1].len() == seen[2].len());
    // The same items again, under other randomness: as far from the first as random strings are.
    let mut rng = StdRng::seed_from_u64(104);
    let xs = items(&hasher, 0..4096);
    let vole = set_up(shape.dimensions(&(0..1)), &mut rng);
    let again = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng).masked;
    let difference: u32 = seen[0]
        .iter()
        .zip(&again)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    let bits = 8.0 * again.len() as f64;
    assert!((f64::from(difference) - bits / 2.0).abs() < 5.0 * bits.sqrt() / 2.0);
}

#[test]
fn replacing_what_does_not_match_leaves_the_matching_tags_as_they_are() {
    let mut rng = StdRng::seed_from_u64(105);
    let hasher = ItemHasher::new(&[4; 32], &RUN);
    let shape = Shape::for_class(1024).unwrap();
    let vole = dealt(shape.entries(), &mut rng);
    let (xs, ys) = (items(&hasher, 0..1000), items(&hasher, 900..1900));
    let others = items(&hasher, 5000..5900);
    let online = Online::new(shape, &whole(shape), vec![vole], &xs, &mut rng);
    let tags = |ys: &[Item]| {
        ys.iter()
            .map(|y| online.sender_tag(y))
            .collect::<HashSet<_>>()
    };
    let (before, after) = (tags(&ys), tags(&others));
    // Nothing of Y \ X shows in what the receiver computes from its own items.
    let own: HashSet<_> = xs.iter().map(|x| online.receiver_tag(x)).collect();
    assert_eq!(own.intersection(&before).count(), 100);
    assert_eq!(own.intersection(&after).count(), 0);
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let mut rng = StdRng::seed_from_u64(106);
    let shape = crate::okvs::tests::toy(3, 100, 1.3, 3);
    for bins in [0..2, 1..3, 0..4] {
        let (sender, receiver) = dealt(shape.entries(), &mut rng);
        assert!(sender.into_bins(&shape, bins.clone()).is_none());
        assert!(receiver.into_bins(&shape, bins).is_none());
    }
    let width = shape.width();
    for wrong in [0, 16 * width - 1, 16 * width + 16] {
        let (sender, _) = dealt(shape.entries(), &mut rng);
        let bin = sender.into_bins(&shape, 0..3).unwrap().pop().unwrap();
        assert!(bin.unmask(&shape, &vec![0; wrong]).is_none());
    }
    for wrong in [0, width - 1, width + 1] {
        let (_, receiver) = dealt(shape.entries(), &mut rng);
        let bin = receiver.into_bins(&shape, 0..3).unwrap().pop().unwrap();
        assert!(bin.mask(&shape, &vec![Gf128::ZERO; wrong]).is_none());
    }
}
