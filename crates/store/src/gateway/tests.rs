//! One body for both databases.

use identity::profile::{CredentialKind, SymmetricForm};
use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, KeyIdentifier, Transition};

use super::apparatus::Order;
use super::credential::{ApplyError, Count, Credential, Lease};
use super::pack::{ApparatusPack, CertificatePack, SealedSecret, Travel};
use super::plan::{PlannedUnits, Product};
use super::{allotment, apparatus, attempt, credential, moment, number, outbox, pack, plan, station};
use crate::audit::Cause;
use crate::testing::on_both;
use crate::{Schema, Store, StoreError, Transaction, audit};

const CAUSE: Cause<'static> = Cause { time: 1_000, actor: "tester", action: "credential.test" };

fn numbered(serial: u32) -> DeviceNumber {
    format!("3012-{serial:06}").parse().unwrap()
}

fn id(serial: u32) -> CredentialId {
    numbered(serial).into()
}

fn certificate_pack(slot: i64) -> CertificatePack {
    CertificatePack {
        created: 1_000,
        root: vec![1; 3],
        issuing: vec![2; 3],
        certificate: vec![3; 3],
        key: Travel::Plain,
        secret: Some(SealedSecret { slot, sealed: vec![5; 3] }),
    }
}

fn key(text: &str) -> KeyIdentifier {
    text.parse().unwrap()
}

fn apparatus_pack(slot: i64, created: i64, key_identifier: Option<&str>) -> ApparatusPack {
    ApparatusPack {
        created,
        key_identifier: key_identifier.map(key),
        form: SymmetricForm::Opened,
        challenge: vec![6; 32],
        confirmation: vec![7; 32],
        secret: Some(SealedSecret { slot, sealed: vec![8; 3] }),
    }
}

fn lease() -> Lease {
    Lease {
        hardware_uid: "00112233".parse().unwrap(),
        attempt: "a".into(),
        station: "line-1".parse().unwrap(),
        expires: 2_000,
    }
}

/// Does `$work` in a unit of work on `$store`.
macro_rules! write {
    ($store:expr, |$transaction:ident| $work:expr) => {
        $store.write(move |$transaction: &mut Transaction| Box::pin(async move { $work.await })).await
    };
}

async fn apply(
    store: &Store,
    serials: &'static [u32],
    transitions: &'static [Transition],
) -> Result<Vec<CredentialState>, ApplyError> {
    apply_to(store, serials.iter().map(|serial| id(*serial)).collect(), transitions).await
}

async fn apply_to(
    store: &Store,
    credentials: Vec<CredentialId>,
    transitions: &'static [Transition],
) -> Result<Vec<CredentialState>, ApplyError> {
    let changes: Vec<_> = credentials.into_iter().map(|id| (id, transitions)).collect();
    store
        .write(move |transaction| {
            Box::pin(async move { credential::apply(transaction, CAUSE, &changes, &"a test").await })
        })
        .await
}

async fn find(store: &Store, serial: u32) -> Credential {
    credential::find(&mut store.read().await.unwrap(), &id(serial)).await.unwrap().unwrap()
}

async fn store_with_stock(url: &str) -> Store {
    let store = Store::open(url, Schema::Gateway).await.unwrap();
    let numbers: Vec<DeviceNumber> = (1..=250).map(numbered).collect();
    let packs: Vec<_> = numbers.iter().cloned().zip((0..).map(certificate_pack)).take(249).collect();
    write!(store, |transaction| number::reserve(transaction, CAUSE, &numbers)).unwrap();
    write!(store, |transaction| pack::file_certificates(transaction, &packs)).unwrap();
    store
}

