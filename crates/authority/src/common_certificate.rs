//! Common certificates (source A Figs. 5 and 6): made for a batch of a product's devices, handed once to its
//! firmware build, stopped when they leak.
//!
//! A device that has nothing else may ask with one for an individual certificate ([`recovery`](crate)). Every
//! batch stays in use until it is stopped: the boards of all are in the field.

use cert::Certificate;
use identity::profile::KeyAlgorithm;
use identity::{CommonBatch, ProductCode};
use message::problem::ProblemCode;
use pki::{CommonCa, NO_EXPIRY, NameText, Root, SigningKey, Validity};
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::ca::{self, CaName};
use store::authority::common_certificate::{self, CommonCertificate};
use store::authority::product;
use store::{Secret, StoreError, Transaction, Vault};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::setup::{NewCa, ca_key_context};

/// A common certificate with its key in clear, for the firmware build and nobody else.
pub struct ExportedCommonCertificate {
    /// The batch that shares it.
    pub batch: CommonBatch,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its key, PKCS#8 DER.
    pub key: Secret,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    batch: &'a CommonBatch,
    certificate_serial: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Enabled {
    common_sha256: String,
}

impl Desk {
    /// Makes the CA of common certificates, in an authority that was set up before there was one. Whoever
    /// serves has to begin anew to know it.
    ///
    /// # Errors
    /// There is one already, the key is not the root's, the passphrase is wrong, or the store fails.
    pub async fn enable_common_certificates(
        &self,
        root_key: SigningKey,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let root = ca::find(&mut self.store.read().await?, CaName::Root).await?;
        let root = root.ok_or(StoreError::Corrupt { what: "ca.root" })?;
        let root = Root::open(root.certificate, root_key)?;
        let name: NameText = format!("{} recovery", self.member.name())
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "ca.name" })?;
        let now = self.now();
        let for_good = Validity::new(now, NO_EXPIRY).map_err(pki::IssueError::from)?;
        let common = root.issue_ca(None, &name, for_good, self.random.as_ref())?;
        let entry = Enabled { common_sha256: cert::Fingerprint::of(&common.certificate).to_string() };
        let common = NewCa::new(&common).map_err(pki::IssueError::from)?.sealed(CaName::Common, &vault)?;
        let actor = actor.clone();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if ca::find(transaction, CaName::Common).await?.is_some() {
                        let detail = "this authority makes common certificates already";
                        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                    }
                    ca::insert(transaction, CaName::Common, &common).await?;
                    let action = "common-certificate.enable";
                    Ok(audit::append(transaction, now, actor.as_str(), action, &entry).await?)
                })
            })
            .await
    }

    /// Makes the common certificate of a product's next batch, which may carry so many requests a day that
    /// nothing but the certificate speaks for.
    ///
    /// # Errors
    /// No such product, the authority makes none, the passphrase is wrong, or the store fails.
    pub async fn make_common_certificate(
        &self,
        product: &ProductCode,
        unproved_a_day_max: u32,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<CommonCertificate, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let common_ca = self.common_ca(&vault).await?;
        let (now, random) = (self.now(), self.random.clone());
        let (product, actor) = (product.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let organization = organization(transaction, &product).await?;
                    let batch = common_certificate::next_batch(transaction, &product).await?;
                    let batch = batch.ok_or_else(|| {
                        let detail = format!("{product} has had as many batches as there may be");
                        AuthorityError::refused(ProblemCode::Conflict, detail)
                    })?;
                    let organization = organization.as_ref();
                    let (certificate, key) =
                        common_ca.issue_with_key(organization, &batch, now, random.as_ref())?;
                    let key = key.to_pkcs8().map_err(pki::IssueError::from)?;
                    let sealed = vault.seal(&key_context(&batch), &key)?;
                    let parsed = Certificate::parse(&certificate);
                    let parsed = parsed.map_err(|_| pki::IssueError::WrongCertificate)?;
                    let made = CommonCertificate {
                        batch,
                        certificate_serial: parsed.serial().as_bytes().to_vec(),
                        certificate,
                        unproved_a_day_max,
                        made: now,
                        exported: None,
                        stopped: None,
                    };
                    common_certificate::insert(transaction, &made, &sealed).await?;
                    append(transaction, now, &actor, "common-certificate.make", &made, None).await?;
                    Ok(made)
                })
            })
            .await
    }

    /// All common certificates, without their keys.
    ///
    /// # Errors
    /// The store fails.
    pub async fn common_certificates(&self) -> Result<Vec<CommonCertificate>, AuthorityError> {
        Ok(common_certificate::all(&mut self.store.read().await?).await?)
    }

    /// Hands a common certificate out with its key, once. Whoever loses what is answered here stops the
    /// batch and makes another.
    ///
    /// # Errors
    /// No such batch, it was handed out before or is stopped, the passphrase is wrong, or the store fails.
    pub async fn export_common_certificate(
        &self,
        batch: &CommonBatch,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<ExportedCommonCertificate, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let (now, batch, actor) = (self.now(), batch.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = known(transaction, &batch).await?;
                    let sealed = common_certificate::sealed_key(transaction, &batch).await?;
                    let is_first = common_certificate::mark_exported(transaction, now, &batch).await?;
                    let Some(sealed) = sealed.filter(|_| is_first) else {
                        let said = match found.stopped {
                            Some(_) => "is stopped",
                            None => "was exported before and is never shown again",
                        };
                        let detail = format!("the common certificate of {batch} {said}: make another batch");
                        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                    };
                    let key = vault.open(&key_context(&batch), &sealed)?;
                    append(transaction, now, &actor, "common-certificate.export", &found, None).await?;
                    Ok(ExportedCommonCertificate { batch, certificate: found.certificate, key })
                })
            })
            .await
    }

    /// Stops a batch for good: from the next request on, nobody is answered who shows its certificate.
    ///
    /// # Errors
    /// No such batch, it is stopped already, or the store fails.
    pub async fn stop_common_certificate(
        &self,
        batch: &CommonBatch,
        reason: &str,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, batch, reason, actor) = (self.now(), batch.clone(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = known(transaction, &batch).await?;
                    if !common_certificate::stop(transaction, now, &batch, &reason).await? {
                        let detail = format!("{batch} is stopped already");
                        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                    }
                    append(transaction, now, &actor, "common-certificate.stop", &found, Some(&reason)).await
                })
            })
            .await
    }

    async fn common_ca(&self, vault: &Vault) -> Result<CommonCa, AuthorityError> {
        let found = ca::find(&mut self.store.read().await?, CaName::Common).await?;
        let found = found.ok_or_else(|| {
            let detail = "this authority was set up before there were common certificates: \
                          enable them once, with the root's key";
            AuthorityError::refused(ProblemCode::NotFound, detail)
        })?;
        let sealed = found.sealed_key.as_ref().ok_or(StoreError::Corrupt { what: "ca.sealed_key" })?;
        let der = vault.open(&ca_key_context(CaName::Common), sealed)?;
        let key = SigningKey::from_pkcs8(KeyAlgorithm::P256, der.expose()).map_err(pki::IssueError::from)?;
        Ok(CommonCa::open(found.certificate, key)?)
    }
}

