//! Keys at rest: the storage key, keys by name, and one key for each file that can be deleted.
//!
//! To delete a sealed file is to destroy its key: the sealed bytes may live on in a snapshot of
//! the file system or in a backup, and say nothing without it (`spec/43 §4`).

use std::{
    fmt,
    io::{self, Write},
};

use blindmatch_audit::codec::Writer;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::disk::{Aside, Disk};

/// Bytes of the MAC behind a key by name.
const MAC: usize = 32;
/// More bytes than a key by name has.
const MAX_SECRET: u64 = 1 << 16;
/// Where the keys are.
pub const KEYS: &str = "keys";
const STORAGE: &str = "storage";
const FILES: &str = "keys/files";
const NAMED: &str = "blindmatch named keys v1";

/// 32 bytes of a key, wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// The key under which everything at rest is sealed, by way of keys derived for each purpose.
///
/// It does not print and is wiped when dropped.
pub struct StorageKey(Box<Key>);

impl StorageKey {
    /// A new key.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Self(Box::default());
        rng.fill_bytes(key.0.as_mut_slice());
        key
    }

    /// The key with these bytes, as [`export`](Self::export)ed.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut key = Self(Box::default());
        key.0.copy_from_slice(bytes);
        key
    }

    /// The bytes of the key: whoever has them and the home reads everything in it.
    #[must_use]
    pub fn export(&self) -> Key {
        Zeroizing::new(**self.0)
    }

    /// The key for one purpose; `context` names it, e.g. `blindmatch file keys v1`.
    #[must_use]
    pub fn derive(&self, context: &'static str) -> Key {
        let mut key = Key::default();
        // 32 bytes are one block of HKDF-SHA-256, which never refuses that.
        let expanded = Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(&Writer::new(context).finish(), key.as_mut_slice());
        debug_assert!(expanded.is_ok());
        key
    }

    /// What tells this key from another without saying anything about it.
    pub(crate) fn mark(&self) -> [u8; 16] {
        let derived = self.derive("blindmatch storage key mark v1");
        let mut mark = [0; 16];
        mark.copy_from_slice(derived.split_at(16).0);
        mark
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageKey(redacted)")
    }
}

/// Names a file key, and by it the sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub [u8; 16]);

impl FileId {
    /// A new name.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Reads the name as it is written: 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What is wrong with a key at rest.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key of this name.
    Missing,
    /// The key was wrapped by another storage key, or its file is damaged.
    Foreign,
    /// The file of a key by name is not what was written under this name and this storage key.
    Damaged,
    /// The name is empty, or has other characters than lower-case letters, digits and hyphens, or
    /// is that of something else.
    Name,
    /// The disk failed.
    Disk(io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the key is not there"),
            Self::Foreign => f.write_str(
                "the key does not open: another storage key sealed it, or it is damaged",
            ),
            Self::Damaged => f.write_str(
                "the key is not the one that was written there: its file was changed or cut",
            ),
            Self::Name => f.write_str("not the name of a key"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Disk(error)
        }
    }
}

/// Secrets by name in `keys/`, each a file of its own: identity, node keys, the payment key.
///
/// They stand there as they are: whoever may read them may read the storage key beside them. A MAC
/// behind each tells that it is what was written under its name (`spec/43 §4`).
#[derive(Clone)]
pub struct NamedKeys {
    disk: Disk,
    mac: Key,
}

impl NamedKeys {
    pub(crate) fn new(disk: Disk, storage: &StorageKey) -> Self {
        let mac = storage.derive(NAMED);
        Self { disk, mac }
    }

