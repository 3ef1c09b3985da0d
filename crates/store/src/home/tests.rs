#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::*;

fn storage() -> StorageKey {
    StorageKey::new(&[1; 32])
}

fn created() -> (TempDir, Disk) {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::new(&place.path().join("home"));
    Home::create(disk.clone(), &storage(), 1).unwrap();
    (place, disk)
}

#[test]
fn a_home_opens_again_with_its_key() {
    let (_place, disk) = created();
    let home = Home::open(disk.clone(), 2).unwrap();
    assert_eq!(home.storage_key().export(), storage().export());
    for directory in DIRECTORIES {
        assert!(disk.exists(directory).unwrap());
    }
    drop(home);
    assert!(matches!(
        Home::create(disk, &storage(), 1),
        Err(HomeError::Exists)
    ));
}

#[test]
fn one_owner_at_a_time_and_the_other_is_told_which() {
    let (_place, disk) = created();
    let home = Home::open(disk.clone(), 1_763_798_400).unwrap();
    let error = Home::open(disk.clone(), 3).unwrap_err();
    let owner = Owner {
        pid: process::id(),
        since: 1_763_798_400,
    };
    assert!(matches!(error, HomeError::Locked(Some(found)) if found == owner));
    assert_eq!(
        error.to_string(),
        format!(
            "process {} has this home open, since 2025-11-22T08:00:00Z",
            process::id()
        )
    );
    // Reading needs no lock, and cannot write.
    let read = Home::read_only(disk.root()).unwrap();
    let error = read.publish("card", |_| io::Result::Ok(())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    drop(home);
    Home::open(disk, 4).unwrap();
}

#[test]
fn a_newer_home_is_refused_and_a_damaged_marker_too() {
    let (_place, disk) = created();
    let marker = disk.root().join(MARKER);
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, "blindmatch home 2\nsomething else\n").unwrap();
    let error = Home::open(disk.clone(), 1).unwrap_err();
    assert!(matches!(error, HomeError::Newer { found: 2 }));
    for damaged in ["", "blindmatch home", "blindmatch home x\n", &text[..40]] {
        fs::write(&marker, damaged).unwrap();
        let error = Home::open(disk.clone(), 1).unwrap_err();
        assert!(matches!(error, HomeError::Marker), "{damaged:?}");
    }
    fs::remove_file(&marker).unwrap();
    let error = Home::open(disk, 1).unwrap_err();
    assert!(matches!(error, HomeError::NotAHome(_)));
}

#[test]
fn another_home_s_storage_key_is_refused() {
    let (_place, disk) = created();
    let key = disk.root().join("keys/storage");
    for (bytes, missing) in [
        (Some(vec![2; 32]), false),
        (Some(vec![1; 31]), false),
        (Some(Vec::new()), false),
        (Some(vec![1; 1 << 17]), false),
        (None, true),
    ] {
        fs::remove_file(&key).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&key, bytes).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let error = Home::open(disk.clone(), 1).unwrap_err();
        assert_eq!(matches!(error, HomeError::StorageKeyMissing), missing);
        assert_eq!(matches!(error, HomeError::StorageKeyForeign), !missing);

        // Only its own is put back, and for its owner alone.
        let put_back = |byte| {
            let given = StorageKey::new(&[byte; 32]);
            Home::put_back_storage_key(&disk, &given, 1)
        };
        let before = fs::read(&key).ok();
        assert!(matches!(put_back(2), Err(HomeError::OtherStorageKey)));
        assert_eq!(fs::read(&key).ok(), before);
        assert!(put_back(1).unwrap());
        assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
        drop(Home::open(disk.clone(), 1).unwrap());
        // One that is whole stays.
        assert!(!put_back(1).unwrap());
        assert!(matches!(put_back(2), Err(HomeError::OtherStorageKey)));
        assert_eq!(fs::read(&key).unwrap(), [1; 32]);
    }
    let owned = Home::open(disk.clone(), 1).unwrap();
    let error = Home::put_back_storage_key(&disk, &storage(), 1).unwrap_err();
    assert!(matches!(error, HomeError::Locked(_)));
    drop(owned);
}

#[test]
fn what_others_may_read_is_refused_with_what_to_do() {
    let (_place, disk) = created();
    for (path, mode) in [("", 0o700), ("keys", 0o700), ("keys/storage", 0o600)] {
        let full = disk.root().join(path);
        let set = |mode| fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
        set(mode | 0o040);
        let error = Home::open(disk.clone(), 1).unwrap_err();
        assert!(matches!(error, HomeError::Permissions { mode: m, .. } if m == mode));
        let wanted = format!("its mode has to be {mode:o}");
        assert!(error.to_string().contains(&wanted), "{error}");
        set(mode);
    }
    Home::open(disk, 1).unwrap();
}

#[test]
fn a_home_is_made_in_an_empty_directory_only() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("thesis.txt"), "").unwrap();
    let error = Home::create(Disk::new(place.path()), &storage(), 1).unwrap_err();
    assert!(matches!(error, HomeError::Occupied(_)));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn an_unfinished_home_is_completed_with_the_key_it_has() {
    let (_place, disk) = created();
    fs::remove_file(disk.root().join(MARKER)).unwrap();
    let home = Home::create(disk, &StorageKey::new(&[9; 32]), 1).unwrap();
    assert_eq!(home.storage_key().export(), storage().export());
}

#[test]
fn what_died_aside_is_swept_when_the_home_opens() {
    let (_place, disk) = created();
    fs::write(disk.root().join("aside/1-0"), "half").unwrap();
    Home::open(disk.clone(), 1).unwrap();
    assert!(disk.list(ASIDE).unwrap().is_empty());
}

#[test]
fn a_key_that_was_being_destroyed_is_gone_when_the_home_opens() {
    let (_place, disk) = created();
    let path = |name: &str| disk.root().join(KEYS).join(name);
    let home = Home::open(disk.clone(), 2).unwrap();
    for name in ["whole", "zeros", "half", "damaged"] {
        home.named_keys().store(name, &[7; 32]).unwrap();
    }
    drop(home);
    // As the process died between two writes, behind them, or otherwise.
    fs::write(path("zeros"), [0; 64]).unwrap();
    let mut bytes = fs::read(path("half")).unwrap();
    bytes.splice(..32, [0; 32]);
    fs::write(path("half"), bytes).unwrap();
    let mut bytes = fs::read(path("damaged")).unwrap();
    bytes.splice(..31, [0; 31]);
    fs::write(path("damaged"), bytes).unwrap();
    let home = Home::open(disk.clone(), 3).unwrap();
    assert_eq!(home.named_keys().names().unwrap(), ["damaged", "whole"]);
    home.named_keys().load("whole").unwrap();
}
