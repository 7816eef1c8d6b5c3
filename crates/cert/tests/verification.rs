//! Which certificates are let in, and which rule refuses each that is not.
//!
//! Every broken certificate differs from a good one in one thing only, so that each rule is shown to
//! be the one that refuses it.

#![allow(clippy::unwrap_used)]

mod plant;

use cert::common::RECOVERY_PURPOSE;
use cert::device::Registration;
use cert::{DeviceVerifier, Fingerprint, PeerIdentity, Refusal, Trust};
use const_oid::db::rfc5280;
use identity::{CredentialState, Member};
use plant::{
    Ca, Draft, FOREVER, Key, NOW, Plant, common_name, printable, serial_numbers, true_extension, uris, utf8,
};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::ext::{Extension, pkix::CertificatePolicies};

const NUMBER: &str = "3012-123456";

fn gateway() -> Member {
    "urn:touchmark:gateway:osaka".parse().unwrap()
}

fn verify_device(plant: &Plant, certificate: &[u8]) -> Result<cert::DeviceIdentity, Refusal> {
    DeviceVerifier::new(plant.trust()).verify(certificate, NOW)
}

/// Breaks a good device certificate and says how it is refused.
fn refused_device(break_it: impl FnOnce(&mut Draft)) -> Refusal {
    let plant = Plant::new();
    let mut draft = Draft::device(NUMBER, &Key::p256());
    break_it(&mut draft);
    verify_device(&plant, &draft.sign(&plant.issuing)).unwrap_err()
}

/// Breaks a good member certificate and says how it is refused.
fn refused_member(break_it: impl FnOnce(&mut Draft)) -> Refusal {
    let plant = Plant::new();
    let mut draft = Draft::member(&gateway(), &Key::p256());
    break_it(&mut draft);
    plant.trust().verify_member(&draft.sign(&plant.plant), NOW).unwrap_err()
}

#[test]
fn a_good_device_is_known_by_its_number_and_key() {
    let plant = Plant::new();
    let certificate = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    let device = verify_device(&plant, &certificate).unwrap();
    assert_eq!(device.number.to_string(), NUMBER);
    assert_eq!(device.certificate_serial.to_string(), "5b".repeat(20));
    assert_eq!(device.spki_sha256, cert::Certificate::parse(&certificate).unwrap().spki_fingerprint());
}

#[test]
fn a_devices_key_is_on_p256_or_p384_and_a_members_on_p256() {
    let plant = Plant::new();
    let certificate = Draft::device(NUMBER, &Key::p384()).sign(&plant.issuing);
    assert_eq!(verify_device(&plant, &certificate).unwrap().number.to_string(), NUMBER);
    let p521 = |draft: &mut Draft| {
        draft.spki.algorithm.parameters = Some((&const_oid::db::rfc5912::SECP_521_R_1).into())
    };
    assert_eq!(refused_device(p521), Refusal::Key);
    assert_eq!(refused_member(p521), Refusal::Key);
    let p384 = |draft: &mut Draft| draft.spki = Draft::device(NUMBER, &Key::p384()).spki;
    assert_eq!(refused_member(p384), Refusal::Key);
}

#[test]
fn a_device_certificate_may_last_for_ever() {
    let plant = Plant::new();
    let mut draft = Draft::device(NUMBER, &Key::p256());
    draft.validity.1 = FOREVER;
    let certificate = draft.sign(&plant.issuing);
    assert_eq!(cert::Certificate::parse(&certificate).unwrap().not_after(), FOREVER);
    assert!(verify_device(&plant, &certificate).is_ok());
}

