//! A call: whether it is new, and what it means.
//!
//! The answer goes out only once the call is in the journal; a
//! call that is there already gets the answer that it got before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use cert::DeviceIdentity;
use identity::{DeviceNumber, Member};
use message::call::{
    COUNTERS_MAX, Call, CallAnswer, Command, Counter, Event, MANAGED_MAX, Nonce, Outcome, REQUESTS_MAX,
    Request,
};
use message::soap::Envelope;
use store::center::counter;
use store::center::device::Standing;
use store::center::incident;
use store::center::journal::{self, Answered, CallNumber, Kind, NewEntry};
use store::center::managed::Approval;
use store::center::quarantine;
use store::center::reading::{self, Reading, Settled, Verdict};
use store::center::request;
use store::{StoreError, Transaction};

use crate::admission::{Admitted, admit, quarantined};
use crate::center::Center;
use crate::chain;
use crate::desk::{self, Asked};
use crate::error::CenterError;
use crate::incident::{Incident, IncidentKind};
use crate::management;
use crate::meter::Meter;
use crate::quarantine::begin;
use crate::renewal;
use crate::rollout;

/// How many counters a device has at most, over all its calls.
const COUNTERS_OF_DEVICE_MAX: usize = 64;

/// How a call is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Json,
    Soap,
}

impl Center {
    /// Takes a call that a device made, byte for byte as it came. The answer, once the call is stored for good.
    ///
    /// A device that is not known, or not by this key, may be news that the authority has by now: a device
    /// that was just made, or has just renewed its certificate, is not refused for calling early.
    ///
    /// # Errors
    /// It is no call, it is refused, or the store fails.
    pub(crate) async fn take(
        &self,
        sender: DeviceIdentity,
        form: Form,
        raw: Vec<u8>,
        address: Option<SocketAddr>,
    ) -> Result<CallAnswer, CenterError> {
        if !self.is_tended() {
            return self.take_now(sender, form, raw, address, |_| true).await;
        }
        let is_settled = |kind: IncidentKind| !kind.may_be_news();
        match self.take_now(sender.clone(), form, raw.clone(), address, is_settled).await {
            Err(CenterError::Refused { kind, .. }) if kind.may_be_news() => {
                self.hear_news().await;
                self.take_now(sender, form, raw, address, |_| true).await
            }
            taken => taken,
        }
    }

    /// Takes a call by what the register says now. What is refused is filed where it `is_settled`.
    async fn take_now(
        &self,
        sender: DeviceIdentity,
        form: Form,
        raw: Vec<u8>,
        address: Option<SocketAddr>,
        is_settled: impl Fn(IncidentKind) -> bool + Send + 'static,
    ) -> Result<CallAnswer, CenterError> {
        let call = parse(form.kind(), &raw).map_err(CenterError::Malformed)?;
        let mut nonce = [0; Nonce::BYTES];
        self.random.fill(&mut nonce);
        let entry = NewEntry {
            time: self.desk.now(),
            kind: form.kind(),
            device: call.device_number.clone(),
            number: Some(number_of(&call)),
            through: None,
            raw,
        };
        let address = address.map(|address| address.to_string());
        let arrived = Arc::new(Arrived { sender, call, entry, nonce: Nonce::new(nonce), address });
        if let Some(answer) = self.together.take(&arrived).await {
            return Ok(answer);
        }
        let (center, arrived) = (self.member.clone(), Arc::unwrap_or_clone(arrived));
        let taken: Result<Result<CallAnswer, Incident>, StoreError> = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let (device, now) = (arrived.sender.number.clone(), arrived.entry.time);
                    let taken = take(transaction, &center, arrived).await?;
                    if let Err(Incident { kind, detail }) = &taken
                        && is_settled(*kind)
                    {
                        incident::note(transaction, &device, kind.as_str(), detail, now).await?;
                    }
                    Ok(taken)
                })
            })
            .await;
        taken?.map_err(|Incident { kind, detail }| CenterError::Refused { kind, detail })
    }
}

impl Form {
    fn kind(self) -> Kind {
        match self {
            Self::Json => Kind::JsonCall,
            Self::Soap => Kind::SoapCall,
        }
    }
}

