//! A factory that no network joins to the authority: what it reports and orders goes out in bundles, and
//! what it gets comes in bundles.
//!
//! Writing and receiving bundles is the desk's work. What a bundle brings is filed by the process that has
//! the key ring: the one that serves, or the command itself where none serves.

use std::collections::{BTreeSet, HashSet};

use bundle::ReceiverKey;
use bundle::envelope::{Place, unseal};
use bundle::{Received, Signer, read_trusted};
use cert::{MemberIdentity, PeerIdentity};
use identity::{DeviceNumber, Member, MemberName, ProductCode};
use message::bundle::{BUNDLE_VERSION, BUNDLES_MAX, Bundle, Contents, Deliveries, Orders, Packs, Party};
use message::bytes::Bytes;
use message::issue::{
    ApparatusPackRequest, CertificateTransmission, CertificateTransmissionRequest, DEVICE_NUMBERS_MAX,
    NumberedPack, OrderId,
};
use message::problem::ProblemCode;
use message::report::{RECORDS_MAX, Report, ReportAnswer};
use message::trust::TrustReport;
use serde::Serialize;
use store::audit::{self, Actor};
use store::bundle::{self as carried, Arrival, Standing, Waiting};
use store::gateway::bundle_key::{self, BundleKey};
use store::gateway::pack::SealedSecret;
use store::gateway::{apparatus, number, outbox};
use store::{Snapshot, StoreError, Transaction};

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::need::Reservation;
use crate::order;
use crate::replenish::{Fetched, ReplenishError};
use crate::report::{Drained, fates, report_of};

/// What the vault is told that the secret half of the key is.
const KEY_CONTEXT: &[u8] = b"bundle key";

/// The bundles that wait to be taken by the authority, and what went into the new ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exported {
    /// What was reserved or ordered for the coming days.
    pub products: Vec<Reservation>,
    /// The bundles, in order.
    pub bundles: Vec<Waiting>,
    /// How many of them are new.
    pub new: usize,
    /// Whether more is to be said than a file takes; the rest waits for the authority's answers.
    pub is_full: bool,
}

/// What a bundle of the authority brought.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Its number.
    pub sequence: u64,
    /// Records that the authority has taken.
    pub records: u64,
    /// Records that it refused and that wait for a person now.
    pub parked: u64,
    /// Packs filed.
    pub stocked: u64,
    /// Numbers that it will not issue, with its reason.
    pub refused: Vec<(DeviceNumber, String)>,
    /// Products of which it issues nothing more for now, with its reason.
    pub refused_products: Vec<(ProductCode, String)>,
    /// Why its packs could not be filed, in which case they are ordered again, or its CAs not be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Desk {
    /// Puts into bundles what the coming days need and what there is to report, as far as it is in none yet,
    /// and gives all bundles that the authority is not known to have taken.
    ///
    /// # Errors
    /// The gateway has never been opened since it speaks in bundles, or the store fails.
    pub async fn export_bundles(
        &self,
        authority: &Member,
        signer: &Signer,
        trust: TrustReport,
        actor: &Actor,
    ) -> Result<Exported, GatewayError> {
        let products = self.reserve(actor).await?;
        let writer = BundleWriter {
            here: Party::Member(Member::gateway(self.factory.clone())),
            authority: authority.clone(),
            signer: signer.clone(),
            trust,
            actor: actor.clone(),
            now: self.now(),
        };
        let (bundles, new, is_full) =
            self.store.write(move |transaction| Box::pin(writer.write(transaction))).await?;
        Ok(Exported { products, bundles, new, is_full })
    }

    /// Stores a bundle of the authority where it comes next, for the gateway to file what it brings.
    ///
    /// # Errors
    /// It is from someone else or for someone else, a bundle before it is missing, it is another than the one
    /// of its number that came before, or the store fails.
    pub async fn receive_bundle(
        &self,
        received: Received<PeerIdentity>,
        document: &[u8],
        authority: &Member,
        actor: &Actor,
    ) -> Result<Arrival, GatewayError> {
        let Received { bundle, sender, sha256 } = received;
        check_is_for_here(&bundle, &sender, authority, &self.factory)?;
        let (now, document, actor) = (self.now(), document.to_vec(), actor.clone());
        let (peer, sequence) = (authority.to_string(), bundle.sequence);
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let sha256 = sha256.as_bytes();
                    let arrival = carried::look(transaction, &peer, sequence, sha256).await?;
                    match (arrival, arrival.fault(sequence)) {
                        (Arrival::Next, _) => {
                            carried::receive(transaction, &peer, sequence, sha256, now, Some(&document))
                                .await?;
                            let body = (&peer, sequence);
                            audit::append(transaction, now, actor.as_str(), "bundle.receive", &body).await?;
                        }
                        (Arrival::Gap { .. } | Arrival::Changed { .. }, Some(fault)) => {
                            return Err(GatewayError::refused(ProblemCode::Conflict, fault));
                        }
                        _ => {}
                    }
                    Ok(arrival)
                })
            })
            .await
    }

    /// The numbers of the authority's bundles that arrived and are not dealt with.
    ///
    /// # Errors
    /// The store fails.
    pub async fn bundles_waiting(&self) -> Result<Vec<u64>, GatewayError> {
        let arrived = carried::arrived(&mut self.store.read().await?).await?;
        Ok(arrived.into_iter().map(|waiting| waiting.sequence).collect())
    }
}

