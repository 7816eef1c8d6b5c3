//! Rehearsals: qualifying a board before it goes into production, or a station before it is let near a line.
//!
//! | what is tried | by what | room |
//! | --- | --- | --- |
//! | a board | a station that does all that a line may do to it | [`board`] |
//! | a station | devices that misbehave, and a gateway | [`candidate`] |
//!
//! All credentials are made for the rehearsal (`authority.rs`): none comes from a true authority or reaches
//! one, and a device that was rehearsed with has to be erased before it is used.
//!
//! A new case is a variant of [`board::Case`] or [`candidate::Case`]; the compiler shows what belongs to it.

pub mod authority;
pub mod board;
pub mod candidate;
pub mod faulty;
pub mod gateway;
mod wire;

use serde::Serialize;

/// Declares the cases of a rehearsal: variant, name, and what each shows where it passes.
macro_rules! cases {
    ($about:literal; $($variant:ident = $name:literal, $shows:literal;)+) => {
        #[doc = $about]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Case {
            $(#[doc = $shows] $variant,)+
        }

        impl Case {
            /// Every case, in the order in which they are tried.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The case's name, such as `wrong-product`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it shows where it passes.
            pub fn shows(self) -> &'static str {
                match self { $(Self::$variant => $shows,)+ }
            }
        }

        impl std::str::FromStr for Case {
            type Err = $crate::rehearsal::UnknownCase;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().copied().find(|case| case.as_str() == text);
                found.ok_or($crate::rehearsal::UnknownCase)
            }
        }
    };
}
use cases;

/// The text is not a case's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the rehearsal has no case of this name")]
pub struct UnknownCase;

/// What became of one case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The case's name.
    pub case: &'static str,
    /// What it shows where it passes.
    pub shows: &'static str,
    /// Whether it passed.
    pub outcome: Outcome,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether a case passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did.
    Passed,
    /// It did not.
    Failed,
    /// It cannot be tried, or was not to be.
    NotTried,
}

impl Outcome {
    /// The outcome's name: `not-tried`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotTried => "not-tried",
        }
    }
}

/// What keeps a case from passing.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Obstacle {
    Failed(String),
    NotTried(&'static str),
}

type Tried = Result<(), Obstacle>;

impl Obstacle {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The rehearsal itself cannot go on.
    fn internal(error: anyhow::Error) -> Self {
        Self::Failed(format!("the rehearsal failed: {error:#}"))
    }
}

impl Verdict {
    /// The case was not to be tried.
    pub fn left_out(case: &'static str, shows: &'static str) -> Self {
        Self::of(case, shows, Err(Obstacle::NotTried("it was left out")))
    }

    fn of(case: &'static str, shows: &'static str, tried: Tried) -> Self {
        let (outcome, why) = match tried {
            Ok(()) => (Outcome::Passed, None),
            Err(Obstacle::Failed(why)) => (Outcome::Failed, Some(why)),
            Err(Obstacle::NotTried(why)) => (Outcome::NotTried, Some(why.to_owned())),
        };
        Self { case, shows, outcome, why }
    }
}
