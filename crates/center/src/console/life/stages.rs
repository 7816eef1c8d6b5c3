//! The stages that every device goes through, and which of them this one has reached.

use console::catalogue::center as texts;
use console::{Markup, Text, Visit, html, state_text};
use identity::CredentialState;

use super::Life;

/// One stage.
struct Stage {
    name: Text,
    /// When it was reached, where that is known.
    time: Option<i64>,
    /// By whom.
    by: String,
    is_reached: bool,
}

/// The stages, from left to right.
pub(super) fn show(visit: &Visit, life: &Life) -> Markup {
    html! {
        ol .stages aria-label=(visit.t(texts::STAGES)) {
            @for stage in stages(visit, life) {
                li class=(if stage.is_reached { "reached" } else { "ahead" }) {
                    span .stage-name {
                        span aria-hidden="true" { (if stage.is_reached { "✓" } else { "○" }) }
                        " " (visit.t(stage.name))
                        @if !stage.is_reached { span .hidden { " " (visit.t(texts::NOT_YET)) } }
                    }
                    span .stage-time {
                        @if let Some(time) = stage.time { (visit.moment(time)) }
                        @else if stage.is_reached { (visit.t(texts::TIME_NOT_KNOWN)) }
                        @else { "–" }
                    }
                    @if !stage.by.is_empty() { span .stage-by { (stage.by) } }
                }
            }
        }
    }
}

fn stages(visit: &Visit, life: &Life) -> Vec<Stage> {
    use CredentialState::{Leased, Suspect, Verified, Voided, Written};
    let history = life.known();
    let first = history.and_then(|history| history.certificates.first());
    let signed = first.and_then(|first| first.signed.as_ref());
    let made = history.and_then(|history| history.made.as_ref());
    let factory = history.map(|history| history.factory.to_string()).unwrap_or_default();
    let registered = life.registered.as_ref();
    let is_beyond_stock = made.is_some()
        || first.is_some_and(|first| matches!(first.state, Leased | Written | Verified | Suspect));
    let is_stocked = is_beyond_stock || first.is_some_and(|first| first.state == CredentialState::Stocked);
    let was_voided_unmade = made.is_none() && first.is_some_and(|first| first.state == Voided);
    let first_call = life.entries.iter().rev().find(|entry| entry.number.is_some());
    let has_called = registered.is_some_and(|device| device.calls > 0);
    // The page goes back so far only; an earlier call is known by its number alone.
    let is_all = registered
        .is_none_or(|device| (life.entries.len() as u64) < u64::from(super::ENTRIES) || device.calls == 0);
    let stage = |name, time, by: String, is_reached| Stage { name, time, by, is_reached };
    let at_gateway =
        |known: bool| if known { visit.fill(texts::AT_GATEWAY, &[&factory]) } else { String::new() };
    let mut stages = vec![
        stage(
            texts::STAGE_ORDERED,
            history.map(|history| history.ordered),
            at_gateway(history.is_some()),
            history.is_some(),
        ),
        stage(
            texts::STAGE_ISSUED,
            signed.map(|signed| signed.time),
            signed.map(|signed| signed.issuer.clone()).unwrap_or_default(),
            signed.is_some(),
        ),
        stage(texts::STAGE_STOCKED, None, at_gateway(is_stocked), is_stocked),
        stage(
            texts::STAGE_WRITTEN,
            made.map(|made| made.proved),
            made.map(|made| visit.fill(texts::AT_STATION, &[&made.station])).unwrap_or_default(),
            made.is_some(),
        ),
        stage(
            texts::STAGE_REGISTERED,
            registered.map(|device| device.registered),
            String::new(),
            registered.is_some(),
        ),
        stage(
            texts::STAGE_CALLED,
            first_call.filter(|_| is_all).map(|entry| entry.time),
            String::new(),
            has_called || first_call.is_some(),
        ),
    ];
    if was_voided_unmade {
        stages.push(stage(
            state_text(Voided),
            first.and_then(|first| first.revoked.as_ref()).map(|it| it.time),
            String::new(),
            true,
        ));
    }
    stages
}
