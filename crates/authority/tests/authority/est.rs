//! EST with clients that are not ours: curl asks, over real TLS with the device's certificate, and openssl
//! makes the requests and reads the answers.

use std::path::Path;
use std::process::Command;

use identity::DeviceNumber;
use message::report::Event;
use store::authority::product::Product;
use store::authority::recovery::RecoveryState;
use store::authority::renewal_policy::RenewalPolicy;
use store::testing::TestDatabase;
use tempfile::TempDir;

use crate::plant::{Plant, numbers, passphrase, person, record, secret_key, verified};
use crate::serving::serving;

const NAMES: &str = "/O=Example Works/serialNumber=A123-123000";

/// A device's directory: `client.pem` and `key.pem`, and what it makes and gets.
struct Place {
    directory: TempDir,
    url: String,
    /// SHA-256 of the server's key, which curl verifies in place of a host name.
    pinned: String,
}

/// What curl got: status, headers, body.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Place {
    /// The place of a device of A123 that was made, at the address of the plant's authority.
    async fn new(plant: &Plant) -> Self {
        let url = serving(plant).await;
        let number = numbers("A123", 123_000..123_001);
        let pack = plant.issue(&number).await.unwrap().packs.remove(0);
        let records = vec![
            record(1, &number[0], Event::Stocked),
            record(2, &number[0], verified(&pack, "0011223344556677")),
        ];
        plant.report(records).await;
        let place = Self { directory: tempfile::tempdir().unwrap(), url, pinned: String::new() };
        place.write("client.pem", pki::certificate_pem(&pack.pack.client_certificate.0).as_bytes());
        place.write("key.der", secret_key(&pack));
        place.openssl("pkey -inform DER -in key.der -out key.pem");
        let server = &plant.ceremony_membership.member_certificate.0;
        place.write("server.pem", pki::certificate_pem(server).as_bytes());
        place.write("server.key.pem", &place.openssl("x509 -in server.pem -noout -pubkey"));
        place.openssl("pkey -pubin -in server.key.pem -outform DER -out server.key");
        place.openssl("dgst -sha256 -binary -out server.sha256 server.key");
        let pinned = String::from_utf8(place.openssl("base64 -A -in server.sha256")).unwrap();
        Self { pinned: format!("sha256//{pinned}"), ..place }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn openssl(&self, arguments: &str) -> Vec<u8> {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        self.run("openssl", &arguments)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(arguments).current_dir(self.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{program} is installed: {error}"));
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Asks with the certificate and the key in these files, or with none.
    fn curl(&self, path: &str, device: Option<(&str, &str)>, more: &[&str]) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut arguments = vec!["-sS", "--insecure", "--pinnedpubkey", &self.pinned];
        if let Some((certificate, key)) = device {
            arguments.extend(["--cert", certificate, "--key", key]);
        }
        arguments.extend(["-D", "headers", "-o", "body", "-w", "%{http_code}"]);
        arguments.extend(more);
        arguments.push(&url);
        let status = String::from_utf8(self.run("curl", &arguments)).unwrap().parse().unwrap();
        let read = |name: &str| std::fs::read(self.path().join(name)).unwrap_or_default();
        let headers = String::from_utf8(read("headers")).unwrap().to_lowercase();
        Answer { status, headers, body: read("body") }
    }

    /// Posts the request in `request.b64` as the device with these files.
    fn post(&self, operation: &str, device: (&str, &str)) -> Answer {
        let kind = "Content-Type: application/pkcs10";
        let path = format!("/.well-known/est/{operation}");
        self.curl(&path, Some(device), &["-H", kind, "--data-binary", "@request.b64"])
    }

    /// Makes a key of this name and puts the request for it into `request.b64`.
    fn make_request(&self, key: &str, names: &str, more: &[&str]) {
        self.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}"));
        let mut arguments = vec!["req", "-new", "-key", key, "-subj", names, "-outform", "DER"];
        arguments.extend(["-out", "request.der"]);
        arguments.extend(more);
        self.run("openssl", &arguments);
        self.openssl("base64 -in request.der -out request.b64");
    }

    /// The certificates of an answer, PEM, in a file of this name.
    fn certificates(&self, answer: &Answer, file: &str) -> String {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert!(answer.headers.contains("content-type: application/pkcs7-mime; smime-type=certs-only"));
        assert!(answer.headers.contains("content-transfer-encoding: base64"));
        self.certificates_in(&answer.body, file)
    }

    fn certificates_in(&self, base64: &[u8], file: &str) -> String {
        self.write("pkcs7.b64", base64);
        self.openssl("base64 -d -in pkcs7.b64 -out pkcs7.der");
        let text = self.openssl("pkcs7 -inform DER -in pkcs7.der -print_certs");
        self.write(file, &text);
        String::from_utf8(text).unwrap()
    }

    fn public_key(&self, command: &str) -> String {
        String::from_utf8(self.openssl(command)).unwrap()
    }

    fn is_for(&self, certificate: &str, key: &str) -> bool {
        self.public_key(&format!("x509 -in {certificate} -noout -pubkey"))
            == self.public_key(&format!("pkey -in {key} -pubout"))
    }
}

