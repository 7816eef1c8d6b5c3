//! Where the registers and memories of the chip are: all `unsafe` of this firmware.
#![allow(unsafe_code, reason = "an address becomes a typed register here, and nowhere else")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use safe_mmio::UniqueMmioPointer;
use safe_mmio::fields::{ReadPure, ReadPureWrite};

use crate::uart::UartRegisters;

/// A memory of 32-bit words that each reach it at once and in order.
pub type Words = UniqueMmioPointer<'static, [ReadPureWrite<u32>]>;

/// UART 0 (CMSDK APB UART).
const UART: usize = 0x4000_4000;
/// The PSRAM takes the part of flash: QEMU keeps its content over a reset.
const FLASH: usize = 0x2100_0000;
const FLASH_WORDS: usize = 4_096;
/// The block RAM takes the part of NVRAM, likewise.
const NVRAM: usize = 0x0100_0000;
const NVRAM_WORDS: usize = 1_024;
/// The number of the chip, which QEMU's generic loader can put there; it is all zeros otherwise.
const UID: usize = 0x2110_0000;
const UID_BYTES: usize = 16;

/// What the firmware uses of the chip.
pub struct Chip {
    /// Registers of the port to the station.
    pub uart: UniqueMmioPointer<'static, UartRegisters>,
    /// The flash memory beside the program.
    pub flash: Words,
    /// The NVRAM.
    pub nvram: Words,
    /// What the chip's maker burned into it.
    pub uid: [u8; UID_BYTES],
}

impl Chip {
    /// The chip, once.
    pub fn take() -> Option<Self> {
        static IS_TAKEN: AtomicBool = AtomicBool::new(false);
        if IS_TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: these are the machine's addresses, aligned and apart from one another and from the
        // linker's memories (memory.x). They are handed out once, because of `IS_TAKEN`.
        let (uart, flash, nvram, uid) = unsafe {
            (
                UniqueMmioPointer::new(at::<UartRegisters>(UART)),
                UniqueMmioPointer::new(NonNull::slice_from_raw_parts(at(FLASH), FLASH_WORDS)),
                UniqueMmioPointer::new(NonNull::slice_from_raw_parts(at(NVRAM), NVRAM_WORDS)),
                UniqueMmioPointer::new(at::<[ReadPure<u8>; UID_BYTES]>(UID)),
            )
        };
        Some(Self { uart, flash, nvram, uid: uid.split().map(|byte| byte.read()) })
    }
}

/// An interrupt that this firmware waits for.
#[derive(Clone, Copy)]
pub enum Interrupt {
    /// UART 0 received a byte.
    UartReceived = 0,
}

// SAFETY: the numbers are those of the machine's interrupt controller.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets `interrupt` end a `wfi`. Its handler does not run: interrupts as such stay disabled.
pub fn wake_on(interrupt: Interrupt) {
    cortex_m::interrupt::disable();
    // SAFETY: no critical section relies on this interrupt being masked.
    unsafe { NVIC::unmask(interrupt) }
}

fn at<T>(address: usize) -> NonNull<T> {
    NonNull::new(ptr::with_exposed_provenance_mut(address)).expect("the address is not zero")
}
