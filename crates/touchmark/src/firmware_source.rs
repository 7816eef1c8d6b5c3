//! Pre-write keys as source files, which a firmware build includes.

use std::fmt::Write;

use authority::ExportedKey;
use zeroize::Zeroizing;

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

fn write_bytes(text: &mut String, bytes: &[u8]) {
    for line in bytes.chunks(BYTES_PER_LINE) {
        text.push_str("   ");
        for byte in line {
            let _ = write!(text, " 0x{byte:02x},");
        }
        text.push('\n');
    }
}
