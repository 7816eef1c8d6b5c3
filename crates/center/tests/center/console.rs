//! The center's console, as a browser meets it.

use std::sync::Arc;

use axum::http::StatusCode;
use center::ConsoleSettings;
use identity::{Clock, CredentialState};
use jiff::tz::TimeZone;
use message::call::{Command, Event, Outcome, RequestResult};
use staff::testing::{Answer, Browser, Person, location};
use staff::{Staff, StaffRole};
use store::audit;
use store::listing::Page;
use store::testing::{TestDatabase, on_both};

use crate::firmware::Maker;
use crate::memory::Memory;
use crate::plant::{Plant, SystemRandom, counter};

const PAGES: [&str; 10] = [
    "/",
    "/devices",
    "/calls",
    "/incidents",
    "/requests",
    "/rollouts",
    "/invoices",
    "/invoices?from=2026-01-01&to=2026-01-31",
    "/intermediates",
    "/audit",
];

const ALL: [StaffRole; 3] = [StaffRole::Engineer, StaffRole::SecurityOfficer, StaffRole::Auditor];

fn browser(plant: &Plant) -> Browser {
    let settings = ConsoleSettings { authority: None, time_zone: TimeZone::UTC, over_tls: false };
    Browser::new(plant.center.console(settings))
}

/// A browser in which someone with these roles is signed in.
async fn signed_in(plant: &Plant, name: &str, roles: &[StaffRole]) -> Browser {
    let staff = Staff::new(plant.store.clone(), Arc::clone(&plant.clock) as _, Arc::new(SystemRandom));
    let person = Person::add(&staff, name, roles).await;
    let mut browser = browser(plant);
    let answer = browser.sign_in(&person, plant.clock.epoch_seconds()).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/"), "{}", answer.body);
    browser
}

/// Who did something last.
async fn actor_of(plant: &Plant, action: &str) -> Option<String> {
    let filter = audit::list::EntryFilter { action: action.to_owned(), ..Default::default() };
    let page = Page { is_descending: true, limit: 1, offset: 0 };
    let mut snapshot = plant.store.read().await.unwrap();
    let (entries, _) = audit::list::page(&mut snapshot, &filter, page).await.unwrap();
    entries.into_iter().next().map(|entry| entry.actor)
}

/// The numbers of devices in the table of a page, in its order.
fn devices_on(answer: &Answer) -> Vec<String> {
    let cells = answer.body.split("<td><a href=\"/devices/").skip(1);
    cells.filter_map(|rest| rest.split('"').next()).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in_and_each_is_shown_in_both_languages() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    plant.call(&device, &device.total(1, 1, 100)).await.unwrap();
    let mut stranger = browser(&plant);
    let life = ["/devices/3012-000001"];
    for page in PAGES.into_iter().chain(life) {
        let answer = stranger.get(page).await;
        assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/sign-in"), "{page}");
    }
    let mut browser = signed_in(&plant, "tanaka", &ALL).await;
    for page in PAGES.into_iter().chain(life) {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        assert!(answer.body.contains("lang=\"en\"") && answer.body.contains("tanaka"), "{page}");
        for forbidden in ["style=\"", "onclick", "<style", "http://", "https://"] {
            assert!(!answer.body.contains(forbidden), "{forbidden} in {page}");
        }
    }
    let mut browser = browser.speaking("ja");
    for page in PAGES.into_iter().chain(life) {
        let answer = browser.get(page).await;
        assert!(answer.body.contains("lang=\"ja\"") && answer.body.contains("仲介機器"), "{page}");
    }
    assert_eq!(browser.get("/devices/9999-000001").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_fleet_is_counted_filtered_searched_sorted_paged_and_exported() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        plant.fleet(120).await;
        let other = plant.device("A123-000077").await;
        plant.name(&other, CredentialState::Voided).await;
        let mut browser = signed_in(&plant, "tanaka", &[StaffRole::Viewer]).await;

        let first = browser.get("/devices").await;
        assert_eq!(devices_on(&first).len(), 50);
        assert_eq!(devices_on(&first)[0], "3012-000000");
        assert!(first.body.contains("1 to 50 of 121"), "{}", first.body);
        let last = browser.get("/devices?page=2").await;
        assert_eq!(devices_on(&last).last().unwrap(), "A123-000077");
        assert_eq!(devices_on(&browser.get("/devices?sort=device&order=desc").await)[0], "A123-000077");
        for (query, found) in [
            ("q=-00011", 10),
            ("q=a123", 1),
            ("q=%25", 0),
            ("product=A123", 1),
            ("product=3012&q=000119", 1),
            ("state=voided", 1),
            ("state=suspect", 0),
            ("state=quarantine", 0),
            ("product=3012&page=2", 20),
        ] {
            let answer = browser.get(&format!("/devices?{query}")).await;
            assert_eq!(devices_on(&answer).len(), found, "{query}");
        }
        let file = browser.get("/devices?format=csv&product=3012").await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(file.body.lines().count(), 121);
    })
    .await;
}