fn check_is_for_here(
    bundle: &Bundle,
    sender: &PeerIdentity,
    authority: &Member,
    factory: &MemberName,
) -> Result<(), GatewayError> {
    let refused = |detail: String| Err(GatewayError::refused(ProblemCode::NotAllowed, detail));
    if !matches!(sender, PeerIdentity::Member(MemberIdentity { member, .. }) if member == authority) {
        return refused(format!("the bundle is from {}, not from {authority}", bundle.from));
    }
    if bundle.to != Party::Member(Member::gateway(factory.clone())) {
        return refused(format!("the bundle is for {}", bundle.to));
    }
    match &bundle.contents {
        Contents::Deliveries(_) => Ok(()),
        other => refused(format!("an authority sends deliveries, not {}", other.kind())),
    }
}

/// Writes new bundles, in one unit of work.
struct BundleWriter {
    here: Party,
    authority: Member,
    signer: Signer,
    trust: TrustReport,
    actor: Actor,
    now: i64,
}

impl BundleWriter {
    async fn write(self, transaction: &mut Transaction) -> Result<(Vec<Waiting>, usize, bool), GatewayError> {
        let peer = self.authority.to_string();
        let standing = carried::standing(transaction, &peer).await?;
        let kept = carried::kept(transaction, &peer).await?;
        let said = Said::in_bundles(&kept)?;
        let key = bundle_key::find(transaction).await?.ok_or_else(|| {
            let detail = "this gateway has no key for bundles yet; it makes one when it is started";
            GatewayError::refused(ProblemCode::Unavailable, detail)
        })?;
        let mut orders = said.new_orders(transaction, &key).await?;
        if orders.is_empty() && (kept.is_empty() || said.taken < standing.taken) {
            orders.push(nothing_but_the_key(&key));
        }
        let room = BUNDLES_MAX.saturating_sub(kept.len());
        let is_full = orders.len() > room;
        orders.truncate(room);
        let new = orders.len();
        for (sequence, orders) in (standing.sent + 1..).zip(orders) {
            let document = self.signer.sign(&self.bundle(sequence, standing, orders))?;
            carried::keep(transaction, &peer, sequence, &document).await?;
            let body = (&peer, sequence);
            audit::append(transaction, self.now, self.actor.as_str(), "bundle.make", &body).await?;
        }
        Ok((carried::kept(transaction, &peer).await?, new, is_full))
    }

    fn bundle(&self, sequence: u64, standing: Standing, orders: Orders) -> Bundle {
        let orders = Orders { trust: Some(self.trust.clone()), ..orders };
        Bundle {
            version: BUNDLE_VERSION,
            from: self.here.clone(),
            to: Party::Member(self.authority.clone()),
            sequence,
            taken: standing.taken,
            contents: Contents::Orders(orders),
        }
    }
}

/// What the bundles say that the authority is not known to have taken.
#[derive(Default)]
struct Said {
    taken: u64,
    records: HashSet<u64>,
    numbers: HashSet<DeviceNumber>,
    orders: HashSet<String>,
}

