//! One CA of devices after another: commands beside a serving authority, which is never restarted.

use authority::AuthorityError;
use cert::{Certificate, Fingerprint, Refusal};
use identity::CredentialState::{Issued, Leased, Verified};
use identity::profile::KeyAlgorithm;
use identity::{Clock, DeviceNumber, Member};
use message::bytes::Bytes;
use message::join::JoinRequest;
use message::problem::ProblemCode;
use message::trust::{StationTrust, TrustReport, TrustedCas};
use pki::SigningKey;
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::IssuingCaState::{self, Active, Prepared, Retired, Superseded};
use store::authority::selection::Selection;
use store::testing::on_both;

use crate::born::BornKey;
use crate::plant::{Plant, code, numbers, osaka, passphrase, person};
use crate::succession::{confirmed, identity_of, made, renewed, standing};

const FIRST: IssuingCaName = IssuingCaName::FIRST;

fn second() -> IssuingCaName {
    FIRST.next()
}

/// A member that joined.
async fn joined(plant: &Plant, member: &Member) {
    let desk = plant.authority.desk();
    let root = plant.authority.trust().root_fingerprint();
    let token = desk.invite(member, "https://127.0.0.1:7443", root, 600, &person()).await.unwrap();
    let signing_request = BornKey::new(KeyAlgorithm::P256).request;
    plant.authority.join(&JoinRequest { secret: token.secret, signing_request }).await.unwrap();
}

/// What a member is told that says it trusts these.
async fn told(plant: &Plant, member: &Member, has: &TrustedCas, stations: Vec<StationTrust>) -> TrustedCas {
    let report = TrustReport { issuing_sha256: fingerprints(has), stations };
    plant.authority.hear_trust(member, &report).await.unwrap()
}

fn fingerprints(cas: &TrustedCas) -> Vec<Bytes> {
    let sha256 = |der: &Bytes| Bytes(Fingerprint::of(&der.0).as_bytes().to_vec());
    cas.issuing_certificates.iter().map(sha256).collect()
}

async fn activate(plant: &Plant, name: IssuingCaName, accept: bool) -> Result<(), ProblemCode> {
    let done = plant.desk().activate_issuing_ca(name, accept, &person()).await;
    done.map(drop).map_err(|error| code(&error))
}

async fn retire(plant: &Plant, name: IssuingCaName, accept: bool) -> Result<u64, ProblemCode> {
    let done = plant.desk().retire_issuing_ca(name, accept, &person()).await;
    done.map(|done| done.living).map_err(|error| code(&error))
}

async fn states(plant: &Plant) -> Vec<(String, IssuingCaState)> {
    let all = plant.desk().issuing_cas().await.unwrap();
    all.into_iter().map(|ca| (ca.name.to_string(), ca.state)).collect()
}

/// The common name of the CA that signed this.
fn signed_by(certificate: &Bytes) -> String {
    let issuer = Certificate::parse(&certificate.0).unwrap().issuer();
    issuer.split(',').find_map(|part| part.strip_prefix("CN=")).unwrap().to_owned()
}

const OLD: &str = "head-office devices";
const NEW: &str = "head-office devices 2";

