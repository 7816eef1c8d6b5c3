//! The chain of a device's calls: each names the nonce of the answer before.
//!
//! Of two devices with one memory, or one that was given an old memory back, only one can name the nonce that
//! the center gave out last. An honest device always can: it strikes out a call in the same write that keeps
//! the answer's nonce, and until then repeats the call byte for byte. Where it cannot wait for an answer it makes
//! the next call all the same, which then names the call before: only that memory can.

use cert::Fingerprint;
use message::call::Nonce;
use store::center::journal::LastCall;

/// Whether a call that is not a repetition forks the chain: it names another nonce than that of the last
/// answer, or none although the device has named them before. Firmware that knows of none need not.
pub fn is_fork(last: Option<&LastCall>, previous: Option<&Nonce>) -> bool {
    let Some(last) = last else { return false };
    let Some(expected) = &last.nonce else { return false };
    match previous {
        None | Some(&Nonce::NONE) => last.is_chained,
        Some(previous) => previous.as_bytes() != expected,
    }
}

/// What a call names instead that was made while this one, as it came, had no answer.
pub(crate) fn name_of_call(raw: &[u8]) -> Nonce {
    Nonce::of_call(Fingerprint::of(raw).as_bytes())
}
