//! One body for both databases.

use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::scan::CheckDigit;
use identity::{CredentialState, DeviceNumber, MemberName, ProductCode, Transition};

use super::allotment::{self, Range};
use super::ca::{self, Ca, CaName, IssuingCaName};
use super::change::{ApplyError, Change};
use super::credential::{self, Intent};
use super::device::{self, Device};
use super::issuing_ca::{self, IssuingCaState};
use super::member::{self, Invitation, MemberCertificate};
use super::pack::{self, Key, Pack};
use super::product::{self, Product};
use super::report::{self, Progress, Taken};
use crate::audit::Cause;
use crate::testing::on_both;
use crate::{Schema, Store, StoreError, Transaction, audit};

const CAUSE: Cause<'static> = Cause { time: 1_000, actor: "tester", action: "credential.test" };

/// Does `$work` in a unit of work on `$store`.
macro_rules! write {
    ($store:expr, |$transaction:ident| $work:expr) => {
        $store.write(move |$transaction: &mut Transaction| Box::pin(async move { $work.await })).await
    };
}

fn factory() -> MemberName {
    "osaka".parse().unwrap()
}

fn product() -> ProductCode {
    "3012".parse().unwrap()
}

fn number(serial: u32) -> DeviceNumber {
    format!("3012-{serial:06}").parse().unwrap()
}

/// The intent to sign for `serial`; `salt` makes another certificate for the same number.
fn intent(serial: u32, salt: u8) -> Intent {
    let unique = |kind: u8| [&[kind, salt][..], &serial.to_be_bytes()].concat();
    Intent { number: number(serial), certificate_serial: unique(1), public_key_sha256: unique(2) }
}

async fn intend(store: &Store, intents: Vec<Intent>) -> Result<(), StoreError> {
    write!(store, |transaction| credential::intend(transaction, CAUSE, &factory(), &intents))
}

async fn apply(
    store: &Store,
    serials: std::ops::RangeInclusive<u32>,
    from: CredentialState,
    transitions: &[Transition],
) -> Result<Vec<CredentialState>, ApplyError> {
    let change = |serial| Change { id: number(serial), from, transitions: transitions.to_vec() };
    let changes: Vec<Change<DeviceNumber>> = serials.map(change).collect();
    write!(store, |transaction| credential::apply(transaction, CAUSE, &changes, &"a test"))
}

async fn states(store: &Store) -> Vec<(CredentialState, u64)> {
    let counts = credential::counts(&mut store.read().await.unwrap()).await.unwrap();
    counts.into_iter().map(|(_, _, state, count)| (state, count)).collect()
}

#[tokio::test]
async fn credentials_take_the_steps_of_their_life_and_no_others() {
    use CredentialState::{Intended, Issued, Verified};
    use Transition::{Issue, Lease, Stock, Verify, Write};
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        intend(&store, (1..=250).map(|serial| intent(serial, 0)).collect()).await.unwrap();
        assert_eq!(apply(&store, 1..=250, Intended, &[Issue]).await.unwrap(), [Issued; 250]);
        let made = apply(&store, 1..=100, Issued, &[Stock, Lease, Write, Verify]).await.unwrap();
        assert_eq!(made, [Verified; 100]);
        assert_eq!(states(&store).await, [(Issued, 150), (Verified, 100)]);

        let illegal = apply(&store, 101..=101, Issued, &[Write]).await;
        assert!(matches!(illegal, Err(ApplyError::Illegal { .. })), "{illegal:?}");
        let changed = apply(&store, 100..=101, Issued, &[Stock]).await;
        assert!(matches!(changed, Err(ApplyError::Changed)), "{changed:?}");
        let unknown = apply(&store, 250..=251, Issued, &[Stock]).await;
        assert!(matches!(unknown, Err(ApplyError::Changed)), "{unknown:?}");
        assert_eq!(states(&store).await, [(Issued, 150), (Verified, 100)]);

        let found = credential::find(&mut store.read().await.unwrap(), &number(100)).await.unwrap().unwrap();
        assert_eq!((found.state, found.factory), (Verified, factory()));
        let head = audit::verify(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(head.sequence, 3, "one entry for each change that happened");
    })
    .await;
}

