//! An authority in memory: it issues real certificates, seals for real devices, judges what they say,
//! and remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use auth::{SymmetricCredential, authority_confirmation, station_confirmation};
use cert::Trust;
use gateway::{Upstream, UpstreamError};
use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use identity::{ApparatusId, Clock, CredentialId, DeviceNumber, HardwareUid, Member, ProductCode, Random};
use message::allotment::{Allotment, CheckDigitName, Credentials, ProductAllotment, SerialRange};
use message::bytes::{Bytes, SecretBytes};
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    DevicePackRequest, NumberedPack, OrderId,
};
use message::join::{MemberRequest, Membership};
use message::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed};
use message::problem::{Problem, ProblemCode};
use message::report::{Event, Record, RecordAnswer, Report, ReportAnswer};
use message::trust::{TrustReport, TrustedCas};
use message::withdrawal::{Withdrawal, Withdrawals};
use pki::{DeviceProfile, IssuingCa, PlantCa, Root, SigningRequest, Validity};
use seal::{Binding, ChipPublicKey, PreWriteKey, SEALED_OVERHEAD_MAX};

use crate::plant::{CountingRandom, TestClock};

const CHALLENGE: [u8; 32] = [9; 32];

pub struct TestAuthority {
    pub trust: Trust,
    pub plant_ca: PlantCa,
    root: Vec<u8>,
    /// Two CAs of devices; the first one signs until it is told otherwise.
    issuing: [IssuingCa; 2],
    signing: AtomicUsize,
    clock: Arc<TestClock>,
    random: CountingRandom,
    state: Mutex<State>,
}

struct State {
    is_down: bool,
    loses_answers: bool,
    loses_packs: bool,
    refused_orders: Option<ProblemCode>,
    quota: u64,
    products: BTreeMap<ProductCode, TestProduct>,
    packs: BTreeMap<DeviceNumber, CertificatePack>,
    orders: BTreeMap<OrderId, Vec<ApparatusPack>>,
    apparatuses: BTreeMap<ApparatusId, TestApparatus>,
    /// What was made on the spot.
    made: BTreeMap<DeviceNumber, (HardwareUid, CredentialPack)>,
    never: BTreeMap<DeviceNumber, ProblemCode>,
    refused_records: BTreeMap<CredentialId, ProblemCode>,
    records: BTreeMap<u64, Record>,
    sequences_seen: Vec<u64>,
    withdrawals: Vec<Withdrawal>,
    /// What members are to trust.
    trusted: Vec<Bytes>,
    /// What the gateway said last.
    trust_report: Option<TrustReport>,
}

struct TestProduct {
    profile: CredentialProfile,
    /// The current pre-write key.
    key: Option<Arc<PreWriteKey>>,
    range: SerialRange,
}

struct TestApparatus {
    credential: SymmetricCredential,
    device: Option<(DeviceNumber, HardwareUid)>,
}

pub fn profile(certificate: Option<KeyOrigin>, symmetric: bool, sealing: Sealing) -> CredentialProfile {
    let certificate = certificate.map(|origin| CertificateProfile { algorithm: KeyAlgorithm::P256, origin });
    CredentialProfile::new(certificate, symmetric.then_some(SymmetricForm::Opened), sealing).unwrap()
}

