//! A true authority and a true gateway without a link, and the files between them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use authority::{Authority, Ceremony, Names, NewRange};
use bundle::{Signer, open, split};
use cert::tls::Credential;
use cert::{PeerIdentity, Trust};
use der::pem;
use gateway::{Answer, Desk, Gateway, Settings, Upstream, UpstreamError};
use identity::line::Transmission;
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use identity::{Clock, CredentialState, DeviceNumber, HardwareUid, Member, Random};
use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;
use message::allotment::Allotment;
use message::bytes::Bytes;
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    DevicePackRequest,
};
use message::join::{JoinRequest, MemberRequest, Membership};
use message::lease::{AttemptId, LeaseRequest};
use message::pack::CredentialPack;
use message::report::{Report, ReportAnswer};
use message::result::{Confirmation, Proof, WriteOutcome, WriteResultTransmission};
use message::trust::{TrustReport, TrustedCas};
use message::withdrawal::Withdrawals;
use seal::PreWriteKey;
use store::audit::Actor;
use store::authority::product::Product;
use store::bundle::Arrival;
use store::testing::TestDatabase;
use store::{Schema, Secret, Store};
use touchmark::emulator::EmulatedDevice;
use touchmark::ledger::{Books, check};
use touchmark::surroundings::{SystemClock, SystemRandom};
use zeroize::Zeroizing;

/// Takes a certificate in clear.
pub const PLAIN: &str = "3012";
/// Takes a certificate and a symmetric credential, both sealed.
pub const BOTH: &str = "A123";
/// How many of each are planned, and may be made.
pub const PLANNED: u64 = 3;
pub const QUOTA: u64 = 5;

/// Both ends.
pub struct Works {
    pub authority: Arc<Authority>,
    pub gateway: Option<Arc<Gateway>>,
    pub head_office: Member,
    authority_store: Store,
    gateway_store: Store,
    as_authority: Signer,
    pub as_gateway: Signer,
    pub trust: Trust,
    /// Whom the gateway trusts, which is far from the authority.
    gateway_trust: Trust,
    firmware_key: PreWriteKey,
    databases: [TestDatabase; 2],
    /// The device that was made of each number.
    pub made: BTreeMap<DeviceNumber, HardwareUid>,
}

impl Works {
    pub async fn new(databases: [TestDatabase; 2]) -> Self {
        let authority_store = Store::open(&databases[0].url, Schema::Authority).await.unwrap();
        let gateway_store = Store::open(&databases[1].url, Schema::Gateway).await.unwrap();
        let names = Names { authority: "head-office".parse().unwrap(), organization: None };
        let head_office = Member::authority(names.authority.clone());
        let ceremony = Ceremony::prepare(&names, &SystemClock, &SystemRandom).unwrap();
        let (membership, key) = (ceremony.membership(), ceremony.member_key().expose().to_vec());
        ceremony.store(&authority_store, passphrase(), &person()).await.unwrap();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let desk =
            authority::Desk::new(authority_store.clone(), head_office.clone(), clock.clone(), random.clone());
        let firmware_key = set_up(&desk).await;
        let authority = Authority::open(desk, passphrase()).await.unwrap();
        let trust = authority.trust().clone();
        let issuing: Vec<_> = trust.issuing().iter().map(|ca| ca.der().to_vec()).collect();
        let credential = Credential::member(&trust, membership.member_certificate.0, Zeroizing::new(key));
        let as_gateway = join(&authority).await;
        Gateway::init(&gateway_store, passphrase()).await.unwrap();
        let mut works = Self {
            authority,
            gateway: None,
            head_office,
            authority_store,
            gateway_store,
            as_authority: Signer::new(credential),
            as_gateway: Signer::new(as_gateway),
            gateway_trust: Trust::new(trust.root().der(), trust.plant().der(), &issuing).unwrap(),
            trust,
            firmware_key,
            databases,
            made: BTreeMap::new(),
        };
        works.reopen().await;
        works.import_plan().await;
        works
    }

