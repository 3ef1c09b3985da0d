//! Certificates of nodes: how one is made, and what one has to be (`spec/60-transport.md` §2).

use std::time::Duration;

use blindmatch_audit::{Signature, SigningKey, VerifyingKey};
use blindmatch_membership::delegation::MAX_DELEGATION;
use blindmatch_membership::{CLOCK_TOLERANCE, Delegation, Terms};
use rustls::pki_types::CertificateDer;
use x509_cert::builder::{self, Builder, CertificateBuilder, profile::BuilderProfile};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::der::asn1::{GeneralizedTime, Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode, oid::AssociatedOid};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::{Time, Validity};

use crate::refusal::CertificateError;

/// How long a certificate is in force, in seconds: a day.
pub(crate) const LIFETIME: u64 = 86_400;

/// How long one of a peer may be, at most.
const MAX_LIFETIME: u64 = 7 * 86_400;

/// Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The extension with the delegation that names the certificate's key. An arc under which whoever
/// has a random UUID may name things, for 128-bit arcs are more than most software reads.
const DELEGATION: ObjectIdentifier = ObjectIdentifier::new_unwrap(
    "1.2.840.113556.1.8000.2554.64237.36769.57325.17052.42588.8741767.2324624",
);

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// A certificate that is well-formed, signed by its own key, and in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The URIs among its names, and there is no other name.
    pub uris: Vec<String>,
    /// Its SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// The delegation in it, unread.
    pub delegation: Option<Vec<u8>>,
}

/// Makes a certificate of the member that `delegation` is of, in force from `now` on.
pub(crate) fn issue(
    key: &SigningKey,
    delegation: &Delegation,
    now: u64,
) -> Result<CertificateDer<'static>, builder::Error> {
    let spki = x509_cert::spki::SubjectPublicKeyInfoOwned::from_key(&key.verifying_key())?;
    let validity = Validity::new(time(now)?, time(now.saturating_add(LIFETIME))?);
    let serial = SerialNumber::from(now);
    let builder = CertificateBuilder::new(Profile::of(delegation)?, serial, validity, spki)?;
    let certificate = builder.build(key)?;
    Ok(certificate.to_der()?.into())
}

impl Shown {
    /// Reads a certificate of a peer, at `now` in seconds of Unix time.
    ///
    /// That the peer has its key is for the handshake to show, and whose key it is for
    /// [`identify`](blindmatch_membership::identify) to say.
    ///
    /// # Errors
    ///
    /// [`CertificateError`], but for those about members and delegations.
    pub fn read(der: &[u8], now: u64) -> Result<Self, CertificateError> {
        let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let tbs = certificate.tbs_certificate();
        let signed = tbs.to_der().map_err(|_| CertificateError::Malformed)?;
        // One certificate has one encoding, so what is verified is what was shown.
        let canonical = certificate.to_der().is_ok_and(|canonical| canonical == der);
        if !canonical || tbs.version() != Version::V3 {
            return Err(CertificateError::Malformed);
        }
        let key = public_key(&certificate)?;
        let signature = certificate.signature().as_bytes();
        let signature = signature.and_then(|bytes| Signature::from_slice(bytes).ok());
        signature
            .and_then(|signature| key.verify_strict(&signed, &signature).ok())
            .ok_or(CertificateError::Signature)?;
        let names = extensions(tbs)?;
        in_force(tbs.validity(), now)?;
        let mut uris = Vec::new();
        for name in names.map(|names| names.0).unwrap_or_default() {
            match name {
                GeneralName::UniformResourceIdentifier(uri) => uris.push(uri.as_str().to_owned()),
                _ => return Err(CertificateError::OtherNames),
            }
        }
        let delegation = tbs.extensions().into_iter().flatten();
        let delegation = delegation
            .filter(|extension| extension.extn_id == DELEGATION)
            .map(|extension| extension.extn_value.as_bytes().to_vec())
            .next();
        Ok(Self {
            uris,
            spki: tbs
                .subject_public_key_info()
                .to_der()
                .map_err(|_| CertificateError::Malformed)?,
            delegation,
        })
    }
}

