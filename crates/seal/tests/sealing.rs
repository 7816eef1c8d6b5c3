//! What opens, and that nothing else does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicU8, Ordering};

use identity::{ApparatusId, CredentialId, HardwareUid, ProductCode, Random};
use proptest::prelude::*;
use seal::{
    Binding, ChipKey, ChipPublicKey, InvalidChipKey, OpenError, PreWriteKey, SEALED_OVERHEAD_MAX,
    SECRET_BYTES_MAX, SealError, key_identifier,
};

/// Not random at all, so that a test can be repeated.
struct Counting;

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
    }
}

/// A key of either kind, so that what holds of both is said once.
enum Key {
    PreWrite(PreWriteKey),
    Chip(ChipKey),
}

impl Key {
    fn pre_write(identifier: &str, byte: u8) -> Self {
        Self::PreWrite(PreWriteKey::new(identifier.parse().unwrap(), &[byte; 32]))
    }

    fn chip(byte: u8) -> Self {
        Self::Chip(ChipKey::new(&[byte; 32]).unwrap())
    }

    fn seal(&self, (product, credential): &Purpose, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
        let binding = Binding { product, credential };
        match self {
            Self::PreWrite(key) => key.seal(&binding, secret, &Counting, &mut out),
            Self::Chip(key) => key.public_key().seal(&binding, secret, &Counting, &mut out),
        }
        .map(<[u8]>::to_vec)
    }

    fn open(&self, (product, credential): &Purpose, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut out = [0; SECRET_BYTES_MAX];
        let binding = Binding { product, credential };
        match self {
            Self::PreWrite(key) => key.open(&binding, sealed, &mut out),
            Self::Chip(key) => key.open(&binding, sealed, &mut out),
        }
        .map(|secret| secret.to_vec())
    }
}

type Purpose = (ProductCode, CredentialId);

fn purpose(product: &str, credential: &str) -> Purpose {
    (product.parse().unwrap(), credential.parse().unwrap())
}

fn both() -> [Key; 2] {
    [Key::pre_write("A123-2", 7), Key::chip(7)]
}

#[test]
fn what_is_sealed_opens() {
    for key in both() {
        for credential in ["A123-654321", "4TP9X2QZ7V0C3M8RHJ6KDWBN1E", "ABCDEFGH-000000000042"] {
            let purpose = purpose("A123", credential);
            for length in [0, 1, 48, 138, 185, SECRET_BYTES_MAX] {
                let secret = vec![0xa5; length];
                let sealed = key.seal(&purpose, &secret).unwrap();
                assert_eq!(key.open(&purpose, &sealed), Ok(secret), "{credential}, {length} bytes");
                assert!(sealed.len() <= length + SEALED_OVERHEAD_MAX);
            }
        }
    }
}

#[test]
fn the_overhead_is_what_the_longest_object_needs() {
    let purpose = purpose("A123", "A123-654321");
    let secret = [0; SECRET_BYTES_MAX];
    let longest = both().map(|key| key.seal(&purpose, &secret).unwrap().len()).into_iter().max();
    assert_eq!(longest, Some(SECRET_BYTES_MAX + SEALED_OVERHEAD_MAX));
}

#[test]
fn nothing_is_sealed_that_does_not_fit() {
    let (product, credential) = purpose("A123", "A123-654321");
    let binding = Binding { product: &product, credential: &credential };
    for key in both() {
        let too_long = [0; SECRET_BYTES_MAX + 1];
        assert_eq!(key.seal(&(product.clone(), credential.clone()), &too_long), Err(SealError::TooLong));
    }
    let key = PreWriteKey::new("A123-2".parse().unwrap(), &[7; 32]);
    let length = key.seal(&binding, &[1; 48], &Counting, &mut [0; 256]).unwrap().len();
    for room in [0, 1, length - 1] {
        let mut out = vec![0; room];
        let sealed = key.seal(&binding, &[1; 48], &Counting, &mut out);
        assert_eq!(sealed, Err(SealError::NoRoom), "{room} bytes");
    }
}

#[test]
fn an_opened_secret_is_wiped_and_a_refused_one_never_seen() {
    let (product, credential) = purpose("A123", "A123-654321");
    let binding = Binding { product: &product, credential: &credential };
    let key = PreWriteKey::new("A123-2".parse().unwrap(), &[7; 32]);
    let mut sealed = [0; 256];
    let sealed = key.seal(&binding, b"secret", &Counting, &mut sealed).unwrap();

    let mut out = [0xee; 8];
    assert_eq!(&*key.open(&binding, sealed, &mut out).unwrap(), b"secret");
    assert_eq!(out, [0, 0, 0, 0, 0, 0, 0xee, 0xee]);

    let mut changed = sealed.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let mut out = [0xee; 8];
    assert_eq!(key.open(&binding, &changed, &mut out).err(), Some(OpenError::NotAuthentic));
    assert_eq!(out, [0, 0, 0, 0, 0, 0, 0xee, 0xee]);

    assert_eq!(key.open(&binding, sealed, &mut [0; 5]).err(), Some(OpenError::NoRoom));
}

