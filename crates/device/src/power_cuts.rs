//! What the store promises, tried at every moment, and stores with a fault, which the sweep must find.
//! What a device promises is tried in `tests/device/power_cuts.rs`.
//!
//! The double sweep of a pack of real size belongs to the long checks (`TOUCHMARK_SWEEP=long`).

extern crate std;
use std::vec;
use std::vec::Vec;

use crate::Board;
use crate::sim::{Cuts, FLASH_BYTES, NVRAM_BYTES, SimBoard, sweep};
use crate::slots::tests::{read_without_check_sum, write_commit_word_first, write_in_place};
use crate::slots::{RecordKind, Slots, StoreError};

type TestBoard = SimBoard<Vec<u8>>;

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
fn every_double_cut_of_a_wipe_keeps_the_record() {
    let [_, first, second] = starts();
    let before = b"first";
    let is_wiped = |board: &TestBoard| {
        let area = board.flash_areas().certificate;
        !board.flash_image()[..area.end as usize].windows(before.len()).any(|window| window == before)
    };
    let wipe = |board: &mut TestBoard| slots(board).wipe_older().is_ok();
    assert_eq!(sweep(&first, Cuts::Double, wipe, record), Ok(0), "there is nothing to wipe");
    assert!(!is_wiped(&second));
    let runs = sweep(&second, Cuts::Double, |board| wipe(board) && is_wiped(board), record).unwrap();
    assert!(runs > 0);
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

fn is_long() -> bool {
    std::env::var_os("TOUCHMARK_SWEEP").is_some_and(|sweep| sweep == "long")
}
