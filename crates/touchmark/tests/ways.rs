//! Every way in which credentials come to a device, through the true authority, gateway and station, on
//! one plant; then the books, which must add up.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use identity::profile::{
    CertificateProfile, CredentialKind, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::{Clock, DeviceNumber, HardwareUid};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message::status::ProductStatus;
use seal::ChipKey;
use station::{DeviceAddress, Station};
use tempfile::TempDir;
use tokio::net::TcpListener;
use touchmark::emulator::{EmulatedDevice, serve_tcp};
use touchmark::ledger::{Books, Verdict, check};
use touchmark::plant::{Blueprint, Plant, ProductBlueprint};
use touchmark::surroundings::{SystemClock, SystemRandom};

const UNITS: u64 = 2;

/// A product for each way.
fn ways() -> [(&'static str, CredentialProfile); 9] {
    let certificate = |algorithm, origin| Some(CertificateProfile { algorithm, origin });
    let plain = certificate(KeyAlgorithm::P256, KeyOrigin::Authority);
    let longer = certificate(KeyAlgorithm::P384, KeyOrigin::Authority);
    let own = certificate(KeyAlgorithm::P256, KeyOrigin::Device);
    let (opened, sealed) = (Some(SymmetricForm::Opened), Some(SymmetricForm::Sealed));
    let profile =
        |certificate, symmetric, sealing| CredentialProfile::new(certificate, symmetric, sealing).unwrap();
    [
        ("3012", profile(plain, None, Sealing::Plain)),
        ("3014", profile(longer, None, Sealing::PreWriteKey)),
        ("A120", profile(longer, opened, Sealing::PreWriteKey)),
        ("A121", profile(None, opened, Sealing::PreWriteKey)),
        ("A122", profile(None, sealed, Sealing::DeviceKey)),
        ("A123", profile(plain, sealed, Sealing::DeviceKey)),
        ("A124", profile(plain, opened, Sealing::ChipKey)),
        ("A125", profile(own, None, Sealing::Plain)),
        ("A126", profile(own, opened, Sealing::PreWriteKey)),
    ]
}

async fn plant(directory: &Path) -> Plant {
    let now = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap();
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut list = "No,DEVICE CODE,CERTIFICATE,REMARKS".to_owned();
    let mut plan = format!("DEVICE CODE,{today}");
    for (place, (code, _)) in (1..).zip(ways()) {
        list.push_str(&format!("\n{place},{code},YES,"));
        plan.push_str(&format!("\n{code},{UNITS}"));
    }
    let product = |(code, profile): (&str, CredentialProfile)| ProductBlueprint {
        code: code.parse().unwrap(),
        profile,
        first: "100001".parse().unwrap(),
        last: "100009".parse().unwrap(),
        quota: UNITS,
    };
    let blueprint = Blueprint {
        directory: directory.to_owned(),
        authority_store: String::new(),
        factory: "osaka".parse().unwrap(),
        products: ways().map(product).into(),
        plan: [list, plan],
        days_ahead: 1,
    };
    Plant::start(&blueprint, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

/// A blank device of this number's product, with what its maker built into it.
fn blank(plant: &Plant, number: &DeviceNumber, profile: &CredentialProfile) -> EmulatedDevice {
    let uid = HardwareUid::new(number.text().as_bytes()).unwrap();
    // Each device has a seed of its own, or two would make the same key.
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    let device = EmulatedDevice::new(number.product().clone(), uid.clone(), hasher.finish());
    match (profile.sealing(), plant.firmware_keys().of(number.product())) {
        (Sealing::PreWriteKey, Some(key)) => device.with_pre_write_key(key),
        (Sealing::DeviceKey, Some(key)) => device.with_pre_write_key(key.for_chip(&uid)),
        (Sealing::ChipKey, _) => device.with_chip_key(ChipKey::new(&[7; ChipKey::BYTES]).unwrap()),
        _ => device,
    }
}

/// Writes a device at the station and keeps its memory.
async fn write(
    plant: &Plant,
    station: &Station,
    number: &DeviceNumber,
    profile: &CredentialProfile,
    memories: &Path,
) {
    let device = Arc::new(Mutex::new(blank(plant, number, profile)));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = DeviceAddress::Tcp(listener.local_addr().unwrap().to_string());
    let serving = tokio::spawn(serve_tcp(Arc::clone(&device), listener));
    station.write(&number.text(), &address).await.unwrap_or_else(|failure| panic!("{number}: {failure:?}"));
    serving.abort();
    device.lock().unwrap().save_as(&memories.join(format!("{number}.flash"))).unwrap();
}

async fn ledger(plant: &Plant, memories: &Path) -> Verdict {
    let (authority, gateway) = plant.stores();
    let now = SystemClock.epoch_seconds();
    let books = Books::read(Some(authority), std::slice::from_ref(gateway), Some(memories), now).await;
    check(&books.unwrap())
}

async fn settle(plant: &Plant) {
    let desk = plant.gateway().desk();
    while desk.status().await.unwrap().outbox > 0 {
        plant.gateway().drain().await.unwrap();
    }
    plant.gateway().tick().await.unwrap();
    assert_eq!(desk.status().await.unwrap().parked, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_ends_with_proved_devices_and_books_that_add_up() {
    let directory = TempDir::new().unwrap();
    let memories = directory.path().join("devices");
    std::fs::create_dir(&memories).unwrap();
    let plant = plant(directory.path()).await;
    plant.gateway().replenish().await.unwrap();
    let station = plant.station(&"line-1".parse().unwrap()).await.unwrap();
    let number = |code: &str, n: u64| format!("{code}-{}", 100_000 + n).parse().unwrap();

    for (code, profile) in ways() {
        write(&plant, &station, &number(code, 1), &profile, &memories).await;
    }
    settle(&plant).await;
    let verdict = ledger(&plant, &memories).await;
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);

    // Without the link, what is in stock and what makes its own key goes on.
    plant.link.cut();
    for (code, profile) in ways() {
        if !profile.sealing().needs_chip() {
            write(&plant, &station, &number(code, 2), &profile, &memories).await;
        }
    }
    let owed = |rows: Vec<ProductStatus>| rows.iter().map(|row| row.owed).sum::<u64>();
    assert_eq!(owed(plant.gateway().desk().status().await.unwrap().products), 2);
    let verdict = ledger(&plant, &memories).await;
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);

    plant.link.restore();
    settle(&plant).await;
    let status = plant.gateway().desk().status().await.unwrap();
    for row in &status.products {
        let (_, profile) = ways().into_iter().find(|(code, _)| *code == row.product.as_str()).unwrap();
        let made = if profile.sealing().needs_chip() { 1 } else { UNITS };
        assert_eq!((row.verified, row.owed, row.suspect), (made, 0, 0), "{row:?}");
    }
    let symmetric = status.products.iter().filter(|row| row.credential == CredentialKind::Symmetric);
    assert_eq!(symmetric.count(), 6);
    let verdict = ledger(&plant, &memories).await;
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
    plant.stop().await;
}
