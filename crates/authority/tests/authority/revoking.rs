//! Revoking devices by what they have in common: first how many and which, then exactly those.

use authority::{Selected, VoidedCounts};
use identity::CredentialState::{Stocked, Verified, Voided};
use identity::profile::SymmetricForm;
use identity::{CredentialId, DeviceNumber, RevocationReason};
use message::issue::{ApparatusPackRequest, NumberedPack, OrderId};
use message::pack::{ApparatusPack, CredentialPack};
use message::problem::ProblemCode;
use message::registration;
use message::report::{Event, Record};
use seal::PreWriteKey;
use store::authority::selection::Selection;
use store::testing::{TestDatabase, on_both};

use crate::plant::{
    Plant, bound, numbers, opened, outcomes, person, proof_of, record, sealed_certificate, verified,
};

/// When the first device proved itself; each next one did an hour later.
const FIRST: i64 = 1_767_300_000;
const HOUR: i64 = 3_600;

/// Four devices with a certificate and a symmetric credential each: B500-123000 and 123001 written by
/// line-1, 123002 and 123003 by line-2, an hour apart. The symmetric ones came in two orders.
struct Made {
    plant: Plant,
    numbers: Vec<DeviceNumber>,
    apparatuses: Vec<ApparatusPack>,
}

impl Made {
    async fn new(database: TestDatabase) -> Self {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B500", sealed_certificate(Some(SymmetricForm::Opened))).await;
        let numbers = numbers("B500", 123_000..123_004);
        let packs = plant.issue(&numbers).await.unwrap().packs;
        let mut apparatuses = Vec::new();
        for order in [order(1), order(2)] {
            let request = ApparatusPackRequest { order, product: "B500".parse().unwrap(), count: 2 };
            apparatuses.extend(plant.order(request).await.unwrap().packs);
        }
        let stocked: Vec<Record> = numbers
            .iter()
            .map(|number| CredentialId::from(number.clone()))
            .chain(apparatuses.iter().map(|pack| pack.apparatus_id.into()))
            .zip(1..)
            .map(|(credential, n)| record(n, &credential, Event::Stocked))
            .collect();
        assert_eq!(outcomes(&plant.report(stocked).await), [Ok(Stocked); 8]);
        for device in 0..4 {
            let written = written(device as u64, &packs[device], &apparatuses[device], &key);
            assert_eq!(outcomes(&plant.report(written).await), [Ok(Verified), Ok(Verified)]);
        }
        Self { plant, numbers, apparatuses }
    }

    async fn selected(&self, selection: &Selection) -> Selected {
        self.plant.authority.desk().selected(selection).await.unwrap()
    }

    async fn revoke(&self, selection: &Selection) -> VoidedCounts {
        let (desk, reason) = (self.plant.authority.desk(), RevocationReason::KeyCompromise);
        desk.revoke_selected(selection, reason, &person(), |_| {}).await.unwrap()
    }

    /// Both credentials of these devices, as they stand once they are made.
    fn both_of(&self, devices: &[usize]) -> Selected {
        let mut ids: Vec<_> =
            devices.iter().map(|device| (self.apparatuses[*device].apparatus_id, Verified)).collect();
        ids.sort_by_key(|(id, _)| id.to_string());
        Selected {
            certificates: devices.iter().map(|device| (self.numbers[*device].clone(), Verified)).collect(),
            apparatuses: ids,
        }
    }
}

fn order(byte: u8) -> OrderId {
    OrderId::new([byte; 16])
}

