//! What the services offer: SOAP to a client that others wrote, OpenAPI documents to programs, a
//! station's verdicts to whoever scans.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use touchmark::config::ProxyConfig;
use touchmark::member_files;
use touchmark::surroundings::SystemClock;

use crate::site::Site;

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that `./check` installs the tests' tools into, unless the environment names another.
pub fn python() -> PathBuf {
    let installed = || workspace().join("target/tools/python/bin/python");
    env::var_os("TOUCHMARK_PYTHON").map_or_else(installed, PathBuf::from)
}

#[test]
fn zeep_asks_for_packs_and_delivers_a_write_result() {
    let (site, _authority, _gateway) = Site::with_stock(20);
    let script = workspace().join("crates/touchmark/tests/python/soap_client.py");
    let output = Command::new(python())
        .arg(script)
        .args([site.authority_url(), site.gateway_url()])
        .args([site.path("gateway"), site.path("station")])
        .args(["3012-129998", "3012-129999", "3012-123456"])
        .output()
        .expect("./check installs the Python that this test needs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "numbers": ["3012-129998", "3012-129999"],
        "certificates": ["3012-129998", "3012-129999"],
        "same_again": true,
        "unknown_product": "soap:Client unknown-product",
        "not_served": "soap:Client method-not-allowed",
    });
    assert_eq!(answers["authority"], expected);
    let mut gateway = answers["gateway"].clone();
    assert!(gateway["expires"].take().as_i64().is_some_and(|expires| expires > 0), "{answers}");
    let expected = json!({
        "number": "3012-123456",
        "certificate": "3012-123456",
        "expires": null,
        "second_device": "soap:Client second-device",
        "result": "O.K.",
        "state": "verified",
        "without_attempt": "soap:Client malformed-request",
    });
    assert_eq!(gateway, expected);
}

#[tokio::test]
async fn openapi_describes_every_route_with_its_problems() {
    let (site, _authority, _gateway) = Site::with_stock(1);
    for (asker, routes) in [
        (
            "gateway",
            &[
                "GET /v1/allotment",
                "GET /v1/device-history",
                "GET /v1/device-registrations",
                "GET /v1/identity",
                "GET /v1/registrations",
                "GET /v1/shut-out",
                "GET /v1/withdrawals",
                "POST /soap",
                "POST /v1/apparatus-packs",
                "POST /v1/carried-requests",
                "POST /v1/collections",
                "POST /v1/device-packs",
                "POST /v1/identity/confirmation",
                "POST /v1/join",
                "POST /v1/members",
                "POST /v1/packs",
                "POST /v1/recoveries",
                "POST /v1/renewals",
                "POST /v1/reports",
                "POST /v1/trust",
            ][..],
        ),
        (
            "station",
            &[
                "GET /v1/allotment",
                "GET /v1/operators",
                "GET /v1/status",
                "POST /soap",
                "POST /v1/join",
                "POST /v1/leases",
                "POST /v1/results",
                "POST /v1/scraps",
                "POST /v1/trust",
            ][..],
        ),
    ] {
        let directory = site.path(asker);
        let host = member_files::load_host(&directory).unwrap();
        let files = member_files::load(&directory).unwrap();
        let client = files.client(&host, &ProxyConfig::default(), Arc::new(SystemClock)).unwrap();
        let document: Value = client.get_json("/openapi.json").await.unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
        assert_eq!(described(&document), routes.iter().map(ToString::to_string).collect());
        for reference in references(&document) {
            let found = reference.strip_prefix('#').and_then(|path| document.pointer(path));
            assert!(found.is_some(), "{reference} is not in the document of {}", host.member);
        }
    }
}

#[test]
fn a_station_takes_scans_from_stdin_until_it_is_told_to_stop() {
    let (site, _authority, _gateway) = Site::with_stock(1);
    let device = site.device("3012", "0011223344556677", "http://127.0.0.1:0/soap");
    let mut station = site
        .command(&["station", "serve", "--device", &device.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scanner = station.stdin.take().unwrap();
    let mut verdicts = BufReader::new(station.stdout.take().unwrap()).lines();
    let mut scan = |plate: &str| -> Value {
        writeln!(scanner, "{plate}\r").unwrap();
        serde_json::from_str(&verdicts.next().unwrap().unwrap()).unwrap()
    };
    let unplanned = scan("3012-999999");
    assert_eq!((&unplanned["verdict"], &unplanned["code"]), (&json!("red"), &json!("unplanned")));
    let green = scan("3012-123456");
    let expected = json!({
        "verdict": "green",
        "scan": "3012-123456",
        "deviceNumber": "3012-123456",
        "hardwareUid": "0011223344556677",
    });
    assert_eq!(green, expected);

    // The scanner stays plugged in; the station ends nevertheless.
    let id = Pid::from_raw(station.id().try_into().unwrap());
    kill(id, Signal::SIGTERM).unwrap();
    assert!(station.wait().unwrap().success());
}

/// All `METHOD PATH` of a document, each checked to say which problems it answers.
fn described(document: &Value) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in ["4XX", "5XX"].iter().filter(|_| path.starts_with("/v1/")) {
                let content = &operation["responses"][status]["content"]["application/problem+json"];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}");
            }
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes
}

/// Every `$ref` below a value.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(entries) => {
            let own = entries.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(entries.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
