//! The plan against what was written; importing one, with a preview.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{common, gateway as texts};
use console::{
    Cell, Chart, Column, Failure, Form, ListQuery, Markup, Series, Shape, Status, Table, Visit, choice_field,
    hidden, html, notice, submit,
};
use identity::ProductCode;
use message::status::DayStatus;
use serde::Deserialize;
use staff::{Permission, SignedIn};

use super::Pages;
use crate::plan::{BadCell, Change, ImportError};

/// How many days a chart shows, and how many of them are over.
const CHART_DAYS: usize = 21;
const CHART_DAYS_PAST: usize = 7;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/plan", get(plan)).route("/plan/import", get(import_page).post(import))
}

async fn plan(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let desk = pages.desk();
    let today = desk.day_of(desk.now())?.to_string();
    let mut days = desk.planned_days(None).await?;
    let mut products: Vec<ProductCode> = days.iter().map(|day| day.product.clone()).collect();
    products.sort();
    products.dedup();
    let chosen = query.field("product").to_owned();
    let choice = product_choice(&visit, &products, &chosen);
    days.retain(|day| chosen.is_empty() || day.product.as_str() == chosen);
    let chart = chart(&visit, &days, &today, Some(&chosen));
    let table = Table::new("plan", texts::PLAN_AGAINST_WRITTEN, columns()).filter(choice);
    Ok(table.answer_all(&visit, &query, days, |table| {
        visit.page(
            texts::PLAN,
            html! {
                @if signed.may(Permission::Plan) {
                    p { a .button .primary href="/plan/import" { (visit.t(texts::IMPORT)) } }
                }
                (chart)
                (table)
            },
        )
    }))
}

/// A field that chooses one product or all.
pub(super) fn product_choice(visit: &Visit, products: &[ProductCode], chosen: &str) -> Markup {
    let all = (String::new(), visit.t(texts::ALL_PRODUCTS).to_owned());
    let each = products.iter().map(|product| (product.to_string(), product.to_string()));
    let choices: Vec<_> = std::iter::once(all).chain(each).collect();
    choice_field(visit.t(common::PRODUCT), "product", &choices, chosen)
}

fn columns() -> Vec<Column<'static, DayStatus>> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    vec![
        Column::new("day", texts::DAY, |row: &DayStatus| Cell::text(&row.day)).sortable(),
        Column::new("product", common::PRODUCT, |row: &DayStatus| Cell::text(&row.product)).sortable(),
        Column::new("planned", texts::PLANNED, |row: &DayStatus| Cell::number(row.planned))
            .number()
            .sortable(),
        Column::new("written", texts::WRITTEN, |row: &DayStatus| Cell::number(row.verified))
            .number()
            .sortable(),
        Column::new("difference", texts::DIFFERENCE, move |row: &DayStatus| {
            Cell::number(signed(row.verified) - signed(row.planned))
        })
        .number()
        .sortable(),
    ]
}

/// Planned and written units by day, some days back and some ahead of today.
pub(super) fn chart(visit: &Visit, days: &[DayStatus], today: &str, product: Option<&str>) -> Markup {
    let mut labels: Vec<String> = days.iter().map(|day| day.day.clone()).collect();
    labels.dedup();
    let past = labels.iter().take_while(|day| day.as_str() < today).count();
    let first = past.saturating_sub(CHART_DAYS_PAST).min(labels.len().saturating_sub(CHART_DAYS));
    let labels: Vec<String> = labels.into_iter().skip(first).take(CHART_DAYS).collect();
    let sum = |of: fn(&DayStatus) -> u64| -> Vec<Option<f64>> {
        let of_day = |label: &String| days.iter().filter(|day| day.day == *label).map(of).sum::<u64>();
        labels.iter().map(|label| Some(of_day(label) as f64)).collect()
    };
    let (planned, written) = (sum(|day| day.planned), sum(|day| day.verified));
    let caption = visit.t(texts::PLAN_AGAINST_WRITTEN);
    let caption = match product {
        Some(product) if !product.is_empty() => format!("{caption} – {product}"),
        _ => caption.to_owned(),
    };
    Chart {
        caption,
        axis: visit.t(texts::DAY).to_owned(),
        times: Vec::new(),
        series: vec![
            Series { name: visit.t(texts::PLANNED).to_owned(), shape: Shape::Goal, values: planned },
            Series { name: visit.t(texts::WRITTEN).to_owned(), shape: Shape::Bar, values: written },
        ],
        labels,
    }
    .show(visit)
}

/// What the form of an import sends.
#[derive(Deserialize)]
struct Sent {
    content: String,
    /// Set where the person has seen what changes.
    accept: Option<String>,
}

