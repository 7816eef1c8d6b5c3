//! A device calls its center while its power fails and messages are lost. Nobody takes it for a copy, and
//! every unit counts once.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use center::{Center, Desk, Settings};
use cert::{Certificate, DeviceIdentity, Fingerprint};
use device::calling::Event;
use device::sim::Tear;
use futures_util::StreamExt;
use futures_util::stream::iter;
use identity::line::Transmission;
use identity::{CredentialState, DeviceNumber};
use message::bytes::Bytes;
use message::call::CallAnswer;
use message::fleet::{DeviceRegistration, DeviceRegistrations};
use message::problem::{Problem, ProblemCode};
use store::testing::{TestDatabase, on_both};
use store::{Schema, Store};
use touchmark::emulator::{CallingError, EmulatedDevice};
use touchmark::surroundings::{SystemClock, SystemRandom};
use tower::ServiceExt;
use transport::Peer;

use super::writer::{OpensslPack, blank};

/// A center whose devices all have one key, and what is in their packs.
struct Site {
    center: Arc<Center>,
    pack: OpensslPack,
    identity: DeviceIdentity,
    _directory: tempfile::TempDir,
    _database: TestDatabase,
}

impl Site {
    async fn with_devices(database: TestDatabase, count: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pack = OpensslPack::make(directory.path());
        let certificate = Certificate::parse(&pack.client).unwrap();
        let identity = DeviceIdentity {
            number: number(0),
            spki_sha256: certificate.spki_fingerprint(),
            certificate_serial: certificate.serial(),
            issuer_sha256: Fingerprint::of(&pack.issuing),
        };
        let store = Store::open(&database.url, Schema::Center).await.unwrap();
        let desk = Desk::new(store, Arc::new(SystemClock));
        let member = "urn:touchmark:center:europe".parse().unwrap();
        let center = Center::new(member, desk, Arc::new(SystemRandom), Settings::default());
        let record = |n: u32| DeviceRegistration {
            sequence: u64::from(n) + 1,
            time: 1,
            device_number: number(n),
            state: CredentialState::Verified,
            public_key_sha256: Bytes(identity.spki_sha256.as_bytes().to_vec()),
            issuer_sha256: Bytes(identity.issuer_sha256.as_bytes().to_vec()),
            expires: None,
            renew_from: None,
            hardware_uid: None,
            new_board: false,
        };
        center.register(DeviceRegistrations { records: (0..count).map(record).collect() }).await.unwrap();
        Self { center: Arc::new(center), pack, identity, _directory: directory, _database: database }
    }

    /// A device that was made as number `n`.
    fn device(&self, n: u32) -> EmulatedDevice {
        let mut device = blank();
        let session = device.identify().unwrap().unwrap().session;
        let mut pack = self.pack.pack();
        pack.device_number = number(n);
        device.receive(&Transmission { session, pack }).unwrap().unwrap();
        device.confirm(session).unwrap().unwrap();
        device
    }

    async fn post(&self, n: u32, raw: &[u8]) -> Result<CallAnswer, ProblemCode> {
        let mut request = Request::post("/v1/calls")
            .header("content-type", "application/json")
            .body(Body::from(raw.to_vec()))
            .unwrap();
        let identity = DeviceIdentity { number: number(n), ..self.identity.clone() };
        request.extensions_mut().insert(Peer::Device(identity));
        let response = Arc::clone(&self.center).router().oneshot(request).await.unwrap();
        let is_good = response.status().is_success();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if is_good {
            Ok(serde_json::from_slice(&body).unwrap())
        } else {
            Err(serde_json::from_slice::<Problem>(&body).unwrap().code)
        }
    }
}

fn number(n: u32) -> DeviceNumber {
    format!("3012-{n:06}").parse().unwrap()
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    Holds,
    LosesTheCall,
    LosesTheAnswer,
}

/// One way in which things go wrong: where the power is cut, and what becomes of each message in turn.
#[derive(Clone, Copy, Debug)]
struct Mishap {
    cut: u32,
    tear: Tear,
    links: &'static [Link],
}

const ROUNDS: u64 = 2;

/// A device counts and calls until what it counted is told, however often it has to. Whether the power was cut.
async fn count_and_call(site: &Site, n: u32, mishap: Mishap) -> bool {
    let mut device = site.device(n);
    device.cut_power_after(mishap.cut, mishap.tear);
    let mut links = mishap.links.iter();
    let mut was_cut = false;
    for round in 1..=ROUNDS {
        while !attempt(site, n, &mut device, 10 * round, &mut links).await.unwrap_or_else(|error| {
            assert!(device_is_off(&error), "{mishap:?}: {error:?}");
            false
        }) {
            if device.is_off() {
                device.power_on();
                was_cut = true;
            }
        }
    }
    was_cut
}

