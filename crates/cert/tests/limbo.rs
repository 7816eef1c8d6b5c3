//! Path validation against cases that others made: whatever they expect to fail, we refuse.
//!
//! Every case goes to the whole verification, as a device and as a member: both refuse all of them, if
//! only because no case states a device number or a member. That alone would prove little, so every case
//! also goes to the rules of the path ([`cert::issuer`]), which know nothing of numbers and members.
//! A failure that these rules let through must be listed, with the reason why the rule is not the path's.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use cert::issuer::{Issuer, Purpose};
use cert::{Certificate, Trust};
use der::pem;
use serde_json::Value;

const A_NAME: &str =
    "hosts are known by the member they state, not by a web name; names in the case are not compared";
const A_KEY: &str = "the rule for all kinds that a key is on P-256 refuses it, after the path";
const A_USAGE: &str = "the rules of members and devices for (extended) key usage refuse it, after the path";

/// Expected failures that the rules of the path let through, and why.
const NOT_OF_THE_PATH: [(&str, &str); 22] = [
    ("crl::crlnumber-critical", "revocation is looked up in the register, not in revocation lists"),
    ("crl::revoked-certificate-with-crl", "revocation is looked up in the register, not in revocation lists"),
    ("rfc5280::leaf-ku-keycertsign", A_USAGE),
    ("rfc5280::san::ip-in-dns", A_NAME),
    ("webpki::cn::ipv4-leading-zeros-mismatch", A_NAME),
    ("webpki::cn::ipv6-uncompressed-mismatch", A_NAME),
    ("webpki::cn::not-in-san", A_NAME),
    ("webpki::cn::punycode-not-in-san", A_NAME),
    ("webpki::eku::ee-anyeku", A_USAGE),
    ("webpki::eku::ee-without-eku", A_USAGE),
    ("webpki::forbidden-dsa-leaf", A_KEY),
    ("webpki::forbidden-p192-leaf", A_KEY),
    ("webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf", A_KEY),
    ("webpki::forbidden-weak-rsa-in-leaf", A_KEY),
    ("webpki::malformed-aia", "an extension that is not critical and not used here is not read"),
    ("webpki::san::mismatch-domain-san", A_NAME),
    ("webpki::san::mismatch-subdomain-apex-san", A_NAME),
    ("webpki::san::public-suffix-private-namespace-wildcard-san", A_NAME),
    ("webpki::san::public-suffix-wildcard-san", A_NAME),
    ("webpki::san::san-wildcard-only-tld", A_NAME),
    ("webpki::san::wildcard-embedded-leftmost-san", A_NAME),
    ("webpki::san::wildcard-match-across-labels-san", A_NAME),
];

/// How many expected successes the rules of the path accept. The others are outside our profile: RSA
/// keys, longer paths, roots that another CA signed, CAs without key usage, name constraints.
const ACCEPTED: usize = 13;

#[test]
fn every_expected_failure_is_refused() {
    let cases: Value = serde_json::from_str(include_str!("vectors/limbo-part.json")).unwrap();
    let cases: Vec<Case> = cases["testcases"].as_array().unwrap().iter().map(Case::read).collect();
    assert_eq!(cases.len(), 97);
    let accepted: Vec<&Case> = cases.iter().filter(|case| case.is_accepted_by_path()).collect();
    let wrongly: BTreeSet<&str> =
        accepted.iter().filter(|case| !case.is_expected).map(|case| case.id.as_str()).collect();
    let listed: BTreeSet<&str> = NOT_OF_THE_PATH.iter().map(|(id, _)| *id).collect();
    assert_eq!(wrongly, listed, "the list must be exact");
    assert_eq!(accepted.iter().filter(|case| case.is_expected).count(), ACCEPTED);
    for case in &cases {
        assert!(case.is_refused_whole(), "{} is a device or member", case.id);
    }
}

struct Case {
    id: String,
    is_expected: bool,
    purpose: Purpose,
    now: i64,
    roots: Vec<Vec<u8>>,
    intermediates: Vec<Vec<u8>>,
    peer: Vec<u8>,
}

impl Case {
    fn read(case: &Value) -> Self {
        let list = |key: &str| case[key].as_array().unwrap().iter().map(der_of).collect();
        Self {
            id: case["id"].as_str().unwrap().to_string(),
            is_expected: case["expected_result"] == "SUCCESS",
            purpose: if case["validation_kind"] == "CLIENT" { Purpose::Client } else { Purpose::Server },
            now: case["validation_time"].as_str().map_or(NOW, epoch_seconds),
            roots: list("trusted_certs"),
            intermediates: list("untrusted_intermediates"),
            peer: der_of(&case["peer_certificate"]),
        }
    }

    /// Whether any path of our depth or one less holds: root, perhaps one CA, certificate.
    fn is_accepted_by_path(&self) -> bool {
        let Ok(peer) = Certificate::parse(&self.peer) else { return false };
        let roots: Vec<Issuer> = self.roots.iter().filter_map(|der| Issuer::root(der).ok()).collect();
        let below = roots
            .iter()
            .flat_map(|root| self.intermediates.iter().filter_map(|der| root.subordinate(der).ok()));
        let issuers: Vec<Issuer> = roots.iter().cloned().chain(below).collect();
        issuers.iter().any(|issuer| issuer.verify(&peer, self.purpose, self.now).is_ok())
    }

    /// Whether no combination of the case's CAs makes its certificate a device or a member.
    fn is_refused_whole(&self) -> bool {
        let trusts = self.roots.iter().flat_map(|root| {
            let trust = |below: &Vec<u8>| Trust::new(root, below, &[] as &[&[u8]]).ok();
            self.intermediates.iter().filter_map(trust).collect::<Vec<_>>()
        });
        let mut verdicts = trusts.map(|trust| trust.verify_peer(&self.peer, self.now));
        verdicts.all(|verdict| verdict.is_err())
    }
}

/// The time of cases that name none: 2026-01-01.
const NOW: i64 = 1_767_225_600;

fn der_of(pem: &Value) -> Vec<u8> {
    pem::decode_vec(pem.as_str().unwrap().trim().as_bytes()).unwrap().1
}

/// The suite writes times as `2024-01-01T00:00:00+00:00`.
fn epoch_seconds(text: &str) -> i64 {
    let utc = format!("{}Z", text.strip_suffix("+00:00").unwrap());
    let time: der::DateTime = utc.parse().unwrap();
    time.unix_duration().as_secs().try_into().unwrap()
}
