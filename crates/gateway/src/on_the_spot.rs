//! On the spot: what depends on the very device that stands before a station is asked of the authority
//! while the station waits.
//!
//! That the authority will be asked is stored first, and number and chip are what it knows the question
//! by, so a lost answer is asked for again and nothing is made twice. While it cannot be reached, only
//! devices that make their own key go on: their certificate is owed to them.

use std::time::Duration;

use cert::possession;
use identity::profile::KeyOrigin;
use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, MemberName, Transition};
use message::issue::DevicePackRequest;
use message::lease::LeaseRequest;
use message::pack::{CredentialPack, PackKey};
use message::problem::ProblemCode;
use store::audit::Cause;
use store::gateway::pack::{self, ApparatusPack, CertificatePack};
use store::gateway::{apparatus, credential, number};
use store::{Slot, Transaction};
use tokio::time::timeout;

use crate::error::GatewayError;
use crate::filing::{apparatus_fault, filed_apparatus, filed_certificate, secret_of, slots_of};
use crate::gateway::Gateway;
use crate::lease::{Leased, Taken};
use crate::product::LocalProduct;
use crate::upstream::UpstreamError;

/// How long the authority may take to answer while a station waits.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What asking the authority has yielded for a lease.
pub(crate) enum OnTheSpot {
    /// It was not asked.
    NotAsked,
    /// It made these.
    Made(Box<MadePacks>),
    /// It could not be asked, and owes a certificate for the key in this signing request.
    Owed(Vec<u8>),
}

/// Packs for one device, ready to be filed.
pub(crate) struct MadePacks {
    certificate: Option<CertificatePack>,
    apparatus: Option<(ApparatusId, ApparatusPack)>,
}

impl Gateway {
    /// Asks the authority for what is missing, and leases again with what it says.
    pub(crate) async fn lease_on_the_spot(
        &self,
        station: &MemberName,
        request: &LeaseRequest,
    ) -> Result<Leased, GatewayError> {
        let product = {
            let mut snapshot = self.desk.store.read().await?;
            LocalProduct::find(&mut snapshot, &request.product).await?
        };
        let on_the_spot = self.ask(&product, request).await?;
        let slots = on_the_spot.slots();
        match self.take(station, request, on_the_spot).await {
            Ok(Taken::Leased(leased)) => {
                self.discard(&leased.unused).await?;
                self.work.notify_one();
                Ok(leased)
            }
            Ok(Taken::ToBeAsked) => {
                self.discard(&slots).await?;
                Err(senseless(&request.device_number, "not all that was asked for is in it"))
            }
            Err(error) => {
                self.discard(&slots).await?;
                Err(error)
            }
        }
    }

    async fn ask(&self, product: &LocalProduct, request: &LeaseRequest) -> Result<OnTheSpot, GatewayError> {
        let question = DevicePackRequest {
            device_number: request.device_number.clone(),
            hardware_uid: request.hardware_uid.clone(),
            key_identifier: request.key_identifier.clone(),
            chip_key: request.chip_key.clone(),
            signing_request: request.signing_request.clone(),
        };
        match timeout(ANSWER_TIME_MAX, self.upstream.issue_for_device(&question)).await {
            Ok(Ok(answer)) => {
                let made = self.made(product, request, answer).await?;
                Ok(OnTheSpot::Made(Box::new(made)))
            }
            Ok(Err(UpstreamError::Refused(problem))) if !problem.code.is_passing() => {
                Err(GatewayError::Refused(problem))
            }
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "nothing is made on the spot");
                unanswered(product, request)
            }
            Err(_) => unanswered(product, request),
        }
    }

    /// Checks and encrypts what the authority made.
    async fn made(
        &self,
        product: &LocalProduct,
        request: &LeaseRequest,
        answer: CredentialPack,
    ) -> Result<MadePacks, GatewayError> {
        let (number, now) = (&request.device_number, self.desk.now());
        if let Some(fault) = self.answer_fault(product, number, &answer, now) {
            return Err(senseless(number, &fault));
        }
        let CredentialPack { certificate, apparatus } = answer;
        let mut secrets: Vec<(CredentialId, Option<&[u8]>)> = Vec::new();
        secrets.extend(certificate.as_ref().map(|pack| (number.clone().into(), secret_of(pack))));
        secrets.extend(
            apparatus.as_ref().map(|pack| (pack.apparatus_id.into(), Some(&*pack.sealed.ciphertext.0))),
        );
        let mut sealed = self.encrypt(&secrets).await?.into_iter();
        let mut next = || sealed.next().flatten();
        Ok(MadePacks {
            certificate: certificate.map(|pack| filed_certificate(pack, next(), now)),
            apparatus: apparatus.map(|pack| (pack.apparatus_id, filed_apparatus(pack, next(), now))),
        })
    }

    /// Why the answer is not what was asked for, if it is not.
    fn answer_fault(
        &self,
        product: &LocalProduct,
        number: &DeviceNumber,
        answer: &CredentialPack,
        now: i64,
    ) -> Option<String> {
        let profile = &product.profile;
        if answer.certificate.is_some() != profile.certificate_needs_device()
            || answer.apparatus.is_some() != profile.symmetric_needs_device()
        {
            return Some("it is not what the product takes".to_owned());
        }
        let certificate = answer.certificate.as_ref();
        let is_own = certificate.is_some_and(|pack| pack.key == PackKey::DeviceOwn);
        if is_own != makes_own_key(product) {
            return Some("its key is not made where the product's keys are".to_owned());
        }
        let of_certificate = certificate.and_then(|pack| self.certificate_fault(number, pack, now));
        of_certificate.or_else(|| answer.apparatus.as_ref().and_then(apparatus_fault).map(str::to_owned))
    }
}

