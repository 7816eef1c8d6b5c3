//! CRLs and OCSP as anyone with openssl meets them, on both databases.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use cert::Certificate;
use identity::{DeviceNumber, RevocationReason};
use message::issue::NumberedPack;
use pki::{CrlPartition, certificate_pem};
use store::authority::ca::IssuingCaName;
use store::authority::selection::Selection;
use store::testing::{TestDatabase, on_both};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;
use transport::{Limits, serve_in_clear};

use crate::plant::{Plant, START, numbers, person};

const URL: &str = "http://pki.example:7480";

/// A plant that publishes, with devices and, as files, the certificates that openssl needs.
struct Published {
    plant: Plant,
    packs: Vec<NumberedPack>,
    files: TempDir,
}

impl Published {
    async fn new(database: TestDatabase) -> Self {
        let mut plant = Plant::new(database).await;
        plant.publish_at(URL).await;
        let packs = plant.issue(&numbers("3012", 123_000..123_003)).await.unwrap().packs;
        let files = TempDir::new().unwrap();
        for (name, der) in [
            ("root", &packs[0].pack.root_certificate.0),
            ("issuing", &packs[0].pack.issuing_certificate.0),
            ("0", &packs[0].pack.client_certificate.0),
            ("1", &packs[1].pack.client_certificate.0),
        ] {
            fs::write(files.path().join(format!("{name}.pem")), certificate_pem(der)).unwrap();
        }
        Self { plant, packs, files }
    }

    async fn revoke(&self, number: &DeviceNumber) {
        let one =
            Selection { first: Some(number.clone()), last: Some(number.clone()), ..Selection::default() };
        let (desk, reason) = (self.plant.authority.desk(), RevocationReason::KeyCompromise);
        assert_eq!(desk.revoke_selected(&one, reason, &person(), |_| {}).await.unwrap().certificates, 1);
    }

    fn serial(&self, device: usize) -> Vec<u8> {
        let certificate = Certificate::parse(&self.packs[device].pack.client_certificate.0).unwrap();
        certificate.serial().as_bytes().to_vec()
    }

    fn partition(&self, device: usize) -> CrlPartition {
        CrlPartition::of(&self.serial(device))
    }