async fn import_page(visit: Visit, signed: SignedIn) -> Result<Response, Failure> {
    signed.require(Permission::Plan)?;
    Ok(visit.page(texts::IMPORT, html! { (form(&visit, "")) }))
}

async fn import(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Form(sent): Form<Sent>,
) -> Result<Response, Failure> {
    signed.require(Permission::Plan)?;
    let desk = pages.desk();
    let is_preview = sent.accept.is_none();
    let found = desk.import(sent.content.as_bytes(), desk.this_year()?, is_preview, &signed.actor()).await;
    let content = match found {
        Ok(changes) if is_preview => preview(&visit, &sent.content, &changes),
        Ok(changes) => {
            let text = visit.fill(texts::IMPORTED, &[&changes.len()]);
            html! {
                (notice(&visit, Status::Good, html! { (text) " " a href="/plan" { (visit.t(texts::PLAN)) } }))
                (change_table(&visit).show_all(&visit, &changes))
            }
        }
        Err(ImportError::BadCells(cells)) => faults(&visit, &sent.content, &cells),
        Err(ImportError::Gateway(error)) => return Err(error.into()),
    };
    Ok(visit.page(texts::IMPORT, content))
}

fn form(visit: &Visit, content: &str) -> Markup {
    html! {
        p .lead { (visit.t(texts::IMPORT_LEAD)) }
        div .card {
            (visit.form("/plan/import", html! {
                label .field {
                    span .field-label { (visit.t(texts::FILE)) }
                    input type="file" accept=".csv,text/csv" data-into="import-content";
                }
                label .field-label for="import-content" { (visit.t(texts::CONTENT)) }
                textarea #import-content name="content" rows="12" required spellcheck="false" { (content) }
                div .actions { (submit(visit.t(texts::PREVIEW), "primary")) }
            }))
        }
    }
}

fn preview(visit: &Visit, content: &str, changes: &[Change]) -> Markup {
    if changes.is_empty() {
        let text = visit.t(texts::NOTHING_CHANGES);
        return html! { (notice(visit, Status::Good, html! { (text) })) (form(visit, content)) };
    }
    let text = visit.fill(texts::WOULD_CHANGE, &[&changes.len()]);
    html! {
        (notice(visit, Status::Warning, html! { (text) }))
        (visit.form("/plan/import", html! {
            (hidden("content", content))
            (hidden("accept", "yes"))
            (submit(&visit.fill(texts::ACCEPT, &[&changes.len()]), "primary"))
        }))
        h2 { (visit.t(texts::CHANGES)) }
        (change_table(visit).show_all(visit, changes))
        (form(visit, content))
    }
}

fn faults(visit: &Visit, content: &str, cells: &[BadCell]) -> Markup {
    let table = Table::new(
        "faults",
        texts::FAULTS,
        vec![
            Column::new("line", texts::LINE, |cell: &BadCell| Cell::number(cell.line)).number(),
            Column::new("column", texts::COLUMN, |cell: &BadCell| Cell::text(cell.column)).number(),
            Column::new("fault", texts::FAULT, |cell: &BadCell| Cell::text(&cell.message)),
        ],
    );
    html! {
        (notice(visit, Status::Bad, html! { (visit.fill(texts::BAD_CELLS, &[&cells.len()])) }))
        (table.show_all(visit, cells))
        (form(visit, content))
    }
}

fn change_table(visit: &Visit) -> Table<'_, Change> {
    let value = |before: bool| {
        move |change: &Change| match change {
            Change::Units { before: old, after: new, .. } => {
                if before { *old } else { *new }.map_or_else(Cell::nothing, Cell::number)
            }
            Change::Product { before: old, after: new, .. } => {
                let takes = if before { *old } else { *new };
                let text = |takes| visit.t(if takes { texts::YES } else { texts::NO });
                takes.map_or_else(Cell::nothing, |takes| Cell::text(text(takes)))
            }
        }
    };
    Table::new(
        "changes",
        texts::CHANGES,
        vec![
            Column::new("what", texts::WHAT, |change: &Change| match change {
                Change::Units { day, .. } => Cell::text(day),
                Change::Product { .. } => Cell::text(visit.t(texts::TAKES_CERTIFICATE)),
            }),
            Column::new("product", common::PRODUCT, |change: &Change| match change {
                Change::Units { product, .. } | Change::Product { product, .. } => Cell::text(product),
            }),
            Column::new("before", texts::BEFORE, value(true)).number(),
            Column::new("after", texts::AFTER, value(false)).number(),
        ],
    )
}
