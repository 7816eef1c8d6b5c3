//! How a write fails: one sentence for the operator, and what may be done with the device.

use std::error::Error;
use std::fmt;
use std::io;

use console::catalogue::station as texts;
use console::{Language, Text};
use identity::line::Refusal;
use identity::scan::ScanError;
use identity::{CredentialState, DeviceNumber, ProductCode};
use message::problem::{Problem, ProblemCode};

use crate::device::DeviceError;

/// What may be done with a device whose write failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Handling {
    /// Nothing was harmed: do what the sentence says and scan again.
    RetrySafe,
    /// Nobody knows what the device holds: only this device may be tried again with this number.
    Suspect,
    /// The device, or its plate, is of no use.
    Scrap,
}

/// Why a device was not written. Its text is the sentence for the operator, in English.
#[derive(Debug)]
pub enum Failure {
    /// The scan holds no device number.
    Plate(ScanError),
    /// No device answered before anything was asked of the gateway.
    PortSilent(DeviceError),
    /// The plate is another product's.
    WrongProduct {
        /// The product of the scanned number.
        plate: ProductCode,
        /// The product that the device says it is.
        device: ProductCode,
    },
    /// The device was finished under another number.
    HoldsAnother(DeviceNumber),
    /// The device was finished under this number.
    AlreadyFinished(DeviceNumber),
    /// The gateway was not reached; it gave out nothing that anyone holds.
    GatewaySilent,
    /// The gateway cannot reach the authority, without which it has nothing for this device.
    AuthoritySilent(DeviceNumber),
    /// The gateway's answer cannot be understood.
    GatewayGarbled(String),
    /// The gateway refused.
    GatewayRefused {
        /// What was asked for: the scanned number.
        plate: String,
        /// Why.
        problem: Problem,
    },
    /// The device refused the pack.
    DeviceRefused(Refusal),
    /// The device was lost after the pack was sent to it.
    DeviceLost(DeviceError),
    /// Another device answered in the middle of a write.
    DeviceChanged,
    /// The proof does not hold.
    NotProved(String),
    /// The device answers of its pass phrase something else than the factory was told.
    WrongConfirmation,
    /// The gateway filed the result, and does not count the device as proved.
    NotVerified(CredentialState),
    /// The result could not be delivered in time; it is kept and delivered later.
    NotReported,
    /// The device was proved and filed, and did not take note of it.
    NotConfirmed(DeviceError),
    /// The station cannot keep its own files.
    Files(io::Error),
}

impl Failure {
    /// What may be done with the device.
    pub fn handling(&self) -> Handling {
        match self {
            Self::Plate(_)
            | Self::PortSilent(_)
            | Self::WrongProduct { .. }
            | Self::HoldsAnother(_)
            | Self::AlreadyFinished(_)
            | Self::GatewaySilent
            | Self::AuthoritySilent(_)
            | Self::GatewayGarbled(_)
            | Self::NotConfirmed(_)
            | Self::Files(_) => Handling::RetrySafe,
            Self::GatewayRefused { problem, .. } => match problem.code {
                ProblemCode::SecondDevice | ProblemCode::ProofFailed => Handling::Suspect,
                ProblemCode::IllegalState => Handling::Scrap,
                _ => Handling::RetrySafe,
            },
            Self::DeviceRefused(Refusal::StorageFailed) => Handling::Scrap,
            Self::DeviceRefused(_) => Handling::RetrySafe,
            Self::DeviceLost(_)
            | Self::DeviceChanged
            | Self::NotProved(_)
            | Self::WrongConfirmation
            | Self::NotVerified(_)
            | Self::NotReported => Handling::Suspect,
        }
    }

    /// The sentence for the operator: what happened, and what to do.
    pub fn sentence(&self, language: Language) -> String {
        let say = |text: Text, values: &[&dyn fmt::Display]| text.fill(language, values);
        match self {
            Self::Plate(error) => say(texts::PLATE, &[&plate_fault(*error, language)]),
            Self::PortSilent(_) => say(texts::PORT_SILENT, &[]),
            Self::WrongProduct { plate, device } => {
                say(texts::WRONG_PRODUCT, &[&plate.as_str(), &device.as_str()])
            }
            Self::HoldsAnother(number) => say(texts::HOLDS_ANOTHER, &[number]),
            Self::AlreadyFinished(number) => say(texts::ALREADY_FINISHED, &[number]),
            Self::GatewaySilent => say(texts::GATEWAY_SILENT, &[]),
            Self::AuthoritySilent(number) => say(texts::AUTHORITY_SILENT, &[number]),
            Self::GatewayGarbled(_) => say(texts::GATEWAY_GARBLED, &[]),
            Self::GatewayRefused { plate, problem } => {
                let (text, value) = gateway_sentence(plate, problem.code);
                say(text, &[&value])
            }
            Self::DeviceRefused(refusal) => say(device_sentence(*refusal), &[&refusal.as_str()]),
            Self::DeviceLost(_) => say(texts::DEVICE_LOST, &[]),
            Self::DeviceChanged => say(texts::DEVICE_CHANGED, &[]),
            Self::NotProved(_) => say(texts::NOT_PROVED, &[]),
            Self::WrongConfirmation => say(texts::WRONG_CONFIRMATION, &[]),
            Self::NotVerified(state) => say(texts::NOT_VERIFIED, &[state]),
            Self::NotReported => say(texts::NOT_REPORTED, &[]),
            Self::NotConfirmed(_) => say(texts::NOT_CONFIRMED, &[]),
            Self::Files(_) => say(texts::FILES, &[]),
        }
    }