/// Reads a call as it lies in the journal, or says why it is none.
pub(crate) fn parse(kind: Kind, raw: &[u8]) -> Result<Call, String> {
    let call: Call = match kind {
        Kind::JsonCall => serde_json::from_slice(raw).map_err(|error| error.to_string())?,
        Kind::SoapCall => Envelope::parse(raw)
            .and_then(|envelope| envelope.message())
            .map_err(|fault| fault.problem().detail.clone())?,
        Kind::Request
        | Kind::Release
        | Kind::Fork
        | Kind::Readmission
        | Kind::Management
        | Kind::NewBoard => {
            return Err("this is no call".to_owned());
        }
    };
    if call.results.len() > REQUESTS_MAX {
        return Err(format!("a call has at most {REQUESTS_MAX} results"));
    }
    if let Event::Counter { counters } = &call.event {
        let names: BTreeSet<&str> = counters.iter().map(|counter| counter.name.as_str()).collect();
        if names.len() != counters.len() || !(1..=COUNTERS_MAX).contains(&names.len()) {
            return Err(format!("a counter notification has 1 to {COUNTERS_MAX} counters, each once"));
        }
    }
    if let Event::Manage { devices } = &call.event {
        let once: BTreeSet<&DeviceNumber> = devices.iter().collect();
        if once.len() != devices.len() || !(1..=MANAGED_MAX).contains(&once.len()) {
            return Err(format!("a call registers 1 to {MANAGED_MAX} devices, each once"));
        }
        if call.on_behalf_of.is_some() {
            return Err("a device registers for itself alone".to_owned());
        }
    }
    Ok(call)
}

pub(crate) fn number_of(call: &Call) -> CallNumber {
    CallNumber { boot: call.boot.get(), sequence: call.sequence.get() }
}

/// A call as it came in.
#[derive(Clone)]
pub(crate) struct Arrived {
    /// Who the session says that it is from.
    pub(crate) sender: DeviceIdentity,
    pub(crate) call: Call,
    pub(crate) entry: NewEntry,
    /// The nonce of its answer, if it gets one of its own.
    pub(crate) nonce: Nonce,
    /// Where it came from.
    pub(crate) address: Option<String>,
}

async fn take(
    transaction: &mut Transaction,
    center: &Member,
    arrived: Arrived,
) -> Result<Result<CallAnswer, Incident>, StoreError> {
    let Arrived { sender, call, mut entry, nonce, address } = arrived;
    let call = &call;
    let Admitted { caller, about, through } = match admit(transaction, &sender, call).await? {
        Ok(admitted) => admitted,
        Err(incident) => return Ok(Err(incident)),
    };
    entry.through = through;
    let place = place(transaction, &caller, &entry, call).await?;
    if caller.is_quarantined {
        let is_following = place.is_in_line(call, &caller);
        quarantine::note_refused(transaction, &entry.device, is_following, entry.time).await?;
        return Ok(Err(quarantined(&entry.device)));
    }
    match place {
        Place::Next => {}
        Place::Repeated(answer) => return Ok(Ok(answer)),
        Place::Fork => {
            begin(transaction, center, &caller, &entry, call, address).await?;
            let detail = format!("{} does not follow the last answer", named(&entry));
            return Ok(Err(Incident::new(IncidentKind::Fork, detail)));
        }
        Place::Refused(incident) => return Ok(Err(incident)),
    }
    let (subject, standing) =
        about.as_ref().map_or((&call.device_number, &caller), |(device, standing)| (device, standing));
    let approval = match check(transaction, call, standing).await? {
        Ok(approval) => approval,
        Err(incident) => return Ok(Err(incident)),
    };
    entry.time = caller.journal.next_time(entry.time);
    let about_sender = (*subject == sender.number).then_some(&sender);
    let subject = Subject { device: subject, standing, session: about_sender };
    let (answer, asked) = make_of(transaction, entry.time, call, subject, nonce, center).await?;
    let text = serde_json::to_string(&answer).expect("an answer is plain data");
    let answered = Answered {
        chain: caller.chain,
        answer: &text,
        nonce: nonce.as_bytes(),
        is_chained: call.previous.is_some(),
        about: about.as_ref().map(|(device, _)| device),
        address: address.as_deref(),
    };
    let mut head = journal::append(transaction, &caller.journal, &entry, Some(answered)).await?;
    for asked in &asked {
        let entry = desk::new_entry(&head, entry.time, Kind::Request, subject.device, asked);
        head = journal::append(transaction, &head, &entry, None).await?;
    }
    if let (Event::Manage { devices }, Some(approval)) = (&call.event, approval) {
        management::register(transaction, head, &call.device_number, devices, approval).await?;
    }
    Ok(Ok(answer))
}

