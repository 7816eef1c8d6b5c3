//! What is damaged, forged, cut off or not meant for its receiver is refused, and nothing of it is taken in.

use bundle::envelope::{Place, seal};
use bundle::{BundleError, open, read_trusted, split};
use identity::{Clock, Member};
use message::bundle::{Bundle, Contents, Party};
use store::testing::{TestDatabase, on_both};
use touchmark::surroundings::SystemClock;

use crate::works::{PLAIN, Works};

async fn works() -> Works {
    Works::new([TestDatabase::sqlite(), TestDatabase::sqlite()]).await
}

fn is_believed(works: &Works, file: &[u8]) -> bool {
    let Ok(documents) = split(file) else { return false };
    documents.iter().all(|document| open(document, &works.trust, SystemClock.epoch_seconds()).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_any_byte_changed_or_missing_is_refused() {
    let works = works().await;
    works.exchange().await;
    let file = works.file_up().await;
    assert!(is_believed(&works, &file));
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(!is_believed(&works, &changed), "byte {at} of {}", file.len());
    }
    // Cut between two bundles, a file is a file of the first ones; the others come with the next.
    let mut whole = 0;
    let ends = split(&file).unwrap().into_iter().map(|document| {
        whole += document.len();
        whole
    });
    let ends: Vec<usize> = ends.collect();
    for length in (0..file.len()).filter(|length| !ends.contains(length)) {
        assert!(!is_believed(&works, &file[..length]), "cut off after {length} bytes");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(!is_believed(&works, &longer));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_answer_of_packs_with_any_of_a_sample_of_bytes_changed_is_refused() {
    let works = works().await;
    works.exchange().await;
    for document in split(&works.file_up().await).unwrap() {
        works.take_up(document).await.unwrap();
    }
    let file = works.file_down().await;
    assert!(is_believed(&works, &file));
    for at in (0..file.len()).step_by(97) {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        assert!(!is_believed(&works, &changed), "byte {at} of {}", file.len());
    }
}

/// The bundle with something else in it, signed again by its sender.
fn changed(works: &Works, document: &[u8], change: impl FnOnce(&mut Bundle)) -> Vec<u8> {
    let mut bundle = read_trusted(document).unwrap();
    change(&mut bundle);
    works.as_gateway.sign(&bundle).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_for_someone_else_by_someone_else_or_of_another_kind_is_refused() {
    let works = works().await;
    let up = works.file_up().await;
    let elsewhere = Party::Member(Member::authority("elsewhere".parse().unwrap()));
    let refused = [
        (changed(&works, &up, |bundle| bundle.to = elsewhere.clone()), "is for"),
        (changed(&works, &up, |bundle| bundle.from = elsewhere.clone()), "signed it"),
        (changed(&works, &up, |bundle| bundle.version = 2), "version 2"),
        (changed(&works, &up, |bundle| bundle.sequence = 0), "comes before it"),
        (works.file_down().await, "no gateway"),
    ];
    for (document, reason) in refused {
        let found = works.take_up(&document).await.unwrap_err();
        assert!(found.contains(reason), "{found}");
    }
    // A gateway's bundle is none of the authority's.
    assert!(works.take_down(&up).await.unwrap_err().contains("not from"));
    assert!(works.take_up(&up).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bundle_of_a_number_is_told_from_the_first_one_again() {
    on_both(async |database| {
        let works = Works::new([database, TestDatabase::sqlite()]).await;
        let up = works.file_up().await;
        works.take_up(&up).await.unwrap();
        // The same said again is the same bundle, though a signature never comes out the same.
        let again = changed(&works, &up, |_| {});
        assert_ne!(again, up);
        assert!(works.take_up(&again).await.is_ok());
        let other = changed(&works, &up, |bundle| bundle.taken = 7);
        assert!(works.take_up(&other).await.unwrap_err().contains("said something else"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_shut_out_is_not_heard() {
    let works = works().await;
    let up = works.file_up().await;
    let gateway = Member::gateway("osaka".parse().unwrap());
    works.authority.desk().revoke(&gateway, &crate::works::person()).await.unwrap();
    assert!(works.take_up(&up).await.unwrap_err().contains("revoked"));
}

/// Packs that cannot be opened are no end of it: they are ordered again.
#[tokio::test(flavor = "multi_thread")]
async fn packs_that_the_gateway_cannot_open_are_ordered_again() {
    let mut works = works().await;
    works.exchange().await;
    // The orders name a key that the gateway does not have, as after its books were put back.
    let up = works.file_up().await;
    let other = bundle::ReceiverKey::generate().unwrap();
    let up = changed(&works, split(&up).unwrap()[0], |bundle| {
        if let Contents::Orders(orders) = &mut bundle.contents {
            orders.key.0 = other.public.clone();
        }
    });
    works.take_up(&up).await.unwrap();
    let down = works.file_down().await;
    let received = open(&down, &works.trust, SystemClock.epoch_seconds()).unwrap();
    let (desk, authority) = (works.gateway().desk(), works.head_office.clone());
    desk.receive_bundle(received, &down, &authority, &crate::works::person()).await.unwrap();
    let taken = works.gateway().take_bundles().await.unwrap();
    assert!(taken[0].fault.as_ref().unwrap().contains("another key"), "{taken:?}");
    assert_eq!(taken[0].stocked, 0);
    works.exchange().await;
    assert!(works.make(PLAIN).await);
    works.is_conserved().await.unwrap();
}

#[test]
fn what_is_sealed_opens_with_its_key_and_in_its_place_only() {
    let [one, other] = [(); 2].map(|()| bundle::ReceiverKey::generate().unwrap());
    let [from, to] = ["3012-123456", "3012-123457"].map(|number| number.parse::<Party>().unwrap());
    let place = Place { from: &from, to: &to, sequence: 1 };
    let sealed = seal(&one.public, place, b"packs").unwrap();
    let opened = |key: &bundle::ReceiverKey, place| bundle::envelope::unseal(&key.secret, place, &sealed);
    assert_eq!(opened(&one, place).unwrap().as_slice(), b"packs");
    assert!(opened(&other, place).is_err());
    assert!(opened(&one, Place { sequence: 2, ..place }).is_err());
    assert!(opened(&one, Place { from: &to, ..place }).is_err());
    assert!(opened(&one, Place { to: &from, ..place }).is_err());
    assert!(seal(&[4; 65], place, b"packs").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_and_a_strangers_bundle_are_refused() {
    let (works, strangers) = (works().await, works().await);
    assert!(matches!(split(&[]), Err(BundleError::Malformed)));
    let up = strangers.file_up().await;
    let found = open(&up, &works.trust, SystemClock.epoch_seconds()).unwrap_err();
    assert!(matches!(found, BundleError::Sender(_)), "{found}");
}
