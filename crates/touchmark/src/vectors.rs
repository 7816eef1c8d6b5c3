//! Test vectors: what an implementer of a device, a station or a server must compute to the byte.
//!
//! They lie as JSON in `vectors/` at the root of the repository and are built into the program, so that
//! whoever has the program can put another implementation to the test ([`exchange`]). [`answer`] is
//! our own, which the tests hold against every case.
//!
//! To add a case: write its input into a file there, and the output that the reference gives to it. To add an
//! operation: a function in `answer`, a paragraph in `vectors/README.md`, and a file of cases in
//! [`FILES`]. Released cases are never edited.

pub mod answer;
pub mod exchange;
mod line_messages;
mod store;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name and the text of every file.
pub const FILES: [(&str, &str); 10] = [
    ("authentication-1", include_str!("../../../vectors/authentication-1.json")),
    ("chip-sealed-pack-1", include_str!("../../../vectors/chip-sealed-pack-1.json")),
    ("confirmation-1", include_str!("../../../vectors/confirmation-1.json")),
    ("derived-key-1", include_str!("../../../vectors/derived-key-1.json")),
    ("device-store-1", include_str!("../../../vectors/device-store-1.json")),
    ("device-store-2", include_str!("../../../vectors/device-store-2.json")),
    ("line-frame-1", include_str!("../../../vectors/line-frame-1.json")),
    ("line-frame-2", include_str!("../../../vectors/line-frame-2.json")),
    ("possession-1", include_str!("../../../vectors/possession-1.json")),
    ("sealed-pack-1", include_str!("../../../vectors/sealed-pack-1.json")),
];

/// One thing to compute.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file that it stands in.
    #[serde(skip_deserializing)]
    pub file: &'static str,
    /// What is special about it.
    pub name: String,
    /// What to compute.
    pub operation: String,
    /// From what.
    pub input: Value,
    /// What must come out.
    pub output: Value,
}

/// Every case of every file.
pub fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|(name, text)| read(name, text)).collect()
}

fn read(file: &'static str, text: &str) -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(text).expect("the vectors are cases");
    cases.into_iter().map(|case| Case { file, ..case }).collect()
}
