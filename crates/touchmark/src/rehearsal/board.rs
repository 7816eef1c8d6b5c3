//! Qualifying a board: one after the other, all that a production line may do to a device.
//!
//! Until the last two cases nothing is confirmed, so the board takes one pack after another. Whatever a board
//! refuses must leave it as it was: it is asked to prove what it held before.

use std::sync::Arc;
use std::time::Duration;

use identity::line::Refusal;
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::{Clock, DeviceNumber, ProductCode, Random, Serial};
use message::bytes::Bytes;
use station::DeviceAddress;
use station::device::{Device, DeviceIdentity, WriteError};

use super::authority::{Receiver, RehearsalAuthority, RehearsalPack};
use super::{Obstacle, Tried, Verdict, cases, wire};

mod trials;

cases! {
    "Something that a board must master.";
    Identifies = "identifies", "says who it is, in a fresh session each time";
    Noise = "noise", "answers after bytes that are no request";
    NothingStored = "nothing-stored", "proves nothing while it holds nothing";
    WrongProduct = "wrong-product", "refuses another product's pack";
    Plain = "plain", "stores a pack in clear and proves its key";
    FreshProof = "fresh-proof", "proves itself for each challenge anew";
    Repeated = "repeated", "takes the pack that it holds again";
    Replayed = "replayed", "refuses what was said in an earlier session";
    BrokenLine = "broken-line", "takes a pack after a line that was cut in the middle of it";
    P384 = "p-384", "stores and proves a key on P-384";
    Sealed = "sealed", "opens a sealed key and proves it";
    SymmetricOpened = "symmetric-opened", "opens a pass phrase and confirms it";
    SymmetricSealed = "symmetric-sealed", "keeps a pass phrase sealed and confirms it";
    Both = "both", "stores both credentials in one write";
    WrongKey = "wrong-key", "refuses what is sealed under another pre-write key";
    Altered = "altered", "refuses a sealed secret that was changed";
    Misdirected = "misdirected", "refuses what is sealed for another device number";
    ChipKey = "chip-key", "opens what is sealed to its chip's own key";
    OwnKey = "own-key", "makes a key, asks for its certificate, and proves it";
    OwedCertificate = "owed-certificate", "proves its own key while the certificate is owed";
    ForeignCertificate = "foreign-certificate", "refuses a certificate for another key than its own";
    Whole = "whole", "is written and confirmed by a station, from the scan to the last word";
    Finished = "finished", "takes no other pack once it is confirmed";
}

/// The board on the port is finished: it takes no pack at all, so nothing can be tried.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the board is finished as {0} and takes nothing else: erase it first")]
pub struct AlreadyFinished(DeviceNumber);

/// A board under trial.
pub struct Board {
    address: DeviceAddress,
    step_limit: Duration,
    device: Device,
    product: ProductCode,
    authority: Arc<RehearsalAuthority>,
    /// How what is sealed for the board is sealed, where it has a pre-write key.
    sealing: Option<Sealing>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    packs_made: u64,
    /// What the board holds as far as we know.
    held: Option<RehearsalPack>,
}

/// What a board is tried with.
pub struct Means {
    /// Where it is.
    pub address: DeviceAddress,
    /// How long it may take for each step.
    pub step_limit: Duration,
    /// The authority, which knows the board's pre-write key where it has one.
    pub authority: Arc<RehearsalAuthority>,
    /// How that key is used: as it is, or derived for the chip. None where there is none.
    pub sealing: Option<Sealing>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// The first serial of a rehearsal.
const FIRST_SERIAL: u64 = 900_001;
/// A rehearsal's numbers have this many digits.
const SERIAL_DIGITS: u8 = 6;
const PLAIN_P256: CertificateProfile =
    CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Authority };

impl Board {
    /// Finds the board.
    ///
    /// # Errors
    /// It does not answer, or is finished already.
    pub async fn find(means: Means) -> anyhow::Result<Self> {
        let Means { address, step_limit, authority, sealing, clock, random } = means;
        let mut device = Device::at(&address, step_limit);
        let identity = device.identify().await?;
        if let (true, Some(number)) = (identity.confirmed, identity.holding) {
            return Err(AlreadyFinished(number).into());
        }
        let product = identity.product;
        Ok(Self {
            address,
            step_limit,
            device,
            product,
            authority,
            sealing,
            random,
            clock,
            packs_made: 0,
            held: None,
        })
    }

    /// The product that the board says it is.
    pub fn product(&self) -> &ProductCode {
        &self.product
    }

    /// Tries one case.
    pub async fn try_case(&mut self, case: Case) -> Verdict {
        let tried = match case {
            Case::Identifies => self.identifies().await,
            Case::Noise => self.noise().await,
            Case::NothingStored => self.nothing_stored().await,
            Case::WrongProduct => self.wrong_product().await,
            Case::Plain => self.takes(Some(PLAIN_P256), None, Sealing::Plain).await,
            Case::FreshProof => self.fresh_proof().await,
            Case::Repeated => self.repeated().await,
            Case::Replayed => self.replayed().await,
            Case::BrokenLine => self.broken_line().await,
            Case::P384 => {
                let profile = CertificateProfile { algorithm: KeyAlgorithm::P384, ..PLAIN_P256 };
                self.takes(Some(profile), None, Sealing::Plain).await
            }
            Case::Sealed => self.takes_sealed(Some(PLAIN_P256), None).await,
            Case::SymmetricOpened => self.takes_sealed(None, Some(SymmetricForm::Opened)).await,
            Case::SymmetricSealed => self.takes_sealed(None, Some(SymmetricForm::Sealed)).await,
            Case::Both => self.takes_sealed(Some(PLAIN_P256), Some(SymmetricForm::Opened)).await,
            Case::WrongKey => self.wrong_key().await,
            Case::Altered => self.altered().await,
            Case::Misdirected => self.misdirected().await,
            Case::ChipKey => self.chip_key().await,
            Case::OwnKey => self.own_key().await,
            Case::OwedCertificate => self.owed_certificate().await,
            Case::ForeignCertificate => self.foreign_certificate().await,
            Case::Whole => self.whole().await,
            Case::Finished => self.finished().await,
        };
        Verdict::of(case.as_str(), case.shows(), tried)
    }

