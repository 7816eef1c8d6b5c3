//! One CA of devices after another, as a gateway and its stations live through it.

use identity::CredentialState::Verified;
use message::bytes::Bytes;
use message::problem::ProblemCode;
use message::trust::TrustReport;
use store::testing::on_both;
use transport::TrustError;

use crate::device::TestDevice;
use crate::plant::{Factory, code, number, station_name};
use gateway::TrustingError;

/// SHA-256 of these certificates.
fn fingerprints(certificates: &[Vec<u8>]) -> Vec<Bytes> {
    certificates.iter().map(|der| Bytes(cert::Fingerprint::of(der).as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn stock_of_both_cas_is_written_until_the_old_one_is_retired() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let (authority, gateway) = (&factory.authority, factory.gateway());
        let (old, new) = (authority.issuing(0), authority.issuing(1));
        authority.roll_over(0, &[old.clone(), new.clone()]);
        assert!(gateway.pull_trust().await.unwrap());
        assert!(!gateway.pull_trust().await.unwrap(), "nothing is new any more");
        let said = authority.trust_report();
        assert_eq!(said.issuing_sha256, fingerprints(&[old.clone(), new.clone()]));

        authority.roll_over(1, &[old.clone(), new.clone()]);
        factory.import("DEVICE CODE,3/17\n3012,4\nA123,2\n").await;
        gateway.replenish().await.unwrap();
        let made = async |attempt: u8, plate: &str| {
            let (number, mut device) = (number(plate), TestDevice::new(attempt.into()));
            let lease = gateway.lease(&station_name(1), &device.request(attempt, &number)).await?;
            let chain = lease.pack.certificate.as_ref().unwrap().issuing_certificate.0.clone();
            let proof = device.write(&number, lease.pack);
            assert_eq!(factory.told(attempt, &number, proof).await.unwrap(), Verified);
            Ok::<_, gateway::GatewayError>(chain)
        };
        assert_eq!(made(1, "3012-123456").await.unwrap(), old, "what is in stock is written");
        assert_eq!(made(2, "3012-123458").await.unwrap(), new);

        authority.roll_over(1, std::slice::from_ref(&new));
        assert!(gateway.pull_trust().await.unwrap());
        assert_eq!(code(made(3, "3012-123457").await), ProblemCode::IllegalState);
        assert_eq!(made(4, "3012-123459").await.unwrap(), new);
    })
    .await;
}

#[tokio::test]
async fn a_ca_that_the_root_did_not_sign_is_not_believed_and_nothing_changes() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 1).await;
        let stranger = crate::authority::TestAuthority::new(std::sync::Arc::clone(&factory.clock));
        let (authority, gateway) = (&factory.authority, factory.gateway());
        let (old, plant) = (authority.issuing(0), authority.plant_ca.certificate().to_vec());
        for told in [vec![old.clone(), stranger.issuing(0)], vec![old.clone(), plant]] {
            authority.roll_over(0, &told);
            let refused = gateway.pull_trust().await;
            assert!(matches!(refused, Err(TrustingError::Trust(TrustError::Refused(_)))), "{refused:?}");
        }
        authority.roll_over(0, &[]);
        assert!(matches!(gateway.pull_trust().await, Err(TrustingError::Trust(TrustError::Nobody))));
        let trusted: Vec<_> = gateway.trust().issuing().iter().map(|ca| ca.der().to_vec()).collect();
        assert_eq!(trusted, [old]);
        assert_eq!(factory.make(1, &mut TestDevice::new(1), &number("3012-123456")).await.unwrap(), Verified);
    })
    .await;
}

#[tokio::test]
async fn stations_hear_it_from_their_gateway_which_passes_on_what_they_have() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 1).await;
        let (authority, gateway) = (&factory.authority, factory.gateway());
        let both = [authority.issuing(0), authority.issuing(1)];
        authority.roll_over(0, &both);
        gateway.pull_trust().await.unwrap();
        let report =
            |has: &[Vec<u8>]| TrustReport { issuing_sha256: fingerprints(has), stations: Vec::new() };
        let told = gateway.hear_trust(&station_name(1), report(&both[..1])).unwrap();
        assert_eq!(told.issuing_certificates, both.clone().map(Bytes));
        gateway.hear_trust(&station_name(2), report(&both)).unwrap();
        gateway.pull_trust().await.unwrap();
        let said: Vec<_> = authority.trust_report().stations;
        let said: Vec<_> =
            said.into_iter().map(|station| (station.station, station.issuing_sha256)).collect();
        let expected = [(station_name(1), fingerprints(&both[..1])), (station_name(2), fingerprints(&both))];
        assert_eq!(said, expected);
        let endless = vec![authority.issuing(0); message::trust::CAS_MAX + 1];
        let refused = gateway.hear_trust(&station_name(1), report(&endless));
        assert_eq!(code(refused), ProblemCode::MalformedRequest);
    })
    .await;
}
