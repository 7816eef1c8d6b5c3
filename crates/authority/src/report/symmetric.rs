//! What a report's events mean for a symmetric credential.

use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::Event;
use store::authority::apparatus::Holder;
use store::authority::registration;

use super::certificate::lease;
use super::proof::Judged;
use crate::books::{Books, Dispute, not_issued};

/// Takes one record about a symmetric credential: where it stands afterwards, or why nothing came of it.
pub(super) fn take(books: &mut Books, id: ApparatusId, judged: &Judged) -> Result<CredentialState, Problem> {
    use Transition::{Doubt, Stock, Void};
    let known = books.apparatuses.get(&id).filter(|known| known.factory == books.factory);
    let state = known.ok_or_else(|| not_issued(id, &books.factory))?.state;
    match &judged.record.event {
        Event::Stocked => books.step_apparatus(id, &[Stock]),
        Event::Bound { station, device_number, hardware_uid, .. } => {
            let device = Holder { number: device_number.clone(), hardware_uid: hardware_uid.clone() };
            let new = bound(books, id, state, &device, judged)?;
            if new != state {
                books.register(&device, station, judged.record.time);
                books.held.insert(device.number.clone(), id);
                books.news.bindings.push((id, device.clone()));
                books.news.registrations.push((id, registration::Event::Registered));
                if let Some(known) = books.apparatuses.get_mut(&id) {
                    known.device = Some(device);
                }
            }
            Ok(new)
        }
        Event::Suspect { reason } => {
            let doubted = books.step_apparatus(id, &[lease(state), &[Doubt]].concat())?;
            books.news.reasons.push((id.into(), reason.clone()));
            if state == CredentialState::Verified {
                revoke(books, id, reason);
            }
            Ok(doubted)
        }
        Event::Voided { reason } => {
            let voided = books.step_apparatus(id, &[Void])?;
            books.news.pass_phrases_to_erase.push(id);
            books.news.reasons.push((id.into(), reason.clone()));
            if state == CredentialState::Verified {
                revoke(books, id, reason);
            }
            Ok(voided)
        }
        Event::Verified { .. } | Event::KeyBorn { .. } => {
            let detail = format!("{id} is a symmetric credential, which is bound to its device");
            Err(Problem::new(ProblemCode::MalformedRequest, detail))
        }
    }
}

/// Takes a device's word that it holds the credential.
fn bound(
    books: &mut Books,
    id: ApparatusId,
    state: CredentialState,
    device: &Holder,
    judged: &Judged,
) -> Result<CredentialState, Problem> {
    if let Some(fault) = &judged.fault {
        return Err(fault.clone());
    }
    if state != CredentialState::Voided {
        books.check_undisputed(&id.into())?;
        check_same_device(books, id, device)?;
        if state == CredentialState::Verified {
            return Ok(state);
        }
        check_may_hold(books, id, device)?;
    }
    let steps = [lease(state), &[Transition::Write, Transition::Verify]].concat();
    books.step_apparatus(id, &steps)
}

/// Puts the credential in dispute where it belongs to another device: one of the two is a copy, and
/// nobody can say which.
fn check_same_device(books: &mut Books, id: ApparatusId, device: &Holder) -> Result<(), Problem> {
    let first = books.apparatuses.get(&id).and_then(|known| known.device.clone());
    let Some(first) = first.filter(|first| first != device) else { return Ok(()) };
    let numbers = [first.number.clone(), device.number.clone()];
    let reason = format!("two devices have proved {id}: {} and {}", numbers[0], numbers[1]);
    doubt_apparatus(books, id, &reason);
    let mut credentials = vec![CredentialId::from(id)];
    for number in &numbers {
        if doubt_certificate(books, number, &reason) {
            credentials.push(number.clone().into());
        }
    }
    books.dispute(&credentials);
    let chips: [HardwareUid; 2] = [first.hardware_uid, device.hardware_uid.clone()];
    books.news.disputes.push(Dispute { credentials, devices: numbers, chips });
    Err(Problem::new(ProblemCode::SecondDevice, reason))
}

fn doubt_apparatus(books: &mut Books, id: ApparatusId, reason: &str) {
    let was_in_use = books.apparatuses.get(&id).is_some_and(|known| known.state == CredentialState::Verified);
    if books.step_apparatus(id, &[Transition::Doubt]).is_ok() {
        books.news.reasons.push((id.into(), reason.to_owned()));
    }
    if was_in_use {
        revoke(books, id, reason);
    }
}

/// A certificate of either device is doubtful as well: whoever could copy the one could copy the other.
/// Whether there is one, and it is this factory's: nobody brings another's devices into doubt.
fn doubt_certificate(books: &mut Books, number: &DeviceNumber, reason: &str) -> bool {
    let known = books.certificates.get(number).filter(|known| known.factory == books.factory);
    let Some(state) = known.map(|known| known.state) else { return false };
    let before = if state == CredentialState::Stocked { lease(state) } else { &[] };
    if books.step_certificate(number, &[before, &[Transition::Doubt]].concat()).is_ok() {
        books.news.reasons.push((number.clone().into(), reason.to_owned()));
    }
    true
}

/// Tells the authenticators that a credential which they know is refused. They never take it again, so
/// nor does the authority.
fn revoke(books: &mut Books, id: ApparatusId, reason: &str) {
    books.dispute(&[id.into()]);
    let revoked = registration::Event::Revoked { reason: reason.to_owned() };
    books.news.registrations.push((id, revoked));
    if let Some(device) = books.apparatuses.get(&id).and_then(|known| known.device.clone()) {
        books.held.remove(&device.number);
    }
}

/// Whether the device may hold a credential of this product, and none other.
fn check_may_hold(books: &Books, id: ApparatusId, device: &Holder) -> Result<(), Problem> {
    let number = &device.number;
    let refused = |code, detail| Err(Problem::new(code, detail));
    let product = books.apparatuses.get(&id).map(|known| &known.product);
    if let Some(product) = product.filter(|product| *product != number.product()) {
        return refused(ProblemCode::WrongProduct, format!("{id} is for {product}, and not for {number}"));
    }
    if !books.ranges.iter().any(|range| range.contains(number)) {
        let detail = format!("{number} lies outside the serial ranges of {}", books.factory);
        return refused(ProblemCode::OutOfRange, detail);
    }
    let certificate = books.certificates.get(number);
    if certificate.is_some_and(|certificate| certificate.state == CredentialState::Voided) {
        return refused(ProblemCode::IllegalState, format!("{number} is void"));
    }
    books.check_undisputed(&number.clone().into())?;
    books.check_device(device)?;
    match books.held.get(number) {
        Some(other) => refused(
            ProblemCode::DeviceHoldsAnother,
            format!("{number} holds the symmetric credential {other} already"),
        ),
        None => Ok(()),
    }
}
