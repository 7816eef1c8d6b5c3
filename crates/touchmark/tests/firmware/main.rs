//! The example firmware on an emulated Cortex-M4: a device under manufacture that is not ours.
//!
//! The machine is QEMU's, its UART a socket. Memories keep their content over a reset, as flash
//! does over a power cut, and the debugger chooses the very word at which the reset comes.

#![cfg(test)]

mod debugger;
mod machine;
mod packs;
mod port;
mod rehearsal;
mod resets;
mod size;
mod station;

use identity::line::{Answer, FRAME_BYTES_MAX, Refusal, Request, Transmission};

use machine::Machine;
use port::{Port, frame, transmission};

const UID: [u8; 16] = *b"\x07firmware chip 1";

#[test]
fn takes_a_pack_proves_it_and_keeps_it() {
    let [pack, other] = packs::issue(["3012-000001", "3012-000002"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let identity = port.identify();
    assert_eq!(identity.product.as_str(), "3012");
    assert_eq!(identity.hardware_uid.as_bytes(), UID);
    assert_eq!((&identity.holding, identity.confirmed), (&None, false));
    assert_eq!(identity.key_identifier, Some("3012-1".parse().unwrap()));

    let nothing = port.ask(&Request::ResultRequest { session: identity.session, challenge: [1; 32] });
    assert_eq!(nothing, Answer::Refused(Refusal::NothingStored));
    assert_eq!(port.transmit(identity.session, &pack), Answer::Reception);
    pack.assert_proved(&identity, [2; 32], &port.prove(identity.session, [2; 32]));
    assert_eq!(port.ask(&Request::ResultResponse { session: identity.session }), Answer::Done);

    machine.reset();
    let identity = port.identify();
    assert_eq!(identity.holding, Some(pack.credential.number.clone()));
    assert!(identity.confirmed);
    assert_eq!(port.transmit(identity.session, &other), Answer::Refused(Refusal::HoldsAnother));
    assert_eq!(port.transmit(identity.session, &pack), Answer::Reception);
    pack.assert_proved(&identity, [3; 32], &port.prove(identity.session, [3; 32]));
}

#[test]
fn refuses_what_is_not_for_it() {
    let [wrong_product, for_another] = packs::issue(["A123-000001", "3012-000001"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let session = port.identify().session;
    assert_eq!(port.transmit(session, &wrong_product), Answer::Refused(Refusal::WrongProduct));
    let mut pack = for_another.as_line_pack();
    pack.device_number = "3012-000002".parse().unwrap();
    let for_another = Request::Transmission(Transmission { session, pack });
    assert_eq!(port.ask(&for_another), Answer::Refused(Refusal::NotOpened));
    // Its random numbers can be foretold, so it makes no key.
    let key_request = Request::KeyRequest { session, device_number: "3012-000001".parse().unwrap() };
    assert_eq!(port.ask(&key_request), Answer::Refused(Refusal::NoKeyMade));
    port.send(&[7; FRAME_BYTES_MAX + 1]);
    port.send(&[0]);
    assert_eq!(port.answer(), Answer::Refused(Refusal::Malformed));
    port.send(b"noise\0");
    assert_eq!(port.answer(), Answer::Refused(Refusal::Malformed));
    assert_eq!(port.identify().holding, None);
}

#[test]
fn takes_a_plain_pack_as_well() {
    let [pack] = packs::issue(["3012-000001"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let identity = port.identify();
    let session = identity.session;
    let plain = pack.as_plain_line_pack();
    let transmission = Request::Transmission(Transmission { session, pack: plain.clone() });
    assert_eq!(port.ask(&transmission), Answer::Reception);
    let result = port.prove(session, [4; 32]);
    pack.assert_signed(&identity, [4; 32], &result, &plain);
    assert_eq!(result.confirmation, None);
}

#[test]
fn no_session_comes_twice() {
    let [pack] = packs::issue(["3012-000001"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let mut sessions = Vec::new();
    for _ in 0..5 {
        for _ in 0..3 {
            sessions.push(port.identify().session);
        }
        machine.reset();
    }
    let current = port.identify().session;
    for (index, session) in sessions.iter().enumerate() {
        assert!(!sessions[..index].contains(session) && *session != current);
        assert_eq!(port.transmit(*session, &pack), Answer::Refused(Refusal::Replayed));
    }
}

#[test]
fn a_reset_within_a_request_leaves_the_device_as_it_was() {
    let [pack] = packs::issue(["3012-000001"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let request = frame(&transmission(port.identify().session, &pack));
    for heard in [1, request.len() / 2, request.len() - 1] {
        port.send(&request[..heard]);
        machine.reset();
        // What the UART still takes in after the reset is ended by a zero byte, as a station does.
        port.send(&[0]);
        let answer = port.ask(&Request::Identify);
        let answer = if answer == Answer::Refused(Refusal::Malformed) { port.answer() } else { answer };
        assert!(matches!(answer, Answer::Identity(identity) if identity.holding.is_none()));
    }
}
