//! The authority over real TLS: a gateway joins and works, a device asks who it is.

use std::sync::Arc;

use authority::{OPEN_TO_ALL, OPEN_TO_COMMON, OPEN_TO_EXPIRED};
use cert::tls::{Credential, HostTrust};
use identity::CredentialState::Verified;
use identity::Member;
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use message::allotment::Allotment;
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest, OrderId,
};
use message::pack::CredentialPack;
use message::problem::{Problem, ProblemCode};
use message::registration::Registrations;
use message::report::{Event, Report, ReportAnswer};
use message::shut_out::ShutOut;
use message::standing::DeviceStanding;
use store::testing::TestDatabase;
use tokio::net::TcpListener;
use transport::{CallError, Channel, Client, HostTls, Limits, join, serve};
use zeroize::Zeroizing;

use crate::born::BornKey;
use crate::plant::{
    Plant, bound, head_office, numbers, opened, osaka, outcomes, person, record, secret_key, symmetric,
    verified,
};

const CHIP: &str = "0011223344556677";

/// Serves the plant's authority until the test ends; its address.
pub async fn serving(plant: &Plant) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let trust = plant.authority.trust().clone();
    let certificate = plant.ceremony_membership.member_certificate.0.clone();
    let key = Zeroizing::new(plant.own_key.expose().to_vec());
    let credential = Credential::member(&trust, certificate, key);
    let tls = HostTls::new(trust, &credential, Arc::clone(&plant.clock) as _).unwrap();
    let router = Arc::clone(&plant.authority).router();
    let limits = Limits {
        open_to_all: OPEN_TO_ALL,
        open_to_common: OPEN_TO_COMMON,
        open_to_expired: OPEN_TO_EXPIRED,
        ..Limits::default()
    };
    tokio::spawn(serve(listener, Arc::new(tls), router, limits, std::future::pending()));
    url
}

