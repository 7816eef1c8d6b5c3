//! The center's repositories on both databases.

use identity::CredentialState;

use super::journal::{Answered, CallNumber, Head, Kind, LastCall, NewEntry};
use super::{device, incident, journal, request};
use crate::testing::on_both;
use crate::{Schema, Store, StoreError};

fn named(serial: u32, state: CredentialState) -> device::Device {
    device::Device {
        number: format!("3012-{serial:06}").parse().unwrap(),
        public_key_sha256: [1; 32],
        issuer_sha256: [2; 32],
        hardware_uid: Some("0011223344556677".parse().unwrap()),
        state,
        expires: None,
        renew_from: None,
        changed: 100,
    }
}

/// The key that `named` names, and the CA.
const SHOWN: device::ShownKey = device::ShownKey { public_key_sha256: [1; 32], issuer_sha256: [2; 32] };

async fn register(store: &Store, devices: Vec<device::Device>) {
    let done: Result<(), StoreError> = store
        .write(move |transaction| Box::pin(async move { device::register(transaction, &devices).await }))
        .await;
    done.unwrap();
}

/// Appends a call to the journal.
async fn call(store: &Store, serial: u32, number: CallNumber, raw: &'static str) -> Result<Head, StoreError> {
    let entry = NewEntry {
        time: 200,
        kind: Kind::JsonCall,
        device: named(serial, CredentialState::Verified).number,
        number: Some(number),
        through: None,
        raw: raw.into(),
    };
    store
        .write(move |transaction| {
            Box::pin(async move {
                let head = journal::head(transaction).await?;
                let answered = Answered {
                    chain: 0,
                    answer: "answer",
                    nonce: &[7; 16],
                    is_chained: true,
                    about: None,
                    address: None,
                };
                journal::append(transaction, &head, &entry, Some(answered)).await
            })
        })
        .await
}

#[tokio::test]
async fn a_device_stands_as_it_was_named_last_and_as_it_has_called() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        register(&store, vec![named(1, CredentialState::Verified), named(2, CredentialState::Verified)])
            .await;
        register(&store, vec![named(2, CredentialState::Voided)]).await;
        let highest = CallNumber { boot: u32::MAX >> 1, sequence: u32::MAX };
        call(&store, 1, CallNumber { boot: 1, sequence: 1 }, "one").await.unwrap();
        call(&store, 1, highest, "two").await.unwrap();
        let again = call(&store, 1, highest, "two").await;
        assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");

        let mut snapshot = store.read().await.unwrap();
        let number = |serial| named(serial, CredentialState::Verified).number;
        let first = device::standing(&mut snapshot, &number(1), Some(&SHOWN)).await.unwrap();
        let last = LastCall { id: 2, number: highest, nonce: Some([7; 16]), is_chained: true };
        assert_eq!((first.state, first.last_call), (Some(CredentialState::Verified), Some(last)));
        let second = device::standing(&mut snapshot, &number(2), Some(&SHOWN)).await.unwrap();
        assert_eq!((second.state, second.last_call), (Some(CredentialState::Voided), None));
        assert_eq!(device::standing(&mut snapshot, &number(3), Some(&SHOWN)).await.unwrap().registered, None);
        let listed = device::list(&mut snapshot, "", 10).await.unwrap();
        let calls: Vec<_> = listed.iter().map(|device| (device.calls, device.last_called)).collect();
        assert_eq!(calls, [(2, Some(200)), (0, None)]);
    })
    .await;
}

#[tokio::test]
async fn a_device_has_several_keys_and_stands_where_the_best_of_them_does() {
    use CredentialState::{Leased, Verified, Voided};
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        let key = |key, state| device::Device { public_key_sha256: [key; 32], ..named(1, state) };
        let stands = async |store: &Store| {
            let mut snapshot = store.read().await.unwrap();
            let number = named(1, Verified).number;
            let mut states = Vec::new();
            for key in [1, 3, 4] {
                let shown = device::ShownKey { public_key_sha256: [key; 32], ..SHOWN };
                let standing = device::standing(&mut snapshot, &number, Some(&shown)).await.unwrap();
                assert!(standing.is_issuer_known);
                states.push(standing.state);
            }
            (device::list(&mut snapshot, "", 2).await.unwrap()[0].state, states)
        };
        register(&store, vec![key(1, Verified)]).await;
        assert_eq!(stands(&store).await, (Verified, vec![Some(Verified), None, None]));
        register(&store, vec![key(3, Leased)]).await;
        assert_eq!(stands(&store).await, (Verified, vec![Some(Verified), Some(Leased), None]));
        register(&store, vec![key(1, Voided), key(3, Verified), key(4, Leased), key(4, Voided)]).await;
        assert_eq!(stands(&store).await, (Verified, vec![Some(Voided), Some(Verified), Some(Voided)]));
        register(&store, vec![key(3, Voided)]).await;
        assert_eq!(stands(&store).await, (Voided, vec![Some(Voided); 3]));

        let foreign = device::ShownKey { issuer_sha256: [9; 32], ..SHOWN };
        let mut snapshot = store.read().await.unwrap();
        let standing = device::standing(&mut snapshot, &named(1, Verified).number, Some(&foreign)).await;
        let standing = standing.unwrap();
        assert_eq!((standing.state, standing.is_issuer_known), (None, false));
    })
    .await;
}

