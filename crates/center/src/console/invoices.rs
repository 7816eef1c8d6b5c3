//! A period's billing lines, each explained by its calls. What is shown was read again from the whole journal, and
//! compared with the books.

use axum::extract::{Query, State};
use axum::response::Response;
use console::catalogue::center as texts;
use console::{Cell, Column, ListQuery, Markup, Status, Table, Visit, html, notice};
use jiff::civil::Date;
use serde::Deserialize;

use super::overview::grouped;
use super::{Answer, Here, Unanswered, malformed};
use crate::invoice::{CorrectedPart, Invoice, Line, Part};

/// `GET /invoices`
pub(super) async fn page(visit: Visit, query: ListQuery, State(here): State<Here>) -> Answer {
    let (first, last) = (query.field("from"), query.field("to"));
    if first.is_empty() || last.is_empty() {
        return Ok(form_page(&visit, &here));
    }
    let (from, to) = period(&visit, first, last)?;
    let invoice = here.desk.invoice(from, to, None).await?;
    let head = head(&visit, &invoice);
    let (first, last) = (first.to_owned(), last.to_owned());
    let table = Table::new("invoice", texts::INVOICES, columns(first.clone(), last.clone()))
        .filter(date_field(visit.t(texts::FROM_DAY), "from", &first))
        .filter(date_field(visit.t(texts::TO_DAY), "to", &last));
    Ok(table.answer_all(&visit, &query, invoice.lines, |table| {
        visit.page(texts::INVOICES, html! { (head) (table) })
    }))
}

/// Which line is to be explained.
#[derive(Deserialize)]
pub(super) struct LineQuery {
    from: String,
    to: String,
    device: String,
    counter: String,
}

/// `GET /invoices/line`
pub(super) async fn line(visit: Visit, Query(query): Query<LineQuery>, State(here): State<Here>) -> Answer {
    let (from, to) = period(&visit, &query.from, &query.to)?;
    let device = query.device.parse().map_err(malformed)?;
    let invoice = here.desk.invoice(from, to, Some(&device)).await?;
    let line = invoice.lines.into_iter().find(|line| line.counter == query.counter);
    let line = line.ok_or_else(|| malformed(visit.t(texts::NO_SUCH_LINE)))?;
    let back = format!("/invoices?from={}&to={}", query.from, query.to);
    let content = html! {
        p .lead {
            a href={ "/devices/" (line.device_number) } { (line.device_number) }
            " · " (line.counter) " · " (visit.fill(texts::UNITS_FROM_TO, &[&line.units, &query.from, &query.to]))
        }
        (Table::new("calls", texts::CALLS_OF_LINE, part_columns(&visit)).show_all(&visit, &line.calls))
        @if !line.corrections.is_empty() {
            h2 { (visit.t(texts::CORRECTIONS)) }
            (Table::new("corrections", texts::CORRECTIONS, correction_columns()).show_all(&visit, &line.corrections))
        }
        p { a href=(back) { (visit.t(texts::BACK_TO_INVOICE)) } }
    };
    Ok(visit.page(texts::LINE_EXPLAINED, content))
}

fn form_page(visit: &Visit, here: &Here) -> Response {
    let today = visit.moment(here.desk.now());
    let today = today.get(..10).unwrap_or_default();
    let month = format!("{}-01", today.get(..7).unwrap_or_default());
    visit.page(
        texts::INVOICES,
        html! {
            p .lead { (visit.t(texts::INVOICES_LEAD)) }
            form .card.inline method="get" action="/invoices" {
                (date_field(visit.t(texts::FROM_DAY), "from", &month))
                (date_field(visit.t(texts::TO_DAY), "to", today))
                button .primary type="submit" { (visit.t(texts::SHOW_INVOICE)) }
            }
        },
    )
}

fn date_field(label: &str, name: &str, value: &str) -> Markup {
    html! {
        label .field {
            span .field-label { (label) }
            input type="date" name=(name) value=(value) required;
        }
    }
}