    /// Writes a secret of any form, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn store(&self, name: &str, secret: &[u8]) -> Result<(), KeyError> {
        let path = place(name)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(secret.len() + MAC));
        bytes.extend_from_slice(secret);
        bytes.extend_from_slice(&self.mac(name, secret)?.finalize().into_bytes());
        Ok(write(&self.disk, &path, &bytes)?)
    }

    /// Reads a secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::Damaged`] where it is not what was stored, and others.
    pub fn load(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut bytes = match self.disk.read(&place(name)?, MAX_SECRET) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(KeyError::Damaged);
            }
            bytes => Zeroizing::new(bytes?),
        };
        let (secret, mac) = bytes.split_last_chunk::<MAC>().ok_or(KeyError::Damaged)?;
        let verified = self.mac(name, secret)?.verify_slice(mac);
        verified.map_err(|_| KeyError::Damaged)?;
        let length = secret.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The names of all secrets, ascending.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn names(&self) -> Result<Vec<String>, KeyError> {
        let mut names = self.disk.list(KEYS)?;
        names.retain(|name| place(name).is_ok());
        Ok(names)
    }

    /// Whether one of the secrets was written under this storage key.
    pub(crate) fn opens_one(&self) -> Result<bool, KeyError> {
        let names = self.names()?;
        Ok(names.iter().any(|name| self.load(name).is_ok()))
    }

    /// Overwrites and removes a secret.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn destroy(&self, name: &str) -> Result<(), KeyError> {
        Ok(self.disk.destroy(&place(name)?)?)
    }

    /// Removes what a crash left of secrets that were being destroyed: files in which zeros stand in
    /// the place of the secret.
    pub(crate) fn sweep(&self) -> Result<(), KeyError> {
        for name in self.names()? {
            // What does not read now is refused when it is used.
            let Ok(bytes) = self.disk.read(&place(&name)?, MAX_SECRET) else {
                continue;
            };
            let bytes = Zeroizing::new(bytes);
            let secret = bytes.split_last_chunk::<MAC>().map(|(secret, _)| secret);
            // No secret of this length is zeros by chance.
            if secret.is_some_and(|s| s.len() >= 16 && s.iter().all(|byte| *byte == 0)) {
                self.destroy(&name)?;
            }
        }
        Ok(())
    }

    fn mac(&self, name: &str, secret: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
        // HMAC takes keys of every length.
        let mac = Hmac::<Sha256>::new_from_slice(self.mac.as_slice());
        let mut mac = mac.map_err(|_| KeyError::Damaged)?;
        let mut message = Writer::new(NAMED);
        let message = message.bytes(name.as_bytes()).bytes(secret).finish();
        mac.update(&Zeroizing::new(message));
        Ok(mac)
    }
}

impl fmt::Debug for NamedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedKeys").field(&self.disk).finish()
    }
}

/// The keys of deletable files, each wrapped under the storage key in `keys/files/`.
pub struct FileKeys {
    disk: Disk,
    wrap: XChaCha20Poly1305,
}

impl FileKeys {
    pub(crate) fn new(disk: Disk, storage: &StorageKey) -> Self {
        let key = storage.derive("blindmatch file keys v1");
        let wrap = XChaCha20Poly1305::new((&*key).into());
        Self { disk, wrap }
    }

