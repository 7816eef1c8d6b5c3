//! A station with emulated devices on its port and a gateway over real TLS, through every way in
//! which a write can go and fail.

#![allow(clippy::unwrap_used)]

mod credentials;
mod gateway;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, MutexGuard};

use device::sim::Tear;
use gateway::{TestGateway, pre_write_key};
use identity::scan;
use message::problem::ProblemCode;
use message::result::WriteOutcome;
use seal::ChipKey;
use station::{DeviceAddress, Failure, Handling, Station, Written, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_serial::{SerialPort, SerialStream};
use touchmark::emulator::{EmulatedDevice, serve_http, serve_serial, serve_tcp};
use touchmark::rehearsal::faulty::{Fault, FaultyDevice};

/// Opening a line must not make it this process's terminal.
const O_NOCTTY: i32 = nix::fcntl::OFlag::O_NOCTTY.bits();

/// A device on a port of its own.
struct OnPort {
    device: Arc<Mutex<EmulatedDevice>>,
    address: DeviceAddress,
    serving: JoinHandle<()>,
    /// The station's end of a serial line, which as a real one is there before a station opens it.
    _line: Option<File>,
}

impl OnPort {
    async fn tcp(product: &str, chip: u8) -> Self {
        let (device, listener) = (device(product, chip), listener().await);
        let address = format!("tcp:{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&device);
        Self::new(device, &address, None, async move { drop(serve_tcp(serving, listener).await) })
    }

    async fn http(product: &str, chip: u8) -> Self {
        let (device, listener) = (device(product, chip), listener().await);
        let address = format!("http://{}/soap", listener.local_addr().unwrap());
        let serving = Arc::clone(&device);
        Self::new(device, &address, None, async move { drop(serve_http(serving, listener).await) })
    }

    async fn serial(product: &str, chip: u8) -> Self {
        let device = device(product, chip);
        let (line, mut station_end) = SerialStream::pair().unwrap();
        station_end.set_exclusive(false).unwrap();
        let path = station_end.name().unwrap();
        let plugged_in = File::options().read(true).write(true).custom_flags(O_NOCTTY).open(&path).unwrap();
        let address = format!("serial:{path}");
        let serving = Arc::clone(&device);
        Self::new(device, &address, Some(plugged_in), async move { drop(serve_serial(serving, line).await) })
    }

    /// A device whose answers are changed or held back.
    async fn faulty(device: Arc<Mutex<EmulatedDevice>>, fault: Fault) -> Self {
        let listener = listener().await;
        let address = format!("tcp:{}", listener.local_addr().unwrap());
        let faulty = FaultyDevice::new(Arc::clone(&device), fault);
        Self::new(device, &address, None, async move { drop(faulty.serve(listener).await) })
    }

    fn new(
        device: Arc<Mutex<EmulatedDevice>>,
        address: &str,
        line: Option<File>,
        serving: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let address = address.parse().unwrap();
        Self { device, address, serving: tokio::spawn(serving), _line: line }
    }

    fn device(&self) -> MutexGuard<'_, EmulatedDevice> {
        self.device.lock().unwrap()
    }

    /// The number of the pack in its flash, and the number it has taken for its own.
    fn holds(&self) -> (Option<String>, Option<String>) {
        let mut device = self.device();
        let pack = device.pack().unwrap().map(|pack| pack.device_number.to_string());
        (pack, device.confirmed_number().unwrap().map(|number| number.to_string()))
    }
}

impl Drop for OnPort {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A blank device with the keys that the gateway's packs for its product are sealed with.
fn device(product: &str, chip: u8) -> Arc<Mutex<EmulatedDevice>> {
    let chip = identity::HardwareUid::new(&[chip; 8]).unwrap();
    let blank = EmulatedDevice::new(product.parse().unwrap(), chip.clone(), 7);
    Arc::new(Mutex::new(match product {
        "S001" | "S002" | "K001" => blank.with_pre_write_key(pre_write_key()),
        "S003" => blank.with_pre_write_key(pre_write_key().for_chip(&chip)),
        "S004" => blank.with_chip_key(ChipKey::new(&[9; 32]).unwrap()),
        _ => blank,
    }))
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

struct Line {
    gateway: TestGateway,
    station: Station,
    directory: TempDir,
}

impl Line {
    async fn start(planned: &[&str]) -> Self {
        let gateway = TestGateway::start(planned).await;
        let directory = TempDir::new().unwrap();
        let station = gateway.station(directory.path());
        Self { gateway, station, directory }
    }

    async fn write(&self, scan: &str, port: &OnPort) -> Result<Written, Failure> {
        self.station.write(scan, &port.address).await
    }

    /// The station after a restart.
    fn restart(&mut self) {
        self.station = self.gateway.station(self.directory.path());
    }

    fn unfinished_files(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }

    fn verified(&self) -> Vec<String> {
        self.gateway.books().verified.iter().map(ToString::to_string).collect()
    }
}

fn finished(number: &str) -> (Option<String>, Option<String>) {
    (Some(number.into()), Some(number.into()))
}

#[tokio::test]
async fn a_device_is_written_over_every_kind_of_port() {
    let line = Line::start(&["3012-123456", "3012-123457", "3012-123458"]).await;
    for (scan, port) in [
        ("3012-123456", OnPort::tcp("3012", 1).await),
        ("3012-123457\r", OnPort::serial("3012", 2).await),
        ("]C03012-123458", OnPort::http("3012", 3).await),
    ] {
        let written = line.write(scan, &port).await.unwrap();
        assert_eq!(port.holds(), finished(&written.device_number.to_string()), "{}", port.address);
        assert_eq!(written.hardware_uid, port.device().hardware_uid());
    }
    assert_eq!(line.verified(), ["3012-123456", "3012-123457", "3012-123458"]);
    assert_eq!(line.unfinished_files(), 0);
}

#[tokio::test]
async fn bad_plates_and_wrong_devices_are_caught_before_anything_is_leased() {
    let line = Line::start(&["3012-123456", "A123-654321"]).await;
    let port = OnPort::tcp("A123", 1).await;
    let number = "A123-654321".parse().unwrap();
    let plate = format!("A123-654321{}", scan::check_character(&number));
    let misread = plate.replace("654321", "654312");
    for (scan, word) in [
        ("", "plate"),
        ("A123", "plate"),
        ("A123-65432", "plate"),
        ("A123-654321", "plate"),
        (misread.as_str(), "plate"),
        ("3012-123456", "wrong-product"),
    ] {
        let failure = line.write(scan, &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), (word, Handling::RetrySafe), "{scan}: {failure}");
    }
    assert_eq!((line.gateway.books().asked.len(), port.holds()), (0, (None, None)));
    line.write(&plate, &port).await.unwrap();
    assert_eq!(port.holds(), finished("A123-654321"));
}

#[tokio::test]
async fn the_gateways_refusals_reach_the_operator() {
    let line = Line::start(&["3012-123456", "3012-123457"]).await;
    let (first, second) = (OnPort::tcp("3012", 1).await, OnPort::tcp("3012", 2).await);
    line.write("3012-123456", &first).await.unwrap();
    for (scan, port, word, handling) in [
        ("3012-999999", &second, "unplanned", Handling::RetrySafe),
        ("3012-123456", &second, "already-made", Handling::RetrySafe),
        ("3012-123456", &first, "already-finished", Handling::RetrySafe),
        ("3012-123457", &first, "device-holds-another", Handling::RetrySafe),
    ] {
        let failure = line.write(scan, port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), (word, handling), "{scan}: {failure}");
    }
    assert_eq!(second.holds(), (None, None));
    assert_eq!(line.unfinished_files(), 0);
}

#[tokio::test]
async fn a_plate_on_two_devices_is_given_to_the_first_only() {
    let line = Line::start(&["3012-123456"]).await;
    let (first, second) = (OnPort::tcp("3012", 1).await, OnPort::tcp("3012", 2).await);
    line.gateway.books().results_refused = Some(ProblemCode::Unavailable);
    assert!(matches!(line.write("3012-123456", &first).await, Err(Failure::NotReported)));
    let failure = line.write("3012-123456", &second).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("second-device", Handling::Suspect));
    assert_eq!(second.holds(), (None, None));
    line.gateway.books().results_refused = None;
    line.write("3012-123456", &first).await.unwrap();
    assert_eq!(first.holds(), finished("3012-123456"));
}

