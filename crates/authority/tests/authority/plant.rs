//! A set-up authority with one factory, and what a gateway and a device do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use auth::{SymmetricCredential, authority_confirmation};
use authority::{Authority, AuthorityError, Ceremony, Desk, FurtherCa, MadeCa, Names, NewRange};
use aws_lc_rs::rand::SystemRandom as Generator;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use identity::profile::{CredentialProfile, KeyAlgorithm, Sealing, SymmetricForm};
use identity::scan::CheckDigit;
use identity::{
    Clock, CredentialId, CredentialState, DeviceNumber, KeyIdentifier, Member, MemberName, Random, line,
};
use message::bytes::Bytes;
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    NumberedPack,
};
use message::pack::{ApparatusPack, CredentialPack, PackKey, Sealed};
use message::problem::ProblemCode;
use message::report::{Event, Record, RecordAnswer, Report};
use message::result::{Confirmation, Proof};
use pki::SigningKey;
use seal::{Binding, PreWriteKey};
use store::audit::Actor;
use store::authority::product::Product;
use store::testing::TestDatabase;
use store::{Schema, Secret, Store, audit};

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;

pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn epoch_seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub struct Plant {
    pub authority: Arc<Authority>,
    pub store: Store,
    pub clock: Arc<TestClock>,
    /// What `init` gave the authority for itself.
    pub ceremony_membership: message::join::Membership,
    pub own_key: message::bytes::SecretBytes,
    /// The root's key, PKCS#8 DER, as it lies in the safe.
    root_key: Vec<u8>,
    pub database: TestDatabase,
}

pub fn passphrase() -> Secret {
    Secret::new(b"correct horse battery staple".to_vec())
}

pub fn person() -> Actor {
    Actor::person("tester")
}

pub fn osaka() -> MemberName {
    "osaka".parse().unwrap()
}

pub fn head_office() -> Member {
    "urn:touchmark:authority:head-office".parse().unwrap()
}

pub fn range(first: &str, last: &str) -> NewRange {
    NewRange { first: first.parse().unwrap(), last: last.parse().unwrap() }
}

pub fn numbers(product: &str, serials: std::ops::Range<u32>) -> Vec<DeviceNumber> {
    serials.map(|serial| format!("{product}-{serial:06}").parse().unwrap()).collect()
}

impl Plant {
    /// An authority that makes 3012 (never expires) and A123 (a maker, ten years) with a certificate
    /// and 3013 without; Osaka may make 100 of 3012 and 50 of A123.
    pub async fn new(database: TestDatabase) -> Self {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        let clock = Arc::new(TestClock(START.into()));
        let names = Names {
            authority: "head-office".parse().unwrap(),
            organization: Some("Example Works".parse().unwrap()),
        };
        let ceremony = Ceremony::prepare(&names, clock.as_ref(), &SystemRandom).unwrap();
        let ceremony_membership = ceremony.membership();
        let own_key = ceremony.member_key().clone();
        let root_key = ceremony.root_key().to_pkcs8().unwrap().to_vec();
        ceremony.store(&store, passphrase(), &person()).await.unwrap();
        let authority = reopened(&store, &clock).await;
        let plant = Self { authority, store, clock, ceremony_membership, own_key, root_key, database };
        plant.set_up_osaka().await;
        plant
    }

    async fn set_up_osaka(&self) {
        let desk = self.authority.desk();
        for (code, profile, organization, validity_days) in [
            ("3012", CredentialProfile::PLAIN_CERTIFICATE, None, None),
            ("A123", CredentialProfile::PLAIN_CERTIFICATE, Some("Example Works"), Some(3_650)),
            ("3013", CredentialProfile::NONE, None, None),
        ] {
            let product = Product {
                code: code.parse().unwrap(),
                profile,
                organization: organization.map(str::to_owned),
                validity_days,
                check_digit: CheckDigit::None,
            };
            desk.set_product(product, &person()).await.unwrap();
        }
        assert!(desk.add_factory(&osaka(), &person()).await.unwrap());
        for (product, quota) in [("3012", 100), ("A123", 50), ("3013", 50)] {
            self.allot(product, Some(quota), Some(("123000", "123999"))).await.unwrap();
        }
    }

    pub async fn allot(
        &self,
        product: &str,
        quota: Option<u64>,
        serials: Option<(&str, &str)>,
    ) -> Result<(), AuthorityError> {
        let range = serials.map(|(first, last)| range(first, last));
        let product = product.parse().unwrap();
        self.authority.desk().allot(&osaka(), &product, quota, range, &person()).await
    }

