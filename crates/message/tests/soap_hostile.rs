//! Documents that must be refused, with a clear fault and no panic, and unusual ones that must not.

use message::issue::CertificateTransmissionRequest;
use message::lease::{Lease, LeaseRequest};
use message::result::WriteResultTransmission;
use message::soap::{DOCUMENT_BYTES_MAX, Envelope, Fault, FaultKind, document};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn read(document: &str) -> Result<Vec<String>, Fault> {
    let request: CertificateTransmissionRequest = Envelope::parse(document.as_bytes())?.message()?;
    Ok(request.device_numbers.iter().map(ToString::to_string).collect())
}

fn refusal(document: &str) -> Fault {
    read(document).expect_err(document)
}

/// An envelope around the given header and body.
fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="{SOAP}" xmlns:t="urn:touchmark:provisioning:1"
            xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:o="urn:other">
        <s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn request(content: &str) -> String {
    envelope("", &format!("<t:CertificateTransmissionRequest>{content}</t:CertificateTransmissionRequest>"))
}

const NUMBER: &str = "<t:DeviceNumber>3012-123456</t:DeviceNumber>";

#[test]
fn other_peoples_ways_of_writing_the_same_are_read() {
    let expected = Ok(vec!["3012-123456".to_string()]);
    let own_prefix = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <Envelope xmlns="{SOAP}"><Body>
          <CertificateTransmissionRequest xmlns="urn:touchmark:provisioning:1">
            <!-- the first of the day --><DeviceNumber> <![CDATA[3012-123456]]> </DeviceNumber>
          </CertificateTransmissionRequest>
        </Body></Envelope>"#
    );
    let addressing = r#"<o:Action s:mustUnderstand="0">whatever</o:Action>
        <o:Route s:mustUnderstand="1" s:actor="urn:somebody-else"><o:Hop/></o:Route>"#;
    let typed = r#"<t:DeviceNumber xsi:type="t:DeviceNumber">3012&#45;123456</t:DeviceNumber>"#;
    let body = format!("<t:CertificateTransmissionRequest>{NUMBER}</t:CertificateTransmissionRequest>");
    let encoding = r#"s:encodingStyle="""#;
    let documents = [
        own_prefix.clone(),
        format!("\u{feff}{own_prefix}"),
        envelope(addressing, &body),
        envelope("<t:Command>certificate transmission request command</t:Command>", &body),
        request(typed),
        request(NUMBER).replace("<s:Body>", &format!("<s:Body {encoding}>")),
    ];
    for document in documents {
        assert_eq!(read(&document), expected, "{document}");
    }
}

