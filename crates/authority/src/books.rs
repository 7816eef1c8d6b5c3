//! What is known of credentials and devices while something is decided about them, and what changes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use identity::profile::SymmetricForm;
use identity::{
    ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid, KeyIdentifier, Member, MemberName,
    Transition,
};
use message::problem::{Problem, ProblemCode};
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::authority::allotment::{self, Range};
use store::authority::apparatus::{self, Apparatus, Holder};
use store::authority::change::Change;
use store::authority::credential::{self, Credential};
use store::authority::device::{self, Device};
use store::authority::registration;
use store::authority::{dispute, pack};
use store::{Snapshot, StoreError, Transaction};

use crate::error::AuthorityError;

pub(crate) struct Books {
    pub(crate) factory: MemberName,
    pub(crate) certificates: HashMap<DeviceNumber, Credential>,
    pub(crate) apparatuses: HashMap<ApparatusId, Apparatus>,
    /// The chip of each device that has proved itself.
    pub(crate) registered: HashMap<DeviceNumber, HardwareUid>,
    /// The device of each chip that a credential is in use on.
    pub(crate) in_use: HashMap<HardwareUid, DeviceNumber>,
    /// The symmetric credential in use of each device that has one.
    pub(crate) held: HashMap<DeviceNumber, ApparatusId>,
    pub(crate) disputed: HashSet<CredentialId>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) news: News,
}

/// What is to be stored.
#[derive(Default)]
pub(crate) struct News {
    /// Where each credential stood before, and its steps since.
    certificate_changes: BTreeMap<DeviceNumber, Change<DeviceNumber>>,
    apparatus_changes: BTreeMap<ApparatusId, Change<ApparatusId>>,
    pub(crate) devices: Vec<Device>,
    pub(crate) bindings: Vec<(ApparatusId, Holder)>,
    pub(crate) registrations: Vec<(ApparatusId, registration::Event)>,
    pub(crate) disputes: Vec<Dispute>,
    disputed: Vec<CredentialId>,
    pub(crate) reasons: Vec<(CredentialId, String)>,
    pub(crate) digests: Vec<(DeviceNumber, Vec<u8>)>,
    pub(crate) filed: Vec<DeviceNumber>,
    pub(crate) keys_to_erase: Vec<DeviceNumber>,
    pub(crate) pass_phrases_to_erase: Vec<ApparatusId>,
}

/// Two devices that have proved one symmetric credential.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispute {
    pub(crate) credentials: Vec<CredentialId>,
    pub(crate) devices: [DeviceNumber; 2],
    pub(crate) chips: [HardwareUid; 2],
}

/// What is to be looked up: devices by number and by chip, symmetric credentials by name.
#[derive(Default)]
pub(crate) struct Subjects {
    pub(crate) numbers: Vec<DeviceNumber>,
    pub(crate) ids: Vec<ApparatusId>,
    pub(crate) chips: Vec<HardwareUid>,
}

impl Books {
    pub(crate) async fn open(
        snapshot: &mut Snapshot,
        factory: &MemberName,
        mut subjects: Subjects,
    ) -> Result<Self, StoreError> {
        let Subjects { numbers, ids, chips } = &mut subjects;
        let apparatuses = apparatus::find_all(snapshot, ids).await?;
        numbers.extend(apparatuses.iter().filter_map(|known| Some(known.device.as_ref()?.number.clone())));
        let disputable = numbers.iter().cloned().map(CredentialId::from);
        let disputable: Vec<_> = disputable.chain(ids.iter().copied().map(CredentialId::from)).collect();
        let disputed = dispute::among(snapshot, &disputable).await?;
        let certificates = credential::find_all(snapshot, numbers).await?;
        let registered = device::find_all(snapshot, numbers).await?;
        let held = apparatus::held_by(snapshot, numbers).await?;
        let by_certificate = device::in_use_on(snapshot, chips).await?;
        let by_apparatus = apparatus::in_use_on(snapshot, chips).await?;
        let by_certificate = by_certificate.into_iter().map(|device| (device.hardware_uid, device.number));
        let by_apparatus = by_apparatus.into_iter().map(|(_, device)| (device.hardware_uid, device.number));
        let ranges = match apparatuses.is_empty() {
            true => Vec::new(),
            false => allotment::ranges_of_factory(snapshot, factory).await?,
        };
        Ok(Self {
            factory: factory.clone(),
            certificates: certificates.into_iter().map(|known| (known.number.clone(), known)).collect(),
            apparatuses: apparatuses.into_iter().map(|known| (known.id, known)).collect(),
            registered: registered.into_iter().map(|device| (device.number, device.hardware_uid)).collect(),
            in_use: by_certificate.chain(by_apparatus).collect(),
            held: held.into_iter().map(|(id, device)| (device.number, id)).collect(),
            disputed: disputed.into_iter().collect(),
            ranges,
            news: News::default(),
        })
    }

