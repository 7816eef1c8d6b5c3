//! An authority that nobody else knows: its keys and credentials are made for one rehearsal and gone
//! with it. It knows what it put into each pack, and so can check all that a device claims.

use std::sync::Arc;

use anyhow::{Context, bail};
use auth::{SymmetricCredential, authority_confirmation, station_confirmation};
use cert::tls::Credential;
use cert::{Trust, possession};
use identity::profile::{CertificateProfile, CredentialProfile, KeyOrigin, Sealing};
use identity::{Clock, CredentialId, DeviceNumber, HardwareUid, Member, ProductCode, Random, line};
use message::bytes::{Bytes, SecretBytes};
use message::join::Membership;
use message::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed};
use message::result::Proof;
use pki::{DeviceProfile, IssuingCa, PlantCa, Root, SigningRequest, Validity};
use seal::{Binding, ChipPublicKey, PreWriteKey, SEALED_OVERHEAD_MAX};

/// How long the certificates of a rehearsal are good.
const VALIDITY_DAYS: u32 = 2;
const DAY_SECONDS: i64 = 86_400;

/// The authority of one rehearsal.
pub struct RehearsalAuthority {
    root: Vec<u8>,
    trust: Trust,
    plant_ca: PlantCa,
    issuing: IssuingCa,
    pre_write_key: Option<PreWriteKey>,
    validity: Validity,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What a device says of itself, as far as packs are made for it.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// Its chip.
    pub hardware_uid: &'a HardwareUid,
    /// The chip's own key, if it has one.
    pub chip_key: Option<&'a Bytes>,
    /// The signing request for the key that it made, where it has been asked for one.
    pub signing_request: Option<&'a Bytes>,
}

/// A pack, and what its device must be able to prove.
pub struct RehearsalPack {
    /// The number it is for.
    pub device_number: DeviceNumber,
    /// The pack.
    pub pack: CredentialPack,
    symmetric: Option<SymmetricCredential>,
    /// The key that the device made, while the certificate is owed.
    owed: Option<Bytes>,
}

impl RehearsalAuthority {
    /// A new authority that seals under this pre-write key, if a device is to open what it seals.
    ///
    /// # Errors
    /// The certificates cannot be made.
    pub fn new(
        pre_write_key: Option<PreWriteKey>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> anyhow::Result<Self> {
        let validity = Validity::days(clock.epoch_seconds() - DAY_SECONDS, VALIDITY_DAYS)?;
        let root = Root::create(None, &"rehearsal root".parse()?, validity, &*random)?;
        let plant = root.issue_ca(None, &"rehearsal members".parse()?, validity, &*random)?;
        let issuing = root.issue_ca(None, &"rehearsal devices".parse()?, validity, &*random)?;
        let trust = Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate])?;
        Ok(Self {
            root: root.certificate().to_vec(),
            trust,
            plant_ca: PlantCa::open(plant.certificate, plant.key)?,
            issuing: IssuingCa::open(issuing.certificate, issuing.key)?,
            pre_write_key,
            validity,
            clock,
            random,
        })
    }

    /// Whom members trust.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What a member shows of itself.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn credential(&self, member: &Member) -> anyhow::Result<Credential> {
        let (certificate, key) =
            self.plant_ca.issue_with_key(member, self.clock.epoch_seconds(), &*self.random)?;
        Ok(Credential::member(&self.trust, certificate, key.to_pkcs8()?))
    }

    /// Makes a newcomer a member.
    ///
    /// # Errors
    /// Its signing request is not one.
    pub fn admit(&self, member: &Member, signing_request: &[u8]) -> anyhow::Result<Membership> {
        let request = SigningRequest::verify(signing_request)?;
        let certificate = self.plant_ca.issue(member, &request, self.clock.epoch_seconds(), &*self.random)?;
        Ok(Membership {
            root_certificate: Bytes(self.root.clone()),
            plant_certificate: Bytes(self.plant_ca.certificate().to_vec()),
            issuing_certificates: vec![Bytes(self.issuing.certificate().to_vec())],
            common_ca_certificate: None,
            member_certificate: Bytes(certificate),
        })
    }

    /// Makes the pack of a device whose product takes these credentials.
    ///
    /// # Errors
    /// Something is missing that the pack must be made with.
    pub fn make(
        &self,
        number: &DeviceNumber,
        profile: &CredentialProfile,
        receiver: Receiver<'_>,
    ) -> anyhow::Result<RehearsalPack> {
        let certificate = profile
            .certificate()
            .map(|certificate| self.certificate(number, certificate, profile.sealing(), receiver))
            .transpose()?;
        let symmetric = profile.symmetric().map(|_| SymmetricCredential::random(&*self.random));
        let apparatus = match symmetric.as_ref().zip(profile.symmetric()) {
            Some((credential, form)) => Some(ApparatusPack {
                apparatus_id: credential.apparatus_id,
                sealed: self.seal(
                    profile.sealing(),
                    receiver,
                    number.product(),
                    credential.apparatus_id.into(),
                    &*credential.to_bytes(),
                )?,
                form,
                challenge: Bytes(self.random_bytes().to_vec()),
                confirmation: Bytes(
                    station_confirmation(&credential.pass_phrase, credential.apparatus_id)
                        .as_bytes()
                        .to_vec(),
                ),
            }),
            None => None,
        };
        Ok(RehearsalPack {
            device_number: number.clone(),
            pack: CredentialPack { certificate, apparatus },
            symmetric,
            owed: None,
        })
    }

    /// The same, for a device whose certificate is to come later.
    ///
    /// # Errors
    /// The device has not sent its signing request, or something else is missing.
    pub fn make_owing(
        &self,
        number: &DeviceNumber,
        profile: &CredentialProfile,
        receiver: Receiver<'_>,
    ) -> anyhow::Result<RehearsalPack> {
        let owed = receiver.signing_request.context("the device sent no signing request")?.clone();
        let mut made = self.make(number, profile, receiver)?;
        made.pack.certificate = None;
        Ok(RehearsalPack { owed: Some(owed), ..made })
    }

    /// 32 fresh bytes.
    pub fn random_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes);
        bytes
    }

    fn certificate(
        &self,
        number: &DeviceNumber,
        profile: CertificateProfile,
        sealing: Sealing,
        receiver: Receiver<'_>,
    ) -> anyhow::Result<CertificatePack> {
        let device_profile = DeviceProfile { organization: None, key_algorithm: profile.algorithm };
        let (certificate, key) = match profile.origin {
            KeyOrigin::Device => {
                let request = receiver.signing_request.context("the device sent no signing request")?;
                let request = SigningRequest::verify(&request.0)?;
                let prepared = self.issuing.prepare_for(
                    &request,
                    &device_profile,
                    number,
                    self.validity,
                    &*self.random,
                )?;
                (self.issuing.certify(prepared)?, PackKey::DeviceOwn)
            }
            KeyOrigin::Authority => {
                let prepared = self.issuing.prepare(&device_profile, number, self.validity, &*self.random)?;
                let issued = self.issuing.issue(prepared)?;
                let key = match sealing {
                    Sealing::Plain => PackKey::Plain(SecretBytes::new(issued.secret_key.to_vec())),
                    sealing => PackKey::Sealed(self.seal(
                        sealing,
                        receiver,
                        number.product(),
                        number.clone().into(),
                        &issued.secret_key,
                    )?),
                };
                (issued.certificate, key)
            }
        };
        Ok(CertificatePack {
            root_certificate: Bytes(self.root.clone()),
            issuing_certificate: Bytes(self.issuing.certificate().to_vec()),
            client_certificate: Bytes(certificate),
            key,
        })
    }

    fn seal(
        &self,
        sealing: Sealing,
        receiver: Receiver<'_>,
        product: &ProductCode,
        credential: CredentialId,
        secret: &[u8],
    ) -> anyhow::Result<Sealed> {
        let binding = Binding { product, credential: &credential };
        let mut room = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
        let pre_write_key = || self.pre_write_key.as_ref().context("there is no pre-write key to seal under");
        let (key_identifier, sealed) = match sealing {
            Sealing::Plain => bail!("nothing is sealed in a plain pack"),
            Sealing::PreWriteKey => {
                let key = pre_write_key()?;
                let sealed = key.seal(&binding, secret, &*self.random, &mut room);
                (Some(key.identifier().clone()), sealed)
            }
            Sealing::DeviceKey => {
                let key = pre_write_key()?.for_chip(receiver.hardware_uid);
                (Some(key.identifier().clone()), key.seal(&binding, secret, &*self.random, &mut room))
            }
            Sealing::ChipKey => {
                let key = receiver.chip_key.context("the device states no key of its chip")?;
                (None, ChipPublicKey::new(&key.0)?.seal(&binding, secret, &*self.random, &mut room))
            }
        };
        Ok(Sealed { key_identifier, ciphertext: Bytes(sealed?.to_vec()) })
    }
}

