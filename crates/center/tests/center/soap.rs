//! The same calls in SOAP, for older firmware.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use message::call::{Call, CallAnswer, Command, Event, Nonce, Outcome, RequestResult};
use message::problem::ProblemCode;
use message::soap::call::{NAMESPACE, SOAP_ACTION};
use message::soap::{AnswerError, Envelope, document};
use store::testing::{TestDatabase, on_both};

use crate::plant::{Device, Plant, counter, person};

async fn post(plant: &Plant, device: &Device, action: &str, document: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::post("/soap")
        .header("content-type", "text/xml; charset=utf-8")
        .header("soapaction", action)
        .body(Body::from(document.to_owned()))
        .unwrap();
    let response = plant.answer(device, request).await;
    let status = response.status();
    (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().into())
}

fn answered(body: &[u8]) -> Result<CallAnswer, ProblemCode> {
    Envelope::parse(body).unwrap().answer().map_err(|error| match error {
        AnswerError::Fault(fault) => fault.problem().code,
        AnswerError::Garbled(fault) => panic!("{fault}"),
    })
}

#[tokio::test]
async fn a_call_in_soap_counts_as_one_in_json_does() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let name = "total".parse().unwrap();
        let command = Command::SetInitialValue { name, value: 50.try_into().unwrap() };
        let request = plant.desk().request(device.number.clone(), command.clone(), &person()).await.unwrap();

        let quoted = format!("\"{SOAP_ACTION}\"");
        let total = document(&device.total(1, 1, 100));
        let (status, body) = post(&plant, &device, &quoted, &total).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let answer = answered(&body).unwrap();
        assert_eq!((answer.requests[0].request, &answer.requests[0].command), (request, &command));
        assert_eq!(answered(&post(&plant, &device, "", &total).await.1).unwrap(), answer, "repeated");

        let mut done = device.call(1, 2, counter("total", 53));
        done.results = vec![RequestResult { request, outcome: Outcome::Done }];
        assert_eq!(answered(&post(&plant, &device, &quoted, &document(&done)).await.1).unwrap().requests, []);
        assert_eq!(plant.billed(&device).await, 103, "also when it is replayed from the XML");

        let mut foreign = device.total(1, 3, 100);
        foreign.device_number = "3012-000002".parse().unwrap();
        let (status, body) = post(&plant, &device, &quoted, &document(&foreign)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answered(&body), Err(ProblemCode::NotAllowed));
    })
    .await;
}

#[tokio::test]
async fn a_document_of_another_service_or_action_is_refused() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let good = document(&device.total(1, 1, 100)).to_string();
    let elsewhere = good.replace(NAMESPACE, "urn:touchmark:provisioning:1");
    for (action, document) in [("\"urn:touchmark:call:1#Other\"", &good), ("", &elsewhere)] {
        let (status, body) = post(&plant, &device, action, document).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answered(&body), Err(ProblemCode::MalformedRequest));
    }
    assert_eq!(plant.desk().calls(None, 10).await.unwrap(), []);
}

#[test]
fn every_kind_of_call_reads_back_from_soap() {
    let text = |text: &str| text.parse().unwrap();
    let events = [
        counter("color-a4", 9_007_199_254_740_991),
        Event::Service { fault_code: text("E-13 <door>") },
        Event::Supply { consumable: text("toner"), remaining_percent: 5.try_into().unwrap() },
        Event::Alarm { alarm: text("hot & loud") },
        Event::Manual { note: text("ring me") },
        Event::Manage { devices: vec!["3013-000001".parse().unwrap()] },
        Event::Poll,
    ];
    for event in events {
        let call = Call {
            device_number: "3012-000001".parse().unwrap(),
            boot: 1.try_into().unwrap(),
            sequence: 2.try_into().unwrap(),
            previous: Some(Nonce::new([0xfe; 16])),
            on_behalf_of: Some("3013-000001".parse().unwrap()),
            event,
            results: vec![
                RequestResult { request: 7, outcome: Outcome::Refused { reason: text("no") } },
                RequestResult { request: 8, outcome: Outcome::Failed { reason: text("no room") } },
            ],
            firmware: Some("2.14.0".parse().unwrap()),
        };
        let read: Call = Envelope::parse(document(&call).as_bytes()).unwrap().message().unwrap();
        assert_eq!(read, call);
    }
}

#[tokio::test]
async fn the_service_description_is_served_with_its_address() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let request = Request::get("/soap?wsdl").header("host", "center.example:7447");
    let response = plant.answer(&device, request.body(Body::empty()).unwrap()).await;
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = str::from_utf8(&body).unwrap();
    assert!(text.contains(r#"location="https://center.example:7447/soap""#) && text.contains(NAMESPACE));
}
