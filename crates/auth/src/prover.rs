//! The device's side.

use core::fmt;

use identity::{ApparatusId, Member};

use crate::key::{PassPhrase, SessionKey};
use crate::transcript::{ChannelBinding, Nonce, Proof, Transcript};
use crate::verifier::Answer;
use crate::version::{Version, Versions};

/// What the server opens an exchange with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// The version it chose among those offered.
    pub version: Version,
    /// Who it says it is.
    pub server: Member,
    /// Its nonce, good for one answer.
    pub nonce: Nonce,
}

/// A device that is about to prove itself to the one server that it knows.
pub struct Prover<'a> {
    apparatus_id: ApparatusId,
    pass_phrase: &'a PassPhrase,
    server: &'a Member,
    versions: Versions,
}

impl<'a> Prover<'a> {
    /// The prover for a credential and the server that the device means to reach. `versions` is what
    /// to offer: [`Versions::SUPPORTED`], or less where firmware has left old versions behind.
    pub fn new(
        apparatus_id: ApparatusId,
        pass_phrase: &'a PassPhrase,
        server: &'a Member,
        versions: Versions,
    ) -> Self {
        Self { apparatus_id, pass_phrase, server, versions }
    }

    /// The versions to offer.
    pub fn versions(&self) -> Versions {
        self.versions
    }

    /// Answers the server's challenge over this connection. `nonce` must be fresh.
    pub fn answer(
        self,
        challenge: &Challenge,
        channel: &ChannelBinding,
        nonce: Nonce,
    ) -> Result<(Answer, Unconfirmed), ChallengeRefused> {
        if challenge.server != *self.server {
            return Err(ChallengeRefused::OtherServer);
        }
        if challenge.version < self.versions.oldest() || challenge.version > self.versions.newest() {
            return Err(ChallengeRefused::OtherVersion);
        }
        if challenge.nonce == nonce {
            return Err(ChallengeRefused::OwnNonce);
        }
        let transcript = Transcript {
            offered: self.versions,
            version: challenge.version,
            apparatus_id: self.apparatus_id,
            server: self.server,
            device_nonce: nonce,
            server_nonce: challenge.nonce,
            channel,
        };
        let answer = Answer {
            offered: self.versions,
            version: challenge.version,
            apparatus_id: self.apparatus_id,
            device_nonce: nonce,
            server_nonce: challenge.nonce,
            proof: transcript.device_proof(self.pass_phrase),
        };
        let unconfirmed = Unconfirmed {
            expected: transcript.server_proof(self.pass_phrase),
            session_key: transcript.session_key(self.pass_phrase),
        };
        Ok((answer, unconfirmed))
    }
}

/// The device has proved itself and waits for the server to do the same.
pub struct Unconfirmed {
    expected: Proof,
    session_key: SessionKey,
}

impl Unconfirmed {
    /// Checks the server's proof; only then is there a session key.
    pub fn confirm(self, server_proof: &Proof) -> Result<SessionKey, ServerRefused> {
        if self.expected == *server_proof { Ok(self.session_key) } else { Err(ServerRefused) }
    }
}

/// Why a device does not answer a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChallengeRefused {
    /// It comes from another server than the one the device means to reach.
    OtherServer,
    /// It asks for a version that the device did not offer.
    OtherVersion,
    /// It sends the device's own nonce back.
    OwnNonce,
}

impl fmt::Display for ChallengeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherServer => "the challenge comes from another server",
            Self::OtherVersion => "the challenge asks for a version that was not offered",
            Self::OwnNonce => "the challenge repeats the device's own nonce",
        })
    }
}

impl core::error::Error for ChallengeRefused {}

/// The server has not proved that it holds the pass phrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerRefused;

impl fmt::Display for ServerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has not proved that it holds the pass phrase")
    }
}

impl core::error::Error for ServerRefused {}
