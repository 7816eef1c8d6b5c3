//! Fulfilling an order for packs.
//!
//! A batch goes as a whole or not at all: keys are made and certificates linted, the intent is stored
//! and audited, then the certificates are signed, stored and audited, and only then answered. An order
//! once begun runs to its end even if the gateway has gone away, and the same numbers asked for again
//! give the same packs. While one batch is being stored the next is prepared and signed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cert::Fingerprint;
use identity::{
    CredentialState, DeviceNumber, HardwareUid, Member, MemberName, ProductCode, Transition, line,
};
use message::bytes::Bytes;
use message::issue::{CertificateTransmission, CertificateTransmissionRequest, NumberedPack};
use message::pack::{CertificatePack, PackKey};
use pki::{
    DeviceCredential, DeviceProfile, NO_EXPIRY, PreparedCertificate, PreparedDevice, SigningRequest, Validity,
};
use serde::Serialize;
use store::StoreError;
use store::audit::{Actor, Cause};
use store::authority::change::{ApplyError, Change};
use store::authority::credential::{self, Intent};
use store::authority::pack::{self, Pack};
use store::authority::product::Product;

use crate::authority::{Authority, give_up};
use crate::cas::{OpenCa, check_not_retired};
use crate::error::AuthorityError;
use crate::order::{Occasion, Order, check_shape};
use crate::sealing::Seal;

impl Authority {
    /// Packs for the numbers of one factory, in the order asked.
    ///
    /// # Errors
    /// Any of the numbers may not be issued; then none is.
    pub async fn issue(
        self: &Arc<Self>,
        factory: &MemberName,
        request: CertificateTransmissionRequest,
    ) -> Result<CertificateTransmission, AuthorityError> {
        check_shape(&request.device_numbers)?;
        let (authority, factory) = (Arc::clone(self), factory.clone());
        tokio::spawn(async move { authority.fulfil(&factory, &request.device_numbers).await }).await?
    }

    async fn fulfil(
        self: &Arc<Self>,
        factory: &MemberName,
        numbers: &[DeviceNumber],
    ) -> Result<CertificateTransmission, AuthorityError> {
        let _held = self.in_flight.hold(numbers).await;
        let mut snapshot = self.desk.store.read().await?;
        let order = Order::check(&mut snapshot, factory, numbers, Occasion::Ahead).await?;
        let seals = self.seals(&mut snapshot, &order.products).await?;
        drop(snapshot);
        let mut packs = HashMap::with_capacity(numbers.len());
        if order.new.len() < numbers.len() {
            packs.extend(self.issued_before(numbers, &order.new).await?);
        }
        if !order.new.is_empty() {
            let ca = self.signing_ca().await?;
            let prepared = self.prepare(&order, &ca).await?;
            self.store_intents(factory, order, &prepared).await?;
            let signed = self.sign(prepared, &ca, seals, None).await?;
            packs.extend(self.store_packs(signed).await?);
        }
        let in_order = numbers.iter().map(|number| {
            let pack = packs.remove(number).ok_or(StoreError::Corrupt { what: "pack" })?;
            Ok(NumberedPack { device_number: number.clone(), pack })
        });
        Ok(CertificateTransmission { packs: in_order.collect::<Result<_, StoreError>>()? })
    }

