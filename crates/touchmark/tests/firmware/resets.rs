//! The reset comes between two words of a write to flash or NVRAM, at each word that matters.

use device::slots::{OVERHEAD_BYTES, UNIT_BYTES};
use identity::line::{Answer, Request};

use crate::UID;
use crate::machine::Machine;
use crate::packs;
use crate::port::{Port, frame, transmission};

// The memory map of firmware/cortex-m4: two slots for the pack, two for the NVRAM's record.
pub const PACK_SLOTS: [u32; 2] = [0x2100_0000, 0x2100_0000 + 3 * 2_048];
const NVRAM_SLOTS: [u32; 2] = [0x0100_0000, 0x0100_0000 + 2_048];

/// The first write to a word of a slot erases it, the second programs it.
#[derive(Clone, Copy, Debug)]
enum Write {
    Erase = 1,
    Program = 2,
}

/// Words of a slot's overhead: the header's mark and check sum, and all of the commit word.
fn overhead_words() -> impl Iterator<Item = u32> {
    let unit = UNIT_BYTES as u32;
    [0, 16].into_iter().chain((unit..OVERHEAD_BYTES as u32).step_by(4))
}

/// Sends `request` and resets the machine right after this write to the word at `offset` of a slot.
fn reset_at(machine: &mut Machine, port: &mut Port, request: &Request<'_>, at: (&[u32; 2], u32, Write)) {
    let (slots, offset, write) = at;
    let mut debugger = machine.debug();
    let words = slots.map(|slot| slot + offset);
    debugger.run_over_writes(&words, write as u32, || port.send(&frame(request)));
    machine.reset();
    debugger.detach();
}

#[test]
fn within_a_transmission_leaves_the_old_pack_or_the_new() {
    let [mut old, mut new] = packs::issue(["3012-000001", "3012-000002"]);
    let mut machine = Machine::start(UID);
    let mut port = Port::open(machine.port());
    let session = port.identify().session;
    assert_eq!(port.transmit(session, &old), Answer::Reception);

    let body = OVERHEAD_BYTES as u32;
    let moments = overhead_words()
        .chain((body..body + new.shortest_record()).step_by(300))
        .flat_map(|offset| [(offset, Write::Erase), (offset, Write::Program)]);
    let (mut kept, mut taken) = (0, 0);
    for (offset, write) in moments {
        let session = port.identify().session;
        let at = (&PACK_SLOTS, offset, write);
        reset_at(&mut machine, &mut port, &transmission(session, &new), at);

        let identity = port.identify();
        let held = if identity.holding.as_ref() == Some(&new.credential.number) { &new } else { &old };
        held.assert_proved(&identity, [9; 32], &port.prove(identity.session, [9; 32]));
        if std::ptr::eq(held, &old) {
            kept += 1;
        } else {
            taken += 1;
        }
        assert_eq!(port.transmit(identity.session, &new), Answer::Reception, "{offset} {write:?}");
        assert_eq!(port.identify().holding.as_ref(), Some(&new.credential.number));
        std::mem::swap(&mut old, &mut new);
    }
    assert!(kept > 20, "{kept} resets came before the commit word was whole");
    assert_eq!(taken, 1, "one reset came after the last word of the commit word");
}

#[test]
fn within_a_confirmation_leaves_the_device_free_or_bound() {
    let [pack] = packs::issue(["3012-000001"]);
    let mut outcomes = Vec::new();
    for (offset, write) in overhead_words()
        .chain([OVERHEAD_BYTES as u32])
        .flat_map(|offset| [(offset, Write::Erase), (offset, Write::Program)])
    {
        let mut machine = Machine::start(UID);
        let mut port = Port::open(machine.port());
        let identity = port.identify();
        assert_eq!(port.transmit(identity.session, &pack), Answer::Reception);
        let confirmation = Request::ResultResponse { session: identity.session };
        reset_at(&mut machine, &mut port, &confirmation, (&NVRAM_SLOTS, offset, write));

        let after = port.identify();
        assert_ne!(after.session, identity.session, "the count of starts was kept");
        assert_eq!(after.holding.as_ref(), Some(&pack.credential.number));
        outcomes.push(after.confirmed);
        let again = Request::ResultResponse { session: after.session };
        assert_eq!(port.ask(&again), Answer::Done, "{offset} {write:?}");
        assert!(port.identify().confirmed);
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false));
}