fn written(
    device: u64,
    numbered: &NumberedPack,
    apparatus: &ApparatusPack,
    key: &PreWriteKey,
) -> Vec<Record> {
    let chip = format!("001122334455660{device}");
    let station = if device < 2 { "line-1" } else { "line-2" };
    let (number, time) = (&numbered.device_number, FIRST + device as i64 * HOUR);
    let pack =
        CredentialPack { certificate: Some(numbered.pack.clone()), apparatus: Some(apparatus.clone()) };
    let proof = proof_of(number, &pack, key, &chip);
    let verified = Event::Verified { station: station.parse().unwrap(), proof };
    let mut bound = bound(apparatus, &opened(apparatus, "B500", key), &number.to_string(), &chip);
    if let Event::Bound { station: by, .. } = &mut bound {
        *by = station.parse().unwrap();
    }
    let at = |record: Record| Record { time, ..record };
    vec![
        at(record(20 + 2 * device, number, verified)),
        at(record(21 + 2 * device, &apparatus.apparatus_id, bound)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_selected_by_what_they_have_in_common() {
    on_both(async |database| {
        let made = Made::new(database).await;
        let number = |device: usize| Some(made.numbers[device].clone());
        let name = |name: &str| Some(name.parse().unwrap());
        let all = Selection::default;
        for (selection, devices) in [
            (Selection { first: number(1), last: number(1), ..all() }, &[1][..]),
            (Selection { first: number(1), last: number(2), ..all() }, &[1, 2]),
            (Selection { order: Some(order(2).to_string()), ..all() }, &[2, 3]),
            (Selection { station: name("line-1"), ..all() }, &[0, 1]),
            (Selection { station: name("line-2"), until: Some(FIRST + 3 * HOUR), ..all() }, &[2]),
            (Selection { from: Some(FIRST + HOUR), until: Some(FIRST + 2 * HOUR), ..all() }, &[1]),
            (Selection { factory: name("osaka"), ..all() }, &[0, 1, 2, 3]),
            (Selection { issuing_ca: Some("issuing".to_owned()), ..all() }, &[0, 1, 2, 3]),
            (Selection { factory: name("kyoto"), ..all() }, &[]),
            (Selection { station: name("line-3"), ..all() }, &[]),
            (Selection { issuing_ca: Some("other".to_owned()), ..all() }, &[]),
        ] {
            assert_eq!(made.selected(&selection).await, made.both_of(devices), "{selection:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_was_selected_is_void_for_good_and_everyone_hears_of_it() {
    on_both(async |database| {
        let made = Made::new(database).await;
        let line = Selection { station: Some("line-2".parse().unwrap()), ..Selection::default() };
        assert_eq!(made.revoke(&line).await, VoidedCounts { certificates: 2, apparatuses: 2 });
        assert_eq!(made.revoke(&line).await, VoidedCounts::default(), "again");
        assert_eq!(made.selected(&Selection::default()).await, made.both_of(&[0, 1]));
        let expected = [("verified".to_owned(), 4), ("voided".to_owned(), 4)];
        assert_eq!(made.plant.conserved().await, expected);

        let desk = made.plant.authority.desk();
        let told = desk.device_registrations(4).await.unwrap().records;
        let told: Vec<_> = told.iter().map(|record| (&record.device_number, record.state)).collect();
        assert_eq!(told, [(&made.numbers[2], Voided), (&made.numbers[3], Voided)]);
        let told = made.plant.authority.registrations(4).await.unwrap().records;
        let mut revoked: Vec<_> = told
            .into_iter()
            .map(|record| match record.event {
                registration::Event::Revoked { apparatus_id, reason } => (apparatus_id, reason),
                other => panic!("{:?} is told", std::mem::discriminant(&other)),
            })
            .collect();
        revoked.sort();
        let mut expected: Vec<_> = made.apparatuses[2..]
            .iter()
            .map(|pack| (pack.apparatus_id, "key-compromise".to_owned()))
            .collect();
        expected.sort();
        assert_eq!(revoked, expected);
        let osaka = "osaka".parse().unwrap();
        let withdrawn = desk.withdrawals(&osaka, 0).await.unwrap().records;
        let mut ids: Vec<_> = withdrawn.iter().map(|record| record.credential.clone()).collect();
        ids.sort();
        let numbers = made.numbers[2..].iter().map(|number| CredentialId::from(number.clone()));
        let packs = made.apparatuses[2..].iter().map(|pack| pack.apparatus_id.into());
        let mut expected: Vec<CredentialId> = numbers.chain(packs).collect();
        expected.sort();
        assert_eq!(ids, expected);
        assert_eq!(desk.withdrawals(&osaka, withdrawn[2].sequence).await.unwrap().records, withdrawn[3..]);
        assert_eq!(desk.withdrawals(&"kyoto".parse().unwrap(), 0).await.unwrap().records, []);
        let again = desk.void(&made.numbers[2].clone().into(), "again", &person()).await;
        assert_eq!(again.unwrap_err().problem().code, ProblemCode::IllegalState);
    })
    .await;
}

/// More than one unit of work takes: whoever revokes hears of each, none is left out or taken twice, and
/// issuing goes on between them.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_revoked_in_units_of_work_of_a_bounded_size() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.allot("3012", Some(2_000), Some(("200000", "209999"))).await.unwrap();
        let all = numbers("3012", 200_000..201_200);
        for numbers in all.chunks(1_000) {
            plant.issue(numbers).await.unwrap();
        }
        let desk = plant.authority.desk();
        let factory = Selection { factory: Some("osaka".parse().unwrap()), ..Selection::default() };
        let mut steps = Vec::new();
        let reason = RevocationReason::CessationOfOperation;
        let (me, mut note) = (person(), |done: VoidedCounts| steps.push(done.certificates));
        let done = desk.revoke_selected(&factory, reason, &me, &mut note).await.unwrap();
        assert_eq!(done, VoidedCounts { certificates: 1_200, apparatuses: 0 });
        assert_eq!(steps, [500, 500, 200]);
        assert_eq!(plant.conserved().await, [("voided".to_owned(), 1_200)]);
        // What is void stays so, whatever the factory says of it.
        let late = plant.issue(&numbers("3012", 123_000..123_001)).await.unwrap().packs.remove(0);
        desk.revoke_selected(&factory, reason, &person(), |_| {}).await.unwrap();
        let records = vec![
            record(1, &late.device_number, Event::Stocked),
            record(2, &late.device_number, verified(&late, "0011223344556677")),
        ];
        let refused = [Err(ProblemCode::IllegalState), Err(ProblemCode::IllegalState)];
        assert_eq!(outcomes(&plant.report(records).await), refused);
    })
    .await;
}
