//! The messages as SOAP 1.1 envelopes over HTTP, document/literal, for factories whose systems speak that.
//!
//! Reading is strict. A document becomes a tree of nodes within limits (`tree`), the envelope is
//! checked, and a message takes its elements one by one in the order of the schema (`fields`);
//! what is left over is refused, whatever its namespace. So there is no second reading of a
//! document that a forger could hide behind, and entities have nowhere to come from: a document
//! type declaration is refused unread.
//!
//! The SOAP header carries the command word of source A Figs. 21 to 23. A peer may leave it out,
//! since the element in the body says the same; where it is there, it must fit.
//!
//! Which elements a message is made of stands here in a file of the same name as its conversation's, and
//! for others in `provisioning.wsdl`; calls have a service and a namespace of their own ([`call`]). To add a
//! message: its type, its [`Message`] and its element there; an operation also its name in [`Operation`].

pub mod call;
mod device;
mod fault;
mod fields;
mod issue;
mod lease;
mod pack;
mod result;
mod tree;
mod writer;

use std::str::FromStr;

use zeroize::Zeroizing;

pub use fault::{Fault, FaultKind};
use fields::{Fields, Header};
use tree::Node;
use writer::Writer;

/// The namespace of every element of ours, except those of [`call`]s.
pub const NAMESPACE: &str = "urn:touchmark:provisioning:1";

/// The largest document that is read, in bytes: far above 1 000 device numbers or one pack.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ACTOR_NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";
const COMMAND: &str = "Command";

/// A message that travels in an envelope.
pub trait Message: Sized {
    /// The name of its element in the body.
    const ELEMENT: &'static str;
    /// Its command word in the header.
    const COMMAND: &'static str;
    /// The namespace of its elements.
    const NAMESPACE: &'static str = NAMESPACE;

    /// Writes what the header carries besides the command word.
    fn write_header(&self, _header: &mut Writer) {}

    /// Writes the content of its element.
    fn write_body(&self, body: &mut Writer);

    /// Takes all that it needs from the header's blocks and the body's elements.
    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault>;
}

/// What can be asked for: the name of an operation is that of its request's element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Packs are asked for: by a gateway for its stock, by a station for one device.
    CertificateTransmissionRequest,
    /// A pack is handed to a device.
    CertificateTransmission,
    /// The result of a write is delivered: by a device to its station, by a station to its gateway.
    WriteResultTransmission,
    /// A device is asked what it is.
    DeviceIdentificationRequest,
    /// A device is asked to make its key.
    KeyRequest,
    /// A device is asked to deliver its write result again.
    WriteResultRequest,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 6] = [
        Self::CertificateTransmissionRequest,
        Self::CertificateTransmission,
        Self::WriteResultTransmission,
        Self::DeviceIdentificationRequest,
        Self::KeyRequest,
        Self::WriteResultRequest,
    ];

    /// The operation's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CertificateTransmissionRequest => "CertificateTransmissionRequest",
            Self::CertificateTransmission => "CertificateTransmission",
            Self::WriteResultTransmission => "WriteResultTransmission",
            Self::DeviceIdentificationRequest => "DeviceIdentificationRequest",
            Self::KeyRequest => "KeyRequest",
            Self::WriteResultRequest => "WriteResultRequest",
        }
    }

    /// The operation's SOAPAction, without the quotation marks of the HTTP header.
    pub fn soap_action(self) -> String {
        format!("{NAMESPACE}#{}", self.as_str())
    }
}

/// A received envelope whose shape is right and whose mandatory headers are all known.
pub struct Envelope {
    header: Vec<Node>,
    body: Node,
}

impl Envelope {
    /// Reads a document.
    ///
    /// # Errors
    /// The fault to answer: not XML within the limits, not SOAP 1.1, or a header block that must be
    /// understood and is not.
    pub fn parse(document: &[u8]) -> Result<Self, Fault> {
        let root = tree::parse(document).map_err(|error| Fault::malformed(error.to_string()))?;
        if root.name != "Envelope" || root.namespace.is_none() {
            return Err(Fault::malformed("the document is not a SOAP envelope"));
        }
        if root.namespace.as_deref() != Some(SOAP_1_1) {
            return Err(Fault::version_mismatch());
        }
        check_soap_part(&root)?;
        let mut parts = root.children.into_iter();
        let mut part = parts.next();
        let header = part.take_if(|part| part.is(SOAP_1_1, "Header"));
        let body = if header.is_some() { parts.next() } else { part };
        let body = body
            .filter(|body| body.is(SOAP_1_1, "Body"))
            .ok_or_else(|| Fault::malformed("the envelope has no body where it belongs"))?;
        if let Some(extra) = parts.next() {
            return Err(Fault::malformed(format!("element {} after the body", extra.name)));
        }
        check_soap_part(&body)?;
        let [body] = <[Node; 1]>::try_from(body.children).map_err(|children| {
            Fault::malformed(format!("the body has {} elements, not one", children.len()))
        })?;
        Ok(Self { header: header.map_or(Ok(Vec::new()), known_blocks)?, body })
    }

