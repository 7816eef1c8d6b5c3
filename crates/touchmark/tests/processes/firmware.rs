//! Firmware goes from its maker by way of the center into devices, through outages, and back.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::calling::{Fleet, flash, number};
use crate::site::{Process, Site};

/// A maker with a key of its own, who signs images of 3012.
struct Maker<'a> {
    site: &'a Site,
    name: &'static str,
}

impl<'a> Maker<'a> {
    fn new(site: &'a Site, name: &'static str) -> Self {
        let maker = Self { site, name };
        let passphrase = site.file("root.passphrase");
        let (key, public) = (maker.key(), maker.public());
        let make = ["firmware", "key", "make", "--out", &key, "--public", &public];
        let made = site.json(&[&make[..], &["--passphrase-file", &passphrase]].concat());
        assert_eq!(made["keyName"].as_str().unwrap().len(), 16);
        assert!(fs::read_to_string(&key).unwrap().contains("ENCRYPTED PRIVATE KEY"));
        site.json(&["center", "firmware", "key", "add", "--product", "3012", &public]);
        maker
    }

    fn key(&self) -> String {
        self.site.file(&format!("{}.key", self.name))
    }

    fn public(&self) -> String {
        self.site.file(&format!("{}.pem", self.name))
    }

    /// Signs an image of so many bytes; where the package is.
    fn sign(&self, version: &str, bytes: usize) -> String {
        let image = self.site.file(&format!("{version}.image"));
        let mut random = StdRng::seed_from_u64(bytes as u64);
        fs::write(&image, (0..bytes).map(|_| random.random::<u8>()).collect::<Vec<u8>>()).unwrap();
        let (key, passphrase) = (self.key(), self.site.file("root.passphrase"));
        let out = self.site.file(&format!("{}-{version}.package", self.name));
        let what = ["firmware", "sign", &image, "--product", "3012", "--version", version];
        let with = ["--key", &key, "--passphrase-file", &passphrase, "--out", &out];
        self.site.json(&[&what[..], &with].concat());
        out
    }

    /// Signs an image and adds it to the center; the package's name.
    fn add(&self, version: &str, bytes: usize) -> String {
        let added = self.site.json(&["center", "firmware", "add", &self.sign(version, bytes)]);
        assert_eq!((&added["product"], &added["version"]), (&"3012".into(), &version.into()));
        added["package"].as_str().unwrap().to_owned()
    }

    /// Builds a device anew with this maker's key and the version 1.0.0.
    fn build_in(&self, n: u32) {
        let (flash, public) = (flash(self.site, n), self.public());
        let built = ["device", "emulate", "--flash", &flash, "--maker-key", &public, "--firmware", "1.0.0"];
        drop(self.site.start(&built));
        assert_eq!(self.site.json(&["device", "show", "--flash", &flash])["firmware"], "1.0.0");
    }
}

fn start(site: &Site, package: &str, minimum: &str) -> Value {
    let what = ["center", "rollout", "start", "--firmware", package, "--product", "3012"];
    site.json(&[&what[..], &["--share", "100", "--halt-above", "40", "--minimum", minimum]].concat())
}

/// What came of a device's last request.
fn last_outcome(fleet: &Fleet, n: u32) -> String {
    let requests = fleet.list(&["center", "requests", "--device", &number(n)]);
    requests[0]["outcome"].as_str().unwrap_or("open").to_owned()
}

