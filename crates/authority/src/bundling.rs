//! Factories that no network joins to the authority: what they report and order comes in bundles, and what
//! they get goes out in bundles.
//!
//! A bundle is taken as the requests in it would be: each is idempotent, so that an import that broke off
//! is made again; once all are answered, answer and arrival are stored in one unit of work.

use std::collections::VecDeque;
use std::sync::Arc;

use bundle::envelope::{Place, seal};
use bundle::{Received, Signer};
use cert::{MemberIdentity, PeerIdentity};
use identity::{DeviceNumber, Member, MemberName, Role};
use message::bundle::{BUNDLE_VERSION, Bundle, Contents, Deliveries, Orders, Packs, Party};
use message::issue::CertificateTransmissionRequest;
use message::problem::ProblemCode;
use message::report::ReportAnswer;
use serde::Serialize;
use store::Transaction;
use store::audit::{self, Actor};
use store::authority::member;
use store::bundle::{self as carried, Arrival, Waiting};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::trust_news::trusted;

/// What came of a factory's bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// What it was; all else is 0 where it did not come next.
    pub arrival: Arrival,
    /// Records that were taken.
    pub records: u64,
    /// Records that were refused.
    pub records_refused: u64,
    /// Packs that go out with the answer.
    pub packs: u64,
    /// What will not be issued, or not now, in words.
    pub refused: Vec<String>,
}

/// A factory's bundle that is believed.
pub struct FactoryBundle {
    factory: MemberName,
    bundle: Bundle,
    orders: Orders,
    sha256: [u8; 32],
}

impl FactoryBundle {
    /// The factory that sent it.
    pub fn factory(&self) -> &MemberName {
        &self.factory
    }

    /// Its number.
    pub fn sequence(&self) -> u64 {
        self.bundle.sequence
    }
}

impl Desk {
    /// Takes a bundle for a factory's orders: a gateway that is admitted sent it, and it is for this authority.
    ///
    /// # Errors
    /// It is not, or the store fails.
    pub async fn admit_bundle(
        &self,
        received: Received<PeerIdentity>,
    ) -> Result<FactoryBundle, AuthorityError> {
        let Received { bundle, sender, sha256 } = received;
        let refused = |detail: String| Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
        let gateway = match sender {
            PeerIdentity::Member(MemberIdentity { member, certificate_serial })
                if member.role() == Role::Gateway =>
            {
                self.admit_member(&certificate_serial).await?;
                member
            }
            _ => return refused(format!("the bundle is from {}, which is no gateway", bundle.from)),
        };
        if bundle.to != Party::Member(self.member.clone()) {
            return refused(format!("the bundle is for {}", bundle.to));
        }
        let Contents::Orders(orders) = bundle.contents.clone() else {
            return refused(format!("a gateway sends orders, not {}", bundle.contents.kind()));
        };
        let sha256 = *sha256.as_bytes();
        Ok(FactoryBundle { factory: gateway.name().clone(), bundle, orders, sha256 })
    }

    /// The bundles for a factory that it has not taken yet, in order. Where there are none, one that tells it
    /// what it may make.
    ///
    /// # Errors
    /// The factory has no gateway, or the store fails.
    pub async fn bundles_for(
        &self,
        factory: &MemberName,
        signer: &Signer,
        actor: &Actor,
    ) -> Result<Vec<Waiting>, AuthorityError> {
        let gateway = Member::gateway(factory.clone());
        let allotment = self.allotment(factory).await?;
        let (here, now, signer, actor) = (self.member.clone(), self.now(), signer.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if member::current(transaction, &gateway).await?.is_none() {
                        let detail = format!("no {gateway} has joined here");
                        return Err(AuthorityError::refused(ProblemCode::NotFound, detail));
                    }
                    let peer = gateway.to_string();
                    let kept = carried::kept(transaction, &peer).await?;
                    if !kept.is_empty() {
                        return Ok(kept);
                    }
                    let standing = carried::standing(transaction, &peer).await?;
                    let trust = Some(trusted(transaction).await?);
                    let deliveries = Deliveries { allotment, trust, report: None, packs: None };
                    let answer = answer(&here, gateway, standing, Contents::Deliveries(deliveries));
                    keep(transaction, &signer, &answer).await?;
                    let body = Audited { peer: &peer, sequence: None, answer: answer.sequence };
                    audit::append(transaction, now, actor.as_str(), "bundle.make", &body).await?;
                    Ok(carried::kept(transaction, &peer).await?)
                })
            })
            .await
    }
}

