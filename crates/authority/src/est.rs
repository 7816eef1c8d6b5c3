//! EST (RFC 7030): how devices of any make get certificates, over mutual TLS with the one that they have.
//!
//! | path | who asks | what comes of it |
//! | --- | --- | --- |
//! | `cacerts` | anyone: it is what everybody must know to verify us | root and issuing CAs |
//! | `csrattrs` | a device | key and signature algorithm of its product |
//! | `simpleenroll` | a device, for its own number | its next certificate |
//! | `simpleenroll` | a device under its common certificate, which names its number and chip | what [`recovery`](crate) says: a certificate, or that a person decides |
//! | `simplereenroll` | a device, under the same names | the same |
//! | `serverkeygen` | a device whose product has its keys from here | its next certificate, and the key |
//!
//! The last three are also for a device whose certificate has expired, where its product allows it.
//!
//! Each certificate counts beside the one before until its device has shown it: by confirming it
//! (`POST /v1/identity/confirmation`), or by asking here with it.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::prelude::{BASE64_STANDARD, Engine};
use cert::CommonIdentity;
use message::pack::{CertificatePack, PackKey};
use message::problem::ProblemCode;
use message::recovery::{RecoveryAnswer, RecoveryRequest};
use pki::RequestedSubject;
use pki::est::certificates_only;
use transport::{Common, Device, Origin, Refused, RenewingDevice};

use crate::authority::Authority;
use crate::routes::{admitted, refused};

/// Where every peer may learn our CAs.
pub(crate) const CA_CERTIFICATES: &str = "/.well-known/est/cacerts";

pub(crate) const SIMPLE_ENROLL: &str = "/.well-known/est/simpleenroll";
pub(crate) const SIMPLE_REENROLL: &str = "/.well-known/est/simplereenroll";
pub(crate) const SERVER_KEY_GENERATION: &str = "/.well-known/est/serverkeygen";

/// Bytes in a request's body: many times what a signing request of ours takes.
const BODY_BYTES_MAX: usize = 16 * 1_024;
/// Characters in a line of base64 (RFC 2045 clause 6.8 allows 76).
const LINE_LENGTH: usize = 64;
/// Stands between the parts of an answer. No line of base64 has a hyphen.
const BOUNDARY: &str = "est-key-and-certificate";

/// How long a device is to wait before it asks whether a person has decided.
const RETRY_SECONDS: &str = "300";

const CERTIFICATES: &str = "application/pkcs7-mime; smime-type=certs-only";
const TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");

type Shared = State<Arc<Authority>>;

