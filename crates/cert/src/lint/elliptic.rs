//! RFC 5480 and RFC 5758: keys and signatures on elliptic curves.

use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384};
use identity::profile::KeyAlgorithm;
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::pkix::KeyUsages;

use super::{ALL, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        clause: "RFC 5480 clause 2.1.1",
        sentence: "the public key is of id-ecPublicKey on a named curve, P-256 or P-384",
        kinds: ALL,
        holds: |case| case.key_algorithm.is_some(),
    },
    Rule {
        clause: "RFC 5480 clause 2.2",
        sentence: "the public key is an uncompressed point of its curve's length",
        kinds: ALL,
        holds: |case| {
            let point = case.fields.public_key.subject_public_key.as_bytes();
            case.key_algorithm.is_none_or(|algorithm| {
                point.is_some_and(|point| point.len() == point_length(algorithm) && point[0] == 4)
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
            let signer = case.issuer.map_or(case.key_algorithm, |issuer| issuer.key_algorithm);
            signer.is_some_and(|signer| is_signature_of(signer, &case.fields.signature))
        },
    },
];

fn point_length(algorithm: KeyAlgorithm) -> usize {
    match algorithm {
        KeyAlgorithm::P256 => 1 + 2 * 32,
        KeyAlgorithm::P384 => 1 + 2 * 48,
    }
}

fn is_signature_of(signer: KeyAlgorithm, algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    let demanded = match signer {
        KeyAlgorithm::P256 => ECDSA_WITH_SHA_256,
        KeyAlgorithm::P384 => ECDSA_WITH_SHA_384,
    };
    algorithm.oid == demanded && algorithm.parameters.is_none()
}