#[test]
fn known_attacks_are_refused() {
    let billion_laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    let external = r#"<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>"#;
    let named = |entity| request(&format!("<t:DeviceNumber>{entity}</t:DeviceNumber>"));
    let deep = format!("{}{}", "<t:a>".repeat(100_000), "</t:a>".repeat(100_000));
    let deep_unclosed = "<a>".repeat(60_000);
    let wide = request(&"<t:a/>".repeat(30_000));
    let attributes: String = (0..1_000).map(|index| format!(" a{index}=''")).collect();
    let documents = [
        format!("{billion_laughs}{}", named("&b;")),
        format!("{external}{}", named("&x;")),
        named("&x;"),
        request(&deep),
        deep_unclosed,
        wide,
        request(&format!("<t:DeviceNumber{attributes}>3012-123456</t:DeviceNumber>")),
        request(&NUMBER.repeat(10_000)),
        request("<t:DeviceNumber>3012-123<!-- split -->456</t:DeviceNumber>"),
        request("<t:DeviceNumber>3012-123456&#0;</t:DeviceNumber>"),
        request("<t:DeviceNumber>3012-123456\u{0}</t:DeviceNumber>"),
        format!("{}{NUMBER}", request(NUMBER)),
        format!("<?xml-stylesheet href='x'?>{}", request(NUMBER)),
        request(NUMBER).replace("<s:Body>", r#"<s:Body wsu:Id="1" xmlns:wsu="urn:wsu">"#),
        " ".repeat(DOCUMENT_BYTES_MAX + 1),
    ];
    for document in documents {
        assert_eq!(refusal(&document).kind(), FaultKind::Client, "{}", &document[..200]);
    }
}

#[test]
fn what_does_not_belong_is_refused_by_name() {
    for (content, expected) in [
        ("", "element DeviceNumber is missing"),
        ("<t:DeviceNumber>3012-12345</t:DeviceNumber>", "a serial has at least 6 digits"),
        ("<t:DeviceNumber/>", "a hyphen belongs"),
        (
            "<t:Number>3012-123456</t:Number>",
            "element DeviceNumber expected in CertificateTransmissionRequest, not Number",
        ),
        ("<o:DeviceNumber>3012-123456</o:DeviceNumber>", "of another namespace"),
        ("<DeviceNumber>3012-123456</DeviceNumber>", "of another namespace"),
        ("<t:DeviceNumber>3012-123456</t:DeviceNumber><t:a/>", "element a does not belong here"),
        (r##"<t:DeviceNumber href="#1"/>"##, "must not have the attribute href"),
        ("<t:DeviceNumber><t:a/></t:DeviceNumber>", "element a does not belong in DeviceNumber"),
        ("3012-123456", "text directly in CertificateTransmissionRequest"),
        ("<x:DeviceNumber>3012-123456</x:DeviceNumber>", "the prefix x is not declared"),
        ("<t:DeviceNumber>3012-123456", "at byte"),
    ] {
        let fault = refusal(&request(content));
        assert!(fault.problem().detail.contains(expected), "{content}: {fault}");
    }
}

#[test]
fn a_single_value_given_twice_is_refused() {
    let attempt = "<t:Attempt>00112233445566778899aabbccddeeff</t:Attempt>";
    let rest = "<t:Product>3012</t:Product><t:HardwareUid>00112233</t:HardwareUid>";
    for (content, is_read) in [
        (format!("{NUMBER}{attempt}{rest}"), true),
        (format!("{NUMBER}{NUMBER}{attempt}{rest}"), false),
        (format!("{NUMBER}{attempt}{attempt}{rest}"), false),
        (format!("{NUMBER}{attempt}{rest}{rest}"), false),
        (format!("{NUMBER}{rest}{attempt}"), false),
    ] {
        let envelope = Envelope::parse(request(&content).as_bytes()).unwrap();
        assert_eq!(envelope.message::<LeaseRequest>().is_ok(), is_read, "{content}");
    }
}

#[test]
fn a_pack_has_all_its_certificates_and_one_key_at_most() {
    let bytes = |name: &str| format!("<t:{name}>AQ==</t:{name}>");
    let certificates = ["RootCertificate", "IssuingCertificate", "ClientCertificate"].map(bytes).concat();
    let sealed = |name: &str| format!("<t:{name}>{}</t:{name}>", bytes("Ciphertext"));
    let apparatus = |form: &str| {
        format!(
            "<t:Apparatus><t:ApparatusId>4TP9X2QZ7V0C3M8RHJ6KDWBN1E</t:ApparatusId>{}<t:Form>{form}</t:Form>{}</t:Apparatus>",
            sealed("Sealed"),
            ["Challenge", "Confirmation"].map(bytes).concat()
        )
    };
    let lease = |pack: &str| {
        let pack = format!("<t:Pack>{NUMBER}{pack}</t:Pack><t:Expires>1</t:Expires>");
        let body = format!("<t:CertificateTransmission>{pack}</t:CertificateTransmission>");
        Envelope::parse(envelope("", &body).as_bytes()).unwrap().message::<Lease>()
    };
    for (pack, is_read) in [
        (certificates.clone(), true),
        (certificates.clone() + &bytes("SecretKey"), true),
        (certificates.clone() + &sealed("SealedKey") + &apparatus("sealed"), true),
        (apparatus("opened"), true),
        (String::new(), true),
        (certificates.clone() + &bytes("SecretKey") + &sealed("SealedKey"), false),
        (certificates.clone() + &apparatus("opened") + &sealed("SealedKey"), false),
        (bytes("RootCertificate") + &bytes("ClientCertificate"), false),
        (bytes("SecretKey"), false),
        (apparatus("plain"), false),
        (apparatus("opened") + &apparatus("opened"), false),
        (certificates + &bytes("SealedKey"), false),
    ] {
        assert_eq!(lease(&pack).is_ok(), is_read, "{pack}");
    }
}

#[test]
fn envelopes_that_are_none_are_refused() {
    let body = format!("<t:CertificateTransmissionRequest>{NUMBER}</t:CertificateTransmissionRequest>");
    let good = envelope("", &body);
    let soap_1_2 = good.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope");
    assert_eq!(refusal(&soap_1_2).kind(), FaultKind::VersionMismatch);
    let unknown_header = envelope(r#"<o:Security s:mustUnderstand="1"/>"#, &body);
    assert_eq!(refusal(&unknown_header).kind(), FaultKind::MustUnderstand);
    for document in [
        String::new(),
        "not XML".into(),
        "<html/>".into(),
        format!(r#"<s:Envelope xmlns:s="{SOAP}"/>"#),
        format!(r#"<s:Envelope xmlns:s="{SOAP}"><s:Body/></s:Envelope>"#),
        envelope("", &format!("{body}{body}")),
        good.replace("</s:Body>", "</s:Body><s:Body/>"),
        good.replace("</s:Body>", "</s:Body><o:Extra/>"),
        envelope("<t:Command>write result transmission command</t:Command>", &body),
        envelope("<t:Session>00112233445566778899aabbccddeeff</t:Session>", &body),
        envelope(r#"<o:Security s:mustUnderstand="yes"/>"#, &body),
        good.replace("urn:touchmark:provisioning:1", "urn:touchmark:provisioning:2"),
        good[..good.len() / 2].into(),
    ] {
        assert_eq!(refusal(&document).kind(), FaultKind::Client, "{document}");
    }
    assert_eq!(Envelope::parse(b"\xff\xfe<").err().map(|fault| fault.kind()), Some(FaultKind::Client));
}

/// One slip in a document: a byte changed, a piece cut out, doubled or moved.
fn slip(document: &mut Vec<u8>, kind: u8, at: usize, length: usize, byte: u8) {
    let start = at % document.len();
    let end = (start + length).min(document.len());
    let piece = document[start..end].to_vec();
    match kind % 4 {
        0 => document[start] = byte,
        1 => drop(document.drain(start..end)),
        2 => drop(document.splice(start..start, piece)),
        _ => document.extend(piece),
    }
    if document.is_empty() {
        document.push(byte);
    }
}

#[test]
fn ten_thousand_mutated_documents_are_read_or_refused_with_a_sentence() {
    let report = "<t:WriteResultTransmission><t:Attempt>00112233445566778899aabbccddeeff</t:Attempt>\
        <t:DeviceNumber>3012-123456</t:DeviceNumber><t:Result>N.G.</t:Result>\
        <t:Reason>worn &amp; torn</t:Reason><t:Untouched>true</t:Untouched></t:WriteResultTransmission>";
    let originals = [request(NUMBER), envelope("<o:Trace a='1'/>", report)];
    let mut runner = TestRunner::deterministic();
    let slips = prop::collection::vec((any::<u8>(), any::<usize>(), 1..40usize, any::<u8>()), 1..4);
    let mut refused = 0;
    for round in 0..10_000 {
        let mut document = originals[round % 2].clone().into_bytes();
        for (kind, at, length, byte) in slips.new_tree(&mut runner).unwrap().current() {
            slip(&mut document, kind, at, length, byte);
        }
        let read = Envelope::parse(&document).and_then(|envelope| match round % 2 {
            0 => envelope.message::<CertificateTransmissionRequest>().map(drop),
            _ => envelope.message::<WriteResultTransmission>().map(drop),
        });
        if let Err(fault) = read {
            assert!(!fault.problem().detail.is_empty());
            Envelope::parse(fault.document().as_bytes()).expect("a fault is itself a good envelope");
            refused += 1;
        }
    }
    assert!(refused > 5_000, "the slips hardly hurt: {refused} refused");
}

#[test]
fn a_written_document_is_read_under_its_own_limits() {
    let device_numbers = (0..1_000).map(|serial| format!("ABCDEFGH-{serial:012}").parse().unwrap()).collect();
    let text = document(&CertificateTransmissionRequest { device_numbers });
    assert_eq!(read(&text).map(|numbers| numbers.len()), Ok(1_000));
}
