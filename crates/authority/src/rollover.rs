//! One CA of devices after another: made ahead, so that members can learn it; put to work; and, once what the
//! one before has signed is replaced, retired.
//!
//! What each step would do is to be read before it is done, in [`impact`](crate::Impact).

use std::collections::BTreeMap;

use cert::{Certificate, Fingerprint};
use identity::{Member, ProductCode};
use message::problem::ProblemCode;
use pki::{NO_EXPIRY, NameText, Root, SigningKey, Validity};
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::ca::{self, CaName, IssuingCaName};
use store::authority::issuing_ca::{self, IssuingCa, IssuingCaState};
use store::{Secret, StoreError, Vault};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::impact::{MemberStanding, standings};
use crate::setup::NewCa;

/// A further CA of devices, as it is to be.
#[derive(Clone, Debug, Default)]
pub struct FurtherCa {
    /// The organization in its name.
    pub organization: Option<NameText>,
    /// For how many days it is valid; without end where none is said, since devices keep their certificates
    /// for life.
    pub valid_days: Option<u32>,
}

/// A CA of devices that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeCa {
    /// Its name.
    pub ca: IssuingCaName,
    /// SHA-256 of its certificate.
    pub sha256: String,
}

/// A CA of devices that signs from now on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activated {
    /// Its name.
    pub ca: IssuingCaName,
    /// The one that signs no more.
    pub superseded: IssuingCaName,
    /// Members that do not know it yet, and will refuse what it signs until they do.
    pub lacking: Vec<Member>,
}

/// A CA of devices that is trusted no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Its name.
    pub ca: IssuingCaName,
    /// How many certificates that it signed would still count.
    pub living: u64,
}

impl Desk {
    /// Makes a further CA of devices. Members are told of it; it signs nothing before it is activated.
    ///
    /// # Errors
    /// One waits already, the key is not the root's, the passphrase is wrong, or the store fails.
    pub async fn make_issuing_ca(
        &self,
        further: FurtherCa,
        root_key: SigningKey,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<MadeCa, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let mut snapshot = self.store.read().await?;
        let root = ca::find(&mut snapshot, CaName::Root).await?;
        let last = issuing_ca::states(&mut snapshot).await?.last().map(|(name, _)| *name);
        drop(snapshot);
        let root = root.ok_or(StoreError::Corrupt { what: "ca.root" })?;
        let name = last.ok_or(StoreError::Corrupt { what: "issuing_ca" })?.next();
        let subject: NameText = format!("{} devices {}", self.member.name(), name.number())
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "ca.name" })?;
        let now = self.now();
        let validity = match further.valid_days {
            Some(days) => Validity::days(now, days),
            None => Validity::new(now, NO_EXPIRY),
        };
        let validity = validity.map_err(pki::IssueError::from)?;
        let root = Root::open(root.certificate, root_key)?;
        let ca = root.issue_ca(further.organization.as_ref(), &subject, validity, self.random.as_ref())?;
        let made = MadeCa { ca: name, sha256: Fingerprint::of(&ca.certificate).to_string() };
        let ca = NewCa::new(&ca).map_err(pki::IssueError::from)?.sealed(CaName::Issuing(name), &vault)?;
        let actor = actor.clone();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let states = issuing_ca::states(transaction).await?;
                    if let Some((waiting, _)) =
                        states.iter().find(|(_, state)| *state == IssuingCaState::Prepared)
                    {
                        let detail = format!("{waiting} waits to be activated: activate it, or retire it");
                        return Err(conflict(detail));
                    }
                    let inserted = issuing_ca::insert(transaction, name, IssuingCaState::Prepared, &ca).await;
                    inserted.map_err(|error| match error {
                        StoreError::Duplicate { .. } => conflict(format!("{name} was made meanwhile")),
                        other => other.into(),
                    })?;
                    audit::append(transaction, now, actor.as_str(), "issuing-ca.make", &made).await?;
                    Ok(made)
                })
            })
            .await
    }

    /// All CAs of devices, without their keys, in the order in which they were made.
    ///
    /// # Errors
    /// The store fails.
    pub async fn issuing_cas(&self) -> Result<Vec<IssuingCa>, AuthorityError> {
        Ok(issuing_ca::all(&mut self.store.read().await?).await?)
    }

    /// How many certificates of each CA count, or may, by product.
    ///
    /// # Errors
    /// The store fails.
    pub async fn living_by_ca(
        &self,
    ) -> Result<BTreeMap<IssuingCaName, BTreeMap<ProductCode, u64>>, AuthorityError> {
        let mut living: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (name, product, count) in issuing_ca::living_counts(&mut self.store.read().await?).await? {
            living.entry(name).or_default().insert(product, count);
        }
        Ok(living)
    }

    /// Lets a CA of devices sign from now on, in place of the one that does.
    ///
    /// # Errors
    /// It cannot sign, a member that is reachable does not know it yet and that is not accepted, or the store
    /// fails.
    pub async fn activate_issuing_ca(
        &self,
        name: IssuingCaName,
        accept_lacking: bool,
        actor: &Actor,
    ) -> Result<Activated, AuthorityError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let all = issuing_ca::all(transaction).await?;
                    check_may_sign(known(&all, name)?, now)?;
                    let standings = standings(transaction, &all, now).await?;
                    let lacking = || standings.iter().filter(|standing| standing.lacks.contains(&name));
                    let waiting: Vec<_> = lacking().filter(|standing| standing.is_reachable).collect();
                    if !waiting.is_empty() && !accept_lacking {
                        return Err(conflict(not_taken_yet(name, &waiting)));
                    }
                    let active = all.iter().find(|known| known.state == IssuingCaState::Active);
                    let active = active.ok_or(StoreError::Corrupt { what: "issuing_ca.state" })?.name;
                    use IssuingCaState::{Active, Prepared, Superseded};
                    issuing_ca::set_state(transaction, now, active, &[Active], Superseded).await?;
                    issuing_ca::set_state(transaction, now, name, &[Prepared], Active).await?;
                    let lacking = lacking().map(|standing| standing.member.clone()).collect();
                    let done = Activated { ca: name, superseded: active, lacking };
                    audit::append(transaction, now, actor.as_str(), "issuing-ca.activate", &done).await?;
                    Ok(done)
                })
            })
            .await
    }

    /// Takes the trust from a CA of devices, for good.
    ///
    /// # Errors
    /// It signs, it was retired before, it has certificates that still count and that is not accepted, or
    /// the store fails.
    pub async fn retire_issuing_ca(
        &self,
        name: IssuingCaName,
        accept_living: bool,
        actor: &Actor,
    ) -> Result<Retired, AuthorityError> {
        // What does not sign gets no further certificates, so they may be counted beforehand.
        let impact = self.impact(Some(name)).await?;
        check_may_end(name, impact.state)?;
        let living = impact.living;
        if living > 0 && !accept_living {
            let detail = format!(
                "{living} certificates that {name} signed still count, {} of them of devices that have no other",
                impact.not_renewed
            );
            return Err(conflict(detail));
        }
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    use IssuingCaState::{Prepared, Retired as Gone, Superseded};
                    let from = &[Prepared, Superseded];
                    if !issuing_ca::set_state(transaction, now, name, from, Gone).await? {
                        return Err(conflict(format!("{name} was activated or retired meanwhile")));
                    }
                    let done = Retired { ca: name, living };
                    audit::append(transaction, now, actor.as_str(), "issuing-ca.retire", &done).await?;
                    Ok(done)
                })
            })
            .await
    }
}

