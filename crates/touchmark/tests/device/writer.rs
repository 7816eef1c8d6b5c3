//! The station's end of a line, as small as can be, and packs that openssl made.

use std::io;
use std::path::Path;
use std::process::Command;

use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, CertificatePart, FRAME_BYTES_MAX, FrameCollector, Identity, Key,
    Pack, Request, Session, Transmission, Version,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use touchmark::emulator::EmulatedDevice;

pub const NUMBER: &str = "3012-123456";

/// A device that has just been built.
pub fn blank() -> EmulatedDevice {
    EmulatedDevice::new("3012".parse().unwrap(), "00112233".parse().unwrap(), 7)
}

/// One who asks a device over a stream.
pub struct Writer<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    pub async fn ask(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let mut frame = [0; FRAME_BYTES_MAX];
        let length = line::encode(Version::CURRENT, request, &mut frame).unwrap();
        self.ask_raw(&frame[..length]).await
    }

    pub async fn ask_raw(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        self.0.write_all(bytes).await?;
        let mut collector = FrameCollector::<ANSWER_FRAME_BYTES_MAX>::new();
        loop {
            if let Some(frame) = collector.push(self.0.read_u8().await?) {
                return Ok(line::decode(frame.unwrap()).unwrap().1);
            }
        }
    }

    pub async fn identify(&mut self) -> io::Result<Identity> {
        match self.ask(&Request::Identify).await? {
            Answer::Identity(identity) => Ok(identity),
            answer => panic!("{answer:?}"),
        }
    }

    pub async fn send(&mut self, session: Session, pack: Pack<'_>) -> io::Result<Answer> {
        self.ask(&Request::Transmission(Transmission { session, pack })).await
    }

    /// Writes a pack and has it confirmed.
    pub async fn make(&mut self, pack: Pack<'_>) -> io::Result<()> {
        let session = self.identify().await?.session;
        assert_eq!(self.send(session, pack).await?, Answer::Reception);
        assert_eq!(self.ask(&Request::ResultResponse { session }).await?, Answer::Done);
        Ok(())
    }
}

/// A pack from a CA of openssl's.
pub struct OpensslPack {
    pub root: Vec<u8>,
    pub issuing: Vec<u8>,
    pub client: Vec<u8>,
    pub secret_key: Vec<u8>,
}

impl OpensslPack {
    /// Makes root, issuing CA and device certificate in `directory`.
    pub fn make(directory: &Path) -> Self {
        let read = |file: &str| std::fs::read(directory.join(file)).unwrap();
        let make = |name: &str, subject: &str, curve: &str, issuer: Option<&str>, extensions: &[&str]| {
            let (key, certificate) = (format!("{name}-key.pem"), format!("{name}.pem"));
            let mut arguments = vec!["req", "-x509", "-nodes", "-sha256", "-days", "9", "-newkey", "ec"];
            let curve = format!("ec_paramgen_curve:{curve}");
            let issuer = issuer.map(|issuer| (format!("{issuer}.pem"), format!("{issuer}-key.pem")));
            arguments.extend(["-pkeyopt", &curve, "-subj", subject, "-keyout", &key, "-out", &certificate]);
            extensions.iter().for_each(|extension| arguments.extend(["-addext", extension]));
            if let Some((certificate, key)) = &issuer {
                arguments.extend(["-CA", certificate, "-CAkey", key]);
            }
            openssl(directory, &arguments);
            openssl(directory, &["x509", "-in", &certificate, "-outform", "DER", "-out", name]);
        };
        let ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        let device = [
            "basicConstraints=CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=clientAuth",
        ];
        make("root", "/CN=root", "P-384", None, &ca[1..]);
        make("issuing", "/CN=issuing", "P-256", Some("root"), &ca);
        make("device", &format!("/serialNumber={NUMBER}"), "P-256", Some("issuing"), &device);
        let pkcs8 =
            ["pkcs8", "-topk8", "-nocrypt", "-in", "device-key.pem", "-outform", "DER", "-out", "key"];
        openssl(directory, &pkcs8);
        Self { root: read("root"), issuing: read("issuing"), client: read("device"), secret_key: read("key") }
    }

    pub fn pack(&self) -> Pack<'_> {
        self.pack_with(Key::Plain(&self.secret_key))
    }

    /// The pack with its key in another form.
    pub fn pack_with<'a>(&'a self, key: Key<'a>) -> Pack<'a> {
        let (root, issuing, client) = (&self.root, &self.issuing, &self.client);
        let certificate = Some(CertificatePart { root, issuing, client, key });
        Pack { device_number: NUMBER.parse().unwrap(), certificate, symmetric: None }
    }
}

/// Runs openssl in `directory` and returns what it prints.
pub fn openssl(directory: &Path, arguments: &[&str]) -> String {
    String::from_utf8(openssl_bytes(directory, arguments)).unwrap()
}

/// As [`openssl`], where it prints DER.
pub fn openssl_bytes(directory: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
