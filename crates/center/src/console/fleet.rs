//! The fleet: how many of each product stand where, and each device, found by its number.

use std::collections::BTreeMap;

use axum::extract::State;
use console::catalogue::center as texts;
use console::{Cell, Column, ListQuery, Markup, Status, Table, Visit, badge, choice_field, html};
use identity::{CredentialState, ProductCode};
use store::center::fleet::{self, Count, Filter, Listed, Order};

use super::overview::grouped;
use super::{Answer, Here, words};

/// States of devices in the field; the others are a factory's.
const STATES: [CredentialState; 4] =
    [CredentialState::Verified, CredentialState::Leased, CredentialState::Suspect, CredentialState::Voided];
/// The filter's word for devices in quarantine, whatever their state.
const QUARANTINE: &str = "quarantine";

/// `GET /devices`
pub(super) async fn page(visit: Visit, query: ListQuery, State(here): State<Here>) -> Answer {
    let filter = filter_of(&query);
    let mut snapshot = here.desk.store.read().await?;
    let rows = fleet::list(&mut snapshot, &filter, order_of(&query), query.limit(), query.offset()).await?;
    let total = fleet::total(&mut snapshot, &filter).await?;
    let counts = if query.is_export() { Vec::new() } else { fleet::counts(&mut snapshot).await? };
    drop(snapshot);
    let table = Table::new("devices", texts::FLEET, columns(&visit))
        .filter(product_field(&visit, &counts, query.field("product")))
        .filter(state_field(&visit, query.field("state")));
    Ok(table.answer(&visit, &query, &rows, total, |table| {
        visit.page(
            texts::FLEET,
            html! {
                (matrix(&visit, &counts))
                (table)
            },
        )
    }))
}

fn filter_of(query: &ListQuery) -> Filter {
    Filter {
        number: query.search().to_owned(),
        product: query.field("product").parse().ok(),
        state: query.field("state").parse().ok(),
        is_quarantined: query.field("state") == QUARANTINE,
    }
}

fn order_of(query: &ListQuery) -> Order {
    match (query.sort(), query.is_descending()) {
        (Some("changed"), false) => Order::Changed,
        (Some("changed"), true) => Order::ChangedDescending,
        (_, false) => Order::Number,
        (_, true) => Order::NumberDescending,
    }
}

fn columns(visit: &Visit) -> Vec<Column<'_, Listed>> {
    vec![
        Column::new("device", texts::DEVICE, |device: &Listed| Cell::device(&device.number)).sortable(),
        Column::new("state", texts::STATE, |device: &Listed| words::state_cell(visit, device.state)),
        Column::new("quarantine", texts::QUARANTINE, |device: &Listed| {
            if device.is_quarantined {
                Cell::status(Status::Bad, visit.t(texts::IN_QUARANTINE))
            } else {
                Cell::nothing()
            }
        }),
        Column::new("firmware", texts::FIRMWARE, |device: &Listed| {
            device.firmware.map_or_else(Cell::nothing, Cell::text)
        }),
        Column::new("calls", texts::CALLS, |device: &Listed| Cell::number(device.calls)).number(),
        Column::new("last-called", texts::LAST_CALL, |device: &Listed| visit.time_cell(device.last_called)),
        Column::new("changed", texts::CHANGED, |device: &Listed| visit.time_cell(Some(device.changed)))
            .sortable(),
    ]
}

fn product_field(visit: &Visit, counts: &[Count], chosen: &str) -> Markup {
    let mut choices = vec![(String::new(), visit.t(texts::ALL_PRODUCTS).to_owned())];
    let products: std::collections::BTreeSet<String> =
        counts.iter().map(|count| count.product.to_string()).collect();
    choices.extend(products.into_iter().map(|product| (product.clone(), product)));
    choice_field(visit.t(texts::PRODUCT), "product", &choices, chosen)
}

fn state_field(visit: &Visit, chosen: &str) -> Markup {
    let mut choices = vec![(String::new(), visit.t(texts::ALL_STATES).to_owned())];
    choices
        .extend(STATES.map(|state| (state.as_str().to_owned(), visit.t(words::state(state).1).to_owned())));
    choices.push((QUARANTINE.to_owned(), visit.t(texts::IN_QUARANTINE).to_owned()));
    choice_field(visit.t(texts::STATE), "state", &choices, chosen)
}

/// How many of each product are in each state; each number leads to those devices.
fn matrix(visit: &Visit, counts: &[Count]) -> Markup {
    let mut products: BTreeMap<&ProductCode, BTreeMap<CredentialState, u64>> = BTreeMap::new();
    for count in counts {
        products.entry(&count.product).or_default().insert(count.state, count.number);
    }
    html! {
        div .table-frame.matrix tabindex="0" role="region" aria-label=(visit.t(texts::FLEET_BY_PRODUCT)) {
            table {
                caption .hidden { (visit.t(texts::FLEET_BY_PRODUCT)) }
                thead {
                    tr {
                        th scope="col" { (visit.t(texts::PRODUCT)) }
                        @for state in STATES {
                            th .number scope="col" { (badge(words::state(state).0, visit.t(words::state(state).1))) }
                        }
                        th .number scope="col" { (visit.t(texts::TOTAL)) }
                    }
                }
                tbody {
                    @for (product, states) in &products {
                        tr {
                            th scope="row" { a href={ "/devices?product=" (product) } { (product) } }
                            @for state in STATES {
                                td .number {
                                    @if let Some(count) = states.get(&state) {
                                        a href={ "/devices?product=" (product) "&state=" (state) } { (grouped(*count)) }
                                    } @else {
                                        span .none { "–" }
                                    }
                                }
                            }
                            td .number { strong { (grouped(states.values().sum())) } }
                        }
                    }
                }
            }
        }
    }
}
