//! Packs for the one device that stands before a station.

use auth::SymmetricCredential;
use identity::CredentialState::{Leased, Suspect, Verified, Voided};
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use message::bytes::Bytes;
use message::issue::DevicePackRequest;
use message::pack::{CredentialPack, PackKey};
use message::problem::ProblemCode;
use message::registration;
use message::report::Event;
use message::result::Proof;
use seal::{Binding, ChipKey, PreWriteKey, SECRET_BYTES_MAX};
use store::audit;
use store::authority::allotment;
use store::authority::credential::{self, Intent};
use store::testing::{TestDatabase, on_both};

use crate::born::BornKey;
use crate::plant::{
    Plant, bound, code, numbers, opened, osaka, outcomes, passphrase, person, proof_of, record, symmetric,
};

const CHIP: &str = "0011223344556677";
const OTHER_CHIP: &str = "8899aabbccddeeff";

fn request(number: &str, chip: &str) -> DevicePackRequest {
    DevicePackRequest {
        device_number: number.parse().unwrap(),
        hardware_uid: chip.parse().unwrap(),
        key_identifier: None,
        chip_key: None,
        signing_request: None,
    }
}

fn both(sealing: Sealing) -> CredentialProfile {
    let certificate = CredentialProfile::PLAIN_CERTIFICATE.certificate();
    CredentialProfile::new(certificate, Some(SymmetricForm::Opened), sealing).unwrap()
}

fn born(algorithm: KeyAlgorithm) -> CredentialProfile {
    let certificate = CertificateProfile { algorithm, origin: KeyOrigin::Device };
    CredentialProfile::new(Some(certificate), None, Sealing::Plain).unwrap()
}

impl Plant {
    async fn made(&self, request: &DevicePackRequest) -> Result<CredentialPack, ProblemCode> {
        let made = self.authority.issue_for_device(&osaka(), request.clone()).await;
        made.map_err(|error| code(&error))
    }
}

