//! Certificates and keys as PEM files (RFC 7468).

use std::fs;
use std::path::Path;

use anyhow::Context;
use der::pem::{self, LineEnding};
use zeroize::{Zeroize, Zeroizing};

use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a private key that is not encrypted (PKCS#8).
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of a public key (RFC 5480).
pub const PUBLIC_KEY: &str = "PUBLIC KEY";

/// Writes blocks of DER, each behind its label.
pub fn write(path: &Path, blocks: &[(&str, &[u8])], privacy: Privacy) -> anyhow::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for (label, der) in blocks {
        let mut encoded = pem::encode_string(label, LineEnding::LF, der)
            .with_context(|| format!("cannot encode {}", path.display()))?;
        text.push_str(&encoded);
        encoded.zeroize();
    }
    replace_file(path, privacy, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads all blocks with this label.
pub fn read(path: &Path, label: &str) -> anyhow::Result<Vec<Zeroizing<Vec<u8>>>> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let blocks = text.match_indices(&begin).map(|(start, _)| {
        let length = text[start..].find(&end)? + end.len();
        pem::decode_vec(text[start..start + length].as_bytes()).ok()
    });
    let blocks = blocks.map(|block| block.map(|(_, der)| Zeroizing::new(der))).collect::<Option<_>>();
    blocks.ok_or_else(|| Failure::new(format!("{} has a {label} that is no PEM", path.display())).into())
}

/// Reads the one block with this label.
pub fn read_one(path: &Path, label: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut blocks = read(path, label)?.into_iter();
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => Ok(block),
        _ => Err(Failure::new(format!("{} does not hold exactly one {label}", path.display())).into()),
    }
}
