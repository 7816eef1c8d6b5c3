//! The keys that an emulated device has beside its memory: those of its firmware and of its chip.

use std::path::{Path, PathBuf};

use anyhow::Context;
use der::{Decode, SecretDocument};
use identity::profile::KeyAlgorithm;
use pkcs8::PrivateKeyInfoRef;
use seal::ChipKey;
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use crate::emulator::EmulatedDevice;
use crate::failure::Failure;
use crate::pre_write_key_file::PreWriteKeyFile;

/// What a device is built with.
#[derive(clap::Args)]
pub struct KeyArguments {
    /// The pre-write key of its firmware: a file of `authority pre-write-key export --json-file`
    #[arg(long, value_name = "FILE")]
    pre_write_key: Option<PathBuf>,
    /// Give the device only the key that is derived from the pre-write key for its chip
    #[arg(long, requires = "pre_write_key")]
    derive_for_chip: bool,
    /// The key pair of its chip: a P-256 key, PKCS#8 in PEM, such as openssl genpkey makes
    #[arg(long, value_name = "FILE")]
    chip_key: Option<PathBuf>,
    /// What keys it makes when it is asked to: p-256 or p-384
    #[arg(long, value_name = "ALGORITHM", default_value_t = KeyAlgorithm::P256)]
    key_algorithm: KeyAlgorithm,
}

impl KeyArguments {
    /// The device with these keys.
    ///
    /// # Errors
    /// A file holds no such key, or another product's.
    pub fn give_to(&self, device: EmulatedDevice) -> anyhow::Result<EmulatedDevice> {
        let mut device = device.with_own_key_algorithm(self.key_algorithm);
        if let Some(path) = &self.pre_write_key {
            let file = PreWriteKeyFile::read(path)?;
            let (product, chip) = (device.product(), device.hardware_uid());
            if file.product != product {
                let text =
                    format!("{} is a key of {}; the device is a {product}", path.display(), file.product);
                return Err(Failure::usage(text).into());
            }
            let key = file.pre_write_key()?;
            device = device.with_pre_write_key(if self.derive_for_chip { key.for_chip(&chip) } else { key });
        }
        match &self.chip_key {
            Some(path) => Ok(device.with_chip_key(read_chip_key(path)?)),
            None => Ok(device),
        }
    }
}

fn read_chip_key(path: &Path) -> anyhow::Result<ChipKey> {
    let pem = std::fs::read_to_string(path).map(Zeroizing::new);
    let pem = pem.with_context(|| format!("cannot read {}", path.display()))?;
    let parse = || -> Option<ChipKey> {
        let (_, document) = SecretDocument::from_pem(&pem).ok()?;
        let information = PrivateKeyInfoRef::from_der(document.as_bytes()).ok()?;
        let key = EcPrivateKey::from_der(information.private_key.as_bytes()).ok()?;
        ChipKey::new(key.private_key.try_into().ok()?).ok()
    };
    parse().ok_or_else(|| {
        Failure::usage(format!("{} holds no P-256 key", path.display()))
            .advise("make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
            .into()
    })
}
