//! Reports of a gateway.

use identity::CredentialState::{Issued, Stocked, Suspect, Verified, Voided};
use identity::DeviceNumber;
use message::issue::NumberedPack;
use message::problem::ProblemCode;
use message::report::{Event, Record, Report};
use store::testing::{TestDatabase, on_both};

use crate::plant::{Plant, code, numbers, osaka, outcomes, proof, record, verified};

const CHIP: &str = "0011223344556677";
const OTHER_CHIP: &str = "8899aabbccddeeff";

fn doubted() -> Event {
    Event::Suspect { reason: "the lease ran out".to_owned() }
}

fn scrapped() -> Event {
    Event::Voided { reason: "scrapped".to_owned() }
}

/// A plant with packs of 3012 that are in stock, reported as records 1 and on.
async fn stocked(database: TestDatabase, count: u32) -> (Plant, Vec<DeviceNumber>, Vec<NumberedPack>) {
    let plant = Plant::new(database).await;
    let asked = numbers("3012", 123_000..123_000 + count);
    let packs = plant.issue(&asked).await.unwrap().packs;
    let records = (1..).zip(&asked).map(|(sequence, number)| record(sequence, number, Event::Stocked));
    let answers = plant.report(records.collect()).await;
    assert_eq!(outcomes(&answers), vec![Ok(Stocked); count as usize]);
    (plant, asked, packs)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_takes_its_credential_where_it_belongs() {
    on_both(async |database| {
        let (plant, asked, packs) = stocked(database, 4).await;
        let answers = plant
            .report(vec![
                record(5, &asked[0], verified(&packs[0], CHIP)),
                record(6, &asked[1], doubted()),
                record(7, &asked[1], doubted()),
                record(8, &asked[1], verified(&packs[1], OTHER_CHIP)),
                record(9, &asked[2], scrapped()),
                record(10, &asked[3], doubted()),
            ])
            .await;
        let expected = [Ok(Verified), Ok(Suspect), Ok(Suspect), Ok(Verified), Ok(Voided), Ok(Suspect)];
        assert_eq!(outcomes(&answers), expected);
        let expected = [("suspect", 1), ("verified", 2), ("voided", 1)];
        assert_eq!(plant.conserved().await, expected.map(|(state, count)| (state.to_owned(), count)));

        // The whole report again, in other parts: the same answers, and nothing changes.
        let again =
            plant.report(vec![record(6, &asked[1], doubted()), record(7, &asked[1], doubted())]).await;
        assert_eq!(outcomes(&again), [Ok(Suspect), Ok(Suspect)]);
        let again = plant.report(vec![record(9, &asked[2], scrapped())]).await;
        assert_eq!(outcomes(&again), [Ok(Voided)]);
        assert_eq!(plant.conserved().await, expected.map(|(state, count)| (state.to_owned(), count)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_used_for_other_content_is_a_conflict() {
    on_both(async |database| {
        let (plant, asked, _) = stocked(database, 2).await;
        let answers =
            plant.report(vec![record(1, &asked[1], Event::Stocked), record(3, &asked[0], doubted())]).await;
        assert_eq!(outcomes(&answers), [Err(ProblemCode::Conflict), Ok(Suspect)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_is_refused_and_may_come_again() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let asked = numbers("3012", 123_000..123_002);
        let packs = plant.issue(&asked).await.unwrap().packs;
        let early = vec![
            record(1, &asked[0], verified(&packs[0], CHIP)),
            record(2, &"3012-123500".parse::<DeviceNumber>().unwrap(), Event::Stocked),
        ];
        let answers = plant.report(early.clone()).await;
        assert_eq!(outcomes(&answers), [Err(ProblemCode::IllegalState), Err(ProblemCode::NotAllowed)]);
        plant.report(vec![record(3, &asked[0], Event::Stocked)]).await;
        assert_eq!(outcomes(&plant.report(early).await), [Ok(Verified), Err(ProblemCode::NotAllowed)]);
        let expected = [(Issued.to_string(), 1), (Verified.to_string(), 1)];
        assert_eq!(plant.conserved().await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_does_not_hold_is_not_believed() {
    on_both(async |database| {
        let (plant, asked, packs) = stocked(database, 2).await;
        let good = proof(&packs[0], CHIP);
        let event = |proof| Event::Verified { station: "line-1".parse().unwrap(), proof };
        let mut other_chip = good.clone();
        other_chip.hardware_uid = OTHER_CHIP.parse().unwrap();
        let mut other_challenge = good.clone();
        other_challenge.challenge.0[0] ^= 1;
        let mut other_digest = good.clone();
        other_digest.pack_digest.0[0] ^= 1;
        let mut short = good.clone();
        short.signature.as_mut().unwrap().0.pop();
        let of_another = proof(&packs[1], CHIP);
        let wrong = [other_chip, other_challenge, other_digest, short, of_another];
        let records: Vec<Record> =
            (3..).zip(wrong).map(|(sequence, proof)| record(sequence, &asked[0], event(proof))).collect();
        let answers = plant.report(records).await;
        assert_eq!(outcomes(&answers), [Err(ProblemCode::ProofFailed); 5]);
        let answers = plant.report(vec![record(3, &asked[0], event(good))]).await;
        assert_eq!(outcomes(&answers), [Ok(Verified)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_is_one_device_and_one_device_one_number() {
    on_both(async |database| {
        let (plant, asked, packs) = stocked(database, 3).await;
        let answers = plant
            .report(vec![
                record(4, &asked[0], verified(&packs[0], CHIP)),
                record(5, &asked[0], verified(&packs[0], CHIP)),
                record(6, &asked[0], verified(&packs[0], OTHER_CHIP)),
                record(7, &asked[1], verified(&packs[1], CHIP)),
            ])
            .await;
        let expected = [
            Ok(Verified),
            Ok(Verified),
            Err(ProblemCode::SecondDevice),
            Err(ProblemCode::DeviceHoldsAnother),
        ];
        assert_eq!(outcomes(&answers), expected);
        // The same across reports, and free again once the first is void.
        let second = plant.report(vec![record(8, &asked[1], verified(&packs[1], CHIP))]).await;
        assert_eq!(outcomes(&second), [Err(ProblemCode::DeviceHoldsAnother)]);
        let answers = plant
            .report(vec![record(9, &asked[0], scrapped()), record(10, &asked[0], verified(&packs[0], CHIP))])
            .await;
        assert_eq!(outcomes(&answers), [Ok(Voided), Err(ProblemCode::IllegalState)]);
        let second = plant.report(vec![record(8, &asked[1], verified(&packs[1], CHIP))]).await;
        assert_eq!(outcomes(&second), [Ok(Verified)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_factory_cannot_speak_for_these_numbers() {
    let (plant, asked, _) = stocked(TestDatabase::sqlite(), 1).await;
    let kyoto = "kyoto".parse().unwrap();
    let report = Report { records: vec![record(1, &asked[0], scrapped())] };
    let answers = plant.authority.report(&kyoto, report).await.unwrap().records;
    assert_eq!(outcomes(&answers), [Err(ProblemCode::NotAllowed)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_report_is_refused() {
    let (plant, asked, _) = stocked(TestDatabase::sqlite(), 1).await;
    let suspect = |sequence| record(sequence, &asked[0], doubted());
    for records in [
        vec![suspect(0)],
        vec![suspect(3), suspect(2)],
        vec![suspect(2), suspect(2)],
        (2..1_003).map(suspect).collect(),
    ] {
        let refusal = plant.authority.report(&osaka(), Report { records }).await.unwrap_err();
        assert_eq!(code(&refusal), ProblemCode::MalformedRequest);
    }
    assert_eq!(plant.report(vec![]).await, []);
    let status = plant.authority.desk().status().await.unwrap();
    assert!(status.conserved);
}
