//! The first day of an authority: its CAs and its own certificate.
//!
//! First everything is made in memory ([`Ceremony::prepare`]), so that the caller can put the root's
//! key and the membership where they belong; then it is stored ([`Ceremony::store`]), once. Broken off
//! in between, nothing was ever signed for anyone, and the day begins again.

use cert::Fingerprint;
use identity::{Clock, Member, MemberName, Random};
use message::bytes::{Bytes, SecretBytes};
use message::join::Membership;
use pki::{
    IssueError, IssuedCa, KeyError, NO_EXPIRY, NameText, PlantCa, Root, SigningKey, Validity, ValidityError,
};
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::ca::{self, Ca, CaName, IssuingCaName};
use store::authority::issuing_ca::{self, IssuingCaState};
use store::authority::member::{self, MemberCertificate};
use store::{Secret, Store, StoreError, Vault, VaultError};

use crate::admission::certificate_row;

/// How the CAs and the authority are called.
#[derive(Clone, Debug)]
pub struct Names {
    /// The authority's own name among its members.
    pub authority: MemberName,
    /// The organization that runs it, in the CAs' names.
    pub organization: Option<NameText>,
}

/// A new authority, not stored yet.
pub struct Ceremony {
    root: Root,
    issuing: NewCa,
    plant: NewCa,
    common: NewCa,
    own: MemberCertificate,
    own_key: SecretBytes,
}

/// A CA below the root that is not stored yet.
pub(crate) struct NewCa {
    certificate: Vec<u8>,
    key: SecretBytes,
}

/// Why an authority could not be set up. Nothing of it was stored but the vault.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is an authority in this store already.
    #[error("this store holds an authority already")]
    Exists,
    /// A name does not fit a certificate.
    #[error("a CA's name does not fit a certificate")]
    Name(#[from] pki::ParseNameTextError),
    /// The clock shows no time that a certificate could begin at.
    #[error("the clock shows an impossible time")]
    Time(#[from] ValidityError),
    /// A certificate was not signed.
    #[error("a CA could not be made")]
    Issue(#[from] IssueError),
    /// A key could not be stored.
    #[error("a key could not be stored")]
    Key(#[from] KeyError),
    /// The vault fails.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ceremony {
    /// Makes the four CAs and the authority's own certificate.
    ///
    /// # Errors
    /// The library fails, or a name does not fit.
    pub fn prepare(names: &Names, clock: &dyn Clock, random: &dyn Random) -> Result<Self, SetupError> {
        let now = clock.epoch_seconds();
        // Devices keep their certificates for life, and a chain is valid only as long as its CAs.
        let for_good = Validity::new(now, NO_EXPIRY)?;
        let organization = names.organization.as_ref();
        let name = |what: &str| format!("{} {what}", names.authority).parse::<NameText>();
        let root = Root::create(organization, &name("root")?, for_good, random)?;
        let issuing = root.issue_ca(organization, &name("devices")?, for_good, random)?;
        let plant = root.issue_ca(organization, &name("members")?, for_good, random)?;
        let common = root.issue_ca(organization, &name("recovery")?, for_good, random)?;
        let (issuing, plant_ca) = (NewCa::new(&issuing)?, NewCa::new(&plant)?);
        let common = NewCa::new(&common)?;
        let member = Member::authority(names.authority.clone());
        let (own, own_key) =
            PlantCa::open(plant.certificate, plant.key)?.issue_with_key(&member, now, random)?;
        let own = certificate_row(member, own, now).map_err(|_| IssueError::WrongCertificate)?;
        Ok(Self { root, issuing, plant: plant_ca, common, own, own_key: secret(&own_key)? })
    }

    /// The root's key, to be encrypted and put away. It signs nothing until a CA below it is renewed.
    pub fn root_key(&self) -> &SigningKey {
        self.root.key()
    }

    /// The key of the authority's own certificate, PKCS#8 DER.
    pub fn member_key(&self) -> &SecretBytes {
        &self.own_key
    }

    /// The authority's own membership.
    pub fn membership(&self) -> Membership {
        Membership {
            root_certificate: Bytes(self.root.certificate().to_vec()),
            plant_certificate: Bytes(self.plant.certificate.clone()),
            issuing_certificates: vec![Bytes(self.issuing.certificate.clone())],
            common_ca_certificate: Some(Bytes(self.common.certificate.clone())),
            member_certificate: Bytes(self.own.certificate.clone()),
        }
    }

    /// Makes the store's vault, where an interrupted first day has not made it with the same passphrase,
    /// and stores the CAs, their keys sealed.
    ///
    /// # Errors
    /// The store holds an authority already, the passphrase does not suit, or something fails.
    pub async fn store(self, store: &Store, passphrase: Secret, actor: &Actor) -> Result<(), SetupError> {
        if ca::find(&mut store.read().await?, CaName::Root).await?.is_some() {
            return Err(SetupError::Exists);
        }
        let vault = match Vault::create(store, passphrase.clone()).await {
            Err(VaultError::Exists) => Vault::unlock(store, passphrase).await,
            made => made,
        }?;
        let root = Ca { certificate: self.root.certificate().to_vec(), sealed_key: None };
        let issuing = self.issuing.sealed(CaName::Issuing(IssuingCaName::FIRST), &vault)?;
        let plant = self.plant.sealed(CaName::Plant, &vault)?;
        let common = self.common.sealed(CaName::Common, &vault)?;
        let (own, actor) = (self.own, actor.clone());
        store
            .write(move |transaction| {
                Box::pin(async move {
                    for (name, ca) in
                        [(CaName::Root, &root), (CaName::Plant, &plant), (CaName::Common, &common)]
                    {
                        ca::insert(transaction, name, ca).await?;
                    }
                    let (first, state) = (IssuingCaName::FIRST, IssuingCaState::Active);
                    issuing_ca::insert(transaction, first, state, &issuing).await?;
                    member::insert(transaction, &own).await?;
                    let entry = Initialised {
                        authority: &own.member,
                        root_sha256: Fingerprint::of(&root.certificate).to_string(),
                        issuing_sha256: Fingerprint::of(&issuing.certificate).to_string(),
                        plant_sha256: Fingerprint::of(&plant.certificate).to_string(),
                        common_sha256: Fingerprint::of(&common.certificate).to_string(),
                    };
                    audit::append(transaction, own.issued, actor.as_str(), "authority.init", &entry).await
                })
            })
            .await
            .map_err(|error| match error {
                StoreError::Duplicate { .. } => SetupError::Exists,
                other => SetupError::Store(other),
            })
    }
}

impl NewCa {
    pub(crate) fn new(issued: &IssuedCa) -> Result<Self, KeyError> {
        Ok(Self { certificate: issued.certificate.clone(), key: secret(&issued.key)? })
    }

    pub(crate) fn sealed(self, name: CaName, vault: &Vault) -> Result<Ca, VaultError> {
        let sealed_key = vault.seal(&ca_key_context(name), self.key.expose())?;
        Ok(Ca { certificate: self.certificate, sealed_key: Some(sealed_key) })
    }
}

/// What the vault is told that a CA's sealed key is.
pub(crate) fn ca_key_context(name: CaName) -> Vec<u8> {
    format!("key of CA {name}").into_bytes()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialised<'a> {
    authority: &'a Member,
    root_sha256: String,
    issuing_sha256: String,
    plant_sha256: String,
    common_sha256: String,
}

fn secret(key: &SigningKey) -> Result<SecretBytes, KeyError> {
    Ok(SecretBytes::new(std::mem::take(&mut *key.to_pkcs8()?)))
}
