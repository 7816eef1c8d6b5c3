//! Roll-outs: which devices get which firmware, how far that is, and when no more.

use axum::extract::{Path, State};
use axum::response::Response;
use console::catalogue::center as texts;
use console::{
    Cell, Column, Form, ListQuery, Markup, Status, Table, Visit, badge, choice_field, html, live, submit,
    text_field,
};
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::StoreError;
use store::center::firmware::{self, Firmware};
use store::center::rollout::{Rollout, State as RolloutState};

use super::overview::grouped;
use super::{Answer, Here, Unanswered, done, malformed, words};
use crate::rollout::RolloutPlan;

/// What is typed in to begin a roll-out.
#[derive(Deserialize)]
pub(super) struct Begun {
    package: String,
    share: String,
    halt_above: String,
    minimum: String,
}

/// What is typed in to widen one.
#[derive(Deserialize)]
pub(super) struct Widened {
    share: String,
}

/// A form that says all by being sent.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `GET /rollouts`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
    State(here): State<Here>,
) -> Answer {
    let packages = firmware::list(&mut here.desk.store.read().await?).await?;
    let may_engineer = signed.may(Permission::Engineer);
    let current = cards(&visit, &here, may_engineer).await?;
    let rollouts = here.desk.rollouts().await?;
    let ended: Vec<Rollout> =
        rollouts.into_iter().filter(|rollout| rollout.state == RolloutState::Ended).collect();
    let table = Table::new("rollouts", texts::ENDED_ROLLOUTS, columns(&visit));
    Ok(table.answer_all(&visit, &query, ended, |table| {
        visit.page(
            texts::ROLLOUTS,
            html! {
                p .lead { (visit.t(texts::ROLLOUTS_LEAD)) }
                (live::part(&visit, "/live/rollouts", current))
                @if may_engineer && !packages.is_empty() { (form(&visit, &packages)) }
                h2 { (visit.t(texts::PACKAGES)) }
                (Table::new("packages", texts::PACKAGES, package_columns(&visit)).show_all(&visit, &packages))
                h2 { (visit.t(texts::ENDED_ROLLOUTS)) }
                (table)
            },
        )
    }))
}

/// `GET /live/rollouts`
pub(super) async fn live(visit: Visit, signed: SignedIn, State(here): State<Here>) -> Response {
    let may_engineer = signed.may(Permission::Engineer);
    live::stream(move || {
        let (visit, here) = (visit.clone(), here.clone());
        async move { cards(&visit, &here, may_engineer).await.ok() }
    })
}

/// `POST /rollouts`
pub(super) async fn start(signed: SignedIn, State(here): State<Here>, Form(begun): Form<Begun>) -> Answer {
    signed.require(Permission::Engineer)?;
    let packages = firmware::list(&mut here.desk.store.read().await?).await?;
    let package = packages.into_iter().find(|package| package.name == begun.package);
    let package = package.ok_or_else(|| malformed("there is no such package"))?;
    let plan = RolloutPlan {
        firmware: package.name,
        product: package.product,
        share: percent(&begun.share)?,
        halt_above: percent(&begun.halt_above)?,
        minimum: begun.minimum.trim().parse().map_err(malformed)?,
    };
    here.desk.start_rollout(plan, &signed.actor()).await?;
    done("/rollouts")
}

/// `POST /rollouts/{id}/halt`
pub(super) async fn halt(
    signed: SignedIn,
    State(here): State<Here>,
    Path(id): Path<u64>,
    _: Form<Nothing>,
) -> Answer {
    signed.require(Permission::Engineer)?;
    here.desk.halt_rollout(id, &signed.actor()).await?;
    done("/rollouts")
}

/// `POST /rollouts/{id}/resume`
pub(super) async fn resume(
    signed: SignedIn,
    State(here): State<Here>,
    Path(id): Path<u64>,
    _: Form<Nothing>,
) -> Answer {
    signed.require(Permission::Engineer)?;
    here.desk.resume_rollout(id, &signed.actor()).await?;
    done("/rollouts")
}

