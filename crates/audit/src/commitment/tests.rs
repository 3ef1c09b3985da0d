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
    let (none, all): (&[&[u8]], &[&[u8]]) = (&[], &ROWS);
    let none = ResultCommitment::new(none, 8, [1; 32]).unwrap();
    let all = ResultCommitment::new(all, 8, [1; 32]).unwrap();
    assert_eq!(none.leaves.len(), all.leaves.len());
    let one = ResultCommitment::new(&ROWS[..1], 8, [1; 32]).unwrap();
    let length = |c: &ResultCommitment| c.open(0, b"first").unwrap().encode().len();
    assert_eq!(length(&one), length(&all));
    assert!(ResultCommitment::new(&ROWS, 2, [1; 32]).is_none());
    assert!(ResultCommitment::new::<&[u8]>(&[], 0, [1; 32]).is_none());
}

/// Padding is no match: neither does an owner commit to it as one, nor does a verifier take it.
#[test]
fn an_empty_row_is_neither_committed_to_nor_opened() {
    assert!(ResultCommitment::new(&[b"first".as_slice(), b""], 8, [1; 32]).is_none());
    let commitment = ResultCommitment::new(&ROWS, 8, [1; 32]).unwrap();
    assert_eq!(commitment.open(5, b""), None);
    // As an owner would open it that does not keep to this.
    let salt = *salt(&commitment.seed, 5);
    let index = commitment.leaves.binary_search(&leaf(&salt, b"")).unwrap() as u64;
    let opening = Opening {
        index,
        leaves: 8,
        salt,
        proof: tree::inclusion_proof(&commitment.leaves, index).unwrap(),
    };
    let root = commitment.root();
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
