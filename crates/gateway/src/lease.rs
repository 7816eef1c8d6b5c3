//! Leasing: packs to one station, for one device (source A Figs. 17 and 22). A certificate names its
//! device number; a symmetric credential is drawn from the product's stock and belongs to the number and
//! the chip from then on. What must be made for the very device is asked of the authority, in
//! `on_the_spot`.

use cert::Fingerprint;
use identity::{
    ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid, KeyIdentifier, Member, MemberName,
    Transition,
};
use message::lease::{Lease, LeaseRequest};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::attempt::{self, Attempt};
use store::gateway::credential::{self, Credential};
use store::gateway::{apparatus, number, pack};
use store::{Slot, Snapshot, Transaction};

use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::on_the_spot::OnTheSpot;
use crate::product::{LocalProduct, unplanned};

impl Gateway {
    /// Leases the packs of a number to a station for the device in front of it.
    ///
    /// The same attempt gets the same answer, and so does the same device in a new attempt; any other
    /// device is refused for good. Durable before it answers.
    ///
    /// # Errors
    /// The refusal, as a problem; or the store or the key ring fails.
    pub async fn lease(&self, station: &MemberName, request: &LeaseRequest) -> Result<Lease, GatewayError> {
        if request.device_number.product() != &request.product {
            return Err(refused(
                ProblemCode::WrongProduct,
                format!("the device is a {}, not {}", request.product, request.device_number),
            ));
        }
        let leased = match self.take(station, request, OnTheSpot::NotAsked).await? {
            Taken::Leased(leased) => leased,
            Taken::ToBeAsked => self.lease_on_the_spot(station, request).await?,
        };
        let pack = {
            let mut snapshot = self.desk.store.read().await?;
            let certificate = leased.has_certificate.then_some(&request.device_number);
            self.pack(&mut snapshot, certificate, leased.apparatus_id).await?
        };
        Ok(Lease {
            device_number: request.device_number.clone(),
            pack,
            certificate_owed: leased.is_certificate_owed,
            expires: leased.expires,
        })
    }

    /// One unit of work: leases what there is, together with what was asked for on the spot.
    pub(crate) async fn take(
        &self,
        station: &MemberName,
        request: &LeaseRequest,
        on_the_spot: OnTheSpot,
    ) -> Result<Taken, GatewayError> {
        let product = {
            let mut snapshot = self.desk.store.read().await?;
            self.check_issuer(&mut snapshot, &request.device_number).await?;
            LocalProduct::find(&mut snapshot, &request.product).await?
        };
        let now = self.desk.now();
        let wanted = Wanted {
            now,
            expires: now + i64::from(self.desk.settings.lease_seconds),
            actor: Actor::member(&Member::station(self.desk.factory.clone(), station.clone())),
            attempt: Attempt {
                id: request.attempt.to_string(),
                number: request.device_number.clone(),
                station: station.clone(),
                hardware_uid: request.hardware_uid.clone(),
                owed_request: on_the_spot.owed_request(),
                result: None,
            },
            key_identifier: request.key_identifier.clone(),
            product,
        };
        self.desk
            .store
            .write(move |transaction| Box::pin(async move { wanted.lease(transaction, on_the_spot).await }))
            .await
    }

