//! What members are told of the CAs of devices, and what each says of those that it trusts.

use identity::{Member, Role};
use message::bytes::Bytes;
use message::problem::ProblemCode;
use message::trust::{CAS_MAX, STATIONS_MAX, TrustReport, TrustedCas};
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::{self, IssuingCaState};
use store::authority::member;
use store::authority::member_trust::{self, MemberTrust};
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::error::AuthorityError;

/// A member that says the same again is noted this often.
const NOTED_EVERY_SECONDS: i64 = 60;

/// The CAs of devices that members are to trust.
pub(crate) async fn trusted(snapshot: &mut Snapshot) -> Result<TrustedCas, StoreError> {
    let all = issuing_ca::all(snapshot).await?.into_iter();
    let trusted = all.filter(|ca| ca.state != IssuingCaState::Retired);
    Ok(TrustedCas { issuing_certificates: trusted.map(|ca| Bytes(ca.ca.certificate)).collect() })
}

#[derive(Serialize)]
struct Audited<'a> {
    member: &'a Member,
    trusts: &'a [IssuingCaName],
}

impl Authority {
    /// Notes which CAs of devices a member trusts, and its stations where it is a gateway; which ones they
    /// are to trust.
    ///
    /// # Errors
    /// The report is too long, or the store fails.
    pub async fn hear_trust(
        &self,
        member: &Member,
        report: &TrustReport,
    ) -> Result<TrustedCas, AuthorityError> {
        let now = self.desk.now();
        self.look_at_cas().await?;
        let stations = report.stations.iter().filter(|_| member.role() == Role::Gateway);
        let mut said = vec![(member.clone(), self.said(&report.issuing_sha256, now)?)];
        if report.stations.len() > STATIONS_MAX {
            let detail = format!("a report names at most {STATIONS_MAX} stations");
            return Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
        }
        for station in stations {
            let name = Member::station(member.name().clone(), station.station.clone());
            said.push((name, self.said(&station.issuing_sha256, station.heard.min(now))?));
        }
        self.note_trust(said, Actor::member(member)).await?;
        Ok(trusted(&mut self.desk.store.read().await?).await?)
    }

    /// The CAs of ours with these fingerprints. What is not ours was retired before we began, or is nobody's.
    fn said(&self, issuing_sha256: &[Bytes], heard: i64) -> Result<MemberTrust, AuthorityError> {
        if issuing_sha256.len() > CAS_MAX {
            let detail = format!("a report names at most {CAS_MAX} CAs");
            return Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
        }
        let cas = self.cas.load();
        let is_said =
            |sha256: &[u8; 32]| issuing_sha256.iter().any(|said| said.0.as_slice() == sha256.as_slice());
        let known = cas.all().filter(|open| is_said(open.sha256.as_bytes()));
        Ok(MemberTrust { heard, issuing: known.map(|open| open.name).collect() })
    }

    /// Stores what is new in it, and now and then that it was heard again.
    async fn note_trust(&self, said: Vec<(Member, MemberTrust)>, actor: Actor) -> Result<(), AuthorityError> {
        let mut snapshot = self.desk.store.read().await?;
        let mut news = Vec::new();
        for (member, said) in said {
            let before = member_trust::find(&mut snapshot, &member).await?;
            let is_other = before.as_ref().is_none_or(|before| before.issuing != said.issuing);
            let is_due = before.is_none_or(|before| said.heard - before.heard >= NOTED_EVERY_SECONDS);
            if (is_other || is_due) && member::current(&mut snapshot, &member).await?.is_some() {
                news.push((member, said, is_other));
            }
        }
        drop(snapshot);
        if news.is_empty() {
            return Ok(());
        }
        let now = self.desk.now();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    for (member, said, is_other) in news {
                        member_trust::set(transaction, &member, &said).await?;
                        if is_other {
                            let entry = Audited { member: &member, trusts: &said.issuing };
                            audit::append(transaction, now, actor.as_str(), "member.trust", &entry).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}
