//! A renewal with its power cut at every moment, beside a model of the authority: the device always
//! authenticates.
//!
//! The model accepts exactly the old identity until the new one has authenticated, and exactly the new one
//! after. Double cuts of a whole renewal are tried in the long checks (`TOUCHMARK_SWEEP=long`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use der::Decode;
use der::referenced::OwnedToRef;
use device::calling::{Calling, Event, Outcome, Task, Work};
use device::sim::{Cuts, Powered, Supply, sweep};
use device::{HeldBuffer, Renewal, WriteModule, nvram};
use identity::line::{CertificatePart, Pack, Refusal, SigningRequest};
use identity::profile::SymmetricForm;
use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePrivateKey;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::own_key::{certified, certify, certify_as, certify_key, requested};
use crate::power_cuts::double_where_long;
use crate::sealed::{Sealed, pre_write_key};
use crate::{CERTIFICATES, Device, SECRET_KEY, TestBoard, board, identify, make, pack};

const NUMBER: &str = "3012-123456";
const CHALLENGE: &[u8] = b"whoever calls signs this";

/// A device in the field, and the authority.
#[derive(Clone)]
pub struct World {
    pub board: TestBoard,
    pub authority: Authority,
}

impl Powered for World {
    fn supply(&mut self) -> &mut Supply {
        self.board.supply()
    }
}

/// What the authority knows of one device. It never loses anything.
#[derive(Clone, Default)]
pub struct Authority {
    /// The certificate of the only identity that counts.
    pub accepted: Vec<u8>,
    /// What the device has asked for, and the certificate that it was given.
    pub successor: Option<(SigningRequest, Vec<u8>)>,
    /// How many certificates were given.
    pub issued: u32,
    /// How many answers there were, and which of them gets lost.
    answers: u32,
    pub lost: Option<u32>,
    /// Whether it refuses the new identity.
    refuses_successors: bool,
}

/// Whoever calls: a certificate and what was signed with its key.
pub struct Caller {
    certificate: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(PartialEq, Debug)]
pub enum NoAnswer {
    Lost,
    Refused,
}

impl Authority {
    pub fn accepts(&self, caller: &Caller) -> bool {
        caller.certificate == self.accepted && verify(&caller.certificate, CHALLENGE, &caller.signature)
    }

    /// Gives the certificate for this request, the same each time that it is asked.
    fn reenroll(&mut self, caller: &Caller, request: &SigningRequest) -> Result<Vec<u8>, NoAnswer> {
        if !self.accepts(caller) {
            return Err(NoAnswer::Refused);
        }
        let certificate = match &self.successor {
            Some((asked, certificate)) if asked == request => certificate.clone(),
            _ => {
                self.issued += 1;
                certified_as(request, 100 + self.issued)
            }
        };
        self.successor = Some((request.clone(), certificate.clone()));
        self.answer(certificate)
    }

    /// Lets the new identity take the place of the old one.
    pub fn confirm(&mut self, caller: &Caller) -> Result<(), NoAnswer> {
        if let Some((_, certificate)) = &self.successor
            && caller.certificate == *certificate
            && !self.refuses_successors
        {
            self.accepted = certificate.clone();
        }
        if self.accepts(caller) { self.answer(()) } else { Err(NoAnswer::Refused) }
    }

    pub fn answer<T>(&mut self, answer: T) -> Result<T, NoAnswer> {
        self.answers += 1;
        if self.lost == Some(self.answers) { Err(NoAnswer::Lost) } else { Ok(answer) }
    }
}

/// The identity that the device uses.
pub fn current(device: &mut Device) -> Result<Caller, Refusal> {
    let mut buffer = HeldBuffer::new();
    let certificate = device.held(&mut buffer)?.ok_or(Refusal::NothingStored)?.client_certificate.to_vec();
    Ok(Caller { certificate, signature: device.sign(CHALLENGE)?.to_vec() })
}

/// The identity with which it has a renewal confirmed.
pub fn candidate(device: &mut Device) -> Result<Caller, Refusal> {
    let mut buffer = HeldBuffer::new();
    let held = device.candidate(&mut buffer)?.ok_or(Refusal::NothingStored)?;
    let certificate = held.client_certificate.to_vec();
    Ok(Caller { certificate, signature: device.sign_as_candidate(CHALLENGE)?.to_vec() })
}

