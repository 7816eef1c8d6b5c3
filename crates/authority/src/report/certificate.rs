//! What a report's events mean for a certificate.

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::Event;
use store::authority::apparatus::Holder;

use super::proof::Judged;
use crate::books::{Books, not_issued};

/// Takes one record about a certificate: where it stands afterwards, or why nothing came of it.
pub(super) fn take(
    books: &mut Books,
    number: &DeviceNumber,
    judged: &Judged,
) -> Result<CredentialState, Problem> {
    use Transition::{Doubt, Stock, Void};
    if let Some(fault) = &judged.fault {
        return Err(fault.clone());
    }
    let known = books.certificates.get(number).filter(|known| known.factory == books.factory);
    let state = known.ok_or_else(|| not_issued(number.clone(), &books.factory))?.state;
    match &judged.record.event {
        Event::Stocked => {
            let state = books.step_certificate(number, &[Stock])?;
            books.news.filed.push(number.clone());
            Ok(state)
        }
        Event::Verified { station, proof } => {
            let time = judged.record.time;
            let new = proved(books, number, state, station, &proof.hardware_uid, time)?;
            if new != state {
                books.news.digests.push((number.clone(), proof.pack_digest.0.clone()));
                books.news.keys_to_erase.push(number.clone());
            }
            Ok(new)
        }
        Event::KeyBorn { station, proof, .. } => {
            proved(books, number, state, station, &proof.hardware_uid, judged.record.time)
        }
        Event::Suspect { reason } => {
            let state = books.step_certificate(number, &[lease(state), &[Doubt]].concat())?;
            books.news.reasons.push((number.clone().into(), reason.clone()));
            Ok(state)
        }
        Event::Voided { reason } => {
            let state = books.step_certificate(number, &[Void])?;
            books.news.keys_to_erase.push(number.clone());
            books.news.reasons.push((number.clone().into(), reason.clone()));
            Ok(state)
        }
        Event::Bound { .. } => {
            let detail = format!("{number} is a certificate, which is verified");
            Err(Problem::new(ProblemCode::MalformedRequest, detail))
        }
    }
}

/// The lease that a gateway does not report: the authority hears of it by what came of it.
pub(super) fn lease(state: CredentialState) -> &'static [Transition] {
    match state {
        CredentialState::Leased | CredentialState::Verified => &[],
        _ => &[Transition::Lease],
    }
}

/// Takes a device's proof, which was judged, that it holds the key.
fn proved(
    books: &mut Books,
    number: &DeviceNumber,
    state: CredentialState,
    station: &MemberName,
    chip: &HardwareUid,
    time: i64,
) -> Result<CredentialState, Problem> {
    books.check_undisputed(&number.clone().into())?;
    let device = Holder { number: number.clone(), hardware_uid: chip.clone() };
    books.check_device(&device)?;
    // Proved already: the same device may prove it again.
    if state == CredentialState::Verified {
        return Ok(state);
    }
    let steps = [lease(state), &[Transition::Write, Transition::Verify]].concat();
    let state = books.step_certificate(number, &steps)?;
    books.register(&device, station, time);
    Ok(state)
}
