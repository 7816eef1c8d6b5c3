//! Intermediate devices speak for the devices that are registered to them, and for nobody else.

use center::{Approval, CenterError, Doubt};
use message::call::{Call, CallAnswer, Command, Event, Nonce, Outcome, RequestResult};
use message::problem::ProblemCode::{MalformedRequest, NotAllowed, Quarantined};
use store::testing::{TestDatabase, on_both, tamper};
use transport::Client;

use crate::memory::Memory;
use crate::plant::{Device, Plant, counter, person, refusal};

const METER: &str = "3013-000001";
const OTHER_METER: &str = "3013-000002";

/// A plant with an intermediate device of A125, whose devices may manage others.
async fn plant_with(database: TestDatabase, approval: Approval) -> (Plant, Device) {
    let mut plant = Plant::new(database).await;
    let intermediate = plant.device("A125-000001").await;
    let product = intermediate.number.product().clone();
    plant.desk().mark_intermediate(product, Some(approval), &person()).await.unwrap();
    (plant, intermediate)
}

fn manage(intermediate: &Device, sequence: u32, devices: &[&str]) -> Call {
    let devices = devices.iter().map(|device| device.parse().unwrap()).collect();
    intermediate.call(1, sequence, Event::Manage { devices })
}

/// A call about a managed device.
fn about(intermediate: &Device, sequence: u32, device: &str, event: Event) -> Call {
    Call { on_behalf_of: Some(device.parse().unwrap()), ..intermediate.call(1, sequence, event) }
}

async fn call(client: &Client, call: &Call) -> CallAnswer {
    client.post_json("/v1/calls", call).await.unwrap()
}