/// One step of a renewal, as firmware takes it. Says whether the renewal is over.
fn step(device: &mut Device, authority: &mut Authority) -> Result<bool, Refusal> {
    match device.renewal()? {
        Renewal::Idle => return Ok(true),
        Renewal::Request => {
            let (request, caller) = (device.begin_renewal()?, current(device)?);
            if let Ok(certificate) = authority.reenroll(&caller, &request) {
                device.receive_candidate(b"root", b"issuing", &certificate)?;
            }
        }
        Renewal::Confirmation => {
            let candidate = candidate(device)?;
            match authority.confirm(&candidate) {
                Ok(()) => device.accept_candidate()?,
                Err(NoAnswer::Refused) if authority.accepts(&current(device)?) => device.abandon_renewal()?,
                Err(_) => {}
            }
        }
    }
    Ok(false)
}

/// Renews once: begins where nothing was begun, goes on where the power failed. Says whether it succeeded.
fn renew(world: &mut World) -> bool {
    run(world, |device, authority| {
        let is_first = authority.successor.is_none();
        if is_first && device.renewal()? == Renewal::Idle {
            device.begin_renewal()?;
        }
        while !step(device, authority)? {}
        Ok(())
    })
}

pub fn run(world: &mut World, act: impl FnOnce(&mut Device, &mut Authority) -> Result<(), Refusal>) -> bool {
    let mut device = WriteModule::new(world.board.clone());
    let is_done = device.identify().is_ok() && act(&mut device, &mut world.authority).is_ok();
    world.board = device.board().clone();
    is_done
}

/// Which identity the device authenticates with, trying both that it may have.
#[derive(PartialEq, Debug)]
enum Authenticates {
    AsBefore,
    AsRenewed,
    Never,
}

fn authenticates(world: &mut World) -> Authenticates {
    let mut device = WriteModule::new(world.board.clone());
    let is_accepted =
        |caller: Result<Caller, Refusal>| caller.is_ok_and(|caller| world.authority.accepts(&caller));
    if !is_accepted(candidate(&mut device)) && !is_accepted(current(&mut device)) {
        return Authenticates::Never;
    }
    let is_renewed =
        world.authority.successor.as_ref().is_some_and(|(_, new)| *new == world.authority.accepted);
    if is_renewed { Authenticates::AsRenewed } else { Authenticates::AsBefore }
}

/// A device whose key came in its pack, and one that made its own and has a symmetric credential, too.
pub fn worlds() -> [World; 2] {
    let key = p256::SecretKey::from_pkcs8_der(SECRET_KEY).unwrap().public_key();
    let subject = format!("SERIALNUMBER={NUMBER}").parse().unwrap();
    let client = certify_key(subject, SubjectPublicKeyInfoOwned::from_key(&key).unwrap(), 1);
    let mut plain = crate::device();
    let certificate = Some(CertificatePart { client: &client, ..CERTIFICATES });
    make(&mut plain, Pack { certificate, ..pack(NUMBER) });

    let mut both = WriteModule::new(board().with_pre_write_key(Arc::new(pre_write_key("3012-1"))));
    let session = identify(&mut both).session;
    let certificate = certify(&requested(&mut both, session, NUMBER));
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let symmetric = sealed.pack(SymmetricForm::Opened).symmetric;
    make(&mut both, Pack { symmetric, ..certified(NUMBER, &certificate) });

    [plain, both].map(|mut device| {
        let accepted = current(&mut device).unwrap().certificate;
        World { board: device.board().clone(), authority: Authority { accepted, ..Authority::default() } }
    })
}

/// The secret scalar of the key that the device uses.
pub fn scalar(world: &World) -> Vec<u8> {
    let mut buffer = HeldBuffer::new();
    WriteModule::new(world.board.clone()).held(&mut buffer).unwrap().unwrap().secret_key[36..68].to_vec()
}

pub fn pass_phrase(world: &World) -> Option<[u8; 32]> {
    WriteModule::new(world.board.clone()).with_pass_phrase(|_, lent| *lent.expose()).ok()
}

pub fn occurrences(image: &[u8], secret: &[u8]) -> usize {
    image.windows(secret.len()).filter(|window| *window == secret).count()
}

#[test]
fn at_every_cut_of_a_renewal_the_device_authenticates() {
    let [mut plain, both] = worlds();
    // Which of the answers is lost makes no difference to what must hold.
    plain.authority.lost = Some(2);
    for start in [plain, both] {
        let old = scalar(&start);
        // The new one is wanted, once, and nothing else of secrets.
        let renew_cleanly = |world: &mut World| {
            renew(world) && {
                let (flash, nvram, new) =
                    (world.board.flash_image(), world.board.nvram_image(), scalar(world));
                assert_eq!(pass_phrase(world), pass_phrase(&start));
                occurrences(flash, &old) == 0
                    && occurrences(flash, &new) == 1
                    && occurrences(nvram, &new) == 0
            }
        };
        let mut undisturbed = start.clone();
        let before = undisturbed.board.supply().changes();
        assert!(renew_cleanly(&mut undisturbed));
        let changes = undisturbed.board.supply().changes() - before;
        let runs = sweep(&start, double_where_long(), renew_cleanly, authenticates).unwrap();
        assert!(changes > 200 && runs >= 4 * changes, "{runs} runs for {changes} changes of the memory");
    }
}

