//! TLS as somebody speaks it who keeps to no rule of ours.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType,
};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{DAY, Keys, NOW};

/// The extension with the delegation (`spec/60-transport.md` §2).
pub(crate) const DELEGATION: &[u64] = &[
    1, 2, 840, 113_556, 1, 8_000, 2_554, 64_237, 36_769, 57_325, 17_052, 42_588, 8_741_767,
    2_324_624,
];

/// What an attacker offers.
#[derive(Clone)]
pub(crate) struct Offer {
    /// The certificates that are shown, and what signs for them.
    pub(crate) shown: Option<Arc<CertifiedKey>>,
    pub(crate) version: &'static SupportedProtocolVersion,
    pub(crate) groups: Vec<&'static dyn rustls::crypto::SupportedKxGroup>,
    pub(crate) alpn: Vec<Vec<u8>>,
}

impl Offer {
    /// What a member offers, with these certificates.
    pub(crate) fn of(shown: Option<Arc<CertifiedKey>>) -> Self {
        Self {
            shown,
            version: &rustls::version::TLS13,
            groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            alpn: vec![b"h2".to_vec()],
        }
    }

    /// What a member offers that keeps to the rules until it is in.
    pub(crate) fn of_member(keys: &Keys) -> Self {
        let key = key_pair(&keys.tls(1));
        let certificate = honest(keys).self_signed(&key).unwrap();
        Self::of(Some(shown(vec![certificate.der().clone()], &key)))
    }

    /// Shakes hands as far as the client's part goes.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let provider = rustls::crypto::CryptoProvider {
            kx_groups: self.groups.clone(),
            ..aws_lc_rs::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_client_cert_resolver(Arc::new(Shows(self.shown.clone())));
        config.alpn_protocols = self.alpn.clone();
        config.enable_sni = false;
        let tcp = TcpStream::connect(to).await?;
        let name = ServerName::IpAddress(to.ip().into());
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }

    /// Shakes hands, and gives what the server says to it: its first bytes, or an alert.
    pub(crate) async fn knock(&self, at: SocketAddr) -> io::Result<usize> {
        let mut stream = self.connect(at).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        stream.read(&mut [0; 9]).await
    }
}

/// A certificate of a member's delegation as the specification has it, made by another
/// implementation than ours.
pub(crate) fn honest(keys: &Keys) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, keys.name.as_str());
    params.not_before = at(NOW);
    params.not_after = at(NOW + DAY);
    params.subject_alt_names = vec![uri(&format!("blindmatch://example/{}", keys.name.as_str()))];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

pub(crate) fn authority() -> IsCa {
    IsCa::Ca(BasicConstraints::Unconstrained)
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.to_owned().try_into().unwrap())
}

pub(crate) fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap()
}

pub(crate) fn introducing(note: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(DELEGATION, note.to_vec())
}

/// The same key for rcgen.
pub(crate) fn key_pair(key: &blindmatch_audit::SigningKey) -> KeyPair {
    let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8(key));
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519).unwrap()
}

/// The same key for rustls.
pub(crate) fn tls_key(key: &KeyPair) -> Arc<dyn SigningKey> {
    any_supported_type(&PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
}

pub(crate) fn shown(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(chain, tls_key(key)))
}

fn pkcs8(key: &blindmatch_audit::SigningKey) -> Vec<u8> {
    let prefix = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    [prefix.as_slice(), key.as_bytes()].concat()
}

/// Takes whoever answers.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Shows what it has, whatever was asked for.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
