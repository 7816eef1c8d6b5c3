//! A key that a device makes itself, with openssl's signing request for it.

use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use cert::possession;
use cert::tls::Credential;
use identity::profile::KeyAlgorithm;
use identity::{DeviceNumber, line};
use message::bytes::Bytes;
use message::collection::{CollectionRequest, collection_message};
use message::pack::{CertificatePack, CredentialPack};
use message::result::Proof;
use pki::SigningRequest;
use zeroize::Zeroizing;

pub struct BornKey {
    key: EcdsaKeyPair,
    pub request: Bytes,
}

impl BornKey {
    pub fn new(algorithm: KeyAlgorithm) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (curve, digest, signing) = match algorithm {
            KeyAlgorithm::P256 => ("P-256", "-sha256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            KeyAlgorithm::P384 => ("P-384", "-sha384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        };
        let openssl = |arguments: &str| {
            let mut openssl = Command::new("openssl");
            openssl.args(arguments.split_whitespace()).current_dir(directory.path());
            let output = openssl.output().expect("openssl is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -outform DER -out key.der"
        ));
        openssl(&format!(
            "req -new -key key.der -keyform DER {digest} -subj /CN=device -outform DER -out request.der"
        ));
        let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
        Self {
            key: EcdsaKeyPair::from_private_key_der(signing, &read("key.der")).unwrap(),
            request: Bytes(read("request.der")),
        }
    }

    /// The proof of the device with this chip, this key and this pack.
    pub fn proof(&self, number: &DeviceNumber, pack: &CredentialPack, chip: &str) -> Proof {
        let (hardware_uid, challenge) = (chip.parse().unwrap(), [7; 32]);
        let digest = line::pack_digest(&pack.on_the_line(number).unwrap());
        let message = line::proof_message(number, &hardware_uid, &challenge, &digest);
        Proof {
            hardware_uid,
            challenge: Bytes(challenge.to_vec()),
            pack_digest: Bytes(digest.to_vec()),
            signature: Some(self.sign(&message)),
            confirmation: None,
        }
    }

    /// The device asks for its certificate over the connection of this binding.
    pub fn collection(&self, number: &DeviceNumber, channel_binding: &[u8; 32]) -> CollectionRequest {
        let signature = self.sign(&collection_message(number, channel_binding));
        CollectionRequest { device_number: number.clone(), signature }
    }

    /// What the device shows with this certificate of its.
    pub fn credential(&self, pack: &CertificatePack) -> Credential {
        let chain = vec![pack.client_certificate.0.clone(), pack.issuing_certificate.0.clone()];
        Credential::new(chain, Zeroizing::new(self.key.to_pkcs8v1().unwrap().as_ref().to_vec()))
    }

    /// SHA-256 of the public key info.
    pub fn public_key_sha256(&self) -> [u8; 32] {
        *SigningRequest::verify(&self.request.0).unwrap().public_key_sha256().as_bytes()
    }

    /// Whether the certificate is for this key.
    pub fn is_certified_by(&self, certificate: &Bytes) -> bool {
        let message = b"any message";
        possession::verify_message(&certificate.0, message, &self.sign(message).0).is_ok()
    }

    /// ECDSA over the message: `r` and `s`.
    pub fn sign(&self, message: &[u8]) -> Bytes {
        Bytes(self.key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}
