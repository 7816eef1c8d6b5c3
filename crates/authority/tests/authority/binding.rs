//! Symmetric credentials and the devices that they are bound to.

use identity::CredentialState::{Stocked, Verified, Voided};
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use identity::{ApparatusId, DeviceNumber};
use message::bytes::Bytes;
use message::issue::{ApparatusPackRequest, NumberedPack, OrderId};
use message::pack::{ApparatusPack, CredentialPack};
use message::problem::ProblemCode;
use message::registration;
use message::report::{Event, Record};
use seal::PreWriteKey;
use store::testing::{TestDatabase, on_both};

use crate::plant::{
    Plant, bound, numbers, opened, outcomes, passphrase, person, proof_of, range, record, sealed_certificate,
    symmetric,
};

const CHIP: &str = "0011223344556677";
const OTHER_CHIP: &str = "8899aabbccddeeff";

/// A factory with credentials of B500 in stock, reported as records 1 and on.
struct Stock {
    plant: Plant,
    key: PreWriteKey,
    packs: Vec<ApparatusPack>,
}

impl Stock {
    async fn new(database: TestDatabase, profile: CredentialProfile, count: u32) -> Self {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B500", profile).await;
        let order = OrderId::new([1; 16]);
        let request = ApparatusPackRequest { order, product: "B500".parse().unwrap(), count };
        let packs = plant.order(request).await.unwrap().packs;
        let records = (1..).zip(&packs).map(|(n, pack)| record(n, &pack.apparatus_id, Event::Stocked));
        assert_eq!(outcomes(&plant.report(records.collect()).await), vec![Ok(Stocked); count as usize]);
        Self { plant, key, packs }
    }

    async fn opened(database: TestDatabase, count: u32) -> Self {
        Self::new(database, symmetric(SymmetricForm::Opened, Sealing::PreWriteKey), count).await
    }

    fn id(&self, pack: usize) -> ApparatusId {
        self.packs[pack].apparatus_id
    }

    /// The record of a device of this number and chip that was given this pack, and opened it.
    fn bound(&self, sequence: u64, pack: usize, number: &str, chip: &str) -> Record {
        let credential = opened(&self.packs[pack], "B500", &self.key);
        record(sequence, &self.id(pack), bound(&self.packs[pack], &credential, number, chip))
    }

    async fn events(&self) -> Vec<registration::Event> {
        let told = self.plant.authority.registrations(0).await.unwrap().records;
        assert!(told.iter().zip(1..).all(|(record, n)| record.sequence == n), "numbered without gaps");
        told.into_iter().map(|record| record.event).collect()
    }
}

