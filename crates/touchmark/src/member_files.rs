//! What a member keeps of its membership: PEM files in its data directory.
//!
//! ```text
//! root.pem       the root certificate
//! plant.pem      the CA that signs members
//! issuing.pem    the CAs that sign devices
//! member.pem     the own certificate
//! member-key.pem the own key, mode 0600
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cert::tls::Credential;
use cert::{Certificate, Trust};
use der::pem::{self, LineEnding};
use identity::Member;
use message::bytes::SecretBytes;
use message::join::Membership;
use zeroize::{Zeroize, Zeroizing};

use crate::failure::Failure;

/// A member's files, read and found to belong together.
pub struct MemberFiles {
    /// Whom the member trusts.
    pub trust: Trust,
    /// What it shows of itself.
    pub credential: Credential,
    /// Who it is.
    pub member: Member,
    /// Its certificate.
    pub certificate: Certificate,
}

/// The file of the root certificate.
pub const ROOT: &str = "root.pem";
/// The file of the plant CA's certificate.
pub const PLANT: &str = "plant.pem";
/// The file of the issuing CAs' certificates.
pub const ISSUING: &str = "issuing.pem";
/// The file of the member's own certificate.
pub const MEMBER: &str = "member.pem";
/// The file of the member's own key.
pub const MEMBER_KEY: &str = "member-key.pem";

/// Writes a membership and its key. The member's own certificate comes last, so that a directory with
/// it is complete.
pub fn save(directory: &Path, membership: &Membership, key: &SecretBytes) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let certificates = |name, list: &[&[u8]]| write(&directory.join(name), CERTIFICATE, list, 0o644);
    certificates(ROOT, &[&membership.root_certificate.0])?;
    certificates(PLANT, &[&membership.plant_certificate.0])?;
    let issuing: Vec<&[u8]> = membership.issuing_certificates.iter().map(|der| der.0.as_slice()).collect();
    certificates(ISSUING, &issuing)?;
    write(&directory.join(MEMBER_KEY), PRIVATE_KEY, &[key.expose()], 0o600)?;
    certificates(MEMBER, &[&membership.member_certificate.0])
}

/// Reads a member's files. Whether the certificate is valid now is not looked at.
pub fn load(directory: &Path) -> anyhow::Result<MemberFiles> {
    if !is_member(directory) {
        return Err(Failure::new(format!("{} holds no membership", directory.display()))
            .advise("join first with the token that the host's `invite` printed, or name the right --data")
            .into());
    }
    let path = |name| directory.join(name);
    let one = |name| only(path(name), CERTIFICATE);
    let issuing = read(&path(ISSUING), CERTIFICATE)?;
    let trust = Trust::new(&one(ROOT)?, &one(PLANT)?, &issuing)
        .with_context(|| format!("the CA certificates in {} do not belong together", directory.display()))?;
    let certificate = Certificate::parse(&one(MEMBER)?).with_context(|| format!("cannot read {MEMBER}"))?;
    let member = certificate.member().with_context(|| format!("{MEMBER} states no member"))?;
    let key = Zeroizing::new(only(path(MEMBER_KEY), PRIVATE_KEY)?);
    let credential = Credential::member(&trust, certificate.der().to_vec(), key);
    Ok(MemberFiles { trust, credential, member, certificate })
}

/// Whether the directory holds a membership already.
pub fn is_member(directory: &Path) -> bool {
    directory.join(MEMBER).exists()
}

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

fn write(path: &Path, label: &str, blocks: &[&[u8]], mode: u32) -> anyhow::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for block in blocks {
        let mut encoded = pem::encode_string(label, LineEnding::LF, block)
            .with_context(|| format!("cannot encode {}", path.display()))?;
        text.push_str(&encoded);
        encoded.zeroize();
    }
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).and_then(
        |mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        },
    );
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path, label: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let end = format!("-----END {label}-----");
    text.split_inclusive(end.as_str())
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .map(|block| match pem::decode_vec(block.as_bytes()) {
            Ok((found, der)) if found == label => Ok(der),
            _ => Err(Failure::new(format!("{} is not PEM of the kind {label}", path.display())).into()),
        })
        .collect()
}

fn only(path: PathBuf, label: &str) -> anyhow::Result<Vec<u8>> {
    let mut blocks = read(&path, label)?.into_iter();
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => Ok(block),
        _ => Err(Failure::new(format!("{} does not hold exactly one {label}", path.display())).into()),
    }
}
