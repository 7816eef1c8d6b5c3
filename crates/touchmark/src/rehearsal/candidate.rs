//! Qualifying a station: devices on ports of their own, most of which misbehave, and a gateway to join.
//!
//! The station writes every device under its number, in any order. What it does is seen at the gateway and
//! in the devices, and judged when it is done.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use identity::line::{Answer, Refusal, Request, WriteResult};
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::{Clock, DeviceNumber, HardwareUid, ProductCode, Random, Serial};
use message::allotment::CheckDigitName;
use message::join::JoinToken;
use message::operator::BadgeCode;
use message::result::WriteOutcome;
use seal::PreWriteKey;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::authority::RehearsalAuthority;
use super::faulty::{Fault, FaultyDevice};
use super::gateway::{Planned, RehearsalGateway};
use super::{Obstacle, Tried, Verdict, cases};
use crate::emulator::EmulatedDevice;

cases! {
    "Something that a station must master.";
    Good = "good", "writes a device with a pack in clear, and confirms it";
    Sealed = "sealed", "writes a device with a sealed pack of both credentials";
    OwnKey = "own-key", "asks a device for the key that it makes, and writes it the certificate";
    OwedCertificate = "owed-certificate", "confirms a device by its own key while the certificate is owed";
    WrongProduct = "wrong-product", "leases nothing for a device of another product than the plate's";
    Finished = "finished", "leases nothing for a device that is finished under another number";
    WrongSignature = "wrong-signature", "does not believe a signature that does not hold";
    StaleProof = "stale-proof", "does not believe a proof for another challenge than its own";
    OtherPack = "other-pack", "does not believe a device that holds something else than it was sent";
    WrongConfirmation = "wrong-confirmation", "does not believe a pass phrase that is not confirmed rightly";
    Refuses = "refuses", "reports that a device took nothing, so that the number is not lost";
    StorageFails = "storage-fails", "reports that nobody knows what a device holds whose memory failed";
    SilentOnce = "silent-once", "leads a device through the write again that fell silent";
    SilentAtTheEnd = "silent-at-the-end", "confirms a device again that fell silent at its last word";
    Swapped = "swapped", "does not take a device for the one that was there before";
    LostAnswer = "lost-answer", "delivers a result again whose answer is lost";
}

/// Where the station finds a device, and what it scans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// What the device is for.
    pub case: Case,
    /// The number on its plate.
    pub scan: DeviceNumber,
    /// Where it is.
    pub device: SocketAddr,
}

/// A station under trial.
pub struct Candidate {
    gateway: RehearsalGateway,
    badge: BadgeCode,
    trials: Vec<(Task, Arc<FaultyDevice>)>,
    _serving: JoinSet<()>,
}

/// The products of a rehearsal: what their devices take.
const PLAIN: &str = "RPLAIN";
const SEALED: &str = "RSEALED";
const OWN_KEY: &str = "ROWNKEY";
const OTHER: &str = "ROTHER";
const KEY_IDENTIFIER: &str = "REHEARSAL-1";
/// A rehearsal's numbers have this many digits.
const SERIAL_DIGITS: u8 = 6;
const SEED: u64 = 1;

impl Candidate {
    /// Starts the gateway and the devices at free ports of `host`.
    ///
    /// # Errors
    /// There are none, or the credentials cannot be made.
    pub async fn start(host: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> anyhow::Result<Self> {
        let mut key = [0; PreWriteKey::BYTES];
        random.fill(&mut key);
        let mut code = [0; BadgeCode::RANDOM_BYTES];
        random.fill(&mut code);
        let badge = BadgeCode::new(code);
        let pre_write_key = || anyhow::Ok(PreWriteKey::new(KEY_IDENTIFIER.parse()?, &key));
        let authority = RehearsalAuthority::new(Some(pre_write_key()?), Arc::clone(&clock), random)?;
        let gateway = RehearsalGateway::start(host, Arc::new(authority), clock).await?;
        gateway.add_operator(&badge)?;
        for (product, profile) in products()? {
            gateway.add_product(product, CheckDigitName::None, profile);
        }
        let (mut trials, mut serving) = (Vec::new(), JoinSet::new());
        for (index, case) in (1..).zip(Case::ALL.iter().copied()) {
            let scan = DeviceNumber::new(case.product().parse()?, serial(index));
            gateway.plan(scan.clone(), case.planned());
            let chip = HardwareUid::new(&[0xfa, 0xce, 0, index])?;
            let device = EmulatedDevice::new(case.device_product().parse()?, chip, SEED);
            let device = Arc::new(Mutex::new(device.with_pre_write_key(pre_write_key()?)));
            let device = Arc::new(FaultyDevice::new(device, case.fault()));
            let listener = TcpListener::bind((host, 0)).await?;
            trials.push((Task { case, scan, device: listener.local_addr()? }, Arc::clone(&device)));
            serving.spawn(async move {
                let Err(error) = device.serve(listener).await;
                tracing::warn!(%error, "a device of the rehearsal ended");
            });
        }
        Ok(Self { gateway, badge, trials, _serving: serving })
    }

    /// The token with which the station joins the gateway.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn invite(&self) -> anyhow::Result<JoinToken> {
        self.gateway.invite()
    }

