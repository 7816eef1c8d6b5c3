//! Credentials for the one device that stands before a station: what is sealed to its chip, and
//! certificates for keys that devices make themselves.
//!
//! Nothing of the kind is stocked. Number and chip are the idempotency key: the same device gets the
//! same again, and another chip under the number is refused.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use identity::profile::{CertificateProfile, KeyOrigin, Sealing, SymmetricForm};
use identity::{CredentialId, CredentialState, DeviceNumber, Member, MemberName, ProductCode, Transition};
use message::issue::DevicePackRequest;
use message::pack::{ApparatusPack, CertificatePack, CredentialPack};
use message::problem::ProblemCode;
use pki::SigningRequest;
use seal::ChipPublicKey;
use serde::Serialize;
use store::audit::{Actor, Cause};
use store::authority::apparatus::{self, Apparatus, Holder};
use store::authority::change::Change;
use store::authority::credential::{self, Credential};
use store::authority::pack::{self, Key, Pack};
use store::authority::product::{self, Product};
use store::{Snapshot, StoreError};

use crate::apparatus_order::{self, Batch, check_quota};
use crate::authority::Authority;
use crate::books::{Books, Subjects};
use crate::error::AuthorityError;
use crate::order::{Occasion, Order};
use crate::sealing::Seal;

/// Whom a pack is made for.
struct Applicant<'a> {
    factory: &'a MemberName,
    product: &'a Product,
    device: &'a Holder,
}

impl Authority {
    /// What cannot be made without the device that it is for.
    ///
    /// # Errors
    /// It may not be made; then nothing is, or, of two credentials, what was made is given when asked again.
    pub async fn issue_for_device(
        self: &Arc<Self>,
        factory: &MemberName,
        request: DevicePackRequest,
    ) -> Result<CredentialPack, AuthorityError> {
        let (authority, factory) = (Arc::clone(self), factory.clone());
        tokio::spawn(async move { authority.fulfil_for_device(&factory, &request).await }).await?
    }

    async fn fulfil_for_device(
        self: &Arc<Self>,
        factory: &MemberName,
        request: &DevicePackRequest,
    ) -> Result<CredentialPack, AuthorityError> {
        let number = &request.device_number;
        let _held = self.in_flight.hold(slice::from_ref(number)).await;
        let mut snapshot = self.desk.store.read().await?;
        let product = known_product(&mut snapshot, number.product()).await?;
        let profile = product.profile;
        let certificate = profile.certificate().filter(|_| profile.certificate_needs_device());
        let form = profile.symmetric().filter(|_| profile.symmetric_needs_device());
        if certificate.is_none() && form.is_none() {
            let detail = format!("packs of {} are made ahead of their devices", product.code);
            return Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
        }
        let device = Holder { number: number.clone(), hardware_uid: request.hardware_uid.clone() };
        check_device(&mut snapshot, factory, &device).await?;
        let applicant = Applicant { factory, product: &product, device: &device };
        let seal = self.seal_for(&mut snapshot, &applicant, request).await?;
        let certificate = match certificate {
            Some(profile) => {
                let der = request.signing_request.as_ref().map(|der| der.0.as_slice());
                let born = signing_request_for(profile, der, number)?;
                Some(self.certificate_for(&mut snapshot, &applicant, born.as_ref(), seal.as_ref()).await?)
            }
            None => None,
        };
        let apparatus = match form.zip(seal) {
            Some((form, seal)) => Some(self.apparatus_for(&mut snapshot, &applicant, form, seal).await?),
            None => None,
        };
        Ok(CredentialPack { certificate, apparatus })
    }

    /// Makes the certificate for a key that a device has made, and proved, while nobody could ask for it.
    ///
    /// # Errors
    /// It may not be made.
    pub(crate) async fn certify_owed(
        self: &Arc<Self>,
        factory: &MemberName,
        device: Holder,
        signing_request: Vec<u8>,
    ) -> Result<(), AuthorityError> {
        let number = &device.number;
        let _held = self.in_flight.hold(slice::from_ref(number)).await;
        let mut snapshot = self.desk.store.read().await?;
        let product = known_product(&mut snapshot, number.product()).await?;
        let profile = product.profile.certificate();
        let Some(profile) = profile.filter(|profile| profile.origin == KeyOrigin::Device) else {
            let detail = format!("devices of {} do not make their keys themselves", product.code);
            return Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
        };
        check_device(&mut snapshot, factory, &device).await?;
        let applicant = Applicant { factory, product: &product, device: &device };
        let request = signing_request_for(profile, Some(&signing_request), number)?;
        self.certificate_for(&mut snapshot, &applicant, request.as_ref(), None).await?;
        Ok(())
    }