#[test]
fn it_opens_for_its_product_and_credential_only() {
    let sealed_for = purpose("A123", "A123-654321");
    for key in both() {
        let sealed = key.seal(&sealed_for, b"secret").unwrap();
        for (product, credential) in [
            ("A124", "A123-654321"),
            ("A123", "A123-654322"),
            ("A123", "A123-0654321"),
            ("A123", "4TP9X2QZ7V0C3M8RHJ6KDWBN1E"),
        ] {
            let other = key.open(&purpose(product, credential), &sealed);
            assert_eq!(other, Err(OpenError::NotAuthentic), "{product} {credential}");
        }
    }
}

#[test]
fn it_opens_with_its_key_only() {
    let purpose = purpose("A123", "A123-654321");
    let [pre_write, chip] = both();
    let sealed = pre_write.seal(&purpose, b"secret").unwrap();
    assert_eq!(Key::pre_write("A123-2", 8).open(&purpose, &sealed), Err(OpenError::NotAuthentic));
    let other = OpenError::OtherKey("A123-2".parse().unwrap());
    assert_eq!(Key::pre_write("A123-3", 7).open(&purpose, &sealed), Err(other));
    assert_eq!(key_identifier(&sealed).unwrap().as_str(), "A123-2");
    assert_eq!(chip.open(&purpose, &sealed), Err(OpenError::Malformed));

    let sealed = chip.seal(&purpose, b"secret").unwrap();
    assert_eq!(Key::chip(8).open(&purpose, &sealed), Err(OpenError::NotAuthentic));
    assert_eq!(pre_write.open(&purpose, &sealed), Err(OpenError::Malformed));
    assert_eq!(key_identifier(&sealed), Err(OpenError::Malformed));
}

#[test]
fn the_key_of_one_chip_opens_nothing_of_another() {
    let purpose = purpose("A123", "A123-654321");
    let product_key = || PreWriteKey::new("A123-2".parse().unwrap(), &[7; 32]);
    let of = |uid: &[u8]| Key::PreWrite(product_key().for_chip(&HardwareUid::new(uid).unwrap()));
    let sealed = of(&[1, 2, 3, 4]).seal(&purpose, b"secret").unwrap();
    assert_eq!(of(&[1, 2, 3, 4]).open(&purpose, &sealed), Ok(b"secret".to_vec()));
    for other in [of(&[1, 2, 3, 5]), of(&[1, 2, 3, 4, 0]), Key::PreWrite(product_key())] {
        assert_eq!(other.open(&purpose, &sealed), Err(OpenError::NotAuthentic));
    }
}

#[test]
fn every_sealing_draws_anew() {
    struct Rising(AtomicU8);
    impl Random for Rising {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }
    let random = Rising(AtomicU8::new(1));
    let (product, credential) = purpose("A123", "A123-654321");
    let binding = Binding { product: &product, credential: &credential };
    let key = PreWriteKey::new("A123-2".parse().unwrap(), &[7; 32]);
    let chip = ChipKey::new(&[7; 32]).unwrap().public_key();
    let [mut one, mut two, mut three, mut four] = [[0; 256]; 4];
    assert_ne!(
        key.seal(&binding, b"secret", &random, &mut one),
        key.seal(&binding, b"secret", &random, &mut two)
    );
    assert_ne!(
        chip.seal(&binding, b"secret", &random, &mut three),
        chip.seal(&binding, b"secret", &random, &mut four)
    );
}

#[test]
fn refuses_what_is_no_chip_key() {
    assert_eq!(ChipKey::new(&[0; 32]).err(), Some(InvalidChipKey));
    assert_eq!(ChipKey::new(&[0xff; 32]).err(), Some(InvalidChipKey));
    let point = ChipKey::new(&[7; 32]).unwrap().public_key().to_bytes();
    assert_eq!(ChipPublicKey::new(&point).map(|key| key.to_bytes()), Ok(point));
    let off_the_curve = point.map(|byte| byte ^ 1);
    for wrong in [&off_the_curve[..], &point[..64], &point[1..], &[0; 65], b""] {
        assert_eq!(ChipPublicKey::new(wrong).err(), Some(InvalidChipKey));
    }
}

