//! The example service, as a process of its own: it joins, and takes orders of devices by token.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::{PassPhrase, SymmetricCredential};
use authenticator::caller::authenticate;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use identity::ApparatusId;
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, Membership};
use message::problem::ProblemCode;
use pki::SigningRequest;
use serde::{Deserialize, Serialize};
use store::audit::Actor;
use store::testing::TestDatabase;
use transport::{CallError, Channel};

use crate::plant::{AUTHENTICATOR, Plant, TestRandom, credential, hasty, register};

const AUTHORITY: &str = "urn:touchmark:authority:head-office";
const SUPPLIES: &str = "urn:touchmark:service:supplies";

#[derive(Serialize)]
struct Order {
    item: &'static str,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    device_number: String,
    item: String,
}

/// The example at work; it ends with the test.
struct Example {
    process: Child,
    address: SocketAddr,
}

impl Example {
    /// Cargo builds examples before it runs tests.
    fn start(token: &JoinToken, authenticator: SocketAddr, more: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/service_server");
        let mut process = Command::new(program)
            .args(["--token", &token.to_text(), "--authenticator", AUTHENTICATOR])
            .args(["--authenticator-url", &format!("https://{authenticator}")])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { address: line.trim().parse().unwrap(), process }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority that lets the service join.
async fn authority(plant: &Arc<Plant>) -> JoinToken {
    async fn take_in(State(plant): State<Arc<Plant>>, Json(request): Json<JoinRequest>) -> Json<Membership> {
        let request = SigningRequest::verify(&request.signing_request.0).unwrap();
        let member_certificate = plant.issue(SUPPLIES, &request);
        Json(Membership {
            root_certificate: Bytes(plant.trust.root().der().to_vec()),
            plant_certificate: Bytes(plant.trust.plant().der().to_vec()),
            issuing_certificates: Vec::new(),
            common_ca_certificate: None,
            member_certificate: Bytes(member_certificate),
        })
    }
    let router = Router::new().route("/v1/join", post(take_in)).with_state(Arc::clone(plant));
    let address = plant.host(AUTHORITY, router).await;
    JoinToken {
        url: format!("https://{address}"),
        host: AUTHORITY.parse().unwrap(),
        member: SUPPLIES.parse().unwrap(),
        root_sha256: plant.trust.root_fingerprint().to_string(),
        secret: SecretBytes::new(vec![1; 16]),
    }
}

/// What the service answers a device that shows this token.
async fn order(plant: &Plant, service: &Example, token: Option<&str>) -> Result<Receipt, ProblemCode> {
    let mut channel = plant.channel(SUPPLIES, service.address).await;
    if let Some(token) = token {
        channel.show(token.to_string());
    }
    channel.post_json("/v1/orders", &Order { item: "toner" }).await.map_err(|error| match error {
        CallError::Refused(problem) => problem.code,
        other => panic!("{other}"),
    })
}

async fn token(channel: &mut Channel, device: &SymmetricCredential, service: &str) -> String {
    let server = AUTHENTICATOR.parse().unwrap();
    let session = authenticate(channel, device, &server, service.parse().unwrap(), &TestRandom).await;
    session.unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the example's process has the machine's clock")]
async fn the_example_takes_devices_by_token() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let plant = Arc::new(Plant::at(now.try_into().unwrap()));
    let database = TestDatabase::sqlite();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let authenticator = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let join_token = authority(&plant).await;
    let checking = Example::start(&join_token, authenticator, &[]);
    let asking = Example::start(&join_token, authenticator, &["--ask"]);

    let mut channel = plant.channel(AUTHENTICATOR, authenticator).await;
    let good = token(&mut channel, &credential(1), "supplies").await;
    let for_another = token(&mut channel, &credential(1), "other").await;
    let receipt = Receipt { device_number: "A123-000001".to_string(), item: "toner".to_string() };
    for service in [&checking, &asking] {
        assert_eq!(order(&plant, service, Some(&good)).await.as_ref(), Ok(&receipt));
        for bad in [None, Some("no token"), Some(for_another.as_str())] {
            assert_eq!(order(&plant, service, bad).await, Err(ProblemCode::NotAuthenticated), "{bad:?}");
        }
    }

    // A clone: the plate's ID with a guessed secret.
    let clone = SymmetricCredential { pass_phrase: PassPhrase::new(&[9; 32]), ..credential(1) };
    let server = AUTHENTICATOR.parse().unwrap();
    let refused = authenticate(&mut channel, &clone, &server, "supplies".parse().unwrap(), &TestRandom).await;
    assert!(refused.is_err());

    here.register().revoke(ApparatusId::new([1; 16]), "scrapped", &Actor::person("tester")).await.unwrap();
    assert_eq!(order(&plant, &asking, Some(&good)).await, Err(ProblemCode::NotAuthenticated));
}