    /// Takes a certificate these steps further; where it then stands.
    pub(crate) fn step_certificate(
        &mut self,
        number: &DeviceNumber,
        steps: &[Transition],
    ) -> Result<CredentialState, Problem> {
        let known = self.certificates.get_mut(number);
        let known = known.ok_or_else(|| not_issued(number.clone(), &self.factory))?;
        step(&mut known.state, number, steps, &mut self.news.certificate_changes)
    }

    /// Takes a symmetric credential these steps further; where it then stands.
    pub(crate) fn step_apparatus(
        &mut self,
        id: ApparatusId,
        steps: &[Transition],
    ) -> Result<CredentialState, Problem> {
        let known = self.apparatuses.get_mut(&id).ok_or_else(|| not_issued(id, &self.factory))?;
        step(&mut known.state, &id, steps, &mut self.news.apparatus_changes)
    }

    /// Refuses a device that cannot be the one of this number: another is, or the chip is another's.
    pub(crate) fn check_device(&self, device: &Holder) -> Result<(), Problem> {
        let Holder { number, hardware_uid } = device;
        if let Some(other) = self.in_use.get(hardware_uid).filter(|other| *other != number) {
            let detail = format!("the device with this chip is {other}");
            return Err(Problem::new(ProblemCode::DeviceHoldsAnother, detail));
        }
        let is_live = self.held.contains_key(number)
            || self.certificates.get(number).is_some_and(|known| known.state == CredentialState::Verified);
        if is_live && self.registered.get(number).is_some_and(|registered| registered != hardware_uid) {
            return Err(Problem::new(ProblemCode::SecondDevice, format!("{number} is another device")));
        }
        Ok(())
    }

    /// Notes that nobody can say any more which device is the true one.
    pub(crate) fn dispute(&mut self, credentials: &[CredentialId]) {
        self.disputed.extend(credentials.iter().cloned());
        self.news.disputed.extend(credentials.iter().cloned());
    }

    /// Refuses what two devices have claimed.
    pub(crate) fn check_undisputed(&self, credential: &CredentialId) -> Result<(), Problem> {
        if self.disputed.contains(credential) {
            let detail = format!("more than one device may hold {credential}: it stays suspect");
            return Err(Problem::new(ProblemCode::SecondDevice, detail));
        }
        Ok(())
    }

    /// Notes the device as made, where it is not noted yet.
    pub(crate) fn register(&mut self, device: &Holder, station: &MemberName, time: i64) {
        let Holder { number, hardware_uid } = device;
        self.in_use.insert(hardware_uid.clone(), number.clone());
        if self.registered.insert(number.clone(), hardware_uid.clone()).as_ref() != Some(hardware_uid) {
            self.news.devices.push(Device {
                number: number.clone(),
                hardware_uid: hardware_uid.clone(),
                station: station.clone(),
                verified: time,
            });
        }
    }

