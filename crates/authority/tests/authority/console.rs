//! The authority's console, as browsers of several people meet it.

use std::sync::Arc;

use authority::ConsoleSettings;
use axum::http::StatusCode;
use identity::Clock;
use jiff::tz::TimeZone;
use staff::testing::{Browser, Person, location};
use staff::{Staff, StaffRole};
use store::audit;
use store::testing::TestDatabase;

use crate::plant::{Plant, SystemRandom, numbers, osaka};

struct Office {
    plant: Plant,
    staff: Staff,
}

impl Office {
    async fn new() -> Self {
        let plant = Plant::new(TestDatabase::sqlite()).await;
        let staff = Staff::new(plant.store.clone(), plant.clock.clone(), Arc::new(SystemRandom));
        Self { plant, staff }
    }

    async fn signed_in(&self, name: &str, roles: &[StaffRole]) -> Browser {
        let person = Person::add(&self.staff, name, roles).await;
        let settings = ConsoleSettings { time_zone: TimeZone::UTC, over_tls: false };
        let mut browser = Browser::new(Arc::clone(&self.plant.authority).console(settings));
        let answer = browser.sign_in(&person, self.plant.clock.epoch_seconds()).await;
        assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/"), "{}", answer.body);
        browser
    }

    async fn quota(&self, product: &str) -> u64 {
        let allotment = self.plant.authority.desk().allotment(&osaka()).await.unwrap();
        allotment.products.iter().find(|allotted| allotted.product.as_str() == product).unwrap().quota
    }

    async fn audited(&self, action: &str) -> Vec<String> {
        let filter = audit::list::EntryFilter { action: action.to_owned(), ..Default::default() };
        let page = store::listing::Page { is_descending: true, limit: 10, offset: 0 };
        let mut snapshot = self.plant.store.read().await.unwrap();
        let (entries, _) = audit::list::page(&mut snapshot, &filter, page).await.unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.actor, entry.action)).collect()
    }
}

const PAGES: [&str; 9] =
    ["/", "/factories", "/products", "/keys", "/certificates", "/revoke", "/approvals", "/members", "/audit"];
const OFFICER: &[StaffRole] = &[StaffRole::SecurityOfficer];

