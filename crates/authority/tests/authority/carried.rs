//! Requests that an intermediate device carries: who carries them can neither ask nor confirm in the device's name.

use identity::CredentialState::{Verified, Voided};
use identity::DeviceNumber;
use identity::profile::KeyAlgorithm;
use message::bytes::Bytes;
use message::carried::{CarriedAnswer, CarriedAsk, CarriedRequest, carried_message};
use message::pack::CertificatePack;
use message::problem::ProblemCode;
use message::report::Event;
use store::testing::{TestDatabase, on_both};

use crate::born::BornKey;
use crate::plant::{Plant, code, numbers, person, record, secret_key, verified};

/// A device of 3012 that was made: its number, its certificate and its key.
async fn made(plant: &Plant) -> (DeviceNumber, Vec<u8>, Vec<u8>) {
    let number = numbers("3012", 123_000..123_001);
    let pack = plant.issue(&number).await.unwrap().packs.remove(0);
    let records = vec![
        record(1, &number[0], Event::Stocked),
        record(2, &number[0], verified(&pack, "0011223344556677")),
    ];
    plant.report(records).await;
    (number[0].clone(), pack.pack.client_certificate.0.clone(), secret_key(&pack).to_vec())
}

fn request(number: &DeviceNumber, certificate: &[u8], ask: CarriedAsk, signature: Bytes) -> CarriedRequest {
    let key = cert::Certificate::parse(certificate).unwrap().spki_fingerprint();
    let public_key_sha256 = Bytes(key.as_bytes().to_vec());
    CarriedRequest { device_number: number.clone(), public_key_sha256, ask, signature }
}

async fn asked(plant: &Plant, request: &CarriedRequest) -> Result<CarriedAnswer, ProblemCode> {
    plant.authority.answer_carried(request.clone()).await.map_err(|error| code(&error))
}

fn renewal(key: &BornKey) -> CarriedAsk {
    CarriedAsk::Renewal { signing_request: key.request.clone() }
}

fn pack_of(answer: Result<CarriedAnswer, ProblemCode>) -> CertificatePack {
    match answer {
        Ok(CarriedAnswer::Renewal { pack }) => pack.certificate.expect("a certificate is given"),
        Ok(CarriedAnswer::Confirmation { .. }) => panic!("nothing was confirmed"),
        Err(refused) => panic!("{refused}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_device_itself_renews_and_confirms_whoever_carries_it() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let (number, certificate, key) = made(&plant).await;
        let (new, carriers) = (BornKey::new(KeyAlgorithm::P256), BornKey::new(KeyAlgorithm::P256));
        let signed = |ask: &CarriedAsk| sign(&key, &carried_message(&number, ask));
        let good = request(&number, &certificate, renewal(&new), signed(&renewal(&new)));

        // The carrier puts a key of its own into the request, signs itself, or asks for another number.
        let mut others = vec![
            request(&number, &certificate, renewal(&carriers), good.signature.clone()),
            request(&number, &certificate, CarriedAsk::Confirmation, good.signature.clone()),
            request(&number, &certificate, renewal(&carriers), {
                carriers.sign(&carried_message(&number, &renewal(&carriers)))
            }),
        ];
        for other in ["3012-123001", "3012-999999"] {
            others.push(CarriedRequest { device_number: other.parse().unwrap(), ..good.clone() });
        }
        others.push(CarriedRequest { public_key_sha256: Bytes(vec![7; 32]), ..good.clone() });
        for other in &others {
            assert_eq!(asked(&plant, other).await.err(), Some(ProblemCode::ProofFailed));
        }

        let next = pack_of(asked(&plant, &good).await);
        assert!(new.is_certified_by(&next.client_certificate));
        assert!(pack_of(asked(&plant, &good).await) == next, "the same request gets the same answer");
        let unsigned =
            request(&number, &next.client_certificate.0, CarriedAsk::Confirmation, good.signature.clone());
        assert_eq!(asked(&plant, &unsigned).await.err(), Some(ProblemCode::ProofFailed));
        let confirmation = new.sign(&carried_message(&number, &CarriedAsk::Confirmation));
        let confirmation =
            request(&number, &next.client_certificate.0, CarriedAsk::Confirmation, confirmation);
        for _ in 0..2 {
            match asked(&plant, &confirmation).await {
                Ok(CarriedAnswer::Confirmation { standing }) => assert_eq!(standing.state, Verified),
                answer => panic!("{:?}", answer.err()),
            }
        }
        // Repeated later, the request of the key that does not count any more makes nothing.
        assert_eq!(asked(&plant, &good).await.err(), Some(ProblemCode::NotAllowed));
        let chronicle = plant.authority.desk().chronicle(&number).await.unwrap();
        assert_eq!((chronicle.first.state, chronicle.successors.len()), (Voided, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_device_is_carried_nothing() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let (number, certificate, key) = made(&plant).await;
    let new = BornKey::new(KeyAlgorithm::P256);
    let signature = sign(&key, &carried_message(&number, &renewal(&new)));
    plant.authority.desk().void(&number.clone().into(), "stolen", &person()).await.unwrap();
    let asking = request(&number, &certificate, renewal(&new), signature);
    assert_eq!(asked(&plant, &asking).await.err(), Some(ProblemCode::NotAllowed));
}

/// ECDSA by a key that came in a pack.
fn sign(key: &[u8], message: &[u8]) -> Bytes {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).unwrap();
    Bytes(key.sign(&aws_lc_rs::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec())
}
