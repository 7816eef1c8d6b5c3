//! `touchmark device authenticate`: an emulated device comes with what is in its flash.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use auth::SymmetricCredential;
use authenticator::token::verify;
use cert::tls::HostTrust;
use identity::line::{Pack, SymmetricPart, Transmission};
use identity::profile::SymmetricForm;
use identity::{Clock, CredentialId, HardwareUid, Member, ProductCode};
use message::authenticate::JwkSet;
use message::bytes::{Bytes, SecretBytes};
use message::pack::Sealed;
use message::registration::Event;
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};
use serde_json::Value;
use tempfile::TempDir;
use touchmark::emulator::EmulatedDevice;
use touchmark::pre_write_key_file::PreWriteKeyFile;
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::Client;

use crate::site::{AUTHENTICATOR, Authority, Installation, Served};

const KEY: [u8; 32] = [7; 32];
const SUPPLIES: &str = "urn:touchmark:service:supplies";

/// A device that was written, and what its authority has on it.
struct Made {
    flash: PathBuf,
    number: &'static str,
    event: Event,
}

/// A device whose key is derived for its chip, and which keeps its pass phrase in this form.
fn make(directory: &Path, number: &'static str, chip: &str, form: SymmetricForm) -> Made {
    let credential = SymmetricCredential::random(&SystemRandom);
    let (product, chip): (ProductCode, HardwareUid) = ("A123".parse().unwrap(), chip.parse().unwrap());
    let binding =
        Binding { product: &product, credential: &CredentialId::Apparatus(credential.apparatus_id) };
    let key = PreWriteKey::new("A123-1".parse().unwrap(), &KEY).for_chip(&chip);
    let mut sealed = [0; SymmetricCredential::BYTES + SEALED_OVERHEAD_MAX];
    let sealed = key.seal(&binding, &*credential.to_bytes(), &SystemRandom, &mut sealed).unwrap();

    let flash = directory.join(number);
    let device = EmulatedDevice::create(&flash, product, chip.clone(), 1).unwrap();
    let mut device = device.with_pre_write_key(key);
    let session = device.identify().unwrap().unwrap().session;
    let symmetric = SymmetricPart { apparatus_id: credential.apparatus_id, sealed, form, challenge: [9; 32] };
    let pack = Pack { device_number: number.parse().unwrap(), certificate: None, symmetric: Some(symmetric) };
    device.receive(&Transmission { session, pack }).unwrap().unwrap();

    let (apparatus_id, device_number) = (credential.apparatus_id, number.parse().unwrap());
    let event = match form {
        SymmetricForm::Opened => Event::Registered {
            apparatus_id,
            pass_phrase: SecretBytes::new(credential.pass_phrase.expose().to_vec()),
            device_number,
        },
        SymmetricForm::Sealed => Event::RegisteredSealed {
            apparatus_id,
            sealed: Sealed {
                key_identifier: Some("A123-1".parse().unwrap()),
                ciphertext: Bytes(sealed.to_vec()),
            },
            hardware_uid: Some(chip),
            device_number,
        },
    };
    Made { flash, number, event }
}

/// A plant with an authenticator and the devices that are registered there.
struct Place {
    authority: Arc<Authority>,
    served: Served,
    _here: Installation,
    directory: TempDir,
}

impl Place {
    async fn new(directory: TempDir, made: &[Made]) -> Self {
        let key = Event::PreWriteKey {
            key_identifier: "A123-1".parse().unwrap(),
            key: SecretBytes::new(KEY.to_vec()),
        };
        let events = std::iter::once(key).chain(made.iter().map(|made| made.event.clone()));
        let authority = Arc::new(Authority::new(events));
        let here = Installation::new();
        here.json(&["join", &authority.serve().await.to_text()]).await;
        let served = here.serve().await;
        here.wait_for_registrations(made.len() as u64).await;
        let file = PreWriteKeyFile {
            product: "A123".parse().unwrap(),
            key_identifier: "A123-1".parse().unwrap(),
            key: SecretBytes::new(KEY.to_vec()),
        };
        let path = directory.path().join("pre-write-key.json");
        std::fs::write(path, serde_json::to_vec(&file).unwrap()).unwrap();
        Self { authority, served, _here: here, directory }
    }

    async fn authenticate(&self, made: &Made, more: &[&str]) -> Output {
        self.authenticate_at(&format!("https://{}", self.served.address), "europe", made, more).await
    }

    async fn authenticate_at(&self, url: &str, name: &str, made: &Made, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command
            .args(["device", "authenticate", "--json", "--service", "supplies", "--flash"])
            .arg(&made.flash)
            .args(["--authenticator", url, "--authenticator-name", name])
            .args(["--root-sha256", &self.authority.trust.root_fingerprint().to_string()])
            .args(more);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn key_file(&self) -> String {
        self.directory.path().join("pre-write-key.json").display().to_string()
    }

    /// For whom the service takes a token that a device shows it.
    async fn holder(&self, token: &str) -> String {
        let host: Member = AUTHENTICATOR.parse().unwrap();
        let trust = HostTrust::Plant(self.authority.trust.clone());
        let url = format!("https://{}", self.served.address);
        let client = Client::new(trust, None, host.clone(), &url, Arc::new(SystemClock)).unwrap();
        let keys: JwkSet = client.get_json("/.well-known/jwks.json").await.unwrap();
        let now = SystemClock.epoch_seconds();
        verify(token, &keys, &host, &SUPPLIES.parse().unwrap(), now).unwrap().device_number.to_string()
    }
}

fn words(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_leaves_with_a_token_in_either_form() {
    let directory = tempfile::tempdir().unwrap();
    let opened = make(directory.path(), "A123-000001", "00112233", SymmetricForm::Opened);
    let sealed = make(directory.path(), "A123-000002", "44556677", SymmetricForm::Sealed);
    let made = [opened, sealed];
    let place = Place::new(directory, &made).await;
    let key_file = place.key_file();
    let key_of_chip = ["--pre-write-key", &key_file, "--derive-for-chip"];
    for (made, more) in [(&made[0], &[][..]), (&made[1], &key_of_chip[..])] {
        let output = place.authenticate(made, more).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&answer["deviceNumber"], &answer["service"]), (&made.number.into(), &"supplies".into()));
        assert_eq!(place.holder(answer["token"].as_str().unwrap()).await, made.number);
    }

    // Without the key of its chip a device does not know its own pass phrase.
    for more in [&[][..], &key_of_chip[..2]] {
        let told = words(&place.authenticate(&made[1], more).await);
        assert!(told.contains("cannot open a symmetric credential"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_nobody_registered_is_told_so_and_so_is_one_at_the_wrong_door() {
    let directory = tempfile::tempdir().unwrap();
    let registered = make(directory.path(), "A123-000001", "00112233", SymmetricForm::Opened);
    let stranger = make(directory.path(), "A123-000009", "99999999", SymmetricForm::Opened);
    let place = Place::new(directory, std::slice::from_ref(&registered)).await;
    let told = words(&place.authenticate(&stranger, &[]).await);
    assert!(told.contains("A123-000009 is not authenticated"), "{told}");
    let url = format!("https://{}", place.served.address);
    let told = words(&place.authenticate_at(&url, "asia", &registered, &[]).await);
    assert!(told.contains("cannot reach urn:touchmark:authenticator:asia"), "{told}");
    let told = words(&place.authenticate_at("http://127.0.0.1:1", "europe", &registered, &[]).await);
    assert!(told.contains("https://HOST:PORT"), "{told}");
}
