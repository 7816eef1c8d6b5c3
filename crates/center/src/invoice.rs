//! A period's billing lines, each explained by its calls.
//!
//! An invoice is made from the journal alone: every entry is checked against the hash of all before it, and
//! every call is read and counted again, as it came. What the books say must come out; else the invoice
//! is refused, and the first difference named.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use identity::DeviceNumber;
use message::call::{Call, Command, CounterName, Event, Outcome};
use serde::Serialize;
use store::StoreError;
use store::center::correction::{self, Correction};
use store::center::journal::{self, CallNumber, Entry, Head, Kind};
use store::center::reading::{self, Held, Reading, Settled, Verdict};

use crate::call::{number_of, parse};
use crate::desk::{Asked, Decision, Desk};
use crate::management::Managed;
use crate::meter::Meter;
use crate::quarantine::{Doubt, Forked, Readmission};

/// What is billed for a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// The first second of the period, in seconds since 1970.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
    /// Whether nothing can be added to the period any more.
    pub is_final: bool,
    /// A line a counter of a device.
    pub lines: Vec<Line>,
    /// How many entries the journal has that the invoice follows from.
    pub entries: u64,
    /// The hash of the last, over all of them.
    pub hash: String,
}

/// What one counter of a device has counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The device.
    pub device_number: DeviceNumber,
    /// The counter.
    pub counter: String,
    /// How many units; below zero where more was taken back than counted.
    pub units: i64,
    /// The calls that they come from.
    pub calls: Vec<Part>,
    /// What was taken back because it is in doubt, and given back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectedPart>,
}

/// Units of one call that are taken back or given back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CorrectedPart {
    /// The entry of the journal that says so: a fork of the device's calls, or a person's decision on it.
    pub entry: u64,
    /// The call.
    pub call: u64,
    /// How many; below zero what is taken back.
    pub units: i64,
}

/// What one call adds to a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The call's number in the journal.
    pub call: u64,
    /// The hash of the journal up to and with it.
    pub hash: String,
    /// The device's boot that it was made in.
    pub boot: u32,
    /// Its place since then.
    pub sequence: u32,
    /// What the counter counts from.
    pub from: u64,
    /// What it stood at.
    pub to: u64,
    /// When it came to count, in seconds since 1970.
    pub settled: i64,
    /// The entry that let it count, where a person had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_by: Option<u64>,
}

