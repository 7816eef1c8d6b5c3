//! TLS 1.2 for the products that a host lists, spoken by a client that is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS12;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use transport::{Device, HostTls, Json, Limits, Origin, Peer, serve};

use crate::host::{StoppedClock, member, note};
use crate::plant::{Draft, Key, Plant};

/// A host that lets devices of product 3012 come over TLS 1.2, and those who come.
struct Host {
    plant: Plant,
    address: SocketAddr,
    files: TempDir,
    openssl_configuration: Option<PathBuf>,
}

impl Host {
    async fn start(products: &[&str]) -> Self {
        let (plant, clock) = (Plant::new(), StoppedClock::new());
        let products: BTreeSet<_> = products.iter().map(|code| code.parse().unwrap()).collect();
        let credential = plant.member(&member("center:center"));
        let tls = HostTls::with_tls12_for(products, plant.trust(), &credential, clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/device", get(async |device: Device| Json(note(&device.0.number.to_string()))))
            .route("/peer", get(async |_: Peer| Json(note("someone"))))
            .route("/binding", get(async |origin: Origin| Json(note(&hex(&origin.channel_binding.0)))));
        tokio::spawn(serve(
            listener,
            Arc::new(tls.unwrap()),
            router,
            Limits::default(),
            std::future::pending(),
        ));
        Self { plant, address, files: TempDir::new().unwrap(), openssl_configuration: None }
    }

    fn device(&self, number: &str, key: &Key) -> Files {
        let files = self.files.path();
        let credential = self.plant.device_with(number, key);
        let paths = [files.join(format!("{number}.der")), files.join(format!("{number}.key"))];
        fs::write(&paths[0], credential.certificate().unwrap()).unwrap();
        fs::write(&paths[1], key.pkcs8().as_slice()).unwrap();
        Files { certificate: paths[0].display().to_string(), key: paths[1].display().to_string() }
    }

    /// What openssl hears when it asks for a path, or the alert and the error that it tells instead.
    async fn ask(&self, path: &str, device: Option<&Files>, options: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &self.address.to_string()]).args(options);
        if let Some(Files { certificate, key }) = device {
            command.args(["-certform", "DER", "-cert", certificate, "-keyform", "DER", "-key", key]);
        }
        if let Some(configuration) = &self.openssl_configuration {
            command.env("OPENSSL_CONF", configuration);
        }
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("./check installs openssl");
        let request = format!("GET {path} HTTP/1.1\r\nHost: center\r\nConnection: close\r\n\r\n");
        // It may have been refused and gone already.
        let _ = client.stdin.take().unwrap().write_all(request.as_bytes()).await;
        let output = client.wait_with_output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

struct Files {
    certificate: String,
    key: String,
}

/// How openssl is told to do without the extended master secret.
const NO_EXTENDED_MASTER_SECRET: &str = "openssl_conf = program\n[program]\nssl_conf = tls\n[tls]\nsystem_default = \
                                         defaults\n[defaults]\nOptions = -ExtendedMasterSecret\n";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TOO_OLD: &str = "\"code\":\"tls-too-old\"";

#[tokio::test]
async fn a_listed_product_comes_over_either_version() {
    let host = Host::start(&["3012"]).await;
    for (number, key) in [("3012-123456", Key::p256()), ("3012-123457", Key::p384())] {
        let device = host.device(number, &key);
        for version in ["-tls1_2", "-tls1_3"] {
            let heard = host.ask("/device", Some(&device), &[version]).await;
            assert!(heard.contains("200 OK") && heard.contains(number), "{version}: {heard}");
        }
    }
}

#[tokio::test]
async fn whoever_is_not_listed_is_told_that_tls_is_too_old() {
    let host = Host::start(&["3012"]).await;
    let other = host.device("A123-654321", &Key::p256());
    let heard = host.ask("/device", Some(&other), &["-tls1_2"]).await;
    assert!(heard.contains("403 Forbidden") && heard.contains(TOO_OLD), "{heard}");
    let heard = host.ask("/device", Some(&other), &["-tls1_3"]).await;
    assert!(heard.contains("200 OK"), "over 1.3 it is let in: {heard}");
    for path in ["/peer", "/nowhere", "/v1/join"] {
        let heard = host.ask(path, None, &["-tls1_2"]).await;
        assert!(heard.contains(TOO_OLD), "{path} without a certificate: {heard}");
    }
}

#[tokio::test]
async fn a_member_is_not_let_in_over_tls_1_2_whatever_its_name() {
    let host = Host::start(&["3012"]).await;
    let key = Key::p256();
    let gateway = Draft::member(&member("gateway:osaka"), &key).sign(&host.plant.plant);
    let device = host.device("3012-123456", &key);
    fs::write(&device.certificate, gateway).unwrap();
    let heard = host.ask("/peer", Some(&device), &["-tls1_2"]).await;
    assert!(heard.contains(TOO_OLD), "{heard}");
}

#[tokio::test]
async fn a_host_that_lists_no_product_speaks_tls_1_3_only() {
    let host = Host::start(&[]).await;
    let device = host.device("3012-123456", &Key::p256());
    let heard = host.ask("/device", Some(&device), &["-tls1_2"]).await;
    assert!(heard.contains("alert protocol version") && !heard.contains("HTTP/1.1"), "{heard}");
    let heard = host.ask("/device", Some(&device), &["-tls1_3"]).await;
    assert!(heard.contains("200 OK"), "{heard}");
}

#[tokio::test]
async fn of_tls_1_2_only_the_good_parts_are_spoken() {
    let mut host = Host::start(&["3012"]).await;
    let device = host.device("3012-123456", &Key::p256());
    for suite in
        ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    {
        let heard = host.ask("/device", Some(&device), &["-tls1_2", "-cipher", suite]).await;
        assert!(heard.contains("200 OK"), "{suite}: {heard}");
    }
    for suite in
        ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM", "ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"]
    {
        let heard = host.ask("/device", Some(&device), &["-tls1_2", "-cipher", suite]).await;
        assert!(heard.contains("alert handshake failure"), "{suite}: {heard}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let options = [version, "-cipher", "ALL:@SECLEVEL=0"];
        let heard = host.ask("/device", Some(&device), &options).await;
        assert!(heard.contains("SSL alert number") && !heard.contains("HTTP/1.1"), "{version}: {heard}");
    }
    let configuration = host.files.path().join("openssl.cnf");
    fs::write(&configuration, NO_EXTENDED_MASTER_SECRET).unwrap();
    host.openssl_configuration = Some(configuration);
    let heard = host.ask("/device", Some(&device), &["-tls1_2"]).await;
    assert!(heard.contains("alert handshake failure"), "without the extended master secret: {heard}");
}

#[tokio::test]
async fn a_connection_over_tls_1_2_can_be_named_by_both_ends() {
    let host = Host::start(&["3012"]).await;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyHost));
    let key = Key::p256();
    let device = host.plant.device_with("3012-123456", &key);
    let chain = vec![CertificateDer::from(device.certificate().unwrap().to_vec())];
    let key = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
    let config = config.with_client_auth_cert(chain, key.into()).unwrap();
    let stream = TcpStream::connect(host.address).await.unwrap();
    let name = ServerName::from(host.address.ip());
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let own = stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
    stream.write_all(b"GET /binding HTTP/1.1\r\nHost: center\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    // A peer that closes without saying so is an error to the library.
    let _ = stream.read_to_end(&mut heard).await;
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.contains(&hex(&own.unwrap())), "{heard}");
}

/// Takes any host: who the host is, is not what is tested.
#[derive(Debug)]
struct AnyHost;

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
