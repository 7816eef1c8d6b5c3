//! The authority over real TLS: a gateway joins and works, a device asks who it is.

use std::sync::Arc;

use cert::tls::{Credential, HostTrust};
use identity::Member;
use message::allotment::Allotment;
use message::issue::{CertificateTransmission, CertificateTransmissionRequest};
use message::problem::{Problem, ProblemCode};
use message::report::{Report, ReportAnswer};
use message::standing::DeviceStanding;
use store::testing::TestDatabase;
use tokio::net::TcpListener;
use transport::{CallError, Client, HostTls, Limits, join, serve};
use zeroize::Zeroizing;

use crate::plant::{Plant, head_office, numbers, osaka, person, record, secret_key, verified};

/// Serves the plant's authority until the test ends; its address.
async fn serving(plant: &Plant) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let trust = plant.authority.trust().clone();
    let certificate = plant.ceremony_membership.member_certificate.0.clone();
    let key = Zeroizing::new(plant.own_key.expose().to_vec());
    let credential = Credential::member(&trust, certificate, key);
    let tls = HostTls::new(trust, &credential, Arc::clone(&plant.clock) as _).unwrap();
    let router = Arc::clone(&plant.authority).router();
    tokio::spawn(serve(listener, Arc::new(tls), router, Limits::default(), std::future::pending()));
    url
}

fn refusal<T>(result: Result<T, CallError>) -> Problem {
    match result {
        Err(CallError::Refused(problem)) => problem,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("this should be refused"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_joins_orders_and_reports_and_the_device_is_known() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let url = serving(&plant).await;
    let clock = Arc::clone(&plant.clock);
    let root = plant.authority.trust().root_fingerprint();
    let token =
        plant.authority.desk().invite(&Member::gateway(osaka()), &url, root, 600, &person()).await.unwrap();
    let joined = join(&token, Arc::clone(&clock) as _).await.unwrap();
    let client = |credential: Credential| {
        let trust = HostTrust::Plant(plant.authority.trust().clone());
        Client::new(trust, Some(&credential), head_office(), &url, Arc::clone(&clock) as _).unwrap()
    };
    let gateway = client(joined.credential().unwrap());

    let allotment: Allotment = gateway.get_json("/v1/allotment").await.unwrap();
    assert_eq!(allotment, plant.authority.desk().allotment(&osaka()).await.unwrap());
    let order = CertificateTransmissionRequest { device_numbers: numbers("3012", 123_000..123_002) };
    let issued: CertificateTransmission = gateway.post_json("/v1/packs", &order).await.unwrap();
    assert!(plant.issue(&order.device_numbers).await.unwrap() == issued);

    let numbered = &issued.packs[0];
    let device = client(Credential::new(
        vec![numbered.pack.client_certificate.0.clone(), numbered.pack.issuing_certificate.0.clone()],
        Zeroizing::new(secret_key(numbered).to_vec()),
    ));
    let early = refusal(device.get_json::<DeviceStanding>("/v1/identity").await);
    assert_eq!(early.code, ProblemCode::NotAllowed, "no device is known to hold it yet");

    let number = &numbered.device_number;
    let records = vec![
        record(1, number, message::report::Event::Stocked),
        record(2, number, verified(numbered, "0011223344556677")),
    ];
    let answer: ReportAnswer = gateway.post_json("/v1/reports", &Report { records }).await.unwrap();
    assert!(answer.records.iter().all(|answer| answer.problem.is_none()), "{answer:?}");
    let standing: DeviceStanding = device.get_json("/v1/identity").await.unwrap();
    assert_eq!((&standing.device_number, standing.state.as_str()), (number, "verified"));

    // Everyone stays at their own counter.
    let as_gateway = refusal(device.post_json::<_, CertificateTransmission>("/v1/packs", &order).await);
    assert_eq!(as_gateway.code, ProblemCode::NotAllowed);
    let as_device = refusal(gateway.get_json::<DeviceStanding>("/v1/identity").await);
    assert_eq!(as_device.code, ProblemCode::NotAllowed);
    plant.authority.desk().revoke(&identity::Member::gateway(osaka()), &person()).await.unwrap();
    let revoked = refusal(gateway.get_json::<Allotment>("/v1/allotment").await);
    assert_eq!(revoked.code, ProblemCode::NotAllowed, "also on a connection that is open already");
}
