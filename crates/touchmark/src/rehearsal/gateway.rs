//! A gateway in memory, behind real TLS, whose packs come from a [`RehearsalAuthority`]. It answers as a
//! true one, keeps what it was asked, and misbehaves where it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use cert::Fingerprint;
use cert::tls::HostTrust;
use identity::profile::{CredentialProfile, KeyOrigin};
use identity::{Clock, CredentialState, DeviceNumber, HardwareUid, Member, ProductCode};
use message::allotment::{Allotment, CheckDigitName, Credentials, ProductAllotment};
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, Membership};
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::operator::{BadgeCode, Operator, Operators};
use message::pack::CredentialPack;
use message::problem::ProblemCode;
use message::result::{WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::trust::{TrustReport, TrustedCas};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use transport::{Client, HostTls, Json, Limits, Refused, Station, serve};

use super::authority::{Receiver, RehearsalAuthority, RehearsalPack};

/// The gateway; it ends when dropped.
pub struct RehearsalGateway {
    address: SocketAddr,
    shared: Arc<Inside>,
    clock: Arc<dyn Clock>,
    _stop: oneshot::Sender<()>,
}

/// What the gateway keeps, and what it is told to do.
#[derive(Default)]
pub struct Books {
    products: BTreeMap<ProductCode, (CheckDigitName, CredentialProfile)>,
    planned: BTreeMap<DeviceNumber, Planned>,
    leases: BTreeMap<DeviceNumber, (HardwareUid, RehearsalPack)>,
    secret: Option<SecretBytes>,
    operators: Operators,
    /// Every lease that was asked for, also those refused.
    pub asked: Vec<LeaseRequest>,
    /// Every result once, as it was told.
    pub results: BTreeMap<AttemptId, WriteResultTransmission>,
    /// The numbers whose devices have proved themselves.
    pub verified: BTreeSet<DeviceNumber>,
    /// Answers requests for packs with this problem.
    pub leases_refused: Option<ProblemCode>,
    /// Answers results with this problem, and stores nothing.
    pub results_refused: Option<ProblemCode>,
    /// Changes packs before they are leased.
    pub alters_packs: Option<Alteration>,
}

/// What becomes of a pack on its way.
pub type Alteration = Box<dyn Fn(&mut CredentialPack) + Send>;

/// How a planned number is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Planned {
    /// The certificate is owed, as if the authority could not be reached.
    pub is_owing: bool,
    /// The first answer to its result is lost: the result is stored, and the station is told to ask again.
    pub loses_answer: bool,
}

struct Inside {
    authority: Arc<RehearsalAuthority>,
    books: Mutex<Books>,
}

impl RehearsalGateway {
    /// A gateway of this authority at a free port of `host`.
    ///
    /// # Errors
    /// There is no free port there.
    pub async fn start(
        host: &str,
        authority: Arc<RehearsalAuthority>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let credential = authority.credential(&member()?)?;
        let tls = HostTls::new(authority.trust().clone(), &credential, Arc::clone(&clock))?;
        let shared = Arc::new(Inside { authority, books: Mutex::default() });
        let router = Router::new()
            .route("/v1/join", post(join))
            .route("/v1/allotment", get(allotment))
            .route("/v1/operators", get(operators))
            .route("/v1/trust", post(trust))
            .route("/v1/leases", post(lease))
            .route("/v1/results", post(result))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        tokio::spawn(serve(listener, Arc::new(tls), router, Limits::default(), shutdown));
        Ok(Self { address, shared, clock, _stop: stop })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says what a product's plates look like and its devices take.
    pub fn add_product(&self, product: ProductCode, check_digit: CheckDigitName, profile: CredentialProfile) {
        self.books().products.insert(product, (check_digit, profile));
    }

    /// Tells stations of an operator and their badge.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn add_operator(&self, badge: &BadgeCode) -> anyhow::Result<()> {
        let badge_sha256 = Fingerprint::of(badge.expose().as_bytes()).to_string();
        self.books().operators.operators.push(Operator { name: "rehearsal".parse()?, badge_sha256 });
        Ok(())
    }

