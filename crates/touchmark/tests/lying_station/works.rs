//! A plant with true authority and gateway, a station's own way to them, and devices in the hand.

use std::sync::Arc;

use cert::tls::{Credential, HostTrust};
use identity::line::{Refusal, Transmission};
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use identity::{ApparatusId, Clock, CredentialState, DeviceNumber, HardwareUid, Random};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message::bytes::Bytes;
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::pack::CredentialPack;
use message::problem::ProblemCode;
use message::report::{Event, Record, Report, ReportAnswer};
use message::result::{Confirmation, Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::standing::DeviceStanding;
use store::authority::{apparatus, credential};
use tempfile::TempDir;
use touchmark::emulator::EmulatedDevice;
use touchmark::plant::{Blueprint, Plant, ProductBlueprint};
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{CallError, Client, join};

/// Takes a certificate in clear.
pub const PLAIN: &str = "3012";
/// Takes a certificate and a symmetric credential, both sealed.
pub const BOTH: &str = "A123";
/// Takes a symmetric credential.
pub const SYMMETRIC: &str = "A125";

/// The station's challenge, which is its own to choose.
const CHALLENGE: [u8; 32] = [7; 32];
/// Far beyond the records that the true gateway has sent.
const FORGED_RECORD: u64 = 1_000_000;

/// The plant, and a station in dishonest hands.
pub struct Works {
    pub plant: Plant,
    station: Client,
    _directory: TempDir,
}

/// A lease as a station has it.
pub struct Leased {
    pub attempt: AttemptId,
    pub number: DeviceNumber,
    pub pack: CredentialPack,
}

impl Works {
    pub async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let now = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap();
        let today = now.to_zoned(TimeZone::UTC).date();
        let plain = CredentialProfile::PLAIN_CERTIFICATE;
        let opened = Some(SymmetricForm::Opened);
        let sealed = |certificate| CredentialProfile::new(certificate, opened, Sealing::PreWriteKey).unwrap();
        let products = [(PLAIN, plain), (BOTH, sealed(plain.certificate())), (SYMMETRIC, sealed(None))];
        let blueprint = Blueprint {
            directory: directory.path().to_owned(),
            authority_store: String::new(),
            factory: "osaka".parse().unwrap(),
            products: products.map(|(code, profile)| product(code, profile)).into(),
            plan: [
                format!(
                    "No,DEVICE CODE,CERTIFICATE,REMARKS\n1,{PLAIN},YES,\n2,{BOTH},YES,\n3,{SYMMETRIC},YES,"
                ),
                format!("DEVICE CODE,{today}\n{PLAIN},4\n{BOTH},4\n{SYMMETRIC},4"),
            ],
            days_ahead: 1,
        };
        let mut plant =
            Plant::start(&blueprint, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
        plant.fill_stock().await.unwrap();
        let token = plant.invite_station(&"line-1".parse().unwrap()).await.unwrap();
        let joined = join(&token, Arc::new(SystemClock)).await.unwrap();
        let trust = HostTrust::Plant(joined.trust().unwrap());
        let credential = joined.credential().unwrap();
        let clock = Arc::new(SystemClock);
        let station = Client::new(trust, Some(&credential), token.host, &token.url, clock).unwrap();
        Self { plant, station, _directory: directory }
    }

    /// A blank device with its product's firmware.
    pub fn device(&self, product: &str, chip: u8) -> EmulatedDevice {
        let product = product.parse().unwrap();
        let key = self.plant.firmware_keys().of(&product);
        let blank = EmulatedDevice::new(product, chip_of(chip), chip.into());
        match key {
            Some(key) => blank.with_pre_write_key(key),
            None => blank,
        }
    }

    /// Asks the gateway for the pack of a number, for the device with this chip.
    pub async fn lease(&self, number: &str, chip: u8) -> Result<Leased, ProblemCode> {
        let mut attempt = [0; 16];
        SystemRandom.fill(&mut attempt);
        let number: DeviceNumber = number.parse().unwrap();
        let request = LeaseRequest {
            attempt: AttemptId::new(attempt),
            device_number: number.clone(),
            product: number.product().clone(),
            hardware_uid: chip_of(chip),
            key_identifier: None,
            chip_key: None,
            signing_request: None,
        };
        let lease: Lease = asked(self.station.post_json("/v1/leases", &request).await)?;
        Ok(Leased { attempt: request.attempt, number, pack: lease.pack })
    }

    /// Tells the gateway that the device of this lease proved itself so.
    pub async fn claim(&self, leased: &Leased, proof: Proof) -> Result<CredentialState, ProblemCode> {
        self.report(leased, WriteOutcome::Ok { proof }).await
    }

    /// Tells the gateway that the write of this lease failed.
    pub async fn report_failure(
        &self,
        leased: &Leased,
        untouched: bool,
    ) -> Result<CredentialState, ProblemCode> {
        self.report(leased, WriteOutcome::NoGood { reason: "it slipped".into(), untouched }).await
    }

    async fn report(&self, leased: &Leased, outcome: WriteOutcome) -> Result<CredentialState, ProblemCode> {
        let (attempt, device_number) = (leased.attempt, leased.number.clone());
        let result = WriteResultTransmission { attempt, device_number, outcome };
        let response: WriteResultResponse = asked(self.station.post_json("/v1/results", &result).await)?;
        Ok(response.state)
    }

    /// Has the gateway report all that it believes, and returns what the authority did not believe.
    pub async fn settle(&self) -> Vec<String> {
        let desk = self.plant.gateway().desk();
        while desk.status().await.unwrap().outbox > 0 {
            self.plant.gateway().drain().await.unwrap();
        }
        let parked = desk.status().await.unwrap().parked;
        parked.into_iter().map(|record| record.reason).collect()
    }

    /// Reports to the authority in the gateway's name, past the gateway.
    pub async fn forge_binding(
        &self,
        leased: &Leased,
        chip: u8,
        proof: &Proof,
    ) -> Result<CredentialState, ProblemCode> {
        let event = Event::Bound {
            station: "line-1".parse().unwrap(),
            device_number: leased.number.clone(),
            hardware_uid: chip_of(chip),
            confirmation: proof.confirmation.as_ref().unwrap().authority.clone(),
        };
        let credential = apparatus_id(leased).into();
        let record = Record { sequence: FORGED_RECORD, credential, time: SystemClock.epoch_seconds(), event };
        let report = Report { records: vec![record] };
        let answer: ReportAnswer = self.plant.as_gateway().post_json("/v1/reports", &report).await.unwrap();
        let answer = answer.records.into_iter().next().unwrap();
        answer.state.ok_or_else(|| answer.problem.unwrap().code)
    }

    /// Where the certificate of a number stands at the authority.
    pub async fn certificate(&self, number: &DeviceNumber) -> CredentialState {
        let mut snapshot = self.plant.stores().0.read().await.unwrap();
        credential::find(&mut snapshot, number).await.unwrap().unwrap().state
    }

    /// Where the symmetric credential of a lease stands at the authority.
    pub async fn apparatus(&self, leased: &Leased) -> CredentialState {
        let mut snapshot = self.plant.stores().0.read().await.unwrap();
        let found = apparatus::find_all(&mut snapshot, &[apparatus_id(leased)]).await.unwrap();
        found[0].state
    }

    /// Whom the authority takes the device for that calls with what it holds.
    pub async fn call(&self, device: &mut EmulatedDevice) -> Result<DeviceStanding, ProblemCode> {
        let held = device.pack().unwrap().unwrap();
        let chain = vec![held.client_certificate, held.issuing_certificate];
        let credential = Credential::new(chain, held.secret_key);
        let client = self.plant.device_client(&credential).unwrap();
        asked(client.get_json("/v1/identity").await)
    }
}

/// Writes the pack into a device.
pub fn write(device: &mut EmulatedDevice, leased: &Leased) -> Result<(), Refusal> {
    let session = device.identify().unwrap().unwrap().session;
    let pack = leased.pack.on_the_line(&leased.number).unwrap();
    device.receive(&Transmission { session, pack }).unwrap()
}

/// What a device answers that is asked to prove what it holds.
pub fn prove(device: &mut EmulatedDevice) -> Proof {
    let session = device.identify().unwrap().unwrap().session;
    let result = device.write_result(session, &CHALLENGE).unwrap().unwrap();
    Proof {
        hardware_uid: device.hardware_uid(),
        challenge: Bytes(CHALLENGE.to_vec()),
        pack_digest: Bytes(result.pack_digest.to_vec()),
        signature: (!result.signature.is_empty()).then(|| Bytes(result.signature.to_vec())),
        confirmation: result.confirmation.map(|confirmation| Confirmation {
            apparatus_id: confirmation.apparatus_id,
            station: Bytes(confirmation.station.to_vec()),
            authority: Bytes(confirmation.authority.to_vec()),
        }),
    }
}

/// What a station can make up that holds the pack and no device: everything that needs no secret.
pub fn make_up(leased: &Leased, chip: u8) -> Proof {
    let pack = leased.pack.on_the_line(&leased.number).unwrap();
    Proof {
        hardware_uid: chip_of(chip),
        challenge: Bytes(CHALLENGE.to_vec()),
        pack_digest: Bytes(identity::line::pack_digest(&pack).to_vec()),
        signature: leased.pack.certificate.as_ref().map(|_| Bytes(vec![1; 64])),
        confirmation: leased.pack.apparatus.as_ref().map(|pack| Confirmation {
            apparatus_id: pack.apparatus_id,
            station: pack.confirmation.clone(),
            authority: pack.confirmation.clone(),
        }),
    }
}

pub fn apparatus_id(leased: &Leased) -> ApparatusId {
    leased.pack.apparatus.as_ref().unwrap().apparatus_id
}

fn chip_of(chip: u8) -> HardwareUid {
    HardwareUid::new(&[chip; 8]).unwrap()
}

fn product(code: &str, profile: CredentialProfile) -> ProductBlueprint {
    ProductBlueprint {
        code: code.parse().unwrap(),
        profile,
        first: "000001".parse().unwrap(),
        last: "000099".parse().unwrap(),
        quota: 10,
    }
}

fn asked<T>(answer: Result<T, CallError>) -> Result<T, ProblemCode> {
    answer.map_err(|error| match error {
        CallError::Refused(problem) => problem.code,
        error => panic!("{error}"),
    })
}
