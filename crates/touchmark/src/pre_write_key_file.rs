//! A pre-write key as a JSON file, for programs that stand in for firmware or try it out: emulated devices
//! and rehearsals.

use std::path::Path;

use anyhow::Context;
use identity::{KeyIdentifier, ProductCode};
use message::bytes::SecretBytes;
use seal::PreWriteKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreWriteKeyFile {
    /// Whose firmware is built with the key.
    pub product: ProductCode,
    /// Its public name.
    pub key_identifier: KeyIdentifier,
    /// The key, 32 bytes.
    pub key: SecretBytes,
}

impl PreWriteKeyFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It is not there, or is not such a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::usage(format!("{} holds no pre-write key", path.display()))
                .because(error)
                .advise("give the file that `authority pre-write-key export --json-file` wrote")
                .into()
        })
    }

    /// The key.
    ///
    /// # Errors
    /// It does not have 32 bytes.
    pub fn pre_write_key(&self) -> anyhow::Result<PreWriteKey> {
        let key = self.key.expose().try_into().map_err(|_| {
            Failure::usage(format!("the pre-write key {} does not have 32 bytes", self.key_identifier))
        })?;
        Ok(PreWriteKey::new(self.key_identifier.clone(), key))
    }
}