    /// Ends the gateway, where it was open, and opens it again.
    pub async fn reopen(&mut self) {
        self.gateway = None;
        let settings = Settings {
            days_ahead: 1,
            yield_margin_percent: 0,
            replenish_at: time(0, 0, 0, 0),
            lease_seconds: 600,
            time_zone: TimeZone::UTC,
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let desk = Desk::new(self.gateway_store.clone(), "osaka".parse().unwrap(), settings, clock, random);
        let key_ring = self.databases[1].directory.path().join("keys");
        let opened =
            Gateway::open(desk, passphrase(), &key_ring, self.gateway_trust.clone(), Arc::new(NoLink)).await;
        self.gateway = Some(opened.unwrap());
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        self.gateway.as_ref().unwrap()
    }

    /// The file that the gateway writes now.
    pub async fn file_up(&self) -> Vec<u8> {
        let desk = self.gateway().desk();
        let (trust, who) = (self.gateway().trust_report(), person());
        let exported = desk.export_bundles(&self.head_office, &self.as_gateway, trust, &who).await.unwrap();
        exported.bundles.into_iter().flat_map(|waiting| waiting.document).collect()
    }

    /// The file that the authority writes now.
    pub async fn file_down(&self) -> Vec<u8> {
        let factory = "osaka".parse().unwrap();
        let desk = self.authority.desk();
        let waiting = desk.bundles_for(&factory, &self.as_authority, &person()).await.unwrap();
        waiting.into_iter().flat_map(|waiting| waiting.document).collect()
    }

    /// Takes one bundle in at the authority.
    pub async fn take_up(&self, document: &[u8]) -> Result<Arrival, String> {
        let received = open(document, &self.trust, SystemClock.epoch_seconds()).map_err(text)?;
        let bundle = self.authority.desk().admit_bundle(received).await.map_err(text)?;
        let done = self.authority.import(bundle, &self.as_authority, &person()).await.map_err(text)?;
        Ok(done.arrival)
    }

    /// Takes one bundle in at the gateway.
    pub async fn take_down(&self, document: &[u8]) -> Result<Arrival, String> {
        let received = open(document, &self.gateway_trust, SystemClock.epoch_seconds()).map_err(text)?;
        let desk = self.gateway().desk();
        let done = desk.receive_bundle(received, document, &self.head_office, &person()).await;
        let arrival = done.map_err(text)?;
        for taken in self.gateway().take_bundles().await.unwrap() {
            assert_eq!(taken.fault, None);
        }
        Ok(arrival)
    }

    /// A whole exchange: all that waits goes up, and all answers come down.
    pub async fn exchange(&self) {
        for document in split(&self.file_up().await).unwrap() {
            self.take_up(document).await.unwrap();
        }
        for document in split(&self.file_down().await).unwrap() {
            self.take_down(document).await.unwrap();
        }
    }

    /// Leases the next number's packs, writes them into a device and reports. Whether there was a pack.
    pub async fn make(&mut self, product: &str) -> bool {
        let number: DeviceNumber = format!("{product}-{:06}", self.made_of(product) + 1).parse().unwrap();
        let mut name = [0; 16];
        SystemRandom.fill(&mut name);
        let hardware_uid = HardwareUid::new(&name[..8]).unwrap();
        let mut device = EmulatedDevice::new(product.parse().unwrap(), hardware_uid.clone(), 1);
        if product == BOTH {
            let key = PreWriteKey::new(self.firmware_key.identifier().clone(), self.firmware_key.expose());
            device = device.with_pre_write_key(key);
        }
        let request = LeaseRequest {
            attempt: AttemptId::new(name),
            device_number: number.clone(),
            product: number.product().clone(),
            hardware_uid: hardware_uid.clone(),
            key_identifier: None,
            chip_key: None,
            signing_request: None,
        };
        let station = "line-1".parse().unwrap();
        let Ok(lease) = self.gateway().lease(&station, &request).await else { return false };
        let session = device.identify().unwrap().unwrap().session;
        let pack = lease.pack.on_the_line(&number).unwrap();
        device.receive(&Transmission { session, pack }).unwrap().unwrap();
        let outcome = WriteOutcome::Ok { proof: prove(&mut device) };
        let result =
            WriteResultTransmission { attempt: request.attempt, device_number: number.clone(), outcome };
        let told = self.gateway().result(&station, &result).await.unwrap();
        assert_eq!(told.state, CredentialState::Verified);
        self.made.insert(number, hardware_uid);
        true
    }

    pub fn made_of(&self, product: &str) -> u64 {
        self.made.keys().filter(|number| number.product().as_str() == product).count() as u64
    }

    /// Nothing is lost and nothing is there twice, by the books of both sides.
    pub async fn is_conserved(&self) -> Result<(), String> {
        let now = SystemClock.epoch_seconds();
        let gateways = [self.gateway_store.clone()];
        let books = Books::read(Some(&self.authority_store), &gateways, None, now).await.unwrap();
        let verdict = check(&books);
        if verdict.violations.is_empty() && verdict.conserved {
            Ok(())
        } else {
            Err(format!("{:?}", verdict.violations))
        }
    }

    /// How many credentials of a product are in a state at the authority, certificates and symmetric ones.
    pub async fn at_authority(&self, product: &str, state: CredentialState) -> [u64; 2] {
        let status = self.authority.desk().status().await.unwrap();
        let row = status.factories.into_iter().find(|row| row.product.as_str() == product).unwrap();
        [row.states, row.apparatus_states].map(|states| states.get(&state).copied().unwrap_or_default())
    }

    /// Records that wait for the authority at the gateway.
    pub async fn outbox(&self) -> u64 {
        self.gateway().desk().status().await.unwrap().outbox
    }

    async fn import_plan(&self) {
        let now = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap().to_zoned(TimeZone::UTC);
        let products = format!("No,DEVICE CODE,CERTIFICATE,REMARKS\n1,{PLAIN},YES,\n2,{BOTH},YES,");
        // Two days, so that a test that runs over midnight has a plan.
        let tomorrow = now.date().tomorrow().unwrap();
        let plan = format!(
            "DEVICE CODE,{},{tomorrow}\n{PLAIN},{PLANNED},{PLANNED}\n{BOTH},{PLANNED},{PLANNED}",
            now.date()
        );
        for file in [products, plan] {
            self.gateway().desk().import(file.as_bytes(), now.year(), false, &person()).await.unwrap();
        }
    }
}

async fn set_up(desk: &authority::Desk) -> PreWriteKey {
    let osaka = "osaka".parse().unwrap();
    desk.add_factory(&osaka, &person()).await.unwrap();
    let plain = CredentialProfile::PLAIN_CERTIFICATE;
    let both = CredentialProfile::new(plain.certificate(), Some(SymmetricForm::Opened), Sealing::PreWriteKey);
    for (code, profile) in [(PLAIN, plain), (BOTH, both.unwrap())] {
        let product = Product {
            code: code.parse().unwrap(),
            profile,
            organization: None,
            validity_days: None,
            check_digit: identity::scan::CheckDigit::None,
        };
        let code = product.code.clone();
        desk.set_product(product, &person()).await.unwrap();
        let range = NewRange { first: "000001".parse().unwrap(), last: "000099".parse().unwrap() };
        desk.allot(&osaka, &code, Some(QUOTA), Some(range), &person()).await.unwrap();
    }
    let made = desk.make_pre_write_key(&BOTH.parse().unwrap(), passphrase(), &person()).await.unwrap();
    let key = desk.export_pre_write_key(&made.identifier, passphrase(), &person()).await.unwrap();
    PreWriteKey::new(key.identifier, key.key.expose().try_into().unwrap())
}

/// Makes the gateway a member, as it was before it was carried to a place without a link.
async fn join(authority: &Arc<Authority>) -> Credential {
    let directory = tempfile::tempdir().unwrap();
    let arguments = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -sha256 \
                     -subj /CN=whoever -outform DER -out request.der";
    let made = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&directory).output();
    assert!(made.unwrap().status.success());
    let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    let root = authority.trust().root_fingerprint();
    let gateway = Member::gateway("osaka".parse().unwrap());
    let token =
        authority.desk().invite(&gateway, "https://127.0.0.1:7443", root, 600, &person()).await.unwrap();
    let request = JoinRequest { secret: token.secret, signing_request: Bytes(read("request.der")) };
    let membership = authority.join(&request).await.unwrap();
    let key = Zeroizing::new(pem::decode_vec(&read("key.pem")).unwrap().1);
    Credential::member(authority.trust(), membership.member_certificate.0, key)
}

