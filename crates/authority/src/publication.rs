//! What everyone may read: CRLs, OCSP answers, the CAs' certificates.
//!
//! All of it is signed, and says nothing but which serial numbers are revoked; so it is served to whoever
//! asks, also in clear. A CRL is signed when it is asked for and the last one is no longer good enough, so
//! that a partition in which nothing happens costs nothing. How often that can be is bounded, whoever asks.

use std::sync::Arc;

use cert::Fingerprint;
use message::problem::ProblemCode;
use pki::{
    CertificateStatus, CrlContent, CrlPartition, NameText, OcspRefusal, OcspRequest, OcspResponder,
    RevokedCertificate, Validity,
};
use serde::Serialize;
use store::audit;
use store::authority::ca::IssuingCaName;
use store::authority::crl::{self, Crl, CrlKind, Scope};
use store::authority::revocation::{self, Standing};
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::cas::OpenCa;
use crate::error::AuthorityError;

/// How long a complete CRL is good, and after which time a new one is signed where something changed.
const COMPLETE: Pace = Pace { valid: 24 * 3_600, changed: 3_600 };
/// The same for a delta: whoever follows deltas hears of a revocation within this time.
const DELTA: Pace = Pace { valid: 3_600, changed: 30 };
/// For how long an OCSP answer is good, in seconds.
const ANSWER_SECONDS: i64 = 300;
/// How long a responder's certificate is valid; a new one is made when half of it is over.
const RESPONDER_DAYS: u32 = 14;

