//! The replay: the journal read again from its first entry, and all counted again that it counts.
//!
//! Each entry is checked against the hash of all before it, and against what may be at its place: who speaks for
//! whom, which number comes next, which answer a call follows, who is in quarantine.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use identity::DeviceNumber;
use message::call::{Call, Command, CounterName, Event, Nonce, Outcome};
use serde::de::DeserializeOwned;
use store::center::correction::Correction;
use store::center::journal::{Entry, Head, Kind, LastCall};
use store::center::quarantine::Quarantine;
use store::center::reading::{Reading, Settled, Verdict};

use crate::call::{number_of, parse};
use crate::chain;
use crate::desk::{Asked, Decision};
use crate::invoice::{Fault, InvoiceError, Part};
use crate::management::Managed;
use crate::meter::Meter;
use crate::quarantine::{Doubt, Forked, Readmission};
use crate::register::NewBoard;

/// The journal, read again from its first entry.
pub(crate) struct Replay {
    from: i64,
    to: i64,
    /// Where it stands.
    pub(crate) head: Head,
    devices: HashMap<DeviceNumber, Device>,
    /// What staff asked of devices and has no result yet.
    open: HashMap<u64, (DeviceNumber, Command)>,
    /// Which intermediate device speaks for a device.
    speakers: HashMap<DeviceNumber, DeviceNumber>,
    /// What counts within the period, by device, counter and call.
    pub(crate) counted: BTreeMap<(DeviceNumber, String, u64), Part>,
    /// What was taken back and given back within the period.
    pub(crate) corrections: BTreeSet<Correction>,
}

#[derive(Default)]
struct Device {
    last_call: Option<LastCall>,
    /// What a call names that was made while the last one had no answer.
    last_name: Option<Nonce>,
    /// What its calls counted since its chain began, in the order in which it came to count.
    taken: Vec<Taken>,
    /// The entry of the fork that it is in quarantine for, and what that took back.
    fork: Option<(u64, Vec<Taken>)>,
    /// Its counters, and of each the readings that are held.
    meters: HashMap<CounterName, (Meter, Vec<Held>)>,
}

