//! A station in dishonest hands: what it claims and what it does, and who finds out.
//!
//! It has a true station's certificate, holds the packs that it leases, and talks to the devices alone.

#![cfg(test)]
#![allow(clippy::unwrap_used)]

mod works;

use identity::CredentialState::{Leased as StillLeased, Stocked, Suspect, Verified};
use identity::line::Refusal;
use message::bytes::Bytes;
use message::pack::PackKey;
use message::problem::ProblemCode;
use seal::{Binding, PreWriteKey};
use works::{BOTH, PLAIN, SYMMETRIC, Works, apparatus_id, make_up, prove, write};

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_write_is_believed_by_all() {
    let works = Works::start().await;
    for (chip, number, product) in
        [(1, "3012-000001", PLAIN), (2, "A123-000001", BOTH), (3, "A125-000001", SYMMETRIC)]
    {
        let leased = works.lease(number, chip).await.unwrap();
        let mut device = works.device(product, chip);
        write(&mut device, &leased).unwrap();
        assert_eq!(works.claim(&leased, prove(&mut device)).await, Ok(Verified), "{number}");
        assert_eq!(works.settle().await, [] as [String; 0]);
        if leased.pack.certificate.is_some() {
            assert_eq!(works.certificate(&leased.number).await, Verified);
            assert_eq!(works.call(&mut device).await.unwrap().device_number, leased.number);
        }
        if leased.pack.apparatus.is_some() {
            assert_eq!(works.apparatus(&leased).await, Verified);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_happened_is_found_by_the_gateway_where_a_certificate_is_due() {
    let works = Works::start().await;
    let leased = works.lease("A123-000001", 1).await.unwrap();
    assert_eq!(works.claim(&leased, make_up(&leased, 1)).await, Err(ProblemCode::ProofFailed));
    assert_eq!(works.settle().await, [] as [String; 0]);
    assert_eq!((works.certificate(&leased.number).await, works.apparatus(&leased).await), (Suspect, Suspect));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_happened_is_found_by_the_authority_where_the_station_knows_what_the_gateway_knows()
 {
    let works = Works::start().await;
    let leased = works.lease("A125-000001", 1).await.unwrap();
    // The station was told the value for stations, and the gateway can check no other.
    assert_eq!(works.claim(&leased, make_up(&leased, 1)).await, Ok(Verified));
    let parked = works.settle().await;
    assert!(matches!(&parked[..], [reason] if reason.contains("proof-failed")), "{parked:?}");
    assert_eq!(works.apparatus(&leased).await, Stocked, "the authority knows of no device");
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_results_are_found() {
    let works = Works::start().await;
    let [one, other] =
        [works.lease("A125-000001", 1).await, works.lease("A125-000002", 2).await].map(Result::unwrap);
    let [mut first, mut second] = [works.device(SYMMETRIC, 1), works.device(SYMMETRIC, 2)];
    write(&mut first, &one).unwrap();
    write(&mut second, &other).unwrap();
    // As they are, the gateway sees that the chip, the pack and the apparatus are another's.
    assert_eq!(works.claim(&one, prove(&mut second)).await, Err(ProblemCode::ProofFailed));
    // Dressed up with all that the station knows, the gateway believes; the authority does not.
    let mut dressed_up = make_up(&other, 2);
    dressed_up.confirmation.as_mut().unwrap().authority = prove(&mut first).confirmation.unwrap().authority;
    assert_eq!(works.claim(&other, dressed_up).await, Ok(Verified));
    let parked = works.settle().await;
    assert!(matches!(&parked[..], [reason] if reason.contains("proof-failed")), "{parked:?}");
    assert_eq!(works.apparatus(&other).await, Stocked);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_confirmation_of_another_apparatus_is_found_by_the_gateway() {
    let works = Works::start().await;
    let [one, other] =
        [works.lease("A123-000001", 1).await, works.lease("A123-000002", 2).await].map(Result::unwrap);
    let [mut first, mut second] = [works.device(BOTH, 1), works.device(BOTH, 2)];
    write(&mut first, &one).unwrap();
    write(&mut second, &other).unwrap();
    let mut proof = prove(&mut first);
    proof.confirmation = prove(&mut second).confirmation;
    assert_eq!(works.claim(&one, proof).await, Err(ProblemCode::ProofFailed));
    assert_eq!(works.claim(&other, prove(&mut second)).await, Ok(Verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_result_is_good_for_nothing_else() {
    let works = Works::start().await;
    let leased = works.lease("A123-000001", 1).await.unwrap();
    let mut device = works.device(BOTH, 1);
    write(&mut device, &leased).unwrap();
    let recorded = prove(&mut device);
    assert_eq!(works.claim(&leased, recorded.clone()).await, Ok(Verified));
    // For another number and device.
    let other = works.lease("A123-000002", 2).await.unwrap();
    assert_eq!(works.claim(&other, recorded.clone()).await, Err(ProblemCode::ProofFailed));
    // For another number, and the same device.
    assert_eq!(works.lease("A123-000003", 1).await.err(), Some(ProblemCode::DeviceHoldsAnother));
    // For the same number, in an attempt that nobody made.
    let made_up = works::Leased { attempt: message::lease::AttemptId::new([1; 16]), ..leased };
    assert_eq!(works.claim(&made_up, recorded).await, Err(ProblemCode::NoLease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_in_two_devices_counts_once() {
    let works = Works::start().await;
    for (chips, number, product) in
        [([1, 2], "3012-000001", PLAIN), ([3, 4], "A123-000001", BOTH), ([5, 6], "A125-000001", SYMMETRIC)]
    {
        let leased = works.lease(number, chips[0]).await.unwrap();
        let [mut first, mut second] = chips.map(|chip| works.device(product, chip));
        write(&mut first, &leased).unwrap();
        write(&mut second, &leased).unwrap();
        assert_eq!(works.lease(number, chips[1]).await.err(), Some(ProblemCode::SecondDevice), "{number}");
        assert_eq!(works.claim(&leased, prove(&mut first)).await, Ok(Verified));
        // The result of the attempt stands, and there is no other attempt to be had.
        assert_eq!(works.claim(&leased, prove(&mut second)).await, Err(ProblemCode::Conflict));
        assert_eq!(works.lease(number, chips[1]).await.err(), Some(ProblemCode::SecondDevice), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_that_proves_itself_brings_both_into_doubt() {
    let works = Works::start().await;
    let leased = works.lease("A123-000001", 1).await.unwrap();
    let [mut first, mut second] = [works.device(BOTH, 1), works.device(BOTH, 2)];
    write(&mut first, &leased).unwrap();
    write(&mut second, &leased).unwrap();
    assert_eq!(works.claim(&leased, prove(&mut first)).await, Ok(Verified));
    works.settle().await;
    assert!(works.call(&mut first).await.is_ok());
    // What does not hold harms nobody.
    let forged = works.forge_binding(&leased, 2, &prove(&mut first)).await;
    assert_eq!(forged, Err(ProblemCode::ProofFailed));
    assert_eq!(works.apparatus(&leased).await, Verified);
    // No gateway would report this; whoever has taken its key might.
    let forged = works.forge_binding(&leased, 2, &prove(&mut second)).await;
    assert_eq!(forged, Err(ProblemCode::SecondDevice));
    assert_eq!((works.apparatus(&leased).await, works.certificate(&leased.number).await), (Suspect, Suspect));
    assert!(works.call(&mut first).await.is_err() && works.call(&mut second).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_written_behind_a_failure_is_nobody() {
    let works = Works::start().await;
    for (number, untouched) in [("A123-000001", true), ("A123-000002", false)] {
        let leased = works.lease(number, 1).await.unwrap();
        let mut device = works.device(BOTH, 1);
        write(&mut device, &leased).unwrap();
        let state = if untouched { StillLeased } else { Suspect };
        assert_eq!(works.report_failure(&leased, untouched).await, Ok(state));
        works.settle().await;
        assert!(works.call(&mut device).await.is_err(), "{number}");
        // The number is the first chip's for good, so no second device comes of it.
        assert_eq!(works.lease(number, 2).await.err(), Some(ProblemCode::SecondDevice), "{number}");
        assert_ne!(works.apparatus(&leased).await, Verified);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_refuses_what_was_changed_on_its_way() {
    let works = Works::start().await;
    let mut leased = works.lease("A123-000001", 1).await.unwrap();
    let untouched = leased.pack.clone();
    let mut device = works.device(BOTH, 1);
    for place in [0, 1] {
        leased.pack = untouched.clone();
        let certificate = leased.pack.certificate.as_mut().unwrap();
        let PackKey::Sealed(key) = &mut certificate.key else { panic!("the key is sealed") };
        let pass_phrase = &mut leased.pack.apparatus.as_mut().unwrap().sealed;
        let Bytes(sealed) = [&mut key.ciphertext, &mut pass_phrase.ciphertext][place];
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(write(&mut device, &leased), Err(Refusal::NotOpened));
    }
    // One device's sealed key under another's number does not open either.
    let other = works.lease("A123-000002", 2).await.unwrap();
    leased.pack = untouched.clone();
    leased.pack.certificate.as_mut().unwrap().key = other.pack.certificate.unwrap().key;
    assert_eq!(write(&mut device, &leased), Err(Refusal::NotOpened));
    assert!(device.pack().unwrap().is_none());
    leased.pack = untouched;
    assert_eq!(write(&mut device, &leased), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_cannot_open_what_it_carries() {
    let works = Works::start().await;
    let leased = works.lease("A123-000001", 1).await.unwrap();
    let mut device = works.device(BOTH, 1);
    write(&mut device, &leased).unwrap();
    let held = device.pack().unwrap().unwrap();
    let symmetric = device.symmetric_credential().unwrap();
    let seen = everything_seen(&leased, &prove(&mut device));
    let is_seen = |secret: &[u8]| secret.windows(8).any(|part| seen.windows(8).any(|window| window == part));
    assert!(!is_seen(symmetric.pass_phrase.expose()), "the pass phrase");
    // The scalar of a P-256 key in PKCS#8 (RFC 5958, RFC 5915); what follows it is public.
    assert!(!is_seen(&held.secret_key[36..68]), "the secret key");

    // Nor does any of it serve as the key.
    let sealed = leased.pack.apparatus.as_ref().unwrap().sealed.clone();
    let credential = apparatus_id(&leased).into();
    let product = leased.number.product().clone();
    let binding = Binding { product: &product, credential: &credential };
    let identifier = sealed.key_identifier.unwrap();
    let opens = |key: &[u8; 32]| {
        let key = PreWriteKey::new(identifier.clone(), key);
        key.open(&binding, &sealed.ciphertext.0, &mut [0; 256]).is_ok()
    };
    let right = works.plant.firmware_keys().of(&product).unwrap();
    assert!(opens(right.expose()), "the firmware's key opens it");
    assert!(!seen.windows(32).any(|window| opens(window.try_into().unwrap())));
}

/// All bytes that pass a station.
fn everything_seen(leased: &works::Leased, proof: &message::result::Proof) -> Vec<u8> {
    let certificate = leased.pack.certificate.as_ref().unwrap();
    let PackKey::Sealed(key) = &certificate.key else { panic!("the key is sealed") };
    let apparatus = leased.pack.apparatus.as_ref().unwrap();
    let confirmation = proof.confirmation.as_ref().unwrap();
    let number = leased.number.text();
    let parts: [&[u8]; 13] = [
        number.as_bytes(),
        &certificate.root_certificate.0,
        &certificate.issuing_certificate.0,
        &certificate.client_certificate.0,
        &key.ciphertext.0,
        apparatus.apparatus_id.as_bytes(),
        &apparatus.sealed.ciphertext.0,
        &apparatus.challenge.0,
        &apparatus.confirmation.0,
        &proof.pack_digest.0,
        &proof.signature.as_ref().unwrap().0,
        &confirmation.station.0,
        &confirmation.authority.0,
    ];
    parts.concat()
}
