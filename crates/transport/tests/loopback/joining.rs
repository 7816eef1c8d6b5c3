//! A newcomer becomes the member that its token names, with a key that only it has, or nothing.

use std::error::Error;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use cert::{Certificate, Refusal};
use der::Decode;
use identity::Clock;
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, Membership};
use message::problem::ProblemCode;
use transport::{CallError, JoinError, Joined, Json, Limits, Link, Refused, join};
use x509_cert::request::CertReq;

use crate::host::{Host, Note, member};
use crate::plant::{Draft, Key, NOW, Plant};

const SECRET: &[u8] = b"a one-time secret of 256 bits...";

/// What a dishonest or broken host answers instead of a good membership.
type Spoil = fn(&mut Membership, &Plant);
type IsExpected = fn(&Refusal) -> bool;

/// A host that takes in whoever has the secret, once.
async fn host_that_takes_in(spoil: Spoil) -> Host {
    let plant = Arc::new(Plant::new());
    let used_by: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let take_in = {
        let plant = Arc::clone(&plant);
        move |Json(request): Json<JoinRequest>| {
            let answer = take_in(&plant, &mut used_by.lock().unwrap(), &request, spoil);
            async move { answer.map(Json) }
        }
    };
    let router =
        Router::new().route("/v1/join", post(take_in)).route("/v1/gateway", axum::routing::get(name));
    Host::start_with(plant, router, Limits::default(), Arc::new(AtomicU64::new(0))).await
}

async fn name(gateway: transport::Gateway) -> Json<Note> {
    Json(Note { text: gateway.name.to_string() })
}

fn take_in(
    plant: &Plant,
    used_by: &mut Option<Vec<u8>>,
    request: &JoinRequest,
    spoil: Spoil,
) -> Result<Membership, Refused> {
    let refused = || Refused::new(ProblemCode::TokenRefused, "the token is unknown or used");
    let first_user = used_by.get_or_insert_with(|| request.signing_request.0.clone());
    if request.secret.expose() != SECRET || *first_user != request.signing_request.0 {
        return Err(refused());
    }
    let signing_request = CertReq::from_der(&request.signing_request.0).map_err(|_| refused())?;
    let mut draft = Draft::member(&member("gateway:osaka"), &Key::p256());
    draft.spki = signing_request.info.public_key;
    let mut membership = Membership {
        root_certificate: Bytes(plant.root.der.clone()),
        plant_certificate: Bytes(plant.plant.der.clone()),
        issuing_certificates: vec![Bytes(plant.issuing.der.clone())],
        common_ca_certificate: None,
        member_certificate: Bytes(draft.sign(&plant.plant)),
    };
    spoil(&mut membership, plant);
    Ok(membership)
}

fn token(host: &Host, address: std::net::SocketAddr) -> JoinToken {
    JoinToken {
        url: format!("https://{address}"),
        host: member("authority:head-office"),
        member: member("gateway:osaka"),
        root_sha256: host.plant.trust().root_fingerprint().to_string(),
        secret: SecretBytes::new(SECRET.to_vec()),
    }
}

async fn join_at(host: &Host, token: &JoinToken) -> Result<Joined, JoinError> {
    join(token, Arc::clone(&host.clock) as Arc<dyn Clock>).await
}

#[tokio::test]
async fn a_newcomer_becomes_the_tokens_member() {
    let host = host_that_takes_in(|_, _| {}).await;
    let joined = join_at(&host, &token(&host, host.address)).await.unwrap();
    let identity =
        joined.trust().unwrap().verify_member(&joined.membership.member_certificate.0, NOW).unwrap();
    assert_eq!(identity.member, member("gateway:osaka"));
    let client = host.client_with(Some(&joined.credential().unwrap()));
    assert_eq!(client.get_json::<Note>("/v1/gateway").await.unwrap().text, "osaka");
}

#[tokio::test]
async fn a_used_or_wrong_secret_is_refused() {
    let host = host_that_takes_in(|_, _| {}).await;
    let token = token(&host, host.address);
    assert!(join_at(&host, &token).await.is_ok());
    let wrong = JoinToken { secret: SecretBytes::new(b"a guess".to_vec()), ..token.clone() };
    for token in [&token, &wrong] {
        match join_at(&host, token).await {
            Err(JoinError::Call { source: CallError::Refused(problem), .. }) => {
                assert_eq!(problem.code, ProblemCode::TokenRefused);
            }
            other => panic!("{:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_burn_the_token() {
    let host = host_that_takes_in(|_, _| {}).await;
    let link = Link::start(host.address).await.unwrap();
    link.drop_answer(1);
    assert!(join_at(&host, &token(&host, link.address())).await.is_ok());
}

#[tokio::test]
async fn only_the_host_with_the_pinned_root_and_name_hears_the_secret() {
    let host = host_that_takes_in(|_, _| {}).await;
    let good = token(&host, host.address);
    let other_root = Plant::new().trust().root_fingerprint().to_string();
    for bad in [
        JoinToken { root_sha256: other_root, ..good.clone() },
        JoinToken { host: member("authority:elsewhere"), ..good.clone() },
    ] {
        let refused = join_at(&host, &bad).await;
        assert!(matches!(refused, Err(JoinError::Call { source: CallError::Unreachable(_), .. })));
    }
    assert!(join_at(&host, &good).await.is_ok(), "the token is still unused");
    let damaged = JoinToken { root_sha256: "not a fingerprint".into(), ..good };
    assert!(matches!(join_at(&host, &damaged).await, Err(JoinError::Token)));
}

#[tokio::test]
async fn a_membership_that_is_not_the_tokens_is_refused() {
    let other_name: Spoil = |membership, plant| {
        let key = Certificate::parse(&membership.member_certificate.0).unwrap();
        let mut draft = Draft::member(&member("gateway:nagoya"), &Key::p256());
        draft.spki = spki_of(&key);
        membership.member_certificate = Bytes(draft.sign(&plant.plant));
    };
    let other_key: Spoil = |membership, plant| {
        let draft = Draft::member(&member("gateway:osaka"), &Key::p256());
        membership.member_certificate = Bytes(draft.sign(&plant.plant));
    };
    let other_plant: Spoil = |membership, _| {
        let plant = Plant::new();
        membership.root_certificate = Bytes(plant.root.der.clone());
        membership.plant_certificate = Bytes(plant.plant.der.clone());
        membership.issuing_certificates.clear();
    };
    let garbage: Spoil = |membership, _| membership.member_certificate = Bytes(b"garbage".to_vec());
    let cases: [(Spoil, IsExpected); 4] = [
        (other_name, |refusal| matches!(refusal, Refusal::OtherMember { .. })),
        (other_key, |refusal| *refusal == Refusal::Key),
        (other_plant, |refusal| *refusal == Refusal::OtherRoot),
        (garbage, |refusal| *refusal == Refusal::Malformed),
    ];
    for (spoil, is_expected) in cases {
        let host = host_that_takes_in(spoil).await;
        let error = join_at(&host, &token(&host, host.address)).await.err().unwrap();
        let refusal = error.source().and_then(|source| source.downcast_ref::<Refusal>()).unwrap();
        assert!(is_expected(refusal), "{refusal:?}");
    }
}

fn spki_of(certificate: &Certificate) -> spki::SubjectPublicKeyInfoOwned {
    let certificate = x509_cert::Certificate::from_der(certificate.der()).unwrap();
    certificate.tbs_certificate().subject_public_key_info().clone()
}
