//! `touchmark authority pre-write-key device-keys`: the keys of single chips, for the programming station
//! that writes each into its chip before the device reaches the line.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::{HardwareUid, KeyIdentifier};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{open_desk, passphrase, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::durable::NewFile;
use crate::failure::Failure;

/// Arguments of `touchmark authority pre-write-key device-keys`.
#[derive(clap::Args)]
pub struct DeviceKeyArguments {
    /// The key identifier, such as A123-1
    #[arg(value_name = "KEY IDENTIFIER")]
    identifier: KeyIdentifier,
    /// The file that lists the chips, a hardware UID a line
    #[arg(long, value_name = "FILE")]
    uids: PathBuf,
    /// The file to write: CSV, a hardware UID and its key a line, both in hexadecimal
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    role: RoleArguments,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Derived<'a> {
    key_identifier: &'a KeyIdentifier,
    chips: usize,
    file: &'a Path,
}

/// Derives the keys. The file is made before they are, so that what can go wrong with it goes wrong first.
pub async fn run(arguments: &DeviceKeyArguments, edge: &Edge) -> anyhow::Result<()> {
    let DeviceKeyArguments { identifier, uids, out, role } = arguments;
    let config = role.authority()?;
    let chips = read_chips(uids)?;
    let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
    let file = NewFile::create(out).with_context(|| format!("cannot make {}", out.display()))?;
    let keys = desk.derive_device_keys(identifier, chips, passphrase, &person()).await?;
    let mut text = Zeroizing::new(String::with_capacity(HEADING.len() + keys.len() * LINE_BYTES_MAX));
    text.push_str(HEADING);
    for derived in &keys {
        write!(text, "{},", derived.hardware_uid)?;
        derived.key.expose().iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        text.push('\n');
    }
    file.fill(text.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    let words = format!(
        "{} keys derived from {identifier} are in {}, which only its owner may read; erase it once they are \
         in their chips",
        keys.len(),
        out.display()
    );
    edge.output.object(&Derived { key_identifier: identifier, chips: keys.len(), file: out }, words);
    Ok(())
}

const HEADING: &str = "hardware_uid,key\n";
/// So that the text never moves in memory and leaves a copy behind.
const LINE_BYTES_MAX: usize = 2 * HardwareUid::LENGTH_MAX + 1 + 2 * authority::PRE_WRITE_KEY_BYTES + 1;

fn read_chips(path: &Path) -> anyhow::Result<Vec<HardwareUid>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut seen = HashSet::new();
    let mut chips = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let wrong = || Failure::new(format!("line {line} of {} is no hardware UID", path.display()));
        let chip: HardwareUid = text.trim().parse().map_err(|error| wrong().because(error))?;
        if !seen.insert(chip.clone()) {
            let what = format!("line {line} of {} names a chip again", path.display());
            return Err(Failure::new(what).advise("a chip is listed once").into());
        }
        chips.push(chip);
    }
    if chips.is_empty() {
        return Err(Failure::new(format!("{} lists no chip", path.display()))
            .advise("write a hardware UID a line, such as 0011223344556677")
            .into());
    }
    Ok(chips)
}