    /// Plans a device.
    pub fn plan(&self, number: DeviceNumber, planned: Planned) {
        self.books().planned.insert(number, planned);
    }

    /// What the gateway keeps.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books()
    }

    /// The token with which the one station of the rehearsal joins, as often as it likes.
    ///
    /// # Errors
    /// Its own names cannot be read.
    pub fn invite(&self) -> anyhow::Result<JoinToken> {
        let secret = self.shared.authority.random_bytes();
        self.books().secret = Some(SecretBytes::new(secret.to_vec()));
        Ok(JoinToken {
            url: format!("https://{}", self.address),
            host: member()?,
            member: station()?,
            root_sha256: self.shared.authority.trust().root_fingerprint().to_string(),
            secret: SecretBytes::new(secret.to_vec()),
        })
    }

    /// A station's way to this gateway, or over a link that leads to it.
    ///
    /// # Errors
    /// The station's certificate cannot be made.
    pub fn client(&self, address: SocketAddr) -> anyhow::Result<Client> {
        let trust = HostTrust::Plant(self.shared.authority.trust().clone());
        let credential = self.shared.authority.credential(&station()?)?;
        let url = format!("https://{address}");
        Ok(Client::new(trust, Some(&credential), member()?, &url, Arc::clone(&self.clock))?)
    }
}

fn member() -> anyhow::Result<Member> {
    Ok(Member::gateway("rehearsal".parse()?))
}

fn station() -> anyhow::Result<Member> {
    Ok(Member::station("rehearsal".parse()?, "candidate".parse()?))
}

type Shared = State<Arc<Inside>>;

async fn join(State(inside): Shared, Json(request): Json<JoinRequest>) -> Result<Json<Membership>, Refused> {
    let is_known = inside.books().secret.as_ref().is_some_and(|secret| *secret == request.secret);
    if !is_known {
        return Err(Refused::new(ProblemCode::TokenRefused, "the join token is unknown"));
    }
    let admitted = station().and_then(|station| inside.authority.admit(&station, &request.signing_request.0));
    let membership =
        admitted.map_err(|error| Refused::new(ProblemCode::MalformedRequest, error.to_string()))?;
    Ok(Json(membership))
}

async fn allotment(State(inside): Shared, _: Station) -> Json<Allotment> {
    let products = inside.books().products.iter().map(product_allotment).collect();
    Json(Allotment { factory: "rehearsal".parse().expect("a name of small letters"), products })
}

async fn operators(State(inside): Shared, _: Station) -> Json<Operators> {
    Json(inside.books().operators.clone())
}

async fn trust(State(inside): Shared, _: Station, Json(_): Json<TrustReport>) -> Json<TrustedCas> {
    let issuing = inside.authority.trust().issuing();
    Json(TrustedCas { issuing_certificates: issuing.iter().map(|ca| Bytes(ca.der().to_vec())).collect() })
}

fn product_allotment(
    (product, (check_digit, profile)): (&ProductCode, &(CheckDigitName, CredentialProfile)),
) -> ProductAllotment {
    ProductAllotment {
        product: product.clone(),
        check_digit: *check_digit,
        credentials: Credentials(*profile),
        key_identifier: None,
        quota: 0,
        issued: 0,
        serial_ranges: Vec::new(),
    }
}

async fn lease(
    State(inside): Shared,
    _: Station,
    Json(request): Json<LeaseRequest>,
) -> Result<Json<Lease>, Refused> {
    let mut books = inside.books();
    books.asked.push(request.clone());
    let lease = books.lease(&request, &inside.authority);
    lease.map(Json).map_err(|(code, detail)| Refused::new(code, detail))
}

async fn result(
    State(inside): Shared,
    _: Station,
    Json(result): Json<WriteResultTransmission>,
) -> Result<Json<WriteResultResponse>, Refused> {
    let device_number = result.device_number.clone();
    let state = inside.books().take_result(result);
    match state {
        Ok(state) => Ok(Json(WriteResultResponse { device_number, state })),
        Err((code, detail)) => Err(Refused::new(code, detail)),
    }
}

