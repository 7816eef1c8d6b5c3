//! The write module for firmware in C.
//!
//! Firmware fills in a [`TouchmarkBoard`], starts a [`TouchmarkWriteModule`] with it, and gives each
//! byte from the station's port to [`touchmark_receive`], which says what to answer. What the device was
//! given it uses with [`touchmark_sign`] and [`touchmark_with_pass_phrase`]. Nothing is allocated: the
//! module lies where the firmware puts it. `examples/host.c` shows how it is made.
//!
//! This crate only carries pointers over the border and back (`board.rs`); what a device does is in
//! the crate `device`. The header is made from this file, see `cbindgen.toml`.

#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers and functions")]

mod board;

use core::ffi::{c_char, c_void};
use core::panic::PanicInfo;
use core::slice;

use auth::PassPhrase;
use device::WriteModule;
use identity::ApparatusId;
use identity::line::{ANSWER_FRAME_BYTES_MAX, FRAME_BYTES_MAX, FrameCollector, SIGNATURE_BYTES_MAX};
use seal::{ChipKey, PreWriteKey};

use board::CBoard;

/// The most bytes of an answer.
pub const TOUCHMARK_ANSWER_BYTES_MAX: usize = 416;
/// The room that a write module takes, in words of eight bytes.
pub const TOUCHMARK_WRITE_MODULE_WORDS: usize = 768;
/// The bytes of a pre-write key, and of a chip's own key.
pub const TOUCHMARK_KEY_BYTES: usize = 32;
/// The bytes of an apparatus ID.
pub const TOUCHMARK_APPARATUS_ID_BYTES: usize = 16;
/// The bytes of a pass phrase.
pub const TOUCHMARK_PASS_PHRASE_BYTES: usize = 32;
/// The most bytes of a signature.
pub const TOUCHMARK_SIGNATURE_BYTES_MAX: usize = 96;

/// A memory that is driven as NOR flash. Each function is given `context` and says whether it
/// succeeded. Offsets count from the start of the memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TouchmarkMemory {
    /// Passed on to the functions.
    pub context: *mut c_void,
    /// The bytes of the memory.
    pub bytes: u32,
    /// Reads `length` bytes into `bytes`. Both offset and length are multiples of 32.
    pub read:
        Option<unsafe extern "C" fn(context: *mut c_void, offset: u32, bytes: *mut u8, length: u32) -> bool>,
    /// Programs `length` bytes that are erased. Both offset and length are multiples of 32.
    pub program: Option<
        unsafe extern "C" fn(context: *mut c_void, offset: u32, bytes: *const u8, length: u32) -> bool,
    >,
    /// Erases what lies from `start` up to `end`, always one half of an area.
    pub erase: Option<unsafe extern "C" fn(context: *mut c_void, start: u32, end: u32) -> bool>,
}

/// A part of a memory, from `start` up to `end`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TouchmarkArea {
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// Bytes that are lent for a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TouchmarkBytes {
    /// The first of them; not null.
    pub start: *const u8,
    /// How many they are.
    pub length: usize,
}

/// The board that a write module runs on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TouchmarkBoard {
    /// What the board was built as: the product code, ended by a zero.
    pub product: *const c_char,
    /// The number of its chip, 4 to 16 bytes.
    pub hardware_uid: *const u8,
    /// How many bytes that number has.
    pub hardware_uid_bytes: u32,
    /// The name of the pre-write key, ended by a zero: `TOUCHMARK_KEY_IDENTIFIER` of the header that
    /// the authority exports.
    pub key_identifier: *const c_char,
    /// The pre-write key, or what was derived from it for this chip; null where the product has none.
    pub pre_write_key: *const u8,
    /// The chip's own key, a scalar of P-256, highest byte first; null where the chip has none.
    pub chip_key: *const u8,
    /// Passed on to `fill_random`.
    pub context: *mut c_void,
    /// Overwrites `length` bytes from the chip's random number generator. Keys are made from them.
    pub fill_random: Option<unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, length: u32)>,
    /// The flash memory.
    pub flash: TouchmarkMemory,
    /// Where the certificate lies in it: two halves, each a whole number of erase blocks and at
    /// least 5280 bytes.
    pub certificate: TouchmarkArea,
    /// Where the common certificate lies in it.
    pub common_certificate: TouchmarkArea,
    /// Where the fixed parameters lie in it.
    pub fixed_parameters: TouchmarkArea,
    /// Where the program lies in it; empty where the program has a memory of its own.
    pub program: TouchmarkArea,
    /// The NVRAM.
    pub nvram: TouchmarkMemory,
    /// Where its record lies in it: two halves, each a whole number of erase blocks and at least
    /// 2048 bytes.
    pub nvram_area: TouchmarkArea,
}

/// Room for a write module. What is in it is its own affair; it must not be moved or copied.
#[repr(C)]
pub struct TouchmarkWriteModule {
    /// The room.
    pub words: [u64; TOUCHMARK_WRITE_MODULE_WORDS],
}

impl TouchmarkBytes {
    /// # Safety
    /// There are so many bytes, and they stay as long as the slice.
    unsafe fn as_slice<'a>(self) -> &'a [u8] {
        // SAFETY: the caller vouches for it.
        unsafe { slice::from_raw_parts(self.start, self.length) }
    }
}

/// What lies in a [`TouchmarkWriteModule`].
struct Started {
    frames: FrameCollector<FRAME_BYTES_MAX>,
    write_module: WriteModule<CBoard>,
}