pub(crate) fn routes() -> Router<Arc<Authority>> {
    Router::new()
        .route(CA_CERTIFICATES, get(ca_certificates))
        .route("/.well-known/est/csrattrs", get(request_attributes))
        .route(SIMPLE_ENROLL, post(enroll))
        .route(SIMPLE_REENROLL, post(reenroll))
        .route(SERVER_KEY_GENERATION, post(generate_key))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn ca_certificates(State(authority): Shared) -> Result<Response, Refused> {
    let trust = authority.trust();
    let issuing = trust.issuing();
    let certificates: Vec<&[u8]> =
        [trust.root()].into_iter().chain(&issuing).map(|certificate| certificate.der()).collect();
    let der = certificates_only(&certificates).map_err(|error| refused(error.into()))?;
    Ok(base64_answer(CERTIFICATES, &der))
}

async fn request_attributes(State(authority): Shared, Device(device): Device) -> Result<Response, Refused> {
    let algorithm = authority.key_algorithm_of(&device).await.map_err(refused)?;
    let der = pki::est::request_attributes(algorithm).map_err(|error| refused(error.into()))?;
    Ok(base64_answer("application/csrattrs", &der))
}

async fn enroll(
    State(authority): Shared,
    origin: Origin,
    common: Result<Common, Refused>,
    device: Result<RenewingDevice, Refused>,
    Pkcs10(request): Pkcs10,
) -> Result<Response, Refused> {
    if let Ok(Common(common)) = common {
        return recover(&authority, &common, &origin, request).await;
    }
    let device = admitted(&authority, device?).await?;
    let pack = authority.enroll(&device, request).await.map_err(refused)?;
    Ok(base64_answer(CERTIFICATES, &issued(&pack)?))
}

/// A device that has nothing but its common certificate. It has no way here to bring a proof, so what speaks for it is a
/// board swap or a person's word, for which it waits (RFC 7030 clause 4.2.3).
async fn recover(
    authority: &Arc<Authority>,
    common: &CommonIdentity,
    origin: &Origin,
    request: Vec<u8>,
) -> Result<Response, Refused> {
    let malformed = |detail: String| Refused::new(ProblemCode::MalformedRequest, detail);
    let subject = RequestedSubject::read(&request).map_err(|error| malformed(error.to_string()))?;
    let (Some(device_number), Some(hardware_uid)) = (subject.device_number(), subject.hardware_uid()) else {
        let detail = "under a common certificate the request states the device number as serialNumber of the \
                      subject, and the chip as hardware module name (RFC 4108) in the subject alternative name";
        return Err(malformed(detail.to_owned()));
    };
    let signing_request = message::bytes::Bytes(request);
    let request = RecoveryRequest { device_number, hardware_uid, signing_request, proof: None };
    let answer = authority.recover(common, request, &origin.channel_binding.0).await.map_err(refused)?;
    match answer {
        RecoveryAnswer::Pending { recovery } => {
            let text = format!("request {recovery} waits for a person's word; ask the same again later\n");
            Ok((StatusCode::ACCEPTED, [(RETRY_AFTER, RETRY_SECONDS)], text).into_response())
        }
        RecoveryAnswer::Issued { pack, .. } => {
            let pack = pack.certificate.ok_or_else(|| {
                Refused::new(ProblemCode::Internal, "a certificate that was made is not here")
            })?;
            Ok(base64_answer(CERTIFICATES, &issued(&pack)?))
        }
    }
}

async fn reenroll(
    State(authority): Shared,
    device: RenewingDevice,
    Pkcs10(request): Pkcs10,
) -> Result<Response, Refused> {
    let device = admitted(&authority, device).await?;
    let pack = authority.reenroll(&device, request).await.map_err(refused)?;
    Ok(base64_answer(CERTIFICATES, &issued(&pack)?))
}

async fn generate_key(
    State(authority): Shared,
    device: RenewingDevice,
    Pkcs10(request): Pkcs10,
) -> Result<Response, Refused> {
    let device = admitted(&authority, device).await?;
    let pack = authority.generate_key(&device, &request).await.map_err(refused)?;
    let PackKey::Plain(key) = &pack.key else {
        return Err(Refused::new(ProblemCode::Internal, "a key that was made here is not here"));
    };
    let part = |content_type: &str, der: &[u8]| {
        let text = base64_lines(der);
        format!(
            "--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n"
        )
    };
    let key = part("application/pkcs8", key.expose());
    let body = format!("{key}{}--{BOUNDARY}--\r\n", part(CERTIFICATES, &issued(&pack)?));
    Ok(([(CONTENT_TYPE, format!("multipart/mixed; boundary={BOUNDARY}"))], body).into_response())
}

/// A signing request in base64 (RFC 7030 clause 4.2.1), its bytes.
struct Pkcs10(Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Pkcs10 {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/pkcs10")) {
            let detail = "the body must be of the type application/pkcs10";
            return Err(Refused::new(ProblemCode::UnsupportedMediaType, detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let code = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::TooLarge,
                _ => ProblemCode::MalformedRequest,
            };
            Refused::new(code, "the body is too large, or did not arrive whole")
        })?;
        let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64_STANDARD
            .decode(text)
            .map(Self)
            .map_err(|_| Refused::new(ProblemCode::MalformedRequest, "the body is not base64"))
    }
}

/// The issued certificate alone (RFC 7030 clause 4.2.3).
fn issued(pack: &CertificatePack) -> Result<Vec<u8>, Refused> {
    certificates_only(&[&pack.client_certificate.0]).map_err(|error| refused(error.into()))
}

fn base64_answer(content_type: &'static str, der: &[u8]) -> Response {
    ([(CONTENT_TYPE, content_type), (TRANSFER_ENCODING, "base64")], base64_lines(der)).into_response()
}

fn base64_lines(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(LINE_LENGTH)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    lines.join("\r\n") + "\r\n"
}
