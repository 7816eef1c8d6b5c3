//! The secrets of an exchange. They are wiped when dropped and cannot be shown by accident.

use identity::Random;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret that a device shares with the authenticator: 256 random bits.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PassPhrase([u8; PassPhrase::BYTES]);

impl PassPhrase {
    /// How many bytes a pass phrase has.
    pub const BYTES: usize = 32;

    /// A new pass phrase, which nobody can guess.
    pub fn random(random: &dyn Random) -> Self {
        let mut pass_phrase = Self([0; Self::BYTES]);
        random.fill(&mut pass_phrase.0);
        pass_phrase
    }

    /// The pass phrase of these bytes; the caller wipes its own copy.
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        Self(*bytes)
    }

    /// The secret, for the one who seals it or proves with it.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// The key that both sides have once each has proved itself, different for every exchange.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionKey(pub(crate) [u8; SessionKey::BYTES]);

impl SessionKey {
    /// How many bytes a session key has.
    pub const BYTES: usize = 32;

    /// The secret, for the one who uses it.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}
