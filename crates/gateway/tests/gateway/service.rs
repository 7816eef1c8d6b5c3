//! Stations over real TLS: joining, asking in JSON and SOAP, being revoked.

use std::sync::Arc;

use cert::tls::{Credential, HostTrust};
use identity::{Clock, CredentialState, Member};
use message::lease::Lease;
use message::problem::ProblemCode;
use message::result::{WriteOutcome, WriteResultResponse};
use message::status::FactoryStatus;
use store::testing::TestDatabase;
use tokio::net::TcpListener;
use transport::{CallError, Client, HostTls, JoinError, Limits};

use crate::device::TestDevice;
use crate::plant::{CountingRandom, Factory, factory_name, number, person, result, station_name};

struct Service {
    factory: Factory,
    url: String,
}

impl Service {
    async fn start() -> Self {
        let factory = Factory::with_stock(TestDatabase::sqlite(), 3).await;
        let clock: Arc<dyn Clock> = factory.clock.clone();
        let host = Member::gateway(factory_name());
        let random = CountingRandom::default();
        let ca = &factory.authority.plant_ca;
        let (certificate, key) = ca.issue_with_key(&host, clock.epoch_seconds(), &random).unwrap();
        let trust = factory.authority.trust.clone();
        let credential = Credential::member(&trust, certificate, key.to_pkcs8().unwrap());
        let tls = Arc::new(HostTls::new(trust, &credential, clock).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let router = Arc::clone(factory.gateway()).router();
        tokio::spawn(transport::serve(listener, tls, router, Limits::default(), std::future::pending()));
        Self { factory, url }
    }

    async fn invite(&self, name: u32) -> message::join::JoinToken {
        let root = self.factory.authority.trust.root_fingerprint();
        let desk = self.factory.gateway().desk();
        desk.invite(&station_name(name), &self.url, root, 600, &person()).await.unwrap()
    }

    async fn join(&self, token: &message::join::JoinToken) -> Result<Client, JoinError> {
        let clock: Arc<dyn Clock> = self.factory.clock.clone();
        let joined = transport::join(token, Arc::clone(&clock)).await?;
        let trust = HostTrust::Plant(joined.trust().unwrap());
        let credential = joined.credential().unwrap();
        Ok(Client::new(trust, Some(&credential), token.host.clone(), &self.url, clock).unwrap())
    }
}

fn code<T>(answer: Result<T, CallError>) -> ProblemCode {
    match answer {
        Err(CallError::Refused(problem)) => problem.code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("this should have been refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_joins_leases_and_reports() {
    let service = Service::start().await;
    let client = service.join(&service.invite(1).await).await.unwrap();
    let number = number("3012-123456");
    let mut device = TestDevice::new(1);
    let lease: Lease = client.post_json("/v1/leases", &device.request(1, &number)).await.unwrap();
    let proof = device.write(&number, lease.pack);
    let told = result(1, &number, WriteOutcome::Ok { proof });
    let answer: WriteResultResponse = client.post_json("/v1/results", &told).await.unwrap();
    assert_eq!(answer.state, CredentialState::Verified);
    let status: FactoryStatus = client.get_json("/v1/status").await.unwrap();
    assert_eq!(status.products[0].verified, 1);
    let refused = client.post_json::<_, Lease>("/v1/leases", &TestDevice::new(2).request(2, &number)).await;
    assert_eq!(code(refused), ProblemCode::SecondDevice);
    let description: serde_json::Value = client.get_json("/openapi.json").await.unwrap();
    assert!(description["paths"]["/v1/leases"]["post"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_once_and_not_for_long() {
    let service = Service::start().await;
    let token = service.invite(1).await;
    service.join(&token).await.unwrap();
    let again = service.join(&token).await;
    assert!(matches!(again, Err(JoinError::Call { source: CallError::Refused(problem), .. })
        if problem.code == ProblemCode::TokenRefused));
    let late = service.invite(2).await;
    service.factory.clock.advance(600);
    assert!(service.join(&late).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_station_is_shut_out_until_it_joins_anew() {
    let service = Service::start().await;
    let old = service.join(&service.invite(1).await).await.unwrap();
    let desk = service.factory.gateway().desk();
    old.get_json::<FactoryStatus>("/v1/status").await.unwrap();
    desk.revoke_station(&station_name(1), &person()).await.unwrap();
    assert_eq!(code(old.get_json::<FactoryStatus>("/v1/status").await), ProblemCode::NotAllowed);
    let request = TestDevice::new(1).request(1, &number("3012-123456"));
    assert_eq!(code(old.post_json::<_, Lease>("/v1/leases", &request).await), ProblemCode::NotAllowed);

    let new = service.join(&service.invite(1).await).await.unwrap();
    new.get_json::<FactoryStatus>("/v1/status").await.unwrap();
    let refused = old.get_json::<FactoryStatus>("/v1/status").await;
    assert_eq!(code(refused), ProblemCode::NotAllowed, "the old certificate stays shut out");
    assert!(desk.revoke_station(&station_name(9), &person()).await.is_err());
}
