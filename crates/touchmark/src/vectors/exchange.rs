//! Puts another program to the test.
//!
//! The program reads a line for each case, `{"operation": ..., "input": {...}}`, and answers it with
//! a line, the output. Lines it writes to stderr are shown. Any language with JSON will do.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::Case;

/// How long the program may think about one case.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A case to which the program gave another output than it should.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The case.
    pub case: Case,
    /// What the program answered.
    pub answered: Value,
}

/// The program could not be tested to the end.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It did not start.
    #[error("{program} does not start")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended, or closed its streams.
    #[error("the program stopped answering at {case}")]
    Stopped {
        /// The case that it was asked.
        case: String,
    },
    /// It did not answer in time.
    #[error("the program did not answer {case} within {} s", ANSWER_LIMIT.as_secs())]
    TooSlow {
        /// The case that it was asked.
        case: String,
    },
    /// Its answer is not JSON.
    #[error("the program's answer to {case} is not a line of JSON")]
    NotJson {
        /// The case that it was asked.
        case: String,
        /// Where it is wrong.
        source: serde_json::Error,
    },
}

/// Asks the program every case, in order, and returns those that it answered otherwise.
///
/// # Errors
/// The program does not start, stops, hangs or answers what is no JSON.
pub async fn run(command: &[String], cases: &[Case]) -> Result<Vec<Difference>, ExchangeError> {
    let mut program = Program::start(command)?;
    let mut differences = Vec::new();
    for case in cases {
        let asked = || format!("{}, {}", case.file, case.name);
        let answer = timeout(ANSWER_LIMIT, program.ask(case))
            .await
            .map_err(|_| ExchangeError::TooSlow { case: asked() })?
            .ok_or_else(|| ExchangeError::Stopped { case: asked() })?;
        let answered = serde_json::from_str(&answer)
            .map_err(|source| ExchangeError::NotJson { case: asked(), source })?;
        if answered != case.output {
            differences.push(Difference { case: case.clone(), answered });
        }
    }
    Ok(differences)
}

struct Program {
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Ends with this.
    _child: Child,
}

impl Program {
    fn start(command: &[String]) -> Result<Self, ExchangeError> {
        let (program, arguments) = command.split_first().expect("the command line demands a program");
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ExchangeError::Start { program: program.clone(), source })?;
        let questions = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Ok(Self { questions, answers, _child: child })
    }

    /// The program's line for a case, or `None` where it takes or gives no more.
    async fn ask(&mut self, case: &Case) -> Option<String> {
        let question = json!({ "operation": case.operation, "input": case.input });
        self.questions.write_all(format!("{question}\n").as_bytes()).await.ok()?;
        self.questions.flush().await.ok()?;
        self.answers.next_line().await.ok()?
    }
}
