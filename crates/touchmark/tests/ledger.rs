//! Books that add up, and every way of cooking them that the ledger check must find.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

use std::collections::{BTreeMap, BTreeSet};

use center::invoice::{Fault, InvoiceError};
use identity::{ApparatusId, CredentialState, DeviceNumber, HardwareUid};
use store::authority::allotment::Allotment;
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::IssuingCaState;
use store::authority::successor::{SuccessionCause, Successor, SuccessorId};
use store::{authority, gateway};
use touchmark::ledger::{
    AuthorityBooks, Books, CenterBooks, DeviceMemory, GatewayBooks, HeldCredentials, check,
};

use CredentialState::{Abandoned, Intended, Issued, Leased, Stocked, Suspect, Verified, Voided};

const NOW: i64 = 10_000;

fn number(n: u8) -> DeviceNumber {
    format!("A123-65432{n}").parse().unwrap()
}

fn uid(n: u8) -> HardwareUid {
    HardwareUid::new(&[n; 4]).unwrap()
}

fn apparatus(n: u8) -> ApparatusId {
    ApparatusId::new([n; 16])
}

fn certificate(n: u8, state: CredentialState) -> authority::ledger::Line {
    authority::ledger::Line {
        number: number(n),
        factory: "osaka".parse().unwrap(),
        state,
        certificate_serial: vec![n; 20],
        public_key_sha256: vec![n; 32],
        issuing_ca: Some(IssuingCaName::FIRST),
        has_secret: false,
        hardware_uid: (state == Verified).then(|| uid(n)),
    }
}

/// Certificate `generation` of device `n`, which has key `key`.
fn successor(n: u8, generation: u64, key: u8, state: CredentialState) -> Successor {
    Successor {
        id: SuccessorId { number: number(n), generation },
        cause: SuccessionCause::Renewal,
        state,
        certificate_serial: vec![10 * n + 100 + generation as u8; 20],
        public_key_sha256: vec![key; 32],
        hardware_uid: None,
        intended: NOW - 1_000,
        certificate: Some(vec![key]),
        issuing_ca: Some(IssuingCaName::FIRST),
    }
}

fn symmetric(n: u8, state: CredentialState) -> authority::ledger::ApparatusLine {
    authority::ledger::ApparatusLine {
        id: apparatus(n),
        product: "A123".parse().unwrap(),
        factory: "osaka".parse().unwrap(),
        state,
        device: (state == Verified).then(|| (number(n), uid(n))),
    }
}

/// How the factory knows both credentials of device `n`.
fn lines(n: u8, state: CredentialState) -> [gateway::ledger::Line; 2] {
    let is_out = !matches!(state, Stocked | Intended);
    let line = |credential, device_number: Option<DeviceNumber>| gateway::ledger::Line {
        credential,
        state,
        device_number,
        hardware_uid: is_out.then(|| uid(n)),
        expires: is_out.then_some(NOW),
        completed: (state == Verified).then_some(NOW - 100),
        has_key: state != Verified,
        is_waiting: false,
    };
    [line(number(n).into(), Some(number(n))), line(apparatus(n).into(), is_out.then(|| number(n)))]
}

fn memory(n: u8) -> DeviceMemory {
    DeviceMemory {
        file: format!("{n}.flash"),
        content: Ok(HeldCredentials {
            hardware_uid: uid(n),
            device_number: Some(number(n)),
            public_key_sha256: Some(vec![n; 32]),
            apparatus_id: Some(apparatus(n)),
        }),
    }
}

/// Two devices that are made, one on a station, one pack of either kind in stock, and one of either kind
/// on its way to the factory.
fn sound() -> Books {
    let at_authority = [Verified, Verified, Stocked, Stocked, Issued];
    let at_factory = [Verified, Verified, Leased, Stocked];
    let mut here: Vec<_> = (1..).zip(at_factory).flat_map(|(n, state)| lines(n, state)).collect();
    here.extend(lines(5, Intended).into_iter().take(1));
    Books {
        now: NOW,
        authority: Some(AuthorityBooks {
            issuing_cas: vec![
                (IssuingCaName::FIRST, IssuingCaState::Active),
                (IssuingCaName::FIRST.next(), IssuingCaState::Prepared),
            ],
            certificates: (1..).zip(at_authority).map(|(n, state)| certificate(n, state)).collect(),
            successors: Vec::new(),
            apparatuses: (1..).zip(at_authority).map(|(n, state)| symmetric(n, state)).collect(),
            disputed: BTreeSet::new(),
            allotments: vec![Allotment {
                factory: "osaka".parse().unwrap(),
                product: "A123".parse().unwrap(),
                quota: 5,
                issued: 5,
                apparatuses: 5,
            }],
            audit_fault: None,
        }),
        gateways: vec![GatewayBooks {
            lines: here,
            ordered: BTreeMap::from([("A123".parse().unwrap(), 1)]),
            ordered_for: BTreeSet::new(),
            audit_fault: None,
        }],
        center: Some(CenterBooks { recount: Ok(7), audit_fault: None }),
        devices: vec![memory(1), memory(2)],
    }
}

