//! I3 and I6: every credential is somewhere, and all who know of it agree.

use std::collections::{BTreeMap, BTreeSet};

use identity::profile::CredentialKind;
use identity::{CredentialId, CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode};
use store::authority::allotment::Allotment;
use store::gateway::ledger::Line;

use super::{AuthorityBooks, Books, GatewayBooks, Known, successors};

/// I3: what was issued is what the states add up to, and authority and factories agree, but for what
/// waits in an outbox or is on its way.
pub(super) fn conservation(books: &Books) -> Vec<String> {
    let Some(authority) = &books.authority else { return Vec::new() };
    let mut broken = miscounted(authority);
    broken.extend(successors::accounted_for(books));
    let known: BTreeMap<CredentialId, Known<'_>> =
        authority.known().map(|known| (known.id.clone(), known)).collect();
    for gateway in &books.gateways {
        broken.extend(disagreements(&known, authority, gateway));
        broken.extend(unknown_here(&known, gateway));
    }
    broken
}

/// I6: what devices proved at the factories is what the authority has on record, but for the outboxes.
pub(super) fn results(books: &Books) -> Vec<String> {
    let Some(authority) = &books.authority else { return Vec::new() };
    // What was withdrawn, or succeeded, is on record no more with the device that had proved it first.
    let voided = authority.certificates.iter().filter(|line| line.state == CredentialState::Voided);
    let withdrawn: BTreeSet<&DeviceNumber> = voided.map(|line| &line.number).collect();
    let recorded: BTreeMap<CredentialId, (&DeviceNumber, &HardwareUid)> = authority
        .known()
        .filter(|known| is_proved(known, authority))
        .filter_map(|known| Some((known.id, known.device?)))
        .collect();
    let moved = successors::moved(books);
    let is_withdrawn = |credential: &CredentialId| match credential {
        CredentialId::Number(number) => withdrawn.contains(number) || moved.contains(number),
        CredentialId::Apparatus(_) => false,
    };
    let verified = |line: &&Line| {
        line.state == CredentialState::Verified && !line.is_waiting && !is_withdrawn(&line.credential)
    };
    books
        .gateway_lines()
        .filter(verified)
        .filter_map(|line| {
            let here = line.device_number.as_ref().zip(line.hardware_uid.as_ref());
            match recorded.get(&line.credential) {
                Some(there) if here == Some(*there) => None,
                Some((number, uid)) => {
                    Some(format!("{} is recorded for another device, {number} in {uid}", line.credential))
                }
                None => Some(format!("the result of {} is lost", line.credential)),
            }
        })
        .collect()
}

/// Whether a device has proved it to the authority, perhaps more than one.
fn is_proved(known: &Known<'_>, authority: &AuthorityBooks) -> bool {
    known.state == CredentialState::Verified || is_disputed(known.state, &known.id, authority)
}

fn is_disputed(state: CredentialState, id: &CredentialId, authority: &AuthorityBooks) -> bool {
    state == CredentialState::Suspect && authority.disputed.contains(id)
}

/// Where the counts of what factories were issued are not what is on the books.
fn miscounted(authority: &AuthorityBooks) -> Vec<String> {
    let mut broken = Vec::new();
    let mut counts: BTreeMap<(&MemberName, &ProductCode, CredentialKind), u64> = BTreeMap::new();
    for known in authority.known() {
        *counts.entry((known.factory, known.product, known.id.kind())).or_default() += 1;
    }
    for Allotment { factory, product, issued, apparatuses, .. } in &authority.allotments {
        for (kind, issued) in
            [(CredentialKind::Certificate, issued), (CredentialKind::Symmetric, apparatuses)]
        {
            let counted = counts.remove(&(factory, product, kind)).unwrap_or_default();
            if counted != *issued {
                broken.push(format!(
                    "{factory} was issued {issued} of {product} ({kind}), and {counted} are on the books"
                ));
            }
        }
    }
    broken.extend(
        counts
            .keys()
            .map(|(factory, product, kind)| format!("{factory} was never allotted {product} ({kind})")),
    );
    broken
}

/// Where one factory and the authority do not say the same of a credential.
fn disagreements(
    known: &BTreeMap<CredentialId, Known<'_>>,
    authority: &AuthorityBooks,
    gateway: &GatewayBooks,
) -> Vec<String> {
    let disagree = |line: &&Line| {
        let upstream = known.get(&line.credential).map(|known| known.state);
        let is_disputed = upstream.is_some_and(|state| is_disputed(state, &line.credential, authority));
        !line.is_waiting && !is_disputed && !agree(line.state, upstream)
    };
    let sentence = |line: &Line| {
        let upstream = known.get(&line.credential).map_or("unknown", |known| known.state.as_str());
        format!("{} is {} at the factory and {upstream} at the authority", line.credential, line.state)
    };
    gateway.lines.iter().filter(disagree).map(sentence).collect()
}

/// Whether a credential may be in these states here and there with no record on its way.
fn agree(at_factory: CredentialState, at_authority: Option<CredentialState>) -> bool {
    use CredentialState::{Abandoned, Intended, Issued, Leased, Stocked, Suspect, Verified, Voided, Written};
    match (at_factory, at_authority) {
        // A reserved number whose pack is on its way, or was not asked for yet. What is made on the spot
        // counts as leased from the start.
        (Intended, None | Some(Intended | Issued | Leased)) => true,
        (Abandoned, None) => true,
        // Leases are the factory's own business; only their end is reported.
        (Stocked | Leased | Written, Some(Stocked)) => true,
        (Leased, Some(Leased | Suspect)) => true,
        (Verified, Some(Verified)) | (Suspect, Some(Suspect)) => true,
        // Withdrawn by the authority; the factory finds out when it next reports.
        (_, Some(Voided)) => true,
        _ => false,
    }
}

/// Credentials that were issued to this factory, and that it neither knows nor waits for.
fn unknown_here(known: &BTreeMap<CredentialId, Known<'_>>, gateway: &GatewayBooks) -> Vec<String> {
    let here: BTreeSet<&CredentialId> = gateway.lines.iter().map(|line| &line.credential).collect();
    let factories: BTreeSet<&MemberName> =
        here.iter().filter_map(|id| known.get(id)).map(|known| known.factory).collect();
    let missing =
        known.values().filter(|known| factories.contains(known.factory) && !here.contains(&known.id));
    let mut left = gateway.ordered.clone();
    let mut is_on_its_way = |known: &Known<'_>| {
        let for_device = match &known.id {
            CredentialId::Number(number) => Some(number),
            CredentialId::Apparatus(_) => known.device.map(|(number, _)| number),
        };
        match (known.state, for_device) {
            (CredentialState::Leased, Some(number)) => gateway.ordered_for.contains(number),
            (CredentialState::Issued, None) => {
                let left = left.entry(known.product.clone()).or_default();
                let is_ordered = *left > 0;
                *left -= u64::from(is_ordered);
                is_ordered
            }
            _ => false,
        }
    };
    missing
        .filter(|known| !is_on_its_way(known))
        .map(|known| format!("{} was issued to {}, which does not know it", known.id, known.factory))
        .collect()
}
