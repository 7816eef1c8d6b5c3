//! Judging what devices say of themselves, before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use auth::{Confirmation, authority_confirmation};
use cert::{Fingerprint, possession};
use identity::{ApparatusId, CredentialId, DeviceNumber, HardwareUid, line};
use message::bytes::Bytes;
use message::problem::{Problem, ProblemCode};
use message::report::{Event, Record};
use message::result::Proof;
use store::authority::apparatus::{self, Apparatus};
use store::authority::ca::{self, CaName, IssuingCaName};
use store::authority::pack::{self, Key, Pack};
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::error::AuthorityError;

/// A record and what is wrong with its proof, where anything is.
pub(super) struct Judged {
    pub(super) record: Record,
    pub(super) record_sha256: Fingerprint,
    pub(super) fault: Option<Problem>,
}

/// What proofs are judged by.
pub(super) struct Evidence {
    packs: HashMap<DeviceNumber, Pack>,
    /// The certificates of the CAs that signed for these packs.
    issuing: BTreeMap<IssuingCaName, Vec<u8>>,
    apparatuses: HashMap<ApparatusId, Apparatus>,
}

impl Evidence {
    pub(super) async fn of(snapshot: &mut Snapshot, records: &[Record]) -> Result<Self, StoreError> {
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        for record in records {
            match (&record.credential, &record.event) {
                (
                    CredentialId::Number(number),
                    Event::Verified { proof, .. } | Event::KeyBorn { proof, .. },
                ) => {
                    numbers.push(number.clone());
                    ids.extend(proof.confirmation.as_ref().map(|confirmation| confirmation.apparatus_id));
                }
                (CredentialId::Apparatus(id), Event::Bound { .. }) => ids.push(*id),
                _ => {}
            }
        }
        let packs = pack::find_all(snapshot, &numbers).await?;
        let apparatuses = apparatus::find_all(snapshot, &ids).await?;
        let mut issuing = BTreeMap::new();
        for name in packs.iter().map(|pack| pack.issuing_ca).collect::<BTreeSet<_>>() {
            let ca = ca::find(snapshot, CaName::Issuing(name)).await?;
            issuing.insert(name, ca.ok_or(StoreError::Corrupt { what: "pack.issuing_ca" })?.certificate);
        }
        Ok(Self {
            issuing,
            packs: packs.into_iter().map(|pack| (pack.number.clone(), pack)).collect(),
            apparatuses: apparatuses.into_iter().map(|apparatus| (apparatus.id, apparatus)).collect(),
        })
    }
}

impl Evidence {
    /// The symmetric credential that the device was given in the same write.
    fn beside(&self, proof: &Proof) -> Option<&Apparatus> {
        self.apparatuses.get(&proof.confirmation.as_ref()?.apparatus_id)
    }
}

fn symmetric_part(apparatus: &Apparatus) -> line::SymmetricPart<'_> {
    line::SymmetricPart {
        apparatus_id: apparatus.id,
        sealed: &apparatus.ciphertext,
        form: apparatus.form,
        challenge: apparatus.challenge,
    }
}

fn signed<'a>(number: &'a DeviceNumber, proof: &'a Proof) -> possession::Proof<'a> {
    possession::Proof {
        device_number: number,
        hardware_uid: &proof.hardware_uid,
        challenge: &proof.challenge.0,
        pack_digest: &proof.pack_digest.0,
        signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
    }
}

