//! What a station remembers of its attempts over a restart: a small file for each device number and
//! chip that are not finished. No secret is in it.
//!
//! The files need not survive a power cut, so they are not flushed to the disk: the gateway gives
//! the same chip the same pack under any attempt, and a device takes the pack that it holds again.

use std::io;
use std::path::{Path, PathBuf};

use identity::{DeviceNumber, HardwareUid};
use message::lease::AttemptId;
use message::result::WriteResultTransmission;
use serde::{Deserialize, Serialize};

use crate::expected::Expected;

/// An attempt that is not finished.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attempt {
    /// Its idempotency key.
    pub attempt: AttemptId,
    /// The scanned number.
    pub device_number: DeviceNumber,
    /// The chip of the device.
    pub hardware_uid: HardwareUid,
    /// How far it has come.
    pub stage: Stage,
}

/// How far an attempt has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Stage {
    /// The gateway has perhaps leased the pack.
    Asked,
    /// The result is known here, and not to the gateway as far as we know.
    Undelivered {
        /// The result.
        result: Box<WriteResultTransmission>,
        /// What the device was to prove.
        expected: Expected,
    },
    /// The gateway has filed the proof; the device has perhaps not been told.
    Filed {
        /// What the device has proved, and can prove again.
        expected: Expected,
    },
}

/// The files.
pub struct Attempts {
    directory: PathBuf,
}

impl Attempts {
    /// The files in this directory, which is made where it is missing.
    pub fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The unfinished attempt for this number and chip. A file that cannot be read counts as none.
    pub fn find(&self, number: &DeviceNumber, chip: &HardwareUid) -> Option<Attempt> {
        read(&self.path(number, chip))
    }

    /// The unfinished attempts whose result waits to be delivered.
    pub fn undelivered(&self) -> io::Result<Vec<Attempt>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == EXTENSION) {
                found
                    .extend(read(&path).filter(|attempt| matches!(attempt.stage, Stage::Undelivered { .. })));
            }
        }
        Ok(found)
    }

    /// Keeps an attempt, in place of the one for the same number and chip.
    pub fn keep(&self, attempt: &Attempt) -> io::Result<()> {
        let path = self.path(&attempt.device_number, &attempt.hardware_uid);
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(attempt)?)?;
        std::fs::rename(&new, &path)
    }

    /// Forgets a finished attempt.
    pub fn forget(&self, number: &DeviceNumber, chip: &HardwareUid) -> io::Result<()> {
        match std::fs::remove_file(self.path(number, chip)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, number: &DeviceNumber, chip: &HardwareUid) -> PathBuf {
        self.directory.join(format!("{number}_{chip}.{EXTENSION}"))
    }
}

const EXTENSION: &str = "json";

fn read(path: &Path) -> Option<Attempt> {
    let text = std::fs::read(path).ok()?;
    let attempt = serde_json::from_slice(&text);
    attempt.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "unreadable attempt")).ok()
}

#[cfg(test)]
mod tests {
    use message::bytes::{Bytes, SecretBytes};
    use message::lease::Lease;
    use message::pack::{CertificatePack, CredentialPack, PackKey};
    use message::result::WriteOutcome;

    use super::*;

    fn expected() -> Expected {
        let certificate = CertificatePack {
            root_certificate: Bytes(vec![1]),
            issuing_certificate: Bytes(vec![2]),
            client_certificate: Bytes(vec![3]),
            key: PackKey::Plain(SecretBytes::new(vec![4])),
        };
        let lease = Lease {
            device_number: "3012-123457".parse().unwrap(),
            pack: CredentialPack { certificate: Some(certificate), apparatus: None },
            certificate_owed: false,
            expires: 0,
        };
        Expected::of(&lease, None).unwrap()
    }

    fn attempt(number: &str, stage: Stage) -> Attempt {
        Attempt {
            attempt: AttemptId::new([1; 16]),
            device_number: number.parse().unwrap(),
            hardware_uid: "00112233".parse().unwrap(),
            stage,
        }
    }

    #[test]
    fn attempts_outlive_a_restart_until_they_are_finished() {
        let directory = tempfile::tempdir().unwrap();
        let (number, chip) = ("3012-123457".parse().unwrap(), "00112233".parse().unwrap());
        let result = WriteResultTransmission {
            attempt: AttemptId::new([1; 16]),
            device_number: "3012-123457".parse().unwrap(),
            outcome: WriteOutcome::NoGood { reason: "no answer".into(), untouched: false },
        };
        let stage = Stage::Undelivered { result: Box::new(result), expected: expected() };
        let waiting = attempt("3012-123457", stage);
        let attempts = Attempts::open(directory.path()).unwrap();
        attempts.keep(&attempt("3012-123456", Stage::Asked)).unwrap();
        attempts.keep(&waiting).unwrap();

        let attempts = Attempts::open(directory.path()).unwrap();
        assert_eq!(attempts.find(&number, &chip), Some(waiting.clone()));
        assert_eq!(attempts.undelivered().unwrap(), [waiting]);
        attempts.forget(&number, &chip).unwrap();
        attempts.forget(&number, &chip).unwrap();
        assert_eq!(attempts.find(&number, &chip), None);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = Attempts::open(directory.path()).unwrap();
        attempts.keep(&attempt("3012-123456", Stage::Asked)).unwrap();
        let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap();
        std::fs::write(file.path(), "{").unwrap();
        assert_eq!(attempts.find(&"3012-123456".parse().unwrap(), &"00112233".parse().unwrap()), None);
        assert_eq!(attempts.undelivered().unwrap(), []);
    }
}
