//! Orders for symmetric credentials: names and pass phrases made in batches, for whichever device of
//! the product each will be written into (source B table 702).
//!
//! A batch goes as a whole or not at all. What an order makes is random, so it is worked out beforehand
//! and stored in one unit of work, which looks again whether it still may; the same order again gives
//! the same packs.

use std::sync::Arc;

use auth::{PassPhrase, SymmetricCredential, station_confirmation};
use identity::profile::{Sealing, SymmetricForm};
use identity::{ApparatusId, CredentialState, KeyIdentifier, Member, MemberName, ProductCode};
use message::bytes::Bytes;
use message::issue::{APPARATUS_PACKS_MAX, ApparatusPackRequest, ApparatusPacks, OrderId};
use message::pack::{ApparatusPack, Sealed};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{Actor, Cause};
use store::authority::apparatus::{self, Apparatus, Holder};
use store::authority::{allotment, product};
use store::{Snapshot, StoreError, Transaction};
use tokio::task::spawn_blocking;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::sealing::Seal;

const CHALLENGE_BYTES: usize = 32;

/// What the credentials of a batch have in common.
pub(crate) struct Batch {
    pub(crate) product: ProductCode,
    pub(crate) factory: MemberName,
    pub(crate) form: SymmetricForm,
    pub(crate) sealing: Sealing,
    pub(crate) seal: Seal,
    /// The one device that they are for, where it is known.
    pub(crate) device: Option<Holder>,
}

impl Authority {
    /// A batch of symmetric credentials for a factory.
    ///
    /// # Errors
    /// The order may not be fulfilled; then nothing of it is made.
    pub async fn issue_apparatuses(
        self: &Arc<Self>,
        factory: &MemberName,
        request: ApparatusPackRequest,
    ) -> Result<ApparatusPacks, AuthorityError> {
        if !(1..=APPARATUS_PACKS_MAX).contains(&request.count) {
            let detail = format!("an order is for 1 to {APPARATUS_PACKS_MAX} packs, not {}", request.count);
            return Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
        }
        let mut snapshot = self.desk.store.read().await?;
        if let Some(before) = ordered_before(&mut snapshot, factory, &request).await? {
            return self.packs(&before);
        }
        let batch = self.batch(&mut snapshot, factory, &request.product).await?;
        check_quota(&mut snapshot, factory, &request.product, request.count).await?;
        drop(snapshot);
        let (authority, count) = (Arc::clone(self), request.count);
        let made = spawn_blocking(move || authority.make(&batch, count)).await??;
        let stored = self.store_order(factory, request, made).await?;
        self.packs(&stored)
    }

    /// Names and pass phrases, sealed for devices and for the store; nothing is stored yet.
    pub(crate) fn make(&self, batch: &Batch, count: u32) -> Result<Vec<Apparatus>, AuthorityError> {
        let random = self.desk.random.as_ref();
        let mut challenge = [0; CHALLENGE_BYTES];
        random.fill(&mut challenge);
        let make_one = |_| {
            let credential = SymmetricCredential::random(random);
            let id = credential.apparatus_id;
            let Sealed { key_identifier, ciphertext } =
                self.seal(&batch.seal, &batch.product, &id.into(), credential.to_bytes().as_slice())?;
            let pass_phrase = credential.pass_phrase.expose();
            Ok(Apparatus {
                id,
                product: batch.product.clone(),
                factory: batch.factory.clone(),
                state: CredentialState::Issued,
                sealed_pass_phrase: Some(self.vault.seal(&pass_phrase_context(id), pass_phrase)?),
                form: batch.form,
                sealing: batch.sealing,
                key_identifier,
                ciphertext: ciphertext.0,
                challenge,
                device: batch.device.clone(),
            })
        };
        (0..count).map(make_one).collect()
    }

    /// The pass phrase of a credential that is not void.
    pub(crate) fn pass_phrase(&self, apparatus: &Apparatus) -> Result<PassPhrase, AuthorityError> {
        let corrupt = StoreError::Corrupt { what: "apparatus.sealed_pass_phrase" };
        let sealed = apparatus.sealed_pass_phrase.as_ref().ok_or_else(|| corrupt.clone())?;
        let opened = self.vault.open(&pass_phrase_context(apparatus.id), sealed)?;
        Ok(PassPhrase::new(opened.expose().try_into().map_err(|_| corrupt)?))
    }

    /// What the factory is told of a credential.
    pub(crate) fn apparatus_pack(&self, apparatus: &Apparatus) -> Result<ApparatusPack, AuthorityError> {
        let confirmation = station_confirmation(&self.pass_phrase(apparatus)?, apparatus.id);
        Ok(ApparatusPack {
            apparatus_id: apparatus.id,
            sealed: Sealed {
                key_identifier: apparatus.key_identifier.clone(),
                ciphertext: Bytes(apparatus.ciphertext.clone()),
            },
            form: apparatus.form,
            challenge: Bytes(apparatus.challenge.to_vec()),
            confirmation: Bytes(confirmation.as_bytes().to_vec()),
        })
    }

