//! A day's work: stock, lease, result, and everything that must be refused.

use identity::CredentialState;
use message::bytes::Bytes;
use message::problem::ProblemCode;
use message::result::WriteOutcome;
use store::testing::on_both;

use crate::device::TestDevice;
use crate::plant::{Factory, code, number, person, result, station_name};

#[tokio::test]
async fn the_first_planned_day_is_reserved_fetched_and_reported() {
    on_both(async |database| {
        let factory = Factory::new(database).await;
        factory.import("DEVICE CODE,3/17,3/18\n3012,30,7\n3013,5,5\nA123,12,7\n").await;
        let done = factory.gateway().replenish().await.unwrap();
        assert_eq!((done.stocked, done.refused.len()), (42, 0));
        assert_eq!(factory.counts("3012").await, [30, 0, 0, 0, 0]);
        assert_eq!(factory.counts("A123").await, [12, 0, 0, 0, 0]);
        let issued = factory.authority.issued();
        assert!(issued.contains(&number("3012-123456")) && issued.contains(&number("A123-654332")));

        assert_eq!(factory.gateway().replenish().await.unwrap().stocked, 0, "nothing is missing any more");
        assert_eq!(factory.gateway().drain().await.unwrap().taken, 42);
        assert_eq!(factory.authority.count("stocked"), 42);
        let status = factory.gateway().desk().status().await.unwrap();
        assert_eq!((status.outbox, status.parked.len()), (0, 0));
        let row = &status.products[0];
        assert_eq!((row.product.as_str(), row.planned_ahead), ("3012", 30 + 7 + 6_520));
    })
    .await;
}

#[tokio::test]
async fn a_device_is_leased_its_pack_proves_it_and_the_key_is_forgotten() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 3).await;
        let (station, number) = (station_name(1), number("3012-123457"));
        let mut device = TestDevice::new(1);
        let request = device.request(1, &number);
        let lease = factory.gateway().lease(&station, &request).await.unwrap();
        let again = factory.gateway().lease(&station, &request).await.unwrap();
        assert!(lease == again, "the same attempt gets the same answer");
        assert_eq!(factory.counts("3012").await, [2, 1, 0, 0, 0]);

        let proof = device.write(&number, lease.pack);
        let told = result(1, &number, WriteOutcome::Ok { proof });
        for _ in 0..2 {
            let answer = factory.gateway().result(&station, &told).await.unwrap();
            assert_eq!(answer.state, CredentialState::Verified);
        }
        assert_eq!(factory.counts("3012").await, [2, 0, 1, 0, 0]);
        let status = factory.gateway().desk().status().await.unwrap();
        let first_day = status.days.iter().find(|day| day.product.as_str() == "3012").unwrap();
        assert_eq!((first_day.day.as_str(), first_day.verified), ("2003-03-17", 1));

        let before = factory.data_keys();
        factory.gateway().tick().await.unwrap();
        let after = factory.data_keys();
        let erased = (0..6).filter(|at| before[*at] != after[*at]).collect::<Vec<_>>();
        assert_eq!(erased, [1], "exactly this pack's key is overwritten");
        assert_eq!(after[1], [0; 64]);

        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(number.clone()), ["stocked", "verified"]);
    })
    .await;
}

#[tokio::test]
async fn plates_are_made_for_numbers_that_no_device_has() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let desk = factory.gateway().desk();
        let numbers = async |product: Option<&str>| {
            let product = product.map(|code| code.parse().unwrap());
            let numbers = desk.numbers_without_device(product.as_ref()).await.unwrap();
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (first, second) = ("3012-123456".to_owned(), "3012-123457".to_owned());
        assert_eq!(numbers(Some("3012")).await, [first, second.clone()]);
        assert!(numbers(Some("3013")).await.is_empty());
        assert_eq!(numbers(None).await.len(), 4);

        let leased = TestDevice::new(1).request(1, &number("3012-123456"));
        factory.gateway().lease(&station_name(1), &leased).await.unwrap();
        assert_eq!(numbers(Some("3012")).await, [second]);
    })
    .await;
}