/// Lets an intermediate device register its devices, and a person approve the first.
async fn approved(plant: &Plant, intermediate: &Device) {
    plant.call(intermediate, &manage(intermediate, 1, &[METER, OTHER_METER])).await.unwrap();
    let meter = METER.parse().unwrap();
    plant.desk().manage(meter, intermediate.number.clone(), true, &person()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_device_speaks_for_its_devices_once_a_person_has_approved() {
    on_both(async |database| {
        let (plant, intermediate) = plant_with(database, Approval::Person).await;
        let client = plant.client(plant.serve().await, Some(&intermediate));
        call(&client, &manage(&intermediate, 1, &[METER, OTHER_METER])).await;
        let total = |sequence, device, value| about(&intermediate, sequence, device, counter("total", value));
        let early = client.post_json::<_, CallAnswer>("/v1/calls", &total(2, METER, 70)).await;
        assert_eq!(refusal(early).code, NotAllowed);

        let meter = METER.parse().unwrap();
        plant.desk().manage(meter, intermediate.number.clone(), true, &person()).await.unwrap();
        call(&client, &total(2, METER, 70)).await;
        call(&client, &intermediate.total(1, 3, 5)).await;
        let foreign = client.post_json::<_, CallAnswer>("/v1/calls", &total(4, OTHER_METER, 9)).await;
        assert_eq!(refusal(foreign).code, NotAllowed, "nobody has approved that one");
        let expected = [("not-managed".to_owned(), 2)];
        assert_eq!(plant.incidents(&intermediate).await, expected);

        let billed = async |device: &str| plant.billed_of(&device.parse().unwrap()).await;
        assert_eq!((billed(METER).await, billed("A125-000001").await, billed(OTHER_METER).await), (70, 5, 0));
        let calls = plant.desk().calls(Some(&METER.parse().unwrap()), 10).await.unwrap();
        assert_eq!(calls.len(), 1, "a managed device has its history, whoever tells it");

        // What staff asks of the managed device comes with answers to calls about it, and only with those.
        let request = plant.desk().request(METER.parse().unwrap(), Command::ReadCounters, &person()).await;
        let request = request.unwrap();
        assert_eq!(call(&client, &intermediate.call(1, 4, Event::Poll)).await.requests, []);
        let handed_out = call(&client, &about(&intermediate, 5, METER, Event::Poll)).await.requests;
        assert_eq!(handed_out[0].request, request);
        let mut done = about(&intermediate, 6, METER, Event::Poll);
        done.results = vec![RequestResult { request, outcome: Outcome::Done }];
        assert_eq!(call(&client, &done).await.requests, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_passed_on_is_the_managed_devices_own() {
    on_both(async |database| {
        let (mut plant, intermediate) = plant_with(database, Approval::Person).await;
        approved(&plant, &intermediate).await;
        let client = plant.client(plant.serve().await, Some(&intermediate));
        let mut memory = Memory::default();
        let meter = plant.unnamed(METER);
        // The answer is lost on its way to the meter, so the same call is passed on again.
        memory.boot();
        memory.make(&meter, 10);
        let raw = memory.unanswered.clone().unwrap();
        let first: CallAnswer =
            client.post_document("/v1/calls", "application/json", raw.clone().into()).await.unwrap();
        let again: CallAnswer =
            client.post_document("/v1/calls", "application/json", raw.into()).await.unwrap();
        assert_eq!(first, again);
        memory.previous = again.nonce.unwrap();
        let copy = memory.clone();
        assert_eq!(plant.billed(&meter).await, 10);

        // Later the meter has a certificate of its own, and goes on where it was.
        plant.name(&meter, identity::CredentialState::Verified).await;
        assert!(memory.count(&plant, &meter, 5).await);
        assert_eq!(plant.billed(&meter).await, 15);
        // A copy is found also where it calls through an intermediate device.
        let mut copy = copy;
        assert!(!copy.count(&plant, &intermediate_as(&intermediate, &meter), 3).await);
        assert_eq!(plant.desk().quarantines(1).await.unwrap()[0].device, meter.number);
        let about_it = about(&intermediate, 2, METER, Event::Poll);
        assert_eq!(plant.call(&intermediate, &about_it).await.unwrap_err().code, Quarantined);
        assert_eq!(plant.billed(&meter).await, 10);
        plant.desk().readmit(meter.number.clone(), Doubt::Count, &person()).await.unwrap();
        assert_eq!(plant.billed(&meter).await, 15);
        assert_eq!(plant.desk().calls(Some(&meter.number), 10).await.unwrap().len(), 2);
    })
    .await;
}

/// The device's calls as they come through an intermediate device: its number, the other's certificate.
fn intermediate_as(intermediate: &Device, device: &Device) -> Device {
    let mut through = intermediate.clone();
    through.number = device.number.clone();
    through
}

#[tokio::test]
async fn a_policy_approves_what_nobody_else_has_and_a_person_moves_a_device() {
    on_both(async |database| {
        let (mut plant, first) = plant_with(database, Approval::Automatic).await;
        let second = plant.device("A125-000002").await;
        plant.call(&first, &manage(&first, 1, &[METER])).await.unwrap();
        plant.call(&first, &about(&first, 2, METER, counter("total", 10))).await.unwrap();
        // The second registers the same device, and waits.
        plant.call(&second, &manage(&second, 1, &[METER])).await.unwrap();
        let told = about(&second, 2, METER, counter("total", 12));
        assert_eq!(plant.call(&second, &told).await.unwrap_err().code, NotAllowed);
        plant.desk().manage(METER.parse().unwrap(), second.number.clone(), true, &person()).await.unwrap();
        plant.call(&second, &told).await.unwrap();
        let late = about(&first, 3, METER, counter("total", 99));
        assert_eq!(plant.call(&first, &late).await.unwrap_err().code, NotAllowed);
        assert_eq!(plant.billed_of(&METER.parse().unwrap()).await, 12);

        let end = async || {
            plant.desk().manage(METER.parse().unwrap(), second.number.clone(), false, &person()).await
        };
        end().await.unwrap();
        let again = end().await;
        assert!(matches!(again, Err(CenterError::NoRelation { .. })), "{again:?}");
        let ended = about(&second, 3, METER, Event::Poll);
        assert_eq!(plant.call(&second, &ended).await.unwrap_err().code, NotAllowed);
        assert_eq!(plant.billed_of(&METER.parse().unwrap()).await, 12, "the journal knows who spoke when");
    })
    .await;
}

#[tokio::test]
async fn a_device_of_another_product_manages_nobody() {
    let (mut plant, intermediate) = plant_with(TestDatabase::sqlite(), Approval::Automatic).await;
    let printer = plant.device("3012-000001").await;
    assert_eq!(plant.call(&printer, &manage(&printer, 1, &[METER])).await.unwrap_err().code, NotAllowed);
    assert_eq!(plant.incidents(&printer).await, [("not-intermediate".to_owned(), 1)]);
    let itself = manage(&intermediate, 1, &["A125-000001"]);
    assert_eq!(plant.call(&intermediate, &itself).await.unwrap_err().code, NotAllowed);
    let twice = manage(&intermediate, 1, &[METER, METER]);
    assert_eq!(plant.call(&intermediate, &twice).await.unwrap_err().code, MalformedRequest);
    // A device that is spoken for speaks for nobody.
    plant.call(&intermediate, &manage(&intermediate, 1, &[METER, OTHER_METER])).await.unwrap();
    let meter = plant.unnamed(METER);
    let third = about(&intermediate_as(&intermediate, &meter), 1, OTHER_METER, Event::Poll);
    assert_eq!(plant.call(&intermediate, &third).await.unwrap_err().code, NotAllowed);
}

#[tokio::test]
async fn a_thousand_claims_for_devices_of_others_are_refused() {
    let (plant, intermediate) = plant_with(TestDatabase::sqlite(), Approval::Person).await;
    approved(&plant, &intermediate).await;
    for n in 2..1_002 {
        let claimed = about(&intermediate, n, &format!("3013-{n:06}"), counter("total", 1));
        assert_eq!(plant.call(&intermediate, &claimed).await.unwrap_err().code, NotAllowed);
    }
    assert_eq!(plant.incidents(&intermediate).await, [("not-managed".to_owned(), 1_000)]);
    assert_eq!(plant.desk().calls(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn when_an_intermediate_device_is_copied_what_it_said_of_others_is_held_too() {
    let (plant, intermediate) = plant_with(TestDatabase::sqlite(), Approval::Person).await;
    approved(&plant, &intermediate).await;
    let chained = |sequence, previous, value| Call {
        previous: Some(previous),
        ..about(&intermediate, sequence, METER, counter("total", value))
    };
    let first = plant.call(&intermediate, &chained(2, Nonce::NONE, 10)).await.unwrap().nonce.unwrap();
    plant.call(&intermediate, &chained(3, first, 30)).await.unwrap();
    assert_eq!(plant.call(&intermediate, &chained(4, first, 11)).await.unwrap_err().code, Quarantined);
    assert_eq!(plant.billed_of(&METER.parse().unwrap()).await, 10);
    plant.desk().readmit(intermediate.number.clone(), Doubt::Drop, &person()).await.unwrap();
    plant.call(&intermediate, &chained(4, first, 11)).await.unwrap();
    assert_eq!(plant.billed_of(&METER.parse().unwrap()).await, 11);
}

#[tokio::test]
async fn a_journal_in_which_someone_spoke_for_a_device_that_was_not_his_makes_no_invoice() {
    let (plant, intermediate) = plant_with(TestDatabase::sqlite(), Approval::Person).await;
    approved(&plant, &intermediate).await;
    plant.call(&intermediate, &about(&intermediate, 2, METER, counter("total", 10))).await.unwrap();
    assert!(plant.desk().invoice(0, i64::MAX, None).await.is_ok());
    tamper(&plant.store, "UPDATE journal SET through = '3012-000009' WHERE id = 3").await;
    assert!(plant.desk().invoice(0, i64::MAX, None).await.is_err());
}
