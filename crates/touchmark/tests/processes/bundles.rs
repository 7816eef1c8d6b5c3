//! A factory that no link joins to its authority, through the true program: files carry what else
//! requests would.

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

/// More is planned, so that more is to be ordered.
fn plan_more(site: &Site) {
    fs::write(site.path("more.csv"), format!("DEVICE CODE,{}\n3012,{}\n3013,5\n", today(), UNITS + 4))
        .unwrap();
    let imported = site.run(&["plan", "import", &site.file("more.csv")]);
    assert!(imported.status.success(), "{:?}", lines(&imported));
}
