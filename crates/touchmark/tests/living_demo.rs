//! `demo --serve` as an evaluator meets it: the true binary, its consoles, and a factory that moves.

#![allow(clippy::unwrap_used)]

#[path = "browser/living.rs"]
#[allow(dead_code, reason = "the tests in a browser need more of it")]
mod living;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use living::Demo;

const PATIENCE: Duration = Duration::from_secs(120);

fn text<'a>(demo: &'a Demo, key: &str) -> &'a str {
    demo.started[key].as_str().unwrap()
}

fn sign_in(demo: &Demo, role: &str) -> Browser {
    let mut browser = Browser { address: text(demo, role).to_owned(), cookie: String::new() };
    let page = browser.get("/sign-in");
    let token = page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (name, password, code) = (text(demo, "name"), text(demo, "password"), text(demo, "code"));
    let form = format!("form_token={token}&name={name}&password={password}&code={code}");
    let answer = browser.send("POST", "/sign-in", &form);
    assert!(answer.starts_with("HTTP/1.1 303"), "{role}: {answer}");
    browser
}

/// A browser at one console.
struct Browser {
    address: String,
    cookie: String,
}

impl Browser {
    fn get(&mut self, path: &str) -> String {
        self.send("GET", path, "")
    }

    fn send(&mut self, method: &str, path: &str, form: &str) -> String {
        let host = self.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.cookie,
            form.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let head = answer.split("\r\n\r\n").next().unwrap();
        for line in head.lines() {
            if let Some(cookie) = line.strip_prefix("set-cookie: ") {
                self.cookie = cookie.split(';').next().unwrap().to_owned();
            }
        }
        answer
    }
}

/// Waits for something to come true.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        sleep(Duration::from_millis(500));
    }
}

#[test]
fn an_evaluator_signs_in_at_every_console_sees_the_factory_move_and_stops_it() {
    let mut demo = Demo::start(60);
    let mut center = sign_in(&demo, "center");
    let (mut authority, mut gateway) = (sign_in(&demo, "authority"), sign_in(&demo, "gateway"));
    for (browser, pages) in [
        (&mut authority, &["/", "/factories", "/certificates", "/audit"][..]),
        (&mut gateway, &["/", "/plan", "/stock", "/stations", "/devices"]),
        (&mut center, &["/", "/devices", "/calls", "/incidents", "/requests", "/rollouts", "/invoices"]),
    ] {
        for page in pages {
            let answer = browser.get(page);
            assert!(answer.starts_with("HTTP/1.1 200"), "{page}: {answer}");
        }
    }
    // Device numbers with how often each has called.
    let devices = |center: &mut Browser| -> Vec<(String, u64)> {
        let answer = center.get("/devices?format=csv");
        let lines = answer.split("\r\n\r\n").nth(1).unwrap().lines().skip(1);
        let fields = lines.map(|line| line.split(',').map(ToOwned::to_owned).collect::<Vec<_>>());
        fields
            .filter(|row| row.len() > 4)
            .map(|row| (row[0].clone(), row[4].parse().unwrap_or_default()))
            .collect()
    };
    let first = eventually("a device", || Some(devices(&mut center).len()).filter(|count| *count > 0));
    eventually("another device", || Some(devices(&mut center)).filter(|found| found.len() > first));
    let caller = eventually("a call", || devices(&mut center).into_iter().find(|(_, calls)| *calls > 0));

    // One life on one page, with what only the authority knows.
    let life = center.get(&format!("/devices/{}", caller.0));
    for shown in ["station line-", "gateway factory-e", "Certificate 1", "Called first"] {
        assert!(life.contains(shown), "{shown} is not in {life}");
    }

    kill(Pid::from_raw(demo.process.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = eventually("the end", || demo.process.try_wait().unwrap());
    assert!(status.success(), "{status}");
}