#[tokio::test]
async fn every_page_is_shown_in_both_languages() {
    let office = Office::new().await;
    office.plant.issue(&numbers("3012", 123_000..123_003)).await.unwrap();
    let mut browser = office.signed_in("sato", OFFICER).await;
    for page in PAGES.into_iter().chain(["/devices/3012-123000"]) {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
    let mut browser = browser.speaking("ja");
    for page in PAGES {
        assert!(browser.get(page).await.body.contains("工場と発行枠"), "{page}");
    }
    assert_eq!(browser.get("/devices/3012-123999").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_people_raise_a_quota_and_one_lowers_it() {
    let office = Office::new().await;
    let mut sato = office.signed_in("sato", OFFICER).await;
    let mut ito = office.signed_in("ito", OFFICER).await;
    let raise = [("factory", "osaka"), ("product", "3012"), ("quota", "500")];
    let answer = sato.post("/factories/quota", &raise).await;
    assert!(answer.body.contains("Proposed as number 1"), "{}", answer.body);
    assert_eq!(office.quota("3012").await, 100);

    let own = sato.post("/approvals/1/approve", &[]).await;
    assert_eq!(own.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(own.body.contains("another person must approve"), "{}", own.body);
    assert_eq!(office.quota("3012").await, 100);

    assert_eq!(ito.post("/approvals/1/approve", &[]).await.status, StatusCode::OK);
    assert_eq!(office.quota("3012").await, 500);
    assert_eq!(
        office.audited("approval.").await,
        ["person:ito approval.approve", "person:sato approval.propose"]
    );
    assert_eq!(office.audited("factory.allot").await[0], "person:ito factory.allot");
    let again = ito.post("/approvals/1/approve", &[]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.body);

    let lower = [("factory", "osaka"), ("product", "3012"), ("quota", "40")];
    assert_eq!(sato.post("/factories/quota", &lower).await.status, StatusCode::OK);
    assert_eq!(office.quota("3012").await, 40);
}

#[tokio::test]
async fn a_proposal_expires_is_turned_down_or_finds_another_quota() {
    let office = Office::new().await;
    let mut sato = office.signed_in("sato", OFFICER).await;
    let mut ito = office.signed_in("ito", OFFICER).await;
    for quota in ["500", "600", "700"] {
        let raise = [("factory", "osaka"), ("product", "3012"), ("quota", quota)];
        assert_eq!(sato.post("/factories/quota", &raise).await.status, StatusCode::OK);
    }
    assert_eq!(ito.post("/approvals/1/turn-down", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ito.post("/approvals/1/approve", &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    assert_eq!(ito.post("/approvals/2/approve", &[]).await.status, StatusCode::OK);
    let stale = ito.post("/approvals/3/approve", &[]).await;
    assert!(stale.body.contains("propose it again"), "{}", stale.body);
    assert_eq!(office.quota("3012").await, 600);

    office.plant.clock.advance(24 * 60 * 60);
    let mut kato = office.signed_in("kato", OFFICER).await;
    let late = kato.post("/approvals/3/approve", &[]).await;
    assert!(late.body.contains("has expired"), "{}", late.body);
}

#[tokio::test]
async fn one_device_is_revoked_by_one_person_and_many_by_two() {
    let office = Office::new().await;
    office.plant.issue(&numbers("3012", 123_000..123_006)).await.unwrap();
    let mut sato = office.signed_in("sato", OFFICER).await;
    let mut ito = office.signed_in("ito", OFFICER).await;
    let fields = |first: &'static str, last: &'static str| {
        vec![
            ("first", first),
            ("last", last),
            ("factory", ""),
            ("station", ""),
            ("from", ""),
            ("until", ""),
            ("reason", "key-compromise"),
        ]
    };
    let one = fields("3012-123005", "");
    let preview = sato.post("/revoke", &one).await.body;
    assert!(preview.contains("1 certificates") && preview.contains("Nothing is revoked yet"), "{preview}");
    let confirmed = [one, vec![("confirmed", "yes")]].concat();
    assert!(sato.post("/revoke", &confirmed).await.body.contains("3012-123005 is revoked"));
    assert_eq!(office.audited("credential.void").await, ["person:sato credential.void"]);

    let many = [fields("3012-123000", "3012-123004"), vec![("confirmed", "yes")]].concat();
    assert!(sato.post("/revoke", &many).await.body.contains("Proposed as number 1"));
    assert_eq!(office.audited("credential.void").await.len(), 1);
    assert_eq!(sato.post("/approvals/1/approve", &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ito.post("/approvals/1/approve", &[]).await.status, StatusCode::OK);
    for _ in 0..100 {
        if office.audited("credential.void").await.len() > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(office.audited("credential.void").await[0], "person:ito credential.void");
    let list = sato.get("/certificates?state=voided&format=csv").await.body;
    assert_eq!(list.lines().count(), 7, "{list}");

    let nothing = fields("", "");
    assert!(sato.post("/revoke", &nothing).await.body.contains("Nothing that could be revoked"));
}

#[tokio::test]
async fn only_security_officers_decide() {
    let office = Office::new().await;
    let mut browser = office.signed_in("mori", &[StaffRole::Engineer, StaffRole::Auditor]).await;
    let raise = [("factory", "osaka"), ("product", "3012"), ("quota", "500")];
    assert_eq!(browser.post("/factories/quota", &raise).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/revoke").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/approvals/1/approve", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/keys/export", &[("key", "A123-1")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/factories/add", &[("name", "nagoya")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(office.audited("factory.add").await[0], "person:mori factory.add");
}

#[tokio::test]
async fn a_certificate_is_found_by_number_serial_and_key() {
    let office = Office::new().await;
    office.plant.issue(&numbers("3012", 123_000..123_003)).await.unwrap();
    let mut browser = office.signed_in("sato", OFFICER).await;
    let device = browser.get("/devices/3012-123001").await.body;
    let codes: Vec<&str> = device.split("<code>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    for typed in ["3012-123001", codes[0], codes[1]] {
        let found = browser.get(&format!("/certificates?q={typed}&format=csv")).await.body;
        assert_eq!(found.lines().count(), 2, "{typed}: {found}");
        assert!(found.contains("3012-123001"), "{typed}: {found}");
    }
}
