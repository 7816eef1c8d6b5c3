//! How a command fails: what happened, why, and what to do about it.

use std::error::Error;
use std::io::{Write, stderr};
use std::process::ExitCode;

/// A failure with advice. Any other error may stand for itself; this is for those where the person at
/// the keyboard can do something.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    what: String,
    advice: Option<String>,
    is_usage: bool,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// What happened, in one sentence.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), advice: None, is_usage: false, source: None }
    }

    /// A command line that asks for something impossible: exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { is_usage: true, ..Self::new(what) }
    }

    /// Why it happened.
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// What to do about it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

/// Tells the person at the keyboard, and says with which code to exit.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    let mut advice = Vec::new();
    let mut is_usage = false;
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            is_usage |= failure.is_usage;
            advice.extend(failure.advice.as_deref());
        }
    }
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because: {cause}\n"));
    }
    for advice in advice {
        text.push_str(&format!("  what to do: {advice}\n"));
    }
    // Nobody is left to tell where stderr is closed.
    let _ = stderr().write_all(text.as_bytes());
    ExitCode::from(if is_usage { 2 } else { 1 })
}
