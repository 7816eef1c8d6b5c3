//! Calls that come at the same time: each has its own outcome, whatever the others are.

use futures_util::future::join_all;
use message::call::{CallAnswer, Command, Event};
use message::problem::{Problem, ProblemCode};
use store::testing::on_both;

use crate::plant::{Device, Plant, person};

#[tokio::test]
async fn one_call_does_not_disturb_the_others_that_come_with_it() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let fleet = plant.fleet(40).await;
        let [first, replaying, lying, falling, asked, ..] = &fleet[..] else { unreachable!() };
        let earlier = [replaying, lying, falling].map(|device| device.total(1, 1, 100));
        let mut answers = Vec::new();
        for (device, call) in [replaying, lying, falling].into_iter().zip(&earlier) {
            answers.push(plant.call(device, call).await.unwrap());
        }
        let request =
            plant.desk().request(asked.number.clone(), Command::ReadCounters, &person()).await.unwrap();
        let stranger = plant.unnamed("3012-000999");
        let impostor = Device { number: first.number.clone(), ..plant.unnamed(&first.number.to_string()) };

        let mut calls = vec![
            (replaying, earlier[0].clone()),
            (lying, lying.total(1, 1, 999)),
            (falling, falling.total(1, 2, 50)),
            (asked, asked.total(1, 1, 7)),
            (first, first.call(1, 1, Event::Poll)),
            (&stranger, stranger.total(1, 1, 1)),
            (&impostor, impostor.total(1, 9, 1)),
            (first, fleet[9].total(1, 1, 1)),
        ];
        calls.extend(
            fleet[10..].iter().zip(1_000..).map(|(device, value)| (device, device.total(1, 1, value))),
        );
        let outcomes = join_all(calls.iter().map(|(device, call)| plant.call(device, call))).await;

        assert_eq!(outcomes[0].as_ref().unwrap(), &answers[0], "a repetition is answered as before");
        assert_eq!(code(&outcomes[1]), Some(ProblemCode::Conflict));
        assert!(outcomes[2].is_ok() && outcomes[4].is_ok());
        let handed_out = &outcomes[3].as_ref().unwrap().requests;
        assert_eq!(handed_out.iter().map(|asked| asked.request).collect::<Vec<_>>(), [request]);
        let refused: Vec<_> = outcomes[5..8].iter().map(code).collect();
        assert_eq!(refused, [Some(ProblemCode::NotAllowed); 3]);
        assert!(outcomes[8..].iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(plant.incidents(lying).await, [("reused-number".to_owned(), 1)]);
        assert_eq!(plant.billed(falling).await, 100, "what fell is held");
        assert_eq!(plant.billed(&fleet[10]).await, 1_000);

        // The same again, at once: nothing is counted twice, and each is answered as before.
        let again = join_all(calls[8..].iter().map(|(device, call)| plant.call(device, call))).await;
        assert_eq!(again, outcomes[8..]);
        let all = plant.desk().invoice(0, i64::MAX, None).await.unwrap();
        let counted: i64 = all.lines.iter().map(|line| line.units).sum();
        assert_eq!(counted, 300 + 7 + (1_000..1_030).sum::<i64>());
    })
    .await;
}

#[tokio::test]
async fn calls_of_one_device_at_the_same_time_are_taken_once_and_in_a_chain() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let calls: Vec<_> = (1..=20).map(|sequence| device.total(1, sequence, sequence.into())).collect();
        let twice = calls.iter().chain(&calls);
        let outcomes = join_all(twice.map(|call| plant.call(&device, call))).await;
        let (once, again) = outcomes.split_at(calls.len());
        assert!(once.iter().zip(again).all(|(once, again)| once == again), "{outcomes:?}");
        assert!(once.iter().any(Result::is_ok));
        assert!(once.iter().all(|outcome| matches!(code(outcome), None | Some(ProblemCode::Conflict))));
        assert_eq!(plant.billed(&device).await, 20, "the last was taken, whichever came late");
    })
    .await;
}

fn code(outcome: &Result<CallAnswer, Problem>) -> Option<ProblemCode> {
    outcome.as_ref().err().map(|problem| problem.code)
}
