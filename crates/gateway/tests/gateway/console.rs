//! The gateway's console, as a browser meets it.

use axum::http::StatusCode;
use gateway::ConsoleSettings;
use identity::Clock;
use staff::testing::{Answer, Browser, PASSWORD, Person, location};
use staff::{Staff, StaffRole};
use std::sync::Arc;
use store::testing::TestDatabase;
use store::{Schema, Store, audit};

use crate::device::TestDevice;
use crate::plant::{Factory, number};

struct Hall {
    factory: Factory,
    store: Store,
    staff: Staff,
}

impl Hall {
    async fn new() -> Self {
        let factory = Factory::with_stock(TestDatabase::sqlite(), 5).await;
        let store = Store::open(&factory.database.url, Schema::Gateway).await.unwrap();
        let staff = Staff::new(store.clone(), factory.clock.clone(), factory.random());
        Self { factory, store, staff }
    }

    fn browser(&self) -> Browser {
        let settings = ConsoleSettings {
            url: "https://127.0.0.1:7444".to_owned(),
            token_seconds: 3_600,
            over_tls: false,
        };
        Browser::new(Arc::clone(self.factory.gateway()).console(settings))
    }

    fn now(&self) -> i64 {
        self.factory.clock.epoch_seconds()
    }

    /// A browser in which someone with these roles is signed in.
    async fn signed_in(&self, name: &str, roles: &[StaffRole]) -> Browser {
        let person = Person::add(&self.staff, name, roles).await;
        let mut browser = self.browser();
        let answer = browser.sign_in(&person, self.now()).await;
        assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/"), "{}", answer.body);
        browser
    }

    /// Who did what, the last first.
    async fn audited(&self, action: &str) -> Vec<String> {
        let filter = audit::list::EntryFilter { action: action.to_owned(), ..Default::default() };
        let page = store::listing::Page { is_descending: true, limit: 10, offset: 0 };
        let mut snapshot = self.store.read().await.unwrap();
        let (entries, _) = audit::list::page(&mut snapshot, &filter, page).await.unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.actor, entry.action)).collect()
    }
}

const PAGES: [&str; 10] = [
    "/",
    "/plan",
    "/plan/import",
    "/stock",
    "/stations",
    "/attention",
    "/devices",
    "/products",
    "/link",
    "/audit",
];

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let hall = Hall::new().await;
    let mut browser = hall.browser();
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/sign-in"), "{page}");
    }
    let answer = browser.post("/stock/replenish", &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(hall.audited("replenish.ask").await.is_empty());
}

#[tokio::test]
async fn every_page_is_shown_in_both_languages_and_loads_nothing_from_elsewhere() {
    let hall = Hall::new().await;
    let mut device = TestDevice::new(1);
    let made = number("3012-123456");
    hall.factory.make(1, &mut device, &made).await.unwrap();
    hall.factory.gateway().desk().sample_stock().await.unwrap();
    let all = [StaffRole::Engineer, StaffRole::Auditor];
    let mut browser = hall.signed_in("tanaka", &all).await;
    for page in PAGES.into_iter().chain(["/devices/3012-123456"]) {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        assert_is_locked_down(&answer);
        assert!(answer.body.contains("lang=\"en\"") && answer.body.contains("tanaka"), "{page}");
    }
    let mut browser = browser.speaking("ja");
    for page in PAGES {
        let answer = browser.get(page).await;
        assert!(answer.body.contains("lang=\"ja\"") && answer.body.contains("生産計画"), "{page}");
    }
    let answer = browser.get("/devices/3012-999999").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

fn assert_is_locked_down(answer: &Answer) {
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let policy = header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    for forbidden in ["style=\"", "onclick", "<style", "http://", "https://"] {
        assert!(!answer.body.contains(forbidden), "{forbidden} in {}", answer.body);
    }
}

#[tokio::test]
async fn a_wrong_password_a_used_code_and_an_unknown_name_are_refused_alike() {
    let hall = Hall::new().await;
    let person = Person::add(&hall.staff, "tanaka", &[StaffRole::Viewer]).await;
    let mut browser = hall.browser();
    let code = person.code(hall.now());
    let mut refusals = Vec::new();
    for (name, password, code) in [
        ("tanaka", "wrong horse battery", code.as_str()),
        ("tanaka", PASSWORD, "000000"),
        ("nobody", PASSWORD, code.as_str()),
    ] {
        let fields = [("name", name), ("password", password), ("code", code)];
        let answer = browser.post("/sign-in", &fields).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        refusals.push(answer.body.replace(name, "NAME"));
    }
    // The token of the form is this browser's and the same each time.
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(refusals[0], refusals[2]);

    assert_eq!(browser.sign_in(&person, hall.now()).await.status, StatusCode::SEE_OTHER);
    let again = hall.browser().sign_in(&person, hall.now()).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "a code is good once");
    hall.factory.clock.advance(60);
    assert_eq!(hall.browser().sign_in(&person, hall.now()).await.status, StatusCode::SEE_OTHER);
    assert_eq!(hall.audited("staff.sign-in").await.len(), 2);
}

