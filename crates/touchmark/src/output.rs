//! The one place that prints: results on stdout, words for people on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use pki::NO_EXPIRY;
use serde::Serialize;

/// Prints what a command found, for people or as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Output as JSON where `json` is set, else for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads this rather than a person.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// The one result of a command.
    pub fn object(self, value: &impl Serialize, for_people: impl Display) {
        if self.json {
            self.raw_line(&to_json(value));
        } else {
            self.raw_line(&for_people.to_string());
        }
    }

    /// A list: one JSON object a line, or a table with these headings.
    pub fn rows<R: Serialize>(self, headings: &[&str], rows: &[R], cells: impl Fn(&R) -> Vec<String>) {
        if self.json {
            rows.iter().for_each(|row| self.raw_line(&to_json(row)));
            return;
        }
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(headings);
        rows.iter().for_each(|row| {
            table.add_row(cells(row));
        });
        self.raw_line(&table.to_string());
    }

    /// Bytes as they are, such as a script.
    pub fn raw(self, bytes: &[u8]) {
        // Whoever reads may stop reading, as `head` does; that is no failure of ours.
        let _ = stdout().write_all(bytes).and_then(|()| stdout().flush());
    }

    /// A word for people on the side, never part of the result.
    pub fn note(self, text: impl Display) {
        let _ = writeln!(stderr(), "{text}");
    }

    /// Shows how far something is that takes a while: a bar on a terminal, now and then a line elsewhere.
    pub fn progress(self, what: &'static str, total: u64) -> Progress {
        let bar = if stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {pos}/{len} {eta:>4}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        Progress { output: self, what, total, done: 0, bar }
    }

    fn raw_line(self, line: &str) {
        self.raw(format!("{line}\n").as_bytes());
    }
}

/// How far something is.
pub struct Progress {
    output: Output,
    what: &'static str,
    total: u64,
    done: u64,
    bar: ProgressBar,
}

impl Progress {
    /// Where there is no terminal, a line is printed each time so many percent more are done.
    const LINE_EVERY_PERCENT: u64 = 20;

    /// So many more are done.
    pub fn advance(&mut self, count: u64) {
        let before = self.line_number();
        self.done += count;
        self.bar.inc(count);
        if self.bar.is_hidden() && self.line_number() > before {
            self.output.note(format!("{} {} of {}", self.what, self.done, self.total));
        }
    }

    fn line_number(&self) -> u64 {
        self.done * 100 / self.total.max(1) / Self::LINE_EVERY_PERCENT
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A time in seconds since 1970 as people read it (RFC 3339); the one of certificates without an end in words.
pub fn moment(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(moment) => moment.to_string(),
        Err(_) if seconds == NO_EXPIRY => "no end".to_owned(),
        Err(_) => seconds.to_string(),
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("results are plain data")
}
