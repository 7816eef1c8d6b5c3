//! Why an authenticator refuses or fails, and which code word says so.

use identity::Member;
use message::problem::{Problem, ProblemCode};
use store::{StoreError, VaultError};
use transport::CallError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticatorError {
    /// A device has not proved itself: its ID is unknown or revoked, its proof is wrong, or its nonce
    /// is spent. It is one refusal, so that nobody learns which.
    #[error("the device is not authenticated")]
    NotAuthenticated,
    /// A field cannot be what it says it is.
    #[error("{0}")]
    Malformed(&'static str),
    /// The device speaks no version that this authenticator speaks.
    #[error(transparent)]
    Version(#[from] auth::NoCommonVersion),
    /// The service that a device wants a token for, or that asks, was shut out by the authority.
    #[error("the authority has shut out {0}")]
    ShutOut(Member),
    /// As much is under way as this authenticator takes on.
    #[error("the authenticator has as much to do as it takes on; try again later")]
    Busy,
    /// The authority's records do not follow the last one that is stored.
    #[error("the authority's record {found} came where {expected} should")]
    Gap {
        /// The record that should come.
        expected: u64,
        /// The record that came.
        found: u64,
    },
    /// The authority cannot be asked.
    #[error("the authority cannot be asked")]
    Authority(#[source] CallError),
    /// The store fails.
    #[error("the authenticator's store fails")]
    Store(#[from] StoreError),
    /// The vault fails.
    #[error("the authenticator's vault fails")]
    Vault(#[from] VaultError),
    /// A credential's ciphertext does not open.
    #[error("a credential in its second form does not open")]
    Sealed(#[from] seal::OpenError),
    /// A ciphertext holds something else than its credential.
    #[error("a credential in its second form holds something else")]
    NotACredential,
    /// The token library fails.
    #[error("a token cannot be signed")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The cryptographic library fails.
    #[error("the cryptographic library fails")]
    Cryptography,
}

impl AuthenticatorError {
    /// The problem to answer. What fails inside is not told to peers; the log has it.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::NotAuthenticated => ProblemCode::NotAuthenticated,
            Self::Malformed(_) | Self::Version(_) => ProblemCode::MalformedRequest,
            Self::ShutOut(_) => ProblemCode::NotAllowed,
            Self::Busy => ProblemCode::Busy,
            Self::Authority(_) => ProblemCode::Unavailable,
            Self::Store(error) if error.is_passing() => ProblemCode::Unavailable,
            Self::Gap { .. }
            | Self::Store(_)
            | Self::Vault(_)
            | Self::Sealed(_)
            | Self::NotACredential
            | Self::Token(_)
            | Self::Cryptography => ProblemCode::Internal,
        };
        match code {
            ProblemCode::Internal => Problem::new(code, "the authenticator failed; its log says why"),
            ProblemCode::Unavailable => {
                Problem::new(code, "the authenticator's store does not answer; try again")
            }
            _ => Problem::new(code, self.to_string()),
        }
    }
}
