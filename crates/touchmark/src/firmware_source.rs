//! Pre-write keys as source files, which a firmware build includes, and as JSON for emulated devices.

use std::fmt::Write;

use authority::ExportedKey;
use message::bytes::SecretBytes;
use zeroize::Zeroizing;

use crate::pre_write_key_file::PreWriteKeyFile;

/// More than any of these files has, so that the text never moves and leaves a copy behind.
const TEXT_BYTES: usize = 2_048;
const BYTES_PER_LINE: usize = 8;

/// A C header with the key and its identifier.
pub fn c_header(key: &ExportedKey) -> Zeroizing<String> {
    let ExportedKey { identifier, product, .. } = key;
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
    let _ = write!(
        text,
        "/* Pre-write key {identifier} of product {product}. Secret: keep it out of version control. */\n\
         #ifndef TOUCHMARK_PRE_WRITE_KEY_H\n\
         #define TOUCHMARK_PRE_WRITE_KEY_H\n\n\
         #include <stdint.h>\n\n\
         #define TOUCHMARK_KEY_IDENTIFIER \"{identifier}\"\n\n\
         static const uint8_t touchmark_pre_write_key[{}] = {{\n",
        key.key.expose().len(),
    );
    write_bytes(&mut text, key.key.expose());
    text.push_str("};\n\n#endif\n");
    text
}

/// A Rust source file with the key and its identifier, for `include!` or as a module.
pub fn rust_source(key: &ExportedKey) -> Zeroizing<String> {
    let ExportedKey { identifier, product, .. } = key;
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
    let _ = write!(
        text,
        "// Pre-write key {identifier} of product {product}. Secret: keep it out of version control.\n\n\
         /// The public name of the key.\n\
         pub const KEY_IDENTIFIER: &str = \"{identifier}\";\n\n\
         /// The key that opens the packs of {product}.\n\
         pub static PRE_WRITE_KEY: [u8; {}] = [\n",
        key.key.expose().len(),
    );
    write_bytes(&mut text, key.key.expose());
    text.push_str("];\n");
    text
}

/// The file that an emulated device takes in place of firmware.
pub fn json_file(key: &ExportedKey) -> Zeroizing<String> {
    let file = PreWriteKeyFile {
        product: key.product.clone(),
        key_identifier: key.identifier.clone(),
        key: SecretBytes::new(key.key.expose().to_vec()),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
    serde_json::to_writer_pretty(&mut *text, &file).expect("a key has a JSON form");
    Zeroizing::new(String::from_utf8(std::mem::take(&mut text)).expect("JSON is text"))
}

fn write_bytes(text: &mut String, bytes: &[u8]) {
    for line in bytes.chunks(BYTES_PER_LINE) {
        text.push_str("   ");
        for byte in line {
            let _ = write!(text, " 0x{byte:02x},");
        }
        text.push('\n');
    }
}