#[tokio::test(flavor = "multi_thread")]
async fn one_ca_signs_at_a_time_and_what_both_have_signed_counts() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let europe: Member = "urn:touchmark:center:europe".parse().unwrap();
        joined(&plant, &europe).await;
        let device = made(&plant, 123_001).await;
        let ordered = numbers("3012", 123_002..123_004);
        let stock = plant.issue(&ordered).await.unwrap();

        assert_eq!(plant.make_ca(None).await.unwrap().ca, second());
        assert_eq!(states(&plant).await, [("issuing".into(), Active), ("issuing-2".into(), Prepared)]);
        let both = told(&plant, &europe, &TrustedCas { issuing_certificates: vec![] }, vec![]).await;
        assert_eq!(both.issuing_certificates.len(), 2);
        let more = plant.issue(&numbers("3012", 123_004..123_005)).await.unwrap();
        assert_eq!(signed_by(&more.packs[0].pack.client_certificate), OLD, "it is only prepared");

        told(&plant, &europe, &both, vec![]).await;
        activate(&plant, second(), false).await.unwrap();
        assert_eq!(states(&plant).await, [("issuing".into(), Superseded), ("issuing-2".into(), Active)]);
        let new = plant.issue(&numbers("3012", 123_005..123_006)).await.unwrap().packs.remove(0).pack;
        assert_eq!(signed_by(&new.client_certificate), NEW);
        assert_eq!(new.issuing_certificate, both.issuing_certificates[1], "the chain that goes with it");
        assert!(plant.issue(&ordered).await.unwrap() == stock, "an order of before gets what it got");

        let key = BornKey::new(KeyAlgorithm::P256);
        let next = renewed(&plant, &device, &key).await.unwrap();
        assert_eq!(signed_by(&next), NEW);
        let renewed_device = identity_of(&plant, &next);
        assert_eq!(standing(&plant, &device).await, Ok(Verified), "the old one counts until then");
        assert_eq!(confirmed(&plant, &renewed_device).await, Ok(Verified));
        plant.restart().await;
        assert_eq!(renewed(&plant, &renewed_device, &key).await.as_ref(), Ok(&next));
        let another = plant.issue(&numbers("3012", 123_006..123_007)).await.unwrap();
        assert_eq!(signed_by(&another.packs[0].pack.client_certificate), NEW, "also after a restart");
        plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_hangs_on_a_ca() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let (gateway, europe) = (Member::gateway(osaka()), "urn:touchmark:center:europe".parse().unwrap());
        for member in [&gateway, &europe] {
            joined(&plant, member).await;
        }
        let renewing = made(&plant, 123_001).await;
        made(&plant, 123_002).await;
        plant.issue(&numbers("A123", 123_000..123_003)).await.unwrap();
        plant.make_ca(None).await.unwrap();
        let both = told(&plant, &europe, &TrustedCas { issuing_certificates: vec![] }, vec![]).await;
        told(&plant, &europe, &both, vec![]).await;
        activate(&plant, second(), false).await.unwrap();
        renewed(&plant, &renewing, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();

        let impact = plant.desk().impact(Some(FIRST)).await.unwrap();
        assert_eq!((impact.ca, impact.state, impact.ends), (FIRST, Superseded, None));
        assert_eq!((impact.living, impact.expired, impact.outlive, impact.not_renewed), (5, 0, 0, 1));
        let products: Vec<_> = impact
            .products
            .iter()
            .map(|product| (product.product.to_string(), product.states.clone(), product.not_renewed))
            .collect();
        assert_eq!(
            products,
            [("3012".into(), [(Verified, 2)].into(), 1), ("A123".into(), [(Issued, 3)].into(), 0)]
        );
        assert_eq!(impact.stock, [(osaka(), 3)].into());
        let members: Vec<_> = impact
            .members
            .iter()
            .map(|said| (said.member.clone(), said.is_reachable, said.trusts.clone(), said.lacks.clone()))
            .collect();
        let expected =
            [(europe, true, vec![FIRST, second()], vec![]), (gateway, false, vec![], vec![FIRST, second()])];
        assert_eq!(members, expected, "a gateway that joined and was never heard does not hold anything up");

        let signing = plant.desk().impact(None).await.unwrap();
        assert_eq!((signing.ca, signing.state), (second(), Active));
        assert_eq!((signing.living, signing.products[0].states.get(&Leased)), (1, Some(&1)));
        // Ten years later the ones of A123 are over, and nobody has been heard for long.
        plant.clock.advance(3_651 * 86_400);
        let late = plant.desk().impact(Some(FIRST)).await.unwrap();
        assert_eq!((late.living, late.expired, late.stock.len()), (2, 3, 0));
        assert!(late.members.iter().all(|said| !said.is_reachable));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_of_limited_life_says_which_certificates_outlive_it() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.make_ca(Some(30)).await.unwrap();
        activate(&plant, second(), false).await.unwrap();
        plant.issue(&numbers("3012", 123_000..123_002)).await.unwrap();
        let impact = plant.desk().impact(None).await.unwrap();
        let ends = plant.clock.epoch_seconds() + 30 * 86_400;
        assert_eq!((impact.ends, impact.outlive, impact.duties.until), (Some(ends), 2, Some(ends)));
        plant.make_ca(Some(30)).await.unwrap();
        plant.clock.advance(31 * 86_400);
        let third = second().next();
        assert_eq!(activate(&plant, third, true).await, Err(ProblemCode::Conflict), "it has expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_is_activated_once_who_can_be_reached_has_it_or_a_person_says_so() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let gateway = Member::gateway(osaka());
        joined(&plant, &gateway).await;
        let request = message::join::MemberRequest {
            name: "line-1".parse().unwrap(),
            signing_request: BornKey::new(KeyAlgorithm::P256).request,
        };
        plant.authority.add_station(&osaka(), &request).await.unwrap();
        plant.make_ca(None).await.unwrap();
        let twice = plant.make_ca(None).await;
        assert_eq!(code(&twice.unwrap_err()), ProblemCode::Conflict, "one waits already");
        let nothing = TrustedCas { issuing_certificates: vec![] };
        let both = told(&plant, &gateway, &nothing, vec![]).await;
        assert_eq!(activate(&plant, second(), false).await, Err(ProblemCode::Conflict));
        let station = |has: &TrustedCas| {
            vec![StationTrust {
                station: "line-1".parse().unwrap(),
                issuing_sha256: fingerprints(has),
                heard: plant.clock.epoch_seconds(),
            }]
        };
        told(&plant, &gateway, &both, station(&nothing)).await;
        assert_eq!(
            activate(&plant, second(), false).await,
            Err(ProblemCode::Conflict),
            "its station lacks it"
        );
        let lacking = plant.desk().activate_issuing_ca(second(), true, &person()).await.unwrap().lacking;
        assert_eq!(lacking, [Member::station(osaka(), "line-1".parse().unwrap())]);
        assert_eq!(activate(&plant, second(), true).await, Err(ProblemCode::Conflict), "it signs already");
        assert_eq!(activate(&plant, FIRST, true).await, Err(ProblemCode::Conflict), "there is no way back");
        let unknown = "issuing-7".parse().unwrap();
        assert_eq!(activate(&plant, unknown, true).await, Err(ProblemCode::NotFound));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_ca_is_trusted_no_more_for_good() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let europe: Member = "urn:touchmark:center:europe".parse().unwrap();
        joined(&plant, &europe).await;
        let device = made(&plant, 123_001).await;
        let first = plant.issue(&numbers("3012", 123_002..123_003)).await.unwrap().packs.remove(0).pack;
        plant.make_ca(None).await.unwrap();
        assert_eq!(retire(&plant, FIRST, true).await, Err(ProblemCode::Conflict), "it signs");
        activate(&plant, second(), false).await.unwrap();
        let next = renewed(&plant, &device, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
        assert_eq!(confirmed(&plant, &identity_of(&plant, &next)).await, Ok(Verified));
        assert_eq!(retire(&plant, FIRST, false).await, Err(ProblemCode::Conflict), "a pack is in stock");

        let (trust, now) = (plant.authority.trust().clone(), plant.clock.epoch_seconds());
        assert!(trust.verify_peer(&first.client_certificate.0, now).is_ok());
        assert_eq!(retire(&plant, FIRST, true).await, Ok(1));
        let nothing = TrustedCas { issuing_certificates: vec![] };
        let left = told(&plant, &europe, &nothing, vec![]).await;
        assert_eq!(left.issuing_certificates.len(), 1);
        let refused = trust.verify_peer(&first.client_certificate.0, now);
        assert!(matches!(refused, Err(Refusal::UnknownIssuer { .. })), "{refused:?}");
        assert!(trust.verify_peer(&next.0, now).is_ok());
        for name in [FIRST, second()] {
            assert_eq!(retire(&plant, name, true).await, Err(ProblemCode::Conflict), "{name}");
            assert_eq!(activate(&plant, name, true).await, Err(ProblemCode::Conflict), "{name}");
        }
        plant.restart().await;
        assert_eq!(plant.authority.trust().issuing().len(), 1);
        assert_eq!(states(&plant).await, [("issuing".into(), Retired), ("issuing-2".into(), Active)]);
        assert!(plant.authority.ca_certificate("issuing").await.is_ok(), "its CRLs still want it");
        plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_without_living_certificates_is_retired_without_a_word_more() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.issue(&numbers("3012", 123_000..123_003)).await.unwrap();
        plant.make_ca(None).await.unwrap();
        activate(&plant, second(), false).await.unwrap();
        let of_first = Selection { issuing_ca: Some(FIRST.to_string()), ..Selection::default() };
        let reason = identity::RevocationReason::CaCompromise;
        plant.desk().revoke_selected(&of_first, reason, &person(), |_| {}).await.unwrap();
        let impact = plant.desk().impact(Some(FIRST)).await.unwrap();
        assert_eq!((impact.living, impact.duties.revoked), (0, 3));
        assert_eq!(retire(&plant, FIRST, false).await, Ok(0));
        // One that never signed may go as well.
        plant.make_ca(None).await.unwrap();
        assert_eq!(retire(&plant, second().next(), false).await, Ok(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_roots_key_makes_a_ca() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let another = SigningKey::generate(KeyAlgorithm::P384).unwrap();
        let desk = plant.desk();
        let made = desk.make_issuing_ca(Default::default(), another, passphrase(), &person()).await;
        assert!(matches!(made, Err(AuthorityError::Issue(_))), "{:?}", made.map(|made| made.ca));
        let wrong = store::Secret::new(b"another passphrase altogether".to_vec());
        let made = desk.make_issuing_ca(Default::default(), plant.root_key(), wrong, &person()).await;
        assert!(matches!(made, Err(AuthorityError::Vault(_))));
        assert_eq!(states(&plant).await, [("issuing".into(), Active)]);
        let stranger: Vec<DeviceNumber> = numbers("3012", 123_000..123_001);
        assert!(plant.issue(&stranger).await.is_ok());
    })
    .await;
}
