//! The root: it signs the CAs below it, and itself.

use cert::lint::Kind;
use identity::Random;
use identity::profile::KeyAlgorithm;

use crate::key::SigningKey;
use crate::name::{self, NameText};
use crate::profile::{Extensions, Profile};
use crate::signer::{self, IssueError, Signer};
use crate::validity::Validity;

/// The root CA. It is opened for `init` only; its key lies apart for the rest of its life.
pub struct Root(Signer);

/// A new CA below the root: its certificate, DER, and its key.
pub struct IssuedCa {
    /// The CA's certificate.
    pub certificate: Vec<u8>,
    /// The CA's key, P-256.
    pub key: SigningKey,
}

impl Root {
    /// A new root with a new P-384 key.
    ///
    /// # Errors
    /// Where the library fails; the profile itself passes the lint.
    pub fn create(
        organization: Option<&NameText>,
        common_name: &NameText,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<Self, IssueError> {
        let key = SigningKey::generate(KeyAlgorithm::P384)?;
        let subject = name::common_name(organization, common_name.as_str())?;
        let profile = Profile {
            issuer: subject.clone(),
            subject,
            extensions: Extensions::Ca { below: 1, is_root: true },
        };
        let certificate = signer::self_sign(&key, profile, validity, random)?;
        Signer::open(certificate, key).map(Self)
    }

    /// The root of this certificate and key.
    ///
    /// # Errors
    /// Where they do not belong together.
    pub fn open(certificate: Vec<u8>, key: SigningKey) -> Result<Self, IssueError> {
        Signer::open(certificate, key).map(Self)
    }

    /// A new CA below the root, with a new P-256 key.
    ///
    /// # Errors
    /// Where the library fails; the profile itself passes the lint.
    pub fn issue_ca(
        &self,
        organization: Option<&NameText>,
        common_name: &NameText,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<IssuedCa, IssueError> {
        let key = SigningKey::generate(KeyAlgorithm::P256)?;
        let profile = Profile {
            issuer: self.0.name.clone(),
            subject: name::common_name(organization, common_name.as_str())?,
            extensions: Extensions::Ca { below: 0, is_root: false },
        };
        let linted = self.0.prepare(Kind::Ca, profile, key.public_key_info()?, validity, random)?;
        Ok(IssuedCa { certificate: self.0.sign(linted)?, key })
    }

    /// The root's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.0.certificate
    }

    /// The root's key, to be encrypted and put away.
    pub fn key(&self) -> &SigningKey {
        &self.0.key
    }
}
