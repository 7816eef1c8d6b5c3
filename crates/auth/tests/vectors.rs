//! The values of version 1, pinned to the bit. They were worked out with Python's `hmac` from the
//! description in `transcript.rs`; a released version's vectors are never edited.

use auth::{Challenge, ChannelBinding, Nonce, PassPhrase, Prover, SpentNonce, Verifier, Version, Versions};
use identity::{ApparatusId, Member};

struct Vector {
    pass_phrase: [u8; 32],
    offered: (u8, u8),
    apparatus_id: [u8; 16],
    server: &'static str,
    device_nonce: [u8; 16],
    server_nonce: [u8; 16],
    tls_exporter: [u8; 32],
    device_proof: &'static str,
    server_proof: &'static str,
    session_key: &'static str,
}

fn counting<const N: usize>(from: u8) -> [u8; N] {
    core::array::from_fn(|i| from + i as u8)
}

fn vectors() -> [Vector; 2] {
    [
        Vector {
            pass_phrase: counting(0x00),
            offered: (1, 1),
            apparatus_id: counting(0x40),
            server: "urn:touchmark:authenticator:europe",
            device_nonce: counting(0x50),
            server_nonce: counting(0x60),
            tls_exporter: counting(0x70),
            device_proof: "bf82f87ba262ded9d1131848ad8b84a8ec3b3cf27a4dc6bb80225d6013b87a41",
            server_proof: "580f09bbbc834208b568c3fbb8531ad4122d9e7d1549d3ad7c0c6ee4c484bbfa",
            session_key: "932b9c42de19498e1a86fbe438dd9028c8d6f1c28890e1771b747c145d6b60d5",
        },
        Vector {
            pass_phrase: [0xff; 32],
            offered: (1, 3),
            apparatus_id: [0; 16],
            server: "urn:touchmark:authenticator:a",
            device_nonce: [1; 16],
            server_nonce: [2; 16],
            tls_exporter: [0; 32],
            device_proof: "27de2f76cd3e155bcdf9e1dadffb34574f89676cffd50c90dc35abf7299a918f",
            server_proof: "971ad25bc2df10eff5cc8e009e3a4b76125cd5b0489c9b537e5b7f47667d7813",
            session_key: "3ba719d97a0a9b34d3ddf16ae117ed31e9ebe7a0c34e4b8dc588a86720409e46",
        },
    ]
}

#[test]
fn both_sides_make_the_pinned_values() {
    for vector in vectors() {
        let pass_phrase = PassPhrase::new(&vector.pass_phrase);
        let server: Member = vector.server.parse().unwrap();
        let channel = ChannelBinding::new(vector.tls_exporter);
        let offered = Versions::new(Version::new(vector.offered.0), Version::new(vector.offered.1)).unwrap();
        let challenge = Challenge {
            version: Version::new(1),
            server: server.clone(),
            nonce: Nonce::new(vector.server_nonce),
        };

        let prover = Prover::new(ApparatusId::new(vector.apparatus_id), &pass_phrase, &server, offered);
        let (answer, unconfirmed) =
            prover.answer(&challenge, &channel, Nonce::new(vector.device_nonce)).unwrap();
        assert_eq!(hex::encode(answer.proof.as_bytes()), vector.device_proof);

        let verifier = Verifier::new(server.clone(), Versions::SUPPORTED);
        let spent = SpentNonce::removed(challenge.nonce);
        let authenticated = verifier.verify(&answer, spent, &pass_phrase, &channel).unwrap();
        assert_eq!(hex::encode(authenticated.server_proof().as_bytes()), vector.server_proof);
        assert_eq!(hex::encode(authenticated.session_key().expose()), vector.session_key);

        let session_key = unconfirmed.confirm(authenticated.server_proof()).unwrap();
        assert_eq!(hex::encode(session_key.expose()), vector.session_key);
    }
}
