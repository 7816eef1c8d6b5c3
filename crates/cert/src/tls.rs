//! How two ends speak TLS: version 1.3, certificates of this plant only, expiry by the given clock.
//!
//! A host can be told to speak version 1.2 as well, for devices whose firmware knows no better; members
//! always speak 1.3. Of 1.2 only what is as good is spoken: ephemeral keys, authenticated encryption, and the extended
//! master secret (RFC 7627), without which a connection has no value of its own (RFC 9266 clause 4.2).
//!
//! A host answers peers without a certificate too, since a newcomer that joins has none; which
//! requests such a peer may make is the service's decision, for every request. No session is
//! resumed: a resumed session would skip the verification of certificates, and members keep their
//! connections open anyway.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use identity::profile::KeyAlgorithm;
use identity::{Clock, Member};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use zeroize::Zeroizing;

use crate::certificate::Certificate;
use crate::device::DeviceVerifier;
use crate::fingerprint::Fingerprint;
use crate::issuer::unix_time;
use crate::refusal::Refusal;
use crate::trust::Trust;

/// What one end shows of itself: its certificate and those above it, with the key.
#[derive(Clone)]
pub struct Credential {
    chain: Vec<CertificateDer<'static>>,
    key_pkcs8: Zeroizing<Vec<u8>>,
}

/// By what a client knows its host's CAs.
#[derive(Clone, Debug)]
pub enum HostTrust {
    /// By their certificates.
    Plant(Trust),
    /// By the root's SHA-256 alone, as a newcomer and a device do; the host sends the certificates.
    Root(Fingerprint),
}

/// The certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate and its key cannot be used for TLS")]
pub struct TlsError(#[from] rustls::Error);

/// A credential's key does not sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the key of the certificate cannot sign")]
pub struct SigningError;

impl HostTrust {
    /// Verifies that this certificate is the host's, with those above it as the host sent them.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify_host<C: AsRef<[u8]>>(
        &self,
        certificate: &[u8],
        above: &[C],
        host: &Member,
        now: i64,
    ) -> Result<(), Refusal> {
        let sent;
        let trust = match self {
            Self::Plant(trust) => trust,
            Self::Root(pinned) => {
                let [plant, root] = above else { return Err(Refusal::OtherRoot) };
                if Fingerprint::of(root.as_ref()) != *pinned {
                    return Err(Refusal::OtherRoot);
                }
                sent = Trust::new::<&[u8]>(root.as_ref(), plant.as_ref(), &[])?;
                &sent
            }
        };
        trust.verify_host(certificate, host, now).map(drop)
    }
}

impl Credential {
    /// A credential of any kind: the own certificate first, then those above it, in DER; the key in PKCS#8 DER.
    pub fn new(chain: Vec<Vec<u8>>, key_pkcs8: Zeroizing<Vec<u8>>) -> Self {
        Self { chain: chain.into_iter().map(CertificateDer::from).collect(), key_pkcs8 }
    }

    /// A member's credential. Its chain goes up to the root, so that who knows only the root's
    /// SHA-256 can verify it.
    pub fn member(trust: &Trust, certificate: Vec<u8>, key_pkcs8: Zeroizing<Vec<u8>>) -> Self {
        Self::new(vec![certificate, trust.plant().der().to_vec(), trust.root().der().to_vec()], key_pkcs8)
    }

