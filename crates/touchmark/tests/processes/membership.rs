//! Those who join the authority besides gateways: an authenticator as a process of its own, and a
//! service that asks it.

use std::sync::Arc;

use cert::tls::HostTrust;
use message::authenticate::Introspection;
use message::join::JoinToken;
use serde_json::Value;
use touchmark::surroundings::SystemClock;
use transport::{Client, join};

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

#[test]
fn an_authenticator_and_a_service_join_the_authority_and_trust_each_other() {
    let site = Site::new();
    let authority = site.set_up_authority();
    let token = invited(&site, "authenticator", "europe");
    assert_eq!(site.json(&["authenticator", "join", &token])["member"], AUTHENTICATOR);
    let (authenticator, started) = site.start(&["authenticator", "serve"]);
    assert_eq!(started["member"], AUTHENTICATOR);

    let token: JoinToken = invited(&site, "service", "supplies").parse().unwrap();
    let url = format!("https://{}", started["address"].as_str().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let introspection: Introspection = runtime.block_on(async {
        let joined = join(&token, Arc::new(SystemClock)).await.unwrap();
        assert!(join(&token, Arc::new(SystemClock)).await.is_err(), "a token works once");
        let trust = HostTrust::Plant(joined.trust().unwrap());
        let (own, host) = (joined.credential().unwrap(), AUTHENTICATOR.parse().unwrap());
        let service = Client::new(trust, Some(&own), host, &url, Arc::new(SystemClock)).unwrap();
        service.post_form("/v1/introspect", &[("token", "of nobody")]).await.unwrap()
    });
    assert!(!introspection.active, "it is heard, and its token is nobody's");
    assert_eq!(members(&site), [AUTHENTICATOR, "urn:touchmark:authority:head-office", SERVICE]);

    for member in [AUTHENTICATOR, SERVICE] {
        site.json(&["authority", "revoke", "member", member]);
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
