//! Devices prove themselves over real TLS, and what is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Challenge, ChannelBinding, Nonce, PassPhrase, Prover, SymmetricCredential, Version, Versions};
use authenticator::caller::{CallerError, Session, authenticate};
use authenticator::{Authenticator, Backoff, NONCE_SECONDS, Settings};
use futures_util::future::join_all;
use identity::{ApparatusId, Clock, Member};
use message::authenticate::{self, ChallengeRequest, ProofAnswer, ProofRequest};
use message::bytes::Bytes;
use message::problem::{Problem, ProblemCode};
use store::audit::Actor;
use store::testing::{TestDatabase, on_both};
use transport::{CallError, Channel, Origin};

use crate::plant::{AUTHENTICATOR, NOW, Plant, TestRandom, credential, hasty, register};

const VERSIONS: authenticate::Versions = authenticate::Versions { oldest: 1, newest: 1 };

async fn attempt(channel: &mut Channel, credential: &SymmetricCredential) -> Result<Session, CallerError> {
    let server: Member = AUTHENTICATOR.parse().unwrap();
    authenticate(channel, credential, &server, "supplies".parse().unwrap(), &TestRandom).await
}

fn refusal<T>(outcome: Result<T, CallerError>) -> Problem {
    match outcome {
        Err(CallerError::Call(CallError::Refused(problem))) => problem,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("authenticated"),
    }
}

/// A device's answer to a fresh challenge, for a connection of this binding.
pub async fn answer(here: &Authenticator, device: &SymmetricCredential, binding: [u8; 32]) -> ProofRequest {
    let challenge = here.challenge(ChallengeRequest { versions: VERSIONS }).await.unwrap();
    let server = challenge.server.clone();
    let challenge = Challenge {
        version: Version::new(challenge.version),
        server: challenge.server,
        nonce: Nonce::new(challenge.nonce.0.try_into().unwrap()),
    };
    let prover = Prover::new(device.apparatus_id, &device.pass_phrase, &server, Versions::SUPPORTED);
    let (answer, _) =
        prover.answer(&challenge, &ChannelBinding::new(binding), Nonce::random(&TestRandom)).unwrap();
    ProofRequest {
        versions: VERSIONS,
        version: answer.version.number(),
        apparatus_id: answer.apparatus_id,
        server_nonce: Bytes(answer.server_nonce.as_bytes().to_vec()),
        device_nonce: Bytes(answer.device_nonce.as_bytes().to_vec()),
        device_proof: Bytes(answer.proof.as_bytes().to_vec()),
        service: "supplies".parse().unwrap(),
    }
}

pub fn origin(binding: [u8; 32]) -> Origin {
    Origin { address: "192.0.2.1:1".parse().unwrap(), channel_binding: transport::ChannelBinding(binding) }
}