    /// The own certificate, DER.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.chain.first().map(|certificate| certificate.as_ref())
    }

    /// The own certificate and those above it, DER.
    pub fn chain(&self) -> Vec<&[u8]> {
        self.chain.iter().map(|certificate| certificate.as_ref()).collect()
    }

    /// The algorithm of the key, as the certificate states it.
    ///
    /// # Errors
    /// There is no certificate, or its key is not one of ours.
    pub fn algorithm(&self) -> Result<KeyAlgorithm, SigningError> {
        let certificate = self.certificate().ok_or(SigningError)?;
        Certificate::parse(certificate).ok().and_then(|read| read.key_algorithm()).ok_or(SigningError)
    }

    /// ECDSA over `message` by the key, with the hash that goes with its curve: `r` and `s`, as
    /// [`possession::verify_message`](crate::possession::verify_message) takes it.
    ///
    /// # Errors
    /// The key is not the certificate's kind of key, or the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let algorithm = match self.algorithm()? {
            KeyAlgorithm::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            KeyAlgorithm::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.key_pkcs8).map_err(|_| SigningError)?;
        let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| SigningError)?;
        Ok(signature.as_ref().to_vec())
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_pkcs8.to_vec()))
    }
}

/// How a host answers: members and devices that `trust` covers, and peers without a certificate;
/// any other certificate ends the handshake.
///
/// # Errors
/// The credential cannot be used.
pub fn server_config(
    trust: Trust,
    credential: &Credential,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    server_config_of(&[&TLS13], trust, credential, clock)
}

/// As [`server_config`], speaking TLS 1.2 as well. Who may come over it is the service's decision.
///
/// # Errors
/// The credential cannot be used.
pub fn server_config_with_tls12(
    trust: Trust,
    credential: &Credential,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    let mut config = server_config_of(&[&TLS13, &TLS12], trust, credential, clock)?;
    config.require_ems = true;
    Ok(config)
}

fn server_config_of(
    versions: &[&'static SupportedProtocolVersion],
    trust: Trust,
    credential: &Credential,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = PeerVerifier { trust, algorithms: provider.signature_verification_algorithms };
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(TlsClock(clock)))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(credential.chain.clone(), credential.key())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// How a client asks the given host, and no other.
pub fn client_config(
    trust: HostTrust,
    host: Member,
    credential: Option<&Credential>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = HostVerifier { trust, host, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_details(provider, Arc::new(TlsClock(clock)))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match credential {
        Some(credential) => builder.with_client_auth_cert(credential.chain.clone(), credential.key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Of the suites of TLS 1.2, those that a host with a key on P-256 can speak: ephemeral keys, authenticated encryption.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider.cipher_suites.retain(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().all(is_ecdsa),
        SupportedCipherSuite::Tls13(_) => true,
    });
    Arc::new(provider)
}

fn is_ecdsa(scheme: &SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::ECDSA_NISTP256_SHA256
            | SignatureScheme::ECDSA_NISTP384_SHA384
            | SignatureScheme::ECDSA_NISTP521_SHA512
            | SignatureScheme::ED25519
    )
}

/// Hosts, being members, sign with keys on P-256 only.
const HOST_SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ECDSA_NISTP256_SHA256];
/// Among those that open connections are devices, which may have a key on P-384.
const PEER_SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];

#[derive(Debug)]
struct PeerVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let now = epoch_seconds(now);
        let verified = match self.trust.verify_peer(end_entity, now) {
            // What such a device may ask, and where, is decided for every request.
            Err(Refusal::NotCurrent) => {
                DeviceVerifier::new(self.trust.clone()).verify_expired(end_entity, now).map(drop)
            }
            verified => verified.map(drop),
        };
        verified.map_err(tls_alert)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PEER_SCHEMES.to_vec()
    }
}

#[derive(Debug)]
struct HostVerifier {
    trust: HostTrust,
    host: Member,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let now = epoch_seconds(now);
        self.trust.verify_host(end_entity, intermediates, &self.host, now).map_err(tls_alert)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(tls12_is_not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        HOST_SCHEMES.to_vec()
    }
}

/// Time for the TLS library from the clock given at the edge.
struct TlsClock(Arc<dyn Clock>);

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.epoch_seconds()))
    }
}

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the given clock")
    }
}

fn epoch_seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn tls12_is_not_spoken() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".into())
}

/// The alert that tells the peer most of what is wrong, with the refusal itself for our own log.
fn tls_alert(refusal: Refusal) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(refusal))).into()
}