#[test]
fn a_package_goes_out_in_a_roll_out_and_back() {
    let fleet = Fleet::of(2);
    let site = &fleet.site;
    let maker = Maker::new(site, "maker");
    for n in 0..2 {
        maker.build_in(n);
        assert_eq!(fleet.call(n, &["poll"]).unwrap()["firmware"], "1.0.0");
    }
    let package = maker.sign("1.1.0", 300_000);
    let (key, verify) = (maker.public(), ["firmware", "verify"]);
    assert_eq!(site.json(&[&verify[..], &[&package, "--key", &key]].concat())["version"], "1.1.0");
    let mut bytes = fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let tampered = site.file("tampered.package");
    fs::write(&tampered, bytes).unwrap();
    for refused in
        [&[&verify[..], &[&tampered, "--key", &key]].concat(), &vec!["center", "firmware", "add", &tampered]]
    {
        assert_eq!(site.run(refused).status.code(), Some(1), "{refused:?}");
    }

    let (older, old, new) = (maker.add("0.9.0", 1), maker.add("1.0.0", 70_000), maker.add("1.1.0", 300_000));
    assert_eq!(fleet.list(&["center", "firmware", "list"]).len(), 3);
    assert_eq!(start(site, &new, "2")["rollout"], 1);
    for n in 0..2 {
        assert_eq!(fleet.call(n, &["poll"]).unwrap()["firmware"], "1.1.0");
    }
    let shown = site.json(&["center", "rollout", "show", "1"]);
    assert_eq!((&shown["asked"], &shown["done"], &shown["state"]), (&2.into(), &2.into(), &"running".into()));
    assert_eq!(fleet.list(&["center", "devices"])[0]["firmware"], "1.1.0");

    let back = site.json(&["center", "rollout", "roll-back", "1"]);
    assert_eq!((&back["state"], &back["backTo"]), (&"rolling-back".into(), &"1.0.0".into()));
    for n in 0..2 {
        assert_eq!(fleet.call(n, &["poll"]).unwrap()["firmware"], "1.0.0");
    }
    assert_eq!(site.json(&["center", "rollout", "show", "1"])["rolledBack"], 2);

    // What a person asks for is judged by the device as well.
    site.json(&["center", "request", &number(0), "fetch-firmware", &older]);
    assert_eq!(fleet.call(0, &["poll"]).unwrap()["firmware"], "1.0.0");
    assert_eq!(
        last_outcome(&fleet, 0),
        r#"{"outcome":"refused","reason":"the package is older than what runs"}"#
    );
    site.json(&["center", "request", &number(0), "fetch-firmware", &old]);
    fleet.call(0, &["poll"]).unwrap();
    assert_eq!(last_outcome(&fleet, 0), r#"{"outcome":"done"}"#, "it runs that already");

    // The center trusts another maker as well; the devices were built with the first one's key only.
    let foreign = Maker::new(site, "other").add("2.0.0", 1_000);
    start(site, &foreign, "2");
    for n in 0..2 {
        assert_eq!(fleet.call(n, &["poll"]).unwrap()["firmware"], "1.0.0");
        assert!(last_outcome(&fleet, n).contains("refused"));
    }
    let halted = site.json(&["center", "rollout", "show", "2"]);
    assert_eq!((&halted["state"], &halted["refused"]), (&"halted".into(), &2.into()), "{halted}");
    let audit = site.json(&["audit", "verify", "--data", &site.file("center")]);
    assert_eq!(audit["valid"], true, "{audit}");
    assert_eq!(fleet.list(&["center", "incidents"]), Vec::<Value>::new());
}

/// About a hundred ranges.
const IMAGE_BYTES: usize = 6 * 1_024 * 1_024;
const CUTS: u32 = 8;

#[test]
fn a_fetch_goes_on_where_it_stopped_however_often_device_and_center_are_killed() {
    let mut fleet = Fleet::of(1);
    let (package, bytes) = {
        let maker = Maker::new(&fleet.site, "maker");
        maker.build_in(0);
        let package = maker.add("2.0.0", IMAGE_BYTES);
        (package, fs::read(fleet.site.file("maker-2.0.0.package")).unwrap())
    };
    fleet.site.json(&["center", "request", &number(0), "fetch-firmware", &package]);
    let (area, url) = (format!("{}.program", flash(&fleet.site, 0)), fleet.site.center_url());
    let come = || fs::metadata(format!("{area}.new")).map_or(0, |file| file.len());
    let mut random = StdRng::seed_from_u64(20_030_319);
    let mut before = 0;
    let mut grew = 0;
    for cut in 0..CUTS {
        let flash = flash(&fleet.site, 0);
        let poll = ["device", "call", "poll", "--flash", &flash, "--center", &url, "--center-name", "europe"];
        let device = fleet
            .site
            .command(&poll)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Process)
            .unwrap();
        thread::sleep(Duration::from_millis(random.random_range(50..500)));
        if cut % 2 == 0 {
            drop(device);
        } else {
            fleet.kill_center();
            drop(device);
            fleet.start_center();
        }
        let now = come();
        assert!(now >= before || fs::exists(&area).unwrap(), "{now} bytes after {before}");
        grew += u32::from(now > before);
        before = now;
    }
    assert!(grew > 0, "no cut came while it was fetching");
    assert_eq!(fleet.call(0, &["poll"]).unwrap()["firmware"], "2.0.0");
    assert!(fs::read(&area).unwrap() == bytes, "what runs is what was signed");
    assert_eq!(last_outcome(&fleet, 0), r#"{"outcome":"done"}"#);
    assert_eq!(fleet.list(&["center", "requests"]).len(), 1);
    assert_eq!(fleet.list(&["center", "incidents"]), Vec::<Value>::new());
}
