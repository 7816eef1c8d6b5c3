//! How much of a small chip the firmware takes.

use std::fs;
use std::io::{Write, stderr};

use identity::line::{Answer, Request};
use object::{Object, ObjectSegment, ObjectSymbol};

use crate::machine::{Machine, firmware};
use crate::port::Port;
use crate::{UID, packs};

/// Where firmware/cortex-m4/memory.x puts what may change.
const RAM_ADDRESS: u64 = 0x2000_0000;
const CODE_BYTES_MAX: u64 = 96 * 1_024;
const RAM_BYTES_MAX: u64 = 24 * 1_024;
/// What cortex-m-rt paints the stack with before the program starts.
const PAINT: [u8; 4] = [0xcc; 4];

#[test]
fn fits_a_small_chip() {
    let program = fs::read(firmware()).unwrap();
    let program = object::File::parse(&*program).unwrap();
    let (in_ram, in_flash): (Vec<_>, Vec<_>) =
        program.segments().partition(|segment| segment.address() >= RAM_ADDRESS);
    let statics: u64 = in_ram.iter().map(|segment| segment.size()).sum();
    // What the program's start copies into RAM lies in flash, too.
    let code: u64 = in_flash.iter().chain(&in_ram).map(|segment| segment.file_range().1).sum();
    let symbol = |name: &str| program.symbol_by_name(name).unwrap().address() as u32;
    let stack = deepest_stack(symbol("_stack_end"), symbol("_stack_start"));
    let ram = statics + stack;

    // Past the test harness, which would keep it to itself.
    let mut report = stderr().lock();
    writeln!(report, "firmware: code {code} bytes, at most {CODE_BYTES_MAX}").unwrap();
    writeln!(report, "firmware: RAM {statics} static + {stack} stack = {ram} bytes, at most {RAM_BYTES_MAX}")
        .unwrap();
    assert!(code <= CODE_BYTES_MAX && ram <= RAM_BYTES_MAX);
}

/// The bytes of the stack that a whole conversation has ever touched.
fn deepest_stack(end: u32, start: u32) -> u64 {
    let [pack, other] = packs::issue(["3012-000001", "3012-000002"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let session = port.identify().session;
    assert_eq!(port.transmit(session, &pack), Answer::Reception);
    assert_eq!(port.transmit(session, &other), Answer::Reception);
    port.prove(session, [1; 32]);
    assert_eq!(port.ask(&Request::ResultResponse { session }), Answer::Done);
    port.identify();
    let stack = machine.memory(end..start);
    let untouched = stack.chunks(PAINT.len()).take_while(|word| *word == PAINT).count() * PAINT.len();
    assert!(untouched > 0, "the stack has grown into the program's data");
    (stack.len() - untouched) as u64
}
