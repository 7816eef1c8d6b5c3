//! Which CAs of devices members trust, as each said last.

use std::collections::BTreeMap;

use identity::Member;

use super::ca::IssuingCaName;
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// What a member said last.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MemberTrust {
    /// When.
    pub heard: i64,
    /// The CAs that it trusts, in their order.
    pub issuing: Vec<IssuingCaName>,
}

/// What this member said last; none where it never said anything.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, member: &Member) -> Result<Option<MemberTrust>, StoreError> {
    let member = member.to_string();
    let heard: Option<(i64,)> =
        fetch_optional!(snapshot, "SELECT heard FROM member_heard WHERE member = $1", member.as_str())?;
    let Some((heard,)) = heard else { return Ok(None) };
    let rows: Vec<(String,)> =
        fetch_all!(snapshot, "SELECT issuing_ca FROM member_trust WHERE member = $1", member.as_str())?;
    let names = rows.iter().map(|(name,)| parsed("member_trust.issuing_ca", name));
    let mut issuing: Vec<IssuingCaName> = names.collect::<Result<_, _>>()?;
    issuing.sort_unstable();
    Ok(Some(MemberTrust { heard, issuing }))
}

/// What all members said last.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<BTreeMap<Member, MemberTrust>, StoreError> {
    let heard: Vec<(String, i64)> = fetch_all!(snapshot, "SELECT member, heard FROM member_heard")?;
    let mut all = BTreeMap::new();
    for (member, heard) in heard {
        let member: Member = parsed("member_heard.member", &member)?;
        all.insert(member, MemberTrust { heard, issuing: Vec::new() });
    }
    let rows: Vec<(String, String)> = fetch_all!(snapshot, "SELECT member, issuing_ca FROM member_trust")?;
    for (member, name) in rows {
        let member: Member = parsed("member_trust.member", &member)?;
        all.entry(member).or_default().issuing.push(parsed("member_trust.issuing_ca", &name)?);
    }
    all.values_mut().for_each(|said| said.issuing.sort_unstable());
    Ok(all)
}

/// Notes what a member said.
///
/// # Errors
/// The store fails.
pub async fn set(
    transaction: &mut Transaction,
    member: &Member,
    said: &MemberTrust,
) -> Result<(), StoreError> {
    let member = member.to_string();
    execute!(
        transaction,
        "INSERT INTO member_heard (member, heard) VALUES ($1, $2) \
         ON CONFLICT (member) DO UPDATE SET heard = excluded.heard",
        member.as_str(),
        said.heard,
    )?;
    execute!(transaction, "DELETE FROM member_trust WHERE member = $1", member.as_str())?;
    for name in &said.issuing {
        execute!(
            transaction,
            "INSERT INTO member_trust (member, issuing_ca) VALUES ($1, $2)",
            member.as_str(),
            name.to_string(),
        )?;
    }
    Ok(())
}