impl Inside {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Problem = (ProblemCode, &'static str);

impl Books {
    fn lease(&mut self, request: &LeaseRequest, authority: &RehearsalAuthority) -> Result<Lease, Problem> {
        if let Some(code) = self.leases_refused {
            return Err((code, "no pack is leased now"));
        }
        let number = &request.device_number;
        let planned = *self.planned.get(number).ok_or((ProblemCode::Unplanned, "nobody planned it"))?;
        if request.product != *number.product() {
            return Err((ProblemCode::WrongProduct, "the device is of another product"));
        }
        if self.results.contains_key(&request.attempt) {
            return Err((ProblemCode::IllegalState, "the attempt has its result"));
        }
        if self.verified.contains(number) {
            return Err((ProblemCode::AlreadyMade, "the device is made"));
        }
        if !self.leases.contains_key(number) {
            let made = self.make(request, planned, authority)?;
            self.leases.insert(number.clone(), (request.hardware_uid.clone(), made));
        }
        let (chip, made) = &self.leases[number];
        if *chip != request.hardware_uid {
            return Err((ProblemCode::SecondDevice, "another device has the number"));
        }
        Ok(Lease {
            device_number: number.clone(),
            pack: made.pack.clone(),
            certificate_owed: planned.is_owing,
            expires: i64::MAX,
        })
    }

    fn make(
        &self,
        request: &LeaseRequest,
        planned: Planned,
        authority: &RehearsalAuthority,
    ) -> Result<RehearsalPack, Problem> {
        let number = &request.device_number;
        let (_, profile) =
            self.products.get(number.product()).ok_or((ProblemCode::UnknownProduct, "no such product"))?;
        let receiver = Receiver {
            hardware_uid: &request.hardware_uid,
            chip_key: request.chip_key.as_ref(),
            signing_request: request.signing_request.as_ref(),
        };
        let is_born = profile.certificate().is_some_and(|key| key.origin == KeyOrigin::Device);
        if is_born != request.signing_request.is_some() {
            return Err((
                ProblemCode::MalformedRequest,
                "a signing request belongs to a key of the device's own",
            ));
        }
        let made = if planned.is_owing {
            authority.make_owing(number, profile, receiver)
        } else {
            authority.make(number, profile, receiver)
        };
        let mut made = made.map_err(|error| {
            tracing::warn!(%number, %error, "no pack can be made");
            (ProblemCode::Internal, "no pack can be made")
        })?;
        if let Some(alter) = &self.alters_packs {
            alter(&mut made.pack);
        }
        Ok(made)
    }

    fn take_result(&mut self, result: WriteResultTransmission) -> Result<CredentialState, Problem> {
        if let Some(code) = self.results_refused {
            return Err((code, "no result is taken now"));
        }
        let number = result.device_number.clone();
        let (chip, made) = self.leases.get(&number).ok_or((ProblemCode::NoLease, "it is not leased"))?;
        let state = match &result.outcome {
            WriteOutcome::Ok { proof } => {
                if made.check(chip, &proof.challenge.0, proof).is_err() {
                    return Err((ProblemCode::ProofFailed, "the proof does not hold"));
                }
                CredentialState::Verified
            }
            WriteOutcome::NoGood { untouched: true, .. } => CredentialState::Leased,
            WriteOutcome::NoGood { untouched: false, .. } => CredentialState::Suspect,
        };
        let is_first = match self.results.get(&result.attempt) {
            Some(before) if *before != result => {
                return Err((ProblemCode::Conflict, "the attempt has another result"));
            }
            before => before.is_none(),
        };
        self.results.insert(result.attempt, result);
        if state == CredentialState::Verified {
            self.verified.insert(number.clone());
        }
        if is_first && self.planned.get(&number).is_some_and(|planned| planned.loses_answer) {
            return Err((ProblemCode::Unavailable, "the answer is lost on purpose"));
        }
        Ok(state)
    }
}
