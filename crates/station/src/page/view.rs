//! How the page looks: one thing at a time, to be read from three metres, in words, by a sign and by colour.

use axum::http::StatusCode;
use axum::response::Response;
use console::catalogue::station as texts;
use console::{Text, Visit};
use maud::{Markup, html};
use message::problem::ProblemCode;

use crate::failure::{Failure, Handling};
use crate::page::floor::{Floor, Link, Scene, SignedOn, State};

/// The drawing that serves for all products.
pub const PICTURE: &str = "/assets/rating-plate.svg";

const SCRIPTS: &[&str] = &["/assets/station.js"];

const STEPS: [Text; 5] =
    [texts::STEP_PLATE, texts::STEP_DEVICE, texts::STEP_PACK, texts::STEP_WRITE, texts::STEP_FILE];

/// A key, and what it does: shown on buttons, pressed by the script.
const SCRAP_KEY: &str = "F2";
const SIGN_OFF_KEY: &str = "F4";
const CANCEL_KEY: &str = "Escape";

/// The page before anyone has signed on.
pub fn door(visit: &Visit, floor: &Floor, status: StatusCode, notice: Option<Text>) -> Response {
    let following = floor.follow();
    let state = following.borrow();
    let may_be_over_soon = floor.operators.is_empty() || state.link != Link::Reached;
    let scene = html! {
        main #content .scene.door-scene tabindex="-1" data-again[may_be_over_soon] {
            h1 .say { (visit.t(texts::SIGN_ON)) }
            @if let Some(notice) = notice { p .sentence.warning role="alert" { "▲ " (visit.t(notice)) } }
            @if floor.operators.is_empty() { p .sentence { (visit.t(texts::NO_OPERATORS)) } }
            (visit.form("/sign-on", html! {
                label .scan-field {
                    span { (visit.t(texts::BADGE)) }
                    input #scan type="password" name="badge" required autocomplete="off" autofocus;
                }
                button .primary type="submit" { (visit.t(texts::SIGN_ON_BUTTON)) }
            }))
        }
    };
    let body = html! {
        div .station {
            (top(visit, floor))
            (gateway(visit, floor, &state))
            (scene)
        }
    };
    visit.bare_page(status, visit.t(texts::SIGN_ON), SCRIPTS, body)
}

/// The page of an operator at work.
pub fn station(visit: &Visit, floor: &Floor) -> Response {
    let body = html! {
        div .station {
            (top(visit, floor))
            div #floor data-changes="/live" { (self::floor(visit, floor)) }
            div #page-lost .sentence.warning role="alert" hidden { "▲ " (visit.t(texts::PAGE_LOST)) }
            div .scan-line {
                (visit.form("/scan", html! {
                    label .scan-field {
                        span { (visit.t(texts::SCAN)) }
                        input #scan type="text" name="scan" autocomplete="off" autocapitalize="off"
                            spellcheck="false" autofocus;
                    }
                }))
            }
        }
    };
    visit.bare_page(StatusCode::OK, visit.t(texts::READY), SCRIPTS, body)
}

/// The part that follows what happens.
pub fn floor(visit: &Visit, floor: &Floor) -> Markup {
    let following = floor.follow();
    let state = following.borrow();
    html! {
        (gateway(visit, floor, &state))
        (scene(visit, &state))
        @if let Some(operator) = &state.operator { (figures(visit, operator)) }
    }
}

fn top(visit: &Visit, floor: &Floor) -> Markup {
    let is_rehearsal = floor.page.member.factory().is_some_and(|factory| factory.as_str() == "rehearsal");
    html! {
        @if is_rehearsal { p .rehearsal role="note" { (visit.t(texts::REHEARSAL)) } }
        header .top {
            span .brand {
                img src="/assets/mark.svg" alt="" width="22" height="22";
                span .brand-role { (visit.t(texts::STATION)) }
                span .brand-place { (floor.page.member.name()) }
            }
            div .top-end { (visit.preferences()) }
        }
    }
}

/// Whether the gateway is there, and what works where it is not.
fn gateway(visit: &Visit, floor: &Floor, state: &State) -> Markup {
    html! {
        section .link.lost[matches!(state.link, Link::Lost(_))] aria-label=(visit.t(texts::GATEWAY)) {
            @match state.link {
                Link::NotTried => span { "● " (visit.t(texts::GATEWAY_NOT_TRIED)) },
                Link::Reached => span { "✓ " (visit.t(texts::GATEWAY_REACHED)) },
                Link::Lost(since) => {
                    strong { "▲ " (visit.fill(texts::GATEWAY_LOST, &[&duration(floor.now() - since)])) }
                }
            }
            @if state.waiting > 0 { strong { (visit.fill(texts::WAITING, &[&state.waiting])) } }
            @if matches!(state.link, Link::Lost(_)) {
                span .link-help { (visit.t(texts::GATEWAY_LOST_HELP)) }
            }
        }
    }
}

