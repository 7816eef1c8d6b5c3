//! OCSP (RFC 6960, with the profile of RFC 5019): what is asked, and what a responder answers.
//!
//! A responder has a key and a certificate of its own, signed by the CA for a short time
//! (RFC 6960 clause 4.2.2.2): a CA's key usage lets it sign certificates and CRLs and nothing else, and
//! whoever may ask as often as he likes should not exercise the CA's key.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use cert::lint::Kind;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256};
use const_oid::db::rfc6960::{ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE};
use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, Int, Null, OctetString};
use der::{Choice, DateTime, Decode, Encode, Enumerated, Sequence};
use identity::profile::KeyAlgorithm;
use identity::{Random, RevocationReason};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;

use crate::crl::crl_reason;
use crate::device::IssuingCa;
use crate::key::SigningKey;
use crate::name::{self, NameText};
use crate::profile::{Extensions, Profile};
use crate::serial::CertificateSerial;
use crate::signer::{IssueError, Linted, encode};
use crate::validity::{Validity, ValidityError};

/// How many certificates one request may ask about.
pub const ASKED_MAX: usize = 16;
/// The most octets of a nonce (RFC 9654 clause 2.1).
const NONCE_OCTETS_MAX: usize = 128;

/// A request, read.
pub struct OcspRequest {
    asked: Vec<CertificateId>,
    nonce: Option<Extension>,
}

/// Which certificate is asked about (RFC 6960 clause 4.1.1).
#[derive(Clone, PartialEq, Eq, Debug, Sequence)]
pub struct CertificateId {
    hash_algorithm: AlgorithmIdentifierOwned,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    serial: Int,
}

/// Where a certificate stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateStatus {
    /// It was issued and is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// When, in seconds since 1970.
        time: i64,
        /// Why.
        reason: RevocationReason,
    },
    /// It was never issued.
    Unknown,
}

/// An answer without a signature: why there is none with one (RFC 6960 clause 4.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Enumerated)]
#[repr(u32)]
pub enum OcspRefusal {
    /// The request cannot be read, or asks too much.
    MalformedRequest = 1,
    /// The responder failed.
    InternalError = 2,
    /// The responder does not speak for the certificate's CA.
    Unauthorized = 6,
}

/// The linted certificate of a responder with its new key, not signed yet.
pub struct PreparedResponder {
    linted: Linted,
    serial: CertificateSerial,
    key: SigningKey,
}

/// Answers for one CA.
pub struct OcspResponder {
    certificate: Vec<u8>,
    key: SigningKey,
    key_hash: OctetString,
}

impl OcspRequest {
    /// Reads a request, DER. A signature on it is not looked at: everyone is answered.
    ///
    /// # Errors
    /// It is no request, or asks about none or too many certificates.
    pub fn parse(der: &[u8]) -> Result<Self, OcspRefusal> {
        let request = Request::from_der(der).map_err(|_| OcspRefusal::MalformedRequest)?.content;
        let asked: Vec<_> = request.asked.into_iter().map(|single| single.certificate).collect();
        let nonce = request.extensions.into_iter().flatten().find(|one| one.extn_id == ID_PKIX_OCSP_NONCE);
        let is_short = |nonce: &Extension| {
            let nonce = <&der::asn1::OctetStringRef>::from_der(nonce.extn_value.as_bytes());
            nonce.is_ok_and(|nonce| (1..=NONCE_OCTETS_MAX).contains(&nonce.as_bytes().len()))
        };
        if !(1..=ASKED_MAX).contains(&asked.len()) || nonce.as_ref().is_some_and(|nonce| !is_short(nonce)) {
            return Err(OcspRefusal::MalformedRequest);
        }
        Ok(Self { asked, nonce })
    }

    /// The request of a client that asks about the certificate with this serial number's content octets, which the CA with
    /// the certificate `issuer` (DER) signed: DER, with SHA-256.
    ///
    /// # Errors
    /// The CA's certificate is none, or the serial number no number.
    pub fn about(issuer: &[u8], serial: &[u8]) -> der::Result<Vec<u8>> {
        let issuer = x509_cert::Certificate::from_der(issuer)?;
        let issuer = issuer.tbs_certificate();
        let hash = |octets: &[u8]| OctetString::new(digest(&SHA256, octets).as_ref());
        let certificate = CertificateId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None },
            issuer_name_hash: hash(&issuer.subject().to_der()?)?,
            issuer_key_hash: hash(issuer.subject_public_key_info().subject_public_key.raw_bytes())?,
            serial: Int::new(serial)?,
        };
        let asked = vec![SingleRequest { certificate, extensions: None }];
        let content = RequestContent { requestor: None, asked, extensions: None };
        Request { content, signature: None }.to_der()
    }

    /// The certificates that are asked about, in order.
    pub fn asked(&self) -> &[CertificateId] {
        &self.asked
    }
}

impl CertificateId {
    /// The serial number's content octets.
    pub fn serial(&self) -> &[u8] {
        self.serial.as_bytes()
    }

    /// Whether the certificate is one of this CA's, by name and key.
    pub fn is_of(&self, ca: &IssuingCa) -> bool {
        let algorithm = match self.hash_algorithm.oid {
            // Names a CA here and protects nothing; most clients use it.
            ID_SHA_1 => &SHA1_FOR_LEGACY_USE_ONLY,
            ID_SHA_256 => &SHA256,
            _ => return false,
        };
        let Ok(name) = ca.signer.name.to_der() else { return false };
        digest(algorithm, &name).as_ref() == self.issuer_name_hash.as_bytes()
            && digest(algorithm, ca.signer.key.public_point()).as_ref() == self.issuer_key_hash.as_bytes()
    }
}