/// What the device of this chip, whose pre-write key this is, finds in its pack and answers.
fn events(pack: &CredentialPack, number: &str, chip: &str, key: &PreWriteKey) -> [Event; 2] {
    let own = key.for_chip(&chip.parse().unwrap());
    let apparatus = pack.apparatus.as_ref().unwrap();
    let proof = proof_of(&number.parse().unwrap(), pack, &own, chip);
    [
        Event::Verified { station: "line-1".parse().unwrap(), proof },
        bound(apparatus, &opened(apparatus, "B600", &own), number, chip),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_for_a_chip_opens_there_and_nowhere_else() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let key = plant.sealed_product("B600", both(Sealing::DeviceKey)).await;
        let asked = request("B600-123456", CHIP);
        let pack = plant.made(&asked).await.ok().unwrap();
        plant.restart().await;
        assert!(plant.made(&asked).await == Ok(pack.clone()), "the same again");
        assert_eq!(plant.conserved().await, [("leased".to_owned(), 2)]);

        let apparatus = pack.apparatus.as_ref().unwrap();
        let (product, credential) = ("B600".parse().unwrap(), apparatus.apparatus_id.into());
        let binding = Binding { product: &product, credential: &credential };
        for wrong in [key.for_chip(&OTHER_CHIP.parse().unwrap()), key.for_chip(&"00000000".parse().unwrap())]
        {
            let mut out = [0; SymmetricCredential::BYTES];
            assert!(wrong.open(&binding, &apparatus.sealed.ciphertext.0, &mut out).is_err());
        }
        let [verified, bound] = events(&pack, "B600-123456", CHIP, &key);
        let records =
            vec![record(1, &asked.device_number, verified), record(2, &apparatus.apparatus_id, bound)];
        assert_eq!(outcomes(&plant.report(records).await), [Ok(Verified), Ok(Verified)]);
        let told = plant.authority.registrations(0).await.unwrap().records;
        assert!(matches!(told[0].event, registration::Event::Registered { .. }) && told.len() == 1);
        assert_eq!(plant.made(&asked).await.err(), Some(ProblemCode::AlreadyMade), "its key is erased");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_or_a_chip_that_is_anothers_gets_nothing() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B600", both(Sealing::DeviceKey)).await;
        let first = request("B600-123456", CHIP);
        let pack = plant.made(&first).await.ok().unwrap();
        assert_eq!(
            plant.made(&request("B600-123456", OTHER_CHIP)).await.err(),
            Some(ProblemCode::SecondDevice)
        );
        let [verified, bound] = events(&pack, "B600-123456", CHIP, &key);
        let records = vec![
            record(1, &first.device_number, verified),
            record(2, &pack.apparatus.as_ref().unwrap().apparatus_id, bound),
        ];
        plant.report(records).await;
        let of_another = plant.made(&request("B600-123457", CHIP)).await;
        assert_eq!(of_another.err(), Some(ProblemCode::DeviceHoldsAnother));
        for (number, expected) in [
            ("9999-123456", ProblemCode::UnknownProduct),
            ("3012-123456", ProblemCode::NotAllowed),
            ("3013-123456", ProblemCode::NotAllowed),
            ("B600-122999", ProblemCode::OutOfRange),
        ] {
            assert_eq!(plant.made(&request(number, OTHER_CHIP)).await.err(), Some(expected), "{number}");
        }
        let mut unknown_key = request("B600-123458", OTHER_CHIP);
        unknown_key.key_identifier = Some("B600-9".parse().unwrap());
        assert_eq!(plant.made(&unknown_key).await.err(), Some(ProblemCode::NoPreWriteKey));
        plant.allot("B600", Some(1), None).await.unwrap();
        assert_eq!(plant.made(&request("B600-123458", OTHER_CHIP)).await.err(), Some(ProblemCode::OverQuota));
        assert_eq!(plant.conserved().await, [("verified".to_owned(), 2)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_with_a_key_that_was_replaced_is_sealed_for_until_it_is_retired() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let old = plant.sealed_product("B600", both(Sealing::DeviceKey)).await;
    let (desk, product) = (plant.authority.desk(), "B600".parse().unwrap());
    let next = desk.rotate_pre_write_key(&product, passphrase(), &person()).await.unwrap();
    let mut with_old = request("B600-123456", CHIP);
    with_old.key_identifier = Some(old.identifier().clone());
    let pack = plant.made(&with_old).await.ok().unwrap();
    events(&pack, "B600-123456", CHIP, &old);
    let without = plant.made(&request("B600-123457", OTHER_CHIP)).await.ok().unwrap();
    events(&without, "B600-123457", OTHER_CHIP, &plant.exported(&next.identifier).await);
    desk.retire_pre_write_key(old.identifier(), &person()).await.unwrap();
    with_old.device_number = "B600-123458".parse().unwrap();
    with_old.hardware_uid = "0000000000000001".parse().unwrap();
    assert_eq!(plant.made(&with_old).await.err(), Some(ProblemCode::NoPreWriteKey));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_form_under_a_chips_key_is_told_with_the_chip() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B600", symmetric(SymmetricForm::Sealed, Sealing::DeviceKey)).await;
    let pack = plant.made(&request("B600-123456", CHIP)).await.ok().unwrap();
    assert!(pack.certificate.is_none());
    let apparatus = pack.apparatus.as_ref().unwrap();
    let credential = opened(apparatus, "B600", &key.for_chip(&CHIP.parse().unwrap()));
    let word = bound(apparatus, &credential, "B600-123456", CHIP);
    let answers = plant.report(vec![record(1, &apparatus.apparatus_id, word)]).await;
    assert_eq!(outcomes(&answers), [Ok(Verified)]);
    let told = plant.authority.registrations(0).await.unwrap().records;
    assert!(matches!(&told[0].event, registration::Event::PreWriteKey { .. }));
    assert!(matches!(
        &told[1].event,
        registration::Event::RegisteredSealed { hardware_uid: Some(chip), .. } if chip.to_string() == CHIP
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_to_a_chips_own_key_opens_with_it() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.set_product("B700", both(Sealing::ChipKey)).await;
        plant.allot("B700", Some(10), Some(("123000", "123999"))).await.unwrap();
        let chip_key = ChipKey::new(&[7; 32]).unwrap();
        let mut asked = request("B700-123456", CHIP);
        assert_eq!(plant.made(&asked).await.err(), Some(ProblemCode::MalformedRequest), "no key came");
        asked.chip_key = Some(Bytes(vec![4; 65]));
        assert_eq!(plant.made(&asked).await.err(), Some(ProblemCode::MalformedRequest), "not on the curve");
        asked.chip_key = Some(Bytes(chip_key.public_key().to_bytes().to_vec()));
        let pack = plant.made(&asked).await.ok().unwrap();
        assert!(plant.made(&asked).await == Ok(pack.clone()), "the same again");

        let (number, product) = (&asked.device_number, asked.device_number.product());
        let mut out = [0; SECRET_BYTES_MAX];
        let apparatus = pack.apparatus.unwrap();
        let binding = Binding { product, credential: &apparatus.apparatus_id.into() };
        let opened = chip_key.open(&binding, &apparatus.sealed.ciphertext.0, &mut out).unwrap();
        let credential = SymmetricCredential::from_bytes(&opened).unwrap();
        assert_eq!(credential.apparatus_id, apparatus.apparatus_id);
        drop(opened);
        let PackKey::Sealed(sealed) = pack.certificate.unwrap().key else { panic!("not sealed") };
        assert_eq!(sealed.key_identifier, None);
        let binding = Binding { product, credential: &number.clone().into() };
        chip_key.open(&binding, &sealed.ciphertext.0, &mut out).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_a_key_of_its_own_gets_its_certificate() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        for (product, algorithm) in [("B800", KeyAlgorithm::P256), ("B900", KeyAlgorithm::P384)] {
            plant.set_product(product, born(algorithm)).await;
            plant.allot(product, Some(10), Some(("123000", "123999"))).await.unwrap();
            let key = BornKey::new(algorithm);
            let chip = format!("{product}00112233").to_lowercase();
            let mut asked = request(&format!("{product}-123456"), &chip);
            assert_eq!(plant.made(&asked).await.err(), Some(ProblemCode::MalformedRequest), "no request");
            asked.signing_request = Some(key.request.clone());
            let pack = plant.made(&asked).await.ok().unwrap();
            let certificate = pack.certificate.as_ref().unwrap();
            assert!(certificate.key == PackKey::DeviceOwn);
            assert!(key.is_certified_by(&certificate.client_certificate));
            assert!(plant.made(&asked).await == Ok(pack.clone()), "the same again");

            let mut other = asked.clone();
            other.signing_request = Some(BornKey::new(algorithm).request);
            assert_eq!(plant.made(&other).await.err(), Some(ProblemCode::Conflict), "for another key");
            let proof = key.proof(&asked.device_number, &pack, &chip);
            let verified = Event::Verified { station: "line-1".parse().unwrap(), proof };
            let sequence = if product == "B800" { 1 } else { 2 };
            let answers = plant.report(vec![record(sequence, &asked.device_number, verified)]).await;
            assert_eq!(outcomes(&answers), [Ok(Verified)]);
        }
        let other_curve = BornKey::new(KeyAlgorithm::P384);
        let mut asked = request("B800-123457", OTHER_CHIP);
        for wrong in [other_curve.request, Bytes(vec![0x30, 0])] {
            asked.signing_request = Some(wrong);
            assert_eq!(plant.made(&asked).await.err(), Some(ProblemCode::MalformedRequest));
        }
    })
    .await;
}

/// The device has no other key to ask with than the one that it made.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_certificate_was_interrupted_may_ask_again() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        plant.set_product("B800", born(KeyAlgorithm::P256)).await;
        plant.allot("B800", Some(3), Some(("123000", "123999"))).await.unwrap();
        for (serial, restarts) in [(123_456, false), (123_457, true)] {
            let key = BornKey::new(KeyAlgorithm::P256);
            let number = format!("B800-{serial}");
            leave_intent(&plant, &number, &key).await;
            if restarts {
                plant.restart().await;
            }
            let mut asked = request(&number, &format!("{serial:016}"));
            asked.signing_request = Some(key.request.clone());
            let pack = plant.made(&asked).await.unwrap_or_else(|refused| panic!("{number}: {refused}"));
            assert!(key.is_certified_by(&pack.certificate.unwrap().client_certificate));
        }
        let key = BornKey::new(KeyAlgorithm::P256);
        leave_intent(&plant, "B800-123458", &key).await;
        let answers = plant.report(vec![key_born(1, "B800-123458", CHIP, &key)]).await;
        assert_eq!(outcomes(&answers), [Ok(Verified)], "also one that is reported later");
        assert_eq!(plant.conserved().await, [("leased".to_owned(), 2), ("verified".to_owned(), 1)]);
    })
    .await;
}