    /// Refuses a pack of a retired CA: nobody would take its device for anything.
    async fn check_issuer(&self, snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<(), GatewayError> {
        let filed = pack::certificate(snapshot, number).await?;
        match filed.filter(|filed| !self.trust().trusts_issuer(&Fingerprint::of(&filed.issuing))) {
            None => Ok(()),
            Some(_) => {
                let detail = format!("the CA that signed the certificate of {number} is trusted no more");
                Err(refused(ProblemCode::IllegalState, detail))
            }
        }
    }
}

/// How a unit of work for a lease ended.
pub(crate) enum Taken {
    /// All that the device takes is leased to it.
    Leased(Leased),
    /// Some of it must be made for this very device. It is noted that the authority will be asked.
    ToBeAsked,
}

/// What a device was leased.
pub(crate) struct Leased {
    pub(crate) has_certificate: bool,
    pub(crate) is_certificate_owed: bool,
    pub(crate) apparatus_id: Option<ApparatusId>,
    pub(crate) expires: i64,
    /// Data keys of packs made on the spot that were there already.
    pub(crate) unused: Vec<Slot>,
}

/// What one station asks for one device.
struct Wanted {
    now: i64,
    expires: i64,
    actor: Actor,
    attempt: Attempt,
    key_identifier: Option<KeyIdentifier>,
    product: LocalProduct,
}

#[derive(Serialize)]
struct Detail<'a> {
    attempt: &'a str,
    device_number: &'a DeviceNumber,
    hardware_uid: &'a HardwareUid,
    station: &'a MemberName,
    expires: i64,
    certificate_owed: bool,
}

impl Wanted {
    async fn lease(
        mut self,
        transaction: &mut Transaction,
        on_the_spot: OnTheSpot,
    ) -> Result<Taken, GatewayError> {
        let is_new = self.check_attempt(transaction).await?;
        let unused =
            on_the_spot.file(transaction, self.cause("credential.stock"), &self.attempt.number).await?;
        let held = self.held(transaction).await?;
        if self.must_ask(&held)? {
            if held.is_none() {
                self.product.check_number(transaction, &self.attempt.number).await?;
            }
            number::order(transaction, self.now, &self.attempt.number).await?;
            return Ok(Taken::ToBeAsked);
        }
        let held = self.complete(transaction, held).await?;
        held.parts().try_for_each(|credential| self.check_key(credential))?;
        let is_certificate_owed = self.attempt.owed_request.is_some();
        Ok(Taken::Leased(Leased {
            has_certificate: held.certificate.is_some() && !is_certificate_owed,
            is_certificate_owed,
            apparatus_id: held.apparatus_id(),
            expires: self.hand_out(transaction, &held, is_new).await?,
            unused,
        }))
    }

    /// Whether the attempt is new. One that is known must be asked for as before, and must not have ended;
    /// where its certificate was owed, it stays owed.
    async fn check_attempt(&mut self, transaction: &mut Transaction) -> Result<bool, GatewayError> {
        let Some(known) = attempt::find(transaction, &self.attempt.id).await? else { return Ok(true) };
        if let Some((_, state)) = known.result {
            return Err(refused(ProblemCode::IllegalState, format!("this attempt has ended: {state}")));
        }
        self.attempt.owed_request.clone_from(&known.owed_request);
        if known != self.attempt {
            return Err(refused(ProblemCode::Conflict, "this attempt was for something else"));
        }
        Ok(false)
    }

    /// What of all that the device takes is reserved for its number or belongs to it, and that it may
    /// have it.
    async fn held(&self, snapshot: &mut Snapshot) -> Result<Held, GatewayError> {
        let (number, profile) = (&self.attempt.number, self.product.profile);
        let mut held = Held::default();
        if profile.certificate().is_some() {
            held.certificate = credential::find(snapshot, &number.clone().into()).await?;
        }
        if profile.symmetric().is_some() {
            held.symmetric = credential::symmetric_of(snapshot, number).await?;
        }
        held.parts().try_for_each(|credential| self.check_device(credential))?;
        match credential::confirmed_on(snapshot, &self.attempt.hardware_uid).await? {
            Some(other) if other != *number => {
                Err(refused(ProblemCode::DeviceHoldsAnother, format!("this device is {other}")))
            }
            _ => Ok(held),
        }
    }

