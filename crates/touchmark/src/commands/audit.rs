//! `touchmark audit`: verifying and exporting the audit log.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use store::audit::{self, AuditError, Head};
use store::{Schema, Store, StoreError};

use super::Edge;
use crate::config::store_url;
use crate::failure::Failure;

/// Look at the audit log
#[derive(clap::Subcommand)]
pub enum Command {
    /// Check that no entry was changed, cut or moved
    Verify {
        /// A role's data directory, its store's URL, or an exported file
        #[arg(long, value_name = "DIR|URL|FILE")]
        data: String,
        /// The hash of an entry noted earlier, which the log must still hold at its end
        #[arg(long, value_name = "HEX")]
        head: Option<String>,
    },
    /// Write the log as JSON, a line an entry, for whoever verifies it elsewhere
    Export {
        /// A role's data directory, or its store's URL
        #[arg(long, value_name = "DIR|URL")]
        data: String,
        /// The file to write
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Verified {
    entries: i64,
    head: String,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Verify { data, head } => {
            let found = verify(&data).await;
            let verified = verdict(found, head.as_deref())?;
            let for_people = match &verified.fault {
                None => format!("{} entries, whole; head {}", verified.entries, verified.head),
                Some(fault) => fault.clone(),
            };
            edge.output.object(&verified, for_people);
            if verified.valid { Ok(()) } else { Err(Failure::new("the audit log is not whole").into()) }
        }
        Command::Export { data, file } => {
            let store = open(&data).await?;
            let cannot_write = || format!("cannot write {}", file.display());
            let mut writer = BufWriter::new(File::create(&file).with_context(cannot_write)?);
            let head = audit::export(&mut store.read().await?, &mut writer).await?;
            writer.flush().with_context(cannot_write)?;
            let exported = verdict(Ok(head), None)?;
            edge.output.object(&exported, format!("{} entries; head {}", exported.entries, exported.head));
            Ok(())
        }
    }
}

async fn verify(data: &str) -> Result<Head, anyhow::Error> {
    if Path::new(data).is_file() {
        let file = File::open(data).with_context(|| format!("cannot read {data}"))?;
        return Ok(audit::verify_export(BufReader::new(file), None)?);
    }
    let store = open(data).await?;
    Ok(audit::verify(&mut store.read().await?).await?)
}

fn verdict(found: anyhow::Result<Head>, noted: Option<&str>) -> anyhow::Result<Verified> {
    match found {
        Ok(head) => {
            let hash = hex::encode(&head.hash);
            let is_noted = noted.is_none_or(|noted| noted.eq_ignore_ascii_case(&hash));
            let fault = (!is_noted).then(|| "the log does not end at the head that was noted".to_owned());
            Ok(Verified { entries: head.sequence, head: hash, valid: is_noted, fault })
        }
        Err(error) => match error.downcast_ref::<AuditError>() {
            Some(fault @ AuditError::Tampered { sequence, .. }) => Ok(Verified {
                entries: sequence - 1,
                head: String::new(),
                valid: false,
                fault: Some(fault.to_string()),
            }),
            _ => Err(error),
        },
    }
}

/// Opens the store of whichever role it is.
async fn open(data: &str) -> anyhow::Result<Store> {
    let url = if data.contains(':') {
        data.to_owned()
    } else {
        let directory = Path::new(data);
        if !directory.join("store.sqlite").exists() {
            return Err(Failure::new(format!(
                "{data} is neither a role's data directory nor an exported log"
            ))
            .advise("name a directory such as touchmark-data/authority, or a file that `audit export` wrote")
            .into());
        }
        store_url("", directory)
    };
    for schema in [Schema::Authority, Schema::Gateway, Schema::Authenticator, Schema::Center] {
        match Store::open(&url, schema).await {
            Err(StoreError::ForeignSchema | StoreError::NewerSchema) => {}
            opened => return Ok(opened?),
        }
    }
    Err(StoreError::ForeignSchema.into())
}
