use std::io;

use super::*;

#[test]
fn a_place_that_takes_no_writes_is_called_that() {
    let error = || io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
    for error in [
        Error::Home(HomeError::Disk(error())),
        Error::Backup("b".into(), BackupError::Disk(error())),
        Error::Ledger(LedgerError::Disk(error().into())),
    ] {
        let hints = error.hints();
        assert!(
            hints.iter().any(|hint| hint.contains("writable")),
            "{hints:?}"
        );
        // That also reading it needs the lock is no matter of other files.
        let lock = hints.iter().any(|hint| hint.contains("takes its lock"));
        assert_eq!(lock, matches!(error, Error::Home(_)), "{hints:?}");
    }
}
