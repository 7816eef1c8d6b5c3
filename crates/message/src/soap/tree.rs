//! An XML document as a tree of nodes, within limits; nothing in it is interpreted yet.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use zeroize::Zeroizing;

use super::fault::Fault;

const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 8_192;
const ATTRIBUTES_MAX: usize = 64;

/// An element.
#[derive(Default)]
pub struct Node {
    pub namespace: Option<String>,
    pub name: String,
    /// Without namespace declarations.
    pub attributes: Vec<Attribute>,
    pub children: Vec<Node>,
    /// All character data directly in the element; it may be a secret.
    pub text: Zeroizing<String>,
    has_comment: bool,
}

/// An attribute, or an error in the document that concerns it.
pub struct Attribute {
    pub namespace: Option<String>,
    pub name: String,
    pub value: String,
}

impl Node {
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref() == Some(namespace) && self.name == name
    }

    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.is(namespace, name))
            .map(|found| found.value.as_str())
    }

    pub fn only_attributes(&self, allowed: &[(&str, &str)]) -> Result<(), Fault> {
        let is_allowed =
            |attribute: &&Attribute| allowed.iter().any(|(space, name)| attribute.is(space, name));
        match self.attributes.iter().find(|attribute| !is_allowed(attribute)) {
            None => Ok(()),
            Some(other) => Err(Fault::malformed(format!(
                "element {} must not have the attribute {}",
                self.name, other.name
            ))),
        }
    }
}

impl Attribute {
    fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref() == Some(namespace) && self.name == name
    }
}

/// Why a document is not read, and where.
#[derive(Debug, thiserror::Error)]
#[error("{what} (at byte {position})")]
pub struct TreeError {
    position: u64,
    what: String,
}

/// Reads a whole document.
pub fn parse(document: &[u8]) -> Result<Node, TreeError> {
    let at = |position: usize, what: &str| TreeError { position: position as u64, what: what.into() };
    if document.len() > super::DOCUMENT_BYTES_MAX {
        return Err(at(super::DOCUMENT_BYTES_MAX, "the document is too large"));
    }
    let text =
        str::from_utf8(document).map_err(|error| at(error.valid_up_to(), "the document is not UTF-8"))?;
    if let Some((position, _)) = text.char_indices().find(|(_, c)| !is_xml_character(*c)) {
        return Err(at(position, "a character that XML does not allow"));
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    reader.config_mut().expand_empty_elements = true;
    let mut builder = Builder { root: None, open: Vec::new(), nodes: 0 };
    loop {
        let event = reader.read_event();
        let position = reader.error_position().max(reader.buffer_position());
        let what = match event {
            Ok(Event::Eof) => match builder.root {
                Some(root) if builder.open.is_empty() => return Ok(root),
                _ => Err("the document ends in the middle".into()),
            },
            Ok(event) => builder.take(&reader, event),
            Err(error) => Err(error.to_string()),
        };
        what.map_err(|what| TreeError { position, what })?;
    }
}

/// XML 1.0 production 2, `Char`.
pub fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The elements that are open, and the root once it is closed.
struct Builder {
    root: Option<Node>,
    open: Vec<Node>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, reader: &NsReader<&[u8]>, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(reader, &start),
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.text(resolve(&reference)?.encode_utf8(&mut [0; 4])),
            Event::Comment(_) => self.comment(),
            Event::Decl(declaration) => match declaration.encoding() {
                None => Ok(()),
                Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
                Some(_) => Err("the document must be in UTF-8".into()),
            },
            Event::PI(_) => Err("SOAP does not allow processing instructions".into()),
            Event::DocType(_) => Err("SOAP does not allow a document type declaration".into()),
            Event::Empty(_) | Event::Eof => Err("unexpected end".into()),
        }
    }

    fn start(&mut self, reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<(), String> {
        self.nodes += 1;
        if self.root.is_some() {
            return Err("a second element after the document's end".into());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(format!("elements nested deeper than {DEPTH_MAX}"));
        }
        if self.nodes > NODES_MAX {
            return Err(format!("more than {NODES_MAX} elements"));
        }
        let (namespace, name) = reader.resolver().resolve_element(start.name());
        let mut node =
            Node { namespace: resolved(namespace)?, name: name.as_ref().into(), ..Node::default() };
        for (index, attribute) in start.attributes().enumerate() {
            if index == ATTRIBUTES_MAX {
                return Err(format!("more than {ATTRIBUTES_MAX} attributes"));
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let (namespace, name, value) = (resolved(namespace)?, name.as_ref().into(), value.into_owned());
            node.attributes.push(Attribute { namespace, name, value });
        }
        self.open.push(node);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let node = self.open.pop().ok_or("an element ends that never began")?;
        let has_text = !node.text.trim_ascii().is_empty();
        if has_text && !node.children.is_empty() {
            return Err(format!("element {} holds both text and elements", node.name));
        }
        // What a comment splits, two readers may join differently.
        if has_text && node.has_comment {
            return Err(format!("element {} holds both text and a comment", node.name));
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(node) => node.text.push_str(text),
            None if text.trim_ascii().trim_start_matches('\u{feff}').is_empty() => {}
            None => return Err("text outside the document's element".into()),
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        if let Some(node) = self.open.last_mut() {
            node.has_comment = true;
        }
        Ok(())
    }
}

fn resolved(namespace: ResolveResult<'_>) -> Result<Option<String>, String> {
    match namespace {
        ResolveResult::Bound(namespace) => Ok(Some(namespace.0.into())),
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix} is not declared")),
    }
}

/// A character reference, or one of the five entities that XML itself defines; there are no others.
fn resolve(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        let allowed = Some(character).filter(|c| is_xml_character(*c));
        return allowed.ok_or_else(|| "a reference to a character that XML does not allow".into());
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(format!("the entity {other} is not known")),
    }
}
