//! What a reader asks of a list: words to find, order, page, or all of it as CSV.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// How many rows a page shows.
pub const PAGE_ROWS: u64 = 50;
/// How many rows an export has at most.
pub const EXPORT_ROWS: u64 = 100_000;

/// What a reader asks of a list, from the query of the address. An extractor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListQuery {
    fields: BTreeMap<String, String>,
}

const SEARCH: &str = "q";
const SORT: &str = "sort";
const ORDER: &str = "order";
const PAGE: &str = "page";
const FORMAT: &str = "format";

impl ListQuery {
    /// Words that rows must hold.
    pub fn search(&self) -> &str {
        self.field(SEARCH).trim()
    }

    /// A filter of the list's own, such as `product`; empty where it is not set.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The column to sort by, where one was chosen.
    pub fn sort(&self) -> Option<&str> {
        self.fields.get(SORT).map(String::as_str)
    }

    /// Whether the order is from last to first.
    pub fn is_descending(&self) -> bool {
        self.field(ORDER) == "desc"
    }

    /// The page, from 0.
    pub fn page(&self) -> u64 {
        // What no list reaches is the last page that one could have.
        self.field(PAGE).parse::<u64>().unwrap_or(0).min(u64::from(u32::MAX))
    }

    /// Whether all rows are asked for, as a file.
    pub fn is_export(&self) -> bool {
        self.field(FORMAT) == "csv"
    }

    /// How many rows are wanted.
    pub fn limit(&self) -> u64 {
        if self.is_export() { EXPORT_ROWS } else { PAGE_ROWS }
    }

    /// How many rows come before those that are wanted.
    pub fn offset(&self) -> u64 {
        if self.is_export() { 0 } else { self.page() * PAGE_ROWS }
    }

    /// The filters that are set, without order and page.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fields.filter(|(name, value)| ![SORT, ORDER, PAGE, FORMAT].contains(name) && !value.is_empty())
    }

    /// The address of this list, sorted by another column or, again, the other way round.
    pub(crate) fn sorted_by(&self, column: &str) -> String {
        let descending = self.sort() == Some(column) && !self.is_descending();
        self.with(&[(SORT, column), (ORDER, if descending { "desc" } else { "asc" }), (PAGE, "")])
    }

    pub(crate) fn at_page(&self, page: u64) -> String {
        self.with(&[(PAGE, &page.to_string())])
    }

    pub(crate) fn exported(&self) -> String {
        self.with(&[(FORMAT, "csv"), (PAGE, "")])
    }

    /// The query with some fields set to something else.
    fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut fields = self.fields.clone();
        for (name, value) in changes {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        fields.retain(|_, value| !value.is_empty());
        format!("?{}", serde_urlencoded::to_string(&fields).unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self { fields: serde_urlencoded::from_str(query).unwrap_or_default() })
    }
}
