//! The port to the station: 115 200 baud, 8 data bits, no parity, one stop bit.

use cortex_m::asm::wfi;
use cortex_m::peripheral::NVIC;
use safe_mmio::fields::{ReadPure, ReadPureWrite, ReadWrite};
use safe_mmio::{UniqueMmioPointer, field, field_shared};

use crate::chip::{Interrupt, wake_on};

/// The clock of the machine's peripherals, and the rate on the line.
const CLOCK_HERTZ: u32 = 25_000_000;
const BAUD: u32 = 115_200;

const STATE_TRANSMIT_FULL: u32 = 1 << 0;
const STATE_RECEIVE_FULL: u32 = 1 << 1;
const CONTROL_TRANSMIT: u32 = 1 << 0;
const CONTROL_RECEIVE: u32 = 1 << 1;
const CONTROL_RECEIVE_INTERRUPT: u32 = 1 << 3;
const INTERRUPT_RECEIVED: u32 = 1 << 1;

/// The registers of Arm's CMSDK APB UART.
#[repr(C)]
pub struct UartRegisters {
    data: ReadWrite<u32>,
    state: ReadPure<u32>,
    control: ReadPureWrite<u32>,
    interrupt: ReadPureWrite<u32>,
    baud_divider: ReadPureWrite<u32>,
}

/// The port, started.
pub struct Uart {
    registers: UniqueMmioPointer<'static, UartRegisters>,
}

impl Uart {
    /// Starts the port.
    pub fn start(mut registers: UniqueMmioPointer<'static, UartRegisters>) -> Self {
        field!(registers, baud_divider).write(CLOCK_HERTZ / BAUD);
        field!(registers, control).write(CONTROL_TRANSMIT | CONTROL_RECEIVE | CONTROL_RECEIVE_INTERRUPT);
        wake_on(Interrupt::UartReceived);
        Self { registers }
    }

    /// The next byte. The core sleeps until it comes.
    pub fn receive(&mut self) -> u8 {
        loop {
            // The state is looked at after the interrupt is cleared, so a byte that comes in
            // between is either seen here or ends the sleep.
            field!(self.registers, interrupt).write(INTERRUPT_RECEIVED);
            NVIC::unpend(Interrupt::UartReceived);
            if self.state() & STATE_RECEIVE_FULL != 0 {
                return field!(self.registers, data).read() as u8;
            }
            wfi();
        }
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            while self.state() & STATE_TRANSMIT_FULL != 0 {}
            field!(self.registers, data).write(byte.into());
        }
    }

    fn state(&self) -> u32 {
        field_shared!(self.registers, state).read()
    }
}
