//! The way of a device through roles that are processes of their own, as the README walks it.

use serde_json::Value;

use crate::site::{Site, lines};

#[test]
fn a_device_is_made_by_roles_that_are_processes() {
    let (site, authority, gateway) = Site::with_stock(5);

    // Over the framed line protocol.
    let first = site.device("3012", "00000001", "tcp:127.0.0.1:0");
    let green = site.json(&["station", "write", "--scan", "3012-123456", "--device", &first.address]);
    assert_eq!(green["verdict"], "green", "{green}");
    assert_eq!(green["deviceNumber"], "3012-123456");
    // Over SOAP.
    let second = site.device("3012", "00000002", "http://127.0.0.1:0/soap");
    let green = site.json(&["station", "write", "--scan", "3012-123457", "--device", &second.address]);
    assert_eq!(green["verdict"], "green", "{green}");

    // The same plate once more, on another device; a plate of nobody's plan; another product's plate.
    let third = site.device("3012", "00000003", "tcp:127.0.0.1:0");
    for (plate, code) in
        [("3012-123456", "second-device"), ("3012-999999", "unplanned"), ("A123-654321", "wrong-product")]
    {
        let refused = site.run(&["station", "write", "--scan", plate, "--device", &third.address]);
        assert_eq!(refused.status.code(), Some(1), "{plate}");
        assert_eq!(lines(&refused)[0]["code"], code, "{plate}");
    }

    // What the devices hold proves them to the authority, once it has heard of them.
    for (device, number) in [(&first, "3012-123456"), (&second, "3012-123457")] {
        let held = site.json(&["device", "show", "--flash", device.flash()]);
        assert_eq!(
            (&held["holding"], &held["confirmed"]),
            (&Value::from(number), &Value::from(true)),
            "{held}"
        );
        site.wait_until(number, || {
            site.standing_of(device).is_some_and(|standing| standing["deviceNumber"] == number)
        });
    }
    assert_eq!(site.json(&["gateway", "status"])["outbox"], 0);

    for role in ["authority", "gateway", "station"] {
        let doctor = site.run(&["doctor", "--config", &site.file(&format!("{role}.toml"))]);
        assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    }
    for process in [first.process, second.process, third.process, gateway, authority] {
        assert!(process.stop().success());
    }
    site.assert_books_are_whole();
}

#[test]
fn roles_that_were_killed_go_on_where_they_were() {
    let (site, authority, gateway) = Site::with_stock(5);
    drop(authority);
    let device = site.device("3012", "00000001", "tcp:127.0.0.1:0");
    let write = ["station", "write", "--scan", "3012-123456", "--device", &device.address];
    let green = site.json(&write);
    assert_eq!(green["verdict"], "green", "without the authority: {green}");
    drop(gateway);
    let red = site.run(&write);
    assert_eq!(red.status.code(), Some(1), "without the gateway");

    let _authority = site.serve("authority");
    let _gateway = site.serve("gateway");
    site.wait_until("the result to arrive", || site.standing_of(&device).is_some());
    assert_eq!(site.json(&["gateway", "status"])["outbox"], 0);
    site.assert_books_are_whole();
}
