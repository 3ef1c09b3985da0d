#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::convert::Infallible;

use blindmatch_audit::tree::{consistency_path, inclusion_path};

use super::*;

#[test]
fn every_root_and_path_is_that_of_the_whole_list() {
    const SIZE: u64 = 2_100;
    let leaves: Vec<_> = (0..SIZE)
        .map(|n| tree::leaf_hash(&n.to_be_bytes()))
        .collect();
    let mut outline = Outline::default();
    for (index, leaf) in (0..).zip(&leaves) {
        outline.append(
            *leaf,
            Place {
                segment: 0,
                offset: index,
            },
        );
    }
    let mut reads = 0;
    let mut root = |range: Range<u64>| {
        let mut read = |leaf: u64| {
            reads += 1;
            let chunk = outline.chunk(leaf).unwrap();
            let range = chunk.first as usize..(chunk.first + chunk.count) as usize;
            assert!(chunk.is(&leaves[range.clone()]));
            Ok::<_, Infallible>(leaves[range].to_vec())
        };
        let Ok(root) = outline.root(range.clone(), &mut read);
        let range = range.start as usize..range.end as usize;
        assert_eq!(root, tree::root(&leaves[range]));
    };
    let near =
        |size: &u64| size.is_multiple_of(61) || size.abs_diff(size.next_multiple_of(256)) < 3;
    for size in (1..=SIZE).filter(near) {
        root(0..size);
        // Around the borders of chunks, and some between.
        for index in [
            0,
            1,
            255,
            256,
            257,
            511,
            512,
            1_023,
            2_047,
            size / 3,
            size - 1,
        ] {
            if let Some(path) = inclusion_path(index, size) {
                path.into_iter().for_each(&mut root);
            }
            if let Some(path) = consistency_path(index, size) {
                path.into_iter().for_each(&mut root);
            }
        }
    }
    assert!(reads > 0);
}

#[test]
fn a_chunk_knows_its_place_and_its_leaves() {
    let mut outline = Outline::default();
    for index in 0..600 {
        let place = Place {
            segment: 0,
            offset: 100 * index,
        };
        outline.append(tree::leaf_hash(&index.to_be_bytes()), place);
    }
    let chunk = outline.chunk(300).unwrap();
    assert_eq!(
        (chunk.first, chunk.count, chunk.place.offset),
        (256, 256, 25_600)
    );
    let last = outline.chunk(599).unwrap();
    assert_eq!((last.first, last.count), (512, 88));
    assert!(outline.chunk(600).is_none());
    let leaves: Vec<_> = (512..600u64)
        .map(|n| tree::leaf_hash(&n.to_be_bytes()))
        .collect();
    assert!(last.is(&leaves));
    assert!(!last.is(&leaves[1..]));
    assert!(!chunk.is(&leaves));
}