/// The first second of one day, and the first after another, in the local time of the console.
fn period(visit: &Visit, first: &str, last: &str) -> Result<(i64, i64), Unanswered> {
    let day = |text: &str| -> Result<Date, Unanswered> { text.parse().map_err(malformed) };
    let (first, last) = (day(first)?, day(last)?);
    let after = last.tomorrow().map_err(malformed)?;
    if after <= first {
        return Err(malformed(visit.t(texts::PERIOD_BACKWARDS)));
    }
    let start = |date: Date| visit.start_of_day(date).ok_or_else(|| malformed(date));
    Ok((start(first)?, start(after)?))
}

fn head(visit: &Visit, invoice: &Invoice) -> Markup {
    let (status, text) = if invoice.is_final {
        (Status::Good, visit.t(texts::INVOICE_FINAL))
    } else {
        (Status::Warning, visit.t(texts::INVOICE_NOT_FINAL))
    };
    let units: i64 = invoice.lines.iter().map(|line| line.units).sum();
    html! {
        (notice(visit, status, html! { (text) }))
        dl .facts {
            dt { (visit.t(texts::LINES)) } dd { (grouped(invoice.lines.len() as u64)) }
            dt { (visit.t(texts::UNITS)) } dd { (units) }
            dt { (visit.t(texts::JOURNAL_ENTRIES)) } dd { (grouped(invoice.entries)) }
            dt { (visit.t(texts::JOURNAL_HASH)) } dd { code { (invoice.hash) } }
        }
    }
}

fn columns(first: String, last: String) -> Vec<Column<'static, Line>> {
    let explained = move |line: &Line| {
        let Line { device_number, counter, .. } = line;
        let path = format!("/invoices/line?from={first}&to={last}&device={device_number}&counter={counter}");
        Cell::link(&path, line.calls.len() + line.corrections.len())
    };
    vec![
        Column::new("device", texts::DEVICE, |line: &Line| Cell::device(&line.device_number)).sortable(),
        Column::new("counter", texts::COUNTER, |line: &Line| Cell::text(&line.counter)).sortable(),
        Column::new("units", texts::UNITS, |line: &Line| Cell::number(line.units)).number().sortable(),
        Column::new("entries", texts::EXPLANATION, explained).number(),
    ]
}

fn part_columns(visit: &Visit) -> Vec<Column<'_, Part>> {
    vec![
        Column::new("call", texts::JOURNAL_ENTRY, |part: &Part| Cell::number(part.call)).number(),
        Column::new("number", texts::CALL_NUMBER, |part: &Part| {
            Cell::text(format!("{}.{}", part.boot, part.sequence))
        }),
        Column::new("from", texts::COUNTED_FROM, |part: &Part| Cell::number(part.from)).number(),
        Column::new("to", texts::COUNTED_TO, |part: &Part| Cell::number(part.to)).number(),
        Column::new("units", texts::UNITS, |part: &Part| Cell::number(part.to - part.from)).number(),
        Column::new("settled", texts::TIME, |part: &Part| visit.time_cell(Some(part.settled))),
        Column::new("released", texts::RELEASED_BY, |part: &Part| {
            part.released_by.map_or_else(Cell::nothing, Cell::number)
        }),
        Column::new("hash", texts::JOURNAL_HASH, |part: &Part| Cell::text(super::words::short(&part.hash))),
    ]
}

fn correction_columns() -> Vec<Column<'static, CorrectedPart>> {
    vec![
        Column::new("entry", texts::JOURNAL_ENTRY, |part: &CorrectedPart| Cell::number(part.entry)).number(),
        Column::new("call", texts::CALL, |part: &CorrectedPart| Cell::number(part.call)).number(),
        Column::new("units", texts::UNITS, |part: &CorrectedPart| Cell::number(part.units)).number(),
    ]
}
