//! What a device says to show that it holds its credentials: a signature that only the holder of its
//! key can make, and two one-way values that only the holder of its pass phrase can.

use auth::{authority_confirmation, station_confirmation};
use identity::line::{Confirmation, Refusal, WriteResult, proof_message};

use crate::held::{HeldSymmetric, Holding};
use crate::{Board, key, opening};

/// Proves that the device holds this.
// Not inlined: what signing needs of the stack comes after what reading needed.
#[inline(never)]
pub fn prove<B: Board>(board: &B, holding: &Holding, challenge: &[u8; 32]) -> Result<WriteResult, Refusal> {
    let (number, digest) = (&holding.device_number, holding.digest);
    let signature = if holding.secret_key.is_empty() {
        key::Signature::new()
    } else {
        let message = proof_message(number, board.hardware_uid(), challenge, &digest);
        key::sign::<B>(&holding.secret_key, &message)?
    };
    let confirmation =
        holding.symmetric().map(|symmetric| confirm(board, holding, &symmetric)).transpose()?;
    Ok(WriteResult { device_number: number.clone(), pack_digest: digest, signature, confirmation })
}

fn confirm(
    board: &impl Board,
    holding: &Holding,
    symmetric: &HeldSymmetric<'_>,
) -> Result<Confirmation, Refusal> {
    let pass_phrase = opening::pass_phrase(board, symmetric)?;
    let apparatus_id = symmetric.apparatus_id;
    let (number, chip) = (&holding.device_number, board.hardware_uid());
    let authority = authority_confirmation(&pass_phrase, apparatus_id, number, chip, &symmetric.challenge);
    Ok(Confirmation {
        apparatus_id,
        station: *station_confirmation(&pass_phrase, apparatus_id).as_bytes(),
        authority: *authority.as_bytes(),
    })
}
