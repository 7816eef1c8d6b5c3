//! Credentials in their second form: the store has what the device keeps, and opens it to authenticate.

use std::sync::Arc;

use auth::{PassPhrase, SymmetricCredential};
use authenticator::caller::{Session, authenticate};
use authenticator::{Authenticator, AuthenticatorError};
use identity::{ApparatusId, CredentialId, HardwareUid, KeyIdentifier, Member};
use message::bytes::{Bytes, SecretBytes};
use message::pack::Sealed;
use message::registration::{Event, Registration, Registrations};
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};
use store::audit::Actor;
use store::testing::{TestDatabase, on_both};
use transport::Channel;

use crate::plant::{AUTHENTICATOR, Plant, TestRandom, credential, hasty, registered};

const KEY: [u8; 32] = [0xA5; 32];
const CHIP: &str = "0011223344556677";

fn key_identifier() -> KeyIdentifier {
    "A123-1".parse().unwrap()
}

fn pre_write_key(sequence: u64) -> Registration {
    let event = Event::PreWriteKey { key_identifier: key_identifier(), key: SecretBytes::new(KEY.to_vec()) };
    Registration { sequence, event }
}

/// The authority's record of the n-th device, which keeps its credential sealed.
fn registered_sealed(sequence: u64, n: u8, chip: Option<&str>) -> Registration {
    let SymmetricCredential { apparatus_id, .. } = credential(n);
    let product = "A123".parse().unwrap();
    let binding = Binding { product: &product, credential: &CredentialId::Apparatus(apparatus_id) };
    let hardware_uid: Option<HardwareUid> = chip.map(|chip| chip.parse().unwrap());
    let key = PreWriteKey::new(key_identifier(), &KEY);
    let key = hardware_uid.iter().fold(key, |key, chip| key.for_chip(chip));
    let mut sealed = [0; SymmetricCredential::BYTES + SEALED_OVERHEAD_MAX];
    let sealed = key.seal(&binding, &*credential(n).to_bytes(), &TestRandom, &mut sealed).unwrap();
    let sealed = Sealed { key_identifier: Some(key_identifier()), ciphertext: Bytes(sealed.to_vec()) };
    let device_number = format!("A123-{n:06}").parse().unwrap();
    let event = Event::RegisteredSealed { apparatus_id, sealed, hardware_uid, device_number };
    Registration { sequence, event }
}

async fn take(here: &Authenticator, records: impl IntoIterator<Item = Registration>) {
    here.take(Registrations { records: records.into_iter().collect() }).await.unwrap();
}

async fn attempt(channel: &mut Channel, credential: &SymmetricCredential) -> Option<Session> {
    let server: Member = AUTHENTICATOR.parse().unwrap();
    authenticate(channel, credential, &server, "supplies".parse().unwrap(), &TestRandom).await.ok()
}

#[tokio::test]
async fn devices_of_both_forms_are_let_in_side_by_side() {
    on_both(async |database| {
        let plant = Plant::new();
        let here = plant.authenticator(&database.url, hasty()).await;
        let records = [
            registered(1, 1),
            pre_write_key(2),
            registered_sealed(3, 2, None),
            registered_sealed(4, 3, Some(CHIP)),
        ];
        take(&here, records).await;
        // Another instance, after a restart.
        let here = plant.authenticator(&database.url, hasty()).await;
        let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
        let mut channel = plant.channel(AUTHENTICATOR, address).await;
        for n in 1..=3 {
            assert!(attempt(&mut channel, &credential(n)).await.is_some(), "device {n}");
            let wrong = SymmetricCredential { pass_phrase: PassPhrase::new(&[9; 32]), ..credential(n) };
            assert!(attempt(&mut channel, &wrong).await.is_none(), "device {n}");
        }
        here.register().revoke(ApparatusId::new([2; 16]), "stolen", &Actor::person("tester")).await.unwrap();
        assert!(attempt(&mut channel, &credential(2)).await.is_none());
        assert!(attempt(&mut channel, &credential(3)).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn neither_pass_phrase_nor_pre_write_key_lies_in_the_store() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    take(&here, [pre_write_key(1), registered_sealed(2, 0x77, Some(CHIP))]).await;
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let mut channel = plant.channel(AUTHENTICATOR, address).await;
    assert!(attempt(&mut channel, &credential(0x77)).await.is_some());

    let of_chip = PreWriteKey::new(key_identifier(), &KEY).for_chip(&CHIP.parse().unwrap());
    for secret in [[0x77; 32], KEY, *of_chip.expose()] {
        for entry in std::fs::read_dir(database.directory.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(32).any(|window| window == secret));
        }
    }
}

#[tokio::test]
async fn what_could_never_be_opened_is_not_registered() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    let change = |sequence, n, change: fn(&mut Sealed)| {
        let mut record = registered_sealed(sequence, n, None);
        let Event::RegisteredSealed { sealed, .. } = &mut record.event else { unreachable!() };
        change(sealed);
        record
    };
    let short =
        Event::PreWriteKey { key_identifier: "A123-2".parse().unwrap(), key: SecretBytes::new(vec![1; 31]) };
    let records = [
        registered_sealed(1, 1, None),
        pre_write_key(2),
        change(3, 2, |sealed| sealed.key_identifier = None),
        change(4, 3, |sealed| sealed.key_identifier = Some("A123-2".parse().unwrap())),
        change(5, 4, |sealed| sealed.ciphertext.0.truncate(10)),
        Registration { sequence: 6, event: short },
        registered_sealed(7, 5, None),
    ];
    take(&here, records).await;
    let status = here.register().status().await.unwrap();
    assert_eq!(status.apparatuses.registered, 1);
    let refused: Vec<_> =
        status.refused.iter().map(|refused| (refused.sequence, refused.subject.as_str())).collect();
    let ids = [1, 2, 3, 4].map(|n| ApparatusId::new([n; 16]).to_string());
    assert_eq!(refused, [(6, "A123-2"), (5, &ids[3]), (4, &ids[2]), (3, &ids[1]), (1, &ids[0])]);
}

/// The authority has mixed two credentials up: neither device is let in as the other.
#[tokio::test]
async fn a_ciphertext_opens_for_its_own_credential_only() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    let mut mixed_up = registered_sealed(2, 1, None);
    let Event::RegisteredSealed { apparatus_id, .. } = &mut mixed_up.event else { unreachable!() };
    *apparatus_id = ApparatusId::new([2; 16]);
    take(&here, [pre_write_key(1), mixed_up]).await;
    let other = SymmetricCredential { apparatus_id: ApparatusId::new([2; 16]), ..credential(1) };
    let request = crate::authentication::answer(&here, &other, [5; 32]).await;
    let refused = here.prove(crate::authentication::origin([5; 32]), request).await;
    assert!(matches!(refused, Err(AuthenticatorError::Sealed(seal::OpenError::NotAuthentic))));
}