pub(crate) fn known(all: &[IssuingCa], name: IssuingCaName) -> Result<&IssuingCa, AuthorityError> {
    all.iter().find(|known| known.name == name).ok_or_else(|| {
        AuthorityError::refused(ProblemCode::NotFound, format!("no issuing CA {name} is known here"))
    })
}

fn check_may_sign(ca: &IssuingCa, now: i64) -> Result<(), AuthorityError> {
    let name = ca.name;
    match ca.state {
        IssuingCaState::Prepared => {}
        IssuingCaState::Active => return Err(conflict(format!("{name} signs already"))),
        state => return Err(conflict(format!("{name} is {state}: make a further CA"))),
    }
    let certificate = Certificate::parse(&ca.ca.certificate);
    let certificate = certificate.map_err(|_| StoreError::Corrupt { what: "ca.certificate" })?;
    if certificate.not_after() < now {
        return Err(conflict(format!("{name} has expired: retire it, and make a further CA")));
    }
    Ok(())
}

fn check_may_end(name: IssuingCaName, state: IssuingCaState) -> Result<(), AuthorityError> {
    match state {
        IssuingCaState::Prepared | IssuingCaState::Superseded => Ok(()),
        IssuingCaState::Active => Err(conflict(format!("{name} signs: activate another one first"))),
        IssuingCaState::Retired => Err(conflict(format!("{name} is retired already"))),
    }
}

fn not_taken_yet(name: IssuingCaName, waiting: &[&MemberStanding]) -> String {
    let members: Vec<String> = waiting.iter().map(|standing| standing.member.to_string()).collect();
    format!("{} can be reached and would refuse what {name} signs: not taken yet", members.join(", "))
}

fn conflict(detail: String) -> AuthorityError {
    AuthorityError::refused(ProblemCode::Conflict, detail)
}