#[tokio::test]
async fn a_credential_is_kept_with_all_it_has() {
    on_both(async |database| {
        let store = store_with_stock(&database.url).await;
        assert_eq!(
            apply(&store, &[7], &[Transition::Issue, Transition::Stock]).await.unwrap(),
            [CredentialState::Stocked]
        );
        write!(store, |transaction| credential::set_lease(transaction, &id(7), &numbered(7), &lease()))
            .unwrap();
        apply(&store, &[7], &[Transition::Lease]).await.unwrap();
        assert_eq!(find(&store, 7).await.lease, Some(lease()));

        let mut snapshot = store.read().await.unwrap();
        let found = pack::certificate(&mut snapshot, &numbered(7)).await.unwrap();
        assert_eq!(found, Some(certificate_pack(6)));
        assert_eq!(pack::certificate(&mut snapshot, &numbered(250)).await.unwrap(), None);
        assert_eq!(credential::expired(&mut snapshot, 2_000, 10).await.unwrap(), []);
        assert_eq!(credential::expired(&mut snapshot, 2_001, 10).await.unwrap(), [id(7)]);
        drop(snapshot);

        apply(&store, &[7], &[Transition::Write, Transition::Verify]).await.unwrap();
        write!(store, |transaction| credential::set_completed(transaction, &id(7), 1_500)).unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(pack::slots_to_erase(&mut snapshot, 10).await.unwrap(), [6]);
        let completed = credential::completed_between(&mut snapshot, 1_500, 1_501).await.unwrap();
        assert_eq!(completed, [("3012".parse().unwrap(), 1)]);
        assert!(credential::completed_between(&mut snapshot, 1_501, 9_999).await.unwrap().is_empty());
        drop(snapshot);

        write!(store, |transaction| pack::forget_secrets(transaction, &[6])).unwrap();
        let found = pack::certificate(&mut store.read().await.unwrap(), &numbered(7)).await.unwrap();
        assert_eq!(found, Some(CertificatePack { secret: None, ..certificate_pack(6) }));
    })
    .await;
}

fn apparatus_id(n: u8) -> ApparatusId {
    ApparatusId::new([n; 16])
}

/// Stock of 3012: two under 3012-1, the newer one first, and one under 3012-2.
async fn store_with_apparatus(url: &str) -> Store {
    let store = Store::open(url, Schema::Gateway).await.unwrap();
    let packs = [
        (apparatus_id(1), apparatus_pack(0, 1_001, Some("3012-1"))),
        (apparatus_id(2), apparatus_pack(1, 1_000, Some("3012-1"))),
        (apparatus_id(3), apparatus_pack(2, 900, Some("3012-2"))),
    ];
    let filed = packs.clone();
    write!(store, |transaction| apparatus::file(transaction, &"3012".parse().unwrap(), None, &filed))
        .unwrap();
    let credentials = packs.iter().map(|(id, _)| (*id).into()).collect();
    apply_to(&store, credentials, &[Transition::Issue, Transition::Stock]).await.unwrap();
    store
}