impl OnTheSpot {
    /// The signing request of a device that a certificate is owed to.
    pub(crate) fn owed_request(&self) -> Option<Vec<u8>> {
        match self {
            Self::Owed(signing_request) => Some(signing_request.clone()),
            Self::NotAsked | Self::Made(_) => None,
        }
    }

    /// Files what was made, in the unit of work that leases it. What an earlier answer brought already
    /// stays as it is: the data keys that are then of no use.
    pub(crate) async fn file(
        self,
        transaction: &mut Transaction,
        cause: Cause<'_>,
        number: &DeviceNumber,
    ) -> Result<Vec<Slot>, GatewayError> {
        let Self::Made(made) = self else { return Ok(Vec::new()) };
        let MadePacks { certificate, apparatus } = *made;
        let mut filed = Vec::new();
        let mut unused = Vec::new();
        if let Some(pack) = certificate {
            let id: CredentialId = number.clone().into();
            let known = credential::find(transaction, &id).await?;
            if known.as_ref().is_none_or(|known| known.state == CredentialState::Intended) {
                if known.is_none() {
                    let cause = Cause { action: "credential.reserve", ..cause };
                    number::reserve(transaction, cause, std::slice::from_ref(number)).await?;
                }
                pack::file_certificates(transaction, &[(number.clone(), pack)]).await?;
                filed.push(id);
            } else {
                unused.extend(pack.secret);
            }
        }
        if let Some(made) = apparatus {
            if credential::symmetric_of(transaction, number).await?.is_none() {
                filed.push(made.0.into());
                apparatus::file(transaction, number.product(), Some(number), &[made]).await?;
            } else {
                unused.extend(made.1.secret);
            }
        }
        number::order_arrived(transaction, number).await?;
        if !filed.is_empty() {
            // The authority counts them as leased already, so there is nothing to report.
            let steps = &[Transition::Issue, Transition::Stock][..];
            let changes: Vec<_> = filed.into_iter().map(|id| (id, steps)).collect();
            credential::apply(transaction, cause, &changes, &()).await?;
        }
        Ok(unused.into_iter().map(|secret| secret.slot).collect())
    }

    fn slots(&self) -> Vec<Slot> {
        let Self::Made(made) = self else { return Vec::new() };
        let MadePacks { certificate, apparatus } = &**made;
        let of_certificate = certificate.iter().map(|pack| &pack.secret);
        slots_of(of_certificate.chain(apparatus.iter().map(|(_, pack)| &pack.secret)))
    }
}

fn makes_own_key(product: &LocalProduct) -> bool {
    product.profile.certificate().is_some_and(|certificate| certificate.origin == KeyOrigin::Device)
}

/// What a device gets while the authority cannot be reached: a certificate may be owed to one that makes
/// its own key. All other packs wait.
fn unanswered(product: &LocalProduct, request: &LeaseRequest) -> Result<OnTheSpot, GatewayError> {
    let may_be_owed = makes_own_key(product) && !product.profile.symmetric_needs_device();
    match &request.signing_request {
        Some(signing_request) if may_be_owed => {
            let malformed = |detail| GatewayError::refused(ProblemCode::MalformedRequest, detail);
            let key = possession::requested_key(&signing_request.0)
                .map_err(|error| malformed(error.to_string()))?;
            match product.profile.certificate() {
                Some(certificate) if certificate.algorithm == key.algorithm => {
                    Ok(OnTheSpot::Owed(signing_request.0.clone()))
                }
                _ => Err(malformed(format!("devices of {} have no key on {}", product.code, key.algorithm))),
            }
        }
        _ => Err(GatewayError::refused(
            ProblemCode::Unavailable,
            format!(
                "the pack of {} is made for this very device, and the authority, which makes it, cannot be \
                 reached",
                request.device_number
            ),
        )),
    }
}

fn senseless(number: &DeviceNumber, fault: &str) -> GatewayError {
    tracing::error!(%number, fault, "the authority's answer makes no sense");
    GatewayError::refused(
        ProblemCode::Unavailable,
        format!("the authority's pack for {number} makes no sense: {fault}"),
    )
}
