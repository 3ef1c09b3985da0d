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
        assert_eq!(opening.verify(b"fourth", &root), Err(ProofError::Root));
        assert_eq!(opening.verify(b"", &root), Err(ProofError::Root));
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
    let (none, all): (&[&[u8]], &[&[u8]]) = (&[], &ROWS);
    let none = ResultCommitment::new(none, 8, [1; 32]).unwrap();
    let all = ResultCommitment::new(all, 8, [1; 32]).unwrap();
    assert_eq!(none.leaves.len(), all.leaves.len());
    let lengths = |c: &ResultCommitment, n, row: &[u8]| c.open(n, row).unwrap().encode().len();
    assert_eq!(lengths(&none, 5, b""), lengths(&all, 0, b"first"));
    assert!(ResultCommitment::new(&ROWS, 2, [1; 32]).is_none());
    assert!(ResultCommitment::new::<&[u8]>(&[], 0, [1; 32]).is_none());
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
