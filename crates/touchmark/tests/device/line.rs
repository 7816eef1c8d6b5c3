//! Frames over TCP and serial lines.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

use device::sim::Tear;
use identity::line::{Answer, FRAME_BYTES_MAX, Refusal};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_serial::{SerialPort, SerialStream};
use touchmark::emulator::{EmulatedDevice, Port, serve_stream, serve_tcp};

use super::writer::{NUMBER, OpensslPack, Writer, blank};

type SharedDevice = Arc<Mutex<EmulatedDevice>>;

/// A device on a TCP port, and what connects to it.
async fn on_tcp(device: EmulatedDevice) -> (SharedDevice, impl AsyncFn() -> Writer<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let device = Arc::new(Mutex::new(device));
    tokio::spawn(serve_tcp(Arc::clone(&device), listener));
    (device, async move || Writer(TcpStream::connect(address).await.unwrap()))
}

#[tokio::test]
async fn one_peer_after_the_other_finds_the_device_as_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let (_, connect) = on_tcp(blank()).await;
    let mut first = connect().await;
    assert_eq!(first.identify().await.unwrap().holding, None);
    let session = first.identify().await.unwrap().session;
    assert_eq!(first.send(session, pack.pack()).await.unwrap(), Answer::Reception);
    drop(first);

    let mut second = connect().await;
    let identity = second.identify().await.unwrap();
    assert_eq!((identity.holding, identity.confirmed), (Some(NUMBER.parse().unwrap()), false));
    second.make(pack.pack()).await.unwrap();
    assert!(second.identify().await.unwrap().confirmed);
}

#[tokio::test]
async fn nonsense_is_answered_and_the_line_stays_usable() {
    let (_, connect) = on_tcp(blank()).await;
    let mut writer = connect().await;
    let malformed = Answer::Refused(Refusal::Malformed);
    assert_eq!(writer.ask_raw(b"GET / HTTP/1.1\r\n\0").await.unwrap(), malformed);
    let mut too_long = vec![1; 3 * FRAME_BYTES_MAX];
    too_long.push(0);
    assert_eq!(writer.ask_raw(&too_long).await.unwrap(), malformed);
    assert_eq!(writer.ask_raw(&[3, 1, 2, 0]).await.unwrap(), malformed);
    writer.identify().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_or_half_is_let_go() {
    for said in [&b""[..], b"\x03\x01\x82"] {
        let (mut peer, port) = tokio::io::duplex(64);
        let device = Mutex::new(blank());
        peer.write_all(said).await.unwrap();
        let error = serve_stream(&device, port).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_fetch_its_answer_is_let_go() {
    let (mut peer, port) = tokio::io::duplex(16);
    let device = Mutex::new(blank());
    let ask = async {
        while peer.write_all(&[1, 0]).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let served = tokio::select! {
        served = serve_stream(&device, port) => served,
        () = ask => unreachable!("the device ends it"),
    };
    assert_eq!(served.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_power_cut_is_silence_and_then_the_old_pack_or_the_new() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let mut seen = Vec::new();
    // The last of these is never reached.
    for changes in [0, 3, 50, 200, 10_000] {
        let (device, connect) = on_tcp(blank()).await;
        let mut writer = connect().await;
        let session = writer.identify().await.unwrap().session;
        device.lock().unwrap().cut_power_after(changes, Tear::Noisy(1));
        let answer = writer.send(session, pack.pack()).await;
        let was_cut = device.lock().unwrap().is_off();
        assert_eq!(answer.is_err(), was_cut, "a device without power says nothing");
        if was_cut {
            assert!(connect().await.identify().await.is_err());
        }

        drop(writer);
        device.lock().unwrap().power_on();
        let mut writer = connect().await;
        let holding = writer.identify().await.unwrap().holding;
        assert!(holding.is_none() || holding == Some(NUMBER.parse().unwrap()));
        seen.push(holding.is_some());
        writer.make(pack.pack()).await.unwrap();
    }
    assert_eq!(seen, [false, false, false, false, true]);
}

#[tokio::test]
async fn a_serial_line_outlives_the_conversations_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let (station_end, device_end) = SerialStream::pair().unwrap();
    let address = format!("serial:{}", device_end.name().unwrap());
    drop(device_end);
    let port = Port::open(&address.parse().unwrap()).await.unwrap();
    assert_eq!(port.address().unwrap().to_string(), address);
    let device = Arc::new(Mutex::new(blank()));
    tokio::spawn(port.serve(Arc::clone(&device)));

    let mut writer = Writer(station_end);
    let noise = writer.ask_raw(b"noise on the line\0").await.unwrap();
    assert_eq!(noise, Answer::Refused(Refusal::Malformed));
    writer.make(pack.pack()).await.unwrap();
    assert!(writer.identify().await.unwrap().confirmed);
    assert_eq!(device.lock().unwrap().confirmed_number().unwrap(), Some(NUMBER.parse().unwrap()));
}
