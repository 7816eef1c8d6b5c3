//! The breakable link: cut, mended, and losing exactly the answer it was told to lose.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use identity::Clock;
use transport::{CallError, Client, Limits, Link};

use crate::host::{Host, client_of, member};

async fn over_link(host: &Host) -> (Link, Client) {
    let link = Link::start(host.address).await.unwrap();
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let client = client_of(link.address(), host.trust(), member("authority:head-office"), Some(&own), clock);
    (link, client)
}

async fn count(client: &Client) -> Result<u64, CallError> {
    client.post_json("/v1/count", &()).await
}

#[tokio::test]
async fn a_cut_link_carries_nothing_until_it_is_mended() {
    let host = Host::start(Limits::default()).await;
    let (link, client) = over_link(&host).await;
    assert_eq!(count(&client).await.unwrap(), 1);
    link.cut();
    for _ in 0..3 {
        assert!(matches!(count(&client).await, Err(CallError::Unreachable(_))));
    }
    assert_eq!(host.counted.load(Ordering::SeqCst), 1);
    link.restore();
    assert_eq!(count(&client).await.unwrap(), 2);
}

#[tokio::test]
async fn the_told_answer_is_lost_after_its_request_got_through() {
    for k in 1..=4 {
        let host = Host::start(Limits::default()).await;
        let (link, client) = over_link(&host).await;
        link.drop_answer(k);
        for request in 1..=5 {
            let answer = count(&client).await;
            if request == k {
                assert!(matches!(answer, Err(CallError::Unreachable(_))), "answer {k} came through");
            } else {
                assert_eq!(answer.unwrap(), request);
            }
        }
        assert_eq!(host.counted.load(Ordering::SeqCst), 5, "every request got through");
    }
}

#[tokio::test]
async fn an_answer_can_be_lost_on_a_connection_that_is_already_open() {
    let host = Host::start(Limits::default()).await;
    let (link, client) = over_link(&host).await;
    assert_eq!(count(&client).await.unwrap(), 1);
    link.drop_answer(2);
    assert_eq!(count(&client).await.unwrap(), 2);
    assert!(matches!(count(&client).await, Err(CallError::Unreachable(_))));
    assert_eq!(count(&client).await.unwrap(), 4);
}