/// The maker that stands in a product's certificates.
async fn organization(
    transaction: &mut Transaction,
    product: &ProductCode,
) -> Result<Option<NameText>, AuthorityError> {
    let found = product::find(transaction, product).await?.ok_or_else(|| {
        AuthorityError::refused(ProblemCode::UnknownProduct, format!("no product {product} is known here"))
    })?;
    if found.profile.certificate().is_none() {
        let detail = format!("devices of {product} take no certificate");
        return Err(AuthorityError::refused(ProblemCode::ProductWithoutCredential, detail));
    }
    let organization = found.organization.as_deref().map(str::parse).transpose();
    Ok(organization.map_err(|_| StoreError::Corrupt { what: "product.organization" })?)
}

/// What the vault is told that a sealed key of a common certificate is.
fn key_context(batch: &CommonBatch) -> Vec<u8> {
    format!("key of common certificate {batch}").into_bytes()
}

async fn known(
    transaction: &mut Transaction,
    batch: &CommonBatch,
) -> Result<CommonCertificate, AuthorityError> {
    common_certificate::find(transaction, batch).await?.ok_or_else(|| {
        AuthorityError::refused(ProblemCode::NotFound, format!("no batch {batch} is known here"))
    })
}

async fn append(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    action: &'static str,
    common: &CommonCertificate,
    reason: Option<&str>,
) -> Result<(), AuthorityError> {
    let certificate_serial = hex::encode(&common.certificate_serial);
    let body = Named { batch: &common.batch, certificate_serial, reason };
    audit::append(transaction, now, actor.as_str(), action, &body).await.map_err(AuthorityError::from)
}
