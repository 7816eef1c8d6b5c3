//! Whom a host trusts changes while it serves: what it is told, it stores, and takes into use at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use cert::tls::Credential;
use message::bytes::Bytes;
use message::trust::{TrustReport, TrustedCas};
use tokio::time::timeout;
use transport::{Json, Limits, TrustError, TrustKeeper};

use crate::host::{Host, Note};
use crate::plant::{Ca, Draft, Key};

fn told(cas: &[&Ca]) -> TrustedCas {
    TrustedCas { issuing_certificates: cas.iter().map(|ca| Bytes(ca.der.clone())).collect() }
}

#[tokio::test]
async fn new_cas_are_let_in_and_what_a_retired_one_has_open_is_ended() {
    let host = Host::start(Limits { header: Duration::from_secs(3_600), ..Limits::default() }).await;
    let further = host.plant.root.subordinate("further");
    let stored: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let to = Arc::clone(&stored);
    let keeper = TrustKeeper::new(host.tls.trust()).serving_at(Arc::clone(&host.tls)).stored_by(move |cas| {
        *to.lock().unwrap() = cas.iter().map(|der| der.to_vec()).collect();
        Ok(())
    });
    let key = Key::p256();
    let certificate = Draft::device("3012-123457", &key).sign(&further);
    let new = host.client_with(Some(&Credential::new(vec![certificate], key.pkcs8())));
    let old = host.client_with(Some(&host.plant.device("3012-123456")));
    let number = async |client: &transport::Client| client.get_json::<Note>("/v1/device").await.ok();
    assert!(number(&old).await.is_some() && number(&new).await.is_none());

    assert!(keeper.take(&told(&[&host.plant.issuing, &further])).unwrap());
    assert!(!keeper.take(&told(&[&host.plant.issuing, &further])).unwrap(), "the same again is no news");
    assert!(number(&old).await.is_some() && number(&new).await.is_some());

    assert!(keeper.take(&told(&[&further])).unwrap());
    assert_eq!(*stored.lock().unwrap(), [further.der.as_slice()]);
    assert!(number(&old).await.is_none() && number(&new).await.is_some());
    assert_eq!(host.tls.end_untrusted(), 0, "what the old one had open was ended before");
}

#[tokio::test]
async fn a_ca_that_the_root_did_not_sign_is_refused_and_one_that_cannot_be_stored_is_not_used() {
    let host = Host::start(Limits::default()).await;
    let trust = host.tls.trust();
    let strange = Ca::root("root").subordinate("issuing");
    let keeper = TrustKeeper::new(trust.clone()).stored_by(|_| Err("the disk is full".into()));
    let refused = keeper.take(&told(&[&host.plant.issuing, &strange]));
    assert!(matches!(refused, Err(TrustError::Refused(_))), "{refused:?}");
    assert!(matches!(keeper.take(&told(&[])), Err(TrustError::Nobody)));
    let further = host.plant.root.subordinate("further");
    assert!(matches!(keeper.take(&told(&[&further])), Err(TrustError::Store(_))));
    let trusted: Vec<_> = trust.issuing().iter().map(|ca| ca.der().to_vec()).collect();
    assert_eq!(trusted, [host.plant.issuing.der.as_slice()]);
}

type Heard = Arc<Mutex<Vec<TrustReport>>>;

#[tokio::test]
async fn a_member_follows_its_host_and_says_what_it_has() {
    let plant = Arc::new(crate::plant::Plant::new());
    let further = plant.root.subordinate("further");
    let heard = Heard::default();
    let answer = told(&[&plant.issuing, &further]);
    let trust = async move |State(heard): State<Heard>, Json(report): Json<TrustReport>| {
        heard.lock().unwrap().push(report);
        Json(answer)
    };
    let router = Router::new().route("/v1/trust", post(trust)).with_state(Arc::clone(&heard));
    let host = Host::start_with(plant, router, Limits::default(), Arc::default()).await;
    let keeper = TrustKeeper::new(host.plant.trust());
    let before = keeper.issuing_sha256();
    let client = host.client("center:europe");
    let followed = async {
        while heard.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // It asks once an hour, and all the same says at once that it has what it was told.
    timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = keeper.follow(&client, Duration::from_secs(3_600)) => {}
            () = followed => {}
        }
    })
    .await
    .unwrap();
    let said: Vec<_> = heard.lock().unwrap().iter().map(|report| report.issuing_sha256.clone()).collect();
    assert_eq!(said, [before, keeper.issuing_sha256()]);
    assert_eq!(keeper.trust().issuing().len(), 2);
}
