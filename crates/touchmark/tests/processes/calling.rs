//! Devices in the field call their center: by hand, through outages, and while the center is killed.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use touchmark::member_files;

use crate::network::{ConnectProxy, target_of};
use crate::site::{Process, Site, lines};

/// A site whose center knows the devices that were made.
pub struct Fleet {
    pub site: Site,
    center: Option<Process>,
    _authority: Process,
    _gateway: Process,
}

impl Fleet {
    /// So many devices of 3012, from 3012-123456 on, made on the line and known to the center.
    pub fn of(units: u32) -> Self {
        Self::at(Site::new(), units, &[])
    }

    /// The same at this site; the product is set with these options.
    pub fn at(site: Site, units: u32, product: &[&str]) -> Self {
        let (site, authority, gateway) = site.stocked(units.into(), product);
        for n in 0..units {
            let device = site.device("3012", &format!("{n:016x}"), "tcp:127.0.0.1:0");
            let plate = number(n);
            site.json(&["station", "write", "--scan", &plate, "--device", &device.address]);
            drop(device.process);
            fs::rename(&device.flash, flash(&site, n)).unwrap();
        }
        let token = site.json(&["authority", "invite", "center", "--name", "europe"]);
        let joined = site.json(&["center", "join", token["token"].as_str().unwrap()]);
        assert_eq!(joined["member"], "urn:touchmark:center:europe");
        let center = Some(site.serve("center"));
        site.wait_until("the center to know the devices", || {
            site.json(&["center", "status"])["devices"]["verified"] == units
        });
        Self { site, center, _authority: authority, _gateway: gateway }
    }

    /// A device's call: what it printed, if it was answered.
    pub fn call(&self, n: u32, arguments: &[&str]) -> Option<Value> {
        call(&self.site, n, arguments)
    }

    /// `kill -9`.
    pub fn kill_center(&mut self) {
        drop(self.center.take());
    }

    pub fn start_center(&mut self) {
        self.center = Some(self.site.serve("center"));
    }

    pub fn list(&self, arguments: &[&str]) -> Vec<Value> {
        lines(&self.site.run(arguments))
    }

    /// How many units of a device are billed.
    fn billed(&self, n: u32) -> u64 {
        let invoice = ["invoice", "--from", "2026-01-01", "--to", "2100-01-01", "--device", &number(n)];
        let invoice = self.site.json(&invoice);
        invoice["lines"].as_array().unwrap().iter().map(|line| line["units"].as_u64().unwrap()).sum()
    }
}

pub fn number(n: u32) -> String {
    format!("3012-{}", 123_456 + n)
}

pub fn flash(site: &Site, n: u32) -> String {
    site.file(&format!("devices/{}.flash", number(n)))
}

pub fn call(site: &Site, n: u32, arguments: &[&str]) -> Option<Value> {
    let (flash, url) = (flash(site, n), site.center_url());
    let authority = site.authority_url();
    let to = [
        "--flash",
        &flash,
        "--center",
        &url,
        "--center-name",
        "europe",
        "--authority",
        &authority,
        "--authority-name",
        "head-office",
    ];
    let output = site.run(&[&["device", "call"], arguments, &to[..]].concat());
    output.status.success().then(|| lines(&output).remove(0))
}