    /// Makes keys and certificates, and lints them.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        order: &Order,
        ca: &Arc<OpenCa>,
    ) -> Result<Vec<Prepared>, AuthorityError> {
        let now = self.desk.now();
        let profiles = order
            .products
            .iter()
            .map(|(code, product)| Ok((code.clone(), profile(product, now)?)))
            .collect::<Result<HashMap<ProductCode, _>, AuthorityError>>()?;
        let (authority, ca) = (Arc::clone(self), Arc::clone(ca));
        let profiles = Arc::new(profiles);
        self.cores
            .share(order.new.clone(), move |number| {
                let (profile, validity) =
                    profiles.get(number.product()).ok_or(StoreError::Corrupt { what: "product" })?;
                let random = authority.desk.random.as_ref();
                Ok(Prepared::Made(ca.ca.prepare(profile, &number, *validity, random)?))
            })
            .await
    }

    /// Makes the one certificate of an order for a key that its device has made, and lints it.
    pub(crate) fn prepare_for(
        &self,
        request: &SigningRequest,
        order: &Order,
        ca: &OpenCa,
    ) -> Result<Prepared, AuthorityError> {
        let corrupt = StoreError::Corrupt { what: "product" };
        let (number, product) = order
            .new
            .first()
            .and_then(|number| Some((number, order.products.get(number.product())?)))
            .ok_or(corrupt)?;
        let (profile, validity) = profile(product, self.desk.now())?;
        let random = self.desk.random.as_ref();
        Ok(Prepared::Born(ca.ca.prepare_for(request, &profile, number, validity, random)?))
    }

    /// Stores and audits what is about to be signed, where it still may be.
    pub(crate) async fn store_intents(
        &self,
        factory: &MemberName,
        order: Order,
        prepared: &[Prepared],
    ) -> Result<(), AuthorityError> {
        let (now, factory, own) = (self.desk.now(), factory.clone(), self.actor.clone());
        let intents: Vec<Intent> = prepared
            .iter()
            .map(Prepared::certificate)
            .map(|certificate| Intent {
                number: certificate.number().clone(),
                certificate_serial: certificate.serial().as_bytes().to_vec(),
                public_key_sha256: certificate.public_key_sha256().to_vec(),
            })
            .collect();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    give_up(transaction, now, &own, &order.interrupted).await?;
                    order.count(transaction, &factory).await?;
                    let actor = Actor::member(&Member::gateway(factory.clone()));
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.intend" };
                    credential::intend(transaction, cause, &factory, &intents).await.map_err(|error| {
                        match error {
                            StoreError::Duplicate { .. } => ApplyError::Changed.into(),
                            other => AuthorityError::Store(other),
                        }
                    })
                })
            })
            .await
    }

    /// Signs, and seals the keys for their devices or for the store.
    pub(crate) async fn sign(
        self: &Arc<Self>,
        prepared: Vec<Prepared>,
        ca: &Arc<OpenCa>,
        seals: HashMap<ProductCode, Seal>,
        chip: Option<&HardwareUid>,
    ) -> Result<Vec<Signed>, AuthorityError> {
        let (authority, seals, hardware_uid) = (Arc::clone(self), Arc::new(seals), chip.cloned());
        let ca = Arc::clone(ca);
        self.cores
            .share(prepared, move |prepared| {
                let number = prepared.certificate().number().clone();
                let (certificate, (stored_key, key)) = match prepared {
                    Prepared::Made(device) => {
                        let DeviceCredential { certificate, secret_key, .. } = ca.ca.issue(device)?;
                        let seal = seals.get(number.product());
                        (certificate, authority.wrap_key(seal, &number, &secret_key)?)
                    }
                    Prepared::Born(certificate) => {
                        (ca.ca.certify(certificate)?, (pack::Key::Own, PackKey::DeviceOwn))
                    }
                };
                let certificate_sha256 = Fingerprint::of(&certificate).to_string();
                let pack = authority.pack(certificate, key, &ca);
                let stored = Pack {
                    issuing_ca: ca.name,
                    certificate: pack.client_certificate.0.clone(),
                    digest: digest(&number, &pack).to_vec(),
                    key: stored_key,
                    hardware_uid: hardware_uid.clone(),
                    number,
                };
                Ok(Signed { pack, certificate_sha256, stored })
            })
            .await
    }

    /// Stores and audits what was signed; the packs to answer. What is for one chip is handed out at once.
    pub(crate) async fn store_packs(
        &self,
        signed: Vec<Signed>,
    ) -> Result<Vec<(DeviceNumber, CertificatePack)>, AuthorityError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        let mut packs = Vec::with_capacity(signed.len());
        let mut answers = Vec::with_capacity(signed.len());
        let mut certificates = Vec::with_capacity(signed.len());
        for Signed { pack, certificate_sha256, stored } in signed {
            answers.push((stored.number.clone(), pack));
            certificates.push(certificate_sha256);
            packs.push(stored);
        }
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.issue" };
                    let changes: Vec<Change<DeviceNumber>> = packs
                        .iter()
                        .map(|pack| Change {
                            id: pack.number.clone(),
                            from: CredentialState::Intended,
                            transitions: match &pack.hardware_uid {
                                None => vec![Transition::Issue],
                                Some(_) => vec![Transition::Issue, Transition::Stock, Transition::Lease],
                            },
                        })
                        .collect();
                    credential::apply(transaction, cause, &changes, &Certificates { certificates }).await?;
                    for name in packs.iter().map(|pack| pack.issuing_ca).collect::<BTreeSet<_>>() {
                        check_not_retired(transaction, name).await?;
                    }
                    Ok::<(), AuthorityError>(pack::insert(transaction, now, &packs).await?)
                })
            })
            .await?;
        Ok(answers)
    }

    /// The packs of an earlier order that its gateway asks for again.
    async fn issued_before(
        &self,
        numbers: &[DeviceNumber],
        new: &[DeviceNumber],
    ) -> Result<Vec<(DeviceNumber, CertificatePack)>, AuthorityError> {
        let new: HashSet<&DeviceNumber> = new.iter().collect();
        let repeated: Vec<DeviceNumber> =
            numbers.iter().filter(|number| !new.contains(number)).cloned().collect();
        let stored = pack::find_all(&mut self.desk.store.read().await?, &repeated).await?;
        let mut packs = Vec::with_capacity(stored.len());
        for pack in stored {
            let (key, ca) = (self.stored_key(&pack)?, self.ca_of(pack.issuing_ca).await?);
            packs.push((pack.number, self.pack(pack.certificate, key, &ca)));
        }
        Ok(packs)
    }

    /// A certificate with its key and the chain of the CA that signed it.
    pub(crate) fn pack(&self, certificate: Vec<u8>, key: PackKey, ca: &OpenCa) -> CertificatePack {
        CertificatePack {
            root_certificate: Bytes(self.trust.root().der().to_vec()),
            issuing_certificate: Bytes(ca.ca.certificate().to_vec()),
            client_certificate: Bytes(certificate),
            key,
        }
    }
}