    /// Draws a key for a new file and keeps it, durably.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn create(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(FileId, Key), KeyError> {
        let (id, key) = Self::draw(rng);
        self.keep(id, &key, rng)?;
        Ok((id, key))
    }

    /// Draws a key without keeping it: a long file is written first, so that whatever dies before
    /// leaves no key behind without its file.
    pub fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> (FileId, Key) {
        let id = FileId::random(rng);
        let mut key = Key::default();
        rng.fill_bytes(key.as_mut_slice());
        (id, key)
    }

    /// Keeps a key that was drawn, durably.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn keep(
        &self,
        id: FileId,
        key: &Key,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), KeyError> {
        let (aside, path) = self.ready(id, key, rng)?;
        Ok(aside.publish(&path)?)
    }

    /// Writes a key that was drawn aside, to be published beside the file that it seals; gives its place
    /// too.
    pub(crate) fn ready(
        &self,
        id: FileId,
        key: &Key,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Aside, String), KeyError> {
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        let mut sealed = **key;
        let inout = sealed.as_mut_slice().into();
        let tag = self
            .wrap
            .encrypt_inout_detached(&nonce, &associated(id), inout);
        // 32 bytes are not too many to be sealed.
        let tag = tag.map_err(|_| KeyError::Foreign)?;
        self.disk.create_directory(FILES)?;
        let wrapped = [nonce.as_slice(), &sealed, &tag].concat();
        let mut aside = self.disk.aside()?;
        aside.write_all(&wrapped)?;
        Ok((aside, format!("{FILES}/{id}")))
    }

    /// The key of a file.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn load(&self, id: FileId) -> Result<Key, KeyError> {
        let wrapped = self.disk.read(&format!("{FILES}/{id}"), 24 + 32 + 16);
        let wrapped = match wrapped {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(KeyError::Foreign);
            }
            wrapped => wrapped?,
        };
        let (nonce, rest) = wrapped.split_first_chunk::<24>().ok_or(KeyError::Foreign)?;
        let (sealed, tag) = rest.split_first_chunk::<32>().ok_or(KeyError::Foreign)?;
        let tag = <[u8; 16]>::try_from(tag).map_err(|_| KeyError::Foreign)?;
        let mut key = Zeroizing::new(*sealed);
        let inout = key.as_mut_slice().into();
        let opened =
            self.wrap
                .decrypt_inout_detached(&(*nonce).into(), &associated(id), inout, &tag.into());
        opened.map_err(|_| KeyError::Foreign)?;
        Ok(key)
    }

    /// The key of a file as it lies on disk: wrapped, and of no use without the storage key.
    ///
    /// # Errors
    ///
    /// [`KeyError`], also where it does not open.
    pub(crate) fn wrapped(&self, id: FileId) -> Result<(String, Vec<u8>), KeyError> {
        self.load(id)?;
        let path = format!("{FILES}/{id}");
        let wrapped = self.disk.read(&path, 24 + 32 + 16)?;
        Ok((path, wrapped))
    }

    /// Destroys the key of a file, durably: from here on nobody reads the file.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn destroy(&self, id: FileId) -> Result<(), KeyError> {
        Ok(self.disk.destroy(&format!("{FILES}/{id}"))?)
    }

    /// The names of all keys there are, ascending.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn list(&self) -> Result<Vec<FileId>, KeyError> {
        if !self.disk.exists(FILES)? {
            return Ok(Vec::new());
        }
        let names = self.disk.list(FILES)?;
        let ids = names.iter().map(|name| FileId::parse(name));
        ids.collect::<Option<_>>().ok_or(KeyError::Name)
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileKeys").field(&self.disk).finish()
    }
}

pub(crate) fn store_storage_key(disk: &Disk, key: &StorageKey) -> io::Result<()> {
    let path = format!("{KEYS}/{STORAGE}");
    // No file takes the place of a directory, whose name the key would have.
    if disk.root().join(&path).is_dir() {
        disk.remove_all(&path)?;
    }
    write(disk, &path, key.0.as_slice())
}

pub(crate) fn load_storage_key(disk: &Disk) -> Result<StorageKey, KeyError> {
    let bytes = match disk.read(&format!("{KEYS}/{STORAGE}"), 1 << 16) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::FileTooLarge | io::ErrorKind::IsADirectory
            ) =>
        {
            return Err(KeyError::Foreign);
        }
        bytes => Zeroizing::new(bytes?),
    };
    let bytes = bytes.as_slice().try_into().map_err(|_| KeyError::Foreign)?;
    Ok(StorageKey::new(bytes))
}

fn associated(id: FileId) -> Vec<u8> {
    Writer::new("blindmatch file key v1").fixed(&id.0).finish()
}

pub(crate) fn place(name: &str) -> Result<String, KeyError> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let taken = name == STORAGE || name == "files";
    if name.is_empty() || taken || !name.chars().all(fine) {
        return Err(KeyError::Name);
    }
    Ok(format!("{KEYS}/{name}"))
}

pub(crate) fn write(disk: &Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    disk.publish(path, |file| file.write_all(bytes))
}

#[cfg(test)]
mod tests;
