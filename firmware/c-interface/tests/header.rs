//! The header that C includes is what the source says.

#![cfg(test)]

use std::fs;
use std::path::Path;

#[test]
fn header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("touchmark.h");
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"))
        .generate()
        .unwrap()
        .write_to_file(&made);
    let header = root.join("include/touchmark.h");
    assert!(
        fs::read(&made).unwrap() == fs::read(&header).unwrap_or_default(),
        "{} is not what src/lib.rs says; {} is",
        header.display(),
        made.display()
    );
}
