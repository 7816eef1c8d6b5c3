//! Networks as they are: a proxy in the way, and devices whose firmware knows no TLS 1.3.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{fs, io, thread};

use serde_json::{Value, json};

use crate::site::{Process, Site};

/// A proxy that knows no more than CONNECT, and where it was asked to connect to.
pub struct ConnectProxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&targets);
        thread::spawn(move || {
            for client in listener.incoming() {
                let asked = Arc::clone(&asked);
                thread::spawn(move || forward(client.unwrap(), &asked));
            }
        });
        Self { address, targets }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The targets since this was asked last.
    pub fn targets(&self) -> Vec<String> {
        std::mem::take(&mut *self.targets.lock().unwrap())
    }
}

fn forward(client: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let header: Vec<String> =
        reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let mut words = header[0].split(' ');
    assert_eq!(words.next(), Some("CONNECT"), "{header:?}");
    let target = words.next().unwrap();
    asked.lock().unwrap().push(target.to_owned());
    let host = TcpStream::connect(target).unwrap();
    let (mut to_client, mut to_host) = (client, host.try_clone().unwrap());
    to_client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    thread::spawn(move || {
        // Either side may break off.
        let _ = io::copy(&mut reader, &mut to_host);
        let _ = to_host.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &host, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Write);
}

pub fn target_of(url: &str) -> String {
    url.trim_start_matches("https://").to_owned()
}

#[test]
fn every_role_and_a_device_reach_their_hosts_through_a_proxy() {
    let (site, proxy) = (Site::new(), ConnectProxy::start());
    let url = proxy.url();
    for role in ["gateway", "station", "center", "authenticator"] {
        let path = site.path(&format!("{role}.toml"));
        let config = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{config}[proxy]\nurl = \"{url}\"\n")).unwrap();
    }
    let [authority, gateway, center] =
        [site.authority_url(), site.gateway_url(), site.center_url()].map(|url| target_of(&url));
    let only = |target: &str, what: &str| {
        let targets = proxy.targets();
        assert!(!targets.is_empty() && targets.iter().all(|found| found == target), "{what}: {targets:?}");
    };

    let _authority = site.set_up_authority();
    assert_eq!(proxy.targets(), Vec::<String>::new());
    let serving = site.set_up_gateway();
    site.plan(1);
    site.json(&["gateway", "replenish"]);
    site.wait_for_stock(1);
    only(&authority, "the gateway");
    // From here on its own business would be in between.
    drop(serving);
    proxy.targets();
    let _serving = Process(
        site.command(&["gateway", "serve"])
            .env("TOUCHMARK_GATEWAY_PROXY_URL", "none")
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    site.wait_until("the gateway to serve", || TcpStream::connect(&gateway).is_ok());
    site.set_up_station("line-1");
    let device = site.device("3012", "0011223344556677", "tcp:127.0.0.1:0");
    site.json(&["station", "write", "--scan", "3012-123456", "--device", &device.address]);
    only(&gateway, "the station");

    join_center(&site);
    let _center = site.serve("center");
    wait_for_device(&site);
    only(&authority, "the center");
    drop(device.process);
    let call = ["device", "call", "counter", "--set", "total=5", "--flash", &device.flash];
    let to = ["--center", &site.center_url(), "--center-name", "europe", "--proxy", &url];
    site.json(&[&call[..], &to[..]].concat());
    assert!(proxy.targets().contains(&center));

    let refused = site.run(&[&call[..], &to[..4], &["--proxy", "http://user:word@127.0.0.1:1"]].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("user or a password in it"), "{said}");
    assert!(!said.contains("word@"), "{said}");
}

pub fn join_center(site: &Site) {
    let token = site.json(&["authority", "invite", "center", "--name", "europe"]);
    site.json(&["center", "join", token["token"].as_str().unwrap()]);
}

fn wait_for_device(site: &Site) {
    site.wait_until("the center to know the device", || {
        site.json(&["center", "status"])["devices"]["verified"] == 1
    });
}

#[test]
fn a_device_of_a_listed_product_calls_over_tls_1_2() {
    let (site, _authority, _gateway) = Site::with_stock(1);
    let device = site.device("3012", "0011223344556677", "tcp:127.0.0.1:0");
    site.json(&["station", "write", "--scan", "3012-123456", "--device", &device.address]);
    drop(device.process);
    let out = site.file("exported");
    site.json(&["device", "export", "--flash", &device.flash, "--out", &out]);
    join_center(&site);

    let center = site.start(&["center", "serve", "--tls12-product", "3012"]).0;
    wait_for_device(&site);
    let heard = call_by_openssl(&site, &out, 1, "-tls1_2");
    assert!(heard.contains("HTTP/1.1 200 OK") && heard.contains(r#""call":1"#), "{heard}");
    let heard = call_by_openssl(&site, &out, 2, "-tls1_3");
    assert!(heard.contains("HTTP/1.1 200 OK") && heard.contains(r#""call":2"#), "{heard}");
    drop(center);

    let center = site.start(&["center", "serve", "--tls12-product", "A123"]).0;
    let heard = call_by_openssl(&site, &out, 3, "-tls1_2");
    assert!(heard.contains("HTTP/1.1 403") && heard.contains("tls-too-old"), "{heard}");
    drop(center);

    let _center = site.serve("center");
    let heard = call_by_openssl(&site, &out, 3, "-tls1_2");
    assert!(heard.contains("alert protocol version") && !heard.contains("HTTP/1.1"), "{heard}");
    let heard = call_by_openssl(&site, &out, 3, "-tls1_3");
    assert!(heard.contains(r#""call":3"#), "nothing was taken in between: {heard}");
}

/// Makes a call with what `device export` wrote; what openssl heard and said.
fn call_by_openssl(site: &Site, exported: &str, sequence: u32, version: &str) -> String {
    let call: Value = json!({
        "deviceNumber": "3012-123456", "boot": 1, "sequence": sequence, "event": { "call": "poll" },
    });
    let body = call.to_string();
    let request = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: center\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", version])
        .args(["-connect", &target_of(&site.center_url())])
        .args(["-CAfile", &format!("{exported}/root.pem")])
        .args(["-cert", &format!("{exported}/client.pem"), "-key", &format!("{exported}/key.pem")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have been refused and gone already.
    let _ = client.stdin.take().unwrap().write_all(request.as_bytes());
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