#[test]
fn what_a_tls_library_lets_through_is_refused_as_a_device() {
    let usage = |usages: der::flagset::FlagSet<KeyUsages>| true_extension(true, KeyUsage(usages));
    assert_eq!(
        refused_device(|draft| draft.remove::<ExtendedKeyUsage>()),
        Refusal::ExtendedKeyUsage("clientAuth")
    );
    assert_eq!(refused_device(|draft| draft.remove::<KeyUsage>()), Refusal::KeyUsage);
    assert_eq!(refused_device(|draft| draft.remove::<BasicConstraints>()), Refusal::BasicConstraints);
    assert_eq!(refused_device(|draft| draft.set(usage(KeyUsages::KeyCertSign.into()))), Refusal::KeyUsage);
    assert_eq!(
        refused_device(|draft| draft.set(usage(KeyUsages::KeyEncipherment.into()))),
        Refusal::KeyUsage
    );
    assert_eq!(
        refused_device(|draft| draft.set(usage(KeyUsages::DigitalSignature | KeyUsages::KeyAgreement))),
        Refusal::KeyUsage
    );
    assert_eq!(refused_device(|draft| draft.serial = vec![0]), Refusal::Serial);
    assert_eq!(refused_device(|draft| draft.serial = vec![0x80, 1]), Refusal::Serial);
    assert_eq!(
        refused_device(|draft| draft.serial = [&[0][..], &[0xff; 20]].concat()),
        Refusal::Serial,
        "a serial number of 160 bits"
    );
}

#[test]
fn a_device_has_exactly_one_number_as_the_standard_writes_it() {
    for subject in [
        common_name(NUMBER),
        serial_numbers(&[]),
        serial_numbers(&[utf8(NUMBER)]),
        serial_numbers(&[printable("no number")]),
        serial_numbers(&[printable(NUMBER), printable("3012-123457")]),
    ] {
        let refusal = refused_device(|draft| draft.subject = subject.clone());
        assert_eq!(refusal, Refusal::NoDeviceNumber, "{subject}");
    }
}

#[test]
fn purposes_keys_and_extensions_that_are_not_a_devices_are_refused() {
    let purposes = |purposes| true_extension(false, ExtendedKeyUsage(purposes));
    let path = |refusal| matches!(refusal, Refusal::Path(_));
    assert!(path(refused_device(|draft| draft.set(purposes(vec![rfc5280::ID_KP_SERVER_AUTH])))));
    assert!(path(refused_device(|draft| draft.set(purposes(vec![rfc5280::ANY_EXTENDED_KEY_USAGE])))));
    let authority = BasicConstraints { ca: true, path_len_constraint: None };
    assert!(path(refused_device(|draft| draft.set(true_extension(true, authority)))));
    let unknown = Extension { critical: true, ..true_extension(true, CertificatePolicies(Vec::new())) };
    let unknown =
        Extension { extn_id: const_oid::ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1"), ..unknown };
    assert!(path(refused_device(|draft| draft.set(unknown))));
    assert!(matches!(refused_device(|draft| draft.subject_key_identifier = None), Refusal::Extension(_)));
    assert!(matches!(
        refused_device(|draft| draft.names_key_of_issuer = false),
        Refusal::UnknownIssuer { .. }
    ));
}

#[test]
fn depth_is_exactly_two_under_a_listed_authority() {
    let plant = Plant::new();
    let draft = Draft::device(NUMBER, &Key::p256());
    let unknown = |certificate: &[u8]| {
        matches!(verify_device(&plant, certificate).unwrap_err(), Refusal::UnknownIssuer { .. })
    };
    assert!(unknown(&draft.sign(&plant.root)), "straight under the root");
    assert!(unknown(&draft.sign(&plant.issuing.subordinate("deeper"))), "under a CA below the issuing CA");
    assert!(
        unknown(&draft.sign(&plant.root.subordinate("unlisted"))),
        "under an unlisted CA of the same root"
    );
    assert!(unknown(&draft.sign(&plant.plant)), "under the plant CA");
    assert!(unknown(&draft.sign(&Ca::root("issuing"))), "under a stranger of the same name");
}

#[test]
fn a_forged_signature_is_refused() {
    let plant = Plant::new();
    let mut certificate = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    let last = certificate.len() - 1;
    certificate[last] ^= 1;
    assert!(matches!(
        verify_device(&plant, &certificate).unwrap_err(),
        Refusal::Path(_) | Refusal::Malformed
    ));
}

#[test]
fn each_certificate_of_the_path_is_looked_at_for_its_time() {
    assert_eq!(refused_device(|draft| draft.validity.1 = NOW - 1), Refusal::NotCurrent);
    assert_eq!(refused_device(|draft| draft.validity.0 = NOW + 1), Refusal::NotCurrent);
    let root = Ca::root_valid("root", (NOW - 10, NOW + 10));
    let (plant, issuing) = (root.subordinate("plant"), root.subordinate("issuing"));
    let plant = Plant { common: root.subordinate("common"), root, plant, issuing };
    let certificate = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    let verifier = DeviceVerifier::new(plant.trust());
    assert!(verifier.verify(&certificate, NOW + 10).is_ok());
    let late = verifier.verify(&certificate, NOW + 11).unwrap_err();
    assert_eq!(late, Refusal::IssuerNotCurrent { issuer: "CN=issuing".into() });
}

#[test]
fn cas_of_devices_that_are_taken_count_at_once_in_all_clones_and_no_verdict_outlives_its_ca() {
    let plant = Plant::new();
    let further = plant.root.subordinate("further");
    let trust = plant.trust_with_common();
    let (clone, verifier) = (trust.clone(), DeviceVerifier::new(trust.clone()));
    let (old, new) = (
        Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing),
        Draft::device(NUMBER, &Key::p256()).sign(&further),
    );
    let gateway = Draft::member(&gateway(), &Key::p256()).sign(&plant.plant);
    let take = |cas: &[&Ca]| {
        let ders: Vec<&[u8]> = cas.iter().map(|ca| ca.der.as_slice()).collect();
        trust.take(trust.check_issuing(&ders).unwrap());
    };
    let are_in = || {
        [&old, &new].map(|device| {
            let is_in = clone.verify_peer(device, NOW).is_ok();
            assert_eq!(verifier.verify(device, NOW).is_ok(), is_in);
            is_in
        })
    };
    assert_eq!(are_in(), [true, false]);
    take(&[&plant.issuing, &further]);
    assert_eq!(are_in(), [true, true]);
    // It was verified a moment ago, and is not remembered.
    take(&[&further]);
    assert_eq!(are_in(), [false, true]);
    assert!(clone.verify_peer(&gateway, NOW).is_ok() && clone.common().is_some(), "all else is as before");
    let issuing = Fingerprint::of(&plant.issuing.der);
    assert!(clone.trusts_issuer(&Fingerprint::of(&further.der)) && !clone.trusts_issuer(&issuing));

    for stranger in
        [&Ca::root("further"), &Ca::root("root").subordinate("further"), &plant.plant, &plant.common]
    {
        trust.check_issuing(&[&further.der, &stranger.der]).unwrap_err();
    }
    assert_eq!(are_in(), [false, true]);
}