impl Said {
    fn in_bundles(kept: &[Waiting]) -> Result<Self, GatewayError> {
        let mut said = Self::default();
        for waiting in kept {
            let bundle = stored(waiting)?;
            said.taken = bundle.taken;
            let Contents::Orders(orders) = bundle.contents else { continue };
            said.records.extend(orders.report.iter().flat_map(|report| &report.records).map(|r| r.sequence));
            said.numbers.extend(orders.packs.into_iter().flat_map(|request| request.device_numbers));
            said.orders.extend(orders.apparatus_packs.map(|request| request.order.to_string()));
        }
        Ok(said)
    }

    /// What is still to be said, a bundle's worth an entry.
    async fn new_orders(
        &self,
        snapshot: &mut Snapshot,
        key: &BundleKey,
    ) -> Result<Vec<Orders>, GatewayError> {
        let records = outbox::waiting(snapshot, BUNDLES_MAX * RECORDS_MAX).await?;
        let records: Vec<_> =
            records.into_iter().filter(|record| !self.records.contains(&record.sequence)).collect();
        let mut reports = Vec::new();
        for records in records.chunks(RECORDS_MAX) {
            reports.push(report_of(records)?);
        }
        let mut requests = Vec::new();
        for product in number::reserved_products(snapshot).await? {
            let numbers = number::reserved(snapshot, &product, BUNDLES_MAX * DEVICE_NUMBERS_MAX).await?;
            let numbers: Vec<_> =
                numbers.into_iter().filter(|number| !self.numbers.contains(number)).collect();
            requests.extend(
                numbers
                    .chunks(DEVICE_NUMBERS_MAX)
                    .map(|numbers| CertificateTransmissionRequest { device_numbers: numbers.to_vec() }),
            );
        }
        let mut apparatus_requests = Vec::new();
        for order in apparatus::orders(snapshot).await? {
            if !self.orders.contains(&order.id) {
                apparatus_requests.push(order::request(&order)?);
            }
        }
        Ok(side_by_side(key, reports, requests, apparatus_requests))
    }
}

/// One of each in a bundle, for as long as there is any.
fn side_by_side(
    key: &BundleKey,
    reports: Vec<Report>,
    packs: Vec<CertificateTransmissionRequest>,
    apparatus_packs: Vec<ApparatusPackRequest>,
) -> Vec<Orders> {
    let count = reports.len().max(packs.len()).max(apparatus_packs.len());
    let (mut reports, mut packs) = (reports.into_iter(), packs.into_iter());
    let mut apparatus_packs = apparatus_packs.into_iter();
    let next = |_| Orders {
        report: reports.next(),
        packs: packs.next(),
        apparatus_packs: apparatus_packs.next(),
        ..nothing_but_the_key(key)
    };
    (0..count).map(next).collect()
}

fn nothing_but_the_key(key: &BundleKey) -> Orders {
    let key = Bytes(key.public.clone());
    Orders { key, trust: None, report: None, packs: None, apparatus_packs: None }
}

impl Gateway {
    /// Files what the authority's bundles bring, in order. Packs that cannot be filed are ordered again.
    ///
    /// # Errors
    /// The store or the key ring fails; what is left is taken the next time.
    pub async fn take_bundles(&self) -> Result<Vec<Taken>, ReplenishError> {
        if self.desk.bundles_waiting().await?.is_empty() {
            return Ok(Vec::new());
        }
        let _only_one = self.replenishing.lock().await;
        let mut all = Vec::new();
        let arrived = carried::arrived(&mut self.read().await?).await.map_err(GatewayError::from)?;
        for waiting in arrived {
            let bundle = stored(&waiting)?;
            let Contents::Deliveries(deliveries) = &bundle.contents else { continue };
            let taken = self.take_deliveries(&bundle, deliveries).await?;
            self.note_taken(&waiting, bundle.taken).await?;
            self.replace_used_key(&waiting.peer).await?;
            tracing::info!(sequence = taken.sequence, stocked = taken.stocked, "a bundle was taken");
            all.push(taken);
        }
        Ok(all)
    }