#[tokio::test]
async fn the_journal_shows_what_was_changed_in_it() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        for sequence in 1..=3 {
            call(&store, 1, CallNumber { boot: 1, sequence }, "said").await.unwrap();
        }
        let entries = journal::after(&mut store.read().await.unwrap(), 0, 10).await.unwrap();
        let follow = |entries: &[journal::Entry]| {
            entries.iter().try_fold(Head::of_nothing(), |head, entry| entry.follows(&head))
        };
        let head = follow(&entries).unwrap();
        assert_eq!(head, journal::head(&mut store.read().await.unwrap()).await.unwrap());
        for index in 0..entries.len() {
            let changed = |change: &dyn Fn(&mut journal::Entry)| {
                let mut entries = entries.clone();
                change(&mut entries[index]);
                follow(&entries)
            };
            assert_eq!(changed(&|entry| entry.raw[0] ^= 1), None);
            assert_eq!(changed(&|entry| entry.time += 1), None);
            assert_eq!(changed(&|entry| entry.kind = Kind::SoapCall), None);
            assert_eq!(changed(&|entry| entry.through = Some("3012-000009".parse().unwrap())), None);
            assert_eq!(changed(&|entry| entry.device = "3012-000009".parse().unwrap()), None);
            assert_eq!(changed(&|entry| entry.number = Some(CallNumber { boot: 9, sequence: 9 })), None);
            let mut without = entries.clone();
            without.remove(index);
            assert_ne!(follow(&without), Some(head.clone()));
        }
    })
    .await;
}

#[tokio::test]
async fn requests_are_open_until_they_are_finished_once_by_their_own_device() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        let [device, other] = [1, 2].map(|serial| named(serial, CredentialState::Verified).number);
        let (of, foreign) = (device.clone(), other.clone());
        let finished: Result<_, StoreError> = store
            .write(move |transaction| {
                Box::pin(async move {
                    for id in [3, 5, 9] {
                        request::queue(transaction, id, &of, "do", 100).await?;
                    }
                    request::hand_out(transaction, &of, 5, 11).await?;
                    request::hand_out(transaction, &of, 9, 12).await?;
                    Ok([
                        request::finish(transaction, &foreign, 3, 12, "done").await?,
                        request::finish(transaction, &of, 3, 12, "done").await?,
                        request::finish(transaction, &of, 3, 13, "refused").await?,
                    ])
                })
            })
            .await;
        assert_eq!(finished.unwrap(), [None, Some("do".to_owned()), None]);
        let mut snapshot = store.read().await.unwrap();
        let open = request::open(&mut snapshot, &device, 10).await.unwrap();
        assert_eq!(open, [(5, "do".to_owned()), (9, "do".to_owned())]);
        let listed = request::list(&mut snapshot, Some(&device), 10).await.unwrap();
        let handed_out: Vec<_> = listed.iter().map(|request| request.handed_out_by).collect();
        assert_eq!(handed_out, [Some(12), Some(11), Some(11)]);
        assert_eq!(listed[2].outcome.as_deref(), Some("done"));
        assert_eq!(request::list(&mut snapshot, Some(&other), 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn incidents_are_counted_by_device_and_kind() {
    on_both(async |database| {
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        let device = named(1, CredentialState::Verified).number;
        let of = device.clone();
        let done: Result<(), StoreError> = store
            .write(move |transaction| {
                Box::pin(async move {
                    incident::note(transaction, &of, "foreign-number", "as A", 100).await?;
                    incident::note(transaction, &of, "foreign-number", "as B", 101).await?;
                    incident::note(transaction, &of, "other-key", "no", 102).await
                })
            })
            .await;
        done.unwrap();
        let found = incident::list(&mut store.read().await.unwrap(), Some(&device), 10).await.unwrap();
        let facts: Vec<_> = found
            .iter()
            .map(|one| (one.kind.as_str(), one.count, one.first, one.last, one.detail.as_str()))
            .collect();
        assert_eq!(facts, [("other-key", 1, 102, 102, "no"), ("foreign-number", 2, 100, 101, "as B")]);
    })
    .await;
}
