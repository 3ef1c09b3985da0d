//! Values of single fields, each with one way to be written.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use base64ct::{Base64, Encoding};
use blindmatch_audit::{VerifyingKey, note::NoteKey};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The most characters of a [`Name`].
pub const MAX_NAME: usize = 63;

/// The first second of the year that texts cannot name: not all of it is a time to `jiff`.
const YEAR_9999: u64 = 253_370_764_800;

/// The name of a consortium, a member or a file: labels of `a-z`, `0-9` and inner `-`, joined by
/// dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Where a node listens: HOST:PORT, the host a name in lower case or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

/// A SHA-256, written in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// An X25519 public key that secrets are sealed to (HPKE, RFC 9180), written in base64.
///
/// Not checked for small order: whoever seals to it refuses a shared secret of zeros (RFC 9180
/// §7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpkeKey(pub [u8; 32]);

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves its sets and asks others.
    Provider,
    /// Reads what members release.
    Liaison,
}

/// What is not in the form of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormError;

/// Seconds of Unix time, written as RFC 3339 in UTC.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) u64);

/// `yes` or `no`.
#[derive(Clone, Copy)]
pub(crate) struct YesNo(pub(crate) bool);

/// An Ed25519 key in base64, not of small order.
#[derive(Clone, Copy)]
pub(crate) struct PublicKey(pub(crate) VerifyingKey);

/// A key of the roster, named in ASCII, so that no two look alike.
pub(crate) struct RosterKey(pub(crate) NoteKey);

/// `K of N`.
#[derive(Clone, Copy)]
pub(crate) struct KOfN(pub(crate) usize, pub(crate) usize);

/// A word and a number or digest behind it.
pub(crate) struct Entry<K, V>(pub(crate) K, pub(crate) V);

/// A digest or `none`.
#[derive(Clone, Copy)]
pub(crate) struct Previous(pub(crate) Option<Digest>);

/// The frozen name of a type of indicator, of which this crate needs no list.
#[derive(Clone)]
pub(crate) struct TypeName(pub(crate) String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Digest {
    /// That of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl FromStr for Name {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        ensure(text.len() <= MAX_NAME && text.split('.').all(is_label))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Address {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let (host, port) = text.rsplit_once(':').ok_or(FormError)?;
        let number: u16 = port.parse().map_err(|_| FormError)?;
        ensure(number != 0 && number.to_string() == port && is_host(host))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Digest {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        ensure(text.len() == 64)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = str::from_utf8(pair).map_err(|_| FormError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| FormError)?;
        }
        Ok(Self(digest))
    }
}

impl FromStr for HpkeKey {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let key = base64(text)?;
        // X25519 ignores the top bit (RFC 7748 §5); with it one key would have two forms.
        ensure(key.last().is_some_and(|byte| byte & 0x80 == 0))?;
        Ok(Self(key))
    }
}

impl FromStr for Role {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text {
            "provider" => Ok(Self::Provider),
            "liaison" => Ok(Self::Liaison),
            _ => Err(FormError),
        }
    }
}

impl FromStr for Time {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let time: Timestamp = text.parse().map_err(|_| FormError)?;
        let seconds = u64::try_from(time.as_second()).map_err(|_| FormError)?;
        ensure(seconds < YEAR_9999)?;
        Ok(Self(seconds))
    }
}

impl FromStr for YesNo {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text {
            "yes" => Ok(Self(true)),
            "no" => Ok(Self(false)),
            _ => Err(FormError),
        }
    }
}

impl FromStr for PublicKey {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let key = VerifyingKey::from_bytes(&base64(text)?).map_err(|_| FormError)?;
        ensure(is_sound(&key))?;
        Ok(Self(key))
    }
}

impl FromStr for RosterKey {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let key = NoteKey::parse(text).map_err(|_| FormError)?;
        let readable = key.name().as_str().chars().all(|c| c.is_ascii_graphic());
        ensure(readable && is_sound(key.key()))?;
        Ok(Self(key))
    }
}

impl FromStr for KOfN {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let (k, n) = text.split_once(" of ").ok_or(FormError)?;
        Ok(Self(
            k.parse().map_err(|_| FormError)?,
            n.parse().map_err(|_| FormError)?,
        ))
    }
}

impl<K: FromStr, V: FromStr> FromStr for Entry<K, V> {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let (key, value) = text.split_once(' ').ok_or(FormError)?;
        Ok(Self(
            key.parse().map_err(|_| FormError)?,
            value.parse().map_err(|_| FormError)?,
        ))
    }
}

impl FromStr for Previous {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text {
            "none" => Ok(Self(None)),
            digest => digest.parse().map(|digest| Self(Some(digest))),
        }
    }
}

impl FromStr for TypeName {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        ensure((1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for HpkeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(&self.0))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::Liaison => "liaison",
        })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        match time {
            Some(time) => time.fmt(f),
            // Behind the year 9999: what no text may hold, and no reader takes.
            None => write!(f, "@{}", self.0),
        }
    }
}

impl fmt::Display for YesNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "yes" } else { "no" })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(self.0.as_bytes()))
    }
}

impl fmt::Display for RosterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for KOfN {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.0, self.1)
    }
}

impl<K: fmt::Display, V: fmt::Display> fmt::Display for Entry<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl fmt::Display for Previous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(digest) => digest.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in its form")
    }
}

impl std::error::Error for FormError {}

const fn ensure(holds: bool) -> Result<(), FormError> {
    if holds { Ok(()) } else { Err(FormError) }
}

/// Whether a key is of no small order and stands in its one encoding (`spec/00 §4`).
fn is_sound(key: &VerifyingKey) -> bool {
    !key.is_weak() && key.to_edwards().compress().as_bytes() == key.as_bytes()
}

fn base64(text: &str) -> Result<[u8; 32], FormError> {
    let mut key = [0; 32];
    let decoded = Base64::decode(text, &mut key).map_err(|_| FormError)?;
    ensure(decoded.len() == 32)?;
    Ok(key)
}

/// A label of a name: RFC 1035 §2.3.1 in lower case, with a digit in front allowed (RFC 1123).
fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address);
    }
    // A name whose last label is a number would be read as an IPv4 address.
    let numeric = host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if numeric {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= 253 && host.split('.').all(is_label)
}
