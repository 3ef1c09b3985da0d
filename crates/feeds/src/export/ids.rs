//! Ids that are the same each time and tell nobody what they stand for (`spec/47-export.md` §2).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::ExportId;

/// The namespace of all ids, and none of STIX (STIX 2.1 §2.9 keeps its own for observables).
pub(super) const NAMESPACE: Uuid = Uuid::from_u128(0x7ab1_ee5d_2c6a_4b0f_9f83_51d0_c4e1_6a97);

/// UUIDv5(namespace, hex(HMAC-SHA-256(key, kind ‖ 0 ‖ length and bytes of each part))).
pub(super) fn derive(key: &[u8; 32], kind: &str, parts: &[&[u8]]) -> ExportId {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return ExportId(Uuid::nil());
    };
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        mac.update(&length.to_be_bytes());
        mac.update(part);
    }
    let name: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ExportId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}
