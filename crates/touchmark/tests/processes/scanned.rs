//! What scanners that others made say of a center's port, as it is by default and with TLS 1.2.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::network::{join_center, target_of};
use crate::services::workspace;
use crate::site::{Process, Site};

const SUITES_OF_TLS_1_3: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const SUITES_OF_TLS_1_2: [&str; 3] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// A center that knows nobody, with its authority; neither is asked for more than handshakes.
fn center(options: &[&str]) -> (Site, [Process; 2]) {
    let site = Site::new();
    let authority = site.set_up_authority();
    join_center(&site);
    let center = site.start(&[&["center", "serve"], options].concat()).0;
    (site, [authority, center])
}

#[test]
fn sslyze_finds_nothing() {
    for (options, suites_of_tls_1_2) in
        [(&[][..], &[][..]), (&["--tls12-product", "3012"], &SUITES_OF_TLS_1_2[..])]
    {
        let (site, _processes) = center(options);
        let result = scan_by_sslyze(&site);
        for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
            assert_eq!(accepted(&result, version), BTreeSet::new(), "{version}");
        }
        // For some suites sslyze uses an openssl that knows no extended master secret, and is refused for that.
        let found = accepted(&result, "tls_1_2");
        assert!(found.iter().all(|suite| suites_of_tls_1_2.contains(suite)), "{found:?}");
        assert_eq!(found.is_empty(), suites_of_tls_1_2.is_empty());
        assert_eq!(accepted(&result, "tls_1_3"), BTreeSet::from(SUITES_OF_TLS_1_3));
        for (scan, finding, expected) in [
            ("heartbleed", "is_vulnerable_to_heartbleed", Value::from(false)),
            ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false.into()),
            ("tls_compression", "supports_compression", false.into()),
            ("tls_1_3_early_data", "supports_early_data", false.into()),
            ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false.into()),
            ("session_renegotiation", "supports_secure_renegotiation", true.into()),
            ("tls_extended_master_secret", "supports_ems_extension", true.into()),
            ("tls_fallback_scsv", "supports_fallback_scsv", true.into()),
            ("robot", "robot_result", "NOT_VULNERABLE_RSA_NOT_SUPPORTED".into()),
        ] {
            assert_eq!(result[scan]["status"], "COMPLETED", "{scan}: {}", result[scan]);
            assert_eq!(result[scan]["result"][finding], expected, "{scan}");
        }
    }
}

fn scan_by_sslyze(site: &Site) -> Value {
    let file = site.file("sslyze.json");
    let output = Command::new(workspace().join("target/tools/sslyze/bin/sslyze"))
        .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--heartbleed"])
        .args(["--openssl_ccs", "--compression", "--early_data", "--reneg", "--ems", "--fallback", "--robot"])
        .args(["--mozilla_config=disable", "--json_out", &file, &target_of(&site.center_url())])
        .output()
        .expect("./check installs sslyze");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mut report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    report["server_scan_results"][0]["scan_result"].take()
}

/// The suites of a version that the port took.
fn accepted<'a>(result: &'a Value, version: &str) -> BTreeSet<&'a str> {
    let suites = &result[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"];
    let name = |suite: &'a Value| suite["cipher_suite"]["name"].as_str().unwrap();
    suites.as_array().unwrap_or_else(|| panic!("{version} was not scanned")).iter().map(name).collect()
}

/// Findings of testssl.sh that are as they should be, and why: a plant is no part of the web.
const OF_THE_WEB: [(&str, &str); 6] = [
    ("engine_problem", "it is of the scanner's own openssl"),
    ("cert_trust", "a member is known by the URN in its certificate, not by a web name"),
    ("cert_revocation", "a member's revocation is looked up in the register, with every request"),
    ("DNS_CAArecord", "no public CA issues for a plant"),
    ("HSTS", "the port speaks to devices, and nothing but TLS"),
    ("security_headers", "the port speaks to devices, not to browsers"),
];

/// Takes minutes, so `./check --long` runs it.
#[test]
fn testssl_finds_nothing() {
    let is_long = std::env::var("TOUCHMARK_SWEEP").as_deref() == Ok("long");
    let scans: &[&[&str]] = if is_long { &[&[], &["--tls12-product", "3012"]] } else { &[] };
    for options in scans {
        let (site, _processes) = center(options);
        let file = site.file("testssl.json");
        let output = Command::new("testssl")
            .args(["--quiet", "--color", "0", "--warnings", "off", "--jsonfile", &file])
            .args(["--add-ca", &site.file("center/root.pem"), &target_of(&site.center_url())])
            .output()
            .expect("./check installs testssl.sh");
        let findings: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let is_finding = |line: &&Value| {
            let is_fine = matches!(line["severity"].as_str(), Some("OK" | "INFO" | "DEBUG"));
            !is_fine && OF_THE_WEB.iter().all(|(id, _)| line["id"] != *id)
        };
        let lines = findings.as_array().unwrap();
        let found: Vec<&Value> = lines.iter().filter(is_finding).collect();
        assert!(found.is_empty(), "{found:#?}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(lines.len() > 50, "it looked at everything: {lines:#?}");
    }
}
