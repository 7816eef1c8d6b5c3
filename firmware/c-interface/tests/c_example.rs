//! The example in C, compiled, linked and provisioned through its port.

#![cfg(test)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use auth::{PassPhrase, SymmetricCredential, station_confirmation};
use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, CertificatePart, FRAME_BYTES_MAX, FrameCollector, Identity, Key,
    Pack, Refusal, Request, SymmetricPart, Transmission, Version, pack_digest, proof_message,
};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, CredentialId, Random};
use p256::SecretKey;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePrivateKey;
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};

/// Made by `openssl ecparam -name prime256v1 -genkey`.
const SECRET_KEY: &[u8] = include_bytes!("../../../crates/device/tests/secret_key.der");

/// As `touchmark authority pre-write-key export --c` writes it.
const HEADER: &str = "#include <stdint.h>\n#define TOUCHMARK_KEY_IDENTIFIER \"3012-1\"\n\
    static const uint8_t touchmark_pre_write_key[32] = {0x77, 0x78};\n";

#[test]
fn a_device_in_c_takes_both_credentials_and_proves_them() {
    let (sealed_key, sealed_pass_phrase) = seal();
    let certificate = CertificatePart {
        root: &[0x30; 500],
        issuing: &[0x31; 600],
        client: &[0x32; 700],
        key: Key::Sealed(&sealed_key),
    };
    let symmetric = SymmetricPart {
        apparatus_id: apparatus_id(),
        sealed: &sealed_pass_phrase,
        form: SymmetricForm::Sealed,
        challenge: [0xba; 32],
    };
    let device_number = NUMBER.parse().unwrap();
    let pack = Pack { device_number, certificate: Some(certificate), symmetric: Some(symmetric) };

    let mut device = Device::start();
    let identity = device.identify();
    assert_eq!(identity.product.as_str(), "3012");
    assert_eq!(identity.hardware_uid.as_bytes(), [0x43, 0x00, 0x11, 0x22, 0x33, 0x44]);
    assert_eq!(identity.key_identifier, Some("3012-1".parse().unwrap()));
    assert_eq!((identity.holding, identity.chip_key), (None, None));
    let session = identity.session;
    let challenge = [0xc4; 32];
    let result_request = Request::ResultRequest { session, challenge };
    assert_eq!(device.ask(&result_request), Answer::Refused(Refusal::NothingStored));

    let transmission = Request::Transmission(Transmission { session, pack: pack.clone() });
    assert_eq!(device.ask(&transmission), Answer::Reception);
    let Answer::WriteResult(result) = device.ask(&result_request) else { panic!("no write result") };
    let digest = pack_digest(&pack);
    assert_eq!(result.pack_digest, digest);
    let message = proof_message(&pack.device_number, &identity.hardware_uid, &challenge, &digest);
    let key = VerifyingKey::from(SecretKey::from_pkcs8_der(SECRET_KEY).unwrap().public_key());
    key.verify(&message, &Signature::from_slice(&result.signature).unwrap()).unwrap();
    let expected = station_confirmation(&PassPhrase::new(&PASS_PHRASE), apparatus_id());
    assert_eq!(result.confirmation.map(|both| both.station), Some(*expected.as_bytes()));

    assert_eq!(device.ask(&Request::ResultResponse { session }), Answer::Done);
    let identity = device.identify();
    assert_ne!(identity.session, session);
    assert!(identity.confirmed);
    assert_eq!(identity.holding, Some(pack.device_number));
    assert_eq!(device.stop(), "apparatus ID 1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d\n");
}

#[test]
fn a_device_in_c_makes_keys() {
    let mut device = Device::start();
    let session = device.identify().session;
    let request = Request::KeyRequest { session, device_number: NUMBER.parse().unwrap() };
    let Answer::SigningRequest(made) = device.ask(&request) else { panic!("no signing request") };
    assert!(!made.0.is_empty());
    assert!(device.ask(&request) == Answer::SigningRequest(made), "it is asked again for the same");
    assert_eq!(device.stop(), "");
}

#[test]
fn a_device_in_c_answers_what_it_cannot_read() {
    let mut device = Device::start();
    device.send(&[7; FRAME_BYTES_MAX + 1]);
    assert_eq!(device.ask_bytes(&[0]), Answer::Refused(Refusal::Malformed));
    assert_eq!(device.ask_bytes(b"noise\0"), Answer::Refused(Refusal::Malformed));
    device.identify();
    assert_eq!(device.stop(), "");
}

const NUMBER: &str = "3012-123456";
const PASS_PHRASE: [u8; 32] = [0xf0; 32];

fn apparatus_id() -> ApparatusId {
    ApparatusId::new([0x1d; 16])
}

/// The key and the pass phrase, sealed under the key of [`HEADER`].
fn seal() -> (Vec<u8>, Vec<u8>) {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&[0x77, 0x78]);
    let key = PreWriteKey::new("3012-1".parse().unwrap(), &bytes);
    let seal = |credential: CredentialId, secret: &[u8]| {
        let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
        let binding = Binding { product: &"3012".parse().unwrap(), credential: &credential };
        key.seal(&binding, secret, &Zeros, &mut out).unwrap().to_vec()
    };
    let pass_phrase = PassPhrase::new(&PASS_PHRASE);
    let credential = SymmetricCredential { apparatus_id: apparatus_id(), pass_phrase };
    let sealed_key = seal(CredentialId::Number(NUMBER.parse().unwrap()), SECRET_KEY);
    (sealed_key, seal(apparatus_id().into(), &*credential.to_bytes()))
}

/// Not random at all, so that a test can be repeated.
struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The example as a process, and both ends of its port.
struct Device {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
    answers: FrameCollector<ANSWER_FRAME_BYTES_MAX>,
}

impl Device {
    fn start() -> Self {
        let mut command = Command::new(build());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output, answers: FrameCollector::new() }
    }

    fn identify(&mut self) -> Identity {
        match self.ask(&Request::Identify) {
            Answer::Identity(identity) => identity,
            other => panic!("not an identity: {other:?}"),
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Answer {
        let mut frame = vec![0; FRAME_BYTES_MAX];
        let length = line::encode(Version::CURRENT, request, &mut frame).unwrap();
        self.ask_bytes(&frame[..length])
    }

    fn ask_bytes(&mut self, bytes: &[u8]) -> Answer {
        self.send(bytes);
        loop {
            let mut byte = [0];
            self.output.read_exact(&mut byte).unwrap();
            if let Some(frame) = self.answers.push(byte[0]) {
                let (_, answer) = line::decode(frame.unwrap()).unwrap();
                return answer;
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
    }

    /// Ends the device; what it said last.
    fn stop(self) -> String {
        drop(self.input);
        let ended = self.process.wait_with_output().unwrap();
        assert!(ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    }
}

/// Builds the library as firmware gets it, and links the example with it.
fn build() -> PathBuf {
    static EXAMPLE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    EXAMPLE
        .get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
            run(Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--release", "--package", env!("CARGO_PKG_NAME")])
                .current_dir(root)
                .env("CARGO_TARGET_DIR", target));
            let example = target.join("tmp/host");
            std::fs::write(target.join("tmp/pre_write_key.h"), HEADER).unwrap();
            run(Command::new("cc")
                .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", "include", "-I"])
                .arg(target.join("tmp"))
                .args(["examples/host.c", "-o"])
                .arg(&example)
                .arg(target.join("release/libtouchmark_c.a"))
                .current_dir(root));
            example
        })
        .clone()
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}
