//! What a device is asked: handed out until it has said what came of it, and done once.

use center::CenterError;
use message::call::{Command, Event, Outcome, Request, RequestResult};
use store::testing::on_both;

use crate::plant::{Device, Plant, counter, person};

async fn ask(plant: &Plant, device: &Device, command: Command) -> u64 {
    plant.desk().request(device.number.clone(), command, &person()).await.unwrap()
}

fn set_total(value: u64) -> Command {
    Command::SetInitialValue { name: "total".parse().unwrap(), value: value.try_into().unwrap() }
}

#[tokio::test]
async fn requests_are_handed_out_until_they_have_a_result() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let (device, other) = (plant.device("3012-000001").await, plant.device("3012-000002").await);
        let first = ask(&plant, &device, Command::ReadCounters).await;
        let second = ask(&plant, &device, Command::RenewCertificate).await;
        assert!(first < second);
        let poll = |sequence| device.call(1, sequence, Event::Poll);
        let expected = [
            Request { request: first, command: Command::ReadCounters },
            Request { request: second, command: Command::RenewCertificate },
        ];

        let answer = plant.call(&device, &poll(1)).await.unwrap();
        assert_eq!(answer.requests, expected);
        plant.restart().await;
        assert_eq!(plant.call(&device, &poll(1)).await.unwrap(), answer, "the same call, the same answer");
        assert_eq!(plant.call(&device, &poll(2)).await.unwrap().requests, expected, "still open");

        // Another device cannot answer for it, nor is it told.
        let mut foreign = other.call(1, 1, Event::Poll);
        foreign.results = vec![RequestResult { request: first, outcome: Outcome::Done }];
        assert_eq!(plant.call(&other, &foreign).await.unwrap().requests, []);

        let mut done = poll(3);
        done.results = vec![RequestResult { request: first, outcome: Outcome::Done }];
        assert_eq!(plant.call(&device, &done).await.unwrap().requests, expected[1..]);
        let mut refused = poll(4);
        let reason = "no room".parse().unwrap();
        refused.results = vec![RequestResult { request: second, outcome: Outcome::Refused { reason } }];
        assert_eq!(plant.call(&device, &refused).await.unwrap().requests, []);

        let listed = plant.desk().requests(Some(&device.number), 10).await.unwrap();
        assert_eq!(listed[1].outcome.as_deref(), Some(r#"{"outcome":"done"}"#));
        assert_eq!(listed[0].outcome.as_deref(), Some(r#"{"outcome":"refused","reason":"no room"}"#));
        assert_eq!(listed[0].handed_out_by, Some(answer.call));
    })
    .await;
}

#[tokio::test]
async fn an_initial_value_is_set_once_and_bills_nothing() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        for (sequence, value) in [(1, 100), (2, 40)] {
            plant.call(&device, &device.total(1, sequence, value)).await.unwrap();
        }
        let request = ask(&plant, &device, set_total(7_000)).await;
        let result = RequestResult { request, outcome: Outcome::Done };
        let mut set = device.call(1, 3, counter("total", 7_005));
        set.results = vec![result.clone()];
        plant.call(&device, &set).await.unwrap();
        assert_eq!(plant.billed(&device).await, 105, "40 was held, and 7 000 is where it counts from");
        assert_eq!(plant.desk().status().await.unwrap().held, []);

        // The same result again sets nothing.
        let mut again = device.call(1, 4, counter("total", 7_010));
        again.results = vec![result];
        plant.call(&device, &again).await.unwrap();
        assert_eq!(plant.billed(&device).await, 110);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_of_a_device_that_nobody_knows() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let number = "3012-000009".parse().unwrap();
        let asked = plant.desk().request(number, Command::ReadCounters, &person()).await;
        assert!(matches!(asked, Err(CenterError::UnknownDevice(_))), "{asked:?}");
    })
    .await;
}
