//! What a credential is called.

use core::fmt;
use core::str::FromStr;

use heapless::String;

use crate::profile::CredentialKind;
use crate::text::serde_as_text;
use crate::{ApparatusId, DeviceNumber};

/// The name of a credential: a certificate's is the device number in it, a symmetric credential's is
/// its apparatus ID.
///
/// The two never look alike: a device number has a hyphen, an apparatus ID has none.
///
/// ```
/// use identity::CredentialId;
/// assert!(matches!("A123-654321".parse()?, CredentialId::Number(_)));
/// assert!(matches!("4TP9X2QZ7V0C3M8RHJ6KDWBN1E".parse()?, CredentialId::Apparatus(_)));
/// # Ok::<(), identity::ParseCredentialIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CredentialId {
    /// A certificate.
    Number(DeviceNumber),
    /// A symmetric credential.
    Apparatus(ApparatusId),
}

impl CredentialId {
    /// The most characters its text has.
    pub const LENGTH_MAX: usize = if DeviceNumber::LENGTH_MAX > ApparatusId::LENGTH {
        DeviceNumber::LENGTH_MAX
    } else {
        ApparatusId::LENGTH
    };

    /// Which kind of credential has this name.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Number(_) => CredentialKind::Certificate,
            Self::Apparatus(_) => CredentialKind::Symmetric,
        }
    }

    /// The name as text, without allocating.
    pub fn text(&self) -> String<{ CredentialId::LENGTH_MAX }> {
        let text = match self {
            Self::Number(number) => String::try_from(number.text().as_str()),
            Self::Apparatus(id) => String::try_from(id.text().as_str()),
        };
        text.expect("the longer of the two fits")
    }
}

/// The text is neither a device number nor an apparatus ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseCredentialIdError;

impl fmt::Display for ParseCredentialIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a device number such as A123-654321 nor an apparatus ID of 26 characters")
    }
}

impl core::error::Error for ParseCredentialIdError {}

impl FromStr for CredentialId {
    type Err = ParseCredentialIdError;

    fn from_str(text: &str) -> Result<Self, ParseCredentialIdError> {
        if text.contains('-') {
            text.parse().map(Self::Number).map_err(|_| ParseCredentialIdError)
        } else {
            text.parse().map(Self::Apparatus).map_err(|_| ParseCredentialIdError)
        }
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl From<DeviceNumber> for CredentialId {
    fn from(number: DeviceNumber) -> Self {
        Self::Number(number)
    }
}

impl From<ApparatusId> for CredentialId {
    fn from(id: ApparatusId) -> Self {
        Self::Apparatus(id)
    }
}

serde_as_text!(CredentialId, "a device number or an apparatus ID");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn both_kinds_read_back() {
        for text in ["3012-123456", "A123-654321", "4TP9X2QZ7V0C3M8RHJ6KDWBN1E", "00000000000000000000000000"]
        {
            assert_eq!(text.parse::<CredentialId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in ["", "-", "3012", "3012-", "4TP9X2QZ7V0C3M8RHJ6KDWBN1", "4tp9x2qz7v0c3m8rhj6kdwbn1e"] {
            assert_eq!(text.parse::<CredentialId>(), Err(ParseCredentialIdError), "{text}");
        }
    }
}
