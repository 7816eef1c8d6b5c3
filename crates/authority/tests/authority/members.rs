//! Members: invited, joined, admitted, revoked.

use std::process::Command;

use authority::AuthorityError;
use cert::Certificate;
use identity::Member;
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, MemberRequest, Membership};
use message::problem::ProblemCode;
use store::testing::{TestDatabase, on_both};

use crate::plant::{Plant, START, code, osaka, person};

const URL: &str = "https://127.0.0.1:7443";

/// A signing request for a new key, by openssl.
fn signing_request() -> Bytes {
    let directory = tempfile::tempdir().unwrap();
    let request = directory.path().join("request.der");
    let arguments = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -sha256 \
                     -subj /CN=whoever -outform DER -out request.der";
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory.path())
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Bytes(std::fs::read(request).unwrap())
}

async fn invite(plant: &Plant) -> JoinToken {
    invite_member(plant, &Member::gateway(osaka())).await.unwrap()
}

async fn invite_member(plant: &Plant, member: &Member) -> Result<JoinToken, AuthorityError> {
    let root = plant.authority.trust().root_fingerprint();
    plant.authority.desk().invite(member, URL, root, 600, &person()).await
}

fn request(token: &JoinToken, signing_request: &Bytes) -> JoinRequest {
    JoinRequest { secret: token.secret.clone(), signing_request: signing_request.clone() }
}

