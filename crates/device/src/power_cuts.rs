//! What the store promises, tried at every moment: a power cut at each word that is programmed and
//! each block that is erased, then a second cut at each one of the retry.
//!
//! The double sweep of a pack of real size belongs to the long checks (`TOUCHMARK_SWEEP=long`).

extern crate std;
use std::fmt::Debug;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use identity::line::{CertificatePart, Key, Pack, Refusal, Transmission};

use crate::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard, Tear};
use crate::slots::tests::{read_without_check_sum, write_commit_word_first, write_in_place};
use crate::slots::{RecordKind, Slots, StoreError};
use crate::{Board, HeldBuffer, WriteModule, nvram};

type TestBoard = SimBoard<Vec<u8>>;

/// Made by `openssl ecparam -name prime256v1 -genkey`.
const SECRET_KEY: &[u8] = include_bytes!("../tests/secret_key.der");

const TEARS: [Tear; 4] = [Tear::Clean, Tear::Noisy(1), Tear::Noisy(2), Tear::Noisy(3)];

#[derive(Clone, Copy, PartialEq)]
enum Cuts {
    Single,
    Double,
}

/// Runs `act` on `start` with every cut and returns how many runs that were.
///
/// After each cut `state` must be that of before or that of after, never go back from the second to
/// the first, and a retry without a cut must end in the second.
fn sweep<S: PartialEq + Debug>(
    start: &TestBoard,
    cuts: Cuts,
    act: impl Fn(&mut TestBoard) -> bool,
    state: impl Fn(&mut TestBoard) -> S,
) -> Result<u32, String> {
    let old = state(&mut start.clone());
    let mut finished = start.clone();
    assert!(act(&mut finished), "the act succeeds where the power holds");
    let new = state(&mut finished);
    let mut runs = 0;

    // Cuts the power in one act, checks what the board then holds, and says whether that is the new
    // state. None: the act was over before its cut.
    let cut = |board: &mut TestBoard, at: u32, tear: Tear, was_new: bool| {
        board.supply().cut_after(at, tear);
        if act(board) {
            return Ok(None);
        }
        board.supply().restore();
        let seen = state(board);
        let is_new = seen == new;
        if is_new || (!was_new && seen == old) {
            return Ok(Some(is_new));
        }
        Err(format!("{tear:?} cut after {at} changes left {seen:?}"))
    };
    let retry = |mut board: TestBoard| {
        let is_done = act(&mut board);
        if is_done && state(&mut board) == new {
            Ok(())
        } else {
            Err(String::from("a retry did not mend it"))
        }
    };

    for tear in TEARS {
        for at in 0.. {
            let mut board = start.clone();
            let Some(is_new) = cut(&mut board, at, tear, false)? else { break };
            retry(board.clone())?;
            runs += 1;
            for second in 0.. {
                let mut board = board.clone();
                if cuts == Cuts::Single || cut(&mut board, second, tear, is_new)?.is_none() {
                    break;
                }
                retry(board)?;
                runs += 1;
            }
        }
    }
    Ok(runs)
}

/// A board whose memory outside the certificate area is in use.
fn board() -> TestBoard {
    let new = |flash| {
        let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
        SimBoard::new(product, uid, 1, flash, vec![0xff; NVRAM_BYTES])
    };
    let mut flash = vec![0xff; FLASH_BYTES];
    let certificate = new(flash.clone()).flash_areas().certificate;
    flash[certificate.end as usize..].fill(0x42);
    new(flash)
}

fn slots(board: &mut TestBoard) -> Slots<impl embedded_storage::nor_flash::NorFlash> {
    let area = board.flash_areas().certificate;
    Slots::new(board.flash(), area)
}

fn record(board: &mut TestBoard) -> Result<Option<Vec<u8>>, StoreError> {
    let mut buffer = vec![0; 4_096];
    let body = slots(board).read(&[RecordKind::CertificatePack], &mut buffer)?;
    Ok(body.map(<[u8]>::to_vec))
}

/// A blank board, and boards that hold a record in the first and in the second slot.
fn starts() -> [TestBoard; 3] {
    let blank = board();
    let mut first = blank.clone();
    slots(&mut first).write(RecordKind::CertificatePack, &"first").unwrap();
    let mut second = first.clone();
    slots(&mut second).write(RecordKind::CertificatePack, &"a longer second").unwrap();
    [blank, first, second]
}

#[test]
fn every_double_cut_leaves_a_record_old_or_new() {
    let body = "what is written ".repeat(if is_long() { 130 } else { 12 });
    let mut runs = 0;
    for start in starts() {
        let write =
            |board: &mut TestBoard| slots(board).write(RecordKind::CertificatePack, &body.as_str()).is_ok();
        runs += sweep(&start, Cuts::Double, write, record).unwrap();
    }
    assert!(runs > 10_000, "only {runs} runs");
}

