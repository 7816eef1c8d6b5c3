//! The server's side.

use core::fmt;

use identity::{ApparatusId, Member};

use crate::key::{PassPhrase, SessionKey};
use crate::prover::Challenge;
use crate::transcript::{ChannelBinding, Nonce, Proof, Transcript};
use crate::version::{Version, Versions};

/// What a device answers a challenge with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The versions that the device offered.
    pub offered: Versions,
    /// The version that the challenge asked for.
    pub version: Version,
    /// Who the device says it is.
    pub apparatus_id: ApparatusId,
    /// The device's nonce.
    pub device_nonce: Nonce,
    /// The challenge's nonce.
    pub server_nonce: Nonce,
    /// The device's proof.
    pub proof: Proof,
}

/// A server's nonce that can never be answered again. It is worth one check, so it cannot be copied.
pub struct SpentNonce(Nonce);

impl SpentNonce {
    /// Says that the caller has removed this nonce from its store, durably, and that it was there
    /// and had not expired.
    pub fn removed(nonce: Nonce) -> Self {
        Self(nonce)
    }
}

/// A server that devices prove themselves to.
pub struct Verifier {
    server: Member,
    versions: Versions,
}

impl Verifier {
    /// The verifier of the server of this name, which speaks `versions`: [`Versions::SUPPORTED`], or
    /// less where old versions are given up.
    pub fn new(server: Member, versions: Versions) -> Self {
        Self { server, versions }
    }

    /// The challenge for a device that offers these versions. `nonce` must be fresh, and stored
    /// until it is spent.
    pub fn challenge(&self, offered: Versions, nonce: Nonce) -> Result<Challenge, NoCommonVersion> {
        let version = self.versions.agreed_with(offered).ok_or(NoCommonVersion)?;
        Ok(Challenge { version, server: self.server.clone(), nonce })
    }

    /// Checks a device's answer that came over this connection.
    ///
    /// For an apparatus ID that nobody has, call it with a pass phrase that nobody has: the answer
    /// and the work are then the same as for a wrong proof.
    pub fn verify(
        &self,
        answer: &Answer,
        spent: SpentNonce,
        pass_phrase: &PassPhrase,
        channel: &ChannelBinding,
    ) -> Result<Authenticated, NotProved> {
        let transcript = Transcript {
            offered: answer.offered,
            version: answer.version,
            apparatus_id: answer.apparatus_id,
            server: &self.server,
            device_nonce: answer.device_nonce,
            server_nonce: spent.0,
            channel,
        };
        let is_proved = transcript.device_proof(pass_phrase) == answer.proof;
        let is_agreed = self.versions.agreed_with(answer.offered) == Some(answer.version);
        if !(is_proved && is_agreed && spent.0 == answer.server_nonce) {
            return Err(NotProved);
        }
        Ok(Authenticated {
            apparatus_id: answer.apparatus_id,
            server_proof: transcript.server_proof(pass_phrase),
            session_key: transcript.session_key(pass_phrase),
        })
    }
}

/// The device is who it says it is. Only [`Verifier::verify`] makes one.
pub struct Authenticated {
    apparatus_id: ApparatusId,
    server_proof: Proof,
    session_key: SessionKey,
}

impl Authenticated {
    /// Who the device is.
    pub fn apparatus_id(&self) -> ApparatusId {
        self.apparatus_id
    }

    /// What the server proves itself with in return.
    pub fn server_proof(&self) -> &Proof {
        &self.server_proof
    }

    /// The key that the device will have too once it has checked the server's proof.
    pub fn session_key(&self) -> &SessionKey {
        &self.session_key
    }
}

/// The device has not proved that it holds the pass phrase, on this connection, to this server, now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotProved;

impl fmt::Display for NotProved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device has not proved that it holds the pass phrase")
    }
}

impl core::error::Error for NotProved {}

/// The device offers no version that the server speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoCommonVersion;

impl fmt::Display for NoCommonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device offers no version of the exchange that this server speaks")
    }
}

impl core::error::Error for NoCommonVersion {}
