//! Ordinary calls that come at the same time are taken as one: one look at all their devices, and one statement
//! for each table that they change.
//!
//! Ordinary is what needs nothing but its device's standing: a call that a device makes for itself and that comes
//! next in its chain, while nothing is asked of it. Whatever else it may be is found out where each call is taken by
//! itself (`call`), which refuses it or not. So is every call of a batch that the store does not take: one of them
//! cannot fail the others.

use std::collections::HashSet;
use std::sync::Arc;

use message::call::{CallAnswer, Event};
use store::center::counter;
use store::center::device::{self, ShownKey, Standing};
use store::center::journal::{self, Answered, Appended, Head, NewEntry};
use store::center::reading::{self, Settled};
use store::{Batcher, StoreError, Transaction};

use crate::admission::{check_session, shown_key};
use crate::call::{Arrived, Meters, check_counters, number_of};
use crate::chain;
use crate::desk::Desk;
use crate::renewal;

/// The calls that wait to be taken together.
pub(crate) struct Together(Batcher<Arc<Arrived>, Option<CallAnswer>>);

impl Together {
    pub(crate) fn new(desk: &Desk) -> Self {
        Self(Batcher::new(desk.store.clone(), |transaction, arrived| {
            Box::pin(async move { take_all(transaction, &arrived).await })
        }))
    }

    /// Takes a call together with those that wait; its answer, once it is stored for good. None where it is to be
    /// taken by itself.
    pub(crate) async fn take(&self, arrived: &Arc<Arrived>) -> Option<CallAnswer> {
        if !may_be_ordinary(arrived) {
            return None;
        }
        self.0.write(Arc::clone(arrived)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "calls are taken one by one");
            None
        })
    }
}

/// Whether nothing in the call says that it is not ordinary.
fn may_be_ordinary(Arrived { sender, call, .. }: &Arrived) -> bool {
    call.device_number == sender.number
        && call.on_behalf_of.is_none()
        && call.results.is_empty()
        && !matches!(call.event, Event::Manage { .. })
}

/// Whether nothing in the standing of its device says that the call is not ordinary.
fn is_ordinary(Arrived { sender, call, entry, .. }: &Arrived, standing: &Standing) -> bool {
    let last = standing.last_call.as_ref();
    let is_next = last.is_none_or(|last| number_of(call) > last.number)
        && !chain::is_fork(last, call.previous.as_ref());
    let is_nothing_asked =
        standing.requests == 0 && standing.rollout.is_none() && !renewal::is_due(standing, entry.time);
    let runs_as_known = call.firmware.is_none() || call.firmware == standing.firmware;
    // A call of an earlier chain may be repeated in a later one of the same board.
    let is_first_chain = standing.chain == standing.board_chain && !standing.is_quarantined;
    is_next
        && is_nothing_asked
        && runs_as_known
        && is_first_chain
        && check_session(sender, standing).is_ok()
        && check_counters(call, standing).is_ok()
}

/// A call that is taken.
struct Taken<'a> {
    arrived: &'a Arrived,
    chain: u64,
    entry: NewEntry,
    /// Where the journal ends with it.
    head: Head,
    answer: String,
}

/// Takes what is ordinary of these calls, in their order, of each device the first. The answers of these.
async fn take_all(
    transaction: &mut Transaction,
    arrived: &[Arc<Arrived>],
) -> Result<Vec<Option<CallAnswer>>, StoreError> {
    let mut seen = HashSet::new();
    let firsts: Vec<bool> = arrived.iter().map(|one| seen.insert(&one.sender.number)).collect();
    let shown: Vec<ShownKey> = arrived.iter().map(|one| shown_key(&one.sender)).collect();
    let asked: Vec<_> = arrived
        .iter()
        .zip(&shown)
        .zip(&firsts)
        .filter(|(_, is_first)| **is_first)
        .map(|((one, shown), _)| (&one.sender.number, Some(shown)))
        .collect();
    let standings = device::standings(transaction, &asked).await?;

    let (mut taken, mut readings, mut counters) = (Vec::new(), Vec::new(), Vec::new());
    let mut answers = Vec::with_capacity(arrived.len());
    let mut end: Option<Head> = None;
    for (one, is_first) in arrived.iter().zip(firsts) {
        let standing = standings.get(&one.sender.number);
        let Some(standing) = standing.filter(|standing| is_first && is_ordinary(one, standing)) else {
            answers.push(None);
            continue;
        };
        let before = end.as_ref().unwrap_or(&standing.journal);
        let entry = NewEntry { time: before.next_time(one.entry.time), ..one.entry.clone() };
        let head = before.followed_by(&entry);
        if let Event::Counter { counters: read } = &one.call.event {
            let mut meters = Meters::of(&standing.counters);
            let settled = Settled { base: 0, time: entry.time, by: head.id };
            readings.extend(meters.read(&entry.device, read, settled));
            counters.extend(meters.counters(&entry.device));
        }
        let answer =
            CallAnswer { call: head.id, received: entry.time, nonce: Some(one.nonce), requests: Vec::new() };
        let text = serde_json::to_string(&answer).expect("an answer is plain data");
        answers.push(Some(answer));
        end = Some(head.clone());
        taken.push(Taken { arrived: one, chain: standing.chain, entry, head, answer: text });
    }
    let entries: Vec<Appended<'_>> = taken.iter().map(Taken::appended).collect();
    tracing::trace!(calls = arrived.len(), taken = entries.len(), "taken together");
    journal::append_all(transaction, &entries).await?;
    reading::insert(transaction, &readings).await?;
    counter::set(transaction, &counters).await?;
    Ok(answers)
}

impl Taken<'_> {
    fn appended(&self) -> Appended<'_> {
        let answered = Answered {
            chain: self.chain,
            answer: &self.answer,
            nonce: self.arrived.nonce.as_bytes(),
            is_chained: self.arrived.call.previous.is_some(),
            about: None,
            address: self.arrived.address.as_deref(),
        };
        Appended { head: &self.head, entry: &self.entry, answered: Some(answered) }
    }
}
