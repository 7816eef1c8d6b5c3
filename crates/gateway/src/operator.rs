//! Operators: the people at the stations. A badge is made here, printed once, and known by its digest.

use cert::Fingerprint;
use identity::MemberName;
use message::operator::{self, BadgeCode, Operators};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor};
use store::gateway::operator::{self as stored, Operator};

use crate::desk::Desk;
use crate::error::GatewayError;

#[derive(Serialize)]
struct Named<'a> {
    operator: &'a MemberName,
}

impl Desk {
    /// Makes a badge for an operator; an earlier one of theirs is no longer good. Its code is nowhere else.
    ///
    /// # Errors
    /// The store fails.
    pub async fn make_badge(&self, name: &MemberName, actor: &Actor) -> Result<BadgeCode, GatewayError> {
        let mut random = [0; BadgeCode::RANDOM_BYTES];
        self.random.fill(&mut random);
        let badge = BadgeCode::new(random);
        let (now, actor, name, digest) = (self.now(), actor.clone(), name.clone(), digest(&badge));
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    stored::give_badge(transaction, now, &name, &digest).await?;
                    let body = Named { operator: &name };
                    audit::append(transaction, now, actor.as_str(), "operator.badge", &body).await?;
                    Ok::<(), GatewayError>(())
                })
            })
            .await?;
        Ok(badge)
    }

    /// Withdraws an operator's badge.
    ///
    /// # Errors
    /// There is no such operator, or the store fails.
    pub async fn withdraw_badge(&self, name: &MemberName, actor: &Actor) -> Result<(), GatewayError> {
        let (now, actor, name) = (self.now(), actor.clone(), name.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if !stored::withdraw(transaction, now, &name).await? {
                        let detail = format!("no operator {name} has a badge of this gateway");
                        return Err(GatewayError::refused(ProblemCode::NotFound, detail));
                    }
                    let body = Named { operator: &name };
                    Ok(audit::append(transaction, now, actor.as_str(), "operator.withdraw", &body).await?)
                })
            })
            .await
    }

    /// All operators.
    ///
    /// # Errors
    /// The store fails.
    pub async fn operators(&self) -> Result<Vec<Operator>, GatewayError> {
        Ok(stored::all(&mut self.store.read().await?).await?)
    }

    /// The operators whose badges are good, as stations learn them.
    ///
    /// # Errors
    /// The store fails.
    pub async fn badges(&self) -> Result<Operators, GatewayError> {
        let good = self.operators().await?.into_iter().filter(|operator| operator.withdrawn.is_none());
        let told = good
            .map(|operator| operator::Operator { name: operator.name, badge_sha256: operator.badge_sha256 });
        Ok(Operators { operators: told.collect() })
    }
}

/// By what a badge is known.
pub(crate) fn digest(badge: &BadgeCode) -> String {
    Fingerprint::of(badge.expose().as_bytes()).to_string()
}
