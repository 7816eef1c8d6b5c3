//! Taking a message's values out of a node, in the order of the schema, leaving nothing over.

use std::fmt::Display;
use std::slice::Iter;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::tree::Node;
use crate::bytes::{Bytes, SecretBytes};

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The elements in a node that no one has taken yet.
pub struct Fields<'a> {
    parent: &'a Node,
    namespace: Option<&'a str>,
    rest: Iter<'a, Node>,
}

impl<'a> Fields<'a> {
    /// The elements in `parent`, of the same namespace as that; it has neither text nor attributes.
    pub fn of(parent: &'a Node) -> Result<Self, Fault> {
        check_attributes(parent)?;
        if !parent.text.trim_ascii().is_empty() {
            return Err(Fault::malformed(format!("text directly in {}", parent.name)));
        }
        Ok(Self { parent, namespace: parent.namespace.as_deref(), rest: parent.children.iter() })
    }

    /// The elements without namespace in `parent`, as a fault has them.
    pub fn unqualified(parent: &'a Node) -> Self {
        Self { parent, namespace: None, rest: parent.children.iter() }
    }

    /// The next element where it has this name.
    pub fn optional(&mut self, name: &str) -> Result<Option<&'a Node>, Fault> {
        match self.rest.as_slice().first() {
            Some(node) if node.name == name && node.namespace.as_deref() == self.namespace => {
                self.rest.next();
                check_attributes(node)?;
                Ok(Some(node))
            }
            _ => Ok(None),
        }
    }

    /// The next element, which must have this name.
    pub fn required(&mut self, name: &str) -> Result<&'a Node, Fault> {
        let parent = &self.parent.name;
        match self.optional(name)? {
            Some(node) => Ok(node),
            None => Err(Fault::malformed(match self.rest.as_slice().first() {
                Some(other) if other.name == name => format!("element {name} is of another namespace"),
                Some(other) => format!("element {name} expected in {parent}, not {}", other.name),
                None => format!("element {name} is missing in {parent}"),
            })),
        }
    }

    /// The text of the next element, which must have this name.
    pub fn text(&mut self, name: &str) -> Result<&'a str, Fault> {
        self.required(name).and_then(leaf)
    }

    /// The value of the next element, which must have this name.
    pub fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Fault> {
        self.required(name).and_then(parsed)
    }

    /// The value of the next element where it has this name.
    pub fn optional_value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        self.optional(name)?.map(parsed).transpose()
    }

    /// The values of the next elements, as many as have this name.
    pub fn values<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Vec<T>, Fault> {
        std::iter::from_fn(|| self.optional_value(name).transpose()).collect()
    }

    /// The bytes of the next element, which must have this name.
    pub fn bytes(&mut self, name: &str) -> Result<Bytes, Fault> {
        self.required(name).and_then(decoded).map(Bytes)
    }

    /// The bytes of the next element where it has this name.
    pub fn optional_bytes(&mut self, name: &str) -> Result<Option<Bytes>, Fault> {
        Ok(self.optional(name)?.map(decoded).transpose()?.map(Bytes))
    }

    /// The secret bytes of the next element where it has this name.
    pub fn optional_secret(&mut self, name: &str) -> Result<Option<SecretBytes>, Fault> {
        Ok(self.optional(name)?.map(decoded).transpose()?.map(SecretBytes::new))
    }

    /// The truth value of the next element, which must have this name.
    pub fn boolean(&mut self, name: &str) -> Result<bool, Fault> {
        self.required(name).and_then(truth)
    }

    /// The truth value of the next element where it has this name.
    pub fn optional_boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.optional(name)?.map(truth).transpose()
    }

    /// Refuses what is left over.
    pub fn end(mut self) -> Result<(), Fault> {
        match self.rest.next() {
            None => Ok(()),
            Some(extra) => {
                let parent = &self.parent.name;
                Err(Fault::malformed(format!("element {} does not belong here in {parent}", extra.name)))
            }
        }
    }
}

/// The header's blocks that no one has taken yet, in any order.
pub struct Header<'a> {
    namespace: &'static str,
    blocks: Vec<&'a Node>,
}

impl<'a> Header<'a> {
    /// The blocks of a message whose elements are of this namespace.
    pub fn new(blocks: &'a [Node], namespace: &'static str) -> Self {
        Self { namespace, blocks: blocks.iter().collect() }
    }

    /// The text of the block of this name, where there is one.
    pub fn optional(&mut self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.take(name).map(leaf).transpose()
    }

    /// The text of the block of this name, which must be there.
    pub fn text(&mut self, name: &str) -> Result<&'a str, Fault> {
        self.required(name).and_then(leaf)
    }

    /// The value of the block of this name, which must be there.
    pub fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Fault> {
        self.required(name).and_then(parsed)
    }

    /// The bytes of the block of this name, which must be there.
    pub fn bytes(&mut self, name: &str) -> Result<Bytes, Fault> {
        self.required(name).and_then(decoded).map(Bytes)
    }

    /// Refuses what is left over.
    pub fn end(self) -> Result<(), Fault> {
        match self.blocks.first() {
            None => Ok(()),
            Some(extra) => {
                Err(Fault::malformed(format!("the header block {} does not belong here", extra.name)))
            }
        }
    }

    fn required(&mut self, name: &str) -> Result<&'a Node, Fault> {
        self.take(name).ok_or_else(|| Fault::malformed(format!("the header block {name} is missing")))
    }

    fn take(&mut self, name: &str) -> Option<&'a Node> {
        let index = self.blocks.iter().position(|block| block.is(self.namespace, name))?;
        Some(self.blocks.remove(index))
    }
}

fn check_attributes(node: &Node) -> Result<(), Fault> {
    node.only_attributes(&[(SCHEMA_INSTANCE, "type"), (SCHEMA_INSTANCE, "schemaLocation")])
}

fn leaf(node: &Node) -> Result<&str, Fault> {
    match node.children.first() {
        None => Ok(node.text.trim_ascii()),
        Some(child) => {
            Err(Fault::malformed(format!("element {} does not belong in {}", child.name, node.name)))
        }
    }
}

fn parsed<T: FromStr<Err: Display>>(node: &Node) -> Result<T, Fault> {
    leaf(node)?.parse().map_err(|error| Fault::malformed(format!("element {}: {error}", node.name)))
}

/// Base64, in which line breaks are allowed (XML Schema Part 2 clause 3.2.16).
fn decoded(node: &Node) -> Result<Vec<u8>, Fault> {
    let text: Zeroizing<String> =
        Zeroizing::new(leaf(node)?.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let bytes = BASE64_STANDARD.decode(text.as_bytes());
    bytes.map_err(|error| Fault::malformed(format!("element {} is not base64: {error}", node.name)))
}

/// A boolean as XML Schema Part 2 clause 3.2.2 writes it.
fn truth(node: &Node) -> Result<bool, Fault> {
    match leaf(node)? {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::malformed(format!("element {}: true or false expected", node.name))),
    }
}