impl Authority {
    /// Does what a factory's bundle asks, once, and stores the answer.
    ///
    /// # Errors
    /// A bundle before it is missing, it is another than the one of its number that came before, or
    /// something of it cannot be done now. Then it can be imported again.
    pub async fn import(
        self: &Arc<Self>,
        order: FactoryBundle,
        signer: &Signer,
        actor: &Actor,
    ) -> Result<Imported, AuthorityError> {
        let (peer, sequence) = (order.bundle.from.to_string(), order.bundle.sequence);
        let mut snapshot = self.desk.store.read().await?;
        let arrival = carried::look(&mut snapshot, &peer, sequence, &order.sha256).await?;
        drop(snapshot);
        match (arrival, arrival.fault(sequence)) {
            (Arrival::Gap { .. } | Arrival::Changed { .. }, Some(fault)) => {
                return Err(AuthorityError::refused(ProblemCode::Conflict, fault));
            }
            (Arrival::Double { .. }, _) => return Ok(Imported::nothing(arrival)),
            _ => {}
        }
        if let Some(trust) = &order.orders.trust {
            self.hear_trust(&Member::gateway(order.factory.clone()), trust).await?;
        }
        let report = match order.orders.report.clone() {
            Some(report) => Some(self.report(&order.factory, report).await?),
            None => None,
        };
        let packs = self.packs_of(&order).await?;
        let mut imported = Imported::of(&report, &packs);
        let allotment = self.desk.allotment(&order.factory).await?;
        let answer = Answer { order, report, packs, allotment, signer: signer.clone(), actor: actor.clone() };
        let (here, now) = (self.desk.member.clone(), self.desk.now());
        let stored =
            self.desk.store.write(move |transaction| Box::pin(answer.store(transaction, here, now))).await;
        imported.arrival = stored?;
        Ok(imported)
    }