fn broken(books: &Books) -> Vec<String> {
    let verdict = check(books);
    let broken: Vec<String> =
        verdict.invariants.iter().filter(|(_, holds)| !**holds).map(|(name, _)| name.to_string()).collect();
    let is_conserved = !["I1", "I3", "I6"].iter().any(|name| broken.iter().any(|broken| broken == name));
    assert_eq!(verdict.conserved, is_conserved, "{:?}", verdict.violations);
    assert_eq!(verdict.violations.is_empty(), broken.is_empty(), "what is broken is named");
    broken
}

/// The invariants that are broken once the sound books are cooked like this.
fn cooked(cook: impl FnOnce(&mut Books)) -> Vec<String> {
    let mut books = sound();
    cook(&mut books);
    broken(&books)
}

fn authority(books: &mut Books) -> &mut AuthorityBooks {
    books.authority.as_mut().unwrap()
}

/// The factory's line of the symmetric credential `n`.
fn here(books: &mut Books, n: u8) -> &mut gateway::ledger::Line {
    let id = apparatus(n).into();
    books.gateways[0].lines.iter_mut().find(|line| line.credential == id).unwrap()
}

fn held(books: &mut Books, n: usize) -> &mut HeldCredentials {
    books.devices[n - 1].content.as_mut().ok().unwrap()
}

#[test]
fn sound_books_hold_and_so_does_each_role_alone() {
    assert_eq!(cooked(|_| {}), [""; 0]);
    assert_eq!(cooked(|books| books.authority = None), [""; 0]);
    assert_eq!(cooked(|books| books.gateways.clear()), [""; 0]);
    assert_eq!(cooked(|books| books.devices.clear()), [""; 0]);
}

#[test]
fn one_ca_of_devices_signs_and_what_is_on_record_was_signed_by_one_that_does_or_did() {
    use IssuingCaState::{Active, Retired, Superseded};
    let next = IssuingCaName::FIRST.next();
    assert_eq!(cooked(|books| authority(books).certificates[1].issuing_ca = Some(next)), ["I12"]);
    assert_eq!(cooked(|books| authority(books).issuing_cas[1].1 = Active), ["I12"], "two sign");
    assert_eq!(cooked(|books| authority(books).issuing_cas[0].1 = Retired), ["I12"], "none signs");
    let rolled_over = cooked(|books| {
        authority(books).issuing_cas = vec![(IssuingCaName::FIRST, Superseded), (next, Active)];
        authority(books).certificates[4].issuing_ca = Some(next);
        let mut follows = successor(1, 2, 9, Leased);
        follows.issuing_ca = Some(next);
        authority(books).successors.push(follows);
    });
    assert_eq!(rolled_over, [""; 0]);
    let unknown = cooked(|books| {
        authority(books)
            .successors
            .push(Successor { issuing_ca: Some(next.next()), ..successor(1, 2, 9, Leased) });
    });
    assert_eq!(unknown, ["I12"]);
}

#[test]
fn what_a_center_says_of_its_calls() {
    let found = |recount: InvoiceError| {
        cooked(|books| books.center = Some(CenterBooks { recount: Err(recount), audit_fault: None }))
    };
    let impossible = |fault| InvoiceError::Impossible { id: 3, fault };
    assert_eq!(found(impossible(Fault::NotTheSender)), ["I14"]);
    assert_eq!(found(impossible(Fault::NumberUsed)), ["I15"]);
    let books = InvoiceError::Books { call: 3, device: number(1), counter: "total".into() };
    assert_eq!(found(books), ["I15"]);
    assert_eq!(found(impossible(Fault::Unchained)), ["I16"]);
    assert_eq!(found(InvoiceError::Quarantine(number(1))), ["I16"]);
    assert_eq!(found(InvoiceError::Tampered(3)), ["I17"]);
    let audit = |books: &mut Books| {
        books.center = Some(CenterBooks { recount: Ok(7), audit_fault: Some("a gap".into()) });
    };
    assert_eq!(cooked(audit), ["I17"]);
}