    /// The operation that the body asks for.
    ///
    /// # Errors
    /// The fault to answer where there is no such operation.
    pub fn operation(&self) -> Result<Operation, Fault> {
        Operation::ALL
            .into_iter()
            .find(|operation| self.body.is(NAMESPACE, operation.as_str()))
            .ok_or_else(|| Fault::malformed(format!("{} is not an operation", self.body.name)))
    }

    /// The message in the body.
    ///
    /// # Errors
    /// The fault to answer where the body holds anything else, less, or more.
    pub fn message<M: Message>(&self) -> Result<M, Fault> {
        if !self.body.is(M::NAMESPACE, M::ELEMENT) {
            let found = &self.body.name;
            return Err(Fault::malformed(format!("element {} expected, not {found}", M::ELEMENT)));
        }
        let mut header = Header::new(&self.header, M::NAMESPACE);
        if let Some(command) = header.optional(COMMAND)?
            && command != M::COMMAND
        {
            let expected = M::COMMAND;
            return Err(Fault::malformed(format!("the header's command is not {expected}")));
        }
        let mut body = Fields::of(&self.body)?;
        let message = M::read(&mut header, &mut body)?;
        header.end()?;
        body.end()?;
        Ok(message)
    }

    /// The message in the body of an answer.
    ///
    /// # Errors
    /// The peer's fault, or what is wrong with its answer.
    pub fn answer<M: Message>(&self) -> Result<M, AnswerError> {
        if self.body.is(SOAP_1_1, "Fault") {
            return Err(AnswerError::Fault(Fault::read(&self.body).map_err(AnswerError::Garbled)?));
        }
        self.message().map_err(AnswerError::Garbled)
    }
}

/// Why an envelope holds no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerError {
    /// The peer refuses or failed.
    #[error(transparent)]
    Fault(Fault),
    /// The peer's answer cannot be understood; the fault says why.
    #[error("the answer cannot be understood: {}", .0.problem().detail)]
    Garbled(Fault),
}

/// The document that carries `message`. It is wiped on drop, since it may hold a secret key.
pub fn document<M: Message>(message: &M) -> Zeroizing<String> {
    writer::envelope(
        M::NAMESPACE,
        |header| {
            header.element(COMMAND, M::COMMAND);
            message.write_header(header);
        },
        |body| body.nest(M::ELEMENT, |body| message.write_body(body)),
    )
}

/// The service description, with the address at which the service answers filled in.
pub fn wsdl(address: &str) -> String {
    include_str!("soap/provisioning.wsdl").replace("ADDRESS", &writer::escaped(address))
}

/// The header's blocks of our namespaces.
///
/// # Errors
/// A fault where a block meant for us must be understood and is not ours (SOAP 1.1 clause 4.2.3).
fn known_blocks(header: Node) -> Result<Vec<Node>, Fault> {
    check_soap_part(&header)?;
    let (ours, foreign): (Vec<Node>, Vec<Node>) = header
        .children
        .into_iter()
        .partition(|block| matches!(block.namespace.as_deref(), Some(NAMESPACE | call::NAMESPACE)));
    for block in &foreign {
        let is_for_us = matches!(block.attribute(SOAP_1_1, "actor"), None | Some("" | ACTOR_NEXT));
        match block.attribute(SOAP_1_1, "mustUnderstand") {
            None | Some("0") => {}
            Some("1") if is_for_us => return Err(Fault::must_understand(&block.name)),
            Some("1") => {}
            Some(_) => return Err(Fault::malformed("mustUnderstand is neither 0 nor 1")),
        }
    }
    Ok(ours)
}

/// Envelope, header and body hold elements only, and of attributes at most the encoding style,
/// which means nothing here: the schema says how the body is encoded.
fn check_soap_part(part: &Node) -> Result<(), Fault> {
    if !part.text.trim_ascii().is_empty() {
        return Err(Fault::malformed(format!("text directly in {}", part.name)));
    }
    part.only_attributes(&[(SOAP_1_1, "encodingStyle")])
}

/// The text names no operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no such operation")]
pub struct UnknownOperation;

impl FromStr for Operation {
    type Err = UnknownOperation;

    /// Reads a SOAPAction, with or without its quotation marks.
    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        let action = text.trim_ascii();
        let action = action.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(action);
        let name = action.strip_prefix(NAMESPACE).and_then(|rest| rest.strip_prefix('#'));
        Self::ALL.into_iter().find(|operation| Some(operation.as_str()) == name).ok_or(UnknownOperation)
    }
}
