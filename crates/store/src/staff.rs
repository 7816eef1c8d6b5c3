//! People at a role's console: who they are, who is signed in, and what two of them must agree on. The tables are
//! those of every role that has a console.

pub mod approval;
pub mod member;
pub mod refusal;
pub mod session;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most characters of a name.
const NAME_LENGTH_MAX: usize = 64;

/// A person's name at sign-in, and in the audit log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StaffName(String);

/// A text that is no name of a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a person's name has 1 to {NAME_LENGTH_MAX} letters, digits, dots, hyphens, underscores and @")]
pub struct StaffNameError;

/// What a person at a console is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaffRole {
    /// Looks, and changes nothing.
    Viewer,
    /// Keeps a line running.
    Operator,
    /// Plans, sets products, brings stations in.
    Engineer,
    /// Decides on quotas, keys and revocation.
    SecurityOfficer,
    /// Reads and verifies the audit log.
    Auditor,
}

/// A text that names no role of a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("roles are viewer, operator, engineer, security-officer and auditor")]
pub struct StaffRoleError;

impl StaffName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StaffName {
    type Err = StaffNameError;

    fn from_str(text: &str) -> Result<Self, StaffNameError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".-_@".contains(&byte);
        let is_name = (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_fit);
        is_name.then(|| Self(text.to_owned())).ok_or(StaffNameError)
    }
}

impl TryFrom<String> for StaffName {
    type Error = StaffNameError;

    fn try_from(text: String) -> Result<Self, StaffNameError> {
        text.parse()
    }
}

impl From<StaffName> for String {
    fn from(name: StaffName) -> Self {
        name.0
    }
}

impl fmt::Display for StaffName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl StaffRole {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::Operator, Self::Engineer, Self::SecurityOfficer, Self::Auditor];

    /// The role in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::SecurityOfficer => "security-officer",
            Self::Auditor => "auditor",
        }
    }
}

impl FromStr for StaffRole {
    type Err = StaffRoleError;

    fn from_str(text: &str) -> Result<Self, StaffRoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(StaffRoleError)
    }
}

impl fmt::Display for StaffRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
