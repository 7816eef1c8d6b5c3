//! The invariants but those of conservation: what breaks each, sentence by sentence.

use std::collections::{BTreeMap, BTreeSet};

use center::invoice::{Fault, InvoiceError};
use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid};
use store::authority::allotment::Allotment;
use store::authority::issuing_ca::IssuingCaState;

use super::{AuthorityBooks, Books, CenterBooks, HeldCredentials, successors};

/// How long after its confirmation a credential's key may still stand in the key ring, in seconds.
const ERASURE_SECONDS: i64 = 60;
/// How long after its end a lease may still be open, in seconds: the gateway looks once a minute.
const LEASE_GRACE_SECONDS: i64 = 120;

/// I1: a credential is in one device at most, and in the one that the books name.
pub(super) fn at_most_one_device(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let mut holders_of_keys = BTreeMap::new();
    let mut holders_of_apparatuses = BTreeMap::new();
    for held in books.readable() {
        let uid = &held.hardware_uid;
        if let Some((number, key)) = held.device_number.as_ref().zip(held.public_key_sha256.as_ref())
            && let Some(other) = holders_of_keys.insert(key, uid)
        {
            broken.push(format!("{number} is in {uid} and in {other}"));
        }
        if let Some(id) = held.apparatus_id
            && let Some(other) = holders_of_apparatuses.insert(id, uid)
        {
            broken.push(format!("{id} is in {uid} and in {other}"));
        }
    }
    let held: BTreeMap<&HardwareUid, &HeldCredentials> =
        books.readable().map(|held| (&held.hardware_uid, held)).collect();
    let moved = successors::moved(books);
    for line in books.gateway_lines().filter(|line| line.state == CredentialState::Verified) {
        let credential = &line.credential;
        match line.device_number.as_ref().zip(line.hardware_uid.as_ref()) {
            Some((number, _)) if moved.contains(number) => {}
            None => broken.push(format!("{credential} is verified in no device")),
            Some((number, uid)) => {
                if !held.get(uid).is_some_and(|held| holds(held, number, credential)) {
                    broken.push(format!(
                        "{credential} is verified in {uid}, which does not hold it as {number}"
                    ));
                }
            }
        }
    }
    broken
}

/// Whether the device has this number and this credential. A certificate may still have to be collected
/// by the device that made its key.
fn holds(held: &HeldCredentials, number: &DeviceNumber, credential: &CredentialId) -> bool {
    held.device_number.as_ref() == Some(number)
        && match credential {
            CredentialId::Number(_) => true,
            CredentialId::Apparatus(id) => held.apparatus_id == Some(*id),
        }
}

/// I2: a number has one live credential of a kind at most, and so has a chip.
pub(super) fn at_most_one_live_identity(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let (mut certified, mut symmetric, mut chips) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let known = books.authority.iter().flat_map(|authority| authority.known());
    for known in known.filter(|known| known.state != CredentialState::Voided) {
        if let CredentialId::Number(number) = &known.id
            && !certified.insert(number.clone())
        {
            broken.push(format!("{number} has two live certificates"));
        }
        let Some((number, uid)) = known.device else { continue };
        if let Some(other) = chips.insert(uid, number).filter(|other| *other != number) {
            broken.push(format!("{uid} is both {other} and {number}"));
        }
        if let CredentialId::Apparatus(id) = known.id
            && let Some(other) = symmetric.insert(number, id)
        {
            broken.push(format!("{number} has two live symmetric credentials, {other} and {id}"));
        }
    }
    broken.extend(successors::one_live_certificate(books));
    broken.extend(at_factories(books));
    broken
}

/// Device numbers to which factories gave two symmetric credentials.
fn at_factories(books: &Books) -> Vec<String> {
    let mut given: BTreeMap<&DeviceNumber, &ApparatusId> = BTreeMap::new();
    let mut broken = Vec::new();
    for line in books.gateway_lines() {
        if let (CredentialId::Apparatus(id), Some(number)) = (&line.credential, &line.device_number)
            && let Some(other) = given.insert(number, id)
        {
            broken.push(format!("{number} was given two symmetric credentials, {other} and {id}"));
        }
    }
    broken
}

/// I4: no factory was issued more than its quota, of either kind.
pub(super) fn quota(books: &Books) -> Vec<String> {
    let allotments = books.authority.iter().flat_map(|authority| &authority.allotments);
    allotments
        .filter(|allotment| allotment.issued.max(allotment.apparatuses) > allotment.quota)
        .map(|Allotment { factory, product, quota, issued, apparatuses }| {
            format!(
                "{factory} was issued {issued} certificates and {apparatuses} symmetric credentials of \
                 {product} with a quota of {quota}"
            )
        })
        .collect()
}

/// I8: nobody but the device keeps the key of a confirmed certificate, and no factory the ciphertext of
/// a bound pass phrase.
pub(super) fn forgetting(books: &Books) -> Vec<String> {
    let at_factories = books
        .gateway_lines()
        .filter(|line| {
            let confirmed_long_ago = line.completed.is_some_and(|time| time + ERASURE_SECONDS < books.now);
            line.has_key && confirmed_long_ago
        })
        .map(|line| format!("the factory still keeps the key of {}", line.credential));
    let at_authority = books.authority.iter().flat_map(|authority| &authority.certificates).filter(|line| {
        line.has_secret && !matches!(line.state, CredentialState::Issued | CredentialState::Voided)
    });
    at_factories
        .chain(at_authority.map(|line| format!("the authority still keeps the key of {}", line.number)))
        .collect()
}