/// `POST /rollouts/{id}/widen`
pub(super) async fn widen(
    signed: SignedIn,
    State(here): State<Here>,
    Path(id): Path<u64>,
    Form(widened): Form<Widened>,
) -> Answer {
    signed.require(Permission::Engineer)?;
    here.desk.widen_rollout(id, percent(&widened.share)?, &signed.actor()).await?;
    done("/rollouts")
}

/// `POST /rollouts/{id}/roll-back`
pub(super) async fn roll_back(
    signed: SignedIn,
    State(here): State<Here>,
    Path(id): Path<u64>,
    _: Form<Nothing>,
) -> Answer {
    signed.require(Permission::Engineer)?;
    here.desk.roll_back(id, None, &signed.actor()).await?;
    done("/rollouts")
}

fn percent(text: &str) -> Result<u8, Unanswered> {
    let number = text.trim().parse::<u8>().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| malformed(format!("\"{text}\" is no percentage from 0 to 100")))
}

/// The roll-outs that are not over, each with what may be done with it.
async fn cards(visit: &Visit, here: &Here, may_engineer: bool) -> Result<Markup, StoreError> {
    let rollouts = here.desk.rollouts().await?;
    let current: Vec<&Rollout> =
        rollouts.iter().filter(|rollout| rollout.state != RolloutState::Ended).collect();
    Ok(html! {
        @if current.is_empty() { p .empty.card { (visit.t(texts::NO_ROLLOUT)) } }
        @for rollout in current { (card(visit, rollout, may_engineer)) }
    })
}

fn card(visit: &Visit, rollout: &Rollout, may_engineer: bool) -> Markup {
    let counts = rollout.counts;
    let finished = counts.done + counts.refused + counts.failed;
    let (recent, unsuccessful) = rollout.recent();
    let rate = failure_rate(recent, unsuccessful);
    let (status, state) = state_of(rollout.state);
    let heading = format!("rollout-{}", rollout.id);
    html! {
        section .card.rollout aria-labelledby=(heading) {
            div .card-head {
                h2 id=(heading) { (rollout.product) " → " (rollout.version) }
                (badge(status, visit.t(state)))
                span .quiet-text { (visit.fill(texts::ROLLOUT_SINCE, &[&rollout.id, &visit.moment(rollout.started)])) }
            }
            @if !rollout.reason.is_empty() { p { (rollout.reason) } }
            progress value=(finished) max=(counts.asked.max(1)) aria-label=(visit.t(texts::ROLLOUT_PROGRESS)) {}
            dl .facts.wide {
                div { dt { (visit.t(texts::SHARE)) } dd { (rollout.share) " %" } }
                div { dt { (visit.t(texts::ROLLOUT_ASKED)) } dd { (grouped(counts.asked)) } }
                div { dt { (visit.t(texts::ROLLOUT_DONE)) } dd { (grouped(counts.done)) } }
                div { dt { (visit.t(texts::ROLLOUT_REFUSED)) } dd { (grouped(counts.refused)) } }
                div { dt { (visit.t(texts::ROLLOUT_FAILED)) } dd { (grouped(counts.failed)) } }
                div { dt { (visit.t(texts::ROLLED_BACK)) } dd { (grouped(counts.rolled_back)) } }
                div {
                    dt { (visit.t(texts::FAILURE_RATE)) }
                    dd { (visit.fill(texts::FAILURE_RATE_OF, &[&rate, &rollout.halt_above, &rollout.minimum])) }
                }
            }
            @if may_engineer { (actions(visit, rollout)) }
        }
    }
}

fn actions(visit: &Visit, rollout: &Rollout) -> Markup {
    let to = |act: &str| format!("/rollouts/{}/{act}", rollout.id);
    let is_open = matches!(rollout.state, RolloutState::Running | RolloutState::Halted);
    html! {
        div .actions {
            @if rollout.state == RolloutState::Running {
                (visit.form(&to("halt"), submit(visit.t(texts::HALT), "danger")))
            }
            @if rollout.state == RolloutState::Halted {
                (visit.form(&to("resume"), submit(visit.t(texts::RESUME), "primary")))
            }
            @if is_open {
                (visit.form(&to("roll-back"), submit(visit.t(texts::ROLL_BACK), "")))
                @if rollout.share < 100 {
                    (visit.form(&to("widen"), html! {
                        input .narrow type="number" name="share" min=(rollout.share + 1) max="100" value="100" required
                            aria-label=(visit.t(texts::SHARE));
                        (submit(visit.t(texts::WIDEN), ""))
                    }))
                }
            }
        }
    }
}

