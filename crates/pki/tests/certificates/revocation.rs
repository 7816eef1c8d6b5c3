//! openssl reads our CRLs and refuses what they list, and takes our OCSP answers to its own questions.

use std::fs;
use std::path::Path;
use std::process::Command;

use identity::RevocationReason;
use identity::profile::KeyAlgorithm;
use pki::{
    CertificateStatus, CrlContent, CrlPartition, DeviceProfile, IssueError, NO_EXPIRY, OcspRefusal,
    OcspRequest, RevokedCertificate, Validity, certificate_pem,
};

use crate::plant::{NOW, Plant, SystemRandom, plant};

const DAY: i64 = 86_400;

/// What openssl says, whether it agrees or not.
fn openssl(directory: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// A plant's certificates as files, with another device beside its own; that one's serial.
fn files(plant: &Plant) -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
    let (number, validity) = ("3012-123457".parse().unwrap(), Validity::new(NOW, NO_EXPIRY).unwrap());
    let prepared = plant.issuing.prepare(&profile, &number, validity, &SystemRandom).unwrap();
    let serial = prepared.certificate().serial().as_bytes().to_vec();
    let other = plant.issuing.issue(prepared).unwrap();
    for (name, der) in [
        ("root", plant.root.certificate()),
        ("issuing", plant.issuing.certificate()),
        ("plant", plant.plant.certificate()),
        ("device", plant.device.certificate.as_slice()),
        ("other", other.certificate.as_slice()),
    ] {
        fs::write(directory.path().join(format!("{name}.pem")), certificate_pem(der)).unwrap();
    }
    (directory, serial)
}

fn content(partition: CrlPartition, number: u64, base: Option<u64>, serials: &[&[u8]]) -> CrlContent {
    let revoked = |serial: &&[u8]| RevokedCertificate {
        serial: serial.to_vec(),
        revoked: NOW + 60,
        reason: RevocationReason::KeyCompromise,
    };
    let revoked = serials.iter().map(revoked).collect();
    CrlContent { partition, number, base, this_update: NOW + 100, next_update: NOW + DAY, revoked }
}

#[test]
fn openssl_refuses_what_the_crl_of_its_partition_lists() {
    let plant = plant();
    let (files, serial) = files(&plant);
    let write = |name: &str, content: &CrlContent| {
        fs::write(files.path().join(name), plant.issuing.sign_crl(content).unwrap()).unwrap();
        let pem = format!("crl -inform DER -in {name} -out {name}.pem");
        assert!(openssl(files.path(), &pem).0, "{name}");
    };
    let partition = CrlPartition::of(&serial);
    write("clean.crl", &content(partition, 6, None, &[]));
    write("listing.crl", &content(partition, 7, None, &[&serial]));
    let elsewhere = format!("{:02x}", partition.octet() ^ 1).parse().unwrap();
    write("elsewhere.crl", &content(elsewhere, 7, None, &[&serial]));
    write("delta.crl", &content(partition, 8, Some(6), &[&serial]));

    let (_, text) = openssl(files.path(), "crl -inform DER -in listing.crl -noout -text -CAfile issuing.pem");
    let address = format!("URI:http://pki.example/crl/issuing/{partition}.crl");
    let delta = format!("URI:http://pki.example/crl/issuing/{partition}-delta.crl");
    for said in
        ["verify OK", "X509v3 CRL Number: \n                7", "Only User Certificates", &address, &delta]
    {
        assert!(text.contains(said), "{said} is missing in\n{text}");
    }
    assert!(text.contains("Key Compromise") && !text.contains("Delta CRL Indicator"), "{text}");

    let verify = |crl: &str, more: &str| {
        let chain = "-attime 1767230000 -CAfile root.pem -untrusted issuing.pem";
        openssl(files.path(), &format!("verify {chain} -crl_check -CRLfile {crl}.pem{more} other.pem"))
    };
    assert_eq!(verify("clean.crl", ""), (true, "other.pem: OK\n".to_owned()));
    let (taken, said) = verify("listing.crl", "");
    assert!(!taken && said.contains("certificate revoked"), "{said}");
    let (taken, said) = verify("elsewhere.crl", "");
    assert!(!taken && said.contains("unable to get certificate CRL") || said.contains("scope"), "{said}");
    let (taken, said) = verify("clean.crl", " -CRLfile delta.crl.pem -use_deltas -extended_crl");
    assert!(!taken && said.contains("certificate revoked"), "{said}");
    let (_, text) = openssl(files.path(), "crl -inform DER -in delta.crl -noout -text");
    assert!(text.contains("Delta CRL Indicator: critical\n                6"), "{text}");
}

