//! Judging what devices say of themselves, before anything is written.

use std::collections::HashMap;

use auth::{Confirmation, authority_confirmation};
use cert::{Fingerprint, possession};
use identity::{ApparatusId, CredentialId, DeviceNumber, HardwareUid, line};
use message::bytes::Bytes;
use message::report::{Event, Record};
use message::result::Proof;
use store::authority::apparatus::{self, Apparatus};
use store::authority::pack::{self, Key, Pack};
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::error::AuthorityError;

/// A record and what is wrong with its proof, where anything is.
pub(super) struct Judged {
    pub(super) record: Record,
    pub(super) record_sha256: Fingerprint,
    pub(super) proof_fault: Option<String>,
}

/// What proofs are judged by.
pub(super) struct Evidence {
    packs: HashMap<DeviceNumber, Pack>,
    apparatuses: HashMap<ApparatusId, Apparatus>,
}

impl Evidence {
    pub(super) async fn of(snapshot: &mut Snapshot, records: &[Record]) -> Result<Self, StoreError> {
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        for record in records {
            match (&record.credential, &record.event) {
                (CredentialId::Number(number), Event::Verified { proof, .. }) => {
                    numbers.push(number.clone());
                    ids.extend(proof.confirmation.as_ref().map(|confirmation| confirmation.apparatus_id));
                }
                (CredentialId::Apparatus(id), Event::Bound { .. }) => ids.push(*id),
                _ => {}
            }
        }
        let packs = pack::find_all(snapshot, &numbers).await?;
        let apparatuses = apparatus::find_all(snapshot, &ids).await?;
        Ok(Self {
            packs: packs.into_iter().map(|pack| (pack.number.clone(), pack)).collect(),
            apparatuses: apparatuses.into_iter().map(|apparatus| (apparatus.id, apparatus)).collect(),
        })
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
            let proof_fault = match (&record.credential, &record.event) {
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
                _ => None,
            };
            let text = serde_json::to_vec(&record).expect("a record is plain data");
            Ok(Judged { record_sha256: Fingerprint::of(&text), record, proof_fault })
        };
        records.into_iter().map(judge).collect()
    }

    /// Why the proof does not show that a device holds this very pack.
    fn possession_fault(&self, pack: &Pack, proof: &Proof, evidence: &Evidence) -> Option<String> {
        let beside = proof.confirmation.as_ref();
        let beside = beside.and_then(|beside| evidence.apparatuses.get(&beside.apparatus_id));
        let found = proof.pack_digest.0.as_slice();
        let with_beside = beside.and_then(|beside| self.digest_with(pack, beside));
        if found != pack.digest && Some(found) != with_beside.as_ref().map(|digest| digest.as_slice()) {
            return Some("the device read back another pack than was issued".to_owned());
        }
        let proof = possession::Proof {
            device_number: &pack.number,
            hardware_uid: &proof.hardware_uid,
            challenge: &proof.challenge.0,
            pack_digest: &proof.pack_digest.0,
            signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
        };
        possession::verify(&pack.certificate, proof).err().map(|error| error.to_string())
    }

    /// The digest of a pack whose device was given this symmetric credential in the same write. A plain
    /// key is erased by then, but no plain key travels beside a pass phrase.
    fn digest_with(&self, pack: &Pack, beside: &Apparatus) -> Option<[u8; 32]> {
        let key = match &pack.key {
            Key::Plain(_) => return None,
            Key::Sealed { ciphertext, .. } => line::Key::Sealed(ciphertext.as_ref()?),
            Key::Own => line::Key::Own,
        };
        Some(line::pack_digest(&line::Pack {
            device_number: pack.number.clone(),
            certificate: Some(line::CertificatePart {
                root: self.trust.root().der(),
                issuing: self.issuing.certificate(),
                client: &pack.certificate,
                key,
            }),
            symmetric: Some(line::SymmetricPart {
                apparatus_id: beside.id,
                sealed: &beside.ciphertext,
                form: beside.form,
                challenge: beside.challenge,
            }),
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