/// The gateway of this membership, as the transport shows it to the authority.
fn gateway(membership: &Membership) -> transport::Gateway {
    let certificate = Certificate::parse(&membership.member_certificate.0).unwrap();
    transport::Gateway { name: osaka(), certificate_serial: certificate.serial() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_one_gateway_and_the_same_key_gets_the_same_answer() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let token = invite(&plant).await;
        assert_eq!(token.to_text().parse::<JoinToken>().unwrap().member, Member::gateway(osaka()));
        let key = signing_request();
        let joined = plant.authority.join(&request(&token, &key)).await.unwrap();
        let found = plant.authority.trust().verify_member(&joined.member_certificate.0, START).unwrap();
        assert_eq!(found.member, Member::gateway(osaka()));
        plant.authority.desk().admit(&gateway(&joined)).await.unwrap();

        plant.clock.advance(3_600);
        assert_eq!(plant.authority.join(&request(&token, &key)).await.unwrap(), joined);
        let other = plant.authority.join(&request(&token, &signing_request())).await.unwrap_err();
        assert_eq!(code(&other), ProblemCode::TokenRefused);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_unknown_expired_or_withdrawn_is_refused() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = signing_request();
        let refusal = async |token: &JoinToken| {
            plant.authority.join(&request(token, &key)).await.err().map(|error| code(&error))
        };
        let mut unknown = invite(&plant).await;
        unknown.secret = SecretBytes::new(vec![0; 32]);
        assert_eq!(refusal(&unknown).await, Some(ProblemCode::TokenRefused));

        let late = invite(&plant).await;
        plant.clock.advance(600);
        assert_eq!(refusal(&late).await, Some(ProblemCode::TokenRefused));

        let withdrawn = invite(&plant).await;
        let desk = plant.authority.desk();
        desk.revoke(&Member::gateway(osaka()), &person()).await.unwrap();
        assert_eq!(refusal(&withdrawn).await, Some(ProblemCode::TokenRefused));
        let nobody = desk.revoke(&Member::gateway(osaka()), &person()).await.unwrap_err();
        assert_eq!(code(&nobody), ProblemCode::NotFound, "there is nobody left to revoke");
        for (member, refused) in [
            ("urn:touchmark:gateway:kyoto", ProblemCode::NotFound),
            ("urn:touchmark:station:osaka:line-1", ProblemCode::NotAllowed),
            ("urn:touchmark:authority:branch", ProblemCode::NotAllowed),
        ] {
            let refusal = invite_member(&plant, &member.parse().unwrap()).await.err().unwrap();
            assert_eq!(code(&refusal), refused, "{member}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_certificate_of_a_gateway_counts_until_it_is_revoked() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let desk = plant.authority.desk();
        let mut joined = Vec::new();
        for _ in 0..2 {
            let token = invite(&plant).await;
            joined.push(plant.authority.join(&request(&token, &signing_request())).await.unwrap());
        }
        let older = desk.admit(&gateway(&joined[0])).await.unwrap_err();
        assert_eq!(code(&older), ProblemCode::NotAllowed);
        desk.admit(&gateway(&joined[1])).await.unwrap();

        let open = invite(&plant).await;
        desk.revoke(&Member::gateway(osaka()), &person()).await.unwrap();
        assert_eq!(code(&desk.admit(&gateway(&joined[1])).await.unwrap_err()), ProblemCode::NotAllowed);
        let late = plant.authority.join(&request(&open, &signing_request())).await.unwrap_err();
        assert_eq!(code(&late), ProblemCode::TokenRefused, "its open invitation ended too");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticators_and_services_join_with_tokens_of_their_own_and_are_shut_out() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let desk = plant.authority.desk();
        for urn in ["urn:touchmark:authenticator:europe", "urn:touchmark:service:supplies"] {
            let member: Member = urn.parse().unwrap();
            let token = invite_member(&plant, &member).await.unwrap();
            let joined = plant.authority.join(&request(&token, &signing_request())).await.unwrap();
            let found = plant.authority.trust().verify_member(&joined.member_certificate.0, START).unwrap();
            assert_eq!(found.member, member);
            let is_shown = async || {
                let status = desk.status().await.unwrap();
                status.members.iter().any(|figures| figures.member == member)
            };
            assert!(is_shown().await, "{urn}");

            let open = invite_member(&plant, &member).await.unwrap();
            desk.revoke(&member, &person()).await.unwrap();
            assert!(!is_shown().await, "{urn}");
            let late = plant.authority.join(&request(&open, &signing_request())).await.unwrap_err();
            assert_eq!(code(&late), ProblemCode::TokenRefused, "{urn}");
        }
        plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_certified_within_the_factory_of_its_gateway() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = signing_request();
        let asked = MemberRequest { name: "line-1".parse().unwrap(), signing_request: key };
        let first = plant.authority.add_station(&osaka(), &asked).await.unwrap();
        assert_eq!(plant.authority.add_station(&osaka(), &asked).await.unwrap(), first);
        let station = plant.authority.trust().verify_member(&first.member_certificate.0, START).unwrap();
        assert_eq!(station.member.to_string(), "urn:touchmark:station:osaka:line-1");

        let again = MemberRequest { signing_request: signing_request(), ..asked.clone() };
        let second = plant.authority.add_station(&osaka(), &again).await.unwrap();
        assert_ne!(second.member_certificate, first.member_certificate);
        let status = plant.authority.desk().status().await.unwrap();
        let members: Vec<_> = status.members.iter().map(|member| member.member.to_string()).collect();
        let expected = ["urn:touchmark:authority:head-office", "urn:touchmark:station:osaka:line-1"];
        assert_eq!(members, expected, "one certificate a member");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_request_that_does_not_hold_is_refused() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let token = invite(&plant).await;
    let mut forged = signing_request();
    *forged.0.last_mut().unwrap() ^= 1;
    let refusal = plant.authority.join(&request(&token, &forged)).await.unwrap_err();
    assert_eq!(code(&refusal), ProblemCode::MalformedRequest);
    plant.authority.join(&request(&token, &signing_request())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_renews_its_own_certificate() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let (renewed, key) = plant.authority.renew_own().await.unwrap();
    assert_ne!(renewed.member_certificate, plant.ceremony_membership.member_certificate);
    assert!(key != plant.own_key);
    let host = crate::plant::head_office();
    plant.authority.trust().verify_host(&renewed.member_certificate.0, &host, START).unwrap();
}