    /// The badge with which someone signs on at the station's page, where it has one.
    pub fn badge(&self) -> &BadgeCode {
        &self.badge
    }

    /// What the station has to do.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.trials.iter().map(|(task, _)| task)
    }

    /// What the station has made of it.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |(task, device): &(Task, Arc<FaultyDevice>)| {
            let case = task.case;
            Verdict::of(case.as_str(), case.shows(), self.judge(task, device))
        };
        self.trials.iter().map(verdict).collect()
    }

    fn judge(&self, task: &Task, device: &FaultyDevice) -> Tried {
        if !device.was_asked() {
            return Err(Obstacle::NotTried("the station has not spoken to this device"));
        }
        match task.case {
            Case::Good
            | Case::Sealed
            | Case::OwnKey
            | Case::OwedCertificate
            | Case::SilentOnce
            | Case::SilentAtTheEnd
            | Case::LostAnswer => self.finished(&task.scan, device),
            Case::WrongProduct | Case::Finished => self.nothing_leased(&task.scan),
            Case::WrongSignature
            | Case::StaleProof
            | Case::OtherPack
            | Case::WrongConfirmation
            | Case::StorageFails
            | Case::Swapped => self.reported(&task.scan, device, false),
            Case::Refuses => self.reported(&task.scan, device, true),
        }
    }

    /// The device is verified at the gateway and confirmed.
    fn finished(&self, number: &DeviceNumber, device: &FaultyDevice) -> Tried {
        if !self.gateway.books().verified.contains(number) {
            return Err(Obstacle::failed("it has delivered no result with a proof that holds"));
        }
        match device.device().confirmed_number() {
            Ok(Some(confirmed)) if confirmed == *number => Ok(()),
            _ => Err(Obstacle::failed("it has not confirmed the device")),
        }
    }

    /// No pack was asked for.
    fn nothing_leased(&self, number: &DeviceNumber) -> Tried {
        if self.gateway.books().asked.iter().any(|request| request.device_number == *number) {
            return Err(Obstacle::failed("it has asked the gateway for the pack"));
        }
        Ok(())
    }

    /// The write was reported as failed, with the device certainly untouched or not, and the device is not
    /// confirmed.
    fn reported(&self, number: &DeviceNumber, device: &FaultyDevice, is_untouched: bool) -> Tried {
        if !matches!(device.device().confirmed_number(), Ok(None)) {
            return Err(Obstacle::failed("it has confirmed the device"));
        }
        let books = self.gateway.books();
        let results = books.results.values().filter(|result| result.device_number == *number);
        let outcomes: Vec<&WriteOutcome> = results.map(|result| &result.outcome).collect();
        let is_expected = |outcome: &&WriteOutcome| matches!(outcome, WriteOutcome::NoGood { untouched, .. } if *untouched == is_untouched);
        if outcomes.is_empty() {
            Err(Obstacle::failed("it has not reported how the write ended"))
        } else if outcomes.iter().all(is_expected) {
            Ok(())
        } else if outcomes.iter().any(|outcome| matches!(outcome, WriteOutcome::Ok { .. })) {
            Err(Obstacle::failed("it has reported O.K."))
        } else if is_untouched {
            Err(Obstacle::failed("it has not reported that the device holds nothing of the pack"))
        } else {
            Err(Obstacle::failed("it has reported that the device holds nothing of the pack"))
        }
    }
}

