//! Why an authority refuses or fails, and which code word says so.

use message::problem::{Problem, ProblemCode};
use pki::IssueError;
use store::authority::change::ApplyError;
use store::{StoreError, VaultError};

use crate::authority::OpenError;

/// Why a request of a peer or a person was not done. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The request is refused; the problem says why.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// The store fails.
    #[error("the authority's store fails")]
    Store(#[source] StoreError),
    /// The vault fails.
    #[error("the authority's vault fails")]
    Vault(#[from] VaultError),
    /// A certificate was not signed: it breaks a rule, or the library fails.
    #[error("a certificate is not signed")]
    Issue(#[from] IssueError),
    /// A secret was not sealed for its device: our fault.
    #[error("a secret cannot be sealed")]
    Seal(#[source] seal::SealError),
    /// A bundle is not signed: our fault.
    #[error("a bundle cannot be signed")]
    Bundle(#[from] bundle::SignError),
    /// A CA does not open.
    #[error("a CA of devices cannot be used")]
    Ca(#[from] Box<OpenError>),
    /// A task of ours broke off.
    #[error("a task of the authority broke off")]
    Task(#[from] tokio::task::JoinError),
}

impl AuthorityError {
    pub(crate) fn refused(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Refused(Problem::new(code, detail))
    }

    /// The problem to answer. What fails inside is not told to peers; the log has it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => problem.clone(),
            Self::Store(error) if error.is_passing() => {
                Problem::new(ProblemCode::Unavailable, "the authority's store does not answer; try again")
            }
            Self::Store(_)
            | Self::Vault(_)
            | Self::Issue(_)
            | Self::Seal(_)
            | Self::Bundle(_)
            | Self::Ca(_)
            | Self::Task(_) => Problem::new(ProblemCode::Internal, "the authority failed; its log says why"),
        }
    }
}

impl From<StoreError> for AuthorityError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ApplyError> for AuthorityError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Illegal { .. } => Self::refused(ProblemCode::IllegalState, error.to_string()),
            ApplyError::Changed => {
                Self::refused(ProblemCode::Busy, "another process works on these credentials; try again")
            }
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}
