//! Joining: how a newcomer with a token becomes a member.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use cert::tls::{Credential, HostTrust};
use cert::{Certificate, Fingerprint, Refusal, Trust};
use const_oid::db::rfc5912;
use der::asn1::{Any, BitString};
use der::{Encode, asn1::SetOfVec};
use identity::{Clock, Member};
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, Membership};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use tokio::time::sleep;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use zeroize::Zeroizing;

use crate::client::{CallError, Client, ClientError};
use crate::proxy::Proxy;

/// A newcomer that has become a member.
pub struct Joined {
    /// What the host answered: the plant's certificates and the member's own.
    pub membership: Membership,
    /// The member's own key, PKCS#8 DER; it never left this process.
    pub key: SecretBytes,
}

/// Why a newcomer did not become a member.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The token's parts are not what they should be.
    #[error("the join token is damaged; ask for a new one")]
    Token,
    /// The host cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The host did not take the newcomer in.
    #[error("joining {host} failed")]
    Call {
        /// The host.
        host: Member,
        /// Why.
        #[source]
        source: CallError,
    },
    /// The host's answer does not make the newcomer the member that the token names.
    #[error("{host} answered with a membership that is not the token's")]
    Membership {
        /// The host.
        host: Member,
        /// What is wrong with it.
        #[source]
        source: Refusal,
    },
}

/// Makes a key, asks the token's host to certify it, and checks the answer. Asks again with the same
/// key where the answer is lost, since the token is used up by then.
///
/// # Errors
/// See [`JoinError`].
pub async fn join(token: &JoinToken, clock: Arc<dyn Clock>) -> Result<Joined, JoinError> {
    join_through(None, token, clock).await
}

/// As [`join`], through a proxy where one is given.
///
/// # Errors
/// See [`JoinError`].
pub async fn join_through(
    proxy: Option<&Proxy>,
    token: &JoinToken,
    clock: Arc<dyn Clock>,
) -> Result<Joined, JoinError> {
    let root: Fingerprint = token.root_sha256.parse().map_err(|_| JoinError::Token)?;
    let host = HostTrust::Root(root);
    let client = Client::through(proxy, host, None, token.host.clone(), &token.url, Arc::clone(&clock))?;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("the library makes keys");
    let request = JoinRequest { secret: token.secret.clone(), signing_request: Bytes(signing_request(&key)) };
    let membership = ask(&client, &request)
        .await
        .map_err(|source| JoinError::Call { host: token.host.clone(), source })?;
    check(&membership, token, root, &key, clock.epoch_seconds())
        .map_err(|source| JoinError::Membership { host: token.host.clone(), source })?;
    let key = key.to_pkcs8v1().expect("a key that was made can be written");
    Ok(Joined { membership, key: SecretBytes::new(key.as_ref().to_vec()) })
}

impl Joined {
    /// Whom the member trusts.
    pub fn trust(&self) -> Result<Trust, Refusal> {
        trust(&self.membership)
    }

    /// What the member shows of itself.
    pub fn credential(&self) -> Result<Credential, Refusal> {
        let certificate = self.membership.member_certificate.0.clone();
        Ok(Credential::member(&self.trust()?, certificate, Zeroizing::new(self.key.expose().to_vec())))
    }
}

const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

async fn ask(client: &Client, request: &JoinRequest) -> Result<Membership, CallError> {
    let mut attempt = 1;
    loop {
        match client.post_json("/v1/join", request).await {
            Err(CallError::Unreachable(_)) if attempt < ATTEMPTS => sleep(PAUSE * attempt).await,
            answer => return answer,
        }
        attempt += 1;
    }
}

fn trust(membership: &Membership) -> Result<Trust, Refusal> {
    let issuing: Vec<&[u8]> = membership.issuing_certificates.iter().map(|der| der.0.as_slice()).collect();
    let trust = Trust::new(&membership.root_certificate.0, &membership.plant_certificate.0, &issuing)?;
    match &membership.common_ca_certificate {
        Some(common) => trust.with_common(&common.0),
        None => Ok(trust),
    }
}

/// Whether the membership is under the pinned root, for the token's member, and for this key.
fn check(
    membership: &Membership,
    token: &JoinToken,
    root: Fingerprint,
    key: &EcdsaKeyPair,
    now: i64,
) -> Result<(), Refusal> {
    let trust = trust(membership)?;
    if trust.root_fingerprint() != root {
        return Err(Refusal::OtherRoot);
    }
    let certificate = &membership.member_certificate.0;
    trust.verify_host(certificate, &token.member, now)?;
    if Certificate::parse(certificate)?.p256_public_key() != Some(key.public_key().as_ref()) {
        return Err(Refusal::Key);
    }
    Ok(())
}

/// A PKCS#10 request (RFC 2986) with an empty subject: the token says the name.
fn signing_request(key: &EcdsaKeyPair) -> Vec<u8> {
    let bits = |bytes: &[u8]| BitString::from_bytes(bytes).expect("whole bytes are a bit string");
    let algorithm = AlgorithmIdentifierOwned {
        oid: rfc5912::ID_EC_PUBLIC_KEY,
        parameters: Some(Any::from(&rfc5912::SECP_256_R_1)),
    };
    let info = CertReqInfo {
        version: Version::V1,
        subject: Name::default(),
        public_key: SubjectPublicKeyInfoOwned {
            algorithm,
            subject_public_key: bits(key.public_key().as_ref()),
        },
        attributes: SetOfVec::default(),
    };
    let message = info.to_der().expect("a request of known parts can be written");
    let signature = key.sign(&SystemRandom::new(), &message).expect("the library signs");
    let request = CertReq {
        info,
        algorithm: AlgorithmIdentifierOwned { oid: rfc5912::ECDSA_WITH_SHA_256, parameters: None },
        signature: bits(signature.as_ref()),
    };
    request.to_der().expect("a request of known parts can be written")
}
