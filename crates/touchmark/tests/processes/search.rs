//! Looks for secrets where they must not be: in files and in the memory of processes, in every form in
//! which a program could have written them down.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Child;

use aho_corasick::AhoCorasick;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine};

/// A name of a secret, and its bytes.
pub type Secret = (String, Vec<u8>);

/// All forms of some secrets.
pub struct Search {
    forms: AhoCorasick,
    /// What each form is one of.
    names: Vec<String>,
}

/// What was somewhere at one moment: a file or a piece of a memory, and its bytes.
pub struct Place {
    name: String,
    content: Vec<u8>,
}

impl Search {
    pub fn new(secrets: &[Secret]) -> Self {
        let forms: Vec<(String, Vec<u8>)> = secrets
            .iter()
            .flat_map(|(name, secret)| {
                assert!(secret.len() >= 16, "{name} is too short to be told from chance");
                forms(secret).into_iter().map(move |(form, bytes)| (format!("{name}, {form}"), bytes))
            })
            .collect();
        let (names, forms): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        Self { forms: AhoCorasick::new(forms).unwrap(), names }
    }

    /// Which secrets are there, and where.
    pub fn found_in(&self, places: &[Place]) -> BTreeSet<String> {
        let found = |place: &Place| {
            let matches = self.forms.find_overlapping_iter(&place.content);
            let names: BTreeSet<&String> =
                matches.map(|found| &self.names[found.pattern().as_usize()]).collect();
            names.into_iter().map(|name| format!("{name} in {}", place.name)).collect::<Vec<_>>()
        };
        places.iter().flat_map(found).collect()
    }
}

/// Every file below a directory, as it is on the disk now.
pub fn files_below(directory: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            places.extend(files_below(&path));
        } else if let Ok(content) = fs::read(&path) {
            // A file that is gone again, such as a journal, holds nothing.
            places.push(Place { name: path.display().to_string(), content });
        }
    }
    places
}

/// All that a process has in its memory and may itself read.
pub fn memory_of(process: &Child) -> Vec<Place> {
    let of = |file: &str| format!("/proc/{}/{file}", process.id());
    let memory = File::open(of("mem")).unwrap();
    let maps = fs::read_to_string(of("maps")).unwrap();
    let places: Vec<Place> = maps.lines().filter_map(|line| read_mapping(&memory, line)).collect();
    assert!(!places.is_empty(), "no memory of process {} can be read", process.id());
    places
}

/// The content of a mapping, such as `7f01c000-7f01e000 rw-p 00000000 00:00 0   [heap]`.
fn read_mapping(memory: &File, line: &str) -> Option<Place> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    if !fields.next()?.starts_with('r') {
        return None;
    }
    let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
    let mut content = vec![0; usize::try_from(end - start).unwrap()];
    // What the kernel keeps for itself (`[vvar]`) and what is past a file's end cannot be read.
    memory.read_exact_at(&mut content, start).ok()?;
    Some(Place { name: format!("memory {line}"), content })
}

/// What a secret may look like where it was stored, sent, logged or printed.
fn forms(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let decimal: Vec<String> = secret.iter().map(u8::to_string).collect();
    // A file for a firmware build has a few bytes a line.
    let source: Vec<String> = secret[..8].iter().map(|byte| format!("0x{byte:02x}")).collect();
    let mut forms = vec![
        ("first half".to_owned(), secret[..secret.len() / 2].to_vec()),
        ("second half".to_owned(), secret[secret.len() / 2..].to_vec()),
        ("hexadecimal".to_owned(), hex::encode(secret).into_bytes()),
        ("hexadecimal in capitals".to_owned(), hex::encode_upper(secret).into_bytes()),
        ("source".to_owned(), source.join(", ").into_bytes()),
        ("printed".to_owned(), decimal.join(", ").into_bytes()),
        ("printed close".to_owned(), decimal.join(",").into_bytes()),
    ];
    for before in 0..3 {
        // Behind other bytes in the same text, each of three ways to fall on its characters.
        let shifted = [&vec![0; before][..], secret].concat();
        let whole = (before * 8).div_ceil(6)..shifted.len() * 8 / 6;
        for (name, text) in [
            ("base64", BASE64_STANDARD.encode(&shifted)),
            ("base64 for URLs", BASE64_URL_SAFE.encode(&shifted)),
        ] {
            forms.push((format!("{name} behind {before}"), text[whole.clone()].as_bytes().to_vec()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn canary() -> Vec<Secret> {
        vec![("canary".to_owned(), (0..32).map(|i| 0x80 ^ (i * 7)).collect())]
    }

    #[test]
    fn every_form_of_a_secret_is_found_in_a_file() {
        let secrets = canary();
        let search = Search::new(&secrets);
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("deep")).unwrap();
        let file = directory.path().join("deep/file");
        let secret = &secrets[0].1;
        for before in 0..4 {
            let surrounded = [&b"some"[..before], secret, b"thing"].concat();
            for text in [
                surrounded.clone(),
                hex::encode(&surrounded).into_bytes(),
                hex::encode_upper(&surrounded).into_bytes(),
                BASE64_STANDARD.encode(&surrounded).into_bytes(),
                BASE64_URL_SAFE.encode(&surrounded).into_bytes(),
                format!("{surrounded:?}").into_bytes(),
                serde_json::to_vec(&surrounded).unwrap(),
                // Of which a part was overwritten.
                surrounded[..before + 16].to_vec(),
            ] {
                fs::write(&file, [b"before ", &text[..], b" after"].concat()).unwrap();
                let found = search.found_in(&files_below(directory.path()));
                assert!(!found.is_empty(), "{:?}", String::from_utf8_lossy(&text));
                assert!(found.iter().all(|what| what.contains("canary") && what.contains("deep/file")));
            }
        }
        fs::write(&file, "nothing of the kind").unwrap();
        assert!(search.found_in(&files_below(directory.path())).is_empty());
    }

    #[test]
    fn a_secret_is_found_in_the_memory_of_a_process() {
        let secrets = vec![("canary".to_owned(), b"a canary that sits in a variable".to_vec())];
        let search = Search::new(&secrets);
        let start = |variable: &str| {
            Command::new("sleep").arg("60").env("SONG", variable).stdin(Stdio::null()).spawn().unwrap()
        };
        for (variable, is_there) in [("a canary that sits in a variable", true), ("silence", false)] {
            let mut process = start(variable);
            // The variable is there once the program has been loaded.
            while !fs::read_to_string(format!("/proc/{}/cmdline", process.id())).unwrap().starts_with("sleep")
            {
                std::thread::yield_now();
            }
            let found = search.found_in(&memory_of(&process));
            process.kill().unwrap();
            process.wait().unwrap();
            assert_eq!(!found.is_empty(), is_there, "{found:?}");
        }
    }
}
