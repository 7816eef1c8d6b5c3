//! Who may call: only the device that the authority made, as itself, over real TLS.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use identity::CredentialState::{Leased, Suspect, Verified, Voided};
use message::call::{CallAnswer, Event};
use message::problem::ProblemCode::{self, Conflict, NotAllowed};
use store::testing::{TestDatabase, on_both};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use transport::CallError;

use crate::plant::{Plant, counter, refusal};

fn incident(kind: &str, count: u64) -> (String, u64) {
    (kind.to_owned(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_who_its_session_says_while_the_authority_says_so() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let address = plant.serve().await;
        let device = plant.unnamed("3012-000001");
        let client = plant.client(address, Some(&device));
        let poll = |sequence| device.call(1, sequence, Event::Poll);

        let early = refusal(client.post_json::<_, CallAnswer>("/v1/calls", &poll(1)).await);
        assert_eq!(early.code, NotAllowed, "the authority has not named it yet");
        plant.name(&device, Verified).await;
        let answer: CallAnswer = client.post_json("/v1/calls", &poll(1)).await.unwrap();
        assert_eq!(answer.call, 1);

        // A connection that is open does not help a device that is no longer good.
        for (sequence, state) in [(2, Suspect), (3, Voided)] {
            plant.name(&device, state).await;
            let refused = refusal(client.post_json::<_, CallAnswer>("/v1/calls", &poll(sequence)).await);
            assert_eq!(refused.code, NotAllowed, "{state}");
        }
        let expected = [incident("not-in-use", 2), incident("unregistered", 1)];
        assert_eq!(plant.incidents(&device).await, expected);
        assert_eq!(plant.desk().calls(Some(&device.number), 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_renewed_calls_with_either_certificate_until_the_old_one_is_void() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let address = plant.serve().await;
        let (old, new) = (plant.device("3012-000001").await, plant.unnamed("3012-000001"));
        let [by_old, by_new] = [&old, &new].map(|device| plant.client(address, Some(device)));
        plant.name(&new, Leased).await;
        let mut sequence = 0;
        let mut poll = || {
            sequence += 1;
            old.call(1, sequence, Event::Poll)
        };
        for client in [&by_new, &by_old, &by_new] {
            let _: CallAnswer = client.post_json("/v1/calls", &poll()).await.unwrap();
        }
        plant.name(&old, Voided).await;
        plant.name(&new, Verified).await;
        let _: CallAnswer = by_new.post_json("/v1/calls", &poll()).await.unwrap();
        let refused = refusal(by_old.post_json::<_, CallAnswer>("/v1/calls", &poll()).await);
        assert_eq!(refused.code, NotAllowed);
        assert_eq!(plant.incidents(&old).await, [incident("not-in-use", 1)]);
        assert_eq!(plant.desk().calls(Some(&old.number), 10).await.unwrap().len(), 4, "one history");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_another_ca_and_no_certificate_do_not_get_in() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let address = plant.serve().await;
        let device = plant.device("3012-000001").await;
        // The same number, truly signed by a CA of the plant, but not what was registered.
        let second_key = plant.unnamed("3012-000001");
        let second_ca = plant.issued_by(&plant.other, "3012-000001");
        for (impostor, expected) in
            [(&second_key, incident("other-key", 1)), (&second_ca, incident("other-issuer", 1))]
        {
            let client = plant.client(address, Some(impostor));
            let call = impostor.total(1, 1, 1_000_000);
            let refused = refusal(client.post_json::<_, CallAnswer>("/v1/calls", &call).await);
            assert_eq!(refused.code, NotAllowed);
            assert!(plant.incidents(&device).await.contains(&expected), "{expected:?}");
        }
        let nobody = plant.client(address, None);
        let refused = refusal(nobody.post_json::<_, CallAnswer>("/v1/calls", &device.total(1, 1, 1)).await);
        assert_eq!(refused.code, ProblemCode::NotAuthenticated);
        let foreign = Plant::new(TestDatabase::sqlite()).await.unnamed("3012-000001");
        let client = plant.client(address, Some(&foreign));
        let ended = client.post_json::<_, CallAnswer>("/v1/calls", &foreign.total(1, 1, 1)).await;
        assert!(matches!(ended, Err(CallError::Unreachable(_))), "the handshake ends: {ended:?}");
        assert_eq!(plant.billed(&device).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_foreign_numbers_are_refused_and_counted() {
    const FOREIGN: u64 = 10_000;
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let address = plant.serve().await;
    let (rogue, victim) = (plant.device("3012-999999").await, plant.device("3012-000001").await);
    let client = plant.client(address, Some(&rogue));
    let calls = (0..FOREIGN).map(|n| {
        let mut call = rogue.total(1, 1, 1_000);
        call.device_number = format!("3012-{n:06}").parse().unwrap();
        let client = client.clone();
        async move { refusal(client.post_json::<_, CallAnswer>("/v1/calls", &call).await).code }
    });
    let refused: Vec<ProblemCode> = iter(calls).buffer_unordered(64).collect().await;
    assert!(refused.iter().all(|code| *code == NotAllowed));
    assert_eq!(plant.incidents(&rogue).await, [incident("foreign-number", FOREIGN)]);
    assert_eq!(plant.desk().calls(None, 10).await.unwrap(), []);
    assert_eq!(plant.billed(&victim).await, 0);
}

#[tokio::test]
async fn a_repeated_call_is_answered_the_same_and_a_changed_or_late_one_is_refused() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let calls = [(1, 1, 100), (1, 2, 200), (2, 1, 300)].map(|(b, s, v)| device.total(b, s, v));
        let mut answers = Vec::new();
        for call in &calls {
            answers.push(plant.call(&device, call).await.unwrap());
        }
        plant.restart().await;
        plant.clock.advance(1_000);
        for (call, answer) in calls.iter().zip(&answers) {
            assert_eq!(plant.call(&device, call).await.as_ref(), Ok(answer));
        }
        assert_eq!(plant.billed(&device).await, 300);

        let changed = plant.call(&device, &device.total(1, 2, 250)).await.unwrap_err();
        let late = plant.call(&device, &device.total(1, 3, 400)).await.unwrap_err();
        assert_eq!((changed.code, late.code), (Conflict, Conflict));
        let incidents = plant.incidents(&device).await;
        assert!(incidents.contains(&incident("reused-number", 1)), "{incidents:?}");
        assert!(incidents.contains(&incident("out-of-order", 1)), "{incidents:?}");
        assert_eq!(plant.billed(&device).await, 300);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_call_is_refused_and_stored_nowhere() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let good = serde_json::to_string(&device.total(1, 1, 100)).unwrap();
    let twice = good.replace(
        r#"[{"name":"total","value":100}]"#,
        r#"[{"name":"total","value":100},{"name":"total","value":1}]"#,
    );
    for bad in
        ["", "{}", &good[1..], &twice, &good.replace("100", "-1"), &good.replace("\"boot\"", "\"boots\"")]
    {
        let refused = plant.post(&device, bad).await.unwrap_err();
        assert_eq!(refused.code, ProblemCode::MalformedRequest, "{bad}");
    }
    let large = format!("{good}{}", " ".repeat(16 * 1_024));
    assert_eq!(plant.post(&device, &large).await.unwrap_err().code, ProblemCode::TooLarge);
    assert_eq!(plant.desk().calls(None, 10).await.unwrap(), []);
    assert!(plant.post(&device, &good).await.is_ok());
}

#[tokio::test]
async fn a_device_cannot_fill_the_books_with_counters() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    for sequence in 1..=64 {
        let named = counter(&format!("counter-{sequence}"), 1);
        plant.call(&device, &device.call(1, sequence, named)).await.unwrap();
    }
    let refused = plant.call(&device, &device.call(1, 65, counter("one-more", 1))).await.unwrap_err();
    assert_eq!(refused.code, ProblemCode::MalformedRequest);
    assert_eq!(plant.incidents(&device).await, [incident("too-many-counters", 1)]);
    plant.call(&device, &device.call(1, 65, counter("counter-1", 2))).await.unwrap();
    assert_eq!(plant.billed(&device).await, 65);
}

/// A device that is shut out while it is silent is not left connected; others notice nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_open_connection_of_a_device_that_is_voided_is_ended() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let address = plant.serve_and_end().await;
        let (stolen, good) = (plant.device("3012-000001").await, plant.device("3012-000002").await);
        let mut silent = plant.idle_connection(address, &stolen).await;
        let client = plant.client(address, Some(&good));
        let _: CallAnswer = client.post_json("/v1/calls", &good.call(1, 1, Event::Poll)).await.unwrap();
        let mut other = plant.idle_connection(address, &good).await;
        let early = timeout(Duration::from_millis(200), silent.read_u8()).await;
        assert!(early.is_err(), "nothing ends it yet");

        // Said again until the handshake is surely done on the other side as well.
        let mut ended = false;
        for _ in 0..100 {
            plant.name(&stolen, Voided).await;
            ended |=
                timeout(Duration::from_millis(100), silent.read_u8()).await.is_ok_and(|read| read.is_err());
            if ended {
                break;
            }
        }
        assert!(ended, "nobody waits for the device to speak");
        let late = timeout(Duration::from_millis(200), other.read_u8()).await;
        assert!(late.is_err(), "the good device's stays");
        let again = plant.client(address, Some(&stolen));
        let refused =
            refusal(again.post_json::<_, CallAnswer>("/v1/calls", &stolen.call(1, 1, Event::Poll)).await);
        assert_eq!(refused.code, NotAllowed);
        let _: CallAnswer = client.post_json("/v1/calls", &good.call(1, 2, Event::Poll)).await.unwrap();
    })
    .await;
}
