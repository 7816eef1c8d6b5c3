//! Services that the authority has shut out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authenticator::caller::{CallerError, authenticate};
use authenticator::{Authenticator, Settings};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cert::Certificate;
use cert::tls;
use identity::Member;
use message::authenticate::Introspection;
use message::problem::ProblemCode;
use message::registration::Registrations;
use message::shut_out::ShutOut;
use store::testing::on_both;
use tokio::time::{sleep, timeout};
use transport::{CallError, Client};

use crate::plant::{AUTHENTICATOR, Plant, TestRandom, credential, hasty, register};

const AUTHORITY: &str = "urn:touchmark:authority:head-office";
const SUPPLIES: &str = "urn:touchmark:service:supplies";
const REPAIRS: &str = "urn:touchmark:service:repairs";

type Said = Arc<Mutex<ShutOut>>;

/// An authority that says who is shut out, and has no registrations.
async fn authority(plant: &Plant, said: &Said) -> Client {
    let router = Router::new()
        .route("/v1/registrations", get(async || Json(Registrations { records: Vec::new() })))
        .route("/v1/shut-out", get(async |State(said): State<Said>| Json(said.lock().unwrap().clone())))
        .with_state(Arc::clone(said));
    let address = plant.host(AUTHORITY, router).await;
    plant.client(Some(AUTHENTICATOR), AUTHORITY, address)
}

fn say(said: &Said, services: &[&str], revoked: &[&tls::Credential]) {
    let serial = |credential: &&tls::Credential| {
        Certificate::parse(credential.certificate().unwrap()).unwrap().serial().to_string()
    };
    *said.lock().unwrap() = ShutOut {
        services: services.iter().map(|name| name.parse().unwrap()).collect(),
        certificate_serials: revoked.iter().map(serial).collect(),
    };
}

fn nobody() -> Said {
    Arc::new(Mutex::new(ShutOut { services: Vec::new(), certificate_serials: Vec::new() }))
}

/// The refusal, if there is one.
async fn asks(client: &Client) -> Option<ProblemCode> {
    match client.post_form::<Introspection>("/v1/introspect", &[("token", "x")]).await {
        Ok(_) => None,
        Err(CallError::Refused(problem)) => Some(problem.code),
        Err(other) => panic!("{other}"),
    }
}

/// A device asks for a token for this service. The refusal, if there is one.
async fn device_asks(plant: &Plant, address: SocketAddr, service: &str) -> Option<ProblemCode> {
    let mut channel = plant.channel(AUTHENTICATOR, address).await;
    let server: Member = AUTHENTICATOR.parse().unwrap();
    let service = service.parse().unwrap();
    match authenticate(&mut channel, &credential(1), &server, service, &TestRandom).await {
        Ok(_) => None,
        Err(CallerError::Call(CallError::Refused(problem))) => Some(problem.code),
        Err(other) => panic!("{other}"),
    }
}

async fn host(plant: &Plant, here: &Arc<Authenticator>) -> SocketAddr {
    plant.host(AUTHENTICATOR, Arc::clone(here).router()).await
}

#[tokio::test]
async fn a_service_that_is_shut_out_gets_no_answer_and_no_device_a_token_for_it() {
    on_both(async |database| {
        let plant = Plant::new();
        let said = nobody();
        let authority = authority(&plant, &said).await;
        let here = plant.authenticator(&database.url, hasty()).await;
        register(&here, 1).await;
        let address = host(&plant, &here).await;
        let old = plant.credential(SUPPLIES);
        let supplies = plant.client_with(Some(&old), AUTHENTICATOR, address);
        let repairs = plant.client(Some(REPAIRS), AUTHENTICATOR, address);
        here.pull_shut_out(&authority).await.unwrap();
        assert_eq!(asks(&supplies).await, None);
        assert_eq!(device_asks(&plant, address, "supplies").await, None);

        say(&said, &["supplies"], &[&old]);
        here.pull_shut_out(&authority).await.unwrap();
        assert_eq!(asks(&supplies).await, Some(ProblemCode::NotAllowed));
        assert_eq!(device_asks(&plant, address, "supplies").await, Some(ProblemCode::NotAllowed));
        assert_eq!(asks(&repairs).await, None);
        assert_eq!(device_asks(&plant, address, "repairs").await, None);

        // After a restart without a link, and from the certificate that it joined with again.
        let restarted = plant.authenticator(&database.url, hasty()).await;
        let address = host(&plant, &restarted).await;
        let with = |credential| plant.client_with(Some(credential), AUTHENTICATOR, address);
        assert_eq!(asks(&with(&old)).await, Some(ProblemCode::NotAllowed));
        assert_eq!(device_asks(&plant, address, "supplies").await, Some(ProblemCode::NotAllowed));
        say(&said, &[], &[&old]);
        restarted.pull_shut_out(&authority).await.unwrap();
        assert_eq!(asks(&with(&old)).await, Some(ProblemCode::NotAllowed));
        assert_eq!(asks(&with(&plant.credential(SUPPLIES))).await, None);
        assert_eq!(device_asks(&plant, address, "supplies").await, None);
    })
    .await;
}

#[tokio::test]
async fn an_authenticator_at_work_hears_of_it_by_itself() {
    let database = store::testing::TestDatabase::sqlite();
    let plant = Plant::new();
    let said = nobody();
    let authority = authority(&plant, &said).await;
    assert!(Settings::default().pull_every < Duration::from_secs(60));
    let settings = Settings { pull_every: Duration::from_millis(20), ..hasty() };
    let here = plant.authenticator(&database.url, settings).await;
    let address = host(&plant, &here).await;
    tokio::spawn(async move { here.tend(&authority).await });
    let old = plant.credential(SUPPLIES);
    let supplies = plant.client_with(Some(&old), AUTHENTICATOR, address);
    assert_eq!(asks(&supplies).await, None);

    say(&said, &["supplies"], &[&old]);
    let heard = async {
        while asks(&supplies).await.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), heard).await.expect("it hears of it");
}
