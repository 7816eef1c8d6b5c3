//! Why a certificate is refused.

use identity::{CredentialState, DeviceNumber, Member};

/// Why a certificate is refused. The peer is at fault, except where its own text says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// No certificate was presented.
    #[error("no certificate was presented")]
    Absent,
    /// The bytes are not one X.509 version 3 certificate in canonical DER.
    #[error("it is not an X.509 version 3 certificate in canonical DER")]
    Malformed,
    /// No CA that this side trusts for the purpose issued it.
    #[error("it was issued by \"{issuer}\", which is not trusted here")]
    UnknownIssuer {
        /// The name of the issuer, as the certificate states it.
        issuer: String,
    },
    /// The path from it to the CA does not hold.
    #[error("its path to the trusted CA does not hold: {0:?}")]
    Path(webpki::Error),
    /// The certificate is outside its validity.
    #[error("it is not valid at this time")]
    NotCurrent,
    /// The certificate has not expired.
    #[error("it has not expired")]
    NotExpired,
    /// The CA's own certificate is outside its validity.
    #[error("its CA \"{issuer}\" is not valid at this time")]
    IssuerNotCurrent {
        /// The name of the CA.
        issuer: String,
    },
    /// A CA certificate does not hold what a CA certificate must.
    #[error("it is not the certificate of a CA: {0}")]
    NotAuthority(&'static str),
    /// An extension is missing, doubled, malformed or marked critical where it must not be.
    #[error("{0}")]
    Extension(&'static str),
    /// The extended key usage does not have a purpose that it must have.
    #[error("its extended key usage does not have {0}")]
    ExtendedKeyUsage(&'static str),
    /// The key usage is not exactly digital signature.
    #[error("its key usage is not exactly digitalSignature")]
    KeyUsage,
    /// The basic constraints do not say that it is no CA.
    #[error("its basic constraints do not say CA:FALSE")]
    BasicConstraints,
    /// The key is on none of the curves that its kind may use.
    #[error("its key is not on a curve that it may be on: P-256, for a device P-256 or P-384")]
    Key,
    /// The serial number is not between 1 and 2^159.
    #[error("its serial number is not between 1 and 2^159")]
    Serial,
    /// The subject does not have exactly one serial number that is a device number.
    #[error("its subject does not state a device number")]
    NoDeviceNumber,
    /// The subject alternative name is not exactly one member URN.
    #[error("it does not state a member")]
    NoMember,
    /// The subject alternative name is not exactly one URN of a batch, or the subject names a device.
    #[error("it does not state a batch, and that alone")]
    NoBatch,
    /// It is a common certificate where someone must be named.
    #[error("it is a common certificate, which speaks for no device")]
    SpeaksForNobody,
    /// The peer is not the member that was expected.
    #[error("it states {found}, expected was {expected}")]
    OtherMember {
        /// Who was expected.
        expected: Box<Member>,
        /// Who the certificate states.
        found: Box<Member>,
    },
    /// The root is not the one that was pinned.
    #[error("its root certificate is not the pinned one")]
    OtherRoot,
    /// It is not a revocation list, or one that cannot be judged here.
    #[error("it is not a revocation list that can be judged: {0}")]
    RevocationList(&'static str),
    /// The CA has revoked the certificate.
    #[error("\"{subject}\" was revoked by its CA")]
    Revoked {
        /// The subject of the certificate.
        subject: String,
    },
    /// Whether the CA has revoked the certificate is not known.
    #[error("no current revocation list of its CA says whether \"{subject}\" was revoked")]
    RevocationUnknown {
        /// The subject of the certificate.
        subject: String,
    },
    /// The key is not the one that was issued for the device number.
    #[error("its key is not the one issued for {0}")]
    OtherKey(DeviceNumber),
    /// The credential of the device number is not in use.
    #[error("the credential of {number} is {state}")]
    NotInUse {
        /// The device number.
        number: DeviceNumber,
        /// Where its credential stands.
        state: CredentialState,
    },
}
