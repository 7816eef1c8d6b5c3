//! Packages as makers, centers and devices see them.

#![cfg(test)]

use identity::FirmwareVersion;
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use package::{
    HEAD_BYTES_MAX, Head, HeadBytes, ImageDigest, Judgement, MakerKey, Manifest, PackageError, Rejection,
    Running,
};
use proptest::prelude::*;

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from(SecretKey::from_slice(&[seed; 32]).unwrap())
}

fn maker_key(key: &SigningKey) -> MakerKey {
    MakerKey::from_point(key.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
}

fn manifest() -> Manifest {
    let mut digest = ImageDigest::new();
    digest.update(b"an ima");
    digest.update(b"ge");
    Manifest {
        product: "A1234567".parse().unwrap(),
        version: FirmwareVersion::new([2, 14, u32::MAX]),
        security: 3,
        length: 8,
        sha256: digest.finish(),
    }
}

fn head(manifest: &Manifest, key: &SigningKey) -> HeadBytes {
    let name = maker_key(key).name();
    let signature: Signature = key.sign(&manifest.to_be_signed(name));
    manifest.head(name, signature.to_der().as_bytes()).unwrap()
}

#[test]
fn what_the_maker_signed_reads_back_whatever_follows() {
    let key = signing_key(1);
    let mut package = head(&manifest(), &key).to_vec();
    let length = package.len();
    assert!(length < HEAD_BYTES_MAX);
    package.extend_from_slice(b"an image");
    let read = Head::read(&package).unwrap();
    assert_eq!((read.bytes(), read.key_name()), (length, maker_key(&key).name()));
    assert_eq!(read.verify(&maker_key(&key)).unwrap(), manifest());
    assert!(Head::read(&package[..length]).is_ok());
    assert_eq!(Head::read(&package[..length - 1]), Err(PackageError::Malformed));
    assert_eq!(Head::read(b""), Err(PackageError::Malformed));
}

#[test]
fn another_makers_signature_counts_for_nothing() {
    let (key, other) = (signing_key(1), signing_key(2));
    let read = Head::read(&head(&manifest(), &other)).unwrap();
    assert_eq!(read.verify(&maker_key(&key)), Err(PackageError::OtherKey(maker_key(&other).name())));
    // The other signs under the name of this one.
    let name = maker_key(&key).name();
    let signature: Signature = other.sign(&manifest().to_be_signed(name));
    let forged = manifest().head(name, signature.to_der().as_bytes()).unwrap();
    let read = Head::read(&forged).unwrap();
    assert_eq!(read.verify(&maker_key(&key)), Err(PackageError::NotAuthentic));
}

#[test]
fn no_field_can_be_changed_under_the_signature() {
    let key = signing_key(1);
    let name = maker_key(&key).name();
    let signature: Signature = key.sign(&manifest().to_be_signed(name));
    let changes: [fn(&mut Manifest); 5] = [
        |manifest| manifest.product = "A1234568".parse().unwrap(),
        |manifest| manifest.version = FirmwareVersion::new([2, 15, u32::MAX]),
        |manifest| manifest.security = 4,
        |manifest| manifest.length = 9,
        |manifest| manifest.sha256[31] ^= 1,
    ];
    for change in changes {
        let mut changed = manifest();
        change(&mut changed);
        let forged = changed.head(name, signature.to_der().as_bytes()).unwrap();
        let read = Head::read(&forged).unwrap();
        assert_eq!(read.verify(&maker_key(&key)), Err(PackageError::NotAuthentic), "{changed:?}");
    }
}

#[test]
fn no_bit_of_a_head_can_be_changed() {
    let key = signing_key(1);
    let good = head(&manifest(), &key);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let verified = Head::read(&bad).and_then(|head| head.verify(&maker_key(&key)));
        assert!(verified.is_err(), "bit {bit}");
    }
}

#[test]
fn a_device_runs_only_what_is_for_it_and_newer_unless_it_is_asked_to_go_back() {
    let running =
        Running { product: "3012".parse().unwrap(), version: FirmwareVersion::new([2, 1, 0]), security: 5 };
    let judge = |product: &str, version, security, is_roll_back| {
        let product = product.parse().unwrap();
        let version = FirmwareVersion::new(version);
        running.judge(&Manifest { product, version, security, ..manifest() }, is_roll_back)
    };
    assert_eq!(judge("3012", [2, 2, 0], 5, false), Ok(Judgement::Replaces));
    assert_eq!(judge("3012", [10, 0, 0], 6, false), Ok(Judgement::Replaces));
    assert_eq!(judge("3012", [2, 1, 0], 5, false), Ok(Judgement::Runs));
    assert_eq!(judge("3012", [2, 0, 9], 5, false), Err(Rejection::Older));
    assert_eq!(judge("3012", [2, 0, 9], 5, true), Ok(Judgement::Replaces));
    assert_eq!(judge("3012", [2, 0, 9], 4, true), Err(Rejection::Insecure));
    assert_eq!(judge("3012", [2, 2, 0], 4, true), Err(Rejection::Insecure));
    assert_eq!(judge("3013", [2, 2, 0], 5, true), Err(Rejection::OtherProduct));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Head::read(&bytes);
    }

    #[test]
    fn any_manifest_reads_back(
        product in "[0-9A-Z]{4,8}",
        version: [u32; 3],
        security: u32,
        length: u64,
        sha256: [u8; 32],
    ) {
        let product = product.parse().unwrap();
        let manifest = Manifest { product, version: FirmwareVersion::new(version), security, length, sha256 };
        let key = signing_key(7);
        let read = Head::read(&head(&manifest, &key)).unwrap();
        prop_assert_eq!(read.verify(&maker_key(&key)).unwrap(), manifest);
    }
}