#[test]
fn there_is_one_way_to_write_an_object() {
    let purpose = purpose("A123", "A123-654321");
    let [key, _] = both();
    let sealed = hex::encode(key.seal(&purpose, b"secret").unwrap());
    let (iv, ciphertext) = ("0102030405060708090a0b0c", &sealed[sealed.len() - 44..]);
    let head = "d0834ba201030446413132332d32a1054c";
    assert_eq!(sealed, format!("{head}{iv}56{ciphertext}"));

    for (what, other) in [
        ("no tag", format!("834ba201030446413132332d32a1054c{iv}56{ciphertext}")),
        ("another tag", format!("d1834ba201030446413132332d32a1054c{iv}56{ciphertext}")),
        ("a tag in two bytes", format!("d810834ba201030446413132332d32a1054c{iv}56{ciphertext}")),
        ("an array without length", format!("d09f4ba201030446413132332d32a1054c{iv}56{ciphertext}ff")),
        ("a fourth element", format!("d0844ba201030446413132332d32a1054c{iv}56{ciphertext}f6")),
        ("another algorithm", format!("d0834ba201010446413132332d32a1054c{iv}56{ciphertext}")),
        ("no key identifier", format!("d08343a10103a1054c{iv}56{ciphertext}")),
        ("no header", format!("d08340a1054c{iv}56{ciphertext}")),
        ("headers in the other order", format!("d0834ba20446413132332d320103a1054c{iv}56{ciphertext}")),
        ("an algorithm in two bytes", format!("d0834ca20118030446413132332d32a1054c{iv}56{ciphertext}")),
        ("a third header", format!("d0834da301030446413132332d320500a1054c{iv}56{ciphertext}")),
        (
            "a key identifier of small letters",
            format!("d0834ba201030446613132332d32a1054c{iv}56{ciphertext}"),
        ),
        ("a second unprotected header", format!("d0834ba201030446413132332d32a2054c{iv}044056{ciphertext}")),
        ("a short IV", format!("d0834ba201030446413132332d32a1054b{}56{ciphertext}", &iv[2..])),
        ("a long IV", format!("d0834ba201030446413132332d32a1054d{iv}0056{ciphertext}")),
        ("an IV of another name", format!("d0834ba201030446413132332d32a1064c{iv}56{ciphertext}")),
        ("a length in two bytes", format!("{head}{iv}5816{ciphertext}")),
        ("a ciphertext in pieces", format!("{head}{iv}5f56{ciphertext}ff")),
        ("no ciphertext", format!("{head}{iv}f6")),
        ("a ciphertext without tag", format!("{head}{iv}4f{}", &ciphertext[..30])),
        ("something behind it", format!("{sealed}00")),
        ("nothing", String::new()),
    ] {
        let other = hex::decode(other).unwrap();
        assert_eq!(key.open(&purpose, &other), Err(OpenError::Malformed), "{what}");
    }
}

/// A purpose that another product or credential is near to.
fn purposes() -> impl Strategy<Value = Purpose> {
    let product = || "[A-Z0-9]{4,8}";
    let number = (product(), "[0-9]{6,12}").prop_map(|(product, serial)| format!("{product}-{serial}"));
    let apparatus = any::<[u8; 16]>().prop_map(|bytes| ApparatusId::new(bytes).to_string());
    (product(), prop_oneof![number, apparatus])
        .prop_map(|(product, credential)| purpose(&product, &credential))
}

proptest! {
    #[test]
    fn no_changed_bit_goes_unseen(
        for_whom in purposes(),
        secret in prop::collection::vec(any::<u8>(), 0..200),
        bit in any::<prop::sample::Index>(),
    ) {
        for key in both() {
            let mut sealed = key.seal(&for_whom, &secret).unwrap();
            let bit = bit.index(8 * sealed.len());
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.open(&for_whom, &sealed).is_err());
        }
    }

    #[test]
    fn no_piece_opens(for_whom in purposes(), secret in prop::collection::vec(any::<u8>(), 0..64)) {
        for key in both() {
            let sealed = key.seal(&for_whom, &secret).unwrap();
            for end in 0..sealed.len() {
                prop_assert!(key.open(&for_whom, &sealed[..end]).is_err());
                prop_assert!(key.open(&for_whom, &sealed[sealed.len() - end..]).is_err());
            }
        }
    }

    #[test]
    fn nothing_opens_for_another(for_whom in purposes(), other in purposes()) {
        prop_assume!(for_whom != other);
        for key in both() {
            let sealed = key.seal(&for_whom, b"secret").unwrap();
            prop_assert_eq!(key.open(&other, &sealed), Err(OpenError::NotAuthentic));
        }
    }

    #[test]
    fn any_bytes_are_taken_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        for key in both() {
            prop_assert!(key.open(&purpose("A123", "A123-654321"), &bytes).is_err());
        }
        prop_assert!(key_identifier(&bytes).is_err());
    }
}