    fn check_device(&self, credential: &Credential) -> Result<(), GatewayError> {
        let (number, uid) = (&self.attempt.number, &self.attempt.hardware_uid);
        let is_same_device = credential.lease.as_ref().is_none_or(|lease| lease.hardware_uid == *uid);
        let illegal = |detail: String| Err(refused(ProblemCode::IllegalState, detail));
        match credential.state {
            CredentialState::Stocked => Ok(()),
            CredentialState::Issued => Err(on_its_way(number)),
            CredentialState::Abandoned => Err(unplanned(number)),
            CredentialState::Voided => illegal(format!("{number} was withdrawn")),
            _ if !is_same_device => Err(refused(
                ProblemCode::SecondDevice,
                format!("{number} belongs to another device: the rating plate is not this device's"),
            )),
            CredentialState::Written | CredentialState::Verified => Err(already_made(number)),
            CredentialState::Intended if credential.is_owed() => Err(already_made(number)),
            CredentialState::Suspect if credential.is_disputed() => {
                illegal(format!("the authority disputes what {number} has proved"))
            }
            CredentialState::Intended | CredentialState::Leased | CredentialState::Suspect => Ok(()),
        }
    }

    /// Whether something is missing that only the authority can make now.
    fn must_ask(&self, held: &Held) -> Result<bool, GatewayError> {
        let (number, profile) = (&self.attempt.number, self.product.profile);
        let lacks_certificate = profile.certificate().is_some() && !held.has_filed_certificate();
        let lacks_symmetric = profile.symmetric().is_some() && held.symmetric.is_none();
        if lacks_certificate && !profile.certificate_needs_device() {
            return Err(if held.certificate.is_some() { on_its_way(number) } else { unplanned(number) });
        }
        Ok(lacks_certificate && self.attempt.owed_request.is_none()
            || lacks_symmetric && profile.symmetric_needs_device())
    }

    /// Reserves the number of a device that a certificate is owed to, and draws from stock.
    async fn complete(&self, transaction: &mut Transaction, mut held: Held) -> Result<Held, GatewayError> {
        let (number, profile) = (&self.attempt.number, self.product.profile);
        if held.is_none() {
            self.product.check_number(transaction, number).await?;
        }
        if profile.certificate().is_some() && held.certificate.is_none() {
            let cause = self.cause("credential.reserve");
            number::reserve(transaction, cause, std::slice::from_ref(number)).await?;
            held.certificate = credential::find(transaction, &number.clone().into()).await?;
        }
        if profile.symmetric().is_some() && held.symmetric.is_none() {
            let beside =
                held.certificate.as_ref().and_then(|certificate| certificate.key_identifier.as_ref());
            let drawn = self.draw(transaction, beside).await?;
            held.symmetric = credential::find(transaction, &drawn.into()).await?;
        }
        Ok(held)
    }

    /// A symmetric credential from stock: of the key that the device's firmware has, or, where it does not
    /// say, preferably of the one that its certificate's pack is sealed under, or the product's current one.
    async fn draw(
        &self,
        transaction: &mut Transaction,
        beside: Option<&KeyIdentifier>,
    ) -> Result<ApparatusId, GatewayError> {
        let code = &self.product.code;
        let current = self.product.allotted.as_ref().and_then(|allotted| allotted.key_identifier.as_ref());
        let preferred = self.key_identifier.as_ref().or(beside).or(current);
        let mut drawn = apparatus::draw(transaction, code, preferred).await?;
        if drawn.is_none() && self.key_identifier.is_none() {
            drawn = apparatus::draw(transaction, code, None).await?;
        }
        if let Some(drawn) = drawn {
            return Ok(drawn);
        }
        let in_stock = apparatus::keys_in_stock(transaction, code).await?;
        Err(match &self.key_identifier {
            Some(own) if !in_stock.is_empty() => {
                let in_stock: Vec<&str> = in_stock.iter().map(KeyIdentifier::as_str).collect();
                refused(
                    ProblemCode::WrongKey,
                    format!(
                        "the device's firmware has the pre-write key {own}, and the packs of {code} in stock are \
                         sealed under {}",
                        in_stock.join(", ")
                    ),
                )
            }
            _ => refused(ProblemCode::Unavailable, format!("no symmetric credential of {code} is in stock")),
        })
    }

