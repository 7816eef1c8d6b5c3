//! Authority, gateway and station as processes of their own, set up by the commands that people use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use identity::Clock;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;
use tempfile::TempDir;
use touchmark::surroundings::SystemClock;

/// A running authority and gateway, and a station that has joined. They end when dropped.
pub struct Plant {
    directory: TempDir,
    services: Vec<Child>,
    pub authority_url: String,
    pub gateway_url: String,
}

impl Plant {
    /// A plant that has 20 packs of 3012 in stock, from 3012-123456 on.
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let mut plant = Self {
            directory,
            services: Vec::new(),
            authority_url: String::new(),
            gateway_url: String::new(),
        };
        for name in ["authority.unlock", "gateway.unlock", "root.passphrase"] {
            fs::write(plant.path(name), format!("a long passphrase for {name}")).unwrap();
        }
        plant.set_up_authority();
        plant.set_up_gateway();
        let token = plant.run("gateway", &["invite", "station", "--name", "line-1"]);
        plant.run("station", &["join", token["token"].as_str().unwrap()]);
        plant
    }

    /// A file or directory of the plant; each role has the directory of its name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts `touchmark ARGUMENTS` with the configuration of a role, ready to be spoken to.
    pub fn spawn(&self, role: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(role, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn set_up_authority(&mut self) {
        let passphrase = self.path("root.passphrase").display().to_string();
        self.run("authority", &["init", "--name", "head-office", "--root-passphrase-file", &passphrase]);
        self.run("authority", &["product", "set", "3012"]);
        self.run("authority", &["factory", "set", "osaka"]);
        let serials = ["--first", "123456", "--last", "129999"];
        self.run("authority", &[&["allot", "osaka", "3012", "--quota", "100"][..], &serials].concat());
        self.authority_url = self.serve("authority");
    }

    fn set_up_gateway(&mut self) {
        let token = self.run("authority", &["invite", "gateway", "--name", "osaka"]);
        self.run("gateway", &["join", token["token"].as_str().unwrap()]);
        let today = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap().to_zoned(TimeZone::UTC);
        let tomorrow = (&today + 1.day()).date();
        for (name, text) in [
            ("products.csv", "No,DEVICE CODE,CERTIFICATE,REMARKS\n1,3012,YES,\n".to_owned()),
            ("plan.csv", format!("DEVICE CODE,{tomorrow}\n3012,20\n")),
        ] {
            fs::write(self.path(name), text).unwrap();
            let file = self.path(name).display().to_string();
            self.run_with("gateway", &["plan", "import", &file]);
        }
        let done = self.run("gateway", &["replenish"]);
        assert_eq!(done["stocked"], 20, "{done}");
        self.gateway_url = self.serve("gateway");
    }

    /// Runs `touchmark ROLE ARGUMENTS` and reads what it prints.
    fn run(&self, role: &str, arguments: &[&str]) -> Value {
        self.run_with(role, &[&[role], arguments].concat())
    }

    /// Runs `touchmark ARGUMENTS` with the configuration of a role.
    fn run_with(&self, role: &str, arguments: &[&str]) -> Value {
        let output = self.command(role, arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
        let first = output.stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(first).unwrap_or(Value::Null)
    }

    /// Starts a role on a free port: its address.
    fn serve(&mut self, role: &str) -> String {
        let arguments = [role, "serve", "--listen", "127.0.0.1:0"];
        let mut service = self.command(role, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.services.push(service);
        let started: Value = serde_json::from_str(&line).unwrap();
        let address: SocketAddr = started["address"].as_str().unwrap().parse().unwrap();
        format!("https://{address}")
    }

    fn command(&self, role: &str, arguments: &[&str]) -> Command {
        let key = |name: &str| format!("TOUCHMARK_{}_{name}", role.to_uppercase());
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command.arg("--json").args(arguments).env(key("DATA"), self.path(role));
        command.env("TOUCHMARK_LOG", "warn");
        if role != "station" {
            command.env(key("UNLOCK_FILE"), self.path(&format!("{role}.unlock")));
            command.env("TOUCHMARK_AUTHORITY_URL", &self.authority_url);
            command.env("TOUCHMARK_GATEWAY_URL", &self.gateway_url);
        }
        if role == "gateway" {
            command.env(key("YIELD_MARGIN_PERCENT"), "0").env(key("TIME_ZONE"), "UTC");
        }
        command
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

/// The workspace's directory.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
