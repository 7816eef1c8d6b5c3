//! Charts: drawn by `uPlot` from numbers in the page, which also says them as a table.

use maud::{Markup, html};
use serde::Serialize;

use crate::{Visit, catalogue::common as texts};

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A line through all values.
    Line,
    /// Steps: a value holds until the next.
    Step,
    /// A bar a value.
    Bar,
    /// The same in the background, for what is aimed at.
    Goal,
    /// A dashed line, for what others are measured against.
    Dashed,
}

/// One line of numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// How it is drawn.
    pub shape: Shape,
    /// A value a place of the axis; nothing where there is none.
    pub values: Vec<Option<f64>>,
}

/// Numbers over time or over a row of names.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// What it shows.
    #[serde(skip)]
    pub caption: String,
    /// What the horizontal axis counts.
    pub axis: String,
    /// The places on the axis, as the reader sees them.
    pub labels: Vec<String>,
    /// Seconds since 1970 of each place, where the axis is time; otherwise empty, and the places stand evenly.
    pub times: Vec<i64>,
    /// The lines.
    pub series: Vec<Series>,
}

impl Chart {
    /// The chart, with its table below.
    pub fn show(&self, visit: &Visit) -> Markup {
        let data = serde_json::to_string(self).expect("a chart is plain data");
        html! {
            figure .chart {
                figcaption { (self.caption) }
                @if self.labels.is_empty() {
                    p .empty { (visit.t(texts::NOTHING_HERE)) }
                } @else {
                    div .chart-area data-chart=(data) role="img" aria-label=(self.caption) {}
                    details {
                        summary { (visit.t(texts::AS_A_TABLE)) }
                        (self.table())
                    }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            div .table-frame tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption .hidden { (self.caption) }
                    thead {
                        tr {
                            th scope="col" { (self.axis) }
                            @for series in &self.series { th .number scope="col" { (series.name) } }
                        }
                    }
                    tbody {
                        @for (place, label) in self.labels.iter().enumerate() {
                            tr {
                                th scope="row" { (label) }
                                @for series in &self.series {
                                    td .number {
                                        @if let Some(Some(value)) = series.values.get(place) { (value) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
