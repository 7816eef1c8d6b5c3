//! The operator's page.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::driver;
use crate::port::Port;
use crate::site::{Process, Site};

/// A factory with a station whose page is open, and two operators with badges.
struct Line {
    site: Site,
    port: Port,
    console: Value,
    badges: [String; 2],
    _authority: Process,
    gateway: Option<Process>,
    _station: Process,
}

impl Line {
    fn start(units: u64) -> Self {
        let (site, authority, gateway) = Site::with_stock(units);
        let badges = ["sato", "ito"].map(|name| badge(&site, name));
        // An operator of a test does not wait for long.
        let config = format!("data = \"{}\"\ngateway_seconds = 3\n", site.file("station"));
        fs::write(site.path("station.toml"), config).unwrap();
        let port = Port::new();
        let serve = ["station", "serve", "--console", "127.0.0.1:0", "--device", &port.address()];
        let (station, started) = site.start(&serve);
        Self {
            console: started["console"].clone(),
            site,
            port,
            badges,
            _authority: authority,
            gateway: Some(gateway),
            _station: station,
        }
    }

    fn run(self, script: &str) -> Self {
        let [badge, second_badge] = &self.badges;
        let arguments = json!({ "console": self.console, "badge": badge, "secondBadge": second_badge });
        let line = RefCell::new(self);
        driver::run(script, &arguments, |ask| line.borrow_mut().answer(ask));
        line.into_inner()
    }

    fn answer(&mut self, ask: &str) -> Value {
        match ask.split_once(": ").unwrap_or((ask, "")) {
            ("put a blank device", product) => self.port.put(product, 1),
            ("put another blank device", product) => self.port.put(product, 2),
            ("put a third blank device", product) => self.port.put(product, 3),
            ("put a device whose memory fails", product) => self.port.put_broken(product, 4),
            ("put a device that waits", product) => self.port.put_waiting(product, 5),
            ("let it go on", _) => self.port.go_on(),
            ("clear the port", _) => self.port.clear(),
            ("stop the gateway", _) => drop(self.gateway.take().map(Process::stop)),
            ("start the gateway", _) => self.gateway = Some(self.site.serve("gateway")),
            ("how many packs in each state", _) => {
                return self.site.json(&["gateway", "status"])["products"][0].clone();
            }
            other => panic!("the script asks for {other:?}"),
        }
        Value::Null
    }
}

/// The code on the badge that the gateway makes.
fn badge(site: &Site, name: &str) -> String {
    let file = site.file(&format!("{name}.svg"));
    site.json(&["gateway", "operator", "badge", name, "--out", &file]);
    let svg = fs::read_to_string(file).unwrap();
    let code = svg.split(['<', '>']).find(|text| text.starts_with("B-"));
    code.unwrap().to_owned()
}

#[test]
fn an_operators_day() {
    let line = Line::start(4).run("operator-day");
    line.site.assert_books_are_whole();
    let exported = line.site.path("audit");
    line.site.json(&["audit", "export", "--data", &line.site.file("gateway"), exported.to_str().unwrap()]);
    let audit = fs::read_to_string(exported).unwrap();
    let scrap = audit.lines().find(|entry| entry.contains("credential.scrap")).unwrap();
    assert!(scrap.contains("sato") && scrap.contains("ito"), "both answer for it: {scrap}");
}

#[test]
fn a_gateway_that_goes_and_comes_back() {
    Line::start(2).run("gateway-loss");
}

#[test]
fn a_station_in_japanese_and_in_the_dark() {
    Line::start(2).run("station-japanese");
}

#[test]
fn a_rehearsal_is_marked_as_one() {
    let site = Site::new();
    let mut rehearse = Command::new(env!("CARGO_BIN_EXE_touchmark"))
        .args(["station", "rehearse", "--listen", "--json"])
        .env("TOUCHMARK_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(rehearse.stdout.take().unwrap()).lines();
    let rehearse = Process(rehearse);
    let mut line = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let (invited, good) = (line(), line());
    assert_eq!(good["case"], "good");
    site.json(&["station", "join", invited["token"].as_str().unwrap()]);
    let device = good["device"].as_str().unwrap();
    let (station, started) =
        site.start(&["station", "serve", "--console", "127.0.0.1:0", "--device", device]);
    let arguments = json!({ "console": started["console"], "badge": invited["badge"], "scan": good["scan"] });
    driver::run("rehearsal", &arguments, |ask| panic!("the script asks for {ask}"));
    drop((station, rehearse));
}