    /// How secrets are sealed to this device, where the product's are.
    async fn seal_for(
        &self,
        snapshot: &mut Snapshot,
        applicant: &Applicant<'_>,
        request: &DevicePackRequest,
    ) -> Result<Option<Seal>, AuthorityError> {
        let product = &applicant.product.code;
        match applicant.product.profile.sealing() {
            Sealing::Plain | Sealing::PreWriteKey => Ok(None),
            Sealing::DeviceKey => {
                let key = match &request.key_identifier {
                    Some(identifier) => self.key_of(snapshot, product, identifier).await?,
                    None => self.current_key(snapshot, product).await?,
                };
                Ok(Some(Seal::Key(Arc::new(key.for_chip(&request.hardware_uid)))))
            }
            Sealing::ChipKey => {
                let point = request.chip_key.as_ref().ok_or_else(|| {
                    malformed(format!("packs of {product} are sealed to the chip's key, and none came"))
                })?;
                let key = ChipPublicKey::new(&point.0);
                Ok(Some(Seal::Chip(Box::new(key.map_err(|error| malformed(error.to_string()))?))))
            }
        }
    }

    async fn certificate_for(
        self: &Arc<Self>,
        snapshot: &mut Snapshot,
        Applicant { factory, device, .. }: &Applicant<'_>,
        born: Option<&SigningRequest>,
        seal: Option<&Seal>,
    ) -> Result<CertificatePack, AuthorityError> {
        let numbers = slice::from_ref(&device.number);
        let made = credential::find(snapshot, &device.number).await?;
        if let Some(made) = made.filter(|made| made.state != CredentialState::Intended) {
            let pack = pack::find_all(snapshot, numbers).await?.pop();
            let pack = pack.ok_or(StoreError::Corrupt { what: "pack" })?;
            check_same(&made, &pack, factory, device, born)?;
            let key = self.stored_key(&pack)?;
            let ca = self.ca_of(pack.issuing_ca).await?;
            return Ok(self.pack(pack.certificate, key, &ca));
        }
        let order = Order::check(snapshot, factory, numbers, Occasion::OnTheSpot).await?;
        let ca = self.signing_ca().await?;
        let prepared = match born {
            None => self.prepare(&order, &ca).await?,
            Some(request) => vec![self.prepare_for(request, &order, &ca)?],
        };
        self.store_intents(factory, order, &prepared).await?;
        let seals = seal.map(|seal| (device.number.product().clone(), seal.clone()));
        let chip = Some(&device.hardware_uid);
        let signed = self.sign(prepared, &ca, HashMap::from_iter(seals), chip).await?;
        let packs = self.store_packs(signed).await?;
        let pack = packs.into_iter().next().ok_or(StoreError::Corrupt { what: "pack" })?;
        Ok(pack.1)
    }

    async fn apparatus_for(
        self: &Arc<Self>,
        snapshot: &mut Snapshot,
        Applicant { factory, product, device }: &Applicant<'_>,
        form: SymmetricForm,
        seal: Seal,
    ) -> Result<ApparatusPack, AuthorityError> {
        if let Some(made) = made_for(snapshot, factory, device).await? {
            return self.apparatus_pack(&made);
        }
        check_quota(snapshot, factory, &product.code, 1).await?;
        let batch = Batch {
            product: product.code.clone(),
            factory: (*factory).clone(),
            form,
            sealing: product.profile.sealing(),
            seal,
            device: Some((*device).clone()),
        };
        let made = self.make(&batch, 1)?;
        let (now, factory, device) = (self.desk.now(), (*factory).clone(), (*device).clone());
        let stored = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    if let Some(before) = made_for(transaction, &factory, &device).await? {
                        return Ok(before);
                    }
                    check_quota(transaction, &factory, device.number.product(), 1).await?;
                    let actor = Actor::member(&Member::gateway(factory));
                    let cause = |action| Cause { time: now, actor: actor.as_str(), action };
                    apparatus_order::issue(transaction, cause("apparatus.issue"), None, &made).await?;
                    let new = made.into_iter().next().ok_or(StoreError::Corrupt { what: "apparatus" })?;
                    let handed = Change {
                        id: new.id,
                        from: CredentialState::Issued,
                        transitions: vec![Transition::Stock, Transition::Lease],
                    };
                    let detail = HandedTo { device: CredentialId::from(device.number) };
                    apparatus::apply(transaction, cause("apparatus.lease"), &[handed], &detail).await?;
                    Ok::<Apparatus, AuthorityError>(new)
                })
            })
            .await?;
        self.apparatus_pack(&stored)
    }
}