    /// Refuses a pack that the device could not open.
    fn check_key(&self, credential: &Credential) -> Result<(), GatewayError> {
        match (&self.key_identifier, &credential.key_identifier) {
            (Some(own), Some(sealed)) if own != sealed => Err(refused(
                ProblemCode::WrongKey,
                format!(
                    "the device's firmware has the pre-write key {own}, and the pack of {} is sealed under \
                     {sealed}",
                    credential.id
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Leases, or leaves the leases of this very attempt as they are. When they run out.
    async fn hand_out(
        &self,
        transaction: &mut Transaction,
        held: &Held,
        is_new: bool,
    ) -> Result<i64, GatewayError> {
        if let Some(expires) = held.leased_by(&self.attempt.id) {
            return Ok(expires);
        }
        if is_new {
            attempt::insert(transaction, self.now, &self.attempt).await?;
        }
        let lease = credential::Lease {
            hardware_uid: self.attempt.hardware_uid.clone(),
            attempt: self.attempt.id.clone(),
            station: self.attempt.station.clone(),
            expires: self.expires,
        };
        for credential in held.parts() {
            credential::set_lease(transaction, &credential.id, &self.attempt.number, &lease).await?;
        }
        let certificate_owed = self.attempt.owed_request.is_some();
        let detail = Detail {
            attempt: &lease.attempt,
            device_number: &self.attempt.number,
            hardware_uid: &lease.hardware_uid,
            station: &lease.station,
            expires: lease.expires,
            certificate_owed,
        };
        let changes: Vec<_> = held
            .parts()
            .filter(|part| matches!(part.state, CredentialState::Stocked | CredentialState::Suspect))
            .map(|part| (part.id.clone(), &[Transition::Lease][..]))
            .collect();
        if changes.is_empty() {
            let action = if certificate_owed { "credential.owe" } else { "credential.lease-again" };
            audit::append(transaction, self.now, self.actor.as_str(), action, &detail).await?;
        } else {
            credential::apply(transaction, self.cause("credential.lease"), &changes, &detail).await?;
        }
        Ok(lease.expires)
    }

    fn cause(&self, action: &'static str) -> Cause<'_> {
        Cause { time: self.now, actor: self.actor.as_str(), action }
    }
}

/// What is reserved for a device number or belongs to it.
#[derive(Default)]
struct Held {
    certificate: Option<Credential>,
    symmetric: Option<Credential>,
}

impl Held {
    fn parts(&self) -> impl Iterator<Item = &Credential> {
        self.certificate.iter().chain(&self.symmetric)
    }

    fn is_none(&self) -> bool {
        self.parts().next().is_none()
    }

    fn has_filed_certificate(&self) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.state != CredentialState::Intended)
    }

    fn apparatus_id(&self) -> Option<ApparatusId> {
        match self.symmetric.as_ref()?.id {
            CredentialId::Apparatus(id) => Some(id),
            CredentialId::Number(_) => None,
        }
    }

    /// When the leases of this attempt run out, where all of it is leased by this attempt.
    fn leased_by(&self, attempt: &str) -> Option<i64> {
        let expires = |part: &Credential| {
            let is_out = matches!(part.state, CredentialState::Leased | CredentialState::Intended);
            part.lease.as_ref().filter(|lease| is_out && lease.attempt == attempt).map(|lease| lease.expires)
        };
        self.parts().map(expires).min().flatten()
    }
}

fn on_its_way(number: &DeviceNumber) -> GatewayError {
    refused(ProblemCode::Unavailable, format!("the pack for {number} is on its way"))
}

fn already_made(number: &DeviceNumber) -> GatewayError {
    refused(ProblemCode::AlreadyMade, format!("{number} is in this device already"))
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
