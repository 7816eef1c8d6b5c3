//! Calls that an emulated device has put off, in a file beside its memory, and the bundles that they are in.
//!
//! A call is here before the device strikes it out of its NVRAM, and goes when the center's answer is here. A
//! real device keeps them in its program area, or on the medium that carries them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::Member;
use message::bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;

/// The most calls that a device puts off.
pub const CALLS_MAX: usize = 64;

/// The calls that a device has put off.
pub struct Outbox {
    path: PathBuf,
    content: Content,
}

/// A bundle that the center is not known to have taken.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentBundle {
    /// Its number.
    pub sequence: u64,
    /// The calls in it, as they were made.
    pub calls: Vec<String>,
    /// The whole of it, signed.
    pub document: Bytes,
    /// Whether its calls were answered by another way.
    pub is_answered: bool,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    /// To whom the bundles go.
    center: Option<Member>,
    /// The last bundle.
    sent: u64,
    /// The last of the center's bundles that was taken.
    taken: u64,
    /// Calls that are in no bundle yet.
    calls: Vec<String>,
    bundles: Vec<SentBundle>,
}

impl Outbox {
    /// The outbox of the device whose memory is in this file.
    ///
    /// # Errors
    /// Its own file cannot be read.
    pub fn of(flash: &Path) -> anyhow::Result<Self> {
        let mut name = flash.as_os_str().to_owned();
        name.push(".outbox");
        let path = PathBuf::from(name);
        let content = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .with_context(|| format!("{} is not what a device writes", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path, content })
    }

    /// How many calls wait for their answers.
    pub fn waiting(&self) -> usize {
        self.content.calls.len() + self.unanswered_bundles().map(|bundle| bundle.calls.len()).sum::<usize>()
    }

    /// All calls that wait for their answers, in the order in which they were made.
    pub fn calls(&self) -> Vec<String> {
        let bundled = self.unanswered_bundles().flat_map(|bundle| &bundle.calls);
        bundled.chain(&self.content.calls).cloned().collect()
    }

    /// Writes a call down, if it is not the one that was written down last.
    ///
    /// # Errors
    /// There are as many as are kept, or the file cannot be written.
    pub fn put_off(&mut self, call: &str) -> anyhow::Result<()> {
        if self.content.calls.last().is_some_and(|last| last == call) {
            return Ok(());
        }
        if self.waiting() >= CALLS_MAX {
            return Err(Failure::new(format!("{CALLS_MAX} calls wait already; a device keeps no more"))
                .advise("carry them to the center with `device bundle export`, and bring its answers back")
                .into());
        }
        self.content.calls.push(call.to_owned());
        self.save()
    }

    /// The calls that are in no bundle were all answered by another way, and those in bundles too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn answered(&mut self) -> anyhow::Result<()> {
        self.content.calls.clear();
        for bundle in &mut self.content.bundles {
            bundle.is_answered = true;
        }
        self.save()
    }

    /// To whom the bundles go; the first time anyone.
    ///
    /// # Errors
    /// The device has sent bundles to another center.
    pub fn check_center(&self, center: &Member) -> anyhow::Result<()> {
        match &self.content.center {
            Some(known) if known != center => {
                Err(Failure::new(format!("the bundles of this device go to {known}, not to {center}"))
                    .advise("name that center with --center-name")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// What the next bundle has: its number, the last of the center's that was taken, and its calls. Nothing
    /// where no call waits for one.
    pub fn next(&self) -> Option<(u64, u64, &[String])> {
        let Content { sent, taken, calls, .. } = &self.content;
        (!calls.is_empty()).then(|| (sent + 1, *taken, calls.as_slice()))
    }

    /// Keeps the next bundle, for this center.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, center: &Member, document: Vec<u8>) -> anyhow::Result<()> {
        let content = &mut self.content;
        content.center = Some(center.clone());
        content.sent += 1;
        content.bundles.push(SentBundle {
            sequence: content.sent,
            calls: std::mem::take(&mut content.calls),
            document: Bytes(document),
            is_answered: false,
        });
        self.save()
    }

    /// The bundles that the center is not known to have taken.
    pub fn bundles(&self) -> &[SentBundle] {
        &self.content.bundles
    }

    /// The last of the center's bundles that was taken.
    pub fn taken(&self) -> u64 {
        self.content.taken
    }

    /// Notes that the center's next bundle is taken, and that it has taken all up to `acknowledged`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn take(&mut self, acknowledged: u64) -> anyhow::Result<()> {
        self.content.taken += 1;
        self.content.bundles.retain(|bundle| bundle.sequence > acknowledged);
        self.save()
    }

    fn unanswered_bundles(&self) -> impl Iterator<Item = &SentBundle> {
        self.content.bundles.iter().filter(|bundle| !bundle.is_answered)
    }

    fn save(&self) -> anyhow::Result<()> {
        let json = serde_json::to_vec(&self.content).context("cannot write down the calls")?;
        replace_file(&self.path, Privacy::Owner, &json)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
