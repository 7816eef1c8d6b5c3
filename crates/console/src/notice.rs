//! What stands out: notices, badges, figures. Each says in words and by its sign what its colour means.

use maud::{Markup, html};

use crate::{Text, Visit, catalogue::common as texts};

/// How things stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// As it should be.
    Good,
    /// Someone should look at it.
    Warning,
    /// Someone must do something.
    Bad,
    /// Neither good nor bad.
    Neutral,
}

impl Status {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Neutral => "neutral",
        }
    }

    /// The sign, for those who do not see the colour.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warning => "▲",
            Self::Bad => "✕",
            Self::Neutral => "●",
        }
    }

    fn word(self) -> Text {
        match self {
            Self::Good => texts::GOOD,
            Self::Warning => texts::WARNING,
            Self::Bad => texts::BAD,
            Self::Neutral => texts::INFORMATION,
        }
    }
}

/// A paragraph that stands out.
pub fn notice(visit: &Visit, status: Status, content: Markup) -> Markup {
    let role = if status == Status::Bad { "alert" } else { "status" };
    html! {
        div class={ "notice " (status.class()) } role=(role) {
            span .notice-sign aria-hidden="true" { (status.sign()) }
            div {
                strong { (visit.t(status.word())) }
                " "
                (content)
            }
        }
    }
}

/// A word with its status.
pub fn badge(status: Status, text: &str) -> Markup {
    html! {
        span class={ "badge " (status.class()) } {
            span aria-hidden="true" { (status.sign()) }
            " "
            (text)
        }
    }
}

/// Large numbers side by side: name, number, status, what it is measured against.
pub fn figures(figures: &[(&str, String, Status, String)]) -> Markup {
    html! {
        dl .figures {
            @for (name, number, status, against) in figures {
                div class={ "figure " (status.class()) } {
                    dt { (name) }
                    dd {
                        span .figure-number { (number) }
                        @if *status != Status::Neutral {
                            span .figure-sign aria-hidden="true" { (status.sign()) }
                        }
                        span .figure-against { (against) }
                    }
                }
            }
        }
    }
}
