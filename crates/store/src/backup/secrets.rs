//! Keys by name in a backup: sealed, as the storage key is not in it.

use blindmatch_audit::codec::Writer;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{BackupError, Flaw};
use crate::keys::StorageKey;

const CONTEXT: &str = "blindmatch backup keys v1";
const NONCE: usize = 24;
const TAG: usize = 16;

pub(super) fn seal(
    storage: &StorageKey,
    path: &str,
    secret: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, BackupError> {
    let mut nonce = XNonce::default();
    rng.fill_bytes(&mut nonce);
    let mut sealed = Zeroizing::new(secret.to_vec());
    let inout = sealed.as_mut_slice().into();
    let tag = cipher(storage).encrypt_inout_detached(&nonce, &associated(path), inout);
    let tag = tag.map_err(|_| BackupError::Content(Flaw::Key))?;
    Ok([nonce.as_slice(), &sealed, &tag].concat())
}

pub(super) fn open(
    storage: &StorageKey,
    path: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let flaw = || BackupError::Content(Flaw::Key);
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or_else(flaw)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG>().ok_or_else(flaw)?;
    let mut secret = Zeroizing::new(sealed.to_vec());
    let inout = secret.as_mut_slice().into();
    let opened = cipher(storage).decrypt_inout_detached(
        &(*nonce).into(),
        &associated(path),
        inout,
        &(*tag).into(),
    );
    opened.map_err(|_| flaw())?;
    Ok(secret)
}

fn cipher(storage: &StorageKey) -> XChaCha20Poly1305 {
    let key = storage.derive(CONTEXT);
    XChaCha20Poly1305::new((&*key).into())
}

fn associated(path: &str) -> Vec<u8> {
    Writer::new(CONTEXT).bytes(path.as_bytes()).finish()
}
