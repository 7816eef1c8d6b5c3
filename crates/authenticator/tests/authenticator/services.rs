//! What services, the authority and everyone else may ask.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use authenticator::token::{TokenRefused, verify};
use authenticator::{Authenticator, AuthenticatorError};
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use identity::{ApparatusId, Clock, Member};
use message::authenticate::{Introspection, JwkSet, Revocation, RevocationRequest};
use message::bytes::SecretBytes;
use message::problem::ProblemCode;
use message::registration::{Event, Registration, RegistrationQuery, Registrations};
use store::audit::Actor;
use store::testing::{TestDatabase, on_both};
use transport::{CallError, Client};

use crate::plant::{AUTHENTICATOR, NOW, Plant, TestRandom, credential, hasty, register, registered};

const SUPPLIES: &str = "urn:touchmark:service:supplies";
const OTHER: &str = "urn:touchmark:service:other";
const AUTHORITY: &str = "urn:touchmark:authority:head-office";

async fn token(plant: &Plant, address: SocketAddr, n: u8) -> String {
    let mut channel = plant.channel(AUTHENTICATOR, address).await;
    let server: Member = AUTHENTICATOR.parse().unwrap();
    let service = "supplies".parse().unwrap();
    let credential = credential(n);
    let session =
        authenticator::caller::authenticate(&mut channel, &credential, &server, service, &TestRandom);
    session.await.unwrap().token
}

async fn introspect(client: &Client, token: &str) -> Introspection {
    client.post_form("/v1/introspect", &[("token", token)]).await.unwrap()
}

fn code<T>(answer: Result<T, CallError>) -> ProblemCode {
    match answer {
        Err(CallError::Refused(problem)) => problem.code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was not refused"),
    }
}

#[tokio::test]
async fn a_service_checks_a_token_by_itself() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let token = token(&plant, address, 1).await;

    // The keys are public: nobody needs a certificate to ask for them.
    let keys: JwkSet =
        plant.client(None, AUTHENTICATOR, address).get_json("/.well-known/jwks.json").await.unwrap();
    let server: Member = AUTHENTICATOR.parse().unwrap();
    let verify_as = |service: &str, token: &str, now| {
        verify(token, &keys, &server, &service.parse().unwrap(), now)
            .map(|claims| claims.device_number.to_string())
    };
    assert_eq!(verify_as(SUPPLIES, &token, NOW), Ok("A123-000001".to_string()));
    assert_eq!(verify_as(SUPPLIES, &token, NOW + 299), Ok("A123-000001".to_string()));
    assert_eq!(verify_as(SUPPLIES, &token, NOW + 300), Err(TokenRefused::Ended));
    assert_eq!(verify_as(OTHER, &token, NOW), Err(TokenRefused::Invalid));
    let other_server = "urn:touchmark:authenticator:asia".parse().unwrap();
    assert_eq!(
        verify(&token, &keys, &other_server, &SUPPLIES.parse().unwrap(), NOW),
        Err(TokenRefused::Invalid)
    );
    let nobodys = verify(&token, &JwkSet { keys: Vec::new() }, &server, &SUPPLIES.parse().unwrap(), NOW);
    assert_eq!(nobodys, Err(TokenRefused::UnknownKey));

    for position in (0..token.len()).filter(|position| token.as_bytes()[*position] != b'.') {
        // Base64 leaves bits unused in a part's last character; every other one counts.
        let is_last = token.as_bytes().get(position + 1).is_none_or(|next| *next == b'.');
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(is_last || verify_as(SUPPLIES, &changed, NOW).is_err(), "character {position}");
    }
}

#[tokio::test]
async fn a_token_without_signature_or_with_another_algorithm_is_refused() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let keys = here.keys().await.unwrap();
    let (server, service): (Member, Member) = (AUTHENTICATOR.parse().unwrap(), SUPPLIES.parse().unwrap());
    let token = token(&plant, address, 1).await;
    let claims = verify(&token, &keys, &server, &service, NOW).unwrap();

    // The public key, taken for the secret of an HMAC.
    let header = Header { kid: Some(keys.keys[0].kid.clone()), ..Header::new(Algorithm::HS256) };
    let forged = encode(&header, &claims, &EncodingKey::from_secret(keys.keys[0].x.as_bytes())).unwrap();
    assert_eq!(verify(&forged, &keys, &server, &service, NOW), Err(TokenRefused::Invalid));

    let payload = token.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    assert_eq!(verify(&unsigned, &keys, &server, &service, NOW), Err(TokenRefused::Invalid));
}

