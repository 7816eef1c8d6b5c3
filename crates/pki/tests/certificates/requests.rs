//! Signing requests: openssl makes them, the plant CA signs what holds.

use std::path::Path;
use std::process::Command;

use cert::Fingerprint;
use cert::lint::{Issuer, Kind, findings_of_certificate};
use identity::profile::KeyAlgorithm;
use pki::{DeviceProfile, IssueError, NO_EXPIRY, RequestError, SigningRequest, Validity};

use crate::plant::{NOW, SystemRandom, plant};

fn request(key_options: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let run = |arguments: &[&str], output: &Path| {
        let output = Command::new("openssl").args(arguments).arg("-out").arg(output).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (key, request) = (file("key.pem"), file("request.der"));
    run(&[&["genpkey"], key_options].concat(), &key);
    let key = key.to_str().unwrap();
    let digest = if key_options == P384 { "-sha384" } else { "-sha256" };
    run(&["req", "-new", "-key", key, digest, "-subj", "/CN=whoever", "-outform", "DER"], &request);
    std::fs::read(request).unwrap()
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

#[test]
fn a_request_from_openssl_becomes_the_member_that_the_token_names() {
    let plant = plant();
    let request = SigningRequest::verify(&request(P256)).unwrap();
    let station = "urn:touchmark:station:osaka:line-1".parse().unwrap();
    let certificate = plant.plant.issue(&station, &request, NOW, &SystemRandom).unwrap();
    let issuer = Issuer::of(plant.plant.certificate()).unwrap();
    assert_eq!(findings_of_certificate(&certificate, Kind::Member, Some(&issuer)), []);
    let certificate = cert::Certificate::parse(&certificate).unwrap();
    assert_eq!(certificate.member(), Some(station));
    assert_eq!(certificate.subject(), "CN=line-1");
}

#[test]
fn a_request_from_a_device_becomes_the_certificate_of_its_own_key() {
    let plant = plant();
    let number = "3012-123457".parse().unwrap();
    let forever = Validity::new(NOW, NO_EXPIRY).unwrap();
    for (key_algorithm, options) in [(KeyAlgorithm::P256, P256), (KeyAlgorithm::P384, P384)] {
        let request = SigningRequest::verify(&request(options)).unwrap();
        let prepare = |key_algorithm| {
            let profile = DeviceProfile { organization: None, key_algorithm };
            plant.issuing.prepare_for(&request, &profile, &number, forever, &SystemRandom)
        };
        let prepared = prepare(key_algorithm).unwrap();
        assert_eq!(prepared.number(), &number);
        let key = Fingerprint::from_bytes(*prepared.public_key_sha256());
        assert_eq!(key, request.public_key_sha256());
        let certificate = plant.issuing.certify(prepared).unwrap();
        let issuer = Issuer::of(plant.issuing.certificate()).unwrap();
        assert_eq!(findings_of_certificate(&certificate, Kind::Device, Some(&issuer)), []);
        let certificate = cert::Certificate::parse(&certificate).unwrap();
        assert_eq!(certificate.device_number().as_ref(), Some(&number));
        assert_eq!(certificate.spki_fingerprint(), key);
        for other in KeyAlgorithm::ALL.iter().filter(|other| **other != key_algorithm) {
            assert!(matches!(prepare(*other), Err(IssueError::OtherAlgorithm)), "{other}");
        }
    }
}

#[test]
fn a_request_that_does_not_prove_its_key_is_refused() {
    let good = request(P256);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(SigningRequest::verify(&forged).unwrap_err(), RequestError::WrongSignature);
    let mut renamed = good.clone();
    let name = renamed.windows(7).position(|window| window == b"whoever").unwrap();
    renamed[name] = b'W';
    assert_eq!(SigningRequest::verify(&renamed).unwrap_err(), RequestError::WrongSignature);
}

#[test]
fn a_request_of_another_kind_of_key_or_none_is_refused() {
    let p384 = SigningRequest::verify(&request(P384)).unwrap();
    assert_eq!(p384.of(KeyAlgorithm::P256).unwrap_err(), RequestError::OtherAlgorithm(KeyAlgorithm::P256));
    let p521 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
    assert_eq!(SigningRequest::verify(&request(&p521)).unwrap_err(), RequestError::WrongKey);
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    assert_eq!(SigningRequest::verify(&request(&rsa)).unwrap_err(), RequestError::WrongKey);
    let mut trailing = request(P256);
    trailing.push(0);
    for nothing in [&[] as &[u8], b"request", &trailing] {
        assert_eq!(SigningRequest::verify(nothing).unwrap_err(), RequestError::Malformed);
    }
}