#[tokio::test]
async fn a_device_may_be_tried_again_and_no_other_device_gets_its_pack() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let number = number("3012-123456");
        let (mut device, other) = (TestDevice::new(1), TestDevice::new(2));
        let gateway = factory.gateway();
        let lease = gateway.lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        let refused = gateway.lease(&station_name(1), &other.request(2, &number)).await;
        assert_eq!(code(refused), ProblemCode::SecondDevice);
        let stolen = gateway.lease(&station_name(2), &other.request(1, &number)).await;
        assert_eq!(code(stolen), ProblemCode::Conflict, "an attempt is one station's and one device's");

        let refusal = WriteOutcome::NoGood { reason: "wrong port".into(), untouched: true };
        let answer = gateway.result(&station_name(1), &result(1, &number, refusal)).await.unwrap();
        assert_eq!(answer.state, CredentialState::Leased);
        let again = gateway.lease(&station_name(2), &device.request(3, &number)).await.unwrap();
        assert!(again.pack == lease.pack, "the same device gets the same pack, at any station");

        let doubt = WriteOutcome::NoGood { reason: "line fell silent".into(), untouched: false };
        let answer = gateway.result(&station_name(2), &result(3, &number, doubt.clone())).await.unwrap();
        assert_eq!(answer.state, CredentialState::Suspect);
        let changed = WriteOutcome::NoGood { reason: "line fell silent".into(), untouched: true };
        let contradiction = gateway.result(&station_name(2), &result(3, &number, changed)).await;
        assert_eq!(code(contradiction), ProblemCode::Conflict);
        let ended = gateway.lease(&station_name(2), &device.request(3, &number)).await;
        assert_eq!(code(ended), ProblemCode::IllegalState, "an attempt that ended is over");
        let refused = gateway.lease(&station_name(1), &other.request(4, &number)).await;
        assert_eq!(code(refused), ProblemCode::SecondDevice, "also while it is suspect");

        let lease = gateway.lease(&station_name(1), &device.request(5, &number)).await.unwrap();
        let proof = device.write(&number, lease.pack);
        let told = result(5, &number, WriteOutcome::Ok { proof });
        assert_eq!(gateway.result(&station_name(1), &told).await.unwrap().state, CredentialState::Verified);
        let refused = gateway.lease(&station_name(1), &other.request(6, &number)).await;
        assert_eq!(code(refused), ProblemCode::SecondDevice);
        let refused = gateway.lease(&station_name(1), &device.request(7, &number)).await;
        assert_eq!(code(refused), ProblemCode::AlreadyMade);

        let second_plate = number_after(&number);
        let refused = gateway.lease(&station_name(1), &device.request(8, &second_plate)).await;
        assert_eq!(code(refused), ProblemCode::DeviceHoldsAnother);
        gateway.drain().await.unwrap();
        assert_eq!(factory.authority.events(number.clone()), ["stocked", "suspect", "verified"]);
    })
    .await;
}

fn number_after(number: &identity::DeviceNumber) -> identity::DeviceNumber {
    identity::DeviceNumber::new(number.product().clone(), number.serial().next().unwrap())
}

#[tokio::test]
async fn wrong_scans_are_refused_before_anything_is_released() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 1).await;
        let device = TestDevice::new(1);
        for (scan, product, expected) in [
            ("3012-123999", "3012", ProblemCode::Unplanned),
            ("3012-123456", "A123", ProblemCode::WrongProduct),
            ("3013-123456", "3013", ProblemCode::ProductWithoutCredential),
            ("9999-123456", "9999", ProblemCode::UnknownProduct),
        ] {
            let mut request = device.request(1, &number(scan));
            request.product = product.parse().unwrap();
            let refused = factory.gateway().lease(&station_name(1), &request).await;
            assert_eq!(code(refused), expected, "{scan}");
        }
        assert_eq!(factory.counts("3012").await, [1, 0, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_proof_that_does_not_hold_makes_the_credential_suspect() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 4).await;
        let gateway = factory.gateway();
        for (chip, serial) in (1..).zip(["3012-123456", "3012-123457", "3012-123458", "3012-123459"]) {
            let number = number(serial);
            let mut device = TestDevice::new(chip);
            let attempt = chip as u8;
            let lease = gateway.lease(&station_name(1), &device.request(attempt, &number)).await.unwrap();
            let mut proof = device.write(&number, lease.pack);
            match chip {
                1 => proof.signature.as_mut().unwrap().0[10] ^= 1,
                2 => proof.challenge = Bytes(vec![8; 32]),
                3 => proof.pack_digest.0[0] ^= 1,
                _ => proof.hardware_uid = TestDevice::new(99).hardware_uid,
            }
            let told = result(attempt, &number, WriteOutcome::Ok { proof });
            for _ in 0..2 {
                let refused = gateway.result(&station_name(1), &told).await;
                assert_eq!(code(refused), ProblemCode::ProofFailed, "{chip}");
            }
        }
        assert_eq!(factory.counts("3012").await, [0, 0, 0, 4, 0]);
    })
    .await;
}

