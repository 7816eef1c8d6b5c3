//! Badges, and scrapping a device at the word of two operators.

use identity::{HardwareUid, MemberName};
use message::operator::{BadgeCode, ScrapId, ScrapRequest};
use message::problem::ProblemCode;
use store::testing::on_both;

use crate::device::TestDevice;
use crate::plant::{Factory, code, number, person, station_name};

fn name(text: &str) -> MemberName {
    text.parse().unwrap()
}

/// A request for 3012-123456 in the device with this chip.
fn request(name: u8, chip: &HardwareUid, first: &BadgeCode, second: &BadgeCode) -> ScrapRequest {
    ScrapRequest {
        scrap: ScrapId::new([name; 16]),
        device_number: number("3012-123456"),
        hardware_uid: chip.clone(),
        first_badge: first.clone(),
        second_badge: second.clone(),
    }
}

#[tokio::test]
async fn two_operators_scrap_the_device_that_has_the_number_and_no_other() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let (desk, station) = (factory.gateway().desk(), station_name(1));
        let sato = desk.make_badge(&name("sato"), &person()).await.unwrap();
        let ito = desk.make_badge(&name("ito"), &person()).await.unwrap();
        let leasing = TestDevice::new(1).request(1, &number("3012-123456"));
        let (chip, other_chip) = (
            leasing.hardware_uid.clone(),
            TestDevice::new(2).request(2, &number("3012-123457")).hardware_uid,
        );

        let good = request(1, &chip, &sato, &ito);
        assert_eq!(code(desk.scrap(&station, &good).await), ProblemCode::NoLease, "no device has it");
        factory.gateway().lease(&station, &leasing).await.unwrap();
        let refused = async |request: ScrapRequest| code(desk.scrap(&station, &request).await);
        assert_eq!(refused(request(1, &other_chip, &sato, &ito)).await, ProblemCode::SecondDevice);
        assert_eq!(refused(request(1, &chip, &sato, &sato)).await, ProblemCode::BadgeRefused);
        let unknown = BadgeCode::new([9; 10]);
        assert_eq!(refused(request(1, &chip, &sato, &unknown)).await, ProblemCode::BadgeRefused);
        assert_eq!(factory.counts("3012").await, [1, 1, 0, 0, 0], "nothing of it changed anything");

        let scrapped = desk.scrap(&station, &good).await.unwrap();
        assert_eq!(scrapped.operators, [name("sato"), name("ito")]);
        assert_eq!(desk.scrap(&station, &good).await.unwrap(), scrapped, "the same again, the same answer");
        assert_eq!(refused(request(1, &chip, &ito, &sato)).await, ProblemCode::Conflict);
        assert_eq!(refused(request(2, &chip, &sato, &ito)).await, ProblemCode::IllegalState);
        assert_eq!(factory.counts("3012").await, [1, 0, 0, 0, 1]);

        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(number("3012-123456")), ["stocked", "voided"]);
    })
    .await;
}

#[tokio::test]
async fn a_badge_is_good_until_it_is_replaced_or_withdrawn() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 1).await;
        let desk = factory.gateway().desk();
        let told = async || {
            let operators = desk.badges().await.unwrap().operators;
            operators.into_iter().map(|one| (one.name.to_string(), one.badge_sha256)).collect::<Vec<_>>()
        };
        let first = desk.make_badge(&name("sato"), &person()).await.unwrap();
        let before = told().await;
        let second = desk.make_badge(&name("sato"), &person()).await.unwrap();
        let after = told().await;
        assert!(first != second && before != after);
        assert_eq!((before.len(), after.len()), (1, 1));
        assert!(!before[0].1.contains(&first.expose()[2..]), "stations hear of no code");

        desk.withdraw_badge(&name("sato"), &person()).await.unwrap();
        assert_eq!(told().await, []);
        assert_eq!(code(desk.withdraw_badge(&name("ito"), &person()).await), ProblemCode::NotFound);
    })
    .await;
}
