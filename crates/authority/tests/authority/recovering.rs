//! Recovery under a common certificate, over mutual TLS: what an attacker who has its key gets, and what a
//! device gets that something speaks for.

use std::sync::Arc;

use auth::{ChannelBinding, SymmetricCredential, recovery_confirmation};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cert::tls::{Credential, HostTrust};
use identity::profile::{CredentialProfile, KeyAlgorithm, SymmetricForm};
use identity::scan::CheckDigit;
use identity::{CommonBatch, DeviceNumber};
use message::bytes::Bytes;
use message::issue::{ApparatusPackRequest, OrderId};
use message::pack::{CertificatePack, CredentialPack};
use message::problem::{Problem, ProblemCode};
use message::recovery::{RecoveryAnswer, RecoveryProof, RecoveryRequest, recovery_message};
use message::report::Event;
use message::standing::DeviceStanding;
use store::audit;
use store::authority::product::Product;
use store::authority::recovery::{RecoveryGround, RecoveryState};
use store::testing::{TestDatabase, on_both};
use transport::{CallError, Channel, Client};
use zeroize::Zeroizing;

use crate::born::BornKey;
use crate::plant::{
    Plant, bound, code, head_office, numbers, opened, outcomes, passphrase, person, proof_of, record,
    sealed_certificate, secret_key, verified,
};
use crate::serving::serving;

const CHIP: &str = "0011223344556677";
const OTHER_CHIP: &str = "8899aabbccddeeff";
const DAY: i64 = 86_400;

/// A serving authority whose devices of one product share a common certificate.
struct Field {
    plant: Plant,
    url: String,
    batch: CommonBatch,
    common: Credential,
}

/// A board that asks, with the key that it has made.
struct Board {
    number: DeviceNumber,
    chip: &'static str,
    key: BornKey,
}

impl Board {
    fn new(number: &DeviceNumber, chip: &'static str) -> Self {
        Self { number: number.clone(), chip, key: BornKey::new(KeyAlgorithm::P256) }
    }

    /// What it signs with a former key over the connection of this binding.
    fn message(&self, binding: &[u8; 32]) -> Vec<u8> {
        let key = self.key.public_key_sha256();
        recovery_message(&self.number, &self.chip.parse().unwrap(), &key, binding)
    }
}

impl Field {
    async fn new(database: TestDatabase, product: &str, unproved_a_day: u32) -> Self {
        Self::of(Plant::new(database).await, product, unproved_a_day).await
    }

    async fn of(plant: Plant, product: &str, unproved_a_day: u32) -> Self {
        let (desk, product) = (plant.authority.desk(), product.parse().unwrap());
        let person = person();
        let made = desk.make_common_certificate(&product, unproved_a_day, passphrase(), &person).await;
        let batch = made.unwrap().batch;
        let exported = desk.export_common_certificate(&batch, passphrase(), &person).await.unwrap();
        let key = Zeroizing::new(exported.key.expose().to_vec());
        let common = Credential::new(vec![exported.certificate], key);
        Self { url: serving(&plant).await, plant, batch, common }
    }

    /// Devices of 3012 that were made with plain packs; their numbers and packs.
    async fn made(&self, serials: std::ops::Range<u32>) -> Vec<(DeviceNumber, CertificatePack, Vec<u8>)> {
        self.made_of("3012", serials).await
    }

    async fn made_of(
        &self,
        product: &str,
        serials: std::ops::Range<u32>,
    ) -> Vec<(DeviceNumber, CertificatePack, Vec<u8>)> {
        let packs = self.plant.issue(&numbers(product, serials)).await.unwrap().packs;
        let mut records = Vec::new();
        for (n, numbered) in (0u64..).zip(&packs) {
            let chip = if n == 0 { CHIP.to_owned() } else { format!("{n:016x}") };
            records.push(record(2 * n + 1, &numbered.device_number, Event::Stocked));
            records.push(record(2 * n + 2, &numbered.device_number, verified(numbered, &chip)));
        }
        assert!(outcomes(&self.plant.report(records).await).iter().all(Result::is_ok));
        packs
            .into_iter()
            .map(|numbered| {
                let key = secret_key(&numbered).to_vec();
                (numbered.device_number.clone(), numbered.pack, key)
            })
            .collect()
    }

