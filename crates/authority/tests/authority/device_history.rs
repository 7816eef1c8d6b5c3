//! What a center is told of one number, when somebody looks into it.

use identity::CredentialState::{Issued, Verified, Voided};
use message::problem::ProblemCode;
use message::report::Event;
use store::testing::on_both;

use crate::plant::{Plant, START, code, numbers, osaka, record, verified};

#[tokio::test]
async fn a_history_tells_who_ordered_signed_wrote_and_revoked() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let numbers = numbers("3012", 123_000..123_002);
        let packs = plant.issue(&numbers).await.unwrap().packs;
        let desk = plant.authority.desk();
        let unmade = desk.device_history(numbers[1].clone()).await.unwrap();
        assert_eq!((unmade.factory, unmade.ordered, unmade.made), (osaka(), START, None));
        assert_eq!((unmade.certificates.len(), unmade.certificates[0].state), (1, Issued));

        plant.report(vec![record(1, &numbers[0], Event::Stocked)]).await;
        plant.clock.advance(60);
        plant.report(vec![record(2, &numbers[0], verified(&packs[0], "0011223344556677"))]).await;
        plant.clock.advance(60);
        plant.report(vec![record(3, &numbers[0], Event::Voided { reason: "fell down".to_owned() })]).await;

        let history = desk.device_history(numbers[0].clone()).await.unwrap();
        let made = history.made.unwrap();
        assert_eq!(
            (made.station.as_str(), made.hardware_uid.to_string().as_str()),
            ("line-1", "0011223344556677")
        );
        assert_eq!(history.reason.as_deref(), Some("fell down"));
        let [certificate] = &history.certificates[..] else { panic!("{:?}", history.certificates) };
        assert_eq!(
            (certificate.generation, certificate.cause.as_str(), certificate.state),
            (1, "factory", Voided)
        );
        let signed = certificate.signed.as_ref().unwrap();
        assert_eq!((signed.time, signed.not_after), (START, None), "it has no end");
        let told: Vec<_> = certificate.told.iter().map(|told| (told.time, told.state)).collect();
        assert_eq!(told, [(START + 60, Verified), (START + 120, Voided)]);
        assert_eq!(certificate.revoked.as_ref().unwrap().time, START + 120);

        let unknown = desk.device_history("3012-129999".parse().unwrap()).await.unwrap_err();
        assert_eq!(code(&unknown), ProblemCode::NotFound);
    })
    .await;
}
