//! SOAP faults (SOAP 1.1 clause 4.4): whose mistake it is, the code word, and a sentence.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::fields::Fields;
use super::tree::Node;
use super::{NAMESPACE, writer};
use crate::problem::{Problem, ProblemCode};

/// Whose mistake a fault is: the fault codes of SOAP 1.1 clause 4.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// The envelope is of another version of SOAP.
    VersionMismatch,
    /// A header block must be understood and is not.
    MustUnderstand,
    /// The request is at fault.
    Client,
    /// The service is at fault; the same request may succeed later.
    Server,
}

/// A refusal or failure, as SOAP says it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Fault {
    kind: FaultKind,
    problem: Problem,
}

impl Fault {
    /// Whose mistake it is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The same as problem details.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The document that carries the fault.
    pub fn document(&self) -> String {
        let problem = &self.problem;
        let code = format!("{}:{}", writer::SOAP_PREFIX, self.kind.as_str());
        let envelope = writer::envelope(
            NAMESPACE,
            |_| {},
            |body| {
                body.nest_soap("Fault", |fault| {
                    fault.unqualified("faultcode", |text| text.text(&code));
                    fault.unqualified("faultstring", |text| text.text(&problem.detail));
                    // The detail is about the body; a fault about the header must not have one.
                    if matches!(self.kind, FaultKind::Client | FaultKind::Server) {
                        fault
                            .unqualified("detail", |detail| detail.element("Problem", problem.code.as_str()));
                    }
                });
            },
        );
        envelope.to_string()
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Problem::new(ProblemCode::MalformedRequest, detail).into()
    }

    pub(super) fn version_mismatch() -> Self {
        let problem = Problem::new(ProblemCode::MalformedRequest, "only SOAP 1.1 envelopes are read here");
        Self { kind: FaultKind::VersionMismatch, problem }
    }

    pub(super) fn must_understand(block: &str) -> Self {
        let detail = format!("the header block {block} must be understood and is not");
        let problem = Problem::new(ProblemCode::MalformedRequest, detail);
        Self { kind: FaultKind::MustUnderstand, problem }
    }

    /// The fault in a peer's answer. A peer may be older or newer than we are: a code word that we
    /// do not know counts as the general one of its kind.
    pub(super) fn read(node: &Node) -> Result<Self, Self> {
        let mut fields = Fields::unqualified(node);
        let code = fields.text("faultcode")?;
        let kind = FaultKind::from_code(code)
            .ok_or_else(|| Self::malformed(format!("{code} is not a fault code of SOAP 1.1")))?;
        let detail = fields.text("faultstring")?.to_owned();
        fields.optional("faultactor")?;
        let word = fields.optional("detail")?.and_then(problem_code);
        let code = word.unwrap_or(match kind {
            FaultKind::Server => ProblemCode::Internal,
            _ => ProblemCode::MalformedRequest,
        });
        Ok(Self { kind, problem: Problem::new(code, detail) })
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let kind = if problem.code.status() >= 500 { FaultKind::Server } else { FaultKind::Client };
        Self { kind, problem }
    }
}

impl FaultKind {
    const ALL: [Self; 4] = [Self::VersionMismatch, Self::MustUnderstand, Self::Client, Self::Server];

    fn as_str(self) -> &'static str {
        match self {
            Self::VersionMismatch => "VersionMismatch",
            Self::MustUnderstand => "MustUnderstand",
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }

    /// The kind of a fault code, whatever its prefix; `Client.Authentication` is still `Client`.
    fn from_code(code: &str) -> Option<Self> {
        let local = code.split_once(':').map_or(code, |(_, local)| local);
        let general = local.split('.').next();
        Self::ALL.into_iter().find(|kind| Some(kind.as_str()) == general)
    }
}

fn problem_code(detail: &Node) -> Option<ProblemCode> {
    let problem = detail.children.iter().find(|entry| entry.is(NAMESPACE, "Problem"))?;
    let word: StrDeserializer<'_, ValueError> = problem.text.trim_ascii().into_deserializer();
    ProblemCode::deserialize(word).ok()
}
