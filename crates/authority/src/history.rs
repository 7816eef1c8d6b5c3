//! All certificates that a number has had, and which of them count.

use cert::device::Registration;
use cert::{DeviceIdentity, Fingerprint};
use identity::{CredentialId, CredentialState, DeviceNumber, Transition};
use message::problem::ProblemCode;
use message::standing::DeviceStanding;
use pki::SigningRequest;
use serde::Serialize;
use store::audit::Cause;
use store::authority::change::Change;
use store::authority::credential::{self, Credential};
use store::authority::successor::{self, SuccessionCause, Successor, SuccessorId};
use store::authority::{device, dispute, pack};
use store::{Snapshot, StoreError, Transaction};

use crate::error::AuthorityError;

/// The certificates of one number.
pub(crate) struct History {
    /// The first one, from the factory.
    pub(crate) first: Credential,
    /// Those that followed, in order.
    pub(crate) successors: Vec<Successor>,
    /// Whether more than one device has claimed the number.
    is_disputed: bool,
}

/// What the audit log says beside a certificate that is withdrawn.
#[derive(Serialize)]
pub(crate) struct Why<'a> {
    pub(crate) reason: &'a str,
}

impl History {
    /// The certificates of this number.
    ///
    /// # Errors
    /// It was never issued, which is refused with `code`, or the store fails.
    pub(crate) async fn read(
        snapshot: &mut Snapshot,
        number: &DeviceNumber,
        code: ProblemCode,
    ) -> Result<Self, AuthorityError> {
        let first = credential::find(snapshot, number).await?;
        let first = first
            .filter(|first| first.state != CredentialState::Intended)
            .ok_or_else(|| AuthorityError::refused(code, format!("{number} was never issued")))?;
        let successors = successor::of_number(snapshot, number).await?;
        let is_disputed = !dispute::among(snapshot, &[number.clone().into()]).await?.is_empty();
        Ok(Self { first, successors, is_disputed })
    }

    /// The one that its device was handed, or is about to be, and has not shown.
    pub(crate) fn pending(&self) -> Option<&Successor> {
        use CredentialState::{Suspect, Verified, Voided};
        self.successors.iter().find(|successor| !matches!(successor.state, Verified | Suspect | Voided))
    }

    /// The one with this request's key.
    pub(crate) fn of_key(&self, request: &SigningRequest) -> Option<&Successor> {
        let key = request.public_key_sha256();
        self.successors.iter().find(|successor| successor.public_key_sha256 == key.as_bytes())
    }

    /// Whether there may be another for this cause.
    ///
    /// # Errors
    /// The refusal, where there may not.
    pub(crate) fn check(&self, cause: SuccessionCause) -> Result<(), AuthorityError> {
        use CredentialState::{Leased, Suspect, Verified, Voided, Written};
        let number = &self.first.number;
        if self.is_disputed {
            let detail = format!("more than one device may hold {number}");
            return Err(AuthorityError::refused(ProblemCode::SecondDevice, detail));
        }
        let any = |is: fn(CredentialState) -> bool| self.states().any(is);
        let refusal = match cause {
            SuccessionCause::Renewal => (!any(|state| matches!(state, Written | Verified)))
                .then_some("has no certificate in use that could be renewed"),
            SuccessionCause::Recovery => {
                (!any(|state| matches!(state, Leased | Written | Verified | Suspect)))
                    .then_some("has no certificate that could be lost: it was never made, or it is void")
            }
            SuccessionCause::BoardSwap => any(|state| state != Voided)
                .then_some("has a certificate that is not void: it is voided before another board gets one"),
        };
        match refusal {
            None => Ok(()),
            Some(why) => Err(AuthorityError::refused(ProblemCode::IllegalState, format!("{number} {why}"))),
        }
    }

    /// Whom a device is taken for that has shown this identity, whichever of its certificates that is.
    ///
    /// # Errors
    /// The key is not one of this number, or its certificate does not count.
    pub(crate) fn standing(&self, device: &DeviceIdentity) -> Result<DeviceStanding, AuthorityError> {
        let key = device.spki_sha256.as_bytes();
        let shown = self.successors.iter().find(|successor| successor.public_key_sha256 == key);
        let (stored, state) = match shown {
            Some(successor) => (&successor.public_key_sha256, successor.state),
            None => (&self.first.public_key_sha256, self.first.state),
        };
        let stored = stored.as_slice().try_into();
        let stored = stored.map_err(|_| StoreError::Corrupt { what: "public_key_sha256" })?;
        let registration = Registration {
            spki_sha256: Fingerprint::from_bytes(stored),
            state,
            is_successor: shown.is_some(),
        };
        let checked = device.check_registration(&registration);
        checked.map_err(|refusal| AuthorityError::refused(ProblemCode::NotAllowed, refusal.to_string()))?;
        Ok(DeviceStanding { device_number: self.first.number.clone(), state })
    }

    /// Withdraws all that are not void yet, but the one to be kept, and erases what is stored of their
    /// secrets. Whether there were any.
    ///
    /// # Errors
    /// One of them changed meanwhile, or the store fails.
    pub(crate) async fn void_all(
        &self,
        transaction: &mut Transaction,
        cause: Cause<'_>,
        kept: Option<&SuccessorId>,
        reason: &str,
    ) -> Result<bool, AuthorityError> {
        let number = &self.first.number;
        let is_live = |state| !matches!(state, CredentialState::Voided | CredentialState::Abandoned);
        let successors: Vec<Change<SuccessorId>> = self
            .successors
            .iter()
            .filter(|successor| is_live(successor.state) && Some(&successor.id) != kept)
            .map(end_of)
            .collect();
        let is_first_live = is_live(self.first.state);
        if is_first_live {
            let change =
                Change { id: number.clone(), from: self.first.state, transitions: vec![Transition::Void] };
            credential::apply(transaction, cause, &[change], &Why { reason }).await?;
            pack::erase_keys(transaction, std::slice::from_ref(number)).await?;
        }
        if !successors.is_empty() {
            successor::apply(transaction, cause, &successors, &Why { reason }).await?;
        }
        if is_first_live || !successors.is_empty() {
            let reasons = [(CredentialId::from(number.clone()), reason.to_owned())];
            device::set_reasons(transaction, &reasons).await?;
        }
        Ok(is_first_live || !successors.is_empty())
    }

    fn states(&self) -> impl Iterator<Item = CredentialState> {
        let successors = self.successors.iter().map(|successor| successor.state);
        [self.first.state].into_iter().chain(successors)
    }
}

/// The end of a successor that is not signed, or that is withdrawn.
pub(crate) fn end_of(successor: &Successor) -> Change<SuccessorId> {
    let end = match successor.state {
        CredentialState::Intended => Transition::Abandon,
        _ => Transition::Void,
    };
    Change { id: successor.id.clone(), from: successor.state, transitions: vec![end] }
}