    async fn channel(&self) -> Channel {
        let address = self.url.trim_start_matches("https://").parse().unwrap();
        let trust = HostTrust::Root(self.plant.authority.trust().root_fingerprint());
        let clock = Arc::clone(&self.plant.clock) as _;
        Channel::connect_as(address, trust, head_office(), &self.common, clock).await.unwrap()
    }

    /// Asks over a connection of its own, with what `proof` makes of its binding.
    async fn ask(
        &self,
        board: &Board,
        proof: impl FnOnce(&[u8; 32]) -> Option<RecoveryProof>,
    ) -> Result<RecoveryAnswer, Problem> {
        let mut channel = self.channel().await;
        let proof = proof(&channel.binding().0);
        ask_over(&mut channel, board, proof).await
    }

    /// What the board is given, which must be a certificate for its key.
    async fn given(
        &self,
        board: &Board,
        proof: impl FnOnce(&[u8; 32]) -> Option<RecoveryProof>,
    ) -> CertificatePack {
        match self.ask(board, proof).await {
            Ok(RecoveryAnswer::Issued { pack, .. }) => {
                let pack = pack.certificate.expect("a certificate is given");
                assert!(board.key.is_certified_by(&pack.client_certificate));
                pack
            }
            Ok(_) => panic!("it waits"),
            Err(problem) => panic!("{problem:?}"),
        }
    }

    async fn pending(&self, board: &Board) -> u64 {
        match self.ask(board, |_| None).await {
            Ok(RecoveryAnswer::Pending { recovery }) => recovery,
            Ok(RecoveryAnswer::Issued { .. }) => panic!("nothing speaks for it"),
            Err(problem) => panic!("{problem:?}"),
        }
    }

    fn client(&self, credential: &Credential) -> Client {
        let trust = HostTrust::Plant(self.plant.authority.trust().clone());
        let clock = Arc::clone(&self.plant.clock) as _;
        Client::new(trust, Some(credential), head_office(), &self.url, clock).unwrap()
    }

    async fn stands(&self, credential: &Credential) -> bool {
        self.client(credential).get_json::<DeviceStanding>("/v1/identity").await.is_ok()
    }

    async fn confirm(&self, credential: &Credential) -> DeviceStanding {
        self.client(credential).post_json("/v1/identity/confirmation", &()).await.unwrap()
    }

    /// How many certificates numbers have got after their first.
    async fn certificates(&self) -> usize {
        self.plant.authority.desk().successors(None, 1_000).await.unwrap().len()
    }

    /// How often the common certificate was used today without a proof, and with a false one.
    async fn used_today(&self) -> (u64, u64) {
        let desk = self.plant.authority.desk();
        let batches = desk.common_certificates().await.unwrap();
        let used = desk.used_today(&batches).await.unwrap()[0];
        (used.unproved, used.false_proofs)
    }

    async fn log(&self) -> String {
        let mut log = Vec::new();
        audit::export(&mut self.plant.store.read().await.unwrap(), &mut log).await.unwrap();
        String::from_utf8(log).unwrap()
    }
}

async fn ask_over(
    channel: &mut Channel,
    board: &Board,
    proof: Option<RecoveryProof>,
) -> Result<RecoveryAnswer, Problem> {
    let request = RecoveryRequest {
        device_number: board.number.clone(),
        hardware_uid: board.chip.parse().unwrap(),
        signing_request: board.key.request.clone(),
        proof,
    };
    match channel.post_json("/v1/recoveries", &request).await {
        Err(CallError::Refused(problem)) => Err(problem),
        answer => Ok(answer.unwrap()),
    }
}

fn credential(pack: &CertificatePack, key: &[u8]) -> Credential {
    let chain = vec![pack.client_certificate.0.clone(), pack.issuing_certificate.0.clone()];
    Credential::new(chain, Zeroizing::new(key.to_vec()))
}

