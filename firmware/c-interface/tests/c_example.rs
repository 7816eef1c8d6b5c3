//! The example in C, compiled, linked and provisioned through its port.

#![cfg(test)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, FRAME_BYTES_MAX, FrameCollector, Identity, Pack, Refusal, Request,
    Transmission, Version, pack_digest, proof_message,
};
use p256::SecretKey;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePrivateKey;

/// Made by `openssl ecparam -name prime256v1 -genkey`.
const SECRET_KEY: &[u8] = include_bytes!("../../../crates/device/tests/secret_key.der");

#[test]
fn a_device_in_c_takes_a_pack_and_proves_it() {
    let mut device = Device::start();
    let identity = device.identify();
    assert_eq!(identity.product.as_str(), "3012");
    assert_eq!(identity.hardware_uid.as_bytes(), [0x43, 0x00, 0x11, 0x22, 0x33, 0x44]);
    assert_eq!(identity.holding, None);
    let session = identity.session;
    let challenge = [0xc4; 32];
    let result_request = Request::ResultRequest { session, challenge };
    assert_eq!(device.ask(&result_request), Answer::Refused(Refusal::NothingStored));

    let pack = pack("3012-123456");
    let transmission = Request::Transmission(Transmission { session, pack: pack.clone() });
    assert_eq!(device.ask(&transmission), Answer::Reception);
    let Answer::WriteResult(result) = device.ask(&result_request) else { panic!("no write result") };
    let digest = pack_digest(
        &pack.device_number,
        pack.root_certificate,
        pack.issuing_certificate,
        pack.client_certificate,
        pack.secret_key,
    );
    assert_eq!(result.pack_digest, digest);
    let message = proof_message(&pack.device_number, &identity.hardware_uid, &challenge, &digest);
    let key = VerifyingKey::from(SecretKey::from_pkcs8_der(SECRET_KEY).unwrap().public_key());
    key.verify(&message, &Signature::from_slice(&result.signature).unwrap()).unwrap();

    assert_eq!(device.ask(&Request::ResultResponse { session }), Answer::Done);
    let identity = device.identify();
    assert_ne!(identity.session, session);
    assert!(identity.confirmed);
    assert_eq!(identity.holding, Some(pack.device_number));
    device.stop();
}

#[test]
fn a_device_in_c_answers_what_it_cannot_read() {
    let mut device = Device::start();
    device.send(&[7; FRAME_BYTES_MAX + 1]);
    assert_eq!(device.ask_bytes(&[0]), Answer::Refused(Refusal::Malformed));
    assert_eq!(device.ask_bytes(b"noise\0"), Answer::Refused(Refusal::Malformed));
    device.identify();
    device.stop();
}

fn pack(number: &str) -> Pack<'static> {
    Pack {
        device_number: number.parse().unwrap(),
        root_certificate: &[0x30; 500],
        issuing_certificate: &[0x31; 600],
        client_certificate: &[0x32; 700],
        secret_key: SECRET_KEY,
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
        let mut process = Command::new(build()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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

    fn stop(mut self) {
        drop(self.input);
        assert!(self.process.wait().unwrap().success());
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
            run(Command::new("cc")
                .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", "include", "examples/host.c", "-o"])
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
