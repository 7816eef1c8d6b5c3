//! SOAP over HTTP, where it goes wrong. (That it goes right is shown with the station.)

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::sim::Tear;
use message::bytes::{Bytes, SecretBytes};
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, PackTransmission,
};
use message::pack::{CertificatePack, CredentialPack, PackKey};
use message::soap::{self, AnswerError, DOCUMENT_BYTES_MAX, Envelope, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use touchmark::emulator::{EmulatedDevice, serve_http};
use transport::soap::{SoapCallError, call};

use super::writer::{NUMBER, OpensslPack, blank};

struct OnHttp {
    device: Arc<Mutex<EmulatedDevice>>,
    address: SocketAddr,
}

async fn on_http() -> OnHttp {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let device = Arc::new(Mutex::new(blank()));
    tokio::spawn(serve_http(Arc::clone(&device), listener));
    OnHttp { device, address }
}

impl OnHttp {
    async fn ask<M: Message>(&self, request: &impl Message) -> Result<M, SoapCallError> {
        call(&format!("http://{}/soap", self.address), request, Duration::from_secs(30)).await
    }

    /// Sends the bytes and returns what comes back until the device closes the connection.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn transmission(&self, pack: &OpensslPack, result_address: &str) -> PackTransmission {
        let identification: DeviceIdentification = self.ask(&DeviceIdentificationRequest).await.unwrap();
        let certificate = CertificatePack {
            root_certificate: Bytes(pack.root.clone()),
            issuing_certificate: Bytes(pack.issuing.clone()),
            client_certificate: Bytes(pack.client.clone()),
            key: PackKey::Plain(SecretBytes::new(pack.secret_key.clone())),
        };
        PackTransmission {
            session: identification.session,
            challenge: Bytes(vec![7; 32]),
            result_address: result_address.to_owned(),
            device_number: NUMBER.parse().unwrap(),
            pack: CredentialPack { certificate: Some(certificate), apparatus: None },
        }
    }

    fn confirmed(&self) -> bool {
        self.device.lock().unwrap().confirmed_number().unwrap().is_some()
    }
}

/// A station that gives these answers, one after the other, to write results.
async fn station(answers: Vec<(u16, String)>) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/soap", listener.local_addr().unwrap());
    let (seen, results) = mpsc::channel(8);
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let handler = async move |document: axum::body::Bytes| {
        seen.send(document.to_vec()).await.unwrap();
        let (status, body) = answers.lock().unwrap().next().unwrap();
        (axum::http::StatusCode::from_u16(status).unwrap(), body)
    };
    let router = axum::Router::new().route("/soap", axum::routing::post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, results)
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_device_stays() {
    let port = on_http().await;
    let post = |path: &str, document: &str| {
        let length = document.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: device\r\nContent-Type: text/xml\r\nSOAPAction: \"\"\r\n\
             Content-Length: {length}\r\n\r\n{document}"
        )
    };
    let large = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    for (bytes, status) in [
        ("GET /soap HTTP/1.1\r\nHost: device\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        (post("/", ""), "404 Not Found"),
        ("\r\n\0nonsense\r\n\r\n".to_owned(), "400 Bad Request"),
        (post("/soap", &large), "500 Internal Server Error"),
    ] {
        let answer = port.send(bytes.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    for document in ["", "<a/>", "<!DOCTYPE a><a/>", "\u{0}"] {
        let answer = port.send(post("/soap", document).as_bytes()).await;
        let (_, document) = answer.split_once("\r\n\r\n").unwrap();
        let answer = Envelope::parse(document.as_bytes()).unwrap().answer::<DeviceIdentification>();
        assert!(matches!(answer, Err(AnswerError::Fault(_))), "{document:?}");
    }
    let _: DeviceIdentification = port.ask(&DeviceIdentificationRequest).await.unwrap();
}

#[tokio::test]
async fn an_order_that_cannot_be_answered_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let port = on_http().await;
    let good = port.transmission(&pack, "http://127.0.0.1:1/soap").await;
    let mut short_challenge = good.clone();
    short_challenge.challenge = Bytes(vec![7; 31]);
    let mut no_address = good.clone();
    no_address.result_address = "somewhere".to_owned();
    let mut secure_address = good;
    secure_address.result_address = "https://127.0.0.1:1/soap".to_owned();
    for order in [short_challenge, no_address, secure_address] {
        let answer = port.ask::<CertificateReceptionResponse>(&order).await;
        assert!(matches!(answer, Err(SoapCallError::Fault(_))));
        assert!(port.device.lock().unwrap().pack().unwrap().is_none());
    }
}

#[tokio::test]
async fn a_result_that_the_station_does_not_take_leaves_the_device_unconfirmed() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let port = on_http().await;
    let other = DeviceWriteResultResponse { device_number: "3012-999999".parse().unwrap() };
    let taken = DeviceWriteResultResponse { device_number: NUMBER.parse().unwrap() };
    let document = |response| soap::document(response).to_string();
    let (address, mut results) =
        station(vec![(500, "no envelope".to_owned()), (200, document(&other)), (200, document(&taken))])
            .await;
    for is_last in [false, false, true] {
        let order = port.transmission(&pack, &address).await;
        let answer: CertificateReceptionResponse = port.ask(&order).await.unwrap();
        assert_eq!(answer.outcome, Ok(()));
        let result = results.recv().await.unwrap();
        let result: DeviceWriteResult = Envelope::parse(&result).unwrap().message().unwrap();
        assert_eq!((result.session, result.device_number), (order.session, order.device_number));
        assert_eq!(result.outcome.unwrap().challenge, order.challenge);
        // The confirmation follows the station's answer, which this test has just given.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(if port.confirmed() { 0 } else { 2 })).await;
        }
        assert_eq!(port.confirmed(), is_last);
    }
}

#[tokio::test]
async fn a_device_without_power_ends_the_connection_without_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let port = on_http().await;
    let order = port.transmission(&pack, "http://127.0.0.1:1/soap").await;
    port.device.lock().unwrap().cut_power_after(100, Tear::Clean);
    let answer = port.ask::<CertificateReceptionResponse>(&order).await;
    assert!(matches!(answer, Err(SoapCallError::NoAnswer(_))));
    let answer = port.ask::<DeviceIdentification>(&DeviceIdentificationRequest).await;
    assert!(matches!(answer, Err(SoapCallError::NoAnswer(_))));
    port.device.lock().unwrap().power_on();
    let identification: DeviceIdentification = port.ask(&DeviceIdentificationRequest).await.unwrap();
    assert_eq!(identification.holding, None);
}
