//! The conservation of every credential, and the invariants that stores can show.
//!
//! [`check`] is a pure function over what the stores and the devices hold ([`Books`]); reading them is
//! [`Books::read`]. The numbers are those of docs/invariants.md. To add an invariant: a
//! function here that says what breaks it, and its line in [`check`].

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode};
use serde::{Serialize, Serializer};
use store::authority::allotment::Allotment;
use store::{authority, gateway};

/// How long after its confirmation a credential's key may still stand in the key ring, in seconds.
const ERASURE_SECONDS: i64 = 60;
/// How long after its end a lease may still be open, in seconds: the gateway looks once a minute.
const LEASE_GRACE_SECONDS: i64 = 120;
/// The most violations that are listed one by one.
const VIOLATIONS_LISTED_MAX: usize = 100;

/// All that is checked, as it stood at one moment.
#[derive(Default)]
pub struct Books {
    /// When they were read, in seconds since 1970.
    pub now: i64,
    /// The authority's issue log, where it is at hand.
    pub authority: Option<AuthorityBooks>,
    /// The books of the factories at hand.
    pub gateways: Vec<GatewayBooks>,
    /// The memories of devices at hand.
    pub devices: Vec<DeviceMemory>,
}

/// What an authority knows.
pub struct AuthorityBooks {
    /// Every credential.
    pub lines: Vec<authority::ledger::Line>,
    /// What factories may make.
    pub allotments: Vec<Allotment>,
    /// What is wrong with the audit log, if anything.
    pub audit_fault: Option<String>,
}

/// What a gateway knows.
pub struct GatewayBooks {
    /// Every credential.
    pub lines: Vec<gateway::ledger::Line>,
    /// What is wrong with the audit log, if anything.
    pub audit_fault: Option<String>,
}

/// What one device holds.
pub struct DeviceMemory {
    /// Where it was read.
    pub file: String,
    /// What it says, or why it cannot be read.
    pub content: Result<HeldCredential, String>,
}

/// The credential in a device's memory.
pub struct HeldCredential {
    /// The device's chip.
    pub hardware_uid: HardwareUid,
    /// The number and the SHA-256 of the public key info of its certificate, if it holds one.
    pub credential: Option<(DeviceNumber, Vec<u8>)>,
}

/// What the check found.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Whether every credential is accounted for: I1, I3 and I6 hold, as far as they could be checked.
    pub conserved: bool,
    /// Each invariant that could be checked, and whether it holds.
    pub invariants: BTreeMap<Invariant, bool>,
    /// How many credentials were looked at.
    pub credentials: usize,
    /// How many devices were looked at.
    pub devices: usize,
    /// What breaks an invariant, the first of many.
    pub violations: Vec<Violation>,
}

/// Something that breaks an invariant.
#[derive(Debug, Serialize)]
pub struct Violation {
    /// The invariant.
    pub invariant: Invariant,
    /// What breaks it, in one sentence.
    pub detail: String,
}

/// An invariant by its number in docs/invariants.md; as text, `I3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Invariant(u8);

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("I{}", self.0))
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Checks every invariant that these books can show.
pub fn check(books: &Books) -> Verdict {
    let mut findings = Findings::default();
    let (has_authority, has_gateways) = (books.authority.is_some(), !books.gateways.is_empty());
    if !books.devices.is_empty() {
        findings.add(1, at_most_one_device(books));
        findings.add(13, readable_devices(books));
    }
    if has_authority {
        findings.add(2, at_most_one_live_identity(books));
        findings.add(3, conservation(books));
        findings.add(4, quota(books));
        findings.add(11, uniqueness(books));
        findings.add(12, issue_log(books));
    }
    if has_authority && has_gateways {
        findings.add(6, results(books));
    }
    if has_gateways {
        findings.add(19, liveness(books));
    }
    findings.add(8, forgetting(books));
    findings.add(17, audit(books));
    findings.verdict(books)
}

#[derive(Default)]
struct Findings {
    invariants: BTreeMap<Invariant, bool>,
    violations: Vec<Violation>,
}

impl Findings {
    fn add(&mut self, number: u8, broken: Vec<String>) {
        let invariant = Invariant(number);
        self.invariants.insert(invariant, broken.is_empty());
        let room = VIOLATIONS_LISTED_MAX.saturating_sub(self.violations.len());
        let listed = broken.into_iter().take(room);
        self.violations.extend(listed.map(|detail| Violation { invariant, detail }));
    }

    fn verdict(self, books: &Books) -> Verdict {
        let of_gateways = books.gateways.iter().map(|gateway| gateway.lines.len()).sum();
        Verdict {
            conserved: [1, 3, 6]
                .iter()
                .all(|number| self.invariants.get(&Invariant(*number)) != Some(&false)),
            credentials: books.authority.as_ref().map_or(of_gateways, |authority| authority.lines.len()),
            devices: books.devices.len(),
            invariants: self.invariants,
            violations: self.violations,
        }
    }
}