#[test]
fn bytes_that_are_not_one_certificate_are_refused() {
    let plant = Plant::new();
    let good = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    let trailing = [good.as_slice(), &[0]].concat();
    for bytes in [&[][..], b"certificate", &good[..good.len() - 1], &trailing] {
        assert_eq!(verify_device(&plant, bytes).unwrap_err(), Refusal::Malformed);
    }
}

#[test]
fn any_changed_byte_is_refused_and_nothing_panics() {
    let plant = Plant::new();
    let verifier = DeviceVerifier::new(plant.trust());
    let good = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[position] ^= 1 << bit;
            assert!(verifier.verify(&changed, NOW).is_err(), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn the_register_knows_the_key_and_whether_it_is_in_use() {
    let plant = Plant::new();
    let certificate = Draft::device(NUMBER, &Key::p256()).sign(&plant.issuing);
    let device = verify_device(&plant, &certificate).unwrap();
    for state in CredentialState::ALL {
        for is_successor in [false, true] {
            let registration = Registration { spki_sha256: device.spki_sha256, state, is_successor };
            let in_use = match state {
                CredentialState::Written | CredentialState::Verified => true,
                CredentialState::Leased => is_successor,
                _ => false,
            };
            assert_eq!(device.check_registration(&registration).is_ok(), in_use, "{state}");
        }
    }
    let (spki_sha256, state) = (Fingerprint::of(b"other"), CredentialState::Verified);
    let other = Registration { spki_sha256, state, is_successor: true };
    assert_eq!(device.check_registration(&other), Err(Refusal::OtherKey(device.number.clone())));
}

#[test]
fn a_good_member_is_known_by_its_name() {
    let plant = Plant::new();
    let certificate = Draft::member(&gateway(), &Key::p256()).sign(&plant.plant);
    let trust = plant.trust();
    assert_eq!(trust.verify_member(&certificate, NOW).unwrap().member, gateway());
    assert!(trust.verify_host(&certificate, &gateway(), NOW).is_ok());
    let other: Member = "urn:touchmark:gateway:nagoya".parse().unwrap();
    let refusal = trust.verify_host(&certificate, &other, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::OtherMember { expected: Box::new(other), found: Box::new(gateway()) });
}

#[test]
fn broken_member_certificates_are_refused() {
    let purposes = |purposes| true_extension(false, ExtendedKeyUsage(purposes));
    assert_eq!(
        refused_member(|draft| draft.set(purposes(vec![rfc5280::ID_KP_CLIENT_AUTH]))),
        Refusal::ExtendedKeyUsage("serverAuth")
    );
    assert_eq!(
        refused_member(|draft| draft.remove::<ExtendedKeyUsage>()),
        Refusal::ExtendedKeyUsage("clientAuth")
    );
    assert_eq!(refused_member(|draft| draft.remove::<KeyUsage>()), Refusal::KeyUsage);
    assert_eq!(refused_member(|draft| draft.remove::<SubjectAltName>()), Refusal::NoMember);
    for names in [&["urn:touchmark:device:osaka"][..], &["urn:touchmark:gateway:osaka"; 2], &["osaka"]] {
        let refusal = refused_member(|draft| draft.set(true_extension(false, uris(names))));
        assert_eq!(refusal, Refusal::NoMember, "{names:?}");
    }
}

#[test]
fn no_device_passes_as_a_member_and_no_member_as_a_device() {
    let plant = Plant::new();
    let trust = plant.trust();
    let key = Key::p256();
    let device = Draft::device(NUMBER, &key).sign(&plant.issuing);
    let member = Draft::member(&gateway(), &key).sign(&plant.plant);
    assert!(matches!(trust.verify_peer(&device, NOW), Ok(PeerIdentity::Device(_))));
    assert!(matches!(trust.verify_peer(&member, NOW), Ok(PeerIdentity::Member(_))));
    assert!(matches!(trust.verify_member(&device, NOW), Err(Refusal::UnknownIssuer { .. })));
    assert!(matches!(verify_device(&plant, &member), Err(Refusal::UnknownIssuer { .. })));

    // Even one that says both of itself is what its CA signs, and nothing else.
    let mut both = Draft::member(&gateway(), &key);
    both.subject = serial_numbers(&[printable(NUMBER)]);
    let (as_device, as_member) = (both.sign(&plant.issuing), both.sign(&plant.plant));
    assert!(matches!(trust.verify_peer(&as_device, NOW), Ok(PeerIdentity::Device(_))));
    assert!(matches!(trust.verify_member(&as_device, NOW), Err(Refusal::UnknownIssuer { .. })));
    assert!(matches!(trust.verify_peer(&as_member, NOW), Ok(PeerIdentity::Member(_))));
    assert!(matches!(verify_device(&plant, &as_member), Err(Refusal::UnknownIssuer { .. })));
}

#[test]
fn a_common_certificate_is_a_peer_of_its_own_kind() {
    let plant = Plant::new();
    let common = Draft::common("3012-1", &Key::p256()).sign(&plant.common);
    let Ok(PeerIdentity::Common(peer)) = plant.trust_with_common().verify_peer(&common, NOW) else {
        panic!("it is taken for something else")
    };
    assert_eq!(peer.batch.to_string(), "3012-1");
    assert_eq!(peer.certificate_serial.to_string(), "5b".repeat(20));
    let stranger = plant.trust().verify_peer(&common, NOW);
    assert!(matches!(stranger, Err(Refusal::UnknownIssuer { .. })), "where its CA is not known");
}

#[test]
fn broken_common_certificates_are_refused() {
    let plant = Plant::new();
    let refused = |break_it: &dyn Fn(&mut Draft)| {
        let mut draft = Draft::common("3012-1", &Key::p256());
        break_it(&mut draft);
        plant.trust_with_common().verify_peer(&draft.sign(&plant.common), NOW).unwrap_err()
    };
    let purposes = |purposes| true_extension(false, ExtendedKeyUsage(purposes));
    let other_purpose = refused(&|draft| draft.set(purposes(vec![rfc5280::ID_KP_CLIENT_AUTH])));
    assert!(matches!(other_purpose, Refusal::Path(_)), "{other_purpose:?}");
    let both = vec![RECOVERY_PURPOSE, rfc5280::ID_KP_CLIENT_AUTH];
    let both = refused(&|draft| draft.set(purposes(both.clone())));
    assert_eq!(both, Refusal::ExtendedKeyUsage("recovery as its only purpose"));
    let none = refused(&|draft| draft.remove::<ExtendedKeyUsage>());
    assert!(matches!(none, Refusal::Path(_)), "{none:?}");
    assert_eq!(refused(&|draft| draft.remove::<KeyUsage>()), Refusal::KeyUsage);
    assert_eq!(refused(&|draft| draft.remove::<SubjectAltName>()), Refusal::NoBatch);
    assert_eq!(refused(&|draft| draft.subject = serial_numbers(&[printable(NUMBER)])), Refusal::NoBatch);
    for names in [&["urn:touchmark:common:3012-123456"][..], &["urn:touchmark:common:3012-1"; 2]] {
        let refusal = refused(&|draft| draft.set(true_extension(false, uris(names))));
        assert_eq!(refusal, Refusal::NoBatch, "{names:?}");
    }
    assert_eq!(refused(&|draft| draft.validity = (NOW - 2, NOW - 1)), Refusal::NotCurrent);
}

#[test]
fn no_common_certificate_passes_as_a_device_or_member_and_neither_as_one() {
    let plant = Plant::new();
    let (trust, key) = (plant.trust_with_common(), Key::p256());
    // What a CA of ours has signed is what that CA signs, whatever it says of itself.
    for draft in [Draft::device(NUMBER, &key), Draft::member(&gateway(), &key)] {
        let refusal = trust.verify_peer(&draft.sign(&plant.common), NOW).unwrap_err();
        assert!(matches!(refusal, Refusal::Path(_)), "{refusal:?}");
    }
    let common = Draft::common("3012-1", &key);
    let as_device = trust.verify_peer(&common.sign(&plant.issuing), NOW).unwrap_err();
    assert!(matches!(as_device, Refusal::Path(_)), "{as_device:?}");
    let as_member = trust.verify_peer(&common.sign(&plant.plant), NOW).unwrap_err();
    assert!(matches!(as_member, Refusal::Path(_)), "{as_member:?}");
    let verifier = DeviceVerifier::new(trust.clone());
    let device = verifier.verify(&Draft::device(NUMBER, &key).sign(&plant.common), NOW);
    assert!(matches!(device, Err(Refusal::UnknownIssuer { .. })));
    for same in [&plant.plant.der, &plant.issuing.der] {
        assert!(matches!(plant.trust().with_common(same), Err(Refusal::NotAuthority(_))), "one key for both");
    }
}

#[test]
fn authorities_that_are_none_make_no_trust() {
    let plant = Plant::new();
    let none: &[&[u8]] = &[];
    let refused = |root: &[u8], below: &[u8]| Trust::new(root, below, none).unwrap_err();
    let stranger = Ca::root("root");
    assert!(matches!(refused(&plant.root.der, &stranger.der), Refusal::Path(_)), "signed by a namesake");
    assert!(matches!(refused(&plant.plant.der, &plant.plant.der), Refusal::UnknownIssuer { .. }), "no root");
    let member = Draft::member(&gateway(), &Key::p256()).sign(&plant.root);
    assert!(matches!(refused(&plant.root.der, &member), Refusal::NotAuthority(_)), "no CA");
    let mut no_signer = Draft::authority("plant", &Key::p256());
    no_signer.set(true_extension(true, KeyUsage(KeyUsages::DigitalSignature.into())));
    assert!(matches!(refused(&plant.root.der, &no_signer.sign(&plant.root)), Refusal::NotAuthority(_)));
    let same = Trust::new(&plant.root.der, &plant.plant.der, &[&plant.plant.der]);
    assert!(matches!(same, Err(Refusal::NotAuthority(_))), "one key for members and devices");
}
