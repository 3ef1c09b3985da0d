//! The TLS profile: one version, one key exchange, one kind of certificate, both sides verified
//! (`spec/60-transport.md` §1 and §3).

use std::sync::{Arc, OnceLock};

use blindmatch_membership::{MemberId, Name};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, NamedGroup, ProtocolVersion,
    ServerConfig, SignatureScheme, version,
};

use crate::certificate::Shown;
use crate::directory::Known;
use crate::refusal::{CertificateError, Refusal};

/// HTTP/2 (RFC 9113 §3.2).
const ALPN: &[u8] = b"h2";

/// Who somebody showed to be in a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    pub(crate) member: MemberId,
    pub(crate) shown: Shown,
    /// Whether the delegation in the certificate is news.
    pub(crate) introduces: bool,
}

/// Verifies the certificate of one handshake, and keeps what came of it.
#[derive(Debug)]
pub(crate) struct Verifier {
    known: Arc<Known>,
    now: u64,
    /// The member that we called, if we did.
    called: Option<Name>,
    outcome: OnceLock<Result<Identified, CertificateError>>,
}

impl Verifier {
    pub(crate) fn new(known: Arc<Known>, now: u64, called: Option<Name>) -> Arc<Self> {
        Arc::new(Self {
            known,
            now,
            called,
            outcome: OnceLock::new(),
        })
    }

    /// Who it is, once the handshake is done.
    pub(crate) fn identified(&self) -> Result<Identified, Refusal> {
        match self.outcome.get() {
            Some(Ok(identified)) => Ok(identified.clone()),
            Some(Err(error)) => Err(Refusal::Certificate(*error)),
            None => Err(Refusal::NoCertificate),
        }
    }

    /// Why a handshake failed.
    pub(crate) fn refusal(&self, error: &std::io::Error) -> Refusal {
        if let Some(Err(error)) = self.outcome.get() {
            return Refusal::Certificate(*error);
        }
        tls_error(error).map_or(Refusal::Ended, Refusal::from)
    }

    pub(crate) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let outcome = self.identify(end_entity, intermediates);
        let result = match &outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_tls().into()),
        };
        // There is one certificate in a handshake.
        let _ = self.outcome.set(outcome);
        result
    }

    fn identify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Identified, CertificateError> {
        if !intermediates.is_empty() {
            return Err(CertificateError::Chain);
        }
        let shown = Shown::read(end_entity, self.now)?;
        let (member, introduces) = self.member(&shown)?;
        if self
            .called
            .as_ref()
            .is_some_and(|called| called != member.member())
        {
            return Err(CertificateError::OtherMember);
        }
        Ok(Identified {
            member,
            shown,
            introduces,
        })
    }

    /// The member by what is known, or by that and the delegation that the certificate brings.
    fn member(&self, shown: &Shown) -> Result<(MemberId, bool), CertificateError> {
        let uris: Vec<&str> = shown.uris.iter().map(String::as_str).collect();
        let error = match self.known.identify(&uris, &shown.spki, self.now) {
            Ok(member) => return Ok((member, false)),
            Err(error) => CertificateError::Identity(error),
        };
        let Some(delegation) = &shown.delegation else {
            return Err(error);
        };
        if !unknown(error) {
            return Err(error);
        }
        let mut known = Known::clone(&self.known);
        let new = known
            .delegations
            .accept(&known.roster, delegation, self.now)
            .map_err(CertificateError::Introduction)?;
        let member = known
            .identify(&uris, &shown.spki, self.now)
            .map_err(CertificateError::Identity)?;
        Ok((member, new))
    }
}

/// Whether a delegation could help.
const fn unknown(error: CertificateError) -> bool {
    use blindmatch_membership::IdentityError;
    matches!(
        error,
        CertificateError::Identity(IdentityError::UnknownKey | IdentityError::Delegation(_))
    )
}

/// What a server does a handshake by.
pub(crate) fn server_config(
    verifier: &Arc<Verifier>,
    certified: Arc<CertifiedKey>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let verifier: Arc<dyn ClientCertVerifier> = verifier.clone();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// What we dial by.
pub(crate) fn client_config(
    verifier: &Arc<Verifier>,
    certified: Arc<CertifiedKey>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let verifier: Arc<dyn ServerCertVerifier> = verifier.clone();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    // Certificates name members, not hosts.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Checks what was agreed, should a configuration ever allow more than it does.
pub(crate) fn check_agreed(connection: &rustls::CommonState) -> Result<(), Refusal> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Err(Refusal::Version);
    }
    let group = connection.negotiated_key_exchange_group();
    if group.is_none_or(|group| group.name() != NamedGroup::X25519MLKEM768) {
        return Err(Refusal::Group);
    }
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Refusal::Application);
    }
    Ok(())
}

/// The error of TLS within one of IO.
pub(crate) fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            ..aws_lc_rs::default_provider()
        })
    });
    Arc::clone(provider)
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}

fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(rustls::CertificateError::BadSignature.into());
    }
    verify_tls13_signature(message, certificate, signed, &algorithms())
}

fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_handshake(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
