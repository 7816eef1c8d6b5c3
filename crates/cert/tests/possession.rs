//! Proofs of possession: which hold, and which do not.

mod plant;

use cert::possession::{PossessionError, Proof, verify, verify_requested};
use identity::{DeviceNumber, HardwareUid, line};
use plant::{Draft, Key, Plant};

#[test]
fn a_proof_holds_for_its_own_device_chip_challenge_pack_and_key_only() {
    let plant = Plant::new();
    let number: DeviceNumber = "3012-123456".parse().unwrap();
    let other_number: DeviceNumber = "3012-123457".parse().unwrap();
    let uid: HardwareUid = "0011223344556677".parse().unwrap();
    let other_uid: HardwareUid = "0011223344556678".parse().unwrap();
    let key = Key::p256();
    let certificate = Draft::device("3012-123456", &key).sign(&plant.issuing);
    let signature = key.sign_fixed(&line::proof_message(&number, &uid, &[1; 32], &[2; 32]));
    let good = Proof {
        device_number: &number,
        hardware_uid: &uid,
        challenge: &[1; 32],
        pack_digest: &[2; 32],
        signature: &signature,
    };
    assert_eq!(verify(&certificate, good), Ok(()));

    let signed = |proof| verify(&certificate, proof);
    assert_eq!(signed(Proof { device_number: &other_number, ..good }), Err(PossessionError::OtherNumber));
    assert_eq!(signed(Proof { hardware_uid: &other_uid, ..good }), Err(PossessionError::Signature));
    assert_eq!(signed(Proof { challenge: &[3; 32], ..good }), Err(PossessionError::Signature));
    assert_eq!(signed(Proof { pack_digest: &[3; 32], ..good }), Err(PossessionError::Signature));
    assert_eq!(signed(Proof { challenge: &[1; 31], ..good }), Err(PossessionError::Length));
    assert_eq!(signed(Proof { pack_digest: &[], ..good }), Err(PossessionError::Length));
    assert_eq!(signed(Proof { signature: &[], ..good }), Err(PossessionError::Signature));
    assert_eq!(signed(Proof { signature: &[0; 64], ..good }), Err(PossessionError::Signature));
    assert_eq!(verify(b"", good), Err(PossessionError::Certificate));
    let of_other_key = Draft::device("3012-123456", &Key::p256()).sign(&plant.issuing);
    assert_eq!(verify(&of_other_key, good), Err(PossessionError::Signature));
}

#[test]
fn keys_of_either_curve_prove_themselves_by_certificate_or_request() {
    let plant = Plant::new();
    let number: DeviceNumber = "3012-123456".parse().unwrap();
    let uid: HardwareUid = "0011223344556677".parse().unwrap();
    let message = line::proof_message(&number, &uid, &[1; 32], &[2; 32]);
    let keys = [Key::p256(), Key::p384()];
    for (index, key) in keys.iter().enumerate() {
        let signature = key.sign_fixed(&message);
        let proof = Proof {
            device_number: &number,
            hardware_uid: &uid,
            challenge: &[1; 32],
            pack_digest: &[2; 32],
            signature: &signature,
        };
        let certificate = |key: &Key| Draft::device("3012-123456", key).sign(&plant.issuing);
        assert_eq!(verify(&certificate(key), proof), Ok(()));
        assert_eq!(verify_requested(&key.signing_request(), proof), Ok(()));
        let other = &keys[1 - index];
        assert_eq!(verify(&certificate(other), proof), Err(PossessionError::Signature));
        assert_eq!(verify_requested(&other.signing_request(), proof), Err(PossessionError::Signature));
        let other_pack = Proof { pack_digest: &[3; 32], ..proof };
        assert_eq!(verify_requested(&key.signing_request(), other_pack), Err(PossessionError::Signature));
        assert_eq!(verify_requested(b"", proof), Err(PossessionError::SigningRequest));
    }
}