    async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let router = Arc::clone(&self.plant.authority).publication_router();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    /// Fetches a CRL, and says its number and how many it lists.
    async fn crl(&self, device: usize, suffix: &str) -> (u64, usize) {
        let name = format!("{}{suffix}.crl", self.partition(device));
        let (status, der) = self.get(&format!("/crl/issuing/{name}")).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&der));
        fs::write(self.files.path().join("crl"), der).unwrap();
        let (_, text) = self.openssl("crl -inform DER -in crl -noout -text -CAfile issuing.pem");
        assert!(text.contains("verify OK"), "{text}");
        let number = text.split("X509v3 CRL Number: \n").nth(1).unwrap().lines().next().unwrap().trim();
        (number.parse().unwrap(), text.matches("Serial Number:").count())
    }

    /// Whether openssl takes the device's certificate, given the CRL that was fetched last.
    fn is_taken(&self, device: usize) -> bool {
        self.openssl("crl -inform DER -in crl -out crl.pem");
        let time = identity::Clock::epoch_seconds(self.plant.clock.as_ref()) + 1;
        let verify = format!(
            "verify -attime {time} -CAfile root.pem -untrusted issuing.pem -crl_check -CRLfile crl.pem {device}.pem"
        );
        let (taken, said) = self.openssl(&verify);
        assert_eq!(taken, !said.contains("certificate revoked"), "{said}");
        taken
    }

    fn openssl(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.files.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_on_its_partitions_crl_and_delta() {
    on_both(async |database| {
        let mut published = Published::new(database).await;
        let clock = Arc::clone(&published.plant.clock);
        let shown = published.openssl("x509 -in 0.pem -noout -text").1;
        let partition = published.partition(0);
        for said in [
            format!("URI:{URL}/crl/issuing/{partition}.crl"),
            format!("OCSP - URI:{URL}/ocsp"),
            format!("CA Issuers - URI:{URL}/ca/issuing.cer"),
        ] {
            assert!(shown.contains(&said), "{said} is missing in\n{shown}");
        }
        let (status, _) = published.get(&format!("/crl/issuing/{partition}-delta.crl")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "there is nothing yet that it could add to");

        assert_eq!(published.crl(0, "").await, (1, 0));
        assert!(published.is_taken(0));
        assert_eq!(published.crl(0, "-delta").await, (2, 0));
        published.revoke(&published.packs[0].device_number).await;
        assert_eq!(published.crl(0, "").await, (1, 0), "not signed for each revocation");
        clock.advance(30);
        assert_eq!(
            published.crl(0, "-delta").await,
            (3, 1),
            "whoever follows deltas knows within 30 seconds"
        );
        clock.advance(3_600);
        assert_eq!(published.crl(0, "").await, (4, 1));
        assert!(!published.is_taken(0));
        assert_eq!(published.crl(0, "-delta").await, (5, 0), "it adds to the new one");
        published.plant.publish_at(URL).await;
        assert_eq!(published.crl(0, "").await, (4, 1), "the same after a restart");
        clock.advance(12 * 3_600);
        assert_eq!(published.crl(0, "").await, (6, 1), "half of its time is over");

        let (status, der) = published.get("/ca/issuing.cer").await;
        assert_eq!((status, &der), (StatusCode::OK, &published.packs[0].pack.issuing_certificate.0));
        for nothing in ["/crl/plant/00.crl", "/crl/issuing/0.crl", "/crl/issuing/zz.crl", "/ca/root.cer"] {
            assert_eq!(published.get(nothing).await.0, StatusCode::NOT_FOUND, "{nothing}");
        }
        published.plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_asks_the_responder_over_http() {
    on_both(async |database| {
        let published = Published::new(database).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Arc::clone(&published.plant.authority).publication_router();
        let serving = serve_in_clear(listener, router, Limits::default(), std::future::pending());
        tokio::spawn(serving);
        let ask = |which: &str| {
            let period = "-validity_period 1000000000";
            published.openssl(&format!(
                "ocsp -url http://{address}/ocsp -issuer issuing.pem {which} -CAfile root.pem \
                 -verify_other issuing.pem -attime {START} {period}"
            ))
        };
        let (_, said) = ask("-cert 0.pem");
        assert!(said.contains("Response verify OK") && said.contains("0.pem: good"), "{said}");
        published.revoke(&published.packs[0].device_number).await;
        let (_, said) = ask("-cert 0.pem -cert 1.pem -serial 0x7777");
        assert!(said.contains("Response verify OK") && said.contains("0.pem: revoked"), "{said}");
        assert!(said.contains("Reason: keyCompromise") && said.contains("1.pem: good"), "{said}");
        assert!(said.contains("0x7777: unknown"), "{said}");
        let (_, said) = published.openssl(&format!(
            "ocsp -url http://{address}/ocsp -issuer root.pem -cert issuing.pem -noverify"
        ));
        assert!(said.contains("unauthorized (6)"), "it does not speak for the root: {said}");

        // Asked by GET, so that caches can answer.
        published.openssl("ocsp -issuer issuing.pem -cert 1.pem -no_nonce -reqout request.der");
        let (_, text) = published.openssl("base64 -A -in request.der");
        let path =
            format!("/ocsp/{}", text.trim().replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
        let (status, answer) = published.get(&path).await;
        assert_eq!(status, StatusCode::OK);
        fs::write(published.files.path().join("answer.der"), answer).unwrap();
        let (_, text) = published.openssl("ocsp -respin answer.der -noverify -text");
        assert!(text.contains("Cert Status: good"), "{text}");
    })
    .await;
}

/// Without an address certificates stay as they are, there are no CRLs, and OCSP answers all the same.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_named_where_nothing_is_published() {
    let mut published = Published::new(TestDatabase::sqlite()).await;
    published.plant.restart().await;
    let pack = published.plant.issue(&numbers("3012", 123_010..123_011)).await.unwrap().packs.remove(0);
    fs::write(published.files.path().join("0.pem"), certificate_pem(&pack.pack.client_certificate.0))
        .unwrap();
    let (_, text) = published.openssl("x509 -in 0.pem -noout -text");
    assert!(!text.contains("URI:"), "{text}");
    assert_eq!(published.get("/crl/issuing/00.crl").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ca_has_signed_is_published_when_another_one_signs_and_when_it_is_retired() {
    on_both(async |database| {
        let published = Published::new(database).await;
        let (plant, next) = (&published.plant, IssuingCaName::FIRST.next());
        plant.make_ca(None).await.unwrap();
        plant.desk().activate_issuing_ca(next, false, &person()).await.unwrap();
        let pack = plant.issue(&numbers("3012", 123_010..123_011)).await.unwrap().packs.remove(0).pack;
        for (name, der) in [("issuing-2", &pack.issuing_certificate.0), ("new", &pack.client_certificate.0)] {
            fs::write(published.files.path().join(format!("{name}.pem")), certificate_pem(der)).unwrap();
        }
        let shown = published.openssl("x509 -in new.pem -noout -text").1;
        assert!(shown.contains(&format!("URI:{URL}/crl/issuing-2/")), "{shown}");
        published.revoke(&published.packs[0].device_number).await;
        plant.desk().retire_issuing_ca(IssuingCaName::FIRST, true, &person()).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Arc::clone(&plant.authority).publication_router();
        tokio::spawn(serve_in_clear(listener, router, Limits::default(), std::future::pending()));
        for (issuer, certificate, is) in
            [("issuing", "0", "revoked"), ("issuing", "1", "good"), ("issuing-2", "new", "good")]
        {
            let (_, said) = published.openssl(&format!(
                "ocsp -url http://{address}/ocsp -issuer {issuer}.pem -cert {certificate}.pem -CAfile root.pem \
                 -verify_other {issuer}.pem -attime {START} -validity_period 1000000000"
            ));
            let expected = format!("{certificate}.pem: {is}");
            assert!(said.contains("Response verify OK") && said.contains(&expected), "{said}");
        }
        assert_eq!(published.crl(0, "").await, (1, 1), "the retired one's");
        assert!(!published.is_taken(0));
        let certificate = Certificate::parse(&pack.client_certificate.0).unwrap();
        let partition = CrlPartition::of(certificate.serial().as_bytes());
        assert_eq!(published.get(&format!("/crl/issuing-2/{partition}.crl")).await.0, StatusCode::OK);
        assert_eq!(published.get("/ca/issuing-2.cer").await, (StatusCode::OK, pack.issuing_certificate.0));
    })
    .await;
}
