//! Passwords: what is kept of them, and what they seal.
//!
//! Argon2id gives 64 bytes. The first half is kept and compared; the second is the key under which the
//! person's second factor lies in the store. So neither can be had from a store alone, in roles with and
//! without a vault, and no role needs its vault open to let people in.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

/// The fewest bytes of a password.
pub const PASSWORD_BYTES_MIN: usize = 12;
/// The most bytes of a password: more is no password, only work for us.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;
pub(crate) const SALT_BYTES: usize = 16;
const HALF: usize = 32;
/// The cost (RFC 9106 clause 4, second recommendation, on one lane).
const MEMORY_KIB: u32 = 64 * 1_024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const CONTEXT: &[u8] = b"staff second factor";

/// A password that is too short to resist guessing, or longer than any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes")]
pub struct UnsuitablePassword;

/// What Argon2id makes of a password.
pub(crate) struct Derived(Zeroizing<[u8; 2 * HALF]>);

impl Derived {
    /// Takes a good part of a second of one core: not for a task that others wait beside.
    pub(crate) fn of(password: &[u8], salt: &[u8]) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(2 * HALF)).expect("the cost is a legal one");
        let mut derived = Zeroizing::new([0; 2 * HALF]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password, salt, derived.as_mut_slice())
            .expect("password and salt are of legal lengths");
        Self(derived)
    }

    /// What is kept.
    pub(crate) fn verifier(&self) -> &[u8] {
        &self.0[..HALF]
    }

    pub(crate) fn is_verified_by(&self, verifier: &[u8]) -> bool {
        verify_slices_are_equal(self.verifier(), verifier).is_ok()
    }

    pub(crate) fn seal(&self, secret: &[u8]) -> Vec<u8> {
        let mut sealed = Zeroizing::new(secret.to_vec());
        let nonce = self.key().seal_in_place_append_tag(Aad::from(CONTEXT), &mut *sealed);
        [nonce.expect("AES-256-GCM takes a few bytes").as_ref().as_slice(), &sealed].concat()
    }

    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let opened = self.key().open_in_place(Nonce::from(nonce), Aad::from(CONTEXT), &mut buffer).ok()?;
        let length = opened.len();
        buffer.truncate(length);
        Some(buffer)
    }

    fn key(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0[HALF..]).expect("the key has 32 bytes")
    }
}
