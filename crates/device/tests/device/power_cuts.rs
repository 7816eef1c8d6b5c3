//! A power cut at each moment of what a station asks: a device is as before or as after, never half.
//!
//! Of the acts in which much is written, only the single cuts are tried each time, and the double ones
//! in the long checks (`TOUCHMARK_SWEEP=long`): of the store alone they are always tried.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use device::sim::{Cuts, sweep};
use device::{Board, HeldBuffer, WriteModule, nvram};
use identity::DeviceNumber;
use identity::line::{CertificatePart, Pack, Refusal, Transmission};
use identity::profile::SymmetricForm;

use crate::own_key::{certified, certify, owed};
use crate::sealed::{Sealed, pre_write_key};
use crate::{CERTIFICATES, Device, TestBoard, board, pack};

/// What a device is: all that it holds, whether it is confirmed, and that nothing else of its memories
/// has changed.
#[derive(PartialEq, Default)]
struct State {
    number: Option<DeviceNumber>,
    certificate: Vec<u8>,
    secret_key: Vec<u8>,
    digest: [u8; 32],
    pass_phrase: Option<[u8; 32]>,
    confirmed: Option<DeviceNumber>,
    rest: Vec<u8>,
}

impl Debug for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let has = (!self.certificate.is_empty(), !self.secret_key.is_empty(), self.pass_phrase.is_some());
        write!(f, "{:?} with {has:?}, confirmed {:?}", self.number, self.confirmed)
    }
}

fn state(board: &mut TestBoard) -> State {
    let area = board.flash_areas().certificate;
    let rest = board.flash_image()[area.end as usize..].to_vec();
    let mut buffer = nvram::NvramBuffer::new();
    let nvram = nvram::read(board, &mut buffer).unwrap();
    assert!(nvram.counter_information == COUNTERS);
    let confirmed = nvram.device_number;
    let mut module = WriteModule::new(board.clone());
    let mut buffer = HeldBuffer::new();
    let Some(held) = module.held(&mut buffer).unwrap() else {
        return State { confirmed, rest, ..State::default() };
    };
    State {
        number: Some(held.device_number.clone()),
        certificate: held.client_certificate.to_vec(),
        secret_key: held.secret_key.to_vec(),
        digest: held.digest(),
        pass_phrase: module.with_pass_phrase(|_, pass_phrase| *pass_phrase.expose()).ok(),
        confirmed,
        rest,
    }
}

const NUMBER: &str = "3012-123456";
const COUNTERS: &[u8] = &[7; 40];

/// A blank board whose other memory is in use.
fn blank() -> TestBoard {
    let mut board = board().with_pre_write_key(Arc::new(pre_write_key("3012-1")));
    let counters = nvram::Nvram { counter_information: COUNTERS, ..Default::default() };
    nvram::write(&mut board, &counters).unwrap();
    board
}

/// Starts the board's write module, as after power-on, and says whether `act` succeeded.
fn with_module(board: &mut TestBoard, act: impl FnOnce(&mut Device) -> Result<(), Refusal>) -> bool {
    let mut module = WriteModule::new(board.clone());
    let outcome = act(&mut module);
    *board = module.board().clone();
    outcome.is_ok()
}

fn receive<'a>(pack: &'a Pack<'a>) -> impl Fn(&mut TestBoard) -> bool + 'a {
    move |board| {
        with_module(board, |module| {
            let session = module.identify()?.session;
            module.receive(&Transmission { session, pack: pack.clone() })
        })
    }
}

fn confirm(board: &mut TestBoard) -> bool {
    with_module(board, |module| {
        let session = module.identify()?.session;
        module.confirm(session)
    })
}

/// Asks for a key; the request as it came, so that whoever repeats it can compare.
fn request_key(board: &mut TestBoard) -> Option<identity::line::SigningRequest> {
    let mut request = None;
    with_module(board, |module| {
        let session = module.identify()?.session;
        request = Some(module.request_certificate(session, &NUMBER.parse().unwrap())?);
        Ok(())
    });
    request
}

pub fn double_where_long() -> Cuts {
    let is_long = std::env::var_os("TOUCHMARK_SWEEP").is_some_and(|sweep| sweep == "long");
    if is_long { Cuts::Double } else { Cuts::Single }
}

/// The board after each of these acts.
fn after(mut board: TestBoard, acts: &[&dyn Fn(&mut TestBoard) -> bool]) -> TestBoard {
    acts.iter().for_each(|act| assert!(act(&mut board)));
    board
}

#[test]
fn a_pack_of_real_size_is_taken_or_not() {
    let certificates = [[0x11; 610], [0x22; 610], [0x33; 610], [0x44; 610]];
    let pack = |client| {
        let [root, issuing, ..] = &certificates;
        let certificate = Some(CertificatePart { root, issuing, client, ..CERTIFICATES });
        Pack { certificate, ..pack(NUMBER) }
    };
    let (first, second) = (pack(&certificates[2]), pack(&certificates[3]));
    for start in [blank(), after(blank(), &[&receive(&first)])] {
        let runs = sweep(&start, Cuts::Single, receive(&second), state).unwrap();
        assert!(runs > 4 * 500, "only {runs} runs");
    }
}

