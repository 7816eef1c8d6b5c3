//! How a bundle is signed, and whether one that came is to be believed.

use cert::possession::verify_message;
use cert::tls::{Credential, HostTrust, SigningError};
use cert::{Certificate, Fingerprint, PeerIdentity, Refusal, Trust};
use identity::Member;
use message::bundle::{BUNDLE_BYTES_MAX, BUNDLE_VERSION, BUNDLES_MAX, Bundle, Party};
use message::problem::{Problem, ProblemCode};
use serde::Deserialize;

use crate::sign1::{Sign1, to_be_signed};

/// Signs bundles with the key of a certificate.
#[derive(Clone)]
pub struct Signer(Credential);

/// Why a bundle is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key does not sign.
    #[error("the bundle cannot be signed")]
    Key(#[from] SigningError),
    /// It has more bytes than a bundle may have.
    #[error("the bundle has {0} bytes; at most 8 MiB are taken")]
    TooLarge(usize),
}

/// Why a bundle is not believed.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file is cut off, or something in it is no bundle.
    #[error("the file is cut off or damaged, or is no file of bundles")]
    Malformed,
    /// A file or a bundle is larger than is taken.
    #[error("a file has at most {BUNDLES_MAX} bundles of at most 8 MiB each")]
    TooLarge,
    /// The certificate of its sender is refused.
    #[error("the certificate of its sender is refused: {0}")]
    Sender(Refusal),
    /// The signature is not by the key of its sender.
    #[error("the signature does not hold: the bundle was changed, or its sender did not sign it")]
    Signature,
    /// It is of another version.
    #[error("it is a bundle of version {found}; this program reads version {BUNDLE_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// What was signed is no bundle.
    #[error("what it says cannot be read: {0}")]
    Contents(#[source] serde_json::Error),
    /// It states another sender than the certificate that signed it.
    #[error("it says that it is from {stated}; {found} signed it")]
    OtherSender {
        /// Whom it states.
        stated: Box<Party>,
        /// Who signed.
        found: Box<Party>,
    },
}

/// A bundle that its sender signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received<S> {
    /// What it says.
    pub bundle: Bundle,
    /// Who signed it, as the certificate says.
    pub sender: S,
    /// SHA-256 of what was signed, by which a second bundle of the same number is compared.
    pub sha256: Fingerprint,
}

impl BundleError {
    /// The problem to tell its bearer.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::TooLarge => ProblemCode::TooLarge,
            Self::Malformed | Self::Version { .. } | Self::Contents(_) => ProblemCode::MalformedRequest,
            Self::Sender(_) | Self::Signature | Self::OtherSender { .. } => ProblemCode::NotAuthenticated,
        };
        Problem::new(code, self.to_string())
    }
}

impl Signer {
    /// Signs by this credential.
    pub fn new(credential: Credential) -> Self {
        Self(credential)
    }

    /// The signed bundle, as it travels.
    ///
    /// # Errors
    /// The key cannot sign, or the bundle is too large.
    pub fn sign(&self, bundle: &Bundle) -> Result<Vec<u8>, SignError> {
        let payload = serde_json::to_vec(bundle).expect("a bundle is plain data");
        let (algorithm, chain) = (self.0.algorithm()?, self.0.chain());
        let signature = self.0.sign(&to_be_signed(algorithm, &chain, &payload))?;
        let signed = Sign1 { algorithm, chain, payload: &payload, signature: &signature }.write();
        if signed.len() <= BUNDLE_BYTES_MAX { Ok(signed) } else { Err(SignError::TooLarge(signed.len())) }
    }
}

/// The bundles of a file, none of them looked into yet. A file that is cut off has none.
///
/// # Errors
/// The file is damaged, or larger than is taken.
pub fn split(file: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let (mut documents, mut rest) = (Vec::new(), file);
    while !rest.is_empty() {
        let (_, length) = Sign1::read(rest).ok_or(BundleError::Malformed)?;
        let (document, behind) = rest.split_at(length);
        if length > BUNDLE_BYTES_MAX || documents.len() == BUNDLES_MAX {
            return Err(BundleError::TooLarge);
        }
        documents.push(document);
        rest = behind;
    }
    if documents.is_empty() { Err(BundleError::Malformed) } else { Ok(documents) }
}

/// Reads a bundle without verifying it: one's own, or one that was verified before it was stored.
///
/// # Errors
/// It cannot be read.
pub fn read_trusted(document: &[u8]) -> Result<Bundle, BundleError> {
    let (signed, _) = Sign1::read(document).ok_or(BundleError::Malformed)?;
    read(signed.payload)
}

/// Opens a bundle by a member or a device of this plant. Whether the member is still admitted, and what
/// the register says of the device, are the receiver's questions, as with a TLS session.
///
/// # Errors
/// Why it is not believed.
pub fn open(document: &[u8], trust: &Trust, now: i64) -> Result<Received<PeerIdentity>, BundleError> {
    open_by(
        document,
        |chain| trust.verify_peer(chain[0], now),
        |sender| match sender {
            PeerIdentity::Member(identity) => Ok(Party::Member(identity.member.clone())),
            PeerIdentity::Device(identity) => Ok(Party::Device(identity.number.clone())),
            PeerIdentity::Common(_) => Err(Refusal::SpeaksForNobody),
        },
    )
}

/// Opens a bundle by the given member, whose CAs a device knows by the root's SHA-256 alone.
///
/// # Errors
/// Why it is not believed.
pub fn open_from_host(
    document: &[u8],
    trust: &HostTrust,
    host: &Member,
    now: i64,
) -> Result<Received<Member>, BundleError> {
    open_by(
        document,
        |chain| trust.verify_host(chain[0], &chain[1..], host, now).map(|()| host.clone()),
        |host| Ok(Party::Member(host.clone())),
    )
}

fn open_by<S>(
    document: &[u8],
    verify: impl FnOnce(&[&[u8]]) -> Result<S, Refusal>,
    party_of: impl FnOnce(&S) -> Result<Party, Refusal>,
) -> Result<Received<S>, BundleError> {
    if document.len() > BUNDLE_BYTES_MAX {
        return Err(BundleError::TooLarge);
    }
    let (signed, length) = Sign1::read(document).ok_or(BundleError::Malformed)?;
    if length != document.len() {
        return Err(BundleError::Malformed);
    }
    let sender = verify(&signed.chain).map_err(BundleError::Sender)?;
    let key_algorithm = Certificate::parse(signed.chain[0]).map_err(BundleError::Sender)?.key_algorithm();
    let message = to_be_signed(signed.algorithm, &signed.chain, signed.payload);
    if key_algorithm != Some(signed.algorithm)
        || verify_message(signed.chain[0], &message, signed.signature).is_err()
    {
        return Err(BundleError::Signature);
    }
    let bundle = read(signed.payload)?;
    let found = party_of(&sender).map_err(BundleError::Sender)?;
    if bundle.from != found {
        return Err(BundleError::OtherSender { stated: Box::new(bundle.from), found: Box::new(found) });
    }
    Ok(Received { bundle, sender, sha256: Fingerprint::of(signed.payload) })
}

/// Reads what was signed. A bundle of another version may have other fields, so the version comes first.
fn read(payload: &[u8]) -> Result<Bundle, BundleError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(payload).map_err(BundleError::Contents)?;
    if version != BUNDLE_VERSION {
        return Err(BundleError::Version { found: version });
    }
    serde_json::from_slice(payload).map_err(BundleError::Contents)
}
