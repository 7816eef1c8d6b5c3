//! Files in ranges, to devices that were asked to fetch them and to nobody else.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use identity::CredentialState;
use message::call::{Command, Event};
use message::problem::ProblemCode;
use store::testing::{TestDatabase, on_both};
use transport::FilePart;

use crate::firmware::{Maker, add};
use crate::plant::{Device, Plant, person, refusal};

/// Three buffers and a bit.
const IMAGE_BYTES: usize = 200_000;

fn image() -> Vec<u8> {
    (0..IMAGE_BYTES).map(|n| (n * 31 % 251) as u8).collect()
}

async fn ask_to_fetch(plant: &Plant, device: &Device, name: &str) {
    let command = Command::FetchFirmware { package: name.parse().unwrap() };
    plant.desk().request(device.number.clone(), command, &person()).await.unwrap();
}

async fn get(
    plant: &Plant,
    device: &Device,
    method: Method,
    name: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(format!("/v1/files/{name}"));
    for (header, value) in headers {
        request = request.header(*header, *value);
    }
    let response = plant.answer(device, request.body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

#[tokio::test]
async fn a_file_comes_whole_or_in_the_one_range_that_is_asked_for() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    let package = Maker::known(&plant).await.package("3012", "1.0.0", 0, &image());
    let name = add(&plant, &package).await.unwrap().name;
    ask_to_fetch(&plant, &device, &name).await;
    let (length, tag) = (package.len(), format!("\"{name}\""));
    let last = length - 1;
    let whole = 0..length;
    let cases = [
        ("bytes=0-0", StatusCode::PARTIAL_CONTENT, 0..1),
        ("bytes=0-191", StatusCode::PARTIAL_CONTENT, 0..192),
        ("bytes=65536-131071", StatusCode::PARTIAL_CONTENT, 65_536..131_072),
        ("bytes=1-", StatusCode::PARTIAL_CONTENT, 1..length),
        ("bytes=-5", StatusCode::PARTIAL_CONTENT, length - 5..length),
        ("bytes=-99999999", StatusCode::PARTIAL_CONTENT, whole.clone()),
        (&format!("bytes={last}-{last}"), StatusCode::PARTIAL_CONTENT, last..length),
        (&format!("bytes={last}-99999999"), StatusCode::PARTIAL_CONTENT, last..length),
        ("bytes=5-18446744073709551615", StatusCode::PARTIAL_CONTENT, 5..length),
        // Behind the end, or nothing at all.
        (&format!("bytes={length}-"), StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        ("bytes=99999999-99999999", StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        ("bytes=-0", StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        // What is no range of bytes, or more than one, is passed over.
        ("bytes=5-4", StatusCode::OK, whole.clone()),
        ("bytes=a-b", StatusCode::OK, whole.clone()),
        ("bytes=", StatusCode::OK, whole.clone()),
        ("lines=1-2", StatusCode::OK, whole.clone()),
        ("bytes=0-1,5-6", StatusCode::OK, whole.clone()),
    ];
    for (range, status, expected) in cases {
        let (found, headers, body) = get(&plant, &device, Method::GET, &name, &[("range", range)]).await;
        assert_eq!(found, status, "{range}");
        assert_eq!(headers["etag"], tag.as_str());
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            assert_eq!(headers["content-range"], format!("bytes */{length}").as_str());
            assert!(String::from_utf8_lossy(&body).contains("range-not-satisfiable"));
            continue;
        }
        assert!(body == package[expected.clone()], "{range}");
        assert_eq!(headers["content-length"], expected.len().to_string().as_str());
        let content_range = headers.get("content-range").map(|value| value.to_str().unwrap().to_owned());
        let given = format!("bytes {}-{}/{length}", expected.start, expected.end.wrapping_sub(1));
        assert_eq!(content_range, (status == StatusCode::PARTIAL_CONTENT).then_some(given), "{range}");
    }

    let first = ("range", "bytes=0-9");
    let (status, ..) = get(&plant, &device, Method::GET, &name, &[first, ("if-range", &tag)]).await;
    assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    for other in ["\"other\"", &format!("W/{tag}"), "Sat, 28 Nov 2026 00:00:00 GMT"] {
        let (status, _, body) = get(&plant, &device, Method::GET, &name, &[first, ("if-range", other)]).await;
        assert!((status, body.len()) == (StatusCode::OK, length), "{other}");
    }
    let (status, _, body) = get(&plant, &device, Method::GET, &name, &[first, first]).await;
    assert!((status, body.len()) == (StatusCode::OK, length), "two headers are passed over");
    let (status, headers, body) = get(&plant, &device, Method::HEAD, &name, &[first]).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0), "a range is a matter of GET");
    assert_eq!(headers["content-length"], length.to_string().as_str());
    assert_eq!(headers["accept-ranges"], "bytes");
}

#[tokio::test]
async fn only_a_device_that_was_asked_to_fetch_a_file_gets_it() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let package = Maker::known(&plant).await.package("3012", "1.0.0", 0, &image());
        let name = add(&plant, &package).await.unwrap().name;
        let (asked, idle) = (plant.device("3012-000001").await, plant.device("3012-000002").await);
        let (other_product, unnamed) = (plant.device("3013-000001").await, plant.unnamed("3012-000003"));
        for device in [&asked, &other_product] {
            ask_to_fetch(&plant, device, &name).await;
        }
        let address = plant.serve().await;
        let fetch = async |device: Option<&Device>, name: &str| {
            plant.client(address, device).get_range(&format!("/v1/files/{name}"), 190..=999, None).await
        };
        let part = fetch(Some(&asked), &name).await.unwrap();
        let FilePart { bytes, total, tag } = part;
        assert_eq!((&bytes[..], total), (&package[190..1_000], package.len() as u64));
        assert_eq!(tag, format!("\"{name}\""));

        let code = async |device: Option<&Device>, name: &str| refusal(fetch(device, name).await).code;
        assert_eq!(code(Some(&idle), &name).await, ProblemCode::NotAllowed);
        assert_eq!(code(Some(&other_product), &name).await, ProblemCode::NotFound);
        assert_eq!(code(Some(&unnamed), &name).await, ProblemCode::NotAllowed);
        assert_eq!(code(None, &name).await, ProblemCode::NotAuthenticated);
        for name in ["none", "..%2Fstore.sqlite", "lock"] {
            assert_eq!(code(Some(&asked), name).await, ProblemCode::NotFound, "{name}");
        }
        assert_eq!(plant.incidents(&unnamed).await, [("unregistered".to_owned(), 1)]);
        plant.name(&asked, CredentialState::Voided).await;
        assert_eq!(
            refusal(
                plant
                    .client(address, Some(&asked))
                    .get_range(&format!("/v1/files/{name}"), 0..=9, None)
                    .await
            )
            .code,
            ProblemCode::NotAllowed
        );
        assert_eq!(plant.incidents(&asked).await, [("not-in-use".to_owned(), 1)]);
        assert_eq!(plant.call(&idle, &idle.call(1, 1, Event::Poll)).await.unwrap().requests, []);
    })
    .await;
}