#[test]
fn both_credentials_are_taken_or_neither() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let other = pack("3012-123457");
    for form in [SymmetricForm::Opened, SymmetricForm::Sealed] {
        let both = sealed.pack(form);
        for start in [blank(), after(blank(), &[&receive(&other)])] {
            let runs = sweep(&start, double_where_long(), receive(&both), state).unwrap();
            assert!(runs > 4 * 90, "only {runs} runs");
        }
    }
}

#[test]
fn the_sweep_finds_a_device_that_takes_one_credential_after_the_other() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let both = sealed.pack(SymmetricForm::Opened);
    let first = Pack { symmetric: None, ..both.clone() };
    let one_by_one = |board: &mut TestBoard| receive(&first)(board) && receive(&both)(board);
    assert!(sweep(&blank(), Cuts::Single, one_by_one, state).is_err());
}

#[test]
fn a_key_is_made_once() {
    let request = |board: &mut TestBoard| {
        let kept = kept_key(board);
        let made = request_key(board).is_some();
        // A key that survived the cut is the one that is asked for again.
        made && (kept.is_none() || kept == kept_key(board))
    };
    let runs = sweep(&blank(), double_where_long(), request, |board| kept_key(board).is_some()).unwrap();
    assert!(runs > 4 * 50, "only {runs} runs");
}

/// The record of the NVRAM where it has a key.
fn kept_key(board: &mut TestBoard) -> Option<Vec<u8>> {
    let mut buffer = nvram::NvramBuffer::new();
    let nvram = nvram::read(board, &mut buffer).unwrap();
    assert!(nvram.counter_information == COUNTERS);
    nvram.own_key.is_some().then(|| {
        let mut bytes = vec![0; nvram::NVRAM_BYTES_MAX];
        minicbor::encode(&nvram, &mut bytes[..]).unwrap();
        bytes
    })
}

#[test]
fn a_certificate_for_the_devices_own_key_is_taken_or_not() {
    let mut start = blank();
    let certificate = certify(&request_key(&mut start).unwrap());
    for pack in [certified(NUMBER, &certificate), owed(NUMBER)] {
        sweep(&start, double_where_long(), receive(&pack), state).unwrap();
    }
}

#[test]
fn a_certificate_that_was_owed_is_installed_or_not() {
    let mut start = blank();
    let certificate = certify(&request_key(&mut start).unwrap());
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let without = Pack { certificate: None, ..sealed.pack(SymmetricForm::Sealed) };
    let start = after(start, &[&receive(&without), &confirm]);
    let install = |board: &mut TestBoard| {
        with_module(board, |module| module.install_certificate(b"root", b"issuing", &certificate))
    };
    sweep(&start, double_where_long(), install, state).unwrap();
    sweep(&start, Cuts::Single, receive(&certified(NUMBER, &certificate)), state).unwrap();
}

#[test]
fn a_confirmed_device_remembers_nothing_of_what_was_before() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let before = sealed.pack(SymmetricForm::Opened);
    let mut start = after(blank(), &[&receive(&before)]);
    let certificate = certify(&request_key(&mut start).unwrap());
    let start = after(start, &[&receive(&certified(NUMBER, &certificate))]);
    let own = {
        let mut buffer = HeldBuffer::new();
        WriteModule::new(start.clone()).held(&mut buffer).unwrap().unwrap().secret_key[36..68].to_vec()
    };
    let stale: [&[u8]; 2] = [&crate::SECRET_KEY[36..68], &[0xf0; 32]];
    let is_clean = |board: &TestBoard| {
        let holds = |image: &[u8], secret: &[u8]| {
            image.windows(secret.len()).any(|window| window[0] == secret[0] && window == secret)
        };
        !stale.iter().any(|secret| holds(board.flash_image(), secret)) && !holds(board.nvram_image(), &own)
    };
    assert!(!is_clean(&start));
    let confirm_cleanly = |board: &mut TestBoard| confirm(board) && is_clean(board);
    let runs = sweep(&start, Cuts::Double, confirm_cleanly, state).unwrap();
    assert!(runs > 4 * 100, "only {runs} runs");

    // Where the station is content and never asks again, the next session finishes the work.
    let identify = |board: &mut TestBoard| with_module(board, |module| module.identify().map(drop));
    let mut cut = start.clone();
    for at in 0.. {
        cut = start.clone();
        cut.supply().cut_after(at, device::sim::Tear::Clean);
        let was_confirmed = confirm(&mut cut);
        cut.supply().restore();
        if state(&mut cut).confirmed.is_some() {
            assert!(identify(&mut cut) && is_clean(&cut), "after {at} changes");
        }
        if was_confirmed {
            break;
        }
    }
    assert!(is_clean(&cut));
}
