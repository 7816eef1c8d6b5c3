//! The operators whose badges are good, kept for when the gateway cannot be reached.
//!
//! A badge that is withdrawn while the gateway is gone still signs on here; it does nothing, since every
//! write and every scrapping is the gateway's to grant.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cert::Fingerprint;
use identity::MemberName;
use message::operator::{BadgeCode, Operators as Told};

/// The operators, and the file that keeps them.
pub struct Operators {
    file: PathBuf,
    known: Mutex<Told>,
}

impl Operators {
    /// The operators that this file keeps. A file that cannot be read keeps none; the gateway tells again.
    pub fn open(file: &Path) -> Self {
        let known = std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file: file.to_owned(), known: Mutex::new(known.unwrap_or_default()) }
    }

    /// Takes what the gateway says in place of what was known.
    pub fn learn(&self, told: Told) -> io::Result<()> {
        let mut known = self.known();
        if *known != told {
            let new = self.file.with_extension("new");
            std::fs::write(&new, serde_json::to_vec(&told)?)?;
            std::fs::rename(&new, &self.file)?;
            *known = told;
        }
        Ok(())
    }

    /// Whose badge this is, if it is good.
    pub fn with_badge(&self, badge: &BadgeCode) -> Option<MemberName> {
        let digest = Fingerprint::of(badge.expose().as_bytes()).to_string();
        let known = self.known();
        known.operators.iter().find(|one| one.badge_sha256 == digest).map(|one| one.name.clone())
    }

    /// Whether no operator is known.
    pub fn is_empty(&self) -> bool {
        self.known().operators.is_empty()
    }

    fn known(&self) -> MutexGuard<'_, Told> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use message::operator::Operator;

    use super::*;

    #[test]
    fn operators_are_known_after_a_restart_until_the_gateway_says_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("operators.json");
        let badge = BadgeCode::new([7; 10]);
        let digest = Fingerprint::of(badge.expose().as_bytes()).to_string();
        let sato = Operator { name: "sato".parse().unwrap(), badge_sha256: digest };
        Operators::open(&file).learn(Told { operators: vec![sato] }).unwrap();

        let restarted = Operators::open(&file);
        assert_eq!(restarted.with_badge(&badge), Some("sato".parse().unwrap()));
        assert_eq!(restarted.with_badge(&BadgeCode::new([8; 10])), None);
        restarted.learn(Told::default()).unwrap();
        assert!(Operators::open(&file).is_empty());
    }
}