/// I1: a credential is in one device at most, and in the one that the books name.
fn at_most_one_device(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let mut holders = BTreeMap::new();
    for (uid, number, key) in held(books) {
        if let Some(other) = holders.insert(key, uid) {
            broken.push(format!("{number} is in {uid} and in {other}"));
        }
    }
    let of_devices: BTreeSet<(&HardwareUid, &DeviceNumber)> =
        held(books).map(|(uid, number, _)| (uid, number)).collect();
    for line in gateway_lines(books).filter(|line| line.state == CredentialState::Verified) {
        match &line.hardware_uid {
            Some(uid) if of_devices.contains(&(uid, &line.number)) => {}
            Some(uid) => broken.push(format!("{} is verified in {uid}, which does not hold it", line.number)),
            None => broken.push(format!("{} is verified in no device", line.number)),
        }
    }
    broken
}

/// I2: a number has one live credential at most, and so has a chip.
fn at_most_one_live_identity(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let Some(authority) = &books.authority else { return broken };
    let live = || authority.lines.iter().filter(|line| line.state != CredentialState::Voided);
    let mut numbers = BTreeSet::new();
    let mut chips = BTreeMap::new();
    for line in live() {
        if !numbers.insert(&line.number) {
            broken.push(format!("{} has two live credentials", line.number));
        }
        if let Some(uid) = &line.hardware_uid
            && let Some(other) = chips.insert(uid, &line.number)
        {
            broken.push(format!("{uid} is both {other} and {}", line.number));
        }
    }
    broken
}

/// I3: what was issued is what the states add up to, and authority and factories agree, but for what
/// waits in an outbox or is on its way.
fn conservation(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let Some(authority) = &books.authority else { return broken };
    let mut counts: BTreeMap<(&MemberName, &ProductCode), u64> = BTreeMap::new();
    for line in &authority.lines {
        *counts.entry((&line.factory, line.number.product())).or_default() += 1;
    }
    for Allotment { factory, product, issued, .. } in &authority.allotments {
        let counted = counts.remove(&(factory, product)).unwrap_or_default();
        if counted != *issued {
            broken
                .push(format!("{factory} was issued {issued} of {product}, and {counted} are on the books"));
        }
    }
    broken.extend(counts.keys().map(|(factory, product)| format!("{factory} was never allotted {product}")));
    let known: BTreeMap<&DeviceNumber, &authority::ledger::Line> =
        authority.lines.iter().map(|line| (&line.number, line)).collect();
    for gateway in &books.gateways {
        broken.extend(disagreements(&known, gateway));
    }
    broken
}

/// Where one factory's books and the authority's do not go together.
fn disagreements(
    known: &BTreeMap<&DeviceNumber, &authority::ledger::Line>,
    gateway: &GatewayBooks,
) -> Vec<String> {
    let mut broken = Vec::new();
    let mut factories = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for line in &gateway.lines {
        numbers.insert(&line.number);
        let upstream = known.get(&line.number);
        factories.extend(upstream.map(|upstream| &upstream.factory));
        let upstream = upstream.map(|upstream| upstream.state);
        if !line.is_waiting && !agree(line.state, upstream) {
            let upstream = upstream.map_or("unknown", CredentialState::as_str);
            broken.push(format!(
                "{} is {} at the factory and {upstream} at the authority",
                line.number, line.state
            ));
        }
    }
    for line in known.values().filter(|line| factories.contains(&line.factory)) {
        if !numbers.contains(&line.number) {
            broken.push(format!("{} was issued to {}, which does not know it", line.number, line.factory));
        }
    }
    broken
}

/// Whether a credential may be in these states here and there with no record on its way.
fn agree(at_factory: CredentialState, at_authority: Option<CredentialState>) -> bool {
    use CredentialState::{Abandoned, Intended, Issued, Leased, Stocked, Suspect, Verified, Voided, Written};
    match (at_factory, at_authority) {
        // A reserved number whose pack is on its way, or was not asked for yet.
        (Intended, None | Some(Intended | Issued)) => true,
        (Abandoned, None) => true,
        // Leases are the factory's own business; only their end is reported.
        (Stocked | Leased | Written, Some(Stocked)) => true,
        (Leased, Some(Suspect)) => true,
        (Verified, Some(Verified)) | (Suspect, Some(Suspect)) => true,
        // Withdrawn by the authority; the factory finds out when it next reports.
        (_, Some(Voided)) => true,
        _ => false,
    }
}