/// A linted certificate that is not signed yet.
pub(crate) enum Prepared {
    /// With the key, which was made here.
    Made(PreparedDevice),
    /// For a key that its device has made.
    Born(PreparedCertificate),
}

impl Prepared {
    pub(crate) fn certificate(&self) -> &PreparedCertificate {
        match self {
            Self::Made(device) => device.certificate(),
            Self::Born(certificate) => certificate,
        }
    }
}

pub(crate) struct Signed {
    pack: CertificatePack,
    certificate_sha256: String,
    stored: Pack,
}

/// SHA-256 of the signed certificates, in the order of the entry's credentials.
#[derive(Serialize)]
struct Certificates {
    certificates: Vec<String>,
}

pub(crate) fn profile(product: &Product, now: i64) -> Result<(DeviceProfile, Validity), AuthorityError> {
    let corrupt = |what| StoreError::Corrupt { what };
    let organization = product.organization.as_deref().map(str::parse).transpose();
    let organization = organization.map_err(|_| corrupt("product.organization"))?;
    let validity = match product.validity_days {
        Some(days) => Validity::days(now, days),
        None => Validity::new(now, NO_EXPIRY),
    };
    let validity = validity.map_err(|_| corrupt("product.validity_days"))?;
    let certificate = product.profile.certificate().ok_or_else(|| corrupt("product.key_algorithm"))?;
    Ok((DeviceProfile { organization, key_algorithm: certificate.algorithm }, validity))
}

/// What the device must find when it reads the pack back, where it is given nothing else.
pub(crate) fn digest(number: &DeviceNumber, pack: &CertificatePack) -> [u8; 32] {
    line::pack_digest(&line::Pack {
        device_number: number.clone(),
        certificate: Some(pack.on_the_line()),
        symmetric: None,
    })
}