#[tokio::test]
async fn results_without_a_lease_are_refused() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let (gateway, number) = (factory.gateway(), number("3012-123456"));
        let device = TestDevice::new(1);
        gateway.lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        let outcome = WriteOutcome::NoGood { reason: "no".into(), untouched: false };
        for (station, attempt, serial) in
            [(1, 2, "3012-123456"), (2, 1, "3012-123456"), (1, 1, "3012-123457"), (1, 1, "3012-999999")]
        {
            let told = result(attempt, &crate::plant::number(serial), outcome.clone());
            let refused = gateway.result(&station_name(station), &told).await;
            assert_eq!(code(refused), ProblemCode::NoLease, "{station} {attempt} {serial}");
        }
        assert_eq!(factory.counts("3012").await, [1, 1, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_voided_credential_is_refused_everywhere_and_its_key_is_gone() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let (gateway, number) = (factory.gateway(), number("3012-123456"));
        let mut device = TestDevice::new(1);
        let lease = gateway.lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        gateway.desk().void(&number.clone().into(), "scrapped", &person()).await.unwrap();
        let again = gateway.desk().void(&number.clone().into(), "scrapped", &person()).await;
        assert_eq!(code(again), ProblemCode::IllegalState);
        let unknown = gateway.desk().void(&crate::plant::number("3012-999999").into(), "x", &person()).await;
        assert_eq!(code(unknown), ProblemCode::Unplanned);

        let proof = device.write(&number, lease.pack);
        let told = result(1, &number, WriteOutcome::Ok { proof });
        assert_eq!(code(gateway.result(&station_name(1), &told).await), ProblemCode::IllegalState);
        let refused = gateway.lease(&station_name(1), &device.request(2, &number)).await;
        assert_eq!(code(refused), ProblemCode::IllegalState);
        gateway.tick().await.unwrap();
        assert_eq!(factory.data_keys()[0], [0; 64]);
        gateway.drain().await.unwrap();
        assert_eq!(factory.authority.events(number.clone()), ["stocked", "voided"]);
        assert_eq!(factory.counts("3012").await, [1, 0, 0, 0, 1]);
    })
    .await;
}

#[tokio::test]
async fn what_the_authority_has_withdrawn_goes_to_nobody_and_is_not_reported() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 4).await;
        let gateway = factory.gateway();
        gateway.drain().await.unwrap();
        let numbers = ["3012-123456", "3012-123457", "3012-123458"].map(number);
        let mut device = TestDevice::new(1);
        let lease = gateway.lease(&station_name(1), &device.request(1, &numbers[0])).await.unwrap();
        for number in &numbers {
            factory.authority.withdraw(number.clone());
        }
        factory.authority.withdraw(number("3012-999999"));
        assert_eq!(gateway.pull_withdrawals().await.unwrap(), 4);
        assert_eq!(gateway.pull_withdrawals().await.unwrap(), 0, "each once");

        let proof = device.write(&numbers[0], lease.pack);
        let told = result(1, &numbers[0], WriteOutcome::Ok { proof });
        assert_eq!(code(gateway.result(&station_name(1), &told).await), ProblemCode::IllegalState);
        let refused = gateway.lease(&station_name(1), &TestDevice::new(2).request(2, &numbers[1])).await;
        assert_eq!(code(refused), ProblemCode::IllegalState);
        gateway.tick().await.unwrap();
        gateway.drain().await.unwrap();
        for number in numbers {
            assert_eq!(factory.authority.events(number), ["stocked"], "the authority knows");
        }
        assert_eq!(factory.counts("3012").await, [1, 0, 0, 0, 3]);
    })
    .await;
}