#[tokio::test]
async fn a_number_serial_or_key_is_used_once() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        intend(&store, vec![intent(1, 0)]).await.unwrap();
        let same_number = intend(&store, vec![intent(2, 0), intent(1, 1)]).await;
        assert!(matches!(same_number, Err(StoreError::Duplicate { .. })));
        assert!(credential::find(&mut store.read().await.unwrap(), &number(2)).await.unwrap().is_none());

        let interrupted = credential::intended(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(interrupted.iter().map(|found| &found.number).collect::<Vec<_>>(), [&number(1)]);
        apply(&store, 1..=1, CredentialState::Intended, &[Transition::Abandon]).await.unwrap();
        assert_eq!(states(&store).await, []);

        let reused = intend(&store, vec![intent(1, 0)]).await;
        assert!(matches!(reused, Err(StoreError::Duplicate { .. })), "its serial is never used again");
        let given_back = Intent { public_key_sha256: intent(1, 0).public_key_sha256, ..intent(1, 1) };
        intend(&store, vec![given_back.clone()]).await.unwrap();
        let taken = Intent { public_key_sha256: given_back.public_key_sha256, ..intent(2, 2) };
        assert!(
            matches!(intend(&store, vec![taken]).await, Err(StoreError::Duplicate { .. })),
            "its key is in use"
        );
        assert_eq!(states(&store).await, [(CredentialState::Intended, 1)]);
    })
    .await;
}

#[tokio::test]
async fn packs_lose_their_keys_and_keep_their_certificates() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let ca = Ca { certificate: vec![1], sealed_key: Some(vec![2]) };
        let stored = ca.clone();
        let name = IssuingCaName::FIRST;
        let state = IssuingCaState::Active;
        write!(store, |transaction| issuing_ca::insert(transaction, name, state, &stored)).unwrap();
        let found = ca::find(&mut store.read().await.unwrap(), CaName::Issuing(name)).await.unwrap();
        assert!(found == Some(ca));
        assert!(ca::find(&mut store.read().await.unwrap(), CaName::Plant).await.unwrap().is_none());

        let pack = |serial| Pack {
            number: number(serial),
            issuing_ca: name,
            certificate: vec![3; 400],
            digest: vec![4; 32],
            key: match serial % 3 {
                0 => Key::Plain(Some(vec![5; 166])),
                1 => Key::Sealed {
                    key_identifier: Some("3012-1".parse().unwrap()),
                    ciphertext: Some(vec![6; 180]),
                },
                _ => Key::Own,
            },
            hardware_uid: (serial % 2 == 0).then(|| "0011223344556677".parse().unwrap()),
        };
        let packs: Vec<Pack> = (1..=150).map(pack).collect();
        let numbers: Vec<DeviceNumber> = (1..=151).map(number).collect();
        let filed = numbers[..120].to_vec();
        write!(store, |transaction| pack::insert(transaction, 1_000, &packs)).unwrap();
        let kept = |found: &[Pack]| {
            let count = |is: fn(&Key) -> bool| found.iter().filter(|pack| is(&pack.key)).count();
            [
                count(|key| matches!(key, Key::Plain(Some(_)))),
                count(|key| matches!(key, Key::Sealed { ciphertext: Some(_), .. })),
                count(|key| matches!(key, Key::Own)),
            ]
        };
        let proved = filed[..60].to_vec();
        let digests: Vec<_> = proved.iter().map(|number| (number.clone(), vec![7; 32])).collect();
        for (step, expected) in [(0, [50, 50, 50]), (1, [10, 50, 50]), (2, [10, 30, 50])] {
            let (filed, proved, digests) = (filed.clone(), proved.clone(), digests.clone());
            match step {
                1 => write!(store, |transaction| pack::erase_plain_keys(transaction, &filed)).unwrap(),
                2 => write!(store, |transaction| async {
                    pack::set_digests(transaction, &digests).await?;
                    pack::erase_keys(transaction, &proved).await
                })
                .unwrap(),
                _ => {}
            }
            let found = pack::find_all(&mut store.read().await.unwrap(), &numbers).await.unwrap();
            assert_eq!(kept(&found), expected);
            assert!(found.iter().all(|pack| pack.certificate == [3; 400]));
            let of_another = found.iter().filter(|pack| pack.digest == [7; 32]).count();
            assert_eq!(of_another, if step == 2 { 60 } else { 0 });
        }
    })
    .await;
}

