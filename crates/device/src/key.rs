//! The keys that a device signs with: ECDSA on P-256 with SHA-256, or on P-384 with SHA-384. They are
//! kept as PKCS#8 DER, in which each says itself what it is.
//!
//! Signing draws no random numbers: the nonce follows from key and message (RFC 6979), so no weak
//! generator can give a key away. Another curve is another [`CurveKey`].

use der::Encode;
use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use heapless::Vec;
use identity::DeviceNumber;
use identity::line::{Refusal, SECRET_KEY_BYTES_MAX, SIGNATURE_BYTES_MAX, SigningRequest};
use identity::profile::KeyAlgorithm;
use p256::ecdsa::signature::Signer;
use p256::elliptic_curve::ALGORITHM_OID;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use p256::pkcs8::{AssociatedOid, DecodePrivateKey, PrivateKeyInfoRef};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use crate::{Board, x509};

/// A secret key in PKCS#8 DER, wiped on drop.
pub type SecretKey = Zeroizing<Vec<u8, SECRET_KEY_BYTES_MAX>>;
/// A signature: `r` and `s`, each as long as a scalar of the curve.
pub type Signature = Vec<u8, SIGNATURE_BYTES_MAX>;

/// Makes a key from the board's random numbers.
///
/// # Errors
/// The board makes none.
pub fn generate<B: Board>(board: &mut B) -> Result<SecretKey, Refusal> {
    match board.own_key_algorithm() {
        KeyAlgorithm::P256 if const { takes::<B>(KeyAlgorithm::P256) } => {
            generate_on(board, |scalar: &[u8; 32]| p256::SecretKey::from_slice(scalar).ok())
        }
        KeyAlgorithm::P384 if const { takes::<B>(KeyAlgorithm::P384) } => {
            generate_on(board, |scalar: &[u8; 48]| p384::SecretKey::from_slice(scalar).ok())
        }
        _ => Err(Refusal::NoKeyMade),
    }
}

/// Whether this is a key that the board takes, in PKCS#8 DER.
pub fn is_usable<B: Board>(key: &[u8]) -> bool {
    with_key::<B, _>(key, |_| ()).is_ok()
}

/// Signs `message`.
///
/// # Errors
/// This is no key that the board takes.
#[inline(never)]
pub fn sign<B: Board>(key: &[u8], message: &[u8]) -> Result<Signature, Refusal> {
    with_key::<B, _>(key, |key| key.sign(message))
}

/// A signing request for this key and number.
///
/// # Errors
/// This is no key that the board takes.
pub fn signing_request<B: Board>(key: &[u8], number: &DeviceNumber) -> Result<SigningRequest, Refusal> {
    with_key::<B, _>(key, |key| {
        let (point, curve) = (key.public_point(), key.curve());
        let signature_algorithm = AlgorithmIdentifierRef { oid: key.signature_algorithm(), parameters: None };
        let sign = |message: &[u8]| key.sign_der(message);
        x509::signing_request(number, public_key(&curve, &point), signature_algorithm, sign)
    })
}

/// Whether the certificate (DER) is for this key.
///
/// # Errors
/// This is no key that the board takes.
pub fn is_certified<B: Board>(key: &[u8], certificate: &[u8]) -> Result<bool, Refusal> {
    with_key::<B, _>(key, |key| {
        let (point, curve) = (key.public_point(), key.curve());
        x509::public_key(certificate).is_some_and(|certified| certified == public_key(&curve, &point))
    })
}

/// A key of one curve.
trait CurveKey {
    /// The curve.
    fn curve(&self) -> ObjectIdentifier;
    /// The public key: an uncompressed point (SEC 1).
    fn public_point(&self) -> Point;
    /// The algorithm of the key's signatures.
    fn signature_algorithm(&self) -> ObjectIdentifier;
    /// Signs, and gives the signature as the line protocol carries it.
    fn sign(&self, message: &[u8]) -> Signature;
    /// Signs, and gives the signature in DER.
    fn sign_der(&self, message: &[u8]) -> DerSignature;
}

type Point = Vec<u8, { 1 + SIGNATURE_BYTES_MAX }>;
type DerSignature = Vec<u8, { SIGNATURE_BYTES_MAX + 9 }>;

