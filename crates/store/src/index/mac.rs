//! The MACs of entries and stamps: what tells damage from what was written.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keys::StorageKey;

/// Bytes of the MAC at the end of an entry.
const WIDTH: usize = 32;

/// The key of an index's MACs.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn new(storage: &StorageKey) -> Self {
        Self(storage.derive("blindmatch index v2"))
    }

    pub(super) fn stamp(&self, bytes: &[u8]) -> [u8; 32] {
        self.mac(0, &[], bytes)
    }

    /// The entry that keeps `value` under `key`.
    pub(super) fn seal(&self, key: &[u8], value: &[u8]) -> (Vec<u8>, [u8; 32]) {
        let mac = self.mac(1, key, value);
        ([value, &mac].concat(), mac)
    }

    /// The value of an entry, and its MAC; `None` where it does not hold.
    pub(super) fn open<'a>(&self, key: &[u8], entry: &'a [u8]) -> Option<(&'a [u8], [u8; 32])> {
        let (value, mac) = entry.split_last_chunk::<WIDTH>()?;
        (self.mac(1, key, value) == *mac).then_some((value, *mac))
    }

    fn mac(&self, kind: u8, key: &[u8], value: &[u8]) -> [u8; WIDTH] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            // HMAC takes keys of every length.
            return [0; WIDTH];
        };
        mac.update(&[kind]);
        mac.update(&(key.len() as u64).to_be_bytes());
        mac.update(key);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }
}