fn device_is_off(error: &CallingError) -> bool {
    use device::calling::CallingError::Store;
    matches!(error, CallingError::Silence(_) | CallingError::Nvram(_) | CallingError::Calling(Store(_)))
}

/// Switches the device on, and lets it call; whether what it counted is told.
async fn attempt(
    site: &Site,
    n: u32,
    device: &mut EmulatedDevice,
    total: u64,
    links: &mut std::slice::Iter<'_, Link>,
) -> Result<bool, CallingError> {
    device.boot()?;
    device.count("total", total)?;
    if device.calling()?.unanswered().is_some() && !send(site, n, device, links).await? {
        return Ok(false);
    }
    device.make_call(Event::Counter)?;
    send(site, n, device, links).await
}

/// Sends what has no answer; whether the answer arrived.
async fn send(
    site: &Site,
    n: u32,
    device: &mut EmulatedDevice,
    links: &mut std::slice::Iter<'_, Link>,
) -> Result<bool, CallingError> {
    let calling = device.calling()?;
    let link = links.next().copied().unwrap_or(Link::Holds);
    if link == Link::LosesTheCall {
        return Ok(false);
    }
    let answer = site.post(n, calling.unanswered().unwrap()).await.unwrap();
    if link == Link::LosesTheAnswer {
        return Ok(false);
    }
    device.take_answer(&serde_json::to_vec(&answer).unwrap())?;
    Ok(true)
}

const CUTS_AT_ONCE: usize = 32;

const TEARS: [Tear; 3] = [Tear::Clean, Tear::Noisy(1), Tear::Noisy(2)];

const LINKS: [&[Link]; 4] = {
    use Link::{Holds, LosesTheAnswer, LosesTheCall};
    [&[], &[LosesTheAnswer, LosesTheCall, LosesTheAnswer], &[LosesTheCall], &[Holds, LosesTheAnswer]]
};

#[tokio::test]
async fn a_device_whose_power_fails_at_any_word_is_not_taken_for_a_copy() {
    let is_long = std::env::var("TOUCHMARK_SWEEP").as_deref() == Ok("long");
    let tears = if is_long { &TEARS[..] } else { &TEARS[..2] };
    let site = &Site::with_devices(TestDatabase::sqlite(), 20_000).await;
    let ways: Vec<_> =
        tears.iter().flat_map(|tear| LINKS.map(|links| Mishap { cut: 0, tear: *tear, links })).collect();
    let step = if is_long { 1 } else { 5 };
    let mut next = 0;
    // Cuts further and further on, until all is told before the cut.
    for first in (0..).step_by(CUTS_AT_ONCE * step) {
        let cuts = (first..).step_by(step).take(CUTS_AT_ONCE);
        let mishaps = cuts.flat_map(|cut| ways.iter().map(move |way| Mishap { cut, ..*way }));
        let tries: Vec<(u32, Mishap)> = (next..).zip(mishaps).collect();
        next += tries.len() as u32;
        let runs = iter(tries).map(|(n, mishap)| count_and_call(site, n, mishap)).buffer_unordered(256);
        if !runs.collect::<Vec<bool>>().await.contains(&true) {
            break;
        }
    }
    assert!(next > 500, "{next} runs are few");
    let desk = site.center.desk();
    assert_eq!(desk.incidents(None, 10).await.unwrap(), [], "of {next} honest devices, none is accused");
    let invoice = desk.invoice(0, i64::MAX, None).await.unwrap();
    let untold = invoice.lines.iter().filter(|line| line.units.cast_unsigned() != 10 * ROUNDS).count();
    assert_eq!((untold, invoice.lines.len()), (0, next as usize), "each unit counts once");
}

#[tokio::test]
async fn a_copied_device_is_found_at_its_first_call() {
    on_both(async |database| {
        let site = Site::with_devices(database, 1).await;
        let mut device = site.device(0);
        let mut links = [].iter();
        assert!(attempt(&site, 0, &mut device, 10, &mut links).await.unwrap());
        let mut copy = device.copy();
        assert!(attempt(&site, 0, &mut device, 20, &mut links).await.unwrap());
        copy.boot().unwrap();
        copy.count("total", 1_000_000).unwrap();
        copy.make_call(Event::Counter).unwrap();
        let refused = site.post(0, copy.calling().unwrap().unanswered().unwrap()).await.unwrap_err();
        assert_eq!(refused, ProblemCode::Quarantined);
    })
    .await;
}