#[tokio::test]
async fn no_lost_answer_of_the_gateway_matters() {
    for lost in 1..=4 {
        let line = Line::start(&["3012-123456", "3012-123457"]).await;
        let port = OnPort::tcp("3012", 1).await;
        line.gateway.link.drop_answer(lost);
        // The very first question is not repeated by the station, but by the operator's next scan.
        if let Err(failure) = line.write("3012-123456", &port).await {
            assert_eq!((lost, failure.word()), (1, "gateway-silent"));
            line.write("3012-123456", &port).await.unwrap();
        }
        assert_eq!(port.holds(), finished("3012-123456"), "answer {lost} lost");
        assert_eq!(line.verified(), ["3012-123456"]);
        assert_eq!(line.gateway.books().results.len(), 1);
        assert_eq!(line.unfinished_files(), 0);
    }
}

#[tokio::test]
async fn a_silent_gateway_and_a_silent_port_are_told_apart() {
    let line = Line::start(&["3012-123456"]).await;
    let port = OnPort::tcp("3012", 1).await;
    let nobody: DeviceAddress = format!("tcp:{}", listener().await.local_addr().unwrap()).parse().unwrap();
    let failure = line.station.write("3012-123456", &nobody).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("port-silent", Handling::RetrySafe));
    line.gateway.link.cut();
    let failure = line.write("3012-123456", &port).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("gateway-silent", Handling::RetrySafe));
    line.gateway.link.restore();
    line.write("3012-123456", &port).await.unwrap();
}