#[tokio::test]
async fn wrong_tries_wait_longer_and_longer_for_names_that_exist_and_that_do_not() {
    let hall = Hall::new().await;
    let person = Person::add(&hall.staff, "tanaka", &[StaffRole::Viewer]).await;
    for name in ["tanaka", "nobody"] {
        let mut browser = hall.browser();
        let fields = [("name", name), ("password", "wrong horse battery"), ("code", "000000")];
        for _ in 0..4 {
            assert_eq!(browser.post("/sign-in", &fields).await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(browser.post("/sign-in", &fields).await.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
    }
    let mut browser = hall.browser();
    assert_eq!(browser.sign_in(&person, hall.now()).await.status, StatusCode::TOO_MANY_REQUESTS);
    hall.factory.clock.advance(2);
    assert_eq!(browser.sign_in(&person, hall.now()).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_when_left_alone_at_the_end_of_the_shift_and_at_sign_out() {
    let hall = Hall::new().await;
    let person = Person::add(&hall.staff, "tanaka", &[StaffRole::Viewer]).await;
    let mut browser = hall.browser();
    browser.sign_in(&person, hall.now()).await;
    for _ in 0..23 {
        hall.factory.clock.advance(25 * 60);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }
    hall.factory.clock.advance(26 * 60);
    assert_eq!(location(&browser.get("/").await), "/sign-in", "ten hours are over");

    browser.sign_in(&person, hall.now()).await;
    hall.factory.clock.advance(31 * 60);
    assert_eq!(location(&browser.get("/").await), "/sign-in", "half an hour without a request is over");

    browser.sign_in(&person, hall.now()).await;
    let answer = browser.post("/sign-out", &[]).await;
    assert_eq!(location(&answer), "/sign-in");
    assert_eq!(location(&browser.get("/").await), "/sign-in");

    hall.factory.clock.advance(60);
    browser.sign_in(&person, hall.now()).await;
    hall.staff.remove(&"tanaka".parse().unwrap(), &audit::Actor::person("root")).await.unwrap();
    assert_eq!(location(&browser.get("/").await), "/sign-in", "who is removed is signed out at once");
}

#[tokio::test]
async fn a_form_without_the_pages_token_changes_nothing() {
    let hall = Hall::new().await;
    let mut browser = hall.signed_in("tanaka", &[StaffRole::Operator]).await;
    for fields in [&[][..], &[("form_token", "00")][..]] {
        let answer = browser.post_as_it_is("/stock/replenish", fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    // The token of another browser is no better.
    let other = hall.browser().get("/sign-in").await.hidden("form_token").unwrap();
    let answer = browser.post_as_it_is("/stock/replenish", &[("form_token", &other)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(hall.audited("replenish.ask").await.is_empty());

    assert_eq!(browser.post("/stock/replenish", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(hall.audited("replenish.ask").await, ["person:tanaka replenish.ask"]);
}

#[tokio::test]
async fn who_may_look_may_not_act() {
    let hall = Hall::new().await;
    let mut browser = hall.signed_in("tanaka", &[StaffRole::Viewer]).await;
    let forms: [(&str, &[(&str, &str)]); 6] = [
        ("/stock/replenish", &[]),
        ("/attention/send-again", &[]),
        ("/attention/withdraw", &[("credential", "3012-123456"), ("reason", "x")]),
        ("/stations/invite", &[("name", "line-9")]),
        ("/stations/line-1/shut-out", &[]),
        ("/plan/import", &[("content", "DEVICE CODE,3/17\n3012,1\n"), ("accept", "yes")]),
    ];
    for (path, fields) in forms {
        assert_eq!(browser.post(path, fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(browser.get("/audit").await.status, StatusCode::FORBIDDEN);
    assert!(!browser.get("/stations").await.body.contains("/stations/invite"));
}

#[tokio::test]
async fn a_plan_is_seen_before_it_is_accepted_and_its_faults_are_named() {
    let hall = Hall::new().await;
    let mut browser = hall.signed_in("tanaka", &[StaffRole::Engineer]).await;
    let bad = "DEVICE CODE,3/17,3/18\n3012,many,4\n";
    let answer = browser.post("/plan/import", &[("content", bad), ("accept", "yes")]).await;
    assert!(answer.body.contains("Wrong cells: 1") && answer.body.contains("many"), "{}", answer.body);
    let before = hall.factory.gateway().desk().plan().await.unwrap();

    let good = "DEVICE CODE,3/17,3/18\n3012,7,4\nA123,5,5\n";
    let answer = browser.post("/plan/import", &[("content", good)]).await;
    assert!(answer.body.contains("Nothing is changed yet"), "{}", answer.body);
    assert_eq!(hall.factory.gateway().desk().plan().await.unwrap(), before);

    let answer = browser.post("/plan/import", &[("content", good), ("accept", "yes")]).await;
    assert!(answer.body.contains("entries were changed"), "{}", answer.body);
    assert_ne!(hall.factory.gateway().desk().plan().await.unwrap(), before);
    assert_eq!(hall.audited("plan.import").await[0], "person:tanaka plan.import");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_exported() {
    let hall = Hall::new().await;
    let mut browser = hall.signed_in("tanaka", &[StaffRole::Viewer]).await;
    let page = browser.get("/devices?q=3012-&state=stocked&sort=credential&order=desc").await.body;
    assert!(page.contains("of 5") && !page.contains("A123-"), "{page}");
    let file = browser.get("/devices?q=3012-&format=csv").await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(file.body.lines().count(), 6);
    assert_eq!(file.body.lines().next(), Some("credential,device,state,station,completed,reason"));
    for list in ["/plan", "/stock", "/stations", "/attention", "/products"] {
        let file = browser.get(&format!("{list}?format=csv")).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8", "{list}");
    }
}

#[tokio::test]
async fn an_invitation_is_shown_once_and_a_withdrawal_says_who_and_why() {
    let hall = Hall::new().await;
    let all = [StaffRole::Engineer, StaffRole::Auditor];
    let mut browser = hall.signed_in("tanaka", &all).await;
    let answer = browser.post("/stations/invite", &[("name", "line-9")]).await;
    assert!(answer.body.contains("<code>tmj1.") && answer.body.contains("line-9"), "{}", answer.body);
    let fields = [("credential", "3012-123456"), ("reason", "fell from the belt")];
    assert_eq!(browser.post("/attention/withdraw", &fields).await.status, StatusCode::SEE_OTHER);
    let device = browser.get("/devices/3012-123456").await.body;
    assert!(device.contains("fell from the belt"), "{device}");
    let log = browser.get("/audit?action=credential.void").await.body;
    assert!(log.contains("person:tanaka") && log.contains("fell from the belt"), "{log}");
    let verified = browser.post("/audit/verify", &[]).await.body;
    assert!(verified.contains("The log is whole"), "{verified}");
}