/// Whether what the call says may be filed; of devices that it registers, who approves them.
async fn check(
    transaction: &mut Transaction,
    call: &Call,
    standing: &Standing,
) -> Result<Result<Option<Approval>, Incident>, StoreError> {
    match &call.event {
        Event::Manage { devices } => {
            Ok(management::check(transaction, &call.device_number, devices).await?.map(Some))
        }
        _ => Ok(check_counters(call, standing).map(|()| None)),
    }
}

/// Where a call stands among the device's calls.
enum Place {
    /// It comes next.
    Next,
    /// It was taken before, and answered so.
    Repeated(CallAnswer),
    /// It does not follow the last answer.
    Fork,
    /// Its number was used before, or should have been.
    Refused(Incident),
}

impl Place {
    /// Whether the call is one that the memory says which has the last answer, or waits for it.
    fn is_in_line(&self, call: &Call, standing: &Standing) -> bool {
        match self {
            Self::Next | Self::Refused(_) => true,
            Self::Repeated(_) => {
                standing.last_call.as_ref().is_some_and(|last| last.number == number_of(call))
            }
            Self::Fork => false,
        }
    }
}

async fn place(
    transaction: &mut Transaction,
    standing: &Standing,
    entry: &NewEntry,
    call: &Call,
) -> Result<Place, StoreError> {
    let (number, last) = (number_of(call), standing.last_call.as_ref());
    let is_late = last.is_some_and(|last| number <= last.number);
    // What was taken in an earlier chain may still be repeated in the next, but not by a new board.
    let mut taken = if is_late || standing.chain > standing.board_chain {
        journal::find_calls(transaction, &entry.device, number).await?
    } else {
        Vec::new()
    };
    taken.retain(|taken| taken.chain >= standing.board_chain);
    if let Some(same) = taken.iter().find(|taken| taken.raw == entry.raw) {
        let corrupt = |_| StoreError::Corrupt { what: "journal.answer" };
        return serde_json::from_str(&same.answer).map(Place::Repeated).map_err(corrupt);
    }
    if chain::is_fork(last, call.previous.as_ref()) && !names_last_call(transaction, standing, call).await? {
        return Ok(Place::Fork);
    }
    if !is_late {
        return Ok(Place::Next);
    }
    let is_reused = taken.iter().any(|taken| taken.chain == standing.chain);
    Ok(Place::Refused(if is_reused {
        let detail = format!("{} was made before, and said something else", named(entry));
        Incident::new(IncidentKind::ReusedNumber, detail)
    } else {
        let detail = format!("{} comes after a later one", named(entry));
        Incident::new(IncidentKind::OutOfOrder, detail)
    }))
}

/// Whether the call names the last one, whose answer the device had not heard when it made it.
async fn names_last_call(
    transaction: &mut Transaction,
    standing: &Standing,
    call: &Call,
) -> Result<bool, StoreError> {
    let Some(last) = &standing.last_call else { return Ok(false) };
    let found = journal::find(transaction, last.id).await?;
    Ok(found.is_some_and(|(last, _)| call.previous == Some(chain::name_of_call(&last.raw))))
}

/// Whether the device has room for the counters that the call names.
pub(crate) fn check_counters(call: &Call, standing: &Standing) -> Result<(), Incident> {
    let Event::Counter { counters } = &call.event else { return Ok(()) };
    let is_new =
        |counter: &&Counter| standing.counters.iter().all(|known| known.name != counter.name.as_str());
    if standing.counters.len() + counters.iter().filter(is_new).count() <= COUNTERS_OF_DEVICE_MAX {
        return Ok(());
    }
    let detail = format!("{} names more than {COUNTERS_OF_DEVICE_MAX} counters", call.device_number);
    Err(Incident::new(IncidentKind::TooManyCounters, detail))
}

/// A call in words.
fn named(entry: &NewEntry) -> String {
    let CallNumber { boot, sequence } = entry.number.unwrap_or(CallNumber { boot: 0, sequence: 0 });
    format!("call {sequence} of boot {boot} of {}", entry.device)
}

/// The device that a call is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    device: &'a DeviceNumber,
    standing: &'a Standing,
    /// Its session, where it speaks for itself.
    session: Option<&'a DeviceIdentity>,
}