#[tokio::test]
async fn products_factories_and_what_they_may_make_read_back() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let mut wanted = Product {
            code: product(),
            profile: CredentialProfile::NONE,
            organization: None,
            validity_days: Some(7_300),
            check_digit: CheckDigit::None,
        };
        let certificate = CertificateProfile { algorithm: KeyAlgorithm::P384, origin: KeyOrigin::Device };
        let (opened, sealed) = (Some(SymmetricForm::Opened), Some(SymmetricForm::Sealed));
        let both = CredentialProfile::new(Some(certificate), opened, Sealing::ChipKey).unwrap();
        let symmetric = CredentialProfile::new(None, sealed, Sealing::PreWriteKey).unwrap();
        for (profile, organization, check_digit) in [
            (CredentialProfile::NONE, None, CheckDigit::None),
            (CredentialProfile::PLAIN_CERTIFICATE, Some("Works"), CheckDigit::Mod37_2),
            (both, Some("Works"), CheckDigit::None),
            (symmetric, None, CheckDigit::None),
        ] {
            wanted.profile = profile;
            wanted.organization = organization.map(str::to_owned);
            wanted.check_digit = check_digit;
            let stored = wanted.clone();
            write!(store, |transaction| product::set(transaction, &stored)).unwrap();
            let mut snapshot = store.read().await.unwrap();
            assert_eq!(product::find(&mut snapshot, &product()).await.unwrap().as_ref(), Some(&wanted));
            assert_eq!(product::all(&mut snapshot).await.unwrap(), [wanted.clone()]);
        }

        assert!(write!(store, |transaction| allotment::add_factory(transaction, 1, &factory())).unwrap());
        assert!(!write!(store, |transaction| allotment::add_factory(transaction, 2, &factory())).unwrap());
        let kyoto = "kyoto".parse().unwrap();
        let unknown = write!(store, |transaction| allotment::set_quota(transaction, &kyoto, &product(), 1));
        assert!(unknown.is_err(), "a quota belongs to a factory that exists");
        for quota in [100, 200] {
            write!(store, |transaction| allotment::set_quota(transaction, &factory(), &product(), quota))
                .unwrap();
            write!(store, |transaction| allotment::count_issued(transaction, &factory(), &product(), 20))
                .unwrap();
        }
        let range = Range {
            factory: factory(),
            product: product(),
            first: "000042".parse().unwrap(),
            last: "999999".parse().unwrap(),
        };
        let stored = range.clone();
        write!(store, |transaction| allotment::add_range(transaction, &stored)).unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(allotment::factories(&mut snapshot).await.unwrap(), [factory()]);
        let all = allotment::all(&mut snapshot).await.unwrap();
        assert_eq!((all.len(), all[0].quota, all[0].issued), (1, 200, 40));
        assert_eq!(allotment::ranges_of_product(&mut snapshot, &product()).await.unwrap(), [range]);
    })
    .await;
}

#[test]
fn a_range_holds_its_ends_and_no_other_width() {
    let range = Range {
        factory: factory(),
        product: product(),
        first: "000042".parse().unwrap(),
        last: "000044".parse().unwrap(),
    };
    let holds = |text: &str| range.contains(&text.parse().unwrap());
    assert!(holds("3012-000042") && holds("3012-000044"));
    for outside in ["3012-000041", "3012-000045", "3012-0000042", "3013-000042"] {
        assert!(!holds(outside), "{outside}");
    }
}

