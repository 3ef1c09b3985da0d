use std::io;

use blindmatch_store::collection::{CollectionKind, CollectionName};

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

#[test]
fn an_index_for_which_the_disk_has_no_room_says_so() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let hints = Error::Index(FactsError::Disk(kind)).hints();
        assert!(hints.concat().contains("the disk is full"), "{hints:?}");
    }
    let other = Error::Index(FactsError::Disk(io::ErrorKind::Other));
    assert_eq!(other.to_string(), "index: it cannot be made");
    assert!(!other.hints().is_empty());
}

#[test]
fn what_is_known_of_a_collection_stands_in_its_hints() -> Result<(), Box<dyn std::error::Error>> {
    let name: CollectionName = "abuse".parse()?;
    for error in [CollectionError::NoSource, CollectionError::PaymentKey] {
        let hints = Error::Collection(name.clone(), error).hints();
        let hints = hints.concat();
        assert!(
            hints.contains(" abuse") && !hints.contains("NAME"),
            "{hints}"
        );
    }
    // Another one is for the operator to name.
    let kind = CollectionError::Kind(CollectionKind::Customers);
    let hints = Error::Collection(name.clone(), kind).hints();
    assert!(hints.concat().contains("--collection NAME"), "{hints:?}");
    Ok(())
}
