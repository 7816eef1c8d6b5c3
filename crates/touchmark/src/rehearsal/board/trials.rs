//! What is done to the board in each case.

use std::sync::Arc;
use std::time::Duration;

use identity::line::Refusal;
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::{DeviceNumber, KeyIdentifier, ProductCode};
use message::allotment::CheckDigitName;
use message::bytes::Bytes;
use message::pack::{CredentialPack, PackKey};
use pki::SigningRequest;
use seal::PreWriteKey;
use station::device::DeviceError;
use station::{Limits, Station};

use super::{Board, PLAIN_P256, profile, receiver};
use crate::rehearsal::authority::RehearsalAuthority;
use crate::rehearsal::gateway::{Planned, RehearsalGateway};
use crate::rehearsal::{Obstacle, Tried, wire};

/// How long the station of the whole write waits for its gateway, which is in the same process.
const GATEWAY_TIME_MAX: Duration = Duration::from_secs(5);

impl Board {
    pub(super) async fn identifies(&mut self) -> Tried {
        let (first, second) = (self.identify().await?, self.identify().await?);
        if first.session == second.session {
            return Err(Obstacle::failed("it opens the same session twice"));
        }
        if (&first.product, &first.hardware_uid) != (&second.product, &second.hardware_uid) {
            return Err(Obstacle::failed("it says something else of itself the second time"));
        }
        Ok(())
    }

    pub(super) async fn noise(&mut self) -> Tried {
        self.hang_up();
        let noise: Vec<u8> = b"\0noise\0\x03no".iter().copied().chain([0xa5; 9_000]).chain([0]).collect();
        self.send(&noise).await?;
        self.identify().await.map(drop)
    }

    pub(super) async fn nothing_stored(&mut self) -> Tried {
        let identity = self.identify().await?;
        if identity.holding.is_some() {
            return Err(Obstacle::NotTried("the board holds a pack from before"));
        }
        let number = self.next_number();
        match self.device.prove(&identity, &number, self.authority.random_bytes()).await {
            Err(DeviceError::Refused(Refusal::NothingStored)) => Ok(()),
            Err(error) => Err(Obstacle::failed(error.to_string())),
            Ok(_) => Err(Obstacle::failed("it claims to hold a pack")),
        }
    }

    pub(super) async fn wrong_product(&mut self) -> Tried {
        let [one, another] = ["0000", "1111"].map(|code| code.parse().expect("a product code"));
        let product: ProductCode = if self.product == one { another } else { one };
        let number = DeviceNumber::new(product, self.next_number().serial());
        let identity = self.identify().await?;
        let made = self.make(&identity, number, profile(Some(PLAIN_P256), None, Sealing::Plain)?)?;
        self.refuses(&identity, &made, Refusal::WrongProduct).await
    }

    pub(super) async fn fresh_proof(&mut self) -> Tried {
        if self.held.is_none() {
            return Err(Obstacle::NotTried("the board took no pack before"));
        }
        self.still_holds().await?;
        self.still_holds().await
    }

    pub(super) async fn repeated(&mut self) -> Tried {
        let held = self.held.take().ok_or(Obstacle::NotTried("the board took no pack before"))?;
        let identity = self.identify().await?;
        self.stores(&identity, held).await
    }

    pub(super) async fn replayed(&mut self) -> Tried {
        let earlier = self.identify().await?;
        let made = self.next_plain(&earlier)?;
        self.identify().await?;
        self.refuses(&earlier, &made, Refusal::Replayed).await
    }

    pub(super) async fn broken_line(&mut self) -> Tried {
        let identity = self.identify().await?;
        let made = self.next_plain(&identity)?;
        let request = wire::request(&self.address, &identity, &made)
            .map_err(|error| Obstacle::failed(error.to_string()))?;
        self.hang_up();
        self.send(&request[..request.len() / 2]).await?;
        let identity = self.identify().await?;
        self.stores(&identity, made).await
    }

