//! Reading the two CSV files. Every bad cell is named by line and column, not only the first.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use identity::ProductCode;
use jiff::civil::Date;
use serde::Serialize;
use store::gateway::plan::Product;

/// The most bytes of a file.
pub const FILE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The most rows of a file, its heading not counted.
pub const ROWS_MAX: usize = 10_000;
/// The most days in a plan.
pub const DAYS_MAX: usize = 400;
/// The most units of one product on one day.
pub const UNITS_MAX: u64 = 10_000_000;
/// The most characters of a remark.
const REMARK_CHARACTERS_MAX: usize = 200;
/// How much of a bad cell is shown.
const SHOWN_CHARACTERS_MAX: usize = 24;

const NUMBER: &str = "NO";
const CODE: &str = "DEVICE CODE";
const CERTIFICATE: &str = "CERTIFICATE";
const REMARKS: &str = "REMARKS";

/// What a file holds; its heading tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum File {
    /// The product list: `No,DEVICE CODE,CERTIFICATE,REMARKS`.
    Products(Vec<Product>),
    /// The plan: `DEVICE CODE,3/17,3/18`...
    Plan(PlanFile),
}

/// A production plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanFile {
    /// The days of the heading, rising.
    pub days: Vec<Date>,
    /// One row a product.
    pub rows: Vec<PlanRow>,
}

/// What is planned of one product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanRow {
    /// The row's line in the file.
    pub line: u64,
    /// The product.
    pub product: ProductCode,
    /// Units, one figure a day.
    pub units: Vec<u64>,
}

/// A place in a file where it is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct BadCell {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, and what belongs there.
    pub message: String,
}

impl std::fmt::Display for BadCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// Reads a file. Days without a year (`3/17`) are in `year`, and after a December in the next.
///
/// # Errors
/// All cells that are wrong.
pub fn parse(bytes: &[u8], year: i16) -> Result<File, Vec<BadCell>> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(vec![bad(1, 1, format!("the file is larger than {FILE_BYTES_MAX} bytes"))]);
    }
    let records = records(bytes)?;
    let Some((heading, rows)) = records.split_first() else {
        return Err(vec![bad(1, 1, "the file is empty")]);
    };
    if rows.len() > ROWS_MAX {
        return Err(vec![bad(rows[ROWS_MAX].line, 1, format!("a file has at most {ROWS_MAX} rows"))]);
    }
    if column_of(heading, CERTIFICATE).is_some() {
        read_products(heading, rows).map(File::Products)
    } else if heading.get(0).is_some_and(|cell| cell.eq_ignore_ascii_case(CODE)) {
        read_plan(heading, rows, year).map(File::Plan)
    } else {
        let expected = format!(
            "the heading is neither that of a product list (No,{CODE},{CERTIFICATE},{REMARKS}) \
             nor that of a plan ({CODE} and a day a column)"
        );
        Err(vec![bad(heading.line, 1, expected)])
    }
}

/// A record and the line on which it begins.
struct Row {
    line: u64,
    cells: StringRecord,
}

impl Row {
    fn get(&self, at: usize) -> Option<&str> {
        self.cells.get(at)
    }
}

/// The file's records; blank lines are left out, also those of only commas, which spreadsheets leave.
fn records(bytes: &[u8]) -> Result<Vec<Row>, Vec<BadCell>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut lines = LineCount { bytes, counted: 0, line: 1 };
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    let mut cells = csv::ByteRecord::new();
    // Reading from memory does not fail, and any bytes are records to the reader.
    while reader.read_byte_record(&mut cells).unwrap_or(false) {
        let line = lines.at(cells.position());
        match StringRecord::from_byte_record(cells.clone()) {
            Ok(cells) if cells.iter().all(str::is_empty) => {}
            Ok(cells) => rows.push(Row { line, cells }),
            Err(error) => {
                let column = error.utf8_error().field() + 1;
                faults.push(bad(line, column, "this is not UTF-8 text: save the file as CSV in UTF-8"));
            }
        }
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// Counts lines up to a place in the file. The reader's own count is one short after `\r\n`.
struct LineCount<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl LineCount<'_> {
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position.map_or(0, |position| position.byte() as usize);
        let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let breaks = self.bytes[start..].iter().take_while(is_break).count();
        let passed = &self.bytes[self.counted..start + breaks];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = start + breaks;
        self.line
    }
}