impl OcspRefusal {
    /// The answer, DER.
    pub fn to_response(self) -> Vec<u8> {
        let code = self as u8;
        vec![0x30, 0x03, 0x0a, 0x01, code]
    }
}

impl PreparedResponder {
    /// The certificate's serial.
    pub fn serial(&self) -> CertificateSerial {
        self.serial
    }
}

impl IssuingCa {
    /// Makes a key for a responder, encodes its certificate and lints it.
    ///
    /// # Errors
    /// Where a rule does not hold, or the library fails.
    pub fn prepare_responder(
        &self,
        common_name: &NameText,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<PreparedResponder, IssueError> {
        let key = SigningKey::generate(KeyAlgorithm::P256)?;
        let serial = CertificateSerial::random(random);
        let profile = Profile {
            issuer: self.signer.name.clone(),
            subject: name::common_name(None, common_name.as_str())?,
            extensions: Extensions::OcspResponder,
        };
        let encoded = encode(&self.signer.key, profile, serial, key.public_key_info()?, validity)?;
        Ok(PreparedResponder { linted: self.signer.lint(Kind::OcspResponder, encoded)?, serial, key })
    }

    /// Signs what was prepared.
    ///
    /// # Errors
    /// Where another CA prepared it, or the library fails.
    pub fn issue_responder(&self, prepared: PreparedResponder) -> Result<OcspResponder, IssueError> {
        let PreparedResponder { linted, key, .. } = prepared;
        let key_hash = OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.public_point()).as_ref())?;
        Ok(OcspResponder { certificate: self.signer.sign(linted)?, key, key_hash })
    }
}

impl OcspResponder {
    /// The responder's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The signed answer to a request, DER: a status for each certificate asked about, in that order, true
    /// at `now` and not to be asked again before `next_update`.
    ///
    /// # Errors
    /// A time is impossible, or the library fails.
    pub fn answer(
        &self,
        request: &OcspRequest,
        statuses: &[CertificateStatus],
        now: i64,
        next_update: i64,
    ) -> Result<Vec<u8>, IssueError> {
        let (now, next_update) = (generalized(now)?, generalized(next_update)?);
        let single = |(id, status): (&CertificateId, &CertificateStatus)| {
            let (certificate, status) = (id.clone(), Status::new(*status)?);
            Ok(SingleResponse { certificate, status, this_update: now, next_update: Some(next_update) })
        };
        let responses = request.asked.iter().zip(statuses).map(single).collect::<Result<_, IssueError>>()?;
        let data = ResponseData {
            responder: ResponderId::ByKey(self.key_hash.clone()),
            produced_at: now,
            responses,
            extensions: request.nonce.clone().map(|nonce| vec![nonce]),
        };
        let data = data.to_der()?;
        let basic = BasicResponse {
            data: AnyRef::from_der(&data)?,
            algorithm: self.key.signature_algorithm(),
            signature: BitStringRef::from_bytes(&self.key.sign(&data)?)?,
            certificates: Some(vec![AnyRef::from_der(&self.certificate)?]),
        }
        .to_der()?;
        let bytes = ResponseBytes { kind: ID_PKIX_OCSP_BASIC, response: OctetString::new(basic)? };
        Ok(Response { status: ResponseStatus::Successful, bytes: Some(bytes) }.to_der()?)
    }
}

fn generalized(epoch_seconds: i64) -> Result<GeneralizedTime, IssueError> {
    let seconds = u64::try_from(epoch_seconds).map_err(|_| ValidityError)?;
    let moment = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds));
    Ok(GeneralizedTime::from_date_time(moment.map_err(|_| ValidityError)?))
}

/// `OCSPRequest`.
#[derive(Sequence)]
struct Request<'a> {
    content: RequestContent<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    signature: Option<AnyRef<'a>>,
}

/// `TBSRequest`. The only version there is goes without saying.
#[derive(Sequence)]
struct RequestContent<'a> {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    requestor: Option<AnyRef<'a>>,
    asked: Vec<SingleRequest>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `Request`.
#[derive(Sequence)]
struct SingleRequest {
    certificate: CertificateId,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `OCSPResponse`.
#[derive(Sequence)]
struct Response {
    status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<ResponseBytes>,
}

/// `OCSPResponseStatus` of an answer with a signature; an [`OcspRefusal`] has none.
#[derive(Clone, Copy, Enumerated)]
#[repr(u32)]
enum ResponseStatus {
    Successful = 0,
}

#[derive(Sequence)]
struct ResponseBytes {
    kind: ObjectIdentifier,
    response: OctetString,
}

/// `BasicOCSPResponse`.
#[derive(Sequence)]
struct BasicResponse<'a> {
    data: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    certificates: Option<Vec<AnyRef<'a>>>,
}

#[derive(Sequence)]
struct ResponseData {
    responder: ResponderId,
    produced_at: GeneralizedTime,
    responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Choice)]
enum ResponderId {
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Sequence)]
struct SingleResponse {
    certificate: CertificateId,
    status: Status,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    next_update: Option<GeneralizedTime>,
}

/// `CertStatus`.
#[derive(Choice)]
enum Status {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence)]
struct RevokedInfo {
    time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    reason: Option<CrlReason>,
}

impl Status {
    fn new(status: CertificateStatus) -> Result<Self, IssueError> {
        Ok(match status {
            CertificateStatus::Good => Self::Good(Null),
            CertificateStatus::Unknown => Self::Unknown(Null),
            CertificateStatus::Revoked { time, reason } => {
                Self::Revoked(RevokedInfo { time: generalized(time)?, reason: crl_reason(reason) })
            }
        })
    }
}
