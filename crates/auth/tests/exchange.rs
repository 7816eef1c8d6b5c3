//! What an exchange accepts, and what nobody between or beside the two sides can do to it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use auth::{
    Answer, Authenticated, Challenge, ChallengeRefused, ChannelBinding, NoCommonVersion, Nonce, NotProved,
    PassPhrase, Proof, Prover, ServerRefused, SpentNonce, Unconfirmed, Verifier, Version, Versions,
};
use identity::{ApparatusId, Member};
use proptest::prelude::*;

/// One device, one server and the connection between them.
#[derive(Clone, Debug)]
struct Scene {
    pass_phrase: [u8; 32],
    apparatus_id: ApparatusId,
    server: Member,
    device_nonce: Nonce,
    server_nonce: Nonce,
    channel: ChannelBinding,
}

fn scene() -> Scene {
    Scene {
        pass_phrase: [7; 32],
        apparatus_id: ApparatusId::new([1; 16]),
        server: "urn:touchmark:authenticator:europe".parse().unwrap(),
        device_nonce: Nonce::new([2; 16]),
        server_nonce: Nonce::new([3; 16]),
        channel: ChannelBinding::new([4; 32]),
    }
}

fn range(oldest: u8, newest: u8) -> Versions {
    Versions::new(Version::new(oldest), Version::new(newest)).unwrap()
}

impl Scene {
    fn verifier(&self) -> Verifier {
        Verifier::new(self.server.clone(), Versions::SUPPORTED)
    }

    fn challenge(&self) -> Challenge {
        self.verifier().challenge(Versions::SUPPORTED, self.server_nonce).unwrap()
    }

    fn answer_to(&self, challenge: &Challenge) -> Result<(Answer, Unconfirmed), ChallengeRefused> {
        let pass_phrase = PassPhrase::new(&self.pass_phrase);
        Prover::new(self.apparatus_id, &pass_phrase, &self.server, Versions::SUPPORTED).answer(
            challenge,
            &self.channel,
            self.device_nonce,
        )
    }

    fn verify(&self, answer: &Answer) -> Result<Authenticated, NotProved> {
        let spent = SpentNonce::removed(self.server_nonce);
        self.verifier().verify(answer, spent, &PassPhrase::new(&self.pass_phrase), &self.channel)
    }
}

#[test]
fn a_proof_holds_on_its_own_connection_only() {
    let scene = scene();
    let (answer, _) = scene.answer_to(&scene.challenge()).unwrap();
    let relayed = Scene { channel: ChannelBinding::new([5; 32]), ..scene.clone() };
    assert!(scene.verify(&answer).is_ok());
    assert!(relayed.verify(&answer).is_err());
}

#[test]
fn a_device_does_not_answer_a_server_that_it_does_not_mean() {
    let scene = scene();
    let other = Scene { server: "urn:touchmark:authenticator:asia".parse().unwrap(), ..scene.clone() };
    assert_eq!(scene.answer_to(&other.challenge()).err(), Some(ChallengeRefused::OtherServer));
    let (answer, _) = other.answer_to(&other.challenge()).unwrap();
    assert!(scene.verify(&answer).is_err());
}

#[test]
fn a_reflected_proof_is_refused_in_both_directions() {
    let scene = scene();
    let (answer, unconfirmed) = scene.answer_to(&scene.challenge()).unwrap();
    assert_eq!(unconfirmed.confirm(&answer.proof).err(), Some(ServerRefused));

    let server_proof = *scene.verify(&answer).unwrap().server_proof();
    let reflected = Answer { proof: server_proof, ..answer };
    assert!(scene.verify(&reflected).is_err());
}

#[test]
fn a_mirrored_transcript_is_refused() {
    // A device that is lured into proving itself to an attacker who passes its own values off as the
    // other side's: both nonces change places.
    let scene = scene();
    let mirrored =
        Scene { device_nonce: scene.server_nonce, server_nonce: scene.device_nonce, ..scene.clone() };
    let (answer, _) = mirrored.answer_to(&mirrored.challenge()).unwrap();
    assert!(scene.verify(&answer).is_err());
    let mirrored_back =
        Answer { device_nonce: answer.server_nonce, server_nonce: answer.device_nonce, ..answer };
    assert!(scene.verify(&mirrored_back).is_err());

    let echo = Challenge { nonce: scene.device_nonce, ..scene.challenge() };
    assert_eq!(scene.answer_to(&echo).err(), Some(ChallengeRefused::OwnNonce));
}

#[test]
fn an_answer_to_one_nonce_does_not_hold_for_another() {
    let scene = scene();
    let (answer, _) = scene.answer_to(&scene.challenge()).unwrap();
    let later = Scene { server_nonce: Nonce::new([9; 16]), ..scene };
    assert!(later.verify(&answer).is_err());
    assert!(later.verify(&Answer { server_nonce: later.server_nonce, ..answer }).is_err());
}

