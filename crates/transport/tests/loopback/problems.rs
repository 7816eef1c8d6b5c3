//! Every error is a problem with a code word, also those of the router and of JSON.

use std::sync::Arc;

use cert::tls::client_config;
use identity::Clock;
use message::problem::{Problem, ProblemCode};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use transport::Limits;

use crate::host::{Host, member};

/// A client that can send anything.
fn raw_client(host: &Host) -> reqwest::Client {
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let tls = client_config(host.trust(), member("authority:head-office"), Some(&own), clock).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

async fn problem(request: reqwest::RequestBuilder) -> (HeaderMap, Problem) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let problem: Problem = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(status.as_u16(), problem.status);
    assert_eq!(problem.kind, format!("urn:touchmark:problem:{}", problem.code));
    (headers, problem)
}

#[tokio::test]
async fn the_router_and_json_refuse_with_problems() {
    let host = Host::start(Limits { body_bytes_max: 1_000, ..Limits::default() }).await;
    let client = raw_client(&host);
    let url = |path: &str| format!("https://{}{path}", host.address);
    let json =
        |body: String| client.post(url("/v1/echo")).header(CONTENT_TYPE, "application/json").body(body);
    let cases = [
        (client.get(url("/v1/nowhere")), ProblemCode::NotFound),
        (client.delete(url("/v1/echo")), ProblemCode::MethodNotAllowed),
        (client.post(url("/v1/echo")).body("text=1"), ProblemCode::UnsupportedMediaType),
        (json("{".into()), ProblemCode::MalformedRequest),
        (json(r#"{"text":1}"#.into()), ProblemCode::MalformedRequest),
        (json(r#"{"text":"","more":1}"#.into()), ProblemCode::MalformedRequest),
        (json(format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000))), ProblemCode::TooLarge),
    ];
    for (request, code) in cases {
        let (headers, problem) = problem(request).await;
        assert_eq!(problem.code, code, "{problem:?}");
        if code == ProblemCode::MethodNotAllowed {
            assert_eq!(headers["allow"], "POST");
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_service_is_answered_and_ends_nothing_else() {
    let host = Host::start(Limits::default()).await;
    let client = raw_client(&host);
    let (_, problem) = problem(client.get(format!("https://{}/v1/fault", host.address))).await;
    assert_eq!(problem.code, ProblemCode::Internal);
    let after = client.get(format!("https://{}/v1/gateway", host.address)).send().await.unwrap();
    assert!(after.status().is_success());
}