fn signed(key: &[u8], message: &[u8]) -> Option<RecoveryProof> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).unwrap();
    let signature = key.sign(&SystemRandom::new(), message).unwrap();
    Some(RecoveryProof::FormerKey { signature: Bytes(signature.as_ref().to_vec()) })
}

fn refused_with(answer: Result<RecoveryAnswer, Problem>) -> ProblemCode {
    answer.err().expect("it is refused").code
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_with_the_common_key_gets_no_certificate_and_the_cap_raises_the_alarm() {
    on_both(async |database| {
        let field = Field::new(database, "3012", 12).await;
        let devices = field.made(123_000..123_010).await;
        let victims = || devices.iter().map(|(number, ..)| number);

        // Proofs of other keys, of the right key for another chip, and a proof that was made elsewhere.
        let (number, _, key) = &devices[0];
        let board = Board::new(number, CHIP);
        let stolen = field.ask(&board, |binding| signed(&devices[1].2, &board.message(binding))).await;
        assert_eq!(refused_with(stolen), ProblemCode::ProofFailed);
        let other_chip = Board::new(number, OTHER_CHIP);
        let moved = field.ask(&other_chip, |binding| signed(key, &other_chip.message(binding))).await;
        assert_eq!(refused_with(moved), ProblemCode::ProofFailed);
        let (mut one, mut other) = (field.channel().await, field.channel().await);
        let proof = signed(key, &board.message(&one.binding().0));
        let relayed = ask_over(&mut other, &board, proof).await;
        assert_eq!(refused_with(relayed), ProblemCode::ProofFailed);
        let unknown = Board::new(&"3012-999999".parse().unwrap(), CHIP);
        let never_made = field.ask(&unknown, |binding| signed(key, &unknown.message(binding))).await;
        assert_eq!(refused_with(never_made), ProblemCode::ProofFailed, "the same words as for the others");
        let hmac = RecoveryProof::PassPhrase {
            apparatus_id: identity::ApparatusId::new([7; 16]),
            hmac: Bytes(vec![0; 32]),
        };
        assert_eq!(refused_with(ask_over(&mut one, &board, Some(hmac)).await), ProblemCode::ProofFailed);

        // Requests without any wait, until there are too many.
        let foreign = Board::new(&"A123-123000".parse().unwrap(), CHIP);
        assert_eq!(refused_with(field.ask(&foreign, |_| None).await), ProblemCode::WrongProduct);
        let mut waiting = Vec::new();
        for number in victims() {
            waiting.push(Board::new(number, OTHER_CHIP));
            field.pending(waiting.last().unwrap()).await;
        }
        for _ in 0..2 {
            field.pending(&Board::new(number, CHIP)).await;
        }
        assert!(!field.log().await.contains("common-certificate.alarm"));
        for _ in 0..2 {
            let one_more = field.ask(&Board::new(number, CHIP), |_| None).await;
            assert_eq!(refused_with(one_more), ProblemCode::OverQuota);
        }
        assert_eq!(field.log().await.matches("common-certificate.alarm").count(), 1);
        assert_eq!(field.used_today().await, (14, 5));
        for board in &waiting {
            field.pending(board).await;
        }
        // A device that can prove itself is not shut out by that.
        field.given(&board, |binding| signed(key, &board.message(binding))).await;
        field.plant.clock.advance(DAY);
        field.pending(&Board::new(number, CHIP)).await;

        // Nothing else is open to it, and all that it got is the one that the device had proved.
        let attacker = field.client(&field.common);
        for path in ["/v1/identity", "/v1/allotment", "/v1/device-registrations?after=0", "/openapi.json"] {
            let answer = attacker.get_json::<serde_json::Value>(path).await;
            let Err(CallError::Refused(problem)) = answer else { panic!("{path}: {answer:?}") };
            assert_eq!(problem.code, ProblemCode::NotAllowed, "{path}");
        }
        assert_eq!(field.certificates().await, 1);
        field.plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_false_proofs_are_an_alarm_and_shut_nobody_out() {
    on_both(async |database| {
        let field = Field::new(database, "3012", 3).await;
        let devices = field.made(123_000..123_002).await;
        let (number, _, key) = &devices[0];
        let board = Board::new(number, CHIP);
        for _ in 0..6 {
            let false_proof =
                field.ask(&board, |binding| signed(&devices[1].2, &board.message(binding))).await;
            assert_eq!(refused_with(false_proof), ProblemCode::ProofFailed);
        }
        let log = field.log().await;
        assert_eq!(log.matches("common-certificate.alarm").count(), 1, "{log}");
        assert!(log.contains("false proofs"), "{log}");
        assert_eq!(field.used_today().await, (0, 4), "after the alarm they are not written down any more");
        field.given(&board, |binding| signed(key, &board.message(binding))).await;
        field.plant.clock.advance(DAY);
        assert_eq!(field.used_today().await, (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_is_asked_for_a_few_times_a_day_only() {
    let field = Field::new(TestDatabase::sqlite(), "3012", 100).await;
    let number = field.made(123_000..123_001).await[0].0.clone();
    for _ in 0..5 {
        field.pending(&Board::new(&number, CHIP)).await;
    }
    let one_more = field.ask(&Board::new(&number, CHIP), |_| None).await;
    assert_eq!(refused_with(one_more), ProblemCode::OverQuota);
    assert!(!field.log().await.contains("common-certificate.alarm"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_certificate_has_expired_proves_its_former_key() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let product = Product {
            code: "P100".parse().unwrap(),
            profile: CredentialProfile::PLAIN_CERTIFICATE,
            organization: None,
            validity_days: Some(30),
            check_digit: CheckDigit::None,
        };
        plant.authority.desk().set_product(product, &person()).await.unwrap();
        plant.allot("P100", Some(5), Some(("123000", "123999"))).await.unwrap();
        let field = Field::of(plant, "P100", 0).await;
        let (number, pack, key) = field.made_of("P100", 123_000..123_001).await.remove(0);
        let former = credential(&pack, &key);
        assert!(field.stands(&former).await);
        field.plant.clock.advance(31 * DAY);
        assert!(!field.stands(&former).await, "it has expired");

        let board = Board::new(&number, CHIP);
        let given = field.given(&board, |binding| signed(&key, &board.message(binding))).await;
        let again = field.given(&board, |_| None).await;
        assert!(given == again, "the same request gets the same certificate");
        let new = board.key.credential(&given);
        assert_eq!(field.confirm(&new).await.state.as_str(), "verified");
        assert!(field.stands(&new).await);
        let late = Board::new(&number, CHIP);
        let void = field.ask(&late, |binding| signed(&key, &late.message(binding))).await;
        assert_eq!(refused_with(void), ProblemCode::ProofFailed, "the former key is succeeded");
        let chronicle = field.plant.authority.desk().chronicle(&number).await.unwrap();
        assert_eq!(chronicle.first.state.as_str(), "voided");
        assert_eq!(chronicle.recoveries[0].ground, Some(RecoveryGround::FormerKey));
        assert_eq!(chronicle.successors[0].cause.as_str(), "recovery");
        field.plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_has_lost_its_certificate_proves_its_pass_phrase() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B500", sealed_certificate(Some(SymmetricForm::Opened))).await;
        let request =
            ApparatusPackRequest { order: OrderId::new([1; 16]), product: "B500".parse().unwrap(), count: 2 };
        let apparatuses = plant.order(request).await.unwrap().packs;
        let packs = plant.issue(&numbers("B500", 123_000..123_001)).await.unwrap().packs;
        let number = packs[0].device_number.clone();
        let of = |apparatus: usize| opened(&apparatuses[apparatus], "B500", &key);
        let pack = CredentialPack {
            certificate: Some(packs[0].pack.clone()),
            apparatus: Some(apparatuses[0].clone()),
        };
        let proof = proof_of(&number, &pack, &key, CHIP);
        let records = vec![
            record(1, &number, Event::Stocked),
            record(2, &apparatuses[0].apparatus_id, Event::Stocked),
            record(3, &number, Event::Verified { station: "line-1".parse().unwrap(), proof }),
            record(
                4,
                &apparatuses[0].apparatus_id,
                bound(&apparatuses[0], &of(0), &number.to_string(), CHIP),
            ),
        ];
        assert!(outcomes(&plant.report(records).await).iter().all(Result::is_ok));
        let field = Field::of(plant, "B500", 0).await;

        let board = Board::new(&number, CHIP);
        let hmac = |board: &Board, credential: &SymmetricCredential, binding: &[u8; 32]| {
            let confirmation = recovery_confirmation(
                &credential.pass_phrase,
                credential.apparatus_id,
                &board.number,
                &board.chip.parse().unwrap(),
                &board.key.public_key_sha256(),
                &ChannelBinding::new(*binding),
            );
            let hmac = Bytes(confirmation.as_bytes().to_vec());
            Some(RecoveryProof::PassPhrase { apparatus_id: credential.apparatus_id, hmac })
        };
        let of_another = field.ask(&board, |binding| hmac(&board, &of(1), binding)).await;
        assert_eq!(refused_with(of_another), ProblemCode::ProofFailed);
        let elsewhere = field.ask(&board, |_| hmac(&board, &of(0), &[9; 32])).await;
        assert_eq!(refused_with(elsewhere), ProblemCode::ProofFailed);
        let copied = Board::new(&number, OTHER_CHIP);
        let copied = field.ask(&copied, |binding| hmac(&copied, &of(0), binding)).await;
        assert_eq!(refused_with(copied), ProblemCode::ProofFailed);
        let given = field.given(&board, |binding| hmac(&board, &of(0), binding)).await;
        assert!(field.stands(&board.key.credential(&given)).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_speaks_for_waits_for_a_person() {
    on_both(async |database| {
        let field = Field::new(database, "3012", 10).await;
        let desk = field.plant.authority.desk();
        let number = field.made(123_000..123_001).await[0].0.clone();
        let (blank, strange) = (Board::new(&number, CHIP), Board::new(&number, OTHER_CHIP));
        let (first, second) = (field.pending(&blank).await, field.pending(&strange).await);
        assert_eq!(field.pending(&blank).await, first, "asking again is the same request");
        let listed = desk.recoveries(Some(RecoveryState::Pending), 10).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|listed| listed.recovery.recovery).collect();
        assert_eq!(listed, [second, first]);

        let other_board = desk.approve_recovery(second, &person()).await.unwrap_err();
        assert_eq!(code(&other_board), ProblemCode::SecondDevice);
        let refused = desk.refuse_recovery(second, "nobody knows it", &person()).await.unwrap();
        assert_eq!(refused.state, RecoveryState::Refused);
        assert_eq!(refused_with(field.ask(&strange, |_| None).await), ProblemCode::NotAllowed);
        desk.approve_recovery(first, &person()).await.unwrap();
        assert_eq!(code(&desk.approve_recovery(first, &person()).await.unwrap_err()), ProblemCode::Conflict);
        let given = field.given(&blank, |_| None).await;
        assert!(field.given(&blank, |_| None).await == given);
        field.confirm(&blank.key.credential(&given)).await;

        let never_made = Board::new(&"3012-123500".parse().unwrap(), CHIP);
        let never_made = field.pending(&never_made).await;
        let approved = desk.approve_recovery(never_made, &person()).await.unwrap_err();
        assert_eq!(code(&approved), ProblemCode::NotFound);
        assert_eq!(code(&desk.approve_recovery(99, &person()).await.unwrap_err()), ProblemCode::NotFound);

        // Another device's key is no way to its certificate.
        let thief = Board { number: "3012-123001".parse().unwrap(), chip: OTHER_CHIP, ..blank };
        assert_eq!(refused_with(field.ask(&thief, |_| None).await), ProblemCode::Conflict);
        field.plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_batch_is_answered_no_more_also_on_an_open_connection() {
    on_both(async |database| {
        let field = Field::new(database, "3012", 10).await;
        let desk = field.plant.authority.desk();
        let number = field.made(123_000..123_001).await[0].0.clone();
        let board = Board::new(&number, CHIP);
        let mut open = field.channel().await;
        let Ok(RecoveryAnswer::Pending { recovery }) = ask_over(&mut open, &board, None).await else {
            panic!("it waits")
        };
        desk.approve_recovery(recovery, &person()).await.unwrap();
        desk.stop_common_certificate(&field.batch, "it has leaked", &person()).await.unwrap();
        assert_eq!(refused_with(ask_over(&mut open, &board, None).await), ProblemCode::NotAllowed);
        assert_eq!(refused_with(field.ask(&board, |_| None).await), ProblemCode::NotAllowed);
        assert_eq!(field.certificates().await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_board_takes_the_number_once_the_old_identity_is_void() {
    on_both(async |database| {
        let field = Field::new(database, "3012", 10).await;
        let desk = field.plant.authority.desk();
        let (number, pack, key) = field.made(123_000..123_001).await.remove(0);
        let old = credential(&pack, &key);
        let (new, late) = (Board::new(&number, OTHER_CHIP), Board::new(&number, "0102030405060708"));
        field.pending(&new).await;
        assert!(field.stands(&old).await);

        let same = desk.swap_board(&number, Some(CHIP.parse().unwrap()), "broken", &person()).await;
        assert_eq!(code(&same.unwrap_err()), ProblemCode::SecondDevice);
        let expected = Some(OTHER_CHIP.parse().unwrap());
        desk.swap_board(&number, expected, "broken", &person()).await.unwrap();
        assert!(!field.stands(&old).await, "void before any board has asked");
        let former = Board::new(&number, CHIP);
        field.pending(&former).await;
        let void = field.ask(&former, |binding| signed(&key, &former.message(binding))).await;
        assert_eq!(refused_with(void), ProblemCode::ProofFailed);
        field.pending(&late).await;

        let given = field.given(&new, |_| None).await;
        assert!(field.given(&new, |_| None).await == given);
        field.pending(&late).await;
        field.pending(&Board::new(&number, OTHER_CHIP)).await;
        let new = new.key.credential(&given);
        assert_eq!(field.confirm(&new).await.state.as_str(), "verified");
        assert!(field.stands(&new).await && !field.stands(&old).await);

        let chronicle = desk.chronicle(&number).await.unwrap();
        assert_eq!(chronicle.device.unwrap().hardware_uid.to_string(), OTHER_CHIP);
        assert_eq!(chronicle.board_swaps.len(), 1);
        assert_eq!(chronicle.board_swaps[0].former_hardware_uid, Some(CHIP.parse().unwrap()));
        assert_eq!(chronicle.board_swaps[0].recovery, Some(chronicle.recoveries[0].recovery));
        assert_eq!(chronicle.successors[0].cause.as_str(), "board-swap");
        // Centers hear that the old key is void before they hear of the new one.
        let told = desk.device_registrations(0).await.unwrap().records;
        let told: Vec<_> = told.iter().map(|told| (told.state.as_str(), told.new_board)).collect();
        assert_eq!(
            told,
            [("verified", false), ("voided", false), ("leased", true), ("verified", true)],
            "and of the new one that it is another board's"
        );
        field.plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_swap_that_nobody_used_ends_after_a_week() {
    let field = Field::new(TestDatabase::sqlite(), "3012", 10).await;
    let desk = field.plant.authority.desk();
    let number = field.made(123_000..123_001).await[0].0.clone();
    desk.swap_board(&number, None, "broken", &person()).await.unwrap();
    field.plant.clock.advance(7 * DAY);
    let board = Board::new(&number, OTHER_CHIP);
    field.pending(&board).await;
    desk.swap_board(&number, None, "broken, again", &person()).await.unwrap();
    field.given(&board, |_| None).await;
    assert_eq!(desk.chronicle(&number).await.unwrap().board_swaps.len(), 1);
}
