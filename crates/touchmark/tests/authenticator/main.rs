//! The authenticator as a process of its own: joins, follows registrations, authenticates, is killed,
//! goes on, is told to revoke; and emulated devices that come to it.
#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod device;
mod site;

use std::sync::Arc;

use message::bytes::SecretBytes;
use message::registration::Event;
use serde_json::Value;

use site::{AUTHENTICATOR, Authority, Installation, id};

/// The n-th device.
fn registered(n: u8) -> Event {
    Event::Registered {
        apparatus_id: id(n),
        pass_phrase: SecretBytes::new(vec![n; 32]),
        device_number: format!("A123-{n:06}").parse().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_joins_serves_is_killed_goes_on_and_revokes() {
    let authority = Arc::new(Authority::new((1..=3).map(registered)));
    let token = authority.serve().await.to_text();
    let here = Installation::new();
    assert_eq!(here.json(&["join", &token]).await["member"], AUTHENTICATOR);
    assert_eq!(here.run(&["join", &token]).await.status.code(), Some(1), "it has joined already");

    let served = here.serve().await;
    here.wait_for_registrations(3).await;
    assert!(authority.device(1, 1, served.address).await.is_some());
    assert!(authority.device(1, 9, served.address).await.is_none(), "a clone without the secret");
    assert!(authority.device(4, 4, served.address).await.is_none(), "nobody's device");
    drop(served);

    let served = here.serve().await;
    assert!(authority.device(2, 2, served.address).await.is_some());
    let revoked = here.json(&["revoke", &id(2).text(), "--reason", "stolen"]).await;
    assert_eq!(revoked["wasRegistered"], true);
    assert!(authority.device(2, 2, served.address).await.is_none());
    let again = here.json(&["revoke", &id(2).text(), "--reason", "again"]).await;
    assert_eq!((again["wasRegistered"].clone(), &again["since"]), (Value::Bool(false), &revoked["since"]));
    assert!(authority.device(3, 3, served.address).await.is_some());

    let status = here.json(&["status"]).await;
    assert_eq!((status["registered"].clone(), status["revoked"].clone()), (2.into(), 1.into()));
    assert_eq!(status["sequence"], 3);
    assert!(status["heard"].is_number());
}