const FIRST: (&str, &str) = ("client.pem", "key.pem");

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_renews_a_devices_certificate() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let place = Place::new(&plant).await;

    let open = place.curl("/.well-known/est/cacerts", None, &[]);
    let authorities = place.certificates(&open, "cas.pem");
    assert_eq!(authorities.matches("BEGIN CERTIFICATE").count(), 2, "{authorities}");
    place.openssl("verify -CAfile cas.pem client.pem");

    let attributes = place.curl("/.well-known/est/csrattrs", Some(FIRST), &[]);
    assert!(attributes.headers.contains("content-type: application/csrattrs"), "{}", attributes.headers);
    place.write("attributes.b64", &attributes.body);
    place.openssl("base64 -d -in attributes.b64 -out attributes.der");
    let attributes = String::from_utf8(place.openssl("asn1parse -inform DER -in attributes.der")).unwrap();
    assert!(attributes.contains("prime256v1") && attributes.contains("ecdsa-with-SHA256"), "{attributes}");

    // RFC 7030 clause 4.2.2: the names must be those of the certificate that is shown.
    let more_names = ["-addext", "subjectAltName=URI:urn:example:device"];
    for (names, more) in [("/serialNumber=A123-123000", &[][..]), (NAMES, &more_names[..])] {
        place.make_request("next.key", names, more);
        assert_eq!(place.post("simplereenroll", FIRST).status, 400, "{names} {more:?}");
    }
    place.make_request("next.key", NAMES, &[]);
    let next = place.certificates(&place.post("simplereenroll", FIRST), "next.pem");
    assert_eq!(next.matches("BEGIN CERTIFICATE").count(), 1, "the issued certificate alone");
    assert!(place.is_for("next.pem", "next.key"));
    place.openssl("verify -CAfile cas.pem next.pem");
    let again = place.certificates(&place.post("simplereenroll", FIRST), "again.pem");
    assert_eq!(again, next, "the same request, the same certificate");

    let state = |device| {
        let answer = place.curl("/v1/identity", Some(device), &[]);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let second = ("next.pem", "next.key");
    assert!(state(FIRST).1.contains("verified") && state(second).1.contains("leased"));
    let confirmed = place.curl("/v1/identity/confirmation", Some(second), &["-X", "POST"]);
    assert_eq!(confirmed.status, 200);
    assert!(state(second).1.contains("verified"));
    assert_eq!(state(FIRST).0, 403);
    assert_eq!(place.post("simplereenroll", FIRST).status, 403);

    // A client that knows nothing of confirming simply goes on with what it got.
    place.make_request("third.key", "/serialNumber=A123-123000", &[]);
    place.certificates(&place.post("simpleenroll", second), "third.pem");
    place.make_request("fourth.key", NAMES, &[]);
    place.certificates(&place.post("simplereenroll", ("third.pem", "third.key")), "fourth.pem");
    assert_eq!(state(second).0, 403);
    assert_eq!(state(("third.pem", "third.key")).0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_gets_a_key_from_the_authority() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let place = Place::new(&plant).await;
    place.make_request("ignored.key", NAMES, &[]);
    let answer = place.post("serverkeygen", FIRST);
    assert_eq!(answer.status, 200);
    let kind = "content-type: multipart/mixed; boundary=";
    let boundary = answer.headers.split(kind).nth(1).unwrap().lines().next().unwrap().to_owned();
    let body = String::from_utf8(answer.body).unwrap();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let [before, key, certificate, after] = parts[..] else { panic!("two parts: {body}") };
    assert_eq!((before, after), ("", "--\r\n"));
    let content = |part: &str, kind: &str| {
        let (headers, content) = part.split_once("\r\n\r\n").unwrap();
        assert!(headers.contains(&format!("Content-Type: {kind}")), "{headers}");
        assert!(headers.contains("Content-Transfer-Encoding: base64"), "{headers}");
        content.as_bytes().to_vec()
    };
    place.write("new.b64", &content(key, "application/pkcs8"));
    place.openssl("base64 -d -in new.b64 -out new.der");
    place.openssl("pkey -inform DER -in new.der -out new.key");
    let certificate = content(certificate, "application/pkcs7-mime; smime-type=certs-only");
    place.certificates_in(&certificate, "new.pem");
    assert!(place.is_for("new.pem", "new.key") && !place.is_for("new.pem", "ignored.key"));
    let identity = place.curl("/v1/identity", Some(("new.pem", "new.key")), &[]);
    assert_eq!(identity.status, 200);
    let number: DeviceNumber = "A123-123000".parse().unwrap();
    assert!(String::from_utf8(identity.body).unwrap().contains(&number.to_string()));
}

const COMMON: (&str, &str) = ("common.pem", "common.key");

/// What `openssl req` needs to say which chip a device has (RFC 4108).
const CHIP: &str = "[req]\ndistinguished_name=dn\nreq_extensions=names\n[dn]\n[names]\n\
    subjectAltName=otherName:1.3.6.1.5.5.7.8.4;SEQ:module\n[module]\nkind=OID:1.3.6.1.4.1.32473.1\n\
    serial=FORMAT:HEX,OCTETSTRING:0011223344556677\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_recovers_under_a_common_certificate_once_a_person_says_so() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let (desk, person) = (plant.authority.desk(), person());
    let made = desk.make_common_certificate(&"A123".parse().unwrap(), 5, passphrase(), &person).await;
    let batch = made.unwrap().batch;
    let common = desk.export_common_certificate(&batch, passphrase(), &person).await.unwrap();
    let place = Place::new(&plant).await;
    place.write("common.pem", pki::certificate_pem(&common.certificate).as_bytes());
    place.write("common.der", common.key.expose());
    place.openssl("pkey -inform DER -in common.der -out common.key");
    place.write("chip.cnf", CHIP.as_bytes());
    let with_chip = ["-config", "chip.cnf"];

    let authorities =
        place.certificates(&place.curl("/.well-known/est/cacerts", Some(COMMON), &[]), "cas.pem");
    assert_eq!(authorities.matches("BEGIN CERTIFICATE").count(), 2, "{authorities}");
    for (names, more) in [(NAMES, &[][..]), ("/O=Example Works", &with_chip[..])] {
        place.make_request("new.key", names, more);
        assert_eq!(place.post("simpleenroll", COMMON).status, 400, "{names} {more:?}");
    }
    place.make_request("new.key", "/serialNumber=3012-123000", &with_chip);
    let foreign = place.post("simpleenroll", COMMON);
    let said = String::from_utf8(foreign.body).unwrap();
    assert!(said.contains("wrong-product"), "its batch is of another: {said}");

    let mut recoveries = Vec::new();
    for key in ["refused.key", "new.key"] {
        place.make_request(key, NAMES, &with_chip);
        for _ in 0..2 {
            let waiting = place.post("simpleenroll", COMMON);
            assert_eq!(waiting.status, 202, "{}", String::from_utf8_lossy(&waiting.body));
            assert!(waiting.headers.contains("retry-after: 300\r\n"), "{}", waiting.headers);
        }
        let pending = desk.recoveries(Some(RecoveryState::Pending), 10).await.unwrap().remove(0);
        assert_eq!(pending.known_hardware_uid, Some(pending.recovery.hardware_uid.clone()));
        recoveries.push(pending.recovery.recovery);
        if key == "refused.key" {
            desk.refuse_recovery(recoveries[0], "not ours", &person).await.unwrap();
            assert_eq!(place.post("simpleenroll", COMMON).status, 403);
        }
    }
    desk.approve_recovery(recoveries[1], &person).await.unwrap();
    let given = place.certificates(&place.post("simpleenroll", COMMON), "new.pem");
    assert!(place.is_for("new.pem", "new.key"));
    place.openssl("verify -CAfile cas.pem new.pem");
    assert_eq!(place.certificates(&place.post("simpleenroll", COMMON), "again.pem"), given, "asked again");

    let new = ("new.pem", "new.key");
    let confirmed = place.curl("/v1/identity/confirmation", Some(new), &["-X", "POST"]);
    assert_eq!(confirmed.status, 200);
    assert_eq!(place.curl("/v1/identity", Some(FIRST), &[]).status, 403, "the one before is void");
    for operation in ["simplereenroll", "serverkeygen"] {
        assert_eq!(place.post(operation, COMMON).status, 403, "{operation} under a common certificate");
    }
    desk.stop_common_certificate(&batch, "leaked", &person).await.unwrap();
    assert_eq!(place.post("simpleenroll", COMMON).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_renewed_for_as_long_as_its_product_says_and_does_nothing_else() {
    const DAY: i64 = 86_400;
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let desk = plant.authority.desk();
    let product = desk.products().await.unwrap().into_iter().find(|found| found.code.as_str() == "A123");
    let product = Product { validity_days: Some(30), ..product.unwrap() };
    desk.set_product(product.clone(), &person()).await.unwrap();
    let place = Place::new(&plant).await;
    place.make_request("next.key", NAMES, &[]);
    plant.clock.advance(31 * DAY);

    assert_eq!(place.curl("/v1/identity", Some(FIRST), &[]).status, 401);
    assert_eq!(place.post("simplereenroll", FIRST).status, 403, "the product says nothing of it");
    let policy = RenewalPolicy { expired_days: 10, before_days: None };
    desk.set_renewal_policy(&product.code, policy, &person()).await.unwrap();
    place.certificates(&place.post("simplereenroll", FIRST), "next.pem");
    for path in ["/v1/identity", "/openapi.json", "/soap?wsdl", "/.well-known/est/csrattrs"] {
        assert_eq!(place.curl(path, Some(FIRST), &[]).status, 401, "{path}");
    }
    plant.clock.advance(10 * DAY);
    assert_eq!(place.post("simplereenroll", FIRST).status, 403, "too late");
    let second = ("next.pem", "next.key");
    let confirmed = place.curl("/v1/identity/confirmation", Some(second), &["-X", "POST"]);
    assert_eq!(confirmed.status, 200);
    assert_eq!(place.curl("/v1/identity", Some(second), &[]).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_and_who_is_no_device_gets_nothing() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let place = Place::new(&plant).await;
    place.make_request("other.key", "/serialNumber=A123-123001", &[]);
    for operation in ["simpleenroll", "serverkeygen"] {
        assert_eq!(place.post(operation, FIRST).status, 403, "{operation} for another number");
    }
    place.make_request("next.key", NAMES, &[]);
    for operation in ["simpleenroll", "simplereenroll", "serverkeygen", "csrattrs"] {
        let path = format!("/.well-known/est/{operation}");
        let asked: &[&str] = match operation {
            "csrattrs" => &[],
            _ => &["-H", "Content-Type: application/pkcs10", "--data-binary", "@request.b64"],
        };
        assert_eq!(place.curl(&path, None, asked).status, 401, "{operation} without certificate");
    }
    let path = "/.well-known/est/simpleenroll";
    let untyped = place.curl(path, Some(FIRST), &["--data-binary", "@request.b64"]);
    assert_eq!(untyped.status, 415);
    for (content, expected) in [(&b"&&&"[..], 400), (b"", 400), (b"MAA=", 400), (&[b'A'; 20_000], 413)] {
        place.write("request.b64", content);
        assert_eq!(place.post("simpleenroll", FIRST).status, expected);
        assert_eq!(place.post("serverkeygen", FIRST).status, expected);
    }
}