impl Case {
    /// The product on the plate.
    fn product(self) -> &'static str {
        match self {
            Self::Sealed | Self::WrongConfirmation => SEALED,
            Self::OwnKey | Self::OwedCertificate => OWN_KEY,
            _ => PLAIN,
        }
    }

    /// The product that the device is.
    fn device_product(self) -> &'static str {
        if self == Self::WrongProduct { OTHER } else { self.product() }
    }

    fn planned(self) -> Planned {
        Planned { is_owing: self == Self::OwedCertificate, loses_answer: self == Self::LostAnswer }
    }

    fn fault(self) -> Fault {
        match self {
            Self::Good
            | Self::Sealed
            | Self::OwnKey
            | Self::OwedCertificate
            | Self::WrongProduct
            | Self::LostAnswer => Box::new(|request, sound| sound(request)),
            Self::Finished => claims_to_be_finished(),
            Self::WrongSignature => changes_result(|result| {
                if let Some(byte) = result.signature.last_mut() {
                    *byte ^= 1;
                }
            }),
            Self::OtherPack => changes_result(|result| result.pack_digest[0] ^= 1),
            Self::WrongConfirmation => changes_result(|result| {
                if let Some(confirmation) = &mut result.confirmation {
                    confirmation.station[0] ^= 1;
                }
            }),
            Self::StaleProof => proves_another_challenge(),
            Self::Refuses => refuses(Refusal::UnusableKey),
            Self::StorageFails => refuses(Refusal::StorageFailed),
            Self::SilentOnce => loses_an_answer(|request| matches!(request, Request::Transmission(_))),
            Self::SilentAtTheEnd => deaf_once(|request| matches!(request, Request::ResultResponse { .. })),
            Self::Swapped => swapped(),
        }
    }
}

fn claims_to_be_finished() -> Fault {
    let other = DeviceNumber::new(PLAIN.parse().expect("a product code"), serial(u8::MAX));
    Box::new(move |request, sound| {
        let mut answer = sound(request)?;
        if let Answer::Identity(identity) = &mut answer {
            (identity.holding, identity.confirmed) = (Some(other.clone()), true);
        }
        Some(answer)
    })
}

fn changes_result(change: fn(&mut WriteResult)) -> Fault {
    Box::new(move |request, sound| {
        let mut answer = sound(request)?;
        if let Answer::WriteResult(result) = &mut answer {
            change(result);
        }
        Some(answer)
    })
}

fn proves_another_challenge() -> Fault {
    Box::new(|request, sound| match request {
        Request::ResultRequest { session, .. } => {
            sound(&Request::ResultRequest { session: *session, challenge: [0; 32] })
        }
        other => sound(other),
    })
}

fn refuses(refusal: Refusal) -> Fault {
    Box::new(move |request, sound| match request {
        Request::Transmission(_) => Some(Answer::Refused(refusal)),
        other => sound(other),
    })
}

/// It does as it is asked, and falls silent the first time.
fn loses_an_answer(to: fn(&Request<'_>) -> bool) -> Fault {
    let mut was_silent = false;
    Box::new(move |request, sound| {
        let answer = sound(request);
        if to(request) && !std::mem::replace(&mut was_silent, true) { None } else { answer }
    })
}

/// It does not hear the first time.
fn deaf_once(to: fn(&Request<'_>) -> bool) -> Fault {
    let mut was_deaf = false;
    Box::new(
        move |request, sound| {
            if to(request) && !std::mem::replace(&mut was_deaf, true) { None } else { sound(request) }
        },
    )
}

/// After the pack was sent to one device, another answers.
fn swapped() -> Fault {
    let mut is_swapped = false;
    Box::new(move |request, sound| {
        if matches!(request, Request::Transmission(_)) && !std::mem::replace(&mut is_swapped, true) {
            return None;
        }
        let mut answer = sound(request)?;
        if let (Answer::Identity(identity), true) = (&mut answer, is_swapped) {
            identity.hardware_uid = HardwareUid::new(&[0x0d; 4]).ok()?;
        }
        Some(answer)
    })
}

fn serial(index: u8) -> Serial {
    Serial::new(index.into(), SERIAL_DIGITS).expect("an index has at most three digits")
}

fn products() -> anyhow::Result<[(ProductCode, CredentialProfile); 3]> {
    let certificate = |origin| Some(CertificateProfile { algorithm: KeyAlgorithm::P256, origin });
    let opened = Some(SymmetricForm::Opened);
    let (authority, device) = (certificate(KeyOrigin::Authority), certificate(KeyOrigin::Device));
    Ok([
        (
            PLAIN.parse()?,
            CredentialProfile::new(authority, None, Sealing::Plain).map_err(anyhow::Error::msg)?,
        ),
        (
            SEALED.parse()?,
            CredentialProfile::new(authority, opened, Sealing::PreWriteKey).map_err(anyhow::Error::msg)?,
        ),
        (OWN_KEY.parse()?, CredentialProfile::new(device, None, Sealing::Plain).map_err(anyhow::Error::msg)?),
    ])
}
