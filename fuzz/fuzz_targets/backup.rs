#![no_main]
//! Backups: what is read is what was written, and nothing that was changed is.

use std::collections::BTreeMap;

use blindmatch_audit::codec::Writer;
use blindmatch_fuzz::edit::Edit;
use blindmatch_store::backup::{BackupError, Summary, read};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

#[derive(Arbitrary, Debug)]
enum Input {
    Raw(Vec<u8>),
    /// Members behind a header that holds, with digests that hold.
    Members([u8; 16], u64, Vec<(String, Vec<u8>)>),
    /// Members with paths of a home, then a change.
    Written(u64, BTreeMap<Place, Vec<u8>>, Edit),
}

#[derive(Arbitrary, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Config,
    Collection(u8, u8),
    Key(u8),
    Ledger(u64),
    Roster(u8),
}

impl Place {
    fn path(&self) -> String {
        match self {
            Self::Config => "blindmatch.toml".to_owned(),
            Self::Collection(name, file) => format!("collections/{name}/{file:064x}"),
            Self::Key(key) => format!("keys/files/{key:032x}"),
            Self::Ledger(first) => format!("ledger/{first:020}.log"),
            Self::Roster(number) => format!("roster/delegation-{number}"),
        }
    }
}

fuzz_target!(|input: Input| match input {
    Input::Raw(bytes) => _ = read_all(&bytes),
    Input::Members(mark, time, members) => _ = read_all(&encode(mark, time, &members)),
    Input::Written(time, members, edit) => {
        let members: BTreeMap<_, _> = members
            .into_iter()
            .map(|(place, content)| (place.path(), content))
            .collect();
        let members: Vec<_> = members.into_iter().collect();
        let bytes = encode([1; 16], time, &members);
        assert_eq!(read_all(&bytes).expect("it was written").1, members);
        let mut changed = bytes.clone();
        edit.apply(&mut changed);
        // The MAC at the end is checked by who has the key.
        if changed.len() != bytes.len() || changed[..bytes.len() - 32] != bytes[..bytes.len() - 32]
        {
            read_all(&changed).expect_err("a changed backup was read");
        }
    }
});

/// Reads a backup; one that is whole has no other encoding.
fn read_all(bytes: &[u8]) -> Result<(Summary, Vec<(String, Vec<u8>)>), BackupError> {
    let mut members = Vec::new();
    let summary = read(bytes, None, &mut |path, length, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, length);
        members.push((path.to_owned(), bytes));
        Ok(())
    });
    let summary = match summary {
        Err(BackupError::Damaged { member, offset, .. }) => {
            assert!(offset <= bytes.len() as u64 && member <= members.len() as u64);
            return summary.map(|summary| (summary, members));
        }
        Err(error) => panic!("{error}"),
        Ok(summary) => summary,
    };
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(summary.members, members.len() as u64);
    let mark = bytes[21..37].try_into().expect("16 bytes");
    let encoded = encode(mark, summary.time, &members);
    assert_eq!(encoded[..encoded.len() - 32], bytes[..bytes.len() - 32]);
    Ok((summary, members))
}

fn encode(mark: [u8; 16], time: u64, members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Writer::new("blindmatch backup v1")
        .fixed(&mark)
        .u64(time)
        .finish();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    for (path, content) in members {
        let mut head = (path.len() as u16).to_be_bytes().to_vec();
        head.extend_from_slice(path.as_bytes());
        head.extend_from_slice(&(content.len() as u64).to_be_bytes());
        let context = Writer::new("blindmatch backup member v1").finish();
        let digest = Sha256::digest([&context[..], &head, content].concat());
        bytes.push(1);
        bytes.extend_from_slice(&[&head[..], content, &digest].concat());
    }
    bytes.push(0);
    bytes.extend_from_slice(&(members.len() as u64).to_be_bytes());
    let total = Sha256::digest(&bytes);
    bytes.extend_from_slice(&total);
    bytes.extend_from_slice(&[0; 32]);
    bytes
}
