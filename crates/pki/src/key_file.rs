//! Keys in files: PKCS#8 encrypted under a passphrase (RFC 5958, RFC 8018), as openssl opens it.

use der::pem::LineEnding;
use identity::Random;
use identity::profile::KeyAlgorithm;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::key::{KeyError, SigningKey};

/// Rounds of PBKDF2 with HMAC-SHA-256: a few tenths of a second a guess.
const ROUNDS: u32 = 600_000;

const PEM_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Why a key file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The text is not an encrypted PKCS#8 key in PEM.
    #[error("not an encrypted PKCS#8 private key in PEM")]
    NotAKeyFile,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// What is inside is no key of the expected curve.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// `key` as PEM, encrypted with AES-256-CBC under a key that PBKDF2 derives from `passphrase`.
///
/// # Errors
/// Where the cryptographic library fails.
pub fn encrypt_key(
    key: &SigningKey,
    passphrase: &[u8],
    random: &dyn Random,
) -> Result<Zeroizing<String>, KeyFileError> {
    let (mut salt, mut vector) = ([0; 16], [0; 16]);
    random.fill(&mut salt);
    random.fill(&mut vector);
    let der = key.to_pkcs8()?;
    let encrypted = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, vector)
        .map_err(pkcs8::Error::from)
        .and_then(|parameters| {
            PrivateKeyInfoRef::try_from(der.as_slice())?.encrypt_with_params(parameters, passphrase)
        });
    let document = encrypted.map_err(|_| KeyError::Generation)?;
    Ok(document.to_pem(PEM_LABEL, LineEnding::LF).map_err(|_| KeyError::Generation)?)
}

/// The key in `pem`, which must be on `curve`.
///
/// # Errors
/// Where the text is no key file, or the passphrase does not open it.
pub fn decrypt_key(
    pem: &str,
    passphrase: &[u8],
    algorithm: KeyAlgorithm,
) -> Result<SigningKey, KeyFileError> {
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyFileError::NotAKeyFile)?;
    if label != PEM_LABEL {
        return Err(KeyFileError::NotAKeyFile);
    }
    let encrypted: EncryptedPrivateKeyInfoRef<'_> =
        document.decode_msg().map_err(|_| KeyFileError::NotAKeyFile)?;
    let plain = encrypted.decrypt(passphrase).map_err(|_| KeyFileError::WrongPassphrase)?;
    Ok(SigningKey::from_pkcs8(algorithm, plain.as_bytes())?)
}
