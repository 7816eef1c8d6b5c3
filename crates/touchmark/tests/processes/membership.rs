//! Those who join the authority besides gateways: an authenticator as a process of its own, and a
//! service that asks it.

use std::sync::Arc;
use std::time::Duration;

use cert::tls::HostTrust;
use message::authenticate::Introspection;
use message::join::JoinToken;
use message::problem::ProblemCode;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use touchmark::surroundings::SystemClock;
use transport::{CallError, Client, join};

use crate::site::Site;

const AUTHENTICATOR: &str = "urn:touchmark:authenticator:europe";
const SERVICE: &str = "urn:touchmark:service:supplies";

fn invited(site: &Site, role: &str, name: &str) -> String {
    let token = site.json(&["authority", "invite", role, "--name", name]);
    token["token"].as_str().unwrap().to_owned()
}

/// The members whose certificates count, as the authority shows them.
fn members(site: &Site) -> Vec<String> {
    let status = site.json(&["authority", "status"]);
    let members = status["members"].as_array().unwrap();
    members.iter().map(|row| row["member"].as_str().unwrap().to_owned()).collect()
}

async fn introspect(service: &Client) -> Result<Introspection, CallError> {
    service.post_form("/v1/introspect", &[("token", "of nobody")]).await
}

/// How the authenticator refuses the service, as soon as it does.
async fn refusal_within(patience: Duration, service: &Client) -> ProblemCode {
    let refusal = async {
        loop {
            match introspect(service).await {
                Ok(_) => sleep(Duration::from_millis(200)).await,
                Err(CallError::Refused(problem)) => return problem.code,
                Err(other) => panic!("{other}"),
            }
        }
    };
    timeout(patience, refusal).await.expect("it hears of the revocation")
}

#[test]
fn an_authenticator_and_a_service_join_the_authority_and_trust_each_other_until_it_revokes_one() {
    let site = Site::new();
    let authority = site.set_up_authority();
    let token = invited(&site, "authenticator", "europe");
    assert_eq!(site.json(&["authenticator", "join", &token])["member"], AUTHENTICATOR);
    let (authenticator, started) = site.start(&["authenticator", "serve"]);
    assert_eq!(started["member"], AUTHENTICATOR);

    let token: JoinToken = invited(&site, "service", "supplies").parse().unwrap();
    let url = format!("https://{}", started["address"].as_str().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(async {
        let joined = join(&token, Arc::new(SystemClock)).await.unwrap();
        assert!(join(&token, Arc::new(SystemClock)).await.is_err(), "a token works once");
        let trust = HostTrust::Plant(joined.trust().unwrap());
        let (own, host) = (joined.credential().unwrap(), AUTHENTICATOR.parse().unwrap());
        Client::new(trust, Some(&own), host, &url, Arc::new(SystemClock)).unwrap()
    });
    let introspection = runtime.block_on(introspect(&service)).unwrap();
    assert!(!introspection.active, "it is heard, and its token is nobody's");
    assert_eq!(members(&site), [AUTHENTICATOR, "urn:touchmark:authority:head-office", SERVICE]);

    site.json(&["authority", "revoke", "member", SERVICE]);
    let refused = runtime.block_on(refusal_within(Duration::from_secs(60), &service));
    assert_eq!(refused, ProblemCode::NotAllowed);
    site.json(&["authority", "revoke", "member", AUTHENTICATOR]);
    for member in [AUTHENTICATOR, SERVICE] {
        let again = site.run(&["authority", "revoke", "member", member]);
        assert_eq!(again.status.code(), Some(1), "nobody is left to shut out");
    }
    assert_eq!(members(&site), ["urn:touchmark:authority:head-office"]);
    let verified = site.json(&["audit", "verify", "--data", &site.file("authority")]);
    assert_eq!(verified["valid"], Value::Bool(true), "{verified}");
    for process in [authenticator, authority] {
        assert!(process.stop().success());
    }
}
