//! Signing in and out. A name that nobody has takes the same steps, and gets the same answer, as a wrong password.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use store::audit::{self, Actor};
use store::staff::member::{self, StaffMember};
use store::staff::refusal::{self, Refusals};
use store::staff::{StaffName, session};
use store::{Secret, StoreError};

use crate::gate::SignedIn;
use crate::people::{Staff, StaffError, derive};
use crate::{password::PASSWORD_BYTES_MAX, second_factor};

/// How long a session lasts without a request.
pub(crate) const IDLE_SECONDS: i64 = 30 * 60;
/// How long a session lasts: a shift.
pub(crate) const SESSION_SECONDS: i64 = 10 * 60 * 60;
/// How often a session's last request is noted.
const NOTE_SEEN_SECONDS: i64 = 60;
/// Wrong tries that do not wait.
const FREE_FAILURES: u32 = 3;
/// The longest wait after a wrong try.
const WAIT_SECONDS_MAX: i64 = 60;
/// After how long a name's refusals are forgotten.
const REMEMBERED_SECONDS: i64 = 60 * 60;
/// Longer names are nobody's; they are not stored.
const NAME_BYTES_MAX: usize = 64;

/// Why someone is not let in.
#[derive(Debug)]
pub enum Refused {
    /// Name, password or code is wrong.
    Wrong,
    /// There were too many wrong tries; the next is looked at after so many seconds.
    Wait(i64),
    /// The console fails.
    Failed(StaffError),
}

impl<E: Into<StaffError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Began {
    refused_before: u32,
}

impl Staff {
    /// Begins a session under `secret`, which the browser alone keeps.
    ///
    /// # Errors
    /// Name, password or code is wrong, there were too many tries, or the store fails.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Secret,
        code: &str,
        secret: &str,
    ) -> Result<(), Refused> {
        if name.len() > NAME_BYTES_MAX || password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(Refused::Wrong);
        }
        let _one_at_a_time = self.trying.lock().await;
        let now = self.clock.epoch_seconds();
        let mut snapshot = self.store.read().await?;
        let refusals = refusal::of_name(&mut snapshot, name).await?;
        if refusals.until > now {
            return Err(Refused::Wait(refusals.until - now));
        }
        let person = match name.parse::<StaffName>() {
            Ok(name) => member::find(&mut snapshot, &name).await?,
            Err(_) => None,
        };
        drop(snapshot);
        let person = person.as_ref().unwrap_or(&self.decoy);
        match self.step(person, password, code, now).await? {
            Some(step) => self.begin(person, step, refusals, secret, now).await,
            None => self.refuse(name, refusals, now).await,
        }
    }

    /// The time step of the code, where both password and code are right.
    async fn step(
        &self,
        person: &StaffMember,
        password: Secret,
        code: &str,
        now: i64,
    ) -> Result<Option<i64>, StaffError> {
        let derived = derive(password, person.salt.clone()).await?;
        if !derived.is_verified_by(&person.verifier) {
            return Ok(None);
        }
        let secret =
            derived.open(&person.second_factor).ok_or(StoreError::Corrupt { what: "staff.second_factor" })?;
        Ok(second_factor::step_of(&secret, code, now))
    }

    async fn begin(
        &self,
        person: &StaffMember,
        step: i64,
        refusals: Refusals,
        secret: &str,
        now: i64,
    ) -> Result<(), Refused> {
        let (name, secret) = (person.name.clone(), hash(secret));
        let began = self.store.write(move |transaction| {
            Box::pin(async move {
                if !member::take_step(transaction, &name, step).await? {
                    return Ok(false);
                }
                refusal::forget(transaction, name.as_str()).await?;
                session::begin(transaction, &secret, &name, now, now - SESSION_SECONDS).await?;
                let entry = Began { refused_before: refusals.failures };
                let actor = Actor::person(name.as_str());
                audit::append(transaction, now, actor.as_str(), "staff.sign-in", &entry).await?;
                Ok::<_, StoreError>(true)
            })
        });
        if began.await? { Ok(()) } else { self.refuse(person.name.as_str(), refusals, now).await }
    }

    async fn refuse(&self, name: &str, before: Refusals, now: i64) -> Result<(), Refused> {
        let failures = before.failures.saturating_add(1);
        let doublings = failures.saturating_sub(FREE_FAILURES + 1).min(30);
        let wait = if failures > FREE_FAILURES { (1 << doublings).min(WAIT_SECONDS_MAX) } else { 0 };
        tracing::warn!(name, failures, "sign-in refused");
        let (name, refusals) = (name.to_owned(), Refusals { failures, until: now + wait });
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    refusal::note(transaction, &name, refusals, now - REMEMBERED_SECONDS).await
                })
            })
            .await?;
        Err(Refused::Wrong)
    }

    /// Who is signed in under this secret.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn signed_in(&self, secret: &str) -> Result<Option<SignedIn>, StaffError> {
        let (now, secret) = (self.clock.epoch_seconds(), hash(secret));
        let found = session::find(&mut self.store.read().await?, &secret).await?;
        let Some(found) = found else { return Ok(None) };
        if now >= found.started + SESSION_SECONDS || now >= found.seen + IDLE_SECONDS {
            return Ok(None);
        }
        if now >= found.seen + NOTE_SEEN_SECONDS {
            self.store
                .write(move |transaction| {
                    Box::pin(async move { session::note_seen(transaction, &secret, now).await })
                })
                .await?;
        }
        Ok(Some(SignedIn::new(found.name, found.roles)))
    }

    /// Ends the session of this secret.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn sign_out(&self, person: &SignedIn, secret: &str) -> Result<(), StaffError> {
        let (now, actor, secret) = (self.clock.epoch_seconds(), person.actor(), hash(secret));
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    session::end(transaction, &secret).await?;
                    Ok(audit::append(transaction, now, actor.as_str(), "staff.sign-out", &()).await?)
                })
            })
            .await
    }
}

fn hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}