#[tokio::test]
async fn an_undelivered_result_is_delivered_after_a_restart_and_the_device_finished() {
    let ports =
        [OnPort::tcp("3012", 1).await, OnPort::serial("3012", 1).await, OnPort::http("3012", 1).await];
    for port in ports {
        let mut line = Line::start(&["3012-123456"]).await;
        line.gateway.books().results_refused = Some(ProblemCode::Unavailable);
        let failure = line.write("3012-123456", &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), ("not-reported", Handling::Suspect));
        assert_eq!(port.holds(), (Some("3012-123456".into()), None));

        line.restart();
        assert_eq!(line.station.deliver_waiting().await.unwrap(), 1);
        line.gateway.books().results_refused = None;
        assert_eq!(line.station.deliver_waiting().await.unwrap(), 0);
        assert_eq!(line.verified(), ["3012-123456"]);

        line.write("3012-123456", &port).await.unwrap();
        assert_eq!(port.holds(), finished("3012-123456"));
        assert_eq!((line.gateway.books().asked.len(), line.unfinished_files()), (1, 0));
    }
}

#[tokio::test]
async fn a_result_that_the_gateway_refuses_is_not_offered_again() {
    let line = Line::start(&["3012-123456"]).await;
    let port = OnPort::tcp("3012", 1).await;
    line.gateway.books().results_refused = Some(ProblemCode::ProofFailed);
    let failure = line.write("3012-123456", &port).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("proof-failed", Handling::Suspect));
    assert_eq!((port.holds().1, line.unfinished_files()), (None, 0));
}

#[tokio::test]
async fn a_pack_whose_key_is_not_its_certificates_is_never_called_good() {
    for port in [OnPort::tcp("3012", 1).await, OnPort::http("3012", 1).await] {
        let line = Line::start(&["3012-123456"]).await;
        line.gateway.mix_keys();
        let failure = line.write("3012-123456", &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), ("proof-failed", Handling::Suspect), "{failure}");
        assert_eq!(port.holds().1, None, "{}", port.address);
        let books = line.gateway.books();
        let outcomes: Vec<_> = books.results.values().map(|result| &result.outcome).collect();
        assert!(matches!(outcomes[..], [WriteOutcome::NoGood { untouched: false, .. }]), "{outcomes:?}");
    }
}

/// Writes one device whose power is cut after so many changes of its memories, and again once it
/// has power. Returns the word of the first failure.
async fn write_through_power_cut(line: &Line, number: &str, changes: u32) -> Option<&'static str> {
    let chip = u8::try_from(changes % 251).unwrap();
    let port = OnPort::tcp("3012", chip).await;
    port.device().cut_power_after(changes, Tear::Noisy(changes.into()));
    let failure = line.write(number, &port).await.err();
    if let Some(failure) = &failure {
        let expected =
            if failure.word() == "not-confirmed" { Handling::RetrySafe } else { Handling::Suspect };
        assert_eq!(failure.handling(), expected, "cut after {changes}: {failure}");
        port.device().power_on();
        line.write(number, &port).await.unwrap_or_else(|failure| panic!("cut after {changes}: {failure}"));
    }
    assert_eq!(port.holds(), finished(number), "cut after {changes}");
    failure.map(|failure| failure.word())
}

#[tokio::test]
async fn a_power_cut_leaves_a_device_that_can_be_tried_again() {
    const CUTS: u32 = 100;
    const CHANGES_BETWEEN_CUTS: u32 = 7;
    let numbers: Vec<String> = (0..CUTS).map(|index| format!("3012-{:06}", 200_000 + index)).collect();
    let planned: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let line = Arc::new(Line::start(&planned).await);
    let mut writes = JoinSet::new();
    for (number, changes) in numbers.into_iter().zip((0..).step_by(CHANGES_BETWEEN_CUTS as usize)) {
        let line = Arc::clone(&line);
        writes.spawn(async move { write_through_power_cut(&line, &number, changes).await });
    }
    let words: BTreeSet<Option<&str>> = writes.join_all().await.into_iter().collect();
    // The cuts fell into the pack, into the confirmation, and after the end.
    assert_eq!(words, BTreeSet::from([None, Some("device-lost"), Some("not-confirmed")]));
    assert_eq!((line.verified().len(), line.unfinished_files()), (CUTS as usize, 0));
}

#[tokio::test]
async fn a_day_of_scans_gives_a_verdict_each() {
    let line = Line::start(&["3012-123456", "3012-123457"]).await;
    let port = OnPort::tcp("3012", 1).await;
    let scans = "3012-123456\r\n\nA123-654321\n3012-123456";
    let mut verdicts = Vec::new();
    let report = |scan: &str, result: &Result<Written, Failure>| {
        verdicts.push((scan.to_owned(), result.as_ref().map_err(|failure| failure.word()).err()));
    };
    serve(&line.station, &port.address, scans.as_bytes(), report).await.unwrap();
    let expected =
        [("3012-123456", None), ("A123-654321", Some("plate")), ("3012-123456", Some("already-finished"))];
    assert_eq!(verdicts, expected.map(|(scan, word)| (scan.to_owned(), word)));
}