/// Does what the center has asked for, and writes down that it is done.
fn follow(world: &mut World) -> bool {
    let is_followed = run(world, |device, authority| {
        let task = |device: &mut Device| Calling::of(device.board()).unwrap().task().cloned();
        let Some(Task { request, work: Work::RenewCertificate }) = task(device) else { return Ok(()) };
        if device.renewal()? == Renewal::Idle {
            device.begin_renewal()?;
        }
        while !step(device, authority)? {}
        let mut calling = Calling::of(device.board()).unwrap();
        calling.finish(request, Outcome::Done);
        calling.keep(device.board()).map_err(|_| Refusal::StorageFailed)
    });
    is_followed && {
        let mut calling = Calling::of(&mut world.board).unwrap();
        calling.make(&NUMBER.parse().unwrap(), Event::Poll).unwrap();
        let told = String::from_utf8(calling.unanswered().unwrap().to_vec()).unwrap();
        let is_told_once = told.matches(r#"{"request":7,"outcome":{"outcome":"done"}}"#).count() == 1;
        world.authority.issued == 1 && calling.task().is_none() && is_told_once
    }
}

#[test]
fn at_every_cut_one_request_brings_one_new_certificate() {
    let [mut start, _] = worlds();
    let mut calling = Calling::of(&mut start.board).unwrap();
    let asked = r#"{"call":1,"requests":[{"request":7,"command":{"command":"renewCertificate"}}]}"#;
    calling.take(asked.as_bytes()).unwrap();
    calling.keep(&mut start.board).unwrap();
    let runs = sweep(&start, double_where_long(), follow, authenticates).unwrap();
    assert!(runs > 500, "{runs}");
}

#[test]
fn what_other_firmware_keeps_of_calls_stays_as_it_was() {
    let [mut world, _] = worlds();
    let mut buffer = nvram::NvramBuffer::new();
    let before = nvram::read(&mut world.board.clone(), &mut buffer).unwrap();
    nvram::write(&mut world.board, &nvram::Nvram { counter_information: b"page 1 200", ..before }).unwrap();
    assert!(renew(&mut world));
    let after = nvram::read(&mut world.board, &mut buffer).unwrap();
    assert_eq!((after.counter_information, after.own_key.is_none()), (&b"page 1 200"[..], true));
}

#[test]
fn whichever_answer_is_lost_the_device_asks_again_and_authenticates() {
    for lost in [1, 2] {
        let [_, mut start] = worlds();
        start.authority.lost = Some(lost);
        if double_where_long() == Cuts::Double {
            sweep(&start, Cuts::Single, renew, authenticates).unwrap();
        }
        assert!(renew(&mut start));
        assert_eq!(start.authority.issued, 1, "the same request gets the same certificate");
        assert_eq!(authenticates(&mut start), Authenticates::AsRenewed);
    }
}

#[test]
fn the_sweep_finds_a_device_that_wipes_its_old_identity_too_early() {
    let hasty = |world: &mut World| {
        run(world, |device, authority| {
            if authority.successor.is_none() && device.renewal()? == Renewal::Idle {
                device.begin_renewal()?;
            }
            loop {
                if device.renewal()? == Renewal::Confirmation {
                    let candidate = candidate(device)?;
                    device.accept_candidate()?;
                    authority.confirm(&candidate).map_err(|_| Refusal::NothingStored)?;
                } else if step(device, authority)? {
                    return Ok(());
                }
            }
        })
    };
    let [plain, _] = worlds();
    let found = sweep(&plain, Cuts::Single, hasty, authenticates).unwrap_err();
    assert!(found.contains("Never"), "{found}");
}

#[test]
fn a_device_whose_new_identity_is_refused_stays_who_it_was() {
    for mut start in worlds() {
        start.authority.refuses_successors = true;
        let old = current(&mut WriteModule::new(start.board.clone())).unwrap().certificate;
        let stay = |world: &mut World| {
            renew(world) && current(&mut WriteModule::new(world.board.clone())).unwrap().certificate == old
        };
        if double_where_long() == Cuts::Double {
            sweep(&start, Cuts::Single, stay, authenticates).unwrap();
        }

        // The next attempt is another one, with another key.
        assert!(stay(&mut start));
        start.authority = Authority { accepted: old.clone(), ..Authority::default() };
        assert!(renew(&mut start));
        assert_eq!(authenticates(&mut start), Authenticates::AsRenewed);
    }
}

#[test]
fn renewals_follow_one_another() {
    let [mut world, _] = worlds();
    for turn in 1..=5 {
        let before = std::mem::take(&mut world.authority.successor);
        assert!(renew(&mut world));
        assert_eq!(world.authority.issued, turn);
        assert!(world.authority.successor != before);
        assert_eq!(authenticates(&mut world), Authenticates::AsRenewed);
        assert!(identify(&mut WriteModule::new(world.board.clone())).confirmed);
    }
}

#[test]
fn the_request_is_the_same_after_a_restart_and_only_its_certificate_is_taken() {
    let [world, _] = worlds();
    let mut device = WriteModule::new(world.board.clone());
    let request = device.begin_renewal().unwrap();
    let mut device = crate::restarted(&mut device);
    assert_eq!(device.renewal(), Ok(Renewal::Request));
    assert_eq!(device.begin_renewal(), Ok(request.clone()));

    let foreign = world.authority.accepted;
    let changes = device.board().supply().changes();
    assert_eq!(device.receive_candidate(b"root", b"", &foreign), Err(Refusal::ForeignCertificate));
    let long = vec![0; identity::line::CERTIFICATE_BYTES_MAX + 1];
    assert_eq!(device.receive_candidate(b"root", b"", &long), Err(Refusal::TooLong));
    assert_eq!(device.board().supply().changes(), changes);

    let certificate = certify(&request);
    assert_eq!(device.receive_candidate(b"root", b"issuing", &certificate), Ok(()));
    let changes = device.board().supply().changes();
    assert_eq!(device.receive_candidate(b"root", b"issuing", &certificate), Ok(()), "once more");
    assert_eq!(device.board().supply().changes(), changes, "nothing was written again");
    let other = certify_as(&request, 8);
    assert_eq!(device.receive_candidate(b"root", b"issuing", &other), Err(Refusal::HoldsAnother));
    assert_eq!(device.begin_renewal(), Err(Refusal::HoldsAnother));
    assert_eq!(current(&mut device).unwrap().certificate, foreign, "it uses the old one meanwhile");
}

#[test]
fn a_candidate_survives_the_port_and_a_certificate_of_the_same_key() {
    let [_, world] = worlds();
    let mut device = WriteModule::new(world.board.clone());
    let request = device.begin_renewal().unwrap();
    let certificate = certify(&request);
    device.receive_candidate(b"root", b"issuing", &certificate).unwrap();
    let session = identify(&mut device).session;
    crate::confirm(&mut device, session);
    assert_eq!(device.install_certificate(b"root", b"issuing", &certificate), Err(Refusal::HoldsAnother));
    assert_eq!(device.renewal(), Ok(Renewal::Confirmation));
    assert_eq!(candidate(&mut device).unwrap().certificate, certificate);
}

#[test]
fn what_cannot_be_renewed_says_so() {
    let mut blank = crate::device();
    assert_eq!(blank.begin_renewal(), Err(Refusal::NothingStored));
    assert_eq!(blank.renewal(), Ok(Renewal::Idle));
    let mut unconfirmed = crate::device();
    let session = identify(&mut unconfirmed).session;
    crate::send(&mut unconfirmed, session, pack(NUMBER));
    assert_eq!(unconfirmed.begin_renewal(), Err(Refusal::NothingStored));
    let mut buffer = nvram::NvramBuffer::new();
    assert!(nvram::read(unconfirmed.board(), &mut buffer).unwrap().own_key.is_none());
}

/// Whether this signature was made with the key of this certificate. A sweep asks the same over and over.
fn verify(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    thread_local!(static VERIFIED: RefCell<HashMap<[Vec<u8>; 3], bool>> = RefCell::default());
    let question = [certificate, message, signature].map(<[u8]>::to_vec);
    VERIFIED.with_borrow_mut(|verified| {
        *verified.entry(question).or_insert_with(|| {
            let certificate = x509_cert::Certificate::from_der(certificate).unwrap();
            let key = certificate.tbs_certificate().subject_public_key_info().owned_to_ref();
            let key = p256::ecdsa::VerifyingKey::try_from(key).unwrap();
            let signature = p256::ecdsa::Signature::from_slice(signature);
            signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
        })
    })
}

/// The certificate for this request. A sweep asks for the same over and over.
pub fn certified_as(request: &SigningRequest, serial: u32) -> Vec<u8> {
    thread_local!(static CERTIFIED: RefCell<HashMap<Vec<u8>, Vec<u8>>> = RefCell::default());
    let question = [&request.0[..], &serial.to_be_bytes()].concat();
    CERTIFIED.with_borrow_mut(|certified| {
        certified.entry(question).or_insert_with(|| certify_as(request, serial)).clone()
    })
}