#[tokio::test]
async fn a_service_asks_and_hears_of_a_revocation_at_once() {
    on_both(async |database| {
        let plant = Plant::new();
        let here = plant.authenticator(&database.url, hasty()).await;
        register(&here, 2).await;
        let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
        let token = token(&plant, address, 1).await;
        let supplies = plant.client(Some(SUPPLIES), AUTHENTICATOR, address);
        let other = plant.client(Some(OTHER), AUTHENTICATOR, address);
        let authority = plant.client(Some(AUTHORITY), AUTHENTICATOR, address);

        let good = introspect(&supplies, &token).await;
        assert!(good.active);
        assert_eq!(good.claims.unwrap().sub, ApparatusId::new([1; 16]));
        let inactive = Introspection { active: false, claims: None };
        assert_eq!(introspect(&other, &token).await, inactive);
        assert_eq!(introspect(&supplies, "no token").await, inactive);

        let request =
            RevocationRequest { apparatus_id: ApparatusId::new([1; 16]), reason: "scrapped".to_string() };
        let by_service: Result<Revocation, _> = supplies.post_json("/v1/revocations", &request).await;
        assert_eq!(code(by_service), ProblemCode::NotAllowed);
        assert!(introspect(&supplies, &token).await.active);

        let revoked: Revocation = authority.post_json("/v1/revocations", &request).await.unwrap();
        assert_eq!(revoked.since, plant.clock.epoch_seconds());
        assert_eq!(introspect(&supplies, &token).await, inactive);
        plant.clock.advance(5);
        let again: Revocation = authority.post_json("/v1/revocations", &request).await.unwrap();
        assert_eq!(again, revoked);
    })
    .await;
}

#[tokio::test]
async fn nothing_but_what_is_meant_for_devices_is_open_to_all() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    let address = plant.host(AUTHENTICATOR, here.router()).await;
    let nobody = plant.client(None, AUTHENTICATOR, address);
    let asked: Result<Introspection, _> = nobody.post_form("/v1/introspect", &[("token", "x")]).await;
    assert_eq!(code(asked), ProblemCode::NotAuthenticated);
    let station = plant.client(Some("urn:touchmark:station:osaka:line-1"), AUTHENTICATOR, address);
    let asked: Result<Introspection, _> = station.post_form("/v1/introspect", &[("token", "x")]).await;
    assert_eq!(code(asked), ProblemCode::NotAllowed);
    let asked: Result<Introspection, _> = plant
        .client(Some(SUPPLIES), AUTHENTICATOR, address)
        .post_form("/v1/introspect", &[("word", "x")])
        .await;
    assert_eq!(code(asked), ProblemCode::MalformedRequest);
    assert_eq!(code(nobody.get_json::<JwkSet>("/openapi.json").await), ProblemCode::NotAuthenticated);
}

#[tokio::test]
async fn keys_change_and_the_old_ones_stay_until_their_tokens_have_ended() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    let names = async || here.keys().await.unwrap().keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
    register(&here, 1).await;
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let first = names().await;
    assert_eq!(first.len(), 1);

    plant.clock.advance(30 * 86_400);
    let token = token(&plant, address, 1).await;
    let both = names().await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], first[0]);
    let server = AUTHENTICATOR.parse().unwrap();
    let now = plant.clock.epoch_seconds();
    let keys = here.keys().await.unwrap();
    assert!(verify(&token, &keys, &server, &SUPPLIES.parse().unwrap(), now).is_ok());

    plant.clock.advance(300);
    here.sweep().await.unwrap();
    assert_eq!(names().await, both[..1]);
}