fn read_products(heading: &Row, rows: &[Row]) -> Result<Vec<Product>, Vec<BadCell>> {
    let mut faults = Vec::new();
    for (at, name) in heading.cells.iter().enumerate() {
        if ![NUMBER, CODE, CERTIFICATE, REMARKS].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            faults.push(bad(heading.line, at + 1, format!("{} is no column of a product list", shown(name))));
        } else if heading.cells.iter().take(at).any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            faults.push(bad(heading.line, at + 1, format!("the column {} is there twice", shown(name))));
        }
    }
    let (Some(code_at), Some(certificate_at)) = (column_of(heading, CODE), column_of(heading, CERTIFICATE))
    else {
        faults.push(bad(heading.line, 1, format!("the column {CODE} is missing")));
        return Err(faults);
    };
    let remarks_at = column_of(heading, REMARKS);
    let mut lines = BTreeMap::new();
    let mut products = Vec::with_capacity(rows.len());
    for row in rows {
        check_width(heading, row, &mut faults);
        let code = read_code(row, code_at, &mut lines, &mut faults);
        let takes_certificate = read_yes_or_no(row, certificate_at, &mut faults);
        let remarks = remarks_at.and_then(|at| row.get(at)).unwrap_or_default();
        if let Some(at) = remarks_at.filter(|_| remarks.chars().count() > REMARK_CHARACTERS_MAX) {
            let message = format!("a remark has at most {REMARK_CHARACTERS_MAX} characters");
            faults.push(bad(row.line, at + 1, message));
        }
        if let Some((code, takes_certificate)) = code.zip(takes_certificate) {
            products.push(Product { code, takes_certificate, remarks: remarks.to_owned() });
        }
    }
    if faults.is_empty() { Ok(products) } else { Err(faults) }
}

fn read_plan(heading: &Row, rows: &[Row], year: i16) -> Result<PlanFile, Vec<BadCell>> {
    let mut faults = Vec::new();
    let days = read_days(heading, year, &mut faults);
    let mut lines = BTreeMap::new();
    let mut plan_rows = Vec::with_capacity(rows.len());
    for row in rows {
        check_width(heading, row, &mut faults);
        let product = read_code(row, 0, &mut lines, &mut faults);
        let units: Vec<u64> =
            (1..heading.cells.len()).filter_map(|at| read_units(row, at, &mut faults)).collect();
        if let Some(product) = product {
            plan_rows.push(PlanRow { line: row.line, product, units });
        }
    }
    if faults.is_empty() { Ok(PlanFile { days, rows: plan_rows }) } else { Err(faults) }
}

fn read_days(heading: &Row, year: i16, faults: &mut Vec<BadCell>) -> Vec<Date> {
    let line = heading.line;
    if heading.cells.len() < 2 {
        faults.push(bad(line, 2, "the heading names no day"));
    }
    if heading.cells.len() > DAYS_MAX + 1 {
        faults.push(bad(line, DAYS_MAX + 2, format!("a plan has at most {DAYS_MAX} days")));
        return Vec::new();
    }
    let mut days: Vec<Date> = Vec::new();
    for (at, text) in heading.cells.iter().enumerate().skip(1) {
        let Some(day) = read_day(text, year, days.last().copied()) else {
            faults.push(bad(line, at + 1, format!("{} is no day such as 3/17 or 2003-03-17", shown(text))));
            continue;
        };
        if days.last().is_some_and(|before| *before >= day) {
            faults.push(bad(line, at + 1, format!("{} does not come after the day before it", shown(text))));
        }
        days.push(day);
    }
    days
}

/// `2003-03-17`, or `3/17` of the year of the column before it; a January after a December is the next
/// year's.
fn read_day(text: &str, year: i16, before: Option<Date>) -> Option<Date> {
    let is_number = |text: &str, digits| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
    };
    if let Some((month, day)) = text.split_once('/') {
        if !is_number(month, 2) || !is_number(day, 2) {
            return None;
        }
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        let year = match before {
            Some(before) if before.month() == 12 && month == 1 => before.year().checked_add(1)?,
            Some(before) => before.year(),
            None => year,
        };
        return Date::new(year, month, day).ok();
    }
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if year.len() != 4 || month.len() != 2 || day.len() != 2 || !parts.iter().all(|part| is_number(part, 4)) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn read_code(
    row: &Row,
    at: usize,
    lines: &mut BTreeMap<ProductCode, u64>,
    faults: &mut Vec<BadCell>,
) -> Option<ProductCode> {
    let text = row.get(at).unwrap_or_default();
    match text.parse::<ProductCode>() {
        Ok(code) => match lines.insert(code.clone(), row.line) {
            None => Some(code),
            Some(earlier) => {
                faults.push(bad(row.line, at + 1, format!("{code} is in line {earlier} already")));
                lines.insert(code, earlier);
                None
            }
        },
        Err(error) => {
            faults.push(bad(row.line, at + 1, format!("{} is no device code: {error}", shown(text))));
            None
        }
    }
}

fn read_yes_or_no(row: &Row, at: usize, faults: &mut Vec<BadCell>) -> Option<bool> {
    let text = row.get(at).unwrap_or_default();
    match text {
        _ if text.eq_ignore_ascii_case("YES") => Some(true),
        _ if text.eq_ignore_ascii_case("NO") => Some(false),
        _ => {
            faults.push(bad(row.line, at + 1, format!("{} is neither YES nor NO", shown(text))));
            None
        }
    }
}

