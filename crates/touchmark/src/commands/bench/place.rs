//! Where a bench stores what it measures with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::Random;

use super::Edge;

/// A directory of the bench's own, gone with it, and the store to measure on.
pub struct Place {
    /// The store's URL.
    pub url: String,
    /// Which database that is.
    pub store: &'static str,
    directory: PathBuf,
}

impl Place {
    /// A place with the store at `url`, or without one a SQLite file in the directory.
    pub fn make(url: Option<&str>, edge: &Edge) -> anyhow::Result<Self> {
        let name = format!("touchmark-{}", hex::encode(filled::<8>(&*edge.random)));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let url = match url {
            Some(url) => url.to_owned(),
            None => format!("sqlite:{}", directory.join("store.sqlite").display()),
        };
        let store = if url.starts_with("sqlite:") { "sqlite" } else { "postgresql" };
        Ok(Self { url, store, directory })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Random bytes.
pub fn filled<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}
