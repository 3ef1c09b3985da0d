#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{io::Seek, os::unix::fs::PermissionsExt, sync::Mutex};

use super::*;

/// Notes every operation and fails the one with this number.
#[derive(Default)]
struct FailAt {
    fail: Option<usize>,
    shorten: Option<usize>,
    seen: Mutex<Vec<(Operation, PathBuf)>>,
}

impl Faults for FailAt {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let mut seen = self.seen.lock().unwrap();
        seen.push((operation, path.to_owned()));
        if self.fail == Some(seen.len() - 1) {
            Verdict::Fail(io::ErrorKind::StorageFull.into())
        } else if let (Some(length), Operation::Write { .. }) = (self.shorten, operation) {
            Verdict::Shorten(length)
        } else {
            Verdict::Proceed
        }
    }
}

fn write(disk: &Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    disk.publish(path, |file| file.write_all(bytes))
}

#[test]
fn outside_of_a_home_a_failed_sync_is_an_error() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |fail: Option<usize>| {
        let faults = Arc::new(FailAt {
            fail,
            ..FailAt::default()
        });
        let disk = Disk::with_faults(home.path(), faults.clone());
        let mut part = disk.foreign(other.path()).part("backup")?;
        part.write_all(b"whole")?;
        let published = part.publish("backup");
        let seen = std::mem::take(&mut *faults.seen.lock().unwrap());
        published.map(|()| seen)
    };
    let seen = write(None).unwrap();
    let syncs = |(operation, path): &&(Operation, PathBuf)| {
        assert!(path.is_absolute());
        matches!(operation, Operation::Sync | Operation::SyncDirectory)
    };
    assert_eq!(seen.iter().filter(syncs).count(), 2);
    fs::remove_file(other.path().join("backup")).unwrap();
    for (fail, operation) in seen.iter().enumerate() {
        let error = write(Some(fail)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let left = fs::read_dir(other.path()).unwrap().count();
        assert_eq!(left, 0, "{operation:?}");
    }
}

#[test]
fn a_file_is_synced_before_it_is_renamed_and_its_directory_after() {
    let home = tempfile::tempdir().unwrap();
    let faults = Arc::new(FailAt::default());
    let disk = Disk::with_faults(home.path(), faults.clone());
    disk.create_directory("runs/1").unwrap();
    faults.seen.lock().unwrap().clear();
    write(&disk, "runs/1/receipt", b"whole").unwrap();
    assert_eq!(disk.read("runs/1/receipt", 5).unwrap(), b"whole");
    let seen = faults.seen.lock().unwrap();
    let operations: Vec<_> = seen.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(
        operations[..8],
        [
            Operation::CreateDirectory,
            Operation::SyncDirectory,
            Operation::Create,
            Operation::Write { length: 5 },
            Operation::Sync,
            Operation::Rename,
            Operation::SyncDirectory,
            Operation::Read,
        ]
    );
    assert_eq!(seen[6].1, Path::new("runs/1"));
}

#[test]
fn nothing_appears_when_any_step_fails() {
    // Of the eight steps of a publication, those that return: the others end the process.
    for fail in [0, 2, 3, 5] {
        let home = tempfile::tempdir().unwrap();
        let faults = FailAt {
            fail: Some(fail),
            ..FailAt::default()
        };
        let disk = Disk::with_faults(home.path(), Arc::new(faults));
        let error = write(&disk, "card", b"whole").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("cannot "), "{error}");
        assert!(!disk.exists("card").unwrap(), "{fail}");
        let aside = disk.list(ASIDE).unwrap_or_default();
        assert!(aside.is_empty(), "{fail}: {aside:?}");
    }
}

#[test]
fn a_write_cut_short_is_continued() {
    let home = tempfile::tempdir().unwrap();
    let faults = FailAt {
        shorten: Some(2),
        ..FailAt::default()
    };
    let disk = Disk::with_faults(home.path(), Arc::new(faults));
    write(&disk, "card", b"whole").unwrap();
    assert_eq!(disk.read("card", 100).unwrap(), b"whole");
}

#[test]
fn only_the_owner_may_read() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("new/home");
    let disk = Disk::new(&root);
    disk.create_directory("keys/files").unwrap();
    write(&disk, "keys/storage", b"secret").unwrap();
    disk.open_to_append("keys/log").unwrap();
    let mode = |path: &str| root.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("keys/files"), 0o700);
    assert_eq!(mode("keys/storage"), 0o600);
    assert_eq!(mode("keys/log"), 0o600);
}

#[test]
fn no_path_leads_out() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(&home.path().join("home"));
    disk.create_directory("").unwrap();
    for path in ["../card", "/etc/passwd", "keys/../../card", "./card"] {
        let error = write(&disk, path, b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidFilename, "{path}");
    }
    assert!(!home.path().join("card").exists());
}

#[test]
fn too_much_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    write(&disk, "card", b"whole").unwrap();
    let error = disk.read("card", 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn destroying_overwrites_what_another_name_still_shows() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    write(&disk, "key", &[7; 5000]).unwrap();
    fs::hard_link(home.path().join("key"), home.path().join("link")).unwrap();
    disk.destroy("key").unwrap();
    assert!(!disk.exists("key").unwrap());
    assert_eq!(disk.read("link", 5000).unwrap(), [0; 5000]);
}

#[test]
fn what_was_left_aside_is_swept() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut aside = disk.aside().unwrap();
    aside.write_all(b"half").unwrap();
    std::mem::forget(aside);
    assert_eq!(disk.list(ASIDE).unwrap().len(), 1);
    disk.sweep().unwrap();
    assert!(disk.list(ASIDE).unwrap().is_empty());
}

#[test]
fn what_is_aside_can_be_read_back() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut aside = disk.aside().unwrap();
    aside.write_all(b"run").unwrap();
    aside.rewind().unwrap();
    let mut read = String::new();
    aside.read_to_string(&mut read).unwrap();
    assert_eq!(read, "run");
    drop(aside);
    assert!(disk.list(ASIDE).unwrap().is_empty());
}

#[test]
fn a_long_file_is_whole_though_it_was_sent_to_the_disk_in_parts() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut aside = disk.aside().unwrap().sent_ahead();
    let part: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    for _ in 0..30 {
        aside.write_all(&part).unwrap();
    }
    disk.publish_together(vec![(aside, "long".to_owned())])
        .unwrap();
    let written = fs::read(home.path().join("long")).unwrap();
    assert_eq!(written.len(), 30 << 20);
    assert!(written.chunks(1 << 20).all(|chunk| chunk == part));
}

#[test]
fn a_sync_ahead_that_failed_is_not_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut aside = disk.aside().unwrap().sent_ahead();
    // What cannot be synced at all.
    aside.file.file = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let megabyte = vec![0; 1 << 20];
    for _ in 0..8 {
        aside.write_all(&megabyte).unwrap();
    }
    assert!(aside.wait().is_err());
    // Said once: it is the next write, or the end of the file, that fails.
    assert!(aside.wait().is_ok());
}