/// I4: no factory was issued more than its quota.
fn quota(books: &Books) -> Vec<String> {
    let allotments = books.authority.iter().flat_map(|authority| &authority.allotments);
    allotments
        .filter(|allotment| allotment.issued > allotment.quota)
        .map(|Allotment { factory, product, quota, issued }| {
            format!("{factory} was issued {issued} of {product} with a quota of {quota}")
        })
        .collect()
}

/// I6: what devices proved at the factories is what the authority has on record, but for the outboxes.
fn results(books: &Books) -> Vec<String> {
    let Some(authority) = &books.authority else { return Vec::new() };
    let recorded: BTreeMap<&DeviceNumber, &HardwareUid> = authority
        .lines
        .iter()
        .filter(|line| line.state == CredentialState::Verified)
        .filter_map(|line| Some((&line.number, line.hardware_uid.as_ref()?)))
        .collect();
    let verified =
        |line: &&gateway::ledger::Line| line.state == CredentialState::Verified && !line.is_waiting;
    gateway_lines(books)
        .filter(verified)
        .filter_map(|line| match (recorded.get(&line.number), &line.hardware_uid) {
            (Some(there), Some(here)) if *there == here => None,
            (Some(there), _) => Some(format!("{} is recorded for another device, {there}", line.number)),
            (None, _) => Some(format!("the result of {} is lost", line.number)),
        })
        .collect()
}

/// I8: nobody but the device keeps the key of a confirmed credential.
fn forgetting(books: &Books) -> Vec<String> {
    let at_factories = gateway_lines(books)
        .filter(|line| {
            let confirmed_long_ago = line.completed.is_some_and(|time| time + ERASURE_SECONDS < books.now);
            line.has_key && confirmed_long_ago
        })
        .map(|line| format!("the factory still keeps the key of {}", line.number));
    let at_authority = books.authority.iter().flat_map(|authority| &authority.lines).filter(|line| {
        line.has_secret && !matches!(line.state, CredentialState::Issued | CredentialState::Voided)
    });
    at_factories
        .chain(at_authority.map(|line| format!("the authority still keeps the key of {}", line.number)))
        .collect()
}

/// I11: certificate serials and keys are unique.
fn uniqueness(books: &Books) -> Vec<String> {
    let mut broken = Vec::new();
    let mut serials = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for line in books.authority.iter().flat_map(|authority| &authority.lines) {
        if !serials.insert(&line.certificate_serial) {
            broken.push(format!("{} has another's certificate serial", line.number));
        }
        if !keys.insert(&line.public_key_sha256) {
            broken.push(format!("{} has another's key", line.number));
        }
    }
    broken
}

/// I12: every certificate in the field is in the issue log.
fn issue_log(books: &Books) -> Vec<String> {
    let Some(authority) = &books.authority else { return Vec::new() };
    let mut broken = Vec::new();
    let mut keys = BTreeMap::new();
    for line in &authority.lines {
        keys.insert(&line.public_key_sha256, &line.number);
        if !line.has_certificate && line.state != CredentialState::Intended {
            broken.push(format!("{} is {} and has no certificate", line.number, line.state));
        }
    }
    for (uid, number, key) in held(books) {
        if keys.get(key) != Some(&number) {
            broken.push(format!("{uid} holds a certificate for {number} that was never issued"));
        }
    }
    broken
}

/// I13: every device's memory reads as one credential or none.
fn readable_devices(books: &Books) -> Vec<String> {
    books
        .devices
        .iter()
        .filter_map(|device| Some(format!("{}: {}", device.file, device.content.as_ref().err()?)))
        .collect()
}

/// I17: the audit logs are whole.
fn audit(books: &Books) -> Vec<String> {
    let authority = books.authority.iter().filter_map(|authority| authority.audit_fault.clone());
    let gateways = books.gateways.iter().filter_map(|gateway| gateway.audit_fault.clone());
    authority.chain(gateways).collect()
}

/// I19: nothing stays leased longer than its lease.
fn liveness(books: &Books) -> Vec<String> {
    gateway_lines(books)
        .filter(|line| line.state == CredentialState::Leased)
        .filter(|line| line.expires.is_none_or(|expires| expires + LEASE_GRACE_SECONDS < books.now))
        .map(|line| format!("the lease of {} ran out", line.number))
        .collect()
}

fn gateway_lines(books: &Books) -> impl Iterator<Item = &gateway::ledger::Line> {
    books.gateways.iter().flat_map(|gateway| &gateway.lines)
}

/// Each credential in a device: chip, number, SHA-256 of the public key info.
fn held(books: &Books) -> impl Iterator<Item = (&HardwareUid, &DeviceNumber, &Vec<u8>)> {
    books.devices.iter().filter_map(|device| {
        let held = device.content.as_ref().ok()?;
        let (number, key) = held.credential.as_ref()?;
        Some((&held.hardware_uid, number, key))
    })
}