#[test]
fn nobody_talks_the_two_sides_down() {
    let scene = scene();
    let pass_phrase = PassPhrase::new(&scene.pass_phrase);
    let modern = Verifier::new(scene.server.clone(), range(1, 2));
    let prover = || Prover::new(scene.apparatus_id, &pass_phrase, &scene.server, range(1, 2));

    // The offer is cut down on its way, so the server challenges with the old version; the device
    // repeats under its proof what it did offer.
    let challenge = modern.challenge(range(1, 1), scene.server_nonce).unwrap();
    assert_eq!(challenge.version, Version::new(1));
    let (answer, _) = prover().answer(&challenge, &scene.channel, scene.device_nonce).unwrap();
    let verify = |answer: &Answer| {
        modern.verify(answer, SpentNonce::removed(scene.server_nonce), &pass_phrase, &scene.channel)
    };
    assert!(verify(&answer).is_err());
    assert!(verify(&Answer { offered: range(1, 1), ..answer.clone() }).is_err());
    assert!(verify(&Answer { version: Version::new(2), ..answer }).is_err());

    let honest = modern.challenge(range(1, 2), scene.server_nonce).unwrap();
    let (answer, _) = prover().answer(&honest, &scene.channel, scene.device_nonce).unwrap();
    assert!(verify(&answer).is_ok());
}

#[test]
fn a_version_that_was_given_up_is_refused() {
    let scene = scene();
    let ratcheted = Verifier::new(scene.server.clone(), range(2, 2));
    assert_eq!(ratcheted.challenge(Versions::SUPPORTED, scene.server_nonce), Err(NoCommonVersion));
    for version in [0, 2, 255] {
        let challenge = Challenge { version: Version::new(version), ..scene.challenge() };
        assert_eq!(scene.answer_to(&challenge).err(), Some(ChallengeRefused::OtherVersion), "{version}");
    }
}

fn scenes() -> impl Strategy<Value = Scene> {
    let name = "[a-z0-9]{1,32}";
    (any::<[u8; 32]>(), any::<[u8; 16]>(), name, any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 32]>())
        .prop_filter("nonces differ", |(_, _, _, device, server, _)| device != server)
        .prop_map(|(pass_phrase, apparatus_id, name, device_nonce, server_nonce, channel)| Scene {
            pass_phrase,
            apparatus_id: ApparatusId::new(apparatus_id),
            server: Member::authenticator(name.parse().unwrap()),
            device_nonce: Nonce::new(device_nonce),
            server_nonce: Nonce::new(server_nonce),
            channel: ChannelBinding::new(channel),
        })
}

fn flipped<const N: usize>(mut bytes: [u8; N], bit: usize) -> [u8; N] {
    bytes[bit / 8 % N] ^= 1 << (bit % 8);
    bytes
}

proptest! {
    #[test]
    fn an_honest_exchange_ends_with_one_key(scene in scenes()) {
        let (answer, unconfirmed) = scene.answer_to(&scene.challenge()).unwrap();
        let authenticated = scene.verify(&answer).unwrap();
        prop_assert_eq!(authenticated.apparatus_id(), scene.apparatus_id);
        let session_key = unconfirmed.confirm(authenticated.server_proof()).unwrap();
        prop_assert_eq!(session_key.expose(), authenticated.session_key().expose());
        prop_assert_ne!(session_key.expose(), answer.proof.as_bytes());
    }

    #[test]
    fn one_changed_bit_of_an_answer_is_refused(scene in scenes(), bit in 0usize..256) {
        let (answer, _) = scene.answer_to(&scene.challenge()).unwrap();
        let apparatus_id = ApparatusId::new(flipped(*answer.apparatus_id.as_bytes(), bit));
        let device_nonce = Nonce::new(flipped(*answer.device_nonce.as_bytes(), bit));
        let server_nonce = Nonce::new(flipped(*answer.server_nonce.as_bytes(), bit));
        let proof = Proof::new(flipped(*answer.proof.as_bytes(), bit));
        for changed in [
            Answer { apparatus_id, ..answer.clone() },
            Answer { device_nonce, ..answer.clone() },
            Answer { server_nonce, ..answer.clone() },
            Answer { proof, ..answer.clone() },
            Answer { offered: range(0, 1), ..answer.clone() },
            Answer { offered: range(1, 2), ..answer.clone() },
            Answer { version: Version::new(0), ..answer.clone() },
        ] {
            prop_assert!(scene.verify(&changed).is_err());
        }
    }

    #[test]
    fn one_wrong_bit_of_the_secret_or_the_connection_proves_nothing(scene in scenes(), bit in 0usize..256) {
        let (answer, unconfirmed) = scene.answer_to(&scene.challenge()).unwrap();
        let stranger = Scene { pass_phrase: flipped(scene.pass_phrase, bit), ..scene.clone() };
        prop_assert!(stranger.verify(&answer).is_err());

        // A server with another secret cannot convince the device either.
        let (forged, _) = stranger.answer_to(&scene.challenge()).unwrap();
        let impostor = stranger.verify(&forged).unwrap();
        prop_assert!(unconfirmed.confirm(impostor.server_proof()).is_err());
    }
}
