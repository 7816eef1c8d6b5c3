//! SOAP over HTTP, between our own two ends and with requests that others might send.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use identity::CredentialState;
use message::device::{CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest};
use message::lease::AttemptId;
use message::problem::{Problem, ProblemCode};
use message::result::{WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::soap::{DOCUMENT_BYTES_MAX, Operation, document};
use tokio::net::TcpListener;
use tower::ServiceExt;
use transport::soap::{SoapAnswer, SoapCallError, SoapFault, SoapRequest, call, wsdl};

/// A gateway that takes every result but those of one number.
async fn take_result(request: SoapRequest) -> Result<SoapAnswer<WriteResultResponse>, SoapFault> {
    if request.operation() != Operation::WriteResultTransmission {
        return Err(SoapFault::not_served(request.operation()));
    }
    let result: WriteResultTransmission = request.message()?;
    if result.device_number.to_string() == "3012-999999" {
        return Err(Problem::new(ProblemCode::NoLease, "there is no lease for 3012-999999").into());
    }
    let state = CredentialState::Suspect;
    Ok(SoapAnswer(WriteResultResponse { device_number: result.device_number, state }))
}

fn router() -> Router {
    Router::new().route("/soap", get(wsdl).post(take_result))
}

fn result(number: &str) -> WriteResultTransmission {
    WriteResultTransmission {
        attempt: AttemptId::new([7; 16]),
        device_number: number.parse().expect("a device number"),
        outcome: WriteOutcome::NoGood { reason: "no answer".into(), untouched: false },
    }
}

async fn host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/soap", listener.local_addr().expect("a bound port"));
    tokio::spawn(async move { axum::serve(listener, router()).await });
    address
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_call_is_answered() {
    let answer: WriteResultResponse = call(&host().await, &result("3012-123456"), LIMIT).await.unwrap();
    assert_eq!(answer.device_number.to_string(), "3012-123456");
}

#[tokio::test]
async fn a_refusal_arrives_as_a_fault_with_its_code_word() {
    let answer = call::<_, WriteResultResponse>(&host().await, &result("3012-999999"), LIMIT).await;
    let Err(SoapCallError::Fault(fault)) = answer else { panic!("{answer:?}") };
    assert_eq!(fault.problem().code, ProblemCode::NoLease);
    assert_eq!(fault.problem().detail, "there is no lease for 3012-999999");
}

#[tokio::test]
async fn another_services_operation_is_refused() {
    let answer = call::<_, DeviceIdentification>(&host().await, &DeviceIdentificationRequest, LIMIT).await;
    let Err(SoapCallError::Fault(fault)) = answer else { panic!("{answer:?}") };
    assert_eq!(fault.problem().code, ProblemCode::MethodNotAllowed);
}

#[tokio::test]
async fn a_peer_that_is_gone_silent_or_strange_is_told_apart() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let short = Duration::from_millis(200);
    for address in [gone, silent.local_addr().unwrap()] {
        let address = format!("http://{address}/soap");
        let answer = call::<_, WriteResultResponse>(&address, &result("3012-123456"), short).await;
        assert!(matches!(answer, Err(SoapCallError::NoAnswer(_))), "{answer:?}");
    }
    let answer = call::<_, CertificateReceptionResponse>(&host().await, &result("3012-123456"), LIMIT).await;
    assert!(matches!(answer, Err(SoapCallError::Garbled(_))), "{answer:?}");
    for address in ["https://127.0.0.1:1/soap", "127.0.0.1:1", "http:///soap", ""] {
        let answer = call::<_, WriteResultResponse>(address, &result("3012-123456"), LIMIT).await;
        assert!(matches!(answer, Err(SoapCallError::Address(_))), "{address}: {answer:?}");
    }
}

async fn send(request: Request<Body>) -> (StatusCode, String) {
    let response = router().oneshot(request).await.expect("a router always answers");
    let status = response.status();
    let body = to_bytes(response.into_body(), DOCUMENT_BYTES_MAX).await.expect("a whole body");
    (status, String::from_utf8(body.into()).expect("text"))
}

#[tokio::test]
async fn requests_are_read_as_soap_1_1_says() {
    let good = document(&result("3012-123456")).to_string();
    let action = "urn:touchmark:provisioning:1#WriteResultTransmission";
    let quoted = format!("\"{action}\"");
    let other = "urn:touchmark:provisioning:1#CertificateTransmission";
    for (kind, soap_action, body, expected) in [
        ("text/xml; charset=utf-8", Some(quoted.as_str()), good.clone(), None),
        ("text/xml;charset=\"UTF-8\"", Some(action), good.clone(), None),
        ("TEXT/XML", Some("\"\""), good.clone(), None),
        ("text/xml; charset=utf-16", Some("\"\""), good.clone(), Some("unsupported-media-type")),
        ("application/soap+xml", Some("\"\""), good.clone(), Some("unsupported-media-type")),
        ("text/xml", Some(other), good.clone(), Some("malformed-request")),
        ("text/xml", None, good.clone(), Some("malformed-request")),
        ("text/xml", Some(action), "<a>".into(), Some("malformed-request")),
        ("text/xml", Some(action), " ".repeat(DOCUMENT_BYTES_MAX + 1), Some("too-large")),
    ] {
        let mut request = Request::post("/soap").header("content-type", kind);
        if let Some(soap_action) = soap_action {
            request = request.header("SOAPAction", soap_action);
        }
        let (status, answer) = send(request.body(body.into()).unwrap()).await;
        match expected {
            None => assert_eq!(status, StatusCode::OK, "{answer}"),
            Some(code) => {
                assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{answer}");
                assert!(answer.contains(&format!("<t:Problem>{code}</t:Problem>")), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn service_description_has_the_address_that_was_asked() {
    let ask = |uri: &str| Request::get(uri).header("host", "gateway.example:8443").body(Body::empty());
    for uri in ["/soap?wsdl", "/soap?WSDL"] {
        let (status, text) = send(ask(uri).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains(r#"location="https://gateway.example:8443/soap""#), "{text}");
    }
    assert_eq!(send(ask("/soap").unwrap()).await.0, StatusCode::NOT_FOUND);
}
