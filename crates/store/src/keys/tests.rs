#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;

use rand::{SeedableRng, rngs::StdRng};

use super::*;

fn keys(disk: &Disk, storage: u8) -> FileKeys {
    FileKeys::new(disk.clone(), &StorageKey::new(&[storage; 32]))
}

#[test]
fn a_file_key_opens_under_its_storage_key_and_name_only() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut rng = StdRng::seed_from_u64(1);
    let (id, key) = keys(&disk, 1).create(&mut rng).unwrap();
    let (other, _) = keys(&disk, 1).create(&mut rng).unwrap();
    assert_eq!(*keys(&disk, 1).load(id).unwrap(), *key);
    assert!(matches!(keys(&disk, 2).load(id), Err(KeyError::Foreign)));

    let path = home.path().join(format!("{FILES}/{id}"));
    let wrapped = fs::read(&path).unwrap();
    assert!(
        !wrapped
            .windows(8)
            .any(|part| key.windows(8).any(|k| k == part))
    );
    fs::copy(&path, home.path().join(format!("{FILES}/{other}"))).unwrap();
    assert!(matches!(keys(&disk, 1).load(other), Err(KeyError::Foreign)));
    for at in 0..wrapped.len() {
        let mut flipped = wrapped.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(matches!(keys(&disk, 1).load(id), Err(KeyError::Foreign)));
        fs::write(&path, &wrapped[..at]).unwrap();
        assert!(matches!(keys(&disk, 1).load(id), Err(KeyError::Foreign)));
    }
}

#[test]
fn a_destroyed_key_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut rng = StdRng::seed_from_u64(1);
    let keys = keys(&disk, 1);
    assert!(keys.list().unwrap().is_empty());
    let (id, _) = keys.create(&mut rng).unwrap();
    assert_eq!(keys.list().unwrap(), [id]);
    keys.destroy(id).unwrap();
    assert!(matches!(keys.load(id), Err(KeyError::Missing)));
    assert!(keys.list().unwrap().is_empty());
}

#[test]
fn each_purpose_has_its_own_key() {
    let key = StorageKey::new(&[1; 32]);
    assert_ne!(key.derive("one"), key.derive("other"));
    assert_ne!(key.derive("one"), StorageKey::new(&[2; 32]).derive("one"));
    // HKDF-SHA-256 of RFC 5869 with this key, no salt and info 03 6f6e65, computed elsewhere.
    let hex: String = key
        .derive("one")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        hex,
        "b57b2a29d91835a567026e020d25af75450598638bce74d41717d15a4efcf0a1"
    );
    assert_eq!(format!("{key:?}"), "StorageKey(redacted)");
}

#[test]
fn named_keys_stay_in_their_place() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    disk.create_directory(KEYS).unwrap();
    let keys = NamedKeys::new(disk, &StorageKey::new(&[1; 32]));
    keys.store("identity", b"secret").unwrap();
    assert_eq!(keys.load("identity").unwrap().as_slice(), b"secret");
    for name in ["", "storage", "files", "../card", "a/b", "A", "."] {
        assert!(matches!(keys.load(name), Err(KeyError::Name)), "{name}");
        assert!(matches!(keys.store(name, b""), Err(KeyError::Name)));
    }
    keys.destroy("identity").unwrap();
    assert!(matches!(keys.load("identity"), Err(KeyError::Missing)));
}

#[test]
fn a_key_by_name_is_what_was_written_under_its_name_and_storage_key() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    disk.create_directory(KEYS).unwrap();
    let keys = NamedKeys::new(disk.clone(), &StorageKey::new(&[1; 32]));
    let other = NamedKeys::new(disk, &StorageKey::new(&[2; 32]));
    for (name, secret) in [
        ("payment", &[7; 32][..]),
        ("tls-1", b"yes\n"),
        ("empty", b""),
    ] {
        keys.store(name, secret).unwrap();
        assert_eq!(keys.load(name).unwrap().as_slice(), secret);
        assert!(matches!(other.load(name), Err(KeyError::Damaged)));
        let path = home.path().join(KEYS).join(name);
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            matches!(keys.load(name), Err(KeyError::Damaged))
        };
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(refused(&flipped), "{name}, byte {at}, bit {bit}");
            }
            assert!(refused(&whole[..at]), "{name}, cut at {at}");
        }
        assert!(refused(&[&whole[..], &[0]].concat()));
        assert!(refused(&[0; 1 << 17]));
        fs::write(&path, &whole).unwrap();
        assert_eq!(keys.load(name).unwrap().as_slice(), secret);
    }
    // One key in the place of another.
    fs::copy(
        home.path().join("keys/payment"),
        home.path().join("keys/tls-1"),
    )
    .unwrap();
    assert!(matches!(keys.load("tls-1"), Err(KeyError::Damaged)));
    // Nothing of a list of bytes; a path may have any digit.
    assert!(!format!("{keys:?}").contains("7, 7"));
}

#[test]
fn the_mac_of_a_key_by_name_is_as_specified() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    disk.create_directory(KEYS).unwrap();
    let keys = NamedKeys::new(disk, &StorageKey::new(&[1; 32]));
    keys.store("tls-1", &[7; 32]).unwrap();
    let written = fs::read(home.path().join("keys/tls-1")).unwrap();
    let (secret, mac) = written.split_at(32);
    assert_eq!(secret, [7; 32]);
    // HMAC-SHA-256 under the derived key, computed elsewhere.
    let hex: String = mac.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "ecbb91fde907e57fdb65b1e3f191bb297db5c236f6281ed34a96967ab72d978d"
    );
}