#[test]
fn commit_word_and_check_sum_each_suffice_alone_and_the_sweep_finds_when_both_fail() {
    let well =
        |board: &mut TestBoard| slots(board).write(RecordKind::CertificatePack, &"what is written").is_ok();
    let commit_first =
        |board: &mut TestBoard| write_commit_word_first(&mut slots(board), &"what is written").is_ok();
    let trusting_read = |board: &mut TestBoard| {
        let mut buffer = vec![0; 4_096];
        let length = read_without_check_sum(&mut slots(board), &mut buffer)?;
        buffer.truncate(length);
        Ok::<_, StoreError>(buffer)
    };
    for start in starts() {
        sweep(&start, Cuts::Double, well, trusting_read).unwrap();
        sweep(&start, Cuts::Double, commit_first, record).unwrap();
        assert!(sweep(&start, Cuts::Single, commit_first, trusting_read).is_err());
    }
}

#[test]
fn the_sweep_finds_a_store_that_overwrites_its_record() {
    let write = |board: &mut TestBoard| write_in_place(&mut slots(board), &"new").is_ok();
    let [_, first, second] = starts();
    for start in [first, second] {
        assert!(sweep(&start, Cuts::Single, write, record).is_err());
    }
}

#[test]
fn every_cut_leaves_a_device_its_old_pack_or_the_new_one() {
    let certificates = [[0x11; 610], [0x22; 610], [0x33; 610], [0x44; 610]];
    let pack = |client| Pack {
        device_number: "3012-123456".parse().unwrap(),
        certificate: Some(CertificatePart {
            root: &certificates[0],
            issuing: &certificates[1],
            client,
            key: Key::Plain(SECRET_KEY),
        }),
        symmetric: None,
    };
    let write = |client| {
        move |board: &mut TestBoard| {
            with_module(board, |module| {
                let session = module.identify()?.session;
                module.receive(&Transmission { session, pack: pack(client) })
            })
        }
    };
    let state = |board: &mut TestBoard| {
        let rest = board.flash_image()[board.flash_areas().certificate.end as usize..].to_vec();
        let mut buffer = HeldBuffer::new();
        let mut module = WriteModule::new(board.clone());
        let client = module.held(&mut buffer).map(|held| held.map(|held| held.client_certificate.to_vec()));
        (client, rest)
    };
    let mut holding = board();
    assert!(write(&certificates[2])(&mut holding));
    for start in [board(), holding] {
        let runs = sweep(&start, Cuts::Single, write(&certificates[3]), state).unwrap();
        assert!(runs > 4 * 500, "only {runs} runs");
    }
}

#[test]
fn every_double_cut_of_a_confirmation_keeps_the_nvram_whole() {
    let mut start = board();
    let before = nvram::Nvram {
        initial_operational_value: b"operational",
        counter_information: &[7; 40],
        ..Default::default()
    };
    nvram::write(&mut start, &before).unwrap();
    assert!(with_module(&mut start, |module| {
        let certificate = CertificatePart {
            root: b"root",
            issuing: b"issuing",
            client: b"client",
            key: Key::Plain(SECRET_KEY),
        };
        let device_number = "3012-123456".parse().unwrap();
        let pack = Pack { device_number, certificate: Some(certificate), symmetric: None };
        let session = module.identify()?.session;
        module.receive(&Transmission { session, pack })
    }));
    let confirm = |board: &mut TestBoard| {
        with_module(board, |module| {
            let session = module.identify()?.session;
            module.confirm(session)
        })
    };
    let state = |board: &mut TestBoard| {
        let mut buffer = nvram::NvramBuffer::new();
        let nvram = nvram::read(board, &mut buffer).unwrap();
        assert!(nvram.initial_operational_value == b"operational");
        assert!(nvram.counter_information == [7; 40]);
        nvram.device_number
    };
    sweep(&start, Cuts::Double, confirm, state).unwrap();
}

/// Starts the board's write module, as after power-on, and says whether `act` succeeded.
fn with_module(
    board: &mut TestBoard,
    act: impl FnOnce(&mut WriteModule<TestBoard>) -> Result<(), Refusal>,
) -> bool {
    let mut module = WriteModule::new(board.clone());
    let outcome = act(&mut module);
    *board = module.board().clone();
    outcome.is_ok()
}

fn is_long() -> bool {
    std::env::var_os("TOUCHMARK_SWEEP").is_some_and(|sweep| sweep == "long")
}