fn form(visit: &Visit, packages: &[Firmware]) -> Markup {
    let choices: Vec<(String, String)> = packages
        .iter()
        .map(|package| (package.name.clone(), format!("{} {}", package.product, package.version)))
        .collect();
    html! {
        details .card {
            summary { (visit.t(texts::START_ROLLOUT)) }
            p .lead { (visit.t(texts::START_ROLLOUT_LEAD)) }
            (visit.form("/rollouts", html! {
                div .inline {
                    (choice_field(visit.t(texts::PACKAGE), "package", &choices, ""))
                    (text_field(visit.t(texts::SHARE_PERCENT), "share", "number", "5", None))
                    (text_field(visit.t(texts::HALT_ABOVE), "halt_above", "number", "5", None))
                    (text_field(visit.t(texts::MINIMUM), "minimum", "number", "20", None))
                    (submit(visit.t(texts::START), "primary"))
                }
            }))
        }
    }
}

fn state_of(state: RolloutState) -> (Status, console::Text) {
    match state {
        RolloutState::Running => (Status::Good, texts::ROLLOUT_RUNNING),
        RolloutState::Halted => (Status::Bad, texts::ROLLOUT_HALTED),
        RolloutState::RollingBack => (Status::Warning, texts::ROLLOUT_ROLLING_BACK),
        RolloutState::Ended => (Status::Neutral, texts::ROLLOUT_ENDED),
    }
}

fn failure_rate(finished: u64, unsuccessful: u64) -> String {
    let percent = (unsuccessful * 100).checked_div(finished);
    percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent} %"))
}

fn columns(visit: &Visit) -> Vec<Column<'_, Rollout>> {
    vec![
        Column::new("rollout", texts::NUMBER, |rollout: &Rollout| Cell::number(rollout.id)).number(),
        Column::new("product", texts::PRODUCT, |rollout: &Rollout| Cell::text(&rollout.product)),
        Column::new("version", texts::FIRMWARE, |rollout: &Rollout| Cell::text(rollout.version)),
        Column::new("share", texts::SHARE, |rollout: &Rollout| Cell::text(format!("{} %", rollout.share))),
        Column::new("asked", texts::ROLLOUT_ASKED, |rollout: &Rollout| Cell::number(rollout.counts.asked))
            .number(),
        Column::new("done", texts::ROLLOUT_DONE, |rollout: &Rollout| Cell::number(rollout.counts.done))
            .number(),
        Column::new("failed", texts::ROLLOUT_FAILED, |rollout: &Rollout| {
            Cell::number(rollout.counts.failed + rollout.counts.refused)
        })
        .number(),
        Column::new("started", texts::STARTED, |rollout: &Rollout| visit.time_cell(Some(rollout.started))),
        Column::new("changed", texts::CHANGED, |rollout: &Rollout| visit.time_cell(Some(rollout.changed))),
    ]
}

fn package_columns(visit: &Visit) -> Vec<Column<'_, Firmware>> {
    vec![
        Column::new("product", texts::PRODUCT, |package: &Firmware| Cell::text(&package.product)),
        Column::new("version", texts::FIRMWARE, |package: &Firmware| Cell::text(package.version)),
        Column::new("security", texts::SECURITY_NUMBER, |package: &Firmware| Cell::number(package.security))
            .number(),
        Column::new("length", texts::BYTES, |package: &Firmware| Cell::number(package.length)).number(),
        Column::new("key", texts::MAKER_KEY, |package: &Firmware| {
            Cell::text(words::short(&package.key_name))
        }),
        Column::new("name", texts::NAME, |package: &Firmware| Cell::text(words::short(&package.name))),
        Column::new("added", texts::ADDED, |package: &Firmware| visit.time_cell(Some(package.added))),
    ]
}