macro_rules! curve_key {
    ($library:ident, $curve:ident) => {
        impl CurveKey for $library::SecretKey {
            fn curve(&self) -> ObjectIdentifier {
                $library::$curve::OID
            }

            fn public_point(&self) -> Point {
                copied(self.public_key().to_sec1_point(false).as_bytes())
            }

            fn signature_algorithm(&self) -> ObjectIdentifier {
                $library::ecdsa::Signature::OID
            }

            fn sign(&self, message: &[u8]) -> Signature {
                let signature: $library::ecdsa::Signature =
                    $library::ecdsa::SigningKey::from(self).sign(message);
                copied(&signature.to_bytes())
            }

            fn sign_der(&self, message: &[u8]) -> DerSignature {
                let signature: $library::ecdsa::Signature =
                    $library::ecdsa::SigningKey::from(self).sign(message);
                copied(signature.to_der().as_bytes())
            }
        }
    };
}

curve_key!(p256, NistP256);
curve_key!(p384, NistP384);

/// Reads the key and hands it to `act`.
fn with_key<B: Board, T>(key: &[u8], act: impl FnOnce(&dyn CurveKey) -> T) -> Result<T, Refusal> {
    if const { takes::<B>(KeyAlgorithm::P256) }
        && let Ok(key) = p256::SecretKey::from_pkcs8_der(key)
    {
        return Ok(act(&key));
    }
    if const { takes::<B>(KeyAlgorithm::P384) }
        && let Ok(key) = p384::SecretKey::from_pkcs8_der(key)
    {
        return Ok(act(&key));
    }
    Err(Refusal::UnusableKey)
}

/// Known when the program is built, so that it holds no code for what the board does not take.
const fn takes<B: Board>(algorithm: KeyAlgorithm) -> bool {
    let mut rest = B::KEY_ALGORITHMS;
    while let [first, others @ ..] = rest {
        if *first as u8 == algorithm as u8 {
            return true;
        }
        rest = others;
    }
    false
}

/// Draws scalars until one is a key. Less than one in four milliards is none, so a generator that
/// gives several in a row is broken.
fn generate_on<B: Board, K: CurveKey, const N: usize>(
    board: &mut B,
    key_of: impl Fn(&[u8; N]) -> Option<K>,
) -> Result<SecretKey, Refusal> {
    let mut scalar = Zeroizing::new([0; N]);
    for _ in 0..4 {
        board.fill_random(&mut *scalar);
        if let Some(key) = key_of(&scalar) {
            return Ok(to_pkcs8(&key, &*scalar));
        }
    }
    Err(Refusal::NoKeyMade)
}

fn to_pkcs8(key: &dyn CurveKey, scalar: &[u8]) -> SecretKey {
    let point = key.public_point();
    let private = EcPrivateKey { private_key: scalar, parameters: None, public_key: Some(&point) };
    let mut buffer = Zeroizing::new([0; SECRET_KEY_BYTES_MAX]);
    let curve = key.curve();
    let algorithm = AlgorithmIdentifierRef { oid: ALGORITHM_OID, parameters: Some((&curve).into()) };
    let mut pkcs8 = SecretKey::default();
    pkcs8.resize_default(SECRET_KEY_BYTES_MAX).expect("it is as long as it may be");
    let private = private.encode_to_slice(&mut *buffer).and_then(OctetStringRef::new);
    let length = private
        .and_then(|private| Ok(PrivateKeyInfoRef::new(algorithm, private).encode_to_slice(&mut pkcs8)?.len()))
        .expect("a key of these curves fits");
    pkcs8.truncate(length);
    pkcs8
}

fn public_key<'a>(curve: &'a ObjectIdentifier, point: &'a [u8]) -> SubjectPublicKeyInfoRef<'a> {
    let algorithm = AlgorithmIdentifierRef { oid: ALGORITHM_OID, parameters: Some(curve.into()) };
    let subject_public_key = BitStringRef::from_bytes(point).expect("a point is short");
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }
}

fn copied<const N: usize>(bytes: &[u8]) -> Vec<u8, N> {
    Vec::from_slice(bytes).expect("P-384 has the longest points and signatures")
}