/// The device that a credential was made for.
#[derive(Serialize)]
struct HandedTo {
    device: CredentialId,
}

/// Refuses a device whose number or chip another device has.
async fn check_device(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    device: &Holder,
) -> Result<(), AuthorityError> {
    let subjects = Subjects {
        numbers: vec![device.number.clone()],
        ids: Vec::new(),
        chips: vec![device.hardware_uid.clone()],
    };
    let books = Books::open(snapshot, factory, subjects).await?;
    books.check_undisputed(&device.number.clone().into()).map_err(AuthorityError::Refused)?;
    books.check_device(device).map_err(AuthorityError::Refused)
}

/// Whether what was made for the number before is what is asked for again.
fn check_same(
    made: &Credential,
    pack: &Pack,
    factory: &MemberName,
    device: &Holder,
    signing_request: Option<&SigningRequest>,
) -> Result<(), AuthorityError> {
    let number = &device.number;
    let refused = |code, detail| Err(AuthorityError::refused(code, detail));
    let Some(chip) = pack.hardware_uid.as_ref().filter(|_| made.factory == *factory) else {
        return refused(ProblemCode::AlreadyMade, format!("{number} was made already"));
    };
    if *chip != device.hardware_uid {
        return refused(ProblemCode::SecondDevice, format!("{number} is another device"));
    }
    let is_erased = matches!(&pack.key, Key::Plain(None) | Key::Sealed { ciphertext: None, .. });
    if made.state == CredentialState::Voided || is_erased {
        return refused(ProblemCode::AlreadyMade, format!("{number} was made already"));
    }
    let asked = signing_request.map(|request| request.public_key_sha256().as_bytes().to_vec());
    if asked.is_some_and(|asked| asked != made.public_key_sha256) {
        let detail = format!("the certificate of {number} was made for another key");
        return refused(ProblemCode::Conflict, detail);
    }
    Ok(())
}

/// The symmetric credential that was made for this very device before.
async fn made_for(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    device: &Holder,
) -> Result<Option<Apparatus>, AuthorityError> {
    let Some(made) = apparatus::of_device(snapshot, &device.number).await? else { return Ok(None) };
    if made.factory != *factory || made.device.as_ref() != Some(device) {
        let detail = format!("{} is another device", device.number);
        return Err(AuthorityError::refused(ProblemCode::SecondDevice, detail));
    }
    Ok(Some(made))
}

async fn known_product(snapshot: &mut Snapshot, code: &ProductCode) -> Result<Product, AuthorityError> {
    product::find(snapshot, code).await?.ok_or_else(|| {
        AuthorityError::refused(ProblemCode::UnknownProduct, format!("no product {code} is known here"))
    })
}

/// The device's signing request, where the product's devices make their keys themselves.
fn signing_request_for(
    profile: CertificateProfile,
    der: Option<&[u8]>,
    number: &DeviceNumber,
) -> Result<Option<SigningRequest>, AuthorityError> {
    if profile.origin == KeyOrigin::Authority {
        return Ok(None);
    }
    let der = der.ok_or_else(|| {
        malformed(format!("the certificate of {number} is for a key of its own, and no signing request came"))
    })?;
    SigningRequest::verify(der)
        .and_then(|request| request.of(profile.algorithm))
        .map(Some)
        .map_err(|error| malformed(error.to_string()))
}

fn malformed(detail: String) -> AuthorityError {
    AuthorityError::refused(ProblemCode::MalformedRequest, detail)
}
