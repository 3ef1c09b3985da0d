//! The delegated TLS key, and the certificates under it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use blindmatch_audit::SigningKey;
use blindmatch_membership::{Delegation, Name, ed25519_spki};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::{CertifiedKey, SigningKey as TlsKey};
use zeroize::Zeroizing;

use crate::certificate;

/// What stands before an Ed25519 seed in PKCS #8 (RFC 8410 §7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A node's own TLS key and delegation. Clones share them.
///
/// The certificate is made when a handshake wants it and the one before is in the second half of
/// its life, so nothing has to be told to renew it.
#[derive(Clone)]
pub struct Credentials(Arc<Mutex<Own>>);

struct Own {
    key: SigningKey,
    tls_key: Arc<dyn TlsKey>,
    delegation: Delegation,
    issued: Option<Issued>,
}

struct Issued {
    certified: Arc<CertifiedKey>,
    at: u64,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// It is not the one that the delegation names.
    OtherKey,
    /// TLS cannot use it.
    Unusable,
}

impl Credentials {
    /// The credentials of a node by its TLS key's seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    ///
    /// [`CredentialsError`].
    pub fn new(
        seed: &Zeroizing<[u8; 32]>,
        delegation: Delegation,
    ) -> Result<Self, CredentialsError> {
        Ok(Self(Arc::new(Mutex::new(Own::new(seed, delegation)?))))
    }

    /// Uses another key and delegation from the next handshake on.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]; nothing has changed then.
    pub fn replace(
        &self,
        seed: &Zeroizing<[u8; 32]>,
        delegation: Delegation,
    ) -> Result<(), CredentialsError> {
        let own = Own::new(seed, delegation)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = own;
        Ok(())
    }

    /// The member whose node this is.
    #[must_use]
    pub fn member(&self) -> Name {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.delegation.member.clone()
    }

    /// The certificate in DER that handshakes show at `now`, in seconds of Unix time.
    #[must_use]
    pub fn certificate(&self, now: u64) -> Option<Vec<u8>> {
        let certified = self.certified(now)?;
        certified
            .cert
            .first()
            .map(|certificate| certificate.to_vec())
    }

    /// When the certificate expires that handshakes show at present, in seconds of Unix time; nothing
    /// before the first handshake. The next one is made half its time before.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let issued = own.issued.as_ref()?;
        Some(issued.at.saturating_add(certificate::LIFETIME))
    }

    /// The certificate for a handshake at `now`, and the key.
    pub(crate) fn certified(&self, now: u64) -> Option<Arc<CertifiedKey>> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let half = certificate::LIFETIME / 2;
        if let Some(issued) = &own.issued
            && (issued.at..issued.at.saturating_add(half)).contains(&now)
        {
            return Some(Arc::clone(&issued.certified));
        }
        let certificate = certificate::issue(&own.key, &own.delegation, now).ok()?;
        let certified = CertifiedKey::new(vec![certificate], Arc::clone(&own.tls_key));
        let certified = Arc::new(certified);
        own.issued = Some(Issued {
            certified: Arc::clone(&certified),
            at: now,
        });
        Some(certified)
    }
}

impl Own {
    fn new(seed: &Zeroizing<[u8; 32]>, delegation: Delegation) -> Result<Self, CredentialsError> {
        let key = SigningKey::from_bytes(seed);
        if ed25519_spki(&key.verifying_key()) != delegation.keys.tls {
            return Err(CredentialsError::OtherKey);
        }
        let mut pkcs8 = Zeroizing::new([0; 48]);
        let (prefix, rest) = pkcs8.split_at_mut(PKCS8.len());
        prefix.copy_from_slice(&PKCS8);
        rest.copy_from_slice(&**seed);
        let tls_key = any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))
            .map_err(|_| CredentialsError::Unusable)?;
        Ok(Self {
            key,
            tls_key,
            delegation,
            issued: None,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<redacted>)")
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKey => "the TLS key is not the one that the delegation names",
            Self::Unusable => "TLS cannot use the key",
        })
    }
}

impl std::error::Error for CredentialsError {}