/// A reading that is held.
struct Held {
    /// The device whose call it came in.
    caller: DeviceNumber,
    part: Part,
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
    pub(crate) fn new(from: i64, to: i64) -> Self {
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

    /// Takes the next entry.
    pub(crate) fn follow(&mut self, entry: &Entry) -> Result<(), InvoiceError> {
        self.head = entry.follows(&self.head).ok_or(InvoiceError::Tampered(self.head.id + 1))?;
        self.apply(entry).map_err(|fault| InvoiceError::Impossible { id: entry.id, fault })
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Fault> {
        match entry.kind {
            Kind::JsonCall | Kind::SoapCall => {
                self.call(entry, &parse(entry.kind, &entry.raw).map_err(Fault::Unreadable)?)
            }
            Kind::Request => {
                let Asked { command, .. } = read(entry)?;
                self.open.insert(entry.id, (entry.device.clone(), command));
                Ok(())
            }
            Kind::Release => {
                self.release(entry, read(entry)?);
                Ok(())
            }
            Kind::Fork => self.fork(entry, &read(entry)?),
            Kind::Readmission => self.readmit(entry, &read(entry)?),
            Kind::NewBoard => {
                read::<NewBoard>(entry)?;
                let device = self.devices.entry(entry.device.clone()).or_default();
                (device.last_call, device.last_name) = (None, None);
                Ok(())
            }
            Kind::Management => {
                let Managed { intermediate, speaks, .. } = read(entry)?;
                if speaks {
                    self.speakers.insert(entry.device.clone(), intermediate);
                } else if self.speakers.get(&entry.device) == Some(&intermediate) {
                    self.speakers.remove(&entry.device);
                }
                Ok(())
            }
        }
    }

    fn call(&mut self, entry: &Entry, call: &Call) -> Result<(), Fault> {
        let number = number_of(call);
        if call.device_number != entry.device || entry.number != Some(number) {
            return Err(Fault::FiledElsewhere);
        }
        let about = call.on_behalf_of.as_ref().unwrap_or(&entry.device);
        let sender = entry.through.as_ref().unwrap_or(&entry.device);
        let speaks_for =
            |device: &DeviceNumber| device == sender || self.speakers.get(device) == Some(sender);
        if !speaks_for(&entry.device) || !speaks_for(about) {
            return Err(Fault::NotTheSender);
        }
        let is_silenced =
            |device: &DeviceNumber| self.devices.get(device).is_some_and(|of| of.fork.is_some());
        if is_silenced(sender) || is_silenced(&entry.device) || is_silenced(about) {
            return Err(Fault::Quarantine);
        }
        let caller = self.devices.entry(entry.device.clone()).or_default();
        if caller.last_call.as_ref().is_some_and(|last| number <= last.number) {
            return Err(Fault::NumberUsed);
        }
        let names_last = call.previous.is_some() && call.previous == caller.last_name;
        if chain::is_fork(caller.last_call.as_ref(), call.previous.as_ref()) && !names_last {
            return Err(Fault::Unchained);
        }
        let is_chained = call.previous.is_some();
        caller.last_name = Some(chain::name_of_call(&entry.raw));
        caller.last_call = Some(LastCall { id: entry.id, number, nonce: entry.nonce, is_chained });
        self.count_call(entry, call, about);
        Ok(())
    }

    /// Counts what a call says of the device that it is about.
    fn count_call(&mut self, entry: &Entry, call: &Call, about: &DeviceNumber) {
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
        let Event::Counter { counters } = &call.event else { return };
        let mut counted = Vec::new();
        for counter in counters {
            let (meter, held) = device.meters.entry(counter.name.clone()).or_default();
            let value = counter.value.number();
            let base = meter.read(value);
            let part = part(entry, call, base.unwrap_or_default(), value);
            match base {
                Some(_) => counted.push((&counter.name, part)),
                None => held.push(Held { caller: entry.device.clone(), part }),
            }
        }
        counted.into_iter().for_each(|(name, part)| self.count(&entry.device, about, name, part));
    }

    fn release(&mut self, entry: &Entry, decision: Decision) {
        let device = self.devices.entry(entry.device.clone()).or_default();
        let (meter, held) = device.meters.entry(decision.counter.clone()).or_default();
        let values: Vec<u64> = held.iter().map(|held| held.part.to).collect();
        let bases = meter.release(decision.base, &values);
        let released: Vec<_> = held.drain(..bases.len()).zip(bases).collect();
        for (Held { caller, part }, from) in released {
            let part = Part { from, settled: entry.time, released_by: Some(entry.id), ..part };
            self.count(&caller, &entry.device, &decision.counter, part);
        }
    }

    /// Takes back what the device counted since the fork.
    fn fork(&mut self, entry: &Entry, forked: &Forked) -> Result<(), Fault> {
        let device = self.devices.entry(entry.device.clone()).or_default();
        if device.fork.is_some() {
            return Err(Fault::Quarantine);
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
    fn readmit(&mut self, entry: &Entry, decision: &Readmission) -> Result<(), Fault> {
        let device = self.devices.entry(entry.device.clone()).or_default();
        let Some((_, in_doubt)) = device.fork.take().filter(|(fork, _)| *fork == decision.fork) else {
            return Err(Fault::Quarantine);
        };
        (device.last_call, device.last_name) = (None, None);
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
    pub(crate) fn compare(&self, books: &[Reading]) -> Result<(), InvoiceError> {
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
    pub(crate) fn compare_corrections(&self, books: &[Correction]) -> Result<(), InvoiceError> {
        let books: BTreeSet<Correction> = books.iter().cloned().collect();
        match self.corrections.symmetric_difference(&books).next() {
            Some(Correction { call, device, name, .. }) => {
                Err(InvoiceError::Books { call: *call, device: device.clone(), counter: name.clone() })
            }
            None => Ok(()),
        }
    }

    /// Whether by the books the same devices are in quarantine, for the same forks.
    pub(crate) fn compare_quarantines(&self, books: &[Quarantine]) -> Result<(), InvoiceError> {
        let of_books: BTreeSet<(&DeviceNumber, u64)> =
            books.iter().map(|quarantine| (&quarantine.device, quarantine.entry)).collect();
        let of_journal: BTreeSet<(&DeviceNumber, u64)> = self
            .devices
            .iter()
            .filter_map(|(number, device)| Some((number, device.fork.as_ref()?.0)))
            .collect();
        match of_journal.symmetric_difference(&of_books).next() {
            Some((device, _)) => Err(InvoiceError::Quarantine((*device).clone())),
            None => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Result<T, Fault> {
    serde_json::from_slice(&entry.raw).map_err(|error| Fault::Unreadable(error.to_string()))
}

fn part(entry: &Entry, call: &Call, from: u64, to: u64) -> Part {
    Part {
        call: entry.id,
        hash: hex::encode(&entry.hash),
        boot: call.boot.get(),
        sequence: call.sequence.get(),
        from,
        to,
        settled: entry.time,
        released_by: None,
    }
}