#[test]
fn one_device_for_each_apparatus_id() {
    assert_eq!(cooked(|books| held(books, 2).apparatus_id = Some(apparatus(1))), ["I1"], "a clone");
    assert_eq!(cooked(|books| held(books, 2).apparatus_id = None), ["I1"], "claimed and not written");
    assert_eq!(cooked(|books| held(books, 2).device_number = Some(number(9))), ["I1", "I12"]);
    let elsewhere = cooked(|books| {
        books.devices.push(memory(4));
        held(books, 3).apparatus_id = Some(apparatus(2));
    });
    assert_eq!(elsewhere, ["I1"], "in a device that the books do not name");
}

#[test]
fn one_apparatus_id_for_each_number() {
    let twice_upstream = cooked(|books| authority(books).apparatuses[3].device = Some((number(1), uid(1))));
    assert_eq!(twice_upstream, ["I2"]);
    let chip_twice = cooked(|books| authority(books).apparatuses[3].device = Some((number(4), uid(1))));
    assert_eq!(chip_twice, ["I2"]);
    assert_eq!(cooked(|books| here(books, 4).device_number = Some(number(3))), ["I2"]);
}

#[test]
fn conservation_of_symmetric_credentials() {
    let counted = cooked(|books| authority(books).allotments[0].apparatuses = 4);
    assert_eq!(counted, ["I3"], "one more than was counted");
    let lost_upstream = cooked(|books| drop(authority(books).apparatuses.remove(3)));
    assert_eq!(lost_upstream, ["I3"]);
    let lost_here =
        cooked(|books| books.gateways[0].lines.retain(|line| line.credential != apparatus(4).into()));
    assert_eq!(lost_here, ["I3"]);
    assert_eq!(cooked(|books| books.gateways[0].ordered.clear()), ["I3"], "nobody asked for it");
    assert_eq!(cooked(|books| here(books, 3).state = Voided), ["I3"], "withdrawn, and nobody is told");
    assert_eq!(cooked(|books| here(books, 4).state = Suspect), ["I3"]);
    let waiting = cooked(|books| {
        here(books, 4).state = Suspect;
        here(books, 4).is_waiting = true;
    });
    assert_eq!(waiting, [""; 0], "its record is on its way");
}

#[test]
fn packs_for_one_device_are_on_their_way_only_while_they_are_asked_for() {
    let for_device = |books: &mut Books| {
        books.gateways[0].ordered.clear();
        let made = &mut authority(books).apparatuses[4];
        (made.state, made.device) = (Leased, Some((number(5), uid(5))));
    };
    assert_eq!(cooked(for_device), ["I3"]);
    let asked = cooked(|books| {
        for_device(books);
        books.gateways[0].ordered_for.insert(number(5));
    });
    assert_eq!(asked, [""; 0]);
}

#[test]
fn results_of_symmetric_credentials() {
    let lost = cooked(|books| authority(books).apparatuses[0] = symmetric(1, Stocked));
    assert_eq!(lost, ["I3", "I6"]);
    let of_another = cooked(|books| authority(books).apparatuses[0].device = Some((number(9), uid(9))));
    assert_eq!(of_another, ["I6"]);
}

#[test]
fn what_the_authority_disputes_is_no_loss() {
    let disputed = |books: &mut Books| authority(books).apparatuses[0].state = Suspect;
    assert_eq!(cooked(disputed), ["I3", "I6"], "only what is on record as disputed");
    let on_record = cooked(|books| {
        disputed(books);
        authority(books).disputed.insert(apparatus(1).into());
    });
    assert_eq!(on_record, [""; 0]);
}