#[tokio::test]
async fn a_member_has_one_certificate_that_counts() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let gateway = identity::Member::gateway(factory());
        let certificate = |serial: &str, issued| MemberCertificate {
            serial: serial.to_owned(),
            member: gateway.clone(),
            certificate: vec![1, 2],
            public_key_sha256: "00".to_owned(),
            issued,
            revoked: None,
        };
        let invitation = Invitation {
            secret_sha256: "aa".to_owned(),
            member: gateway.clone(),
            expires: 2_000,
            certificate_serial: None,
        };
        write!(store, |transaction| member::invite(transaction, 1_000, &invitation)).unwrap();
        for (serial, issued) in [("01", 1_000), ("02", 1_500)] {
            let certificate = certificate(serial, issued);
            write!(store, |transaction| member::insert(transaction, &certificate)).unwrap();
        }
        write!(store, |transaction| member::use_invitation(transaction, "aa", "02")).unwrap();
        let mut snapshot = store.read().await.unwrap();
        let used = member::invitation(&mut snapshot, "aa").await.unwrap().unwrap();
        assert_eq!(used.certificate_serial.as_deref(), Some("02"));
        assert_eq!(member::find(&mut snapshot, "01").await.unwrap().unwrap().revoked, Some(1_500));
        assert_eq!(member::current(&mut snapshot, &gateway).await.unwrap(), Some(certificate("02", 1_500)));
        assert_eq!(member::all_current(&mut snapshot).await.unwrap().len(), 1);
        drop(snapshot);

        let revoked = gateway.clone();
        assert!(write!(store, |transaction| member::revoke(transaction, 1_600, &revoked)).unwrap());
        let revoked = gateway.clone();
        assert!(!write!(store, |transaction| member::revoke(transaction, 1_700, &revoked)).unwrap());
        assert_eq!(member::current(&mut store.read().await.unwrap(), &gateway).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_or_ended_invitation_is_gone() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let gateway = identity::Member::gateway(factory());
        for (secret, now, expires) in [("aa", 1_000, 1_100), ("bb", 2_000, 2_100)] {
            let invitation = Invitation {
                secret_sha256: secret.to_owned(),
                member: gateway.clone(),
                expires,
                certificate_serial: None,
            };
            write!(store, |transaction| member::invite(transaction, now, &invitation)).unwrap();
        }
        let found = async |secret| {
            member::invitation(&mut store.read().await.unwrap(), secret).await.unwrap().is_some()
        };
        assert_eq!((found("aa").await, found("bb").await), (false, true));
        assert!(write!(store, |transaction| member::withdraw_invitations(transaction, &gateway)).unwrap());
        assert!(!found("bb").await);
    })
    .await;
}

#[tokio::test]
async fn a_record_is_taken_once_and_its_answer_kept() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let taken = |sequence| Taken { sequence, record_sha256: vec![7; 32], answer: format!("{sequence}") };
        let records: Vec<Taken> = [1, 2, 4].map(taken).to_vec();
        write!(store, |transaction| report::insert(transaction, &factory(), &records)).unwrap();
        let again = write!(store, |transaction| report::insert(transaction, &factory(), &[taken(2)]));
        assert!(matches!(again, Err(StoreError::Duplicate { .. })));
        let mut snapshot = store.read().await.unwrap();
        let found = report::find_all(&mut snapshot, &factory(), 2, u64::MAX).await.unwrap();
        assert_eq!(found, [taken(2), taken(4)]);
        let progress = report::progress(&mut snapshot).await.unwrap();
        assert_eq!(progress, [Progress { gateway: factory(), taken: 3, last: 4 }]);
    })
    .await;
}

#[tokio::test]
async fn a_chip_is_known_by_the_device_it_is_in_use_for() {
    use Transition::{Issue, Lease, Stock, Verify, Void, Write};
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        intend(&store, vec![intent(1, 0)]).await.unwrap();
        let made = [Issue, Stock, Lease, Write, Verify];
        apply(&store, 1..=1, CredentialState::Intended, &made).await.unwrap();
        let device = Device {
            number: number(1),
            hardware_uid: "0011223344556677".parse().unwrap(),
            station: "line-1".parse().unwrap(),
            verified: 1_000,
        };
        let (registered, chips) = (vec![device.clone()], vec![device.hardware_uid.clone()]);
        write!(store, |transaction| device::register(transaction, &registered)).unwrap();
        let found = device::in_use_on(&mut store.read().await.unwrap(), &chips).await.unwrap();
        assert_eq!(found.as_slice(), std::slice::from_ref(&device));

        apply(&store, 1..=1, CredentialState::Verified, &[Void]).await.unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(device::in_use_on(&mut snapshot, &chips).await.unwrap(), []);
        assert_eq!(device::find_all(&mut snapshot, &[number(1)]).await.unwrap(), [device]);
    })
    .await;
}