#[tokio::test]
async fn a_device_and_the_authenticator_prove_themselves_to_each_other() {
    on_both(async |database| {
        let plant = Plant::new();
        let here = plant.authenticator(&database.url, hasty()).await;
        register(&here, 2).await;
        let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
        let mut channel = plant.channel(AUTHENTICATOR, address).await;
        let first = attempt(&mut channel, &credential(1)).await.unwrap();
        let again = attempt(&mut channel, &credential(1)).await.unwrap();
        assert_ne!(first.key.expose(), again.key.expose());
        assert_ne!(first.token, again.token);
        assert!(attempt(&mut channel, &credential(2)).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn unknown_revoked_wrong_and_spent_are_refused_in_the_same_words() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 2).await;
    here.register().revoke(ApparatusId::new([2; 16]), "stolen", &Actor::person("tester")).await.unwrap();
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let mut channel = plant.channel(AUTHENTICATOR, address).await;

    let wrong = SymmetricCredential { pass_phrase: PassPhrase::new(&[9; 32]), ..credential(1) };
    let mut refusals = Vec::new();
    for stranger in [wrong, credential(2), credential(3)] {
        refusals.push(refusal(attempt(&mut channel, &stranger).await));
    }
    let binding = channel.binding().0;
    let request = answer(&here, &credential(1), binding).await;
    let _: ProofAnswer = channel.post_json("/v1/proofs", &request).await.unwrap();
    let replayed: Result<ProofAnswer, _> = channel.post_json("/v1/proofs", &request).await;
    refusals.push(refusal(replayed.map_err(CallerError::Call)));

    assert_eq!(refusals[0].code, ProblemCode::NotAuthenticated);
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

#[tokio::test]
async fn a_proof_for_one_connection_does_not_hold_on_another() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let address = plant.host(AUTHENTICATOR, Arc::clone(&here).router()).await;
    let mut relay = plant.channel(AUTHENTICATOR, address).await;
    let victim = plant.channel(AUTHENTICATOR, address).await;
    assert_ne!(relay.binding(), victim.binding());

    let request = answer(&here, &credential(1), victim.binding().0).await;
    let relayed: Result<ProofAnswer, _> = relay.post_json("/v1/proofs", &request).await;
    assert_eq!(refusal(relayed.map_err(CallerError::Call)).code, ProblemCode::NotAuthenticated);
}

#[tokio::test]
async fn one_answer_a_thousand_times_counts_once_over_instances_and_restarts() {
    on_both(async |database| {
        let plant = Plant::new();
        let instances = [
            plant.authenticator(&database.url, hasty()).await,
            plant.authenticator(&database.url, hasty()).await,
        ];
        register(&instances[0], 1).await;
        let request = answer(&instances[0], &credential(1), [5; 32]).await;
        let tries = (0..1_000).map(|n| instances[n % 2].prove(origin([5; 32]), request.clone()));
        let outcomes = join_all(tries).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);

        // Given out before a restart, answered after it, once; and what was answered before stays so.
        let late = answer(&instances[0], &credential(1), [5; 32]).await;
        let restarted = plant.authenticator(&database.url, hasty()).await;
        assert!(restarted.prove(origin([5; 32]), late.clone()).await.is_ok());
        for answered in [late, request] {
            assert!(restarted.prove(origin([5; 32]), answered).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn a_challenge_ends_and_a_clock_that_is_set_back_does_not_revive_it() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let seconds = i64::from(NONCE_SECONDS);

    let in_time = answer(&here, &credential(1), [5; 32]).await;
    plant.clock.advance(seconds - 1);
    assert!(here.prove(origin([5; 32]), in_time).await.is_ok());

    let late = answer(&here, &credential(1), [5; 32]).await;
    plant.clock.advance(seconds);
    assert_eq!(here.challenge(ChallengeRequest { versions: VERSIONS }).await.unwrap().expires_in, 30);
    plant.clock.advance(-seconds);
    assert!(here.prove(origin([5; 32]), late).await.is_err());

    here.sweep().await.unwrap();
    assert_eq!(here.register().status().await.unwrap().nonces, 1);
}

#[tokio::test]
async fn guessing_in_a_devices_name_does_not_lock_it_out() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let backoff =
        Backoff { first: Duration::from_secs(600), longest: Duration::from_secs(600), ..Backoff::default() };
    let here = plant.authenticator(&database.url, Settings { backoff, ..Settings::default() }).await;
    register(&here, 1).await;
    let mut guesses = Vec::new();
    for guess in 0..300u32 {
        let pass_phrase = PassPhrase::new(&std::array::from_fn(|i| (guess >> (i % 8)) as u8));
        let guesser = SymmetricCredential { pass_phrase, ..credential(1) };
        let request = answer(&here, &guesser, [5; 32]).await;
        let here = Arc::clone(&here);
        guesses.push(tokio::spawn(async move { here.prove(origin([5; 32]), request).await.is_ok() }));
    }
    // From the same address, and under the same ID, the real device is let in at once.
    let started = Instant::now();
    let request = answer(&here, &credential(1), [5; 32]).await;
    assert!(here.prove(origin([5; 32]), request).await.is_ok());
    assert!(started.elapsed() < Duration::from_secs(1), "the device waited {:?}", started.elapsed());

    let mut answered = 0;
    for guess in guesses {
        if guess.is_finished() {
            answered += 1;
            assert!(!guess.await.unwrap());
        } else {
            guess.abort();
        }
    }
    assert!(answered <= 300 - 256, "{answered} guesses did not have to wait");
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_nothing_else_happens() {
    let database = TestDatabase::sqlite();
    let plant = Plant::new();
    let here = plant.authenticator(&database.url, hasty()).await;
    register(&here, 1).await;
    let good = answer(&here, &credential(1), [5; 32]).await;
    let short = Bytes(vec![0; 15]);
    for request in [
        ProofRequest { server_nonce: short.clone(), ..good.clone() },
        ProofRequest { device_nonce: short.clone(), ..good.clone() },
        ProofRequest { device_proof: short, ..good.clone() },
        ProofRequest { versions: authenticate::Versions { oldest: 2, newest: 1 }, ..good.clone() },
    ] {
        let refused = here.prove(origin([5; 32]), request).await.unwrap_err();
        assert_eq!(refused.problem().code, ProblemCode::MalformedRequest);
    }
    let old = authenticate::Versions { oldest: 0, newest: 0 };
    let refused = here.challenge(ChallengeRequest { versions: old }).await.unwrap_err();
    assert_eq!(refused.problem().code, ProblemCode::MalformedRequest);
    // The nonce is still there.
    assert!(here.prove(origin([5; 32]), good).await.is_ok());
    assert_eq!(plant.clock.epoch_seconds(), NOW);
}
