//! A common certificate with its key as a JSON file, for emulated devices in place of a firmware build.

use std::path::Path;

use anyhow::Context;
use identity::CommonBatch;
use message::bytes::{Bytes, SecretBytes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommonCertificateFile {
    /// The batch that shares it.
    pub batch: CommonBatch,
    /// The certificate, DER.
    pub certificate: Bytes,
    /// Its key, PKCS#8 DER.
    pub key: SecretBytes,
}

impl CommonCertificateFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It is not there, or is not such a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::usage(format!("{} holds no common certificate", path.display()))
                .because(error)
                .advise("give the file that `authority common-certificate export --json-file` wrote")
                .into()
        })
    }
}