    pub(crate) async fn store(
        self,
        transaction: &mut Transaction,
        now: i64,
        records: [u64; 2],
    ) -> Result<(), AuthorityError> {
        let News { certificate_changes, apparatus_changes, registrations, .. } = self.news;
        let actor = Actor::member(&Member::gateway(self.factory));
        let cause = |action| Cause { time: now, actor: actor.as_str(), action };
        let detail = Records { records };
        if !certificate_changes.is_empty() {
            let changes: Vec<_> = certificate_changes.into_values().collect();
            credential::apply(transaction, cause("credential.report"), &changes, &detail).await?;
        }
        if !apparatus_changes.is_empty() {
            let changes: Vec<_> = apparatus_changes.into_values().collect();
            apparatus::apply(transaction, cause("apparatus.report"), &changes, &detail).await?;
        }
        for opened in &self.news.disputes {
            audit::append(transaction, now, actor.as_str(), "credential.dispute", opened).await?;
        }
        dispute::open(transaction, now, &self.news.disputed).await?;
        apparatus::bind(transaction, &self.news.bindings).await?;
        device::register(transaction, &self.news.devices).await?;
        device::set_reasons(transaction, &self.news.reasons).await?;
        pack::set_digests(transaction, &self.news.digests).await?;
        pack::erase_plain_keys(transaction, &self.news.filed).await?;
        pack::erase_keys(transaction, &self.news.keys_to_erase).await?;
        apparatus::erase_pass_phrases(transaction, &self.news.pass_phrases_to_erase).await?;
        let registrations = with_keys(transaction, registrations, &self.apparatuses).await?;
        Ok(registration::append(transaction, &registrations).await?)
    }
}

/// The refusal of a credential that this factory has never been given.
pub(crate) fn not_issued(credential: impl Into<CredentialId>, factory: &MemberName) -> Problem {
    let detail = format!("{} was not issued to {factory}", credential.into());
    Problem::new(ProblemCode::NotAllowed, detail)
}

/// The first and last record of the report that an audit entry comes from.
#[derive(Serialize)]
struct Records {
    records: [u64; 2],
}

fn step<Id: Clone + Eq + Hash + Ord + Into<CredentialId>>(
    state: &mut CredentialState,
    id: &Id,
    steps: &[Transition],
    changes: &mut BTreeMap<Id, Change<Id>>,
) -> Result<CredentialState, Problem> {
    let from = *state;
    let to = steps.iter().try_fold(from, |state, transition| state.after(*transition)).map_err(|error| {
        Problem::new(ProblemCode::IllegalState, format!("{}: {error}", id.clone().into()))
    })?;
    if !steps.is_empty() {
        let change = changes.entry(id.clone());
        let change = change.or_insert_with(|| Change { id: id.clone(), from, transitions: Vec::new() });
        change.transitions.extend(steps);
        *state = to;
    }
    Ok(to)
}

/// Puts the pre-write keys that authenticators need in front of the first credential kept under each.
async fn with_keys(
    snapshot: &mut Snapshot,
    registrations: Vec<(ApparatusId, registration::Event)>,
    apparatuses: &HashMap<ApparatusId, Apparatus>,
) -> Result<Vec<(ApparatusId, registration::Event)>, StoreError> {
    let needed: Vec<KeyIdentifier> = registrations
        .iter()
        .filter_map(|(id, event)| kept_under(apparatuses.get(id)?, event).cloned())
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    let mut told: HashSet<_> = registration::told_keys(snapshot, &needed).await?.into_iter().collect();
    let mut with_keys = Vec::with_capacity(registrations.len());
    for (id, event) in registrations {
        if let Some(key) = apparatuses.get(&id).and_then(|known| kept_under(known, &event))
            && told.insert(key.clone())
        {
            with_keys.push((id, registration::Event::PreWriteKey(key.clone())));
        }
        with_keys.push((id, event));
    }
    Ok(with_keys)
}

/// The pre-write key that an authenticator needs to open what this registration brings.
fn kept_under<'a>(apparatus: &'a Apparatus, event: &registration::Event) -> Option<&'a KeyIdentifier> {
    let is_needed = apparatus.form == SymmetricForm::Sealed && *event == registration::Event::Registered;
    apparatus.key_identifier.as_ref().filter(|_| is_needed)
}