    pub async fn set_product(&self, code: &str, profile: CredentialProfile) {
        let product = Product {
            code: code.parse().unwrap(),
            profile,
            organization: None,
            validity_days: None,
            check_digit: CheckDigit::None,
        };
        self.authority.desk().set_product(product, &person()).await.unwrap();
    }

    /// A product with a pre-write key, of which Osaka may make 100; the key as its devices have it.
    pub async fn sealed_product(&self, code: &str, profile: CredentialProfile) -> PreWriteKey {
        self.set_product(code, profile).await;
        self.allot(code, Some(100), Some(("123000", "123999"))).await.unwrap();
        let (desk, product) = (self.authority.desk(), code.parse().unwrap());
        let made = desk.make_pre_write_key(&product, passphrase(), &person()).await.unwrap();
        self.exported(&made.identifier).await
    }

    /// A pre-write key as the firmware build gets it, once.
    pub async fn exported(&self, identifier: &KeyIdentifier) -> PreWriteKey {
        let desk = self.authority.desk();
        let exported = desk.export_pre_write_key(identifier, passphrase(), &person()).await.unwrap();
        PreWriteKey::new(exported.identifier, exported.key.expose().try_into().unwrap())
    }

    pub async fn order(&self, request: ApparatusPackRequest) -> Result<ApparatusPacks, AuthorityError> {
        self.authority.issue_apparatuses(&osaka(), request).await
    }

    pub async fn issue(&self, numbers: &[DeviceNumber]) -> Result<CertificateTransmission, AuthorityError> {
        let request = CertificateTransmissionRequest { device_numbers: numbers.to_vec() };
        self.authority.issue(&osaka(), request).await
    }

    /// What comes of reporting these records, one after the other.
    pub async fn report(&self, records: Vec<Record>) -> Vec<RecordAnswer> {
        self.authority.report(&osaka(), Report { records }).await.unwrap().records
    }

    /// The root's key out of the safe.
    pub fn root_key(&self) -> SigningKey {
        SigningKey::from_pkcs8(KeyAlgorithm::P384, &self.root_key).unwrap()
    }

    /// Makes a further CA of devices, as by a command beside the process that serves.
    pub async fn make_ca(&self, valid_days: Option<u32>) -> Result<MadeCa, AuthorityError> {
        let further = FurtherCa { organization: None, valid_days };
        self.desk().make_issuing_ca(further, self.root_key(), passphrase(), &person()).await
    }

    /// The books of this authority, as a command opens them.
    pub fn desk(&self) -> Desk {
        desk(&self.store, &self.clock)
    }

    /// Ends the authority and opens it again.
    pub async fn restart(&mut self) {
        self.authority = reopened(&self.store, &self.clock).await;
    }

    /// Ends the authority and opens it again, publishing at this address from now on.
    pub async fn publish_at(&mut self, url: &str) {
        let desk = desk(&self.store, &self.clock).published(url.parse().unwrap());
        self.authority = Authority::open(desk, passphrase()).await.unwrap();
    }

    /// The figures add up and the audit log is whole; how many credentials are in each state.
    pub async fn conserved(&self) -> Vec<(String, u64)> {
        let status = self.authority.desk().status().await.unwrap();
        assert!(status.conserved, "{status:?}");
        audit::verify(&mut self.store.read().await.unwrap()).await.unwrap();
        let mut states: std::collections::BTreeMap<String, u64> = Default::default();
        for figures in status.factories {
            for (state, count) in figures.states.into_iter().chain(figures.apparatus_states) {
                *states.entry(state.to_string()).or_default() += count;
            }
        }
        states.into_iter().collect()
    }
}

fn desk(store: &Store, clock: &Arc<TestClock>) -> Desk {
    Desk::new(store.clone(), head_office(), Arc::clone(clock) as _, Arc::new(SystemRandom))
}

async fn reopened(store: &Store, clock: &Arc<TestClock>) -> Arc<Authority> {
    Authority::open(desk(store, clock), passphrase()).await.unwrap()
}

pub fn code(error: &AuthorityError) -> ProblemCode {
    error.problem().code
}

/// A profile with a symmetric credential only.
pub fn symmetric(form: SymmetricForm, sealing: Sealing) -> CredentialProfile {
    CredentialProfile::new(None, Some(form), sealing).unwrap()
}

/// A profile with a certificate whose key is sealed, and maybe a symmetric credential.
pub fn sealed_certificate(form: Option<SymmetricForm>) -> CredentialProfile {
    let certificate = CredentialProfile::PLAIN_CERTIFICATE.certificate();
    CredentialProfile::new(certificate, form, Sealing::PreWriteKey).unwrap()
}

