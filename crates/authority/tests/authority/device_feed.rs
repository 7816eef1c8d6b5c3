//! What centers are told: each device once it is made, and what becomes of it, in order and once each.

use cert::{Certificate, Fingerprint};
use identity::CredentialState::{Verified, Voided};
use identity::DeviceNumber;
use message::bytes::Bytes;
use message::fleet::DeviceRegistration;
use message::report::Event;
use store::testing::on_both;

use crate::plant::{Plant, numbers, record, verified};

async fn told(plant: &Plant, after: u64) -> Vec<DeviceRegistration> {
    plant.authority.desk().device_registrations(after).await.unwrap().records
}

#[tokio::test]
async fn centers_are_told_of_devices_and_what_becomes_of_them() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let numbers = numbers("3012", 123_000..123_003);
        let packs = plant.issue(&numbers).await.unwrap().packs;
        assert_eq!(told(&plant, 0).await, [], "nothing is made yet");

        let voided = || Event::Voided { reason: "broken".to_owned() };
        plant
            .report(vec![record(1, &numbers[0], Event::Stocked), record(2, &numbers[1], Event::Stocked)])
            .await;
        plant
            .report(vec![
                record(3, &numbers[1], verified(&packs[1], "0011223344556677")),
                record(4, &numbers[0], verified(&packs[0], "8899aabbccddeeff")),
            ])
            .await;
        plant.report(vec![record(5, &numbers[1], voided())]).await;

        let all = told(&plant, 0).await;
        let facts: Vec<(u64, &DeviceNumber, _)> =
            all.iter().map(|told| (told.sequence, &told.device_number, told.state)).collect();
        assert_eq!(
            facts,
            [(1, &numbers[0], Verified), (2, &numbers[1], Verified), (3, &numbers[1], Voided)],
            "one report's records come in the order of their numbers"
        );
        let certificate = Certificate::parse(&packs[0].pack.client_certificate.0).unwrap();
        let bytes = |fingerprint: Fingerprint| Bytes(fingerprint.as_bytes().to_vec());
        assert_eq!(all[0].public_key_sha256, bytes(certificate.spki_fingerprint()));
        assert_eq!(all[0].issuer_sha256, bytes(Fingerprint::of(&packs[0].pack.issuing_certificate.0)));
        assert_eq!(all[0].hardware_uid, Some("8899aabbccddeeff".parse().unwrap()));
        assert_eq!((all[0].expires, all[0].renew_from), (None, None), "it has no end");
        assert_eq!(told(&plant, 2).await, all[2..]);
        assert_eq!(told(&plant, 3).await, []);
    })
    .await;
}
