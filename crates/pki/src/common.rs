//! The CA of common certificates, each of which the devices of a batch share.

use cert::lint::Kind;
use identity::profile::KeyAlgorithm;
use identity::{CommonBatch, Random};

use crate::key::SigningKey;
use crate::name::{self, NameText};
use crate::profile::{Extensions, Profile};
use crate::signer::{IssueError, Signer};
use crate::validity::{NO_EXPIRY, Validity};

/// The CA that signs common certificates.
pub struct CommonCa(Signer);

impl CommonCa {
    /// The CA of this certificate and key.
    ///
    /// # Errors
    /// Where they do not belong together.
    pub fn open(certificate: Vec<u8>, key: SigningKey) -> Result<Self, IssueError> {
        Signer::open(certificate, key).map(Self)
    }

    /// A batch's certificate, DER, with a new key, valid from `now` on: a board may lie on the shelf for
    /// years, and a batch ends by being stopped.
    ///
    /// # Errors
    /// Where the library fails; the profile itself passes the lint.
    pub fn issue_with_key(
        &self,
        organization: Option<&NameText>,
        batch: &CommonBatch,
        now: i64,
        random: &dyn Random,
    ) -> Result<(Vec<u8>, SigningKey), IssueError> {
        let key = SigningKey::generate(KeyAlgorithm::P256)?;
        let profile = Profile {
            issuer: self.0.name.clone(),
            subject: name::common_name(organization, &batch.to_string())?,
            extensions: Extensions::Common(batch.clone()),
        };
        let validity = Validity::new(now, NO_EXPIRY)?;
        let linted = self.0.prepare(Kind::Common, profile, key.public_key_info()?, validity, random)?;
        Ok((self.0.sign(linted)?, key))
    }
}
