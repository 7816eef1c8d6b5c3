//! Writing an envelope.

use std::fmt::Display;

use base64::prelude::{BASE64_STANDARD, Engine};
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use zeroize::Zeroizing;

use super::SOAP_1_1;
use super::tree::is_xml_character;
use crate::bytes::Bytes;

/// The prefix that our envelopes give to SOAP's own names.
pub const SOAP_PREFIX: &str = "soap";

/// An envelope with the given header and body, whose elements are of this namespace. It is wiped on drop.
pub fn envelope(
    namespace: &str,
    header: impl FnOnce(&mut Writer),
    body: impl FnOnce(&mut Writer),
) -> Zeroizing<String> {
    let mut writer = Writer { xml: quick_xml::Writer::new(Vec::new()) };
    let start =
        BytesStart::new("soap:Envelope").with_attributes([("xmlns:soap", SOAP_1_1), ("xmlns:t", namespace)]);
    writer.event(Event::Start(start));
    writer.nest_soap("Header", header);
    writer.nest_soap("Body", body);
    writer.event(Event::End(BytesEnd::new("soap:Envelope")));
    Zeroizing::new(String::from_utf8(writer.xml.into_inner()).expect("XML is written from text"))
}

/// Text made fit to stand in an element or attribute.
pub fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// Writes elements into an open element.
pub struct Writer {
    xml: quick_xml::Writer<Vec<u8>>,
}

impl Writer {
    /// An element of ours with a value.
    pub fn element(&mut self, name: &str, value: impl Display) {
        let value = Zeroizing::new(value.to_string());
        self.nest(name, |inside| inside.text(&value));
    }

    /// An element of ours with bytes, in base64.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let value = Zeroizing::new(BASE64_STANDARD.encode(bytes));
        self.nest(name, |inside| inside.text(&value));
    }

    /// An element of ours where there is a value for it.
    pub fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.element(name, value);
        }
    }

    /// An element of ours where there are bytes for it, in base64.
    pub fn optional_bytes(&mut self, name: &str, bytes: Option<&Bytes>) {
        if let Some(bytes) = bytes {
            self.bytes(name, &bytes.0);
        }
    }

    /// An element of ours with elements inside.
    pub fn nest(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.unqualified(&format!("t:{name}"), inside);
    }

    /// An element of SOAP's own.
    pub fn nest_soap(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.unqualified(&format!("{SOAP_PREFIX}:{name}"), inside);
    }

    /// An element without namespace.
    pub fn unqualified(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.event(Event::Start(BytesStart::new(name)));
        inside(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// Text; characters that XML cannot carry are replaced.
    pub fn text(&mut self, text: &str) {
        let text: Zeroizing<String> = Zeroizing::new(
            text.chars().map(|c| if is_xml_character(c) { c } else { char::REPLACEMENT_CHARACTER }).collect(),
        );
        self.event(Event::Text(BytesText::new(&text)));
    }

    fn event(&mut self, event: Event<'_>) {
        self.xml.write_event(event).expect("memory takes every write");
    }
}
