//! Tables: filtered, sorted, paged, exported. One list of columns makes both the page and the CSV file.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use identity::DeviceNumber;
use maud::{Markup, html};

use crate::{ListQuery, PAGE_ROWS, Status, Text, Visit, badge, catalogue::common as texts};

/// What stands in one cell, for the page, the file and the order.
#[derive(Clone, Debug)]
pub struct Cell {
    markup: Markup,
    plain: String,
    rank: Option<i64>,
}

/// A column of rows of one kind.
pub struct Column<'a, Row> {
    key: &'static str,
    name: Text,
    is_sortable: bool,
    is_number: bool,
    cell: Box<dyn Fn(&Row) -> Cell + Send + Sync + 'a>,
}

/// A table of rows of one kind.
pub struct Table<'a, Row> {
    name: &'static str,
    caption: Text,
    columns: Vec<Column<'a, Row>>,
    is_searchable: bool,
    search_hint: Text,
    filters: Vec<Markup>,
}

impl Cell {
    /// Words.
    pub fn text(text: impl ToString) -> Self {
        let plain = text.to_string();
        Self { markup: html! { (plain) }, plain, rank: None }
    }

    /// A number.
    pub fn number(number: impl TryInto<i64> + ToString) -> Self {
        let plain = number.to_string();
        Self { markup: html! { (grouped(&plain)) }, plain, rank: number.try_into().ok() }
    }

    /// Words with a place in the order that they do not show, such as a time's.
    pub fn sorted(text: impl ToString, rank: i64) -> Self {
        Self { rank: Some(rank), ..Self::text(text) }
    }

    /// A device number, which leads to its life page.
    pub fn device(number: &DeviceNumber) -> Self {
        Self::link(&format!("/devices/{number}"), number)
    }

    /// Words that lead to another page.
    pub fn link(path: &str, text: impl ToString) -> Self {
        let plain = text.to_string();
        Self { markup: html! { a href=(path) { (plain) } }, plain, rank: None }
    }

    /// A word with its status.
    pub fn status(status: Status, text: &str) -> Self {
        Self { markup: badge(status, text), plain: text.to_owned(), rank: None }
    }

    /// Markup such as a form, with what the file says for it.
    pub fn markup(markup: Markup, plain: impl ToString) -> Self {
        Self { markup, plain: plain.to_string(), rank: None }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self { markup: html! { span .none { "–" } }, plain: String::new(), rank: Some(i64::MIN) }
    }
}

impl<'a, Row> Column<'a, Row> {
    /// A column of this name; `key` is its name in addresses and files.
    pub fn new(key: &'static str, name: Text, cell: impl Fn(&Row) -> Cell + Send + Sync + 'a) -> Self {
        Self { key, name, is_sortable: false, is_number: false, cell: Box::new(cell) }
    }

    /// A column that one may sort by.
    #[must_use]
    pub fn sortable(self) -> Self {
        Self { is_sortable: true, ..self }
    }

    /// A column of numbers, set to the right.
    #[must_use]
    pub fn number(self) -> Self {
        Self { is_number: true, ..self }
    }
}

impl<'a, Row> Table<'a, Row> {
    /// A table; `name` names its file.
    pub fn new(name: &'static str, caption: Text, columns: Vec<Column<'a, Row>>) -> Self {
        Self { name, caption, columns, is_searchable: true, search_hint: texts::FILTER, filters: Vec::new() }
    }

    /// A filter of its own beside the search field: a choice or a text field.
    #[must_use]
    pub fn filter(mut self, field: Markup) -> Self {
        self.filters.push(field);
        self
    }

    /// What may be typed into the search field, where that needs saying.
    #[must_use]
    pub fn search_hint(self, hint: Text) -> Self {
        Self { search_hint: hint, ..self }
    }

    /// A table without a search field.
    #[must_use]
    pub fn without_search(self) -> Self {
        Self { is_searchable: false, ..self }
    }

    /// The page around one page of rows, `total` of which there are; or all these rows as a file, where that was asked.
    pub fn answer(
        &self,
        visit: &Visit,
        query: &ListQuery,
        rows: &[Row],
        total: u64,
        page: impl FnOnce(Markup) -> Response,
    ) -> Response {
        if query.is_export() { self.file(rows.iter()) } else { page(self.show(visit, query, rows, total)) }
    }

    /// As [`Table::answer`], of a list so short that all of it is here: it is searched, sorted and paged here.
    pub fn answer_all(
        &self,
        visit: &Visit,
        query: &ListQuery,
        rows: Vec<Row>,
        page: impl FnOnce(Markup) -> Response,
    ) -> Response {
        let rows = self.arranged(query, rows);
        if query.is_export() {
            return self.file(rows.iter());
        }
        page(self.one_page(visit, query, &rows))
    }

    /// A short list within a page that has other tables too: it is shown whole, in its own order.
    pub fn show_all(&self, visit: &Visit, rows: &[Row]) -> Markup {
        html! { div .table-frame tabindex="0" role="region" aria-label=(visit.t(self.caption)) {
            (self.grid(visit, &ListQuery::default(), rows.iter(), false))
        } }
    }

