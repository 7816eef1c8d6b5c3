//! The messages of the line protocol as JSON, for programs that read no Rust: the fields by name, bytes
//! in hexadecimal, all else as its text.

use identity::line::{self, Refusal, VersionRange};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};
use serde::{Deserialize, Serialize};

/// Bytes, in JSON as hexadecimal digits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hex<T: hex::FromHex<Error = hex::FromHexError> + AsRef<[u8]> = Vec<u8>>(
    #[serde(with = "hex::serde")] pub T,
);

/// Any message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Message {
    Request(Request),
    Answer(Answer),
}

#[expect(clippy::enum_variant_names, reason = "these are the protocol's own names")]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Request {
    Identify {},
    Transmission { session: Hex<[u8; 16]>, pack: Pack },
    ResultRequest { session: Hex<[u8; 16]>, challenge: Hex<[u8; 32]> },
    ResultResponse { session: Hex<[u8; 16]> },
    KeyRequest { session: Hex<[u8; 16]>, device_number: DeviceNumber },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pack {
    pub device_number: DeviceNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificatePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symmetric: Option<SymmetricPart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificatePart {
    root: Hex,
    issuing: Hex,
    client: Hex,
    key: Key,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Key {
    Plain(Hex),
    Sealed(Hex),
    Own {},
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SymmetricPart {
    apparatus_id: ApparatusId,
    sealed: Hex,
    form: SymmetricForm,
    challenge: Hex<[u8; 32]>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Answer {
    Identity(Identity),
    Reception {},
    WriteResult(WriteResult),
    Done {},
    Refused { reason: String },
    SigningRequest(Hex),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    oldest_version: u8,
    newest_version: u8,
    product: ProductCode,
    hardware_uid: HardwareUid,
    session: Hex<[u8; 16]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holding: Option<DeviceNumber>,
    confirmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_identifier: Option<KeyIdentifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chip_key: Option<Hex>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteResult {
    device_number: DeviceNumber,
    pack_digest: Hex<[u8; 32]>,
    signature: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<Confirmation>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Confirmation {
    apparatus_id: ApparatusId,
    station: Hex<[u8; 32]>,
    authority: Hex<[u8; 32]>,
}

impl Request {
    /// The message as the line protocol has it.
    pub fn on_the_line(&self) -> line::Request<'_> {
        match self {
            Self::Identify {} => line::Request::Identify,
            Self::Transmission { session, pack } => line::Request::Transmission(line::Transmission {
                session: line::Session::new(session.0),
                pack: pack.on_the_line(),
            }),
            Self::ResultRequest { session, challenge } => line::Request::ResultRequest {
                session: line::Session::new(session.0),
                challenge: challenge.0,
            },
            Self::ResultResponse { session } => {
                line::Request::ResultResponse { session: line::Session::new(session.0) }
            }
            Self::KeyRequest { session, device_number } => line::Request::KeyRequest {
                session: line::Session::new(session.0),
                device_number: device_number.clone(),
            },
        }
    }
}

impl From<line::Request<'_>> for Request {
    fn from(request: line::Request<'_>) -> Self {
        let hex = |session: line::Session| Hex(*session.as_bytes());
        match request {
            line::Request::Identify => Self::Identify {},
            line::Request::Transmission(transmission) => {
                Self::Transmission { session: hex(transmission.session), pack: transmission.pack.into() }
            }
            line::Request::ResultRequest { session, challenge } => {
                Self::ResultRequest { session: hex(session), challenge: Hex(challenge) }
            }
            line::Request::ResultResponse { session } => Self::ResultResponse { session: hex(session) },
            line::Request::KeyRequest { session, device_number } => {
                Self::KeyRequest { session: hex(session), device_number }
            }
        }
    }
}

impl Pack {
    /// The pack as the line protocol has it.
    pub fn on_the_line(&self) -> line::Pack<'_> {
        line::Pack {
            device_number: self.device_number.clone(),
            certificate: self.certificate.as_ref().map(|part| line::CertificatePart {
                root: &part.root.0,
                issuing: &part.issuing.0,
                client: &part.client.0,
                key: match &part.key {
                    Key::Plain(key) => line::Key::Plain(&key.0),
                    Key::Sealed(sealed) => line::Key::Sealed(&sealed.0),
                    Key::Own {} => line::Key::Own,
                },
            }),
            symmetric: self.symmetric.as_ref().map(|part| line::SymmetricPart {
                apparatus_id: part.apparatus_id,
                sealed: &part.sealed.0,
                form: part.form,
                challenge: part.challenge.0,
            }),
        }
    }
}

impl From<line::Pack<'_>> for Pack {
    fn from(pack: line::Pack<'_>) -> Self {
        let hex = |bytes: &[u8]| Hex(bytes.to_vec());
        Self {
            device_number: pack.device_number,
            certificate: pack.certificate.map(|part| CertificatePart {
                root: hex(part.root),
                issuing: hex(part.issuing),
                client: hex(part.client),
                key: match part.key {
                    line::Key::Plain(key) => Key::Plain(hex(key)),
                    line::Key::Sealed(sealed) => Key::Sealed(hex(sealed)),
                    line::Key::Own => Key::Own {},
                },
            }),
            symmetric: pack.symmetric.map(|part| SymmetricPart {
                apparatus_id: part.apparatus_id,
                sealed: hex(part.sealed),
                form: part.form,
                challenge: Hex(part.challenge),
            }),
        }
    }
}

impl Answer {
    /// The message as the line protocol has it, or `None` where it cannot have it.
    pub fn on_the_line(&self) -> Option<line::Answer> {
        Some(match self {
            Self::Identity(identity) => line::Answer::Identity(line::Identity {
                versions: VersionRange { min: identity.oldest_version, current: identity.newest_version },
                product: identity.product.clone(),
                hardware_uid: identity.hardware_uid.clone(),
                session: line::Session::new(identity.session.0),
                holding: identity.holding.clone(),
                confirmed: identity.confirmed,
                key_identifier: identity.key_identifier.clone(),
                chip_key: match &identity.chip_key {
                    Some(key) => Some(key.0.as_slice().try_into().ok()?),
                    None => None,
                },
            }),
            Self::Reception {} => line::Answer::Reception,
            Self::WriteResult(result) => line::Answer::WriteResult(line::WriteResult {
                device_number: result.device_number.clone(),
                pack_digest: result.pack_digest.0,
                signature: result.signature.0.as_slice().try_into().ok()?,
                confirmation: result.confirmation.as_ref().map(|confirmation| line::Confirmation {
                    apparatus_id: confirmation.apparatus_id,
                    station: confirmation.station.0,
                    authority: confirmation.authority.0,
                }),
            }),
            Self::Done {} => line::Answer::Done,
            Self::Refused { reason } => line::Answer::Refused(reason.parse().ok()?),
            Self::SigningRequest(request) => {
                line::Answer::SigningRequest(line::SigningRequest(request.0.as_slice().try_into().ok()?))
            }
        })
    }
}

impl From<line::Answer> for Answer {
    fn from(answer: line::Answer) -> Self {
        match answer {
            line::Answer::Identity(identity) => Self::Identity(Identity {
                oldest_version: identity.versions.min,
                newest_version: identity.versions.current,
                product: identity.product,
                hardware_uid: identity.hardware_uid,
                session: Hex(*identity.session.as_bytes()),
                holding: identity.holding,
                confirmed: identity.confirmed,
                key_identifier: identity.key_identifier,
                chip_key: identity.chip_key.map(|key| Hex(key.to_vec())),
            }),
            line::Answer::Reception => Self::Reception {},
            line::Answer::WriteResult(result) => Self::WriteResult(WriteResult {
                device_number: result.device_number,
                pack_digest: Hex(result.pack_digest),
                signature: Hex(result.signature.to_vec()),
                confirmation: result.confirmation.map(|confirmation| Confirmation {
                    apparatus_id: confirmation.apparatus_id,
                    station: Hex(confirmation.station),
                    authority: Hex(confirmation.authority),
                }),
            }),
            line::Answer::Done => Self::Done {},
            line::Answer::Refused(refusal) => Self::Refused { reason: Refusal::as_str(refusal).to_owned() },
            line::Answer::SigningRequest(request) => Self::SigningRequest(Hex(request.0.to_vec())),
        }
    }
}