struct Pace {
    valid: i64,
    changed: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    issuing_ca: &'a str,
    partition: String,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<u64>,
    revoked: usize,
    sha256: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewResponder {
    issuing_ca: IssuingCaName,
    certificate_serial: String,
}

impl Authority {
    /// The certificate of an issuing CA, DER.
    ///
    /// # Errors
    /// There is no such CA.
    pub async fn ca_certificate(&self, name: &str) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.ca_of_name(name).await?.ca.certificate().to_vec())
    }

    /// The CRL of a CA's partition, DER, and how long it is good, in seconds.
    ///
    /// # Errors
    /// There is no such CA, it publishes nothing, or the store fails.
    pub async fn crl(
        self: &Arc<Self>,
        ca: &str,
        partition: CrlPartition,
        kind: CrlKind,
    ) -> Result<(Vec<u8>, i64), AuthorityError> {
        let open = self.ca_of_name(ca).await?;
        if open.ca.publication().is_none() {
            let detail = "CRLs are not published: their CA was given no address";
            return Err(AuthorityError::refused(ProblemCode::NotFound, detail));
        }
        let scope = Scope { issuing_ca: ca.to_owned(), partition: partition.octet() };
        let now = self.desk.now();
        let found = good_enough(&mut self.desk.store.read().await?, &scope, kind, now).await?;
        let crl = match found {
            Some(crl) => crl,
            None => self.sign_crl(open, scope, partition, kind, now).await?,
        };
        Ok((crl.der, crl.next_update - now))
    }

    /// The answer to an OCSP request, DER: signed, or a refusal.
    pub async fn ocsp(&self, request: &[u8]) -> Vec<u8> {
        match self.answer(request).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(refusal)) => refusal.to_response(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an OCSP request failed");
                OcspRefusal::InternalError.to_response()
            }
        }
    }

    async fn answer(&self, request: &[u8]) -> Result<Result<Vec<u8>, OcspRefusal>, AuthorityError> {
        let request = match OcspRequest::parse(request) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // One responder answers, so of several CAs that are asked about it is the first known one's.
        let asks_about = |open: &&Arc<OpenCa>| request.asked().iter().any(|asked| asked.is_of(&open.ca));
        let Some(open) = self.cas.load().all().find(asks_about).cloned() else {
            return Ok(Err(OcspRefusal::Unauthorized));
        };
        let name = open.name.to_string();
        let now = self.desk.now();
        let mut snapshot = self.desk.store.read().await?;
        let mut statuses = Vec::with_capacity(request.asked().len());
        for asked in request.asked() {
            let standing = match asked.is_of(&open.ca) {
                true => revocation::standing(&mut snapshot, &name, asked.serial()).await?,
                false => None,
            };
            statuses.push(match standing {
                Some(Standing::Good) => CertificateStatus::Good,
                Some(Standing::Revoked { time, reason }) => CertificateStatus::Revoked { time, reason },
                None => CertificateStatus::Unknown,
            });
        }
        drop(snapshot);
        let responder = self.responder(&open, now).await?;
        Ok(Ok(responder.0.answer(&request, &statuses, now, now + ANSWER_SECONDS)?))
    }

    /// The responder in use for a CA; a new one where there is none or it is half over.
    async fn responder(&self, open: &OpenCa, now: i64) -> Result<Arc<(OcspResponder, i64)>, AuthorityError> {
        let in_use = open.responder.load_full();
        if let Some(responder) = in_use.filter(|responder| now < responder.1) {
            return Ok(responder);
        }
        let name: NameText = format!("{} OCSP", self.desk.member.name().as_str())
            .parse()
            .map_err(|_| StoreError::Corrupt { what: "member" })?;
        // Whoever asks may have a clock that is a little behind.
        let validity = Validity::days(now - ANSWER_SECONDS, RESPONDER_DAYS).map_err(pki::IssueError::from)?;
        let prepared = open.ca.prepare_responder(&name, validity, self.desk.random.as_ref())?;
        let (actor, serial) = (self.actor.clone(), prepared.serial().to_string());
        let issuing_ca = open.name;
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let entry = NewResponder { issuing_ca, certificate_serial: serial };
                    audit::append(transaction, now, actor.as_str(), "ocsp.responder", &entry).await
                })
            })
            .await?;
        let responder = open.ca.issue_responder(prepared)?;
        let responder = Arc::new((responder, now + i64::from(RESPONDER_DAYS) * 86_400 / 2));
        open.responder.store(Some(Arc::clone(&responder)));
        Ok(responder)
    }

    async fn ca_of_name(&self, name: &str) -> Result<Arc<OpenCa>, AuthorityError> {
        let parsed = name.parse().map_err(|_| {
            AuthorityError::refused(ProblemCode::NotFound, format!("no issuing CA {name} is known here"))
        })?;
        self.ca_of(parsed).await
    }

    /// Signs and stores a CRL, unless someone else has done it meanwhile.
    async fn sign_crl(
        self: &Arc<Self>,
        open: Arc<OpenCa>,
        scope: Scope,
        partition: CrlPartition,
        kind: CrlKind,
        now: i64,
    ) -> Result<Crl, AuthorityError> {
        let authority = Arc::clone(self);
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    if let Some(crl) = good_enough(transaction, &scope, kind, now).await? {
                        return Ok(crl);
                    }
                    let complete = crl::find(transaction, &scope, CrlKind::Complete).await?;
                    let delta = crl::find(transaction, &scope, CrlKind::Delta).await?;
                    // A delta needs something that it adds to; its client has to fetch that first anyway.
                    let base = match (kind, &complete) {
                        (CrlKind::Delta, Some(complete)) => Some((complete.number, complete.covers)),
                        (CrlKind::Delta, None) => {
                            let detail = "there is no complete CRL yet that a delta could add to";
                            return Err(AuthorityError::refused(ProblemCode::NotFound, detail));
                        }
                        (CrlKind::Complete, _) => None,
                    };
                    let last = |crl: &Option<Crl>| crl.as_ref().map_or(0, |crl| crl.number);
                    let pace = if kind == CrlKind::Complete { COMPLETE } else { DELTA };
                    let (ca, octet) = (&scope.issuing_ca, scope.partition);
                    let after = base.map_or(0, |(_, covers)| covers);
                    let revoked = revocation::of_partition(transaction, ca, octet, after).await?;
                    let content = CrlContent {
                        partition,
                        number: last(&complete).max(last(&delta)) + 1,
                        base: base.map(|(number, _)| number),
                        this_update: now,
                        next_update: now + pace.valid,
                        revoked: revoked.into_iter().map(listed).collect(),
                    };
                    let crl = Crl {
                        number: content.number,
                        base: content.base,
                        covers: revocation::last_of_partition(transaction, ca, octet).await?,
                        this_update: now,
                        next_update: content.next_update,
                        der: open.ca.sign_crl(&content)?,
                    };
                    crl::replace(transaction, &scope, kind, &crl).await?;
                    let entry = Signed {
                        issuing_ca: ca,
                        partition: partition.to_string(),
                        number: crl.number,
                        base: crl.base,
                        revoked: content.revoked.len(),
                        sha256: Fingerprint::of(&crl.der).to_string(),
                    };
                    audit::append(transaction, now, authority.actor.as_str(), "crl.issue", &entry).await?;
                    Ok(crl)
                })
            })
            .await
    }
}

fn listed(revocation: revocation::Revocation) -> RevokedCertificate {
    let revocation::Revocation { certificate_serial, revoked, reason } = revocation;
    RevokedCertificate { serial: certificate_serial, revoked, reason }
}

/// The last CRL, where it is still good enough.
async fn good_enough(
    snapshot: &mut Snapshot,
    scope: &Scope,
    kind: CrlKind,
    now: i64,
) -> Result<Option<Crl>, StoreError> {
    let Some(last) = crl::find(snapshot, scope, kind).await? else { return Ok(None) };
    let pace = match kind {
        CrlKind::Complete => COMPLETE,
        CrlKind::Delta => {
            let complete = crl::find(snapshot, scope, CrlKind::Complete).await?;
            if complete.is_none_or(|complete| Some(complete.number) != last.base) {
                return Ok(None);
            }
            DELTA
        }
    };
    let age = now - last.this_update;
    let covers = revocation::last_of_partition(snapshot, &scope.issuing_ca, scope.partition).await?;
    let is_old = age >= pace.valid / 2 || (covers > last.covers && age >= pace.changed);
    Ok(Some(last).filter(|_| !is_old))
}
