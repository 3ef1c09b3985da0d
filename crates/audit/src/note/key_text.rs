//! Keys as text, `NAME+ID+BASE64`, whatever their type signs (<https://c2sp.org/signed-note>).

use std::fmt;

use base64ct::{Base64, Encoding};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use super::{KeyName, NoteError};

/// The first four bytes of `SHA-256(name ‖ "\n" ‖ type ‖ key)`, which tell apart keys of one name.
pub(crate) fn key_id(name: &KeyName, key_type: u8, key: &VerifyingKey) -> [u8; 4] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::new()
        .chain_update(name.as_str().as_bytes())
        .chain_update([b'\n', key_type])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    [a, b, c, d]
}

/// Reads a key of this type.
pub(crate) fn read(text: &str, key_type: u8) -> Result<(KeyName, VerifyingKey), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::Key);
    };
    let name = KeyName::new(name)?;
    let bytes = Base64::decode_vec(key).map_err(|_| NoteError::Key)?;
    let key = match bytes.split_first() {
        Some((found, key)) if *found == key_type => VerifyingKey::try_from(key),
        _ => return Err(NoteError::Key),
    };
    let key = key.map_err(|_| NoteError::Key)?;
    if id == hex(key_id(&name, key_type, &key)) {
        Ok((name, key))
    } else {
        Err(NoteError::Key)
    }
}

/// Writes a key of this type.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    name: &KeyName,
    key_type: u8,
    key: &VerifyingKey,
) -> fmt::Result {
    let bytes = [&[key_type], key.as_bytes().as_slice()].concat();
    let id = hex(key_id(name, key_type, key));
    write!(
        f,
        "{}+{id}+{}",
        name.as_str(),
        Base64::encode_string(&bytes)
    )
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}
