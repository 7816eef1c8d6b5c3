//! What EST (RFC 7030) says in ASN.1: certificates without a signed content, and what a signing request
//! is to be like.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use const_oid::db::rfc5912::ID_EC_PUBLIC_KEY;
use der::asn1::{Any, AnyRef, SetOfVec};
use der::{Decode, Encode, Sequence};
use identity::profile::KeyAlgorithm;
use x509_cert::attr::Attribute;

use crate::key::{curve, signature_algorithm};
use crate::signer::IssueError;

/// Certificates in a PKCS#7 that signs nothing: the certs-only form of RFC 5272 clause 4.1, DER.
///
/// # Errors
/// One of them is not DER.
pub fn certificates_only<C: AsRef<[u8]>>(certificates: &[C]) -> Result<Vec<u8>, IssueError> {
    let certificates = certificates.iter().map(|der| AnyRef::from_der(der.as_ref()));
    let certificates = SetOfVec::try_from(certificates.collect::<der::Result<Vec<_>>>()?)?;
    let content = SignedData {
        version: 1,
        digest_algorithms: SetOfVec::new(),
        encapsulated_content: EncapsulatedContent { content_type: ID_DATA },
        certificates,
        signers: SetOfVec::new(),
    };
    Ok(ContentInfo { content_type: ID_SIGNED_DATA, content }.to_der()?)
}

/// What a device of this algorithm is to put into its signing request: CsrAttrs (RFC 7030 clause 4.5.2), DER.
///
/// # Errors
/// The library fails.
pub fn request_attributes(algorithm: KeyAlgorithm) -> Result<Vec<u8>, IssueError> {
    let values = SetOfVec::try_from(vec![Any::encode_from(&curve(algorithm))?])?;
    let key = Attribute { oid: ID_EC_PUBLIC_KEY, values };
    let signature = signature_algorithm(algorithm).oid;
    Ok(vec![Any::from_der(&key.to_der()?)?, Any::encode_from(&signature)?].to_der()?)
}

/// ContentInfo (RFC 5652 clause 3).
#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    content: SignedData<'a>,
}

/// SignedData (RFC 5652 clause 5.1) without content and signers, and with certificates.
#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AnyRef<'a>>,
    encapsulated_content: EncapsulatedContent,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true")]
    certificates: SetOfVec<AnyRef<'a>>,
    signers: SetOfVec<AnyRef<'a>>,
}

/// EncapsulatedContentInfo (RFC 5652 clause 5.2) without content.
#[derive(Sequence)]
struct EncapsulatedContent {
    content_type: ObjectIdentifier,
}
