//! A recovery with its power cut at every moment, beside a model of the authority: from the moment on at which the
//! authority takes the new identity the device has it, and in the end it has nothing else.
//!
//! The model gives one certificate for a key, and once it has seen that none for another key: whoever loses the identity
//! then has lost it for good. Double cuts of a whole recovery are tried in the long checks
//! (`TOUCHMARK_SWEEP=long`).

use device::sim::{Cuts, sweep};
use device::{Renewal, WriteModule};
use identity::DeviceNumber;
use identity::line::{Refusal, SigningRequest};

use crate::power_cuts::double_where_long;
use crate::renewal::{
    Authority, NoAnswer, World, candidate, certified_as, current, occurrences, pass_phrase, run, scalar,
    worlds,
};
use crate::{Device, board, identify};

fn number() -> DeviceNumber {
    "3012-123456".parse().unwrap()
}

/// Gives the certificate for this request, the same each time that it is asked.
fn certificate_for(authority: &mut Authority, request: &SigningRequest) -> Result<Vec<u8>, NoAnswer> {
    let certificate = match &authority.successor {
        Some((asked, certificate)) if asked == request => certificate.clone(),
        Some((_, certificate)) if *certificate == authority.accepted => return Err(NoAnswer::Refused),
        _ => {
            authority.issued += 1;
            certified_as(request, 100 + authority.issued)
        }
    };
    authority.successor = Some((request.clone(), certificate.clone()));
    authority.answer(certificate)
}

/// One step of a recovery, as firmware takes it. Says whether the recovery is over.
fn step(device: &mut Device, authority: &mut Authority) -> Result<bool, Refusal> {
    if device.renewal()? != Renewal::Confirmation {
        let has_asked = authority.successor.is_some() && device.identify()?.confirmed;
        if has_asked && current(device).is_ok_and(|caller| authority.accepts(&caller)) {
            return Ok(true);
        }
        let request = device.begin_recovery(&number())?;
        match certificate_for(authority, &request) {
            Ok(certificate) => device.receive_recovered(&number(), b"root", b"issuing", &certificate)?,
            Err(NoAnswer::Lost) => return Ok(false),
            Err(NoAnswer::Refused) => return Err(Refusal::HoldsAnother),
        }
    }
    let candidate = candidate(device)?;
    match authority.confirm(&candidate) {
        Ok(()) => device.accept_recovered(&number()).map(|()| false),
        Err(NoAnswer::Lost) => Ok(false),
        Err(NoAnswer::Refused) => Err(Refusal::HoldsAnother),
    }
}

fn recover(world: &mut World) -> bool {
    run(world, |device, authority| {
        while !step(device, authority)? {}
        Ok(())
    })
}

/// How device and authority stand to each other.
#[derive(PartialEq, Debug)]
enum Standing {
    /// No identity of the device counts.
    WithoutIdentity,
    /// The authority takes an identity, and the device has it.
    Authenticates,
    /// The authority takes an identity that the device does not have.
    Lost,
}

fn standing(world: &mut World) -> Standing {
    if world.authority.accepted.is_empty() {
        return Standing::WithoutIdentity;
    }
    let mut device = WriteModule::new(world.board.clone());
    let callers = [candidate(&mut device), current(&mut device)];
    match callers.iter().flatten().any(|caller| world.authority.accepts(caller)) {
        true => Standing::Authenticates,
        false => Standing::Lost,
    }
}

/// A board that holds nothing yet, and devices whose certificate does not count any more: one whose key came in its
/// pack, and one that made its own and has a symmetric credential, too.
fn starts() -> [World; 3] {
    let blank = World { board: board(), authority: Authority::default() };
    let [plain, both] = worlds().map(|world| World { authority: Authority::default(), ..world });
    [blank, plain, both]
}

#[test]
fn at_every_cut_of_a_recovery_the_device_has_the_identity_that_counts() {
    let [mut blank, plain, both] = starts();
    // Which of the answers is lost makes no difference to what must hold.
    blank.authority.lost = Some(2);
    for start in [blank, plain, both] {
        let held_before = current(&mut WriteModule::new(start.board.clone())).is_ok();
        let old = held_before.then(|| scalar(&start));
        // In the end the new key is there, once, and nothing else of secrets.
        let recover_cleanly = |world: &mut World| {
            recover(world) && {
                let (flash, nvram, new) =
                    (world.board.flash_image(), world.board.nvram_image(), scalar(world));
                assert_eq!(pass_phrase(world), pass_phrase(&start));
                old.as_ref().is_none_or(|old| occurrences(flash, old) == 0)
                    && occurrences(flash, &new) == 1
                    && occurrences(nvram, &new) == 0
                    && identify(&mut WriteModule::new(world.board.clone())).confirmed
            }
        };
        let mut undisturbed = start.clone();
        let before = undisturbed.board.supply().changes();
        assert!(recover_cleanly(&mut undisturbed));
        let changes = undisturbed.board.supply().changes() - before;
        let runs = sweep(&start, double_where_long(), recover_cleanly, standing).unwrap();
        assert!(changes > 200 && runs >= 4 * changes, "{runs} runs for {changes} changes of the memory");
    }
}

#[test]
fn whichever_answer_is_lost_the_device_asks_again_and_has_one_certificate() {
    for mut start in starts() {
        for lost in [1, 2] {
            start.authority.lost = Some(lost);
            if double_where_long() == Cuts::Double {
                sweep(&start, Cuts::Single, recover, standing).unwrap();
            }
            let mut world = start.clone();
            assert!(recover(&mut world));
            assert_eq!(world.authority.issued, 1, "the same request gets the same certificate");
            assert_eq!(standing(&mut world), Standing::Authenticates);
        }
    }
}