const _: () = {
    assert!(size_of::<Started>() <= size_of::<TouchmarkWriteModule>());
    assert!(align_of::<Started>() <= align_of::<TouchmarkWriteModule>());
    assert!(TOUCHMARK_ANSWER_BYTES_MAX == ANSWER_FRAME_BYTES_MAX);
    assert!(TOUCHMARK_KEY_BYTES == PreWriteKey::BYTES && TOUCHMARK_KEY_BYTES == ChipKey::BYTES);
    assert!(TOUCHMARK_APPARATUS_ID_BYTES == ApparatusId::BYTES);
    assert!(TOUCHMARK_PASS_PHRASE_BYTES == PassPhrase::BYTES);
    assert!(TOUCHMARK_SIGNATURE_BYTES_MAX == SIGNATURE_BYTES_MAX);
};

unsafe extern "C" {
    /// To be written by the firmware: restarts the chip, and does not return. It is called where the
    /// write module finds a fault in itself; the memories are then as after a power cut.
    fn touchmark_restart() -> !;
}

/// Starts a write module after each start of the chip. False where `board` does not describe a
/// board: a function is missing, the product code, the number of the chip or a key is not one, or an
/// area does not lie in its memory or is too small.
///
/// # Safety
/// `module` and `board` point to such structures, and the functions and texts of `board` are what
/// they are said to be. `board` and the keys may be given up afterwards; whatever its contexts point
/// to must remain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn touchmark_start(
    module: *mut TouchmarkWriteModule,
    board: *const TouchmarkBoard,
) -> bool {
    // SAFETY: the caller vouches for what `board` points to.
    let board = unsafe { board.as_ref() }.and_then(|board| unsafe { CBoard::new(board) });
    match board {
        Some(board) if !module.is_null() => {
            let started = Started { frames: FrameCollector::new(), write_module: WriteModule::new(board) };
            // SAFETY: `module` has the size and alignment, as asserted above.
            unsafe { module.cast::<Started>().write(started) };
            true
        }
        _ => false,
    }
}

/// Takes the next byte from the station. Returns the length of the answer to send, or 0 where the
/// request goes on. All the work of a request is done in here, with its last byte.
///
/// # Safety
/// `module` was started, `answer` has room for `TOUCHMARK_ANSWER_BYTES_MAX` bytes, and no other call
/// with the same module is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn touchmark_receive(
    module: *mut TouchmarkWriteModule,
    byte: u8,
    answer: *mut u8,
) -> usize {
    // SAFETY: the caller vouches that `touchmark_start` has filled the module and that this call is
    // the only one, and for the room at `answer`.
    let (started, answer) = unsafe {
        let answer = answer.cast::<[u8; ANSWER_FRAME_BYTES_MAX]>();
        (&mut *module.cast::<Started>(), &mut *answer)
    };
    match started.frames.push(byte) {
        // A frame that was too long is answered like any other that cannot be read.
        Some(frame) => started.write_module.handle_frame(frame.unwrap_or_default(), answer),
        None => 0,
    }
}

/// Lends the device's symmetric credential to `act`, for as long as that takes. A pass phrase that is
/// kept sealed is opened for this time only. False where the device has none.
///
/// # Safety
/// `module` was started, and no other call with it is under way, in `act` neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn touchmark_with_pass_phrase(
    module: *mut TouchmarkWriteModule,
    context: *mut c_void,
    act: Option<unsafe extern "C" fn(context: *mut c_void, apparatus_id: *const u8, pass_phrase: *const u8)>,
) -> bool {
    let Some(act) = act else { return false };
    // SAFETY: the caller vouches that the module was started and that this call is the only one.
    let started = unsafe { &mut *module.cast::<Started>() };
    let lent = started.write_module.with_pass_phrase(|apparatus_id, pass_phrase| {
        // SAFETY: both point to as many bytes as the header says, and the function keeps neither.
        unsafe { act(context, apparatus_id.as_bytes().as_ptr(), pass_phrase.expose().as_ptr()) }
    });
    lent.is_ok()
}

/// Signs with the key of the device's certificate, or of the certificate that it is owed: ECDSA, `r` and
/// `s`. Returns the length of the signature, or 0 where the device has no key. What is signed must
/// begin with a label of its own, so that it is never taken for something else.
///
/// # Safety
/// `module` was started, no other call with it is under way, `message` has `length` bytes, and
/// `signature` has room for `TOUCHMARK_SIGNATURE_BYTES_MAX`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn touchmark_sign(
    module: *mut TouchmarkWriteModule,
    message: *const u8,
    length: usize,
    signature: *mut u8,
) -> usize {
    // SAFETY: the caller vouches for the module, for the message and for the room.
    let (started, message, room) = unsafe {
        let room = &mut *signature.cast::<[u8; SIGNATURE_BYTES_MAX]>();
        (&mut *module.cast::<Started>(), slice::from_raw_parts(message, length), room)
    };
    let Ok(signature) = started.write_module.sign(message) else { return 0 };
    room[..signature.len()].copy_from_slice(&signature);
    signature.len()
}

/// Takes a certificate (DER) for the key that the device made, with those of the CA that signed it and of
/// the root: the one that it was owed when it was confirmed, or a renewed one. False where it is not for
/// that key, or the memory fails.
///
/// # Safety
/// `module` was started, no other call with it is under way, and each certificate has as many bytes as
/// is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn touchmark_install_certificate(
    module: *mut TouchmarkWriteModule,
    root: TouchmarkBytes,
    issuing: TouchmarkBytes,
    client: TouchmarkBytes,
) -> bool {
    // SAFETY: the caller vouches for the module and for the certificates.
    let (started, root, issuing, client) =
        unsafe { (&mut *module.cast::<Started>(), root.as_slice(), issuing.as_slice(), client.as_slice()) };
    started.write_module.install_certificate(root, issuing, client).is_ok()
}

#[panic_handler]
fn restart(_: &PanicInfo<'_>) -> ! {
    // SAFETY: the function takes nothing and, by its contract, does not return.
    unsafe { touchmark_restart() }
}
