//! A factory that no link joins to its authority, and a device that no network joins to its center, through
//! the true program: files carry what else requests would.

use std::fs;

use serde_json::Value;

use crate::site::{Site, lines, today};

/// How many devices are made on the day.
const UNITS: u32 = 8;

/// Carries a file up, and one down.
fn exchange(site: &Site) -> [Value; 2] {
    let (up, down) = (site.file("up.bundle"), site.file("down.bundle"));
    site.json(&["gateway", "bundle", "export", "--out", &up]);
    let heard = site.json(&["authority", "bundle", "import", &up]);
    site.json(&["authority", "bundle", "export", "--gateway", "osaka", "--out", &down]);
    [heard, site.json(&["gateway", "bundle", "import", &down])]
}

fn refusal(site: &Site, arguments: &[&str]) -> String {
    let output = site.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stocked(site: &Site) -> u64 {
    let status = site.json(&["gateway", "status"]);
    let row = status["products"].as_array().unwrap().iter().find(|row| row["product"] == "3012").cloned();
    row.map_or(0, |row| row["stocked"].as_u64().unwrap())
}

#[test]
fn a_factory_without_a_link_makes_its_day() {
    let site = Site::new();
    // Gateway and station are set up where the authority is; then they are carried away for good.
    let authority = site.set_up_authority();
    let gateway = site.set_up_gateway();
    site.set_up_station("line-1");
    assert!(authority.stop().success());
    site.plan(UNITS.into());

    // The gateway may not have heard yet what it may make: then the first answer tells it.
    let first = exchange(&site);
    assert_eq!(first[0]["factory"], "osaka");
    if stocked(&site) == 0 {
        exchange(&site);
    }
    assert_eq!(stocked(&site), u64::from(UNITS));

    let mut devices = Vec::new();
    for n in 0..UNITS {
        let device = site.device("3012", &format!("{n:016x}"), "tcp:127.0.0.1:0");
        let plate = format!("3012-{}", 123_456 + n);
        let green = site.json(&["station", "write", "--scan", &plate, "--device", &device.address]);
        assert_eq!(green["verdict"], "green", "{green}");
        devices.push((plate, device));
    }

    // The file with the results is lost, damaged and doubled on its way; it arrives in the end.
    let (up, down) = (site.file("results.bundle"), site.file("answers.bundle"));
    let export = ["gateway", "bundle", "export", "--out", &up];
    site.json(&export);
    let lost = fs::read(&up).unwrap();
    let written = site.json(&export);
    assert_eq!(written["new"], 0, "{written}");
    assert_eq!(fs::read(&up).unwrap(), lost, "the same file once more");
    fs::write(&up, &lost[..lost.len() - 1]).unwrap();
    let import = ["authority", "bundle", "import", &up];
    assert!(refusal(&site, &import).contains("cut off or damaged"));
    fs::write(&up, &lost).unwrap();
    let heard = site.json(&import);
    assert!(heard["records"].as_u64().unwrap() >= u64::from(UNITS), "{heard}");
    assert!(refusal(&site, &import).contains("brings nothing new"));

    site.json(&["authority", "bundle", "export", "--gateway", "osaka", "--out", &down]);
    site.json(&["gateway", "bundle", "import", &down]);
    assert!(refusal(&site, &["gateway", "bundle", "import", &down]).contains("taken in before"));
    exchange(&site);
    assert_eq!(site.json(&["gateway", "status"])["outbox"], 0);

    // More is planned: the stock is filled up as with a link.
    plan_more(&site);
    exchange(&site);
    assert_eq!(stocked(&site), 4);

    let status = site.json(&["authority", "status"]);
    let row = &status["factories"][0];
    assert_eq!(row["states"]["verified"], UNITS, "{status}");
    assert_eq!(status["conserved"], true);
    // What was made without a link is known to the authority when it serves.
    let _authority = site.serve("authority");
    for (plate, device) in &devices {
        let standing = site.standing_of(device).unwrap();
        assert_eq!(&standing["deviceNumber"], plate);
    }
    drop(gateway);
    site.assert_books_are_whole();
}

#[test]
fn a_factory_without_a_link_gets_a_new_ca_in_its_bundles_and_says_that_it_has_it() {
    let site = Site::new();
    let authority = site.set_up_authority();
    let gateway = site.set_up_gateway();
    site.set_up_station("line-1");
    assert!(authority.stop().success());
    site.plan(1);
    exchange(&site);
    if stocked(&site) == 0 {
        exchange(&site);
    }
    let passphrase = site.file("root.passphrase");
    site.json(&["authority", "ca", "make", "--root-passphrase-file", &passphrase]);
    exchange(&site);
    exchange(&site);
    let impact = site.json(&["authority", "ca", "impact"]);
    let members = impact["members"].as_array().unwrap();
    let osaka = members.iter().find(|row| row["member"] == "urn:touchmark:gateway:osaka").unwrap();
    assert_eq!(osaka["trusts"], serde_json::json!(["issuing", "issuing-2"]), "{osaka}");
    let activated = site.json(&["authority", "ca", "activate", "issuing-2"]);
    assert_eq!(activated["lacking"], serde_json::json!(["urn:touchmark:station:osaka:line-1"]));

    plan_more(&site);
    exchange(&site);
    exchange(&site);
    assert_eq!(stocked(&site), u64::from(UNITS) + 4);
    for (n, expected) in [(0, "head-office devices"), (1, "head-office devices 2")] {
        let device = site.device("3012", &format!("{n:016x}"), "tcp:127.0.0.1:0");
        let plate = format!("3012-{}", 123_456 + n);
        let green = site.json(&["station", "write", "--scan", &plate, "--device", &device.address]);
        assert_eq!(green["verdict"], "green", "{green}");
        drop(device.process);
        assert_eq!(site.issuer_of(&device.flash), expected);
    }
    exchange(&site);
    drop(gateway);
    site.assert_books_are_whole();
}

/// More is planned, so that more is to be ordered.
fn plan_more(site: &Site) {
    fs::write(site.path("more.csv"), format!("DEVICE CODE,{}\n3012,{}\n3013,5\n", today(), UNITS + 4))
        .unwrap();
    let imported = site.run(&["plan", "import", &site.file("more.csv")]);
    assert!(imported.status.success(), "{:?}", lines(&imported));
}

/// A device on a site without a network, whose center knows it.
struct Lonely {
    site: Site,
    flash: String,
}

const NUMBER: &str = "3012-123456";

impl Lonely {
    fn device(&self, arguments: &[&str]) -> Value {
        let to = ["--flash", &self.flash, "--center-name", "europe"];
        self.site.json(&[&["device"], arguments, &to[..]].concat())
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let to = ["--flash", &self.flash, "--center-name", "europe"];
        refusal(&self.site, &[&["device"], arguments, &to[..]].concat())
    }

    fn units(&self) -> u64 {
        let invoice = ["invoice", "--from", "2026-01-01", "--to", "2100-01-01", "--device", NUMBER];
        let invoice = self.site.json(&invoice);
        invoice["lines"].as_array().unwrap().iter().map(|line| line["units"].as_u64().unwrap()).sum()
    }
}

#[test]
fn a_device_without_a_network_is_heard_and_billed() {
    let (site, authority, gateway) = Site::with_stock(1);
    let made = site.device("3012", "00000000000000aa", "tcp:127.0.0.1:0");
    site.json(&["station", "write", "--scan", NUMBER, "--device", &made.address]);
    drop(made.process);
    let token = site.json(&["authority", "invite", "center", "--name", "europe"]);
    site.json(&["center", "join", token["token"].as_str().unwrap()]);
    let center = site.serve("center");
    site.wait_until("the center to know the device", || {
        site.json(&["center", "status"])["devices"]["verified"] == 1
    });
    drop((authority, gateway));
    let lonely = Lonely { site, flash: made.flash };
    let site = &lonely.site;
    let (up, down) = (site.file("calls.bundle"), site.file("answers.bundle"));

    // Three calls are made, none is heard; then two more, in a second bundle.
    site.json(&["center", "request", NUMBER, "read-counters"]);
    lonely.device(&["call", "counter", "--set", "total=100", "--offline"]);
    lonely.device(&["call", "service", "--fault-code", "E-13", "--offline"]);
    let waiting = lonely.device(&["call", "counter", "--set", "total=130", "--offline"]);
    assert_eq!(waiting["waiting"], 3);
    let export = ["bundle", "export", "--out", &up];
    assert_eq!(lonely.device(&export)["calls"], 3);
    let lost = fs::read(&up).unwrap();
    lonely.device(&["call", "counter", "--set", "total=150", "--offline"]);
    let written = lonely.device(&export);
    assert_eq!((&written["bundles"], &written["calls"]), (&serde_json::json!([1, 2]), &Value::from(4)));
    let both = fs::read(&up).unwrap();
    assert!(both.starts_with(&lost), "the first bundle once more, as it was");

    // What comes after a missing bundle is refused; a damaged file too; then all is taken, once.
    let import = ["center", "bundle", "import", &up];
    fs::write(&up, &both[lost.len()..]).unwrap();
    assert!(refusal(site, &import).contains("bundle 1 comes before it"));
    fs::write(&up, &both[..both.len() - 3]).unwrap();
    assert!(refusal(site, &import).contains("cut off or damaged"));
    fs::write(&up, &both).unwrap();
    let taken = site.json(&import);
    assert_eq!(taken["calls"].as_array().unwrap().len(), 4, "{taken}");
    assert!(refusal(site, &import).contains("brings nothing new"));
    assert_eq!(lonely.units(), 150);

    // The answers come back, with what the device is asked; what came of it goes with its next call, over a
    // network that is there for once.
    site.json(&["center", "bundle", "export", "--device", NUMBER, "--out", &down]);
    let answered = lonely.device(&["bundle", "import", &down]);
    assert_eq!((&answered["answered"], &answered["waiting"]), (&Value::from(4), &Value::from(0)));
    assert!(lonely.refused(&["bundle", "import", &down]).contains("taken in before"));
    lonely.device(&["call", "alarm", "--alarm", "door open", "--offline"]);
    let url = site.center_url();
    let called = lonely.device(&["call", "counter", "--set", "total=175", "--center", &url]);
    let kinds: Vec<&Value> = called["calls"].as_array().unwrap().iter().map(|call| &call["kind"]).collect();
    assert_eq!(kinds, ["alarm", "counter"], "what was put off comes first");
    assert_eq!(lonely.units(), 175);
    let requests = lines(&site.run(&["center", "requests", "--device", NUMBER]));
    assert_eq!(requests[0]["outcome"], r#"{"outcome":"done"}"#);
    let incidents = lines(&site.run(&["center", "incidents"]));
    assert!(incidents.is_empty(), "nobody honest is accused: {incidents:?}");
    drop(center);
}