fn prove(device: &mut EmulatedDevice) -> Proof {
    let (session, challenge) = (device.identify().unwrap().unwrap().session, [7; 32]);
    let result = device.write_result(session, &challenge).unwrap().unwrap();
    Proof {
        hardware_uid: device.hardware_uid(),
        challenge: Bytes(challenge.to_vec()),
        pack_digest: Bytes(result.pack_digest.to_vec()),
        signature: (!result.signature.is_empty()).then(|| Bytes(result.signature.to_vec())),
        confirmation: result.confirmation.map(|confirmation| Confirmation {
            apparatus_id: confirmation.apparatus_id,
            station: Bytes(confirmation.station.to_vec()),
            authority: Bytes(confirmation.authority.to_vec()),
        }),
    }
}

/// Where a link would be.
struct NoLink;

fn no_answer<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(UpstreamError::NoAnswer("there is no link".into())) })
}

impl Upstream for NoLink {
    fn allotment(&self) -> Answer<'_, Allotment> {
        no_answer()
    }

    fn issue<'a>(&'a self, _: &'a CertificateTransmissionRequest) -> Answer<'a, CertificateTransmission> {
        no_answer()
    }

    fn issue_apparatuses<'a>(&'a self, _: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks> {
        no_answer()
    }

    fn issue_for_device<'a>(&'a self, _: &'a DevicePackRequest) -> Answer<'a, CredentialPack> {
        no_answer()
    }

    fn report<'a>(&'a self, _: &'a Report) -> Answer<'a, ReportAnswer> {
        no_answer()
    }

    fn withdrawals(&self, _: u64) -> Answer<'_, Withdrawals> {
        no_answer()
    }

    fn trust<'a>(&'a self, _: &'a TrustReport) -> Answer<'a, TrustedCas> {
        no_answer()
    }

    fn member<'a>(&'a self, _: &'a MemberRequest) -> Answer<'a, Membership> {
        no_answer()
    }
}

pub fn person() -> Actor {
    Actor::person("tester")
}

fn passphrase() -> Secret {
    Secret::new(b"correct horse battery staple".to_vec())
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

/// The number of a bundle, and who sent it.
pub fn sequence_of(works: &Works, document: &[u8]) -> u64 {
    let received = open(document, &works.trust, SystemClock.epoch_seconds()).unwrap();
    assert!(matches!(received.sender, PeerIdentity::Member(_)));
    received.bundle.sequence
}
