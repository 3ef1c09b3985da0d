#![no_main]
//! The canonical encodings of `audit` and `psi`: what decodes is its own encoding.

use blindmatch_audit::codec::{Reader, Writer};
use blindmatch_audit::commitment::Opening;
use blindmatch_audit::receipt::{Receipt, SignedReceipt};
use blindmatch_psi::agreement::{Agreement, Refusal};
use blindmatch_psi::attach::Attach;
use blindmatch_psi::publication::{BlockProof, Epoch, Manifest};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Record(Kind, Vec<u8>),
    Raw(Vec<u8>),
    Fields(Vec<Field>, Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Receipt,
    SignedReceipt,
    Opening,
    Agreement,
    Refusal,
    Attach,
    Manifest,
    BlockProof,
    Epoch,
}

/// A field to read of a message.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Field {
    U8,
    U16,
    U32,
    U64,
    Fixed,
    Bytes(u16),
    Items(u16, u8),
}

const FIELDS: &str = "blindmatch fuzz v1";

fuzz_target!(|input: Input| match input {
    Input::Record(kind, rest) => decodes(&Writer::new(context(kind)).fixed(&rest).finish()),
    Input::Raw(bytes) => decodes(&bytes),
    Input::Fields(fields, rest) => {
        reads(&fields, &Writer::new(FIELDS).fixed(&rest).finish());
    }
});

const fn context(kind: Kind) -> &'static str {
    match kind {
        Kind::Receipt => "blindmatch receipt v1",
        Kind::SignedReceipt => "blindmatch signed receipt v1",
        Kind::Opening => "blindmatch result opening v1",
        Kind::Agreement => "blindmatch agreement v1",
        Kind::Refusal => "blindmatch refusal v1",
        Kind::Attach => "blindmatch attach v1",
        Kind::Manifest => "blindmatch manifest v1",
        Kind::BlockProof => "blindmatch block proof v1",
        Kind::Epoch => "blindmatch epoch state v1",
    }
}

fn decodes(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes);
    }
    if let Ok(receipt) = SignedReceipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes);
    }
    if let Ok(opening) = Opening::decode(bytes) {
        assert_eq!(opening.encode(), bytes);
        assert!(opening.verify(b"row", &[0; 32]).is_err());
    }
    if let Ok(agreement) = Agreement::decode(bytes) {
        assert_eq!(agreement.encode(), bytes);
        for direction in &agreement.directions {
            let _ = agreement.run_id(direction);
        }
        assert_eq!(
            agreement.completes(&agreement),
            agreement.parties[1].nonce != [0; 32]
        );
    }
    if let Ok(refusal) = Refusal::decode(bytes) {
        assert_eq!(refusal.encode(), bytes);
    }
    if let Ok((attach, signature)) = Attach::decode(bytes) {
        assert_eq!(attach.encode(&signature), bytes);
    }
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(manifest.encode(), bytes);
        assert!(manifest.check_succession(&manifest).is_err());
        assert!(manifest.check_next_epoch(&manifest).is_err());
        let _ = manifest.edition.file_length() + manifest.edition.difference_length();
    }
    if let Ok(proof) = BlockProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
    }
    if let Ok(epoch) = Epoch::decode(bytes) {
        assert_eq!(epoch.encode(), bytes);
    }
}

/// What is read and written again gives the bytes that were read.
fn reads(fields: &[Field], message: &[u8]) {
    let mut reader = Reader::new(FIELDS, message).expect("its own context");
    let mut writer = Writer::new(FIELDS);
    for field in fields {
        let read = match *field {
            Field::U8 => reader.u8().map(|n| writer.u8(n)),
            Field::U16 => reader.u16().map(|n| writer.u16(n)),
            Field::U32 => reader.u32().map(|n| writer.u32(n)),
            Field::U64 => reader.u64().map(|n| writer.u64(n)),
            Field::Fixed => reader.fixed::<7>().map(|bytes| writer.fixed(&bytes)),
            Field::Bytes(limit) => reader.bytes(limit.into()).map(|bytes| {
                assert!(bytes.len() <= limit.into());
                writer.bytes(bytes)
            }),
            Field::Items(limit, width) => {
                let items = reader.items(limit.into(), width.into());
                items.map(|items| {
                    // A count of items without width is not among the bytes.
                    let count = items.len().checked_div(width.into()).unwrap_or(0);
                    writer.u32(u32::try_from(count).expect("a small count"));
                    writer.fixed(items)
                })
            }
        };
        if read.is_err() || matches!(field, Field::Items(_, 0)) {
            return;
        }
    }
    if reader.finish().is_ok() {
        assert_eq!(writer.finish(), message);
    }
}
