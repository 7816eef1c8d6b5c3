//! Why a gateway refuses or fails, and which code word says so.

use message::problem::{Problem, ProblemCode};
use store::gateway::credential::ApplyError;
use store::{KeyRingError, StoreError};

/// Why a request of a station or a person was not done. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The request is refused; the problem says why.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// The store fails.
    #[error("the gateway's store fails")]
    Store(#[source] StoreError),
    /// A bundle is not signed: our fault.
    #[error("a bundle cannot be signed")]
    Bundle(#[from] bundle::SignError),
    /// The key for bundles cannot be made.
    #[error("the key for bundles cannot be made")]
    Envelope(#[source] bundle::EnvelopeError),
    /// The key ring fails.
    #[error("the gateway's key ring fails")]
    KeyRing(#[from] KeyRingError),
}

impl GatewayError {
    pub(crate) fn refused(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Refused(Problem::new(code, detail))
    }

    /// The problem to answer. What fails inside is not told to peers; the log has it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Store(error) if error.is_passing() => {
                Problem::new(ProblemCode::Unavailable, "the gateway's store does not answer; try again")
            }
            Self::Store(_) | Self::Bundle(_) | Self::Envelope(_) | Self::KeyRing(_) => {
                Problem::new(ProblemCode::Internal, "the gateway failed; its log says why")
            }
        }
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ApplyError> for GatewayError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Unknown(_) => Self::refused(ProblemCode::Unplanned, error.to_string()),
            ApplyError::Illegal { .. } => Self::refused(ProblemCode::IllegalState, error.to_string()),
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}
