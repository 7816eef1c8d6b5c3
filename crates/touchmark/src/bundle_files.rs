//! Files of bundles: written whole, read whole, believed only whole.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bundle::{BundleError, Received, split};
use message::bundle::{BUNDLE_BYTES_MAX, BUNDLES_MAX};
use serde::Serialize;
use store::bundle::{Arrival, Waiting};

use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;

/// Arguments of every `bundle export`.
#[derive(clap::Args)]
pub struct ExportArguments {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// A bundle of a file, opened, beside what was signed.
pub struct Opened<'a, S> {
    /// What it says, and who says it.
    pub received: Received<S>,
    /// The whole of it.
    pub document: &'a [u8],
}

/// What an import found in a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The bundle's number.
    pub sequence: u64,
    /// `new`, or `double` where it was taken in before.
    pub arrival: &'static str,
}

impl Row {
    /// The row of a bundle that came next, or came before.
    pub fn new(sequence: u64, arrival: Arrival) -> Self {
        Self { sequence, arrival: if arrival == Arrival::Next { "new" } else { "double" } }
    }
}

/// Reads a file of bundles.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let most = (BUNDLES_MAX * BUNDLE_BYTES_MAX) as u64;
    let cannot = || format!("cannot read {}", path.display());
    let mut content = Vec::new();
    let file = File::open(path).with_context(cannot)?;
    file.take(most + 1).read_to_end(&mut content).with_context(cannot)?;
    if content.len() as u64 > most {
        return Err(not_taken(path, BundleError::TooLarge));
    }
    Ok(content)
}

/// Opens all bundles of a file, or none: where one is damaged nothing of the file is taken in.
pub fn open<'a, S>(
    path: &Path,
    content: &'a [u8],
    open: impl Fn(&[u8]) -> Result<Received<S>, BundleError>,
) -> anyhow::Result<Vec<Opened<'a, S>>> {
    let documents = split(content).map_err(|error| not_taken(path, error))?;
    documents
        .into_iter()
        .map(|document| match open(document) {
            Ok(received) => Ok(Opened { received, document }),
            Err(error) => Err(not_taken(path, error)),
        })
        .collect()
}

/// Writes a file of bundles.
pub fn write(path: &Path, bundles: &[Waiting]) -> anyhow::Result<()> {
    let documents: Vec<&[u8]> =
        bundles.iter().take(BUNDLES_MAX).map(|waiting| waiting.document.as_slice()).collect();
    replace_file(path, Privacy::Owner, &documents.concat())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Ends an import: a refusal, or a file in which everything is old, is a failure.
pub fn finish(
    path: &Path,
    rows: &[Row],
    refusal: Option<impl std::error::Error + Send + Sync + 'static>,
    written_again_by: impl Display,
) -> anyhow::Result<()> {
    if let Some(refusal) = refusal {
        let what = format!("{} is not taken in, or not all of it", path.display());
        let advice = format!(
            "take in the file with the missing bundle first; {written_again_by} writes all that were not taken in yet"
        );
        return Err(Failure::new(what).because(refusal).advise(advice).into());
    }
    if rows.iter().any(|row| row.arrival == "new") {
        return Ok(());
    }
    let what = format!("{} brings nothing new: {} taken in before", path.display(), numbers(rows));
    Err(Failure::new(what).advise("nothing is to be done; a file is taken in once").into())
}

/// The bundles of a file, for people.
pub fn for_people(rows: &[Row]) -> String {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| match row.arrival {
            "new" => format!("bundle {} is taken in", row.sequence),
            _ => format!("bundle {} was taken in before", row.sequence),
        })
        .collect();
    lines.join("\n")
}

fn numbers(rows: &[Row]) -> String {
    match rows {
        [only] => format!("bundle {} was", only.sequence),
        [first, .., last] => format!("bundles {} to {} were", first.sequence, last.sequence),
        [] => "what it holds was".to_owned(),
    }
}

fn not_taken(path: &Path, error: BundleError) -> anyhow::Error {
    Failure::new(format!("nothing of {} is taken in", path.display()))
        .because(error)
        .advise("carry the file again; its sender's `bundle export` writes it again")
        .into()
}