    fn packs(&self, apparatuses: &[Apparatus]) -> Result<ApparatusPacks, AuthorityError> {
        let packs = apparatuses.iter().map(|apparatus| self.apparatus_pack(apparatus));
        Ok(ApparatusPacks { packs: packs.collect::<Result<_, _>>()? })
    }

    /// How credentials of this product are made ahead of any device.
    async fn batch(
        &self,
        snapshot: &mut Snapshot,
        factory: &MemberName,
        code: &ProductCode,
    ) -> Result<Batch, AuthorityError> {
        let refused = |code, detail| Err(AuthorityError::refused(code, detail));
        let Some(product) = product::find(snapshot, code).await? else {
            return refused(ProblemCode::UnknownProduct, format!("no product {code} is known here"));
        };
        let Some(form) = product.profile.symmetric() else {
            let detail = format!("product {code} takes no symmetric credential");
            return refused(ProblemCode::ProductWithoutCredential, detail);
        };
        if product.profile.symmetric_needs_device() {
            let detail =
                format!("a symmetric credential of {code} is made for the device in front of the station");
            return refused(ProblemCode::NotAllowed, detail);
        }
        Ok(Batch {
            product: code.clone(),
            factory: factory.clone(),
            form,
            sealing: product.profile.sealing(),
            seal: Seal::Key(self.current_key(snapshot, code).await?),
            device: None,
        })
    }

    /// Stores the order, unless the same one came in between: what is stored now.
    async fn store_order(
        &self,
        factory: &MemberName,
        request: ApparatusPackRequest,
        made: Vec<Apparatus>,
    ) -> Result<Vec<Apparatus>, AuthorityError> {
        let (now, factory) = (self.desk.now(), factory.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    if let Some(before) = ordered_before(transaction, &factory, &request).await? {
                        return Ok(before);
                    }
                    check_quota(transaction, &factory, &request.product, request.count).await?;
                    let actor = Actor::member(&Member::gateway(factory));
                    let cause = Cause { time: now, actor: actor.as_str(), action: "apparatus.issue" };
                    issue(transaction, cause, Some(request.order), &made).await?;
                    Ok(made)
                })
            })
            .await
    }
}

/// Stores new credentials of one factory and product, and counts them.
pub(crate) async fn issue(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    order: Option<OrderId>,
    made: &[Apparatus],
) -> Result<(), AuthorityError> {
    let Some(first) = made.first() else { return Ok(()) };
    allotment::count_apparatuses(transaction, &first.factory, &first.product, made.len() as u64).await?;
    let detail = Issued { product: &first.product, key_identifier: first.key_identifier.as_ref(), order };
    let order = order.map(|order| order.to_string());
    Ok(apparatus::issue(transaction, cause, order.as_deref(), made, &detail).await?)
}

/// Refuses more credentials of a product than the factory may be issued.
pub(crate) async fn check_quota(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    product: &ProductCode,
    count: u32,
) -> Result<(), AuthorityError> {
    let Some(allotted) = allotment::find(snapshot, factory, product).await? else {
        let detail = format!("{factory} may not make {product}");
        return Err(AuthorityError::refused(ProblemCode::OutOfRange, detail));
    };
    let left = allotted.quota.saturating_sub(allotted.apparatuses);
    if u64::from(count) > left {
        let detail =
            format!("{factory} may be issued {left} more symmetric credentials of {product}, not {count}");
        return Err(AuthorityError::refused(ProblemCode::OverQuota, detail));
    }
    Ok(())
}

/// What the vault is told that a sealed pass phrase is.
pub(crate) fn pass_phrase_context(id: ApparatusId) -> Vec<u8> {
    format!("pass phrase of {id}").into_bytes()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued<'a> {
    product: &'a ProductCode,
    key_identifier: Option<&'a KeyIdentifier>,
    order: Option<OrderId>,
}

/// The credentials of the same order, where it was fulfilled before and may be answered again.
async fn ordered_before(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    request: &ApparatusPackRequest,
) -> Result<Option<Vec<Apparatus>>, AuthorityError> {
    let order = request.order;
    let before = apparatus::of_order(snapshot, factory, &order.to_string()).await?;
    let Some(first) = before.first() else { return Ok(None) };
    if first.product != request.product || before.len() as u64 != u64::from(request.count) {
        let detail = format!("order {order} was for {} of {}", before.len(), first.product);
        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
    }
    if before.iter().any(|apparatus| apparatus.state != CredentialState::Issued) {
        let detail = format!("packs of order {order} are in stock already");
        return Err(AuthorityError::refused(ProblemCode::AlreadyMade, detail));
    }
    Ok(Some(before))
}
