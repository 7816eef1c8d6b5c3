//! The common certificate: two copies, of which one is enough.

use device::Board;
use device::common_certificate::{self, CommonCertificate, CommonCertificateBuffer};
use device::nvram::{self, NvramBuffer};
use device::sim::{Cuts, sweep};

use crate::{SECRET_KEY, TestBoard, board, device, make, pack, restarted};

/// Made by `openssl req -x509 -key secret_key.der`.
const CERTIFICATE: &[u8] = include_bytes!("../common_certificate.der");
const COMMON: CommonCertificate<'_> = CommonCertificate { certificate: CERTIFICATE, secret_key: SECRET_KEY };

fn with_common_certificate() -> TestBoard {
    let mut board = board();
    common_certificate::write(&mut board, &COMMON).unwrap();
    board
}

/// Whether the board finds the common certificate, or none; nothing else is ever found.
fn is_found(board: &mut TestBoard) -> bool {
    let mut buffer = CommonCertificateBuffer::new();
    let found = common_certificate::read(board, &mut buffer).unwrap();
    found.is_some_and(|found| {
        assert!(found.certificate == CERTIFICATE && found.secret_key == SECRET_KEY);
        true
    })
}

/// The board with a bit of its common certificate area turned.
fn damaged(board: &TestBoard, offset: usize) -> TestBoard {
    let mut flash = board.flash_image().to_vec();
    flash[board.flash_areas().common_certificate.start as usize + offset] ^= 1;
    let (product, uid) = (board.product().clone(), board.hardware_uid().clone());
    TestBoard::new(product, uid, 1, flash, board.nvram_image().to_vec())
}

fn forget_copy(board: &mut TestBoard) {
    let mut buffer = NvramBuffer::new();
    let nvram = nvram::read(board, &mut buffer).unwrap();
    nvram::write(board, &nvram::Nvram { common_certificate: &[], ..nvram }).unwrap();
}

#[test]
fn a_blank_board_has_none() {
    assert!(!is_found(&mut board()));
}

#[test]
fn a_damaged_copy_in_flash_is_made_good_by_the_one_in_the_nvram() {
    for offset in [0, 4, 100, 300, 500] {
        let mut board = damaged(&with_common_certificate(), offset);
        assert!(is_found(&mut board), "{offset}");
        forget_copy(&mut board);
        assert!(!is_found(&mut board), "{offset}");
    }
}

#[test]
fn the_copy_in_flash_is_enough() {
    let mut board = with_common_certificate();
    forget_copy(&mut board);
    assert!(is_found(&mut board));
}

#[test]
fn a_certificate_of_another_key_is_none() {
    let mut board = board();
    let other = CommonCertificate { secret_key: &[0x30, 0x00], ..COMMON };
    common_certificate::write(&mut board, &other).unwrap();
    assert!(!is_found(&mut board));
}

#[test]
fn writing_a_device_leaves_it_alone() {
    let mut device = device();
    common_certificate::write(device.board(), &COMMON).unwrap();
    make(&mut device, pack("3012-123456"));
    assert!(is_found(restarted(&mut device).board()));
}

#[test]
fn a_power_cut_leaves_none_or_the_whole_of_it() {
    let write = |board: &mut TestBoard| common_certificate::write(board, &COMMON).is_ok();
    assert!(sweep(&board(), Cuts::Single, write, is_found).unwrap() > 100);
    // Written again in the workshop, it is never without.
    assert!(sweep(&with_common_certificate(), Cuts::Single, write, is_found).unwrap() > 100);
}