/// What a process leaves that ends between the intent for a device's key and the signature.
async fn leave_intent(plant: &Plant, number: &str, key: &BornKey) {
    let request = pki::SigningRequest::verify(&key.request.0).unwrap();
    let intent = Intent {
        number: number.parse().unwrap(),
        certificate_serial: number.as_bytes().repeat(2)[..20].to_vec(),
        public_key_sha256: request.public_key_sha256().as_bytes().to_vec(),
    };
    let left: Result<(), store::StoreError> = plant
        .store
        .write(move |transaction| {
            Box::pin(async move {
                let cause = audit::Cause { time: 1, actor: "tester", action: "credential.intend" };
                allotment::count_issued(transaction, &osaka(), intent.number.product(), 1).await?;
                credential::intend(transaction, cause, &osaka(), &[intent]).await
            })
        })
        .await;
    left.unwrap();
}

/// The record of a device that made its key while the gateway was alone, and was given its number only.
fn key_born(sequence: u64, number: &str, chip: &str, key: &BornKey) -> message::report::Record {
    let number: identity::DeviceNumber = number.parse().unwrap();
    let proof = key.proof(&number, &CredentialPack::default(), chip);
    let (station, signing_request) = ("line-1".parse().unwrap(), key.request.clone());
    record(sequence, &number, Event::KeyBorn { station, signing_request, proof })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_born_while_nobody_could_ask_is_certified_when_it_is_reported() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.set_product("B800", born(KeyAlgorithm::P256)).await;
        plant.allot("B800", Some(2), Some(("123000", "123999"))).await.unwrap();
        let (key, other) = (BornKey::new(KeyAlgorithm::P256), BornKey::new(KeyAlgorithm::P256));
        let good = key_born(1, "B800-123456", CHIP, &key);
        let answers = plant.report(vec![good.clone()]).await;
        assert_eq!(outcomes(&answers), [Ok(Verified)]);
        assert_eq!(outcomes(&plant.report(vec![good]).await), [Ok(Verified)], "asked again");
        let again = key_born(2, "B800-123456", CHIP, &key);
        assert_eq!(outcomes(&plant.report(vec![again]).await), [Ok(Verified)], "proved again");

        // Proofs that do not hold make nothing: of another chip, another challenge, another pack, another key.
        let changed = |change: fn(&mut Proof)| {
            let mut record = key_born(3, "B800-123457", OTHER_CHIP, &other);
            if let Event::KeyBorn { proof, .. } = &mut record.event {
                change(proof);
            }
            record
        };
        let other_request = {
            let mut record = key_born(3, "B800-123457", OTHER_CHIP, &other);
            if let Event::KeyBorn { signing_request, .. } = &mut record.event {
                *signing_request = key.request.clone();
            }
            record
        };
        for wrong in [
            changed(|proof| proof.hardware_uid = "0000000000000001".parse().unwrap()),
            changed(|proof| proof.challenge.0[0] ^= 1),
            changed(|proof| proof.pack_digest.0[0] ^= 1),
            changed(|proof| proof.signature = None),
            other_request,
        ] {
            assert_eq!(outcomes(&plant.report(vec![wrong]).await), [Err(ProblemCode::ProofFailed)]);
        }
        assert_eq!(plant.conserved().await, [("verified".to_owned(), 1)]);

        let refused = vec![
            key_born(3, "B800-123456", OTHER_CHIP, &other),
            key_born(4, "B800-123456", CHIP, &other),
            key_born(5, "B800-123457", CHIP, &other),
            key_born(6, "B800-122999", OTHER_CHIP, &other),
            key_born(7, "3012-123456", OTHER_CHIP, &other),
            key_born(8, "B800-123458", OTHER_CHIP, &other),
            key_born(9, "B800-123459", "0000000000000001", &BornKey::new(KeyAlgorithm::P256)),
        ];
        let expected = [
            Err(ProblemCode::SecondDevice),
            Err(ProblemCode::Conflict),
            Err(ProblemCode::DeviceHoldsAnother),
            Err(ProblemCode::OutOfRange),
            Err(ProblemCode::NotAllowed),
            Ok(Verified),
            Err(ProblemCode::OverQuota),
        ];
        assert_eq!(outcomes(&plant.report(refused).await), expected);
        assert_eq!(plant.conserved().await, [("verified".to_owned(), 2)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_device_collects_the_certificate_that_it_is_owed() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.set_product("B800", born(KeyAlgorithm::P256)).await;
        plant.allot("B800", Some(5), Some(("123000", "123999"))).await.unwrap();
        let issued = plant.issue(&numbers("3012", 123_000..123_001)).await.unwrap();
        let key = BornKey::new(KeyAlgorithm::P256);
        let number = "B800-123456".parse().unwrap();
        let channel = [5; 32];
        let asked = key.collection(&number, &channel);
        let early = plant.authority.collect(&asked, &channel).await;
        assert_eq!(early.err().map(|error| code(&error)), Some(ProblemCode::NotAllowed));
        plant.report(vec![key_born(1, "B800-123456", CHIP, &key)]).await;
        let pack = plant.authority.collect(&asked, &channel).await.ok().unwrap();
        let certificate = &pack.certificate.as_ref().unwrap().client_certificate;
        assert!(key.is_certified_by(certificate));
        assert!(plant.authority.collect(&asked, &channel).await.is_ok(), "as often as it likes");

        let with = |number: &str| {
            let mut asked = key.collection(&number.parse().unwrap(), &channel);
            asked.device_number = number.parse().unwrap();
            asked
        };
        let mut cut = asked.clone();
        cut.signature.0.pop();
        let other = BornKey::new(KeyAlgorithm::P256).collection(&number, &channel);
        let mut words = std::collections::BTreeSet::new();
        let plain = issued.packs[0].device_number.to_string();
        for (asked, channel) in [
            (asked.clone(), [6; 32]),
            (other, channel),
            (cut, channel),
            (with("B800-123457"), channel),
            (with("9999-999999"), channel),
            (with(&plain), channel),
        ] {
            let problem = plant.authority.collect(&asked, &channel).await.err().unwrap().problem();
            words.insert(serde_json::to_string(&problem).unwrap());
        }
        assert_eq!(words.len(), 1, "every refusal is alike: {words:?}");
        let void = "B800-123456".parse().unwrap();
        plant.authority.desk().void(&void, "stolen", &person()).await.unwrap();
        assert!(plant.authority.collect(&asked, &channel).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_withdraws_either_kind_of_credential_for_good() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B600", both(Sealing::DeviceKey)).await;
        let pack = plant.made(&request("B600-123456", CHIP)).await.ok().unwrap();
        let id = pack.apparatus.as_ref().unwrap().apparatus_id;
        let number: identity::DeviceNumber = "B600-123456".parse().unwrap();
        let [verified, bound] = events(&pack, "B600-123456", CHIP, &key);
        let both = vec![record(1, &number, verified.clone()), record(2, &id, bound.clone())];
        assert_eq!(outcomes(&plant.report(both).await), [Ok(Verified); 2]);
        let void = async |credential: identity::CredentialId| {
            let done = plant.authority.desk().void(&credential, "stolen", &person()).await;
            done.map_err(|error| code(&error))
        };
        assert_eq!(void(id.into()).await, Ok(()));
        assert_eq!(void(number.clone().into()).await, Ok(()));
        assert_eq!(void(id.into()).await, Err(ProblemCode::IllegalState));
        assert_eq!(void(number.clone().into()).await, Err(ProblemCode::IllegalState));
        assert_eq!(void("3012-999999".parse().unwrap()).await, Err(ProblemCode::NotFound));
        assert_eq!(plant.conserved().await, [(Voided.to_string(), 2)]);
        let told = plant.authority.registrations(0).await.unwrap().records;
        let is_revoked = |event: &registration::Event| matches!(event, registration::Event::Revoked { .. });
        assert!(told.len() == 2 && told.iter().all(|record| is_revoked(&record.event)));
        let back = vec![record(3, &number, verified), record(4, &id, bound)];
        assert_eq!(outcomes(&plant.report(back).await), [Err(ProblemCode::IllegalState); 2]);
        assert_eq!(plant.made(&request("B600-123456", CHIP)).await.err(), Some(ProblemCode::AlreadyMade));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_doubts_a_proved_credential_is_believed_for_good() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B600", both(Sealing::DeviceKey)).await;
    let pack = plant.made(&request("B600-123456", CHIP)).await.ok().unwrap();
    let id = pack.apparatus.as_ref().unwrap().apparatus_id;
    let [_, bound] = events(&pack, "B600-123456", CHIP, &key);
    let doubted = Event::Suspect { reason: "a second device stood before a station".to_owned() };
    let records = vec![record(1, &id, bound.clone()), record(2, &id, doubted), record(3, &id, bound)];
    let expected = [Ok(Verified), Ok(Suspect), Err(ProblemCode::SecondDevice)];
    assert_eq!(outcomes(&plant.report(records).await), expected);
    assert_eq!(plant.conserved().await, [(Leased.to_string(), 1), (Suspect.to_string(), 1)]);
}