#[tokio::test]
async fn symmetric_credentials_are_drawn_by_key_and_belong_to_one_device_each() {
    on_both(async |database| {
        let store = store_with_apparatus(&database.url).await;
        let draw = async |key_identifier: Option<KeyIdentifier>| {
            write!(store, |transaction| async {
                apparatus::draw(transaction, &"3012".parse().unwrap(), key_identifier.as_ref()).await
            })
            .unwrap()
        };
        assert_eq!(draw(None).await, Some(apparatus_id(2)), "the oldest key, the oldest pack");
        assert_eq!(draw(Some(key("3012-2"))).await, Some(apparatus_id(3)));
        assert_eq!(draw(Some(key("3012-3"))).await, None);
        let mut snapshot = store.read().await.unwrap();
        let product = "3012".parse().unwrap();
        let keys = apparatus::keys_in_stock(&mut snapshot, &product).await.unwrap();
        assert_eq!(keys, [key("3012-1"), key("3012-2")]);
        let found = pack::apparatus(&mut snapshot, apparatus_id(3)).await.unwrap();
        assert_eq!(found, Some(apparatus_pack(2, 900, Some("3012-2"))));
        drop(snapshot);

        let set_lease = async |n: u8, serial: u32| {
            let id = apparatus_id(n).into();
            write!(store, |transaction| credential::set_lease(transaction, &id, &numbered(serial), &lease()))
        };
        set_lease(2, 7).await.unwrap();
        apply_to(&store, vec![apparatus_id(2).into()], &[Transition::Lease]).await.unwrap();
        assert_eq!(draw(Some(key("3012-1"))).await, Some(apparatus_id(1)), "what is leased is not drawn");
        let twice = set_lease(1, 7).await;
        assert!(matches!(twice, Err(StoreError::Duplicate { .. })), "one number, one apparatus: {twice:?}");
        let mut snapshot = store.read().await.unwrap();
        let found = credential::symmetric_of(&mut snapshot, &numbered(7)).await.unwrap().unwrap();
        assert_eq!((found.id, found.state), (apparatus_id(2).into(), CredentialState::Leased));
        assert_eq!(credential::symmetric_of(&mut snapshot, &numbered(8)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_chip_confirms_one_number_only_and_what_is_disputed_is_erased() {
    on_both(async |database| {
        let store = store_with_apparatus(&database.url).await;
        for (n, serial) in [(1, 7), (2, 8)] {
            let id = apparatus_id(n).into();
            write!(store, |transaction| credential::set_lease(transaction, &id, &numbered(serial), &lease()))
                .unwrap();
        }
        let verify = &[Transition::Lease, Transition::Write, Transition::Verify];
        apply_to(&store, vec![apparatus_id(1).into(), apparatus_id(2).into()], verify).await.unwrap();
        let complete = async |n: u8| {
            write!(store, |transaction| credential::set_completed(
                transaction,
                &apparatus_id(n).into(),
                1_500
            ))
        };
        complete(1).await.unwrap();
        assert!(matches!(complete(2).await, Err(StoreError::Duplicate { .. })), "one chip, one number");

        apply_to(&store, vec![apparatus_id(1).into(), apparatus_id(2).into()], &[Transition::Doubt])
            .await
            .unwrap();
        let mut snapshot = store.read().await.unwrap();
        let confirmed = credential::confirmed_on(&mut snapshot, &lease().hardware_uid).await.unwrap();
        assert_eq!(confirmed, Some(numbered(7)));
        assert_eq!(
            pack::slots_to_erase(&mut snapshot, 9).await.unwrap(),
            [0],
            "the other may be tried again"
        );
        let made = credential::completed_between(&mut snapshot, 0, 9_999).await.unwrap();
        assert_eq!(made, [], "a disputed device does not count as made");
    })
    .await;
}

#[tokio::test]
async fn orders_stay_until_they_are_ended() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let order = |id: &str| Order { id: id.into(), product: "3012".parse().unwrap(), count: 5 };
        for (time, id) in [(2, "a"), (1, "b")] {
            write!(store, |transaction| async { apparatus::order(transaction, time, &order(id)).await })
                .unwrap();
        }
        for number in [numbered(1), numbered(2), numbered(1)] {
            write!(store, |transaction| number::order(transaction, 3, &number)).unwrap();
        }
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(apparatus::orders(&mut snapshot).await.unwrap(), [order("b"), order("a")]);
        assert_eq!(number::ordered(&mut snapshot).await.unwrap(), [numbered(1), numbered(2)]);
        drop(snapshot);
        assert!(write!(store, |transaction| apparatus::end_order(transaction, "b")).unwrap());
        assert!(!write!(store, |transaction| apparatus::end_order(transaction, "b")).unwrap());
        write!(store, |transaction| number::order_arrived(transaction, &numbered(1))).unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(apparatus::orders(&mut snapshot).await.unwrap(), [order("a")]);
        assert_eq!(number::ordered(&mut snapshot).await.unwrap(), [numbered(2)]);
    })
    .await;
}

#[tokio::test]
async fn an_owed_certificate_is_neither_fetched_nor_counted_as_made() {
    on_both(async |database| {
        let store = store_with_stock(&database.url).await;
        write!(store, |transaction| credential::set_lease(transaction, &id(1), &numbered(1), &lease()))
            .unwrap();
        write!(store, |transaction| credential::set_completed(transaction, &id(1), 1_500)).unwrap();
        assert!(find(&store, 1).await.is_owed());
        let mut snapshot = store.read().await.unwrap();
        let product = || "3012".parse().unwrap();
        assert_eq!(credential::owed(&mut snapshot).await.unwrap(), [(product(), 1)]);
        assert_eq!(credential::completed_between(&mut snapshot, 0, 9_999).await.unwrap(), []);
        assert_eq!(number::reserved(&mut snapshot, &product(), 1).await.unwrap(), [numbered(2)]);
    })
    .await;
}

#[tokio::test]
async fn an_illegal_step_changes_nothing_of_its_batch_and_a_good_one_is_audited_once() {
    on_both(async |database| {
        let store = store_with_stock(&database.url).await;
        let before = audit::head(&mut store.read().await.unwrap()).await.unwrap();
        apply(&store, &[1, 2], &[Transition::Issue]).await.unwrap();
        let error = apply(&store, &[3, 2], &[Transition::Issue]).await.unwrap_err();
        assert!(matches!(error, ApplyError::Illegal { id: wrong, .. } if wrong == id(2)));
        assert_eq!(find(&store, 3).await.state, CredentialState::Intended);
        let error = apply(&store, &[999], &[Transition::Issue]).await.unwrap_err();
        assert!(matches!(error, ApplyError::Unknown(unknown) if unknown == id(999)));

        let mut snapshot = store.read().await.unwrap();
        assert_eq!(audit::verify(&mut snapshot).await.unwrap().sequence, before.sequence + 1);
        let counts = credential::counts(&mut snapshot).await.unwrap();
        let count = |state, number| Count {
            product: "3012".parse().unwrap(),
            kind: CredentialKind::Certificate,
            state,
            key_identifier: None,
            number,
        };
        assert_eq!(counts, [count(CredentialState::Intended, 248), count(CredentialState::Issued, 2)]);
    })
    .await;
}

#[tokio::test]
async fn serials_run_on_within_their_range() {
    on_both(async |database| {
        let store = store_with_stock(&database.url).await;
        let mut snapshot = store.read().await.unwrap();
        let product = "3012".parse().unwrap();
        let serial = |text: &str| text.parse().unwrap();
        for (first, last, highest) in [
            ("000001", "999999", Some("000250")),
            ("000100", "000200", Some("000200")),
            ("000251", "000300", None),
            ("0000001", "9999999", None),
        ] {
            let found =
                number::last_serial(&mut snapshot, &product, serial(first), serial(last)).await.unwrap();
            assert_eq!(found, highest.map(serial), "{first} to {last}");
        }
        let reserved = number::reserved(&mut snapshot, &product, 2).await.unwrap();
        assert_eq!(reserved, [numbered(1), numbered(2)]);
        assert_eq!(number::reserved_products(&mut snapshot).await.unwrap(), [product]);
        assert_eq!(pack::named_slots(&mut snapshot).await.unwrap(), (0..249).collect());
        drop(snapshot);
        let again = write!(store, |transaction| number::reserve(transaction, CAUSE, &[numbered(5)]));
        assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn the_outbox_counts_without_gaps_and_keeps_what_was_not_taken() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let events: Vec<_> = (1..=120).map(|n| (id(n), format!("event {n}"))).collect();
        let (first, second) = (events[..110].to_vec(), events[110..].to_vec());
        write!(store, |transaction| outbox::push(transaction, 5, &first)).unwrap();
        write!(store, |transaction| outbox::push(transaction, 6, &second)).unwrap();
        let all: Vec<u64> = (1..=115).collect();
        write!(store, |transaction| outbox::remove(transaction, &all)).unwrap();
        write!(store, |transaction| outbox::refused(transaction, 116, None)).unwrap();
        write!(store, |transaction| outbox::refused(transaction, 117, Some("because"))).unwrap();
        write!(store, |transaction| outbox::push(transaction, 7, &[(id(121), "event 121".into())])).unwrap();

        let mut snapshot = store.read().await.unwrap();
        assert_eq!(outbox::length(&mut snapshot).await.unwrap(), 5);
        let waiting = outbox::waiting(&mut snapshot, 100).await.unwrap();
        let sequences: Vec<u64> = waiting.iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, [116, 118, 119, 120, 121]);
        assert_eq!((waiting[0].failures, waiting[0].event.as_str()), (1, "event 116"));
        let parked = outbox::parked(&mut snapshot).await.unwrap();
        assert_eq!((parked.len(), parked[0].parked.as_deref()), (1, Some("because")));
        drop(snapshot);
        assert_eq!(write!(store, |transaction| outbox::unpark(transaction)).unwrap(), 1);
        assert_eq!(outbox::length(&mut store.read().await.unwrap()).await.unwrap(), 6);
    })
    .await;
}

#[tokio::test]
async fn lists_plans_and_words_of_the_authority_are_replaced() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let product = |code: &str, takes_certificate| Product {
            code: code.parse().unwrap(),
            takes_certificate,
            remarks: String::new(),
        };
        let old = [product("3012", true), product("3013", false)];
        let new = [product("A123", true), product("3012", false)];
        for list in [old, new.clone()] {
            write!(store, |transaction| plan::replace_products(transaction, &list)).unwrap();
        }
        let cell = |day: &str, code: &str, units| PlannedUnits {
            day: day.into(),
            product: code.parse().unwrap(),
            units,
        };
        let cells = [cell("2003-03-17", "3012", 1_000), cell("2003-03-18", "3012", 1_010)];
        let days = ["2003-03-17".to_owned(), "2003-03-18".to_owned()];
        let second = days[1..].to_vec();
        let changed = [cell("2003-03-18", "A123", 5)];
        let expected = vec![cells[0].clone(), changed[0].clone()];
        write!(store, |transaction| plan::replace_days(transaction, &days, &cells)).unwrap();
        write!(store, |transaction| plan::replace_days(transaction, &second, &changed)).unwrap();
        for body in ["first", "second"] {
            write!(store, |transaction| allotment::replace(transaction, 1, body)).unwrap();
            write!(store, |transaction| moment::note(transaction, moment::Moment::Replenished, 9)).unwrap();
        }

        let mut snapshot = store.read().await.unwrap();
        assert_eq!(plan::products(&mut snapshot).await.unwrap(), new);
        assert_eq!(plan::product(&mut snapshot, &"3013".parse().unwrap()).await.unwrap(), None);
        assert_eq!(plan::between(&mut snapshot, "2003-01-01", "2003-12-31").await.unwrap(), expected);
        assert_eq!(plan::between(&mut snapshot, "2003-03-19", "2003-12-31").await.unwrap(), []);
        let extent = plan::extent(&mut snapshot).await.unwrap();
        assert_eq!(extent, Some(("2003-03-17".into(), "2003-03-18".into())));
        assert_eq!(allotment::last_heard(&mut snapshot).await.unwrap().as_deref(), Some("second"));
        assert_eq!(moment::last(&mut snapshot, moment::Moment::Replenished).await.unwrap(), Some(9));
        assert_eq!(moment::last(&mut snapshot, moment::Moment::ReplenishWanted).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn stations_join_by_invitation_and_are_revoked() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let name: identity::MemberName = "line-1".parse().unwrap();
        let invitation = |secret: &str, expires| station::Invitation {
            secret_sha256: secret.into(),
            station: "line-1".parse().unwrap(),
            expires,
            request_sha256: None,
        };
        write!(store, |transaction| station::invite(transaction, 0, &invitation("old", 10))).unwrap();
        write!(store, |transaction| station::invite(transaction, 20, &invitation("new", 30))).unwrap();
        write!(store, |transaction| station::use_invitation(transaction, "new", "request")).unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(station::invitation(&mut snapshot, "old").await.unwrap(), None);
        let used = station::invitation(&mut snapshot, "new").await.unwrap().unwrap();
        assert_eq!(used.request_sha256.as_deref(), Some("request"));
        drop(snapshot);

        for serial in ["1a", "2b"] {
            let name = name.clone();
            write!(store, |transaction| station::joined(transaction, 25, &name, serial)).unwrap();
        }
        let revoked = name.clone();
        assert!(write!(store, |transaction| station::revoke(transaction, 26, &revoked)).unwrap());
        let unknown = "line-2".parse().unwrap();
        assert!(!write!(store, |transaction| station::revoke(transaction, 26, &unknown)).unwrap());
        let mut snapshot = store.read().await.unwrap();
        let found = station::find(&mut snapshot, &name).await.unwrap().unwrap();
        assert_eq!((found.certificate_serial.as_str(), found.revoked), ("2b", Some(26)));
        assert_eq!(station::all(&mut snapshot).await.unwrap(), [found]);
        assert_eq!(station::invitation(&mut snapshot, "new").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn attempts_keep_their_answer() {
    on_both(async |database| {
        let store = store_with_stock(&database.url).await;
        let attempt = attempt::Attempt {
            id: "00".repeat(16),
            number: numbered(3),
            station: "line-1".parse().unwrap(),
            hardware_uid: "00112233".parse().unwrap(),
            owed_request: Some(vec![9; 3]),
            result: None,
        };
        let (inserted, name) = (attempt.clone(), attempt.id.clone());
        write!(store, |transaction| attempt::insert(transaction, 1, &inserted)).unwrap();
        let found = attempt::find(&mut store.read().await.unwrap(), &attempt.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&attempt));
        let state = CredentialState::Verified;
        write!(store, |transaction| attempt::answer(transaction, &name, "outcome", state)).unwrap();
        let found = attempt::find(&mut store.read().await.unwrap(), &attempt.id).await.unwrap().unwrap();
        assert_eq!(found.result, Some(("outcome".into(), state)));
    })
    .await;
}
