//! Example firmware: the write module on a Cortex-M4.
//!
//! It runs on QEMU's machine mps2-an386 and is meant to be copied. What a board maker writes anew:
//!
//! | file | what it is |
//! | --- | --- |
//! | `chip.rs` | where the chip's registers and memories are; the only `unsafe` |
//! | `uart.rs` | the port to the station |
//! | `memory.rs` | the flash driver; most chips have one as a crate |
//! | `board.rs` | [`device::Board`]: product, chip number, random numbers, memory map |
//!
//! The station asks and the device answers, so bytes are received and answered in one loop without
//! interrupt handlers: while an answer is made, nobody sends.

#![no_std]
#![no_main]

mod board;
mod chip;
mod memory;
mod uart;

use core::panic::PanicInfo;

use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use device::WriteModule;
use identity::line::{ANSWER_FRAME_BYTES_MAX, FRAME_BYTES_MAX, FrameCollector};

use board::ExampleBoard;
use chip::Chip;
use uart::Uart;

#[entry]
fn main() -> ! {
    static mut FRAMES: FrameCollector<FRAME_BYTES_MAX> = FrameCollector::new();

    let chip = Chip::take().expect("the program starts once");
    let mut uart = Uart::start(chip.uart);
    // A device whose memory fails stays silent: with no answer the station calls it scrap.
    let Ok(board) = ExampleBoard::start(chip.uid, chip.flash, chip.nvram) else {
        loop {
            wfi();
        }
    };
    let mut module = WriteModule::new(board);
    let mut answer = [0; ANSWER_FRAME_BYTES_MAX];
    loop {
        let Some(frame) = FRAMES.push(uart.receive()) else { continue };
        // A frame that was too long is answered like any other that cannot be read.
        let length = module.handle_frame(frame.unwrap_or_default(), &mut answer);
        uart.send(&answer[..length]);
    }
}

/// A fault of the program ends like a power cut: the store is as it was, and a station may try again.
#[panic_handler]
fn restart(_: &PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}
