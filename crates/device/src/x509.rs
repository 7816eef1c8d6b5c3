//! The little X.509 and PKCS#10 that a device must know: its public key in a certificate, and the
//! request for one. Types and DER only; nothing is allocated.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, PrintableStringRef, SetOf};
use der::{Decode, Encode, Sequence, ValueOrd};
use identity::DeviceNumber;
use identity::line::{SIGNING_REQUEST_BYTES_MAX, SigningRequest};
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// The attribute that holds the device number (IEEE 802.1AR clause 8.6).
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

/// The public key of a certificate (DER), if it is one.
pub fn public_key(certificate: &[u8]) -> Option<SubjectPublicKeyInfoRef<'_>> {
    Certificate::from_der(certificate).ok().map(|certificate| certificate.to_be_signed.public_key)
}

/// A signing request (RFC 2986) for this number and key, signed with `sign`, which gives DER.
pub fn signing_request<S: AsRef<[u8]>>(
    number: &DeviceNumber,
    public_key: SubjectPublicKeyInfoRef<'_>,
    algorithm: AlgorithmIdentifierRef<'_>,
    sign: impl FnOnce(&[u8]) -> S,
) -> SigningRequest {
    let number = number.text();
    let mut buffer = [0; SIGNING_REQUEST_BYTES_MAX];
    let request = || -> der::Result<SigningRequest> {
        let attribute = Attribute { oid: SERIAL_NUMBER, value: PrintableStringRef::new(number.as_str())? };
        let mut name = SetOf::new();
        name.insert(attribute)?;
        let information =
            RequestInformation { version: 0, subject: [name], public_key, attributes: SetOf::new() };
        let signature = sign(information.encode_to_slice(&mut buffer)?);
        let signature = BitStringRef::from_bytes(signature.as_ref())?;
        let mut request = heapless::Vec::from_array([0; SIGNING_REQUEST_BYTES_MAX]);
        let length = Request { information, algorithm, signature }.encode_to_slice(&mut request)?.len();
        request.truncate(length);
        Ok(SigningRequest(request))
    };
    request().expect("the longest number's request for a P-384 key fits")
}

/// CertificationRequest (RFC 2986 clause 4.2).
#[derive(Sequence)]
struct Request<'a> {
    information: RequestInformation<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

/// CertificationRequestInfo (RFC 2986 clause 4.1).
#[derive(Sequence)]
struct RequestInformation<'a> {
    version: u8,
    subject: [SetOf<Attribute<'a>, 1>; 1],
    public_key: SubjectPublicKeyInfoRef<'a>,
    /// Empty, and there nevertheless.
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true")]
    attributes: SetOf<AnyRef<'a>, 0>,
}

/// AttributeTypeAndValue (RFC 5280 clause 4.1.2.4).
#[derive(Clone, Sequence, ValueOrd)]
struct Attribute<'a> {
    oid: ObjectIdentifier,
    value: PrintableStringRef<'a>,
}

/// Certificate (RFC 5280 clause 4.1).
#[derive(Sequence)]
struct Certificate<'a> {
    to_be_signed: ToBeSigned<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

/// TBSCertificate (RFC 5280 clause 4.1.2), of which only the public key is looked into.
#[derive(Sequence)]
struct ToBeSigned<'a> {
    #[asn1(context_specific = "0", optional = "true")]
    version: Option<u8>,
    serial_number: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: AnyRef<'a>,
    subject: AnyRef<'a>,
    public_key: SubjectPublicKeyInfoRef<'a>,
    #[asn1(context_specific = "3", optional = "true")]
    extensions: Option<AnyRef<'a>>,
}
