//! What a node reads that others wrote: wrapped payment keys, exported keys and ledgers,
//! configurations.

#![no_main]

use std::fmt::Write;
use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use blindmatch_audit::SigningKey;
use blindmatch_audit::checkpoint::{Checkpoint, Origin, ledger_name};
use blindmatch_audit::cosignature::Quorum;
use blindmatch_audit::note::NoteKey;
use blindmatch_audit::record::{Event, Record};
use blindmatch_audit::tree::CompactRange;
use blindmatch_node::config::Config;
use blindmatch_node::exported::Exported;
use blindmatch_node::ledger::exported;
use blindmatch_node::payment::wrapped::WrappedKey;
use libfuzzer_sys::fuzz_target;

/// A ledger of three records, as it is exported, with its head and the key of its checkpoints.
struct Ledger {
    text: String,
    head: Checkpoint,
    key: NoteKey,
}

static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let key = SigningKey::from_bytes(&[7; 32]);
    let ledger = ledger_name("cloudshield", "acme").expect("a name");
    let mut tree = CompactRange::default();
    let first = Event::Incarnation {
        number: 1,
        size: 0,
        root: tree.root(),
    };
    let mut lines = String::new();
    for (index, event) in [first, Event::Filler, Event::Filler]
        .into_iter()
        .enumerate()
    {
        let record = Record {
            time: 1_800_000_000,
            nonce: [9; 32],
            event,
        };
        tree.append(record.leaf_hash());
        let record = Base64::encode_string(&record.encode());
        writeln!(lines, r#"{{"index":{index},"record":"{record}"}}"#).expect("a string");
    }
    let head = Checkpoint {
        origin: Origin::first(ledger.clone()),
        size: tree.size(),
        root: tree.root(),
    };
    let signed = head.clone().sign(&key).to_string();
    let first = serde_json::json!({
        "schema": "blindmatch.ledger.v1", "keys": [], "checkpoint": signed
    });
    Ledger {
        text: format!("{first}\n{lines}"),
        head,
        key: NoteKey::new(ledger, key.verifying_key()),
    }
});

fuzz_target!(|input: (&str, Vec<(u16, u8)>)| {
    let (text, changes) = input;
    if let Ok(wrapped) = WrappedKey::parse(text) {
        assert_eq!(wrapped.text(), text);
    }
    if let Ok(exported) = Exported::parse(text) {
        let again = Exported::parse(&exported.to_text()).expect("its own text");
        assert_eq!(again.key(), exported.key());
    }
    if let Err(error) = Config::parse(text) {
        assert!(error.line >= 1 && error.column >= 1);
    }
    // Whatever is changed in an exported ledger, what verifies is the ledger that was exported.
    let Ledger { text, head, key } = &*LEDGER;
    let mut bytes = text.clone().into_bytes();
    for (at, change) in changes {
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= change;
    }
    let quorum = Quorum::majority(Vec::new()).expect("nobody");
    let keys = std::slice::from_ref(key);
    if let Ok(checkpoint) = exported::verify(&mut bytes.as_slice(), keys, &quorum, Vec::new()) {
        assert_eq!(checkpoint.unverified(), head);
    }
});
