//! The CA of members: authority, gateways, stations.

use cert::lint::Kind;
use identity::profile::KeyAlgorithm;
use identity::{Member, Random};

use crate::key::SigningKey;
use crate::name;
use crate::profile::{Extensions, Profile};
use crate::request::SigningRequest;
use crate::signer::{IssueError, Signer};
use crate::validity::Validity;

/// How long a member's certificate is valid.
pub const VALIDITY_DAYS: u32 = 398;

/// The CA that signs members.
pub struct PlantCa(Signer);

impl PlantCa {
    /// The CA of this certificate and key.
    ///
    /// # Errors
    /// Where they do not belong together.
    pub fn open(certificate: Vec<u8>, key: SigningKey) -> Result<Self, IssueError> {
        Signer::open(certificate, key).map(Self)
    }

    /// The CA's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.0.certificate
    }

    /// A certificate, DER, that states `member` for the key that `request` proves, valid from `now`.
    ///
    /// # Errors
    /// Where the library fails; the profile itself passes the lint.
    pub fn issue(
        &self,
        member: &Member,
        request: &SigningRequest,
        now: i64,
        random: &dyn Random,
    ) -> Result<Vec<u8>, IssueError> {
        self.sign(member, request.public_key().clone(), now, random)
    }

    /// A certificate, DER, with a new key, for the host that this CA runs on.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn issue_with_key(
        &self,
        member: &Member,
        now: i64,
        random: &dyn Random,
    ) -> Result<(Vec<u8>, SigningKey), IssueError> {
        let key = SigningKey::generate(KeyAlgorithm::P256)?;
        let certificate = self.sign(member, key.public_key_info()?, now, random)?;
        Ok((certificate, key))
    }

    fn sign(
        &self,
        member: &Member,
        public_key: spki::SubjectPublicKeyInfoOwned,
        now: i64,
        random: &dyn Random,
    ) -> Result<Vec<u8>, IssueError> {
        let profile = Profile {
            issuer: self.0.name.clone(),
            subject: name::common_name(None, member.name().as_str())?,
            extensions: Extensions::Member(member.clone()),
        };
        let validity = Validity::days(now, VALIDITY_DAYS)?;
        self.0.sign(self.0.prepare(Kind::Member, profile, public_key, validity, random)?)
    }
}