#[tokio::test]
async fn a_life_page_shows_what_the_center_holds_and_says_what_is_missing() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let other = plant.device("3012-000002").await;
        plant.call(&device, &device.total(1, 1, 4_711)).await.unwrap();
        let fault = Event::Service { fault_code: "E-13".parse().unwrap() };
        plant.call(&device, &device.call(1, 2, fault)).await.unwrap();
        let mut lie = device.total(1, 3, 1);
        lie.device_number = other.number.clone();
        plant.call(&device, &lie).await.unwrap_err();

        let mut browser = signed_in(&plant, "tanaka", &[StaffRole::Viewer]).await;
        let page = browser.get("/devices/3012-000001").await;
        for shown in
            ["The authority does not answer", "total 4711", "E-13", "Claimed another device", "Registered"]
        {
            assert!(page.body.contains(shown), "{shown} is not in {}", page.body);
        }
        assert!(!page.body.contains("Ask something of a device"), "a viewer asks nothing");
        assert!(!browser.get("/devices/3012-000002").await.body.contains("total 4711"));
    })
    .await;
}

#[tokio::test]
async fn a_request_is_asked_by_those_who_may_reaches_the_device_and_shows_what_came_of_it() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let ask = |what| [("device", "3012-000001"), ("what", what), ("counter", "total"), ("value", "7")];
    let mut viewer = signed_in(&plant, "yamada", &[StaffRole::Viewer]).await;
    assert_eq!(viewer.post("/requests", &ask("read-counters")).await.status, StatusCode::FORBIDDEN);
    let mut operator = signed_in(&plant, "sato", &[StaffRole::Operator]).await;
    assert_eq!(operator.post("/requests", &ask("set-initial-value")).await.status, StatusCode::FORBIDDEN);
    let answer = operator.post("/requests", &ask("read-counters")).await;
    assert_eq!(location(&answer), "/devices/3012-000001#requests");
    assert_eq!(actor_of(&plant, "device.request").await.unwrap(), "person:sato");
    let unknown = [("device", "3012-999999"), ("what", "read-counters")];
    assert_eq!(operator.post("/requests", &unknown).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    assert!(operator.get("/requests?state=open").await.body.contains("Waits for a call"));
    let answer = plant.call(&device, &device.call(1, 1, Event::Poll)).await.unwrap();
    assert_eq!(answer.requests[0].command, Command::ReadCounters);
    assert!(operator.get("/requests?state=open").await.body.contains("Handed out"));
    let mut call = device.total(1, 2, 100);
    call.results = vec![RequestResult { request: answer.requests[0].request, outcome: Outcome::Done }];
    plant.call(&device, &call).await.unwrap();
    assert_eq!(devices_on(&operator.get("/requests?state=open").await).len(), 0);
    assert!(operator.get("/requests?state=finished").await.body.contains("Done"));
}

