//! Services that the authority has shut out: their certificates are good until they expire, so the
//! authenticator asks the authority who they are, and looks every request up.
//!
//! What it heard last counts while the authority cannot be reached, over restarts, and for all
//! instances on the store.

use identity::Member;
use message::shut_out;
use serde::Serialize;
use store::StoreError;
use store::audit::{self, Actor};
use store::authenticator::shut_out::{ShutOut, find, holds_certificate, replace};
use transport::{Client, Service};

use crate::authenticator::Authenticator;
use crate::error::AuthenticatorError;

impl Authenticator {
    /// Asks the authority who is shut out, and stores what it says.
    ///
    /// # Errors
    /// The authority cannot be asked, or the store fails.
    pub async fn pull_shut_out(&self, authority: &Client) -> Result<(), AuthenticatorError> {
        let said = authority.get_json("/v1/shut-out").await.map_err(AuthenticatorError::Authority)?;
        Ok(self.shut_out(said).await?)
    }

    /// Stores who is shut out from now on.
    ///
    /// # Errors
    /// The store fails.
    pub async fn shut_out(&self, said: shut_out::ShutOut) -> Result<(), StoreError> {
        let said = ShutOut {
            services: said.services.into_iter().collect(),
            certificate_serials: said.certificate_serials.into_iter().collect(),
        };
        let (now, actor) = (self.now(), Actor::member(&self.member));
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if find(transaction).await? == said {
                        return Ok(());
                    }
                    replace(transaction, &said).await?;
                    let entry = Entry { services: said.services.iter().map(ToString::to_string).collect() };
                    audit::append(transaction, now, actor.as_str(), "service.shut_out", &entry).await
                })
            })
            .await
    }

    /// Lets a service in whose certificate was not revoked.
    ///
    /// # Errors
    /// It was, or the store fails.
    pub(crate) async fn admit(&self, service: &Service) -> Result<(), AuthenticatorError> {
        let serial = service.certificate_serial.to_string();
        if holds_certificate(&mut self.store.read().await?, &serial).await? {
            return Err(AuthenticatorError::ShutOut(Member::service(service.name.clone())));
        }
        Ok(())
    }
}

/// What the audit log says.
#[derive(Serialize)]
struct Entry {
    services: Vec<String>,
}
