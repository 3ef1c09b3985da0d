#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

const ROWS: [&[u8]; 3] = [b"first", b"second", b"third"];

#[test]
fn each_row_opens_and_no_other() {
    let commitment = ResultCommitment::new(&ROWS, 16, [9; 32]).unwrap();
    let root = commitment.root();
    for (number, row) in (0..).zip(ROWS) {
        let opening = commitment.open(number, row).unwrap();
        let opening = Opening::decode(&opening.encode()).unwrap();
        assert_eq!(opening.verify(row, &root), Ok(()));
        let other = Err(OpeningError::Proof(ProofError::Root));
        assert_eq!(opening.verify(b"fourth", &root), other);
        assert_eq!(opening.proof.len(), 4);
        assert_eq!(commitment.open(number + 1, row), None);
        assert_eq!(commitment.open(number, b"fourth"), None);
    }
    let again = ResultCommitment::new(&ROWS, 16, [9; 32]).unwrap();
    assert_eq!(again.root(), root);
    let other = ResultCommitment::new(&ROWS, 16, [8; 32]).unwrap();
    assert_ne!(other.root(), root);
}

#[test]
fn the_number_of_rows_does_not_show() {
    let all = ResultCommitment::new(&ROWS, 8, [1; 32]).unwrap();
    let one = ResultCommitment::new(&ROWS[..1], 8, [1; 32]).unwrap();
    let length = |c: &ResultCommitment| c.open(0, b"first").unwrap().encode().len();
    assert_eq!(length(&one), length(&all));
    let none = ResultCommitment::new::<&[u8]>(&[], 8, [1; 32]).unwrap();
    assert_ne!(none.root(), one.root());
    assert!(ResultCommitment::new(&ROWS, 4, [1; 32]).is_none());
    assert!(ResultCommitment::new(&ROWS, 12, [1; 32]).is_none());
    assert!(ResultCommitment::new::<&[u8]>(&[], 0, [1; 32]).is_none());
    for (rows, leaves) in [(0, 16), (8, 16), (9, 32), (1_000_000, 1 << 21)] {
        assert_eq!(ResultCommitment::leaves_for(rows), leaves);
    }
    assert_eq!(ResultCommitment::leaves_for(u64::MAX), 2 * MOST);
}

/// The tree is that of RFC 9162 over all leaves, wherever rows and padding stand.
#[test]
fn every_leaf_is_a_row_s_or_padding_s() {
    let rows: Vec<_> = (0..32_u32).map(|row| row.to_be_bytes()).collect();
    for count in 0..=rows.len() {
        let commitment = ResultCommitment::new(&rows[..count], 64, [3; 32]).unwrap();
        let keyed = keyed(&commitment.seed);
        assert_eq!(commitment.leaves.len(), count);
        // Where both halves of a subtree are padding, it is padding as a whole.
        let root = |level: u32, number: u64| {
            let within = |(place, _): &&(u64, Hash)| place >> level == number;
            let leaves: Vec<_> = commitment.leaves.iter().filter(within).copied().collect();
            node(&keyed, &leaves, level, number)
        };
        let is_empty = |level: u32, number: u64| {
            commitment
                .leaves
                .iter()
                .all(|(place, _)| place >> level != number)
        };
        for level in 1..=6 {
            for number in 0..1 << (6 - level) {
                if !is_empty(level, number) {
                    let halves = [2 * number, 2 * number + 1].map(|half| root(level - 1, half));
                    assert_eq!(root(level, number), tree::node_hash(&halves[0], &halves[1]));
                }
            }
        }
        assert_eq!(root(6, 0), commitment.root());
        for (number, row) in (0..).zip(&rows[..count]) {
            let opening = commitment.open(number, row).unwrap();
            assert_eq!(opening.verify(row, &commitment.root()), Ok(()));
        }
    }
}