    pub(super) async fn wrong_key(&mut self) -> Tried {
        self.sealing()?;
        let identity = self.identify().await?;
        let stranger = self.stranger().map_err(Obstacle::internal)?;
        let profile = profile(Some(PLAIN_P256), Some(SymmetricForm::Opened), Sealing::PreWriteKey)?;
        let receiver = receiver(&identity, None);
        let made = stranger.make(&self.next_number(), &profile, receiver).map_err(Obstacle::internal)?;
        self.refuses(&identity, &made, Refusal::WrongKey).await
    }

    /// An authority whose pre-write key the board does not have.
    fn stranger(&self) -> anyhow::Result<RehearsalAuthority> {
        let identifier: KeyIdentifier = "OTHER-1".parse()?;
        let key = PreWriteKey::new(identifier, &self.authority.random_bytes());
        RehearsalAuthority::new(Some(key), Arc::clone(&self.clock), Arc::clone(&self.random))
    }

    pub(super) async fn altered(&mut self) -> Tried {
        let sealing = self.sealing()?;
        let whole = profile(Some(PLAIN_P256), Some(SymmetricForm::Opened), sealing)?;
        let parts: [fn(&mut CredentialPack) -> Option<&mut Bytes>; 2] = [sealed_key, sealed_pass_phrase];
        // The last byte is the authentication tag's, one further ahead the ciphertext's.
        for (part, from_end) in parts.into_iter().flat_map(|part| [(part, 1), (part, 20)]) {
            let identity = self.identify().await?;
            let number = self.next_number();
            let mut made = self.make(&identity, number, whole)?;
            if let Some(byte) =
                part(&mut made.pack).and_then(|Bytes(bytes)| bytes.iter_mut().nth_back(from_end - 1))
            {
                *byte ^= 1;
            }
            self.refuses(&identity, &made, Refusal::NotOpened).await?;
        }
        Ok(())
    }

    pub(super) async fn misdirected(&mut self) -> Tried {
        let sealing = self.sealing()?;
        let identity = self.identify().await?;
        let number = self.next_number();
        let mut made = self.make(&identity, number, profile(Some(PLAIN_P256), None, sealing)?)?;
        made.device_number = self.next_number();
        self.refuses(&identity, &made, Refusal::NotOpened).await
    }

    pub(super) async fn chip_key(&mut self) -> Tried {
        if self.identify().await?.chip_key.is_none() {
            return Err(Obstacle::NotTried("the board states no key of its chip"));
        }
        self.takes(Some(PLAIN_P256), Some(SymmetricForm::Opened), Sealing::ChipKey).await
    }

    pub(super) async fn own_key(&mut self) -> Tried {
        let identity = self.identify().await?;
        let number = self.next_number();
        let request = self.own_key_request(&identity, &number).await?;
        let identity = self.identify().await?;
        let again = self.own_key_request(&identity, &number).await?;
        if read(&request)?.public_key_sha256() != read(&again)?.public_key_sha256() {
            return Err(Obstacle::failed("asked again, it makes another key for the same number"));
        }
        let profile = profile(Some(own_key_profile(&request)?), None, Sealing::Plain)?;
        let made = self.authority.make(&number, &profile, receiver(&identity, Some(&request)));
        self.stores(&identity, made.map_err(Obstacle::internal)?).await
    }

    pub(super) async fn owed_certificate(&mut self) -> Tried {
        let identity = self.identify().await?;
        let number = self.next_number();
        let request = self.own_key_request(&identity, &number).await?;
        let profile = profile(Some(own_key_profile(&request)?), None, Sealing::Plain)?;
        let made = self.authority.make_owing(&number, &profile, receiver(&identity, Some(&request)));
        self.stores(&identity, made.map_err(Obstacle::internal)?).await
    }