#[test]
fn a_device_calls_home_and_does_what_it_is_asked() {
    let mut fleet = Fleet::of(2);
    let called = fleet.call(0, &["counter", "--set", "total=100", "--set", "color=7"]).unwrap();
    assert_eq!(called["deviceNumber"], number(0));
    assert!(fleet.call(0, &["service", "--fault-code", "E-13"]).is_some());
    assert!(fleet.call(0, &["supply", "--consumable", "toner", "--remaining", "5"]).is_some());
    assert!(fleet.call(0, &["alarm", "--alarm", "door open"]).is_some());
    assert!(fleet.call(0, &["manual", "--note", "ring me"]).is_some());
    assert_eq!(fleet.billed(0), 107);

    // A request is followed within the call that brings it, and what came of it is told.
    fleet.site.json(&["center", "request", &number(0), "set-initial-value", "total", "5000"]);
    fleet.site.json(&["center", "request", &number(0), "read-counters"]);
    fleet.site.json(&["center", "request", &number(0), "renew-certificate"]);
    let called = fleet.call(0, &["poll"]).unwrap();
    assert_eq!(called["counters"]["total"], 5_000);
    let requests = fleet.list(&["center", "requests", "--device", &number(0)]);
    let outcomes: Vec<&str> =
        requests.iter().map(|request| request["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, [r#"{"outcome":"done"}"#; 3]);
    assert_eq!(fleet.billed(0), 107, "an initial value bills nothing");

    // While the center is away a call is kept, and made again as it was.
    fleet.kill_center();
    let doctor = fleet.site.run(&["doctor", "--config", &fleet.site.file("center.toml")]);
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    let findings = lines(&doctor);
    let journal = findings.iter().find(|finding| finding["check"] == "journal").unwrap();
    assert_eq!(journal["verdict"], "fine", "{journal}");
    assert!(fleet.call(0, &["counter", "--set", "total=5010"]).is_none());
    fleet.start_center();
    let called = fleet.call(0, &["counter", "--set", "total=5030"]).unwrap();
    let sequence: Vec<_> = called["calls"].as_array().unwrap().iter().map(|call| &call["kind"]).collect();
    assert_eq!(sequence, ["counter", "counter"], "the one that was kept, and the new one");
    assert_eq!(fleet.billed(0), 137);

    // A copy of the device's memory goes on from the same place, and says something else.
    fs::copy(flash(&fleet.site, 0), fleet.site.file("copy.flash")).unwrap();
    assert!(fleet.call(0, &["counter", "--set", "total=5040"]).is_some());
    fs::rename(fleet.site.file("copy.flash"), flash(&fleet.site, 0)).unwrap();
    assert!(fleet.call(0, &["counter", "--set", "total=9999"]).is_none());
    let incidents = fleet.list(&["center", "incidents"]);
    assert_eq!((incidents.len(), &incidents[0]["kind"]), (1, &Value::from("fork")));
    assert_eq!(fleet.billed(0), 137, "the ten units that the first said since are held");
    let listed = fleet.list(&["center", "quarantine", "list"]);
    assert_eq!((listed.len(), &listed[0]["deviceNumber"]), (1, &number(0).into()));
    let shown = fleet.site.json(&["center", "quarantine", "show", &number(0)]);
    assert!(shown["taken"]["raw"].as_str().unwrap().contains("5040"), "{shown}");
    assert!(shown["refused"]["raw"].as_str().unwrap().contains("9999"), "{shown}");
    assert!(shown["refused"]["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    assert_eq!((&shown["sign"], &shown["held"][0]["units"]), (&"earlier-answer".into(), &10.into()));
    let released = fleet.site.json(&["center", "quarantine", "release", &number(0)]);
    assert_eq!(released["units"], 10);
    assert!(fleet.call(0, &["counter", "--set", "total=10000"]).is_some(), "what it kept, and a new one");
    assert_eq!(fleet.billed(0), 147 + 4_960);

    // What is turned back waits for a person.
    assert!(fleet.call(1, &["counter", "--set", "total=50"]).is_some());
    assert!(fleet.call(1, &["counter", "--set", "total=20"]).is_some());
    assert!(fleet.call(1, &["counter", "--set", "total=25"]).is_some());
    assert_eq!(fleet.billed(1), 50);
    let released = fleet.site.json(&["center", "release", &number(1), "total"]);
    assert_eq!((&released["units"], &released["stillHeld"]), (&5.into(), &0.into()));
    assert_eq!(fleet.billed(1), 55);
    assert_eq!(fleet.list(&["center", "devices"]).len(), 2);
    let ledger = fleet.site.json(&["ledger", "check", "--data", &fleet.site.file("")]);
    for invariant in ["I14", "I15", "I16", "I17"] {
        assert_eq!(ledger["invariants"][invariant], true, "{ledger}");
    }
    let calls = fleet.list(&["center", "calls", "--device", &number(1)]);
    assert!(calls[0]["raw"].as_str().unwrap().contains(r#""value":25"#), "{calls:?}");
}

/// A device without a way to the center calls through another, and later for itself.
#[test]
fn an_intermediate_device_passes_on_the_calls_of_its_devices() {
    let fleet = Fleet::of(3);
    let center = |arguments: &[&str]| fleet.site.json(&[&["center", "intermediate"], arguments].concat());
    let through = flash(&fleet.site, 0);
    let passed_on =
        |n: u32, total: &str| fleet.call(n, &["counter", "--set", total, "--through", &through]).is_some();
    assert!(fleet.call(0, &["manage", "--managed", &number(1)]).is_none(), "its product manages nobody");
    center(&["product", "3012"]);
    assert!(fleet.call(0, &["manage", "--managed", &number(1)]).is_some());
    assert!(!passed_on(1, "total=10"), "nobody has approved it");
    center(&["approve", &number(1), &number(0)]);
    assert!(passed_on(1, "total=30"));
    assert!(!passed_on(2, "total=5"), "that one is not its own");
    assert!(fleet.call(1, &["counter", "--set", "total=42"]).is_some(), "it may speak for itself");
    // It may say for itself how its devices are, and whom it does not manage it says nothing of.
    let about = |n: u32, total: &str| fleet.call(0, &["counter", "--set", total, "--about", &number(n)]);
    fleet.site.json(&["center", "request", &number(1), "read-counters"]);
    let said = about(1, "total=44").unwrap();
    assert_eq!(
        said["calls"].as_array().unwrap().len(),
        2,
        "the second says that the request is done: {said}"
    );
    assert!(about(2, "total=5").is_none());
    let requests = fleet.list(&["center", "requests", "--device", &number(1)]);
    assert_eq!(requests[0]["outcome"], r#"{"outcome":"done"}"#, "{requests:?}");
    assert!(fleet.call(0, &["poll"]).is_some(), "it goes on calling for itself");
    assert_eq!((fleet.billed(0), fleet.billed(1), fleet.billed(2)), (0, 44, 0));
    // So does what it asks the authority for, signed by itself.
    let renewed = |n: u32| {
        let (flash, center) = (flash(&fleet.site, n), fleet.site.center_url());
        let through = ["device", "renew", "--flash", &flash, "--through", &through, "--center", &center];
        fleet.site.run(&[&through[..], &["--center-name", "europe"]].concat())
    };
    let before = fleet.site.json(&["device", "show", "--flash", &flash(&fleet.site, 1)]);
    let output = renewed(1);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(lines(&output)[0]["certificateSha256"], before["certificateSha256"]);
    assert!(!renewed(2).status.success(), "that one is not its own");
    let history = fleet.site.json(&["authority", "history", &number(1)]);
    let states = |n: usize| (&history["certificates"][n]["cause"], &history["certificates"][n]["state"]);
    assert_eq!(states(0), (&"factory".into(), &"voided".into()));
    assert_eq!(states(1), (&"renewal".into(), &"verified".into()));
    center(&["end", &number(1), &number(0)]);
    assert!(!passed_on(1, "total=50"));
    assert!(!renewed(1).status.success(), "nor is that one any more");
    let listed = fleet.list(&["center", "intermediate", "list"]);
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &"ended".into()));
    let incidents = fleet.list(&["center", "incidents", "--device", &number(0)]);
    let kinds: Vec<&str> = incidents.iter().map(|incident| incident["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"not-intermediate") && kinds.contains(&"foreign-number"), "{incidents:?}");
}

/// The device's power fails further and further on in a renewal, until it does not fail before the end.
#[test]
fn a_device_whose_power_fails_in_a_renewal_calls_home_nevertheless() {
    let fleet = Fleet::of(1);
    let (flash, authority) = (flash(&fleet.site, 0), fleet.site.authority_url());
    let certificate = || fleet.site.json(&["device", "show", "--flash", &flash])["certificateSha256"].clone();
    let before = certificate();
    let renew = |arguments: &[&str]| {
        let to = ["--flash", &flash, "--authority", &authority, "--authority-name", "head-office"];
        fleet.site.run(&[&["device", "renew"], arguments, &to[..]].concat())
    };
    let mut cuts = 0;
    loop {
        let renewed = renew(&["--cut-power-after", &(cuts * 45).to_string()]);
        if renewed.status.success() {
            break;
        }
        assert!(String::from_utf8_lossy(&renewed.stderr).contains("the device has no power"));
        cuts += 1;
        assert!(fleet.call(0, &["poll"]).is_some(), "after {cuts} cuts");
    }
    assert!(cuts > 3, "only {cuts} cuts");
    assert_ne!(certificate(), before);
    fleet.site.wait_until("the center to know the new certificate", || fleet.call(0, &["poll"]).is_some());
}

/// Nobody asks for it but the policy of the product.
#[test]
fn a_device_renews_its_certificate_by_itself_when_the_time_has_come() {
    let fleet = Fleet::at(Site::new(), 1, &["--validity-days", "10", "--renew-before-days", "10"]);
    // The next certificate is not due at once.
    fleet.site.set_product(&["--validity-days", "100", "--renew-before-days", "10"]);
    let shown = || {
        fleet.site.json(&["device", "show", "--flash", &flash(&fleet.site, 0)])["certificateSha256"].clone()
    };
    let before = shown();
    assert!(fleet.call(0, &["counter", "--set", "total=5"]).is_some());
    let renewed = shown();
    assert_ne!(renewed, before);
    let requests = || fleet.list(&["center", "requests", "--device", &number(0)]);
    assert_eq!((requests().len(), &requests()[0]["outcome"]), (1, &r#"{"outcome":"done"}"#.into()));
    let successors = fleet.list(&["authority", "successors", "--device", &number(0)]);
    assert_eq!((successors.len(), &successors[0]["state"]), (1, &"verified".into()), "{successors:?}");
    assert!(fleet.call(0, &["counter", "--set", "total=9"]).is_some());
    assert_eq!((shown(), requests().len(), fleet.billed(0)), (renewed, 1, 9));
    let status = fleet.site.json(&["authority", "status"]);
    assert_eq!(status["factories"][0]["states"]["voided"], 1, "the one before is void: {status}");
}

/// Devices that were made on the line call all at once, while the center is killed.
#[test]
fn a_fleet_loses_no_call_while_its_center_is_killed() {
    const CALLS: usize = 8;
    let mut fleet = Fleet::of(12);
    let (url, flash) = (fleet.site.center_url(), fleet.site.file("devices"));
    let store = format!("sqlite:{}", fleet.site.file("center/store.sqlite"));
    let calls = CALLS.to_string();
    let mut center = fleet.center.take();
    let site = &fleet.site;
    let output = thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let whom = ["--center", &url, "--center-name", "europe", "--flash", &flash];
            let how = ["--store", &store, "--calls", &calls];
            site.run(&[&["device", "fleet"], &whom[..], &how].concat())
        });
        while !calling.is_finished() {
            thread::sleep(Duration::from_millis(900));
            drop(center.take());
            center = Some(site.serve("center"));
        }
        calling.join().unwrap()
    });
    fleet.center = center;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = lines(&output).remove(0);
    assert_eq!((&report["devices"], &report["calls"]), (&12.into(), &(12 * CALLS).into()), "{report}");
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()), "{report}");
    assert!(report["repeated"].as_u64().unwrap() > 0, "the outages were felt: {report}");
    assert!((0..12).all(|n| fleet.billed(n) == CALLS as u64));
    assert!(fleet.call(3, &["poll"]).is_some(), "its memory is as it should be");
}

const DEVICES: u32 = 3;
const KILLS: u32 = 12;

/// Devices count and call while the center is killed, and sometimes are switched off themselves.
#[test]
fn every_unit_is_billed_once_however_often_the_center_is_killed() {
    let mut fleet = Fleet::of(DEVICES);
    let mut random = StdRng::seed_from_u64(20_030_318);
    let is_over = &AtomicBool::new(false);
    let mut center = fleet.center.take();
    let site = &fleet.site;
    let totals: Vec<u64> = thread::scope(|scope| {
        let devices: Vec<_> = (0..DEVICES)
            .map(|n| {
                scope.spawn(move || {
                    let mut random = StdRng::seed_from_u64(n.into());
                    let mut total = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        total += random.random_range(0..1_000u64);
                        count_and_call(site, n, total, &mut random);
                    }
                    total
                })
            })
            .collect();
        for _ in 0..KILLS {
            thread::sleep(Duration::from_millis(random.random_range(100..700)));
            drop(center.take());
            center = Some(site.serve("center"));
        }
        is_over.store(true, Ordering::SeqCst);
        devices.into_iter().map(|device| device.join().unwrap()).collect()
    });
    fleet.center = center;
    for (n, total) in (0..DEVICES).zip(totals) {
        assert!(fleet.call(n, &["counter", "--set", &format!("total={total}")]).is_some());
        assert_eq!(fleet.billed(n), total, "{}", number(n));
    }
    assert_eq!(fleet.list(&["center", "incidents"]), Vec::<Value>::new(), "no honest device is accused");
    let audit = fleet.site.json(&["audit", "verify", "--data", &fleet.site.file("center")]);
    assert_eq!(audit["valid"], true, "{audit}");
}

/// Counts and calls; now and then the device loses its power at a random moment.
fn count_and_call(site: &Site, n: u32, total: u64, random: &mut StdRng) {
    let set = format!("total={total}");
    if random.random_range(0..3) > 0 {
        call(site, n, &["counter", "--set", &set]);
        return;
    }
    let (flash, url) = (flash(site, n), site.center_url());
    let arguments = [
        "device",
        "call",
        "counter",
        "--set",
        &set,
        "--flash",
        &flash,
        "--center",
        &url,
        "--center-name",
        "europe",
    ];
    let device =
        Process(site.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    thread::sleep(Duration::from_millis(random.random_range(1..150)));
    drop(device);
}

#[test]
fn a_new_board_takes_a_devices_number_and_the_old_one_calls_no_more() {
    let fleet = Fleet::of(1);
    let site = &fleet.site;
    assert!(fleet.call(0, &["counter", "--set", "total=100"]).is_some());
    site.json(&["authority", "common-certificate", "make", "3012"]);
    let common = site.file("common.json");
    site.json(&["authority", "common-certificate", "export", "3012-1", "--json-file", &common]);
    let built = ["--common-certificate", common.as_str()];
    let board = site.device_with("3012", "8899aabbccddeeff", "tcp:127.0.0.1:0", &built);
    drop(board.process);
    let root = member_files::load(&site.path("authority")).unwrap().trust.root_fingerprint().to_string();
    let url = site.authority_url();
    let recover = ["device", "recover", "--flash", &board.flash, "--number", &number(0)];
    let at = ["--authority", &url, "--authority-name", "head-office", "--root-sha256", &root];
    let recover = || site.json(&[&recover[..], &at[..]].concat());

    // Nothing speaks for the board yet: a person would have to.
    let waiting = recover();
    assert_eq!(waiting["state"], "pending");
    let listed = fleet.list(&["authority", "recoveries"]);
    assert_eq!(
        (&listed[0]["recovery"], &listed[0]["keySha256"]),
        (&waiting["recovery"], &waiting["keySha256"])
    );
    site.json(&["authority", "board-swap", &number(0), "--reason", "struck by lightning"]);
    site.wait_until("the center to refuse the old board", || fleet.call(0, &["poll"]).is_none());

    let recovered = recover();
    assert_eq!((&recovered["state"], &recovered["recovery"]), (&"issued".into(), &waiting["recovery"]));
    let old = fs::read(flash(site, 0)).unwrap();
    fs::copy(&board.flash, flash(site, 0)).unwrap();
    // It is another memory under the number, as everyone has said that it may be.
    site.wait_until("the center to take the new board", || fleet.call(0, &["poll"]).is_some());
    assert_eq!(fleet.list(&["center", "quarantine", "list"]), Vec::<Value>::new());
    fs::write(flash(site, 0), old).unwrap();
    assert!(fleet.call(0, &["counter", "--set", "total=900"]).is_none());
    let history = site.json(&["authority", "history", &number(0)]);
    assert_eq!(history["hardwareUid"], "8899aabbccddeeff");
    let states = |n: usize| (&history["certificates"][n]["cause"], &history["certificates"][n]["state"]);
    assert_eq!(states(0), (&"factory".into(), &"voided".into()));
    assert_eq!(states(1), (&"board-swap".into(), &"verified".into()));
    assert_eq!(history["boardSwaps"][0]["reason"], "struck by lightning");

    // The device that it is now recovers by itself, with the key that it has, however often its power fails in between,
    // also through a proxy.
    fs::copy(&board.flash, site.file("again.flash")).unwrap();
    let flash = site.file("again.flash");
    let proxy = ConnectProxy::start();
    let (url, again) = (proxy.url(), ["device", "recover", "--flash", flash.as_str()]);
    let again = [&again[..], &at[..], &["--proxy", &url]].concat();
    let mut cuts = 0;
    loop {
        let recovered = site.run(&[&again[..], &["--cut-power-after", &(cuts * 45).to_string()]].concat());
        if recovered.status.success() {
            break;
        }
        assert!(String::from_utf8_lossy(&recovered.stderr).contains("the device has no power"));
        cuts += 1;
    }
    assert!(cuts > 3, "only {cuts} cuts");
    let targets = proxy.targets();
    assert!(!targets.is_empty() && targets.iter().all(|target| *target == target_of(&site.authority_url())));
    site.json(&["authority", "common-certificate", "stop", "3012-1", "--reason", "leaked"]);
    assert!(!site.run(&again).status.success(), "its common certificate is stopped");
    site.assert_books_are_whole();
}