    fn one_page(&self, visit: &Visit, query: &ListQuery, rows: &[Row]) -> Markup {
        let total = rows.len();
        let start = usize::try_from(query.offset()).map_or(total, |offset| offset.min(total));
        let end = start.saturating_add(usize::try_from(PAGE_ROWS).unwrap_or(total)).min(total);
        self.show(visit, query, &rows[start..end], u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// The rows that hold all words of the search, in the order that was asked for.
    fn arranged(&self, query: &ListQuery, mut rows: Vec<Row>) -> Vec<Row> {
        let words: Vec<String> =
            query.search().to_lowercase().split_whitespace().map(ToOwned::to_owned).collect();
        if !words.is_empty() {
            rows.retain(|row| {
                let cells = self.columns.iter().map(|column| (column.cell)(row).plain.to_lowercase());
                let line = cells.collect::<Vec<_>>().join(" ");
                words.iter().all(|word| line.contains(word))
            });
        }
        let column = query.sort().and_then(|key| self.columns.iter().find(|column| column.key == key));
        if let Some(column) = column {
            rows.sort_by_cached_key(|row| {
                let cell = (column.cell)(row);
                (cell.rank, cell.plain)
            });
            if query.is_descending() {
                rows.reverse();
            }
        }
        rows
    }

    fn show(&self, visit: &Visit, query: &ListQuery, rows: &[Row], total: u64) -> Markup {
        let caption = visit.t(self.caption);
        html! {
            section .list aria-label=(caption) {
                (self.tools(visit, query))
                div .table-frame tabindex="0" role="region" aria-label=(caption) {
                    (self.grid(visit, query, rows.iter(), true))
                }
                (pages(visit, query, caption, rows.len(), total))
            }
        }
    }

    fn tools(&self, visit: &Visit, query: &ListQuery) -> Markup {
        let has_filter = self.is_searchable || !self.filters.is_empty();
        html! {
            div .tools {
                @if has_filter {
                    form .filter method="get" role="search" {
                        @if self.is_searchable {
                            input type="search" name="q" value=(query.search()) aria-label=(visit.t(self.search_hint))
                                placeholder=(visit.t(self.search_hint));
                        }
                        @for filter in &self.filters { (filter) }
                        button type="submit" { (visit.t(texts::FILTER)) }
                        @if query.filters().next().is_some() {
                            a .quiet href=(visit.path()) { (visit.t(texts::CLEAR_FILTER)) }
                        }
                    }
                }
                a .export href=(query.exported()) download { (visit.t(texts::EXPORT_CSV)) }
            }
        }
    }

    fn grid<'r>(
        &self,
        visit: &Visit,
        query: &ListQuery,
        rows: impl ExactSizeIterator<Item = &'r Row>,
        with_links: bool,
    ) -> Markup
    where
        Row: 'r,
    {
        let order = |column: &Column<'a, Row>| {
            let is_sorted = query.sort() == Some(column.key);
            is_sorted.then_some(if query.is_descending() { "descending" } else { "ascending" })
        };
        html! {
            table {
                caption .hidden { (visit.t(self.caption)) }
                thead {
                    tr {
                        @for column in &self.columns {
                            th scope="col" class=[column.is_number.then_some("number")] aria-sort=[order(column)] {
                                @if column.is_sortable && with_links {
                                    a href=(query.sorted_by(column.key)) { (visit.t(column.name)) }
                                } @else {
                                    (visit.t(column.name))
                                }
                            }
                        }
                    }
                }
                tbody {
                    @if rows.len() == 0 {
                        tr { td .empty colspan=(self.columns.len()) { (visit.t(texts::NOTHING_HERE)) } }
                    }
                    @for row in rows {
                        tr {
                            @for column in &self.columns {
                                td class=[column.is_number.then_some("number")] { ((column.cell)(row).markup) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn file<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> Response
    where
        Row: 'r,
    {
        let mut file = csv::Writer::from_writer(Vec::new());
        let keys = self.columns.iter().map(|column| column.key);
        let written = file.write_record(keys).and_then(|()| {
            let mut rows = rows;
            rows.try_for_each(|row| {
                file.write_record(self.columns.iter().map(|column| unarmed((column.cell)(row).plain)))
            })
        });
        written.expect("memory takes all that is written");
        let content = file.into_inner().expect("memory takes all that is written");
        let disposition = format!("attachment; filename=\"{}.csv\"", self.name);
        let headers =
            [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, disposition)];
        (headers, content).into_response()
    }
}

/// A spreadsheet takes some texts for formulas; an apostrophe makes them texts again.
fn unarmed(text: String) -> String {
    let is_number = text.parse::<f64>().is_ok();
    if !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn pages(visit: &Visit, query: &ListQuery, caption: &str, shown: usize, total: u64) -> Markup {
    let first = if shown == 0 { 0 } else { query.offset() + 1 };
    let last = query.offset() + u64::try_from(shown).unwrap_or_default();
    let values = [grouped(&first.to_string()), grouped(&last.to_string()), grouped(&total.to_string())];
    html! {
        nav .pages aria-label=(visit.fill(texts::PAGES, &[&caption])) {
            span { (visit.fill(texts::ROWS_OF, &[&values[0], &values[1], &values[2]])) }
            @if query.page() > 0 {
                a rel="prev" href=(query.at_page(query.page() - 1)) { (visit.t(texts::PREVIOUS_PAGE)) }
            }
            @if last < total {
                a rel="next" href=(query.at_page(query.page() + 1)) { (visit.t(texts::NEXT_PAGE)) }
            }
        }
    }
}

/// A number with thin spaces between its thousands.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("−", digits));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped("7"), "7");
        assert_eq!(grouped("100000"), "100\u{202f}000");
        assert_eq!(grouped("-1234567"), "−1\u{202f}234\u{202f}567");
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        assert_eq!(unarmed("=HYPERLINK(1)".to_owned()), "'=HYPERLINK(1)");
        assert_eq!(unarmed("-12".to_owned()), "-12");
        assert_eq!(unarmed("line-1".to_owned()), "line-1");
    }
}
