//! Why a connection is not made (`spec/60-transport.md` §3 and §8).

use std::fmt;

use blindmatch_membership::{DelegationError, IdentityError};
use rustls::{AlertDescription, PeerIncompatible};

/// Why a connection that somebody opened is not served, in the words of the side that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The TLS handshake was not done in time.
    SlowHandshake,
    /// The handshake was the oldest of too many.
    CrowdedHandshakes,
    /// The HTTP/2 preface did not arrive in time.
    SlowPreface,
    /// What arrived in its place is none.
    Preface,
    /// The peer ended the connection before it was one.
    Ended,
    /// The peer does not offer TLS 1.3.
    Version,
    /// The peer does not offer the hybrid key exchange, or another was agreed.
    Group,
    /// The peer does not offer HTTP/2.
    Application,
    /// The peer shows no certificate.
    NoCertificate,
    /// The certificate is refused.
    Certificate(CertificateError),
    /// The peer does not show that it has the certificate's key.
    Possession,
    /// The peer refuses us.
    Alert(PeerAlert),
    /// What the peer sent is not TLS, or not as TLS has it.
    Protocol,
    /// The peer has as many connections as it may have.
    CrowdedPeer,
    /// All peers together have.
    Crowded,
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is more than the one certificate.
    Chain,
    /// It is not an X.509 version 3 certificate in DER.
    Malformed,
    /// Its key or its signature is not of Ed25519.
    Algorithm,
    /// It is not signed by its own key.
    Signature,
    /// An extension stands twice, is critical and unknown, or says something else than it has to.
    Extension,
    /// It comes into force later than now, by more than a clock may be off.
    NotYetValid,
    /// It is no longer in force.
    Expired,
    /// It is in force for longer than certificates of nodes are.
    LongLived,
    /// It has names that are no URI.
    OtherNames,
    /// It is of no member.
    Identity(IdentityError),
    /// The delegation in it is refused.
    Introduction(DelegationError),
    /// It is of another member than the one that we called.
    OtherMember,
}

/// Why the other side says that it refuses us: what is left of its reason in a TLS alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAlert {
    /// Our certificate is not in the form that it reads.
    Certificate,
    /// Our certificate or our delegation is not in force by its clock.
    Expired,
    /// Our delegation is revoked.
    Revoked,
    /// It knows no delegation that names our key.
    UnknownKey,
    /// Its roster does not have us.
    NoMember,
    /// It expects a certificate.
    NoCertificate,
    /// TLS version, key exchange or application do not fit.
    Incompatible,
    /// Something else.
    Other,
}

impl CertificateError {
    /// The error that makes rustls send the alert of the specification.
    pub(crate) const fn to_tls(self) -> rustls::CertificateError {
        use rustls::CertificateError as Tls;
        match self {
            Self::Chain | Self::Malformed | Self::Algorithm | Self::Extension => Tls::BadEncoding,
            Self::Signature => Tls::BadSignature,
            Self::NotYetValid | Self::Expired | Self::LongLived => Tls::Expired,
            Self::OtherNames | Self::OtherMember => Tls::NotValidForName,
            Self::Identity(error) => match error {
                IdentityError::UnknownKey => Tls::UnknownIssuer,
                IdentityError::Delegation(error) => Self::delegation(error),
                IdentityError::OtherConsortium | IdentityError::UnknownMember => {
                    Tls::ApplicationVerificationFailure
                }
                _ => Tls::NotValidForName,
            },
            Self::Introduction(error) => Self::delegation(error),
        }
    }

    const fn delegation(error: DelegationError) -> rustls::CertificateError {
        use rustls::CertificateError as Tls;
        match error {
            DelegationError::NotYetValid | DelegationError::Expired => Tls::Expired,
            DelegationError::Revoked | DelegationError::Fork { .. } => Tls::Revoked,
            DelegationError::OtherConsortium | DelegationError::UnknownMember => {
                Tls::ApplicationVerificationFailure
            }
            DelegationError::Read(_) => Tls::BadEncoding,
            _ => Tls::UnknownIssuer,
        }
    }
}

