//! The conservation of every credential, and the invariants that stores can show.
//!
//! [`check`] is a pure function over what the stores and the devices hold ([`Books`]); reading them is
//! [`Books::read`]. The numbers are those of docs/invariants.md. To add an invariant: a function in
//! `invariants` that says what breaks it, and its line in [`check`].

mod conservation;
mod invariants;
mod read;
mod successors;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use center::invoice::InvoiceError;
use identity::{
    ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode,
};
use serde::{Serialize, Serializer};
use store::authority::allotment::Allotment;
use store::authority::ca::IssuingCaName;
use store::authority::issuing_ca::IssuingCaState;
use store::authority::successor::Successor;
use store::{authority, gateway};

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
    /// The books of the center at hand.
    pub center: Option<CenterBooks>,
    /// The memories of devices at hand.
    pub devices: Vec<DeviceMemory>,
}

/// What a center's journal and books say of each other.
pub struct CenterBooks {
    /// How many entries the journal has, or the first thing that is wrong with it or with the books.
    pub recount: Result<u64, InvoiceError>,
    /// What is wrong with the audit log, if anything.
    pub audit_fault: Option<String>,
}

/// What an authority knows.
pub struct AuthorityBooks {
    /// The CAs of devices, and where each stands.
    pub issuing_cas: Vec<(IssuingCaName, IssuingCaState)>,
    /// Every certificate.
    pub certificates: Vec<authority::ledger::Line>,
    /// Every certificate that follows another.
    pub successors: Vec<Successor>,
    /// Every symmetric credential.
    pub apparatuses: Vec<authority::ledger::ApparatusLine>,
    /// Credentials that two devices have claimed.
    pub disputed: BTreeSet<CredentialId>,
    /// What factories may make.
    pub allotments: Vec<Allotment>,
    /// What is wrong with the audit log, if anything.
    pub audit_fault: Option<String>,
}

/// What a gateway knows.
pub struct GatewayBooks {
    /// Every credential.
    pub lines: Vec<gateway::ledger::Line>,
    /// How many symmetric credentials of each product it has asked for that have not arrived.
    pub ordered: BTreeMap<ProductCode, u64>,
    /// For which devices it has asked for packs that have not arrived.
    pub ordered_for: BTreeSet<DeviceNumber>,
    /// What is wrong with the audit log, if anything.
    pub audit_fault: Option<String>,
}

/// What one device holds.
pub struct DeviceMemory {
    /// Where it was read.
    pub file: String,
    /// What it says, or why it cannot be read.
    pub content: Result<HeldCredentials, String>,
}

/// What is in a device's memory.
pub struct HeldCredentials {
    /// The device's chip.
    pub hardware_uid: HardwareUid,
    /// Its number, if it has one.
    pub device_number: Option<DeviceNumber>,
    /// SHA-256 of the public key info of its certificate, if it holds one.
    pub public_key_sha256: Option<Vec<u8>>,
    /// Its symmetric credential, if it holds one.
    pub apparatus_id: Option<ApparatusId>,
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
    /// How many certificates that follow others are in each state, abandoned ones too; states with none are
    /// left out.
    pub successors: BTreeMap<CredentialState, usize>,
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
        findings.add(1, invariants::at_most_one_device(books));
        findings.add(13, invariants::readable_devices(books));
    }
    if has_authority {
        findings.add(3, conservation::conservation(books));
        findings.add(4, invariants::quota(books));
        findings.add(12, invariants::issue_log(books));
    }
    if has_authority && has_gateways {
        findings.add(6, conservation::results(books));
    }
    if has_gateways {
        findings.add(19, invariants::liveness(books));
    }
    if let Some(center) = &books.center {
        for number in [14, 15, 16] {
            if let Some(broken) = invariants::recount(center, number) {
                findings.add(number, broken);
            }
        }
    }
    findings.add(2, invariants::at_most_one_live_identity(books));
    findings.add(8, invariants::forgetting(books));
    findings.add(11, invariants::uniqueness(books));
    findings.add(17, invariants::audit(books));
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
        let of_gateways = || books.gateways.iter().map(|gateway| gateway.lines.len()).sum();
        let of_authority =
            |authority: &AuthorityBooks| authority.certificates.len() + authority.apparatuses.len();
        Verdict {
            conserved: [1, 3, 6]
                .iter()
                .all(|number| self.invariants.get(&Invariant(*number)) != Some(&false)),
            credentials: books.authority.as_ref().map_or_else(of_gateways, of_authority),
            successors: books.successors_by_state(),
            devices: books.devices.len(),
            invariants: self.invariants,
            violations: self.violations,
        }
    }
}

/// A credential as the authority knows it, whichever kind it is.
struct Known<'a> {
    id: CredentialId,
    product: &'a ProductCode,
    factory: &'a MemberName,
    state: CredentialState,
    /// The number and the chip of the device it is in or for.
    device: Option<(&'a DeviceNumber, &'a HardwareUid)>,
}

impl AuthorityBooks {
    fn known(&self) -> impl Iterator<Item = Known<'_>> {
        let certificates = self.certificates.iter().map(|line| Known {
            id: line.number.clone().into(),
            product: line.number.product(),
            factory: &line.factory,
            state: line.state,
            device: line.hardware_uid.as_ref().map(|uid| (&line.number, uid)),
        });
        let apparatuses = self.apparatuses.iter().map(|line| Known {
            id: line.id.into(),
            product: &line.product,
            factory: &line.factory,
            state: line.state,
            device: line.device.as_ref().map(|(number, uid)| (number, uid)),
        });
        certificates.chain(apparatuses)
    }
}

impl Books {
    fn successors_by_state(&self) -> BTreeMap<CredentialState, usize> {
        let mut states = BTreeMap::new();
        for successor in self.authority.iter().flat_map(|authority| &authority.successors) {
            *states.entry(successor.state).or_default() += 1;
        }
        states
    }

    fn gateway_lines(&self) -> impl Iterator<Item = &gateway::ledger::Line> {
        self.gateways.iter().flat_map(|gateway| &gateway.lines)
    }

    /// The devices whose memory reads.
    fn readable(&self) -> impl Iterator<Item = &HeldCredentials> {
        self.devices.iter().filter_map(|device| device.content.as_ref().ok())
    }
}
