//! What hangs on a CA of devices, before it stops signing or is retired.

use std::collections::BTreeMap;

use cert::Certificate;
use identity::{CredentialState, Member, MemberName, ProductCode, Role};
use pki::NO_EXPIRY;
use serde::Serialize;
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::{self, IssuingCa, IssuingCaState, Living};
use store::authority::{member, member_trust};
use store::{Snapshot, StoreError};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::rollover::known;

/// A member that was heard this lately can be reached.
const REACHABLE_SECONDS: i64 = 300;
/// How many certificates are read at once.
const PAGE: u32 = 1_000;

/// What hangs on one CA of devices.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// The CA.
    pub ca: IssuingCaName,
    /// Where it stands.
    pub state: IssuingCaState,
    /// Its last second, in seconds since 1970; none where it does not end.
    pub ends: Option<i64>,
    /// How many certificates that it signed still count: not void, and not past their end.
    pub living: u64,
    /// How many are not void and past their end.
    pub expired: u64,
    /// The living ones by product.
    pub products: Vec<ProductImpact>,
    /// How many of them are in packs that no device has yet, by factory.
    pub stock: BTreeMap<MemberName, u64>,
    /// How many devices have no certificate of another CA.
    pub not_renewed: u64,
    /// How many would be valid for longer than the CA itself, and are not.
    pub outlive: u64,
    /// Every member that meets devices or their certificates.
    pub members: Vec<MemberStanding>,
    /// What is still to be published for strangers.
    pub duties: Duties,
}

/// The living certificates of one product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductImpact {
    /// The product.
    pub product: ProductCode,
    /// How many are in each state.
    pub states: BTreeMap<CredentialState, u64>,
    /// How many devices have no certificate of another CA.
    pub not_renewed: u64,
}

/// Which CAs of devices a member trusts, as it said last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStanding {
    /// The member.
    pub member: Member,
    /// When it said so; a station through its gateway.
    pub heard: Option<i64>,
    /// Whether that was a moment ago.
    pub is_reachable: bool,
    /// What it trusts.
    pub trusts: Vec<IssuingCaName>,
    /// What it is to trust and does not yet.
    pub lacks: Vec<IssuingCaName>,
    /// What is retired and what it still trusts.
    pub still_trusts: Vec<IssuingCaName>,
}

/// CRLs and OCSP answers that go on whether the CA signs certificates or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Duties {
    /// Whether there are CRLs: certificates say where.
    pub crls: bool,
    /// How many certificates they list.
    pub revoked: u64,
    /// Until when; none where the CA does not end.
    pub until: Option<i64>,
}

impl Desk {
    /// What hangs on this CA of devices; by default on the one that signs.
    ///
    /// # Errors
    /// There is no such CA, or the store fails.
    pub async fn impact(&self, name: Option<IssuingCaName>) -> Result<Impact, AuthorityError> {
        let (now, mut snapshot) = (self.now(), self.store.read().await?);
        let all = issuing_ca::all(&mut snapshot).await?;
        let active = || all.iter().find(|known| known.state == IssuingCaState::Active);
        let ca = match name {
            Some(name) => known(&all, name)?,
            None => active().ok_or(StoreError::Corrupt { what: "issuing_ca.state" })?,
        };
        let ends = Some(end_of(&ca.ca.certificate)?).filter(|ends| *ends != NO_EXPIRY);
        let mut tally = Tally { now, ends: ends.unwrap_or(NO_EXPIRY), ..Tally::default() };
        tally.count_all(&mut snapshot, ca.name).await?;
        Ok(Impact {
            ca: ca.name,
            state: ca.state,
            ends,
            living: tally.living,
            expired: tally.expired,
            not_renewed: tally.products.values().map(|product| product.not_renewed).sum(),
            products: tally.products.into_values().collect(),
            stock: tally.stock,
            outlive: tally.outlive,
            members: standings(&mut snapshot, &all, now).await?,
            duties: Duties {
                crls: self.published.is_some(),
                revoked: issuing_ca::revoked_count(&mut snapshot, ca.name).await?,
                until: ends,
            },
        })
    }
}

/// What is counted while the certificates are read.
#[derive(Default)]
struct Tally {
    now: i64,
    ends: i64,
    living: u64,
    expired: u64,
    outlive: u64,
    products: BTreeMap<ProductCode, ProductImpact>,
    stock: BTreeMap<MemberName, u64>,
}

impl Tally {
    async fn count_all(&mut self, snapshot: &mut Snapshot, name: IssuingCaName) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = issuing_ca::living_first(snapshot, name, last.as_ref(), PAGE).await?;
            page.iter().try_for_each(|living| self.count(living))?;
            match page.into_iter().next_back() {
                Some(living) => last = Some(living.number),
                None => break,
            }
        }
        let mut last = None;
        loop {
            let after = last.as_ref().map(|(number, generation)| (number, *generation));
            let page = issuing_ca::living_successors(snapshot, name, after, PAGE).await?;
            page.iter().try_for_each(|living| self.count(living))?;
            match page.into_iter().next_back() {
                Some(living) => last = Some((living.number, living.generation)),
                None => return Ok(()),
            }
        }
    }

    fn count(&mut self, living: &Living) -> Result<(), StoreError> {
        use CredentialState::{Issued, Leased, Stocked};
        let ends = end_of(&living.certificate)?;
        if ends < self.now {
            self.expired += 1;
            return Ok(());
        }
        self.living += 1;
        self.outlive += u64::from(ends > self.ends);
        let code = living.number.product();
        let product = self.products.entry(code.clone()).or_insert_with(|| ProductImpact {
            product: code.clone(),
            states: BTreeMap::new(),
            not_renewed: 0,
        });
        *product.states.entry(living.state).or_default() += 1;
        // A certificate that followed was made for a device that asked; a first one waits for its device.
        let is_in_stock = living.generation == 1 && matches!(living.state, Issued | Stocked | Leased);
        if is_in_stock {
            *self.stock.entry(living.factory.clone()).or_default() += 1;
        } else if !living.has_other {
            product.not_renewed += 1;
        }
        Ok(())
    }
}

/// Where each member that is to know the CAs of devices stands with them.
pub(crate) async fn standings(
    snapshot: &mut Snapshot,
    all: &[IssuingCa],
    now: i64,
) -> Result<Vec<MemberStanding>, StoreError> {
    let (retired, trusted): (Vec<_>, Vec<_>) = all.iter().partition(|ca| ca.state == IssuingCaState::Retired);
    let mut said = member_trust::all(snapshot).await?;
    let members = member::all_current(snapshot).await?.into_iter().map(|certificate| certificate.member);
    let follows = |member: &Member| !matches!(member.role(), Role::Authority | Role::Service);
    Ok(members
        .filter(follows)
        .map(|member| {
            let said = said.remove(&member);
            let heard = said.as_ref().map(|said| said.heard);
            let trusts = said.map(|said| said.issuing).unwrap_or_default();
            let of = |cas: &[&IssuingCa], is_trusted: bool| {
                let names = cas.iter().map(|ca| ca.name);
                names.filter(|name| trusts.contains(name) == is_trusted).collect()
            };
            MemberStanding {
                heard,
                is_reachable: heard.is_some_and(|heard| now - heard <= REACHABLE_SECONDS),
                lacks: of(&trusted, false),
                still_trusts: of(&retired, true),
                trusts,
                member,
            }
        })
        .collect())
}

fn end_of(certificate: &[u8]) -> Result<i64, StoreError> {
    let parsed = Certificate::parse(certificate);
    Ok(parsed.map_err(|_| StoreError::Corrupt { what: "certificate" })?.not_after())
}