/// The key, where it and the signature are of Ed25519.
fn public_key(certificate: &Certificate) -> Result<VerifyingKey, CertificateError> {
    let tbs = certificate.tbs_certificate();
    let spki = tbs.subject_public_key_info();
    for algorithm in [
        &spki.algorithm,
        tbs.signature(),
        certificate.signature_algorithm(),
    ] {
        if algorithm.oid != ED25519 || algorithm.parameters.is_some() {
            return Err(CertificateError::Algorithm);
        }
    }
    let key = spki.subject_public_key.as_bytes();
    let key = key.and_then(|key| VerifyingKey::from_bytes(key.try_into().ok()?).ok());
    key.filter(|key| !key.is_weak())
        .ok_or(CertificateError::Algorithm)
}

/// Checks the extensions, and gives the names.
fn extensions(tbs: &TbsCertificate) -> Result<Option<SubjectAltName>, CertificateError> {
    let refused = CertificateError::Extension;
    let extensions = tbs.extensions().map_or(&[][..], |extensions| extensions);
    let mut names = None;
    let mut seen = Vec::new();
    for extension in extensions {
        if seen.contains(&extension.extn_id) {
            return Err(refused);
        }
        seen.push(extension.extn_id);
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            SubjectAltName::OID => {
                names = Some(SubjectAltName::from_der(value).map_err(|_| refused)?);
            }
            KeyUsage::OID => {
                let usage = KeyUsage::from_der(value).map_err(|_| refused)?;
                if !usage.digital_signature() {
                    return Err(refused);
                }
            }
            ExtendedKeyUsage::OID => {
                let ExtendedKeyUsage(usages) =
                    ExtendedKeyUsage::from_der(value).map_err(|_| refused)?;
                if !usages.contains(&SERVER_AUTH) || !usages.contains(&CLIENT_AUTH) {
                    return Err(refused);
                }
            }
            BasicConstraints::OID => {
                let constraints = BasicConstraints::from_der(value).map_err(|_| refused)?;
                if constraints.ca {
                    return Err(refused);
                }
            }
            DELEGATION => {
                if value.len() > MAX_DELEGATION {
                    return Err(refused);
                }
            }
            _ => {
                if extension.critical {
                    return Err(refused);
                }
            }
        }
    }
    Ok(names)
}

fn in_force(validity: &Validity, now: u64) -> Result<(), CertificateError> {
    let from = validity.not_before.to_unix_duration().as_secs();
    let until = validity.not_after.to_unix_duration().as_secs();
    if from > now.saturating_add(CLOCK_TOLERANCE) {
        Err(CertificateError::NotYetValid)
    } else if now >= until {
        Err(CertificateError::Expired)
    } else if until.saturating_sub(from) > MAX_LIFETIME {
        Err(CertificateError::LongLived)
    } else {
        Ok(())
    }
}

/// What stands in our certificates.
struct Profile {
    subject: Name,
    extensions: Vec<Extension>,
}

impl Profile {
    fn of(delegation: &Delegation) -> Result<Self, builder::Error> {
        let Terms {
            consortium, member, ..
        } = &**delegation;
        let subject: Name = format!("CN={}", member.as_str()).parse()?;
        let uri = format!("blindmatch://{}/{}", consortium.as_str(), member.as_str());
        let uri = GeneralName::UniformResourceIdentifier(Ia5String::new(&uri)?);
        let none = &[];
        let extensions = vec![
            (
                true,
                &BasicConstraints {
                    ca: false,
                    path_len_constraint: None,
                },
            )
                .to_extension(&subject, none)?,
            (true, &KeyUsage(KeyUsages::DigitalSignature.into())).to_extension(&subject, none)?,
            (false, &ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH]))
                .to_extension(&subject, none)?,
            (false, &SubjectAltName(vec![uri])).to_extension(&subject, none)?,
            Extension {
                extn_id: DELEGATION,
                critical: false,
                extn_value: OctetString::new(delegation.to_string().into_bytes())?,
            },
        ];
        Ok(Self {
            subject,
            extensions,
        })
    }
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

/// The builder writes it as UTCTime where RFC 5280 has it so.
fn time(seconds: u64) -> Result<Time, builder::Error> {
    let time = GeneralizedTime::from_unix_duration(Duration::from_secs(seconds))?;
    Ok(Time::GeneralTime(time))
}
