//! The consoles of gateway and authority.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::driver;
use crate::site::{Process, Site};

const PASSWORD: &str = "correct horse battery";
/// Packs in stock.
const UNITS: u64 = 5;

/// A site whose gateway and authority have consoles.
struct Offices {
    site: Site,
    gateway: String,
    authority: String,
    running: Vec<Process>,
}

impl Offices {
    fn open() -> Self {
        let site = Site::new();
        fs::write(site.path("password"), PASSWORD).unwrap();
        let [gateway, authority] = ["gateway", "authority"].map(|role| console_of(&site, role));
        let mut running = vec![site.set_up_authority()];
        running.push(site.set_up_gateway());
        site.set_up_station("line-1");
        site.plan(UNITS);
        site.json(&["gateway", "replenish"]);
        site.wait_for_stock(UNITS);
        Self { site, gateway, authority, running }
    }

    /// Someone who may sign in: name, password, and what their authenticator app was given.
    fn person(&self, role: &str, name: &str, roles: &str) -> Value {
        let file = self.site.file("password");
        let added = self.site.json(&[role, "staff", "add", name, "--roles", roles, "--password-file", &file]);
        json!({ "name": name, "password": PASSWORD, "secondFactor": added["secondFactor"] })
    }

    fn run(&self, script: &str, arguments: &Value) {
        driver::run(script, arguments, |ask| panic!("the script asks for {ask}"));
    }
}

/// Gives a role a console, and says where it is.
fn console_of(site: &Site, role: &str) -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = OpenOptions::new().append(true).open(site.path(&format!("{role}.toml"))).unwrap();
    writeln!(config, "[console]\nlisten = \"{address}\"").unwrap();
    format!("http://{address}")
}

#[test]
fn an_engineer_at_the_gateway() {
    let offices = Offices::open();
    let engineer = offices.person("gateway", "tanaka", "engineer,auditor");
    let file = offices.site.file("bad-plan.csv");
    fs::write(&file, "DEVICE CODE,3/17,3/18\n3012,many,4\n").unwrap();
    let arguments = json!({ "console": offices.gateway, "engineer": engineer, "badPlan": file });
    offices.run("gateway-console", &arguments);
    let log = offices.site.path("audit");
    offices.site.json(&["audit", "export", "--data", &offices.site.file("gateway"), log.to_str().unwrap()]);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().any(|entry| entry.contains("plan.import") && entry.contains("person:tanaka")));
}

#[test]
fn two_security_officers_at_the_authority() {
    let mut offices = Offices::open();
    let officers = ["sato", "ito"].map(|name| offices.person("authority", name, "security-officer"));
    let arguments = json!({ "console": offices.authority, "officers": officers });
    offices.run("authority-console", &arguments);
    offices.site.assert_books_are_whole();
    offices.running.clear();
}