    /// The failure as a word that programs can act on: a problem's or a refusal's own where it is one.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Plate(_) => "plate",
            Self::PortSilent(_) => "port-silent",
            Self::WrongProduct { .. } => ProblemCode::WrongProduct.as_str(),
            Self::HoldsAnother(_) => ProblemCode::DeviceHoldsAnother.as_str(),
            Self::AlreadyFinished(_) => "already-finished",
            Self::GatewaySilent => "gateway-silent",
            Self::AuthoritySilent(_) => "authority-silent",
            Self::GatewayGarbled(_) => "gateway-garbled",
            Self::GatewayRefused { problem, .. } => problem.code.as_str(),
            Self::DeviceRefused(refusal) => refusal.as_str(),
            Self::DeviceLost(_) => "device-lost",
            Self::DeviceChanged => "device-changed",
            Self::NotProved(_) => ProblemCode::ProofFailed.as_str(),
            Self::WrongConfirmation => "wrong-confirmation",
            Self::NotVerified(_) => "not-verified",
            Self::NotReported => "not-reported",
            Self::NotConfirmed(_) => "not-confirmed",
            Self::Files(_) => "files",
        }
    }
}

impl Handling {
    /// The handling's name: `retry-safe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetrySafe => "retry-safe",
            Self::Suspect => "suspect",
            Self::Scrap => "scrap",
        }
    }
}

impl fmt::Display for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(Language::English))
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::PortSilent(error) | Self::DeviceLost(error) | Self::NotConfirmed(error) => Some(error),
            Self::Files(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

fn plate_fault(error: ScanError, language: Language) -> String {
    match error {
        ScanError::Number(error) => texts::PLATE_SHAPE.fill(language, &[&(error.position() + 1)]),
        ScanError::NoCheckDigit { .. } => texts::PLATE_NO_CHECK_DIGIT.to(language).to_owned(),
        ScanError::WrongCheckDigit { .. } => texts::PLATE_WRONG_CHECK_DIGIT.to(language).to_owned(),
    }
}

/// What the operator does about a refusal, and the value that the sentence names.
fn gateway_sentence(plate: &str, code: ProblemCode) -> (Text, &str) {
    let text = match code {
        ProblemCode::Unplanned | ProblemCode::OutOfRange | ProblemCode::UnknownProduct => texts::NOT_IN_PLAN,
        ProblemCode::ProductWithoutCredential => texts::TAKES_NO_CERTIFICATE,
        ProblemCode::NoPreWriteKey | ProblemCode::WrongKey => texts::NO_PRE_WRITE_KEY,
        ProblemCode::WrongProduct => texts::OTHER_PRODUCTS_PLATE,
        ProblemCode::SecondDevice => texts::SECOND_DEVICE,
        ProblemCode::DeviceHoldsAnother => texts::HAS_ANOTHER_NUMBER,
        ProblemCode::AlreadyMade => texts::ALREADY_FINISHED,
        ProblemCode::IllegalState => texts::NUMBER_SPENT,
        ProblemCode::ProofFailed => texts::PROOF_FAILED,
        ProblemCode::NoLease => texts::TOO_SLOW,
        ProblemCode::Busy | ProblemCode::Unavailable | ProblemCode::Internal => texts::GATEWAY_BUSY,
        ProblemCode::NotAllowed | ProblemCode::NotAuthenticated => texts::NOT_ADMITTED,
        _ => return (texts::GATEWAY_REFUSED, code.as_str()),
    };
    (text, plate)
}

fn device_sentence(refusal: Refusal) -> Text {
    match refusal {
        Refusal::StorageFailed => texts::MEMORY_FAILED,
        Refusal::WrongProduct => texts::OTHER_PRODUCTS_PLATE,
        Refusal::HoldsAnother => texts::HAS_ANOTHER_NUMBER,
        Refusal::Replayed => texts::LOST_THE_THREAD,
        Refusal::UnsupportedVersion => texts::FIRMWARE_TOO_OLD,
        Refusal::WrongKey => texts::WRONG_KEY,
        Refusal::NotOpened => texts::NOT_OPENED,
        Refusal::NoKeyMade | Refusal::ForeignCertificate => texts::NOT_ITS_KEY,
        _ => texts::DEVICE_REFUSED,
    }
}