pub fn record(sequence: u64, credential: &(impl Clone + Into<CredentialId>), event: Event) -> Record {
    Record { sequence, credential: credential.clone().into(), time: START + 60, event }
}

/// What became of each record.
pub fn outcomes(answers: &[RecordAnswer]) -> Vec<Result<CredentialState, ProblemCode>> {
    answers
        .iter()
        .map(|answer| match (&answer.state, &answer.problem) {
            (Some(state), None) => Ok(*state),
            (None, Some(problem)) => Err(problem.code),
            _ => panic!("an answer says one thing: {answer:?}"),
        })
        .collect()
}

/// The proof that the device with this chip and this pack, whose key is plain, gives.
pub fn proof(numbered: &NumberedPack, chip: &str) -> Proof {
    let pack = CredentialPack { certificate: Some(numbered.pack.clone()), apparatus: None };
    proof_by(secret_key(numbered), &numbered.device_number, &pack, chip)
}

/// The proof of a certificate that the device with this chip and this pack gives, whose firmware has
/// this key.
pub fn proof_of(number: &DeviceNumber, pack: &CredentialPack, key: &PreWriteKey, chip: &str) -> Proof {
    let PackKey::Sealed(sealed) = &pack.certificate.as_ref().unwrap().key else {
        panic!("{number} has no sealed key")
    };
    proof_by(&opened_key(number, sealed, key), number, pack, chip)
}

fn proof_by(secret_key: &[u8], number: &DeviceNumber, pack: &CredentialPack, chip: &str) -> Proof {
    let hardware_uid = chip.parse().unwrap();
    let challenge = [7; 32];
    let digest = line::pack_digest(&pack.on_the_line(number).unwrap());
    let message = line::proof_message(number, &hardware_uid, &challenge, &digest);
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret_key).unwrap();
    let signature = key.sign(&Generator::new(), &message).unwrap();
    let confirmation = pack.apparatus.as_ref().map(|apparatus| Confirmation {
        apparatus_id: apparatus.apparatus_id,
        station: apparatus.confirmation.clone(),
        authority: Bytes(vec![0; 32]),
    });
    Proof {
        hardware_uid,
        challenge: Bytes(challenge.to_vec()),
        pack_digest: Bytes(digest.to_vec()),
        signature: Some(Bytes(signature.as_ref().to_vec())),
        confirmation,
    }
}

/// The secret key, PKCS#8 DER, that a device with this pre-write key finds in its pack.
pub fn opened_key(number: &DeviceNumber, sealed: &Sealed, key: &PreWriteKey) -> Vec<u8> {
    let mut out = [0; seal::SECRET_BYTES_MAX];
    let binding = Binding { product: number.product(), credential: &number.clone().into() };
    key.open(&binding, &sealed.ciphertext.0, &mut out).unwrap().to_vec()
}

/// The symmetric credential that a device with this pre-write key finds in its pack.
pub fn opened(pack: &ApparatusPack, product: &str, key: &PreWriteKey) -> SymmetricCredential {
    let mut out = [0; SymmetricCredential::BYTES];
    let product = product.parse().unwrap();
    let binding = Binding { product: &product, credential: &pack.apparatus_id.into() };
    let opened = key.open(&binding, &pack.sealed.ciphertext.0, &mut out).unwrap();
    SymmetricCredential::from_bytes(&opened).unwrap()
}

/// What a device of this number and chip says that was given this pack, and found this credential in it.
pub fn bound(pack: &ApparatusPack, credential: &SymmetricCredential, number: &str, chip: &str) -> Event {
    let (device_number, hardware_uid) = (number.parse().unwrap(), chip.parse().unwrap());
    let challenge = pack.challenge.0.as_slice().try_into().unwrap();
    let confirmation = authority_confirmation(
        &credential.pass_phrase,
        pack.apparatus_id,
        &device_number,
        &hardware_uid,
        &challenge,
    );
    Event::Bound {
        station: "line-1".parse().unwrap(),
        device_number,
        hardware_uid,
        confirmation: Bytes(confirmation.as_bytes().to_vec()),
    }
}

/// The key of a plain pack.
pub fn secret_key(numbered: &NumberedPack) -> &[u8] {
    match &numbered.pack.key {
        PackKey::Plain(key) => key.expose(),
        PackKey::Sealed(_) | PackKey::DeviceOwn => panic!("{} has no plain key", numbered.device_number),
    }
}

pub fn verified(numbered: &NumberedPack, chip: &str) -> Event {
    Event::Verified { station: "line-1".parse().unwrap(), proof: proof(numbered, chip) }
}
