//! What operations see: each role shows what the dashboard draws, to this machine alone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::calling::Fleet;
use crate::services::workspace;
use crate::site::{Site, free_port};

/// The names of all metrics in an answer; each of its lines must be one of the format.
fn names(answer: &str) -> BTreeSet<String> {
    let of_line = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap().to_owned();
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        name
    };
    answer.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(of_line).collect()
}

fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The value of the one line that begins so.
fn value(metrics: &str, start: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no {start} in\n{metrics}")).rsplit(' ').next().unwrap().parse().unwrap()
}

fn drawn(dashboard: &Path) -> BTreeSet<String> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(dashboard).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            names.extend(words.filter(|word| word.starts_with("touchmark_")).map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_role_shows_what_the_dashboard_draws() {
    let site = Site::new();
    let ports = ["authority", "gateway", "center", "authenticator"].map(|role| {
        let port = free_port();
        let path = site.path(&format!("{role}.toml"));
        let config = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{config}metrics_listen = \"127.0.0.1:{port}\"\n")).unwrap();
        port
    });
    let [authority, gateway, center, authenticator] = ports;
    let fleet = Fleet::at(site, 2, &[]);
    let token = fleet.site.json(&["authority", "invite", "authenticator", "--name", "tokyo"]);
    fleet.site.json(&["authenticator", "join", token["token"].as_str().unwrap()]);
    let _authenticator = fleet.site.serve("authenticator");
    for total in ["total=7", "total=3"] {
        assert!(fleet.call(0, &["counter", "--set", total]).is_some());
    }
    assert!(fleet.call(1, &["manage", "--managed", "3012-123456"]).is_none(), "its product manages nobody");

    let shown = ports.map(|port| {
        let (status, metrics) = get(port, "/metrics");
        assert!(status.contains("200"), "{status}");
        metrics
    });
    assert_eq!(
        value(
            &shown[0],
            "touchmark_credentials{factory=\"osaka\",product=\"3012\",credential=\"certificate\",state=\"verified\"}"
        ),
        2.0
    );
    assert_eq!(value(&shown[1], "touchmark_verified{product=\"3012\",credential=\"certificate\"}"), 2.0);
    let calls = "touchmark_requests_total{route=\"/v1/calls\",code=\"200\"}";
    assert_eq!(value(&shown[2], calls), 2.0);
    assert_eq!(value(&shown[2], "touchmark_journal_entries"), 2.0);
    assert_eq!(value(&shown[2], "touchmark_held_readings"), 1.0);
    assert_eq!(value(&shown[2], "touchmark_incidents{kind=\"not-intermediate\"}"), 1.0);
    assert!(shown.iter().all(|metrics| !metrics.contains("3012-")), "no device is named");

    // A peer that shows no certificate is not let in, and is counted.
    let refused = "touchmark_connections_refused_total{reason=\"handshake\"}";
    let before = value(&shown[2], refused);
    let port = fleet.site.center_url().rsplit(':').next().unwrap().parse().unwrap();
    let mut nobody = TcpStream::connect(("127.0.0.1", port)).unwrap();
    nobody.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    fleet.site.wait_until("the center to count it", || value(&get(center, "/metrics").1, refused) > before);

    let exposed: BTreeSet<String> = shown.iter().flat_map(|metrics| names(metrics)).collect();
    let drawn = drawn(&workspace().join("examples/grafana-dashboard.json"));
    let missing: Vec<_> = drawn.difference(&exposed).collect();
    assert!(drawn.len() > 20 && missing.is_empty(), "{missing:?} are drawn and not shown: {exposed:?}");
    for port in [authority, gateway, authenticator] {
        assert!(get(port, "/v1/status").0.contains("404"), "and nothing else is shown there");
    }
}

#[test]
fn metrics_are_shown_to_this_machine_alone() {
    let fleet = Fleet::of(1);
    for (address, why) in [("0.0.0.0:0", "an address that others reach"), ("here", "no address to listen on")]
    {
        let mut center = fleet.site.command(&["center", "serve"]);
        let output = center.env("TOUCHMARK_CENTER_METRICS_LISTEN", address).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains(why) && words.contains("127.0.0.1:7457"), "{words}");
    }
}
