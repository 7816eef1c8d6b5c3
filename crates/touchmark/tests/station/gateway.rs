//! A gateway in memory, behind real TLS and with real certificates, that does as a test tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use cert::tls::{Credential, HostTrust};
use cert::{Trust, possession};
use identity::{CredentialState, DeviceNumber, HardwareUid, Member};
use message::allotment::{Allotment, CheckDigitName, ProductAllotment};
use message::bytes::{Bytes, SecretBytes};
use message::issue::CertificatePack;
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::problem::ProblemCode;
use message::result::{WriteOutcome, WriteResultResponse, WriteResultTransmission};
use pki::{DeviceProfile, IssuingCa, PlantCa, Root, Validity};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{Client, HostTls, Json, Limits, Link, Refused, Station, serve};
use zeroize::Zeroizing;

/// The gateway, reached over a link that a test can break.
pub struct TestGateway {
    pub link: Link,
    books: Arc<Mutex<Books>>,
    trust: Trust,
    plant_ca: PlantCa,
    _stop: oneshot::Sender<()>,
}

/// What the gateway keeps, and what it is told to do.
pub struct Books {
    root: Vec<u8>,
    issuing: IssuingCa,
    planned: BTreeSet<DeviceNumber>,
    leases: BTreeMap<DeviceNumber, (HardwareUid, CertificatePack)>,
    /// Every result once, as it was told.
    pub results: BTreeMap<AttemptId, WriteResultTransmission>,
    pub verified: BTreeSet<DeviceNumber>,
    /// How many leases were asked for.
    pub asked: usize,
    /// Answers results with this problem, and stores nothing.
    pub results_refused: Option<ProblemCode>,
    /// Hands out packs whose key is another certificate's.
    pub mixes_keys: bool,
}

const NOW_IS_ANY_TIME: i64 = 1_700_000_000;

impl TestGateway {
    /// A gateway whose plan has these numbers.
    pub async fn start(planned: &[&str]) -> Self {
        let validity = Validity::days(NOW_IS_ANY_TIME, 7_300).unwrap();
        let name = |text: &str| text.parse().unwrap();
        let root = Root::create(None, &name("root"), validity, &SystemRandom).unwrap();
        let plant = root.issue_ca(None, &name("plant"), validity, &SystemRandom).unwrap();
        let issuing = root.issue_ca(None, &name("issuing"), validity, &SystemRandom).unwrap();
        let trust = Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate]).unwrap();
        let plant_ca = PlantCa::open(plant.certificate, plant.key).unwrap();
        let books = Arc::new(Mutex::new(Books {
            root: root.certificate().to_vec(),
            issuing: IssuingCa::open(issuing.certificate, issuing.key).unwrap(),
            planned: planned.iter().map(|number| number.parse().unwrap()).collect(),
            leases: BTreeMap::new(),
            results: BTreeMap::new(),
            verified: BTreeSet::new(),
            asked: 0,
            results_refused: None,
            mixes_keys: false,
        }));
        let credential = credential(&trust, &plant_ca, &gateway());
        let tls = HostTls::new(trust.clone(), &credential, Arc::new(SystemClock)).unwrap();
        let router = Router::new()
            .route("/v1/allotment", get(allotment))
            .route("/v1/leases", post(lease))
            .route("/v1/results", post(result))
            .with_state(Arc::clone(&books));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::start(listener.local_addr().unwrap()).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        tokio::spawn(serve(listener, Arc::new(tls), router, Limits::default(), shutdown));
        Self { link, books, trust, plant_ca, _stop: stop }
    }

    /// What the gateway keeps.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// A station of this gateway that keeps its files in `directory`.
    pub fn station(&self, directory: &Path) -> station::Station {
        let member = Member::station("osaka".parse().unwrap(), "line-1".parse().unwrap());
        let credential = credential(&self.trust, &self.plant_ca, &member);
        let client = Client::new(
            HostTrust::Plant(self.trust.clone()),
            Some(&credential),
            gateway(),
            &format!("https://{}", self.link.address()),
            Arc::new(SystemClock),
        )
        .unwrap();
        let limits = station::Limits { device_step: Duration::from_secs(3), gateway: Duration::from_secs(1) };
        station::Station::new(client, directory, Arc::new(SystemRandom), limits).unwrap()
    }
}

