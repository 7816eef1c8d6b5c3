//! The people: added and removed at the command line.

use std::sync::Arc;

use identity::{Clock, Random};
use serde::Serialize;
use store::audit::{self, Actor};
use store::staff::member::{self, StaffMember};
use store::staff::{StaffName, StaffRole};
use store::{Secret, Store, StoreError};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::password::{Derived, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, SALT_BYTES, UnsuitablePassword};
use crate::second_factor::{SECRET_BYTES, SecondFactor};

/// A role's staff.
pub struct Staff {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What Argon2id makes of a name that nobody has is compared with this.
    pub(crate) decoy: StaffMember,
    /// One try to sign in at a time: tries take memory and time, and count for the next.
    pub(crate) trying: Mutex<()>,
}

/// Why a person was not added or removed, or a console fails.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// The password is too short or too long.
    #[error(transparent)]
    UnsuitablePassword(#[from] UnsuitablePassword),
    /// A person without a role could do nothing.
    #[error("a person needs at least one role")]
    NoRole,
    /// The name is taken.
    #[error("there is a person of this name already")]
    Taken,
    /// Nobody has the name.
    #[error("there is nobody of this name")]
    Unknown,
    /// A task of ours broke off.
    #[error("a task broke off")]
    Task(#[from] tokio::task::JoinError),
    /// The store fails.
    #[error("the store fails")]
    Store(#[source] StoreError),
}

impl From<StoreError> for StaffError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Serialize)]
struct Added<'a> {
    name: &'a StaffName,
    roles: &'a [StaffRole],
}

impl Staff {
    /// The staff in this store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let mut salt = vec![0; SALT_BYTES];
        random.fill(&mut salt);
        let decoy = StaffMember {
            name: "nobody".parse().expect("this is a name"),
            roles: Vec::new(),
            salt,
            verifier: Vec::new(),
            second_factor: Vec::new(),
            last_step: 0,
            added: 0,
        };
        Self { store, clock, random, decoy, trying: Mutex::default() }
    }

    /// Adds a person. The second factor is shown to them now, and never again; `console` names the
    /// console in their authenticator app.
    ///
    /// # Errors
    /// The name is taken, the password is unsuitable, there is no role, or the store fails.
    pub async fn add(
        &self,
        console: &str,
        name: &StaffName,
        roles: &[StaffRole],
        password: Secret,
        by: &Actor,
    ) -> Result<SecondFactor, StaffError> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.expose().len()) {
            return Err(UnsuitablePassword.into());
        }
        if roles.is_empty() {
            return Err(StaffError::NoRole);
        }
        let mut salt = vec![0; SALT_BYTES];
        self.random.fill(&mut salt);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        self.random.fill(secret.as_mut_slice());
        let derived = derive(password, salt.clone()).await?;
        let now = self.clock.epoch_seconds();
        let person = StaffMember {
            name: name.clone(),
            roles: roles.to_vec(),
            salt,
            verifier: derived.verifier().to_vec(),
            second_factor: derived.seal(secret.as_slice()),
            last_step: 0,
            added: now,
        };
        let by = by.clone();
        let stored = self.store.write(move |transaction| {
            Box::pin(async move {
                member::insert(transaction, &person).await?;
                let entry = Added { name: &person.name, roles: &person.roles };
                audit::append(transaction, now, by.as_str(), "staff.add", &entry).await
            })
        });
        stored.await.map_err(|error| match error {
            StoreError::Duplicate { .. } => StaffError::Taken,
            other => StaffError::Store(other),
        })?;
        Ok(SecondFactor::new(console, name.as_str(), secret.as_slice()))
    }

    /// Removes a person, who is signed out at once.
    ///
    /// # Errors
    /// Nobody has the name, or the store fails.
    pub async fn remove(&self, name: &StaffName, by: &Actor) -> Result<(), StaffError> {
        let (now, name, by) = (self.clock.epoch_seconds(), name.clone(), by.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if !member::remove(transaction, &name).await? {
                        return Err(StaffError::Unknown);
                    }
                    Ok(audit::append(transaction, now, by.as_str(), "staff.remove", &name).await?)
                })
            })
            .await
    }

    /// All people, with their roles and when they were added.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(&self) -> Result<Vec<(StaffName, Vec<StaffRole>, i64)>, StaffError> {
        let people = member::all(&mut self.store.read().await?).await?;
        Ok(people.into_iter().map(|person| (person.name, person.roles, person.added)).collect())
    }
}

/// Argon2id beside the other tasks.
pub(crate) async fn derive(password: Secret, salt: Vec<u8>) -> Result<Derived, StaffError> {
    Ok(tokio::task::spawn_blocking(move || Derived::of(password.expose(), &salt)).await?)
}
