//! The reference: what this program computes for a case of the vectors.

use auth::{Challenge, ChannelBinding, Nonce, PassPhrase, Prover, SpentNonce, Verifier, Version, Versions};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use identity::line::{self, FRAME_BYTES_MAX, FrameError};
use identity::profile::KeyAlgorithm;
use identity::{
    ApparatusId, CredentialId, DeviceNumber, HardwareUid, KeyIdentifier, Member, ProductCode, Random,
};
use seal::{Binding, ChipKey, ChipPublicKey, PreWriteKey, SEALED_OVERHEAD_MAX};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::line_messages::{Answer, Hex, Message, Pack, Request};
use super::store;

/// The question is not one that the vectors ask.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// Nobody asks for that.
    #[error("there is no operation {0}")]
    Operation(String),
    /// The operation takes other input.
    #[error("the input is not that of the operation")]
    Input(#[from] serde_json::Error),
}

/// The output of an operation. What must not be accepted has the output `{"refused": true}`.
///
/// # Errors
/// There is no such operation, or it takes other input.
pub fn answer(operation: &str, input: &Value) -> Result<Value, NotAsked> {
    match operation {
        "accept-candidate" => reply(input, store::accept_candidate),
        "authenticate" => reply(input, authenticate),
        "authority-confirmation" => reply(input, authority_confirmation),
        "check-proof" => reply(input, check_proof),
        "decode-frame" => reply(input, decode_frame),
        "derive-key" => reply(input, derive_key),
        "encode-frame" => reply(input, encode_frame),
        "open" => reply(input, open),
        "open-with-chip-key" => reply(input, open_with_chip_key),
        "pack-digest" => reply(input, pack_digest),
        "proof-message" => reply(input, proof_message),
        "read-candidate" => reply(input, store::read_candidate),
        "read-record" => reply(input, store::read_record),
        "seal" => reply(input, seal_under_key),
        "seal-to-chip" => reply(input, seal_to_chip),
        "station-confirmation" => reply(input, station_confirmation),
        "store-pack" => reply(input, store::store_pack),
        "write-record" => reply(input, store::write_record),
        _ => Err(NotAsked::Operation(operation.to_owned())),
    }
}

/// It must not be accepted.
pub(super) struct Refused;

fn reply<I: DeserializeOwned>(
    input: &Value,
    operation: impl FnOnce(I) -> Result<Value, Refused>,
) -> Result<Value, NotAsked> {
    let input = I::deserialize(input)?;
    Ok(operation(input).unwrap_or_else(|Refused| json!({ "refused": true })))
}