    /// Has the board take a pack with these credentials and prove it.
    async fn takes(
        &mut self,
        certificate: Option<CertificateProfile>,
        symmetric: Option<SymmetricForm>,
        sealing: Sealing,
    ) -> Tried {
        let identity = self.identify().await?;
        let number = self.next_number();
        let made = self.make(&identity, number, profile(certificate, symmetric, sealing)?)?;
        self.stores(&identity, made).await
    }

    async fn takes_sealed(
        &mut self,
        certificate: Option<CertificateProfile>,
        symmetric: Option<SymmetricForm>,
    ) -> Tried {
        let sealing = self.sealing()?;
        self.takes(certificate, symmetric, sealing).await
    }

    /// Has the board store a pack, now and for the cases that follow.
    async fn stores(&mut self, identity: &DeviceIdentity, made: RehearsalPack) -> Tried {
        let challenge = self.authority.random_bytes();
        let written = self.device.write(identity, &made.device_number, &made.pack, challenge).await;
        let proof = written.map_err(|error| match error {
            WriteError::NotTaken(refusal) => Obstacle::failed(format!("it refuses the pack: {refusal}")),
            WriteError::Unknown(error) => Obstacle::failed(error.to_string()),
        })?;
        made.check(&identity.hardware_uid, &challenge, &proof).map_err(Obstacle::Failed)?;
        self.held = Some(made);
        self.still_holds().await
    }

    /// Has the board refuse a pack for this reason, and keep what it held.
    async fn refuses(&mut self, identity: &DeviceIdentity, made: &RehearsalPack, reason: Refusal) -> Tried {
        let challenge = self.authority.random_bytes();
        match self.device.write(identity, &made.device_number, &made.pack, challenge).await {
            Err(WriteError::NotTaken(refusal)) if refusal == reason => self.still_holds().await,
            Err(WriteError::NotTaken(refusal)) => {
                Err(Obstacle::failed(format!("it refuses the pack as {refusal}, not as {reason}")))
            }
            Err(WriteError::Unknown(error)) => Err(Obstacle::failed(error.to_string())),
            Ok(_) => Err(Obstacle::failed(format!("it takes a pack that it must refuse as {reason}"))),
        }
    }

    /// Whether the board holds what it held, and can prove it for a fresh challenge.
    async fn still_holds(&mut self) -> Tried {
        let identity = self.identify().await?;
        let Some(held) = &self.held else { return Ok(()) };
        if identity.holding.as_ref() != Some(&held.device_number) {
            return Err(Obstacle::failed("it does not say that it holds its pack"));
        }
        let challenge = self.authority.random_bytes();
        let proof = self.device.prove(&identity, &held.device_number, challenge).await;
        let proof = proof.map_err(|error| Obstacle::failed(error.to_string()))?;
        held.check(&identity.hardware_uid, &challenge, &proof).map_err(Obstacle::Failed)
    }

    async fn identify(&mut self) -> Result<DeviceIdentity, Obstacle> {
        self.device.identify().await.map_err(|error| Obstacle::failed(error.to_string()))
    }

    async fn own_key_request(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
    ) -> Result<Bytes, Obstacle> {
        let request = self.device.make_key(identity, number).await;
        request.map_err(|error| Obstacle::failed(format!("it makes no key: {error}")))
    }

    /// Ends the connection, so that another may be opened.
    fn hang_up(&mut self) {
        self.device = Device::at(&self.address, self.step_limit);
    }

    async fn send(&self, bytes: &[u8]) -> Tried {
        wire::send(&self.address, bytes).await.map_err(|error| Obstacle::failed(error.to_string()))
    }

    fn sealing(&self) -> Result<Sealing, Obstacle> {
        self.sealing.ok_or(Obstacle::NotTried("the board's pre-write key is not given"))
    }

    fn next_number(&mut self) -> DeviceNumber {
        self.packs_made += 1;
        let serial = Serial::new(FIRST_SERIAL + self.packs_made, SERIAL_DIGITS);
        DeviceNumber::new(self.product.clone(), serial.expect("a rehearsal makes few packs"))
    }

    fn next_plain(&mut self, identity: &DeviceIdentity) -> Result<RehearsalPack, Obstacle> {
        let number = self.next_number();
        self.make(identity, number, profile(Some(PLAIN_P256), None, Sealing::Plain)?)
    }

    fn make(
        &self,
        identity: &DeviceIdentity,
        number: DeviceNumber,
        profile: CredentialProfile,
    ) -> Result<RehearsalPack, Obstacle> {
        self.authority.make(&number, &profile, receiver(identity, None)).map_err(Obstacle::internal)
    }
}

fn profile(
    certificate: Option<CertificateProfile>,
    symmetric: Option<SymmetricForm>,
    sealing: Sealing,
) -> Result<CredentialProfile, Obstacle> {
    CredentialProfile::new(certificate, symmetric, sealing)
        .map_err(|error| Obstacle::failed(error.to_string()))
}

fn receiver<'a>(identity: &'a DeviceIdentity, signing_request: Option<&'a Bytes>) -> Receiver<'a> {
    Receiver { hardware_uid: &identity.hardware_uid, chip_key: identity.chip_key.as_ref(), signing_request }
}