/// Of a row its place says nothing: with another seed it is another one.
#[test]
fn places_are_spread_by_the_seed() {
    let mut counts = [0_u32; 4];
    for seed in 0..200 {
        let commitment = ResultCommitment::new(&ROWS, 1 << 20, [seed; 32]).unwrap();
        for place in commitment.places {
            counts[usize::try_from(place >> 18).unwrap()] += 1;
        }
    }
    assert!(
        counts.iter().all(|count| (100..200).contains(count)),
        "{counts:?}"
    );
}

/// Padding is no match: neither does an owner commit to it as one, nor does a verifier take it.
#[test]
fn an_empty_row_is_neither_committed_to_nor_opened() {
    assert!(ResultCommitment::new(&[b"first".as_slice(), b""], 8, [1; 32]).is_none());
    let commitment = ResultCommitment::new(&ROWS, 8, [1; 32]).unwrap();
    for number in 0..8 {
        assert_eq!(commitment.open(number, b""), None);
    }
    // As an owner would open it that does not keep to this.
    let salt = [5; 32];
    let leaves = [leaf(&salt, b""), [7; 32]];
    let opening = Opening {
        index: 0,
        leaves: 2,
        salt,
        proof: vec![leaves[1]],
    };
    let root = tree::root(&leaves);
    assert_eq!(opening.verify(b"", &root), Err(OpeningError::Padding));
}

#[test]
fn malformed_openings_are_refused() {
    let commitment = ResultCommitment::new(&ROWS, 8, [1; 32]).unwrap();
    let opening = commitment.open(0, b"first").unwrap();
    let bytes = opening.encode();
    for length in 0..bytes.len() {
        assert!(Opening::decode(&bytes[..length]).is_err());
    }
    assert_eq!(
        Opening::decode(&[bytes.as_slice(), &[0]].concat()),
        Err(DecodeError::Trailing)
    );
    let mut long = bytes.clone();
    long[1 + OPENING.len() + 48] = 65;
    assert_eq!(Opening::decode(&long), Err(DecodeError::TooLong));
    for index in 1 + OPENING.len()..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let holds = Opening::decode(&changed)
            .is_ok_and(|opening| opening.verify(b"first", &commitment.root()).is_ok());
        assert!(!holds, "byte {index}");
    }
}

#[test]
fn a_row_is_the_same_whichever_parts_of_it_are_shown() {
    let values: [&[u8]; PARTS] = [b"indicator", b"member", b"", &[7; 6]];
    let salts = PartSalts::new(&[9; 32]);
    let row = salts.row(3, values);
    for hidden in 0..1_u8 << PARTS {
        let mut shown = salts.show(3, values);
        for part in Part::ALL {
            if hidden >> part as u8 & 1 == 1 {
                shown.hide(part);
            }
        }
        assert_eq!(shown.row(), row);
        let bytes = shown.encode();
        let read = ShownRow::decode(&bytes).unwrap();
        assert_eq!(read, shown);
        for (part, value) in Part::ALL.into_iter().zip(values) {
            let is_hidden = hidden >> part as u8 & 1 == 1;
            assert_eq!(read.value(part), (!is_hidden).then_some(value));
            let stands = bytes.windows(value.len().max(1)).any(|w| w == value);
            assert!(!is_hidden || value.is_empty() || !stands);
        }
        // Any other byte is of another row, or of none.
        for at in 0..bytes.len() {
            let mut other = bytes.to_vec();
            other[at] ^= 1;
            let other = ShownRow::decode(&other).map(|other| other.row());
            assert_ne!(other, Ok(row.clone()), "{hidden} {at}");
        }
    }
    assert_ne!(salts.row(4, values), row);
    assert_ne!(PartSalts::new(&[8; 32]).row(3, values), row);
}

/// Equal values have hashes that say so to nobody: each part of each row has a salt of its own.
#[test]
fn equal_parts_do_not_show() {
    let salts = PartSalts::new(&[9; 32]);
    let rows = [0, 1].map(|number| salts.row(number, [b"same"; PARTS]));
    let hashes: std::collections::BTreeSet<_> = rows
        .iter()
        .flat_map(|row| row[row.len() - 32 * PARTS..].chunks(32))
        .collect();
    assert_eq!(hashes.len(), 2 * PARTS);
}
