//! The write module for firmware in C.
//!
//! Firmware fills in a [`TouchmarkBoard`], starts a [`TouchmarkWriteModule`] with it, and gives each
//! byte from the station's port to [`touchmark_receive`], which says what to answer. Nothing is
//! allocated: the module lies where the firmware puts it. `examples/host.c` shows all of it.
//!
//! This crate only carries pointers over the border and back (`board.rs`); what a device does is in
//! the crate `device`. The header is made from this file, see `cbindgen.toml`.

#![no_std]
#![allow(unsafe_code, reason = "C hands over raw pointers and functions")]

mod board;

use core::ffi::{c_char, c_void};
use core::panic::PanicInfo;

use device::WriteModule;
use identity::line::{ANSWER_FRAME_BYTES_MAX, FRAME_BYTES_MAX, FrameCollector};

use board::CBoard;

/// The most bytes of an answer.
pub const TOUCHMARK_ANSWER_BYTES_MAX: usize = 256;
/// The room that a write module takes, in words of eight bytes.
pub const TOUCHMARK_WRITE_MODULE_WORDS: usize = 704;

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
    /// Passed on to `fill_random`.
    pub context: *mut c_void,
    /// Overwrites `length` bytes from the chip's random number generator.
    pub fill_random: Option<unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, length: u32)>,
    /// The flash memory.
    pub flash: TouchmarkMemory,
    /// Where the certificate lies in it: two halves, each a whole number of erase blocks and at
    /// least 4992 bytes.
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

/// What lies in a [`TouchmarkWriteModule`].
struct Started {
    frames: FrameCollector<FRAME_BYTES_MAX>,
    write_module: WriteModule<CBoard>,
}

const _: () = {
    assert!(size_of::<Started>() <= size_of::<TouchmarkWriteModule>());
    assert!(align_of::<Started>() <= align_of::<TouchmarkWriteModule>());
    assert!(TOUCHMARK_ANSWER_BYTES_MAX == ANSWER_FRAME_BYTES_MAX);
};

unsafe extern "C" {
    /// To be written by the firmware: restarts the chip, and does not return. It is called where the
    /// write module finds a fault in itself; the memories are then as after a power cut.
    fn touchmark_restart() -> !;
}

/// Starts a write module after each start of the chip. False where `board` does not describe a
/// board: a function is missing, the product code or the number of the chip is not one, or an area
/// does not lie in its memory or is too small.
///
/// # Safety
/// `module` and `board` point to such structures, and the functions and texts of `board` are what
/// they are said to be. `board` may be given up afterwards; whatever its contexts point to must
/// remain.
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

#[panic_handler]
fn restart(_: &PanicInfo<'_>) -> ! {
    // SAFETY: the function takes nothing and, by its contract, does not return.
    unsafe { touchmark_restart() }
}
