//! A head office and a factory: authority, gateway, station and emulated devices as processes of their
//! own, on loopback ports, set up by the commands that people use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cert::Fingerprint;
use cert::tls::{Credential, HostTrust};
use der::pem;
use identity::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use touchmark::surroundings::SystemClock;
use transport::{CallError, Client};
use zeroize::Zeroizing;

/// Far more than anything here takes, so that only what never comes fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A head office and a factory, in a temporary directory.
pub struct Site {
    directory: TempDir,
    authority_port: u16,
    gateway_port: u16,
    center_port: u16,
}

impl Site {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let site = Self {
            directory,
            authority_port: free_port(),
            gateway_port: free_port(),
            center_port: free_port(),
        };
        for name in ["authority.unlock", "gateway.unlock", "authenticator.unlock", "root.passphrase"] {
            fs::write(site.path(name), format!("a passphrase of its own for {name}")).unwrap();
            private(&site.path(name));
        }
        let role = |name: &str, port: u16| {
            let (data, unlock) = (site.file(name), site.file(&format!("{name}.unlock")));
            format!(
                "data = \"{data}\"\nunlock_file = \"{unlock}\"\nlisten = \"127.0.0.1:{port}\"\nurl = \"https://127.0.0.1:{port}\"\n"
            )
        };
        fs::write(site.path("authority.toml"), role("authority", site.authority_port)).unwrap();
        fs::write(
            site.path("gateway.toml"),
            format!("{}time_zone = \"UTC\"\nyield_margin_percent = 0\n", role("gateway", site.gateway_port)),
        )
        .unwrap();
        fs::write(site.path("station.toml"), format!("data = \"{}\"\n", site.file("station"))).unwrap();
        let (data, unlock) = (site.file("authenticator"), site.file("authenticator.unlock"));
        let authenticator =
            format!("data = \"{data}\"\nunlock_file = \"{unlock}\"\nlisten = \"127.0.0.1:0\"\n");
        fs::write(site.path("authenticator.toml"), authenticator).unwrap();
        let (data, port) = (site.file("center"), site.center_port);
        let center = format!("data = \"{data}\"\nlisten = \"127.0.0.1:{port}\"\npull_seconds = 1\n");
        fs::write(site.path("center.toml"), center).unwrap();
        fs::create_dir(site.path("devices")).unwrap();
        site
    }

    pub fn set_up_authority(&self) -> Process {
        let passphrase = self.file("root.passphrase");
        self.json(&["authority", "init", "--name", "head-office", "--root-passphrase-file", &passphrase]);
        self.json(&["authority", "product", "set", "3012", "--organization", "Example"]);
        self.json(&["authority", "factory", "set", "osaka"]);
        self.json(&[
            "authority",
            "allot",
            "osaka",
            "3012",
            "--quota",
            "3000",
            "--first",
            "123456",
            "--last",
            "129999",
        ]);
        self.serve("authority")
    }

    /// Sets the product 3012 with these options.
    pub fn set_product(&self, options: &[&str]) {
        let product = ["authority", "product", "set", "3012", "--organization", "Example"];
        self.json(&[&product, options].concat());
    }

    pub fn set_up_gateway(&self) -> Process {
        let token = self.json(&["authority", "invite", "gateway", "--name", "osaka"]);
        let joined = self.json(&["gateway", "join", token["token"].as_str().unwrap()]);
        assert_eq!(joined["member"], "urn:touchmark:gateway:osaka");
        self.serve("gateway")
    }

    pub fn set_up_station(&self, name: &str) {
        let token = self.json(&["gateway", "invite", "station", "--name", name]);
        let joined = self.json(&["station", "join", token["token"].as_str().unwrap()]);
        assert_eq!(joined["member"], format!("urn:touchmark:station:osaka:{name}"));
        let again = self.run(&["station", "join", token["token"].as_str().unwrap()]);
        assert_eq!(again.status.code(), Some(1), "a token works once");
    }

    /// A site with authority, gateway and station that has so many packs of 3012 in stock, from 3012-123456 on.
    pub fn with_stock(units: u64) -> (Self, Process, Process) {
        Self::new().stocked(units, &[])
    }

    /// This site as [`Site::with_stock`] makes one; the product 3012 is set with these options.
    pub fn stocked(self, units: u64, product: &[&str]) -> (Self, Process, Process) {
        let site = self;
        let authority = site.set_up_authority();
        site.set_product(product);
        let gateway = site.set_up_gateway();
        site.set_up_station("line-1");
        site.plan(units);
        site.json(&["gateway", "replenish"]);
        site.wait_for_stock(units);
        (site, authority, gateway)
    }

    /// Plans so many devices of 3012 for today.
    pub fn plan(&self, units: u64) {
        fs::write(self.path("products.csv"), "No,DEVICE CODE,CERTIFICATE,REMARKS\n1,3012,YES,\n2,3013,NO,\n")
            .unwrap();
        fs::write(self.path("plan.csv"), format!("DEVICE CODE,{}\n3012,{units}\n3013,5\n", today())).unwrap();
        for file in ["products.csv", "plan.csv"] {
            let imported = self.run(&["plan", "import", &self.file(file)]);
            assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stdout));
        }
    }

    pub fn wait_for_stock(&self, units: u64) {
        self.wait_until("the packs to be in stock", || {
            let status = self.json(&["gateway", "status"]);
            let row = status["products"].as_array().unwrap().iter().find(|row| row["product"] == "3012");
            row.is_some_and(|row| row["stocked"] == units)
        });
    }

    pub fn authority_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.authority_port)
    }

    pub fn gateway_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.gateway_port)
    }

    pub fn center_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.center_port)
    }

    pub fn device(&self, product: &str, hardware_uid: &str, listen: &str) -> Device {
        self.device_with(product, hardware_uid, listen, &[])
    }

    /// A blank device that is built with keys, as options of `device emulate` say.
    pub fn device_with(&self, product: &str, hardware_uid: &str, listen: &str, keys: &[&str]) -> Device {
        let flash = self.file(&format!("devices/{hardware_uid}.flash"));
        let emulate =
            ["--flash", &flash, "--product", product, "--hardware-uid", hardware_uid, "--listen", listen];
        let (process, started) = self.start(&[&["device", "emulate"], &emulate[..], keys].concat());
        Device { process, address: started["address"].as_str().unwrap().to_owned(), flash }
    }

    /// What the authority says of the device that holds what is in this flash.
    pub fn standing_of(&self, device: &Device) -> Option<Value> {
        self.standing_in(device.flash())
    }

    /// The same for the device whose memory is in this file; what it holds is then in `exported`.
    pub fn standing_in(&self, flash: &str) -> Option<Value> {
        let out = self.path("exported");
        self.json(&["device", "export", "--flash", flash, "--out", out.to_str().unwrap()]);
        let openssl = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile"])
            .args([out.join("root.pem"), "-untrusted".into(), out.join("client.pem"), out.join("client.pem")])
            .output()
            .unwrap();
        assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
        let root = Fingerprint::of(&blocks(&out.join("root.pem"))[0]);
        let key = Zeroizing::new(blocks(&out.join("key.pem")).remove(0));
        let credential = Credential::new(blocks(&out.join("client.pem")), key);
        let url = self.authority_url();
        let host = "urn:touchmark:authority:head-office".parse().unwrap();
        let client =
            Client::new(HostTrust::Root(root), Some(&credential), host, &url, Arc::new(SystemClock)).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        match runtime.block_on(client.get_json("/v1/identity")) {
            Ok(standing) => Some(standing),
            Err(CallError::Refused(_)) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// The name of the CA that signed the certificate in this flash, by openssl, which also verifies the chain.
    pub fn issuer_of(&self, flash: &str) -> String {
        let out = self.path("issuer-of");
        let _ = fs::remove_dir_all(&out);
        self.json(&["device", "export", "--flash", flash, "--out", out.to_str().unwrap()]);
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(&out).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        openssl(&["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "client.pem", "client.pem"]);
        let issuer = openssl(&["x509", "-in", "client.pem", "-noout", "-issuer"]);
        issuer.trim().rsplit_once("CN = ").or_else(|| issuer.trim().rsplit_once("CN=")).unwrap().1.to_owned()
    }

    pub fn assert_books_are_whole(&self) {
        for role in ["authority", "gateway"] {
            let verified = self.json(&["audit", "verify", "--data", &self.file(role)]);
            assert_eq!(verified["valid"], true, "{verified}");
        }
        let ledger = self.json(&["ledger", "check", "--data", self.directory.path().to_str().unwrap()]);
        assert_eq!(ledger["conserved"], true, "{ledger}");
    }

    pub fn serve(&self, role: &str) -> Process {
        self.start(&[role, "serve"]).0
    }

    /// Starts a command that goes on, and waits until it says that it has started.
    pub fn start(&self, arguments: &[&str]) -> (Process, Value) {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{arguments:?} did not start: {line}"));
        (Process(child), started)
    }

    /// Runs a command to its good end and reads its one result.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        lines(&output).remove(0)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command with the configuration of its role.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command.args(arguments).arg("--json").env("TOUCHMARK_LOG", "warn").current_dir(self.directory.path());
        let role = match arguments[0] {
            "plan" => Some("gateway"),
            "invoice" => Some("center"),
            role @ ("authority" | "gateway" | "station" | "authenticator" | "center") => Some(role),
            _ => None,
        };
        if let Some(role) = role {
            command.args(["--config", &self.file(&format!("{role}.toml"))]);
        }
        command
    }

    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            sleep(Duration::from_millis(200));
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

pub struct Device {
    pub process: Process,
    pub address: String,
    pub flash: String,
}

impl Device {
    pub fn flash(&self) -> &str {
        &self.flash
    }
}

/// A process that is killed when nobody stops it.
pub struct Process(pub Child);

impl Process {
    /// Tells it to stop, as a service manager does.
    pub fn stop(mut self) -> ExitStatus {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn blocks(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split_inclusive("-----\n").collect::<Vec<_>>();
    blocks.chunks(2).map(|block| pem::decode_vec(block.concat().as_bytes()).unwrap().1).collect()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn today() -> String {
    let now = jiff::Timestamp::from_second(SystemClock.epoch_seconds()).unwrap();
    now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
