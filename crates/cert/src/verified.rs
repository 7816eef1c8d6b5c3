//! Peers whose certificates were verified lately, so that a path is verified once and not with every connection.
//!
//! What a certificate is follows from its bytes, the CAs that are trusted, and the time. So one that was found
//! good stays good, byte for byte, under the same CAs, for as long as it and they are valid: that is all that is
//! remembered here, by the SHA-256 of the certificate, beside the CAs of the [`Trust`](crate::Trust) whose verdict it is.
//! Where the CAs change, the memory starts with nothing, and so does another trust. Refusals are not remembered. Whether the peer holds the key is proved anew in every
//! handshake, and whether its certificate was revoked is looked up with every request; neither comes from here.

use std::collections::HashMap;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use crate::fingerprint::Fingerprint;
use crate::trust::PeerIdentity;

/// How many peers each generation holds; a peer takes about 300 bytes.
const GENERATION_MAX: usize = 8 * 1_024;

/// A bounded memory of good verdicts: whoever was seen in this generation of peers or the one before is known.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    present: HashMap<Fingerprint, Verdict>,
    former: HashMap<Fingerprint, Verdict>,
}

#[derive(Clone, Debug)]
struct Verdict {
    identity: PeerIdentity,
    /// When the certificate and all CAs above it are valid, in seconds since 1970.
    validity: RangeInclusive<i64>,
}

impl Verified {
    /// The peer of the certificate with this SHA-256, where it is known and good `now`.
    pub(crate) fn find(&self, certificate: &Fingerprint, now: i64) -> Option<PeerIdentity> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = generations.former.remove(certificate) {
            generations.keep(*certificate, verdict);
        }
        let verdict = generations.present.get(certificate)?;
        verdict.validity.contains(&now).then(|| verdict.identity.clone())
    }

    /// Remembers that the certificate with this SHA-256 is good at these times.
    pub(crate) fn keep(
        &self,
        certificate: Fingerprint,
        identity: PeerIdentity,
        validity: RangeInclusive<i64>,
    ) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.keep(certificate, Verdict { identity, validity });
    }
}

impl Generations {
    fn keep(&mut self, certificate: Fingerprint, verdict: Verdict) {
        if self.present.len() >= GENERATION_MAX {
            self.former = mem::take(&mut self.present);
        }
        self.present.insert(certificate, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CertificateSerial;
    use crate::DeviceIdentity;

    fn peer(n: usize) -> (Fingerprint, PeerIdentity) {
        let fingerprint = Fingerprint::of(&n.to_be_bytes());
        let identity = PeerIdentity::Device(DeviceIdentity {
            number: "3012-123456".parse().unwrap(),
            spki_sha256: fingerprint,
            certificate_serial: CertificateSerial::from_bytes(&n.to_be_bytes()),
            issuer_sha256: fingerprint,
        });
        (fingerprint, identity)
    }

    #[test]
    fn a_verdict_holds_while_the_certificate_does() {
        let verified = Verified::default();
        let (certificate, identity) = peer(1);
        verified.keep(certificate, identity.clone(), 100..=200);
        for (now, known) in [(99, false), (100, true), (200, true), (201, false), (150, true)] {
            assert_eq!(verified.find(&certificate, now), known.then(|| identity.clone()), "{now}");
        }
        assert_eq!(verified.find(&peer(2).0, 150), None);
    }

    #[test]
    fn those_who_come_often_stay_known_and_the_memory_is_bounded() {
        let verified = Verified::default();
        let (often, identity) = peer(0);
        verified.keep(often, identity, 0..=1);
        for n in 1..5 * GENERATION_MAX {
            let (certificate, identity) = peer(n);
            verified.keep(certificate, identity, 0..=1);
            if n % (GENERATION_MAX / 2) == 0 {
                assert!(verified.find(&often, 0).is_some(), "after {n} others");
            }
        }
        assert_eq!(verified.find(&peer(1).0, 0), None, "who came once is forgotten");
        let generations = verified.0.lock().unwrap();
        assert!(generations.present.len() + generations.former.len() <= 2 * GENERATION_MAX);
    }
}