fn gateway() -> Member {
    Member::gateway("osaka".parse().unwrap())
}

fn credential(trust: &Trust, plant_ca: &PlantCa, member: &Member) -> Credential {
    let now = identity::Clock::epoch_seconds(&SystemClock);
    let (certificate, key) = plant_ca.issue_with_key(member, now, &SystemRandom).unwrap();
    Credential::member(trust, certificate, key.to_pkcs8().unwrap())
}

type Shared = State<Arc<Mutex<Books>>>;

async fn allotment(_: Shared, _: Station) -> Json<Allotment> {
    let product = |code: &str, check_digit| ProductAllotment {
        product: code.parse().unwrap(),
        check_digit,
        quota: 1_000,
        issued: 0,
        serial_ranges: Vec::new(),
    };
    let products = vec![product("3012", CheckDigitName::None), product("A123", CheckDigitName::Mod37_2)];
    Json(Allotment { factory: "osaka".parse().unwrap(), products })
}

async fn lease(
    State(books): Shared,
    _: Station,
    Json(request): Json<LeaseRequest>,
) -> Result<Json<Lease>, Refused> {
    let mut books = books.lock().unwrap();
    books.asked += 1;
    let number = request.device_number;
    let refused = |code| Err(Refused::new(code, format!("{number} cannot be leased")));
    if !books.planned.contains(&number) {
        return refused(ProblemCode::Unplanned);
    }
    if books.results.contains_key(&request.attempt) {
        return refused(ProblemCode::IllegalState);
    }
    if books.verified.contains(&number) {
        return refused(ProblemCode::AlreadyMade);
    }
    if !books.leases.contains_key(&number) {
        let pack = books.issue(&number);
        books.leases.insert(number.clone(), (request.hardware_uid.clone(), pack));
    }
    let (uid, pack) = &books.leases[&number];
    if *uid != request.hardware_uid {
        return refused(ProblemCode::SecondDevice);
    }
    Ok(Json(Lease { device_number: number.clone(), pack: pack.clone(), expires: i64::MAX }))
}

async fn result(
    State(books): Shared,
    _: Station,
    Json(result): Json<WriteResultTransmission>,
) -> Result<Json<WriteResultResponse>, Refused> {
    let mut books = books.lock().unwrap();
    if let Some(code) = books.results_refused {
        return Err(Refused::new(code, "no result is taken now"));
    }
    let number = result.device_number.clone();
    let is_proved = match &result.outcome {
        WriteOutcome::NoGood { .. } => false,
        WriteOutcome::Ok { proof } => {
            let (uid, pack) = &books.leases[&number];
            let proof = possession::Proof {
                device_number: &number,
                hardware_uid: uid,
                challenge: &proof.challenge.0,
                pack_digest: &proof.pack_digest.0,
                signature: &proof.signature.0,
            };
            possession::verify(&pack.client_certificate.0, proof).unwrap();
            true
        }
    };
    let before = books.results.insert(result.attempt, result.clone());
    assert!(before.is_none_or(|before| before == result), "an attempt had two results");
    if is_proved {
        books.verified.insert(number.clone());
    }
    let state = if is_proved { CredentialState::Verified } else { CredentialState::Suspect };
    Ok(Json(WriteResultResponse { device_number: number, state }))
}

impl Books {
    fn issue(&self, number: &DeviceNumber) -> CertificatePack {
        let validity = Validity::days(NOW_IS_ANY_TIME, 3_650).unwrap();
        let credential = || {
            let profile = DeviceProfile { organization: None };
            let prepared = self.issuing.prepare(&profile, number, validity, &SystemRandom).unwrap();
            self.issuing.issue(prepared).unwrap()
        };
        let own = credential();
        let key: Zeroizing<Vec<u8>> = if self.mixes_keys { credential().secret_key } else { own.secret_key };
        CertificatePack {
            root_certificate: Bytes(self.root.clone()),
            issuing_certificate: Bytes(self.issuing.certificate().to_vec()),
            client_certificate: Bytes(own.certificate),
            secret_key: SecretBytes::new(key.to_vec()),
        }
    }
}