/// An authority with some registrations, two a page.
async fn authority(plant: &Plant, records: &Arc<Mutex<Vec<Registration>>>) -> Client {
    async fn page(
        State(records): State<Arc<Mutex<Vec<Registration>>>>,
        Query(query): Query<RegistrationQuery>,
    ) -> Json<Registrations> {
        let records = records.lock().unwrap();
        let next = records.iter().filter(|record| record.sequence > query.after).take(2);
        Json(Registrations { records: next.cloned().collect() })
    }
    let router = Router::new().route("/v1/registrations", get(page)).with_state(Arc::clone(records));
    let address = plant.host(AUTHORITY, router).await;
    plant.client(Some(AUTHENTICATOR), AUTHORITY, address)
}

async fn known(here: &Authenticator, ids: std::ops::RangeInclusive<u8>) -> Vec<bool> {
    let mut known = Vec::new();
    for n in ids {
        known.push(here.register().holds(ApparatusId::new([n; 16])).await.unwrap());
    }
    known
}

#[tokio::test]
async fn registrations_are_followed_in_order_and_contradictions_hold_up_nothing() {
    on_both(async |database| {
        let plant = Plant::new();
        let records = Arc::new(Mutex::new((1..=5).map(|n| registered(n.into(), n)).collect::<Vec<_>>()));
        let authority = authority(&plant, &records).await;
        let here = plant.authenticator(&database.url, hasty()).await;
        assert_eq!(here.pull(&authority).await.unwrap(), 5);
        assert_eq!(here.pull(&authority).await.unwrap(), 0);

        let id = |n: u8| ApparatusId::new([n; 16]);
        let as_registered = |sequence, apparatus_id, pass_phrase: [u8; 32], number: &str| Registration {
            sequence,
            event: Event::Registered {
                apparatus_id,
                pass_phrase: SecretBytes::new(pass_phrase.to_vec()),
                device_number: number.parse().unwrap(),
            },
        };
        let Event::Registered { apparatus_id, device_number, .. } = registered(9, 8).event else {
            unreachable!()
        };
        let pass_phrase = SecretBytes::new(vec![1; 31]);
        let short = Event::Registered { apparatus_id, pass_phrase, device_number };
        let revoke = Event::Revoked { apparatus_id: id(3), reason: "scrapped".to_string() };
        records.lock().unwrap().extend([
            Registration { sequence: 6, event: revoke },
            as_registered(7, id(4), [4; 32], "A123-000009"),
            as_registered(8, id(9), [9; 32], "A123-000005"),
            Registration { sequence: 9, event: short },
            registered(10, 10),
        ]);
        // Another instance, after a restart.
        let here = plant.authenticator(&database.url, hasty()).await;
        assert_eq!(here.pull(&authority).await.unwrap(), 5);
        assert_eq!(known(&here, 1..=5).await, [true, true, false, true, true]);
        assert_eq!(known(&here, 8..=10).await, [false, false, true]);

        let status = here.register().status().await.unwrap();
        assert_eq!((status.apparatuses.registered, status.apparatuses.revoked), (5, 1));
        assert_eq!(status.feed.sequence, 10);
        assert_eq!(status.refused.iter().map(|refused| refused.sequence).collect::<Vec<_>>(), [9, 8, 7]);
    })
    .await;
}

#[tokio::test]
async fn a_missing_record_stops_the_feed_and_stores_nothing() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let records = Arc::new(Mutex::new(vec![registered(1, 1), registered(3, 3)]));
    let authority = authority(&plant, &records).await;
    let here = plant.authenticator(&database.url, hasty()).await;
    let pulled = here.pull(&authority).await;
    assert!(matches!(pulled, Err(AuthenticatorError::Gap { expected: 2, found: 3 })), "{pulled:?}");
    assert_eq!(known(&here, 1..=3).await, [false, false, false]);
}

#[tokio::test]
async fn no_pass_phrase_lies_in_the_store_and_a_revoked_one_not_even_sealed() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 3).await;
    here.register().revoke(ApparatusId::new([2; 16]), "scrapped", &Actor::person("tester")).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(database.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        for n in 1..=3u8 {
            assert!(!bytes.windows(32).any(|window| window == [n; 32]), "pass phrase {n}");
        }
    }
    assert!(files > 0);
}
