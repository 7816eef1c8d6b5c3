//! Why a center refuses or fails, and which code word says so.

use identity::DeviceNumber;
use message::call::CounterName;
use message::problem::{Problem, ProblemCode};
use store::StoreError;
use transport::CallError;

use crate::files::FileError;
use crate::incident::IncidentKind;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum CenterError {
    /// A device did what is refused; it is filed as an incident.
    #[error("{detail}")]
    Refused {
        /// What it did.
        kind: IncidentKind,
        /// The same in words.
        detail: String,
    },
    /// A call cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// No device of this number is registered here.
    #[error("no device {0} is registered here")]
    UnknownDevice(DeviceNumber),
    /// A bundle is not taken in, or there is none.
    #[error("{0}")]
    Bundle(String),
    /// A bundle is not signed: our fault.
    #[error("a bundle cannot be signed")]
    Sign(#[from] bundle::SignError),
    /// There is nothing to decide.
    #[error("{0}")]
    NothingHeld(String),
    /// The device is in no quarantine.
    #[error("{0} is in no quarantine")]
    NoQuarantine(DeviceNumber),
    /// One device cannot speak for the other, or does not.
    #[error(
        "{intermediate} cannot speak for {device}, or does not; its product must be marked as one that manages others"
    )]
    NoRelation {
        /// The device.
        device: DeviceNumber,
        /// The one that would speak for it.
        intermediate: DeviceNumber,
    },
    /// What is held came in calls that are in doubt themselves.
    #[error("readings of {counter} of {device} came in calls that are in doubt; end the quarantine first")]
    InDoubt {
        /// The device.
        device: DeviceNumber,
        /// The counter.
        counter: CounterName,
    },
    /// There is nothing of this name.
    #[error("{0}")]
    Unknown(String),
    /// What is there does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The roll-out that gives out the package is halted.
    #[error("{0}")]
    Halted(String),
    /// The device was not asked to fetch the package, or is no more.
    #[error("{0}")]
    NotAsked(String),
    /// A file is not taken, or not there.
    #[error("the package cannot be used")]
    File(#[from] FileError),
    /// The authority's records do not follow the last one that is stored.
    #[error("the authority's record {found} came where {expected} should")]
    Gap {
        /// The record that should come.
        expected: u64,
        /// The record that came.
        found: u64,
    },
    /// A record of the authority is not one.
    #[error("the authority's record {0} has a hash that is not 32 bytes")]
    Record(u64),
    /// The authority cannot be asked.
    #[error("the authority cannot be asked for registrations")]
    Authority(#[source] CallError),
    /// The store fails.
    #[error("the center's store fails")]
    Store(#[from] StoreError),
}

impl CenterError {
    /// The problem to answer. What fails inside is not told to peers; the log has it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused { kind, .. } => Problem::new(kind.problem_code(), self.to_string()),
            Self::Malformed(_) => Problem::new(ProblemCode::MalformedRequest, self.to_string()),
            Self::UnknownDevice(_)
            | Self::NothingHeld(_)
            | Self::NoQuarantine(_)
            | Self::NoRelation { .. }
            | Self::Unknown(_) => Problem::new(ProblemCode::NotFound, self.to_string()),
            Self::InDoubt { .. } | Self::Bundle(_) | Self::Conflict(_) => {
                Problem::new(ProblemCode::Conflict, self.to_string())
            }
            Self::Halted(_) => Problem::new(ProblemCode::Unavailable, self.to_string()),
            Self::NotAsked(_) => Problem::new(ProblemCode::NotAllowed, self.to_string()),
            Self::Store(error) if error.is_passing() => Problem::new(
                ProblemCode::Unavailable,
                "the center's store does not answer; make the same call again",
            ),
            Self::Gap { .. }
            | Self::Record(_)
            | Self::Authority(_)
            | Self::Sign(_)
            | Self::File(_)
            | Self::Store(_) => Problem::new(ProblemCode::Internal, "the center failed; its log says why"),
        }
    }
}