impl RehearsalPack {
    /// Whether this proof shows that the device of this chip holds the pack.
    ///
    /// # Errors
    /// What the proof does not show.
    pub fn check(&self, chip: &HardwareUid, challenge: &[u8], proof: &Proof) -> Result<(), String> {
        let number = &self.device_number;
        if proof.hardware_uid != *chip || proof.challenge.0 != challenge {
            return Err("its proof is of another device or challenge".into());
        }
        let pack = self.pack.on_the_line(number).map_err(|error| error.to_string())?;
        if proof.pack_digest.0 != line::pack_digest(&pack) {
            return Err("it holds something else than it was sent: the digest differs".into());
        }
        let signature = possession::Proof {
            device_number: number,
            hardware_uid: chip,
            challenge,
            pack_digest: &proof.pack_digest.0,
            signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
        };
        match (&self.pack.certificate, &self.owed) {
            (Some(pack), _) => possession::verify(&pack.client_certificate.0, signature),
            (None, Some(request)) => possession::verify_requested(&request.0, signature),
            (None, None) => Ok(()),
        }
        .map_err(|error| format!("its proof does not hold: {error}"))?;
        self.check_confirmation(chip, proof)
    }

    fn check_confirmation(&self, chip: &HardwareUid, proof: &Proof) -> Result<(), String> {
        let (Some(credential), Some(pack)) = (&self.symmetric, &self.pack.apparatus) else { return Ok(()) };
        let confirmation = proof.confirmation.as_ref().ok_or("it does not confirm its pass phrase")?;
        let challenge = pack.challenge.0.as_slice().try_into().map_err(|_| "the challenge is too short")?;
        let (id, pass_phrase) = (credential.apparatus_id, &credential.pass_phrase);
        let for_authority = authority_confirmation(pass_phrase, id, &self.device_number, chip, challenge);
        if confirmation.apparatus_id != id {
            Err("it confirms another apparatus ID".into())
        } else if confirmation.station != pack.confirmation {
            Err("its value for the station is wrong".into())
        } else if confirmation.authority.0 != for_authority.as_bytes() {
            Err("its value for the authority is wrong".into())
        } else {
            Ok(())
        }
    }
}