    async fn packs_of(self: &Arc<Self>, order: &FactoryBundle) -> Result<Packs, AuthorityError> {
        let mut packs = Packs::default();
        if let Some(request) = &order.orders.packs {
            self.certificates(&order.factory, request.device_numbers.clone(), &mut packs).await?;
        }
        if let Some(request) = order.orders.apparatus_packs.clone() {
            let (id, product) = (request.order, request.product.clone());
            match self.issue_apparatuses(&order.factory, request).await {
                Ok(made) => packs.apparatuses = Some((id, made)),
                Err(AuthorityError::Refused(problem)) if !problem.code.is_passing() => {
                    packs.refused_order = Some((id, problem.clone()));
                    packs.refused_products.push((product, problem));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(packs)
    }

    /// Issues what may be issued. A refused batch is halved until the numbers at fault stand alone.
    async fn certificates(
        self: &Arc<Self>,
        factory: &MemberName,
        numbers: Vec<DeviceNumber>,
        packs: &mut Packs,
    ) -> Result<(), AuthorityError> {
        let mut batches = VecDeque::from([numbers]);
        while let Some(mut batch) = batches.pop_front() {
            let Some(first) = batch.first().cloned() else { continue };
            let request = CertificateTransmissionRequest { device_numbers: batch.clone() };
            match self.issue(factory, request).await {
                Ok(answer) => packs.certificates.extend(answer.packs),
                Err(AuthorityError::Refused(problem)) if problem.code.is_about_a_number() => {
                    let half = batch.split_off(batch.len() / 2);
                    if batch.is_empty() {
                        packs.refused_numbers.push((first, problem));
                    } else {
                        batches.push_front(half);
                        batches.push_front(batch);
                    }
                }
                Err(AuthorityError::Refused(problem)) if !problem.code.is_passing() => {
                    packs.refused_products.push((first.product().clone(), problem));
                    return Ok(());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

/// What the audit log says of a bundle.
#[derive(Serialize)]
struct Audited<'a> {
    peer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    answer: u64,
}

/// What a bundle is answered, before it is stored.
struct Answer {
    order: FactoryBundle,
    report: Option<ReportAnswer>,
    packs: Packs,
    allotment: message::allotment::Allotment,
    signer: Signer,
    actor: Actor,
}

impl Answer {
    /// Stores arrival and answer, unless another import of the same bundle was faster.
    async fn store(
        self,
        transaction: &mut Transaction,
        here: Member,
        now: i64,
    ) -> Result<Arrival, AuthorityError> {
        let Self { order, report, packs, allotment, signer, actor } = self;
        let gateway = Member::gateway(order.factory);
        let (peer, sequence) = (gateway.to_string(), order.bundle.sequence);
        let arrival = carried::look(transaction, &peer, sequence, &order.sha256).await?;
        if arrival != Arrival::Next {
            return Ok(arrival);
        }
        carried::receive(transaction, &peer, sequence, &order.sha256, now, None).await?;
        carried::take(transaction, &peer, sequence).await?;
        carried::acknowledge(transaction, &peer, order.bundle.taken).await?;
        let standing = carried::standing(transaction, &peer).await?;
        let trust = Some(trusted(transaction).await?);
        let deliveries = Deliveries { allotment, trust, report, packs: None };
        let mut answer = answer(&here, gateway, standing, Contents::Deliveries(deliveries));
        let sealed =
            if packs == Packs::default() {
                None
            } else {
                let plain = serde_json::to_vec(&packs).map(Zeroizing::new).expect("packs are plain data");
                let sealed = seal(&order.orders.key.0, Place::from(&answer), &plain);
                Some(sealed.map_err(|error| {
                    AuthorityError::refused(ProblemCode::MalformedRequest, error.to_string())
                })?)
            };
        if let Contents::Deliveries(deliveries) = &mut answer.contents {
            deliveries.packs = sealed;
        }
        keep(transaction, &signer, &answer).await?;
        let body = Audited { peer: &peer, sequence: Some(sequence), answer: answer.sequence };
        audit::append(transaction, now, actor.as_str(), "bundle.import", &body).await?;
        Ok(arrival)
    }
}

impl Imported {
    fn nothing(arrival: Arrival) -> Self {
        Self { arrival, records: 0, records_refused: 0, packs: 0, refused: Vec::new() }
    }

    fn of(report: &Option<ReportAnswer>, packs: &Packs) -> Self {
        let records = report.iter().flat_map(|answer| &answer.records);
        let (refused_records, taken): (Vec<_>, Vec<_>) = records.partition(|record| record.problem.is_some());
        let apparatuses = packs.apparatuses.as_ref().map_or(0, |(_, made)| made.packs.len());
        let numbers = packs.refused_numbers.iter().map(|(number, problem)| format!("{number}: {problem}"));
        let products = packs.refused_products.iter().map(|(code, problem)| format!("{code}: {problem}"));
        Self {
            arrival: Arrival::Next,
            records: taken.len() as u64,
            records_refused: refused_records.len() as u64,
            packs: (packs.certificates.len() + apparatuses) as u64,
            refused: numbers.chain(products).collect(),
        }
    }
}

/// The next bundle from here to a gateway.
fn answer(here: &Member, gateway: Member, standing: carried::Standing, contents: Contents) -> Bundle {
    Bundle {
        version: BUNDLE_VERSION,
        from: Party::Member(here.clone()),
        to: Party::Member(gateway),
        sequence: standing.sent + 1,
        taken: standing.taken,
        contents,
    }
}

async fn keep(transaction: &mut Transaction, signer: &Signer, answer: &Bundle) -> Result<(), AuthorityError> {
    let document = signer.sign(answer)?;
    let peer = answer.to.to_string();
    Ok(carried::keep(transaction, &peer, answer.sequence, &document).await?)
}