impl TestAuthority {
    pub fn new(clock: Arc<TestClock>) -> Self {
        let random = CountingRandom::default();
        let validity = Validity::days(clock.epoch_seconds() - 86_400, 7_300).unwrap();
        let name = |text: &str| text.parse().unwrap();
        let root = Root::create(None, &name("root"), validity, &random).unwrap();
        let [issuing, further] =
            ["issuing", "issuing 2"].map(|ca| root.issue_ca(None, &name(ca), validity, &random).unwrap());
        let plant = root.issue_ca(None, &name("plant"), validity, &random).unwrap();
        let product = |code: &str, first: &str, last: &str| {
            let range = SerialRange { first: first.parse().unwrap(), last: last.parse().unwrap() };
            let profile = CredentialProfile::PLAIN_CERTIFICATE;
            (code.parse().unwrap(), TestProduct { profile, key: None, range })
        };
        Self {
            trust: Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate]).unwrap(),
            root: root.certificate().to_vec(),
            issuing: [issuing, further].map(|ca| IssuingCa::open(ca.certificate, ca.key).unwrap()),
            signing: AtomicUsize::new(0),
            plant_ca: PlantCa::open(plant.certificate, plant.key).unwrap(),
            clock,
            random,
            state: Mutex::new(State {
                is_down: false,
                loses_answers: false,
                loses_packs: false,
                refused_orders: None,
                quota: 1_000_000,
                products: [product("3012", "123456", "129999"), product("A123", "654321", "669999")].into(),
                packs: BTreeMap::new(),
                orders: BTreeMap::new(),
                apparatuses: BTreeMap::new(),
                made: BTreeMap::new(),
                never: BTreeMap::new(),
                refused_records: BTreeMap::new(),
                records: BTreeMap::new(),
                sequences_seen: Vec::new(),
                withdrawals: Vec::new(),
                trusted: Vec::new(),
                trust_report: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Cuts or mends the link.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// From now on requests are done, but their answers are lost.
    pub fn lose_answers(&self, loses: bool) {
        self.state().loses_answers = loses;
    }

    /// The same of answers that bring packs.
    pub fn lose_packs(&self, loses: bool) {
        self.state().loses_packs = loses;
    }

    /// Refuses orders for symmetric credentials; no code: takes them again.
    pub fn refuse_orders(&self, code: Option<ProblemCode>) {
        self.state().refused_orders = code;
    }

    pub fn set_quota(&self, quota: u64) {
        self.state().quota = quota;
    }

    pub fn set_profile(&self, product: &str, profile: CredentialProfile) {
        self.state().products.get_mut(&product.parse().unwrap()).unwrap().profile = profile;
    }

    /// Gives a product a new pre-write key, which is its current one from now on.
    pub fn rotate_key(&self, product: &str, identifier: &str) -> Arc<PreWriteKey> {
        let mut bytes = [0; PreWriteKey::BYTES];
        self.random.fill(&mut bytes);
        let key = Arc::new(PreWriteKey::new(identifier.parse().unwrap(), &bytes));
        self.state().products.get_mut(&product.parse().unwrap()).unwrap().key = Some(Arc::clone(&key));
        key
    }

    /// Never issues this number.
    pub fn never_issue(&self, number: &str, code: ProblemCode) {
        self.state().never.insert(number.parse().unwrap(), code);
    }

    /// Refuses each record of this credential; no code: takes them again.
    pub fn refuse_records(&self, credential: &CredentialId, code: Option<ProblemCode>) {
        let refused = &mut self.state().refused_records;
        match code {
            Some(code) => refused.insert(credential.clone(), code),
            None => refused.remove(credential),
        };
    }

    /// All numbers that were issued ahead.
    pub fn issued(&self) -> BTreeSet<DeviceNumber> {
        self.state().packs.keys().cloned().collect()
    }

    /// How many symmetric credentials were ever made.
    pub fn apparatuses(&self) -> usize {
        self.state().apparatuses.len()
    }

    /// The device that a symmetric credential belongs to.
    pub fn bound_to(&self, id: ApparatusId) -> Option<(DeviceNumber, HardwareUid)> {
        self.state().apparatuses[&id].device.clone()
    }

    /// What was reported of a credential, in order.
    pub fn events(&self, credential: impl Into<CredentialId>) -> Vec<&'static str> {
        let (state, credential) = (self.state(), credential.into());
        let of_credential = state.records.values().filter(|record| record.credential == credential);
        of_credential.map(|record| event_name(&record.event)).collect()
    }

    /// How many records of this kind were taken.
    pub fn count(&self, event: &str) -> usize {
        let state = self.state();
        state.records.values().filter(|record| event_name(&record.event) == event).count()
    }

    /// All sequence numbers in the order of their arrival, repeated ones too.
    /// Withdraws a credential; records of other factories lie between these.
    pub fn withdraw(&self, credential: impl Into<CredentialId>) {
        let (credential, reason) = (credential.into(), "key-compromise".to_owned());
        let mut state = self.state();
        let sequence = 3 * state.withdrawals.len() as u64 + 5;
        state.withdrawals.push(Withdrawal { sequence, credential, reason });
    }

    /// The certificate of one of the two CAs of devices, DER.
    pub fn issuing(&self, which: usize) -> Vec<u8> {
        self.issuing[which].certificate().to_vec()
    }

    /// Lets this CA sign, and tells members to trust these.
    pub fn roll_over(&self, signing: usize, trusted: &[Vec<u8>]) {
        self.signing.store(signing, Ordering::SeqCst);
        self.state().trusted = trusted.iter().cloned().map(Bytes).collect();
    }

    /// What the gateway said last of the CAs that it trusts.
    pub fn trust_report(&self) -> TrustReport {
        self.state().trust_report.clone().unwrap()
    }

    pub fn sequences_seen(&self) -> Vec<u64> {
        self.state().sequences_seen.clone()
    }

    fn answer<T>(&self, answer: impl FnOnce(&mut State) -> Result<T, Problem>) -> Result<T, UpstreamError> {
        let mut state = self.state();
        if state.is_down {
            return Err(UpstreamError::NoAnswer("the link is cut".into()));
        }
        let answer = answer(&mut state).map_err(UpstreamError::Refused);
        if state.loses_answers { Err(UpstreamError::NoAnswer("the answer is lost".into())) } else { answer }
    }

    fn answer_packs<T>(
        &self,
        answer: impl FnOnce(&mut State) -> Result<T, Problem>,
    ) -> Result<T, UpstreamError> {
        let answer = self.answer(answer);
        if self.state().loses_packs {
            return Err(UpstreamError::NoAnswer("the packs are lost".into()));
        }
        answer
    }

    /// A certificate whose key is in clear, or sealed.
    fn pack(&self, number: &DeviceNumber, seal: Option<&Seal>) -> CertificatePack {
        let validity = Validity::new(self.clock.epoch_seconds(), pki::NO_EXPIRY).unwrap();
        let ca = self.signing_ca();
        let credential = ca.issue(ca.prepare(&PROFILE, number, validity, &self.random).unwrap()).unwrap();
        let key = match seal {
            None => PackKey::Plain(SecretBytes::new(credential.secret_key.to_vec())),
            Some(seal) => PackKey::Sealed(self.seal(
                seal,
                number.product(),
                &number.clone().into(),
                &credential.secret_key,
            )),
        };
        self.with_chain(credential.certificate, key)
    }

    /// A certificate for the key in a signing request.
    fn own_key_pack(&self, number: &DeviceNumber, request: &Bytes) -> Result<CertificatePack, Problem> {
        let malformed = |error| Problem::new(ProblemCode::MalformedRequest, format!("{error}"));
        let request = SigningRequest::verify(&request.0).map_err(malformed)?;
        let validity = Validity::new(self.clock.epoch_seconds(), pki::NO_EXPIRY).unwrap();
        let ca = self.signing_ca();
        let prepared = ca.prepare_for(&request, &PROFILE, number, validity, &self.random).unwrap();
        Ok(self.with_chain(ca.certify(prepared).unwrap(), PackKey::DeviceOwn))
    }

    fn signing_ca(&self) -> &IssuingCa {
        &self.issuing[self.signing.load(Ordering::SeqCst)]
    }

    fn with_chain(&self, certificate: Vec<u8>, key: PackKey) -> CertificatePack {
        CertificatePack {
            root_certificate: Bytes(self.root.clone()),
            issuing_certificate: Bytes(self.signing_ca().certificate().to_vec()),
            client_certificate: Bytes(certificate),
            key,
        }
    }

    fn apparatus(&self, state: &mut State, product: &ProductCode, seal: &Seal) -> ApparatusPack {
        let credential = SymmetricCredential::random(&self.random);
        let id = credential.apparatus_id;
        let sealed = self.seal(seal, product, &id.into(), credential.to_bytes().as_slice());
        let confirmation = station_confirmation(&credential.pass_phrase, id).as_bytes().to_vec();
        state.apparatuses.insert(id, TestApparatus { credential, device: None });
        ApparatusPack {
            apparatus_id: id,
            sealed,
            form: SymmetricForm::Opened,
            challenge: Bytes(CHALLENGE.to_vec()),
            confirmation: Bytes(confirmation),
        }
    }

    fn seal(&self, seal: &Seal, product: &ProductCode, credential: &CredentialId, secret: &[u8]) -> Sealed {
        let binding = Binding { product, credential };
        let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
        let (key_identifier, sealed) = match seal {
            Seal::Key(key) => {
                (Some(key.identifier().clone()), key.seal(&binding, secret, &self.random, &mut out))
            }
            Seal::Chip(key) => (None, key.seal(&binding, secret, &self.random, &mut out)),
        };
        Sealed { key_identifier, ciphertext: Bytes(sealed.unwrap().to_vec()) }
    }

    /// What depends on the device that stands before a station.
    fn make(&self, state: &mut State, request: &DevicePackRequest) -> Result<CredentialPack, Problem> {
        let (number, uid) = (&request.device_number, &request.hardware_uid);
        if let Some((first, pack)) = state.made.get(number) {
            return if first == uid {
                Ok(pack.clone())
            } else {
                Err(Problem::new(ProblemCode::SecondDevice, "it was made for another chip"))
            };
        }
        let TestProduct { profile, key, .. } = &state.products[number.product()];
        let (profile, key) = (*profile, key.clone());
        let seal = match profile.sealing() {
            Sealing::Plain => None,
            Sealing::PreWriteKey => key.map(Seal::Key),
            Sealing::DeviceKey => key.map(|key| Seal::Key(Arc::new(key.for_chip(uid)))),
            Sealing::ChipKey => {
                let Some(point) = &request.chip_key else {
                    return Err(Problem::new(ProblemCode::MalformedRequest, "there is no chip key"));
                };
                Some(Seal::Chip(Box::new(ChipPublicKey::new(&point.0).unwrap())))
            }
        };
        let certificate = match profile.certificate().filter(|_| profile.certificate_needs_device()) {
            None => None,
            Some(CertificateProfile { origin: KeyOrigin::Device, .. }) => {
                let missing = || Problem::new(ProblemCode::MalformedRequest, "there is no signing request");
                Some(self.own_key_pack(number, request.signing_request.as_ref().ok_or_else(missing)?)?)
            }
            Some(_) => Some(self.pack(number, seal.as_ref())),
        };
        let apparatus = match profile.symmetric_needs_device() {
            true => Some(self.apparatus(state, number.product(), seal.as_ref().unwrap())),
            false => None,
        };
        let pack = CredentialPack { certificate, apparatus };
        state.made.insert(number.clone(), (uid.clone(), pack.clone()));
        Ok(pack)
    }

    /// What is wrong with a record, if anything.
    fn judge(&self, state: &mut State, record: &Record) -> Option<Problem> {
        if let Some(code) = state.refused_records.get(&record.credential) {
            return Some(Problem::new(*code, "not this one"));
        }
        let (Event::Bound { device_number, hardware_uid, confirmation, .. }, CredentialId::Apparatus(id)) =
            (&record.event, &record.credential)
        else {
            return None;
        };
        let known = state.apparatuses.get_mut(id).unwrap();
        let pass_phrase = &known.credential.pass_phrase;
        let expected = authority_confirmation(pass_phrase, *id, device_number, hardware_uid, &CHALLENGE);
        if confirmation.0 != expected.as_bytes() {
            return Some(Problem::new(ProblemCode::ProofFailed, "the device does not hold the pass phrase"));
        }
        let device = (device_number.clone(), hardware_uid.clone());
        if known.device.as_ref().is_some_and(|first| *first != device) {
            return Some(Problem::new(ProblemCode::SecondDevice, "another device has it"));
        }
        known.device = Some(device);
        None
    }
}

const PROFILE: DeviceProfile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };

