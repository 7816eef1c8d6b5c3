//! A revocation, from the command to the last role that hears of it, each a process of its own with the pace that it has
//! when nobody says otherwise.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::network::join_center;
use crate::services::{python, workspace};
use crate::site::{Process, Site, free_port, lines, today};

/// Within this time a revocation is effective wherever a role can be reached.
const EFFECTIVE_WITHIN: Duration = Duration::from_secs(60);

const MADE: &str = "A123-123456";
const STOCKED: &str = "A123-123457";

/// A plant whose devices have both kinds of credential: one device that was made, and the pack for another in stock.
struct Plant {
    site: Site,
    /// Where the device keeps what it holds.
    flash: String,
    key_file: String,
    authenticator: String,
    _roles: [Process; 4],
}

impl Plant {
    fn new() -> Self {
        let site = Site::new();
        let published = format!("127.0.0.1:{}", free_port());
        append(
            &site,
            "authority.toml",
            &format!("publish = \"{published}\"\npublished_url = \"http://{published}\"\n"),
        );
        let center = site.path("center.toml");
        let config = fs::read_to_string(&center).unwrap();
        fs::write(&center, config.replace("pull_seconds = 1\n", "")).unwrap();

        let authority = site.set_up_authority();
        let key_file = site.file("A123.json");
        for command in [
            "product set A123 --certificate --symmetric opened --sealing pre-write-key",
            "pre-write-key make A123",
            &format!("pre-write-key export A123-1 --json-file {key_file}"),
            "allot osaka A123 --quota 10 --first 123456 --last 123999",
        ] {
            let words: Vec<&str> = ["authority"].into_iter().chain(command.split(' ')).collect();
            site.json(&words);
        }
        let gateway = site.set_up_gateway();
        site.set_up_station("line-1");
        fs::write(site.path("products.csv"), "No,DEVICE CODE,CERTIFICATE,REMARKS\n1,A123,YES,\n").unwrap();
        fs::write(site.path("plan.csv"), format!("DEVICE CODE,{}\nA123,2\n", today())).unwrap();
        for file in ["products.csv", "plan.csv"] {
            assert!(site.run(&["plan", "import", &site.file(file)]).status.success());
        }
        site.json(&["gateway", "replenish"]);
        site.wait_until("stock", || counted(&site, "stocked") == 4);
        let device = site.device_with("A123", "00000001", "tcp:127.0.0.1:0", &["--pre-write-key", &key_file]);
        site.json(&["station", "write", "--scan", MADE, "--device", &device.address]);
        drop(device.process);

        join_center(&site);
        let center = site.serve("center");
        let token = site.json(&["authority", "invite", "authenticator", "--name", "europe"]);
        site.json(&["authenticator", "join", token["token"].as_str().unwrap()]);
        let (authenticator, started) = site.start(&["authenticator", "serve"]);
        let address = format!("https://{}", started["address"].as_str().unwrap());
        let roles = [authority, gateway, center, authenticator];
        Self { site, flash: device.flash, key_file, authenticator: address, _roles: roles }
    }

    fn is_heard_by_center(&self) -> bool {
        let call = ["device", "call", "poll", "--flash", &self.flash, "--center-name", "europe"];
        self.site.run(&[&call[..], &["--center", &self.site.center_url()]].concat()).status.success()
    }

    fn is_heard_by_authenticator(&self) -> bool {
        let keys = ["--pre-write-key", &self.key_file, "--service", "supplies"];
        let server = ["--authenticator", &self.authenticator, "--authenticator-name", "europe"];
        let who = ["device", "authenticate", "--flash", &self.flash];
        self.site.run(&[&who[..], &keys, &server].concat()).status.success()
    }

    /// Fetches the CRL that the certificate in `exported/client.pem` names, or the delta to it.
    fn fetch(&self, suffix: &str, file: &str) {
        let client = self.site.file("exported/client.pem");
        let named = run("openssl", &["x509", "-in", &client, "-noout", "-ext", "crlDistributionPoints"]);
        let url = named.split("URI:").nth(1).unwrap().lines().next().unwrap().trim();
        let url = url.replace(".crl", &format!("{suffix}.crl"));
        run("curl", &["-sS", "--fail", "-o", &self.site.file(file), &url]);
    }

