//! Withdrawing credentials, by a person's word: one by its name, or all that have something in common.
//!
//! Many are voided in units of work of a bounded size, so that issuing goes on meanwhile. What was broken
//! off goes on with the same words: only what is not void yet is found.

use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, RevocationReason, Transition};
use message::problem::ProblemCode;
use store::audit::{Actor, Cause};
use store::authority::change::Change;
use store::authority::selection::{self, Selection};
use store::authority::successor;
use store::authority::{apparatus, credential, device, pack, registration, revocation, withdrawal};
use store::{Snapshot, StoreError, Transaction};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::{Why, end_of};

/// How many credentials of each kind one unit of work voids at most, and one audit entry lists.
const VOIDED_AT_ONCE_MAX: u32 = 500;

/// Credentials of both kinds, with the states that they are in.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selected {
    /// Numbers of which a certificate is not void, the first one or one that followed, and its state.
    pub certificates: Vec<(DeviceNumber, CredentialState)>,
    /// Symmetric credentials.
    pub apparatuses: Vec<(ApparatusId, CredentialState)>,
}

/// How many credentials were voided.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VoidedCounts {
    /// Certificates.
    pub certificates: u64,
    /// Symmetric credentials.
    pub apparatuses: u64,
}

/// Where a walk through a selection is.
#[derive(Default)]
struct Place {
    number: Option<DeviceNumber>,
    id: Option<ApparatusId>,
}

