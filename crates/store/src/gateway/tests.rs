//! One body for both databases.

use identity::{CredentialState, DeviceNumber, Transition};

use super::credential::{ApplyError, Credential, Lease, Pack, SealedSecret};
use super::plan::{PlannedUnits, Product};
use super::{allotment, attempt, credential, moment, outbox, plan, station};
use crate::audit::Cause;
use crate::testing::on_both;
use crate::{Schema, Store, StoreError, Transaction, audit};

const CAUSE: Cause<'static> = Cause { time: 1_000, actor: "tester", action: "credential.test" };

fn number(serial: u32) -> DeviceNumber {
    format!("3012-{serial:06}").parse().unwrap()
}

fn pack(slot: i64) -> Pack {
    Pack {
        created: 1_000,
        root: vec![1; 3],
        issuing: vec![2; 3],
        certificate: vec![3; 3],
        digest: vec![4; 32],
        secret: Some(SealedSecret { slot, sealed: vec![5; 3] }),
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
    let changes: Vec<_> = serials.iter().map(|serial| (number(*serial), transitions)).collect();
    store
        .write(move |transaction| {
            Box::pin(async move { credential::apply(transaction, CAUSE, &changes, &"a test").await })
        })
        .await
}

async fn find(store: &Store, serial: u32) -> Credential {
    credential::find(&mut store.read().await.unwrap(), &number(serial)).await.unwrap().unwrap()
}

async fn store_with_stock(url: &str) -> Store {
    let store = Store::open(url, Schema::Gateway).await.unwrap();
    let numbers: Vec<DeviceNumber> = (1..=250).map(number).collect();
    let packs: Vec<_> = numbers.iter().cloned().zip((0..).map(pack)).take(249).collect();
    write!(store, |transaction| credential::reserve(transaction, CAUSE, &numbers)).unwrap();
    write!(store, |transaction| credential::file_packs(transaction, &packs)).unwrap();
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
        let lease = Lease {
            hardware_uid: "00112233".parse().unwrap(),
            attempt: "a".into(),
            station: "line-1".parse().unwrap(),
            expires: 2_000,
        };
        let expected = lease.clone();
        write!(store, |transaction| credential::set_lease(transaction, &number(7), &lease)).unwrap();
        apply(&store, &[7], &[Transition::Lease]).await.unwrap();
        let found = find(&store, 7).await;
        assert_eq!(found.pack, Some(pack(6)));
        assert_eq!(found.lease, Some(expected));

        let mut snapshot = store.read().await.unwrap();
        assert_eq!(credential::expired(&mut snapshot, 2_000, 10).await.unwrap(), []);
        assert_eq!(credential::expired(&mut snapshot, 2_001, 10).await.unwrap(), [number(7)]);
        drop(snapshot);

        apply(&store, &[7], &[Transition::Write, Transition::Verify]).await.unwrap();
        write!(store, |transaction| credential::set_completed(transaction, &number(7), 1_500)).unwrap();
        let mut snapshot = store.read().await.unwrap();
        assert_eq!(credential::slots_to_erase(&mut snapshot, 10).await.unwrap(), [6]);
        let completed = credential::completed_between(&mut snapshot, 1_500, 1_501).await.unwrap();
        assert_eq!(completed, [("3012".parse().unwrap(), 1)]);
        assert!(credential::completed_between(&mut snapshot, 1_501, 9_999).await.unwrap().is_empty());
        drop(snapshot);

        write!(store, |transaction| credential::forget_secrets(transaction, &[6])).unwrap();
        assert_eq!(find(&store, 7).await.pack, Some(Pack { secret: None, ..pack(6) }));
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
        assert!(matches!(error, ApplyError::Illegal { number: wrong, .. } if wrong == number(2)));
        assert_eq!(find(&store, 3).await.state, CredentialState::Intended);
        let error = apply(&store, &[999], &[Transition::Issue]).await.unwrap_err();
        assert!(matches!(error, ApplyError::Unknown(unknown) if unknown == number(999)));

        let mut snapshot = store.read().await.unwrap();
        assert_eq!(audit::verify(&mut snapshot).await.unwrap().sequence, before.sequence + 1);
        let counts = credential::counts(&mut snapshot).await.unwrap();
        let product = || "3012".parse().unwrap();
        assert_eq!(
            counts,
            [(product(), CredentialState::Intended, 248), (product(), CredentialState::Issued, 2)]
        );
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
                credential::last_serial(&mut snapshot, &product, serial(first), serial(last)).await.unwrap();
            assert_eq!(found, highest.map(serial), "{first} to {last}");
        }
        assert_eq!(credential::reserved(&mut snapshot, 2).await.unwrap(), [number(1), number(2)]);
        assert_eq!(credential::named_slots(&mut snapshot).await.unwrap(), (0..249).collect());
        drop(snapshot);
        let again = write!(store, |transaction| credential::reserve(transaction, CAUSE, &[number(5)]));
        assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn the_outbox_counts_without_gaps_and_keeps_what_was_not_taken() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let events: Vec<_> = (1..=120).map(|n| (number(n), format!("event {n}"))).collect();
        let (first, second) = (events[..110].to_vec(), events[110..].to_vec());
        write!(store, |transaction| outbox::push(transaction, 5, &first)).unwrap();
        write!(store, |transaction| outbox::push(transaction, 6, &second)).unwrap();
        let all: Vec<u64> = (1..=115).collect();
        write!(store, |transaction| outbox::remove(transaction, &all)).unwrap();
        write!(store, |transaction| outbox::refused(transaction, 116, None)).unwrap();
        write!(store, |transaction| outbox::refused(transaction, 117, Some("because"))).unwrap();
        write!(store, |transaction| outbox::push(transaction, 7, &[(number(121), "event 121".into())]))
            .unwrap();

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
            number: number(3),
            station: "line-1".parse().unwrap(),
            hardware_uid: "00112233".parse().unwrap(),
            result: None,
        };
        let (inserted, id) = (attempt.clone(), attempt.id.clone());
        write!(store, |transaction| attempt::insert(transaction, 1, &inserted)).unwrap();
        let found = attempt::find(&mut store.read().await.unwrap(), &attempt.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&attempt));
        let state = CredentialState::Verified;
        write!(store, |transaction| attempt::answer(transaction, &id, "outcome", state)).unwrap();
        let found = attempt::find(&mut store.read().await.unwrap(), &attempt.id).await.unwrap().unwrap();
        assert_eq!(found.result, Some(("outcome".into(), state)));
    })
    .await;
}
