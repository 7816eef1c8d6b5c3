//! How a write fails: one sentence for the operator, and what may be done with the device.

use std::fmt;
use std::io;

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

/// Why a device was not written. Its text is the sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The scan holds no device number.
    #[error("The scan is not a good plate ({0}): scan the plate again.")]
    Plate(ScanError),
    /// No device answered before anything was asked of the gateway.
    #[error("No device answers on the port: check cable and power, and scan again.")]
    PortSilent(#[source] DeviceError),
    /// The plate is another product's.
    #[error("The plate says {plate} and the device is {device}: put the right plate on it and scan that.")]
    WrongProduct {
        /// The product of the scanned number.
        plate: ProductCode,
        /// The product that the device says it is.
        device: ProductCode,
    },
    /// The device was finished under another number.
    #[error("This device is finished as {0}: put that plate on it, or set it aside.")]
    HoldsAnother(DeviceNumber),
    /// The device was finished under this number.
    #[error("This device is finished as {0} already: pass it on.")]
    AlreadyFinished(DeviceNumber),
    /// The gateway was not reached; it gave out nothing that anyone holds.
    #[error("The gateway does not answer: wait a moment and scan again.")]
    GatewaySilent,
    /// The gateway cannot reach the authority, without which it has nothing for this device.
    #[error("The authority does not answer, and {0} is made with it: wait a moment and scan again.")]
    AuthoritySilent(DeviceNumber),
    /// The gateway's answer cannot be understood.
    #[error("The gateway's answer cannot be understood: call the supervisor.")]
    GatewayGarbled(String),
    /// The gateway refused.
    #[error("{}", gateway_sentence(.plate, .problem))]
    GatewayRefused {
        /// What was asked for: the scanned number.
        plate: String,
        /// Why.
        problem: Problem,
    },
    /// The device refused the pack.
    #[error("{}", device_sentence(*.0))]
    DeviceRefused(Refusal),
    /// The device was lost after the pack was sent to it.
    #[error("The device stopped answering: leave it on the port, switch it off and on, and scan it again.")]
    DeviceLost(#[source] DeviceError),
    /// Another device answered in the middle of a write.
    #[error("The device was changed during the write: put the first one back and scan it again.")]
    DeviceChanged,
    /// The proof does not hold.
    #[error("The device could not prove its certificate: set it aside for the supervisor.")]
    NotProved(String),
    /// The device answers of its pass phrase something else than the factory was told.
    #[error("The device does not hold the secret that it was sent: set it aside for the supervisor.")]
    WrongConfirmation,
    /// The gateway filed the result, and does not count the device as proved.
    #[error("The gateway counts this device as {0}: set it aside for the supervisor.")]
    NotVerified(CredentialState),
    /// The result could not be delivered in time; it is kept and delivered later.
    #[error("The result is not filed yet: set this device aside and scan it again later.")]
    NotReported,
    /// The device was proved and filed, and did not take note of it.
    #[error("The device did not answer at the end: switch it off and on, and scan it again.")]
    NotConfirmed(#[source] DeviceError),
    /// The station cannot keep its own files.
    #[error("This station cannot store what it does: call the supervisor.")]
    Files(#[from] io::Error),
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

fn gateway_sentence(plate: &str, problem: &Problem) -> String {
    match problem.code {
        ProblemCode::Unplanned | ProblemCode::OutOfRange | ProblemCode::UnknownProduct => {
            format!("{plate} is not in the plan: check the plate, and call the supervisor if it is right.")
        }
        ProblemCode::ProductWithoutCredential => {
            format!("A device such as {plate} takes no certificate: pass it on.")
        }
        ProblemCode::NoPreWriteKey | ProblemCode::WrongKey => {
            "The device's firmware was built with a key that its product does not have: set it aside for the supervisor.".into()
        }
        ProblemCode::WrongProduct => "The plate is another product's: put the right plate on it.".into(),
        ProblemCode::SecondDevice => {
            format!("{plate} was given to another device: set this one aside with its plate.")
        }
        ProblemCode::DeviceHoldsAnother => {
            "This device has another number already: set it aside for the supervisor.".into()
        }
        ProblemCode::AlreadyMade => format!("This device is finished as {plate} already: pass it on."),
        ProblemCode::IllegalState => {
            format!("{plate} cannot be used any more: take a new plate, and set this one aside.")
        }
        ProblemCode::ProofFailed => {
            "The proof does not hold: set the device aside for the supervisor.".into()
        }
        ProblemCode::NoLease => "The write took too long: scan the device again.".into(),
        ProblemCode::Busy | ProblemCode::Unavailable | ProblemCode::Internal => {
            "The gateway cannot serve now: wait a moment and scan again.".into()
        }
        ProblemCode::NotAllowed | ProblemCode::NotAuthenticated => {
            "This station is not admitted at the gateway: call the supervisor.".into()
        }
        _ => format!("The gateway refused ({}): call the supervisor.", problem.code),
    }
}

fn device_sentence(refusal: Refusal) -> String {
    match refusal {
        Refusal::StorageFailed => "The device's memory failed: scrap the device.".into(),
        Refusal::WrongProduct => "The plate is another product's: put the right plate on it.".into(),
        Refusal::HoldsAnother => {
            "This device has another number already: set it aside for the supervisor.".into()
        }
        Refusal::Replayed => "The device lost the thread: scan it again.".into(),
        Refusal::UnsupportedVersion => {
            "The device's firmware is too old for what its product is given: call the supervisor.".into()
        }
        Refusal::WrongKey => {
            "The device's firmware was built with another key than its pack is sealed with: set it aside for the supervisor.".into()
        }
        Refusal::NotOpened => {
            "The pack does not open in the device: scan it again, and call the supervisor if it stays so.".into()
        }
        Refusal::NoKeyMade | Refusal::ForeignCertificate => {
            "The certificate is not for the key that the device made: scan it again, and call the supervisor if it stays so.".into()
        }
        other => format!("The device cannot take this pack ({other}): call the supervisor."),
    }
}