impl Authority {
    /// Judges each record's proof. What is not known here has none, and is refused for that.
    pub(super) fn judge(
        &self,
        records: Vec<Record>,
        evidence: &Evidence,
    ) -> Result<Vec<Judged>, AuthorityError> {
        let judge = |record: Record| {
            let fault = match (&record.credential, &record.event) {
                (CredentialId::Number(number), Event::Verified { proof, .. }) => {
                    evidence.packs.get(number).and_then(|pack| self.possession_fault(pack, proof, evidence))
                }
                (
                    CredentialId::Apparatus(id),
                    Event::Bound { device_number, hardware_uid, confirmation, .. },
                ) => match evidence.apparatuses.get(id) {
                    Some(apparatus) => {
                        self.confirmation_fault(apparatus, device_number, hardware_uid, confirmation)?
                    }
                    None => None,
                },
                (CredentialId::Number(number), Event::KeyBorn { signing_request, proof, .. }) => {
                    self.birth_fault(number, &signing_request.0, proof, evidence)
                }
                _ => None,
            };
            let fault = fault.map(|fault| Problem::new(ProblemCode::ProofFailed, fault));
            let text = serde_json::to_vec(&record).expect("a record is plain data");
            Ok(Judged { record_sha256: Fingerprint::of(&text), record, fault })
        };
        records.into_iter().map(judge).collect()
    }

    /// Why the proof does not show that a device holds this very pack.
    fn possession_fault(&self, pack: &Pack, proof: &Proof, evidence: &Evidence) -> Option<String> {
        let beside = evidence.beside(proof);
        let found = proof.pack_digest.0.as_slice();
        let with_beside = beside.and_then(|beside| self.digest_with(pack, beside, evidence));
        if found != pack.digest && Some(found) != with_beside.as_ref().map(|digest| digest.as_slice()) {
            return Some("the device read back another pack than was issued".to_owned());
        }
        possession::verify(&pack.certificate, signed(&pack.number, proof))
            .err()
            .map(|error| error.to_string())
    }

    /// Why the proof does not show that a device has made this key, and was given no certificate yet.
    fn birth_fault(
        &self,
        number: &DeviceNumber,
        signing_request: &[u8],
        proof: &Proof,
        evidence: &Evidence,
    ) -> Option<String> {
        let digest = line::pack_digest(&line::Pack {
            device_number: number.clone(),
            certificate: None,
            symmetric: evidence.beside(proof).map(symmetric_part),
        });
        if proof.pack_digest.0 != digest {
            return Some("the device read back another pack than it was given".to_owned());
        }
        let verified = possession::verify_requested(signing_request, signed(number, proof));
        verified.err().map(|error| error.to_string())
    }

    /// The digest of a pack whose device was given this symmetric credential in the same write. A plain
    /// key is erased by then, but no plain key travels beside a pass phrase.
    fn digest_with(&self, pack: &Pack, beside: &Apparatus, evidence: &Evidence) -> Option<[u8; 32]> {
        let key = match &pack.key {
            Key::Plain(_) => return None,
            Key::Sealed { ciphertext, .. } => line::Key::Sealed(ciphertext.as_ref()?),
            Key::Own => line::Key::Own,
        };
        Some(line::pack_digest(&line::Pack {
            device_number: pack.number.clone(),
            certificate: Some(line::CertificatePart {
                root: self.trust.root().der(),
                issuing: evidence.issuing.get(&pack.issuing_ca)?,
                client: &pack.certificate,
                key,
            }),
            symmetric: Some(symmetric_part(beside)),
        }))
    }

    /// Why the device's word does not show that it holds this pass phrase. A void credential has none
    /// any more, and is refused for that.
    fn confirmation_fault(
        &self,
        apparatus: &Apparatus,
        number: &DeviceNumber,
        chip: &HardwareUid,
        confirmation: &Bytes,
    ) -> Result<Option<String>, AuthorityError> {
        if apparatus.sealed_pass_phrase.is_none() {
            return Ok(None);
        }
        let pass_phrase = self.pass_phrase(apparatus)?;
        let expected = authority_confirmation(&pass_phrase, apparatus.id, number, chip, &apparatus.challenge);
        let holds =
            confirmation.0.as_slice().try_into().is_ok_and(|said| Confirmation::new(said) == expected);
        let fault = || "the device's word is not that of a device that holds the pass phrase".to_owned();
        Ok((!holds).then(fault))
    }
}
