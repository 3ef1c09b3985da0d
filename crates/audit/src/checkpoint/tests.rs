#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::tree::{self, ProofError, leaf_hash};

/// The example of C2SP tlog-checkpoint, as the third incarnation of that log.
const EXAMPLE: &str = "example.com/behind-the-sofa/3\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn kept(proof: &[Hash]) -> Continuation {
    Continuation::Kept(proof.to_vec())
}

fn checkpoint(size: u64) -> Checkpoint {
    let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    Checkpoint {
        origin: Origin::first(ledger_name("c", "alpha").unwrap()),
        size,
        root: tree::root(&leaves),
    }
}

#[test]
fn the_example_of_the_specification_is_read() {
    let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
    let ledger = KeyName::new("example.com/behind-the-sofa").unwrap();
    let incarnation = 3;
    assert_eq!(
        checkpoint.origin,
        Origin {
            ledger,
            incarnation
        }
    );
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.to_string(), EXAMPLE);
}

#[test]
fn a_checkpoint_has_one_text() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for text in [
        String::new(),
        "\n".to_owned(),
        format!("a/1\n1\n{root}"),
        format!("a/1\n1\n{root}\n\n"),
        format!("a/1\n1\n{root}\nextension\n"),
        format!("a/1\n01\n{root}\n"),
        format!("a/1\n+1\n{root}\n"),
        format!("a/1\n-1\n{root}\n"),
        format!("a/1\n 1\n{root}\n"),
        format!("a/1\n\n{root}\n"),
        format!("a/1\n18446744073709551616\n{root}\n"),
        format!("\n1\n{root}\n"),
        format!("a b/1\n1\n{root}\n"),
        format!("a/1\n1\n{}\n", root.trim_end_matches('=')),
        format!("a/1\n1\n{}\n", root.replace("q2I=", "q2J=")),
        "a/1\n1\nAAAA\n".to_owned(),
        "a/1\n1\n\n".to_owned(),
        format!("a\n1\n{root}\n"),
        format!("a/\n1\n{root}\n"),
        format!("/1\n1\n{root}\n"),
        format!("a/0\n1\n{root}\n"),
        format!("a/01\n1\n{root}\n"),
        format!("a/+1\n1\n{root}\n"),
        format!("a/18446744073709551616\n1\n{root}\n"),
    ] {
        assert_eq!(
            Checkpoint::parse(&text),
            Err(CheckpointError::Text),
            "{text:?}"
        );
    }
    let largest = Checkpoint::parse(&format!("a/1\n{}\n{root}\n", u64::MAX));
    assert_eq!(largest.unwrap().size, u64::MAX);
}

#[test]
fn the_ledgers_own_key_signs() {
    let signed = checkpoint(3).sign(&key());
    let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
    assert_eq!(read, signed);
    let ledger = || ledger_name("c", "alpha").unwrap();
    let log = NoteKey::new(ledger(), key().verifying_key());
    assert_eq!(read.verify(&log), Ok(&checkpoint(3)));
    // A key is one of the ledger, under whichever of its incarnations it was given.
    for incarnation in ["1", "2", "18446744073709551615"] {
        let name = KeyName::new(&format!("{}/{incarnation}", ledger().as_str())).unwrap();
        let log = NoteKey::new(name, key().verifying_key());
        assert_eq!(read.verify(&log), Ok(&checkpoint(3)));
    }
    for other in [
        "blindmatch/c/alpha",
        "blindmatch/c/alpha/ledger/1/1",
        "ledger/1",
    ] {
        let log = NoteKey::new(KeyName::new(other).unwrap(), key().verifying_key());
        assert_eq!(read.verify(&log), Err(CheckpointError::OtherLedger));
    }
    let other_key = SigningKey::from_bytes(&[2; 32]).verifying_key();
    assert_eq!(
        read.verify(&NoteKey::new(ledger(), other_key)),
        Err(CheckpointError::Note(NoteError::Unsigned))
    );
    let other_ledger = ledger_name("c", "beta").unwrap();
    assert_eq!(
        read.verify(&NoteKey::new(other_ledger, key().verifying_key())),
        Err(CheckpointError::OtherLedger)
    );
    let larger = signed.to_string().replacen("\n3\n", "\n4\n", 1);
    assert_eq!(
        SignedCheckpoint::parse(larger.as_bytes())
            .unwrap()
            .verify(&log),
        Err(CheckpointError::Note(NoteError::Signature))
    );
}

