//! The figures of an authority, and whether they add up.

use std::collections::BTreeMap;

use identity::{CredentialState, Member, MemberName, ProductCode};
use serde::Serialize;
use store::authority::{allotment, apparatus, credential, member, report, successor};

use crate::desk::Desk;
use crate::error::AuthorityError;

/// How an authority stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityStatus {
    /// The authority.
    pub authority: Member,
    /// Whether every credential ever issued is in exactly one state, for every factory and product.
    pub conserved: bool,
    /// One entry a factory and product.
    pub factories: Vec<FactoryFigures>,
    /// Members whose certificates count.
    pub members: Vec<MemberFigures>,
}

/// How one factory stands with one product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FactoryFigures {
    /// The factory.
    pub factory: MemberName,
    /// The product.
    pub product: ProductCode,
    /// How many credentials of either kind it may be issued in all.
    pub quota: u64,
    /// How many certificates count against the quota.
    pub issued: u64,
    /// How many certificates are in each state; states with none are left out.
    pub states: BTreeMap<CredentialState, u64>,
    /// How many certificates that followed these are in each state; states with none are left out.
    pub successor_states: BTreeMap<CredentialState, u64>,
    /// How many symmetric credentials count against the quota.
    pub apparatuses: u64,
    /// How many symmetric credentials are in each state; states with none are left out.
    pub apparatus_states: BTreeMap<CredentialState, u64>,
}

/// A member and what it reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFigures {
    /// The member.
    pub member: Member,
    /// The serial of its certificate.
    pub certificate_serial: String,
    /// When the certificate was issued.
    pub issued: i64,
    /// How many of its records were taken.
    pub records: u64,
    /// The number of its last record; higher than `records` where some were not taken.
    pub last_record: u64,
}

impl Desk {
    /// The figures of the authority.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self) -> Result<AuthorityStatus, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let mut certificates = by_allotment(credential::counts(&mut snapshot).await?);
        let mut successors = by_allotment(successor::counts(&mut snapshot).await?);
        let mut apparatuses = by_allotment(apparatus::counts(&mut snapshot).await?);
        let mut factories = Vec::new();
        for allotted in allotment::all(&mut snapshot).await? {
            let key = (allotted.factory, allotted.product);
            let states = certificates.remove(&key).unwrap_or_default();
            let successor_states = successors.remove(&key).unwrap_or_default();
            let apparatus_states = apparatuses.remove(&key).unwrap_or_default();
            let (factory, product) = key;
            factories.push(FactoryFigures {
                factory,
                product,
                quota: allotted.quota,
                issued: allotted.issued,
                states,
                successor_states,
                apparatuses: allotted.apparatuses,
                apparatus_states,
            });
        }
        let reported = report::progress(&mut snapshot).await?;
        let members = member::all_current(&mut snapshot).await?.into_iter().map(|certificate| {
            let is_its = |progress: &&report::Progress| {
                certificate.member == Member::gateway(progress.gateway.clone())
            };
            let progress = reported.iter().find(is_its);
            MemberFigures {
                records: progress.map_or(0, |progress| progress.taken),
                last_record: progress.map_or(0, |progress| progress.last),
                member: certificate.member,
                certificate_serial: certificate.serial,
                issued: certificate.issued,
            }
        });
        Ok(AuthorityStatus {
            authority: self.member.clone(),
            // What no allotment covers would be left over.
            conserved: certificates.is_empty()
                && successors.is_empty()
                && apparatuses.is_empty()
                && factories.iter().all(FactoryFigures::is_conserved),
            factories,
            members: members.collect(),
        })
    }
}

impl FactoryFigures {
    /// Whether the states add up to what was issued.
    fn is_conserved(&self) -> bool {
        self.states.values().sum::<u64>() == self.issued
            && self.apparatus_states.values().sum::<u64>() == self.apparatuses
    }
}

type States = BTreeMap<CredentialState, u64>;

fn by_allotment(
    counts: Vec<(MemberName, ProductCode, CredentialState, u64)>,
) -> BTreeMap<(MemberName, ProductCode), States> {
    let mut states: BTreeMap<_, States> = BTreeMap::new();
    for (factory, product, state, count) in counts {
        states.entry((factory, product)).or_default().insert(state, count);
    }
    states
}
