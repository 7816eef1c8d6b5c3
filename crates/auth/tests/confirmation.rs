//! What a device confirms its pass phrase with while it is made.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use auth::{
    Confirmation, NotACredential, PassPhrase, SymmetricCredential, authority_confirmation,
    station_confirmation,
};
use identity::ApparatusId;

const CHALLENGE: [u8; 32] = [9; 32];

fn for_authority(
    secret: u8,
    apparatus_id: u8,
    number: &str,
    chip: &str,
    challenge: &[u8; 32],
) -> Confirmation {
    authority_confirmation(
        &PassPhrase::new(&[secret; 32]),
        ApparatusId::new([apparatus_id; 16]),
        &number.parse().unwrap(),
        &chip.parse().unwrap(),
        challenge,
    )
}

#[test]
fn the_authority_value_holds_for_one_device_and_batch() {
    let honest = || for_authority(1, 2, "A123-654321", "0011223344", &CHALLENGE);
    assert_eq!(honest(), honest());
    for (what, other) in [
        ("pass phrase", for_authority(3, 2, "A123-654321", "0011223344", &CHALLENGE)),
        ("apparatus ID", for_authority(1, 3, "A123-654321", "0011223344", &CHALLENGE)),
        ("device number", for_authority(1, 2, "A123-654322", "0011223344", &CHALLENGE)),
        ("chip", for_authority(1, 2, "A123-654321", "0011223345", &CHALLENGE)),
        ("challenge", for_authority(1, 2, "A123-654321", "0011223344", &[8; 32])),
        ("kind", station_confirmation(&PassPhrase::new(&[1; 32]), ApparatusId::new([2; 16]))),
    ] {
        assert_ne!(honest(), other, "{what}");
    }
}

#[test]
fn the_station_value_holds_for_one_credential() {
    let of = |secret: u8, apparatus_id: u8| {
        station_confirmation(&PassPhrase::new(&[secret; 32]), ApparatusId::new([apparatus_id; 16]))
    };
    assert_eq!(of(1, 2), of(1, 2));
    assert_ne!(of(1, 2), of(3, 2));
    assert_ne!(of(1, 2), of(1, 3));
}

#[test]
fn a_credential_is_48_bytes_and_nothing_else() {
    let bytes: [u8; 48] = core::array::from_fn(|i| i as u8);
    let credential = SymmetricCredential::from_bytes(&bytes).unwrap();
    assert_eq!(credential.apparatus_id.as_bytes()[..], bytes[..16]);
    assert_eq!(credential.pass_phrase.expose()[..], bytes[16..]);
    assert_eq!(*credential.to_bytes(), bytes);
    for wrong in [&[0; 0][..], &[0; 15], &[0; 16], &[0; 47], &[0; 49]] {
        assert_eq!(SymmetricCredential::from_bytes(wrong).err(), Some(NotACredential));
    }
}