fn read_units(row: &Row, at: usize, faults: &mut Vec<BadCell>) -> Option<u64> {
    let text = row.get(at)?;
    let is_figure = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(units) if is_figure && units <= UNITS_MAX => return Some(units),
        Ok(_) if is_figure => {
            faults.push(bad(row.line, at + 1, format!("at most {UNITS_MAX} units are planned a day")));
        }
        _ if text.is_empty() => faults.push(bad(row.line, at + 1, "the cell is empty: write 0 for none")),
        _ => faults.push(bad(row.line, at + 1, format!("{} is no number of units", shown(text)))),
    }
    None
}

fn check_width(heading: &Row, row: &Row, faults: &mut Vec<BadCell>) {
    if row.cells.len() != heading.cells.len() {
        let message =
            format!("the row has {} columns and the heading {}", row.cells.len(), heading.cells.len());
        faults.push(bad(row.line, row.cells.len().min(heading.cells.len()) + 1, message));
    }
}

fn column_of(heading: &Row, name: &str) -> Option<usize> {
    heading.cells.iter().position(|cell| cell.eq_ignore_ascii_case(name))
}

fn bad(line: u64, column: usize, message: impl Into<String>) -> BadCell {
    BadCell { line, column, message: message.into() }
}

/// A cell as it may be shown on a terminal: quoted, control characters escaped, cut where it is long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const PRODUCTS: &str = include_str!("../../../../examples/products.csv");
    const PLAN: &str = include_str!("../../../../examples/plan.csv");

    fn faults(text: &str) -> Vec<(u64, usize)> {
        let faults = parse(text.as_bytes(), 2003).unwrap_err();
        faults.into_iter().map(|fault| (fault.line, fault.column)).collect()
    }

    #[test]
    fn the_figures_read_as_printed() {
        let Ok(File::Products(products)) = parse(PRODUCTS.as_bytes(), 2003) else { panic!() };
        let taking: Vec<&str> = products
            .iter()
            .filter(|product| product.takes_certificate)
            .map(|product| product.code.as_str())
            .collect();
        assert_eq!((products.len(), taking), (5, vec!["3012", "A123"]));

        let Ok(File::Plan(plan)) = parse(PLAN.as_bytes(), 2003) else { panic!() };
        assert_eq!(plan.days[0], date(2003, 3, 17));
        assert_eq!(plan.days[7], date(2003, 3, 27));
        assert_eq!(plan.rows[3].units, [2120, 2000, 2130, 2000, 2000, 2130, 2110, 2000]);
        assert_eq!(plan.rows.iter().map(|row| row.units[0]).sum::<u64>(), 6_180);
    }

    #[test]
    fn days_may_have_their_year_and_run_over_new_year() {
        for (heading, expected) in [
            ("DEVICE CODE,12/30,12/31,1/6", [date(2003, 12, 30), date(2003, 12, 31), date(2004, 1, 6)]),
            (
                "device code,2004-02-28,2004-02-29,3/1",
                [date(2004, 2, 28), date(2004, 2, 29), date(2004, 3, 1)],
            ),
        ] {
            let Ok(File::Plan(plan)) = parse(heading.as_bytes(), 2003) else { panic!("{heading}") };
            assert_eq!(plan.days, expected);
        }
    }

    #[test]
    fn what_spreadsheets_do_to_a_file_does_no_harm() {
        let text = "\u{feff}\"DEVICE CODE\" , 3/17 \r\n 3012 ,\"1000\"\r\n,\r\n\r\nA123,5\r\n";
        let Ok(File::Plan(plan)) = parse(text.as_bytes(), 2003) else { panic!() };
        assert_eq!(
            plan.rows.iter().map(|row| (row.line, row.units[0])).collect::<Vec<_>>(),
            [(2, 1000), (5, 5)]
        );
    }

    #[test]
    fn every_bad_cell_is_named() {
        assert_eq!(
            faults("DEVICE CODE,3/17,3/17,13/1,2/30,tomorrow\n3012,1,2,3,4,5\n"),
            [(1, 3), (1, 4), (1, 5), (1, 6)]
        );
        assert_eq!(
            faults(
                "DEVICE CODE,3/17,3/18\n3012,10x,-1\n30,,1.5\n3012,1,2\nA123,1\nA125,1,2,3\nA126,99999999,1\n"
            ),
            [(2, 2), (2, 3), (3, 1), (3, 2), (3, 3), (4, 1), (5, 3), (6, 4), (7, 2)]
        );
        assert_eq!(
            faults("No,DEVICE CODE,CERTIFICATE,COLOUR,No\n1,3012,MAYBE,,\n2,3013,yes,,\n3,3013,no,,\n"),
            [(1, 4), (1, 5), (2, 3), (4, 2)]
        );
        assert_eq!(faults("CERTIFICATE\nYES\n"), [(1, 1)]);
        assert_eq!(faults("DEVICE CODE\n3012\n"), [(1, 2)]);
        assert_eq!(faults("3012,1000\n"), [(1, 1)]);
        assert_eq!(faults(""), [(1, 1)]);
    }

    #[test]
    fn other_encodings_are_named_at_their_place() {
        let faults = parse(b"DEVICE CODE,3/17\n3012,\x83\x41\n", 2003).unwrap_err();
        assert_eq!((faults[0].line, faults[0].column), (2, 2));
    }
}
