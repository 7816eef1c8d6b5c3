//! What the two sides must agree on to the byte, and the values that are drawn from it.

use hkdf::Hkdf;
use identity::{ApparatusId, Member, Random};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::framing::{length, mac};
use crate::key::{PassPhrase, SessionKey};
use crate::version::{Version, Versions};

/// A number used once: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Nonce([u8; Nonce::BYTES]);

impl Nonce {
    /// How many bytes a nonce has.
    pub const BYTES: usize = 16;

    /// A fresh nonce.
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; Self::BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The nonce of these bytes.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The nonce as bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// The TLS connection that carries the exchange: 32 bytes that only its two ends can know, exported
/// under the label `EXPORTER-Channel-Binding` with an empty context (RFC 9266).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelBinding([u8; ChannelBinding::BYTES]);

impl ChannelBinding {
    /// How many bytes a channel binding has.
    pub const BYTES: usize = 32;

    /// The channel binding that TLS exported.
    pub fn new(tls_exporter: [u8; Self::BYTES]) -> Self {
        Self(tls_exporter)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// A proof that its maker holds the pass phrase. Compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct Proof([u8; Proof::BYTES]);

impl Proof {
    /// How many bytes a proof has.
    pub const BYTES: usize = 32;

    /// The proof of these bytes.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The proof as bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Proof {}

/// Everything that an exchange is about.
pub(crate) struct Transcript<'a> {
    pub(crate) offered: Versions,
    pub(crate) version: Version,
    pub(crate) apparatus_id: ApparatusId,
    pub(crate) server: &'a Member,
    pub(crate) device_nonce: Nonce,
    pub(crate) server_nonce: Nonce,
    pub(crate) channel: &'a ChannelBinding,
}

/// Tells these values from all others that the same pass phrase may ever be used for.
const LABEL: &[u8] = b"touchmark authentication";
const DEVICE_PROOF: &[u8] = b"device proof";
const SERVER_PROOF: &[u8] = b"server proof";
const SESSION_KEY: &[u8] = b"session key";

impl Transcript<'_> {
    /// What the device proves itself with.
    pub(crate) fn device_proof(&self, pass_phrase: &PassPhrase) -> Proof {
        self.proof(DEVICE_PROOF, pass_phrase)
    }

    /// What the server proves itself with.
    pub(crate) fn server_proof(&self, pass_phrase: &PassPhrase) -> Proof {
        self.proof(SERVER_PROOF, pass_phrase)
    }

    /// The key for what follows. The pass phrase is uniformly random, so HKDF needs no extraction
    /// (RFC 5869 clause 3.3).
    pub(crate) fn session_key(&self, pass_phrase: &PassPhrase) -> SessionKey {
        let hkdf =
            Hkdf::<Sha256>::from_prk(pass_phrase.expose()).expect("a pass phrase is as long as a digest");
        let mut key = SessionKey([0; SessionKey::BYTES]);
        self.with_fields(SESSION_KEY, |fields| {
            let lengths = fields.map(length);
            let parts: [&[u8]; 2 * FIELDS] =
                core::array::from_fn(|i| if i % 2 == 0 { &lengths[i / 2] } else { fields[i / 2] });
            hkdf.expand_multi_info(&parts, &mut key.0).expect("one block is within what HKDF gives");
        });
        key
    }

    fn proof(&self, purpose: &[u8], pass_phrase: &PassPhrase) -> Proof {
        self.with_fields(purpose, |fields| Proof(mac(pass_phrase, fields)))
    }

    /// Hands over the transcript for one purpose. Every field goes in behind its length, so that no two
    /// transcripts run together into the same bytes.
    fn with_fields<T>(&self, purpose: &[u8], take: impl FnOnce(&[&[u8]; FIELDS]) -> T) -> T {
        let server = self.server.text();
        take(&[
            LABEL,
            purpose,
            &[self.version.number()],
            &[self.offered.oldest().number(), self.offered.newest().number()],
            b"device",
            self.apparatus_id.as_bytes(),
            self.device_nonce.as_bytes(),
            b"server",
            server.as_bytes(),
            self.server_nonce.as_bytes(),
            b"tls-exporter",
            &self.channel.0,
        ])
    }
}

const FIELDS: usize = 12;