/// Minutes and seconds, and hours where there are any.
fn duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn scene(visit: &Visit, state: &State) -> Markup {
    let (class, content) = match &state.scene {
        Scene::Ready => ("ready", ready(visit)),
        Scene::Writing { number, done, .. } => {
            ("writing", writing(visit, number.as_ref().map(ToString::to_string), *done))
        }
        Scene::Green(number) => (
            "green",
            html! {
                (verdict("✔", visit.t(texts::GREEN)))
                p .number { (number) }
                p .sentence { (visit.t(texts::GREEN_NEXT)) }
            },
        ),
        Scene::Red { plate, failure, unit } => ("red", red(visit, plate, failure, unit.is_some())),
        Scene::SecondBadge(unit) => (
            "asking",
            html! {
                h1 .say { span aria-hidden="true" { "?" } " " (visit.t(texts::SECOND_BADGE)) }
                p .number { (unit.number) }
                p .sentence { (visit.fill(texts::SECOND_BADGE_HELP, &[&unit.number])) }
                div .acts { (button(visit, "cancel", CANCEL_KEY, texts::CANCEL)) }
            },
        ),
        Scene::Scrapping(unit) => (
            "writing",
            html! {
                h1 .say { (visit.t(texts::SCRAPPING)) }
                p .number { (unit.number) }
            },
        ),
        Scene::Scrapped { number, operators: [first, second] } => (
            "scrapped",
            html! {
                (verdict("✖", visit.t(texts::SCRAPPED)))
                p .number { (number) }
                p .sentence { (visit.fill(texts::SCRAPPED_BY, &[first, second])) }
            },
        ),
        Scene::NotScrapped { unit, failure } => (
            "red",
            html! {
                (verdict("✖", visit.t(texts::RED_ASIDE)))
                p .number { (unit.number) }
                p .sentence { (not_scrapped(visit, failure)) }
                div .acts { (button(visit, "scrap", SCRAP_KEY, texts::SCRAP)) }
            },
        ),
    };
    let role = if class == "red" { "alert" } else { "status" };
    html! {
        main #content .scene.(class) tabindex="-1" data-scene=(class) data-verdict=(state.verdicts) {
            div .announcement role=(role) { (content) }
            @if let Some(notice) = state.notice { p .sentence.warning role="alert" { "▲ " (visit.t(notice)) } }
        }
    }
}

fn verdict(sign: &str, word: &str) -> Markup {
    html! { h1 .verdict { span .sign aria-hidden="true" { (sign) } " " (word) } }
}

fn ready(visit: &Visit) -> Markup {
    html! {
        h1 .say { (visit.t(texts::READY)) }
        img .picture src=(PICTURE) alt=(visit.t(texts::PICTURE_ANY));
    }
}

fn writing(visit: &Visit, number: Option<String>, done: usize) -> Markup {
    let product = number.as_deref().and_then(|number| number.split('-').next());
    let state = |place: usize| match place {
        place if place < done => ("done", "✓", texts::STEP_DONE),
        place if place == done => ("now", "▶", texts::STEP_NOW),
        _ => ("to-come", "○", texts::STEP_NOT_REACHED),
    };
    html! {
        h1 .say { (visit.t(texts::WRITING)) }
        p .number { (number.as_deref().unwrap_or("…")) }
        div .work {
            ol .steps aria-label=(visit.t(texts::STEPS)) {
                @for (place, step) in STEPS.iter().enumerate() {
                    @let (class, sign, word) = state(place);
                    li class=(class) {
                        span aria-hidden="true" { (sign) }
                        span .hidden { (visit.t(word)) }
                        " " (visit.t(*step))
                    }
                }
            }
            @if let Some(product) = product {
                img .picture src={ "/pictures/" (product) } alt=(visit.fill(texts::PICTURE, &[&product]));
            }
        }
        p .sentence { (visit.t(texts::WAIT)) }
    }
}

fn red(visit: &Visit, plate: &str, failure: &Failure, may_be_scrapped: bool) -> Markup {
    let word = match failure.handling() {
        Handling::RetrySafe => texts::RED,
        Handling::Suspect => texts::RED_ASIDE,
        Handling::Scrap => texts::RED_SCRAP,
    };
    html! {
        (verdict("✖", visit.t(word)))
        p .number { (plate) }
        p .sentence { (failure.sentence(visit.language)) }
        @if may_be_scrapped { div .acts { (button(visit, "scrap", SCRAP_KEY, texts::SCRAP)) } }
    }
}

fn not_scrapped(visit: &Visit, failure: &Failure) -> String {
    match failure {
        Failure::GatewaySilent => visit.t(texts::SCRAP_LATER).to_owned(),
        Failure::GatewayRefused { problem, .. } if problem.code == ProblemCode::SecondDevice => {
            failure.sentence(visit.language)
        }
        failure => visit.fill(texts::SCRAP_REFUSED, &[&failure.word()]),
    }
}

fn figures(visit: &Visit, operator: &SignedOn) -> Markup {
    let figures = operator.shift.figures();
    let percent = figures.yield_percent().map(|percent| visit.fill(texts::PERCENT, &[&percent]));
    let takt = operator.shift.takt().map(|takt| {
        let seconds = format!("{:.1}", takt.as_secs_f32());
        visit.fill(texts::SECONDS, &[&seconds])
    });
    let none = || "–".to_owned();
    let shown = [
        (texts::GOOD_UNITS, figures.good.to_string()),
        (texts::FAILED_UNITS, figures.failed.to_string()),
        (texts::SCRAPPED_UNITS, figures.scrapped.to_string()),
        (texts::YIELD, percent.unwrap_or_else(none)),
        (texts::TAKT, takt.unwrap_or_else(none)),
    ];
    html! {
        section .shift aria-label=(visit.t(texts::SHIFT)) {
            dl {
                @for (name, figure) in shown {
                    div { dt { (visit.t(name)) } dd { (figure) } }
                }
            }
            div .operator {
                span { (visit.t(texts::OPERATOR)) " " strong { (operator.name) } }
                (button(visit, "sign-off", SIGN_OFF_KEY, texts::SIGN_OFF))
            }
        }
    }
}

/// A button that a key presses, for hands without a mouse.
fn button(visit: &Visit, act: &str, key: &str, text: Text) -> Markup {
    let shown = if key == CANCEL_KEY { "Esc" } else { key };
    visit.form(
        "/act",
        html! {
            button type="submit" name="act" value=(act) data-key=(key) {
                (visit.t(text)) " " kbd { (shown) }
            }
        },
    )
}