impl From<AlertDescription> for PeerAlert {
    fn from(alert: AlertDescription) -> Self {
        use AlertDescription as Tls;
        match alert {
            Tls::BadCertificate | Tls::DecryptError | Tls::UnsupportedCertificate => {
                Self::Certificate
            }
            Tls::CertificateExpired => Self::Expired,
            Tls::CertificateRevoked => Self::Revoked,
            Tls::UnknownCA => Self::UnknownKey,
            Tls::AccessDenied => Self::NoMember,
            Tls::CertificateRequired => Self::NoCertificate,
            Tls::ProtocolVersion | Tls::HandshakeFailure | Tls::NoApplicationProtocol => {
                Self::Incompatible
            }
            _ => Self::Other,
        }
    }
}

/// What went wrong in a handshake, but for certificates, whose errors the verifier keeps.
impl From<&rustls::Error> for Refusal {
    fn from(error: &rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::NoCertificatesPresented => Self::NoCertificate,
            Tls::NoApplicationProtocol => Self::Application,
            Tls::PeerIncompatible(incompatible) => match incompatible {
                PeerIncompatible::NoKxGroupsInCommon
                | PeerIncompatible::NamedGroupsExtensionRequired
                | PeerIncompatible::KeyShareExtensionRequired => Self::Group,
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls13RequiredForQuic
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Self::Version,
                _ => Self::Protocol,
            },
            Tls::InvalidCertificate(_) => Self::Possession,
            Tls::AlertReceived(alert) => Self::Alert((*alert).into()),
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlowHandshake => "the TLS handshake was not done in time",
            Self::CrowdedHandshakes => "too many handshakes at once",
            Self::SlowPreface => "nothing arrived after the TLS handshake",
            Self::Preface => "what arrived is not HTTP/2",
            Self::Ended => "the connection ended before it was one",
            Self::Version => "the peer does not offer TLS 1.3",
            Self::Group => "the peer does not offer X25519MLKEM768",
            Self::Application => "the peer does not offer HTTP/2",
            Self::NoCertificate => "the peer shows no certificate",
            Self::Certificate(error) => return error.fmt(f),
            Self::Possession => "the peer does not have the key of its certificate",
            Self::Alert(alert) => return alert.fmt(f),
            Self::Protocol => "what arrived is not TLS as it has to be",
            Self::CrowdedPeer => "the peer has too many connections",
            Self::Crowded => "there are too many connections",
        })
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "more than one certificate was shown",
            Self::Malformed => "the certificate is malformed",
            Self::Algorithm => "the certificate is not of Ed25519",
            Self::Signature => "the certificate is not signed by its own key",
            Self::Extension => "an extension of the certificate is not as it has to be",
            Self::NotYetValid => "the certificate is not yet in force",
            Self::Expired => "the certificate has expired",
            Self::LongLived => "the certificate is in force for too long",
            Self::OtherNames => "the certificate has a name that is no URI",
            Self::Identity(error) => return error.fmt(f),
            Self::Introduction(error) => return error.fmt(f),
            Self::OtherMember => "the certificate is of another member",
        })
    }
}

impl fmt::Display for PeerAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the peer cannot read our certificate",
            Self::Expired => "by the peer's clock, our certificate or delegation is not in force",
            Self::Revoked => "the peer says that our delegation is revoked",
            Self::UnknownKey => "the peer knows no delegation to our key",
            Self::NoMember => "the peer's roster does not have us",
            Self::NoCertificate => "the peer expects a certificate",
            Self::Incompatible => "the peer's TLS does not fit ours",
            Self::Other => "the peer refuses the TLS connection",
        })
    }
}

impl std::error::Error for Refusal {}

impl std::error::Error for CertificateError {}
