//! Certificates whose time has come: their devices are asked without anybody's doing, and no more than they must be.

use identity::CredentialState::{Leased, Verified, Voided};
use message::call::{Call, CallAnswer, Command, Event, Outcome, RequestResult};
use store::testing::on_both;

use crate::plant::{DAY, Plant, START, person};

/// The requests of an answer that ask for a new certificate.
fn renewals(answer: &CallAnswer) -> Vec<u64> {
    let asked = answer.requests.iter().filter(|asked| asked.command == Command::RenewCertificate);
    asked.map(|asked| asked.request).collect()
}

fn with_result(call: Call, request: u64, outcome: Outcome) -> Call {
    Call { results: vec![RequestResult { request, outcome }], ..call }
}

#[tokio::test]
async fn a_device_is_asked_to_renew_when_its_certificate_is_due_and_once() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.unnamed("3012-000001");
        let poll = |sequence| device.call(1, sequence, Event::Poll);
        let from = START + 10 * DAY;
        plant.name_with_end(&device, Verified, from).await;
        let lasting = plant.device("3012-000002").await;

        plant.clock.advance(10 * DAY - 1);
        assert_eq!(renewals(&plant.call(&device, &poll(1)).await.unwrap()), [0; 0], "a second early");
        plant.clock.advance(1);
        let asked = renewals(&plant.call(&device, &poll(2)).await.unwrap());
        assert_eq!(asked.len(), 1);
        plant.restart().await;
        plant.clock.advance(3 * DAY);
        let total = device.total(1, 3, 100);
        assert_eq!(renewals(&plant.call(&device, &total).await.unwrap()), asked, "it is open still, and one");
        assert_eq!(plant.call(&lasting, &lasting.call(1, 1, Event::Poll)).await.unwrap().requests, []);

        // The device has renewed it, and shows the new one.
        let renewed = plant.unnamed("3012-000001");
        plant.name_with_end(&renewed, Leased, from + 30 * DAY).await;
        plant.name_with_end(&device, Voided, from).await;
        plant.name_with_end(&renewed, Verified, from + 30 * DAY).await;
        let done = with_result(poll(4), asked[0], Outcome::Done);
        assert_eq!(plant.call(&renewed, &done).await.unwrap().requests, []);
        assert_eq!(plant.call(&renewed, &poll(5)).await.unwrap().requests, []);
        plant.clock.advance(27 * DAY);
        let again = renewals(&plant.call(&renewed, &poll(6)).await.unwrap());
        assert!(again.len() == 1 && again != asked, "and the new one when its time has come");
        let listed = plant.desk().requests(Some(&device.number), 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(plant.billed(&device).await, 100);
    })
    .await;
}

#[tokio::test]
async fn a_device_that_could_not_renew_is_asked_again_the_next_day_and_nobody_asks_twice() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.unnamed("3012-000001");
        plant.name_with_end(&device, Verified, START - DAY).await;
        let poll = |sequence| device.call(1, sequence, Event::Poll);
        let by_hand =
            plant.desk().request(device.number.clone(), Command::RenewCertificate, &person()).await.unwrap();
        assert_eq!(renewals(&plant.call(&device, &poll(1)).await.unwrap()), [by_hand]);
        let failed = Outcome::Failed { reason: "no way to the authority".parse().unwrap() };
        let by_policy = plant.call(&device, &with_result(poll(2), by_hand, failed.clone())).await.unwrap();
        let [by_policy] = renewals(&by_policy)[..] else { panic!("{by_policy:?}") };
        let failed = with_result(poll(3), by_policy, failed);
        assert_eq!(plant.call(&device, &failed).await.unwrap().requests, []);
        plant.clock.advance(DAY - 1);
        assert_eq!(plant.call(&device, &poll(4)).await.unwrap().requests, []);
        plant.clock.advance(1);
        assert_eq!(renewals(&plant.call(&device, &poll(5)).await.unwrap()).len(), 1);
    })
    .await;
}