#[test]
fn no_signature_of_any_key_of_the_ledger_is_wrong() {
    let name = ledger_name("c", "alpha").unwrap();
    let former = SigningKey::from_bytes(&[2; 32]);
    let [present, former] =
        [key(), former].map(|key| NoteKey::new(name.clone(), key.verifying_key()));
    let signed = checkpoint(3).sign(&key());
    let both = [former.clone(), present.clone()];
    assert_eq!(signed.verify_by(&both), Ok(signed.unverified()));
    let mut forged = signed.clone();
    let of_former = checkpoint(4).sign(&SigningKey::from_bytes(&[2; 32]));
    forged.add(&of_former.signatures()[0]).unwrap();
    for keys in [&[former.clone(), present.clone()], &[present, former]] {
        assert_eq!(
            forged.verify_by(keys),
            Err(CheckpointError::Note(NoteError::Signature))
        );
    }
    assert_eq!(forged.verify_by(&[]), Err(CheckpointError::OtherLedger));
}

#[test]
fn a_signature_is_added_once() {
    let mut signed = checkpoint(3).sign(&key());
    let own = signed.signatures().to_vec();
    assert_eq!(own.len(), 1);
    for line in &own {
        signed.add(line).unwrap();
    }
    assert_eq!(signed.signatures(), own);
    let mut other = checkpoint(3).sign(&SigningKey::from_bytes(&[2; 32]));
    other.add(own.first().unwrap()).unwrap();
    assert_eq!(other.signatures().len(), 2);
    let text = other.to_string();
    assert_eq!(SignedCheckpoint::parse(text.as_bytes()), Ok(other));
}

/// Every pair of two ledgers that agree on some records and then do not.
#[test]
fn forks_and_rollbacks_are_named() {
    let leaves = |fork: u64| -> Vec<Hash> {
        (0..12_u64)
            .map(|i| leaf_hash(&[u8::from(i >= fork), u8::try_from(i).unwrap()]))
            .collect()
    };
    let head = |leaves: &[Hash], size: usize| Checkpoint {
        origin: Origin::first(ledger_name("c", "alpha").unwrap()),
        size: size as u64,
        root: tree::root(leaves.get(..size).unwrap()),
    };
    let honest = leaves(12);
    for fork in 0..=12 {
        let forked = leaves(fork);
        for old_size in 0..=12 {
            for size in 0..=12 {
                let (old, new) = (head(&honest, old_size), head(&forked, size));
                let proof = tree::consistency_proof(forked.get(..size).unwrap(), old.size);
                let proof = proof.unwrap_or_default();
                let expected = if size < old_size {
                    Err(SuccessionError::Rollback {
                        from: old.size,
                        to: new.size,
                    })
                } else if old.size <= fork {
                    Ok(())
                } else if size == old_size {
                    Err(SuccessionError::Fork(old.size))
                } else {
                    Err(SuccessionError::Proof(ProofError::Root))
                };
                assert_eq!(new.verify_succession(&old, &kept(&proof)), expected);
            }
        }
    }
    let (old, mut other) = (head(&honest, 5), head(&honest, 5));
    other.origin.ledger = ledger_name("c", "beta").unwrap();
    assert_eq!(
        other.verify_succession(&old, &kept(&[])),
        Err(SuccessionError::OtherLedger)
    );
}

#[test]
fn no_two_members_share_a_name() {
    assert_eq!(
        witness_name("c", "alpha").unwrap().as_str(),
        "blindmatch/c/alpha/witness"
    );
    for (consortium, member) in [
        ("", "a"),
        ("c", ""),
        ("c", "a/b"),
        ("c/a", "b"),
        ("c", "a b"),
    ] {
        assert_eq!(ledger_name(consortium, member), Err(NoteError::Name));
    }
}
