//! A second CA takes the place of the first while authority, gateway and center run, none of which is restarted.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::calling::{call, flash, number};
use crate::site::{Process, Site, lines};

const OLD: &str = "head-office devices";
const NEW: &str = "head-office devices 2";

/// Makes the device of this number.
fn write(site: &Site, n: u32) {
    let device = site.device("3012", &format!("{n:016x}"), "tcp:127.0.0.1:0");
    let green = site.json(&["station", "write", "--scan", &number(n), "--device", &device.address]);
    assert_eq!(green["verdict"], "green", "{green}");
    drop(device.process);
    fs::rename(&device.flash, flash(site, n)).unwrap();
}

fn renew(site: &Site, n: u32) -> bool {
    let (flash, url) = (flash(site, n), site.authority_url());
    let to = ["--flash", &flash, "--authority", &url, "--authority-name", "head-office"];
    site.run(&[&["device", "renew"], &to[..]].concat()).status.success()
}

fn signal(process: &Process, signal: Signal) {
    kill(Pid::from_raw(process.0.id().try_into().unwrap()), signal).unwrap();
}

/// What the report on a CA says of a member.
fn member(site: &Site, ca: &str, member: &str) -> Value {
    let impact = site.json(&["authority", "ca", "impact", ca]);
    let members = impact["members"].as_array().unwrap();
    members.iter().find(|row| row["member"] == format!("urn:touchmark:{member}")).unwrap().clone()
}

/// Waits until the members that run trust these CAs, and no others.
fn wait_until_trusted(site: &Site, cas: &[&str]) {
    for who in ["gateway:osaka", "center:europe"] {
        site.wait_until("the members to say what they trust", || {
            member(site, "issuing", who)["trusts"] == Value::from(cas)
        });
    }
}

fn refusal(site: &Site, arguments: &[&str]) -> String {
    let output = site.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {:?}", lines(&output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A site whose center runs, and how many of each state the CAs are in.
fn with_center(units: u64) -> (Site, [Process; 3]) {
    let (site, authority, gateway) = Site::with_stock(units);
    let token = site.json(&["authority", "invite", "center", "--name", "europe"]);
    site.json(&["center", "join", token["token"].as_str().unwrap()]);
    let center = site.serve("center");
    (site, [authority, gateway, center])
}

fn make_ca(site: &Site) -> Value {
    let passphrase = site.file("root.passphrase");
    site.json(&["authority", "ca", "make", "--root-passphrase-file", &passphrase])
}

#[test]
fn a_second_ca_takes_the_place_of_the_first_while_everyone_works() {
    let (site, [_authority, _gateway, center]) = with_center(3);
    write(&site, 0);
    write(&site, 1);
    assert_eq!(site.issuer_of(&flash(&site, 0)), OLD);
    wait_until_trusted(&site, &["issuing"]);

    // A center that hangs, and so cannot learn the CA, holds it up.
    signal(&center, Signal::SIGSTOP);
    let made = make_ca(&site);
    assert_eq!(made["ca"], "issuing-2");
    let why = refusal(&site, &["authority", "ca", "activate", "issuing-2"]);
    assert!(why.contains("urn:touchmark:center:europe") && why.contains("not taken yet"), "{why}");
    signal(&center, Signal::SIGCONT);
    wait_until_trusted(&site, &["issuing", "issuing-2"]);
    let trusted = fs::read_to_string(site.path("center/issuing.pem")).unwrap();
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2, "it would know them after a restart");

    let impact = site.json(&["authority", "ca", "impact"]);
    assert_eq!((&impact["ca"], &impact["state"]), (&"issuing".into(), &"active".into()));
    assert_eq!(
        (&impact["living"], &impact["stock"]["osaka"], &impact["notRenewed"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(impact["products"][0]["states"]["verified"], 2, "{impact}");
    assert_eq!(member(&site, "issuing", "station:osaka:line-1")["heard"], Value::Null);
    let activated = site.json(&["authority", "ca", "activate", "issuing-2"]);
    assert_eq!(activated["superseded"], "issuing");

    // The pack in stock is written as it is; what is made from now on is the new CA's.
    write(&site, 2);
    assert_eq!(site.issuer_of(&flash(&site, 2)), OLD);
    site.plan(5);
    site.json(&["gateway", "replenish"]);
    site.wait_for_stock(2);
    write(&site, 3);
    assert_eq!(site.issuer_of(&flash(&site, 3)), NEW);
    site.wait_until("the center to know the devices", || {
        site.json(&["center", "status"])["devices"]["verified"] == 4
    });
    for n in 0..4 {
        assert!(call(&site, n, &["counter", "--set", "total=10"]).is_some(), "{}", number(n));
    }
    assert!(renew(&site, 0));
    assert_eq!(site.issuer_of(&flash(&site, 0)), NEW);
    site.wait_until("the center to hear of the renewal", || call(&site, 0, &["poll"]).is_some());

    // Two devices were not renewed: somebody has to say that they may be locked out.
    let why = refusal(&site, &["authority", "ca", "retire", "issuing"]);
    assert!(why.contains("2 certificates that issuing signed still count"), "{why}");
    let retired = site.json(&["authority", "ca", "retire", "issuing", "--accept-living-certificates"]);
    assert_eq!((&retired["ca"], &retired["living"]), (&"issuing".into(), &2.into()));
    wait_until_trusted(&site, &["issuing-2"]);
    for (n, is_in) in [(0, true), (1, false), (2, false), (3, true)] {
        assert_eq!(call(&site, n, &["poll"]).is_some(), is_in, "{}", number(n));
    }
    assert!(!renew(&site, 1), "nor does the authority let it in");
    assert!(renew(&site, 3));
    write(&site, 4);
    let list = lines(&site.run(&["authority", "ca", "list"]));
    let states: Vec<_> =
        list.iter().map(|row| (&row["ca"], &row["state"], &row["certificates"]["3012"])).collect();
    let expected = [
        (&"issuing".into(), &"retired".into(), &2.into()),
        (&"issuing-2".into(), &"active".into(), &3.into()),
    ];
    assert_eq!(states, expected);
    for role in ["authority", "gateway", "center"] {
        let doctor = lines(&site.run(&["doctor", "--config", &site.file(&format!("{role}.toml"))]));
        let cas = doctor.iter().find(|finding| finding["check"] == "device CAs").unwrap();
        assert_eq!(cas["verdict"], "fine", "{cas}");
        assert!(cas["found"].as_str().unwrap().starts_with("1 trusted: CN=head-office devices 2"), "{cas}");
    }
    site.assert_books_are_whole();
    let audit = site.json(&["audit", "verify", "--data", &site.file("center")]);
    assert_eq!(audit["valid"], true, "{audit}");
}

#[test]
fn a_station_that_serves_learns_it_from_its_gateway() {
    let (site, _processes) = with_center(1);
    let (mut station, _) = {
        let mut command = site.command(&["station", "serve", "--device", "tcp:127.0.0.1:1"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        (Process(command.spawn().unwrap()), ())
    };
    let station_has =
        |cas: &[&str]| member(&site, "issuing", "station:osaka:line-1")["trusts"] == Value::from(cas);
    site.wait_until("the station to be heard", || station_has(&["issuing"]));
    make_ca(&site);
    site.wait_until("the station to have it", || station_has(&["issuing", "issuing-2"]));
    let trusted = fs::read_to_string(site.path("station/issuing.pem")).unwrap();
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(station.0.try_wait().unwrap().is_none(), "it serves all the while");
}