    pub(super) async fn foreign_certificate(&mut self) -> Tried {
        let identity = self.identify().await?;
        let number = self.next_number();
        self.own_key_request(&identity, &number).await?;
        let mut made = self.make(&identity, number, profile(Some(PLAIN_P256), None, Sealing::Plain)?)?;
        if let Some(certificate) = &mut made.pack.certificate {
            certificate.key = PackKey::DeviceOwn;
        }
        self.refuses(&identity, &made, Refusal::ForeignCertificate).await
    }

    pub(super) async fn whole(&mut self) -> Tried {
        let profile = match self.sealing {
            Some(sealing) => profile(Some(PLAIN_P256), Some(SymmetricForm::Opened), sealing)?,
            None => profile(Some(PLAIN_P256), None, Sealing::Plain)?,
        };
        let number = self.next_number();
        self.hang_up();
        let written = self.write_with_station(&number, profile).await.map_err(Obstacle::internal)?;
        self.held = None;
        written.map_err(|failure| Obstacle::failed(failure.to_string()))?;
        let identity = self.identify().await?;
        if identity.confirmed && identity.holding.as_ref() == Some(&number) {
            Ok(())
        } else {
            Err(Obstacle::failed("it does not say that it is finished under its number"))
        }
    }

    async fn write_with_station(
        &self,
        number: &DeviceNumber,
        profile: CredentialProfile,
    ) -> anyhow::Result<Result<station::Written, station::Failure>> {
        let gateway =
            RehearsalGateway::start("127.0.0.1", Arc::clone(&self.authority), Arc::clone(&self.clock))
                .await?;
        gateway.add_product(self.product.clone(), CheckDigitName::None, profile);
        gateway.plan(number.clone(), Planned::default());
        let attempts = tempfile::tempdir()?;
        let client = gateway.client(gateway.address())?;
        let limits = Limits { device_step: self.step_limit, gateway: GATEWAY_TIME_MAX };
        let station = Station::new(client, attempts.path(), Arc::clone(&self.random), limits)?;
        Ok(station.write(&number.to_string(), &self.address).await)
    }

    pub(super) async fn finished(&mut self) -> Tried {
        let identity = self.identify().await?;
        if !identity.confirmed {
            return Err(Obstacle::NotTried("the board is not confirmed"));
        }
        let made = self.next_plain(&identity)?;
        self.refuses(&identity, &made, Refusal::HoldsAnother).await?;
        let after = self.identify().await?;
        if after.confirmed && after.holding == identity.holding {
            Ok(())
        } else {
            Err(Obstacle::failed("it does not keep its number"))
        }
    }
}

/// A signing request, where its signature holds.
fn read(request: &Bytes) -> Result<SigningRequest, Obstacle> {
    let request = SigningRequest::verify(&request.0);
    request.map_err(|error| Obstacle::failed(format!("its signing request does not hold: {error}")))
}

/// What certificate a device is to get that sent this request.
fn own_key_profile(request: &Bytes) -> Result<CertificateProfile, Obstacle> {
    let request = read(request)?;
    let is_of = |algorithm: &KeyAlgorithm| request.clone().of(*algorithm).is_ok();
    let algorithm = KeyAlgorithm::ALL.iter().copied().find(is_of);
    let algorithm = algorithm.ok_or_else(|| Obstacle::failed("its key is on no curve that is in use"))?;
    Ok(CertificateProfile { algorithm, origin: KeyOrigin::Device })
}

fn sealed_key(pack: &mut CredentialPack) -> Option<&mut Bytes> {
    match &mut pack.certificate.as_mut()?.key {
        PackKey::Sealed(sealed) => Some(&mut sealed.ciphertext),
        PackKey::Plain(_) | PackKey::DeviceOwn => None,
    }
}

fn sealed_pass_phrase(pack: &mut CredentialPack) -> Option<&mut Bytes> {
    Some(&mut pack.apparatus.as_mut()?.sealed.ciphertext)
}