/// Files what a new call means for the device that it is about, and says what it is answered, and what that device
/// is asked by policy and roll-out, as the journal's next entries.
async fn make_of(
    transaction: &mut Transaction,
    time: i64,
    call: &Call,
    subject: Subject<'_>,
    nonce: Nonce,
    center: &Member,
) -> Result<(CallAnswer, Vec<Asked>), StoreError> {
    let Subject { device, standing, session } = subject;
    let id = standing.journal.id + 1;
    let mut meters = Meters::of(&standing.counters);
    let runs = rollout::note_firmware(transaction, device, call.firmware, standing.firmware).await?;
    for result in &call.results {
        let outcome = serde_json::to_string(&result.outcome).expect("an outcome is plain data");
        let command = request::finish(transaction, device, result.request, id, &outcome).await?;
        match (command.as_deref().map(command_of).transpose()?, &result.outcome) {
            (Some(Command::SetInitialValue { name, value }), Outcome::Done) => {
                meters.changed(name.as_str()).set(value.number());
                reading::drop_held(transaction, device, name.as_str()).await?;
            }
            (Some(Command::FetchFirmware { .. } | Command::RollBackFirmware { .. }), _) => {
                rollout::settle(transaction, result, call.firmware, center, time).await?;
            }
            _ => {}
        }
    }
    if let Event::Counter { counters } = &call.event {
        let settled = Settled { base: 0, time, by: id };
        let readings: Vec<Reading> = meters.read(device, counters, settled);
        reading::insert(transaction, &readings).await?;
    }
    counter::set(transaction, &meters.counters(device)).await?;
    let mut asked = Vec::new();
    if let Some(session) = session {
        asked.extend(renewal::ask(transaction, session, standing, id + 1, time).await?);
    }
    if let Some(rollout) = standing.rollout {
        let next = id + 1 + asked.len() as u64;
        asked.extend(rollout::ask(transaction, rollout, device, runs, next, time).await?);
    }
    let is_asked = standing.requests > 0 || !asked.is_empty();
    let requests = if is_asked { hand_out(transaction, device, id).await? } else { Vec::new() };
    Ok((CallAnswer { call: id, received: time, nonce: Some(nonce), requests }, asked))
}

async fn hand_out(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    call: u64,
) -> Result<Vec<Request>, StoreError> {
    let open = request::open(transaction, device, REQUESTS_MAX).await?;
    if let Some((last, _)) = open.last() {
        request::hand_out(transaction, device, *last, call).await?;
    }
    open.into_iter()
        .map(|(request, command)| Ok(Request { request, command: command_of(&command)? }))
        .collect()
}

pub(crate) fn command_of(text: &str) -> Result<Command, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: "request.command" })
}

/// A device's counters during one call.
pub(crate) struct Meters {
    before: BTreeMap<String, Meter>,
    changed: BTreeMap<String, Meter>,
}

impl Meters {
    pub(crate) fn of(counters: &[counter::Counter]) -> Self {
        let meter = |counter: &counter::Counter| {
            (counter.name.clone(), Meter { base: counter.base, is_held: counter.is_held })
        };
        Self { before: counters.iter().map(meter).collect(), changed: BTreeMap::new() }
    }

    /// The counter of this name, to be changed.
    fn changed(&mut self, name: &str) -> &mut Meter {
        let before = self.before.get(name).copied().unwrap_or_default();
        self.changed.entry(name.to_owned()).or_insert(before)
    }

    /// Takes the readings of a call, which is the entry that settles what counts of them.
    pub(crate) fn read(
        &mut self,
        device: &DeviceNumber,
        counters: &[Counter],
        settled: Settled,
    ) -> Vec<Reading> {
        let read = |counter: &Counter| {
            let value = counter.value.number();
            let base = self.changed(counter.name.as_str()).read(value);
            Reading {
                call: settled.by,
                device: device.clone(),
                name: counter.name.to_string(),
                value,
                verdict: base.map_or(Verdict::Held, |base| Verdict::Counted(Settled { base, ..settled })),
            }
        };
        counters.iter().map(read).collect()
    }

    /// The counters that have changed.
    pub(crate) fn counters(self, device: &DeviceNumber) -> Vec<(DeviceNumber, counter::Counter)> {
        self.changed
            .into_iter()
            .map(|(name, meter)| {
                (device.clone(), counter::Counter { name, base: meter.base, is_held: meter.is_held })
            })
            .collect()
    }
}