fn voided() -> Event {
    Event::Voided { reason: "scrapped".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_bound_to_the_credential_that_it_holds_and_authenticators_hear_of_it() {
    on_both(async |database| {
        let stock = Stock::opened(database, 3).await;
        let bound = stock.bound(4, 1, "B500-123456", CHIP);
        assert_eq!(outcomes(&stock.plant.report(vec![bound.clone()]).await), [Ok(Verified)]);
        assert_eq!(outcomes(&stock.plant.report(vec![bound]).await), [Ok(Verified)], "asked again");
        let again = stock.bound(5, 1, "B500-123456", CHIP);
        assert_eq!(outcomes(&stock.plant.report(vec![again]).await), [Ok(Verified)], "proved again");

        let events = stock.events().await;
        let credential = opened(&stock.packs[1], "B500", &stock.key);
        let expected = registration::Event::Registered {
            apparatus_id: stock.id(1),
            pass_phrase: message::bytes::SecretBytes::new(credential.pass_phrase.expose().to_vec()),
            device_number: "B500-123456".parse().unwrap(),
        };
        assert!(events == [expected], "told once");
        assert!(stock.plant.authority.registrations(1).await.unwrap().records.is_empty());
        let expected = [("stocked".to_owned(), 2), ("verified".to_owned(), 1)];
        assert_eq!(stock.plant.conserved().await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_does_not_hold_changes_nothing() {
    on_both(async |database| {
        let stock = Stock::opened(database, 2).await;
        let honest = stock.bound(9, 0, "B500-123456", CHIP);
        // What a factory can think of that has not the pass phrase in its hands.
        let Event::Bound { station, device_number, hardware_uid, confirmation } = honest.event.clone() else {
            panic!("not a binding");
        };
        let claim = |number: &DeviceNumber, chip: &str, confirmation: Bytes| Event::Bound {
            station: station.clone(),
            device_number: number.clone(),
            hardware_uid: chip.parse().unwrap(),
            confirmation,
        };
        let other_number = "B500-123457".parse().unwrap();
        let short = Bytes(confirmation.0[..31].to_vec());
        let station_value = stock.packs[0].confirmation.clone();
        let of_another = opened(&stock.packs[1], "B500", &stock.key);
        let claims = [
            claim(&other_number, CHIP, confirmation.clone()),
            claim(&device_number, OTHER_CHIP, confirmation.clone()),
            claim(&device_number, &hardware_uid.to_string(), station_value),
            claim(&device_number, CHIP, short),
            claim(&device_number, CHIP, Bytes(vec![0; 32])),
            bound(&stock.packs[0], &of_another, "B500-123456", CHIP),
        ];
        let claims: Vec<Record> =
            (3..).zip(claims).map(|(n, claim)| record(n, &stock.id(0), claim)).collect();
        let refused = [Err(ProblemCode::ProofFailed); 6];
        assert_eq!(outcomes(&stock.plant.report(claims.clone()).await), refused);
        assert!(stock.events().await.is_empty());
        assert_eq!(outcomes(&stock.plant.report(vec![honest]).await), [Ok(Verified)]);
        let expected = [("stocked".to_owned(), 1), ("verified".to_owned(), 1)];
        assert_eq!(outcomes(&stock.plant.report(claims).await), refused, "nor once it is bound");
        assert_eq!(stock.plant.conserved().await, expected);
        assert_eq!(stock.events().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_brings_both_into_dispute_for_good() {
    on_both(async |database| {
        let stock = Stock::opened(database, 2).await;
        let first = stock.bound(3, 0, "B500-123456", CHIP);
        let second = stock.bound(4, 0, "B500-123457", OTHER_CHIP);
        let answers = stock.plant.report(vec![first, second.clone()]).await;
        assert_eq!(outcomes(&answers), [Ok(Verified), Err(ProblemCode::SecondDevice)]);
        let events = stock.events().await;
        assert!(
            matches!(&events[..], [
                registration::Event::Revoked { apparatus_id: one, .. },
                registration::Event::Revoked { apparatus_id: other, .. },
            ] if *one == stock.id(0) && one == other),
            "whoever comes late is told no pass phrase"
        );
        // Neither of them is believed any more, nor is a third.
        let late = vec![
            second,
            stock.bound(5, 0, "B500-123456", CHIP),
            stock.bound(6, 0, "B500-123458", "0000000000000001"),
        ];
        assert_eq!(outcomes(&stock.plant.report(late).await), [Err(ProblemCode::SecondDevice); 3]);
        assert_eq!(stock.events().await.len(), 2);
        let expected = [("stocked".to_owned(), 1), ("suspect".to_owned(), 1)];
        assert_eq!(stock.plant.conserved().await, expected);
        // The honest owner of the number takes another credential; the disputed one is scrapped.
        let other = vec![stock.bound(7, 1, "B500-123456", CHIP), record(8, &stock.id(0), voided())];
        assert_eq!(outcomes(&stock.plant.report(other).await), [Ok(Verified), Ok(Voided)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_number_on_another_chip_is_a_second_device() {
    let stock = Stock::opened(TestDatabase::sqlite(), 1).await;
    let two = vec![stock.bound(2, 0, "B500-123456", CHIP), stock.bound(3, 0, "B500-123456", OTHER_CHIP)];
    assert_eq!(outcomes(&stock.plant.report(two).await), [Ok(Verified), Err(ProblemCode::SecondDevice)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_one_credential_and_a_number_of_its_factory_and_product() {
    on_both(async |database| {
        let stock = Stock::opened(database, 6).await;
        assert_eq!(
            outcomes(&stock.plant.report(vec![stock.bound(7, 0, "B500-123456", CHIP)]).await),
            [Ok(Verified)]
        );
        let records = vec![
            stock.bound(8, 1, "B500-123456", CHIP),
            stock.bound(9, 2, "B500-123456", OTHER_CHIP),
            stock.bound(10, 3, "B500-123457", CHIP),
            stock.bound(11, 4, "B500-122999", OTHER_CHIP),
            stock.bound(12, 5, "3012-123456", OTHER_CHIP),
            record(13, &ApparatusId::new([9; 16]), Event::Stocked),
        ];
        let expected = [
            Err(ProblemCode::DeviceHoldsAnother),
            Err(ProblemCode::SecondDevice),
            Err(ProblemCode::DeviceHoldsAnother),
            Err(ProblemCode::OutOfRange),
            Err(ProblemCode::WrongProduct),
            Err(ProblemCode::NotAllowed),
        ];
        assert_eq!(outcomes(&stock.plant.report(records).await), expected);
        // Free again once the first is void; then the authenticators are told.
        let next = vec![record(14, &stock.id(0), voided()), stock.bound(15, 1, "B500-123456", CHIP)];
        assert_eq!(outcomes(&stock.plant.report(next).await), [Ok(Voided), Ok(Verified)]);
        let revived = stock.bound(16, 0, "B500-123456", CHIP);
        assert_eq!(outcomes(&stock.plant.report(vec![revived]).await), [Err(ProblemCode::IllegalState)]);
        let kinds: Vec<bool> = stock
            .events()
            .await
            .iter()
            .map(|event| matches!(event, registration::Event::Revoked { .. }))
            .collect();
        assert_eq!(kinds, [true, true, false]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_factory_cannot_speak_for_these_credentials_nor_bring_others_into_doubt() {
    let stock = Stock::opened(TestDatabase::sqlite(), 1).await;
    let plant = &stock.plant;
    let kyoto = "kyoto".parse().unwrap();
    let desk = plant.authority.desk();
    desk.add_factory(&kyoto, &person()).await.unwrap();
    let report = message::report::Report { records: vec![stock.bound(1, 0, "B500-123456", CHIP)] };
    let answers = plant.authority.report(&kyoto, report).await.unwrap().records;
    assert_eq!(outcomes(&answers), [Err(ProblemCode::NotAllowed)]);

    // Osaka holds a pass phrase in its hands, and claims with it that Kyoto's device is a copy.
    plant.set_product("B900", CredentialProfile::PLAIN_CERTIFICATE).await;
    let (product, serials) = ("B900".parse().unwrap(), Some(range("000001", "000009")));
    desk.allot(&kyoto, &product, Some(9), serials, &person()).await.unwrap();
    let order = message::issue::CertificateTransmissionRequest { device_numbers: numbers("B900", 1..2) };
    plant.authority.issue(&kyoto, order).await.unwrap();
    let victim = &numbers("B900", 1..2)[0];
    let stocked = message::report::Report { records: vec![record(2, victim, Event::Stocked)] };
    plant.authority.report(&kyoto, stocked).await.unwrap();
    let claim =
        vec![stock.bound(2, 0, "B500-123456", CHIP), stock.bound(3, 0, &victim.to_string(), OTHER_CHIP)];
    assert_eq!(outcomes(&plant.report(claim).await), [Ok(Verified), Err(ProblemCode::SecondDevice)]);
    let expected = [("stocked".to_owned(), 1), ("suspect".to_owned(), 1)];
    assert_eq!(plant.conserved().await, expected, "Kyoto's certificate is what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_devices_keep_sealed_is_told_with_its_key_before_it() {
    on_both(async |database| {
        let profile = symmetric(SymmetricForm::Sealed, Sealing::PreWriteKey);
        let stock = Stock::new(database, profile, 3).await;
        let records =
            vec![stock.bound(4, 0, "B500-123456", CHIP), stock.bound(5, 1, "B500-123457", OTHER_CHIP)];
        assert_eq!(outcomes(&stock.plant.report(records).await), [Ok(Verified), Ok(Verified)]);
        let events = stock.events().await;
        let [key, one, other] = &events[..] else { panic!("{} events", events.len()) };
        let registration::Event::PreWriteKey { key_identifier, key } = key else { panic!("no key") };
        assert_eq!(key_identifier, stock.key.identifier());
        assert_eq!(key.expose(), stock.key.expose());
        for (event, pack) in [(one, 0), (other, 1)] {
            let registration::Event::RegisteredSealed { apparatus_id, sealed, hardware_uid, .. } = event
            else {
                panic!("not told sealed");
            };
            assert_eq!((*apparatus_id, sealed), (stock.id(pack), &stock.packs[pack].sealed));
            assert_eq!(*hardware_uid, None, "any device of the product could open it");
        }

        // The key stays as long as a device keeps its pass phrase under it.
        let desk = stock.plant.authority.desk();
        let product = "B500".parse().unwrap();
        desk.rotate_pre_write_key(&product, passphrase(), &person()).await.unwrap();
        let retire = async || desk.retire_pre_write_key(stock.key.identifier(), &person()).await;
        let refusal = retire().await.err().map(|error| error.problem().code);
        assert_eq!(refusal, Some(ProblemCode::Conflict));
        let all = (6..).zip(0..3).map(|(n, pack)| record(n, &stock.id(pack), voided())).collect();
        assert_eq!(outcomes(&stock.plant.report(all).await), [Ok(Voided); 3]);
        retire().await.unwrap();
        let events = stock.events().await;
        assert_eq!(events.len(), 5);
        assert!(
            events.iter().all(|event| matches!(event, registration::Event::Revoked { .. })),
            "every number is told, and no secret"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_credentials_of_a_device_are_proved_in_one_write_and_doubted_together() {
    on_both(async |database| {
        let stock = Stock::new(database, sealed_certificate(Some(SymmetricForm::Opened)), 3).await;
        let plant = &stock.plant;
        let asked = numbers("B500", 123_000..123_003);
        let packs = plant.issue(&asked).await.unwrap().packs;
        let stocked = (4..).zip(&asked).map(|(n, number)| record(n, number, Event::Stocked)).collect();
        assert_eq!(outcomes(&plant.report(stocked).await), [Ok(Stocked); 3]);
        // A device of this chip is given a certificate and, of the stock, any symmetric credential.
        let written = |numbered: &NumberedPack, apparatus: usize, chip: &str| {
            let pack = CredentialPack {
                certificate: Some(numbered.pack.clone()),
                apparatus: Some(stock.packs[apparatus].clone()),
            };
            let proof = proof_of(&numbered.device_number, &pack, &stock.key, chip);
            Event::Verified { station: "line-1".parse().unwrap(), proof }
        };
        let number = |device: usize| asked[device].to_string();
        let records = vec![
            record(10, &asked[0], written(&packs[0], 0, CHIP)),
            stock.bound(11, 0, &number(0), CHIP),
            stock.bound(12, 1, &number(1), OTHER_CHIP),
            record(13, &asked[1], written(&packs[1], 1, OTHER_CHIP)),
            record(14, &asked[0], written(&packs[0], 0, CHIP)),
            record(15, &asked[2], written(&packs[2], 2, CHIP)),
        ];
        let expected = [
            Ok(Verified),
            Ok(Verified),
            Ok(Verified),
            Ok(Verified),
            Ok(Verified),
            Err(ProblemCode::DeviceHoldsAnother),
        ];
        assert_eq!(outcomes(&plant.report(records).await), expected);
        let again = vec![record(16, &asked[1], written(&packs[1], 1, OTHER_CHIP))];
        assert_eq!(outcomes(&plant.report(again).await), [Ok(Verified)], "also once the key is erased");
        let other_beside = vec![record(17, &asked[1], written(&packs[1], 2, OTHER_CHIP))];
        assert_eq!(outcomes(&plant.report(other_beside).await), [Err(ProblemCode::ProofFailed)]);

        // The second device's word on the first one's pass phrase: both certificates are suspect as well.
        let second = stock.bound(18, 0, &number(1), OTHER_CHIP);
        assert_eq!(outcomes(&plant.report(vec![second]).await), [Err(ProblemCode::SecondDevice)]);
        let expected = [("stocked".to_owned(), 2), ("suspect".to_owned(), 3), ("verified".to_owned(), 1)];
        assert_eq!(plant.conserved().await, expected);
        let back = vec![record(19, &asked[0], written(&packs[0], 0, CHIP))];
        assert_eq!(outcomes(&plant.report(back).await), [Err(ProblemCode::SecondDevice)], "for good");
    })
    .await;
}