#[test]
fn a_ca_without_an_address_signs_no_crl() {
    let root = plant().root;
    let validity = Validity::new(NOW, NO_EXPIRY).unwrap();
    let ca = root.issue_ca(None, &"unpublished".parse().unwrap(), validity, &SystemRandom).unwrap();
    let ca = pki::IssuingCa::open(ca.certificate, ca.key).unwrap();
    let signed = ca.sign_crl(&content("00".parse().unwrap(), 1, None, &[]));
    assert!(matches!(signed, Err(IssueError::NotPublished)), "nobody could tell which partition it is");
}

#[test]
fn openssl_takes_our_answers_to_its_questions() {
    let plant = plant();
    let (files, serial) = files(&plant);
    let statuses = [
        (CertificateStatus::Good, "Cert Status: good"),
        (
            CertificateStatus::Revoked { time: NOW + 60, reason: RevocationReason::CessationOfOperation },
            "Cert Status: revoked",
        ),
        (CertificateStatus::Unknown, "Cert Status: unknown"),
    ];
    for (hash, nonce) in [("-sha1", "-nonce"), ("-sha256", "-no_nonce")] {
        let ask = format!("ocsp {hash} -issuer issuing.pem -cert other.pem {nonce} -reqout request.der");
        assert!(openssl(files.path(), &ask).0);
        let request = OcspRequest::parse(&fs::read(files.path().join("request.der")).unwrap()).unwrap();
        assert_eq!(request.asked().len(), 1);
        assert_eq!(request.asked()[0].serial(), serial);
        assert!(request.asked()[0].is_of(&plant.issuing));
        for (status, expected) in statuses {
            let answer = plant.responder.answer(&request, &[status], NOW + 100, NOW + 400).unwrap();
            fs::write(files.path().join("answer.der"), answer).unwrap();
            let (taken, said) = openssl(
                files.path(),
                "ocsp -reqin request.der -respin answer.der -CAfile root.pem -verify_other issuing.pem \
                 -attime 1767225750 -text",
            );
            assert!(taken && said.contains("Response verify OK") && said.contains(expected), "{said}");
            assert_eq!(said.contains("cessationOfOperation"), expected.ends_with("revoked"), "{said}");
            assert!(!said.contains("WARNING"), "the nonce is the one asked with: {said}");
        }
    }
}

#[test]
fn another_cas_certificates_are_told_apart_and_hostile_bytes_are_refused() {
    let plant = plant();
    let (files, _) = files(&plant);
    let ask = "ocsp -issuer plant.pem -cert other.pem -no_nonce -reqout request.der";
    assert!(openssl(files.path(), ask).0);
    let request = fs::read(files.path().join("request.der")).unwrap();
    assert!(!OcspRequest::parse(&request).unwrap().asked()[0].is_of(&plant.issuing));
    // Cut anywhere, or with any one octet changed, it is a request or none, and never more than that.
    for cut in 0..request.len() {
        assert_eq!(OcspRequest::parse(&request[..cut]).err(), Some(OcspRefusal::MalformedRequest));
    }
    for place in 0..request.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = request.clone();
            changed[place] ^= change;
            let _ = OcspRequest::parse(&changed);
        }
    }
    let many: Vec<String> = (1..=17).map(|serial| format!("-serial {serial}")).collect();
    let ask = format!("ocsp -issuer issuing.pem {} -no_nonce -reqout many.der", many.join(" "));
    assert!(openssl(files.path(), &ask).0);
    let many = fs::read(files.path().join("many.der")).unwrap();
    assert_eq!(OcspRequest::parse(&many).err(), Some(OcspRefusal::MalformedRequest), "more than 16");
    fs::write(files.path().join("refusal.der"), OcspRefusal::Unauthorized.to_response()).unwrap();
    let (_, said) = openssl(files.path(), "ocsp -respin refusal.der -noverify");
    assert!(said.contains("unauthorized (6)"), "{said}");
}
