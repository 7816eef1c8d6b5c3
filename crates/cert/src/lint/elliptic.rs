//! RFC 5480 and RFC 5758: keys and signatures on elliptic curves.

use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, SECP_256_R_1, SECP_384_R_1,
};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::ext::pkix::KeyUsages;

use super::{ALL, Rule};

/// The curves that this product uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Curve {
    P256,
    P384,
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        clause: "RFC 5480 clause 2.1.1",
        sentence: "the public key is of id-ecPublicKey on a named curve, P-256 or P-384",
        kinds: ALL,
        holds: |case| case.curve.is_some(),
    },
    Rule {
        clause: "RFC 5480 clause 2.2",
        sentence: "the public key is an uncompressed point of its curve's length",
        kinds: ALL,
        holds: |case| {
            let point = case.fields.public_key.subject_public_key.as_bytes();
            case.curve.is_none_or(|curve| {
                point.is_some_and(|point| point.len() == point_length(curve) && point[0] == 4)
            })
        },
    },
    Rule {
        clause: "RFC 5480 clause 3",
        sentence: "an elliptic curve key is not used for keyEncipherment or dataEncipherment",
        kinds: ALL,
        holds: |case| {
            let enciphers = KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment;
            case.key_usage.value().is_none_or(|usage| usage.0.is_disjoint(enciphers))
        },
    },
    Rule {
        clause: "RFC 5758 clause 3.2",
        sentence: "the signature is ECDSA with the hash that fits the signer's curve, without parameters",
        kinds: ALL,
        holds: |case| {
            let signer = case.issuer.map_or(case.curve, |issuer| issuer.curve);
            signer.is_some_and(|curve| is_signature_on(curve, &case.fields.signature))
        },
    },
];

/// The curve of a public key, where it is one of ours.
pub(super) fn curve(public_key: &SubjectPublicKeyInfoRef<'_>) -> Option<Curve> {
    if public_key.algorithm.oid != ID_EC_PUBLIC_KEY {
        return None;
    }
    match public_key.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()? {
        SECP_256_R_1 => Some(Curve::P256),
        SECP_384_R_1 => Some(Curve::P384),
        _ => None,
    }
}

fn point_length(curve: Curve) -> usize {
    match curve {
        Curve::P256 => 1 + 2 * 32,
        Curve::P384 => 1 + 2 * 48,
    }
}

fn is_signature_on(curve: Curve, algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    let demanded = match curve {
        Curve::P256 => ECDSA_WITH_SHA_256,
        Curve::P384 => ECDSA_WITH_SHA_384,
    };
    algorithm.oid == demanded && algorithm.parameters.is_none()
}