    /// Makes the key that packs in bundles are sealed to, where there is none yet.
    ///
    /// # Errors
    /// The store or the key ring fails.
    pub(crate) async fn make_first_bundle_key(&self) -> Result<(), GatewayError> {
        match bundle_key::find(&mut self.read().await?).await? {
            Some(_) => Ok(()),
            None => self.make_bundle_key(None).await,
        }
    }

    async fn take_deliveries(
        &self,
        bundle: &Bundle,
        deliveries: &Deliveries,
    ) -> Result<Taken, ReplenishError> {
        self.keep_allotment(&deliveries.allotment).await?;
        let settled = match &deliveries.report {
            Some(answer) => self.settle_answer(answer).await?,
            None => Drained::default(),
        };
        let mut taken = Taken {
            sequence: bundle.sequence,
            records: settled.taken,
            parked: settled.parked,
            stocked: 0,
            refused: Vec::new(),
            refused_products: Vec::new(),
            fault: None,
        };
        if let Some(Err(error)) = deliveries.trust.as_ref().map(|told| self.trust.take(told)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the CAs in a bundle are not taken");
            taken.fault = Some(error.to_string());
        }
        let Some(packs) = self.open_packs(bundle, deliveries, &mut taken).await? else { return Ok(taken) };
        let mut fetched = Fetched::default();
        match self.file_packs(packs, &mut fetched).await {
            Ok(()) => {}
            Err(unusable @ ReplenishError::Unusable { .. }) => {
                tracing::error!(error = &unusable as &dyn std::error::Error, "packs cannot be filed");
                taken.fault = Some(unusable.to_string());
            }
            Err(other) => return Err(other),
        }
        Ok(Taken {
            stocked: fetched.stocked,
            refused: fetched.refused,
            refused_products: fetched.refused_products,
            ..taken
        })
    }

    async fn open_packs(
        &self,
        bundle: &Bundle,
        deliveries: &Deliveries,
        taken: &mut Taken,
    ) -> Result<Option<Packs>, ReplenishError> {
        let Some(sealed) = &deliveries.packs else { return Ok(None) };
        let key = bundle_key::find(&mut self.read().await?).await.map_err(GatewayError::from)?;
        let key = key.ok_or(GatewayError::Store(StoreError::Corrupt { what: "bundle_key" }))?;
        let SealedSecret { slot, sealed: wrapped } = key.secret;
        let secret = self.ring.open_sealed(slot, KEY_CONTEXT, &wrapped)?;
        let opened = unseal(secret.expose(), Place::from(bundle), sealed);
        match opened.map(|json| serde_json::from_slice(&json)) {
            Ok(Ok(packs)) => Ok(Some(packs)),
            Ok(Err(_)) => {
                taken.fault = Some("its packs cannot be read".to_owned());
                Ok(None)
            }
            Err(error) => {
                taken.fault = Some(error.to_string());
                Ok(None)
            }
        }
    }

    /// Files packs for numbers and orders that still wait for them; those that came by another way are
    /// filed already.
    async fn file_packs(&self, packs: Packs, fetched: &mut Fetched) -> Result<(), ReplenishError> {
        for (number, problem) in &packs.refused_numbers {
            if self.reserved_of([number]).await?.contains(number) {
                fetched.refused.extend(self.abandon(vec![number.clone()], problem).await?);
            }
        }
        for (product, problem) in &packs.refused_products {
            fetched.refuse(product.clone(), problem);
        }
        let mut orders = apparatus::orders(&mut self.read().await?).await.map_err(GatewayError::from)?;
        let mut open_order = |id: &OrderId| {
            let at = orders.iter().position(|order| order.id == id.to_string())?;
            Some(orders.swap_remove(at))
        };
        if let Some((id, problem)) = &packs.refused_order
            && let Some(order) = open_order(id)
        {
            self.give_up(order, problem.to_string()).await?;
        }
        if let Some((id, answer)) = packs.apparatuses
            && let Some(order) = open_order(&id)
        {
            fetched.stocked += self.file_order(order, answer).await?;
        }
        let reserved = self.reserved_of(packs.certificates.iter().map(|pack| &pack.device_number)).await?;
        let wanted: Vec<NumberedPack> =
            packs.certificates.into_iter().filter(|pack| reserved.contains(&pack.device_number)).collect();
        if !wanted.is_empty() {
            let numbers = wanted.iter().map(|pack| pack.device_number.clone()).collect();
            fetched.stocked += self.file(numbers, CertificateTransmission { packs: wanted }).await?;
        }
        Ok(())
    }