pub fn refusal<T>(result: Result<T, CallError>) -> Problem {
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
    let records =
        vec![record(1, number, Event::Stocked), record(2, number, verified(numbered, "0011223344556677"))];
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

/// Joins as this member; a client that shows its certificate.
async fn joined(plant: &Plant, url: &str, member: Member) -> Client {
    let root = plant.authority.trust().root_fingerprint();
    let token = plant.authority.desk().invite(&member, url, root, 600, &person()).await.unwrap();
    let joined = join(&token, Arc::clone(&plant.clock) as _).await.unwrap();
    let (trust, clock) = (HostTrust::Plant(plant.authority.trust().clone()), Arc::clone(&plant.clock));
    Client::new(trust, Some(&joined.credential().unwrap()), head_office(), url, clock as _).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_order_what_is_symmetric_and_only_authenticators_hear_of_devices() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B500", symmetric(SymmetricForm::Sealed, Sealing::PreWriteKey)).await;
    let url = serving(&plant).await;
    let gateway = joined(&plant, &url, Member::gateway(osaka())).await;
    let europe = Member::authenticator("europe".parse().unwrap());
    let authenticator = joined(&plant, &url, europe.clone()).await;
    let supplies = Member::service("supplies".parse().unwrap());
    let service = joined(&plant, &url, supplies.clone()).await;

    let order =
        ApparatusPackRequest { order: OrderId::new([1; 16]), product: "B500".parse().unwrap(), count: 2 };
    let packs: ApparatusPacks = gateway.post_json("/v1/apparatus-packs", &order).await.unwrap();
    let pack = &packs.packs[0];
    let records = vec![
        record(1, &pack.apparatus_id, Event::Stocked),
        record(2, &pack.apparatus_id, bound(pack, &opened(pack, "B500", &key), "B500-123456", CHIP)),
    ];
    let answer: ReportAnswer = gateway.post_json("/v1/reports", &Report { records }).await.unwrap();
    assert!(answer.records.iter().all(|answer| answer.problem.is_none()), "{answer:?}");

    let told: Registrations = authenticator.get_json("/v1/registrations?after=0").await.unwrap();
    assert!(told == plant.authority.registrations(0).await.unwrap() && told.records.len() == 2);
    let rest: Registrations = authenticator.get_json("/v1/registrations?after=2").await.unwrap();
    assert!(rest.records.is_empty());
    for query in ["", "?after=x", "?after=-1", "?after=0&before=9"] {
        let path = format!("/v1/registrations{query}");
        let malformed = refusal(authenticator.get_json::<Registrations>(&path).await);
        assert_eq!(malformed.code, ProblemCode::MalformedRequest, "{query}");
    }
    for stranger in [&gateway, &service] {
        let refused = refusal(stranger.get_json::<Registrations>("/v1/registrations?after=0").await);
        assert_eq!(refused.code, ProblemCode::NotAllowed);
        let refused = refusal(stranger.get_json::<ShutOut>("/v1/shut-out").await);
        assert_eq!(refused.code, ProblemCode::NotAllowed);
    }
    for path in ["/v1/apparatus-packs", "/v1/device-packs"] {
        let refused = refusal(authenticator.post_json::<_, ApparatusPacks>(path, &order).await);
        assert_eq!(refused.code, ProblemCode::NotAllowed, "{path}");
    }

    let nobody: ShutOut = authenticator.get_json("/v1/shut-out").await.unwrap();
    assert!(nobody.services.is_empty() && nobody.certificate_serials.is_empty());
    plant.authority.desk().revoke(&supplies, &person()).await.unwrap();
    let shut: ShutOut = authenticator.get_json("/v1/shut-out").await.unwrap();
    assert_eq!((shut.services.len(), shut.certificate_serials.len()), (1, 1));
    joined(&plant, &url, supplies).await;
    let back: ShutOut = authenticator.get_json("/v1/shut-out").await.unwrap();
    assert_eq!((back.services.len(), &back.certificate_serials), (0, &shut.certificate_serials));
    plant.authority.desk().revoke(&europe, &person()).await.unwrap();
    let revoked = refusal(authenticator.get_json::<Registrations>("/v1/registrations?after=0").await);
    assert_eq!(revoked.code, ProblemCode::NotAllowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_certificate_collects_it_over_its_own_connection_only() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let own = CertificateProfile { algorithm: KeyAlgorithm::P384, origin: KeyOrigin::Device };
    plant.set_product("B800", CredentialProfile::new(Some(own), None, Sealing::Plain).unwrap()).await;
    plant.allot("B800", Some(5), Some(("123000", "123999"))).await.unwrap();
    let (key, number) = (BornKey::new(KeyAlgorithm::P384), "B800-123456".parse().unwrap());
    let proof = key.proof(&number, &CredentialPack::default(), CHIP);
    let (station, signing_request) = ("line-1".parse().unwrap(), key.request.clone());
    let born = Event::KeyBorn { station, signing_request, proof };
    assert_eq!(outcomes(&plant.report(vec![record(1, &number, born)]).await), [Ok(Verified)]);

    let address = serving(&plant).await.trim_start_matches("https://").parse().unwrap();
    let trust = HostTrust::Plant(plant.authority.trust().clone());
    let connect = async || {
        Channel::connect(address, trust.clone(), head_office(), Arc::clone(&plant.clock) as _).await.unwrap()
    };
    let (mut channel, mut other) = (connect().await, connect().await);
    let asked = key.collection(&number, &channel.binding().0);
    let pack: CredentialPack = channel.post_json("/v1/collections", &asked).await.unwrap();
    assert!(key.is_certified_by(&pack.certificate.unwrap().client_certificate));
    let relayed = refusal(other.post_json::<_, CredentialPack>("/v1/collections", &asked).await);
    assert_eq!(relayed.code, ProblemCode::NotAllowed);
    let closed = refusal(other.post_json::<_, CredentialPack>("/v1/device-packs", &asked).await);
    assert_eq!(closed.code, ProblemCode::NotAuthenticated);
}