/// The books once device 1 was renewed twice, holds the second of these certificates, and asks for another.
fn renewed(books: &mut Books) {
    authority(books).certificates[0].state = Voided;
    authority(books).successors = vec![
        successor(1, 2, 101, Voided),
        successor(1, 3, 102, Verified),
        successor(1, 4, 103, Abandoned),
        successor(1, 5, 103, Leased),
    ];
    held(books, 1).public_key_sha256 = Some(vec![102; 32]);
}

#[test]
fn certificates_that_follow_others() {
    let after = |cook: fn(&mut AuthorityBooks)| {
        cooked(|books| {
            renewed(books);
            cook(authority(books));
        })
    };
    assert_eq!(after(|_| {}), [""; 0]);
    assert_eq!(after(|books| books.certificates[0].state = Verified), ["I2"], "the first was not voided");
    assert_eq!(after(|books| books.successors[0].state = Verified), ["I2"]);
    assert_eq!(after(|books| books.successors[0].state = Leased), ["I2"], "two that are not shown");
    let early_swap = after(|books| books.successors[3].cause = SuccessionCause::BoardSwap);
    assert_eq!(early_swap, ["I2"], "what was before is not void");
    assert_eq!(after(|books| drop(books.successors.remove(0))), ["I3"]);
    assert_eq!(after(|books| drop(books.successors.remove(1))), ["I3", "I12"], "and a device holds it");
    let of_nobody = after(|books| books.successors.push(successor(9, 2, 109, Leased)));
    assert_eq!(of_nobody, ["I3"]);
    assert_eq!(after(|books| books.successors[3].public_key_sha256 = vec![102; 32]), ["I11"]);
    assert_eq!(
        after(|books| books.successors[3].public_key_sha256 = vec![1; 32]),
        ["I11"],
        "the first one's"
    );
    assert_eq!(after(|books| books.successors[3].certificate_serial = vec![2; 20]), ["I11"]);
    assert_eq!(after(|books| books.successors[3].certificate = None), ["I12"]);
    assert_eq!(after(|books| books.successors[1].public_key_sha256 = vec![99; 32]), ["I12"]);
    let shown = check(&{
        let mut books = sound();
        renewed(&mut books);
        books
    });
    assert_eq!(shown.successors, BTreeMap::from([(Abandoned, 1), (Leased, 1), (Verified, 1), (Voided, 1)]));
}

#[test]
fn a_device_whose_board_was_swapped_is_no_loss() {
    let swapped = cooked(|books| {
        authority(books).certificates[0].state = Voided;
        let swap = successor(1, 2, 101, Verified);
        let swap = Successor { cause: SuccessionCause::BoardSwap, hardware_uid: Some(uid(8)), ..swap };
        authority(books).successors = vec![swap];
        authority(books).certificates[0].hardware_uid = Some(uid(8));
        authority(books).apparatuses[0].state = Voided;
        here(books, 1).state = Voided;
        let board = held(books, 1);
        (board.hardware_uid, board.public_key_sha256) = (uid(8), Some(vec![101; 32]));
        board.apparatus_id = None;
    });
    assert_eq!(swapped, [""; 0]);
}

#[test]
fn quota_forgetting_uniqueness_issue_log_and_leases() {
    assert_eq!(cooked(|books| authority(books).allotments[0].quota = 4), ["I4"]);
    let over = cooked(|books| {
        let allotment = &mut authority(books).allotments[0];
        (allotment.quota, allotment.issued) = (4, 4);
        authority(books).certificates.pop();
    });
    assert_eq!(over, ["I4"], "of symmetric credentials alone");
    assert_eq!(cooked(|books| here(books, 1).has_key = true), ["I8"]);
    let twice = cooked(|books| {
        authority(books).apparatuses[3].id = apparatus(3);
        books.gateways[0].lines.retain(|line| line.credential != apparatus(4).into());
    });
    assert_eq!(twice, ["I11"]);
    let two_factories = cooked(|books| {
        let line = here(books, 4).clone();
        books.gateways.push(GatewayBooks {
            lines: vec![line],
            ordered: BTreeMap::new(),
            ordered_for: BTreeSet::new(),
            audit_fault: None,
        });
    });
    assert!(two_factories.contains(&"I11".to_owned()), "{two_factories:?}");
    assert_eq!(cooked(|books| held(books, 1).apparatus_id = Some(apparatus(99))), ["I1", "I12"]);
    assert_eq!(cooked(|books| here(books, 3).expires = Some(NOW - 200)), ["I19"]);
}