    /// All numbers that wait for their packs, of the products of these numbers.
    async fn reserved_of(
        &self,
        numbers: impl IntoIterator<Item = &DeviceNumber>,
    ) -> Result<HashSet<DeviceNumber>, GatewayError> {
        let products: BTreeSet<&ProductCode> = numbers.into_iter().map(DeviceNumber::product).collect();
        let mut snapshot = self.desk.store.read().await?;
        let mut reserved = HashSet::new();
        for product in products {
            reserved.extend(number::reserved(&mut snapshot, product, NUMBERS_MAX).await?);
        }
        Ok(reserved)
    }

    /// Settles the records that an answer is about and that still wait.
    async fn settle_answer(&self, answer: &ReportAnswer) -> Result<Drained, GatewayError> {
        let answers = &answer.records;
        let Some((first, last)) = answers.first().zip(answers.last()) else { return Ok(Drained::default()) };
        let mut snapshot = self.desk.store.read().await?;
        let waiting = outbox::waiting_between(&mut snapshot, first.sequence, last.sequence).await?;
        drop(snapshot);
        let answered: HashSet<u64> = answers.iter().map(|answer| answer.sequence).collect();
        let waiting: Vec<_> =
            waiting.into_iter().filter(|record| answered.contains(&record.sequence)).collect();
        let fates = fates(&waiting, answers);
        self.settle(waiting, fates).await
    }

    async fn note_taken(&self, waiting: &Waiting, acknowledged: u64) -> Result<(), GatewayError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        let (peer, sequence) = (waiting.peer.clone(), waiting.sequence);
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    carried::take(transaction, &peer, sequence).await?;
                    carried::acknowledge(transaction, &peer, acknowledged).await?;
                    let body = (&peer, sequence);
                    Ok(audit::append(transaction, now, actor.as_str(), "bundle.take", &body).await?)
                })
            })
            .await
    }

    /// Once all bundles that name the key are answered, nothing more comes that is sealed to it.
    async fn replace_used_key(&self, peer: &str) -> Result<(), GatewayError> {
        let mut snapshot = self.read().await?;
        let kept = carried::kept(&mut snapshot, peer).await?;
        let used = bundle_key::find(&mut snapshot).await?;
        drop(snapshot);
        if kept.is_empty() { self.make_bundle_key(used).await } else { Ok(()) }
    }

    /// Makes a key in place of the one of before, which is then erased.
    async fn make_bundle_key(&self, before: Option<BundleKey>) -> Result<(), GatewayError> {
        let ReceiverKey { public, secret } = ReceiverKey::generate().map_err(GatewayError::Envelope)?;
        let sealed = self.ring.seal(&[(KEY_CONTEXT, secret.as_slice())]).await?;
        let Some((slot, sealed)) = sealed.into_iter().next() else { return Ok(()) };
        let key = BundleKey { public, secret: SealedSecret { slot, sealed } };
        let stored: Result<(), StoreError> = self
            .desk
            .store
            .write(move |transaction| Box::pin(async move { bundle_key::replace(transaction, &key).await }))
            .await;
        if let Err(error) = stored {
            self.discard(&[slot]).await?;
            return Err(error.into());
        }
        let erased: Vec<_> = before.into_iter().map(|key| key.secret.slot).collect();
        Ok(self.discard(&erased).await?)
    }

    async fn read(&self) -> Result<Snapshot, GatewayError> {
        Ok(self.desk.store.read().await?)
    }
}

/// More numbers than wait at any time.
const NUMBERS_MAX: usize = 10_000_000;

/// A bundle that was verified before it was stored, or is our own.
fn stored(waiting: &Waiting) -> Result<Bundle, GatewayError> {
    read_trusted(&waiting.document).map_err(|_| GatewayError::Store(StoreError::Corrupt { what: "bundle" }))
}