/// I11: certificate serials, keys and apparatus IDs are unique.
pub(super) fn uniqueness(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let (mut serials, mut keys, mut ids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    if let Some(authority) = &books.authority {
        for line in &authority.certificates {
            if !serials.insert(&line.certificate_serial) {
                broken.push(format!("{} has another's certificate serial", line.number));
            }
            if !keys.insert(&line.public_key_sha256) {
                broken.push(format!("{} has another's key", line.number));
            }
        }
        broken.extend(successors::uniqueness(authority));
        let twice = authority.apparatuses.iter().filter(|line| !ids.insert(line.id));
        broken.extend(twice.map(|line| format!("{} was issued twice", line.id)));
    }
    let mut stocked = BTreeSet::new();
    let twice = books.gateway_lines().filter(|line| !stocked.insert(&line.credential));
    broken.extend(twice.map(|line| format!("{} is on the books of two factories", line.credential)));
    broken
}

/// I12: every credential in the field is in the issue log, and was signed by a CA that signs or did.
pub(super) fn issue_log(books: &Books) -> Vec<String> {
    let Some(authority) = &books.authority else { return Vec::new() };
    let mut broken = successors::unsigned(authority);
    broken.extend(signed_by_none_that_signs(authority));
    let signed = authority.successors.iter().filter(|successor| successor.certificate.is_some());
    let mut keys: BTreeMap<_, _> =
        signed.map(|successor| (&successor.public_key_sha256, &successor.id.number)).collect();
    for line in &authority.certificates {
        keys.insert(&line.public_key_sha256, &line.number);
        if line.issuing_ca.is_none() && line.state != CredentialState::Intended {
            broken.push(format!("{} is {} and has no certificate", line.number, line.state));
        }
    }
    let ids: BTreeSet<ApparatusId> = authority.apparatuses.iter().map(|line| line.id).collect();
    for held in books.readable() {
        let uid = &held.hardware_uid;
        if let Some((number, key)) = held.device_number.as_ref().zip(held.public_key_sha256.as_ref())
            && keys.get(key) != Some(&number)
        {
            broken.push(format!("{uid} holds a certificate for {number} that was never issued"));
        }
        if let Some(id) = held.apparatus_id.filter(|id| !ids.contains(id)) {
            broken.push(format!("{uid} holds {id}, which was never issued"));
        }
    }
    broken
}

/// One CA of devices signs at a time, and what is on record was signed by it or by one before it.
fn signed_by_none_that_signs(authority: &AuthorityBooks) -> Vec<String> {
    let cas: BTreeMap<_, _> = authority.issuing_cas.iter().copied().collect();
    if cas.is_empty() && authority.certificates.is_empty() {
        // It was never initialised.
        return Vec::new();
    }
    let active = cas.values().filter(|state| **state == IssuingCaState::Active).count();
    let mut broken: Vec<_> =
        (active != 1).then(|| format!("{active} CAs of devices sign at once")).into_iter().collect();
    let first = authority.certificates.iter().map(|line| (&line.number, line.issuing_ca));
    let further = authority.successors.iter().map(|successor| (&successor.id.number, successor.issuing_ca));
    for (number, name) in first.chain(further).filter_map(|(number, name)| Some((number, name?))) {
        if matches!(cas.get(&name), None | Some(IssuingCaState::Prepared)) {
            broken.push(format!(
                "a certificate of {number} is on record as signed by {name}, which never signed"
            ));
        }
    }
    broken
}

/// I13: every device's memory reads as one credential of a kind or none.
pub(super) fn readable_devices(books: &Books) -> Vec<String> {
    books
        .devices
        .iter()
        .filter_map(|device| Some(format!("{}: {}", device.file, device.content.as_ref().err()?)))
        .collect()
}

/// I14, I15, I16: who called, what is billed, which calls follow which. None where the recount ended before it
/// could say.
pub(super) fn recount(center: &CenterBooks, number: u8) -> Option<Vec<String>> {
    match &center.recount {
        Ok(_) => Some(Vec::new()),
        Err(error) => (invariant_of(error) == number).then(|| vec![error.to_string()]),
    }
}

/// The invariant that is broken where a center's recount fails.
fn invariant_of(error: &InvoiceError) -> u8 {
    match error {
        InvoiceError::Impossible { fault: Fault::NotTheSender | Fault::FiledElsewhere, .. } => 14,
        InvoiceError::Impossible { fault: Fault::NumberUsed, .. } | InvoiceError::Books { .. } => 15,
        InvoiceError::Impossible { fault: Fault::Unchained | Fault::Quarantine, .. }
        | InvoiceError::Quarantine(_) => 16,
        InvoiceError::Impossible { fault: Fault::Unreadable(_), .. }
        | InvoiceError::Tampered(_)
        | InvoiceError::Store(_) => 17,
    }
}

/// I17: the audit logs are whole, and so is a center's journal.
pub(super) fn audit(books: &Books) -> Vec<String> {
    let authority = books.authority.iter().filter_map(|authority| authority.audit_fault.clone());
    let gateways = books.gateways.iter().filter_map(|gateway| gateway.audit_fault.clone());
    let centers = books.center.iter().flat_map(|center| {
        let journal = center.recount.as_ref().err().filter(|error| invariant_of(error) == 17);
        center.audit_fault.clone().into_iter().chain(journal.map(InvoiceError::to_string))
    });
    authority.chain(gateways).chain(centers).collect()
}

/// I19: nothing stays leased longer than its lease.
pub(super) fn liveness(books: &Books) -> Vec<String> {
    books
        .gateway_lines()
        .filter(|line| line.state == CredentialState::Leased)
        .filter(|line| line.expires.is_none_or(|expires| expires + LEASE_GRACE_SECONDS < books.now))
        .map(|line| format!("the lease of {} ran out", line.credential))
        .collect()
}