#[tokio::test]
async fn a_clone_is_found_looked_into_and_released_by_a_person_who_may() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let mut memory = Memory::default();
    assert!(memory.count(&plant, &device, 10).await);
    let mut copy = memory.clone();
    assert!(memory.count(&plant, &device, 100).await);
    assert!(!copy.count(&plant, &device, 5).await);

    let mut operator = signed_in(&plant, "sato", &[StaffRole::Operator]).await;
    let page = operator.get("/incidents").await;
    assert!(page.body.contains("/quarantine/3012-000001"), "{}", page.body);
    let evidence = operator.get("/quarantine/3012-000001").await;
    assert!(evidence.body.contains("It named an earlier answer than the last"));
    assert!(!evidence.body.contains("Release from quarantine"));
    let release = [("doubt", "count")];
    assert_eq!(operator.post("/quarantine/3012-000001", &release).await.status, StatusCode::FORBIDDEN);
    assert_eq!(plant.billed(&device).await, 10);

    let mut engineer = signed_in(&plant, "tanaka", &[StaffRole::Engineer]).await;
    assert_eq!(devices_on(&engineer.get("/devices?state=quarantine").await), ["3012-000001"]);
    assert!(engineer.get("/quarantine/3012-000001").await.body.contains("Release from quarantine"));
    let answer = engineer.post("/quarantine/3012-000001", &release).await;
    assert_eq!(location(&answer), "/quarantine/3012-000001", "{}", answer.body);
    assert_eq!(actor_of(&plant, "device.readmit").await.unwrap(), "person:tanaka");
    assert_eq!(plant.billed(&device).await, 110);
    assert!(engineer.get("/quarantine/3012-000001").await.body.contains("Released by entry"));
    assert_eq!(
        engineer.post("/quarantine/3012-000001", &release).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_counter_that_went_back_is_accepted_or_refused() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let (kept, reset) = (plant.device("3012-000001").await, plant.device("3012-000002").await);
    for device in [&kept, &reset] {
        for (sequence, value) in [(1, 500), (2, 20), (3, 30)] {
            plant.call(device, &device.total(1, sequence, value)).await.unwrap();
        }
    }
    let mut engineer = signed_in(&plant, "tanaka", &[StaffRole::Engineer]).await;
    let page = engineer.get("/incidents").await;
    assert!(page.body.contains("/incidents/accept") && page.body.contains("/incidents/refuse"));
    let of = |device| [("device", device), ("counter", "total")];
    let answer = engineer.post("/incidents/accept", &of("3012-000001")).await;
    assert_eq!(location(&answer), "/incidents", "{}", answer.body);
    assert_eq!(actor_of(&plant, "counter.release").await.unwrap(), "person:tanaka");
    assert_eq!(plant.billed(&kept).await, 510);

    let answer = engineer.post("/incidents/refuse", &of("3012-000002")).await;
    assert_eq!(location(&answer), "/incidents", "{}", answer.body);
    let answer = plant.call(&reset, &reset.call(1, 4, Event::Poll)).await.unwrap();
    let request = answer.requests[0].request;
    let value = 500.try_into().unwrap();
    assert_eq!(
        answer.requests[0].command,
        Command::SetInitialValue { name: "total".parse().unwrap(), value }
    );
    let mut call = reset.call(1, 5, counter("total", 510));
    call.results = vec![RequestResult { request, outcome: Outcome::Done }];
    plant.call(&reset, &call).await.unwrap();
    assert_eq!(plant.billed(&reset).await, 510, "what was held counts for nothing");
    assert!(!engineer.get("/incidents").await.body.contains("/incidents/accept"));
}

#[tokio::test]
async fn a_roll_out_is_started_halted_resumed_widened_and_rolled_back() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    plant.device("3012-000001").await;
    let maker = Maker::known(&plant).await;
    maker.add(&plant, "1.0.0").await;
    let new = maker.add(&plant, "1.1.0").await;
    let begin = [("package", new.name.as_str()), ("share", "10"), ("halt_above", "5"), ("minimum", "20")];
    let mut operator = signed_in(&plant, "sato", &[StaffRole::Operator]).await;
    assert_eq!(operator.post("/rollouts", &begin).await.status, StatusCode::FORBIDDEN);
    let mut engineer = signed_in(&plant, "tanaka", &[StaffRole::Engineer]).await;
    for (path, fields, shown) in [
        ("/rollouts", &begin[..], "Running"),
        ("/rollouts/1/halt", &[], "halted by person:tanaka"),
        ("/rollouts/1/resume", &[], "Running"),
        ("/rollouts/1/widen", &[("share", "50")], "50 %"),
        ("/rollouts/1/roll-back", &[], "back to 1.0.0"),
    ] {
        let answer = engineer.post(path, fields).await;
        assert_eq!(location(&answer), "/rollouts", "{path}: {}", answer.body);
        let page = engineer.get("/rollouts").await;
        assert!(page.body.contains(shown), "{path}: {shown} is not in {}", page.body);
    }
    assert_eq!(actor_of(&plant, "rollout.roll-back").await.unwrap(), "person:tanaka");
    let again = engineer.post("/rollouts/1/halt", &[]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_invoice_shows_its_lines_and_each_line_its_calls() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    plant.call(&device, &device.total(1, 1, 100)).await.unwrap();
    plant.call(&device, &device.total(1, 2, 250)).await.unwrap();
    let mut browser = signed_in(&plant, "tanaka", &[StaffRole::Viewer]).await;
    let period = "from=2026-01-01&to=2026-01-31";
    let page = browser.get(&format!("/invoices?{period}")).await;
    assert!(page.body.contains("This period is not over"), "{}", page.body);
    let line = format!("/invoices/line?{period}&device=3012-000001&counter=total");
    assert!(page.body.contains(&line.replace('&', "&amp;")), "{}", page.body);
    let explained = browser.get(&line).await;
    assert!(explained.body.contains("250 units") && explained.body.contains("1.2"), "{}", explained.body);
    let file = browser.get(&format!("/invoices?{period}&format=csv")).await;
    assert!(file.body.contains("3012-000001,total,250"), "{}", file.body);
    let wrong = browser.get("/invoices?from=2026-02-01&to=2026-01-01").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}
