//! What a report's events mean for a certificate.

use identity::{CredentialState, DeviceNumber, MemberName, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::Event;
use message::result::Proof;
use store::authority::apparatus::Holder;

use super::books::{Books, not_issued};
use super::proof::Judged;

/// Takes one record about a certificate: where it stands afterwards, or why nothing came of it.
pub(super) fn take(
    books: &mut Books,
    number: &DeviceNumber,
    judged: &Judged,
) -> Result<CredentialState, Problem> {
    use Transition::{Doubt, Stock, Void};
    let known = books.certificates.get(number).filter(|known| known.factory == books.factory);
    let state = known.ok_or_else(|| not_issued(number.clone(), &books.factory))?.state;
    match &judged.record.event {
        Event::Stocked => {
            let state = books.step_certificate(number, &[Stock])?;
            books.news.filed.push(number.clone());
            Ok(state)
        }
        Event::Verified { station, proof } => verified(books, number, state, station, proof, judged),
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
        Event::Bound { .. } | Event::KeyBorn { .. } => {
            let detail = format!("{number} is a certificate that the authority has made");
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

fn verified(
    books: &mut Books,
    number: &DeviceNumber,
    state: CredentialState,
    station: &MemberName,
    proof: &Proof,
    judged: &Judged,
) -> Result<CredentialState, Problem> {
    if let Some(fault) = &judged.proof_fault {
        return Err(Problem::new(ProblemCode::ProofFailed, fault.clone()));
    }
    books.check_undisputed(&number.clone().into())?;
    let device = Holder { number: number.clone(), hardware_uid: proof.hardware_uid.clone() };
    books.check_device(&device)?;
    // Proved already: the same device may prove it again.
    if state == CredentialState::Verified {
        return Ok(state);
    }
    let steps = [lease(state), &[Transition::Write, Transition::Verify]].concat();
    let state = books.step_certificate(number, &steps)?;
    books.register(&device, station, judged.record.time);
    books.news.digests.push((number.clone(), proof.pack_digest.0.clone()));
    books.news.keys_to_erase.push(number.clone());
    Ok(state)
}