/// Why there is no invoice.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// An entry of the journal is missing or was changed.
    #[error("entry {0} of the journal is missing, or was changed after it was written")]
    Tampered(u64),
    /// An entry of the journal cannot be what it says it is.
    #[error("entry {id} of the journal cannot be: {fault}")]
    Impossible {
        /// The entry.
        id: u64,
        /// Why.
        fault: String,
    },
    /// The books say otherwise.
    #[error("call {call}, {counter} of {device}: the books do not say what follows from the journal")]
    Books {
        /// The call.
        call: u64,
        /// The device.
        device: DeviceNumber,
        /// The counter.
        counter: String,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many entries are read at a time.
const PAGE: u32 = 1_000;

impl Desk {
    /// The billing lines of a period, for all devices or for one. All are replayed from the journal.
    ///
    /// # Errors
    /// The journal was changed, the books say otherwise, or the store fails.
    pub async fn invoice(
        &self,
        from: i64,
        to: i64,
        device: Option<&DeviceNumber>,
    ) -> Result<Invoice, InvoiceError> {
        let mut snapshot = self.store.read().await?;
        let mut replay = Replay::new(from, to);
        loop {
            let page = journal::after(&mut snapshot, replay.head.id, PAGE).await?;
            if page.is_empty() {
                break;
            }
            page.iter().try_for_each(|entry| replay.follow(entry))?;
        }
        replay.compare(&reading::counted(&mut snapshot, from, to, None).await?)?;
        replay.compare_corrections(&correction::list(&mut snapshot, from, to).await?)?;
        Ok(Invoice {
            from,
            to,
            // No later entry has an earlier time.
            is_final: replay.head.time >= to,
            entries: replay.head.id,
            hash: hex::encode(&replay.head.hash),
            lines: replay.lines(device),
        })
    }
}

/// The journal, read again from its first entry.
struct Replay {
    from: i64,
    to: i64,
    head: Head,
    devices: HashMap<DeviceNumber, Device>,
    /// What staff asked of devices and has no result yet.
    open: HashMap<u64, (DeviceNumber, Command)>,
    /// Which intermediate device speaks for a device.
    speakers: HashMap<DeviceNumber, DeviceNumber>,
    counted: BTreeMap<(DeviceNumber, String, u64), Part>,
    /// What was taken back and given back within the period.
    corrections: BTreeSet<Correction>,
}

#[derive(Default)]
struct Device {
    last_call: Option<CallNumber>,
    /// What its calls counted since its chain began, in the order in which it came to count.
    taken: Vec<Taken>,
    /// The entry of the fork that it is in quarantine for, and what that took back.
    fork: Option<(u64, Vec<Taken>)>,
    /// Its counters, and of each the readings that are held, with the devices whose calls they came in.
    meters: HashMap<CounterName, (Meter, Vec<(DeviceNumber, Held, Part)>)>,
}

impl Line {
    fn empty(device_number: DeviceNumber, counter: String) -> Self {
        Self { device_number, counter, units: 0, calls: Vec::new(), corrections: Vec::new() }
    }
}

/// Units that a call counted.
#[derive(Clone)]
struct Taken {
    call: u64,
    device: DeviceNumber,
    name: CounterName,
    from: u64,
    to: u64,
}

impl Replay {
    fn new(from: i64, to: i64) -> Self {
        Self {
            from,
            to,
            head: Head::of_nothing(),
            devices: HashMap::new(),
            open: HashMap::new(),
            speakers: HashMap::new(),
            counted: BTreeMap::new(),
            corrections: BTreeSet::new(),
        }
    }

    fn follow(&mut self, entry: &Entry) -> Result<(), InvoiceError> {
        self.head = entry.follows(&self.head).ok_or(InvoiceError::Tampered(self.head.id + 1))?;
        let impossible = |fault: String| InvoiceError::Impossible { id: entry.id, fault };
        let unreadable = |error: serde_json::Error| impossible(error.to_string());
        match entry.kind {
            Kind::JsonCall | Kind::SoapCall => {
                let call = parse(entry.kind, &entry.raw).map_err(impossible)?;
                self.call(entry, &call).map_err(|fault| impossible(fault.to_owned()))
            }
            Kind::Request => {
                let asked: Asked = serde_json::from_slice(&entry.raw).map_err(unreadable)?;
                self.open.insert(entry.id, (entry.device.clone(), asked.command));
                Ok(())
            }
            Kind::Release => {
                let decision: Decision = serde_json::from_slice(&entry.raw).map_err(unreadable)?;
                self.release(entry, decision);
                Ok(())
            }
            Kind::Fork => {
                let forked: Forked = serde_json::from_slice(&entry.raw).map_err(unreadable)?;
                self.fork(entry, &forked).map_err(|fault| impossible(fault.to_owned()))
            }
            Kind::Readmission => {
                let decision: Readmission = serde_json::from_slice(&entry.raw).map_err(unreadable)?;
                self.readmit(entry, &decision).map_err(|fault| impossible(fault.to_owned()))
            }
            Kind::Management => {
                let Managed { intermediate, speaks, .. } =
                    serde_json::from_slice(&entry.raw).map_err(unreadable)?;
                if speaks {
                    self.speakers.insert(entry.device.clone(), intermediate);
                } else if self.speakers.get(&entry.device) == Some(&intermediate) {
                    self.speakers.remove(&entry.device);
                }
                Ok(())
            }
        }
    }

    fn call(&mut self, entry: &Entry, call: &Call) -> Result<(), &'static str> {
        let number = number_of(call);
        if call.device_number != entry.device || entry.number != Some(number) {
            return Err("the call names another device, or another number");
        }
        let about = call.on_behalf_of.as_ref().unwrap_or(&entry.device);
        let sender = entry.through.as_ref().unwrap_or(&entry.device);
        let speaks_for =
            |device: &DeviceNumber| device == sender || self.speakers.get(device) == Some(sender);
        if !speaks_for(&entry.device) || !speaks_for(about) {
            return Err("the sender does not speak for the device");
        }
        let device = self.devices.entry(entry.device.clone()).or_default();
        if device.fork.is_some() {
            return Err("the device is in quarantine");
        }
        if device.last_call.replace(number).is_some_and(|last| number <= last) {
            return Err("the device has made a later call before");
        }
        let device = self.devices.entry(about.clone()).or_default();
        for result in &call.results {
            let is_its_own = self.open.get(&result.request).is_some_and(|(of, _)| of == about);
            let command = is_its_own.then(|| self.open.remove(&result.request)).flatten();
            if let (Some((_, Command::SetInitialValue { name, value })), Outcome::Done) =
                (command, &result.outcome)
            {
                let (meter, held) = device.meters.entry(name).or_default();
                meter.set(value.number());
                held.clear();
            }
        }
        let Event::Counter { counters } = &call.event else { return Ok(()) };
        let mut counted = Vec::new();
        for counter in counters {
            let (meter, held) = device.meters.entry(counter.name.clone()).or_default();
            let value = counter.value.number();
            let base = meter.read(value);
            let part = part(entry, number, base.unwrap_or_default(), value);
            match base {
                Some(_) => counted.push((&counter.name, part)),
                None => held.push((entry.device.clone(), Held { call: entry.id, value }, part)),
            }
        }
        counted.into_iter().for_each(|(name, part)| self.count(&entry.device, about, name, part));
        Ok(())
    }

    fn release(&mut self, entry: &Entry, decision: Decision) {
        let device = self.devices.entry(entry.device.clone()).or_default();
        let (meter, held) = device.meters.entry(decision.counter.clone()).or_default();
        let values: Vec<u64> = held.iter().map(|(_, held, _)| held.value).collect();
        let bases = meter.release(decision.base, &values);
        let released: Vec<_> = held.drain(..bases.len()).zip(bases).collect();
        for ((caller, _, part), from) in released {
            let part = Part { from, settled: entry.time, released_by: Some(entry.id), ..part };
            self.count(&caller, &entry.device, &decision.counter, part);
        }
    }

    /// Takes back what the device counted since the fork.
    fn fork(&mut self, entry: &Entry, forked: &Forked) -> Result<(), &'static str> {
        let device = self.devices.entry(entry.device.clone()).or_default();
        if device.fork.is_some() {
            return Err("the device is in quarantine already");
        }
        let in_doubt: Vec<Taken> = device
            .taken
            .drain(..)
            .filter(|taken| taken.call > forked.since && taken.to > taken.from)
            .collect();
        device.fork = Some((entry.id, in_doubt.clone()));
        self.correct(entry, &in_doubt, -1);
        Ok(())
    }

    /// Begins a new chain of the device's calls, and gives back what was taken, or sets the counters back.
    fn readmit(&mut self, entry: &Entry, decision: &Readmission) -> Result<(), &'static str> {
        let device = self.devices.entry(entry.device.clone()).or_default();
        let Some((_, in_doubt)) = device.fork.take().filter(|(fork, _)| *fork == decision.fork) else {
            return Err("the device is in no such quarantine");
        };
        device.last_call = None;
        match decision.doubt {
            Doubt::Count => self.correct(entry, &in_doubt, 1),
            Doubt::Drop => {
                // In reverse, so that the first of a counter is the last to be set.
                let mut first: Vec<&Taken> = in_doubt.iter().collect();
                first.sort_by_key(|taken| Reverse(taken.call));
                for Taken { device, name, from, .. } in first {
                    let device = self.devices.entry(device.clone()).or_default();
                    let (meter, held) = device.meters.entry(name.clone()).or_default();
                    meter.set(*from);
                    held.clear();
                }
            }
        }
        Ok(())
    }

    fn correct(&mut self, entry: &Entry, taken: &[Taken], sign: i64) {
        if !(self.from..self.to).contains(&entry.time) {
            return;
        }
        self.corrections.extend(taken.iter().map(|taken| Correction {
            entry: entry.id,
            call: taken.call,
            device: taken.device.clone(),
            name: taken.name.to_string(),
            units: sign * (taken.to - taken.from).cast_signed(),
            time: entry.time,
        }));
    }

    /// Keeps what counts, and of what counts within the period each part.
    fn count(&mut self, caller: &DeviceNumber, device: &DeviceNumber, name: &CounterName, part: Part) {
        let taken = Taken {
            call: part.call,
            device: device.clone(),
            name: name.clone(),
            from: part.from,
            to: part.to,
        };
        self.devices.entry(caller.clone()).or_default().taken.push(taken);
        if (self.from..self.to).contains(&part.settled) {
            self.counted.insert((device.clone(), name.to_string(), part.call), part);
        }
    }

    /// Whether the books say the same, no more and no less.
    fn compare(&self, books: &[Reading]) -> Result<(), InvoiceError> {
        let differs = |call: u64, device: &DeviceNumber, counter: &str| InvoiceError::Books {
            call,
            device: device.clone(),
            counter: counter.to_owned(),
        };
        let mut seen = HashSet::new();
        for book in books {
            let key = (book.device.clone(), book.name.clone(), book.call);
            let same = self.counted.get(&key).is_some_and(|part| {
                let by = part.released_by.unwrap_or(part.call);
                let settled = Settled { base: part.from, time: part.settled, by };
                part.to == book.value && book.verdict == Verdict::Counted(settled)
            });
            if !same {
                return Err(differs(book.call, &book.device, &book.name));
            }
            seen.insert(key);
        }
        match self.counted.keys().find(|key| !seen.contains(key)) {
            Some((device, counter, call)) => Err(differs(*call, device, counter)),
            None => Ok(()),
        }
    }

    /// Whether the books have taken back and given back the same.
    fn compare_corrections(&self, books: &[Correction]) -> Result<(), InvoiceError> {
        let books: BTreeSet<Correction> = books.iter().cloned().collect();
        match self.corrections.symmetric_difference(&books).next() {
            Some(Correction { call, device, name, .. }) => {
                Err(InvoiceError::Books { call: *call, device: device.clone(), counter: name.clone() })
            }
            None => Ok(()),
        }
    }

    fn lines(self, only: Option<&DeviceNumber>) -> Vec<Line> {
        let mut lines: BTreeMap<(DeviceNumber, String), Line> = BTreeMap::new();
        for ((device, counter, _), part) in self.counted {
            let line = lines.entry((device.clone(), counter.clone()));
            let line = line.or_insert_with(|| Line::empty(device, counter));
            line.units += (part.to - part.from).cast_signed();
            line.calls.push(part);
        }
        for Correction { entry, call, device, name, units, .. } in self.corrections {
            let line = lines.entry((device.clone(), name.clone()));
            let line = line.or_insert_with(|| Line::empty(device, name));
            line.units += units;
            line.corrections.push(CorrectedPart { entry, call, units });
        }
        lines.into_values().filter(|line| only.is_none_or(|only| *only == line.device_number)).collect()
    }
}

fn part(entry: &Entry, number: CallNumber, from: u64, to: u64) -> Part {
    Part {
        call: entry.id,
        hash: hex::encode(&entry.hash),
        boot: number.boot,
        sequence: number.sequence,
        from,
        to,
        settled: entry.time,
        released_by: None,
    }
}