enum Seal {
    Key(Arc<PreWriteKey>),
    Chip(Box<ChipPublicKey>),
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Stocked => "stocked",
        Event::Verified { .. } => "verified",
        Event::Bound { .. } => "bound",
        Event::KeyBorn { .. } => "keyBorn",
        Event::Suspect { .. } => "suspect",
        Event::Voided { .. } => "voided",
    }
}

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, UpstreamError>> + Send + 'a>>;

impl Upstream for TestAuthority {
    fn allotment(&self) -> Answer<'_, Allotment> {
        let answer = self.answer(|state| {
            let products = state.products.iter().map(|(code, product)| ProductAllotment {
                product: code.clone(),
                check_digit: CheckDigitName::None,
                credentials: Credentials(product.profile),
                key_identifier: product.key.as_ref().map(|key| key.identifier().clone()),
                quota: state.quota,
                issued: state.packs.keys().filter(|number| number.product() == code).count() as u64,
                serial_ranges: vec![product.range],
            });
            Ok(Allotment { factory: "osaka".parse().unwrap(), products: products.collect() })
        });
        Box::pin(async { answer })
    }

    fn issue<'a>(
        &'a self,
        request: &'a CertificateTransmissionRequest,
    ) -> Answer<'a, CertificateTransmission> {
        let answer = self.answer_packs(|state| {
            if let Some(code) = request.device_numbers.iter().find_map(|number| state.never.get(number)) {
                return Err(Problem::new(*code, "one of these numbers is not issued"));
            }
            let packs = request.device_numbers.iter().map(|number| {
                let product = &state.products[number.product()];
                let seal = match product.profile.sealing() {
                    Sealing::Plain => None,
                    _ => product.key.clone().map(Seal::Key),
                };
                let known = state.packs.entry(number.clone());
                let pack = known.or_insert_with(|| self.pack(number, seal.as_ref())).clone();
                NumberedPack { device_number: number.clone(), pack }
            });
            Ok(CertificateTransmission { packs: packs.collect() })
        });
        Box::pin(async { answer })
    }

    fn issue_apparatuses<'a>(&'a self, request: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks> {
        let answer = self.answer_packs(|state| {
            if let Some(packs) = state.orders.get(&request.order) {
                return Ok(ApparatusPacks { packs: packs.clone() });
            }
            if let Some(code) = state.refused_orders {
                return Err(Problem::new(code, "no orders are taken"));
            }
            let Some(key) = state.products[&request.product].key.clone() else {
                return Err(Problem::new(ProblemCode::NoPreWriteKey, "there is no key to seal under"));
            };
            let seal = Seal::Key(key);
            let packs: Vec<_> =
                (0..request.count).map(|_| self.apparatus(state, &request.product, &seal)).collect();
            state.orders.insert(request.order, packs.clone());
            Ok(ApparatusPacks { packs })
        });
        Box::pin(async { answer })
    }

    fn issue_for_device<'a>(&'a self, request: &'a DevicePackRequest) -> Answer<'a, CredentialPack> {
        let answer = self.answer_packs(|state| self.make(state, request));
        Box::pin(async { answer })
    }

    fn report<'a>(&'a self, report: &'a Report) -> Answer<'a, ReportAnswer> {
        let answer = self.answer(|state| {
            let mut records = Vec::new();
            for record in &report.records {
                state.sequences_seen.push(record.sequence);
                let problem = self.judge(state, record);
                if problem.is_none() {
                    let known = state.records.entry(record.sequence).or_insert_with(|| record.clone());
                    assert_eq!(known, record, "a sequence number means one record");
                }
                records.push(RecordAnswer { sequence: record.sequence, state: None, problem });
            }
            Ok(ReportAnswer { records })
        });
        Box::pin(async { answer })
    }

    fn withdrawals(&self, after: u64) -> Answer<'_, Withdrawals> {
        let answer = self.answer(|state| {
            let next = state.withdrawals.iter().filter(|record| record.sequence > after);
            // Few at a time, so that a gateway has to ask again.
            Ok(Withdrawals { records: next.take(2).cloned().collect() })
        });
        Box::pin(async { answer })
    }

    fn trust<'a>(&'a self, report: &'a TrustReport) -> Answer<'a, TrustedCas> {
        let answer = self.answer(|state| {
            state.trust_report = Some(report.clone());
            Ok(TrustedCas { issuing_certificates: state.trusted.clone() })
        });
        Box::pin(async { answer })
    }

    fn member<'a>(&'a self, request: &'a MemberRequest) -> Answer<'a, Membership> {
        let answer = self.answer(|_| {
            let member = Member::station("osaka".parse().unwrap(), request.name.clone());
            let signing_request = SigningRequest::verify(&request.signing_request.0)
                .map_err(|error| Problem::new(ProblemCode::MalformedRequest, error.to_string()))?;
            let now = self.clock.epoch_seconds();
            let certificate = self.plant_ca.issue(&member, &signing_request, now, &self.random).unwrap();
            Ok(Membership {
                root_certificate: Bytes(self.root.clone()),
                plant_certificate: Bytes(self.plant_ca.certificate().to_vec()),
                issuing_certificates: vec![Bytes(self.issuing(0))],
                common_ca_certificate: None,
                member_certificate: Bytes(certificate),
            })
        });
        Box::pin(async { answer })
    }
}