    /// What someone finds who is no member: whether the certificate was not revoked, by these CRLs.
    fn is_good_to_a_stranger(&self, crls: &[&str]) -> bool {
        let [client, root, issuing] = ["exported/client.pem", "exported/root.pem", "authority/issuing.pem"]
            .map(|name| self.site.file(name));
        let files: Vec<String> = crls.iter().map(|name| self.site.file(name)).collect();
        let lists = files.iter().flat_map(|file| ["--crl", file]);
        let verify = ["certificate", "verify", &client, "--root", &root, "--issuing", &issuing];
        let verify: Vec<&str> = verify.into_iter().chain(lists).collect();
        let output = self.site.run(&verify);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || said.contains("was revoked by its CA"), "{said}");
        output.status.success()
    }
}

#[test]
fn a_revocation_is_effective_everywhere_within_60_seconds() {
    let plant = Plant::new();
    let site = &plant.site;
    site.wait_until("the center to know the device", || plant.is_heard_by_center());
    site.wait_until("the authenticator to know it", || plant.is_heard_by_authenticator());
    let is_heard_by_authority = || site.standing_in(&plant.flash).is_some();
    assert!(is_heard_by_authority());
    plant.fetch("", "complete.crl");
    assert!(plant.is_good_to_a_stranger(&["complete.crl"]));
    // The certificate alone, without those above it.
    let [client, alone] = ["exported/client.pem", "exported/alone.pem"].map(|name| site.file(name));
    run("openssl", &["x509", "-in", &client, "-out", &alone]);
    pkilint_finds_nothing(&alone);

    let range = format!("{MADE}..{STOCKED}");
    let revoke = ["authority", "revoke", "--numbers", &range, "--reason", "key-compromise"];
    let done = site.json(&revoke);
    let started = Instant::now();
    // The pass phrase in stock is no device's yet.
    assert_eq!((&done["certificates"], &done["apparatuses"]), (&2.into(), &1.into()));
    let within = |is_refused: &dyn Fn() -> bool| {
        while !is_refused() {
            assert!(started.elapsed() < EFFECTIVE_WITHIN, "it is not effective yet");
            sleep(Duration::from_millis(200));
        }
        started.elapsed()
    };
    let took = scope(|scope| {
        let center = scope.spawn(|| within(&|| !plant.is_heard_by_center()));
        let authenticator = scope.spawn(|| within(&|| !plant.is_heard_by_authenticator()));
        let gateway = scope.spawn(|| within(&|| counted(site, "voided") == 3));
        let authority = within(&|| !is_heard_by_authority());
        [
            ("authority", authority),
            ("gateway", gateway.join().unwrap()),
            ("center", center.join().unwrap()),
            ("authenticator", authenticator.join().unwrap()),
        ]
    });
    let board =
        site.device_with("A123", "00000002", "tcp:127.0.0.1:0", &["--pre-write-key", &plant.key_file]);
    let written = site.run(&["station", "write", "--scan", STOCKED, "--device", &board.address]);
    assert_eq!(lines(&written)[0]["verdict"], "red", "the gateway gives its pack to nobody");
    plant.fetch("-delta", "delta.crl");
    assert!(!plant.is_good_to_a_stranger(&["complete.crl", "delta.crl"]));
    for (role, took) in took {
        writeln!(std::io::stderr(), "{role} refused {:.1} s after the revocation", took.as_secs_f64())
            .unwrap();
    }
    site.assert_books_are_whole();
}

/// How many credentials of the product, of both kinds, the gateway has of which this is so.
fn counted(site: &Site, column: &str) -> u64 {
    let status = site.json(&["gateway", "status"]);
    let rows = status["products"].as_array().unwrap().iter().filter(|row| row["product"] == "A123");
    rows.map(|row| row[column].as_u64().unwrap()).sum()
}

fn append(site: &Site, file: &str, text: &str) {
    let path = site.path(file);
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config + text).unwrap();
}

fn pkilint_finds_nothing(certificate: &str) {
    let script = workspace().join("crates/touchmark/tests/python/lint_certificates.py");
    let linted = Command::new(python()).arg(script).arg(certificate).output();
    let linted = linted.expect("./check installs the Python that this test needs");
    let said = String::from_utf8_lossy(&linted.stdout).into_owned();
    assert_eq!(said.trim(), "1 certificates, 0 findings", "{}", String::from_utf8_lossy(&linted.stderr));
    let shown = run("openssl", &["x509", "-in", certificate, "-noout", "-text"]);
    for pointer in ["CRL Distribution Points", "OCSP - URI", "CA Issuers - URI"] {
        assert!(shown.contains(pointer), "{pointer} is not in\n{shown}");
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
