//! Tells the linker the memories of the machine, whatever directory cargo is called in, and takes the
//! product's pre-write key into the program.

use std::path::Path;
use std::{env, fs};

/// Names the file that `touchmark authority pre-write-key export --rust` wrote.
const KEY_FILE: &str = "TOUCHMARK_PRE_WRITE_KEY";

fn main() {
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");

    println!("cargo::rerun-if-env-changed={KEY_FILE}");
    let source = match env::var_os(KEY_FILE) {
        None => "pub const PRE_WRITE_KEY: Option<(&str, &[u8; 32])> = None;".to_owned(),
        Some(path) => {
            let path = Path::new(&path).canonicalize().expect("the file with the pre-write key is there");
            println!("cargo::rerun-if-changed={}", path.display());
            format!(
                "mod exported {{ include!({path:?}); }}\n\
                 pub const PRE_WRITE_KEY: Option<(&str, &[u8; 32])> = \
                 Some((exported::KEY_IDENTIFIER, &exported::PRE_WRITE_KEY));"
            )
        }
    };
    let out = env::var_os("OUT_DIR").expect("cargo says where to write");
    fs::write(Path::new(&out).join("pre_write_key.rs"), source).expect("cargo's directory can be written to");
}
