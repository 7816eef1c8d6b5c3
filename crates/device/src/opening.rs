//! Opening what only this device can read.

use auth::{PassPhrase, SymmetricCredential};
use identity::line::{Refusal, SEALED_KEY_BYTES_MAX, SEALED_PASS_PHRASE_BYTES_MAX, SECRET_KEY_BYTES_MAX};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, CredentialId};
use seal::{Binding, Opened, SEALED_OVERHEAD_MAX};
use zeroize::Zeroizing;

use crate::Board;
use crate::held::HeldSymmetric;

const _: () = assert!(SECRET_KEY_BYTES_MAX + SEALED_OVERHEAD_MAX <= SEALED_KEY_BYTES_MAX);
const _: () = assert!(SymmetricCredential::BYTES + SEALED_OVERHEAD_MAX <= SEALED_PASS_PHRASE_BYTES_MAX);

/// Opens what was sealed for this credential of the board's product, into `out`.
///
/// # Errors
/// [`Refusal::WrongKey`] where it names a key that the board does not have, [`Refusal::NotOpened`]
/// where it does not open.
pub fn open<'o>(
    board: &impl Board,
    credential: &CredentialId,
    sealed: &[u8],
    out: &'o mut [u8],
) -> Result<Opened<'o>, Refusal> {
    let binding = Binding { product: board.product(), credential };
    let opened = match seal::key_identifier(sealed) {
        Ok(identifier) => board
            .pre_write_key()
            .filter(|key| *key.identifier() == identifier)
            .ok_or(Refusal::WrongKey)?
            .open(&binding, sealed, out),
        // What names no pre-write key is sealed to a chip's own key, or is nothing.
        Err(_) => board.chip_key().ok_or(Refusal::NotOpened)?.open(&binding, sealed, out),
    };
    opened.map_err(|_| Refusal::NotOpened)
}

/// Opens the pass phrase of this apparatus ID.
///
/// # Errors
/// As [`open`]; another's pass phrase counts as not opened.
pub fn open_pass_phrase(
    board: &impl Board,
    apparatus_id: ApparatusId,
    sealed: &[u8],
) -> Result<PassPhrase, Refusal> {
    let mut out = Zeroizing::new([0; SEALED_PASS_PHRASE_BYTES_MAX]);
    let opened = open(board, &apparatus_id.into(), sealed, &mut *out)?;
    let credential = SymmetricCredential::from_bytes(&opened).map_err(|_| Refusal::NotOpened)?;
    if credential.apparatus_id == apparatus_id { Ok(credential.pass_phrase) } else { Err(Refusal::NotOpened) }
}

/// The pass phrase that a device holds, opened for as long as it is needed.
///
/// # Errors
/// As [`open`], or the memory did not keep it.
pub fn pass_phrase(board: &impl Board, symmetric: &HeldSymmetric<'_>) -> Result<PassPhrase, Refusal> {
    match symmetric.form {
        SymmetricForm::Opened => {
            symmetric.secret.try_into().map(PassPhrase::new).map_err(|_| Refusal::StorageFailed)
        }
        SymmetricForm::Sealed => open_pass_phrase(board, symmetric.apparatus_id, symmetric.secret),
    }
}