impl Desk {
    /// Withdraws a credential for good, wherever it stands, and erases what is kept of its secret.
    ///
    /// # Errors
    /// There is no such credential, it is void already, or the store fails.
    pub async fn void(
        &self,
        credential: &CredentialId,
        reason: &str,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, credential, reason, actor) =
            (self.now(), credential.clone(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = named(transaction, &credential).await?;
                    if !void_all(transaction, now, &actor, found, &reason).await? {
                        let detail = format!("{credential} is voided already");
                        return Err(AuthorityError::refused(ProblemCode::IllegalState, detail));
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What [`Desk::revoke_selected`] would void, in the order of their names.
    ///
    /// # Errors
    /// The store fails.
    pub async fn selected(&self, selection: &Selection) -> Result<Selected, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let (mut all, mut place) = (Selected::default(), Place::default());
        loop {
            let mut next = place.next(&mut snapshot, selection).await?;
            if next.is_empty() {
                return Ok(all);
            }
            all.certificates.append(&mut next.certificates);
            all.apparatuses.append(&mut next.apparatuses);
        }
    }

    /// Withdraws all selected credentials for good, and says after each unit of work how many have gone.
    ///
    /// # Errors
    /// The store fails; what was voided before stays so, and the same call goes on from there.
    pub async fn revoke_selected(
        &self,
        selection: &Selection,
        reason: RevocationReason,
        actor: &Actor,
        mut voided: impl FnMut(VoidedCounts),
    ) -> Result<VoidedCounts, AuthorityError> {
        let (mut counts, mut place) = (VoidedCounts::default(), Place::default());
        loop {
            let (now, selection, actor) = (self.now(), selection.clone(), actor.clone());
            let (done, further) = self
                .store
                .write(move |transaction| {
                    Box::pin(async move {
                        let found = place.next(transaction, &selection).await?;
                        let done = found.counts();
                        let numbers: Vec<_> =
                            found.certificates.iter().map(|(number, _)| number.clone()).collect();
                        void_all(transaction, now, &actor, found, reason.as_str()).await?;
                        revocation::give_reason(transaction, &numbers, reason).await?;
                        Ok::<_, AuthorityError>((done, place))
                    })
                })
                .await?;
            if done == VoidedCounts::default() {
                return Ok(counts);
            }
            counts.certificates += done.certificates;
            counts.apparatuses += done.apparatuses;
            place = further;
            voided(done);
        }
    }
}

impl Place {
    /// The credentials that come next, none at the end.
    async fn next(&mut self, snapshot: &mut Snapshot, selection: &Selection) -> Result<Selected, StoreError> {
        let (number, limit) = (self.number.as_ref(), VOIDED_AT_ONCE_MAX);
        let certificates = selection::certificates(snapshot, selection, number, limit).await?;
        let apparatuses = selection::apparatuses(snapshot, selection, self.id, limit).await?;
        if let Some((number, _)) = certificates.last() {
            self.number = Some(number.clone());
        }
        self.id = apparatuses.last().map(|(id, _)| *id).or(self.id);
        Ok(Selected { certificates, apparatuses })
    }
}

impl Selected {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.apparatuses.is_empty()
    }

    /// How many there are.
    pub fn counts(&self) -> VoidedCounts {
        VoidedCounts {
            certificates: self.certificates.len() as u64,
            apparatuses: self.apparatuses.len() as u64,
        }
    }
}

async fn named(snapshot: &mut Snapshot, id: &CredentialId) -> Result<Selected, AuthorityError> {
    let mut found = Selected::default();
    match id {
        CredentialId::Number(number) => {
            let known = credential::find(snapshot, number).await?;
            let known = known.filter(|known| known.state != CredentialState::Intended);
            found.certificates.extend(known.map(|known| (known.number, known.state)));
        }
        CredentialId::Apparatus(id) => {
            let known = apparatus::find_all(snapshot, &[*id]).await?;
            found.apparatuses.extend(known.into_iter().map(|known| (known.id, known.state)));
        }
    }
    if found.is_empty() {
        return Err(AuthorityError::refused(ProblemCode::NotFound, format!("{id} was never issued")));
    }
    Ok(found)
}

/// Voids credentials of both kinds, all certificates of a number that are not void yet, with one audit entry
/// a kind. Whether there were any.
pub(crate) async fn void_all(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    found: Selected,
    reason: &str,
) -> Result<bool, AuthorityError> {
    let Selected { certificates, apparatuses } = found;
    let cause = |action| Cause { time: now, actor: actor.as_str(), action };
    let why = Why { reason };
    let numbers: Vec<_> = certificates.into_iter().map(|(number, _)| number).collect();
    let firsts: Vec<_> = credential::find_all(transaction, &numbers)
        .await?
        .into_iter()
        .filter(|first| is_live(first.state))
        .map(|first| voiding((first.number, first.state)))
        .collect();
    let successors: Vec<_> = successor::live_of(transaction, &numbers).await?.iter().map(end_of).collect();
    let is_any = !firsts.is_empty() || !successors.is_empty() || !apparatuses.is_empty();
    if !firsts.is_empty() {
        credential::apply(transaction, cause("credential.void"), &firsts, &why).await?;
        pack::erase_keys(transaction, &numbers).await?;
    }
    if !successors.is_empty() {
        successor::apply(transaction, cause("credential.void"), &successors, &why).await?;
    }
    let ids: Vec<_> = apparatuses.iter().map(|(id, _)| *id).collect();
    if !apparatuses.is_empty() {
        let in_use = apparatuses.iter().filter(|(_, state)| *state == CredentialState::Verified);
        let revoked = |id| (id, registration::Event::Revoked { reason: reason.to_owned() });
        let told: Vec<_> = in_use.map(|(id, _)| revoked(*id)).collect();
        let changes: Vec<_> = apparatuses.into_iter().map(voiding).collect();
        apparatus::apply(transaction, cause("apparatus.void"), &changes, &why).await?;
        apparatus::erase_pass_phrases(transaction, &ids).await?;
        registration::append(transaction, &told).await?;
    }
    let numbers = numbers.into_iter().map(CredentialId::from);
    let named: Vec<CredentialId> = numbers.chain(ids.into_iter().map(CredentialId::from)).collect();
    if is_any {
        withdrawal::append(transaction, &named, reason).await?;
        let reasons: Vec<_> = named.into_iter().map(|credential| (credential, reason.to_owned())).collect();
        device::set_reasons(transaction, &reasons).await?;
    }
    Ok(is_any)
}

fn is_live(state: CredentialState) -> bool {
    state.after(Transition::Void) == Ok(CredentialState::Voided)
}

fn voiding<Id>((id, from): (Id, CredentialState)) -> Change<Id> {
    Change { id, from, transitions: vec![Transition::Void] }
}