pub(super) fn object(name: &str, value: impl Serialize) -> Result<Value, Refused> {
    Ok(json!({ name: value }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Purpose {
    product: ProductCode,
    credential: CredentialId,
}

impl Purpose {
    fn binding(&self) -> Binding<'_> {
        Binding { product: &self.product, credential: &self.credential }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    identifier: KeyIdentifier,
    key: Hex<[u8; 32]>,
}

impl Key {
    pub(super) fn pre_write_key(&self) -> PreWriteKey {
        PreWriteKey::new(self.identifier.clone(), &self.key.0)
    }
}

/// Gives out the bytes that a case prescribes.
struct Prescribed<'a>(&'a [u8]);

impl Random for Prescribed<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.0);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeriveKey {
    key: Hex<[u8; 32]>,
    hardware_uid: HardwareUid,
}

fn derive_key(input: DeriveKey) -> Result<Value, Refused> {
    let name = "A".parse().expect("a name, which the key does not depend on");
    let derived = PreWriteKey::new(name, &input.key.0).for_chip(&input.hardware_uid);
    object("key", Hex(*derived.expose()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Seal {
    under: Key,
    r#for: Purpose,
    iv: Hex<[u8; 12]>,
    secret: Hex,
}

fn seal_under_key(input: Seal) -> Result<Value, Refused> {
    let mut room = vec![0; input.secret.0.len() + SEALED_OVERHEAD_MAX];
    let key = input.under.pre_write_key();
    let iv = Prescribed(&input.iv.0);
    let sealed = key.seal(&input.r#for.binding(), &input.secret.0, &iv, &mut room).map_err(|_| Refused)?;
    object("sealed", Hex(sealed.to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Open {
    under: Key,
    r#for: Purpose,
    sealed: Hex,
}

fn open(input: Open) -> Result<Value, Refused> {
    let mut room = vec![0; input.sealed.0.len()];
    let key = input.under.pre_write_key();
    let secret = key.open(&input.r#for.binding(), &input.sealed.0, &mut room).map_err(|_| Refused)?;
    object("secret", Hex(secret.to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SealToChip {
    chip_public_key: Hex,
    ephemeral_key_material: Hex<[u8; 32]>,
    r#for: Purpose,
    secret: Hex,
}

fn seal_to_chip(input: SealToChip) -> Result<Value, Refused> {
    let mut room = vec![0; input.secret.0.len() + SEALED_OVERHEAD_MAX];
    let key = ChipPublicKey::new(&input.chip_public_key.0).map_err(|_| Refused)?;
    let ephemeral = Prescribed(&input.ephemeral_key_material.0);
    let sealed =
        key.seal(&input.r#for.binding(), &input.secret.0, &ephemeral, &mut room).map_err(|_| Refused)?;
    object("sealed", Hex(sealed.to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenWithChipKey {
    chip_key: Hex<[u8; 32]>,
    r#for: Purpose,
    sealed: Hex,
}

fn open_with_chip_key(input: OpenWithChipKey) -> Result<Value, Refused> {
    let mut room = vec![0; input.sealed.0.len()];
    let key = ChipKey::new(&input.chip_key.0).map_err(|_| Refused)?;
    let secret = key.open(&input.r#for.binding(), &input.sealed.0, &mut room).map_err(|_| Refused)?;
    object("secret", Hex(secret.to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StationConfirmation {
    pass_phrase: Hex<[u8; 32]>,
    apparatus_id: ApparatusId,
}

fn station_confirmation(input: StationConfirmation) -> Result<Value, Refused> {
    let pass_phrase = PassPhrase::new(&input.pass_phrase.0);
    let confirmation = auth::station_confirmation(&pass_phrase, input.apparatus_id);
    object("confirmation", Hex(*confirmation.as_bytes()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuthorityConfirmation {
    pass_phrase: Hex<[u8; 32]>,
    apparatus_id: ApparatusId,
    device_number: DeviceNumber,
    hardware_uid: HardwareUid,
    challenge: Hex<[u8; 32]>,
}

fn authority_confirmation(input: AuthorityConfirmation) -> Result<Value, Refused> {
    let confirmation = auth::authority_confirmation(
        &PassPhrase::new(&input.pass_phrase.0),
        input.apparatus_id,
        &input.device_number,
        &input.hardware_uid,
        &input.challenge.0,
    );
    object("confirmation", Hex(*confirmation.as_bytes()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Authenticate {
    pass_phrase: Hex<[u8; 32]>,
    apparatus_id: ApparatusId,
    oldest_version: u8,
    newest_version: u8,
    version: u8,
    server: Member,
    device_nonce: Hex<[u8; 16]>,
    server_nonce: Hex<[u8; 16]>,
    tls_exporter: Hex<[u8; 32]>,
}

/// Both sides of one exchange. What they prove to each other must agree before anything is answered.
fn authenticate(input: Authenticate) -> Result<Value, Refused> {
    let pass_phrase = PassPhrase::new(&input.pass_phrase.0);
    let channel = ChannelBinding::new(input.tls_exporter.0);
    let [oldest, newest, version] =
        [input.oldest_version, input.newest_version, input.version].map(Version::new);
    let offered = Versions::new(oldest, newest).ok_or(Refused)?;
    let nonce = Nonce::new(input.server_nonce.0);
    let challenge = Challenge { version, server: input.server.clone(), nonce };
    let (answer, unconfirmed) = Prover::new(input.apparatus_id, &pass_phrase, &input.server, offered)
        .answer(&challenge, &channel, Nonce::new(input.device_nonce.0))
        .map_err(|_| Refused)?;
    let authenticated = Verifier::new(input.server, Versions::SUPPORTED)
        .verify(&answer, SpentNonce::removed(nonce), &pass_phrase, &channel)
        .map_err(|_| Refused)?;
    let session_key = unconfirmed.confirm(authenticated.server_proof()).map_err(|_| Refused)?;
    Ok(json!({
        "deviceProof": Hex(*answer.proof.as_bytes()),
        "serverProof": Hex(*authenticated.server_proof().as_bytes()),
        "sessionKey": Hex(*session_key.expose()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PackDigest {
    pack: Pack,
}

fn pack_digest(input: PackDigest) -> Result<Value, Refused> {
    object("digest", Hex(line::pack_digest(&input.pack.on_the_line())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProofMessage {
    device_number: DeviceNumber,
    hardware_uid: HardwareUid,
    challenge: Hex<[u8; 32]>,
    pack_digest: Hex<[u8; 32]>,
}

fn proof_message(input: ProofMessage) -> Result<Value, Refused> {
    let message = line::proof_message(
        &input.device_number,
        &input.hardware_uid,
        &input.challenge.0,
        &input.pack_digest.0,
    );
    object("message", Hex(message.to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckProof {
    algorithm: KeyAlgorithm,
    public_key: Hex,
    message: Hex,
    signature: Hex,
}

fn check_proof(input: CheckProof) -> Result<Value, Refused> {
    let algorithm = match input.algorithm {
        KeyAlgorithm::P256 => &ECDSA_P256_SHA256_FIXED,
        KeyAlgorithm::P384 => &ECDSA_P384_SHA384_FIXED,
    };
    let key = UnparsedPublicKey::new(algorithm, &input.public_key.0);
    object("holds", key.verify(&input.message.0, &input.signature.0).is_ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EncodeFrame {
    version: u8,
    message: Message,
}

fn encode_frame(input: EncodeFrame) -> Result<Value, Refused> {
    let version = line::Version::new(input.version).ok_or(Refused)?;
    let mut frame = vec![0; FRAME_BYTES_MAX];
    let length = match &input.message {
        Message::Request(request) => line::encode(version, &request.on_the_line(), &mut frame),
        Message::Answer(answer) => line::encode(version, &answer.on_the_line().ok_or(Refused)?, &mut frame),
    };
    object("frame", Hex(frame[..length.map_err(|_| Refused)?].to_vec()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DecodeFrame {
    expected: Expected,
    frame: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Expected {
    Request,
    Answer,
}

fn decode_frame(input: DecodeFrame) -> Result<Value, Refused> {
    let mut frame = input.frame.0;
    let decoded: Result<_, FrameError> = match input.expected {
        Expected::Request => line::decode::<line::Request>(&mut frame)
            .map(|(version, request)| (version, Message::Request(Request::from(request)))),
        Expected::Answer => line::decode::<line::Answer>(&mut frame)
            .map(|(version, answer)| (version, Message::Answer(Answer::from(answer)))),
    };
    let (version, message) = decoded.map_err(|_| Refused)?;
    Ok(json!({ "version": version.number(), "message": message }))
}
