//! What is sealed for a device with a symmetric credential.

use core::fmt;

use identity::{ApparatusId, Random};
use zeroize::Zeroizing;

use crate::key::PassPhrase;

/// A symmetric credential: the name under which a device authenticates, and the secret it shares.
pub struct SymmetricCredential {
    /// The device's name for the authenticator.
    pub apparatus_id: ApparatusId,
    /// Its secret.
    pub pass_phrase: PassPhrase,
}

impl SymmetricCredential {
    /// How many bytes a credential has: the apparatus ID, then the pass phrase.
    pub const BYTES: usize = ApparatusId::BYTES + PassPhrase::BYTES;

    /// A new credential, which nobody can guess.
    pub fn random(random: &dyn Random) -> Self {
        Self { apparatus_id: ApparatusId::random(random), pass_phrase: PassPhrase::random(random) }
    }

    /// The credential as it is sealed.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::BYTES]> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        let (apparatus_id, pass_phrase) = bytes.split_at_mut(ApparatusId::BYTES);
        apparatus_id.copy_from_slice(self.apparatus_id.as_bytes());
        pass_phrase.copy_from_slice(self.pass_phrase.expose());
        bytes
    }

    /// The credential that was sealed; the caller wipes its own copy.
    ///
    /// # Errors
    /// The bytes are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotACredential> {
        let (apparatus_id, pass_phrase) = bytes.split_first_chunk().ok_or(NotACredential)?;
        let pass_phrase = pass_phrase.try_into().map_err(|_| NotACredential)?;
        Ok(Self { apparatus_id: ApparatusId::new(*apparatus_id), pass_phrase: PassPhrase::new(pass_phrase) })
    }
}

/// The bytes are not an apparatus ID and a pass phrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotACredential;

impl fmt::Display for NotACredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an apparatus ID with its pass phrase")
    }
}

impl core::error::Error for NotACredential {}
