//! Certificates whose keys only their devices can read.

use std::process::Command;

use identity::profile::{CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing};
use message::pack::{CredentialPack, PackKey};
use message::problem::ProblemCode;
use message::report::Event;
use store::testing::{TestDatabase, on_both};

use crate::plant::{
    Plant, code, numbers, opened_key, outcomes, passphrase, person, proof_of, record, sealed_certificate,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_pack_opens_with_the_key_of_its_product_and_proves_the_device() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let key = plant.sealed_product("B500", sealed_certificate(None)).await;
        let asked = numbers("B500", 123_000..123_010);
        let issued = plant.issue(&asked).await.unwrap();
        plant.restart().await;
        assert!(plant.issue(&asked).await.unwrap() == issued, "the same bytes");
        for (record_number, numbered) in (1..).step_by(2).zip(&issued.packs) {
            let PackKey::Sealed(sealed) = &numbered.pack.key else { panic!("not sealed") };
            assert_eq!(sealed.key_identifier.as_ref(), Some(key.identifier()));
            let number = &numbered.device_number;
            let pack = CredentialPack { certificate: Some(numbered.pack.clone()), apparatus: None };
            let chip = format!("{record_number:016x}");
            let proof = proof_of(number, &pack, &key, &chip);
            let records = vec![
                record(record_number, number, Event::Stocked),
                record(
                    record_number + 1,
                    number,
                    Event::Verified { station: "line-1".parse().unwrap(), proof },
                ),
            ];
            let states = outcomes(&plant.report(records).await);
            assert!(states.iter().all(Result::is_ok), "{states:?}");
        }
        assert_eq!(plant.conserved().await, [("verified".to_owned(), 10)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_agrees_that_the_sealed_key_is_the_certificates() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B500", sealed_certificate(None)).await;
    let issued = plant.issue(&numbers("B500", 123_000..123_001)).await.unwrap();
    let numbered = &issued.packs[0];
    let PackKey::Sealed(sealed) = &numbered.pack.key else { panic!("not sealed") };
    let file = |name: &str, content: &[u8]| {
        let path = plant.database.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let secret = file("key.der", &opened_key(&numbered.device_number, sealed, &key));
    let certificate = file("certificate.der", &numbered.pack.client_certificate.0);
    let openssl = |arguments: &[&str], path: &std::path::Path| {
        let output = Command::new("openssl").args(arguments).arg(path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let of_secret = openssl(&["pkey", "-inform", "DER", "-pubout", "-in"], &secret);
    let of_certificate = openssl(&["x509", "-inform", "DER", "-noout", "-pubkey", "-in"], &certificate);
    assert_eq!(of_secret, of_certificate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_seals_what_is_new_and_leaves_what_was_sealed() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    plant.sealed_product("B500", sealed_certificate(None)).await;
    let before = numbers("B500", 123_000..123_002);
    let old = plant.issue(&before).await.unwrap();
    let (desk, product) = (plant.authority.desk(), "B500".parse().unwrap());
    let next = desk.rotate_pre_write_key(&product, passphrase(), &person()).await.unwrap();
    assert!(plant.issue(&before).await.unwrap() == old);
    let new = plant.issue(&numbers("B500", 123_002..123_003)).await.unwrap();
    let PackKey::Sealed(sealed) = &new.packs[0].pack.key else { panic!("not sealed") };
    assert_eq!(sealed.key_identifier.as_ref(), Some(&next.identifier));
    opened_key(&new.packs[0].device_number, sealed, &plant.exported(&next.identifier).await);

    // The profile changes, what was issued under it does not.
    plant.set_product("B500", CredentialProfile::PLAIN_CERTIFICATE).await;
    assert!(plant.issue(&before).await.unwrap() == old);
    let plain = plant.issue(&numbers("B500", 123_003..123_004)).await.unwrap();
    assert!(matches!(plain.packs[0].pack.key, PackKey::Plain(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sealed_is_not_issued() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.set_product("B500", sealed_certificate(None)).await;
        plant.allot("B500", Some(100), Some(("123000", "123999"))).await.unwrap();
        let order = numbers("B500", 123_000..123_002);
        let refusal = plant.issue(&order).await.err().unwrap();
        assert_eq!(code(&refusal), ProblemCode::NoPreWriteKey);
        assert!(refusal.to_string().contains("touchmark authority pre-write-key make B500"), "{refusal}");

        let own = CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Device };
        let born = CredentialProfile::new(Some(own), None, Sealing::Plain).unwrap();
        let authority = CredentialProfile::PLAIN_CERTIFICATE.certificate();
        for profile in [born, CredentialProfile::new(authority, None, Sealing::ChipKey).unwrap()] {
            plant.set_product("B500", profile).await;
            let refusal = plant.issue(&order).await.err().map(|error| code(&error));
            assert_eq!(refusal, Some(ProblemCode::NotAllowed), "made for the device in front of a station");
        }
        assert_eq!(plant.conserved().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_told_what_devices_take_and_the_name_of_their_key() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B500", sealed_certificate(None)).await;
    let osaka = crate::plant::osaka();
    let said = plant.authority.desk().allotment(&osaka).await.unwrap();
    let told: Vec<_> = said
        .products
        .iter()
        .map(|product| (product.product.as_str(), product.credentials.0, product.key_identifier.as_ref()))
        .collect();
    let plain = CredentialProfile::PLAIN_CERTIFICATE;
    let sealed = ("B500", sealed_certificate(None), Some(key.identifier()));
    assert_eq!(told, [("3012", plain, None), ("A123", plain, None), sealed]);
}
