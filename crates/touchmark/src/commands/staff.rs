//! `touchmark ROLE staff ...`: the people who sign in at a role's console.

use std::fs;
use std::io::{BufRead, IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use serde::Serialize;
use staff::{Staff, StaffName, StaffRole};
use store::audit::Actor;
use store::{Secret, Store};
use zeroize::Zeroizing;

use super::Edge;
use crate::failure::Failure;
use crate::output::moment;

/// What is done with the people at a console. `A` are the role's own arguments.
#[derive(clap::Subcommand)]
pub enum StaffCommand<A: clap::Args> {
    /// Add a person, and show their second factor, once
    Add {
        /// The person's name at sign-in and in the audit log
        name: StaffName,
        /// What they are, separated by commas: viewer, operator, engineer, security-officer, auditor
        #[arg(long, value_name = "ROLES", value_delimiter = ',', required = true)]
        roles: Vec<StaffRole>,
        /// The file with their password; without it, it is asked for
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        role: A,
    },
    /// List the people
    List {
        #[command(flatten)]
        role: A,
    },
    /// Remove a person, who is signed out at once
    Remove {
        /// The person's name
        name: StaffName,
        #[command(flatten)]
        role: A,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    name: &'a StaffName,
    second_factor: &'a str,
}

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a StaffName,
}

#[derive(Serialize)]
struct Row {
    name: StaffName,
    roles: Vec<StaffRole>,
    added: i64,
}

impl<A: clap::Args> StaffCommand<A> {
    /// The role's own arguments.
    pub fn role(&self) -> &A {
        match self {
            Self::Add { role, .. } | Self::List { role } | Self::Remove { role, .. } => role,
        }
    }

    /// Runs the command on the staff in this store; `console` names it in authenticator apps.
    pub async fn run(&self, store: Store, console: &str, by: &Actor, edge: &Edge) -> anyhow::Result<()> {
        let staff = Staff::new(store, Arc::clone(&edge.clock), Arc::clone(&edge.random));
        match self {
            Self::Add { name, roles, password_file, .. } => {
                let password = password(name, password_file.as_deref())?;
                let factor = staff.add(console, name, roles, password, by).await?;
                let text = Zeroizing::new(format!(
                    "{name} may sign in. This is their second factor, shown this once: scan it with an authenticator \
                     app.\n\n{}\n\n{}",
                    factor.qr(),
                    factor.uri()
                ));
                edge.output.object(&Added { name, second_factor: factor.uri() }, &*text);
            }
            Self::List { .. } => {
                let rows: Vec<Row> = staff.list().await?.into_iter().map(row).collect();
                edge.output.rows(&["name", "roles", "added"], &rows, |row| {
                    let roles: Vec<&str> = row.roles.iter().map(|role| role.as_str()).collect();
                    vec![row.name.to_string(), roles.join(", "), moment(row.added)]
                });
            }
            Self::Remove { name, .. } => {
                staff.remove(name, by).await?;
                edge.output.object(&Removed { name }, format!("{name} may no longer sign in"));
            }
        }
        Ok(())
    }
}

fn row((name, roles, added): (StaffName, Vec<StaffRole>, i64)) -> Row {
    Row { name, roles, added }
}

/// The password, from its file or from the person at the terminal, who does not see it.
fn password(name: &StaffName, file: Option<&Path>) -> anyhow::Result<Secret> {
    if let Some(path) = file {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let content = Zeroizing::new(content);
        return Ok(Secret::new(content.trim_ascii_end().to_vec()));
    }
    if !stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for the password at")
            .advise("name a file that holds it with --password-file")
            .into());
    }
    let first = ask(&format!("Password for {name}: "))?;
    if ask("The same again: ")? != first {
        return Err(Failure::new("the two passwords differ").advise("try again").into());
    }
    Ok(first)
}

/// One line from the terminal, not shown.
fn ask(prompt: &str) -> anyhow::Result<Secret> {
    use std::io::Write;
    let mut terminal = std::io::stderr();
    write!(terminal, "{prompt}")?;
    terminal.flush()?;
    let shown = tcgetattr(stdin())?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin(), SetArg::TCSAFLUSH, &hidden)?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin().lock().read_line(&mut line);
    tcsetattr(stdin(), SetArg::TCSAFLUSH, &shown)?;
    writeln!(terminal)?;
    read?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).as_bytes().to_vec()))
}
